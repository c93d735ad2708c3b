//! Kubernetes, by the user's kubeconfig.

mod asked;
pub mod helper;
mod login;

use std::path::Path;
use std::time::Duration;

use config_recovery::cluster::Cluster;
use config_recovery::overview::{self, Overview};
use config_recovery::shown::shown;
use kube::Config;
use kube::client::ClientBuilder;
use kube::config::{KubeConfigOptions, Kubeconfig, KubeconfigError};

use self::helper::Helper;
use crate::args::Global;
use crate::problem::{Kind, Problem, Result};

/// A cluster that can be asked. Nothing has been asked yet.
///
/// # Errors
/// A kubeconfig that is not there, cannot be read or does not name the context.
pub async fn connect(global: &Global) -> Result<Cluster> {
    let kubeconfig = match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).map_err(|error| unread(&error, Some(path)))?,
        None => Kubeconfig::read().map_err(|error| unread(&error, None))?,
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
    let mut config = config.map_err(|error| unusable(&error, &contexts))?;
    // A person waits. What is worth another try they see, and try again.
    config.default_retry = false;
    let helper = Helper::limited(&mut config, Duration::from_secs(global.login_limit));
    let asked = asked::Layer::of(&config.cluster_url, helper.clone());
    // A program that logs in is waited for here, and the wizard hears keys meanwhile.
    let made = tokio::task::spawn_blocking(move || ClientBuilder::try_from(config)).await;
    let made =
        made.map_err(|error| cannot(format!("cannot log in to Kubernetes: {error}"), "run it again"))?;
    let client = made.map_err(|error| match &error {
        kube::Error::Auth(error) => cannot(
            format!(
                "cannot log in to Kubernetes: {}",
                login::why(error, helper.as_ref())
            ),
            "kubectl get namespaces logs in the same way; another login: --kubeconfig, --context",
        ),
        error => cannot(
            format!("cannot use the kubeconfig: {}", shown(&error.to_string())),
            "kubectl config view shows what is in it",
        ),
    })?;
    Ok(Cluster::new(client.with_layer(&asked).build()))
}

/// The context by which [`connect`] finds the cluster: the name that people know it by. `None` where there is none.
pub fn context(global: &Global) -> Option<String> {
    let named = || match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path).ok()?.current_context,
        None => Kubeconfig::read().ok()?.current_context,
    };
    global.context.clone().or_else(named)
}

/// Whether what was typed names a context that is there, of a kubeconfig that can be read. Whether anybody answers there is another question.
pub fn leads_somewhere(global: &Global) -> bool {
    let read = match &global.kubeconfig {
        Some(path) => Kubeconfig::read_from(path),
        None => Kubeconfig::read(),
    };
    read.is_ok_and(|read| {
        let named = global.context.as_ref();
        named.is_none_or(|named| read.contexts.iter().any(|context| context.name == *named))
    })
}

/// Why a kubeconfig could not be read. Of what is in it nothing is repeated: there are tokens in it.
fn unread(error: &KubeconfigError, path: Option<&Path>) -> Problem {
    let file = |path: &Path| shown(&path.display().to_string());
    let named = std::env::var_os("KUBECONFIG").filter(|named| !named.is_empty());
    let name = match (path, named) {
        (Some(path), _) => format!("kubeconfig {}", file(path)),
        (None, Some(named)) => format!("kubeconfig {} (KUBECONFIG)", shown(&named.to_string_lossy())),
        (None, None) => "kubeconfig ~/.kube/config".to_owned(),
    };
    let text = match error {
        KubeconfigError::ReadConfig(error, path) => {
            format!("cannot read kubeconfig {}: {error}", file(path))
        }
        KubeconfigError::Parse(error) => {
            let place = error.location().map(|place| (place.line(), place.column()));
            let place = place.map_or_else(String::new, |(line, column)| {
                format!(": see line {line}, column {column}")
            });
            format!("cannot read {name}: it is no kubeconfig{place}")
        }
        KubeconfigError::FindPath => "cannot find a kubeconfig: HOME is not set".to_owned(),
        other => format!("cannot read {name}: {}", shown(&other.to_string())),
    };
    cannot(text, "name another one: --kubeconfig FILE, or set KUBECONFIG")
}

/// Why a kubeconfig leads to no cluster.
fn unusable(error: &KubeconfigError, contexts: &[String]) -> Problem {
    let text = match error {
        KubeconfigError::CurrentContextNotSet => "it has no current context".to_owned(),
        KubeconfigError::LoadContext(name) => format!("it has no context {}", shown(name)),
        KubeconfigError::LoadClusterOfContext(name) => format!("it has no cluster {}", shown(name)),
        other => shown(&other.to_string()),
    };
    let next = match contexts {
        [] => "it has no contexts; name another one: --kubeconfig FILE".to_owned(),
        names => format!("choose one of its contexts with --context: {}", names.join(", ")),
    };
    cannot(format!("cannot use the kubeconfig: {text}"), next)
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
