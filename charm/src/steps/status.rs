//! Step 7. The one status that a dispatch ends with: pure, from what was found and what was done.
//!
//! First match wins; every text names the thing, the reason and the next step. Active claims that a backup
//! exists only where the cluster showed one: the relation tells nothing back.

use juju_charm::Status;
use juju_charm::pebble::CheckStatus;

use super::apply::{Applied, Outcome};
use super::plan;
use super::prepare_volume::{Start, last_to_stay};
use super::validate::{BackupSettings, ValidatedApp};
use crate::backup::BackupFacts;
use crate::data_unit::{DataUnit, Peers};
use crate::facts::{Container, Facts};
use crate::kubernetes::ClusterError;
use crate::media::{self, Mounting, claim};
use crate::names::{BACKUP_NOW, RESTORE_FROM_BACKUP};
use crate::profile::AppProfile;

/// What earlier steps have to say.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Whether the app may run.
    pub start: &'a Start,
    /// What was done with the config volume, a line each.
    pub news: &'a [String],
    /// How the app's backups stand.
    pub standing: Option<&'a str>,
}

/// Decides the unit's status.
pub fn decide(
    profile: &AppProfile,
    facts: &Facts,
    validated: &ValidatedApp,
    outcome: &Outcome,
    told: Told<'_>,
) -> Status {
    let applied = &outcome.workload;
    let app = &facts.app;
    if let Err(problem) = &facts.metadata {
        return Status::Blocked(problem.to_string());
    }
    let container = match &facts.container {
        Container::NotReachable => {
            return Status::Waiting(format!(
                "container {}: Pebble is not responding; retrying on pebble-ready, else kubectl describe pod",
                profile.name
            ));
        }
        Container::Faulty { reason } => {
            return Status::Waiting(format!(
                "container {}: {reason}; tried again at the next update-status, details in juju debug-log",
                profile.name
            ));
        }
        Container::Ready(container) => container,
    };
    if let Err(blocker) = told.start {
        let text = blocker.text.clone();
        return if blocker.needs_somebody {
            Status::Blocked(text)
        } else {
            Status::Waiting(text)
        };
    }
    let settings = match &validated.workload {
        Ok(settings) => settings,
        Err(problem) => return Status::Blocked(problem.to_string()),
    };
    if let Applied::Failed { reason } = applied {
        return Status::Blocked(format!(
            "container {}: {reason}; look at juju debug-log and kubectl logs, fixes take effect at the next update-status",
            profile.name
        ));
    }
    if let Some(status) = media_held_up(facts, &validated.media, outcome) {
        return status;
    }
    if applied == &Applied::Unchanged && container.check == Some(CheckStatus::Down) {
        return Status::Waiting(format!(
            "{}: no answer at {}; look at kubectl logs of container {}",
            profile.title,
            plan::health_url(profile, settings),
            profile.name
        ));
    }
    if let Err(problem) = &validated.rotation {
        return Status::Blocked(problem.to_string());
    }
    let backup = match &validated.backup {
        Some(Ok(backup)) => Some(backup),
        Some(Err(problem)) => return Status::Blocked(problem.to_string()),
        None => None,
    };
    if let Some(backup) = backup
        && let Some(status) = backups_held_up(facts, backup, outcome)
    {
        return status;
    }
    if let Some(status) = media_not_kept_out(facts, &validated.media, outcome) {
        return status;
    }
    if let (Mounting::Change(change), Some(Ok(()))) = (&validated.media, &outcome.mounted) {
        let what = match &change.mount {
            Some(mount) => format!("claim {} is being mounted at {}", mount.claim, mount.path),
            None => "its claim is being unmounted".to_owned(),
        };
        return Status::Waiting(format!(
            "relation {}: {what}; goes on in the new pod, otherwise look at kubectl describe pod",
            media::ENDPOINT
        ));
    }
    let about_backups = backup.map(|backup| {
        if !facts.is_backed_up {
            return format!("no backups: juju integrate {app} velero-operator");
        }
        match &backup.when {
            None => format!("no scheduled backups: juju config {app} backup-schedule=daily"),
            Some(when) => format!("backups asked for: {when}, each kept {}", backup.retention),
        }
    });
    let goes_first = goes_first(facts);
    let texts = told.news.iter().chain(&goes_first).chain(&profile.deprecated);
    let texts: Vec<&str> = texts
        .chain(&about_backups)
        .map(String::as_str)
        .chain(told.standing)
        .collect();
    Status::Active(texts.join("; "))
}

