//! The action `verify-backup`.

use config_recovery::backups::Choice;
use config_recovery::engine::Wanted;
use serde_json::{Value, json};

use super::{Call, Results, Stopped, declared, of_check};
use crate::env::Env;
use crate::recovery::{Lines, NotYet, folder, image, own_id};

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Brings a backup back beside the app, checks it, and removes it again: every file against the manifest, every \
         database by an integrity check, the app's own config file. Nothing of the app is touched. On the unit with the data, \
         with trust. Results: `backup-name`, `backup-uid` and `backup-time`; `files` and `bytes` that came back; `databases` that \
         are sound; `promised` says whether a manifest told what had to come back; `seconds` in all and `velero-seconds` of \
         Velero's; `notes`, if there are some.",
        json!({
            "backup-uid": {
                "type": "string",
                "default": "latest",
                "description": "Uid or name of the backup, or latest for the newest good one.",
            },
        }),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let Env {
        juju,
        recovery,
        profile,
        ..
    } = call.env;
    let parameters = juju.action_parameters()?;
    let choice = call.text(&parameters, "backup-uid");
    let wanted = Wanted {
        target: own_id(juju),
        from: None,
        choice: Choice::from(choice.as_deref().unwrap_or("latest")),
        holder: juju.context().unit().to_string(),
        image: image(call.env)?,
        patience: None,
    };
    let plan = recovery.plan_verify(&wanted, &folder(juju, "verify-backup"))?;
    call.say(&format!("checking backup {}", plan.scratch.backup.name));
    let say = |line: &str| call.say(line);
    let checked = recovery.verify(&plan, &mut NotYet { profile }, &Lines::to(&say))?;
    Ok(of_check(&checked))
}
