//! Waiting for what the cluster does: by watch, with a deadline, and not a moment longer than there is hope.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use kube::api::{ListParams, WatchEvent, WatchParams};
use tokio::time::{Instant, timeout, timeout_at};

use crate::api::{Api, Object};
use crate::cluster::{Cluster, ClusterError};
use crate::report::Reporter;
use crate::shown::shown;
use crate::{Error, Result};

/// The server ends a watch after this many seconds; it is begun again where it ended.
const WATCH_SECONDS: u32 = 60;
/// A watch that says nothing for longer than the server lets it live has lost its connection.
const SILENCE: Duration = Duration::from_secs(75);
/// For how long an API server that does not answer any more is tried again.
const PATIENCE: Duration = Duration::from_secs(30);
/// A phase that is not known. Velero itself gives a volume that it prepares half an hour.
const UNKNOWN: Duration = Duration::from_secs(1800);
/// Pause between two tries.
const PAUSE: Duration = Duration::from_secs(1);

/// What a look at the objects tells.
#[derive(Debug)]
pub enum Poll<T> {
    /// Not yet; the text says how it stands.
    Wait(String),
    /// Not yet, and it may never be: hopeless unless that changes in time.
    Doubt(Doubt),
    /// What was waited for.
    Done(T),
    /// It will never be.
    Hopeless(Error),
}

impl<T> Poll<T> {
    /// A phase that is not in velero-api's table: nobody can say what comes of it, and it is not waited for to the end of all
    /// time.
    pub(crate) fn unknown(what: &str, word: &str) -> Self {
        let word = shown(word);
        let reason = format!("Velero calls it {word}, which this version does not know");
        Self::Doubt(Doubt {
            about: "a phase that is not known",
            text: reason.clone(),
            grace: UNKNOWN,
            then: Error::Hopeless {
                what: what.to_owned(),
                reason,
                remedy: "see what Velero does with it, and look for a version that knows this Velero".into(),
            },
        })
    }

    /// The same with another value; `then` looks at what was waited for, and may find that it is not it.
    pub fn and_then<U>(self, then: impl FnOnce(T) -> Poll<U>) -> Poll<U> {
        match self {
            Self::Wait(text) => Poll::Wait(text),
            Self::Doubt(doubt) => Poll::Doubt(doubt),
            Self::Done(value) => then(value),
            Self::Hopeless(error) => Poll::Hopeless(error),
        }
    }
}

/// A state that may still change by itself.
#[derive(Debug)]
pub struct Doubt {
    /// What the doubt is about. A look with another doubt, or without one, begins the time of grace anew.
    pub about: &'static str,
    /// How it stands, for a person.
    pub text: String,
    /// How long it may stand so.
    pub grace: Duration,
    /// What it is after that.
    pub then: Error,
}

/// How a wait is done.
#[derive(Clone, Copy)]
pub struct Wait<'a> {
    /// What is waited for: "pod restore-radarr-1a2b/reader".
    pub what: &'a str,
    /// When it is given up.
    pub deadline: Instant,
    /// Hears how it stands, when that changes.
    pub reporter: &'a dyn Reporter,
}

/// Which objects are waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Which {
    /// Field selector, `metadata.name=reader`.
    pub fields: Option<String>,
    /// Label selector.
    pub labels: Option<String>,
}

impl Which {
    /// The one of this name.
    pub fn named(name: &str) -> Self {
        Self {
            fields: Some(format!("metadata.name={name}")),
            labels: None,
        }
    }

    /// Those that this label selector selects.
    pub fn labelled(labels: impl Into<String>) -> Self {
        Self {
            fields: None,
            labels: Some(labels.into()),
        }
    }
}

/// Waits for one object. `judge` looks at each state of it, `None` while there is none.
///
/// # Errors
/// What `judge` calls hopeless, [`Error::TimedOut`] with what it said last, or why the object cannot be watched.
pub async fn for_object<K, T>(
    cluster: &Cluster,
    api: &Api<K>,
    name: &str,
    wait: Wait<'_>,
    mut judge: impl FnMut(Option<&K>) -> Poll<T>,
) -> Result<T>
where
    K: Object,
{
    for_objects(cluster, api, &Which::named(name), wait, |all| {
        judge(all.values().next())
    })
    .await
}

/// Waits for several objects. `judge` looks at all of them, by namespace and name, whenever one changes.
///
/// # Errors
/// As [`for_object`].
pub async fn for_objects<K, T>(
    cluster: &Cluster,
    api: &Api<K>,
    which: &Which,
    wait: Wait<'_>,
    judge: impl FnMut(&BTreeMap<Key, K>) -> Poll<T>,
) -> Result<T>
where
    K: Object,
{
    let began = Instant::now();
    let mut looks = Looks {
        judge,
        wait,
        objects: BTreeMap::new(),
        said: String::new(),
        doubt: None,
    };
    match timeout_at(wait.deadline, follow(cluster, api, which, &mut looks)).await {
        Ok(answer) => answer,
        Err(_) => Err(Error::TimedOut {
            what: wait.what.to_owned(),
            seen: match looks.said.is_empty() {
                true => "nothing".to_owned(),
                false => looks.said,
            },
            after: began.elapsed(),
        }),
    }
}

/// Namespace (empty for objects of the whole cluster) and name.
pub type Key = (String, String);

