//! Client of Pebble, the service manager in each workload container.
//!
//! [`Pebble`] is what a charm asks for; [`Client`] does it over the socket that Juju mounts into the charm container,
//! and with the feature `testing` a fake does it in memory. The API is that of Pebble 1.26, which Juju 3.6 and 4.0
//! ship; answers of later ones are understood as well. Source of all facts: `docs/specs/openapi.yaml`,
//! `internals/daemon/api*.go` and `internals/plan/plan.go` of canonical/pebble.
//!
//! This module knows no hook tool and does not log: errors carry everything there is to say.
//!
//! ```no_run
//! use juju_charm::pebble::{Client, Layer, Pebble, Override, Service, Startup};
//! use std::collections::BTreeMap;
//! use std::time::Duration;
//!
//! # fn main() -> Result<(), juju_charm::pebble::Error> {
//! let pebble = Client::for_socket("/charm/containers/web/pebble.socket".into());
//! let web = Service {
//!     r#override: Some(Override::Replace),
//!     command: Some("/usr/bin/web --port 8080".into()),
//!     startup: Some(Startup::Enabled),
//!     ..Service::default()
//! };
//! let layer = Layer { services: BTreeMap::from([("web".into(), web)]), ..Layer::default() };
//! if !pebble.plan()?.includes(&layer) {
//!     pebble.add_layer("web", &layer, true)?;
//! }
//! pebble.replan_and_wait(Duration::from_secs(30))?;
//! # Ok(())
//! # }
//! ```

pub mod duration;
pub mod merge;
pub mod validate;

mod change;
mod checks;
mod client;
mod envelope;
mod error;
mod exec;
mod exec_client;
mod files;
mod layer;
mod lenient;
mod multipart;
mod notices;
mod service;
mod text_enum;
mod transport;

use std::collections::BTreeMap;
use std::time::Duration;

pub use change::{Change, ChangeId, ChangeSelect, ChangeStatus, Progress, Task};
pub use checks::{CheckInfo, CheckStatus};
pub use client::Client;
#[cfg(feature = "testing")]
pub(crate) use client::finished;
pub use error::{Error, PathErrorKind};
pub use exec::{ExecOptions, ExecOutput};
pub use files::{FileInfo, FileOptions, FileType};
pub use layer::{
    Check, CheckLevel, ExecCheck, HttpCheck, Layer, LogTarget, LogTargetType, Override, Plan, Service,
    ServiceAction, Startup, TcpCheck,
};
pub use notices::{Notice, NoticeType, NoticesQuery};
pub use service::{LogLine, ServiceInfo, ServiceStatus, SystemInfo};

/// Result of a request to Pebble.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What a charm can ask of the Pebble of one container.
///
/// Every call may find that Pebble is gone ([`Error::NotReachable`]), answers with an error ([`Error::Api`]) or with
/// something else than its API defines ([`Error::Protocol`]); each method names only what it may find on top.
/// Paths are absolute paths in the workload container.
pub trait Pebble {
    /// Version and boot id: the cheapest question there is.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn system_info(&self) -> Result<SystemInfo>;

    /// Adds a layer on top. If one with this `label` is there already, `combine` joins `layer` into that one, in its
    /// place; without `combine` that is refused. Services keep running as they are until a replan; checks follow at once.
    ///
    /// # Errors
    /// See [`Pebble`]. Pebble refuses a layer that is malformed or makes an impossible plan.
    fn add_layer(&self, label: &str, layer: &Layer, combine: bool) -> Result<()>;

    /// All layers joined.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn plan(&self) -> Result<Plan>;

    /// The services with these names that are in the plan; all if no name is given.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn services(&self, names: &[&str]) -> Result<Vec<ServiceInfo>>;

    /// Starts every enabled service that does not run.
    ///
    /// # Errors
    /// See [`Pebble`]. Kind `no-default-services` when no service is enabled.
    fn autostart(&self) -> Result<ChangeId>;

    /// Starts enabled services, and restarts running ones whose configuration changed.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn replan(&self) -> Result<ChangeId>;

    /// Starts services and what they require.
    ///
    /// # Errors
    /// See [`Pebble`]. A service that ends at once is an error of the change, not of this call.
    fn start(&self, names: &[&str]) -> Result<ChangeId>;

    /// Stops services and what requires them.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn stop(&self, names: &[&str]) -> Result<ChangeId>;

    /// Stops and starts services; one that does not run is started.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn restart(&self, names: &[&str]) -> Result<ChangeId>;

    /// A change as it is now, failed or not.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn change(&self, id: &ChangeId) -> Result<Change>;

