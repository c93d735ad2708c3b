//! Checks of each app.

use config_recovery::backups::{AppSchedule, is_missed};
use config_recovery::method::{
    Lookup, Obstacle, Snapshots, VolumeSource, obstacle, of_velero_spec, snapshots,
};
use config_recovery::preview::{Stored, VolumePreview, preview_of};
use config_recovery::survey::{Pod, PodVolume, PodVolumeSource, Survey};
use config_recovery::words::{size, time};
use velero_backup_config::{Method, Schedule};

use super::cluster::overview;
use super::{Finding, InCluster, InJuju, Seen, counted};
use crate::fleet::{About, App, ENDPOINT, Severity};
use crate::spec::how;

/// The annotation with the command that makes the databases fit for a backup (`velero-backup-config`, module `pod`).
const BEFORE_BACKUP: &str = "pre.hook.backup.velero.io/command";

/// How Juju says that the app is. What its charm is blocked by is told at once, however short it has been so.
pub fn status(seen: &Seen, _: &InJuju, app: &App) -> Vec<Finding> {
    let name = &app.id.app;
    let Some(juju) = &app.juju else {
        return vec![Finding::warn(
            format!(
                "it is not in model {}, and has {}",
                seen.model,
                counted(app.backups.len())
            ),
            format!("configuratarr redeploy {name} --charm CHARM, or let its backups expire"),
        )];
    };
    let said = match juju.message.as_str() {
        "" => juju.status.clone(),
        message => format!("{}: {message}", juju.status),
    };
    let next = format!("juju status {name}{}", seen.suffix);
    vec![match juju.status.as_str() {
        "active" => Finding::ok(said),
        "blocked" | "error" => Finding::fail(said, next),
        _ => Finding::warn(said, next),
    }]
}

/// Whether something makes backups.
pub fn relation(seen: &Seen, _: &InJuju, app: &App) -> Vec<Finding> {
    let Some(juju) = &app.juju else {
        return Vec::new();
    };
    let name = &app.id.app;
    vec![match (juju.is_related, juju.has_endpoint) {
        (true, _) => Finding::ok(format!("{ENDPOINT} is related")),
        (false, true) => Finding::fail(
            "nothing is asked for backups",
            format!("juju integrate {name} velero-operator{}", seen.suffix),
        ),
        (false, false) => Finding::fail(
            format!("its charm has no endpoint {ENDPOINT}"),
            format!(
                "juju refresh {name}{} (charm from a file: --path FILE)",
                seen.suffix
            ),
        ),
    }]
}

/// Whether the charm may look at volumes and backups.
pub fn trust(seen: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    if is_gone(seen, app) {
        return Vec::new();
    }
    let name = &app.id.app;
    vec![match &cluster.survey.trusted {
        Err(error) => error.into(),
        Ok(trusted) => match trusted.get(name) {
            Some(true) => Finding::ok("the charm may look at volumes and backups"),
            Some(false) => Finding::warn(
                "files are backed up, and the charm can neither list, verify nor restore backups",
                format!("juju trust {name} --scope=cluster{}", seen.suffix),
            ),
            None => Finding::not_checked(
                format!("there is no ClusterRole {}-{name} of Juju's", seen.model),
                Some(format!(
                    "juju config {name} --format yaml{} says trust",
                    seen.suffix
                )),
            ),
        },
    }]
}

