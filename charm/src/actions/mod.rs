//! What a person runs: [`ACTIONS`] is the table of all of them.
//!
//! Each says what it does in the action's log while it runs. What goes wrong comes with what to do about it; that there is no
//! backup, that the cluster cannot be reached and that something is not allowed are three different texts.

mod backup_now;
mod choice;
mod contents;
mod list_backups;
mod restore;
mod restored_app;
pub mod rotate;
mod safety;
mod show_backup_spec;
mod start_empty;
mod test_notification;
mod verify;

use std::collections::BTreeMap;
use std::path::Path;

use config_recovery::backups::BackupSummary;
use config_recovery::engine::CheckedBackup;
use serde_json::{Map, Value, json};

use crate::CharmError;
use crate::data_unit::DataUnit;
use crate::env::Env;
use crate::facts::{Facts, Storage};
use crate::names::{BACKUP_NOW, LIST_BACKUPS, RESTORE_FROM_BACKUP, START_EMPTY, VERIFY_BACKUP};
use crate::profile::AppProfile;
use crate::recovery::texts::user_message;
use crate::steps::gather::{Look, gather};

/// Results by key.
pub type Results = BTreeMap<String, String>;

/// On which unit an action runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// The leader.
    Leader,
    /// The unit with the data; the leader, where no unit has them.
    Data,
}

/// What an action needs beside its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Need {
    /// Leave to ask Kubernetes and Velero. Only they know whether it was given; what they refuse is told with the command that
    /// gives it.
    Trust,
    /// The config volume, mounted.
    Volume,
    /// What the cluster says of how the volume is saved, also without a relation.
    Backups,
}

