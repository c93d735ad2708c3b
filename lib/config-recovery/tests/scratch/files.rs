//! A backup's files: what is made for them, how their coming is awaited, and what stands in the way.

use std::time::Duration;

use config_recovery::backups::BackupContents;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, Purpose, Scratch, ScratchSpec};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{
    ACCOUNTS, CLAIM, CLAIMS, Heard, NAMESPACES, PLACE, POD, PODS, READER, VOLUME_RESTORE, VOLUME_RESTORES,
    claim, labels, metadata, mine, mounted, pending, sound, with_nothing_left,
};
use crate::sample::{radarr, spec};
use crate::server::{Server, event, list, watch};

pub const AGENTS: &str = "/api/v1/namespaces/velero/pods";
pub const ON_BED: &str = "fieldSelector=spec.nodeName=bed&labelSelector=name=node-agent&";
pub const OURS: &str = "restore-radarr-4a6c93f2bb-r1";
pub const OUR_RESTORE: &str = "fieldSelector=metadata.name=restore-radarr-4a6c93f2bb-r1&";
pub const OUR_CLAIM: &str = "fieldSelector=metadata.name=config&";

/// All that is made for files, in a cluster where nothing is left of an earlier try.
pub fn makeable() -> Server {
    with_nothing_left(sound())
        .answers(&format!("POST {NAMESPACES}"), mine("r1"))
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "uid-account"))
        .answers(&format!("POST {CLAIMS}"), metadata("config", "uid-claim"))
        .answers(&format!("POST {PODS}"), metadata("reader", "uid-pod"))
        .answers(&format!("POST {VOLUME_RESTORES}"), metadata(OURS, "uid-restore"))
}

/// The place, made.
async fn made() -> Scratch {
    let making = makeable();
    let scratch = scratch::make(&making.cluster(), &spec(), &Silent).await.unwrap();
    making.done();
    scratch
}

pub fn restore(name: &str, phase: Option<&str>) -> Value {
    json!({
        "metadata": {"name": name, "namespace": "velero", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"pod": {"namespace": PLACE, "name": "reader", "uid": "uid-pod"}},
        "status": phase.map(|phase| json!({"phase": phase})),
    })
}

fn copied(phase: &str, done: u64, total: u64) -> Value {
    let mut restore = restore(OURS, Some(phase));
    restore["status"]["progress"] = json!({"bytesDone": done, "totalBytes": total});
    restore
}

pub fn completed() -> Value {
    let mut restore = copied("Completed", 7, 7);
    restore["status"]["startTimestamp"] = json!("2026-01-01T00:00:02Z");
    restore["status"]["completionTimestamp"] = json!("2026-01-01T00:00:09Z");
    restore
}

fn agent(phase: &str) -> Value {
    json!({"metadata": {"name": "node-agent-x", "namespace": "velero"}, "status": {"phase": phase}})
}

fn changed(of: (&str, &str), object: Value) -> Value {
    event("MODIFIED", of, object)
}

