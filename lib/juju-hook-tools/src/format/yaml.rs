//! YAML in the style of go-yaml version 2, which Juju prints with.

use super::Value;

/// A document with one line end. Juju trims all others, even those of a text that ends in empty lines.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    write_value(&mut out, value, 0);
    format!("{}\n", out.trim_matches('\n'))
}

/// Writes a value where a map's key or a list's dash stands before it.
fn write_value(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::NilMap => out.push_str("{}"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => out.push_str(&number.to_string()),
        Value::Float(number) => out.push_str(&float(*number)),
        Value::Text(text) => write_text(out, text, indent),
        Value::Texts(texts) if texts.is_empty() => out.push_str("[]"),
        Value::List(items) if items.is_empty() => out.push_str("[]"),
        Value::Map(entries) if entries.is_empty() => out.push_str("{}"),
        Value::Texts(texts) => {
            // Lists in maps are not indented.
            for text in texts {
                start_line(out, indent.saturating_sub(2));
                out.push_str("- ");
                write_text(out, text, indent);
            }
        }
        Value::List(items) => {
            for item in items {
                start_line(out, indent.saturating_sub(2));
                out.push_str("- ");
                write_item(out, item, indent);
            }
        }
        Value::Map(entries) => {
            for (key, value) in entries {
                start_line(out, indent);
                write_entry(out, key, value, indent);
            }
        }
    }
}

fn write_entry(out: &mut String, key: &str, value: &Value, indent: usize) {
    out.push_str(&scalar(key));
    out.push(':');
    if !is_block(value) {
        out.push(' ');
    }
    write_value(out, value, indent + 2);
}

/// A list's item: a map starts on the line of the dash.
fn write_item(out: &mut String, item: &Value, indent: usize) {
    match item {
        Value::Map(entries) if !entries.is_empty() => {
            for (position, (key, value)) in entries.iter().enumerate() {
                if position > 0 {
                    start_line(out, indent);
                }
                write_entry(out, key, value, indent);
            }
        }
        item => write_value(out, item, indent + 2),
    }
}

/// Whether the value starts on a line of its own.
fn is_block(value: &Value) -> bool {
    match value {
        Value::Map(entries) => !entries.is_empty(),
        Value::List(items) => !items.is_empty(),
        Value::Texts(texts) => !texts.is_empty(),
        _ => false,
    }
}

fn start_line(out: &mut String, indent: usize) {
    out.push('\n');
    out.push_str(&" ".repeat(indent));
}

fn write_text(out: &mut String, text: &str, indent: usize) {
    if text.contains('\n') && fits_literal(text) {
        let chomping = if !text.ends_with('\n') {
            "|-"
        } else if text.ends_with("\n\n") {
            "|+"
        } else {
            "|"
        };
        out.push_str(chomping);
        let body = text.strip_suffix('\n').unwrap_or(text);
        for line in body.split('\n') {
            out.push('\n');
            if !line.is_empty() {
                out.push_str(&" ".repeat(indent.max(2)));
                out.push_str(line);
            }
        }
    } else {
        out.push_str(&scalar(text));
    }
}

/// Whether a text of several lines can be written as a literal block.
fn fits_literal(text: &str) -> bool {
    !text.starts_with([' ', '\n', '\t'])
        && text.chars().any(|character| character != '\n')
        && text
            .chars()
            .all(|character| character == '\n' || is_printable(character))
        && text.split('\n').all(|line| !line.ends_with([' ', '\t']))
}

fn is_printable(character: char) -> bool {
    matches!(character, ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' | '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}')
}

/// A text on one line: plain if that reads back as the same text, else in quotes.
fn scalar(text: &str) -> String {
    if text.is_empty() || !text.chars().all(is_printable) || reads_as_something_else(text) {
        double_quoted(text)
    } else if fits_plain(text) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', "''"))
    }
}

fn fits_plain(text: &str) -> bool {
    let starts_badly = text.starts_with([
        '#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`', ' ',
    ]) || (text.starts_with(['-', '?', ':'])
        && text.chars().nth(1).is_none_or(|next| next == ' '))
        || text.starts_with("---")
        || text.starts_with("...");
    !starts_badly && !text.ends_with([' ', ':']) && !text.contains(": ") && !text.contains(" #")
}

