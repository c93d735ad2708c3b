//! The apps of a model, and how well each is protected: what Juju and the cluster say, joined. Pure.

mod protection;

use std::collections::BTreeMap;

use config_recovery::backups::{
    AppId, AppSchedule, BackupHealth, BackupSummary, LastGood, Proof, Verdict, goes_from, health, last_good,
    last_word,
};
use config_recovery::overview::{Overview, Progress};
use config_recovery::scratch::Purpose;
use config_recovery::shown::shown;
use jiff::Timestamp;
use velero_backup_config::Schedule;

use crate::juju::{Juju, Status};
pub use protection::{About, Attention, Protection, Severity};

/// What velero-operator is related to, in every charm of this project.
pub const ENDPOINT: &str = "velero-backup-config";

/// What an app's relation is called in Juju, by whoever offers it.
const INTERFACE: &str = "velero_backup_config";

/// One app.
#[derive(Debug, Clone)]
pub struct App {
    /// Application and model.
    pub id: AppId,
    /// What Juju says of it; `None` for an app that has backups and is not there.
    pub juju: Option<InJuju>,
    /// Whether backups are made of it; `None` where the cluster could not be asked.
    pub protection: Option<Protection>,
    /// Its backups, newest first.
    pub backups: Vec<BackupSummary>,
    /// The last good one that a restore of `latest` means.
    pub last_good: Option<LastGood>,
    /// When the next one is due.
    pub next_run: Option<Timestamp>,
    /// What is under way.
    pub in_flight: Vec<InFlight>,
    /// What somebody should look at, the worst first.
    pub attention: Vec<Attention>,
}

/// What Juju says of an app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InJuju {
    /// `active`, `blocked` …
    pub status: String,
    /// What the status says.
    pub message: String,
    /// The workload's version.
    pub version: Option<String>,
    /// The charm's name.
    pub charm: String,
    /// Its units, and whether each leads.
    pub units: BTreeMap<String, bool>,
    /// Whether it is related to what makes backups.
    pub is_related: bool,
    /// Whether its charm can ask for backups.
    pub has_endpoint: bool,
}

impl App {
    /// What was found when one of its backups was last restored and compared, and which one that was.
    pub fn last_proof(&self, now: Timestamp) -> Option<(&BackupSummary, &Proof)> {
        let (backup, _) = last_word(&self.backups, now)?;
        Some((backup, backup.proof.as_ref()?))
    }
}

/// What deploys an app that is gone again, with its content.
pub fn to_redeploy(juju: &Juju, app: &str) -> String {
    juju.own(&format!("redeploy {app} --charm CHARM"))
}

impl InJuju {
    /// The unit that leads, else the first one.
    pub fn unit(&self) -> Option<&str> {
        let leader = self.units.iter().find(|(_, leads)| **leads);
        leader
            .or_else(|| self.units.iter().next())
            .map(|(unit, _)| unit.as_str())
    }
}

/// Something that is under way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InFlight {
    /// What.
    pub what: Work,
    /// How far it is, where that is known.
    pub progress: Option<Progress>,
}

/// What can be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// A backup is being made.
    Backup,
    /// A backup is being restored.
    Restore,
    /// A backup is being verified.
    Verify,
}

impl Work {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Backup => "backup",
            Self::Restore => "restore",
            Self::Verify => "verify",
        }
    }
}

