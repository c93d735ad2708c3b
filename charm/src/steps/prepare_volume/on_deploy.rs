//! The option `restore-on-deploy`: an app that has never run and whose volume holds nothing is restored from a backup
//! before its workload first runs.
//!
//! [`wanted`] says whether that is to be done; [`run`] does it. Whatever keeps it from being done keeps the workload from
//! starting too: it would write into the volume, and the chance would be gone.

use std::path::Path;
use std::time::Duration;

use config_recovery::backups::Choice;
use config_recovery::engine::{App, CheckedBackup, Examined, RestoreRequest, Restored};
use config_recovery::words::{size, time};
use config_recovery::{ClusterError, Error};
use config_volume::causes;
use juju_charm::{Event, Juju};

use super::may_start::{Reason, StartBlocker, was_emptied};
use super::noted;
use crate::contents::seen;
use crate::data_unit::{Contents, DataUnit};
use crate::env::Env;
use crate::facts::{Container, Exchange, Facts, Storage};
use crate::options::{RESTORE_ON_DEPLOY, RestoreOnDeploy};
use crate::recovery::texts::{less_than_before, next_step};
use crate::recovery::{Examiner, Lines, NotYet, OfLater, elsewhere, image, own_id, program};
use crate::steps::plan::is_running;

const AGAIN: &str = "retrying at update-status";

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum OnDeploy {
    /// It is not to be done.
    NotWanted,
    /// The volume holds the backup, as is written down already, and what was read before counts no more.
    Restored(String),
    /// There is no backup: the app starts fresh.
    Fresh(String),
    /// The backup is damaged, or not one for this app, and would be again.
    Damaged(StartBlocker),
    /// It could not be done.
    Not(StartBlocker),
}

/// Which backup is to be restored before the workload starts; `None` when it starts with what is there.
pub fn wanted(facts: &Facts) -> Option<Choice> {
    let Ok(RestoreOnDeploy::From(choice)) = facts.options.judged(&RESTORE_ON_DEPLOY) else {
        return None;
    };
    let Container::Ready(container) = &facts.container else {
        return None;
    };
    let is_empty = matches!(
        facts.storage,
        Storage::Mounted {
            contents: Contents::Empty,
            exchange: Exchange::Nothing | Exchange::Leftovers,
            ..
        }
    );
    // A volume that lost its content was in use before. That Pebble knows the service says nothing: a restore that was cut off
    // has started it too.
    let is_first = !is_running(container) && !was_emptied(facts);
    let may_run = facts.data == DataUnit::Here && facts.metadata.is_ok();
    (is_empty && may_run && is_first).then_some(choice)
}

/// Restores the backup, if that is to be done.
pub fn run(env: Env<'_>, facts: &Facts) -> OnDeploy {
    let (Some(choice), Storage::Mounted { location, .. }) = (wanted(facts), &facts.storage) else {
        return OnDeploy::NotWanted;
    };
    let what = format!(
        "{} {}",
        RESTORE_ON_DEPLOY.name(),
        facts.options.text(&RESTORE_ON_DEPLOY)
    );
    if let Some(text) = known_damage(env.juju, facts) {
        return OnDeploy::Damaged(blocker(text, true));
    }
    match restore(env, facts, choice, location) {
        Ok(text) => {
            log::info!("{what}: {text}");
            OnDeploy::Restored(text)
        }
        Err(error) => match failed(&what, &facts.app, error) {
            OnDeploy::Fresh(text) => {
                log::warn!("{text}");
                OnDeploy::Fresh(text)
            }
            other => other,
        },
    }
}

/// The app before its first start. What was restored is written down as soon as it is in place: when the restore has ended, nothing but a
/// volume with content tells of it.
struct First<'a> {
    env: Env<'a>,
    facts: &'a Facts,
    app: NotYet<'a>,
}

impl App for First<'_> {
    fn stop(&mut self) -> Result<(), String> {
        self.app.stop()
    }

    fn start(&mut self, patience: Duration) -> Result<(), String> {
        self.app.start(patience)
    }

    fn came_back(&mut self, checked: &CheckedBackup) {
        if let Err(error) = noted(self.env, self.facts, &news(checked), true) {
            // The hook goes on with hook tools, and fails with the reason; the pod's disk has it already.
            log::warn!("what was restored cannot be written down: {}", causes(&error));
        }
    }

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        self.app.examine(restored)
    }
}

