//! What is wrong with a request that velero-operator takes without a word.

use velero_backup_config::{Retention, Schedule};

use super::mapping::WireSpec;

/// Values that Velero cannot use, or that do not mean what they seem to: one sentence each.
pub(super) fn bad_values(spec: &WireSpec) -> Vec<String> {
    let ttl = spec.ttl.as_deref().and_then(|text| {
        let error = Retention::parse(text).err()?;
        let consequence = if error.is_stricter_than_velero() {
            "Velero takes it"
        } else {
            "Velero cannot decode it, and one such object may stop it for all"
        };
        Some(format!("cannot use ttl {text:?}: {error}; {consequence}"))
    });
    let schedule = spec.schedule.as_deref().filter(|text| !text.is_empty());
    let schedule = schedule.and_then(|text| {
        let error = Schedule::parse(text).err()?;
        let consequence = if error.is_stricter_than_velero() {
            "Velero takes it"
        } else {
            "Velero would refuse it, and no backup would ever be made"
        };
        Some(format!("cannot use schedule {text:?}: {error}; {consequence}"))
    });
    ttl.into_iter().chain(schedule).collect()
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
