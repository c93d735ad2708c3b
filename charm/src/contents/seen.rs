//! What was seen of earlier backups: the command before a backup knows what it holds, and a test restore or restore has seen it.
//!
//! The relation tells nothing back, and Velero keeps no such thing. So what was seen is a list in a file beside the charm's folder,
//! and Juju keeps a copy of it for the unit, which outlives the pod. A backup that this unit has not seen has no entry.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config_recovery::backups::{AppId, BackupSummary};
use config_volume::{Answer, Answers, Manifest};
use jiff::Timestamp;
use juju_charm::Juju;
use serde::{Deserialize, Serialize};

use super::lacking;
use super::record::About;
use crate::CharmError;
use crate::unit_file;

/// Key of the unit's state in Juju.
const KEY: &str = "contents-seen";
/// The list, in the folder of the unit's agent.
const FILE: &str = "contents-seen.json";
/// What Juju was last given, in the same folder.
const KEPT: &str = "contents-kept.json";
/// So many are kept: a month of nights, and as many made by hand.
const MOST: usize = 60;
/// Juju takes no more than 64 KiB in one value (`MaxAllowedValueLength` in its `core/quota`).
const BYTES: usize = 60_000;

/// What one backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// When its manifest was made, in seconds since 1970: while the backup ran.
    pub made: u64,
    /// What the manifest says of the app.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub about: About,
    /// What the databases answered.
    #[serde(default)]
    pub answers: Vec<Answer>,
    /// The counts whose database it lacks ([`config_volume::Answers::lacking`]). A charm of before noted none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacking: Vec<String>,
    /// How much it is; `None` where the backup was seen by a restore alone, or by an earlier charm.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub figures: Option<Figures>,
}

/// How much a backup holds, by its manifest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Databases that were copied.
    pub databases: u64,
    /// Other files.
    pub files: u64,
    /// Bytes that are left out.
    pub left_out: u64,
}

impl Figures {
    /// Those of a manifest.
    pub fn of(manifest: &Manifest) -> Self {
        let left_out = manifest.left_out.iter().map(|left_out| left_out.bytes);
        Self {
            databases: u64::try_from(manifest.databases.len()).unwrap_or(u64::MAX),
            files: manifest.file_count,
            left_out: left_out.fold(0, u64::saturating_add),
        }
    }
}

impl Seen {
    /// See [`lacking::counts`].
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        lacking::counts(&self.answers, &self.lacking)
    }

    /// What the databases answered, as they answer it when they are asked.
    pub fn answers(&self) -> Answers {
        Answers {
            given: self.answers.clone(),
            lacking: self.lacking.clone(),
            ..Answers::default()
        }
    }
}

/// What was seen, by the time at which it was made.
pub type List = BTreeMap<u64, Seen>;

/// What was seen of a backup, if anything was: the one manifest that was made while it ran. Two backups may follow each other within
/// seconds, so clocks that are apart are not allowed for. The list is that of the app `whose`: another one's backup of the same time is
/// none of it.
pub fn of<'a>(list: &'a List, whose: &AppId, backup: &BackupSummary) -> Option<&'a Seen> {
    let times = backup.started.zip(backup.completed);
    times
        .filter(|_| backup.whose == *whose)
        .and_then(|(began, ended)| made_between(list, began, ended))
}

/// The same of an own backup by when it began and ended.
pub fn made_between(list: &List, began: Timestamp, ended: Timestamp) -> Option<&Seen> {
    let (began, ended) = (began.as_second(), ended.as_second());
    let second = |second: i64| u64::try_from(second).unwrap_or_default();
    // The next backup may make its own in the second in which this one ends.
    let last = ended.max(began.saturating_add(1));
    let mut made = list.range(second(began)..second(last));
    // Of two nobody knows which is this one's.
    match (made.next(), made.next()) {
        (Some((_, seen)), None) => Some(seen),
        _ => None,
    }
}

/// Adds one to the list of the unit with this charm folder. That it cannot be kept fails nothing.
pub fn add(charm_dir: &Path, seen: Seen) {
    let mut list = in_file(charm_dir, FILE);
    let known = list.get(&seen.made).and_then(|known| known.figures);
    // A restore sees what is in it, and not what was left out.
    let figures = seen.figures.or(known);
    list.insert(seen.made, Seen { figures, ..seen });
    write(charm_dir, FILE, &list);
}

/// The list, also of a new pod.
///
/// # Errors
/// When the pod is new and the hook tool fails.
pub fn read(juju: &Juju) -> Result<List, CharmError> {
    let charm_dir = juju.context().charm_dir();
    let mut list = kept(juju, charm_dir)?;
    list.extend(in_file(charm_dir, FILE));
    Ok(list)
}

/// What is known of it outside of a hook: the list in the unit's folder. A new pod has it from when a hook needed it.
pub fn on_disk(charm_dir: &Path) -> List {
    let mut list = in_file(charm_dir, KEPT);
    list.extend(in_file(charm_dir, FILE));
    list
}

