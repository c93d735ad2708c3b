//! Text from a cluster, made fit for a terminal.

/// The text with everything escaped that a terminal would obey instead of showing it: control characters, line ends
/// among them, and the characters that turn the direction of what follows or have no width.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() || is_invisible(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

fn is_invisible(character: char) -> bool {
    matches!(
        character,
        '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_reaches_a_terminal_that_it_would_obey() {
        assert_eq!(
            shown("a\x1b[2Jb\r\nc\u{7f}\u{9b}1m"),
            "a\\u{1b}[2Jb\\r\\nc\\u{7f}\\u{9b}1m"
        );
        assert_eq!(shown("\u{202e}gnp.exe\u{feff}"), "\\u{202e}gnp.exe\\u{feff}");
    }

    #[test]
    fn words_of_any_language_stay() {
        assert_eq!(shown("Größe „3“ – 設定 \"x\""), "Größe „3“ – 設定 \"x\"");
    }
}
