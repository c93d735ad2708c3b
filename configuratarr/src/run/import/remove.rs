//! The step from which on there is no app: what is looked at before it, and its end.

use std::path::Path;

use config_recovery::claim;
use tokio::time::Instant;

use super::{Found, Taken, Trouble, Went, Works, not_taken, storage, volume};
use crate::juju::Application;
use crate::plan::{Deployment, ImportPlan, Job, retain, to_one_unit};
use crate::problem::{Kind, Problem};
use crate::run::follow::under_way;

impl Works<'_> {
    pub(super) async fn remove(&self, found: &mut Found) -> Taken<Went> {
        let app = &self.app.app;
        match self.application().await? {
            Some(there) if there.life.is_empty() || there.life == "alive" => {
                let looked = async {
                    self.may_be_removed(&there, found).await?;
                    self.changed(&there, found).await
                };
                match looked.await {
                    // The app is gone in a moment: how it is deployed again is written down before.
                    Ok(Some(now)) => {
                        found.changed = Some(now);
                        return Ok(Went::Again);
                    }
                    Ok(None) => {
                        let removed = self.how.juju.carry_out(&ImportPlan::remove(app)).await;
                        removed.map_err(not_taken)?;
                    }
                    // What could not be looked at stops it as much as what is not well.
                    Err(Trouble::Ends(problem) | Trouble::Stays(problem)) => {
                        return Err(Trouble::Stays(problem));
                    }
                }
            }
            _ => {}
        }
        let since = Instant::now();
        while self.application().await?.is_some() {
            if since.elapsed() >= self.how.patience {
                return Err(Trouble::Stays(Problem::new(
                    Kind::Unfinished,
                    format!("{app} is still being removed"),
                    format!(
                        "{} shows why; a unit in error: {}",
                        self.how.juju.typed(&["status", app]),
                        self.how.juju.typed(&["resolved", "UNIT"])
                    ),
                )));
            }
            tokio::time::sleep(self.how.tick).await;
        }
        Ok(Went::On)
    }

    /// How the app is deployed again, where others have changed it since that was read last.
    async fn changed(&self, there: &Application, found: &Found) -> Taken<Option<Deployment>> {
        let app = &self.app.app;
        let Some(now) = self.how.juju.deployed(app).await? else {
            return Err(Trouble::Stays(Problem::new(
                Kind::Failed,
                format!("juju export-bundle does not say any more how {app} is deployed"),
                self.how.juju.typed(&["status", app]),
            )));
        };
        let now = self
            .plan
            .reread(self.how.juju, app, there.units.len(), &now)
            .map_err(Trouble::Stays)?;
        let differences = self.deployment(found).differences(&now);
        if differences.is_empty() {
            return Ok(None);
        }
        self.say(&format!(
            "{app} was changed since this was planned ({}); it is deployed as it is now",
            differences.join(", ")
        ));
        Ok(Some(now))
    }

    /// The volume that is kept is the one that the app has: with another one its data would go.
    pub(super) async fn has_old_volume(&self) -> Taken {
        let (app, old) = (&self.app.app, &self.plan.old_volume);
        let has = claim::find(self.cluster, &self.app).await?.volume;
        match has.as_deref() {
            Some(has) if has == old => Ok(()),
            other => no(
                format!(
                    "{app} had volume {old} when this was planned, and has {} now",
                    other.unwrap_or("none")
                ),
                format!("{} shows what it has", self.how.juju.own(&format!("claim {app}"))),
            ),
        }
    }

    /// Whether the app may be removed: what it has is kept, and what comes after can work. It is looked at as late as can be.
    async fn may_be_removed(&self, there: &Application, found: &Found) -> Taken {
        let (app, old) = (&self.app.app, &self.plan.old_volume);
        self.has_old_volume().await?;
        let policy = claim::volume(self.cluster, old).await?;
        let policy = policy.and_then(|volume| volume.reclaim_policy);
        if policy.as_deref() != Some("Retain") {
            return no(
                format!("volume {old} of {app} would go with it: its reclaim policy is not Retain any more"),
                retain(old),
            );
        }
        // Somebody else's restore would be cut off in the middle of the volume that is kept.
        let actions = [Job::Restore, Job::Backup, Job::Verify]
            .map(Job::action)
            .join(",");
        let known = self.how.juju.operations(&self.item.unit, &actions).await?;
        if let Some((_, task)) = under_way(&known, self.item) {
            let by_juju = |words: &[&str]| self.how.juju.typed(words);
            return no(
                format!("task {task} of Juju is under way on {}", self.item.unit),
                format!(
                    "wait for its end: {}; or {} ends it",
                    by_juju(&["show-task", task, "--watch"]),
                    by_juju(&["cancel-task", task])
                ),
            );
        }
        match there.units.len() {
            0 | 1 => self.can_come_back(found).await,
            units => no(
                format!("{app} has {units} units by now, and one comes again"),
                to_one_unit(self.how.juju, app),
            ),
        }
    }

    /// Whether what comes after the removal can work.
    async fn can_come_back(&self, found: &Found) -> Taken {
        let (volume, storage) = (volume(found)?, storage(found)?);
        let storages = self.how.juju.storages().await?;
        match storages.units_with(&storage) {
            Some(units) if units.is_empty() => {}
            Some(units) => {
                return no(
                    format!("storage {storage} is attached to {} by now", units.join(", ")),
                    self.how.juju.typed(&["storage"]),
                );
            }
            None => {
                return no(
                    format!("Juju has no storage {storage} any more"),
                    self.how.juju.typed(&["storage"]),
                );
            }
        }
        match claim::volume(self.cluster, &volume).await? {
            Some(seen)
                if seen.phase.as_deref() == Some("Available")
                    && seen.reclaim_policy.as_deref() == Some("Retain") => {}
            _ => {
                return no(
                    format!("volume {volume} is not free any more"),
                    "kubectl get pv shows what has it",
                );
            }
        }
        if self.plan.is_of_charmhub() {
            let mut ask = vec!["info".to_owned(), self.plan.charm.clone()];
            if let Some(channel) = &self.plan.channel {
                ask.extend(["--channel".to_owned(), channel.clone()]);
            }
            self.how.juju.carry_out(&ask).await?;
        } else if !Path::new(&self.plan.charm).exists() {
            return no(
                format!("there is no charm {} any more", self.plan.charm),
                "put it there again; the app was not removed yet",
            );
        }
        Ok(())
    }
}

/// What is not so, and what to do about it.
fn no(why: String, next: impl Into<String>) -> Taken {
    Err(Trouble::Ends(Problem::new(Kind::Failed, why, next)))
}
