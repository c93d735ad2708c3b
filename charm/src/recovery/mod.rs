//! Getting the config volume back: the charm's side of `config-recovery`.
//!
//! [`Recovery`] is what the charm asks of it; [`KubeRecovery`] asks the cluster, tests ask a fake. [`health`] waits for the app
//! after a restore, [`standing`] is what the status says of the last good backup. What a dispatch does with it is in
//! [`crate::steps`] and [`crate::actions`].

mod examine;
pub mod health;
mod kube;
mod progress;
pub mod standing;
pub mod texts;

use std::path::{Path, PathBuf};
use std::time::Duration;

use config_recovery::backups::{AppId, BackupHealth, BackupSummary};
use config_recovery::engine::{App, CheckedBackup, RestorePlan, RestoreRequest, VerifyPlan};
use config_recovery::locations::Location;
use config_recovery::make::MakeSpec;
use config_recovery::report::Reporter;
use config_recovery::{ClusterError, Result};
use juju_charm::Juju;
use juju_charm::pebble::Pebble;

pub use examine::{Examiner, Found, NotYet, OfLater, foreseen, held, lost_with_database};
pub use kube::KubeRecovery;
pub use progress::Lines;

use self::health::Unwell;
use crate::backup::CHARM_CONTAINER;
use crate::env::Env;
use crate::names::pod_name;

/// What the charm asks of the recovery engine. All of it needs trust.
pub trait Recovery {
    /// The backups of one app, newest first.
    ///
    /// # Errors
    /// See [`config_recovery::backups::list`].
    fn list(&self, whose: &AppId) -> Result<Vec<BackupSummary>>;

    /// The last good backups of an app, and the Schedules by which they are made.
    ///
    /// # Errors
    /// See [`config_recovery::backups::standing`].
    fn standing(&self, whose: &AppId) -> Result<BackupHealth>;

    /// Where Velero stores backups.
    ///
    /// # Errors
    /// See [`config_recovery::locations::locations`].
    fn storage_locations(&self) -> Result<Vec<Location>>;

    /// Name of a backup that may be reading the app's config volume, or is about to.
    ///
    /// # Errors
    /// See [`config_recovery::backups::under_way`].
    fn under_way(&self, whose: &AppId) -> Result<Option<String>>;

    /// Makes a backup and waits for its end.
    ///
    /// # Errors
    /// See [`config_recovery::make::backup_now`].
    fn backup_now(&self, make: &MakeSpec, reporter: &dyn Reporter) -> Result<BackupSummary>;

    /// Plans a restore. Changes nothing.
    ///
    /// # Errors
    /// See [`config_recovery::engine::plan_restore`].
    fn plan_restore(
        &self,
        wanted: &RestoreRequest,
        volume: &Path,
        keep_old: bool,
        elsewhere: &Path,
    ) -> Result<RestorePlan>;

    /// Carries out a restore.
    ///
    /// # Errors
    /// See [`config_recovery::engine::restore`].
    fn restore(
        &self,
        plan: &RestorePlan,
        app: &mut dyn App,
        reporter: &dyn Reporter,
    ) -> Result<CheckedBackup>;

    /// Plans a test restore. Changes nothing.
    ///
    /// # Errors
    /// See [`config_recovery::engine::plan_verify`].
    fn plan_verify(&self, wanted: &RestoreRequest, folder: &Path) -> Result<VerifyPlan>;

    /// Carries out a test restore.
    ///
    /// # Errors
    /// See [`config_recovery::engine::verify`].
    fn verify(&self, plan: &VerifyPlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<CheckedBackup>;

    /// What a killed run of `holder` left in the cluster, by name. To be asked when none is under way.
    ///
    /// # Errors
    /// See [`config_recovery::scratch::left`].
    fn left(&self, whose: &AppId, holder: &str) -> Result<Vec<String>>;

    /// Removes one of it, without a wait for its end.
    ///
    /// # Errors
    /// See [`config_recovery::scratch::remove_left`].
    fn remove_left(&self, name: &str) -> Result<()>;

    /// Waits until the app passes Pebble's `check`. `ended` is asked in between, and says why it never will any more.
    ///
    /// # Errors
    /// What the check found last within `patience`, or what `ended` said.
    fn becomes_healthy(
        &self,
        pebble: &dyn Pebble,
        check: &str,
        patience: Duration,
        ended: &dyn Fn() -> Option<String>,
    ) -> std::result::Result<(), Unwell>;
}

/// This application.
pub fn own_id(juju: &Juju) -> AppId {
    let context = juju.context();
    AppId {
        app: context.app().to_owned(),
        model: context.model_name().to_owned(),
    }
}

/// A folder of the unit's own, outside of the config volume, for data on their way.
pub fn folder(juju: &Juju, name: &str) -> PathBuf {
    let charm_dir = juju.context().charm_dir();
    charm_dir.parent().unwrap_or(charm_dir).join(name)
}

/// Where a restore lays by what does not fit into the volume. One that goes on with another run looks there too.
pub fn elsewhere(juju: &Juju) -> PathBuf {
    folder(juju, "restore-from-backup")
}

/// The image that the charm itself runs from: it is in the node's store already, has a shell and tar whatever the app's image
/// has, and is public where the app's image may need credentials that a scratch namespace lacks.
///
/// # Errors
/// When the pod cannot be read.
pub fn image(env: Env<'_>) -> Result<String> {
    let name = pod_name(env.juju);
    let pod = env.cluster.pod(&name)?;
    pod.images.get(CHARM_CONTAINER).cloned().ok_or_else(|| {
        let reason = format!("it has no container {CHARM_CONTAINER}");
        ClusterError::refused(format!("read pod {name}"), reason).into()
    })
}

/// The file of this program, by a name that stays right while the charm is upgraded: in a scratch pod it sends what came back
/// ([`config_recovery::SEND`]).
pub fn program() -> PathBuf {
    PathBuf::from("/proc/self/exe")
}