/// Lists, then watches from there; lists again when the watch has lost its place.
async fn follow<K, T, J>(
    cluster: &Cluster,
    api: &Api<K>,
    which: &Which,
    looks: &mut Looks<'_, K, J>,
) -> Result<T>
where
    K: Object,
    J: FnMut(&BTreeMap<Key, K>) -> Poll<T>,
{
    let list = ListParams {
        field_selector: which.fields.clone(),
        label_selector: which.labels.clone(),
        ..ListParams::default()
    };
    let watch = WatchParams {
        field_selector: which.fields.clone(),
        label_selector: which.labels.clone(),
        ..WatchParams::default()
    }
    .timeout(WATCH_SECONDS);
    let what = looks.wait.what;
    // Since when nobody answers. Of a watch it is not known when it was cut off.
    let mut away: Option<Instant> = None;
    loop {
        let tried = Instant::now();
        let listed = match cluster.ask(format!("look at {what}"), api.list(&list)).await {
            // It may be restarted while something takes long.
            Err(error @ ClusterError::Unreachable { .. }) => {
                if away.get_or_insert(tried).elapsed() >= PATIENCE {
                    return Err(error.into());
                }
                tokio::time::sleep(PAUSE).await;
                continue;
            }
            listed => listed?,
        };
        away = None;
        let mut version = listed.metadata.resource_version.unwrap_or_default();
        looks.objects = listed.items.into_iter().map(|is| (key(&is), is)).collect();
        if let Some(end) = looks.look() {
            return end;
        }
        loop {
            let began = Instant::now();
            let events = match timeout(SILENCE, api.watch(&watch, &version)).await {
                Ok(Ok(events)) => events,
                // The version is too old by now.
                Ok(Err(kube::Error::Api(status))) if status.code == 410 => break,
                Ok(Err(error @ kube::Error::Api(_))) => {
                    return Err(ClusterError::judged(format!("watch {what}"), error).into());
                }
                Ok(Err(_)) | Err(_) => {
                    tokio::time::sleep(PAUSE).await;
                    break;
                }
            };
            match looks.listen(std::pin::pin!(events), &mut version).await {
                Heard::End(end) => return end,
                Heard::Ended => {
                    if began.elapsed() < PAUSE {
                        // Something in between does not let watches live.
                        tokio::time::sleep(PAUSE).await;
                    }
                }
                Heard::Lost => break,
            }
        }
    }
}

/// How a watch ended.
enum Heard<T> {
    /// The wait is over.
    End(Result<T>),
    /// The server ended the watch in good order.
    Ended,
    /// It has to be listed again.
    Lost,
}

/// The objects as they stand, and what was thought of them.
struct Looks<'a, K, J> {
    judge: J,
    wait: Wait<'a>,
    objects: BTreeMap<Key, K>,
    said: String,
    /// What the doubt is about, and when its grace ends.
    doubt: Option<(&'static str, Instant)>,
}

impl<K, T, J> Looks<'_, K, J>
where
    K: Object,
    J: FnMut(&BTreeMap<Key, K>) -> Poll<T>,
{
    /// Judges; `Some` when the wait is over.
    fn look(&mut self) -> Option<Result<T>> {
        let (text, doubt) = match (self.judge)(&self.objects) {
            Poll::Done(value) => return Some(Ok(value)),
            Poll::Hopeless(error) => return Some(Err(error)),
            Poll::Wait(text) => (text, None),
            Poll::Doubt(doubt) => {
                let ends = match self.doubt {
                    Some((about, ends)) if about == doubt.about => ends,
                    _ => Instant::now() + doubt.grace,
                };
                if ends <= Instant::now() {
                    return Some(Err(doubt.then));
                }
                (doubt.text, Some((doubt.about, ends)))
            }
        };
        self.doubt = doubt;
        if text != self.said {
            self.wait.reporter.waits(&format!("{}: {text}", self.wait.what));
            self.said = text;
        }
        None
    }

    async fn listen(
        &mut self,
        mut events: impl Stream<Item = kube::Result<WatchEvent<K>>> + Unpin,
        version: &mut String,
    ) -> Heard<T> {
        loop {
            let silent = Instant::now() + SILENCE;
            let until = self.doubt.map_or(silent, |(_, ends)| ends.min(silent));
            let event = match timeout_at(until, events.next()).await {
                Ok(event) => event,
                // The grace is over, unless it is the connection that is lost.
                Err(_) if until < silent => match self.look() {
                    Some(end) => return Heard::End(end),
                    None => continue,
                },
                Err(_) => return Heard::Lost,
            };
            match event {
                Some(Ok(WatchEvent::Added(is) | WatchEvent::Modified(is))) => {
                    *version = is.metadata().resource_version.clone().unwrap_or_default();
                    self.objects.insert(key(&is), is);
                }
                Some(Ok(WatchEvent::Deleted(is))) => {
                    *version = is.metadata().resource_version.clone().unwrap_or_default();
                    self.objects.remove(&key(&is));
                }
                Some(Ok(WatchEvent::Bookmark(is))) => {
                    *version = is.metadata.resource_version;
                    continue;
                }
                // Most likely 410: the version is too old by now.
                Some(Ok(WatchEvent::Error(_)) | Err(_)) => return Heard::Lost,
                None => return Heard::Ended,
            }
            if let Some(end) = self.look() {
                return Heard::End(end);
            }
        }
    }
}

fn key<K: Object>(object: &K) -> Key {
    let namespace = object.metadata().namespace.clone();
    (namespace.unwrap_or_default(), object.name().to_owned())
}

#[cfg(test)]
#[path = "wait_tests.rs"]
mod tests;
