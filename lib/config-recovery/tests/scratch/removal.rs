//! The end of the place: what goes, in which order, how far it is waited for, and what is left alone.

use config_recovery::backups::BackupContents;
use config_recovery::report::Silent;
use config_recovery::scratch::{self, ScratchSpec, Until};
use config_recovery::{ClusterError, Error};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::cluster::{
    ACCOUNTS, CLAIM, CLAIMS, Heard, NAMESPACE, NAMESPACES, PLACE, POD, PODS, RESTORE, RESTORES, SELECTOR,
    VOLUME_RESTORES, claim, metadata, mine, mounted, pending, sound, with_nothing_left,
};
use crate::sample::spec;
use crate::server::{Server, event, list};

const CONTENTS: &str = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents";
const MADE_BY_RESTORES: &str = "labelSelector=velero.io/restore-name";
const VOLUMES: &str = "/api/v1/persistentvolumes";
const ALL_VOLUME_RESTORES: &str = "/apis/velero.io/v1/podvolumerestores";
const ALL_RESTORES: &str = "/apis/velero.io/v1/restores";
pub const THE_PLACE: &str = "fieldSelector=metadata.name=restore-radarr-4a6c93f2bb&";

fn ours() -> String {
    format!("labelSelector={SELECTOR}&")
}

fn deleted(server: Server, path: &str) -> Server {
    server.answers(
        &format!("DELETE {path}"),
        json!({"kind": "Status", "status": "Success"}),
    )
}

fn in_velero(name: &str) -> Value {
    json!({"metadata": {"name": name, "namespace": "velero"}})
}

/// What was told to Velero is found and removed.
fn restores_go(server: Server) -> Server {
    let server = server
        .lists(&list(ALL_VOLUME_RESTORES, &ours()), vec![in_velero("p")])
        .lists(&list(ALL_RESTORES, &ours()), vec![in_velero("r")]);
    deleted(
        deleted(server, &format!("{VOLUME_RESTORES}/p")),
        &format!("{RESTORES}/r"),
    )
}

fn volume(name: &str, policy: &str) -> Value {
    json!({
        "metadata": {"name": name, "annotations": {"pv.kubernetes.io/provisioned-by": "x"}},
        "spec": {"persistentVolumeReclaimPolicy": policy, "claimRef": {"uid": format!("uid-{name}")}},
    })
}

fn claim_with(volume: &str) -> Value {
    let mut claim = claim(volume, "Bound", Some(volume));
    claim["metadata"]["uid"] = json!(format!("uid-{volume}"));
    claim
}

/// Everything is told to go: what Velero works on, the volumes that would stay, pod and claim, the namespace.
pub fn begun(server: Server) -> Server {
    let claims = vec![
        claim("unbound", "Pending", None),
        claim_with("stays"),
        claim_with("goes"),
        claim_with("gone"),
    ];
    let server = restores_go(server)
        .lists(&format!("GET {CLAIMS}"), claims)
        .answers(&format!("GET {VOLUMES}/stays"), volume("stays", "Retain"))
        .answers(&format!("GET {VOLUMES}/goes"), volume("goes", "Delete"))
        .refuses(&format!("GET {VOLUMES}/gone"), 404, "NotFound", "no")
        .answers(&format!("PATCH {VOLUMES}/stays"), volume("stays", "Delete"));
    deleted(
        deleted(deleted(server, PODS), CLAIMS),
        &format!("{NAMESPACES}/{PLACE}"),
    )
}

fn content(name: &str, namespace: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {
        "volumeSnapshotRef": {"namespace": namespace}, "deletionPolicy": "Retain",
    }})
}

/// Outside of the namespace nothing is left but a snapshot's content, and a Restore that Velero takes five seconds for.
pub fn outside_goes(server: Server) -> Server {
    let server = server
        .lists(&list(ALL_VOLUME_RESTORES, &ours()), Vec::new())
        .lists(&list(ALL_RESTORES, &ours()), Vec::new())
        .lists(
            &list(CONTENTS, MADE_BY_RESTORES),
            vec![content("ours", PLACE), content("other", "media")],
        );
    deleted(server, &format!("{CONTENTS}/ours")).follows(
        ALL_RESTORES,
        &ours(),
        vec![in_velero("r")],
        vec![(5, event("DELETED", RESTORE, in_velero("r")))],
    )
}

/// What keeps a namespace, as its conditions tell it.
fn kept(status: &str, message: &str) -> Value {
    let mut namespace = mine("r0");
    namespace["status"] = json!({"conditions": [
        {"type": "NamespaceContentRemaining", "status": status, "message": message},
        {"type": "NamespaceFinalizersRemaining", "status": status, "message": message},
    ]});
    namespace
}

fn policy_changed(server: &Server) {
    assert_eq!(
        server.bodies(&format!("PATCH {VOLUMES}/stays")),
        [json!({"spec": {"persistentVolumeReclaimPolicy": "Delete"}})]
    );
}

