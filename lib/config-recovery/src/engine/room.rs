//! Whether there is room, and how much of it others need.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use config_volume::{FileSystem, OutsideLinks, Swap, SwapOptions, UnpackLimits};

use crate::{Error, Result};

/// Files that an app can still make in its volume while a backup is unpacked beside its content.
const INODES_FOR_THE_APP: u64 = 1024;
/// Hundredths of the node's disk that stay free. Below 15 % of the file system with the images, which mostly is the one of
/// everything else too, and below 10 % of the node's own, the kubelet evicts pods:
/// <https://kubernetes.io/docs/concepts/scheduling-eviction/node-pressure-eviction/#hard-eviction-thresholds>
const FREE_OF_NODE: u64 = 15;
/// Hundredths of the files that the node's disk can hold. It evicts below 5 % (`nodefs.inodesFree`, same place).
const FREE_INODES_OF_NODE: u64 = 10;

/// A file system that is to be filled, and who else needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Disk {
    /// The app's volume, a disk of its own.
    Volume,
    /// The node's own disk. Every pod on the node suffers when it is full.
    Node,
}

impl Disk {
    /// What the volume lies on. `agent` is a folder of the unit's agent, which is on the node's disk.
    pub(super) fn of(volume: &Path, agent: &Path) -> Result<Self> {
        Ok(match device(volume)? == device(agent)? {
            true => Self::Node,
            false => Self::Volume,
        })
    }

    /// Bytes that stay free on it.
    pub(super) fn reserve(self, folder: &Path) -> Result<u64> {
        Ok(match self {
            Self::Volume => SwapOptions::default().reserve,
            Self::Node => hundredths(file_system(folder)?.bytes, FREE_OF_NODE),
        })
    }

    /// How far `folder`, which is on it, may be filled while others write to it.
    pub(super) fn limits(self, folder: &Path) -> Result<UnpackLimits> {
        let reserve_inodes = match self {
            Self::Volume => INODES_FOR_THE_APP,
            Self::Node => hundredths(file_system(folder)?.inodes, FREE_INODES_OF_NODE),
        };
        Ok(UnpackLimits {
            // The content of one's own volume: an app may have made links to anywhere. None is followed.
            outside_links: OutsideLinks::Keep,
            reserve_bytes: self.reserve(folder)?,
            reserve_inodes,
            ..UnpackLimits::default()
        })
    }

    /// Whether `needed` bytes fit into `folder`, or where it will be, beside what stays free. `freed` are in the way now and
    /// will be gone by then.
    pub(super) fn has_room(self, folder: &Path, needed: u64, freed: u64) -> Result<()> {
        let there = existing(folder);
        let needed = needed.saturating_add(self.reserve(&there)?);
        let free = file_system(&there)?.free_bytes.saturating_add(freed);
        match needed <= free {
            true => Ok(()),
            false => Err(self.full(folder, needed, free)),
        }
    }

    /// What an error of the unpacking means, where it is about room.
    pub(super) fn told(self, folder: &Path, error: Error) -> Error {
        match error {
            Error::Volume {
                source: config_volume::Error::NoRoom { needed, free, .. },
                ..
            } => self.full(folder, needed, free),
            other => other,
        }
    }

    fn full(self, folder: &Path, needed: u64, free: u64) -> Error {
        let place = folder.display().to_string();
        match self {
            Self::Volume => Error::NoRoom { place, needed, free },
            Self::Node => Error::NodeFull {
                place,
                needed,
                free,
                reserve: FREE_OF_NODE,
            },
        }
    }
}

/// Where the new content of a volume waits until it is exchanged, and how often its bytes come to lie on that disk.
pub(super) struct Waiting<'a> {
    pub(super) volume: &'a Path,
    /// Outside the volume, on the node's disk.
    pub(super) elsewhere: &'a Path,
    /// Whether the previous content has to stay until the end.
    pub(super) keep_old: bool,
    /// Bytes of the new content, as far as they are known.
    pub(super) bytes: u64,
    /// Whether the claim beside the app is still to be filled. It is of the same storage class, so it lies where the volume
    /// lies, or may.
    pub(super) is_claim_empty: bool,
}

impl Waiting<'_> {
    /// In the volume (`None`), or outside of it where it has no room and the previous content may go first.
    pub(super) fn place(&self) -> Result<Option<PathBuf>> {
        let peek = Swap::peek(self.volume).map_err(super::volume("look at the exchange of the content"))?;
        let freed = Swap::reclaimable(self.volume).map_err(super::volume(
            "measure what an earlier restore left in the volume",
        ))?;
        let disk = Disk::of(self.volume, self.elsewhere)?;
        let bytes = self.bytes_on(disk);
        let Err(no_room) = disk.has_room(self.volume, bytes, freed) else {
            return Ok(None);
        };
        // There is nothing to keep where it is gone already.
        if self.keep_old && !peek.is_some_and(|peek| peek.old_is_gone) {
            return Err(no_room);
        }
        Disk::Node.has_room(self.elsewhere, bytes, 0)?;
        Ok(Some(self.elsewhere.to_owned()))
    }

    /// Bytes that come to lie on the volume's disk. The claim may lie on the node's, and nobody knows.
    fn bytes_on(&self, disk: Disk) -> u64 {
        match disk {
            Disk::Node if self.is_claim_empty => self.bytes.saturating_mul(2),
            _ => self.bytes,
        }
    }
}

