//! What came of a run. It can be saved.

use std::path::PathBuf;

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Go, KeyHelp, Screen, Step};
use crate::plan::Job;
use crate::printer::Tone;
use crate::report::run_page;
use crate::run::{Ended, Run};
use crate::wizard::event::{Effect, Key, SaveError};
use crate::wizard::input::Input;
use crate::wizard::state::World;

/// What came of a run.
#[derive(Debug)]
pub struct ReportScreen {
    run: Run,
    /// Why it is not at its end, and what to do.
    unfinished: Option<(String, String)>,
    scroll: u16,
    saving: Saving,
    saved: Option<String>,
}

/// Where the saving stands.
#[derive(Debug)]
enum Saving {
    Not,
    /// The path is typed.
    Asked(Input),
    /// It is being written.
    Under(String),
    /// There is a file of that name.
    Exists(String),
}

impl ReportScreen {
    /// Of this run, which ended so.
    pub fn new(run: Run, ended: &Ended, world: &World) -> Self {
        let resume = match ended {
            Ended::Elsewhere(_, resume) => resume,
            _ => &world.resume,
        };
        let resume = resume.command(&run.id);
        let unfinished = match ended {
            Ended::Over => None,
            Ended::Interrupted => Some(("you left it; what was started goes on in Juju".to_owned(), resume)),
            Ended::Lost(problem) | Ended::Stuck(problem) | Ended::Elsewhere(problem, _) => Some((
                match ended {
                    Ended::Stuck(_) | Ended::Elsewhere(..) => problem.text.clone(),
                    _ => format!("{}; what was started goes on in Juju", problem.text),
                },
                match &problem.next {
                    Some(next) => format!("{next}; then {resume}"),
                    None => resume,
                },
            )),
        };
        Self {
            run,
            unfinished,
            scroll: 0,
            saving: Saving::Not,
            saved: None,
        }
    }

    fn default_name(&self) -> String {
        format!("configuratarr-{}.txt", self.run.id)
    }

    /// The report as a file has it: a document of the schema of runs where its name says so, text for people otherwise.
    fn text(&self, path: &str, world: &World) -> String {
        if path.ends_with(".json")
            && let Ok(text) = serde_json::to_string_pretty(&self.run)
        {
            return text + "\n";
        }
        let plan = self.run.plan.page(world.now);
        let mut lines = vec![
            format!("configuratarr {}: run {}", env!("CARGO_PKG_VERSION"), self.run.id),
            format!("planned {}, reported {}", self.run.plan.made, world.now),
            String::new(),
        ];
        if let Some((why, next)) = &self.unfinished {
            lines.extend([
                format!("NOT FINISHED: {why}"),
                format!("next: {next}"),
                String::new(),
            ]);
        }
        lines.extend(run_page(&self.run).lines(false));
        lines.push(String::new());
        lines.extend(plan.lines(false));
        lines.extend([String::new(), "Log, times in UTC:".to_owned()]);
        lines.extend(world.log.all().map(config_recovery::shown::shown));
        lines.join("\n") + "\n"
    }

    fn save(&mut self, path: String, overwrite: bool, world: &World) -> Step {
        let text = self.text(&path, world);
        self.saving = Saving::Under(path.clone());
        Step::stay().and(Effect::Save {
            path,
            text,
            overwrite,
        })
    }
}

impl Screen for ReportScreen {
    fn title(&self, _world: &World) -> String {
        format!("report of run {}", self.run.id)
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        match self.saving {
            Saving::Asked(_) => vec![("Enter", "save"), ("Esc", "do not")],
            Saving::Exists(_) => vec![("y", "replace the file"), ("n", "another name")],
            Saving::Under(_) => vec![],
            Saving::Not => vec![
                ("s", "save"),
                ("Enter", "to the apps"),
                ("Up Down", "scroll"),
                ("l", "log"),
                ("q", "leave"),
            ],
        }
    }

    fn is_typing(&self) -> bool {
        matches!(self.saving, Saving::Asked(_))
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        match (&mut self.saving, key) {
            (Saving::Asked(_), Key::Escape) => self.saving = Saving::Not,
            (Saving::Asked(path), Key::Enter) => {
                let path = path.text().trim().to_owned();
                if !path.is_empty() {
                    return self.save(path, false, world);
                }
            }
            (Saving::Asked(path), key) => path.key(key),
            (Saving::Exists(path), Key::Char('y')) => {
                let path = path.clone();
                return self.save(path, true, world);
            }
            (Saving::Exists(path), _) => self.saving = Saving::Asked(Input::of(path.clone())),
            (Saving::Under(_), _) => {}
            (Saving::Not, Key::Char('s')) => self.saving = Saving::Asked(Input::of(self.default_name())),
            (Saving::Not, Key::Char('q')) => return Step::stay().and(Effect::Quit),
            (Saving::Not, Key::Enter | Key::Escape) => return Step::go(Go::Home),
            (Saving::Not, Key::Up) => self.scroll = self.scroll.saturating_sub(1),
            (Saving::Not, Key::Down) => {
                let longest = run_page(&self.run).lines(false).len() + 2;
                let longest = u16::try_from(longest).unwrap_or(u16::MAX);
                self.scroll = self.scroll.saturating_add(1).min(longest);
            }
            (Saving::Not, _) => {}
        }
        Step::stay()
    }

    fn saved(&mut self, saved: Result<PathBuf, SaveError>, world: &mut World) -> Step {
        let Saving::Under(typed) = &self.saving else {
            return Step::stay();
        };
        let typed = typed.clone();
        match saved {
            Ok(path) => {
                self.saved = Some(format!("Saved to {}.", path.display()));
                self.saving = Saving::Not;
            }
            Err(SaveError::Exists(_)) => self.saving = Saving::Exists(typed),
            Err(SaveError::Failed(problem)) => {
                world.notice = Some(problem);
                self.saving = Saving::Asked(Input::of(typed));
            }
        }
        Step::stay()
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let theme = world.theme;
        let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(3)]).areas(area);
        let mut lines = Vec::new();
        if let Some((why, next)) = &self.unfinished {
            lines.push(Line::from(
                theme.text(format!("not finished: {why}"), Tone::Warning),
            ));
            lines.push(Line::from(theme.text(format!("next: {next}"), Tone::Plain)));
        }
        lines.extend(theme.page(&run_page(&self.run)));
        if self.run.plan.job == Job::Restore && self.run.is_done() {
            lines.push(Line::from(
                "next: open the app and look; configuratarr status shows the next backup",
            ));
        }
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .scroll((self.scroll, 0))
            .render(top, buffer);
        let below = match &self.saving {
            Saving::Not => self.saved.clone().unwrap_or_default(),
            Saving::Asked(path) => format!("Save to (.json: as data): {}_", path.text()),
            Saving::Under(path) => format!("Saving to {path} …"),
            Saving::Exists(path) => {
                format!("There is a file {path}. Replace it? y replaces it, any other key does not.")
            }
        };
        Paragraph::new(vec![Line::default(), Line::from(theme.text(below, Tone::Plain))])
            .wrap(Wrap { trim: false })
            .render(bottom, buffer);
    }
}
