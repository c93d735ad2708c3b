//! The handle reads each thing once, skips writes that change nothing, and knows what it wrote. Every case names all the
//! calls that may be made.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test's helpers fail by panicking"
)]

use std::collections::BTreeMap;
use std::path::Path;

use juju_charm::testing::{ExpectedCall, ScriptedRunner};
use juju_charm::{ErrorKind, Juju, JujuContext, Port, RelationId, SecretContent, Status};

/// A handle in a hook of probe/0, and the script that it has to keep to.
fn in_hook<const N: usize>(
    variables: &[(&str, &str)],
    expected: [ExpectedCall; N],
) -> (Juju, ScriptedRunner) {
    let base = [
        ("JUJU_DISPATCH_PATH", "hooks/config-changed"),
        ("JUJU_UNIT_NAME", "probe/0"),
        ("JUJU_MODEL_NAME", "homelab"),
        ("JUJU_MODEL_UUID", "c1dffb6d-a8af-4bab-851e-54aafa595a16"),
        ("JUJU_VERSION", "4.0.15"),
    ];
    let context = JujuContext::from_vars(base.iter().chain(variables).copied()).unwrap();
    let runner = ScriptedRunner::new(expected);
    (Juju::new(context, Box::new(runner.clone())), runner)
}

fn call<const N: usize>(tool: &str, args: [&str; N]) -> ExpectedCall {
    ExpectedCall::new(tool, args)
}

