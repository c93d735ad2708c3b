//! Checks of what all apps share.

use std::collections::BTreeMap;

use config_recovery::definitions::{self, version};
use config_recovery::method::{CSI_FEATURE, SNAPSHOT_CLASS_LABEL, VolumeSource, has_csi_feature};
use config_recovery::node_agent::{DEFAULT_CONCURRENCY, raise};
use config_recovery::survey::{Password, SnapshotClass, VeleroPod};
use config_recovery::{ClusterError, Error};
use jiff::SignedDuration;

use super::{Finding, InCluster, InJuju, Seen, counted};
use crate::juju::{Import, JujuError, import};
use crate::problem::Problem;

/// So far clocks may differ before ages and due times mislead. A header has whole seconds.
const SKEW: SignedDuration = SignedDuration::from_secs(30);

/// The newest Velero that the engine was tried with: major and minor version.
const NEWEST_TRIED: (u64, u64) = (1, 18);

/// The first Velero whose node agents take restores of files by `loadConcurrency`. Before, they go on beside each other.
const QUEUES_RESTORES: (u64, u64) = (1, 17);

/// A password that nobody knows, kept in a file beside. The file of another Velero, or of a first time, is the only copy of what opens its backups:
/// `set -C` overwrites none.
const SET_PASSWORD: &str = "(umask 077; set -C; openssl rand -hex 32 | tr -d '\\n' >velero-password-NAMESPACE) && \
    kubectl -n NAMESPACE create secret generic velero-repo-credentials \
    --from-file=repository-password=velero-password-NAMESPACE --dry-run=client -o yaml | kubectl apply -f -; \
    keep that file: without it no backup can be read";

/// Juju's version here and there, and whether it can import volumes.
pub fn juju(seen: &Seen, juju: &InJuju) -> Vec<Finding> {
    let model = juju.status.model.version.as_str();
    let client = match &juju.client {
        Ok(client) => client,
        Err(error) => {
            let is_too_old = matches!(error, JujuError::TooOld { .. });
            let Problem { text, next, .. } = error.clone().into();
            return vec![match is_too_old {
                true => Finding::fail(text, next.unwrap_or_default()),
                false => Finding::not_checked(text, next),
            }];
        }
    };
    let numbers = |text: &str| -> Vec<u32> {
        let parts = text.split(['.', '-']).map_while(|part| part.parse().ok());
        parts.take(2).collect()
    };
    if numbers(client) < numbers(model) {
        return vec![Finding::warn(
            format!(
                "the juju command is {client}, older than model {} with {model}",
                seen.model
            ),
            format!(
                "sudo snap refresh juju --channel={}/stable",
                joined(&numbers(model))
            ),
        )];
    }
    let can = match import(model) {
        Some(Import::Works) => "volumes can be imported".to_owned(),
        Some(Import::WithFlag) => {
            "volumes can be imported with JUJU_DEV_FEATURE_FLAGS=k8s-attach-storage".to_owned()
        }
        Some(Import::No(why)) => format!("volumes cannot be imported ({why}); restores need no import"),
        None => "whether it can import volumes is not known".to_owned(),
    };
    vec![Finding::ok(format!("Juju {model}: {can}"))]
}

fn joined(numbers: &[u32]) -> String {
    let texts: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    texts.join(".")
}

/// Whether this machine and the cluster agree on the time.
pub fn clock(_: &Seen, cluster: &InCluster) -> Vec<Finding> {
    vec![match &cluster.survey.clock {
        Err(error) => error.into(),
        Ok(None) => Finding::not_checked("the API server does not tell the time", None),
        Ok(Some(skew)) if skew.unsigned_abs() > SKEW.unsigned_abs() => {
            let direction = if skew.is_negative() { "ahead of" } else { "behind" };
            Finding::warn(
                format!(
                    "this machine is {} s {direction} the cluster, so ages and due times are off by it",
                    skew.unsigned_abs().as_secs()
                ),
                "sudo timedatectl set-ntp true, on the one that is wrong",
            )
        }
        Ok(Some(_)) => Finding::ok("this machine and the cluster agree"),
    }]
}

/// Velero's server.
pub fn velero(seen: &Seen, cluster: &InCluster) -> Vec<Finding> {
    if let Err(Error::NoVelero(what)) = &cluster.overview {
        return vec![Finding::fail(
            format!("the cluster has no {what}: Velero is not installed"),
            "juju deploy velero-operator --trust, in a model of its own; or --context names another cluster",
        )];
    }
    let servers = match &cluster.survey.servers {
        Err(error) => return vec![error.into()],
        Ok(servers) => servers,
    };
    if servers.is_empty() {
        return vec![Finding::fail(
            "Velero's server has no pod, so no backup is made",
            "kubectl get deployments -A -l component=velero; juju status of velero-operator's model",
        )];
    }
    servers.iter().map(|server| velero_server(seen, server)).collect()
}

