//! The action that runs, if one does.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::Juju;
use crate::error::Error;
use crate::hook_tools;
use crate::typed;

impl Juju {
    /// Parameters of the action.
    ///
    /// # Errors
    /// When this is no action.
    pub fn action_parameters(&self) -> Result<Map<String, Value>, Error> {
        hook_tools::action_get(self.runner())
    }

    /// The same, as a type. Juju has held them to the action's declaration before the charm is asked.
    ///
    /// # Errors
    /// When this is no action. [`Error::Value`] when they are not what `T` reads.
    pub fn action_parameters_as<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let what = format!("the parameters of action {}", self.context().event());
        typed::read(&what, Value::Object(self.action_parameters()?))
    }

    /// Sets results of the action; see [`hook_tools::action_set`] for the keys.
    ///
    /// # Errors
    /// When this is no action, or Juju refuses a key.
    pub fn action_set(&self, results: &BTreeMap<String, String>) -> Result<(), Error> {
        hook_tools::action_set(self.runner(), results)
    }

    /// Marks the action as failed. It runs on; end it with exit code 0, so that what was written is kept.
    ///
    /// # Errors
    /// When this is no action.
    pub fn action_fail(&self, message: &str) -> Result<(), Error> {
        hook_tools::action_fail(self.runner(), message)
    }

    /// Tells the user something while the action runs.
    ///
    /// # Errors
    /// When this is no action.
    pub fn action_log(&self, message: &str) -> Result<(), Error> {
        hook_tools::action_log(self.runner(), message)
    }
}
