//! Reads YAML and JSON texts that people write into plain values.
//!
//! The only module that knows which YAML library is used: it moves fast.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

use crate::error::{Error, Reason};

/// Reads one document of YAML, or of JSON.
///
/// Words such as `yes` and `on` are booleans, as for kubectl, which reads YAML 1.1.
pub(crate) fn parse(text: &str) -> Result<Value, Error> {
    // YAML's readers do not take all of JSON: `\/` in a text, for one.
    let json = serde_json::from_str(text);
    let (format, message) = match (json, parse_yaml(text)) {
        (Ok(Node(value)), _) | (Err(_), Ok(value)) => return Ok(value),
        (Err(error), Err(_)) if looks_like_json(text) => ("JSON", error.to_string()),
        (Err(_), Err(message)) => ("YAML", message),
    };
    Err(Error::at("", None, Reason::syntax(format, message)))
}

fn looks_like_json(text: &str) -> bool {
    text.trim_start()
        .strip_prefix('{')
        .is_some_and(|rest| rest.trim_start().starts_with('"'))
}

fn parse_yaml(text: &str) -> Result<Value, String> {
    let options = serde_yaml::options! {
        // The lines around a mistake may hold what must not get into a log.
        with_snippet: false,
        // They are refused below, in our words.
        duplicate_keys: serde_yaml::DuplicateKeyPolicy::PassThrough,
    };
    match serde_yaml::from_str_with_options(text, options) {
        Ok(Node(value)) => Ok(value),
        Err(error) => Err(error.to_string()),
    }
}

/// A value of which nothing got lost: other than `serde_json::Value`, it refuses keys that come twice, and numbers that
/// JSON cannot hold instead of making `null` of them.
struct Node(Value);

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a mapping, a list, a text, a number, true, false or null")
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node(Value::Bool(value)))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Node(Value::Number(number))),
            None => Err(E::custom(format!("{value} is no number that JSON has"))),
        }
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
        let mut list = Vec::new();
        while let Some(Node(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Node(Value::Array(list)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut map = Map::new();
        while let Some((key, Node(value))) = entries.next_entry::<String, Node>()? {
            if map.contains_key(&key) {
                return Err(A::Error::custom(format!("the key {key:?} comes twice")));
            }
            map.insert(key, value);
        }
        Ok(Node(Value::Object(map)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_and_yaml_give_the_same_value() {
        let expected = json!({"a": ["x", "2", 3, null], "b": {"c/d": true}});
        for text in [
            "{\"a\":[\"x\",\"2\",3,null],\n\t\"b\":{\"c\\/d\":true}}",
            "a: [x, '2', 3, null]\nb:\n  c/d: true\n",
            "{a: [x, \"2\", 3, ~], b: {c/d: yes}}",
            "---\n# a comment\na:\n- x\n- \"2\"\n- 3\n-\nb: {c/d: on}\n",
        ] {
            assert_eq!(parse(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn nothing_is_lost_without_a_word() {
        for text in [
            "a: 1\na: 2\n",
            r#"{"a": 1, "a": 2}"#,
            "a: .nan\n",
            "a: 1\n---\nb: 2\n",
            "{\"a\": 1} {",
            "a: [",
            "{",
        ] {
            assert!(parse(text).is_err(), "{text} was taken");
        }
    }

    #[test]
    fn an_error_shows_no_neighbouring_line() {
        let error = parse("password: hunter2\nttl: [720h\nother: hunter3\n").unwrap_err();
        assert!(!error.to_string().contains("hunter"), "{error}");
        assert!(error.to_string().contains("line"), "{error}");
    }
}
