//! Arguments that are a name and a value.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// `KEY=VALUE` arguments.
pub(super) fn pairs(arguments: &[String]) -> Result<BTreeMap<String, String>> {
    let pair = |argument: &String| {
        let parts = argument.split_once('=').filter(|(key, _)| !key.is_empty());
        let (key, value) =
            parts.ok_or_else(|| Error::Usage(format!("expected \"key=value\", got {argument:?}")))?;
        Ok((key.to_owned(), value.to_owned()))
    };
    arguments.iter().map(pair).collect()
}
