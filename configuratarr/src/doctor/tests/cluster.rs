//! What all apps share.

use State::{Fail, NotChecked, Ok as Fine, Warn};

use super::*;

#[test]
fn what_all_apps_share_is_checked() {
    assert_finds(
        "juju",
        |world| world.client = "3.5.1",
        Warn,
        "3.5.1",
        "--channel=3.6/stable",
    );
    assert_finds(
        "juju",
        |world| {
            "4.0.15".clone_into(&mut world.status.model.version);
            world.client = "4.0.15";
        },
        Fine,
        "volumes cannot be imported",
        "",
    );
    let late =
        |seconds| move |world: &mut World| world.survey.clock = Ok(Some(SignedDuration::from_secs(seconds)));
    assert_finds("clock", late(-120), Warn, "120 s ahead of", "set-ntp");
    assert_finds("clock", late(90), Warn, "90 s behind", "set-ntp");
    assert_finds("clock", late(-20), Fine, "agree", "");
    assert_finds(
        "clock",
        |world| world.survey.clock = Ok(None),
        NotChecked,
        "does not tell",
        "",
    );
    assert_finds(
        "velero",
        |world| world.survey.servers = Ok(Vec::new()),
        Fail,
        "no pod",
        "kubectl get deployments",
    );
    assert_finds(
        "velero",
        |world| world.survey.servers.as_mut().unwrap()[0].is_running = false,
        Fail,
        "does not run",
        "kubectl -n velero describe pods",
    );
    assert_finds(
        "velero",
        |world| world.survey.servers.as_mut().unwrap()[0].image = "velero/velero:v1.99.0".to_owned(),
        Warn,
        "newer than",
        "configuratarr verify --all",
    );
    assert_finds(
        "definitions",
        |world| world.survey.definitions = Ok(vec!["it is older".to_owned()]),
        Fail,
        "it is older, so backups and restores hang",
        "--crds-only",
    );
    assert_finds(
        "storage-location",
        |world| world.overview.locations.clear(),
        Fail,
        "no storage location",
        "juju integrate velero-operator s3-integrator",
    );
    assert_finds(
        "storage-location",
        |world| {
            world.overview.locations[0].is_available = Some(false);
            world.overview.locations[0].message = Some("no such bucket".to_owned());
        },
        Fail,
        "unavailable: no such bucket",
        "describe backupstoragelocations.velero.io default",
    );
    assert_finds(
        "storage-location",
        |world| world.overview.locations[0].is_available = None,
        NotChecked,
        "has not looked",
        "",
    );
    assert_finds(
        "storage-location",
        |world| world.overview.locations[0].is_read_only = true,
        Warn,
        "none can be stored",
        r#"patch backupstoragelocations.velero.io default --type merge -p '{"spec":{"accessMode":"ReadWrite"}}'"#,
    );
}

#[test]
fn the_password_is_told_with_what_a_change_would_do() {
    let password = |password: Result<Password, ClusterError>| {
        move |world: &mut World| world.survey.veleros[0].password = password
    };
    assert_finds(
        "repository-password",
        password(Ok(Password::Public)),
        Warn,
        "what is there (1 backup) could not be read",
        "new bucket",
    );
    assert_finds(
        "repository-password",
        |world| {
            world.survey.veleros[0].password = Ok(Password::Public);
            world.overview.backups.clear();
        },
        Warn,
        "everybody knows",
        "before the first backup: (umask 077; set -C; openssl rand",
    );
    assert_finds(
        "repository-password",
        password(Ok(Password::NotSet)),
        Fail,
        "is gone",
        "create secret generic velero-repo-credentials",
    );
    assert_finds(
        "repository-password",
        password(Err(forbidden(
            "look at the secret velero-repo-credentials of velero",
        ))),
        NotChecked,
        "not allowed",
        "--kubeconfig",
    );
}

#[test]
fn snapshots_need_a_marked_class_and_the_feature() {
    assert_finds(
        "snapshots",
        |world| {
            world.snapshot_class(true);
            world.with_feature();
        },
        Fine,
        "with csi.example.com",
        "",
    );
    assert_finds(
        "snapshots",
        |world| world.snapshot_class(true),
        Warn,
        "without EnableCSI",
        "--features=EnableCSI",
    );
    let label = format!("kubectl label volumesnapshotclass snap {SNAPSHOT_CLASS_LABEL}=true");
    assert_finds(
        "snapshots",
        |world| {
            world.snapshot_class(false);
            world.with_feature();
            world.source(VolumeSource::Csi("csi.example.com".to_owned()));
        },
        Warn,
        "no snapshot class is marked",
        &label,
    );
    assert_finds(
        "snapshots",
        |world| world.snapshot_class(false),
        Fine,
        "files are copied",
        "",
    );
}

#[test]
fn a_queue_is_told_where_there_is_one() {
    /// A second app on the same node, under a Velero whose node agents have a queue.
    fn two(world: &mut World) {
        world
            .status
            .applications
            .insert("sonarr".to_owned(), fixtures::application("sonarr"));
        let mut pod = world.pod().clone();
        pod.name = "sonarr-0".to_owned();
        pod.volumes[0].name = "sonarr-config-fec125".to_owned();
        world.survey.objects.pods.as_mut().unwrap().push(pod);
        world.agent().image = "velero/velero:v1.17.0".to_owned();
    }
    let command = "create configmap node-agent-config --from-literal=config='{\"loadConcurrency\":{\"globalConfig\":2}}'";
    assert_finds("load-concurrency", two, Warn, "2 apps share a node", command);
    assert_finds(
        "load-concurrency",
        |world| {
            two(world);
            world.agent().image = "velero/velero:v1.15.2".to_owned();
        },
        Fine,
        "do not wait",
        "",
    );
    let configured = |concurrency| {
        move |world: &mut World| {
            two(world);
            world.configuration(concurrency);
        }
    };
    assert_finds(
        "load-concurrency",
        configured(Ok(Some(Ok(2)))),
        Fine,
        "2 at a time",
        "",
    );
    assert_finds(
        "load-concurrency",
        configured(Ok(Some(Ok(1)))),
        Warn,
        "2 apps",
        "edit configmap mine",
    );
    let wrong = Ok(Some(Err("it is no JSON".to_owned())));
    assert_finds(
        "load-concurrency",
        configured(wrong),
        Warn,
        "it is no JSON",
        "edit configmap mine",
    );
    assert_finds(
        "load-concurrency",
        configured(Ok(None)),
        Fail,
        "is not there",
        "create configmap",
    );
    let error = Err(forbidden("look at the ConfigMap mine of velero"));
    assert_finds(
        "load-concurrency",
        configured(error),
        NotChecked,
        "not allowed",
        "--kubeconfig",
    );
}

#[test]
fn a_client_that_cannot_be_used_is_a_failure_and_one_that_does_not_answer_is_none() {
    let with = |error: JujuError| {
        let mut seen = world().seen();
        if let Ok(juju) = &mut seen.juju {
            juju.client = Err(error);
        }
        examine(&seen)
            .into_iter()
            .find(|checked| checked.name == "juju")
            .unwrap()
            .finding
    };
    let old = with(JujuError::TooOld {
        version: "2.9.1".to_owned(),
    });
    assert_eq!(old.state, Fail);
    let silent = with(JujuError::NotRun("no".to_owned()));
    assert_eq!(silent.state, NotChecked);
}