fn hundredths(all: u64, part: u64) -> u64 {
    (all / 100).saturating_mul(part)
}

fn file_system(folder: &Path) -> Result<FileSystem> {
    FileSystem::of(folder).map_err(super::volume("look how much room there is"))
}

/// The device of a folder, or of the one that it will be in.
fn device(folder: &Path) -> Result<u64> {
    let there = existing(folder);
    let meta = std::fs::metadata(&there)
        .map_err(|error| Error::Transfer(format!("cannot look at {}: {error}", there.display())))?;
    Ok(meta.dev())
}

/// Fails unless the folder lies outside the volume, and the volume outside of it: the one is emptied while the other is kept.
pub(super) fn are_apart(volume: &Path, elsewhere: &Path) -> Result<()> {
    let real = |folder: &Path| -> Result<PathBuf> {
        let there = existing(folder);
        let rest = folder.strip_prefix(&there).unwrap_or(Path::new("")).to_owned();
        let there = there
            .canonicalize()
            .map_err(|error| Error::Transfer(format!("cannot look at {}: {error}", there.display())))?;
        Ok(there.join(rest))
    };
    let (one, other) = (real(volume)?, real(elsewhere)?);
    match one.starts_with(&other) || other.starts_with(&one) {
        true => Err(Error::NotApart {
            folder: elsewhere.display().to_string(),
            volume: volume.display().to_string(),
        }),
        false => Ok(()),
    }
}

fn existing(folder: &Path) -> PathBuf {
    let there = folder.ancestors().find(|folder| folder.is_dir());
    there.unwrap_or(Path::new("/")).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_in_the_volume_or_around_it_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("volume")).unwrap();
        std::os::unix::fs::symlink("volume", at("link")).unwrap();
        for (volume, elsewhere) in [
            ("volume", "volume"),
            ("volume", "volume/x"),
            ("volume", ""),
            ("volume", "link/x/y"),
        ] {
            assert!(are_apart(&at(volume), &at(elsewhere)).is_err(), "{elsewhere}");
        }
        are_apart(&at("volume"), &at("volume2")).unwrap();
        are_apart(&at("volume"), &at("not/yet")).unwrap();
    }

    #[test]
    fn a_node_keeps_more_than_a_volume() {
        let folder = tempfile::tempdir().unwrap();
        let later = folder.path().join("not/yet");
        assert_eq!(Disk::of(folder.path(), &later).unwrap(), Disk::Node);
        assert_eq!(Disk::of(folder.path(), Path::new("/proc")).unwrap(), Disk::Volume);
        let is = file_system(folder.path()).unwrap();
        let node = Disk::Node.limits(folder.path()).unwrap();
        assert_eq!(node.reserve_bytes, is.bytes / 100 * 15);
        assert_eq!(node.reserve_inodes, is.inodes / 100 * 10);
        let volume = Disk::Volume.limits(folder.path()).unwrap();
        assert_eq!((volume.reserve_bytes, volume.reserve_inodes), (32 << 20, 1024));
        Disk::Volume.has_room(&later, 1, 0).unwrap();
        let error = Disk::Node.has_room(&later, is.bytes, 0).unwrap_err();
        assert!(matches!(error, Error::NodeFull { reserve: 15, .. }), "{error}");
        assert!(error.to_string().contains("15 %"), "{error}");
        Disk::Volume.has_room(&later, is.bytes, is.bytes).unwrap();
        let error = Disk::Volume.has_room(&later, is.bytes, 0).unwrap_err();
        assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    }

    #[test]
    fn a_claim_that_is_still_to_be_filled_takes_as_much_of_the_node_again() {
        let waiting = |is_claim_empty: bool| Waiting {
            volume: Path::new("/volume"),
            elsewhere: Path::new("/elsewhere"),
            keep_old: true,
            bytes: 7,
            is_claim_empty,
        };
        assert_eq!(waiting(true).bytes_on(Disk::Node), 14);
        assert_eq!(waiting(false).bytes_on(Disk::Node), 7);
        assert_eq!(waiting(true).bytes_on(Disk::Volume), 7);
    }

    #[test]
    fn an_old_content_that_is_to_stay_needs_room_beside_it() {
        let (volume, node) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let lacking = |keep_old: bool| {
            let waiting = Waiting {
                volume: volume.path(),
                elsewhere: node.path(),
                keep_old,
                bytes: 1 << 60,
                is_claim_empty: false,
            };
            match waiting.place().unwrap_err() {
                Error::NoRoom { place, .. } | Error::NodeFull { place, .. } => place,
                other => panic!("{other}"),
            }
        };
        assert_eq!(lacking(true), volume.path().display().to_string());
        // It may go first: then the new content has to fit elsewhere.
        assert_eq!(lacking(false), node.path().display().to_string());
    }
}
