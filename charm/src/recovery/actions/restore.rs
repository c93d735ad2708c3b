//! The action `restore-from-backup`.

use std::path::Path;

use config_recovery::backups::{AppId, Choice};
use config_recovery::engine::{RestorePlan, UnitPod, Wanted};
use juju_charm::Juju;
use serde_json::{Map, Value, json};

use super::super::Lines;
use super::super::app::CharmApp;
use super::super::texts::{size, time};
use super::{Around, Results, Stopped, declared, named, of_check};
use crate::backup::CHARM_CONTAINER;
use crate::facts::{Container, Facts, Storage};
use crate::names::{RESTORE_FROM_BACKUP, pod_name};
use crate::profile::AppProfile;
use crate::recovery::{elsewhere, image, own_id};
use crate::validate::{self, ValidatedApp};
use crate::{finish, gather};

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Replaces the content of the config volume by that of a backup. The backup is brought back and checked beside the \
         app first; the app is stopped only while the content is exchanged, and has to be well afterwards, or the old \
         content comes back. The app's credentials stay what they are now. On the leader only, with trust. Results: \
         `result` is `restored`, or `checked` for a dry run, which has `steps` to read and `commands` to do the same by \
         hand; `backup-name`, `backup-uid` and `backup-time`; `files` and `bytes` that came back; `databases` that are \
         sound; `promised` says whether a manifest told what had to come back; `seconds` in all and `velero-seconds` of \
         Velero's; `notes`, if there are some.",
        json!({
            "backup-uid": {
                "type": "string",
                "description": "Uid or name of the backup, or latest for the newest good one; list-backups shows them.",
            },
            "dry-run": {
                "type": "boolean",
                "default": false,
                "description": "Check what can be checked before, say what would be done, and change nothing.",
            },
            "from-app": {
                "type": "string",
                "default": "",
                "description": "The application that the backup is of, if it is not this one.",
            },
            "from-model": {
                "type": "string",
                "default": "",
                "description": "The model that the backup is of, if it is not this one.",
            },
            "keep-old": {
                "type": "boolean",
                "default": true,
                "description": "Keep the old content until the app is well with the new one. Without, a volume that has not \
                    room for both is emptied first, and there is no way back.",
            },
        }),
        &["backup-uid"],
    )
}

/// Runs the action.
pub fn run(around: Around<'_>) -> Result<Results, Stopped> {
    let Around {
        juju,
        pebble,
        cluster,
        recovery,
        profile,
    } = around;
    let parameters = juju.action_parameters()?;
    let Some(uid) = around.text(&parameters, "backup-uid") else {
        return Err("backup-uid must be a uid, a name, or latest".to_owned().into());
    };
    let facts = gather::gather(juju, pebble, cluster, profile)?;
    let validated = validate::validate(profile, &facts);
    let volume = ready(profile, &facts, &validated)?;
    let target = own_id(juju);
    let wanted = Wanted {
        from: from(around, &parameters, &target),
        target,
        choice: Choice::from(uid.as_str()),
        holder: juju.context().unit().to_string(),
        image: image(juju, cluster, profile)?,
        patience: None,
    };
    let flag = |name: &str, default: bool| parameters.get(name).and_then(Value::as_bool).unwrap_or(default);
    let (dry_run, keep_old) = (flag("dry-run", false), flag("keep-old", true));
    let done = carried_out(around, &wanted, volume, dry_run, keep_old);
    if !dry_run {
        // Whatever came of it, the status tells how the app stands now.
        let mut facts = gather::gather(juju, pebble, cluster, profile)?;
        let validated = validate::validate(profile, &facts);
        finish(juju, pebble, cluster, recovery, profile, &mut facts, &validated)?;
    }
    done
}

