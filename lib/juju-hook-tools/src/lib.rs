//! Juju's hook tools as pure functions, on a model that is plain data.
//!
//! A charm talks to Juju by small commands: `config-get`, `relation-set`, `status-set`. This crate holds what they mean,
//! once, for everybody who needs Juju without a controller: a simulator whose executable forwards its command line to an
//! agent, and tests that run a charm in their own process. It reads no file, starts no process, opens no socket and looks
//! at no clock; whoever calls it does.
//!
//! - [`model`] is the state: applications, units, relations, secrets, storage. serde stores it; `juju deploy`, `juju
//!   integrate` and the like are methods of [`model::Model`].
//! - [`context`] says what a dispatch runs for, and gives the environment that Juju would give it.
//! - [`session`] is one dispatch: tools run in it, and its end is a commit or an abandon. A commit says what it causes.
//! - [`tools`] names the tools.
//! - [`yaml`] reads YAML as Go does where that matters.
//!
//! Formats, exit codes and texts are those of Juju 4.0.15 on Kubernetes, held to recordings in this crate's tests. Where
//! 3.6 is known to differ, [`model::JujuVersion`] decides.
//!
//! ```
//! use juju_hook_tools::context::{Event, HookContext};
//! use juju_hook_tools::model::{Charm, CharmFiles, Model};
//! use juju_hook_tools::session::{Change, HookSession, Invocation};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let radarr = CharmFiles {
//!     metadata: "{name: radarr, provides: {backup: {interface: velero_backup_config, limit: 1}}}",
//!     ..CharmFiles::default()
//! };
//! let velero = CharmFiles {
//!     metadata: "{name: velero, requires: {apps: {interface: velero_backup_config}}}",
//!     ..CharmFiles::default()
//! };
//! let mut model = Model::new("media", "c1dffb6d-a8af-4bab-851e-54aafa595a16");
//! model.deploy("radarr", Charm::from_files(&radarr)?)?;
//! model.deploy("velero", Charm::from_files(&velero)?)?;
//! model.add_unit("radarr")?;
//! model.add_unit("velero")?;
//! let relation = model.integrate("radarr", "velero")?;
//! model.enter_scope(relation, "velero/0");
//! model.enter_scope(relation, "radarr/0");
//!
//! // radarr/0 runs its relation-created hook and writes to the application's databag.
//! let context = HookContext::new("radarr/0", Event::RelationCreated { relation }, "4c149140738deb72");
//! let mut session = HookSession::begin(&model, context)?;
//! let args = ["--app", "schedule=daily"].map(str::to_owned);
//! let output = session.run(&mut model, &Invocation::new("relation-set", &args));
//! assert_eq!(output.code, 0);
//!
//! // Nobody sees it until the hook has succeeded; then velero/0 gets relation-changed.
//! assert!(model.relations[&relation].application_data.is_empty());
//! let changes = session.commit(&mut model)?;
//! let changed = Event::RelationChanged { relation, remote_unit: None };
//! assert_eq!(changes, [Change::event("velero/0", changed)]);
//! # Ok(())
//! # }
//! ```

pub mod context;
mod flags;
mod format;
pub mod model;
pub mod session;
mod time;
pub mod tools;
pub mod yaml;
