//! `restore --import`: a volume is restored, imported, and the app deployed anew with it.

use std::fs;

use insta::assert_snapshot;

use crate::imports::{IMAGE, Imports};

/// A Juju that imports.
pub const IMPORTS: &str = "3.6.14";

#[test]
fn the_app_comes_back_on_a_volume_of_its_own_as_it_was_deployed() {
    let imports = Imports::with(IMPORTS);
    imports.home.around_juju("", "");
    let plan = imports
        .home
        .test
        .run(&[
            "restore",
            "radarr",
            "--import",
            "--charm",
            &imports.charm,
            "--resource",
            IMAGE,
            "--dry-run",
        ])
        .exits(0);
    assert_snapshot!("import_plan", without_what_differs(&plan.shown(), &imports));
    imports.is_untouched("a dry run");
    let ran = imports.restore().exits(0);
    assert_snapshot!("imported", without_what_differs(&ran.shown(), &imports));
    imports.is_restored("at once");
    let calls = imports.home.test.juju_calls();
    let at = |verb: &str| calls.iter().position(|call| call.starts_with(verb)).unwrap();
    assert!(at("import-filesystem") < at("remove-application"), "{calls:?}");
    assert!(at("remove-application") < at("deploy"), "{calls:?}");
    for call in calls.iter().filter(|call| call.starts_with("remove-application")) {
        assert!(
            !call.contains("--force") && !call.contains("--destroy-storage"),
            "{call}"
        );
    }
}

/// SIGKILL before and after each call of `juju`.
#[test]
fn killed_at_any_call_of_juju_it_is_gone_on_with() {
    for is_after in [false, true] {
        let mut resumed = 0;
        for call in 1.. {
            let imports = Imports::with(IMPORTS);
            let kill = format!("if [ \"$COUNT\" -ge {call} ]; then kill -9 $PPID; exit 1; fi");
            match is_after {
                true => imports.home.around_juju("", &kill),
                false => imports.home.around_juju(&kill, ""),
            }
            let first = imports.restore();
            if first.code.is_some() {
                assert_eq!(first.code, Some(0), "{}", first.shown());
                break;
            }
            imports.home.around_juju("", "");
            resumed += usize::from(goes_on(&imports, &format!("call {call}, after {is_after}")));
        }
        assert!(resumed >= 8, "{resumed}");
    }
}

/// SIGKILL before and after each write to Kubernetes.
#[test]
fn killed_at_any_write_to_kubernetes_it_is_gone_on_with() {
    for is_after in [false, true] {
        let mut resumed = 0;
        for write in 1.. {
            let imports = Imports::with(IMPORTS);
            if !imports.killed_at_write(write, is_after) {
                break;
            }
            resumed += usize::from(goes_on(&imports, &format!("write {write}, after {is_after}")));
        }
        assert!(resumed >= 10, "{resumed}");
    }
}

/// Goes on with what was killed; whether there was anything to go on with.
fn goes_on(imports: &Imports, why: &str) -> bool {
    let again = imports.home.test.run(&["resume"]);
    match again.code {
        Some(0) => {
            imports.is_restored(why);
            true
        }
        // Nothing was written down, so nothing was begun.
        Some(1) if again.stderr.contains("there is no run that is not at its end") => {
            imports.is_untouched(why);
            false
        }
        _ => panic!("{why}: {}", again.shown()),
    }
}

#[test]
fn juju_that_cannot_import_is_refused_before_anything_is_looked_at() {
    for (name, version) in [("import_of_36_8", "3.6.8"), ("import_of_40", "4.0.14")] {
        let imports = Imports::with(version);
        let ran = imports.restore().exits(1);
        assert!(ran.requests.is_empty(), "{:?}", ran.requests);
        assert_snapshot!(name, without_what_differs(&ran.shown(), &imports));
        imports.is_untouched(version);
    }
    let imports = Imports::with("3.6.11");
    let ran = imports.restore().exits(1);
    assert_snapshot!(
        "import_behind_a_flag",
        without_what_differs(&ran.shown(), &imports)
    );
    imports
        .home
        .test
        .env("JUJU_DEV_FEATURE_FLAGS", "k8s-attach-storage");
    imports.restore().exits(0);
    imports.is_restored("with the flag");
}

#[test]
fn what_cannot_be_deployed_again_is_refused_in_the_plan() {
    let imports = Imports::with(IMPORTS);
    let test = &imports.home.test;
    let says = |name: &str, arguments: &[&str], code: i32| {
        let ran = test.run(arguments).exits(code);
        assert_snapshot!(name, without_what_differs(&ran.shown(), &imports));
    };
    says(
        "import_of_a_local_charm",
        &["restore", "radarr", "--import", "--yes"],
        1,
    );
    says(
        "import_of_a_charm_that_is_not_there",
        &[
            "restore",
            "radarr",
            "--import",
            "--charm",
            "nosuch.charm",
            "--yes",
        ],
        2,
    );
    says(
        "import_without_image",
        &[
            "restore",
            "radarr",
            "--import",
            "--charm",
            &imports.charm,
            "--yes",
        ],
        2,
    );
    says(
        "import_of_two",
        &["restore", "radarr", "sonarr", "--import", "--yes"],
        2,
    );
    says(
        "import_unasked",
        &[
            "restore",
            "radarr",
            "--import",
            "--charm",
            &imports.charm,
            "--resource",
            IMAGE,
        ],
        2,
    );
    says("import_of_nothing", &["restore", "radarr", "--charm", "x"], 2);
    imports.is_untouched("refused");
}

