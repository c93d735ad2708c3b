//! From a client's databag to the specs of Velero's objects, as velero-operator does it: it checks types, no values.

use juju_hook_tools::model::Databag;
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use std::collections::BTreeMap;
use velero_api::{BackupSpec, LabelSelector, ScheduleSpec};
use velero_backup_config::{APP_KEY, MODEL_KEY, RELATION_NAME_KEY, SPEC_KEY};

/// Names of the storage locations that the operator makes: backup and volume snapshots.
const LOCATION: &str = "default";

/// The `spec` of a databag. Keys under another spelling and unknown ones are skipped, as pydantic skips them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub(super) struct WireSpec {
    pub include_namespaces: Option<Vec<String>>,
    pub include_resources: Option<Vec<String>>,
    pub exclude_namespaces: Option<Vec<String>>,
    pub exclude_resources: Option<Vec<String>>,
    pub label_selector: Option<BTreeMap<String, String>>,
    pub ttl: Option<String>,
    #[serde(deserialize_with = "lax_bool")]
    pub include_cluster_resources: Option<bool>,
    pub schedule: Option<String>,
    #[serde(deserialize_with = "lax_bool")]
    pub paused: Option<bool>,
    #[serde(deserialize_with = "lax_bool")]
    pub skip_immediately: Option<bool>,
    #[serde(deserialize_with = "lax_bool")]
    pub use_owner_references_in_backup: Option<bool>,
}

/// The group of backups that a databag names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group<'a> {
    pub app: &'a str,
    pub endpoint: &'a str,
    /// The client's model, which the operator does not look at for Schedules.
    pub model: Option<&'a str>,
}

impl<'a> Group<'a> {
    /// None unless the bag names both app and endpoint.
    pub fn of(bag: &'a Databag) -> Option<Group<'a>> {
        let text = |key| bag.get(key).map(String::as_str).filter(|text| !text.is_empty());
        Some(Group {
            app: text(APP_KEY)?,
            endpoint: text(RELATION_NAME_KEY)?,
            model: text(MODEL_KEY),
        })
    }

    /// `generateName` of what is made for it.
    pub fn prefix(&self) -> String {
        format!("{}-{}-", self.app, self.endpoint)
    }
}

impl WireSpec {
    /// Reads the bag's `spec`. A missing one is read as an empty object.
    ///
    /// # Errors
    /// In words, when it is no JSON object, or a known field has the wrong type.
    pub fn read(bag: &Databag) -> Result<WireSpec, String> {
        let text = bag.get(SPEC_KEY).map_or("{}", String::as_str);
        let value: Value =
            serde_json::from_str(text).map_err(|error| format!("spec is not JSON: {error}"))?;
        if !value.is_object() {
            return Err("spec is not a JSON object".to_owned());
        }
        serde_json::from_value(value).map_err(|error| format!("spec has a field of another type: {error}"))
    }

    /// Whether nothing narrows it to some namespaces.
    pub fn takes_every_namespace(&self) -> bool {
        let names = self.include_namespaces.as_deref().unwrap_or_default();
        names.is_empty() || names.iter().any(|name| name == "*")
    }

    /// The spec of a Backup, also the template of a Schedule. `fs_backup`: `default-volumes-to-fs-backup`.
    pub fn backup(&self, fs_backup: bool) -> BackupSpec {
        let selector = self.label_selector.clone().filter(|labels| !labels.is_empty());
        BackupSpec {
            included_namespaces: self.include_namespaces.clone().unwrap_or_default(),
            excluded_namespaces: self.exclude_namespaces.clone().unwrap_or_default(),
            included_resources: self.include_resources.clone().unwrap_or_default(),
            excluded_resources: self.exclude_resources.clone().unwrap_or_default(),
            label_selector: selector.map(LabelSelector::labels),
            ttl: self.ttl.clone(),
            include_cluster_resources: self.include_cluster_resources,
            storage_location: Some(LOCATION.to_owned()),
            volume_snapshot_locations: vec![LOCATION.to_owned()],
            default_volumes_to_fs_backup: Some(fs_backup),
            ..BackupSpec::default()
        }
    }

