//! The stand-in velero-operator: an application without a charm folder. What it does was read in the source of
//! canonical/velero-operator at 4c89cc3; there is no Velero behind it, only the objects that one would be given.
//!
//! Its unit has the events that Juju would give it, from the same resolver as every other unit. [`reconcile`] says
//! what each of them does, [`mapping`] how a databag becomes a spec, [`action`] what `juju run` does.

mod action;
mod judge;
mod mapping;
mod objects;
mod reconcile;

use juju_hook_tools::context::Event;
use juju_hook_tools::model::{Charm, ConfigOption, Model, OptionType, Role, Status, StatusInfo};
use velero_api::{Backup, Schedule};

use super::deploy::{not_found, refusal};
use super::{OperatorOptions, Options, Simulation};
use crate::agent::next_event;
use crate::error::Result;
use crate::names;
pub(crate) use objects::created as created_object;
pub(crate) use reconcile::OperatorRecord;
use reconcile::{Client, Surroundings};

const ENDPOINT: &str = "velero-backups";
const INTERFACE: &str = "velero_backup_config";
const FS_BACKUP: &str = "default-volumes-to-fs-backup";
const READY: &str = "Unit is Ready";
const NO_STORAGE: &str = "Missing relation: [s3-credentials|azure-storage|gcs-credentials]";

impl Simulation {
    /// Deploys the stand-in for velero-operator: one unit, endpoint `velero-backups`, no limit.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn deploy_velero_operator(&mut self, options: OperatorOptions) -> Result<()> {
        let app = options.app.clone();
        names::check_application(&app)?;
        self.state.model.now = self.now();
        self.state.model.deploy(&app, charm(&options)).map_err(refusal)?;
        let unit = self.state.model.add_unit(&app).map_err(refusal)?;
        self.state.pods += 1;
        let address = self.pod_address(&unit);
        if let Some(unit) = self.state.model.units.get_mut(&unit) {
            unit.address = Some(address);
        }
        let record = OperatorRecord {
            options,
            ..OperatorRecord::default()
        };
        self.state.operators.insert(app, record);
        self.settle()
    }

    /// Every Schedule of the stand-in velero-operators.
    pub fn schedules(&self) -> Vec<Schedule> {
        self.of_operators(|operator| &operator.schedules)
    }

    /// Every Backup of the stand-in velero-operators. Its status is empty unless [`OperatorOptions::backup_phase`] says
    /// what it is: no Velero has looked at it.
    pub fn backups(&self) -> Vec<Backup> {
        self.of_operators(|operator| &operator.backups)
    }

    /// What the stand-in velero-operators did that the real one would do silently: defects that hurt users. One line
    /// each, with relation, application and reason; nothing twice. [`super::Defects`] lists them.
    pub fn operator_warnings(&self) -> Vec<String> {
        self.of_operators(|operator| &operator.warnings)
    }

    /// How often the stand-in velero-operators have restarted Velero: twice with every relation-changed and
    /// relation-broken of `velero-backups`, also with those that come with a client's first units.
    pub fn velero_restarts(&self) -> u64 {
        self.state
            .operators
            .values()
            .map(|operator| operator.restarts)
            .sum()
    }

    /// Lets a stand-in get or lose its storage provider, as integrating s3-integrator and removing it does. Without one
    /// it is blocked, and its Schedules stay as they are.
    ///
    /// # Errors
    /// When there is no such stand-in; else as [`Simulation::settle`].
    pub fn configure_velero_storage(&mut self, app: &str, configured: bool) -> Result<()> {
        let operator = self.state.operators.get_mut(app).ok_or_else(|| not_found(app))?;
        operator.options.storage_configured = configured;
        // The relation's own events do what every event of the operator does.
        operator.agent.queue.push(Event::UpdateStatus);
        self.settle()
    }

    fn of_operators<T: Clone>(&self, part: impl Fn(&OperatorRecord) -> &Vec<T>) -> Vec<T> {
        let operators = self.state.operators.values();
        operators
            .flat_map(|operator| part(operator).iter().cloned())
            .collect()
    }

    /// Runs the events that are due for each stand-in. Says whether there were any: if not, nothing differs from what
    /// it has seen.
    pub(crate) fn reconcile_operators(&mut self) -> bool {
        let now = self.now();
        let mut differed = false;
        for (app, operator) in &mut self.state.operators {
            let unit = format!("{app}/0");
            let model = &mut self.state.model;
            while let Some(event) = operator.due(model, &unit) {
                operator.handle(model, app, now, &event);
                operator.agent.note(&event, model, &unit);
                differed = true;
            }
            let (status, message) = operator.status();
            if let Some(unit) = model.units.get_mut(&unit)
                && (unit.status.status, unit.status.message.as_str()) != (status, message.as_str())
            {
                unit.status = StatusInfo::new(status, message, now);
            }
        }
        if differed {
            self.put_what_operators_make();
        }
        differed
    }

    /// Lets update-status come for a stand-in's unit. Says whether it is one.
    pub(crate) fn operator_update_status(&mut self, unit: &str) -> bool {
        let operator = unit
            .strip_suffix("/0")
            .and_then(|app| self.state.operators.get_mut(app));
        operator.is_some_and(|operator| {
            operator.agent.queue.push(Event::UpdateStatus);
            true
        })
    }

    pub(crate) fn operators_leave(&mut self, relation: u32) {
        let operators: Vec<String> = self
            .state
            .operators
            .keys()
            .map(|app| format!("{app}/0"))
            .collect();
        if let Some(relation) = self.state.model.relations.get_mut(&relation) {
            for unit in operators {
                if let Some(member) = relation.units.get_mut(&unit) {
                    member.in_scope = false;
                }
            }
        }
    }

    pub(crate) fn forget_operator_unit(&mut self, app: &str) {
        self.state.model.forget_unit(&format!("{app}/0"));
    }
}

