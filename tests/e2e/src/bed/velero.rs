//! Velero with its node agent, as `velero install` would put it there.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment};
use kube::{Api, Client};
use serde_json::{Value, json};

use super::processes::run;
use super::{PRIVILEGED, VELERO_NAMESPACE, cluster, node, s3};
use crate::parts::Parts;
use crate::veleros::Velero;
use crate::{apply, wait};

/// Name of the ConfigMap that says how Velero uses its repositories.
const REPOSITORIES: &str = "repositories";
/// How much the node agent keeps of what it read, in megabytes. By default 5000, of the bed's memory here.
const CACHE: u32 = 250;

/// An installation of Velero.
#[derive(Debug, Clone, Copy)]
pub struct Server<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its bucket. Each installation takes for its own backups whatever it finds there, and gives up its location when it
    /// finds something else.
    pub bucket: &'a str,
    /// Features that are off by default, with commas between them.
    pub features: &'a str,
    /// Whether there is an agent that copies files.
    pub node_agent: bool,
    /// How many backups it may make at once, where it can make several.
    pub concurrent_backups: u32,
}

/// The installation that every bed has.
pub const DEFAULT: Server<'static> = Server {
    namespace: VELERO_NAMESPACE,
    bucket: s3::BUCKET,
    features: "",
    node_agent: true,
    concurrent_backups: 1,
};

/// Applies Velero's objects. They get ready while other things are done; see [`wait_until_available`].
pub async fn install(
    client: &Client,
    parts: &Parts,
    velero: &Velero,
    folder: &Path,
    server: Server<'_>,
) -> Result<()> {
    s3::make_bucket(folder, server.bucket)?;
    // `velero install` reads this ConfigMap from the cluster and refuses one that is not there, since 1.17.
    apply::all(
        client,
        &[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": server.namespace, "labels": {PRIVILEGED.0: PRIVILEGED.1}}}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": REPOSITORIES, "namespace": server.namespace},
                   "data": {"kopia": json!({"cacheLimitMB": CACHE}).to_string()}}),
        ],
    )
    .await?;
    let objects = objects(parts, velero, folder, server)?;
    let (definitions, others): (Vec<Value>, Vec<Value>) = objects
        .into_iter()
        .partition(|object| object["kind"] == "CustomResourceDefinition");
    apply::all(client, &definitions).await?;
    let names: Vec<String> = definitions
        .iter()
        .filter_map(|is| is["metadata"]["name"].as_str().map(str::to_owned))
        .collect();
    wait::until("Velero's resources are served", Duration::from_secs(30), || {
        let client = client.clone();
        let names = names.clone();
        async move {
            let api = apply::api(&client, "apiextensions.k8s.io/v1", "CustomResourceDefinition", "");
            for name in names {
                let conditions = api.get(&name).await?.data["status"]["conditions"].clone();
                let established = conditions.as_array().is_some_and(|all| {
                    all.iter()
                        .any(|is| is["type"] == "Established" && is["status"] == "True")
                });
                if !established {
                    return Ok(None);
                }
            }
            Ok(Some(()))
        }
    })
    .await?;
    apply::all(client, &others).await
}

/// Waits until backups can be made: server and node agent run, and the storage location is available.
pub async fn wait_until_available(client: &Client, is: Server<'_>) -> Result<()> {
    let agents: Api<DaemonSet> = Api::namespaced(client.clone(), is.namespace);
    let servers: Api<Deployment> = Api::namespaced(client.clone(), is.namespace);
    let locations = apply::api(client, "velero.io/v1", "BackupStorageLocation", is.namespace);
    wait::until(
        "Velero's storage location is available",
        Duration::from_secs(120),
        || {
            let (agents, servers, locations) = (agents.clone(), servers.clone(), locations.clone());
            async move {
                let server = servers
                    .get("velero")
                    .await?
                    .status
                    .and_then(|is| is.available_replicas)
                    .unwrap_or(0);
                let agent = match is.node_agent {
                    true => agents.get("node-agent").await?.status,
                    false => None,
                };
                let agent = !is.node_agent || agent.is_some_and(|agent| agent.number_ready > 0);
                let phase = locations.get("default").await?.data["status"]["phase"].clone();
                Ok((server > 0 && agent && phase == "Available").then_some(()))
            }
        },
    )
    .await
}

