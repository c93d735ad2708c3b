//! What `juju` says of controllers, models and users: there is one controller `ctl` with one model of the user `admin`.

use serde_json::json;

use super::juju::look;
use super::output::{print, write};
use super::verbs::{Format, Model, Verb};
use super::{Answer, Outcome, state_folder};
use crate::error::{Error, Result};
use crate::simulation::{Options, Simulation};

/// When it is set, no controller is known, as on a machine where `juju` was only installed.
const NO_CONTROLLER: &str = "JUJU_SIM_NO_CONTROLLER";
/// When it is set, nobody is logged in to the controller, as after `juju logout`.
const LOGGED_OUT: &str = "JUJU_SIM_LOGGED_OUT";

const CONTROLLER: &str = "ctl";
const CONTROLLER_UUID: &str = "00000000-0000-4000-8000-0000000000c7";
const CLOUD: &str = "homek8s";
const USER: &str = "admin";
const ADDRESS: &str = "10.96.0.103:17070";

/// What Juju says instead of an answer where the machine is not set up for it.
pub(super) fn refusal(verb: &Verb) -> Option<Answer> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    if matches!(verb, Verb::Version { .. }) {
        return None;
    }
    if is_set(NO_CONTROLLER) {
        // Recorded on 4.0.14.
        eprintln!(
            "ERROR No controllers registered.\n\nPlease either create a new controller using \"juju bootstrap\" or connect \
             to\nanother controller that you have been given access to using \"juju register\".\n"
        );
        return Some(Ok(Outcome::Failed(2)));
    }
    match verb {
        // Read from the client's own files.
        Verb::Controllers { .. } => None,
        // `cmd/juju/user/whoami.go` of juju/juju: it is no error.
        Verb::Whoami { .. } if is_set(LOGGED_OUT) => Some(look(&Model::CURRENT).map(|simulation| {
            let model = &simulation.model().name;
            eprintln!(
                "You are not logged in to controller {CONTROLLER:?} and model {:?}.\nRun juju login if you want to login.",
                format!("{USER}/{model}")
            );
            Outcome::Done
        })),
        _ if is_set(LOGGED_OUT) => {
            // `errNotLogged` in `newAPIConnectionParams`, `cmd/modelcmd/base.go` of juju/juju at 7c74445b.
            let text = format!("controller {CONTROLLER:?}: not logged");
            let nothing = match verb.is_for_machines() {
                true => write("{}\n"),
                false => Ok(()),
            };
            Some(nothing.and(Err(Error::refused(text))))
        }
        _ => None,
    }
}

/// Refuses a model that the user names and that is not the one there is: `home`, `admin/home` or `ctl:admin/home`.
pub(super) fn check_named(known: &str, model: &Model) -> Result<()> {
    let Some(named) = &model.model else {
        return Ok(());
    };
    let (controller, rest) = named.split_once(':').unwrap_or((CONTROLLER, named));
    let (owner, name) = rest.split_once('/').unwrap_or((USER, rest));
    if controller != CONTROLLER {
        // `ControllerByName` in `jujuclient/file.go` of juju/juju.
        return Err(Error::refused(format!("controller {controller} not found")));
    }
    match owner == USER && name == known {
        true => Ok(()),
        false => Err(Error::refused(format!("model {controller}:{rest} not found"))),
    }
}

/// Refuses a table that nobody recorded.
fn printable(format: Option<Format>, what: &str) -> Result<Format> {
    match format {
        Some(format @ (Format::Json | Format::Yaml)) => Ok(format),
        _ => Err(Error::refused(format!(
            "the table of {what} is not simulated; use --format json or yaml"
        ))),
    }
}

/// `juju models`.
pub(super) fn models(format: Option<Format>) -> Result<()> {
    let simulation = look(&Model::CURRENT)?;
    let model = simulation.model();
    let shown = json!({
        "name": format!("{USER}/{}", model.name), "short-name": model.name, "model-uuid": model.uuid,
        "model-type": "caas", "controller-uuid": CONTROLLER_UUID, "controller-name": CONTROLLER,
        "is-controller": false, "cloud": CLOUD, "type": "kubernetes", "life": "alive",
        "status": { "current": "available", "since": "just now" }, "access": "admin",
        "last-connection": "just now", "agent-version": model.juju_version.as_str(),
    });
    let all = json!({ "models": [shown], "current-model": model.name });
    print(&all, printable(format, "models")?)
}