impl OperatorRecord {
    /// The event that is due for the unit.
    fn due(&self, model: &Model, unit: &str) -> Option<Event> {
        // A relation that no other unit was in is gone at once. Juju would wait for this unit's relation-broken.
        let mut known = self.agent.relations.keys();
        let gone = known.find(|id| !model.relations.contains_key(id));
        let broken = gone.map(|id| Event::RelationBroken {
            relation: *id,
            remote_application: None,
        });
        broken.or_else(|| next_event(model, unit, &self.agent, &Options::default()))
    }

    fn handle(&mut self, model: &Model, app: &str, now: i64, event: &Event) {
        let around = surroundings(model, app, now);
        let clients = clients(model, app);
        match event {
            Event::RelationChanged { relation, .. } => {
                self.rebuild_storage(&self.client(model, app, *relation));
                self.reconcile(&around, &clients);
            }
            Event::RelationBroken { relation, .. } => {
                let broken = self.client(model, app, *relation);
                let last = self.agent.relations.get(relation);
                let last = last.map(|seen| seen.application.clone()).unwrap_or_default();
                self.rebuild_storage(&broken);
                self.forget(&around, &broken, &last, &clients);
                self.reconcile(&around, &clients);
            }
            Event::Install | Event::ConfigChanged | Event::UpdateStatus => self.reconcile(&around, &clients),
            // The operator has no handler for the others.
            _ => {}
        }
    }

    /// A relation by its id, also one that is gone.
    fn client(&self, model: &Model, app: &str, id: u32) -> Client {
        let live = model
            .relations
            .get(&id)
            .and_then(|relation| client(relation, app));
        live.unwrap_or_else(|| {
            let seen = self.agent.relations.get(&id);
            let bag = seen.map(|seen| seen.application.clone()).unwrap_or_default();
            let named = bag.get(velero_backup_config::APP_KEY).cloned();
            Client {
                relation: id,
                remote: named.unwrap_or_else(|| "an application".to_owned()),
                bag,
            }
        })
    }

    fn status(&self) -> (Status, String) {
        if !self.options.storage_configured {
            return (Status::Blocked, NO_STORAGE.to_owned());
        }
        match self.refused.as_slice() {
            [] => (Status::Active, READY.to_owned()),
            [refused] => (Status::Blocked, format!("Invalid relation data: {refused}")),
            [refused, rest @ ..] => {
                let message = format!("Invalid relation data: {refused} (and {} more)", rest.len());
                (Status::Blocked, message)
            }
        }
    }
}

fn surroundings<'a>(model: &'a Model, app: &str, now: i64) -> Surroundings<'a> {
    let application = model.applications.get(app);
    let fs_backup = application
        .and_then(|application| application.option(FS_BACKUP))
        .and_then(serde_json::Value::as_bool);
    Surroundings {
        model: &model.name,
        now,
        fs_backup: fs_backup.unwrap_or_default(),
    }
}

/// The relations that the operator reads, in the order of their ids.
fn clients(model: &Model, app: &str) -> Vec<Client> {
    let relations = model.relations.values().filter(|relation| !relation.dying);
    relations.filter_map(|relation| client(relation, app)).collect()
}

fn client(relation: &juju_hook_tools::model::Relation, app: &str) -> Option<Client> {
    relation
        .endpoint_of(app)
        .filter(|endpoint| *endpoint == ENDPOINT)?;
    let remote = relation.remote_application(app)?.to_owned();
    let bag = relation
        .application_data
        .get(&remote)
        .cloned()
        .unwrap_or_default();
    Some(Client {
        relation: relation.id,
        remote,
        bag,
    })
}

fn charm(options: &OperatorOptions) -> Charm {
    let option = ConfigOption {
        kind: OptionType::Boolean,
        default: Some(options.default_volumes_to_fs_backup.into()),
        ..ConfigOption::default()
    };
    Charm {
        name: "velero-operator".to_owned(),
        options: [(FS_BACKUP.to_owned(), option)].into(),
        actions: action::specs(),
        ..Charm::default()
    }
    .with_endpoint(ENDPOINT, Role::Requirer, INTERFACE, None)
}
