//! `secret-add`, `secret-get`, `secret-set`, `secret-info-get`, `secret-ids`, `secret-grant`, `secret-revoke`,
//! `secret-remove`.
//!
//! Content goes to Juju as `key#file=PATH`, each value in a file of its own that only this user can read and that is
//! deleted when the tool has ended. As an argument it would be visible in the process list, and `--file -` is no way out:
//! unlike `relation-set`, the secret tools read a file of that name (`secret-add.go` of juju/juju).

use std::io::Write;

use serde_json::Value;
use tempfile::NamedTempFile;

use super::invocation::Invocation;
use crate::error::Error;
use crate::names::{RelationId, SecretId, UnitName};
use crate::runner::ToolRunner;
use crate::secret::{SecretAccess, SecretContent, SecretInfo, SecretMetadata, SecretOwner, SecretRevision};

/// How a secret is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretHandle<'a> {
    /// By its id.
    Id(&'a SecretId),
    /// By the label that the owner, or this consumer, gave it.
    Label(&'a str),
    /// By its id; from now on this consumer's label for it is the second. For [`secret_get`] only.
    IdToLabel(&'a SecretId, &'a str),
}

/// Adds a secret.
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader adds secrets of the application.
/// [`BadArguments`](crate::ErrorKind::BadArguments): a key that Juju does not take, or no content.
pub fn secret_add(
    runner: &dyn ToolRunner,
    content: &SecretContent,
    owner: SecretOwner,
    metadata: &SecretMetadata,
) -> Result<SecretId, Error> {
    let invocation = Invocation::new(runner, "secret-add").arg(format!("--owner={}", owner.name()));
    let invocation = with_metadata(invocation, metadata);
    let files = ContentFiles::write("secret-add", content)?;
    let invocation = invocation.args(&files.args);
    let command = invocation.shown();
    // The id comes as plain text: the tool has no --format.
    let id = invocation.text()?;
    id.parse().map_err(|_| Error::Output {
        tool: "secret-add".to_owned(),
        command,
        reason: "no secret id was printed".to_owned(),
    })
}

/// Reads a secret's content.
///
/// # Errors
/// [`NoSuchSecret`](crate::ErrorKind::NoSuchSecret). [`NotAllowed`](crate::ErrorKind::NotAllowed): not granted, or granted
/// by a hook of the owner that has not ended yet.
pub fn secret_get(
    runner: &dyn ToolRunner,
    secret: SecretHandle<'_>,
    revision: SecretRevision,
) -> Result<SecretContent, Error> {
    let invocation = Invocation::new(runner, "secret-get").arg("--format=json");
    let invocation = match revision {
        SecretRevision::Tracked => invocation,
        SecretRevision::Peek => invocation.arg("--peek"),
        SecretRevision::Refresh => invocation.arg("--refresh"),
    };
    let invocation = match secret {
        SecretHandle::Id(id) => invocation.arg(id.to_string()),
        SecretHandle::Label(label) => invocation.option("label", Some(label)),
        SecretHandle::IdToLabel(id, label) => invocation.option("label", Some(label)).arg(id.to_string()),
    };
    Ok(invocation.json_text_map()?.into_iter().collect())
}

/// Changes a secret that this application or unit owns: its content, its metadata or both.
///
/// **Juju does not say if the id is wrong**: the tool prints nothing and exits with 0, then the whole hook fails at its end
/// and the unit is in error. Only pass ids that [`secret_add`], [`secret_ids`] or [`secret_info_get`] gave.
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed): only the leader changes secrets of the application.
pub fn secret_set(
    runner: &dyn ToolRunner,
    id: &SecretId,
    content: Option<&SecretContent>,
    metadata: &SecretMetadata,
) -> Result<(), Error> {
    let invocation = with_metadata(Invocation::new(runner, "secret-set"), metadata).arg(id.to_string());
    match content {
        None => invocation.run(),
        Some(content) => {
            let files = ContentFiles::write("secret-set", content)?;
            invocation.args(&files.args).run()
        }
    }
}

/// What Juju knows about an own secret.
///
/// # Errors
/// [`NoSuchSecret`](crate::ErrorKind::NoSuchSecret): also for a secret that belongs to somebody else.
pub fn secret_info_get(runner: &dyn ToolRunner, secret: SecretHandle<'_>) -> Result<SecretInfo, Error> {
    let invocation = Invocation::new(runner, "secret-info-get").arg("--format=json");
    // Id and label at once are refused.
    let invocation = match secret {
        SecretHandle::Id(id) | SecretHandle::IdToLabel(id, _) => invocation.arg(id.to_string()),
        SecretHandle::Label(label) => invocation.option("label", Some(label)),
    };
    let command = invocation.shown();
    let answer = invocation.json()?;
    // One entry, under the bare id.
    answer
        .as_object()
        .and_then(|secrets| secrets.iter().next())
        .and_then(secret_info)
        .ok_or_else(|| Error::Output {
            tool: "secret-info-get".to_owned(),
            command,
            reason: "a map from the secret's id was expected".to_owned(),
        })
}

