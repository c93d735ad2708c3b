//! How fast bytes come, and when the last one will be there.

use std::collections::VecDeque;

use config_recovery::overview::Progress as Bytes;
use jiff::Timestamp;

/// So far back is looked for the rate, in seconds: long enough for Velero, which counts every few seconds.
const WINDOW: f64 = 15.0;

/// The bytes of one volume.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    seen: VecDeque<(Timestamp, u64)>,
    now: Option<Bytes>,
}

impl Rate {
    /// So many bytes are there at this time.
    pub fn add(&mut self, now: Timestamp, bytes: Bytes) {
        // Fewer than before: another transfer has begun.
        if self.seen.back().is_some_and(|(_, before)| *before > bytes.done) {
            self.seen.clear();
        }
        self.seen.push_back((now, bytes.done));
        self.forget_before(now);
        self.now = Some(bytes);
    }

    /// Lets what is too old go, but for one: it is what the oldest rest is measured from.
    fn forget_before(&mut self, now: Timestamp) {
        while self.seen.len() > 2
            && self
                .seen
                .get(1)
                .is_some_and(|(time, _)| seconds(*time, now) > WINDOW)
        {
            self.seen.pop_front();
        }
    }

    /// How many bytes are there.
    pub fn bytes(&self) -> Option<Bytes> {
        self.now
    }

    /// Bytes each second; `None` while it cannot be told.
    pub fn per_second(&self, now: Timestamp) -> Option<u64> {
        let first = self.seen.iter().find(|(time, _)| seconds(*time, now) <= WINDOW);
        let ((from, before), (_, after)) = (first?, self.seen.back()?);
        let took = seconds(*from, now);
        let more = after.checked_sub(*before)?;
        (took >= 1.0).then(|| as_bytes(as_float(more) / took))
    }

    /// Seconds until all are there; `None` while it cannot be told.
    pub fn seconds_left(&self, now: Timestamp) -> Option<u64> {
        let bytes = self.now?;
        let left = bytes.total?.checked_sub(bytes.done)?;
        let rate = self.per_second(now)?;
        (rate > 0).then(|| left.div_ceil(rate))
    }
}

fn seconds(from: Timestamp, to: Timestamp) -> f64 {
    to.duration_since(from).as_secs_f64()
}

fn as_float(bytes: u64) -> f64 {
    bytes as f64
}

fn as_bytes(rate: f64) -> u64 {
    rate as u64
}
