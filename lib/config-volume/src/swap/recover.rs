//! At the charm's start: a volume whose exchange was cut off is made whole.

use std::path::Path;

use super::{Swap, SwapOptions, SwapState};
use crate::{Error, Result};

/// What [`recover`] found and did. After each of them the volume holds one content as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Recovered {
    /// There was no exchange.
    Nothing,
    /// One was begun, and nothing of the app's was touched. It is left to whoever began it.
    Untouched {
        /// Its id.
        id: String,
        /// [`SwapState::Staging`] or [`SwapState::Staged`].
        state: SwapState,
    },
    /// One was cut off while the content was put in place, and is put in place now. It is to be finished or rolled back by
    /// whoever began it.
    Completed {
        /// Its id.
        id: String,
    },
    /// One is put in place, and was before. It is to be finished or rolled back by whoever began it.
    Swapped {
        /// Its id.
        id: String,
    },
    /// One was rolled back, now or before. It is to be finished by whoever began it.
    RolledBack {
        /// Its id.
        id: String,
    },
    /// One was cut off while it was finished, and is finished now.
    Finished {
        /// Its id.
        id: String,
    },
}

/// Makes a volume whole whose exchange was cut off. To be run before [`crate::put_in_place`] and before the app starts.
///
/// From [`SwapState::MovingOut`] on the way is forward: the new content was checked and is complete by then, the app was
/// stopped for it, and to go on is the same few renames as to go back. What was on the way back goes back. Whoever began the
/// exchange finds it as [`SwapState::Swapped`] or [`SwapState::RolledBack`], and still has both contents to decide on.
///
/// # Errors
/// [`Error::Incomplete`]: the app must not start, since the old content was removed and the new one is not at hand (see
/// [`recover_with`]). [`Error::Locked`] if a run is at work just now, [`Error::SwapJournal`], or a failed call.
pub fn recover(volume: &Path) -> Result<Recovered> {
    recover_with(volume, &SwapOptions::default())
}

/// [`recover`], where the new content may lie outside the volume ([`SwapOptions::staged`]), and telling of each step.
///
/// # Errors
/// As [`recover`].
pub fn recover_with(volume: &Path, options: &SwapOptions) -> Result<Recovered> {
    let Some(mut swap) = Swap::open(volume, options)? else {
        return Ok(Recovered::Nothing);
    };
    let id = swap.id().to_owned();
    match swap.state() {
        SwapState::Staging | SwapState::Staged if swap.journal.is_incomplete() => {
            Err(Error::Incomplete { id })
        }
        state @ (SwapState::Staging | SwapState::Staged) => Ok(Recovered::Untouched { id, state }),
        SwapState::MovingOut | SwapState::Emptying | SwapState::Filling | SwapState::MovingIn => {
            swap.commit()?;
            Ok(Recovered::Completed { id })
        }
        SwapState::Swapped => Ok(Recovered::Swapped { id }),
        SwapState::TakingOut | SwapState::PuttingBack => {
            swap.roll_back()?;
            Ok(Recovered::RolledBack { id })
        }
        SwapState::RolledBack => Ok(Recovered::RolledBack { id }),
        SwapState::Removing => {
            swap.finish()?;
            Ok(Recovered::Finished { id })
        }
    }
}