/// That a scale-down takes this unit and its data.
fn goes_first(facts: &Facts) -> Option<String> {
    let is_tracked = facts.data == DataUnit::Here && matches!(facts.peers, Peers::Related(_));
    let stays = last_to_stay(&facts.unit).filter(|_| is_tracked)?;
    Some(format!(
        "a scale-down removes this unit and its data: {BACKUP_NOW} before it, {RESTORE_FROM_BACKUP} on {stays} after it"
    ))
}

/// Why the media are not where the app looks for them, or still there. The workload runs all the same.
fn media_held_up(facts: &Facts, mounting: &Mounting, outcome: &Outcome) -> Option<Status> {
    let subject = format!("relation {}", media::ENDPOINT);
    let again = "tried again at the next update-status";
    let change = match mounting {
        Mounting::Keep => return None,
        Mounting::Impossible(problem) => return Some(Status::Blocked(problem.to_string())),
        Mounting::Unknown(error) => return Some(Status::Waiting(format!("{subject}: {error}; {again}"))),
        Mounting::Change(change) => change,
    };
    let error = outcome.mounted.as_ref()?.as_ref().err()?;
    let not_done = match &change.mount {
        Some(mount) => format!("claim {} is not mounted", mount.claim),
        None => "its claim is still mounted".to_owned(),
    };
    Some(match error {
        error if error.is_forbidden() => Status::Blocked(format!(
            "{subject}: {not_done}: without trust the charm may not change its pods; juju trust {} --scope=cluster",
            facts.app
        )),
        ClusterError::NotFound { .. } => Status::Blocked(format!(
            "{subject}: {not_done}: there is no such claim; kubectl -n {} get pvc, and look at the charm on the other side",
            facts.model
        )),
        error => Status::Waiting(format!("{subject}: {not_done}: {error}; {again}")),
    })
}

/// Why backups may hold the media, and the data of other apps that share them. The workload runs all the same.
fn media_not_kept_out(facts: &Facts, mounting: &Mounting, outcome: &Outcome) -> Option<Status> {
    let mounted = facts.media_claim.as_ref()?;
    if matches!(mounting, Mounting::Change(_)) {
        return None;
    }
    let (subject, claim) = (format!("relation {}", media::ENDPOINT), &mounted.name);
    let (error, what) = match (&mounted.claim, &outcome.kept_out) {
        (Err(error), _) => (
            error,
            format!("whether claim {claim} is kept out of backups is not known"),
        ),
        (Ok(_), Err(error)) => (
            error,
            format!(
                "claim {claim} is not kept out of backups, and what else mounts it would be stored with it"
            ),
        ),
        (Ok(_), Ok(())) => return None,
    };
    Some(if error.is_forbidden() {
        Status::Blocked(format!(
            "{subject}: {what}: {error}; juju trust {} --scope=cluster, or kubectl -n {} label pvc {claim} {}=true",
            facts.app,
            facts.model,
            claim::EXCLUDED
        ))
    } else {
        Status::Waiting(format!(
            "{subject}: {what}: {error}; tried again at the next update-status"
        ))
    })
}

/// Why a backup would not hold the bytes. The workload runs all the same.
fn backups_held_up(facts: &Facts, backup: &BackupSettings, outcome: &Outcome) -> Option<Status> {
    if let (Some(problem), true) = (&backup.decision.problem, facts.is_backed_up) {
        let text = format!("backups: {problem}");
        return Some(match &facts.volume {
            // It may answer the next time.
            BackupFacts::Failed(error) if !error.is_forbidden() => Status::Waiting(text),
            _ => Status::Blocked(text),
        });
    }
    let error = outcome.marked.as_ref().err()?;
    Some(if error.is_forbidden() {
        Status::Blocked(format!(
            "backups: {error}; juju trust {} --scope=cluster",
            facts.app
        ))
    } else {
        Status::Waiting(format!("backups: {error}; tried again at the next update-status"))
    })
}
