//! What Juju knows around the unit: what is planned, the charm's resources, the cloud.

use std::path::PathBuf;

use super::{Juju, read_each_once, read_once};
use crate::error::Error;
use crate::hook_tools::{self, CloudCredential, GoalState};
use crate::names::RelationId;

impl Juju {
    /// Units and relations that are planned, whether or not they are there yet.
    ///
    /// # Errors
    /// When the tool fails.
    pub fn goal_state(&self) -> Result<&GoalState, Error> {
        read_once(&self.reads.goal_state, || hook_tools::goal_state(self.runner()))
    }

    /// How many units this application is to have, this one among them: [`GoalState::planned_units`].
    ///
    /// # Errors
    /// When the tool fails.
    pub fn planned_units(&self) -> Result<usize, Error> {
        self.goal_state().map(GoalState::planned_units)
    }

    /// Path of a resource's file, which Juju fetches if the unit does not have it yet. An OCI image is a YAML file with
    /// `registrypath`, `username` and `password`.
    ///
    /// # Errors
    /// When there is no such resource or Juju cannot get it.
    pub fn resource(&self, name: &str) -> Result<PathBuf, Error> {
        read_each_once(&self.reads.resources, name.to_owned(), || {
            hook_tools::resource_get(self.runner(), name)
        })
    }

    /// The cloud that the model is in, with Juju's credentials for it.
    ///
    /// # Errors
    /// [`NotAllowed`](crate::ErrorKind::NotAllowed): the application was not deployed with `--trust`.
    pub fn cloud_credential(&self) -> Result<&CloudCredential, Error> {
        read_once(&self.reads.cloud_credential, || {
            hook_tools::credential_get(self.runner())
        })
    }

    /// UUID of the model that the application on the other side of a relation is in: another than
    /// [`model_uuid`](crate::JujuContext::model_uuid) when the relation crosses models. `None` where Juju does not say it.
    ///
    /// # Errors
    /// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation).
    pub fn remote_model(&self, id: &RelationId) -> Result<Option<String>, Error> {
        read_each_once(&self.reads.remote_models, id.clone(), || {
            hook_tools::relation_model_get(self.runner(), id)
        })
    }
}
