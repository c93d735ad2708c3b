//! Test restores that nobody has to ask for: when they are made, what they leave, and what stands in their way.

use std::path::PathBuf;
use std::time::Duration;

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::{Unit, writes};
use config_recovery::backups::{BackupHealth, LastWord, Outcome, Proof};
use config_recovery::{ClusterError, Error};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, Fault};
use serde_json::json;
use workload_charm::tiers::NIGHTLY;

const CONFIG: &[u8] = b"<Config>\n  <ApiKey>0123456789abcdef0123456789abcdef</ApiKey>\n</Config>\n";

fn ago(hours: i64) -> Timestamp {
    Timestamp::now() - SignedDuration::from_hours(hours)
}

/// The same, of which the first began two days ago.
fn in_order() -> BackupHealth {
    BackupHealth {
        since: Some(ago(48)),
        ..crate::common::in_order()
    }
}

/// A Radarr with trust, backups, and a test restore that is due since 12 hours.
fn due() -> Unit {
    let mut unit = Unit::settled(&radarr()).related_to_velero();
    unit.cluster.trust();
    unit.state = unit.state.clone().with_config("verify-schedule", "@every 36h");
    unit.recovery.standing = Some(in_order());
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    with_content(&mut unit, CONFIG);
    unit.run(Event::ConfigChanged);
    unit
}

fn with_content(unit: &mut Unit, content: &'static [u8]) {
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("config.xml"), content).unwrap();
    }));
}

/// How often the engine was asked to restore a backup beside the app since the last time.
fn verified(unit: &Unit) -> usize {
    let calls = unit.recovery.calls.take();
    calls.iter().filter(|call| *call == "verify").count()
}

fn folder(unit: &Unit) -> PathBuf {
    unit.volume().with_file_name("verify-backup")
}

/// The record of what was tried is of so many hours ago.
fn time_passes(unit: &Unit, hours: i64) {
    let file = unit.volume().with_file_name("remembered");
    let text = std::fs::read_to_string(&file).unwrap();
    let mut record: serde_json::Value = serde_json::from_str(text.trim_start_matches('?')).unwrap();
    let last = &mut record["test-restores"]["tries"]["last"];
    let was: Timestamp = last.as_str().unwrap().parse().unwrap();
    *last = json!((was - SignedDuration::from_hours(hours)).to_string());
    std::fs::write(&file, record.to_string()).unwrap();
    let _ = std::fs::remove_file(unit.volume().with_file_name("cluster-seen.json"));
}

#[test]
fn one_that_is_due_is_made_by_update_status_alone_and_then_not_again() {
    let mut unit = due();
    assert_eq!(
        verified(&unit),
        0,
        "config-changed and what came before it make none"
    );
    for event in [Event::ConfigChanged, Event::LeaderElected, unit.pebble_ready()] {
        unit.run(event);
        assert_eq!(verified(&unit), 0);
    }
    let outcome = unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
    assert_eq!(unit.recovery.limit.get(), Some(Duration::from_secs(1800)));
    let told: Vec<String> = writes(&outcome)
        .into_iter()
        .filter(|write| write.contains("status-set"))
        .collect();
    assert!(
        told[0].contains("maintenance")
            && told[0].contains("test restore of radarr-aaaa-1; other events wait"),
        "{told:?}"
    );
    assert!(
        unit.status().starts_with("active: scheduled backups"),
        "{}",
        unit.status()
    );
    assert!(unit.status().contains(", verified 20"), "{}", unit.status());
    assert!(unit.runs());
    for _ in 0..3 {
        unit.run(Event::UpdateStatus);
    }
    assert_eq!(verified(&unit), 0);
    assert_eq!(writes(&unit.run(Event::UpdateStatus)), Vec::<String>::new());
}

#[test]
fn until_one_is_due_a_steady_event_asks_the_cluster_nothing() {
    let mut unit = due();
    let proof = Proof {
        at: Timestamp::now(),
        took: None,
        outcome: Outcome::ComesBack { contents: None },
    };
    unit.recovery.proof.replace(Some(proof));
    unit.run(Event::UpdateStatus);
    unit.recovery.calls.take();
    unit.cluster.asked();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    assert_eq!(unit.cluster.asked(), Vec::<&str>::new());
}

#[test]
fn what_was_seen_does_not_count_beyond_the_time_of_a_test_restore() {
    let mut unit = due();
    let soon = Timestamp::now() + SignedDuration::from_mins(7);
    let proof = Proof {
        at: soon - SignedDuration::from_hours(36),
        took: None,
        outcome: Outcome::ComesBack { contents: None },
    };
    unit.recovery.proof.replace(Some(proof));
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0);
    let kept = std::fs::read(unit.volume().with_file_name("cluster-seen.json")).unwrap();
    let kept: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let until: Timestamp = kept["until"].as_str().unwrap().parse().unwrap();
    assert!(until <= soon, "{until}");
}

