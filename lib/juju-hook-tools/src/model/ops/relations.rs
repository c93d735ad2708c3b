//! Relations: integrating, entering and leaving the scope, removing.

use crate::context::Event;
use crate::model::{
    Application, Endpoint, Model, ModelError, Relation, RelationEndpoint, Role, application_name,
};
use crate::session::Change;

impl Model {
    /// `juju integrate LEFT RIGHT`: each side is `application` or `application:endpoint`. Returns the relation's id.
    ///
    /// No unit is in the relation yet: the agent has each unit [enter the scope](Model::enter_scope) before it runs
    /// relation-created there.
    ///
    /// # Errors
    /// When an application or endpoint does not exist, when no pair or several pairs of endpoints fit, when the relation
    /// exists, or when an endpoint's limit is reached.
    pub fn integrate(&mut self, left: &str, right: &str) -> Result<u32, ModelError> {
        let left_candidates = self.candidates(left)?;
        let right_candidates = self.candidates(right)?;
        let mut pairs = Vec::new();
        for (left_end, left_declared) in &left_candidates {
            for (right_end, right_declared) in &right_candidates {
                let roles = (left_declared.role, right_declared.role);
                let fits = matches!(
                    roles,
                    (Role::Provider, Role::Requirer) | (Role::Requirer, Role::Provider)
                );
                if fits
                    && left_declared.interface == right_declared.interface
                    && left_end.application != right_end.application
                {
                    pairs.push((
                        left_end.clone(),
                        right_end.clone(),
                        left_declared.interface.clone(),
                    ));
                }
            }
        }
        if pairs.len() > 1 {
            let candidates: Vec<String> = pairs
                .iter()
                .map(|(one, other, _)| format!("\"{} {}\"", end_name(one), end_name(other)))
                .collect();
            return Err(ModelError::Ambiguous {
                left: left.to_owned(),
                right: right.to_owned(),
                candidates: candidates.join("; "),
            });
        }
        let Some((left_end, right_end, interface)) = pairs.pop() else {
            return Err(ModelError::NoMatch);
        };
        self.check_room(&left_end, &right_end)?;
        Ok(self.add_relation(vec![left_end, right_end], interface))
    }

    /// Puts a unit into a relation's scope with its first data, as Juju's agent does before relation-created.
    /// Both sides then get relation-joined and relation-changed. Nothing happens when it is in scope already.
    pub fn enter_scope(&mut self, relation: u32, unit: &str) -> Vec<Change> {
        let address = self
            .application_of(unit)
            .map(|application| application.address.clone())
            .unwrap_or_default();
        let is_3 = self.juju_version.is_3();
        let Some(stored) = self.relations.get_mut(&relation) else {
            return Vec::new();
        };
        let counterparts = stored.counterparts(unit);
        let member = stored.units.entry(unit.to_owned()).or_default();
        if std::mem::replace(&mut member.in_scope, true) {
            return Vec::new();
        }
        member.joined.clear();
        if is_3 {
            member.data.insert("private-address".to_owned(), address.clone());
        }
        member
            .data
            .insert("egress-subnets".to_owned(), format!("{address}/32"));
        member.data.insert("ingress-address".to_owned(), address);
        let remote_data = stored
            .remote_application(application_name(unit))
            .and_then(|application| stored.application_data.get(application));
        let mut changes = Vec::new();
        for other in &counterparts {
            changes.extend(joined(relation, unit, other));
            changes.extend(joined(relation, other, unit));
        }
        if remote_data.is_some_and(|data| !data.is_empty()) {
            let event = Event::RelationChanged {
                relation,
                remote_unit: None,
            };
            changes.push(Change::event(unit, event));
        }
        changes
    }

    /// Has a unit leave a relation: the other side hears that it departs; the unit itself gets departed and broken.
    pub fn leave_scope(&mut self, relation: u32, unit: &str) -> Vec<Change> {
        let Some(stored) = self.relations.get(&relation) else {
            return Vec::new();
        };
        let mut changes = Vec::new();
        for other in stored.counterparts(unit) {
            let departed = |on: &str, remote: &str| {
                let event = Event::RelationDeparted {
                    relation,
                    remote_unit: remote.to_owned(),
                    departing_unit: unit.to_owned(),
                };
                Change::event(on, event)
            };
            changes.push(departed(&other, unit));
            changes.push(departed(unit, &other));
        }
        changes.push(broken(relation, unit));
        changes
    }

