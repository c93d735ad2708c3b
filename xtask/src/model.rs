//! `cargo xtask model`: random sequences of backups, restores, kills and faults, many more than `cargo test` plays.

use anyhow::{Result, bail};
use model_tests::{Options, run};

/// What to play.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// How many sequences.
    #[arg(long, default_value_t = 20_000)]
    sequences: u64,
    /// Where they begin; another one each day without it.
    #[arg(long)]
    seed: Option<u64>,
    /// Go on until so many sequences have failed, each in a way of its own.
    #[arg(long, default_value_t = 1)]
    failures: usize,
}

/// Plays the sequences, and prints those that fail.
///
/// # Errors
/// When one fails.
pub fn run_command(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(of_today);
    eprintln!("{} sequences from seed {seed}", arguments.sequences);
    let options = Options {
        sequences: arguments.sequences,
        seed,
        at_most: None,
        failures: arguments.failures,
    };
    let played = run(&options, &mut |played| {
        if played.sequences % 1000 == 0 {
            eprintln!("{} played", played.sequences);
        }
    });
    for failure in &played.failures {
        println!(
            "{failure}\nagain: cargo xtask model --sequences 1 --seed {}\n",
            failure.seed
        );
    }
    if !played.failures.is_empty() {
        bail!("{} of {} sequences fail", played.failures.len(), played.sequences);
    }
    println!("{} sequences from seed {seed} break nothing", played.sequences);
    Ok(())
}

/// The day, far enough from the next one's.
fn of_today() -> u64 {
    let day = jiff::Timestamp::now().as_second() / 86_400;
    u64::try_from(day).unwrap_or_default() * 1_000_000
}
