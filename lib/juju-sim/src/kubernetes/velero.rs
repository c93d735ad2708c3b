//! Velero's objects, as far as they can be listed. Without a Velero that is [at work](super::working) what is listed was put there.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The path of every resource of Velero's begins with these parts.
pub(super) const GROUP: [&str; 3] = ["apis", "velero.io", "v1"];

/// Velero's objects by plural name of their resource.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct VeleroObjects(BTreeMap<String, Vec<Value>>);

/// The resources that can be listed.
const LISTED: [(&str, &str); 4] = [
    ("backups", "Backup"),
    ("backupstoragelocations", "BackupStorageLocation"),
    ("podvolumebackups", "PodVolumeBackup"),
    ("schedules", "Schedule"),
];

impl VeleroObjects {
    /// Puts an object there; false if resources of its kind cannot be listed.
    pub fn put(&mut self, object: Value) -> bool {
        let plural = LISTED.iter().find(|(_, kind)| object["kind"] == **kind);
        if let Some((plural, _)) = plural {
            self.0.entry((*plural).to_owned()).or_default().push(object);
        }
        plural.is_some()
    }

    /// Puts these in the place of all objects of a resource.
    pub fn replace(&mut self, plural: &str, objects: Vec<Value>) {
        self.0.insert(plural.to_owned(), objects);
    }

    /// How many objects of a resource there are.
    pub fn count(&self, plural: &str) -> u64 {
        self.0.get(plural).map_or(0, |objects| objects.len() as u64)
    }

    /// The object of a resource with this namespace and name, to be changed.
    pub fn get_mut(&mut self, plural: &str, namespace: &str, name: &str) -> Option<&mut Value> {
        let mut objects = self.0.get_mut(plural)?.iter_mut();
        objects.find(|object| {
            let metadata = &object["metadata"];
            metadata["namespace"] == namespace && metadata["name"] == name
        })
    }

    /// Removes the object of a resource with this namespace and name, if there is one.
    pub fn remove(&mut self, plural: &str, namespace: &str, name: &str) {
        if let Some(objects) = self.0.get_mut(plural) {
            objects.retain(|object| {
                let metadata = &object["metadata"];
                metadata["namespace"] != namespace || metadata["name"] != name
            });
        }
    }

    /// The objects of a resource that the query selects, in all namespaces or in one, and their kind; `None` for a resource
    /// that cannot be listed.
    pub fn list(
        &self,
        plural: &str,
        namespace: Option<&str>,
        query: &str,
    ) -> Option<(&'static str, Vec<Value>)> {
        let (_, kind) = LISTED.iter().find(|(name, _)| *name == plural)?;
        let objects = self.0.get(plural).into_iter().flatten();
        let matching = objects.filter(|object| {
            matches_labels(object, query)
                && matches_name(object, query)
                && namespace.is_none_or(|namespace| object["metadata"]["namespace"] == *namespace)
        });
        Some((kind, matching.cloned().collect()))
    }
}

/// Whether an object has the labels that the query asks for.
pub(super) fn matches_labels(object: &Value, query: &str) -> bool {
    conditions(query, "labelSelector").iter().all(|(key, value)| {
        match (&object["metadata"]["labels"][key], value) {
            (found, Some(value)) => *found == **value,
            (found, None) => !found.is_null(),
        }
    })
}

/// Whether an object has the name that the query asks for.
pub(super) fn matches_name(object: &Value, query: &str) -> bool {
    conditions(query, "fieldSelector").iter().all(|(key, value)| {
        let name = object["metadata"]["name"].as_str();
        key == "metadata.name" && value.is_some() && name == value.as_deref()
    })
}

/// The conditions of a selector in a query: `key=value`, and `key` alone, which asks for a label of any value. Others ask for a
/// label that nothing has.
fn conditions(query: &str, name: &str) -> Vec<(String, Option<String>)> {
    let texts = query.split('&').filter_map(|part| part.split_once('='));
    let Some((_, text)) = texts.into_iter().find(|(key, _)| *key == name) else {
        return Vec::new();
    };
    decoded(text)
        .split(',')
        .map(|condition| match condition.split_once('=') {
            Some((key, value)) => (key.to_owned(), Some(value.trim_start_matches('=').to_owned())),
            None => (condition.to_owned(), None),
        })
        .collect()
}

/// A part of a query with its escapes resolved.
pub(super) fn decoded(text: &str) -> String {
    let mut bytes = text.bytes();
    let mut plain = Vec::new();
    while let Some(byte) = bytes.next() {
        let escaped = || u8::from_str_radix(text.get(text.len() - bytes.len()..)?.get(..2)?, 16).ok();
        match byte {
            b'+' => plain.push(b' '),
            b'%' => match escaped() {
                Some(value) => {
                    plain.push(value);
                    bytes.nth(1);
                }
                None => plain.push(byte),
            },
            _ => plain.push(byte),
        }
    }
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_list_holds_what_has_the_labels() {
        let mut objects = VeleroObjects::default();
        for app in ["radarr", "sonarr"] {
            let labels = json!({"app": app, "a.b/c": "x y"});
            assert!(objects.put(json!({"kind": "Backup", "metadata": {"name": app, "labels": labels}})));
        }
        assert!(!objects.put(json!({"kind": "Restore"})));
        let count = |query: &str| objects.list("backups", None, query).unwrap().1.len();
        assert_eq!(count("limit=500"), 2);
        assert_eq!(count("&limit=500&labelSelector=app%3Dradarr%2Ca.b%2Fc%3Dx+y"), 1);
        assert_eq!(count("labelSelector=app%3Dlidarr"), 0);
        assert_eq!(count("labelSelector=app+in+%28radarr%29"), 0);
        assert_eq!(count("labelSelector=app%3Dradarr%2Ca.b%2Fc"), 1);
        assert_eq!(count("labelSelector=app%3Dradarr%2Cendpoint"), 0);
        assert_eq!(
            objects.list("schedules", None, "").unwrap(),
            ("Schedule", Vec::new())
        );
        assert_eq!(objects.list("restores", None, ""), None);
        assert!(matches_name(
            &json!({"metadata": {"name": "a"}}),
            "fieldSelector=metadata.name%3Da"
        ));
        assert!(!matches_name(
            &json!({"metadata": {"name": "b"}}),
            "fieldSelector=metadata.name%3Da"
        ));
    }
}
