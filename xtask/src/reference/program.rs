//! What can be typed after `configuratarr`, and its exit codes: from the definition of the command line itself.

use std::fmt::Write as _;

use clap::{Arg, Command};
use configuratarr::args;
use configuratarr::problem::EXIT_CODES;

use super::{code, table};

/// The page of commands.
pub fn commands() -> String {
    let mut program = args::definition(None);
    program.build();
    let mut text = format!(
        "# Commands of configuratarr\n\n{} What each does is in [its README](../../../configuratarr/README.md).\n\n## For every command\n\n",
        sentence(&program)
    );
    let global = program.get_arguments().filter(|argument| is_shown(argument));
    text.push_str(&of_arguments(global));
    for command in program.get_subcommands() {
        if command.get_name() == "help" {
            continue;
        }
        let _ = write!(text, "\n## {}\n\n{}\n", command.get_name(), sentence(command));
        let _ = write!(text, "\n```text\n{}\n```\n", usage(command));
        let own = command
            .get_arguments()
            .filter(|argument| is_shown(argument) && !argument.is_global_set());
        let own = of_arguments(own);
        if !own.is_empty() {
            let _ = write!(text, "\n{own}");
        }
        if let Some(more) = command.get_after_help() {
            let _ = write!(text, "\n{more}\n");
        }
    }
    text
}

/// The page of exit codes.
pub fn exit_codes() -> String {
    let rows = EXIT_CODES.map(|(number, meaning)| [code(&number.to_string()), meaning.to_owned()]);
    format!(
        "# Exit codes\n\nOf `configuratarr`:\n\n{}\nAn app that was left out of `--all` is exit code 1. What `doctor` could not check is no failure.\n",
        table(["code", "meaning"], rows)
    )
}

fn is_shown(argument: &Arg) -> bool {
    !argument.is_hide_set() && !matches!(argument.get_id().as_str(), "help" | "version")
}

fn sentence(command: &Command) -> String {
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    format!("{}.", about.trim_end_matches('.'))
}

fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").to_owned()
}

fn of_arguments<'a>(arguments: impl Iterator<Item = &'a Arg>) -> String {
    let rows: Vec<[String; 2]> = arguments
        .map(|argument| {
            let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
            let defaults = argument.get_default_values();
            let defaults: Vec<&str> = defaults.iter().filter_map(|value| value.to_str()).collect();
            let takes_value = argument.get_action().takes_values();
            let default = match (takes_value, defaults.is_empty()) {
                (true, false) => format!(" (default `{}`)", defaults.join(" ")),
                _ => String::new(),
            };
            [code(&typed(argument)), format!("{help}{default}")]
        })
        .collect();
    match rows.is_empty() {
        true => String::new(),
        false => table(["", ""], rows),
    }
}

/// As it is typed: `-m, --model MODEL`.
fn typed(argument: &Arg) -> String {
    let values = argument.get_value_names().unwrap_or_default();
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    let value = match argument.get_action().takes_values() {
        true => values.join(" "),
        false => String::new(),
    };
    let short = argument
        .get_short()
        .map(|short| format!("-{short}, "))
        .unwrap_or_default();
    match argument.get_long() {
        Some(long) => format!("{short}--{long} {value}").trim_end().to_owned(),
        None => value,
    }
}
