//! A simulated Juju that dispatches real charms: no controller, no cluster, no daemon.
//!
//! A [`Simulation`] is one model on one Kubernetes, in a folder. Its methods are what a user types (`juju deploy`, `juju
//! integrate`, `juju config`, `juju run`) and what Juju or Kubernetes does by itself (update-status, a new pod, another
//! leader). Each of them runs every event that follows before it returns, one after the other, so that the same story
//! always ends the same, and a test never waits.
//!
//! What runs is real: the charm's `dispatch` in a process of its own, with the environment that Juju gives it, hook
//! tools that are executables (links to `juju-sim`, which ask the agent over its socket), a Pebble on a unix socket that
//! starts processes. What a hook tool answers is not here but in `juju-hook-tools`, which this crate and the charm
//! framework's own tests share.
//!
//! ```no_run
//! use juju_sim::{Deploy, OperatorOptions, Options, Simulation};
//!
//! # fn main() -> juju_sim::Result<()> {
//! let mut juju = Simulation::create("scratch", Options::default())?;
//! let radarr = Deploy::new("radarr", "path/to/charm").resource("radarr-image", "lscr.io/linuxserver/radarr");
//! juju.deploy(radarr.config("timezone", "Europe/Berlin"))?;
//! juju.deploy_velero_operator(OperatorOptions::default())?;
//! juju.integrate("radarr", "velero-operator")?;
//!
//! println!("{}", juju.status("radarr/0")?.workload.message);
//! for schedule in juju.schedules() {
//!     println!("{}: {}", schedule.name(), schedule.spec.schedule);
//! }
//! for warning in juju.operator_warnings() {
//!     println!("{warning}");
//! }
//! juju.destroy()
//! # }
//! ```
//!
//! | what | where |
//! |---|---|
//! | a model and what is done to it | [`Simulation`], [`Options`], [`Deploy`], [`Workload`] |
//! | what a unit shows | [`UnitStatus`], [`StatusInfo`], [`ActionResult`] |
//! | each dispatch: hook tools, exit, time, memory | [`DispatchReport`], [`ToolCall`], [`Exit`] |
//! | accidents on order: a tool that fails, a hook that is killed at its n-th call | [`Fault`], [`At`], [`Effect`] |
//! | the stand-in velero-operator | [`OperatorOptions`], [`Defects`], [`Simulation::schedules`], [`Simulation::operator_warnings`] |
//! | the stand-in Kubernetes | [`ClusterOptions`], [`ClusterRequest`], [`Simulation::pod`]; without a model [`StandInCluster`] |
//! | where a unit's files are | [`Layout`], [`UnitPaths`] |
//! | the commands `juju-sim` and `juju` | [`cli`] |
//!
//! The README says what the simulation is held to and what it leaves out.

mod agent;
pub mod cli;
mod error;
mod kubernetes;
mod layout;
mod names;
mod pebble;
mod pebble_news;
mod simulation;
pub mod tool_client;
mod wire;

pub use agent::{At, DispatchReport, Effect, Exit, Fault, ToolCall};
pub use error::{Error, Result};
pub use juju_hook_tools::context::Event;
pub use juju_hook_tools::model::Databag;
pub use kubernetes::{ClusterOptions, ClusterRequest, Rights, StandInCluster, VolumeKind};
pub use layout::{Layout, UnitPaths};
pub use simulation::*;
