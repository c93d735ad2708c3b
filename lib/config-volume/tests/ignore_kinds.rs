//! A `.kopiaignore` that is no plain file is set aside for a backup and put back like one.
#![cfg(test)]

mod common;
mod swap_support;

use std::{
    fs,
    os::unix::{fs::symlink, net::UnixListener},
    path::{Path, PathBuf},
};

use common::{back_up_and_restore, make_database, own, snapshot};
use config_volume::{Error, FOLDER, SwapOptions, finish, prepare, put_in_place, verify, withdraw};
use rustix::fs::{CWD, FileType, Mode, mknodat};
use swap_support::{Mount, case};

const BESIDE: &str = ".kopiaignore.before-backup";

fn app(folder: &Path) -> PathBuf {
    let volume = folder.join("config");
    make_database(&volume.join("radarr.db"), "delete");
    volume
}

/// How one is made at a path.
type Make = fn(&Path);

/// One of each kind.
const KINDS: [(&str, Make); 5] = [
    ("a folder", |path| make_folder(path)),
    ("an empty folder", |path| fs::create_dir(path).unwrap()),
    ("a link", |path| symlink("nowhere", path).unwrap()),
    ("a pipe", |path| {
        mknodat(CWD, path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    }),
    ("a socket", |path| drop(UnixListener::bind(path).unwrap())),
];

fn make_folder(path: &Path) {
    fs::create_dir(path).unwrap();
    fs::write(path.join("mine"), "mine").unwrap();
}

#[test]
fn each_kind_is_put_back_whichever_way_a_backup_ends() {
    let ends: [fn(&Path); 2] = [
        |volume| drop(finish(volume).unwrap()),
        |volume| assert!(withdraw(volume).unwrap()),
    ];
    for (kind, make) in KINDS {
        for end in ends {
            let folder = tempfile::tempdir().unwrap();
            let volume = app(folder.path());
            make(&volume.join(".kopiaignore"));
            let before = snapshot(&volume);
            put_in_place(&volume).unwrap_or_else(|error| panic!("{kind}: {error}"));
            assert_eq!(snapshot(&volume), before, "{kind}");
            for _ in 0..2 {
                prepare(&volume, &own()).unwrap_or_else(|error| panic!("{kind}: {error}"));
                assert!(volume.join(".kopiaignore").is_file(), "{kind}");
                end(&volume);
            }
            while volume.join(FOLDER).exists() {
                end(&volume);
            }
            assert_eq!(snapshot(&volume), before, "{kind}");
        }
    }
}

/// So it stands in a volume that an earlier version has left.
#[test]
fn an_exchange_copes_with_a_folder_that_was_set_aside() {
    let case = case();
    fs::remove_file(case.volume.join(".kopiaignore")).unwrap();
    make_folder(&case.volume.join(".kopiaignore"));
    make_database(&case.volume.join("radarr.db"), "delete");
    let set = prepare(&case.volume, &own()).unwrap().set;
    let left_over = case.volume.join(FOLDER).join("local/open").join(set);
    fs::remove_file(left_over).unwrap();
    let mut swap = case.sealed(&SwapOptions::default());
    swap.commit().unwrap();
    case.assert_new("committed");
    swap.roll_back().unwrap();
    swap.finish().unwrap();
    assert_eq!(
        fs::read_to_string(case.volume.join(".kopiaignore/mine")).unwrap(),
        "mine"
    );
    assert!(!case.volume.join(FOLDER).exists());
}

#[test]
fn a_folder_comes_back_with_a_restore() {
    let folder = tempfile::tempdir().unwrap();
    let volume = app(folder.path());
    make_folder(&volume.join(".kopiaignore"));
    prepare(&volume, &own()).unwrap();
    let restored = folder.path().join("restored");
    back_up_and_restore(&volume, &restored);
    finish(&volume).unwrap();
    let verdict = verify(&restored).unwrap();
    assert!(verdict.is_as_promised(), "{verdict:?}");
    put_in_place(&restored).unwrap();
    assert_eq!(
        fs::read_to_string(restored.join(".kopiaignore/mine")).unwrap(),
        "mine"
    );
    assert!(!restored.join(FOLDER).exists());
}

/// The user makes a new one while the earlier one is set aside, in all pairs of kinds: both are kept.
#[test]
fn none_takes_the_place_of_another() {
    let kinds = [KINDS[0].1, |path: &Path| fs::write(path, "*.tmp\n").unwrap()];
    for first in kinds {
        for second in kinds {
            for is_prepared_again in [false, true] {
                let folder = tempfile::tempdir().unwrap();
                let volume = app(folder.path());
                let path = volume.join(".kopiaignore");
                first(&volume.join(BESIDE));
                first(&path);
                prepare(&volume, &own()).unwrap();
                fs::remove_file(&path).unwrap();
                second(&path);
                if is_prepared_again {
                    prepare(&volume, &own()).unwrap();
                    finish(&volume).unwrap();
                }
                finish(&volume).unwrap();
                let is_folder = |name: &str| fs::symlink_metadata(volume.join(name)).unwrap().is_dir();
                let is_first_folder = is_folder(BESIDE);
                assert_eq!(is_folder(&format!("{BESIDE}-2")), is_first_folder);
                let other = tempfile::tempdir().unwrap();
                second(&other.path().join("second"));
                assert_eq!(is_folder(".kopiaignore"), other.path().join("second").is_dir());
                assert!(!volume.join(FOLDER).exists());
            }
        }
    }
}

#[test]
fn one_that_cannot_be_moved_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let volume = app(folder.path());
    let path = volume.join(".kopiaignore");
    fs::create_dir(&path).unwrap();
    let Some(mount) = Mount::new(&path, "size=1m") else {
        println!("no right to mount: not tried");
        return;
    };
    let error = prepare(&volume, &own()).unwrap_err();
    assert!(matches!(error, Error::IgnoreFile { .. }), "{error}");
    assert!(error.to_string().contains("unmount"), "{error}");
    drop(mount);
    assert!(!volume.join(FOLDER).exists());
    assert!(path.is_dir());
}
