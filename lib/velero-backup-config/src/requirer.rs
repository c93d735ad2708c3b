//! The operator's half: what each client asks for, or precisely what is wrong with it.

use std::collections::BTreeMap;
use std::fmt;

use crate::error::Error;
use crate::reader::{Findings, read_databag};
use crate::request::{BackupRequest, KEYS, MODEL_KEY};

/// Something in a databag that is not as it should be, and that velero-operator takes without a word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pointer: String,
    kind: WarningKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum WarningKind {
    UnknownKey,
    WithoutModel,
}

impl Warning {
    pub(crate) fn unknown_key(pointer: String) -> Self {
        Self {
            pointer,
            kind: WarningKind::UnknownKey,
        }
    }

    pub(crate) fn without_model() -> Self {
        Self {
            pointer: format!("/{MODEL_KEY}"),
            kind: WarningKind::WithoutModel,
        }
    }

    /// Where it is: a JSON pointer as in [`Error::pointer`].
    pub fn pointer(&self) -> &str {
        &self.pointer
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            WarningKind::UnknownKey => write!(
                formatter,
                "{:?} is no field of the relation and is ignored",
                self.pointer
            ),
            WarningKind::WithoutModel => formatter.write_str(
                "the client does not name its model: the action create-backup does not find it; \
                 update the velero_backup_config library in the client's charm",
            ),
        }
    }
}

/// What one relation's databag holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The client has written nothing yet. Its event will come.
    NotReady,
    /// A request.
    Request {
        /// What is asked for.
        request: Box<BackupRequest>,
        /// What was skipped.
        warnings: Vec<Warning>,
    },
    /// Something that no backup must be made from.
    Invalid {
        /// All that is wrong; at least one.
        errors: Vec<Error>,
    },
}

/// Reads one client's application databag.
///
/// A bag without any of the protocol's keys is [`Outcome::NotReady`], not an error.
pub fn read(databag: &BTreeMap<String, String>) -> Outcome {
    if !KEYS
        .into_iter()
        .any(|key| databag.get(key).is_some_and(|value| !value.is_empty()))
    {
        return Outcome::NotReady;
    }
    let mut findings = Findings::default();
    let request = read_databag(databag, &mut findings);
    #[cfg(feature = "schema")]
    crate::schema::add_violations(databag, &mut findings);
    match request {
        Some(request) if findings.errors.is_empty() => Outcome::Request {
            request: Box::new(request),
            warnings: findings.warnings,
        },
        _ => Outcome::Invalid {
            errors: findings.errors,
        },
    }
}

/// Reads the databags of all relations, each on its own: what is wrong with one says nothing about the others.
///
/// `bags` maps the id of each relation to the remote application's databag.
pub fn read_all(bags: &BTreeMap<String, BTreeMap<String, String>>) -> BTreeMap<String, Outcome> {
    bags.iter()
        .map(|(relation_id, databag)| (relation_id.clone(), read(databag)))
        .collect()
}
