//! Who owns files, as far as the simulation says so.
//!
//! Files are never given to other users: as root that would lock a workload out that runs as root's guest somewhere
//! else, and without root it is impossible. What somebody asked for is remembered by file (device, number and time of
//! birth), outside of the container, and told again; it goes with the file when it is renamed, and with its end. Every
//! other file of whoever runs this Pebble belongs to root, as it would in a container.

use std::collections::BTreeMap;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::UNIX_EPOCH;

use super::users::Owner;

/// The record.
#[derive(Debug)]
pub(crate) struct Owners {
    file: PathBuf,
    known: Mutex<BTreeMap<String, (u32, u32)>>,
}

impl Owners {
    /// The record in a file; empty if there is none.
    pub fn open(file: PathBuf) -> Owners {
        let known = std::fs::read(&file)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok());
        Owners {
            file,
            known: Mutex::new(known.unwrap_or_default()),
        }
    }

    /// The owner of a file.
    pub fn of(&self, metadata: &Metadata) -> Owner {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((user, group)) = known.get(&key(metadata)) {
            return Owner {
                user: *user,
                group: *group,
            };
        }
        let as_root = |id: u32, own: u32| if id == own { 0 } else { id };
        Owner {
            user: as_root(metadata.uid(), rustix::process::geteuid().as_raw()),
            group: as_root(metadata.gid(), rustix::process::getegid().as_raw()),
        }
    }

    /// Remembers the owner of a path.
    pub fn set(&self, path: &Path, owner: Owner) -> std::io::Result<()> {
        let metadata = path.metadata()?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(key(&metadata), (owner.user, owner.group));
        std::fs::write(&self.file, serde_json::to_vec(&*known)?)
    }
}

fn key(metadata: &Metadata) -> String {
    // Numbers of files are used again; times of birth are not, where the file system knows them.
    let born = metadata
        .created()
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    format!(
        "{}:{}:{}",
        metadata.dev(),
        metadata.ino(),
        born.unwrap_or_default().as_nanos()
    )
}
