//! A command line of `juju`, as far as one has to know it to find the pod that it is about.

use anyhow::Result;
use serde_json::Value;

use crate::exec::Output;

/// The options of the forwarded verbs that take a value behind a blank.
const WITH_VALUE: [&str; 19] = [
    "-m",
    "--model",
    "--format",
    "--wait",
    "--scope",
    "--reset",
    "--apps",
    "--applications",
    "--units",
    "--actions",
    "--status",
    "--path",
    "--config",
    "--storage",
    "--resource",
    "--constraints",
    "--channel",
    "--revision",
    "--base",
];

/// What a command prints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Json,
    Yaml,
    /// For people.
    Other,
}

impl Form {
    /// What several pods have said together.
    pub fn print(self, value: &Value) -> Result<Output> {
        let (stdout, stderr, code) = match self {
            Form::Json => (format!("{value}\n"), "", 0),
            Form::Yaml => (serde_yaml::to_string(value)?, "", 0),
            Form::Other => (
                String::new(),
                "ERROR from outside of the pods there are no tables: use --format json or yaml\n",
                1,
            ),
        };
        Ok(Output {
            stdout,
            stderr: stderr.to_owned(),
            code,
        })
    }
}

/// A command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// All of it, without `juju`.
    pub arguments: Vec<String>,
    /// `run`.
    pub verb: String,
    /// The first thing that it names, `radarr/0` or `12`.
    pub named: Option<String>,
    /// The second one.
    pub second: Option<String>,
    /// Its options that have a value.
    pub options: Vec<(String, String)>,
    /// Of `-m`.
    pub model: Option<String>,
    /// Of `--format`.
    pub form: Form,
    /// Where the first named thing stands.
    place: usize,
}

impl Call {
    /// Reads it. Nothing is refused here: the pod's own Juju does that.
    pub fn parse(arguments: &[String]) -> Call {
        let mut call = Call {
            arguments: arguments.to_vec(),
            verb: String::new(),
            named: None,
            second: None,
            options: Vec::new(),
            model: None,
            form: Form::Other,
            place: 0,
        };
        let mut words = arguments.iter().enumerate();
        while let Some((place, word)) = words.next() {
            if !word.starts_with('-') {
                match (call.verb.is_empty(), &call.named) {
                    (true, _) => call.verb.clone_from(word),
                    (false, None) => (call.named, call.place) = (Some(word.clone()), place),
                    (false, Some(_)) => _ = call.second.get_or_insert_with(|| word.clone()),
                }
                continue;
            }
            let (name, value) = match word.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None if WITH_VALUE.contains(&word.as_str()) => {
                    (word.as_str(), words.next().map(|(_, value)| value.clone()))
                }
                None => (word.as_str(), None),
            };
            call.options
                .extend(value.clone().map(|value| (name.to_owned(), value)));
            match name {
                "-m" | "--model" => call.model = value,
                "--format" => {
                    call.form = match value.as_deref() {
                        Some("json") => Form::Json,
                        Some("yaml") => Form::Yaml,
                        _ => Form::Other,
                    }
                }
                _ => {}
            }
        }
        call
    }

    /// The same about another thing.
    pub fn about(&self, named: &str) -> Vec<String> {
        let mut arguments = self.arguments.clone();
        if let Some(word) = arguments.get_mut(self.place) {
            *word = named.to_owned();
        }
        arguments
    }

    /// The same with an answer to merge.
    pub fn in_json(&self) -> Vec<String> {
        let mut arguments = Vec::new();
        let mut words = self.arguments.iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "--format" => _ = words.next(),
                other if other.starts_with("--format=") => {}
                _ => arguments.push(word.clone()),
            }
        }
        arguments.extend(["--format".to_owned(), "json".to_owned()]);
        arguments
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(line: &str) -> Call {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        Call::parse(&words)
    }

    #[test]
    fn the_unit_is_found_between_options() {
        let read = call("run -m ctl:admin/home --wait 2m radarr/0 list-backups --format=yaml a=-b");
        assert_eq!(read.verb, "run");
        assert_eq!(read.named.as_deref(), Some("radarr/0"));
        assert_eq!(read.model.as_deref(), Some("ctl:admin/home"));
        assert_eq!(read.form, Form::Yaml);
        assert_eq!(call("status").named, None);
        let read = call("deploy ./charm radarr --trust --config restore-on-deploy=u --path=p -m home");
        assert_eq!(read.named.as_deref(), Some("./charm"));
        assert_eq!(read.second.as_deref(), Some("radarr"));
        let options: Vec<String> = read
            .options
            .iter()
            .map(|(name, value)| format!("{name} {value}"))
            .collect();
        assert_eq!(options, ["--config restore-on-deploy=u", "--path p", "-m home"]);
        assert_eq!(call("show-task --watch 7").named.as_deref(), Some("7"));
    }

    #[test]
    fn another_number_and_another_form_take_their_places() {
        let read = call("show-operation --utc 7 --format yaml -m home");
        assert_eq!(
            read.about("2").join(" "),
            "show-operation --utc 2 --format yaml -m home"
        );
        assert_eq!(
            read.in_json().join(" "),
            "show-operation --utc 7 -m home --format json"
        );
    }
}
