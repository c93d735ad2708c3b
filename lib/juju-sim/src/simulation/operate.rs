//! What a user does to a model that runs: relations, options, trust, leaders, secrets, faults.

use std::collections::{BTreeMap, BTreeSet};

use juju_hook_tools::model::{ModelError, Relation, application_name};

use super::Simulation;
use super::charm_folder::remove_folder;
use super::deploy::{not_found, refusal};
use crate::agent::{At, Effect, Fault};
use crate::error::{Error, Result};

impl Simulation {
    /// `juju integrate A B`, each `APP` or `APP:ENDPOINT`. Returns the relation's id.
    ///
    /// # Errors
    /// As Juju refuses it: no such application or endpoint, nothing that fits, a limit reached, or a relation that
    /// [`lingers`](super::Liberties::removed_relations_linger).
    pub fn integrate(&mut self, one: &str, other: &str) -> Result<u32> {
        self.state.model.now = self.now();
        let mut judged = self.state.model.clone();
        let id = judged.integrate(one, other).map_err(refusal)?;
        if let Some(relation) = judged.relations.get(&id)
            && self.state.lingering.contains(&ends(relation))
            && let Some((left, right)) = relation.key().split_once(' ')
        {
            let (left, right) = (left.to_owned(), right.to_owned());
            return Err(refusal(ModelError::RelationExists { left, right }));
        }
        self.state.model = judged;
        let operators: Vec<String> = self.state.operators.keys().cloned().collect();
        for app in operators {
            if self.relation_ids_of(&app).contains(&id) {
                // The stand-in has no agent that would take it there.
                self.state.model.enter_scope(id, &format!("{app}/0"));
            }
        }
        self.settle()?;
        Ok(id)
    }

    /// `juju remove-relation A B`.
    ///
    /// # Errors
    /// When there is no such relation, or several of them.
    pub fn remove_relation(&mut self, one: &str, other: &str) -> Result<()> {
        let sides = [one, other].map(|side| {
            side.split_once(':')
                .map_or((side, None), |(app, end)| (app, Some(end)))
        });
        let is_meant = |relation: &&Relation| {
            !relation.is_peer()
                && sides.iter().all(|(app, end)| {
                    relation
                        .endpoint_of(app)
                        .is_some_and(|endpoint| end.is_none_or(|end| end == endpoint))
                })
        };
        let all = self.state.model.relations.values();
        let found: Vec<&Relation> = all.filter(is_meant).collect();
        let id = match found.as_slice() {
            [] => return Err(Error::refused(format!("relation \"{one} {other}\" not found"))),
            [only] => only.id,
            // `InferActiveRelation` of Juju's `state/state.go`.
            several => {
                let named: Vec<String> = several
                    .iter()
                    .map(|relation| format!("\"{}\"", relation.key()))
                    .collect();
                let text = format!(
                    "ambiguous relation: \"{one} {other}\" could refer to {}",
                    named.join("; ")
                );
                return Err(Error::refused(text));
            }
        };
        self.end_relation(id)?;
        self.settle()
    }

    pub(crate) fn end_relation(&mut self, id: u32) -> Result<()> {
        if self.state.model.relations.get(&id).is_none_or(Relation::is_peer) {
            return Ok(());
        }
        if self.state.options.liberties.removed_relations_linger
            && let Some(relation) = self.state.model.relations.get(&id)
        {
            self.state.lingering.insert(ends(relation));
        }
        self.operators_leave(id);
        self.state.model.remove_relation(id).map_err(refusal)?;
        Ok(())
    }

    /// `juju config APP key=value …`: all of them, or none when one is refused.
    ///
    /// # Errors
    /// When there is no such application or option, or a value is not of its type.
    pub fn set_config(&mut self, app: &str, values: &[(&str, &str)]) -> Result<()> {
        let mut judged = self.state.model.clone();
        for (key, value) in values {
            judged.set_config(app, key, value).map_err(refusal)?;
        }
        self.state.model = judged;
        self.settle_changed_configuration()
    }

    /// `juju config APP --reset key,…`.
    ///
    /// # Errors
    /// When there is no such application or option.
    pub fn reset_config(&mut self, app: &str, keys: &[&str]) -> Result<()> {
        let mut judged = self.state.model.clone();
        for key in keys {
            judged.reset_config(app, key).map_err(refusal)?;
        }
        self.state.model = judged;
        self.settle_changed_configuration()
    }

