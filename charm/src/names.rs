//! Names that several steps of a dispatch and the packing have to agree on.

use juju_charm::{Juju, UnitName};
use velero_backup_config::names::{SUBDOMAIN_LENGTH, check_dns_label};

use crate::profile::AppProfile;

/// Name of the app file inside a packed charm.
pub const APP_FILE: &str = "app.yaml";

/// The action that sends a notification to see that it arrives.
pub const TEST_NOTIFICATION: &str = "test-notification";
/// The action that lists backups.
pub const LIST_BACKUPS: &str = "list-backups";
/// The action that makes a backup.
pub const BACKUP_NOW: &str = "backup-now";
/// The action that restores a backup beside the app, checks it and removes it again.
pub const VERIFY_BACKUP: &str = "verify-backup";
/// The action that restores a backup.
pub const RESTORE_FROM_BACKUP: &str = "restore-from-backup";

/// The action that lets an app start on a volume that lost its content.
pub const START_EMPTY: &str = "start-empty";

/// The command that restores the backup with this uid on a unit.
pub fn restore_command(unit: &UnitName, uid: &str) -> String {
    format!("juju run {unit} {RESTORE_FROM_BACKUP} backup-uid={uid}")
}

/// Behind a `juju refresh`: of a charm that was deployed from a file Juju takes no other one without its path (`cmd/juju/application/refresh.go`), and
/// `--switch`, which it names as well, may bring somebody else's charm of the name.
pub const OF_A_FILE: &str = "(charm from a file: --path FILE)";

/// The name of a unit's pod: that of the unit, with a dash.
pub fn pod_name_of(app: &str, unit: u64) -> String {
    format!("{app}-{unit}")
}

/// The pod of this unit.
pub fn pod_name(juju: &Juju) -> String {
    let context = juju.context();
    pod_name_of(context.app(), context.unit().number())
}

/// Whether it is a name as DNS has it, which is what Kubernetes calls most objects by: labels of lower-case letters, digits and
/// inner hyphens.
pub fn is_dns_name(name: &str) -> bool {
    name.len() <= SUBDOMAIN_LENGTH && name.split('.').all(|label| check_dns_label(label).is_ok())
}

/// Name of the app's health check.
pub fn check_name(profile: &AppProfile) -> String {
    format!("{}-ready", profile.name)
}

/// The resource that is the app's image, as in `juju refresh --resource`.
pub fn image_resource(profile: &AppProfile) -> String {
    format!("{}-image", profile.name)
}
