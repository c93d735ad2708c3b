//! Files in the workload container: options and descriptions.

use serde::Deserialize;

use super::text_enum::text_enum;

/// How a file or folder is made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FileOptions {
    /// Makes the folders on the way, with mode 755 and the same owner. For a folder: it may be there already.
    pub make_dirs: bool,
    /// Permission bits below 0o1000; 0o644 for a file and 0o755 for a folder if not given.
    pub mode: Option<u32>,
    /// Owner. Needs a group if the container's list of users does not have it.
    pub user_id: Option<u32>,
    /// Owner by the container's own list of users.
    pub user: Option<String>,
    /// Group.
    pub group_id: Option<u32>,
    /// Group by the container's own list of groups.
    pub group: Option<String>,
}

text_enum! {
    /// What a path is.
    FileType {
        /// A regular file.
        File = "file",
        /// A folder.
        Directory = "directory",
        /// A symbolic link.
        Symlink = "symlink",
        /// A socket.
        Socket = "socket",
        /// A named pipe.
        NamedPipe = "named-pipe",
        /// A device.
        Device = "device",
        /// Something else.
        Unknown = "unknown",
    }
}

/// A file or folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileInfo {
    /// Its path.
    pub path: String,
    /// The last part of its path.
    pub name: String,
    /// What it is.
    pub file_type: FileType,
    /// Bytes in a regular file.
    pub size: Option<u64>,
    /// Permission bits.
    pub mode: u32,
    /// When it was written last, RFC 3339.
    pub last_modified: String,
    /// Owner.
    pub user_id: Option<u32>,
    /// Owner's name, if the container knows it.
    pub user: Option<String>,
    /// Group.
    pub group_id: Option<u32>,
    /// Group's name, if the container knows it.
    pub group: Option<String>,
}

/// A [`FileInfo`] as Pebble writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct FileInfoAnswer {
    path: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(rename = "type")]
    file_type: FileType,
    #[serde(default)]
    size: Option<u64>,
    permissions: String,
    #[serde(default)]
    last_modified: Option<String>,
    #[serde(default)]
    user_id: Option<u32>,
    #[serde(default)]
    user: Option<String>,
    #[serde(default)]
    group_id: Option<u32>,
    #[serde(default)]
    group: Option<String>,
}

impl TryFrom<FileInfoAnswer> for FileInfo {
    type Error = String;

    fn try_from(answer: FileInfoAnswer) -> Result<Self, String> {
        let mode = u32::from_str_radix(&answer.permissions, 8).map_err(|_| {
            format!(
                "permissions {:?} of {} are not octal",
                answer.permissions, answer.path
            )
        })?;
        let last = answer.path.rsplit('/').next().unwrap_or_default();
        Ok(Self {
            name: answer.name.unwrap_or_else(|| last.to_owned()),
            path: answer.path,
            file_type: answer.file_type,
            size: answer.size,
            mode,
            last_modified: answer.last_modified.unwrap_or_default(),
            user_id: answer.user_id,
            user: answer.user.filter(|name| !name.is_empty()),
            group_id: answer.group_id,
            group: answer.group.filter(|name| !name.is_empty()),
        })
    }
}
