//! A snapshot restored beside the app by the recovery engine.

use anyhow::{Result, anyhow, ensure};
use config_recovery::backups::BackupContents;
use futures::FutureExt;
use futures::future::try_join_all;
use kube::api::ListParams;
use velero_backup_config::Method;

use super::scratch::BackedUp;
use super::snapshot::with_feature;
use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::bed::csi::{CLASS, Snapshots};
use crate::ground::{Need, TestEnv};

pub const SCENARIO: Scenario = Scenario {
    name: "scratch-brings-snapshot-back",
    says: "the engine restores a snapshot of the config volume beside the app, byte for byte, three at once too; what \
           Velero made for that is removed, inside and outside of the scratch namespace, and the snapshot stays",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Snapshots],
    run: |ground, story| run(ground, story).boxed_local(),
};

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let snapshots = ground.own_bed()?.snapshots().await?;
    let played = play(ground, snapshots, story).await;
    played.map_err(|error| anyhow!("{error:#}\n{}", snapshots.last_words()))
}

async fn play(ground: &TestEnv, snapshots: &Snapshots, story: &mut ScenarioReport) -> Result<()> {
    let velero = with_feature(ground, SCENARIO.name).await?;
    let is = BackedUp::make_by(ground, &velero, SCENARIO.name, Method::Snapshot, Some(CLASS)).await?;
    ensure!(
        is.backup.holds == BackupContents::Snapshot { count: 1 },
        "the backup should hold one snapshot: {:?}",
        is.backup.holds
    );
    let before = snapshots.all()?;
    is.once(ground, "radarr", "a").await?.tell(story, "alone");
    leaves_nothing(&is, ground, &velero).await?;
    let names = ["one", "two", "three"];
    let all = try_join_all(names.iter().map(|name| is.once(ground, name, "b"))).await?;
    for (name, times) in names.iter().zip(&all) {
        times.tell(story, name);
    }
    leaves_nothing(&is, ground, &velero).await?;
    ensure!(
        snapshots.all()? == before,
        "the backup's snapshot should be as it was"
    );
    Ok(())
}

async fn leaves_nothing(is: &BackedUp, ground: &TestEnv, velero: &TestEnv) -> Result<()> {
    is.leaves_nothing(ground).await?;
    nothing_of_snapshots_is_left(ground, velero).await
}

/// What a snapshot's restore makes outside of the scratch namespace is not there any more.
pub async fn nothing_of_snapshots_is_left(ground: &TestEnv, velero: &TestEnv) -> Result<()> {
    let ours = ListParams::default().labels("app.kubernetes.io/managed-by=configuratarr");
    let restores = velero.velero("Restore").list(&ours).await?.items;
    ensure!(restores.is_empty(), "Restores are left: {restores:?}");
    let contents = apply::api(
        &ground.client,
        "snapshot.storage.k8s.io/v1",
        "VolumeSnapshotContent",
        "",
    );
    let restored = ListParams::default().labels("velero.io/restore-name");
    let mut left = contents.list(&restored).await?.items;
    // Other scenarios restore snapshots too, without the engine.
    left.retain(|content| {
        let namespace = content.data["spec"]["volumeSnapshotRef"]["namespace"].as_str();
        namespace.is_some_and(|name| name.starts_with("restore-"))
    });
    ensure!(left.is_empty(), "snapshot contents are left: {left:?}");
    Ok(())
}
