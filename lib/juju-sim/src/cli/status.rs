//! `juju status`, in the shape that Juju 4.0.15 gives it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::inspect::{Storage, storage};
use super::output::table;
use crate::error::Result;
use crate::simulation::{Simulation, StatusInfo, status_time};

/// The top of the answer.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    model: Model,
    machines: BTreeMap<String, String>,
    applications: BTreeMap<String, Application>,
    #[serde(skip_serializing_if = "Option::is_none")]
    storage: Option<Storage>,
    controller: Controller,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Model {
    name: String,
    #[serde(rename = "type")]
    kind: &'static str,
    controller: &'static str,
    cloud: &'static str,
    version: String,
    model_status: State,
}

#[derive(Debug, Serialize)]
struct Controller {
    timestamp: String,
}

#[derive(Debug, Serialize)]
pub(crate) struct State {
    current: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    message: String,
    since: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Application {
    charm: String,
    base: Base,
    charm_origin: &'static str,
    charm_name: String,
    charm_rev: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    charm_channel: Option<String>,
    scale: usize,
    provider_id: String,
    address: String,
    exposed: bool,
    life: &'static str,
    application_status: State,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    relations: BTreeMap<String, Vec<Relation>>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    units: BTreeMap<String, Unit>,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    endpoint_bindings: BTreeMap<String, &'static str>,
}

#[derive(Debug, Serialize)]
struct Base {
    name: &'static str,
    channel: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Relation {
    related_application: String,
    interface: String,
    scope: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Unit {
    workload_status: State,
    juju_status: State,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    leader: bool,
    address: String,
    provider_id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    open_ports: Vec<String>,
}

impl State {
    fn new(status: &StatusInfo) -> State {
        State {
            current: status.current.clone(),
            message: status.message.clone(),
            since: status_time(status.since),
            version: None,
        }
    }
}

/// The status of the applications and units that are selected; all if none are.
pub(crate) fn status(simulation: &Simulation, selectors: &[String]) -> Result<Status> {
    let model = simulation.model();
    let now = simulation.now();
    let is_selected = |app: &str| {
        selectors.is_empty()
            || selectors
                .iter()
                .any(|selector| selector.split('/').next() == Some(app))
    };
    let mut applications = BTreeMap::new();
    for app in model.applications.keys().filter(|app| is_selected(app)) {
        applications.insert(app.clone(), application(simulation, app)?);
    }
    let available = StatusInfo {
        current: "available".to_owned(),
        message: String::new(),
        since: now,
    };
    Ok(Status {
        model: Model {
            name: model.name.clone(),
            kind: "caas",
            controller: "ctl",
            cloud: "homek8s",
            version: model.juju_version.as_str().to_owned(),
            model_status: State::new(&available),
        },
        machines: BTreeMap::new(),
        applications,
        storage: Some(storage(simulation, true)).filter(|storage| !storage.is_empty()),
        controller: Controller {
            timestamp: format!("{}Z", crate::simulation::clock_time(now)),
        },
    })
}

fn application(simulation: &Simulation, app: &str) -> Result<Application> {
    let model = simulation.model();
    let (name, uuid, address, endpoints) = match model.applications.get(app) {
        Some(found) => (
            found.charm.name.clone(),
            found.uuid.clone(),
            found.address.clone(),
            found.charm.endpoints.keys().cloned().collect::<Vec<_>>(),
        ),
        None => Default::default(),
    };
    let mut units = BTreeMap::new();
    let mut version = String::new();
    for unit in simulation.units(app) {
        let status = simulation.status(&unit)?;
        version = status.workload_version;
        let mut juju_status = State::new(&status.agent);
        juju_status.version = Some(model.juju_version.as_str().to_owned());
        let shown = Unit {
            workload_status: State::new(&status.workload),
            juju_status,
            leader: status.leader,
            address: status.address,
            provider_id: unit.replace('/', "-"),
            open_ports: status.open_ports,
        };
        units.insert(unit, shown);
    }
    let mut relations: BTreeMap<String, Vec<Relation>> = BTreeMap::new();
    for relation in model.relations.values() {
        if let (Some(endpoint), Some(remote)) = (relation.endpoint_of(app), relation.remote_application(app))
        {
            let related_application = remote.to_owned();
            let interface = relation.interface.clone();
            let shown = Relation {
                related_application,
                interface,
                scope: "global",
            };
            relations.entry(endpoint.to_owned()).or_default().push(shown);
        }
    }
    let bound = ["".to_owned(), "juju-info".to_owned()]
        .into_iter()
        .chain(endpoints);
    let revision = simulation.charm_revision(app);
    let origin = simulation.charmhub_origin(app);
    Ok(Application {
        charm: match origin {
            Some(origin) => origin.name.clone(),
            None => format!("local:{name}-{revision}"),
        },
        base: Base {
            name: "ubuntu",
            channel: "24.04",
        },
        charm_origin: if origin.is_some() { "charmhub" } else { "local" },
        charm_name: name,
        charm_rev: revision,
        charm_channel: origin.map(|origin| origin.channel.clone()),
        scale: units.len(),
        provider_id: uuid,
        address,
        exposed: false,
        life: "alive",
        application_status: State::new(&simulation.app_status(app)?),
        relations,
        units,
        version,
        endpoint_bindings: bound.map(|endpoint| (endpoint, "alpha")).collect(),
    })
}

/// As much of a message as a table shows: `maxMessageLength` and `ellipsis` in `cmd/juju/status/output_tabular.go` of juju/juju.
fn in_a_line(message: &str) -> String {
    const LONGEST: usize = 120;
    const ELLIPSIS: &str = "...";
    if message.chars().count() <= LONGEST {
        return message.to_owned();
    }
    let begin: String = message.chars().take(LONGEST - ELLIPSIS.len()).collect();
    begin + ELLIPSIS
}

impl Status {
    /// As tables, for people.
    pub fn tables(&self, with_relations: bool) -> String {
        let row = |cells: &[&str]| {
            cells
                .iter()
                .map(|cell| (*cell).to_owned())
                .collect::<Vec<String>>()
        };
        let mut text = table(&[
            row(&["Model", "Controller", "Cloud/Region", "Version", "Timestamp"]),
            row(&[
                &self.model.name,
                self.model.controller,
                self.model.cloud,
                &self.model.version,
                &self.controller.timestamp,
            ]),
        ]);
        if self.applications.is_empty() {
            return text + "\nModel is empty.\n";
        }
        let mut apps = vec![row(&[
            "App", "Version", "Status", "Scale", "Charm", "Rev", "Address", "Exposed", "Message",
        ])];
        let mut units = vec![row(&["Unit", "Workload", "Agent", "Address", "Ports", "Message"])];
        let mut relations = vec![row(&["Endpoint", "Related application", "Interface"])];
        for (name, app) in &self.applications {
            let status = &app.application_status;
            let message = in_a_line(&status.message);
            apps.push(row(&[
                name,
                &app.version,
                &status.current,
                &app.scale.to_string(),
                &app.charm_name,
                &app.charm_rev.to_string(),
                &app.address,
                "no",
                &message,
            ]));
            for (name, unit) in &app.units {
                units.push(row(&[
                    &format!("{name}{}", if unit.leader { "*" } else { "" }),
                    &unit.workload_status.current,
                    &unit.juju_status.current,
                    &unit.address,
                    &unit.open_ports.join(","),
                    &in_a_line(&unit.workload_status.message),
                ]));
            }
            for (endpoint, related) in &app.relations {
                for relation in related {
                    let end = format!("{name}:{endpoint}");
                    relations.push(row(&[&end, &relation.related_application, &relation.interface]));
                }
            }
        }
        text += &format!("\n{}\n{}", table(&apps), table(&units));
        if with_relations && relations.len() > 1 {
            text += &format!("\n{}", table(&relations));
        }
        text
    }
}
