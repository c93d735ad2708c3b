//! Step 3. Judges the user's options and what relations say: raw text in, typed values or problems out. After this step nothing
//! reads raw options.

use std::collections::BTreeMap;

use jiff::tz::TimeZone;
use velero_backup_config::{BackupRequest, BackupSpec, Method, Retention, Schedule};

use crate::backup::{self, Decision, MethodOption, Question};

use crate::backup_time::daily_minute;
use crate::facts::{Container, Facts};
use crate::ingress::{self, Ingress, IngressUrl};
use crate::media::{self, Media, MediaStorage, Mounting};
use crate::names::{BACKUP_ENDPOINT, pod_name_of};
use crate::options;
use crate::problem::Problem;
use crate::profile::{AppProfile, User};
use crate::steps::prepare_volume::{Reason, Start};

/// What the user wants, judged. The parts are independent: a bad schedule does not touch the running app, and a bad time
/// zone does not touch the backups.
#[derive(Debug)]
pub struct ValidatedApp {
    /// What concerns the workload process.
    pub workload: Result<WorkloadSettings, Problem>,
    /// What concerns backups; `None` for an app that has nothing to back up.
    pub backup: Option<Result<BackupSettings, Problem>>,
    /// What is to be done about the claim that holds the media.
    pub media: Mounting,
    /// How often new credentials are made, in Juju's words: `never` if the user says nothing.
    pub rotation: Result<&'static str, Problem>,
}

/// Settings of the workload process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkloadSettings {
    /// IANA name of the time zone.
    pub timezone: String,
    /// Empty, or a path that starts with `/` and does not end with one.
    pub url_base: String,
    /// Whom it runs as; `None` is root.
    pub user: Option<User>,
    /// Where the ingress serves it, if there is one and the app has to know.
    pub ingress: Option<IngressUrl>,
    /// What is filled in for the app's own options.
    pub options: BTreeMap<String, String>,
}

/// What is asked of velero-operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// What the databag has to say.
    pub request: BackupRequest,
    /// The same without any run; `None` without scheduled backups.
    pub paused: Option<BackupRequest>,
    /// The schedule, for people: `daily at 02:41 UTC`; `None` without scheduled backups.
    pub when: Option<String>,
    /// How long backups are kept, as the user wrote it.
    pub retention: String,
    /// The method, why it is this one, and what it needs.
    pub decision: Decision,
}

/// Judges the options in `facts`, and what relations say. A volume on which the app may not `start` is not backed up.
pub fn validate(profile: &AppProfile, facts: &Facts, start: &Start) -> ValidatedApp {
    ValidatedApp {
        workload: workload_settings(profile, facts),
        backup: profile
            .storage
            .as_ref()
            .map(|storage| backup(facts, &storage.name, start)),
        // The pods of all units are of one StatefulSet: the leader changes it for all.
        media: if facts.leader {
            media::decide(&profile.name, &facts.media, facts.pod.as_ref())
        } else {
            Mounting::Keep
        },
        rotation: rotation(facts),
    }
}

/// Judges what concerns the workload process.
///
/// # Errors
/// What of it cannot be used.
pub fn workload_settings(profile: &AppProfile, facts: &Facts) -> Result<WorkloadSettings, Problem> {
    let timezone = &facts.options.timezone;
    if TimeZone::get(timezone).is_err() {
        return Err(bad(
            facts,
            options::TIMEZONE.name,
            timezone,
            "no such IANA time zone",
            "Europe/Berlin",
        ));
    }
    if !is_base(&facts.options.url_base) {
        let reason = "must be empty or a path that starts with / and does not end with it";
        return Err(bad(
            facts,
            options::URL_BASE.name,
            &facts.options.url_base,
            reason,
            &format!("/{}", facts.app),
        ));
    }
    let mut filled_in = BTreeMap::new();
    for (name, option) in &profile.options {
        let value = facts.options.app.get(name).unwrap_or(&option.default);
        let text = option
            .judge(value)
            .map_err(|(reason, good)| bad(facts, name, &value.to_string(), &reason, &good))?;
        filled_in.insert(name.clone(), text);
    }
    let ingress = if profile.follows_ingress() {
        ingress(facts)?
    } else {
        None
    };
    let url_base = match &ingress {
        Some(ingress) if profile.url_base => ingress.path.clone(),
        _ => facts.options.url_base.clone(),
    };
    let media = match &facts.media {
        Media::Faulty(problem) => return Err(problem.clone()),
        Media::Provided(media) => Some(media),
        _ => None,
    };
    Ok(WorkloadSettings {
        timezone: timezone.clone(),
        url_base,
        user: user(profile, facts, media),
        ingress,
        options: filled_in,
    })
}

fn is_base(path: &str) -> bool {
    let plain = path
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte));
    let ends = path.is_empty() || (path.starts_with('/') && !path.ends_with('/'));
    plain && ends && !path.contains("//")
}

/// What runs now, in the container.
fn running(profile: &AppProfile, facts: &Facts) -> Option<juju_charm::pebble::Service> {
    match &facts.container {
        Container::Ready(ready) => ready.plan.services.get(&profile.name).cloned(),
        _ => None,
    }
}

