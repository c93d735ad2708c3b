use std::collections::BTreeMap;

use config_recovery::backups::{LastGood, LastWord, Outcome, Proof};

use super::*;
use crate::findings::Kind;
use crate::tiers::{MONTHLY, NIGHTLY, TIERS, WEEKLY};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn tier(wanted: &Tier) -> &'static Tier {
    TIERS.iter().find(|tier| tier.name() == wanted.name()).unwrap()
}

/// The first tier, asked for by this schedule.
fn nightly(schedule: Option<&Schedule>) -> [Asked<'_>; 1] {
    let tier = tier(&NIGHTLY);
    [Asked { tier, schedule }]
}

fn last_good(time: &str, kept: SignedDuration) -> LastGood {
    LastGood {
        name: "radarr-1".to_owned(),
        uid: "u".to_owned(),
        started: Some(at(time)),
        time: Some(at(time)),
        expires: Some(at(time) + kept),
        bytes: Some(20_131_072),
    }
}

fn made(since: &str) -> Scheduled {
    Scheduled {
        name: "radarr-s".to_owned(),
        since: Some(at(since)),
        rests: None,
    }
}

/// Of each tier its last good backup, which is kept 30 days, and when its Schedule was made.
fn health(tiers: &[(&Tier, Option<&str>, Option<&str>)]) -> BackupHealth {
    let of_tier = |(tier, last, since): &(&Tier, Option<&str>, Option<&str>)| {
        let health = EndpointHealth {
            last_good: last.map(|time| last_good(time, SignedDuration::from_hours(720))),
            schedule: since.map(made),
        };
        (tier.name().to_owned(), health)
    };
    let endpoints: BTreeMap<_, _> = tiers.iter().map(of_tier).collect();
    let newest = endpoints.values().filter_map(|health| health.last_good.clone());
    BackupHealth {
        kept_longest: newest.max_by_key(|last| last.expires),
        endpoints,
        ..BackupHealth::default()
    }
}

fn standing(last: Option<&str>, since: Option<&str>) -> BackupHealth {
    health(&[(&NIGHTLY, last, since)])
}