/// One action.
pub struct Action {
    /// Its name; `None` for an app that does not have it.
    name: fn(&AppProfile) -> Option<&'static str>,
    /// Its entry in `actions.yaml`.
    declaration: fn(&AppProfile) -> Value,
    /// What it cannot do when it fails: "list backups".
    what: &'static str,
    /// Where it runs.
    place: Place,
    /// What it needs there.
    needs: &'static [Need],
    /// Runs it.
    run: fn(Call<'_>) -> Result<Results, Stopped>,
}

/// The name, for an app that is backed up.
macro_rules! with_backups {
    ($name:expr) => {
        |profile| profile.is_backed_up().then_some($name)
    };
}

/// All actions.
pub const ACTIONS: [Action; 8] = [
    Action {
        name: rotate::name,
        declaration: rotate::declaration,
        what: "rotate",
        place: Place::Leader,
        needs: &[],
        run: rotate::run,
    },
    Action {
        name: with_backups!("show-backup-spec"),
        declaration: |_| show_backup_spec::declaration(),
        what: "show the backup spec",
        place: Place::Data,
        needs: &[Need::Volume, Need::Backups],
        run: show_backup_spec::run,
    },
    Action {
        name: with_backups!(LIST_BACKUPS),
        declaration: |_| list_backups::declaration(),
        what: "list backups",
        place: Place::Data,
        needs: &[Need::Trust, Need::Backups],
        run: list_backups::run,
    },
    Action {
        name: with_backups!(BACKUP_NOW),
        declaration: |_| backup_now::declaration(),
        what: "make a backup",
        place: Place::Data,
        needs: &[Need::Trust, Need::Backups],
        run: backup_now::run,
    },
    Action {
        name: with_backups!(VERIFY_BACKUP),
        declaration: |_| verify::declaration(),
        what: "verify a backup",
        place: Place::Data,
        needs: &[Need::Trust, Need::Backups],
        run: verify::run,
    },
    Action {
        name: with_backups!(RESTORE_FROM_BACKUP),
        declaration: |_| restore::declaration(),
        what: "restore",
        place: Place::Data,
        needs: &[Need::Trust, Need::Volume, Need::Backups],
        run: restore::run,
    },
    Action {
        name: |profile| profile.has_one_writer().then_some(START_EMPTY),
        declaration: |_| start_empty::declaration(),
        what: "start empty",
        place: Place::Data,
        needs: &[Need::Volume],
        run: start_empty::run,
    },
    Action {
        name: with_backups!("test-notification"),
        declaration: |_| test_notification::declaration(),
        what: "send a notification",
        place: Place::Data,
        needs: &[],
        run: test_notification::run,
    },
];

/// The entries of `actions.yaml`.
pub fn declarations(profile: &AppProfile) -> impl Iterator<Item = (String, Value)> {
    ACTIONS.iter().filter_map(move |action| {
        let name = (action.name)(profile)?;
        Some((name.to_owned(), (action.declaration)(profile)))
    })
}

/// Why an action could not be done.
pub enum Stopped {
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
pub struct Call<'a> {
    env: Env<'a>,
    /// The world as the action found it.
    facts: &'a Facts,
}

/// Runs the action `name`.
///
/// # Errors
/// When a hook tool fails.
pub fn run(env: Env<'_>, name: &str) -> Result<(), CharmError> {
    let juju = env.juju;
    let mut actions = ACTIONS.iter();
    let Some(action) = actions.find(|action| (action.name)(env.profile) == Some(name)) else {
        let message = format!("action {name:?} is not known to this charm; see juju actions");
        return Ok(juju.action_fail(&message)?);
    };
    let what = action.what;
    let look = match action.needs.contains(&Need::Backups) {
        true => Look::HowItIsSaved,
        false => Look::AllButBackups,
    };
    let facts = gather(env, look)?;
    let lacks = elsewhere(action.place, &facts).or_else(|| missing(action.needs, &facts));
    let done = match lacks {
        Some(reason) => Err(Stopped::Because(reason)),
        None => (action.run)(Call { env, facts: &facts }),
    };
    match done {
        Ok(results) => Ok(juju.action_set(&results)?),
        Err(Stopped::Because(reason)) => Ok(juju.action_fail(&format!("cannot {what}: {reason}"))?),
        // Its text begins with what it cannot do.
        Err(Stopped::Engine(error)) => Ok(juju.action_fail(&user_message(&error, juju.context().app()))?),
        Err(Stopped::Juju(error)) => Err(error),
    }
}

/// Why the action does not run on this unit, and on which one it does.
fn elsewhere(place: Place, facts: &Facts) -> Option<String> {
    let app = &facts.app;
    match (place, &facts.data) {
        (Place::Data, DataUnit::NotTracked | DataUnit::Here) => None,
        (
            Place::Data,
            DataUnit::Elsewhere {
                unit,
                is_present: true,
            },
        ) => Some(format!("{unit} has the data; run it there")),
        _ if facts.leader => None,
        _ => Some(format!("this unit does not lead; run it on {app}/leader")),
    }
}

/// What it needs and is not there.
fn missing(needs: &[Need], facts: &Facts) -> Option<String> {
    needs.iter().find_map(|need| match need {
        Need::Volume => volume(facts).err(),
        Need::Trust | Need::Backups => None,
    })
}

/// Where the config volume is.
fn volume(facts: &Facts) -> Result<&Path, String> {
    match &facts.storage {
        Storage::Mounted { location, .. } => Ok(location),
        Storage::NotRead | Storage::NotMounted => {
            Err("the config volume is not mounted; look at juju storage".to_owned())
        }
    }
}

impl Call<'_> {
    /// Tells the person who waits. That it cannot be told is no reason to stop.
    fn say(&self, line: &str) {
        if let Err(error) = self.env.juju.action_log(line) {
            log::debug!("action log: {error}");
        }
    }

    /// A text parameter; `None` if it is not given or empty.
    fn text(&self, parameters: &Map<String, Value>, name: &str) -> Option<String> {
        let text = parameters.get(name)?.as_str()?.trim();
        (!text.is_empty()).then(|| text.to_owned())
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
fn of_check(checked: &CheckedBackup) -> Results {
    let mut results = named(&checked.backup);
    let entries = [
        ("files", checked.files.to_string()),
        ("bytes", checked.bytes.to_string()),
        ("databases", checked.databases.to_string()),
        ("manifest", checked.promised.to_string()),
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

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn profiles() -> Vec<AppProfile> {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("apps");
        let files = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files
            .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
            .map(|path| AppProfile::load(&path).unwrap())
            .collect()
    }

    #[test]
    fn what_an_action_needs_is_what_its_description_says() {
        let profiles = profiles();
        for action in &ACTIONS {
            let mut seen = false;
            for profile in profiles.iter().filter(|profile| (action.name)(profile).is_some()) {
                let declaration = (action.declaration)(profile);
                let text = declaration["description"].as_str().unwrap();
                let says = text.contains("needs trust");
                assert_eq!(
                    says,
                    action.needs.contains(&Need::Trust),
                    "{}: {text}",
                    action.what
                );
                assert_eq!(
                    text.contains("Runs on the leader."),
                    action.place == Place::Leader,
                    "{}: {text}",
                    action.what
                );
                seen = true;
            }
            assert!(seen, "{}", action.what);
        }
    }
}
