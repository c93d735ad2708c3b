//! Properties that hold for every request, and for every input.
#![cfg(test)]

#[path = "../fuzz/body.rs"]
mod body;
mod common;

use common::{bag_with_spec, nearly_a_spec, request, spec};
use proptest::collection::btree_map;
use proptest::prelude::*;
use velero_backup_config::requirer::{Outcome, read};
use velero_backup_config::velero::Operator;
use velero_backup_config::{BackupRequest, BackupSpec, provider};

proptest! {
    #[test]
    fn what_is_written_is_read_back(request in request()) {
        let databag = request.to_databag();
        prop_assert_eq!(BackupRequest::from_databag(&databag), Ok(request.clone()));
        let expected = Outcome::Request { request: Box::new(request.clone()), warnings: Vec::new() };
        prop_assert_eq!(read(&databag), expected);
        let bags = [("7".to_owned(), databag)].into();
        prop_assert_eq!(provider::changes(&bags, &request), []);
    }

    #[test]
    fn a_spec_survives_as_text_and_as_velero_object(spec in spec(), fs in any::<bool>()) {
        let wire = spec.to_wire_text();
        prop_assert_eq!(BackupSpec::from_text(&wire), Ok(spec.clone()));
        let Some(schedule) = spec.to_velero_schedule_spec(fs) else { return Ok(()) };
        let back = BackupSpec::from_velero_schedule_spec(&schedule).unwrap();
        // Velero has one word for nothing: an empty list is an unset one there.
        prop_assert_eq!(back.to_velero_schedule_spec(fs), Some(schedule));
        prop_assert_eq!(back.schedule(), spec.schedule());
    }

    #[test]
    fn a_whole_object_as_text_is_the_same_spec(request in request()) {
        // Without the operator's choice, which no client can make.
        let operator = Operator { model: "velero", default_volumes_to_fs_backup: false };
        let Some(schedule) = request.to_schedule(&operator) else { return Ok(()) };
        let mut object = serde_json::to_value(&schedule).unwrap();
        object["spec"]["template"].as_object_mut().unwrap().remove("defaultVolumesToFsBackup");
        let from_text = BackupSpec::from_text(&object.to_string()).unwrap();
        prop_assert_eq!(Ok(from_text), BackupSpec::from_velero_schedule_spec(&schedule.spec));
    }

    #[test]
    fn no_text_panics(text in "(?s).{0,60}") {
        body::any_input(text.as_bytes());
    }

    #[test]
    fn no_text_that_is_nearly_a_schedule_panics(text in "((CRON_)?TZ=[A-Za-z/+0-9. ]{0,12})?[-*/,?0-9a-zA-Z@ µ.]{0,24}") {
        body::any_input(text.as_bytes());
    }

    #[test]
    fn no_json_that_is_nearly_a_spec_panics(spec in nearly_a_spec()) {
        body::any_input(spec.to_string().as_bytes());
        let _ = read(&bag_with_spec(&spec.to_string()));
    }

    #[test]
    fn no_databag_panics(databag in btree_map("(app|relation_name|model|spec|.{0,3})", "(\\{.{0,9}\\}|.{0,9})", 0..5)) {
        let outcome = read(&databag);
        prop_assert_eq!(matches!(outcome, Outcome::Request { .. }), BackupRequest::from_databag(&databag).is_ok());
    }
}

/// What the fuzzer found, or was given to start from.
#[test]
fn the_fuzzers_corpus_is_replayed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus/any_input");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        body::any_input(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 14, "only {count} inputs in {folder}");
}
