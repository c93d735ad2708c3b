//! A line that is typed.

use super::event::Key;

/// So many characters are taken: a path of a file has room, and a paste by mistake does not fill the screen.
const LONGEST: usize = 400;

/// A line that is typed. Only its end is edited.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Input {
    text: String,
}

impl Input {
    /// A line that begins with this.
    pub fn of(text: impl Into<String>) -> Self {
        Self { text: text.into() }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Takes a key, if it is one that types.
    pub fn key(&mut self, key: Key) {
        match key {
            Key::Char(character) if !character.is_control() && self.text.chars().count() < LONGEST => {
                self.text.push(character);
            }
            Key::Backspace => {
                self.text.pop();
            }
            _ => {}
        }
    }

    /// Takes all of it back.
    pub fn clear(&mut self) {
        self.text.clear();
    }
}
