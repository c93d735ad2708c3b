//! Step 7. The one status that a dispatch ends with: pure, from what was found and what was done.
//!
//! `CANDIDATES` is the list of everything that can be wrong, in the order in which it matters: what keeps the charm from
//! seeing the app, what keeps the app from running, what it lacks while it runs, what its backups lack. The first that holds is
//! the status; if none does, the unit is active. Every text names the thing, the reason and the next step. `juju status` shows
//! about 120 characters of it, so texts aim at [`LENGTH`], and one that is longer all the same, because of what others said, loses
//! the middle and not the next step; the log has the whole of it.
//!
//! Active claims that a backup exists only where the cluster showed one: the relation tells nothing back.

mod fit;
mod well;

use jiff::Timestamp;
use juju_charm::Status;
use juju_charm::pebble::ServiceStatus;

pub use self::fit::LENGTH;
use self::fit::{cut, quoted};
use self::well::active;
use super::apply::{Applied, Outcome};
use super::plan;
use super::prepare_volume::Start;
use super::validate::{ValidatedApp, WorkloadSettings};
use crate::backup::BackupFacts;
use crate::facts::{Container, Facts, Health};
use crate::findings::{Finding, Kind};
use crate::ingress;
use crate::kubernetes::{ClusterError, brief};
use crate::media::{self, Mounting};
use crate::problem::short;
use crate::profile::AppProfile;
use crate::recovery::health::Unwell;
use crate::recovery::standing::{self, BackupStatus, ScheduleProblem};
use crate::test_restore::{Next, Record};
use crate::vpn;
use crate::vpn::route::Routing;

/// What earlier steps have to say.
#[derive(Debug, Clone, Copy)]
pub struct Told<'a> {
    /// Whether the app may run.
    pub start: &'a Start,
    /// What was done with the config volume.
    pub news: Option<&'a str>,
    /// Where damaged config files were put that are still there, the oldest first.
    pub put_aside: &'a [String],
    /// The path below which the ingress serves an app that cannot live there.
    pub ingress_path: Option<&'a str>,
    /// When velero-operator was last asked for something else than before.
    pub asked_at: Option<Timestamp>,
    /// When the next test restore is due, if any is asked for.
    pub test_restore: Option<Next>,
    /// What is remembered of test restores, if it is another than before.
    pub record: Option<&'a Record>,
}

impl<'a> Told<'a> {
    /// That the app may start or not, and nothing besides.
    pub fn only(start: &'a Start) -> Self {
        Self {
            start,
            news: None,
            put_aside: &[],
            ingress_path: None,
            asked_at: None,
            test_restore: None,
            record: None,
        }
    }
}

/// The status, and what it is about.
#[derive(Debug, PartialEq, Eq)]
pub struct Decided {
    /// The status.
    pub status: Status,
    /// The whole text, where the status has not all of it.
    pub whole: Option<String>,
    /// Whether something about the relation media-storage is not done, which a later dispatch has to look at again.
    pub is_about_media: bool,
    /// What is wrong with the backups, the more important first; `None` where nobody knows.
    pub findings: Option<Vec<Finding>>,
    /// Of these nobody can say now whether they are wrong.
    pub undecided: Vec<Kind>,
}

/// All that is known at the end of a dispatch.
#[derive(Clone, Copy)]
struct Known<'a> {
    profile: &'a AppProfile,
    facts: &'a Facts,
    validated: &'a ValidatedApp,
    outcome: &'a Outcome,
    told: Told<'a>,
    backups: &'a BackupStatus,
}

/// What a candidate is about, as far as later dispatches have to know.
#[derive(Clone, Copy, PartialEq, Eq)]
enum About {
    Media,
    Else,
}

