//! The beginning of the exchange itself, and what backups have to do with it.

use std::time::{Duration, SystemTime};

use super::{Swap, base::Place, options::SwapStep, state::SwapState};
use crate::{
    Error, Result, Watcher,
    folder::Folder,
    options::LOCK_TIMEOUT,
    sets::{Set, made},
};

impl Swap {
    /// Looks a last time whether all can be done, and begins. From the next state on no backup is prepared here.
    pub(super) fn start(&mut self) -> Result<()> {
        if self.journal.outside {
            self.prove_outside()?;
            self.is_proven = true;
        } else {
            self.prove_inside()?;
        }
        self.base.lay_by();
        let next = match self.journal.outside {
            true => SwapState::Emptying,
            false => SwapState::MovingOut,
        };
        // Without its previous content the volume takes no backup already.
        if self.journal.is_incomplete() {
            self.base.check_movable(Place::Root)?;
            return self.turn(next);
        }
        let watcher = Watcher::default();
        let Some(folder) = Folder::lock(&self.base.root, true, self.options.lock_timeout, &watcher)? else {
            return Err(self.not_ready("the volume is gone"));
        };
        let checked = self
            .refuse_in_use(&folder)
            .and_then(|()| self.base.check_movable(Place::Root));
        if let Err(error) = checked {
            if folder.is_bare()? {
                folder.remove()?;
            }
            return Err(error);
        }
        let journal = self.journal.become_state(next)?;
        // The lock is held until the state is written: whoever gets it next finds that state.
        let written = self.base.write_journal(&journal);
        drop(folder);
        self.written(journal, written)?;
        self.clear_bookkeeping()
    }

    /// Fails while a backup may be reading the volume: it has a set here that is not too old for that, and not known to be
    /// left over.
    fn refuse_in_use(&self, folder: &Folder<'_>) -> Result<()> {
        let is_left_over = |set: &Set| {
            self.options
                .sets_before
                .is_some_and(|moment| made(&set.id) <= moment)
        };
        let sets = folder.in_use(SystemTime::now(), self.options.stale_after)?;
        match sets.iter().all(is_left_over) {
            true => Ok(()),
            false => Err(Error::BackupRunning),
        }
    }

    /// Clears away what a backup left in the live volume, which is no content. The copies of a volume that was restored
    /// and never put in place are content.
    pub(super) fn clear_bookkeeping(&self) -> Result<()> {
        let watcher = Watcher::default();
        if let Some(folder) = Folder::lock(&self.base.root, false, LOCK_TIMEOUT, &watcher)?
            && !folder.is_foreign()?
        {
            folder.withdraw()?;
            folder.remove()?;
        }
        self.base.at(SwapStep::Cleared)
    }

    /// Removes the lock of backups that a killed [`start`](Swap::start) may have left, where there is nothing else of ours.
    pub(super) fn clear_lock(&self) -> Result<()> {
        match Folder::lock(&self.base.root, false, Duration::ZERO, &Watcher::default()) {
            Ok(Some(folder)) if folder.is_bare()? => folder.remove(),
            // A backup has it.
            Ok(_) | Err(Error::Locked { .. } | Error::RestoreUnderWay { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }
}
