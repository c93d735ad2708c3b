//! Shows how a run goes on: bars in a terminal, lines elsewhere.

use std::time::{Duration, Instant};

use config_recovery::overview::Progress as Bytes;
use config_recovery::words::part;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

use crate::plan::Plan;
use crate::printer::{Printer, readable};

/// How often bytes are told in lines.
const PAUSE: Duration = Duration::from_secs(5);

/// Hears how a run goes on. `item` is the number of the plan's item.
pub trait Show {
    /// The charm said something.
    fn said(&mut self, item: usize, text: &str);
    /// So much of the volume is there.
    fn bytes(&mut self, item: usize, bytes: Bytes);
    /// It is at its end, well or not.
    fn ended(&mut self, item: usize, is_well: bool, text: &str);
    /// Something that is about no single item.
    fn note(&mut self, text: &str);
}

/// Lines on standard error.
pub struct Lines<'a> {
    printer: &'a Printer,
    apps: Vec<String>,
    told: Vec<Option<(Instant, Bytes)>>,
}

impl<'a> Lines<'a> {
    /// For this plan.
    pub fn new(printer: &'a Printer, plan: &Plan) -> Self {
        Self {
            printer,
            apps: plan.items.iter().map(|item| item.app.clone()).collect(),
            told: vec![None; plan.items.len()],
        }
    }

    fn line(&self, item: usize, text: &str) {
        let app = self.apps.get(item).map_or("", String::as_str);
        self.printer.say(&format!("{app}: {text}"));
    }
}

impl Show for Lines<'_> {
    fn said(&mut self, item: usize, text: &str) {
        self.line(item, text);
    }

    fn bytes(&mut self, item: usize, bytes: Bytes) {
        let Some(told) = self.told.get_mut(item) else {
            return;
        };
        let is_news = told.is_none_or(|(when, before)| before != bytes && when.elapsed() >= PAUSE);
        if is_news && let Some(total) = bytes.total {
            *told = Some((Instant::now(), bytes));
            self.line(item, &part(bytes.done, total));
        }
    }

    fn ended(&mut self, item: usize, _is_well: bool, text: &str) {
        self.line(item, text);
    }

    fn note(&mut self, text: &str) {
        self.printer.say(text);
    }
}

/// A bar for each app: what the charm said last, bytes, rate and what is left. At most ten times a second.
pub struct Bars {
    all: MultiProgress,
    bars: Vec<ProgressBar>,
    totals: Vec<bool>,
}

const WAITS: &str = "{prefix}  {elapsed:>4}  {wide_msg}";
const MOVES: &str =
    "{prefix}  {elapsed:>4}  {bar:20} {bytes}/{total_bytes} {bytes_per_sec} {eta}  {wide_msg}";

impl Bars {
    /// For this plan.
    pub fn new(plan: &Plan) -> Self {
        let all = MultiProgress::new();
        let width = plan
            .items
            .iter()
            .map(|item| item.app.chars().count())
            .max()
            .unwrap_or(0);
        let bars = plan
            .items
            .iter()
            .map(|item| {
                let bar = all.add(ProgressBar::no_length());
                bar.set_style(style(WAITS));
                bar.set_prefix(format!("{:width$}", item.app));
                bar.enable_steady_tick(Duration::from_millis(500));
                bar
            })
            .collect();
        Self {
            all,
            bars,
            totals: vec![false; plan.items.len()],
        }
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Show for Bars {
    fn said(&mut self, item: usize, text: &str) {
        if let Some(bar) = self.bars.get(item) {
            bar.set_message(readable(text));
        }
    }

    fn bytes(&mut self, item: usize, bytes: Bytes) {
        let (Some(bar), Some(total), Some(has_total)) =
            (self.bars.get(item), bytes.total, self.totals.get_mut(item))
        else {
            return;
        };
        if !*has_total {
            *has_total = true;
            bar.set_style(style(MOVES));
        }
        bar.set_length(total);
        bar.set_position(bytes.done.min(total));
    }

    fn ended(&mut self, item: usize, _is_well: bool, text: &str) {
        if let Some(bar) = self.bars.get(item) {
            bar.set_style(style(WAITS));
            bar.abandon_with_message(readable(text));
        }
    }

    fn note(&mut self, text: &str) {
        // That a line cannot be shown is no reason to stop.
        let _ = self.all.println(readable(text));
    }
}
