//! StatefulSets: the template that an application's pods are made from, and the patches that change it.

use serde_json::{Map, Value, json};

use super::Objects;
use super::names::{REVISION, revision, suffix, volume_name};
use super::objects::PodParts;
use super::patch;

impl Objects {
    /// Writes an application's StatefulSet and its account as Juju does. What others changed in it is gone.
    pub fn put_stateful_set(&mut self, parts: &PodParts) {
        let app = parts.app();
        let labels = json!({"app.kubernetes.io/name": app});
        let data = json!({"name": "charm-data", "mountPath": "/var/lib/juju", "subPath": "var/lib/juju"});
        let data_again = data.clone();
        // As recorded from Juju 4.0.15.
        let base = "ghcr.io/juju/charm-base:ubuntu-24.04";
        let mut containers = vec![json!({"name": "charm", "image": base, "volumeMounts": [data]})];
        for container in &parts.containers {
            let mounts = parts.storage.iter().flat_map(|storage| {
                let mounted = storage.mounts.iter().filter(|(at, _)| at == container);
                mounted.map(|(_, path)| json!({"name": volume_name(app, &storage.name), "mountPath": path}))
            });
            let image = format!("registry.example/{container}:1");
            containers
                .push(json!({"name": container, "image": image, "volumeMounts": mounts.collect::<Vec<_>>()}));
        }
        let set = json!({
            "apiVersion": "apps/v1", "kind": "StatefulSet",
            "metadata": {"name": app, "namespace": self.namespace, "uid": uid(app),
                         "labels": {"app.kubernetes.io/name": app, "app.kubernetes.io/managed-by": "juju"}},
            "spec": {
                "selector": {"matchLabels": labels},
                "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
                "template": {
                    "metadata": {"labels": labels, "annotations": {"juju.is/version": "4.0.15"}},
                    "spec": {"initContainers": [{"name": "charm-init", "volumeMounts": [data_again]}],
                             "containers": containers, "volumes": [{"name": "charm-data", "emptyDir": {}}]},
                },
            },
        });
        self.stateful_sets.insert(app.to_owned(), set);
        self.put_account(app);
    }

    /// Removes an application's StatefulSet, and what belongs to it as Kubernetes' garbage collector does.
    pub fn remove_stateful_set(&mut self, app: &str) {
        self.stateful_sets.remove(app);
        for objects in self.applied.values_mut() {
            objects.retain(|_, object| {
                let owners = object["metadata"]["ownerReferences"].as_array();
                !owners.into_iter().flatten().any(|owner| owner["uid"] == uid(app))
            });
        }
    }

    /// Whether an object's owners are StatefulSets that are there: of another it would be collected at once.
    pub(super) fn has_sound_owners(&self, object: &Value) -> bool {
        let owners = &object["metadata"]["ownerReferences"];
        let is_sound = |owner: &Value| {
            let name = owner["name"].as_str().unwrap_or_default();
            let set = (owner["apiVersion"] == "apps/v1" && owner["kind"] == "StatefulSet")
                .then(|| self.stateful_sets.get(name));
            set.flatten()
                .is_some_and(|set| set["metadata"]["uid"] == owner["uid"])
        };
        owners.is_null()
            || owners
                .as_array()
                .is_some_and(|owners| owners.iter().all(is_sound))
    }

    /// Units whose pods are not what their StatefulSet says now, the highest number first, as its controller goes.
    pub fn outdated(&self) -> Vec<String> {
        let is_outdated = |app: &str, pod: &Value| {
            let template = self.stateful_sets.get(app).map(|set| &set["spec"]["template"]);
            template.is_some_and(|template| pod["metadata"]["labels"][REVISION] != revision(app, template))
        };
        let mut units: Vec<(String, u32)> = self
            .pods
            .iter()
            .filter_map(|(name, pod)| {
                let (app, number) = name.rsplit_once('-')?;
                is_outdated(app, pod).then_some((app.to_owned(), number.parse().ok()?))
            })
            .collect();
        units.sort_by(|one, other| (&one.0, other.1).cmp(&(&other.0, one.1)));
        units
            .into_iter()
            .map(|(app, number)| format!("{app}/{number}"))
            .collect()
    }

