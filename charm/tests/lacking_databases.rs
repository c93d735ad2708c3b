//! Backups that lack the database of what the app counts.

use std::collections::BTreeMap;
use std::path::Path;

use crate::common::nightly;
use crate::common::recovery::good;
use crate::common::unit::Unit;
use crate::contents::{DATABASE, config, latest, settled, with_backup};
use config_recovery::backups::{BackupSummary, LastGood};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::Event;
use serde_json::{Value, json};
use workload_charm::backup::hooks::HookCommand;
use workload_charm::names::APP_FILE;

/// Puts something in the place of a database.
pub type Puts = fn(&Path);

/// How a database can be missing.
const MISSING: [(&str, Puts); 3] = [
    ("it was removed", |_| {}),
    ("it is empty", |database| std::fs::write(database, "").unwrap()),
    ("it is a folder", |database| {
        std::fs::create_dir(database).unwrap()
    }),
];

/// What comes back is the app's, but for its database.
pub fn without_database(unit: &mut Unit, missing: Puts) {
    with_backup(unit, Some("6.1.1.10360-ls299"), 218, 9);
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("config.xml"), config("Theme")).unwrap();
        missing(&folder.join(DATABASE));
    }));
}

#[test]
fn a_backup_without_the_database_of_what_is_there_is_refused_unless_forced() {
    for (case, missing) in MISSING {
        let mut unit = settled();
        without_database(&mut unit, missing);
        let reason = "its database with the films is missing or empty, and Radarr has 12 here";
        // Nobody has seen it yet: only the restored volume tells.
        let unseen = unit.act("restore-from-backup", latest()).unwrap_err();
        assert!(
            unseen.contains(reason)
                && unseen.ends_with(
                    "(force=true restores it all the same); choose another backup: list-backups, then restore again"
                ),
            "{case}: {unseen}"
        );
        assert!(unit.runs());
        let verified = unit.act("verify-backup", latest()).unwrap();
        let differences = verified["differences"].as_str().unwrap();
        assert!(
            differences.starts_with("films 12 → none\n"),
            "{case}: {differences}"
        );
        let notes = verified["notes"].as_str().unwrap();
        assert!(
            notes.contains(&format!("restore-from-backup would refuse it: {reason}")),
            "{case}: {notes}"
        );
        let dry = json!({"backup-uid": "latest", "dry-run": true});
        let foreseen = unit.act("restore-from-backup", dry).unwrap();
        assert_eq!(foreseen["differences"], verified["differences"], "{case}");
        let notes = foreseen["notes"].as_str().unwrap();
        assert!(
            notes.starts_with(&format!("it will be refused: {reason}")),
            "{case}: {notes}"
        );
        unit.recovery.calls.take();
        let seen = unit.act("restore-from-backup", latest()).unwrap_err();
        assert_eq!(seen, unseen, "{case}");
        assert_eq!(unit.recovery.calls.take(), ["plan_restore"], "{case}");
        let listed = unit.act("list-backups", json!({})).unwrap();
        let contents = listed["backups"]["aaaa-1"]["contents"].as_str().unwrap();
        assert!(contents.contains("films none"), "{case}: {contents}");
        // The fake engine puts files in place, and no folders.
        if case == "it is a folder" {
            continue;
        }
        let forced = json!({"backup-uid": "latest", "force": true});
        let restored = unit.act("restore-from-backup", forced).unwrap();
        let notes = restored["notes"].as_str().unwrap();
        assert!(
            notes.contains(&format!("restored by force: {reason}")),
            "{case}: {notes}"
        );
        assert!(
            restored["differences"]
                .as_str()
                .unwrap()
                .contains("films 12 → none"),
            "{case}: {restored:?}"
        );
    }
}

