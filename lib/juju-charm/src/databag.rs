//! Databags as types: a struct is one key for each field.
//!
//! A databag maps texts to texts, and relations differ in how a value becomes a text: [`Form`].
//!
//! ```
//! use juju_charm::databag::{self, Form};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Debug, PartialEq, Serialize, Deserialize)]
//! struct Endpoint {
//!     host: String,
//!     port: u16,
//!     tls: Option<bool>,
//! }
//!
//! let endpoint = Endpoint { host: "10.1.2.3".to_owned(), port: 6379, tls: None };
//! let bag = databag::write(&endpoint, Form::Plain)?;
//! assert_eq!((bag["host"].as_str(), bag["port"].as_str()), ("10.1.2.3", "6379"));
//! assert_eq!(bag["tls"], "", "an empty value takes the key away");
//! assert_eq!(databag::read::<Endpoint>(&bag, Form::Plain)?, endpoint);
//! # Ok::<(), juju_charm::Error>(())
//! ```

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::value::{BorrowedStrDeserializer, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, IntoDeserializer, Visitor};
use serde_json::Value;

use crate::error::Error;
use crate::typed;

/// How the value of a field is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A text is the value as it is; anything else, such as a number or a list, is JSON. What most relations have.
    Plain,
    /// Everything is JSON, a text with its quotes: what `Relation.save` and `Relation.load` of canonical/operator write and read.
    Json,
}

/// Reads a databag. Keys that `T` has no field for are skipped: Juju writes some of its own. A key with an empty value is as good as
/// none, since Juju has no such keys.
///
/// # Errors
/// [`Error::Value`], with the key, and without the value.
pub fn read<T: DeserializeOwned>(bag: &BTreeMap<String, String>, form: Form) -> Result<T, Error> {
    read_named("the databag", bag, form)
}

pub(crate) fn read_named<T: DeserializeOwned>(
    what: &str,
    bag: &BTreeMap<String, String>,
    form: Form,
) -> Result<T, Error> {
    let fields = bag
        .iter()
        .filter(|(_, text)| !text.is_empty())
        .map(|(key, text)| (key.as_str(), Field { text, form }));
    typed::read(what, MapDeserializer::new(fields))
}

/// Writes a databag, for [`Juju::set_own_app_data`](crate::Juju::set_own_app_data) and its like. A field that is `None` is an empty
/// value, which takes its key away.
///
/// # Errors
/// [`Error::Value`] when `value` is no struct or map with texts for keys.
pub fn write<T: Serialize>(value: &T, form: Form) -> Result<BTreeMap<String, String>, Error> {
    let what = "the databag";
    let Value::Object(fields) = typed::to_json(what, value)? else {
        return Err(typed::unfit(what, "it is neither a struct nor a map".to_owned()));
    };
    let text = |value: Value| match (value, form) {
        (Value::Null, _) => String::new(),
        (Value::String(text), Form::Plain) => text,
        (value, _) => value.to_string(),
    };
    Ok(fields
        .into_iter()
        .map(|(key, value)| (key, text(value)))
        .collect())
}

/// The value of one key.
struct Field<'a> {
    text: &'a str,
    form: Form,
}

impl Field<'_> {
    fn json(&self) -> Result<Value, serde_json::Error> {
        serde_json::from_str(self.text)
    }
}

