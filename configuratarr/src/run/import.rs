//! Restores by a volume that Juju imports: the app is deployed anew around it.
//!
//! The order is that of what can be taken back: until the restored volume is imported and its storage has an id, nothing of the app is
//! touched. From [`ImportStep::Remove`] on the run is not given up where something fails: the app is gone, and `configuratarr resume`
//! goes on at that step. Each step can be taken again, so it is written down before it is taken. Kubernetes is written to by
//! [`config_recovery::scratch`] alone.

mod remove;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;

use config_recovery::backups::{self, AppId};
use config_recovery::cluster::Cluster;
use config_recovery::journal::Step;
use config_recovery::overview::Progress as Bytes;
use config_recovery::report::Reporter;
use config_recovery::scratch::{self, By, Purpose, RestoredVolume, ScratchSpec};
use config_recovery::{ClusterError, Error, claim};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{Ended, Follow, Journal, Progress, Show};
use crate::juju::{Application, JujuError};
use crate::plan::{Deployment, ImportPlan, Item, Job};
use crate::problem::{Kind, Problem, Result};

/// Who holds the place that the backup is restored in: no unit has this name.
const HOLDER: &str = "configuratarr";

/// A step, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ImportStep {
    /// Velero restores the backup in a namespace of its own.
    Restore,
    /// The restored volume is told to stay.
    Keep,
    /// What holds it is removed.
    Free,
    /// Juju imports it.
    Import,
    /// The volume that the app has is told to stay.
    KeepOld,
    /// The app is removed.
    Remove,
    /// It is deployed with the imported volume.
    Deploy,
    /// It gets its relations again.
    Join,
    /// It is looked whether it runs on that volume.
    Check,
}

/// What the steps have found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Found {
    /// The restored volume.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Uid of the claim that it was restored by.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim_uid: Option<String>,
    /// Its storage in Juju.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<String>,
    /// The reclaim policy that the old volume had.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old_policy: Option<String>,
    /// How the app is deployed again, where others have changed it since the plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub changed: Option<Deployment>,
}

/// How a step went that did not fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Went {
    /// The next one.
    On,
    /// What it has found is written down, and it is taken again.
    Again,
}

/// Why a step was not done.
enum Trouble {
    /// It will not be, and the run is at its end.
    Ends(Problem),
    /// It may be later.
    Stays(Problem),
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        let may_pass = match &error {
            Error::Cluster(ClusterError::Unreachable { .. } | ClusterError::Refused { .. })
            | Error::TimedOut { .. } => true,
            // A policy is changed, or a login ends in the middle, and somebody logs in again.
            Error::Cluster(ClusterError::Policy { .. }) => true,
            Error::Cluster(ClusterError::NotAllowed { reason, .. }) => reason == "Unauthorized",
            _ => false,
        };
        match may_pass {
            true => Self::Stays(error.into()),
            false => Self::Ends(error.into()),
        }
    }
}

impl From<ClusterError> for Trouble {
    fn from(error: ClusterError) -> Self {
        Error::from(error).into()
    }
}

impl From<JujuError> for Trouble {
    fn from(error: JujuError) -> Self {
        match error {
            JujuError::Refused { .. } => Self::Ends(error.into()),
            _ => Self::Stays(error.into()),
        }
    }
}

type Taken<T = ()> = Result<T, Trouble>;

/// Juju does not take a step of a run that is not given up. Who goes on with the run takes it again: by hand it would be taken without what is looked
/// at before it.
fn not_taken(error: JujuError) -> Trouble {
    let is_refusal = matches!(error, JujuError::Refused { .. } | JujuError::NoAnswer { .. });
    let mut problem = Problem::from(error);
    if is_refusal {
        problem.next = Some("see to what Juju says".to_owned());
    }
    Trouble::Stays(problem)
}

