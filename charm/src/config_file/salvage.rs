//! A value out of a file that cannot be read as its format: what stands where the value would stand, by its name alone.

use crate::profile::Format;

/// The text behind `name` in a damaged file. It may be cut off or mangled: whoever uses it has to look at it first.
pub(super) fn value(format: Format, text: &str, name: &str) -> Option<String> {
    let (begin, end): (String, &[char]) = match format {
        Format::XmlElements => (format!("<{name}>"), &['<', '\n']),
        Format::XmlAttributes => (format!(" {name}=\""), &['"', '\n']),
        Format::Json => (format!("\"{name}\""), &['"', '\n']),
        Format::Ini => {
            return text.lines().find_map(|line| {
                let (key, value) = line.split_once('=')?;
                (key.trim() == name).then(|| value.trim().trim_matches('"').to_owned())
            });
        }
    };
    let behind = &text[text.find(&begin)? + begin.len()..];
    let behind = match format {
        Format::Json => behind
            .trim_start()
            .strip_prefix(':')?
            .trim_start()
            .strip_prefix('"')?,
        _ => behind,
    };
    // Without its end it may be a part of the value only.
    Some(behind[..behind.find(end)?].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_by_its_name_and_only_as_a_whole() {
        let cases = [
            (
                Format::XmlElements,
                "<Config><ApiKey>abc</ApiKey><Po",
                Some("abc"),
            ),
            (Format::XmlElements, "<Config><ApiKey>ab", None),
            (Format::XmlElements, "<Config><Api>abc</Api>", None),
            (
                Format::XmlAttributes,
                "<Preferences ApiKey=\"abc\" Oth",
                Some("abc"),
            ),
            (Format::XmlAttributes, "<Preferences OldApiKey=\"abc\"", None),
            (Format::Ini, "[misc\n x = 1\nApiKey = \"abc\"\n", Some("abc")),
            (Format::Ini, "[misc\nApiKey", None),
            (Format::Json, "{ \"ApiKey\" : \"abc\", \"mai", Some("abc")),
            (Format::Json, "{ \"ApiKey\": 7", None),
            (Format::Json, "{ \"ApiKey\": \"ab", None),
        ];
        for (format, text, expected) in cases {
            assert_eq!(value(format, text, "ApiKey").as_deref(), expected, "{text}");
        }
    }
}
