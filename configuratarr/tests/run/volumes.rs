//! What becomes of volumes, the app and its place while a restored volume is imported: the app is removed only where what it has is kept.

use std::fs;
use std::io::Read as _;
use std::process::Stdio;

use insta::assert_snapshot;
use juju_sim::{ClusterRequest, Rights, StandInCluster};
use serde_json::{Value, json};

use crate::common::{Ran, TOKEN};
use crate::imported::{IMPORTS, without_what_differs};
use crate::imports::{IMAGE, Imports};

/// How the program itself removed the app.
fn removals(imports: &Imports) -> usize {
    let calls = imports.home.test.juju_calls();
    calls
        .iter()
        .filter(|call| call.starts_with("remove-application"))
        .count()
}

/// Something happens at the first look at Juju after the import, which is the one before the removal.
fn with_this_before_the_removal(imports: &Imports, what: &str) -> Ran {
    imports.home.around_juju(
        &format!(
            "case \"$*\" in status*) if [ -e imported ] && [ ! -e done ]; then touch done; {what}; fi;; esac"
        ),
        "case \"$*\" in import-filesystem*) touch imported;; esac",
    );
    let ran = imports.restore().exits(4);
    assert!(imports.home.test.bin().join("done").exists(), "{}", ran.shown());
    assert_eq!(removals(imports), 0, "{}", ran.shown());
    ran
}

/// Whether the app can come back nobody can tell: then it is not removed.
#[test]
fn an_app_is_not_removed_where_juju_does_not_tell_of_its_storage() {
    let imports = Imports::with(IMPORTS);
    imports.home.around_juju(
        "case \"$*\" in storage*) if [ -e looked ]; then exec sleep 1000; fi; if [ -e imported ]; then touch looked; fi;; esac",
        "case \"$*\" in import-filesystem*) touch imported;; esac",
    );
    let arguments = [imports.arguments(), vec!["--juju-limit", "1"]].concat();
    let ran = imports.home.test.run(&arguments).exits(4);
    assert!(imports.home.test.bin().join("looked").exists(), "{}", ran.shown());
    assert_eq!(removals(&imports), 0, "{}", ran.shown());
    assert_eq!(imports.volume(), imports.old);
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("Juju tells again");
}

/// Somebody has deployed the app anew since this was planned: its volume is another one, which nobody keeps.
#[test]
fn an_app_with_another_volume_than_planned_is_not_removed() {
    let imports = killed_at("keep-old", true);
    let planned = json!({
        "apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "pvc-planned"},
        "spec": {"persistentVolumeReclaimPolicy": "Retain"}, "status": {"phase": "Released"},
    });
    imports.home.test.put(planned);
    for (step, code) in [("remove", 4), ("keep-old", 1)] {
        change(&imports, |run| {
            run["plan"]["items"][0]["import"]["oldVolume"] = "pvc-planned".into();
            run["progress"][0]["step"] = step.into();
        });
        let ran = imports.home.test.run(&["resume"]).exits(code);
        assert_eq!(removals(&imports), 0, "{}", ran.shown());
        assert_snapshot!(
            format!("import_other_volume_{step}"),
            without_what_differs(&ran.shown(), &imports)
        );
        assert_eq!(imports.volume(), imports.old);
    }
}

/// Somebody has it deleted with its claim again.
#[test]
fn an_app_whose_volume_would_go_is_not_removed() {
    let imports = killed_at("keep-old", true);
    let mut volume = imports.volume_named(&imports.old).unwrap();
    assert_eq!(volume["spec"]["persistentVolumeReclaimPolicy"], "Retain");
    // The run goes on after that step.
    change(&imports, |run| run["progress"][0]["step"] = "remove".into());
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Delete".into();
    imports.home.test.put(volume);
    imports.home.around_juju("", "");
    let ran = imports.home.test.run(&["resume"]).exits(4);
    assert_eq!(removals(&imports), 0, "{}", ran.shown());
    assert_snapshot!(
        "import_volume_would_go",
        without_what_differs(&ran.shown(), &imports)
    );
    // What it says is to be done brings it on.
    let mut volume = imports.volume_named(&imports.old).unwrap();
    volume["spec"]["persistentVolumeReclaimPolicy"] = "Retain".into();
    imports.home.test.put(volume);
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("it is kept again");
}

/// Somebody has added a unit: one would come again.
#[test]
fn an_app_with_more_units_than_planned_is_not_removed() {
    let imports = Imports::with(IMPORTS);
    let ran = with_this_before_the_removal(&imports, "real/juju scale-application radarr 2 >/dev/null 2>&1");
    assert!(
        ran.stderr.contains("radarr has 2 units by now"),
        "{}",
        ran.shown()
    );
}

