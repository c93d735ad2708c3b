//! The action `restore-from-backup`.

use std::path::Path;
use std::time::Duration;

use config_recovery::Error;
use config_recovery::backups::AppId;
use config_recovery::engine::{RestorePlan, RestoreRequest, Unfit, UnitPod};
use config_recovery::words::{size, time};
use config_volume::Answers;
use juju_charm::{Juju, Status};
use serde_json::{Map, Value, json};

use super::choice::{choice, with_choice};
use super::contents::{found, now, of_seen, warn_of_less};
use super::restored_app::RestoredApp;
use super::safety::{self, WayBack};
use super::{Call, Results, Stopped, declared, named, of_check, volume};
use crate::backup::CHARM_CONTAINER;
use crate::contents::seen;
use crate::env::Env;
use crate::facts::{Container, Exchange, Facts, Storage};
use crate::names::{RESTORE_FROM_BACKUP, pod_name, restore_command};
use crate::profile::AppProfile;
use crate::recovery::{Examiner, Lines, OfLater, elsewhere, foreseen, image, own_id, program};
use crate::steps::prepare_volume::may_be_seen;
use crate::steps::validate::workload_settings;
use crate::steps::{self, Asks};

/// The longest patience that makes sense: an action that hangs must end.
const LONGEST_PATIENCE: Duration = Duration::from_secs(24 * 3600);

/// After a backup that was not taken.
const NOTHING_TO_UNDO: &str = "nothing was replaced: there is nothing to undo";

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Replaces the content of the config volume with that of a backup. The backup is restored into a scratch namespace and \
         checked first; the app is stopped only while the content is exchanged. It must become healthy, otherwise the previous \
         content is restored. The app keeps its current credentials. Runs on the unit with the data, or on the leader if no unit \
         has them; needs trust. Results: `result` is `restored`, or `checked` for a dry run, with `steps` to read and `commands` \
         to do the same by hand; `backup-name`, `backup-uid`, `backup-time`; `files` and `bytes` restored; `databases` found \
         sound; `manifest`: whether a manifest was available to compare against; `seconds` in all, `velero-seconds` of them by \
         Velero; `contents`: what the backup holds in the app's terms, for a dry run as far as it was seen before; `contents-now`: \
         what the volume held when the action began; `differences`, one per line; `settings-that-differ` in the app's config file, by \
         name; `safety-backup`: uid of the backup of the previous content, and `undo`: the command that restores \
         it; `notes`, if any.",
        with_choice(
            json!({
                "dry-run": {
                    "type": "boolean",
                    "default": false,
                    "description": "Check what can be checked beforehand, show the plan, change nothing.",
                },
                "from-app": {
                    "type": "string",
                    "default": "",
                    "description": "Application that was backed up, if not this one.",
                },
                "from-model": {
                    "type": "string",
                    "default": "",
                    "description": "Model of the application that was backed up, if not this one.",
                },
                "keep-old": {
                    "type": "boolean",
                    "default": true,
                    "description": "Keep the previous content until the app is healthy with the new one. If false and space is \
                        short, the previous content is deleted first; no rollback.",
                },
                "force": {
                    "type": "boolean",
                    "default": false,
                    "description": "Restore a backup of a later version of the app, of a later schema of its databases, or without a \
                        database that is there now or was before, all the same. The app may not start on it, or damage it; the previous content is restored if it does not become \
                        healthy.",
                },
                safety::PARAMETER: safety::declaration(),
                "patience": {
                    "type": "string",
                    "default": "",
                    "description": "How long the app may take to become healthy with the new content: 10m, 1h30m. Empty: 2 minutes, \
                        and more for a large database, which an app may have to convert.",
                },
            }),
            false,
        ),
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
    let Some(choice) = choice(call, &parameters)? else {
        return Err(
            "say which backup: backup-uid= a uid, a name or latest, or at= a time"
                .to_owned()
                .into(),
        );
    };
    let patience = call.text(&parameters, "patience");
    let patience = patience.as_deref().map(patience_of).transpose()?;
    let flag = |name: &str, default: bool| parameters.get(name).and_then(Value::as_bool).unwrap_or(default);
    let (dry_run, keep_old) = (flag("dry-run", false), flag("keep-old", true));
    let of_later = match flag("force", false) {
        true => OfLater::Forced,
        false => OfLater::Refused,
    };
    let volume = ready(profile, call.facts)?;
    if !dry_run {
        // The app could not be started again: the restore would end in the way back.
        may_be_seen(profile, call.facts).map_err(|blocker| blocker.text)?;
        not_over_another(call.facts)?;
    }
    let target = own_id(juju);
    let wanted = RestoreRequest {
        from: from(call, &parameters, &target),
        target,
        choice: choice.clone(),
        holder: juju.context().unit().to_string(),
        image: image(call.env)?,
        program: Some(program()),
        patience,
    };
    let carry_out = || -> Result<Results, Stopped> {
        let mut plan = recovery.plan_restore(&wanted, volume, keep_old, &elsewhere(juju))?;
        warn_of_less(call, &choice, plan.backup(), &plan.earlier);
        let way_back = safety::way_back(call, &parameters, &plan)?;
        let seen = seen::read(juju)?;
        let seen = seen::of(&seen, &own_id(juju), plan.backup());
        let foreseen = |now: Option<&Answers>| Some(foreseen(call.env, call.facts, seen?, now, of_later));
        if dry_run {
            let now = now(call);
            let mut results = shown(profile, juju, &plan, &way_back);
            results.extend(of_seen(seen, now.as_ref()));
            let text = match foreseen(now.as_ref()) {
                Some(Ok(notes)) => notes.join("\n"),
                Some(Err(Unfit { why, next })) => format!("it will be refused: {why}; {next}"),
                None => String::new(),
            };
            if !text.is_empty() {
                results.insert("notes".to_owned(), text);
            }
            return Ok(results);
        }
        // A safety backup for nothing. Without one the look at the restored volume tells.
        if let (WayBack::ToMake(_), Some(_)) = (&way_back, seen)
            && let Some(Err(Unfit { why, next })) = foreseen(now(call).as_ref())
        {
            let backup = plan.backup().name.clone();
            return Err(Error::NotTaken { backup, why, next }.into());
        }
        call.say(&format!("restoring {}", described(&plan)));
        let is_made = matches!(way_back, WayBack::ToMake(_));
        let way_back = way_back.make(call, &mut plan)?;
        // Juju takes a status at once. If this process is killed it stays, and the next event looks at the volume, however well
        // the app seems to run.
        juju.set_status(&Status::Maintenance(format!(
            "{RESTORE_FROM_BACKUP} is under way; juju operations tells how it ends"
        )))?;
        let say = |line: &str| call.say(line);
        let mut app = RestoredApp {
            env: call.env,
            facts: call.facts,
            examiner: Examiner::new(call.env, call.facts, of_later),
            noted: None,
        };
        let checked = recovery.restore(&plan, &mut app, &Lines::to(&say));
        let checked = checked.inspect_err(|error| match error {
            Error::NotTaken { .. } | Error::LaterManifest { .. } => {
                call.say(NOTHING_TO_UNDO);
                // Juju has been told how, and shows that of a failed action too.
                let undo = Results::from([("undo".to_owned(), NOTHING_TO_UNDO.to_owned())]);
                if let Err(error) = is_made.then(|| juju.action_set(&undo)).transpose() {
                    log::warn!("cannot say so in the results: {error}");
                }
            }
            _ if app.noted.is_some() => call.say(&format!(
                "the content of backup {} is in place, and {} is healthy with it; what it left is removed by the next events",
                plan.backup().name,
                profile.title
            )),
            _ => {}
        })?;
        app.noted.unwrap_or(Ok(()))?;
        let mut results = of_check(&checked);
        results.extend(found(call, app.examiner, plan.backup())?);
        results.insert("result".to_owned(), "restored".to_owned());
        way_back.add_to(&mut results);
        Ok(results)
    };
    let done = carry_out();
    if !dry_run {
        // Whatever came of it, the status tells how the app stands now.
        steps::run(call.env, Asks::Nothing)?;
    }
    done
}

