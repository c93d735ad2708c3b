//! Edits members of objects in a JSON document, by splicing bytes.
//!
//! serde_json says whether the document is sound; after that, finding things in it takes a few lines, and order,
//! indentation and numbers keep their bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use serde_json::Value as Json;

use super::{Damage, Value, WantedSetting, line_end, spliced, without_mark};

/// A member of an object.
struct Member {
    name: String,
    /// The name with its quotes.
    key: Range<usize>,
    value: Range<usize>,
}

/// An object: its braces, and what is between them.
struct Object {
    range: Range<usize>,
    members: Vec<Member>,
}

/// A new document that holds `wanted` and nothing else.
pub fn create(wanted: &[WantedSetting]) -> String {
    edit("{}\n", wanted).unwrap_or_default()
}

/// `current` with `wanted` in place.
pub fn edit(current: &str, wanted: &[WantedSetting]) -> Result<String, Damage> {
    let (mark, text) = without_mark(current);
    let sound: Result<serde::de::IgnoredAny, _> = serde_json::from_str(text);
    if let Err(error) = sound {
        return Err(malformed(text, error.line(), error.column()));
    }
    let mut text = text.to_owned();
    for setting in wanted {
        // One after the other: what one adds, the next finds.
        text = set(&text, &setting.path, &setting.value)?;
    }
    Ok(format!("{mark}{text}"))
}

/// The text at `path`.
pub fn value(current: &str, path: &[String]) -> Option<String> {
    let (_, text) = without_mark(current);
    let mut found: Json = serde_json::from_str(text).ok()?;
    for name in path {
        found = found.as_object_mut()?.remove(name)?;
    }
    match found {
        Json::String(text) => Some(text),
        Json::Number(_) | Json::Bool(_) => Some(found.to_string()),
        _ => None,
    }
}

/// All texts, numbers and lists, by the names of the objects around them and their own. An object in a list goes by its `name`, where
/// it has one that is not taken, and else by its place.
pub fn settings(current: &str) -> Option<BTreeMap<String, String>> {
    let (_, text) = without_mark(current);
    let document: Json = serde_json::from_str(text).ok()?;
    let mut settings = BTreeMap::new();
    let mut open = vec![(String::new(), document)];
    while let Some((place, value)) = open.pop() {
        match value {
            Json::Object(members) => open.extend(members.into_iter().map(|(name, value)| {
                let place = match place.as_str() {
                    "" => name,
                    place => format!("{place}/{name}"),
                };
                (place, value)
            })),
            Json::Array(members) if !members.is_empty() && members.iter().all(Json::is_object) => {
                let mut taken = BTreeSet::new();
                for (number, value) in members.into_iter().enumerate() {
                    let name = value.get("name").and_then(Json::as_str);
                    let name = name.filter(|name| !name.is_empty() && taken.insert((*name).to_owned()));
                    let name = name.map_or_else(|| number.to_string(), str::to_owned);
                    open.push((format!("{place}/{name}"), value));
                }
            }
            value => {
                settings.insert(place, value.to_string());
            }
        }
    }
    Some(settings)
}

fn set(text: &str, path: &[String], value: &Value) -> Result<String, Damage> {
    let mut object = object_at(text, 0).ok_or_else(|| Damage::NoObject(String::new()))?;
    let mut rest = path;
    while let Some((name, deeper)) = rest.split_first() {
        // Of several members of one name readers take the last.
        let Some(member) = object.members.iter().rfind(|member| member.name == *name) else {
            return Ok(added(text, &object, rest, value));
        };
        if deeper.is_empty() {
            let raw = text.get(member.value.clone()).unwrap_or_default();
            return Ok(match replacement(raw, value) {
                Some(new) => spliced(text, vec![(member.value.clone(), new)]),
                None => text.to_owned(),
            });
        }
        object = object_at(text, member.value.start).ok_or_else(|| Damage::NoObject(name.clone()))?;
        rest = deeper;
    }
    Ok(text.to_owned())
}

/// What to write in place of `raw`; `None` if it says so already.
fn replacement(raw: &str, value: &Value) -> Option<String> {
    let now: Json = serde_json::from_str(raw).ok()?;
    match value {
        Value::Text(text) => match &now {
            Json::String(now) if now == text => None,
            Json::Number(_) | Json::Bool(_) => {
                if raw == text {
                    return None;
                }
                // A number stays a number.
                let literal = serde_json::from_str::<Json>(text).is_ok_and(|new| {
                    new.is_number() && now.is_number() || new.is_boolean() && now.is_boolean()
                });
                Some(if literal { text.clone() } else { quoted(text) })
            }
            _ => Some(quoted(text)),
        },
        Value::List(wanted) => {
            let texts = |items: &Vec<Json>| -> Option<Vec<String>> {
                items
                    .iter()
                    .map(|item| item.as_str().map(str::to_owned))
                    .collect()
            };
            // Something else than a list of texts cannot be completed.
            match now.as_array().and_then(texts) {
                Some(now) => super::completed(&now, wanted).map(|all| list(&all)),
                None => Some(list(wanted)),
            }
        }
    }
}

