//! Does the state make sense, and can the event happen in it? Tests of states that Juju cannot have prove nothing.

use juju_hook_tools::context::Event;
use juju_hook_tools::model::{Charm, Endpoint, OptionType, Role, Secret, SecretOwner, application_name};
use serde_json::Value;

use super::pebble::PebbleState;
use super::state::State;

/// What is wrong, and what is odd.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Findings {
    /// Impossible.
    pub(super) errors: Vec<String>,
    /// Possible, and probably not meant.
    pub(super) warnings: Vec<String>,
}

impl Findings {
    fn require(&mut self, holds: bool, error: impl FnOnce() -> String) {
        if !holds {
            self.errors.push(error());
        }
    }

    fn warn_unless(&mut self, holds: bool, warning: impl FnOnce() -> String) {
        if !holds {
            self.warnings.push(warning());
        }
    }
}

/// Declares what the state uses, for a charm without declarations of its own.
pub(super) fn declare_what_is_used(state: &mut State) {
    let app = state.app().to_owned();
    let model = state.model();
    let endpoints: Vec<(String, Endpoint)> = model
        .relations
        .values()
        .filter_map(|relation| {
            let role = if relation.is_peer() {
                Role::Peer
            } else {
                Role::Requirer
            };
            Some((
                relation.endpoint_of(&app)?.to_owned(),
                Endpoint {
                    role,
                    ..Endpoint::default()
                },
            ))
        })
        .collect();
    let storages: Vec<String> = model
        .storages
        .values()
        .map(|storage| storage.name().to_owned())
        .collect();
    let containers: Vec<String> = state.pebbles().keys().cloned().collect();
    let application = state.application_mut();
    let options: Vec<(String, OptionType)> = application
        .config
        .iter()
        .map(|(name, value)| (name.clone(), natural_type(value)))
        .collect();
    let charm = &mut application.charm;
    for (name, endpoint) in endpoints {
        charm.endpoints.entry(name).or_insert(endpoint);
    }
    for name in storages {
        charm.storage.entry(name).or_default();
    }
    charm.containers.extend(containers);
    for (name, kind) in options {
        charm.options.entry(name).or_default().kind = kind;
    }
}

fn natural_type(value: &Value) -> OptionType {
    match value {
        Value::Bool(_) => OptionType::Boolean,
        Value::Number(number) if number.is_f64() => OptionType::Float,
        Value::Number(_) => OptionType::Int,
        _ => OptionType::String,
    }
}

/// Checks `state`, and `event` in it.
pub(super) fn check(state: &State, event: &Event) -> Findings {
    let mut findings = Findings::default();
    let Some(application) = state.application() else {
        findings
            .errors
            .push(format!("application {} does not exist", state.app()));
        return findings;
    };
    let charm = &application.charm;
    check_config(state, charm, &mut findings);
    check_relations(state, charm, &mut findings);
    check_storages(state, charm, &mut findings);
    check_secrets(state, &mut findings);
    for (container, pebble) in state.pebbles() {
        let problems = pebble.contradictions().iter();
        findings
            .errors
            .extend(problems.map(|problem| format!("in container {container:?}: {problem}")));
        findings.require(charm.containers.contains(container), || {
            format!("there is a Pebble in container {container:?}, which the metadata does not have")
        });
    }
    check_event(state, charm, event, &mut findings);
    findings
}

fn check_config(state: &State, charm: &Charm, findings: &mut Findings) {
    let Some(application) = state.application() else {
        return;
    };
    for (name, value) in &application.config {
        let Some(option) = charm.options.get(name) else {
            findings.errors.push(format!(
                "option {name:?} is set, but config.yaml does not declare it"
            ));
            continue;
        };
        let fits = match option.kind {
            OptionType::String | OptionType::Secret => value.is_string(),
            OptionType::Int => value.is_i64(),
            OptionType::Float => value.is_number(),
            OptionType::Boolean => value.is_boolean(),
        };
        findings.require(fits, || {
            format!(
                "option {name:?} is {value}, but config.yaml declares {}",
                option.kind.as_str()
            )
        });
    }
}

fn check_relations(state: &State, charm: &Charm, findings: &mut Findings) {
    let app = state.app();
    let has_other_units = state
        .model()
        .units
        .keys()
        .any(|unit| unit != state.unit() && application_name(unit) == app);
    for relation in state.model().relations.values() {
        let Some(name) = relation.endpoint_of(app) else {
            continue;
        };
        let id = relation.name_for(app);
        let Some(endpoint) = charm.endpoints.get(name) else {
            findings.errors.push(format!(
                "relation {id} is there, but the metadata has no endpoint {name:?}"
            ));
            continue;
        };
        let is_peer = endpoint.role == Role::Peer;
        findings.require(is_peer == relation.is_peer(), || {
            format!(
                "relation {id} is {}a peer relation, but its endpoint is {}",
                not(relation.is_peer()),
                is_not(is_peer)
            )
        });
        let used = state
            .model()
            .relations
            .values()
            .filter(|other| other.endpoint_of(app) == Some(name))
            .count();
        let limit = endpoint
            .limit
            .map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        findings.require(used <= limit, || {
            format!("endpoint {name:?} takes {limit} relations and has {used}")
        });
        let own_data = relation
            .application_data
            .get(app)
            .is_some_and(|data| !data.is_empty());
        findings.warn_unless(!own_data || state.is_leader() || has_other_units, || {
            format!(
                "relation {id} has data of {app}, but {} is its only unit and no leader",
                state.unit()
            )
        });
    }
}

