//! What this dispatch should change, as data: a pure function of the facts and the judged options.
//!
//! Order of precedence for the workload, first match wins:
//! 1. Pebble gives no answer, or an error: leave everything; the next event tries again.
//! 2. This unit does not lead and the app has a volume: the workload does not run (one database takes one writer).
//! 3. The charm's metadata lacks the config volume: leave everything; starting would write into the container's own disk.
//! 4. The volume has to be brought back or made whole first: leave everything, the secret and the backup request too.
//! 5. An option of the workload cannot be used: leave what runs as it is.
//! 6. Juju has not mounted the config volume yet and the workload does not run: do not start it.
//! 7. Otherwise: run it, with its file, layer and owner as they should be.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use juju_charm::Port;
use juju_charm::pebble::{
    Check, CheckLevel, CheckStatus, HttpCheck, Layer, Override, Service, ServiceStatus, Startup,
};
use velero_backup_config::provider::{self, Change};

use crate::config_file::{self, Edit, Value, Wanted};
use crate::credentials::{Credentials, Origin};
use crate::facts::{Container, Facts, FileFacts, ReadyContainer, Storage};
use crate::ingress::{self, Ingress};
use crate::kubernetes::MountChange;
use crate::media::{Mounting, claim};
use crate::names::check_name;
use crate::profile::{AppProfile, ConfigFile, Setting, Settings, User};
use crate::template::Values;
use crate::validate::{ValidatedApp, WorkloadSettings};

/// Changes to make. Empty parts mean: nothing differs.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// What the app-owned secret should become.
    pub secret: SecretPlan,
    /// What to write into which backup relation's application bag.
    pub databags: Vec<Change>,
    /// What to write into the bags of the ingress relation.
    pub ingress: Option<IngressBags>,
    /// Ports to open.
    pub open_ports: Vec<Port>,
    /// The version to report to Juju.
    pub version: Option<String>,
    /// Annotations of the own pod to set, or to remove.
    pub pod: BTreeMap<String, Option<String>>,
    /// A claim, and the labels to give it.
    pub claim: Option<(String, BTreeMap<String, String>)>,
    /// The claim of the media that the pod mounts, if it has to be kept out of backups yet.
    pub keep_out: Option<String>,
    /// The claim of the media that the pods shall not mount any more: it may get into backups again.
    pub let_in: Option<String>,
    /// What to change in what the pods mount. It comes last: the pods are replaced.
    pub mount: Option<MountChange>,
    /// What to do in the container.
    pub workload: WorkloadPlan,
    /// Commands to run in the container, where the app runs and is well.
    pub commands: Vec<Command>,
}

/// A command to run in the container. `Debug` does not show it: an option may be a token.
#[derive(PartialEq, Eq)]
pub struct Command {
    /// The option that asks for it.
    pub option: String,
    /// Executable and arguments.
    pub words: Vec<String>,
    /// What the user has to do when it fails.
    pub next_step: String,
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Command(for {})", self.option)
    }
}

/// What the app-owned secret should become.
#[derive(Debug, PartialEq, Eq)]
pub enum SecretPlan {
    /// It is as it should be, or there is none.
    Keep,
    /// Make it.
    Add {
        /// What is in it.
        credentials: Credentials,
        /// How often Juju says that it is time for new ones.
        rotate: &'static str,
    },
    /// Give it a new revision.
    Renew(Credentials),
    /// Change how often Juju says that it is time for new ones.
    SetRotation(&'static str),
}

/// Entries of the ingress relation's bags that differ.
#[derive(Debug, PartialEq, Eq)]
pub struct IngressBags {
    /// Id of the relation.
    pub relation_id: String,
    /// For the application's bag.
    pub app: BTreeMap<String, String>,
    /// For this unit's bag.
    pub unit: BTreeMap<String, String>,
}

/// What to do in the container.
#[derive(Debug, PartialEq)]
pub enum WorkloadPlan {
    /// Nothing can or may be done; [`crate::status`] says why.
    Leave,
    /// It must not run here.
    Stop,
    /// It runs as it should.
    Keep,
    /// Bring it to where it should be.
    Run(Box<Run>),
}

/// Steps to a workload that runs as it should, in the order in which they are done.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// Stop it first: an app that runs would overwrite its own file, and one that is started later reads the new one
    /// even if this dispatch is cut off in between.
    pub stop_first: bool,
    /// Before the app starts: put the databases of a restored volume where the app looks for them.
    pub put_in_place: Option<PathBuf>,
    /// Give the volume to the user that the app runs as.
    pub own: Option<(PathBuf, User)>,
    /// Put the damaged config file here before a new one is written.
    pub put_aside: Option<PutAside>,
    /// The config file to write.
    pub file: Option<FileWrite>,
    /// The layer to add.
    pub layer: Option<Layer>,
}