/// Whether the config volume can be backed up.
pub fn volume(seen: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    let survey = &cluster.survey;
    let (pod, volume) = match stored(seen, cluster, app) {
        Ok(Some(found)) => found,
        Ok(None) => return Vec::new(),
        Err(finding) => return vec![finding],
    };
    let method = method(cluster, app, pod, volume);
    let name = &app.id.app;
    let seen_volume = survey.config_volume(pod, volume);
    let claim = match &volume.source {
        PodVolumeSource::Claim(claim) => claim.as_str(),
        _ => volume.name.as_str(),
    };
    let by_files = format!("juju config {name} backup-method=filesystem{}", seen.suffix);
    let finding = match obstacle(method, &seen_volume.as_volume()) {
        Some(Obstacle::HostPath) => Finding::fail(
            format!("{claim} is a hostPath, which file-system backup refuses: nothing is stored"),
            instead_of_host_path(survey, pod, volume, name),
        ),
        Some(Obstacle::Unbound) => Finding::fail(
            format!("claim {claim} is not bound to a volume"),
            format!("kubectl -n {} describe pvc {claim}", seen.model),
        ),
        Some(Obstacle::NoSnapshots(driver)) => Finding::fail(
            format!("Velero makes no snapshots with driver {driver}: nothing is stored"),
            by_files,
        ),
        Some(Obstacle::NoDriver) => Finding::fail(
            "a snapshot is asked for, and the volume has no CSI driver: nothing is stored",
            by_files,
        ),
        Some(Obstacle::Unverified) => Finding::not_checked(
            "whether Velero makes a snapshot of it may not be looked at",
            Some(by_files),
        ),
        // That is a check of its own.
        None | Some(Obstacle::NoNodeAgent | Obstacle::NodeAgentRefused(_)) => {
            match (method, survey.objects.source(pod, volume)) {
                (_, Lookup::Unknown(error)) => (&error).into(),
                (_, Lookup::NotAllowed) => Finding::not_checked(
                    "whether file-system backup takes the volume may not be looked at",
                    None,
                ),
                (Method::Snapshot, _) => Finding::ok(format!("{claim} is backed up by snapshot")),
                (Method::Filesystem, Lookup::Known(source)) => {
                    let kind = match source {
                        VolumeSource::Csi(driver) => format!("driver {driver}"),
                        VolumeSource::HostPath | VolumeSource::Other => "no CSI driver".to_owned(),
                    };
                    Finding::ok(format!("the files of {claim} are copied ({kind})"))
                }
            }
        }
    };
    vec![finding]
}

/// What to change where volumes are folders of the node. A volume does not change its kind: the app needs a new one.
fn instead_of_host_path(survey: &Survey, pod: &Pod, volume: &PodVolume, app: &str) -> String {
    let class = match &volume.source {
        PodVolumeSource::Claim(name) => survey
            .objects
            .claim(&pod.namespace, name)
            .and_then(|claim| claim.storage_class.as_deref()),
        _ => None,
    };
    let provisioner = class.and_then(|class| survey.storage_classes.as_ref().ok()?.get(class));
    match (class, provisioner.map(String::as_str)) {
        // `defaultVolumeType` of rancher/local-path-provisioner.
        (Some(class), Some("rancher.io/local-path")) => format!(
            "kubectl annotate storageclass {class} defaultVolumeType=local, then deploy it once more under another name and copy the files of {app} there before you remove {app}: a volume keeps its kind, and these files are in no backup"
        ),
        _ => format!(
            "juju create-storage-pool files kubernetes storage-class=CLASS, with a class of local or CSI volumes, then deploy it once more under another name with --storage config=files, and copy the files of {app} there before you remove {app}: they are in no backup"
        ),
    }
}