fn carried_out(
    around: Around<'_>,
    wanted: &Wanted,
    volume: &Path,
    dry_run: bool,
    keep_old: bool,
) -> Result<Results, Stopped> {
    let Around {
        juju,
        pebble,
        cluster,
        recovery,
        profile,
    } = around;
    let plan = recovery.plan_restore(wanted, volume, keep_old, &elsewhere(juju))?;
    if dry_run {
        return Ok(shown(profile, juju, &plan));
    }
    around.say(&format!("restoring {}", described(&plan)));
    let say = |line: &str| around.say(line);
    let mut app = CharmApp {
        juju,
        pebble,
        cluster,
        recovery,
        profile,
    };
    let checked = recovery.restore(&plan, &mut app, &Lines::to(&say))?;
    let mut results = of_check(&checked);
    results.insert("result".to_owned(), "restored".to_owned());
    Ok(results)
}

fn from(around: Around<'_>, parameters: &Map<String, Value>, target: &AppId) -> Option<AppId> {
    let app = around.text(parameters, "from-app");
    let model = around.text(parameters, "from-model");
    (app.is_some() || model.is_some()).then(|| AppId {
        app: app.unwrap_or_else(|| target.app.clone()),
        model: model.unwrap_or_else(|| target.model.clone()),
    })
}

/// The volume, if the app could be started again afterwards. Otherwise a restore would end in the way back.
fn ready<'a>(profile: &AppProfile, facts: &'a Facts, validated: &ValidatedApp) -> Result<&'a Path, String> {
    if let Err(problem) = &facts.metadata {
        return Err(problem.to_string());
    }
    match &facts.container {
        Container::NotReachable => {
            return Err(format!(
                "Pebble of container {} does not answer; try again when juju status is active",
                profile.name
            ));
        }
        Container::Faulty { reason } => return Err(format!("container {}: {reason}", profile.name)),
        Container::Ready(_) => {}
    }
    if let Err(problem) = &validated.workload {
        return Err(problem.to_string());
    }
    match &facts.storage {
        Storage::Mounted { location, .. } => Ok(location),
        _ => Err("the config volume is not mounted; look at juju storage".to_owned()),
    }
}

fn described(plan: &RestorePlan) -> String {
    let backup = plan.backup();
    let when = backup.completed.or(backup.started);
    format!(
        "backup {} of {}{}{}",
        backup.name,
        backup.whose,
        when.map(|when| format!(", {}", time(when))).unwrap_or_default(),
        backup
            .holds
            .bytes()
            .map(|bytes| format!(", {}", size(bytes)))
            .unwrap_or_default()
    )
}

/// What would be done.
fn shown(profile: &AppProfile, juju: &Juju, plan: &RestorePlan) -> Results {
    let namespace = config_recovery::scratch::namespace(&plan.target, plan.scratch.purpose);
    let title = &profile.title;
    let mut steps = vec![
        format!(
            "Velero brings {} back into a claim of {} in namespace {namespace}",
            described(plan),
            size(plan.scratch.size)
        ),
        match &plan.stage_elsewhere {
            Some(folder) => format!("its files are copied to {}", folder.display()),
            None => format!(
                "its files are copied to the config volume, beside what is there, into {}",
                config_volume::RESTORE_FOLDER
            ),
        },
        "files, databases and the app's own config file are checked".to_owned(),
        format!("namespace {namespace} is removed"),
        format!("{title} is stopped"),
        match plan.keep_old {
            true => "the content is exchanged; the old one is kept".to_owned(),
            false => {
                "the content is exchanged; the old one is removed where there is no room for both".to_owned()
            }
        },
        format!("{title} is started, with the credentials that it has now, and has to answer"),
        "the old content is removed".to_owned(),
    ];
    for (number, step) in steps.iter_mut().enumerate() {
        step.insert_str(0, &format!("{}. ", number + 1));
    }
    if plan.keep_old {
        steps.push(format!(
            "If {title} does not get well, the old content is put back and it is started with that."
        ));
    }
    steps.push(format!(
        "To do it: juju run {} {RESTORE_FROM_BACKUP} backup-uid={}",
        juju.context().unit(),
        plan.backup().uid
    ));
    let mut results = named(plan.backup());
    results.insert("result".to_owned(), "checked".to_owned());
    results.insert("steps".to_owned(), steps.join("\n"));
    let unit = UnitPod {
        pod: &pod_name(juju),
        charm: CHARM_CONTAINER,
        workload: &profile.name,
        service: &profile.name,
    };
    results.insert("commands".to_owned(), plan.commands(unit));
    results
}
