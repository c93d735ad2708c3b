//! What a unit's agent knows: which events it has run, and for which state of the world.

use std::collections::{BTreeMap, BTreeSet};

use juju_hook_tools::context::Event;
use juju_hook_tools::model::{Databag, Model, Secret};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::told::{configuration, remote_application_bag};

/// One agent's memory. Juju keeps the same in its `uniter` state.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct AgentState {
    pub installed: bool,
    pub started: bool,
    /// The stop hook has run for good: the unit goes.
    pub stopped: bool,
    pub removed: bool,
    /// The unit is to go.
    pub dying: bool,
    /// The pod is new, or the charm is: upgrade-charm is due.
    pub upgrade: bool,
    /// leader-elected has run, and the unit led ever since.
    pub leader: bool,
    /// Options, trust and address that config-changed has seen.
    pub config: Option<Value>,
    /// config-changed is due once more, though nothing differs: a liberty of Juju's.
    pub config_again: bool,
    /// The pod of a unit that goes was replaced: it starts once more in between.
    pub revived: bool,
    pub relations: BTreeMap<u32, RelationSeen>,
    /// Storage that storage-attached has run for.
    pub storages: BTreeSet<String>,
    pub containers: BTreeMap<String, ContainerSeen>,
    /// The revision of each secret that secret-changed has run for.
    pub secrets: BTreeMap<String, u32>,
    /// Events that happen once: update-status, notices, checks.
    pub queue: Vec<Event>,
    /// The hook that failed; nothing else runs until it is resolved.
    pub failed: Option<Event>,
}

/// What the unit has seen of a relation.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct RelationSeen {
    pub created: bool,
    /// The remote application's bag (a peer relation's own) as relation-changed has seen it.
    pub application: Databag,
    /// The joined units, and each one's bag as relation-changed has seen it: none before the first.
    pub members: BTreeMap<String, Option<Databag>>,
}

/// What the agent has seen of a container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct ContainerSeen {
    /// The boot id that Pebble answered with last; none if it does not answer.
    pub running: Option<String>,
    /// The boot id that pebble-ready has run for.
    pub ready: Option<String>,
    /// `last-repeated` of the newest notice that was looked at.
    pub notices_after: Option<String>,
}

impl AgentState {
    /// Forgets what a new pod begins anew.
    pub fn new_pod(&mut self) {
        self.started = false;
        self.config = None;
        self.containers.clear();
        self.queue.clear();
        self.upgrade = self.installed;
        self.config_again = false;
        self.revived = self.dying;
    }
}

impl AgentState {
    /// Notes that `event` has run. `before`: the model as the hook found it, so that what changed meanwhile is still news.
    pub fn note(&mut self, event: &Event, before: &Model, unit: &str) {
        match event {
            Event::Install => self.installed = true,
            Event::Start => self.started = true,
            Event::Stop => self.stopped = self.dying,
            Event::Remove => self.removed = true,
            Event::UpgradeCharm => self.upgrade = false,
            Event::LeaderElected => {
                self.leader = true;
                // It is told of what comes, and not of what its predecessors made.
                let own = before.secrets.values().filter(|secret| secret.is_owned_by(unit));
                self.secrets
                    .extend(own.map(|secret| (secret.id.clone(), secret.latest())));
            }
            Event::ConfigChanged => self.config = Some(configuration(before, unit)),
            Event::StorageAttached { storage } => _ = self.storages.insert(storage.clone()),
            Event::StorageDetaching { storage } => _ = self.storages.remove(storage),
            Event::PebbleReady { container } => {
                let seen = self.containers.entry(container.clone()).or_default();
                seen.ready.clone_from(&seen.running);
            }
            Event::SecretChanged { secret, .. } => {
                let latest = before.secrets.get(secret).map_or(0, Secret::latest);
                self.secrets.insert(secret.clone(), latest);
            }
            Event::RelationBroken { relation, .. } => _ = self.relations.remove(relation),
            _ => self.note_relation(event, before, unit),
        }
        // One of each is enough, however often it was asked for.
        if let Some(position) = self.queue.iter().position(|queued| queued == event) {
            self.queue.remove(position);
        }
    }

    fn note_relation(&mut self, event: &Event, before: &Model, unit: &str) {
        let Some(relation) = event.relation().and_then(|id| before.relations.get(&id)) else {
            return;
        };
        let seen = self.relations.entry(relation.id).or_default();
        match event {
            Event::RelationCreated { .. } => seen.created = true,
            Event::RelationJoined { remote_unit, .. } => _ = seen.members.insert(remote_unit.clone(), None),
            Event::RelationDeparted { remote_unit, .. } => _ = seen.members.remove(remote_unit),
            Event::RelationChanged {
                remote_unit: Some(remote),
                ..
            } => {
                let bag = relation.units.get(remote).map(|member| member.data.clone());
                seen.members.insert(remote.clone(), Some(bag.unwrap_or_default()));
            }
            Event::RelationChanged {
                remote_unit: None, ..
            } => {
                seen.application = remote_application_bag(relation, unit);
            }
            _ => {}
        }
    }
}
