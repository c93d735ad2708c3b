//! What goes into a simulation and what comes out: plain values.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use velero_api::BackupPhase;

use crate::kubernetes::ClusterOptions;
use crate::layout::Layout;

/// How a simulated Juju behaves.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default)]
pub struct Options {
    /// The model's name, which is the Kubernetes namespace too.
    pub model: String,
    /// The model's UUID; none: always the same one.
    pub model_uuid: Option<String>,
    /// `JUJU_VERSION`.
    pub juju_version: String,
    /// The executable behind the hook tools and the simulated Pebbles; none: found as [`crate::find_executable`] says.
    pub executable: Option<PathBuf>,
    /// Where the units' files lie.
    pub layout: Layout,
    /// The order of the first events of a unit, as far as Juju leaves it open.
    pub start_order: StartOrder,
    /// What Juju 4.0 may do and mostly does not.
    pub liberties: Liberties,
    /// How often a failed hook is run again at once. Juju goes on for ever, with growing pauses.
    pub automatic_retries: u32,
    /// Whether a hook that was ended by a signal is run again at once, as Juju does.
    pub retry_terminated: bool,
    /// How many dispatches one step may take. A charm that answers its own changes needs ever more.
    pub most_dispatches: usize,
    /// Whether simulated Pebbles go on when the [`crate::Simulation`] is dropped, as between two commands.
    pub keep_running: bool,
    /// Where the time comes from.
    pub clock: Clock,
    /// Variables of the agent's container that every hook inherits, `KUBERNETES_SERVICE_HOST` for example.
    pub environment: BTreeMap<String, String>,
    /// Addresses that units get instead of invented ones, by unit name.
    pub addresses: BTreeMap<String, String>,
    /// The stand-in Kubernetes, in [`Layout::Host`]; a pod has a real one.
    pub cluster: ClusterOptions,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            model: "homelab".to_owned(),
            model_uuid: None,
            juju_version: "4.0.15".to_owned(),
            executable: None,
            layout: Layout::Host,
            start_order: StartOrder::PebbleFirst,
            liberties: Liberties::default(),
            automatic_retries: 0,
            retry_terminated: true,
            most_dispatches: 1000,
            keep_running: false,
            clock: Clock::System,
            environment: BTreeMap::new(),
            addresses: BTreeMap::new(),
            cluster: ClusterOptions::default(),
        }
    }
}

/// The order of a unit's first events after leader-elected. All were seen on Juju 4.0.15, or follow from its rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartOrder {
    /// pebble-ready, storage-attached, config-changed, start, then the relations' units.
    PebbleFirst,
    /// config-changed, start, the relations' units, storage-attached, pebble-ready.
    StorageLate,
    /// config-changed, start, the relations' units, pebble-ready, storage-attached.
    PebbleBeforeStorage,
    /// A shuffle by this seed, within what Juju promises.
    Seed(u64),
}

/// What a Juju 4.0 was seen to do that is within what Juju promises, and that a charm must bear. All are off by default.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Liberties {
    /// A changed option or trust causes no event at once: config-changed comes after whatever is done next, behind all other events,
    /// once for all changes until then, and then a second time. [`Simulation::settle`](crate::Simulation::settle) lets it come
    /// without anything else.
    pub config_changed_late_and_twice: bool,
    /// A relation that was removed still exists for `juju integrate`. It is gone with the next update-status of any unit.
    pub removed_relations_linger: bool,
    /// relation-changed for the data of an application comes after relation-created alone, before any of its units has joined.
    pub application_data_first: bool,
}

impl Liberties {
    /// All of them.
    pub fn all() -> Liberties {
        Liberties {
            config_changed_late_and_twice: true,
            removed_relations_linger: true,
            application_data_first: true,
        }
    }
}

/// Where the time comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Clock {
    /// The machine's clock.
    System,
    /// Seconds since 1970; goes on by one second with each dispatch.
    From(i64),
}

