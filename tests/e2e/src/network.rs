//! Pods that are cut off as a network that enforces a NetworkPolicy cuts them off. The bed's network enforces none, so the packets that
//! such a policy would drop are dropped by rules in the pod's own network namespace.

use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::bed::{POD_GATEWAY, SERVICE_ADDRESS, run as command};
use crate::node_processes;

/// What a pod may still reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaches {
    /// The API server, by the address of its service.
    ApiServer,
    /// Nothing.
    Nothing,
}

/// Whether a connection out of the pod to a port is taken. What is dropped gets no answer, so 3 s are waited for one.
///
/// # Errors
/// When the pod has no process, or the attempt cannot be made.
pub fn can_reach(uid: &str, address: &str, port: u16) -> Result<bool> {
    let connect = format!("exec 3<>/dev/tcp/{address}/{port}");
    let status = Command::new("nsenter")
        .args(["--target", &process(uid)?, "--net"])
        .args(["timeout", "3", "bash", "-c", &connect])
        .stderr(Stdio::null())
        .status()
        .context("nsenter cannot be run")?;
    Ok(status.success())
}

fn process(uid: &str) -> Result<String> {
    let process = node_processes::of_pod(uid)?;
    Ok(process.first().context("the pod has no process")?.to_string())
}

/// Drops what asks for a connection to a pod, whoever sends it: no answer comes.
///
/// # Errors
/// As [`cut_off`].
pub fn take_nobody(uid: &str) -> Result<()> {
    rule(&process(uid)?, "-A INPUT -p tcp --syn -j DROP")
}

/// One rule in the network namespace of a process.
fn rule(process: &str, words: &str) -> Result<()> {
    let mut arguments = vec!["--target", process, "--net", "iptables"];
    arguments.extend(words.split(' '));
    command("nsenter", &arguments).map(drop)
}

/// Drops all packets from and to a pod but those that stay in it, those of its own node, which no policy drops (the kubelet's probes), and
/// those that it may still send. What an earlier call said is replaced. `uid` is the pod's.
///
/// # Errors
/// When the pod has no process yet, or the kernel refuses the rules.
pub fn cut_off(uid: &str, reaches: Reaches) -> Result<()> {
    let process = process(uid)?;
    let rule = |words: &str| rule(&process, words);
    for (chain, interface, peer, port) in [
        ("INPUT", "-i", "-s", "--sport"),
        ("OUTPUT", "-o", "-d", "--dport"),
    ] {
        // Nothing passes between two rules that was not to pass.
        rule(&format!("-P {chain} DROP"))?;
        rule(&format!("-F {chain}"))?;
        rule(&format!("-A {chain} {interface} lo -j ACCEPT"))?;
        rule(&format!("-A {chain} {peer} {POD_GATEWAY} -j ACCEPT"))?;
        if reaches == Reaches::ApiServer {
            rule(&format!(
                "-A {chain} {peer} {SERVICE_ADDRESS} -p tcp {port} 443 -j ACCEPT"
            ))?;
        }
    }
    Ok(())
}
