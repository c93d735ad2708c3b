//! One `juju` command for all apps of a model, on a machine outside of their pods.
//!
//! In the bed each pod has a simulated Juju of its own. This program, called by the name `juju`, finds the pod of the app that a
//! command is about and runs the same command there. It has no model and decides nothing: it forwards, merges what several
//! pods answer, and numbers their operations so that no two have the same number. Where an application comes, goes or gets another charm
//! it does in the cluster what Juju's controller does.

mod call;
mod controller;
mod merge;
mod numbers;
mod pods;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};
use futures::future::try_join_all;
use serde_json::Value;
use tokio::process::Command;

use crate::exec::Output;
use call::{Call, Form};
use numbers::Numbers;
use pods::{Place, Pods};

/// Names the folder with the numbers of operations: the same one for all commands of a machine.
const FOLDER: &str = "CONFIGURATARR_E2E_JUJU";
/// Names the current model, as for the real one.
const MODEL: &str = "JUJU_MODEL";
/// Juju's own exit code for a command line that it does not take.
const USAGE: i32 = 2;

/// How other programs of a scenario find it.
pub struct Installed {
    /// The first folder of `PATH`.
    pub path: PathBuf,
    /// What else goes into the environment, besides KUBECONFIG.
    pub environment: Vec<(&'static str, PathBuf)>,
}

impl Installed {
    /// Notes of what objects an application is made when this `juju` deploys it.
    ///
    /// # Errors
    /// When it cannot be written down.
    pub fn knows(&self, app: &str, objects: &[Value]) -> Result<()> {
        let folder = self.environment.iter().find(|(name, _)| *name == FOLDER);
        let (_, folder) = folder.context("it has no folder")?;
        controller::know(folder, app, objects)
    }

    /// Gives a program its cluster and what this `juju` needs, and keeps what it says for who runs it. It ends with them.
    pub fn equip<'c>(&self, command: &'c mut Command, kubeconfig: &Path) -> &'c mut Command {
        command
            .env("KUBECONFIG", kubeconfig)
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
    }
}

/// Puts it into `folder`, for one machine: it holds the command, and the numbers of operations.
///
/// # Errors
/// When the folder cannot be written.
pub fn install(folder: &Path) -> Result<Installed> {
    let path = folder.join("bin");
    std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
    // By this name the program is found even when a newer one was built in its place.
    let program = format!("/proc/{}/exe", std::process::id());
    std::os::unix::fs::symlink(program, path.join("juju")).context("cannot link juju")?;
    Ok(Installed {
        path,
        environment: vec![(FOLDER, folder.to_path_buf())],
    })
}

/// Is `juju`, if this process was called by that name.
pub fn run() -> Option<ExitCode> {
    let called = std::env::args_os().next()?;
    if Path::new(&called).file_name()? != "juju" {
        return None;
    }
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let output = answer(&arguments).unwrap_or_else(|error| Output {
        stdout: String::new(),
        stderr: format!("ERROR {error:#}\n"),
        code: 1,
    });
    // A reader that went away does not want to know.
    let _ = std::io::stdout().write_all(output.stdout.as_bytes());
    let _ = std::io::stderr().write_all(output.stderr.as_bytes());
    Some(ExitCode::from(u8::try_from(output.code).unwrap_or(1)))
}

fn answer(arguments: &[String]) -> Result<Output> {
    let call = Call::parse(arguments);
    if call.verb == "version" {
        // It asks no controller, and prints by itself.
        let words = std::iter::once("juju").chain(arguments.iter().map(String::as_str));
        juju_sim::cli::main(words.map(Into::into));
        return Ok(Output::default());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let pods = Pods::of_cluster().await?;
        if call.verb == "models" {
            return models(&pods, &call).await;
        }
        // That command takes no -m.
        let named = match call.verb.as_str() {
            "show-model" => call.named.clone(),
            _ => call.model.clone(),
        };
        let named = named.or_else(|| std::env::var(MODEL).ok());
        let named = named.context("No selected model; name it with -m or JUJU_MODEL")?;
        let places = pods.of_model(named.rsplit([':', '/']).next().unwrap_or_default());
        if places.is_empty() {
            let (controller, model) = named.split_once(':').unwrap_or(("ctl", &named));
            return Ok(refused(&call, &format!("model {controller}:{model} not found")));
        }
        Outside { pods, places, call }.answer().await
    })
}

