//! The transaction at the end of a hook, and what it causes.

use std::collections::BTreeMap;

use crate::context::Event;
use crate::model::{Model, Secret, SecretOwner};

use super::{HookSession, secrets};

/// The most that `state-set` may keep for a unit in Juju 3: the controller's `max-charm-state-size`, in bytes.
const MAX_STATE_BYTES_3: usize = 2 * 1024 * 1024;

/// What a commit or a user's operation causes.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An event that is now due on a unit. Juju runs a unit's events one at a time.
    Event {
        /// The unit.
        unit: String,
        /// The event.
        event: Event,
    },
    /// The opened ports of an application differ: Juju updates its Kubernetes service.
    Ports {
        /// The application.
        application: String,
    },
}

impl Change {
    /// An event on a unit.
    pub fn event(unit: impl Into<String>, event: Event) -> Change {
        Change::Event {
            unit: unit.into(),
            event,
        }
    }
}

/// Why Juju refuses what a hook has written. The unit goes into error with `hook failed`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// `secret-set`, `secret-grant` or `secret-revoke` of a secret that does not exist.
    #[error("cannot commit the hook: secret \"{id}\" not found")]
    NoSecret {
        /// The bare id.
        id: String,
    },
    /// The same of a secret that the unit does not manage.
    #[error("cannot commit the hook: permission denied for secret \"{id}\"")]
    ForeignSecret {
        /// The bare id.
        id: String,
    },
    /// Two secrets of one owner would have the same label.
    #[error("cannot commit the hook: secret with label \"{label}\" already exists")]
    LabelTaken {
        /// The label.
        label: String,
    },
    /// The application's databag was written and the unit does not lead any more.
    #[error("cannot commit the hook: cannot write relation settings: this unit is not the leader")]
    NotLeader,
    /// More state than Juju 3 keeps for a unit.
    #[error("cannot commit the hook: max allowed state size is {limit} bytes, got {size}")]
    StateTooLarge {
        /// The limit in bytes.
        limit: usize,
        /// The size of all keys and values in bytes.
        size: usize,
    },
    /// The unit was removed while the hook ran.
    #[error("cannot commit the hook: unit \"{unit}\" not found")]
    NoUnit {
        /// The unit.
        unit: String,
    },
}

pub(super) fn commit(session: HookSession, model: &mut Model) -> Result<Vec<Change>, CommitError> {
    let unit = session.context.unit.clone();
    let Some(stored_unit) = model.units.get(&unit) else {
        return Err(CommitError::NoUnit { unit });
    };
    let opened_ports = session.pending.opened_ports(stored_unit);
    // Everything that can be refused is checked before anything is stored.
    check(&session, model)?;
    let mut new_secrets = model.secrets.clone();
    for operation in &session.pending.secrets {
        secrets::apply(operation, &mut new_secrets, &unit, model)?;
    }
    check_labels(&new_secrets)?;

    let mut changes = Vec::new();
    store_databags(&session, model, &mut changes);
    if let Some(stored_unit) = model.units.get_mut(&unit) {
        if let Some(state) = &session.pending.state {
            stored_unit.state.clone_from(state);
        }
        if stored_unit.opened_ports != opened_ports {
            stored_unit.opened_ports = opened_ports;
            changes.push(Change::Ports {
                application: session.context.application().to_owned(),
            });
        }
    }
    let old_secrets = std::mem::replace(&mut model.secrets, new_secrets);
    secret_changes(&old_secrets, model, Some(&unit), &mut changes);
    note_event(&session, model);
    Ok(changes)
}

fn check(session: &HookSession, model: &Model) -> Result<(), CommitError> {
    let writes_application_data = session
        .pending
        .written()
        .iter()
        .any(|(_, application)| *application);
    if writes_application_data && !model.is_leader(&session.context.unit) {
        return Err(CommitError::NotLeader);
    }
    if model.juju_version.is_3()
        && let Some(state) = &session.pending.state
    {
        let size: usize = state.iter().map(|(key, value)| key.len() + value.len()).sum();
        if size > MAX_STATE_BYTES_3 {
            return Err(CommitError::StateTooLarge {
                limit: MAX_STATE_BYTES_3,
                size,
            });
        }
    }
    Ok(())
}

fn check_labels(secrets: &BTreeMap<String, Secret>) -> Result<(), CommitError> {
    let mut taken: Vec<(&SecretOwner, &str)> = Vec::new();
    for secret in secrets.values().filter(|secret| !secret.label.is_empty()) {
        let label = (&secret.owner, secret.label.as_str());
        if taken.contains(&label) {
            return Err(CommitError::LabelTaken {
                label: secret.label.clone(),
            });
        }
        taken.push(label);
    }
    Ok(())
}