impl<'de> IntoDeserializer<'de, serde_json::Error> for Field<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Whether a field is a text is decided by the type that reads it: `8080` is a number for a `u16` and a text for a `String`.
impl<'de> Deserializer<'de> for Field<'de> {
    type Error = serde_json::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match (self.json(), self.form) {
            (Err(_), Form::Plain) => visitor.visit_borrowed_str(self.text),
            (value, _) => value?.deserialize_any(visitor),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.form {
            Form::Plain => visitor.visit_borrowed_str(self.text),
            Form::Json => self.json()?.deserialize_str(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_char<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        match self.form {
            Form::Json if self.text == "null" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        // A variant with data is an object in both forms; one without is its name.
        match self.form {
            Form::Plain if !self.text.starts_with('{') => {
                BorrowedStrDeserializer::new(self.text).deserialize_enum(name, variants, visitor)
            }
            _ => self.json()?.deserialize_enum(name, variants, visitor),
        }
    }

    /// A key that nobody reads may hold anything.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    enum Mode {
        ReadOnly,
        Limited { percent: u8 },
    }

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Name(String);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    #[serde(rename_all = "kebab-case")]
    struct Offer {
        name: Name,
        address: IpAddr,
        port: u16,
        ratio: f64,
        modes: Vec<Mode>,
        mode: Mode,
        extra: Option<BTreeMap<String, i64>>,
        secret_id: Option<String>,
    }

    fn offer() -> Offer {
        Offer {
            name: Name("8080".to_owned()),
            address: "fd00::1".parse().unwrap(),
            port: 6379,
            ratio: 2.0,
            modes: vec![Mode::ReadOnly, Mode::Limited { percent: 5 }],
            mode: Mode::ReadOnly,
            extra: Some([("ä".to_owned(), -1)].into()),
            secret_id: None,
        }
    }

    fn bag<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
        entries
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn a_struct_is_one_key_for_each_field() {
        let plain = write(&offer(), Form::Plain).unwrap();
        let expected = [
            ("name", "8080"),
            ("address", "fd00::1"),
            ("port", "6379"),
            ("ratio", "2.0"),
            ("modes", r#"["read-only",{"limited":{"percent":5}}]"#),
            ("mode", "read-only"),
            ("extra", r#"{"ä":-1}"#),
            ("secret-id", ""),
        ];
        assert_eq!(plain, bag(expected));
        let json = write(&offer(), Form::Json).unwrap();
        assert_eq!(
            (json["name"].as_str(), json["port"].as_str()),
            ("\"8080\"", "6379")
        );
        assert_eq!(
            (json["mode"].as_str(), json["secret-id"].as_str()),
            ("\"read-only\"", "")
        );
    }

    #[test]
    fn what_was_written_is_read_in_both_forms() {
        let mut limited = offer();
        limited.mode = Mode::Limited { percent: 99 };
        limited.secret_id = Some("secret:9m4e2mr0ui3e8a215n4g".to_owned());
        for offer in [offer(), limited] {
            for form in [Form::Plain, Form::Json] {
                let mut written = write(&offer, form).unwrap();
                // Juju's own, which is JSON in no form.
                written.insert("egress-subnets".to_owned(), "10.1.2.3/32".to_owned());
                assert_eq!(read::<Offer>(&written, form).unwrap(), offer, "{form:?}");
                // As Juju gives it back.
                written.retain(|_, value| !value.is_empty());
                assert_eq!(read::<Offer>(&written, form).unwrap(), offer, "{form:?}");
            }
        }
    }

    #[test]
    fn what_takes_anything_gets_json_or_the_text() {
        let bag = bag([("a", "[1]"), ("b", "plain"), ("c", "")]);
        let any: BTreeMap<String, Value> = read(&bag, Form::Plain).unwrap();
        assert_eq!(
            (&any["a"], &any["b"]),
            (&serde_json::json!([1]), &Value::from("plain"))
        );
        assert_eq!(any.len(), 2);
        assert!(read::<BTreeMap<String, Value>>(&bag, Form::Json).is_err());
        let null: BTreeMap<String, Option<String>> = read(&self::bag([("a", "null")]), Form::Json).unwrap();
        assert_eq!(null["a"], None);
    }

    #[test]
    fn an_error_names_the_key_and_not_the_value() {
        let wrong = |key: &str, value: &str, form| {
            let mut bag = write(&offer(), form).unwrap();
            bag.insert(key.to_owned(), value.to_owned());
            read::<Offer>(&bag, form).unwrap_err().to_string()
        };
        for (key, value) in [
            ("port", "hunter2"),
            ("port", "70000"),
            ("port", "80 80"),
            ("address", "hunter2"),
            ("mode", "hunter2"),
            ("mode", "{hunter2"),
            ("modes", "[\"hunter2\"]"),
            ("extra", "{\"a\":\"hunter2\"}"),
        ] {
            for form in [Form::Plain, Form::Json] {
                let error = wrong(key, value, form);
                let begin = format!("cannot use the databag: {key}");
                assert!(error.starts_with(&begin), "{value}: {error}");
                assert!(!error.contains("hunter2") && !error.contains("80"), "{error}");
            }
        }
        assert_eq!(
            wrong("port", "", Form::Plain),
            "cannot use the databag: port is missing"
        );
    }

    #[test]
    fn what_is_no_struct_cannot_be_written() {
        let error = write(&[1, 2], Form::Plain).unwrap_err().to_string();
        assert_eq!(error, "cannot use the databag: it is neither a struct nor a map");
        let odd = BTreeMap::from([(vec![1], 2)]);
        let error = write(&odd, Form::Json).unwrap_err().to_string();
        assert_eq!(error, "cannot use the databag: it cannot be written as JSON");
    }
}
