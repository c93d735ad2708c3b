//! Backups and restores of volumes, file by file.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use config_volume::testing::{copy_folder, ignore_rules, leave_marker};
use hyper::StatusCode;
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::{Value, json};
use velero_api::BackupSpec;
use velero_backup_config::pod::BACKUP_VOLUMES;

use super::super::server::refusal;
use super::super::{Objects, patch};
use super::{Answer, Working};
use crate::simulation::created_object;

/// How long a backup is kept that does not say how long (`pkg/cmd/server/config/config.go` of vmware-tanzu/velero).
const TTL: SignedDuration = SignedDuration::from_hours(720);

/// Numbers below are those of what a stand-in velero-operator makes.
const FIRST: u64 = 1_000_000;

/// What became of one volume of a pod.
struct StoredVolume {
    volume: String,
    /// Id and bytes of what is stored, or why nothing is.
    stored: Result<(String, u64), String>,
}

/// What became of one pod.
#[derive(Default)]
struct StoredPod {
    volumes: Vec<StoredVolume>,
    errors: Vec<String>,
}

impl Objects {
    /// Makes the backup that a Backup asks for.
    pub(super) fn make_backup(&mut self, place: &str, body: &[u8]) -> Answer {
        let invalid = |why: &str| {
            refusal(
                StatusCode::UNPROCESSABLE_ENTITY,
                "Invalid",
                format!("Backup: {why}"),
            )
        };
        let Ok(mut backup) = serde_json::from_slice::<Value>(body) else {
            return invalid("it is no JSON");
        };
        let Ok(spec) = BackupSpec::deserialize(&backup["spec"]) else {
            return invalid("its spec has a field of a wrong type");
        };
        if !spec.or_label_selectors.is_empty()
            || spec
                .label_selector
                .as_ref()
                .is_some_and(|is| !is.match_expressions.is_empty())
        {
            return invalid("the stand-in knows labels that must match only");
        }
        let ttl = match spec.ttl.as_deref().map(go_duration::parse) {
            None => TTL,
            Some(Ok(nanoseconds)) => SignedDuration::from_nanos(nanoseconds),
            Some(Err(error)) => return invalid(&format!("ttl: {error}")),
        };
        let Some(prefix) = backup["metadata"]["generateName"].as_str().map(str::to_owned) else {
            return invalid("the stand-in makes such only whose name is generated");
        };
        let (began, number) = (Timestamp::now(), self.velero.count("backups"));
        let made = created_object(&prefix, place, FIRST + number, began.as_second());
        let made = serde_json::to_value(made).unwrap_or_default();
        patch::merge(&mut backup["metadata"], &made);

        let location = spec.storage_location.as_deref().unwrap_or("default");
        let pods: Vec<Value> = self
            .pods
            .values()
            .filter(|pod| is_taken(pod, &spec))
            .cloned()
            .collect();
        let mut errors = 0;
        for (place_of_pod, pod) in pods.iter().enumerate() {
            let id = |volume: usize| format!("snapshot-{number}-{place_of_pod}-{volume}");
            let stored = self.working.store_pod(pod, id);
            errors += stored.errors.len();
            for volume in stored.volumes {
                self.velero
                    .put(pod_volume_backup(&backup, pod, &volume, location, began));
            }
        }
        let phase = match errors {
            0 => "Completed",
            _ => "PartiallyFailed",
        };
        let ended = Timestamp::now();
        let expires = ended.checked_add(ttl).unwrap_or(Timestamp::MAX);
        backup["status"] = json!({
            "phase": phase, "version": 1, "formatVersion": "1.1.0",
            "startTimestamp": second(began), "completionTimestamp": second(ended), "expiration": second(expires),
            "progress": {"totalItems": pods.len(), "itemsBackedUp": pods.len()}, "errors": errors,
        });
        self.velero.put(backup.clone());
        (StatusCode::CREATED, backup)
    }
}

/// Whether the spec names pods, and this one. Cluster resources and claims without a pod hold no bytes of a file-system backup.
fn is_taken(pod: &Value, spec: &BackupSpec) -> bool {
    let names = |all: &[String], one: &str| all.iter().any(|name| name == one || name == "*");
    let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
    let has_labels = spec.label_selector.as_ref().is_none_or(|selector| {
        let labels = &pod["metadata"]["labels"];
        selector
            .match_labels
            .iter()
            .all(|(key, value)| labels[key] == **value)
    });
    let is_included = |all: &[String], excluded: &[String], one| {
        (all.is_empty() || names(all, one)) && !names(excluded, one)
    };
    is_included(&spec.included_resources, &spec.excluded_resources, "pods")
        && is_included(&spec.included_namespaces, &spec.excluded_namespaces, namespace)
        && has_labels
}

