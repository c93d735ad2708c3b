//! Whether backups are made of an app, and what somebody should look at.

use config_recovery::backups::{AppId, BackupHealth, BackupSummary, Rests, Verdict, due, is_missed};
use config_recovery::overview::AppSchedule;
use config_recovery::words::{age, time};
use jiff::Timestamp;
use velero_backup_config::Schedule;

use super::{InJuju, expiry_is_told_from};

/// Whether backups are made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Protection {
    /// By a Schedule that Velero works by.
    Scheduled,
    /// It is related, and Velero has no Schedule for it: only backups by hand are made.
    NoSchedule,
    /// Velero refuses the Schedule, for this reason.
    Refused(String),
    /// The Schedule of this name is paused.
    Paused(String),
    /// Nothing asks for backups.
    NotRelated,
    /// The app is not there any more.
    Gone,
}

impl Protection {
    /// In a word or two.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Scheduled => "yes",
            Self::NoSchedule => "by hand",
            Self::Refused(_) => "refused",
            Self::Paused(_) => "paused",
            Self::NotRelated => "no",
            Self::Gone => "gone",
        }
    }
}

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It may get bad.
    Warning,
    /// A restore would not bring what one expects.
    Failure,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// How bad it is.
    pub severity: Severity,
    /// What.
    pub text: String,
    /// What to do.
    pub next: String,
}

/// What is known of an app.
pub(super) struct Seen<'a> {
    pub id: &'a AppId,
    pub juju: Option<&'a InJuju>,
    pub protection: &'a Protection,
    pub backups: &'a [BackupSummary],
    pub schedules: &'a [&'a AppSchedule],
    pub health: &'a BackupHealth,
    pub now: Timestamp,
}

/// A Schedule that makes backups counts before one that rests.
pub(super) fn of(juju: Option<&InJuju>, juju_is_known: bool, schedules: &[&AppSchedule]) -> Protection {
    if juju.is_none() && juju_is_known {
        return Protection::Gone;
    }
    if juju.is_some_and(|juju| !juju.is_related) {
        return Protection::NotRelated;
    }
    let rests = |schedule: &AppSchedule| schedule.scheduled.rests.clone();
    if schedules.iter().any(|schedule| rests(schedule).is_none()) {
        return Protection::Scheduled;
    }
    match schedules.first().map(|schedule| (schedule, rests(schedule))) {
        Some((_, Some(Rests::Refused { why }))) => Protection::Refused(why),
        Some((schedule, _)) => Protection::Paused(schedule.scheduled.name.clone()),
        None => Protection::NoSchedule,
    }
}

/// What somebody should look at, in this order:
/// 1. nothing makes backups;
/// 2. there is no good one, though one should be there;
/// 3. the newest one that ended is not good;
/// 4. one was due and did not come;
/// 5. the last good one is about to expire;
/// 6. the app is not active.
pub(super) fn attention(seen: &Seen<'_>) -> Vec<Attention> {
    let app = &seen.id.app;
    let mut all = Vec::new();
    let mut say = |severity, text: String, next: String| all.push(Attention { severity, text, next });
    match seen.protection {
        Protection::Scheduled | Protection::Gone => {}
        Protection::NotRelated => say(
            Severity::Failure,
            "nothing asks for backups".to_owned(),
            format!("juju integrate {app} velero-operator"),
        ),
        Protection::NoSchedule => say(
            Severity::Warning,
            "Velero has no Schedule for it, so backups are made by hand only".to_owned(),
            format!("juju config {app} backup-schedule; juju status {app} --relations"),
        ),
        Protection::Refused(why) => say(
            Severity::Failure,
            format!("Velero refuses the Schedule: {why}"),
            format!("juju config {app} backup-schedule=daily"),
        ),
        Protection::Paused(name) => say(
            Severity::Failure,
            format!("Schedule {name} is paused"),
            format!(
                "kubectl -n {} patch schedules.velero.io {name} --type merge -p '{{\"spec\":{{\"paused\":false}}}}'",
                seen.schedules
                    .first()
                    .map_or("VELERO", |schedule| &schedule.velero_namespace)
            ),
        ),
    }
    let now = seen.now;
    let newest = seen
        .backups
        .iter()
        .filter(|backup| backup.before_restore.is_none())
        .find(|backup| !matches!(backup.verdict(now), Verdict::Running | Verdict::Expired));
    let has_good = seen.health.kept_longest.is_some();
    let missed = seen.schedules.iter().find_map(|schedule| {
        let health = seen.health.endpoints.get(&schedule.endpoint)?;
        due(health, &schedule.cron.parse::<Schedule>().ok()?).filter(|due| is_missed(*due, now))
    });
    let is_asked = !matches!(seen.protection, Protection::NotRelated | Protection::Gone);
    if !has_good && is_asked {
        let (severity, text) = match (newest, missed) {
            (None, None) => (Severity::Warning, "there is no backup yet".to_owned()),
            (None, Some(due)) => (
                Severity::Failure,
                format!("there is no backup, one was due {}", time(due)),
            ),
            (Some(_), _) => (Severity::Failure, "there is no good backup".to_owned()),
        };
        say(severity, text, format!("configuratarr backup {app}"));
    }
    if let Some(newest) = newest.filter(|newest| !newest.is_good(now)) {
        let why = newest
            .complaints
            .first()
            .map(|why| format!(" ({why})"))
            .unwrap_or_default();
        say(
            Severity::Failure,
            format!(
                "the newest backup, {}, is {}{why}",
                newest.started.map_or_else(|| newest.name.clone(), time),
                newest.verdict(now)
            ),
            format!("configuratarr backups {app}; then configuratarr backup {app}"),
        );
    }
    if let Some(due) = missed.filter(|_| has_good && is_asked) {
        say(
            Severity::Failure,
            format!("one was due {} and there is no good one of that time", time(due)),
            format!("configuratarr backups {app}; then configuratarr backup {app}"),
        );
    }
    let expires = seen.health.kept_longest.as_ref().and_then(|last| last.expires);
    if let Some(expires) =
        expires.filter(|_| expiry_is_told_from(seen.health, seen.schedules).is_some_and(|from| from <= now))
    {
        say(
            Severity::Warning,
            format!(
                "the last good backup expires {}, in {}",
                time(expires),
                age(now, expires)
            ),
            match seen.protection {
                Protection::Gone => {
                    "deploy it again with --trust --config restore-on-deploy=latest, or let it go".to_owned()
                }
                _ => format!("configuratarr backup {app}"),
            },
        );
    }
    if let Some(juju) = seen.juju.filter(|juju| juju.status != "active") {
        say(
            Severity::Warning,
            format!("juju status: {}: {}", juju.status, juju.message),
            format!("juju status {app}"),
        );
    }
    all.sort_by_key(|attention| std::cmp::Reverse(attention.severity));
    all
}
