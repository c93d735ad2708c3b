//! Kubernetes, by the user's kubeconfig.

use std::path::Path;

use config_recovery::cluster::Cluster;
use config_recovery::overview::{self, Overview};
use config_recovery::shown::shown;
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

use crate::args::Global;
use crate::problem::{Kind, Problem, Result};

/// A cluster that can be asked. Nothing has been asked yet.
///
/// # Errors
/// A kubeconfig that is not there, cannot be read or does not name the context.
pub async fn connect(global: &Global) -> Result<Cluster> {
    let kubeconfig = match &global.kubeconfig {
        Some(path) => read(path)?,
        None => Kubeconfig::read().map_err(|error| {
            cannot(
                format!("cannot read the kubeconfig: {error}"),
                "name one: --kubeconfig FILE, or set KUBECONFIG",
            )
        })?,
    };
    let options = KubeConfigOptions {
        context: global.context.clone(),
        ..KubeConfigOptions::default()
    };
    let contexts: Vec<String> = kubeconfig
        .contexts
        .iter()
        .map(|context| shown(&context.name))
        .collect();
    let config = Config::from_custom_kubeconfig(kubeconfig, &options).await;
    let config = config.map_err(|error| {
        let next = match contexts.as_slice() {
            [] => "kubectl config view shows what is in it".to_owned(),
            names => format!("its contexts: {}; --context NAME", names.join(", ")),
        };
        cannot(
            format!("cannot use the kubeconfig: {}", shown(&error.to_string())),
            next,
        )
    })?;
    let client = Client::try_from(config).map_err(|error| {
        cannot(
            format!("cannot use the kubeconfig: {}", shown(&error.to_string())),
            "kubectl config view shows what is in it",
        )
    })?;
    Ok(Cluster::new(client))
}

fn read(path: &Path) -> Result<Kubeconfig> {
    Kubeconfig::read_from(path).map_err(|error| {
        cannot(
            format!(
                "cannot read the kubeconfig {}: {}",
                path.display(),
                shown(&error.to_string())
            ),
            "name another one: --kubeconfig FILE",
        )
    })
}

fn cannot(text: impl Into<String>, next: impl Into<String>) -> Problem {
    Problem::new(Kind::NotAsked, text, next)
}

/// Everything about backups that is in the cluster.
///
/// # Errors
/// As [`overview::overview`].
pub async fn look(global: &Global) -> Result<(Cluster, Overview)> {
    let cluster = connect(global).await?;
    let found = overview::overview(&cluster).await?;
    Ok((cluster, found))
}
