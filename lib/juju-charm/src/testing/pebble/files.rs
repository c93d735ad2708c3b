//! Files of a fake container, with modes and owners.

use std::collections::BTreeMap;

use crate::pebble::{FileInfo, FileOptions, FileType, PathErrorKind};

/// A regular file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FakeFile {
    /// What is in it.
    pub content: Vec<u8>,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub user_id: u32,
    /// Group.
    pub group_id: u32,
}

impl FakeFile {
    /// A file with its mode and owner.
    pub fn new(content: impl AsRef<[u8]>, mode: u32, user_id: u32, group_id: u32) -> Self {
        Self {
            content: content.as_ref().to_vec(),
            mode,
            user_id,
            group_id,
        }
    }
}

/// What went wrong with a path, as Pebble says it.
#[derive(Debug)]
pub(super) struct PathFault {
    pub kind: PathErrorKind,
    pub message: String,
}

type Result<T, E = PathFault> = std::result::Result<T, E>;

fn generic<T>(message: String) -> Result<T> {
    Err(PathFault {
        kind: PathErrorKind::GenericFileError,
        message,
    })
}

fn not_found<T>(call: &str, path: &str) -> Result<T> {
    Err(PathFault {
        kind: PathErrorKind::NotFound,
        message: format!("{call} {path}: no such file or directory"),
    })
}

/// Folders and files by their clean path, and who the container knows.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    nodes: BTreeMap<String, Node>,
    /// User and primary group by name.
    pub users: BTreeMap<String, (u32, u32)>,
    pub groups: BTreeMap<String, u32>,
}

#[derive(Debug, Clone)]
struct Node {
    what: What,
    modified: String,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum What {
    File(FakeFile),
    Folder { mode: u32, user_id: u32, group_id: u32 },
}

/// When files were written that were there from the start.
const BEFORE: &str = "2025-12-31T00:00:00Z";

impl PartialEq for Tree {
    /// When a file was written makes no difference.
    fn eq(&self, other: &Self) -> bool {
        let nodes = self.nodes.iter().map(|(path, node)| (path, &node.what));
        nodes.eq(other.nodes.iter().map(|(path, node)| (path, &node.what)))
    }
}

impl Tree {
    pub(super) fn new() -> Self {
        let mut tree = Self {
            nodes: BTreeMap::new(),
            users: BTreeMap::from([("root".to_owned(), (0, 0))]),
            groups: BTreeMap::from([("root".to_owned(), 0)]),
        };
        tree.add_folder("/", 0o755, (0, 0), BEFORE);
        tree
    }

    /// A file that was there from the start.
    pub(super) fn put(&mut self, path: &str, file: FakeFile) {
        let path = clean(path);
        self.put_folder(parent(&path));
        self.nodes.insert(
            path,
            Node {
                what: What::File(file),
                modified: BEFORE.to_owned(),
            },
        );
    }

    /// A folder that was there from the start.
    pub(super) fn put_folder(&mut self, path: &str) {
        let path = clean(path);
        if !self.nodes.contains_key(&path) {
            self.put_folder(parent(&path));
            self.add_folder(&path, 0o755, (0, 0), BEFORE);
        }
    }

    fn add_folder(&mut self, path: &str, mode: u32, (user_id, group_id): (u32, u32), now: &str) {
        let what = What::Folder {
            mode,
            user_id,
            group_id,
        };
        let modified = now.to_owned();
        self.nodes.insert(path.to_owned(), Node { what, modified });
    }

    pub(super) fn file(&self, path: &str) -> Option<&FakeFile> {
        match &self.nodes.get(&clean(path))?.what {
            What::File(file) => Some(file),
            What::Folder { .. } => None,
        }
    }

    pub(super) fn all(&self) -> Vec<(&str, &FakeFile)> {
        let file = |(path, node): (&'_ String, &'_ Node)| match &node.what {
            What::File(_) => Some(path.clone()),
            What::Folder { .. } => None,
        };
        let paths: Vec<String> = self.nodes.iter().filter_map(file).collect();
        let known = |path: &String| {
            let (path, _) = self.nodes.get_key_value(path)?;
            Some((path.as_str(), self.file(path)?))
        };
        paths.iter().filter_map(known).collect()
    }

