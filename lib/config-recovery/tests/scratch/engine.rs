//! The engine with a place in the cluster, as far as a test can go without the stream of a pod.

use std::path::Path;
use std::time::Duration;

use config_recovery::Error;
use config_recovery::backups::Choice;
use config_recovery::engine::{
    self, App, CheckedBackup, Examined, RestorePlan, RestoreRequest, Restored, VerifyPlan,
};
use config_recovery::report::Silent;
use config_volume::FileSystem;
use serde_json::{Value, json};

use crate::cluster::{NAMESPACE, NAMESPACES, PLACE, PODS, READER, VOLUME_RESTORES, mine, mounted};
use crate::files::{OUR_RESTORE, OURS, completed, makeable, restore};
use crate::removal::{THE_PLACE, begun, held, outside_goes};
use crate::sample::{radarr, spec};
use crate::server::{Server, event, list};

/// An app that nobody may touch.
struct Untouched;

impl App for Untouched {
    fn stop(&mut self) -> Result<(), String> {
        panic!("the app is stopped")
    }

    fn start(&mut self, _: Duration) -> Result<(), String> {
        panic!("the app is started")
    }

    fn came_back(&mut self, _: &CheckedBackup) {
        panic!("nothing came back")
    }

    fn examine(&mut self, _: &Restored<'_>) -> Examined {
        panic!("there is nothing to look at")
    }
}

/// The bytes are in the volume, and cannot be read: then the place is removed.
fn unreadable() -> Server {
    let exec = format!("GET {PODS}/reader/exec?command=.&container=restore-wait&stderr=true&stdout=true");
    let server = makeable()
        .lists(&list(PODS, READER), vec![mounted("bed")])
        .follows(
            VOLUME_RESTORES,
            OUR_RESTORE,
            vec![restore(OURS, Some("InProgress"))],
            vec![(9, event("MODIFIED", crate::cluster::VOLUME_RESTORE, completed()))],
        )
        .lists(
            &list(VOLUME_RESTORES, ""),
            vec![restore(OURS, Some("InProgress"))],
        )
        .lists(
            &list(
                "/api/v1/namespaces/velero/pods",
                "fieldSelector=spec.nodeName=bed&labelSelector=name=node-agent",
            ),
            vec![json!({"metadata": {"name": "a", "namespace": "velero"}, "status": {"phase": "Running"}})],
        )
        .follows(PODS, READER, vec![mounted("bed")], Vec::new())
        .refuses(&exec, 403, "Forbidden", "no");
    outside_goes(begun(held(server)).follows(
        NAMESPACES,
        THE_PLACE,
        vec![mine("r1")],
        vec![(3, event("DELETED", NAMESPACE, mine("r1")))],
    ))
}

/// A folder on a disk that has more room than a restore leaves free on a node: where temporary files are, or in memory.
fn roomy_folder() -> tempfile::TempDir {
    let is_roomy = |folder: &&Path| {
        FileSystem::of(folder).is_ok_and(|is| is.free_bytes > is.bytes / 100 * 15 + (1 << 30))
    };
    let usual = std::env::temp_dir();
    let places = [usual.as_path(), Path::new("/dev/shm")];
    let roomy = places.into_iter().find(is_roomy);
    tempfile::tempdir_in(roomy.expect("neither the temporary folder nor /dev/shm has 15 % and 1 GiB free"))
        .unwrap()
}

