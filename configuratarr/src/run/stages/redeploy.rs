//! The steps of a redeploy.

use std::collections::BTreeMap;
use std::time::Duration;

use config_recovery::shown::shown;

use super::action::Stands;
use super::health::{Health, health};
use super::{At, IN_A_ROW, Seen, Step, Taken};
use crate::juju::{JujuError, Status};
use crate::plan::{ON_DEPLOY, RedeployPlan};
use crate::problem::{Kind, Problem};
use crate::run::{Progress, says_done};

/// How the charm says which backup it has restored (`charm/src/steps/prepare_volume/on_deploy.rs`).
const COMES_FROM: &str = "comes from backup ";
/// What is noted of an app that is restored and waits for somebody.
const BLOCKED: &str = "blocked";
/// What is noted of what Juju did not make again.
const MISSING: &str = "missing";

impl At<'_> {
    /// Takes the step, or looks how far it is.
    ///
    /// # Errors
    /// When Juju cannot be asked.
    pub(super) async fn redeploy(
        &mut self,
        plan: &RedeployPlan,
        step: Step,
        status: &Status,
        others_wait: bool,
    ) -> Result<Taken, JujuError> {
        match step {
            Step::Deploy => self.deploy(plan, status).await,
            Step::Restore => self.restored(plan, status).await,
            _ if others_wait => Ok(Taken::Stay),
            _ => self.join(plan, status).await,
        }
    }

    fn uid(&self) -> &str {
        self.item.backup.as_ref().map_or("", |backup| backup.uid.as_str())
    }

    async fn deploy(&mut self, plan: &RedeployPlan, status: &Status) -> Result<Taken, JujuError> {
        let app = &self.item.app;
        let juju = self.how.juju;
        if status.applications.contains_key(app) {
            // An earlier process may have deployed it and died before it could say so.
            let is_resumed = self.memory.is_resumed;
            return self.is_there(plan, is_resumed).await;
        }
        let (reason, error) = match juju.change(&plan.deploy).await {
            Ok(_) => return self.deployed(plan).await,
            Err(error @ JujuError::Refused { .. }) => (error.reason().to_owned(), error),
            Err(error) => {
                // Whether it was taken all the same the next look tells.
                self.memory.is_resumed = true;
                return Err(error);
            }
        };
        // A connection that breaks off looks like a refusal, and Juju may have taken it all the same.
        self.memory.is_resumed = true;
        if juju.status().await?.applications.contains_key(app) {
            return self.is_there(plan, true).await;
        }
        let why = match reason.contains("unknown option") && reason.contains(ON_DEPLOY) {
            true => format!(
                "charm {} has no option {ON_DEPLOY}: it restores nothing, so nothing was deployed; name a charm of this project: --charm",
                shown(plan.deploy.get(1).map_or("", String::as_str))
            ),
            false => format!("{error}; nothing was deployed; mend that, and redeploy again"),
        };
        Ok(self.failed(why, Seen::default()))
    }

    /// Goes on with an app that is there if it is the one of this plan, which `may_be_ours` and its option tell: that names this very backup.
    async fn is_there(&self, plan: &RedeployPlan, may_be_ours: bool) -> Result<Taken, JujuError> {
        let app = &self.item.app;
        match may_be_ours && self.is_ours().await? {
            true => self.deployed(plan).await,
            false => Ok(self.failed(
                format!(
                    "somebody else has deployed {app} since this was planned, so it was left as it is; {} restores a backup into it",
                    self.how.juju.own(&format!("restore {app}"))
                ),
                Seen::default(),
            )),
        }
    }

    /// Whether the app that is there is the one of this plan. A charm without that option is another one.
    async fn is_ours(&self) -> Result<bool, JujuError> {
        match self.how.juju.option(&self.item.app, ON_DEPLOY).await {
            Ok(uid) => Ok(uid == self.uid()),
            Err(JujuError::Refused { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What the app may need to run. What Juju refuses now it is asked again in the end.
    async fn deployed(&self, plan: &RedeployPlan) -> Result<Taken, JujuError> {
        for command in &plan.at_once {
            match self.how.juju.change(command).await {
                Ok(_) | Err(JujuError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Taken::Next(Step::Restore, self.seen.for_next()))
    }

    /// Waits for the charm's word that it has restored this backup.
    async fn restored(&mut self, plan: &RedeployPlan, status: &Status) -> Result<Taken, JujuError> {
        let app = self.item.app.clone();
        let Some(found) = status.applications.get(&app) else {
            let why = format!("{app} was removed while it was being restored");
            return Ok(self.failed(why, Seen::default()));
        };
        let unit = found
            .units
            .iter()
            .find(|(_, unit)| unit.leader)
            .or_else(|| found.units.iter().next());
        let unit = unit.map_or_else(|| self.item.unit.clone(), |(name, _)| name.clone());
        let is_restored = self.seen.results.contains_key("backup-uid");
        let is_asked = self.seen.is_asked;
        let state = health(found, &BTreeMap::new());
        match &state {
            _ if is_asked && !is_restored => {
                return match self.ask(plan, &unit, &state).await? {
                    Taken::Stay if self.has_waited(plan) => Ok(self.not_in_time(
                        plan,
                        &format!("{unit} does not come to the end of what it was asked"),
                    )),
                    taken => Ok(taken),
                };
            }
            Health::Active { .. } if self.memory.has_seen("active", IN_A_ROW) => {
                return match is_restored {
                    true => Ok(Taken::Next(Step::Join, self.seen.for_next())),
                    false => self.ask(plan, &unit, &state).await,
                };
            }
            Health::Active { .. } => {}
            Health::Blocked(text) => {
                self.say(text);
                if self.memory.has_seen("blocked", IN_A_ROW) {
                    return match is_restored {
                        true => {
                            let seen = self.seen.clone().with(BLOCKED, text.clone());
                            Ok(Taken::Next(Step::Join, seen.for_next()))
                        }
                        false => self.ask(plan, &unit, &state).await,
                    };
                }
            }
            Health::Not(text) => {
                self.memory.sees_nothing();
                self.say(text);
            }
        }
        // One that is active, or blocked, is at its end after some looks more.
        match state {
            Health::Not(text) if self.has_waited(plan) => Ok(self.not_in_time(plan, &text)),
            _ => Ok(Taken::Stay),
        }
    }

    /// Whether this process has waited in this step for as long as it was told to.
    fn has_waited(&self, plan: &RedeployPlan) -> bool {
        self.memory.since.elapsed() >= Duration::from_secs(plan.wait)
    }

    fn not_in_time(&self, plan: &RedeployPlan, text: &str) -> Taken {
        let app = &self.item.app;
        Taken::Lost(Problem::new(
            Kind::Unfinished,
            format!(
                "{app} is deployed, and was not restored within {} s: {text}",
                plan.wait
            ),
            self.tells_why(),
        ))
    }

    /// Asks the charm: what became of its option, or to restore what the option does not take.
    async fn ask(&mut self, plan: &RedeployPlan, unit: &str, state: &Health) -> Result<Taken, JujuError> {
        let app = self.item.app.clone();
        let blocked = match state {
            Health::Blocked(text) => Some(text.clone()),
            _ => None,
        };
        let name = self
            .item
            .backup
            .as_ref()
            .map_or("", |backup| backup.name.as_str())
            .to_owned();
        if plan.from_model.is_some() {
            let parameters = self.item.parameters.clone();
            return Ok(match self.action(unit, plan.action(), &parameters).await? {
                Stands::Goes(taken) => taken,
                Stands::Completed(results) if says_done(crate::plan::Job::Restore, &results) => {
                    let seen = self.seen.clone().with("backup-uid", self.uid());
                    let mut seen = seen.with("restored", format!("the config volume {COMES_FROM}{name}"));
                    for key in ["bytes", "files", "databases", "contents", "differences", "notes"] {
                        if let Some(value) = results.get(key) {
                            seen = seen.with(key, value.clone());
                        }
                    }
                    self.memory.sees_nothing();
                    Taken::Noted(seen)
                }
                Stands::Completed(results) => self.failed(
                    format!(
                        "Juju calls {} completed, and the charm does not say that it restored",
                        plan.action()
                    ),
                    Seen {
                        results,
                        ..self.seen.clone()
                    },
                ),
                Stands::Failed(why, results) => self.failed(
                    why,
                    Seen {
                        results,
                        ..self.seen.clone()
                    },
                ),
            });
        }
        let (said, why) = match self.action(unit, "list-backups", &BTreeMap::new()).await? {
            Stands::Goes(taken) => return Ok(taken),
            Stands::Completed(results) => (results.get(ON_DEPLOY).cloned().unwrap_or_default(), None),
            Stands::Failed(why, _) => (String::new(), Some(why)),
        };
        if is_of(&said, &name) {
            let mut seen = self
                .seen
                .clone()
                .with("backup-uid", self.uid())
                .with("restored", said);
            if let Some(text) = blocked {
                seen = seen.with(BLOCKED, text);
            }
            return Ok(Taken::Next(Step::Join, seen.for_next()));
        }
        let uid = self.uid();
        let why = match (blocked, why) {
            (Some(text), _) => format!(
                "{app} is deployed, and {text}; another backup: {}; {} shows them",
                self.how
                    .juju
                    .typed(&["config", &app, &format!("{ON_DEPLOY}=UID")]),
                self.how.juju.own(&format!("backups {app}"))
            ),
            (None, Some(why)) => format!(
                "{app} is active, and its charm cannot be asked whether it has restored the backup: {why}; {}",
                self.how.juju.typed(&["run", unit, "list-backups"])
            ),
            (None, None) => format!(
                "{app} is active, and its charm does not say that it has restored the backup ({}); look at the app before you use it; {} restores it",
                match said.as_str() {
                    "" => "it says nothing of it".to_owned(),
                    said => shown(said),
                },
                self.how.juju.own(&format!("restore {app} --backup {uid}"))
            ),
        };
        Ok(self.failed(why, self.seen.clone()))
    }

    /// Makes again what it was related to. Each is Juju's to refuse: what is there already is no failure.
    async fn join(&mut self, plan: &RedeployPlan, status: &Status) -> Result<Taken, JujuError> {
        if !self.seen.is_asked {
            return self.integrate(plan).await;
        }
        let mut seen = self.seen.clone().with("result", "restored");
        if let Some(missing) = seen.results.remove(MISSING) {
            return Ok(self.failed(
                format!("restored, but not as it was: {missing}; run that by hand"),
                seen,
            ));
        }
        // It was blocked when it was restored: with its relations it may be well.
        if let Some(text) = seen.results.remove(BLOCKED) {
            let found = status.applications.get(&self.item.app);
            let state = found.map(|found| health(found, &BTreeMap::new()));
            match state {
                Some(Health::Active { .. }) if self.memory.has_seen("active", IN_A_ROW) => {}
                Some(Health::Active { .. }) => return Ok(Taken::Stay),
                Some(Health::Blocked(text)) => {
                    return Ok(match self.memory.has_seen("blocked", IN_A_ROW) {
                        true => self.failed(format!("restored, and {text}"), seen),
                        false => Taken::Stay,
                    });
                }
                _ if !self.has_waited(plan) => {
                    self.memory.sees_nothing();
                    return Ok(Taken::Stay);
                }
                _ => return Ok(self.failed(format!("restored, and it was {text}"), seen)),
            }
        }
        Ok(Taken::End(Progress::Finished {
            results: seen.results,
        }))
    }

    async fn integrate(&self, plan: &RedeployPlan) -> Result<Taken, JujuError> {
        let mut missing: Vec<String> = Vec::new();
        for command in plan.at_once.iter().chain(&plan.then) {
            match self.how.juju.change(command).await {
                Ok(_) => {}
                Err(JujuError::Refused { reason, .. }) if reason.contains("already exists") => {}
                Err(JujuError::Refused { reason, .. }) => {
                    missing.push(format!("{}: {reason}", self.how.juju.command(command)));
                }
                Err(error) => return Err(error),
            }
        }
        let mut seen = Seen {
            is_asked: true,
            ..self.seen.clone()
        };
        if !missing.is_empty() {
            seen = seen.with(MISSING, missing.join("; "));
        }
        Ok(Taken::Noted(seen))
    }
}

/// Whether the charm says that it has restored the backup of this name. Names begin with each other.
fn is_of(said: &str, backup: &str) -> bool {
    let Some((_, rest)) = said.split_once(COMES_FROM) else {
        return false;
    };
    let name = rest.split([' ', ',']).next();
    !backup.is_empty() && name == Some(backup)
}

#[cfg(test)]
mod tests {
    use super::is_of;

    #[test]
    fn only_the_very_backup_counts_as_restored() {
        let said =
            "2026-11-29 12:00: the config volume comes from backup radarr-12 of 2026-11-29 03:00 UTC, 5.2 MB";
        assert!(is_of(said, "radarr-12"));
        for other in ["radarr-1", "radarr-123", ""] {
            assert!(!is_of(said, other), "{other}");
        }
        assert!(is_of(
            "the config volume comes from backup radarr-1, 5 MB",
            "radarr-1"
        ));
        let empty = "restore-on-deploy latest: there is no backup of radarr; starting with an empty volume";
        assert!(!is_of(empty, "radarr-1"));
    }
}
