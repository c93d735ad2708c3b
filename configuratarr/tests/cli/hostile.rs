//! Text from Juju, the cluster and a bucket cannot move the cursor, fake a line or break JSON.

use insta::assert_snapshot;
use serde_json::{Value, json};

use crate::common::{App, Backup, Juju, Ran, Test, location};

/// What a terminal would obey: colours and cursor by ESC and by its one-byte form, a title, line ends, a tab, text from right to
/// left, no width.
const EVIL: &str = "x\u{1b}[2J\u{1b}[1;1H\u{9b}31m\u{1b}]0;title\u{7}\r\nradarr  ok  yes\t\u{202e}evil\u{2066}\u{200b}\u{feff}\u{7f}\u{85}\u{2028}y";

/// Longer than any screen.
fn long() -> String {
    format!(
        "begin {} end: juju config radarr backup-schedule=daily",
        "word ".repeat(200_000)
    )
}

/// Nothing but text and the line ends of the program itself.
#[track_caller]
fn is_plain(text: &str) {
    let bad = |character: char| {
        (character.is_control() && character != '\n')
            || matches!(character, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}' | '\u{61c}')
    };
    assert!(
        !text.contains(bad),
        "{:?}",
        text.chars().find(|character| bad(*character))
    );
}

#[track_caller]
fn is_safe(ran: &Ran) {
    is_plain(&ran.stdout);
    is_plain(&ran.stderr);
}

/// A home in which every text that somebody else writes is this one. Names are what Kubernetes takes, in Juju and Velero.
fn home(text: &str) -> Test {
    let app = App::new("radarr")
        .says("blocked", text)
        .schedule("/status/phase", json!("FailedValidation"))
        .schedule("/status/validationErrors", json!([text, text]))
        .backup(|app| Backup::good(app, 1, 178, 1).failed(text))
        .backup(|app| {
            Backup::good(app, 2, 200, 0)
                .partial()
                .set_volume("/status/phase", json!("Failed"))
                .set_volume("/status/message", json!(text))
        })
        .backup(|app| Backup::good(app, 3, 300, 1).set("/status/phase", json!(text)))
        .backup(|app| Backup::good(app, 4, 400, 1).set("/status/startTimestamp", json!(text)))
        .backup(|app| Backup::good(app, 5, 500, 1).set("/status", json!(text)));
    let test = Test::with([app]);
    test.put(location("default", "Unavailable", text));
    test
}

#[test]
fn texts_of_others_are_shown_and_not_obeyed() {
    let test = home(EVIL);
    for command in ["status", "backups"] {
        let table = test.run(&[command]);
        is_safe(&table);
        assert_snapshot!(format!("hostile_{command}"), table.shown());
        let verbose = test.run(&[command, "--verbose"]);
        is_safe(&verbose);
        let json = test.run(&[command, "--format", "json"]);
        is_safe(&json);
        json.json();
        let yaml = test.run(&[command, "--format", "yaml"]);
        is_safe(&yaml);
        let read: Value = serde_yaml::from_str(&yaml.stdout).unwrap();
        assert_eq!(read["schema"], format!("configuratarr/{command}/v1"));
    }
}

#[test]
fn names_that_nobody_should_have_are_shown_and_not_obeyed() {
    // No real Juju or Kubernetes takes such names. What stands in their place may.
    let name = "r\u{1b}[2Ja\u{202e}darr\nsonarr  ok";
    let app = App::new(name).backup(|app| Backup::good(app, 1, 178, 5_243_046));
    let test = Test::with([app]);
    for arguments in [
        &["status"] as &[&str],
        &["backups"],
        &["backups", "--all-models"],
        &["status", "--format", "json"],
    ] {
        is_safe(&test.run(arguments));
    }
    let report = test.run(&["status", "--format", "json"]).json();
    assert_eq!(report["apps"][0]["app"], name);
    let missing = test.run(&["backups", "no\u{1b}[2Jne\nerror: x"]).exits(1);
    is_safe(&missing);
    // The message, and the next step: no line more.
    assert_eq!(missing.stderr.lines().count(), 2, "{}", missing.shown());
}

#[test]
fn what_juju_says_to_people_is_not_obeyed() {
    let test = Test::new();
    let refusal = Juju::new().fails("status --format json", 1, format!("ERROR {EVIL}\n"));
    is_safe(&test.juju(&refusal).run(&["status"]).exits(3));
    let garbage = Juju::new().prints("status --format json", format!("{{\"model\": {{\"{EVIL}"));
    is_safe(&test.juju(&garbage).run(&["status"]).exits(3));
    let model = "\u{1b}[2Jho\u{202e}me";
    let named = Juju::new().fails(
        &format!("status --format json -m {model}"),
        1,
        format!("ERROR model ctl:{model} not found\n"),
    );
    is_safe(&test.juju(&named).run(&["status", "-m", model]).exits(3));
}

#[test]
fn what_a_kubeconfig_says_is_not_obeyed() {
    let test = Test::with([App::healthy("radarr", 1)]);
    let text = test
        .cluster
        .kubeconfig("expired")
        .replace("\"home\"", &json!(EVIL).to_string());
    test.kubeconfig(&text);
    is_safe(&test.run(&["backups", "--context", "other"]).exits(3));
    is_safe(&test.run(&["backups"]).exits(3));
    test.kubeconfig(&format!("apiVersion: \"{EVIL}"));
    is_safe(&test.run(&["backups"]).exits(3));
    is_safe(
        &test
            .run(&["backups", "--kubeconfig", "no\u{1b}[2J\nfile"])
            .exits(3),
    );
}

#[test]
fn a_long_text_is_cut_for_people_and_whole_as_data() {
    let text = long();
    let test = home(&text);
    for command in ["status", "backups"] {
        let table = test.run(&[command]);
        for line in table.stdout.lines().chain(table.stderr.lines()) {
            assert!(
                line.chars().count() <= 500,
                "{} characters: {line:.200}",
                line.chars().count()
            );
        }
        let json = test.run(&[command, "--format", "json"]);
        assert!(json.stdout.contains(&text), "{command}: the text is not whole");
        json.json();
    }
    // What is lost is the middle: the next step stands at the end.
    let status = test.run(&["status"]).stdout;
    assert!(
        status.contains("juju config radarr backup-schedule=daily"),
        "{status}"
    );
    let refusal = Juju::new().fails("status --format json", 1, format!("ERROR {text}\n"));
    let ran = test.juju(&refusal).run(&["status"]).exits(3);
    for line in ran.stderr.lines() {
        assert!(
            line.chars().count() <= 1200,
            "{} characters",
            line.chars().count()
        );
    }
}
