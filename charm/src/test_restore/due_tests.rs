use config_recovery::backups::{EndpointHealth, LastGood, Proof};

use super::*;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// Backups since then, of which the last good one ended then, with what was proven last.
fn seen(since: &str, last: &str, proof: Option<(&str, bool)>) -> BackupHealth {
    let last_good = LastGood {
        name: "radarr-1".to_owned(),
        uid: "u".to_owned(),
        started: Some(at(last)),
        time: Some(at(last)),
        expires: None,
        bytes: Some(20_131_072),
    };
    let health = EndpointHealth {
        last_good: Some(last_good),
        schedule: None,
    };
    BackupHealth {
        endpoints: [("velero-backup-config".to_owned(), health)].into(),
        since: Some(at(since)),
        last_proof: proof.map(|(at, comes_back)| proven(at, comes_back).into()),
        ..BackupHealth::default()
    }
}

fn proven(when: &str, comes_back: bool) -> Proof {
    Proof {
        at: at(when),
        took: None,
        outcome: match comes_back {
            true => Outcome::ComesBack { contents: None },
            false => Outcome::Damaged {
                why: "radarr.db: it is not sound".to_owned(),
            },
        },
    }
}

fn came_back(when: &str) -> Record {
    Record {
        proof: Some(proven(when, true).into()),
        tries: None,
    }
}

fn tries(schedule: &Schedule, due: &str, last: &str, count: u32) -> Record {
    Record {
        proof: None,
        tries: Some(Tries {
            due: at(due),
            schedule: schedule.as_str().to_owned(),
            last: at(last),
            count,
            why: None,
        }),
    }
}

const WEEKLY: &str = "8 2 * * 3";
const EARLY: &str = "2026-11-01T01:00:00Z";
/// A Monday.
const NOW: &str = "2026-11-30T12:00:00Z";

fn due_of(schedule: &str, seen: &BackupHealth, record: &Record) -> Option<(Timestamp, Timestamp)> {
    let schedule = Schedule::parse(schedule).unwrap();
    next(seen, &schedule, record, at(NOW)).map(|next| (next.due, next.from))
}

#[test]
fn one_is_due_at_the_first_time_after_the_last_proof_or_after_the_first_backup() {
    let nothing = Record::default();
    let last = "2026-11-30T01:28:00Z";
    for (what, schedule, seen, expected) in [
        (
            "nothing was proven: after the first backup",
            WEEKLY,
            seen("2026-11-23T01:28:00Z", last, None),
            "2026-11-25T02:08:00Z",
        ),
        (
            "the first backup was made after the time of this week",
            WEEKLY,
            seen("2026-11-27T01:28:00Z", last, None),
            "2026-12-02T02:08:00Z",
        ),
        (
            "after a proof",
            WEEKLY,
            seen(EARLY, last, Some(("2026-11-25T02:12:00Z", true))),
            "2026-12-02T02:08:00Z",
        ),
        (
            "after one that somebody made by hand",
            WEEKLY,
            seen(EARLY, last, Some(("2026-11-30T11:00:00Z", true))),
            "2026-12-02T02:08:00Z",
        ),
        (
            "after a proof of long ago it is due since then",
            WEEKLY,
            seen(EARLY, last, Some(("2026-11-04T02:12:00Z", true))),
            "2026-11-11T02:08:00Z",
        ),
        (
            "a proof that is minutes ahead of this clock is one",
            WEEKLY,
            seen(EARLY, last, Some(("2026-11-30T12:09:00Z", true))),
            "2026-12-02T02:08:00Z",
        ),
        (
            "monthly",
            "8 2 21 * *",
            seen(EARLY, last, Some(("2026-11-21T02:12:00Z", true))),
            "2026-12-21T02:08:00Z",
        ),
        (
            "every so often counts from the proof",
            "@every 36h",
            seen(EARLY, last, Some(("2026-11-30T00:00:00Z", true))),
            "2026-12-01T12:00:00Z",
        ),
        // Clocks in Berlin went from 02:00 to 03:00 on 29 March 2026, and from 03:00 to 02:00 on 25 October 2026.
        (
            "a time that comes twice comes for the second time as well",
            "TZ=Europe/Berlin 30 2 * * *",
            seen(EARLY, last, Some(("2026-10-25T00:31:00Z", true))),
            "2026-10-25T01:30:00Z",
        ),
        (
            "a time that a night leaves out is the next night's",
            "TZ=Europe/Berlin 30 2 * * *",
            seen(EARLY, last, Some(("2026-03-28T02:00:00Z", true))),
            "2026-03-30T00:30:00Z",
        ),
        (
            "damaged, and no newer one is there",
            WEEKLY,
            seen(
                EARLY,
                "2026-11-25T01:28:00Z",
                Some(("2026-11-25T02:12:00Z", false)),
            ),
            "2026-12-02T02:08:00Z",
        ),
        (
            "damaged, and a newer one is there: after a day",
            WEEKLY,
            seen(
                EARLY,
                "2026-11-26T01:28:00Z",
                Some(("2026-11-25T02:12:00Z", false)),
            ),
            "2026-11-26T02:12:00Z",
        ),
        (
            "damaged, and the schedule comes before the day is over",
            "0 * * * *",
            seen(
                EARLY,
                "2026-11-26T01:28:00Z",
                Some(("2026-11-25T02:12:00Z", false)),
            ),
            "2026-11-25T03:00:00Z",
        ),
    ] {
        let expected = Some((at(expected), at(expected)));
        assert_eq!(due_of(schedule, &seen, &nothing), expected, "{what}");
    }
}

