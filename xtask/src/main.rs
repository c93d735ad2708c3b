//! The project's own commands. `cargo demo` and `cargo xtask …` are aliases in `.cargo/config.toml`.

mod alerts;
mod bench;
mod book;
mod cache;
#[cfg(test)]
mod crates;
mod demo;
mod dist;
mod foreign;
mod generate;
mod model;
mod mutants;
mod pack;
mod progress;
mod reference;
mod screenshots;
mod sizing;
mod terraform;
#[cfg(test)]
mod texts;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own commands")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Plays the main story: deploy, integrate, back up, damage, restore, and compare every row. Exit code 1 if one differs.
    Demo {
        /// Print what was compared as one JSON document, and nothing else.
        #[arg(long)]
        json: bool,
        /// Delete a row after the restore: the comparison has to notice.
        #[arg(long, hide = true)]
        spoil: bool,
    },
    /// Tries metrics, alert rules and the dashboard with promtool, a real Prometheus and xz.
    Alerts(alerts::Arguments),
    /// Measures what each event costs, for the binary as it is packed.
    Bench(bench::Arguments),
    /// Builds the book of `docs/` with mdBook, and looks whether each link of what came out leads somewhere.
    Book(book::Arguments),
    /// Writes every generated file that is checked in.
    Generate {
        /// Change nothing, and fail if a file is not as generated.
        #[arg(long)]
        check: bool,
    },
    /// Packs charms with the real charmcraft, and tries them.
    Pack(pack::Arguments),
    /// Builds configuratarr as people install it: a static program in an archive, with completions and man pages.
    Dist(dist::Arguments),
    /// Draws the pictures that the READMEs show: configuratarr's screens and tables, and the demo.
    Screenshots,
    /// Checks and tests the Terraform modules with OpenTofu, on a stub of the juju provider.
    Terraform(terraform::Arguments),
    /// Changes the code in small ways with cargo-mutants, and says which change no test notices.
    Mutants(mutants::Arguments),
    /// Plays random sequences of backups, restores, kills and faults.
    Model(model::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Demo { json, spoil } => demo::run(json, spoil),
        Command::Alerts(arguments) => alerts::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Book(arguments) => book::run(&arguments),
        Command::Generate { check } => generate::run(check),
        Command::Pack(arguments) => pack::run(&arguments),
        Command::Dist(arguments) => dist::run(&arguments),
        Command::Screenshots => screenshots::run(),
        Command::Terraform(arguments) => terraform::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Model(arguments) => model::run_command(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
