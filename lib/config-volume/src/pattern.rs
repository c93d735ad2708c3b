//! Patterns as Velero's uploader (kopia) reads them from `.kopiaignore`.
//!
//! What a backup will hold has to be told beforehand, so this follows kopia's own matcher (`internal/wcmatch` and
//! `fs/ignorefs` of the fork that Velero 1.15 builds with), odd cases included. `tests/kopia-patterns.json` is a table
//! made by that Go code, and holds this module to it.

/// One line of an ignore file, parsed.
#[derive(Debug, Clone)]
pub struct Pattern {
    text: String,
    tokens: Vec<Token>,
    folders_only: bool,
    negated: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    AnyChar,
    Separator,
    Star { across_folders: bool },
    Char(char),
    Sequence { items: Vec<Item>, negated: bool },
}

#[derive(Debug, Clone, PartialEq)]
enum Item {
    Char(char),
    Range(char, char),
    Class(Class),
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    Alnum,
    Alpha,
    Ascii,
    Blank,
    Cntrl,
    Digit,
    Graph,
    Lower,
    Print,
    Punct,
    Space,
    Upper,
    Xdigit,
}

/// The characters of a name as Go sees them: each byte that is no UTF-8 becomes one U+FFFD.
pub(crate) fn runes(bytes: &[u8]) -> Vec<char> {
    let mut out = Vec::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.extend(chunk.valid().chars());
        out.extend(chunk.invalid().iter().map(|_| char::REPLACEMENT_CHARACTER));
    }
    out
}

struct Scanner {
    text: Vec<char>,
    at: usize,
}

impl Scanner {
    fn peek(&self, ahead: isize) -> char {
        self.at
            .checked_add_signed(ahead)
            .and_then(|at| self.text.get(at))
            .copied()
            .unwrap_or('\0')
    }

    fn read(&mut self) -> char {
        let next = self.peek(0);
        if next != '\0' {
            self.at += 1;
        }
        next
    }

    fn ended(&self) -> bool {
        self.at >= self.text.len()
    }

    fn distance_to(&self, wanted: char) -> Option<usize> {
        self.text.get(self.at..)?.iter().position(|c| *c == wanted)
    }
}

const BACKSLASH_AT_END: &str = "it ends after a backslash; write two for a backslash in a name";

impl Pattern {
    /// Reads one line. `base` is the folder of the ignore file: empty for the root of the volume, else `/sub/folder`.
    ///
    /// # Errors
    /// What is wrong with the line, in words. kopia fails the whole backup for the same lines.
    pub fn parse(line: &[u8], base: &[u8]) -> Result<Self, String> {
        let mut chars = runes(line);
        // kopia trims when the last character but one is no backslash; it looks at bytes.
        if line.len() > 2 && line.get(line.len() - 2) != Some(&b'\\') {
            let text: String = chars.iter().collect();
            chars = text.trim().chars().collect();
        }
        let whole: String = chars.iter().collect();
        let mut scan = Scanner { text: chars, at: 0 };
        while scan.peek(0).is_whitespace() {
            scan.at += 1;
        }
        let negated = scan.peek(0) == '!';
        if negated {
            scan.at += 1;
        }
        let rooted = scan.peek(0) == '/';
        let mut tokens = Vec::new();
        if !base.is_empty() && !whole.is_empty() {
            tokens.extend(runes(base).into_iter().map(|c| {
                if c == '/' {
                    Token::Separator
                } else {
                    Token::Char(c)
                }
            }));
            if !rooted {
                tokens.push(Token::Separator);
            }
        }
        if !rooted && whole != "**" && !whole.is_empty() {
            match scan.distance_to('/') {
                Some(slash) if slash + 1 + scan.at != scan.text.len() => {
                    if base.is_empty() {
                        tokens.push(Token::Separator);
                    }
                }
                _ => tokens.extend([Token::Star { across_folders: true }, Token::Separator]),
            }
        }
        let folders_only = scan.text.last() == Some(&'/');
        if folders_only {
            scan.text.pop();
        }
        loop {
            match scan.read() {
                '\0' => break,
                '\\' => {
                    if scan.ended() {
                        return Err(BACKSLASH_AT_END.to_owned());
                    }
                    tokens.push(Token::Char(scan.read()));
                }
                '?' => tokens.push(Token::AnyChar),
                '/' => tokens.push(Token::Separator),
                '*' => tokens.push(star(&mut scan)),
                '[' => tokens.push(sequence(&mut scan)?),
                other => tokens.push(Token::Char(other)),
            }
        }
        Ok(Self {
            text: whole,
            tokens,
            folders_only,
            negated,
        })
    }

