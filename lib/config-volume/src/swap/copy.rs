//! Copying a whole folder, with owners, modes, times and links.

use std::{
    collections::HashMap,
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use super::{
    build::{Attributes, Builder, Pourer},
    options::{SwapStep, SwapWatcher},
    room::WatchedRoom,
};
use crate::{
    Error, Result,
    tree::{RelPath, Root},
};

impl Attributes {
    pub(super) fn of(meta: &Metadata) -> Self {
        Self {
            mode: meta.mode(),
            owner: (meta.uid(), meta.gid()),
            modified: (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap_or(0)),
        }
    }
}

/// Copies what is in a folder into another, empty one. `skip` names entries of its root that stay out. Extended
/// attributes are not copied (kopia does not store them either), nor are sockets and devices. `reserve` bytes stay free.
///
/// # Errors
/// Something cannot be read or written, or there is no room for it.
pub(super) fn copy(
    from: &Path,
    to: &Path,
    skip: &[&[u8]],
    reserve: u64,
    watcher: &SwapWatcher,
) -> Result<()> {
    let root = Root::open(from)?;
    let mut room = WatchedRoom::new(to, reserve, 0)?;
    let mut builder = Builder::open(to)?;
    let mut pourer = Pourer::new();
    let mut known: HashMap<(u64, u64), RelPath> = HashMap::new();
    let mut bytes = 0u64;
    let mut folders = vec![None];
    while let Some(folder) = folders.pop() {
        let shown = folder
            .as_ref()
            .map_or_else(|| root.path().to_owned(), |path| root.full(path));
        for name in root.names(folder.as_ref()).map_err(Error::io("read", shown))? {
            if folder.is_none() && skip.contains(&name.as_slice()) {
                continue;
            }
            let path = RelPath::child(folder.as_ref(), &name);
            let Some(meta) = root.look(&path).map_err(Error::io("look at", root.full(&path)))? else {
                continue;
            };
            let attributes = Attributes::of(&meta);
            let shown = builder.full(&path);
            if meta.is_dir() {
                room.entry(0)?;
                builder
                    .folder(&path, attributes)
                    .map_err(Error::io("make", shown))?;
                folders.push(Some(path));
                continue;
            }
            // A file with one name need not be remembered.
            if meta.nlink() > 1 {
                if let Some(first) = known.get(&(meta.dev(), meta.ino())) {
                    builder
                        .hard_link(&path, first)
                        .map_err(Error::io("make", shown))?;
                    continue;
                }
                known.insert((meta.dev(), meta.ino()), path.clone());
            }
            let kind = meta.file_type();
            // Of a file with holes what it takes.
            let taken = meta.size().min(meta.blocks().saturating_mul(512));
            room.entry(if kind.is_file() { taken } else { 0 })?;
            if kind.is_symlink() {
                let target = root
                    .target(&path)
                    .map_err(Error::io("read the link", root.full(&path)))?;
                builder
                    .symlink(&path, &target, attributes)
                    .map_err(Error::io("make", shown))?;
            } else if kind.is_fifo() {
                builder
                    .fifo(&path, attributes)
                    .map_err(Error::io("make", shown))?;
            } else if kind.is_file() {
                let source = root.read(&path).map_err(Error::io("read", root.full(&path)))?;
                let mut file = builder.file(&path).map_err(Error::io("make", &shown))?;
                let holes = meta.blocks().saturating_mul(512) < meta.size();
                let told = |read| {
                    bytes += read;
                    room.wrote(read, 0)?;
                    watcher.at(SwapStep::Copied { bytes })
                };
                let errors = (
                    |error| Error::io("read", root.full(&path))(error),
                    |error| Error::io("write", &shown)(error),
                );
                pourer.pour(source, &mut file, holes, told, errors)?;
                builder
                    .dress(&file, attributes)
                    .map_err(Error::io("set owner and mode of", &shown))?;
            }
        }
    }
    builder.finish()
}

#[cfg(test)]
mod tests {
    use std::{
        fs::{self, File},
        io::Write,
        sync::{Arc, Mutex},
    };

    use super::*;

    #[test]
    fn holes_stay_holes_and_zeros_that_were_written_stay_written() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let make = |name: &str, bytes: &[u8], length: u64| {
            let mut file = File::create(from.path().join(name)).unwrap();
            file.write_all(bytes).unwrap();
            file.set_len(length).unwrap();
            // Some file systems say only then how many blocks it has.
            file.sync_all().unwrap();
        };
        make("holes", b"at its beginning", 1 << 20);
        make("zeros", &[0; 8192], 8192);
        let copied = Arc::new(Mutex::new(0));
        let seen = Arc::clone(&copied);
        let watcher = SwapWatcher::new(move |step| {
            if let SwapStep::Copied { bytes } = step {
                *seen.lock().unwrap() = bytes;
            }
            Ok(())
        });
        copy(from.path(), to.path(), &[], 0, &watcher).unwrap();
        assert_eq!(*copied.lock().unwrap(), (1 << 20) + 8192);
        let held = |name: &str| {
            let path = to.path().join(name);
            File::open(&path).unwrap().sync_all().unwrap();
            assert!(fs::read(&path).unwrap() == fs::read(from.path().join(name)).unwrap());
            fs::metadata(&path).unwrap().blocks() * 512
        };
        assert!(held("holes") < 64 << 10, "{}", held("holes"));
        assert!(held("zeros") >= 8192, "{}", held("zeros"));
    }

    #[test]
    fn a_file_of_two_names_is_one_in_the_copy_and_folders_are_made_whole() {
        let (from, to) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        for folder in ["a/inner", "b/inner"] {
            fs::create_dir_all(from.path().join(folder)).unwrap();
        }
        fs::write(from.path().join("a/inner/one"), "1").unwrap();
        fs::hard_link(from.path().join("a/inner/one"), from.path().join("b/inner/two")).unwrap();
        copy(from.path(), to.path(), &[], 0, &SwapWatcher::default()).unwrap();
        let inode = |name: &str| fs::metadata(to.path().join(name)).unwrap().ino();
        assert_eq!(inode("a/inner/one"), inode("b/inner/two"));
        assert_eq!(fs::read(to.path().join("b/inner/two")).unwrap(), b"1");
    }
}