/// What keeps a test restore from being made, and how that comes.
type Obstacle = (&'static str, fn(&mut Unit));

const OBSTACLES: [Obstacle; 6] = [
    ("nobody asks for it", |unit| {
        unit.state = unit.state.clone().with_config("verify-schedule", "none");
    }),
    ("the option cannot be used", |unit| {
        unit.state = unit.state.clone().with_config("verify-schedule", "sometimes");
    }),
    ("a backup of the app is under way", |unit| {
        unit.recovery.under_way.replace(Some("radarr-2".to_owned()));
    }),
    ("there is no good backup", |unit| {
        let standing = unit.recovery.standing.as_mut().unwrap();
        standing.endpoints.get_mut(NIGHTLY.name()).unwrap().last_good = None;
    }),
    ("the app does not pass its health check", |unit| {
        unit.state = unit.state.clone().with_config("timezone", "Mars/Olympus");
    }),
    ("the database is elsewhere", |unit| {
        unit.has_database_at("db.example")
    }),
];

#[test]
fn it_waits_while_something_stands_in_its_way() {
    for (obstacle, comes) in OBSTACLES {
        let mut unit = due();
        comes(&mut unit);
        unit.run(Event::UpdateStatus);
        unit.run(Event::UpdateStatus);
        assert_eq!(verified(&unit), 0, "{obstacle}: {}", unit.status());
    }
    let mut unit = due();
    unit.recovery.under_way.replace(Some("radarr-2".to_owned()));
    unit.run(Event::UpdateStatus);
    unit.recovery.under_way.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1, "the next event makes it");
}

#[test]
fn a_bad_option_says_what_to_write() {
    let mut unit = due();
    unit.state = unit.state.clone().with_config("verify-schedule", "off");
    unit.run(Event::ConfigChanged);
    unit.assert_says(
        "blocked: verify-schedule \"off\": to make no test restores, write none; juju config radarr verify-schedule=none",
    );
}

#[test]
fn one_that_proves_nothing_is_tried_again_later_each_time() {
    let mut unit = due();
    unit.recovery.content = None;
    for hours in [1, 2, 4] {
        unit.run(Event::UpdateStatus);
        assert_eq!(verified(&unit), 1, "{hours}");
        for _ in 0..3 {
            unit.run(Event::UpdateStatus);
        }
        assert_eq!(verified(&unit), 0, "{hours}");
        // Nothing is looked at either, while it is not to be tried.
        assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
        time_passes(&unit, hours);
    }
    with_content(&mut unit, CONFIG);
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
    time_ends(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0, "it is proven");
}

/// What was seen of the cluster counts no more.
fn time_ends(unit: &Unit) {
    let _ = std::fs::remove_file(unit.volume().with_file_name("cluster-seen.json"));
}

#[test]
fn a_proof_that_cannot_be_written_down_is_tried_again() {
    let mut unit = due();
    unit.recovery.is_read_only = true;
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
    time_ends(&unit);
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0);
    time_passes(&unit, 1);
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
}

/// As the runbook of the alert says.
#[test]
fn a_damaged_backup_that_is_deleted_is_said_until_one_as_new_comes_back() {
    let mut unit = due();
    let word = |of: i64, at: i64, outcome: Outcome| LastWord {
        of: Some(ago(of)),
        ..LastWord::from(Proof {
            at: ago(at),
            took: None,
            outcome,
        })
    };
    let sees = |unit: &mut Unit, word| {
        let proven = BackupHealth {
            last_proof: Some(word),
            ..in_order()
        };
        unit.recovery.standing = Some(proven);
        unit.run(Event::ConfigChanged);
    };
    let why = || Outcome::Damaged { why: String::new() };
    let whole = || Outcome::ComesBack { contents: None };
    let says = "active: warning: a backup was damaged when it was read back";
    sees(&mut unit, word(10, 8, why()));
    unit.assert_says(says);
    sees(&mut unit, word(34, 7, whole()));
    unit.assert_says(says);
    sees(&mut unit, word(9, 6, whole()));
    assert!(!unit.status().contains("damaged"), "{}", unit.status());
}

#[test]
fn a_damaged_backup_is_said_until_a_good_one_follows() {
    let mut unit = due();
    with_content(&mut unit, b"<Config");
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
    unit.assert_says("active: warning: a backup was damaged when it was read back");
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0);
    unit.assert_says("active: warning: a backup was damaged when it was read back");
    // Somebody deletes it. An older one, or none, is proven: nobody knows whether one comes back.
    if let Some(standing) = &mut unit.recovery.standing {
        standing.last_proof = None;
    }
    unit.run(Event::ConfigChanged);
    unit.assert_says("active: warning: a backup was damaged when it was read back");
    // Somebody tries the next one by hand.
    with_content(&mut unit, CONFIG);
    unit.act("verify-backup", json!({})).unwrap();
    unit.run(Event::UpdateStatus);
    assert!(unit.status().contains(", verified 20"), "{}", unit.status());
}