    fn is_folder(&self, path: &str) -> Option<bool> {
        let node = self.nodes.get(path)?;
        Some(matches!(node.what, What::Folder { .. }))
    }

    /// A path that leads through a file is another fault than one that leads nowhere.
    fn check_way(&self, call: &str, path: &str) -> Result<()> {
        let mut folder = parent(path);
        while folder != "/" {
            if self.is_folder(folder) == Some(false) {
                return generic(format!("{call} {path}: not a directory"));
            }
            folder = parent(folder);
        }
        Ok(())
    }

    pub(super) fn read(&self, path: &str) -> Result<Vec<u8>> {
        must_be_absolute(path)?;
        let clean = clean(path);
        self.check_way("stat", &clean)?;
        match self.nodes.get(&clean).map(|node| &node.what) {
            None => not_found("stat", path),
            Some(What::Folder { .. }) => generic(format!("can only read a regular file: {path:?}")),
            Some(What::File(file)) => Ok(file.content.clone()),
        }
    }

    pub(super) fn write(
        &mut self,
        path: &str,
        content: &[u8],
        options: &FileOptions,
        now: &str,
    ) -> Result<()> {
        must_be_absolute(path)?;
        let owner = self.owner(options)?;
        let clean = clean(path);
        if options.make_dirs {
            self.make_folders(parent(&clean), 0o755, owner.unwrap_or_default(), now)
                .map_err(|fault| PathFault {
                    message: format!("cannot create directory: {}", fault.message),
                    ..fault
                })?;
        }
        let mode = permissions(options, 0o644)?;
        // Pebble writes beside it first.
        self.check_way("open", &clean)?;
        match (self.is_folder(parent(&clean)), self.is_folder(&clean)) {
            (None, _) => return not_found("open", path),
            (_, Some(true)) => return generic(format!("rename {path}: file exists")),
            _ => {}
        }
        let (user_id, group_id) = owner.unwrap_or_default();
        let what = What::File(FakeFile::new(content, mode, user_id, group_id));
        let modified = now.to_owned();
        self.nodes.insert(clean, Node { what, modified });
        Ok(())
    }

    pub(super) fn make_dir(&mut self, path: &str, options: &FileOptions, now: &str) -> Result<()> {
        must_be_absolute(path)?;
        let mode = permissions(options, 0o755)?;
        let owner = self.owner(options)?.unwrap_or_default();
        let clean = clean(path);
        if options.make_dirs {
            return self.make_folders(&clean, mode, owner, now);
        }
        self.check_way("mkdir", &clean)?;
        match (self.is_folder(&clean), self.is_folder(parent(&clean))) {
            (Some(true), _) => generic(format!("mkdir {clean}: file exists")),
            (Some(false), _) => generic(format!("mkdir {clean}: not a directory")),
            (None, None) => not_found("mkdir", &format!("{clean}.mkdir-new")),
            (None, Some(_)) => {
                self.add_folder(&clean, mode, owner, now);
                Ok(())
            }
        }
    }

    fn make_folders(&mut self, path: &str, mode: u32, owner: (u32, u32), now: &str) -> Result<()> {
        match self.is_folder(path) {
            Some(true) => Ok(()),
            Some(false) => generic(format!("mkdir {path}: not a directory")),
            None => {
                self.make_folders(parent(path), mode, owner, now)?;
                self.add_folder(path, mode, owner, now);
                Ok(())
            }
        }
    }

    pub(super) fn remove(&mut self, path: &str, recursive: bool) -> Result<()> {
        must_be_absolute(path)?;
        let clean = clean(path);
        let within = format!("{}/", clean.trim_end_matches('/'));
        if recursive {
            self.nodes
                .retain(|path, _| *path != clean && !path.starts_with(&within));
            return Ok(());
        }
        self.check_way("remove", &clean)?;
        if !self.nodes.contains_key(&clean) {
            return not_found("remove", path);
        }
        if self.nodes.keys().any(|path| path.starts_with(&within)) {
            return generic(format!("remove {path}: directory not empty"));
        }
        self.nodes.remove(&clean);
        Ok(())
    }

