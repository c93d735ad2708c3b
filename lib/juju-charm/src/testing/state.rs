//! What Juju knows before and after an event, as one unit sees it. A thin layer over [`Model`]: setters that chain, and
//! getters for what a charm can change.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use juju_hook_tools::model::{
    self, Application, Counters, Databag, Model, Relation, RelationEndpoint, RelationUnit, Secret,
    SecretConsumer, SecretGrant, SecretOwner, SecretRevision, StatusInfo, StorageInstance, Unit,
};
use serde_json::Value;

use super::pebble::PebbleState;
use crate::names::SecretId;
use crate::secret::SecretContent;
use crate::status::{CurrentStatus, Status};

/// The state of a model around one unit.
///
/// A new one is what Juju knows of a unit that was just added: not the leader, no relation, status `maintenance`.
///
/// Two states are equal when they differ at most in the secret ids that Juju has drawn, since a run that was cut off has
/// used one up, and in what [`PebbleState`] leaves out.
#[derive(Debug, Clone)]
pub struct State {
    unit: String,
    model: Model,
    /// By container.
    pebbles: BTreeMap<String, PebbleState>,
}

impl State {
    /// The unit `APP/NUMBER` in a model of its own.
    pub fn new(app: &str, number: u32) -> Self {
        let mut model = Model::new("testing", "00000000-0000-4000-8000-000000000000");
        let unit = format!("{app}/{number}");
        add_application(&mut model, app);
        let status = StatusInfo::new(model::Status::Maintenance, "installing charm software", model.now);
        model.units.insert(
            unit.clone(),
            Unit {
                status,
                ..new_unit(&unit)
            },
        );
        Self {
            unit,
            model,
            pebbles: BTreeMap::new(),
        }
    }

    /// The unit leads its application, or another unit does.
    #[must_use]
    pub fn with_leader(mut self, leads: bool) -> Self {
        let unit = self.unit.clone();
        self.application_mut().leader = leads.then_some(unit);
        self
    }