/// What `velero install` would apply, for a kubelet whose folder is elsewhere.
fn objects(parts: &Parts, velero: &Velero, folder: &Path, server: Server<'_>) -> Result<Vec<Value>> {
    let credentials = folder.join("s3-credentials");
    std::fs::write(&credentials, s3::credentials())?;
    // Newer SDKs send checksums that not every S3 server knows; the empty text turns them off.
    let location = format!(
        "region={},s3ForcePathStyle=true,s3Url={},checksumAlgorithm=",
        s3::REGION,
        s3::url()
    );
    let program = parts.program("velero");
    let program = program.to_str().context("the cache folder's name is not UTF-8")?;
    let credentials = credentials.display().to_string();
    let region = format!("region={}", s3::REGION);
    let (image, plugin) = (velero.image(), velero.plugin_image());
    let kubeconfig = cluster::kubeconfig(folder).display().to_string();
    let mut arguments = vec![
        "install",
        "--kubeconfig",
        &kubeconfig,
        "--dry-run",
        "-o",
        "json",
        "--namespace",
        server.namespace,
        "--provider",
        "aws",
        "--bucket",
        server.bucket,
        "--secret-file",
        &credentials,
        "--backup-location-config",
        &location,
        // As velero-operator does, whose backups name it. Nothing here can take snapshots by it.
        "--snapshot-location-config",
        &region,
        "--image",
        &image,
        "--plugins",
        &plugin,
        "--velero-pod-cpu-request",
        "0",
        "--velero-pod-mem-request",
        "0",
        "--velero-pod-cpu-limit",
        "0",
        "--velero-pod-mem-limit",
        "0",
    ];
    if server.node_agent {
        arguments.push("--use-node-agent");
    }
    if !server.features.is_empty() {
        arguments.extend(["--features", server.features]);
    }
    let concurrent_backups = server.concurrent_backups.to_string();
    if velero.concurrent_backups {
        arguments.extend(["--concurrent-backups", &concurrent_backups]);
    }
    let text = run(program, &arguments)?;
    let list: Value = serde_json::from_str(&text).context("cannot read what velero install prints")?;
    let Some(items) = list["items"].as_array() else {
        bail!("velero install prints no objects")
    };
    let kubelet = node::kubelet_folder(folder);
    let fitted = items
        .iter()
        .map(|object| with_repositories(fit(object.clone(), &kubelet)));
    Ok(fitted.collect())
}

/// Velero's server reads [`REPOSITORIES`]. The option that `velero install` has for it is not used: that of 1.18 says, with all that is there, that
/// there is no such ConfigMap.
fn with_repositories(mut object: Value) -> Value {
    let is_server = object["kind"] == "Deployment";
    let arguments = object.pointer_mut("/spec/template/spec/containers/0/args");
    if let (true, Some(Value::Array(arguments))) = (is_server, arguments) {
        arguments.push(format!("--backup-repository-configmap={REPOSITORIES}").into());
    }
    object
}

/// The node agent reads volumes below the kubelet's folder.
fn fit(mut object: Value, kubelet: &str) -> Value {
    if let Some(volumes) = object
        .pointer_mut("/spec/template/spec/volumes")
        .and_then(Value::as_array_mut)
    {
        for volume in volumes {
            if let Some(path) = volume.pointer("/hostPath/path").and_then(Value::as_str) {
                let path = path.replace("/var/lib/kubelet", kubelet);
                volume["hostPath"] = json!({"path": path, "type": "DirectoryOrCreate"});
            }
        }
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_node_agent_gets_the_folder_that_the_kubelet_has() {
        let agent = json!({"spec": {"template": {"spec": {"volumes": [
            {"name": "host-pods", "hostPath": {"path": "/var/lib/kubelet/pods"}}, {"name": "scratch", "emptyDir": {}},
        ]}}}});
        let volumes = fit(agent, "/bed/kubelet")["spec"]["template"]["spec"]["volumes"].clone();
        assert_eq!(volumes[0]["hostPath"]["path"], "/bed/kubelet/pods");
        assert_eq!(volumes[1], json!({"name": "scratch", "emptyDir": {}}));
    }
}
