//! The app as the engine has to know it: stopped through Pebble, started by the dispatch's own line, and healthy when it
//! answers itself.

use std::path::Path;
use std::time::Duration;

use config_recovery::engine::App;
use juju_charm::pebble::ServiceStatus;

use crate::env::Env;
use crate::recovery::examine;
use crate::steps::apply;
use crate::steps::start_restored::start_restored;

/// The app of this unit.
pub struct RestoredApp<'a>(pub Env<'a>);

impl App for RestoredApp<'_> {
    fn stop(&mut self) -> Result<(), String> {
        let Env { pebble, profile, .. } = self.0;
        let failed = |error| format!("cannot look at the service: {}", crate::causes(&error));
        let services = pebble.services(&[]).map_err(failed)?;
        let own = services.iter().find(|service| service.name == profile.name);
        match own.map(|service| &service.current) {
            // One in back-off would be started again by Pebble.
            Some(ServiceStatus::Active | ServiceStatus::Backoff) => apply::stop(pebble, profile),
            _ => Ok(()),
        }
    }

    fn start(&mut self, patience: Duration) -> Result<(), String> {
        start_restored(self.0, patience)
    }

    fn examine(&mut self, folder: &Path, promised: bool) -> Vec<String> {
        examine(self.0.profile, folder, promised)
    }
}
