//! Secrets: revisions, owners, who reads them and who may.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Who owns a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SecretOwner {
    /// An application: its leader manages the secret.
    Application(String),
    /// One unit.
    Unit(String),
    /// The model: a user's secret.
    Model,
}

/// One secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// The bare id: 20 characters.
    pub id: String,
    /// The owner.
    pub owner: SecretOwner,
    /// The owner's label, or a user secret's name; empty if none.
    #[serde(default)]
    pub label: String,
    /// The description; empty if none.
    #[serde(default)]
    pub description: String,
    /// The rotate policy such as `daily`; empty if never.
    #[serde(default)]
    pub rotate_policy: String,
    /// When it expires, in seconds since 1970-01-01T00:00:00Z.
    #[serde(default)]
    pub expires: Option<i64>,
    /// When it is to be rotated next, in seconds since 1970-01-01T00:00:00Z.
    #[serde(default)]
    pub rotates: Option<i64>,
    /// The revisions by number, from 1.
    #[serde(default)]
    pub revisions: BTreeMap<u32, SecretRevision>,
    /// What each reading unit tracks, by unit name.
    #[serde(default)]
    pub consumers: BTreeMap<String, SecretConsumer>,
    /// Who else may read it.
    #[serde(default)]
    pub grants: Vec<SecretGrant>,
}

impl Secret {
    /// The latest revision's number; 0 if every revision was removed.
    pub fn latest(&self) -> u32 {
        self.revisions.keys().next_back().copied().unwrap_or_default()
    }

    /// Whether a unit of an application may read it as a consumer.
    pub fn granted_to(&self, unit: &str, application: &str) -> bool {
        self.grants
            .iter()
            .any(|grant| grant.target == unit || grant.target == application)
    }
}

/// The content of one revision: keys to values in base64, as Juju keeps them.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretRevision {
    /// The content.
    pub content: BTreeMap<String, String>,
    /// Whether the owner was told that nobody reads this revision any more.
    pub obsolete: bool,
}

impl fmt::Debug for SecretRevision {
    /// Names the keys only: a debug print of the model must not show what is secret.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("SecretRevision")
            .field("keys", &self.content.keys().collect::<Vec<_>>())
            .field("obsolete", &self.obsolete)
            .finish()
    }
}

/// What one unit knows of a secret that it reads.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SecretConsumer {
    /// The unit's own label for it; empty if none.
    pub label: String,
    /// The revision that `secret-get` returns until the unit refreshes.
    pub revision: u32,
}

/// The right to read a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretGrant {
    /// The application or unit that may read.
    pub target: String,
    /// The relation that the grant lives with; `None` for a grant by the user.
    #[serde(default)]
    pub relation: Option<u32>,
}