#[tokio::test(start_paused = true)]
async fn what_an_earlier_run_left_is_gone_before_the_place_is_made_anew() {
    let (post, get) = (format!("POST {NAMESPACES}"), format!("GET {NAMESPACES}/{PLACE}"));
    let stays = |status: &str, message: &str| event("MODIFIED", NAMESPACE, kept(status, message));
    let server = begun(
        sound()
            .refuses(&post, 409, "AlreadyExists", "it exists")
            .answers(&get, mine("r0")),
    );
    let server = outside_goes(server.follows(
        NAMESPACES,
        THE_PLACE,
        vec![mine("r0")],
        vec![
            (3, stays("False", "all is gone")),
            (3, stays("True", "one pod is left")),
            (3, event("DELETED", NAMESPACE, mine("r0"))),
        ],
    ))
    // It went between two requests, and then another try of it is still ending.
    .refuses(&post, 409, "AlreadyExists", "it exists")
    .refuses(&get, 404, "NotFound", "no")
    .refuses(&post, 409, "AlreadyExists", "it exists")
    .answers(&get, {
        let mut ending = mine("r1");
        ending["metadata"]["deletionTimestamp"] = json!("2026-01-03T00:00:00Z");
        ending
    })
    .lists(&list(NAMESPACES, THE_PLACE), Vec::new());
    let server = outside_goes(server).answers(&post, mine("r1"));
    let server = with_nothing_left(server)
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "1"))
        .answers(&format!("POST {CLAIMS}"), metadata("config", "2"))
        .answers(&format!("POST {PODS}"), metadata("reader", "3"))
        .answers(&format!("POST {VOLUME_RESTORES}"), metadata("restore", "4"));
    let (heard, began) = (Heard::default(), Instant::now());
    scratch::make(&server.cluster(), &spec(), &heard).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 9 + 5 + 5);
    let end = format!("the end of namespace {PLACE}");
    assert_eq!(
        heard.lines(),
        [
            format!("removing what an earlier run left in namespace {PLACE}"),
            format!("{end}: it is being deleted"),
            format!("{end}: one pod is left; one pod is left"),
            format!("the end of the Restore into namespace {PLACE}: Velero puts it away"),
            // What the try left that was ending goes before there is another of its name.
            format!("the end of the Restore into namespace {PLACE}: Velero puts it away"),
        ]
    );
    policy_changed(&server);
    server.done();
}

pub fn held(server: Server) -> Server {
    server.answers(&format!("GET {NAMESPACES}/{PLACE}"), mine("r1"))
}

#[tokio::test(start_paused = true)]
async fn until_it_is_empty_means_that_only_a_namespace_is_left_that_ends() {
    let server = begun(held(Server::new()))
        .follows(
            PODS,
            "",
            vec![pending()],
            vec![(2, event("DELETED", POD, pending()))],
        )
        .follows(
            CLAIMS,
            "",
            vec![claim_with("stays")],
            vec![(1, event("DELETED", CLAIM, claim_with("stays")))],
        );
    let server = outside_goes(server);
    let began = Instant::now();
    scratch::remove(&server.cluster(), &spec(), Until::Empty)
        .await
        .unwrap();
    assert_eq!(began.elapsed().as_secs(), 2 + 1 + 5);
    policy_changed(&server);
    server.done();
}

fn snapshot() -> ScratchSpec {
    let mut spec = spec();
    spec.backup.holds = BackupContents::Snapshot { count: 1 };
    spec
}

#[tokio::test(start_paused = true)]
async fn until_it_is_gone_and_after_a_snapshot_the_namespace_is_waited_for_too() {
    for (spec, until) in [
        (spec(), Until::Gone),
        (snapshot(), Until::Gone),
        (snapshot(), Until::Empty),
    ] {
        let server = outside_goes(begun(held(Server::new())).follows(
            NAMESPACES,
            THE_PLACE,
            vec![mine("r1")],
            vec![(3, event("DELETED", NAMESPACE, mine("r1")))],
        ));
        let began = Instant::now();
        scratch::remove(&server.cluster(), &spec, until).await.unwrap();
        assert_eq!(began.elapsed().as_secs(), 3 + 5);
        server.done();
    }
}

