//! What Kubernetes says of the pod, its volumes and the app's backups.

use crate::backup::{self, BackupFacts};
use crate::cluster_seen::{Bearing, ClusterSeen};
use crate::contents::fewer::{self, Fewer};
use crate::contents::seen;
use crate::env::Env;
use crate::kubernetes::{ClusterError, Pod};
use crate::last_restore::LastRestore;
use crate::media;
use crate::media::claim::MountedClaim;
use crate::names::pod_name;
use crate::recovery::own_id;
use crate::recovery::standing::{self, HealthLookup};

/// What the cluster is asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Subjects {
    /// The pod's marks for backups.
    pub marks: bool,
    /// What lies behind its volume: how that gets into a backup.
    pub volume: bool,
    /// How the backups stand.
    pub standing: bool,
    /// What the pod mounts, or shows, by a relation that has to do with either.
    pub pod: bool,
    /// The claim of the media.
    pub media_claim: bool,
}

/// What it said.
pub(super) struct InCluster {
    pub is_recalled: bool,
    pub pod: Option<Result<Pod, ClusterError>>,
    pub volume: BackupFacts,
    pub standing: HealthLookup,
    pub media_claim: Option<MountedClaim>,
    pub left: Vec<String>,
    pub fewer: Vec<Fewer>,
}

/// What an earlier event saw, where that is `recalled`; else the cluster is asked, and what was seen before is forgotten first: who
/// looks may change something next, and be cut off. The content of the config volume was `restored` last at that time.
pub(super) fn look(
    env: Env<'_>,
    about: Subjects,
    recalled: Option<ClusterSeen>,
    restored: LastRestore,
) -> InCluster {
    let charm_dir = env.juju.context().charm_dir();
    if let Some(kept) = recalled {
        if Bearing::of(env.juju.context().event()) == Bearing::Behind {
            ClusterSeen::forget(charm_dir);
        }
        return InCluster {
            is_recalled: true,
            pod: Some(Ok(kept.volume.pod.clone())),
            media_claim: kept.media_claim().filter(|_| about.media_claim),
            volume: BackupFacts::Read(Box::new(kept.volume)),
            standing: kept.standing,
            fewer: kept.fewer,
            // What left something was seen by an event that kept nothing.
            left: Vec::new(),
        };
    }
    ClusterSeen::forget(charm_dir);
    asked(env, about, restored)
}

fn asked(env: Env<'_>, about: Subjects, restored: LastRestore) -> InCluster {
    let Env {
        juju,
        cluster,
        profile,
        ..
    } = env;
    let pod = (about.marks || about.volume || about.pod).then(|| cluster.pod(&pod_name(juju)));
    let volume = match (&profile.storage, &pod) {
        (Some(storage), Some(pod)) if about.volume => {
            backup::look(cluster, pod, &profile.name, &storage.location)
        }
        (Some(_), Some(pod)) if about.marks => BackupFacts::of_marks(pod),
        _ => BackupFacts::NotRead,
    };
    let standing = if about.standing {
        standing::look(env, &volume)
    } else {
        HealthLookup::NotAsked
    };
    let media_claim = match &pod {
        Some(Ok(pod)) if about.media_claim => media::claim::look(cluster, pod),
        _ => None,
    };
    // No run of this unit's is under way: Juju runs one thing after the other.
    let left = match &standing {
        HealthLookup::Read(_) | HealthLookup::Unknown => {
            let holder = juju.context().unit().to_string();
            env.recovery.left(&own_id(juju), &holder).unwrap_or_else(|error| {
                log::debug!("cannot look for what a killed restore left: {error}");
                Vec::new()
            })
        }
        HealthLookup::NotAsked | HealthLookup::NotAllowed => Vec::new(),
    };
    let last = match &standing {
        HealthLookup::Read(standing) => standing.last_good(),
        _ => None,
    };
    let fewer = last.and_then(|last| {
        // A new pod has it from Juju.
        let list = seen::read(juju).unwrap_or_else(|_| seen::on_disk(juju.context().charm_dir()));
        let contents = seen::made_between(&list, last.started?, last.time?)?;
        let essential = &profile.contents().essential;
        Some(fewer::fewer(&list, contents, essential, restored))
    });
    InCluster {
        left,
        fewer: fewer.unwrap_or_default(),
        is_recalled: false,
        pod,
        volume,
        standing,
        media_claim,
    }
}
