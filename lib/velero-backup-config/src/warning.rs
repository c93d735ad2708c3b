//! What a reader lets pass and a person has to know of.

use std::fmt;

use crate::request::MODEL_KEY;

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

    /// Where it is: a JSON pointer as in [`crate::Error::pointer`].
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
