//! Whole dispatches of every app: state in, event, state out, with a Pebble in memory.

use crate::common::unit::{BREAKS, Break, Unit, writes};
use crate::common::{app, apps};
use juju_charm::pebble::ExecOutput;
use juju_charm::pebble::Pebble as _;
use juju_charm::testing::{Event, FakePebble, Fault, PebbleState, RelationState};
use workload_charm::credentials;
use workload_charm::profile::{AppProfile, CreatedBy, User};

fn profiles() -> Vec<AppProfile> {
    apps().into_iter().map(|(_, profile)| profile).collect()
}

fn with_credentials() -> Vec<AppProfile> {
    profiles()
        .into_iter()
        .filter(|profile| profile.credentials.is_some())
        .collect()
}

fn steady_events() -> Vec<Event> {
    vec![
        Event::UpdateStatus,
        Event::ConfigChanged,
        Event::Start,
        Event::LeaderElected,
        Event::UpgradeCharm,
        Event::UpdateStatus,
    ]
}

fn assert_steady(unit: &mut Unit) {
    for event in steady_events() {
        let calls = unit.pebble.calls().len();
        let outcome = unit.run(event.clone());
        assert_eq!(
            writes(&outcome),
            Vec::<String>::new(),
            "{} {event:?}",
            unit.profile.name
        );
        assert_eq!(
            unit.pebble_writes(calls),
            Vec::<String>::new(),
            "{} {event:?}",
            unit.profile.name
        );
    }
}

#[test]
fn every_app_settles_and_an_unchanged_event_writes_nothing() {
    for profile in profiles() {
        let mut unit = Unit::settled(&profile);
        assert!(unit.runs(), "{}", profile.name);
        assert!(
            unit.status().starts_with("active: "),
            "{}: {}",
            profile.name,
            unit.status()
        );
        assert_eq!(
            unit.state.opened_ports(),
            [format!("{}/tcp", profile.workload.port)]
        );
        assert_steady(&mut unit);
    }
}

/// The hook tools of an update-status, but for what is read of the peer relation.
fn called_in_update_status(unit: &mut Unit) -> Vec<String> {
    let outcome = unit.run(Event::UpdateStatus);
    let calls = outcome.calls.iter().map(|call| call.tool.as_str().to_owned());
    calls.filter(|tool| tool != "relation-get").collect()
}

#[test]
fn a_steady_update_status_calls_few_tools() {
    for profile in profiles() {
        let mut unit = Unit::settled(&profile);
        let mut expected = vec!["is-leader", "config-get"];
        if profile.storage.is_some() {
            expected.extend(["relation-ids", "relation-list"]);
        }
        expected.push("status-get");
        let steady = expected.clone();
        if profile.is_backed_up() {
            // Whether a relation asks for backups.
            expected.push("relation-ids");
        }
        assert_eq!(called_in_update_status(&mut unit), expected, "{}", profile.name);
        if profile.is_backed_up() {
            // Of the one that does what it says is remembered.
            let mut unit = unit.related_to_velero();
            unit.run(Event::UpdateStatus);
            unit.run(Event::UpdateStatus);
            assert_eq!(called_in_update_status(&mut unit), steady, "{}", profile.name);
        }
    }
}

#[test]
fn the_key_that_an_app_has_is_taken_over() {
    for profile in with_credentials() {
        let Some(file) = &profile.config_file else {
            continue;
        };
        if file.created_by != CreatedBy::App {
            continue;
        }
        let mut unit = Unit::new(&profile);
        for event in unit.first_events() {
            unit.run(event);
        }
        assert_eq!(
            unit.secret("api-key"),
            None,
            "{}: made before the app had its own",
            profile.name
        );
        assert_eq!(
            unit.file(),
            None,
            "{}: the file is the app's to make",
            profile.name
        );
        unit.app_writes_its_file();
        let before = unit.file().unwrap();
        let calls = unit.pebble.calls().len();
        unit.run(Event::UpdateStatus);
        assert!(
            before.contains(&unit.secret("api-key").unwrap()),
            "{}",
            profile.name
        );
        assert_eq!(
            unit.pebble_writes(calls),
            Vec::<String>::new(),
            "{}: restarted for nothing",
            profile.name
        );
    }
}