/// Has Juju keep what was added since it was last given the list. A hook that fails after this loses what it gave Juju, until more
/// is added.
///
/// # Errors
/// When a hook tool fails.
pub fn keep(juju: &Juju) -> Result<(), CharmError> {
    let charm_dir = juju.context().charm_dir();
    let Ok(added) = fs::read(unit_file::path(charm_dir, FILE)) else {
        return Ok(());
    };
    if fs::read(unit_file::path(charm_dir, KEPT)).is_ok_and(|kept| kept == added) {
        return Ok(());
    }
    let list = newest(read(juju)?);
    let text = serde_json::to_string(&list).unwrap_or_default();
    if let Err(error) = juju.state_set(&BTreeMap::from([(KEY.to_owned(), text)])) {
        // A dispatch has more important things to do.
        log::warn!(
            "Juju does not keep what was seen of backups: {}",
            crate::causes(&error)
        );
    }
    write(charm_dir, FILE, &list);
    write(charm_dir, KEPT, &list);
    Ok(())
}

/// What Juju keeps.
fn kept(juju: &Juju, charm_dir: &Path) -> Result<List, CharmError> {
    if unit_file::path(charm_dir, KEPT).exists() {
        return Ok(in_file(charm_dir, KEPT));
    }
    let state = juju.state()?;
    let list = state
        .get(KEY)
        .map(|text| parsed(text.as_bytes()))
        .unwrap_or_default();
    write(charm_dir, KEPT, &list);
    Ok(list)
}

/// As many of the newest as Juju takes.
fn newest(mut list: List) -> List {
    let is_too_much =
        |list: &List| list.len() > MOST || serde_json::to_vec(list).is_ok_and(|text| text.len() > BYTES);
    while is_too_much(&list) {
        list.pop_first();
    }
    list
}

fn in_file(charm_dir: &Path, name: &str) -> List {
    parsed(&fs::read(unit_file::path(charm_dir, name)).unwrap_or_default())
}

/// One that cannot be read, because a later charm wrote it, says nothing.
fn parsed(text: &[u8]) -> List {
    serde_json::from_slice(text).unwrap_or_default()
}

fn write(charm_dir: &Path, name: &str, list: &List) {
    let path: PathBuf = unit_file::path(charm_dir, name);
    let text = serde_json::to_vec(list).unwrap_or_default();
    if let Err(error) = unit_file::write(&path, &text) {
        log::debug!("what was seen of backups cannot be kept: {error}");
    }
}

#[cfg(test)]
mod tests {
    use config_recovery::testing;

    use super::*;

    fn seen(made: u64) -> Seen {
        Seen {
            made,
            about: About::new(),
            answers: Vec::new(),
            lacking: Vec::new(),
            figures: None,
        }
    }

    #[test]
    fn a_backup_has_what_was_made_last_while_it_ran() {
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let mut backup = testing::backup("a", &whose, 1);
        backup.started = Some("2026-11-20T03:00:00Z".parse().unwrap());
        backup.completed = Some("2026-11-20T03:10:00Z".parse().unwrap());
        let began = u64::try_from(backup.started.unwrap().as_second()).unwrap();
        for (made, found) in [
            (vec![], None),
            (vec![began - 1], None),
            (vec![began], Some(began)),
            // The next one began as this one ended.
            (vec![began + 5, began + 600], Some(began + 5)),
            (vec![began - 86_400, began + 5], Some(began + 5)),
            (vec![began + 5, began + 300], None),
        ] {
            let list: List = made.into_iter().map(|made| (made, seen(made))).collect();
            assert_eq!(of(&list, &whose, &backup).map(|seen| seen.made), found);
        }
        backup.completed = None;
        let list = List::from([(began, seen(began))]);
        assert_eq!(of(&list, &whose, &backup), None, "it has not ended");
    }

    #[test]
    fn a_list_has_no_more_than_two_months() {
        let list: List = (1..=61).map(|made| (made, seen(made))).collect();
        let newest = newest(list);
        assert_eq!((newest.len(), newest.keys().next()), (60, Some(&2)));
        let large = |made| Seen {
            about: [("image".to_owned(), "a".repeat(2000))].into(),
            ..seen(made)
        };
        let newest = super::newest((1..=40).map(|made| (made, large(made))).collect());
        assert!(newest.len() < 30 && newest.contains_key(&40), "{}", newest.len());
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let charm_dir = folder.path().join("charm");
        add(&charm_dir, seen(7));
        assert_eq!(in_file(&charm_dir, FILE).len(), 1);
        fs::write(unit_file::path(&charm_dir, FILE), "{\"7\": {\"later\": 1}}").unwrap();
        assert!(in_file(&charm_dir, FILE).is_empty());
        add(&charm_dir, seen(8));
        assert_eq!(in_file(&charm_dir, FILE).len(), 1);
    }
}