fn not(holds: bool) -> &'static str {
    if holds { "" } else { "not " }
}

fn is_not(holds: bool) -> &'static str {
    if holds { "one" } else { "none" }
}

fn check_storages(state: &State, charm: &Charm, findings: &mut Findings) {
    for storage in state
        .model()
        .storages
        .values()
        .filter(|storage| storage.unit.as_deref() == Some(state.unit()))
    {
        findings.require(charm.storage.contains_key(storage.name()), || {
            format!(
                "storage {} is there, but the metadata has no storage {:?}",
                storage.id,
                storage.name()
            )
        });
    }
}

fn check_secrets(state: &State, findings: &mut Findings) {
    for secret in state.model().secrets.values() {
        for key in secret
            .revisions
            .values()
            .flat_map(|revision| revision.content.keys())
        {
            findings.require(is_secret_key(key), || {
                format!(
                    "secret {:?} has the key {key:?}, which Juju refuses",
                    secret.label
                )
            });
        }
        for relation in secret.grants.iter().filter_map(|grant| grant.relation) {
            findings.require(state.model().relations.contains_key(&relation), || {
                format!(
                    "secret {:?} is granted through relation {relation}, which does not exist",
                    secret.label
                )
            });
        }
        let same_owner = |other: &&Secret| {
            !secret.label.is_empty() && other.label == secret.label && other.owner == secret.owner
        };
        let first = state.model().secrets.values().find(same_owner);
        findings.require(first.is_none_or(|first| first.id == secret.id), || {
            format!("two secrets of one owner have the label {:?}", secret.label)
        });
    }
}

/// Three characters or more: lowercase letters, digits and single dashes, a letter first, no dash last.
fn is_secret_key(key: &str) -> bool {
    let allowed = key
        .bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let significant = key.bytes().filter(|byte| *byte != b'-').count();
    let letter_first = key.starts_with(|first: char| first.is_ascii_lowercase());
    allowed && significant >= 3 && letter_first && !key.ends_with('-') && !key.contains("--")
}

fn check_event(state: &State, charm: &Charm, event: &Event, findings: &mut Findings) {
    let unit = state.unit();
    match event {
        Event::LeaderElected => {
            findings.require(state.is_leader(), || {
                format!("leader-elected on {unit}, which does not lead")
            });
        }
        Event::Install => {
            let fresh = state.stored().is_empty();
            findings.warn_unless(fresh, || {
                format!("install on {unit}, which has stored state already")
            });
        }
        Event::RelationCreated { relation } | Event::RelationBroken { relation, .. } => {
            check_relation_event(state, *relation, None, findings);
            if matches!(event, Event::RelationCreated { .. }) && !state.own_app_data(*relation).is_empty() {
                findings.warnings.push(format!(
                    "relation-created of relation {relation}, which has own data already"
                ));
            }
        }
        Event::RelationChanged {
            relation,
            remote_unit,
        } => {
            check_relation_event(state, *relation, remote_unit.as_deref(), findings);
        }
        Event::RelationJoined {
            relation,
            remote_unit,
        } => {
            check_relation_event(state, *relation, Some(remote_unit), findings);
        }
        Event::RelationDeparted {
            relation,
            remote_unit,
            departing_unit,
        } => {
            check_relation_event(state, *relation, Some(remote_unit), findings);
            findings.require(departing_unit == remote_unit || departing_unit == unit, || {
                format!("{departing_unit} departs, which is neither {remote_unit} nor {unit}")
            });
        }
        Event::StorageAttached { storage } | Event::StorageDetaching { storage } => {
            check_storage_event(state, storage, findings);
        }
        Event::SecretChanged { secret, .. } => check_secret_changed(state, secret, findings),
        Event::SecretRotate { secret, .. } => check_owner_event(state, secret, None, findings),
        Event::SecretExpired { secret, revision, .. } | Event::SecretRemove { secret, revision, .. } => {
            check_owner_event(state, secret, Some(*revision), findings);
        }
        Event::PebbleReady { container } => {
            check_container(charm, container, findings);
            let silent = state
                .pebble(container)
                .is_some_and(|pebble| !pebble.is_reachable());
            findings.warn_unless(!silent, || {
                format!("pebble-ready of container {container:?}, whose Pebble gives no answer")
            });
        }
        Event::PebbleCustomNotice {
            container,
            id,
            kind,
            key,
        } => {
            check_container(charm, container, findings);
            findings.require(kind == "custom", || {
                format!("a notice of type {kind:?}: Juju sends only custom ones")
            });
            let has = |pebble: &PebbleState| {
                pebble
                    .notices()
                    .iter()
                    .any(|notice| notice.id == *id && notice.key == *key)
            };
            findings.require(state.pebble(container).is_none_or(has), || {
                format!("an event of notice {id} with key {key:?}, which Pebble does not have")
            });
        }
        Event::PebbleCheckFailed { container, check } | Event::PebbleCheckRecovered { container, check } => {
            check_container(charm, container, findings);
            let has = |pebble: &PebbleState| pebble.check(check).is_some();
            findings.require(state.pebble(container).is_none_or(has), || {
                format!("an event of check {check:?}, which is not in Pebble's plan")
            });
            let version = state.model().juju_version.as_str();
            findings.require(!has_no_check_events(version), || {
                format!("an event of a Pebble check in Juju {version}: they came with 3.6")
            });
        }
        Event::Action { name, params, .. } => {
            // A charm without declarations takes any action.
            if !charm.name.is_empty() {
                let checked = state.model().action_parameters(unit, name, params.clone());
                findings.require(checked.is_ok(), || {
                    checked.err().map(|error| error.to_string()).unwrap_or_default()
                });
            }
        }
        Event::Start
        | Event::Stop
        | Event::Remove
        | Event::ConfigChanged
        | Event::UpgradeCharm
        | Event::UpdateStatus => {}
    }
}

