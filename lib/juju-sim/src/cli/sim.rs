//! `juju-sim`: what only a simulated Juju can do, and the processes behind it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};
use serde_json::json;

use super::juju::open;
use super::output::{print, table, write};
use super::pairs::pairs;
use super::verbs::{Format, Model};
use super::{Answer, Outcome, own_unit, state_folder};
use crate::agent::{At, Effect, Fault};
use crate::error::{Error, Result};
use crate::layout::Layout;
use crate::pebble;
use crate::simulation::{Deploy, Options, Simulation};

/// A simulated Juju. `juju-sim juju …` is its `juju` command; the model is in the folder that JUJU_SIM_DIR names.
#[derive(Debug, Parser)]
#[command(name = "juju-sim", disable_help_subcommand = true)]
pub(crate) struct Sim {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Make something happen that Juju does by itself.
    #[command(subcommand)]
    Event(EventVerb),
    /// Order an accident for a unit's next dispatch.
    Inject {
        unit: String,
        /// At its n-th hook-tool call.
        #[arg(long, conflicts_with_all = ["tool", "write"])]
        call: Option<usize>,
        /// At its n-th change of an object in Kubernetes.
        #[arg(long, conflicts_with = "tool")]
        write: Option<usize>,
        /// A kill takes the whole pod along.
        #[arg(long)]
        with_pod: bool,
        /// At its first call of this tool.
        #[arg(long)]
        tool: Option<String>,
        /// Only in this dispatch, `hooks/config-changed`.
        #[arg(long)]
        path: Option<String>,
        /// `kill-before`, `kill-after`, or the text that the tool fails with.
        effect: String,
    },
    /// Show the objects that the stand-in velero-operator made: `kubectl get schedules|backups`.
    #[command(subcommand)]
    Kubectl(KubectlVerb),
    /// Show what the stand-in velero-operator did that hurts users.
    OperatorWarnings,
    /// Be the unit agent of a pod.
    #[command(subcommand)]
    Agent(AgentVerb),
    /// Run the actions that are pending. Started by `juju run --background`.
    RunPending {
        /// Leave the session of whoever started this.
        #[arg(long)]
        detached: bool,
    },
    /// Be a simulated Pebble. Started by the simulation itself.
    Pebble {
        /// Socket to answer at.
        #[arg(long)]
        socket: PathBuf,
        /// Root folder of the container.
        #[arg(long)]
        root: PathBuf,
        /// How long a service has to run before it counts as started, in milliseconds.
        #[arg(long, value_name = "MS", default_value_t = 1000)]
        okay_delay_ms: u64,
        /// End when standard input ends.
        #[arg(long)]
        until_stdin_closes: bool,
    },
}

#[derive(Debug, Subcommand)]
enum EventVerb {
    /// update-status.
    UpdateStatus { unit: String },
    /// Ask every Pebble for news and run what is due.
    Settle,
    /// Make another unit the leader.
    Leader { unit: String },
    /// Replace a unit's pod.
    PodChurn {
        unit: String,
        /// The old pod gets no time to stop.
        #[arg(long)]
        killed: bool,
    },
    /// Restart a container from its image.
    ContainerRestart { unit: String, container: String },
}

#[derive(Debug, Subcommand)]
enum KubectlVerb {
    /// List objects.
    Get {
        /// `schedules` or `backups`.
        what: String,
        #[arg(short, long)]
        output: Option<Format>,
    },
}

#[derive(Debug, Subcommand)]
enum AgentVerb {
    /// Make the model and deploy the one charm that is in its place in this pod. Hooks inherit KUBERNETES_* variables.
    Init {
        /// Name of the model: the pod's namespace.
        #[arg(long)]
        model: String,
        /// Name of the application.
        #[arg(long)]
        app: String,
        /// Address of the pod.
        #[arg(long, env = "JUJU_SIM_UNIT_ADDRESS")]
        address: Option<String>,
        /// `JUJU_VERSION`.
        #[arg(long, default_value = "4.0.15")]
        agent_version: String,
        #[arg(long)]
        trust: bool,
        /// `KEY=VALUE`.
        #[arg(long)]
        config: Vec<String>,
        /// `NAME=IMAGE`, as `juju deploy` takes it.
        #[arg(long)]
        resource: Vec<String>,
        /// What Juju's paths are below.
        #[arg(long, default_value = "/")]
        root: PathBuf,
    },
    /// Begin the work of a unit that was added by the agent of another pod, in the model that came from there. JUJU_SIM_UNIT
    /// names the unit.
    Join {
        /// Address of the pod.
        #[arg(long, env = "JUJU_SIM_UNIT_ADDRESS")]
        address: Option<String>,
    },
}

