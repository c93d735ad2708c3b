//! What was seen of the cluster, so that an event that comes again and again need not ask for it each time.
//!
//! update-status comes every five minutes for ever, and to ask Kubernetes takes it more than everything else together: a
//! connection with TLS, and with trust a list of the app's backups that grows with them. What it asks about changes by a new
//! pod, by an event of Juju's, by a backup that was due, or by somebody's hand. The relations that ask for backups are kept beside
//! it: Juju tells of each change of theirs, and to ask is a hook tool for each tier, and one for each relation.
//!
//! So an event that found everything as it should be keeps what it saw in a file beside the charm's folder, for an hour
//! at most, a quarter of one where the charm may not look, and as far as it may, neither beyond the time of the next backup nor
//! beyond the time that velero-operator may take for what it was asked. A new pod has no such file. [`Bearing`] says of every event
//! whether what was seen before it counts, and for how long what it sees. An event for which it does not count removes the file and
//! looks, and so does one to which what was kept leaves anything to do: nothing is ever changed on the strength of what was seen before. What is
//! warned of beside a status that is active is told again until the next look. What changes without an event of Juju's is noticed by the first event after an hour at most.

use std::path::{Path, PathBuf};
use std::{fs, io};

use jiff::{SignedDuration, Timestamp};
use juju_charm::Event;
use serde::{Deserialize, Serialize};

use crate::backup::{BackupFacts, Lookup, VolumeFacts};
use crate::contents::fewer::Fewer;
use crate::endpoints::{Endpoint, GRAFANA_DASHBOARD, INGRESS, LOGGING, METRICS_ENDPOINT, PEERS};
use crate::facts::{BackupRelations, Facts};
use crate::kubernetes::Claim;
use crate::media::claim::MountedClaim;
use crate::recovery::standing::{Asked, HealthLookup};
use crate::tiers;
use crate::unit_file;

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "cluster-seen.json";

/// How long what was seen counts.
const COUNTS_FOR: SignedDuration = SignedDuration::from_hours(1);
/// How long it counts that the charm may not look, and what was seen while its rights may have been changing: Juju hands rights over, and
/// takes them, beside the event that tells of them. Somebody who was told to give it trust waits for that to help.
const COUNTS_IN_DOUBT_FOR: SignedDuration = SignedDuration::from_mins(15);

/// Nothing of the cluster that is kept goes by their relations.
const APART: [Endpoint; 5] = [PEERS, INGRESS, METRICS_ENDPOINT, GRAFANA_DASHBOARD, LOGGING];

/// What an event has to do with what is seen of the cluster: the one table that says which event looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bearing {
    /// Nothing: what was seen before counts, and so does what it sees itself.
    None,
    /// What was seen before counts, and somebody may take it away behind this event: the next one looks.
    Behind,
    /// The charm's rights may change beside it: it looks. What it is refused does not count, the rest for a while.
    OnRights,
    /// Something of it may change with this event, before or behind it: it looks, and so does the next one.
    OnAll,
}

impl Bearing {
    /// That of this event.
    pub fn of(event: &Event) -> Self {
        match event {
            // They come again and again.
            Event::UpdateStatus
            | Event::SecretChanged(_)
            | Event::PebbleCheckFailed(_)
            | Event::PebbleCheckRecovered(_)
            | Event::PebbleCustomNotice(_) => Self::None,
            Event::ConfigChanged => Self::OnRights,
            Event::RelationCreated(relation)
            | Event::RelationJoined(relation)
            | Event::RelationChanged(relation)
            | Event::RelationDeparted(relation)
            | Event::RelationBroken(relation) => Self::of_relation(event, &relation.endpoint),
            _ => Self::OnAll,
        }
    }

    /// velero-operator says nothing over its relations. It acts on what the charm asks for when one begins, and takes away what it
    /// made when one ends. What the pods mount goes by two other relations, and nothing of the cluster by the rest.
    fn of_relation(event: &Event, endpoint: &str) -> Self {
        let is_of_tier = tiers::of_endpoint(endpoint).is_some();
        match event {
            _ if APART.iter().any(|apart| apart.name == endpoint) => Self::None,
            Event::RelationJoined(_) | Event::RelationChanged(_) if is_of_tier => Self::None,
            Event::RelationDeparted(_) if is_of_tier => Self::Behind,
            _ => Self::OnAll,
        }
    }

    /// Whether what was seen before counts.
    pub fn recalls(self) -> bool {
        matches!(self, Self::None | Self::Behind)
    }

    /// How long counts what such an event sees, if it does.
    fn counts_for(self, seen: &VolumeFacts) -> Option<SignedDuration> {
        match (self, &seen.claim) {
            (Self::None, Lookup::NotAllowed) => Some(COUNTS_IN_DOUBT_FOR),
            (Self::None, Lookup::Known(_) | Lookup::Unknown(_)) => Some(COUNTS_FOR),
            (Self::OnRights, Lookup::Known(_)) => Some(COUNTS_IN_DOUBT_FOR),
            (Self::OnRights | Self::Behind | Self::OnAll, _) => None,
        }
    }
}

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
    /// What was `seen` in an event of this `bearing`, if it may be kept: all of it is known, and of what is `asked` for nothing is due.
    /// It counts neither beyond the time that velero-operator may take for what it was `asked_at` last, nor beyond that at which a `test_restore`
    /// may be tried.
    pub fn of(
        bearing: Bearing,
        seen: &Facts,
        asked: &[Asked<'_>],
        asked_at: Option<Timestamp>,
        test_restore: Option<Timestamp>,
    ) -> Option<Self> {
        let BackupFacts::Read(volume) = &seen.volume else {
            return None;
        };
        let media_claim = match &seen.media_claim {
            Some(MountedClaim { name, claim }) => Some((name.clone(), claim.clone().ok()?)),
            None => None,
        };
        let until = seen.now + bearing.counts_for(volume)?;
        let until = until.min(test_restore.unwrap_or(Timestamp::MAX));
        if until <= seen.now {
            return None;
        }
        Some(Self {
            at: seen.now,
            leader: seen.leader,
            backup_relations: seen.backup_relations.clone(),
            until: seen.standing.holds_until(asked, asked_at, seen.now)?.min(until),
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
        // A clock that was put back tells nothing of how long ago it was, and nothing counts for longer than what is written here.
        let is_of_now = kept.at <= now && now < kept.until;
        (is_of_now && kept.until.duration_since(kept.at) <= COUNTS_FOR).then_some(kept)
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