/// A second import, of another machine, has removed the place of the first one and made its own: that is not taken for what came back.
#[test]
fn the_place_of_another_run_is_not_taken_for_ones_own() {
    let imports = killed_at("keep", false);
    let mut place = imports.home.test.cluster.list("/api/v1/namespaces").remove(0);
    place["metadata"]["labels"]["config-recovery/run"] = "another".into();
    imports.home.test.put(place.clone());
    let ran = imports.home.test.run(&["resume"]).exits(1);
    assert_snapshot!(
        "import_place_of_another_run",
        without_what_differs(&ran.shown(), &imports)
    );
    assert_eq!(imports.volume(), imports.old);
    assert_eq!(imports.home.test.cluster.list("/api/v1/namespaces"), [place]);
    assert!(
        imports
            .home
            .test
            .juju_calls()
            .iter()
            .all(|call| !call.starts_with("import-filesystem"))
    );
}

/// The app is removed and not deployed yet: to deploy it in another way would leave the restored volume, and the run without an end.
#[test]
fn nothing_else_is_begun_in_the_middle_of_an_import() {
    let imports = Imports::with(IMPORTS);
    imports
        .home
        .around_juju("case \"$*\" in deploy*) kill -9 $PPID; exit 1;; esac", "");
    let killed = imports.restore();
    assert_eq!(killed.code, None, "{}", killed.shown());
    imports.home.around_juju("", "");
    for arguments in [
        vec![
            "redeploy",
            "radarr",
            "--charm",
            &imports.charm,
            "--resource",
            IMAGE,
            "--yes",
        ],
        vec!["restore", "radarr", "--yes"],
        imports.arguments(),
    ] {
        let ran = imports.home.test.run(&arguments).exits(1);
        assert!(
            ran.stderr
                .contains("is in the middle of the import of radarr\nnext: configuratarr resume "),
            "{}",
            ran.shown()
        );
    }
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored("gone on with");
}

/// Killed before or after the write to Kubernetes that a step is for: both of these tell a volume to stay.
fn killed_at(step: &str, after: bool) -> Imports {
    let whole = Imports::with(IMPORTS).restore().exits(0);
    let writes: Vec<_> = whole
        .requests
        .iter()
        .filter(|request| request.is_write())
        .collect();
    let keeps = |request: &&ClusterRequest| {
        request.method == "PATCH" && request.path.starts_with("/api/v1/persistentvolumes/")
    };
    let at = match step {
        "keep" => writes.iter().position(keeps),
        _ => writes.iter().rposition(keeps),
    };
    let imports = Imports::with(IMPORTS);
    assert!(imports.killed_at_write(at.unwrap() + 1, after));
    assert_eq!(step_of(&imports), step);
    imports
}

/// The cluster goes away in the middle, or the login to it ends: nothing of the app is touched, and it is gone on with.
#[test]
fn a_cluster_that_goes_away_and_a_login_that_ends_end_nothing() {
    ends_nothing(
        "API server",
        |cluster| cluster.answers(false),
        |cluster| cluster.answers(true),
    );
    ends_nothing(
        "log in to the cluster again",
        |cluster| cluster.expire(TOKEN),
        |cluster| cluster.admit("admin", TOKEN, Rights::Admin),
    );
}

fn ends_nothing(says: &str, goes: fn(&StandInCluster), comes_back: fn(&StandInCluster)) {
    let imports = Imports::with(IMPORTS);
    let gate = imports.home.gate("gate");
    let wait = format!(
        "case \"$*\" in import-filesystem*) echo here >'{0}'; {1} esac",
        gate.path().display(),
        gate.wait().replace('\n', ";;")
    );
    imports.home.around_juju("", &wait);
    let mut command = imports.home.test.command(&imports.arguments());
    let mut running = command
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    assert_eq!(fs::read_to_string(gate.path()).unwrap(), "here\n");
    goes(&imports.home.test.cluster);
    gate.open();
    let mut said = String::new();
    running.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(running.wait().unwrap().code(), Some(4), "{said}");
    assert!(
        said.contains("radarr is as it was") && said.contains("configuratarr resume") && said.contains(says),
        "{said}"
    );
    comes_back(&imports.home.test.cluster);
    assert_eq!(imports.volume(), imports.old);
    imports.home.around_juju("", "");
    imports.home.test.run(&["resume"]).exits(0);
    imports.is_restored(says);
}

fn journal(imports: &Imports) -> std::path::PathBuf {
    let runs = fs::read_dir(imports.home.test.path("home/.local/state/configuratarr/runs")).unwrap();
    let mut paths = runs.map(|entry| entry.unwrap().path());
    paths
        .find(|path| path.extension().is_some_and(|end| end == "json"))
        .unwrap()
}

/// The step that the only run is at.
fn step_of(imports: &Imports) -> String {
    let run: Value = serde_json::from_str(&fs::read_to_string(journal(imports)).unwrap()).unwrap();
    run["progress"][0]["step"].as_str().unwrap_or_default().to_owned()
}

fn change(imports: &Imports, change: impl FnOnce(&mut Value)) {
    let path = journal(imports);
    let mut run: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut run);
    fs::write(path, run.to_string()).unwrap();
}
