//! The beginning of a restore: whether an earlier run is gone on with, or undone first.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

use config_volume::{Swap, SwapOptions, SwapPeek, SwapState};
use jiff::Timestamp;

use super::room::{self, Disk};
use super::settle::{finish, journal_path, put_back, stays, unfinished};
use super::{App, RestorePlan, volume};
use crate::journal::{Journal, Record, Step, unwritable};
use crate::report::Reporter;
use crate::{Error, Result};

/// How a run goes on.
pub(super) struct Begun {
    pub(super) journal: Journal,
    pub(super) options: SwapOptions,
    /// The app was stopped before the run's own step of that: because of an earlier run.
    pub(super) is_stopped: bool,
}

/// Whether an earlier run with this backup had come to the app, so that nothing is transferred again.
pub(super) fn is_gone_on_with(plan: &RestorePlan) -> Result<bool> {
    Ok(unfinished(&plan.volume)?.is_some_and(|record| is_of(plan, &record)))
}

fn is_of(plan: &RestorePlan, record: &Record) -> bool {
    record.run == plan.scratch.run && matches!(record.step, Step::Stop | Step::Swap | Step::Start)
}

fn peek(plan: &RestorePlan) -> Result<Option<SwapPeek>> {
    Swap::peek(&plan.volume).map_err(volume("look at the exchange of the content"))
}

/// The folder outside the volume, where an earlier run takes its content from there.
pub(super) fn outside(plan: &RestorePlan) -> Result<Option<PathBuf>> {
    let is_outside = peek(plan)?.is_some_and(|peek| peek.is_outside && peek.state != SwapState::Staging);
    Ok(is_outside.then(|| plan.elsewhere.clone()))
}

/// The journal to go on with. What an earlier run left is put back, unless it had come to the app with this backup, or the app was seen
/// healthy with its content. Where its previous content is gone, and the new one lost, this run takes its place.
pub(super) fn begin(
    plan: &RestorePlan,
    options: SwapOptions,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<Begun> {
    room::are_apart(&plan.volume, &plan.elsewhere)?;
    let options = SwapOptions {
        keep_old: plan.keep_old,
        staged: outside(plan)?,
        reserve: Disk::of(&plan.volume, &plan.elsewhere)?.reserve(&plan.volume)?,
        sets_before: plan.sets_before,
        ..options
    };
    let path = journal_path(&plan.volume);
    let before = peek(plan)?;
    let mut must_stop = before.as_ref().is_some_and(|peek| peek.is_incomplete);
    let mut is_to_stay = false;
    if let Some(earlier) = Journal::open(&path)? {
        let record = earlier.record();
        let what = format!(
            "a run with backup {} was cut off while {}",
            record.backup, record.step
        );
        if is_of(plan, record) {
            reporter.note(&format!("{what}: going on with it"));
            return Ok(Begun {
                journal: earlier,
                options,
                is_stopped: false,
            });
        }
        // Under an app that runs with it nothing is moved; and if this run comes to nothing, it is what there was before.
        is_to_stay = before.is_some_and(|peek| stays(Some(record), peek.state, false));
        reporter.note(&match is_to_stay {
            true => format!("{what}: its content stays until this one has come"),
            false if record.step == Step::Clean => format!("{what}: it is ended first"),
            false => format!("{what}: it is undone first"),
        });
        must_stop |= record.step.touches_the_app();
    }
    if must_stop {
        app.stop()
            .map_err(|reason| super::workload("stop the app", reason))?;
    }
    let ended = match is_to_stay {
        true => finish(&plan.volume, &options),
        false => put_back(&plan.volume, &options).map(drop),
    };
    match ended {
        Ok(()) => {}
        Err(Error::Volume {
            source: config_volume::Error::Incomplete { reason, .. },
            ..
        }) => reporter.note(&format!(
            "an earlier restore removed the previous content, and {reason}: this one takes its place"
        )),
        Err(error) => return Err(error),
    }
    Ok(Begun {
        journal: new_journal(plan)?,
        // Where the new content is to be is decided anew when it is transferred.
        options,
        is_stopped: must_stop,
    })
}

fn new_journal(plan: &RestorePlan) -> Result<Journal> {
    let path = journal_path(&plan.volume);
    let backup = plan.backup();
    let folder = path.parent().unwrap_or(&plan.volume);
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(|error| unwritable(&path, &error))?;
    let started = Timestamp::now().to_string();
    let mut record = Record::new(&plan.scratch.run, &backup.name, &backup.uid, &started);
    record.safety_backup.clone_from(&plan.safety_backup);
    Journal::begin(&path, record)
}
