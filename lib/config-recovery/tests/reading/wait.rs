//! Waiting by watch, when the API server or what is on the way to it does not play along.

use std::time::Duration;

use config_recovery::api::{AnyObject, Api, Resource};
use config_recovery::report::Silent;
use config_recovery::wait::{Poll, Wait, Which, for_object, for_objects};
use config_recovery::{ClusterError, Error, Result};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::server::{Server, event, list, watch};

const PATH: &str = "/api/v1/namespaces/media/configmaps";
const NAMED: &str = "fieldSelector=metadata.name=x&";
const KIND: (&str, &str) = ("v1", "ConfigMap");
const CONFIG_MAPS: Resource = Resource {
    api_version: "v1",
    kind: "ConfigMap",
    plural: "configmaps",
};

fn object(state: &str) -> Value {
    json!({"metadata": {"name": "x", "namespace": "media", "resourceVersion": "8", "annotations": {"state": state}}})
}

fn done() -> Value {
    event("MODIFIED", KIND, object("done"))
}

fn waits() -> Wait<'static> {
    Wait {
        what: "x",
        deadline: Instant::now() + Duration::from_secs(600),
        reporter: &Silent,
    }
}

/// Waits for the object to be done; how that ended, and after how many seconds.
async fn run(server: Server) -> (u64, Result<()>) {
    let (cluster, began) = (server.cluster(), Instant::now());
    let api: Api<AnyObject> = Api::of(cluster.client(), CONFIG_MAPS, Some("media"));
    let ended = for_object(&cluster, &api, "x", waits(), |object| {
        let annotations = object.map(|is| &is.metadata.annotations);
        match annotations.and_then(|all| all.get("state")).map(String::as_str) {
            Some("done") => Poll::Done(()),
            _ => Poll::Wait("not yet".to_owned()),
        }
    })
    .await;
    server.done();
    (began.elapsed().as_secs(), ended)
}

fn listed(state: &str) -> Server {
    Server::new().lists(&list(PATH, NAMED), vec![object(state)])
}

/// So many tries that nobody answers.
fn away(server: Server, tries: u32) -> Server {
    (0..tries).fold(server, |server, _| server.breaks(&list(PATH, NAMED)))
}

/// A watch whose connection breaks after so many seconds, and the list that follows.
fn lost_after(server: Server, seconds: u64) -> Server {
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
    server.tells_in_time(&watch(PATH, NAMED, "7"), vec![(seconds, expired)], None)
}

#[tokio::test(start_paused = true)]
async fn an_api_server_that_is_away_for_half_a_minute_is_waited_for() {
    // What counts is for how long it has not answered, not when the watch had begun whose connection broke.
    for lived in [0, 50] {
        let server =
            away(lost_after(listed("new"), lived), 30).lists(&list(PATH, NAMED), vec![object("done")]);
        let (seconds, ended) = run(server).await;
        ended.unwrap();
        assert_eq!(seconds, lived + 30);
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_away_for_longer_is_given_up() {
    // At once, and at each second until half a minute is over.
    let (seconds, ended) = run(away(Server::new(), 31)).await;
    assert!(
        matches!(ended, Err(Error::Cluster(ClusterError::Unreachable { .. }))),
        "{ended:?}"
    );
    assert_eq!(seconds, 30);
}

#[tokio::test(start_paused = true)]
async fn one_that_does_not_answer_at_the_beginning_may_just_start() {
    let (seconds, ended) = run(away(Server::new(), 3).lists(&list(PATH, NAMED), vec![object("done")])).await;
    ended.unwrap();
    assert_eq!(seconds, 3);
}

#[tokio::test(start_paused = true)]
async fn a_version_that_is_too_old_is_listed_anew_and_another_refusal_is_an_end() {
    let refused =
        |code: u16, reason: &str| listed("new").refuses(&watch(PATH, NAMED, "7"), code, reason, "no");
    let (seconds, ended) = run(refused(410, "Expired").lists(&list(PATH, NAMED), vec![object("done")])).await;
    ended.unwrap();
    assert_eq!(seconds, 0);
    let (_, ended) = run(refused(403, "Forbidden")).await;
    assert_eq!(ended.unwrap_err().to_string(), "cannot watch x: not allowed: no");
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_cannot_begin_is_tried_again_from_a_list_a_little_later() {
    let server = listed("new").breaks(&watch(PATH, NAMED, "7"));
    let (seconds, ended) = run(server.lists(&list(PATH, NAMED), vec![object("done")])).await;
    ended.unwrap();
    assert_eq!(seconds, 1);
}

#[tokio::test(start_paused = true)]
async fn a_watch_that_ends_goes_on_where_it_ended() {
    let changed = vec![(0, event("MODIFIED", KIND, object("newer")))];
    for (lived, seconds) in [
        // What does not let it live is not asked without a pause.
        (0, 1),
        (1, 1),
        (60, 60),
    ] {
        let server = listed("new")
            .tells_in_time(&watch(PATH, NAMED, "7"), changed.clone(), Some(lived))
            .tells(&watch(PATH, NAMED, "8"), vec![done()]);
        let (took, ended) = run(server).await;
        ended.unwrap();
        assert_eq!(took, seconds, "{lived}");
    }
}

#[tokio::test(start_paused = true)]
async fn objects_are_told_apart_by_namespace_and_name_and_selected_alike_each_time() {
    let (path, selected) = ("/api/v1/configmaps", "labelSelector=app=x&");
    let of = |namespace: &str, name: &str| json!({"metadata": {"name": name, "namespace": namespace}});
    let server = Server::new().follows(
        path,
        selected,
        vec![of("a", "x"), of("b", "x"), of("b", "y")],
        vec![(1, event("DELETED", KIND, of("a", "x")))],
    );
    let cluster = server.cluster();
    let api: Api<AnyObject> = Api::of(cluster.client(), CONFIG_MAPS, None);
    let mut seen = Vec::new();
    let which = Which::labelled("app=x");
    let keys = for_objects(&cluster, &api, &which, waits(), |all| {
        seen.push(all.len());
        match all.len() {
            2 => Poll::Done(all.keys().cloned().collect::<Vec<_>>()),
            _ => Poll::Wait(String::new()),
        }
    });
    let key = |namespace: &str, name: &str| (namespace.to_owned(), name.to_owned());
    assert_eq!(keys.await.unwrap(), [key("b", "x"), key("b", "y")]);
    assert_eq!(seen, [3, 2]);
    server.done();
}
