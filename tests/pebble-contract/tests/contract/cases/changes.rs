//! Changes: reading, listing, waiting.

use std::time::Duration;

use juju_charm::pebble::{ChangeId, ChangeSelect, Error};

use super::cases;
use crate::backends::{Backend, Fact};
use crate::support::{DEADLINE, layer};

cases!["changes": are_read_by_id_and_listed, unknown_ones_are_not_found, a_wait_ends, a_failed_one_is_an_error_only_when_waited_for];

const WEB: &str = "services: {web: {override: replace, command: sleep 3600}, aside: {override: replace, command: sleep 3600}}";

fn are_read_by_id_and_listed(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("web", &layer(WEB), false).unwrap();
    assert!(pebble.changes(ChangeSelect::All, None).unwrap().is_empty());
    let web = pebble.start(&["web"]).unwrap();
    let done = pebble.wait_change(&web, DEADLINE).unwrap();
    assert!(done.ready && done.ready_time.is_some());
    assert_eq!(done.id, web);
    assert_eq!(pebble.change(&web).unwrap(), done);
    let aside = pebble.start_and_wait(&["aside"], DEADLINE).unwrap();

    let ids = |select, service| {
        let changes = pebble.changes(select, service).unwrap();
        let mut ids: Vec<ChangeId> = changes.into_iter().map(|change| change.id).collect();
        ids.sort_by_key(|id| id.as_str().to_owned());
        ids
    };
    assert_eq!(ids(ChangeSelect::All, None), [web.clone(), aside.id.clone()]);
    assert_eq!(ids(ChangeSelect::Ready, None), [web.clone(), aside.id.clone()]);
    assert_eq!(ids(ChangeSelect::All, Some("web")), [web]);
    assert_eq!(ids(ChangeSelect::Ready, Some("aside")), [aside.id]);
    assert!(ids(ChangeSelect::InProgress, None).is_empty());
    assert!(ids(ChangeSelect::All, Some("nobody")).is_empty());
}

fn unknown_ones_are_not_found(backend: &dyn Backend) {
    let id = ChangeId::from("999");
    for result in [
        backend.pebble().change(&id),
        backend.pebble().wait_change(&id, DEADLINE),
    ] {
        let error = result.unwrap_err();
        assert!(error.is_not_found(), "{error:?}");
        assert!(
            error.to_string().ends_with("cannot find change with id \"999\""),
            "{error}"
        );
    }
}

/// A check's change is not ready while the check runs.
fn a_wait_ends(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let check = layer("checks: {never: {override: replace, period: 1h, tcp: {port: 1}}}");
    pebble.add_layer("check", &check, false).unwrap();
    let changes = pebble.changes(ChangeSelect::InProgress, None).unwrap();
    assert_eq!(changes.len(), 1, "{changes:?}");
    assert_eq!(
        (changes[0].kind.as_str(), changes[0].ready),
        ("perform-check", false)
    );
    assert_eq!(changes[0].summary, "Perform TCP check \"never\"");
    assert_eq!(
        pebble.checks().unwrap()[0].change_id.as_ref(),
        Some(&changes[0].id)
    );
    let timeout = Duration::from_millis(20);
    match pebble.wait_change(&changes[0].id, timeout) {
        Err(Error::ChangeTimeout { id, timeout: waited }) => {
            assert_eq!((id, waited), (changes[0].id.clone(), timeout))
        }
        other => panic!("no timeout: {other:?}"),
    }
}

fn a_failed_one_is_an_error_only_when_waited_for(backend: &dyn Backend) {
    let pebble = backend.pebble();
    backend.tell(Fact::ServiceExits {
        service: "broken",
        code: 1,
        output: "",
    });
    let broken = layer("services: {broken: {override: replace, command: 'false', on-failure: ignore}}");
    pebble.add_layer("broken", &broken, false).unwrap();
    let id = pebble.start(&["broken"]).unwrap();
    let error = pebble.wait_change(&id, DEADLINE).unwrap_err();
    assert!(
        matches!(&error, Error::Change { id: failed, .. } if *failed == id),
        "{error:?}"
    );
    let change = pebble.change(&id).unwrap();
    assert!(change.ready);
    assert!(change.err.unwrap().contains("exited quickly with code 1"));
}
