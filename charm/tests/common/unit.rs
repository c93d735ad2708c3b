//! A unit of an app: its charm laid out, its volume a folder, its Pebble in memory.

use std::path::Path;

use juju_charm::Juju;
use juju_charm::pebble::ServiceStatus;
use juju_charm::testing::{
    CharmFiles, Context, Event, FakeFile, FakePebble, Fault, Outcome, PebbleState, RelationState, State,
};
use serde_json::Map;
use tempfile::TempDir;
use workload_charm::data_unit;
use workload_charm::endpoints;
use workload_charm::env::Env;
use workload_charm::facts::Facts;
use workload_charm::options::UNSAFE_MODE;
use workload_charm::profile::{AppProfile, User};
use workload_charm::steps::gather::{Look, gather};
use workload_charm::tiers::{NIGHTLY, Tier};
use workload_charm::{CharmError, credentials, packaging};

use super::cluster::PodCluster;
use super::own_file;
use super::recovery::FakeRecovery;

/// The app's content in its volume.
pub const CONTENT: &str = "library.db";

/// Number of the relation to velero-operator.
pub const VELERO: u32 = 3;

/// Number of the peer relation.
pub const PEERS: u32 = 100;

/// One unit and what is around it.
pub struct Unit {
    pub profile: AppProfile,
    pub state: State,
    pub pebble: FakePebble,
    pub cluster: PodCluster,
    pub recovery: FakeRecovery,
    /// What the last action logged.
    pub logs: Vec<String>,
    context: Context,
    /// Goes away with the unit.
    _folder: TempDir,
}

/// Hook tools that a test does not want to see: nothing has changed.
pub fn writes(outcome: &Outcome<CharmError>) -> Vec<String> {
    outcome.writes().iter().map(|call| format!("{call:?}")).collect()
}

/// What happens to a unit.
pub type Break = fn(&mut Unit);

/// What keeps an app from being started: words of the reason, and how it comes.
pub const BREAKS: [(&str, Break); 3] = [
    ("Pebble of container", |unit| {
        unit.pebble.change_state(|state| state.set_reachable(false))
    }),
    ("volume is not mounted", |unit| {
        for storage in unit.state.model_mut().storages.values_mut() {
            storage.location = None;
        }
    }),
    ("no such IANA time zone", |unit| {
        unit.state = unit.state.clone().with_config("timezone", "Mars/Olympus");
    }),
];

impl Unit {
    /// The leader, with its volume mounted and its container up, before its first event.
    pub fn new(profile: &AppProfile) -> Self {
        Self::named(&profile.name, profile)
    }