/// `text` with the members that `path` names added at the end of `object`, in the way the object is written.
fn added(text: &str, object: &Object, path: &[String], value: &Value) -> String {
    let Some((name, deeper)) = path.split_first() else {
        return text.to_owned();
    };
    let new_line = line_end(text);
    let own = indentation(text, object.range.start);
    let (gap, colon) = match object.members.first() {
        Some(first) => {
            let gap = text
                .get(object.range.start + 1..first.key.start)
                .unwrap_or_default();
            let between = text.get(first.key.end..first.value.start).unwrap_or(": ");
            (gap.to_owned(), between.to_owned())
        }
        // An empty object says nothing about itself; the document around it does.
        None if text.trim_end().contains('\n') || text.trim() == "{}" => {
            (format!("{new_line}{own}{}", unit(text)), ": ".to_owned())
        }
        None => (
            String::new(),
            if text.contains("\":\"") { ":" } else { ": " }.to_owned(),
        ),
    };
    let content = nested(deeper, value, &gap, &colon, unit(text));
    let member = format!("{}{colon}{content}", quoted(name));
    let splice = match object.members.last() {
        Some(last) => (last.value.end..last.value.end, format!(",{gap}{member}")),
        None => {
            let closing = if gap.is_empty() {
                String::new()
            } else {
                format!("{new_line}{own}")
            };
            (
                object.range.start + 1..object.range.end - 1,
                format!("{gap}{member}{closing}"),
            )
        }
    };
    spliced(text, vec![splice])
}

/// `value` inside the objects that `path` names; `gap` is what stands in front of the member that will hold it.
fn nested(path: &[String], value: &Value, gap: &str, colon: &str, unit: &str) -> String {
    let Some((name, deeper)) = path.split_first() else {
        return match value {
            Value::Text(text) => quoted(text),
            Value::List(items) => list(items),
        };
    };
    let inner_gap = if gap.contains('\n') {
        format!("{gap}{unit}")
    } else {
        gap.to_owned()
    };
    let closing = if gap.contains('\n') { gap } else { "" };
    let content = nested(deeper, value, &inner_gap, colon, unit);
    format!("{{{inner_gap}{}{colon}{content}{closing}}}", quoted(name))
}

/// One step of indentation: what stands before the document's first member.
fn unit(text: &str) -> &str {
    let first = text
        .find('"')
        .and_then(|quote| text.get(..quote))
        .unwrap_or_default();
    match first.rsplit_once('\n') {
        Some((_, spaces)) if !spaces.is_empty() && spaces.trim().is_empty() => spaces,
        _ => "  ",
    }
}

/// The white space that the line of `position` begins with.
fn indentation(text: &str, position: usize) -> &str {
    let line = text
        .get(..position)
        .and_then(|before| before.rsplit('\n').next())
        .unwrap_or_default();
    let rest = line.trim_start_matches([' ', '\t']);
    line.get(..line.len() - rest.len()).unwrap_or_default()
}

/// The object whose brace is the first thing behind `start`. The document is known to be sound.
fn object_at(text: &str, start: usize) -> Option<Object> {
    let open = skip_space(text, start);
    if text.as_bytes().get(open) != Some(&b'{') {
        return None;
    }
    let mut members = Vec::new();
    let mut position = skip_space(text, open + 1);
    while text.as_bytes().get(position) == Some(&b'"') {
        let key = position..end_of_value(text, position)?;
        let name: String = serde_json::from_str(text.get(key.clone())?).ok()?;
        let colon = skip_space(text, key.end);
        let value_start = skip_space(text, colon + 1);
        let value = value_start..end_of_value(text, value_start)?;
        position = skip_space(text, value.end);
        members.push(Member { name, key, value });
        if text.as_bytes().get(position) == Some(&b',') {
            position = skip_space(text, position + 1);
        }
    }
    (text.as_bytes().get(position) == Some(&b'}')).then(|| Object {
        range: open..position + 1,
        members,
    })
}

fn skip_space(text: &str, start: usize) -> usize {
    let rest = text.get(start..).unwrap_or_default();
    start + rest.len() - rest.trim_start_matches([' ', '\t', '\r', '\n']).len()
}

/// Behind the value that starts at `start`.
fn end_of_value(text: &str, start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut in_text = false;
    let mut escaped = false;
    for (offset, byte) in text.as_bytes().get(start..)?.iter().enumerate() {
        let position = start + offset;
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => {
                in_text = !in_text;
                if !in_text && depth == 0 {
                    return Some(position + 1);
                }
            }
            _ if in_text => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' if depth == 0 => return Some(position),
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Some(position + 1);
                }
            }
            b',' | b' ' | b'\t' | b'\r' | b'\n' if depth == 0 => return Some(position),
            _ => {}
        }
    }
    Some(text.len())
}

fn quoted(text: &str) -> String {
    Json::from(text).to_string()
}

fn list(items: &[String]) -> String {
    Json::from(items.to_vec()).to_string()
}

fn malformed(text: &str, line: usize, column: usize) -> Damage {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .sum();
    Damage::Malformed {
        format: "JSON",
        position: (before + column) as u64,
    }
}
