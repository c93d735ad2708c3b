//! `BackupStorageLocation` (`pkg/apis/velero/v1/backupstoragelocation_types.go`), as far as a client needs it.

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::phase::BackupStorageLocationPhase;
use crate::{Kind, Object};

/// Where backups are stored. Credentials are not modelled: a client has no business with them.
pub type BackupStorageLocation = Object<BackupStorageLocationSpec, BackupStorageLocationStatus>;

impl Kind for BackupStorageLocationSpec {
    const KIND: &'static str = "BackupStorageLocation";
    const PLURAL: &'static str = "backupstoragelocations";
}

/// The storage.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStorageLocationSpec {
    /// The object store plugin, for example `aws`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub provider: String,
    /// The bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object_storage: Option<ObjectStorageLocation>,
    /// Whether backups without a storage location go here.
    #[serde(default, deserialize_with = "null_as_default")]
    pub default: bool,
}

/// A bucket and a folder in it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ObjectStorageLocation {
    /// The bucket's name.
    #[serde(default, deserialize_with = "null_as_default")]
    pub bucket: String,
    /// The folder in the bucket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

/// Whether the storage can be reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupStorageLocationStatus {
    /// Whether it can be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<BackupStorageLocationPhase>,
    /// When the list of backups was last read from it: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_synced_time: Option<String>,
    /// When it was last tried: RFC 3339.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_validation_time: Option<String>,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
