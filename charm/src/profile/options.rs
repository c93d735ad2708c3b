//! Options that one app has and others have not.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::problem::Unfit;

/// An option of one app.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppOption {
    /// Type of its values.
    #[serde(default)]
    pub r#type: OptionType,
    /// Value when the user sets none. An empty text leaves to the app what the option is about.
    pub default: OptionValue,
    /// What `juju config` shows.
    #[schemars(length(min = 1))]
    pub description: String,
    /// The words that a text may be, each with what is filled in for it. Without: any text in one line.
    #[serde(default)]
    pub choices: BTreeMap<String, String>,
    /// Whether a text must be in lower case: an app that changes case would find its file changed back again and again.
    #[serde(default)]
    pub lower_case: bool,
    /// The least number.
    #[serde(default)]
    pub minimum: Option<i64>,
    /// The greatest number.
    #[serde(default)]
    pub maximum: Option<i64>,
}

/// Types of options, by Juju's names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum OptionType {
    /// Text.
    #[default]
    String,
    /// A whole number.
    Int,
    /// `true` or `false`.
    Boolean,
}

/// A value of an option.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OptionValue {
    /// `true` or `false`.
    Boolean(bool),
    /// A whole number.
    Int(i64),
    /// Text.
    Text(String),
}

impl OptionType {
    /// Juju's name for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Int => "int",
            Self::Boolean => "boolean",
        }
    }
}

impl OptionValue {
    /// The type that an option with this value has.
    pub fn kind(&self) -> OptionType {
        match self {
            Self::Boolean(_) => OptionType::Boolean,
            Self::Int(_) => OptionType::Int,
            Self::Text(_) => OptionType::String,
        }
    }
}

impl std::fmt::Display for OptionValue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Int(value) => value.fmt(f),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl AppOption {
    /// What is filled in for `value`.
    ///
    /// # Errors
    /// Why it cannot be used.
    pub fn judge(&self, value: &OptionValue) -> Result<String, Unfit> {
        match value {
            OptionValue::Text(text) => self.judge_text(text),
            OptionValue::Int(number) => {
                let (low, high) = (self.minimum.unwrap_or(i64::MIN), self.maximum.unwrap_or(i64::MAX));
                if (low..=high).contains(number) {
                    return Ok(number.to_string());
                }
                let reason = match (self.minimum, self.maximum) {
                    (Some(low), Some(high)) => format!("must be from {low} to {high}"),
                    (Some(low), None) => format!("must be at least {low}"),
                    _ => format!("must be at most {high}"),
                };
                Err(Unfit::new(reason, self.default.to_string()))
            }
            OptionValue::Boolean(value) => Ok(value.to_string()),
        }
    }

    fn judge_text(&self, text: &str) -> Result<String, Unfit> {
        if text.is_empty() && self.default == OptionValue::Text(String::new()) {
            return Ok(String::new());
        }
        let example = || {
            let first_choice = self.choices.keys().next().cloned().unwrap_or_default();
            match &self.default {
                OptionValue::Text(text) if text.is_empty() => first_choice,
                default => default.to_string(),
            }
        };
        if !self.choices.is_empty() {
            return self.choices.get(text).cloned().ok_or_else(|| {
                let words: Vec<&str> = self.choices.keys().map(String::as_str).collect();
                Unfit::new(format!("is none of {}", words.join(", ")), example())
            });
        }
        // What ends a line or a quoted value would write a setting of its own into the config file. Python's `splitlines`, by which
        // configobj reads SABnzbd's file, takes the two separators of Unicode for ends of lines as well.
        let ends = |c: char| c.is_control() || matches!(c, '"' | '\\' | '\u{2028}' | '\u{2029}');
        if text.chars().any(ends) {
            let reason = "must be one line without quotes and backslashes";
            return Err(Unfit::new(reason, example()));
        }
        if self.lower_case && text.chars().any(char::is_uppercase) {
            return Err(Unfit::new("must be in lower case", text.to_lowercase()));
        }
        Ok(text.to_owned())
    }
}
