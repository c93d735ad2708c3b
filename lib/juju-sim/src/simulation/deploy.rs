//! Applications, units and pods: they come, are replaced, and go.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use juju_hook_tools::context::Event;
use juju_hook_tools::model::application_name;
use juju_hook_tools::tools;

use super::charm_folder::{self, CharmFolder, link, remove_folder, unpack};
use super::containers::ContainerSpec;
use super::store::AppRecord;
use super::{CharmhubOrigin, Deploy, Simulation, Workload};
use crate::agent::{AgentSocket, AgentState};
use crate::error::{Error, Result};
use crate::kubernetes::NoPods;
use crate::names;

impl Simulation {
    /// Deploys a charm folder and runs its first events.
    ///
    /// # Errors
    /// When the folder holds no charm, Juju would refuse the name, the name is taken, an option, container or resource is not the
    /// charm's, or the charm is none of Charmhub's and one of its OCI images is not given. A name that is too long for Kubernetes is no error, as in Juju: the application has no pods, and its status says
    /// so.
    pub fn deploy(&mut self, deploy: Deploy) -> Result<()> {
        let folder = charm_folder::read(&deploy.charm_dir)?;
        if deploy.charmhub.is_none() {
            folder.has_its_images(&deploy.resources)?;
        }
        let app = if deploy.app.is_empty() {
            folder.charm.name.clone()
        } else {
            deploy.app.clone()
        };
        names::check_application(&app)?;
        if let Some(unknown) = deploy
            .workloads
            .keys()
            .find(|name| !folder.charm.containers.contains(*name))
        {
            return Err(Error::refused(format!(
                "charm {:?} has no container {unknown:?}",
                folder.charm.name
            )));
        }
        self.refuse_existing(&app)?;
        self.may_attach(&deploy.attach, deploy.units)?;
        // Options are judged before anything exists: a refused deploy leaves nothing behind.
        let mut judged = self.state.model.clone();
        judged.deploy(&app, folder.charm.clone()).map_err(refusal)?;
        for (key, value) in &deploy.config {
            judged.set_config(&app, key, value).map_err(refusal)?;
        }
        judged.set_trust(&app, deploy.trust).map_err(refusal)?;
        let resources = self.place_resources(&app, &folder, &deploy.resources)?;
        if let Some(application) = judged.applications.get_mut(&app) {
            application.resources = resources;
        }
        let containers = self.container_specs_of(&app, &folder, &deploy.workloads)?;
        let revision = deploy.charmhub.as_ref().map_or(0, |origin| origin.revision);
        let charm_dir = self.store_charm(&app, revision, &deploy.charm_dir)?;
        self.state.model = judged;
        let record = AppRecord {
            charm_dir,
            revision,
            charmhub: deploy.charmhub.clone(),
            images: deploy
                .resources
                .into_keys()
                .filter(|name| folder.is_image(name))
                .collect(),
            containers,
            dying: false,
        };
        self.state.apps.insert(app.clone(), record);
        if !deploy.attach.is_empty() {
            self.add_unit(&app, &deploy.attach)?;
            return self.settle();
        }
        self.add_units(&app, deploy.units)
    }

