//! The life of one app, event by event, with everything that takes turns in each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bench_programs::{Dispatch, read_dispatches};
use juju_sim::{Event, OperatorOptions, Options, Simulation, Workload};
use pebble_contract::process::Process;
use system_tests::house::UNIT;
use system_tests::radarr;
use tempfile::TempDir;

use super::backups;
use super::front::Fronts;
use super::pebble::RealPebble;
use super::programs::{CHARM, Programs};
use super::python::Python;
use super::trace::{self, Traced};

/// How often a steady event is dispatched in one life.
const STEADY: usize = 3;

/// Where the charm keeps what it saw of the cluster.
const SEEN: &str = "cluster-seen.json";

/// Who takes turns in each dispatch of a life, by the names that `turns` knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turns {
    /// The floors around the charm, first the one that does nothing.
    NothingFirst,
    /// The charm first.
    CharmFirst,
    /// The charm and its floor below strace, which counts and disturbs.
    Traced,
}

impl Turns {
    fn text(self) -> &'static str {
        match self {
            Turns::NothingFirst => "nothing\ncharm\nreplay\nasking\n",
            Turns::CharmFirst => "charm\nasking\nreplay\nnothing\n",
            Turns::Traced => "strace-charm\nstrace-replay\n",
        }
    }
}

/// One event of a life.
#[derive(Debug, Clone)]
pub struct Measured {
    /// Its name in the table, `update-status, trusted`.
    pub event: String,
    /// What was measured.
    pub dispatch: Dispatch,
    /// What the charm and the replay did below strace, in a life that is traced.
    pub traced: Option<[Traced; 2]>,
}

/// What a life is played with.
#[derive(Debug, Clone, Copy)]
pub struct Setup<'a> {
    /// Who takes turns.
    pub turns: Turns,
    /// The Pebble; none: the simulated one.
    pub pebble: Option<&'a RealPebble>,
    /// What stands for the charm; none: the charm as it is packed.
    pub python: Option<&'a Python>,
}

impl Setup<'_> {
    /// The packed charm under the simulated Pebble.
    pub fn of(turns: Turns) -> Self {
        Setup {
            turns,
            pebble: None,
            python: None,
        }
    }
}

/// A deployed app.
pub struct Bed {
    /// The simulated Juju.
    pub juju: Simulation,
    /// It ends before its files go.
    pebble: Option<Process>,
    folder: TempDir,
    turns: Turns,
}

impl Bed {
    /// An empty model, and Radarr's charm ready to be deployed in it.
    ///
    /// # Errors
    /// When something cannot be laid out.
    pub fn new(programs: &Programs, fronts: &Fronts, setup: Setup<'_>) -> Result<Bed> {
        let folder = tempfile::tempdir()?;
        let own = folder.path().join("bench");
        std::fs::create_dir(&own)?;
        std::fs::write(own.join("turns"), setup.turns.text())?;
        std::fs::write(own.join("kubeconfig"), fronts.charm.kubeconfig(UNIT))?;
        std::fs::write(own.join("floor-server"), fronts.floor.server().text())?;
        let environment = BTreeMap::from([("BENCH_FOLDER".to_owned(), own.display().to_string())]);
        let options = Options {
            executable: Some(programs.binaries.juju_sim.clone()),
            environment,
            ..Options::default()
        };
        let juju = Simulation::create(folder.path().join("juju"), options)?;
        let paths = juju.paths(UNIT);
        let kubeconfig = paths.folder.join("kubeconfig");
        fronts.charm.stand_before(&kubeconfig, &own.join("api-traffic"));
        fronts.floor.stand_before(&kubeconfig, &own.join("floor-traffic"));
        // There as soon as the container's Pebble is, if that is the simulated one.
        let connections = paths.containers.join("radarr/pebble.connections");
        std::os::unix::fs::symlink(connections, own.join("pebble-connections"))?;
        let charm = folder.path().join("charm");
        radarr::charm_folder(&charm, &programs.binaries)?;
        programs.lay_out(&charm, &own)?;
        if let Some(python) = setup.python {
            python.lay_out(&charm, CHARM)?;
        }
        let pebble = match setup.pebble {
            Some(pebble) => Some(pebble.start(folder.path(), &juju, UNIT, &programs.binaries)?),
            None => None,
        };
        Ok(Bed {
            juju,
            pebble,
            folder,
            turns: setup.turns,
        })
    }

    /// Deploys the app and says what that cost.
    ///
    /// # Errors
    /// When an event fails.
    pub fn deploy(&mut self, programs: &Programs) -> Result<Vec<Measured>> {
        let workload = match &self.pebble {
            Some(pebble) => Workload::External(pebble.client().socket().to_owned()),
            None => radarr::image(&programs.binaries),
        };
        let deploy = juju_sim::Deploy::new("radarr", self.folder.path().join("charm"))
            .resource(radarr::RESOURCE, radarr::IMAGE)
            .workload("radarr", workload);
        self.juju.deploy(deploy)?;
        self.measured("")
    }

    /// Integrates it with velero-operator and says what that cost.
    ///
    /// # Errors
    /// When an event fails.
    pub fn integrate(&mut self) -> Result<Vec<Measured>> {
        self.juju.deploy_velero_operator(OperatorOptions::default())?;
        self.juju.integrate("radarr", "velero-operator")?;
        self.measured("")
    }

