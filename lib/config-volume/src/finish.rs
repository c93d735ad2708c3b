//! After a backup: are the copies sound, and away with them.

use std::{path::Path, time::SystemTime};

use crate::{
    Error, Result, Step,
    check::Findings,
    folder::Folder,
    options::{LOCK_TIMEOUT, STALE_AFTER, Watcher},
    tree::Root,
};

/// What [`finish`] did: the backup holds sound copies of the app's databases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Finished {
    /// Copies that were found sound, and databases that were stored as files and did not change. With several backups at
    /// once those of the others are among them.
    pub checked: u64,
    /// Other backups that have not ended. The copies of all of them stay until the last one does; 0 means that nothing is
    /// left.
    pub still_open: u32,
    /// Databases that are not the app's own and are damaged, from the root of the volume, each with what SQLite says. The
    /// backup holds them as they are.
    pub damaged: Vec<String>,
}

/// Checks the copies after a backup and releases them; the last one who does so removes all.
///
/// The check comes after the backup because it takes several times as long as the copying. The hooks of a backup cannot say
/// which backup they are run for, so with several at once each is told of a damage in any of them.
///
/// # Errors
/// * [`Error::NothingToFinish`]: the copies are gone, or never were, so the backup holds none to vouch for.
/// * [`Error::DamagedBackup`] or [`Error::ChangedDuringBackup`], after the copies were released or removed all the same: the
///   backup that holds them is to be counted as failed.
/// * A failed call of the operating system; what is left then is removed by the next [`crate::prepare`],
///   [`crate::put_in_place`] or [`crate::withdraw`].
pub fn finish(volume: &Path) -> Result<Finished> {
    finish_watched(volume, &Watcher::default())
}

/// [`finish`], telling of each step.
///
/// # Errors
/// As [`finish`].
pub fn finish_watched(volume: &Path, watcher: &Watcher) -> Result<Finished> {
    let root = Root::open(volume)?;
    let Some(folder) = Folder::lock(&root, false, LOCK_TIMEOUT, watcher)? else {
        return Err(Error::NothingToFinish);
    };
    let Some((newest, findings)) = Findings::of(&folder)? else {
        return Err(Error::NothingToFinish);
    };
    // If it cannot be written, on a full disk say, the next one checks again.
    let _ = findings.remember(&folder);
    watcher.at(Step::SetChecked)?;
    let others = folder.in_use(SystemTime::now(), STALE_AFTER)?;
    let still_open = others.iter().filter(|set| **set != newest).count();
    let released = if still_open == 0 {
        folder.withdraw().and_then(|()| folder.remove())
    } else {
        folder.close(&newest.id)
    };
    let finished = released.map(|()| Finished {
        checked: findings.sound(),
        still_open: u32::try_from(still_open).unwrap_or(u32::MAX),
        damaged: findings.tolerated(),
    });
    // If removing fails too, the next run does it; the damage is the one to know.
    findings.failure().map_or(finished, Err)
}
