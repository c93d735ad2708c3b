//! Which backup an action means: its parameters, the same for each action that takes a backup.

use config_recovery::backups::Choice;
use config_recovery::moment::moment;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::Call;

const UID: &str = "backup-uid";
/// What velero-operator's action and Canonical's data charms call it.
const ID: &str = "backup-id";
const AT: &str = "at";

/// Adds the parameters to an action's own ones. `or_latest` says whether it means the newest good backup when nothing is said.
pub fn with_choice(mut properties: Value, or_latest: bool) -> Value {
    let uid = match or_latest {
        true => "Uid or name of the backup, or latest for the newest good one, which is the default.",
        false => "Uid or name of the backup from list-backups, or latest for the newest good one.",
    };
    let text = |description: &str| json!({"type": "string", "default": "", "description": description});
    properties[UID] = text(uid);
    properties[ID] = text("Another name of backup-uid.");
    properties[AT] = text(
        "Instead of backup-uid: the newest good backup that began at this time or before. 2026-11-20T03:00 is UTC; \
         2026-11-20T03:00+01:00; \"2026-11-20T03:00 Europe/Berlin\"; 2026-11-20 is the end of that day; \"3 days ago\".",
    );
    properties
}

/// What the parameters say; `None` when they say nothing.
///
/// # Errors
/// More than one of them, or a time that cannot be understood.
pub fn choice(call: Call<'_>, parameters: &Map<String, Value>) -> Result<Option<Choice>, String> {
    let said: Vec<(&str, String)> = [UID, ID, AT]
        .into_iter()
        .filter_map(|name| Some((name, call.text(parameters, name)?)))
        .collect();
    match said.as_slice() {
        [] => Ok(None),
        [(AT, text)] => moment(text, Timestamp::now()).map(|moment| Some(Choice::AsOf(moment))),
        [(_, text)] => Ok(Some(Choice::from(text.as_str()))),
        several => {
            let names: Vec<&str> = several.iter().map(|(name, _)| *name).collect();
            Err(format!("say only one of {}", names.join(", ")))
        }
    }
}
