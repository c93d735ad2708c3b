//! What velero-operator does in a hook, on what it keeps. Nothing here knows a simulation.

use std::collections::BTreeMap;

use juju_hook_tools::model::Databag;
use serde::{Deserialize, Serialize};
use velero_api::{Backup, Object, Schedule, ScheduleSpec};

use super::judge::bad_values;
use super::mapping::{Group, WireSpec};
use super::objects::{created, refusal};
use crate::agent::AgentState;
use crate::simulation::OperatorOptions;

/// What a stand-in operator keeps.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct OperatorRecord {
    pub options: OperatorOptions,
    /// Which events its unit has had.
    pub agent: AgentState,
    pub schedules: Vec<Schedule>,
    pub backups: Vec<Backup>,
    /// What the real operator would have done without a word, oldest first, nothing twice.
    pub warnings: Vec<String>,
    /// Requests that were refused in the last reconcile, with reasons.
    pub refused: Vec<String>,
    /// How often Velero was restarted.
    pub restarts: u64,
    /// Objects that were created, for their names.
    pub created: u64,
}

/// What a hook finds besides the relations.
#[derive(Debug, Clone, Copy)]
pub(super) struct Surroundings<'a> {
    /// The operator's model, which is the namespace of its objects.
    pub model: &'a str,
    /// Seconds since 1970.
    pub now: i64,
    /// `default-volumes-to-fs-backup`.
    pub fs_backup: bool,
}

/// A relation as the operator sees it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub relation: u32,
    /// The application at the other end.
    pub remote: String,
    pub bag: Databag,
}

impl OperatorRecord {
    /// What happens to Velero in every relation-changed and relation-broken, before anything is looked at.
    pub(super) fn rebuild_storage(&mut self, client: &Client) {
        // Without a storage provider there is nothing to take away and nothing to put back.
        if self.options.storage_configured && self.options.defects.restarts_velero {
            self.restarts += 2;
            let text = "its change rebuilt the storage locations and restarted Velero twice; \
                        a backup in progress would have been marked Failed";
            self.warn(client, text);
        }
    }

    /// Makes the Schedules what the relations ask for.
    pub(super) fn reconcile(&mut self, around: &Surroundings<'_>, clients: &[Client]) {
        self.refused.clear();
        if !self.options.storage_configured {
            return;
        }
        self.note_rivals(around, clients);
        for client in clients {
            let Some(group) = Group::of(&client.bag) else {
                continue;
            };
            let spec = match WireSpec::read(&client.bag) {
                Ok(spec) => spec,
                Err(reason) if self.options.defects.skips_invalid_spec => {
                    self.warn(client, &format!("{reason}; skipped, while the unit stays active"));
                    continue;
                }
                Err(reason) => {
                    self.refuse(client, &reason);
                    continue;
                }
            };
            if let Some(reason) = self.objection(client, &spec) {
                self.refuse(client, &reason);
                continue;
            }
            let labels = self.schedule_labels(around, &group);
            match spec.schedule(around.fs_backup) {
                None => self
                    .schedules
                    .retain(|schedule| schedule.metadata.labels != labels),
                Some(spec) => self.apply(around, client, &group, labels, spec),
            }
        }
    }

    /// Deletes the Schedule of a relation that is broken. `last`: what its bag said when it was looked at before.
    pub(super) fn forget(
        &mut self,
        around: &Surroundings<'_>,
        broken: &Client,
        last: &Databag,
        others: &[Client],
    ) {
        let Some(group) = Group::of(&broken.bag) else {
            let orphan = Group::of(last).map(|group| self.schedule_labels(around, &group));
            if let Some(labels) = orphan
                && let Some(schedule) = self.find(&labels)
            {
                let name = schedule.name().to_owned();
                let text = format!(
                    "its databag no longer says app and relation_name, so Schedule {name} goes on without it"
                );
                self.warn(broken, &text);
            }
            return;
        };
        let labels = self.schedule_labels(around, &group);
        let Some(position) = self
            .schedules
            .iter()
            .position(|schedule| schedule.metadata.labels == labels)
        else {
            return;
        };
        let gone = self.schedules.remove(position);
        let sharer = others.iter().find(|other| {
            Group::of(&other.bag).is_some_and(|group| self.schedule_labels(around, &group) == labels)
        });
        if let Some(sharer) = sharer {
            let text = format!(
                "its end deleted Schedule {}, which was that of relation {} of {} as well",
                gone.name(),
                sharer.relation,
                sharer.remote
            );
            self.warn(broken, &text);
        }
    }

