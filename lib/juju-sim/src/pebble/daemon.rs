//! What all parts of a Pebble share: its state behind one lock, and how to wait for a change of it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::watch;

use super::changes::Changes;
use super::checks::CheckData;
use super::container::Container;
use super::exec::Executions;
use super::owners::Owners;
use super::plan::Layers;
use super::services::ServiceData;

/// A Pebble.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub container: Container,
    pub owners: Owners,
    pub okay_delay: Duration,
    pub boot_id: String,
    state: Mutex<State>,
    news: watch::Sender<u64>,
    end: watch::Sender<Option<u8>>,
}

/// What changes.
#[derive(Debug, Default)]
pub(crate) struct State {
    pub layers: Layers,
    pub changes: Changes,
    pub services: BTreeMap<String, ServiceData>,
    pub checks: BTreeMap<String, CheckData>,
    pub executions: Executions,
}

impl Daemon {
    pub fn new(container: Container, owners: Owners, okay_delay: Duration, boot_id: String) -> Daemon {
        Daemon {
            container,
            owners,
            okay_delay,
            boot_id,
            state: Mutex::default(),
            news: watch::Sender::new(0),
            end: watch::Sender::new(None),
        }
    }

    /// Looks at the state. Not to be called inside itself or [`Daemon::update`].
    pub fn read<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        // A panic of another task is shown by that task; the state is still whole enough to go on.
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Changes the state, and wakes who waits for changes.
    pub fn update<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = self.read(change);
        self.news
            .send_modify(|version| *version = version.wrapping_add(1));
        result
    }

    /// Waits until a look at the state finds something. Each change of the state is followed by a look.
    pub async fn wait_for<T>(&self, mut look: impl FnMut(&mut State) -> Option<T>) -> T {
        let mut news = self.news.subscribe();
        loop {
            if let Some(found) = self.read(&mut look) {
                return found;
            }
            if news.changed().await.is_err() {
                // Not while `self` is there.
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends this Pebble with an exit code. The first one counts.
    pub fn end(&self, code: u8) {
        self.end.send_modify(|end| {
            end.get_or_insert(code);
        });
    }

    /// Waits for the end.
    pub async fn ended(&self) -> u8 {
        let mut end = self.end.subscribe();
        let ended = end.wait_for(Option::is_some).await;
        ended.ok().and_then(|code| *code).unwrap_or_default()
    }
}
