//! Edits settings that are child elements of an XML document's root, by splicing bytes.
//!
//! The parser only tells where things stand; the text is cut and joined, never written anew, so that what is not ours
//! keeps its bytes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::escape::{escape, unescape};
use quick_xml::events::Event;

use super::{Damage, line_end, spliced, without_mark};

/// One child element of the root.
struct Setting {
    name: String,
    /// The whole element, tags included.
    element: Range<usize>,
    /// What stands between its tags; `None` for `<Name/>`.
    content: Option<Range<usize>>,
}

/// Where things stand in a document.
struct Outline {
    settings: Vec<Setting>,
    /// Where a new setting goes: just before the root's closing tag.
    root_end: RootEnd,
}

enum RootEnd {
    /// `</Root>` starts here.
    Tag(usize),
    /// The root is `<Root/>`, which stands here.
    Empty(Range<usize>),
}

/// A new document that holds `wanted` and nothing else.
pub fn create(root: &str, wanted: &[(&str, String)]) -> String {
    let settings: String = wanted
        .iter()
        .map(|(name, text)| format!("  <{name}>{}</{name}>\n", escape(text.as_str())))
        .collect();
    format!("<{root}>\n{settings}</{root}>\n")
}

/// `current` with the texts of `wanted` in place.
///
/// A setting that stands twice gets its text in both places, so that it does not matter which one the app reads.
pub fn edit(root: &str, current: &[u8], wanted: &[(&str, String)]) -> Result<String, Damage> {
    let (mark, text) = without_mark(std::str::from_utf8(current).map_err(|_| Damage::NotText)?);
    let outline = outline(root, text)?;
    let mut splices: Vec<(Range<usize>, String)> = Vec::new();
    let mut missing = String::new();
    let line_end = line_end(text);
    for (name, wanted_text) in wanted {
        let escaped = escape(wanted_text.as_str());
        let mut found = false;
        for setting in outline.settings.iter().filter(|setting| setting.name == *name) {
            found = true;
            if content_text(text, setting).as_deref() == Some(wanted_text.as_str()) {
                continue;
            }
            splices.push(match &setting.content {
                Some(content) => (content.clone(), escaped.to_string()),
                None => (setting.element.clone(), format!("<{name}>{escaped}</{name}>")),
            });
        }
        if !found {
            missing.push_str(&format!("  <{name}>{escaped}</{name}>{line_end}"));
        }
    }
    if !missing.is_empty() {
        splices.push(match &outline.root_end {
            RootEnd::Tag(at) => {
                let needs_line = !text[..*at].trim_end_matches([' ', '\t']).ends_with('\n');
                (
                    *at..*at,
                    if needs_line {
                        format!("{line_end}{missing}")
                    } else {
                        missing
                    },
                )
            }
            RootEnd::Empty(range) => (range.clone(), format!("<{root}>{line_end}{missing}</{root}>")),
        });
    }
    Ok(format!("{mark}{}", spliced(text, splices)))
}

/// The text of the first setting called `name`.
pub fn value(root: &str, current: &[u8], name: &str) -> Option<String> {
    let (_, text) = without_mark(std::str::from_utf8(current).ok()?);
    let outline = outline(root, text).ok()?;
    let setting = outline.settings.iter().find(|setting| setting.name == name)?;
    content_text(text, setting).map(Cow::into_owned)
}

/// The texts of all settings, by name.
pub fn settings(root: &str, current: &str) -> Option<BTreeMap<String, String>> {
    let (_, text) = without_mark(current);
    let settings = outline(root, text).ok()?.settings.into_iter();
    Some(
        settings
            .map(|setting| {
                let raw = || setting.content.clone().and_then(|range| text.get(range));
                let content = content_text(text, &setting).map(Cow::into_owned);
                let content = content.unwrap_or_else(|| raw().unwrap_or_default().to_owned());
                (setting.name, content)
            })
            .collect(),
    )
}

/// Tells whether `text` is a sound document with this root.
pub(super) fn check(root: &str, text: &str) -> Result<(), Damage> {
    outline(root, text).map(drop)
}

/// The setting's text as an XML reader sees it, white space around it kept; `None` when it holds something that is not plain text.
fn content_text<'a>(document: &'a str, setting: &Setting) -> Option<Cow<'a, str>> {
    match &setting.content {
        None => Some(Cow::Borrowed("")),
        Some(range) => {
            let raw = document.get(range.clone())?;
            if raw.contains('<') {
                None
            } else {
                unescape(raw).ok()
            }
        }
    }
}

fn outline(root: &str, text: &str) -> Result<Outline, Damage> {
    let mut reader = Reader::from_str(text);
    let mut settings: Vec<Setting> = Vec::new();
    let mut root_end = None;
    let mut depth = 0_usize;
    // Start of the open setting's element and of its content.
    let mut open: Option<(String, usize, usize)> = None;
    loop {
        let start = position(&reader);
        let event = reader.read_event().map_err(|_| Damage::Malformed {
            format: "XML",
            position: reader.error_position(),
        })?;
        let end = position(&reader);
        match event {
            Event::Start(tag) => {
                if depth == 0 {
                    check_root(root, tag.name().as_ref(), root_end.is_some())?;
                } else if depth == 1 {
                    open = Some((tag.name().as_ref().to_owned(), start, end));
                }
                depth += 1;
            }
            Event::Empty(tag) => {
                if depth == 0 {
                    check_root(root, tag.name().as_ref(), root_end.is_some())?;
                    root_end = Some(RootEnd::Empty(start..end));
                } else if depth == 1 {
                    settings.push(Setting {
                        name: tag.name().as_ref().to_owned(),
                        element: start..end,
                        content: None,
                    });
                }
            }
            Event::End(_) => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    root_end = Some(RootEnd::Tag(start));
                } else if depth == 1
                    && let Some((name, element_start, content_start)) = open.take()
                {
                    settings.push(Setting {
                        name,
                        element: element_start..end,
                        content: Some(content_start..start),
                    });
                }
            }
            Event::Text(words) if depth == 0 && !words.trim().is_empty() => {
                return Err(Damage::Malformed {
                    format: "XML",
                    position: start as u64,
                });
            }
            Event::Eof => break,
            _ => {}
        }
    }
    match root_end {
        Some(root_end) if depth == 0 => Ok(Outline { settings, root_end }),
        _ => Err(Damage::Malformed {
            format: "XML",
            position: text.len() as u64,
        }),
    }
}

