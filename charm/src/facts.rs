//! What one dispatch knows of the world: everything [`crate::steps::gather`] read, as data. Nothing changes it afterwards.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::Timestamp;
use juju_charm::pebble::{Plan, ServiceStatus};
use juju_charm::{Port, SecretId, UnitName};

use crate::backup::BackupFacts;
use crate::contents::fewer::Fewer;
use crate::cos::Cos;
use crate::credentials::Credentials;
use crate::data_unit::{Contents, DataUnit, Peers};
use crate::exporter;
use crate::ingress::Ingress;
use crate::kubernetes::{ClusterError, Pod};
use crate::media::Media;
use crate::media::claim::MountedClaim;
use crate::options::RawOptions;
use crate::problem::Problem;
use crate::recovery::standing::HealthLookup;
use crate::remembered::Remembered;
use crate::tiers::Tier;
use crate::vpn::VpnFacts;

/// Of each tier of backups that is related, by its endpoint: its relations by id, with what our own application bag says there.
/// On units that do not lead without the relations.
pub type BackupRelations = BTreeMap<String, BTreeMap<String, BTreeMap<String, String>>>;

/// Everything that validate, plan and status may look at.
#[derive(Debug)]
pub struct Facts {
    /// When it was read.
    pub now: Timestamp,
    /// Name the application was deployed under.
    pub app: String,
    /// This unit.
    pub unit: UnitName,
    /// Name of the model, which is also the Kubernetes namespace.
    pub model: String,
    /// UUID of the model.
    pub model_uuid: String,
    /// Folder of the charm.
    pub charm_dir: PathBuf,
    /// Whether this unit is the leader, the only one to write for the application.
    pub leader: bool,
    /// The peer relation.
    pub peers: Peers,
    /// Which unit has the data, and runs the workload.
    pub data: DataUnit,
    /// The options, unjudged.
    pub options: RawOptions,
    /// What the charm's own metadata lacks.
    pub metadata: Result<(), Problem>,
    /// What earlier dispatches left to know.
    pub remembered: Remembered,
    /// The container and what runs in it.
    pub container: Container,
    /// The config volume as this container sees it.
    pub storage: Storage,
    /// The credentials, on the leader and on the unit that runs the app, if there are some and the container could be read.
    pub credentials: Option<Credentials>,
    /// How often Juju says that it is time for new ones, or `never`; `None` in events that cannot have changed it, and
    /// before there is a secret.
    pub rotation: Option<String>,
    /// Whether Juju has just said that the time has come for new credentials.
    pub rotation_is_due: bool,
    /// A revision of the app's secret that nobody reads any more, as Juju has just said.
    pub obsolete: Option<Obsolete>,
    /// The relations that ask for backups, by endpoint.
    pub backup_relations: BackupRelations,
    /// Whether the next five are what an earlier event saw: see [`ClusterSeen`](crate::cluster_seen::ClusterSeen).
    pub is_recalled: bool,
    /// The unit's pod; `None` in events in which nothing on it can differ.
    pub pod: Option<Result<Pod, ClusterError>>,
    /// The config volume in the cluster.
    pub volume: BackupFacts,
    /// How the app's backups stand.
    pub standing: HealthLookup,
    /// What the last good backup has much less of than those of the week before had.
    pub fewer: Vec<Fewer>,
    /// What a killed test restore or restore of this unit's has left in the cluster: scratch namespaces.
    pub left: Vec<String>,
    /// The relation media-storage.
    pub media: Media,
    /// Whether media that are not related any more may still be mounted.
    pub media_go: bool,
    /// The claim of the media that the pod mounts, on the leader, where the pod was looked at.
    pub media_claim: Option<MountedClaim>,
    /// The relation ingress.
    pub ingress: Ingress,
    /// The relation vpn-gateway, and what the cluster holds for it.
    pub vpn: VpnFacts,
    /// The relations of those who watch many applications.
    pub cos: Cos,
    /// The exporter of metrics.
    pub exporter: ExporterFacts,
    /// Ports that are open; `None` in events that cannot have changed them.
    pub opened_ports: Option<Vec<Port>>,
}

impl Facts {
    /// Whether anybody is asked for backups.
    pub fn is_backed_up(&self) -> bool {
        !self.backup_relations.is_empty()
    }

    /// Whether velero-operator is asked for backups of this tier.
    pub fn is_related(&self, tier: &Tier) -> bool {
        self.backup_relations.contains_key(tier.name())
    }
}

/// The exporter of metrics, as a process of this unit's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExporterFacts {
    /// What it was told; `None` where it is not to run.
    pub settings: Option<exporter::Settings>,
    /// Whether that of this very charm runs.
    pub is_running: bool,
}

/// A revision of the own secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obsolete {
    /// The secret.
    pub secret: SecretId,
    /// Its number.
    pub revision: u64,
}

/// The workload container.
#[derive(Debug)]
pub enum Container {
    /// Its Pebble gives no answer: not started yet, restarting, or gone.
    NotReachable,
    /// Its Pebble answered, with an error.
    Faulty {
        /// What could not be done, and Pebble's answer.
        reason: String,
    },
    /// Its Pebble answers.
    Ready(ReadyContainer),
}

/// What a reachable Pebble said.
#[derive(Debug)]
pub struct ReadyContainer {
    /// The plan as it is.
    pub plan: Plan,
    /// State of our service; `None` when the plan has no such service.
    pub service: Option<ServiceStatus>,
    /// What Pebble knows of the app's health since it was started.
    pub health: Health,
    /// The app's config file, with its mode and owner.
    pub config_file: Option<FileFacts>,
    /// What the app wrote last, where it ends again and again.
    pub last_line: Option<String>,
    /// Whether the app has ended and left files that keep it from starting.
    pub has_stale_files: bool,
    /// Damaged config files that were put aside and that nobody has taken away yet.
    pub put_aside: Vec<String>,
    /// Version of the app in the image; `None` in events that cannot have changed it, or when the image does not say.
    pub version: Option<String>,
}

/// What Pebble's check of the app has found since the charm started the app. The charm starts the check when the app has passed
/// it once, or did not in the time it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// The check is not started.
    NotAsked,
    /// The check is started, and the app has not passed it yet.
    NotPassed,
    /// The app passes.
    Up,
    /// It failed three times in a row.
    Down,
}

/// One file in the container.
#[derive(Clone, PartialEq, Eq)]
pub struct FileFacts {
    /// What is in it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Numeric owner and group.
    pub owner: Option<(u32, u32)>,
}

impl std::fmt::Debug for FileFacts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The content holds credentials.
        write!(
            f,
            "FileFacts({} bytes, mode {:o}, owner {:?})",
            self.content.len(),
            self.mode,
            self.owner
        )
    }
}

/// The config volume in the charm container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Storage {
    /// Not looked at: nothing in this event needs it.
    NotRead,
    /// Juju has not told yet where it is.
    NotMounted,
    /// It is here.
    Mounted {
        /// Path in the charm container. Juju 3.6 and 4.0 use different ones.
        location: PathBuf,
        /// Owner and group of its top folder.
        owner: (u32, u32),
        /// Whether it holds anything.
        contents: Contents,
        /// What a restore that was cut off has left in it.
        exchange: Exchange,
    },
}

/// What a restore that was cut off has left in the config volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Exchange {
    /// Nothing.
    Nothing,
    /// Files of its own, beside one whole content.
    Leftovers,
    /// The volume holds neither the previous content nor the new one as a whole.
    Incomplete,
    /// It cannot be told.
    Unreadable {
        /// What could not be read, and what to do.
        reason: String,
    },
}
