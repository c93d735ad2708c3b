//! Step 5. What this dispatch should change, as data: a pure function of the facts and the judged options.
//!
//! Order of precedence for the workload, first match wins:
//! 1. Pebble gives no answer, or an error: leave everything; the next event tries again.
//! 2. The app may not run on this unit's volume ([`prepare_volume`](mod@super::prepare_volume) says why): leave it stopped, and
//!    stop it where another unit has the data or the content is not whole. The secret and the backup request stay too.
//! 3. The charm's metadata lacks the config volume: leave everything; starting would write into the container's own disk.
//! 4. An option of the workload cannot be used: leave what runs as it is.
//! 5. Otherwise: run it, with its file, layer and owner as they should be.

mod bags;
mod exporter;
mod workload;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use juju_charm::Port;
use juju_charm::pebble::Layer;
use velero_backup_config::provider::Change;

use crate::config_file;
use crate::cos;
use crate::credentials::{Credentials, Origin};
use crate::facts::{Container, Facts, FileFacts, Health, Obsolete, Storage};
use crate::kubernetes::MountChange;
use crate::media::{Mounting, claim};
use crate::profile::{AppProfile, User};
use crate::recovery::health::STARTS;
use crate::remembered::Remembered;
use crate::vpn::route::{RouteChange, Routing};

use super::prepare_volume::{MayStart, Start};
use super::rotation::Rotation;
use super::validate::ValidatedApp;

pub(super) use bags::pauses;
use bags::{databags, ingress_bags, peer_bags, vpn_bags};
pub use exporter::ExporterPlan;
use exporter::exporter_plan;
pub use workload::{health_url, is_running};
use workload::{values, workload};

