//! After a backup: are the copies sound, and away with them.

use std::path::Path;

use crate::{
    Result, Step,
    check::Findings,
    folder::Folder,
    options::{LOCK_TIMEOUT, Watcher},
    tree::Root,
};

/// What [`finish`] found and did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Finished {
    /// Nothing was there.
    Nothing,
    /// Other backups still use the copies.
    StillUsed {
        /// How many.
        users: u32,
    },
    /// This was the last one: the copies are sound, and gone with manifest and ignore file.
    Removed,
    /// The volume was restored and not yet put in place, so nothing was touched: see [`crate::put_in_place`].
    Restored,
}

/// Checks the copies after a backup and releases them; the last one who does so removes them. May be repeated.
///
/// The check comes after the backup because it takes several times as long as the copying. Each backup that uses the
/// set is told of a damaged copy, the last one and any other.
///
/// # Errors
/// [`crate::Error::DamagedBackup`] when a copy is damaged, after it was released or removed all the same: the backup that
/// holds it is to be counted as failed. Or a failed call of the operating system; what is left then is removed by the
/// next [`crate::prepare`] or [`crate::put_in_place`].
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
        return Ok(Finished::Nothing);
    };
    if folder.is_restored() {
        return Ok(Finished::Restored);
    }
    let findings = Findings::of(&folder);
    let damage = findings.damage();
    let users = folder.users();
    let is_last = !folder.has_set() || users <= 1;
    if damage.is_some() || !is_last {
        // If it cannot be written, on a full disk say, the next one checks again.
        let _ = findings.remember(&folder);
    }
    watcher.at(Step::SetChecked)?;
    let finished = if is_last {
        folder
            .withdraw()
            .and_then(|()| folder.remove())
            .map(|()| Finished::Removed)
    } else {
        let users = users - 1;
        folder.write_users(users).map(|()| Finished::StillUsed { users })
    };
    // If removing fails too, the next run does it; the damage is the one to know.
    damage.map_or(finished, Err)
}