/// Whether a plain scalar would be null, a boolean, a number or a time in YAML 1.1.
fn reads_as_something_else(text: &str) -> bool {
    const WORDS: [&str; 13] = [
        "null", "~", "true", "false", "yes", "no", "on", "off", "y", "n", "<<", "=", ".nan",
    ];
    let lower = text.to_ascii_lowercase();
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    // Numbers of any base, infinities, base-60 numbers and dates: all of these start with a digit, sign or dot and hold
    // nothing else. Quoting one too many does no harm.
    let unsigned = lower.strip_prefix(['+', '-']).unwrap_or(&lower);
    if unsigned == ".inf" {
        return true;
    }
    let starts_like_number = unsigned.starts_with(|character: char| character.is_ascii_digit())
        || (unsigned.starts_with('.') && unsigned.chars().nth(1).is_some_and(|next| next.is_ascii_digit()));
    if !starts_like_number {
        return false;
    }
    let plain = unsigned.replace('_', "");
    let is_float = plain.parse::<f64>().is_ok()
        && plain.starts_with(|character: char| character.is_ascii_digit() || character == '.');
    let is_based = ["0x", "0b", "0o"].iter().any(|base| {
        plain
            .strip_prefix(base)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_ascii_hexdigit()))
    });
    let is_sexagesimal = plain.contains(':')
        && plain
            .chars()
            .all(|digit| digit.is_ascii_digit() || digit == ':' || digit == '.');
    let is_date = {
        let date: Vec<&str> = plain.splitn(3, '-').collect();
        matches!(date.as_slice(), [year, month, day]
            if year.len() == 4
                && year.chars().chain(month.chars()).all(|digit| digit.is_ascii_digit())
                && !month.is_empty()
                && day.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    is_float || is_based || is_sexagesimal || is_date
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            character if is_printable(character) => out.push(character),
            character if u32::from(character) < 0x100 => {
                out.push_str(&format!("\\x{:02X}", u32::from(character)))
            }
            character if u32::from(character) < 0x1_0000 => {
                out.push_str(&format!("\\u{:04X}", u32::from(character)))
            }
            character => out.push_str(&format!("\\U{:08X}", u32::from(character))),
        }
    }
    out.push('"');
    out
}

/// Go's `strconv.FormatFloat(number, 'g', -1, 64)`: an exponent below 1e-4 and from 1e6 on, with at least two digits.
fn float(number: f64) -> String {
    if number.is_nan() {
        return ".nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { ".inf" } else { "-.inf" }.to_owned();
    }
    let scientific = format!("{number:e}");
    let Some((digits, exponent)) = scientific.split_once('e') else {
        return scientific;
    };
    let exponent: i32 = exponent.parse().unwrap_or_default();
    if (-4..6).contains(&exponent) {
        return format!("{number}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(text: &str) -> Value {
        Value::text(text)
    }

    #[test]
    fn values_look_as_go_yaml_writes_them() {
        let nested = Value::record([
            ("a", text("x")),
            ("list", Value::Texts(vec!["one".into(), "2".into()])),
            (
                "records",
                Value::List(vec![Value::record([("k", Value::Int(1)), ("l", text(""))])]),
            ),
            ("map", Value::sorted([("inner", Value::Bool(true))])),
            ("none", Value::Map(vec![])),
            ("text", text("one\ntwo\n")),
        ]);
        let expected = "a: x\nlist:\n- one\n- \"2\"\nrecords:\n- k: 1\n  l: \"\"\nmap:\n  inner: true\nnone: {}\ntext: |\n  one\n  two\n";
        assert_eq!(document(&nested), expected);
    }

    #[test]
    fn texts_are_quoted_only_where_they_must() {
        let cases = [
            ("plain text", "plain text"),
            ("true", "\"true\""),
            ("1e3", "\"1e3\""),
            ("8080", "\"8080\""),
            ("10.1.2.3", "10.1.2.3"),
            ("10.1.2.0/24", "10.1.2.0/24"),
            ("2026-07-01", "\"2026-07-01\""),
            ("a: b", "'a: b'"),
            ("it's", "it's"),
            ("{\"a\":1}", "'{\"a\":1}'"),
            ("-", "'-'"),
            ("-x", "-x"),
            ("tab\t", "\"tab\\t\""),
            ("720h0m0s", "720h0m0s"),
            ("yes", "\"yes\""),
        ];
        for (input, expected) in cases {
            assert_eq!(document(&text(input)), format!("{expected}\n"), "{input}");
        }
    }

    proptest! {
        #[test]
        fn every_text_reads_back_as_itself(value in any::<String>()) {
            // Something stands behind it: see `document` for what happens to the last line ends.
            let printed = document(&Value::record([("key", Value::text(&value)), ("last", Value::text("x"))]));
            let read = crate::yaml::text_map(&printed);
            prop_assert!(read.is_ok(), "{printed:?}: {read:?}");
            prop_assert_eq!(&read.unwrap()["key"], &value, "{:?}", printed);
        }
    }
}
