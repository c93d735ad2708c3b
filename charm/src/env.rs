//! What a dispatch works with.

use juju_charm::Juju;
use juju_charm::pebble::Pebble;

use crate::kubernetes::Cluster;
use crate::profile::AppProfile;
use crate::recovery::Recovery;

/// The world of one dispatch: everything outside of the process that it may talk to, and the app that it is for.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    /// Juju.
    pub juju: &'a Juju,
    /// Pebble of the workload container.
    pub pebble: &'a dyn Pebble,
    /// The cluster.
    pub cluster: &'a dyn Cluster,
    /// The recovery engine.
    pub recovery: &'a dyn Recovery,
    /// The app.
    pub profile: &'a AppProfile,
}