    /// The same, deployed under this name.
    pub fn named(app: &str, profile: &AppProfile) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut profile = profile.clone();
        // Tests that do not run as root cannot give files away.
        let owner = owner_of(folder.path());
        profile.workload.user = profile.workload.user.map(|_| owner);
        let volume = folder.path().join("volume");
        std::fs::create_dir(&volume).unwrap();
        let charm = folder.path().join("charm");
        std::fs::create_dir(&charm).unwrap();
        let metadata = packaging::metadata(&profile).unwrap();
        std::fs::write(charm.join("metadata.yaml"), &metadata).unwrap();
        let context = Context::with_files(&CharmFiles {
            metadata: &metadata,
            config: &packaging::config(&profile).unwrap(),
            actions: &packaging::actions(&profile).unwrap().unwrap_or_default(),
        })
        .unwrap()
        .with_charm_dir(charm);
        let mut state = State::new(app, 0).with_leader(true).with_model_name("homelab");
        if let Some(storage) = &profile.storage {
            state = state.with_storage(&storage.name, 0, volume.to_str());
        }
        if profile.has_one_writer() {
            state = state.with_relation(RelationState::peer(PEERS, data_unit::ENDPOINT));
        }
        if profile.vpn {
            // Most tests are about an app that runs.
            state = state.with_config(UNSAFE_MODE.name(), true);
        }
        Self {
            cluster: PodCluster::new(&profile).of(app),
            recovery: FakeRecovery::default(),
            profile,
            state,
            pebble: FakePebble::new(PebbleState::new()),
            logs: Vec::new(),
            context,
            _folder: folder,
        }
    }

    /// A unit that has run for a while.
    pub fn settled(profile: &AppProfile) -> Self {
        let mut unit = Self::new(profile);
        for event in unit.first_events() {
            unit.run(event);
        }
        unit.app_writes_its_file();
        unit.app_fills_its_volume();
        unit.run(Event::UpdateStatus);
        // What was reported, and what was taken over into the secret, is looked at in the next hook.
        unit.run(Event::UpdateStatus);
        unit
    }

    /// The same, where the app's data were with radarr/1, which is gone.
    pub fn beside_one_that_is_gone(mut self) -> Self {
        let peers = RelationState::peer(PEERS, data_unit::ENDPOINT)
            .with_own_app_data([("data-unit", "radarr/1"), ("config-volume", "data")]);
        self.state = self.state.clone().with_relation(peers);
        self
    }

    /// The same, related to velero-operator.
    pub fn related_to_velero(self) -> Self {
        self.related_by(&NIGHTLY, VELERO)
    }

    /// The same, related to velero-operator by this tier's endpoint too.
    pub fn related_by(mut self, tier: &Tier, relation: u32) -> Self {
        let state = RelationState::new(relation, tier.name(), "velero-operator");
        self.state = self.state.clone().with_relation(state);
        for event in [
            Event::RelationCreated { relation },
            Event::RelationChanged {
                relation,
                remote_unit: None,
            },
        ] {
            self.run(event);
        }
        self
    }

    /// Whether the Schedule that is asked for rests; `None` if nothing is asked for.
    pub fn request_is_paused(&self) -> Option<bool> {
        let spec = self.asked_by(VELERO)?;
        Some(spec["paused"].as_bool().unwrap_or_default())
    }

    /// What is asked of velero-operator by this relation, if it is.
    pub fn asked_by(&self, relation: u32) -> Option<serde_json::Value> {
        let bag = self.state.own_app_data(relation);
        Some(serde_json::from_str(bag.get("spec")?).unwrap())
    }

    /// Whether anybody is asked for backups, by whichever relation.
    pub fn asks_for_backups(&self) -> bool {
        format!("{:?}", self.state.model().relations).contains("include_namespaces")
    }

    /// Radarr's file names this host of a database.
    pub fn has_database_at(&self, host: &str) {
        let file = self.file().unwrap();
        let begin = file
            .find("<PostgresHost>")
            .unwrap_or_else(|| file.find("</Config>").unwrap());
        let without = format!("{}</Config>\n", &file[..begin]);
        let element = format!("<PostgresHost>{host}</PostgresHost></Config>");
        self.put_file(without.replace("</Config>", &element).as_bytes());
    }

    /// What Juju sends to a new leader.
    pub fn first_events(&self) -> Vec<Event> {
        vec![
            Event::Install,
            Event::LeaderElected,
            Event::ConfigChanged,
            Event::Start,
            self.pebble_ready(),
        ]
    }

    pub fn pebble_ready(&self) -> Event {
        Event::PebbleReady {
            container: self.profile.name.clone(),
        }
    }

    /// Runs an event that has to end well.
    pub fn run(&mut self, event: Event) -> Outcome<CharmError> {
        let outcome = self.try_run(event, None);
        assert!(outcome.result.is_ok(), "{}: {outcome:?}", self.profile.name);
        outcome
    }

    /// Runs an event, perhaps with something that goes wrong. What Juju keeps is kept.
    pub fn try_run(&mut self, event: Event, fault: Option<Fault>) -> Outcome<CharmError> {
        let mut context = self.context.clone();
        if let Some(fault) = fault {
            context = context.with_fault(fault);
        }
        let (profile, pebble, cluster) = (&self.profile, &self.pebble, &self.cluster);
        let recovery = &self.recovery;
        let outcome = context
            .run(
                |juju| {
                    workload_charm::dispatch(Env {
                        juju,
                        pebble,
                        cluster,
                        recovery,
                        profile,
                    })
                },
                event,
                &self.state,
            )
            .unwrap();
        self.state = outcome.state.clone();
        self.assert_asks_for_own_endpoints(&outcome);
        outcome
    }

    /// Of an endpoint that the packed charm does not declare Juju knows nothing: to ask for it is a hook tool for nothing.
    fn assert_asks_for_own_endpoints(&self, outcome: &Outcome<CharmError>) {
        for call in outcome.calls.iter().filter(|call| call.tool == "relation-ids") {
            let asked = call.args.last().unwrap();
            let has_it = endpoints::of(&self.profile).any(|endpoint| endpoint.name == asked);
            assert!(has_it, "{} has no endpoint {asked}", self.profile.name);
        }
    }

    /// What the first step of a dispatch finds, and nothing after it.
    pub fn gathered(&self, event: Event) -> Facts {
        self.try_gathered(event, None).unwrap()
    }

    /// The same of a look that goes further than the event needs.
    pub fn looked(&self, event: Event, look: Look) -> Facts {
        self.look(event, None, look).unwrap()
    }

    /// The same, perhaps with a hook tool that fails.
    pub fn try_gathered(&self, event: Event, fault: Option<Fault>) -> Result<Facts, CharmError> {
        self.look(event, fault, Look::AsTheEventNeeds)
    }

    fn look(&self, event: Event, fault: Option<Fault>, how: Look) -> Result<Facts, CharmError> {
        let mut context = self.context.clone();
        if let Some(fault) = fault {
            context = context.with_fault(fault);
        }
        let mut found = None;
        let look = |juju: &Juju| {
            let env = Env {
                juju,
                pebble: &self.pebble,
                cluster: &self.cluster,
                recovery: &self.recovery,
                profile: &self.profile,
            };
            found = Some(gather(env, how));
            Ok::<(), CharmError>(())
        };
        context.run(look, event, &self.state).unwrap();
        found.unwrap()
    }

    /// Runs the app's own action; tells the results or the reason why it failed.
    pub fn rotate(&mut self) -> Result<Map<String, serde_json::Value>, String> {
        let name = workload_charm::actions::rotate::name(&self.profile)
            .unwrap()
            .to_owned();
        self.act(&name, serde_json::json!({}))
    }

    /// Runs an action; tells the results or the reason why it failed.
    pub fn act(
        &mut self,
        name: &str,
        params: serde_json::Value,
    ) -> Result<Map<String, serde_json::Value>, String> {
        let outcome = self.run(Event::Action {
            name: name.to_owned(),
            id: "1".to_owned(),
            params: params.as_object().unwrap().clone(),
        });
        self.logs = outcome.logs.iter().map(|line| format!("{line:?}")).collect();
        let action = outcome.action.unwrap();
        if action.failed {
            Err(action.message)
        } else {
            Ok(action.results)
        }
    }

    /// The config volume.
    pub fn volume(&self) -> std::path::PathBuf {
        self._folder.path().join("volume")
    }

    /// What earlier dispatches left to know is this.
    pub fn remembers(&self, record: &str) {
        std::fs::write(self._folder.path().join("remembered"), record).unwrap();
    }

    /// What earlier dispatches have seen of the app's version is this.
    pub fn is_of_version(&self, version: &str) {
        let record = serde_json::json!({"version": version}).to_string();
        std::fs::write(self._folder.path().join("app-record.json"), record).unwrap();
    }

    /// The pod is another one: what the unit had beside its charm's folder is gone.
    pub fn loses_its_disk(&self) {
        for entry in std::fs::read_dir(self._folder.path()).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                std::fs::remove_file(path).unwrap();
            }
        }
    }

    /// The app has content in its volume. The container's files are elsewhere: Pebble is in memory.
    pub fn app_fills_its_volume(&self) {
        if self.profile.storage.is_some() {
            std::fs::write(self.volume().join(CONTENT), "rows").unwrap();
        }
    }

    /// An app that makes its own file does so.
    pub fn app_writes_its_file(&self) {
        if let Some(content) = own_file(&self.profile) {
            self.put_file(&content);
        }
    }

    /// Somebody else writes the config file.
    pub fn put_file(&self, content: &[u8]) {
        let file = self.profile.config_file.as_ref().unwrap();
        let User { uid, gid } = self.profile.workload.user.unwrap();
        self.pebble.change_state(|state| {
            *state = state
                .clone()
                .with_owned_file(&file.path, FakeFile::new(content, 0o600, uid, gid));
        });
    }

    /// The config file, if there is one.
    pub fn file(&self) -> Option<String> {
        let file = self.profile.config_file.as_ref()?;
        let state = self.pebble.state();
        let found = state.file(&file.path)?;
        Some(String::from_utf8(found.content.clone()).unwrap())
    }

    /// A value of the secret.
    pub fn secret(&self, key: &str) -> Option<String> {
        let label = credentials::label(self.profile.credentials.as_ref()?);
        self.state.secret_content(label)?.get(key).map(str::to_owned)
    }

    pub fn runs(&self) -> bool {
        self.pebble.state().service(&self.profile.name) == Some(ServiceStatus::Active)
    }

    /// `active: message`.
    pub fn status(&self) -> String {
        let status = self.state.status();
        format!("{}: {}", status.name, status.message)
    }

    /// The status begins so.
    pub fn assert_says(&self, begin: &str) {
        let status = self.status();
        assert!(status.starts_with(begin), "{status}");
    }

    /// What was asked of Pebble since the last time, if it changes something.
    pub fn pebble_writes(&self, since: usize) -> Vec<String> {
        let calls = self.pebble.calls();
        let written = calls.iter().skip(since).filter(|call| call.writes());
        written
            .map(|call| format!("{} {}", call.operation, call.subject))
            .collect()
    }
}

fn owner_of(path: &Path) -> User {
    use std::os::unix::fs::MetadataExt;
    let metadata = std::fs::metadata(path).unwrap();
    User {
        uid: metadata.uid(),
        gid: metadata.gid(),
    }
}