/// An application to deploy from a charm folder.
#[derive(Debug, Clone)]
pub struct Deploy {
    /// Name of the application; empty: the charm's name.
    pub app: String,
    /// Folder with `metadata.yaml` or `charmcraft.yaml`, and `dispatch` or `hooks/`.
    pub charm_dir: PathBuf,
    /// `--trust`.
    pub trust: bool,
    /// `--config key=value`, as on a command line.
    pub config: BTreeMap<String, String>,
    /// Number of units.
    pub units: u32,
    /// What runs in each container; a container that is not named here gets an empty simulated one.
    pub workloads: BTreeMap<String, Workload>,
    /// `--resource name=value`: a file, or the name of an OCI image, which a simulated container is not made of.
    pub resources: BTreeMap<String, String>,
    /// `--attach-storage`: ids of detached storage that the one unit gets.
    pub attach: Vec<String>,
    /// Where the charm comes from, if not from a file.
    pub charmhub: Option<super::CharmhubOrigin>,
}

impl Deploy {
    /// One unit of the charm in `charm_dir`, under the name `app`, with defaults for the rest.
    pub fn new(app: &str, charm_dir: impl AsRef<Path>) -> Deploy {
        Deploy {
            app: app.to_owned(),
            charm_dir: charm_dir.as_ref().to_path_buf(),
            trust: false,
            config: BTreeMap::new(),
            units: 1,
            workloads: BTreeMap::new(),
            resources: BTreeMap::new(),
            attach: Vec::new(),
            charmhub: None,
        }
    }

    /// With `--trust`.
    pub fn trust(mut self) -> Deploy {
        self.trust = true;
        self
    }

    /// With `--config key=value`.
    pub fn config(mut self, key: &str, value: &str) -> Deploy {
        self.config.insert(key.to_owned(), value.to_owned());
        self
    }

    /// With `--resource name=value`. A charm that comes from a file needs one for each of its OCI images.
    pub fn resource(mut self, name: &str, value: &str) -> Deploy {
        self.resources.insert(name.to_owned(), value.to_owned());
        self
    }

    /// With this many units.
    pub fn units(mut self, units: u32) -> Deploy {
        self.units = units;
        self
    }

    /// With this in the container `container`.
    pub fn workload(mut self, container: &str, workload: Workload) -> Deploy {
        self.workloads.insert(container.to_owned(), workload);
        self
    }
}

/// Fills the root folder of a container.
type Fill = Arc<dyn Fn(&Path) -> std::io::Result<()> + Send + Sync>;

/// What is in a workload container.
#[derive(Clone)]
pub enum Workload {
    /// A simulated Pebble over a root folder that starts as a copy of this one (the image); none: empty.
    Image(Option<PathBuf>),
    /// A simulated Pebble over a root folder that this function fills. It is called once for each application.
    Fill(Fill),
    /// A Pebble that somebody else runs, by its socket.
    External(PathBuf),
}

impl Workload {
    /// A simulated Pebble over a root folder that `fill` fills.
    pub fn fill(fill: impl Fn(&Path) -> std::io::Result<()> + Send + Sync + 'static) -> Workload {
        Workload::Fill(Arc::new(fill))
    }
}

impl fmt::Debug for Workload {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Workload::Image(root) => formatter.debug_tuple("Image").field(root).finish(),
            Workload::Fill(_) => formatter.write_str("Fill"),
            Workload::External(socket) => formatter.debug_tuple("External").field(socket).finish(),
        }
    }
}

/// How the stand-in velero-operator is configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct OperatorOptions {
    /// Name of the application.
    pub app: String,
    /// `default-volumes-to-fs-backup`: every volume of a selected pod is uploaded, unless an annotation leaves it out.
    /// What it is deployed with; `juju config` changes it. (The real operator's default is false.)
    pub default_volumes_to_fs_backup: bool,
    /// Whether a storage provider is integrated. Without one the operator is blocked and makes nothing.
    pub storage_configured: bool,
    /// The phase that Backups of `create-backup` end in. None: no Velero looks at them, so their status stays empty as
    /// that of an object which was just created; the action succeeds and says so in its log, and `list-backups` leaves
    /// them out as the real operator leaves out Backups without a phase. A test that wants to see how a client deals
    /// with a result names it here: the status has that phase, and the action ends as the operator ends it.
    pub backup_phase: Option<BackupPhase>,
    /// Which of the operator's defects the stand-in has.
    pub defects: Defects,
}

