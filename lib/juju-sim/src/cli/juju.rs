//! What each verb of `juju` does.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::output::{print, table, write};
use super::pairs::pairs;
use super::verbs::{Deploy, Format, Model, Output, Verb};
use super::{
    Answer, Outcome, bundle, controller, inspect, operations, own_unit, run as action, secrets, state_folder,
    status,
};
use crate::error::{Error, Result};
use crate::kubernetes::ClusterOptions;
use crate::layout::app_of;
use crate::simulation::{
    self, CharmhubOrigin, Imports, Looked, OperatorOptions, Options, Simulation, Workload,
};

/// When it is set, the cluster of a model that is added has a Velero that is at work.
const VELERO_WORKS: &str = "JUJU_SIM_VELERO_WORKS";

/// What Juju 4.0.15 refuses on Kubernetes, with its exit code.
fn not_on_kubernetes(command: &str) -> Answer {
    eprintln!("ERROR Juju command {command:?} not supported on container models");
    Ok(Outcome::Failed(2))
}

/// Runs a verb.
pub(crate) fn run(verb: Verb) -> Answer {
    match verb {
        Verb::AddModel { name, agent_version } => add_model(&name, &agent_version)?,
        Verb::DestroyModel { name, .. } => open(&Model { model: name })?.destroy()?,
        Verb::ShowModel { name, format } => controller::show_model(name, format)?,
        Verb::Models { format } => controller::models(format)?,
        Verb::Controllers { format } => controller::controllers(format)?,
        Verb::Whoami { format } => controller::whoami(format)?,
        Verb::Version { format, all } => controller::version(format, all)?,
        Verb::Deploy(deploy) => return run_deploy(deploy),
        Verb::Refresh {
            application,
            path,
            channel,
            revision,
            resource,
            force_units: _,
            model,
        } => {
            pairs(&resource)?;
            match path {
                Some(_) if revision.is_some() => {
                    return Err(Error::Usage(
                        "--path and --revision are mutually exclusive".to_owned(),
                    ));
                }
                Some(path) => refresh(&application, &path, None, &model)?,
                None => refresh_from_charmhub(&application, channel.as_deref(), revision, &model)?,
            }
        }
        Verb::Integrate { one, other, model } => integrate(&one, &other, &model)?,
        Verb::RemoveRelation { one, other, model } => open(&model)?.remove_relation(&one, &other)?,
        Verb::Config {
            application,
            settings,
            reset,
            output,
        } => config(&application, &settings, &reset, &output)?,
        Verb::Trust {
            application,
            scope,
            remove,
            model,
        } => {
            if !remove && scope.as_deref() != Some("cluster") {
                let text = "'--scope' must be set to 'cluster' to trust an application on a Kubernetes model";
                return Err(Error::Usage(text.to_owned()));
            }
            open(&model)?.trust(&application, !remove)?;
        }
        Verb::Status {
            selectors,
            storage: _,
            relations,
            output,
        } => {
            let simulation = look(&output.model)?;
            let status = status::status(&simulation, &selectors)?;
            match output.format.unwrap_or(Format::Tabular) {
                Format::Tabular | Format::Plain => write(&status.tables(relations))?,
                format => print(&status, format)?,
            }
        }
        Verb::ShowUnit { units, output } => {
            let simulation = look(&output.model)?;
            let mut shown = BTreeMap::new();
            for unit in units {
                let found = inspect::unit(&simulation, &unit)?;
                shown.insert(unit, found);
            }
            print(&shown, output.format.unwrap_or(Format::Yaml))?;
        }
        Verb::Storage { output } => {
            let storage = inspect::storage(&*look(&output.model)?, false);
            match output.format.unwrap_or(Format::Tabular) {
                _ if storage.is_empty() => {}
                Format::Tabular | Format::Plain => write(&storage.table())?,
                format => print(&storage, format)?,
            }
        }
        Verb::ShowStorage { ids, output } => return show_storage(&ids, &output),
        Verb::RemoveStorage { ids, model, .. } => return remove_storage(&ids, &model),
        Verb::Actions { application, output } => actions(&application, &output)?,
        Verb::Run {
            unit,
            action,
            params,
            file,
            string_args,
            wait,
            background,
            utc: _,
            output,
        } => {
            if background && wait.is_some() {
                let text = "cannot specify both --wait and --background";
                return Err(Error::Usage(text.to_owned()));
            }
            let params = action::parameters(&params, file.as_deref(), string_args)?;
            return action::run(&unit, &action, params, background, &output);
        }
        Verb::Operations(asked) => operations::list(&asked)?,
        Verb::ShowOperation { id, follow, output } => operations::show(&id, &follow, &output)?,
        Verb::ShowTask { id, follow, output } => operations::show_task(&id, &follow, &output)?,
        Verb::CancelTask { ids, output } => operations::cancel(&ids, &output)?,
        Verb::AddUnit {
            application,
            num_units,
            attach_storage,
            model,
        } => {
            if !attach_storage.is_empty() {
                return Err(not_attached(&application));
            }
            open(&model)?.add_units(&application, num_units)?;
        }
        Verb::RemoveUnit {
            application,
            num_units,
            model,
            ..
        } => {
            let mut simulation = open(&model)?;
            let have = u32::try_from(simulation.units(&application).len()).unwrap_or(u32::MAX);
            let scale = have.saturating_sub(num_units);
            simulation.scale(&application, scale)?;
            eprintln!("scaling down to {scale} units");
        }
        Verb::ScaleApplication {
            application,
            scale,
            model,
        } => {
            open(&model)?.scale(&application, scale)?;
            eprintln!("{application} scaled to {scale} units");
        }
        Verb::RemoveApplication {
            application, model, ..
        } => {
            let mut simulation = open(&model)?;
            let units = simulation.units(&application);
            simulation.remove_application(&application)?;
            let lines = units.iter().map(|unit| format!("- will remove unit {unit}\n"));
            write(&format!(
                "will remove application {application}\n{}",
                lines.collect::<String>()
            ))?;
        }
        Verb::Resolved {
            units,
            no_retry,
            model,
        } => {
            let mut simulation = open(&model)?;
            units
                .iter()
                .try_for_each(|unit| simulation.resolved(unit, !no_retry))?;
        }
        Verb::Secrets { output } => secrets::list(&*look(&output.model)?, &output)?,
        Verb::ShowSecret {
            secret,
            reveal,
            output,
        } => {
            secrets::show(&*look(&output.model)?, &secret, reveal, &output)?;
        }
        Verb::AddSecret { name, content, model } => {
            let content = secrets::content(&content)?;
            let id = open(&model)?.add_secret(&name, &content)?;
            write(&format!("{id}\n"))?;
        }
        Verb::UpdateSecret {
            secret,
            content,
            model,
        } => {
            let content = secrets::content(&content)?;
            open(&model)?.update_secret(&secret, &content)?;
        }
        Verb::GrantSecret {
            secret,
            application,
            model,
        } => open(&model)?.grant_secret(&secret, &application, true)?,
        Verb::RevokeSecret {
            secret,
            application,
            model,
        } => {
            open(&model)?.grant_secret(&secret, &application, false)?;
        }
        Verb::DebugLog {
            include,
            lines,
            model,
            ..
        } => debug_log(&include, lines, &model)?,
        Verb::ImportFilesystem {
            pool,
            provider_id,
            storage,
            force,
            model,
        } => {
            let mut simulation = open(&model)?;
            let imports = Imports::of(&simulation.options().juju_version);
            if imports == Imports::NotSupported {
                return not_on_kubernetes("import-filesystem");
            }
            eprintln!("importing {provider_id:?} from storage pool {pool:?} as storage {storage:?}");
            if imports == Imports::NotWritten {
                // Recorded on 4.0.15.
                return Err(Error::refused(
                    "adopting filesystem: importing filesystem: import filesystem not implemented",
                ));
            }
            if force {
                return Err(Error::refused("the simulated juju imports without --force only"));
            }
            let id = simulation.import_filesystem(&provider_id, &storage)?;
            eprintln!("imported storage {id}");
        }
        Verb::ExportBundle { model } => write(&bundle::of(&*look(&model)?)?)?,
        Verb::Resources { application, output } => {
            bundle::resources(&*look(&output.model)?, &application, &output)?
        }
        Verb::AddStorage(_) => return not_on_kubernetes("add-storage"),
        Verb::AttachStorage(_) => return not_on_kubernetes("attach-storage"),
        Verb::DetachStorage(_) => return not_on_kubernetes("detach-storage"),
    }
    Ok(Outcome::Done)
}

