//! The command line: `juju-sim VERB …`, and `juju-sim juju VERB …` or a link named `juju` for what Juju's own command does.
//!
//! stdout is data, stderr is talk. Exit codes are Juju's: 1 refused, 2 wrong command line.

mod bundle;
mod controller;
mod inspect;
mod juju;
mod operations;
mod output;
mod pairs;
mod run;
mod secrets;
mod sim;
mod status;
mod verbs;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use crate::error::Error;

/// The variable that names the state folder.
const STATE_FOLDER: &str = "JUJU_SIM_DIR";
/// The variable that names the unit in whose pod a command runs, where an application has several.
const OWN_UNIT: &str = "JUJU_SIM_UNIT";

/// What a command leaves the process with.
pub(crate) enum Outcome {
    /// All is well.
    Done,
    /// The command said why already.
    Failed(u8),
}

type Answer = Result<Outcome, Error>;

/// What `juju-sim` takes, but for `juju-sim juju`.
pub fn definition() -> clap::Command {
    sim::Sim::command()
}

/// What its `juju` takes.
pub fn definition_of_juju() -> clap::Command {
    verbs::Juju::command()
}

/// Runs a command line. The first argument is the name that the program was called by.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let called = arguments.first().map(PathBuf::from).unwrap_or_default();
    let as_juju = called.file_name().is_some_and(|name| name == "juju");
    let answer = if as_juju || arguments.get(1).is_some_and(|verb| verb == "juju") {
        // `juju-sim juju status` is `juju status`.
        let skipped = if as_juju { 1 } else { 2 };
        let arguments = std::iter::once(OsString::from("juju")).chain(arguments.into_iter().skip(skipped));
        parse::<verbs::Juju>(arguments).and_then(|juju| as_juju_answers(juju.verb))
    } else {
        parse::<sim::Sim>(arguments).and_then(sim::run)
    };
    match answer {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Failed(code)) => ExitCode::from(code),
        Err(error) => {
            let code = if matches!(error, Error::Usage(_)) { 2 } else { 1 };
            eprintln!("ERROR {:#}", anyhow::Error::new(error));
            ExitCode::from(code)
        }
    }
}

fn as_juju_answers(verb: verbs::Verb) -> Answer {
    if let Some(answer) = controller::refusal(&verb) {
        return answer;
    }
    let is_for_machines = verb.is_for_machines();
    let answer = juju::run(verb);
    if is_for_machines
        && answer
            .as_ref()
            .is_err_and(|error| !matches!(error, Error::Usage(_)))
    {
        output::print_nothing()?;
    }
    answer
}

fn parse<Command: Parser>(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
    Command::try_parse_from(arguments).map_err(|error| match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            print!("{error}");
            std::process::exit(0);
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Error::Usage(error.to_string()),
        kind => {
            // clap's own text goes over many lines; Juju's is one.
            let context = |kind| error.get(kind).map(ToString::to_string).unwrap_or_default();
            Error::Usage(match kind {
                ErrorKind::InvalidSubcommand => {
                    format!(
                        "unrecognized command: {}",
                        context(clap::error::ContextKind::InvalidSubcommand)
                    )
                }
                ErrorKind::UnknownArgument => {
                    format!(
                        "option provided but not defined: {}",
                        context(clap::error::ContextKind::InvalidArg)
                    )
                }
                _ => {
                    let text = error.to_string();
                    text.lines()
                        .next()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned()
                }
            })
        }
    })
}

/// The state folder that the user named.
fn state_folder() -> Result<PathBuf, Error> {
    let named = std::env::var_os(STATE_FOLDER).filter(|named| !named.is_empty());
    named.map(PathBuf::from).ok_or_else(|| {
        Error::Usage(format!(
            "no state folder: set {STATE_FOLDER} to the folder that holds the model, or is to hold it"
        ))
    })
}

/// The unit in whose pod this runs, if one was named.
fn own_unit() -> Option<String> {
    std::env::var(OWN_UNIT).ok().filter(|named| !named.is_empty())
}
