//! A simulated model with a Radarr in it, and what can be seen of it from outside.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use juju_sim::{Deploy, OperatorOptions, Options, Simulation};
use tempfile::TempDir;

use crate::binaries::Binaries;
use crate::{radarr, room};

/// The unit that runs Radarr.
pub const UNIT: &str = "radarr/0";
/// The relation's endpoint.
pub const ENDPOINT: &str = "velero-backup-config";

/// A model, in a folder that goes away with it.
pub struct SimulatedModel {
    /// The simulated Juju. Before `folder`, so that its processes end before their files go.
    pub juju: Simulation,
    folder: TempDir,
}

/// What a person could see of the app: the parts that must not depend on the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `active: message`.
    pub status: String,
    /// Version of the workload.
    pub version: String,
    /// Ports that are open.
    pub ports: Vec<String>,
    /// What the backup relation says, if there is one.
    pub databag: Option<BTreeMap<String, String>>,
    /// The app's config file, with the API key replaced by a word: `KEY` when it is the one in the secret.
    pub config_xml: Option<String>,
    /// How many secrets the app owns.
    pub secrets: usize,
    /// Whether Pebble says that the service runs.
    pub runs: bool,
    /// The pod's annotations for Velero, with the model's folder as `DIR`.
    pub marks: BTreeMap<String, String>,
    /// The names of the pod's volumes.
    pub volumes: Vec<String>,
    /// What the operator made: schedule and spec of each Schedule.
    pub schedules: Vec<velero_api::ScheduleSpec>,
}

impl SimulatedModel {
    /// An empty model.
    ///
    /// # Errors
    /// When the programs cannot be built or the folder not made.
    pub fn empty(options: Options) -> Result<Self> {
        Self::within(tempfile::tempdir().context("cannot make a folder")?, options)
    }

    /// An empty model in which there is room for a restore.
    ///
    /// # Errors
    /// As [`SimulatedModel::empty`], or when no disk has room.
    pub fn with_room(options: Options) -> Result<Self> {
        Self::within(room::folder()?, options)
    }

    fn within(folder: TempDir, options: Options) -> Result<Self> {
        let binaries = Binaries::for_tests()?;
        let options = Options {
            executable: Some(binaries.juju_sim.clone()),
            ..options
        };
        let juju = Simulation::create(folder.path().join("juju"), options)?;
        Ok(Self { juju, folder })
    }

    /// A model with Radarr deployed and settled.
    ///
    /// # Errors
    /// When it cannot be deployed.
    pub fn with_radarr(options: Options) -> Result<Self> {
        let mut house = Self::empty(options)?;
        let deploy = house.radarr()?;
        house.juju.deploy(deploy)?;
        Ok(house)
    }

    /// A model with Radarr deployed and integrated with velero-operator.
    ///
    /// # Errors
    /// When it cannot be deployed.
    pub fn with_backups() -> Result<Self> {
        let mut house = Self::with_radarr(Options::default())?;
        house.relate_velero()?;
        Ok(house)
    }

    /// Deploys a velero-operator and relates Radarr to it.
    ///
    /// # Errors
    /// When it is there already, or Radarr is not.
    pub fn relate_velero(&mut self) -> Result<()> {
        self.juju.deploy_velero_operator(OperatorOptions::default())?;
        self.juju.integrate("radarr", "velero-operator")?;
        Ok(())
    }

    /// Radarr, ready to be deployed here.
    ///
    /// # Errors
    /// When its charm cannot be laid out.
    pub fn radarr(&self) -> Result<Deploy> {
        radarr::deploy(&self.charm_dir(), Binaries::for_tests()?)
    }

    /// The same, with an app file that asks for weekly and monthly backups too.
    ///
    /// # Errors
    /// When its charm cannot be laid out.
    pub fn radarr_with_tiers(&self) -> Result<Deploy> {
        radarr::deploy_with_tiers(&self.charm_dir(), Binaries::for_tests()?)
    }

    /// Where Radarr's charm is laid out before it is deployed.
    pub fn charm_dir(&self) -> PathBuf {
        self.folder.path().join("charm")
    }

    /// The status line of the unit.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn status(&self) -> Result<String> {
        let status = self.juju.status(UNIT)?.workload;
        Ok(format!("{}: {}", status.current, status.message))
    }

    /// The file `name` of the config volume.
    pub fn config_path(&self, name: &str) -> PathBuf {
        self.juju.storage_dir(UNIT, "config").join(name)
    }

    /// The text of `config.xml`, if there is one.
    pub fn config_xml(&self) -> Option<String> {
        std::fs::read_to_string(self.config_path("config.xml")).ok()
    }

    /// The API key in the app's secret.
    pub fn api_key(&self) -> Option<String> {
        self.juju
            .secret_content("radarr", "api-key")?
            .get("api-key")
            .cloned()
    }

    /// Whether Pebble says that Radarr runs.
    ///
    /// # Errors
    /// When Pebble is not responding.
    pub fn runs(&self) -> Result<bool> {
        use juju_charm::pebble::{Client, Pebble, ServiceStatus};
        let client = Client::for_socket(self.juju.pebble_socket(UNIT, "radarr"));
        let services = client.services(&["radarr"])?;
        Ok(services
            .iter()
            .any(|service| service.current == ServiceStatus::Active))
    }

    /// What can be seen from outside.
    ///
    /// # Errors
    /// When something cannot be looked at.
    pub fn seen(&self) -> Result<Seen> {
        let status = self.juju.status(UNIT)?;
        let key = self.api_key();
        let config_xml = self.config_xml().map(|text| match &key {
            Some(key) => text.replace(key.as_str(), "KEY"),
            None => text,
        });
        let pod = self.juju.pod(UNIT).context("the unit has no pod")?;
        let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
        let volumes = volumes.filter_map(|volume| volume["name"].as_str().map(str::to_owned));
        let annotations = pod["metadata"]["annotations"].as_object();
        let folder = self.folder.path().display().to_string();
        let marks = annotations.into_iter().flatten();
        let marks = marks
            .filter(|(name, _)| name.contains("velero.io/"))
            .map(|(name, value)| {
                let value = value.as_str().unwrap_or_default();
                (name.clone(), value.replace(&folder, "DIR"))
            });
        let schedules = self
            .juju
            .schedules()
            .iter()
            .map(|schedule| schedule.spec.clone())
            .collect();
        Ok(Seen {
            status: format!("{}: {}", status.workload.current, status.workload.message),
            version: status.workload_version,
            ports: status.open_ports,
            databag: self
                .juju
                .app_bag("radarr", ENDPOINT)
                .map(|bag| bag.into_iter().collect()),
            config_xml,
            secrets: self.juju.model().secrets.len(),
            runs: self.runs()?,
            marks: marks.collect(),
            volumes: volumes.collect(),
            schedules,
        })
    }
}
