//! A config file that cannot be read: nothing of it is lost, and somebody hears of it.

use crate::common::unit::{Unit, writes};
use crate::common::{app, apps};
use juju_charm::pebble::{FileOptions, Pebble as _};
use juju_charm::testing::{Event, FakePebble, Fault, PebbleFault};
use workload_charm::profile::Format;

fn assert_steady(unit: &mut Unit) {
    for event in [Event::UpdateStatus, Event::ConfigChanged] {
        let calls = unit.pebble.calls().len();
        let outcome = unit.run(event);
        let name = &unit.profile.name;
        assert_eq!(writes(&outcome), Vec::<String>::new(), "{name}");
        assert_eq!(unit.pebble_writes(calls), Vec::<String>::new(), "{name}");
    }
}

#[test]
fn a_damaged_file_is_kept_aside_whatever_its_format() {
    for (_, profile) in apps() {
        let Some(file) = &profile.config_file else {
            continue;
        };
        let mut unit = Unit::settled(&profile);
        let sound = unit.file().unwrap();
        let damaged = format!("{}\0", &sound[..sound.len() / 2]);
        unit.put_file(damaged.as_bytes());
        let outcome = unit.run(Event::UpdateStatus);
        assert!(unit.runs(), "{}", profile.name);
        let state = unit.pebble.state();
        let kept: Vec<_> = state
            .files()
            .into_iter()
            .filter(|(path, _)| path.starts_with(&format!("{}.damaged-", file.path)))
            .map(|(_, file)| file.content.clone())
            .collect();
        assert_eq!(kept, [damaged.into_bytes()], "{}", profile.name);
        assert!(
            outcome
                .logs
                .iter()
                .any(|line| format!("{line:?}").contains(".damaged-")),
            "{}",
            profile.name
        );
        // It is said until somebody has looked into it, also by a pod that is another one.
        let name = state
            .files()
            .into_iter()
            .find(|(path, _)| path.contains(".damaged-"));
        let path = name.unwrap().0.to_owned();
        let said = format!(
            "blocked: config file: was damaged, is replaced; look into {}, then remove it",
            path.rsplit('/').next().unwrap()
        );
        assert_eq!(unit.status(), said, "{}", profile.name);
        assert_steady(&mut unit);
        unit.loses_its_disk();
        unit.run(Event::UpdateStatus);
        assert_eq!(unit.status(), said, "{}", profile.name);
        unit.pebble.remove_path(&path, false).unwrap();
        unit.run(Event::UpdateStatus);
        assert!(unit.status().starts_with("active"), "{}", unit.status());
        assert_steady(&mut unit);
    }
}

#[test]
fn what_is_no_file_in_the_place_of_one_is_told_with_what_to_do() {
    let mut unit = Unit::settled(&app("radarr"));
    let path = unit.profile.config_file.clone().unwrap().path;
    unit.pebble.remove_path(&path, false).unwrap();
    unit.pebble.make_dir(&path, &FileOptions::default()).unwrap();
    unit.run(Event::UpdateStatus);
    unit.assert_says("waiting: container radarr: config.xml is no file; move it away; ");
    unit.pebble.remove_path(&path, true).unwrap();
    unit.run(Event::UpdateStatus);
    assert!(unit.status().starts_with("active"), "{}", unit.status());
}

/// Something writes into it without end.
#[test]
fn a_file_that_would_fill_the_memory_is_not_read_and_stays_where_it_is() {
    let mut unit = Unit::settled(&app("radarr"));
    let path = unit.profile.config_file.clone().unwrap().path;
    unit.put_file(&vec![b'x'; (16 << 20) + 1]);
    let before = unit.pebble.calls().len();
    unit.run(Event::UpdateStatus);
    unit.assert_says("waiting: container radarr: config.xml has 17 MB, too much to be read; move it away; ");
    let calls = unit.pebble.calls();
    let is_read = calls[before..]
        .iter()
        .any(|call| call.operation == "read_file" && call.subject == path);
    assert!(!is_read, "{calls:?}");
    assert_eq!(unit.pebble_writes(before), Vec::<String>::new());
    // Somebody does so, and the app starts with another one.
    unit.pebble.remove_path(&path, false).unwrap();
    unit.run(Event::UpdateStatus);
    assert!(unit.status().starts_with("active"), "{}", unit.status());
}

