//! Notices.

use std::collections::BTreeMap;
use std::time::Duration;

use juju_charm::pebble::{Notice, NoticeType, NoticesQuery, Pebble};

use super::cases;
use crate::backends::Backend;
use crate::support::{DEADLINE, layer, refusal, until};

cases![
    "notices":
    custom_ones_are_counted_by_key,
    repeat_after_holds_back,
    filters,
    a_wait_ends_empty,
    bad_ones_are_refused,
    changes_raise_them,
];

const HOUR: Duration = Duration::from_secs(3600);

fn custom(pebble: &dyn Pebble) -> Vec<Notice> {
    let query = NoticesQuery {
        types: vec![NoticeType::Custom],
        ..NoticesQuery::default()
    };
    pebble.notices(&query).unwrap()
}

fn notify(pebble: &dyn Pebble, key: &str, repeat_after: Option<Duration>) -> String {
    pebble.notify(key, &BTreeMap::new(), repeat_after).unwrap()
}

fn custom_ones_are_counted_by_key(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let data = BTreeMap::from([("size".to_owned(), "12".to_owned())]);
    let first = pebble.notify("example.com/backup", &data, None).unwrap();
    let other = notify(pebble, "example.com/other", None);
    assert_ne!(first, other);
    assert_eq!(notify(pebble, "example.com/backup", None), first);
    let notices = custom(pebble);
    // In the order of their last repeat.
    assert_eq!(
        notices
            .iter()
            .map(|notice| notice.id.as_str())
            .collect::<Vec<_>>(),
        [&other, &first]
    );
    let backup = &notices[1];
    assert_eq!(
        (backup.key.as_str(), backup.occurrences),
        ("example.com/backup", 2)
    );
    assert!(backup.last_data.is_empty(), "the data is that of the last one");
    assert!(backup.first_occurred < backup.last_occurred);
    assert_eq!(backup.last_occurred, backup.last_repeated);
    assert_eq!(backup.user_id.is_some(), notices[0].user_id.is_some());
    pebble.notify("example.com/backup", &data, None).unwrap();
    assert_eq!(custom(pebble)[1].last_data, data);
}

fn repeat_after_holds_back(backend: &dyn Backend) {
    let pebble = backend.pebble();
    notify(pebble, "example.com/a", Some(HOUR));
    let first = custom(pebble).remove(0);
    assert_eq!(first.repeat_after, Some(HOUR));
    notify(pebble, "example.com/a", Some(HOUR));
    let second = custom(pebble).remove(0);
    assert_eq!(second.occurrences, 2);
    assert_eq!(second.last_repeated, first.last_repeated);
    assert!(second.last_occurred > first.last_occurred);
    notify(pebble, "example.com/a", None);
    let third = custom(pebble).remove(0);
    assert_eq!((third.occurrences, third.repeat_after), (3, None));
    assert!(third.last_repeated > first.last_repeated);
    // Once the time is over it is passed on again.
    let repeated = until("it is repeated", || {
        notify(pebble, "example.com/a", Some(Duration::from_millis(5)));
        let now = custom(pebble).remove(0);
        (now.last_repeated > third.last_repeated).then_some(now)
    });
    assert_eq!(repeated.repeat_after, Some(Duration::from_millis(5)));
}

fn filters(backend: &dyn Backend) {
    let pebble = backend.pebble();
    for key in ["example.com/a", "example.com/b", "example.com/c"] {
        notify(pebble, key, None);
    }
    let keys = |query: NoticesQuery| -> Vec<String> {
        pebble
            .notices(&query)
            .unwrap()
            .into_iter()
            .map(|notice| notice.key)
            .collect()
    };
    let by_key = NoticesQuery {
        keys: vec!["example.com/c".into(), "example.com/a".into()],
        ..NoticesQuery::default()
    };
    assert_eq!(keys(by_key), ["example.com/a", "example.com/c"]);
    let b = custom(pebble).remove(1);
    let after = NoticesQuery {
        after: Some(b.last_repeated),
        ..NoticesQuery::default()
    };
    assert_eq!(keys(after.clone()), ["example.com/c"]);
    notify(pebble, "example.com/b", None);
    assert_eq!(keys(after), ["example.com/c", "example.com/b"]);
    let warnings = NoticesQuery {
        types: vec![NoticeType::Warning],
        ..NoticesQuery::default()
    };
    assert!(keys(warnings).is_empty());
    let unknown = NoticesQuery {
        types: vec![NoticeType::Other("nonsense".into())],
        ..NoticesQuery::default()
    };
    assert!(keys(unknown).is_empty());
}

fn a_wait_ends_empty(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let query = NoticesQuery {
        keys: vec!["example.com/a".into()],
        timeout: Some(Duration::from_millis(50)),
        ..NoticesQuery::default()
    };
    assert!(pebble.notices(&query).unwrap().is_empty());
    notify(pebble, "example.com/a", None);
    assert_eq!(
        pebble
            .notices(&NoticesQuery {
                timeout: Some(DEADLINE),
                ..query
            })
            .unwrap()
            .len(),
        1
    );
}

fn bad_ones_are_refused(backend: &dyn Backend) {
    let pebble = backend.pebble();
    for key in [
        "",
        "no-slash",
        "example/path",
        "example.com/",
        "Example.com/a",
        "example.com/a b",
        "/a",
    ] {
        let (status, message) = refusal(pebble.notify(key, &BTreeMap::new(), None));
        assert_eq!(status, 400);
        assert_eq!(
            message,
            format!("invalid key \"{key}\" (must be in \"example.com/path\" format)")
        );
    }
    let long = format!("example.com/{}", "x".repeat(250));
    let (_, message) = refusal(pebble.notify(&long, &BTreeMap::new(), None));
    assert_eq!(message, "key must be 256 bytes or less");
    let data = BTreeMap::from([("a".to_owned(), "x".repeat(5000))]);
    let (_, message) = refusal(pebble.notify("example.com/a", &data, None));
    assert_eq!(message, "total size of data must be 4096 bytes or less");
    assert!(custom(pebble).is_empty());
}

fn changes_raise_them(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble
        .add_layer(
            "web",
            &layer("services: {web: {override: replace, command: sleep 3600}}"),
            false,
        )
        .unwrap();
    let change = pebble.start_and_wait(&["web"], DEADLINE).unwrap();
    let query = NoticesQuery {
        types: vec![NoticeType::ChangeUpdate],
        keys: vec![change.id.to_string()],
        ..NoticesQuery::default()
    };
    let notices = pebble.notices(&query).unwrap();
    assert_eq!(notices.len(), 1, "{notices:?}");
    assert_eq!(notices[0].last_data["kind"], "start");
    assert_eq!(notices[0].user_id, None);
    assert!(notices[0].occurrences >= 2, "{notices:?}");
}
