//! `juju show-unit`, `juju storage`, `juju show-storage`, in the shape that Juju 4.0.15 gives them.

use std::collections::BTreeMap;

use juju_hook_tools::model::{Databag, application_name};
use serde::Serialize;

use super::output::table;
use crate::error::{Error, Result};
use crate::simulation::{Simulation, status_time};

/// One unit.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Unit {
    #[serde(skip_serializing_if = "String::is_empty")]
    workload_version: String,
    opened_ports: Option<Vec<String>>,
    charm: String,
    leader: bool,
    life: &'static str,
    relation_info: Vec<Relation>,
    provider_id: String,
    address: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Relation {
    relation_id: u32,
    endpoint: String,
    related_endpoint: String,
    application_data: Databag,
    local_unit: Member,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    related_units: BTreeMap<String, Member>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Member {
    in_scope: bool,
    data: Option<Databag>,
}

/// What `juju show-unit` says.
pub(crate) fn unit(simulation: &Simulation, unit: &str) -> Result<Unit> {
    let (model, app) = (simulation.model(), application_name(unit));
    let status = simulation.status(unit)?;
    let mut relations: Vec<_> = model.relations_of_unit(unit).collect();
    relations.sort_by_key(|relation| (relation.is_peer(), relation.id));
    let relation_info = relations.into_iter().map(|relation| {
        let remote = relation.remote_application(app).unwrap_or_default();
        let own = relation.units.get(unit).map(|member| member.data.clone());
        let member = |name: &String| {
            let data = relation.units.get(name).map(|member| member.data.clone());
            (name.clone(), Member { in_scope: true, data })
        };
        Relation {
            relation_id: relation.id,
            endpoint: relation.endpoint_of(app).unwrap_or_default().to_owned(),
            related_endpoint: relation.endpoint_of(remote).unwrap_or_default().to_owned(),
            // Recorded: 4.0.15 shows the unit's own application's data here, and its own unit's in peer relations only.
            application_data: relation.application_data.get(app).cloned().unwrap_or_default(),
            local_unit: match relation.is_peer() {
                true => Member {
                    in_scope: true,
                    data: own,
                },
                false => Member {
                    in_scope: false,
                    data: None,
                },
            },
            related_units: relation.counterparts(unit).iter().map(member).collect(),
        }
    });
    let name = model
        .applications
        .get(app)
        .map(|app| app.charm.name.clone())
        .unwrap_or_default();
    Ok(Unit {
        workload_version: status.workload_version,
        opened_ports: Some(status.open_ports).filter(|ports| !ports.is_empty()),
        charm: format!("local:{name}-{}", simulation.charm_revision(app)),
        leader: status.leader,
        life: "alive",
        relation_info: relation_info.collect(),
        provider_id: unit.replace('/', "-"),
        address: status.address,
    })
}

/// All storage.
#[derive(Debug, Serialize)]
pub(crate) struct Storage {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    storage: BTreeMap<String, Instance>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    filesystems: BTreeMap<String, Filesystem>,
    /// 3.6 has them, and names the PersistentVolume here; 4.0 names it in the filesystem.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    volumes: BTreeMap<String, Volume>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Volume {
    provider_id: String,
    storage: String,
    pool: &'static str,
    size: u32,
    persistent: bool,
    life: &'static str,
    status: State,
}

/// One storage instance.
#[derive(Debug, Serialize)]
pub(crate) struct Instance {
    kind: String,
    life: &'static str,
    status: State,
    persistent: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<InstanceAttachments>,
}

#[derive(Debug, Clone, Serialize)]
struct State {
    current: &'static str,
    since: String,
}

#[derive(Debug, Serialize)]
struct InstanceAttachments {
    units: BTreeMap<String, Location>,
}

#[derive(Debug, Serialize)]
struct Location {
    location: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    life: Option<&'static str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Filesystem {
    provider_id: String,
    storage: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    attachments: Option<FilesystemAttachments>,
    pool: &'static str,
    size: u32,
    life: &'static str,
    status: State,
}

#[derive(Debug, Serialize)]
struct FilesystemAttachments {
    containers: BTreeMap<String, MountPoint>,
    units: BTreeMap<String, Location>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct MountPoint {
    mount_point: String,
    read_only: bool,
    life: &'static str,
}

impl Storage {
    /// Whether the model has no storage.
    pub fn is_empty(&self) -> bool {
        self.storage.is_empty()
    }

    /// One instance.
    pub fn instance(&self, id: &str) -> Result<&Instance> {
        let found = self.storage.get(id);
        found.ok_or_else(|| Error::refused(format!("storage instance {id:?} not found")))
    }

    /// As a table, for people.
    pub fn table(&self) -> String {
        let row = |cells: [&str; 5]| cells.map(str::to_owned).to_vec();
        let mut rows = vec![row(["Unit", "Storage ID", "Type", "Size", "Status"])];
        for (id, instance) in &self.storage {
            let units = instance
                .attachments
                .iter()
                .flat_map(|attached| attached.units.keys());
            let unit = units.map(String::as_str).next().unwrap_or_default();
            rows.push(row([
                unit,
                id,
                &instance.kind,
                "1.0 GiB",
                instance.status.current,
            ]));
        }
        table(&rows)
    }
}

/// What `juju storage` says. `life` of an attachment is shown by `juju status` only.
pub(crate) fn storage(simulation: &Simulation, with_life: bool) -> Storage {
    let since = status_time(simulation.now());
    let mut shown = Storage {
        storage: BTreeMap::new(),
        filesystems: BTreeMap::new(),
        volumes: BTreeMap::new(),
    };
    for instance in simulation.model().storages.values() {
        let (name, number) = instance.id.split_once('/').unwrap_or((&instance.id, "0"));
        let current = if instance.unit.is_some() {
            "attached"
        } else {
            "detached"
        };
        let status = State {
            current,
            since: since.clone(),
        };
        let at = instance.unit.as_ref().map(|unit| {
            let path = simulation.storage_dir(unit, name).display().to_string();
            (unit.clone(), instance.location.clone().unwrap_or(path))
        });
        let units = |life: Option<&'static str>| {
            at.iter()
                .map(|(unit, location)| {
                    (
                        unit.clone(),
                        Location {
                            location: location.clone(),
                            life,
                        },
                    )
                })
                .collect()
        };
        let containers = at.iter().map(|(unit, location)| {
            (
                unit.clone(),
                MountPoint {
                    mount_point: location.clone(),
                    read_only: false,
                    life: "alive",
                },
            )
        });
        let is_attached = at.is_some();
        if let Some(volume) = simulation.volume_of(&instance.id).filter(|_| simulation.is_36()) {
            shown.volumes.insert(
                number.to_owned(),
                Volume {
                    provider_id: volume,
                    storage: instance.id.clone(),
                    pool: "kubernetes",
                    size: 1024,
                    persistent: true,
                    life: "alive",
                    status: status.clone(),
                },
            );
        }
        shown.filesystems.insert(
            number.to_owned(),
            Filesystem {
                provider_id: format!("pvc-00000000-0000-4000-8000-{:0>12}", number),
                storage: instance.id.clone(),
                attachments: is_attached.then(|| FilesystemAttachments {
                    containers: containers.collect(),
                    units: units(with_life.then_some("alive")),
                }),
                pool: "kubernetes",
                size: 1024,
                life: "alive",
                status: status.clone(),
            },
        );
        let attachments = is_attached.then(|| InstanceAttachments {
            units: units(Some("alive")),
        });
        let kind = instance.kind.clone();
        shown.storage.insert(
            instance.id.clone(),
            Instance {
                kind,
                life: "alive",
                status,
                persistent: false,
                attachments,
            },
        );
    }
    shown
}
