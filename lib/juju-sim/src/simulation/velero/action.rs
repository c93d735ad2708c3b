//! `juju run velero-operator/0 …`.

use std::collections::BTreeMap;

use juju_hook_tools::context::Event;
use juju_hook_tools::model::ActionSpec;
use serde_json::{Map, Value, json};
use velero_api::{Backup, BackupPhase, BackupStatus};

use super::mapping::{Group, WireSpec};
use super::objects::{refusal, timestamp};
use super::reconcile::{Client, OperatorRecord, Surroundings};
use super::{clients, surroundings};
use crate::simulation::{ActionResult, Simulation, action_time};

/// What an action of the operator ended with.
#[derive(Debug, Default, PartialEq)]
struct Ended {
    results: Map<String, Value>,
    log: Vec<String>,
    /// Why it failed.
    failure: Option<String>,
    /// What an uncaught exception printed; the process ends with 1 then.
    crash: Option<String>,
}

/// The parameters of every action: all are texts.
const ACTIONS: [(&str, &str, &[&str], &[&str]); 4] = [
    (
        "create-backup",
        "Make a backup of what a client asks for, now.",
        &["target", "model"],
        &["target"],
    ),
    (
        "list-backups",
        "List backups that have a phase.",
        &["app", "endpoint", "model"],
        &[],
    ),
    (
        "restore",
        "Refused: the stand-in has no Velero behind it.",
        &[
            "backup-uid",
            "existing-resource-policy",
            "include-namespaces",
            "exclude-namespaces",
            "include-resources",
            "exclude-resources",
            "selector",
            "or-selector",
        ],
        &["backup-uid"],
    ),
    (
        "run-cli",
        "Refused: the stand-in has no Velero behind it.",
        &["command"],
        &["command"],
    ),
];

/// What `juju actions` shows, and parameters are checked against.
pub(super) fn specs() -> BTreeMap<String, ActionSpec> {
    let spec = |(name, description, params, required): (&str, &str, &[&str], &[&str])| {
        let params = params
            .iter()
            .map(|param| ((*param).to_owned(), json!({ "type": "string" })));
        let spec = ActionSpec {
            description: description.to_owned(),
            params: params.collect(),
            required: required.iter().map(|param| (*param).to_owned()).collect(),
            additional_properties: Some(false),
        };
        (name.to_owned(), spec)
    };
    ACTIONS.map(spec).into()
}

impl Simulation {
    /// Runs an action of a stand-in's unit. Its parameters were checked.
    pub(crate) fn run_operator_action(&mut self, result: &mut ActionResult, event: &Event) {
        let Event::Action { name, params, .. } = event else {
            return;
        };
        let now = self.now();
        let app = juju_hook_tools::model::application_name(&result.unit);
        let around = surroundings(&self.state.model, app, now);
        let clients = clients(&self.state.model, app);
        let Some(operator) = self.state.operators.get_mut(app) else {
            return;
        };
        let ended = operator.run(name, params, &around, &clients);
        let time = action_time(self.moment());
        result.log = ended.log.iter().map(|line| format!("{time} {line}")).collect();
        result.results = ended.results;
        let code = i32::from(ended.crash.is_some());
        result.results.insert("return-code".to_owned(), code.into());
        let crash = ended.crash.map(|text| {
            result.results.insert("stderr".to_owned(), text.into());
            format!("exit status {code}")
        });
        let problem = crash.or(ended.failure);
        result.status = if problem.is_some() { "failed" } else { "completed" }.to_owned();
        result.message = problem.unwrap_or_default();
    }

    /// Whether the unit is a stand-in's.
    pub(crate) fn is_operator_unit(&self, unit: &str) -> bool {
        let app = unit.strip_suffix("/0");
        app.is_some_and(|app| self.state.operators.contains_key(app))
    }
}

impl OperatorRecord {
    fn run(
        &mut self,
        action: &str,
        params: &Map<String, Value>,
        around: &Surroundings<'_>,
        clients: &[Client],
    ) -> Ended {
        if !self.options.storage_configured {
            return failed("Velero Storage Provider is not configured");
        }
        let param = |name: &str| params.get(name).and_then(Value::as_str);
        match action {
            "create-backup" => {
                let target = param("target").unwrap_or_default();
                self.create_backup(target, param("model").unwrap_or(around.model), around, clients)
            }
            "list-backups" => {
                let model = param("model").unwrap_or(around.model);
                self.list_backups(param("app"), param("endpoint"), model)
            }
            other => failed(&format!(
                "cannot run {other}: the stand-in has no Velero behind it"
            )),
        }
    }

