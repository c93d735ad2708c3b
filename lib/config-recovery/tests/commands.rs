//! A plan as commands, run by bash with a `kubectl` that writes down what it is asked for and runs here what it should run
//! in a container.
#![cfg(test)]

#[allow(dead_code, reason = "each test program uses the part that it needs")]
#[path = "reading/sample.rs"]
mod sample;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use config_recovery::backups::BackupContents;
use config_recovery::engine::{RestorePlan, UnitPod, exchanged_by_hand};
use config_volume::BY_HAND;
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
      "/charm/bin/pebble services") cat "$PLAYED/services" ;;
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
            // It was made beside what an earlier restore by hand had kept.
            "restored/.restore-by-hand/old",
        ] {
            fs::create_dir_all(at(path)).unwrap();
        }
        for path in [
            "the volume/old.xml",
            "the volume/sub/old",
            "restored/new sub/.hidden",
            "restored/new.xml",
            "restored/.velero/1",
            "restored/.restore-by-hand/old/1",
        ] {
            fs::write(at(path), path).unwrap();
        }
        fs::write(
            at("services"),
            "Service  Startup  Current\nradarr   enabled  active\n",
        )
        .unwrap();
        let stage = Self { folder };
        stage.puts_in_path("kubectl", KUBECTL);
        stage
    }

    /// A program that is found before any other of this name.
    fn puts_in_path(&self, name: &str, script: &str) {
        test_programs::write(&self.at("bin").join(name), script).unwrap();
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

    /// Runs commands; what they said, if they did not work.
    fn run(&self, commands: &str) -> Result<(), String> {
        let path = format!("{}:{}", self.at("bin").display(), std::env::var("PATH").unwrap());
        let output = Command::new("bash")
            .args(["-c", &format!("set -euo pipefail\n{commands}")])
            .env("PATH", path)
            .env("PLAYED", self.folder.path())
            .current_dir(self.folder.path())
            .output()
            .unwrap();
        match output.status.success() {
            true => Ok(()),
            false => Err(String::from_utf8(output.stderr).unwrap()),
        }
    }

    /// Runs the commands and returns the calls of `kubectl`, a line each.
    fn play(&self, plan: &RestorePlan) -> Vec<String> {
        self.run(&plan.commands(UNIT)).unwrap();
        self.calls()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.at("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
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
const OLD_CONTENT: [&str; 5] = [".", "./lost+found", "./old.xml", "./sub", "./sub/old"];

/// What is in the volume beside what a restore by hand has of its own.
fn in_use(stage: &Stage) -> Vec<String> {
    let mut lines = content(&stage.at("the volume"));
    lines.retain(|line| !line.starts_with(&format!("./{BY_HAND}")));
    lines
}

/// The commands from this comment on, without those after `to`.
fn part(commands: &str, from: &str, to: &str) -> String {
    let begin = commands
        .find(from)
        .unwrap_or_else(|| panic!("{from}: {commands}"));
    let end = commands.find(to).unwrap_or_else(|| panic!("{to}: {commands}"));
    commands[begin..end].to_owned()
}

#[test]
fn what_a_backup_holds_is_exchanged_for_what_was_there() {
    let stage = Stage::new();
    let calls = stage.play(&stage.plan());
    assert_eq!(in_use(&stage), NEW_CONTENT);
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
    ];
    let order: Vec<usize> = order.into_iter().map(place).collect();
    assert!(order.is_sorted(), "{calls:#?}");
}

/// A pod is ready as soon as its Pebble answers, before the charm has started the app.
#[test]
fn the_previous_content_stays_until_a_person_has_seen_the_app() {
    let stage = Stage::new();
    let commands = stage.plan().commands(UNIT);
    stage.play(&stage.plan());
    let old = stage.at("the volume").join(BY_HAND).join("old");
    assert_eq!(content(&old), [".", "./old.xml", "./sub", "./sub/old"]);
    let last = commands.lines().last().unwrap();
    assert!(last.starts_with("echo "), "{last}");
    stage
        .run(&format!("bash -c \"$({last} | sed 's/^[^:]*: //')\""))
        .unwrap();
    assert_eq!(content(&stage.at("the volume")), NEW_CONTENT);
}

#[test]
fn what_an_earlier_restore_by_hand_kept_is_no_place_for_another_one() {
    let stage = Stage::new();
    stage.play(&stage.plan());
    fs::remove_file(stage.at("calls")).unwrap();
    let error = stage.run(&stage.plan().commands(UNIT)).unwrap_err();
    assert!(error.contains("old is there: end that restore"), "{error}");
    assert_eq!(stage.calls().len(), 1, "nothing is made, and the app runs");
    assert_eq!(exchanged_by_hand(&stage.at("the volume")), None);
}

#[test]
fn files_of_a_copy_that_broke_off_are_in_no_other_one() {
    let stage = Stage::new();
    let new = stage.at("the volume").join(BY_HAND).join("new");
    fs::create_dir_all(&new).unwrap();
    fs::write(new.join("of another backup"), "").unwrap();
    stage.play(&stage.plan());
    assert_eq!(in_use(&stage), NEW_CONTENT);
}

/// After the loss of its volume the app has not started in this pod.
#[test]
fn an_app_that_its_pebble_does_not_know_is_not_stopped() {
    let stage = Stage::new();
    fs::write(stage.at("services"), "").unwrap();
    let calls = stage.play(&stage.plan());
    assert!(
        !calls.iter().any(|call| call.contains("pebble stop")),
        "{calls:#?}"
    );
    assert_eq!(in_use(&stage), NEW_CONTENT);
}

/// As the status says: from the exchange on, again.
#[test]
fn an_exchange_that_was_cut_off_anywhere_is_run_again() {
    // One entry after the other, and no further than so many.
    let mv = r#"#!/bin/bash
to="${@: -1}"
for from in "${@:1:$#-1}"; do
  echo >> "$PLAYED/moves"
  [ "$(wc -l < "$PLAYED/moves")" -le "$(cat "$PLAYED/at most")" ] || exit 1
  /bin/mv "$from" "$to"
done
"#;
    for moves in 0..=4 {
        let stage = Stage::new();
        stage.puts_in_path("mv", mv);
        fs::write(stage.at("at most"), moves.to_string()).unwrap();
        let commands = stage.plan().commands(UNIT);
        let done = stage.run(&commands);
        assert_eq!(done.is_ok(), moves == 4, "{moves}: {done:?}");
        let told = exchanged_by_hand(&stage.at("the volume"));
        assert_eq!(told.is_some(), moves < 4, "{moves}: {told:?}");
        if let Some(told) = told {
            fs::write(stage.at("at most"), "99").unwrap();
            let from = told.split('"').nth(1).unwrap();
            stage
                .run(&commands[commands.find(&format!("# {from}")).unwrap()..])
                .unwrap();
        }
        assert_eq!(in_use(&stage), NEW_CONTENT, "{moves}");
        let old = stage.at("the volume").join(BY_HAND).join("old");
        assert_eq!(content(&old), [".", "./old.xml", "./sub", "./sub/old"], "{moves}");
    }
}

/// It would take the new content for the previous one, and put it over that.
#[test]
fn an_exchange_that_has_ended_is_not_made_once_more() {
    for (elsewhere, old) in [
        (false, &[".", "./old.xml", "./sub", "./sub/old"][..]),
        (true, &[]),
    ] {
        let stage = Stage::new();
        let plan = match elsewhere {
            true => without_room(&stage),
            false => stage.plan(),
        };
        let commands = plan.commands(UNIT);
        stage.run(&commands).unwrap();
        let again = part(&commands, "# Exchange the content", "# Start the pod anew");
        let error = stage.run(&again).unwrap_err();
        assert!(error.contains("the exchange has ended"), "{error}");
        assert_eq!(in_use(&stage), NEW_CONTENT);
        let folder = stage.at("the volume").join(BY_HAND).join("old");
        assert_eq!(folder.exists(), !old.is_empty());
        if folder.exists() {
            assert_eq!(content(&folder), old);
        }
    }
}

/// As `docs/src/howto/by-hand.md` says.
#[test]
fn the_previous_content_comes_back_by_the_same_commands() {
    let stage = Stage::new();
    stage.play(&stage.plan());
    let folder = stage.at("the volume").join(BY_HAND);
    fs::remove_dir_all(folder.join("new")).unwrap();
    fs::rename(folder.join("old"), folder.join("new")).unwrap();
    let commands = stage.plan().commands(UNIT);
    let back = part(&commands, "# Stop the app.", "# Start the pod anew");
    stage.run(&back).unwrap();
    assert_eq!(in_use(&stage), OLD_CONTENT);
    assert_eq!(exchanged_by_hand(&stage.at("the volume")), None);
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
    assert_eq!(in_use(&stage), NEW_CONTENT);
}

fn without_room(stage: &Stage) -> RestorePlan {
    RestorePlan {
        keep_old: false,
        stage_elsewhere: Some(stage.at("else where")),
        ..stage.plan()
    }
}

#[test]
fn without_room_for_both_the_old_content_goes_first() {
    let stage = Stage::new();
    stage.play(&without_room(&stage));
    assert_eq!(in_use(&stage), NEW_CONTENT);
    assert!(!stage.at("else where").exists());
}

/// The volume is full, and what was to be copied there would be gone with the only other copy in the pod.
#[test]
fn what_cannot_be_copied_ends_the_exchange_before_anything_else_goes() {
    let stage = Stage::new();
    stage.puts_in_path("cp", "#!/bin/sh\nexit 1\n");
    let commands = without_room(&stage).commands(UNIT);
    stage.run(&commands).unwrap_err();
    assert!(exchanged_by_hand(&stage.at("the volume")).is_some());
    assert!(stage.at("else where/new.xml").exists());

    // The pod was replaced, and its disk with it: the volume is not emptied for that.
    let again = commands.find("# Exchange the content").unwrap();
    fs::rename(stage.at("else where"), stage.at("gone")).unwrap();
    fs::write(stage.at("the volume/of before"), "").unwrap();
    let error = stage.run(&commands[again..]).unwrap_err();
    assert!(error.contains("is gone: run all commands again"), "{error}");
    assert!(stage.at("the volume/of before").exists());
    fs::rename(stage.at("gone"), stage.at("else where")).unwrap();

    fs::remove_file(stage.at("bin/cp")).unwrap();
    let again = commands.find("# Exchange the content").unwrap();
    stage.run(&commands[again..]).unwrap();
    assert_eq!(in_use(&stage), NEW_CONTENT);
    assert_eq!(exchanged_by_hand(&stage.at("the volume")), None);
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
    assert_eq!(
        told,
        "by hand; run its commands from \"Exchange the content\" on again"
    );
}
