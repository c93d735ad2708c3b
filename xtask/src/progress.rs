//! What a person sees while something takes time. On standard error, so that standard output stays data.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// A line that moves on a terminal; elsewhere one line when it begins.
pub struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Says what begins.
    pub fn begin(what: &str) -> Self {
        let bar = ProgressBar::new_spinner();
        if bar.is_hidden() {
            eprintln!("{what} …");
        } else {
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                    .unwrap_or(ProgressStyle::default_spinner()),
            );
            bar.set_message(what.to_owned());
            bar.enable_steady_tick(Duration::from_millis(120));
        }
        Self { bar }
    }

    /// It is over.
    pub fn end(self) {
        self.bar.finish_and_clear();
    }
}
