//! `BackupRepository` (`pkg/apis/velero/v1/backup_repository_types.go`), as far as a client needs it.

use serde::{Deserialize, Serialize};

use crate::lenient::null_as_default;
use crate::{Kind, Object};

/// Where the files of one namespace's volumes are kept in a storage location.
pub type BackupRepository = Object<BackupRepositorySpec, BackupRepositoryStatus>;

impl Kind for BackupRepositorySpec {
    const KIND: &'static str = "BackupRepository";
    const PLURAL: &'static str = "backuprepositories";
}

/// Which one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRepositorySpec {
    /// The namespace whose volumes it holds.
    #[serde(default, deserialize_with = "null_as_default")]
    pub volume_namespace: String,
    /// Name of the backup storage location.
    #[serde(default, deserialize_with = "null_as_default")]
    pub backup_storage_location: String,
    /// `kopia` or `restic`.
    #[serde(default, deserialize_with = "null_as_default")]
    pub repository_type: String,
}

/// Whether it can be used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackupRepositoryStatus {
    /// `New`, `Ready` or `NotReady`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}