/// The owner of the media; without media the user of the app file. In an event that did not ask, whoever it runs as.
fn user(profile: &AppProfile, facts: &Facts, media: Option<&MediaStorage>) -> Option<User> {
    if let Some(media) = media {
        return Some(media.user);
    }
    if profile.media
        && facts.media == Media::NotRead
        && let Some(service) = running(profile, facts)
        && let Some((uid, gid)) = service.user_id.zip(service.group_id)
    {
        return Some(User { uid, gid });
    }
    profile.workload.user
}

/// Where the ingress serves the app. In an event that did not ask, what the plan remembers.
fn ingress(facts: &Facts) -> Result<Option<IngressUrl>, Problem> {
    let url = match &facts.ingress {
        Ingress::Related(related) => related.url.clone(),
        Ingress::NotRelated => None,
        Ingress::NotRead => match &facts.container {
            Container::Ready(ready) => ready
                .plan
                .services
                .values()
                .find_map(|service| service.environment.get(ingress::REMEMBERED).cloned()),
            _ => None,
        },
    };
    let Some(url) = url else { return Ok(None) };
    let parsed = IngressUrl::parse(&url).filter(|parsed| is_base(&parsed.path));
    parsed.map(Some).ok_or_else(|| {
        Problem::new(
            format!("URL {url:?} of the ingress"),
            "must be http or https with a plain path",
            "change how the ingress makes URLs, or juju remove-relation",
        )
    })
}

fn rotation(facts: &Facts) -> Result<&'static str, Problem> {
    match facts.options.credential_rotation.as_str() {
        "" => Ok("never"),
        "daily" => Ok("daily"),
        "monthly" => Ok("monthly"),
        "yearly" => Ok("yearly"),
        other => {
            let reason = "must be empty, daily, monthly or yearly";
            Err(bad(
                facts,
                options::CREDENTIAL_ROTATION.name,
                other,
                reason,
                "monthly",
            ))
        }
    }
}

fn backup(facts: &Facts, storage: &str, start: &Start) -> Result<BackupSettings, Problem> {
    let options = &facts.options;
    let (schedule, when) = match options.backup_schedule.trim() {
        "" => (None, None),
        "daily" => {
            let minute = daily_minute(&facts.model, &facts.app);
            let when = format!("daily at {:02}:{:02} UTC", minute / 60, minute % 60);
            (Some(Schedule::daily_at(minute)), Some(when))
        }
        text => {
            let schedule = Schedule::parse(text).map_err(|error| {
                bad(
                    facts,
                    options::BACKUP_SCHEDULE.name,
                    text,
                    &error.reason().to_string(),
                    "0 3 * * *",
                )
            })?;
            (Some(schedule), Some(text.to_owned()))
        }
    };
    let retention = Retention::parse(&options.backup_retention).map_err(|error| {
        let reason = error.reason().to_string();
        bad(
            facts,
            options::BACKUP_RETENTION.name,
            &options.backup_retention,
            &reason,
            "720h",
        )
    })?;
    let option = match options.backup_method.as_str() {
        "auto" => MethodOption::Auto,
        "filesystem" => MethodOption::Only(Method::Filesystem),
        "snapshot" => MethodOption::Only(Method::Snapshot),
        other => {
            let reason = "must be auto, filesystem or snapshot";
            return Err(bad(facts, options::BACKUP_METHOD.name, other, reason, "auto"));
        }
    };
    let question = Question {
        app: &facts.app,
        pod: &pod_name_of(&facts.app, facts.unit.number()),
        is_stored: facts.is_backed_up && stores(start),
        is_related: facts.is_backed_up,
        storage,
        charm_dir: &facts.charm_dir,
        option,
        current: current_method(facts),
    };
    let decision = backup::decide(&question, &facts.volume);
    let refused = |error: velero_backup_config::Error| {
        Problem::new(
            format!("backup request of {}", facts.app),
            error.to_string(),
            "deploy under names that Kubernetes takes as labels",
        )
    };
    let spec = BackupSpec::config_volume(&facts.app, &facts.model, decision.method)
        .map_err(refused)?
        .with_schedule(schedule)
        .with_retention(retention);
    let request = |spec| BackupRequest::new(&facts.app, BACKUP_ENDPOINT, &facts.model, spec).map_err(refused);
    Ok(BackupSettings {
        paused: match &when {
            Some(_) => Some(request(spec.clone().with_paused(true))?),
            None => None,
        },
        request: request(spec)?,
        when,
        retention: options.backup_retention.clone(),
        decision,
    })
}

/// Whether a backup of this unit's volume would hold the app's data.
fn stores(start: &Start) -> bool {
    match start {
        Ok(_) => true,
        Err(blocker) => blocker.reason == Reason::NotMounted,
    }
}

/// The method of the request that is in the databag now.
fn current_method(facts: &Facts) -> Option<Method> {
    let mut bags = facts.backup_relations.values();
    let request = bags.find_map(|bag| BackupRequest::from_databag(bag).ok())?;
    Some(backup::method_of(request.spec()))
}

fn bad(facts: &Facts, option: &str, value: &str, reason: &str, good: &str) -> Problem {
    Problem::new(
        format!("{option} {value:?}"),
        reason,
        format!("for example: juju config {} {option}={good:?}", facts.app),
    )
}
