//! What the fuzz target does with one input. The crate's tests run the same on the corpus, without a fuzzer.

use std::collections::BTreeMap;

use velero_backup_config::requirer::{self, Outcome};
use velero_backup_config::velero::Operator;
use velero_backup_config::{BackupRequest, BackupSpec, Retention, Schedule};

/// Gives an input to every reader of the crate, and what was read to every writer.
///
/// # Panics
/// When something panics, or when what was written is not read back the same.
pub fn any_input(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    if let Ok(retention) = Retention::parse(text) {
        assert!(!retention.duration().is_zero());
    }
    if let Ok(schedule) = Schedule::parse(text) {
        check_times(&schedule);
    }
    if let Ok(spec) = BackupSpec::from_text(text) {
        check_spec(&spec);
    }
    // Lines of `key=value` are a databag; anything else is a spec in an otherwise good one.
    let mut bag: BTreeMap<String, String> = text
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect();
    check_bag(&bag);
    for (key, value) in [
        ("app", "a"),
        ("relation_name", "r"),
        ("model", "m"),
        ("spec", text),
    ] {
        bag.insert(key.to_owned(), value.to_owned());
    }
    check_bag(&bag);
}

fn check_times(schedule: &Schedule) {
    // Before a change of clocks in Europe.
    let mut at = jiff::Timestamp::constant(1_792_879_200, 0);
    for _ in 0..5 {
        let Some(next) = schedule.next_after(at) else {
            return;
        };
        assert!(next > at, "{schedule} goes back from {at} to {next}");
        at = next;
    }
}

fn check_bag(bag: &BTreeMap<String, String>) {
    let read = BackupRequest::from_databag(bag);
    match requirer::read(bag) {
        Outcome::Request { request, .. } => {
            assert_eq!(read.as_ref(), Ok(request.as_ref()), "the two readers disagree");
            let written = request.to_databag();
            assert_eq!(
                BackupRequest::from_databag(&written).as_ref(),
                Ok(request.as_ref())
            );
            check_spec(request.spec());
        }
        Outcome::NotReady => assert!(read.is_err()),
        Outcome::Invalid { errors } => {
            assert!(!errors.is_empty() && read.is_err(), "{errors:?} and {read:?}");
            for error in errors {
                assert!(
                    error.pointer().is_empty() || error.pointer().starts_with('/'),
                    "{error:?}"
                );
                assert!(!error.to_string().chars().any(char::is_control), "{error:?}");
            }
        }
    }
}

fn check_spec(spec: &BackupSpec) {
    assert_eq!(BackupSpec::from_text(&spec.to_wire_text()).as_ref(), Ok(spec));
    let velero = spec.to_velero_backup_spec(true);
    assert!(
        !velero.included_namespaces.is_empty(),
        "this would be a backup of everything"
    );
    assert!(BackupSpec::from_velero_backup_spec(&velero).is_ok());
    let operator = Operator {
        model: "velero",
        default_volumes_to_fs_backup: false,
    };
    if let Ok(request) = BackupRequest::new("a", "r", "m", spec.clone()) {
        assert_eq!(
            request.to_schedule(&operator).is_some(),
            spec.schedule().is_some()
        );
    }
}
