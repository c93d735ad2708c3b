//! Where Velero stores backups, and whether an app's can be stored there and come back from there.

use std::collections::BTreeSet;

use jiff::Timestamp;
use kube::api::ListParams;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use velero_api::{BackupStorageLocation, BackupStorageLocationPhase, BackupStorageLocationSpec};

use crate::cluster::Cluster;
use crate::shown::shown;
use crate::{Result, velero};

/// The location that Velero uses where none is marked as the default one (`pkg/cmd/server/server.go`, `--default-backup-storage-location`).
const DEFAULT: &str = "default";

/// A backup storage location.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Velero's namespace.
    pub velero_namespace: String,
    /// Its name.
    pub name: String,
    /// Whether Velero can use it; `None` before it has looked.
    pub is_available: Option<bool>,
    /// Whether it is the one that is used where none is named.
    pub is_default: bool,
    /// Whether backups come back from it, and none can be stored.
    pub is_read_only: bool,
    /// What Velero says against it.
    pub message: Option<String>,
    /// When Velero read what it holds last.
    pub synced: Option<Timestamp>,
    /// Whether Velero reads what it holds at all: not with a `backupSyncPeriod` of 0.
    pub is_synced: bool,
}

impl Location {
    /// Why nothing comes back from it; `None` also before Velero has looked.
    pub fn is_away(&self) -> Option<String> {
        (self.is_available == Some(false)).then(|| {
            let why = self.message.as_deref();
            why.unwrap_or("Velero cannot reach it").to_owned()
        })
    }

    /// Why nothing can be stored in it; `None` also before Velero has looked.
    pub fn is_unusable(&self) -> Option<String> {
        self.is_away()
            .or_else(|| self.is_read_only.then(|| "it is read-only".to_owned()))
    }
}

/// Reads them: one request.
///
/// # Errors
/// [`Error::NoVelero`](crate::Error::NoVelero) when the cluster does not know Velero's resources, otherwise as [`Cluster::ask`].
pub async fn locations(cluster: &Cluster) -> Result<Vec<Location>> {
    let what = "list backup storage locations";
    let all = velero::list::<BackupStorageLocationSpec>(cluster, what, None, &ListParams::default()).await?;
    Ok(all.iter().map(read).collect())
}

/// One that cannot be decoded hides no other, and is as one that Velero has not looked at.
fn read(object: &Value) -> Location {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(shown);
    let Ok(location) = BackupStorageLocation::deserialize(object) else {
        return Location {
            velero_namespace: text("/metadata/namespace").unwrap_or_default(),
            name: text("/metadata/name").unwrap_or_default(),
            is_available: None,
            is_default: false,
            is_read_only: false,
            message: None,
            synced: None,
            is_synced: true,
        };
    };
    let status = location.status.unwrap_or_default();
    Location {
        velero_namespace: shown(&location.metadata.namespace.unwrap_or_default()),
        name: shown(&location.metadata.name.unwrap_or_default()),
        is_available: status
            .phase
            .map(|phase| phase == BackupStorageLocationPhase::Available),
        is_default: location.spec.default,
        is_read_only: object["spec"]["accessMode"] == "ReadOnly",
        message: status
            .message
            .as_deref()
            .filter(|text| !text.is_empty())
            .map(|text| shown(&brief(text))),
        synced: status.last_synced_time.and_then(|text| text.parse().ok()),
        is_synced: object["spec"]["backupSyncPeriod"]
            .as_str()
            .is_none_or(|period| period.contains(|digit: char| ('1'..='9').contains(&digit))),
    }
}

