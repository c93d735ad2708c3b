//! Is what came back what was backed up?

use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use config_volume::{ManifestState, Origin, PlaceOptions, PutInPlace, VerifyOptions};

use super::{App, Examined, Restored, Unfit};
use jiff::Timestamp;

use super::beside::Beside;
use super::settle::made_in_a_restore;
use crate::backups::{BackupContents, BackupSummary, Outcome, Proof};
use crate::journal::Step;
use crate::report::Reporter;
use crate::{Error, Result};

/// What the check of a folder found.
pub(super) struct Soundness {
    /// Bytes that came back, as Velero counts what it stores.
    pub(super) bytes: u64,
    pub(super) databases: u64,
    /// Their bytes, sound or not.
    pub(super) database_bytes: u64,
    pub(super) promised: bool,
    pub(super) notes: Vec<String>,
}

/// What is checked.
#[derive(Clone, Copy)]
pub(super) struct Brought<'a> {
    /// The backup that came back.
    pub(super) backup: &'a BackupSummary,
    /// The bytes that were read out of the scratch volume.
    pub(super) bytes: u64,
    /// When this run began.
    pub(super) since: Instant,
}

/// Checks a restored volume, puts its databases where the app looks for them, and writes on the backup what that proved.
pub(super) async fn check(
    beside: &mut impl Beside,
    folder: &Path,
    brought: Brought<'_>,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<Soundness> {
    let mut contents = None;
    let found = look(folder, brought, app, reporter, &mut contents);
    let outcome = match &found {
        // Whether this app can take them is another question.
        Ok(_) | Err(Error::NotTaken { .. }) => Outcome::ComesBack { contents },
        Err(Error::Damaged { problems, .. }) => Outcome::Damaged {
            why: problems.join("; "),
        },
        Err(_) => return found,
    };
    let proof = Proof::now(outcome, brought.since.elapsed());
    if let Err(error) = beside.prove(&proof).await {
        reporter.note(&format!("{error}: lists of backups will not tell of it"));
    }
    found
}

fn look(
    folder: &Path,
    brought: Brought<'_>,
    app: &mut dyn App,
    reporter: &dyn Reporter,
    contents: &mut Option<String>,
) -> Result<Soundness> {
    let Brought {
        backup,
        bytes: received,
        ..
    } = brought;
    let volume = |action: &str| {
        let action = format!("{action} of backup {}", backup.name);
        move |source| Error::Volume { action, source }
    };
    // A snapshot is the volume as it was at one moment; a file-system backup reads file after file while the app writes.
    let is_snapshot = matches!(backup.holds, BackupContents::Snapshot { .. });
    let options = VerifyOptions {
        backup_started: backup.started.and_then(system_time),
        backup_ended: backup.completed.and_then(system_time),
        prefers_live: is_snapshot,
    };
    let verdict = config_volume::verify_watched(folder, &options, &mut |bytes| {
        reporter.bytes(Step::Check, bytes, Some(received));
    })
    .map_err(volume("check the files"))?;
    if let ManifestState::Later { version } = verdict.manifest {
        return Err(Error::LaterManifest {
            backup: backup.name.clone(),
            version,
        });
    }
    let promised = matches!(verdict.manifest, ManifestState::Read { .. });
    let mut problems: Vec<String> = verdict.problems.iter().map(ToString::to_string).collect();
    problems.extend(made_in_a_restore(folder)?);
    let bytes = received.saturating_add(bytes_of_links(folder)?);
    if received == 0 {
        problems.push("no byte came back".to_owned());
    } else if let Some(stored) = backup.holds.bytes()
        && !promised
        && bytes < stored
    {
        // With a manifest each file is compared; without one this is all that tells of a missing one.
        problems.push(format!("{bytes} of {stored} bytes came back"));
    }
    let mut notes: Vec<String> = verdict.notes.iter().map(ToString::to_string).collect();
    // Such as a database of the app's that was missing when the backup was made.
    let warnings = verdict.warnings.iter();
    notes.extend(warnings.map(|warning| format!("{}: {}", warning.path, warning.text)));
    let mut unfit = None;
    if problems.is_empty() {
        let options = PlaceOptions {
            origin: Some(match is_snapshot {
                true => Origin::Here,
                false => Origin::Velero,
            }),
            // Nobody else knows this folder: what was sound a moment ago still is.
            proven: verdict
                .databases
                .iter()
                .filter(|database| database.sound && database.is_copy)
                .map(|database| database.path.clone())
                .collect(),
            ..PlaceOptions::default()
        };
        let placed = config_volume::put_in_place_with(folder, &options)
            .map_err(volume("put the databases in place"))?;
        problems = placed.problems();
        notes.extend(notes_of(&placed));
        if problems.is_empty() {
            let Examined {
                problems: found,
                unfit: refused,
                notes: told,
                contents: holds,
            } = app.examine(&Restored {
                folder,
                backup,
                made: match verdict.manifest {
                    ManifestState::Read { made } => Some(made),
                    ManifestState::Absent | ManifestState::Later { .. } | ManifestState::Unusable => None,
                },
                about: &verdict.about,
            });
            problems = found;
            unfit = refused;
            *contents = holds;
            notes.extend(told);
        }
    }
    let backup = backup.name.clone();
    if !problems.is_empty() {
        return Err(Error::Damaged { backup, problems });
    }
    if let Some(Unfit { why, next }) = unfit {
        return Err(Error::NotTaken { backup, why, next });
    }
    if !promised {
        notes.push(
            "the backup has no manifest: it was made without the charm's hooks, and a file that is missing would not be seen"
                .to_owned(),
        );
    }
    Ok(Soundness {
        bytes,
        databases: verdict.databases.iter().filter(|database| database.sound).count() as u64,
        database_bytes: verdict
            .databases
            .iter()
            .filter_map(|database| std::fs::symlink_metadata(folder.join(database.path.as_path())).ok())
            .map(|meta| meta.len())
            .sum(),
        promised,
        notes,
    })
}

