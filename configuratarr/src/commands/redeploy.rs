//! `configuratarr redeploy`: apps that are gone, deployed again with a backup.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use config_recovery::backups::Choice;
use config_recovery::shown::shown;
use jiff::Timestamp;

use super::restore::{How, confirm, somebody_is_there};
use super::{Call, Done, act};
use crate::args::{RedeployArguments, Which};
use crate::cluster;
use crate::juju::{Deployed, JujuError, charm_file, read_bundle};
use crate::plan::{Around, Job, ON_DEPLOY, Redeploy, TypedCharm, plan_redeploy, redeploy_resources};
use crate::problem::{Kind, Problem, Result};

/// Runs it.
pub async fn run(call: &Call<'_>, typed: &RedeployArguments) -> Result<Done> {
    let now = Timestamp::now();
    let how = How::asking(typed.dry_run, typed.yes);
    let which = Which {
        apps: typed.apps.clone(),
        all: false,
    };
    let choice = act::choice(&which, &typed.choice, now)?;
    somebody_is_there("redeploy", how)?;
    let wanted = wanted(typed, choice)?;
    call.juju.version().await?;
    let context = cluster::context(call.global);
    let (status, looked) = tokio::join!(call.juju.status(), cluster::look(call.global));
    let status = status.map_err(|error| without_model(call, error))?;
    let (cluster, overview) = looked?;
    let juju = act::juju_of(call, &status.model).await;
    act::is_free(Job::Redeploy, &juju, Some(&typed.apps))?;
    let plan = plan_redeploy(
        &wanted,
        Around {
            status: &status,
            locations: &overview.locations,
            backups: &overview.backups,
            juju: &juju,
            now,
        },
    )?;
    let planned = act::Planned {
        plan,
        cluster,
        context,
    };
    if how.dry_run {
        return act::show_plan(call, planned.plan, now);
    }
    if how.yes {
        act::say_notes(call, &planned.plan);
    } else {
        confirm(
            call,
            &planned.plan,
            now,
            "Each app is deployed, and starts with the backup's content",
        )?;
    }
    act::carry_out(call, planned).await
}

/// What was typed, with what the bundle says.
fn wanted<'a>(typed: &'a RedeployArguments, choice: Choice) -> Result<Redeploy<'a>> {
    let mut apps = Vec::new();
    let is_one = is_one(typed);
    let text = typed.bundle.as_deref().map(read).transpose()?;
    for app in &typed.apps {
        let bundle = match (&text, &typed.bundle) {
            (Some(text), Some(path)) => Some(of_bundle(text, path, app)?),
            _ => None,
        };
        apps.push((app.clone(), bundle, typed_charm(typed, app)?));
    }
    for (app, bundle, typed) in &apps {
        sets_no_backup(typed)?;
        if let (Some(charm), Some(bundle)) = (&typed.charm, bundle) {
            is_of_bundle(app, charm, bundle)?;
        }
        let charm = typed
            .charm
            .as_ref()
            .or(bundle.as_ref().map(|bundle| &bundle.charm));
        if let Some(charm) = charm.filter(|charm| !charm.starts_with("local:") && charm_file::is_here(charm))
        {
            restores(app, charm)?;
            let given = redeploy_resources(bundle.as_ref().unwrap_or(&Deployed::default()), typed)?;
            let of_app = if is_one { String::new() } else { format!("{app}:") };
            let option = format!("--resource {of_app}");
            charm_file::has_its_images(Path::new(charm), |name| given.contains_key(name), &option)?;
        }
    }
    Ok(Redeploy {
        apps,
        choice,
        from_model: typed.from_model.as_deref(),
        wait: typed.wait.0,
    })
}

/// The charm that was typed for an app: `CHARM` for the only one, `APP=CHARM` for one of several.
fn typed_charm(typed: &RedeployArguments, app: &str) -> Result<TypedCharm> {
    let charms = typed.charm.iter().map(|named| match named.split_once('=') {
        Some((of, file)) => (Some(of), file),
        None => (None, named.as_str()),
    });
    let resources = typed.resource.iter().map(|named| {
        // A name has no colon; an image has.
        let name = named.split('=').next().unwrap_or_default();
        match name.split_once(':') {
            Some((of, _)) => (Some(of), &named[of.len() + 1..]),
            None => (None, named.as_str()),
        }
    });
    let charm = of_app(typed, app, "--charm", "APP=CHARM", charms)?.pop();
    let resources = of_app(typed, app, "--resource", "APP:NAME=VALUE", resources)?;
    let is_for_one = !typed.config.is_empty()
        || !typed.storage.is_empty()
        || typed.channel.is_some()
        || typed.revision.is_some();
    if is_for_one && !is_one(typed) {
        return Err(Problem::new(
            Kind::Usage,
            "--config, --storage, --channel and --revision are for one app",
            "redeploy them one after the other, or name a bundle that says it of each: --bundle FILE",
        ));
    }
    Ok(TypedCharm {
        charm: charm.map(|charm| match charm_file::is_here(charm) {
            true => act::absolute(charm),
            false => charm.to_owned(),
        }),
        channel: typed.channel.clone(),
        revision: typed.revision,
        config: typed.config.clone(),
        resources: resources.into_iter().map(act::absolute_resource).collect(),
        storage: typed.storage.clone(),
    })
}

