//! Reading the text of a layer, as strictly as Pebble does. Source: `ParseLayer` in `internals/plan/plan.go` of
//! canonical/pebble. What a layer may say is judged by the client's crate.

use juju_charm::pebble::{Layer, duration, validate};
use serde_json::Value;

use super::container;

/// A kind of entries, the keys that Pebble knows of it, which of them are durations, and how Pebble calls it.
struct Section {
    name: &'static str,
    go_type: &'static str,
    word: &'static str,
    keys: &'static [&'static str],
    durations: &'static [&'static str],
}

const SECTIONS: [Section; 3] = [
    Section {
        name: "services",
        go_type: "plan.Service",
        word: "service",
        keys: &[
            "summary",
            "description",
            "startup",
            "override",
            "command",
            "after",
            "before",
            "requires",
            "workload",
            "environment",
            "user-id",
            "user",
            "group-id",
            "group",
            "working-dir",
            "on-success",
            "on-failure",
            "on-check-failure",
            "backoff-delay",
            "backoff-factor",
            "backoff-limit",
            "kill-delay",
        ],
        durations: &["backoff-delay", "backoff-limit", "kill-delay"],
    },
    Section {
        name: "checks",
        go_type: "plan.Check",
        word: "check",
        keys: &[
            "override",
            "level",
            "startup",
            "period",
            "timeout",
            "threshold",
            "http",
            "tcp",
            "exec",
        ],
        durations: &["period", "timeout"],
    },
    Section {
        name: "log-targets",
        go_type: "plan.LogTarget",
        word: "log target",
        keys: &["type", "location", "services", "override", "labels"],
        durations: &[],
    },
];

/// The parts of a check.
const CHECK_PARTS: [(&str, &str, &[&str]); 3] = [
    ("http", "plan.HTTPCheck", &["url", "headers"]),
    ("tcp", "plan.TCPCheck", &["port", "host"]),
    (
        "exec",
        "plan.ExecCheck",
        &[
            "command",
            "service-context",
            "environment",
            "user-id",
            "user",
            "group-id",
            "group",
            "working-dir",
        ],
    ),
];

/// Reads a layer. An error is Pebble's text after `cannot parse layer YAML: `.
pub(crate) fn parse(label: &str, text: &str) -> Result<Layer, String> {
    let cannot = |reason: &dyn std::fmt::Display| format!("cannot parse layer {label:?}: {reason}");
    let value: Option<Value> = serde_yaml::from_str(text).map_err(|error| cannot(&error))?;
    let value = value.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    let Value::Object(sections) = &value else {
        return Err(cannot(&"yaml: a layer must be a map"));
    };
    for (name, section) in sections {
        if let Some(known) = SECTIONS.iter().find(|known| known.name == name) {
            known.check(section).map_err(|reason| match reason {
                Wrong::Format(reason) => format!("cannot parse layer {label:?} section {name:?}: {reason}"),
                Wrong::Entry(reason) => reason,
            })?;
        } else if !["summary", "description"].contains(&name.as_str()) {
            return Err(cannot(&format!("unknown section {name:?}")));
        }
    }
    // The types do the rest; texts that look like numbers stay texts this way.
    let layer: Option<Layer> = serde_yaml::from_str(text).map_err(|error| cannot(&error))?;
    let layer = layer.unwrap_or_default();
    for (name, service) in &layer.services {
        container::split_command(service.command.as_deref().unwrap_or_default()).map_err(|reason| {
            format!("plan service {name:?} command invalid: cannot parse service {name:?} command: {reason}")
        })?;
    }
    validate::layer(label, &layer).map_err(|refusal| refusal.to_string())?;
    Ok(layer)
}

enum Wrong {
    /// The text does not fit the section.
    Format(String),
    /// An entry makes no sense.
    Entry(String),
}

impl Section {
    fn check(&self, section: &Value) -> Result<(), Wrong> {
        let entries = match section {
            Value::Null => return Ok(()),
            Value::Object(entries) => entries,
            _ => return Err(Wrong::Format(format!("yaml: {} must be a map", self.name))),
        };
        for (name, entry) in entries {
            let fields = match entry {
                Value::Object(fields) => fields,
                Value::Null => {
                    return Err(Wrong::Entry(format!(
                        "{} object cannot be null for {} {name:?}",
                        self.word, self.word
                    )));
                }
                _ => {
                    return Err(Wrong::Format(format!(
                        "yaml: cannot unmarshal {name:?} into {}",
                        self.go_type
                    )));
                }
            };
            for (key, value) in fields {
                if !self.keys.contains(&key.as_str()) {
                    return Err(unknown_field(key, self.go_type));
                }
                if self.durations.contains(&key.as_str()) {
                    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    if value.is_null()
                        || value
                            .as_str()
                            .and_then(|text| duration::parse(text).ok())
                            .is_none()
                    {
                        return Err(Wrong::Format(format!("invalid duration {text:?}")));
                    }
                }
                let part = CHECK_PARTS
                    .iter()
                    .find(|(part, ..)| self.name == "checks" && part == key);
                if let (Some((_, go_type, keys)), Value::Object(fields)) = (part, value)
                    && let Some(key) = fields.keys().find(|key| !keys.contains(&key.as_str()))
                {
                    return Err(unknown_field(key, go_type));
                }
            }
        }
        Ok(())
    }
}

