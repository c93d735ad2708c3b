//! The images that the bed itself runs, and how images get into containerd.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::node::containerd_socket;
use super::processes::run;
use crate::image::{self, Image, Layer};
use crate::parts::Parts;
use crate::veleros::{RestoreHelper, Velero};

/// A shell and its tools. Without a command it waits forever, so it is the pause image too.
pub const BUSYBOX: &str = "e2e.test/busybox:1";
/// Makes volumes.
pub const PROVISIONER: &str = "e2e.test/local-path-provisioner:1";

/// Puts the bed's own images into containerd.
pub async fn load_all(parts: &Parts, velero: &Velero, folder: &Path) -> Result<()> {
    let archive = bed_archive(parts, velero)?;
    import(&archive, folder).await
}

/// Puts the images of an archive into containerd, under the names that they have in it.
pub async fn import(archive: &Path, folder: &Path) -> Result<()> {
    let import = of_images(folder, &["import".as_ref(), archive.as_os_str()]).await;
    import.with_context(|| format!("cannot import {}", archive.display()))
}

/// Takes an image out of containerd, and waits until the kubelet could not use it any more either.
pub async fn remove(name: &str, folder: &Path) -> Result<()> {
    let remove = of_images(folder, &["remove".as_ref(), "--sync".as_ref(), name.as_ref()]).await;
    remove.with_context(|| format!("cannot remove image {name}"))
}

async fn of_images(folder: &Path, arguments: &[&OsStr]) -> Result<()> {
    let output = tokio::process::Command::new("ctr")
        .args([
            "--address",
            &containerd_socket(folder),
            "--namespace",
            "k8s.io",
            "images",
        ])
        .args(arguments)
        .output()
        .await
        .context("cannot start ctr (package containerd)")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// The archive of the bed's images, written once for each set of parts.
fn bed_archive(parts: &Parts, velero: &Velero) -> Result<PathBuf> {
    let archive = parts.program("images.tar");
    if archive.exists() {
        return Ok(archive);
    }
    let unfinished = parts.program("images.tar.unfinished");
    image::write(&bed_images(parts, velero)?, &unfinished)?;
    std::fs::rename(&unfinished, &archive).with_context(|| format!("cannot keep {}", archive.display()))?;
    Ok(archive)
}

fn bed_images(parts: &Parts, velero: &Velero) -> Result<Vec<Image>> {
    let shell = busybox()?;
    let image = |name: &str, layers: Vec<Layer>, entrypoint: &[&str]| Image {
        name: name.to_owned(),
        layers,
        entrypoint: entrypoint.iter().map(|&word| word.to_owned()).collect(),
        environment: vec!["PATH=/bin".to_owned(), "HOME=/root".to_owned()],
    };
    let part = |path: &str, name: &str| Layer::new().program(path, parts.program(name));
    let helper = || part("/velero-restore-helper", "velero-restore-helper");
    let mut server = vec![shell.clone(), part("/velero", "velero")];
    let mut helpers = Vec::new();
    match velero.restore_helper {
        RestoreHelper::InVelero => server.push(helper()),
        RestoreHelper::OwnImage(name) => helpers.push(image(
            &velero.tagged(name),
            vec![shell.clone(), helper()],
            &["/velero-restore-helper"],
        )),
    }
    let mut images = vec![
        image(BUSYBOX, vec![shell.clone()], &["/bin/sleep", "2147483647"]),
        image(
            PROVISIONER,
            vec![
                shell.clone(),
                part("/local-path-provisioner", "local-path-provisioner"),
            ],
            &["/local-path-provisioner"],
        ),
        image(&velero.image(), server, &["/velero"]),
        image(
            &velero.plugin_image(),
            vec![
                shell,
                part("/plugins/velero-plugin-for-aws", "velero-plugin-for-aws"),
            ],
            &["/bin/cp", "/plugins/velero-plugin-for-aws", "/target/"],
        ),
    ];
    images.extend(helpers);
    Ok(images)
}

/// busybox with its names, and the folders that programs take for granted.
pub fn busybox() -> Result<Layer> {
    let mut layer = Layer::new()
        .folder("/bin", 0o755)
        .folder("/etc", 0o755)
        .folder("/root", 0o700)
        .folder("/tmp", 0o1777)
        .folder("/var", 0o755)
        .text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\n")
        .text("/etc/group", "root:x:0:\n")
        .program("/bin/busybox", "/bin/busybox");
    for name in run("/bin/busybox", &["--list"])?
        .lines()
        .filter(|name| *name != "busybox")
    {
        layer = layer.link(&format!("/bin/{name}"), "busybox");
    }
    Ok(layer)
}

/// The shared libraries that `program` of this machine needs, by `ldd`: path as the program asks for it.
pub fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(program)
        .output()
        .context("cannot start ldd")?;
    Ok(libraries_in(&String::from_utf8_lossy(&output.stdout)))
}

fn libraries_in(listing: &str) -> Vec<PathBuf> {
    listing
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(PathBuf::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_what_ldd_prints() {
        let listing = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibQt5Xml.so.5 => /lib/x86_64-linux-gnu/libQt5Xml.so.5 (0x00007f0)\n\
                       \t/lib64/ld-linux-x86-64.so.2 (0x00007f9)\n";
        let found = libraries_in(listing);
        assert_eq!(
            found,
            [
                Path::new("/lib/x86_64-linux-gnu/libQt5Xml.so.5"),
                Path::new("/lib64/ld-linux-x86-64.so.2")
            ]
        );
    }
}
