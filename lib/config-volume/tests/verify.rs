//! Manifests of another backup, of an older version, and lists of files that are not what was written.
#![cfg(test)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use common::{back_up_and_restore, damage, days_later, judge, make_database, newest_set, own};
use config_volume::{
    ManifestState, Options, ProblemKind, Verdict, VerifyOptions, finish, prepare, put_in_place, verify,
    verify_with,
};
use serde_json::Value;

struct Restored {
    folder: tempfile::TempDir,
    volume: PathBuf,
}

/// A volume with two databases, one of them the app's own, and some files, as it comes out of a backup.
fn restored(options: &Options) -> Restored {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    make_database(&live.join("radarr.db"), "delete");
    make_database(&live.join("downloads/some.db"), "delete");
    for number in 0..20 {
        fs::write(
            live.join(format!("{number}.xml")),
            format!("<Config number=\"{number}\"/>"),
        )
        .unwrap();
    }
    restore(folder, options)
}

fn restore(folder: tempfile::TempDir, options: &Options) -> Restored {
    let (live, volume) = (folder.path().join("live"), folder.path().join("restored"));
    prepare(&live, options).unwrap();
    back_up_and_restore(&live, &volume);
    // Whether it finds something is for other tests.
    let _ = finish(&live);
    Restored { folder, volume }
}

fn kinds(verdict: &Verdict) -> Vec<ProblemKind> {
    verdict.problems.iter().map(|problem| problem.kind).collect()
}

fn manifest(volume: &Path) -> Value {
    serde_json::from_slice(&fs::read(newest_set(volume).join("manifest.json")).unwrap()).unwrap()
}

#[test]
fn a_manifest_that_is_older_than_the_backup_vouches_for_nothing() {
    let bed = restored(&own());
    let made = UNIX_EPOCH + Duration::from_secs(manifest(&bed.volume)["made"].as_u64().unwrap());
    let started = |after: u64, prefers_live| VerifyOptions {
        backup_started: Some(made + Duration::from_secs(after)),
        prefers_live,
        ..VerifyOptions::default()
    };
    // Clocks differ a little.
    for (after, is_stale) in [(0, false), (120, false), (121, true), (4 * 3600, true)] {
        let verdict = verify_with(&bed.volume, &started(after, false)).unwrap();
        assert_eq!(verdict.is_as_promised(), !is_stale, "{after}: {verdict:?}");
        let expected: &[ProblemKind] = if is_stale { &[ProblemKind::Stale] } else { &[] };
        assert_eq!(kinds(&verdict), expected);
        let names_clocks = |text: &str| text.contains("clocks of the app's node and of Velero's server");
        assert!(verdict.problems.iter().all(|problem| names_clocks(&problem.text)));
    }
    assert!(
        verify(&bed.volume).unwrap().is_as_promised(),
        "nobody knows when it began"
    );
    let before = VerifyOptions {
        backup_started: Some(made - Duration::from_secs(600)),
        ..VerifyOptions::default()
    };
    assert!(verify_with(&bed.volume, &before).unwrap().is_as_promised());

    // Where the volume was copied as one whole, such a set is what a backup left behind.
    fs::copy(
        bed.folder.path().join("live/radarr.db"),
        bed.volume.join("radarr.db"),
    )
    .unwrap();
    let verdict = verify_with(&bed.volume, &started(4 * 3600, true)).unwrap();
    assert_eq!(
        (kinds(&verdict), &verdict.manifest),
        (vec![], &ManifestState::Absent)
    );
    assert_eq!(verdict.notes[0].kind, ProblemKind::Stale);
    assert!(
        verdict
            .databases
            .iter()
            .any(|d| d.path.to_string() == "radarr.db" && d.sound)
    );
}

#[test]
fn which_of_a_live_database_and_its_copy_is_judged() {
    let bed = restored(&own());
    fs::copy(
        bed.folder.path().join("live/radarr.db"),
        bed.volume.join("radarr.db"),
    )
    .unwrap();
    damage(&bed.volume.join("radarr.db"));
    let verdict = verify(&bed.volume).unwrap();
    assert_eq!(kinds(&verdict), [], "after a backup file by file the copy counts");
    assert_eq!(verdict.notes.len(), 1);
    let options = VerifyOptions {
        prefers_live: true,
        ..VerifyOptions::default()
    };
    assert_eq!(
        kinds(&verify_with(&bed.volume, &options).unwrap()),
        [ProblemKind::Corrupt]
    );
}

