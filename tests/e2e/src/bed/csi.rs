//! Volumes that can be snapshotted: this project's own CSI driver, and the controllers that call it.
//!
//! They run as processes of the node, not in pods: the driver mounts where the kubelet does, and the others need nothing
//! but the API server and the driver's socket.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use kube::Client;
use serde_json::{Value, json};

use super::node::kubelet_folder;
use super::processes::Processes;
use crate::parts::{Parts, SNAPSHOT_DEFINITIONS};
use crate::{apply, wait};

/// Name of the driver. It is also in the driver's source.
pub const DRIVER: &str = "folder.csi.example.com";
/// Name of the StorageClass, and of the VolumeSnapshotClass.
pub const CLASS: &str = "folder";
/// Label of the VolumeSnapshotClass that Velero takes for a driver (`pkg/apis/velero/v1/labels_annotations.go`).
pub const CLASS_LABEL: &str = "velero.io/csi-volumesnapshot-class";
/// The programs, in the order in which they are started.
const PROGRAMS: [&str; 4] = [
    "csi-folder-driver",
    "snapshot-controller",
    "csi-provisioner",
    "csi-snapshotter",
];

/// What was started, and where it keeps its things.
#[derive(Debug)]
pub struct Snapshots {
    /// Where the driver keeps volumes and snapshots.
    folder: PathBuf,
    log_folder: PathBuf,
    /// How long it took to start everything, in seconds.
    pub seconds: f64,
}

impl Snapshots {
    /// The snapshots that there are: the id of each, and the id of the volume that it is of.
    ///
    /// # Errors
    /// When the driver's folder cannot be read.
    pub fn all(&self) -> Result<BTreeMap<String, String>> {
        let mut found = BTreeMap::new();
        for (id, about) in self.list("snapshots")? {
            let of = about["volume"].as_str().context("a snapshot of no volume")?;
            found.insert(id, of.to_owned());
        }
        Ok(found)
    }

    /// The ids of the volumes that there are.
    ///
    /// # Errors
    /// As [`Snapshots::all`].
    pub fn volumes(&self) -> Result<Vec<String>> {
        Ok(self.list("volumes")?.into_iter().map(|(id, _)| id).collect())
    }

    /// Bytes of the files in a snapshot.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn bytes(&self, id: &str) -> Result<u64> {
        size(&self.folder.join("snapshots").join(id).join("data"))
    }

    /// The end of each program's log: what is known when something does not come about.
    pub fn last_words(&self) -> String {
        let end = |name: &&str| {
            let log =
                std::fs::read_to_string(self.log_folder.join(format!("{name}.log"))).unwrap_or_default();
            let lines: Vec<&str> = log.lines().collect();
            let lines = lines.get(lines.len().saturating_sub(12)..).unwrap_or_default();
            format!("end of the log of {name}:\n{}", lines.join("\n"))
        };
        PROGRAMS.iter().map(end).collect::<Vec<_>>().join("\n")
    }

    fn list(&self, kind: &str) -> Result<Vec<(String, Value)>> {
        let folder = self.folder.join(kind);
        let mut all = Vec::new();
        for entry in
            std::fs::read_dir(&folder).with_context(|| format!("cannot list {}", folder.display()))?
        {
            let path = entry?.path();
            // It may be removed while we look.
            let Ok(text) = std::fs::read_to_string(path.join("about.json")) else {
                continue;
            };
            let id = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            all.push((id, serde_json::from_str(&text)?));
        }
        Ok(all)
    }
}