#[test]
fn a_key_that_clients_know_is_taken_over_from_a_damaged_file() {
    let key = "0123456789abcdef0123456789abcdef";
    for (_, profile) in apps() {
        let (Some(file), Some(place)) = (&profile.config_file, profile.api_key_place()) else {
            continue;
        };
        let name = place.last().unwrap();
        let damaged = match file.format {
            Format::XmlElements => format!("<Config>\n  <{name}>{key}</{name}>\n  <Po"),
            Format::XmlAttributes => format!("<Preferences {name}=\"{key}\" Po"),
            Format::Ini => format!("[misc\n{name} = {key}\n"),
            Format::Json => format!("{{\n \"main\": {{ \"{name}\": \"{key}\", \"lo"),
        };
        let mut unit = Unit::new(&profile);
        unit.put_file(damaged.as_bytes());
        for event in unit.first_events() {
            unit.run(event);
        }
        assert_eq!(unit.secret("api-key").as_deref(), Some(key), "{}", profile.name);
        assert!(
            unit.file().unwrap().contains(key) && unit.runs(),
            "{}",
            profile.name
        );
    }
}

#[test]
fn that_a_damaged_file_was_put_aside_is_known_after_a_kill_anywhere() {
    let profile = app("radarr");
    for call in 1.. {
        let mut unit = Unit::settled(&profile);
        unit.put_file(b"<Config>");
        let outcome = unit.try_run(Event::UpdateStatus, Some(Fault::StopBefore { call }));
        let is_killed = outcome.result.is_err();
        unit.run(Event::UpdateStatus);
        assert!(
            unit.status()
                .starts_with("blocked: config file: was damaged, is replaced; "),
            "killed before hook tool {call}: {}",
            unit.status()
        );
        // Juju has it too, though the hook that wrote it first was killed.
        unit.run(Event::UpdateStatus);
        unit.loses_its_disk();
        unit.run(Event::UpdateStatus);
        assert!(
            unit.status().starts_with("blocked: config file: "),
            "{call}: {}",
            unit.status()
        );
        if !is_killed {
            assert!(call > 5, "nothing was killed");
            return;
        }
    }
}

/// What a power cut leaves: a file of its old length that holds nothing, or none of its bytes.
#[test]
fn a_file_that_lost_all_its_bytes_is_not_replaced_in_silence() {
    let mut silent = Vec::new();
    for (_, profile) in apps() {
        if profile.config_file.is_none() {
            continue;
        }
        for content in [vec![0_u8; 4096], vec![b' '; 512], Vec::new()] {
            let mut unit = Unit::settled(&profile);
            unit.put_file(&content);
            unit.run(Event::UpdateStatus);
            unit.run(Event::UpdateStatus);
            if !unit.status().starts_with("blocked: config file: ") {
                silent.push(format!(
                    "{} {} bytes of {:?}: {}",
                    profile.name,
                    content.len(),
                    content.first(),
                    unit.status()
                ));
            }
        }
    }
    assert_eq!(silent, Vec::<String>::new());
}

#[test]
fn a_file_that_the_app_is_writing_is_not_taken_for_a_damaged_one() {
    for (_, profile) in apps() {
        let Some(file) = &profile.config_file else {
            continue;
        };
        // The first event looks twice in any case: it has not looked at the volume.
        for event in [Event::UpdateStatus, Event::ConfigChanged] {
            let mut unit = Unit::settled(&profile);
            let whole = unit.file().unwrap();
            unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::TornRead {
                path: file.path.clone(),
            });
            unit.run(event);
            assert_eq!(
                unit.file().unwrap(),
                whole,
                "{}: half of it is lost",
                profile.name
            );
            assert_eq!(unit.pebble_writes(0), Vec::<String>::new(), "{}", profile.name);
            assert!(unit.status().starts_with("active"), "{}", unit.status());
        }
    }
}

/// Where a second one was put was remembered in place of the first, which nobody was told of then.
#[test]
fn each_damaged_file_is_told_of_until_somebody_has_taken_it_away() {
    let profile = app("radarr");
    let mut unit = Unit::settled(&profile);
    let mut kept = Vec::new();
    for damage in ["<Config>", "<Config><Port>"] {
        unit.put_file(damage.as_bytes());
        unit.run(Event::UpdateStatus);
        let state = unit.pebble.state();
        let mut paths = state.files().into_iter().map(|(path, _)| path.to_owned());
        let new = paths.find(|path| path.contains(".damaged-") && !kept.contains(path));
        kept.push(new.unwrap());
    }
    assert_eq!(
        unit.status(),
        "blocked: config file: was damaged, is replaced; look into 2 config.xml.damaged-*, then remove them"
    );
    // With a pod that is new.
    unit.loses_its_disk();
    for path in kept {
        unit.run(Event::UpdateStatus);
        assert!(
            unit.status().starts_with("blocked: config file: "),
            "{}",
            unit.status()
        );
        unit.pebble.remove_path(&path, false).unwrap();
    }
    unit.run(Event::UpdateStatus);
    assert!(unit.status().starts_with("active"), "{}", unit.status());
    assert_steady(&mut unit);
}