    /// The model's name.
    #[must_use]
    pub fn with_model_name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.model.name);
        self
    }

    /// Juju's version, such as `3.6.9`. A few answers of the hook tools depend on it.
    #[must_use]
    pub fn with_juju_version(mut self, version: &str) -> Self {
        self.model.juju_version = model::JujuVersion::new(version);
        self
    }

    /// The application was deployed with `--trust`.
    #[must_use]
    pub fn with_trust(mut self) -> Self {
        self.application_mut().trust = true;
        self
    }

    /// An option that the user has set.
    #[must_use]
    pub fn with_config(mut self, option: &str, value: impl Into<Value>) -> Self {
        self.application_mut()
            .config
            .insert(option.to_owned(), value.into());
        self
    }

    /// A relation.
    #[must_use]
    pub fn with_relation(mut self, relation: RelationState) -> Self {
        let app = self.app().to_owned();
        let RelationState {
            id,
            endpoint,
            remote_app,
            remote_app_data,
            own_app_data,
            own_unit_data,
            remote_units,
        } = relation;
        let side = |application: &str, endpoint: &str| RelationEndpoint {
            application: application.to_owned(),
            endpoint: endpoint.to_owned(),
        };
        let mut record = Relation {
            id,
            endpoints: vec![side(&app, &endpoint)],
            ..Relation::default()
        };
        if let Some(remote_app) = &remote_app {
            add_application(&mut self.model, remote_app);
            // The other side may name its endpoint as it likes.
            record.endpoints.push(side(remote_app, &endpoint));
            record
                .application_data
                .insert(remote_app.clone(), remote_app_data);
        }
        record.application_data.insert(app.clone(), own_app_data);
        let remote_names = |number: &u32| format!("{}/{number}", remote_app.as_ref().unwrap_or(&app));
        let joined = remote_units.keys().map(remote_names).collect();
        record.units.insert(
            self.unit.clone(),
            RelationUnit {
                in_scope: true,
                data: own_unit_data,
                joined,
            },
        );
        for (number, data) in &remote_units {
            let name = remote_names(number);
            self.model
                .units
                .entry(name.clone())
                .or_insert_with(|| new_unit(&name));
            record.units.insert(
                name,
                RelationUnit {
                    in_scope: true,
                    data: data.clone(),
                    ..RelationUnit::default()
                },
            );
        }
        self.model.relations.insert(id, record);
        self
    }

    /// A secret that the application owns.
    #[must_use]
    pub fn with_app_secret(self, label: &str, content: &SecretContent) -> Self {
        let owner = SecretOwner::Application(self.app().to_owned());
        self.with_secret(owner, label, content, Vec::new())
    }

    /// A secret that the unit owns.
    #[must_use]
    pub fn with_unit_secret(self, label: &str, content: &SecretContent) -> Self {
        let owner = SecretOwner::Unit(self.unit.clone());
        self.with_secret(owner, label, content, Vec::new())
    }

    /// A secret of another application, with that owner's label. With `granted`, this application may read it.
    #[must_use]
    pub fn with_remote_secret(
        mut self,
        app: &str,
        label: &str,
        content: &SecretContent,
        granted: bool,
    ) -> Self {
        add_application(&mut self.model, app);
        let grant = SecretGrant {
            target: self.app().to_owned(),
            relation: None,
        };
        let grants = if granted { vec![grant] } else { Vec::new() };
        self.with_secret(SecretOwner::Application(app.to_owned()), label, content, grants)
    }

    fn with_secret(
        mut self,
        owner: SecretOwner,
        label: &str,
        content: &SecretContent,
        grants: Vec<SecretGrant>,
    ) -> Self {
        // Juju's ids have 20 characters of 0-9 and a-v.
        let id = format!("testingsecret{:07}", self.model.secrets.len());
        let content = content
            .iter()
            .map(|(key, value)| (key.to_owned(), STANDARD.encode(value)))
            .collect();
        let secret = Secret {
            id: id.clone(),
            owner,
            label: label.to_owned(),
            description: String::new(),
            rotate_policy: String::new(),
            expires: None,
            rotates: None,
            revisions: BTreeMap::from([(
                1,
                SecretRevision {
                    content,
                    obsolete: false,
                },
            )]),
            consumers: BTreeMap::new(),
            grants,
        };
        self.model.secrets.insert(id, secret);
        self
    }

    /// The unit has read the newest revision of a secret, by the owner's label, so that it hears of newer ones.
    #[must_use]
    pub fn with_secret_tracked(mut self, owners_label: &str) -> Self {
        let unit = self.unit.clone();
        for secret in self
            .model
            .secrets
            .values_mut()
            .filter(|secret| secret.label == owners_label)
        {
            let revision = secret.latest();
            secret.consumers.insert(
                unit.clone(),
                SecretConsumer {
                    label: String::new(),
                    revision,
                },
            );
        }
        self
    }

    /// A storage instance `NAME/NUMBER`, mounted at `location` in the charm container, or not yet mounted.
    #[must_use]
    pub fn with_storage(mut self, name: &str, number: u32, location: Option<&str>) -> Self {
        let id = format!("{name}/{number}");
        let instance = StorageInstance {
            id: id.clone(),
            unit: Some(self.unit.clone()),
            kind: "filesystem".to_owned(),
            location: location.map(str::to_owned),
        };
        self.model.storages.insert(id, instance);
        self
    }

    /// A workload container of the charm whose Pebble gives no answer; only needed when the [context](super::Context) has
    /// no metadata.
    #[must_use]
    pub fn with_container(mut self, name: &str) -> Self {
        self.application_mut().charm.containers.insert(name.to_owned());
        self
    }

    /// The Pebble of a workload container of the charm.
    #[must_use]
    pub fn with_pebble(mut self, container: &str, pebble: PebbleState) -> Self {
        self.pebbles.insert(container.to_owned(), pebble);
        self
    }

    /// A TCP port that the unit has open.
    #[must_use]
    pub fn with_opened_port(mut self, number: u16) -> Self {
        self.unit_mut()
            .opened_ports
            .entry(String::new())
            .or_default()
            .insert(model::Port::tcp(number));
        self
    }

    /// The unit's status.
    #[must_use]
    pub fn with_status(mut self, status: &Status) -> Self {
        let since = self.model.now;
        self.unit_mut().status = status_info(status, since);
        self
    }

    /// The application's status, as its leader has set it.
    #[must_use]
    pub fn with_application_status(mut self, status: &Status) -> Self {
        let since = self.model.now;
        self.application_mut().status = Some(status_info(status, since));
        self
    }

    /// A text that the unit has stored with Juju.
    #[must_use]
    pub fn with_stored(mut self, key: &str, value: &str) -> Self {
        self.unit_mut().state.insert(key.to_owned(), value.to_owned());
        self
    }

    /// The unit's application.
    pub fn app(&self) -> &str {
        model::application_name(&self.unit)
    }

    /// The unit.
    pub fn unit(&self) -> &str {
        &self.unit
    }

    /// Everything, for what has no setter or getter here.
    pub fn model(&self) -> &Model {
        &self.model
    }

    /// Everything, to change.
    pub fn model_mut(&mut self) -> &mut Model {
        &mut self.model
    }

    /// The Pebble of a container, if the state was given one.
    pub fn pebble(&self, container: &str) -> Option<&PebbleState> {
        self.pebbles.get(container)
    }

    /// The same, to change.
    pub fn pebble_mut(&mut self, container: &str) -> Option<&mut PebbleState> {
        self.pebbles.get_mut(container)
    }

    pub(super) fn pebbles(&self) -> &BTreeMap<String, PebbleState> {
        &self.pebbles
    }

    pub(super) fn set_pebbles(&mut self, pebbles: BTreeMap<String, PebbleState>) {
        self.pebbles = pebbles;
    }

    /// True if the unit leads its application.
    pub fn is_leader(&self) -> bool {
        self.model.is_leader(&self.unit)
    }

    /// The unit's status.
    pub fn status(&self) -> CurrentStatus {
        self.model
            .units
            .get(&self.unit)
            .map_or_else(unknown_status, |unit| current_status(&unit.status))
    }

    /// The application's status.
    pub fn application_status(&self) -> CurrentStatus {
        let status = self
            .application()
            .and_then(|application| application.status.as_ref());
        status.map_or_else(unknown_status, current_status)
    }

    /// The own application's databag in a relation; empty if there is none.
    pub fn own_app_data(&self, relation: u32) -> Databag {
        let bag = self
            .model
            .relations
            .get(&relation)
            .and_then(|relation| relation.application_data.get(self.app()));
        bag.cloned().unwrap_or_default()
    }

    /// This unit's databag in a relation; empty if there is none.
    pub fn own_unit_data(&self, relation: u32) -> Databag {
        let member = self
            .model
            .relations
            .get(&relation)
            .and_then(|relation| relation.units.get(&self.unit));
        member.map(|member| member.data.clone()).unwrap_or_default()
    }

    /// What the unit has stored with Juju.
    pub fn stored(&self) -> BTreeMap<String, String> {
        self.model
            .units
            .get(&self.unit)
            .map(|unit| unit.state.clone())
            .unwrap_or_default()
    }

    /// The ports that the unit has open, as `8080/tcp`.
    pub fn opened_ports(&self) -> Vec<String> {
        let ports = self
            .model
            .units
            .get(&self.unit)
            .map(|unit| unit.opened_ports.values().flatten());
        ports.into_iter().flatten().map(ToString::to_string).collect()
    }

    /// The workload's version that the charm has set; empty if none.
    pub fn workload_version(&self) -> &str {
        self.model
            .units
            .get(&self.unit)
            .map_or("", |unit| &unit.workload_version)
    }

    /// The id of the first secret whose owner has given it this label.
    pub fn secret_id(&self, owners_label: &str) -> Option<SecretId> {
        self.secret(owners_label)
            .and_then(|secret| secret.id.parse().ok())
    }

    /// The newest content of the first secret whose owner has given it this label.
    pub fn secret_content(&self, owners_label: &str) -> Option<SecretContent> {
        let (_, revision) = self.secret(owners_label)?.revisions.last_key_value()?;
        let decoded = |value: &String| {
            STANDARD
                .decode(value)
                .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
                .unwrap_or_default()
        };
        Some(
            revision
                .content
                .iter()
                .map(|(key, value)| (key.clone(), decoded(value)))
                .collect(),
        )
    }

    fn secret(&self, owners_label: &str) -> Option<&Secret> {
        self.model
            .secrets
            .values()
            .find(|secret| secret.label == owners_label)
    }

    /// The model with each secret's id replaced by its place among the secrets, wherever the id is written.
    fn model_without_drawn_ids(&self) -> Model {
        let mut model = self.model.clone();
        model.counters = Counters::default();
        let mut secrets: Vec<Secret> = std::mem::take(&mut model.secrets).into_values().collect();
        // Stable: secrets that look the same stay in the order in which they were made.
        secrets.sort_by_key(|secret| (format!("{:?}", secret.owner), secret.label.clone()));
        let drawn: Vec<String> = secrets.iter().map(|secret| secret.id.clone()).collect();
        for (number, mut secret) in secrets.into_iter().enumerate() {
            secret.id = format!("secret {number}");
            model.secrets.insert(secret.id.clone(), secret);
        }
        let replace = |text: &mut String| {
            for (number, id) in drawn.iter().enumerate() {
                *text = text.replace(id, &format!("secret {number}"));
            }
        };
        for relation in model.relations.values_mut() {
            relation
                .application_data
                .values_mut()
                .flat_map(BTreeMap::values_mut)
                .for_each(replace);
            relation
                .units
                .values_mut()
                .flat_map(|member| member.data.values_mut())
                .for_each(replace);
        }
        model
            .units
            .values_mut()
            .flat_map(|unit| unit.state.values_mut())
            .for_each(replace);
        model
    }

    pub(super) fn application(&self) -> Option<&Application> {
        self.model.applications.get(self.app())
    }

    pub(super) fn application_mut(&mut self) -> &mut Application {
        let app = self.app().to_owned();
        self.model.applications.entry(app).or_default()
    }

    fn unit_mut(&mut self) -> &mut Unit {
        let unit = self.unit.clone();
        self.model
            .units
            .entry(unit.clone())
            .or_insert_with(|| new_unit(&unit))
    }
}