/// Opens the model of the state folder, to change it; a model that the user names must be that one.
pub(crate) fn open(model: &Model) -> Result<Simulation> {
    // Who names another one does not wait.
    look(model)?;
    Simulation::open_for(state_folder()?, own_unit())
}

/// The model of the state folder as it was stored last, to look at; a model that the user names must be that one.
pub(crate) fn look(model: &Model) -> Result<Looked> {
    let simulation = Simulation::look(state_folder()?, own_unit())?;
    controller::check_named(&simulation.model().name, model)?;
    Ok(simulation)
}

fn add_model(name: &str, version: &str) -> Result<()> {
    let folder = state_folder()?;
    if let Ok(existing) = Simulation::open(&folder) {
        let known = &existing.model().name;
        return Err(Error::refused(format!(
            "failed to create new model: the folder holds model {known:?} already"
        )));
    }
    let options = Options {
        model: name.to_owned(),
        juju_version: version.to_owned(),
        executable: Some(std::env::current_exe().map_err(Error::io("find", "the running executable"))?),
        keep_running: true,
        cluster: ClusterOptions {
            velero_works: std::env::var_os(VELERO_WORKS).is_some_and(|value| !value.is_empty()),
            ..ClusterOptions::default()
        },
        ..Options::default()
    };
    Simulation::create(&folder, options)?;
    eprintln!("Added '{name}' model on homek8s with credential 'homek8s' for user 'admin'");
    Ok(())
}