fn is_refused(error: &Error) {
    assert_eq!(
        error.to_string(),
        format!("cannot run tar in pod {PLACE}/reader: not allowed: no")
    );
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_cannot_read_the_pod_removes_the_place_and_touches_no_app() {
    let folder = roomy_folder();
    let volume = folder.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let plan = RestorePlan {
        target: radarr(),
        scratch: spec(),
        volume: volume.clone(),
        keep_old: true,
        stage_elsewhere: None,
        elsewhere: folder.path().join("elsewhere"),
        patience: None,
        sets_before: None,
        earlier: config_recovery::backups::Earlier::default(),
        safety_backup: None,
    };
    let server = unreadable();
    let restored = engine::restore(&server.cluster(), &plan, &mut Untouched, &Silent).await;
    is_refused(&restored.unwrap_err());
    assert_eq!(std::fs::read_dir(&volume).unwrap().count(), 0);
    server.done();
}

#[tokio::test(start_paused = true)]
async fn a_test_restore_that_cannot_read_the_pod_removes_the_place() {
    let folder = roomy_folder();
    let plan = VerifyPlan {
        scratch: spec(),
        folder: folder.path().join("verify"),
        earlier: config_recovery::backups::Earlier::default(),
        limit: None,
    };
    let server = unreadable();
    let verified = engine::verify(&server.cluster(), &plan, &mut Untouched, &Silent).await;
    is_refused(&verified.unwrap_err());
    assert!(!plan.folder.exists());
    server.done();
}

/// A backup of the app, as it is found for a plan.
fn planned(under_way: Option<&str>, bytes: u64) -> Server {
    let backup = |name: &str, phase: &str| -> Value {
        json!({
            "metadata": {
                "name": name, "namespace": "velero", "uid": format!("UID-{name}"),
                "labels": {"app": "radarr", "endpoint": "velero-backups", "model": "media"},
            },
            "spec": {
                "includedNamespaces": ["media"],
                "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "radarr"}},
            },
            "status": {"phase": phase, "startTimestamp": "2026-01-01T00:00:00Z", "completionTimestamp": "2026-01-01T00:00:09Z"},
        })
    };
    let stored = json!({
        "metadata": {"name": "v", "namespace": "velero", "labels": {"velero.io/backup-uid": "UID-b1", "velero.io/backup-name": "b1"}},
        "spec": {
            "backupStorageLocation": "default", "pod": {"name": "radarr-0", "namespace": "media"}, "volume": "radarr-config-1",
            "uploaderType": "kopia", "tags": {"backup-uid": "UID-b1"},
        },
        "status": {"phase": "Completed", "snapshotID": "s1", "progress": {"bytesDone": bytes, "totalBytes": bytes}},
    });
    let of_app = "labelSelector=app.kubernetes.io/name=radarr";
    let its_claim = json!({
        "metadata": {"name": "radarr-config-1-radarr-0"},
        "spec": {"storageClassName": "fast", "resources": {"requests": {"storage": "1Mi"}}},
    });
    let server = Server::new()
        .lists(
            "GET /apis/velero.io/v1/backups?limit=500",
            vec![backup("b1", "Completed")],
        )
        .lists("GET /apis/velero.io/v1/podvolumebackups?limit=500", vec![stored])
        .lists(&format!("GET /api/v1/namespaces/media/pods?{of_app}"), Vec::new())
        .lists(
            &format!(
                "GET /api/v1/namespaces/media/persistentvolumeclaims?{of_app},storage.juju.is/name=config"
            ),
            vec![its_claim],
        );
    match under_way {
        Some(name) => server.lists(
            "GET /apis/velero.io/v1/backups?limit=500",
            vec![backup(name, "InProgress")],
        ),
        None => server,
    }
}

/// Velero has read its only storage location then.
fn read(server: Server, when: Option<&str>) -> Server {
    let location = json!({
        "metadata": {"name": "default", "namespace": "velero"},
        "spec": {"provider": "aws"},
        "status": {"phase": "Available", "lastSyncedTime": when},
    });
    server.lists(
        "GET /apis/velero.io/v1/backupstoragelocations?limit=500",
        vec![location],
    )
}

fn wanted() -> RestoreRequest {
    RestoreRequest {
        target: radarr(),
        from: None,
        choice: Choice::from("UID-b1"),
        holder: "radarr/0".to_owned(),
        image: "radarr:1".to_owned(),
        program: None,
        patience: None,
    }
}

#[tokio::test]
async fn a_plan_names_the_backup_and_a_claim_with_room_for_it() {
    let folder = roomy_folder();
    let volume = folder.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let server = read(planned(None, 100), None);
    let plan = engine::plan_restore(&server.cluster(), &wanted(), &volume, true, &elsewhere).await;
    let scratch = plan.unwrap().scratch;
    assert_eq!(
        (scratch.backup.name.as_str(), scratch.run.as_str()),
        ("b1", "uidb1")
    );
    assert_eq!(
        (scratch.storage_class.as_deref(), scratch.size),
        (Some("fast"), 125 + (64 << 20))
    );
    server.done();

    // The volume was prepared for a backup that is under way.
    config_volume::prepare(&volume, &config_volume::Options::default()).unwrap();
    let server = read(planned(Some("nightly"), 100), None);
    let plan = engine::plan_restore(&server.cluster(), &wanted(), &volume, true, &elsewhere).await;
    match plan.unwrap_err() {
        Error::BackupRunning { backup } => assert_eq!(backup, "nightly"),
        other => panic!("{other:?}"),
    }
    server.done();
}

/// Until Velero has read its object storage to the end, the newest backup that it knows of may be any.
#[tokio::test]
async fn the_newest_backup_is_not_chosen_of_a_list_that_may_lack_it() {
    let folder = roomy_folder();
    let volume = folder.path().join("volume");
    std::fs::create_dir(&volume).unwrap();
    let elsewhere = folder.path().join("elsewhere");
    let moment = "2099-01-01T00:00:00Z".parse().unwrap();
    for choice in [
        Choice::Latest,
        Choice::AsOf(moment),
        Choice::Named("missing".to_owned()),
    ] {
        let wanted = RestoreRequest { choice, ..wanted() };
        let plan = |when| {
            let server = read(planned(None, 100), when);
            let (wanted, volume, elsewhere) = (&wanted, &volume, &elsewhere);
            async move { engine::plan_restore(&server.cluster(), wanted, volume, true, elsewhere).await }
        };
        match plan(None).await {
            Err(Error::Unread(what)) => {
                assert_eq!(what, "Velero has not read storage location default yet");
            }
            other => panic!("{other:?}"),
        }
        match (&wanted.choice, plan(Some("2026-11-24T00:00:00Z")).await) {
            (Choice::Named(_), Err(Error::NoSuchBackup(name))) => assert_eq!(name, "missing"),
            (Choice::Latest | Choice::AsOf(_), Ok(plan)) => assert_eq!(plan.backup().name, "b1"),
            (_, other) => panic!("{other:?}"),
        }
    }
}

/// The node's disk holds the claim beside the app, or may, and the folder.
#[tokio::test]
async fn a_test_restore_without_room_on_the_node_is_not_planned() {
    let folder = roomy_folder();
    let server = planned(None, 1 << 50);
    let plan = engine::plan_verify(&server.cluster(), &wanted(), folder.path()).await;
    match plan.unwrap_err() {
        Error::NodeFull { needed, .. } => assert!(needed >= 2 << 50, "{needed}"),
        other => panic!("{other:?}"),
    }
    server.done();
    let server = planned(None, 100);
    let plan = engine::plan_verify(&server.cluster(), &wanted(), folder.path()).await;
    assert_eq!(plan.unwrap().folder, folder.path());
    server.done();
}
