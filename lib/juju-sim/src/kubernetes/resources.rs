//! Objects of any kind that was put there, as an API server lists them to a person: by label, in pages.

use std::collections::BTreeMap;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::server::{not_found, refusal};
use super::velero::{decoded, matches_labels, matches_name};

/// A kind of objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Resource {
    api_version: &'static str,
    kind: &'static str,
    plural: &'static str,
    is_namespaced: bool,
}

macro_rules! known {
    ($($api_version:literal $kind:literal $plural:literal $is_namespaced:literal,)*) => {
        &[$(Resource { api_version: $api_version, kind: $kind, plural: $plural, is_namespaced: $is_namespaced },)*]
    };
}

/// What can be put there.
const KNOWN: &[Resource] = known! {
    "velero.io/v1" "Backup" "backups" true,
    "velero.io/v1" "BackupRepository" "backuprepositories" true,
    "velero.io/v1" "BackupStorageLocation" "backupstoragelocations" true,
    "velero.io/v1" "PodVolumeBackup" "podvolumebackups" true,
    "velero.io/v1" "PodVolumeRestore" "podvolumerestores" true,
    "velero.io/v1" "Restore" "restores" true,
    "velero.io/v1" "Schedule" "schedules" true,
    "v1" "Event" "events" true,
    "v1" "ServiceAccount" "serviceaccounts" true,
    "v1" "ConfigMap" "configmaps" true,
    "v1" "Namespace" "namespaces" false,
    "v1" "Node" "nodes" false,
    "v1" "PersistentVolume" "persistentvolumes" false,
    "v1" "PersistentVolumeClaim" "persistentvolumeclaims" true,
    "v1" "Pod" "pods" true,
    "v1" "Secret" "secrets" true,
    "apps/v1" "DaemonSet" "daemonsets" true,
    "apps/v1" "Deployment" "deployments" true,
    "apps/v1" "StatefulSet" "statefulsets" true,
    "apiextensions.k8s.io/v1" "CustomResourceDefinition" "customresourcedefinitions" false,
    "rbac.authorization.k8s.io/v1" "ClusterRole" "clusterroles" false,
    "rbac.authorization.k8s.io/v1" "ClusterRoleBinding" "clusterrolebindings" false,
    "snapshot.storage.k8s.io/v1" "VolumeSnapshotContent" "volumesnapshotcontents" false,
    "snapshot.storage.k8s.io/v1" "VolumeSnapshotClass" "volumesnapshotclasses" false,
    "storage.k8s.io/v1" "StorageClass" "storageclasses" false,
};

/// An object with its text: a list of ten thousand is made of texts.
#[derive(Debug, Clone)]
struct Kept {
    object: Value,
    text: String,
}

impl Kept {
    fn of(object: Value) -> Result<(&'static str, Self), String> {
        let has = |key: &str, value: &str| object[key] == *value;
        let is_it = |known: &&Resource| has("kind", known.kind) && has("apiVersion", known.api_version);
        let Some(resource) = KNOWN.iter().find(is_it) else {
            return Err(format!("{} of {}", object["kind"], object["apiVersion"]));
        };
        let text = object.to_string();
        Ok((resource.plural, Self { object, text }))
    }

    fn key(&self) -> (&Value, &Value) {
        let metadata = &self.object["metadata"];
        (&metadata["namespace"], &metadata["name"])
    }
}

/// The objects.
#[derive(Debug, Clone, Default)]
pub(super) struct Resources {
    objects: BTreeMap<&'static str, Vec<Kept>>,
    unknown_groups: Vec<String>,
    made: u64,
    versions: u64,
}

impl Resources {
    /// Puts an object there, in the place of the one of its namespace and name; the kind, if it is none of the known ones.
    pub fn put(&mut self, object: Value) -> Result<(), String> {
        let (plural, kept) = Kept::of(object)?;
        let objects = self.objects.entry(plural).or_default();
        match objects.iter().position(|other| other.key() == kept.key()) {
            Some(place) => objects[place] = kept,
            None => objects.push(kept),
        }
        Ok(())
    }

    /// Puts many there that are different from each other and from what is there.
    pub fn put_all(&mut self, objects: Vec<Value>) -> Result<(), String> {
        for object in objects {
            let (plural, kept) = Kept::of(object)?;
            self.objects.entry(plural).or_default().push(kept);
        }
        Ok(())
    }