    /// Why a request is refused. What the operator would take without a word is noted, unless it is refused.
    pub(super) fn objection(&mut self, client: &Client, spec: &WireSpec) -> Option<String> {
        let defects = self.options.defects;
        let mut noted = Vec::new();
        if spec.takes_every_namespace() {
            let given = match client.bag.get(velero_backup_config::SPEC_KEY) {
                Some(_) => "spec names no namespace",
                None => "spec is missing",
            };
            let text = format!("{given}, which means a backup of every namespace");
            if !defects.takes_every_namespace {
                return Some(text);
            }
            noted.push(text);
        }
        for text in bad_values(spec) {
            if !defects.takes_any_value {
                return Some(text);
            }
            noted.push(text);
        }
        for text in noted {
            self.warn(client, &text);
        }
        None
    }

    /// Adds a warning, once.
    pub(super) fn warn(&mut self, client: &Client, text: &str) {
        let line = format!("relation {} of {}: {text}", client.relation, client.remote);
        if !self.warnings.contains(&line) {
            self.warnings.push(line);
        }
    }

    fn refuse(&mut self, client: &Client, reason: &str) {
        self.refused.push(format!(
            "relation {} of {}: {reason}",
            client.relation, client.remote
        ));
    }

    fn schedule_labels(&self, around: &Surroundings<'_>, group: &Group<'_>) -> BTreeMap<String, String> {
        let model = match group.model {
            Some(model) if !self.options.defects.ignores_client_model => model,
            _ => around.model,
        };
        [
            ("app", group.app),
            ("endpoint", group.endpoint),
            ("model", model),
            ("managed-by", "velero-operator"),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn find(&mut self, labels: &BTreeMap<String, String>) -> Option<&mut Schedule> {
        let mut schedules = self.schedules.iter_mut();
        schedules.find(|schedule| schedule.metadata.labels == *labels)
    }

    fn apply(
        &mut self,
        around: &Surroundings<'_>,
        client: &Client,
        group: &Group<'_>,
        labels: BTreeMap<String, String>,
        spec: ScheduleSpec,
    ) {
        if let Some(schedule) = self.find(&labels) {
            schedule.spec = spec;
            return;
        }
        if let Some(reason) = refusal(&group.prefix(), &labels) {
            self.warn(client, &format!("Kubernetes would refuse its Schedule: {reason}"));
            return;
        }
        let schedule = self.create(around, group, labels, spec);
        self.schedules.push(schedule);
    }

    /// A new object with a name and a uid of its own.
    pub(super) fn create<Spec: velero_api::Kind, Status>(
        &mut self,
        around: &Surroundings<'_>,
        group: &Group<'_>,
        labels: BTreeMap<String, String>,
        spec: Spec,
    ) -> Object<Spec, Status> {
        let mut metadata = created(&group.prefix(), around.model, self.created, around.now);
        self.created += 1;
        metadata.labels = labels;
        Object::new(metadata, spec)
    }

    /// Two relations that ask under the same labels.
    fn note_rivals(&mut self, around: &Surroundings<'_>, clients: &[Client]) {
        let asked: Vec<(&Client, Group<'_>)> = clients
            .iter()
            .filter_map(|client| Group::of(&client.bag).map(|group| (client, group)))
            .collect();
        for (place, (client, group)) in asked.iter().enumerate() {
            let labels = self.schedule_labels(around, group);
            let mut earlier = asked.iter().take(place);
            let rival = earlier.find(|(_, other)| self.schedule_labels(around, other) == labels);
            if let Some((rival, other)) = rival {
                let text = format!(
                    "it asks as {}:{} of model {}, and relation {} of {} as the same of model {}: \
                     both have one Schedule, and the last one read wins",
                    group.app,
                    group.endpoint,
                    group.model.unwrap_or("unknown"),
                    rival.relation,
                    rival.remote,
                    other.model.unwrap_or("unknown")
                );
                self.warn(client, &text);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulation::Defects;

    const GOOD: &str = r#"{"include_namespaces":["media"],"schedule":"@daily","ttl":"720h"}"#;

    fn around() -> Surroundings<'static> {
        Surroundings {
            model: "velero",
            now: 1_795_425_768,
            fs_backup: true,
        }
    }

    fn client(relation: u32, model: &str, spec: &str) -> Client {
        let bag = [
            ("app", "radarr"),
            ("relation_name", "backup"),
            ("model", model),
            ("spec", spec),
        ];
        Client {
            relation,
            remote: format!("remote{relation}"),
            bag: bag
                .into_iter()
                .filter(|(_, value)| !value.is_empty())
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .collect(),
        }
    }

    fn operator(defects: Defects) -> OperatorRecord {
        let options = OperatorOptions {
            defects,
            ..OperatorOptions::default()
        };
        OperatorRecord {
            options,
            ..OperatorRecord::default()
        }
    }

    /// An operator with these defects after it has read these relations, a second time to no effect.
    fn after(defects: Defects, clients: &[Client]) -> OperatorRecord {
        let mut operator = operator(defects);
        operator.reconcile(&around(), clients);
        let mut first = operator.clone();
        operator.reconcile(&around(), clients);
        // Of two that fight, one may make anew in each hook what the other deletes.
        first.created = operator.created;
        assert_eq!(operator, first, "it does not come to rest");
        operator
    }

    #[test]
    fn a_good_request_is_taken_with_and_without_defects() {
        for defects in [Defects::default(), Defects::none()] {
            let operator = after(defects, &[client(0, "velero", GOOD)]);
            assert_eq!(operator.schedules.len(), 1);
            assert_eq!((operator.warnings.len(), operator.refused.len()), (0, 0));
        }
    }

    #[test]
    fn what_the_operator_swallows_is_a_warning_and_what_it_should_refuse_is_refused() {
        for (spec, made) in [
            (r#"{"schedule":"@daily"}"#, 1),
            ("", 0),
            (r#"{"include_namespaces":["media"],"schedule":"soon"}"#, 1),
            (
                r#"{"include_namespaces":["media"],"schedule":"@daily","ttl":"30d"}"#,
                1,
            ),
            ("{", 0),
        ] {
            let swallowed = after(Defects::default(), &[client(3, "velero", spec)]);
            assert_eq!(swallowed.schedules.len(), made, "{spec}");
            assert_eq!(
                (swallowed.warnings.len(), swallowed.refused.len()),
                (1, 0),
                "{spec}"
            );
            let refused = after(Defects::none(), &[client(3, "velero", spec)]);
            assert_eq!(refused.schedules.len(), 0, "{spec}");
            assert_eq!((refused.warnings.len(), refused.refused.len()), (0, 1), "{spec}");
            for line in swallowed.warnings.iter().chain(&refused.refused) {
                assert!(line.starts_with("relation 3 of remote3: "), "{line}");
            }
        }
    }

    #[test]
    fn one_bad_request_does_not_hide_the_others() {
        let mut other = client(1, "velero", GOOD);
        other.bag.insert("app".to_owned(), "sonarr".to_owned());
        let clients = [client(0, "velero", "{"), other];
        for defects in [Defects::default(), Defects::none()] {
            assert_eq!(after(defects, &clients).schedules.len(), 1);
        }
    }

    #[test]
    fn one_label_set_is_one_schedule() {
        let clients = [client(0, "media", GOOD), client(1, "cabin", GOOD)];
        let shared = after(Defects::default(), &clients);
        assert_eq!((shared.schedules.len(), shared.warnings.len()), (1, 1));
        assert_eq!(shared.schedules[0].metadata.labels["model"], "velero");
        let mut apart = after(Defects::none(), &clients);
        assert_eq!((apart.schedules.len(), apart.warnings.len()), (2, 0));

        let [one, other] = &clients;
        apart.forget(&around(), one, &one.bag, std::slice::from_ref(other));
        assert_eq!(apart.schedules[0].metadata.labels["model"], "cabin");
        // A rival that asks for no Schedule takes away that of the other.
        let none = client(2, "attic", r#"{"include_namespaces":["attic"]}"#);
        assert_eq!(after(Defects::default(), &[one.clone(), none]).schedules.len(), 0);
    }

    #[test]
    fn a_change_restarts_velero_twice_if_there_is_anything_to_restart() {
        let mut operator = operator(Defects::default());
        operator.rebuild_storage(&client(0, "velero", GOOD));
        operator.rebuild_storage(&client(0, "velero", GOOD));
        assert_eq!((operator.restarts, operator.warnings.len()), (4, 1));
        operator.options.storage_configured = false;
        operator.rebuild_storage(&client(0, "velero", GOOD));
        assert_eq!(operator.restarts, 4);
    }
}
