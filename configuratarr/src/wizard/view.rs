//! What all screens have in common: title, keys, help, log, and what did not work. Pure.

use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Layout, Rect};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Paragraph, Widget, Wrap};

use super::screens::KeyHelp;
use super::state::State;
use super::theme::column;
use crate::printer::Tone;

/// The smallest terminal in which all of it has room.
pub const SMALLEST: (u16, u16) = (80, 24);

/// Keys that every screen has.
const EVERYWHERE: [KeyHelp; 4] = [
    ("?", "these keys"),
    ("l", "show or hide the log"),
    ("[ ]", "scroll the log"),
    ("Ctrl-C", "leave at once; what was started goes on in Juju"),
];

impl Widget for &State {
    fn render(self, area: Rect, buffer: &mut Buffer) {
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            let text = format!(
                "{}x{} is too small: make the terminal at least {}x{}, or leave with Ctrl-C and use configuratarr status.",
                area.width, area.height, SMALLEST.0, SMALLEST.1
            );
            Paragraph::new(text)
                .wrap(Wrap { trim: false })
                .render(area, buffer);
            return;
        }
        let world = &self.world;
        let theme = world.theme;
        let notice = self.notice();
        let log = match world.log.is_open {
            true => (area.height / 3).max(6),
            false => 0,
        };
        let [title, rule, body, notice_area, log_area, below, keys] = Layout::vertical([
            Constraint::Length(1),
            Constraint::Length(1),
            Constraint::Fill(1),
            Constraint::Length(notice.1),
            Constraint::Length(log),
            Constraint::Length(1),
            Constraint::Length(1),
        ])
        .areas(area);
        let line = || "─".repeat(usize::from(area.width));
        let text = format!("configuratarr: {}", self.screen().title(world));
        let text = column(text, usize::from(area.width));
        Paragraph::new(theme.text(text.trim_end(), Tone::Plain)).render(title, buffer);
        Paragraph::new(theme.text(line(), Tone::Faint)).render(rule, buffer);
        self.screen().draw(world, body, buffer);
        notice.0.render(notice_area, buffer);
        if log > 0 {
            let width = usize::from(area.width);
            let rows = usize::from(log).saturating_sub(1);
            let mut lines = vec![Line::from(theme.text("── log, times in UTC ──", Tone::Faint))];
            lines.extend(
                world
                    .log
                    .shown(rows)
                    .map(|text| Line::from(column(text, width).trim_end().to_owned())),
            );
            Paragraph::new(lines).render(log_area, buffer);
        }
        Paragraph::new(theme.text(line(), Tone::Faint)).render(below, buffer);
        Paragraph::new(theme.text(self.footer(usize::from(area.width)), Tone::Plain)).render(keys, buffer);
        if self.has_help {
            self.help(body, buffer);
        }
    }
}

impl State {
    /// What did not work, with the next step, and how many rows it takes.
    fn notice(&self) -> (Paragraph<'static>, u16) {
        let theme = self.world.theme;
        let Some(problem) = &self.world.notice else {
            return (Paragraph::default(), 0);
        };
        let mut lines = vec![Line::from(theme.text(format!("! {}", problem.text), Tone::Bad))];
        if let Some(next) = &problem.next {
            lines.push(Line::from(theme.text(format!("  next: {next}"), Tone::Plain)));
        }
        (Paragraph::new(lines).wrap(Wrap { trim: false }), 4)
    }

    /// As many keys as there is room for; `?` always.
    fn footer(&self, width: usize) -> String {
        let help = "? help";
        let mut text = String::new();
        for (key, what) in self.screen().keys(&self.world) {
            let more = format!("{key} {what}   ");
            if text.len() + more.len() + help.len() > width {
                break;
            }
            text.push_str(&more);
        }
        match self.screen().is_typing() {
            true => text.trim_end().to_owned(),
            false => text + help,
        }
    }

    fn help(&self, area: Rect, buffer: &mut Buffer) {
        Clear.render(area, buffer);
        let mut lines = vec![Line::from("Keys here; any key goes back:"), Line::default()];
        let keys = self.screen().keys(&self.world);
        let all = keys.iter().chain(&EVERYWHERE);
        lines.extend(all.map(|(key, what)| Line::from(format!("  {}{what}", column(key, 12)))));
        Paragraph::new(lines).render(area, buffer);
    }
}
