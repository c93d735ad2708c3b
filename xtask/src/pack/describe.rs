//! What a charm's descriptions may say: `metadata.yaml`, `config.yaml`, `actions.yaml`.
//!
//! charmcraft packs a `metadata.yaml` unread, and Juju refuses a bad one only at `juju deploy`. Keys and values here are
//! those of Juju's charm metadata (<https://documentation.ubuntu.com/juju/3.6/reference/charm/>), and of these only what
//! the charms of this repository use: a key that is new to this list is a mistake until it is added here.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;
use serde_json::{Map, Value};
use system_tests::binaries::PROCESSOR;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(dead_code, reason = "a field that is not looked at is still held to its type")]
struct Metadata {
    name: String,
    /// charmcraft writes the title of a `charmcraft.yaml` under its older name.
    #[serde(alias = "display-name")]
    title: String,
    summary: String,
    description: String,
    #[serde(default)]
    assumes: Vec<Value>,
    #[serde(default)]
    containers: BTreeMap<String, Container>,
    #[serde(default)]
    resources: BTreeMap<String, Resource>,
    #[serde(default)]
    storage: BTreeMap<String, Storage>,
    #[serde(default)]
    provides: BTreeMap<String, Endpoint>,
    #[serde(default)]
    requires: BTreeMap<String, Endpoint>,
    #[serde(default)]
    peers: BTreeMap<String, Endpoint>,
    charm_user: Option<String>,
    links: Option<BTreeMap<String, Value>>,
    docs: Option<String>,
    source: Option<Value>,
    issues: Option<Value>,
    website: Option<Value>,
    maintainers: Option<Vec<String>>,
    tags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a field that is not looked at is still held to its type")]
struct Container {
    resource: String,
    #[serde(default)]
    mounts: Vec<Mount>,
    uid: Option<u32>,
    gid: Option<u32>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Mount {
    storage: String,
    location: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Resource {
    #[serde(rename = "type")]
    kind: String,
    description: String,
    upstream_source: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[allow(dead_code, reason = "a field that is not looked at is still held to its type")]
struct Storage {
    #[serde(rename = "type")]
    kind: String,
    description: String,
    minimum_size: Option<String>,
    location: Option<String>,
    multiple: Option<Value>,
    read_only: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "a field that is not looked at is still held to its type")]
struct Endpoint {
    interface: String,
    limit: Option<u32>,
    optional: Option<bool>,
    scope: Option<String>,
    description: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Config {
    options: BTreeMap<String, ConfigOption>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConfigOption {
    #[serde(rename = "type")]
    kind: String,
    default: Option<Value>,
    description: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Action {
    description: String,
    #[serde(default)]
    params: BTreeMap<String, Value>,
    #[serde(default)]
    required: Vec<String>,
    #[serde(rename = "additionalProperties")]
    additional_properties: bool,
    #[serde(default)]
    parallel: bool,
    #[serde(default)]
    execution_group: String,
}

/// Refuses a `metadata.yaml` that Juju would not take for a sidecar charm called `name`, or that does not fit together.
///
/// # Errors
/// With what is wrong.
pub fn metadata(text: &str, name: &str) -> Result<()> {
    let metadata: Metadata = serde_yaml::from_str(text).context("it does not parse")?;
    ensure!(metadata.name == name, "its name is {}, not {name}", metadata.name);
    ensure!(is_name(name), "its name {name} is none that Juju takes");
    for (field, text) in [
        ("title", &metadata.title),
        ("summary", &metadata.summary),
        ("description", &metadata.description),
    ] {
        ensure!(!text.trim().is_empty(), "its {field} is empty");
    }
    ensure!(
        metadata.assumes.iter().any(|assumed| assumed == "k8s-api"),
        "it does not assume k8s-api, so Juju would try it on machines"
    );
    containers(&metadata)?;
    for (name, storage) in &metadata.storage {
        ensure!(is_name(name), "storage name {name} is none that Juju takes");
        ensure!(
            storage.kind == "filesystem",
            "storage {name} is of type {}: a container mounts filesystems",
            storage.kind
        );
        if let Some(size) = &storage.minimum_size {
            ensure!(
                is_size(size),
                "storage {name} has the minimum size {size}: a number with M, G or T is right"
            );
        }
    }
    for (name, resource) in &metadata.resources {
        ensure!(
            !resource.description.is_empty(),
            "resource {name} is not described"
        );
        if let Some(image) = &resource.upstream_source {
            let tag = image.rsplit('/').next().unwrap_or_default();
            ensure!(
                tag.contains(':') && !tag.ends_with(":latest"),
                "resource {name} names no version: {image}"
            );
        }
    }
    let mut seen = BTreeSet::new();
    for (name, endpoint) in metadata
        .provides
        .iter()
        .chain(&metadata.requires)
        .chain(&metadata.peers)
    {
        ensure!(is_name(name), "endpoint name {name} is none that Juju takes");
        ensure!(
            !endpoint.interface.is_empty(),
            "endpoint {name} names no interface"
        );
        ensure!(seen.insert(name), "endpoint {name} is there twice");
    }
    Ok(())
}

fn containers(metadata: &Metadata) -> Result<()> {
    ensure!(!metadata.containers.is_empty(), "it has no container");
    let mut mounted = BTreeSet::new();
    for (name, container) in &metadata.containers {
        match metadata.resources.get(&container.resource) {
            None => bail!(
                "container {name} wants the resource {}, which is not there",
                container.resource
            ),
            Some(resource) => ensure!(
                resource.kind == "oci-image",
                "container {name} wants the resource {}, which is a {}",
                container.resource,
                resource.kind
            ),
        }
        for mount in &container.mounts {
            ensure!(
                metadata.storage.contains_key(&mount.storage),
                "container {name} mounts the storage {}, which is not there",
                mount.storage
            );
            ensure!(
                mount.location.starts_with('/'),
                "container {name} mounts {} at {}, which is no absolute path",
                mount.storage,
                mount.location
            );
            mounted.insert(&mount.storage);
        }
    }
    if let Some(name) = metadata.storage.keys().find(|name| !mounted.contains(name)) {
        bail!("no container mounts the storage {name}");
    }
    Ok(())
}

/// Refuses a `config.yaml` that Juju would not take.
///
/// # Errors
/// With what is wrong.
pub fn config(text: &str) -> Result<()> {
    let config: Config = serde_yaml::from_str(text).context("it does not parse")?;
    for (name, option) in &config.options {
        ensure!(
            is_name(name),
            "option name {name}: small letters, digits and hyphens are right"
        );
        ensure!(
            !option.description.trim().is_empty(),
            "option {name} is not described"
        );
        let fits = match (option.kind.as_str(), &option.default) {
            ("string" | "secret" | "int" | "float" | "boolean", None)
            | ("string" | "secret", Some(Value::String(_)))
            | ("boolean", Some(Value::Bool(_))) => true,
            ("int", Some(Value::Number(number))) => number.is_i64(),
            ("float", Some(Value::Number(_))) => true,
            ("string" | "secret" | "int" | "float" | "boolean", Some(_)) => false,
            (kind, _) => bail!("option {name} is of type {kind}, which Juju does not know"),
        };
        ensure!(fits, "option {name} has a default that is no {}", option.kind);
    }
    Ok(())
}

/// Refuses an `actions.yaml` that Juju would not take.
///
/// # Errors
/// With what is wrong.
pub fn actions(text: &str) -> Result<()> {
    let actions: BTreeMap<String, Action> = serde_yaml::from_str(text).context("it does not parse")?;
    for (name, action) in &actions {
        ensure!(
            is_name(name),
            "action name {name}: small letters, digits and hyphens are right"
        );
        ensure!(
            name != "juju" && !name.starts_with("juju-"),
            "action name {name} is Juju's own"
        );
        ensure!(
            !action.description.trim().is_empty(),
            "action {name} is not described"
        );
        ensure!(
            !action.additional_properties,
            "action {name} takes parameters that it does not know: set additionalProperties to false"
        );
        ensure!(
            action.execution_group.is_empty() || action.parallel,
            "action {name} has an execution group without being parallel"
        );
        for (parameter, schema) in &action.params {
            ensure!(
                is_name(parameter),
                "parameter {parameter} of action {name}: small letters, digits and hyphens are right"
            );
            let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
            ensure!(
                ["string", "integer", "number", "boolean", "array", "object"].contains(&kind),
                "parameter {parameter} of action {name} has the type {kind:?}, which JSON Schema does not know"
            );
        }
        if let Some(unknown) = action
            .required
            .iter()
            .find(|name| !action.params.contains_key(*name))
        {
            bail!("action {name} requires the parameter {unknown}, which it does not declare");
        }
    }
    Ok(())
}

/// Refuses a `manifest.yaml` that does not say what the charm runs on.
///
/// # Errors
/// With what is wrong.
pub fn manifest(text: &str) -> Result<()> {
    let manifest: Map<String, Value> = serde_yaml::from_str(text).context("it does not parse")?;
    let base = manifest
        .get("bases")
        .and_then(|bases| bases.get(0))
        .context("it has no base")?;
    let expected = serde_json::json!({"name": "ubuntu", "channel": "24.04", "architectures": [PROCESSOR]});
    ensure!(*base == expected, "its base is {base}, not {expected}");
    Ok(())
}

/// Juju's form of names of charms, storages, endpoints, options and actions: words of small letters and digits with
/// single hyphens between them, the first starting with a letter.
fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.split('-').all(|word| {
            !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
        })
}

fn is_size(size: &str) -> bool {
    let number = size.strip_suffix(['M', 'G', 'T']).unwrap_or_default();
    number.parse::<u32>().is_ok_and(|number| number > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "
name: x
title: X
summary: s
description: d
assumes: [k8s-api]
containers: {x: {resource: x-image, mounts: [{storage: config, location: /config}]}}
resources: {x-image: {type: oci-image, description: d, upstream-source: 'example.org:5000/x:1'}}
storage: {config: {type: filesystem, description: d, minimum-size: 1G}}
provides: {backup: {interface: velero_backup_config}}
";

    #[test]
    fn metadata_that_fits_together_is_taken() {
        metadata(GOOD, "x").unwrap();
        metadata(&GOOD.replace("title: X", "display-name: X"), "x").unwrap();
    }

    #[test]
    fn metadata_that_juju_refuses_is_refused() {
        for (from, to, reason) in [
            (
                "containers: {x: {resource: x-image, mounts: [{storage: config, location: /config}]}}",
                "containers: 7",
                "does not parse",
            ),
            ("summary: s", "sumary: s", "does not parse"),
            ("name: x\n", "name: y\n", "its name is y, not x"),
            ("[k8s-api]", "[juju]", "does not assume k8s-api"),
            (
                "resource: x-image",
                "resource: y-image",
                "wants the resource y-image",
            ),
            ("type: oci-image", "type: file", "which is a file"),
            ("location: /config", "location: config", "no absolute path"),
            (
                "{storage: config,",
                "{storage: media,",
                "mounts the storage media",
            ),
            (
                "mounts: [{storage: config, location: /config}]",
                "mounts: []",
                "no container mounts the storage config",
            ),
            ("minimum-size: 1G", "minimum-size: big", "minimum size big"),
            ("/x:1'", "/x:latest'", "names no version"),
            ("/x:1'", "/x'", "names no version"),
            (
                "provides: {backup: {interface: velero_backup_config}}",
                "provides: {a: {interface: b}}\nrequires: {a: {interface: b}}",
                "there twice",
            ),
            ("provides: {backup:", "provides: {back_up:", "back_up"),
        ] {
            let text = GOOD.replace(from, to);
            assert_ne!(text, GOOD, "{from} is not in the text");
            let error = metadata(&text, "x").unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{to}: {error:#}");
        }
    }

    #[test]
    fn options_have_known_types_and_fitting_defaults() {
        let config_of = |option: &str| config(&format!("options: {{{option}}}"));
        config_of("a-b: {type: int, default: 3, description: d}").unwrap();
        config_of("a: {type: secret, description: d}").unwrap();
        for (option, reason) in [
            ("a: {type: integer, description: d}", "does not know"),
            ("a: {type: int, default: '3', description: d}", "no int"),
            ("a: {type: string, default: 3, description: d}", "no string"),
            ("a_b: {type: string, description: d}", "hyphens"),
            ("a: {type: string}", "does not parse"),
        ] {
            let error = config_of(option).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{option}: {error:#}");
        }
    }

    #[test]
    fn actions_take_only_what_they_declare() {
        actions("restore: {description: d, additionalProperties: false, params: {uid: {type: string}}, required: [uid]}").unwrap();
        for (text, reason) in [
            ("restore: {description: d}", "does not parse"),
            (
                "restore: {description: d, additionalProperties: true}",
                "does not know",
            ),
            ("juju-x: {description: d, additionalProperties: false}", "own"),
            (
                "x: {description: d, additionalProperties: false, required: [a]}",
                "does not declare",
            ),
            (
                "x: {description: d, additionalProperties: false, params: {a: {type: text}}}",
                "JSON Schema",
            ),
        ] {
            let error = actions(text).unwrap_err();
            assert!(format!("{error:#}").contains(reason), "{text}: {error:#}");
        }
    }

    #[test]
    fn the_manifest_names_the_base() {
        let base = |name: &str, channel: &str, processor: &str| {
            manifest(&format!(
                "bases: [{{name: {name}, channel: '{channel}', architectures: [{processor}]}}]"
            ))
        };
        base("ubuntu", "24.04", PROCESSOR).unwrap();
        assert!(base("debian", "12", PROCESSOR).is_err());
        assert!(base("ubuntu", "24.04", "riscv64").is_err());
        assert!(manifest("bases: []").is_err());
    }
}
