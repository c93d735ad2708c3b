//! What the tests of this crate and of those above it share: a backup and a restore as kopia and Velero make them, on
//! folders, and file systems and files that are hard to come by.

use std::ffi::CString;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};

use crate::{IGNORE_FILE, Pattern, VELERO_MARKER};

/// What kopia leaves out of a volume: the lines of the ignore file in its root.
///
/// # Errors
/// When a line is none of kopia's.
pub fn ignore_rules(volume: &Path) -> io::Result<Vec<Pattern>> {
    let text = fs::read(volume.join(IGNORE_FILE)).unwrap_or_default();
    text.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty() && !line.starts_with(b"#"))
        .map(|line| Pattern::parse(line, b"").map_err(io::Error::other))
        .collect()
}

/// Copies a folder file by file, as an uploader and a restore do together: owners, modes, links and times come back, what
/// `rules` leave out does not, nor do files that are not `wanted`. A file that goes away meanwhile is left out.
///
/// # Errors
/// When something cannot be copied.
pub fn copy_folder(
    from: &Path,
    to: &Path,
    rules: &[Pattern],
    wanted: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    copy_in(from, to, "", rules, wanted)
}

fn copy_in(
    from: &Path,
    to: &Path,
    path: &str,
    rules: &[Pattern],
    wanted: &dyn Fn(&Path) -> bool,
) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        // A journal comes and goes while a writer is at work.
        let Ok(meta) = entry.metadata() else { continue };
        let path = format!("{path}/{}", entry.file_name().to_string_lossy());
        let text: Vec<char> = path.chars().collect();
        let is_left_out = |out, rule: &Pattern| rule.leaves_out(out, &text, meta.is_dir());
        if rules.iter().fold(false, is_left_out) || !(meta.is_dir() || wanted(&entry.path())) {
            continue;
        }
        let target = to.join(entry.file_name());
        if meta.is_symlink() {
            symlink(fs::read_link(entry.path())?, &target)?;
            continue;
        } else if meta.is_dir() {
            copy_in(&entry.path(), &target, &path, rules, wanted)?;
        } else if meta.is_file() {
            fs::copy(entry.path(), &target)?;
            File::options()
                .write(true)
                .open(&target)?
                .set_modified(meta.modified()?)?;
        } else {
            continue;
        }
        give_back(&target, &meta)?;
    }
    Ok(())
}

/// Only root may give a file to somebody else; for anybody else it is theirs already.
fn give_back(target: &Path, meta: &Metadata) -> io::Result<()> {
    let _ = chown(target, Some(meta.uid()), Some(meta.gid()));
    fs::set_permissions(target, Permissions::from_mode(meta.mode() & 0o7777))
}

/// The folder that a restore of Velero's leaves in a volume.
///
/// # Errors
/// When it cannot be made.
pub fn leave_marker(volume: &Path) -> io::Result<()> {
    let marker = volume.join(VELERO_MARKER);
    fs::create_dir_all(&marker)?;
    fs::write(marker.join("0b7c0fe1-0000-4000-8000-000000000000"), "")
}

/// A small file system in memory that is unmounted again.
pub struct Mount(PathBuf);

impl Mount {
    /// Mounts one at a folder, which is made if it is not there. `options` are those of tmpfs: `size=8m`. `None` without the
    /// right to mount.
    pub fn new(at: &Path, options: &str) -> Option<Self> {
        fs::create_dir_all(at).ok()?;
        let options = CString::new(options).ok()?;
        // No program does it: a child holds open what this process has, and so the room of files that it removes.
        mount(
            "tmpfs",
            at,
            "tmpfs",
            MountFlags::empty(),
            Some(options.as_c_str()),
        )
        .ok()?;
        Some(Self(at.to_owned()))
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        let _ = unmount(&self.0, UnmountFlags::DETACH);
    }
}

/// Makes a FIFO, on which a careless reader waits for ever.
///
/// # Errors
/// When it cannot be made.
pub fn fifo(path: &Path) -> io::Result<()> {
    let kind = rustix::fs::FileType::Fifo;
    rustix::fs::mknodat(rustix::fs::CWD, path, kind, 0o600.into(), 0)?;
    Ok(())
}

/// What becomes of a folder with content that was transferred, before the exchange takes it from there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Nothing.
    None,
    /// It is not there any more.
    Gone,
    /// It is there, with nothing in it.
    Emptied,
    /// A file in it is shorter.
    Truncated,
    /// A byte of a file in it is another one.
    OneByte,
    /// Others may write a file in it.
    Mode,
}

impl Loss {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::None,
        Self::Gone,
        Self::Emptied,
        Self::Truncated,
        Self::OneByte,
        Self::Mode,
    ];

    /// Lets it befall the folder, by this file of it. A folder without that file holds no content yet, and stays as it is.
    ///
    /// # Errors
    /// When folder or file cannot be changed.
    pub fn befalls(self, folder: &Path, file: &str) -> io::Result<()> {
        let path = folder.join(file);
        if self == Self::None || !path.exists() {
            return Ok(());
        }
        match self {
            Self::None => Ok(()),
            Self::Gone => fs::remove_dir_all(folder),
            Self::Emptied => {
                fs::remove_dir_all(folder)?;
                fs::create_dir(folder)
            }
            Self::Truncated => {
                let file = File::options().write(true).open(&path)?;
                file.set_len(file.metadata()?.len() / 3)
            }
            Self::OneByte => {
                let mut bytes = fs::read(&path)?;
                let middle = bytes.len() / 2;
                if let Some(byte) = bytes.get_mut(middle) {
                    *byte ^= 1;
                }
                fs::write(&path, bytes)
            }
            Self::Mode => fs::set_permissions(&path, Permissions::from_mode(0o666)),
        }
    }
}
