//! The action that makes new credentials, `rotate-api-key` or `rotate-credentials`.

use serde_json::{Value, json};

use super::{Call, Results, Stopped};
use crate::credentials;
use crate::profile::{AppProfile, Credentials as Kind};
use crate::steps::apply::Applied;
use crate::steps::{self, Asks};

/// Name of the action; `None` for an app without credentials.
pub fn name(profile: &AppProfile) -> Option<&'static str> {
    profile.credentials.as_ref().map(|kind| match kind {
        Kind::ApiKey {} => "rotate-api-key",
        Kind::Login { .. } => "rotate-credentials",
    })
}

/// The action's entry in `actions.yaml`.
pub fn declaration(profile: &AppProfile) -> Value {
    let what = match profile.credentials {
        Some(Kind::Login { .. }) => "password",
        _ => "API key",
    };
    json!({
        "description": format!(
            "Rotates the {what} of {}: a new revision of the app's secret, then the config file, written while the app is stopped. \
             Clients that read the secret follow; others must be updated. Runs on the leader. Results: `secret`: id of the \
             secret, for juju show-secret --reveal; `result` is `rotated`.",
            profile.title
        ),
        "additionalProperties": false,
    })
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let ended = steps::run(call.env, Asks::Rotation)?;
    if let Some(reason) = ended.refused {
        return Err(Stopped::Because(reason));
    }
    if let Applied::Failed(failure) = ended.workload {
        return Err(Stopped::Because(format!(
            "{failure}; the secret holds the new credentials, and the app gets them with the next event that works"
        )));
    }
    let juju = call.env.juju;
    let label = call
        .env
        .profile
        .credentials
        .as_ref()
        .map_or("", credentials::label);
    let mut results = Results::from([("result".to_owned(), "rotated".to_owned())]);
    if let Some(info) = juju.secret_info(label)? {
        // Juju prints the bare id; with its prefix everybody knows what it is.
        results.insert("secret".to_owned(), format!("secret:{}", info.id.unique_id()));
    }
    Ok(results)
}