/// Carries an import out from where it is.
///
/// # Errors
/// When it cannot be written down.
pub async fn import(
    journal: &mut Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
    interrupted: impl Future<Output = ()>,
) -> Result<Ended> {
    tokio::pin!(interrupted);
    let run = journal.run();
    let (Some(cluster), Some(item)) = (how.cluster, run.plan.items.first().cloned()) else {
        let why = "an import needs the cluster, and that cannot be asked";
        return Ok(Ended::Lost(Problem::new(
            Kind::Unfinished,
            why,
            "name it: --kubeconfig, --context",
        )));
    };
    let Some(plan) = item.import.as_deref().cloned() else {
        return Err(Problem::bare(
            Kind::Failed,
            format!("run {} says nothing of an import", run.id),
        ));
    };
    let works = Works {
        app: AppId {
            app: item.app.clone(),
            model: run.plan.model.clone(),
        },
        run: run.id.chars().filter(char::is_ascii_alphanumeric).collect(),
        item: &item,
        plan: &plan,
        cluster,
        how,
        show: RefCell::new(show),
    };
    let mut told = None;
    while !journal.run().is_over() {
        let (step, mut found) = match journal.run().progress.first() {
            Some(Progress::Importing { step, found }) => (*step, found.clone()),
            _ => (ImportStep::Restore, Found::default()),
        };
        // Written down before it is taken.
        journal.advance(0, importing(step, &found))?;
        if told.replace(step) != Some(step) {
            works.say(step.says());
        }
        let taken = tokio::select! {
            biased;
            () = &mut interrupted => return Ok(Ended::Interrupted),
            taken = works.take(step, &mut found) => taken,
        };
        let next = match (taken, step.next()) {
            (Ok(Went::Again), _) => importing(step, &found),
            (Ok(Went::On), Some(next)) => importing(next, &found),
            (Ok(Went::On), None) => Progress::Imported {
                results: works.results(&found),
            },
            (Err(Trouble::Ends(problem)), _) if step < ImportStep::Remove || step == ImportStep::Check => {
                works.give_up(step, problem, &mut found).await
            }
            (Err(Trouble::Ends(problem) | Trouble::Stays(problem)), _) => {
                return Ok(Ended::Lost(works.at_step(step, problem)));
            }
        };
        if next.is_over() {
            let is_well = matches!(next, Progress::Imported { .. });
            works
                .show
                .borrow_mut()
                .ended(0, is_well, &super::follow::told(Job::Import, &next));
        }
        journal.advance(0, next)?;
    }
    Ok(Ended::Over)
}

fn importing(step: ImportStep, found: &Found) -> Progress {
    Progress::Importing {
        step,
        found: found.clone(),
    }
}

impl ImportStep {
    /// The one after it.
    const fn next(self) -> Option<Self> {
        Some(match self {
            Self::Restore => Self::Keep,
            Self::Keep => Self::Free,
            Self::Free => Self::Import,
            Self::Import => Self::KeepOld,
            Self::KeepOld => Self::Remove,
            Self::Remove => Self::Deploy,
            Self::Deploy => Self::Join,
            Self::Join => Self::Check,
            Self::Check => return None,
        })
    }

    /// What is not done where it stands.
    pub const fn stands(self) -> &'static str {
        match self {
            Self::Restore | Self::Keep | Self::Free | Self::Import | Self::KeepOld => {
                "under way; the app is as it was"
            }
            Self::Remove => "under way; the app is to be removed, or being removed",
            Self::Deploy => "under way; the app is REMOVED and not deployed yet",
            Self::Join | Self::Check => "under way; the app is deployed",
        }
    }

    /// What is done in it.
    const fn says(self) -> &'static str {
        match self {
            Self::Restore => "restoring the backup in a namespace of its own",
            Self::Keep => "keeping the restored volume",
            Self::Free => "removing what holds it",
            Self::Import => "importing it into Juju",
            Self::KeepOld => "keeping the volume that the app has now",
            Self::Remove => "removing the app",
            Self::Deploy => "deploying it with the restored volume",
            Self::Join => "giving it its relations again",
            Self::Check => "waiting until it is active on that volume",
        }
    }
}

/// What a step works with.
struct Works<'a> {
    app: AppId,
    run: String,
    item: &'a Item,
    plan: &'a ImportPlan,
    cluster: &'a Cluster,
    how: &'a Follow<'a>,
    show: RefCell<&'a mut dyn Show>,
}