#[test]
fn a_list_of_files_that_is_not_the_one_that_was_written_is_a_problem() {
    let bed = restored(&own());
    let list = newest_set(&bed.volume).join("files.jsonl");
    let text = fs::read(&list).unwrap();
    let lines: Vec<&[u8]> = text.split_inclusive(|byte| *byte == b'\n').collect();
    let long = [b"{\"stable\": true,".as_slice(), &vec![b' '; 10 << 20], b"}\n"].concat();
    let changed: [(&str, Vec<u8>); 8] = [
        ("a line less", lines[1..].concat()),
        ("a line twice", [lines[0], &text].concat()),
        ("cut off in a line", text[..text.len() - 5].to_vec()),
        (
            "cut off before the end of a line",
            text[..text.len() - 1].to_vec(),
        ),
        ("no JSON", [b"{\n", text.as_slice()].concat()),
        ("zeros", vec![0; text.len()]),
        (
            "a line without end",
            [text.as_slice(), &long[..long.len() - 1]].concat(),
        ),
        ("a long line", [long.as_slice(), &text].concat()),
    ];
    for (what, bytes) in changed {
        fs::write(&list, bytes).unwrap();
        let verdict = verify(&bed.volume).unwrap();
        assert_eq!(
            kinds(&verdict),
            [ProblemKind::ForeignManifest],
            "{what}: {verdict:?}"
        );
        assert_eq!(
            verdict.databases.len(),
            2,
            "{what}: the copies are judged all the same"
        );
    }
    for lie in ["../outside", "/etc/passwd", "", "a//b", "x/../y", "\\u0000"] {
        let first = String::from_utf8(lines[0].to_vec()).unwrap();
        let entry: Value = serde_json::from_str(&first).unwrap();
        let path = entry["path"].as_str().unwrap();
        let line = first.replace(&format!("\"{path}\""), &format!("\"{lie}\""));
        assert_ne!(line, first);
        fs::write(&list, [line.as_bytes(), &lines[1..].concat()].concat()).unwrap();
        assert_eq!(
            kinds(&verify(&bed.volume).unwrap()),
            [ProblemKind::ForeignManifest],
            "{lie}"
        );
    }
    fs::remove_file(&list).unwrap();
    assert_eq!(
        kinds(&verify(&bed.volume).unwrap()),
        [ProblemKind::ForeignManifest]
    );
    std::os::unix::fs::symlink("/etc/passwd", &list).unwrap();
    assert_eq!(
        kinds(&verify(&bed.volume).unwrap()),
        [ProblemKind::ForeignManifest]
    );
    // Bytes changed anywhere never panic, and are found unless they only say that a file is not promised, or say the same.
    for at in (0..text.len()).step_by(7) {
        let mut bytes = text.clone();
        bytes[at] ^= 0x15;
        fs::remove_file(&list).unwrap();
        fs::write(&list, bytes).unwrap();
        verify(&bed.volume).unwrap();
    }
    fs::write(&list, &text).unwrap();
    assert!(verify(&bed.volume).unwrap().is_as_promised());
}

#[test]
fn copies_without_their_manifest_are_a_problem() {
    let bed = restored(&own());
    fs::remove_file(newest_set(&bed.volume).join("manifest.json")).unwrap();
    let verdict = verify(&bed.volume).unwrap();
    assert_eq!(kinds(&verdict), [ProblemKind::ForeignManifest], "{verdict:?}");
    assert_eq!(verdict.manifest, ManifestState::Unusable);
}

#[test]
fn the_manifest_of_a_later_program_is_told_from_a_damaged_one_and_no_copy_is_lost() {
    let bed = restored(&own());
    let set = newest_set(&bed.volume);
    let mut head = manifest(&bed.volume);
    head["version"] = (config_volume::VERSION + 1).into();
    fs::write(set.join("manifest.json"), head.to_string()).unwrap();
    let copies = fs::read_dir(set.join("databases")).unwrap().count();
    let verdict = verify(&bed.volume).unwrap();
    let version = config_volume::VERSION + 1;
    assert_eq!(verdict.manifest, ManifestState::Later { version });
    assert!(!verdict.is_as_promised());
    let error = put_in_place(&bed.volume).unwrap_err();
    assert!(
        matches!(error, config_volume::Error::LaterManifest { .. }),
        "{error}"
    );
    assert_eq!(fs::read_dir(set.join("databases")).unwrap().count(), copies);
    // There has never been one without a number.
    head["version"] = 0.into();
    fs::write(set.join("manifest.json"), head.to_string()).unwrap();
    assert_eq!(verify(&bed.volume).unwrap().manifest, ManifestState::Unusable);
}