    /// `juju add-unit APP -n COUNT`.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn add_units(&mut self, app: &str, count: u32) -> Result<()> {
        self.charmed(app)?;
        for _ in 0..count {
            self.add_unit(app, &[])?;
        }
        self.settle()
    }

    /// `juju scale-application APP COUNT`: Kubernetes removes the units with the highest numbers.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn scale(&mut self, app: &str, count: u32) -> Result<()> {
        self.charmed(app)?;
        let units = self.units(app);
        let wanted = count as usize;
        if units.len() < wanted {
            let missing = u32::try_from(wanted - units.len()).unwrap_or(0);
            return self.add_units(app, missing);
        }
        for unit in units.iter().skip(wanted).rev() {
            self.state.agents.entry(unit.clone()).or_default().dying = true;
        }
        self.settle()
    }

    /// `juju remove-application APP`: its relations break, its units go, then it is gone. Its volumes are kept aside.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn remove_application(&mut self, app: &str) -> Result<()> {
        if !self.state.model.applications.contains_key(app) {
            return Err(not_found(app));
        }
        let relations: Vec<u32> = self.relation_ids_of(app);
        for id in relations {
            self.end_relation(id)?;
        }
        if self.state.operators.remove(app).is_some() {
            self.settle()?;
            self.forget_operator_unit(app);
            self.state.model.applications.remove(app);
            return self.save();
        }
        if let Some(record) = self.state.apps.get_mut(app) {
            record.dying = true;
        }
        self.scale(app, 0)
    }

    /// `juju refresh APP --path CHARM_DIR`: another revision of the charm, in new pods.
    ///
    /// # Errors
    /// When there is no such application, or the folder holds no charm or another one.
    pub fn refresh(&mut self, app: &str, charm_dir: impl AsRef<Path>) -> Result<()> {
        self.refresh_from(app, charm_dir, None)
    }

    /// The same with a charm that comes from Charmhub, if it does.
    ///
    /// # Errors
    /// As [`Simulation::refresh`].
    pub fn refresh_from(
        &mut self,
        app: &str,
        charm_dir: impl AsRef<Path>,
        charmhub: Option<CharmhubOrigin>,
    ) -> Result<()> {
        let record = self.charmed(app)?.clone();
        if let Some(elsewhere) = self.units(app).into_iter().find(|unit| !self.is_here(unit)) {
            return Err(in_another_pod(&elsewhere));
        }
        let folder = charm_folder::read(charm_dir.as_ref())?;
        let revision = charmhub
            .as_ref()
            .map_or(record.revision + 1, |origin| origin.revision);
        let stored = self.store_charm(app, revision, charm_dir.as_ref())?;
        let mut containers = self.container_specs_of(app, &folder, &BTreeMap::new())?;
        for (name, spec) in &mut containers {
            if let Some(old) = record.containers.get(name) {
                *spec = ContainerSpec {
                    mounts: std::mem::take(&mut spec.mounts),
                    ..old.clone()
                };
            }
        }
        let application = self.state.model.applications.get(app);
        let old = &application.ok_or_else(|| not_found(app))?.charm.name;
        if *old != folder.charm.name {
            let new = &folder.charm.name;
            return Err(Error::refused(format!("cannot upgrade {old:?} to {new:?}")));
        }
        self.state.model.set_charm(app, folder.charm).map_err(refusal)?;
        let record = AppRecord {
            charm_dir: stored,
            revision,
            charmhub,
            images: record.images,
            containers,
            dying: false,
        };
        self.state.apps.insert(app.to_owned(), record);
        self.put_stateful_set(app);
        let mut units = self.units(app);
        units.retain(|unit| self.state.agents.contains_key(unit));
        for unit in units {
            self.replace_pod(&unit, true)?;
        }
        self.settle()
    }

    /// Replaces a unit's pod, as a node drain does. `gracefully`: the charm gets its stop hook first.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn churn_pod(&mut self, unit: &str, gracefully: bool) -> Result<()> {
        self.known_unit_here(unit)?;
        self.replace_pod(unit, gracefully)?;
        self.settle()
    }

    /// Restarts a container of a unit: its processes end, its root folder starts from the image again.
    ///
    /// # Errors
    /// When there is no such unit or container.
    pub fn restart_container(&mut self, unit: &str, container: &str) -> Result<()> {
        self.known_unit_here(unit)?;
        self.recreate_container(unit, container)?;
        self.settle()
    }

    fn add_unit(&mut self, app: &str, attach: &[String]) -> Result<()> {
        // Kubernetes numbers the pods of a StatefulSet from 0, without gaps, and Juju's units follow.
        let units = self.units(app);
        let free = (0..u32::MAX).find(|number| !units.contains(&format!("{app}/{number}")));
        let number = free.unwrap_or(u32::MAX);
        self.state.model.now = self.now();
        if let Some(application) = self.state.model.applications.get_mut(app) {
            application.next_unit = number;
        }
        let unit = self.state.model.add_unit(app).map_err(refusal)?;
        self.attach(&unit, attach);
        if self.no_pods(&unit).is_some() {
            // Without a pod there is no agent.
            return Ok(());
        }
        self.state.agents.insert(unit.clone(), AgentState::default());
        let paths = self.paths(&unit);
        if !self.state.options.layout.is_pod() {
            remove_folder(&paths.folder)?;
            for id in self.storage_of(&unit) {
                let (name, _) = id.split_once('/').unwrap_or((&id, ""));
                let place = self.storage_dir(&unit, name);
                std::fs::create_dir_all(&place).map_err(Error::io("create", &place))?;
            }
        }
        if !self.is_here(&unit) {
            // Its own pod joins; see `join`.
            return Ok(());
        }
        std::fs::create_dir_all(&paths.folder).map_err(Error::io("create", &paths.folder))?;
        self.new_pod(&unit)
    }

    /// The agent of a unit that the model knows begins its work in the pod that this runs in, at `address`.
    ///
    /// # Errors
    /// When there is no such unit here; else as [`Simulation::settle`].
    pub fn join(&mut self, unit: &str, address: Option<String>) -> Result<()> {
        self.known_unit_here(unit)?;
        if let Some(address) = address {
            self.state.options.addresses.insert(unit.to_owned(), address);
        }
        let folder = self.paths(unit).folder;
        std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
        self.new_pod(unit)?;
        self.settle()
    }

    /// The pod's own files: the charm, the tools, the containers. Storage and the model outlive them.
    fn new_pod(&mut self, unit: &str) -> Result<()> {
        let paths = self.paths(unit);
        let source = self.charmed(application_name(unit))?.charm_dir.clone();
        // The init container of each of several pods has laid out the charm in it; the first one's folder is out of reach.
        let is_laid_out = self.own.is_some() && paths.charm.is_dir() && !source.is_dir();
        if source != paths.charm && !is_laid_out {
            remove_folder(&paths.charm)?;
            unpack(&source, &paths.charm)?;
        }
        std::fs::create_dir_all(&paths.tools).map_err(Error::io("create", &paths.tools))?;
        for tool in tools::NAMES {
            link(&self.executable, &paths.tools.join(tool))?;
        }
        self.listen(unit)?;
        self.put_pod(unit);
        self.start_containers(unit)?;
        self.state.pods += 1;
        self.save()
    }

    pub(super) fn replace_pod(&mut self, unit: &str, gracefully: bool) -> Result<()> {
        if gracefully
            && self
                .state
                .agents
                .get(unit)
                .is_some_and(|agent| agent.started && agent.failed.is_none())
        {
            self.run_event(unit, Event::Stop)?;
        }
        self.stop_containers(unit)?;
        if let Some(agent) = self.state.agents.get_mut(unit) {
            agent.new_pod();
        }
        self.new_pod(unit)?;
        let address = self.pod_address(unit);
        if let Some(unit) = self.state.model.units.get_mut(unit) {
            unit.address = Some(address);
        }
        Ok(())
    }

    /// What is left to do for units and applications whose last event has run.
    pub(crate) fn bury(&mut self) -> Result<bool> {
        let is_gone =
            |agent: &AgentState| agent.removed || (agent.dying && !agent.installed && agent.failed.is_none());
        let agents = self.state.agents.iter();
        let gone: Vec<String> = agents
            .filter(|(_, agent)| is_gone(agent))
            .map(|(unit, _)| unit.clone())
            .collect();
        for unit in &gone {
            self.stop_containers(unit)?;
            self.sockets.remove(unit);
            self.state.cluster.lock().remove_pod(unit);
            self.keep_volumes(unit)?;
            self.state.model.forget_unit(unit);
            self.state.agents.remove(unit);
            self.state.faults.remove(unit);
            if !self.state.options.layout.is_pod() {
                remove_folder(&self.paths(unit).folder)?;
            }
        }
        let dying: Vec<String> = self
            .state
            .apps
            .iter()
            .filter(|(_, record)| record.dying)
            .map(|(app, _)| app.clone())
            .collect();
        for app in dying {
            if self.units(&app).is_empty() {
                for id in self.relation_ids_of(&app) {
                    self.state.model.remove_relation(id).map_err(refusal)?;
                }
                self.state.model.applications.remove(&app);
                self.state.apps.remove(&app);
                let mut objects = self.state.cluster.lock();
                objects.remove_stateful_set(&app);
                objects.accounts.remove(&app);
            }
        }
        Ok(!gone.is_empty())
    }

    /// Juju 4.0 deletes the claim of a removed unit and leaves the volume: its files move aside.
    fn keep_volumes(&mut self, unit: &str) -> Result<()> {
        if self.state.options.layout.is_pod() {
            return Ok(());
        }
        for id in self.storage_of(unit) {
            let (name, _) = id.split_once('/').unwrap_or((&id, ""));
            let (from, folder) = (self.storage_dir(unit, name), self.dir().join("released"));
            std::fs::create_dir_all(&folder).map_err(Error::io("create", &folder))?;
            let to = folder.join(id.replace('/', "-"));
            remove_folder(&to)?;
            if from.is_dir() {
                std::fs::rename(&from, &to).map_err(Error::io("move", &from))?;
            }
        }
        Ok(())
    }

    pub(crate) fn listen(&mut self, unit: &str) -> Result<()> {
        self.sockets.remove(unit);
        let path = self.paths(unit).socket;
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(Error::io("create", folder))?;
        }
        self.sockets.insert(unit.to_owned(), AgentSocket::listen(&path)?);
        self.write_kubeconfig(unit)
    }

    pub(crate) fn listen_for_all(&mut self) -> Result<()> {
        let units = self.units_here();
        units.iter().try_for_each(|unit| self.listen(unit))
    }

    fn refuse_existing(&self, app: &str) -> Result<()> {
        if self.state.model.applications.contains_key(app) {
            return Err(Error::refused(format!(
                "cannot deploy {app:?}: application {app:?} already exists"
            )));
        }
        Ok(())
    }

    /// An application that has a charm folder, as opposed to the stand-in operator.
    pub(crate) fn charmed(&self, app: &str) -> Result<&AppRecord> {
        self.state
            .apps
            .get(app)
            .ok_or_else(|| match self.state.model.applications.contains_key(app) {
                true => Error::refused(format!(
                    "application {app:?} is a stand-in and cannot be changed like this"
                )),
                false => not_found(app),
            })
    }

    pub(crate) fn known_unit(&self, unit: &str) -> Result<()> {
        if self.state.agents.contains_key(unit) {
            return Ok(());
        }
        Err(Error::refused(match self.no_pods(unit) {
            Some(NoPods::Refused(reason) | NoPods::NeverMade(reason))
                if self.state.model.units.contains_key(unit) =>
            {
                format!("unit {unit:?} has no pod: {reason}")
            }
            Some(_) | None => format!("unit {unit:?} not found"),
        }))
    }

    /// As [`Simulation::known_unit`], and its pod is this one.
    pub(crate) fn known_unit_here(&self, unit: &str) -> Result<()> {
        self.known_unit(unit)?;
        match self.is_here(unit) {
            true => Ok(()),
            false => Err(in_another_pod(unit)),
        }
    }

    pub(crate) fn storage_of(&self, unit: &str) -> Vec<String> {
        let storages = self.state.model.storages.values();
        storages
            .filter(|storage| storage.unit.as_deref() == Some(unit))
            .map(|storage| storage.id.clone())
            .collect()
    }

    pub(crate) fn relation_ids_of(&self, app: &str) -> Vec<u32> {
        let relations = self.state.model.relations.values();
        relations
            .filter(|relation| relation.endpoint_of(app).is_some())
            .map(|relation| relation.id)
            .collect()
    }

    fn store_charm(&self, app: &str, revision: u32, from: &Path) -> Result<PathBuf> {
        if self.state.options.layout.is_pod() {
            // The pod's image or init container has put the charm in its place.
            return std::fs::canonicalize(from).map_err(Error::io("find", from));
        }
        let to = self.dir().join("charms").join(format!("{app}-{revision}"));
        remove_folder(&to)?;
        unpack(from, &to)?;
        Ok(to)
    }

    fn place_resources(
        &self,
        app: &str,
        folder: &CharmFolder,
        given: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>> {
        let mut placed = BTreeMap::new();
        for (name, value) in given {
            if !folder.charm.resources.contains(name) {
                return Err(Error::refused(format!("unrecognized resource {name:?}")));
            }
            if folder.is_image(name) {
                continue;
            }
            let path = Path::new(value);
            let to = self.dir().join("resources").join(app).join(name);
            std::fs::create_dir_all(&to).map_err(Error::io("create", &to))?;
            let to = to.join(path.file_name().unwrap_or_default());
            std::fs::copy(path, &to).map_err(Error::io("copy", path))?;
            placed.insert(name.clone(), to.display().to_string());
        }
        Ok(placed)
    }

    fn container_specs_of(
        &self,
        app: &str,
        folder: &CharmFolder,
        workloads: &BTreeMap<String, Workload>,
    ) -> Result<BTreeMap<String, ContainerSpec>> {
        let mut specs = BTreeMap::new();
        for name in &folder.charm.containers {
            let mounts = folder.mounts.get(name).cloned().unwrap_or_default();
            let mut spec = ContainerSpec {
                mounts,
                ..ContainerSpec::default()
            };
            let image = self.dir().join("images").join(format!("{app}-{name}"));
            match workloads.get(name) {
                None | Some(Workload::Image(None)) => {}
                Some(Workload::External(socket)) => spec.external = Some(socket.clone()),
                Some(Workload::Image(Some(from))) => {
                    remove_folder(&image)?;
                    unpack(from, &image)?;
                    spec.image = Some(image);
                }
                Some(Workload::Fill(fill)) => {
                    remove_folder(&image)?;
                    std::fs::create_dir_all(&image).map_err(Error::io("create", &image))?;
                    fill(&image).map_err(Error::io("fill", &image))?;
                    spec.image = Some(image);
                }
            }
            specs.insert(name.clone(), spec);
        }
        Ok(specs)
    }
}

/// A refusal of the model, in Juju's words.
pub(crate) fn refusal(error: juju_hook_tools::model::ModelError) -> Error {
    Error::Refused(error.to_string())
}

pub(crate) fn not_found(app: &str) -> Error {
    Error::refused(format!("application {app:?} not found"))
}

/// A unit that cannot be reached from here.
fn in_another_pod(unit: &str) -> Error {
    Error::refused(format!("unit {unit:?} is in another pod; ask its own agent"))
}
