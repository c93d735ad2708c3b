//! What came of `restore-on-deploy` is said to somebody, wherever the hook that did it was killed.

use std::path::Path;

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::Unit;
use juju_charm::testing::{Event, Fault, RelationState};

fn new() -> Unit {
    let mut unit = Unit::new(&radarr());
    unit.state = unit
        .state
        .clone()
        .with_config("restore-on-deploy", "latest")
        .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
    unit
}

/// Kills the first hook that can look at the volume before each of its hook tools, and lets Juju run it again. An app that was started
/// has written its files by then.
fn killed_anywhere(set_up: fn(&mut Unit), expected: &str) {
    let mut lost = Vec::new();
    for call in 1.. {
        let mut unit = new();
        set_up(&mut unit);
        let ready = unit.pebble_ready();
        let outcome = unit.try_run(ready.clone(), Some(Fault::StopBefore { call }));
        let is_killed = outcome.result.is_err();
        if unit.runs() {
            unit.app_fills_its_volume();
        }
        unit.run(ready);
        assert!(unit.runs(), "killed before hook tool {call}: {}", unit.status());
        unit.run(Event::UpdateStatus);
        if !unit.status().contains(expected) {
            lost.push(format!("killed before hook tool {call}: {}", unit.status()));
        }
        if !is_killed {
            break;
        }
    }
    assert_eq!(lost, Vec::<String>::new());
}

#[test]
fn that_a_backup_was_restored_is_said_after_a_kill_anywhere() {
    killed_anywhere(
        |unit| {
            unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
            unit.recovery.content = Some(Box::new(|folder: &Path| {
                let content = "<Config><ApiKey>0123456789abcdef0123456789abcdef</ApiKey></Config>\n";
                std::fs::write(folder.join("config.xml"), content).unwrap();
            }));
        },
        "the config volume comes from backup radarr-aaaa-1",
    );
}

#[test]
fn that_there_was_no_backup_is_said_after_a_kill_anywhere() {
    killed_anywhere(
        |unit| {
            unit.recovery.backups = Some(Vec::new());
            unit.recovery.are_read = Some(true);
        },
        "there is no backup of radarr in model homelab",
    );
}
