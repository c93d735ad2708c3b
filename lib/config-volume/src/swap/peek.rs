//! A look at the exchange of a volume that takes no lock and changes nothing.

use std::path::Path;

use super::{GivenUp, Swap, SwapState, base::Base, room, state};
use crate::{Result, tree::Root};

/// How an exchange that is not finished stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SwapPeek {
    /// Its id.
    pub id: String,
    /// How far it is.
    pub state: SwapState,
    /// Whether the previous content was removed, or is being removed: there is no way back.
    pub old_is_gone: bool,
    /// Whether the new content lies, or is to lie, outside the volume until it is copied in.
    pub is_outside: bool,
    /// Whether the volume holds neither the previous content nor the new one as a whole: nothing may start on it.
    pub is_incomplete: bool,
    /// With which content [`Swap::give_up`] is going to end it, if with one.
    pub gives_up_to: Option<GivenUp>,
}

impl SwapPeek {
    /// Whether the folder outside the volume may be the only place of the new content, so that it has to stay where it is.
    #[must_use]
    pub fn needs_outside(&self) -> bool {
        self.old_is_gone && self.state != SwapState::Removing
    }
}

impl Swap {
    /// How the unfinished exchange of a volume stands, if there is one. Takes no lock: it may go on meanwhile.
    ///
    /// # Errors
    /// [`crate::Error::SwapJournal`], or a failed call.
    pub fn peek(volume: &Path) -> Result<Option<SwapPeek>> {
        let journal = state::peek(&Root::open(volume)?)?;
        Ok(journal.map(|journal| SwapPeek {
            state: journal.state,
            old_is_gone: journal.emptied,
            is_outside: journal.outside,
            is_incomplete: journal.is_incomplete(),
            gives_up_to: journal.gives_up_to(),
            id: journal.id,
        }))
    }

    /// Bytes that become free in a volume when the next exchange begins: what an earlier one brought and nothing needs any
    /// more, and the rest of an previous content that was to be removed.
    ///
    /// # Errors
    /// As [`peek`](Swap::peek), or something cannot be looked at.
    pub fn reclaimable(volume: &Path) -> Result<u64> {
        use SwapState::*;
        let Some(peek) = Self::peek(volume)? else {
            return Ok(0);
        };
        let held = |folder: &Path| match folder.is_dir() {
            true => room::measured(folder).map(|size| size.held),
            false => Ok(0),
        };
        let staged = match peek.state {
            Staging | Staged | Emptying | Filling => held(&Base::staged_in(volume))?,
            _ => 0,
        };
        let rest = match peek.state {
            Emptying => held(volume)?,
            _ => 0,
        };
        Ok(staged.saturating_add(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_outside_is_needed_from_when_the_old_content_goes_until_the_new_one_is_in_use() {
        for (state, old_is_gone, needs) in [
            (SwapState::Staging, false, false),
            (SwapState::Staging, true, true),
            (SwapState::Emptying, true, true),
            (SwapState::Swapped, true, true),
            (SwapState::Removing, true, false),
            (SwapState::Removing, false, false),
        ] {
            let peek = SwapPeek {
                id: "one".to_owned(),
                state,
                old_is_gone,
                is_outside: true,
                is_incomplete: false,
                gives_up_to: None,
            };
            assert_eq!(peek.needs_outside(), needs, "{peek:?}");
        }
    }
}
