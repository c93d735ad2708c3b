//! Keeps the stand-in Kubernetes in step with the model: a pod for each unit, its claims, who is trusted.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicI32;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::Simulation;
use crate::agent::{At, DispatchReport, Effect, Fault, ToolCall};
use crate::error::{Error, Result};
use crate::kubernetes::{
    ClusterOptions, ClusterRequest, NoPods, PlannedKill, PodParts, STORAGE, Server, StorageParts, Working,
};

/// A dispatch that may write to the cluster.
pub(crate) struct Writes {
    /// How many requests there were before it.
    before: usize,
    /// Whether it is to be cut off at a write.
    is_kill_planned: bool,
}

/// The storage location that velero-operator makes.
const LOCATION: &str = "default";

impl Simulation {
    /// The pod of a unit as the stand-in Kubernetes has it; none in a real pod.
    pub fn pod(&self, unit: &str) -> Option<Value> {
        self.state
            .cluster
            .lock()
            .pods
            .get(&unit.replace('/', "-"))
            .cloned()
    }

    /// The claim of this name as the stand-in Kubernetes has it.
    pub fn claim(&self, name: &str) -> Option<Value> {
        self.state.cluster.lock().claims.get(name).cloned()
    }

    /// An object that a charm has applied, by kind as in a path: `configmaps`, `networkpolicies`.
    pub fn applied(&self, kind: &str, name: &str) -> Option<Value> {
        self.state.cluster.lock().applied(kind, name).cloned()
    }

    /// Deletes such an object as somebody else would; tells whether there was one.
    pub fn delete_applied(&mut self, kind: &str, name: &str) -> bool {
        self.state.cluster.lock().delete_applied(kind, name)
    }

    /// The service accounts that carry an application's label, by name: its own, and one for each hook that read a secret.
    /// A backup that selects service accounts holds them all.
    pub fn service_accounts(&self, app: &str) -> Vec<String> {
        let objects = self.state.cluster.lock();
        let of_app = objects
            .accounts
            .iter()
            .filter(|(_, account)| account["metadata"]["labels"]["app.kubernetes.io/name"] == app);
        of_app.map(|(name, _)| name.clone()).collect()
    }

    /// Every request to the stand-in Kubernetes so far, oldest first.
    pub fn cluster_requests(&self) -> Vec<ClusterRequest> {
        self.state.cluster.lock().requests.clone()
    }

    /// Makes up the stand-in cluster anew, for what is asked from now on. Volumes that are there stay what they are.
    pub fn change_cluster(&mut self, options: ClusterOptions) {
        self.state.cluster.lock().options = options;
    }

    /// Changes a label of a claim; `None` removes it. For claims that were made by another hand.
    ///
    /// # Errors
    /// When there is no such claim.
    pub fn relabel_claim(&mut self, name: &str, label: &str, value: Option<&str>) -> Result<()> {
        let mut objects = self.state.cluster.lock();
        let claim = objects.claims.get_mut(name);
        let labels = claim.and_then(|claim| claim.pointer_mut("/metadata/labels")?.as_object_mut());
        let labels = labels.ok_or_else(|| Error::refused(format!("claim {name:?} not found")))?;
        match value {
            Some(value) => labels.insert(label.to_owned(), value.into()),
            None => labels.remove(label),
        };
        Ok(())
    }

    pub(crate) fn start_cluster(&mut self) -> Result<()> {
        if !self.state.options.layout.is_pod() {
            self.state.cluster.lock().working = Working::of(self.dir().join(STORAGE));
            self.kubernetes = Some(Server::start(self.state.cluster.clone())?);
        }
        Ok(())
    }

    /// The file that tells a unit's hooks how to reach the stand-in Kubernetes.
    pub(crate) fn kubeconfig(&self, unit: &str) -> PathBuf {
        self.paths(unit).folder.join("kubeconfig")
    }

    /// The server has another port in each process.
    pub(crate) fn write_kubeconfig(&self, unit: &str) -> Result<()> {
        let Some(server) = &self.kubernetes else {
            return Ok(());
        };
        let path = self.kubeconfig(unit);
        let text = server.kubeconfig(unit, &self.state.model.name);
        std::fs::write(&path, text).map_err(Error::io("write", &path))
    }

    /// Puts an object of Velero's where it can be listed: a Backup, a PodVolumeBackup or a BackupStorageLocation. The Schedules
    /// are those of the stand-in velero-operators.
    ///
    /// # Errors
    /// When the stand-in does not list objects of this kind.
    pub fn put_velero_object(&mut self, object: Value) -> Result<()> {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        if self.state.cluster.lock().velero.put(object) {
            Ok(())
        } else {
            Err(Error::refused(format!("the stand-in does not list {kind:?}")))
        }
    }

    /// A Velero reads what is stored, from now on all the time.
    pub fn let_velero_read(&mut self) {
        self.state.options.cluster.velero_has_read = true;
        self.put_what_operators_make();
    }

    /// What the stand-in velero-operators make, as Kubernetes has it: their Schedules, and the storage location of those that have a
    /// storage provider. Without a Velero at work nobody has read what is stored there.
    pub(crate) fn put_what_operators_make(&mut self) {
        let namespace = self.state.model.name.clone();
        let mut operators = self.state.operators.values();
        let has_storage = operators.any(|operator| operator.options.storage_configured);
        let mut location = json!({
            "apiVersion": "velero.io/v1", "kind": "BackupStorageLocation",
            "metadata": {"name": LOCATION, "namespace": namespace},
            "spec": {"provider": "aws", "default": true}, "status": {"phase": "Available"},
        });
        let options = &self.state.options.cluster;
        if options.velero_works || options.velero_has_read {
            let now = Timestamp::from_second(self.now()).unwrap_or(Timestamp::UNIX_EPOCH);
            location["status"]["lastSyncedTime"] = json!(now.to_string());
        }
        {
            let velero = &mut self.state.cluster.lock().velero;
            velero.remove("backupstoragelocations", &namespace, LOCATION);
            if has_storage {
                velero.put(location);
            }
        }
        let schedules = self.schedules();
        let objects = schedules
            .iter()
            .filter_map(|schedule| serde_json::to_value(schedule).ok());
        self.state
            .cluster
            .lock()
            .velero
            .replace("schedules", objects.collect());
    }

