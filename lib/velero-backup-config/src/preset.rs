//! The two specs that bring one volume of an application back.

use std::fmt;
use std::str::FromStr;

use crate::error::Error;
use crate::spec::BackupSpec;

/// The label that Juju puts on the pods and claims of an application.
const APP_LABEL: &str = "app.kubernetes.io/name";
/// The label that Juju puts on the claims of a charm's storage.
const STORAGE_LABEL: &str = "storage.juju.is/name";
/// The charm storage that holds an application's config.
const CONFIG_STORAGE: &str = "config";

/// How the bytes of a volume get into a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Velero's node agent copies the files of the pod's volume. The pod says which volume, by annotations.
    Filesystem,
    /// The storage driver takes a snapshot of the claim. Needs a VolumeSnapshotClass marked for Velero.
    Snapshot,
}

/// A word that names no [`Method`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not one of filesystem, snapshot")]
pub struct UnknownMethod(String);

impl Method {
    /// The word for it, `filesystem` or `snapshot`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filesystem => "filesystem",
            Self::Snapshot => "snapshot",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Method {
    type Err = UnknownMethod;

    fn from_str(text: &str) -> Result<Self, UnknownMethod> {
        match text {
            "filesystem" => Ok(Self::Filesystem),
            "snapshot" => Ok(Self::Snapshot),
            other => Err(UnknownMethod(other.to_owned())),
        }
    }
}

impl BackupSpec {
    /// [`BackupSpec::storage_volume`] of the storage `config`.
    ///
    /// # Errors
    /// As [`BackupSpec::storage_volume`].
    pub fn config_volume(app: &str, model: &str, method: Method) -> Result<Self, Error> {
        Self::storage_volume(app, model, CONFIG_STORAGE, method)
    }

    /// A spec that saves one volume of a Juju application on Kubernetes, and no other volume's data.
    ///
    /// `model` is the model's name, which is its namespace; `storage` is the storage's name in the charm's metadata. The lists of resources are what it takes to get the volume
    /// back, as found by restoring with Velero 1.15:
    /// * without `pods`, a file-system backup completes and holds no byte;
    /// * without `persistentvolumes`, a restore of it never ends.
    ///
    /// `serviceaccounts` is not among them, although the API server refuses a pod whose account is missing: a selector of
    /// labels takes the account of the application only together with those that Juju makes for its hooks and leaves
    /// behind (`juju-secret-consumer-*`, with the same `app.kubernetes.io/name`; seen on Juju 4.0: 87 in one backup). A
    /// restore by `velero restore create` needs the account first: `juju deploy` of the application makes it, and where
    /// there is no Juju `kubectl create serviceaccount APP` does. A PodVolumeRestore needs neither pod nor account.
    ///
    /// With [`Method::Filesystem`] the spec selects the pod, and which of its volumes is stored is said on the pod alone:
    /// [`crate::pod::annotations`]. Without them such a backup stores nothing or everything.
    ///
    /// A snapshot selects the claim itself, by application and storage. There must be a label for each, which claims made
    /// by `juju deploy --attach-storage` lack at first.
    ///
    /// # Errors
    /// When the model is not a DNS label, or the application or the storage is not a label value.
    pub fn storage_volume(app: &str, model: &str, storage: &str, method: Method) -> Result<Self, Error> {
        let spec = Self::new([model])?;
        match method {
            Method::Filesystem => spec
                .with_resources(["pods", "persistentvolumeclaims", "persistentvolumes"])?
                .with_labels([(APP_LABEL, app)]),
            Method::Snapshot => spec
                .with_resources(["persistentvolumeclaims", "persistentvolumes"])?
                .with_labels([(APP_LABEL, app), (STORAGE_LABEL, storage)]),
        }
    }
}
