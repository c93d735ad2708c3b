//! The recovery engine on folders: the real one, with a folder in the place of a backup in the cluster.

use std::cell::{Cell, RefCell};
use std::path::{Path, PathBuf};
use std::time::Duration;

use config_recovery::backups::{AppId, BackupHealth, BackupSummary, Proof, choose};
use config_recovery::engine::{self, App, Beside, CheckedBackup, RestorePlan, RestoreRequest, VerifyPlan};
use config_recovery::locations::Location;
use config_recovery::make::MakeSpec;
use config_recovery::report::Reporter;
use config_recovery::scratch::{Purpose, Until};
use config_recovery::testing::{self, FolderPlace};
use config_recovery::{ClusterError, Error, Result};
use config_volume::{SwapWatcher, UnpackLimits, Unpacked};
use jiff::Timestamp;
use juju_charm::pebble::Pebble;
use workload_charm::recovery::Recovery;
use workload_charm::recovery::health::Unwell;

use crate::fault::Fault;

/// What the cluster is, for one dispatch.
pub struct FolderRecovery {
    /// The backups, each with its folder, newest first.
    pub backups: Vec<(BackupSummary, PathBuf)>,
    /// Name of a backup that Velero works on.
    pub running: Option<String>,
    pub fault: Fault,
    /// Each start answers so; healthy when there is none left.
    pub health: RefCell<Vec<bool>>,
    /// Whether the app was seen healthy.
    pub seen_healthy: Cell<bool>,
}

fn not_here<T>(action: &str) -> Result<T> {
    Err(ClusterError::unreachable(action, "there is no cluster").into())
}

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(future)
}

impl FolderRecovery {
    pub fn new(backups: Vec<(BackupSummary, PathBuf)>, running: Option<String>, fault: Fault) -> Self {
        Self {
            backups,
            running,
            fault,
            health: RefCell::default(),
            seen_healthy: Cell::new(false),
        }
    }

    fn summaries(&self) -> Vec<BackupSummary> {
        self.backups.iter().map(|(summary, _)| summary.clone()).collect()
    }

    fn place(&self, backup: &BackupSummary) -> Place {
        let found = self.backups.iter().find(|(summary, _)| summary.uid == backup.uid);
        let mut inner = FolderPlace::new(&found.unwrap().1);
        inner.running.clone_from(&self.running);
        Place {
            inner,
            fault: self.fault.clone(),
        }
    }
}

impl Recovery for FolderRecovery {
    fn list(&self, whose: &AppId) -> Result<Vec<BackupSummary>> {
        let all = self.summaries().into_iter();
        Ok(all.filter(|backup| backup.whose == *whose).collect())
    }

    fn standing(&self, _whose: &AppId) -> Result<BackupHealth> {
        not_here("look at the backups")
    }

    fn left(&self, _whose: &AppId, _holder: &str) -> Result<Vec<String>> {
        not_here("look for scratch namespaces")
    }

    fn remove_left(&self, _name: &str) -> Result<()> {
        not_here("remove a scratch namespace")
    }

    fn storage_locations(&self) -> Result<Vec<Location>> {
        Ok(vec![Location {
            synced: Some(Timestamp::UNIX_EPOCH),
            ..testing::location("default")
        }])
    }

    fn under_way(&self, _whose: &AppId) -> Result<Option<String>> {
        not_here("look for a backup that is under way")
    }

    fn backup_now(&self, _make: &MakeSpec, _reporter: &dyn Reporter) -> Result<BackupSummary> {
        not_here("make a backup")
    }

    fn plan_restore(
        &self,
        wanted: &RestoreRequest,
        volume: &Path,
        keep_old: bool,
        elsewhere: &Path,
    ) -> Result<RestorePlan> {
        let all = self.summaries();
        let backup = choose(&all, &wanted.choice, &wanted.target, Timestamp::now())?.clone();
        let mut place = self.place(&backup);
        let scratch = testing::scratch(backup, Purpose::Restore);
        wait(engine::plan_restore_beside(
            &mut place, wanted, scratch, volume, keep_old, elsewhere,
        ))
    }

    fn restore(
        &self,
        plan: &RestorePlan,
        app: &mut dyn App,
        reporter: &dyn Reporter,
    ) -> Result<CheckedBackup> {
        wait(engine::restore_beside(
            self.place(plan.backup()),
            plan,
            app,
            reporter,
        ))
    }

    fn plan_verify(&self, _wanted: &RestoreRequest, _folder: &Path) -> Result<VerifyPlan> {
        not_here("verify a backup")
    }

    fn verify(
        &self,
        _plan: &VerifyPlan,
        _app: &mut dyn App,
        _reporter: &dyn Reporter,
    ) -> Result<CheckedBackup> {
        not_here("verify a backup")
    }

    fn becomes_healthy(
        &self,
        _pebble: &dyn Pebble,
        _check: &str,
        _patience: Duration,
        ended: &dyn Fn() -> Option<String>,
    ) -> std::result::Result<(), Unwell> {
        self.fault.step_without_disk(&"the app is asked");
        if let Some(why) = ended() {
            return Err(Unwell::Ended(why));
        }
        let mut health = self.health.borrow_mut();
        if health.is_empty() || health.remove(0) {
            self.seen_healthy.set(true);
            Ok(())
        } else {
            Err(Unwell::NotPassed("it does not answer".to_owned()))
        }
    }
}

/// A folder in the place of the scratch namespace, with faults.
struct Place {
    inner: FolderPlace,
    fault: Fault,
}

impl Beside for Place {
    async fn make(&mut self, reporter: &dyn Reporter) -> Result<()> {
        self.fault.step_without_disk(&"the scratch namespace is made");
        self.inner.make(reporter).await
    }

    async fn restore_bytes(&mut self, reporter: &dyn Reporter) -> Result<Option<Duration>> {
        self.fault.step_without_disk(&"Velero restores into it");
        self.inner.restore_bytes(reporter).await
    }

    async fn unpack_into(
        &mut self,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        let unpacked = self.inner.unpack_into(folder, limits, reporter).await?;
        self.fault
            .step(&"the files are unpacked")
            .map_err(|error| Error::Transfer(error.to_string()))?;
        Ok(unpacked)
    }

    async fn let_go(&mut self) -> Result<()> {
        self.fault.step_without_disk(&"the scratch namespace is let go");
        self.inner.let_go().await
    }

    async fn remove(&mut self, until: Until) -> Result<()> {
        self.fault.step_without_disk(&"the scratch namespace is removed");
        self.inner.remove(until).await
    }

    async fn running_backup(&mut self) -> Result<Option<String>> {
        self.inner.running_backup().await
    }

    async fn prove(&mut self, proof: &Proof) -> Result<()> {
        self.fault
            .step_without_disk(&"what was proven is written on the backup");
        self.inner.prove(proof).await
    }

    fn watcher(&self) -> SwapWatcher {
        self.fault.swap_watcher()
    }
}
