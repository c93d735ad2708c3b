//! Whose a backup is.

use velero_api::{BackupSpec, ObjectMeta, SCHEDULE_NAME_LABEL, SelectorOperator};

use super::names::{APP_LABEL, ENDPOINT_LABEL, JUJU_APP_LABEL, MODEL_LABEL};

/// The application: by the operator's labels, else by what the selector asks for.
pub(super) fn app(metadata: &ObjectMeta, spec: &BackupSpec) -> Option<String> {
    let label = |key: &str| metadata.labels.get(key).filter(|value| !value.is_empty());
    // `app` alone is a label that anybody may use for anything.
    match (label(APP_LABEL), label(ENDPOINT_LABEL)) {
        (Some(app), Some(_)) => Some(app.clone()),
        _ => selected(spec, JUJU_APP_LABEL),
    }
}

/// The model. The label of that name is the operator's own model on everything that a Schedule made, so the namespace that
/// is backed up counts. For a backup of several or of all namespaces it is the label if the backup was asked for by hand,
/// else `holding`: the namespaces that it holds a config volume of, if that is one.
pub(crate) fn model(metadata: &ObjectMeta, spec: &BackupSpec, holding: &[String]) -> Option<String> {
    let named = match spec.included_namespaces.as_slice() {
        [only] if only != "*" => Some(only),
        _ => None,
    };
    let by_hand = || {
        let label = metadata.labels.get(MODEL_LABEL).filter(|model| !model.is_empty());
        label.filter(|_| !metadata.labels.contains_key(SCHEDULE_NAME_LABEL))
    };
    let held = || match holding {
        [only] => Some(only),
        _ => None,
    };
    named.or_else(by_hand).or_else(held).cloned()
}

/// The one value that a backup's selector asks of a label.
pub(super) fn selected(spec: &BackupSpec, key: &str) -> Option<String> {
    let selector = spec.label_selector.as_ref()?;
    if let Some(value) = selector.match_labels.get(key) {
        return Some(value.clone()).filter(|value| !value.is_empty());
    }
    selector.match_expressions.iter().find_map(|condition| {
        match (condition.operator, condition.values.as_slice()) {
            (SelectorOperator::In, [only]) if condition.key == key => Some(only.clone()),
            _ => None,
        }
    })
}
