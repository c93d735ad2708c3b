//! What will be done: chosen and judged before anything is touched, shown, then carried out as it is.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use jiff::Timestamp;

use super::begin;
use super::beside::{Beside, InCluster};
use super::room::{self, Disk, Waiting};
use crate::backups::{self, AppId, BackupSummary, Choice, Earlier};
use crate::cluster::Cluster;
use crate::scratch::{Purpose, ScratchSpec};
use crate::{Error, Result, claim, locations};

/// What somebody asks for.
#[derive(Debug, Clone)]
pub struct RestoreRequest {
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
    /// As [`ScratchSpec::program`].
    pub program: Option<PathBuf>,
    /// How long the app may take to become healthy; `None` for what its databases take to migrate:
    /// `RestorePlan::patience`.
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
    /// Whether the previous content is kept until the app is healthy with the new one.
    pub keep_old: bool,
    /// Where the new content waits when it does not fit beside the old one. Only without `keep_old`.
    pub stage_elsewhere: Option<PathBuf>,
    /// A folder of the agent's own, outside the volume, on the node's disk. That of an earlier run may still hold what it
    /// transferred.
    pub elsewhere: PathBuf,
    /// How long the app may take to become healthy, if somebody has said so.
    pub patience: Option<Duration>,
    /// When it was seen that no backup is running: copies that the volume had for one by then are left over.
    pub sets_before: Option<SystemTime>,
    /// The good backups before this one.
    pub earlier: Earlier,
    /// Uid of the backup that was made of what the restore replaces, if there is one. The run's journal names it, so that whoever
    /// goes on after a kill can.
    pub safety_backup: Option<String>,
}

/// A test restore into a folder on this machine.
#[derive(Debug, Clone)]
pub struct VerifyPlan {
    /// The place beside the app, with the backup.
    pub scratch: ScratchSpec,
    /// The folder, emptied before and after.
    pub folder: PathBuf,
    /// The good backups before this one.
    pub earlier: Earlier,
    /// After so long it is given up, and what it made is removed; `None` for as long as each of its steps may take.
    pub limit: Option<Duration>,
}

impl VerifyPlan {
    /// The backup.
    pub fn backup(&self) -> &BackupSummary {
        &self.scratch.backup
    }
}

/// How long an app may take to become healthy, whatever it has to do before.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long at most. Who waits longer says so.
const LONGEST: Duration = Duration::from_secs(2 * 3600);

impl RestorePlan {
    /// How long the app may take to become healthy with so many bytes of databases that it has not seen before.
    ///
    /// An older backup's databases are migrated at the first start, which rewrites their tables, most of them once and some
    /// several times, in single transactions; the app does not answer meanwhile. So to 120 s comes a second for each MiB, which
    /// is what the slowest storage that is of use writes, up to 2 hours. What was asked for counts instead.
    pub(super) fn patience(&self, database_bytes: u64) -> Duration {
        let migration = Duration::from_secs(database_bytes >> 20);
        self.patience
            .unwrap_or_else(|| PATIENCE.saturating_add(migration).min(LONGEST))
    }

    /// Whether the new content lies outside the volume, or is to.
    pub(super) fn waiting(&self, is_claim_empty: bool) -> Waiting<'_> {
        Waiting {
            volume: &self.volume,
            elsewhere: &self.elsewhere,
            keep_old: self.keep_old,
            bytes: self.backup().holds.bytes().unwrap_or_default(),
            is_claim_empty,
        }
    }

    /// The backup.
    pub fn backup(&self) -> &BackupSummary {
        &self.scratch.backup
    }
}

/// Plans a restore: the backup is chosen and fit, and there is room. Changes nothing.
///
/// Without `keep_old` and without room beside the previous content, the new one waits in `elsewhere`, a folder outside the volume
/// on the node's disk, which the engine makes and removes.
///
/// # Errors
/// Each reason why it cannot be done, as far as it can be known beforehand.
pub async fn plan_restore(
    cluster: &Cluster,
    wanted: &RestoreRequest,
    volume: &Path,
    keep_old: bool,
    elsewhere: &Path,
) -> Result<RestorePlan> {
    let (scratch, earlier) = place(cluster, wanted, Purpose::Restore).await?;
    let mut beside = InCluster::new(cluster, &scratch);
    let plan = plan_restore_beside(&mut beside, wanted, scratch.clone(), volume, keep_old, elsewhere).await?;
    Ok(RestorePlan { earlier, ..plan })
}

