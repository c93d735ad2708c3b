//! Text from a cluster, made fit for a terminal.

/// The text with everything escaped that a terminal would obey instead of showing it: control characters, line ends
/// among them, and the characters that turn the direction of what follows or have no width.
pub fn shown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            safe.extend(character.escape_default());
        } else {
            safe.push(character);
        }
    }
    safe
}

/// Whether a terminal would obey the character instead of showing it, or shows nothing for it.
pub fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Soft hyphen; Arabic letter mark; Hangul and Mongolian fillers; widths, directions and lines; tags.
            '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
                | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}'
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
        assert_eq!(shown("a\u{61c}\u{ad}\u{e0041}"), "a\\u{61c}\\u{ad}\\u{e0041}");
    }

    #[test]
    fn words_of_any_language_stay() {
        assert_eq!(shown("Größe „3“ – 設定 \"x\""), "Größe „3“ – 設定 \"x\"");
    }
}