fn run_deploy(deploy: Deploy) -> Answer {
    let mut simulation = open(&deploy.model)?;
    if deploy.charm == "velero-operator" && !Path::new("velero-operator").exists() {
        let mut options = OperatorOptions::default();
        if let Some(app) = deploy.application {
            options.app = app;
        }
        for (key, value) in pairs(&deploy.config)? {
            match (key.as_str(), value.parse()) {
                ("default-volumes-to-fs-backup", Ok(value)) => options.default_volumes_to_fs_backup = value,
                _ => {
                    return Err(Error::refused(format!(
                        "unknown option {key:?} of the stand-in velero-operator"
                    )));
                }
            }
        }
        let name = options.app.clone();
        simulation.deploy_velero_operator(options)?;
        eprintln!("Deployed {name:?} as a stand-in, with its storage configured");
        return Ok(Outcome::Done);
    }
    let mut request =
        simulation::Deploy::new(deploy.application.as_deref().unwrap_or_default(), &deploy.charm);
    request.trust = deploy.trust;
    request.units = deploy.num_units;
    request.config = pairs(&deploy.config)?;
    request.resources = pairs(&deploy.resource)?;
    for (container, folder) in pairs(&deploy.image)? {
        request
            .workloads
            .insert(container, Workload::Image(Some(PathBuf::from(folder))));
    }
    for (container, socket) in pairs(&deploy.pebble)? {
        request
            .workloads
            .insert(container, Workload::External(PathBuf::from(socket)));
    }
    let is_of_charmhub = !deploy.charm.contains('/') && !Path::new(&deploy.charm).exists();
    if is_of_charmhub {
        if deploy.revision.is_some() && deploy.channel.is_none() {
            let text = "when using --revision option, you must also use --channel option";
            return Err(Error::Usage(text.to_owned()));
        }
        let (folder, origin) =
            simulation::charmhub(&deploy.charm, deploy.channel.as_deref(), deploy.revision)?;
        request.charm_dir = folder;
        eprintln!(
            "Deployed {:?} from charm-hub charm {:?}, revision {} in channel {} on ubuntu@24.04/stable",
            deploy.application.as_deref().unwrap_or(&origin.name),
            origin.name,
            origin.revision,
            origin.channel
        );
        request.charmhub = Some(origin);
        simulation.deploy(request)?;
        return Ok(Outcome::Done);
    }
    let charm = simulation::deployable(Path::new(&deploy.charm), &request.resources)?;
    let app = if request.app.is_empty() {
        charm.clone()
    } else {
        request.app.clone()
    };
    let channel = deploy.channel.as_deref().unwrap_or("stable");
    eprintln!("Located local charm {charm:?}, revision 0");
    eprintln!("Deploying {app:?} from local charm {charm:?}, revision 0 on ubuntu@24.04/{channel}");
    if !deploy.attach_storage.is_empty() {
        if Imports::of(&simulation.options().juju_version) != Imports::Yes {
            return Err(not_attached(&app));
        }
        request.attach.clone_from(&deploy.attach_storage);
    }
    simulation.deploy(request)?;
    Ok(Outcome::Done)
}

