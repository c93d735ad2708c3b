//! The option `restore-on-deploy`: an app that has never run and whose volume holds nothing is brought back from a backup
//! before its workload first runs.
//!
//! [`wanted`] says whether that is to be done; [`run`] does it. Whatever keeps it from being done keeps the workload from
//! starting too: it would write into the volume, and the chance would be gone.

use std::path::Path;

use config_recovery::Error;
use config_recovery::backups::Choice;
use config_recovery::engine::Wanted;
use config_volume::{FOLDER, RESTORE_FOLDER, VELERO_MARKER};
use juju_charm::{Event, Juju};

use super::app::NotYet;
use super::texts::{size, time, told};
use super::{Lines, Recovery};
use crate::facts::{Container, Facts, HeldUp, Storage};
use crate::kubernetes::Cluster;
use crate::options::RESTORE_ON_DEPLOY;
use crate::profile::AppProfile;

/// How the engine calls a backup that came back and was not sound.
const DAMAGED: &str = " is damaged: ";
const AGAIN: &str = "; tried again at the next update-status";

/// What came of it.
#[derive(Debug, PartialEq, Eq)]
pub enum OnDeploy {
    /// It is not to be done.
    NotWanted,
    /// The volume holds the backup, and what was read before counts no more.
    Restored(String),
    /// There is no backup: the app starts fresh.
    Fresh(String),
    /// It could not be done.
    Not(HeldUp),
}

/// Which backup is to be brought back before the workload starts; `None` when it starts with what is there.
///
/// `holds_nothing` is asked last, since it reads the disk.
pub fn wanted(facts: &Facts, holds_nothing: impl FnOnce(&Path) -> bool) -> Option<Choice> {
    let choice = match facts.options.restore_on_deploy.trim() {
        "" | "none" => return None,
        text => Choice::from(text),
    };
    let Container::Ready(container) = &facts.container else {
        return None;
    };
    let Storage::Mounted { location, .. } = &facts.storage else {
        return None;
    };
    // A service that Pebble knows was started in this container already.
    let is_first = container.service.is_none();
    let may_run = facts.leader && facts.metadata.is_ok();
    (may_run && is_first && holds_nothing(location)).then_some(choice)
}

/// Whether a volume holds nothing: what the file system and this charm leave in an empty one does not count. One that
/// cannot be read is taken to hold something.
pub fn holds_nothing(volume: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(volume) else {
        return false;
    };
    for entry in entries {
        let Ok(entry) = entry else { return false };
        let name = entry.file_name();
        let counts_for_nothing = name == "lost+found"
            || name == RESTORE_FOLDER
            || name == VELERO_MARKER
            // With a set it is a restored volume, whose databases are not in place yet.
            || (name == FOLDER && !entry.path().join("set").exists());
        if !counts_for_nothing {
            return false;
        }
    }
    true
}

/// Brings the backup back, if that is to be done.
pub fn run(
    juju: &Juju,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
    facts: &Facts,
) -> OnDeploy {
    let (Some(choice), Storage::Mounted { location, .. }) = (wanted(facts, holds_nothing), &facts.storage)
    else {
        return OnDeploy::NotWanted;
    };
    let what = format!(
        "{} {}",
        RESTORE_ON_DEPLOY.name,
        facts.options.restore_on_deploy.trim()
    );
    if let Some(text) = known_damage(juju, &what) {
        return OnDeploy::Not(HeldUp {
            text,
            needs_somebody: true,
        });
    }
    let done = bring_back(juju, cluster, recovery, profile, choice, location);
    match done {
        Ok(text) => {
            log::info!("{what}: {text}");
            OnDeploy::Restored(text)
        }
        Err(error) => match failed(recovery, &what, &facts.app, error) {
            OnDeploy::Fresh(text) => {
                log::warn!("{text}");
                OnDeploy::Fresh(text)
            }
            other => other,
        },
    }
}

/// What the status says of a backup that was found damaged: it would be again, and to see that takes a whole restore. It
/// is tried again in events that somebody causes.
fn known_damage(juju: &Juju, what: &str) -> Option<String> {
    if !matches!(juju.context().event(), Event::UpdateStatus) {
        return None;
    }
    // Every dispatch ends with this question: it costs no hook tool more.
    let message = juju.status().ok()?.message;
    (message.starts_with(&format!("{what}: ")) && message.contains(DAMAGED)).then_some(message)
}

fn bring_back(
    juju: &Juju,
    cluster: &dyn Cluster,
    recovery: &dyn Recovery,
    profile: &AppProfile,
    choice: Choice,
    volume: &Path,
) -> config_recovery::Result<String> {
    let wanted = Wanted {
        target: super::own_id(juju),
        from: None,
        choice,
        holder: juju.context().unit().to_string(),
        image: super::image(juju, cluster, profile)?,
        patience: None,
    };
    let plan = recovery.plan_restore(&wanted, volume, true, &super::elsewhere(juju))?;
    let say = |line: &str| log::info!("{}: {line}", RESTORE_ON_DEPLOY.name);
    let checked = recovery.restore(&plan, &mut NotYet { profile }, &Lines::to(&say))?;
    let when = checked.backup.completed.or(checked.backup.started);
    Ok(format!(
        "the config volume comes from backup {}{}, {}",
        checked.backup.name,
        when.map(|when| format!(" of {}", time(when))).unwrap_or_default(),
        size(checked.bytes)
    ))
}

/// No backup at all is no obstacle, once it is certain. Everything else is one.
fn failed(recovery: &dyn Recovery, what: &str, app: &str, error: Error) -> OnDeploy {
    let error = match error {
        Error::NoBackup { kind: "", .. } => match recovery.backups_are_read() {
            Ok(true) => return OnDeploy::Fresh(format!("{what}: {error}; it starts fresh")),
            Ok(false) => {
                let text = format!(
                    "{what}: {error} that Velero knows of, and it has not read its object storage yet"
                );
                return held_up(text, app, false, AGAIN);
            }
            Err(error) => error,
        },
        other => other,
    };
    let passes = matches!(
        error,
        Error::Unreachable { .. }
            | Error::NoVelero(_)
            | Error::TimedOut { .. }
            | Error::Held { .. }
            | Error::Transfer(_)
            | Error::Refused { .. }
    );
    let again = match &error {
        Error::Damaged { .. } => "",
        _ => AGAIN,
    };
    held_up(format!("{what}: {}", told(&error, app)), app, !passes, again)
}

fn held_up(text: String, app: &str, needs_somebody: bool, again: &str) -> OnDeploy {
    let option = RESTORE_ON_DEPLOY.name;
    // The status says it, and Juju keeps a log of that: a line of our own would come every five minutes.
    let text = format!("{text}{again}; or start fresh: juju config {app} {option}=none");
    OnDeploy::Not(HeldUp { text, needs_somebody })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_nobodys_counts_for_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        assert!(holds_nothing(volume));
        for nothing in ["lost+found", RESTORE_FOLDER, FOLDER, VELERO_MARKER] {
            std::fs::create_dir(volume.join(nothing)).unwrap();
        }
        assert!(holds_nothing(volume));
        std::fs::create_dir(volume.join(FOLDER).join("set")).unwrap();
        assert!(!holds_nothing(volume));
        std::fs::remove_dir(volume.join(FOLDER).join("set")).unwrap();
        for something in ["config.xml", ".hidden", "lost+found2"] {
            std::fs::write(volume.join(something), "").unwrap();
            assert!(!holds_nothing(volume), "{something}");
            std::fs::remove_file(volume.join(something)).unwrap();
        }
        assert!(!holds_nothing(&volume.join("not-there")));
    }
}
