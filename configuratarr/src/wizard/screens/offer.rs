//! A run that was interrupted is offered.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use ratatui::widgets::{Paragraph, Widget, Wrap};

use super::{Go, KeyHelp, ProgressScreen, Screen, Step, moved};
use crate::run::{Progress, Run};
use crate::wizard::event::{Effect, Key};
use crate::wizard::state::World;
use crate::wizard::theme::{column, pointer, window};

/// Runs that are not at their end.
#[derive(Debug)]
pub struct Offer {
    runs: Vec<Run>,
    at: usize,
}

impl Offer {
    /// These, the oldest first. The last one is pointed at.
    pub fn new(runs: Vec<Run>) -> Self {
        Self {
            at: runs.len().saturating_sub(1),
            runs,
        }
    }
}

impl Screen for Offer {
    fn title(&self, _world: &World) -> String {
        "a run was interrupted".to_owned()
    }

    fn keys(&self, _world: &World) -> Vec<KeyHelp> {
        vec![
            ("Enter", "go on with it"),
            ("Esc", "not now"),
            ("Up Down", "another one"),
            ("q", "leave"),
        ]
    }

    fn key(&mut self, key: Key, world: &mut World) -> Step {
        if let Some(at) = moved(key, self.at, self.runs.len()) {
            self.at = at;
            return Step::stay();
        }
        match (key, self.runs.get(self.at)) {
            (Key::Enter, Some(run)) => ProgressScreen::resume(run.id.clone(), world),
            (Key::Escape, _) => Step::go(Go::Back),
            (Key::Char('q'), _) => Step::stay().and(Effect::Quit),
            _ => Step::stay(),
        }
    }

    fn draw(&self, world: &World, area: Rect, buffer: &mut Buffer) {
        let mut lines = vec![
            Line::from("Not at its end. What was started went on in Juju meanwhile:"),
            Line::default(),
        ];
        let rows = usize::from(area.height).saturating_sub(6) / 2;
        for number in window(self.runs.len(), self.at, rows) {
            let Some(run) = self.runs.get(number) else {
                continue;
            };
            let is_pointed = number == self.at;
            lines.push(Line::from(Span::styled(
                format!(
                    "{}{} in model {}",
                    pointer(is_pointed),
                    column(&run.id, 30),
                    column(&run.plan.juju_model, 40).trim_end()
                ),
                world.theme.pointed(is_pointed),
            )));
            let apps = run.plan.items.iter().zip(&run.progress);
            let apps: Vec<String> = apps
                .map(|(item, progress)| format!("{}: {}", item.app, word(progress)))
                .collect();
            let width = usize::from(area.width).saturating_sub(4);
            lines.push(Line::from(format!(
                "    {}",
                column(apps.join(", "), width).trim_end()
            )));
        }
        lines.push(Line::default());
        lines.push(Line::from(
            "Enter follows it to its end; nothing that was started is started twice.",
        ));
        Paragraph::new(lines)
            .wrap(Wrap { trim: false })
            .render(area, buffer);
    }
}

const fn word(progress: &Progress) -> &'static str {
    match progress {
        Progress::Planned => "not begun",
        Progress::Starting { .. } => "perhaps begun",
        Progress::Started { .. } | Progress::Importing { .. } => "under way",
        Progress::Done { .. } | Progress::Imported { .. } => "done",
        Progress::Failed { .. } => "FAILED",
    }
}
