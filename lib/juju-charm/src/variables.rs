//! Environment variables as Juju sets them, and what can be wrong with them.

use std::collections::BTreeMap;
use std::ffi::OsString;

/// The environment says nothing about what should be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContextError {
    /// A variable that Juju sets is not there, or empty.
    #[error(
        "cannot find variable {variable} in the environment; Juju sets it when it runs the charm's dispatch"
    )]
    Missing {
        /// Name of the variable.
        variable: &'static str,
    },
    /// A variable holds what Juju does not write.
    #[error("cannot use variable {variable}: {value:?} is not {expected}")]
    Invalid {
        /// Name of the variable.
        variable: &'static str,
        /// What it holds.
        value: String,
        /// What it should hold.
        expected: &'static str,
    },
}

/// Environment variables. One that is empty counts as unset: Juju sets several always and fills them in some events.
pub(crate) struct Variables(BTreeMap<String, String>);

impl Variables {
    pub(crate) fn new<N: Into<OsString>, V: Into<OsString>>(vars: impl IntoIterator<Item = (N, V)>) -> Self {
        // What is not UTF-8 is none of Juju's.
        let text =
            |(name, value): (N, V)| Some((name.into().into_string().ok()?, value.into().into_string().ok()?));
        Self(vars.into_iter().filter_map(text).collect())
    }

    pub(crate) fn get(&self, variable: &str) -> Option<&str> {
        self.0
            .get(variable)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    pub(crate) fn required(&self, variable: &'static str) -> Result<&str, ContextError> {
        self.get(variable).ok_or(ContextError::Missing { variable })
    }
}
