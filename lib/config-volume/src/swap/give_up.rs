//! The end of an exchange that was cut off and that nobody goes on with.

use super::{Swap, SwapState};
use crate::Result;

/// With which content [`Swap::give_up`] ended the exchange. The volume holds it as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GivenUp {
    /// The old one: it is put back, or had never been touched.
    Old,
    /// The new one: the old one had been removed, for want of room, or since the exchange was over.
    New,
}

impl Swap {
    /// Ends an exchange that was cut off and is not gone on with, so that the app can start: with the previous content, or, where
    /// that was removed for want of room, with the new one. To be run before [`crate::put_in_place`] and before the app
    /// starts. Killed anywhere, it is called again on the exchange that [`Swap::open`] finds.
    ///
    /// # Errors
    /// [`crate::Error::Incomplete`]: the app must not start, since the previous content was removed and the new one is not at hand. A new
    /// one has to be brought. Otherwise a failed call. Everything stays.
    pub fn give_up(mut self) -> Result<GivenUp> {
        let Some(given_up) = self.journal.gives_up_to() else {
            return Err(self.incomplete("the new content was not transferred wholly"));
        };
        match given_up {
            // It was being finished with that one when it was cut off.
            _ if self.state() == SwapState::Removing => {}
            GivenUp::Old => self.roll_back()?,
            GivenUp::New => self.commit()?,
        }
        self.finish()?;
        Ok(given_up)
    }
}