/// Whether a node agent runs where the app does.
pub fn node_agent(seen: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    let survey = &cluster.survey;
    let Ok(Some((pod, volume))) = stored(seen, cluster, app) else {
        return Vec::new();
    };
    if method(cluster, app, pod, volume) == Method::Snapshot {
        return Vec::new();
    }
    let node = pod.node.as_str();
    if node.is_empty() {
        return vec![Finding::warn(
            format!("pod {} has no node yet", pod.name),
            format!("kubectl -n {} describe pod {}", pod.namespace, pod.name),
        )];
    }
    if survey
        .nodes
        .as_ref()
        .is_ok_and(|nodes| nodes.get(node) == Some(&true))
    {
        return vec![Finding::fail(
            format!("node {node}, where it runs, has not been heard of: nothing of it can be backed up"),
            format!("kubectl describe node {node}"),
        )];
    }
    let agents = match &survey.agents {
        Err(error) => return vec![error.into()],
        Ok(agents) => agents,
    };
    vec![match agents.iter().find(|agent| agent.node == node) {
        Some(agent) if agent.is_running => Finding::ok(format!("one runs on node {node}")),
        Some(agent) => Finding::fail(
            format!("the one on node {node} does not run, so no file is copied"),
            format!("kubectl -n {} describe pods -l name=node-agent", agent.namespace),
        ),
        None if agents.is_empty() => Finding::fail(
            "Velero has no node agent, so no file is copied",
            seen.operator_config("use-node-agent=true"),
        ),
        None => Finding::fail(
            format!("none is on node {node}, so no file is copied"),
            "let the daemon set node-agent run there: kubectl describe daemonset -A -l component=velero"
                .to_owned(),
        ),
    }]
}

/// What a backup would hold if it were made now: Velero says `Completed` of one that holds nothing.
pub fn contents(seen: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    let Some(schedule) = schedule_of(cluster, app) else {
        return Vec::new();
    };
    let Ok(Some((pod, volume))) = stored(seen, cluster, app) else {
        return Vec::new();
    };
    let survey = &cluster.survey;
    let drivers = survey.snapshot_drivers().ok();
    let found = match preview_of(&schedule.template, &survey.objects, drivers.as_deref()) {
        Err(error) => return vec![(&error).into()],
        Ok(found) => found,
    };
    let is_config = |found: &&VolumePreview| {
        found.namespace == pod.namespace
            && found
                .pod
                .as_ref()
                .is_some_and(|(name, inside)| *name == pod.name && *inside == volume.name)
    };
    let config = found.volumes.iter().find(is_config).map(|config| &config.stored);
    let others: Vec<String> = found
        .volumes
        .iter()
        .filter(|found| found.stored.is_something() && !is_config(found))
        .map(|found| match (&found.claim, &found.pod) {
            (Some(claim), _) => claim.clone(),
            (None, Some((pod, volume))) => format!("{volume} of {pod}"),
            (None, None) => String::new(),
        })
        .collect();
    let name = &app.id.app;
    let look = format!("configuratarr spec --app {name}; the charm marks its pod at the next update-status");
    let has_hooks = pod.annotations.contains_key(BEFORE_BACKUP);
    vec![match config {
        Some(Stored::Files) if !has_hooks => Finding::fail(
            format!(
                "pod {} has no command that makes the databases fit for a backup: they may be torn",
                pod.name
            ),
            look,
        ),
        Some(Stored::Files | Stored::Snapshot) if others.is_empty() => {
            Finding::ok("the config volume, nothing else")
        }
        Some(Stored::Files | Stored::Snapshot) => Finding::warn(
            format!("besides the config volume it holds {}", others.join(", ")),
            look,
        ),
        Some(Stored::No(_))
            if drivers.is_none() && of_velero_spec(&schedule.template) == Method::Snapshot =>
        {
            Finding::not_checked("whether Velero makes a snapshot of it is not known", None)
        }
        Some(stored @ Stored::No(_)) => Finding::fail(
            format!("a backup would not hold the config volume: {}", how(stored)),
            look,
        ),
        None => Finding::fail(
            "a backup would not hold the config volume: its spec does not match it",
            look,
        ),
    }]
}