    /// The spec of a Schedule; none without a schedule, and with an empty one.
    pub fn schedule(&self, fs_backup: bool) -> Option<ScheduleSpec> {
        let schedule = self.schedule.clone().filter(|schedule| !schedule.is_empty())?;
        Some(ScheduleSpec {
            template: self.backup(fs_backup),
            schedule,
            use_owner_references_in_backup: self.use_owner_references_in_backup,
            paused: self.paused,
            skip_immediately: self.skip_immediately,
        })
    }
}

/// What pydantic takes for a boolean beside true and false.
fn lax_bool<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<bool>, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let text = match &value {
        Value::Null => return Ok(None),
        Value::Bool(flag) => return Ok(Some(*flag)),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.to_ascii_lowercase(),
        Value::Array(_) | Value::Object(_) => String::new(),
    };
    match text.as_str() {
        "1" | "1.0" | "t" | "true" | "y" | "yes" | "on" => Ok(Some(true)),
        "0" | "0.0" | "f" | "false" | "n" | "no" | "off" => Ok(Some(false)),
        _ => Err(serde::de::Error::custom(format!(
            "{value} is neither true nor false"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bag(spec: &str) -> Databag {
        [
            ("app", "radarr"),
            ("relation_name", "backup"),
            ("model", "media"),
            ("spec", spec),
        ]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
    }

    fn read(spec: &str) -> WireSpec {
        WireSpec::read(&bag(spec)).unwrap()
    }

    #[test]
    fn all_eleven_fields_reach_the_schedule() {
        let spec = read(
            r#"{"include_namespaces":["media"],"include_resources":["pods"],"exclude_namespaces":["kube-system"],
                "exclude_resources":["secrets"],"label_selector":{"app.kubernetes.io/name":"radarr"},"ttl":"720h",
                "include_cluster_resources":false,"schedule":"0 3 * * *","paused":true,"skip_immediately":false,
                "use_owner_references_in_backup":true}"#,
        );
        let template = json!({
            "includedNamespaces": ["media"],
            "excludedNamespaces": ["kube-system"],
            "includedResources": ["pods"],
            "excludedResources": ["secrets"],
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "radarr"}},
            "ttl": "720h",
            "includeClusterResources": false,
            "storageLocation": "default",
            "volumeSnapshotLocations": ["default"],
            "defaultVolumesToFsBackup": false,
        });
        assert_eq!(json!(spec.backup(false)), template);
        let schedule = json!({
            "template": template,
            "schedule": "0 3 * * *",
            "useOwnerReferencesInBackup": true,
            "paused": true,
            "skipImmediately": false,
        });
        assert_eq!(json!(spec.schedule(false).unwrap()), schedule);
    }

    #[test]
    fn what_is_unset_is_left_out() {
        let nulls = r#"{"include_namespaces":null,"include_resources":null,"exclude_namespaces":null,
            "exclude_resources":null,"label_selector":{},"ttl":null,"include_cluster_resources":null,
            "schedule":"@daily","paused":null,"skip_immediately":null,"use_owner_references_in_backup":null}"#;
        let template = json!({
            "storageLocation": "default",
            "volumeSnapshotLocations": ["default"],
            "defaultVolumesToFsBackup": true,
        });
        let expected = json!({"template": template, "schedule": "@daily"});
        assert_eq!(json!(read(nulls).schedule(true).unwrap()), expected);
        assert_eq!(
            json!(read(r#"{"schedule":"@daily"}"#).schedule(true).unwrap()),
            expected
        );
    }

    #[test]
    fn no_schedule_and_an_empty_one_are_the_same() {
        for spec in ["{}", r#"{"schedule":null}"#, r#"{"schedule":""}"#] {
            assert_eq!(read(spec).schedule(true), None, "{spec}");
        }
    }

    #[test]
    fn other_spellings_are_skipped_without_a_word() {
        let other = r#"{"include-namespaces":["media"],"includedNamespaces":["media"],"labelSelector":{"a":"b"},"x":1}"#;
        assert_eq!(read(other), WireSpec::default());
        assert!(read(other).takes_every_namespace());
    }

    #[test]
    fn a_missing_spec_is_an_empty_one() {
        let mut bag = bag("");
        bag.remove("spec");
        assert_eq!(WireSpec::read(&bag), Ok(WireSpec::default()));
    }

    #[test]
    fn values_are_not_looked_at_but_types_are() {
        let odd =
            read(r#"{"ttl":"30d","schedule":"soon","include_namespaces":["No Such Name"],"paused":"yes"}"#);
        assert_eq!(
            (odd.ttl.as_deref(), odd.schedule.as_deref(), odd.paused),
            (Some("30d"), Some("soon"), Some(true))
        );
        for wrong in [
            "",
            "null",
            "[]",
            "7",
            "{",
            r#""{}""#,
            r#"{"ttl":720}"#,
            r#"{"include_namespaces":"media"}"#,
            r#"{"paused":"maybe"}"#,
            r#"{"paused":2}"#,
            r#"{"label_selector":{"a":1}}"#,
        ] {
            assert!(WireSpec::read(&bag(wrong)).is_err(), "{wrong} was taken");
        }
    }

    #[test]
    fn a_group_needs_app_and_endpoint() {
        let mut bag = bag("{}");
        let group = Group {
            app: "radarr",
            endpoint: "backup",
            model: Some("media"),
        };
        assert_eq!(Group::of(&bag), Some(group));
        assert_eq!(group.prefix(), "radarr-backup-");
        bag.remove("model");
        assert_eq!(Group::of(&bag), Some(Group { model: None, ..group }));
        bag.remove("app");
        assert_eq!(Group::of(&bag), None);
    }

    #[test]
    fn every_namespace_is_none_named_or_a_star() {
        for spec in [
            "{}",
            r#"{"include_namespaces":[]}"#,
            r#"{"include_namespaces":["media","*"]}"#,
        ] {
            assert!(read(spec).takes_every_namespace(), "{spec}");
        }
        assert!(!read(r#"{"include_namespaces":["media"]}"#).takes_every_namespace());
    }
}
