//! The backups of an app, on a line of time and below each other.

use std::collections::BTreeMap;

use config_recovery::backups::{BackupSummary, Choice, Verdict};
use config_recovery::words::{age, day, size, time};
use jiff::Timestamp;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Choose, Go, KeyHelp, Screen, Step, Waiting, moved};
use crate::fleet::App;
use crate::plan::{Job, Order};
use crate::printer::Tone;
use crate::problem::{Kind, Problem};
use crate::report::{ProofReport, verdict_tone};
use crate::wizard::event::{Effect, Key};
use crate::wizard::state::World;
use crate::wizard::theme::{column, pointer, window};

/// The backups of an app.
#[derive(Debug)]
pub struct Timeline {
    app: String,
    /// The one that is pointed at, by its uid: its place changes when another comes. The newest, before any was.
    at: Option<String>,
    /// Whether one is picked for somebody who waits for it.
    is_picking: bool,
}

impl Timeline {
    /// Of this app.
    pub fn of(app: String, is_picking: bool) -> Self {
        Self {
            app,
            at: None,
            is_picking,
        }
    }

    fn place(&self, app: &App) -> usize {
        let at = self.at.as_ref();
        let place = at.and_then(|uid| app.backups.iter().position(|backup| backup.uid == *uid));
        place.unwrap_or(0)
    }

    /// The pointed backup, if it can be restored; else why not.
    fn fit(&self, world: &World) -> Result<Choice, Option<Problem>> {
        let app = world.app(&self.app).ok_or(None)?;
        let backup = app.backups.get(self.place(app)).ok_or(None)?;
        match backup.unfit(world.now) {
            None => Ok(Choice::Named(backup.uid.clone())),
            Some(why) => Err(Some(Problem::new(
                Kind::Failed,
                format!("this backup cannot be restored: {why}"),
                "choose a good one",
            ))),
        }
    }
}

impl Screen for Timeline {
    fn title(&self, world: &World) -> String {
        let count = world.app(&self.app).map_or(0, |app| app.backups.len());
        match self.is_picking {
            true => format!("which backup of {}? {count}, newest first", self.app),
            false => format!("backups of {}: {count}, newest first", self.app),
        }
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        match self.is_picking {
            true => vec![
                ("Enter", "take this one"),
                ("Up Down", "another one"),
                ("Esc", "back"),
                ("q", "leave"),
            ],
            false => vec![
                ("r", "restore this one"),
                ("v", "verify this one"),
                ("Up Down", "another one"),
                ("Esc", "back"),
                ("q", "leave"),
            ],
        }
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        let Some(app) = world.app(&self.app) else {
            return Step::go(Go::Back);
        };
        if let Some(at) = moved(key, self.place(app), app.backups.len()) {
            self.at = app.backups.get(at).map(|backup| backup.uid.clone());
            return Step::stay();
        }
        let what = match key {
            Key::Char('q') => return Step::stay().and(Effect::Quit),
            Key::Escape => return Step::go(Go::Back),
            Key::Enter | Key::Char('r' | 'v') => self.fit(world),
            _ => return Step::stay(),
        };
        let choice = match what {
            Ok(choice) => choice,
            Err(problem) => {
                world.notice = problem;
                return Step::stay();
            }
        };
        match key {
            Key::Enter if self.is_picking => Step::go(Go::Picked(self.app.clone(), choice)),
            Key::Enter | Key::Char('r') if !self.is_picking => {
                let mut choose = Choose::new(world, std::slice::from_ref(&self.app));
                choose.pick(&self.app, choice);
                Step::open(choose)
            }
            Key::Char('v') if !self.is_picking => {
                let order = Order {
                    job: Job::Verify,
                    picks: vec![(self.app.clone(), choice)],
                    parameters: BTreeMap::new(),
                };
                Waiting::plan(order, world)
            }
            _ => Step::stay(),
        }
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let Some(app) = world.app(&self.app).filter(|app| !app.backups.is_empty()) else {
            let lines = vec![
                Line::from(
                    world
                        .theme
                        .text(format!("There is no backup of {}.", self.app), Tone::Plain),
                ),
                Line::from("next: Esc, then b makes one"),
            ];
            Paragraph::new(lines).render(area, buffer);
            return;
        };
        let [top, list, below] =
            Layout::vertical([Constraint::Length(4), Constraint::Fill(1), Constraint::Length(6)]).areas(area);
        let at = self.place(app);
        Paragraph::new(strip(&app.backups, at, usize::from(top.width), world)).render(top, buffer);
        Paragraph::new(rows(&app.backups, at, usize::from(list.height), world)).render(list, buffer);
        if let Some(backup) = app.backups.get(at) {
            Paragraph::new(detail(backup, world))
                .wrap(Wrap { trim: false })
                .render(below, buffer);
        }
    }
}

/// A letter for each verdict, for the line of time.
const fn letter(verdict: Verdict) -> char {
    match verdict {
        Verdict::Good => 'o',
        Verdict::Running => 'r',
        Verdict::Empty => 'E',
        Verdict::Partial => 'P',
        Verdict::Failed => 'F',
        Verdict::Damaged => 'D',
        Verdict::Expired => 'x',
    }
}

