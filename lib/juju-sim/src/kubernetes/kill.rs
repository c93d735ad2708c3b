//! A dispatch that is cut off while it changes an object.

use std::sync::Arc;
use std::sync::atomic::AtomicI32;

use crate::agent::kill;

/// Ends the dispatch that makes one of the writes to come.
#[derive(Debug, Clone)]
pub(crate) struct PlannedKill {
    /// Whose dispatch.
    pub unit: String,
    /// Writes until then, this one included.
    pub write: usize,
    /// Whether the write takes effect.
    pub after: bool,
    /// The process group of the dispatch.
    pub group: Arc<AtomicI32>,
}

impl PlannedKill {
    /// Counts a write of this unit. Says whether it is the one.
    pub fn is_due(&mut self, unit: &str) -> bool {
        if self.unit == unit {
            self.write = self.write.saturating_sub(1);
        }
        self.unit == unit && self.write == 0
    }

    /// Ends the dispatch.
    pub fn strike(&self) {
        kill(&self.group);
    }
}