    fn create_backup(
        &mut self,
        target: &str,
        model: &str,
        around: &Surroundings<'_>,
        clients: &[Client],
    ) -> Ended {
        let Some((app, endpoint)) = target.split_once(':') else {
            return failed("Invalid target format. Use 'app:endpoint'");
        };
        let wanted = Group {
            app,
            endpoint,
            model: Some(model),
        };
        let none = || {
            failed(&format!(
                "No backup spec found for target '{target}' in model '{model}'"
            ))
        };
        let client = clients
            .iter()
            .find(|client| Group::of(&client.bag) == Some(wanted));
        let Some(client) = client else { return none() };
        let spec = match WireSpec::read(&client.bag) {
            Ok(spec) => spec,
            Err(reason) if self.options.defects.skips_invalid_spec => {
                let text = format!("{reason}; create-backup ends with an uncaught exception");
                self.warn(client, &text);
                return Ended {
                    crash: Some(format!("uncaught exception: {reason}\n")),
                    ..Ended::default()
                };
            }
            Err(reason) => return failed(&format!("Invalid backup spec of target '{target}': {reason}")),
        };
        if let Some(reason) = self.objection(client, &spec) {
            return failed(&format!("Invalid backup spec of target '{target}': {reason}"));
        }
        let labels: BTreeMap<String, String> = [("app", app), ("endpoint", endpoint), ("model", model)]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into();
        let prefix = wanted.prefix();
        if let Some(reason) = refusal(&prefix, &labels) {
            self.warn(client, &format!("Kubernetes would refuse its Backup: {reason}"));
            return failed(&format!("Failed to create Velero Backup '{prefix}'"));
        }
        let mut backup: Backup = self.create(around, &wanted, labels, spec.backup(around.fs_backup));
        let annotation = ("created-at".to_owned(), around.now.to_string());
        backup.metadata.annotations = [annotation].into();
        let phase = self.options.backup_phase.clone();
        backup.status = phase.clone().map(|phase| status(phase, around.now));
        let name = backup.name().to_owned();
        self.backups.push(backup);
        ended_with(phase, &name)
    }

    fn list_backups(&self, app: Option<&str>, endpoint: Option<&str>, model: &str) -> Ended {
        if app.is_none() && endpoint.is_some() {
            return failed("If 'endpoint' is provided, 'app' must also be provided");
        }
        // An app without an endpoint does not narrow the list.
        let mut wanted = vec![("model", model)];
        if let (Some(app), Some(endpoint)) = (app, endpoint) {
            wanted.extend([("app", app), ("endpoint", endpoint)]);
        }
        let mut shown = Map::new();
        for backup in &self.backups {
            let labels = &backup.metadata.labels;
            let fits = |(key, value): &(&str, &str)| labels.get(*key).is_some_and(|found| found == value);
            // What Velero has not begun is left out.
            let status = backup.status.as_ref();
            let begun = status.and_then(|status| status.phase.as_ref().zip(status.start_timestamp.as_ref()));
            let (Some(uid), Some((phase, start)), true) =
                (&backup.metadata.uid, begun, wanted.iter().all(fits))
            else {
                continue;
            };
            let completed = status.and_then(|status| status.completion_timestamp.clone());
            let label = |key: &str| labels.get(key).cloned().unwrap_or_else(|| "N/A".to_owned());
            let line = json!({
                "name": backup.name(),
                "app": label("app"),
                "endpoint": label("endpoint"),
                "model": label("model"),
                "phase": phase,
                "start-timestamp": start,
                // The charm hands Python's None to action-set.
                "completion-timestamp": completed.unwrap_or_else(|| "None".to_owned()),
            });
            shown.insert(uid.clone(), line);
        }
        let mut results = success();
        if !shown.is_empty() {
            results.insert("backups".to_owned(), shown.into());
        }
        Ended {
            results,
            ..Ended::default()
        }
    }
}

fn failed(message: &str) -> Ended {
    Ended {
        failure: Some(message.to_owned()),
        ..Ended::default()
    }
}

fn success() -> Map<String, Value> {
    [("status".to_owned(), Value::from("success"))]
        .into_iter()
        .collect()
}

/// The status of a Backup that is said to have come to this phase at once.
fn status(phase: BackupPhase, now: i64) -> BackupStatus {
    let begun = !matches!(phase, BackupPhase::New | BackupPhase::FailedValidation);
    let over = phase.is_final() && begun;
    BackupStatus {
        phase: Some(phase),
        start_timestamp: begun.then(|| timestamp(now)),
        completion_timestamp: over.then(|| timestamp(now)),
        ..BackupStatus::default()
    }
}

/// What the operator makes of the phase that it sees last.
fn ended_with(phase: Option<BackupPhase>, name: &str) -> Ended {
    let shown = json!(phase).as_str().unwrap_or_default().to_owned();
    let failure = match phase {
        None | Some(BackupPhase::Completed) => None,
        Some(BackupPhase::Failed | BackupPhase::PartiallyFailed) => {
            Some(format!("Velero Backup failed: Status is '{shown}'"))
        }
        // FailedValidation is one of those: the operator waits until it gives up.
        Some(_) => Some(format!("Velero Backup is still in progress: '{shown}'")),
    };
    let log = match phase {
        None => format!("Backup {name} is made; the stand-in has no Velero that would fill it"),
        Some(_) => format!("Backup {name} is made; the stand-in was told to call it {shown}"),
    };
    let mut ended = Ended {
        log: vec![log],
        failure,
        ..Ended::default()
    };
    if ended.failure.is_none() {
        ended.results = success();
        ended.results.insert("backup-name".to_owned(), name.into());
    }
    ended
}
