//! `configuratarr refresh`: another revision of a charm, with a way back that was made before.

use std::collections::BTreeMap;
use std::path::Path;

use config_recovery::backups::Choice;
use config_recovery::shown::shown;
use jiff::Timestamp;

use super::restore::{How, confirm, somebody_is_there};
use super::{Call, Done, act};
use crate::args::RefreshArguments;
use crate::juju::charm_file;
use crate::plan::{self, Job, Stages, TypedRefresh, Wanted, plan_refresh};
use crate::problem::{Kind, Problem, Result};

/// Runs it.
pub async fn run(call: &Call<'_>, typed: &RefreshArguments) -> Result<Done> {
    let now = Timestamp::now();
    let how = How::asking(typed.dry_run, typed.yes);
    somebody_is_there("refresh", how)?;
    for (option, path) in [("--path", &typed.path), ("--previous-path", &typed.previous_path)] {
        if let Some(path) = path.as_deref().filter(|path| !Path::new(path).exists()) {
            return Err(Problem::new(
                Kind::Usage,
                format!("{option} {}: there is no such file", shown(path)),
                "name a .charm file, or the folder of a charm",
            ));
        }
    }
    let ground = act::ground(call).await?;
    let juju = ground.juju.clone();
    act::is_free(Job::Refresh, &juju, Some(std::slice::from_ref(&typed.app)))?;
    let wanted = Wanted {
        job: Job::Refresh,
        apps: Some(std::slice::from_ref(&typed.app)),
        choice: Choice::Latest,
        parameters: BTreeMap::new(),
    };
    let mut planned = plan::plan(&wanted, ground.known())?;
    let found = ground.application(&typed.app).ok_or_else(|| {
        Problem::bare(
            Kind::Failed,
            format!("juju status shows no {}", shown(&typed.app)),
        )
    })?;
    for (option, path) in [("--path", &typed.path), ("--previous-path", &typed.previous_path)] {
        let Some(path) = path.as_deref() else { continue };
        let name = charm_file::name(Path::new(path))?;
        // Juju refuses it, for the way back when that is needed.
        if name != found.charm_name {
            return Err(Problem::new(
                Kind::Usage,
                format!(
                    "{option} {} is charm {}, and {} is of charm {}",
                    shown(path),
                    shown(&name),
                    shown(&typed.app),
                    shown(&found.charm_name)
                ),
                format!("name another charm {}", shown(&found.charm_name)),
            ));
        }
    }
    let resources = juju.resources(&typed.app).await?;
    let wanted = TypedRefresh {
        path: typed.path.as_deref().map(act::absolute),
        channel: typed.channel.clone(),
        revision: typed.revision,
        resources: typed
            .resource
            .iter()
            .map(|typed| act::absolute_resource(typed))
            .collect(),
        previous_path: typed.previous_path.as_deref().map(act::absolute),
        previous_resources: typed
            .previous_resource
            .iter()
            .map(|typed| act::absolute_resource(typed))
            .collect(),
    };
    let plan = plan_refresh(&typed.app, found, &resources, &wanted, typed.wait.0)?;
    for item in &mut planned.items {
        item.command = juju.command(&plan.refresh);
        item.stages = Some(Box::new(Stages::Refresh(plan.clone())));
    }
    let planned = act::Planned {
        plan: planned,
        cluster: ground.cluster,
        context: ground.context,
    };
    if how.dry_run {
        return act::show_plan(call, planned.plan, now);
    }
    if how.yes {
        act::say_notes(call, &planned.plan);
    } else {
        let warning = match plan.cannot.is_empty() {
            true => "The app restarts",
            false => "The app restarts, and THERE IS NO WHOLE WAY BACK",
        };
        confirm(call, &planned.plan, now, warning)?;
    }
    act::carry_out(call, planned).await
}
