//! Finding an app's claim costs two calls, whatever the number of volumes.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use config_recovery::backups::AppId;
use config_recovery::claim;
use config_recovery::cluster::Cluster;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::client::Body;
use kube::{Api, Client};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::ground::{RUN_LABEL, TestEnv};

pub const SCENARIO: Scenario = Scenario {
    name: "claim-among-ten-thousand-volumes",
    says: "the claim of one app's config volume is found with two calls and the same bytes among 100, 1,000 and 10,000 \
           volumes",
    beside: Beside::None,
    depends_on_velero: false,
    thorough: true,
    needs: &[],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Numbers of volumes in the cluster, each with its claim in one namespace.
const SIZES: [u32; 3] = [100, 1_000, 10_000];
/// The same in a cluster of somebody else's, unless `--thorough` is given: a controller there would work on 10,000 volumes
/// for a while.
const FEW: [u32; 2] = [100, 1_000];
/// How often the claim is looked for; the middle time counts.
const LOOKS: usize = 9;
/// Objects that are made or removed at once.
const AT_ONCE: usize = 48;
/// Requests that deleting all objects of a kind may take.
const DELETE_REQUESTS: u32 = 5;
/// What the answers may grow by: they hold the list's version, and the cluster's controllers write on the one claim what they
/// did (190 bytes seen). One more claim in the answer would be a thousand.
const SLACK: u64 = 512;
/// The one that is looked for.
const APP: &str = "app-7";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let volumes = Volumes {
        client: &ground.client,
        run: &ground.run,
        namespace: ground.namespace(SCENARIO.name).await?,
    };
    let sizes: &[u32] = if ground.bed.is_some() || ground.thorough {
        &SIZES
    } else {
        &FEW
    };
    let result = measure(&volumes, sizes, story).await;
    // They go whatever came of it: thousands of volumes keep the controllers busy.
    let began = Instant::now();
    let removed = volumes.remove(0..*sizes.last().unwrap_or(&0)).await;
    story.figure("seconds to remove them", seconds(began.elapsed()));
    result.and(removed)
}

async fn measure(volumes: &Volumes<'_>, sizes: &[u32], story: &mut ScenarioReport) -> Result<()> {
    let whose = AppId {
        app: APP.to_owned(),
        model: volumes.namespace.clone(),
    };
    apply::one(volumes.client, &pod(&volumes.namespace)).await?;
    let mut made = 0;
    let mut first = None;
    for &size in sizes {
        let began = Instant::now();
        volumes.make(made..size).await?;
        story.figure(
            &format!("seconds to make {} more", size - made),
            seconds(began.elapsed()),
        );
        made = size;
        let look = look(volumes.client, &whose).await?;
        let Look { calls, bytes, time } = &look;
        story.figure(
            &format!("one claim among {size}"),
            format!("{calls} calls, {bytes} bytes, {:.1} ms", time.as_secs_f64() * 1e3),
        );
        ensure!(*calls == 2, "among {size} volumes it took {calls} calls, not 2");
        let least = *first.get_or_insert(*bytes);
        ensure!(
            *bytes <= least + SLACK,
            "the answers grew from {least} to {bytes} bytes with {size} volumes"
        );
    }
    let (client, counted) = counting(volumes.client);
    let began = Instant::now();
    let all = Api::<PersistentVolume>::all(client)
        .list(&ListParams::default())
        .await?;
    let bytes = counted.bytes.load(Ordering::Relaxed);
    story.figure(
        "for comparison, listing all volumes",
        format!(
            "{} volumes, {bytes} bytes, {:.1} ms",
            all.items.len(),
            began.elapsed().as_secs_f64() * 1e3
        ),
    );
    ensure!(
        all.items.len() >= made as usize,
        "only {} of {made} volumes are there",
        all.items.len()
    );
    Ok(())
}

/// What one look cost.
struct Look {
    calls: u64,
    bytes: u64,
    time: Duration,
}

/// Looks for the claim several times. Each look has to cost the same number of calls; bytes are the most, time the middle.
async fn look(client: &Client, whose: &AppId) -> Result<Look> {
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let (client, counted) = counting(client);
        let cluster = Cluster::new(client);
        let began = Instant::now();
        let found = claim::find(&cluster, whose).await?;
        let time = began.elapsed();
        ensure!(
            found.claim == claim_name(7)
                && found
                    .pod
                    .as_ref()
                    .is_some_and(|pod| pod.name == format!("{APP}-0")),
            "another claim was found: {found:?}"
        );
        looks.push(Look {
            calls: counted.calls.load(Ordering::Relaxed),
            bytes: counted.bytes.load(Ordering::Relaxed),
            time,
        });
    }
    looks.sort_by_key(|look| look.time);
    let calls = looks[0].calls;
    ensure!(
        looks.iter().all(|look| look.calls == calls),
        "not every look takes {calls} calls"
    );
    Ok(Look {
        calls,
        bytes: looks.iter().map(|look| look.bytes).max().unwrap_or_default(),
        time: looks[LOOKS / 2].time,
    })
}

/// Requests, and bytes of the answers' bodies.
#[derive(Default)]
pub struct Counted {
    pub calls: AtomicU64,
    pub bytes: AtomicU64,
}

