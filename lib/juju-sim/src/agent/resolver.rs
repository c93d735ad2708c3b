//! Which event a unit runs next. Pure: a model and an agent's memory in, an event out.
//!
//! Juju's resolvers (`internal/worker/uniter/resolver.go` and its neighbours in juju/juju) compare what the controller
//! says with what the unit has seen, too. The order is the one that was recorded from Juju 4.0.15, and what it does at times
//! is in [`Liberties`].

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use juju_hook_tools::context::Event;
use juju_hook_tools::model::{Databag, Model, Relation, application_name};

use super::state::{AgentState, RelationSeen};
use super::told::{configuration, remote_application_bag};
use crate::simulation::{Liberties, Options, StartOrder};

/// The revision that `secret-add` makes.
const FIRST_REVISION: u32 = 1;

/// The event that is due for the unit; none if it has nothing to do.
pub(crate) fn next_event(model: &Model, unit: &str, state: &AgentState, options: &Options) -> Option<Event> {
    let liberties = options.liberties;
    if state.failed.is_some() || state.removed {
        return None;
    }
    if !state.installed {
        return if state.dying { None } else { Some(Event::Install) };
    }
    if state.dying {
        return dying(model, unit, state);
    }
    if state.upgrade {
        return Some(Event::UpgradeCharm);
    }
    created(model, unit, state)
        .or_else(|| leaving(model, unit, state))
        .or_else(|| elected(model, unit, state))
        .or_else(|| in_order(model, unit, state, options))
        .or_else(|| secrets(model, unit, state))
        .or_else(|| state.queue.first().cloned())
        .or_else(|| late_configuration(model, unit, state, liberties))
}

/// config-changed where Juju takes the liberty to let it come late.
fn late_configuration(model: &Model, unit: &str, state: &AgentState, liberties: Liberties) -> Option<Event> {
    let differs = state.config.as_ref() != Some(&configuration(model, unit));
    (liberties.config_changed_late_and_twice && (differs || state.config_again))
        .then_some(Event::ConfigChanged)
}

/// The units at the other end, with their bags.
fn members<'a>(relation: &'a Relation, unit: &str) -> BTreeMap<String, &'a Databag> {
    let names = relation.counterparts(unit);
    names
        .into_iter()
        .filter_map(|name| relation.units.get(&name).map(|member| (name, &member.data)))
        .collect()
}

fn relations<'a>(
    model: &'a Model,
    unit: &'a str,
    state: &'a AgentState,
) -> impl Iterator<Item = (&'a Relation, RelationSeen)> {
    let application = application_name(unit);
    let all = model.relations.values();
    let mut relations: Vec<&Relation> = all
        .filter(|relation| relation.endpoint_of(application).is_some())
        .collect();
    // Peer relations come last, as they did in every recording.
    relations.sort_by_key(|relation| (relation.is_peer(), relation.id));
    relations.into_iter().map(|relation| {
        (
            relation,
            state.relations.get(&relation.id).cloned().unwrap_or_default(),
        )
    })
}

fn created(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    relations(model, unit, state)
        .find(|(relation, seen)| !seen.created && !relation.dying)
        .map(|(relation, _)| Event::RelationCreated {
            relation: relation.id,
        })
}

/// Units that have left, then relations that are going.
fn leaving(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    relations(model, unit, state).find_map(|(relation, seen)| {
        let present = members(relation, unit);
        let left = seen
            .members
            .keys()
            .find(|name| relation.dying || !present.contains_key(*name));
        if let Some(name) = left {
            return Some(Event::RelationDeparted {
                relation: relation.id,
                remote_unit: name.clone(),
                departing_unit: name.clone(),
            });
        }
        (relation.dying && seen.created).then(|| broken(model, relation, unit))
    })
}

/// Recorded from 4.0.15: `JUJU_REMOTE_APP` is empty in relation-broken. Earlier ones set it, as Juju documents.
fn broken(model: &Model, relation: &Relation, unit: &str) -> Event {
    let remote = relation
        .remote_application(application_name(unit))
        .filter(|_| model.juju_version.is_3());
    Event::RelationBroken {
        relation: relation.id,
        remote_application: remote.map(str::to_owned),
    }
}

fn elected(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    (model.is_leader(unit) && !state.leader).then_some(Event::LeaderElected)
}