/// What was restored, for people.
fn news(checked: &CheckedBackup) -> String {
    let when = checked.backup.completed.or(checked.backup.started);
    format!(
        "the config volume comes from backup {}{}, {}",
        checked.backup.name,
        when.map(|when| format!(" of {}", time(when))).unwrap_or_default(),
        size(checked.bytes)
    )
}

/// What was said of a backup that was found damaged: it would be again, and to see that takes a whole restore. It is tried
/// again in events that somebody causes.
fn known_damage(juju: &Juju, facts: &Facts) -> Option<String> {
    if !matches!(juju.context().event(), Event::UpdateStatus) {
        return None;
    }
    let found = facts.remembered.damaged.as_ref()?;
    (found.asked == facts.options.text(&RESTORE_ON_DEPLOY)).then(|| found.text.clone())
}

fn restore(env: Env<'_>, facts: &Facts, choice: Choice, volume: &Path) -> config_recovery::Result<String> {
    let Env { juju, recovery, .. } = env;
    let nobody_named_it = choice == Choice::Latest;
    let wanted = RestoreRequest {
        target: own_id(juju),
        from: None,
        choice,
        holder: juju.context().unit().to_string(),
        image: image(env)?,
        program: Some(program()),
        patience: None,
    };
    let plan = recovery.plan_restore(&wanted, volume, true, &elsewhere(juju))?;
    let say = |line: &str| log::info!("{}: {line}", RESTORE_ON_DEPLOY.name());
    let mut examiner = Examiner::new(env, facts, OfLater::RefusedAtStart);
    if nobody_named_it {
        if let Some(why) = less_than_before(plan.backup(), &plan.earlier) {
            let backup = plan.backup().name.clone();
            return Err(Error::NotTaken {
                backup,
                why,
                next: name_it(&own_id(juju).app),
            });
        }
        examiner = examiner.refusing_empty(&plan.earlier, name_it(&own_id(juju).app));
    }
    let app = NotYet(examiner);
    let mut first = First { env, facts, app };
    let checked = recovery.restore(&plan, &mut first, &Lines::to(&say))?;
    if let Some(seen) = first.app.0.found.and_then(|found| found.seen) {
        seen::add(juju.context().charm_dir(), seen);
    }
    Ok(news(&checked))
}

/// No backup at all is no obstacle: Velero had read its object storage before. Everything else is one.
fn failed(what: &str, app: &str, error: Error) -> OnDeploy {
    if matches!(error, Error::NoBackup { .. }) {
        return OnDeploy::Fresh(format!("{what}: {error}; starting with an empty volume"));
    }
    let passes = matches!(
        error,
        Error::Cluster(
            ClusterError::Unreachable { .. } | ClusterError::Ending { .. } | ClusterError::Refused { .. }
        ) | Error::NoVelero(_)
            | Error::TimedOut { .. }
            | Error::Held { .. }
            | Error::Unread(_)
            | Error::Transfer(_)
    );
    let option = RESTORE_ON_DEPLOY.name();
    let next = match next_step(&error, app) {
        _ if matches!(error, Error::NoVelero(_)) => "deploy velero-operator".to_owned(),
        _ if matches!(error, Error::OnlySafetyBackups { .. }) => {
            format!("name one: juju config {app} {option}=UID")
        }
        // An empty volume has no previous content, and the option no parameters.
        _ if matches!(error, Error::NoRoom { .. }) => "make room or grow the volume".to_owned(),
        _ if passes => AGAIN.to_owned(),
        // There is nothing here to make a backup of, nor a parameter that names another app.
        Some(next) if !matches!(error, Error::NoGoodBackup { .. } | Error::Foreign { .. }) => next,
        _ => format!("or start fresh: juju config {app} {option}=none"),
    };
    // The status says it, and Juju keeps a log of that: a line of our own would come every five minutes.
    let blocker = blocker(format!("{what}: {}; {next}", causes(&error)), !passes);
    match error {
        Error::Damaged { .. } | Error::NotTaken { .. } | Error::LaterManifest { .. } => {
            OnDeploy::Damaged(blocker)
        }
        _ => OnDeploy::Not(blocker),
    }
}

/// How a person says which backup is meant.
fn name_it(app: &str) -> String {
    format!(
        "say which one is meant: juju config {app} {}=UID",
        RESTORE_ON_DEPLOY.name()
    )
}

fn blocker(text: String, needs_somebody: bool) -> StartBlocker {
    StartBlocker {
        reason: Reason::RestoreOnDeploy,
        text,
        needs_somebody,
    }
}
