//! A place beside the app where a backup comes back: a namespace with one claim and one pod that does nothing.
//!
//! [`make`] makes it and tells Velero what to do, [`Scratch::bring_back`] waits for the bytes, [`Scratch::unpack_into`]
//! copies them into a folder, [`remove`] removes all of it. Each of them ensures what should be: one that was killed is
//! called again and goes on.

mod commands;
mod ensure;
mod files;
mod hand_over;
mod judge;
mod names;
mod objects;
mod place;
mod remove;
mod snapshot;
mod turn;

pub(crate) use commands::commands;
pub(crate) use names::ours;

pub use hand_over::{
    RestoredVolume, keep_volume, let_volume_free, reader_image, remove_restored, restored_volume,
};

use std::path::{Path, PathBuf};
use std::time::Duration;

use config_volume::{UnpackLimits, Unpacked};
use jiff::Timestamp;
use kube::api::ListParams;
use tokio::time::Instant;

use crate::api::Api;
use crate::backups::{AppId, BackupContents, BackupSummary};
use crate::cluster::Cluster;
use crate::exec::Container;
use crate::kinds::Namespace;
use crate::report::{Reporter, Silent};
use crate::transfer::{self, Source};
use crate::wait::Wait;
use crate::{Error, Result};

/// How long the end of a namespace may take.
const REMOVAL: Duration = Duration::from_secs(180);
/// How long a restore may take that has nothing to copy: images are pulled and volumes made in it.
const RESTORE: Duration = Duration::from_secs(900);
/// What the slowest storage that is of use copies in a second, in bytes.
const SLOWEST: u64 = 1 << 20;

/// What is restored, and how its place looks.
#[derive(Debug, Clone)]
pub struct ScratchSpec {
    /// Whose data they will be; the namespace's name follows from it and from `purpose`.
    pub target: AppId,
    /// The backup.
    pub backup: BackupSummary,
    /// What the run is for.
    pub purpose: Purpose,
    /// This run: a short text of `[a-z0-9]`. A namespace of an earlier run of the same holder is removed.
    pub run: String,
    /// Who runs it: "radarr/0". The namespace of another holder is left alone.
    pub holder: String,
    /// Image of the pod. It needs `sh`, `sleep` and `tar`; the app's own does.
    pub image: String,
    /// File of a static program that understands [`crate::SEND`]: with it the bytes of a large volume come from pod to pod. `None` for the way
    /// over the API server.
    pub program: Option<PathBuf>,
    /// The claim's class; `None` for the cluster's default.
    pub storage_class: Option<String>,
    /// Bytes that the claim asks for.
    pub size: u64,
}

/// What a run is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To check a backup.
    Verify,
    /// To bring one back.
    Restore,
}

/// The place, made.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// The namespace.
    pub namespace: String,
    /// The claim that the bytes come back into. A snapshot comes back with a claim of its own.
    claim: String,
    /// Namespace of Velero.
    pub velero_namespace: String,
    /// Name of the PodVolumeRestore or the Restore.
    pub restore: String,
    /// When [`Scratch::bring_back`] gives up: 15 minutes and what the bytes take at 1 MiB a second.
    pub patience: Duration,
    /// Bytes that the backup holds, where that is known.
    stored: Option<u64>,
    spec: ScratchSpec,
}

/// When Velero did its part, by the cluster's timestamps, which have whole seconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Worked {
    /// When it was asked to.
    pub ordered: Option<Timestamp>,
    /// When it began, where it tells.
    pub started: Option<Timestamp>,
    /// When it was done; of a snapshot, when it had made the claim that is filled from it.
    pub completed: Option<Timestamp>,
    /// Bytes that it says it wrote.
    pub bytes: Option<u64>,
}

impl Worked {
    /// From the order to the end.
    pub fn took(&self) -> Option<Duration> {
        let took = self.completed?.duration_since(self.ordered?);
        took.try_into().ok()
    }

    /// From the beginning to the end.
    fn copied(&self) -> Option<Duration> {
        let took = self.completed?.duration_since(self.started?);
        took.try_into().ok()
    }
}

/// How long the bytes may take to come back: 15 minutes and what they take at 1 MiB a second.
fn patience(spec: &ScratchSpec) -> Duration {
    RESTORE + Duration::from_secs(spec.backup.holds.bytes().unwrap_or(spec.size) / SLOWEST)
}

