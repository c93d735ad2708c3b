//! The terminal: taken, and given back as it was, however the wizard ends.

use std::io::{self, Stdout, Write};
use std::sync::Once;
use std::time::Duration;

use crossterm::event::{Event as Raw, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use crossterm::terminal::{EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode};
use crossterm::{cursor, execute};
use ratatui::Terminal;
use ratatui::backend::CrosstermBackend;
use tokio::time::Instant;

use super::event::Key;

/// As long lies between two frames at least: ten a second are enough over a slow line.
const FRAME: Duration = Duration::from_millis(100);

/// A terminal that was taken. Dropping it gives it back.
pub struct Taken {
    terminal: Terminal<CrosstermBackend<Stdout>>,
}

impl Taken {
    /// Takes it. A panic gives it back before it says anything.
    ///
    /// # Errors
    /// When it is no terminal, or cannot be written.
    pub fn take() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                give_back();
                before(info);
            }));
        });
        enable_raw_mode()?;
        let entered = execute!(io::stdout(), EnterAlternateScreen, cursor::Hide);
        let terminal = entered.and_then(|()| Terminal::new(CrosstermBackend::new(io::stdout())));
        match terminal {
            Ok(terminal) => Ok(Self { terminal }),
            Err(error) => {
                give_back();
                Err(error)
            }
        }
    }

    /// Draws; only what differs from what is seen is sent.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn draw(&mut self, what: impl ratatui::widgets::Widget) -> io::Result<()> {
        self.terminal
            .draw(|frame| frame.render_widget(what, frame.area()))
            .map(drop)
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        give_back();
    }
}

/// Gives it back. What cannot be done here nobody could do better.
fn give_back() {
    let _ = execute!(io::stdout(), LeaveAlternateScreen, cursor::Show);
    let _ = disable_raw_mode();
    let _ = io::stdout().flush();
}

/// When the next frame may be drawn.
#[derive(Debug, Default)]
pub struct Pace {
    last: Option<Instant>,
    is_due: bool,
}

impl Pace {
    /// Something changed.
    pub const fn changed(&mut self) {
        self.is_due = true;
    }

    /// From when on a frame may be drawn; `None` if there is nothing to draw.
    pub fn due(&self) -> Option<Instant> {
        let last = self.last;
        self.is_due
            .then(|| last.map_or_else(Instant::now, |last| last + FRAME))
    }

    /// A frame was drawn.
    pub const fn drawn(&mut self, now: Instant) {
        self.is_due = false;
        self.last = Some(now);
    }
}

/// What a terminal's event means here.
pub fn key(event: &Raw) -> Option<Key> {
    let Raw::Key(KeyEvent {
        code,
        modifiers,
        kind: KeyEventKind::Press | KeyEventKind::Repeat,
        ..
    }) = event
    else {
        return None;
    };
    if modifiers.intersects(KeyModifiers::CONTROL | KeyModifiers::ALT) {
        return match code {
            KeyCode::Char('c') if modifiers.contains(KeyModifiers::CONTROL) => Some(Key::Interrupt),
            _ => None,
        };
    }
    Some(match code {
        KeyCode::Up => Key::Up,
        KeyCode::Down => Key::Down,
        KeyCode::PageUp => Key::PageUp,
        KeyCode::PageDown => Key::PageDown,
        KeyCode::Home => Key::Home,
        KeyCode::End => Key::End,
        KeyCode::Enter => Key::Enter,
        KeyCode::Esc => Key::Escape,
        KeyCode::Backspace => Key::Backspace,
        KeyCode::Char(character) => Key::Char(*character),
        _ => return None,
    })
}
