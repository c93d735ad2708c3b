//! containerd, the kubelet, and volumes of type `local` on demand.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::Node;
use kube::{Api, Client};
use serde_json::json;

use super::images::BUSYBOX;
use super::processes::Processes;
use super::{NODE_ADDRESS, POD_GATEWAY, PODS, PRIVILEGED, STORAGE_CLASS};
use crate::apply;
use crate::namespaces::CGROUP;
use crate::parts::Parts;
use crate::wait;

/// Where containerd listens.
pub fn containerd_socket(folder: &Path) -> String {
    folder.join("containerd.sock").display().to_string()
}

/// Starts containerd and the kubelet.
pub async fn start(parts: &Parts, folder: &Path, processes: &mut Processes, kubeconfig: &Path) -> Result<()> {
    let network = folder.join("cni");
    std::fs::create_dir_all(&network)?;
    let bridge = json!({
        "cniVersion": "0.4.0", "name": "e2e",
        "plugins": [
            {"type": "bridge", "bridge": "e2e0", "isGateway": true, "ipMasq": false, "hairpinMode": true,
             "ipam": {"type": "host-local", "ranges": [[{"subnet": PODS, "gateway": POD_GATEWAY}]], "routes": [{"dst": "0.0.0.0/0"}],
                      "dataDir": folder.join("ipam")}},
            {"type": "loopback"},
        ],
    });
    std::fs::write(network.join("e2e.conflist"), bridge.to_string())?;
    let config = folder.join("containerd.toml");
    std::fs::write(&config, containerd_config(folder))?;
    processes.start(
        "containerd",
        Command::new("/usr/bin/containerd").arg("--config").arg(&config),
    )?;

    // A socket that exists is one that answers: containerd listens before it makes the file.
    let socket = containerd_socket(folder);
    wait::until("containerd answers", Duration::from_secs(60), || {
        let checked = processes.check();
        let answers = std::os::unix::net::UnixStream::connect(&socket).is_ok();
        async move {
            checked?;
            Ok(answers.then_some(()))
        }
    })
    .await?;
    make_cgroups()?;
    let config = folder.join("kubelet.json");
    std::fs::write(&config, kubelet_config(folder).to_string())?;
    processes.start(
        "kubelet",
        Command::new(parts.program("kubelet"))
            .arg(format!("--config={}", config.display()))
            .arg(format!("--kubeconfig={}", kubeconfig.display()))
            .arg(format!("--root-dir={}", kubelet_folder(folder)))
            .arg(format!(
                "--cert-dir={}",
                folder.join("kubelet-certificates").display()
            ))
            .args(["--hostname-override=e2e", &format!("--node-ip={NODE_ADDRESS}")]),
    )
}

/// The kubelet takes a cgroup of its own only if it is there, in every hierarchy (version 1) or the one (version 2).
fn make_cgroups() -> Result<()> {
    let root = Path::new("/sys/fs/cgroup");
    let controllers = std::fs::read_to_string(root.join("cgroup.controllers"));
    if let Ok(controllers) = controllers {
        std::fs::create_dir_all(root.join(CGROUP)).context("cannot make a cgroup")?;
        let enabled: String = controllers
            .split_whitespace()
            .map(|name| format!("+{name} "))
            .collect();
        for group in [root.to_owned(), root.join(CGROUP)] {
            // Some controllers cannot be handed down everywhere; the kubelet names one that it misses.
            let _ = std::fs::write(group.join("cgroup.subtree_control"), &enabled);
        }
        return Ok(());
    }
    for hierarchy in std::fs::read_dir(root)
        .context("cannot list control groups")?
        .flatten()
    {
        if hierarchy.file_type()?.is_dir() {
            std::fs::create_dir_all(hierarchy.path().join(CGROUP)).context("cannot make a cgroup")?;
        }
    }
    Ok(())
}

/// Where the kubelet keeps pods and mounts volumes.
pub fn kubelet_folder(folder: &Path) -> String {
    folder.join("kubelet").display().to_string()
}

/// Waits until the node takes pods.
pub async fn wait_until_ready(client: &Client, processes: &mut Processes) -> Result<()> {
    let nodes: Api<Node> = Api::all(client.clone());
    wait::until("the node is ready", Duration::from_secs(120), || {
        let checked = processes.check();
        let nodes = nodes.clone();
        async move {
            checked?;
            let Some(node) = nodes.get_opt("e2e").await? else {
                return Ok(None);
            };
            let conditions = node
                .status
                .and_then(|status| status.conditions)
                .unwrap_or_default();
            Ok(conditions
                .iter()
                .any(|is| is.type_ == "Ready" && is.status == "True")
                .then_some(()))
        }
    })
    .await
}

