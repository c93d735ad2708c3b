//! `configuratarr restore APP --import`: a volume is restored, imported, and the app deployed anew with it.

use std::collections::BTreeMap;
use std::path::Path;

use config_recovery::backups::AppId;
use config_recovery::{claim, scratch};
use jiff::Timestamp;

use super::restore::{How, confirm, somebody_is_there};
use super::{Call, Done, act};
use crate::args::{Choice, ImportArguments, Which};
use crate::juju::{Juju, charm_file};
use crate::plan::{Job, Place, Plan, Typed, Wanted, may_import, plan, plan_import};
use crate::problem::{Kind, Problem, Result};

/// Where a client is told of its flags.
const FLAGS: &str = "JUJU_DEV_FEATURE_FLAGS";

/// Runs it.
pub async fn run(
    call: &Call<'_>,
    which: &Which,
    choice: &Choice,
    arguments: &ImportArguments,
    how: How,
) -> Result<Done> {
    let [app] = which.apps.as_slice() else {
        return Err(Problem::new(
            Kind::Usage,
            "--import deploys one app anew, and so takes one",
            "name that app; for several, one after the other",
        ));
    };
    let typed = typed(arguments)?;
    somebody_is_there("restore", how)?;
    let now = Timestamp::now();
    let choice = act::choice(which, choice, now)?;
    // Before anything else: what cannot work needs no look at the cluster.
    let flags = std::env::var(FLAGS).unwrap_or_default();
    let client = call.juju.version().await?;
    may_import(&call.juju, app, [&client, &client], &flags)?;
    let model = call.juju.status().await?.model.version;
    may_import(&call.juju, app, [&client, &model], &flags)?;
    let ground = act::ground(call).await?;
    let juju = ground.juju.clone();
    act::is_free(Job::Import, &juju, Some(&which.apps))?;
    let wanted = Wanted {
        job: Job::Import,
        apps: Some(&which.apps),
        choice,
        parameters: BTreeMap::new(),
    };
    let mut plan = plan(&wanted, ground.known())?;
    let whose = AppId {
        app: app.clone(),
        model: plan.model.clone(),
    };
    let place = place(&juju, &ground.cluster, &whose).await?;
    // Without it the app would be deployed again without its options and relations.
    let deployed = juju.deployed(app).await?.ok_or_else(|| {
        Problem::new(
            Kind::Failed,
            format!("juju export-bundle does not say how {app} is deployed"),
            format!("{} needs no import", juju.own(&format!("restore {app}"))),
        )
    })?;
    let import = plan_import(&juju, app, ground.units(app), &deployed, place, &typed)?;
    if let Some(item) = plan.items.first_mut() {
        let uid = item.backup.as_ref().map_or("UID", |backup| backup.uid.as_str());
        item.command = juju.own(&format!("restore {app} --import --backup {uid}"));
        item.import = Some(Box::new(import));
    }
    if how.dry_run {
        call.printer.data(&plan, || plan.page(now))?;
        return Ok(Done::Well);
    }
    if !how.yes {
        confirm(call, &plan, now, &warning(&plan))?;
    }
    let planned = act::Planned {
        plan,
        cluster: ground.cluster,
        context: ground.context,
    };
    act::carry_out(call, planned).await
}

fn warning(plan: &Plan) -> String {
    let app = plan.items.first().map_or("the app", |item| item.app.as_str());
    format!(
        "{app} is REMOVED and deployed anew once its restored volume is imported; the volume that it has is kept"
    )
}

/// The charm as a file that is there, whatever folder the next process runs in.
fn typed(arguments: &ImportArguments) -> Result<Typed> {
    if let Some(odd) = arguments.resource.iter().find(|resource| !resource.contains('=')) {
        return Err(Problem::new(
            Kind::Usage,
            format!("--resource {odd} says nothing of a resource"),
            "say --resource NAME=FILE-OR-IMAGE",
        ));
    }
    let charm = match &arguments.charm {
        None => None,
        Some(charm) => match Path::new(charm).canonicalize() {
            Ok(path) => {
                let typed = arguments
                    .resource
                    .iter()
                    .filter_map(|typed| typed.split_once('='));
                let given = |name: &str| typed.clone().any(|(typed, _)| typed == name);
                // Juju would say so when the app is removed already.
                charm_file::has_its_images(&path, given, "--resource ")?;
                Some(path.display().to_string())
            }
            Err(error) => {
                return Err(Problem::new(
                    Kind::Usage,
                    format!("cannot read charm {charm}: {error}"),
                    "name a charm's file or folder",
                ));
            }
        },
    };
    // A file is named so that it is found from any folder; what is no file is an image.
    let resource = |resource: &String| match resource.split_once('=') {
        Some((name, value)) => match Path::new(value).canonicalize() {
            Ok(path) => format!("{name}={}", path.display()),
            Err(_) => resource.clone(),
        },
        None => resource.clone(),
    };
    Ok(Typed {
        charm,
        resources: arguments.resource.iter().map(resource).collect(),
    })
}

/// What the cluster has of the app.
async fn place(juju: &Juju, cluster: &config_recovery::cluster::Cluster, whose: &AppId) -> Result<Place> {
    let found = claim::find(cluster, whose).await?;
    let no = |why: &str| {
        Problem::new(
            Kind::Failed,
            format!("{} {why}", whose.app),
            format!(
                "{} shows what it has; {} needs no import",
                juju.own(&format!("claim {}", whose.app)),
                juju.own(&format!("restore {}", whose.app))
            ),
        )
    };
    let volume = found.volume.ok_or_else(|| no("has no volume"))?;
    let pod = found.pod.ok_or_else(|| no("has no pod"))?;
    let image = scratch::reader_image(cluster, whose, &pod.name).await?;
    Ok(Place {
        volume,
        // Not more than Juju will ask for; not less than a claim can.
        size: found.requested.max(found.capacity.unwrap_or_default()).max(1),
        storage_class: found.storage_class,
        image: image.ok_or_else(|| no("has a pod without an image"))?,
    })
}
