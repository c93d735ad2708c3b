//! What a user, or Juju itself, does to a model: deploy, scale, integrate, configure, grant.
//!
//! Each operation is pure and says what it causes as [`Change`](crate::session::Change)s, in the order in which Juju would run them. The texts of
//! [`ModelError`] are those of the `juju` command.

mod config;
pub(crate) use config::parse_bool;
mod relations;
mod secrets;
mod units;

use crate::model::{Application, Charm, Model, StatusInfo};

/// Why Juju refuses an operation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ModelError {
    /// There is no such unit.
    #[error("unit \"{unit}\" not found")]
    NoUnit {
        /// The unit.
        unit: String,
    },
    /// There is no such application.
    #[error("application \"{application}\" not found")]
    NoApplication {
        /// The application.
        application: String,
    },
    /// The application exists already.
    #[error("application \"{application}\" already exists")]
    ApplicationExists {
        /// The application.
        application: String,
    },
    /// There is no such relation.
    #[error("relation {id} not found")]
    NoRelation {
        /// The relation's id.
        id: u32,
    },
    /// The application has no such endpoint.
    #[error("application \"{application}\" has no \"{endpoint}\" relation")]
    NoEndpoint {
        /// The application.
        application: String,
        /// The endpoint.
        endpoint: String,
    },
    /// No pair of endpoints fits.
    #[error("no relations found")]
    NoMatch,
    /// More than one pair of endpoints fits.
    #[error("ambiguous relation: \"{left} {right}\" could refer to {candidates}")]
    Ambiguous {
        /// The one side as given.
        left: String,
        /// The other side as given.
        right: String,
        /// The pairs that fit.
        candidates: String,
    },
    /// The relation exists already.
    #[error("cannot add relation \"{left} {right}\": relation {left} {right} already exists")]
    RelationExists {
        /// The requirer's or first endpoint.
        left: String,
        /// The provider's or second endpoint.
        right: String,
    },
    /// The endpoint takes no more relations.
    #[error(
        "adding relation between endpoints \"{left}\" and \"{right}\": cannot add relation \"{left}\", \"{right}\": relation {left} {right}: establishing a new relation for {full} would exceed its maximum relation limit of {limit}"
    )]
    LimitExceeded {
        /// The first endpoint.
        left: String,
        /// The second endpoint.
        right: String,
        /// The endpoint that is full.
        full: String,
        /// Its limit.
        limit: u32,
    },
    /// The charm has no such option.
    #[error("unknown option \"{option}\"")]
    UnknownOption {
        /// The option.
        option: String,
    },
    /// The value is not of the option's type.
    #[error("option \"{option}\" expected {expected}, got \"{value}\"")]
    WrongType {
        /// The option.
        option: String,
        /// The option's type.
        expected: &'static str,
        /// The value as given.
        value: String,
    },
    /// The charm has no such action.
    #[error("action \"{action}\" not defined for unit \"{unit}\". (not found)")]
    NoAction {
        /// The action.
        action: String,
        /// The unit.
        unit: String,
    },
    /// The parameters do not fit the action's schema.
    #[error("cannot run \"{action}\" action: validation failed: {problem}")]
    BadParameters {
        /// The action.
        action: String,
        /// What does not fit.
        problem: String,
    },
    /// There is no such secret.
    #[error("secret \"{secret}\" not found")]
    NoSecret {
        /// The id or name as given.
        secret: String,
    },
    /// There is no such storage.
    #[error("storage \"{storage}\" not found")]
    NoStorage {
        /// The storage id.
        storage: String,
    },
}

impl Model {
    /// `juju deploy`: adds an application with its peer relations, and no unit yet.
    ///
    /// # Errors
    /// When the name is taken.
    pub fn deploy(&mut self, name: &str, charm: Charm) -> Result<(), ModelError> {
        if self.applications.contains_key(name) {
            return Err(ModelError::ApplicationExists {
                application: name.to_owned(),
            });
        }
        let number = self.counters.application;
        self.counters.application = number.saturating_add(1);
        let peers: Vec<(String, String)> = charm
            .peers()
            .map(|(endpoint, declared)| (endpoint.clone(), declared.interface.clone()))
            .collect();
        let application = Application {
            name: name.to_owned(),
            uuid: format!("fec125a1-6249-4bab-8f95-{number:012x}"),
            charm,
            address: format!("10.96.{}.{}", number / 250, number % 250 + 1),
            status: Some(StatusInfo::default()),
            ..Application::default()
        };
        self.applications.insert(name.to_owned(), application);
        for (endpoint, interface) in peers {
            self.add_peer_relation(name, endpoint, interface);
        }
        Ok(())
    }

    /// `juju refresh`: gives an application another charm. Peer relations that only the new one has are made, as Juju does
    /// (`addPeerRelationsOps` of `extraPeerRelations` in `state/application.go` of juju/juju 3.6); the units then get their
    /// relation-created.
    ///
    /// # Errors
    /// When there is no such application.
    pub fn set_charm(&mut self, name: &str, charm: Charm) -> Result<(), ModelError> {
        let application = self.application_mut(name)?;
        application.charm = charm;
        let peers: Vec<(String, String)> = application
            .charm
            .peers()
            .map(|(endpoint, declared)| (endpoint.clone(), declared.interface.clone()))
            .collect();
        for (endpoint, interface) in peers {
            let is_there = self
                .relations
                .values()
                .any(|relation| relation.is_peer() && relation.endpoint_of(name) == Some(endpoint.as_str()));
            if !is_there {
                self.add_peer_relation(name, endpoint, interface);
            }
        }
        Ok(())
    }

    pub(crate) fn application(&self, name: &str) -> Result<&Application, ModelError> {
        self.applications
            .get(name)
            .ok_or_else(|| ModelError::NoApplication {
                application: name.to_owned(),
            })
    }

    pub(crate) fn application_mut(&mut self, name: &str) -> Result<&mut Application, ModelError> {
        self.applications
            .get_mut(name)
            .ok_or_else(|| ModelError::NoApplication {
                application: name.to_owned(),
            })
    }
}
