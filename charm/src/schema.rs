//! The form of app files as a JSON Schema, for editors and for people: `charm/apps/app.schema.json`.

use crate::profile::AppProfile;

/// The text of `charm/apps/app.schema.json`. It follows from the types of [`crate::profile`] alone.
pub fn schema_file_text() -> String {
    let schema = schemars::schema_for!(AppProfile);
    // Maps with text keys: nothing that serde_json refuses.
    let text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    format!("{text}\n")
}
