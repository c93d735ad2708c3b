//! How everything reaches the terminal: data to standard output, talk to standard error, both without anything that a terminal would
//! obey.

use std::io::{self, Write};

use config_recovery::shown::{is_obeyed, shown};
use console::Style;
use serde::Serialize;
use serde_json::ser::{CharEscape, Formatter, PrettyFormatter, Serializer};

use crate::args::{Format, Global};
use crate::problem::{Kind, Problem, Result};

/// Prints.
#[derive(Debug, Clone)]
pub struct Printer {
    format: Format,
    is_quiet: bool,
    colors: bool,
    colors_of_talk: bool,
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

/// The most characters of a cell or a line that a person is shown: a few lines of a terminal.
const LONGEST: usize = 400;
/// The same of a cell in a table, whose column is as wide for all rows. Names have up to 63 characters.
const WIDEST: usize = 80;
/// The same of what went wrong, which is said alone.
const LONGEST_PROBLEM: usize = 1000;

/// As much of a text as a person reads. What is too long loses its middle: what it is about stands at its begin, and what to
/// do at its end.
pub fn cut(text: &str, longest: usize) -> String {
    const GAP: &str = " … ";
    if text.len() <= longest || text.chars().count() <= longest {
        return text.to_owned();
    }
    let kept = longest.saturating_sub(GAP.chars().count());
    let (begin, end) = (kept - kept / 3, kept / 3);
    let mut from_end: Vec<char> = text.chars().rev().take(end).collect();
    from_end.reverse();
    let begin: String = text.chars().take(begin).collect();
    let end: String = from_end.into_iter().collect();
    format!("{}{GAP}{}", begin.trim_end(), end.trim_start())
}

/// A text of somebody else's in one line, safe to show, and no longer than a person reads.
pub fn readable(text: &str) -> String {
    cut(&shown(text), LONGEST_PROBLEM)
}

/// JSON in which no text has a character that a terminal obeys: JSON itself asks that of some of them only.
#[derive(Default)]
struct PlainJson<'a> {
    form: PrettyFormatter<'a>,
    /// It is read as YAML, which knows no pairs of surrogates.
    is_yaml: bool,
}

impl PlainJson<'_> {
    fn of(document: &impl Serialize, is_yaml: bool) -> Result<String> {
        let form = PlainJson {
            is_yaml,
            ..PlainJson::default()
        };
        let mut text = Vec::new();
        document
            .serialize(&mut Serializer::with_formatter(&mut text, form))
            .map_err(|error| unwritten(&error))?;
        text.push(b'\n');
        String::from_utf8(text).map_err(|error| unwritten(&error))
    }
}

impl Formatter for PlainJson<'_> {
    fn write_string_fragment<W: ?Sized + Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut plain = 0;
        for (at, character) in fragment.char_indices() {
            if !is_obeyed(character) {
                continue;
            }
            writer.write_all(fragment.get(plain..at).unwrap_or_default().as_bytes())?;
            let mut units = [0; 2];
            match character.encode_utf16(&mut units) {
                [_, _] if self.is_yaml => write!(writer, "\\U{:08x}", u32::from(character))?,
                units => {
                    for unit in units {
                        write!(writer, "\\u{unit:04x}")?;
                    }
                }
            }
            plain = at + character.len_utf8();
        }
        writer.write_all(fragment.get(plain..).unwrap_or_default().as_bytes())
    }

    fn write_char_escape<W: ?Sized + Write>(&mut self, writer: &mut W, escape: CharEscape) -> io::Result<()> {
        self.form.write_char_escape(writer, escape)
    }

    fn begin_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.begin_array(writer)
    }

    fn end_array<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.end_array(writer)
    }

    fn begin_array_value<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.form.begin_array_value(writer, first)
    }

    fn end_array_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.end_array_value(writer)
    }

    fn begin_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.begin_object(writer)
    }

    fn end_object<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.end_object(writer)
    }

    fn begin_object_key<W: ?Sized + Write>(&mut self, writer: &mut W, first: bool) -> io::Result<()> {
        self.form.begin_object_key(writer, first)
    }

    fn begin_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.begin_object_value(writer)
    }

    fn end_object_value<W: ?Sized + Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.form.end_object_value(writer)
    }
}