/// RFC 3339 in UTC, to the second, as Velero writes times.
fn second(time: Timestamp) -> String {
    Timestamp::from_second(time.as_second())
        .unwrap_or(time)
        .to_string()
}

fn pod_volume_backup(
    backup: &Value,
    pod: &Value,
    volume: &StoredVolume,
    location: &str,
    began: Timestamp,
) -> Value {
    let (metadata, pod) = (&backup["metadata"], &pod["metadata"]);
    let name = format!(
        "{}-{}",
        metadata["name"].as_str().unwrap_or_default(),
        volume.volume
    );
    let mut status =
        json!({"startTimestamp": second(began), "completionTimestamp": second(Timestamp::now())});
    match &volume.stored {
        Ok((id, bytes)) => {
            status["phase"] = json!("Completed");
            status["snapshotID"] = json!(id);
            status["progress"] = json!({"totalBytes": bytes, "bytesDone": bytes});
        }
        Err(reason) => {
            status["phase"] = json!("Failed");
            status["message"] = json!(reason);
        }
    }
    json!({
        "apiVersion": "velero.io/v1", "kind": "PodVolumeBackup",
        "metadata": {
            "name": name, "namespace": metadata["namespace"],
            "labels": {"velero.io/backup-name": metadata["name"], "velero.io/backup-uid": metadata["uid"]},
        },
        "spec": {
            "node": "sim", "volume": volume.volume, "uploaderType": "kopia", "backupStorageLocation": location,
            "repoIdentifier": "", "pod": {"kind": "Pod", "name": pod["name"], "namespace": pod["namespace"]},
        },
        "status": status,
    })
}

impl Working {
    /// Stores the volumes of a pod that its annotation names, between the commands that others name.
    fn store_pod(&self, pod: &Value, id: impl Fn(usize) -> String) -> StoredPod {
        let annotation = |name: &str| pod["metadata"]["annotations"][name].as_str().unwrap_or_default();
        let mut done = StoredPod::default();
        if let Err(reason) = run_hook(annotation("pre.hook.backup.velero.io/command")) {
            // Such a pod's volumes are left out of the backup.
            done.errors.push(reason);
            return done;
        }
        let named = annotation(BACKUP_VOLUMES).split(',');
        for (number, volume) in named.filter(|name| !name.is_empty()).enumerate() {
            let stored = match folder_of(pod, volume) {
                Some(folder) => self
                    .store(&folder, &id(number))
                    .map_err(|error| error.to_string()),
                None => Err(format!("the pod has no volume {volume:?}")),
            };
            done.errors.extend(stored.as_ref().err().cloned());
            done.volumes.push(StoredVolume {
                volume: volume.to_owned(),
                stored: stored.map(|bytes| (id(number), bytes)),
            });
        }
        if let Err(reason) = run_hook(annotation("post.hook.backup.velero.io/command")) {
            done.errors.push(reason);
        }
        done
    }

    /// Stores a volume, and says how many bytes that are.
    fn store(&self, volume: &Path, id: &str) -> io::Result<u64> {
        let stored = self.stored(id);
        copy_folder(volume, &stored, &ignore_rules(volume)?, &|_| true)?;
        bytes_in(&stored)
    }

    /// Does what a PodVolumeRestore says, and gives it back as it is then.
    pub(super) fn work_on(&mut self, mut restore: Value) -> Value {
        let began = Timestamp::now();
        let mut status = match self.restore(&restore) {
            Ok(bytes) => json!({"phase": "Completed", "progress": {"totalBytes": bytes, "bytesDone": bytes}}),
            Err(error) => json!({"phase": "Failed", "message": error.to_string()}),
        };
        restore["metadata"]["creationTimestamp"] = json!(second(began));
        status["startTimestamp"] = json!(second(began));
        status["completionTimestamp"] = json!(second(Timestamp::now()));
        restore["status"] = status;
        self.resources.keep(restore)
    }

