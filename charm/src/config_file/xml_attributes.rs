//! Edits settings that are attributes of an XML document's root, by splicing bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;

use super::{Damage, spliced, without_mark};

/// The root's opening tag.
struct Root {
    attributes: Vec<Attribute>,
    /// Where a new attribute goes: behind the last one, or behind the name.
    end: usize,
}

struct Attribute {
    name: String,
    /// What stands between the quotes.
    value: Range<usize>,
}

/// A new document whose root has the attributes `wanted` and nothing else.
pub fn create(root: &str, wanted: &[(&str, String)]) -> String {
    let attributes: String = wanted.iter().map(|(name, text)| attribute(name, text)).collect();
    format!("<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<{root}{attributes}/>\n")
}

/// `current` with the texts of `wanted` in place.
pub fn edit(root: &str, current: &str, wanted: &[(&str, String)]) -> Result<String, Damage> {
    let (mark, text) = without_mark(current);
    let found = parse(root, text)?;
    let mut splices: Vec<(Range<usize>, String)> = Vec::new();
    for (name, wanted_text) in wanted {
        match found.attributes.iter().find(|attribute| attribute.name == *name) {
            Some(there) if decoded(text, there).as_deref() == Some(wanted_text.as_str()) => {}
            // The quotes around it stay: both kinds are escaped.
            Some(there) => splices.push((there.value.clone(), escape(wanted_text.as_str()).to_string())),
            None => splices.push((found.end..found.end, attribute(name, wanted_text))),
        }
    }
    Ok(format!("{mark}{}", spliced(text, splices)))
}

/// The text of the attribute `name`.
pub fn value(root: &str, current: &str, name: &str) -> Option<String> {
    let (_, text) = without_mark(current);
    let found = parse(root, text).ok()?;
    let attribute = found.attributes.iter().find(|attribute| attribute.name == name)?;
    decoded(text, attribute).map(Cow::into_owned)
}

/// The texts of all attributes, by name.
pub fn settings(root: &str, current: &str) -> Option<BTreeMap<String, String>> {
    let (_, text) = without_mark(current);
    let attributes = parse(root, text).ok()?.attributes.into_iter();
    Some(
        attributes
            .map(|attribute| {
                let value = decoded(text, &attribute).map(Cow::into_owned);
                (attribute.name, value.unwrap_or_default())
            })
            .collect(),
    )
}

fn attribute(name: &str, text: &str) -> String {
    format!(" {name}=\"{}\"", escape(text))
}

fn decoded<'a>(text: &'a str, attribute: &Attribute) -> Option<Cow<'a, str>> {
    unescape(text.get(attribute.value.clone())?).ok()
}

fn parse(root: &str, text: &str) -> Result<Root, Damage> {
    // The whole document has to be sound, not only its first tag.
    super::xml::check(root, text)?;
    let mut reader = Reader::from_str(text);
    loop {
        let start = usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX);
        match reader.read_event() {
            Ok(Event::Start(_)) => return tag(text, start, 1),
            Ok(Event::Empty(_)) => return tag(text, start, 2),
            Ok(Event::Eof) | Err(_) => return Err(malformed(start)),
            Ok(_) => {}
        }
    }
}

