//! Step 3. Judges the user's options and what relations say: raw text in, typed values or problems out. After this step nothing
//! reads raw options.

use std::collections::BTreeMap;

use velero_backup_config::pod::{BACKUP_VOLUMES, BACKUP_VOLUMES_EXCLUDES};
use velero_backup_config::{BackupRequest, BackupSpec, Method, Retention, Schedule};

use crate::backup::{self, BackupInputs, Decision, MethodOption};
use crate::backup_time::{slot, test_restore_slot};
use crate::config_file;
use crate::data_unit::Peers;
use crate::facts::{Container, Facts};
use crate::ingress::{self, Ingress, IngressUrl};
use crate::media::{self, Media, MediaStorage, Mounting};
use crate::names::pod_name_of;
use crate::notify::NotifyTo;
use crate::options::{self, Runs, TextOption};
use crate::problem::{Problem, Unfit, shown};
use crate::profile::{AppProfile, ConfigStorage, ExternalDatabase, OptionValue, User};
use crate::recovery::standing::Asked;
use crate::steps::prepare_volume::{Reason, Start};
use crate::tiers::{self, Tier};
use crate::vpn::route::{self, Routing};

/// What the user wants, judged. The parts are independent: a bad schedule does not touch the running app, and a bad time
/// zone does not touch the backups.
#[derive(Debug)]
pub struct ValidatedApp {
    /// What concerns the workload process.
    pub workload: Result<WorkloadSettings, Problem>,
    /// How backups are made, also where the options cannot be used; `None` for an app that has nothing to back up.
    pub decision: Option<Decision>,
    /// What is asked for, tier by tier; nothing for an app that has nothing to back up.
    pub backups: Vec<TierBackup>,
    /// What says that the app keeps its state in a database outside of the volume. Backups rest then, since the volume is half of
    /// the app.
    pub elsewhere: Option<String>,
    /// When test restores are due; `None` where nobody asks for any.
    pub verify: Result<Option<Schedule>, Problem>,
    /// Who is notified.
    pub notify: Result<NotifyTo, Problem>,
    /// What is to be done about the claim that holds the media.
    pub media: Mounting,
    /// What is to be done about the route to the VPN gateway.
    pub vpn: Routing,
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

/// What is asked for in one tier.
#[derive(Debug)]
pub struct TierBackup {
    /// The tier.
    pub tier: &'static Tier,
    /// Whether velero-operator is related by the tier's endpoint.
    pub is_related: bool,
    /// What is asked for, or would be.
    pub settings: Result<BackupSettings, Problem>,
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
    /// That backups are not kept until the next one is made. They are asked for all the same: some are better than none.
    pub too_short: Option<Problem>,
    /// How long backups are kept, as the user wrote it.
    pub retention: String,
}

impl ValidatedApp {
    /// The tiers that are related.
    pub fn related(&self) -> impl Iterator<Item = &TierBackup> {
        self.backups.iter().filter(|backup| backup.is_related)
    }

    /// The tier that stands for the others, in a backup by hand for example: the first that is related, or else the first.
    pub fn first_tier(&self) -> Option<&TierBackup> {
        self.related().next().or_else(|| self.backups.first())
    }

    /// By which schedule test restores are asked for, as far as that can be used.
    pub fn verify_schedule(&self) -> Option<&Schedule> {
        self.verify.as_ref().ok()?.as_ref()
    }

    /// By which schedules backups are asked for.
    pub fn asked(&self) -> Vec<Asked<'_>> {
        self.related()
            .filter_map(|backup| {
                let settings = backup.settings.as_ref().ok()?;
                Some(Asked {
                    tier: backup.tier,
                    schedule: settings.request.spec().schedule(),
                })
            })
            .collect()
    }
}

/// Judges the options in `facts`, and what relations say. A volume on which the app may not `start` is not backed up.
pub fn validate(profile: &AppProfile, facts: &Facts, start: &Start) -> ValidatedApp {
    let storage = profile.storage.as_ref().filter(|storage| storage.backup);
    let elsewhere = storage.and_then(|storage| elsewhere(profile, facts, storage));
    let decision = storage.map(|storage| decided(facts, &storage.name, start, elsewhere.is_some()));
    ValidatedApp {
        workload: workload_settings(profile, facts),
        backups: match &decision {
            Some(decision) => tiers::of(profile)
                .map(|tier| backup(facts, tier, decision.method))
                .collect(),
            None => Vec::new(),
        },
        verify: match decision {
            Some(_) => verify(facts),
            None => Ok(None),
        },
        notify: notify(facts),
        decision,
        elsewhere,
        // The pods of all units are of one StatefulSet: the leader changes it for all.
        media: if facts.leader {
            match media::decide(&profile.name, &facts.media, facts.pod.as_ref()) {
                // Nothing says that there ever were any.
                Mounting::Unknown(_) if facts.media == Media::NotRelated && !facts.media_go => Mounting::Keep,
                decided => decided,
            }
        } else {
            Mounting::Keep
        },
        vpn: if facts.leader {
            route::decide(&facts.app, &facts.vpn, facts.pod.as_ref())
        } else {
            Routing::Keep
        },
        rotation: option(facts, &options::CREDENTIAL_ROTATION),
    }
}

