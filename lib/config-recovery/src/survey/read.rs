//! The requests.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use kube::api::ListParams;
use kube::client::Body;

use super::{
    Answer, Claim, Configuration, Objects, Password, Pod, PodVolume, PodVolumeSource, SnapshotClass, Survey,
    Velero, VeleroPod,
};
use crate::api::{Api, Kind, Object};
use crate::backups::names::JUJU_APP_LABEL;
use crate::cluster::{Cluster, ClusterError};
use crate::definitions;
use crate::kinds;
use crate::method::{SERVERS, SNAPSHOT_CLASS_LABEL, VolumeSource};
use crate::node_agent;

/// Juju's label of what it makes.
const JUJUS: &str = "app.kubernetes.io/managed-by=juju";
/// The Secret with the password of Velero's repositories, and the key in it (`pkg/repository/keys/keys.go` of
/// vmware-tanzu/velero).
const PASSWORD_SECRET: &str = "velero-repo-credentials";
/// See [`PASSWORD_SECRET`].
const PASSWORD_KEY: &str = "repository-password";
/// The password that Velero takes where nobody set one, in base64 as a Secret has it (`encryptionKey` there).
const PUBLIC_PASSWORD: &str = "c3RhdGljLXBhc3N3MHJk";
const LOOK_FOR_SERVER: &str = "look for Velero's server";
/// Name of the container in the server's pods.
const SERVER_CONTAINER: &str = "velero";

/// Reads it: 10 requests, at most 2 more for each Velero, and 2 for each image of node agents from 1.17 on. None of these numbers grows
/// with the apps.
pub async fn survey(cluster: &Cluster, model: &str) -> Survey {
    let (clock, objects, classes, nodes, trusted, snapshot_classes, servers, agents) = tokio::join!(
        clock(cluster),
        objects(cluster, std::slice::from_ref(&model)),
        all::<kinds::StorageClass>(cluster, "list storage classes", ListParams::default()),
        all::<kinds::Node>(cluster, "list nodes", ListParams::default()),
        trusted(cluster, model),
        snapshot_classes(cluster),
        velero_pods(cluster, LOOK_FOR_SERVER, SERVERS, SERVER_CONTAINER),
        velero_pods(
            cluster,
            "look for Velero's node agent",
            definitions::AGENTS,
            definitions::AGENT_CONTAINER
        ),
    );
    let of_agents = agents.as_ref().map(Vec::as_slice).unwrap_or_default();
    let of_servers = servers.as_ref().map(Vec::as_slice).unwrap_or_default();
    let namespaces: BTreeSet<&str> = of_servers
        .iter()
        .chain(of_agents)
        .map(|pod| pod.namespace.as_str())
        .collect();
    let mut veleros = Vec::new();
    for namespace in namespaces {
        let (password, configuration) = tokio::join!(
            password(cluster, namespace),
            configuration(cluster, namespace, of_agents)
        );
        veleros.push(Velero {
            namespace: namespace.to_owned(),
            password,
            configuration,
        });
    }
    let definitions = definitions_of(cluster, &agents).await;
    Survey {
        clock,
        objects,
        storage_classes: classes.map(|classes| {
            let of = |class: kinds::StorageClass| (class.name().to_owned(), class.provisioner);
            classes.into_iter().map(of).collect()
        }),
        nodes: nodes.map(|nodes| {
            nodes
                .iter()
                .map(|node| (node.name().to_owned(), node.is_lost()))
                .collect()
        }),
        trusted,
        snapshot_classes,
        servers,
        agents,
        definitions,
        veleros,
    }
}

/// The pods and claims of these namespaces, two requests each, and the volumes of the cluster, one.
pub async fn objects<S: AsRef<str>>(cluster: &Cluster, namespaces: &[S]) -> Objects {
    let volumes = all::<kinds::PersistentVolume>(cluster, "list volumes", ListParams::default()).await;
    let volumes = volumes.map(|volumes| {
        let of = |volume: kinds::PersistentVolume| (volume.name().to_owned(), volume.source());
        volumes
            .into_iter()
            .map(of)
            .collect::<BTreeMap<String, VolumeSource>>()
    });
    let mut pods = Ok(Vec::new());
    let mut claims = Ok(Vec::new());
    for namespace in namespaces {
        let namespace = namespace.as_ref();
        let (of_pods, of_claims) = tokio::join!(
            listed::<kinds::Pod>(cluster, format!("list the pods of {namespace}"), namespace),
            listed::<kinds::PersistentVolumeClaim>(
                cluster,
                format!("list the claims of {namespace}"),
                namespace
            ),
        );
        add(&mut pods, of_pods.map(|pods| pods.into_iter().map(pod).collect()));
        add(
            &mut claims,
            of_claims.map(|claims| claims.into_iter().map(claim).collect()),
        );
    }
    Objects {
        pods,
        claims,
        volumes,
    }
}

