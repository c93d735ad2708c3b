//! What is told Pebble, and what a person reads when it does not do it.

use juju_charm::pebble::ExecOutput;
use juju_charm::testing::{FakePebble, PebbleState};

use super::*;
use crate::facts::FileFacts;

fn command() -> Command {
    Command {
        option: "claim-token".to_owned(),
        words: vec!["claim".to_owned(), "secret-token".to_owned()],
        next_step: "ask for another one".to_owned(),
    }
}

fn ended(exit_code: i32) -> FakePebble {
    let output = ExecOutput {
        exit_code,
        stdout: b"secret-token".to_vec(),
        stderr: b"secret-token".to_vec(),
    };
    FakePebble::new(PebbleState::new().with_command(["claim"], output))
}

#[test]
fn a_command_that_fails_says_why_and_what_to_do_and_keeps_what_it_was_given() {
    let pebble = ended(0);
    run(&pebble, &command()).unwrap();
    assert_eq!(pebble.state().executed()[0].timeout, Some(COMMAND_TIMEOUT));
    let missing = PebbleState::new().with_missing_executable("claim");
    for (pebble, reason) in [
        (ended(7), "was not taken (exit code 7)"),
        (
            FakePebble::new(PebbleState::new().unreachable()),
            "Pebble is not responding",
        ),
        (FakePebble::new(missing), "its command could not be run"),
    ] {
        let said = run(&pebble, &command()).unwrap_err();
        assert_eq!(
            said.to_string(),
            format!("option claim-token: {reason}; ask for another one")
        );
    }
}

#[test]
fn a_file_is_written_with_its_mode_and_owner() {
    let file = |owner| FileWrite {
        path: "/config/config.xml".to_owned(),
        file: FileFacts {
            content: b"<Config/>".to_vec(),
            mode: 0o600,
            owner,
        },
    };
    let pebble = FakePebble::new(PebbleState::new());
    write(&pebble, &file(Some((568, 569)))).unwrap();
    let state = pebble.state();
    let found = state.file("/config/config.xml").unwrap();
    assert_eq!(
        (
            found.mode,
            found.user_id,
            found.group_id,
            found.content.as_slice()
        ),
        (0o600, 568, 569, b"<Config/>".as_slice())
    );
    let said = write(&FakePebble::new(PebbleState::new().unreachable()), &file(None)).unwrap_err();
    assert!(said.starts_with("cannot write /config/config.xml: "), "{said}");
}

#[test]
fn a_restored_volume_gets_its_databases_back_or_the_workload_stays_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    let live = volume.join("radarr.db");
    std::fs::write(&live, "").unwrap();
    let make = rusqlite::Connection::open(&live).unwrap();
    make.execute_batch("CREATE TABLE t (x)").unwrap();
    make.close().unwrap();
    config_volume::prepare(volume, &config_volume::Options::default()).unwrap();
    // A restore brings neither the live database nor what belongs to the volume that it came from.
    std::fs::remove_file(&live).unwrap();
    std::fs::remove_dir_all(volume.join(config_volume::FOLDER).join("local")).unwrap();
    let sets = volume.join(config_volume::FOLDER).join("sets");
    let set = std::fs::read_dir(sets).unwrap().next().unwrap().unwrap().path();
    let manifest = std::fs::read_to_string(set.join("manifest.json")).unwrap();
    let mut later: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    later["version"] = (config_volume::VERSION + 1).into();
    std::fs::write(set.join("manifest.json"), later.to_string()).unwrap();
    let said = databases_in_place(volume).unwrap_err();
    assert!(
        said.ends_with("a later revision of this charm backed them up; juju refresh this one")
            && !live.exists(),
        "{said}"
    );
    std::fs::write(set.join("manifest.json"), manifest).unwrap();
    databases_in_place(volume).unwrap();
    assert!(live.exists());
    let said = databases_in_place(&live).unwrap_err();
    assert!(
        said.starts_with("cannot put restored databases in place: "),
        "{said}"
    );
}

#[test]
fn a_service_has_the_time_to_start_and_that_to_end() {
    let mut profile = AppProfile::parse("sample.yaml", include_str!("../../tests/data/sample.yaml")).unwrap();
    profile.workload.stop_timeout = None;
    assert_eq!(service_timeout(&profile), Duration::from_secs(30));
    profile.workload.stop_timeout = Some(45);
    assert_eq!(service_timeout(&profile), Duration::from_secs(75));
}