fn map<const N: usize>(entries: [(&str, &str); N]) -> BTreeMap<String, String> {
    entries
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

fn relation() -> RelationId {
    "db:1".parse().unwrap()
}

fn read_own_bag(json: &str) -> ExpectedCall {
    call(
        "relation-get",
        ["--format=json", "-r", "db:1", "--app", "-", "probe"],
    )
    .prints(json)
}

fn peek(json: &str) -> ExpectedCall {
    call("secret-get", ["--format=json", "--peek", "--label=key"]).prints(json)
}

#[test]
fn each_value_is_read_once() {
    let (juju, script) = in_hook(
        &[],
        [
            call("is-leader", ["--format=json"]).prints("true"),
            call("config-get", ["--format=json"]).prints(r#"{"port":8080}"#),
            call("relation-ids", ["--format=json", "db"]).prints(r#"["db:1"]"#),
            call("relation-list", ["--format=json", "-r", "db:1"]).prints(r#"["velo/0"]"#),
            call("relation-list", ["--format=json", "--app", "-r", "db:1"]).prints("\"velo\""),
            call(
                "relation-get",
                ["--format=json", "-r", "db:1", "--app", "-", "velo"],
            )
            .prints(r#"{"a":"1"}"#),
            call("relation-get", ["--format=json", "-r", "db:1", "-", "velo/0"]).prints("{}"),
            call("storage-list", ["--format=json", "config"]).prints(r#"["config/0"]"#),
            call("state-get", ["--format=json"]).prints("null"),
        ],
    );
    for _ in 0..2 {
        assert!(juju.is_leader().unwrap());
        assert_eq!(juju.config().unwrap().integer("port").unwrap(), Some(8080));
        assert_eq!(juju.relations("db").unwrap(), [relation()]);
        let units = juju.relation_units(&relation()).unwrap();
        assert_eq!(juju.remote_app(&relation()).unwrap().as_deref(), Some("velo"));
        assert_eq!(juju.app_data(&relation(), "velo").unwrap(), map([("a", "1")]));
        assert_eq!(juju.unit_data(&relation(), &units[0]).unwrap(), BTreeMap::new());
        assert_eq!(juju.storages("config").unwrap().len(), 1);
        assert_eq!(juju.state().unwrap(), BTreeMap::new());
    }
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn what_is_not_asked_for_is_not_read() {
    let (_juju, script) = in_hook(&[], []);
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_failed_read_is_tried_again() {
    let (juju, script) = in_hook(
        &[],
        [
            call("is-leader", ["--format=json"]).fails(1, "ERROR boom"),
            call("is-leader", ["--format=json"]).prints("false"),
        ],
    );
    assert!(juju.is_leader().is_err());
    assert!(!juju.is_leader().unwrap());
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn only_keys_that_differ_are_sent_and_an_empty_value_deletes() {
    let (juju, script) = in_hook(
        &[],
        [
            read_own_bag(r#"{"gone":"x","kept":"of somebody else","same":"1","spec":"old"}"#),
            call("relation-set", ["-r", "db:1", "--app", "--file", "-"])
                .with_stdin(r#"{"gone":"","spec":"new"}"#),
        ],
    );
    let wanted = map([("gone", ""), ("never-there", ""), ("same", "1"), ("spec", "new")]);
    assert!(juju.set_own_app_data(&relation(), &wanted).unwrap());
    // It knows what it wrote: no read, and no write.
    let now = map([("kept", "of somebody else"), ("same", "1"), ("spec", "new")]);
    assert_eq!(juju.own_app_data(&relation()).unwrap(), now);
    assert!(!juju.set_own_app_data(&relation(), &wanted).unwrap());
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_refused_write_is_not_remembered() {
    let (juju, script) = in_hook(
        &[],
        [
            read_own_bag("{}"),
            call("relation-set", ["-r", "db:1", "--app", "--file", "-"])
                .with_stdin(r#"{"a":"1"}"#)
                .fails(1, "ERROR cannot write relation settings"),
        ],
    );
    let error = juju
        .set_own_app_data(&relation(), &map([("a", "1")]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotAllowed);
    assert_eq!(juju.own_app_data(&relation()).unwrap(), BTreeMap::new());
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn the_own_unit_bag_is_another_bag() {
    let (juju, script) = in_hook(
        &[],
        [
            call("relation-get", ["--format=json", "-r", "db:1", "-", "probe/0"])
                .prints(r#"{"ingress-address":"x"}"#),
            call("relation-set", ["-r", "db:1", "--file", "-"]).with_stdin(r#"{"a":"1"}"#),
        ],
    );
    assert!(juju.set_own_unit_data(&relation(), &map([("a", "1")])).unwrap());
    assert_eq!(
        juju.own_unit_data(&relation()).unwrap(),
        map([("a", "1"), ("ingress-address", "x")])
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn the_relation_that_breaks_is_not_listed_and_its_app_is_asked_for() {
    let variables = [
        ("JUJU_DISPATCH_PATH", "hooks/db-relation-broken"),
        ("JUJU_RELATION", "db"),
        ("JUJU_RELATION_ID", "db:1"),
        ("JUJU_REMOTE_APP", ""),
        ("JUJU_REMOTE_UNIT", ""),
    ];
    let (juju, script) = in_hook(
        &variables,
        [
            call("relation-ids", ["--format=json", "db"]).prints(r#"["db:1","db:2"]"#),
            call("relation-list", ["--format=json", "--app", "-r", "db:1"]).prints("\"velo\""),
        ],
    );
    assert_eq!(juju.relations("db").unwrap(), ["db:2".parse().unwrap()]);
    assert_eq!(juju.remote_app(&relation()).unwrap().as_deref(), Some("velo"));
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn the_events_own_app_costs_no_call() {
    let variables = [
        ("JUJU_DISPATCH_PATH", "hooks/db-relation-created"),
        ("JUJU_RELATION_ID", "db:1"),
        ("JUJU_REMOTE_APP", "velo"),
    ];
    let (juju, script) = in_hook(&variables, []);
    assert_eq!(juju.remote_app(&relation()).unwrap().as_deref(), Some("velo"));
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_status_is_set_when_name_or_message_differ() {
    let status_get = || {
        call("status-get", ["--include-data", "--format=json"])
            .prints(r#"{"message":"ready","status":"active","status-data":{}}"#)
    };
    let (juju, script) = in_hook(
        &[],
        [
            status_get(),
            call("status-set", ["--application=false", "active", "--", "busy"]),
        ],
    );
    assert!(!juju.set_status(&Status::Active("ready".to_owned())).unwrap());
    assert!(juju.set_status(&Status::Active("busy".to_owned())).unwrap());
    assert!(!juju.set_status(&Status::Active("busy".to_owned())).unwrap());
    assert_eq!(script.finish(), Ok(()));

    let app_get = call(
        "status-get",
        ["--application=true", "--include-data", "--format=json"],
    )
    .prints(r#"{"application-status":{"message":"","status":"unknown"}}"#);
    let app_set = call("status-set", ["--application=true", "active", "--", ""]);
    let (juju, script) = in_hook(&[], [app_get, app_set]);
    assert!(
        juju.set_application_status(&Status::Active(String::new()))
            .unwrap()
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn ports_are_opened_and_closed_when_they_are_not() {
    let (juju, script) = in_hook(
        &[],
        [
            call("opened-ports", ["--format=json"]).prints(r#"["8080/tcp"]"#),
            call("open-port", ["9090/tcp"]),
            call("close-port", ["8080/tcp"]),
        ],
    );
    assert!(!juju.open_port(Port::tcp(8080)).unwrap());
    assert!(juju.open_port(Port::tcp(9090)).unwrap());
    assert!(juju.close_port(Port::tcp(8080)).unwrap());
    assert!(!juju.close_port(Port::tcp(8080)).unwrap());
    assert_eq!(juju.opened_ports().unwrap(), [Port::tcp(9090)]);
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_secret_that_is_not_there_is_none_and_one_that_may_not_be_read_is_an_error() {
    let missing = peek("").fails(1, "ERROR secret URI for consumer label \"key\" not found");
    let add = call(
        "secret-add",
        ["--owner=application", "--label=key", "api-key#file=…"],
    )
    .prints("secret:9m4e2mr0ui3e8a215n4g");
    let (juju, script) = in_hook(&[], [missing, add]);
    assert_eq!(juju.secret_content("key").unwrap(), None);
    let content = SecretContent::from([("api-key", "hunter2")]);
    juju.secret_add(&content, "key", "").unwrap();
    assert_eq!(juju.secret_content("key").unwrap(), Some(content));
    assert_eq!(script.finish(), Ok(()));

    let forbidden = peek("").fails(1, "ERROR \"probe/0\" is not allowed to read this secret");
    let (juju, script) = in_hook(&[], [forbidden]);
    assert_eq!(
        juju.secret_content("key").unwrap_err().kind(),
        ErrorKind::NotAllowed
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_secret_is_changed_when_its_content_differs() {
    let info = call("secret-info-get", ["--format=json", "--label=key"])
        .prints(r#"{"9m4e2mr0ui3e8a215n4g":{"revision":1,"label":"key","owner":"application"}}"#);
    let set = call("secret-set", ["9m4e2mr0ui3e8a215n4g", "api-key#file=…"]);
    let (juju, script) = in_hook(&[], [peek(r#"{"api-key":"old"}"#), info, set]);
    assert!(
        !juju
            .secret_set("key", &SecretContent::from([("api-key", "old")]))
            .unwrap()
    );
    assert!(
        juju.secret_set("key", &SecretContent::from([("api-key", "new")]))
            .unwrap()
    );
    assert_eq!(
        juju.secret_content("key").unwrap().unwrap().get("api-key"),
        Some("new")
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn an_unknown_secret_is_never_set_since_juju_would_fail_the_whole_hook() {
    let missing = peek("").fails(1, "ERROR secret not found");
    let info =
        call("secret-info-get", ["--format=json", "--label=key"]).fails(1, "ERROR secret \"key\" not found");
    let (juju, script) = in_hook(&[], [missing, info]);
    let error = juju
        .secret_set("key", &SecretContent::from([("api-key", "new")]))
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NoSuchSecret);
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_secret_is_removed_once() {
    let info = call("secret-info-get", ["--format=json", "--label=key"]);
    let found = info.clone().prints(r#"{"9m4e2mr0ui3e8a215n4g":{"revision":1}}"#);
    let remove = call("secret-remove", ["9m4e2mr0ui3e8a215n4g"]);
    let gone = info.fails(1, "ERROR secret \"key\" not found");
    let (juju, script) = in_hook(&[], [found, remove, gone]);
    assert!(juju.secret_remove("key").unwrap());
    assert_eq!(juju.secret_content("key").unwrap(), None);
    assert!(!juju.secret_remove("key").unwrap());
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn state_is_stored_when_it_differs_and_an_empty_text_is_a_text() {
    let (juju, script) = in_hook(
        &[],
        [
            call("state-get", ["--format=json"]).prints(r#"{"same":"1"}"#),
            call("state-set", ["--file", "-"]).with_stdin(r#"{"empty":""}"#),
            call("state-delete", ["--", "same"]),
        ],
    );
    let values = map([("empty", ""), ("same", "1")]);
    assert!(juju.state_set(&values).unwrap());
    assert!(!juju.state_set(&values).unwrap());
    assert!(juju.state_delete("same").unwrap());
    assert!(!juju.state_delete("same").unwrap());
    assert_eq!(juju.state().unwrap(), map([("empty", "")]));
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn a_storage_has_no_place_until_it_is_mounted() {
    let id = "config/0".parse().unwrap();
    let get = || call("storage-get", ["--format=json", "-s", "config/0"]);
    let before = get().fails(
        2,
        "ERROR invalid value \"config/0\" for option -s: mount point for storage attachment \"storage-config-0\" for unit \"probe/0\" missing",
    );
    let mounted = get().prints(r#"{"kind":"filesystem","location":"/var/lib/juju/storage/config-0"}"#);
    let unknown = get().fails(
        2,
        "ERROR invalid value \"config/0\" for option -s: storage instance \"config/0\" not found",
    );
    let (juju, script) = in_hook(&[], [before, mounted, unknown]);
    assert_eq!(juju.storage_location(&id).unwrap(), None);
    let location = juju.storage_location(&id).unwrap();
    assert_eq!(
        location.as_deref(),
        Some(Path::new("/var/lib/juju/storage/config-0"))
    );
    assert_eq!(
        juju.storage_location(&id).unwrap_err().kind(),
        ErrorKind::BadArguments
    );
    assert_eq!(script.finish(), Ok(()));
}

#[test]
fn what_is_done_beside_reading_the_options_is_done_once_in_any_case() {
    let get = || call("config-get", ["--format=json"]);
    let (juju, script) = in_hook(
        &[],
        [get().fails(1, "ERROR boom"), get().prints(r#"{"port":8080}"#)],
    );
    let mut done = 0;
    // The tool fails, then it does not, then nothing is left to be read.
    for (is_read, count) in [(false, 1), (true, 2), (true, 3)] {
        let (config, given) = juju.config_beside(|| {
            done += 1;
            done
        });
        assert_eq!((config.is_ok(), given), (is_read, count));
    }
    assert_eq!(done, 3);
    assert_eq!(script.finish(), Ok(()));
}
