//! Pods that are cut off as a network that enforces a NetworkPolicy cuts them off. The bed's network enforces none, so the packets that
//! such a policy would drop are dropped by rules in the pod's own network namespace.

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

/// Drops all packets from and to a pod but those that stay in it, those of its own node, which no policy drops (the kubelet's probes), and
/// those that it may still send. What an earlier call said is replaced. `uid` is the pod's.
///
/// # Errors
/// When the pod has no process yet, or the kernel refuses the rules.
pub fn cut_off(uid: &str, reaches: Reaches) -> Result<()> {
    let process = node_processes::of_pod(uid)?;
    let process = process.first().context("the pod has no process")?.to_string();
    let rule = |words: &str| {
        let mut arguments = vec!["--target", &process, "--net", "iptables"];
        arguments.extend(words.split(' '));
        command("nsenter", &arguments).map(drop)
    };
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
