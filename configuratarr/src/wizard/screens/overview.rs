//! The apps of a model, with age and verdict; what one of them needs.

use std::collections::{BTreeMap, BTreeSet};

use config_recovery::backups::Choice;
use config_recovery::overview::Progress;
use config_recovery::words::{age, size, time};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Choose, KeyHelp, Offer, Screen, Step, Timeline, Waiting, moved};
use crate::fleet::{App, Protection, to_redeploy};
use crate::plan::{Job, Order};
use crate::printer::Tone;
use crate::report::{AppReport, ProofReport};
use crate::run::Run;
use crate::wizard::event::{Effect, Fleet, Key};
use crate::wizard::state::World;
use crate::wizard::theme::{column, pointer, window};

/// The apps.
#[derive(Debug, Default)]
pub struct Overview {
    /// The app that is pointed at, by its place.
    at: usize,
    /// Those that were marked, by name: they stay marked when others come or go.
    marked: BTreeSet<String>,
}

impl Overview {
    fn pointed<'a>(&self, world: &'a World) -> Option<&'a App> {
        let apps = &world.fleet.as_ref()?.apps;
        apps.get(self.at.min(apps.len().saturating_sub(1)))
    }

    /// The apps that are marked; else the one that is pointed at.
    fn meant(&self, world: &World) -> Vec<String> {
        let apps = world.fleet.iter().flat_map(|fleet| &fleet.apps);
        let marked: Vec<String> = apps
            .map(|app| app.id.app.clone())
            .filter(|app| self.marked.contains(app))
            .collect();
        match (marked.is_empty(), self.pointed(world)) {
            (true, Some(app)) => vec![app.id.app.clone()],
            _ => marked,
        }
    }

    fn plan(&self, job: Job, world: &mut World) -> Step {
        let picks = self.meant(world).into_iter().map(|app| (app, Choice::Latest));
        let order = Order {
            job,
            picks: picks.collect(),
            parameters: BTreeMap::new(),
        };
        match order.picks.is_empty() {
            true => Step::stay(),
            false => Waiting::plan(order, world),
        }
    }
}

impl Screen for Overview {
    fn title(&self, world: &World) -> String {
        match (&world.fleet, world.looking) {
            (Some(fleet), None) => format!("apps of model {}", fleet.model),
            (Some(fleet), Some(_)) => format!("apps of model {}, looking again", fleet.model),
            (None, _) => "apps".to_owned(),
        }
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        vec![
            ("Enter", "its backups"),
            ("r", "restore"),
            ("b", "back up"),
            ("v", "verify"),
            ("Space", "mark"),
            ("a", "mark all or none"),
            ("u", "look again"),
            ("o", "runs that were interrupted"),
            ("q", "leave"),
        ]
    }

