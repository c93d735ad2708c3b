//! Each backup has a set of its own: two at once, a lost end, a start in between, a copy of a volume elsewhere.
#![cfg(test)]

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
    time::{Duration, SystemTime},
};

use common::{Writer, back_up_and_restore, copy_everything, damage, judge, make_database, own, watched};
use config_volume::{
    Aside, Error, Options, Origin, PlaceOptions, RelPath, Step, Watcher, finish, open_sets, prepare,
    put_in_place, put_in_place_with, verify, withdraw,
};
use rusqlite::Connection;

/// Commits a row, as the app does.
fn write_row(volume: &Path, text: &str) {
    let app = Connection::open(volume.join("radarr.db")).unwrap();
    app.execute_batch("CREATE TABLE IF NOT EXISTS films (name TEXT)")
        .unwrap();
    app.execute("INSERT INTO films VALUES (?1)", [text]).unwrap();
}

fn rows(database: &Path) -> Vec<String> {
    let app = Connection::open(database).unwrap();
    let mut statement = app.prepare("SELECT name FROM films ORDER BY rowid").unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

/// What a backup that runs now holds, after it is restored and put in place.
fn rows_of_a_backup(volume: &Path) -> Vec<String> {
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(volume, restored.path());
    put_in_place(restored.path()).unwrap();
    rows(&restored.path().join("radarr.db"))
}

#[test]
fn a_backup_after_a_lost_finish_holds_what_was_committed_since() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    prepare(volume, &Options::default()).unwrap();
    // Its `finish` is lost.
    write_row(volume, "second");
    prepare(volume, &Options::default()).unwrap();
    assert_eq!(rows_of_a_backup(volume), ["first", "second"]);
    finish(volume).unwrap();
}

#[test]
fn a_start_while_a_backup_runs_leaves_it_its_copies() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    prepare(volume, &Options::default()).unwrap();
    put_in_place(volume).unwrap();
    let restored = tempfile::tempdir().unwrap();
    back_up_and_restore(volume, restored.path());
    assert!(
        !restored.path().join("radarr.db").exists(),
        "the live file would be torn"
    );
    assert!(restored.path().join(".config-backup").exists());
    finish(volume).unwrap();
    assert!(finish(volume).is_err(), "there are no copies to vouch for");
}

/// A volume that comes back with its copies, and with the live database that the uploader took while it changed.
fn torn_by_the_upload(folder: &Path) -> PathBuf {
    let (volume, restored) = (folder.join("config"), folder.join("restored"));
    fs::create_dir(&volume).unwrap();
    write_row(&volume, "first");
    prepare(&volume, &Options::default()).unwrap();
    copy_everything(&volume, &restored);
    fs::write(restored.join("radarr.db"), "torn").unwrap();
    restored
}

#[test]
fn what_an_uploader_that_stores_everything_tore_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let restored = torn_by_the_upload(folder.path());
    put_in_place(&restored).unwrap();
    assert_eq!(rows(&restored.join("radarr.db")), ["first"]);
}

#[test]
fn a_backup_before_the_first_start_does_not_prefer_what_an_upload_tore() {
    let folder = tempfile::tempdir().unwrap();
    let restored = torn_by_the_upload(folder.path());
    // Velero's marker says that no start has put the copies in place yet.
    prepare(&restored, &own()).unwrap();
    assert_eq!(rows(&restored.join("radarr.db")), ["first"]);
    assert!(!restored.join(".velero").exists());
    finish(&restored).unwrap();
}

#[test]
fn a_database_that_nobody_has_open_gets_no_files_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "wal");
    assert!(!volume.join("radarr.db-wal").exists());
    let beside = Arc::new(Mutex::new(Vec::new()));
    let (seen, live) = (Arc::clone(&beside), volume.clone());
    let watcher = Watcher::new(move |step: Step| {
        for name in ["radarr.db-wal", "radarr.db-shm"] {
            if live.join(name).exists() {
                seen.lock().unwrap().push((step, name));
            }
        }
        Ok(())
    });
    prepare(&volume, &watched(watcher)).unwrap();
    assert_eq!(*beside.lock().unwrap(), []);
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    put_in_place(&restored).unwrap();
    assert!(judge(&restored.join("radarr.db")).0);
}

