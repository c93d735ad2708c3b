//! A file system of its own on this machine's disk. Everything else of the bed is in memory, where copying costs next to
//! nothing and syncing nothing at all.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use config_volume::FileSystem;
use serde_json::{Value, json};
use tokio::process::Command;

use crate::bed::Bed;
use crate::ground::RUN_LABEL;
use crate::report;

/// Without it no file can be mounted as a disk.
pub const LOOP_CONTROL: &str = "/dev/loop-control";

/// The file system, mounted. It goes with the bed's mounts.
#[derive(Debug, Clone)]
pub struct Disk {
    folder: PathBuf,
}

impl Disk {
    /// Mounts an empty ext4 of so many bytes, which take no room before they are written. There is one of this name for each bed.
    ///
    /// # Errors
    /// When it cannot be made or mounted.
    pub async fn mount(bed: &Bed, name: &str, bytes: u64) -> Result<Self> {
        let (file, folder) = (
            report::folder().join(format!("{name}.ext4")),
            bed.folder.join(name),
        );
        std::fs::create_dir_all(report::folder())?;
        let made = std::fs::File::create(&file).and_then(|file| file.set_len(bytes));
        made.with_context(|| format!("cannot make {}", file.display()))?;
        std::fs::create_dir_all(&folder)?;
        // The tables are written now, and not by the kernel while something is measured.
        let eager = "lazy_itable_init=0,lazy_journal_init=0";
        let format = ["-q", "-m", "0", "-E", eager].map(Path::new);
        let mounted = async {
            run("mkfs.ext4", &[&format[..], &[&file]].concat()).await?;
            // What is removed gives its room back to the disk that the file is on.
            let options = ["-o", "loop,discard"].map(Path::new);
            run("mount", &[&options[..], &[&file, &folder]].concat()).await
        };
        let mounted = mounted.await;
        // As long as it is mounted it is there, and no longer.
        std::fs::remove_file(&file)?;
        mounted.map(|_| Self { folder })
    }

    /// A folder on it, which is made where it is missing.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        std::fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(folder)
    }

    /// Bytes that are taken.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn taken(&self) -> Result<u64> {
        let is = FileSystem::of(&self.folder)?;
        Ok(is.bytes - is.free_bytes)
    }

    /// Brings everything that was written to the disk, and tells how long that took.
    ///
    /// # Errors
    /// When it cannot be synced.
    pub async fn sync(&self) -> Result<Duration> {
        let began = Instant::now();
        run("sync", &[Path::new("-f"), &self.folder]).await?;
        Ok(began.elapsed())
    }

    /// `cp -a` of a folder into a new one of the disk, and the sync after it. It stays: ext4 spends some seconds on passing over what was just
    /// removed, whoever makes files then.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub async fn copy(&self, from: &Path, to: &str) -> Result<Copied> {
        self.sync().await?;
        let to = self.folder.join(to);
        let began = Instant::now();
        run("cp", &[Path::new("-a"), from, &to]).await?;
        let copied = began.elapsed();
        let synced = self.sync().await?;
        Ok(Copied { copied, synced })
    }

    /// `cp -a` of a folder into a new one of the disk, which leaves it to the kernel when that goes to the disk.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub async fn write(&self, from: &Path, to: &str) -> Result<()> {
        run("cp", &[Path::new("-a"), from, &self.folder.join(to)])
            .await
            .map(drop)
    }

    /// A volume in a folder of this disk, as an object of Kubernetes. Only a claim of `class` gets it; with `claim` only that
    /// one, by namespace and name.
    ///
    /// # Errors
    /// When its folder cannot be made.
    pub fn volume(&self, name: &str, run: &str, class: &str, claim: Option<(&str, &str)>) -> Result<Value> {
        let here = json!({"key": "kubernetes.io/hostname", "operator": "In", "values": ["e2e"]});
        let mut volume = json!({
            "apiVersion": "v1", "kind": "PersistentVolume",
            "metadata": {"name": format!("{name}-{run}"), "labels": {RUN_LABEL: run}},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Ti"}, "storageClassName": class,
                "persistentVolumeReclaimPolicy": "Retain", "local": {"path": self.folder(name)?},
                "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [here]}]}},
            },
        });
        if let Some((namespace, name)) = claim {
            let claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": namespace, "name": name});
            volume["spec"]["claimRef"] = claim;
        }
        Ok(volume)
    }
}

/// What a plain copy took.
#[derive(Debug, Clone, Copy)]
pub struct Copied {
    /// Until `cp` ended.
    pub copied: Duration,
    /// From then on until all of it was on the disk.
    pub synced: Duration,
}

impl Copied {
    /// Both.
    pub fn took(self) -> Duration {
        self.copied + self.synced
    }
}

async fn run(program: &str, arguments: &[&Path]) -> Result<()> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .await
        .with_context(|| format!("cannot start {program}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    anyhow::ensure!(
        output.status.success(),
        "{program} ended with {}: {said}",
        output.status
    );
    Ok(())
}
