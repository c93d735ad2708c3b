//! When Velero's node agent worked on restores, as a watch of its PodVolumeRestores saw it. Velero's own timestamps have whole
//! seconds, which is too coarse for parts of one.

use std::collections::BTreeMap;
use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use futures::future::{Either, select};
use futures::{StreamExt, TryStreamExt};
use kube::Api;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};

/// Seconds that the server lets the watch live: longer than any restore takes.
const WATCH_SECONDS: u32 = 290;

/// Restores that the node agent began while something was done.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Worked {
    restores: BTreeMap<String, Stretch>,
}

/// From the agent's word that it has begun to its word that it has ended, counted from the beginning of the watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stretch {
    begun: Duration,
    ended: Option<Duration>,
}

/// Does `what`, and watches meanwhile.
///
/// # Errors
/// When the restores cannot be watched without a gap.
pub async fn during<T>(restores: &Api<DynamicObject>, what: impl Future<Output = T>) -> Result<(T, Worked)> {
    let since = restores
        .list(&ListParams::default())
        .await?
        .metadata
        .resource_version;
    let parameters = WatchParams::default().disable_bookmarks().timeout(WATCH_SECONDS);
    let mut events = restores
        .watch(&parameters, &since.unwrap_or_default())
        .await?
        .boxed();
    let (began, mut worked, mut what) = (Instant::now(), Worked::default(), pin!(what));
    loop {
        let event = match select(what, pin!(events.try_next())).await {
            Either::Left((done, _)) => return Ok((done, worked)),
            Either::Right((event, pending)) => {
                what = pending;
                event?
            }
        };
        match event {
            Some(WatchEvent::Added(object) | WatchEvent::Modified(object)) => {
                let name = object.metadata.name.unwrap_or_default();
                let phase = object.data["status"]["phase"].as_str().unwrap_or_default();
                worked.saw(&name, phase, began.elapsed());
            }
            Some(WatchEvent::Deleted(_) | WatchEvent::Bookmark(_)) => {}
            Some(WatchEvent::Error(error)) => bail!("the watch of restores has a gap: {error:?}"),
            None => bail!("the watch of restores ended after {WATCH_SECONDS} s"),
        }
    }
}

impl Worked {
    fn saw(&mut self, name: &str, phase: &str, at: Duration) {
        match phase {
            "InProgress" => {
                let stretch = Stretch {
                    begun: at,
                    ended: None,
                };
                self.restores.entry(name.to_owned()).or_insert(stretch);
            }
            "Completed" | "Failed" | "Canceled" => {
                if let Some(stretch) = self.restores.get_mut(name) {
                    stretch.ended.get_or_insert(at);
                }
            }
            _ => {}
        }
    }

    /// How many it began.
    pub fn restores(&self) -> usize {
        self.restores.len()
    }

    /// How long it worked on any: time in which it worked on several counts once, time in which it had none does not count.
    pub fn busy(&self) -> Duration {
        let mut stretches: Vec<_> = self
            .restores
            .values()
            .filter_map(|is| Some((is.begun, is.ended?)))
            .collect();
        stretches.sort_unstable();
        let mut until = Duration::ZERO;
        let mut busy = Duration::ZERO;
        for (begun, ended) in stretches {
            busy += ended.saturating_sub(begun.max(until));
            until = until.max(ended);
        }
        busy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worked(seen: &[(&str, &str, u64)]) -> Worked {
        let mut worked = Worked::default();
        for (name, phase, at) in seen {
            worked.saw(name, phase, Duration::from_secs(*at));
        }
        worked
    }

    #[test]
    fn time_with_several_counts_once_and_time_with_none_not() {
        let several = worked(&[
            ("a", "InProgress", 1),
            ("b", "InProgress", 2),
            ("b", "Completed", 3),
            ("a", "Completed", 4),
            ("c", "New", 5),
            ("c", "InProgress", 7),
            ("c", "InProgress", 8),
            ("c", "Failed", 9),
            ("c", "Failed", 10),
        ]);
        assert_eq!(several.restores(), 3);
        assert_eq!(several.busy(), Duration::from_secs(5));
    }

    #[test]
    fn a_restore_that_has_not_ended_or_was_begun_before_adds_nothing() {
        let cut = worked(&[("a", "InProgress", 1), ("b", "Completed", 3)]);
        assert_eq!((cut.restores(), cut.busy()), (1, Duration::ZERO));
    }
}
