//! A run that goes on: each app with its step, bytes, rate and what is left.

use config_recovery::words::{age, part, size};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Go, KeyHelp, ReportScreen, Screen, Step, moved};
use crate::plan::{Job, Plan};
use crate::printer::Tone;
use crate::run::{Progress, Run};
use crate::wizard::event::{Effect, Followed, Key, Ticket};
use crate::wizard::rate::Rate;
use crate::wizard::state::World;
use crate::wizard::theme::{bar, column, pointer, span, window};

/// A run that goes on.
#[derive(Debug)]
pub struct ProgressScreen {
    ticket: Ticket,
    id: Option<String>,
    job: Option<Job>,
    items: Vec<Item>,
    since: Timestamp,
    at: usize,
    /// Whether it is asked whether to leave it.
    is_leaving: bool,
    is_stopping: bool,
}

/// How far an item is.
#[derive(Debug, Default)]
pub struct Item {
    app: String,
    /// What was said last.
    pub last: String,
    /// How its bytes come.
    rate: Rate,
    /// Whether it is at its end, and well, and since when.
    pub end: Option<(bool, Timestamp)>,
}

impl Item {
    /// Each item of a plan, before anything is known of it.
    pub fn all(plan: &Plan) -> Vec<Self> {
        let items = plan.items.iter().map(|item| Self {
            app: item.app.clone(),
            ..Self::default()
        });
        items.collect()
    }

    /// The app.
    pub fn app(&self) -> &str {
        &self.app
    }

    /// Takes what was said of it.
    fn take(&mut self, what: &Followed, now: Timestamp) {
        match what {
            Followed::Said(_, text) => self.last.clone_from(text),
            Followed::Bytes(_, bytes) => self.rate.add(now, *bytes),
            Followed::Ended(_, is_well, text) => {
                self.last.clone_from(text);
                self.end = Some((*is_well, now));
            }
            Followed::Began(_) | Followed::Note(_) | Followed::Over(_) => {}
        }
    }
}

/// Takes what a run says: into the log, and to the item that it is about.
pub fn take(items: &mut [Item], what: &Followed, world: &mut World) {
    let (number, text) = match what {
        Followed::Said(number, text) | Followed::Ended(number, _, text) => (Some(*number), Some(text)),
        Followed::Bytes(number, _) => (Some(*number), None),
        Followed::Note(text) => (None, Some(text)),
        Followed::Began(_) | Followed::Over(_) => (None, None),
    };
    let item = number.and_then(|number| items.get_mut(number));
    if let Some(text) = text {
        let app = item.as_ref().map_or("", |item| item.app.as_str());
        world.log.say(world.now, app, text);
    }
    if let Some(item) = item {
        item.take(what, world.now);
    }
}

impl ProgressScreen {
    /// Has a plan carried out, as it is.
    pub fn begin(plan: Plan, world: &mut World) -> Step {
        let ticket = world.ticket();
        let screen = Self {
            ticket,
            id: None,
            job: Some(plan.job),
            items: Item::all(&plan),
            since: world.now,
            at: 0,
            is_leaving: false,
            is_stopping: false,
        };
        Step::replace(screen).and(Effect::CarryOut(ticket, plan))
    }

    /// Has a run gone on with.
    pub fn resume(id: String, world: &mut World) -> Step {
        let ticket = world.ticket();
        let screen = Self {
            ticket,
            id: Some(id.clone()),
            job: None,
            items: Vec::new(),
            since: world.now,
            at: 0,
            is_leaving: false,
            is_stopping: false,
        };
        Step::replace(screen).and(Effect::Resume(ticket, id))
    }

    fn began(&mut self, run: &Run, now: Timestamp) {
        self.id = Some(run.id.clone());
        self.job = Some(run.plan.job);
        self.items = Item::all(&run.plan);
        for (item, progress) in self.items.iter_mut().zip(&run.progress) {
            match progress {
                Progress::Done { .. } | Progress::Imported { .. } | Progress::Finished { .. } => {
                    item.end = Some((true, now));
                    "done before".clone_into(&mut item.last);
                }
                Progress::Failed { why, .. } => {
                    item.end = Some((false, now));
                    item.last = format!("FAILED: {why}");
                }
                Progress::Planned
                | Progress::Starting { .. }
                | Progress::Started { .. }
                | Progress::Importing { .. }
                | Progress::Working { .. } => {}
            }
        }
    }
}