fn velero_server(_: &Seen, server: &VeleroPod) -> Finding {
    let VeleroPod { namespace, image, .. } = server;
    if !server.is_running {
        return Finding::fail(
            format!("Velero's server in {namespace} does not run"),
            format!("kubectl -n {namespace} describe pods -l deploy=velero"),
        );
    }
    match version(image) {
        Some(version) if version > NEWEST_TRIED => Finding::warn(
            format!("{image} in {namespace} is newer than the Velero that this program was tried with"),
            "configuratarr verify --all, before you rely on it; a newer configuratarr may know it",
        ),
        _ => Finding::ok(format!("{image} in {namespace}")),
    }
}

/// Whether the definitions in the cluster do for the node agent's image.
pub fn definitions(_: &Seen, cluster: &InCluster) -> Vec<Finding> {
    match &cluster.survey.definitions {
        Err(error) => vec![error.into()],
        Ok(wrong) if wrong.is_empty() => vec![Finding::ok("they fit the image of the node agent")],
        Ok(wrong) => wrong
            .iter()
            .map(|why| {
                Finding::fail(
                    format!("{why}, so backups and restores hang"),
                    definitions::REMEDY,
                )
            })
            .collect(),
    }
}

/// Where backups are stored.
pub fn storage_location(_: &Seen, cluster: &InCluster) -> Vec<Finding> {
    let locations = match overview(cluster) {
        Err(finding) => return finding,
        Ok(overview) => &overview.locations,
    };
    if locations.is_empty() {
        return vec![Finding::fail(
            "Velero has no storage location, so there is nowhere to store a backup",
            "juju integrate velero-operator s3-integrator, in velero-operator's model",
        )];
    }
    let found = locations.iter().map(|location| {
        let (namespace, name) = (&location.velero_namespace, &location.name);
        match location.is_available {
            Some(true) if location.is_read_only => Finding::warn(
                format!("{name} in {namespace} is read-only: backups come back from it, and none can be stored"),
                format!("where backups are to be stored there: kubectl -n {namespace} patch backupstoragelocations.velero.io {name} --type merge -p '{{\"spec\":{{\"accessMode\":\"ReadWrite\"}}}}'"),
            ),
            Some(true) => Finding::ok(format!("{name} in {namespace} is available")),
            Some(false) => {
                let why = location.message.as_deref().unwrap_or("Velero does not say why");
                Finding::fail(
                    format!("{name} in {namespace} is unavailable: {why}"),
                    format!(
                        "look at the bucket and its credentials; kubectl -n {namespace} describe backupstoragelocations.velero.io {name}"
                    ),
                )
            }
            None => Finding::not_checked(format!("Velero has not looked at {name} in {namespace} yet"), None),
        }
    });
    found.collect()
}

/// Whether the password of the repositories is the one that everybody knows.
pub fn repository_password(_: &Seen, cluster: &InCluster) -> Vec<Finding> {
    let backups = match &cluster.overview {
        Ok(overview) => overview.backups.as_slice(),
        Err(_) => &[],
    };
    let found = cluster.survey.veleros.iter().map(|velero| {
        let namespace = &velero.namespace;
        let count = backups.iter().filter(|backup| backup.velero_namespace == *namespace).count();
        let command = SET_PASSWORD.replace("NAMESPACE", namespace);
        match &velero.password {
            Err(error) => error.into(),
            Ok(Password::Own) => Finding::ok(format!("{namespace} has one of its own; keep a copy of it")),
            Ok(_) if cluster.overview.is_err() => Finding::not_checked(
                format!("{namespace} has the one in Velero's source, and whether there are backups is not known"),
                None,
            ),
            Ok(Password::NotSet | Password::Public) if count == 0 => Finding::warn(
                format!("{namespace} encrypts with the password in Velero's source, which everybody knows"),
                format!("before the first backup: {command}"),
            ),
            Ok(Password::Public) => Finding::warn(
                format!(
                    "{namespace} encrypts with the password in Velero's source, which everybody knows; with another one what is there ({}) could not be read",
                    counted(count)
                ),
                format!("when you begin a new bucket or prefix, before its first backup: {command}"),
            ),
            Ok(Password::NotSet) => Finding::fail(
                format!("{namespace} has {}, and the secret with the password is gone", counted(count)),
                format!(
                    "kubectl -n {namespace} create secret generic velero-repo-credentials --from-file=repository-password=FILE, with the password that they were made with"
                ),
            ),
        }
    });
    found.collect()
}

