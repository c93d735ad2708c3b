//! Recovery of media apps on Kubernetes under Juju, for a person at a terminal.
//!
//! The charm restores: it has the volume mounted. Here it is planned over many apps, asked, started by the `juju` command, followed in
//! the cluster, and gone on with after an interruption.
//!
//! - [`juju`] is the one way to Juju, [`cluster`] the one way to Kubernetes.
//! - [`fleet`] joins what both say into apps with a state: pure.
//! - [`doctor`] says whether all is there that a backup and a restore need: a table of pure checks.
//! - [`plan`] says what will be done, as a value that is shown, confirmed and carried out: pure.
//! - [`spec`] says what is wrong with a spec of backups, and what it would store: pure.
//! - [`run`] carries it out, by a journal.
//! - [`report`] has the forms of what is printed; [`printer`] prints.
//! - [`wizard`] leads a person through it.
//! - [`commands`] has one module for each command.

pub mod args;
pub mod cluster;
pub mod commands;
pub mod doctor;
#[cfg(test)]
pub(crate) mod fixtures;
pub mod fleet;
pub mod juju;
pub mod plan;
pub mod printer;
pub mod problem;
pub mod report;
pub mod run;
pub mod spec;
pub mod wizard;