#[test]
fn without_a_good_backup_and_with_a_time_that_never_comes_none_is_due() {
    let mut nothing_good = seen(EARLY, NOW, None);
    nothing_good.endpoints.clear();
    assert_eq!(due_of(WEEKLY, &nothing_good, &Record::default()), None);
    // Every 29 February that is a Monday is years away; a time that never comes is no schedule at all.
    assert!(Schedule::parse("0 0 31 2 *").is_err());
}

#[test]
fn a_proof_is_remembered_when_its_backup_has_gone() {
    let monthly_ones_are_kept = "2025-12-01T01:00:00Z";
    let seen = seen(monthly_ones_are_kept, "2026-11-30T01:28:00Z", None);
    let record = came_back("2026-11-25T02:12:00Z");
    let expected = at("2026-12-02T02:08:00Z");
    assert_eq!(due_of(WEEKLY, &seen, &record), Some((expected, expected)));
    // One from the future would count for ever.
    let record = came_back("2036-11-25T02:12:00Z");
    let expected = at("2025-12-03T02:08:00Z");
    assert_eq!(due_of(WEEKLY, &seen, &record), Some((expected, expected)));
}

#[test]
fn what_was_tried_is_tried_again_later_each_time_and_stays_due() {
    let weekly = Schedule::parse(WEEKLY).unwrap();
    // All backups from before it was due have gone.
    let seen = seen("2026-11-29T01:28:00Z", "2026-11-30T01:28:00Z", None);
    let (due, last) = ("2026-11-25T02:08:00Z", "2026-11-30T11:30:00Z");
    for (count, hours) in [
        (1, 1),
        (2, 2),
        (3, 4),
        (4, 8),
        (5, 16),
        (6, 24),
        (7, 24),
        (u32::MAX, 24),
    ] {
        let record = tries(&weekly, due, last, count);
        let from = at(last) + SignedDuration::from_hours(hours);
        assert_eq!(due_of(WEEKLY, &seen, &record), Some((at(due), from)), "{count}");
    }
    for (what, record) in [
        (
            "of a clock that was put back since",
            tries(&weekly, due, "2026-12-30T00:00:00Z", 3),
        ),
        (
            "before it was due",
            tries(&weekly, due, "2026-11-24T00:00:00Z", 1),
        ),
    ] {
        assert_eq!(due_of(WEEKLY, &seen, &record), Some((at(due), at(due))), "{what}");
    }
    // Somebody has asked for another schedule since.
    let other = tries(&Schedule::parse("@every 6h").unwrap(), due, last, 3);
    let expected = at("2026-12-02T02:08:00Z");
    assert_eq!(due_of(WEEKLY, &seen, &other), Some((expected, expected)));
}

#[test]
fn a_proof_ends_what_was_tried_and_so_does_another_schedule() {
    let weekly = Schedule::parse(WEEKLY).unwrap();
    let due = "2026-11-25T02:08:00Z";
    let record = tries(&weekly, due, "2026-11-25T02:10:00Z", 1);
    let of = |proof: Option<&str>, schedule: Option<&Schedule>| {
        let seen = seen(EARLY, NOW, proof.map(|at| (at, true)));
        record.clone().after(&seen, schedule, at(NOW))
    };
    assert_eq!(of(None, Some(&weekly)), record);
    assert_eq!(
        of(Some("2026-11-25T02:07:59Z"), Some(&weekly)).tries,
        record.tries
    );
    assert_eq!(of(Some(due), Some(&weekly)), came_back(due));
    assert_eq!(of(None, Some(&Schedule::daily_at(0))), Record::default());
    assert_eq!(of(None, None), Record::default());
    // What was proven is not forgotten when an older proof is all that is left.
    let record = came_back(due);
    let older = seen(EARLY, NOW, Some(("2026-11-18T02:08:00Z", true)));
    assert_eq!(record.clone().after(&older, Some(&weekly), at(NOW)), record);
}