#[test]
fn rotating_swaps_secret_and_file_with_the_app_stopped() {
    for profile in with_credentials() {
        let mut unit = Unit::settled(&profile);
        let key = *credentials::keys(profile.credentials.as_ref().unwrap())
            .first()
            .unwrap();
        let in_file = if key == "password" { "password-hash" } else { key };
        let (old, old_in_file) = (unit.secret(key).unwrap(), unit.secret(in_file).unwrap());
        assert!(unit.file().unwrap().contains(&old_in_file), "{}", profile.name);
        let calls = unit.pebble.calls().len();
        let results = unit.rotate().unwrap();
        assert_eq!(results["result"], "rotated", "{}", profile.name);
        assert!(
            results["secret"].as_str().unwrap().starts_with("secret:"),
            "{}",
            profile.name
        );
        let file = unit.file().unwrap();
        assert_ne!(unit.secret(key).unwrap(), old, "{}", profile.name);
        assert!(
            file.contains(&unit.secret(in_file).unwrap()),
            "{}: {file}",
            profile.name
        );
        assert!(!file.contains(&old_in_file), "{}: {file}", profile.name);
        assert_eq!(
            unit.secret("username").is_some(),
            in_file != key,
            "{}",
            profile.name
        );
        let written: Vec<String> = unit.pebble_writes(calls);
        let operations: Vec<&str> = written.iter().filter_map(|call| call.split(' ').next()).collect();
        let expected = ["stop_checks", "stop", "write_file", "replan", "start_checks"];
        assert_eq!(operations, expected, "{}", profile.name);
        assert!(unit.runs(), "{}", profile.name);
        assert_steady(&mut unit);
    }
}

#[test]
fn rotating_is_refused_with_the_reason_and_changes_nothing() {
    let profile = with_credentials().remove(0);
    let loses_the_lead: Break = |unit| unit.state = unit.state.clone().with_leader(false);
    for (reason, break_it) in [("does not lead", loses_the_lead)].into_iter().chain(BREAKS) {
        let mut unit = Unit::settled(&profile);
        let before = (unit.secret("api-key"), unit.file());
        break_it(&mut unit);
        let message = unit.rotate().unwrap_err();
        assert!(
            message.starts_with("cannot rotate: ") && message.contains(reason),
            "{message}"
        );
        assert_eq!((unit.secret("api-key"), unit.file()), before, "{reason}");
    }
}

#[test]
fn rotation_by_option_is_set_used_and_taken_back() {
    for profile in with_credentials() {
        let label = credentials::label(profile.credentials.as_ref().unwrap());
        let policy = |unit: &Unit| {
            let secrets = &unit.state.model().secrets;
            secrets
                .values()
                .find(|secret| secret.label == label)
                .unwrap()
                .rotate_policy
                .clone()
        };
        let mut unit = Unit::settled(&profile);
        assert_eq!(policy(&unit), "");
        unit.state = unit.state.clone().with_config("credential-rotation", "monthly");
        unit.run(Event::ConfigChanged);
        assert_eq!(policy(&unit), "monthly");
        assert_steady(&mut unit);

        let old = unit.secret(credentials::keys(profile.credentials.as_ref().unwrap())[0]);
        let secret = unit.state.model().secrets.keys().next().unwrap().clone();
        let due = Event::SecretRotate {
            secret,
            label: label.to_owned(),
        };
        unit.pebble.change_state(|state| state.set_reachable(false));
        unit.run(due.clone());
        let now = unit.secret(credentials::keys(profile.credentials.as_ref().unwrap())[0]);
        assert_eq!(
            now, old,
            "{}: rotated while the app could not be told",
            profile.name
        );
        unit.pebble.change_state(|state| state.set_reachable(true));
        unit.run(due);
        let now = unit.secret(credentials::keys(profile.credentials.as_ref().unwrap())[0]);
        assert_ne!(now, old, "{}", profile.name);
        // The old credentials do not stay in Juju once nobody reads them.
        let revisions = |unit: &Unit| {
            let secret = unit.state.model().secrets.values().next().unwrap();
            secret.revisions.keys().copied().collect::<Vec<_>>()
        };
        assert_eq!(revisions(&unit), [1, 2]);
        let secret = unit.state.model().secrets.keys().next().unwrap().clone();
        unit.run(Event::SecretRemove {
            secret,
            label: label.to_owned(),
            revision: 1,
        });
        assert_eq!(revisions(&unit), [2], "{}", profile.name);
        assert_eq!(
            unit.secret(credentials::keys(profile.credentials.as_ref().unwrap())[0]),
            now
        );

        unit.state = unit.state.clone().with_config("credential-rotation", "hourly");
        unit.run(Event::ConfigChanged);
        unit.assert_says("blocked: credential-rotation \"hourly\": ");
        assert_eq!(policy(&unit), "monthly");
        assert!(unit.runs());
        unit.state = unit.state.clone().with_config("credential-rotation", "");
        unit.run(Event::ConfigChanged);
        assert!(
            matches!(policy(&unit).as_str(), "" | "never"),
            "{}",
            policy(&unit)
        );
    }
}

