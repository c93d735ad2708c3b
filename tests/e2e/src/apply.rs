//! Puts objects given as JSON into a cluster, whatever their kind.

use anyhow::{Context, Result};
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::{Api, Client};
use serde_json::Value;

/// Name under which the bed changes objects.
const MANAGER: &str = "configuratarr-e2e";

/// Applies `objects` in order.
///
/// # Errors
/// The first one that the API server refuses, by name.
pub async fn all(client: &Client, objects: &[Value]) -> Result<()> {
    for object in objects {
        one(client, object).await?;
    }
    Ok(())
}

/// Applies `object` and returns it as the server has it then.
///
/// # Errors
/// When the API server refuses it.
pub async fn one(client: &Client, object: &Value) -> Result<DynamicObject> {
    let text = |pointer: &str| {
        object
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let name = text("/metadata/name");
    let kind = text("/kind");
    let api = api(client, &text("/apiVersion"), &kind, &text("/metadata/namespace"));
    let parameters = PatchParams {
        // A field that the server does not know is a mistake of ours.
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply(MANAGER).force()
    };
    api.patch(&name, &parameters, &Patch::Apply(object))
        .await
        .with_context(|| format!("cannot apply {kind} {name}"))
}

/// Access to objects of a kind; `namespace` is empty for those of the whole cluster.
pub fn api(client: &Client, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let resource =
        ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), &plural(kind));
    if namespace.is_empty() {
        Api::all_with(client.clone(), &resource)
    } else {
        Api::namespaced_with(client.clone(), namespace, &resource)
    }
}

/// The plural that the API's paths have. Every kind that the bed uses is regular.
fn plural(kind: &str) -> String {
    let lower = kind.to_lowercase();
    match lower.as_bytes() {
        [.., b's' | b'x'] => format!("{lower}es"),
        [.., b'y'] => format!("{}ies", &lower[..lower.len() - 1]),
        _ => format!("{lower}s"),
    }
}