impl PartialEq for State {
    fn eq(&self, other: &Self) -> bool {
        self.unit == other.unit
            && self.pebbles == other.pebbles
            && self.model_without_drawn_ids() == other.model_without_drawn_ids()
    }
}

/// A relation of the unit's application, for [`State::with_relation`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationState {
    id: u32,
    endpoint: String,
    /// `None` for a peer relation.
    remote_app: Option<String>,
    remote_app_data: Databag,
    own_app_data: Databag,
    own_unit_data: Databag,
    remote_units: BTreeMap<u32, Databag>,
}

impl RelationState {
    /// The relation `ENDPOINT:ID` to another application, without units there and without data.
    pub fn new(id: u32, endpoint: &str, remote_app: &str) -> Self {
        Self {
            remote_app: Some(remote_app.to_owned()),
            ..Self::peer(id, endpoint)
        }
    }

    /// A relation among the units of the application.
    pub fn peer(id: u32, endpoint: &str) -> Self {
        Self {
            id,
            endpoint: endpoint.to_owned(),
            remote_app: None,
            remote_app_data: Databag::new(),
            own_app_data: Databag::new(),
            own_unit_data: Databag::new(),
            remote_units: BTreeMap::new(),
        }
    }

    /// A unit on the other side, by its number, with its databag. In a peer relation another unit of the application.
    #[must_use]
    pub fn with_remote_unit<const N: usize>(mut self, number: u32, data: [(&str, &str); N]) -> Self {
        self.remote_units.insert(number, databag(data));
        self
    }

