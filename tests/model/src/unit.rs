//! One unit: the charm's real dispatch, and what is played around it.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::rc::Rc;

use juju_charm::testing::{
    CharmFiles, Context, Event, Fault as ToolFault, Model, RelationState, RunError, State,
};
use serde_json::{Map, Value};
use workload_charm::env::Env;
use workload_charm::profile::{AppProfile, User};
use workload_charm::{data_unit, packaging};

use crate::cluster::OwnPod;
use crate::fault::Fault;
use crate::host::Host;
use crate::pebble::UnitPebble;
use crate::recovery::FolderRecovery;

/// Number of the peer relation.
const PEERS: u32 = 100;

/// The application: its charm, and the one model that Juju has.
pub struct Application {
    pub profile: AppProfile,
    context: Context,
    pub model: Model,
}

/// One unit of it.
pub struct Unit {
    pub number: u32,
    pub host: Rc<RefCell<Host>>,
    pub pebble: UnitPebble,
    cluster: OwnPod,
}

/// What became of a dispatch.
pub enum Ended {
    Killed,
    /// The charm failed, which it never may: Juju shows an error then.
    Failed(String),
    Done,
    Action(Result<Map<String, Value>, String>),
}

impl Application {
    pub fn new(folder: &Path) -> Self {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../charm/apps/radarr.yaml");
        let mut profile = AppProfile::load(&file).unwrap();
        // Whoever runs this cannot give files away.
        let meta = std::fs::metadata(folder).unwrap();
        profile.workload.user = Some(User {
            uid: meta.uid(),
            gid: meta.gid(),
        });
        let charm = folder.join("charm");
        std::fs::create_dir(&charm).unwrap();
        let metadata = packaging::metadata(&profile).unwrap();
        std::fs::write(charm.join("metadata.yaml"), &metadata).unwrap();
        let files = CharmFiles {
            metadata: &metadata,
            config: &packaging::config(&profile).unwrap(),
            actions: &packaging::actions(&profile).unwrap().unwrap_or_default(),
        };
        let context = Context::with_files(&files).unwrap().with_charm_dir(charm);
        let state = State::new(&profile.name, 0)
            .with_model_name("homelab")
            .with_leader(true)
            .with_relation(RelationState::peer(PEERS, data_unit::ENDPOINT));
        Self {
            profile,
            context,
            model: state.model().clone(),
        }
    }

    /// Adds a unit with a volume of its own.
    pub fn add_unit(&mut self, number: u32, host: Host) -> Unit {
        let mut state = State::new(&self.profile.name, number);
        let unit = state.model().units.get(state.unit()).unwrap().clone();
        let name = state.unit().to_owned();
        *state.model_mut() = self.model.clone();
        state.model_mut().units.insert(name.clone(), unit);
        let storage = self.profile.storage.as_ref().unwrap();
        state = state.with_storage(&storage.name, number, host.volume.to_str());
        self.model = state.model().clone();
        let peers = &mut self.model.relations.get_mut(&PEERS).unwrap().units;
        let others: BTreeSet<String> = peers.keys().filter(|other| **other != name).cloned().collect();
        for other in &others {
            peers.get_mut(other).unwrap().joined.insert(name.clone());
        }
        let own = peers.entry(name).or_default();
        own.in_scope = true;
        own.joined = others;
        let host = Rc::new(RefCell::new(host));
        Unit {
            number,
            pebble: UnitPebble::new(
                &self.profile,
                Rc::clone(&host),
                self.profile.workload.user.unwrap(),
            ),
            cluster: OwnPod::new(&self.profile, number),
            host,
        }
    }

    /// Takes a unit away, after its last event.
    pub fn forget_unit(&mut self, unit: &Unit) {
        let name = self.name(unit);
        let peers = &mut self.model.relations.get_mut(&PEERS).unwrap().units;
        peers.remove(&name);
        for other in peers.values_mut() {
            other.joined.remove(&name);
        }
        self.model.forget_unit(&name);
    }

    pub fn name(&self, unit: &Unit) -> String {
        format!("{}/{}", self.profile.name, unit.number)
    }

    pub fn leads(&self, unit: &Unit) -> bool {
        self.model.is_leader(&self.name(unit))
    }

    pub fn lead(&mut self, unit: &Unit) {
        let name = self.name(unit);
        self.model.set_leader(&name).unwrap();
    }

    /// What the units tell each other.
    pub fn bags(&self) -> impl PartialEq + use<> {
        let peers = self.model.relations.get(&PEERS).unwrap();
        let bags: Vec<_> = peers
            .units
            .iter()
            .map(|(name, unit)| (name.clone(), unit.data.clone()))
            .collect();
        (peers.application_data.clone(), bags)
    }

    /// What a unit hears when another one, or the application, has written something.
    pub fn peers_changed(&self, by: &Unit) -> Event {
        Event::RelationChanged {
            relation: PEERS,
            remote_unit: Some(self.name(by)),
        }
    }

    pub fn pebble_ready(&self) -> Event {
        Event::PebbleReady {
            container: self.profile.name.clone(),
        }
    }

    pub fn action(&self, name: &str, parameters: Value) -> Event {
        Event::Action {
            name: name.to_owned(),
            id: "1".to_owned(),
            params: parameters.as_object().unwrap().clone(),
        }
    }

    /// Runs an event on a unit.
    pub fn dispatch(&mut self, unit: &Unit, event: Event, recovery: &FolderRecovery, fault: &Fault) -> Ended {
        let mut context = self.context.clone();
        if let Some(call) = fault.tool() {
            context = context.with_fault(ToolFault::StopAfter { call });
        }
        let mut state = State::new(&self.profile.name, unit.number);
        *state.model_mut() = self.model.clone();
        unit.pebble.fault.replace(fault.clone());
        let profile = &self.profile;
        let ran = fault.survive(|| {
            context
                .run(
                    |juju| {
                        workload_charm::dispatch(Env {
                            juju,
                            pebble: &unit.pebble,
                            cluster: &unit.cluster,
                            recovery,
                            profile,
                        })
                    },
                    event,
                    &state,
                )
                .unwrap()
        });
        unit.pebble.fault.replace(Fault::nothing());
        let Some(outcome) = ran else {
            return Ended::Killed;
        };
        self.model = outcome.state.model().clone();
        match (outcome.result, outcome.action) {
            (Err(RunError::Killed), _) => {
                fault.killed_at_tool();
                Ended::Killed
            }
            (Err(error), _) => Ended::Failed(format!("{error:?}")),
            (Ok(()), None) => Ended::Done,
            (Ok(()), Some(action)) if action.failed => Ended::Action(Err(action.message)),
            (Ok(()), Some(action)) => Ended::Action(Ok(action.results)),
        }
    }

    /// The unit's status: `active: message`.
    pub fn status(&self, unit: &Unit) -> String {
        let mut state = State::new(&self.profile.name, unit.number);
        *state.model_mut() = self.model.clone();
        let status = state.status();
        format!("{}: {}", status.name, status.message)
    }
}
