//! The actions around backups: what a person runs on the leader.
//!
//! Each says what it does in the action's log while it runs. What goes wrong is said with what to do about it; that there
//! is no backup, that the cluster cannot be reached and that something is not allowed are three different texts.

mod backup;
mod list;
mod restore;
mod verify;

use std::collections::BTreeMap;
use std::path::PathBuf;

use config_recovery::backups::BackupSummary;
use config_recovery::engine::Checked;
use juju_charm::Juju;
use juju_charm::pebble::Pebble;
use serde_json::{Map, Value, json};

use super::Recovery;
use super::texts::told;
use crate::CharmError;
use crate::kubernetes::Cluster;
use crate::names::{BACKUP_NOW, LIST_BACKUPS, RESTORE_FROM_BACKUP, VERIFY_BACKUP};
use crate::profile::AppProfile;

/// Results by key.
type Results = BTreeMap<String, String>;

/// Why an action could not be done.
enum Stopped {
    /// By its own words.
    Because(String),
    /// By the engine.
    Engine(config_recovery::Error),
    /// Juju does not work.
    Juju(CharmError),
}

impl From<config_recovery::Error> for Stopped {
    fn from(error: config_recovery::Error) -> Self {
        Self::Engine(error)
    }
}

impl From<CharmError> for Stopped {
    fn from(error: CharmError) -> Self {
        Self::Juju(error)
    }
}

impl From<juju_charm::Error> for Stopped {
    fn from(error: juju_charm::Error) -> Self {
        Self::Juju(error.into())
    }
}

impl From<String> for Stopped {
    fn from(reason: String) -> Self {
        Self::Because(reason)
    }
}

/// What an action works with.
#[derive(Clone, Copy)]
struct Around<'a> {
    juju: &'a Juju,
    pebble: &'a dyn Pebble,
    cluster: &'a dyn Cluster,
    recovery: &'a dyn Recovery,
    profile: &'a AppProfile,
}

type Action = fn(Around<'_>) -> Result<Results, Stopped>;

/// Name, what it cannot do when it fails, and the action itself.
const ACTIONS: [(&str, &str, Action); 4] = [
    (LIST_BACKUPS, "list backups", list::run),
    (BACKUP_NOW, "make a backup", backup::run),
    (VERIFY_BACKUP, "verify a backup", verify::run),
    (RESTORE_FROM_BACKUP, "restore", restore::run),
];

/// The actions' entries in `actions.yaml`.
pub fn declarations() -> Map<String, Value> {
    [
        (LIST_BACKUPS, list::declaration()),
        (BACKUP_NOW, backup::declaration()),
        (VERIFY_BACKUP, verify::declaration()),
        (RESTORE_FROM_BACKUP, restore::declaration()),
    ]
    .map(|(name, declaration)| (name.to_owned(), declaration))
    .into_iter()
    .collect()
}

/// Runs the action `name`.
///
/// # Errors
/// When a hook tool fails.
pub fn run(
    name: &str,
    juju: &Juju,
    pebble: &dyn Pebble,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
) -> Result<(), CharmError> {
    let Some((_, what, action)) = ACTIONS.iter().find(|(action, ..)| *action == name) else {
        return Ok(());
    };
    let app = juju.context().app();
    if !juju.is_leader()? {
        let reason = format!("cannot {what}: this unit does not lead; run it on {app}/leader");
        return Ok(juju.action_fail(&reason)?);
    }
    let around = Around {
        juju,
        pebble,
        cluster,
        recovery,
        profile,
    };
    match action(around) {
        Ok(results) => Ok(juju.action_set(&results)?),
        Err(Stopped::Because(reason)) => Ok(juju.action_fail(&format!("cannot {what}: {reason}"))?),
        // Its text begins with what it cannot do.
        Err(Stopped::Engine(error)) => Ok(juju.action_fail(&told(&error, app))?),
        Err(Stopped::Juju(error)) => Err(error),
    }
}

impl Around<'_> {
    /// Tells the person who waits. That it cannot be told is no reason to stop.
    fn say(&self, line: &str) {
        if let Err(error) = self.juju.action_log(line) {
            log::debug!("action log: {error}");
        }
    }

    /// A text parameter; `None` if it is not given or empty.
    fn text(&self, parameters: &Map<String, Value>, name: &str) -> Option<String> {
        let text = parameters.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A folder of the unit's own, outside of the config volume, for data on their way.
    fn folder(&self, name: &str) -> PathBuf {
        let charm_dir = self.juju.context().charm_dir();
        charm_dir.parent().unwrap_or(charm_dir).join(name)
    }
}

fn declared(description: &str, properties: Value, required: &[&str]) -> Value {
    let mut declaration = json!({
        "description": description,
        "additionalProperties": false,
    });
    if properties
        .as_object()
        .is_some_and(|properties| !properties.is_empty())
    {
        declaration["params"] = properties;
    }
    if !required.is_empty() {
        declaration["required"] = json!(required);
    }
    declaration
}

/// Name, uid and the time of a backup, as results.
fn named(backup: &BackupSummary) -> Results {
    let mut results = Results::from([
        ("backup-name".to_owned(), backup.name.clone()),
        ("backup-uid".to_owned(), backup.uid.clone()),
    ]);
    if let Some(time) = backup.completed.or(backup.started) {
        results.insert("backup-time".to_owned(), time.to_string());
    }
    results
}

/// What came back and was checked, as results.
fn of_check(checked: &Checked) -> Results {
    let mut results = named(&checked.backup);
    let entries = [
        ("files", checked.files.to_string()),
        ("bytes", checked.bytes.to_string()),
        ("databases", checked.databases.to_string()),
        ("promised", checked.promised.to_string()),
        ("seconds", format!("{:.1}", checked.took.as_secs_f64())),
    ];
    results.extend(entries.map(|(key, value)| (key.to_owned(), value)));
    if let Some(took) = checked.velero_took {
        results.insert("velero-seconds".to_owned(), took.as_secs().to_string());
    }
    if !checked.notes.is_empty() {
        results.insert("notes".to_owned(), checked.notes.join("\n"));
    }
    results
}
