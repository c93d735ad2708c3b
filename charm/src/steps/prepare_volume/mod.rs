//! Step 2. Puts the config volume right where the app may not start on it as it is, and decides whether it may run.
//!
//! [`cut_off`] ends a restore that was cut off, [`on_deploy`] does what the option `restore-on-deploy` says, and [`judge`]
//! decides, as the only place that does, for every event, for every action and for the restore that starts the app itself.

pub mod cut_off;
mod may_start;
pub mod on_deploy;

pub use may_start::{
    MayStart, Reason, Situation, Start, StartBlocker, judge, last_to_stay, may_be_seen, need_not_hide,
    takes_over, was_emptied,
};

use crate::CharmError;
use crate::data_unit::DataUnit;
use crate::env::Env;
use crate::facts::Facts;
use crate::options::RESTORE_ON_DEPLOY;
use crate::remembered::Remembered;
use crate::steps::gather::{Look, gather};

use cut_off::Mended;
use on_deploy::OnDeploy;

/// What is known after the volume was put right. Later steps change nothing of it.
#[derive(Debug)]
pub struct Prepared {
    /// The facts, read anew where this step has changed them.
    pub facts: Facts,
    /// Whether the app may run.
    pub start: Start,
    /// What was done, for people.
    pub news: Option<String>,
    /// What `restore-on-deploy` found to be damaged.
    pub damaged: Option<String>,
}

/// Puts the volume right.
///
/// # Errors
/// When a hook tool fails.
pub fn prepare_volume(env: Env<'_>, mut facts: Facts) -> Result<Prepared, CharmError> {
    let mut news = None;
    let mut situation = Situation::Dispatch;
    if facts.data == DataUnit::Here {
        match cut_off::mend(env, &facts)? {
            Mended::Nothing => {}
            Mended::Whole(text) => {
                news = Some(text);
                facts = gather(env, Look::Everything)?;
            }
            Mended::Not(blocker) => return Ok(Prepared::held(facts, blocker)),
        }
        match on_deploy::run(env, &facts) {
            OnDeploy::NotWanted => {}
            OnDeploy::Fresh(text) => {
                facts.remembered = noted(env, &facts, &text, false)?;
                news = Some(text);
                situation = Situation::NoBackupOnDeploy;
            }
            OnDeploy::Restored(text) => {
                news = Some(text);
                facts = gather(env, Look::Everything)?;
            }
            OnDeploy::Damaged(blocker) => {
                let damaged = Some(blocker.text.clone());
                let held = Prepared::held(facts, blocker);
                return Ok(Prepared {
                    news,
                    damaged,
                    ..held
                });
            }
            OnDeploy::Not(blocker) => {
                // A restore whose end failed has written down what it did.
                facts.remembered = Remembered::read(env.juju)?;
                return Ok(Prepared {
                    news,
                    ..Prepared::held(facts, blocker)
                });
            }
        }
    }
    let start = judge(env.profile, &facts, situation);
    Ok(Prepared {
        facts,
        start,
        news,
        damaged: None,
    })
}

/// Writes down what was done, and whether the volume has the content of a backup now, before anything follows from it: whoever comes
/// after a kill finds a volume with content, and nothing else tells where it comes from.
fn noted(env: Env<'_>, facts: &Facts, text: &str, is_restored: bool) -> Result<Remembered, CharmError> {
    let asked = facts.options.text(&RESTORE_ON_DEPLOY);
    let mut record = facts.remembered.clone().with_news(asked, text, facts.now);
    if is_restored {
        record = record.with_other_content(facts.now);
    }
    record.keep(env.juju, &facts.remembered)?;
    Ok(record)
}

impl Prepared {
    fn held(facts: Facts, blocker: StartBlocker) -> Self {
        Self {
            facts,
            start: Err(blocker),
            news: None,
            damaged: None,
        }
    }
}
