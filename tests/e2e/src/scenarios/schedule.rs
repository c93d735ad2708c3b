//! What the stand-in velero-operator makes of the charm's request, judged by a real Velero.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use config_recovery::backups::{self as listed, AppId};
use config_recovery::cluster::Cluster;
use futures::FutureExt;
use juju_sim::{OperatorOptions, Options};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Map, Value, json};
use system_tests::house::SimulatedModel;
use velero_api::{SCHEDULE_NAME_LABEL, Schedule, SchedulePhase};
use workload_charm::tiers::{NIGHTLY, TIERS};

use super::config_volume::{annotate, comes_back};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::{self, Scratch};
use crate::exec::{self, Container};
use crate::ground::{Need, RUN_LABEL, TestEnv};
use crate::juju::App;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "schedule-fires",
    says: "the Backup and the Schedules of all tiers that follow from the charm's databags are admitted by Velero, a Schedule \
           of every minute fires and holds the bytes, and what Velero made is told by tier",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Longest way to the first backup: a minute until it is due, and one until Velero looks.
const FIRST_BACKUP: Duration = Duration::from_secs(150);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let app = App::waiting(ground, &model);
    apply::all(&ground.client, &app.objects(ground)).await?;
    let (schedules, backup) = {
        let model = model.clone();
        // Simulated Juju blocks, so it runs beside the client's tasks while the pod starts.
        tokio::task::spawn_blocking(move || made_by_the_operator(&model)).await??
    };
    let pod_name = app.pod();
    ground
        .ready_pod(&model, &pod_name, Duration::from_secs(120))
        .await?;
    let workload = Container {
        namespace: &model,
        pod: &pod_name,
        name: &app.name,
    };
    let fill = "dd if=/dev/urandom of=/config/radarr.db bs=1M count=2 2>/dev/null; echo '<Config/>' > /config/config.xml";
    exec::shell(ground, workload, fill).await?;
    let before = exec::checksums(ground, workload, "/config").await?;
    let config = app.volume("config");
    let pod = annotate(ground, &model, &pod_name, &config).await?;

    let mut names = Vec::new();
    for schedule in &schedules {
        names.push(admit(ground, schedule).await?);
    }
    let [schedule_name, ..] = names.as_slice() else {
        bail!("the stand-in operator made no Schedule");
    };
    let fired = async {
        let backup_name = admit(ground, &backup).await?;
        let bytes = backups::finish(ground, &backup_name).await?.only(&config)?;
        story.figure("bytes stored by the action's Backup", bytes);
        let schedules = ground.velero("Schedule");
        for name in &names {
            let what = format!("Velero has enabled Schedule {name}");
            wait::until(&what, Duration::from_secs(60), || {
                let schedules = schedules.clone();
                async move { enabled(&schedules.get(name).await?) }
            })
            .await?;
        }
        // As the charm asked for it, it would fire at night. The charm itself refuses so many backups.
        let often = json!({"spec": {"schedule": "* * * * *"}});
        schedules
            .patch(schedule_name, &PatchParams::default(), &Patch::Merge(often))
            .await?;
        let name = first_backup(ground, schedule_name).await?;
        let stored = backups::finish(ground, &name).await?;
        story.figure(
            "bytes stored by the Schedule's first backup",
            stored.only(&config)?,
        );
        told_by_tier(ground, &model, schedule_name).await?;
        Ok::<_, anyhow::Error>(name)
    }
    .await;
    // One would go on every minute.
    for name in &names {
        ground
            .velero("Schedule")
            .delete(name, &DeleteParams::default())
            .await?;
    }
    let name = fired?;

    let scratch = ground.namespace(&format!("{}-back", SCENARIO.name)).await?;
    let place = Scratch {
        backup: &name,
        from: &model,
        to: &scratch,
        volume: &config,
        container: &app.name,
    };
    let restored = comes_back(ground, &pod, place).await?;
    if let Some(difference) = exec::difference(&before, &restored) {
        bail!("the restored volume differs: {difference}");
    }
    story.figure("files that came back", restored.len());
    Ok(())
}

/// What the charm's status is made from: a working Schedule for each tier, and the last good backup where it belongs.
async fn told_by_tier(ground: &TestEnv, model: &str, fired: &str) -> Result<()> {
    let whose = AppId {
        app: "radarr".to_owned(),
        model: model.to_owned(),
    };
    let found = listed::standing(&Cluster::new(ground.client.clone()), &whose).await?;
    for tier in &TIERS {
        let health = found.endpoints.get(tier.name());
        let works = health
            .and_then(|health| health.schedule.as_ref())
            .is_some_and(|schedule| schedule.rests.is_none());
        ensure!(works, "tier {}: {found:?}", tier.name());
        let good = health.and_then(|health| health.last_good.as_ref());
        let is_first = tier.name() == NIGHTLY.name();
        ensure!(good.is_some() == is_first, "tier {}: {found:?}", tier.name());
    }
    let newest = found.last_good().map(|last| last.name.as_str());
    // Velero names it after the Schedule.
    ensure!(
        newest.is_some_and(|newest| newest.starts_with(fired)),
        "not of Schedule {fired}: {found:?}"
    );
    let longest = found
        .kept_longest
        .as_ref()
        .and_then(|last| last.expires.zip(last.time));
    let (expires, time) = longest.with_context(|| format!("nothing is kept: {found:?}"))?;
    let kept = expires.duration_since(time).as_hours();
    ensure!((719..=720).contains(&kept), "kept {kept} h: {found:?}");
    Ok(())
}

