//! A plan as commands, run by bash with a `kubectl` that writes down what it is asked for and runs here what it should run
//! in a container.
#![cfg(test)]

#[allow(dead_code, reason = "each test program uses the part that it needs")]
#[path = "reading/sample.rs"]
mod sample;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use config_recovery::backups::BackupContents;
use config_recovery::engine::{BY_HAND, RestorePlan, UnitPod, exchanged_by_hand};
use serde_json::Value;

/// Of `exec` the words behind `--` are run here, but for the app's Pebble; the archive is made of the folder `restored`.
const KUBECTL: &str = r#"#!/bin/bash
printf '%s\n' "$*" | head -n 1 >> "$PLAYED/calls"
case "$1" in
  create) cat >> "$PLAYED/objects" ;;
  get) printf 'found-%s' "$4" ;;
  exec)
    while [ "$1" != -- ]; do shift; done
    shift
    case "$*" in
      "/charm/bin/pebble stop radarr") ;;
      "tar -C /restored -cf - .") tar -C "$PLAYED/restored" -cf - . ;;
      tar*|sh*|rm*) "$@" ;;
      *) exit 1 ;;
    esac ;;
  wait|delete) ;;
  *) exit 1 ;;
esac
"#;

const UNIT: UnitPod<'static> = UnitPod {
    pod: "radarr-0",
    charm: "charm",
    workload: "radarr",
    service: "radarr",
};