#[tokio::test]
async fn the_place_is_made_as_the_node_agent_needs_it() {
    let server = makeable();
    let scratch = scratch::make(&server.cluster(), &spec(), &Silent).await.unwrap();
    assert_eq!(scratch.namespace, PLACE);
    assert_eq!(scratch::namespace(&radarr(), Purpose::Restore), PLACE);
    assert_eq!(
        (scratch.velero_namespace.as_str(), scratch.restore.as_str()),
        ("velero", OURS)
    );

    let sent = |request: String| server.bodies(&request)[0].clone();
    let namespace = &sent(format!("POST {NAMESPACES}"))["metadata"];
    let mut with_security = labels();
    with_security["pod-security.kubernetes.io/enforce"] = json!("baseline");
    assert_eq!(
        (&namespace["name"], &namespace["labels"]),
        (&json!(PLACE), &with_security)
    );
    let notes = &namespace["annotations"];
    assert_eq!(
        (
            &notes["config-recovery/holder"],
            &notes["config-recovery/target"],
            &notes["config-recovery/backup"]
        ),
        (&json!("radarr/0"), &json!("media/radarr"), &json!("b1"))
    );
    assert!(
        notes["config-recovery/started"]
            .as_str()
            .unwrap()
            .starts_with("20")
    );

    let its = |name: &str| json!({"name": name, "namespace": PLACE, "labels": labels()});
    assert_eq!(sent(format!("POST {ACCOUNTS}"))["metadata"], its("reader"));
    let claim = sent(format!("POST {CLAIMS}"));
    assert_eq!(claim["metadata"], its("config"));
    assert_eq!(
        (
            &claim["spec"]["storageClassName"],
            &claim["spec"]["resources"]["requests"]["storage"]
        ),
        (&json!("fast"), &json!("1024"))
    );
    let pod = sent(format!("POST {PODS}"));
    assert_eq!(pod["metadata"], its("reader"));
    // An hour longer than the restore may take.
    assert_eq!(pod["spec"]["activeDeadlineSeconds"], 900 + 3600);
    assert_eq!(
        pod["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "config"
    );

    let mut with_uids = labels();
    with_uids["velero.io/pod-uid"] = json!("uid-pod");
    with_uids["velero.io/pvc-uid"] = json!("uid-claim");
    let backup = json!({
        "apiVersion": "velero.io/v1", "kind": "Backup", "name": "b1", "uid": "uid-b1", "controller": true,
    });
    let restore = sent(format!("POST {VOLUME_RESTORES}"));
    assert_eq!(
        restore["metadata"],
        json!({
            "name": OURS, "namespace": "velero", "labels": with_uids, "ownerReferences": [backup],
            "annotations": {"config-recovery/target": "media/radarr"},
        })
    );
    let wanted = &restore["spec"];
    assert_eq!(wanted["pod"]["uid"], "uid-pod");
    assert_eq!(
        (
            &wanted["snapshotID"],
            &wanted["uploaderType"],
            &wanted["sourceNamespace"]
        ),
        (&json!("s1"), &json!("kopia"), &json!("media"))
    );
    server.done();
}

#[tokio::test]
async fn a_restore_may_take_as_long_as_its_bytes_on_the_slowest_storage() {
    for (bytes, seconds) in [(5, 900), ((3 << 20) + 5, 903), (600 << 20, 1500)] {
        let mut spec = spec();
        let BackupContents::Files(files) = &mut spec.backup.holds else {
            panic!("the sample holds files");
        };
        files.bytes = bytes;
        let server = makeable();
        let scratch = scratch::make(&server.cluster(), &spec, &Silent).await.unwrap();
        assert_eq!(scratch.patience, Duration::from_secs(seconds));
    }
}

fn restic() -> ScratchSpec {
    let mut spec = spec();
    if let BackupContents::Files(files) = &mut spec.backup.holds {
        files.uploader = "restic".to_owned();
    }
    spec
}

fn repository(namespace: &str, location: &str, kind: &str, place: &str) -> Value {
    json!({"metadata": {"name": place}, "spec": {
        "volumeNamespace": namespace, "backupStorageLocation": location, "repositoryType": kind,
        "resticIdentifier": place,
    }})
}

const REPOSITORIES: &str = "GET /apis/velero.io/v1/namespaces/velero/backuprepositories";

#[tokio::test]
async fn restic_is_told_its_repository() {
    let all = vec![
        repository("films", "default", "restic", "s3:films"),
        repository("media", "other", "restic", "s3:other"),
        repository("media", "default", "kopia", "s3:kopia"),
        repository("media", "default", "restic", "s3:media"),
    ];
    let server = makeable().lists(REPOSITORIES, all);
    scratch::make(&server.cluster(), &restic(), &Silent)
        .await
        .unwrap();
    let sent = &server.bodies(&format!("POST {VOLUME_RESTORES}"))[0];
    assert_eq!(sent["spec"]["repoIdentifier"], "s3:media");
    server.done();
}

#[tokio::test]
async fn without_a_repository_of_restics_nothing_is_ordered() {
    let server = makeable().lists(
        REPOSITORIES,
        vec![repository("media", "default", "kopia", "s3:kopia")],
    );
    let error = scratch::make(&server.cluster(), &restic(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot wait for the repository of namespace media: Velero has no restic repository of it"
    );
    assert!(server.bodies(&format!("POST {VOLUME_RESTORES}")).is_empty());
}

#[tokio::test]
async fn without_veleros_resources_that_is_said() {
    let order = format!("POST {VOLUME_RESTORES}");
    let server = with_nothing_left(sound())
        .answers(&format!("POST {NAMESPACES}"), mine("r1"))
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "uid-account"))
        .answers(&format!("POST {CLAIMS}"), metadata("config", "uid-claim"))
        .answers(&format!("POST {PODS}"), metadata("reader", "uid-pod"))
        .knows_no(&order);
    let error = scratch::make(&server.cluster(), &spec(), &Silent)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "cannot find Velero: the cluster has no podvolumerestores.velero.io"
    );
    server.done();
}

