//! What can be seen of a simulation. Nothing here changes it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use jiff::Timestamp;
use juju_hook_tools::model::{Databag, SecretOwner, Status};

use super::deploy::not_found;
use super::{Clock, Simulation, StatusInfo, UnitStatus};
use crate::agent::DispatchReport;
use crate::error::{Error, Result};
use crate::kubernetes::NoPods;

impl Simulation {
    /// What `juju status` says of a unit.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn status(&self, unit: &str) -> Result<UnitStatus> {
        let stored = self.state.model.units.get(unit);
        let stored = stored.ok_or_else(|| Error::refused(format!("unit {unit:?} not found")))?;
        let mut workload = status_info(&stored.status);
        let agent = self.state.agents.get(unit);
        let has_no_pod = agent.is_none() && self.no_pods(unit).is_some();
        if has_no_pod {
            workload.current = Status::Waiting.as_str().to_owned();
            workload.message = "installing agent".to_owned();
        }
        if let Some(failed) = agent.and_then(|agent| agent.failed.as_ref()) {
            workload.current = Status::Error.as_str().to_owned();
            workload.message = format!("hook failed: {:?}", failed.name(&self.state.model, unit));
        }
        let since = workload.since;
        let resting = StatusInfo {
            current: if has_no_pod { "allocating" } else { "idle" }.to_owned(),
            message: String::new(),
            since,
        };
        Ok(UnitStatus {
            workload,
            agent: self.executing(unit)?.unwrap_or(resting),
            leader: self.state.model.is_leader(unit),
            address: stored.address.clone().unwrap_or_default(),
            workload_version: stored.workload_version.clone(),
            open_ports: stored
                .opened_ports
                .values()
                .flatten()
                .map(ToString::to_string)
                .collect(),
        })
    }

    /// What the agent is doing if it runs an action: `SetExecutingStatus` in `internal/worker/uniter/operation/runaction.go` of
    /// juju/juju.
    fn executing(&self, unit: &str) -> Result<Option<StatusInfo>> {
        if self.store.is_locked() {
            // Then no other process runs one.
            return Ok(None);
        }
        let operations = self.operations.read()?.operations.into_values();
        let mut running = operations.filter(|one| one.task.status == "running" && one.task.unit == unit);
        Ok(running.next().map(|operation| StatusInfo {
            current: "executing".to_owned(),
            message: format!("running action {}", operation.action),
            since: operation.task.started.unwrap_or(0) / 1_000_000_000,
        }))
    }

    /// What `juju status` says of an application: what its leader set, else its unit that is worst off.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn app_status(&self, app: &str) -> Result<StatusInfo> {
        let application = self
            .state
            .model
            .applications
            .get(app)
            .ok_or_else(|| not_found(app))?;
        if let Some(unit) = self.units(app).first()
            && let Some(problem) = self.no_pods(unit)
        {
            let (current, message) = match problem {
                NoPods::Refused(reason) => (Status::Error, reason),
                NoPods::NeverMade(_) => (Status::Waiting, "waiting for units to settle down".to_owned()),
            };
            return Ok(StatusInfo {
                current: current.as_str().to_owned(),
                message,
                since: application.status.as_ref().map_or(0, |status| status.since),
            });
        }
        if let Some(set) = application
            .status
            .as_ref()
            .filter(|set| set.status != Status::Unknown)
        {
            return Ok(status_info(set));
        }
        // `status.go` of juju/juju: the status that needs most attention wins.
        let order = [
            "error",
            "blocked",
            "maintenance",
            "waiting",
            "active",
            "terminated",
            "unknown",
        ];
        let mut worst: Option<(usize, StatusInfo)> = None;
        for unit in self.units(app) {
            let status = self.status(&unit)?.workload;
            let rank = order
                .iter()
                .position(|name| *name == status.current)
                .unwrap_or(order.len());
            if worst.as_ref().is_none_or(|(found, _)| rank < *found) {
                worst = Some((rank, status));
            }
        }
        let none = || StatusInfo {
            current: "unknown".to_owned(),
            ..StatusInfo::default()
        };
        Ok(worst.map_or_else(none, |(_, status)| status))
    }

    /// The names of an application's units, in order of their number.
    pub fn units(&self, app: &str) -> Vec<String> {
        self.state.model.units_of(app)
    }

    /// The application bag that `app` wrote at `endpoint`, of the first relation there; none without a relation.
    pub fn app_bag(&self, app: &str, endpoint: &str) -> Option<Databag> {
        let mut relations = self.state.model.relations.values();
        let relation = relations.find(|relation| relation.endpoint_of(app) == Some(endpoint))?;
        Some(relation.application_data.get(app).cloned().unwrap_or_default())
    }

    /// The latest content of the secret that `app` (or one of its units) owns under `label`; none if there is none.
    pub fn secret_content(&self, app: &str, label: &str) -> Option<BTreeMap<String, String>> {
        let is_owned = |owner: &SecretOwner| match owner {
            SecretOwner::Application(name) => name == app,
            SecretOwner::Unit(unit) => juju_hook_tools::model::application_name(unit) == app,
            SecretOwner::Model => false,
        };
        let mut secrets = self.state.model.secrets.values();
        let secret = secrets.find(|secret| is_owned(&secret.owner) && secret.label == label)?;
        let content = &secret.revisions.get(&secret.latest())?.content;
        let decode = |value: &String| {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(value)
                .unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Some(
            content
                .iter()
                .map(|(key, value)| (key.clone(), decode(value)))
                .collect(),
        )
    }

    /// Every dispatch since this value was made, oldest first.
    pub fn dispatches(&self) -> &[DispatchReport] {
        &self.reports
    }

    /// What the unit's hooks and the charm logged, as `juju debug-log` shows it; empty before its first event.
    ///
    /// # Errors
    /// When there is no such unit, or its log cannot be read.
    pub fn unit_log(&self, unit: &str) -> Result<String> {
        self.known_unit(unit)?;
        let path = self.paths(unit).log;
        match std::fs::read(&path) {
            Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(String::new()),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// The root folder of a simulated container.
    pub fn container_root(&self, unit: &str, container: &str) -> PathBuf {
        self.paths(unit).roots.join(container)
    }

    /// The mount point of the unit's storage of this name in the charm container. Juju 4.0 names it `config-0`, 3.6
    /// `config/0`; the number is the place among the unit's storage of that name, not the storage's own.
    pub fn storage_dir(&self, unit: &str, name: &str) -> PathBuf {
        let folder = self.paths(unit).storage;
        if self.state.model.juju_version.is_3() {
            folder.join(name).join("0")
        } else {
            folder.join(format!("{name}-0"))
        }
    }

    /// The socket of a container's Pebble.
    pub fn pebble_socket(&self, unit: &str, container: &str) -> PathBuf {
        self.paths(unit).containers.join(container).join("pebble.socket")
    }

    /// The files of a removed unit's storage, by the storage's id, `config/0`. Juju leaves the volume behind.
    pub fn released_volume(&self, storage: &str) -> PathBuf {
        self.dir().join("released").join(storage.replace('/', "-"))
    }

    /// Where an application's charm comes from; `None` for a file.
    pub fn charmhub_origin(&self, app: &str) -> Option<&super::CharmhubOrigin> {
        self.state.apps.get(app)?.charmhub.as_ref()
    }

    /// The resources of an application that are OCI images and were given with its charm.
    pub fn images_of(&self, app: &str) -> impl Iterator<Item = &str> {
        let images = self.state.apps.get(app).map(|record| &record.images);
        images.into_iter().flatten().map(String::as_str)
    }

    /// `charm-rev`: 0 for a freshly deployed local charm, one more with each refresh.
    pub fn charm_revision(&self, app: &str) -> u32 {
        self.state.apps.get(app).map_or(0, |record| record.revision)
    }

    /// The address of a unit's pod, another one for each pod.
    pub(crate) fn pod_address(&self, unit: &str) -> String {
        let given = self.state.options.addresses.get(unit).cloned();
        let number = self.state.pods;
        given.unwrap_or_else(|| format!("10.124.{}.{}", number / 250, number % 250 + 1))
    }
}

fn status_info(status: &juju_hook_tools::model::StatusInfo) -> StatusInfo {
    StatusInfo {
        current: status.status.as_str().to_owned(),
        message: status.message.clone(),
        since: status.since,
    }
}

/// `23 Nov 2026 09:25:07Z`, as `juju status` writes times.
pub(crate) fn status_time(seconds: i64) -> String {
    timestamp(seconds).strftime("%d %b %Y %H:%M:%SZ").to_string()
}

/// `2026-11-23 09:25:04.901030446 +0000 UTC`, as `juju run` writes times: as Go does, without zeros at the end.
pub(crate) fn action_time(nanoseconds: i64) -> String {
    instant(nanoseconds)
        .strftime("%Y-%m-%d %H:%M:%S%.f +0000 UTC")
        .to_string()
}

/// `2026-11-23T09:25:04`, as the table of `juju operations` has times.
pub(crate) fn table_time(nanoseconds: i64) -> String {
    instant(nanoseconds).strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// `2026-11-23 09:25:04`, as `juju cancel-task` writes a time.
pub(crate) fn plain_time(nanoseconds: i64) -> String {
    instant(nanoseconds).strftime("%Y-%m-%d %H:%M:%S").to_string()
}

fn instant(nanoseconds: i64) -> Timestamp {
    Timestamp::from_nanosecond(nanoseconds.into()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Nanoseconds since 1970, for a simulation with this clock that has seen so many dispatches.
pub(crate) fn moment(clock: Clock, dispatches: u64) -> i64 {
    match clock {
        Clock::System => i64::try_from(Timestamp::now().as_nanosecond()).unwrap_or(i64::MAX),
        Clock::From(start) => start
            .saturating_add(i64::try_from(dispatches).unwrap_or(i64::MAX))
            .saturating_mul(1_000_000_000),
    }
}

/// `09:25:04`, as `juju debug-log` writes times.
pub(crate) fn clock_time(seconds: i64) -> String {
    timestamp(seconds).strftime("%H:%M:%S").to_string()
}

fn timestamp(seconds: i64) -> Timestamp {
    Timestamp::from_second(seconds).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The executable behind hook tools and simulated Pebbles: the one that is named, or `JUJU_SIM_EXECUTABLE`, or the
/// running one if it is `juju-sim`, or `juju-sim` in the folder of the running one or above it, where Cargo puts it.
///
/// # Errors
/// When there is none.
pub fn find_executable(named: Option<&Path>) -> Result<PathBuf> {
    if let Some(named) = named {
        return std::fs::canonicalize(named).map_err(Error::io("find", named));
    }
    if let Some(named) = std::env::var_os("JUJU_SIM_EXECUTABLE") {
        let named = PathBuf::from(named);
        return std::fs::canonicalize(&named).map_err(Error::io("find", &named));
    }
    let running = std::env::current_exe().map_err(Error::io("find", "the running executable"))?;
    let found = running
        .ancestors()
        .skip(1)
        .take(3)
        .map(|folder| folder.join("juju-sim"))
        .find(|path| path.is_file());
    found.ok_or_else(|| Error::NoExecutable {
        near: running.parent().map(Path::to_path_buf).unwrap_or_default(),
    })
}