#[test]
fn a_new_secret_has_the_policy_at_once() {
    let profile = with_credentials().remove(1);
    let mut unit = Unit::new(&profile);
    unit.state = unit.state.clone().with_config("credential-rotation", "yearly");
    for event in unit.first_events() {
        unit.run(event);
    }
    let policies: Vec<String> = unit
        .state
        .model()
        .secrets
        .values()
        .map(|secret| secret.rotate_policy.clone())
        .collect();
    assert_eq!(policies, ["yearly"]);
    assert_steady(&mut unit);
}

#[test]
fn media_decide_whom_the_app_runs_as_and_leave_no_trace() {
    for profile in profiles().into_iter().filter(|profile| profile.media) {
        let mut unit = Unit::settled(&profile);
        let own = match unit.profile.workload.user.unwrap() {
            // No app runs as root because another charm says so.
            User { uid: 0, .. } => User { uid: 2000, gid: 2001 },
            own => own,
        };
        let service = |unit: &Unit| unit.pebble.state().plan().services[&unit.profile.name].clone();
        // The ids are those of the test: only root may give files away.
        let config = format!(r#"{{"pvc_name":"media","puid":{},"pgid":{}}}"#, own.uid, own.gid);
        unit.profile.workload.user = Some(User { uid: 4321, gid: 4321 });
        let relation =
            RelationState::new(7, "media-storage", "storage").with_remote_app_data([("config", &config)]);
        unit.state = unit.state.clone().with_relation(relation);
        unit.run(Event::RelationChanged {
            relation: 7,
            remote_unit: None,
        });
        assert_eq!(service(&unit).user_id, Some(own.uid), "{}", profile.name);
        // This cluster lets an application without trust do nothing but look at its pod.
        let blocked = format!(
            "blocked: relation media-storage: claim media is not mounted; juju trust {} --scope=cluster",
            profile.name
        );
        assert_eq!(unit.status(), blocked);
        assert_steady(&mut unit);
        assert_eq!(unit.status(), blocked);
        let bad = RelationState::new(7, "media-storage", "storage").with_remote_app_data([("config", "{")]);
        unit.state = unit.state.clone().with_relation(bad);
        unit.run(Event::RelationChanged {
            relation: 7,
            remote_unit: None,
        });
        unit.run(Event::UpdateStatus);
        unit.assert_says("blocked: relation media-storage: config is no JSON object; ");
        assert!(unit.runs(), "{}", profile.name);
    }
}

#[test]
fn the_ingress_decides_the_url_base_and_gives_it_back() {
    for profile in profiles().into_iter().filter(|profile| profile.ingress) {
        let mut unit = Unit::settled(&profile);
        let (file, plan) = (unit.file(), unit.pebble.state().plan());
        let relation =
            RelationState::new(9, "ingress", "traefik").with_remote_app_data([("ingress", INGRESS_URL)]);
        unit.state = unit.state.clone().with_relation(relation);
        unit.run(Event::RelationChanged {
            relation: 9,
            remote_unit: None,
        });
        let bag = unit.state.own_app_data(9);
        assert_eq!(bag["name"], format!("\"{}\"", profile.name));
        assert_eq!(bag["port"], profile.workload.port.to_string());
        assert_eq!(
            bag.contains_key("strip-prefix"),
            !profile.url_base,
            "{}",
            profile.name
        );
        let unit_bag = unit.state.own_unit_data(9);
        let host = format!("\"{0}-0.{0}-endpoints.homelab.svc.cluster.local\"", profile.name);
        assert_eq!(unit_bag["host"], host);
        assert!(unit_bag["ip"].starts_with('"'), "{unit_bag:?}");
        if profile.url_base {
            assert!(unit.file().unwrap().contains("/homelab-x"), "{}", profile.name);
        } else {
            assert_eq!(
                unit.pebble.state().plan(),
                plan,
                "{}: restarted for nothing",
                profile.name
            );
        }
        // Also where the relation was not looked at again.
        unit.run(Event::UpdateStatus);
        let told = format!(
            "blocked: relation ingress: {} cannot live below /homelab-x; give it a host: traefik has routing_mode=subdomain",
            profile.title
        );
        assert_eq!(
            unit.status() == told,
            !profile.url_base && !profile.ingress_below_path,
            "{}: {}",
            profile.name,
            unit.status()
        );
        assert_steady(&mut unit);
        unit.run(Event::RelationBroken {
            relation: 9,
            remote_application: None,
        });
        // A list keeps what it once had.
        let after = unit.file().map(|text| text.replace(", media.example", ""));
        assert_eq!(after, file, "{}", profile.name);
        assert_eq!(unit.pebble.state().plan(), plan, "{}", profile.name);
        assert!(unit.status().starts_with("active"), "{}", unit.status());
    }
}

const INGRESS_URL: &str = r#"{"url":"http://media.example/homelab-x"}"#;

#[test]
fn a_new_container_finds_what_the_relations_say() {
    for profile in profiles().into_iter().filter(|profile| profile.ingress) {
        let mut unit = Unit::settled(&profile);
        let relation =
            RelationState::new(9, "ingress", "traefik").with_remote_app_data([("ingress", INGRESS_URL)]);
        unit.state = unit.state.clone().with_relation(relation);
        unit.run(Event::RelationChanged {
            relation: 9,
            remote_unit: None,
        });
        let (file, plan) = (unit.file(), unit.pebble.state().plan());
        // The volume is what outlives the container.
        unit.pebble = FakePebble::new(PebbleState::new());
        if let Some(text) = &file {
            unit.put_file(text.as_bytes());
        }
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert_eq!(
            (unit.file(), unit.pebble.state().plan()),
            (file, plan),
            "{}",
            profile.name
        );
        assert_steady(&mut unit);
    }
}

#[test]
fn a_unit_that_does_not_lead_tells_the_ingress_its_own_address_only() {
    for profile in profiles().into_iter().filter(|profile| profile.ingress) {
        let mut unit = Unit::new(&profile);
        unit.state = unit
            .state
            .clone()
            .with_leader(false)
            .with_relation(RelationState::new(9, "ingress", "traefik"));
        unit.run(Event::RelationChanged {
            relation: 9,
            remote_unit: None,
        });
        assert!(unit.state.own_app_data(9).is_empty(), "{}", profile.name);
        assert!(
            unit.state.own_unit_data(9).contains_key("host"),
            "{}",
            profile.name
        );
        assert!(!unit.runs(), "{}", profile.name);
        let outcome = unit.run(Event::UpdateStatus);
        assert_eq!(writes(&outcome), Vec::<String>::new(), "{}", profile.name);
    }
}

#[test]
fn an_app_without_a_volume_runs_on_every_unit() {
    for profile in profiles().into_iter().filter(|profile| profile.storage.is_none()) {
        let mut unit = Unit::new(&profile);
        unit.state = unit.state.clone().with_leader(false);
        let ready = unit.pebble_ready();
        unit.run(ready);
        assert!(unit.runs(), "{}", profile.name);
        unit.assert_says("active: ");
        unit.run(Event::ConfigChanged);
        let outcome = unit.run(Event::UpdateStatus);
        assert_eq!(writes(&outcome), Vec::<String>::new(), "{}", profile.name);
    }
}

#[test]
fn a_command_runs_while_the_app_is_well_and_until_the_file_shows_it() {
    let mut tried = 0;
    for profile in profiles() {
        for once in &profile.once {
            tried += 1;
            let mut unit = Unit::settled(&profile);
            let ends_with = |unit: &Unit, exit_code| {
                let output = ExecOutput {
                    exit_code,
                    ..ExecOutput::default()
                };
                unit.pebble
                    .change_state(|state| state.set_command(&["curl"], output));
            };
            let executed = |unit: &Unit| unit.pebble.state().executed().len();
            ends_with(&unit, 22);
            let option = once.option.as_str();
            unit.state = unit.state.clone().with_config(option, "t0ken");
            let outcome = unit.run(Event::ConfigChanged);
            assert_eq!(executed(&unit), 1);
            let expected = format!(
                "option {option}: was not taken (exit code 22); {}",
                once.next_step
            );
            assert!(unit.status().contains(&expected), "{}", unit.status());
            assert!(!format!("{:?} {:?}", outcome.logs, unit.status()).contains("t0ken"));
            ends_with(&unit, 0);
            unit.run(Event::UpdateStatus);
            assert_eq!(executed(&unit), 2);
            unit.assert_says("active: ");
            let last = unit.pebble.state().executed().last().unwrap().command.join(" ");
            assert!(last.contains("t0ken"), "{last}");
            let done = format!("<Preferences {}=\"x\"/>", once.until.join("/"));
            unit.put_file(done.as_bytes());
            unit.run(Event::UpdateStatus);
            assert_eq!(executed(&unit), 2, "{}: run again", profile.name);
            assert_steady(&mut unit);
        }
    }
    assert!(tried > 0, "no app has such a command");
}

#[test]
fn a_first_dispatch_may_be_killed_anywhere() {
    // An app a thread: this is what takes longest.
    std::thread::scope(|scope| {
        for profile in profiles() {
            scope.spawn(move || killed_anywhere(&profile));
        }
    });
}

fn killed_anywhere(profile: &AppProfile) {
    let mut kills = 0;
    for call in 1.. {
        let mut unit = Unit::new(profile);
        let ready = unit.pebble_ready();
        let outcome = unit.try_run(ready.clone(), Some(Fault::StopBefore { call }));
        if outcome.result.is_ok() {
            break;
        }
        kills += 1;
        unit.run(ready);
        unit.run(Event::ConfigChanged);
        unit.app_writes_its_file();
        unit.run(Event::UpdateStatus);
        assert!(unit.runs(), "{} killed at call {call}", profile.name);
        if let (Some(_), Some(file)) = (&profile.credentials, unit.file()) {
            let known = unit
                .secret("api-key")
                .or_else(|| unit.secret("password-hash"))
                .unwrap();
            assert!(file.contains(&known), "{} killed at call {call}", profile.name);
        }
        let outcome = unit.run(Event::UpdateStatus);
        assert_eq!(
            writes(&outcome),
            Vec::<String>::new(),
            "{} killed at call {call}",
            profile.name
        );
    }
    assert!(kills > 2, "{}: nothing was killed", profile.name);
}

#[test]
fn an_app_that_ends_again_and_again_is_not_active() {
    let profile = app("radarr");
    let mut unit = Unit::settled(&profile);
    unit.assert_says("active");
    unit.pebble
        .change_state(|state| state.set_exiting_service("radarr", 1, "no database"));
    unit.pebble.restart(&["radarr"]).unwrap();
    unit.run(Event::UpdateStatus);
    assert_eq!(
        unit.status(),
        "waiting: Radarr keeps ending: no database; see kubectl logs of container radarr"
    );
}