    fn is_overview(&self) -> bool {
        true
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        let count = world.fleet.as_ref().map_or(0, |fleet| fleet.apps.len());
        if let Some(at) = moved(key, self.at.min(count.saturating_sub(1)), count) {
            self.at = at;
            return Step::stay();
        }
        let pointed = self.pointed(world).map(|app| app.id.app.clone());
        match (key, pointed) {
            (Key::Char('q'), _) => Step::stay().and(Effect::Quit),
            (Key::Char('o'), _) => {
                let unfinished = world.fleet.iter().flat_map(|fleet| fleet.unfinished.clone());
                let unfinished: Vec<Run> = unfinished.collect();
                match unfinished.is_empty() {
                    true => Step::stay(),
                    false => Step::open(Offer::new(unfinished)),
                }
            }
            (Key::Enter, Some(app)) => Step::open(Timeline::of(app, false)),
            (Key::Char(' '), Some(app)) => {
                if !self.marked.remove(&app) {
                    self.marked.insert(app);
                }
                Step::stay()
            }
            (Key::Char('a'), Some(_)) => {
                let apps = world.fleet.iter().flat_map(|fleet| &fleet.apps);
                let all: BTreeSet<String> = apps.map(|app| app.id.app.clone()).collect();
                self.marked = if self.marked.is_superset(&all) {
                    BTreeSet::new()
                } else {
                    all
                };
                Step::stay()
            }
            (Key::Char('b'), Some(_)) => self.plan(Job::Backup, world),
            (Key::Char('v'), Some(_)) => self.plan(Job::Verify, world),
            (Key::Char('r'), Some(_)) => {
                let meant = self.meant(world);
                Step::open(Choose::new(world, &meant))
            }
            _ => Step::stay(),
        }
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let Some(fleet) = &world.fleet else {
            let lines = match (world.trouble.as_slice(), world.looking) {
                ([], _) | (_, Some(_)) => {
                    let since = world.looking.unwrap_or(world.now);
                    vec![Line::from(format!(
                        "Asking Juju and the cluster ({}) …",
                        age(since, world.now)
                    ))]
                }
                (_, None) => troubles(world),
            };
            Paragraph::new(lines)
                .wrap(Wrap { trim: false })
                .render(area, buffer);
            return;
        };
        let mut above = troubles(world);
        above.extend(unavailable(fleet, world));
        match fleet.unfinished.len() {
            0 => {}
            1 => above.push(Line::from("1 run is not at its end; o goes on with it")),
            count => above.push(Line::from(format!(
                "{count} runs are not at their end; o goes on with one"
            ))),
        }
        if fleet.apps.is_empty() {
            above.push(Line::from(format!(
                "No app of model {} has backups or asks for them.",
                fleet.model
            )));
            above.push(Line::from(
                "Another model: leave with q, then configuratarr --model MODEL; juju models shows which there are.",
            ));
        }
        let above = Paragraph::new(above).wrap(Wrap { trim: false });
        let height = wrapped_height(&above, area).min(area.height / 3);
        // The table takes what it needs, as long as there is room to say what the pointed app needs.
        let rows = u16::try_from(fleet.apps.len())
            .unwrap_or(u16::MAX)
            .saturating_add(2);
        let [top, table, below] = Layout::vertical([
            Constraint::Length(height),
            Constraint::Length(rows.min(area.height.saturating_sub(height + 8).max(5))),
            Constraint::Fill(1),
        ])
        .areas(area);
        above.render(top, buffer);
        if !fleet.apps.is_empty() {
            Paragraph::new(self.table(fleet, world, table.height)).render(table, buffer);
        }
        if let Some(app) = self.pointed(world) {
            Paragraph::new(detail(app, world))
                .wrap(Wrap { trim: false })
                .render(below, buffer);
        }
    }
}

impl Overview {
    fn table(&self, fleet: &Fleet, world: &World, height: u16) -> Vec<Line<'static>> {
        let widths = (16, 8, 10, 10, 9, 9);
        let theme = world.theme;
        let header = format!(
            "      {}{}{}{}{}{}NOW",
            column("APP", widths.0),
            column("STATE", widths.1),
            column("PROTECTED", widths.2),
            column("LAST GOOD", widths.3),
            column("SIZE", widths.4),
            column("NEXT RUN", widths.5),
        );
        let mut lines = vec![Line::from(theme.text(header, Tone::Faint))];
        let at = self.at.min(fleet.apps.len().saturating_sub(1));
        let seen = window(fleet.apps.len(), at, usize::from(height.saturating_sub(2)));
        for (number, app) in fleet.apps.iter().enumerate() {
            if !seen.contains(&number) {
                continue;
            }
            let report = AppReport::of(app, world.now);
            let last = app.last_good.as_ref();
            let dash = || "-".to_owned();
            let is_pointed = number == at;
            let mark = match self.marked.contains(&app.id.app) {
                true => "[x] ",
                false => "[ ] ",
            };
            let name = format!("{}{mark}{}", pointer(is_pointed), column(&app.id.app, widths.0));
            let when = last.and_then(|last| last.time);
            let bytes = match last {
                Some(last) => last.bytes.map_or_else(|| "snapshot".to_owned(), size),
                None => dash(),
            };
            let next = app
                .next_run
                .map_or_else(dash, |next| format!("in {}", age(world.now, next)));
            lines.push(Line::from(vec![
                Span::styled(name, theme.pointed(is_pointed)),
                theme.text(column(report.state.word(), widths.1), report.state.tone()),
                Span::raw(column(report.protected.unwrap_or("?"), widths.2)),
                Span::raw(column(
                    when.map_or_else(dash, |when| format!("{} ago", age(when, world.now))),
                    widths.3,
                )),
                Span::raw(column(bytes, widths.4)),
                Span::raw(column(next, widths.5)),
                theme.text(in_flight(app), Tone::Plain),
            ]));
        }
        lines
    }
}