/// The part of [`plan_restore`] that looks at the volume: the backup is chosen already.
#[doc(hidden)]
pub async fn plan_restore_beside(
    beside: &mut impl Beside,
    wanted: &RestoreRequest,
    scratch: ScratchSpec,
    volume: &Path,
    keep_old: bool,
    elsewhere: &Path,
) -> Result<RestorePlan> {
    room::are_apart(volume, elsewhere)?;
    let sets_before = refuse_running_backup(beside, volume).await?;
    let mut plan = RestorePlan {
        target: wanted.target.clone(),
        scratch,
        volume: volume.to_owned(),
        keep_old,
        stage_elsewhere: None,
        elsewhere: elsewhere.to_owned(),
        patience: wanted.patience,
        sets_before: Some(sets_before),
        earlier: Earlier::default(),
        safety_backup: None,
    };
    // One that goes on has its content already.
    if begin::is_gone_on_with(&plan)? {
        plan.stage_elsewhere = begin::outside(&plan)?;
    } else {
        plan.stage_elsewhere = plan.waiting(true).place()?;
    }
    Ok(plan)
}

/// Fails while a backup may be reading the volume: it is prepared for one, and one is running in the cluster. Answers when it
/// was looked: what was prepared by then is left over from a backup whose end the volume never heard of.
pub(super) async fn refuse_running_backup(beside: &mut impl Beside, volume: &Path) -> Result<SystemTime> {
    let now = SystemTime::now();
    let open = config_volume::open_sets(volume).map_err(super::volume("look for a backup of the volume"))?;
    if !open.is_empty()
        && let Some(backup) = beside.running_backup().await?
    {
        return Err(Error::BackupRunning { backup });
    }
    Ok(now)
}

/// Plans a test restore into `folder`. Changes nothing.
///
/// # Errors
/// As [`plan_restore`].
pub async fn plan_verify(cluster: &Cluster, wanted: &RestoreRequest, folder: &Path) -> Result<VerifyPlan> {
    let (scratch, earlier) = place(cluster, wanted, Purpose::Verify).await?;
    // The claim beside the app may lie on the node's disk too.
    let bytes = scratch.backup.holds.bytes().unwrap_or_default().saturating_mul(2);
    Disk::Node.has_room(folder, bytes, 0)?;
    Ok(VerifyPlan {
        scratch,
        folder: folder.to_owned(),
        earlier,
        limit: None,
    })
}

async fn place(
    cluster: &Cluster,
    wanted: &RestoreRequest,
    purpose: Purpose,
) -> Result<(ScratchSpec, Earlier)> {
    let whose = wanted.from.as_ref().unwrap_or(&wanted.target);
    let locations = match purpose {
        Purpose::Restore => Some(locations::locations(cluster).await),
        Purpose::Verify => None,
    };
    // Of all apps: a backup of another one is to be told from one that is not there.
    let all = backups::list(cluster, None).await?;
    let now = Timestamp::now();
    let backup = match locations {
        Some(locations) => backups::choose_of_all_read(&all, locations, &wanted.choice, whose, now)?,
        None => backups::choose(&all, &wanted.choice, whose, now)?,
    };
    let backup = backup.clone();
    let earlier = backups::earlier(&all, &backup, now);
    let claim = claim::find(cluster, &wanted.target).await?;
    let size = claim
        .requested
        .max(with_margin(backup.holds.bytes().unwrap_or_default()));
    let scratch = ScratchSpec {
        target: wanted.target.clone(),
        run: run_of(&backup),
        backup,
        purpose,
        holder: wanted.holder.clone(),
        image: wanted.image.clone(),
        program: wanted.program.clone(),
        storage_class: claim.storage_class,
        size,
    };
    Ok((scratch, earlier))
}

/// A file system takes some of its room for itself.
fn with_margin(bytes: u64) -> u64 {
    bytes.saturating_add(bytes / 4).saturating_add(64 << 20)
}

/// The run's name: the same backup gives the same one, so that a run that was killed finds what it had made.
pub(crate) fn run_of(backup: &BackupSummary) -> String {
    let name: String = backup
        .uid
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_asks_for_a_quarter_and_64_mib_more_than_the_bytes() {
        assert_eq!(with_margin(0), 64 << 20);
        assert_eq!(with_margin(100 << 20), (125 + 64) << 20);
        assert_eq!(with_margin(u64::MAX), u64::MAX);
    }

    #[test]
    fn the_engine_waits_two_hours_at_most_and_whoever_says_so_longer() {
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let backup = crate::testing::backup("a", &whose, 1);
        let mut plan = RestorePlan {
            target: whose,
            scratch: crate::testing::scratch(backup, Purpose::Restore),
            volume: "/volume".into(),
            keep_old: true,
            stage_elsewhere: None,
            elsewhere: "/elsewhere".into(),
            patience: None,
            sets_before: None,
            earlier: Earlier::default(),
            safety_backup: None,
        };
        for (bytes, seconds) in [
            (0, 120),
            ((1 << 20) - 1, 120),
            (5 << 20, 125),
            (7079 << 20, 7199),
            (7081 << 20, 7200),
            (u64::MAX, 7200),
        ] {
            assert_eq!(plan.patience(bytes), Duration::from_secs(seconds), "{bytes}");
        }
        let asked_for = Duration::from_secs(3 * 3600);
        plan.patience = Some(asked_for);
        assert_eq!(plan.patience(u64::MAX), asked_for);
    }
}