#[test]
fn that_the_cluster_cannot_be_asked_counts_as_a_try() {
    let mut unit = due();
    let unreachable = || ClusterError::unreachable("list backups", "connection refused").into();
    unit.run(Event::PebbleCheckRecovered {
        container: "radarr".to_owned(),
        check: "radarr".to_owned(),
    });
    let standing = unit.recovery.standing.clone();
    unit.recovery.calls.take();
    unit.recovery.error = Some(Box::new(unreachable));
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0, "what stands cannot be seen");
    unit.recovery.error = None;
    unit.recovery.standing = standing;
    unit.recovery.backups = None;
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0, "the plan cannot be made");
    let text = std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap();
    assert!(
        text.contains("\"count\":1") && text.contains("the fake was not told of it"),
        "{text}"
    );
    let _: Error = unreachable();
}

/// The unit after the process was killed before the hook tool with this number, in the event in which a test restore is due.
fn killed(call: usize) -> (Unit, bool) {
    let mut unit = due();
    let left = unit.recovery.left.clone();
    assert_eq!(left.into_inner(), Vec::<String>::new());
    let outcome = unit.try_run(Event::UpdateStatus, Some(Fault::StopBefore { call }));
    let is_over = outcome.result.is_ok();
    (unit, is_over)
}

#[test]
fn a_hook_that_is_killed_anywhere_is_made_up_for() {
    let mut after = 0;
    for call in 1..60 {
        let (mut unit, is_over) = killed(call);
        if is_over {
            assert!(after >= 2, "no kill hit it after it had begun");
            return;
        }
        let was_verified = verified(&unit) == 1;
        let remembered = std::fs::read_to_string(unit.volume().with_file_name("remembered")).unwrap();
        if remembered.contains("\"proof\"") {
            unit.run(Event::UpdateStatus);
            assert_eq!(verified(&unit), 0, "{call}: it was proven");
            assert!(
                unit.status().contains(", verified 20"),
                "{call}: {}",
                unit.status()
            );
            continue;
        }
        if was_verified {
            after += 1;
            // As a kill in the middle of it leaves them.
            unit.recovery
                .left
                .borrow_mut()
                .push("verify-radarr-0123456789".to_owned());
            std::fs::create_dir_all(folder(&unit)).unwrap();
            std::fs::write(folder(&unit).join("config.xml"), CONFIG).unwrap();
            // And nothing was proven.
            unit.recovery.proof.take();
        }
        unit.run(Event::UpdateStatus);
        assert_eq!(*unit.recovery.left.borrow(), Vec::<String>::new(), "{call}");
        assert!(!folder(&unit).exists(), "{call}");
        if was_verified {
            assert_eq!(verified(&unit), 0, "{call}: it is not tried again at once");
            unit.assert_says("active: ");
            time_passes(&unit, 1);
            unit.run(Event::UpdateStatus);
        } else if verified(&unit) == 1 {
            continue;
        } else {
            // Killed after it was written down, and before it began.
            time_passes(&unit, 1);
            unit.run(Event::UpdateStatus);
        }
        assert_eq!(verified(&unit), 1, "{call}");
        assert!(
            unit.status().contains(", verified 20"),
            "{call}: {}",
            unit.status()
        );
    }
    panic!("it never ended");
}

#[test]
fn a_kill_that_took_the_pod_along_is_waited_for_as_well() {
    let mut unit = due();
    unit.recovery
        .left
        .borrow_mut()
        .push("verify-radarr-0123456789".to_owned());
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0, "what is left is removed first");
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 0, "it counts as a try");
    time_passes(&unit, 1);
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
}

#[test]
fn a_kill_leaves_a_status_that_says_what_was_under_way() {
    let said: Vec<String> = (1..60)
        .map_while(|call| {
            let (unit, is_over) = killed(call);
            (!is_over).then(|| unit.status())
        })
        .collect();
    assert!(
        said.iter()
            .any(|status| status.starts_with("maintenance: test restore of radarr-aaaa-1")),
        "{said:?}"
    );
    assert!(said.iter().all(|status| status.len() <= 112), "{said:?}");
}

#[test]
fn an_app_that_starts_meanwhile_is_left_alone() {
    let mut unit = due();
    let before = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    assert_eq!(verified(&unit), 1);
    assert_eq!(unit.pebble_writes(before), Vec::<String>::new());
}