#[test]
fn a_plain_restore_leaves_nothing_that_empties_later_backups() {
    let folder = tempfile::tempdir().unwrap();
    let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
    fs::create_dir(&volume).unwrap();
    write_row(&volume, "first");
    prepare(&volume, &Options::default()).unwrap();
    back_up_and_restore(&volume, &restored);
    // A person without the charm does what the README says.
    let copy = names(&restored.join(".config-backup"))
        .into_iter()
        .find(|name| name.ends_with(".sqlite"))
        .unwrap();
    fs::copy(
        restored.join(".config-backup").join(copy),
        restored.join("radarr.db"),
    )
    .unwrap();
    write_row(&restored, "second");
    let later = folder.path().join("later");
    back_up_and_restore(&restored, &later);
    assert_eq!(rows(&later.join("radarr.db")), ["first", "second"]);
    assert!(restored.join(".config-backup/README.txt").exists());
}

fn names(folder: &Path) -> Vec<String> {
    common::snapshot(folder)
        .into_iter()
        .map(|(name, ..)| name)
        .collect()
}

/// Copies as whole as those of a backup with several at once: in every order of the ends, and a lost one.
#[test]
fn several_backups_at_once_each_hold_what_was_committed_before_them() {
    for count in 2..=3 {
        for lost in [false, true] {
            let folder = tempfile::tempdir().unwrap();
            let volume = folder.path();
            fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
            write_row(volume, "0");
            let before = names(volume);
            let mut committed = vec!["0".to_owned()];
            let mut ids = Vec::new();
            for number in 1..=count {
                let prepared = prepare(volume, &own()).unwrap();
                assert_eq!(prepared.open, number);
                assert!(ids.last() < Some(&prepared.set), "{ids:?} {}", prepared.set);
                ids.push(prepared.set);
                // Whichever backup reads now gets all that was there when it began.
                assert_eq!(rows_of_a_backup(volume), committed);
                write_row(volume, &number.to_string());
                committed.push(number.to_string());
            }
            let held = committed[..usize::try_from(count).unwrap()].to_vec();
            let open: Vec<String> = open_sets(volume).unwrap().into_iter().map(|set| set.id).collect();
            assert_eq!(open, ids);
            for still_open in (0..count).rev() {
                // One that has not ended reads still.
                assert_eq!(rows_of_a_backup(volume), held);
                if still_open == 0 && lost {
                    break;
                }
                assert_eq!(finish(volume).unwrap().still_open, still_open);
            }
            if lost {
                // The next night: nothing of it is left, and its database is not used.
                let late = Options {
                    now: Some(SystemTime::now() + Duration::from_secs(24 * 3600)),
                    ..own()
                };
                assert_eq!(prepare(volume, &late).unwrap().open, 1);
                assert_eq!(rows_of_a_backup(volume), committed);
                withdraw(volume).unwrap();
            }
            assert_eq!(names(volume), before);
            assert!(matches!(finish(volume), Err(Error::NothingToFinish)));
        }
    }
}

#[test]
fn backups_at_the_same_moment_get_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    fs::create_dir(&volume).unwrap();
    let writer = Writer::start(&volume.join("radarr.db"), &["--megabytes", "1"]);
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                for _ in 0..3 {
                    prepare(&volume, &own()).unwrap();
                    let restored = tempfile::tempdir().unwrap();
                    back_up_and_restore(&volume, restored.path());
                    finish(&volume).unwrap();
                    assert!(verify(restored.path()).unwrap().is_as_promised());
                    assert_eq!(put_in_place(restored.path()).unwrap().placed.len(), 1);
                    let (sound, text) = judge(&restored.path().join("radarr.db"));
                    assert!(sound, "{text}");
                }
            });
        }
    });
    assert!(!volume.join(".config-backup").exists() && !volume.join(".kopiaignore").exists());
    writer.stop();
}