    /// The next number of what is made.
    pub(super) fn next(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// Puts an object there in another version, and gives it back.
    pub(super) fn keep(&mut self, mut object: Value) -> Value {
        self.versions += 1;
        object["metadata"]["resourceVersion"] = json!(self.versions.to_string());
        // Of a kind that is not known a path was not known either.
        let _ = self.put(object.clone());
        object
    }

    /// Takes an object away.
    pub(super) fn forget(&mut self, object: &Value) {
        let metadata = &object["metadata"];
        for (plural, kept) in &mut self.objects {
            if KNOWN
                .iter()
                .any(|known| known.plural == *plural && object["kind"] == known.kind)
            {
                kept.retain(|kept| kept.key() != (&metadata["namespace"], &metadata["name"]));
            }
        }
    }

    /// The object that a path names.
    pub(super) fn get(&self, path: &str) -> Option<Value> {
        read_path(path)?.2?;
        self.matching(path).into_iter().next()
    }

    /// Whether a path names one object.
    pub(super) fn is_one(&self, path: &str) -> bool {
        read_path(path).is_some_and(|(_, _, name)| name.is_some())
    }

    /// The objects that a path names, one or all of a place.
    pub(super) fn matching(&self, path: &str) -> Vec<Value> {
        let Some((resource, namespace, name)) = read_path(path) else {
            return Vec::new();
        };
        let all = self.objects.get(resource.plural).into_iter().flatten();
        let is_it = |object: &Value| {
            let metadata = &object["metadata"];
            namespace.is_none_or(|namespace| metadata["namespace"] == *namespace)
                && name.is_none_or(|name| metadata["name"] == *name)
        };
        all.map(|kept| &kept.object)
            .filter(|object| is_it(object))
            .cloned()
            .collect()
    }

    /// From now on nothing of this group is known, as where its definitions are not installed.
    pub fn forget_group(&mut self, group: &str) {
        self.unknown_groups.push(group.to_owned());
    }

    /// Which resource a path is about: its plural name and its group, the empty text for the oldest one.
    pub fn about(path: &str) -> Option<(&'static str, &'static str)> {
        let (resource, _, _) = read_path(path)?;
        Some((resource.plural, group(resource)))
    }

    /// Answers a request for objects: status and text.
    pub fn answer(&self, method: &Method, path: &str, query: &str) -> (StatusCode, String) {
        let is_read = *method == Method::GET && !query.contains("watch=");
        let Some((resource, namespace, name)) = read_path(path).filter(|_| is_read) else {
            let text = format!("the stand-in Kubernetes does not know {method} {path}?{query}");
            let (status, object) = refusal(StatusCode::NOT_IMPLEMENTED, "NotImplemented", text);
            return (status, object.to_string());
        };
        if self
            .unknown_groups
            .iter()
            .any(|unknown| unknown == group(resource))
        {
            // Of a path that it does not know an API server says so in plain text.
            return (StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
        }
        let in_place = |kept: &&Kept| {
            namespace.is_none_or(|namespace| kept.object["metadata"]["namespace"] == *namespace)
        };
        let mut objects = self
            .objects
            .get(resource.plural)
            .into_iter()
            .flatten()
            .filter(in_place);
        if let Some(name) = name {
            return match objects.find(|kept| kept.object["metadata"]["name"] == *name) {
                Some(kept) => (StatusCode::OK, kept.text.clone()),
                None => {
                    let (status, object) = not_found(resource.plural, name);
                    (status, object.to_string())
                }
            };
        }
        let matching: Vec<&Kept> = objects
            .filter(|kept| matches_labels(&kept.object, query) && matches_name(&kept.object, query))
            .collect();
        (StatusCode::OK, page(resource, &matching, query))
    }
}

fn group(resource: &Resource) -> &'static str {
    resource
        .api_version
        .split_once('/')
        .map_or("", |(group, _)| group)
}

/// The resource, the namespace and the name in a path.
fn read_path(path: &str) -> Option<(&'static Resource, Option<&str>, Option<&str>)> {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (api_version, rest) = match parts.as_slice() {
        ["api", "v1", rest @ ..] => ("v1".to_owned(), rest),
        ["apis", group, version, rest @ ..] => (format!("{group}/{version}"), rest),
        _ => return None,
    };
    let known = |plural: &str| {
        let mut all = KNOWN.iter();
        all.find(|known| known.api_version == api_version && known.plural == plural)
    };
    match rest {
        [plural] => Some((known(plural)?, None, None)),
        ["namespaces", namespace, plural] => Some((known(plural)?, Some(namespace), None)),
        ["namespaces", namespace, plural, name] => Some((known(plural)?, Some(namespace), Some(name))),
        [plural, name] => {
            let resource = known(plural).filter(|resource| !resource.is_namespaced)?;
            Some((resource, None, Some(name)))
        }
        _ => None,
    }
}