fn containerd_config(folder: &Path) -> String {
    // restrict_oom_score_adj: without CAP_SYS_RESOURCE a process cannot lower its own score, and every sandbox would die.
    format!(
        r#"version = 2
root = "{folder}/containerd"
state = "{folder}/containerd-state"
[grpc]
  address = "{folder}/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{BUSYBOX}"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "{folder}/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      BinaryName = "/usr/sbin/runc"
"#,
        folder = folder.display()
    )
}

fn kubelet_config(folder: &Path) -> serde_json::Value {
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        // Nobody else can reach it: see namespaces.rs.
        "authentication": {"anonymous": {"enabled": true}, "webhook": {"enabled": false}},
        "authorization": {"mode": "AlwaysAllow"},
        "containerRuntimeEndpoint": format!("unix://{}", containerd_socket(folder)),
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": format!("/{CGROUP}"),
        "cgroupsPerQOS": true,
        "enforceNodeAllocatable": [],
        "failCgroupV1": false,
        "failSwapOn": false,
        "localStorageCapacityIsolation": false,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%", "nodefs.inodesFree": "1%"},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "resolvConf": "",
        "maxPods": 200,
        "podLogsDir": folder.join("pod-logs"),
        "registryPullQPS": 0,
        "eventRecordQPS": 0,
        "syncFrequency": "10s",
    })
}

/// A StorageClass whose volumes are of type `local`: file-system backup refuses hostPath volumes.
pub async fn storage(client: &Client) -> Result<()> {
    let namespace = "local-path-storage";
    // The provisioner starts its helper pods under an account of this very name.
    let account = "local-path-provisioner-service-account";
    let folders = json!({"nodePathMap": [{"node": "DEFAULT_PATH_FOR_NON_LISTED_NODES", "paths": ["/run/configuratarr-e2e/volumes"]}]});
    let helper = json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "helper-pod"},
        "spec": {"containers": [{"name": "helper-pod", "image": BUSYBOX, "imagePullPolicy": "IfNotPresent"}]},
    });
    let labels = json!({"app": "local-path-provisioner"});
    apply::all(
        client,
        &[
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {PRIVILEGED.0: PRIVILEGED.1}}}),
            json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": namespace}}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "local-path-provisioner"},
                   "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                   "subjects": [{"kind": "ServiceAccount", "name": account, "namespace": namespace}]}),
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "local-path-config", "namespace": namespace},
                   "data": {
                       "config.json": folders.to_string(),
                       "setup": "#!/bin/sh\nset -eu\nmkdir -m 0777 -p \"$VOL_DIR\"\n",
                       "teardown": "#!/bin/sh\nset -eu\nrm -rf \"$VOL_DIR\"\n",
                       "helperPod.yaml": helper.to_string(),
                   }}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "local-path-provisioner", "namespace": namespace},
                   "spec": {"replicas": 1, "selector": {"matchLabels": labels},
                            "template": {"metadata": {"labels": labels}, "spec": {
                                "serviceAccountName": account,
                                "containers": [{
                                    "name": "local-path-provisioner", "image": super::images::PROVISIONER, "imagePullPolicy": "IfNotPresent",
                                    // Volumes of several apps are made at once, as drivers of real storage do: its own 4 threads hold up seven.
                                    "command": ["/local-path-provisioner", "start", "--worker-threads", "16", "--config", "/etc/config/config.json",
                                                "--helper-image", BUSYBOX],
                                    "volumeMounts": [{"name": "config", "mountPath": "/etc/config/"}],
                                    "env": [{"name": "POD_NAMESPACE", "valueFrom": {"fieldRef": {"fieldPath": "metadata.namespace"}}}],
                                }],
                                "volumes": [{"name": "config", "configMap": {"name": "local-path-config"}}],
                            }}}}),
            json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass",
                   "metadata": {"name": STORAGE_CLASS, "annotations": {"defaultVolumeType": "local", "storageclass.kubernetes.io/is-default-class": "true"}},
                   "provisioner": "rancher.io/local-path", "volumeBindingMode": "WaitForFirstConsumer", "reclaimPolicy": "Delete"}),
        ],
    )
    .await
}