    /// Makes a claim in the model's namespace that is no application's storage, as a charm that provides media does.
    pub fn make_claim(&mut self, name: &str) {
        self.state.cluster.lock().put_shared_claim(name);
    }

    /// Makes a pod in the model's namespace that is no unit's and mounts a claim, as other software does.
    pub fn make_pod(&mut self, name: &str, claim: &str) {
        self.state.cluster.lock().put_other_pod(name, claim);
    }

    /// Removes a pod that is no unit's.
    pub fn delete_pod(&mut self, name: &str) {
        self.state.cluster.lock().pods.remove(name);
    }

    /// Replaces pods that are not what their StatefulSet says now. Says whether there were any.
    pub(crate) fn replace_outdated_pods(&mut self) -> Result<bool> {
        let units = self.state.cluster.lock().outdated();
        for unit in &units {
            self.replace_pod(unit, true)?;
        }
        Ok(!units.is_empty())
    }

    /// Writes the StatefulSet of an application anew, as Juju does for another revision of its charm.
    pub(crate) fn put_stateful_set(&mut self, app: &str) {
        if let Some(unit) = self.units(app).first() {
            let parts = self.pod_parts(unit);
            self.state.cluster.lock().put_stateful_set(&parts);
        }
    }

    /// Notes in the cluster what a unit's hook did that leaves something there.
    pub(crate) fn tell_cluster_of_hook(&mut self, report: &DispatchReport) {
        let has_read = |call: &ToolCall| call.tool == "secret-get" && call.code == 0;
        // In a real pod Kubernetes is real too.
        if !self.state.options.layout.is_pod() && report.tools.iter().any(has_read) {
            let app = juju_hook_tools::model::application_name(&report.unit);
            self.state.cluster.lock().put_secret_consumer(app);
        }
    }

    /// Lets a fault happen at the dispatch's writes, if it is meant for one.
    pub(crate) fn begin_writes(&self, unit: &str, fault: Option<&Fault>, group: &Arc<AtomicI32>) -> Writes {
        let mut objects = self.state.cluster.lock();
        objects.kill = fault.and_then(|fault| match (&fault.at, &fault.effect) {
            (At::Write(write), effect @ (Effect::KillBefore | Effect::KillAfter)) => Some(PlannedKill {
                unit: unit.to_owned(),
                write: *write,
                after: *effect == Effect::KillAfter,
                group: Arc::clone(group),
            }),
            (At::Write(_), Effect::Fail { .. }) | (At::Call(_) | At::Tool(_), _) => None,
        });
        Writes {
            before: objects.requests.len(),
            is_kill_planned: objects.kill.is_some(),
        }
    }

    /// How many writes the dispatch made since then, and whether it was cut off at one of them.
    pub(crate) fn end_writes(&self, unit: &str, begun: &Writes) -> (usize, bool) {
        let mut objects = self.state.cluster.lock();
        let requests = objects.requests.iter().skip(begun.before);
        let writes = requests.filter(|request| request.unit == unit && request.is_write());
        let writes = writes.count();
        (writes, begun.is_kill_planned && objects.kill.take().is_none())
    }

    /// Why Kubernetes makes no pod of a unit of a charm; none if it does.
    pub(crate) fn no_pods(&self, unit: &str) -> Option<NoPods> {
        let app = juju_hook_tools::model::application_name(unit);
        // In a real pod Kubernetes is real too.
        if self.state.options.layout.is_pod() || !self.state.apps.contains_key(app) {
            return None;
        }
        let parts = self.pod_parts(unit);
        self.state.cluster.lock().no_pods(&parts)
    }

    pub(crate) fn put_pod(&mut self, unit: &str) {
        let parts = self.pod_parts(unit);
        self.state.cluster.lock().put_pod(&parts);
    }

    fn pod_parts(&self, unit: &str) -> PodParts {
        let app = juju_hook_tools::model::application_name(unit);
        let containers = self
            .state
            .apps
            .get(app)
            .map(|record| record.containers.clone())
            .unwrap_or_default();
        let storage = self.storage_of(unit).into_iter().map(|id| {
            let name = id.split('/').next().unwrap_or_default().to_owned();
            let mounts = containers.iter().flat_map(|(container, spec)| {
                let mounted = spec.mounts.iter().filter(|mount| mount.storage == name);
                mounted.map(|mount| (container.clone(), mount.location.clone()))
            });
            let mounts = mounts.collect();
            let volume = self.state.cluster.lock().imported.get(&id).cloned();
            StorageParts {
                volume,
                location: self.storage_dir(unit, &name).display().to_string(),
                name,
                mounts,
            }
        });
        PodParts {
            unit: unit.to_owned(),
            storage: storage.collect(),
            containers: containers.keys().cloned().collect(),
        }
    }

    pub(crate) fn tell_cluster_of_trust(&mut self) {
        let applications = self.state.model.applications.iter();
        let trusted = applications
            .filter(|(_, app)| app.trust)
            .map(|(name, _)| name.clone())
            .collect();
        self.state.cluster.lock().trusted = trusted;
    }
}
