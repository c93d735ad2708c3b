//! How busy the machine's processors are: whether something waits, or has to wait its turn.

use anyhow::{Context, Result, ensure};

/// What the processors have done since the machine started, in ticks: proc(5), `/proc/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticks {
    busy: u64,
    all: u64,
}

impl Ticks {
    /// Until now.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn now() -> Result<Self> {
        let text = std::fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
        Self::of(&text)
    }

    fn of(text: &str) -> Result<Self> {
        let line = text.lines().find_map(|line| line.strip_prefix("cpu "));
        let ticks: Vec<u64> = line
            .context("/proc/stat has no line about all processors")?
            .split_whitespace()
            // Times of guests are parts of the first two.
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .context("/proc/stat is not numbers")?;
        ensure!(ticks.len() == 8, "/proc/stat has {} numbers", ticks.len());
        let all = ticks.iter().sum();
        let idle = ticks
            .get(3)
            .zip(ticks.get(4))
            .map_or(0, |(idle, disk)| idle + disk);
        Ok(Self {
            busy: all - idle,
            all,
        })
    }

    /// The part of the time since then in which the processors were busy, in percent.
    ///
    /// # Errors
    /// As [`Ticks::now`].
    pub fn busy_percent(self) -> Result<u64> {
        let now = Self::now()?;
        Ok((now.busy - self.busy) * 100 / (now.all - self.all).max(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waiting_for_a_disk_is_no_work() {
        let text = "cpu  10 1 5 70 20 2 3 4 0 0\ncpu0 1 1 1 1 1 1 1 1 0 0\n";
        assert_eq!(Ticks::of(text).unwrap(), Ticks { busy: 25, all: 115 });
    }

    #[test]
    fn a_text_without_the_line_is_refused() {
        assert!(Ticks::of("cpu0 1 1 1 1 1 1 1 1\n").is_err());
        assert!(Ticks::of("cpu 1 2 3\n").is_err());
    }
}
