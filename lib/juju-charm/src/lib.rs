//! Write a Juju charm in Rust.
//!
//! Juju runs a charm's `dispatch` once for each event, with the facts in environment variables, and the charm answers with
//! hook tools. This crate turns that into one handle: [`Juju`] tells the event and what Juju knows, each read once and only
//! when asked for, and takes what the charm wants, writing only what differs. So a charm can be one function that brings
//! the world to where it should be, whatever the event:
//!
//! ```no_run
//! use juju_charm::{Error, Event, Juju, Port, Status};
//!
//! fn charm(juju: &Juju) -> Result<(), Error> {
//!     if let Event::Action(action) = juju.context().event() {
//!         return juju.action_fail(&format!("action {} is not known", action.name));
//!     }
//!     juju.open_port(Port::tcp(8080))?;
//!     let greeting = juju.config()?.text("greeting")?.unwrap_or("ready").to_owned();
//!     juju.set_status(&Status::Active(greeting)).map(drop)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let juju = Juju::from_env()?;
//!     juju_charm::log::init(&juju);
//!     Ok(charm(&juju)?)
//! }
//! ```
//!
//! # Layers
//! Each can be used without those above it.
//! 1. [`context`], [`event`], [`names`]: the environment, read once, as types.
//! 2. [`runner`] and [`hook_tools`]: one function for each hook tool, without memory.
//! 3. [`Juju`]: remembers, compares, skips. Beside it [`pebble`], the workload's service manager, and [`log`].
//!    [`own_file`] keeps what a process read for the next one; [`databag`] makes structs of databags and databags of structs.
//! 4. `kubernetes` (feature of that name): the unit's own pod.
//! 5. `testing` (feature of that name): state in, event, state out, without a Juju.
//!
//! # What Juju promises
//! Writes to databags, stored state, ports and secrets are kept when the process ends with exit code 0, all or none. Status,
//! workload version, log and action results take effect at once. A hook that fails is run again, and any hook may be the
//! first that a process sees: nothing may depend on an earlier event having come.
//!
//! # What is left out, and why
//! * **Deferring an event.** What is deferred is run later with the facts of then and the name of now. Here a charm brings the world to
//!   where it should be whatever the event is, so the next event does what this one could not; `update-status` comes if no other does.
//!   To have Juju run the same hook again, fail it. What a later dispatch has to know goes into [`Juju::store`].
//! * **Handlers for each event, and objects that find each other.** [`Event`] is an enum: a charm that wants handlers has `match`.
//! * **Collecting the status from handlers.** There is one function, so it knows all of them: [`Status::most_urgent`].
//! * **Machines:** no machine charms, no port ranges, no `juju-reboot`.
//!
//! Everything blocks: a dispatch does one thing after the other, and its cost is the number of hook tools that it calls.

pub mod config;
pub mod context;
pub mod databag;
pub mod error;
pub mod event;
pub mod hook_tools;
mod juju;
#[cfg(feature = "kubernetes")]
pub mod kubernetes;
pub mod log;
pub mod names;
pub mod own_file;
pub mod pebble;
pub mod runner;
pub mod secret;
pub mod status;
#[cfg(feature = "testing")]
pub mod testing;
mod typed;
mod variables;

pub use config::Config;
pub use context::JujuContext;
pub use error::{Error, ErrorKind};
pub use event::Event;
pub use juju::Juju;
pub use names::{Port, RelationId, SecretId, StorageId, UnitName};
pub use runner::{ProcessRunner, ToolOutput, ToolRunner};
pub use secret::{SecretContent, SecretRevision};
pub use status::{CurrentStatus, Status};
pub use variables::ContextError;

/// What the README shows compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