#[test]
fn what_was_proven_last_is_remembered_until_another_one_is() {
    let last = "2026-11-25T02:12:00Z";
    for comes_back in [true, false] {
        let record = Record::default().after(&seen(EARLY, NOW, Some((last, comes_back))), None, at(NOW));
        let told = |proof| {
            record
                .last_proof(&seen(EARLY, NOW, proof), at(NOW))
                .map(|word| word.proof)
        };
        let remembered = Some(proven(last, comes_back));
        assert_eq!(told(None), remembered, "its backup has expired, or was deleted");
        assert_eq!(told(Some(("2026-11-18T02:12:00Z", true))), remembered);
        assert_eq!(told(Some(("2026-11-18T02:12:00Z", false))), remembered);
        for newer in [true, false] {
            let later = "2026-11-27T02:12:00Z";
            assert_eq!(told(Some((later, newer))), Some(proven(later, newer)));
        }
    }
}

#[test]
fn a_damaged_one_that_was_deleted_is_followed_by_a_test_restore_of_a_newer_one_too() {
    let damaged = "2026-11-29T02:12:00Z";
    let record = Record::default().after(&seen(EARLY, NOW, Some((damaged, false))), None, at(NOW));
    let deleted = seen(
        EARLY,
        "2026-11-30T01:28:00Z",
        Some(("2026-11-22T02:12:00Z", true)),
    );
    let expected = at("2026-11-30T02:12:00Z");
    assert_eq!(due_of(WEEKLY, &deleted, &record), Some((expected, expected)));
}

/// No newer one follows: backups fail, say. Nobody restores the older one hour by hour for that.
#[test]
fn an_older_one_that_came_back_since_is_not_restored_again_before_the_schedule_says_so() {
    let (damaged, since) = ("2026-11-20T02:12:00Z", "2026-11-25T02:12:00Z");
    let mut standing = seen(EARLY, EARLY, Some((damaged, false)));
    let weekly = Schedule::parse(WEEKLY).unwrap();
    let before = next(&standing, &weekly, &Record::default(), at(NOW)).unwrap();
    assert!(before.due < at(since), "{before:?}");
    if let Some(word) = &mut standing.last_proof {
        word.since = Some(at(since));
    }
    let after = next(&standing, &weekly, &Record::default(), at(NOW)).unwrap();
    assert!(after.due > at(since), "{after:?}");
    // What was tried until then is over.
    let tried = tries(&weekly, "2026-11-25T02:08:00Z", "2026-11-25T02:10:00Z", 3);
    assert_eq!(tried.after(&standing, Some(&weekly), at(NOW)).tries, None);
}

/// Good ones follow that are not as new as the damaged one, of another Velero say. One a day is looked at, and not one in each event.
#[test]
fn one_that_came_back_after_the_damage_is_not_followed_by_the_next_at_once() {
    let (damaged, since) = ("2026-11-20T02:12:00Z", "2026-11-22T02:12:00Z");
    let mut standing = seen(EARLY, "2026-11-21T02:12:00Z", Some((damaged, false)));
    let weekly = Schedule::parse(WEEKLY).unwrap();
    if let Some(word) = &mut standing.last_proof {
        word.since = Some(at(since));
    }
    let found = next(&standing, &weekly, &Record::default(), at(NOW)).unwrap();
    assert!(found.due > at(since), "{found:?}");
}

#[test]
fn what_is_remembered_of_a_proof_is_short() {
    let mut found = seen(EARLY, NOW, Some((NOW, true)));
    let mut remembered = |outcome| {
        if let Some(word) = &mut found.last_proof {
            word.proof.outcome = outcome;
        }
        let record = Record::default().after(&found, None, at(NOW));
        serde_json::to_string(&record).unwrap()
    };
    let of_contents = Outcome::ComesBack {
        contents: Some("films 412".repeat(200)),
    };
    assert!(remembered(of_contents).len() < 200);
    let why = "x".repeat(2000);
    assert!(remembered(Outcome::Damaged { why }).len() < 600);
}