#[tokio::test(start_paused = true)]
async fn the_files_are_awaited_and_the_node_agent_nudged_whenever_it_gets_free() {
    let nudge = format!("PATCH {VOLUME_RESTORES}/{OURS}");
    let other = |name: &str, phase: &str| changed(VOLUME_RESTORE, restore(name, Some(phase)));
    let server = Server::new()
        .follows(
            VOLUME_RESTORES,
            OUR_RESTORE,
            vec![restore(OURS, None)],
            vec![
                (5, changed(VOLUME_RESTORE, copied("New", 0, 0))),
                (5, changed(VOLUME_RESTORE, copied("InProgress", 2, 0))),
                (5, changed(VOLUME_RESTORE, copied("InProgress", 3, 7))),
                (5, changed(VOLUME_RESTORE, completed())),
            ],
        )
        .follows(
            PODS,
            READER,
            vec![pending()],
            vec![(2, changed(POD, mounted("bed")))],
        )
        .follows(
            CLAIMS,
            OUR_CLAIM,
            vec![claim("config", "Pending", None)],
            vec![(1, changed(CLAIM, claim("config", "Bound", Some("pv"))))],
        )
        .follows(
            AGENTS,
            ON_BED,
            vec![agent("Pending")],
            vec![(1, changed(POD, agent("Running")))],
        )
        // An end of the pod is looked out for as long as it takes.
        .follows(PODS, READER, vec![mounted("bed")], Vec::new())
        .follows(
            VOLUME_RESTORES,
            "",
            vec![
                restore(OURS, None),
                restore("a", Some("InProgress")),
                restore("b", Some("InProgress")),
            ],
            vec![
                (1, other("a", "InProgress")),
                // One of two is done, a third begins, and that is done too.
                (1, other("a", "Completed")),
                (1, other("c", "InProgress")),
                (1, other("c", "Completed")),
                // It has begun with ours: what ends now does not matter.
                (1, other(OURS, "InProgress")),
                (1, other("b", "Completed")),
            ],
        )
        // It looks by itself too, a little later.
        .refuses(&nudge, 409, "Conflict", "it was changed")
        .answers(&nudge, restore(OURS, None));
    let (scratch, heard) = (made().await, Heard::default());
    let began = Instant::now();
    let worked = scratch.bring_back(&server.cluster(), &heard).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 20);
    let time = |text: &str| Some(text.parse().unwrap());
    assert_eq!(worked.ordered, time("2026-01-01T00:00:00Z"));
    assert_eq!(worked.started, time("2026-01-01T00:00:02Z"));
    assert_eq!(worked.completed, time("2026-01-01T00:00:09Z"));
    assert_eq!(worked.bytes, Some(7));
    assert_eq!(worked.took(), Some(Duration::from_secs(9)));

    let times = |count: &str| json!({"metadata": {"annotations": {"config-recovery/nudges": count}}});
    assert_eq!(server.bodies(&nudge), [times("1"), times("2")]);
    // What else is waited for is not told: one thing at a time is enough.
    let restore = format!("PodVolumeRestore velero/{OURS}");
    let pod = format!("pod {PLACE}/reader");
    assert_eq!(
        heard.lines(),
        [
            format!("{restore}: Velero's node agent has not begun with it"),
            format!("{pod}: no node has it yet"),
            "2 of Some(5)".to_owned(),
            format!("{restore}: 2 of 0 bytes"),
            "3 of Some(7)".to_owned(),
            format!("{restore}: 3 of 7 bytes"),
            "7 of Some(7)".to_owned(),
        ]
    );
    server.done();
}

