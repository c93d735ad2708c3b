//! Secrets: their content, which `Debug` never shows, and what Juju knows about them.

use std::collections::BTreeMap;
use std::fmt;

use crate::names::SecretId;

/// Keys and values of a secret. `Debug` shows the keys only.
///
/// Juju takes keys of three characters or more, lowercase letters, digits and single dashes, a letter first
/// (`core/secrets/createsecret.go` of juju/juju).
#[derive(Clone, Default, PartialEq, Eq)]
pub struct SecretContent {
    values: BTreeMap<String, String>,
}

impl SecretContent {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// Keys and values, in the keys' order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// True if there is no key.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }
}

impl fmt::Debug for SecretContent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_map()
            .entries(self.values.keys().map(|key| (key, "…")))
            .finish()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for SecretContent {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        Self {
            values: entries
                .into_iter()
                .map(|(key, value)| (key.into(), value.into()))
                .collect(),
        }
    }
}

impl<K: Into<String>, V: Into<String>, const N: usize> From<[(K, V); N]> for SecretContent {
    fn from(entries: [(K, V); N]) -> Self {
        entries.into_iter().collect()
    }
}

/// Who owns a secret.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SecretOwner {
    /// The application: only the leader may add or change it; every unit may read it.
    #[default]
    Application,
    /// This unit.
    Unit,
}

impl SecretOwner {
    /// Juju's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Application => "application",
            Self::Unit => "unit",
        }
    }
}

/// What `secret-add` and `secret-set` may set beside the content. What is `None` is not changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecretMetadata {
    /// Name that the owner gives it, unique among the owner's secrets.
    pub label: Option<String>,
    /// What `juju show-secret` shows.
    pub description: Option<String>,
    /// RFC 3339 time, or a Go duration from now.
    pub expire: Option<String>,
    /// `never`, `hourly`, `daily`, `weekly`, `monthly`, `quarterly` or `yearly`.
    pub rotate: Option<String>,
}

/// Which revision of a secret to read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretRevision {
    /// The one that this unit has read before; the newest at the first time.
    Tracked,
    /// The newest, without changing what is tracked: a pure read.
    Peek,
    /// The newest, which is tracked from now on.
    Refresh,
}

/// What `secret-info-get` tells the owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretInfo {
    /// The secret.
    pub id: SecretId,
    /// Newest revision.
    pub revision: u64,
    /// Label, if it has one.
    pub label: Option<String>,
    /// Who owns it.
    pub owner: SecretOwner,
    /// Description, if it has one.
    pub description: Option<String>,
    /// When it expires, RFC 3339.
    pub expiry: Option<String>,
    /// How often it is to be rotated.
    pub rotation: Option<String>,
    /// Who else may read it.
    pub access: Vec<SecretAccess>,
}

/// A grant of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretAccess {
    /// Who may read it, as `application-mysql`.
    pub target: String,
    /// As long as what exists, as a relation's key.
    pub scope: String,
    /// `view`.
    pub role: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_a_value() {
        let content = SecretContent::from([("api-key", "hunter2")]);
        assert_eq!(format!("{content:?}"), "{\"api-key\": \"…\"}");
        assert_eq!(content.get("api-key"), Some("hunter2"));
    }
}
