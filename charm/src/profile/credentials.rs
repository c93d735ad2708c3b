//! What clients of an app log in with, as its file says it. The values are in [`crate::credentials`].

use schemars::JsonSchema;
use serde::Deserialize;

/// What clients of the app log in with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "kind", rename_all = "kebab-case")]
pub enum Credentials {
    /// A key that goes with every request: `${api-key}` in the config file. One that the file holds before there is a
    /// secret is taken over.
    ApiKey {},
    /// A name and a password: `${username}`, `${password}` and `${password-hash}`.
    Login {
        /// The name.
        username: String,
    },
}