/// What became of files that nobody would look for.
fn notes_of(placed: &PutInPlace) -> Vec<String> {
    let set_aside = placed.set_aside.iter().map(|aside| {
        format!(
            "{}: the backup also held the live file, copied while the app wrote to it; it is beside the sound copy, as {}",
            aside.database, aside.aside
        )
    });
    let moved = placed
        .siblings_moved
        .iter()
        .map(|path| format!("a log or journal that does not belong to the database beside it is now {path}"));
    let older = placed
        .older_sets
        .iter()
        .map(|id| format!("copies of an earlier backup came with this one and were dropped (set {id})"));
    set_aside.chain(moved).chain(older).collect()
}

/// The bytes of the targets of all symbolic links below a folder. Velero counts them in what it stores, and nobody does in
/// what comes back.
fn bytes_of_links(folder: &Path) -> Result<u64> {
    let failed = |error: std::io::Error| {
        Error::Transfer(format!("cannot count the links in {}: {error}", folder.display()))
    };
    let mut bytes = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).map_err(failed)? {
            // Of the entry itself: no link is followed.
            let entry = entry.map_err(failed)?;
            let kind = entry.file_type().map_err(failed)?;
            if kind.is_dir() {
                folders.push(entry.path());
            } else if kind.is_symlink() {
                bytes += entry.metadata().map_err(failed)?.len();
            }
        }
    }
    Ok(bytes)
}

fn system_time(time: Timestamp) -> Option<SystemTime> {
    let seconds = u64::try_from(time.as_second()).ok()?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_are_counted_by_their_targets_and_not_followed() {
        let folder = std::env::temp_dir().join(format!("links-{}", std::process::id()));
        let below = folder.join("lists");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(folder.join("file"), [7; 1000]).unwrap();
        assert_eq!(bytes_of_links(&folder).unwrap(), 0);
        symlink("../file", below.join("last")).unwrap();
        symlink("nowhere", folder.join("broken")).unwrap();
        // A loop, if it were followed.
        symlink("..", below.join("up")).unwrap();
        assert_eq!(bytes_of_links(&folder).unwrap(), 7 + 7 + 2);
        std::fs::remove_dir_all(&folder).unwrap();
        assert!(bytes_of_links(&folder).is_err());
    }
}