/// The client, with everything counted that goes through the new one.
pub fn counting(client: &Client) -> (Client, Arc<Counted>) {
    let counted = Arc::new(Counted::default());
    let (inner, counts) = (client.clone(), Arc::clone(&counted));
    let service = tower::service_fn(move |request: http::Request<Body>| {
        let (inner, counts) = (inner.clone(), Arc::clone(&counts));
        async move {
            counts.calls.fetch_add(1, Ordering::Relaxed);
            let answer = inner.send(request).await?;
            Ok::<_, kube::Error>(answer.map(|body| {
                body.map_frame(move |frame| {
                    let length = frame.data_ref().map_or(0, |data| data.len());
                    counts.bytes.fetch_add(length as u64, Ordering::Relaxed);
                    frame
                })
            }))
        }
    });
    (Client::new(service, client.default_namespace()), counted)
}

/// Volumes with their claims, each of another app.
struct Volumes<'a> {
    client: &'a Client,
    run: &'a str,
    namespace: String,
}

impl Volumes<'_> {
    fn volumes(&self) -> Api<PersistentVolume> {
        Api::all(self.client.clone())
    }

    fn claims(&self) -> Api<PersistentVolumeClaim> {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    fn volume_name(&self, number: u32) -> String {
        format!("claim-bench-{}-{number}", self.run)
    }

    async fn make(&self, numbers: Range<u32>) -> Result<()> {
        let make = |number: u32| async move {
            let (volume, claim) = self.pair(number);
            let parameters = PostParams::default();
            self.volumes()
                .create(&parameters, &typed(volume)?)
                .await
                .context("cannot make a volume")?;
            self.claims()
                .create(&parameters, &typed(claim)?)
                .await
                .context("cannot make a claim")?;
            anyhow::Ok(())
        };
        stream::iter(numbers)
            .map(make)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }

    /// A volume and its claim, as they look when a provisioner has bound them for Juju.
    fn pair(&self, number: u32) -> (Value, Value) {
        let app = format!("app-{number}");
        let claim = claim_name(number);
        let class = "claim-bench";
        let bound =
            json!({"pv.kubernetes.io/bind-completed": "yes", "pv.kubernetes.io/bound-by-controller": "yes"});
        let volume = json!({
            "metadata": {"name": self.volume_name(number), "labels": {RUN_LABEL: self.run}},
            "spec": {
                "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "storageClassName": class,
                "persistentVolumeReclaimPolicy": "Retain", "nfs": {"server": "127.0.0.1", "path": format!("/{app}")},
                "claimRef": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "namespace": self.namespace, "name": claim},
            },
        });
        let claim = json!({
            "metadata": {
                "name": claim, "annotations": bound,
                "labels": {
                    RUN_LABEL: self.run, "app.kubernetes.io/managed-by": "juju", "app.kubernetes.io/name": app,
                    "storage.juju.is/name": "config",
                },
            },
            "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}},
                "storageClassName": class, "volumeName": self.volume_name(number),
            },
        });
        (volume, claim)
    }

    /// Removes them without waiting for the controllers, which let twenty objects go in a second.
    async fn remove(&self, numbers: Range<u32>) -> Result<()> {
        let ours = ListParams::default().labels(&format!("{RUN_LABEL}={}", self.run));
        let (claims, volumes) = (self.claims(), self.volumes());
        // The servers' own loops are faster than requests for each, and every object is marked before any is let go.
        let (claims_go, volumes_go) = tokio::join!(delete_all(&claims, &ours), delete_all(&volumes, &ours));
        claims_go.context("cannot delete the claims")?;
        volumes_go.context("cannot delete the volumes")?;
        let release = |number: u32| async move {
            release(&self.claims(), &claim_name(number)).await?;
            release(&self.volumes(), &self.volume_name(number)).await
        };
        stream::iter(numbers)
            .map(release)
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await
    }
}

/// Marks all objects of a selector as deleted. The API server cuts a request off after a minute, when a slow machine has some
/// of ten thousand left: the next request goes on with those.
async fn delete_all<K>(api: &Api<K>, which: &ListParams) -> kube::Result<()>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let mut requests = 0;
    loop {
        requests += 1;
        match api.delete_collection(&DeleteParams::default(), which).await {
            Err(_) if requests < DELETE_REQUESTS => {}
            answer => return answer.map(drop),
        }
    }
}

/// Takes away what holds an object that is being deleted.
async fn release<K>(api: &Api<K>, name: &str) -> Result<()>
where
    K: Clone + std::fmt::Debug + DeserializeOwned,
{
    let free = Patch::Merge(json!({"metadata": {"finalizers": null}}));
    match api.patch_metadata(name, &PatchParams::default(), &free).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer.map(drop).with_context(|| format!("cannot let {name} go")),
    }
}

/// The app's pod. No scheduler takes it: it is only to be found.
fn pod(namespace: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {
            "name": format!("{APP}-0"), "namespace": namespace, "labels": {"app.kubernetes.io/name": APP},
        },
        "spec": {
            "schedulerName": "nobody",
            "containers": [{
                "name": "app", "image": "nothing",
                "volumeMounts": [{"name": format!("{APP}-config-fec125"), "mountPath": "/config"}],
            }],
            "volumes": [{
                "name": format!("{APP}-config-fec125"), "persistentVolumeClaim": {"claimName": claim_name(7)},
            }],
        },
    })
}

fn claim_name(number: u32) -> String {
    format!("app-{number}-config-fec125-app-{number}-0")
}

fn typed<K: DeserializeOwned>(object: Value) -> Result<K> {
    serde_json::from_value(object).context("cannot read an object of this scenario")
}

fn seconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64())
}
