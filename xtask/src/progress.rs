//! What a person sees while something takes time. On standard error, so that standard output stays data.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that moves on a terminal; elsewhere one line when it begins.
pub struct Progress {
    bar: ProgressBar,
    title: String,
}

impl Progress {
    /// Says what begins.
    pub fn begin(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            eprintln!("{what} …");
        } else {
            bar.set_style(look("{spinner} {msg} ({elapsed})"));
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self {
            bar,
            title: what.to_owned(),
        }
    }

    /// Shows how many of how many steps have begun, and what is being done now.
    pub fn goes_on(&self, done: usize, all: usize, now: &str) {
        if self.bar.is_hidden() {
            return;
        }
        self.bar.set_style(look("{spinner} {bar:24} {msg} ({elapsed})"));
        self.bar.set_length(all as u64);
        self.bar.set_position(done as u64);
        self.bar.set_message(format!("{}: {now}", self.title));
    }

    /// It is over.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}

fn look(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or(ProgressStyle::default_spinner())
}