/// A file that cannot be used and is kept.
#[derive(Debug, PartialEq)]
pub struct PutAside {
    /// Where it is kept.
    pub path: String,
    /// What it holds, mode and owner.
    pub file: FileFacts,
    /// Why it cannot be used.
    pub reason: String,
}

/// A file to write.
#[derive(PartialEq, Eq)]
pub struct FileWrite {
    /// Absolute path in the container.
    pub path: String,
    /// What to write, mode and owner.
    pub file: FileFacts,
}

impl std::fmt::Debug for FileWrite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "FileWrite({:?}, {:?})", self.path, self.file)
    }
}

/// Plans what to change.
pub fn plan(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp) -> Plan {
    let backup = validated.backup.as_ref().and_then(|backup| backup.as_ref().ok());
    // A volume that is still to be brought back is not backed up: the newest good backup would be one of nothing.
    let asked_for = backup.filter(|_| facts.recovery.held_up.is_none());
    let workload = workload(profile, facts, validated);
    Plan {
        secret: secret(facts, validated),
        databags: asked_for
            .map(|backup| provider::changes(&facts.backup_relations, &backup.request))
            .unwrap_or_default(),
        ingress: ingress_bags(profile, facts),
        open_ports: open_ports(profile, facts),
        version: match &facts.container {
            Container::Ready(container) => container.version.clone(),
            _ => None,
        },
        pod: backup
            .map(|backup| backup.decision.annotations.clone())
            .unwrap_or_default(),
        claim: backup.and_then(|backup| backup.decision.labels.clone()),
        keep_out: keep_out(facts, validated),
        let_in: let_in(facts, validated),
        mount: match &validated.media {
            Mounting::Change(change) => Some(change.clone()),
            _ => None,
        },
        commands: if workload == WorkloadPlan::Keep {
            commands(profile, facts, validated)
        } else {
            Vec::new()
        },
        workload,
    }
}

/// A claim that is to be mounted is kept out when that is done.
fn keep_out(facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    let mounted = facts.media_claim.as_ref()?;
    let lacks_it = mounted
        .claim
        .as_ref()
        .is_ok_and(|claim| !claim::is_kept_out(claim));
    let stays = !matches!(validated.media, Mounting::Change(_));
    (stays && lacks_it).then(|| mounted.name.clone())
}

fn let_in(facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    let mounted = &facts.media_claim.as_ref()?.name;
    match &validated.media {
        Mounting::Change(change) if change.mount.as_ref().is_none_or(|next| next.claim != *mounted) => {
            Some(mounted.clone())
        }
        _ => None,
    }
}

fn commands(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp) -> Vec<Command> {
    let (Container::Ready(container), Ok(settings)) = (&facts.container, &validated.workload) else {
        return Vec::new();
    };
    let is_well = container.check == Some(CheckStatus::Up);
    let is_done = |until: &[String]| {
        let file = profile.config_file.as_ref().zip(container.config_file.as_ref());
        file.and_then(|(file, current)| config_file::value(file, &current.content, until))
            .is_some_and(|value| !value.is_empty())
    };
    let is_asked_for = |option: &str| settings.options.get(option).is_some_and(|text| !text.is_empty());
    profile
        .once
        .iter()
        .filter(|once| is_well && is_asked_for(&once.option) && !is_done(&once.until))
        .map(|once| Command {
            option: once.option.clone(),
            words: once
                .command
                .iter()
                .filter_map(|template| template.render(values(profile, facts, settings)))
                .collect(),
            next_step: once.next_step.clone(),
        })
        .collect()
}

fn secret(facts: &Facts, validated: &ValidatedApp) -> SecretPlan {
    let Some(credentials) = &facts.credentials else {
        return SecretPlan::Keep;
    };
    if facts.recovery.held_up.is_some() || facts.storage == Storage::NotMounted {
        // The volume may still bring the key that the app's clients know.
        return SecretPlan::Keep;
    }
    let rotate = validated.rotation.as_ref().ok().copied();
    match credentials.origin() {
        Origin::ConfigFile | Origin::Generated => SecretPlan::Add {
            credentials: credentials.clone(),
            rotate: rotate.unwrap_or("never"),
        },
        Origin::Rotated => SecretPlan::Renew(credentials.clone()),
        Origin::Secret => match (&facts.rotation, rotate) {
            (Some(now), Some(wanted)) if now != wanted => SecretPlan::SetRotation(wanted),
            _ => SecretPlan::Keep,
        },
    }
}