/// Drivers of which Velero makes snapshots: two requests.
///
/// # Errors
/// As [`Cluster::ask`].
pub async fn snapshot_drivers(cluster: &Cluster) -> Answer<Vec<String>> {
    let (classes, servers) = tokio::join!(
        snapshot_classes(cluster),
        velero_pods(cluster, LOOK_FOR_SERVER, SERVERS, SERVER_CONTAINER),
    );
    super::drivers(&classes, &servers)
}

/// The first refusal answers for all.
fn add<T>(so_far: &mut Answer<Vec<T>>, more: Answer<Vec<T>>) {
    match (so_far.as_mut(), more) {
        (Ok(known), Ok(more)) => known.extend(more),
        (Ok(_), Err(error)) => *so_far = Err(error),
        (Err(_), _) => {}
    }
}

async fn all<K: Kind>(cluster: &Cluster, action: &str, which: ListParams) -> Answer<Vec<K>> {
    let api: Api<K> = Api::all(cluster.client());
    Ok(cluster.ask(action, api.list(&which)).await?.items)
}

async fn listed<K: Kind>(cluster: &Cluster, action: String, namespace: &str) -> Answer<Vec<K>> {
    let api: Api<K> = Api::namespaced(cluster.client(), namespace);
    Ok(cluster.ask(action, api.list(&ListParams::default())).await?.items)
}

fn pod(pod: kinds::Pod) -> Pod {
    let spec = pod.spec.unwrap_or_default();
    let volumes = spec
        .volumes
        .unwrap_or_default()
        .into_iter()
        .map(|volume| PodVolume {
            source: match volume.persistent_volume_claim {
                Some(claim) => PodVolumeSource::Claim(claim.claim_name),
                None if volume.host_path.is_some() => PodVolumeSource::HostPath,
                None if volume.secret.is_some()
                    || volume.config_map.is_some()
                    || volume.projected.is_some()
                    || volume.downward_api.is_some() =>
                {
                    PodVolumeSource::OfKubernetes
                }
                None => PodVolumeSource::Other,
            },
            name: volume.name,
        });
    Pod {
        volumes: volumes.collect(),
        namespace: pod.metadata.namespace.unwrap_or_default(),
        name: pod.metadata.name.unwrap_or_default(),
        labels: pod.metadata.labels,
        annotations: pod.metadata.annotations,
        node: spec.node_name.unwrap_or_default(),
    }
}

fn claim(claim: kinds::PersistentVolumeClaim) -> Claim {
    let is_bound = claim.status.and_then(|status| status.phase).as_deref() == Some("Bound");
    let spec = claim.spec.unwrap_or_default();
    Claim {
        namespace: claim.metadata.namespace.unwrap_or_default(),
        name: claim.metadata.name.unwrap_or_default(),
        labels: claim.metadata.labels,
        volume: spec.volume_name.filter(|name| is_bound && !name.is_empty()),
        storage_class: spec.storage_class_name.filter(|class| !class.is_empty()),
    }
}

/// Whom Juju lets do everything: it gives a ClusterRole to every application, `MODEL-APP`, with all rights for one that is trusted
/// (`applyClusterRoles` in `internal/provider/kubernetes/application/trust.go` of juju/juju @688c2124).
async fn trusted(cluster: &Cluster, model: &str) -> Answer<BTreeMap<String, bool>> {
    let which = ListParams::default().labels(JUJUS);
    let roles = all::<kinds::ClusterRole>(cluster, "list cluster roles", which).await?;
    let of = |role: &kinds::ClusterRole| {
        let app = role.metadata.labels.get(JUJU_APP_LABEL)?;
        // Other models have applications of the same name.
        (role.name() == format!("{model}-{app}")).then(|| (app.clone(), allows_everything(role)))
    };
    Ok(roles.iter().filter_map(of).collect())
}

fn allows_everything(role: &kinds::ClusterRole) -> bool {
    let has_all = |list: &Option<Vec<String>>| list.iter().flatten().any(|entry| entry == "*");
    let mut rules = role.rules.iter().flatten();
    rules.any(|rule| has_all(&rule.api_groups) && has_all(&rule.resources) && has_all(&rule.verbs))
}

async fn snapshot_classes(cluster: &Cluster) -> Answer<Vec<SnapshotClass>> {
    let what = "list snapshot classes";
    let classes = match all::<kinds::VolumeSnapshotClass>(cluster, what, ListParams::default()).await {
        // The cluster does not know snapshots.
        Err(ClusterError::NotFound { .. }) => Vec::new(),
        classes => classes?,
    };
    let of = |class: kinds::VolumeSnapshotClass| SnapshotClass {
        name: class.name().to_owned(),
        is_marked: class
            .metadata
            .labels
            .get(SNAPSHOT_CLASS_LABEL)
            .is_some_and(|mark| mark == "true"),
        driver: class.driver,
    };
    Ok(classes.into_iter().map(of).collect())
}

