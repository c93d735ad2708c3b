//! What Velero's objects went through during a run, as a watch saw it: the phases of each in their order, how long it stayed in
//! each, and the messages. Releases of Velero differ in this, and most of it is gone when a scenario has ended.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use futures::TryStreamExt;
use futures::future::join_all;
use kube::api::{DynamicObject, ListParams, WatchEvent, WatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::apply;

/// The kinds that are watched, in every namespace: a scenario may bring a Velero of its own.
const KINDS: [&str; 4] = ["Backup", "Restore", "PodVolumeBackup", "PodVolumeRestore"];
/// Fields that say why an object is where it is.
const REASONS: [&str; 3] = ["message", "failureReason", "validationErrors"];

/// Watches until it is ended.
pub struct Recorder {
    seen: Arc<Mutex<Seen>>,
    task: JoinHandle<()>,
}

impl Recorder {
    /// Begins to watch.
    pub fn start(client: &Client) -> Self {
        let seen = Arc::new(Mutex::new(Seen::default()));
        let watches =
            KINDS.map(|kind| watch(apply::api(client, "velero.io/v1", kind, ""), kind, seen.clone()));
        let task = tokio::spawn(async move {
            join_all(watches).await;
        });
        Self { seen, task }
    }

    /// Ends the watch and writes what was seen to `phases.md` in `folder`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(self, folder: &Path) -> Result<()> {
        self.task.abort();
        let path = folder.join("phases.md");
        let text = self.seen.lock().unwrap_or_else(PoisonError::into_inner).text();
        std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }
}

/// Watches one kind for as long as it is let. A watch that ends is begun anew with what is there then.
async fn watch(api: Api<DynamicObject>, kind: &'static str, seen: Arc<Mutex<Seen>>) {
    loop {
        if let Err(error) = watch_once(&api, kind, &seen).await {
            seen.lock()
                .unwrap_or_else(PoisonError::into_inner)
                .gaps
                .push(format!("{kind}: {error:#}"));
            // Not at once: a server that is gone would be asked all the time.
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

async fn watch_once(api: &Api<DynamicObject>, kind: &'static str, seen: &Mutex<Seen>) -> Result<()> {
    let saw = |object: DynamicObject| {
        let uid = object.metadata.uid.unwrap_or_default();
        seen.lock().unwrap_or_else(PoisonError::into_inner).saw(
            kind,
            &uid,
            &object.data["status"],
            Instant::now(),
        );
    };
    let list = api.list(&ListParams::default()).await?;
    list.items.into_iter().for_each(saw);
    let since = list.metadata.resource_version.unwrap_or_default();
    let mut events = std::pin::pin!(
        api.watch(&WatchParams::default().disable_bookmarks(), &since)
            .await?
    );
    while let Some(event) = events.try_next().await? {
        match event {
            WatchEvent::Added(object) | WatchEvent::Modified(object) | WatchEvent::Deleted(object) => {
                saw(object);
            }
            WatchEvent::Bookmark(_) => {}
            WatchEvent::Error(error) => bail!("{error:?}"),
        }
    }
    Ok(())
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    /// By kind and UID: the engine gives the restores of an app the same name each time.
    objects: BTreeMap<(&'static str, String), Object>,
    /// Why a watch was begun anew.
    gaps: Vec<String>,
}

/// One object of Velero's.
#[derive(Debug, Default)]
struct Object {
    /// Each phase, and when it was seen first. The text is empty before Velero has set one.
    phases: Vec<(String, Instant)>,
    reasons: BTreeSet<String>,
    /// Its status as it was seen last.
    status: Value,
}

impl Seen {
    fn saw(&mut self, kind: &'static str, uid: &str, status: &Value, at: Instant) {
        let object = self.objects.entry((kind, uid.to_owned())).or_default();
        let phase = status["phase"].as_str().unwrap_or_default();
        if object.phases.last().is_none_or(|(last, _)| last != phase) {
            object.phases.push((phase.to_owned(), at));
        }
        let reasons = REASONS.iter().map(|field| &status[field]);
        let reasons = reasons.filter(|reason| !reason.is_null() && **reason != json!(""));
        object
            .reasons
            .extend(reasons.map(|reason| reason.as_str().map_or_else(|| reason.to_string(), str::to_owned)));
        object.status = status.clone();
    }

    /// For people: by kind and way, how often it was gone, how long each phase took at the median and at most, and the messages.
    fn text(&self) -> String {
        let mut ways: BTreeMap<(&str, String), Vec<&Object>> = BTreeMap::new();
        for ((kind, _), object) in &self.objects {
            let words = object.phases.iter().map(|(phase, _)| match phase.as_str() {
                "" => "(none)",
                phase => phase,
            });
            let way = words.collect::<Vec<_>>().join(" → ");
            ways.entry((kind, way)).or_default().push(object);
        }
        let mut text = String::from("# What Velero's objects went through\n");
        for ((kind, way), objects) in ways {
            let _ = write!(text, "\n## {kind}: {way}\n{} times", objects.len());
            let steps = objects
                .iter()
                .map(|object| object.phases.len())
                .min()
                .unwrap_or(0);
            for step in 1..steps {
                let mut took: Vec<Duration> = objects
                    .iter()
                    .map(|object| object.phases[step].1.duration_since(object.phases[step - 1].1))
                    .collect();
                took.sort_unstable();
                let (median, most) = (took[took.len() / 2], took[took.len() - 1]);
                let phase = match objects[0].phases[step - 1].0.as_str() {
                    "" => "(none)",
                    phase => phase,
                };
                let _ = write!(
                    text,
                    "; {phase} {:.1} s, at most {:.1} s",
                    median.as_secs_f64(),
                    most.as_secs_f64()
                );
            }
            text.push('\n');
            let reasons: BTreeSet<_> = objects.iter().flat_map(|object| &object.reasons).collect();
            for reason in reasons {
                let _ = writeln!(text, "- {reason}");
            }
            let _ = writeln!(text, "```json\n{:#}\n```", objects[0].status);
        }
        for gap in &self.gaps {
            let _ = writeln!(text, "\nA watch was begun anew: {gap}");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_went_the_same_way_are_told_together_with_their_times_and_messages() {
        let began = Instant::now();
        let mut seen = Seen::default();
        for (name, accepted, canceled) in [("a", 1, 4), ("b", 3, 4)] {
            let at = |seconds| began + Duration::from_secs(seconds);
            let kind = "PodVolumeRestore";
            seen.saw(kind, name, &json!({}), at(0));
            seen.saw(kind, name, &json!({"phase": "Accepted"}), at(accepted));
            seen.saw(
                kind,
                name,
                &json!({"phase": "Accepted", "message": ""}),
                at(accepted),
            );
            let status = json!({"phase": "Canceled", "message": format!("no image for {name}")});
            seen.saw(kind, name, &status, at(canceled));
        }
        let status = json!({"phase": "FailedValidation", "validationErrors": ["no location"]});
        seen.saw("Backup", "c", &status, began);
        let text = seen.text();
        assert!(
            text.contains(
                "## PodVolumeRestore: (none) → Accepted → Canceled\n2 times; (none) 3.0 s, at most 3.0 s; Accepted 3.0 s, at \
                 most 3.0 s\n- no image for a\n- no image for b\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("## Backup: FailedValidation\n1 times\n- [\"no location\"]\n"),
            "{text}"
        );
    }
}
