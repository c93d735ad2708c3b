//! What each app has.

use State::{Fail, NotChecked, Ok as Fine, Warn};

use super::*;

#[test]
fn what_juju_says_of_an_app_is_checked() {
    let is = |current: &'static str| {
        move |world: &mut World| {
            let status = &mut world
                .status
                .applications
                .get_mut("radarr")
                .unwrap()
                .application_status;
            status.current = current.to_owned();
            status.message = "storage: no".to_owned();
        }
    };
    for state in ["blocked", "error"] {
        assert_finds(
            "status",
            is(state),
            Fail,
            &format!("{state}: storage: no"),
            "juju status radarr",
        );
    }
    assert_finds(
        "status",
        is("waiting"),
        Warn,
        "waiting: storage: no",
        "juju status radarr",
    );
    assert_finds(
        "status",
        |world| world.status.applications.clear(),
        Warn,
        "is not in model home, and has 1 backup",
        "configuratarr redeploy",
    );
    assert_finds(
        "relation",
        |world| {
            world
                .status
                .applications
                .get_mut("radarr")
                .unwrap()
                .relations
                .clear()
        },
        Fail,
        "nothing is asked",
        "juju integrate radarr velero-operator",
    );
    let trusted = |trusted| move |world: &mut World| world.survey.trusted = trusted;
    assert_finds(
        "trust",
        trusted(Ok(map("radarr", false))),
        Warn,
        "neither list",
        "juju trust radarr --scope=cluster",
    );
    assert_finds(
        "trust",
        trusted(Ok(BTreeMap::new())),
        NotChecked,
        "no ClusterRole home-radarr",
        "juju config radarr",
    );
    assert_finds(
        "trust",
        trusted(Err(forbidden("list cluster roles"))),
        NotChecked,
        "not allowed",
        "--kubeconfig",
    );
}

#[test]
fn an_app_that_is_gone_is_not_asked_for_what_only_a_living_one_has() {
    let all = found(|world| world.status.applications.clear());
    let of_app: Vec<&str> = all
        .iter()
        .filter(|checked| checked.app.is_some())
        .map(|checked| checked.name)
        .collect();
    assert_eq!(of_app, ["status", "backups"]);
}

#[test]
fn the_volume_is_checked_by_the_method_that_is_asked_for() {
    assert_finds(
        "volume",
        |world| world.source(VolumeSource::HostPath),
        Fail,
        "is a hostPath",
        "kubectl annotate storageclass local-path defaultVolumeType=local",
    );
    assert_finds(
        "volume",
        |world| {
            world.source(VolumeSource::HostPath);
            world.survey.storage_classes = Ok(map("local-path", "microk8s.io/hostpath".to_owned()));
        },
        Fail,
        "is a hostPath",
        "juju create-storage-pool",
    );
    assert_finds(
        "volume",
        |world| world.survey.objects.claims.as_mut().unwrap()[0].volume = None,
        Fail,
        "is not bound",
        "kubectl -n home describe pvc",
    );
    assert_finds(
        "volume",
        |world| world.survey.objects.volumes = Err(forbidden("list volumes")),
        NotChecked,
        "may not be looked at",
        "",
    );
    assert_finds(
        "volume",
        |world| world.survey.objects.pods = Err(forbidden("list the pods of home")),
        NotChecked,
        "cannot list the pods of home",
        "--kubeconfig",
    );
    assert_finds(
        "volume",
        |world| world.survey.objects.pods = Ok(Vec::new()),
        Warn,
        "no pod of it",
        "kubectl -n home get pods",
    );
    assert_finds(
        "volume",
        World::by_snapshot,
        Fail,
        "no snapshots with driver",
        "backup-method=filesystem",
    );
    assert_finds(
        "volume",
        |world| {
            world.by_snapshot();
            world.snapshot_class(true);
            world.with_feature();
        },
        Fine,
        "by snapshot",
        "",
    );
    assert_finds(
        "volume",
        |world| {
            world.by_snapshot();
            world.survey.snapshot_classes = Err(forbidden("list snapshot classes"));
        },
        NotChecked,
        "may not be looked at",
        "backup-method=filesystem",
    );
}

#[test]
fn the_node_agent_is_looked_for_where_the_app_runs() {
    assert_finds(
        "node-agent",
        |world| world.agent().node = "other".to_owned(),
        Fail,
        "none is on node lab",
        "daemonset",
    );
    assert_finds(
        "node-agent",
        |world| world.agent().is_running = false,
        Fail,
        "does not run",
        "describe pods",
    );
    assert_finds(
        "node-agent",
        |world| world.survey.agents = Ok(Vec::new()),
        Fail,
        "no node agent",
        "juju config velero-operator use-node-agent=true -m velero",
    );
    assert_finds(
        "node-agent",
        |world| world.survey.nodes = Ok(map("lab", true)),
        Fail,
        "heard of",
        "describe node lab",
    );
    assert_finds(
        "node-agent",
        |world| world.pod().node.clear(),
        Warn,
        "no node yet",
        "describe pod radarr-0",
    );
    let by_snapshot = found(World::by_snapshot);
    assert!(!by_snapshot.iter().any(|checked| checked.name == "node-agent"));
}

#[test]
fn what_a_backup_would_hold_is_told_before_it_is_made() {
    assert_finds(
        "contents",
        |world| world.pod().annotations.clear(),
        Fail,
        "would not hold",
        "configuratarr spec --app radarr",
    );
    assert_finds(
        "contents",
        |world| {
            let mark = "backup.velero.io/backup-volumes";
            world
                .pod()
                .annotations
                .insert(mark.to_owned(), format!("{CONFIG},charm-data"));
        },
        Warn,
        "charm-data of radarr-0",
        "configuratarr spec",
    );
    assert_finds(
        "contents",
        |world| {
            world
                .pod()
                .annotations
                .retain(|key, _| !key.starts_with("pre.hook"));
        },
        Fail,
        "may be torn",
        "configuratarr spec",
    );
}

#[test]
fn schedules_and_backups_are_judged_as_the_status_judges_them() {
    assert_finds(
        "schedule",
        |world| world.overview.schedules.clear(),
        Warn,
        "no Schedule",
        "juju config radarr",
    );
    assert_finds(
        "schedule",
        |world| world.overview.schedules[0].scheduled.rests = Some(config_recovery::backups::Rests::Paused),
        Fail,
        "is paused",
        "kubectl -n velero patch",
    );
    assert_finds(
        "schedule",
        |world| world.overview.schedules[0].last_run = Some(ago(40)),
        Fail,
        "was due 2026-11-28 01:30 UTC and has not fired",
        "kubectl -n velero logs deployment/velero",
    );
    assert_finds(
        "backups",
        |world| world.overview.backups = vec![fixtures::empty("radarr", 5), fixtures::backup("radarr", 10)],
        Fail,
        "is EMPTY",
        "configuratarr backups radarr",
    );
    assert_finds(
        "backups",
        |_| (),
        Fine,
        "the last good one ended 2026-11-29 02:01 UTC, 20 MB",
        "",
    );
}
