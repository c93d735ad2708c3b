//! Specs of backups: what is wrong with one, and what it would store. Pure.

mod advise;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use config_recovery::backups::AppSchedule;
use velero_backup_config::requirer::{self, Outcome};
use velero_backup_config::{BackupSpec, Error, Schedule};

pub use advise::{advise, how, of_wire};

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// It is taken, and may not be what is meant.
    Warning,
    /// It is refused, or what it makes is no backup.
    Failure,
}

/// Something about a spec.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advice {
    /// How bad it is.
    pub severity: Severity,
    /// Where in the text: a JSON pointer.
    pub pointer: Option<String>,
    /// What, and why.
    pub text: String,
    /// What would be right.
    pub next: Option<String>,
}

impl Advice {
    fn new(severity: Severity, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            severity,
            pointer: None,
            text: text.into(),
            next: Some(next.into()),
        }
    }

    fn at(mut self, pointer: &str) -> Self {
        self.pointer = Some(pointer.to_owned());
        self
    }
}

impl From<&Error> for Advice {
    fn from(error: &Error) -> Self {
        Self {
            severity: Severity::Failure,
            pointer: Some(error.pointer().to_owned()),
            text: error.to_string(),
            next: error.hint(),
        }
    }
}

/// The forms that a text can have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// What a charm writes into the relation.
    Databag,
    /// A spec, Velero's or the relation's, or a whole object of Velero's.
    Spec,
    /// The template of a Schedule in the cluster.
    Schedule,
}

impl Form {
    /// In one word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Databag => "databag",
            Self::Spec => "spec",
            Self::Schedule => "schedule",
        }
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The form that it had.
    pub form: Form,
    /// Whose it is, where that is said.
    pub app: Option<String>,
    /// The endpoint, where it is said.
    pub endpoint: Option<String>,
    /// The spec; `None` where it is refused.
    pub spec: Option<BackupSpec>,
    /// Everything that is wrong with it.
    pub advice: Vec<Advice>,
}

/// Reads a databag or a spec, as YAML or JSON.
pub fn read(text: &str) -> Read {
    let Some(databag) = requirer::databag_in(text) else {
        let (spec, advice) = match BackupSpec::from_text(text) {
            Ok(spec) => (Some(spec), Vec::new()),
            Err(errors) => (None, errors.iter().map(Advice::from).collect()),
        };
        return Read {
            form: Form::Spec,
            app: spec.as_ref().and_then(selected_app),
            endpoint: None,
            spec,
            advice,
        };
    };
    let named = |key: &str| databag.get(key).filter(|value| !value.is_empty()).cloned();
    let (spec, advice) = match requirer::read(&databag) {
        Outcome::Request { request, warnings } => {
            let warnings = warnings.iter().map(|warning| Advice {
                severity: Severity::Warning,
                pointer: Some(warning.pointer().to_owned()),
                text: warning.to_string(),
                next: None,
            });
            (Some(request.spec().clone()), warnings.collect())
        }
        Outcome::Invalid { errors } => (None, errors.iter().map(Advice::from).collect()),
        Outcome::NotReady => {
            let empty = Advice::new(
                Severity::Failure,
                "the databag is empty",
                "set app, relation_name, model and spec",
            );
            (None, vec![empty.at("")])
        }
    };
    Read {
        form: Form::Databag,
        app: named("app"),
        endpoint: named("relation_name"),
        spec,
        advice,
    }
}

/// The spec that a Schedule in the cluster was made from.
pub fn of_schedule(schedule: &AppSchedule) -> Read {
    let (spec, advice) = match BackupSpec::from_velero_backup_spec(&schedule.template) {
        Ok(spec) => match Schedule::parse(&schedule.cron) {
            Ok(cron) => (Some(spec.with_schedule(Some(cron))), Vec::new()),
            Err(error) => {
                let wrong = Advice::new(
                    Severity::Failure,
                    format!("schedule {:?}: {error}", schedule.cron),
                    error.hint(),
                );
                (Some(spec), vec![wrong.at("/schedule")])
            }
        },
        Err(errors) => (None, errors.iter().map(Advice::from).collect()),
    };
    Read {
        form: Form::Schedule,
        app: Some(schedule.whose.app.clone()),
        endpoint: Some(schedule.endpoint.clone()),
        spec,
        advice,
    }
}

/// The application whose label a spec asks for.
fn selected_app(spec: &BackupSpec) -> Option<String> {
    spec.label_selector()?.get("app.kubernetes.io/name").cloned()
}

/// The namespaces that are looked at for specs: those that they name.
pub fn namespaces<'a>(specs: impl IntoIterator<Item = &'a BackupSpec>) -> BTreeSet<String> {
    specs
        .into_iter()
        .flat_map(|spec| spec.include_namespaces().iter().cloned())
        .collect()
}