/// Stores what differs and tells those who face it.
fn store_databags(session: &HookSession, model: &mut Model, changes: &mut Vec<Change>) {
    let unit = &session.context.unit;
    let is_3 = model.juju_version.is_3();
    for (id, of_application) in session.pending.written() {
        let new = session.own_data(model, id, of_application);
        let Some(relation) = model.relations.get_mut(&id) else {
            continue;
        };
        let stored = if of_application {
            relation
                .application_data
                .entry(session.context.application().to_owned())
                .or_default()
        } else {
            &mut relation.units.entry(unit.clone()).or_default().data
        };
        if *stored == new {
            continue;
        }
        *stored = new;
        let mut told = relation.counterparts(unit);
        if of_application {
            // A 4.0.15 tells the leader of a peer relation about its own write as well; 3.x does not.
            if relation.is_peer() && !is_3 {
                told.push(unit.clone());
            }
        } else {
            // A unit that has not seen us join gets our data with relation-joined.
            told.retain(|other| {
                relation
                    .units
                    .get(other)
                    .is_some_and(|member| member.joined.contains(unit))
            });
        }
        let remote_unit = (!of_application).then(|| unit.clone());
        changes.extend(told.into_iter().map(|other| {
            let remote_unit = remote_unit.clone();
            Change::event(
                other,
                Event::RelationChanged {
                    relation: id,
                    remote_unit,
                },
            )
        }));
    }
}

/// Compares the secrets with what they were: readers hear of a new revision, owners of one that nobody reads any more. In 4.0
/// owners hear of a new revision of their own too (seen on 4.0.14).
pub(crate) fn secret_changes(
    old: &BTreeMap<String, Secret>,
    model: &mut Model,
    writer: Option<&str>,
    changes: &mut Vec<Change>,
) {
    let leaders: BTreeMap<String, String> = model
        .applications
        .iter()
        .filter_map(|(name, application)| Some((name.clone(), application.leader.clone()?)))
        .collect();
    let tells_managers = !model.juju_version.is_3();
    for secret in model.secrets.values_mut() {
        let latest = secret.latest();
        let before = old.get(&secret.id).map_or(0, Secret::latest);
        let manager = match &secret.owner {
            SecretOwner::Unit(unit) => Some(unit),
            SecretOwner::Application(application) => leaders.get(application),
            SecretOwner::Model => None,
        };
        if latest > before {
            if let Some(manager) = manager.filter(|_| tells_managers && before > 0) {
                let consumer = secret.consumers.get(manager).map(|consumer| &consumer.label);
                let event = Event::SecretChanged {
                    secret: secret.id.clone(),
                    label: consumer
                        .filter(|label| !label.is_empty())
                        .unwrap_or(&secret.label)
                        .clone(),
                };
                changes.push(Change::event(manager, event));
            }
            for (reader, consumer) in &secret.consumers {
                let is_told = tells_managers && before > 0 && Some(reader) == manager;
                if consumer.revision < latest && Some(reader.as_str()) != writer && !is_told {
                    let event = Event::SecretChanged {
                        secret: secret.id.clone(),
                        label: consumer.label.clone(),
                    };
                    changes.push(Change::event(reader, event));
                }
            }
        }
        for (number, revision) in &mut secret.revisions {
            let read = secret
                .consumers
                .values()
                .any(|consumer| consumer.revision == *number);
            if *number < latest && !read && !revision.obsolete {
                revision.obsolete = true;
                if let Some(manager) = manager {
                    let event = Event::SecretRemove {
                        secret: secret.id.clone(),
                        label: secret.label.clone(),
                        revision: *number,
                    };
                    changes.push(Change::event(manager, event));
                }
            }
        }
    }
}

/// What the agent remembers once a relation hook has succeeded.
fn note_event(session: &HookSession, model: &mut Model) {
    let Some(id) = session.context.event.relation() else {
        return;
    };
    let unit = &session.context.unit;
    let Some(relation) = model.relations.get_mut(&id) else {
        return;
    };
    let Some(member) = relation.units.get_mut(unit) else {
        return;
    };
    match &session.context.event {
        Event::RelationJoined { remote_unit, .. } => {
            member.joined.insert(remote_unit.clone());
        }
        Event::RelationDeparted { remote_unit, .. } => {
            member.joined.remove(remote_unit);
        }
        Event::RelationBroken { .. } => {
            member.in_scope = false;
            member.joined.clear();
        }
        _ => {}
    }
    if relation.dying && !relation.units.values().any(|member| member.in_scope) {
        model.remove_relation_record(id);
    }
}
