//! The route to a VPN gateway, as the API server of a real Kubernetes takes it. The two containers of the route are stand-ins
//! of the same image name: what they do to a pod's network is not shown here.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use workload_charm::vpn::objects;

use super::{Beside, Scenario, ScenarioReport, media, qbittorrent};
use crate::bed::{Bed, images};
use crate::ground::{Need, TestEnv};
use crate::image::{self, Image, Layer};
use crate::juju::App;
use crate::pods::Running;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "vpn-route-is-kept",
    says: "qBittorrent stays stopped until its pod has the route to a VPN gateway, runs then, nothing is written again to \
           what a real API server returns, the route goes with the relation, and what is left of one goes with the \
           application",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Storage, Need::OwnImages, Need::QBittorrent],
    run: |ground, story| run(ground, story).boxed_local(),
};

const GATEWAY: &str = "gateway";
/// How long an object may take to be collected after its owner.
const COLLECTED: Duration = Duration::from_secs(60);

/// Puts a stand-in of the route's image into the node: one program that ends well, one that waits.
async fn route_image(bed: &Bed) -> Result<()> {
    let programs = Layer::new()
        .script(
            "/bin/client_init.sh",
            "#!/bin/sh\nset -eu\n. /config/settings.sh\ntest -n \"$NOT_ROUTED_TO_GATEWAY_CIDRS\" && test -n \"$gateway\"\n",
        )
        .script(
            "/bin/client_sidecar.sh",
            "#!/bin/sh\ntrap 'exit 0' TERM\nwhile :; do sleep 3600 & wait $!; done\n",
        );
    let made = Image {
        name: objects::IMAGE.to_owned(),
        layers: vec![images::busybox()?, programs],
        entrypoint: vec!["/bin/sh".to_owned()],
        environment: vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
    };
    let archive = bed.folder.join("pod-gateway.tar");
    image::write(&[made], &archive)?;
    bed.import(&archive).await?;
    std::fs::remove_file(&archive).context("cannot remove an archive that was imported")
}

/// A charm that says that its VPN is connected, put where the simulated Juju can deploy it from.
fn gateway_charm() -> String {
    let config = json!({
        "gateway_dns_name": "gluetun.vpn.svc.cluster.local",
        "cluster_cidrs": "10.96.0.0/14",
        "cluster_dns_ip": "10.96.0.10",
        "vpn_connected": true,
        "instance_name": GATEWAY,
    });
    format!(
        "mkdir -p /var/lib/juju/gateway-charm
cd /var/lib/juju/gateway-charm
cat > metadata.yaml <<END
name: {GATEWAY}
summary: a VPN gateway
description: a VPN gateway
provides:
  vpn-gateway:
    interface: vpn-gateway
END
cat > config.json <<'END'
config={config}
END
cat > dispatch <<'END'
#!/bin/sh
set -eu
case $JUJU_DISPATCH_PATH in
  */vpn-gateway-relation-created) relation-set --app \"$(cat config.json)\" ;;
esac
END
chmod 755 dispatch"
    )
}

/// The names of the objects of the route that are there, and their versions; of the StatefulSet the number of its changes.
async fn seen(ground: &TestEnv, model: &str) -> Result<(Vec<(String, String)>, i64)> {
    let mut found = Vec::new();
    for (version, kind, name) in [
        ("v1", "ConfigMap", objects::config_map_name("qbittorrent")),
        (
            "networking.k8s.io/v1",
            "NetworkPolicy",
            objects::kill_switch_name("qbittorrent"),
        ),
    ] {
        if let Some(object) = apply::api(&ground.client, version, kind, model)
            .get_opt(&name)
            .await?
        {
            found.push((name, object.metadata.resource_version.unwrap_or_default()));
        }
    }
    let sets = apply::api(&ground.client, "apps/v1", "StatefulSet", model);
    let set = sets.get_opt("qbittorrent").await?;
    Ok((
        found,
        set.and_then(|set| set.metadata.generation).unwrap_or_default(),
    ))
}

