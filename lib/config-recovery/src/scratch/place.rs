//! The pod and its claim, once they are made: until the volume can be read, and as long as it is needed.

use std::pin::pin;

use futures_util::future::{Either, select};
use kube::api::ListParams;

use super::{Scratch, judge, names};
use crate::api::Api;
use crate::cluster::Cluster;
use crate::kinds::{Event, PersistentVolumeClaim, Pod};
use crate::report::Silent;
use crate::wait::{Poll, Wait, for_object};
use crate::{Error, Result};

/// Waits until the pod's init container runs, with the claim's volume in it, and tells on which node.
pub(super) async fn runs(
    scratch: &Scratch,
    claim: &str,
    cluster: &Cluster,
    wait: Wait<'_>,
) -> Result<String> {
    let pod = pin!(pod_runs(scratch, cluster, wait));
    let bound = pin!(is_bound(scratch, claim, cluster, wait));
    match select(pod, bound).await {
        Either::Left((runs, _)) => runs,
        Either::Right((Err(error), _)) => Err(error),
        Either::Right((Ok(()), pod)) => pod.await,
    }
}

async fn pod_runs(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<String> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), &scratch.namespace);
    let what = scratch.pod_name();
    let wait = Wait { what: &what, ..wait };
    for_object(cluster, &api, names::READER, wait, |pod| judge::pod(&what, pod)).await
}

/// Waits for what should not come: an end of the pod.
pub(super) async fn ends(scratch: &Scratch, cluster: &Cluster, wait: Wait<'_>) -> Result<()> {
    let api: Api<Pod> = Api::namespaced(cluster.client(), &scratch.namespace);
    let what = scratch.pod_name();
    let wait = silent(&what, wait);
    for_object(cluster, &api, names::READER, wait, |pod| {
        judge::pod(&what, pod).and_then(|_| Poll::Wait("it runs".to_owned()))
    })
    .await
}

/// Waits until the claim is bound; what stands in the way is said in the words of its events.
async fn is_bound(scratch: &Scratch, claim: &str, cluster: &Cluster, wait: Wait<'_>) -> Result<()> {
    let api: Api<PersistentVolumeClaim> = Api::namespaced(cluster.client(), &scratch.namespace);
    let what = format!("claim {}/{claim}", scratch.namespace);
    let bound = for_object(cluster, &api, claim, silent(&what, wait), |claim| {
        judge::claim(&what, claim)
    });
    match bound.await {
        Ok(_) => Ok(()),
        Err(Error::Hopeless { what, reason, remedy }) => {
            let reason = match said_of(claim, scratch, cluster).await {
                Some(said) => format!("{reason}: {said}"),
                None => reason,
            };
            Err(Error::Hopeless { what, reason, remedy })
        }
        Err(error) => Err(error),
    }
}

/// What was said last about the claim. Warnings say more than the rest.
async fn said_of(claim: &str, scratch: &Scratch, cluster: &Cluster) -> Option<String> {
    let api: Api<Event> = Api::namespaced(cluster.client(), &scratch.namespace);
    let of = format!("involvedObject.kind=PersistentVolumeClaim,involvedObject.name={claim}");
    let of = ListParams::default().fields(&of);
    let mut events = cluster.ask("list events", api.list(&of)).await.ok()?.items;
    events.sort_by(|one, other| order(one).cmp(&order(other)));
    events.pop().and_then(|is| is.message)
}

fn order(event: &Event) -> (bool, Option<&str>) {
    let is_warning = event.r#type.as_deref() == Some("Warning");
    (is_warning, event.last_timestamp.as_deref())
}

/// The same wait for something else, of which a person need not hear.
fn silent<'a>(what: &'a str, wait: Wait<'_>) -> Wait<'a> {
    Wait {
        what,
        deadline: wait.deadline,
        reporter: &Silent,
    }
}
