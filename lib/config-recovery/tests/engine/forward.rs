//! The straight way, and the way back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use config_recovery::Error;
use config_recovery::report::Silent;

use super::support::Stage;

#[test]
fn a_backup_is_restored_and_the_app_runs() {
    let mut stage = Stage::new();
    let checked = stage.restore("a").unwrap();
    assert_eq!(checked.files, 3);
    stage.assert_holds("backup-a", "restored");
    assert!(stage.app.runs);
}

/// The content of one's own volume: an app may have made links to anywhere, to its media for one.
#[test]
fn links_that_lead_out_of_the_volume_come_back_as_they_were() {
    let mut stage = Stage::new();
    let links = [("media", "/nowhere/media"), ("sub/up", "../../outside")];
    for (name, target) in links {
        symlink(target, stage.at("backup-a").join(name)).unwrap();
    }
    stage.restore("a").unwrap();
    for (name, target) in links {
        assert_eq!(
            fs::read_link(stage.volume().join(name)).unwrap(),
            Path::new(target)
        );
    }
}

#[test]
fn an_app_that_is_not_healthy_has_its_previous_content() {
    // Where there is room nothing is removed, though it may be.
    for keep_old in [true, false] {
        let mut stage = Stage::new();
        let before = stage.files("volume");
        stage.app.sick = 1;
        let plan = stage.plan("a", keep_old).unwrap();
        let error = stage.carry_out(&plan, &Silent).unwrap_err();
        assert!(
            matches!(error, Error::RolledBack { running: true, .. }),
            "{error}"
        );
        assert_eq!(stage.files("volume"), before);
        stage.assert_clean("rolled back");
        assert!(stage.app.runs);
    }
}

/// A database of so many MiB, as it lies in a backup.
fn with_database(stage: &Stage, backup: &str, mebibytes: u32) {
    let path = stage.at(&format!("backup-{backup}")).join("radarr.db");
    let database = rusqlite::Connection::open(&path).unwrap();
    database
        .execute_batch(&format!(
            "CREATE TABLE films (x BLOB); INSERT INTO films VALUES (zeroblob({mebibytes} * 1048576));"
        ))
        .unwrap();
    drop(database);
    let bytes = fs::metadata(path).unwrap().len();
    assert!(bytes >> 20 == u64::from(mebibytes), "{bytes}");
}

#[test]
fn patience_grows_with_the_databases_and_not_for_the_previous_content() {
    let mut stage = Stage::new();
    with_database(&stage, "a", 5);
    stage.app.sick = 1;
    stage.restore("a").unwrap_err();
    assert_eq!(stage.app.starts, [125, 120].map(Duration::from_secs));
    let mut plan = stage.plan("a", true).unwrap();
    plan.patience = Some(Duration::from_secs(7));
    stage.carry_out(&plan, &Silent).unwrap();
    assert_eq!(stage.app.starts[2..], [Duration::from_secs(7)]);
}
