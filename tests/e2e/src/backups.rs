//! Makes backups and restores with a real Velero, and finds out what they hold.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use kube::api::ListParams;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use velero_api::{
    BACKUP_NAME_LABEL, Backup, BackupPhase, BackupSpec, ObjectMeta, PodVolumeBackup, PodVolumePhase, Restore,
    RestorePhase, RestoreSpec, RestoreStatus, TypedLocalObjectReference,
};

use crate::ground::{RUN_LABEL, TestEnv};
use crate::{apply, wait};

/// How long a backup or restore of these tests may take.
const DEADLINE: Duration = Duration::from_secs(240);

/// What a finished backup holds.
#[derive(Debug, Clone)]
pub struct Stored {
    /// The Backup as Velero left it.
    pub backup: Backup,
    /// Volume and bytes of each completed file-system backup.
    pub volumes: Vec<(String, u64)>,
}

impl Stored {
    /// Fails unless exactly `volume` was stored, with bytes. Returns how many.
    ///
    /// # Errors
    /// When it was not.
    pub fn only(&self, volume: &str) -> Result<u64> {
        match self.volumes.as_slice() {
            [(name, bytes)] if name == volume && *bytes > 0 => Ok(*bytes),
            other => bail!("only {volume} should have been stored, with bytes; stored: {other:?}"),
        }
    }
}

/// Metadata of an object of this run in Velero's namespace.
pub fn metadata(ground: &TestEnv, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(ground.velero_namespace.clone()),
        labels: BTreeMap::from([(RUN_LABEL.to_owned(), ground.run.clone())]),
        ..ObjectMeta::default()
    }
}

/// Makes a backup and waits for its end, which must be `Completed`.
///
/// # Errors
/// When Velero refuses it or it ends otherwise.
pub async fn make(ground: &TestEnv, name: &str, spec: BackupSpec) -> Result<Stored> {
    ask(ground, name, spec).await?;
    finish(ground, name).await
}

/// Asks Velero for a backup, and does not wait for it.
///
/// # Errors
/// When the API server refuses it.
pub async fn ask(ground: &TestEnv, name: &str, spec: BackupSpec) -> Result<()> {
    let backup = Backup::new(metadata(ground, name), spec);
    apply::one(&ground.client, &serde_json::to_value(backup)?).await?;
    Ok(())
}

/// Waits for the end of a backup, good or bad.
///
/// # Errors
/// When it does not end in time.
pub async fn end(ground: &TestEnv, name: &str) -> Result<Backup> {
    ended(ground, "Backup", name, |backup: &Backup| {
        backup
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref())
            .is_some_and(BackupPhase::is_final)
    })
    .await
}

/// Waits for the end of a backup, which must be `Completed`, and finds out what it holds.
///
/// # Errors
/// When it ends otherwise or not in time.
pub async fn finish(ground: &TestEnv, name: &str) -> Result<Stored> {
    outcome(ground, name).await?.map_err(|said| anyhow!(said))
}

/// Waits for the end of a backup: what it holds when it is `Completed`, else how it ended and what Velero says why.
///
/// # Errors
/// When it does not end in time.
pub async fn outcome(ground: &TestEnv, name: &str) -> Result<Result<Stored, String>> {
    let backup = end(ground, name).await?;
    let status = backup.status.clone().unwrap_or_default();
    let of_volumes = volume_backups(ground, name).await?;
    if status.phase != Some(BackupPhase::Completed) {
        let of_volumes = of_volumes
            .into_iter()
            .filter_map(|found| found.status.and_then(|status| status.message));
        let reasons = status.failure_reason.into_iter();
        let reasons: Vec<_> = reasons
            .chain(status.validation_errors)
            .chain(of_volumes)
            .collect();
        return Ok(Err(format!(
            "backup {name} ended as {:?}: {}",
            status.phase,
            reasons.join("; ")
        )));
    }
    let mut volumes = Vec::new();
    for found in of_volumes {
        let status = found.status.unwrap_or_default();
        if status.phase == Some(PodVolumePhase::Completed) {
            volumes.push((found.spec.volume, status.progress.bytes_done));
        }
    }
    volumes.sort();
    Ok(Ok(Stored { backup, volumes }))
}

/// The file-system backups that Velero made for a backup, good or bad.
async fn volume_backups(ground: &TestEnv, name: &str) -> Result<Vec<PodVolumeBackup>> {
    let of_backup = ListParams::default().labels(&format!("{BACKUP_NAME_LABEL}={name}"));
    let found = ground.velero("PodVolumeBackup").list(&of_backup).await?;
    found.items.iter().map(typed).collect()
}

