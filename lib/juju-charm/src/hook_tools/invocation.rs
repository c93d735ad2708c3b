//! Building one call of a hook tool, and reading what it answers.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::str::FromStr;

use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, failure_reason, shown_command};
use crate::runner::ToolRunner;

/// One call of a hook tool. Options come before positional arguments, as the tools want it.
pub(super) struct Invocation<'a> {
    runner: &'a dyn ToolRunner,
    tool: &'static str,
    args: Vec<String>,
    stdin: Option<Vec<u8>>,
    meanwhile: Cell<Option<&'a mut dyn FnMut()>>,
}

impl<'a> Invocation<'a> {
    pub(super) fn new(runner: &'a dyn ToolRunner, tool: &'static str) -> Self {
        Self {
            runner,
            tool,
            args: Vec::new(),
            stdin: None,
            meanwhile: Cell::new(None),
        }
    }

    /// What is done while the tool runs; one without standard input.
    pub(super) fn beside(self, meanwhile: &'a mut dyn FnMut()) -> Self {
        self.meanwhile.set(Some(meanwhile));
        self
    }

    pub(super) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    pub(super) fn args<T: Into<String>>(mut self, args: impl IntoIterator<Item = T>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// `--NAME=VALUE` if there is a value. In one word, so that a value with a leading dash is not taken for an option.
    pub(super) fn option(self, name: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.arg(format!("--{name}={value}")),
            None => self,
        }
    }

    /// Free text, after the `--` that keeps a leading dash from being read as an option.
    pub(super) fn text_arg(self, text: &str) -> Self {
        self.arg("--").arg(text)
    }

    /// A map of texts on standard input, for `--file -`.
    pub(super) fn map_on_stdin(mut self, map: &BTreeMap<String, String>) -> Self {
        self.stdin = Some(yaml_map(map).into_bytes());
        self.arg("--file").arg("-")
    }

    /// Runs the tool; its output is not looked at.
    pub(super) fn run(self) -> Result<(), Error> {
        self.output().map(drop)
    }

    /// Runs the tool; gives its output without surrounding white space.
    pub(super) fn text(self) -> Result<String, Error> {
        Ok(String::from_utf8_lossy(&self.output()?).trim().to_owned())
    }

    /// Runs the tool; gives its output as JSON. No output at all counts as `null`: some tools write nothing for "none".
    pub(super) fn json(self) -> Result<Value, Error> {
        let stdout = self.output()?;
        if stdout.trim_ascii().is_empty() {
            return Ok(Value::Null);
        }
        // A syntax error's text names a position, never a value.
        serde_json::from_slice(&stdout).map_err(|error| self.misunderstood(error.to_string()))
    }

    /// Like [`json`](Self::json), as a type; `null` gives the type's default.
    pub(super) fn json_as<T: DeserializeOwned + Default>(self) -> Result<T, Error> {
        let (tool, command) = (self.tool, self.shown());
        match self.json()? {
            Value::Null => Ok(T::default()),
            value => serde_json::from_value(value).map_err(|error| Error::Output {
                tool: tool.to_owned(),
                command,
                reason: error.to_string(),
            }),
        }
    }

    /// Like [`json`](Self::json), as a map of texts. Errors name the key, never the value.
    pub(super) fn json_text_map(self) -> Result<BTreeMap<String, String>, Error> {
        let (tool, command) = (self.tool, self.shown());
        let misunderstood = |reason: String| Error::Output {
            tool: tool.to_owned(),
            command: command.clone(),
            reason,
        };
        let entries = match self.json()? {
            Value::Null => return Ok(BTreeMap::new()),
            Value::Object(entries) => entries,
            _ => return Err(misunderstood("a map was expected".to_owned())),
        };
        let text = |(key, value): (String, Value)| match value {
            Value::String(value) => Ok((key, value)),
            _ => Err(misunderstood(format!("the value of {key:?} is no text"))),
        };
        entries.into_iter().map(text).collect()
    }

    /// Like [`json`](Self::json), as a list of names that are parsed; `null` is the empty list.
    pub(super) fn json_list<T: FromStr>(self, expected: &str) -> Result<Vec<T>, Error> {
        let (tool, command) = (self.tool, self.shown());
        let names: Vec<String> = self.json_as()?;
        let parse = |name: &String| {
            let reason = format!("{name:?} is not {expected}");
            name.parse().map_err(|_| Error::Output {
                tool: tool.to_owned(),
                command: command.clone(),
                reason,
            })
        };
        names.iter().map(parse).collect()
    }

    pub(super) fn shown(&self) -> String {
        shown_command(self.tool, &self.args)
    }

    pub(super) fn misunderstood(&self, reason: String) -> Error {
        Error::Output {
            tool: self.tool.to_owned(),
            command: self.shown(),
            reason,
        }
    }

    fn output(&self) -> Result<Vec<u8>, Error> {
        let args: Vec<&str> = self.args.iter().map(String::as_str).collect();
        let output = match self.meanwhile.take() {
            Some(meanwhile) => self.runner.run_beside(self.tool, &args, meanwhile),
            None => self.runner.run(self.tool, &args, self.stdin.as_deref()),
        };
        let output = output.map_err(|source| Error::Start {
            tool: self.tool.to_owned(),
            source,
        })?;
        if output.exit_code == Some(0) {
            return Ok(output.stdout);
        }
        Err(Error::Failed {
            tool: self.tool.to_owned(),
            command: self.shown(),
            exit_code: output.exit_code,
            reason: failure_reason(&output),
        })
    }
}

/// A map of texts as YAML that Go's YAML parser takes: written as JSON, which is YAML but for a few characters.
///
/// Go's parser refuses control characters in the stream, and folds NEL and the line separators U+2028 and U+2029 within
/// quotes, where JSON allows them: these are escaped, so that every text arrives as it was.
fn yaml_map(map: &BTreeMap<String, String>) -> String {
    // Serializing a map of strings to a string cannot fail.
    let json = serde_json::to_string(map).unwrap_or_default();
    let mut yaml = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            '\u{7f}'..='\u{a0}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
                yaml.push_str(&format!("\\u{:04x}", u32::from(character)));
            }
            _ => yaml.push(character),
        }
    }
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_survives_the_way_through_yaml() {
        let texts = [
            "",
            "1e3",
            "no",
            "a: b # c",
            "{\"a\":[1]}",
            "'\"\\",
            "tab\tline\nend\r",
            "\u{0}\u{7f}\u{85}\u{2028}",
            "ü🦀\u{feff}",
        ];
        let map: BTreeMap<String, String> = texts
            .iter()
            .enumerate()
            .map(|(index, text)| (format!("key-{index}"), (*text).to_owned()))
            .collect();
        let yaml = yaml_map(&map);
        assert_eq!(
            serde_json::from_str::<BTreeMap<String, String>>(&yaml).unwrap(),
            map
        );
        let read: BTreeMap<String, String> = serde_yaml::from_str(&yaml).unwrap();
        assert_eq!(read, map);
        assert!(!yaml.contains(['\u{7f}', '\u{85}', '\u{2028}', '\u{feff}']));
    }
}