fn size(path: &Path) -> Result<u64> {
    let is = std::fs::symlink_metadata(path).with_context(|| format!("cannot look at {}", path.display()))?;
    if !is.is_dir() {
        return Ok(is.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(path)? {
        bytes += size(&entry?.path())?;
    }
    Ok(bytes)
}

/// Starts everything and waits until the kubelet has taken the driver.
pub async fn start(
    client: &Client,
    folder: &Path,
    kubeconfig: &Path,
    processes: &Mutex<Processes>,
) -> Result<Snapshots> {
    let began = Instant::now();
    let parts = Parts::build_for_snapshots()?;
    definitions(client, &parts).await?;
    apply::all(client, &objects()).await?;
    let mut started = Snapshots {
        folder: folder.join("csi"),
        log_folder: folder.join("log"),
        seconds: 0.0,
    };
    let lock = || {
        processes
            .lock()
            .map_err(|_| anyhow!("a start of processes panicked"))
    };
    for name in PROGRAMS {
        let mut command = Command::new(parts.program(name));
        command.args(arguments(
            name,
            &started.folder,
            &kubelet_folder(folder),
            kubeconfig,
        ));
        lock()?.start(name, &mut command)?;
    }
    let nodes = apply::api(client, "storage.k8s.io/v1", "CSINode", "");
    wait::until(
        "the kubelet has taken the CSI driver",
        Duration::from_secs(60),
        || {
            let checked = lock().and_then(|mut processes| processes.check());
            let nodes = nodes.clone();
            async move {
                checked?;
                let node = nodes.get_opt("e2e").await?;
                let drivers = node.and_then(|node| node.data["spec"]["drivers"].as_array().cloned());
                let taken = drivers.is_some_and(|all| all.iter().any(|is| is["name"] == DRIVER));
                Ok(taken.then_some(()))
            }
        },
    )
    .await?;
    started.seconds = began.elapsed().as_secs_f64();
    Ok(started)
}

fn arguments(name: &str, folder: &Path, kubelet: &str, kubeconfig: &Path) -> Vec<String> {
    let socket = format!("{kubelet}/plugins/{DRIVER}/csi.sock");
    let kubeconfig = format!("--kubeconfig={}", kubeconfig.display());
    match name {
        "csi-folder-driver" => vec![
            format!("--folder={}", folder.display()),
            format!("--endpoint={socket}"),
            format!("--registration={kubelet}/plugins_registry/{DRIVER}-reg.sock"),
            "--node=e2e".to_owned(),
        ],
        "snapshot-controller" => vec![kubeconfig],
        // A copy that is cut off begins anew: it gets time.
        _ => vec![
            kubeconfig,
            format!("--csi-address={socket}"),
            "--timeout=5m".to_owned(),
            // By default five questions a second: seven volumes at once would wait for each other.
            "--kube-api-qps=100".to_owned(),
            "--kube-api-burst=200".to_owned(),
        ],
    }
}

/// Applies the definitions of snapshots and waits until they are served.
async fn definitions(client: &Client, parts: &Parts) -> Result<()> {
    let api = apply::api(client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "");
    for name in SNAPSHOT_DEFINITIONS {
        let text =
            std::fs::read_to_string(parts.program(name)).with_context(|| format!("cannot read {name}"))?;
        let definition: Value =
            serde_yaml::from_str(&text).with_context(|| format!("cannot parse {name}"))?;
        apply::one(client, &definition).await?;
        let Some(name) = definition["metadata"]["name"].as_str().map(str::to_owned) else {
            bail!("{name} has no name");
        };
        wait::until(&format!("{name} are served"), Duration::from_secs(30), || {
            let (api, name) = (api.clone(), name.clone());
            async move {
                let conditions = api.get(&name).await?.data["status"]["conditions"].clone();
                let served = |is: &Value| is["type"] == "Established" && is["status"] == "True";
                Ok(conditions
                    .as_array()
                    .is_some_and(|all| all.iter().any(served))
                    .then_some(()))
            }
        })
        .await?;
    }
    Ok(())
}

fn objects() -> Vec<Value> {
    vec![
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": DRIVER},
               "spec": {"attachRequired": false, "podInfoOnMount": false, "volumeLifecycleModes": ["Persistent"]}}),
        json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": CLASS},
               "provisioner": DRIVER, "volumeBindingMode": "Immediate", "reclaimPolicy": "Delete"}),
        json!({"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotClass",
               "metadata": {"name": CLASS, "labels": {CLASS_LABEL: "true"}},
               "driver": DRIVER, "deletionPolicy": "Delete"}),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_read_from_the_drivers_folder_with_their_bytes() {
        let folder = std::env::temp_dir().join(format!("e2e-csi-{}", std::process::id()));
        let data = folder.join("snapshots/snapshot-1/data/Media Cover");
        std::fs::create_dir_all(&data).unwrap();
        std::fs::write(data.join("poster.jpg"), [0; 300]).unwrap();
        std::fs::write(data.join("../radarr.db"), [0; 4096]).unwrap();
        std::fs::write(
            folder.join("snapshots/snapshot-1/about.json"),
            r#"{"id": "snapshot-1", "volume": "pvc-1"}"#,
        )
        .unwrap();
        std::fs::create_dir_all(folder.join("snapshots/half-removed")).unwrap();
        let snapshots = Snapshots {
            folder: folder.clone(),
            log_folder: folder.clone(),
            seconds: 0.0,
        };
        let (all, bytes, none) = (
            snapshots.all(),
            snapshots.bytes("snapshot-1"),
            snapshots.volumes(),
        );
        std::fs::remove_dir_all(&folder).unwrap();
        assert_eq!(
            all.unwrap(),
            BTreeMap::from([("snapshot-1".to_owned(), "pvc-1".to_owned())])
        );
        assert_eq!(bytes.unwrap(), 4396);
        assert!(none.is_err(), "a folder that is missing is no empty one");
    }

    #[test]
    fn everyone_meets_at_the_drivers_socket() {
        let of = |name| {
            arguments(
                name,
                Path::new("/bed/csi"),
                "/bed/kubelet",
                Path::new("/bed/kubeconfig"),
            )
        };
        let socket = "/bed/kubelet/plugins/folder.csi.example.com/csi.sock";
        assert!(of("csi-folder-driver").contains(&format!("--endpoint={socket}")));
        for name in ["csi-provisioner", "csi-snapshotter"] {
            assert!(of(name).contains(&format!("--csi-address={socket}")));
        }
        assert_eq!(of("snapshot-controller"), ["--kubeconfig=/bed/kubeconfig"]);
    }
}