/// Where a restored volume is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Scratch<'a> {
    /// The backup.
    pub backup: &'a str,
    /// The namespace that it was made of.
    pub from: &'a str,
    /// The namespace that it is restored into.
    pub to: &'a str,
    /// The volume that is to come back.
    pub volume: &'a str,
    /// The container that is kept to look at it.
    pub container: &'a str,
}

/// How often a restore is tried that Velero refuses because it does not see all of it yet.
const ATTEMPTS: u32 = 5;

/// Restores a backup into a scratch namespace, beside the application that it was made of.
///
/// The pod is stripped on its way in: without its account, its secret and its other volumes it cannot run as it was,
/// and would hang. What is kept is one container that waits and the volume.
///
/// # Errors
/// When the restore does not complete.
pub async fn restore(ground: &TestEnv, pod: &Value, scratch: Scratch<'_>) -> Result<()> {
    let name = format!("{}-back", scratch.backup);
    let rules = json!({
        "version": "v1",
        "resourceModifierRules": [{
            "conditions": {"groupResource": "pods", "resourceNameRegex": ".*"},
            "strategicPatches": [{"patchData": strip(pod, scratch.volume, scratch.container).to_string()}],
        }],
    });
    let modifier = json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata(ground, &name),
        "data": {"rules.yaml": rules.to_string()},
    });
    apply::one(&ground.client, &modifier).await?;
    let spec = RestoreSpec {
        backup_name: Some(scratch.backup.to_owned()),
        included_namespaces: vec![scratch.from.to_owned()],
        namespace_mapping: BTreeMap::from([(scratch.from.to_owned(), scratch.to.to_owned())]),
        resource_modifier: Some(TypedLocalObjectReference {
            api_group: None,
            kind: "ConfigMap".to_owned(),
            name: name.clone(),
        }),
        ..RestoreSpec::default()
    };
    let mut said = Vec::new();
    for attempt in 1..=ATTEMPTS {
        let restore = Restore::new(metadata(ground, &format!("{name}-{attempt}")), spec.clone());
        let status = ended_restore(ground, restore).await?;
        match status.phase {
            Some(RestorePhase::Completed) => return Ok(()),
            Some(RestorePhase::FailedValidation) => said = status.validation_errors,
            phase => bail!("restore {name} ended as {phase:?}: {:?}", status.failure_reason),
        }
        // Velero reads ConfigMaps from a cache of its own, which may not have this one yet.
        ensure!(
            said.iter()
                .all(|error| error.contains("failed to get resource modifiers")),
            "Velero refuses restore {name}: {said:?}"
        );
    }
    bail!("Velero refuses restore {name} {ATTEMPTS} times: {said:?}")
}

/// Restores a backup of one namespace into another one as it is, as somebody would who has Velero and no charm.
///
/// # Errors
/// When the restore does not complete.
pub async fn restore_as_it_is(ground: &TestEnv, backup: &str, from: &str, to: &str) -> Result<()> {
    let spec = RestoreSpec {
        backup_name: Some(backup.to_owned()),
        included_namespaces: vec![from.to_owned()],
        namespace_mapping: BTreeMap::from([(from.to_owned(), to.to_owned())]),
        ..RestoreSpec::default()
    };
    let name = format!("{backup}-as-it-is");
    let status = ended_restore(ground, Restore::new(metadata(ground, &name), spec)).await?;
    ensure!(
        status.phase == Some(RestorePhase::Completed),
        "restore {name} ended as {:?}: {:?} {:?}",
        status.phase,
        status.failure_reason,
        status.validation_errors
    );
    Ok(())
}

/// Creates a restore and waits until it has ended, well or not.
async fn ended_restore(ground: &TestEnv, restore: Restore) -> Result<RestoreStatus> {
    let name = restore.name().to_owned();
    apply::one(&ground.client, &serde_json::to_value(restore)?).await?;
    let restore: Restore = ended(ground, "Restore", &name, |restore: &Restore| {
        restore
            .status
            .as_ref()
            .and_then(|status| status.phase.as_ref())
            .is_some_and(RestorePhase::is_final)
    })
    .await?;
    Ok(restore.status.unwrap_or_default())
}

