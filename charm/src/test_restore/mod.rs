//! Test restores that nobody has to ask for: the option `verify-schedule`.
//!
//! `due` says when one is due and when it may be tried, as a function of what was seen and what is remembered. `run` carries it out,
//! at the end of an update-status on the unit with the data, by the same engine that the action `verify-backup` uses. What it proved
//! is written on the Backup object by the engine, so that it survives pod and unit.
//!
//! Juju runs one hook at a time, so other events wait for it. It is given up after [`LIMIT`], and what it made is removed; a hook that is killed
//! leaves a scratch namespace and a folder, which the next event removes.

mod due;
mod run;

use std::time::Duration;

use config_recovery::backups::{BackupHealth, Choice};
use config_recovery::engine::{CheckedBackup, RestoreRequest, VerifyPlan};
use juju_charm::Juju;
use velero_backup_config::Schedule;

pub use self::due::{Next, Record, Tries, Why, next};
pub use self::run::{TestRestore, run};
use crate::data_unit::DataUnit;
use crate::env::Env;
use crate::facts::Facts;
use crate::recovery::standing::HealthLookup;
use crate::recovery::{Examiner, Lines, NotYet, OfLater, folder, image, own_id, program};

/// How long a test restore may take: as long as the events behind it can wait, and longer than one of 3 GB takes, which is minutes.
pub const LIMIT: Duration = Duration::from_secs(30 * 60);

/// The folder of the unit's own that a test restore checks a backup in.
const FOLDER: &str = "verify-backup";

/// Plans a test restore. Changes nothing.
///
/// # Errors
/// See [`config_recovery::engine::plan_verify`].
pub fn plan(env: Env<'_>, choice: Choice) -> config_recovery::Result<VerifyPlan> {
    let juju = env.juju;
    let wanted = RestoreRequest {
        target: own_id(juju),
        from: None,
        choice,
        holder: juju.context().unit().to_string(),
        image: image(env)?,
        program: Some(program()),
        patience: None,
    };
    env.recovery.plan_verify(&wanted, &folder(juju, FOLDER))
}

/// Carries out what was planned, and tells with it what the look at the restored volume found.
///
/// # Errors
/// See [`config_recovery::engine::verify`].
pub fn carry_out<'a>(
    env: Env<'a>,
    facts: &Facts,
    plan: &VerifyPlan,
    say: &dyn Fn(&str),
) -> config_recovery::Result<(CheckedBackup, Examiner<'a>)> {
    let mut app = NotYet(Examiner::new(env, facts, OfLater::Told));
    let checked = env.recovery.verify(plan, &mut app, &Lines::to(say))?;
    Ok((checked, app.0))
}

/// Removes what a test restore that was killed has left on the pod's disk: to be called while none is under way.
pub fn remove_left(juju: &Juju) {
    let folder = folder(juju, FOLDER);
    match std::fs::remove_dir_all(&folder) {
        Ok(()) => log::info!(
            "{}, which an interrupted check left, is removed",
            folder.display()
        ),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => log::warn!("cannot remove {}: {error}", folder.display()),
    }
}

/// What was seen of the backups, on a unit that may restore one beside its app.
fn seen<'a>(facts: &'a Facts, elsewhere: Option<&str>) -> Option<&'a BackupHealth> {
    let may = facts.data == DataUnit::Here && facts.is_backed_up() && elsewhere.is_none();
    match &facts.standing {
        HealthLookup::Read(standing) if may => Some(standing),
        _ => None,
    }
}

/// When the next one is due and may be tried, by what was seen and what is remembered; `None` where there is nothing to restore, or nobody
/// asks for it.
pub fn of_facts(
    facts: &Facts,
    schedule: Option<&Schedule>,
    elsewhere: Option<&str>,
    record: &Record,
) -> Option<Next> {
    next(seen(facts, elsewhere)?, schedule?, record, facts.now)
}

/// What is to be remembered after what was seen.
pub fn remembered(
    facts: &Facts,
    schedule: Option<&Schedule>,
    elsewhere: Option<&str>,
    record: Record,
) -> Record {
    let Some(standing) = seen(facts, elsewhere) else {
        return record;
    };
    let record = record.after(standing, schedule, facts.now);
    let is_cut_off = !facts.left.is_empty() && record.tries.is_none();
    match schedule.and_then(|schedule| Some((schedule, next(standing, schedule, &record, facts.now)?))) {
        // Of another pod, which took its own record along. Without this one that ends its pod would be tried again at once.
        Some((schedule, due)) if is_cut_off && due.is_due(facts.now) => {
            record.tried(schedule, due.due, facts.now)
        }
        _ => record,
    }
}
