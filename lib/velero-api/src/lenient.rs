//! Reading helper: what Go treats as absent is absent here too.

use serde::{Deserialize, Deserializer};

/// Reads `null` as the type's default: Go decodes `null` into a nil slice, a nil map or a zero value.
pub(crate) fn null_as_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