/// The apps of a model, by name: those that Juju has and that can be backed up, and those that have backups.
///
/// `status` is `None` where Juju could not be asked, `overview` where the cluster could not be. The next steps name the model as `typed` does.
pub fn apps(
    model: &str,
    typed: &Juju,
    status: Option<&Status>,
    overview: Option<&Overview>,
    now: Timestamp,
) -> Vec<App> {
    let mut found: BTreeMap<String, Option<InJuju>> = BTreeMap::new();
    for (name, application) in status.iter().flat_map(|status| &status.applications) {
        let has_endpoint = application.endpoint_bindings.contains_key(ENDPOINT);
        let mut related = application.relations.values().flatten();
        let is_operator = application.endpoint_bindings.contains_key("velero-backups");
        let is_related = !is_operator && related.any(|related| related.interface == INTERFACE);
        if !has_endpoint && !is_related {
            continue;
        }
        let text = |text: &str| shown(text);
        found.insert(
            name.clone(),
            Some(InJuju {
                status: text(&application.application_status.current),
                message: text(&application.application_status.message),
                version: Some(text(&application.version)).filter(|version| !version.is_empty()),
                charm: text(&application.charm_name),
                units: application
                    .units
                    .iter()
                    .map(|(unit, state)| (unit.clone(), state.leader))
                    .collect(),
                is_related,
                has_endpoint,
            }),
        );
    }
    if let Some(overview) = overview {
        let of_backups = overview.backups.iter().map(|backup| &backup.whose);
        let of_schedules = overview.schedules.iter().map(|schedule| &schedule.whose);
        for whose in of_backups
            .chain(of_schedules)
            .filter(|whose| whose.model == model)
        {
            found.entry(whose.app.clone()).or_default();
        }
    }
    found
        .into_iter()
        .map(|(name, juju)| {
            let id = AppId {
                app: name,
                model: model.to_owned(),
            };
            app(id, (juju, status.is_some()), typed, overview, now)
        })
        .collect()
}

fn app(
    id: AppId,
    (juju, juju_is_known): (Option<InJuju>, bool),
    typed: &Juju,
    overview: Option<&Overview>,
    now: Timestamp,
) -> App {
    let Some(overview) = overview else {
        return App {
            id,
            juju,
            protection: None,
            backups: Vec::new(),
            last_good: None,
            next_run: None,
            in_flight: Vec::new(),
            attention: Vec::new(),
        };
    };
    let backups: Vec<BackupSummary> = overview
        .backups
        .iter()
        .filter(|backup| backup.whose == id)
        .cloned()
        .collect();
    let schedules: Vec<&AppSchedule> = overview
        .schedules
        .iter()
        .filter(|schedule| schedule.whose == id)
        .collect();
    let last_good = last_good(&backups, &id, now);
    let health = health(&backups, &overview.schedules, &id, now);
    let protection = protection::of(juju.as_ref(), juju_is_known, &schedules);
    let next_run = schedules
        .iter()
        .filter(|schedule| schedule.scheduled.rests.is_none())
        .filter_map(|schedule| schedule.cron.parse::<Schedule>().ok()?.next_after(now))
        .min();
    let attention = protection::attention(&protection::Seen {
        id: &id,
        juju: juju.as_ref(),
        typed,
        protection: &protection,
        backups: &backups,
        schedules: &schedules,
        health: &health,
        now,
    });
    App {
        in_flight: in_flight(&id, &backups, overview, now),
        protection: Some(protection),
        last_good,
        next_run,
        attention,
        backups,
        juju,
        id,
    }
}

/// From when on somebody is told that the last good backup expires.
pub(crate) fn expiry_is_told_from(health: &BackupHealth, schedules: &[&AppSchedule]) -> Option<Timestamp> {
    let gaps = schedules.iter().filter_map(|schedule| {
        schedule
            .cron
            .parse::<Schedule>()
            .ok()?
            .longest_gap()
            .try_into()
            .ok()
    });
    goes_from(health.kept_longest.as_ref()?, gaps.min())
}

fn in_flight(id: &AppId, backups: &[BackupSummary], overview: &Overview, now: Timestamp) -> Vec<InFlight> {
    let running = backups
        .iter()
        .filter(|backup| backup.verdict(now) == Verdict::Running)
        .map(|backup| InFlight {
            what: Work::Backup,
            progress: overview.moving.get(&backup.uid).copied(),
        });
    let restoring = [(Purpose::Restore, Work::Restore), (Purpose::Verify, Work::Verify)]
        .into_iter()
        .flat_map(|(purpose, what)| {
            overview
                .restores
                .iter()
                .filter(move |restore| restore.is_of(id, purpose))
                .map(move |restore| InFlight {
                    what,
                    progress: Some(restore.progress),
                })
        });
    running.chain(restoring).collect()
}

#[cfg(test)]
mod tests;