fn check_relation_event(state: &State, id: u32, remote_unit: Option<&str>, findings: &mut Findings) {
    let app = state.app();
    let relation = state
        .model()
        .relations
        .get(&id)
        .filter(|relation| relation.endpoint_of(app).is_some());
    let Some(relation) = relation else {
        findings
            .errors
            .push(format!("an event of relation {id}, which {app} does not have"));
        return;
    };
    let Some(remote_unit) = remote_unit else { return };
    let remote_app = relation.remote_application(app).unwrap_or_default();
    findings.require(application_name(remote_unit) == remote_app, || {
        format!("{remote_unit} in an event of relation {id}, whose other side is {remote_app}")
    });
    findings.require(relation.units.contains_key(remote_unit), || {
        format!("{remote_unit} in an event of relation {id}, which it is not in")
    });
    findings.require(remote_unit != state.unit(), || {
        format!("{remote_unit} hears of itself in relation {id}")
    });
}

fn check_storage_event(state: &State, id: &str, findings: &mut Findings) {
    let attached = state
        .model()
        .storages
        .get(id)
        .filter(|storage| storage.unit.as_deref() == Some(state.unit()));
    match attached {
        None => findings.errors.push(format!(
            "an event of storage {id}, which {} does not have",
            state.unit()
        )),
        Some(storage) => {
            findings.require(storage.location.is_some(), || {
                format!("an event of storage {id}, which is not mounted")
            });
        }
    }
}

fn secret_of<'a>(state: &'a State, id: &str, findings: &mut Findings) -> Option<&'a Secret> {
    let secret = state.model().secrets.get(id);
    findings.require(secret.is_some(), || {
        format!("an event of secret {id}, which does not exist")
    });
    secret
}

fn check_secret_changed(state: &State, id: &str, findings: &mut Findings) {
    let Some(secret) = secret_of(state, id, findings) else {
        return;
    };
    findings.require(secret.consumers.contains_key(state.unit()), || {
        format!("secret-changed of {id}, which {} has never read", state.unit())
    });
}

/// Secret events for the owner: the leader, if it is the application.
fn check_owner_event(state: &State, id: &str, revision: Option<u32>, findings: &mut Findings) {
    let Some(secret) = secret_of(state, id, findings) else {
        return;
    };
    let manages = match &secret.owner {
        SecretOwner::Application(app) => app == state.app() && state.is_leader(),
        SecretOwner::Unit(unit) => unit == state.unit(),
        SecretOwner::Model => false,
    };
    findings.require(manages, || {
        format!(
            "an owner's event of secret {id}, which {} does not manage",
            state.unit()
        )
    });
    if let Some(revision) = revision {
        findings.require(secret.revisions.contains_key(&revision), || {
            format!("an event of revision {revision} of secret {id}, which does not exist")
        });
    }
}

fn check_container(charm: &Charm, container: &str, findings: &mut Findings) {
    findings.require(charm.containers.contains(container), || {
        format!("an event of container {container:?}, which the charm does not have")
    });
}

fn has_no_check_events(version: &str) -> bool {
    let mut numbers = version
        .split('.')
        .map(|number| number.parse::<u32>().unwrap_or(u32::MAX));
    matches!((numbers.next(), numbers.next()), (Some(3), Some(minor)) if minor < 6)
}
