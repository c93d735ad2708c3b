//! States at the edges of what is held up: an app that shows its address, backups that rest, health that is not known yet.

use crate::common::unit::{PEERS, Unit};
use crate::common::{app, radarr};
use juju_charm::pebble::{CheckStatus, ServiceStatus};
use juju_charm::testing::{Event, FakePebble, Fault, PebbleFault, RelationState};
use serde_json::{Value, json};
use workload_charm::data_unit;

const CHECK: &str = "radarr-ready";

fn says_paused(unit: &Unit) -> bool {
    unit.state.own_unit_data(PEERS).get("backups").map(String::as_str) == Some("paused")
}

/// Media are related, and the charm may not change what the pods mount.
fn relate_media_without_trust(unit: &mut Unit) {
    let own = unit.profile.workload.user.unwrap();
    let own = if own.uid == 0 {
        workload_charm::profile::User { uid: 2000, gid: 2001 }
    } else {
        own
    };
    unit.profile.workload.user = Some(workload_charm::profile::User { uid: 4321, gid: 4321 });
    let provided = json!({"pvc_name": "media", "puid": own.uid, "pgid": own.gid}).to_string();
    unit.state = unit.state.clone().with_relation(
        RelationState::new(7, "media-storage", "storage").with_remote_app_data([("config", &provided)]),
    );
    unit.run(Event::RelationChanged {
        relation: 7,
        remote_unit: None,
    });
}

fn set(unit: &mut Unit, option: &str, value: impl Into<Value>) {
    unit.state = unit.state.clone().with_config(option, value);
    unit.run(Event::ConfigChanged);
}

fn empty_the_volume(unit: &Unit) {
    std::fs::remove_dir_all(unit.volume()).unwrap();
    std::fs::create_dir(unit.volume()).unwrap();
}

// --- the guard ---

#[test]
fn an_app_that_shows_its_address_stops_also_where_its_volume_was_emptied() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    assert!(unit.runs());
    empty_the_volume(&unit);
    set(&mut unit, "unsafe-mode", false);
    assert!(!unit.runs(), "it runs and shows the address: {}", unit.status());
}

#[test]
fn an_app_that_shows_its_address_stops_also_where_a_restore_left_what_cannot_be_read() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    // A folder of a restore whose journals are no journals.
    let folder = unit.volume().join(".config-restore");
    std::fs::create_dir(&folder).unwrap();
    for name in ["run.json", "swap.json", "journal.json", "state.json"] {
        std::fs::write(folder.join(name), "{").unwrap();
    }
    set(&mut unit, "unsafe-mode", false);
    assert!(!unit.runs(), "it runs and shows the address: {}", unit.status());
}

#[test]
fn the_guard_does_not_pause_backups_whichever_event_sees_the_option_first() {
    let mut unit = Unit::related_to_velero(Unit::settled(&app("qbittorrent")));
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(false));
    let marks = unit.cluster.seen().unwrap().annotations;
    // config-get tells the new value in whatever hook comes first.
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    for event in [Event::UpdateStatus, Event::ConfigChanged] {
        unit.run(event);
        assert_eq!(unit.request_is_paused(), Some(false));
        assert_eq!(unit.cluster.seen().unwrap().annotations, marks);
    }
    assert!(!unit.runs());
}

#[test]
fn a_backup_can_be_made_of_an_app_that_the_guard_keeps_stopped() {
    let mut unit = Unit::related_to_velero(Unit::settled(&app("qbittorrent")));
    set(&mut unit, "unsafe-mode", false);
    assert_eq!(unit.request_is_paused(), Some(false), "the schedule goes on");
    let refused = unit.act("backup-now", json!({})).unwrap_err();
    assert!(!refused.contains("unsafe-mode=true"), "{refused}");
}

