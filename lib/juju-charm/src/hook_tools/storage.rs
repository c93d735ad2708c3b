//! `storage-list`, `storage-get`, `storage-add`.

use std::path::PathBuf;

use serde_json::Value;

use super::invocation::Invocation;
use crate::error::Error;
use crate::names::StorageId;
use crate::runner::ToolRunner;

/// A storage instance of this unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageInfo {
    /// `filesystem` or `block`.
    pub kind: String,
    /// Where it is mounted in the charm container: `/var/lib/juju/storage/config/0` in Juju 3.6,
    /// `/var/lib/juju/storage/config-0` in Juju 4.0.
    pub location: PathBuf,
}

/// The instances of one storage. Juju prints `[]` or `null` for none, also for a storage that the charm does not have.
///
/// # Errors
/// When the tool fails.
pub fn storage_list(runner: &dyn ToolRunner, name: &str) -> Result<Vec<StorageId>, Error> {
    Invocation::new(runner, "storage-list")
        .arg("--format=json")
        .arg(name)
        .json_list("a storage id")
}

/// Kind and location of a storage instance.
///
/// # Errors
/// [`BadArguments`](crate::ErrorKind::BadArguments): unknown, or listed but not mounted yet, which Juju 4.0 says with
/// `mount point for storage attachment … missing` in hooks before `storage-attached`.
pub fn storage_get(runner: &dyn ToolRunner, id: &StorageId) -> Result<StorageInfo, Error> {
    let storage = Invocation::new(runner, "storage-get")
        .arg("--format=json")
        .arg("-s")
        .arg(id.to_string())
        .json()?;
    let text = |key: &str| storage.get(key).and_then(Value::as_str).unwrap_or_default();
    Ok(StorageInfo {
        kind: text("kind").to_owned(),
        location: text("location").into(),
    })
}

/// Asks for `count` more instances of a storage. Juju 4.0 takes any name and any count, and says nothing.
///
/// # Errors
/// When the tool fails.
pub fn storage_add(runner: &dyn ToolRunner, name: &str, count: u32) -> Result<(), Error> {
    Invocation::new(runner, "storage-add")
        .arg(format!("{name}={count}"))
        .run()
}
