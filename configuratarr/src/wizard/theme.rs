//! How things look: by words and markers, and by colours only where there are some.

use config_recovery::shown::shown;
use ratatui::style::{Color, Modifier, Style};
use ratatui::text::{Line, Span};

use crate::printer::{Page, Tone};

/// Whether there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Theme {
    /// Whether the terminal has colours, and nobody refused them.
    pub colors: bool,
}

impl Theme {
    /// The style of what is meant so.
    pub fn tone(self, tone: Tone) -> Style {
        let style = match tone {
            Tone::Bad => Style::new().add_modifier(Modifier::BOLD),
            Tone::Faint if self.colors => Style::new().add_modifier(Modifier::DIM),
            _ => Style::new(),
        };
        match (self.colors, tone) {
            (true, Tone::Good) => style.fg(Color::Green),
            (true, Tone::Warning) => style.fg(Color::Yellow),
            (true, Tone::Bad) => style.fg(Color::Red),
            _ => style,
        }
    }

    /// The style of what is pointed at. Its line begins with `>` too.
    pub fn pointed(self, is_pointed: bool) -> Style {
        match is_pointed {
            true => Style::new().add_modifier(Modifier::BOLD),
            false => Style::new(),
        }
    }

    /// A page as lines.
    pub fn page(self, page: &Page) -> Vec<Line<'static>> {
        let line = |pieces: Vec<(String, Tone)>| {
            let spans = pieces
                .into_iter()
                .map(|(text, tone)| Span::styled(text, self.tone(tone)));
            Line::from_iter(spans)
        };
        page.pieces().into_iter().map(line).collect()
    }

    /// A text that is meant so. Whoever wrote it: what a terminal would obey is escaped.
    pub fn text(self, text: impl AsRef<str>, tone: Tone) -> Span<'static> {
        Span::styled(shown(text.as_ref()), self.tone(tone))
    }
}

/// The marker before a line: whether it is pointed at.
pub const fn pointer(is_pointed: bool) -> &'static str {
    if is_pointed { "> " } else { "  " }
}

/// A text in a column of this width; what does not fit ends with `…`. Escaped as [`Theme::text`].
pub fn column(text: impl AsRef<str>, width: usize) -> String {
    let text = shown(text.as_ref());
    let cut = console::truncate_str(&text, width, "…");
    console::pad_str(&cut, width, console::Alignment::Left, None).into_owned()
}

/// Which of so many lines are seen in so many rows, with this one among them.
pub fn window(len: usize, pointed: usize, rows: usize) -> std::ops::Range<usize> {
    let from = pointed.saturating_sub(rows / 2).min(len.saturating_sub(rows));
    from..(from + rows).min(len)
}

/// `[#####-----]`: how much of it is there.
pub fn bar(done: u64, total: u64, width: usize) -> String {
    let filled = u128::from(done.min(total)) * width as u128;
    let filled = filled.checked_div(u128::from(total)).unwrap_or(width as u128);
    let filled = usize::try_from(filled).unwrap_or(width).min(width);
    format!("[{}{}]", "#".repeat(filled), "-".repeat(width - filled))
}

/// A span of time: `3 min 20 s`.
pub fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds % 3600 / 60),
    }
}