    /// `juju remove-relation`: each unit hears that the others depart, then that the relation is broken. It is gone when
    /// the last relation-broken was committed.
    ///
    /// # Errors
    /// When there is no such relation.
    pub fn remove_relation(&mut self, id: u32) -> Result<Vec<Change>, ModelError> {
        let Some(relation) = self.relations.get_mut(&id) else {
            return Err(ModelError::NoRelation { id });
        };
        relation.dying = true;
        let members: Vec<String> = relation
            .units
            .iter()
            .filter(|(_, member)| member.in_scope)
            .map(|(name, _)| name.clone())
            .collect();
        let mut changes = Vec::new();
        for unit in &members {
            for other in relation.counterparts(unit) {
                let event = Event::RelationDeparted {
                    relation: id,
                    remote_unit: other.clone(),
                    departing_unit: other,
                };
                changes.push(Change::event(unit, event));
            }
            changes.push(broken(id, unit));
        }
        if members.is_empty() {
            self.remove_relation_record(id);
        }
        Ok(changes)
    }

    /// Takes a relation out of the model, and the grants that lived with it.
    pub(crate) fn remove_relation_record(&mut self, id: u32) {
        self.relations.remove(&id);
        for secret in self.secrets.values_mut() {
            secret.grants.retain(|grant| grant.relation != Some(id));
        }
    }

    pub(super) fn add_peer_relation(&mut self, application: &str, endpoint: String, interface: String) {
        let end = RelationEndpoint {
            application: application.to_owned(),
            endpoint,
        };
        self.add_relation(vec![end], interface);
    }

    fn add_relation(&mut self, endpoints: Vec<RelationEndpoint>, interface: String) -> u32 {
        let id = self.counters.relation;
        self.counters.relation = id.saturating_add(1);
        let relation = Relation {
            id,
            interface,
            endpoints,
            since: self.now,
            ..Relation::default()
        };
        self.relations.insert(id, relation);
        id
    }

    /// The endpoints that one side of `juju integrate` may mean.
    fn candidates(&self, side: &str) -> Result<Vec<(RelationEndpoint, Endpoint)>, ModelError> {
        let (name, wanted) = match side.split_once(':') {
            Some((name, endpoint)) => (name, Some(endpoint)),
            None => (side, None),
        };
        let application: &Application = self.application(name)?;
        if let Some(endpoint) = wanted
            && !application.charm.endpoints.contains_key(endpoint)
        {
            return Err(ModelError::NoEndpoint {
                application: name.to_owned(),
                endpoint: endpoint.to_owned(),
            });
        }
        let matching = application
            .charm
            .endpoints
            .iter()
            .filter(|(endpoint, _)| wanted.is_none_or(|wanted| wanted == endpoint.as_str()));
        Ok(matching
            .map(|(endpoint, declared)| {
                let end = RelationEndpoint {
                    application: name.to_owned(),
                    endpoint: endpoint.clone(),
                };
                (end, declared.clone())
            })
            .collect())
    }

    fn check_room(&self, left: &RelationEndpoint, right: &RelationEndpoint) -> Result<(), ModelError> {
        for end in [left, right] {
            let limit = self
                .applications
                .get(&end.application)
                .and_then(|application| application.charm.endpoints.get(&end.endpoint)?.limit);
            let taken = self
                .relations
                .values()
                .filter(|relation| relation.endpoints.contains(end))
                .count();
            if let Some(limit) = limit
                && taken >= usize::try_from(limit).unwrap_or(usize::MAX)
            {
                return Err(ModelError::LimitExceeded {
                    left: end_name(left),
                    right: end_name(right),
                    full: end_name(end),
                    limit,
                });
            }
        }
        let exists = self
            .relations
            .values()
            .any(|relation| relation.endpoints.contains(left) && relation.endpoints.contains(right));
        if exists {
            return Err(ModelError::RelationExists {
                left: end_name(left),
                right: end_name(right),
            });
        }
        Ok(())
    }
}

fn end_name(end: &RelationEndpoint) -> String {
    format!("{}:{}", end.application, end.endpoint)
}

/// Juju always follows a relation-joined by a relation-changed for the same unit.
fn joined(relation: u32, on: &str, remote: &str) -> [Change; 2] {
    let join = Event::RelationJoined {
        relation,
        remote_unit: remote.to_owned(),
    };
    let change = Event::RelationChanged {
        relation,
        remote_unit: Some(remote.to_owned()),
    };
    [Change::event(on, join), Change::event(on, change)]
}

fn broken(relation: u32, unit: &str) -> Change {
    let event = Event::RelationBroken {
        relation,
        remote_application: None,
    };
    Change::event(unit, event)
}