/// Whether Velero makes snapshots with the drivers that are in use.
pub fn snapshots(_: &Seen, cluster: &InCluster) -> Vec<Finding> {
    let survey = &cluster.survey;
    let (classes, servers) = match (&survey.snapshot_classes, &survey.servers) {
        (Err(error), _) | (_, Err(error)) => return vec![error.into()],
        (Ok(classes), Ok(servers)) => (classes, servers),
    };
    let marked: Vec<&SnapshotClass> = classes.iter().filter(|class| class.is_marked).collect();
    let without_feature = servers.iter().find(|server| !has_csi_feature(&server.arguments));
    let drivers: Vec<&String> = survey
        .objects
        .volumes
        .iter()
        .flatten()
        .filter_map(|(_, source)| match source {
            VolumeSource::Csi(driver) => Some(driver),
            VolumeSource::HostPath | VolumeSource::Other => None,
        })
        .collect();
    let unmarked = classes.iter().find(|class| {
        drivers.contains(&&class.driver) && !marked.iter().any(|marked| marked.driver == class.driver)
    });
    vec![match (marked.is_empty(), without_feature) {
        (false, Some(server)) => Finding::warn(
            format!(
                "a snapshot class is marked for Velero, and its server in {} runs without {CSI_FEATURE}, so no snapshot is made",
                server.namespace
            ),
            format!(
                "kubectl -n {} patch deployment velero --type=json -p '[{{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args/-\",\"value\":\"--features={CSI_FEATURE}\"}}]'",
                server.namespace
            ),
        ),
        (true, None) if unmarked.is_some() && !servers.is_empty() => {
            let name = unmarked.map_or("", |class| class.name.as_str());
            Finding::warn(
                format!("Velero runs with {CSI_FEATURE}, and no snapshot class is marked for it"),
                format!("kubectl label volumesnapshotclass {name} {SNAPSHOT_CLASS_LABEL}=true"),
            )
        }
        (true, _) => Finding::ok("no snapshot class is marked for Velero: files are copied"),
        (false, None) => {
            let drivers: Vec<&str> = marked.iter().map(|class| class.driver.as_str()).collect();
            Finding::ok(format!("Velero makes snapshots with {}", drivers.join(", ")))
        }
    }]
}

/// Whether apps on one node come back beside each other, or wait for each other.
pub fn load_concurrency(seen: &Seen, cluster: &InCluster) -> Vec<Finding> {
    let agents = match &cluster.survey.agents {
        Err(error) => return vec![error.into()],
        Ok(agents) => agents,
    };
    let mut by_node: BTreeMap<&str, usize> = BTreeMap::new();
    for app in &seen.apps {
        if let Some((pod, _)) = cluster.survey.objects.stored(&app.id) {
            *by_node.entry(pod.node.as_str()).or_default() += 1;
        }
    }
    let most = by_node.values().copied().max().unwrap_or(0);
    let found = cluster.survey.veleros.iter().filter_map(|velero| {
        let namespace = &velero.namespace;
        let agent = agents.iter().find(|agent| agent.namespace == *namespace)?;
        if version(&agent.image).is_some_and(|version| version < QUEUES_RESTORES) {
            return Some(Finding::ok(format!("restores in {namespace} do not wait for each other")));
        }
        let name = velero.configuration.as_ref().map(|configuration| configuration.name.as_str());
        let at_once = match velero.configuration.as_ref().map(|configuration| &configuration.concurrency) {
            None => DEFAULT_CONCURRENCY,
            Some(Err(error)) => return Some(error.into()),
            Some(Ok(Some(Ok(number)))) => *number,
            Some(Ok(None)) => {
                let name = name.unwrap_or_default();
                return Some(Finding::fail(
                    format!("the node agent of {namespace} reads ConfigMap {name}, which is not there or empty"),
                    raise(namespace, None, most.max(1)),
                ));
            }
            Some(Ok(Some(Err(why)))) => {
                let name = name.unwrap_or_default();
                return Some(Finding::warn(
                    format!("the node agent of {namespace} cannot use ConfigMap {name}: {why}"),
                    raise(namespace, Some(name), most.max(1)),
                ));
            }
        };
        Some(match usize::try_from(at_once) {
            Ok(number) if number < most => Finding::warn(
                format!("{most} apps share a node, and the node agent copies {at_once} volume at a time: restores wait"),
                format!("while no backup or restore is under way: {}", raise(namespace, name, most)),
            ),
            _ => Finding::ok(format!("the node agent copies {at_once} at a time on a node")),
        })
    });
    found.collect()
}

/// What is known of backups, or the finding that it is not.
pub(super) fn overview(cluster: &InCluster) -> Result<&config_recovery::overview::Overview, Vec<Finding>> {
    cluster.overview.as_ref().map_err(|error| match error {
        // That is said where Velero is looked for.
        Error::NoVelero(_) => vec![Finding::not_checked("Velero is not installed", None)],
        Error::Cluster(error) => vec![Finding::from(error)],
        other => vec![Finding::from(&ClusterError::refused(
            "look at backups",
            other.to_string(),
        ))],
    })
}
