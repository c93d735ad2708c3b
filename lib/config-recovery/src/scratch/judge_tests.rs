use serde_json::{Value, json};

use super::*;

fn judged(status: Value) -> Poll<String> {
    let value = json!({"metadata": {"name": "reader"}, "spec": {"containers": [], "nodeName": "n1"}, "status": status});
    pod("pod x/reader", Some(&serde_json::from_value(value).unwrap()))
}

fn waiting(reason: &str) -> Value {
    json!({"phase": "Pending", "initContainerStatuses": [
        {"name": "restore-wait", "image": "i", "imageID": "", "ready": false, "restartCount": 0,
         "state": {"waiting": {"reason": reason, "message": "because"}}},
    ]})
}

fn unschedulable(message: &str) -> Value {
    json!({"phase": "Pending", "conditions": [
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message},
    ]})
}

/// One word, and the text.
fn word<T: std::fmt::Debug>(seen: &Poll<T>) -> (&'static str, String) {
    match seen {
        Poll::Wait(text) => ("wait", text.clone()),
        Poll::Doubt(doubt) => (
            "doubt",
            format!("{} / {}", doubt.text, doubt.then.hint().unwrap()),
        ),
        Poll::Done(value) => ("done", format!("{value:?}")),
        Poll::Hopeless(error) => ("hopeless", format!("{error} / {}", error.hint().unwrap())),
    }
}

#[test]
fn a_pod_is_ready_when_its_init_container_runs() {
    let mut status = waiting("");
    status["initContainerStatuses"][0]["state"] = json!({"running": {"startedAt": "2026-01-01T00:00:00Z"}});
    assert_eq!(word(&judged(status)), ("done", "\"n1\"".to_owned()));
    for reason in ["PodInitializing", "ContainerCreating", ""] {
        assert_eq!(word(&judged(waiting(reason))).0, "wait", "{reason}");
    }
    assert_eq!(word(&judged(json!({"phase": "Pending"}))).0, "wait");
}

#[test]
fn a_pod_that_was_evicted_is_told_with_its_node_and_why() {
    let evicted = |status: &str| {
        json!({"phase": "Pending", "conditions": [
            {"type": "DisruptionTarget", "status": status, "reason": "DeletionByTaintManager",
             "message": "Taint manager: deleting due to NoExecute taint"},
        ]})
    };
    let (is, text) = word(&judged(evicted("True")));
    assert_eq!(is, "hopeless");
    assert!(
        text.contains("evicted from node n1: Taint manager") && text.contains("kubectl get nodes"),
        "{text}"
    );
    assert_eq!(word(&judged(evicted("False"))).0, "wait");
}

#[test]
fn a_pod_that_no_node_takes_is_doubted_but_not_while_its_volume_is_made() {
    let (is, text) = word(&judged(unschedulable(
        "0/1 nodes are available: 1 node(s) were unschedulable.",
    )));
    assert_eq!(is, "doubt");
    assert!(
        text.contains("no node takes it: 0/1 nodes") && text.contains("uncordon"),
        "{text}"
    );
    let message =
        "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1";
    assert_eq!(word(&judged(unschedulable(message))).0, "wait");
    // What is not said of its place, or not against it, or is a gate of somebody's.
    for (key, value) in [
        ("type", "Initialized"),
        ("status", "True"),
        ("reason", "SchedulingGated"),
    ] {
        let mut other = unschedulable("0/1 nodes are available");
        other["conditions"][0][key] = json!(value);
        assert_eq!(word(&judged(other)).0, "wait", "{key}");
    }
}

#[test]
fn an_image_that_cannot_be_pulled_is_doubted_under_one_name() {
    let about = |reason: &str| match judged(waiting(reason)) {
        Poll::Doubt(doubt) => doubt.about,
        other => panic!("{other:?}"),
    };
    // Kubernetes turns from one to the other: the time of grace must not begin again each time.
    assert_eq!(about("ErrImagePull"), about("ImagePullBackOff"));
    assert_eq!(word(&judged(waiting("InvalidImageName"))).0, "hopeless");
    assert_eq!(word(&judged(waiting("CreateContainerError"))).0, "doubt");
}