/// The charm has read the file before the app ends, and would write that back with its own values.
#[test]
fn what_an_app_saves_as_it_ends_is_in_the_file_that_it_is_started_with() {
    for (_, profile) in apps() {
        let (Some(file), Some(_)) = (&profile.config_file, profile.api_key_place()) else {
            continue;
        };
        let mut unit = Unit::settled(&profile);
        let whole = unit.file().unwrap();
        let key = unit.secret("api-key").unwrap();
        // Somebody has changed the key in the app, which the charm takes back, and something else, which is theirs.
        unit.put_file(whole.replace(&key, "ffffffffffffffffffffffffffffffff").as_bytes());
        let (end, theirs) = match file.format {
            Format::XmlElements => ("</Config>", "<Branch>develop</Branch>\n</Config>"),
            Format::XmlAttributes => ("/>", " FriendlyName=\"attic\"/>"),
            Format::Ini => ("[misc]", "[misc]\nlanguage = nl"),
            Format::Json => ("{", "{\"theirs\":true,"),
        };
        let saved = unit.file().unwrap().replacen(end, theirs, 1);
        unit.pebble = FakePebble::new(unit.pebble.state()).with_fault(PebbleFault::SavesAtStop {
            service: profile.name.clone(),
            path: file.path.clone(),
            content: saved.clone().into_bytes(),
        });
        unit.run(Event::UpdateStatus);
        let after = unit.file().unwrap();
        assert_eq!(
            after,
            saved.replace("ffffffffffffffffffffffffffffffff", &key),
            "{}",
            profile.name
        );
        assert!(unit.runs(), "{}: {}", profile.name, unit.status());
        assert_steady(&mut unit);
    }
}

/// Somebody has taken the first one away, and the status told of two.
#[test]
fn one_that_was_taken_away_is_not_counted_when_another_comes() {
    let profile = app("radarr");
    let mut unit = Unit::settled(&profile);
    let aside = |unit: &Unit| {
        let state = unit.pebble.state();
        let mut paths = state.files().into_iter().map(|(path, _)| path.to_owned());
        paths.find(|path| path.contains(".damaged-")).unwrap()
    };
    unit.put_file(b"<Config>");
    unit.run(Event::UpdateStatus);
    let first = aside(&unit);
    unit.pebble.remove_path(&first, false).unwrap();
    unit.put_file(b"<Config><Port>");
    unit.run(Event::UpdateStatus);
    let name = aside(&unit).rsplit('/').next().unwrap().to_owned();
    assert_eq!(
        unit.status(),
        format!("blocked: config file: was damaged, is replaced; look into {name}, then remove it")
    );
}

/// It ended between two attempts to stop it, and what it had saved was overwritten with what was read before.
#[test]
fn what_an_app_saves_that_takes_too_long_to_end_is_not_lost() {
    let profile = app("radarr");
    let mut unit = Unit::settled(&profile);
    let path = profile.config_file.as_ref().unwrap().path.clone();
    let key = unit.secret("api-key").unwrap();
    let other = "ffffffffffffffffffffffffffffffff";
    unit.put_file(unit.file().unwrap().replace(&key, other).as_bytes());
    let theirs = "<Branch>develop</Branch>\n</Config>";
    let saved = unit.file().unwrap().replacen("</Config>", theirs, 1);
    unit.pebble = FakePebble::new(unit.pebble.state())
        .with_fault(PebbleFault::RefuseFirst {
            operation: "stop".to_owned(),
            status: 504,
            message: "timed out".to_owned(),
        })
        .with_fault(PebbleFault::SavesAtStop {
            service: profile.name.clone(),
            path,
            content: saved.clone().into_bytes(),
        });
    unit.run(Event::UpdateStatus);
    assert!(
        unit.status().contains("cannot stop the service"),
        "{}",
        unit.status()
    );
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.file().unwrap(), saved.replace(other, &key));
    assert!(unit.runs(), "{}", unit.status());
    assert_steady(&mut unit);
}