/// The worse one of two at the same place is seen.
const fn rank(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Expired => 0,
        Verdict::Good => 1,
        Verdict::Running => 2,
        Verdict::Partial => 3,
        Verdict::Empty => 4,
        Verdict::Failed => 5,
        Verdict::Damaged => 6,
    }
}

/// From the oldest to now, with a letter for each backup and `^` under the pointed one.
fn strip(backups: &[BackupSummary], at: usize, width: usize, world: &World) -> Vec<Line<'static>> {
    let theme = world.theme;
    let started = |backup: &BackupSummary| backup.started.map(Timestamp::as_second);
    let Some(oldest) = backups.iter().filter_map(started).min() else {
        return Vec::new();
    };
    let width = width.saturating_sub(4).max(1);
    let last = i64::try_from(width - 1).unwrap_or(0);
    let whole = (world.now.as_second() - oldest).max(1);
    let place = |second: i64| {
        let place = (second - oldest).clamp(0, whole).saturating_mul(last) / whole;
        usize::try_from(place).unwrap_or(0).min(width - 1)
    };
    let mut marks: Vec<Option<Verdict>> = vec![None; width];
    for backup in backups {
        let verdict = backup.verdict(world.now);
        if let Some(mark) = started(backup).and_then(|second| marks.get_mut(place(second)))
            && mark.is_none_or(|before| rank(verdict) > rank(before))
        {
            *mark = Some(verdict);
        }
    }
    let pointed = backups.get(at).and_then(started).map(place);
    let mut line = vec![Span::raw("  ")];
    line.extend(marks.into_iter().map(|mark| match mark {
        Some(verdict) => theme.text(letter(verdict).to_string(), verdict_tone(verdict)),
        None => theme.text("-", Tone::Faint),
    }));
    let from = Timestamp::from_second(oldest).map(day).unwrap_or_default();
    let gap = width.saturating_sub(from.len() + 3);
    vec![
        Line::from(theme.text(format!("  {from}{}now", " ".repeat(gap)), Tone::Faint)),
        Line::from(line),
        Line::from(pointed.map_or_else(String::new, |place| format!("  {}^", " ".repeat(place)))),
        Line::from(theme.text(
            "  o good  r running  E EMPTY  P PARTIAL  F FAILED  D DAMAGED  x expired",
            Tone::Faint,
        )),
    ]
}

fn rows(backups: &[BackupSummary], at: usize, height: usize, world: &World) -> Vec<Line<'static>> {
    let theme = world.theme;
    let header = format!(
        "  {}{}{}{}{}EXPIRES",
        column("STARTED", 22),
        column("AGE", 8),
        column("VERDICT", 9),
        column("SIZE", 10),
        column("PURPOSE", 11),
    );
    let mut lines = vec![Line::from(theme.text(header, Tone::Faint))];
    for number in window(backups.len(), at, height.saturating_sub(1)) {
        let Some(backup) = backups.get(number) else {
            continue;
        };
        let verdict = backup.verdict(world.now);
        let dash = || "-".to_owned();
        let is_pointed = number == at;
        let started = backup.started;
        let when = column(started.map_or_else(dash, time), 22);
        let bytes = backup.holds.bytes().map_or_else(|| "snapshot".to_owned(), size);
        let end = backup.expires.map_or_else(dash, |end| match end <= world.now {
            true => "expired".to_owned(),
            false => format!("in {}", age(world.now, end)),
        });
        lines.push(Line::from(vec![
            Span::styled(
                format!("{}{when}", pointer(is_pointed)),
                theme.pointed(is_pointed),
            ),
            Span::raw(column(
                started.map_or_else(dash, |started| age(started, world.now)),
                8,
            )),
            theme.text(column(verdict.to_string(), 9), verdict_tone(verdict)),
            Span::raw(column(bytes, 10)),
            Span::raw(column(purpose(backup), 11)),
            Span::raw(end),
        ]));
    }
    lines
}

/// Why it was made.
const fn purpose(backup: &BackupSummary) -> &'static str {
    match (&backup.before_restore, &backup.schedule) {
        (Some(_), _) => "safety",
        (None, Some(_)) => "scheduled",
        (None, None) => "by hand",
    }
}

fn detail(backup: &BackupSummary, world: &World) -> Vec<Line<'static>> {
    let theme = world.theme;
    let verdict = backup.verdict(world.now);
    let plain = |text: String| Line::from(theme.text(text, Tone::Plain));
    let mut lines = vec![
        Line::default(),
        plain(format!(
            "{}, uid {}, in location {}",
            backup.name, backup.uid, backup.storage_location
        )),
    ];
    if let Some(of) = &backup.before_restore {
        lines.push(plain(format!(
            "made before the restore of backup {of}: the way back"
        )));
    }
    if let Some(proof) = &backup.proof {
        let (line, tone) = ProofReport::from(proof).line(world.now);
        lines.push(Line::from(theme.text(line, tone)));
    }
    if let Some(why) = backup.unfit(world.now) {
        lines.push(Line::from(
            theme.text(format!("cannot be restored: {why}"), verdict_tone(verdict)),
        ));
    } else if !backup.complaints.is_empty() {
        let why = format!("Velero: {}", backup.complaints.join("; "));
        lines.push(Line::from(theme.text(why, verdict_tone(verdict))));
    }
    lines
}