/// Secrets that this application and this unit own. Juju prints bare ids, and `null` for none.
///
/// # Errors
/// When the tool fails.
pub fn secret_ids(runner: &dyn ToolRunner) -> Result<Vec<SecretId>, Error> {
    Invocation::new(runner, "secret-ids")
        .arg("--format=json")
        .json_list("a secret id")
}

/// Lets the remote application of a relation, or one `unit` of it, read an own secret for as long as the relation exists.
///
/// # Errors
/// [`NoSuchSecret`](crate::ErrorKind::NoSuchSecret), [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation),
/// [`NotAllowed`](crate::ErrorKind::NotAllowed).
pub fn secret_grant(
    runner: &dyn ToolRunner,
    id: &SecretId,
    relation: &RelationId,
    unit: Option<&UnitName>,
) -> Result<(), Error> {
    let unit = unit.map(ToString::to_string);
    Invocation::new(runner, "secret-grant")
        .option("relation", Some(&relation.to_string()))
        .option("unit", unit.as_deref())
        .arg(id.to_string())
        .run()
}

/// Takes back what [`secret_grant`] gave. Says nothing about an id that does not exist, like [`secret_set`].
///
/// # Errors
/// [`NoSuchRelation`](crate::ErrorKind::NoSuchRelation), [`NotAllowed`](crate::ErrorKind::NotAllowed).
pub fn secret_revoke(
    runner: &dyn ToolRunner,
    id: &SecretId,
    relation: &RelationId,
    unit: Option<&UnitName>,
) -> Result<(), Error> {
    let unit = unit.map(ToString::to_string);
    Invocation::new(runner, "secret-revoke")
        .option("relation", Some(&relation.to_string()))
        .option("unit", unit.as_deref())
        .arg(id.to_string())
        .run()
}

/// Removes an own secret, or one revision of it. Says nothing about an id that does not exist, like [`secret_set`].
///
/// # Errors
/// [`NotAllowed`](crate::ErrorKind::NotAllowed).
pub fn secret_remove(runner: &dyn ToolRunner, id: &SecretId, revision: Option<u64>) -> Result<(), Error> {
    let revision = revision.map(|revision| revision.to_string());
    Invocation::new(runner, "secret-remove")
        .option("revision", revision.as_deref())
        .arg(id.to_string())
        .run()
}

fn with_metadata<'a>(invocation: Invocation<'a>, metadata: &SecretMetadata) -> Invocation<'a> {
    let SecretMetadata {
        label,
        description,
        expire,
        rotate,
    } = metadata;
    invocation
        .option("label", label.as_deref())
        .option("description", description.as_deref())
        .option("expire", expire.as_deref())
        .option("rotate", rotate.as_deref())
}

fn secret_info((id, info): (&String, &Value)) -> Option<SecretInfo> {
    let text = |key: &str| {
        info.get(key)
            .and_then(Value::as_str)
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    };
    let access = info
        .get("access")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    let grant_text = |grant: &Value, key: &str| {
        grant
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    Some(SecretInfo {
        id: id.parse().ok()?,
        revision: info.get("revision")?.as_u64()?,
        label: text("label"),
        owner: if text("owner").as_deref() == Some("unit") {
            SecretOwner::Unit
        } else {
            SecretOwner::Application
        },
        description: text("description"),
        expiry: text("expiry"),
        rotation: text("rotation"),
        access: access
            .iter()
            .map(|grant| SecretAccess {
                target: grant_text(grant, "target"),
                scope: grant_text(grant, "scope"),
                role: grant_text(grant, "role"),
            })
            .collect(),
    })
}

/// A secret's values as files, for as long as this lives.
struct ContentFiles {
    args: Vec<String>,
    /// Deleted when dropped.
    _files: Vec<NamedTempFile>,
}

impl ContentFiles {
    fn write(tool: &str, content: &SecretContent) -> Result<Self, Error> {
        let failed = |source| Error::SecretFile {
            tool: tool.to_owned(),
            source,
        };
        let (mut args, mut files) = (Vec::new(), Vec::new());
        for (key, value) in content.iter() {
            // Readable by this user only; the unit's agent, which reads it, is the same user.
            let mut file = NamedTempFile::with_prefix("secret-").map_err(failed)?;
            file.write_all(value.as_bytes()).map_err(failed)?;
            args.push(format!("{key}#file={}", file.path().display()));
            files.push(file);
        }
        Ok(Self { args, _files: files })
    }
}
