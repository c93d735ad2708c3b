//! Tests of charms without a Juju: state in, event, state out.
//!
//! A test builds a [`State`], runs the charm's function for an [`Event`] in a [`Context`], and looks at the [`Outcome`]: the
//! state after, every hook tool that was called, what was logged. The charm runs in the environment that Juju would give
//! it, and its hook tools are answered by [`juju_hook_tools`], with Juju's formats, exit codes and refusals. States and
//! events that Juju could not have are refused. [`Fault`] makes calls fail, or kills the charm at one.
//!
//! ```
//! use juju_charm::testing::{Context, Event, State};
//! use juju_charm::{Error, Juju, Status};
//!
//! fn charm(juju: &Juju) -> Result<(), Error> {
//!     let greeting = juju.config()?.text("greeting")?.unwrap_or("hello").to_owned();
//!     juju.set_status(&Status::Active(greeting)).map(drop)
//! }
//!
//! let state = State::new("greeter", 0).with_config("greeting", "good day");
//! let outcome = Context::new().run(charm, Event::ConfigChanged, &state).unwrap();
//! assert!(outcome.result.is_ok());
//! assert!(outcome.state.status() == Status::Active("good day".to_owned()));
//!
//! // Nothing has changed: nothing is written.
//! let again = Context::new().run(charm, Event::UpdateStatus, &outcome.state).unwrap();
//! assert!(again.writes().is_empty());
//! ```
//!
//! # Containers
//! The Pebbles of the unit's containers are part of the state. A charm that takes its Pebble as `&dyn Pebble` is run by
//! [`Context::run_with_pebbles`], which hands it a [`FakePebble`] for each container:
//!
//! ```
//! use juju_charm::pebble::{Layer, Override, Pebble, Service, ServiceStatus, Startup};
//! use juju_charm::testing::{Context, Event, PebbleState, State};
//! use juju_charm::Juju;
//! use std::time::Duration;
//!
//! fn charm(_: &Juju, pebble: &dyn Pebble) -> Result<(), juju_charm::pebble::Error> {
//!     let web = Service {
//!         r#override: Some(Override::Replace),
//!         command: Some("/usr/bin/web".into()),
//!         startup: Some(Startup::Enabled),
//!         ..Service::default()
//!     };
//!     let layer = Layer { services: [("web".into(), web)].into(), ..Layer::default() };
//!     if !pebble.plan()?.includes(&layer) {
//!         pebble.add_layer("web", &layer, true)?;
//!         pebble.replan_and_wait(Duration::from_secs(30))?;
//!     }
//!     Ok(())
//! }
//!
//! let state = State::new("web", 0).with_pebble("web", PebbleState::new());
//! let event = Event::PebbleReady { container: "web".into() };
//! let run = |event, state: &State| Context::new().run_with_pebbles(|juju, pebbles| charm(juju, pebbles.of("web")), event, state);
//! let outcome = run(event, &state).unwrap();
//! assert_eq!(outcome.state.pebble("web").unwrap().service("web"), Some(ServiceStatus::Active));
//! // Nothing has changed: nothing is written.
//! let again = run(Event::UpdateStatus, &outcome.state).unwrap();
//! assert!(again.pebble_writes("web").is_empty());
//! ```
//!
//! For the layer below, [`ScriptedRunner`] answers exactly the calls that it was told of.

mod consistency;
mod context;
mod pebble;
mod pebbles;
mod runner;
mod scripted;
mod state;

pub use context::{Context, InconsistentState, Outcome, RunError};
pub use juju_hook_tools::context::Event;
pub use juju_hook_tools::model::{Charm, CharmError, CharmFiles, Model};
pub use juju_hook_tools::session::{ActionOutcome, CommitError, LogLevel, LogLine, LogTarget};
pub use pebble::{FakeFile, FakePebble, PebbleCall, PebbleFault, PebbleState};
pub use pebbles::Pebbles;
pub use runner::{Call, Fault};
pub use scripted::{ExpectedCall, ScriptedRunner};
pub use state::{RelationState, State};
