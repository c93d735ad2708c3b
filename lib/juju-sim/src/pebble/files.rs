//! The files of a container.

use std::fs::{Metadata, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::{Answer, Answered, Fault, bad_request, envelope, sync};
use super::container::{clean, reason};
use super::daemon::Daemon;
use super::multipart;
use super::pattern;
use super::query::Request;
use super::users::{Owner, Wanted};

/// Pebble refuses a shorter boundary.
const SHORTEST_BOUNDARY: usize = 32;

/// Why something cannot be done with a path: Pebble's kind and text.
#[derive(Debug)]
struct PathFault {
    kind: &'static str,
    message: String,
}

impl PathFault {
    /// A fault that is not the system's.
    fn generic(message: impl Into<String>) -> PathFault {
        PathFault {
            kind: "generic-file-error",
            message: message.into(),
        }
    }

    /// A fault of the system in Go's form: `stat /a: no such file or directory`.
    fn of(what: &str, path: &str, error: &io::Error) -> PathFault {
        let kind = match error.kind() {
            io::ErrorKind::PermissionDenied => "permission-denied",
            io::ErrorKind::NotFound => "not-found",
            _ => "generic-file-error",
        };
        PathFault {
            kind,
            message: format!("{what} {path}: {}", reason(error)),
        }
    }

    fn to_json(&self) -> Value {
        json!({"message": self.message, "kind": self.kind})
    }
}

type Done<T = ()> = Result<T, PathFault>;

/// Who is to own a file, and its mode.
#[derive(Debug, Deserialize, Default)]
#[serde(default, rename_all = "kebab-case")]
struct Attributes {
    permissions: Option<String>,
    user_id: Option<u32>,
    user: Option<String>,
    group_id: Option<u32>,
    group: Option<String>,
}

impl Attributes {
    fn mode(&self, default: u32) -> Done<u32> {
        let text = self.permissions.as_deref().unwrap_or_default();
        match (text, u32::from_str_radix(text, 8)) {
            ("", _) => Ok(default),
            (text, Ok(mode)) if text.len() == 3 => Ok(mode),
            _ => Err(PathFault::generic(format!(
                "permissions must be a 3-digit octal string, got {text:?}"
            ))),
        }
    }

    fn owner(&self, daemon: &Daemon) -> Done<Option<Owner>> {
        let wanted = Wanted {
            user_id: self.user_id,
            user: self.user.as_deref(),
            group_id: self.group_id,
            group: self.group.as_deref(),
        };
        let owner = daemon.container.users.resolve(&wanted);
        owner.map_err(|reason| PathFault::generic(format!("cannot look up user and group: {reason}")))
    }
}

/// `GET /v1/files`
pub(crate) fn get(daemon: &Daemon, request: &Request) -> Answered {
    match request.get("action") {
        "read" => {
            let paths: Vec<&str> = request.all("path").collect();
            if paths.is_empty() {
                return Err(bad_request("must specify one or more paths"));
            }
            if request.header("accept") != multipart::MEDIA_TYPE {
                return Err(bad_request("must accept multipart/form-data"));
            }
            let mut files = Vec::new();
            let results = paths.iter().map(|path| {
                let read = read(daemon, path).map(|content| files.push((*path, content)));
                path_result(path, read)
            });
            let results: Value = results.collect();
            let response = envelope("sync", hyper::StatusCode::OK, results).to_string();
            let (content_type, body) = multipart::write(&files, &response);
            Ok(Answer::Raw(content_type, body))
        }
        "list" => {
            let path = request.get("path");
            if path.is_empty() {
                return Err(bad_request("must specify path"));
            }
            let itself = match request.get("itself") {
                "true" => true,
                "" | "false" => false,
                _ => return Err(bad_request("itself parameter must be \"true\" or \"false\"")),
            };
            if !path.starts_with('/') {
                return Err(bad_request(format!("path must be absolute, got {path:?}")));
            }
            list(daemon, path, request.get("pattern"), itself).map_or_else(
                |fault| {
                    let status = match fault.kind {
                        "not-found" => hyper::StatusCode::NOT_FOUND,
                        "permission-denied" => hyper::StatusCode::FORBIDDEN,
                        _ => hyper::StatusCode::BAD_REQUEST,
                    };
                    Err(Fault::new(status, fault.message).of_kind(fault.kind))
                },
                |files| sync(Value::Array(files)),
            )
        }
        action => Err(bad_request(format!("invalid action {action:?}"))),
    }
}

fn path_result(path: &str, done: Done) -> Value {
    match done {
        Ok(()) => json!({ "path": path }),
        Err(fault) => json!({"path": path, "error": fault.to_json()}),
    }
}

fn absolute(path: &str) -> Done {
    if path.starts_with('/') {
        return Ok(());
    }
    Err(PathFault::generic(format!(
        "paths must be absolute, got {path:?}"
    )))
}

fn read(daemon: &Daemon, path: &str) -> Done<Vec<u8>> {
    absolute(path)?;
    let real = daemon.container.path(path);
    let metadata = real
        .metadata()
        .map_err(|error| PathFault::of("stat", path, &error))?;
    if !metadata.is_file() {
        return Err(PathFault::generic(format!(
            "can only read a regular file: {path:?}"
        )));
    }
    std::fs::read(real).map_err(|error| PathFault::of("open", path, &error))
}

fn list(daemon: &Daemon, path: &str, pattern: &str, itself: bool) -> Done<Vec<Value>> {
    let real = daemon.container.path(path);
    let metadata = real
        .metadata()
        .map_err(|error| PathFault::of("stat", path, &error))?;
    let cleaned = clean(path);
    let mut entries = Vec::new();
    if itself || !metadata.is_dir() {
        entries.push((cleaned, metadata));
    } else {
        let faulty = |error| PathFault::of("open", path, &error);
        for entry in std::fs::read_dir(&real).map_err(faulty)? {
            let entry = entry.map_err(faulty)?;
            let name = entry.file_name().to_string_lossy().into_owned();
            let metadata = match entry.metadata() {
                Ok(metadata) if metadata.is_symlink() => mounted(daemon, &entry.path()).unwrap_or(metadata),
                Ok(metadata) => metadata,
                // It is gone again.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(PathFault::of("lstat", &name, &error)),
            };
            entries.push((format!("{}/{name}", cleaned.trim_end_matches('/')), metadata));
        }
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
    }
    let mut found = Vec::new();
    for (path, metadata) in entries {
        let name = path
            .rsplit('/')
            .next()
            .filter(|name| !name.is_empty())
            .unwrap_or("/")
            .to_owned();
        if pattern.is_empty() || pattern::matches(pattern, &name).map_err(PathFault::generic)? {
            found.push(info(daemon, &path, &name, &metadata));
        }
    }
    Ok(found)
}

/// The folder that a link stands for, if it is how storage is mounted: a link out of the container to a folder.
fn mounted(daemon: &Daemon, link: &Path) -> Option<Metadata> {
    let target = link.canonicalize().ok()?;
    let root = daemon.container.root.canonicalize().ok()?;
    target
        .metadata()
        .ok()
        .filter(|metadata| metadata.is_dir() && !target.starts_with(root))
}

fn info(daemon: &Daemon, path: &str, name: &str, metadata: &Metadata) -> Value {
    let kind = metadata.file_type();
    let kind = match () {
        () if kind.is_file() => "file",
        () if kind.is_dir() => "directory",
        () if kind.is_symlink() => "symlink",
        () if kind.is_socket() => "socket",
        () if kind.is_fifo() => "named-pipe",
        () if kind.is_block_device() || kind.is_char_device() => "device",
        () => "unknown",
    };
    let Owner { user, group } = daemon.owners.of(metadata);
    let users = &daemon.container.users;
    let modified = metadata
        .modified()
        .ok()
        .and_then(|time| Timestamp::try_from(time).ok());
    let mut info = json!({
        "path": path,
        "name": name,
        "type": kind,
        "permissions": format!("{:03o}", metadata.permissions().mode() & 0o777),
        "last-modified": modified.unwrap_or_default().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        "user-id": user,
        "user": users.user(user).map(|user| user.name).unwrap_or_default(),
        "group-id": group,
        "group": users.group_name(group).unwrap_or_default(),
    });
    if metadata.is_file() {
        info["size"] = json!(metadata.len());
    }
    info
}

/// `POST /v1/files`
pub(crate) fn post(daemon: &Daemon, request: &Request) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        action: String,
        #[serde(default)]
        dirs: Option<Vec<MakeDir>>,
        #[serde(default)]
        paths: Option<Vec<Remove>>,
    }
    let content_type = request.header("content-type");
    match content_type.split(';').next().unwrap_or_default().trim() {
        multipart::MEDIA_TYPE => {
            let boundary = multipart::parameter(content_type, "boundary").unwrap_or_default();
            if boundary.len() < SHORTEST_BOUNDARY {
                return Err(bad_request(format!("invalid boundary {boundary:?}")));
            }
            write_all(daemon, &boundary, &request.body)
        }
        "application/json" => {
            let payload: Payload = request.json("request body")?;
            match payload.action.as_str() {
                "make-dirs" => {
                    let dirs = payload.dirs.unwrap_or_default();
                    sync(
                        dirs.iter()
                            .map(|dir| path_result(&dir.path, make_dir(daemon, dir)))
                            .collect(),
                    )
                }
                "remove" => {
                    let paths = payload.paths.unwrap_or_default();
                    sync(
                        paths
                            .iter()
                            .map(|item| path_result(&item.path, remove(daemon, item)))
                            .collect(),
                    )
                }
                "write" => Err(bad_request("must use multipart with \"write\" action")),
                action => Err(bad_request(format!("invalid action {action:?}"))),
            }
        }
        "" => Err(bad_request(format!("invalid Content-Type {content_type:?}"))),
        other => Err(bad_request(format!("invalid media type {other:?}"))),
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct WriteFile {
    #[serde(default)]
    path: String,
    #[serde(default)]
    make_dirs: bool,
    #[serde(flatten)]
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct MakeDir {
    #[serde(default)]
    path: String,
    #[serde(default)]
    make_parents: bool,
    #[serde(flatten)]
    attributes: Attributes,
}

#[derive(Debug, Deserialize)]
struct Remove {
    #[serde(default)]
    path: String,
    #[serde(default)]
    recursive: bool,
}

fn write_all(daemon: &Daemon, boundary: &str, body: &[u8]) -> Answered {
    #[derive(Deserialize)]
    struct Payload {
        #[serde(default)]
        action: String,
        #[serde(default)]
        files: Vec<WriteFile>,
    }
    let parts = multipart::parse(boundary, body)
        .map_err(|reason| bad_request(format!("cannot read request metadata: {reason}")))?;
    let Some((request, files)) = parts.split_first() else {
        return Err(bad_request("cannot read request metadata: EOF"));
    };
    if request.name != "request" {
        return Err(bad_request(format!(
            "metadata field name must be \"request\", got {:?}",
            request.name
        )));
    }
    let payload: Payload = serde_json::from_slice(request.content)
        .map_err(|error| bad_request(format!("cannot decode request metadata: {error}")))?;
    if payload.action != "write" {
        return Err(bad_request(format!(
            "multipart action must be \"write\", got {:?}",
            payload.action
        )));
    }
    if payload.files.is_empty() {
        return Err(bad_request("must specify one or more files"));
    }
    let mut written: Vec<(&str, Done)> = Vec::new();
    for part in files {
        if part.name != "files" {
            return Err(bad_request(format!(
                "field name must be \"files\", got {:?}",
                part.name
            )));
        }
        let item = payload.files.iter().find(|item| item.path == part.filename);
        let item = item.ok_or_else(|| bad_request(format!("no metadata for path {:?}", part.filename)))?;
        written.push((&item.path, write(daemon, item, part.content)));
    }
    let results = payload.files.iter().map(|item| {
        let at = written.iter().position(|(path, _)| *path == item.path);
        let done = at.map(|at| written.swap_remove(at).1);
        let missing = || {
            Err(PathFault::generic(format!(
                "no file content for path {:?}",
                item.path
            )))
        };
        path_result(&item.path, done.unwrap_or_else(missing))
    });
    sync(results.collect())
}

/// Writes a file beside its place and moves it there, so that a reader sees the old or the new content.
fn write(daemon: &Daemon, item: &WriteFile, content: &[u8]) -> Done {
    let path = item.path.as_str();
    absolute(path)?;
    let owner = item.attributes.owner(daemon)?;
    let cleaned = clean(path);
    if item.make_dirs {
        let parent = cleaned
            .rsplit_once('/')
            .map_or("/", |(parent, _)| if parent.is_empty() { "/" } else { parent });
        make_dirs(daemon, parent, 0o755, owner).map_err(|fault| PathFault {
            kind: fault.kind,
            message: format!("cannot create directory: {}", fault.message),
        })?;
    }
    let mode = item.attributes.mode(0o644)?;
    let real = daemon.container.path(path);
    if real.is_dir() {
        let error = io::Error::from(rustix::io::Errno::EXIST);
        return Err(PathFault::of(&format!("rename {cleaned}.new~"), path, &error));
    }
    let temporary = real.with_file_name(format!(
        "{}.{:016x}~",
        real.file_name().unwrap_or_default().to_string_lossy(),
        unique()
    ));
    let shown = format!("{cleaned}.new~");
    let fault = |error: io::Error| PathFault::of("open", &shown, &error);
    let write = || -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(mode)
            .open(&temporary)?;
        file.write_all(content)?;
        file.set_permissions(Permissions::from_mode(mode))?;
        file.sync_all()?;
        if let Some(owner) = owner {
            daemon.owners.set(&temporary, owner)?;
        }
        std::fs::rename(&temporary, &real)
    };
    write().map_err(|error| {
        let _ = std::fs::remove_file(&temporary);
        fault(error)
    })
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(0);
    (u64::from(std::process::id()) << 32) | NEXT.fetch_add(1, Ordering::Relaxed)
}

fn make_dir(daemon: &Daemon, dir: &MakeDir) -> Done {
    let path = dir.path.as_str();
    absolute(path)?;
    let mode = dir.attributes.mode(0o755)?;
    let owner = dir.attributes.owner(daemon)?;
    let cleaned = clean(path);
    if dir.make_parents {
        return make_dirs(daemon, &cleaned, mode, owner);
    }
    if let Ok(found) = daemon.container.path(path).metadata() {
        let errno = if found.is_dir() {
            rustix::io::Errno::EXIST
        } else {
            rustix::io::Errno::NOTDIR
        };
        return Err(PathFault::of("mkdir", &cleaned, &errno.into()));
    }
    make_one(daemon, &cleaned, mode, owner)
}

/// Makes a folder and the ones on the way, all with the same mode and owner.
fn make_dirs(daemon: &Daemon, path: &str, mode: u32, owner: Option<Owner>) -> Done {
    if let Ok(found) = daemon.container.path(path).metadata() {
        if found.is_dir() {
            return Ok(());
        }
        return Err(PathFault::of("mkdir", path, &rustix::io::Errno::NOTDIR.into()));
    }
    if let Some((parent, _)) = path.rsplit_once('/')
        && !parent.is_empty()
    {
        make_dirs(daemon, parent, mode, owner)?;
    }
    make_one(daemon, path, mode, owner)
}

fn make_one(daemon: &Daemon, path: &str, mode: u32, owner: Option<Owner>) -> Done {
    let real = daemon.container.path(path);
    let make = || -> io::Result<()> {
        std::fs::DirBuilder::new().mode(mode).create(&real)?;
        std::fs::set_permissions(&real, Permissions::from_mode(mode))?;
        owner.map_or(Ok(()), |owner| daemon.owners.set(&real, owner))
    };
    // Pebble makes it under this name first.
    make().map_err(|error| PathFault::of("mkdir", &format!("{path}.mkdir-new"), &error))
}

fn remove(daemon: &Daemon, item: &Remove) -> Done {
    let path = item.path.as_str();
    absolute(path)?;
    let real = daemon.container.path(path);
    let result = match real.symlink_metadata() {
        Ok(found) if found.is_symlink() && mounted(daemon, &real).is_some() => unmount(&real, item.recursive),
        Ok(found) if found.is_dir() && item.recursive => std::fs::remove_dir_all(&real),
        Ok(found) if found.is_dir() => std::fs::remove_dir(&real),
        Ok(_) => std::fs::remove_file(&real),
        Err(error) if item.recursive && error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    result.map_err(|error| PathFault::of("remove", path, &error))
}

/// What is mounted cannot be removed; what is in it can, and goes before that is found out.
fn unmount(mount: &Path, recursive: bool) -> io::Result<()> {
    if recursive {
        for entry in std::fs::read_dir(mount)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                std::fs::remove_dir_all(entry.path())?;
            } else {
                std::fs::remove_file(entry.path())?;
            }
        }
    }
    Err(rustix::io::Errno::BUSY.into())
}
