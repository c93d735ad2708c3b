//! Container images without an image builder: static programs and a few files, written as an OCI archive that containerd
//! imports (<https://github.com/opencontainers/image-spec/blob/main/image-layout.md>).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// An image to be.
#[derive(Debug, Clone, Default)]
pub struct Image {
    /// Full name, with registry and tag: `e2e.test/busybox:1`.
    pub name: String,
    /// What it holds. Equal layers of several images are stored once.
    pub layers: Vec<Layer>,
    /// Program and first arguments.
    pub entrypoint: Vec<String>,
    /// `KEY=VALUE`.
    pub environment: Vec<String>,
}

/// Files that go into an image together.
#[derive(Debug, Clone, Default)]
pub struct Layer(Vec<(String, Entry)>);

#[derive(Debug, Clone)]
enum Entry {
    Folder { mode: u32 },
    Link { target: String },
    Text { text: String, mode: u32 },
    Copy { from: PathBuf, mode: u32 },
}

impl Layer {
    /// An empty layer.
    pub fn new() -> Self {
        Self::default()
    }

    /// A folder with permissions `mode`.
    #[must_use]
    pub fn folder(mut self, path: &str, mode: u32) -> Self {
        self.0.push((path.to_owned(), Entry::Folder { mode }));
        self
    }

    /// A symbolic link.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.0.push((
            path.to_owned(),
            Entry::Link {
                target: target.to_owned(),
            },
        ));
        self
    }

    /// A file with this text, readable by all.
    #[must_use]
    pub fn text(mut self, path: &str, text: &str) -> Self {
        self.0.push((
            path.to_owned(),
            Entry::Text {
                text: text.to_owned(),
                mode: 0o644,
            },
        ));
        self
    }

    /// A script.
    #[must_use]
    pub fn script(mut self, path: &str, text: &str) -> Self {
        self.0.push((
            path.to_owned(),
            Entry::Text {
                text: text.to_owned(),
                mode: 0o755,
            },
        ));
        self
    }

    /// A copy of an executable of this machine.
    #[must_use]
    pub fn program(mut self, path: &str, from: impl Into<PathBuf>) -> Self {
        self.0.push((
            path.to_owned(),
            Entry::Copy {
                from: from.into(),
                mode: 0o755,
            },
        ));
        self
    }

    /// The layer as a tar stream. Equal files give equal bytes: times and owners are fixed.
    fn archive(&self) -> Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, entry) in &self.0 {
            let path = path.trim_start_matches('/');
            let mut header = tar::Header::new_gnu();
            header.set_uid(0);
            header.set_gid(0);
            header.set_mtime(0);
            header.set_size(0);
            let added = match entry {
                Entry::Folder { mode } => {
                    header.set_entry_type(tar::EntryType::Directory);
                    header.set_mode(*mode);
                    archive.append_data(&mut header, format!("{path}/"), std::io::empty())
                }
                Entry::Link { target } => {
                    header.set_entry_type(tar::EntryType::Symlink);
                    header.set_mode(0o777);
                    archive.append_link(&mut header, path, target)
                }
                Entry::Text { text, mode } => {
                    header.set_mode(*mode);
                    header.set_size(text.len() as u64);
                    archive.append_data(&mut header, path, text.as_bytes())
                }
                Entry::Copy { from, mode } => {
                    let file = File::open(from).with_context(|| format!("cannot read {}", from.display()))?;
                    header.set_mode(*mode);
                    header.set_size(file.metadata()?.len());
                    archive.append_data(&mut header, path, file)
                }
            };
            added.with_context(|| format!("cannot add {path} to an image"))?;
        }
        Ok(archive.into_inner()?)
    }
}

