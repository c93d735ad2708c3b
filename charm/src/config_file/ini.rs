//! Edits files of `key=value` lines in `[sections]`, by splicing bytes.
//!
//! Two dialects are read: Qt's QSettings (one level of sections, `\` in keys, values quoted when they hold `=`, `,` or `;`)
//! and Python's ConfigObj (`[[nested]]` sections, lists with commas, comments behind values, values of several lines in
//! triple quotes). What is written is understood by both. Sources: the format section of Qt's QSettings reference, and
//! <https://configobj.readthedocs.io> (the ConfigObj format).

use std::collections::BTreeMap;
use std::ops::Range;

use super::{Damage, Value, WantedSetting, line_end, spliced, without_mark};

/// A section with what stands in it before any nested one.
struct Section {
    path: Vec<String>,
    /// Behind its last own line: where a new key goes.
    own_end: usize,
    entries: Vec<Entry>,
}

struct Entry {
    key: String,
    /// The value without white space and comments around it; empty where there is none.
    value: Range<usize>,
}

/// A new file that holds `wanted` and nothing else.
pub fn create(wanted: &[WantedSetting]) -> String {
    edit("", wanted).unwrap_or_default()
}

/// `current` with `wanted` in place. A key or section that stands twice is set in both places.
pub fn edit(current: &str, wanted: &[WantedSetting]) -> Result<String, Damage> {
    let (mark, text) = without_mark(current);
    let sections = parse(text)?;
    let line_end = line_end(text);
    let equals = if text.contains(" = ") { " = " } else { "=" };
    let mut splices: Vec<(Range<usize>, String)> = Vec::new();
    // New lines by the place where they go, and new sections in the order in which they are wanted.
    let mut new_lines: BTreeMap<usize, String> = BTreeMap::new();
    let mut new_sections: Vec<(&[String], String)> = Vec::new();
    for setting in wanted {
        let Some((key, path)) = setting.path.split_last() else {
            continue;
        };
        let mut found = false;
        for entry in sections
            .iter()
            .filter(|section| section.path == path)
            .flat_map(|section| &section.entries)
            .filter(|entry| entry.key == *key)
        {
            found = true;
            let raw = text.get(entry.value.clone()).unwrap_or_default();
            splices.extend(replacement(raw, &setting.value).map(|new| (entry.value.clone(), new)));
        }
        if found {
            continue;
        }
        let line = format!("{key}{equals}{}{line_end}", written(&setting.value));
        match sections.iter().find(|section| section.path == path) {
            Some(section) => new_lines.entry(section.own_end).or_default().push_str(&line),
            None => match new_sections.iter_mut().find(|(new, _)| *new == path) {
                Some((_, lines)) => lines.push_str(&line),
                None => new_sections.push((path, line)),
            },
        }
    }
    let spaced = text.contains("\n\n[") || text.contains("\r\n\r\n[");
    let mut opened: Vec<&[String]> = sections.iter().map(|section| section.path.as_slice()).collect();
    for (path, lines) in new_sections {
        // Behind everything that stands in the nearest section around it, which for most is the whole file.
        let around = (0..path.len())
            .rev()
            .filter_map(|depth| path.get(..depth))
            .find(|around| opened.contains(around))
            .unwrap_or_default();
        let place = end_of(&sections, around);
        let place_lines = new_lines.entry(place).or_default();
        for depth in around.len() + 1..=path.len() {
            let Some((name, part)) = path.get(depth - 1).zip(path.get(..depth)) else {
                continue;
            };
            if spaced && depth == 1 {
                place_lines.push_str(line_end);
            }
            let (open, close) = ("[".repeat(depth), "]".repeat(depth));
            place_lines.push_str(&format!("{open}{name}{close}{line_end}"));
            opened.push(part);
        }
        place_lines.push_str(&lines);
    }
    for (place, lines) in new_lines {
        let unfinished = place > 0 && !text.get(..place).unwrap_or_default().ends_with('\n');
        let before = if unfinished { line_end } else { "" };
        splices.push((place..place, format!("{before}{lines}")));
    }
    Ok(format!("{mark}{}", spliced(text, splices)))
}

/// The text of the first setting at `path`.
pub fn value(current: &str, path: &[String]) -> Option<String> {
    let (_, text) = without_mark(current);
    let sections = parse(text).ok()?;
    let (key, path) = path.split_last()?;
    let entry = sections
        .iter()
        .filter(|section| section.path == path)
        .flat_map(|section| &section.entries)
        .find(|entry| entry.key == *key)?;
    Some(unquoted(text.get(entry.value.clone())?))
}

/// The texts of all settings, by section and key.
pub fn settings(current: &str) -> Option<BTreeMap<String, String>> {
    let (_, text) = without_mark(current);
    let mut settings = BTreeMap::new();
    for section in parse(text).ok()? {
        for entry in section.entries {
            let mut place = section.path.clone();
            place.push(entry.key);
            let value = text.get(entry.value).map(unquoted).unwrap_or_default();
            settings.insert(place.join("/"), value);
        }
    }
    Some(settings)
}

/// Behind the last line of the section at `path` and of all that is nested in it.
fn end_of(sections: &[Section], path: &[String]) -> usize {
    sections
        .iter()
        .filter(|section| section.path.starts_with(path))
        .map(|section| section.own_end)
        .max()
        .unwrap_or_default()
}