fn not_attached(app: &str) -> Error {
    Error::refused(format!(
        "cannot deploy {app:?}: attaching storage to CAAS units is not supported"
    ))
}

fn refresh_from_charmhub(
    app: &str,
    channel: Option<&str>,
    revision: Option<u32>,
    model: &Model,
) -> Result<()> {
    let (origin, now) = {
        let simulation = look(model)?;
        if !simulation.model().applications.contains_key(app) {
            return Err(Error::refused(format!("application {app:?} not found")));
        }
        (
            simulation.charmhub_origin(app).cloned(),
            simulation.charm_revision(app),
        )
    };
    let Some(origin) = origin else {
        return Err(Error::refused(
            "refreshing a local charm requires either --path or --switch",
        ));
    };
    let (folder, mut found) =
        simulation::charmhub(&origin.name, channel.or(Some(&origin.channel)), revision)?;
    if found.revision == now {
        eprintln!("charm {:?}: already up-to-date", origin.name);
        return Ok(());
    }
    if channel.is_none() {
        found.channel = origin.channel;
    }
    refresh(app, &folder, Some(found), model)
}

fn refresh(app: &str, path: &Path, origin: Option<CharmhubOrigin>, model: &Model) -> Result<()> {
    let mut simulation = open(model)?;
    simulation.refresh_from(app, path, origin.clone())?;
    let Some(application) = simulation.model().applications.get(app) else {
        return Ok(());
    };
    let name = &application.charm.name;
    match origin {
        Some(origin) => eprintln!(
            "Added charm-hub charm {name:?}, revision {} in channel {}, to the model",
            origin.revision, origin.channel
        ),
        None => eprintln!(
            "Added local charm {name:?}, revision {}, to the model",
            simulation.charm_revision(app)
        ),
    }
    let mut endpoints: Vec<&str> = application.charm.endpoints.keys().map(String::as_str).collect();
    endpoints.push("juju-info");
    endpoints.sort_unstable();
    eprintln!(
        "no change to endpoints in space \"alpha\": {}",
        endpoints.join(", ")
    );
    Ok(())
}

fn integrate(one: &str, other: &str, model: &Model) -> Result<()> {
    open(model)?.integrate(one, other).map(|_| ())
}