    /// Restores what a PodVolumeRestore says into the claim of its pod, with the marker that Velero leaves. Says how many bytes
    /// that were.
    fn restore(&self, restore: &Value) -> io::Result<u64> {
        let spec = &restore["spec"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (namespace, pod) = (text(&spec["pod"]["namespace"]), text(&spec["pod"]["name"]));
        let missing = |what: String| io::Error::new(io::ErrorKind::NotFound, what);
        let claim = self
            .claim_of(&namespace, &pod, &text(&spec["volume"]))
            .ok_or_else(|| missing(format!("there is no pod {namespace}/{pod} with this volume")))?;
        let stored = self.stored(&text(&spec["snapshotID"]));
        if !stored.is_dir() {
            return Err(missing("there is no such snapshot in the repository".to_owned()));
        }
        copy_folder(&stored, &claim, &[], &|_| true)?;
        leave_marker(&claim)?;
        bytes_in(&stored)
    }

    /// The folder of a volume of a pod beside the app.
    pub(super) fn claim_of(&self, namespace: &str, pod: &str, volume: &str) -> Option<PathBuf> {
        let pod = self
            .resources
            .get(&format!("/api/v1/namespaces/{namespace}/pods/{pod}"))?;
        let volumes = pod["spec"]["volumes"].as_array()?;
        let found = volumes.iter().find(|is| is["name"] == *volume)?;
        let claim = found["persistentVolumeClaim"]["claimName"].as_str()?;
        Some(self.claim(namespace, claim))
    }

    /// The folders of the claims that go when `path` is deleted: a namespace, or claims.
    pub(super) fn claims(&self, path: &str) -> Vec<PathBuf> {
        let going = self.resources.matching(path);
        let of_namespace = going
            .iter()
            .filter(|is| is["kind"] == "Namespace")
            .flat_map(|is| {
                let name = is["metadata"]["name"].as_str().unwrap_or_default();
                self.resources
                    .matching(&format!("/api/v1/namespaces/{name}/persistentvolumeclaims"))
            });
        let all = going.iter().cloned().chain(of_namespace);
        let claims = all.filter(|is| is["kind"] == "PersistentVolumeClaim");
        claims
            .filter_map(|is| {
                let metadata = &is["metadata"];
                Some(self.claim(metadata["namespace"].as_str()?, metadata["name"].as_str()?))
            })
            .collect()
    }

    fn claim(&self, namespace: &str, claim: &str) -> PathBuf {
        self.folder
            .join("claims")
            .join(format!("{}.{}", file_name(namespace), file_name(claim)))
    }

    fn stored(&self, id: &str) -> PathBuf {
        self.folder.join("stored").join(file_name(id))
    }
}

/// What came over the network is no path.
fn file_name(text: &str) -> String {
    text.replace(['/', '\\', '.'], "_")
}

/// Where the volume of a unit's pod is: the charm container, which comes first, has it under its real path.
fn folder_of(pod: &Value, volume: &str) -> Option<PathBuf> {
    let containers = pod["spec"]["containers"].as_array()?;
    let mounts = containers.iter().flat_map(|is| is["volumeMounts"].as_array());
    let mut mounts = mounts.flatten().filter(|mount| mount["name"] == *volume);
    Some(PathBuf::from(mounts.next()?["mountPath"].as_str()?))
}

/// Runs a command of a pod, which is a list of words in JSON. None is no error.
fn run_hook(command: &str) -> Result<(), String> {
    if command.is_empty() {
        return Ok(());
    }
    let words: Vec<String> =
        serde_json::from_str(command).map_err(|error| format!("cannot read the hook {command}: {error}"))?;
    let Some((program, arguments)) = words.split_first() else {
        return Err("the hook names no program".to_owned());
    };
    // In the container, with nothing of what Juju tells a charm.
    let ran = Command::new(program).args(arguments).env_clear().output();
    let ran = ran.map_err(|error| format!("cannot run {program}: {error}"))?;
    match ran.status.success() {
        true => Ok(()),
        false => Err(String::from_utf8_lossy(&ran.stderr).trim().to_owned()),
    }
}

fn bytes_in(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let meta = entry.metadata()?;
        bytes += match meta.is_dir() {
            true => bytes_in(&entry.path())?,
            false => meta.len(),
        };
    }
    Ok(bytes)
}