/// Deploys the charm on simulated Juju, integrates it with the stand-in operator by each of its endpoints, and asks for a backup
/// by its action. Gives the Schedules, the nightly one first, and the Backup.
fn made_by_the_operator(model: &str) -> Result<(Vec<Value>, Value)> {
    let mut house = SimulatedModel::empty(Options {
        model: model.to_owned(),
        ..Options::default()
    })?;
    let deploy = house.radarr_with_tiers()?;
    house.juju.deploy(deploy)?;
    house.juju.deploy_velero_operator(OperatorOptions::default())?;
    for tier in &TIERS {
        let own = format!("radarr:{}", tier.name());
        house.juju.integrate(&own, "velero-operator")?;
    }
    let mut parameters = Map::new();
    parameters.insert("target".to_owned(), json!("radarr:velero-backup-config"));
    let result = house
        .juju
        .run_action("velero-operator/0", "create-backup", parameters)?;
    ensure!(
        result.status == "completed",
        "create-backup {}: {}; the charm says {:?}, and its databag {:?}",
        result.status,
        result.message,
        house.status()?,
        house.juju.app_bag("radarr", "velero-backup-config")
    );
    let schedules = house.juju.schedules();
    ensure!(
        schedules.len() == TIERS.len(),
        "a tier has no Schedule: {schedules:?}"
    );
    let backups = house.juju.backups();
    let backup = backups.first().context("the stand-in operator made no Backup")?;
    Ok((
        schedules.iter().map(to_json).collect::<Result<_>>()?,
        to_json(backup)?,
    ))
}

fn to_json(object: &impl Serialize) -> Result<Value> {
    Ok(serde_json::to_value(object)?)
}

/// Gives an object of the stand-in to the real API server, as it is but for what a cluster decides. Returns its name.
pub(super) async fn admit(ground: &TestEnv, object: &Value) -> Result<String> {
    let object = fit(object, &ground.velero_namespace, &ground.location, &ground.run);
    apply::one(&ground.client, &object).await?;
    Ok(object["metadata"]["name"].as_str().unwrap_or_default().to_owned())
}

/// What the server sets goes, the namespace and location become those of the real Velero, and the run is noted.
fn fit(object: &Value, namespace: &str, location: &str, run: &str) -> Value {
    let mut object = object.clone();
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    if let Some(metadata) = object["metadata"].as_object_mut() {
        for set_by_server in ["uid", "creationTimestamp", "resourceVersion", "generateName"] {
            metadata.remove(set_by_server);
        }
    }
    // The stand-in numbers what it makes, so two runs in one cluster would meet.
    let name = format!(
        "{}-{run}",
        object["metadata"]["name"].as_str().unwrap_or_default()
    );
    object["metadata"]["name"] = json!(name);
    object["metadata"]["namespace"] = json!(namespace);
    object["metadata"]["labels"][RUN_LABEL] = json!(run);
    for spec in ["/spec", "/spec/template"] {
        if let Some(place) = object.pointer_mut(&format!("{spec}/storageLocation")) {
            *place = json!(location);
        }
    }
    object
}

async fn first_backup(ground: &TestEnv, schedule: &str) -> Result<String> {
    let of_schedule = ListParams::default().labels(&format!("{SCHEDULE_NAME_LABEL}={schedule}"));
    let (backups, schedules) = (ground.velero("Backup"), ground.velero("Schedule"));
    wait::until(
        &format!("Schedule {schedule} has made a backup"),
        FIRST_BACKUP,
        || {
            let (backups, schedules, of_schedule) = (backups.clone(), schedules.clone(), of_schedule.clone());
            async move {
                enabled(&schedules.get(schedule).await?)?;
                let made = backups.list(&of_schedule).await?.items;
                Ok(made.into_iter().next().and_then(|backup| backup.metadata.name))
            }
        },
    )
    .await
}

/// `Some` when Velero has taken the Schedule.
fn enabled(schedule: &DynamicObject) -> Result<Option<()>> {
    let schedule: Schedule = serde_json::from_value(serde_json::to_value(schedule)?)?;
    let status = schedule.status.unwrap_or_default();
    if status.phase == Some(SchedulePhase::FailedValidation) {
        bail!(
            "Velero refuses the Schedule: {}",
            status.validation_errors.join(", ")
        );
    }
    Ok((status.phase == Some(SchedulePhase::Enabled)).then_some(()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_cluster_decides_is_changed() {
        let made = json!({
            "kind": "Schedule",
            "metadata": {"name": "radarr-x", "generateName": "radarr-", "namespace": "sim", "uid": "1", "labels": {"app": "radarr"}},
            "spec": {"schedule": "* * * * *", "template": {"storageLocation": "default", "ttl": "720h"}},
            "status": {"phase": "New"},
        });
        let fitted = fit(&made, "velero", "mine", "0a1b2c");
        assert_eq!(
            fitted,
            json!({
                "kind": "Schedule",
                "metadata": {"name": "radarr-x-0a1b2c", "namespace": "velero",
                             "labels": {"app": "radarr", "configuratarr.test/run": "0a1b2c"}},
                "spec": {"schedule": "* * * * *", "template": {"storageLocation": "mine", "ttl": "720h"}},
            })
        );
    }
}