    /// The line as it was written, trimmed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether the line names one path and no other.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.path().is_some()
    }

    /// The path that the line names, with a leading `/`, where that is one and no other.
    #[must_use]
    pub fn path(&self) -> Option<String> {
        let plain = |token: &Token| match token {
            Token::Char(own) => Some(*own),
            Token::Separator => Some('/'),
            _ => None,
        };
        self.tokens.iter().map(plain).collect()
    }

    /// Whether the line begins with `!`: it takes back what an earlier one left out.
    #[must_use]
    pub fn is_negated(&self) -> bool {
        self.negated
    }

    /// Whether an entry that so far is left out (`so_far`) is left out when this line has been read too.
    #[must_use]
    pub fn leaves_out(&self, so_far: bool, path: &[char], is_folder: bool) -> bool {
        if so_far != self.negated {
            return so_far;
        }
        if self.folders_only && !is_folder {
            return self.negated;
        }
        self.matches(path) != self.negated
    }

    /// Whether the path (with a leading `/`) matches, the negation and the trailing `/` aside.
    ///
    /// All positions of the path that the tokens so far can reach go on together, so that a hostile pattern costs its
    /// length times that of the path and no more.
    fn matches(&self, path: &[char]) -> bool {
        let none = vec![false; path.len() + 1];
        let mut here = none.clone();
        if let Some(start) = here.first_mut() {
            *start = true;
        }
        let mut next = none.clone();
        for (number, token) in self.tokens.iter().enumerate() {
            let mut after_next = none.clone();
            match token {
                Token::Star { across_folders: true } => {
                    let mut open = false;
                    for (at, reached) in here.iter().enumerate() {
                        open |= reached;
                        set(&mut next, at, open);
                        // `**/` stands for no folder at all, too.
                        if *reached && self.tokens.get(number + 1) == Some(&Token::Separator) {
                            set(&mut after_next, at, true);
                        }
                    }
                }
                Token::Star {
                    across_folders: false,
                } => {
                    let mut open = false;
                    for (at, reached) in here.iter().enumerate() {
                        let slash = path.get(at) == Some(&'/');
                        set(&mut next, at, open || *reached);
                        // kopia sees a `/` one character late, so what follows the star may begin right behind it.
                        set(&mut next, at + 1, open && slash);
                        open = (open || *reached) && !slash;
                    }
                }
                single => {
                    for ((at, reached), have) in here.iter().enumerate().zip(path) {
                        set(&mut next, at + 1, *reached && single.is(*have));
                    }
                }
            }
            here = std::mem::replace(&mut next, after_next);
        }
        here.last() == Some(&true)
    }
}

fn set(positions: &mut [bool], at: usize, reached: bool) {
    if let Some(position) = positions.get_mut(at) {
        *position |= reached;
    }
}

impl Token {
    fn is(&self, have: char) -> bool {
        match self {
            Token::Char(own) => *own == have,
            Token::Separator => have == '/',
            Token::AnyChar => have != '/',
            Token::Sequence { items, negated } => items.iter().any(|item| item.holds(have)) != *negated,
            Token::Star { .. } => false,
        }
    }
}

