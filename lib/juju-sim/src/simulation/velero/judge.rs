//! What is wrong with a request that velero-operator takes without a word.

use velero_backup_config::{Error, Retention, Schedule};

use super::mapping::WireSpec;

/// Values that Velero cannot use, or that do not mean what they seem to: one sentence each.
pub(super) fn bad_values(spec: &WireSpec) -> Vec<String> {
    let ttl = spec.ttl.as_deref().map(Retention::parse).and_then(Result::err);
    let schedule = spec.schedule.as_deref().filter(|text| !text.is_empty());
    let schedule = schedule.map(Schedule::parse).and_then(Result::err);
    [
        (
            ttl,
            "Velero cannot decode it, and one such object may stop it for all",
        ),
        (
            schedule,
            "Velero would refuse it, and no backup would ever be made",
        ),
    ]
    .into_iter()
    .filter_map(|(error, consequence)| error.map(|error| sentence(&error, consequence)))
    .collect()
}

fn sentence(error: &Error, consequence: &str) -> String {
    if error.reason().is_stricter_than_velero() {
        format!("{error}; Velero takes it")
    } else {
        format!("{error}; {consequence}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(ttl: Option<&str>, schedule: Option<&str>) -> WireSpec {
        WireSpec {
            ttl: ttl.map(str::to_owned),
            schedule: schedule.map(str::to_owned),
            ..WireSpec::default()
        }
    }

    #[test]
    fn good_values_and_none_are_not_mentioned() {
        for (ttl, schedule) in [
            (None, None),
            (None, Some("")),
            (Some("720h0m0s"), Some("TZ=Europe/Berlin 0 3 * * MON-FRI")),
        ] {
            assert_eq!(bad_values(&spec(ttl, schedule)), [""; 0], "{ttl:?} {schedule:?}");
        }
    }

    #[test]
    fn bad_values_are_named_with_what_comes_of_them() {
        let both = bad_values(&spec(Some("30d"), Some("0 0 3 * * *")));
        assert_eq!(both.len(), 2);
        assert!(
            both[0].contains("ttl \"30d\"") && both[0].contains("cannot decode"),
            "{both:?}"
        );
        assert!(
            both[1].contains("schedule \"0 0 3 * * *\"") && both[1].contains("refuse"),
            "{both:?}"
        );
        let empty = bad_values(&spec(Some(""), None));
        assert!(empty[0].contains("cannot decode"), "{empty:?}");
    }

    #[test]
    fn what_velero_takes_is_not_called_refused() {
        let odd = bad_values(&spec(Some("-1h"), Some("0 0 31 2 *")));
        assert_eq!(odd.len(), 2);
        assert!(
            odd.iter().all(|text| text.ends_with("Velero takes it")),
            "{odd:?}"
        );
    }
}