/// As many of them as the query asks for at once, from where its token says.
fn page(resource: &Resource, matching: &[&Kept], query: &str) -> String {
    let number = |key: &str| {
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(found, _)| *found == key)?;
        decoded(value).parse::<usize>().ok()
    };
    let from = number("continue").unwrap_or(0).min(matching.len());
    let limit = number("limit").filter(|limit| *limit > 0).unwrap_or(usize::MAX);
    let to = from.saturating_add(limit).min(matching.len());
    let mut metadata = json!({"resourceVersion": "1"});
    if to < matching.len() {
        metadata["continue"] = json!(to.to_string());
        metadata["remainingItemCount"] = json!(matching.len() - to);
    }
    let texts: Vec<&str> = matching[from..to].iter().map(|kept| kept.text.as_str()).collect();
    format!(
        r#"{{"apiVersion":"{}","kind":"{}List","metadata":{metadata},"items":[{}]}}"#,
        resource.api_version,
        resource.kind,
        texts.join(",")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(name: &str, app: &str) -> Value {
        json!({"apiVersion": "velero.io/v1", "kind": "Backup",
            "metadata": {"name": name, "namespace": "velero", "labels": {"app": app}}})
    }

    fn get(resources: &Resources, path: &str, query: &str) -> (u16, Value) {
        let (status, text) = resources.answer(&Method::GET, path, query);
        (
            status.as_u16(),
            serde_json::from_str(&text).unwrap_or(text.into()),
        )
    }

    const BACKUPS: &str = "/apis/velero.io/v1/backups";

    #[test]
    fn a_long_list_comes_in_pages() {
        let mut resources = Resources::default();
        let all = (0..5).map(|number| backup(&format!("b{number}"), "radarr"));
        resources.put_all(all.collect()).unwrap();
        resources.put(backup("b0", "sonarr")).unwrap();
        let names = |answer: &Value| {
            let items = answer["items"].as_array().unwrap();
            let names = items
                .iter()
                .map(|item| item["metadata"]["name"].as_str().unwrap().to_owned());
            names.collect::<Vec<String>>()
        };
        let (_, first) = get(&resources, BACKUPS, "limit=3");
        assert_eq!(names(&first), ["b0", "b1", "b2"]);
        assert_eq!(first["metadata"]["remainingItemCount"], 2);
        let rest = format!(
            "limit=3&continue={}",
            first["metadata"]["continue"].as_str().unwrap()
        );
        let (_, second) = get(&resources, BACKUPS, &rest);
        assert_eq!(names(&second), ["b3", "b4"]);
        assert!(second["metadata"].get("continue").is_none(), "{second}");
        let (_, labelled) = get(&resources, BACKUPS, "&limit=500&labelSelector=app%3Dsonarr");
        assert_eq!(names(&labelled), ["b0"]);
        let (_, elsewhere) = get(&resources, "/apis/velero.io/v1/namespaces/other/backups", "");
        assert!(names(&elsewhere).is_empty());
    }

    #[test]
    fn what_it_was_not_told_of_is_refused() {
        let mut resources = Resources::default();
        assert!(
            resources
                .put(json!({"apiVersion": "v1", "kind": "Backup"}))
                .is_err()
        );
        assert!(
            resources
                .put_all(vec![json!({"apiVersion": "v1", "kind": "Backup"})])
                .is_err()
        );
        for (path, query, status) in [
            ("/apis/velero.io/v1/downloadrequests", "", 501),
            (BACKUPS, "watch=true", 501),
            ("/version", "", 501),
            ("/apis/velero.io/v1/namespaces/velero/backups/b9", "", 404),
            ("/api/v1/nodes/n9", "", 404),
            ("/api/v1/pods/p", "", 501),
        ] {
            assert_eq!(get(&resources, path, query).0, status, "{path}");
        }
        let (status, _) = resources.answer(&Method::DELETE, BACKUPS, "");
        assert_eq!(status.as_u16(), 501);
        resources.forget_group("velero.io");
        assert_eq!(get(&resources, BACKUPS, ""), (404, json!("404 page not found\n")));
        assert_eq!(get(&resources, "/api/v1/pods", "").0, 200);
    }
}