/// What Velero says, without what says nothing of the cause, which stands at its end: that it is unavailable, who told whom, and the numbers
/// by which the storage knows the request. It is cut where there is little room, as seen of Velero 1.15 in a notification.
fn brief(message: &str) -> String {
    let (_, cause) = message.split_once("is unavailable: ").unwrap_or(("", message));
    let cause = cause.strip_prefix("rpc error: ").unwrap_or(cause);
    let cause = match cause.split_once(" desc = ") {
        Some((code, cause)) if code.starts_with("code = ") => cause,
        _ => cause,
    };
    let is_number = |part: &&str| part.starts_with("RequestID:") || part.starts_with("HostID:");
    let parts: Vec<&str> = cause.split(", ").filter(|part| !is_number(part)).collect();
    parts.join(", ")
}

/// The locations that an app's backups need.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Needed {
    /// Where the next ones go: Velero's namespace and the location's name, `None` for the default one. Nothing is known of an app
    /// without a Schedule.
    pub next: BTreeSet<(String, Option<String>)>,
    /// Where the newest one is.
    pub newest: Option<(String, String)>,
}

/// A storage location that an app needs, and cannot use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnusableStorage {
    /// Its name.
    pub name: String,
    /// What is wrong.
    pub trouble: Trouble,
    /// The same for people, with Velero's words.
    pub why: String,
}

/// What can be wrong with a storage location.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Trouble {
    /// Velero cannot use it.
    Away,
    /// Backups come back from it, and none can be stored.
    ReadOnly,
    /// There is none of this name.
    Missing,
}

/// The one that cannot be used of those that are needed: nothing can be stored where the next backup goes, or the newest one cannot
/// come back. Where it is not known which are needed, one of all.
pub fn unusable(all: &[Location], needed: &Needed) -> Option<UnusableStorage> {
    let told = |name: &str, trouble, why: String| UnusableStorage {
        name: name.to_owned(),
        trouble,
        why,
    };
    let missing = |name: &str| {
        told(
            name,
            Trouble::Missing,
            "there is no such storage location".to_owned(),
        )
    };
    let away = |location: &Location| Some(told(&location.name, Trouble::Away, location.is_away()?));
    let for_next = |location: &Location| {
        let read_only = || Some(told(&location.name, Trouble::ReadOnly, location.is_unusable()?));
        away(location).or_else(read_only)
    };
    if needed.next.is_empty() && needed.newest.is_none() {
        return all.iter().find_map(for_next);
    }
    let mut next = needed.next.iter();
    let next = next.find_map(|(namespace, name)| match find(all, namespace, name.as_deref()) {
        Some(found) => for_next(found),
        None => Some(missing(name.as_deref().unwrap_or(DEFAULT))),
    });
    next.or_else(|| {
        let (namespace, name) = needed.newest.as_ref()?;
        match find(all, namespace, Some(name)) {
            Some(found) => away(found),
            None => Some(missing(name)),
        }
    })
}

/// What Velero has not read of its object storages, as "Velero …". Until it has read them once it does not know of all backups that an earlier
/// cluster has made, and no list of backups says that there is none.
pub fn unread(all: &[Location]) -> Option<String> {
    if all.is_empty() {
        return Some("Velero has no storage location yet".to_owned());
    }
    let mut each = all.iter();
    let unread = each.find(|location| location.is_synced && location.synced.is_none())?;
    // Those of two Veleros mostly have the same name.
    let namespace = &unread.velero_namespace;
    let is_one_velero = all.iter().all(|other| other.velero_namespace == *namespace);
    let which = match is_one_velero || namespace.is_empty() {
        true => String::new(),
        false => format!(" in namespace {namespace}"),
    };
    let why = unread.is_away().map(|why| format!(": {why}")).unwrap_or_default();
    Some(format!(
        "Velero has not read storage location {}{which} yet{why}",
        unread.name
    ))
}

/// Whether all that are needed can be used; `None` where Velero has not looked at one yet, or there is none to look at.
pub fn is_usable(all: &[Location], needed: &Needed) -> Option<bool> {
    if unusable(all, needed).is_some() {
        return Some(false);
    }
    let is_known = !all.is_empty() && all.iter().all(|location| location.is_available.is_some());
    is_known.then_some(true)
}