    /// The path is absolute.
    pub(super) fn list(&self, path: &str, itself: bool) -> Result<Vec<FileInfo>> {
        let clean = clean(path);
        self.check_way("stat", &clean)?;
        let Some(is_folder) = self.is_folder(&clean) else {
            return not_found("stat", path);
        };
        let wanted = |other: &str| match itself || !is_folder {
            true => other == clean,
            false => other != "/" && parent(other) == clean,
        };
        let nodes = self.nodes.iter().filter(|(path, _)| wanted(path));
        Ok(nodes.map(|(path, node)| self.info(path, node)).collect())
    }

    fn info(&self, path: &str, node: &Node) -> FileInfo {
        let (file_type, size, mode, user_id, group_id) = match &node.what {
            What::File(file) => {
                let size = u64::try_from(file.content.len()).unwrap_or(u64::MAX);
                (FileType::File, Some(size), file.mode, file.user_id, file.group_id)
            }
            What::Folder {
                mode,
                user_id,
                group_id,
            } => (FileType::Directory, None, *mode, *user_id, *group_id),
        };
        let user = self.users.iter().find(|(_, (id, _))| *id == user_id);
        let group = self.groups.iter().find(|(_, id)| **id == group_id);
        let name = match path.rsplit('/').next() {
            Some(name) if !name.is_empty() => name,
            _ => "/",
        };
        FileInfo {
            path: path.to_owned(),
            name: name.to_owned(),
            file_type,
            size,
            mode,
            last_modified: node.modified.clone(),
            user_id: Some(user_id),
            user: user.map(|(name, _)| name.clone()),
            group_id: Some(group_id),
            group: group.map(|(name, _)| name.clone()),
        }
    }

    /// Owner and group; `None` if nothing is said of them.
    fn owner(&self, options: &FileOptions) -> Result<Option<(u32, u32)>> {
        let FileOptions {
            make_dirs: _,
            mode: _,
            user_id,
            user,
            group_id,
            group,
        } = options;
        self.user_and_group(*user_id, user.as_deref(), *group_id, group.as_deref())
            .or_else(|message| generic(format!("cannot look up user and group: {message}")))
    }

    /// `NormalizeUidGid` of Pebble's `internals/osutil/user.go`.
    pub(super) fn user_and_group(
        &self,
        user_id: Option<u32>,
        user: Option<&str>,
        group_id: Option<u32>,
        group: Option<&str>,
    ) -> Result<Option<(u32, u32)>, String> {
        let (mut user_id, mut group_id) = (user_id, group_id);
        if let Some(name) = user {
            let (id, _) = self
                .users
                .get(name)
                .ok_or_else(|| format!("user: unknown user {name}"))?;
            if let Some(given) = user_id.filter(|given| given != id) {
                return Err(format!(
                    "user {name:?} UID ({id}) does not match user-id ({given})"
                ));
            }
            user_id = Some(*id);
        }
        if let Some(name) = group {
            let id = self
                .groups
                .get(name)
                .ok_or_else(|| format!("group: unknown group {name}"))?;
            if let Some(given) = group_id.filter(|given| given != id) {
                return Err(format!(
                    "group {name:?} GID ({id}) does not match group-id ({given})"
                ));
            }
            group_id = Some(*id);
        }
        if let (Some(id), None) = (user_id, group_id) {
            let known = self.users.values().find(|(user, _)| *user == id);
            let (_, primary) = known.ok_or_else(|| format!("user: unknown userid {id}"))?;
            group_id = Some(*primary);
        }
        match (user_id, group_id) {
            (Some(user_id), Some(group_id)) => Ok(Some((user_id, group_id))),
            (None, None) => Ok(None),
            _ => Err("must specify user, not just group".to_owned()),
        }
    }
}

fn must_be_absolute(path: &str) -> Result<()> {
    if path.starts_with('/') {
        return Ok(());
    }
    generic(format!("paths must be absolute, got {path:?}"))
}

fn permissions(options: &FileOptions, default: u32) -> Result<u32> {
    match options.mode {
        None => Ok(default),
        Some(mode) if mode <= 0o777 => Ok(mode),
        Some(mode) => generic(format!(
            "permissions must be a 3-digit octal string, got \"{mode:03o}\""
        )),
    }
}

/// An absolute path without `.`, `..`, empty parts and a slash at the end.
fn clean(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The folder that a clean path is in; that of the root folder is itself.
fn parent(path: &str) -> &str {
    match path.rsplit_once('/') {
        Some((folder, _)) if !folder.is_empty() => folder,
        _ => "/",
    }
}