/// What Juju says where a command fails.
fn refused(call: &Call, text: &str) -> Output {
    Output {
        stdout: match call.form {
            Form::Json | Form::Yaml => "{}\n".to_owned(),
            Form::Other => String::new(),
        },
        stderr: format!("ERROR {text}\n"),
        code: 1,
    }
}

/// The models of all pods.
async fn models(pods: &Pods, call: &Call) -> Result<Output> {
    let asked = pods.first_of_each_model();
    let answers = asked.iter().map(|place| pods.json_if_any(place, &call.arguments));
    let answers = try_join_all(answers).await?.into_iter().flatten();
    let mut all = Value::Object(serde_json::Map::new());
    for answer in answers {
        merge::lists(&mut all, answer);
    }
    let current = std::env::var(MODEL).unwrap_or_default();
    let short = current.rsplit([':', '/']).next().unwrap_or_default().to_owned();
    match all.as_object_mut() {
        Some(fields) if short.is_empty() => _ = fields.remove("current-model"),
        Some(fields) => _ = fields.insert("current-model".to_owned(), short.into()),
        None => {}
    }
    call.form.print(&all)
}

/// A command about one model.
struct Outside {
    pods: Pods,
    /// The pods of the model: one or more for each app.
    places: Vec<Place>,
    call: Call,
}

impl Outside {
    async fn answer(&self) -> Result<Output> {
        match self.call.verb.as_str() {
            "status" => self.status().await,
            "operations" | "list-operations" => self.operations().await,
            "show-operation" | "show-task" | "cancel-task" => self.about_number().await,
            "run" => self.run().await,
            "whoami" | "controllers" | "show-model" => {
                let place = self.places.first().context("no pod")?;
                self.pods.juju(place, &self.call.arguments).await
            }
            "config" | "trust" | "actions" | "show-unit" | "resources" => {
                let place = self.place_of(self.call.named.as_deref()).await?;
                self.pods.juju(place, &self.call.arguments).await
            }
            "integrate" => {
                let place = self.place_of(self.call.named.as_deref()).await?;
                controller::integrate(&self.pods, place, &self.call).await
            }
            "refresh" => {
                let place = self.place_of(self.call.named.as_deref()).await?;
                controller::refresh(&self.pods, place, &self.call).await
            }
            "remove-application" => {
                let place = self.place_of(self.call.named.as_deref()).await?;
                controller::remove(&self.pods, &folder()?, place, &self.call).await
            }
            "deploy" => self.deploy().await,
            "export-bundle" => self.bundle().await,
            verb => Ok(Output {
                stderr: format!("ERROR unrecognized command: juju {verb} from outside of the pods\n"),
                code: USAGE,
                ..Output::default()
            }),
        }
    }

    /// The pod of a unit or an application; any of the model for one that there is not: its Juju says so.
    async fn place_of(&self, named: Option<&str>) -> Result<&Place> {
        let named = named.unwrap_or_default();
        let (app, unit) = named.split_once('/').unwrap_or((named, ""));
        let app = app.split(':').next().unwrap_or_default();
        let of_app: Vec<&Place> = self.places.iter().filter(|place| place.app == app).collect();
        if unit == "leader" && of_app.len() > 1 {
            let status = self.pods.json(of_app[0], &["status".to_owned()]).await?;
            let units = status["applications"][app]["units"].as_object();
            let mut units = units.into_iter().flatten();
            let leader = units
                .find(|(_, unit)| unit["leader"] == true)
                .map(|(name, _)| name);
            if let Some(place) = of_app.iter().find(|place| Some(&place.unit()) == leader) {
                return Ok(place);
            }
        }
        let exactly = of_app.iter().find(|place| place.unit() == named).copied();
        let place = exactly
            .or_else(|| of_app.first().copied())
            .or(self.places.first());
        place.context("the model has no pods")
    }

    /// One pod of each app: the units of an app know of each other.
    fn one_of_each(&self) -> Vec<&Place> {
        let mut places: Vec<&Place> = self.places.iter().collect();
        places.dedup_by(|second, first| second.app == first.app);
        places
    }

    async fn status(&self) -> Result<Output> {
        let (places, arguments) = (self.one_of_each(), self.call.in_json());
        let asked = places.iter().map(|place| self.pods.juju(place, &arguments));
        let mut all: Option<Value> = None;
        for answer in try_join_all(asked).await? {
            if answer.code != 0 {
                return Ok(answer);
            }
            let answer: Value = serde_json::from_str(&answer.stdout).context("cannot read a status")?;
            match &mut all {
                None => all = Some(answer),
                Some(all) => merge::status(all, answer),
            }
        }
        self.call.form.print(&all.context("no app has a pod")?)
    }