/// Who is notified. The problem does not repeat the URL.
fn notify(facts: &Facts) -> Result<NotifyTo, Problem> {
    let judged = facts.options.judged(&options::NOTIFY_URL);
    judged.map_err(|unfit| {
        let option = options::NOTIFY_URL.name();
        let next = format!("juju config {} {option}={}", facts.app, unfit.instead);
        Problem::new(option, unfit.reason, next)
    })
}

/// When test restores are due.
fn verify(facts: &Facts) -> Result<Option<Schedule>, Problem> {
    Ok(match option(facts, &options::VERIFY_SCHEDULE)? {
        Runs::Never => None,
        Runs::Every(interval) => Some(test_restore_slot(interval, &facts.model, &facts.app)),
        Runs::By(schedule) => Some(schedule),
    })
}

/// Judges what concerns the workload process.
///
/// # Errors
/// What of it cannot be used.
pub fn workload_settings(profile: &AppProfile, facts: &Facts) -> Result<WorkloadSettings, Problem> {
    let timezone = option(facts, &options::TIMEZONE)?;
    let url_base = option(facts, &options::URL_BASE)?;
    let mut filled_in = BTreeMap::new();
    for (name, option) in &profile.options {
        let value = facts.options.own(name).unwrap_or(&option.default);
        let text = option
            .judge(value)
            .map_err(|unfit| unfit.of(&facts.app, name, &value.to_string()))?;
        filled_in.insert(name.clone(), text);
    }
    let ingress = if profile.follows_ingress() {
        ingress(facts)?
    } else {
        None
    };
    let url_base = match &ingress {
        Some(ingress) if profile.url_base => ingress.path().to_owned(),
        _ => url_base,
    };
    let media = match &facts.media {
        Media::Faulty(problem) => return Err(problem.clone()),
        Media::Provided(media) => Some(media),
        _ => None,
    };
    Ok(WorkloadSettings {
        timezone,
        url_base,
        user: user(profile, facts, media),
        ingress,
        options: filled_in,
    })
}

/// What one of the options says that every app has.
fn option<T>(facts: &Facts, option: &TextOption<T>) -> Result<T, Problem> {
    let judged = facts.options.judged(option);
    judged.map_err(|unfit| unfit.of(&facts.app, option.name(), facts.options.text(option)))
}

/// What runs now, in the container.
fn running(profile: &AppProfile, facts: &Facts) -> Option<juju_charm::pebble::Service> {
    match &facts.container {
        Container::Ready(ready) => ready.plan.services.get(&profile.name).cloned(),
        _ => None,
    }
}

/// The owner of the media; without media the user of the app file. In an event that did not ask, and while the pod is seen
/// to have media that are not related any more, whoever it runs as.
fn user(profile: &AppProfile, facts: &Facts, media: Option<&MediaStorage>) -> Option<User> {
    if let Some(media) = media {
        return Some(media.user());
    }
    if profile.media
        && media::mounted_at(&profile.name, &facts.media, facts.pod.as_ref()).is_none()
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
    IngressUrl::parse(&url).map(Some).ok_or_else(|| {
        Problem::new(
            format!("relation {}: URL {}", ingress::ENDPOINT, shown(&url)),
            "is not a host with a plain path",
            "look at juju config of the ingress",
        )
    })
}

/// How the volume is backed up and what the pod has to carry for it. While the option cannot be used, as it is now: what was asked
/// for stays, and a pod that is new needs its marks.
fn decided(facts: &Facts, storage: &str, start: &Start, elsewhere: bool) -> Decision {
    let current = current_method(facts).or_else(|| marked_method(facts));
    let as_it_is = current.map_or(MethodOption::Auto, MethodOption::Only);
    let question = BackupInputs {
        app: &facts.app,
        pod: &pod_name_of(&facts.app, facts.unit.number()),
        is_stored: facts.is_backed_up() && stores(start) && !elsewhere,
        is_related: facts.is_backed_up(),
        storage,
        charm_dir: &facts.charm_dir,
        option: option(facts, &options::BACKUP_METHOD).unwrap_or(as_it_is),
        current,
    };
    backup::decide(&question, &facts.volume)
}

fn backup(facts: &Facts, tier: &'static Tier, method: Method) -> TierBackup {
    TierBackup {
        tier,
        is_related: facts.is_related(tier),
        settings: settings(facts, tier, method),
    }
}