fn star(scan: &mut Scanner) -> Token {
    let mut across_folders = false;
    if scan.peek(0) == '*' {
        let before = scan.peek(-2);
        while scan.peek(0) == '*' {
            scan.at += 1;
        }
        across_folders = before == '\0' || (before == '/' && (scan.peek(0) == '/' || scan.ended()));
    }
    Token::Star { across_folders }
}

fn sequence(scan: &mut Scanner) -> Result<Token, String> {
    let mut next = scan.read();
    let negated = next == '!';
    if negated {
        next = scan.read();
    }
    let mut items = Vec::new();
    while next != ']' && next != '\0' {
        if next == '\\' {
            next = scan.read();
            if next == '\0' {
                return Err(BACKSLASH_AT_END.to_owned());
            }
        }
        if scan.peek(0) == '-' && scan.peek(1) != ']' && scan.peek(1) != '\0' {
            scan.at += 1;
            let mut end = scan.read();
            if end == '\\' {
                end = scan.read();
                if end == '\0' {
                    return Err(BACKSLASH_AT_END.to_owned());
                }
            }
            items.push(Item::Range(next, end));
        } else if next == '[' && scan.peek(0) == ':' {
            items.push(class(scan)?);
        } else {
            items.push(Item::Char(next));
        }
        next = scan.read();
    }
    if next != ']' {
        return Err("a `[` has no `]`".to_owned());
    }
    Ok(Token::Sequence { items, negated })
}

/// `[:name:]` after its `[`. kopia compares a distance with a position here, so that it takes a class for plain
/// characters when the class stands late in the pattern; so does this.
fn class(scan: &mut Scanner) -> Result<Item, String> {
    let Some(closing) = scan.distance_to(']') else {
        return Ok(Item::Char('['));
    };
    let plain =
        closing.saturating_sub(1) <= scan.at || scan.peek(isize::try_from(closing).unwrap_or(0) - 1) != ':';
    if plain {
        return Ok(Item::Char('['));
    }
    let name: String = scan
        .text
        .get(scan.at + 1..scan.at + closing - 1)
        .unwrap_or_default()
        .iter()
        .collect();
    scan.at += closing + 1;
    Ok(Item::Class(match name.to_lowercase().as_str() {
        "alnum" => Class::Alnum,
        "alpha" => Class::Alpha,
        "ascii" => Class::Ascii,
        "blank" => Class::Blank,
        "cntrl" => Class::Cntrl,
        "digit" => Class::Digit,
        "graph" => Class::Graph,
        "lower" => Class::Lower,
        "print" => Class::Print,
        "punct" => Class::Punct,
        "space" => Class::Space,
        "upper" => Class::Upper,
        "xdigit" => Class::Xdigit,
        _ => return Err(format!("`[:{name}:]` is no class of characters")),
    }))
}

impl Item {
    fn holds(&self, c: char) -> bool {
        match self {
            Item::Char(own) => *own == c,
            Item::Range(from, to) => (*from..=*to).contains(&c),
            Item::Class(class) => match class {
                Class::Alnum => c.is_alphanumeric(),
                Class::Alpha => c.is_alphabetic(),
                Class::Ascii => c.is_ascii(),
                Class::Blank => c == ' ' || c == '\t',
                Class::Cntrl => c.is_control(),
                Class::Digit => c.is_numeric(),
                Class::Graph => !c.is_control() && !c.is_whitespace(),
                Class::Lower => c.is_lowercase(),
                Class::Print => !c.is_control(),
                Class::Punct => c.is_ascii_punctuation(),
                Class::Space => c.is_whitespace(),
                Class::Upper => c.is_uppercase(),
                Class::Xdigit => c.is_ascii_hexdigit(),
            },
        }
    }
}

