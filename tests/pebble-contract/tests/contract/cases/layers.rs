//! Layers and the plan that they make.

use juju_charm::pebble::{Layer, Override, Plan};

use super::cases;
use crate::backends::Backend;
use crate::support::{layer, raw_post, refusal};

cases![
    "layers":
    no_layer_is_an_empty_plan,
    a_layer_is_in_the_plan_as_it_was_sent,
    a_label_is_taken_once,
    combine_joins_in_place,
    combine_with_a_new_label_appends,
    merge_and_replace,
    a_bad_layer_is_refused_and_changes_nothing,
    unknown_keys_are_refused needs Socket,
];

const BASE: &str = "
summary: base
services:
  web:
    override: replace
    summary: the web
    command: sleep 3600
    after: [db]
    environment: {A: '1', B: two words}
    on-failure: ignore
    on-check-failure: {up: restart}
    backoff-delay: 1m30s
    backoff-factor: 1.5
    kill-delay: 100ms
  db: {override: replace, command: sleep 3600, startup: disabled}
checks:
  up: {override: replace, level: alive, startup: disabled, period: 1h, http: {url: 'http://localhost:1/', headers: {X: y}}}
log-targets:
  loki: {override: replace, type: loki, location: 'http://localhost:3100/loki/api/v1/push', services: [-all], labels: {a: b}}
";

fn no_layer_is_an_empty_plan(backend: &dyn Backend) {
    assert_eq!(backend.pebble().plan().unwrap(), Plan::default());
    assert!(backend.pebble().services(&[]).unwrap().is_empty());
    assert!(backend.pebble().checks().unwrap().is_empty());
}

fn a_layer_is_in_the_plan_as_it_was_sent(backend: &dyn Backend) {
    let pebble = backend.pebble();
    let base = layer(BASE);
    pebble.add_layer("base", &base, false).unwrap();
    let plan = pebble.plan().unwrap();
    assert!(plan.includes(&base));
    assert_eq!(plan.services, base.services);
    assert_eq!(plan.log_targets, base.log_targets);
    // What Pebble adds.
    let mut checks = base.checks;
    checks.get_mut("up").unwrap().threshold = Some(3);
    assert_eq!(plan.checks, checks);
}

fn a_label_is_taken_once(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("base", &layer(BASE), false).unwrap();
    let before = pebble.plan().unwrap();
    let (status, message) = refusal(pebble.add_layer(
        "base",
        &layer("services: {web: {override: replace, command: x}}"),
        false,
    ));
    assert_eq!((status, message.as_str()), (400, "layer \"base\" already exists"));
    assert_eq!(pebble.plan().unwrap(), before);
}

fn combine_joins_in_place(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble
        .add_layer(
            "low",
            &layer("services: {web: {override: replace, command: one, user-id: 0}}"),
            false,
        )
        .unwrap();
    pebble
        .add_layer(
            "high",
            &layer("services: {web: {override: merge, environment: {FROM: high}}}"),
            false,
        )
        .unwrap();
    pebble
        .add_layer(
            "low",
            &layer("services: {web: {override: merge, command: two, environment: {FROM: low, LOW: y}}}"),
            true,
        )
        .unwrap();
    let web = &pebble.plan().unwrap().services["web"];
    assert_eq!(web.command.as_deref(), Some("two"));
    // The lower layer keeps its place, and what its new text does not name.
    assert_eq!(web.environment["FROM"], "high");
    assert_eq!(web.environment["LOW"], "y");
    assert_eq!(web.user_id, Some(0));
}

fn combine_with_a_new_label_appends(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble
        .add_layer(
            "one",
            &layer("services: {web: {override: replace, command: one}}"),
            true,
        )
        .unwrap();
    pebble
        .add_layer(
            "two",
            &layer("services: {web: {override: replace, command: two}}"),
            true,
        )
        .unwrap();
    assert_eq!(
        pebble.plan().unwrap().services["web"].command.as_deref(),
        Some("two")
    );
}

fn merge_and_replace(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("base", &layer(BASE), false).unwrap();
    let top = layer(
        "
services:
  web: {override: merge, command: sleep 7200, after: [other], environment: {B: three}}
  other: {override: merge, command: sleep 3600}
  db: {override: replace, command: sleep 1}
checks:
  up: {override: merge, threshold: 5, http: {url: 'http://localhost:2/'}}
log-targets:
  loki: {override: merge, services: [web], labels: {c: d}}
",
    );
    pebble.add_layer("top", &top, false).unwrap();
    let expected = layer(
        "
services:
  web:
    override: replace
    summary: the web
    command: sleep 7200
    after: [db, other]
    environment: {A: '1', B: three}
    on-failure: ignore
    on-check-failure: {up: restart}
    backoff-delay: 1m30s
    backoff-factor: 1.5
    kill-delay: 100ms
  other: {override: merge, command: sleep 3600}
  db: {override: replace, command: sleep 1}
checks:
  up:
    override: replace
    level: alive
    startup: disabled
    period: 1h
    threshold: 5
    http: {url: 'http://localhost:2/', headers: {X: y}}
log-targets:
  loki: {override: replace, type: loki, location: 'http://localhost:3100/loki/api/v1/push', services: [-all, web], labels: {a: b, c: d}}
",
    );
    assert_eq!(pebble.plan().unwrap(), Plan::from(expected));
}