#[test]
fn what_shows_the_address_is_stopped_before_anything_that_can_fail() {
    let mut unit = Unit::settled(&app("qbittorrent"));
    unit.state = unit.state.clone().with_config("unsafe-mode", false);
    // Something that Juju has to keep comes in the same hook, and cannot be kept.
    unit.state = unit.state.clone().with_config("credential-rotation", "monthly");
    let fault = Fault::FailTool {
        tool: "secret-set".to_owned(),
        exit_code: 1,
        stderr: "ERROR the controller is away".to_owned(),
    };
    let outcome = unit.try_run(Event::ConfigChanged, Some(fault));
    assert!(outcome.result.is_err(), "{outcome:?}");
    assert!(!unit.runs(), "it runs and shows the address");
}

// --- backups that rest ---

#[test]
fn an_option_that_is_wrong_for_a_while_does_not_make_a_unit_forget_where_its_database_is() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    assert_eq!((unit.request_is_paused(), says_paused(&unit)), (Some(true), true));
    set(&mut unit, "backup-schedule", "nonsense");
    assert!(says_paused(&unit), "the database is where it was");
}

#[test]
fn a_leader_that_forgot_it_asks_for_backups_while_pebble_is_away() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    set(&mut unit, "backup-schedule", "nonsense");
    unit.pebble.change_state(|state| state.set_reachable(false));
    set(&mut unit, "backup-schedule", "daily");
    assert_eq!(unit.request_is_paused(), Some(true), "nobody knows better");
}

#[test]
fn backups_rest_also_where_another_backup_option_is_wrong() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    set(&mut unit, "backup-retention", "nonsense");
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    assert!(says_paused(&unit));
    assert_eq!(unit.request_is_paused(), Some(true), "{}", unit.status());
}

#[test]
fn a_damaged_config_file_does_not_bring_backups_of_a_fresh_database_back() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    unit.put_file(b"<Config><PostgresHost>db.exam");
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(true), "{}", unit.status());
}

/// radarr/1 leads, radarr/0 has the data and an external database, backups rest.
fn leads_without_data(met: bool) -> Unit {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.request_is_paused(), Some(true));
    let mut peers = RelationState::peer(PEERS, data_unit::ENDPOINT)
        .with_own_app_data([("data-unit", "radarr/9"), ("config-volume", "data")]);
    if met {
        peers = peers.with_remote_unit(9, [("config-volume", "data"), ("backups", "paused")]);
    }
    unit.state = unit.state.clone().with_relation(peers);
    unit
}

#[test]
fn a_leader_that_has_not_met_the_unit_with_the_data_leaves_the_request_alone() {
    for met in [true, false] {
        let mut unit = leads_without_data(met);
        unit.run(Event::UpdateStatus);
        assert_eq!(
            unit.request_is_paused(),
            Some(true),
            "met {met}: {}",
            unit.status()
        );
    }
}

#[test]
fn no_status_advises_a_backup_that_will_be_refused() {
    let unit = Unit::related_to_velero(Unit::settled(&radarr()));
    unit.has_database_at("db.example");
    let facts = unit.gathered(Event::UpdateStatus);
    let (start, validated, plan) = workload_charm::steps::planned(
        &unit.profile,
        &workload_charm::facts::Facts {
            unit: "radarr/1".parse().unwrap(),
            ..facts
        },
        workload_charm::steps::prepare_volume::Situation::Dispatch,
    );
    let outcome = crate::common::applied(&plan);
    let facts = workload_charm::facts::Facts {
        unit: "radarr/1".parse().unwrap(),
        ..unit.gathered(Event::UpdateStatus)
    };
    let told = workload_charm::steps::status::Told::only(&start);
    let decided = workload_charm::steps::status::decide(&unit.profile, &facts, &validated, &outcome, told);
    let text = decided.status.message().to_owned();
    assert!(!text.contains("backup-now before"), "backup-now refuses: {text}");
}

#[test]
fn an_app_with_its_database_elsewhere_is_not_told_to_integrate_for_backups() {
    let mut unit = Unit::settled(&radarr());
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    let status = unit.status();
    assert!(
        !status.contains("juju integrate radarr:velero-backup-config velero-operator"),
        "{status}"
    );
}

// --- health ---

