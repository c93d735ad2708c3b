//! The action `show-backup-spec`: what is asked for, by which method and why, and what a backup would hold.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::backup_now::half_of_it;
use super::contents::{now, of_seen};
use super::{Call, Results, Stopped, volume};
use crate::backup::{hooks, refused};
use crate::facts::Facts;
use crate::media;
use crate::profile::AppProfile;
use crate::steps::judged;
use crate::steps::prepare_volume::Situation;
use crate::steps::validate::TierBackup;

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    json!({
        "description": "Shows what is asked of velero-operator and what a backup would hold. Changes nothing. Runs on the unit \
            with the data. Results: `spec`: the requested spec as JSON; `tiers.ENDPOINT`: that of each further \
            relation, such as backup-weekly; `method` and `reason`: how Velero saves the volume, and why; \
            `contents-now`: what the volume holds in the app's terms; `problem`: why a backup would be empty or incomplete, or why the last one was refused, if so; `held-bytes`, `files`, `databases`: content of a backup; \
            `left-out-bytes`, `left-out`: what it excludes, by pattern; `warnings`: missing databases and other findings, one per \
            line, if any; `media`: whether Velero excludes the claim with the media, from your own backups too.",
        "additionalProperties": false,
    })
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let mut results = results(call.env.profile, call.facts)?;
    results.extend(of_seen(None, now(call).as_ref()));
    Ok(results)
}

/// What is asked for in a tier, as it goes to velero-operator.
fn spec(backup: &TierBackup) -> Result<String, String> {
    let settings = backup.settings.as_ref().map_err(ToString::to_string)?;
    let mut databag = settings.request.to_databag();
    Ok(databag.remove(velero_backup_config::SPEC_KEY).unwrap_or_default())
}

fn results(profile: &AppProfile, facts: &Facts) -> Result<Results, String> {
    let (start, validated) = judged(profile, facts, Situation::Dispatch);
    let (Some(storage), Some(first), Some(decision)) =
        (&profile.storage, validated.first_tier(), &validated.decision)
    else {
        return Err(format!("{} has nothing to back up", profile.title));
    };
    let spec = spec(first)?;
    let contents = config_volume::measure(volume(facts)?, &hooks::options(storage))
        .map_err(|error| crate::causes(&error))?;
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
        ("method".to_owned(), decision.method.to_string()),
        ("reason".to_owned(), decision.why.clone()),
        ("held-bytes".to_owned(), contents.held_bytes.to_string()),
        ("files".to_owned(), contents.files.to_string()),
        ("databases".to_owned(), contents.databases.len().to_string()),
        ("left-out-bytes".to_owned(), left_out_bytes.to_string()),
        ("left-out".to_owned(), left_out.join(", ")),
    ]);
    for other in validated
        .related()
        .filter(|other| other.tier.name() != first.tier.name())
    {
        results.insert(format!("tiers.{}", other.tier.name()), self::spec(other)?);
    }
    if !contents.warnings.is_empty() {
        let lines: Vec<String> = contents.warnings.iter().map(hooks::line).collect();
        results.insert("warnings".to_owned(), lines.join("\n"));
    }
    if let Some(mounted) = &facts.media_claim {
        let (name, label) = (&mounted.name, media::claim::EXCLUDED);
        let text = match &mounted.claim {
            Ok(claim) if media::claim::is_excluded(claim) => {
                format!(
                    "Velero excludes claim {name} from every backup, including yours: it has the label {label}=true"
                )
            }
            Ok(_) => format!("claim {name} is not excluded from backups: it lacks the label {label}=true"),
            Err(error) => format!("cannot tell whether claim {name} is excluded from backups: {error}"),
        };
        results.insert("media".to_owned(), text);
    }
    let problem = match &start {
        Err(blocker) => Some(blocker.text.clone()),
        Ok(_) if validated.elsewhere.is_some() => validated.elsewhere.as_deref().map(half_of_it),
        Ok(_) => decision.problem.as_ref().map(ToString::to_string),
    };
    let problem = problem.or_else(|| {
        let why = refused::last(&facts.charm_dir, Timestamp::MIN)?;
        Some(format!("the last backup was refused: {why}"))
    });
    results.extend(problem.map(|problem| ("problem".to_owned(), problem)));
    Ok(results)
}
