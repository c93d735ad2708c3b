//! Units: adding, leading, mounting storage, taking away.

use crate::context::Event;
use crate::model::{Model, ModelError, Status, StatusInfo, StorageInstance, Unit, application_name};
use crate::session::Change;

impl Model {
    /// Adds a unit with its storage (not mounted yet), and makes it the leader if there is none.
    ///
    /// The events of its first start are not among the results of any operation: which order they come in is up to the
    /// agent.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn add_unit(&mut self, application: &str) -> Result<String, ModelError> {
        let now = self.now;
        let stored = self.application_mut(application)?;
        let name = format!("{application}/{}", stored.next_unit);
        stored.next_unit = stored.next_unit.saturating_add(1);
        if stored.leader.is_none() {
            stored.leader = Some(name.clone());
        }
        let storage = stored.charm.storage.clone();
        let unit = Unit {
            name: name.clone(),
            status: StatusInfo::new(Status::Maintenance, "installing charm software", now),
            ..Unit::default()
        };
        self.units.insert(name.clone(), unit);
        for (storage_name, spec) in storage {
            for _ in 0..spec.minimum {
                let id = format!("{storage_name}/{}", self.counters.storage);
                self.counters.storage = self.counters.storage.saturating_add(1);
                let instance = StorageInstance {
                    id: id.clone(),
                    unit: Some(name.clone()),
                    kind: spec.kind.clone(),
                    location: None,
                };
                self.storages.insert(id, instance);
            }
        }
        Ok(name)
    }

    /// Makes a unit the leader of its application. An empty list if it leads already.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn set_leader(&mut self, unit: &str) -> Result<Vec<Change>, ModelError> {
        self.unit_mut(unit)?;
        let application = self.application_mut(application_name(unit))?;
        if application.leader.as_deref() == Some(unit) {
            return Ok(Vec::new());
        }
        application.leader = Some(unit.to_owned());
        Ok(vec![Change::event(unit, Event::LeaderElected)])
    }

    /// Says where a storage instance is mounted in the charm container. The path is the simulator's; Juju 4.0.15 uses
    /// `/var/lib/juju/storage/config-0`, 3.6 `/var/lib/juju/storage/config/0`.
    ///
    /// # Errors
    /// When there is no such storage.
    pub fn mount_storage(&mut self, storage: &str, location: &str) -> Result<Vec<Change>, ModelError> {
        let Some(instance) = self.storages.get_mut(storage) else {
            return Err(ModelError::NoStorage {
                storage: storage.to_owned(),
            });
        };
        instance.location = Some(location.to_owned());
        let unit = instance.unit.clone();
        let attached = Event::StorageAttached {
            storage: storage.to_owned(),
        };
        Ok(unit
            .map(|unit| Change::event(unit, attached))
            .into_iter()
            .collect())
    }

    /// Starts to take a unit away: the other units hear that it departs, and the unit gets its last events. Once those
    /// have run, [`Model::forget_unit`] removes it.
    ///
    /// # Errors
    /// When there is no such unit.
    pub fn remove_unit(&mut self, unit: &str) -> Result<Vec<Change>, ModelError> {
        self.unit_mut(unit)?;
        let mut changes: Vec<Change> = self
            .storages
            .values()
            .filter(|instance| instance.unit.as_deref() == Some(unit))
            .map(|instance| {
                let storage = instance.id.clone();
                Change::event(unit, Event::StorageDetaching { storage })
            })
            .collect();
        let relations: Vec<u32> = self.relations_of_unit(unit).map(|relation| relation.id).collect();
        for relation in relations {
            changes.extend(self.leave_scope(relation, unit));
        }
        changes.push(Change::event(unit, Event::Stop));
        changes.push(Change::event(unit, Event::Remove));
        Ok(changes)
    }

    /// Removes a unit whose last event has run. Its storage is detached, its data in relations stays, and the unit with
    /// the lowest number leads if it did.
    pub fn forget_unit(&mut self, unit: &str) -> Vec<Change> {
        self.units.remove(unit);
        for relation in self.relations.values_mut() {
            if let Some(member) = relation.units.get_mut(unit) {
                member.in_scope = false;
            }
        }
        for instance in self.storages.values_mut() {
            if instance.unit.as_deref() == Some(unit) {
                instance.unit = None;
                instance.location = None;
            }
        }
        let name = application_name(unit).to_owned();
        let next = self.units_of(&name).into_iter().next();
        let Some(application) = self.applications.get_mut(&name) else {
            return Vec::new();
        };
        if application.leader.as_deref() != Some(unit) {
            return Vec::new();
        }
        application.leader.clone_from(&next);
        next.map(|next| Change::event(next, Event::LeaderElected))
            .into_iter()
            .collect()
    }

    pub(crate) fn unit_mut(&mut self, unit: &str) -> Result<&mut Unit, ModelError> {
        self.units.get_mut(unit).ok_or_else(|| ModelError::NoUnit {
            unit: unit.to_owned(),
        })
    }
}