#[test]
fn a_set_that_is_too_old_or_from_the_future_is_removed_and_any_other_stays() {
    let now = SystemTime::now();
    let at = |time| Options {
        now: Some(time),
        ..own()
    };
    for (later, open) in [
        (now + Duration::from_secs(3600), 2),
        (now + Duration::from_secs(5 * 3600), 1),
        (now - Duration::from_secs(60), 2),
        (now - Duration::from_secs(86_400), 1),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        write_row(volume, "first");
        let first = prepare(volume, &at(now)).unwrap();
        let second = prepare(volume, &at(later)).unwrap();
        assert_eq!(second.open, open, "{later:?}");
        let has_first = volume.join(".config-backup/sets").join(&first.set).exists();
        assert_eq!(has_first, open == 2, "{later:?}");
        // Later sets sort behind earlier ones, whatever the clock does.
        assert!(second.set > first.set || !has_first, "{later:?}");
        withdraw(volume).unwrap();
    }
}

#[test]
fn a_set_that_is_closed_stays_as_long_as_another_backup_may_be_reading_it() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    let sets = || fs::read_dir(volume.join(".config-backup/sets")).unwrap().count();
    prepare(volume, &own()).unwrap();
    prepare(volume, &own()).unwrap();
    finish(volume).unwrap();
    assert_eq!(sets(), 2, "nobody knows which of the two has ended");
    prepare(volume, &own()).unwrap();
    assert_eq!(sets(), 3);
    finish(volume).unwrap();
    finish(volume).unwrap();
    assert!(!volume.join(".config-backup").exists());
}

/// The first backup's end is lost, and its set stays; the copies of the third are removed while it runs.
#[test]
fn an_older_set_vouches_for_no_backup_whose_own_copies_are_gone() {
    let gone = |set: &str, everything: bool| {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        write_row(volume, "first");
        prepare(volume, &Options::default()).unwrap();
        write_row(volume, "second");
        prepare(volume, &Options::default()).unwrap();
        finish(volume).unwrap();
        write_row(volume, "third");
        let third = prepare(volume, &Options::default()).unwrap().set;
        let sets = volume.join(".config-backup/sets");
        fs::remove_dir_all(if everything { sets } else { sets.join(third) }).unwrap();
        let error = finish(volume).unwrap_err();
        assert!(matches!(error, Error::NothingToFinish), "{set}: {error:?}");
        // The next one is right again.
        prepare(volume, &Options::default()).unwrap();
        assert_eq!(rows_of_a_backup(volume), ["first", "second", "third"]);
        finish(volume).unwrap();
    };
    gone("all sets", true);
    gone("its own set", false);
}

#[test]
fn each_of_several_backups_is_told_of_a_damaged_copy() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    make_database(&volume.join("radarr.db"), "delete");
    damage(&volume.join("radarr.db"));
    for _ in 0..2 {
        prepare(&volume, &own()).unwrap();
    }
    for _ in 0..2 {
        let Err(Error::DamagedBackup { damage }) = finish(&volume) else {
            panic!("it was not found")
        };
        assert!(
            damage.starts_with("radarr.db: ") && damage.matches("radarr.db").count() == 1,
            "{damage}"
        );
    }
    assert!(matches!(finish(&volume), Err(Error::NothingToFinish)));
    // What was found is of those sets and not of the next.
    fs::remove_file(volume.join("radarr.db")).unwrap();
    prepare(&volume, &Options::default()).unwrap();
    assert_eq!(finish(&volume).unwrap().checked, 0);
}

#[test]
fn a_charm_that_goes_away_takes_everything_back() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
    let before = common::snapshot(volume);
    assert!(!withdraw(volume).unwrap());
    prepare(volume, &own()).unwrap();
    prepare(volume, &own()).unwrap();
    assert!(withdraw(volume).unwrap());
    assert_eq!(common::snapshot(volume), before);
    assert!(matches!(finish(volume), Err(Error::NothingToFinish)));
    // Also where a person deleted the folder and not the ignore file.
    prepare(volume, &own()).unwrap();
    fs::remove_dir_all(volume.join(".config-backup")).unwrap();
    put_in_place(volume).unwrap();
    assert!(!volume.join(".kopiaignore").exists());
}

#[test]
fn a_missing_database_is_put_in_place_while_a_backup_runs_and_the_backup_keeps_its_copy() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    prepare(volume, &own()).unwrap();
    fs::remove_file(volume.join("radarr.db")).unwrap();
    let report = put_in_place(volume).unwrap();
    assert!(report.in_use && report.placed.len() == 1, "{report:?}");
    assert_eq!(rows(&volume.join("radarr.db")), ["first"]);
    assert_eq!(rows_of_a_backup(volume), ["first"]);
    assert_eq!(finish(volume).unwrap().checked, 1);
}

