//! The app as the engine has to know it: stopped through Pebble, started by the dispatch's own line, and healthy when it
//! answers itself.

use std::time::Duration;

use config_recovery::engine::{App, Examined, Restored};

use crate::env::Env;
use crate::recovery::Examiner;
use crate::service::{self, let_end, own_service};
use crate::steps::apply;
use crate::steps::start_restored::start_restored;

/// The app of this unit.
pub struct RestoredApp<'a> {
    /// Where it runs.
    pub env: Env<'a>,
    /// Looks at what is restored.
    pub examiner: Examiner<'a>,
}

impl App for RestoredApp<'_> {
    fn stop(&mut self) -> Result<(), String> {
        let Env { pebble, profile, .. } = self.env;
        let failed = |error| format!("cannot look at the service: {}", crate::causes(&error));
        match own_service(pebble, profile).map_err(failed)? {
            Some(status) if service::runs(&status) => apply::stop(pebble, profile),
            Some(_) => let_end(pebble, profile)
                .map(drop)
                .map_err(|error| format!("cannot wait for its end: {}", crate::causes(&error))),
            None => Ok(()),
        }
    }

    fn start(&mut self, patience: Duration) -> Result<(), String> {
        start_restored(self.env, patience)
    }

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        self.examiner.examine(restored)
    }
}