fn patience_of(text: &str) -> Result<Duration, String> {
    let parsed = go_duration::parse(text)
        .map_err(|error| format!("patience {text:?}: {error}; for example 10m or 2h30m"))?;
    let nanoseconds = u64::try_from(parsed).unwrap_or_default();
    let patience = Duration::from_nanos(nanoseconds);
    if patience.is_zero() || patience > LONGEST_PATIENCE {
        return Err(format!(
            "patience {text:?}: must be more than 0 and at most 24h; for example 10m"
        ));
    }
    Ok(patience)
}

fn from(call: Call<'_>, parameters: &Map<String, Value>, target: &AppId) -> Option<AppId> {
    let app = call.text(parameters, "from-app");
    let model = call.text(parameters, "from-model");
    (app.is_some() || model.is_some()).then(|| AppId {
        app: app.unwrap_or_else(|| target.app.clone()),
        model: model.unwrap_or_else(|| target.model.clone()),
    })
}

/// The volume, if the app could be started again afterwards. Otherwise a restore would end in the way back.
fn ready<'a>(profile: &AppProfile, facts: &'a Facts) -> Result<&'a Path, String> {
    if let Err(problem) = &facts.metadata {
        return Err(problem.to_string());
    }
    match &facts.container {
        Container::NotReachable => {
            return Err(format!(
                "Pebble of container {} is not responding; try again when juju status is active",
                profile.name
            ));
        }
        Container::Faulty { reason } => return Err(format!("container {}: {reason}", profile.name)),
        Container::Ready(_) => {}
    }
    workload_settings(profile, facts).map_err(|problem| problem.to_string())?;
    volume(facts)
}

/// What a restore has left that the engine does not know of, or cannot read, may be the only copy of what was in the volume; an exchange
/// would take it for previous content, and remove it in the end.
fn not_over_another(facts: &Facts) -> Result<(), String> {
    match &facts.storage {
        Storage::Mounted {
            exchange: Exchange::Unreadable { reason },
            ..
        } => Err(format!("a restore was cut off: {reason}")),
        _ => Ok(()),
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
fn shown(profile: &AppProfile, juju: &Juju, plan: &RestorePlan, way_back: &WayBack) -> Results {
    let namespace = config_recovery::scratch::namespace(&plan.target, plan.scratch.purpose);
    let title = &profile.title;
    let (first, comment) = way_back.shown(juju);
    let mut steps = vec![
        first,
        format!(
            "Velero restores {} into a claim of {} in namespace {namespace}",
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
        "the previous content is removed".to_owned(),
    ];
    for (number, step) in steps.iter_mut().enumerate() {
        step.insert_str(0, &format!("{}. ", number + 1));
    }
    if plan.keep_old {
        steps.push(format!(
            "If {title} does not become healthy, the previous content is restored and started again."
        ));
    }
    steps.push(format!(
        "To do it: {}",
        restore_command(juju.context().unit(), &plan.backup().uid)
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
    results.insert("commands".to_owned(), comment + &plan.commands(unit));
    results
}