/// What a person hears of a restore whose pod runs at once, that begins after 30 s and is done after so many more.
async fn heard_of_a_queue(arguments: &[&str], copied_in: u64) -> Vec<String> {
    let mut agent = agent("Running");
    agent["spec"] = json!({"containers": [{"name": "node-agent", "args": arguments}]});
    let others = vec![
        restore(OURS, None),
        restore("a", Some("InProgress")),
        restore("b", Some("New")),
        restore("c", Some("Completed")),
    ];
    let begins = (30, changed(VOLUME_RESTORE, restore(OURS, Some("InProgress"))));
    let done = (copied_in, changed(VOLUME_RESTORE, completed()));
    let ours = vec![restore(OURS, None)];
    let server = runs(Server::new().follows(VOLUME_RESTORES, OUR_RESTORE, ours, vec![begins.clone(), done]))
        .follows(VOLUME_RESTORES, "", others, vec![begins])
        .lists(&list(AGENTS, ON_BED), vec![agent])
        .follows(PODS, READER, vec![mounted("bed")], Vec::new());
    let server = bound(server);
    let (scratch, heard) = (made().await, Heard::default());
    scratch.bring_back(&server.cluster(), &heard).await.unwrap();
    heard.lines()
}

#[tokio::test(start_paused = true)]
async fn a_queue_that_was_longer_than_the_copying_is_told_with_the_command_that_shortens_it() {
    let heard = heard_of_a_queue(&["node-agent", "server"], 29).await;
    let hint = heard.last().unwrap();
    for part in [
        "it waited 30 s for its turn and was copied in 29 s",
        "For 3,",
        "kubectl -n velero create configmap node-agent-config ",
        "kubectl -n velero patch daemonset node-agent ",
    ] {
        assert!(hint.contains(part), "{part} in {hint}");
    }
    let heard = heard_of_a_queue(&["server", "--node-agent-configmap=mine"], 29).await;
    let hint = heard.last().unwrap();
    assert!(hint.contains("kubectl -n velero edit configmap mine "), "{hint}");
    let heard = heard_of_a_queue(&["node-agent", "server"], 30).await;
    assert!(heard.iter().all(|line| !line.contains("turn")), "{heard:?}");
}

/// A cluster in which the restore is not begun with, and no other is there.
fn not_begun() -> Server {
    Server::new()
        .follows(
            VOLUME_RESTORES,
            OUR_RESTORE,
            vec![restore(OURS, None)],
            Vec::new(),
        )
        .follows(VOLUME_RESTORES, "", vec![restore(OURS, None)], Vec::new())
}

/// After how many seconds bringing back ended, and why.
async fn in_vain(server: Server) -> (u64, String) {
    let began = Instant::now();
    let why = failed(&server).await;
    server.done();
    (began.elapsed().as_secs(), why)
}

/// Why nothing was restored.
async fn failed(server: &Server) -> String {
    let mut scratch = made().await;
    // Long enough for every doubt.
    scratch.patience = Duration::from_secs(70);
    let error = scratch.bring_back(&server.cluster(), &Silent).await;
    error.unwrap_err().to_string()
}

pub fn bound(server: Server) -> Server {
    let is = vec![claim("config", "Bound", Some("pv"))];
    server.lists(&list(CLAIMS, OUR_CLAIM), is)
}

pub fn runs(server: Server) -> Server {
    server.lists(&list(PODS, READER), vec![mounted("bed")])
}

#[tokio::test(start_paused = true)]
async fn a_node_without_a_node_agent_is_told_soon() {
    let server = runs(not_begun()).follows(AGENTS, ON_BED, Vec::new(), Vec::new());
    assert_eq!(
        in_vain(server).await,
        (
            20,
            "cannot wait for Velero's node agent on node bed: none runs in namespace velero".to_owned()
        )
    );
}

/// A user can run a newer image than velero-operator has definitions for: nothing would ever begin, or say why.
#[tokio::test(start_paused = true)]
async fn definitions_that_are_older_than_the_image_are_told_at_once() {
    let mut newer = agent("Running");
    newer["spec"] = json!({"containers": [
        // A mesh puts its own beside it.
        {"name": "proxy", "image": "proxy:1.20.3"},
        {"name": "node-agent", "image": "velero/velero:v1.17.2"},
    ]});
    let phases = json!({"properties": {"phase": {"enum": ["New", "InProgress", "Completed", "Failed"]}}});
    let schema = json!({"openAPIV3Schema": {"properties": {"status": phases}}});
    let name = "podvolumerestores.velero.io";
    let definition = json!({"metadata": {"name": name}, "spec": {"versions": [{"schema": schema}]}});
    let server = runs(not_begun())
        .lists(&list(AGENTS, ON_BED), vec![newer])
        .answers(
            &format!("GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}"),
            definition,
        );
    let why = format!(
        "cannot wait for PodVolumeRestore velero/{OURS}: the cluster's definition {name} is older than Velero 1.17 \
         (velero/velero:v1.17.2)"
    );
    assert_eq!(in_vain(server).await, (0, why));
}