/// Runs a verb.
pub(crate) fn run(sim: Sim) -> Answer {
    match sim.verb {
        Verb::Event(verb) => event(verb)?,
        Verb::Inject {
            unit,
            call,
            write,
            with_pod,
            tool,
            path,
            effect,
        } => {
            let at = match (call, tool, write) {
                (Some(call), None, None) => At::Call(call),
                (None, Some(tool), None) => At::Tool(tool),
                (None, None, Some(write)) => At::Write(write),
                _ => {
                    return Err(Error::Usage(
                        "name the moment by --call, --tool or --write".to_owned(),
                    ));
                }
            };
            let effect = match effect.as_str() {
                "kill-before" => Effect::KillBefore,
                "kill-after" => Effect::KillAfter,
                text => Effect::Fail {
                    code: 1,
                    stderr: format!("ERROR {text}"),
                },
            };
            let fault = Fault {
                path,
                at,
                effect,
                with_pod,
            };
            open(&Model::CURRENT)?.inject(&unit, fault)?;
        }
        Verb::Kubectl(KubectlVerb::Get { what, output }) => get(&what, output)?,
        Verb::OperatorWarnings => {
            let lines = open(&Model::CURRENT)?.operator_warnings();
            write(&lines.iter().map(|line| format!("{line}\n")).collect::<String>())?;
        }
        Verb::Agent(verb) => agent(verb)?,
        Verb::RunPending { detached } => return super::run::run_pending(detached),
        Verb::Pebble {
            socket,
            root,
            okay_delay_ms,
            until_stdin_closes,
        } => {
            return pebble(pebble::Options {
                socket,
                root,
                okay_delay: Duration::from_millis(okay_delay_ms),
                until_stdin_closes,
            });
        }
    }
    Ok(Outcome::Done)
}

fn event(verb: EventVerb) -> Result<()> {
    let mut simulation = open(&Model::CURRENT)?;
    let done = match verb {
        EventVerb::UpdateStatus { unit } => simulation.update_status(&unit),
        EventVerb::Settle => simulation.settle(),
        EventVerb::Leader { unit } => simulation.change_leader(&unit),
        EventVerb::PodChurn { unit, killed } => simulation.churn_pod(&unit, !killed),
        EventVerb::ContainerRestart { unit, container } => simulation.restart_container(&unit, &container),
    };
    for ran in simulation.dispatches() {
        println!("{} took {:.1} ms", ran.path, ran.wall.as_secs_f64() * 1000.0);
    }
    done
}

fn get(what: &str, output: Option<Format>) -> Result<()> {
    let simulation = open(&Model::CURRENT)?;
    // `kubectl` takes `schedules`, `schedule` and `schedules.velero.io`.
    let plural = what.trim_end_matches(".velero.io").trim_end_matches('s');
    let (items, names): (serde_json::Value, Vec<[String; 2]>) = match plural {
        "schedule" => {
            let found = simulation.schedules();
            let rows = found
                .iter()
                .map(|item| [item.name().to_owned(), item.spec.schedule.clone()])
                .collect();
            (json!(found), rows)
        }
        "backup" => {
            let found = simulation.backups();
            let phase =
                |item: &velero_api::Backup| json!(item.status)["phase"].as_str().unwrap_or("New").to_owned();
            (
                json!(found),
                found
                    .iter()
                    .map(|item| [item.name().to_owned(), phase(item)])
                    .collect(),
            )
        }
        _ => {
            return Err(Error::refused(format!(
                "the server doesn't have a resource type {what:?}"
            )));
        }
    };
    match output {
        Some(format @ (Format::Json | Format::Yaml)) => print(
            &json!({ "apiVersion": "v1", "kind": "List", "items": items }),
            format,
        ),
        _ if names.is_empty() => write("No resources found.\n"),
        _ => {
            let head = if plural == "schedule" { "SCHEDULE" } else { "PHASE" };
            let mut rows = vec![vec!["NAME".to_owned(), head.to_owned()]];
            rows.extend(names.into_iter().map(|row| row.to_vec()));
            write(&table(&rows))
        }
    }
}

fn agent(verb: AgentVerb) -> Result<()> {
    let (model, app, address, agent_version, trust, config, resource, root) = match verb {
        AgentVerb::Init {
            model,
            app,
            address,
            agent_version,
            trust,
            config,
            resource,
            root,
        } => (model, app, address, agent_version, trust, config, resource, root),
        AgentVerb::Join { address } => {
            let unit = own_unit()
                .ok_or_else(|| Error::Usage("no unit: set JUJU_SIM_UNIT to the pod's own one".to_owned()))?;
            return open(&Model::CURRENT)?.join(&unit, address);
        }
    };
    let executable = std::env::current_exe().map_err(Error::io("find", "the running executable"))?;
    let unit = format!("{app}/0");
    let layout = Layout::Pod { root };
    let options = Options {
        model,
        juju_version: agent_version,
        executable: Some(executable),
        layout: layout.clone(),
        keep_running: true,
        environment: std::env::vars()
            .filter(|(name, _)| name.starts_with("KUBERNETES_"))
            .collect(),
        addresses: address
            .into_iter()
            .map(|address| (unit.clone(), address))
            .collect(),
        ..Options::default()
    };
    let folder = state_folder()?;
    let charm_dir = layout.unit(&folder, &unit).charm;
    let mut simulation = Simulation::create(folder, options)?;
    let deploy = Deploy {
        trust,
        config: pairs(&config)?,
        resources: pairs(&resource)?,
        ..Deploy::new(&app, charm_dir)
    };
    simulation.deploy(deploy)
}

fn pebble(options: pebble::Options) -> Answer {
    Ok(match pebble::run(options)? {
        0 => Outcome::Done,
        code => Outcome::Failed(code),
    })
}
