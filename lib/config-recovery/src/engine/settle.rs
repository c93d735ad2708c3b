//! What a run that was killed has left in the volume, put right without the cluster.

use std::path::{Path, PathBuf};

use config_volume::{GivenUp, RESTORE_FOLDER, Swap, SwapOptions, SwapState};

use super::volume;
use crate::journal::{Journal, Record, Step};
use crate::{Error, Result};

/// Where the journal of a volume is: beside that of the exchange, which no backup stores.
pub(super) fn journal_path(volume: &Path) -> PathBuf {
    volume.join(RESTORE_FOLDER).join("run.json")
}

/// What [`settle`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Settled {
    /// Nothing was left.
    Nothing,
    /// The previous content is back, or had never been touched. The record is that of the run, if it had left one.
    OldContent(Option<Record>),
    /// The new content is in place, and the old one is gone.
    NewContent(Option<Record>),
}

impl Settled {
    fn given_up(content: GivenUp, record: Option<Record>) -> Self {
        match content {
            GivenUp::Old => Self::OldContent(record),
            GivenUp::New => Self::NewContent(record),
        }
    }
}

/// What a run that was cut off says of itself; `None` when there is none.
///
/// # Errors
/// When its journal cannot be read.
pub fn unfinished(volume: &Path) -> Result<Option<Record>> {
    Ok(Journal::open(&journal_path(volume))?.map(|journal| journal.record().clone()))
}

/// Whether the app was seen healthy with the content that a run has put in place, which is not at its end: from then on it stays.
pub fn is_seen_healthy(volume: &Path) -> bool {
    // The step that follows on a start that went well; the other way to it puts the previous content back first.
    unfinished(volume).is_ok_and(|record| record.is_some_and(|record| record.step == Step::Clean))
}

/// What speaks against a volume out of a backup: it was made in the middle of a restore, as a snapshot can be, since nothing holds that up.
/// `None` where nothing does.
///
/// # Errors
/// When what the restore left in it cannot be read.
pub(super) fn made_in_a_restore(folder: &Path) -> Result<Option<String>> {
    let peek = match Swap::peek(folder) {
        Ok(None) => return Ok(None),
        Ok(Some(peek)) => peek,
        // What is not known now will not be known later, so it has to be no good backup.
        Err(error @ config_volume::Error::SwapJournal { .. }) => {
            return Ok(Some(format!(
                "it was made in the middle of a restore, and how far that was is not known: {error}; restore another backup"
            )));
        }
        Err(error) => return Err(volume("look at the exchange of the content")(error)),
    };
    let what = match peek.state {
        _ if peek.is_incomplete => "while a restore exchanged the content: it has neither content as a whole",
        SwapState::Swapped if !is_seen_healthy(folder) => {
            "before the app was seen healthy with a restored content, which may have been rolled back since"
        }
        _ => return Ok(None),
    };
    Ok(Some(format!("it was made {what}; restore another backup")))
}

/// Whether the folder outside the volume may hold the only copy of the new content, so that nobody may remove it. What
/// cannot be read is taken for that.
pub fn needs_elsewhere(volume: &Path) -> bool {
    Swap::peek(volume).map_or(true, |peek| peek.is_some_and(|peek| peek.needs_outside()))
}

/// What [`settle`] is going to do, with the same answer about the app; `None` where it cannot be known or is going to fail: then it tells itself. For what has
/// to be written down first: when it has ended, nothing tells of the run any more.
///
/// # Errors
/// When what the run left cannot be read.
pub fn foresee(path: &Path, app_is_healthy: bool) -> Result<Option<Settled>> {
    let record = unfinished(path)?;
    let peek = Swap::peek(path).map_err(volume("look at the exchange of the content"))?;
    let Some(peek) = peek else {
        return Ok(Some(match record {
            None => Settled::Nothing,
            record => Settled::OldContent(record),
        }));
    };
    if stays(record.as_ref(), peek.state, app_is_healthy) {
        return Ok(Some(Settled::NewContent(record)));
    }
    // Without the previous content what lies outside has to be at hand, and to be what it was.
    let is_in_doubt = peek.old_is_gone
        && peek.is_outside
        && matches!(
            peek.state,
            SwapState::Staged | SwapState::Emptying | SwapState::Filling
        );
    let content = peek.gives_up_to.filter(|_| !is_in_doubt);
    Ok(content.map(|content| Settled::given_up(content, record)))
}