/// Whether the command is about one app.
fn is_one(typed: &RedeployArguments) -> bool {
    typed.apps.iter().collect::<BTreeSet<_>>().len() == 1
}

/// Of what was typed with an option, what is of this app: each value may say of which app it is, and of several it has to.
fn of_app<'a>(
    typed: &RedeployArguments,
    app: &str,
    option: &str,
    form: &str,
    all: impl Iterator<Item = (Option<&'a str>, &'a str)>,
) -> Result<Vec<&'a str>> {
    let mut found = Vec::new();
    for (of, value) in all {
        match of {
            Some(of) if of == app => found.push(value),
            Some(of) if typed.apps.iter().any(|app| app == of) => {}
            Some(of) => {
                return Err(Problem::new(
                    Kind::Usage,
                    format!(
                        "{option} names {}, and that is none of the apps to redeploy",
                        shown(of)
                    ),
                    format!("{option} {form}, with an app of this command"),
                ));
            }
            None if is_one(typed) => found.push(value),
            None => {
                return Err(Problem::new(
                    Kind::Usage,
                    format!(
                        "{option} {} does not say for which of the apps it is",
                        shown(value)
                    ),
                    format!("{option} {form} for each of them"),
                ));
            }
        }
    }
    Ok(found)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        Problem::new(
            Kind::Usage,
            format!(
                "cannot read the bundle {}: {error}",
                shown(&path.display().to_string())
            ),
            "name a file that juju export-bundle has printed",
        )
    })
}

/// What a bundle says of an app. A charm that it names by a path is beside it, and so is the file of a resource.
fn of_bundle(text: &str, path: &Path, app: &str) -> Result<Deployed> {
    let name = shown(&path.display().to_string());
    let found = read_bundle(text, app).map_err(|error| {
        let error = error.to_string();
        let place = shown(error.lines().next().unwrap_or_default());
        Problem::new(
            Kind::Usage,
            format!("{name} is no bundle: {place}"),
            "name a file that juju export-bundle has printed",
        )
    })?;
    let mut found = found.ok_or_else(|| {
        Problem::new(
            Kind::Usage,
            format!("bundle {name} has no application {}", shown(app)),
            "name the bundle that has it, or the charm: --charm CHARM",
        )
    })?;
    let folder = path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let beside = |file: &str| act::absolute(&folder.join(file).display().to_string());
    if found.charm.starts_with('.') {
        found.charm = beside(&found.charm);
    }
    for value in found.resources.values_mut() {
        if let Some(file) = value.as_str().filter(|file| folder.join(file).is_file()) {
            *value = beside(file).into();
        }
    }
    Ok(found)
}

/// Which backup is restored is not set beside the choice of one.
fn sets_no_backup(typed: &TypedCharm) -> Result<()> {
    let is_it = |pair: &&String| pair.split('=').next() == Some(ON_DEPLOY);
    match typed.config.iter().find(is_it) {
        None => Ok(()),
        Some(pair) => Err(Problem::new(
            Kind::Usage,
            format!("--config {}: redeploy sets that option itself", shown(pair)),
            "leave it out; another backup: --backup UID, --at TIME; without a backup: juju deploy",
        )),
    }
}

/// The app of another charm would get a content that is not its own.
fn is_of_bundle(app: &str, charm: &str, bundle: &Deployed) -> Result<()> {
    // `local:radarr-k8s-3`; an older Juju has the series before the name.
    let local = bundle.charm.strip_prefix("local:");
    let local = local.and_then(|local| local.rsplit('/').next()?.rsplit_once('-'));
    let (Some((name, _)), true) = (local, charm_file::is_here(charm)) else {
        return Ok(());
    };
    let found = charm_file::name(Path::new(charm))?;
    if found == name {
        return Ok(());
    }
    Err(Problem::new(
        Kind::Usage,
        format!(
            "{} is charm {}, and by the bundle {app} is of charm {}",
            shown(charm),
            shown(&found),
            shown(name)
        ),
        format!(
            "name another file; if that is the one you mean, leave the bundle out: --charm {app}=FILE, --config, --storage"
        ),
    ))
}

/// A charm that restores nothing would start an empty app.
fn restores(app: &str, charm: &str) -> Result<()> {
    match charm_file::has_option(Path::new(charm), ON_DEPLOY)? {
        true => Ok(()),
        false => Err(Problem::new(
            Kind::Usage,
            format!(
                "charm {} has no option {ON_DEPLOY}: it restores nothing, and {app} would start empty",
                shown(charm)
            ),
            "name a charm of this project: --charm",
        )),
    }
}

/// With its apps the model is gone too: where it belongs only its owner knows.
fn without_model(call: &Call<'_>, error: JujuError) -> Problem {
    let mut problem = Problem::from(error.clone());
    if let (JujuError::NoModel(_), Some(model)) = (&error, call.juju.model()) {
        let name = model.rsplit([':', '/']).next().unwrap_or(model);
        problem.next = Some(format!(
            "if it is gone: juju add-model {name}, then run this again; otherwise juju models shows which there are"
        ));
    }
    problem
}
