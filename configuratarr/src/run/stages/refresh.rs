//! The steps of a refresh, and of the way back.

use std::collections::BTreeMap;

use config_recovery::shown::shown;
use jiff::{SignedDuration, Timestamp};

use super::action::Stands;
use super::health::{Health, health, is_settled, since};
use super::{At, IN_A_ROW, NOT_ROLLED_BACK, NOT_WELL, ROLLED_BACK, Seen, Step, Taken};
use crate::juju::{Application, JujuError, Status};
use crate::plan::{Job, RefreshPlan};
use crate::run::{Progress, says_done};

/// So many looks in a row at an app that is active and has done nothing: then the refresh changed nothing that its unit noticed.
const UNMOVED: u32 = 30;
/// So many looks it gets after an interruption, however long that was.
const AT_LEAST: u32 = 10;

impl At<'_> {
    /// Takes the step, or looks how far it is.
    ///
    /// # Errors
    /// When Juju cannot be asked.
    pub(super) async fn refresh(
        &mut self,
        plan: &RefreshPlan,
        step: Step,
        status: &Status,
    ) -> Result<Taken, JujuError> {
        let app = self.item.app.clone();
        let Some(found) = status.applications.get(&app) else {
            return Ok(self.failed(format!("{app} was removed from the model"), self.seen.clone()));
        };
        match step {
            Step::Backup => self.back_up(found).await,
            Step::Verify => self.verify(found).await,
            Step::Refresh => self.refresh_charm(plan, found).await,
            Step::Health => Ok(self.wait_for_health(plan, found)),
            Step::RollBack => self.roll_back(plan, found).await,
            Step::Settle => Ok(self.settle(plan, found)),
            Step::RestoreData => self.restore_data(plan).await,
            _ => Ok(self.health_again(plan, found)),
        }
    }

    fn backup(&self) -> String {
        self.seen.results.get("backup-uid").cloned().unwrap_or_default()
    }

    async fn back_up(&mut self, _: &Application) -> Result<Taken, JujuError> {
        let unit = self.item.unit.clone();
        Ok(match self.action(&unit, Job::Backup.action(), &BTreeMap::new()).await? {
            Stands::Goes(taken) => taken,
            Stands::Completed(results) => match results.get("backup-uid") {
                Some(uid) => {
                    let seen = self.seen.clone().with("backup-uid", uid.clone());
                    Taken::Next(Step::Verify, seen.for_next())
                }
                None => self.failed(
                    "backup-now ended, and the charm does not say which backup it made; nothing was refreshed",
                    self.seen.clone(),
                ),
            },
            Stands::Failed(why, _) => self.failed(
                format!("no backup, so nothing was refreshed: {why}"),
                self.seen.clone(),
            ),
        })
    }

    async fn verify(&mut self, found: &Application) -> Result<Taken, JujuError> {
        let unit = self.item.unit.clone();
        let parameters = BTreeMap::from([("backup-uid".to_owned(), self.backup())]);
        Ok(match self.action(&unit, Job::Verify.action(), &parameters).await? {
            Stands::Goes(taken) => taken,
            Stands::Completed(results) if says_done(Job::Verify, &results) => {
                let seen = Seen {
                    since: since(found),
                    ..self.seen.for_next()
                };
                Taken::Next(Step::Refresh, seen)
            }
            Stands::Completed(_) => self.failed(
                "verify-backup ended, and the charm does not say that the backup comes back; nothing was refreshed",
                self.seen.clone(),
            ),
            Stands::Failed(why, _) => self.failed(
                format!("the backup does not come back, so nothing was refreshed: {why}"),
                self.seen.clone(),
            ),
        })
    }

    async fn refresh_charm(&mut self, plan: &RefreshPlan, found: &Application) -> Result<Taken, JujuError> {
        let is_as_planned = found.charm_rev == plan.revision && found.charm == plan.charm;
        if !is_as_planned {
            // An earlier process did it and could not say so. Nobody else can tell the difference, and what comes next is the same.
            return Ok(match self.memory.is_resumed {
                true => self.refreshed(plan),
                false => self.failed(
                    format!(
                        "somebody else has refreshed {} since this was planned: it has {} now; nothing was refreshed",
                        self.item.app, found.charm
                    ),
                    self.seen.clone(),
                ),
            });
        }
        match self.how.juju.change(&plan.refresh).await {
            Ok(said) if said.contains("up-to-date") && !plan.changes_resources => {
                let seen = self.seen.clone().with("result", "refreshed");
                let seen = seen.with(
                    "notes",
                    format!("{} is the newest already; nothing changed", plan.charm),
                );
                Ok(Taken::End(Progress::Finished {
                    results: seen.results,
                }))
            }
            Ok(_) => Ok(self.refreshed(plan)),
            Err(error @ JujuError::NoAnswer { .. }) => {
                self.memory.is_resumed = true;
                Err(error)
            }
            Err(error @ JujuError::Refused { .. }) => Ok(self.failed(
                format!("{error}; nothing was refreshed, and the backup that was made stays"),
                self.seen.clone(),
            )),
            Err(error) => Err(error),
        }
    }

    fn refreshed(&self, plan: &RefreshPlan) -> Taken {
        Taken::Next(
            Step::Health,
            Seen {
                until: Some(in_time(plan.wait)),
                ..self.seen.for_next()
            },
        )
    }

    fn wait_for_health(&mut self, plan: &RefreshPlan, found: &Application) -> Taken {
        let text = match health(found, &self.seen.since) {
            Health::Active { is_since: true } => {
                if self.memory.has_seen("active", IN_A_ROW) {
                    let seen = self.seen.clone().with("result", "refreshed");
                    let seen = seen.with("charm", charm(found));
                    return Taken::End(Progress::Finished {
                        results: seen.results,
                    });
                }
                return Taken::Stay;
            }
            // The same revision with the same resources: no unit starts anew.
            Health::Active { is_since: false }
                if found.charm_rev == plan.revision && found.charm == plan.charm =>
            {
                if self.memory.has_seen("unmoved", UNMOVED) {
                    let seen = self.seen.clone().with("result", "refreshed");
                    let seen = seen.with(
                        "notes",
                        "it is the same charm as before, and the unit did not start anew",
                    );
                    return Taken::End(Progress::Finished {
                        results: seen.results,
                    });
                }
                "active, and not started anew yet".to_owned()
            }
            Health::Active { is_since: false } => "active, as before the refresh".to_owned(),
            Health::Blocked(text) | Health::Not(text) => {
                self.memory.sees_nothing();
                text
            }
        };
        self.say(&text);
        if !self.is_too_late() {
            return Taken::Stay;
        }
        let seen = self.seen.clone().with("after-refresh", text.clone());
        let not_healthy = format!("not active {} s after the refresh: {text}", plan.wait);
        match &plan.back {
            Some(_) => Taken::Next(
                Step::RollBack,
                Seen {
                    revision: Some(found.charm_rev),
                    since: since(found),
                    ..seen.for_next()
                },
            ),
            None => {
                let next = format!(
                    "juju refresh {app} --path FILE takes the charm back, then configuratarr restore {app} --backup {}",
                    self.backup(),
                    app = self.item.app
                );
                self.failed(
                    format!("{not_healthy}; cannot roll back {}", plan.cannot.join("; ")),
                    seen.with("result", NOT_ROLLED_BACK).with("next", next),
                )
            }
        }
    }

    async fn roll_back(&mut self, plan: &RefreshPlan, found: &Application) -> Result<Taken, JujuError> {
        let back = plan.back.clone().unwrap_or_default();
        let is_done = self.memory.is_resumed && Some(found.charm_rev) != self.seen.revision;
        let next = Taken::Next(
            Step::Settle,
            Seen {
                until: Some(in_time(plan.wait)),
                ..self.seen.for_next()
            },
        );
        if is_done {
            return Ok(next);
        }
        match self.how.juju.change(&back).await {
            Ok(_) => Ok(next),
            Err(error @ JujuError::NoAnswer { .. }) => {
                self.memory.is_resumed = true;
                Err(error)
            }
            Err(error @ JujuError::Refused { .. }) => {
                let seen = self.seen.clone().with("result", NOT_ROLLED_BACK).with(
                    "next",
                    format!(
                        "{}; then configuratarr restore {} --backup {}",
                        self.how.juju.command(&back),
                        self.item.app,
                        self.backup()
                    ),
                );
                Ok(self.failed(
                    format!("{}; cannot roll back the charm: {error}", self.was()),
                    seen,
                ))
            }
            Err(error) => Err(error),
        }
    }

    /// How it was after the refresh.
    fn was(&self) -> String {
        let was = self.seen.results.get("after-refresh");
        format!("not active after the refresh: {}", was.map_or("", String::as_str))
    }

    fn settle(&mut self, _: &RefreshPlan, found: &Application) -> Taken {
        let is_there = is_settled(found, &self.seen.since) && self.memory.has_seen("settled", IN_A_ROW);
        // One that does not come to rest is asked all the same: its action waits for it.
        match is_there || self.is_too_late() {
            true => Taken::Next(Step::RestoreData, self.seen.for_next()),
            false => Taken::Stay,
        }
    }

    async fn restore_data(&mut self, plan: &RefreshPlan) -> Result<Taken, JujuError> {
        let unit = self.item.unit.clone();
        let parameters = BTreeMap::from([("backup-uid".to_owned(), self.backup())]);
        let again = format!(
            "configuratarr restore {} --backup {}",
            self.item.app,
            self.backup()
        );
        let was = self.was();
        let not_well = |at: &Self, why: &str, results: &BTreeMap<String, String>| {
            let mut seen = at.seen.clone().with("result", NOT_WELL).with(
                "next",
                format!("{again}; where no safety backup can be made: {again} --no-safety-backup"),
            );
            for key in ["safety-backup", "undo"] {
                if let Some(value) = results.get(key) {
                    seen = seen.with(key, value.clone());
                }
            }
            at.failed(
                format!(
                    "{was}; the charm is the previous one again, and the content was not restored: {why}"
                ),
                seen,
            )
        };
        Ok(
            match self.action(&unit, Job::Restore.action(), &parameters).await? {
                Stands::Goes(taken) => taken,
                Stands::Completed(results) if says_done(Job::Restore, &results) => {
                    let mut seen = self.seen.for_next();
                    for key in ["safety-backup", "undo", "notes"] {
                        if let Some(value) = results.get(key) {
                            seen = seen.with(key, value.clone());
                        }
                    }
                    seen.until = Some(in_time(plan.wait));
                    Taken::Next(Step::HealthAgain, seen)
                }
                Stands::Completed(results) => {
                    not_well(self, "the charm does not say that it restored", &results)
                }
                Stands::Failed(why, results) => not_well(self, &why, &results),
            },
        )
    }

    fn health_again(&mut self, plan: &RefreshPlan, found: &Application) -> Taken {
        let text = match health(found, &BTreeMap::new()) {
            Health::Active { .. } => {
                if self.memory.has_seen("active", IN_A_ROW) {
                    let seen = self
                        .seen
                        .clone()
                        .with("result", ROLLED_BACK)
                        .with("charm", charm(found));
                    let next = format!(
                        "juju debug-log --include {0} tells why; then configuratarr refresh {0} again",
                        self.item.app
                    );
                    let seen = seen.with("next", next);
                    return self.failed(
                        format!(
                            "{}; charm and content are those of before, and it is active",
                            self.was()
                        ),
                        seen,
                    );
                }
                return Taken::Stay;
            }
            Health::Blocked(text) | Health::Not(text) => {
                self.memory.sees_nothing();
                text
            }
        };
        self.say(&text);
        match self.is_too_late() {
            false => Taken::Stay,
            true => {
                let next = format!(
                    "juju status {0}, juju debug-log --include {0} tell why",
                    self.item.app
                );
                self.failed(
                    format!(
                        "{}; charm and content are those of before, and it is not active {} s after that: {text}",
                        self.was(),
                        plan.wait
                    ),
                    self.seen.clone().with("result", NOT_WELL).with("next", next),
                )
            }
        }
    }

    /// Whether the time is over in which the app may become active. A process that goes on with it looks for some seconds at least.
    fn is_too_late(&self) -> bool {
        let until = self
            .seen
            .until
            .as_deref()
            .and_then(|until| until.parse::<Timestamp>().ok());
        let has_looked = !self.memory.is_resumed || self.memory.since.elapsed() >= self.how.tick * AT_LEAST;
        has_looked && until.is_none_or(|until| until <= Timestamp::now())
    }
}

/// Which charm it has.
fn charm(found: &Application) -> String {
    match found.charm.starts_with("local:") {
        true => shown(&found.charm),
        false => format!("{} revision {}", shown(&found.charm), found.charm_rev),
    }
}

fn in_time(seconds: u64) -> String {
    let wait = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX));
    Timestamp::now()
        .saturating_add(wait)
        .unwrap_or(Timestamp::MAX)
        .to_string()
}