    /// Applies a strategic merge patch, if it is one of what the pods mount, or of containers beside those of Juju's.
    ///
    /// # Errors
    /// What it holds that the stand-in was not told of, or that Kubernetes would refuse.
    pub fn patch_stateful_set(&mut self, app: &str, change: &Value) -> Result<(), String> {
        let Some(set) = self.stateful_sets.get(app) else {
            return Err(format!("statefulsets {app:?} not found"));
        };
        let mut changed = set.clone();
        let template = only(only(change, &["spec"])?.get("spec"), &["template"])?;
        let template = template.get("template").cloned().unwrap_or(Value::Null);
        only(Some(&template), &["metadata", "spec"])?;
        let annotations = only(template.get("metadata"), &["annotations"])?;
        patch::merge(
            &mut changed["spec"]["template"]["metadata"],
            &Value::Object(annotations.clone()),
        );
        let pods = only(template.get("spec"), &["volumes", "containers", "initContainers"])?;
        for volume in items(pods.get("volumes"))? {
            only(
                Some(volume),
                &["name", "persistentVolumeClaim", "configMap", "$patch"],
            )?;
            let claim = volume["persistentVolumeClaim"]["claimName"].as_str();
            if let Some(claim) = claim.filter(|claim| !self.claims.contains_key(*claim)) {
                return Err(format!(
                    "the stand-in starts no pod whose claim {claim:?} is not there"
                ));
            }
            let settings = volume["configMap"]["name"].as_str();
            if let Some(name) = settings.filter(|name| self.applied("configmaps", name).is_none()) {
                return Err(format!(
                    "the stand-in starts no pod whose ConfigMap {name:?} is not there"
                ));
            }
            merge_item(
                &mut changed["spec"]["template"]["spec"]["volumes"],
                "name",
                volume,
            )?;
        }
        for list in ["initContainers", "containers"] {
            for container in items(pods.get(list))? {
                merge_container(&mut changed["spec"]["template"]["spec"][list], container)?;
            }
        }
        is_sound(&changed, app)?;
        self.stateful_sets.insert(app.to_owned(), changed);
        Ok(())
    }
}

/// The id of an application's StatefulSet.
fn uid(app: &str) -> String {
    format!("uid-of-set-{app}")
}

/// Kubernetes takes no mount of a volume that is not there. Volumes of storage come from claim templates.
fn is_sound(set: &Value, app: &str) -> Result<(), String> {
    let spec = &set["spec"]["template"]["spec"];
    let volumes = items(spec.get("volumes"))?;
    let init = items(spec.get("initContainers"))?;
    for container in init.iter().chain(items(spec.get("containers"))?) {
        for mount in items(container.get("volumeMounts"))? {
            let name = mount["name"].as_str().unwrap_or_default();
            let is_there = volumes.iter().any(|volume| volume["name"] == name);
            let is_storage = name.starts_with(&format!("{app}-")) && name.ends_with(&suffix(app));
            if !is_there && !is_storage {
                return Err(format!("volumeMounts.name: Not found: {name:?}"));
            }
        }
    }
    Ok(())
}

/// Merges a container into its list. Of Juju's own the mounts may be changed; others have a command of their own, and may come,
/// change and go.
fn merge_container(list: &mut Value, container: &Value) -> Result<(), String> {
    let known = list.as_array_mut().into_iter().flatten();
    let mut known = known.filter(|known| known["name"] == container["name"]);
    match known.next().filter(|known| known["command"].is_null()) {
        Some(of_juju) => {
            only(Some(container), &["name", "volumeMounts"])?;
            for mount in items(container.get("volumeMounts"))? {
                only(Some(mount), &["mountPath", "name", "$patch"])?;
                merge_item(&mut of_juju["volumeMounts"], "mountPath", mount)?;
            }
            Ok(())
        }
        None => {
            let keys = [
                "name",
                "image",
                "command",
                "env",
                "securityContext",
                "volumeMounts",
                "$patch",
            ];
            only(Some(container), &keys)?;
            let is_whole = container["image"].is_string() && container["command"].is_array();
            if container.get("$patch").is_none() && !is_whole {
                return Err(format!(
                    "there is no container {}, and it cannot be made without image and command",
                    container["name"]
                ));
            }
            merge_item(list, "name", container)
        }
    }
}

/// Merges an item into a list whose items are told apart by `key`.
fn merge_item(list: &mut Value, key: &str, item: &Value) -> Result<(), String> {
    let Value::Array(list) = list else {
        return Err("the stand-in has no list there".to_owned());
    };
    let place = list.iter().position(|known| known[key] == item[key]);
    match (item.get("$patch").map(|directive| directive == "delete"), place) {
        (Some(false), _) => Err("the stand-in knows the directive delete only".to_owned()),
        (Some(true), place) => {
            if let Some(place) = place {
                list.remove(place);
            }
            Ok(())
        }
        (None, Some(place)) => {
            patch::merge(&mut list[place], item);
            Ok(())
        }
        (None, None) => {
            list.push(item.clone());
            Ok(())
        }
    }
}

/// The keys of an object, if it has no others. Nothing counts as an empty one.
fn only<'a>(value: impl Into<Option<&'a Value>>, keys: &[&str]) -> Result<&'a Map<String, Value>, String> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    let Some(value) = value.into() else {
        return Ok(&EMPTY);
    };
    let object = value.as_object().ok_or("there should be an object")?;
    match object.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!(
            "the stand-in lets what pods mount and added containers be patched only, not {key:?}"
        )),
        None => Ok(object),
    }
}

