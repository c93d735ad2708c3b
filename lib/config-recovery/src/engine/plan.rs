//! What will be done: chosen and judged before anything is touched, shown, then carried out as it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use config_volume::SwapOptions;
use jiff::Timestamp;

use crate::backups::{self, AppId, BackupSummary, Choice};
use crate::cluster::Cluster;
use crate::scratch::{Purpose, ScratchSpec};
use crate::{Error, Result, claim};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The app that the data are for.
    pub target: AppId,
    /// The app that the backup is of, if that is another one.
    pub from: Option<AppId>,
    /// Which of its backups.
    pub choice: Choice,
    /// Who runs it: "radarr/0".
    pub holder: String,
    /// Image of the scratch pod: the app's own.
    pub image: String,
    /// How long the app may take to become healthy; `None` for what the size of the backup suggests.
    pub patience: Option<Duration>,
}

/// A restore into a volume on this machine.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The app that the data are for.
    pub target: AppId,
    /// The place beside the app, with the backup.
    pub scratch: ScratchSpec,
    /// The volume, as this process sees it.
    pub volume: PathBuf,
    /// Whether the old content is kept until the app is healthy with the new one.
    pub keep_old: bool,
    /// Where the new content waits when it does not fit beside the old one. Only without `keep_old`.
    pub stage_elsewhere: Option<PathBuf>,
    /// How long the app may take to become healthy.
    pub patience: Duration,
}

/// A test restore into a folder on this machine.
#[derive(Debug, Clone)]
pub struct VerifyPlan {
    /// The place beside the app, with the backup.
    pub scratch: ScratchSpec,
    /// The folder, emptied before and after.
    pub folder: PathBuf,
}

impl RestorePlan {
    /// How the content is exchanged.
    pub(super) fn swap_options(&self) -> SwapOptions {
        SwapOptions {
            keep_old: self.keep_old,
            staged: self.stage_elsewhere.clone(),
            ..SwapOptions::default()
        }
    }

    /// The backup.
    pub fn backup(&self) -> &BackupSummary {
        &self.scratch.backup
    }
}

/// Plans a restore: the backup is chosen and fit, and there is room. Changes nothing.
///
/// Without `keep_old` and without room beside the old content, the new one waits in `elsewhere`.
///
/// # Errors
/// Each reason why it cannot be done, as far as it can be known beforehand.
pub async fn plan_restore(
    cluster: &Cluster,
    wanted: &Wanted,
    volume: &Path,
    keep_old: bool,
    elsewhere: &Path,
) -> Result<RestorePlan> {
    let scratch = place(cluster, wanted, Purpose::Restore).await?;
    let needed = scratch.backup.holds.bytes().unwrap_or_default();
    let stage_elsewhere = match room(volume, needed) {
        Ok(()) => None,
        Err(error) if keep_old => return Err(error),
        Err(_) => {
            room(elsewhere, needed)?;
            Some(elsewhere.to_owned())
        }
    };
    Ok(RestorePlan {
        target: wanted.target.clone(),
        scratch,
        volume: volume.to_owned(),
        keep_old,
        stage_elsewhere,
        patience: wanted.patience.unwrap_or(Duration::from_secs(120)),
    })
}

/// Plans a test restore into `folder`. Changes nothing.
///
/// # Errors
/// As [`plan_restore`].
pub async fn plan_verify(cluster: &Cluster, wanted: &Wanted, folder: &Path) -> Result<VerifyPlan> {
    let scratch = place(cluster, wanted, Purpose::Verify).await?;
    // The folder itself is made when it is needed.
    let above = folder.parent().unwrap_or(folder);
    room(above, scratch.backup.holds.bytes().unwrap_or_default())?;
    Ok(VerifyPlan {
        scratch,
        folder: folder.to_owned(),
    })
}

async fn place(cluster: &Cluster, wanted: &Wanted, purpose: Purpose) -> Result<ScratchSpec> {
    let whose = wanted.from.as_ref().unwrap_or(&wanted.target);
    // Of all apps: a backup of another one is to be told from one that is not there.
    let all = backups::list(cluster, None).await?;
    let backup = backups::choose(&all, &wanted.choice, whose, Timestamp::now())?.clone();
    let claim = claim::find(cluster, &wanted.target).await?;
    let size = claim
        .requested
        .max(with_margin(backup.holds.bytes().unwrap_or_default()));
    Ok(ScratchSpec {
        target: wanted.target.clone(),
        run: run_of(&backup),
        backup,
        purpose,
        holder: wanted.holder.clone(),
        image: wanted.image.clone(),
        storage_class: claim.storage_class,
        size,
    })
}

/// A file system takes some of its room for itself.
fn with_margin(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 4).saturating_add(64 << 20)
}

/// The run's name: the same backup gives the same one, so that a run that was killed finds what it had made.
fn run_of(backup: &BackupSummary) -> String {
    let name: String = backup
        .uid
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    name.to_ascii_lowercase()
}

/// Whether `needed` bytes fit beside what is in the folder, and the app has still some room.
fn room(folder: &Path, needed: u64) -> Result<()> {
    let reserve = SwapOptions::default().reserve;
    config_volume::fits(folder, needed, reserve).map_err(|error| match error {
        config_volume::Error::NoRoom { needed, free, .. } => Error::NoRoom {
            place: folder.display().to_string(),
            needed,
            free,
        },
        source => Error::Volume {
            action: format!("look how much room there is in {}", folder.display()),
            source,
        },
    })
}
