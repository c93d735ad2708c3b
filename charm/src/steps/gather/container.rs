//! What Pebble says of the container and of what runs in it.

use config_recovery::words::size;
use juju_charm::pebble::{CheckStatus, Error as PebbleError, FileType, Pebble, ServiceStatus};

use crate::facts::{Container, FileFacts, Health, ReadyContainer};
use crate::names::check_name;
use crate::profile::{AppProfile, VersionFile};
use crate::recovery::health::last_line;
use crate::service::{let_end, own_service};

/// Looks at the container. `put_aside` is where damaged config files were put; the version is read of a `new_container`.
pub(super) fn look(
    pebble: &dyn Pebble,
    profile: &AppProfile,
    new_container: bool,
    put_aside: &[String],
) -> Container {
    match ready_container(pebble, profile, new_container, put_aside) {
        Ok(container) => Container::Ready(container),
        Err(Fault::Pebble(error)) if error.is_not_reachable() => Container::NotReachable,
        Err(Fault::Pebble(error)) => Container::Faulty {
            reason: crate::causes(&error),
        },
        Err(Fault::Unfit(reason)) => Container::Faulty { reason },
    }
}

/// No file that is read whole has more bytes: the largest config file that was seen has some hundred kilobytes.
const LARGEST: u64 = 16 << 20;

/// Why the container cannot be looked at.
enum Fault {
    Pebble(PebbleError),
    /// Something in the place of a file that nothing is read of: it would fill the memory, or is no file.
    Unfit(String),
}

impl From<PebbleError> for Fault {
    fn from(error: PebbleError) -> Self {
        Self::Pebble(error)
    }
}

fn ready_container(
    pebble: &dyn Pebble,
    profile: &AppProfile,
    new_container: bool,
    put_aside: &[String],
) -> Result<ReadyContainer, Fault> {
    let plan = pebble.plan()?;
    let mut service = own_service(pebble, profile)?;
    // One that is still ending writes into the volume, and into the file that is read below.
    if service == Some(ServiceStatus::Inactive) && let_end(pebble, profile)? {
        service = own_service(pebble, profile)?;
    }
    let check = pebble
        .checks()?
        .into_iter()
        .find(|check| check.name == check_name(profile));
    let config_file = match &profile.config_file {
        Some(file) => read_file(pebble, &file.path)?,
        None => None,
    };
    // Somebody has looked into one that is not there any more.
    let mut still_there = Vec::new();
    for path in put_aside {
        if is_there(pebble, path)? {
            still_there.push(path.clone());
        }
    }
    let has_ended = service == Some(ServiceStatus::Backoff);
    let stale_files = profile.workload.stale_files.iter().filter(|_| has_ended);
    let mut has_stale_files = false;
    for path in stale_files {
        has_stale_files |= is_there(pebble, path)?;
    }
    let version = match &profile.workload.version {
        Some(place) if new_container => {
            read_file(pebble, &place.file)?.and_then(|file| version(place, &file.content))
        }
        _ => None,
    };
    Ok(ReadyContainer {
        plan,
        service,
        health: check.map_or(Health::NotAsked, |check| match check.status {
            CheckStatus::Down => Health::Down,
            CheckStatus::Up if check.successes > 0 => Health::Up,
            CheckStatus::Up => Health::NotPassed,
            _ => Health::NotAsked,
        }),
        config_file,
        // An app that runs is not asked: it would be one more call in each event.
        last_line: has_ended.then(|| last_line(pebble, profile)).flatten(),
        has_stale_files,
        put_aside: still_there,
        version,
    })
}

fn is_there(pebble: &dyn Pebble, path: &str) -> Result<bool, PebbleError> {
    match pebble.list_files(path, true) {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// A file with its mode and owner; `None` when there is none.
fn read_file(pebble: &dyn Pebble, path: &str) -> Result<Option<FileFacts>, Fault> {
    let info = match pebble.list_files(path, true) {
        Ok(files) => files.into_iter().next(),
        Err(error) if error.is_not_found() => None,
        Err(error) => return Err(error.into()),
    };
    let Some(info) = info else { return Ok(None) };
    let name = path.rsplit('/').next().unwrap_or(path);
    if let Some(bytes) = info.size.filter(|bytes| *bytes > LARGEST) {
        return Err(Fault::Unfit(format!(
            "{name} has {}, too much to be read; move it away",
            size(bytes)
        )));
    }
    if !matches!(info.file_type, FileType::File | FileType::Symlink) {
        return Err(Fault::Unfit(format!("{name} is no file; move it away")));
    }
    let owner = info.user_id.zip(info.group_id);
    let content = pebble.read_file(path)?;
    Ok(Some(FileFacts {
        content,
        mode: info.mode,
        owner,
    }))
}

fn version(place: &VersionFile, content: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(content);
    let value = text.lines().find_map(|line| {
        line.trim()
            .strip_prefix(&place.key)?
            .trim_start()
            .strip_prefix(['=', ':'])
    })?;
    let value = value.trim().trim_matches('"');
    (!value.is_empty()).then(|| value.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_among_other_keys() {
        let place = VersionFile {
            file: "/x".into(),
            key: "PackageVersion".into(),
        };
        let content =
            b"PackageAuthor=[ls](https://x)\nPackageVersion=6.1.1.10360-ls299\nUpdateMethod=Docker\n";
        assert_eq!(version(&place, content).as_deref(), Some("6.1.1.10360-ls299"));
        assert_eq!(version(&place, b"PackageVersionX=1\nPackageVersion=\n"), None);
        let place = VersionFile {
            file: "/build_version".into(),
            key: "Linuxserver.io version".into(),
        };
        let content = b"Linuxserver.io version: 10.11.11ubu2604-ls46\nBuild-date: 2026-11-20T03:04:05+00:00";
        assert_eq!(version(&place, content).as_deref(), Some("10.11.11ubu2604-ls46"));
    }
}