/// Kubernetes itself leaves such a pod, and its namespace, until the node is back.
#[tokio::test(start_paused = true)]
async fn a_pod_whose_node_does_not_answer_is_removed_without_it() {
    let mut reader = mounted("n1");
    reader["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    let node = |ready: &str| json!({"metadata": {"name": "n1"}, "status": {"conditions": [{"type": "Ready", "status": ready}]}});
    let look = |server: Server, ready: &str| {
        server
            .lists(&format!("GET {PODS}"), vec![pending(), reader.clone()])
            .answers("GET /api/v1/nodes/n1", node(ready))
    };
    // Not for long enough at first, and then nobody has heard of it.
    let server = look(look(begun(held(Server::new())), "True"), "Unknown");
    let server = outside_goes(
        deleted(server, &format!("{PODS}/reader"))
            .follows(NAMESPACES, THE_PLACE, vec![mine("r1")], Vec::new())
            .follows(NAMESPACES, THE_PLACE, vec![mine("r1")], Vec::new())
            .follows(
                NAMESPACES,
                THE_PLACE,
                vec![mine("r1")],
                vec![(7, event("DELETED", NAMESPACE, mine("r1")))],
            ),
    );
    let began = Instant::now();
    scratch::remove(&server.cluster(), &spec(), Until::Gone)
        .await
        .unwrap();
    // Two watches that said nothing, of 75 s each.
    assert_eq!(began.elapsed().as_secs(), 75 + 75 + 7 + 5);
    let at_once = server.bodies(&format!("DELETE {PODS}/reader"));
    assert_eq!(at_once[0]["gracePeriodSeconds"], 0);
    server.done();
}

#[tokio::test(start_paused = true)]
async fn what_does_not_end_in_time_is_named() {
    let namespaces =
        |server: Server| server.follows(NAMESPACES, THE_PLACE, vec![kept("True", "busy")], Vec::new());
    // A silent watch is begun anew from a list.
    let looked = |server: Server| server.lists(&format!("GET {PODS}"), vec![pending()]);
    let server = looked(looked(namespaces(namespaces(namespaces(begun(held(
        Server::new(),
    )))))));
    let error = scratch::remove(&server.cluster(), &spec(), Until::Gone)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("waited 180 s for the end of namespace {PLACE}; last seen: busy; busy")
    );
    server.done();

    let pods = |server: Server| server.follows(PODS, "", vec![pending()], Vec::new());
    let server = looked(looked(pods(pods(pods(begun(held(Server::new())))))));
    let error = scratch::remove(&server.cluster(), &spec(), Until::Empty)
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("waited 180 s for the end of what is in namespace {PLACE}; last seen: it is being deleted")
    );
    server.done();
}

#[tokio::test]
async fn a_place_is_let_go_of_without_a_wait() {
    let making = with_nothing_left(sound())
        .answers(&format!("POST {NAMESPACES}"), mine("r1"))
        .answers(&format!("POST {ACCOUNTS}"), metadata("reader", "1"))
        .answers(&format!("POST {CLAIMS}"), metadata("config", "2"))
        .answers(&format!("POST {PODS}"), metadata("reader", "3"))
        .answers(&format!("POST {VOLUME_RESTORES}"), metadata("restore", "4"));
    let scratch = scratch::make(&making.cluster(), &spec(), &Silent).await.unwrap();
    let server = begun(Server::new());
    scratch.let_go(&server.cluster()).await.unwrap();
    policy_changed(&server);
    server.done();
}

/// The namespace of another purpose, holder or app is no leftover of this one, nor is one that ends already.
#[tokio::test]
async fn what_a_killed_run_left_is_found_by_its_holder_and_removed_without_a_wait() {
    let there = list(
        NAMESPACES,
        "labelSelector=app.kubernetes.io/managed-by=configuratarr",
    );
    let found = async |namespace: Value, holder: &str| {
        let server = Server::new().lists(&there, vec![namespace]);
        let found = scratch::left(&server.cluster(), &spec().target, holder)
            .await
            .unwrap();
        server.done();
        found
    };
    let holder = spec().holder;
    assert_eq!(found(mine("r1"), &holder).await, [PLACE]);
    assert_eq!(found(mine("r1"), "radarr/7").await, Vec::<String>::new());
    let mut ends = mine("r1");
    ends["metadata"]["deletionTimestamp"] = json!("2026-11-24T12:00:00Z");
    assert_eq!(found(ends, &holder).await, Vec::<String>::new());
    let mut foreign = mine("r1");
    foreign["metadata"]["annotations"]["config-recovery/target"] = json!("media/sonarr");
    assert_eq!(found(foreign, &holder).await, Vec::<String>::new());
    // Of a name that no run of ours gives: somebody has copied our marks.
    let mut copied = mine("r1");
    copied["metadata"]["name"] = json!("kube-system");
    assert_eq!(found(copied, &holder).await, Vec::<String>::new());

    let server = begun(Server::new()).lists(&list(CONTENTS, MADE_BY_RESTORES), Vec::new());
    scratch::remove_left(&server.cluster(), PLACE).await.unwrap();
    policy_changed(&server);
    server.done();
}

#[tokio::test]
async fn without_velero_and_snapshots_there_is_nothing_outside() {
    let found = |server: Server| {
        server
            .knows_no(&list(ALL_VOLUME_RESTORES, &ours()))
            .knows_no(&list(ALL_RESTORES, &ours()))
    };
    let server = Server::new()
        .refuses(&format!("GET {NAMESPACES}/{PLACE}"), 404, "NotFound", "no")
        .knows_no(&list(CONTENTS, MADE_BY_RESTORES));
    let server = found(server).knows_no(&list(ALL_RESTORES, &ours()));
    scratch::remove(&server.cluster(), &spec(), Until::Gone)
        .await
        .unwrap();
    server.done();

    let server = Server::new().refuses(&format!("GET {NAMESPACES}/{PLACE}"), 403, "Forbidden", "no");
    let error = scratch::remove(&server.cluster(), &spec(), Until::Gone)
        .await
        .unwrap_err();
    assert!(
        matches!(error, Error::Cluster(ClusterError::NotAllowed { .. })),
        "{error}"
    );
}