    fn settle_changed_configuration(&mut self) -> Result<()> {
        if self.state.options.liberties.config_changed_late_and_twice {
            // It comes with whatever is done next.
            return self.save();
        }
        self.settle()
    }

    /// `juju trust APP`; `false` removes the trust.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn trust(&mut self, app: &str, trust: bool) -> Result<()> {
        self.state.model.set_trust(app, trust).map_err(refusal)?;
        self.settle_changed_configuration()
    }

    /// Makes another unit the leader. The old one is not told, as in Juju.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn change_leader(&mut self, unit: &str) -> Result<()> {
        self.known_unit(unit)?;
        self.state.model.set_leader(unit).map_err(refusal)?;
        let app = application_name(unit).to_owned();
        for (other, agent) in &mut self.state.agents {
            if other != unit && application_name(other) == app {
                agent.leader = false;
            }
        }
        self.settle()
    }

    /// `juju add-secret NAME key=value …`: a user's secret. Returns its id, `secret:…`.
    ///
    /// # Errors
    /// When events that follow cannot be run.
    pub fn add_secret(&mut self, name: &str, content: &BTreeMap<String, String>) -> Result<String> {
        self.state.model.now = self.now();
        let id = self.state.model.add_user_secret(name, content);
        self.settle()?;
        Ok(format!("secret:{id}"))
    }

    /// `juju update-secret SECRET key=value …`, the secret by id or name.
    ///
    /// # Errors
    /// When there is no such secret of a user.
    pub fn update_secret(&mut self, secret: &str, content: &BTreeMap<String, String>) -> Result<()> {
        self.state.model.now = self.now();
        self.state
            .model
            .update_user_secret(secret, content)
            .map_err(refusal)?;
        self.settle()
    }

    /// `juju grant-secret SECRET APP`; `false`: `juju revoke-secret`.
    ///
    /// # Errors
    /// When there is no such secret or application.
    pub fn grant_secret(&mut self, secret: &str, app: &str, grant: bool) -> Result<()> {
        if !self.state.model.applications.contains_key(app) {
            return Err(not_found(app));
        }
        if grant {
            self.state.model.grant_user_secret(secret, app).map_err(refusal)?;
        } else {
            self.state
                .model
                .revoke_user_secret(secret, app)
                .map_err(refusal)?;
        }
        self.settle()
    }

    /// `juju remove-storage ID`: forgets a detached storage instance, and its files.
    ///
    /// # Errors
    /// When there is no such storage, or a unit still has it.
    pub fn remove_storage(&mut self, id: &str) -> Result<()> {
        let storage = self.state.model.storages.get(id);
        let storage = storage.ok_or_else(|| Error::refused(format!("storage instance {id:?} not found")))?;
        if storage.unit.is_some() {
            return Err(Error::refused(format!(
                "removing storage {id:?}: storage instance still attached"
            )));
        }
        self.state.model.storages.remove(id);
        remove_folder(&self.released_volume(id))?;
        self.save()
    }

    /// Orders an accident for a dispatch to come of this unit, which may be one that is still to be deployed. It waits
    /// until a dispatch reaches it.
    ///
    /// # Errors
    /// When this cannot be the name of a unit, or the fault is one that cannot happen.
    pub fn inject(&mut self, unit: &str, fault: Fault) -> Result<()> {
        let number = unit
            .split_once('/')
            .and_then(|(_, number)| number.parse::<u32>().ok());
        if number.is_none() {
            return Err(Error::refused(format!("{unit:?} is not a valid unit name")));
        }
        let fails = matches!(fault.effect, Effect::Fail { .. });
        if fails && (fault.with_pod || matches!(fault.at, At::Write(_))) {
            return Err(Error::refused(
                "a dispatch can be killed there, and nothing be made to fail",
            ));
        }
        self.state.faults.entry(unit.to_owned()).or_default().push(fault);
        self.save()
    }

    /// Takes back the accidents of a unit that have not happened. Says how many those were.
    pub fn clear_faults(&mut self, unit: &str) -> usize {
        self.state.faults.remove(unit).map_or(0, |faults| faults.len())
    }
}

/// The ends of a relation, whichever was named first.
fn ends(relation: &Relation) -> BTreeSet<String> {
    relation.key().split(' ').map(str::to_owned).collect()
}
