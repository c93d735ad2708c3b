//! Copying a whole folder, with owners, modes, times and links.

use std::{
    collections::HashMap,
    fs::Metadata,
    os::unix::fs::{FileTypeExt, MetadataExt},
    path::Path,
};

use super::{
    build::{Attributes, Builder, pour},
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
            if meta.nlink() > 1 && !meta.is_dir() {
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
            if kind.is_dir() {
                builder
                    .folder(&path, attributes)
                    .map_err(Error::io("make", shown))?;
                folders.push(Some(path));
            } else if kind.is_symlink() {
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
                pour(source, &mut file, holes, told, errors)?;
                builder
                    .dress(&file, attributes)
                    .map_err(Error::io("set owner and mode of", &shown))?;
            }
        }
    }
    builder.finish()
}
