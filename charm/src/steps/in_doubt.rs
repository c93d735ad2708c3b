//! What is done where a dispatch fails.

use juju_charm::Status;

use super::apply;
use super::prepare_volume::need_not_hide;
use crate::CharmError;
use crate::env::Env;
use crate::names::pod_name;
use crate::options::RawOptions;
use crate::service;
use crate::vpn;

/// Stops an app that must not show the user's address, where a dispatch fails and it is not certain that it does not. Juju runs a hook
/// again, and tells the unit nothing else until it has ended well; an action it does not run again.
pub fn stop_in_doubt(env: Env<'_>) {
    let Env {
        juju,
        pebble,
        cluster,
        profile,
        ..
    } = env;
    let may_be_seen = || -> Result<bool, CharmError> {
        let options = RawOptions::read(profile, juju.config()?)?;
        if need_not_hide(profile, &options) {
            return Ok(true);
        }
        let facts = vpn::world::look(juju, cluster, false)?;
        let pod = cluster.pod(&pod_name(juju));
        Ok(vpn::route::is_hidden(juju.context().app(), &facts, Some(&pod), false).is_ok())
    };
    // A Pebble that gives no answer stops nothing either.
    let runs = || matches!(service::own_service(pebble, profile), Ok(Some(status)) if service::runs(&status));
    if !profile.vpn || !runs() || may_be_seen().unwrap_or(false) {
        return;
    }
    match apply::stop(pebble, profile) {
        Ok(()) => {
            log::warn!("{} is stopped: it may show the user's address", profile.title);
            let status =
                Status::Waiting("stopped: its VPN could not be looked at; look at juju debug-log".to_owned());
            if let Err(error) = juju.set_status(&status) {
                log::warn!("cannot set the status: {error}");
            }
        }
        Err(reason) => log::error!("{} may show the user's address: {reason}", profile.title),
    }
}