fn position(reader: &Reader<&[u8]>) -> usize {
    usize::try_from(reader.buffer_position()).unwrap_or(usize::MAX)
}

fn check_root(root: &str, found: &str, already_closed: bool) -> Result<(), Damage> {
    if found == root && !already_closed {
        Ok(())
    } else {
        Err(Damage::OtherRoot(root.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn wanted() -> Vec<(&'static str, String)> {
        vec![
            ("Port", "7878".to_owned()),
            ("UrlBase", String::new()),
            ("ApiKey", "a&b".to_owned()),
        ]
    }

    #[test]
    fn what_is_not_ours_keeps_its_bytes() {
        let before = "\u{feff}<?xml version=\"1.0\"?>\r\n<!-- mine -->\r\n<Config>\r\n\t<LogLevel>debug</LogLevel>\r\n  <!-- <Port>1</Port> -->\r\n  <Port>80</Port>\r\n  <Odd a='1'><Port>2</Port></Odd>\r\n</Config>\r\n";
        let after = edit("Config", before.as_bytes(), &wanted()).unwrap();
        assert_eq!(
            after,
            before.replace("<Port>80</Port>", "<Port>7878</Port>").replace(
                "</Config>",
                "  <UrlBase></UrlBase>\r\n  <ApiKey>a&amp;b</ApiKey>\r\n</Config>"
            )
        );
        assert_eq!(
            edit("Config", after.as_bytes(), &wanted()).unwrap(),
            after,
            "a second edit changes nothing"
        );
    }

    #[test]
    fn an_empty_element_and_an_absent_text_are_the_same() {
        let before = "<Config><Port>7878</Port><UrlBase /><ApiKey>a&amp;b</ApiKey></Config>";
        assert_eq!(edit("Config", before.as_bytes(), &wanted()).unwrap(), before);
        let filled = edit("Config", before.as_bytes(), &[("UrlBase", "/r".to_owned())]).unwrap();
        assert_eq!(filled, before.replace("<UrlBase />", "<UrlBase>/r</UrlBase>"));
    }

    #[test]
    fn a_setting_that_stands_twice_is_set_twice() {
        let edited = edit(
            "Config",
            b"<Config><Port>1</Port><Port>2</Port></Config>",
            &[("Port", "3".into())],
        )
        .unwrap();
        assert_eq!(edited, "<Config><Port>3</Port><Port>3</Port></Config>");
    }

    #[test]
    fn an_empty_root_is_opened() {
        let edited = edit("Config", b"<Config/>", &[("Port", "3".into())]).unwrap();
        assert_eq!(edited, "<Config>\n  <Port>3</Port>\n</Config>");
    }

    #[test]
    fn damage_is_told_apart() {
        let cases: [(&[u8], &str); 6] = [
            (b"\xff\xfe<", "not UTF-8"),
            (b"<Config><Port>1</Config>", "not well-formed"),
            (b"<Config><Port>1</Port>", "not well-formed"),
            (b"hello", "not well-formed"),
            (b"<Other/>", "document element"),
            (b"<Config/><Config/>", "document element"),
        ];
        for (document, reason) in cases {
            let damage = edit("Config", document, &wanted()).unwrap_err().to_string();
            assert!(damage.contains(reason), "{document:?}: {damage}");
        }
    }

    #[test]
    fn a_fresh_document_holds_the_values() {
        let document = create("Config", &wanted());
        assert_eq!(
            value("Config", document.as_bytes(), "ApiKey").as_deref(),
            Some("a&b")
        );
        assert_eq!(edit("Config", document.as_bytes(), &wanted()).unwrap(), document);
    }

    proptest! {
        #[test]
        fn no_input_panics(document in ".{0,200}", text in ".{0,20}") {
            let _ = edit("Config", document.as_bytes(), &[("Port", text)]);
        }

        #[test]
        fn an_edited_document_says_what_was_asked(
            junk in "[ \n]{0,3}(<[A-C]>[a-z&&[^<]]{0,5}</[A-C]>)?", text in "[ -~]{0,20}",
        ) {
            let document = format!("<Config>{junk}<Port>x</Port></Config>");
            if let Ok(edited) = edit("Config", document.as_bytes(), &[("Port", text.clone()), ("New", text.clone())]) {
                prop_assert_eq!(value("Config", edited.as_bytes(), "Port"), Some(text.clone()));
                prop_assert_eq!(value("Config", edited.as_bytes(), "New"), Some(text.clone()));
                prop_assert!(edited.contains(&junk), "{} is gone", junk);
                let again = edit("Config", edited.as_bytes(), &[("Port", text.clone()), ("New", text)]).unwrap();
                prop_assert_eq!(again, edited);
            }
        }
    }
}
