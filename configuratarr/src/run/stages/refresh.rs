//! The steps of a refresh, and of the way back.

use std::collections::BTreeMap;
use std::time::Duration;

use config_recovery::shown::shown;
use jiff::{SignedDuration, Timestamp};

use super::action::Stands;
use super::health::{Health, health, is_at_rest, is_settled, since};
use super::{At, IN_A_ROW, NOT_ROLLED_BACK, NOT_WELL, ROLLED_BACK, Seen, Step, Taken};
use crate::juju::{Application, JujuError, Status, time};
use crate::plan::{Job, RefreshPlan};
use crate::run::{Progress, says_done};

/// So many looks in a row at an app that is active and has done nothing: then the refresh changed nothing that its unit noticed.
const UNMOVED: u32 = 30;
/// So many looks in a row it gets after its time is over, however long nobody looked before: a machine that slept may wake up to an app
/// that is just doing something.
const AT_LEAST: u32 = 10;
/// So much later a refresh is not taken back any more: what was written since belongs to whoever used the app meanwhile.
const TOO_OLD: SignedDuration = SignedDuration::from_hours(1);
/// Clocks that differ by less are taken for the same: so long a command of Juju's may take.
const SAME_CLOCK: SignedDuration = SignedDuration::from_mins(2);
/// A backup is verified and refreshed from in less time than this, unless somebody leaves the run in the middle.
const OLD_BACKUP: SignedDuration = SignedDuration::from_hours(6);

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

    /// The command that restores the backup of before.
    fn restores(&self) -> String {
        let words = format!("restore {} --backup {}", self.item.app, self.backup());
        self.how.juju.own(&words)
    }

    async fn back_up(&mut self, _: &Application) -> Result<Taken, JujuError> {
        let unit = self.item.unit.clone();
        Ok(match self.action(&unit, Job::Backup.action(), &BTreeMap::new()).await? {
            Stands::Goes(taken) => taken,
            Stands::Completed(results) => match results.get("backup-uid") {
                Some(uid) => {
                    let mut seen = self.seen.clone().with("backup-uid", uid.clone());
                    seen.backed_up = time(&self.memory.began).map(|began| began.to_string());
                    let ahead = self.memory.ahead.filter(|ahead| ahead.abs() >= SAME_CLOCK);
                    seen.ahead = ahead.map(|ahead| ahead.as_secs());
                    self.seen = seen.for_next();
                    match self.clocks() {
                        // By the time of the refresh it would be called too old, after all the work of a test restore.
                        Some(differ) => self.clocks_differ(&differ, "nothing was refreshed"),
                        None => Taken::Next(Step::Verify, self.seen.clone()),
                    }
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
        if let Some(differ) = self.clocks() {
            return Ok(self.clocks_differ(&differ, &self.not_refreshed(plan)));
        }
        if self.has_old_backup() {
            let next = format!(
                "{} makes a new one",
                self.how.juju.own(&format!("refresh {}", self.item.app))
            );
            return Ok(self.failed(
                format!(
                    "the backup that was made before it is of {}: to go back to that would lose what was written since, so {}",
                    self.backed_up(),
                    self.not_refreshed(plan)
                ),
                self.seen.clone().with("next", next),
            ));
        }
        // What the unit has done since is told from what it does anyway, the end of that action first of all, where it was at rest before.
        let since = since(found);
        let is_still = is_at_rest(found) && self.seen.since == since;
        if !is_still && !self.memory.has_seen("moving", UNMOVED) {
            return Ok(Taken::Noted(Seen {
                since,
                ..self.seen.clone()
            }));
        }
        let error = match self.how.juju.change(&plan.refresh).await {
            Ok(said) if said.contains("up-to-date") && !plan.changes_resources => {
                let seen = self.seen.clone().with("result", "refreshed");
                let seen = seen.with(
                    "notes",
                    format!("{} is the newest already; nothing changed", plan.charm),
                );
                return Ok(Taken::End(Progress::Finished {
                    results: seen.results,
                }));
            }
            Ok(_) => return Ok(self.refreshed(plan)),
            Err(error @ JujuError::Refused { .. }) => error,
            Err(error) => {
                self.memory.is_resumed = true;
                return Err(error);
            }
        };
        // A connection that breaks off looks like a refusal, and Juju may have taken it all the same.
        self.memory.is_resumed = true;
        let now = self.how.juju.status().await?;
        let is_taken = |now: &Application| now.charm_rev != plan.revision || now.charm != plan.charm;
        if now.applications.get(&self.item.app).is_some_and(is_taken) {
            return Ok(self.refreshed(plan));
        }
        let what = self.not_refreshed(plan);
        Ok(self.failed(
            format!("{error}; {what}, and the backup that was made stays"),
            self.seen.clone(),
        ))
    }

    /// Nobody can tell how old the backup is, and each new one would be called as old.
    fn clocks_differ(&self, differ: &str, so: &str) -> Taken {
        let next = format!(
            "set the clock that is wrong (date -u shows this machine's), then {}",
            self.how.juju.own(&format!("refresh {}", self.item.app))
        );
        self.failed(
            format!("{differ}, so nobody can tell how old the backup is that was made before it; {so}"),
            self.seen.clone().with("next", next),
        )
    }

    /// What is known where the charm is still the one of before. Resources are not seen.
    fn not_refreshed(&self, plan: &RefreshPlan) -> String {
        match plan.changes_resources {
            true => format!(
                "its charm was not refreshed; {} tells which resources it has",
                self.how.juju.typed(&["resources", &self.item.app])
            ),
            false => "nothing was refreshed".to_owned(),
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
                self.memory.late = 0;
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
                // It is active, which is no reason to take anything back.
                self.memory.late = 0;
                self.say("active, and not started anew yet");
                return Taken::Stay;
            }
            Health::Active { is_since: false } => "active, as before the refresh".to_owned(),
            Health::Blocked(text) | Health::Not(text) => {
                self.memory.sees_nothing();
                text
            }
        };
        self.say(&text);
        if !self.is_too_late(plan.wait) {
            return Taken::Stay;
        }
        let seen = self.seen.clone().with("after-refresh", text.clone());
        match &plan.back {
            Some(back) if self.has_old_backup() => self.has_too_old_backup(back, seen),
            Some(back) if self.is_too_old() => {
                let why = format!(
                    "not active: {text}; this is seen more than an hour too late to roll back: what was written since would be lost"
                );
                self.failed(why, self.not_rolled_back(back, seen))
            }
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
                    "{} takes the charm back, then {}",
                    self.how
                        .juju
                        .typed(&["refresh", &self.item.app, "--path", "FILE"]),
                    self.restores()
                );
                self.failed(
                    format!(
                        "not active {} s after the refresh: {text}; cannot roll back {}",
                        plan.wait,
                        plan.cannot.join("; ")
                    ),
                    seen.with("result", NOT_ROLLED_BACK).with("next", next),
                )
            }
        }
    }

    /// The backup that it would go back to was made long ago.
    fn has_too_old_backup(&self, back: &[String], seen: Seen) -> Taken {
        let text = seen.results.get("after-refresh").map_or("", String::as_str);
        let why = format!(
            "not active: {text}; the backup of before the refresh is of {}, too old to roll back to: what was written since would be lost",
            self.backed_up()
        );
        self.failed(why, self.not_rolled_back(back, seen))
    }

    /// That charm and content are left as they are, and how a person goes back.
    fn not_rolled_back(&self, back: &[String], seen: Seen) -> Seen {
        let next = format!(
            "{}; the way back: {}; then {}",
            self.tells_why(),
            self.how.juju.command(back),
            self.restores()
        );
        seen.with("result", NOT_ROLLED_BACK).with("next", next)
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
        // The app may have become active meanwhile, and was used. The previous charm without its content is no way back.
        if self.has_old_backup() {
            return Ok(self.has_too_old_backup(&back, self.seen.clone()));
        }
        let error = match self.how.juju.change(&back).await {
            Ok(_) => return Ok(next),
            Err(error @ JujuError::Refused { .. }) => error,
            Err(error) => {
                self.memory.is_resumed = true;
                return Err(error);
            }
        };
        // Juju may have taken it all the same, which the next look tells; or it is a moment's trouble, and this is the way back.
        self.memory.is_resumed = true;
        if !self.memory.has_seen("refused", IN_A_ROW) {
            self.say(&format!("{error}; trying again"));
            return Ok(Taken::Stay);
        }
        let seen = self.seen.clone().with("result", NOT_ROLLED_BACK).with(
            "next",
            format!("{}; then {}", self.how.juju.command(&back), self.restores()),
        );
        Ok(self.failed(
            format!("{}; cannot roll back the charm: {error}", self.was()),
            seen,
        ))
    }

    /// How it was after the refresh.
    fn was(&self) -> String {
        let was = self.seen.results.get("after-refresh");
        format!("not active after the refresh: {}", was.map_or("", String::as_str))
    }

    fn settle(&mut self, plan: &RefreshPlan, found: &Application) -> Taken {
        let is_there = is_settled(found, &self.seen.since) && self.memory.has_seen("settled", IN_A_ROW);
        // One that does not come to rest is asked all the same: its action waits for it.
        match is_there || self.is_too_late(plan.wait) {
            true => Taken::Next(Step::RestoreData, self.seen.for_next()),
            false => Taken::Stay,
        }
    }

    async fn restore_data(&mut self, plan: &RefreshPlan) -> Result<Taken, JujuError> {
        let unit = self.item.unit.clone();
        let parameters = BTreeMap::from([("backup-uid".to_owned(), self.backup())]);
        let again = self.restores();
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
        let too_old = self.has_old_backup().then(|| {
            format!(
                "the backup is of {}, and what was written since would be lost",
                self.backed_up()
            )
        });
        Ok(
            match self
                .action_unless(too_old, &unit, Job::Restore.action(), &parameters)
                .await?
            {
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
                self.memory.late = 0;
                if self.memory.has_seen("active", IN_A_ROW) {
                    let seen = self
                        .seen
                        .clone()
                        .with("result", ROLLED_BACK)
                        .with("charm", charm(found));
                    let next = format!(
                        "{}; then {} again",
                        self.tells_why(),
                        self.how.juju.own(&format!("refresh {}", self.item.app))
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
        match self.is_too_late(plan.wait) {
            false => Taken::Stay,
            true => {
                let next = self.tells_why();
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

    /// Whether the time is over in which the app may become active, and some looks in a row since saw that it is not. Whoever sees that it is
    /// sets the count back.
    fn is_too_late(&mut self, wait: u64) -> bool {
        // A clock that is set back in the middle makes no app wait longer than this process has waited.
        let has_waited = self.memory.since.elapsed() >= Duration::from_secs(wait);
        if !has_waited && !self.is_over_by(SignedDuration::ZERO) {
            self.memory.late = 0;
            return false;
        }
        self.memory.late += 1;
        self.memory.late >= AT_LEAST
    }

    /// Whether so much time has gone by since then that the way back would cost more than it brings.
    fn is_too_old(&self) -> bool {
        self.is_over_by(TOO_OLD)
    }

    /// Whether the backup that was made first is too old to go back to by itself: the run was left in the middle.
    fn has_old_backup(&self) -> bool {
        self.age().is_some_and(|age| age >= OLD_BACKUP)
    }

    /// How old it is. The time of it is Juju's; where this machine's clock was behind that, so much has gone by besides.
    fn age(&self) -> Option<SignedDuration> {
        let age = Timestamp::now().duration_since(self.backup_of()?);
        Some(age.max(age.saturating_sub(self.ahead())))
    }

    fn ahead(&self) -> SignedDuration {
        SignedDuration::from_secs(self.seen.ahead.unwrap_or_default())
    }

    /// How the clocks differ, where the backup would be too old by that alone.
    fn clocks(&self) -> Option<String> {
        let (age, ahead) = (self.age()?, self.ahead());
        let by_that_alone = age >= OLD_BACKUP && age.saturating_sub(ahead) < OLD_BACKUP;
        by_that_alone.then(|| {
            let by = match (ahead.as_hours(), ahead.as_mins() % 60) {
                (hours @ 48.., _) => format!("{} days", hours / 24),
                (hours, minutes) => format!("{hours} h {minutes} min"),
            };
            format!("the clock of this machine is {by} ahead of Juju's")
        })
    }

    /// When that was.
    fn backed_up(&self) -> String {
        let made = self
            .backup_of()
            .map_or_else(String::new, config_recovery::words::time);
        match self.clocks() {
            Some(differ) => format!("{made} ({differ})"),
            None => made,
        }
    }

    /// When it was made; where that was not written down, as by an earlier release, when the run was, which is before it.
    fn backup_of(&self) -> Option<Timestamp> {
        let made = self.seen.backed_up.as_deref().unwrap_or(self.made);
        made.parse().ok()
    }

    fn is_over_by(&self, longer: SignedDuration) -> bool {
        let until = self.seen.until.as_deref();
        let until = until.and_then(|until| until.parse::<Timestamp>().ok());
        until.is_none_or(|until| Timestamp::now().duration_since(until) >= longer)
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