    /// Dispatches update-status, and says what that cost.
    ///
    /// # Errors
    /// When it fails.
    pub fn update_status(&mut self, suffix: &str) -> Result<Vec<Measured>> {
        self.juju.dispatch(UNIT, Event::UpdateStatus)?;
        self.measured(suffix)
    }

    /// The time is over for which counts what the charm saw of the cluster: the next event looks.
    ///
    /// # Errors
    /// When the charm has kept nothing.
    pub fn time_passes(&self) -> Result<()> {
        let agent = self.juju.paths(UNIT).charm;
        let agent = agent.parent().context("the charm's folder has no parent")?;
        std::fs::remove_file(agent.join(SEEN)).context("cannot remove what the charm saw")
    }

    /// Dispatches config-changed without a change, and says what that cost.
    ///
    /// # Errors
    /// When it fails.
    pub fn config_changed(&mut self) -> Result<Vec<Measured>> {
        self.juju.dispatch(UNIT, Event::ConfigChanged)?;
        self.measured("")
    }

    /// Trusts it and says what that cost.
    ///
    /// # Errors
    /// When an event fails.
    pub fn trust(&mut self) -> Result<Vec<Measured>> {
        self.juju.trust("radarr", true)?;
        self.measured(" (trust)")
    }

    /// A charm that waits for something does less than one that works.
    fn must_be_active(&self) -> Result<()> {
        let status = self.juju.status(UNIT)?.workload;
        ensure!(
            status.current == "active",
            "cannot measure a unit that is {}: {}; its log: {}",
            status.current,
            status.message,
            self.juju.unit_log(UNIT).unwrap_or_default()
        );
        Ok(())
    }

    /// What was measured since the last look. `suffix` tells events of the same name apart.
    fn measured(&self, suffix: &str) -> Result<Vec<Measured>> {
        let path = self.own("measured");
        let text = std::fs::read_to_string(&path)
            .context("cannot read measurements: the charm was not dispatched")?;
        std::fs::remove_file(&path)?;
        let dispatches = read_dispatches(&text)?;
        let mut found = Vec::new();
        for dispatch in dispatches {
            for run in &dispatch.runs {
                ensure!(
                    run.usage.code == 0,
                    "cannot measure {}: {} ended with {}; the unit's log: {}",
                    dispatch.path,
                    run.name,
                    run.usage.code,
                    self.juju.unit_log(UNIT).unwrap_or_default()
                );
            }
            let traced = match self.turns {
                Turns::Traced => Some([
                    self.trace_of("strace-charm", &dispatch)?,
                    self.trace_of("strace-replay", &dispatch)?,
                ]),
                Turns::NothingFirst | Turns::CharmFirst => None,
            };
            let name = dispatch.path.rsplit('/').next().unwrap_or_default();
            found.push(Measured {
                event: format!("{name}{suffix}"),
                dispatch,
                traced,
            });
        }
        Ok(found)
    }

    fn trace_of(&self, program: &str, dispatch: &Dispatch) -> Result<Traced> {
        let trace = self.own(&format!("trace-{program}-{}", dispatch.path.replace('/', "-")));
        let text = std::fs::read(&trace).with_context(|| format!("cannot read {}", trace.display()))?;
        Ok(trace::read(&String::from_utf8_lossy(&text)))
    }

    fn own(&self, name: &str) -> PathBuf {
        self.folder.path().join("bench").join(name)
    }
}

/// Whether this event of a life comes again and again and finds nothing to do. The one that looks at the cluster comes once in a while, and
/// the first after a change once.
pub fn is_steady(event: &str) -> bool {
    ["update-status", "update-status, trusted"].contains(&event)
}

/// First start, relation, steady state, a first backup, trust, steady state, relation gone.
///
/// # Errors
/// When an event fails.
pub fn whole(programs: &Programs, fronts: &Fronts, setup: Setup<'_>) -> Result<Vec<Measured>> {
    let mut bed = Bed::new(programs, fronts, setup)?;
    let mut all = bed.deploy(programs)?;
    all.extend(bed.integrate()?);
    all.extend(bed.update_status(", first")?);
    if setup.python.is_none() {
        bed.must_be_active()?;
    }
    for _ in 0..STEADY {
        all.extend(bed.update_status("")?);
    }
    if setup.python.is_none() {
        bed.time_passes()?;
        all.extend(bed.update_status(", looks")?);
    }
    bed.juju.set_config("radarr", &[("backup-schedule", "@weekly")])?;
    all.extend(bed.measured(" (option)")?);
    // Without a good one somebody waits for it, and no event is steady.
    backups::put(&mut bed.juju, "radarr", 1)?;
    all.extend(bed.trust()?);
    all.extend(bed.update_status(", trusted, first")?);
    for _ in 0..STEADY {
        all.extend(bed.update_status(", trusted")?);
    }
    if setup.python.is_none() {
        bed.time_passes()?;
        all.extend(bed.update_status(", trusted, looks")?);
    }
    bed.juju.remove_relation("radarr", "velero-operator")?;
    all.extend(bed.measured("")?);
    bed.juju.destroy()?;
    Ok(all)
}