/// Whether the app was seen healthy with the new content while that is in place.
pub(super) fn stays(record: Option<&Record>, state: SwapState, app_is_healthy: bool) -> bool {
    let was_healthy = match record.map(|record| record.step) {
        // What follows on a start that went well, and on that only while the new content is in place.
        Some(Step::Clean) => true,
        Some(Step::Start) => app_is_healthy,
        _ => false,
    };
    was_healthy && state == SwapState::Swapped
}

/// Makes the volume whole after a run that was killed and is not run again: for an app that is about to start and must
/// not find half of each content. Needs no cluster.
///
/// The new content stays only if the app was seen healthy with it: by the run, before it was killed, or by the caller now,
/// who says so by `app_is_healthy`. Otherwise the app has to be stopped when this is called, and the previous content goes back,
/// which is known to work. Where that was removed for want of room, the new one is put in place wholly.
///
/// # Errors
/// When the files cannot be moved, or the previous content is gone and the new one is not at hand: then the app must not start,
/// and a restore has to be run again. Everything stays, and it can be tried again.
pub fn settle(path: &Path, app_is_healthy: bool) -> Result<Settled> {
    let record = unfinished(path)?;
    let options = SwapOptions::default();
    let state = Swap::open(path, &options)
        .map_err(volume("look at the exchange of the content"))?
        .map(|swap| swap.state());
    if record.is_none() && state.is_none() {
        return Ok(Settled::Nothing);
    }
    if state.is_some_and(|state| stays(record.as_ref(), state, app_is_healthy)) {
        finish(path, &options)?;
        return Ok(Settled::NewContent(record));
    }
    Ok(Settled::given_up(put_back(path, &options)?, record))
}

/// Puts the previous content back and removes what a run left. Where there is no previous content any more, the new one is put in
/// place wholly.
pub(super) fn put_back(path: &Path, options: &SwapOptions) -> Result<GivenUp> {
    let Some(swap) = Swap::open(path, options).map_err(volume("look at the exchange of the content"))? else {
        forget(path)?;
        return Ok(GivenUp::Old);
    };
    swap.give_up()
        .map_err(volume("end the exchange that was cut off"))
}

/// Ends an exchange with the content that is in the volume, and removes the rest.
pub(super) fn finish(path: &Path, options: &SwapOptions) -> Result<()> {
    let Some(mut swap) = Swap::open(path, options).map_err(volume("look at the exchange of the content"))?
    else {
        return forget(path);
    };
    if matches!(swap.state(), SwapState::Staging | SwapState::Staged) {
        swap.roll_back().map_err(volume("give up the new content"))?;
    }
    swap.finish()
        .map_err(volume("remove the content that is not used"))
}

/// A run that had not come to the files has left its journal only.
fn forget(path: &Path) -> Result<()> {
    let folder = path.join(RESTORE_FOLDER);
    match std::fs::remove_dir_all(&folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            let path = folder.display().to_string();
            Err(match error.kind() {
                std::io::ErrorKind::NotADirectory => Error::NoFolder { path },
                _ => Error::Unwritable {
                    path,
                    reason: error.to_string(),
                },
            })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_journal_that_cannot_be_removed_is_told() {
        let folder = tempfile::tempdir().unwrap();
        // Nothing is nothing to remove.
        forget(folder.path()).unwrap();
        std::fs::write(folder.path().join(RESTORE_FOLDER), "a file").unwrap();
        let error = forget(folder.path()).unwrap_err();
        assert!(matches!(error, Error::NoFolder { .. }), "{error}");
    }
}