/// Writes `images` into one archive.
///
/// # Errors
/// When a file that an image holds cannot be read, or the archive cannot be written.
pub fn write(images: &[Image], to: &Path) -> Result<()> {
    let file = File::create(to).with_context(|| format!("cannot write {}", to.display()))?;
    let mut store = Store {
        archive: tar::Builder::new(file),
        stored: BTreeSet::new(),
    };
    let mut manifests = Vec::new();
    for image in images {
        let mut layers = Vec::new();
        let mut digests = Vec::new();
        for layer in &image.layers {
            let blob = store.blob(&layer.archive()?, "application/vnd.oci.image.layer.v1.tar")?;
            // Not compressed, so the digest of the blob is the digest of the content.
            digests.push(blob["digest"].clone());
            layers.push(blob);
        }
        let config = json!({
            "architecture": architecture(), "os": "linux",
            "config": {"Entrypoint": image.entrypoint, "Env": image.environment, "WorkingDir": "/"},
            "rootfs": {"type": "layers", "diff_ids": digests},
        });
        let config = store.blob(
            config.to_string().as_bytes(),
            "application/vnd.oci.image.config.v1+json",
        )?;
        let manifest = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": config, "layers": layers,
        });
        let mut manifest = store.blob(
            manifest.to_string().as_bytes(),
            "application/vnd.oci.image.manifest.v1+json",
        )?;
        // The name that containerd gives what it imports.
        manifest["annotations"] = json!({"io.containerd.image.name": image.name});
        manifests.push(manifest);
    }
    let index = json!({"schemaVersion": 2, "manifests": manifests});
    store.file("index.json", index.to_string().as_bytes())?;
    store.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    store
        .archive
        .finish()
        .with_context(|| format!("cannot finish {}", to.display()))
}

/// SHA-256 of what `reader` gives, in hex.
///
/// # Errors
/// When it cannot be read.
pub fn sha256(mut reader: impl Read) -> Result<String> {
    let mut digest = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match reader.read(&mut buffer)? {
            0 => break,
            read => digest.update(&buffer[..read]),
        }
    }
    Ok(digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect())
}

/// The archive that is being written, and the digests in it.
struct Store {
    archive: tar::Builder<File>,
    stored: BTreeSet<String>,
}

impl Store {
    /// Stores `content` by its digest and describes it.
    fn blob(&mut self, content: &[u8], media_type: &str) -> Result<Value> {
        let digest = sha256(content)?;
        if self.stored.insert(digest.clone()) {
            self.file(&format!("blobs/sha256/{digest}"), content)?;
        }
        Ok(json!({"mediaType": media_type, "digest": format!("sha256:{digest}"), "size": content.len()}))
    }

    fn file(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        self.archive
            .append_data(&mut header, path, content)
            .with_context(|| format!("cannot store {path}"))
    }
}

fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(archive: &Path) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(File::open(archive).unwrap());
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                (entry.path().unwrap().display().to_string(), bytes)
            })
            .collect()
    }

    #[test]
    fn equal_layers_are_stored_once_and_everything_is_found_by_its_digest() {
        let folder = std::env::temp_dir().join(format!("e2e-image-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("images.tar");
        let layer = Layer::new()
            .folder("/tmp", 0o1777)
            .text("/etc/motd", "hello\n")
            .link("/bin/sh", "busybox");
        let image = |name: &str| Image {
            name: name.to_owned(),
            layers: vec![layer.clone()],
            ..Image::default()
        };
        write(&[image("e2e.test/a:1"), image("e2e.test/b:1")], &path).unwrap();
        let files = content(&path);
        std::fs::remove_dir_all(&folder).unwrap();

        for (name, bytes) in &files {
            if let Some(digest) = name.strip_prefix("blobs/sha256/") {
                assert_eq!(&sha256(bytes.as_slice()).unwrap(), digest);
            }
        }
        // One layer, one config and one manifest: the images differ only by name, which is in the index.
        assert_eq!(
            files
                .iter()
                .filter(|(name, _)| name.starts_with("blobs/"))
                .count(),
            3
        );
        let (_, index) = files.iter().find(|(name, _)| name == "index.json").unwrap();
        let index: Value = serde_json::from_slice(index).unwrap();
        assert_eq!(
            index["manifests"][1]["annotations"]["io.containerd.image.name"],
            "e2e.test/b:1"
        );
        assert_eq!(index["manifests"][0]["digest"], index["manifests"][1]["digest"]);
    }

    #[test]
    fn the_digest_is_sha_256() {
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc".as_slice()).unwrap(), abc);
    }

    #[test]
    fn a_file_that_is_missing_is_named() {
        let layer = Layer::new().program("/bin/none", "/nowhere/none");
        assert!(layer.archive().unwrap_err().to_string().contains("/nowhere/none"));
    }
}
