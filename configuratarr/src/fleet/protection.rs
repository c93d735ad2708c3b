//! Whether backups are made of an app, and what somebody should look at.

use config_recovery::backups::{
    AppId, AppSchedule, BackupHealth, BackupSummary, Rests, Verdict, due, is_missed, last_word,
};
use config_recovery::words::{age, time};
use jiff::Timestamp;
use velero_backup_config::Schedule;

use super::{InJuju, expiry_is_told_from, to_redeploy};
use crate::juju::Juju;

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

/// What it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum About {
    /// Whether anything makes backups.
    Protection,
    /// The backups that there are, or should be.
    Backups,
    /// How Juju says that the app is.
    App,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attention {
    /// What it is about.
    pub about: About,
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
    pub typed: &'a Juju,
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
/// 2. the newest one that ended is not good, and whether there is a good one at all;
/// 3. else one was due and did not come, or there is none yet;
/// 4. one was damaged when it was restored and compared, and none as new came back since;
/// 5. the last good one is about to expire;
/// 6. the app is not active.
pub(super) fn attention(seen: &Seen<'_>) -> Vec<Attention> {
    let app = &seen.id.app;
    let typed = |words: &[&str]| seen.typed.typed(words);
    let own = |verb: &str| seen.typed.own(&format!("{verb} {app}"));
    let mut all = Vec::new();
    let mut say = |about, severity, text: String, next: String| {
        all.push(Attention {
            about,
            severity,
            text,
            next,
        });
    };
    match seen.protection {
        Protection::Scheduled | Protection::Gone => {}
        Protection::NotRelated => say(
            About::Protection,
            Severity::Failure,
            "nothing asks for backups".to_owned(),
            typed(&["integrate", app, "velero-operator"]),
        ),
        Protection::NoSchedule => say(
            About::Protection,
            Severity::Warning,
            "Velero has no Schedule for it, so backups are made by hand only".to_owned(),
            format!(
                "{}; {}",
                typed(&["config", app, "backup-schedule"]),
                typed(&["status", app, "--relations"])
            ),
        ),
        Protection::Refused(why) => say(
            About::Protection,
            Severity::Failure,
            format!("Velero refuses the Schedule: {why}"),
            typed(&["config", app, "backup-schedule=daily"]),
        ),
        // Whoever unpaused it would have backups of nothing.
        Protection::Paused(name) if seen.juju.is_some_and(|juju| juju.status == "blocked") => say(
            About::Protection,
            Severity::Failure,
            format!(
                "Schedule {name} is paused, and the app is blocked: its charm pauses backups that would hold nothing"
            ),
            format!(
                "do what {} says; who paused it otherwise unpauses it then",
                typed(&["status", app])
            ),
        ),
        Protection::Paused(name) => say(
            About::Protection,
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
        .filter(|backup| backup.before_restore.is_none() && !backup.is_of_future(now))
        .find(|backup| !matches!(backup.verdict(now), Verdict::Running | Verdict::Expired));
    let has_good = seen.health.kept_longest.is_some();
    let missed = seen.schedules.iter().find_map(|schedule| {
        let health = seen.health.endpoints.get(&schedule.endpoint)?;
        due(health, &schedule.cron.parse::<Schedule>().ok()?).filter(|due| is_missed(*due, now))
    });
    let is_asked = !matches!(seen.protection, Protection::NotRelated | Protection::Gone);
    let bad = newest.filter(|newest| !newest.is_good(now)).map(|newest| {
        let why = newest.damage().or(newest.complaints.first().map(String::as_str));
        let why = why.map(|why| format!(" ({why})"));
        format!(
            "the newest backup, {}, is {}{}",
            newest.started.map_or_else(|| newest.name.clone(), time),
            newest.verdict(now),
            why.unwrap_or_default()
        )
    });
    let again = format!("{}; then {}", own("backups"), own("backup"));
    match (bad, missed) {
        (Some(bad), _) if !has_good => say(
            About::Backups,
            Severity::Failure,
            format!("there is no good backup; {bad}"),
            again,
        ),
        // One that ended badly is the one that is missing.
        (Some(bad), _) => say(About::Backups, Severity::Failure, bad, again),
        (None, Some(due)) if is_asked && has_good => {
            say(
                About::Backups,
                Severity::Failure,
                format!("the backup due {} is missing", time(due)),
                again,
            );
        }
        (None, Some(due)) if is_asked => say(
            About::Backups,
            Severity::Failure,
            format!("there is no backup; the one due {} is missing", time(due)),
            own("backup"),
        ),
        (None, None) if is_asked && !has_good => say(
            About::Backups,
            Severity::Warning,
            "there is no backup yet".to_owned(),
            own("backup"),
        ),
        (None, _) => {}
    }
    if let Some((backup, word)) = last_word(seen.backups, now)
        && let Some(why) = backup.damage()
        && newest.is_none_or(|newest| newest.uid != backup.uid)
    {
        say(
            About::Backups,
            Severity::Failure,
            format!(
                "backup {} was damaged when it was read back {}: {why}",
                backup.name,
                time(word.proof.at)
            ),
            match seen.protection {
                Protection::Gone => format!("{} shows the others", own("backups")),
                _ => format!("{}; then {}", own("backup"), own("verify")),
            },
        );
    }
    let expires = seen.health.kept_longest.as_ref().and_then(|last| last.expires);
    if let Some(expires) =
        expires.filter(|_| expiry_is_told_from(seen.health, seen.schedules).is_some_and(|from| from <= now))
    {
        say(
            About::Backups,
            Severity::Warning,
            format!(
                "the last good backup expires {}, in {}",
                time(expires),
                age(now, expires)
            ),
            match seen.protection {
                Protection::Gone => to_redeploy(seen.typed, app),
                _ => own("backup"),
            },
        );
    }
    if let Some(juju) = seen.juju.filter(|juju| juju.status != "active") {
        say(
            About::App,
            Severity::Warning,
            format!("juju status: {}: {}", juju.status, juju.message),
            typed(&["status", app]),
        );
    }
    all.sort_by_key(|attention| std::cmp::Reverse(attention.severity));
    all
}