fn in_order(model: &Model, unit: &str, state: &AgentState, options: &Options) -> Option<Event> {
    let (order, liberties) = (options.start_order, options.liberties);
    let pebble = || pebble_ready(state);
    let storage = || storage_attached(model, unit, state);
    let start = || configure_and_start(model, unit, state, liberties);
    let joined = || {
        if state.started {
            joined(model, unit, state, liberties)
        } else {
            None
        }
    };
    // A new pod of an old unit has its volume, and was never seen to be ready before it was configured.
    let first_start = state.config.is_none() && state.containers.values().all(|seen| seen.ready.is_none());
    match order {
        StartOrder::PebbleFirst if first_start && state.storages.is_empty() => {
            pebble().or_else(storage).or_else(start).or_else(joined)
        }
        StartOrder::PebbleFirst => storage().or_else(start).or_else(joined).or_else(pebble),
        StartOrder::StorageLate => start().or_else(joined).or_else(storage).or_else(pebble),
        StartOrder::PebbleBeforeStorage => start().or_else(joined).or_else(pebble).or_else(storage),
        StartOrder::Seed(seed) => {
            let due: Vec<Event> = [pebble(), storage(), start(), joined()]
                .into_iter()
                .flatten()
                .collect();
            let mut hasher = DefaultHasher::new();
            (
                seed,
                unit,
                state.storages.len(),
                state.started,
                state.config.is_some(),
                due.len(),
            )
                .hash(&mut hasher);
            let chosen = hasher.finish() as usize % due.len().max(1);
            due.into_iter().nth(chosen)
        }
    }
}

fn pebble_ready(state: &AgentState) -> Option<Event> {
    let due = state
        .containers
        .iter()
        .find(|(_, seen)| seen.running.is_some() && seen.running != seen.ready);
    due.map(|(container, _)| Event::PebbleReady {
        container: container.clone(),
    })
}

fn storage_attached(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    let due = model
        .storages
        .values()
        .find(|storage| storage.unit.as_deref() == Some(unit) && !state.storages.contains(&storage.id));
    due.map(|storage| Event::StorageAttached {
        storage: storage.id.clone(),
    })
}

fn configure_and_start(model: &Model, unit: &str, state: &AgentState, liberties: Liberties) -> Option<Event> {
    if state.started && liberties.config_changed_late_and_twice {
        return None;
    }
    if state.config.as_ref() != Some(&configuration(model, unit)) {
        return Some(Event::ConfigChanged);
    }
    (!state.started).then_some(Event::Start)
}

/// Units that have come, and bags that differ. A unit's first relation-changed follows its relation-joined at once.
fn joined(model: &Model, unit: &str, state: &AgentState, liberties: Liberties) -> Option<Event> {
    relations(model, unit, state)
        .filter(|(relation, _)| !relation.dying)
        .find_map(|(relation, seen)| {
            let of_application = || {
                (remote_application_bag(relation, unit) != seen.application).then_some(
                    Event::RelationChanged {
                        relation: relation.id,
                        remote_unit: None,
                    },
                )
            };
            if liberties.application_data_first
                && let Some(event) = of_application()
            {
                return Some(event);
            }
            for (name, bag) in members(relation, unit) {
                match seen.members.get(&name) {
                    None => {
                        return Some(Event::RelationJoined {
                            relation: relation.id,
                            remote_unit: name,
                        });
                    }
                    Some(seen) if seen.as_ref() != Some(bag) => {
                        return Some(Event::RelationChanged {
                            relation: relation.id,
                            remote_unit: Some(name),
                        });
                    }
                    Some(_) => {}
                }
            }
            of_application()
        })
}

/// A secret that the unit reads has a newer revision than the one it was told of. Juju 4.0 tells whoever manages a secret too, even
/// of its own revisions: seen on 4.0.14.
fn secrets(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    model.secrets.values().find_map(|secret| {
        let reader = secret.consumers.get(unit);
        let manages = !model.juju_version.is_3() && secret.is_managed_by(model, unit);
        let (seen, label) = match reader {
            Some(reader) if manages && reader.label.is_empty() => (reader.revision, &secret.label),
            Some(reader) => (reader.revision, &reader.label),
            None if manages => (FIRST_REVISION, &secret.label),
            None => return None,
        };
        let told = state.secrets.get(&secret.id).copied().unwrap_or(seen).max(seen);
        (secret.latest() > told).then(|| Event::SecretChanged {
            secret: secret.id.clone(),
            label: label.clone(),
        })
    })
}

/// Teardown, as recorded: storage-detaching, departed, broken, stop, remove. A pod that is lost meanwhile comes back: start and
/// pebble-ready then come between departed and broken, as was seen on 4.0.14.
fn dying(model: &Model, unit: &str, state: &AgentState) -> Option<Event> {
    if let Some(storage) = state.storages.iter().next() {
        return Some(Event::StorageDetaching {
            storage: storage.clone(),
        });
    }
    for (id, seen) in &state.relations {
        if let Some(name) = seen.members.keys().next() {
            return Some(Event::RelationDeparted {
                relation: *id,
                remote_unit: name.clone(),
                departing_unit: unit.to_owned(),
            });
        }
        if state.revived
            && let Some(event) = (!state.started)
                .then_some(Event::Start)
                .or_else(|| pebble_ready(state))
        {
            return Some(event);
        }
        if let Some(relation) = model.relations.get(id).filter(|_| seen.created) {
            return Some(broken(model, relation, unit));
        }
    }
    if !state.stopped {
        Some(Event::Stop)
    } else {
        Some(Event::Remove)
    }
}
