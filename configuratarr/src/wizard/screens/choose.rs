//! Which apps are restored, and each to which point in time.

use std::collections::BTreeMap;

use config_recovery::backups::{Choice, choose};
use config_recovery::moment::moment;
use config_recovery::words::{age, size, time};
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Go, KeyHelp, Screen, Step, Timeline, Waiting, moved};
use crate::fleet::App;
use crate::plan::{Job, Order};
use crate::printer::Tone;
use crate::problem::{Kind, Problem};
use crate::wizard::event::{Effect, Key};
use crate::wizard::input::Input;
use crate::wizard::state::World;
use crate::wizard::theme::{column, pointer, window};

/// Which apps, and which backups of them.
#[derive(Debug)]
pub struct Choose {
    rows: Vec<Row>,
    at: usize,
    /// Whether what the charm would hold back is restored too.
    force: bool,
    /// Whether a backup is made first of what there is now.
    has_safety: bool,
    /// The moment that is typed for all.
    moment: Option<Input>,
}

#[derive(Debug)]
struct Row {
    app: String,
    is_marked: bool,
    choice: Choice,
}

impl Choose {
    /// Among all apps; these are marked, each with its newest good backup.
    pub fn new(world: &World, meant: &[String]) -> Self {
        let apps = world.fleet.iter().flat_map(|fleet| &fleet.apps);
        let rows: Vec<Row> = apps
            .map(|app| Row {
                app: app.id.app.clone(),
                is_marked: meant.contains(&app.id.app),
                choice: Choice::Latest,
            })
            .collect();
        Self {
            at: rows.iter().position(|row| row.is_marked).unwrap_or(0),
            rows,
            force: false,
            has_safety: true,
            moment: None,
        }
    }

    /// Takes this backup of this app.
    pub fn pick(&mut self, app: &str, choice: Choice) {
        if let Some(row) = self.rows.iter_mut().find(|row| row.app == app) {
            row.choice = choice;
            row.is_marked = true;
        }
    }

    fn order(&self) -> Order {
        let marked = self.rows.iter().filter(|row| row.is_marked);
        let mut parameters = BTreeMap::new();
        if self.force {
            parameters.insert("force".to_owned(), "true".to_owned());
        }
        if !self.has_safety {
            parameters.insert("safety-backup".to_owned(), "false".to_owned());
        }
        Order {
            job: Job::Restore,
            picks: marked.map(|row| (row.app.clone(), row.choice.clone())).collect(),
            parameters,
        }
    }

    fn typed(&mut self, key: Key, world: &mut World) -> Step {
        let Some(input) = &mut self.moment else {
            return Step::stay();
        };
        match key {
            Key::Escape => self.moment = None,
            Key::Enter => match moment(input.text(), world.now) {
                Ok(moment) => {
                    for row in self.rows.iter_mut().filter(|row| row.is_marked) {
                        row.choice = Choice::AsOf(moment);
                    }
                    self.moment = None;
                }
                Err(reason) => world.notice = Some(Problem::bare(Kind::Usage, reason)),
            },
            key => input.key(key),
        }
        Step::stay()
    }
}

impl Screen for Choose {
    fn title(&self, _world: &World) -> String {
        "restore: which apps, and as of when".to_owned()
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        if self.moment.is_some() {
            return vec![("Enter", "take it for all marked"), ("Esc", "do not")];
        }
        vec![
            ("Enter", "go on"),
            ("Space", "mark"),
            ("p", "pick its backup"),
            ("t", "a time for all marked"),
            ("n", "newest"),
            ("f", "force on or off"),
            ("s", "safety backup on or off"),
            ("a", "mark all or none"),
            ("Esc", "back"),
            ("q", "leave"),
        ]
    }

