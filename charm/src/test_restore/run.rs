//! Carries a test restore out that is due.

use config_recovery::Error;
use config_recovery::backups::Choice;
use config_recovery::words::size;
use juju_charm::Status;
use velero_backup_config::Schedule;

use super::due::REMEMBERED;
use super::{LIMIT, Next, Why, carry_out, plan};
use crate::CharmError;
use crate::contents::seen;
use crate::env::Env;
use crate::facts::Facts;
use crate::problem::short;
use crate::recovery::own_id;
use crate::recovery::texts::{next_step, user_message};
use crate::remembered::Remembered;

/// One that may be tried now.
#[derive(Debug)]
pub struct TestRestore {
    /// What was seen.
    pub facts: Facts,
    /// What is remembered.
    pub remembered: Remembered,
    /// By which schedule.
    pub schedule: Schedule,
    /// Since when it is due.
    pub next: Next,
}

/// Tries it. Whether it did anything: where a backup of the app is under way, it waits for the next event.
///
/// Nothing that goes wrong with it fails the hook. That it is tried is written down before it begins, so that one that ends in a kill
/// is not tried again at once.
///
/// # Errors
/// When a hook tool fails.
pub fn run(env: Env<'_>, due: TestRestore) -> Result<bool, CharmError> {
    let TestRestore {
        facts,
        remembered,
        schedule,
        next,
    } = due;
    let juju = env.juju;
    let under_way = env.recovery.under_way(&own_id(juju));
    if let Ok(Some(backup)) = &under_way {
        log::info!("the test restore that is due waits for the end of backup {backup}");
        return Ok(false);
    }
    let record = remembered
        .test_restores
        .clone()
        .tried(&schedule, next.due, facts.now);
    let remembered = Remembered {
        test_restores: record,
        ..remembered
    };
    remembered.write(juju)?;
    let done = match under_way {
        Ok(_) => carried_out(env, &facts)?,
        Err(error) => Err(error),
    };
    let why = match done {
        Ok(()) => None,
        Err(error) => {
            let text = user_message(&error, &facts.app);
            match error {
                Error::Damaged { .. } => log::error!("test restore: {text}"),
                _ => log::warn!("the test restore that is due proved nothing: {text}"),
            }
            Some(Why {
                why: short(&crate::causes(&error), REMEMBERED),
                next: next_step(&error, &facts.app).map(|next| short(&next, REMEMBERED)),
            })
        }
    };
    let told = Remembered {
        test_restores: remembered.test_restores.clone().because(why),
        ..remembered.clone()
    };
    told.keep(juju, &remembered)?;
    Ok(true)
}

/// What came of it. A hook tool that fails ends the hook; everything else is an outcome.
fn carried_out(env: Env<'_>, facts: &Facts) -> Result<config_recovery::Result<()>, CharmError> {
    let juju = env.juju;
    let mut plan = match plan(env, Choice::Latest) {
        Ok(plan) => plan,
        Err(error) => return Ok(Err(error)),
    };
    plan.limit = Some(LIMIT);
    let name = plan.backup().name.clone();
    // Juju takes a status at once. If this process is killed it stays, and the next event looks for what is left.
    juju.set_status(&Status::Maintenance(format!(
        "test restore of {}; other events wait, {} min at most",
        short(&name, 40),
        LIMIT.as_secs() / 60
    )))?;
    let say = |line: &str| log::info!("test restore of {name}: {line}");
    let checked = match carry_out(env, facts, &plan, &say) {
        Ok((checked, examiner)) => {
            if let Some(seen) = examiner.found.and_then(|found| found.seen) {
                seen::add(juju.context().charm_dir(), seen);
            }
            checked
        }
        Err(error) => return Ok(Err(error)),
    };
    log::info!(
        "backup {name} comes back: {} files, {}, {} databases, in {:.1} s",
        checked.files,
        size(checked.bytes),
        checked.databases,
        checked.took.as_secs_f64()
    );
    Ok(Ok(()))
}