fn parse(text: &str) -> Result<Vec<Section>, Damage> {
    let mut sections = vec![Section {
        path: Vec::new(),
        own_end: 0,
        entries: Vec::new(),
    }];
    let mut start = 0;
    // The triple quotes that a value of several lines is waiting for.
    let mut open: Option<&'static str> = None;
    for line in text.split_inclusive('\n') {
        let range = start..start + line.len();
        start = range.end;
        if line.contains('\0') {
            // A file system that lost power fills files with these.
            return Err(malformed(range.start));
        }
        let Some(section) = sections.last_mut() else {
            return Err(malformed(range.start));
        };
        if let Some(quotes) = open {
            section.own_end = range.end;
            if line.contains(quotes) {
                open = None;
                if let Some(entry) = section.entries.last_mut() {
                    let until = line.rfind(quotes).unwrap_or_default() + quotes.len();
                    entry.value.end = range.start + until;
                }
            }
            continue;
        }
        let content = line.trim();
        if content.is_empty() || content.starts_with(['#', ';']) {
            continue;
        }
        if content.starts_with('[') {
            let path = header(content, &section.path).ok_or_else(|| malformed(range.start))?;
            sections.push(Section {
                path,
                own_end: range.end,
                entries: Vec::new(),
            });
            continue;
        }
        let equals = line.find('=').ok_or_else(|| malformed(range.start))?;
        let (key, rest) = line.split_at(equals);
        let value = value_in(rest.get(1..).unwrap_or_default());
        let offset = range.start + equals + 1;
        let text_of_value = rest
            .get(1..)
            .and_then(|rest| rest.get(value.clone()))
            .unwrap_or_default();
        open = ["\"\"\"", "'''"].into_iter().find(|quotes| {
            text_of_value.starts_with(quotes) && !text_of_value.get(3..).unwrap_or_default().contains(quotes)
        });
        section.entries.push(Entry {
            key: unquoted(key.trim()),
            value: offset + value.start..offset + value.end,
        });
        section.own_end = range.end;
    }
    if open.is_some() {
        return Err(malformed(text.len()));
    }
    Ok(sections)
}

/// The path of a section from its header line, `[name]` or `[[name]]` with a comment perhaps.
fn header(line: &str, current: &[String]) -> Option<Vec<String>> {
    let depth = line.len() - line.trim_start_matches('[').len();
    // A name may hold brackets; a comment behind it may as well.
    let end = match line.find(" #") {
        Some(comment) => line.get(..comment)?.trim_end(),
        None => line,
    };
    let name = end.get(depth..)?.strip_suffix("]".repeat(depth).as_str())?.trim();
    if name.is_empty() || name.ends_with(']') {
        return None;
    }
    let mut path = current.get(..depth - 1)?.to_vec();
    path.push(unquoted(name));
    Some(path)
}

/// Where the value is in what stands behind the equals sign: without white space around it and a comment behind it.
fn value_in(rest: &str) -> Range<usize> {
    let start = rest.len() - rest.trim_start().len();
    let mut quote: Option<char> = None;
    let mut item_begins = true;
    let mut escaped = false;
    let mut space_before = false;
    let mut end = rest.len();
    for (position, c) in rest.char_indices().skip_while(|(position, _)| *position < start) {
        match quote {
            Some(_) if escaped => escaped = false,
            Some('"') if c == '\\' => escaped = true,
            Some(open) if c == open => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'') && item_begins => quote = Some(c),
            None if c == '#' && (space_before || position == start) => {
                end = position;
                break;
            }
            None => {}
        }
        if quote.is_none() {
            item_begins = c == ',' || (item_begins && c.is_whitespace());
        }
        space_before = c.is_whitespace();
    }
    let trimmed = rest.get(..end).unwrap_or_default().trim_end().len();
    start.min(trimmed)..trimmed
}

/// What to write in place of `raw`; `None` if a reader takes it for `value`.
fn replacement(raw: &str, value: &Value) -> Option<String> {
    match value {
        Value::Text(text) => {
            let same = unquoted(raw) == *text || items(raw) == [text.clone()];
            (!same).then(|| quoted(text))
        }
        Value::List(wanted) => super::completed(&items(raw), wanted).map(|all| list(&all)),
    }
}

/// A list's items. The comma that makes a list of a single item does not begin another.
fn items(raw: &str) -> Vec<String> {
    let mut items = Vec::new();
    let mut quote: Option<char> = None;
    let mut item = String::new();
    for c in raw.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            None if matches!(c, '"' | '\'') && item.trim().is_empty() => quote = Some(c),
            None if c == ',' => {
                items.push(unquoted(item.trim()));
                item.clear();
                continue;
            }
            _ => {}
        }
        item.push(c);
    }
    if !item.trim().is_empty() {
        items.push(unquoted(item.trim()));
    }
    items
}

fn unquoted(raw: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return if quote == '"' {
                unescaped(inner)
            } else {
                inner.to_owned()
            };
        }
    }
    raw.to_owned()
}

fn unescaped(inner: &str) -> String {
    let mut text = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => text.extend(chars.next()),
            _ => text.push(c),
        }
    }
    text
}

fn written(value: &Value) -> String {
    match value {
        Value::Text(text) => quoted(text),
        Value::List(items) => list(items),
    }
}

fn list(items: &[String]) -> String {
    items
        .iter()
        .map(|item| quoted(item))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Quoted unless both dialects read it as it is.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_-./:*+@() ".contains(c);
    let spaced = text.starts_with(' ') || text.ends_with(' ');
    if text.chars().all(plain) && !spaced {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn malformed(position: usize) -> Damage {
    Damage::Malformed {
        format: "ini",
        position: position as u64,
    }
}