fn ingress_bags(profile: &AppProfile, facts: &Facts) -> Option<IngressBags> {
    let Ingress::Related(related) = &facts.ingress else {
        return None;
    };
    let app = match &related.app_bag {
        Some(bag) => ingress::differences(
            bag,
            ingress::app_bag(&facts.model, &facts.app, profile.workload.port, !profile.url_base),
        ),
        None => BTreeMap::new(),
    };
    let unit = ingress::differences(
        &related.unit_bag,
        ingress::unit_bag(&facts.model, &facts.app, facts.unit, related.address.as_deref()),
    );
    (!app.is_empty() || !unit.is_empty()).then(|| IngressBags {
        relation_id: related.id.clone(),
        app,
        unit,
    })
}

fn open_ports(profile: &AppProfile, facts: &Facts) -> Vec<Port> {
    let wanted = Port::tcp(profile.workload.port);
    match &facts.opened_ports {
        Some(opened) if !opened.contains(&wanted) => vec![wanted],
        _ => Vec::new(),
    }
}

fn workload(profile: &AppProfile, facts: &Facts, validated: &ValidatedApp) -> WorkloadPlan {
    let Container::Ready(container) = &facts.container else {
        return WorkloadPlan::Leave;
    };
    let running = is_running(container);
    if !facts.leader && profile.needs_leader() {
        return if running {
            WorkloadPlan::Stop
        } else {
            WorkloadPlan::Leave
        };
    }
    if facts.metadata.is_err() || facts.recovery.held_up.is_some() {
        return WorkloadPlan::Leave;
    }
    let Ok(settings) = &validated.workload else {
        return WorkloadPlan::Leave;
    };
    if !running && facts.storage == Storage::NotMounted {
        return WorkloadPlan::Leave;
    }
    let (put_aside, mut file) = config_file(profile, facts, settings, container);
    let layer = layer(profile, facts, settings);
    let layer = (!container.plan.includes(&layer)).then_some(layer);
    let own = match (&facts.storage, settings.user) {
        (Storage::Mounted { location, owner }, Some(user)) if *owner != ids(user) => {
            Some((location.clone(), user))
        }
        _ => None,
    };
    if let (Some(file), Some((_, user))) = (&mut file, &own) {
        // The whole volume changes hands, this file with it.
        file.file.owner = Some(ids(*user));
    }
    if running && file.is_none() && layer.is_none() && own.is_none() {
        return WorkloadPlan::Keep;
    }
    // An app that runs has its databases open, and a live database is never touched.
    let put_in_place = match &facts.storage {
        Storage::Mounted { location, .. } if !running => Some(location.clone()),
        _ => None,
    };
    WorkloadPlan::Run(Box::new(Run {
        put_in_place,
        stop_first: running && (file.is_some() || (own.is_some() && layer.is_some())),
        own,
        put_aside,
        file,
        layer,
    }))
}

/// A service in back-off counts as running: Pebble itself starts it again.
pub(crate) fn is_running(container: &ReadyContainer) -> bool {
    matches!(
        container.service,
        Some(ServiceStatus::Active | ServiceStatus::Backoff)
    )
}

/// The Pebble layer of the app: one service and its health check.
pub fn layer(profile: &AppProfile, facts: &Facts, settings: &WorkloadSettings) -> Layer {
    let workload = &profile.workload;
    let values = values(profile, facts, settings);
    let mut environment: BTreeMap<String, String> = workload
        .environment
        .iter()
        .filter_map(|(name, template)| Some((name.clone(), template.render(values)?)))
        .collect();
    environment.insert("TZ".to_owned(), settings.timezone.clone());
    if let Some(ingress) = &settings.ingress {
        environment.insert(ingress::REMEMBERED.to_owned(), ingress.url.clone());
    }
    let service = Service {
        r#override: Some(Override::Replace),
        summary: Some(profile.title.clone()),
        command: Some(workload.command.clone()),
        startup: Some(Startup::Enabled),
        environment,
        working_dir: workload.working_dir.clone(),
        user_id: settings.user.map(|user| user.uid),
        group_id: settings.user.map(|user| user.gid),
        kill_delay: workload
            .stop_timeout
            .map(|seconds| Duration::from_secs(seconds.into())),
        ..Service::default()
    };
    let check = Check {
        r#override: Some(Override::Replace),
        level: Some(CheckLevel::Ready),
        startup: Some(Startup::Enabled),
        http: Some(HttpCheck {
            url: Some(health_url(profile, settings)),
            headers: BTreeMap::new(),
        }),
        ..Check::default()
    };
    Layer {
        services: BTreeMap::from([(profile.name.clone(), service)]),
        checks: BTreeMap::from([(check_name(profile), check)]),
        ..Layer::default()
    }
}