/// Takes the application's trust away: what follows changes nothing in the cluster until [`media::trust`] gives it back. The
/// simulated agent loses what it learns in a hook that ends its pod.
async fn distrust(ground: &TestEnv, running: &Running<'_>) -> Result<()> {
    apply::all(&ground.client, &media::rights(ground, &running.app)).await
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    route_image(bed).await?;
    let app = App {
        name: "qbittorrent".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: qbittorrent::images(bed).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let model = app.model.clone();
    let running = Running::start(ground, app).await?;
    running.deploy().await?;
    running.sim("juju config qbittorrent unsafe-mode=false").await?;
    says(&running, "blocked: stopped: no VPN").await?;

    running.in_charm(&gateway_charm()).await?;
    running
        .sim(&format!("juju deploy /var/lib/juju/gateway-charm {GATEWAY}"))
        .await?;
    running
        .sim(&format!("juju integrate qbittorrent {GATEWAY}"))
        .await?;
    says(&running, "blocked: stopped: cannot route it through the VPN").await?;
    media::trust(ground, &running).await?;
    ensure!(
        containers(&running.pod().await?) == [true; 2],
        "the app runs in a pod without the route"
    );
    story.figure("status in a routed pod", running.status().await?);

    let before = seen(ground, &model).await?;
    ensure!(before.0.len() == 2, "the route has two objects: {before:?}");
    // An option that has nothing to do with it: everything is compared again.
    for zone in ["Europe/Berlin", "Etc/UTC"] {
        running
            .sim(&format!("juju config qbittorrent timezone={zone}"))
            .await?;
        running.sim("event update-status qbittorrent/0").await?;
    }
    says(&running, "active").await?;
    let again = seen(ground, &model).await?;
    ensure!(
        again == before,
        "what the API server returns was taken for something else, and written again: {before:?} became {again:?}"
    );

    distrust(ground, &running).await?;
    running.sim("juju config qbittorrent unsafe-mode=true").await?;
    running
        .sim(&format!("juju remove-relation qbittorrent {GATEWAY}"))
        .await?;
    says(&running, "blocked: relation vpn-gateway: cannot change the route").await?;
    media::trust(ground, &running).await?;
    ensure!(
        containers(&running.pod().await?) == [false; 2],
        "the route is still there"
    );
    let left = seen(ground, &model).await?;
    ensure!(left.0.is_empty(), "of the route is left: {left:?}");

    distrust(ground, &running).await?;
    // The simulated agent keeps the files of a charm in the pod: the first gateway's are gone.
    running.in_charm(&gateway_charm()).await?;
    let another = format!("another-{GATEWAY}");
    running
        .sim(&format!("juju deploy /var/lib/juju/gateway-charm {another}"))
        .await?;
    running
        .sim(&format!("juju integrate qbittorrent {another}"))
        .await?;
    says(&running, "blocked: relation vpn-gateway: cannot change the route").await?;
    media::trust(ground, &running).await?;
    let there = seen(ground, &model).await?;
    ensure!(there.0.len() == 2, "the route has two objects: {there:?}");
    apply::api(&ground.client, "apps/v1", "StatefulSet", &model)
        .delete("qbittorrent", &DeleteParams::background())
        .await?;
    let collected = wait::until("what belongs to the route is collected", COLLECTED, || async {
        Ok(seen(ground, &model).await?.0.is_empty().then_some(()))
    })
    .await;
    match collected {
        Ok(()) => Ok(()),
        Err(error) => Err(error.context(format!("left: {:?}", seen(ground, &model).await?.0))),
    }
}

async fn says(running: &Running<'_>, begin: &str) -> Result<()> {
    let status = running.status().await?;
    ensure!(
        status.starts_with(begin),
        "there should be {begin:?}, not {status:?}"
    );
    Ok(())
}

/// Whether a pod has the init container and the sidecar of the route.
fn containers(pod: &Value) -> [bool; 2] {
    [
        ("initContainers", objects::INIT),
        ("containers", objects::SIDECAR),
    ]
    .map(|(list, name)| {
        let list = pod["spec"][list].as_array().into_iter().flatten();
        list.into_iter().any(|container| container["name"] == name)
    })
}
