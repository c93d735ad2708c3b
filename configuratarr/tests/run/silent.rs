//! Actions of which nothing is heard any more, since the unit that works on them is gone.

use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::json;

use crate::common::PAUSE;
use crate::home::{Home, RESTORED};
use crate::refresh::home as of_charmhub;
use crate::rough::journal;

/// Radarr's unit has a pod with an agent that is ready.
pub fn has_agent(home: &Home) {
    home.test.put(json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "radarr-0", "namespace": "home", "labels": {"app.kubernetes.io/name": "radarr"}},
        "spec": {"nodeName": "lab"},
        "status": {
            "phase": "Running", "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "charm", "ready": true}],
        },
    }));
}

/// The machine of one unit never comes back: the other app is restored, and what is known and to be done is told.
#[test]
fn an_action_whose_unit_is_gone_is_not_followed_for_ever() {
    let home = Home::with(&["prowlarr", "radarr"]);
    let gate = home.gate("gate");
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{}{RESTORED}", gate.wait()),
    );
    let ran = home
        .test
        .run(&["--tick=100", "--silence=1000", "restore", "--all", "--yes"])
        .exits(4);
    assert!(ran.stdout.contains("prowlarr: restored"), "{}", ran.shown());
    assert!(
        ran.stderr.contains(
            "radarr: nothing is heard of radarr/0: there is no pod radarr-0; waiting for it, 1 s in all"
        ),
        "{}",
        ran.shown()
    );
    let path = journal(&home);
    let name = path.file_stem().unwrap().to_str().unwrap();
    let error = &ran.stderr[ran.stderr.rfind("not finished: ").unwrap()..];
    let (before, rest) = error.split_once("since ").unwrap();
    let after = &rest["2026-11-29 12:00 UTC".len()..];
    let error = format!("{before}since TIME{after}");
    let error = error
        .replace(&path.display().to_string(), "JOURNAL")
        .replace(name, "RUN");
    assert_snapshot!("unit_is_gone", error);
    // It has come back all the same.
    gate.open();
    home.test.run(&["resume"]).exits(0);
    assert_eq!(home.ran("radarr", "restore-from-backup").len(), 1);
}

/// It says nothing, moves no byte, and its agent is there: the limit goes by, and how it is ended is told once.
#[test]
fn an_action_whose_unit_is_there_is_followed_as_long_as_it_takes() {
    let home = Home::with(&["radarr"]);
    has_agent(&home);
    let gate = home.gate("gate");
    home.does(
        "radarr",
        "restore-from-backup",
        &format!("{}{RESTORED}", gate.wait()),
    );
    let mut command = home
        .test
        .command(&["--tick=10", "--silence=1000", "restore", "radarr", "--yes"]);
    let running = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let looks = || {
        let requests = home.test.cluster.requests();
        let paths = requests.iter().map(|request| request.path.as_str());
        paths
            .filter(|path| *path == "/api/v1/namespaces/home/pods")
            .count()
    };
    // Between two of them is a thirtieth of the limit at least.
    let begin = Instant::now();
    while looks() < 60 {
        assert!(begin.elapsed() < Duration::from_secs(60), "{} looks", looks());
        std::thread::sleep(PAUSE);
    }
    gate.open();
    let output = running.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(!said.contains("nothing is heard"), "{said}");
    let hangs = "has said nothing for 1 s, and radarr/0 is there: juju show-task ";
    assert_eq!(said.matches(hangs).count(), 1, "{said}");
    assert!(said.contains(" shows it, juju cancel-task "), "{said}");
}

/// A refresh has not begun while its backup is being made.
#[test]
fn a_refresh_whose_unit_is_gone_is_not_followed_for_ever() {
    let home = of_charmhub();
    let gate = home.gate("gate");
    home.does("radarr", "backup-now", &format!("{}action-fail no", gate.wait()));
    let ran = home
        .test
        .run(&["--tick=100", "--silence=1000", "refresh", "radarr", "--yes"])
        .exits(4);
    assert!(
        ran.stderr
            .contains("nothing was heard of radarr/0 for 1 s: there is no pod radarr-0; task ")
            && !ran.stderr.contains("goes on in Juju"),
        "{}",
        ran.shown()
    );
    assert_eq!(home.application("radarr")["charm-rev"], 7);
    gate.open();
    home.test.run(&["resume", "--tick=100"]).exits(1);
}
