//! How everything reaches the terminal: data to standard output, talk to standard error, both without anything that a terminal would
//! obey.

use std::io::{self, Write};

use config_recovery::shown::shown;
use console::Style;
use serde::Serialize;

use crate::args::{Format, Global};
use crate::problem::{Kind, Problem, Result};

/// Prints.
#[derive(Debug, Clone)]
pub struct Printer {
    format: Format,
    is_quiet: bool,
    colors: bool,
}

/// How a cell is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As any other.
    Plain,
    /// All is well.
    Good,
    /// Somebody should look.
    Warning,
    /// It is not well.
    Bad,
    /// Less important.
    Faint,
}

/// A cell of a table.
#[derive(Debug, Clone)]
pub struct Cell {
    text: String,
    tone: Tone,
}

impl Cell {
    /// A cell that is meant so. What a terminal would obey is escaped here, whoever wrote it.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: shown(text.as_ref()),
            tone,
        }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(text, Tone::Plain)
    }
}

/// Lines for a person: tables, and texts beside them.
#[derive(Debug, Clone, Default)]
pub struct Page {
    parts: Vec<Part>,
}

#[derive(Debug, Clone)]
enum Part {
    Line(Cell),
    Rows(Vec<Vec<Cell>>),
}

impl Page {
    /// One line.
    #[must_use]
    pub fn line(mut self, cell: impl Into<Cell>) -> Self {
        self.parts.push(Part::Line(cell.into()));
        self
    }

    /// Rows below each other, each column as wide as its widest cell. The first row is the header.
    #[must_use]
    pub fn rows(mut self, rows: Vec<Vec<Cell>>) -> Self {
        self.parts.push(Part::Rows(rows));
        self
    }

    /// Its lines.
    pub fn lines(&self, colors: bool) -> Vec<String> {
        let painted = |line: Vec<(String, Tone)>| -> String {
            let pieces = line.iter().map(|(text, tone)| painted(text, *tone, colors));
            pieces.collect()
        };
        self.pieces().into_iter().map(painted).collect()
    }

    /// Its lines in pieces, with how each is meant: for whoever paints in another way.
    pub fn pieces(&self) -> Vec<Vec<(String, Tone)>> {
        self.parts
            .iter()
            .flat_map(|part| match part {
                Part::Line(cell) => vec![vec![(cell.text.clone(), cell.tone)]],
                Part::Rows(rows) => laid_out(rows),
            })
            .collect()
    }
}

fn laid_out(rows: &[Vec<Cell>]) -> Vec<Vec<(String, Tone)>> {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widths: Vec<usize> = (0..count)
        .map(|column| {
            let cells = rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| console::measure_text_width(&cell.text))
                .max()
                .unwrap_or(0)
        })
        .collect();
    rows.iter()
        .enumerate()
        .map(|(number, row)| {
            let last = row.iter().rposition(|cell| !cell.text.is_empty());
            let cells = row
                .iter()
                .zip(&widths)
                .take(last.map_or(0, |last| last + 1))
                .enumerate();
            let mut pieces = Vec::new();
            for (column, (cell, width)) in cells {
                if column > 0 {
                    pieces.push(("  ".to_owned(), Tone::Plain));
                }
                let width = if Some(column) == last { 0 } else { *width };
                let text = console::pad_str(&cell.text, width, console::Alignment::Left, None);
                let tone = if number == 0 { Tone::Faint } else { cell.tone };
                pieces.push((text.into_owned(), tone));
            }
            pieces
        })
        .collect()
}

fn painted(text: &str, tone: Tone, colors: bool) -> String {
    let style = Style::new().force_styling(colors);
    let style = match tone {
        Tone::Plain => return text.to_owned(),
        Tone::Good => style.green(),
        Tone::Warning => style.yellow(),
        Tone::Bad => style.red().bold(),
        Tone::Faint => style.dim(),
    };
    style.apply_to(text).to_string()
}

impl Printer {
    /// As the arguments say, and as the terminal is.
    pub fn new(global: &Global) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            format: global.format,
            is_quiet: global.quiet,
            colors: !global.no_color && !refused && console::Term::stdout().features().colors_supported(),
        }
    }

    /// Whether people read what is printed.
    pub fn is_for_people(&self) -> bool {
        self.format == Format::Table
    }

    /// Whether the terminal has colours, and nobody refused them.
    pub fn colors(&self) -> bool {
        self.colors
    }

    /// Whether bars are shown: a person looks at a terminal.
    pub fn has_bars(&self) -> bool {
        !self.is_quiet && console::Term::stderr().is_term()
    }

    /// Prints data: the document, or for people the page.
    ///
    /// # Errors
    /// When standard output cannot be written. That nobody reads any more is none.
    pub fn data<T: Serialize>(&self, document: &T, page: impl FnOnce() -> Page) -> Result<()> {
        let text = match self.format {
            Format::Table => {
                let mut text = page().lines(self.colors).join("\n");
                text.push('\n');
                text
            }
            Format::Json => {
                let mut text = serde_json::to_string_pretty(document).map_err(|error| unwritten(&error))?;
                text.push('\n');
                text
            }
            Format::Yaml => serde_yaml::to_string(document).map_err(|error| unwritten(&error))?,
        };
        let mut out = io::stdout().lock();
        match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
            _ => Ok(()),
        }
    }

    /// Says something beside the data, unless nobody wants to hear it.
    pub fn say(&self, text: &str) {
        if !self.is_quiet {
            tell(&shown(text));
        }
    }

    /// Tells what went wrong, and what to do.
    pub fn problem(&self, problem: &Problem) {
        let label = match problem.kind {
            Kind::Unfinished => "not finished",
            _ => "error",
        };
        tell(&format!(
            "{}: {}",
            painted(
                label,
                Tone::Bad,
                self.colors && console::Term::stderr().features().colors_supported()
            ),
            shown(&problem.text)
        ));
        if let Some(next) = &problem.next {
            tell(&format!("next: {}", shown(next)));
        }
    }
}

/// That nobody reads it is no reason to stop.
fn tell(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

fn unwritten(error: &dyn std::error::Error) -> Problem {
    Problem::new(
        Kind::Failed,
        format!("cannot write to standard output: {error}"),
        "look at where it goes: a full disk, a closed pipe",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_cell_moves_the_cursor_or_fakes_a_line() {
        let page = Page::default().rows(vec![
            vec!["APP".into(), "NAME".into()],
            vec!["\x1b[2Jradarr\nsonarr  good".into(), "größe".into()],
            vec!["設定".into(), "".into()],
        ]);
        let lines = page.lines(false);
        assert_eq!(
            lines,
            [
                "APP                            NAME",
                "\\u{1b}[2Jradarr\\nsonarr  good  größe",
                "設定"
            ]
        );
    }
}
