//! Relations and their databags.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::{Juju, read_each_once};
use crate::databag::{self, Form};
use crate::error::Error;
use crate::event::Event;
use crate::hook_tools::{self, Bag};
use crate::names::{RelationId, UnitName};

impl Juju {
    /// The relations of an endpoint, without the one that is being broken: what is written to that one nobody reads.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn relations(&self, endpoint: &str) -> Result<Vec<RelationId>, Error> {
        let mut ids = read_each_once(&self.reads.relations, endpoint.to_owned(), || {
            hook_tools::relation_ids(self.runner(), endpoint)
        })?;
        if let Event::RelationBroken(event) = self.context().event() {
            ids.retain(|id| id != &event.id);
        }
        Ok(ids)
    }

    /// The remote units of a relation.
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn relation_units(&self, id: &RelationId) -> Result<Vec<UnitName>, Error> {
        read_each_once(&self.reads.relation_units, id.clone(), || {
            hook_tools::relation_list(self.runner(), id)
        })
    }

    /// The application on the other side of a relation; this one for a peer relation. Taken from the event when it is about
    /// this relation and says it.
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn remote_app(&self, id: &RelationId) -> Result<Option<String>, Error> {
        let event = self.context().event().relation().filter(|event| &event.id == id);
        if let Some(app) = event.and_then(|event| event.remote_app.as_ref()) {
            return Ok(Some(app.clone()));
        }
        read_each_once(&self.reads.remote_apps, id.clone(), || {
            hook_tools::relation_list_app(self.runner(), id)
        })
    }

    /// The databag of an application in a relation: the remote one's, or the own.
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation); [`NotAllowed`](crate::ErrorKind::NotAllowed) for the own
    /// application where only the leader may read it (Juju 3).
    pub fn app_data(&self, id: &RelationId, app: &str) -> Result<BTreeMap<String, String>, Error> {
        read_each_once(&self.reads.bags, (id.clone(), app.to_owned()), || {
            hook_tools::relation_get(self.runner(), id, Bag::App(app))
        })
    }

    /// The same as a type, by [`databag::read`]; `None` while the databag is empty: the other side has not written it yet.
    ///
    /// # Errors
    /// As [`app_data`](Self::app_data). [`Error::Value`] when it is not what `T` reads.
    pub fn app_data_as<T: DeserializeOwned>(
        &self,
        id: &RelationId,
        app: &str,
        form: Form,
    ) -> Result<Option<T>, Error> {
        let bag = self.app_data(id, app)?;
        if bag.is_empty() {
            return Ok(None);
        }
        databag::read_named(&format!("the databag of {app} in {id}"), &bag, form).map(Some)
    }

    /// The databag of the own application in a relation, with what was written in this dispatch.
    ///
    /// # Errors
    /// As [`app_data`](Self::app_data).
    pub fn own_app_data(&self, id: &RelationId) -> Result<BTreeMap<String, String>, Error> {
        self.app_data(id, self.context().app())
    }

    /// The databag of a unit in a relation: a remote one's, or the own.
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn unit_data(&self, id: &RelationId, unit: &UnitName) -> Result<BTreeMap<String, String>, Error> {
        read_each_once(&self.reads.bags, (id.clone(), unit.to_string()), || {
            hook_tools::relation_get(self.runner(), id, Bag::Unit(unit))
        })
    }

    /// The databag of this unit in a relation, with what was written in this dispatch.
    ///
    /// # Errors
    /// As [`unit_data`](Self::unit_data).
    pub fn own_unit_data(&self, id: &RelationId) -> Result<BTreeMap<String, String>, Error> {
        self.unit_data(id, self.context().unit())
    }

    /// Makes the own application's databag hold `data`. Only keys that differ are sent. An empty value deletes its key,
    /// which is Juju's own rule; keys that are not named are left alone. True if anything was sent. [`databag::write`] makes `data` of
    /// a struct.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader writes. [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn set_own_app_data(&self, id: &RelationId, data: &BTreeMap<String, String>) -> Result<bool, Error> {
        let now = self.own_app_data(id)?;
        self.send_differences(id, true, self.context().app().to_owned(), now, data)
    }

    /// Makes this unit's databag hold `data`, by the rules of [`set_own_app_data`](Self::set_own_app_data).
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn set_own_unit_data(&self, id: &RelationId, data: &BTreeMap<String, String>) -> Result<bool, Error> {
        let now = self.own_unit_data(id)?;
        self.send_differences(id, false, self.context().unit().to_string(), now, data)
    }

    fn send_differences(
        &self,
        id: &RelationId,
        app: bool,
        owner: String,
        mut bag: BTreeMap<String, String>,
        data: &BTreeMap<String, String>,
    ) -> Result<bool, Error> {
        // A key that is not there reads as an empty value, which is also how one is deleted.
        let differs =
            |(key, value): &(&String, &String)| bag.get(*key).map_or("", String::as_str) != value.as_str();
        let differences: BTreeMap<String, String> = data
            .iter()
            .filter(differs)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        if differences.is_empty() {
            return Ok(false);
        }
        hook_tools::relation_set(self.runner(), id, app, &differences)?;
        bag.extend(differences);
        bag.retain(|_, value| !value.is_empty());
        self.reads.bags.borrow_mut().insert((id.clone(), owner), bag);
        Ok(true)
    }
}