type Candidate = (About, fn(Known<'_>) -> Option<Status>);

/// Everything that can be wrong: the first that holds counts.
const CANDIDATES: [Candidate; 22] = [
    (About::Else, metadata),
    (About::Else, container),
    (About::Else, vpn_held_up),
    (About::Else, may_not_start),
    (About::Else, workload_options),
    (About::Else, workload_failed),
    (About::Else, not_looked_into),
    (About::Media, media_held_up),
    (About::Else, ends_again),
    (About::Else, no_answer),
    (About::Else, damaged_file),
    (About::Else, below_a_path),
    (About::Else, rotation_option),
    (About::Else, backup_options),
    (About::Else, verify_option),
    (About::Else, notify_option),
    (About::Else, retention_too_short),
    (About::Else, backups_held_up),
    (About::Else, schedule_held_up),
    (About::Media, media_not_excluded),
    (About::Media, media_on_their_way),
    (About::Else, vpn_on_its_way),
];

/// Decides the unit's status.
pub fn decide(
    profile: &AppProfile,
    facts: &Facts,
    validated: &ValidatedApp,
    outcome: &Outcome,
    told: Told<'_>,
) -> Decided {
    let backups = match validated.elsewhere {
        None => standing::told(
            &facts.standing,
            &standing::Asks {
                asked: &validated.asked(),
                asked_at: told.asked_at,
                are_to_rest: plan::pauses(validated, told.start),
                test_restore: told.test_restore,
                record: told.record.unwrap_or(&facts.remembered.test_restores),
                sizes: &facts.remembered.sizes,
                fewer: &facts.fewer,
                now: facts.now,
            },
        ),
        Some(_) => BackupStatus::NotAsked,
    };
    let known = Known {
        backups: &backups,
        profile,
        facts,
        validated,
        outcome,
        told,
    };
    let mut candidates = CANDIDATES.iter();
    let first = candidates.find_map(|(_, holds)| holds(known));
    let status = first.unwrap_or_else(|| active(known));
    let short = cut(status.message());
    let whole = (short != status.message()).then(|| status.message().to_owned());
    let is_about_media = is_about_media(known);
    let of_options = undecided_by_options(validated);
    let (findings, undecided) = match backups {
        BackupStatus::Seen {
            findings, undecided, ..
        } => (Some(findings), undecided.into_iter().chain(of_options).collect()),
        _ => (None, Vec::new()),
    };
    Decided {
        status: match status {
            Status::Active(_) => Status::Active(short),
            Status::Waiting(_) => Status::Waiting(short),
            Status::Maintenance(_) => Status::Maintenance(short),
            Status::Blocked(_) => Status::Blocked(short),
        },
        whole,
        is_about_media,
        findings,
        undecided,
    }
}

/// What an option that cannot be used leaves open: nobody knows by it what is due. What was asked for before stays.
fn undecided_by_options(validated: &ValidatedApp) -> impl Iterator<Item = Kind> {
    let of_backups = [
        Kind::LastBackupExpires,
        Kind::ScheduleMissing,
        Kind::BackupOverdue,
        Kind::BackupBad,
    ];
    let is_unfit = validated.related().any(|backup| backup.settings.is_err());
    let of_backups = of_backups.into_iter().filter(move |_| is_unfit);
    let of_verify = validated.verify.is_err().then_some(Kind::VerifyOverdue);
    of_backups.chain(of_verify)
}

/// Whether something about the media is not done, also where something else matters more.
fn is_about_media(known: Known<'_>) -> bool {
    let mut about = CANDIDATES.iter().filter(|(about, _)| *about == About::Media);
    about.any(|(_, holds)| holds(known).is_some())
}

fn metadata(known: Known<'_>) -> Option<Status> {
    let problem = known.facts.metadata.as_ref().err()?;
    Some(Status::Blocked(problem.to_string()))
}

fn container(known: Known<'_>) -> Option<Status> {
    let name = &known.profile.name;
    match &known.facts.container {
        Container::NotReachable => Some(Status::Waiting(format!(
            "container {name}: Pebble is not responding; retrying on pebble-ready, or kubectl describe pod"
        ))),
        Container::Faulty { reason } => {
            // What cannot be looked into is stopped for one reason alone.
            let stopped = match &known.outcome.workload {
                Applied::Stopped => "stopped: no VPN; ",
                Applied::Failed(_) => "cannot be stopped, no VPN; ",
                Applied::Left | Applied::Unchanged | Applied::Changed => "",
            };
            Some(Status::Waiting(format!(
                "{stopped}container {name}: {reason}; retrying at update-status, see juju debug-log"
            )))
        }
        Container::Ready(_) => None,
    }
}

/// Why the pods have no route through the VPN, or still have one. Where the app is stopped for that alone it says more than
/// that it is stopped; where it is stopped for something else, that comes first.
fn vpn_held_up(known: Known<'_>) -> Option<Status> {
    let Known { facts, outcome, .. } = known;
    let is_stopped_for_it = match known.told.start {
        Ok(_) => false,
        Err(blocker) => match blocker.reason.is_about_vpn() {
            true => true,
            false => return None,
        },
    };
    let error = match &known.validated.vpn {
        Routing::Keep | Routing::StillNeeded => return None,
        Routing::Unknown(_) if is_stopped_for_it => return None,
        Routing::Unknown(error) => error,
        Routing::Change(_) => outcome.routed.as_ref()?.as_ref().err()?,
    };
    let subject = format!("relation {}", vpn::ENDPOINT);
    Some(if error.is_forbidden() {
        Status::Blocked(format!(
            "{subject}: cannot change the route; juju trust {} --scope=cluster",
            facts.app
        ))
    } else {
        Status::Waiting(format!("{subject}: {}; retrying at update-status", brief(error)))
    })
}

fn may_not_start(known: Known<'_>) -> Option<Status> {
    if matches!(known.outcome.workload, Applied::Failed(_)) {
        // It should have been stopped, and runs.
        return None;
    }
    let blocker = known.told.start.as_ref().err()?;
    let text = blocker.text.clone();
    Some(if blocker.needs_somebody {
        Status::Blocked(text)
    } else {
        Status::Waiting(text)
    })
}

fn workload_options(known: Known<'_>) -> Option<Status> {
    let problem = known.validated.workload.as_ref().err()?;
    Some(Status::Blocked(problem.to_string()))
}

fn workload_failed(known: Known<'_>) -> Option<Status> {
    let Applied::Failed(failure) = &known.outcome.workload else {
        return None;
    };
    Some(Status::Blocked(match failure.next_step {
        Some(_) => failure.to_string(),
        None => format!(
            "container {}: {failure}; see juju debug-log, retrying at update-status",
            known.profile.name
        ),
    }))
}

/// The app runs as it did: what the options say by now needs a look at its volume first, and Juju does not say where that is.
fn not_looked_into(known: Known<'_>) -> Option<Status> {
    let storage = known.profile.storage.as_ref()?;
    let is_left = known.outcome.workload == Applied::Left && known.told.start.is_ok();
    is_left.then(|| {
        Status::Waiting(format!(
            "storage {}: Juju does not say where it is, and changes wait for it; if this stays: juju storage",
            storage.name
        ))
    })
}

/// Why the media are not where the app looks for them, or still there. The workload runs all the same.
fn media_held_up(known: Known<'_>) -> Option<Status> {
    let Known { facts, outcome, .. } = known;
    let subject = format!("relation {}", media::ENDPOINT);
    let again = "retrying at update-status";
    let change = match &known.validated.media {
        Mounting::Keep => return None,
        Mounting::Impossible(problem) => return Some(Status::Blocked(problem.to_string())),
        Mounting::Unknown(error) => {
            return Some(Status::Waiting(format!("{subject}: {}; {again}", brief(error))));
        }
        Mounting::Change(change) => change,
    };
    let error = outcome.mounted.as_ref()?.as_ref().err()?;
    let not_done = match &change.mount {
        Some(mount) => format!("claim {} is not mounted", short(&mount.claim, 20)),
        None => "its claim is still mounted".to_owned(),
    };
    Some(match error {
        error if error.is_forbidden() => Status::Blocked(format!(
            "{subject}: {not_done}; juju trust {} --scope=cluster",
            facts.app
        )),
        ClusterError::NotFound { .. } => Status::Blocked(format!(
            "{subject}: {not_done}, there is none; kubectl -n {} get pvc",
            facts.model
        )),
        error => Status::Waiting(format!("{subject}: {not_done}: {}; {again}", brief(error))),
    })
}

/// Pebble starts a process that ended again, later each time.
fn ends_again(known: Known<'_>) -> Option<Status> {
    let Known { profile, facts, .. } = known;
    let is_left_alone = matches!(known.outcome.workload, Applied::Unchanged | Applied::Left);
    let Container::Ready(container) = &facts.container else {
        return None;
    };
    let in_back_off = container.service == Some(ServiceStatus::Backoff);
    (is_left_alone && in_back_off).then(|| {
        let said = container.last_line.as_deref().unwrap_or("it says nothing");
        see_log(profile, " keeps ending: ", said)
    })
}

/// The app runs with the settings of the charm alone, until somebody takes from the old file what it lacks.
fn damaged_file(known: Known<'_>) -> Option<Status> {
    let paths = known.told.put_aside;
    let path = paths.last()?;
    let name = path.rsplit('/').next().unwrap_or(path);
    let (what, them) = match (paths.len(), name.rsplit_once('-')) {
        (2.., Some((stem, _digest))) => (format!("{} {stem}-*", paths.len()), "them"),
        _ => (short(name, 40), "it"),
    };
    Some(Status::Blocked(format!(
        "config file: was damaged, is replaced; look into {what}, then remove {them}"
    )))
}

/// The app has not passed its health check since it was started, or does not any more.
fn no_answer(known: Known<'_>) -> Option<Status> {
    let Known {
        profile,
        facts,
        outcome,
        ..
    } = known;
    let (Container::Ready(container), Ok(settings)) = (&facts.container, &known.validated.workload) else {
        return None;
    };
    let what = match &outcome.health {
        Some(Ok(())) => return None,
        Some(Err(Unwell::Ended(reason))) => reason.clone(),
        Some(Err(Unwell::NotPassed(_))) => no_answer_at(profile, settings),
        Some(Err(Unwell::NotAsked(reason))) => {
            return Some(Status::Waiting(format!(
                "{}: Pebble cannot run its health check: {reason}; see juju debug-log",
                profile.title
            )));
        }
        None if outcome.workload == Applied::Unchanged && container.health == Health::Down => {
            no_answer_at(profile, settings)
        }
        None => return None,
    };
    Some(see_log(profile, ": ", &what))
}

/// What is wrong with the app, and where to read more.
fn see_log(profile: &AppProfile, is: &str, what: &str) -> Status {
    Status::Waiting(quoted(
        &format!("{}{is}", profile.title),
        what,
        &format!("see kubectl logs of container {}", profile.name),
    ))
}

fn no_answer_at(profile: &AppProfile, settings: &WorkloadSettings) -> String {
    format!("no answer at {}", plan::health_url(profile, settings))
}

/// The app runs, and whoever comes through the ingress finds it broken.
fn below_a_path(known: Known<'_>) -> Option<Status> {
    let path = known.told.ingress_path?;
    Some(Status::Blocked(format!(
        "relation {}: {} cannot live below {}; give it a host: traefik has routing_mode=subdomain",
        ingress::ENDPOINT,
        known.profile.title,
        short(path, 20)
    )))
}

fn rotation_option(known: Known<'_>) -> Option<Status> {
    let problem = known.validated.rotation.as_ref().err()?;
    Some(Status::Blocked(problem.to_string()))
}

fn backup_options(known: Known<'_>) -> Option<Status> {
    let mut backups = known.validated.backups.iter();
    let problem = backups.find_map(|backup| backup.settings.as_ref().err())?;
    Some(Status::Blocked(problem.to_string()))
}

fn verify_option(known: Known<'_>) -> Option<Status> {
    let problem = known.validated.verify.as_ref().err()?;
    Some(Status::Blocked(problem.to_string()))
}

fn notify_option(known: Known<'_>) -> Option<Status> {
    let problem = known.validated.notify.as_ref().err()?;
    Some(Status::Blocked(problem.to_string()))
}

fn retention_too_short(known: Known<'_>) -> Option<Status> {
    let settings = known.validated.backups.iter();
    let mut settings = settings.filter_map(|backup| backup.settings.as_ref().ok());
    let problem = settings.find_map(|settings| settings.too_short.as_ref())?;
    Some(Status::Blocked(problem.to_string()))
}

/// Why a backup would not hold the bytes. The workload runs all the same.
fn backups_held_up(known: Known<'_>) -> Option<Status> {
    let facts = known.facts;
    let decision = known.validated.decision.as_ref()?;
    if let (Some(problem), true) = (&decision.problem, facts.is_backed_up()) {
        let text = format!("backups: {problem}");
        return Some(match &facts.volume {
            // It may answer the next time.
            BackupFacts::Failed(error) if !error.is_forbidden() => Status::Waiting(text),
            _ => Status::Blocked(text),
        });
    }
    let error = known.outcome.marked.as_ref().err()?;
    Some(if error.is_forbidden() {
        Status::Blocked(format!(
            "backups: {}; juju trust {} --scope=cluster",
            brief(error),
            facts.app
        ))
    } else {
        Status::Waiting(format!("backups: {}; retrying at update-status", brief(error)))
    })
}

/// Why Velero makes no backups, though it was asked for them a while ago.
fn schedule_held_up(known: Known<'_>) -> Option<Status> {
    let BackupStatus::Seen {
        held_up: Some((tier, held_up)),
        ..
    } = known.backups
    else {
        return None;
    };
    let app = &known.facts.app;
    let endpoint = tier.name();
    Some(match held_up {
        ScheduleProblem::NoSchedule => Status::Waiting(format!(
            "{endpoint}: velero-operator made no Schedule; juju status velero-operator, juju debug-log"
        )),
        ScheduleProblem::Refused(why) => {
            let (option, word) = (tier.schedule.name(), tier.schedule.default());
            let refused = format!("{endpoint}: Schedule refused: ");
            let next_step = format!("; juju config {app} {option}={word}");
            let around = refused.chars().count() + next_step.chars().count() + "…".chars().count();
            let room = LENGTH.saturating_sub(around);
            Status::Blocked(format!("{refused}{}{next_step}", short(why, room.clamp(10, 20))))
        }
        ScheduleProblem::Paused(name) => Status::Blocked(format!(
            "{endpoint}: Schedule paused; velero schedule unpause {}",
            short(name, 40)
        )),
        // Why the app must not start is said before.
        ScheduleProblem::PausedByCharm => Status::Blocked(format!(
            "{endpoint}: Schedule paused, since the app must not start"
        )),
    })
}

/// Why backups may hold the media, and the data of other apps that share them. The workload runs all the same.
fn media_not_excluded(known: Known<'_>) -> Option<Status> {
    let Known { facts, outcome, .. } = known;
    let mounted = facts.media_claim.as_ref()?;
    if matches!(known.validated.media, Mounting::Change(_)) {
        return None;
    }
    let subject = format!("relation {}", media::ENDPOINT);
    let claim = &mounted.name;
    let (error, what) = match (&mounted.claim, &outcome.excluded) {
        (Err(error), _) => (error, "may get into backups"),
        (Ok(_), Err(error)) => (error, "gets into backups"),
        (Ok(_), Ok(())) => return None,
    };
    let what = format!("claim {} {what}", short(claim, 20));
    Some(if error.is_forbidden() {
        Status::Blocked(format!(
            "{subject}: {what}; juju trust {} --scope=cluster",
            facts.app
        ))
    } else {
        Status::Waiting(format!(
            "{subject}: {what}: {}; retrying at update-status",
            brief(error)
        ))
    })
}

fn media_on_their_way(known: Known<'_>) -> Option<Status> {
    let (Mounting::Change(change), Some(Ok(()))) = (&known.validated.media, &known.outcome.mounted) else {
        return None;
    };
    let what = match &change.mount {
        Some(mount) => format!(
            "mounting claim {} at {}",
            short(&mount.claim, 20),
            short(&mount.path, 20)
        ),
        None => "unmounting its claim".to_owned(),
    };
    Some(Status::Waiting(format!(
        "relation {}: {what} in a new pod, else kubectl describe pod",
        media::ENDPOINT
    )))
}

/// Where the app may run without it.
fn vpn_on_its_way(known: Known<'_>) -> Option<Status> {
    let what = match (&known.validated.vpn, &known.outcome.routed) {
        (Routing::Change(change), Some(Ok(()))) if change.pods.is_some() => {
            "changing the route in a new pod, else kubectl describe pod"
        }
        (Routing::StillNeeded, _) => "a pod still has the route; retrying at update-status",
        _ => return None,
    };
    Some(Status::Waiting(format!("relation {}: {what}", vpn::ENDPOINT)))
}