#[test]
fn a_backup_with_a_manifest_of_version_1_can_still_be_judged_and_restored() {
    let bed = restored(&own());
    let set = newest_set(&bed.volume);
    let mut head = manifest(&bed.volume);
    let lines = fs::read_to_string(set.join("files.jsonl")).unwrap();
    let files: Vec<Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    head["version"] = 1.into();
    head["files"] = files.into();
    for name in ["file_count", "file_bytes"] {
        head.as_object_mut().unwrap().remove(name);
    }
    for database in head["databases"].as_array_mut().unwrap() {
        database.as_object_mut().unwrap().remove("own");
        database["live"] = serde_json::json!({"device": 1, "inode": 2, "born": null});
    }
    let old = bed.volume.join(".config-backup/set");
    if set != old {
        fs::rename(&set, &old).unwrap();
        fs::remove_dir(set.parent().unwrap()).unwrap();
    }
    fs::remove_file(old.join("files.jsonl")).unwrap();
    fs::write(
        old.join("manifest.json"),
        serde_json::to_vec_pretty(&head).unwrap(),
    )
    .unwrap();

    let verdict = verify(&bed.volume).unwrap();
    assert!(verdict.is_as_promised(), "{verdict:?}");
    assert_eq!((verdict.databases.len(), verdict.files), (2, 20));
    fs::write(bed.volume.join("7.xml"), "another").unwrap();
    assert_eq!(kinds(&verify(&bed.volume).unwrap()), [ProblemKind::Truncated]);
    assert_eq!(put_in_place(&bed.volume).unwrap().placed.len(), 2);
    assert!(judge(&bed.volume.join("radarr.db")).0);
}

#[test]
fn damage_from_before_the_backup_is_a_problem_in_a_database_of_the_apps_own_only() {
    for (database, options, is_problem) in [
        ("radarr.db", own(), true),
        ("downloads/some.db", own(), false),
        // Stored as a file.
        ("downloads/some.db", days_later(), false),
        ("radarr.db", days_later(), true),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("live");
        make_database(&live.join("radarr.db"), "delete");
        make_database(&live.join("downloads/some.db"), "delete");
        damage(&live.join(database));
        let bed = restore(folder, &options);
        let verdict = verify(&bed.volume).unwrap();
        assert_eq!(!verdict.is_as_promised(), is_problem, "{database}: {verdict:?}");
        let list = if is_problem {
            &verdict.problems
        } else {
            &verdict.notes
        };
        assert_eq!(list.len(), 1, "{verdict:?}");
        assert_eq!(
            (list[0].kind, list[0].path.to_string().as_str()),
            (ProblemKind::Corrupt, database)
        );
        let sound = |name: &str| {
            let found = verdict.databases.iter().find(|d| d.path.to_string() == name);
            found.unwrap().sound
        };
        assert!(!sound(database));
        assert_eq!(verdict.databases.iter().filter(|d| d.sound).count(), 1);
    }
}

#[test]
fn damage_on_the_way_is_a_problem_whosever_database_it_is() {
    let bed = restored(&days_later());
    damage(&bed.volume.join("downloads/some.db"));
    let found = kinds(&verify(&bed.volume).unwrap());
    assert_eq!(found, [ProblemKind::Changed, ProblemKind::Corrupt]);
    fs::remove_file(bed.volume.join("downloads/some.db")).unwrap();
    assert_eq!(kinds(&verify(&bed.volume).unwrap()), [ProblemKind::Missing]);

    let bed = restored(&own());
    let copies = newest_set(&bed.volume).join("databases");
    // `downloads/…` sorts before `radarr.db`.
    damage(&copies.join("0.sqlite"));
    let found = kinds(&verify(&bed.volume).unwrap());
    assert_eq!(found, [ProblemKind::Changed, ProblemKind::Corrupt]);
}

#[test]
fn without_a_manifest_a_database_that_was_cut_off_is_still_one() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    make_database(&volume.join("data/radarr.db"), "delete");
    // An ignore file of the user's has no say in what came back, and cannot keep it from being judged.
    fs::write(volume.join("data/.kopiaignore"), "!*\n[\n").unwrap();
    assert!(verify(volume).unwrap().problems.is_empty());
    let file = fs::File::options()
        .write(true)
        .open(volume.join("data/radarr.db"))
        .unwrap();
    for size in [700_001, 50_000, 90, 20] {
        file.set_len(size).unwrap();
        assert_eq!(kinds(&verify(volume).unwrap()), [ProblemKind::Corrupt], "{size}");
    }
}

#[test]
fn a_volume_where_everything_is_wrong_gives_a_list_that_ends() {
    let folder = tempfile::tempdir().unwrap();
    let live = folder.path().join("live");
    fs::create_dir(&live).unwrap();
    for number in 0..1500 {
        fs::write(live.join(number.to_string()), "x").unwrap();
    }
    let bed = restore(folder, &Options::default());
    for number in 0..1500 {
        fs::remove_file(bed.volume.join(number.to_string())).unwrap();
    }
    let verdict = verify(&bed.volume).unwrap();
    assert_eq!((verdict.problems.len(), verdict.unlisted), (1000, 500));
    assert!(!verdict.is_as_promised());
}