    fn is_typing(&self) -> bool {
        self.moment.is_some()
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        if self.moment.is_some() {
            return self.typed(key, world);
        }
        if let Some(at) = moved(key, self.at, self.rows.len()) {
            self.at = at;
            return Step::stay();
        }
        let all = self.rows.iter().all(|row| row.is_marked);
        match (key, self.rows.get_mut(self.at)) {
            (Key::Char(' '), Some(row)) => row.is_marked = !row.is_marked,
            (Key::Char('n'), Some(row)) => row.choice = Choice::Latest,
            (Key::Char('p'), Some(row)) => return Step::open(Timeline::of(row.app.clone(), true)),
            (Key::Char('a'), _) => self.rows.iter_mut().for_each(|row| row.is_marked = !all),
            (Key::Char('t'), _) => self.moment = Some(Input::default()),
            (Key::Char('f'), _) => self.force = !self.force,
            (Key::Char('s'), _) => self.has_safety = !self.has_safety,
            (Key::Char('q'), _) => return Step::stay().and(Effect::Quit),
            (Key::Escape, _) => return Step::go(Go::Back),
            (Key::Enter, _) => {
                let order = self.order();
                if !order.picks.is_empty() {
                    return Waiting::plan(order, world);
                }
                world.notice = Some(Problem::new(
                    Kind::Usage,
                    "no app is marked",
                    "Space marks one, a all",
                ));
            }
            _ => {}
        }
        Step::stay()
    }

    fn picked(&mut self, app: &str, choice: Choice) {
        self.pick(app, choice);
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let theme = world.theme;
        let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(6)]).areas(area);
        let header = format!(
            "      {}{}{}{}SIZE",
            column("APP", 18),
            column("BACKUP", 9),
            column("STARTED", 22),
            column("AGE", 8),
        );
        let mut lines = vec![Line::from(theme.text(header, Tone::Faint))];
        for number in window(
            self.rows.len(),
            self.at,
            usize::from(top.height).saturating_sub(1),
        ) {
            if let Some(row) = self.rows.get(number) {
                lines.push(row.line(number == self.at, usize::from(top.width), world));
            }
        }
        Paragraph::new(lines).render(top, buffer);
        let force = match self.force {
            true => "[x] force: what the charm would hold back is restored too",
            false => "[ ] force: the charm holds back what does not fit, such as a later version",
        };
        let safety = match self.has_safety {
            true => "[x] safety backup: what there is now is backed up first",
            false => "[ ] safety backup: none is made, there will be no way back",
        };
        let mut below = vec![Line::default(), Line::from(force), Line::from(safety)];
        if let Some(input) = &self.moment {
            below.push(Line::default());
            below.push(Line::from(theme.text(
                format!(
                    "As of (2026-11-20, 2026-11-20T03:00, 3 days ago): {}_",
                    input.text()
                ),
                Tone::Plain,
            )));
        }
        Paragraph::new(below)
            .wrap(Wrap { trim: false })
            .render(bottom, buffer);
    }
}

impl Row {
    fn line(&self, is_pointed: bool, width: usize, world: &World) -> Line<'static> {
        let theme = world.theme;
        let mark = if self.is_marked { "[x] " } else { "[ ] " };
        let name = format!("{}{mark}{}", pointer(is_pointed), column(&self.app, 18));
        let mut spans = vec![Span::styled(name, theme.pointed(is_pointed))];
        let rest = width.saturating_sub(24);
        match world.app(&self.app).map(|app| self.chosen(app, world)) {
            Some(Ok((word, when, old, bytes))) => spans.extend([
                Span::raw(column(word, 9)),
                Span::raw(column(when, 22)),
                Span::raw(column(old, 8)),
                Span::raw(bytes),
            ]),
            Some(Err(why)) => {
                spans.push(theme.text(column(why, rest).trim_end(), Tone::Warning));
            }
            None => spans.push(theme.text("it is gone", Tone::Warning)),
        }
        Line::from(spans)
    }

    /// What is chosen, as it is now; or why nothing can be.
    fn chosen(&self, app: &App, world: &World) -> Result<(&'static str, String, String, String), String> {
        if app.juju.is_none() {
            return Err("not deployed: mark it, and Enter says how it comes back".to_owned());
        }
        let backup =
            choose(&app.backups, &self.choice, &app.id, world.now).map_err(|error| error.to_string())?;
        let word = match self.choice {
            Choice::Latest => "newest",
            Choice::Named(_) => "picked",
            Choice::AsOf(_) => "as of",
        };
        let dash = || "-".to_owned();
        Ok((
            word,
            backup.started.map_or_else(dash, time),
            backup
                .started
                .map_or_else(dash, |started| age(started, world.now)),
            backup.holds.bytes().map_or_else(|| "snapshot".to_owned(), size),
        ))
    }
}
