//! A restore that was cut off: before the workload may start, the volume is made whole again.

use std::time::Duration;

use config_recovery::engine::{self, Settled};
use config_recovery::journal::{Record, Step};

use super::may_start::cut_off;
use super::{StartBlocker, noted};
use crate::CharmError;
use crate::env::Env;
use crate::facts::{Container, Exchange, Facts, Storage};
use crate::names::{LIST_BACKUPS, RESTORE_FROM_BACKUP, restore_command};
use crate::recovery::health;
use crate::recovery::texts::user_message;
use crate::steps::apply;
use crate::steps::plan::is_running;

/// What was done.
#[derive(Debug, PartialEq, Eq)]
pub enum Mended {
    /// Nothing had to be done.
    Nothing,
    /// The volume is whole again, and what was read before counts no more. What was done, for people, as is written down already.
    Whole(String),
    /// It is not whole, and the workload must not start.
    Not(StartBlocker),
}

/// Looks for what a restore has left and puts it right. Only for a dispatch in which no restore runs.
///
/// It looks where the storage was looked at: in every event in which the workload does not run or can have been started anew.
///
/// # Errors
/// When a hook tool fails.
pub fn mend(env: Env<'_>, facts: &Facts) -> Result<Mended, CharmError> {
    let (
        Storage::Mounted {
            location, exchange, ..
        },
        Container::Ready(container),
    ) = (&facts.storage, &facts.container)
    else {
        return Ok(Mended::Nothing);
    };
    match exchange {
        Exchange::Nothing => return Ok(Mended::Nothing),
        Exchange::Unreadable { reason } => return Ok(Mended::Not(cut_off(reason))),
        Exchange::Leftovers | Exchange::Incomplete => {}
    }
    let record = match engine::unfinished(location) {
        Ok(record) => record,
        Err(error) => return Ok(Mended::Not(cut_off(&user_message(&error, &facts.app)))),
    };
    let step = record.as_ref().map(|record| record.step);
    let running = is_running(container);
    // The run that started the app did not live to see it healthy.
    let is_healthy = step == Some(Step::Start) && running && health::wait(env, Duration::ZERO).is_ok();
    let disturbs = *exchange == Exchange::Incomplete
        || matches!(
            step,
            Some(Step::Stop | Step::Swap | Step::Start | Step::PutBack | Step::Restart)
        );
    // The files of an app that runs are not moved.
    if running
        && disturbs
        && !is_healthy
        && let Err(reason) = apply::stop(env.pebble, env.profile)
    {
        return Ok(Mended::Not(cut_off(&reason)));
    }
    // The run did not live to write it down, and when it is settled nothing tells of it any more.
    let note = |of: &Settled| match told(of) {
        Some(text) => noted(env, facts, &text, matches!(of, Settled::NewContent(_))).map(Some),
        None => Ok(None),
    };
    let before = match engine::foresee(location, is_healthy) {
        Ok(Some(foreseen)) => note(&foreseen)?,
        _ => None,
    };
    let settled = match engine::settle(location, is_healthy) {
        Ok(settled) => settled,
        Err(error) => {
            // It did not come to what was written down.
            if let Some(noted) = &before {
                facts.remembered.keep(env.juju, noted)?;
            }
            return Ok(Mended::Not(cut_off(&format!(
                "{}; run {RESTORE_FROM_BACKUP} again",
                user_message(&error, &facts.app)
            ))));
        }
    };
    let Some(text) = told(&settled) else {
        return Ok(Mended::Nothing);
    };
    if before.is_none() {
        note(&settled)?;
    }
    log::warn!("config volume: {text}");
    // Nor to say it in its results.
    if let Settled::NewContent(Some(record)) = &settled
        && let Some(uid) = record.safety_backup()
    {
        log::warn!("config volume: to undo it: {}", restore_command(&facts.unit, uid));
    }
    Ok(Mended::Whole(text))
}

/// What was done, for people.
fn told(settled: &Settled) -> Option<String> {
    match settled {
        Settled::Nothing => None,
        Settled::OldContent(record) => Some(format!(
            "{} was cut off; previous content restored; run {RESTORE_FROM_BACKUP} again",
            which(record.as_ref())
        )),
        Settled::NewContent(record) => {
            let text = format!(
                "{} was cut off with its content in place; it stays",
                which(record.as_ref())
            );
            Some(match record.as_ref().and_then(Record::safety_backup) {
                Some(_) => format!("{text}; its safety backup: {LIST_BACKUPS}"),
                None => text,
            })
        }
    }
}

fn which(record: Option<&Record>) -> String {
    match record {
        Some(record) => format!("restore of {}", record.backup),
        None => "a restore".to_owned(),
    }
}