#[test]
fn what_a_live_database_beside_its_copy_is_worth_depends_on_where_the_volume_comes_from() {
    for (marker, told, expected) in [
        (true, None, Origin::Velero),
        (false, None, Origin::Elsewhere),
        (false, Some(Origin::Velero), Origin::Velero),
        (true, Some(Origin::Here), Origin::Here),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
        fs::create_dir(&volume).unwrap();
        write_row(&volume, "first");
        prepare(&volume, &own()).unwrap();
        write_row(&volume, "second");
        prepare(&volume, &own()).unwrap();
        copy_everything(&volume, &restored);
        write_row(&restored, "third");
        fs::write(restored.join("radarr.db-journal"), "").unwrap();
        if !marker {
            fs::remove_dir_all(restored.join(".velero")).unwrap();
        }
        let options = PlaceOptions {
            origin: told,
            ..PlaceOptions::default()
        };
        let report = put_in_place_with(&restored, &options).unwrap();
        assert_eq!(report.origin, Some(expected));
        assert!(!report.in_use && !restored.join(".config-backup").exists());
        let all = ["first", "second", "third"];
        let live = rows(&restored.join("radarr.db"));
        let aside = |asides: &[Aside]| rows(&restored.join(asides[0].aside.as_path()));
        match expected {
            Origin::Velero => {
                assert_eq!(live, all[..2]);
                assert_eq!(aside(&report.set_aside), all);
                assert_eq!(report.older_sets.len(), 1);
            }
            Origin::Elsewhere => {
                assert_eq!(live, all);
                assert_eq!(aside(&report.kept_aside), all[..2]);
                assert!(report.problems()[0].contains("from-backup-"), "{report:?}");
            }
            Origin::Here => {
                assert_eq!(live, all);
                assert_eq!(report.dropped.len(), 1);
            }
        }
    }
}

#[test]
fn another_file_in_the_place_of_a_database_is_the_truth_on_its_own_volume() {
    // On NFS no time of birth and no device number would show that it is another one; nothing depends on either.
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    write_row(volume, "first");
    let long_ago = Options {
        now: Some(SystemTime::now() - Duration::from_secs(5 * 3600)),
        ..own()
    };
    prepare(volume, &long_ago).unwrap();
    fs::copy(volume.join("radarr.db"), volume.join("other")).unwrap();
    fs::rename(volume.join("other"), volume.join("radarr.db")).unwrap();
    let report = put_in_place(volume).unwrap();
    assert_eq!((report.origin, report.dropped.len()), (Some(Origin::Here), 1));
    assert_eq!(names(volume), ["radarr.db"]);
}

#[test]
fn a_copy_is_read_before_it_is_placed_unless_it_was_just_proven() {
    for (proven, is_placed) in [(&[][..], false), (&["other.db"], false), (&["radarr.db"], true)] {
        let folder = tempfile::tempdir().unwrap();
        let (volume, restored) = (folder.path().join("config"), folder.path().join("restored"));
        fs::create_dir(&volume).unwrap();
        write_row(&volume, "first");
        prepare(&volume, &own()).unwrap();
        back_up_and_restore(&volume, &restored);
        assert!(verify(&restored).unwrap().is_as_promised());
        let mut sets = fs::read_dir(restored.join(".config-backup/sets")).unwrap();
        let copy = sets.next().unwrap().unwrap().path().join("databases/0.sqlite");
        let mut damaged = fs::read(&copy).unwrap();
        *damaged.last_mut().unwrap() ^= 1;
        fs::write(&copy, &damaged).unwrap();
        let options = PlaceOptions {
            proven: proven.iter().map(|path| RelPath::new(*path).unwrap()).collect(),
            ..PlaceOptions::default()
        };
        let placed = put_in_place_with(&restored, &options);
        let live = fs::read(restored.join("radarr.db")).ok();
        match placed {
            Ok(_) => assert!(is_placed && live == Some(damaged), "{proven:?}"),
            Err(Error::DamagedCopy { .. }) => assert!(!is_placed && live.is_none(), "{proven:?}"),
            Err(other) => panic!("{other:?}"),
        }
    }
}