fn unknown_field(key: &str, go_type: &str) -> Wrong {
    Wrong::Format(format!(
        "yaml: unmarshal errors:\n  field {key} not found in type {go_type}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_pebble_refuses_is_refused() {
        let cases = [
            ("bogus: {}", "cannot parse layer \"l\": unknown section \"bogus\""),
            (
                "services: {x: {override: replace, command: a, bogus: 1}}",
                "field bogus not found in type plan.Service",
            ),
            (
                "checks: {x: {override: replace, tcp: {bogus: 1}}}",
                "field bogus not found in type plan.TCPCheck",
            ),
            (
                "services: {x: {override: replace, command: 'a \"b'}}",
                "EOF found when expecting closing quote",
            ),
            (
                "services: {x: {override: replace, command: '[ a ]'}}",
                "cannot start command with [ ... ] group",
            ),
            (
                "services: {x: {override: replace, command: a, kill-delay: 5}}",
                "invalid duration \"5\"",
            ),
            (
                "services: {x: {override: replace, command: a, kill-delay: 5q}}",
                "invalid duration \"5q\"",
            ),
            (
                "services: {x: null}",
                "service object cannot be null for service \"x\"",
            ),
            (
                "services: {x: {override: replace, on-success: bad}}",
                "plan service \"x\" on-success action \"bad\" invalid",
            ),
            (
                "services: {x: {override: replace, backoff-factor: 0.5}}",
                "backoff-factor must be 1.0 or greater, not 0.5",
            ),
            (
                "services: {x: {override: replace, user-id: foo}}",
                "cannot parse layer \"l\"",
            ),
            ("services: [a", "cannot parse layer \"l\""),
            (
                "services: {pebble: {override: replace}}",
                "cannot use reserved service name \"pebble\"",
            ),
            (
                "checks: {c: {override: replace, level: foo}}",
                "plan check \"c\" level must be \"alive\" or \"ready\"",
            ),
            (
                "checks: {c: {override: replace, period: 0s}}",
                "plan check \"c\" period must not be zero",
            ),
            (
                "log-targets: {l: {override: replace, type: syslog}}",
                "has unsupported type \"syslog\"",
            ),
            (
                "log-targets: {l: {override: replace, labels: {pebble_x: a}}}",
                "uses reserved prefix \"pebble_\"",
            ),
        ];
        for (text, reason) in cases {
            let error = parse("l", text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn every_key_of_the_types_is_known() {
        let text = "
services: {x: {summary: a, description: a, startup: enabled, override: merge, command: a, after: [a], before: [a],
  requires: [a], workload: a, environment: {A: 1, B: null}, user-id: 1, user: a, group-id: 1, group: a, working-dir: a,
  on-success: restart, on-failure: restart, on-check-failure: {a: restart}, backoff-delay: 1s, backoff-factor: 2,
  backoff-limit: 1s, kill-delay: 1s}}
checks: {x: {override: merge, level: alive, startup: enabled, period: 1s, timeout: 1s, threshold: 1,
  http: {url: a, headers: {a: b}}, tcp: {port: 1, host: a},
  exec: {command: a, service-context: a, environment: {a: b}, user-id: 1, user: a, group-id: 1, group: a, working-dir: a}}}
log-targets: {x: {type: loki, location: a, services: [all], override: merge, labels: {a: b}}}
summary: a
description: a
";
        let layer = parse("l", text).unwrap();
        assert_eq!(layer.services["x"].environment["A"], "1");
        let written = serde_json::to_value(&layer).unwrap();
        for section in &SECTIONS {
            let entry = written[section.name]["x"].as_object().unwrap();
            let mut known = section.keys.to_vec();
            known.sort_unstable();
            assert_eq!(
                entry.keys().map(String::as_str).collect::<Vec<_>>(),
                known,
                "{}",
                section.name
            );
        }
        assert_eq!(parse("l", "").unwrap(), Layer::default());
    }
}