impl Screen for ProgressScreen {
    fn title(&self, _world: &World) -> String {
        let job = self.job.map_or("run", Job::word);
        match &self.id {
            Some(id) => format!("{job}, run {id}"),
            None => job.to_owned(),
        }
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        match self.is_leaving {
            true => vec![("y", "leave it"), ("n", "stay")],
            false => vec![
                ("Up Down", "app"),
                ("l", "log"),
                ("[ ]", "scroll the log"),
                ("q", "leave"),
            ],
        }
    }

    fn is_moving(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, _world: &mut World) -> Step {
        if self.is_leaving {
            self.is_leaving = false;
            if key == Key::Char('y') && !self.is_stopping {
                self.is_stopping = true;
                return Step::stay().and(Effect::Stop(self.ticket));
            }
            return Step::stay();
        }
        if let Some(at) = moved(key, self.at, self.items.len()) {
            self.at = at;
        } else if matches!(key, Key::Char('q') | Key::Escape) {
            self.is_leaving = true;
        }
        Step::stay()
    }

    fn followed(&mut self, ticket: Ticket, what: Followed, world: &mut World) -> Step {
        if ticket != self.ticket {
            return Step::stay();
        }
        take(&mut self.items, &what, world);
        match what {
            Followed::Began(run) => self.began(&run, world.now),
            Followed::Over(Ok((run, ended))) => return Step::replace(ReportScreen::new(*run, &ended, world)),
            Followed::Over(Err(problem)) => {
                world.notice = Some(problem);
                return Step::go(Go::Back);
            }
            _ => {}
        }
        Step::stay()
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(5)]).areas(area);
        Paragraph::new(self.table(world, top)).render(top, buffer);
        let theme = world.theme;
        let mut lines = vec![Line::default()];
        if self.is_leaving {
            lines.push(Line::from(
                "Leave it? What was started goes on in Juju; an app that was not begun waits.",
            ));
            lines.push(Line::from("y leaves it, any other key stays."));
            if let Some(id) = &self.id {
                lines.push(Line::from(format!("Later: {}", world.resume.command(id))));
            }
        } else if self.is_stopping {
            lines.push(Line::from("Leaving …"));
        } else if let Some(item) = self.items.get(self.at) {
            // In full: in the table there is one line for it.
            let tone = tone(item.end);
            lines.push(Line::from(
                theme.text(format!("{}: {}", item.app, item.last), tone),
            ));
        }
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .render(bottom, buffer);
    }
}

fn tone(end: Option<(bool, Timestamp)>) -> Tone {
    match end {
        Some((true, _)) => Tone::Good,
        Some((false, _)) => Tone::Bad,
        None => Tone::Plain,
    }
}

impl ProgressScreen {
    fn table(&self, world: &World, area: Rect) -> Vec<Line<'static>> {
        let theme = world.theme;
        let over = self.items.iter().filter(|item| item.end.is_some()).count();
        let mut lines = vec![Line::from(format!(
            "{over} of {} ended, after {}",
            self.items.len(),
            age(self.since, world.now)
        ))];
        let rows = usize::from(area.height).saturating_sub(1) / 2;
        for number in window(self.items.len(), self.at, rows) {
            let Some(item) = self.items.get(number) else {
                continue;
            };
            let is_pointed = number == self.at;
            let word = match item.end {
                Some((true, _)) => "done",
                Some((false, _)) => "FAILED",
                None => "running",
            };
            let since = item.end.map_or(world.now, |(_, end)| end);
            lines.push(Line::from(vec![
                Span::styled(
                    format!("{}{}", pointer(is_pointed), column(&item.app, 18)),
                    theme.pointed(is_pointed),
                ),
                theme.text(column(word, 8), tone(item.end)),
                Span::raw(column(age(self.since, since), 8)),
                Span::raw(
                    column(&item.last, usize::from(area.width).saturating_sub(36))
                        .trim_end()
                        .to_owned(),
                ),
            ]));
            lines.push(Line::from(format!("    {}", moving(item, world.now))));
        }
        lines
    }
}

/// The bytes of an item that is not at its end.
fn moving(item: &Item, now: Timestamp) -> String {
    let (Some(bytes), None) = (item.rate.bytes(), item.end) else {
        return String::new();
    };
    let Some(total) = bytes.total else {
        return size(bytes.done);
    };
    let rate = item.rate.per_second(now);
    let rate = rate.map(|rate| format!("  {}/s", size(rate))).unwrap_or_default();
    let left = item.rate.seconds_left(now);
    let left = left
        .map(|left| format!("  {} left", span(left)))
        .unwrap_or_default();
    format!(
        "{} {}{rate}{left}",
        bar(bytes.done, total, 20),
        part(bytes.done, total)
    )
}