fn config(app: &str, settings: &[String], reset: &[String], output: &Output) -> Result<()> {
    let is_change = settings.iter().any(|setting| setting.contains('='));
    if !reset.is_empty() {
        let keys: Vec<&str> = reset.iter().map(String::as_str).collect();
        open(&output.model)?.reset_config(app, &keys)?;
    }
    if is_change {
        let values = pairs(settings)?;
        let values: Vec<(&str, &str)> = values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        return open(&output.model)?.set_config(app, &values);
    }
    let simulation = look(&output.model)?;
    let application = simulation.model().applications.get(app);
    let application = application.ok_or_else(|| Error::refused(format!("application {app:?} not found")))?;
    if let [key] = settings {
        if !application.charm.options.contains_key(key) {
            return Err(Error::refused(format!(
                "key {key:?} not found in {app:?} application config or charm settings."
            )));
        }
        return match application.option(key) {
            Some(Value::String(text)) => write(&format!("{text}\n")),
            Some(value) => write(&format!("{value}\n")),
            None => Ok(()),
        };
    }
    if !reset.is_empty() {
        return Ok(());
    }
    let mut shown = Map::new();
    for (name, option) in &application.charm.options {
        let mut entry = Map::new();
        entry.insert("description".to_owned(), option.description.clone().into());
        entry.insert("type".to_owned(), option.kind.as_str().into());
        let source = if application.config.contains_key(name) {
            "user"
        } else if option.default.is_some() {
            "default"
        } else {
            "unset"
        };
        entry.insert("source".to_owned(), source.into());
        if let Some(default) = &option.default {
            entry.insert("default".to_owned(), default.clone());
        }
        if let Some(value) = application.option(name) {
            entry.insert("value".to_owned(), value.clone());
        }
        shown.insert(name.clone(), entry.into());
    }
    let trust = json!({
        "default": false, "description": "Does this application have access to trusted credentials",
        "source": if application.trust { "user" } else { "default" }, "type": "bool", "value": application.trust,
    });
    let all = json!({
        "application": app, "application-config": { "trust": trust }, "charm": application.charm.name, "settings": shown,
    });
    print(&all, output.format.unwrap_or(Format::Yaml))
}

fn show_storage(ids: &[String], output: &Output) -> Answer {
    let storage = inspect::storage(&*look(&output.model)?, true);
    let (mut shown, mut missing) = (BTreeMap::new(), Vec::new());
    for id in ids {
        match storage.instance(id) {
            Ok(instance) => _ = shown.insert(id, instance),
            Err(error) => missing.push(error.to_string()),
        }
    }
    print(&shown, output.format.unwrap_or(Format::Yaml))?;
    if missing.is_empty() {
        Ok(Outcome::Done)
    } else {
        Err(Error::refused(missing.join("\n")))
    }
}

fn remove_storage(ids: &[String], model: &Model) -> Answer {
    let mut simulation = open(model)?;
    let mut outcome = Outcome::Done;
    for id in ids {
        match simulation.remove_storage(id) {
            Ok(()) => eprintln!("removing {id}"),
            Err(error) => {
                eprintln!("failed to remove {id}: {error}");
                outcome = Outcome::Failed(1);
            }
        }
    }
    Ok(outcome)
}

fn actions(app: &str, output: &Output) -> Result<()> {
    let simulation = look(&output.model)?;
    let application = simulation.model().applications.get(app);
    let application = application.ok_or_else(|| Error::refused(format!("application {app:?} not found")))?;
    let actions = &application.charm.actions;
    match output.format.unwrap_or(Format::Tabular) {
        Format::Tabular | Format::Plain => {
            let mut rows = vec![vec!["Action".to_owned(), "Description".to_owned()]];
            rows.extend(
                actions
                    .iter()
                    .map(|(name, spec)| vec![name.clone(), spec.description.trim().to_owned()]),
            );
            write(&table(&rows))
        }
        format => {
            let shown: BTreeMap<_, _> = actions
                .iter()
                .map(|(name, spec)| (name, &spec.description))
                .collect();
            print(&shown, format)
        }
    }
}

fn debug_log(include: &[String], lines: Option<usize>, model: &Model) -> Result<()> {
    let simulation = look(model)?;
    let apps: Vec<String> = simulation.model().applications.keys().cloned().collect();
    let units = apps.iter().flat_map(|app| simulation.units(app));
    let wanted = units.filter(|unit| {
        // `radarr/0` and `unit-radarr-0` name a unit, `radarr` all of an application's.
        let names = [
            unit.clone(),
            format!("unit-{}", unit.replace('/', "-")),
            app_of(unit).to_owned(),
        ];
        include.is_empty() || include.iter().any(|named| names.contains(named))
    });
    let mut text = String::new();
    for unit in wanted {
        // The stand-in operator logs nothing.
        text += &simulation.unit_log(&unit).unwrap_or_default();
    }
    let all: Vec<&str> = text.lines().collect();
    let from = lines.map_or(0, |lines| all.len().saturating_sub(lines));
    let shown: String = all.iter().skip(from).map(|line| format!("{line}\n")).collect();
    write(&shown)
}