/// The patch that leaves of a pod one waiting container and one volume (strategic merge).
fn strip(pod: &Value, volume: &str, container: &str) -> Value {
    let list = |pointer: &str| {
        pod.pointer(pointer)
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default()
    };
    let remove = |key: &str, value: &Value| json!({key: value, "$patch": "delete"});
    // The token's volume is removed by Velero itself, which then gives the pod a new one.
    let is_token = |name: &Value| {
        name.as_str()
            .is_some_and(|name| name.starts_with("kube-api-access-"))
    };
    let volumes: Vec<Value> = list("/spec/volumes")
        .iter()
        .filter(|found| found["name"] != volume && !is_token(&found["name"]))
        .map(|found| remove("name", &found["name"]))
        .collect();
    let init_containers: Vec<Value> = list("/spec/initContainers")
        .iter()
        .map(|found| remove("name", &found["name"]))
        .collect();
    let mut containers = Vec::new();
    for found in list("/spec/containers") {
        if found["name"] != container {
            containers.push(remove("name", &found["name"]));
            continue;
        }
        let mounts: Vec<Value> = found["volumeMounts"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|mount| mount["name"] != volume && !is_token(&mount["name"]))
            .map(|mount| remove("mountPath", &mount["mountPath"]))
            .collect();
        let mut kept = json!({
            "name": container, "command": ["/bin/sleep", "2147483647"], "args": null, "volumeMounts": mounts,
        });
        for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
            kept[probe] = Value::Null;
        }
        containers.push(kept);
    }
    // No Service may take the copy for the application.
    let labels: Map<String, Value> = pod["metadata"]["labels"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| key.as_str() == "app.kubernetes.io/name")
        .map(|(key, _)| (key.clone(), Value::Null))
        .collect();
    json!({
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": "default", "serviceAccount": "default",
            "volumes": volumes, "initContainers": init_containers, "containers": containers,
        },
    })
}

async fn ended<T: DeserializeOwned>(
    ground: &TestEnv,
    kind: &str,
    name: &str,
    is_final: impl Fn(&T) -> bool,
) -> Result<T> {
    let api = ground.velero(kind);
    let phase = &RefCell::new(Value::Null);
    let is_final = &is_final;
    let waited = wait::until(&format!("{kind} {name} has ended"), DEADLINE, || {
        let api = api.clone();
        async move {
            let Some(found) = api.get_opt(name).await? else {
                return Ok(None);
            };
            phase.replace(found.data["status"]["phase"].clone());
            let found: T = typed(&found)?;
            Ok(is_final(&found).then_some(found))
        }
    })
    .await;
    waited.with_context(|| format!("{kind} {name} is {}", phase.borrow()))
}

fn typed<T: DeserializeOwned>(object: &kube::api::DynamicObject) -> Result<T> {
    let value = serde_json::to_value(object)?;
    serde_json::from_value(value).context("cannot read an object of Velero")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod() -> Value {
        json!({
            "metadata": {"labels": {"app.kubernetes.io/name": "radarr", "apps.kubernetes.io/pod-index": "0"}},
            "spec": {
                "volumes": [{"name": "radarr-config-1"}, {"name": "charm-data"}, {"name": "kube-api-access-x"}],
                "initContainers": [{"name": "charm-init"}],
                "containers": [
                    {"name": "charm"},
                    {"name": "radarr", "volumeMounts": [
                        {"name": "radarr-config-1", "mountPath": "/config"},
                        {"name": "charm-data", "mountPath": "/charm/container"},
                    ]},
                ],
            },
        })
    }

    #[test]
    fn a_stripped_pod_keeps_one_container_and_one_volume() {
        let patch = strip(&pod(), "radarr-config-1", "radarr");
        assert_eq!(
            patch["metadata"]["labels"],
            json!({"app.kubernetes.io/name": null})
        );
        assert_eq!(
            patch["spec"]["volumes"],
            json!([{"name": "charm-data", "$patch": "delete"}])
        );
        assert_eq!(
            patch["spec"]["initContainers"],
            json!([{"name": "charm-init", "$patch": "delete"}])
        );
        let containers = &patch["spec"]["containers"];
        assert_eq!(containers[0], json!({"name": "charm", "$patch": "delete"}));
        assert_eq!(
            containers[1]["volumeMounts"],
            json!([{"mountPath": "/charm/container", "$patch": "delete"}])
        );
        assert_eq!(containers[1]["command"][0], "/bin/sleep");
    }

    #[test]
    fn what_was_stored_is_judged_by_volume_and_bytes() {
        let stored = |volumes: &[(&str, u64)]| Stored {
            backup: Backup::new(ObjectMeta::default(), BackupSpec::default()),
            volumes: volumes
                .iter()
                .map(|(name, bytes)| ((*name).to_owned(), *bytes))
                .collect(),
        };
        assert_eq!(stored(&[("config", 7)]).only("config").unwrap(), 7);
        assert!(stored(&[]).only("config").is_err());
        assert!(stored(&[("config", 0)]).only("config").is_err());
        assert!(stored(&[("config", 7), ("media", 9)]).only("config").is_err());
    }
}