impl Cell {
    /// A cell that is meant so. What a terminal would obey is escaped here, whoever wrote it.
    pub fn new(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: cut(&shown(text.as_ref()), LONGEST),
            tone,
        }
    }

    /// A line with a command in it, which does something else, or nothing, when it is cut.
    pub fn command(text: impl AsRef<str>, tone: Tone) -> Self {
        Self {
            text: readable(text.as_ref()),
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
    pub fn rows(mut self, mut rows: Vec<Vec<Cell>>) -> Self {
        for cell in rows.iter_mut().flatten() {
            cell.text = cut(&cell.text, WIDEST);
        }
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
        let wanted = !global.no_color && !refused;
        Self {
            format: global.format,
            is_quiet: global.quiet,
            colors: wanted && console::colors_enabled(),
            colors_of_talk: wanted && console::colors_enabled_stderr(),
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
            Format::Json => PlainJson::of(document, false)?,
            Format::Yaml => yaml(document)?,
        };
        self.raw(text.as_bytes())
    }

    /// Prints what is neither document nor page: for a shell, say.
    ///
    /// # Errors
    /// As [`Self::data`].
    pub fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        match out.write_all(bytes).and_then(|()| out.flush()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(unwritten(&error)),
            _ => Ok(()),
        }
    }

    /// Says something beside the data, unless nobody wants to hear it.
    pub fn say(&self, text: &str) {
        if !self.is_quiet {
            tell(&readable(text));
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
            painted(label, Tone::Bad, self.colors_of_talk),
            readable(&problem.text)
        ));
        if let Some(next) = &problem.next {
            tell(&format!("next: {}", readable(next)));
        }
    }
}

/// YAML in which no text has a character that a terminal obeys. Some of them a serializer of YAML leaves as they are; JSON is YAML, and escapes all.
fn yaml(document: &impl Serialize) -> Result<String> {
    let text = serde_yaml::to_string(document).map_err(|error| unwritten(&error))?;
    match text.contains(|character| character != '\n' && is_obeyed(character)) {
        true => PlainJson::of(document, true),
        false => Ok(text),
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
    fn what_is_too_long_loses_its_middle() {
        assert_eq!(cut("größe", 5), "größe");
        assert_eq!(cut("größere größe", 12), "größer … öße");
        let long = format!("radarr {} juju status", "x".repeat(1_000_000));
        let shown = cut(&long, 60);
        assert_eq!(shown.chars().count(), 60);
        assert!(
            shown.starts_with("radarr xx") && shown.ends_with(" juju status"),
            "{shown}"
        );
    }

    #[test]
    fn data_have_no_character_that_a_terminal_obeys() {
        let text = "a\u{1b}[2J\"\\\n\u{9b}31m\u{202e}\u{7f}größe \u{e0001}";
        let document = serde_json::json!({"k\u{202e}": [text, {}, []]});
        let is_plain = |text: &str| !text.contains(|character| character != '\n' && is_obeyed(character));
        let json = PlainJson::of(&document, false).unwrap();
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read, document);
        assert!(is_plain(&json) && json.contains("größe"), "{json:?}");
        let printed = yaml(&document).unwrap();
        let read: serde_json::Value = serde_yaml::from_str(&printed).unwrap();
        assert_eq!(read, document, "{printed}");
        assert!(is_plain(&printed) && printed.contains("größe"), "{printed:?}");
        // Of a serializer of YAML.
        assert_eq!(yaml(&serde_json::json!({"a": "b"})).unwrap(), "a: b\n");
    }

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
