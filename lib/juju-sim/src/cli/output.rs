//! How data is printed: JSON in one line as Juju does, YAML, or tables.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use super::verbs::Format;
use crate::error::{Error, Result};

/// Whether anything was printed.
static PRINTED: AtomicBool = AtomicBool::new(false);

/// Prints an empty object for a program that reads the answer of a command that failed, if nothing was printed yet.
pub(crate) fn print_nothing() -> Result<()> {
    match PRINTED.load(Ordering::Relaxed) {
        true => Ok(()),
        false => write("{}\n"),
    }
}

/// Prints a value as JSON or YAML; tables are the commands' own affair.
pub(crate) fn print(value: &impl Serialize, format: Format) -> Result<()> {
    let malformed = |reason: String| Error::Malformed {
        path: "the answer".into(),
        reason,
    };
    let text = match format {
        Format::Json => serde_json::to_string(value).map_err(|error| malformed(error.to_string()))? + "\n",
        Format::Yaml | Format::Tabular | Format::Plain => {
            serde_yaml::to_string(value).map_err(|error| malformed(error.to_string()))?
        }
    };
    write(&text)
}

/// Writes to standard output. A reader that went away is not our trouble.
pub(crate) fn write(text: &str) -> Result<()> {
    PRINTED.store(true, Ordering::Relaxed);
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Error::io("write", "stdout")(error))
        }
        _ => Ok(()),
    }
}

/// A table as Juju prints it: columns two spaces apart, no spaces at the end of a line.
pub(crate) fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter()
            .filter_map(|row| row.get(column))
            .map(|cell| cell.chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| {
            let padding = width.saturating_sub(cell.chars().count());
            format!("{cell}{}", " ".repeat(padding))
        });
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["App", "Status"], ["qbittorrent", "active"], ["ü", ""]];
        let rows: Vec<Vec<String>> = rows
            .iter()
            .map(|row| row.iter().map(|cell| (*cell).to_owned()).collect())
            .collect();
        assert_eq!(table(&rows), "App          Status\nqbittorrent  active\nü\n");
    }
}