fn values<'a>(profile: &AppProfile, facts: &'a Facts, settings: &'a WorkloadSettings) -> Values<'a> {
    Values {
        port: profile.workload.port,
        url_base: &settings.url_base,
        app: &facts.app,
        model: &facts.model,
        ingress_host: settings
            .ingress
            .as_ref()
            .map_or("", |ingress| ingress.host.as_str()),
        credentials: facts.credentials.as_ref(),
        options: &settings.options,
    }
}

/// Where the app says whether it is well, as seen in its own container.
pub fn health_url(profile: &AppProfile, settings: &WorkloadSettings) -> String {
    let workload = &profile.workload;
    let base = if workload.health.below_url_base {
        settings.url_base.as_str()
    } else {
        ""
    };
    format!("http://localhost:{}{base}{}", workload.port, workload.health.path)
}

/// The settings that have something to say.
fn wanted(settings: &Settings, values: Values<'_>) -> Vec<Wanted> {
    let rendered = |setting: &Setting| match setting {
        Setting::Text(template) => template.render(values).map(Value::Text),
        Setting::List(templates) => {
            // An option may hold several items.
            let texts = templates.iter().filter_map(|template| template.render(values));
            let items: Vec<String> = texts
                .flat_map(|text| {
                    text.split(',')
                        .map(|item| item.trim().to_owned())
                        .collect::<Vec<_>>()
                })
                .filter(|item| !item.is_empty())
                .collect();
            Some(Value::List(items))
        }
        Setting::Section(_) => None,
    };
    settings
        .flat()
        .into_iter()
        .filter_map(|(path, setting)| {
            Some(Wanted {
                value: rendered(setting)?,
                path,
            })
        })
        .collect()
}

fn config_file(
    profile: &AppProfile,
    facts: &Facts,
    settings: &WorkloadSettings,
    container: &ReadyContainer,
) -> (Option<PutAside>, Option<FileWrite>) {
    let Some(file) = &profile.config_file else {
        return (None, None);
    };
    let values = values(profile, facts, settings);
    let current = container.config_file.as_ref();
    let write = |content: Vec<u8>| {
        Some(FileWrite {
            path: file.path.clone(),
            file: written(settings.user, current, content),
        })
    };
    let wanted_values = wanted(&file.values, values);
    let initial = wanted(&file.initial_values, values);
    let content = current.map(|file| file.content.as_slice());
    match config_file::edit(file, content, &wanted_values, &initial) {
        Edit::Unchanged => (None, None),
        Edit::Write(content) => (None, write(content)),
        Edit::Replace { content, reason } => (
            current.map(|damaged| put_aside(file, damaged, reason)),
            write(content),
        ),
    }
}

/// A file that was there keeps its mode and owner; a new one belongs to the app and nobody else reads it.
fn written(user: Option<User>, current: Option<&FileFacts>, content: Vec<u8>) -> FileFacts {
    match current {
        Some(current) => FileFacts {
            content,
            mode: current.mode,
            owner: current.owner,
        },
        None => FileFacts {
            content,
            mode: 0o600,
            owner: user.map(ids),
        },
    }
}

fn put_aside(file: &ConfigFile, damaged: &FileFacts, reason: String) -> PutAside {
    use sha2::{Digest, Sha256};
    // Named by its content: a dispatch that is cut off and done again keeps one copy, another damage keeps its own.
    let digest: String = Sha256::digest(&damaged.content)
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    PutAside {
        path: format!("{}.damaged-{digest}", file.path),
        file: damaged.clone(),
        reason,
    }
}

fn ids(user: User) -> (u32, u32) {
    (user.uid, user.gid)
}
