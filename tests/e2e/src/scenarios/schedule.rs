//! What the stand-in velero-operator makes of the charm's request, judged by a real Velero.

use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use juju_sim::{OperatorOptions, Options};
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::{Map, Value, json};
use system_tests::house::SimulatedModel;
use velero_api::{SCHEDULE_NAME_LABEL, Schedule, SchedulePhase};

use super::config_volume::{annotate, comes_back};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::{self, Scratch};
use crate::exec::{self, Container};
use crate::ground::{Need, RUN_LABEL, TestEnv};
use crate::juju::App;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "schedule-fires",
    says: "the Backup and the Schedule that follow from the charm's databag are admitted by Velero, and a Schedule of \
           every minute fires and holds the bytes",
    beside: Beside::Any,
    depends_on_velero: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Longest way to the first backup: a minute until it is due, and one until Velero looks.
const FIRST_BACKUP: Duration = Duration::from_secs(150);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let app = App::waiting(ground, &model);
    apply::all(&ground.client, &app.objects(ground)).await?;
    let (schedule, backup) = {
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

    let schedule_name = admit(ground, &schedule).await?;
    let fired = async {
        let backup_name = admit(ground, &backup).await?;
        let bytes = backups::finish(ground, &backup_name).await?.only(&config)?;
        story.figure("bytes stored by the action's Backup", bytes);
        let schedules = ground.velero("Schedule");
        wait::until("Velero has enabled the Schedule", Duration::from_secs(60), || {
            let schedules = schedules.clone();
            let name = schedule_name.as_str();
            async move { enabled(&schedules.get(name).await?) }
        })
        .await?;
        // As the charm asked for it, it would fire at night. The charm itself refuses so many backups.
        let often = json!({"spec": {"schedule": "* * * * *"}});
        schedules
            .patch(&schedule_name, &PatchParams::default(), &Patch::Merge(often))
            .await?;
        let name = first_backup(ground, &schedule_name).await?;
        let stored = backups::finish(ground, &name).await?;
        story.figure(
            "bytes stored by the Schedule's first backup",
            stored.only(&config)?,
        );
        Ok::<_, anyhow::Error>(name)
    }
    .await;
    // It would go on every minute.
    ground
        .velero("Schedule")
        .delete(&schedule_name, &DeleteParams::default())
        .await?;
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

/// Deploys the charm on simulated Juju, integrates it with the stand-in operator, and asks for a backup by its action.
fn made_by_the_operator(model: &str) -> Result<(Value, Value)> {
    let mut house = SimulatedModel::empty(Options {
        model: model.to_owned(),
        ..Options::default()
    })?;
    let deploy = house.radarr()?;
    house.juju.deploy(deploy)?;
    house.juju.deploy_velero_operator(OperatorOptions::default())?;
    house
        .juju
        .integrate("radarr:velero-backup-config", "velero-operator")?;
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
    let backups = house.juju.backups();
    let only = |found: Option<Value>| found.context("the stand-in operator made nothing");
    Ok((
        only(schedules.first().map(to_json).transpose()?)?,
        only(backups.first().map(to_json).transpose()?)?,
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