/// What is under way, in a few words.
fn in_flight(app: &App) -> String {
    let words = app.in_flight.iter().map(|work| {
        let word = work.what.word();
        match work.progress.and_then(percent) {
            Some(percent) => format!("{word} {percent} %"),
            None => word.to_owned(),
        }
    });
    words.collect::<Vec<_>>().join(", ")
}

fn percent(progress: Progress) -> Option<u128> {
    let (done, total) = (u128::from(progress.done), u128::from(progress.total?));
    (done * 100).checked_div(total).map(|percent| percent.min(100))
}

fn detail(app: &App, world: &World) -> Vec<Line<'static>> {
    let theme = world.theme;
    let version = app.juju.as_ref().and_then(|juju| juju.version.clone());
    let version = version.map(|version| format!(" {version}")).unwrap_or_default();
    let juju = match &app.juju {
        Some(juju) => format!("juju status: {} {}", juju.status, juju.message),
        None => "not deployed".to_owned(),
    };
    let mut lines = vec![Line::from(
        theme.text(format!("{}{version}", app.id.app), Tone::Plain),
    )];
    lines.push(Line::from(
        theme.text(format!("  {}", juju.trim_end()), Tone::Plain),
    ));
    let count = match app.backups.len() {
        0 => "no backups".to_owned(),
        1 => "1 backup".to_owned(),
        count => format!("{count} backups"),
    };
    let last = match app.last_good.as_ref().map(|last| (last.time, last.expires)) {
        Some((Some(when), Some(end))) => {
            format!("; the last good one of {} expires {}", time(when), time(end))
        }
        Some((Some(when), None)) => format!("; the last good one is of {}", time(when)),
        _ => String::new(),
    };
    lines.push(Line::from(theme.text(format!("  {count}{last}"), Tone::Plain)));
    if let Some((backup, proof)) = app.last_proof(world.now) {
        let (line, tone) = ProofReport::from(proof).line(world.now);
        let from = backup.started.map_or_else(|| backup.name.clone(), time);
        lines.push(Line::from(
            theme.text(format!("  the backup of {from} {line}"), tone),
        ));
    }
    // No screen of the wizard does that: it takes a charm, or a bundle, and both are files.
    if app.protection == Some(Protection::Gone) && app.last_good.is_some() {
        let next = format!(
            "  to have it again with its content: {}",
            to_redeploy(&world.resume.juju(), &app.id.app)
        );
        lines.push(Line::from(theme.text(next, Tone::Plain)));
    }
    for attention in AppReport::of(app, world.now).attention {
        let tone = attention.severity.tone();
        lines.push(Line::from(theme.text(
            format!("  {}: {}", attention.severity.word(), attention.text),
            tone,
        )));
        lines.push(Line::from(
            theme.text(format!("    next: {}", attention.next), Tone::Plain),
        ));
    }
    lines
}

/// What could not be asked, with what to do about it.
fn troubles(world: &World) -> Vec<Line<'static>> {
    let theme = world.theme;
    let of_fleet = world.fleet.iter().flat_map(|fleet| &fleet.problems);
    let all = world.trouble.iter().chain(of_fleet);
    all.flat_map(|problem| {
        let text = format!("could not check: {}", problem.text);
        let next = problem
            .next
            .as_ref()
            .map(|next| format!("  next: {next}; then u"));
        let next = next.map(|next| Line::from(theme.text(next, Tone::Plain)));
        std::iter::once(Line::from(theme.text(text, Tone::Warning))).chain(next)
    })
    .collect()
}

fn unavailable(fleet: &Fleet, world: &World) -> Vec<Line<'static>> {
    let lines = fleet.unavailable.iter().map(|location| {
        let why = location.message.as_deref().unwrap_or("Velero does not say why");
        let text = format!("storage location {} is unavailable: {why}", location.name);
        Line::from(world.theme.text(text, Tone::Bad))
    });
    lines.collect()
}

/// How many rows a text takes in this area.
fn wrapped_height(text: &Paragraph<'_>, area: Rect) -> u16 {
    let whole = Rect::new(0, 0, area.width, area.height);
    let mut buffer = Buffer::empty(whole);
    text.render(whole, &mut buffer);
    let is_used = |row: &u16| (0..area.width).any(|column| buffer[(column, *row)].symbol() != " ");
    (0..area.height).rev().find(is_used).map_or(0, |last| last + 1)
}
