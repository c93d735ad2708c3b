//! Options, trust and action parameters: what a user types, checked against what the charm declares.

use serde_json::{Map, Value};

use crate::context::Event;
use crate::model::{ConfigOption, Model, ModelError, OptionType};
use crate::session::Change;

impl Model {
    /// `juju config APPLICATION NAME=TEXT`: all units get config-changed if the value differs.
    ///
    /// # Errors
    /// When the application or option does not exist, or the text is not of the option's type.
    pub fn set_config(
        &mut self,
        application: &str,
        name: &str,
        text: &str,
    ) -> Result<Vec<Change>, ModelError> {
        let stored = self.application_mut(application)?;
        let Some(option) = stored.charm.options.get(name) else {
            return Err(ModelError::UnknownOption {
                option: name.to_owned(),
            });
        };
        let value = parse_option(name, option, text)?;
        if stored.option(name) == Some(&value) {
            return Ok(Vec::new());
        }
        stored.config.insert(name.to_owned(), value);
        Ok(self.config_changed(application))
    }

    /// `juju config APPLICATION --reset NAME`: all units get config-changed if the value differs.
    ///
    /// # Errors
    /// When the application or option does not exist.
    pub fn reset_config(&mut self, application: &str, name: &str) -> Result<Vec<Change>, ModelError> {
        let stored = self.application_mut(application)?;
        let Some(option) = stored.charm.options.get(name) else {
            return Err(ModelError::UnknownOption {
                option: name.to_owned(),
            });
        };
        let default = option.default.clone();
        match stored.config.remove(name) {
            Some(value) if Some(&value) != default.as_ref() => Ok(self.config_changed(application)),
            _ => Ok(Vec::new()),
        }
    }

    /// `juju trust APPLICATION`, or its removal: all units get config-changed if it differs.
    ///
    /// # Errors
    /// When the application does not exist.
    pub fn set_trust(&mut self, application: &str, trust: bool) -> Result<Vec<Change>, ModelError> {
        let stored = self.application_mut(application)?;
        if std::mem::replace(&mut stored.trust, trust) == trust {
            return Ok(Vec::new());
        }
        Ok(self.config_changed(application))
    }

    /// The event of `juju run UNIT ACTION`, with a new task number and the schema's defaults filled in.
    ///
    /// # Errors
    /// When the unit or action does not exist, or the parameters do not fit the schema.
    pub fn start_action(
        &mut self,
        unit: &str,
        action: &str,
        params: Map<String, Value>,
    ) -> Result<Event, ModelError> {
        self.unit_mut(unit)?;
        let params = self.action_parameters(unit, action, params)?;
        // Juju numbers the operation and its task in one sequence: the first task is 1.
        let task = self.counters.task.saturating_add(1);
        self.counters.task = task.saturating_add(1);
        Ok(Event::Action {
            name: action.to_owned(),
            id: task.to_string(),
            params,
        })
    }

    /// Checks an action's parameters against its schema and fills in the defaults: known names, required ones, and the
    /// plain types. (Juju checks the whole JSON Schema; charms hardly use more.)
    ///
    /// # Errors
    /// When the action does not exist or the parameters do not fit.
    pub fn action_parameters(
        &self,
        unit: &str,
        action: &str,
        given: Map<String, Value>,
    ) -> Result<Map<String, Value>, ModelError> {
        let spec = self
            .application_of(unit)
            .and_then(|application| application.charm.actions.get(action))
            .ok_or_else(|| ModelError::NoAction {
                action: action.to_owned(),
                unit: unit.to_owned(),
            })?;
        let refuse = |problem: String| ModelError::BadParameters {
            action: action.to_owned(),
            problem,
        };
        let takes_unknown = spec.additional_properties.unwrap_or(self.juju_version.is_3());
        let shown = || Value::Object(given.clone());
        let missing = spec.required.iter().filter(|name| !given.contains_key(*name));
        let missing = missing.map(|name| {
            format!(
                "(root) : \"{name}\" property is missing and required, given {}",
                shown()
            )
        });
        let unknown = given
            .keys()
            .filter(|name| !takes_unknown && !spec.params.contains_key(*name));
        let unknown = unknown.map(|name| {
            format!(
                "(root) : additional property \"{name}\" is not allowed, given {}",
                shown()
            )
        });
        let mistyped = given.iter().filter_map(|(name, value)| {
            let wanted = spec.params.get(name)?.get("type").and_then(Value::as_str);
            let wanted = wanted.unwrap_or_default();
            (!is_of_type(value, wanted))
                .then(|| format!("(root).{name} : must be of type {wanted}, given {value}"))
        });
        // Juju names all of them; recorded on 4.0.14.
        let problems: Vec<String> = missing.chain(unknown).chain(mistyped).collect();
        if !problems.is_empty() {
            return Err(refuse(problems.join("; ")));
        }
        let mut params = given;
        for (name, schema) in &spec.params {
            if let Some(default) = schema.get("default")
                && !params.contains_key(name)
            {
                params.insert(name.clone(), default.clone());
            }
        }
        Ok(params)
    }

    fn config_changed(&self, application: &str) -> Vec<Change> {
        let units = self.units_of(application);
        units
            .into_iter()
            .map(|unit| Change::event(unit, Event::ConfigChanged))
            .collect()
    }
}

/// Reads a text as the option's type, as Juju's `internal/charm/config.go` does.
fn parse_option(name: &str, option: &ConfigOption, text: &str) -> Result<Value, ModelError> {
    let value = match option.kind {
        OptionType::String | OptionType::Secret => Some(Value::from(text)),
        OptionType::Int => text.parse::<i64>().ok().map(Value::from),
        OptionType::Float => text
            .parse::<f64>()
            .ok()
            .filter(|number| number.is_finite())
            .map(Value::from),
        OptionType::Boolean => parse_bool(text).map(Value::from),
    };
    value.ok_or_else(|| ModelError::WrongType {
        option: name.to_owned(),
        expected: option.kind.as_str(),
        value: text.to_owned(),
    })
}

/// What Go's `strconv.ParseBool` takes.
pub(crate) fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

fn is_of_type(value: &Value, wanted: &str) -> bool {
    match wanted {
        "string" => value.is_string(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        _ => true,
    }
}