/// What it holds cannot be told, and that is no loss.
#[test]
fn a_database_that_cannot_be_counted_and_one_that_never_was_are_no_alarm() {
    let mut unit = settled();
    without_database(&mut unit, |database| {
        std::fs::write(database, "encrypted".repeat(1000)).unwrap();
    });
    let restored = unit.act("restore-from-backup", latest()).unwrap();
    let notes = restored["notes"].as_str().unwrap();
    assert!(notes.contains("not told by the backup: films: "), "{notes}");
    assert_eq!(restored.get("differences"), None, "{restored:?}");

    let mut unit = settled();
    std::fs::remove_file(unit.volume().join(DATABASE)).unwrap();
    without_database(&mut unit, |_| {});
    for _ in 0..2 {
        let verified = unit.act("verify-backup", latest()).unwrap();
        assert_eq!(verified["differences"], "none", "{verified:?}");
        let notes = verified.get("notes").map(ToString::to_string);
        let warns = |line: &String| line.contains("warning");
        assert!(!unit.logs.iter().any(warns), "{:?}", unit.logs);
        assert!(
            notes.is_none_or(|notes| !notes.contains("nothing that counts") && !notes.contains("refuse")),
            "{verified:?}"
        );
    }
    unit.act("restore-from-backup", latest()).unwrap();
}

/// Velero runs the commands around a backup: what each of them noted is compared.
#[test]
fn a_backup_that_lost_the_database_is_warned_of_and_refused_by_what_the_one_before_had() {
    // What the volume and the user's ignore file are at the time of the backup.
    let ignored: Puts = |database| {
        std::fs::write(database.with_file_name(".kopiaignore"), "*\n").unwrap();
    };
    for (case, missing) in MISSING.into_iter().chain([("it is left out", ignored)]) {
        let mut unit = settled();
        unit.cluster.trust();
        unit.run(Event::ConfigChanged);
        let charm_dir = unit.volume().with_file_name("charm");
        let app = crate::common::apps_folder().join("radarr.yaml");
        std::fs::copy(app, charm_dir.join(APP_FILE)).unwrap();
        let backed_up = |unit: &Unit| {
            for verb in ["before-backup", "after-backup"] {
                let arguments = [verb.into(), unit.volume().into_os_string()];
                let command = HookCommand::parse(arguments).unwrap().unwrap();
                command.run(&charm_dir).unwrap();
            }
        };
        backed_up(&unit);
        // It was yesterday's.
        let file = charm_dir.with_file_name("contents-seen.json");
        let list: BTreeMap<u64, Value> = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let day_before = |(made, mut seen): (u64, Value)| {
            seen["made"] = json!(made - 86_400);
            (made - 86_400, seen)
        };
        let list: BTreeMap<u64, Value> = list.into_iter().map(day_before).collect();
        std::fs::write(&file, serde_json::to_vec(&list).unwrap()).unwrap();
        let database = unit.volume().join(DATABASE);
        if case != "it is left out" {
            std::fs::remove_file(&database).unwrap();
        }
        missing(&database);
        backed_up(&unit);
        let (now, minute) = (Timestamp::now(), SignedDuration::from_mins(1));
        let last = BackupSummary {
            started: Some(now - minute),
            completed: Some(now + minute),
            ..good("aaaa-2", "radarr")
        };
        unit.recovery.made = Some(last.clone());
        let made = unit.act("backup-now", json!({})).unwrap();
        let warning = made["warnings"].as_str().unwrap();
        assert!(
            warning.starts_with("its database with the films is missing or empty, and "),
            "{case}: {warning}"
        );
        unit.recovery.backups = Some(vec![last]);
        unit.recovery.standing = Some(nightly(
            Some(LastGood {
                name: "radarr-aaaa-2".to_owned(),
                uid: "aaaa-2".to_owned(),
                started: Some(now - minute),
                time: Some(now + minute),
                expires: Some(now + minute * 1000),
                bytes: Some(5_200_000),
            }),
            None,
        ));
        unit.run(Event::ConfigChanged);
        let status = unit.status();
        assert!(
            status.contains("the last good backup has 0 films") && status.contains(" had 12"),
            "{case}: {status}"
        );
        // Nothing is there now that could be lost: what the backup before had counts.
        if case != "it is left out" {
            let dry = json!({"backup-uid": "latest", "dry-run": true});
            let foreseen = unit.act("restore-from-backup", dry).unwrap();
            let notes = foreseen["notes"].as_str().unwrap();
            assert!(
                notes.starts_with(
                    "it will be refused: its database with the films is missing or empty, and the backup of "
                ) && notes.contains(" had 12 (force=true "),
                "{case}: {notes}"
            );
        }
    }
}
