//! What was said while the wizard ran: the log pane.

use std::collections::VecDeque;

use jiff::Timestamp;

/// So many lines are kept.
const KEPT: usize = 1000;

/// The log.
#[derive(Debug, Clone, Default)]
pub struct Log {
    lines: VecDeque<String>,
    /// Whether it is shown.
    pub is_open: bool,
    /// So many lines from the end the shown part ends.
    back: usize,
}

impl Log {
    /// Adds a line.
    pub fn say(&mut self, now: Timestamp, who: &str, text: &str) {
        let who = if who.is_empty() {
            String::new()
        } else {
            format!("{who}: ")
        };
        for line in text.lines() {
            if self.lines.len() == KEPT {
                self.lines.pop_front();
            }
            self.lines
                .push_back(format!("{} {who}{line}", now.strftime("%H:%M:%S")));
            // Whoever reads further up goes on reading the same lines.
            if self.back > 0 {
                self.back = (self.back + 1).min(self.lines.len());
            }
        }
    }

    /// Moves the shown part: lines towards the beginning.
    pub fn scroll(&mut self, up: isize) {
        self.back = self
            .back
            .saturating_add_signed(up)
            .min(self.lines.len().saturating_sub(1));
    }

    /// The lines that are shown in this many rows.
    pub fn shown(&self, rows: usize) -> impl Iterator<Item = &str> {
        let end = self
            .lines
            .len()
            .saturating_sub(self.back)
            .max(rows.min(self.lines.len()));
        let from = end.saturating_sub(rows);
        self.lines.range(from..end).map(String::as_str)
    }

    /// All of it, for the report.
    pub fn all(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}
