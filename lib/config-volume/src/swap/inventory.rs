//! What a folder holds, in a line: enough to tell later, or of a copy, whether it is still the same.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::base::DROPPED;
use crate::{
    Error, Result, hash,
    tree::{RelPath, Root},
};

/// The content of a folder, without what does not go into a volume. Times are not part of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Inventory {
    /// Everything but folders; sockets and devices are not counted, since no copy has them.
    pub files: u64,
    /// Bytes of the files. One with several names counts as often.
    pub bytes: u64,
    /// BLAKE3 over all entries, in the order of their paths: path, kind, mode, owner, and what is in it.
    digest: String,
}

impl Inventory {
    /// Reads the whole folder.
    ///
    /// # Errors
    /// Something in it cannot be read.
    pub fn of(folder: &Path) -> Result<Self> {
        let mut taking = Taking {
            root: Root::open(folder)?,
            // A copy that somebody else than root makes belongs to that one.
            with_owners: rustix::process::geteuid().is_root(),
            digest: blake3::Hasher::new(),
            files: 0,
            bytes: 0,
        };
        taking.whole()?;
        Ok(Self {
            files: taking.files,
            bytes: taking.bytes,
            digest: taking.digest.finalize().to_hex().to_string(),
        })
    }
}

struct Taking {
    root: Root,
    with_owners: bool,
    digest: blake3::Hasher,
    files: u64,
    bytes: u64,
}

impl Taking {
    fn whole(&mut self) -> Result<()> {
        // The last one is next: the names of each folder are put on it backwards.
        let mut waiting = self.children(None)?;
        while let Some(path) = waiting.pop() {
            if self.entry(&path)? {
                waiting.extend(self.children(Some(&path))?);
            }
        }
        Ok(())
    }

    fn children(&self, folder: Option<&RelPath>) -> Result<Vec<RelPath>> {
        let shown = folder.map_or_else(|| self.root.path().to_owned(), |path| self.root.full(path));
        let mut names = self.root.names(folder).map_err(Error::io("read", shown))?;
        if folder.is_none() {
            names.retain(|name| DROPPED.iter().all(|drop| drop.as_bytes() != name));
        }
        Ok(names
            .iter()
            .rev()
            .map(|name| RelPath::child(folder, name))
            .collect())
    }

    /// Adds one entry, and says whether it is a folder.
    fn entry(&mut self, path: &RelPath) -> Result<bool> {
        use std::os::unix::fs::{FileTypeExt, MetadataExt};
        let failed = |action| Error::io(action, self.root.full(path));
        let Some(meta) = self.root.look(path).map_err(failed("look at"))? else {
            return Ok(false);
        };
        let kind = meta.file_type();
        let (letter, content) = if kind.is_dir() {
            (b'd', Vec::new())
        } else if kind.is_symlink() {
            (b'l', self.root.target(path).map_err(failed("read the link"))?)
        } else if kind.is_fifo() {
            (b'p', Vec::new())
        } else if kind.is_file() {
            let mut file = self.root.read(path).map_err(failed("read"))?;
            let (bytes, digest) = hash::blake3(&mut file, u64::MAX).map_err(failed("read"))?;
            self.bytes = self.bytes.saturating_add(bytes);
            (b'f', [&bytes.to_be_bytes(), digest.as_bytes()].concat())
        } else {
            return Ok(false);
        };
        let owner = match self.with_owners {
            true => (meta.uid(), meta.gid()),
            false => (0, 0),
        };
        // The mode of a link is the system's.
        let mode = if letter == b'l' { 0 } else { meta.mode() & 0o7777 };
        // Each part with its length: no two lists of entries give the same bytes.
        for part in [
            path.as_bytes(),
            &[letter],
            &mode.to_be_bytes(),
            &owner.0.to_be_bytes(),
            &owner.1.to_be_bytes(),
            &content,
        ] {
            self.digest.update(&(part.len() as u64).to_be_bytes());
            self.digest.update(part);
        }
        if letter != b'd' {
            self.files += 1;
        }
        Ok(letter == b'd')
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn anything_that_differs_makes_another_inventory() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/list"), "abc").unwrap();
        fs::write(at("sub.txt"), "").unwrap();
        symlink("sub/list", at("link")).unwrap();
        let taken = || Inventory::of(folder.path()).unwrap();
        let first = taken();
        assert_eq!((first.files, first.bytes), (3, 3));
        fs::create_dir(at(".velero")).unwrap();
        fs::create_dir(at("lost+found")).unwrap();
        assert_eq!(taken(), first);
        let mut seen = vec![first.clone()];
        let mut changed = |change: &dyn Fn(), back: &dyn Fn()| {
            change();
            let now = taken();
            assert!(!seen.contains(&now), "{now:?}");
            seen.push(now);
            back();
            assert_eq!(taken(), first);
        };
        changed(&|| fs::write(at("sub/list"), "abd").unwrap(), &|| {
            fs::write(at("sub/list"), "abc").unwrap();
        });
        changed(&|| fs::write(at("new"), "").unwrap(), &|| {
            fs::remove_file(at("new")).unwrap();
        });
        changed(&|| fs::create_dir(at("empty")).unwrap(), &|| {
            fs::remove_dir(at("empty")).unwrap();
        });
        changed(&|| fs::rename(at("sub/list"), at("list")).unwrap(), &|| {
            fs::rename(at("list"), at("sub/list")).unwrap()
        });
        let target = |to: &str| {
            fs::remove_file(at("link")).unwrap();
            symlink(to, at("link")).unwrap();
        };
        changed(&|| target("sub/lisT"), &|| target("sub/list"));
        let mode = |mode| fs::set_permissions(at("sub.txt"), fs::Permissions::from_mode(mode)).unwrap();
        let before = fs::metadata(at("sub.txt")).unwrap().permissions().mode() & 0o7777;
        changed(&|| mode(0o600), &|| mode(before));
    }
    /// A seal is read by a later version of this program: what it takes from a folder must stay the same.
    #[test]
    fn the_same_folder_has_the_same_inventory_in_every_version() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name, mode| fs::set_permissions(at(name), fs::Permissions::from_mode(mode)).unwrap();
        fs::create_dir(at("sub")).unwrap();
        fs::write(at("sub/list"), "abc").unwrap();
        symlink("sub/list", at("link")).unwrap();
        mode("sub/list", 0o4640);
        mode("sub", 0o750);
        let should = Inventory {
            files: 2,
            bytes: 3,
            digest: "0686171aa916a1c34123d14ecd1e734a039f4b39911ba26c375759c2f4c4ccd2".to_owned(),
        };
        assert_eq!(Inventory::of(folder.path()).unwrap(), should);
    }
}
