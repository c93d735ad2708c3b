//! The life of one app, event by event, with everything that takes turns in each of them.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use bench_programs::{Dispatch, read_dispatches};
use juju_sim::{Event, OperatorOptions, Options, Simulation};
use system_tests::house::UNIT;
use system_tests::radarr;
use tempfile::TempDir;

use super::front::Front;
use super::programs::Programs;
use super::trace::own_calls;

/// How often a steady event is dispatched in one life.
const STEADY: usize = 3;

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
            Turns::NothingFirst => "nothing\ncharm\nreplay\n",
            Turns::CharmFirst => "charm\nreplay\nnothing\n",
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
    /// System calls of the charm and of the replay, where they were counted.
    pub system_calls: Option<[usize; 2]>,
}

/// A deployed app.
pub struct Bed<'a> {
    /// The simulated Juju.
    pub juju: Simulation,
    front: &'a Front,
    folder: TempDir,
    turns: Turns,
}

impl<'a> Bed<'a> {
    /// An empty model, and Radarr's charm ready to be deployed in it.
    ///
    /// # Errors
    /// When something cannot be laid out.
    pub fn new(programs: &Programs, front: &'a Front, turns: Turns) -> Result<Bed<'a>> {
        let folder = tempfile::tempdir()?;
        let own = folder.path().join("bench");
        std::fs::create_dir(&own)?;
        std::fs::write(own.join("turns"), turns.text())?;
        std::fs::write(own.join("kubeconfig"), front.kubeconfig(UNIT))?;
        let environment = BTreeMap::from([("BENCH_FOLDER".to_owned(), own.display().to_string())]);
        let options = Options {
            executable: Some(programs.binaries.juju_sim.clone()),
            environment,
            ..Options::default()
        };
        let juju = Simulation::create(folder.path().join("juju"), options)?;
        front.stand_before(&juju.paths(UNIT).folder.join("kubeconfig"));
        radarr::charm_folder(&folder.path().join("charm"), &programs.binaries)?;
        programs.lay_out(&folder.path().join("charm"), &own)?;
        Ok(Bed {
            juju,
            front,
            folder,
            turns,
        })
    }

    /// Deploys the app and says what that cost.
    ///
    /// # Errors
    /// When an event fails.
    pub fn deploy(&mut self, programs: &Programs) -> Result<Vec<Measured>> {
        let deploy = juju_sim::Deploy::new("radarr", self.folder.path().join("charm"))
            .workload("radarr", radarr::image(&programs.binaries));
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

    /// Trusts it and says what that cost.
    ///
    /// # Errors
    /// When an event fails.
    pub fn trust(&mut self) -> Result<Vec<Measured>> {
        self.juju.trust("radarr", true)?;
        self.measured(" (trust)")
    }

    /// Requests to the API server and their bytes so far.
    pub fn traffic(&self) -> (u64, u64) {
        self.front.traffic.so_far()
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
            let system_calls = match self.turns {
                Turns::Traced => Some([
                    self.calls_of("strace-charm", &dispatch)?,
                    self.calls_of("strace-replay", &dispatch)?,
                ]),
                Turns::NothingFirst | Turns::CharmFirst => None,
            };
            let name = dispatch.path.rsplit('/').next().unwrap_or_default();
            found.push(Measured {
                event: format!("{name}{suffix}"),
                dispatch,
                system_calls,
            });
        }
        Ok(found)
    }

    fn calls_of(&self, program: &str, dispatch: &Dispatch) -> Result<usize> {
        let trace = self.own(&format!("trace-{program}-{}", dispatch.path.replace('/', "-")));
        let text = std::fs::read(&trace).with_context(|| format!("cannot read {}", trace.display()))?;
        Ok(own_calls(&String::from_utf8_lossy(&text)))
    }

    fn own(&self, name: &str) -> PathBuf {
        self.folder.path().join("bench").join(name)
    }
}

/// First start, relation, steady state, trust, steady state, relation gone.
///
/// # Errors
/// When an event fails.
pub fn whole(programs: &Programs, front: &Front, turns: Turns) -> Result<Vec<Measured>> {
    let mut bed = Bed::new(programs, front, turns)?;
    let mut all = bed.deploy(programs)?;
    all.extend(bed.integrate()?);
    // What the relation left to do is done once.
    bed.update_status("")?;
    for _ in 0..STEADY {
        all.extend(bed.update_status("")?);
    }
    bed.juju.set_config("radarr", &[("backup-schedule", "@weekly")])?;
    all.extend(bed.measured(" (option)")?);
    all.extend(bed.trust()?);
    bed.update_status("")?;
    for _ in 0..STEADY {
        all.extend(bed.update_status(", trusted")?);
    }
    bed.juju.remove_relation("radarr", "velero-operator")?;
    all.extend(bed.measured("")?);
    bed.juju.destroy()?;
    Ok(all)
}