#[tokio::test(start_paused = true)]
async fn a_pod_that_ends_while_the_files_come_is_told_at_once() {
    let server = runs(not_begun())
        .lists(&list(AGENTS, ON_BED), vec![agent("Running")])
        .follows(
            PODS,
            READER,
            vec![mounted("bed")],
            vec![(4, event("DELETED", POD, mounted("bed")))],
        );
    let why = format!("cannot wait for pod {PLACE}/reader: somebody has deleted it");
    assert_eq!(in_vain(server).await, (4, why));
}

#[tokio::test(start_paused = true)]
async fn a_restore_that_failed_is_told_in_veleros_words() {
    let mut failed = copied("Failed", 0, 0);
    failed["status"]["message"] = json!("no such snapshot");
    let server = Server::new().lists(&list(VOLUME_RESTORES, OUR_RESTORE), vec![failed]);
    let why = format!("cannot wait for PodVolumeRestore velero/{OURS}: no such snapshot");
    assert_eq!(in_vain(server).await, (0, why));
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_lost_is_told_with_the_last_warning_of_it() {
    let events = format!(
        "GET {NAMESPACES}/{PLACE}/events?fieldSelector=involvedObject.kind=PersistentVolumeClaim,involvedObject.name=config"
    );
    let said = |kind: &str, at: &str, message: &str| {
        json!({
            "metadata": {"name": at}, "involvedObject": {}, "type": kind, "lastTimestamp": at, "message": message,
        })
    };
    let lost = || {
        not_begun()
            .follows(PODS, READER, vec![pending()], Vec::new())
            .follows(
                CLAIMS,
                OUR_CLAIM,
                vec![claim("config", "Pending", None)],
                vec![(3, changed(CLAIM, claim("config", "Lost", None)))],
            )
    };
    let why = format!("cannot wait for claim {PLACE}/config: its volume is gone");
    let server = lost().lists(
        &events,
        vec![
            said("Warning", "2026-01-01T00:00:02Z", "the disk is broken"),
            said("Warning", "2026-01-01T00:00:01Z", "the disk is slow"),
            said("Normal", "2026-01-01T00:00:03Z", "provisioning"),
        ],
    );
    assert_eq!(in_vain(server).await, (3, format!("{why}: the disk is broken")));
    // Without a word it is told all the same.
    for silent in [
        lost().lists(&events, Vec::new()),
        lost().refuses(&events, 403, "Forbidden", "no"),
    ] {
        assert_eq!(in_vain(silent).await, (3, why.clone()));
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_ends_when_its_time_is_over() {
    let server = bound(not_begun()).follows(PODS, READER, vec![pending()], Vec::new());
    assert_eq!(
        in_vain(server).await,
        (
            70,
            format!(
                "waited 70 s for PodVolumeRestore velero/{OURS}; last seen: Velero's node agent has not begun with it"
            )
        )
    );
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_looked_at_is_named() {
    let refused = |server: Server, request: String| server.refuses(&request, 403, "Forbidden", "no");
    let server = Server::new().follows(
        VOLUME_RESTORES,
        OUR_RESTORE,
        vec![restore(OURS, None)],
        Vec::new(),
    );
    let server = server.follows(PODS, READER, vec![pending()], Vec::new());
    let server = bound(refused(server, list(VOLUME_RESTORES, "")));
    assert_eq!(
        failed(&server).await,
        "cannot look at the other restores in namespace velero: not allowed: no"
    );
    let server = refused(runs(not_begun()), list(AGENTS, ON_BED));
    assert_eq!(
        failed(&server).await,
        "cannot look at Velero's node agent on node bed: not allowed: no"
    );
    let server =
        refused(runs(not_begun()), watch(AGENTS, ON_BED, "7")).lists(&list(AGENTS, ON_BED), Vec::new());
    assert_eq!(
        failed(&server).await,
        "cannot watch Velero's node agent on node bed: not allowed: no"
    );
}
