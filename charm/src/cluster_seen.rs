//! What was seen of the cluster, so that an event that comes again and again need not ask for it each time.
//!
//! update-status comes every five minutes for ever, and to ask Kubernetes takes it more than everything else together: a
//! connection with TLS, and with trust a list of the app's backups that grows with them. What it asks about changes by a new
//! pod, by an event of Juju's, by a backup that was due, or by somebody's hand. The relations that ask for backups are kept beside
//! it: Juju tells of each change of theirs, and to ask is a hook tool for each tier, and one for each relation.
//!
//! So a steady event that found everything as it should be keeps what it saw in a file beside the charm's folder, for an hour
//! at most, a quarter of one where the charm may not look, and as far as it may, not beyond the time of the next backup. A new
//! pod has no such file. Every other event removes it and looks, and so does one to which what was kept leaves anything to do: nothing is ever changed, and nothing is ever said to be wrong, on
//! the strength of what was seen before. What somebody changes by hand is noticed within the hour.

use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::backup::{BackupFacts, Lookup, VolumeFacts};
use crate::contents::fewer::Fewer;
use crate::facts::{BackupRelations, Facts};
use crate::kubernetes::Claim;
use crate::media::claim::MountedClaim;
use crate::recovery::standing::{Asked, HealthLookup};
use crate::unit_file;

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "cluster-seen.json";

/// How long what was seen counts.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How long it counts that the charm may not look. Somebody who was told to give it trust waits for that to help, and Juju hands
/// the rights over beside the event that tells of them.
const REFUSAL_COUNTS_FOR: SignedDuration = SignedDuration::from_mins(15);

/// What was seen, when nothing was wrong with it.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
pub struct ClusterSeen {
    at: Timestamp,
    until: Timestamp,
    /// Whether the unit led.
    pub leader: bool,
    /// The relations that ask for backups. A new one, or the end of one, comes with an event that looks.
    pub backup_relations: BackupRelations,
    /// The config volume, and the pod with it.
    pub volume: VolumeFacts,
    /// How the app's backups stood.
    pub standing: HealthLookup,
    /// What the last good backup had much less of than others.
    pub fewer: Vec<Fewer>,
    media_claim: Option<(String, Claim)>,
}

impl ClusterSeen {
    /// What was `seen`, if it may be kept: all of it is known, and of what is `asked` for nothing was due since. Nor beyond the time at
    /// which a test restore may be tried.
    pub fn of(seen: &Facts, asked: &[Asked<'_>], test_restore: Option<Timestamp>) -> Option<Self> {
        let BackupFacts::Read(volume) = &seen.volume else {
            return None;
        };
        let media_claim = match &seen.media_claim {
            Some(MountedClaim { name, claim }) => Some((name.clone(), claim.clone().ok()?)),
            None => None,
        };
        let until = match volume.claim {
            Lookup::NotAllowed => seen.now + REFUSAL_COUNTS_FOR,
            Lookup::Known(_) | Lookup::Unknown(_) => seen.now + COUNTS_FOR,
        };
        let until = until.min(test_restore.unwrap_or(Timestamp::MAX));
        if until <= seen.now {
            return None;
        }
        Some(Self {
            at: seen.now,
            leader: seen.leader,
            backup_relations: seen.backup_relations.clone(),
            until: seen.standing.holds_until(asked, seen.now)?.min(until),
            volume: (**volume).clone(),
            standing: seen.standing.clone(),
            fewer: seen.fewer.clone(),
            media_claim,
        })
    }

    /// What the unit with this charm folder has kept, if it counts still.
    pub fn recall(charm_dir: &Path, now: Timestamp) -> Option<Self> {
        let kept = fs::read(path(charm_dir)).ok()?;
        let kept: Self = serde_json::from_slice(&kept).ok()?;
        // A clock that was put back tells nothing of how long ago it was.
        (kept.at <= now && now < kept.until).then_some(kept)
    }

    /// Keeps it. Without the file the next event looks, and that is all.
    pub fn keep(&self, charm_dir: &Path) {
        // What could not be seen has no form in which it could be kept.
        let kept = serde_json::to_vec(self).map_err(io::Error::other);
        if let Err(error) = kept.and_then(|kept| unit_file::write(&path(charm_dir), &kept)) {
            log::debug!("what was seen of the cluster cannot be kept: {error}");
        }
    }

    /// Forgets what was kept.
    pub fn forget(charm_dir: &Path) {
        if let Err(error) = unit_file::remove(&path(charm_dir)) {
            log::warn!("what was seen of the cluster cannot be removed: {error}");
        }
    }

    /// Whether the app's backups were looked at.
    pub fn has_standing(&self) -> bool {
        self.standing != HealthLookup::NotAsked
    }

    /// The claim of the media that the pod mounts.
    pub fn media_claim(&self) -> Option<MountedClaim> {
        let (name, claim) = self.media_claim.clone()?;
        Some(MountedClaim {
            name,
            claim: Ok(claim),
        })
    }
}

fn path(charm_dir: &Path) -> PathBuf {
    unit_file::path(charm_dir, FILE)
}