    /// Changes as they are now, those of one service if it is named. Checks that run are changes too: each one that is
    /// active has a change of kind `perform-check`, or `recover-check` while it is down.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn changes(&self, select: ChangeSelect, for_service: Option<&str>) -> Result<Vec<Change>>;

    /// Waits until a change is ready, at most `timeout`.
    ///
    /// # Errors
    /// See [`Pebble`]. [`Error::Change`] when it failed, [`Error::ChangeTimeout`] when it is not ready in time.
    fn wait_change(&self, id: &ChangeId, timeout: Duration) -> Result<Change>;

    /// Sends a signal such as `SIGHUP` to running services.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn send_signal(&self, signal: &str, services: &[&str]) -> Result<()>;

    /// The last `lines` that services wrote, oldest first; of all services if no name is given.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn logs(&self, services: &[&str], lines: u32) -> Result<Vec<LogLine>>;

    /// All checks of the plan.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn checks(&self) -> Result<Vec<CheckInfo>>;

    /// Starts checks; tells which ones did not run before.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn start_checks(&self, names: &[&str]) -> Result<Vec<String>>;

    /// Stops checks; tells which ones ran before.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn stop_checks(&self, names: &[&str]) -> Result<Vec<String>>;

    /// Runs a check once, now, and tells why it did not pass. One that is started counts it as one of its runs; one that is
    /// stopped stays so, and nothing is counted.
    ///
    /// # Errors
    /// See [`Pebble`]. A check that does not pass is none.
    fn refresh_check(&self, name: &str) -> Result<std::result::Result<(), String>>;

    /// Whether no check of that level is down: what Kubernetes asks. `Ready` includes `Alive`; none means all checks.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn health(&self, level: Option<CheckLevel>) -> Result<bool>;

    /// The content of a regular file.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`].
    fn read_file(&self, path: &str) -> Result<Vec<u8>>;

    /// Writes a file, atomically: a reader sees the old or the new content.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`].
    fn write_file(&self, path: &str, content: &[u8], options: &FileOptions) -> Result<()>;

    /// What is in a folder, sorted by name; with `itself`, the folder or file itself.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`].
    fn list_files(&self, path: &str, itself: bool) -> Result<Vec<FileInfo>>;

    /// Makes a folder.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`].
    fn make_dir(&self, path: &str, options: &FileOptions) -> Result<()>;

    /// Removes a file or folder. With `recursive`, a folder with everything in it, and it need not exist.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`].
    fn remove_path(&self, path: &str, recursive: bool) -> Result<()>;

    /// Runs a command and waits for its end. An exit code other than 0 is a result, not an error.
    ///
    /// # Errors
    /// See [`Pebble`]. [`Error::Change`] when the command could not be started or took longer than its timeout.
    fn exec(&self, options: &ExecOptions) -> Result<ExecOutput>;

    /// Raises a custom notice; Juju makes a pebble-custom-notice event of it. `key` looks like `example.com/path`.
    /// Within `repeat_after` of the last time it was passed on, it is only counted. Tells the number of the notice.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn notify(
        &self,
        key: &str,
        data: &BTreeMap<String, String>,
        repeat_after: Option<Duration>,
    ) -> Result<String>;

    /// Notices, in the order in which they were last repeated.
    ///
    /// # Errors
    /// See [`Pebble`].
    fn notices(&self, query: &NoticesQuery) -> Result<Vec<Notice>>;

    /// [`Pebble::replan`], then [`Pebble::wait_change`].
    ///
    /// # Errors
    /// Those of both.
    fn replan_and_wait(&self, timeout: Duration) -> Result<Change> {
        self.wait_change(&self.replan()?, timeout)
    }

    /// [`Pebble::start`], then [`Pebble::wait_change`].
    ///
    /// # Errors
    /// Those of both.
    fn start_and_wait(&self, names: &[&str], timeout: Duration) -> Result<Change> {
        self.wait_change(&self.start(names)?, timeout)
    }

    /// [`Pebble::stop`], then [`Pebble::wait_change`].
    ///
    /// # Errors
    /// Those of both.
    fn stop_and_wait(&self, names: &[&str], timeout: Duration) -> Result<Change> {
        self.wait_change(&self.stop(names)?, timeout)
    }

    /// [`Pebble::restart`], then [`Pebble::wait_change`].
    ///
    /// # Errors
    /// Those of both.
    fn restart_and_wait(&self, names: &[&str], timeout: Duration) -> Result<Change> {
        self.wait_change(&self.restart(names)?, timeout)
    }

    /// Whether a path exists.
    ///
    /// # Errors
    /// See [`Pebble`], and [`Error::Path`] for anything but its absence.
    fn exists(&self, path: &str) -> Result<bool> {
        match self.list_files(path, true) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }
}