/// `juju controllers`.
pub(super) fn controllers(format: Option<Format>) -> Result<()> {
    // There may be a controller without a model.
    let looked = Simulation::look(state_folder()?, None).ok();
    let model = looked.as_ref().map(|simulation| simulation.model());
    let version = model.map_or_else(
        || Options::default().juju_version,
        |model| model.juju_version.as_str().to_owned(),
    );
    let mut shown = json!({
        "user": USER, "access": "superuser", "recent-server": ADDRESS, "uuid": CONTROLLER_UUID,
        "api-endpoints": [ADDRESS], "ca-cert": "", "cloud": CLOUD, "agent-version": version,
        "model-count": usize::from(model.is_some()), "node-count": 1,
        "controller-nodes": { "Active": 0, "Total": 1 },
    });
    if let (Some(model), Some(fields)) = (model, shown.as_object_mut()) {
        fields.insert("current-model".to_owned(), model.name.clone().into());
    }
    let all = json!({ "controllers": { CONTROLLER: shown }, "current-controller": CONTROLLER });
    print(&all, printable(format, "controllers")?)
}

/// `juju whoami`.
pub(super) fn whoami(format: Option<Format>) -> Result<()> {
    let simulation = look(&Model::CURRENT)?;
    let model = &simulation.model().name;
    match format {
        Some(format @ (Format::Json | Format::Yaml)) => {
            let shown = json!({ "controller": CONTROLLER, "model": model, "user": USER });
            print(&shown, format)
        }
        _ => write(&format!(
            "Controller:  {CONTROLLER}\nModel:       {model}\nUser:        {USER}\n"
        )),
    }
}

/// `juju show-model`.
pub(super) fn show_model(name: Option<String>, format: Option<Format>) -> Result<()> {
    let simulation = look(&Model { model: name })?;
    let model = simulation.model();
    let version = model.juju_version.as_str();
    let secrets = model.secrets.len();
    let backend = format!("{}-local", model.name);
    let shown = json!({ &model.name: {
        "name": format!("{USER}/{}", model.name), "short-name": model.name, "model-uuid": model.uuid,
        "model-type": "caas", "controller-uuid": CONTROLLER_UUID, "controller-name": CONTROLLER,
        "is-controller": false, "cloud": CLOUD, "type": "kubernetes", "life": "alive",
        "status": { "current": "available", "since": "just now" },
        "users": { USER: { "display-name": USER, "access": "admin", "last-connection": "just now" } },
        "secret-backends": { backend: { "num-secrets": secrets, "status": "active" } },
        "agent-version": version,
        "credential": { "name": CLOUD, "owner": USER, "cloud": CLOUD, "validity-check": "valid" },
        "supported-features": [
            { "name": "juju", "description": "the version of Juju used by the model", "version": version },
            { "name": "k8s-api", "version": model.cloud_api_version,
              "description": "the Kubernetes API lets charms query and manipulate the state of API objects in a Kubernetes cluster" },
        ],
    }});
    print(&shown, format.unwrap_or(Format::Yaml))
}

/// `juju version`, which needs neither controller nor model.
pub(super) fn version(format: Option<Format>, all: bool) -> Result<()> {
    let looked = state_folder().and_then(|folder| Simulation::look(folder, None));
    let version = match looked {
        Ok(simulation) => simulation.model().juju_version.as_str().to_owned(),
        Err(_) => Options::default().juju_version,
    };
    let processor = std::env::consts::ARCH
        .replace("x86_64", "amd64")
        .replace("aarch64", "arm64");
    let version = format!("{version}-genericlinux-{processor}");
    match (format.unwrap_or(Format::Plain), all) {
        (format @ (Format::Json | Format::Yaml), true) => {
            let shown = json!({
                "version": version, "git-tree-state": "clean", "compiler": "gc", "official": false,
            });
            print(&shown, format)
        }
        (Format::Json, false) => print(&version, Format::Json),
        _ => write(&format!("{version}\n")),
    }
}