/// A volume with previous content, a restored one with new content, and the fake `kubectl`.
struct Stage {
    folder: tempfile::TempDir,
}

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        for path in [
            "bin",
            "the volume/lost+found",
            "the volume/sub",
            "restored/.velero",
            "restored/new sub",
        ] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for path in [
            "the volume/old.xml",
            "the volume/sub/old",
            "restored/new sub/.hidden",
            "restored/new.xml",
            "restored/.velero/1",
        ] {
            fs::write(at(path), path).unwrap();
        }
        fs::write(at("bin/kubectl"), KUBECTL).unwrap();
        fs::set_permissions(at("bin/kubectl"), fs::Permissions::from_mode(0o755)).unwrap();
        Self { folder }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    fn plan(&self) -> RestorePlan {
        RestorePlan {
            target: sample::radarr(),
            scratch: sample::spec(),
            volume: self.at("the volume"),
            keep_old: true,
            stage_elsewhere: None,
            elsewhere: self.at("elsewhere"),
            patience: None,
            sets_before: None,
            earlier: config_recovery::backups::Earlier::default(),
            safety_backup: None,
        }
    }

    /// Runs the commands and returns the calls of `kubectl`, a line each.
    fn play(&self, plan: &RestorePlan) -> Vec<String> {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .arg("-c")
            .arg(plan.commands(UNIT))
            .env("PATH", path)
            .env("PLAYED", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        fs::read_to_string(self.at("calls"))
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    fn objects(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.at("objects")).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Paths of everything in the folder.
fn content(folder: &Path) -> Vec<String> {
    let output = Command::new("find")
        .arg(".")
        .current_dir(folder)
        .output()
        .unwrap();
    let mut lines: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

const NEW_CONTENT: [&str; 5] = [".", "./lost+found", "./new sub", "./new sub/.hidden", "./new.xml"];

#[test]
fn what_a_backup_holds_is_exchanged_for_what_was_there() {
    let stage = Stage::new();
    let calls = stage.play(&stage.plan());
    assert_eq!(content(&stage.at("the volume")), NEW_CONTENT);
    let place = |what: &str| {
        calls
            .iter()
            .position(|call| call.contains(what))
            .unwrap_or_else(|| panic!("{what}: {calls:#?}"))
    };
    let order = [
        "wait -n velero podvolumerestores.velero.io/",
        "tar -C /restored",
        "delete namespace restore-radarr-",
        "delete -n velero podvolumerestores.velero.io/",
        "pebble stop radarr",
        "find ",
        "delete -n media pod radarr-0",
        "wait -n media pod radarr-0",
        "rm -rf",
    ];
    let order: Vec<usize> = order.into_iter().map(place).collect();
    assert!(order.is_sorted(), "{calls:#?}");
}

#[test]
fn the_objects_are_those_of_the_engine_with_the_uids_of_what_was_made() {
    let stage = Stage::new();
    stage.play(&stage.plan());
    let objects = stage.objects();
    let kinds: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert_eq!(
        kinds,
        [
            "Namespace",
            "ServiceAccount",
            "PersistentVolumeClaim",
            "Pod",
            "PodVolumeRestore"
        ]
    );
    let versions = objects.iter().map(|object| &object["apiVersion"]);
    assert!(
        versions.eq(["v1", "v1", "v1", "v1", "velero.io/v1"]),
        "{objects:#?}"
    );
    // The volume is read in the container that Velero waits for.
    let mounts = &objects[3]["spec"]["initContainers"][0]["volumeMounts"];
    assert_eq!(mounts[0]["mountPath"], "/restored");
    let restore = &objects[4];
    assert_eq!(restore["spec"]["pod"]["uid"], "found-pod");
    assert_eq!(restore["metadata"]["labels"]["velero.io/pod-uid"], "found-pod");
    assert_eq!(
        restore["metadata"]["labels"]["velero.io/pvc-uid"],
        "found-persistentvolumeclaim"
    );
    assert_eq!(restore["spec"]["snapshotID"], "s1");
}

#[test]
fn a_snapshot_comes_back_by_a_restore_and_its_claim_is_looked_for() {
    let stage = Stage::new();
    let mut plan = stage.plan();
    plan.scratch.backup.holds = BackupContents::Snapshot { count: 1 };
    let calls = stage.play(&plan);
    let objects = stage.objects();
    let kinds: Vec<&str> = objects
        .iter()
        .filter_map(|object| object["kind"].as_str())
        .collect();
    assert_eq!(kinds, ["Namespace", "ServiceAccount", "Restore", "Pod"]);
    assert_eq!(
        objects[3]["spec"]["volumes"][0]["persistentVolumeClaim"]["claimName"],
        "found-persistentvolumeclaim"
    );
    for what in [
        "wait -n velero restores.velero.io/",
        "delete -n velero restores.velero.io/",
        "delete volumesnapshotcontents",
    ] {
        assert!(calls.iter().any(|call| call.contains(what)), "{what}: {calls:#?}");
    }
    assert_eq!(content(&stage.at("the volume")), NEW_CONTENT);
}

#[test]
fn without_room_for_both_the_old_content_goes_first() {
    let stage = Stage::new();
    let mut plan = stage.plan();
    plan.keep_old = false;
    plan.stage_elsewhere = Some(stage.at("else where"));
    stage.play(&plan);
    assert_eq!(content(&stage.at("the volume")), NEW_CONTENT);
    assert!(!stage.at("else where").exists());
}

#[test]
fn nothing_that_a_cluster_says_is_run() {
    let stage = Stage::new();
    let mut plan = stage.plan();
    let hostile = "'$(touch pwned)`touch pwned`\"\nEND\ntouch pwned; \\";
    plan.scratch.backup.name = hostile.to_owned();
    plan.scratch.holder = hostile.to_owned();
    plan.target.model = format!("m {hostile}");
    plan.scratch.backup.velero_namespace = hostile.to_owned();
    if let BackupContents::Files(files) = &mut plan.scratch.backup.holds {
        files.snapshot_id = hostile.to_owned();
        files.source_namespace = hostile.to_owned();
        files.uploader = "restic".to_owned();
    }
    stage.play(&plan);
    assert!(!stage.at("pwned").exists());
    assert_eq!(stage.objects()[4]["spec"]["snapshotID"], hostile);
}

#[test]
fn the_commands_say_what_they_do_and_name_a_repository_for_restic_alone() {
    let stage = Stage::new();
    let mut plan = stage.plan();
    let text = plan.commands(UNIT);
    assert!(
        text.starts_with("# Brings backup b1 back to radarr in model media.\n"),
        "{text}"
    );
    assert!(!text.contains("repository="), "{text}");
    if let BackupContents::Files(files) = &mut plan.scratch.backup.holds {
        files.uploader = "restic".to_owned();
    }
    assert!(
        plan.commands(UNIT)
            .contains("repository=$(kubectl get -n velero backuprepositories")
    );
    stage.play(&plan);
    assert_eq!(
        stage.objects()[4]["spec"]["repoIdentifier"],
        "found-backuprepositories.velero.io"
    );
}

#[test]
fn an_exchange_by_hand_is_told_while_it_has_not_ended() {
    let volume = tempfile::tempdir().unwrap();
    assert_eq!(exchanged_by_hand(volume.path()), None);
    let folder = volume.path().join(BY_HAND);
    fs::create_dir(&folder).unwrap();
    assert_eq!(exchanged_by_hand(volume.path()), None);
    fs::write(folder.join("exchanging"), "").unwrap();
    let told = exchanged_by_hand(volume.path()).unwrap();
    assert!(
        told.contains("put .restore-by-hand/old back and remove exchanging beside it"),
        "{told}"
    );
}