impl Default for OperatorOptions {
    fn default() -> OperatorOptions {
        OperatorOptions {
            app: "velero-operator".to_owned(),
            default_volumes_to_fs_backup: true,
            storage_configured: true,
            backup_phase: None,
            defects: Defects::default(),
        }
    }
}

/// Defects of velero-operator that hurt its clients (read in its source at 4c89cc3).
///
/// All are on by default: the stand-in does as the real one does, and adds a line to
/// [`crate::Simulation::operator_warnings`]. With a switch off it refuses or does better, as each one says. A refused
/// request changes no Schedule, and the unit is blocked with the reason until the request is mended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Defects {
    /// A Schedule's `model` label is the operator's model, so that clients with the same app and endpoint names in two
    /// models share one Schedule: the last one read wins, and the first one that leaves takes it along.
    /// Off: the label is the client's model, and each has its own.
    pub ignores_client_model: bool,
    /// A request without a spec, or one that names no namespace, becomes a backup of every namespace. Off: refused.
    pub takes_every_namespace: bool,
    /// A spec that is not JSON, or has a field of another type, is skipped: the earlier Schedule stays and the unit is
    /// active. Off: refused, so that the unit says so.
    pub skips_invalid_spec: bool,
    /// Each relation-changed and relation-broken rebuilds the storage locations and restarts Velero twice, which ends
    /// backups that are in progress. Off: nothing restarts.
    pub restarts_velero: bool,
    /// `ttl` and `schedule` reach Velero unchecked, which refuses them or worse. Off: values that
    /// `velero-backup-config` refuses are refused.
    pub takes_any_value: bool,
}

impl Defects {
    /// None of them: an operator as it should be.
    pub fn none() -> Defects {
        Defects {
            ignores_client_model: false,
            takes_every_namespace: false,
            skips_invalid_spec: false,
            restarts_velero: false,
            takes_any_value: false,
        }
    }
}

impl Default for Defects {
    fn default() -> Defects {
        Defects {
            ignores_client_model: true,
            takes_every_namespace: true,
            skips_invalid_spec: true,
            restarts_velero: true,
            takes_any_value: true,
        }
    }
}

/// A status as `juju status` shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusInfo {
    /// `active`, `blocked`, `error`, …
    pub current: String,
    /// What the charm or Juju says.
    pub message: String,
    /// Seconds since 1970 in UTC.
    pub since: i64,
}

/// What `juju status` says of a unit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UnitStatus {
    /// The workload's status; `error` with `hook failed: "…"` when a hook failed.
    pub workload: StatusInfo,
    /// The agent's status, `idle` between events.
    pub agent: StatusInfo,
    /// Whether it leads.
    pub leader: bool,
    /// Address of the pod.
    pub address: String,
    /// `application-version-set`.
    pub workload_version: String,
    /// Opened ports, `7878/tcp`.
    pub open_ports: Vec<String>,
}

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionResult {
    /// Task number, `JUJU_ACTION_UUID`.
    pub id: String,
    /// Unit that ran it.
    pub unit: String,
    /// `pending`, `running`, `completed`, `failed`, `cancelled`, or `error` when it was refused before it started.
    pub status: String,
    /// Why it failed, else empty.
    pub message: String,
    /// What `action-set` set, nested at dots, with `return-code`, `stdout` and `stderr`.
    pub results: Map<String, Value>,
    /// `action-log` lines, each with its time before it.
    pub log: Vec<String>,
    /// When it was asked for, in nanoseconds since 1970.
    pub enqueued: i64,
    /// When it began; none if it did not yet, or was refused.
    pub started: Option<i64>,
}

impl ActionResult {
    /// A result by its dotted name, `backups.0.name`.
    pub fn result(&self, name: &str) -> Option<&Value> {
        let mut parts = name.split('.');
        let mut value = self.results.get(parts.next()?)?;
        for part in parts {
            value = value.get(part)?;
        }
        Some(value)
    }
}
