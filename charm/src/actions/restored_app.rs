//! The app as the engine has to know it: stopped through Pebble, started by the dispatch's own line, and healthy when it
//! answers itself.

use std::collections::BTreeMap;
use std::time::Duration;

use config_recovery::engine::{App, CheckedBackup, Examined, Restored};
use jiff::Timestamp;

use crate::CharmError;
use crate::data_unit::{self, DATA_UNIT};
use crate::env::Env;
use crate::facts::Facts;
use crate::recovery::Examiner;
use crate::remembered::Remembered;
use crate::service::{self, let_end, own_service};
use crate::steps::apply;
use crate::steps::prepare_volume::takes_over;
use crate::steps::start_restored::start_restored;

/// The app of this unit.
pub struct RestoredApp<'a> {
    /// Where it runs.
    pub env: Env<'a>,
    /// What was found when the action began.
    pub facts: &'a Facts,
    /// Looks at what is restored.
    pub examiner: Examiner<'a>,
    /// Whether that the content is in place, and the app healthy with it, could be written down; `None` as long as it is not.
    pub noted: Option<Result<(), CharmError>>,
}

impl RestoredApp<'_> {
    /// Writes down that the content is that of a backup now, and, where no unit had the data, that this one has them.
    fn note(&self) -> Result<(), CharmError> {
        let juju = self.env.juju;
        // Read again: what the start put aside is in it. It goes to the pod's disk before anything that a kill can hit.
        let known = Remembered::read(juju)?;
        known.clone().with_restore(Timestamp::now()).keep(juju, &known)?;
        if takes_over(self.facts)
            && let Some(id) = juju.relations(data_unit::ENDPOINT)?.first()
        {
            let here = BTreeMap::from([(DATA_UNIT.to_owned(), self.facts.unit.to_string())]);
            juju.set_own_app_data(id, &here)?;
        }
        Ok(())
    }
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

    fn came_back(&mut self, _: &CheckedBackup) {
        self.noted = Some(self.note());
    }

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        self.examiner.examine(restored)
    }
}
