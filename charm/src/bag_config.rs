//! What the interfaces of charmarr say in an application bag: one key, with a JSON object.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::problem::short;

/// The one key.
pub const KEY: &str = "config";

/// How much of what a parser says is told.
const REASON: usize = 60;

/// What the other side's bag says; `None` where it has said nothing yet.
///
/// # Errors
/// Why it is not what the interface defines. A list is never taken for an object whose keys are left out.
pub fn read<T: DeserializeOwned>(bag: &BTreeMap<String, String>) -> Option<Result<T, String>> {
    let text = bag.get(KEY).filter(|text| !text.is_empty())?;
    Some(match serde_json::from_str(text) {
        Ok(object @ Value::Object(_)) => {
            serde_json::from_value(object).map_err(|error| short(&error.to_string(), REASON))
        }
        Ok(_) | Err(_) => Err(format!("{KEY} is no JSON object")),
    })
}