fn settings(facts: &Facts, tier: &Tier, method: Method) -> Result<BackupSettings, Problem> {
    let (schedule, when) = match option(facts, &tier.schedule)? {
        Runs::Never => (None, None),
        Runs::Every(interval) => {
            let (schedule, when) = slot(interval, &facts.model, &facts.app);
            (Some(schedule), Some(when))
        }
        Runs::By(schedule) => {
            let when = schedule.as_str().to_owned();
            (Some(schedule), Some(when))
        }
    };
    option(facts, &options::BACKUP_METHOD)?;
    let retention = option(facts, &tier.retention)?;
    let too_short = schedule
        .as_ref()
        .and_then(|schedule| too_short(facts, tier, schedule, &retention));
    let refused = |error: velero_backup_config::Error| {
        log::warn!("backup request: {}: {error}", error.pointer());
        Problem::new(
            format!("backup request of {}", facts.app),
            error.to_string(),
            error
                .hint()
                .unwrap_or_else(|| "deploy it under another name".to_owned()),
        )
    };
    let spec = BackupSpec::config_volume(&facts.app, &facts.model, method)
        .map_err(refused)?
        .with_schedule(schedule)
        .with_retention(retention.clone());
    let request = |spec| BackupRequest::new(&facts.app, tier.name(), &facts.model, spec).map_err(refused);
    Ok(BackupSettings {
        paused: match &when {
            Some(_) => Some(request(spec.clone().with_paused(true))?),
            None => None,
        },
        request: request(spec)?,
        when,
        retention: retention.as_str().to_owned(),
        too_short,
    })
}

/// A backup that is gone before the next one is made leaves a time without any.
fn too_short(facts: &Facts, tier: &Tier, schedule: &Schedule, retention: &Retention) -> Option<Problem> {
    let gap = schedule.longest_gap();
    if retention.duration() >= gap {
        return None;
    }
    let hours = gap.as_secs().div_ceil(3600);
    let reason = format!("below the {hours} h between backups");
    let instead = hours.saturating_mul(RUNS_KEPT).min(LONGEST_RETENTION_HOURS);
    let unfit = Unfit::new(reason, format!("{instead}h"));
    Some(unfit.of(&facts.app, tier.retention.name(), retention.as_str()))
}

/// What Go can count.
const LONGEST_RETENTION_HOURS: u64 = 2_562_047;

/// How many backups are kept at least by the retention that is proposed to somebody.
const RUNS_KEPT: u64 = 7;

/// Whether a backup of this unit's volume would hold the app's data.
fn stores(start: &Start) -> bool {
    match start {
        Ok(_) => true,
        Err(blocker) => matches!(blocker.reason, Reason::NotMounted | Reason::NoVpn),
    }
}

/// What says that the app's database is elsewhere. On the unit that runs the app its config file says so too; one that cannot be
/// read, or is new in place of a damaged one, says what it said before.
fn elsewhere(profile: &AppProfile, facts: &Facts, storage: &ConfigStorage) -> Option<String> {
    let ExternalDatabase { options, settings } = &storage.external_database;
    let is_set = |value: &OptionValue| !matches!(value.to_string().trim(), "" | "false");
    let mut options = options.iter();
    if let Some(name) = options.find(|name| facts.options.own(name).is_some_and(is_set)) {
        return Some(format!("option {name}"));
    }
    let file = profile.config_file.as_ref().filter(|_| facts.data.is_here())?;
    let name = file.path.rsplit('/').next().unwrap_or(&file.path);
    let content = match &facts.container {
        Container::Ready(container) if container.put_aside.is_empty() => {
            let content = container.config_file.as_ref()?.content.as_slice();
            Some(content).filter(|content| config_file::damage(file, content).is_none())
        }
        _ => None,
    };
    let Some(content) = content else {
        let was_paused = matches!(&facts.peers, Peers::Related(peers) if peers.own_paused);
        return (was_paused && !settings.is_empty()).then(|| name.to_owned());
    };
    let place = config_file::first_set(file, content, settings)?;
    Some(format!("{} in {name}", place.join(".")))
}

/// The method that the pod is marked for. Units that do not lead see no databag.
fn marked_method(facts: &Facts) -> Option<Method> {
    let marks = &facts.pod.as_ref()?.as_ref().ok()?.annotations;
    if marks.contains_key(BACKUP_VOLUMES) {
        return Some(Method::Filesystem);
    }
    marks
        .contains_key(BACKUP_VOLUMES_EXCLUDES)
        .then_some(Method::Snapshot)
}

/// The method of the request that is in the databag now.
fn current_method(facts: &Facts) -> Option<Method> {
    let mut bags = facts.backup_relations.values().flat_map(BTreeMap::values);
    let request = bags.find_map(|bag| BackupRequest::from_databag(bag).ok())?;
    Some(config_recovery::method::of_spec(request.spec()))
}