#[test]
fn an_app_that_does_not_come_up_in_time_is_down_and_what_comes_up_later_is_told_by_pebble() {
    let mut unit = Unit::settled(&radarr());
    unit.pebble
        .change_state(|state| state.set_failing_check(CHECK, true));
    set(&mut unit, "timezone", "Europe/Berlin");
    assert!(unit.status().starts_with("waiting: "), "{}", unit.status());
    // From down it recovers, and Juju sends an event. One that is up without having passed would be found by chance.
    assert_eq!(unit.pebble.state().check(CHECK), Some(CheckStatus::Down));
}

#[test]
fn the_check_of_an_app_whose_media_cannot_be_mounted_is_started() {
    let mut unit = Unit::settled(&app("plex"));
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.pebble.state().check("plex-ready"),
        Some(CheckStatus::Up),
        "{}",
        unit.status()
    );
    relate_media_without_trust(&mut unit);
    // An option restarts it.
    set(&mut unit, "timezone", "Europe/Berlin");
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    assert!(unit.runs());
    assert_eq!(
        unit.pebble.state().check("plex-ready"),
        Some(CheckStatus::Up),
        "nobody looks after it: {}",
        unit.status()
    );
}

#[test]
fn a_command_runs_also_where_media_cannot_be_mounted() {
    let mut unit = Unit::settled(&app("plex"));
    unit.pebble.change_state(|state| {
        let url = "http://localhost:32400/myplex/claim?token=claim-x";
        let command = "curl --fail --silent --show-error --output /dev/null --request POST";
        let words: Vec<&str> = command.split(' ').chain([url]).collect();
        let done = juju_charm::pebble::ExecOutput {
            exit_code: 0,
            stdout: Vec::new(),
            stderr: Vec::new(),
        };
        state.set_command(&words, done);
    });
    relate_media_without_trust(&mut unit);
    set(&mut unit, "claim-token", "claim-x");
    set(&mut unit, "timezone", "Europe/Berlin");
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    let asked = unit.pebble.calls().iter().any(|call| call.operation == "exec");
    assert!(asked, "the claim token is never used: {}", unit.status());
}

#[test]
fn a_layer_that_was_added_and_not_replanned_is_not_taken_for_what_runs() {
    let mut unit = Unit::settled(&radarr());
    // What a whole dispatch calls.
    let mut whole = Unit::settled(&radarr());
    let begin = whole.pebble.calls().len();
    set(&mut whole, "timezone", "Europe/Berlin");
    let calls = whole.pebble.calls();
    let replan = calls
        .iter()
        .skip(begin)
        .position(|call| call.operation == "replan")
        .unwrap();
    let stop = PebbleFault::StopBefore { call: replan + 1 };
    unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(stop);
    unit.state = unit.state.clone().with_config("timezone", "Europe/Berlin");
    assert!(unit.try_run(Event::ConfigChanged, None).result.is_err());
    // Juju runs the hook again.
    let before = unit.pebble.calls().len();
    unit.run(Event::ConfigChanged);
    let calls = unit.pebble.calls();
    let again = calls.iter().skip(before).any(|call| call.operation == "replan");
    assert!(again, "the old process runs on: {}", unit.status());
}

#[test]
fn a_replan_that_pebble_refused_is_tried_again_as_the_status_says() {
    let mut unit = Unit::settled(&radarr());
    unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::Refuse {
        operation: "replan".to_owned(),
        status: 409,
        message: "other changes in progress".to_owned(),
    });
    set(&mut unit, "timezone", "Europe/Berlin");
    let status = unit.status();
    assert!(status.contains("retrying at update-status"), "{status}");
    unit.pebble = FakePebble::new(unit.pebble.state());
    unit.run(Event::UpdateStatus);
    let again = unit.pebble.calls().iter().any(|call| call.operation == "replan");
    assert!(again, "claims {}", unit.status());
}

