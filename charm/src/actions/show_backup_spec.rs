//! The action `show-backup-spec`: what is asked for, by which method and why, and what a backup would hold.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::backup_now::half_of_it;
use super::{Call, Results, Stopped};
use crate::backup::hooks;
use crate::facts::{Facts, Storage};
use crate::media;
use crate::profile::AppProfile;
use crate::steps::judged;
use crate::steps::prepare_volume::Situation;

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    json!({
        "description": "Shows what is asked of velero-operator, and what a backup would hold. Changes nothing. On the unit \
            with the data. Results: `spec` is the request's spec as JSON; `method` and `reason` say how the volume is saved and why; \
            `problem` says why a backup would not hold the bytes, if that is so; `held-bytes`, `files` and `databases` count \
            what a backup holds, `left-out-bytes` and `left-out` what it leaves out, by pattern; `warnings` says, a line each, which databases of the app are missing \
            and what else is odd about a file, if there is something; `media` names the claim of the media, which is \
            in no backup of Velero, of others neither, as long as it is mounted.",
        "additionalProperties": false,
    })
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    Ok(results(call.env.profile, call.facts)?)
}

fn results(profile: &AppProfile, facts: &Facts) -> Result<Results, String> {
    let (start, validated) = judged(profile, facts, Situation::Dispatch);
    let (Some(storage), Some(backup)) = (&profile.storage, validated.backup) else {
        return Err(format!("{} has nothing to back up", profile.title));
    };
    let backup = backup.map_err(|problem| problem.to_string())?;
    let Storage::Mounted { location, .. } = &facts.storage else {
        return Err("the config volume is not mounted; look at juju storage".to_owned());
    };
    let contents =
        config_volume::measure(location, &hooks::options(storage)).map_err(|error| crate::causes(&error))?;
    let spec = backup
        .request
        .to_databag()
        .remove(velero_backup_config::SPEC_KEY)
        .unwrap_or_default();
    // A live database is left out because its copy is stored instead: that is no loss to tell of.
    let lost = |part: &&config_volume::LeftOut| part.reason != config_volume::Reason::LiveDatabase;
    let left_out: Vec<String> = contents
        .left_out
        .iter()
        .filter(lost)
        .map(|part| format!("{} ({} bytes)", part.pattern, part.bytes))
        .collect();
    let left_out_bytes: u64 = contents.left_out.iter().filter(lost).map(|part| part.bytes).sum();
    let mut results = BTreeMap::from([
        ("spec".to_owned(), spec),
        ("method".to_owned(), backup.decision.method.to_string()),
        ("reason".to_owned(), backup.decision.why),
        ("held-bytes".to_owned(), contents.held_bytes.to_string()),
        ("files".to_owned(), contents.files.to_string()),
        ("databases".to_owned(), contents.databases.len().to_string()),
        ("left-out-bytes".to_owned(), left_out_bytes.to_string()),
        ("left-out".to_owned(), left_out.join(", ")),
    ]);
    if !contents.warnings.is_empty() {
        let lines: Vec<String> = contents.warnings.iter().map(hooks::line).collect();
        results.insert("warnings".to_owned(), lines.join("\n"));
    }
    if let Some(mounted) = &facts.media_claim {
        let (name, label) = (&mounted.name, media::claim::EXCLUDED);
        let text = match &mounted.claim {
            Ok(claim) if media::claim::is_kept_out(claim) => {
                format!(
                    "claim {name} is in no backup of Velero, of others neither: it has the label {label}=true"
                )
            }
            Ok(_) => format!("claim {name} is not kept out of backups: it lacks the label {label}=true"),
            Err(error) => format!("whether claim {name} is kept out of backups is not known: {error}"),
        };
        results.insert("media".to_owned(), text);
    }
    let problem = match &start {
        Err(blocker) => Some(blocker.text.clone()),
        Ok(_) if backup.elsewhere.is_some() => backup.elsewhere.as_deref().map(half_of_it),
        Ok(_) => backup.decision.problem.map(|problem| problem.to_string()),
    };
    results.extend(problem.map(|problem| ("problem".to_owned(), problem)));
    Ok(results)
}