    async fn deploy(&self) -> Result<Output> {
        let app = self.call.second.as_deref().unwrap_or_default();
        if self.places.iter().any(|place| place.app == app) {
            let text = format!("cannot deploy {app:?}: application {app:?} already exists");
            return Ok(refused(&self.call, &text));
        }
        let model = self.places.first().map_or("", |place| &place.model);
        let deployed = controller::deploy(&self.pods, &folder()?, model, &self.call).await?;
        let charm = self.call.named.as_deref().unwrap_or_default();
        Ok(deployed.unwrap_or_else(|| refused(&self.call, &format!("no charm was found at {charm:?}"))))
    }

    async fn bundle(&self) -> Result<Output> {
        let places = self.one_of_each();
        let asked = places
            .iter()
            .map(|place| self.pods.juju(place, &self.call.arguments));
        let mut all: Option<Value> = None;
        for answer in try_join_all(asked).await? {
            if answer.code != 0 {
                return Ok(answer);
            }
            let answer: Value = serde_yaml::from_str(&answer.stdout).context("cannot read a bundle")?;
            match &mut all {
                None => all = Some(answer),
                Some(all) => merge::bundle(all, answer),
            }
        }
        Form::Yaml.print(&all.context("no app has a pod")?)
    }

    async fn operations(&self) -> Result<Output> {
        let numbers = self.numbers()?;
        let asked = self.places.iter().map(|place| async move {
            let answer = self.pods.juju(place, &self.call.in_json()).await?;
            Ok::<_, anyhow::Error>((place, answer))
        });
        let mut all = serde_json::Map::new();
        for (place, answer) in try_join_all(asked).await? {
            if answer.code != 0 {
                return Ok(answer);
            }
            if answer.stdout.is_empty() {
                continue;
            }
            let found: serde_json::Map<String, Value> =
                serde_json::from_str(&answer.stdout).context("cannot read operations")?;
            for (id, operation) in found {
                let number = numbers.outside(place, id.parse().context("an operation has no number")?)?;
                all.insert(number.to_string(), numbers::renumbered(operation, number));
            }
        }
        if all.is_empty() {
            return Ok(Output {
                stderr: "no matching operations\n".to_owned(),
                ..Output::default()
            });
        }
        self.call.form.print(&all.into())
    }

    async fn about_number(&self) -> Result<Output> {
        let named = self.call.named.as_deref().unwrap_or_default();
        let is_task = self.call.verb != "show-operation";
        let number = named.parse().ok();
        let found = match number {
            Some(number) => self.numbers()?.inside(number, is_task)?,
            None => None,
        };
        let place = found.as_ref().and_then(|(uid, _)| {
            let mut places = self.places.iter();
            places.find(|place| place.uid == *uid)
        });
        let (Some(place), Some((_, inside))) = (place, found) else {
            let text = match is_task {
                true => format!("task {named} not found"),
                false => format!("operation {named:?} not found"),
            };
            return Ok(refused(&self.call, &text));
        };
        let operation = number.unwrap_or_default() - u32::from(is_task);
        let call = Call::parse(&self.call.about(&inside.to_string()));
        let is_plain = call.form == Form::Other && call.verb == "show-task";
        let arguments = if is_plain {
            call.arguments.clone()
        } else {
            call.in_json()
        };
        let said = numbers::rewrite(self.pods.juju(place, &arguments).await?, operation);
        if is_plain || call.form == Form::Json || said.code != 0 {
            return Ok(said);
        }
        // What these print is YAML unless they are told otherwise.
        Form::Yaml.print(&serde_json::from_str(&said.stdout).context("cannot read an answer")?)
    }

    async fn run(&self) -> Result<Output> {
        let place = self.place_of(self.call.named.as_deref()).await?;
        let said = self.pods.juju(place, &self.call.arguments).await?;
        match numbers::operation_of(&said.stderr) {
            Some(inside) => Ok(numbers::rewrite(said, self.numbers()?.outside(place, inside)?)),
            None => Ok(said),
        }
    }

    fn numbers(&self) -> Result<Numbers> {
        let model = self.places.first().map(|place| place.model.as_str());
        Ok(Numbers::of(&folder()?, model.unwrap_or_default()))
    }
}

/// What this machine's `juju` knows.
fn folder() -> Result<PathBuf> {
    let folder = std::env::var_os(FOLDER).map(PathBuf::from);
    folder.with_context(|| format!("no folder for what this machine's juju knows: set {FOLDER}"))
}
