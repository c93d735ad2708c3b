//! The network, etcd and the control plane.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use super::processes::{Processes, run};
use super::{NODE_ADDRESS, SERVICE_ADDRESS};
use crate::parts::Parts;
use crate::wait;

/// Name of the file in which the API server notes what applications ask.
pub(super) const AUDIT_LOG: &str = "audit.log";

/// Secret of the administrator. It opens a server that only these namespaces can reach.
const TOKEN: &str = "e2e-administrator";

/// Loopback, the node's address, and the way to the API server for pods (there is no kube-proxy).
pub fn network() -> Result<()> {
    run("ip", &["link", "set", "lo", "up"])?;
    run(
        "ip",
        &["address", "add", &format!("{NODE_ADDRESS}/32"), "dev", "lo"],
    )?;
    std::fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
    for chain in ["PREROUTING", "OUTPUT"] {
        let target = format!("{NODE_ADDRESS}:6443");
        let service = format!("{SERVICE_ADDRESS}/32");
        run(
            "iptables",
            &[
                "-t",
                "nat",
                "-A",
                chain,
                "-d",
                &service,
                "-p",
                "tcp",
                "--dport",
                "443",
                "-j",
                "DNAT",
                "--to-destination",
                &target,
            ],
        )?;
    }
    // The kernel takes the way to the service address only if there is one.
    run("ip", &["route", "add", "default", "dev", "lo"])?;
    Ok(())
}

/// Where the administrator's kubeconfig is.
pub fn kubeconfig(folder: &Path) -> PathBuf {
    folder.join("kubeconfig")
}

/// Starts etcd, API server, controller manager and scheduler. Returns the administrator's kubeconfig.
pub async fn start(parts: &Parts, folder: &Path, processes: &mut Processes) -> Result<PathBuf> {
    let kubeconfig = kubeconfig(folder);
    std::fs::write(&kubeconfig, kubeconfig_text())?;
    let tokens = folder.join("tokens.csv");
    std::fs::write(
        &tokens,
        format!("{TOKEN},administrator,administrator,\"system:masters\"\n"),
    )?;
    let account_key = folder.join("service-account.key");
    let key = rcgen::KeyPair::generate().context("cannot make the key of service account tokens")?;
    std::fs::write(&account_key, key.serialize_pem())?;
    // Of the private form it would not take the public half.
    let account_public_key = folder.join("service-account.pub");
    std::fs::write(&account_public_key, key.public_key_pem())?;
    let certificates = folder.join("certificates");
    let audit_policy = folder.join("audit-policy.json");
    std::fs::write(&audit_policy, audit_policy_text())?;
    let admission = folder.join("admission.json");
    std::fs::write(&admission, admission_text())?;

    processes.start(
        "etcd",
        Command::new("/usr/bin/etcd")
            .arg(format!("--data-dir={}", folder.join("etcd").display()))
            .args([
                "--listen-client-urls=http://127.0.0.1:2379",
                "--advertise-client-urls=http://127.0.0.1:2379",
            ])
            .args(["--listen-peer-urls=http://127.0.0.1:2380", "--unsafe-no-fsync"])
            .env("ETCD_UNSUPPORTED_ARCH", ""),
    )?;
    let account_key = account_key.display();
    processes.start(
        "kube-apiserver",
        Command::new(parts.program("kube-apiserver"))
            .args([
                "--etcd-servers=http://127.0.0.1:2379",
                "--authorization-mode=RBAC",
                "--allow-privileged=true",
            ])
            .arg(format!("--advertise-address={NODE_ADDRESS}"))
            .args(["--secure-port=6443", "--service-cluster-ip-range=10.96.0.0/24"])
            .arg("--kubelet-preferred-address-types=InternalIP")
            // Without certificates of ours it signs its own, for the service address too.
            .arg(format!("--cert-dir={}", certificates.display()))
            .arg(format!("--token-auth-file={}", tokens.display()))
            .arg(format!("--admission-control-config-file={}", admission.display()))
            .arg(format!("--audit-policy-file={}", audit_policy.display()))
            .arg(format!("--audit-log-path={}", folder.join(AUDIT_LOG).display()))
            // Written before the answer: who counts has not to wait.
            .arg("--audit-log-mode=blocking-strict")
            .arg("--service-account-issuer=https://kubernetes.default.svc")
            .arg(format!(
                "--service-account-key-file={}",
                account_public_key.display()
            ))
            .arg(format!("--service-account-signing-key-file={account_key}")),
    )?;
    let client = client(&kubeconfig).await?;
    wait::until("the API server is ready", Duration::from_secs(120), || {
        let checked = processes.check();
        let client = client.clone();
        async move {
            checked?;
            let request = http_get("/readyz")?;
            Ok(client
                .request_text(request)
                .await
                .ok()
                .filter(|text| text == "ok"))
        }
    })
    .await?;
    let kubeconfig_flag = format!("--kubeconfig={}", kubeconfig.display());
    processes.start(
        "kube-controller-manager",
        Command::new(parts.program("kube-controller-manager"))
            .arg(&kubeconfig_flag)
            .args(["--leader-elect=false", "--use-service-account-credentials=true"])
            .arg(format!("--service-account-private-key-file={account_key}"))
            .arg(format!(
                "--root-ca-file={}",
                certificates.join("apiserver.crt").display()
            )),
    )?;
    processes.start(
        "kube-scheduler",
        Command::new(parts.program("kube-scheduler"))
            .arg(&kubeconfig_flag)
            .arg("--leader-elect=false")
            // A pod whose claim was bound while it was put aside is looked at again after this time, five minutes by itself: a scenario
            // waits for two at most.
            .arg("--pod-max-in-unschedulable-pods-duration=10s"),
    )?;
    Ok(kubeconfig)
}

