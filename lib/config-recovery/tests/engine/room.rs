//! Room for the app beside a restore, and for everybody on the node beside a test restore.

use std::fs;

use config_recovery::backups::BackupContents;
use config_recovery::engine::{self, VerifyPlan};
use config_recovery::report::Silent;
use config_recovery::scratch::Purpose;
use config_recovery::{Error, testing};
use config_volume::FileSystem;

use super::support::{Mount, Stage, run};

/// Of a snapshot nobody knows the size beforehand.
#[test]
fn a_snapshot_that_does_not_fit_is_given_up_while_the_app_has_room() {
    let Some(mut stage) = Stage::mounted("size=64m") else {
        return;
    };
    for folder in 0..20 {
        let at = stage.at("backup-a").join(format!("covers-{folder}"));
        fs::create_dir(&at).unwrap();
        for number in 0..1000 {
            fs::write(at.join(number.to_string()), [7; 640]).unwrap();
        }
    }
    let before = stage.files("volume");
    let mut plan = stage.plan("a", true).unwrap();
    plan.scratch.backup.holds = BackupContents::Snapshot { count: 1 };
    let error = stage.carry_out(&plan, &Silent).unwrap_err();
    assert!(matches!(error, Error::NoRoom { .. }), "{error}");
    assert_eq!(stage.files("volume"), before);
    stage.assert_clean("given up");
    assert_eq!((stage.app.stops, stage.app.runs), (0, true));
    assert!(FileSystem::of(&stage.volume()).unwrap().free_bytes > 60 << 20);
}

#[test]
fn what_an_earlier_run_left_is_no_reason_to_refuse() {
    let Some(mut stage) = Stage::mounted("size=64m") else {
        return;
    };
    fs::write(stage.at("backup-a/large"), vec![7; 20 << 20]).unwrap();
    let plan = stage.plan("a", true).unwrap();
    assert!(stage.is_killed(
        &plan,
        &super::support::KillAt(config_recovery::journal::Step::Check)
    ));
    let mut found = testing::backup("a", &stage.wanted("a").target, 20 << 20);
    found.uid = "a".to_owned();
    let scratch = testing::scratch(found, Purpose::Restore);
    let plan = run(engine::plan_restore_beside(
        &mut stage.place("a"),
        &stage.wanted("a"),
        scratch,
        &stage.volume(),
        true,
        &stage.elsewhere(),
    ));
    stage.carry_out(&plan.unwrap(), &Silent).unwrap();
    stage.assert_holds("backup-a", "restored");
}

/// The node's disk keeps what the kubelet needs, or it evicts pods.
#[test]
fn a_test_restore_ends_before_the_nodes_disk_is_nearly_full() {
    let mut stage = Stage::new();
    let node = tempfile::tempdir().unwrap();
    let Some(_mount) = Mount::new(node.path(), "size=40m") else {
        println!("no right to mount a small file system: not tried");
        return;
    };
    fs::write(stage.at("backup-a/large"), vec![7; 36 << 20]).unwrap();
    let plan = VerifyPlan {
        scratch: testing::scratch(
            testing::backup("a", &stage.wanted("a").target, 1),
            Purpose::Verify,
        ),
        folder: node.path().join("verify"),
        earlier: config_recovery::backups::Earlier::default(),
        limit: None,
    };
    let place = stage.place("a");
    let error = run(engine::verify_beside(place, &plan, &mut stage.app, &Silent)).unwrap_err();
    assert!(matches!(error, Error::NodeFull { .. }), "{error}");
    assert!(!plan.folder.exists());
    fs::write(stage.at("backup-a/large"), vec![7; 30 << 20]).unwrap();
    let place = stage.place("a");
    run(engine::verify_beside(place, &plan, &mut stage.app, &Silent)).unwrap();
    assert!(!plan.folder.exists());
}
