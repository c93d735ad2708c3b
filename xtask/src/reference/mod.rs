//! The pages of the book that are written from the code: `cargo xtask generate` writes them into `docs/src/reference`, and its test
//! holds them.
//!
//! Each page says at its top where what it shows is changed.

mod by_hand;
mod charms;
mod listing;
mod metrics;
mod program;
mod rights;
mod statuses;

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;

pub use charms::{Charm, Charms};

/// Where the pages are, below the repository's root.
pub const FOLDER: &str = "docs/src/reference";

/// One page.
pub struct Page {
    /// Name of its file.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

/// All of them.
///
/// # Errors
/// When an app file or a source cannot be read.
pub fn pages(repository: &Path) -> Result<Vec<Page>> {
    let charms = Charms::read(repository)?;
    Ok(vec![
        page("apps.md", "charm/apps", charms.apps()),
        page(
            "options.md",
            "charm/src/options, charm/src/tiers.rs and charm/apps",
            charms.options(),
        ),
        page("actions.md", "charm/src/actions", charms.actions()),
        page(
            "endpoints.md",
            "charm/src/endpoints.rs and charm/src/tiers.rs",
            charms.endpoints(),
        ),
        page(
            "statuses.md",
            "charm/src/steps/status and xtask/src/reference/statuses.rs",
            statuses::text(repository)?,
        ),
        page(
            "metrics.md",
            "charm/src/exporter/metrics.rs and charm/src/alerts.rs",
            metrics::text(),
        ),
        page(
            "configuratarr.md",
            "configuratarr/src/args.rs",
            program::commands(),
        ),
        page(
            "exit-codes.md",
            "configuratarr/src/problem.rs",
            program::exit_codes(),
        ),
        page("kubernetes.md", "xtask/src/reference/rights.rs", rights::text()),
        page(
            "by-hand-commands.md",
            "lib/config-recovery/src/engine/commands.rs",
            by_hand::text(),
        ),
        page("listing.md", "xtask/src/reference/listing.rs", listing::text()),
    ])
}

fn page(name: &'static str, source: &str, text: String) -> Page {
    let header = format!(
        "<!-- Generated from {source}: change it there, then run `{}`. -->\n\n",
        crate::generate::COMMAND
    );
    Page {
        name,
        text: header + text.trim_end() + "\n",
    }
}

/// A table, with its header first.
fn table<const N: usize>(header: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let mut text = format!("| {} |\n|{}\n", header.join(" | "), "---|".repeat(N));
    for row in rows {
        let cells: Vec<String> = row.iter().map(|cell| cell_text(cell)).collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
    }
    text
}

/// A text as one line of a table.
fn cell_text(text: &str) -> String {
    let line: Vec<&str> = text.split_whitespace().collect();
    line.join(" ").replace('|', "\\|")
}

/// The text as a person reads code: within backticks, and `(empty)` where there is none.
fn code(text: &str) -> String {
    match text {
        "" => "(empty)".to_owned(),
        text => format!("`{text}`"),
    }
}
