//! The options that the user set, typed.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::error::Error;

/// The charm's options, as `config-get` gives them: declared defaults filled in, unset ones without a default absent.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Config {
    options: BTreeMap<String, Value>,
}

impl Config {
    pub(crate) fn new(options: BTreeMap<String, Value>) -> Self {
        // `--all` shows unset options as null; absent and null mean the same.
        Self {
            options: options
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .collect(),
        }
    }

    /// True if the option has neither a value nor a default. Also for one that `config.yaml` does not declare.
    pub fn is_unset(&self, option: &str) -> bool {
        !self.options.contains_key(option)
    }

    /// An option of type `string`. One of type `secret` is a text as well: the secret's id.
    ///
    /// # Errors
    /// [`Error::OptionType`] when it has another type.
    pub fn text(&self, option: &str) -> Result<Option<&str>, Error> {
        self.typed(option, "string", Value::as_str)
    }

    /// An option of type `int`.
    ///
    /// # Errors
    /// [`Error::OptionType`] when it has another type.
    pub fn integer(&self, option: &str) -> Result<Option<i64>, Error> {
        self.typed(option, "int", Value::as_i64)
    }

    /// An option of type `float`. A whole number counts: Juju writes `2.0` as `2`.
    ///
    /// # Errors
    /// [`Error::OptionType`] when it has another type.
    pub fn float(&self, option: &str) -> Result<Option<f64>, Error> {
        self.typed(option, "float", Value::as_f64)
    }

    /// An option of type `boolean`.
    ///
    /// # Errors
    /// [`Error::OptionType`] when it has another type.
    pub fn boolean(&self, option: &str) -> Result<Option<bool>, Error> {
        self.typed(option, "boolean", Value::as_bool)
    }

    fn typed<'a, T>(
        &'a self,
        option: &str,
        expected: &'static str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.options.get(option) else {
            return Ok(None);
        };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Error::OptionType {
                option: option.to_owned(),
                expected,
                found: type_name(value),
            }),
        }
    }
}

/// The type's name as `config.yaml` has it.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "float",
        Value::Number(_) => "int",
        Value::String(_) => "string",
        Value::Array(_) => "a list",
        Value::Object(_) => "a map",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(json: &str) -> Config {
        Config::new(serde_json::from_str(json).unwrap())
    }

    #[test]
    fn options_have_their_types() {
        let config =
            config(r#"{"flag":false,"port":8080,"ratio":0.5,"whole":2,"text":"hello","unset":null}"#);
        assert_eq!(config.boolean("flag").unwrap(), Some(false));
        assert_eq!(config.integer("port").unwrap(), Some(8080));
        assert_eq!(config.float("ratio").unwrap(), Some(0.5));
        assert_eq!(config.float("whole").unwrap(), Some(2.0));
        assert_eq!(config.text("text").unwrap(), Some("hello"));
        assert_eq!(config.text("unset").unwrap(), None);
        assert!(config.is_unset("unset") && config.is_unset("no-such-option") && !config.is_unset("flag"));
    }

    #[test]
    fn another_type_is_an_error_that_names_both() {
        let config = config(r#"{"port":8080,"ratio":0.5,"text":"8080"}"#);
        let error = config.integer("text").unwrap_err();
        assert_eq!(
            error.to_string(),
            "cannot read option \"text\" as int: it is string; config.yaml must declare it as int"
        );
        assert!(
            config.text("port").is_err()
                && config.boolean("port").is_err()
                && config.integer("ratio").is_err()
        );
    }
}