    /// The databag of the application on the other side.
    #[must_use]
    pub fn with_remote_app_data<const N: usize>(mut self, data: [(&str, &str); N]) -> Self {
        self.remote_app_data = databag(data);
        self
    }

    /// The databag of the own application.
    #[must_use]
    pub fn with_own_app_data<const N: usize>(mut self, data: [(&str, &str); N]) -> Self {
        self.own_app_data = databag(data);
        self
    }

    /// The databag of the unit itself.
    #[must_use]
    pub fn with_own_unit_data<const N: usize>(mut self, data: [(&str, &str); N]) -> Self {
        self.own_unit_data = databag(data);
        self
    }
}

fn databag<const N: usize>(data: [(&str, &str); N]) -> Databag {
    data.map(|(key, value)| (key.to_owned(), value.to_owned())).into()
}

fn add_application(model: &mut Model, app: &str) {
    let number = model.applications.len();
    model
        .applications
        .entry(app.to_owned())
        .or_insert_with(|| Application {
            name: app.to_owned(),
            address: format!("10.96.0.{}", number + 1),
            ..Application::default()
        });
}

fn new_unit(name: &str) -> Unit {
    Unit {
        name: name.to_owned(),
        address: Some("10.124.0.1".to_owned()),
        ..Unit::default()
    }
}

fn status_info(status: &Status, since: i64) -> StatusInfo {
    let name = match status {
        Status::Active(_) => model::Status::Active,
        Status::Blocked(_) => model::Status::Blocked,
        Status::Waiting(_) => model::Status::Waiting,
        Status::Maintenance(_) => model::Status::Maintenance,
    };
    StatusInfo::new(name, status.message(), since)
}

fn current_status(status: &StatusInfo) -> CurrentStatus {
    CurrentStatus {
        name: status.status.to_string(),
        message: status.message.clone(),
    }
}

fn unknown_status() -> CurrentStatus {
    current_status(&StatusInfo::default())
}