impl Works<'_> {
    fn say(&self, text: &str) {
        self.show.borrow_mut().said(0, text);
    }

    /// By whom the backup is restored in a place of its own.
    fn by(&self) -> By<'_> {
        By {
            holder: HOLDER,
            run: &self.run,
        }
    }

    async fn take(&self, step: ImportStep, found: &mut Found) -> Taken<Went> {
        match step {
            ImportStep::Restore => self.restore().await?,
            ImportStep::Keep => {
                let restored = scratch::restored_volume(self.cluster, &self.app, self.by()).await?;
                scratch::keep_volume(self.cluster, &restored.volume).await?;
                self.say(&format!("it is volume {}", restored.volume));
                found.volume = Some(restored.volume);
                found.claim_uid = Some(restored.claim_uid);
            }
            ImportStep::Free => {
                let restored = RestoredVolume {
                    volume: found.volume.clone().unwrap_or_default(),
                    claim_uid: found.claim_uid.clone().unwrap_or_default(),
                    capacity: None,
                    storage_class: None,
                };
                scratch::let_volume_free(self.cluster, &self.app, self.by(), &restored, self).await?;
            }
            ImportStep::Import => {
                let storage = self.import(&volume(found)?).await?;
                self.say(&format!("it is storage {storage}"));
                found.storage = Some(storage);
            }
            ImportStep::KeepOld => {
                self.has_old_volume().await?;
                // Of the first time: by the second it is Retain already.
                let before = scratch::keep_volume(self.cluster, &self.plan.old_volume).await?;
                found.old_policy.get_or_insert(before);
            }
            ImportStep::Remove => return self.remove(found).await,
            ImportStep::Deploy => self.deploy(found).await?,
            ImportStep::Join => self.join(found).await?,
            ImportStep::Check => self.check(&volume(found)?).await?,
        }
        Ok(Went::On)
    }

    /// How the app is deployed again: as planned, or as others have changed it since.
    fn deployment(&self, found: &Found) -> Deployment {
        let changed = found.changed.clone();
        changed.unwrap_or_else(|| self.plan.deployment())
    }

    async fn restore(&self) -> Taken {
        let uid = self.item.backup.as_ref().map_or("", |backup| backup.uid.as_str());
        let backups = backups::list(self.cluster, None).await?;
        let backup = backups
            .into_iter()
            .find(|backup| backup.uid == uid)
            .ok_or_else(|| Error::NoSuchBackup(uid.to_owned()))?;
        let expected = backup.holds.bytes();
        let spec = ScratchSpec {
            target: self.app.clone(),
            backup,
            purpose: Purpose::Restore,
            run: self.run.clone(),
            holder: HOLDER.to_owned(),
            image: self.plan.image.clone(),
            program: None,
            storage_class: self.plan.storage_class.clone(),
            size: self.plan.size,
        };
        let place = scratch::make(self.cluster, &spec, self).await?;
        let worked = place.bring_back(self.cluster, self).await?;
        if worked.bytes == Some(0) && expected != Some(0) {
            return Err(Error::Unfit {
                backup: spec.backup.name,
                why: "Velero restored no byte of it".to_owned(),
            }
            .into());
        }
        Ok(())
    }

    /// The storage that the volume is. Juju 3.6 imports a volume as often as it is told to: it is looked first.
    async fn import(&self, volume: &str) -> Taken<String> {
        let of_volume = async || {
            let storages = self.how.juju.storages().await?;
            Ok::<_, JujuError>(storages.of_volume(volume).map(str::to_owned))
        };
        if let Some(known) = of_volume().await? {
            return Ok(known);
        }
        self.how.juju.carry_out(&ImportPlan::import(volume)).await?;
        of_volume().await?.ok_or_else(|| {
            Trouble::Ends(Problem::new(
                Kind::Failed,
                format!("Juju imported volume {volume} and shows no storage that is this volume"),
                format!("see {}", self.how.juju.typed(&["storage", "--format", "yaml"])),
            ))
        })
    }

    /// Juju's answer is needed where the app is removed already, or about to be: that it is not given ends nothing. A connection that breaks off
    /// has the words of a refusal.
    async fn application(&self) -> Taken<Option<Application>> {
        let status = self.how.juju.status().await;
        let mut status = status.map_err(|error| Trouble::Stays(error.into()))?;
        Ok(status.applications.remove(&self.app.app))
    }

    async fn deploy(&self, found: &Found) -> Taken {
        let storage = &storage(found)?;
        if self.application().await?.is_none() {
            let deploy = self.deployment(found).with_storage(storage);
            return self.how.juju.carry_out(&deploy).await.map_err(not_taken);
        }
        // An earlier process deployed it, or somebody else.
        let app = &self.app.app;
        let storages = self.how.juju.storages().await?;
        let of_app = |unit: &&str| unit.split('/').next() == Some(app);
        match storages
            .units_with(storage)
            .is_some_and(|units| units.iter().any(of_app))
        {
            true => Ok(()),
            false => Err(Trouble::Stays(Problem::new(
                Kind::Unfinished,
                format!("there is an {app} in Juju that does not have storage {storage}"),
                format!(
                    "if you need neither it nor what its volume holds: {}",
                    self.how.juju.typed(&["remove-application", app])
                ),
            ))),
        }
    }

    async fn join(&self, found: &Found) -> Taken {
        for command in self.deployment(found).then {
            match self.how.juju.carry_out(&command).await {
                Err(JujuError::Refused { reason, .. }) if reason.contains("already exists") => {}
                done => done.map_err(not_taken)?,
            }
        }
        Ok(())
    }

    async fn check(&self, volume: &str) -> Taken {
        let app = &self.app.app;
        let since = Instant::now();
        loop {
            let seen = match claim::find(self.cluster, &self.app).await {
                Ok(claim) => claim.volume,
                Err(Error::NoClaim { .. }) => None,
                Err(error) => return Err(error.into()),
            };
            if let Some(other) = seen.as_deref().filter(|seen| *seen != volume) {
                return Err(Trouble::Ends(Problem::new(
                    Kind::Failed,
                    format!("{app} was deployed and has volume {other} and not the restored one, {volume}"),
                    format!(
                        "{} restores into the volume that it has",
                        self.how.juju.own(&format!("restore {app}"))
                    ),
                )));
            }
            let status = self.application().await?.map(|is| is.application_status);
            let current = status
                .as_ref()
                .map_or("not there", |status| status.current.as_str());
            if seen.is_some() && current == "active" {
                return Ok(());
            }
            if since.elapsed() >= self.how.patience {
                let message = status
                    .as_ref()
                    .map(|status| status.message.as_str())
                    .unwrap_or_default();
                let said = match message.is_empty() {
                    true => current.to_owned(),
                    false => format!("{current}: {message}"),
                };
                let bound = if seen.is_some() {
                    "has the restored volume"
                } else {
                    "has no volume yet"
                };
                return Err(Trouble::Stays(Problem::new(
                    Kind::Unfinished,
                    format!("{app} {bound} and is {said}"),
                    self.how.juju.typed(&["status", app]),
                )));
            }
            tokio::time::sleep(self.how.tick).await;
        }
    }

    /// The end of a run that comes to nothing. What was restored is removed, as long as nobody has it.
    async fn give_up(&self, step: ImportStep, problem: Problem, found: &mut Found) -> Progress {
        let mut results = self.results(found);
        let mut next = problem.next;
        if step <= ImportStep::Keep {
            results.clear();
            // What is left is found by the next restore of this app.
            if let Err(error) = scratch::remove_restored(self.cluster, &self.app, self.by(), self).await {
                log::debug!("{error}");
            }
        } else if step < ImportStep::Remove {
            results.remove("old-volume");
            let volume = found.volume.as_deref().unwrap_or_default();
            let left =
                format!("the restored volume stays; if you do not need it: kubectl delete pv {volume}");
            next = Some(next.map_or(left.clone(), |next| format!("{next}; {left}")));
        }
        let untouched = match step < ImportStep::Remove {
            true => format!("; {} is as it was", self.app.app),
            false => String::new(),
        };
        if let Some(next) = next {
            results.insert("next".to_owned(), next);
        }
        Progress::Failed {
            task: None,
            why: format!("{}{untouched}", problem.text),
            results,
        }
    }

    /// A run that is not at its end, and where it stands.
    fn at_step(&self, step: ImportStep, problem: Problem) -> Problem {
        let app = &self.app.app;
        let stands = match step {
            ImportStep::Deploy => format!("{app} is removed and not deployed yet"),
            ImportStep::Join => format!("{app} is deployed and has not all of its relations"),
            ImportStep::Check => format!("{app} is deployed with its relations"),
            ImportStep::Remove => format!("{app} is still there, or being removed"),
            _ => format!("{app} is as it was"),
        };
        let next = problem.next;
        Problem {
            text: format!("{}; {stands}", problem.text),
            next,
            kind: Kind::Unfinished,
        }
    }

    fn results(&self, found: &Found) -> BTreeMap<String, String> {
        let mut results = BTreeMap::new();
        let mut tell = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                results.insert(key.to_owned(), value);
            }
        };
        tell("volume", found.volume.clone());
        tell("storage", found.storage.clone());
        if let Some(policy) = &found.old_policy {
            let old = &self.plan.old_volume;
            let was = match policy == "Retain" {
                true => String::new(),
                false => format!(" (it was {policy})"),
            };
            tell(
                "old-volume",
                Some(format!(
                    "{old} has what was there: its reclaim policy is Retain{was}"
                )),
            );
        }
        results
    }
}

/// It hears of the restore what a person wants to know.
impl Reporter for Works<'_> {
    fn begins(&self, _: Step) {}

    fn bytes(&self, _: Step, done: u64, total: Option<u64>) {
        let done = done.min(total.unwrap_or(done));
        self.show.borrow_mut().bytes(0, Bytes { done, total });
    }

    fn note(&self, text: &str) {
        self.say(text);
    }
}

fn volume(found: &Found) -> Taken<String> {
    known(found.volume.as_ref(), "volume")
}

fn storage(found: &Found) -> Taken<String> {
    known(found.storage.as_ref(), "storage")
}

fn known(what: Option<&String>, name: &str) -> Taken<String> {
    what.cloned().ok_or_else(|| {
        Trouble::Stays(Problem::new(
            Kind::Failed,
            format!("the run does not say which {name} was restored"),
            "restore again",
        ))
    })
}
