//! The ids and contents of secrets as they stand on a command line.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::{Call, Failure};
use crate::flags::quote;

/// The most that one secret may hold since Juju 3.6.9, in bytes.
const MAX_BYTES: usize = 1024 * 1024;
const BASE64: &str = "#base64";
const FILE: &str = "#file";

/// The bare id of a secret URI: `ID`, `secret:ID` or `secret://MODEL/ID`, where an id is 20 characters.
pub(super) fn parse_id(text: &str) -> Result<String, Failure> {
    let refused = || Failure::usage(format!("secret URI {} not valid", quote(text)));
    let path = match text.split_once(':') {
        None => text,
        Some(("secret", rest)) => rest.strip_prefix("//").unwrap_or(rest),
        Some((scheme, _)) => {
            return Err(Failure::usage(format!(
                "secret URI scheme {} not valid",
                quote(scheme)
            )));
        }
    };
    let (source, id) = match path.split_once('/') {
        Some((source, id)) => (Some(source), id),
        None => (None, path),
    };
    let source_is_fine = source.is_none_or(is_uuid);
    let id_is_fine = id.len() == 20
        && id
            .chars()
            .all(|character| matches!(character, '0'..='9' | 'a'..='v'));
    if source_is_fine && id_is_fine {
        Ok(id.to_owned())
    } else {
        Err(refused())
    }
}

fn is_uuid(text: &str) -> bool {
    let lengths: Vec<usize> = text.split('-').map(str::len).collect();
    lengths == [8, 4, 4, 4, 12]
        && text
            .chars()
            .all(|character| character == '-' || matches!(character, '0'..='9' | 'a'..='f'))
}

/// Reads `key=value`, `key#base64=value` and `key#file=path` words, then a `--file`, whose keys win. The values come out
/// in base64, as Juju keeps them (`core/secrets/data.go` of juju/juju).
pub(super) fn read(call: &Call<'_>, words: &[String]) -> Result<BTreeMap<String, String>, Failure> {
    let mut plain = BTreeMap::new();
    for word in words {
        // The padding of a base64 value is not to be taken for the separator.
        let stripped = word.trim_end_matches('=');
        let Some((key, _)) = stripped.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!("key value {} not valid", quote(word))));
        };
        let value = word.get(key.len() + 1..).unwrap_or_default();
        match key.strip_suffix(FILE) {
            // The file is read now, not at the commit: it may be gone by then.
            Some(key) => {
                let content = call.read_file(value).map_err(as_usage)?;
                plain.insert(key.to_owned(), content);
            }
            None => {
                plain.insert(key.to_owned(), value.as_bytes().to_vec());
            }
        }
    }
    let mut content = encode(plain)?;
    let file = call.flags.text("file");
    if !file.is_empty() {
        let text = String::from_utf8(call.read_file_or_stdin(file).map_err(as_usage)?)
            .map_err(|_| Failure::usage("yaml: invalid leading UTF-8 octet"))?;
        let pairs = crate::yaml::text_map(&text).map_err(|error| Failure::usage(format!("yaml: {error}")))?;
        let pairs = pairs
            .into_iter()
            .map(|(key, value)| (key, value.into_bytes()))
            .collect();
        content.extend(encode(pairs)?);
    }
    Ok(content)
}

/// Juju reads these files while it reads the command line.
fn as_usage(failure: Failure) -> Failure {
    Failure::usage(failure.text)
}

fn encode(plain: BTreeMap<String, Vec<u8>>) -> Result<BTreeMap<String, String>, Failure> {
    let mut encoded = BTreeMap::new();
    let mut size = 0_usize;
    for (key, value) in plain {
        size = size.saturating_add(value.len());
        let (key, value) = match key.strip_suffix(BASE64) {
            Some(key) => (key.to_owned(), String::from_utf8_lossy(&value).into_owned()),
            None => (key, STANDARD.encode(&value)),
        };
        if !is_key(&key) {
            return Err(Failure::usage(format!("key {} not valid", quote(&key))));
        }
        encoded.insert(key, value);
    }
    if size > MAX_BYTES {
        return Err(Failure::usage(format!("secret content too large: {size} bytes")));
    }
    Ok(encoded)
}

/// `^([a-z](?:-?[a-z0-9]){2,})$`: three characters or more, dashes not counted.
fn is_key(key: &str) -> bool {
    let is_fine = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit();
    key.starts_with(|first: char| first.is_ascii_lowercase())
        && !key.ends_with('-')
        && !key.contains("--")
        && key
            .chars()
            .all(|character| is_fine(character) || character == '-')
        && key.chars().filter(|character| *character != '-').count() >= 3
}

/// A value as text. Bytes that are no text are shown as replacement characters, as Go's JSON does.
pub(super) fn decode(value: &str) -> Result<String, Failure> {
    let bytes = STANDARD
        .decode(value)
        .map_err(|_| Failure::run("illegal base64 data in secret value"))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_taken_in_their_three_forms() {
        let id = "rabqjqnm11cajlrrdkfg";
        for text in [
            id.to_owned(),
            format!("secret:{id}"),
            format!("secret://c1dffb6d-a8af-4bab-851e-54aafa595a16/{id}"),
            format!("secret:c1dffb6d-a8af-4bab-851e-54aafa595a16/{id}"),
        ] {
            assert_eq!(parse_id(&text).unwrap(), id, "{text}");
        }
        for text in [
            "",
            "bogus",
            "secret:",
            "secret:bogus",
            "secret://x/rabqjqnm11cajlrrdkfg",
            "http://a",
            "RABQJQNM11CAJLRRDKFG",
        ] {
            assert!(parse_id(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn keys_follow_jujus_rule() {
        for key in ["abc", "a-b-c", "api-key", "a1b2"] {
            assert!(is_key(key), "{key} was refused");
        }
        for key in ["a", "ab", "a-b", "1abc", "abc-", "a--bc", "Abc", "a_bc", ""] {
            assert!(!is_key(key), "{key} was taken");
        }
    }
}