/// Whether this location is one that is needed. Where it is not known which are needed, each is.
pub(crate) fn is_needed(all: &[Location], needed: &Needed, namespace: &str, name: &str) -> bool {
    if needed.next.is_empty() && needed.newest.is_none() {
        return true;
    }
    let is_next = needed.next.iter().any(|(velero, wanted)| {
        let found = find(all, velero, wanted.as_deref());
        let found = found.map_or(wanted.as_deref().unwrap_or(DEFAULT), |found| &found.name);
        velero == namespace && found == name
    });
    let newest = needed.newest.as_ref();
    is_next || newest.is_some_and(|(velero, newest)| velero == namespace && newest == name)
}

/// The location of this name, or the default one.
fn find<'a>(all: &'a [Location], namespace: &str, name: Option<&str>) -> Option<&'a Location> {
    let of_velero = || {
        all.iter()
            .filter(|location| location.velero_namespace == namespace)
    };
    let named = |name: &str| of_velero().find(|location| location.name == name);
    match name {
        Some(name) => named(name),
        None => of_velero()
            .find(|location| location.is_default)
            .or_else(|| named(DEFAULT)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn location(name: &str, spec: &Value, status: &Value) -> Location {
        let mut object = json!({
            "metadata": {"name": name, "namespace": "velero"}, "spec": {"provider": "aws"}, "status": status,
        });
        for (key, value) in spec.as_object().unwrap() {
            object["spec"][key] = value.clone();
        }
        read(&object)
    }

    #[test]
    fn a_location_that_is_away_or_read_only_cannot_be_stored_into() {
        let of = |spec: Value, status: Value| {
            let location = location("default", &spec, &status);
            (location.is_unusable(), location.is_away())
        };
        let why = |text: &str| Some(text.to_owned());
        let (available, away) = (json!({"phase": "Available"}), json!({"phase": "Unavailable"}));
        assert_eq!(of(json!({}), available.clone()), (None, None));
        assert_eq!(
            of(json!({}), json!({})),
            (None, None),
            "Velero has not looked yet"
        );
        let no_bucket = json!({"phase": "Unavailable", "message": "no bucket"});
        assert_eq!(of(json!({}), no_bucket), (why("no bucket"), why("no bucket")));
        let cannot = why("Velero cannot reach it");
        assert_eq!(of(json!({}), away), (cannot.clone(), cannot));
        let read_only = json!({"accessMode": "ReadOnly"});
        assert_eq!(of(read_only, available), (why("it is read-only"), None));
    }

    #[test]
    fn the_cause_is_what_is_left_of_what_velero_says() {
        // As Velero 1.15.2 says it of a bucket that is gone.
        let said = "BackupStorageLocation \"default\" is unavailable: rpc error: code = Unknown desc = operation error S3: ListObjectsV2, \
                    https response error StatusCode: 404, RequestID: EQJVYJ9U2NFQRMY1, HostID: 4FQGKsz8VtLSBQD3, NoSuchBucket: \
                    The specified bucket does not exist";
        let cause = "operation error S3: ListObjectsV2, https response error StatusCode: 404, NoSuchBucket: The specified bucket does not exist";
        assert_eq!(brief(said), cause);
        for text in ["no bucket", "a, b: c = d desc = e"] {
            assert_eq!(brief(text), text);
        }
    }

    #[test]
    fn backups_are_known_when_every_storage_location_was_read() {
        let of =
            |name: &str, read: Option<&str>| location(name, &json!({}), &json!({"lastSyncedTime": read}));
        let read = of("a", Some("2026-11-24T00:00:00Z"));
        let odd = super::read(&json!({"metadata": {"name": "odd"}, "spec": 1}));
        let not = |name: &str| Some(format!("Velero has not read storage location {name} yet"));
        let away = json!({"phase": "Unavailable", "message": "no bucket"});
        let away = location("away", &json!({}), &away);
        let why = not("away").map(|text| text + ": no bucket");
        // Whatever else it holds, Velero will never know.
        let never = ["0s", "0", "0h0m0s"].map(|period| {
            let spec = json!({"backupSyncPeriod": period});
            location("never", &spec, &json!({}))
        });
        let of_another = Location {
            velero_namespace: "lab".to_owned(),
            ..of("a", None)
        };
        let seldom = location("seldom", &json!({"backupSyncPeriod": "10h"}), &json!({}));
        for (all, expected) in [
            (vec![read.clone(), read.clone()], None),
            (vec![away], why),
            (never.to_vec(), None),
            (vec![seldom], not("seldom")),
            (vec![read.clone(), of("b", None)], not("b")),
            (vec![read.clone(), of_another], not("a in namespace lab")),
            (vec![read, odd], not("odd")),
            (vec![], Some("Velero has no storage location yet".to_owned())),
        ] {
            assert_eq!(unread(&all), expected, "{all:?}");
        }
    }

    #[test]
    fn what_is_needed_is_where_the_next_goes_and_where_the_newest_is() {
        let of = |name: &str, spec: Value, phase: &str| location(name, &spec, &json!({"phase": phase}));
        let main = of("main", json!({"default": true}), "Available");
        let main_away = of("main", json!({"default": true}), "Unavailable");
        let unread = location("main", &json!({"default": true}), &json!({}));
        let plain = of("default", json!({}), "Available");
        let old = of("old", json!({}), "Available");
        let old_read_only = of("old", json!({"accessMode": "ReadOnly"}), "Available");
        let old_away = of("old", json!({}), "Unavailable");
        let here = |name: Option<&str>| ("velero".to_owned(), name.map(str::to_owned));
        let needed = |next: &[Option<&str>], newest: Option<&str>| Needed {
            next: next.iter().map(|name| here(*name)).collect(),
            newest: newest.map(|name| ("velero".to_owned(), name.to_owned())),
        };
        let unusable_one = |all: &[&Location], needed: &Needed| {
            let all: Vec<Location> = all.iter().map(|one| (*one).clone()).collect();
            let found = unusable(&all, needed);
            if let Some(found) = &found {
                let is_there = found.trouble != Trouble::Missing;
                assert_eq!(all.iter().any(|one| one.name == found.name), is_there);
                let is_read_only = found.trouble == Trouble::ReadOnly;
                assert_eq!(found.why.contains("read-only"), is_read_only);
            }
            (found.map(|found| found.name), is_usable(&all, needed))
        };
        let bad = |name: &str| (Some(name.to_owned()), Some(false));
        let good = (None, Some(true));
        let not_known = (None, None);
        for (all, needed, expected) in [
            (vec![], needed(&[], None), not_known.clone()),
            (vec![], needed(&[None], None), bad("default")),
            (vec![&main, &old_away], needed(&[None], None), good.clone()),
            (vec![&plain], needed(&[None], None), good.clone()),
            (vec![&main_away, &old], needed(&[None], None), bad("main")),
            (vec![&unread], needed(&[None], None), not_known),
            (vec![&main, &old_away], needed(&[Some("old")], None), bad("old")),
            (vec![&main], needed(&[Some("old")], None), bad("old")),
            (vec![&main], needed(&[], None), good.clone()),
            (vec![&main, &old_away], needed(&[], None), bad("old")),
            // One that was moved away from may be read-only, and has to be there.
            (
                vec![&main, &old_read_only],
                needed(&[None], Some("old")),
                good.clone(),
            ),
            (
                vec![&main, &old_read_only],
                needed(&[Some("old")], Some("main")),
                bad("old"),
            ),
            (vec![&main, &old_away], needed(&[None], Some("old")), bad("old")),
            (vec![&main], needed(&[None], Some("old")), bad("old")),
            (vec![&main, &old], needed(&[None, Some("old")], Some("old")), good),
        ] {
            assert_eq!(unusable_one(&all, &needed), expected, "{all:?} {needed:?}");
        }
    }
}
