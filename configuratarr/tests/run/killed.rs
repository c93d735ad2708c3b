//! SIGKILL before and after each call of `juju`, which is between any two steps that are written down.

use std::fs;

use crate::home::Home;

/// Kills the program at its call of this number, before Juju hears of it or after it has answered.
fn killed_at(version: &str, call: usize, is_after: bool) -> String {
    let home = Home::of(&["radarr", "sonarr"], version);
    let kill = format!("if [ \"$COUNT\" -ge {call} ]; then kill -9 $PPID; exit 1; fi");
    match is_after {
        true => home.around_juju("", &kill),
        false => home.around_juju(&kill, ""),
    }
    let first = home.test.run(&["restore", "radarr", "sonarr", "--yes"]);
    if first.code.is_some() {
        // It has fewer calls.
        assert_eq!(first.code, Some(0), "{}", first.shown());
        return "whole".to_owned();
    }
    home.around_juju("", "");
    let again = home.test.run(&["resume"]);
    let what = match again.code {
        Some(0) => "resumed",
        // Nothing was written down, so nothing was begun.
        Some(1) => {
            assert!(
                again.stderr.contains("there is no run that is not at its end"),
                "{}",
                again.shown()
            );
            for app in ["radarr", "sonarr"] {
                assert!(home.ran(app, "restore-from-backup").is_empty());
            }
            return "nothing".to_owned();
        }
        _ => panic!("call {call}, after {is_after}: {}", again.shown()),
    };
    for app in ["radarr", "sonarr"] {
        let ran = home.ran(app, "restore-from-backup");
        assert_eq!(
            ran.len(),
            1,
            "Juju {version}, call {call}, after {is_after}: {app} ran {ran:?}"
        );
        assert!(
            again.stdout.contains(&format!("{app}: restored")),
            "{}",
            again.shown()
        );
    }
    let runs = fs::read_dir(home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let journals = runs.filter(|entry| {
        entry
            .as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|end| end == "json")
    });
    assert_eq!(journals.count(), 1);
    what.to_owned()
}

#[test]
fn killed_anywhere_it_is_gone_on_with_and_no_charm_is_asked_twice() {
    for (version, is_after) in [("4.0.14", false), ("4.0.14", true), ("3.6.12", true)] {
        let mut seen = Vec::new();
        for call in 1..40 {
            let what = killed_at(version, call, is_after);
            let is_whole = what == "whole";
            seen.push(what);
            if is_whole {
                break;
            }
        }
        let count = |what: &str| seen.iter().filter(|seen| *seen == what).count();
        // Asking for the version and the status; then two apps, each with a list, a start and a look at least.
        assert!(
            count("nothing") >= 2 && count("resumed") >= 5 && count("whole") == 1,
            "{seen:?}"
        );
    }
}