/// Name of the namespace for this app, model and purpose.
pub fn namespace(target: &AppId, purpose: Purpose) -> String {
    names::namespace(target, purpose)
}

/// Makes the place and tells Velero what to bring into it. What an earlier try of the same run made is gone on with;
/// what an earlier run left is removed first.
///
/// # Errors
/// [`Error::Held`] when another holder has the namespace, [`Error::Hopeless`] when the storage class is missing,
/// [`ClusterError::Quota`](crate::ClusterError::Quota), [`Error::NoVelero`], [`Error::NoSuchBackup`] when the backup is not there any more, [`Error::Unfit`] when
/// it holds nothing; otherwise why the API server refused.
pub async fn make(cluster: &Cluster, spec: &ScratchSpec, reporter: &dyn Reporter) -> Result<Scratch> {
    let patience = patience(spec);
    if spec.backup.holds == BackupContents::Nothing {
        return Err(Error::Unfit {
            backup: spec.backup.name.clone(),
            why: "it holds nothing of the config volume".to_owned(),
        });
    }
    ensure::backup_is_there(cluster, spec).await?;
    // A snapshot's claim comes back with the class that it had.
    if matches!(spec.backup.holds, BackupContents::Files(_)) {
        ensure::class_is_there(cluster, spec.storage_class.as_deref()).await?;
    }
    let namespace = names::namespace(&spec.target, spec.purpose);
    let wait = removal("the scratch namespace", reporter);
    ensure::namespace(cluster, spec, &namespace, wait).await?;
    if let BackupContents::Files(files) = &spec.backup.holds {
        let (pod, claim) = ensure::pod(cluster, spec, &namespace, patience.as_secs()).await?;
        files::order(cluster, spec, files, &namespace, &pod, &claim).await?;
    } else {
        ensure::account(cluster, spec, &namespace).await?;
        snapshot::order(cluster, spec, &namespace).await?;
    }
    Ok(Scratch {
        claim: names::CLAIM.to_owned(),
        velero_namespace: spec.backup.velero_namespace.clone(),
        restore: names::restore(&namespace, &spec.run),
        namespace,
        patience,
        stored: spec.backup.holds.bytes(),
        spec: spec.clone(),
    })
}

impl Scratch {
    /// Waits until the bytes are in the volume, and tells when Velero did its part.
    ///
    /// # Errors
    /// [`Error::Hopeless`] as soon as something stands in the way that waiting does not change, with what to do;
    /// [`Error::TimedOut`] after [`Scratch::patience`].
    pub async fn bring_back(&self, cluster: &Cluster, reporter: &dyn Reporter) -> Result<Worked> {
        let wait = Wait {
            what: "the restored volume",
            deadline: Instant::now() + self.patience,
            reporter,
        };
        match self.spec.backup.holds {
            BackupContents::Files(_) => files::arrive(self, cluster, wait).await,
            BackupContents::Snapshot { .. } | BackupContents::Nothing => {
                snapshot::arrive(self, cluster, wait).await
            }
        }
    }

    /// Copies the volume's content into `folder`, which is there and empty: names, owners, modes, times, links. The folder's
    /// file system keeps what `limits` reserve.
    ///
    /// # Errors
    /// [`Error::Transfer`] when the stream breaks off or `tar` fails in the pod, [`Error::Volume`] when the content cannot be
    /// written. What was unpacked before stays in `folder`.
    pub async fn unpack_into(
        &self,
        cluster: &Cluster,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        let source = Source {
            container: Container {
                namespace: &self.namespace,
                pod: names::READER,
                name: velero_api::RESTORE_WAIT_CONTAINER,
            },
            folder: objects::MOUNT,
        };
        let into = transfer::Target { folder, limits };
        let program = self.spec.program.as_deref();
        transfer::unpack(cluster, source, program, into, self.stored, reporter).await
    }

    /// Begins to remove the place and does not wait for its end, which takes some seconds: [`remove`] does.
    ///
    /// # Errors
    /// As [`remove`].
    pub async fn let_go(&self, cluster: &Cluster) -> Result<()> {
        remove::begin(cluster, &self.namespace).await
    }

