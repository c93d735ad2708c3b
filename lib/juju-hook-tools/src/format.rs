//! What a tool prints: values as JSON, YAML or "smart", byte for byte as Go's libraries write them.
//!
//! Sources: `cmd.FormatSmart`, `cmd.FormatJson` and `cmd.FormatYaml` of `output.go` in juju/cmd, Go's `encoding/json`, and
//! go-yaml version 2.

mod yaml;

use std::fmt::Write as _;

/// A value to print. Maps keep their order: [`Value::sorted`] is for what is a map in Go, [`Value::record`] for what is a
/// struct.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    /// A map that Go holds as nil: `null` in JSON, `{}` in YAML.
    NilMap,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// A list of texts, which "smart" prints a line each.
    Texts(Vec<String>),
    List(Vec<Value>),
    Map(Vec<(String, Value)>),
}

impl Value {
    pub(crate) fn text(text: impl Into<String>) -> Value {
        Value::Text(text.into())
    }

    /// A map, printed in the order of its keys.
    pub(crate) fn sorted<K: Into<String>>(entries: impl IntoIterator<Item = (K, Value)>) -> Value {
        let mut entries: Vec<(String, Value)> = entries
            .into_iter()
            .map(|(key, value)| (key.into(), value))
            .collect();
        entries.sort_by(|(one, _), (other, _)| one.cmp(other));
        Value::Map(entries)
    }

    /// A map of texts.
    pub(crate) fn texts_by_key<'a>(entries: impl IntoIterator<Item = (&'a String, &'a String)>) -> Value {
        Value::sorted(entries.into_iter().map(|(key, value)| (key, Value::text(value))))
    }

    /// A struct, printed in the order given here.
    pub(crate) fn record<const N: usize>(fields: [(&str, Value); N]) -> Value {
        Value::Map(
            fields
                .into_iter()
                .map(|(key, value)| (key.to_owned(), value))
                .collect(),
        )
    }
}

impl From<&serde_json::Value> for Value {
    fn from(value: &serde_json::Value) -> Value {
        match value {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => number
                .as_i64()
                .map(Value::Int)
                .or_else(|| number.as_f64().map(Value::Float))
                .unwrap_or(Value::Null),
            serde_json::Value::String(text) => Value::text(text),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Value::from).collect()),
            serde_json::Value::Object(entries) => {
                Value::sorted(entries.iter().map(|(key, value)| (key, Value::from(value))))
            }
        }
    }
}

/// The values of `--format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    Smart,
    Json,
    Yaml,
}

impl Format {
    pub(crate) fn parse(name: &str) -> Option<Format> {
        match name {
            "smart" => Some(Format::Smart),
            "json" => Some(Format::Json),
            "yaml" => Some(Format::Yaml),
            _ => None,
        }
    }

    /// The text with its line end; empty where Juju prints nothing.
    pub(crate) fn print(self, value: &Value) -> String {
        match (self, value) {
            (Format::Json, value) => {
                let mut text = String::new();
                write_json(&mut text, value);
                text.push('\n');
                text
            }
            (Format::Smart | Format::Yaml, Value::Null) => String::new(),
            (Format::Smart, Value::Text(text)) => line(text),
            (Format::Smart, Value::Texts(texts)) => line(&texts.join("\n")),
            (Format::Smart, Value::Bool(value)) => line(if *value { "True" } else { "False" }),
            (Format::Smart | Format::Yaml, value) => yaml::document(value),
        }
    }
}

fn line(text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{text}\n")
    }
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Null | Value::NilMap => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        Value::Float(number) => out.push_str(&json_float(*number)),
        Value::Text(text) => write_json_text(out, text),
        Value::Texts(texts) => write_json_list(out, texts, |out, text| write_json_text(out, text)),
        Value::List(items) => write_json_list(out, items, write_json),
        Value::Map(entries) => {
            out.push('{');
            for (position, (key, value)) in entries.iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write_json_text(out, key);
                out.push(':');
                write_json(out, value);
            }
            out.push('}');
        }
    }
}

fn write_json_list<T>(out: &mut String, items: &[T], write: impl Fn(&mut String, &T)) {
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(out, item);
    }
    out.push(']');
}

/// Go escapes what HTML or JavaScript could trip over, too.
fn write_json_text(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(character));
            }
            _ => out.push(character),
        }
    }
    out.push('"');
}

/// Go writes an exponent below 1e-6 and from 1e21 on.
fn json_float(number: f64) -> String {
    let size = number.abs();
    if !number.is_finite() {
        return "null".to_owned();
    }
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    format!("{number}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(value: &Value) -> String {
        Format::Json.print(value).trim_end().to_owned()
    }

    #[test]
    fn json_is_written_as_go_writes_it() {
        let cases = [
            (
                Value::text("<a> & \u{2028}\u{1}\u{8}\"\\"),
                r#""\u003ca\u003e \u0026 \u2028\u0001\b\"\\""#,
            ),
            (Value::text("\u{e9}\u{7f}"), "\"\u{e9}\u{7f}\""),
            (Value::Float(1.0), "1"),
            (Value::Float(0.5), "0.5"),
            (Value::Float(1e21), "1e+21"),
            (Value::Float(1e20), "100000000000000000000"),
            (Value::Float(1.5e-7), "1.5e-7"),
            (Value::Float(0.0), "0"),
            (Value::Texts(vec![]), "[]"),
            (Value::NilMap, "null"),
            (
                Value::sorted([("b", Value::Int(1)), ("a", Value::Null)]),
                r#"{"a":null,"b":1}"#,
            ),
            (
                Value::record([("b", Value::Bool(true)), ("a", Value::List(vec![]))]),
                r#"{"b":true,"a":[]}"#,
            ),
        ];
        for (value, expected) in cases {
            assert_eq!(json(&value), expected, "{value:?}");
        }
    }

    #[test]
    fn smart_prints_plain_texts_and_nothing_for_nothing() {
        let cases = [
            (Value::text("a b"), "a b\n"),
            (Value::text(""), ""),
            (Value::Null, ""),
            (Value::Bool(true), "True\n"),
            (Value::Bool(false), "False\n"),
            (Value::Texts(vec!["a".into(), "b".into()]), "a\nb\n"),
            (Value::Texts(vec![]), ""),
            (Value::Int(8080), "8080\n"),
            (Value::sorted([("a", Value::text("1"))]), "a: \"1\"\n"),
        ];
        for (value, expected) in cases {
            assert_eq!(Format::Smart.print(&value), expected, "{value:?}");
        }
    }
}
