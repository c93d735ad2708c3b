//! The engine without a cluster: a folder is the backup.
//!
//! ```
//! use config_recovery::testing::FolderPlace;
//! # fn main() -> std::io::Result<()> {
//! # let backup = tempfile::tempdir()?;
//! let place = FolderPlace::new(backup.path());
//! // engine::restore_beside(place, &plan, &mut app, &reporter) restores what is in the folder.
//! # drop(place);
//! # Ok(())
//! # }
//! ```

use std::cell::RefCell;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use config_volume::{SwapWatcher, UnpackLimits, Unpacked};
use jiff::{SignedDuration, Timestamp};
use velero_api::BackupPhase;

use crate::backups::{AppId, BackupContents, BackupSummary, FilesBackup, Proof};
use crate::engine::{Beside, run_of};
use crate::journal::Step;
use crate::locations::Location;
use crate::report::Reporter;
use crate::scratch::{Purpose, ScratchSpec, Until};
use crate::{Error, Result};

/// A place whose bytes are those of a folder. It comes by an archive, as from a pod.
#[derive(Clone, Default)]
pub struct FolderPlace {
    /// The folder that stands for the backup.
    pub backup: PathBuf,
    /// What [`Beside::running_backup`] answers.
    pub running: Option<String>,
    /// Is told of each step of the exchange.
    pub watcher: SwapWatcher,
    /// What was proven, in the order in which it was.
    pub proofs: Rc<RefCell<Vec<Proof>>>,
}

impl FolderPlace {
    /// A backup that holds what is in this folder.
    pub fn new(backup: impl Into<PathBuf>) -> Self {
        Self {
            backup: backup.into(),
            ..Self::default()
        }
    }
}

impl Beside for FolderPlace {
    async fn make(&mut self, _: &dyn Reporter) -> Result<()> {
        Ok(())
    }

    async fn restore_bytes(&mut self, _: &dyn Reporter) -> Result<Option<Duration>> {
        Ok(None)
    }

    async fn unpack_into(
        &mut self,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        let archive = archive(&self.backup)
            .map_err(|error| Error::Transfer(format!("cannot read {}: {error}", self.backup.display())))?;
        config_volume::unpack(archive.as_slice(), folder, limits, &mut |unpacked| {
            reporter.bytes(Step::Transfer, unpacked.bytes, None);
        })
        .map_err(|source| Error::Volume {
            action: "unpack the restored volume".to_owned(),
            source,
        })
    }

    async fn let_go(&mut self) -> Result<()> {
        Ok(())
    }

    async fn remove(&mut self, _: Until) -> Result<()> {
        Ok(())
    }

    async fn running_backup(&mut self) -> Result<Option<String>> {
        Ok(self.running.clone())
    }

    async fn prove(&mut self, proof: &Proof) -> Result<()> {
        self.proofs.borrow_mut().push(proof.clone());
        Ok(())
    }

    fn watcher(&self) -> SwapWatcher {
        self.watcher.clone()
    }
}

/// A good backup of files that ended a minute ago, as Velero tells of it.
pub fn backup(uid: &str, whose: &AppId, bytes: u64) -> BackupSummary {
    let ended = Timestamp::now() - SignedDuration::from_secs(60);
    BackupSummary {
        name: format!("{}-{uid}", whose.app),
        uid: uid.to_owned(),
        velero_namespace: "velero".to_owned(),
        storage_location: "default".to_owned(),
        whose: whose.clone(),
        schedule: None,
        endpoint: String::new(),
        before_restore: None,
        phase: Some(BackupPhase::Completed),
        created: Some(ended - SignedDuration::from_secs(31)),
        started: Some(ended - SignedDuration::from_secs(30)),
        completed: Some(ended),
        expires: None,
        holds: BackupContents::Files(FilesBackup {
            bytes,
            volume: "config".to_owned(),
            snapshot_id: "s".to_owned(),
            uploader: "kopia".to_owned(),
            source_namespace: whose.model.clone(),
            storage_location: "default".to_owned(),
        }),
        complaints: Vec::new(),
        proof: None,
    }
}

/// A storage location that Velero can use, and the default one.
pub fn location(name: &str) -> Location {
    Location {
        velero_namespace: "velero".to_owned(),
        name: name.to_owned(),
        is_available: Some(true),
        is_default: true,
        is_read_only: false,
        message: None,
        synced: None,
        is_synced: true,
    }
}

/// The place that a plan names for a backup.
pub fn scratch(backup: BackupSummary, purpose: Purpose) -> ScratchSpec {
    ScratchSpec {
        target: backup.whose.clone(),
        run: run_of(&backup),
        backup,
        purpose,
        holder: "test".to_owned(),
        image: String::new(),
        program: None,
        storage_class: None,
        size: 1 << 30,
    }
}

fn archive(folder: &Path) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    builder.follow_symlinks(false);
    builder.append_dir_all(".", folder)?;
    builder.into_inner()
}
