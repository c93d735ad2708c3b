//! Merge patches (RFC 7386) as Kubernetes takes them.

use serde_json::{Map, Value};

/// Applies `patch` to `target`: objects are merged key by key, null removes a key, everything else replaces.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_key_is_added_replaced_and_removed() {
        let mut target = json!({"metadata": {"annotations": {"a": "1", "b": "2"}, "name": "x"}});
        merge(
            &mut target,
            &json!({"metadata": {"annotations": {"b": null, "c": "3"}}}),
        );
        assert_eq!(
            target,
            json!({"metadata": {"annotations": {"a": "1", "c": "3"}, "name": "x"}})
        );
    }
}