/// Changes to make. Empty parts mean: nothing differs.
#[derive(Debug, PartialEq)]
pub struct Plan {
    /// What later dispatches have to know even if this one is killed: written before anything is done.
    pub record: Option<Remembered>,
    /// What the app-owned secret should become.
    pub secret: SecretPlan,
    /// The revision of it to remove.
    pub obsolete: Option<Obsolete>,
    /// What to write into which backup relation's application bag.
    pub databags: Vec<Change>,
    /// What to write into the bags of the peer relation.
    pub peers: Option<OwnBags>,
    /// What to write into the bags of the ingress relation.
    pub ingress: Option<OwnBags>,
    /// What to write into the application bag of the relation vpn-gateway.
    pub vpn: Option<OwnBags>,
    /// What to write into the bags of the relations of those who watch many applications, by endpoint.
    pub cos: Vec<(&'static str, OwnBags)>,
    /// What to do about the exporter of metrics.
    pub exporter: ExporterPlan,
    /// What to add to Pebble's plan for the app's log.
    pub log_targets: Option<Layer>,
    /// Ports to open.
    pub open_ports: Vec<Port>,
    /// The version to report to Juju.
    pub version: Option<String>,
    /// Annotations of the own pod to set, or to remove.
    pub pod: BTreeMap<String, Option<String>>,
    /// A claim, and the labels to give it.
    pub claim: Option<(String, BTreeMap<String, String>)>,
    /// The claim of the media that the pod mounts, if it has to be kept out of backups yet.
    pub exclude: Option<String>,
    /// The claim of the media that the pods shall not mount any more: it may get into backups again.
    pub include: Option<String>,
    /// What to change in what the pods mount. It comes last: the pods are replaced.
    pub mount: Option<MountChange>,
    /// What to change in the route to the VPN gateway. It comes last too.
    pub route: Option<RouteChange>,
    /// Scratch namespaces to remove that a killed run has left.
    pub left: Vec<String>,
    /// What to do in the container.
    pub workload: WorkloadPlan,
    /// How long the app may take to pass its health check: asked for when it is started, and until it has passed.
    pub patience: Option<Duration>,
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

/// Entries of a relation's own bags that differ. An empty value removes its key.
#[derive(Debug, PartialEq, Eq)]
pub struct OwnBags {
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
    /// Nothing can or may be done; [`crate::steps::status`] says why.
    Leave,
    /// It must not run here.
    Stop,
    /// It runs, and would have to be stopped and started again; the volume has to be looked at before.
    Look,
    /// It runs as it should.
    Keep(MayStart),
    /// Bring it to where it should be.
    Run(MayStart, Box<Run>),
}

/// Steps to a workload that runs as it should, in the order in which they are done.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// Stop it first: an app that runs would overwrite its own file, and one that is started later reads the new one
    /// even if this dispatch is cut off in between.
    pub stop_first: bool,
    /// Files to remove before the app starts: they say that it runs.
    pub remove: Vec<String>,
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

impl Plan {
    /// Whether something follows from what was seen of the cluster.
    pub fn is_about_the_cluster(&self) -> bool {
        let Self {
            pod,
            claim,
            exclude,
            include,
            mount,
            route,
            databags,
            left,
            ..
        } = self;
        let has_marks = !pod.is_empty() || claim.is_some() || exclude.is_some() || include.is_some();
        has_marks || mount.is_some() || route.is_some() || !databags.is_empty() || !left.is_empty()
    }

    /// Whether an app that runs is stopped first: what it has open changes, its config file or its volume.
    pub(super) fn stops_first(&self) -> bool {
        matches!(&self.workload, WorkloadPlan::Run(_, run) if run.stop_first)
    }

    /// Where it puts a damaged config file.
    fn puts_aside(&self) -> Option<&str> {
        match &self.workload {
            WorkloadPlan::Run(_, run) => run.put_aside.as_ref().map(|aside| aside.path.as_str()),
            _ => None,
        }
    }

    /// The same, with the workload left as it is.
    pub(super) fn without_workload(self) -> Self {
        Self {
            workload: WorkloadPlan::Leave,
            // It is about a damaged config file, which stays where it is.
            record: None,
            patience: None,
            commands: Vec::new(),
            ..self
        }
    }

    /// The same, where an app that runs has to be healthy, whatever is known of it, and may take this long.
    pub fn with_patience(self, patience: Duration) -> Self {
        let runs = matches!(self.workload, WorkloadPlan::Run(..) | WorkloadPlan::Keep(_));
        Self {
            patience: runs.then_some(patience),
            ..self
        }
    }

    /// The same without what replaces the pods, and with them this process. The next event does it.
    pub fn without_new_pods(self) -> Self {
        Self {
            mount: None,
            include: None,
            route: None,
            ..self
        }
    }
}

/// What a plan is made from.
#[derive(Clone, Copy)]
struct Inputs<'a> {
    profile: &'a AppProfile,
    facts: &'a Facts,
    validated: &'a ValidatedApp,
    start: &'a Start,
    /// Those that the app shall have.
    credentials: Option<&'a Credentials>,
}

/// Plans what to change.
pub fn plan(
    profile: &AppProfile,
    facts: &Facts,
    validated: &ValidatedApp,
    start: &Start,
    rotation: &Rotation,
) -> Plan {
    let inputs = Inputs {
        profile,
        facts,
        validated,
        start,
        credentials: match rotation {
            Rotation::Due(new) => Some(new),
            Rotation::NotDue | Rotation::Refused(_) => facts.credentials.as_ref(),
        },
    };
    let workload = workload(inputs);
    let decision = validated.decision.as_ref();
    let plan = Plan {
        record: None,
        patience: patience(facts, &workload),
        secret: secret(inputs),
        obsolete: facts.obsolete.clone().filter(|_| facts.leader),
        databags: validated
            .related()
            .flat_map(|backup| databags(inputs, backup))
            .collect(),
        peers: peer_bags(facts, pauses(validated, start), rotation),
        ingress: ingress_bags(profile, facts),
        vpn: vpn_bags(facts),
        cos: cos::bags(profile, facts),
        exporter: exporter_plan(profile, facts, validated),
        log_targets: cos::logging::layer(profile, facts),
        open_ports: open_ports(profile, facts),
        version: match &facts.container {
            Container::Ready(container) => container.version.clone(),
            _ => None,
        },
        pod: decision
            .map(|decision| decision.annotations.clone())
            .unwrap_or_default(),
        claim: decision.and_then(|decision| decision.labels.clone()),
        exclude: exclude(facts, validated),
        include: include(facts, validated),
        mount: match &validated.media {
            Mounting::Change(change) => Some(change.clone()),
            _ => None,
        },
        left: facts.left.clone(),
        route: match &validated.vpn {
            Routing::Change(change) => Some(change.clone()),
            Routing::Keep | Routing::StillNeeded | Routing::Unknown(_) => None,
        },
        commands: if matches!(workload, WorkloadPlan::Keep(_)) {
            commands(inputs)
        } else {
            Vec::new()
        },
        workload,
    };
    match plan.puts_aside().map(str::to_owned) {
        None => plan,
        // Whoever comes after a kill finds a sound file, and nothing else tells of the damaged one. A pod that ends now would
        // take the record with it.
        Some(path) => Plan {
            record: Some(still_there(facts).with_put_aside(path)),
            ..plan.without_new_pods()
        },
    }
}

/// What is remembered, without the damaged config files that somebody has taken away.
fn still_there(facts: &Facts) -> Remembered {
    let mut remembered = facts.remembered.clone();
    if let Container::Ready(container) = &facts.container {
        remembered.put_aside.clone_from(&container.put_aside);
    }
    remembered
}

fn patience(facts: &Facts, workload: &WorkloadPlan) -> Option<Duration> {
    let Container::Ready(container) = &facts.container else {
        return None;
    };
    match (workload, container.health) {
        (WorkloadPlan::Run(..), _) => Some(STARTS),
        (WorkloadPlan::Keep(_), Health::NotPassed) => Some(Duration::ZERO),
        // Pebble asks.
        (WorkloadPlan::Keep(_), Health::NotAsked | Health::Up | Health::Down)
        | (WorkloadPlan::Leave | WorkloadPlan::Stop | WorkloadPlan::Look, _) => None,
    }
}

/// A claim that is to be mounted is kept out when that is done.
fn exclude(facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    let mounted = facts.media_claim.as_ref()?;
    let lacks_it = mounted
        .claim
        .as_ref()
        .is_ok_and(|claim| !claim::is_excluded(claim));
    let stays = !matches!(validated.media, Mounting::Change(_));
    (stays && lacks_it).then(|| mounted.name.clone())
}

fn include(facts: &Facts, validated: &ValidatedApp) -> Option<String> {
    let mounted = &facts.media_claim.as_ref()?.name;
    match &validated.media {
        Mounting::Change(change) if change.mount.as_ref().is_none_or(|next| next.claim != *mounted) => {
            Some(mounted.clone())
        }
        _ => None,
    }
}

fn commands(inputs: Inputs<'_>) -> Vec<Command> {
    let Inputs {
        profile,
        facts,
        validated,
        credentials,
        ..
    } = inputs;
    let (Container::Ready(container), Ok(settings)) = (&facts.container, &validated.workload) else {
        return Vec::new();
    };
    let is_well = container.health == Health::Up;
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
                .filter_map(|template| template.render(values(profile, facts, settings, credentials)))
                .collect(),
            next_step: once.next_step.clone(),
        })
        .collect()
}

fn secret(inputs: Inputs<'_>) -> SecretPlan {
    let Inputs {
        facts,
        validated,
        start,
        ..
    } = inputs;
    // Only the leader writes it.
    let (Some(credentials), true) = (inputs.credentials, facts.leader) else {
        return SecretPlan::Keep;
    };
    let may_make = start.is_ok() && facts.storage != Storage::NotMounted;
    if !may_make && matches!(credentials.origin(), Origin::ConfigFile | Origin::Generated) {
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

fn open_ports(profile: &AppProfile, facts: &Facts) -> Vec<Port> {
    let wanted = Port::tcp(profile.workload.port);
    match &facts.opened_ports {
        Some(opened) if !opened.contains(&wanted) => vec![wanted],
        _ => Vec::new(),
    }
}