/// The line of an ignore file that leaves out exactly the file of this name, from the root of the volume on.
///
/// A line cannot hold a line feed: a range of one character around it stands for it. Other white space is put in brackets,
/// or kopia would trim it off the end.
#[must_use]
pub(crate) fn exactly(path: &[u8]) -> Vec<u8> {
    let mut line = vec![b'/'];
    for chunk in path.utf8_chunks() {
        for c in chunk.valid().chars() {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            match c {
                '\n' => line.extend(b"[\x09-\x0b]"),
                '\\' | '*' | '?' | '[' | ']' | '!' | '#' | ' ' => line.extend([b"\\", bytes].concat()),
                _ if c.is_whitespace() => line.extend([b"[", bytes, b"]"].concat()),
                _ => line.extend(bytes),
            }
        }
        line.extend(chunk.invalid());
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves_out(line: &[u8], path: &[u8]) -> bool {
        let mut rooted = vec![b'/'];
        rooted.extend(path);
        Pattern::parse(line, b"")
            .unwrap()
            .leaves_out(false, &runes(&rooted), false)
    }

    #[test]
    fn an_escaped_name_matches_itself_and_no_neighbour() {
        for name in [
            "a b",
            "a ",
            "[x]",
            "a*",
            "a?b",
            "!x",
            "#x",
            "a\\b",
            "new\nline",
            "cr\r",
            "tab\t",
            "wide\u{a0}",
            "x/y.db",
            "ä",
            "-",
        ] {
            let line = exactly(name.as_bytes());
            assert!(!line.contains(&b'\n') && line.last() != Some(&b'\r'), "{name:?}");
            assert!(leaves_out(&line, name.as_bytes()), "{name:?}");
            for other in ["a", "x", "xyz", "aXb", "sub/a b", "a*b"] {
                assert!(!leaves_out(&line, other.as_bytes()), "{name:?} {other:?}");
            }
        }
        assert!(leaves_out(&exactly(b"bad\xff.db"), b"bad\xff.db"));
        assert_eq!(exactly("logs/a b.db".as_bytes()), b"/logs/a\\ b.db");
    }

    #[test]
    fn a_class_of_characters_holds_those_and_no_others() {
        let classes = [
            ("alnum", "a7\u{e4}", "-_"),
            ("alpha", "a\u{e4}", "7-"),
            ("ascii", "a~\t", "\u{e4}"),
            ("blank", " \t", "a\u{b}"),
            ("cntrl", "\u{1}\t", "a "),
            ("digit", "7", "a"),
            ("graph", "a!", " \u{1}\u{a0}"),
            ("lower", "a", "A7"),
            ("print", "a ", "\u{1}"),
            ("punct", "!", "a "),
            ("space", " \t", "a"),
            ("upper", "A", "a7"),
            ("xdigit", "7fF", "gG"),
        ];
        for (class, these, others) in classes {
            let line = format!("x[[:{class}:]]y");
            let takes = |c: char| leaves_out(line.as_bytes(), format!("x{c}y").as_bytes());
            assert!(these.chars().all(takes), "{class}");
            assert!(!others.chars().any(takes), "{class}");
        }
        assert!(Pattern::parse(b"x[[:word:]]y", b"").is_err());
    }

    #[test]
    fn what_stands_in_brackets_is_read_as_kopia_reads_it() {
        for (line, name, is_left_out) in [
            ("[x:y]", "x", true),
            ("[x:y]", ":", true),
            ("[x:y]", "[", false),
            ("[[x]", "[", true),
            ("[[x]", "x", true),
            ("[a-\\c]", "b", true),
            ("[a-\\c]", "-", false),
        ] {
            assert_eq!(
                leaves_out(line.as_bytes(), name.as_bytes()),
                is_left_out,
                "{line} {name}"
            );
        }
        assert!(Pattern::parse(b"[a-\\", b"").is_err());
    }

    #[test]
    fn space_before_a_line_that_kopia_does_not_trim_is_passed_over() {
        assert!(leaves_out(b" a", b"a"));
        assert!(leaves_out(b"  a\\b", b"ab"));
    }

    #[test]
    fn a_hostile_pattern_ends() {
        let line = "/".to_owned() + &"*a".repeat(200);
        let path = "a".repeat(4000) + "b";
        assert!(!leaves_out(line.as_bytes(), path.as_bytes()));
    }
}
