//! ConfigMaps and NetworkPolicies, which a charm makes itself by server-side apply.

use serde_json::Value;

use super::Objects;

/// The kinds, as in a path: version, name of the kind, and the part that holds the content.
const KINDS: [(&str, &str, &str, &str); 2] = [
    ("configmaps", "v1", "ConfigMap", "data"),
    ("networkpolicies", "networking.k8s.io/v1", "NetworkPolicy", "spec"),
];

impl Objects {
    /// An object that was applied.
    pub fn applied(&self, kind: &str, name: &str) -> Option<&Value> {
        self.applied.get(kind)?.get(name)
    }

    /// Makes or replaces an object. One manager owns all of it here: what it does not name any more is gone.
    ///
    /// # Errors
    /// What the object holds that the stand-in was not told of.
    pub fn apply(&mut self, kind: &str, name: &str, object: &Value) -> Result<Value, String> {
        let Some((_, version, kind_name, content)) = KINDS.into_iter().find(|(known, ..)| *known == kind)
        else {
            return Err(format!("the stand-in applies no {kind}"));
        };
        if object["apiVersion"] != version
            || object["kind"] != kind_name
            || object["metadata"]["name"] != name
        {
            return Err(format!("there should be the {kind_name} {name:?} of {version}"));
        }
        if !self.has_sound_owners(object) {
            return Err(format!("the {kind_name} has an owner that is not there"));
        }
        let keys = ["apiVersion", "kind", "metadata", content];
        let other = object.as_object().into_iter().flatten();
        if let Some((key, _)) = other.into_iter().find(|(key, _)| !keys.contains(&key.as_str())) {
            return Err(format!("the stand-in knows no {key:?} of a {kind_name}"));
        }
        let is_sound = match kind {
            "configmaps" => object[content]
                .as_object()
                .is_some_and(|data| data.values().all(Value::is_string)),
            // An egress policy; the API server would take more.
            _ => {
                object[content]["podSelector"].is_object()
                    && object[content]["policyTypes"] == serde_json::json!(["Egress"])
                    && object[content]["egress"].is_array()
            }
        };
        if !is_sound {
            return Err(format!("the stand-in knows no such {content} of a {kind_name}"));
        }
        let mut kept = object.clone();
        kept["metadata"]["namespace"] = Value::String(self.namespace.clone());
        let objects = self.applied.entry(kind.to_owned()).or_default();
        objects.insert(name.to_owned(), kept.clone());
        Ok(kept)
    }

    /// Deletes an object; tells whether there was one.
    pub fn delete_applied(&mut self, kind: &str, name: &str) -> bool {
        let objects = self.applied.get_mut(kind);
        objects.is_some_and(|objects| objects.remove(name).is_some())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_it_was_not_told_of_is_not_applied() {
        let mut objects = Objects::default();
        let good =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"x": "1"}});
        objects.apply("configmaps", "a", &good).unwrap();
        for (key, value) in [
            ("kind", json!("Secret")),
            ("metadata", json!({"name": "b"})),
            (
                "metadata",
                json!({"name": "a", "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "a", "uid": "1"}]}),
            ),
            ("data", json!({"x": 1})),
            ("binaryData", json!({})),
        ] {
            let mut bad = good.clone();
            bad[key] = value;
            assert!(objects.apply("configmaps", "a", &bad).is_err(), "{bad}");
        }
        assert!(objects.apply("secrets", "a", &good).is_err());
        assert_eq!(
            objects.applied("configmaps", "a").unwrap()["data"],
            json!({"x": "1"})
        );
        assert!(objects.delete_applied("configmaps", "a"));
        assert!(!objects.delete_applied("configmaps", "a"));
    }
}
