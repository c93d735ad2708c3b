//! [`KubeRecovery`]: the recovery engine on the charm's connection to its cluster.

use std::future::Future;
use std::path::Path;
use std::time::Duration;

use config_recovery::Result;
use config_recovery::backups::{self, AppId, BackupHealth, BackupSummary};
use config_recovery::cluster::Cluster;
use config_recovery::engine::{
    self, App, CheckedBackup, Examined, RestorePlan, RestoreRequest, Restored, VerifyPlan,
};
use config_recovery::locations::{self, Location};
use config_recovery::make::{self, MakeSpec};
use config_recovery::report::Reporter;
use config_recovery::scratch;
use juju_charm::pebble::Pebble;
use tokio::time::Instant;

use super::Recovery;
use super::health::{self, Unwell};
use crate::kubernetes::KubeCluster;

/// How long a backup on demand is waited for: two hours. Velero waits half an hour for the copies of the databases alone.
const BACKUP: Duration = Duration::from_secs(7200);

/// The recovery engine on the connection of a [`KubeCluster`].
pub struct KubeRecovery<'a> {
    cluster: &'a KubeCluster,
}

impl<'a> KubeRecovery<'a> {
    /// On this connection. Making one does nothing.
    pub fn new(cluster: &'a KubeCluster) -> Self {
        Self { cluster }
    }

    fn run<T, F>(&self, work: impl FnOnce(Cluster) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.cluster.run(|client| work(Cluster::new(client)))?
    }

    /// For work that calls the app in between: [`InPlace`].
    fn run_with_app<T, F>(&self, work: impl FnOnce(Cluster) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        self.cluster
            .run_with_breaks(|client| work(Cluster::new(client)))?
    }
}

/// The engine's tasks are async, and what the app does in between is not: it waits for Pebble, and asks the cluster.
struct InPlace<'a>(&'a mut dyn App);

impl App for InPlace<'_> {
    fn stop(&mut self) -> std::result::Result<(), String> {
        tokio::task::block_in_place(|| self.0.stop())
    }

    fn start(&mut self, patience: Duration) -> std::result::Result<(), String> {
        tokio::task::block_in_place(|| self.0.start(patience))
    }

    fn came_back(&mut self, checked: &CheckedBackup) {
        tokio::task::block_in_place(|| self.0.came_back(checked));
    }

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        tokio::task::block_in_place(|| self.0.examine(restored))
    }
}

impl Recovery for KubeRecovery<'_> {
    fn list(&self, whose: &AppId) -> Result<Vec<BackupSummary>> {
        self.run(|cluster| async move { backups::list(&cluster, Some(whose)).await })
    }

    fn standing(&self, whose: &AppId) -> Result<BackupHealth> {
        self.run(|cluster| async move { backups::standing(&cluster, whose).await })
    }

    fn storage_locations(&self) -> Result<Vec<Location>> {
        self.run(|cluster| async move { locations::locations(&cluster).await })
    }

    fn under_way(&self, whose: &AppId) -> Result<Option<String>> {
        self.run(|cluster| async move { backups::under_way(&cluster, whose).await })
    }

    fn backup_now(&self, make: &MakeSpec, reporter: &dyn Reporter) -> Result<BackupSummary> {
        self.run(|cluster| async move {
            make::backup_now(&cluster, make, reporter, Instant::now() + BACKUP).await
        })
    }

    fn plan_restore(
        &self,
        wanted: &RestoreRequest,
        volume: &Path,
        keep_old: bool,
        elsewhere: &Path,
    ) -> Result<RestorePlan> {
        self.run(|cluster| async move {
            engine::plan_restore(&cluster, wanted, volume, keep_old, elsewhere).await
        })
    }

    fn restore(
        &self,
        plan: &RestorePlan,
        app: &mut dyn App,
        reporter: &dyn Reporter,
    ) -> Result<CheckedBackup> {
        self.run_with_app(|cluster| async move {
            engine::restore(&cluster, plan, &mut InPlace(app), reporter).await
        })
    }

    fn plan_verify(&self, wanted: &RestoreRequest, folder: &Path) -> Result<VerifyPlan> {
        self.run(|cluster| async move { engine::plan_verify(&cluster, wanted, folder).await })
    }

    fn verify(&self, plan: &VerifyPlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<CheckedBackup> {
        self.run_with_app(|cluster| async move {
            engine::verify(&cluster, plan, &mut InPlace(app), reporter).await
        })
    }

    fn left(&self, whose: &AppId, holder: &str) -> Result<Vec<String>> {
        self.run(|cluster| async move { scratch::left(&cluster, whose, holder).await })
    }

    fn remove_left(&self, name: &str) -> Result<()> {
        self.run(|cluster| async move { scratch::remove_left(&cluster, name).await })
    }

    fn becomes_healthy(
        &self,
        pebble: &dyn Pebble,
        check: &str,
        patience: Duration,
        ended: &dyn Fn() -> Option<String>,
    ) -> std::result::Result<(), Unwell> {
        health::until_passed(pebble, check, patience, ended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Notes what it is asked, and waits for Pebble as the real one does: outside of any async task.
    #[derive(Default)]
    struct Noting(Vec<String>);

    impl Noting {
        fn asked(&mut self, what: String) -> std::result::Result<(), String> {
            // Panics where the engine's runtime would be blocked.
            tokio::runtime::Handle::current().block_on(std::future::ready(()));
            self.0.push(what);
            Err(format!("no {}", self.0.len()))
        }
    }

    impl App for Noting {
        fn stop(&mut self) -> std::result::Result<(), String> {
            self.asked("stop".to_owned())
        }

        fn start(&mut self, patience: Duration) -> std::result::Result<(), String> {
            self.asked(format!("start {patience:?}"))
        }

        fn came_back(&mut self, checked: &CheckedBackup) {
            let _ = self.asked(format!("came back {}", checked.backup.uid));
        }

        fn examine(&mut self, restored: &Restored<'_>) -> Examined {
            let asked = self.asked(format!("examine {}", restored.folder.display()));
            Examined {
                notes: asked.err().into_iter().collect(),
                ..Examined::default()
            }
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_the_engine_asks_of_the_app_reaches_it_outside_of_its_tasks() {
        let mut app = Noting::default();
        let mut in_place = InPlace(&mut app);
        assert_eq!(in_place.stop(), Err("no 1".to_owned()));
        assert_eq!(in_place.start(Duration::from_secs(7)), Err("no 2".to_owned()));
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let restored = Restored {
            folder: Path::new("/volume"),
            backup: &config_recovery::testing::backup("a", &whose, 1),
            made: None,
            about: &std::collections::BTreeMap::new(),
        };
        assert_eq!(in_place.examine(&restored).notes, ["no 3"]);
        in_place.came_back(&CheckedBackup {
            backup: restored.backup.clone(),
            files: 0,
            bytes: 0,
            databases: 0,
            promised: false,
            notes: Vec::new(),
            velero_took: None,
            took: Duration::ZERO,
        });
        assert_eq!(app.0, ["stop", "start 7s", "examine /volume", "came back a"]);
    }
}
