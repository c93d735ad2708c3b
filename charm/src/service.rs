//! The app's own service, as Pebble tells of it: asked and judged here alone.
//!
//! Pebble calls a service inactive from the moment on at which it is told to end, however long its process takes to save what it holds
//! (`stateToStatus` in its `internals/overlord/servstate/manager.go`). That it has ended is told by the change alone that it ends by.

use std::time::Duration;

use juju_charm::pebble::{ChangeSelect, Error as PebbleError, Pebble, ServiceStatus};

use crate::profile::AppProfile;

/// How long a service may take to start or stop, beside the time that its app file gives it to end.
const SERVICE_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the app's service may take to start or stop.
pub(crate) fn service_timeout(profile: &AppProfile) -> Duration {
    let to_end = profile.workload.stop_timeout.unwrap_or_default();
    SERVICE_TIMEOUT + Duration::from_secs(to_end.into())
}

/// What the app's service does just now; `None` where Pebble does not know it.
///
/// # Errors
/// When Pebble gives no answer.
pub(crate) fn own_service(
    pebble: &dyn Pebble,
    profile: &AppProfile,
) -> Result<Option<ServiceStatus>, PebbleError> {
    let services = pebble.services(&[])?;
    let own = services.into_iter().find(|service| service.name == profile.name);
    Ok(own.map(|service| service.current))
}

/// Whether a service has to be stopped before its files may be touched. One in back-off is started again by Pebble; of a word that this
/// charm does not know nobody can say that it does not run.
pub(crate) fn runs(status: &ServiceStatus) -> bool {
    !matches!(status, ServiceStatus::Inactive | ServiceStatus::Error)
}

/// Waits until nothing is under way any more that a dispatch began which was killed since. Whether there was something: then what was
/// read before counts no more.
///
/// # Errors
/// When Pebble gives no answer, or it takes too long.
pub(crate) fn let_end(pebble: &dyn Pebble, profile: &AppProfile) -> Result<bool, PebbleError> {
    let begun = pebble.changes(ChangeSelect::InProgress, Some(&profile.name))?;
    for change in &begun {
        match pebble.wait_change(&change.id, service_timeout(profile)) {
            // Whatever came of it, it is over.
            Ok(_) | Err(PebbleError::Change { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(!begun.is_empty())
}
