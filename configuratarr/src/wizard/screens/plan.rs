//! The plan with the commands that it stands for. It is begun from here, a restore by typing what is meant.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Go, KeyHelp, ProgressScreen, Screen, Step};
use crate::plan::{Job, Plan};
use crate::printer::Tone;
use crate::wizard::event::{Effect, Key};
use crate::wizard::input::Input;
use crate::wizard::state::World;

/// A plan.
#[derive(Debug)]
pub struct PlanScreen {
    plan: Plan,
    scroll: u16,
    typed: Input,
    is_wrong: bool,
}

impl PlanScreen {
    /// This plan.
    pub fn new(plan: Plan) -> Self {
        Self {
            plan,
            scroll: 0,
            typed: Input::default(),
            is_wrong: false,
        }
    }

    /// A restore replaces what there is: that has to be meant. The others change nothing of the app.
    fn is_confirmed(&self) -> bool {
        self.plan.job != Job::Restore
    }

    fn lines(&self, world: &World) -> Vec<Line<'static>> {
        world.theme.page(&self.plan.page(world.now))
    }
}

impl Screen for PlanScreen {
    fn title(&self, _world: &World) -> String {
        format!("plan: {}", self.plan.job.word())
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        let mut keys = vec![("Enter", "begin"), ("Esc", "back"), ("Up Down", "scroll")];
        if self.is_confirmed() {
            keys.push(("q", "leave"));
        }
        keys
    }

    fn is_typing(&self) -> bool {
        !self.is_confirmed()
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        self.is_wrong = false;
        match key {
            Key::Escape => Step::go(Go::Back),
            Key::Up => {
                self.scroll = self.scroll.saturating_sub(1);
                Step::stay()
            }
            Key::Down => {
                self.scroll = self.scroll.saturating_add(1).min(self.longest_scroll());
                Step::stay()
            }
            Key::Char('q') if self.is_confirmed() => Step::stay().and(Effect::Quit),
            Key::Enter if self.is_confirmed() || self.typed.text().trim() == self.plan.password() => {
                ProgressScreen::begin(self.plan.clone(), world)
            }
            Key::Enter => {
                self.is_wrong = true;
                self.typed.clear();
                Step::stay()
            }
            key => {
                if !self.is_confirmed() {
                    self.typed.key(key);
                }
                Step::stay()
            }
        }
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let [top, bottom] = Layout::vertical([Constraint::Fill(1), Constraint::Length(4)]).areas(area);
        Paragraph::new(self.lines(world))
            .wrap(Wrap { trim: false })
            .scroll((self.scroll, 0))
            .render(top, buffer);
        let mut question = vec![Line::default()];
        if self.is_confirmed() {
            question.push(Line::from("Enter begins it. The app goes on as it is."));
        } else {
            question.push(Line::from(
                "Each app is stopped only while its content is exchanged.",
            ));
            question.push(Line::from(format!(
                "Type \"{}\" and Enter to begin: {}_",
                self.plan.password(),
                self.typed.text()
            )));
            if self.is_wrong {
                question.push(Line::from(
                    world
                        .theme
                        .text("That is not it; nothing was begun.", Tone::Warning),
                ));
            }
        }
        Paragraph::new(question)
            .wrap(Wrap { trim: false })
            .render(bottom, buffer);
    }
}

impl PlanScreen {
    /// No further than its last line: each is taken to fill two rows at most.
    fn longest_scroll(&self) -> u16 {
        let lines = 2 * (self.plan.items.len() * 2 + self.plan.left_out.len() * 2 + 3);
        u16::try_from(lines).unwrap_or(u16::MAX)
    }
}