    fn unfit(&self, why: &str) -> Error {
        Error::Unfit {
            backup: self.spec.backup.name.clone(),
            why: why.to_owned(),
        }
    }

    fn pod_name(&self) -> String {
        format!("pod {}/{}", self.namespace, names::READER)
    }
}

/// How far a removal is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Nothing of the place is there any more.
    Gone,
    /// Its pod, its claim and what Velero was told to do are not there any more. What is left is a namespace that is ending:
    /// Kubernetes does not look at it for five seconds, and where one of its API services is broken, for ever. A
    /// place that a snapshot came back into is gone.
    Empty,
}

/// Removes the place of `spec`, whichever run of its holder made it. Where there is none, nothing is done.
///
/// # Errors
/// [`Error::Held`] when it is somebody else's; otherwise why it cannot be removed.
pub async fn remove(cluster: &Cluster, spec: &ScratchSpec, until: Until) -> Result<()> {
    let wait = removal("the scratch namespace", &Silent);
    let name = names::namespace(&spec.target, spec.purpose);
    match (
        is_held(cluster, &spec.target, &spec.holder, &name).await?,
        until,
        &spec.backup.holds,
    ) {
        (true, Until::Empty, BackupContents::Files(_)) => remove::content(cluster, &name, wait).await,
        (true, ..) => remove::everything(cluster, &name, wait).await,
        // Somebody may have removed the namespace alone.
        (false, ..) => remove::outside(cluster, &name, wait).await,
    }
}

/// The places of an app that `holder` has made and nobody removes: what a run left that was killed, if none of the holder's is
/// under way. Their names are the namespaces'.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn left(cluster: &Cluster, target: &AppId, holder: &str) -> Result<Vec<String>> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let names = [Purpose::Verify, Purpose::Restore].map(|purpose| names::namespace(target, purpose));
    let ours = ListParams::default().labels(&ours());
    let found = cluster.ask("list scratch namespaces", api.list_metadata(&ours));
    let left = found.await?.into_iter().filter(|metadata| {
        let mark = names::Mark::of(metadata, target);
        mark.ours && mark.holder == holder && !mark.ends
    });
    let left = left.filter_map(|metadata| metadata.name);
    Ok(left.filter(|name| names.contains(name)).collect())
}

/// Removes one of what is [`left`], and does not wait for its end.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn remove_left(cluster: &Cluster, namespace: &str) -> Result<()> {
    // The namespace goes last: by it what is left is found again, if this is cut off.
    remove::contents_go(cluster, namespace).await?;
    remove::begin(cluster, namespace).await
}

/// Who works with a place: a holder, in one of its runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct By<'a> {
    /// As [`ScratchSpec::holder`].
    pub holder: &'a str,
    /// As [`ScratchSpec::run`].
    pub run: &'a str,
}

/// Whether the place is there, and its holder's.
async fn is_held(cluster: &Cluster, target: &AppId, holder: &str, name: &str) -> Result<bool> {
    is_place_of(cluster, target, name, |mark| mark.holder == holder).await
}

/// Whether the place is there, and of this run. A later run of the same holder has removed what this one made, and its volume may hold half
/// of another backup.
async fn is_of_run(cluster: &Cluster, target: &AppId, by: By<'_>, name: &str) -> Result<bool> {
    let is_its = |mark: &names::Mark| mark.holder == by.holder && mark.run == by.run;
    is_place_of(cluster, target, name, is_its).await
}

async fn is_place_of(
    cluster: &Cluster,
    target: &AppId,
    name: &str,
    is_its: impl Fn(&names::Mark) -> bool,
) -> Result<bool> {
    let api: Api<Namespace> = Api::all(cluster.client());
    let found = cluster.ask_opt(format!("look for namespace {name}"), api.get(name));
    let Some(found) = found.await? else {
        return Ok(false);
    };
    let mark = names::Mark::of(&found.metadata, target);
    if !mark.ours || !is_its(&mark) {
        return Err(Error::Held {
            namespace: name.to_owned(),
            holder: mark.holder,
            since: mark.since,
        });
    }
    Ok(true)
}

fn removal<'a>(what: &'a str, reporter: &'a dyn Reporter) -> Wait<'a> {
    Wait {
        what,
        deadline: Instant::now() + REMOVAL,
        reporter,
    }
}
