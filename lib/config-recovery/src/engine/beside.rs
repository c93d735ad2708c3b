//! What the engine needs of the place beside the app, and the one that is in the cluster.
//!
//! Everything else of a restore is files. So with another place, a folder say, the whole engine runs without a cluster: that
//! is how it is tested with a kill at every step.

use std::path::Path;
use std::time::Duration;

use config_volume::{SwapWatcher, UnpackLimits, Unpacked};

use crate::backups::{self, Proof};
use crate::cluster::Cluster;
use crate::report::Reporter;
use crate::scratch::{self, Scratch, ScratchSpec, Until};
use crate::{Error, Result};

/// The place where a backup's bytes are restored beside the app, for one run. Each call ensures what should be: after a kill
/// it is made anew, and called again.
#[doc(hidden)]
#[allow(
    async_fn_in_trait,
    reason = "the engine is one task on one thread: nothing has to be sent to another"
)]
pub trait Beside {
    /// Makes the place and orders the bytes.
    async fn make(&mut self, reporter: &dyn Reporter) -> Result<()>;

    /// Waits until the bytes are there; answers how long that took by the clock of whoever brought them, where it tells.
    async fn restore_bytes(&mut self, reporter: &dyn Reporter) -> Result<Option<Duration>>;

    /// Copies the bytes into `folder`, which is there and empty.
    async fn unpack_into(
        &mut self,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked>;

    /// Begins to remove the place, and does not wait for its end.
    async fn let_go(&mut self) -> Result<()>;

    /// Removes the place, whichever run made it.
    async fn remove(&mut self, until: Until) -> Result<()>;

    /// Name of a backup, of any app, that is being made now.
    async fn running_backup(&mut self) -> Result<Option<String>>;

    /// Writes down what was proven of the backup, where everybody sees it who lists backups.
    async fn prove(&mut self, proof: &Proof) -> Result<()>;

    /// Is told of each step of the exchange in the volume.
    fn watcher(&self) -> SwapWatcher {
        SwapWatcher::default()
    }
}

/// A place in the cluster, filled by Velero.
pub(super) struct InCluster<'a> {
    cluster: &'a Cluster,
    spec: &'a ScratchSpec,
    made: Option<Scratch>,
}

impl<'a> InCluster<'a> {
    pub(super) fn new(cluster: &'a Cluster, spec: &'a ScratchSpec) -> Self {
        Self {
            cluster,
            spec,
            made: None,
        }
    }

    fn made(&self) -> Result<&Scratch> {
        self.made
            .as_ref()
            .ok_or_else(|| Error::Transfer("there is no scratch pod".to_owned()))
    }
}

impl Beside for InCluster<'_> {
    async fn make(&mut self, reporter: &dyn Reporter) -> Result<()> {
        self.made = Some(scratch::make(self.cluster, self.spec, reporter).await?);
        Ok(())
    }

    async fn restore_bytes(&mut self, reporter: &dyn Reporter) -> Result<Option<Duration>> {
        let worked = self.made()?.bring_back(self.cluster, reporter).await?;
        Ok(worked.took())
    }

    async fn unpack_into(
        &mut self,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        self.made()?
            .unpack_into(self.cluster, folder, limits, reporter)
            .await
    }

    async fn let_go(&mut self) -> Result<()> {
        self.made()?.let_go(self.cluster).await
    }

    async fn remove(&mut self, until: Until) -> Result<()> {
        scratch::remove(self.cluster, self.spec, until).await
    }

    async fn running_backup(&mut self) -> Result<Option<String>> {
        backups::running(self.cluster).await
    }

    async fn prove(&mut self, proof: &Proof) -> Result<()> {
        proof.write(self.cluster, &self.spec.backup).await
    }
}
