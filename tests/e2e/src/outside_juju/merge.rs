//! What several pods say, as one answer.

use serde_json::{Map, Value};

/// Adds the second answer's lists to those of the first.
pub fn lists(all: &mut Value, answer: Value) {
    let (Some(all), Value::Object(answer)) = (all.as_object_mut(), answer) else {
        return;
    };
    for (name, value) in answer {
        match (all.get_mut(&name), value) {
            (Some(Value::Array(items)), Value::Array(more)) => items.extend(more),
            (_, value) => _ = all.insert(name, value),
        }
    }
}

/// Adds the applications and the storage of another pod of the model. Each pod numbers its storage from 0; in a model no two
/// have the same number.
pub fn status(all: &mut Value, mut answer: Value) {
    let mut applications = taken(all, "applications");
    applications.extend(taken(&mut answer, "applications"));
    all["applications"] = applications.into();
    if answer.get("storage").is_none() {
        return;
    }
    let mut numbered: Value = taken(all, "storage").into();
    let mut instances = taken(&mut numbered, "storage");
    let mut filesystems = taken(&mut numbered, "filesystems");
    let mut more: Value = taken(&mut answer, "storage").into();
    let mut others = taken(&mut more, "storage");
    for mut filesystem in taken(&mut more, "filesystems").into_iter().map(|(_, one)| one) {
        let id = filesystem["storage"].as_str().unwrap_or_default().to_owned();
        let name = id.split('/').next().unwrap_or_default();
        let number = filesystems.len();
        let new_id = format!("{name}/{number}");
        filesystem["storage"] = new_id.clone().into();
        if let Some(instance) = others.remove(&id) {
            instances.insert(new_id, instance);
        }
        filesystems.insert(number.to_string(), filesystem);
    }
    numbered["storage"] = instances.into();
    numbered["filesystems"] = filesystems.into();
    all["storage"] = numbered;
}

/// Adds the applications and the relations of another pod's bundle. Each pod has its own stand-in for what makes backups.
pub fn bundle(all: &mut Value, mut answer: Value) {
    let mut applications = taken(all, "applications");
    for (app, deployed) in taken(&mut answer, "applications") {
        applications.entry(app).or_insert(deployed);
    }
    all["applications"] = applications.into();
    let more = answer.get_mut("relations").map(Value::take);
    match (all.get_mut("relations"), more) {
        (Some(Value::Array(relations)), Some(Value::Array(more))) => relations.extend(more),
        (None, Some(more)) => all["relations"] = more,
        _ => {}
    }
}

/// The fields of a part, which is no longer there.
fn taken(value: &mut Value, part: &str) -> Map<String, Value> {
    match value.get_mut(part).map(Value::take) {
        Some(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(app: &str) -> Value {
        json!({
            "model": { "name": "home" },
            "applications": { app: { "scale": 1 } },
            "storage": {
                "storage": { "config/0": { "of": app } },
                "filesystems": { "0": { "storage": "config/0", "provider-id": app } },
            },
        })
    }

    #[test]
    fn each_app_and_each_volume_of_each_pod_is_there_once() {
        let mut all = pod("radarr");
        status(&mut all, pod("sonarr"));
        status(&mut all, json!({ "applications": { "plain": {} } }));
        assert_eq!(
            all,
            json!({
                "model": { "name": "home" },
                "applications": { "radarr": { "scale": 1 }, "sonarr": { "scale": 1 }, "plain": {} },
                "storage": {
                    "storage": { "config/0": { "of": "radarr" }, "config/1": { "of": "sonarr" } },
                    "filesystems": {
                        "0": { "storage": "config/0", "provider-id": "radarr" },
                        "1": { "storage": "config/1", "provider-id": "sonarr" },
                    },
                },
            })
        );
    }

    #[test]
    fn a_bundle_has_the_applications_and_relations_of_all_pods() {
        let mut all = json!({"bundle": "kubernetes", "applications": {"radarr": {}, "velero-operator": {}}});
        bundle(
            &mut all,
            json!({"applications": {"sonarr": {}, "velero-operator": {"scale": 1}}, "relations": [["a", "b"]]}),
        );
        bundle(&mut all, json!({"applications": {}, "relations": [["c", "d"]]}));
        assert_eq!(
            all,
            json!({
                "bundle": "kubernetes",
                "applications": {"radarr": {}, "sonarr": {}, "velero-operator": {}},
                "relations": [["a", "b"], ["c", "d"]],
            })
        );
    }

    #[test]
    fn lists_of_models_become_one() {
        let mut all = json!({});
        lists(&mut all, json!({ "models": [1], "current-model": "a" }));
        lists(&mut all, json!({ "models": [2], "current-model": "b" }));
        assert_eq!(all["models"], json!([1, 2]));
    }
}
