//! The unit's own pod, seen and marked over the Kubernetes API (feature `kubernetes`).
//!
//! Some things are said on a pod and nowhere else: which of its volumes a backup holds, for one. The Role that Juju gives to every
//! application allows get, list and patch of pods in the model's namespace, without `--trust`
//! (`internal/provider/kubernetes/application/trust.go` of juju/juju). [`OwnPod`] is that much, in a few requests, and needs no client
//! library for Kubernetes. A charm that has one builds it on [`Connection`], which says how the API server is reached.
//!
//! ```no_run
//! use juju_charm::Juju;
//! use juju_charm::kubernetes::{Error, OwnPod};
//!
//! fn mark(juju: &Juju) -> Result<(), Error> {
//!     let own = OwnPod::of(juju.context())?;
//!     let pod = own.read()?;
//!     if let Some(volume) = pod.volume_at("web", "/data") {
//!         let marks = [("example.com/data".to_owned(), Some(volume.to_owned()))].into();
//!         own.annotate(&marks)?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! Annotations go with the pod: whoever relies on them sets them again at every event, which costs one request when they are there.

mod connection;
mod pod;
mod settings;

pub use connection::{Connection, ConnectionError, HttpClient};
pub use pod::{Error, OwnPod, Pod};
pub use settings::{Account, Settings, SettingsError};
