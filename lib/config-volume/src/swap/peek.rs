//! How an exchange that was cut off has left a volume, for one who only looks.

use std::path::Path;

use super::{Swap, SwapState, state::peek};
use crate::{Result, tree::Root};

/// How far the unfinished exchange of a volume is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapPeek {
    /// Its state.
    pub state: SwapState,
    /// Whether the volume as it is must not be used: it holds neither the old content nor the new one as a whole.
    pub is_incomplete: bool,
}

impl Swap {
    /// Looks at the unfinished exchange of a volume, if there is one. Takes no lock and changes nothing: whoever works on it
    /// may be further already.
    ///
    /// # Errors
    /// [`crate::Error::SwapJournal`], or a failed call.
    pub fn peek(volume: &Path) -> Result<Option<SwapPeek>> {
        let journal = peek(&Root::open(volume)?)?;
        Ok(journal.map(|journal| SwapPeek {
            state: journal.state,
            is_incomplete: journal.is_incomplete(),
        }))
    }
}