#[test]
fn a_pod_that_ended_or_goes_is_hopeless() {
    let failed = json!({"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"});
    let (is, text) = word(&judged(failed));
    assert_eq!(is, "hopeless");
    assert!(text.contains("Evicted: The node was low on memory"), "{text}");
    let mut ended = waiting("");
    ended["initContainerStatuses"][0]["state"] = json!({"terminated": {"exitCode": 127, "reason": "Error"}});
    assert!(word(&judged(ended)).1.contains("exit code 127"));
    assert_eq!(word(&pod("p", None)).0, "hopeless");
    let going = json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}});
    assert_eq!(
        word(&pod("p", Some(&serde_json::from_value(going).unwrap()))).0,
        "hopeless"
    );
}

#[test]
fn a_claim_is_bound_late_or_lost() {
    let judged = |value: Value| {
        word(&claim(
            "claim x/config",
            Some(&serde_json::from_value(value).unwrap()),
        ))
    };
    let bound = json!({"spec": {"volumeName": "pv-1"}, "status": {"phase": "Bound"}});
    assert_eq!(judged(bound), ("done", "\"pv-1\"".to_owned()));
    assert_eq!(judged(json!({"status": {"phase": "Pending"}})).0, "doubt");
    assert_eq!(judged(json!({"status": {"phase": "Lost"}})).0, "hopeless");
    assert_eq!(word(&claim("c", None)).0, "hopeless");
}

#[test]
fn a_restore_tells_its_bytes_and_why_it_failed() {
    let judged = |status: Value| {
        let restore: PodVolumeRestore = serde_json::from_value(json!({"status": status})).unwrap();
        word(&volume_restore("PodVolumeRestore v/r", Some(&restore)))
    };
    assert_eq!(judged(Value::Null).0, "wait");
    let bytes = json!({"phase": "InProgress", "progress": {"bytesDone": 5, "totalBytes": 9}});
    assert_eq!(judged(bytes), ("wait", "5 of 9 bytes".to_owned()));
    assert_eq!(judged(json!({"phase": "Completed"})).0, "done");
    let (is, text) =
        judged(json!({"phase": "Failed", "message": "data path restore failed: no such snapshot"}));
    assert!(is == "hopeless" && text.contains("no such snapshot"), "{text}");
    assert_eq!(word(&volume_restore("r", None)).0, "hopeless");
}

/// Velero 1.17 and later give each restore a pod of its own, and can give it up.
#[test]
fn a_restore_that_waits_in_a_queue_says_so_and_one_that_was_given_up_says_why() {
    let judged = |phase: &str, message: Option<&str>| {
        let status = json!({"phase": phase, "message": message});
        let restore: PodVolumeRestore = serde_json::from_value(json!({"status": status})).unwrap();
        word(&volume_restore("PodVolumeRestore v/r", Some(&restore)))
    };
    for (phase, words) in [
        ("Accepted", "makes a pod"),
        ("Prepared", "loadConcurrency"),
        ("Canceling", "gives it up"),
    ] {
        let (is, text) = judged(phase, None);
        assert!(is == "wait" && text.contains(words), "{phase}: {is} {text}");
    }
    let (is, text) = judged("Canceled", Some("timeout on preparing"));
    assert!(
        is == "hopeless" && text.contains("timeout on preparing"),
        "{text}"
    );
    assert!(judged("Canceled", None).1.contains("Canceled"));
    let (is, text) = judged("Hibernating\u{1b}[2J", None);
    assert!(
        is == "doubt" && text.contains("Hibernating") && !text.contains('\u{1b}'),
        "{is} {text}"
    );
}

#[test]
fn a_restore_of_the_server_is_well_only_when_it_is_completed() {
    let judged = |status: Value| {
        let value = json!({"metadata": {"name": "r"}, "status": status});
        word(&restore(
            "Restore v/r",
            Some(&serde_json::from_value(value).unwrap()),
        ))
    };
    assert_eq!(judged(Value::Null).0, "wait");
    assert_eq!(
        judged(json!({"phase": "WaitingForPluginOperationsPartiallyFailed"})).0,
        "wait"
    );
    assert_eq!(judged(json!({"phase": "Completed", "warnings": 2})).0, "done");
    let (is, text) = judged(json!({"phase": "PartiallyFailed", "errors": 3}));
    assert!(
        is == "hopeless" && text.contains("PartiallyFailed with 3 errors"),
        "{text}"
    );
    let (_, text) = judged(json!({"phase": "FailedValidation", "validationErrors": ["no such backup"]}));
    assert!(text.contains("no such backup"), "{text}");
    let (_, text) = judged(json!({"phase": "Failed", "failureReason": "found no storage"}));
    assert!(text.contains("found no storage"), "{text}");
    assert_eq!(word(&restore("r", None)).0, "hopeless");
}
