//! The look at the cluster, which all scrapes of a minute share.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use config_recovery::cluster::Cluster;
use config_recovery::watched::{Watched, watched};
use jiff::Timestamp;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::families::{Known, families};
use super::settings::Settings;
use super::text::text;
use crate::contents::seen;
use crate::kubernetes::in_runtime;

/// The cluster is asked no more often than that, whoever scrapes how often, and also where it does not answer.
const MINUTE: Duration = Duration::from_secs(60);

/// How long a scrape waits for the cluster. Prometheus waits ten seconds for all of it.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is known.
pub struct Exporter {
    charm_dir: PathBuf,
    last: Arc<Mutex<Option<Last>>>,
}

/// The last look.
struct Last {
    at: Instant,
    is_readable: bool,
    seen: Option<(Watched, Timestamp)>,
}

impl Exporter {
    /// The exporter of the unit with this charm folder, which has seen nothing yet.
    pub fn new(charm_dir: &Path) -> Self {
        Self {
            charm_dir: charm_dir.to_owned(),
            last: Arc::default(),
        }
    }

    /// The text of all metrics. Looks at the cluster where the last look is a minute old. `None` where this unit is not to export
    /// any more.
    pub async fn page(&self) -> Option<String> {
        let settings = Settings::read(&self.charm_dir)?;
        let mut last = Arc::clone(&self.last).lock_owned().await;
        if settings.has_data && last.as_ref().is_none_or(|last| last.at.elapsed() >= MINUTE) {
            let settings = settings.clone();
            // By itself: who asks may go before it has ended, and the next one would begin it anew.
            let looked = tokio::spawn(async move {
                let at = Instant::now();
                let found = look(&settings).await;
                let is_readable = found.is_some();
                // What cannot be read now may be as it was.
                let before = last.take().and_then(|last| last.seen);
                *last = Some(Last {
                    at,
                    is_readable,
                    seen: found.map(|found| (found, Timestamp::now())).or(before),
                });
                last
            });
            last = looked.await.ok()?;
        }
        let contents = seen::on_disk(&self.charm_dir);
        let seen = last.as_ref().and_then(|last| last.seen.as_ref());
        Some(text(&families(Known {
            settings: &settings,
            is_readable: last.as_ref().is_some_and(|last| last.is_readable),
            seen: seen.map(|(watched, at)| (watched, *at)),
            contents: &contents,
            now: Timestamp::now(),
        })))
    }
}

async fn look(settings: &Settings) -> Option<Watched> {
    let whose = settings.whose();
    let work = async {
        // A connection for each look: between two there is none to keep, and the account may be another one by then.
        let client = in_runtime(&settings.model).ok()?;
        // Why it cannot be read, list-backups tells whoever asks.
        watched(&Cluster::new(client), &whose).await.ok()
    };
    timeout(PATIENCE, work).await.ok()?
}
