//! A restore that was cut off: before the workload may start, the volume is made whole again.

use config_recovery::engine::{self, Settled};
use config_recovery::journal::{Record, Step};
use juju_charm::pebble::Pebble;

use super::texts::told;
use crate::apply;
use crate::facts::{Container, Facts, HeldUp, Storage};
use crate::plan::is_running;
use crate::profile::AppProfile;

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing had to be done.
    Nothing,
    /// The volume is whole again, and what was read before counts no more.
    Whole(String),
    /// It is not whole, and the workload must not start.
    Not(HeldUp),
}

/// Looks for what a restore has left and puts it right. Only for a dispatch in which no restore runs.
///
/// It looks where the storage was looked at: in every event in which the workload does not run or can have been started anew.
pub fn mend(pebble: &dyn Pebble, profile: &AppProfile, facts: &Facts) -> Mended {
    let (Storage::Mounted { location, .. }, Container::Ready(container)) = (&facts.storage, &facts.container)
    else {
        return Mended::Nothing;
    };
    let held_up = |text: String| {
        Mended::Not(HeldUp {
            text: format!("config volume: a restore was cut off: {text}"),
            needs_somebody: true,
        })
    };
    let running = is_running(container);
    let record = match engine::unfinished(location) {
        Ok(record) => record,
        Err(error) if running => {
            log::warn!("config volume: {}", told(&error, &facts.app));
            return Mended::Nothing;
        }
        Err(error) => return held_up(told(&error, &facts.app)),
    };
    if running {
        match &record {
            None => return Mended::Nothing,
            // The files of an app that runs are not moved.
            Some(record) if matches!(record.step, Step::Stop | Step::Swap | Step::Start | Step::PutBack) => {
                if let Err(reason) = apply::stop(pebble, profile) {
                    return held_up(reason);
                }
            }
            Some(_) => {}
        }
    }
    // An app that was stopped was not seen healthy.
    match engine::settle(location, false) {
        Ok(Settled::Nothing) => Mended::Nothing,
        Ok(Settled::OldContent(record)) => told_of(&format!(
            "{} was cut off; the old content is back; run restore-from-backup again",
            which(record.as_ref())
        )),
        Ok(Settled::NewContent(record)) => told_of(&format!(
            "{} was cut off when its content was in place already; it stays",
            which(record.as_ref())
        )),
        Err(error) => held_up(format!(
            "{}; run restore-from-backup again",
            told(&error, &facts.app)
        )),
    }
}

fn told_of(text: &str) -> Mended {
    log::warn!("config volume: {text}");
    Mended::Whole(text.to_owned())
}

fn which(record: Option<&Record>) -> String {
    match record {
        Some(record) => format!("the restore of {}", record.backup),
        None => "a restore".to_owned(),
    }
}
