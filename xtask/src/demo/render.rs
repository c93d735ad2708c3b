//! What the story shows: lines, as they come, on a terminal or kept for a picture.

use std::io::Write;

use anyhow::{Context, Result};
use console::Style;
use system_tests::svg::{self, Stretch};

use crate::progress::Progress;

/// Width of what stands before a value.
const LABEL: usize = 10;

/// Something to look at, after a command.
pub struct Shown {
    /// What it is.
    pub label: &'static str,
    /// Its lines.
    pub lines: Vec<String>,
}

/// A value of one line.
pub fn shown(label: &'static str, text: impl Into<String>) -> Shown {
    Shown {
        label,
        lines: vec![text.into()],
    }
}

/// Where the lines go.
pub struct Screen<'a> {
    out: Option<&'a mut dyn Write>,
    /// All of them so far.
    pub lines: Vec<Vec<Stretch>>,
    steps: usize,
}

impl<'a> Screen<'a> {
    /// One that prints them.
    pub fn on(out: &'a mut dyn Write) -> Self {
        Self {
            out: Some(out),
            ..Screen::silent()
        }
    }

    /// One that keeps them only.
    pub fn silent() -> Self {
        Self {
            out: None,
            lines: Vec::new(),
            steps: 0,
        }
    }

    /// Shows a line.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn line(&mut self, line: Vec<Stretch>) -> Result<()> {
        if let Some(out) = &mut self.out {
            let painted: String = line.iter().map(|stretch| painted(stretch).to_string()).collect();
            writeln!(out, "{}", painted.trim_end()).context("cannot print")?;
        }
        self.lines.push(line);
        Ok(())
    }

    /// Does a step and shows it: what it is about, what a person types, what is to be seen then.
    ///
    /// # Errors
    /// What `doing` says.
    pub fn step(
        &mut self,
        title: &str,
        commands: &[&str],
        doing: impl FnOnce(&Progress) -> Result<Vec<Shown>>,
    ) -> Result<()> {
        let progress = Progress::begin(title);
        let done = doing(&progress);
        progress.end();
        let done = done?;
        self.steps += 1;
        let number = format!("{}. ", self.steps);
        self.line(vec![bold(number), bold(title)])?;
        for command in commands {
            for (number, part) in command.lines().enumerate() {
                let prompt = if number == 0 { "   $ " } else { "     " };
                self.line(vec![faint(prompt), plain(part)])?;
            }
        }
        for shown in &done {
            for (number, text) in shown.lines.iter().enumerate() {
                let label = if number == 0 { shown.label } else { "" };
                self.line(vec![faint(format!("   {label:LABEL$} ")), plain(text.as_str())])?;
            }
        }
        Ok(())
    }
}

/// As the terminal is.
pub fn plain(text: impl Into<String>) -> Stretch {
    Stretch {
        text: text.into(),
        ..Stretch::default()
    }
}

/// Bold.
pub fn bold(text: impl Into<String>) -> Stretch {
    Stretch {
        is_bold: true,
        ..plain(text)
    }
}

/// Faint.
pub fn faint(text: impl Into<String>) -> Stretch {
    Stretch {
        is_faint: true,
        ..plain(text)
    }
}

/// Bold, and green for what is as it should be.
pub fn verdict(text: impl Into<String>, is_good: bool) -> Stretch {
    Stretch {
        color: Some(if is_good { svg::GREEN } else { svg::RED }),
        ..bold(text)
    }
}

/// Red.
pub fn red(text: impl Into<String>) -> Stretch {
    Stretch {
        color: Some(svg::RED),
        ..plain(text)
    }
}

fn painted(stretch: &Stretch) -> console::StyledObject<&str> {
    let mut look = Style::new();
    if stretch.color == Some(svg::GREEN) {
        look = look.green();
    } else if stretch.color == Some(svg::RED) {
        look = look.red();
    }
    if stretch.is_bold {
        look = look.bold();
    }
    if stretch.is_faint {
        look = look.dim();
    }
    look.apply_to(stretch.text.as_str())
}
