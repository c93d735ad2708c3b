//! One node of Kubernetes with Velero and an S3 server, inside namespaces of its own.
//!
//! Each module brings up one part and waits until it answers. Nothing is taken down part by part: when the first process
//! of the namespaces ends, everything is gone.

mod cluster;
pub mod csi;
pub mod images;
mod node;
mod processes;
pub use processes::run;
mod s3;
pub mod velero;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use kube::Client;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::parts::Parts;
use crate::veleros::Velero;
pub use cluster::client;
use processes::Processes;

/// The node's address, which is the API server's and the S3 server's too. On `lo`: the kernel may lack dummy devices.
pub const NODE_ADDRESS: &str = "10.97.0.1";
/// Address of the service `kubernetes`, the first one of the service range.
pub const SERVICE_ADDRESS: &str = "10.96.0.1";
/// The addresses of pods, and the node's own among them, from which the kubelet asks them.
const PODS: &str = "10.98.0.0/16";
/// See [`PODS`].
pub const POD_GATEWAY: &str = "10.98.0.1";
/// Name of the StorageClass that makes volumes of type `local`.
pub const STORAGE_CLASS: &str = "local";
/// Namespace that Velero runs in: not the one that it is often found in, as with velero-operator, where it is the operator's model.
pub const VELERO_NAMESPACE: &str = "backup-system";
/// Label that lets pods in a namespace do what they like. Where it lacks, the API server admits what is `restricted`: as strict
/// as clusters come.
pub const PRIVILEGED: (&str, &str) = ("pod-security.kubernetes.io/enforce", "privileged");

/// A running bed.
pub struct Bed {
    /// Client of the API server, as a cluster administrator.
    pub client: Client,
    /// Where the bed's files are: memory, gone with the namespaces.
    pub folder: PathBuf,
    /// Kubeconfig of the administrator.
    pub kubeconfig: PathBuf,
    /// The built programs.
    pub parts: Parts,
    /// The release of Velero that runs here.
    pub velero: &'static Velero,
    processes: Mutex<Processes>,
    snapshots: OnceCell<csi::Snapshots>,
}

impl Bed {
    /// Brings everything up, of the parts that were built for this Velero. To be called once, in new namespaces.
    ///
    /// # Errors
    /// When a part does not start or does not get ready; the text names it and its log.
    pub async fn up(velero: &'static Velero, parts: Parts) -> Result<Self> {
        let began = Instant::now();
        let folder = memory_folder()?;
        let mut processes = Processes::new(folder.join("log"))?;
        cluster::network()?;
        let kubeconfig = cluster::start(&parts, &folder, &mut processes).await?;
        let client = client(&kubeconfig).await?;
        note(began, "the API server answers");
        // Two at once: images are read while the controllers start.
        node::start(&parts, &folder, &mut processes, &kubeconfig).await?;
        images::load_all(&parts, velero, &folder).await?;
        node::wait_until_ready(&client, &mut processes).await?;
        note(began, "the node is ready");
        s3::start(&parts, &folder, &mut processes).await?;
        node::storage(&client).await?;
        velero::install(&client, &parts, velero, &folder, velero::DEFAULT).await?;
        let available = velero::wait_until_available(&client, velero::DEFAULT).await;
        available.or_else(|error| processes.check().and(Err(error)))?;
        note(began, "Velero's storage location is available");
        Ok(Self {
            client,
            folder,
            kubeconfig,
            parts,
            velero,
            processes: Mutex::new(processes),
            snapshots: OnceCell::new(),
        })
    }

    /// Volumes that can be snapshotted. What that takes is started when it is first asked for.
    ///
    /// # Errors
    /// When a part does not start or does not get ready.
    pub async fn snapshots(&self) -> Result<&csi::Snapshots> {
        let start = || csi::start(&self.client, &self.folder, &self.kubeconfig, &self.processes);
        self.snapshots.get_or_try_init(start).await
    }

    /// Puts a further Velero beside the one that every bed has, and waits until backups can be made with it.
    ///
    /// # Errors
    /// When it is refused or does not get ready.
    pub async fn install_velero(&self, server: velero::Server<'_>) -> Result<()> {
        velero::install(&self.client, &self.parts, self.velero, &self.folder, server).await?;
        velero::wait_until_available(&self.client, server).await
    }