/// In a namespace that says nothing of it, pods must be `restricted`
/// (<https://kubernetes.io/docs/tasks/configure-pod-container/enforce-standards-admission-controller/>).
fn admission_text() -> String {
    serde_json::json!({
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "AdmissionConfiguration",
        "plugins": [{
            "name": "PodSecurity",
            "configuration": {
                "apiVersion": "pod-security.admission.config.k8s.io/v1",
                "kind": "PodSecurityConfiguration",
                "defaults": {"enforce": "restricted", "enforce-version": "latest"},
            },
        }],
    })
    .to_string()
}

/// What applications ask is noted, a line each, when it is answered. What Kubernetes and Velero ask is not.
fn audit_policy_text() -> String {
    let of = |namespace: &str| format!("system:serviceaccounts:{namespace}");
    serde_json::json!({
        "apiVersion": "audit.k8s.io/v1",
        "kind": "Policy",
        "omitStages": ["RequestReceived", "ResponseStarted"],
        "rules": [
            {"level": "None", "userGroups": [of("kube-system"), of(super::VELERO_NAMESPACE)]},
            {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
            {"level": "None"},
        ],
    })
    .to_string()
}

/// A client of the API server that `kubeconfig` names.
pub async fn client(kubeconfig: &Path) -> Result<Client> {
    let kubeconfig = Kubeconfig::read_from(kubeconfig)
        .with_context(|| format!("cannot read kubeconfig {}", kubeconfig.display()))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    Ok(Client::try_from(config)?)
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    Ok(http::Request::get(path).body(Vec::new())?)
}

/// The certificate is not checked: the server is the only one in these namespaces.
fn kubeconfig_text() -> String {
    serde_json::json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "e2e", "cluster": {"server": format!("https://{NODE_ADDRESS}:6443"), "insecure-skip-tls-verify": true}}],
        "users": [{"name": "administrator", "user": {"token": TOKEN}}],
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "administrator"}}],
        "current-context": "e2e",
    })
    .to_string()
}