fn seen_of(standing: &BackupHealth, asked: &[Asked<'_>], now: Timestamp) -> BackupStatus {
    seen_of_one_to_rest(standing, asked, false, now)
}

fn seen_of_one_to_rest(
    standing: &BackupHealth,
    asked: &[Asked<'_>],
    are_to_rest: bool,
    now: Timestamp,
) -> BackupStatus {
    let (record, sizes) = (Record::default(), Sizes::default());
    let asks = Asks {
        asked,
        asked_at: None,
        are_to_rest,
        test_restore: None,
        record: &record,
        sizes: &sizes,
        fewer: &[],
        now,
    };
    of(standing, &asks)
}

/// As the status says it.
fn warning(findings: &[Finding]) -> Option<String> {
    let mut findings = findings.iter();
    let first = findings.find(|finding| finding.kind != Kind::ScheduleMissing)?;
    Some(format!("warning: {}; {}", first.what, first.next))
}

/// What is said of the last good one, and what is wrong.
fn said(standing: &BackupHealth, asked: &[Asked<'_>], now: Timestamp) -> (String, String) {
    match seen_of(standing, asked, now) {
        BackupStatus::Seen { last, findings, .. } => {
            let last = last.map(|(last, _)| last).unwrap_or_default();
            (last, warning(&findings).unwrap_or_default())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_backup_that_takes_the_whole_hour_is_not_missed_yet() {
    let daily = Schedule::daily_at(3 * 60);
    for (now, is_missed) in [("2026-11-24T04:00:00Z", false), ("2026-11-24T04:00:01Z", true)] {
        let standing = standing(None, Some("2026-11-24T02:10:00Z"));
        let (_, warning) = said(&standing, &nightly(Some(&daily)), at(now));
        assert_eq!(!warning.is_empty(), is_missed, "{now}");
    }
}

#[test]
fn a_backup_is_missed_when_its_time_has_passed_by_an_hour() {
    let daily = Schedule::daily_at(3 * 60);
    let now = at("2026-11-24T12:00:00Z");
    let told = |last, since| said(&standing(last, since), &nightly(Some(&daily)), now);
    let nothing = || (String::new(), String::new());
    assert_eq!(told(None, None), nothing());
    assert_eq!(told(None, Some("2026-11-24T03:10:00Z")), nothing());
    assert_eq!(
        told(None, Some("2026-11-24T02:10:00Z")).1,
        "warning: no good backup yet, one was due 2026-11-24 03:00 UTC; run list-backups"
    );
    let begin = Some("2026-11-01T00:00:00Z");
    assert_eq!(
        told(Some("2026-11-24T03:12:40Z"), begin),
        ("last good 2026-11-24 03:12 UTC, 20 MB".to_owned(), String::new())
    );
    assert_eq!(
        told(Some("2026-11-22T03:12:40Z"), begin).1,
        "warning: no good backup since 2026-11-22 03:12 UTC, due 2026-11-23 03:00 UTC; run list-backups"
    );
    let by_hand = said(&standing(Some("2026-11-22T03:12:40Z"), None), &nightly(None), now);
    assert_eq!(
        by_hand,
        ("last good 2026-11-22 03:12 UTC, 20 MB".to_owned(), String::new())
    );
}

#[test]
fn each_tier_is_missed_by_its_own_schedule_and_named() {
    let (daily, weekly) = (Schedule::daily_at(3 * 60), Schedule::weekly_at(0, 4 * 60));
    let asked = [(&NIGHTLY, &daily), (&WEEKLY, &weekly)].map(|(of, schedule)| Asked {
        tier: tier(of),
        schedule: Some(schedule),
    });
    let begin = Some("2026-11-01T00:00:00Z");
    let now = at("2026-11-24T12:00:00Z");
    let good = Some("2026-11-24T03:12:40Z");
    let told = |nightly, weekly, since| {
        let standing = health(&[(&NIGHTLY, nightly, begin), (&WEEKLY, weekly, since)]);
        said(&standing, &asked, now)
    };
    // The 22nd is a Sunday.
    assert_eq!(told(good, Some("2026-11-22T04:05:00Z"), begin).1, "");
    let late = told(good, Some("2026-11-15T04:05:00Z"), begin);
    assert_eq!(
        late,
        (
            "last good 2026-11-24 03:12 UTC, 20 MB".to_owned(),
            "warning: backup-weekly: no good backup since 2026-11-15, due 2026-11-22 04:00 UTC; run list-backups"
                .to_owned()
        )
    );
    // One that is related since Monday is not late on Tuesday.
    assert_eq!(told(good, None, Some("2026-11-23T09:00:00Z")).1, "");
    assert_eq!(
        told(good, None, begin).1,
        "warning: backup-weekly: no good backup yet, one was due 2026-11-01 04:00 UTC; run list-backups"
    );
    // That weekly ones are made does not hide that nightly ones are not, and the first is said first.
    let nightly = told(Some("2026-11-20T03:12:40Z"), Some("2026-11-15T04:05:00Z"), begin);
    assert!(
        nightly.1.starts_with("warning: no good backup since 2026-11-20"),
        "{nightly:?}"
    );
    // A tier that nobody asks for any more is not late, and what it made counts all the same.
    let left = health(&[(&MONTHLY, Some("2026-11-10T04:05:00Z"), None)]);
    assert_eq!(
        said(&left, &asked, now),
        ("last good 2026-11-10 04:05 UTC, 20 MB".to_owned(), String::new())
    );
}

#[test]
fn a_schedule_that_is_asked_for_has_to_be_there_and_to_make_backups() {
    let daily = Schedule::daily_at(3 * 60);
    let now = at("2026-11-24T12:00:00Z");
    let held_up = |rests: Option<Rests>, is_there: bool, schedule| {
        let mut standing = standing(None, is_there.then_some("2026-11-24T10:00:00Z"));
        let health = standing.endpoints.get_mut(NIGHTLY.name()).unwrap();
        if let Some(made) = &mut health.schedule {
            made.rests = rests;
        }
        match seen_of(&standing, &nightly(schedule), now) {
            BackupStatus::Seen { held_up, .. } => held_up.map(|(tier, problem)| {
                assert_eq!(tier.name(), NIGHTLY.name());
                problem
            }),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(held_up(None, true, Some(&daily)), None);
    assert_eq!(
        held_up(None, false, Some(&daily)),
        Some(ScheduleProblem::NoSchedule)
    );
    assert_eq!(held_up(None, false, None), None);
    let why = || "no cron".to_owned();
    assert_eq!(
        held_up(Some(Rests::Refused { why: why() }), true, Some(&daily)),
        Some(ScheduleProblem::Refused(why()))
    );
    assert_eq!(
        held_up(Some(Rests::Paused), true, Some(&daily)),
        Some(ScheduleProblem::Paused("radarr-s".to_owned()))
    );
}

#[test]
fn a_schedule_that_the_charm_has_paused_is_nobodys_to_unpause() {
    let daily = Schedule::daily_at(3 * 60);
    let mut standing = standing(None, Some("2026-11-24T10:00:00Z"));
    let health = standing.endpoints.get_mut(NIGHTLY.name()).unwrap();
    health.schedule.as_mut().unwrap().rests = Some(Rests::Paused);
    let told = |are_to_rest| {
        let now = at("2026-11-24T12:00:00Z");
        match seen_of_one_to_rest(&standing, &nightly(Some(&daily)), are_to_rest, now) {
            BackupStatus::Seen { findings, .. } => (findings[0].kind, findings[0].next.clone()),
            other => panic!("{other:?}"),
        }
    };
    let unpause = "velero schedule unpause radarr-s".to_owned();
    assert_eq!(told(false), (Kind::ScheduleMissing, unpause));
    let look = "do what juju status says".to_owned();
    assert_eq!(told(true), (Kind::ScheduleMissing, look));
}

#[test]
fn the_good_backup_that_is_kept_the_longest_decides_when_the_last_one_goes() {
    let daily = Schedule::daily_at(3 * 60);
    let asked = nightly(Some(&daily));
    let mut seen = standing(Some("2026-11-01T03:12:40Z"), Some("2026-10-01T00:00:00Z"));
    let warning = |seen: &BackupHealth, now: &str| said(seen, &asked, at(now)).1;
    let missed =
        "warning: no good backup since 2026-11-01 03:12 UTC, due 2026-11-02 03:00 UTC; run list-backups";
    let goes = "warning: the last good backup expires 2026-12-01 03:12 UTC, in 3 d; run backup-now";
    assert_eq!(warning(&seen, "2026-11-28T03:12:39Z"), missed);
    assert_eq!(warning(&seen, "2026-11-28T03:12:40Z"), goes);
    assert_eq!(warning(&seen, "2026-12-01T02:12:40Z"), goes.replace("3 d", "1 h"));
    // A monthly one stays for long after it.
    let monthly = last_good("2026-10-15T04:05:00Z", SignedDuration::from_hours(8760));
    seen.kept_longest = Some(monthly);
    assert_eq!(warning(&seen, "2026-11-30T03:12:40Z"), missed);
    // One that Velero keeps for ever.
    seen.kept_longest.as_mut().unwrap().expires = None;
    assert_eq!(warning(&seen, "2026-11-30T03:12:40Z"), missed);
}

#[test]
fn what_was_seen_does_not_hold_beyond_the_moment_from_which_it_is_told() {
    let now = at("2026-11-10T12:00:00Z");
    let by_hand = standing(Some("2026-11-01T03:12:40Z"), None);
    let seen = HealthLookup::Read(by_hand);
    assert_eq!(
        seen.holds_until(&nightly(None), None, now),
        Some(at("2026-11-28T03:12:40Z"))
    );
    assert_eq!(
        seen.holds_until(&nightly(None), None, at("2026-11-28T03:12:40Z")),
        None
    );
    let daily = Schedule::daily_at(3 * 60);
    let good = standing(Some("2026-11-10T03:12:40Z"), Some("2026-10-01T00:00:00Z"));
    let seen = HealthLookup::Read(good);
    assert_eq!(
        seen.holds_until(&nightly(Some(&daily)), None, now),
        Some(at("2026-11-11T03:00:00Z"))
    );
}

#[test]
fn what_was_seen_while_velero_operator_is_at_what_it_was_asked_holds_until_it_has_had_its_time() {
    let daily = Schedule::daily_at(3 * 60);
    let good = standing(Some("2026-11-10T03:12:40Z"), Some("2026-10-01T00:00:00Z"));
    let seen = HealthLookup::Read(good);
    let holds = |asked_at: &str| {
        let now = at("2026-11-10T12:00:00Z");
        seen.holds_until(&nightly(Some(&daily)), Some(at(asked_at)), now)
    };
    assert_eq!(holds("2026-11-10T11:55:00Z"), Some(at("2026-11-10T12:05:00Z")));
    assert_eq!(holds("2026-11-10T11:50:00Z"), Some(at("2026-11-11T03:00:00Z")));
    // Whoever may not look sees nothing of what is made.
    let now = at("2026-11-10T12:00:00Z");
    assert_eq!(
        HealthLookup::NotAllowed.holds_until(&nightly(Some(&daily)), Some(now), now),
        Some(Timestamp::MAX)
    );
}

#[test]
fn what_was_proven_last_is_told_and_damage_is_a_warning() {
    let daily = Schedule::daily_at(3 * 60);
    let now = at("2026-11-27T09:00:00Z");
    let proven = |outcome| BackupHealth {
        last_proof: Some(LastWord::from(Proof {
            at: at("2026-11-20T04:00:00Z"),
            took: None,
            outcome,
        })),
        ..standing(Some("2026-11-27T03:12:00Z"), Some("2026-11-01T00:00:00Z"))
    };
    let told = |standing: &BackupHealth| match seen_of(standing, &nightly(Some(&daily)), now) {
        BackupStatus::Seen {
            verified, findings, ..
        } => (verified, warning(&findings)),
        other => panic!("{other:?}"),
    };
    let comes_back = proven(Outcome::ComesBack { contents: None });
    assert_eq!(told(&comes_back), (Some("verified 2026-11-20".to_owned()), None));
    let damaged = proven(Outcome::Damaged { why: String::new() });
    let warning =
        "warning: a backup was damaged when it was read back 2026-11-20; run backup-now, then verify-backup";
    assert_eq!(told(&damaged), (None, Some(warning.to_owned())));
}
