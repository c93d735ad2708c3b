//! Patterns for names of files.

/// Whether a name fits a pattern, by the rules of Go's `path.Match`.
pub(crate) fn matches(pattern: &str, name: &str) -> Result<bool, &'static str> {
    const MALFORMED: &str = "syntax error in pattern";
    let mut characters = pattern.chars();
    match characters.next() {
        None => Ok(name.is_empty()),
        Some('*') => {
            let rest = characters.as_str();
            let ends = name.char_indices().map(|(at, _)| at).chain([name.len()]);
            for at in ends {
                if matches(rest, name.get(at..).unwrap_or_default())? {
                    return Ok(true);
                }
            }
            Ok(false)
        }
        Some('[') => {
            let negated = characters.as_str().starts_with('^');
            if negated {
                characters.next();
            }
            let candidate = name.chars().next();
            let (mut hit, mut first) = (false, true);
            let item = |characters: &mut std::str::Chars| match characters.next() {
                Some('\\') => characters.next().ok_or(MALFORMED),
                Some('-') | None => Err(MALFORMED),
                Some(other) => Ok(other),
            };
            loop {
                if characters.as_str().starts_with(']') && !first {
                    characters.next();
                    break;
                }
                first = false;
                let low = item(&mut characters)?;
                let mut high = low;
                if characters.as_str().starts_with('-') {
                    characters.next();
                    high = item(&mut characters)?;
                }
                hit |= candidate.is_some_and(|candidate| (low..=high).contains(&candidate));
            }
            step(hit != negated, characters.as_str(), name)
        }
        Some('?') => step(true, characters.as_str(), name),
        Some('\\') => {
            let wanted = characters.next().ok_or(MALFORMED)?;
            step(name.starts_with(wanted), characters.as_str(), name)
        }
        Some(wanted) => step(name.starts_with(wanted), characters.as_str(), name),
    }
}

/// Goes on after one character; the rest of the pattern is looked at in any case, as it may be malformed.
fn step(hit: bool, rest: &str, name: &str) -> Result<bool, &'static str> {
    let mut characters = name.chars();
    let there = characters.next().is_some();
    Ok(matches(rest, characters.as_str())? && hit && there)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_go() {
        let cases = [
            ("*.xml", "config.xml", true),
            ("*.xml", "config.db", false),
            ("c?nfig*", "config.xml", true),
            ("[a-c]*[^x]", "config.db", true),
            ("[a-c]*[^b]", "config.db", false),
            ("\\*", "*", true),
            ("*", "", true),
            ("?", "", false),
            ("ü?", "üß", true),
        ];
        for (pattern, name, expected) in cases {
            assert_eq!(matches(pattern, name), Ok(expected), "{pattern} {name}");
        }
        for pattern in ["[", "[a", "[]", "[a-", "\\", "a[-x]"] {
            assert!(matches(pattern, "a").is_err(), "{pattern}");
        }
    }
}