async fn velero_pods(
    cluster: &Cluster,
    action: &str,
    labels: &str,
    container: &str,
) -> Answer<Vec<VeleroPod>> {
    let pods = all::<kinds::Pod>(cluster, action, ListParams::default().labels(labels)).await?;
    let of = |pod: kinds::Pod| {
        let spec = pod.spec.unwrap_or_default();
        let containers = spec.containers.unwrap_or_default();
        let found = containers
            .into_iter()
            .find(|is| is.name == container)
            .unwrap_or_default();
        VeleroPod {
            namespace: pod.metadata.namespace.unwrap_or_default(),
            node: spec.node_name.unwrap_or_default(),
            is_running: pod.status.and_then(|status| status.phase).as_deref() == Some("Running"),
            image: found.image.unwrap_or_default(),
            arguments: found.args.unwrap_or_default(),
        }
    };
    Ok(pods.into_iter().map(of).collect())
}

async fn definitions_of(cluster: &Cluster, agents: &Answer<Vec<VeleroPod>>) -> Answer<Vec<String>> {
    let agents = agents.as_ref().map_err(Clone::clone)?;
    let images: BTreeSet<&str> = agents.iter().map(|agent| agent.image.as_str()).collect();
    let mut found = Vec::new();
    for image in images {
        for plural in [definitions::OF_BACKUPS, definitions::OF_RESTORES] {
            found.extend(definitions::unfit(cluster, plural, image).await?);
        }
    }
    Ok(found)
}

/// Nothing but whether it is the public one leaves this function.
async fn password(cluster: &Cluster, namespace: &str) -> Answer<Password> {
    let secrets: Api<kinds::Secret> = Api::namespaced(cluster.client(), namespace);
    let action = format!("look at the secret {PASSWORD_SECRET} of {namespace}");
    let secret = cluster.ask_opt(action, secrets.get(PASSWORD_SECRET)).await?;
    let value = secret.and_then(|secret| secret.data?.remove(PASSWORD_KEY));
    Ok(match value.as_deref() {
        None => Password::NotSet,
        Some(PUBLIC_PASSWORD) => Password::Public,
        Some(_) => Password::Own,
    })
}

async fn configuration(cluster: &Cluster, namespace: &str, agents: &[VeleroPod]) -> Option<Configuration> {
    let mut here = agents.iter().filter(|agent| agent.namespace == namespace);
    let name = here.find_map(|agent| node_agent::configuration(&agent.arguments))?;
    let maps: Api<kinds::ConfigMap> = Api::namespaced(cluster.client(), namespace);
    let action = format!("look at the ConfigMap {name} of {namespace}");
    let map = cluster.ask_opt(action, maps.get(&name)).await;
    // The node agent reads the one entry, whatever its name is (`pkg/nodeagent/node_agent.go`, `GetConfigs`).
    let concurrency = map.map(|map| {
        let text = map?.data?.into_values().next()?;
        Some(node_agent::concurrency(&text))
    });
    Some(Configuration { name, concurrency })
}

/// The header `Date` of an answer, against the middle of the time that it took. It has whole seconds.
async fn clock(cluster: &Cluster) -> Answer<Option<SignedDuration>> {
    let action = "ask the API server for its version";
    let request = http::Request::get("/version").body(Body::empty());
    let request = request.map_err(|error| ClusterError::refused(action, error.to_string()))?;
    let before = Timestamp::now();
    let answer = cluster.ask(action, cluster.client().send(request)).await?;
    let took = Timestamp::now().duration_since(before);
    let date = answer
        .headers()
        .get(http::header::DATE)
        .and_then(|date| date.to_str().ok());
    Ok(date.and_then(|date| skew(date, before, took)))
}

/// The clock of whoever wrote this header less the one here, by which it was asked then and answered so much later.
fn skew(date: &str, asked: Timestamp, took: SignedDuration) -> Option<SignedDuration> {
    let there = jiff::fmt::rfc2822::parse(date).ok()?.timestamp();
    Some(there.duration_since(asked.checked_add(took / 2).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_are_compared_at_the_middle_of_a_request() {
        let asked: Timestamp = "2026-11-29T10:00:00Z".parse().unwrap();
        let skew = |date: &str| skew(date, asked, SignedDuration::from_secs(4)).map(|skew| skew.as_secs());
        assert_eq!(skew("Sun, 29 Nov 2026 10:00:02 GMT"), Some(0));
        assert_eq!(skew("Sun, 29 Nov 2026 10:01:02 GMT"), Some(60));
        assert_eq!(skew("Sun, 29 Nov 2026 09:58:02 GMT"), Some(-120));
        assert_eq!(skew("yesterday"), None);
    }
}