/// Whether backups are made by themselves, and were.
pub fn schedule(seen: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    if let Err(finding) = overview(cluster) {
        return finding;
    }
    if is_gone(seen, app) || app.juju.as_ref().is_some_and(|juju| !juju.is_related) {
        return Vec::new();
    }
    let attention = told(app, About::Protection);
    if !attention.is_empty() {
        return attention;
    }
    let Some(schedule) = schedule_of(cluster, app) else {
        return Vec::new();
    };
    let name = &schedule.scheduled.name;
    let after = schedule.last_run.or(schedule.scheduled.since);
    let due = after.and_then(|after| schedule.cron.parse::<Schedule>().ok()?.next_after(after));
    if let Some(due) = due.filter(|due| is_missed(*due, seen.now)) {
        return vec![Finding::fail(
            format!("Schedule {name} was due {} and has not fired", time(due)),
            format!(
                "kubectl -n {} logs deployment/velero --since=24h",
                schedule.velero_namespace
            ),
        )];
    }
    let last = schedule.last_run.map_or_else(
        || "has not fired yet".to_owned(),
        |last| format!("last fired {}", time(last)),
    );
    let next = due.map(|due| format!(", next {}", time(due))).unwrap_or_default();
    vec![Finding::ok(format!("{}: {last}{next}", schedule.cron))]
}

/// Whether there is a good backup of the time that there should be one of.
pub fn backups(_: &Seen, cluster: &InCluster, app: &App) -> Vec<Finding> {
    if let Err(finding) = overview(cluster) {
        return finding;
    }
    let attention = told(app, About::Backups);
    if !attention.is_empty() {
        return attention;
    }
    let Some(last) = &app.last_good else {
        return Vec::new();
    };
    let how_large = last.bytes.map_or_else(|| "a snapshot".to_owned(), size);
    let when = last.time.map_or_else(|| "at an unknown time".to_owned(), time);
    vec![Finding::ok(format!(
        "the last good one ended {when}, {how_large}; {} in all",
        counted(app.backups.len())
    ))]
}

/// What the status says of it: there is one judge.
fn told(app: &App, about: About) -> Vec<Finding> {
    let attention = app.attention.iter().filter(|attention| attention.about == about);
    attention
        .map(|attention| match attention.severity {
            Severity::Failure => Finding::fail(&attention.text, &attention.next),
            Severity::Warning => Finding::warn(&attention.text, &attention.next),
        })
        .collect()
}

fn is_gone(seen: &Seen, app: &App) -> bool {
    seen.juju.is_ok() && app.juju.is_none()
}

/// The pod with the config volume that is backed up. `None` where there need not be one.
fn stored<'a>(
    seen: &Seen,
    cluster: &'a InCluster,
    app: &App,
) -> Result<Option<(&'a Pod, &'a PodVolume)>, Finding> {
    if is_gone(seen, app) {
        return Ok(None);
    }
    let objects = &cluster.survey.objects;
    objects.pods.as_ref().map_err(Finding::from)?;
    match objects.stored(&app.id) {
        Some(found) => Ok(Some(found)),
        None if app.juju.is_none() => Ok(None),
        None => Err(Finding::warn(
            "no pod of it mounts a config volume",
            format!(
                "kubectl -n {} get pods -l app.kubernetes.io/name={}",
                app.id.model, app.id.app
            ),
        )),
    }
}

/// The Schedule that makes backups, else one that rests.
fn schedule_of<'a>(cluster: &'a InCluster, app: &App) -> Option<&'a AppSchedule> {
    let schedules = cluster.overview.as_ref().ok()?.schedules.iter();
    schedules
        .filter(|schedule| schedule.whose == app.id)
        .min_by_key(|schedule| (schedule.scheduled.rests.is_some(), schedule.scheduled.since))
}

/// How the volume is backed up: as the app asks, else as its charm would choose.
fn method(cluster: &InCluster, app: &App, pod: &Pod, volume: &PodVolume) -> Method {
    match schedule_of(cluster, app) {
        Some(schedule) => of_velero_spec(&schedule.template),
        None => match snapshots(&cluster.survey.config_volume(pod, volume).as_volume()) {
            Snapshots::Made(_) => Method::Snapshot,
            _ => Method::Filesystem,
        },
    }
}
