//! A `.tar.gz` that is the same for the same content.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};

/// A file or a link.
pub struct Entry {
    /// Below the archive's folder.
    pub path: String,
    what: What,
}

enum What {
    File { content: Vec<u8>, mode: u32 },
    Link { to: String },
}

impl Entry {
    /// A program.
    pub fn program(path: &str, content: Vec<u8>) -> Self {
        Self::file(path, content, 0o755)
    }

    /// A file to read.
    pub fn text(path: &str, content: Vec<u8>) -> Self {
        Self::file(path, content, 0o644)
    }

    fn file(path: &str, content: Vec<u8>, mode: u32) -> Self {
        Self {
            path: path.to_owned(),
            what: What::File { content, mode },
        }
    }

    /// A symbolic link.
    pub fn link(path: &str, to: &str) -> Self {
        Self {
            path: path.to_owned(),
            what: What::Link { to: to.to_owned() },
        }
    }

    /// What is in it; nothing for a link.
    #[cfg(test)]
    pub fn content(&self) -> &[u8] {
        match &self.what {
            What::File { content, .. } => content,
            What::Link { .. } => &[],
        }
    }
}

/// What goes in.
pub struct Archive {
    /// The one folder that it unpacks to, which gives the file its name.
    pub folder: String,
    /// The files.
    pub entries: Vec<Entry>,
    /// The time of all of them, in seconds since 1970.
    pub modified: u64,
}

impl Archive {
    /// Writes it into a folder, which is made. Says where.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
        let path = folder.join(format!("{}.tar.gz", self.folder));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        // The header of gzip has no name and no time unless they are asked for.
        let mut tar = Builder::new(GzEncoder::new(file, Compression::best()));
        for entry in &self.entries {
            self.append(&mut tar, entry)
                .with_context(|| format!("cannot pack {}", entry.path))?;
        }
        tar.into_inner()
            .and_then(GzEncoder::finish)
            .and_then(|file| file.sync_all())
            .with_context(|| format!("cannot write {}", path.display()))?;
        Ok(path)
    }

    fn append(&self, tar: &mut Builder<GzEncoder<File>>, entry: &Entry) -> std::io::Result<()> {
        let path = format!("{}/{}", self.folder, entry.path);
        let mut header = Header::new_gnu();
        header.set_mtime(self.modified);
        header.set_uid(0);
        header.set_gid(0);
        match &entry.what {
            What::File { content, mode } => {
                header.set_size(content.len() as u64);
                header.set_mode(*mode);
                tar.append_data(&mut header, path, content.as_slice())
            }
            What::Link { to } => {
                header.set_entry_type(EntryType::Symlink);
                header.set_size(0);
                header.set_mode(0o777);
                tar.append_link(&mut header, path, to)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_content_is_the_same_archive_and_tar_unpacks_it() {
        let archive = Archive {
            folder: "it".to_owned(),
            entries: vec![
                Entry::program("run", b"#!/bin/sh\necho it runs as ${0##*/}\n".to_vec()),
                Entry::link("alias-run", "run"),
                Entry::text("doc/page", b"words\n".to_vec()),
            ],
            modified: 1_700_000_000,
        };
        let folder = tempfile::tempdir().unwrap();
        let [one, other] = ["one", "other"].map(|name| archive.write(&folder.path().join(name)).unwrap());
        assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(other).unwrap());
        let unpacked = std::process::Command::new("tar")
            .args(["-xzf"])
            .arg(one)
            .current_dir(folder.path())
            .status();
        assert!(unpacked.unwrap().success());
        let it = folder.path().join("it");
        let ran = std::process::Command::new(it.join("alias-run")).output().unwrap();
        assert_eq!(ran.stdout, b"it runs as alias-run\n");
        assert_eq!(std::fs::read(it.join("doc/page")).unwrap(), b"words\n");
    }
}