    /// Runs commands as a person would who has pasted them: with `kubectl` at hand.
    ///
    /// # Errors
    /// When they fail; the text has what they printed.
    pub async fn by_bash(&self, commands: &str) -> Result<()> {
        let path = std::env::var("PATH").unwrap_or_default();
        let output = Command::new("bash")
            .args(["-c", commands])
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", format!("{}:{path}", self.parts.folder().display()))
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .context("cannot run bash")?;
        ensure!(
            output.status.success(),
            "the commands ended with {}:\n{}{}\nThey were:\n{commands}",
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(())
    }

    /// The process of a server that was started for the bed.
    ///
    /// # Errors
    /// When there is no such server.
    pub fn process(&self, name: &str) -> Result<u32> {
        let processes = self.processes.lock().ok();
        let number = processes.and_then(|processes| processes.number(name));
        number.with_context(|| format!("no {name} was started"))
    }

    /// Takes an image away from the node. What runs from it runs on.
    ///
    /// # Errors
    /// When containerd refuses it.
    pub async fn remove_image(&self, name: &str) -> Result<()> {
        images::remove(name, &self.folder).await
    }

    /// Where the API server notes what applications ask it, a line of JSON each.
    pub fn audit_log(&self) -> PathBuf {
        self.folder.join(cluster::AUDIT_LOG)
    }

    /// A text for each server that has ended, with the end of its log. None should have.
    pub fn ended(&self) -> Vec<String> {
        self.processes
            .lock()
            .map(|mut processes| processes.ended())
            .unwrap_or_default()
    }

    /// Bytes that file-system backups of a namespace take in object storage, by the server's own files: nothing that Velero
    /// says. Data is stored once, so a second backup of the same files adds little.
    pub fn repository_bytes(&self, namespace: &str) -> u64 {
        bytes_below(&self.repository(namespace))
    }

    /// Removes what file-system backups of a namespace take in object storage. None of them can be restored after it.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove_repository(&self, namespace: &str) -> Result<()> {
        let folder = self.repository(namespace);
        std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))
    }

    /// Takes the bucket of the Velero that every bed has away from the S3 server, with all that is in it.
    ///
    /// # Errors
    /// When it is not there.
    pub fn take_bucket_away(&self) -> Result<()> {
        let (here, away) = self.bucket();
        std::fs::rename(&here, &away).with_context(|| format!("cannot take {} away", here.display()))
    }

    /// Brings the bucket back that was taken away, as it was.
    ///
    /// # Errors
    /// When it was not taken away.
    pub fn bring_bucket_back(&self) -> Result<()> {
        let (here, away) = self.bucket();
        std::fs::rename(&away, &here).with_context(|| format!("cannot bring {} back", here.display()))
    }

    /// Where the bucket is, and where it is while it is away.
    fn bucket(&self) -> (PathBuf, PathBuf) {
        let here = self.folder.join("s3").join(s3::BUCKET);
        (here, self.folder.join("bucket-that-is-away"))
    }

    /// What objects a backup holds, by kind (`v1/Pod`), as `namespace/name`: the list that Velero put into the bucket.
    ///
    /// # Errors
    /// When there is no such list, or it cannot be read.
    pub fn objects_of(&self, backup: &str) -> Result<BTreeMap<String, Vec<String>>> {
        let bucket = self.folder.join("s3").join(s3::BUCKET);
        let list = bucket
            .join("backups")
            .join(backup)
            .join(format!("{backup}-resource-list.json.gz"));
        let path = list.to_str().context("the bed's folder is not UTF-8")?;
        let text = run("gzip", &["-dc", path])?;
        serde_json::from_str(&text).context("cannot read Velero's list of objects")
    }

    fn repository(&self, namespace: &str) -> PathBuf {
        let bucket = self.folder.join("s3").join(s3::BUCKET);
        bucket.join("kopia").join(namespace)
    }

    /// Puts the images of an archive into the node, under the names that they have in it.
    ///
    /// # Errors
    /// When containerd refuses them.
    pub async fn import(&self, archive: &Path) -> Result<()> {
        images::import(archive, &self.folder).await
    }
}

/// A folder in memory: fast for etcd, and gone with the mount namespace.
fn memory_folder() -> Result<PathBuf> {
    let folder = Path::new("/run/configuratarr-e2e");
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    run(
        "mount",
        &[
            "-t",
            "tmpfs",
            "-o",
            "mode=0755",
            "tmpfs",
            "/run/configuratarr-e2e",
        ],
    )?;
    // Velero's node agent has to see volumes that are mounted after it has started.
    run("mount", &["--make-rshared", "/"])?;
    Ok(folder.to_owned())
}

/// Bytes of all files below a folder; 0 when there is none.
fn bytes_below(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return 0;
    };
    let size = |entry: std::fs::DirEntry| match entry.metadata() {
        Ok(is) if is.is_dir() => bytes_below(&entry.path()),
        Ok(is) => is.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

fn note(began: Instant, what: &str) {
    eprintln!("  {:>5.1} s  {what}", began.elapsed().as_secs_f64());
}
