//! The steps of a redeploy.

use std::collections::BTreeMap;
use std::time::Duration;

use config_recovery::shown::shown;

use super::action::Stands;
use super::health::{Health, health};
use super::{At, IN_A_ROW, Seen, Step, Taken};
use crate::juju::{Juju, JujuError, Status};
use crate::plan::{ON_DEPLOY, RedeployPlan};
use crate::problem::{Kind, Problem};
use crate::run::{Progress, says_done};

/// How the charm says which backup it has restored (`charm/src/steps/prepare_volume/on_deploy.rs`).
const COMES_FROM: &str = "comes from backup ";

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
            _ => self.join(plan).await,
        }
    }

    fn uid(&self) -> &str {
        self.item.backup.as_ref().map_or("", |backup| backup.uid.as_str())
    }

    async fn deploy(&mut self, plan: &RedeployPlan, status: &Status) -> Result<Taken, JujuError> {
        let app = &self.item.app;
        let juju = self.how.juju;
        if status.applications.contains_key(app) {
            // An earlier process may have deployed it and died before it could say so: its option names this very backup.
            let is_ours = self.memory.is_resumed && juju.option(app, ON_DEPLOY).await.is_ok_and(|uid| uid == self.uid());
            return Ok(match is_ours {
                true => Taken::Next(Step::Restore, self.seen.for_next()),
                false => self.failed(
                    format!(
                        "somebody else has deployed {app} since this was planned, so it was left as it is; configuratarr restore {app} \
                         restores a backup into it"
                    ),
                    Seen::default(),
                ),
            });
        }
        match juju.change(&plan.deploy).await {
            Ok(_) => Ok(Taken::Next(Step::Restore, self.seen.for_next())),
            // Whether it was taken all the same the next look tells.
            Err(error @ JujuError::NoAnswer { .. }) => {
                self.memory.is_resumed = true;
                Err(error)
            }
            Err(JujuError::Refused { reason, .. }) if reason.contains("unknown option") && reason.contains(ON_DEPLOY) => {
                let charm = plan.deploy.get(1).map_or("", String::as_str);
                Ok(self.failed(
                    format!(
                        "charm {} has no option {ON_DEPLOY}: it restores nothing, so nothing was deployed; name a charm of this project: --charm",
                        shown(charm)
                    ),
                    Seen::default(),
                ))
            }
            Err(error @ JujuError::Refused { .. }) => {
                let why = format!("{error}; nothing was deployed; run it by hand, or mend it and redeploy again");
                Ok(self.failed(why, Seen::default()))
            }
            Err(error) => Err(error),
        }
    }

    /// Waits for the charm's word that it has restored this backup.
    async fn restored(&mut self, plan: &RedeployPlan, status: &Status) -> Result<Taken, JujuError> {
        let app = self.item.app.clone();
        let Some(found) = status.applications.get(&app) else {
            let why = format!("{app} was removed while it was being restored");
            return Ok(self.failed(why, Seen::default()));
        };
        let unit = found.units.iter().find(|(_, unit)| unit.leader).or_else(|| found.units.iter().next());
        let unit = unit.map_or_else(|| self.item.unit.clone(), |(name, _)| name.clone());
        let is_restored = self.seen.results.contains_key("backup-uid");
        let is_asked = self.seen.is_asked;
        let state = health(found, &BTreeMap::new());
        match &state {
            _ if is_asked && !is_restored => return self.ask(plan, &unit).await,
            Health::Active { .. } if self.memory.has_seen("active", IN_A_ROW) => {
                return match is_restored {
                    true => Ok(Taken::Next(Step::Join, self.seen.for_next())),
                    false => self.ask(plan, &unit).await,
                };
            }
            Health::Active { .. } => {}
            Health::Blocked(text) => {
                self.say(text);
                if self.memory.has_seen("blocked", IN_A_ROW) {
                    return match (&plan.from_model, is_restored) {
                        (Some(_), false) => self.ask(plan, &unit).await,
                        _ => Ok(self.failed(
                            format!("{app} is deployed, and {text}; what was stored is still there: configuratarr backups {app}"),
                            self.seen.clone(),
                        )),
                    };
                }
            }
            Health::Not(text) => {
                self.memory.sees_nothing();
                self.say(text);
            }
        }
        if self.memory.since.elapsed() >= Duration::from_secs(plan.wait) {
            let text = match state {
                Health::Active { .. } => "active".to_owned(),
                Health::Blocked(text) | Health::Not(text) => text,
            };
            return Ok(Taken::Lost(Problem::new(
                Kind::Unfinished,
                format!("{app} is deployed, and was not restored within {} s: {text}", plan.wait),
                format!("juju status {app}, juju debug-log --include {app} tell why"),
            )));
        }
        Ok(Taken::Stay)
    }

    /// Asks the charm: what became of its option, or to restore what the option does not take.
    async fn ask(&mut self, plan: &RedeployPlan, unit: &str) -> Result<Taken, JujuError> {
        if plan.from_model.is_some() {
            let parameters = self.item.parameters.clone();
            return Ok(match self.action(unit, plan.action(), &parameters).await? {
                Stands::Goes(taken) => taken,
                Stands::Completed(results) if says_done(crate::plan::Job::Restore, &results) => {
                    let seen = self.seen.clone().with("backup-uid", self.uid());
                    let what = results.get("backup-name").cloned().unwrap_or_default();
                    let mut seen = seen.with("restored", format!("the config volume {COMES_FROM}{what}"));
                    for key in ["bytes", "files", "databases", "contents", "differences", "notes"] {
                        if let Some(value) = results.get(key) {
                            seen = seen.with(key, value.clone());
                        }
                    }
                    self.memory.sees_nothing();
                    Taken::Noted(seen)
                }
                Stands::Completed(results) => self.failed(
                    format!("Juju calls {} completed, and the charm does not say that it restored", plan.action()),
                    Seen { results, ..self.seen.clone() },
                ),
                Stands::Failed(why, results) => self.failed(why, Seen { results, ..self.seen.clone() }),
            });
        }
        Ok(match self.action(unit, "list-backups", &BTreeMap::new()).await? {
            Stands::Goes(taken) => taken,
            Stands::Completed(results) => {
                let said = results.get(ON_DEPLOY).map_or("", String::as_str);
                match is_of(said, self.item.backup.as_ref().map_or("", |backup| &backup.name)) {
                    true => {
                        let seen = self.seen.clone().with("backup-uid", self.uid());
                        Taken::Next(Step::Join, seen.with("restored", said).for_next())
                    }
                    false => self.failed(
                        format!(
                            "{} is active, and its charm does not say that it has restored the backup ({}); look at the app before you use \
                             it; configuratarr restore {} --backup {} restores it",
                            self.item.app,
                            match said {
                                "" => "it says nothing of it".to_owned(),
                                said => shown(said),
                            },
                            self.item.app,
                            self.uid()
                        ),
                        self.seen.clone(),
                    ),
                }
            }
            Stands::Failed(why, _) => self.failed(
                format!(
                    "{} is active, and its charm cannot be asked whether it has restored the backup: {why}; juju run {unit} list-backups",
                    self.item.app
                ),
                self.seen.clone(),
            ),
        })
    }

    /// Makes again what it was related to. Each is Juju's to refuse: what is there already is no failure.
    async fn join(&mut self, plan: &RedeployPlan) -> Result<Taken, JujuError> {
        let mut missing: Vec<String> = Vec::new();
        for command in &plan.then {
            match self.how.juju.change(command).await {
                Ok(_) => {}
                Err(JujuError::Refused { reason, .. }) if reason.contains("already exists") => {}
                Err(JujuError::Refused { reason, .. }) => missing.push(format!(
                    "{}: {reason}",
                    Juju::new(None).command(command)
                )),
                Err(error) => return Err(error),
            }
        }
        let seen = self.seen.clone().with("result", "restored");
        Ok(match missing.is_empty() {
            true => Taken::End(Progress::Finished { results: seen.results }),
            false => self.failed(
                format!("restored and active, but not as it was: {}; run that by hand", missing.join("; ")),
                seen,
            ),
        })
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
        let said = "2026-11-29 12:00: the config volume comes from backup radarr-12 of 2026-11-29 03:00 UTC, 5.2 MB";
        assert!(is_of(said, "radarr-12"));
        for other in ["radarr-1", "radarr-123", ""] {
            assert!(!is_of(said, other), "{other}");
        }
        assert!(is_of("the config volume comes from backup radarr-1, 5 MB", "radarr-1"));
        let empty = "restore-on-deploy latest: there is no backup of radarr; starting with an empty volume";
        assert!(!is_of(empty, "radarr-1"));
    }
}
