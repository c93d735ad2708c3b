//! Relations and their data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::application_name;

/// The data that one application or unit shows in a relation: text to text.
pub type Databag = BTreeMap<String, String>;

/// One relation: one endpoint for a peer relation, else two.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Relation {
    /// The id, unique in the model.
    pub id: u32,
    /// The interface, which both endpoints share.
    pub interface: String,
    /// The provider's and the requirer's endpoint, or the one peer endpoint.
    pub endpoints: Vec<RelationEndpoint>,
    /// The applications' databags by application name.
    pub application_data: BTreeMap<String, Databag>,
    /// The units that take or took part, by unit name. The data of a departed unit stays until the relation is gone.
    pub units: BTreeMap<String, RelationUnit>,
    /// Whether the relation is being removed.
    pub dying: bool,
    /// Whether the relation is suspended (cross-model relations only).
    pub suspended: bool,
    /// When the relation was made, in seconds since 1970-01-01T00:00:00Z.
    pub since: i64,
}

/// One side of a relation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationEndpoint {
    /// The application's name.
    pub application: String,
    /// The endpoint's name in that application's charm.
    pub endpoint: String,
}

/// One unit's part in a relation.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RelationUnit {
    /// Whether the unit is in the relation's scope now. A unit enters it before its relation-created hook.
    pub in_scope: bool,
    /// The unit's databag.
    pub data: Databag,
    /// The other units whose relation-joined this unit has seen (and no relation-departed since): what its
    /// `relation-list` shows. Kept up by a session's commit.
    pub joined: BTreeSet<String>,
}

impl Relation {
    /// Whether it is a peer relation.
    pub fn is_peer(&self) -> bool {
        self.endpoints.len() == 1
    }

    /// The endpoint's name on the side of that application.
    pub fn endpoint_of(&self, application: &str) -> Option<&str> {
        self.endpoints
            .iter()
            .find(|side| side.application == application)
            .map(|side| side.endpoint.as_str())
    }

    /// The application at the other end as seen from that application: itself in a peer relation.
    pub fn remote_application(&self, application: &str) -> Option<&str> {
        self.endpoints
            .iter()
            .find(|side| side.application != application)
            .or(self.endpoints.first())
            .map(|side| side.application.as_str())
    }

    /// How a charm names the relation: `endpoint:id` from the side of that application.
    pub fn name_for(&self, application: &str) -> String {
        format!(
            "{}:{}",
            self.endpoint_of(application).unwrap_or_default(),
            self.id
        )
    }

    /// How Juju names the relation: `requirer:endpoint provider:endpoint`, or the one peer endpoint.
    pub fn key(&self) -> String {
        let sides: Vec<String> = self
            .endpoints
            .iter()
            .map(|side| format!("{}:{}", side.application, side.endpoint))
            .collect();
        sides.join(" ")
    }

    /// Whether the unit is in the relation's scope.
    pub fn in_scope(&self, unit: &str) -> bool {
        self.units.get(unit).is_some_and(|member| member.in_scope)
    }

    /// The units that face the given one: the other side's, or the other peers. Only those in scope.
    pub fn counterparts(&self, unit: &str) -> Vec<String> {
        let own = application_name(unit);
        self.units
            .iter()
            .filter(|(name, member)| {
                member.in_scope && name.as_str() != unit && (self.is_peer() || application_name(name) != own)
            })
            .map(|(name, _)| name.clone())
            .collect()
    }
}