/// Each step fails once: what is said, what is left, and that it is gone on with where the run is not at its end.
#[test]
fn a_step_that_fails_says_where_the_app_stands() {
    let fails = |name: &str, call: &str, code: i32| {
        let imports = Imports::with(IMPORTS);
        imports.home.around_juju(
            &format!("case \"$*\" in {call}) echo 'ERROR the controller says no' >&2; exit 1;; esac"),
            "",
        );
        let ran = imports.restore().exits(code);
        assert_snapshot!(name, without_what_differs(&ran.shown(), &imports));
        imports.home.around_juju("", "");
        imports
    };
    let imports = fails("import_fails", "import-filesystem*", 1);
    assert_eq!(imports.volume(), imports.old);
    for (name, call) in [
        ("import_removal_fails", "remove-application*"),
        ("import_deploy_fails", "deploy*"),
        ("import_relation_fails", "integrate*"),
    ] {
        let imports = fails(name, call, 4);
        // What it says of giving up names what only its file knows.
        assert!(
            fs::read_to_string(crate::rough::journal(&imports.home))
                .unwrap()
                .contains("backup-schedule=@daily")
        );
        imports.home.test.run(&["resume"]).exits(0);
        imports.is_restored(name);
    }
}

/// An address that an option holds may let in whoever knows it.
#[test]
fn what_an_option_is_set_to_is_in_no_message_and_no_log() {
    let imports = Imports::with(IMPORTS);
    let value = "https://hooks.example/s3cret?a=b 'c' \"d\"\n--trust";
    imports
        .home
        .juju(&["config", "radarr", &format!("backup-schedule={value}")]);
    imports.home.around_juju(
        "case \"$*\" in deploy*) echo 'ERROR the controller says no' >&2; exit 1;; esac",
        "",
    );
    let arguments = [imports.arguments(), vec!["--verbose"]].concat();
    let ran = imports.home.test.run(&arguments).exits(4);
    assert!(
        !ran.shown().contains("s3cret") && ran.stderr.contains("--config backup-schedule=VALUE"),
        "{}",
        ran.shown()
    );
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored_with(value, "as it was set");
}

#[test]
fn what_becomes_of_the_volume_in_between_is_seen_before_the_app_is_removed() {
    let imports = Imports::with(IMPORTS);
    // The charm goes away once the volume is imported.
    let moved = format!("{}.away", imports.charm);
    imports.home.around_juju(
        "",
        &format!(
            "case \"$*\" in import-filesystem*) /bin/mv {} {moved};; esac",
            imports.charm
        ),
    );
    let ran = imports.restore().exits(4);
    assert_snapshot!("import_charm_gone", without_what_differs(&ran.shown(), &imports));
    assert_eq!(imports.volume(), imports.old);
    fs::rename(&moved, &imports.charm).unwrap();
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("the charm is there again");
}

/// A backup that is not there any more when it is restored ends the run, and the app is as it was.
#[test]
fn a_backup_that_goes_between_plan_and_run_ends_it() {
    let imports = Imports::with(IMPORTS);
    assert!(imports.killed_at_write(1, false));
    let mut backups = imports.home.test.cluster.list("/apis/velero.io/v1/backups");
    let mut backup = backups.remove(0);
    backup["metadata"]["uid"] = "another".into();
    imports.home.test.put(backup);
    let ran = imports.home.test.run(&["resume"]).exits(1);
    assert_snapshot!("import_backup_gone", without_what_differs(&ran.shown(), &imports));
    imports.is_untouched("no backup");
}

/// Names that follow from numbers say nothing here.
pub fn without_what_differs(text: &str, imports: &Imports) -> String {
    let mut text = text.replace(&imports.old, "OLD-VOLUME");
    let runs = imports.home.test.path("home/.local/state/configuratarr/runs");
    for run in fs::read_dir(runs).into_iter().flatten().flatten() {
        let name = run.path().file_stem().unwrap().to_str().unwrap().to_owned();
        text = text.replace(&name, "RUN");
    }
    let words = text.split_inclusive(char::is_whitespace);
    let is_uid = |word: &str| word.trim().len() == 36 && word.trim().matches('-').count() == 4;
    words
        .map(|word| match is_uid(word.trim_matches('"')) {
            true => word.replace(word.trim().trim_matches('"'), "UID"),
            false => word.to_owned(),
        })
        .collect()
}
