//! What tells a file from any other, and from its copy elsewhere: whether a folder of ours was made on this very volume.

use std::{fs::Metadata, os::unix::fs::MetadataExt};

use serde::{Deserialize, Serialize};

use crate::tree::born;

/// One file on one file system. No uploader can bring it back: neither the time of birth nor that of the last change of
/// the inode can be set by a program.
///
/// A device number is no part of it: it changes over a reboot, and with each mount of an NFS share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Inode number.
    inode: u64,
    /// When the file was made: seconds and nanoseconds since 1970, where the file system tells. NFS before version 4.2
    /// does not.
    born: Option<(u64, u32)>,
    /// When its inode was last changed, in the same form. Counts where there is no time of birth.
    changed: (i64, i64),
}

impl Identity {
    pub fn of(meta: &Metadata) -> Self {
        Self {
            inode: meta.ino(),
            born: born(meta),
            changed: (meta.ctime(), meta.ctime_nsec()),
        }
    }

    /// Whether both are one file.
    pub fn is(&self, other: &Self) -> bool {
        self.inode == other.inode
            && match (self.born, other.born) {
                (Some(own), Some(others)) => own == others,
                // A kernel that tells the time of birth may have come or gone in between.
                _ => self.changed == other.changed,
            }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(inode: u64, born: Option<(u64, u32)>, changed: (i64, i64)) -> Identity {
        Identity { inode, born, changed }
    }

    #[test]
    fn a_known_time_of_birth_decides_and_else_the_time_of_the_last_change() {
        let (birth, other) = (Some((100, 7)), Some((100, 8)));
        for (first, second, same) in [
            (file(1, birth, (200, 0)), file(1, birth, (200, 0)), true),
            // Owner or mode were changed.
            (file(1, birth, (200, 0)), file(1, birth, (300, 0)), true),
            // The inode number was given to another file.
            (file(1, birth, (200, 0)), file(1, other, (200, 0)), false),
            (file(1, birth, (200, 0)), file(2, birth, (200, 0)), false),
            // NFS.
            (file(1, None, (200, 0)), file(1, None, (200, 0)), true),
            (file(1, None, (200, 0)), file(1, None, (200, 1)), false),
            (file(1, None, (200, 0)), file(2, None, (200, 0)), false),
            (file(1, birth, (200, 0)), file(1, None, (200, 0)), true),
            (file(1, None, (200, 0)), file(1, birth, (300, 0)), false),
        ] {
            assert_eq!(first.is(&second), same, "{first:?} {second:?}");
            assert_eq!(second.is(&first), same, "{first:?} {second:?}");
        }
    }
}
