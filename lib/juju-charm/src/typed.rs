//! Values by serde, and what an error may say of one that does not fit: where, and never what was there.

use serde::de::DeserializeOwned;
use serde::{Deserializer, Serialize};
use serde_json::Value;

use crate::error::Error;

/// Reads a value from JSON text. `what` names it in an error, as `stored state "seen"`.
pub(crate) fn from_json<T: DeserializeOwned>(what: &str, text: &str) -> Result<T, Error> {
    let value: Value = serde_json::from_str(text).map_err(|_| unfit(what, "it is not JSON".to_owned()))?;
    read(what, value)
}

/// Reads a value from what serde takes for one.
pub(crate) fn read<'de, T, D>(what: &str, from: D) -> Result<T, Error>
where
    T: DeserializeOwned,
    D: Deserializer<'de, Error = serde_json::Error>,
{
    serde_path_to_error::deserialize(from).map_err(|error| {
        let path = error.path().to_string();
        let reason = reason(error.inner());
        let is_root = path == ".";
        unfit(
            what,
            if is_root {
                reason
            } else {
                format!("{path}: {reason}")
            },
        )
    })
}

/// A value as JSON.
pub(crate) fn to_json<T: Serialize + ?Sized>(what: &str, value: &T) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|_| unfit(what, "it cannot be written as JSON".to_owned()))
}

pub(crate) fn unfit(what: &str, reason: String) -> Error {
    Error::Value {
        what: what.to_owned(),
        reason,
    }
}

/// The reason without the value. Of what serde says, only that a field is missing names nothing that was there.
fn reason(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split_once('`'))
    {
        Some((field, _)) => format!("{field} is missing"),
        None => "it has another type or form than the charm reads".to_owned(),
    }
}