fn a_bad_layer_is_refused_and_changes_nothing(backend: &dyn Backend) {
    let pebble = backend.pebble();
    pebble.add_layer("base", &layer(BASE), false).unwrap();
    let before = pebble.plan().unwrap();
    let cases = [
        (
            "services: {a: {command: x}}",
            "layer \"bad\" must define \"override\" for service \"a\"",
        ),
        (
            "services: {a: {override: append, command: x}}",
            "layer \"bad\" has invalid \"override\" value for service \"a\"",
        ),
        (
            "services: {a: {override: replace}}",
            "plan must define \"command\" for service \"a\"",
        ),
        (
            "services: {a: {override: merge, summary: x}}",
            "plan must define \"command\" for service \"a\"",
        ),
        (
            "services: {pebble: {override: replace, command: x}}",
            "cannot use reserved service name \"pebble\"",
        ),
        (
            "services: {-a: {override: replace, command: x}}",
            "cannot use service name \"-a\": starting with \"-\" not allowed",
        ),
        (
            "services: {a: {override: replace, command: x, on-failure: success}}",
            "plan service \"a\" on-failure action \"success\" invalid",
        ),
        (
            "services: {a: {override: replace, command: x, backoff-factor: 0.5}}",
            "plan service \"a\" backoff-factor must be 1.0 or greater, not 0.5",
        ),
        (
            "services: {a: {override: replace, command: x, after: [b]}, b: {override: replace, command: x, after: [a]}}",
            "services in before/after loop: a, b",
        ),
        (
            "checks: {c: {override: replace}}",
            "plan must specify one of \"http\", \"tcp\", or \"exec\" for check \"c\"",
        ),
        (
            "checks: {c: {override: replace, tcp: {port: 1}, exec: {command: x}}}",
            "plan must specify one of \"http\", \"tcp\", or \"exec\" for check \"c\"",
        ),
        (
            "checks: {c: {override: replace, http: {}}}",
            "plan must set \"url\" for http check \"c\"",
        ),
        (
            "checks: {c: {override: replace, tcp: {host: x}}}",
            "plan must set \"port\" for tcp check \"c\"",
        ),
        (
            "checks: {c: {override: replace, exec: {}}}",
            "plan must set \"command\" for exec check \"c\"",
        ),
        (
            "checks: {c: {override: replace, level: dead, tcp: {port: 1}}}",
            "plan check \"c\" level must be \"alive\" or \"ready\"",
        ),
        (
            "checks: {c: {override: replace, period: 0s, tcp: {port: 1}}}",
            "plan check \"c\" period must not be zero",
        ),
        (
            "checks: {c: {override: replace, exec: {command: x, service-context: none}}}",
            "plan check \"c\" service context specifies non-existent service \"none\"",
        ),
        (
            "log-targets: {l: {override: replace, location: x, services: []}}",
            "plan must define \"type\" (\"loki\" or \"opentelemetry\") for log target \"l\"",
        ),
        (
            "log-targets: {l: {override: replace, type: loki, services: []}}",
            "plan must define \"location\" for log target \"l\"",
        ),
        (
            "log-targets: {l: {override: replace, type: loki, location: x, services: [none]}}",
            "log target \"l\" specifies unknown service \"none\"",
        ),
        (
            "log-targets: {l: {override: replace, type: loki, location: x, services: [], labels: {pebble_a: b}}}",
            "log target \"l\": label \"pebble_a\" uses reserved prefix \"pebble_\"",
        ),
    ];
    for (yaml, expected) in cases {
        let (status, message) = refusal(pebble.add_layer("bad", &layer(yaml), false));
        assert_eq!(status, 400, "{yaml}: {message}");
        // Pebble names the members of a loop in no order.
        let fits = message.ends_with(expected) || message.ends_with("services in before/after loop: b, a");
        assert!(fits, "{yaml}\n gave: {message}\n want: {expected}");
    }
    let (status, message) = refusal(pebble.add_layer("", &Layer::default(), false));
    assert_eq!((status, message.as_str()), (400, "label must be set"));
    assert!(
        refusal(pebble.add_layer("pebble-x", &Layer::default(), false))
            .1
            .ends_with("cannot use reserved label prefix \"pebble-\"")
    );
    assert_eq!(pebble.plan().unwrap(), before);
    // Nothing of them stayed behind.
    let good = layer("services: {a: {override: replace, command: x}}");
    pebble.add_layer("bad", &good, false).unwrap();
    assert_eq!(
        pebble.plan().unwrap().services["a"].r#override,
        Some(Override::Replace)
    );
}

fn unknown_keys_are_refused(backend: &dyn Backend) {
    let post = |layer: &str| {
        let body = serde_json::json!({"action": "add", "label": "x", "format": "yaml", "layer": layer});
        raw_post(backend.socket(), "/v1/layers", &body.to_string())
    };
    for yaml in [
        "nonsense: {}",
        "services: {a: {override: replace, command: x, restart: yes}}",
        "checks: {c: {override: replace, tcp: {port: 1, path: /}}}",
        "log-targets: {l: {override: replace, type: loki, location: x, url: y}}",
        "services: [",
        "services: {a: }",
    ] {
        let (status, body) = post(yaml);
        assert_eq!(status, 400, "{yaml}: {body}");
        assert!(
            body.contains("cannot parse layer") || body.contains("cannot be null"),
            "{yaml}: {body}"
        );
    }
    assert_eq!(post("services: {a: {override: replace, command: x}}").0, 200);
    let (status, body) = raw_post(
        backend.socket(),
        "/v1/layers",
        r#"{"action":"add","label":"y","format":"toml","layer":""}"#,
    );
    assert_eq!(status, 400, "{body}");
    assert!(body.contains("invalid format"), "{body}");
}
