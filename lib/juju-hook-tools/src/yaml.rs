//! YAML, hidden behind two functions so that the library can be exchanged.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

/// YAML that cannot be read as what was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct YamlError(String);

/// Reads one YAML document (JSON is YAML) into a type.
pub fn from_str<T: DeserializeOwned>(text: &str) -> Result<T, YamlError> {
    serde_yaml::from_str(text).map_err(|error| YamlError(error.to_string()))
}

/// Reads a map of texts as Go's YAML library reads a `map[string]string`: a plain scalar keeps the text that was
/// written (`1e3` stays `1e3`, `yes` stays `yes`), null is the empty text, lists and maps are refused. An empty document
/// is an empty map.
pub fn text_map(text: &str) -> Result<BTreeMap<String, String>, YamlError> {
    let read: Option<BTreeMap<String, Option<String>>> = from_str(text)?;
    Ok(read
        .unwrap_or_default()
        .into_iter()
        .map(|(key, value)| (key, value.unwrap_or_default()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_keep_their_text() {
        let read = text_map(
            "a: 1e3\nb: yes\nc: \"1\"\nd: 0x10\ne: 2026-01-01\nf: ''\ng: 007\n1: x\nh: true\ni: 1.50\n",
        )
        .unwrap();
        let pairs: Vec<(&str, &str)> = read
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect();
        assert_eq!(
            pairs,
            [
                ("1", "x"),
                ("a", "1e3"),
                ("b", "yes"),
                ("c", "1"),
                ("d", "0x10"),
                ("e", "2026-01-01"),
                ("f", ""),
                ("g", "007"),
                ("h", "true"),
                ("i", "1.50")
            ]
        );
    }

    #[test]
    fn null_is_the_empty_text_but_a_quoted_null_is_a_text() {
        let read = text_map("a: null\nb: ~\nc:\nd: 'null'\ne: \"~\"\n").unwrap();
        assert_eq!(
            read.values().map(String::as_str).collect::<Vec<_>>(),
            ["", "", "", "null", "~"]
        );
    }

    #[test]
    fn json_is_read_as_yaml() {
        let read = text_map(r#"{"spec": "{\"a\":[1]}", "n": "1e3", "u": "\u00e9\n\t/"}"#).unwrap();
        assert_eq!(read["spec"], r#"{"a":[1]}"#);
        assert_eq!(read["n"], "1e3");
        assert_eq!(read["u"], "\u{e9}\n\t/");
    }

    #[test]
    fn nothing_is_an_empty_map() {
        assert!(text_map("").unwrap().is_empty());
        assert!(text_map("{}").unwrap().is_empty());
        assert!(text_map("# only a comment\n").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_a_map_of_texts_is_refused() {
        for text in ["[a]", "just text", "a: [1]", "a: {b: c}", "a: b: c", "a: 1\na: 2"] {
            assert!(text_map(text).is_err(), "{text} was taken");
        }
    }
}