fn items(value: Option<&Value>) -> Result<&[Value], String> {
    match value {
        None => Ok(&[]),
        Some(Value::Array(items)) => Ok(items),
        Some(_) => Err("there should be a list".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn objects() -> Objects {
        let mut objects = Objects::default();
        objects.put_pod(&PodParts {
            unit: "radarr/0".to_owned(),
            storage: Vec::new(),
            containers: vec!["radarr".to_owned()],
        });
        objects.put_shared_claim("media");
        objects
    }

    fn mounted(mount: Value, volume: Value) -> Value {
        json!({"spec": {"template": {"spec": {"volumes": [volume],
            "containers": [{"name": "radarr", "volumeMounts": [mount]}]}}}})
    }

    fn media() -> Value {
        mounted(
            json!({"name": "m", "mountPath": "/data"}),
            json!({"name": "m", "persistentVolumeClaim": {"claimName": "media"}}),
        )
    }

    #[test]
    fn a_changed_template_outdates_the_pods_until_it_is_as_it_was() {
        let mut objects = objects();
        assert_eq!(objects.outdated(), Vec::<String>::new());
        objects.patch_stateful_set("radarr", &media()).unwrap();
        assert_eq!(objects.outdated(), ["radarr/0"]);
        let once = objects.stateful_sets["radarr"].clone();
        objects.patch_stateful_set("radarr", &media()).unwrap();
        assert_eq!(objects.stateful_sets["radarr"], once);
        let back = mounted(
            json!({"mountPath": "/data", "$patch": "delete"}),
            json!({"name": "m", "$patch": "delete"}),
        );
        objects.patch_stateful_set("radarr", &back).unwrap();
        assert_eq!(objects.outdated(), Vec::<String>::new());
    }

    fn sidecar(mounts: Value) -> Value {
        let container = json!({"name": "side", "image": "x:1", "command": ["/x"], "volumeMounts": mounts});
        json!({"spec": {"template": {"spec": {"initContainers": [container], "containers": [container]}}}})
    }

    fn with_settings(mounts: Value) -> Value {
        let mut change = sidecar(mounts);
        change["spec"]["template"]["spec"]["volumes"] =
            json!([{"name": "settings", "configMap": {"name": "side"}}]);
        change
    }

    #[test]
    fn containers_beside_those_of_juju_come_once_and_go() {
        let mut objects = objects();
        let before = objects.stateful_sets["radarr"].clone();
        let settings = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "side"}, "data": {"a": "1"}});
        objects.apply("configmaps", "side", &settings).unwrap();
        let change = with_settings(json!([{"name": "settings", "mountPath": "/config"}]));
        objects.patch_stateful_set("radarr", &change).unwrap();
        assert_eq!(objects.outdated(), ["radarr/0"]);
        let once = objects.stateful_sets["radarr"].clone();
        objects.patch_stateful_set("radarr", &change).unwrap();
        assert_eq!(objects.stateful_sets["radarr"], once);
        let spec = &once["spec"]["template"]["spec"];
        assert_eq!(spec["initContainers"][1]["name"], "side");
        assert_eq!(spec["containers"][2]["name"], "side");
        let gone = json!([{"name": "side", "$patch": "delete"}]);
        let back = json!({"spec": {"template": {"spec": {"initContainers": gone, "containers": gone,
            "volumes": [{"name": "settings", "$patch": "delete"}]}}}});
        objects.patch_stateful_set("radarr", &back).unwrap();
        assert_eq!(objects.stateful_sets["radarr"], before);
    }

    #[test]
    fn what_it_was_not_told_of_is_refused_and_changes_nothing() {
        let mut objects = objects();
        let before = objects.stateful_sets.clone();
        let no_claim = json!({"name": "m", "persistentVolumeClaim": {"claimName": "none"}});
        let mount = json!({"name": "m", "mountPath": "/data"});
        for change in [
            json!({"metadata": {"labels": {}}}),
            json!({"spec": {"replicas": 0}}),
            json!({"spec": {"template": {"spec": {"hostNetwork": true}}}}),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "radarr", "image": "x"}]}}}}),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "other", "volumeMounts": []}]}}}}),
            json!({"spec": {"template": {"spec": {"containers": [{"name": "radarr", "$patch": "delete"}]}}}}),
            sidecar(json!([{"name": "none", "mountPath": "/config"}])),
            with_settings(json!([])),
            mounted(mount.clone(), no_claim),
            mounted(mount, json!({"name": "other", "$patch": "delete"})),
        ] {
            assert!(objects.patch_stateful_set("radarr", &change).is_err(), "{change}");
        }
        assert_eq!(objects.stateful_sets, before);
    }
}