/// Reads the tag that starts at `start` and ends with `closing` bytes, `>` or `/>`.
fn tag(text: &str, start: usize, closing: usize) -> Result<Root, Damage> {
    let bytes = text.as_bytes();
    let at = |position: usize| bytes.get(position).copied();
    let is_space = |position: usize| at(position).is_some_and(|byte| byte.is_ascii_whitespace());
    let mut position = start + 1;
    while !is_space(position) && !matches!(at(position), None | Some(b'/' | b'>')) {
        position += 1;
    }
    let mut end = position;
    let mut attributes: Vec<Attribute> = Vec::new();
    loop {
        while is_space(position) {
            position += 1;
        }
        match at(position) {
            Some(b'>') if closing == 1 => break,
            Some(b'/') if closing == 2 => break,
            None | Some(b'>' | b'/') => return Err(malformed(position)),
            Some(_) => {}
        }
        let name_start = position;
        while !is_space(position) && !matches!(at(position), None | Some(b'=' | b'/' | b'>')) {
            position += 1;
        }
        let name = text.get(name_start..position).unwrap_or_default().to_owned();
        while is_space(position) {
            position += 1;
        }
        if at(position) != Some(b'=') {
            return Err(malformed(position));
        }
        position += 1;
        while is_space(position) {
            position += 1;
        }
        let quote = match at(position) {
            Some(quote @ (b'"' | b'\'')) => quote,
            _ => return Err(malformed(position)),
        };
        let value_start = position + 1;
        let length = bytes
            .get(value_start..)
            .and_then(|rest| rest.iter().position(|byte| *byte == quote));
        let Some(length) = length else {
            return Err(malformed(position));
        };
        // XML forbids a second attribute of the same name; which one the app reads nobody knows.
        if attributes.iter().any(|attribute| attribute.name == name) {
            return Err(malformed(name_start));
        }
        attributes.push(Attribute {
            name,
            value: value_start..value_start + length,
        });
        position = value_start + length + 1;
        end = position;
    }
    Ok(Root { attributes, end })
}

fn malformed(position: usize) -> Damage {
    Damage::Malformed {
        format: "XML",
        position: position as u64,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted(text: &str) -> Vec<(&'static str, String)> {
        vec![("Token", text.to_owned()), ("New", "a<b".to_owned())]
    }

    #[test]
    fn what_is_not_ours_keeps_its_bytes() {
        let before = "\u{feff}<?xml version=\"1.0\"?>\r\n<!-- Token=\"x\" -->\r\n<Prefs Id='1'  Token = 'old'\r\n\tNote=\"a > b\"/>\r\n";
        let after = edit("Prefs", before, &wanted("it's")).unwrap();
        let expected = before
            .replace("'old'", "'it&apos;s'")
            .replace("\"a > b\"", "\"a > b\" New=\"a&lt;b\"");
        assert_eq!(after, expected);
        assert_eq!(edit("Prefs", &after, &wanted("it's")).unwrap(), after);
    }

    #[test]
    fn a_root_without_attributes_gets_its_first() {
        let edited = edit("Prefs", "<Prefs><x/></Prefs>", &[("A", "1".into())]).unwrap();
        assert_eq!(edited, "<Prefs A=\"1\"><x/></Prefs>");
        assert_eq!(
            edit("Prefs", "<Prefs />", &[("A", "1".into())]).unwrap(),
            "<Prefs A=\"1\" />"
        );
    }

    #[test]
    fn damage_is_told() {
        for document in [
            "<Prefs A=1/>",
            "<Prefs A=\"1/>",
            "<Prefs A/>",
            "<Other/>",
            "",
            "<Prefs",
            "<Prefs A='1' A='2'/>",
        ] {
            assert!(edit("Prefs", document, &wanted("x")).is_err(), "{document}");
        }
    }

    proptest! {
        #[test]
        fn no_input_panics(document in "[<>/ a-cP='\"&;!-]{0,60}", text in ".{0,20}") {
            let _ = edit("P", &document, &[("a", text.clone())]);
            let _ = edit("P", &format!("<P{document}/>"), &[("a", text)]);
        }

        #[test]
        fn an_edit_is_kept_and_done_once(other in "[ -~&&[^<&\"]]{0,20}", text in "[ -~]{0,20}") {
            let document = format!("<P Other=\"{other}\" Token=\"x\"/>");
            let edited = edit("P", &document, &wanted(&text)).unwrap();
            prop_assert_eq!(value("P", &edited, "Token"), Some(text.clone()));
            prop_assert_eq!(value("P", &edited, "Other"), Some(other));
            prop_assert_eq!(edit("P", &edited, &wanted(&text)).unwrap(), edited);
        }
    }
}
