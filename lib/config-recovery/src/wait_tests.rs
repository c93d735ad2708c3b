use std::cell::RefCell;

use futures_util::stream;
use serde_json::json;

use super::*;
use crate::api::AnyObject;
use crate::journal::Step;

#[derive(Default)]
struct Ears(RefCell<Vec<String>>);

impl Reporter for Ears {
    fn begins(&self, _: Step) {}

    fn waits(&self, what: &str) {
        self.0.borrow_mut().push(what.to_owned());
    }
}

/// An object whose state is its annotation.
fn object(version: u32, state: &str) -> AnyObject {
    let metadata =
        json!({"name": "x", "resourceVersion": version.to_string(), "annotations": {"state": state}});
    serde_json::from_value(json!({"metadata": metadata})).unwrap()
}

fn state(all: &BTreeMap<Key, AnyObject>) -> Option<String> {
    let annotations = &all.values().next()?.metadata.annotations;
    annotations.get("state").cloned()
}

/// "done", "doubt NAME", anything else is waited for.
fn judge(all: &BTreeMap<Key, AnyObject>) -> Poll<u32> {
    match state(all).as_deref() {
        Some("done") => Poll::Done(1),
        Some("doubt image") => doubt("image"),
        Some("doubt node") => doubt("node"),
        other => Poll::Wait(format!("{other:?}")),
    }
}

fn doubt(about: &'static str) -> Poll<u32> {
    Poll::Doubt(Doubt {
        about,
        text: about.to_owned(),
        grace: Duration::from_secs(10),
        then: Error::Transfer(about.to_owned()),
    })
}

type Judge = fn(&BTreeMap<Key, AnyObject>) -> Poll<u32>;

fn looks(reporter: &Ears) -> Looks<'_, AnyObject, Judge> {
    Looks {
        judge,
        wait: Wait {
            what: "x",
            deadline: Instant::now() + Duration::from_secs(1000),
            reporter,
        },
        objects: BTreeMap::new(),
        said: String::new(),
        doubt: None,
    }
}

/// Time stands still until everything waits, then it goes on to the next thing that is due.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap()
        .block_on(future)
}

/// Events, each so many seconds after the one before, and silence after the last.
fn events(
    all: Vec<(u64, WatchEvent<AnyObject>)>,
) -> impl Stream<Item = kube::Result<WatchEvent<AnyObject>>> + Unpin {
    let told = stream::unfold(all.into_iter(), |mut rest| async move {
        let (after, event) = rest.next()?;
        tokio::time::sleep(Duration::from_secs(after)).await;
        Some((Ok(event), rest))
    });
    Box::pin(told.chain(stream::pending()))
}

fn modified(version: u32, state: &str) -> WatchEvent<AnyObject> {
    WatchEvent::Modified(object(version, state))
}

/// How listening ended: after how many seconds, with which end, and at which version.
async fn listened(ears: &Ears, all: Vec<(u64, WatchEvent<AnyObject>)>) -> (u64, String, String) {
    let (began, mut version) = (Instant::now(), "1".to_owned());
    let mut looks = looks(ears);
    let end = match looks.listen(events(all), &mut version).await {
        Heard::End(Ok(value)) => format!("done {value}"),
        Heard::End(Err(error)) => error.to_string(),
        Heard::Ended => "ended".to_owned(),
        Heard::Lost => "lost".to_owned(),
    };
    (began.elapsed().as_secs(), end, version)
}

#[test]
fn each_change_is_judged_and_the_version_kept() {
    let ears = Ears::default();
    let bookmark = json!({"type": "BOOKMARK", "object": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "4"},
    }});
    let all = vec![
        (1, WatchEvent::Added(object(2, "a"))),
        (1, modified(3, "a")),
        (1, serde_json::from_value(bookmark).unwrap()),
        (1, WatchEvent::Deleted(object(5, "a"))),
        (1, modified(6, "done")),
    ];
    assert_eq!(
        run(listened(&ears, all)),
        (5, "done 1".to_owned(), "6".to_owned())
    );
    // What did not change is not told again.
    assert_eq!(*ears.0.borrow(), ["x: Some(\"a\")", "x: None"]);
}

#[test]
fn a_doubt_ends_the_wait_when_its_grace_is_over_though_nothing_happens() {
    let ears = Ears::default();
    let all = vec![(2, modified(2, "doubt image")), (6, modified(3, "doubt image"))];
    let (seconds, end, _) = run(listened(&ears, all));
    // The grace runs from the first doubt, not from the last.
    assert_eq!(
        (seconds, end),
        (12, "cannot read the restored volume: image".to_owned())
    );
}

#[test]
fn another_state_or_another_doubt_begins_the_grace_anew() {
    let ears = Ears::default();
    let all = vec![
        (0, modified(2, "doubt image")),
        (8, modified(3, "well")),
        (1, modified(4, "doubt image")),
        (8, modified(5, "doubt node")),
        (9, modified(6, "done")),
    ];
    assert_eq!(run(listened(&ears, all)).1, "done 1");
}

/// The next watch begins there: after what was told last, whatever that was.
#[test]
fn what_is_deleted_and_a_bookmark_are_a_place_to_go_on_from() {
    let bookmark = json!({"type": "BOOKMARK", "object": {
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"resourceVersion": "4"},
    }});
    let bookmark = serde_json::from_value(bookmark).unwrap();
    for (event, at) in [(WatchEvent::Deleted(object(3, "a")), "3"), (bookmark, "4")] {
        let all = vec![(1, WatchEvent::Added(object(2, "a"))), (1, event)];
        assert_eq!(run(listened(&Ears::default(), all)).2, at);
    }
}

#[test]
fn silence_means_that_the_connection_is_lost_and_an_expired_version_too() {
    let ears = Ears::default();
    let (seconds, end, version) = run(listened(&ears, vec![(1, modified(2, "a"))]));
    assert_eq!(
        (seconds, end.as_str(), version.as_str()),
        (1 + SILENCE.as_secs(), "lost", "2")
    );
    let expired = json!({"type": "ERROR", "object": {"kind": "Status", "code": 410, "reason": "Expired"}});
    let all = vec![(1, serde_json::from_value(expired).unwrap())];
    assert_eq!(run(listened(&ears, all)).1, "lost");
}