#[test]
fn an_app_that_could_not_be_looked_into_is_not_active() {
    let mut unit = Unit::settled(&radarr());
    // Juju says that the storage is not attached, and the options ask for another process.
    unit.state = unit.state.clone().with_storage("config", 0, None);
    unit.pebble
        .change_state(|state| state.set_failing_check(CHECK, false));
    set(&mut unit, "timezone", "Europe/Berlin");
    let status = unit.status();
    assert_eq!(unit.pebble.state().service("radarr"), Some(ServiceStatus::Active));
    assert!(!status.starts_with("active"), "{status}");
}

#[test]
fn a_steady_event_of_an_app_that_does_not_answer_writes_nothing_to_pebble() {
    let mut unit = Unit::new(&radarr());
    unit.pebble
        .change_state(|state| state.set_failing_check(CHECK, true));
    for event in unit.first_events() {
        unit.run(event);
    }
    unit.app_fills_its_volume();
    unit.run(Event::UpdateStatus);
    unit.run(Event::UpdateStatus);
    let before = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.pebble_writes(before), Vec::<String>::new());
}

#[test]
fn a_leader_that_does_not_know_yet_what_the_unit_with_the_data_says_does_not_unpause() {
    use workload_charm::data_unit::{DataUnit, Peers};
    use workload_charm::steps::{planned, prepare_volume::Situation};
    let mut unit = leads_without_data(true);
    unit.run(Event::UpdateStatus);
    let mut facts = unit.gathered(Event::UpdateStatus);
    let bound = "radarr/9".parse().unwrap();
    assert!(matches!(&facts.data, DataUnit::Elsewhere { unit, is_present: true } if *unit == bound));
    let (_, _, plan) = planned(&unit.profile, &facts, Situation::Dispatch);
    assert_eq!(plan.databags, vec![]);
    // It leads before the hook in which it meets the other one: goal-state knows that one, relation-list does not.
    let Peers::Related(peers) = &mut facts.peers else {
        panic!("they are related")
    };
    peers.data_unit_paused = None;
    peers.others.insert(bound, None);
    let (_, _, plan) = planned(&unit.profile, &facts, Situation::Dispatch);
    assert_eq!(plan.databags, vec![]);
}

#[test]
fn a_unit_that_does_not_lead_keeps_the_marks_of_the_method_that_was_asked_for() {
    let mut unit = Unit::related_to_velero(Unit::settled(&radarr()));
    set(&mut unit, "backup-method", "filesystem");
    unit.state = unit.state.clone().with_leader(false);
    unit.run(Event::UpdateStatus);
    let marks = unit.cluster.seen().unwrap().annotations;
    assert!(marks.keys().any(|key| key.contains("pre.hook")), "{marks:?}");
    set(&mut unit, "backup-method", "Filesystem");
    assert!(
        unit.status().starts_with("blocked: backup-method"),
        "{}",
        unit.status()
    );
    assert_eq!(unit.cluster.seen().unwrap().annotations, marks);
}

#[test]
fn an_app_that_could_not_be_stopped_is_not_told_to_be_stopped() {
    for operation in ["stop_checks", "stop"] {
        let mut unit = Unit::settled(&app("qbittorrent"));
        unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::Refuse {
            operation: operation.to_owned(),
            status: 500,
            message: "no".to_owned(),
        });
        set(&mut unit, "unsafe-mode", false);
        // That its check cannot be stopped does not keep it running.
        assert_eq!(unit.runs(), operation == "stop", "{operation}");
        let says_so = unit.status().starts_with("blocked: stopped: ");
        assert_eq!(says_so, operation != "stop", "{operation}: {}", unit.status());
    }
}

#[test]
fn a_name_that_cannot_be_in_the_request_is_told_with_what_would_be_right_and_where_it_is() {
    let mut unit = Unit::settled(&radarr());
    unit.state = unit.state.clone().with_model_name("home_lab");
    let error = unit.act("show-backup-spec", json!({})).unwrap_err();
    assert!(
        error.contains("backup request of radarr: ") && error.ends_with("; write it like media or radarr-4k"),
        "{error}"
    );
    let logged = unit.logs.join("\n");
    assert!(
        logged.contains("backup request: /spec/include_namespaces/0: "),
        "{logged}"
    );
}
