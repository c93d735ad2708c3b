//! The straight way.

use config_recovery::Error;

use super::support::Stage;

#[test]
fn a_backup_is_restored_and_the_app_runs() {
    let mut stage = Stage::new();
    let checked = stage.restore("a").unwrap();
    assert_eq!(checked.files, 3);
    stage.assert_holds("backup-a");
    assert!(stage.app.runs);
}

#[test]
fn an_app_that_is_not_healthy_has_its_previous_content() {
    let mut stage = Stage::new();
    let before = stage.files("volume");
    stage.app.sick = 1;
    let error = stage.restore("a").unwrap_err();
    assert!(
        matches!(error, Error::RolledBack { running: true, .. }),
        "{error}"
    );
    assert_eq!(stage.files("volume"), before);
}
