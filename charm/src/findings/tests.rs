use config_recovery::backups::{BadBackup, EndpointHealth, LastWord, Proof, Scheduled, Verdict};
use config_recovery::locations::{Trouble, UnusableStorage};
use velero_backup_config::Schedule;

use super::*;
use crate::last_restore::LastRestore;
use crate::test_restore::Why;
use crate::tiers::{TIERS, WEEKLY};

const NOW: &str = "2026-11-24T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn ago(hours: i64) -> Timestamp {
    at(NOW) - SignedDuration::from_hours(hours)
}

/// What is seen and remembered of an app.
struct World {
    standing: BackupHealth,
    asked_at: Option<Timestamp>,
    held_up: Option<ScheduleProblem>,
    test_restore: Option<Next>,
    tries: Option<Tries>,
    sizes: Sizes,
    fewer: Vec<Fewer>,
}

fn last_good(hours: i64, bytes: u64) -> LastGood {
    LastGood {
        name: "radarr-1".to_owned(),
        uid: "u".to_owned(),
        started: Some(ago(hours)),
        time: Some(ago(hours)),
        expires: Some(ago(hours) + SignedDuration::from_hours(720)),
        bytes: Some(bytes),
    }
}

/// As it should be: a backup each night, proven last week, the next test restore due tomorrow.
fn well() -> World {
    let last = last_good(9, 20_000_000);
    let nightly = EndpointHealth {
        last_good: Some(last.clone()),
        schedule: Some(Scheduled {
            name: "radarr-s".to_owned(),
            since: Some(ago(1000)),
            rests: None,
        }),
    };
    let standing = BackupHealth {
        endpoints: [(NIGHTLY.name().to_owned(), nightly)].into(),
        kept_longest: Some(last),
        last_proof: Some(LastWord::from(Proof {
            at: ago(150),
            took: None,
            outcome: Outcome::ComesBack { contents: None },
        })),
        since: Some(ago(700)),
        ..BackupHealth::default()
    };
    World {
        standing,
        asked_at: Some(ago(1000)),
        held_up: None,
        test_restore: Some(Next {
            due: at("2026-11-25T02:08:00Z"),
            from: at("2026-11-25T02:08:00Z"),
        }),
        tries: None,
        sizes: Sizes::default(),
        fewer: Vec::new(),
    }
}

fn found(world: &World) -> Vec<Finding> {
    let schedule = Schedule::daily_at(3 * 60);
    let asked = [Asked {
        tier: &TIERS[0],
        schedule: Some(&schedule),
    }];
    findings(&Seen {
        standing: &world.standing,
        proof: world.standing.last_proof.as_ref().map(|word| &word.proof),
        asked: &asked,
        asked_at: world.asked_at,
        held_up: world.held_up.as_ref().map(|problem| (&TIERS[0], problem)),
        test_restore: world.test_restore,
        tries: world.tries.as_ref(),
        sizes: &world.sizes,
        fewer: &world.fewer,
        now: at(NOW),
    })
}

fn nightly(world: &mut World) -> &mut EndpointHealth {
    world.standing.endpoints.get_mut(NIGHTLY.name()).unwrap()
}

fn bad(world: &mut World, endpoint: &str, why: Option<&str>) {
    let bad = BadBackup {
        name: "radarr-2".to_owned(),
        at: ago(9),
        is: Verdict::Empty,
        why: why.map(str::to_owned),
    };
    world.standing.bad.insert(endpoint.to_owned(), bad);
}

fn larger_before(world: &mut World, hours: i64, bytes: u64) {
    let mut before = world.standing.clone();
    let endpoint = before.endpoints.get_mut(NIGHTLY.name()).unwrap();
    endpoint.last_good = Some(last_good(hours, bytes));
    world.sizes = std::mem::take(&mut world.sizes).after(&before, LastRestore::default());
}

fn tested(world: &mut World, hours: i64, why: Option<Why>) {
    let due = ago(hours);
    world.test_restore = Some(Next { due, from: due });
    world.tries = Some(Tries {
        due,
        schedule: String::new(),
        last: ago(1),
        count: 3,
        why,
    });
}

#[test]
fn nothing_is_found_where_all_is_as_it_should_be() {
    assert_eq!(found(&well()), []);
}

/// What comes, and what is said of it.
type Case = (
    &'static str,
    fn(&mut World),
    Option<(Kind, &'static str, &'static str)>,
);

const CASES: &[Case] = &[
    (
        "the last one is about to go",
        |world| {
            let longest = world.standing.kept_longest.as_mut().unwrap();
            longest.time = Some(at("2026-10-26T12:00:00Z"));
            longest.expires = Some(at("2026-11-25T12:00:00Z"));
        },
        Some((
            Kind::LastBackupExpires,
            "the last good backup expires 2026-11-25 12:00 UTC, in 24 h",
            "run backup-now",
        )),
    ),
    (
        "the last one is kept for ever",
        |world| world.standing.kept_longest.as_mut().unwrap().expires = None,
        None,
    ),
    (
        "the storage is away",
        |world| {
            world.standing.storage = Some(UnusableStorage {
                name: "default".to_owned(),
                why: "no bucket".to_owned(),
                trouble: Trouble::Away,
            });
        },
        Some((
            Kind::StorageUnavailable,
            "storage location default: no bucket",
            "look at the object storage",
        )),
    ),
    (
        "velero-operator makes the location anew, since it was asked for something else",
        |world| {
            world.asked_at = Some(at(NOW) - SignedDuration::from_mins(9));
            world.standing.storage = Some(UnusableStorage {
                name: "default".to_owned(),
                why: "there is no such storage location".to_owned(),
                trouble: Trouble::Missing,
            });
        },
        None,
    ),
    (
        "the bucket is away just after velero-operator was asked for something else",
        |world| {
            world.asked_at = Some(at(NOW) - SignedDuration::from_mins(9));
            world.standing.storage = Some(UnusableStorage {
                name: "default".to_owned(),
                why: "no bucket".to_owned(),
                trouble: Trouble::Away,
            });
        },
        Some((
            Kind::StorageUnavailable,
            "storage location default: no bucket",
            "look at the object storage",
        )),
    ),
    (
        "there is no storage location",
        |world| {
            world.standing.storage = Some(UnusableStorage {
                name: "default".to_owned(),
                why: "there is no such storage location".to_owned(),
                trouble: Trouble::Missing,
            });
        },
        Some((
            Kind::StorageUnavailable,
            "storage location default: there is no such storage location",
            "look at juju status velero-operator",
        )),
    ),
    (
        "the storage is read-only",
        |world| {
            world.standing.storage = Some(UnusableStorage {
                name: "default".to_owned(),
                why: "it is read-only".to_owned(),
                trouble: Trouble::ReadOnly,
            });
        },
        Some((
            Kind::StorageUnavailable,
            "storage location default: it is read-only",
            "set its accessMode to ReadWrite",
        )),
    ),
    (
        "no Schedule",
        |world| world.held_up = Some(ScheduleProblem::NoSchedule),
        Some((
            Kind::ScheduleMissing,
            "velero-backup-config: velero-operator made no Schedule",
            "look at juju status velero-operator and juju debug-log",
        )),
    ),
    (
        "a Schedule that was refused",
        |world| world.held_up = Some(ScheduleProblem::Refused("no cron".to_owned())),
        Some((
            Kind::ScheduleMissing,
            "velero-backup-config: Schedule refused: no cron",
            "change option backup-schedule",
        )),
    ),
    (
        "a Schedule that was paused",
        |world| world.held_up = Some(ScheduleProblem::Paused("radarr-s".to_owned())),
        Some((
            Kind::ScheduleMissing,
            "velero-backup-config: Schedule paused",
            "velero schedule unpause radarr-s",
        )),
    ),
    (
        "a Schedule that the charm has paused",
        |world| world.held_up = Some(ScheduleProblem::PausedByCharm),
        Some((
            Kind::ScheduleMissing,
            "velero-backup-config: Schedule paused, since the app must not start",
            "do what juju status says",
        )),
    ),
    (
        "one night was missed",
        |world| nightly(world).last_good = Some(last_good(33, 20_000_000)),
        Some((
            Kind::BackupOverdue,
            "no good backup since 2026-11-23 03:00 UTC, due 2026-11-24 03:00 UTC",
            "run list-backups",
        )),
    ),
    (
        "there was none ever",
        |world| {
            nightly(world).last_good = None;
            world.standing.kept_longest = None;
        },
        Some((
            Kind::BackupOverdue,
            "no good backup yet, one was due 2026-10-14 03:00 UTC",
            "run list-backups",
        )),
    ),
    (
        "the last proof is of a damaged one",
        |world| {
            world.standing.last_proof = Some(LastWord::from(Proof {
                at: ago(10),
                took: None,
                outcome: Outcome::Damaged {
                    why: "radarr.db: not sound".to_owned(),
                },
            }));
        },
        Some((
            Kind::VerifyFailed,
            "a backup was damaged when it was read back 2026-11-24: radarr.db: not sound",
            "run backup-now, then verify-backup",
        )),
    ),
    (
        "the last one is EMPTY",
        |world| bad(world, NIGHTLY.name(), None),
        Some((
            Kind::BackupBad,
            "the backup of 2026-11-24 03:00 UTC is EMPTY",
            "run list-backups",
        )),
    ),
    (
        "the last one came to nothing for a reason",
        |world| bad(world, NIGHTLY.name(), Some("hook failed")),
        Some((
            Kind::BackupBad,
            "the backup of 2026-11-24 03:00 UTC is EMPTY: hook failed",
            "run list-backups",
        )),
    ),
    (
        "one of a tier that nobody asks for",
        |world| bad(world, WEEKLY.name(), None),
        None,
    ),
    (
        "the last one has less than half of the bytes",
        |world| larger_before(world, 33, 40_000_002),
        Some((
            Kind::BackupShrank,
            "the last good backup has 20 MB, that of 2026-11-23 had 40 MB",
            "run list-backups",
        )),
    ),
    (
        "it has half of the bytes",
        |world| larger_before(world, 33, 40_000_000),
        None,
    ),
    ("it grew", |world| larger_before(world, 33, 1), None),
    (
        "it shrank more than a week ago",
        |world| {
            larger_before(world, 9 + 7 * 24 + 1, 90_000_000);
            larger_before(world, 33, 20_000_000);
        },
        None,
    ),
    (
        "backups are made once a week, and the last took a minute longer than the one before",
        |world| {
            let mut before = world.standing.clone();
            let mut last = last_good(9, 90_000_000);
            last.time = Some(ago(9) - SignedDuration::from_mins(7 * 24 * 60 + 1));
            before.endpoints.get_mut(NIGHTLY.name()).unwrap().last_good = Some(last);
            world.sizes = std::mem::take(&mut world.sizes).after(&before, LastRestore::default());
            // The last one was seen already.
            world.sizes = std::mem::take(&mut world.sizes).after(&world.standing, LastRestore::default());
            world.sizes = std::mem::take(&mut world.sizes).after(&world.standing, LastRestore::default());
        },
        Some((
            Kind::BackupShrank,
            "the last good backup has 20 MB, that of 2026-11-17 had 90 MB",
            "run list-backups",
        )),
    ),
    (
        "it shrank a week ago",
        |world| larger_before(world, 9 + 7 * 24, 90_000_000),
        Some((
            Kind::BackupShrank,
            "the last good backup has 20 MB, that of 2026-11-17 had 90 MB",
            "run list-backups",
        )),
    ),
    (
        "it has as many bytes, and few of the films",
        |world| {
            world.fewer = vec![Fewer {
                name: "films".to_owned(),
                now: 3,
                before: 412,
                at: ago(57),
            }];
        },
        Some((
            Kind::BackupShrank,
            "the last good backup has 3 films, that of 2026-11-22 had 412",
            "run list-backups",
        )),
    ),
    (
        "a snapshot does not tell",
        |world| {
            larger_before(world, 33, 90_000_000);
            nightly(world).last_good.as_mut().unwrap().bytes = None;
        },
        None,
    ),
    (
        "a test restore is late by a day",
        |world| tested(world, 26, None),
        None,
    ),
    (
        "nothing was tried",
        |world| {
            tested(world, 27, None);
            world.tries = None;
        },
        Some((
            Kind::VerifyOverdue,
            "no test restore since it was due 2026-11-23",
            "run verify-backup",
        )),
    ),
    (
        "what was tried came to nothing",
        |world| {
            let why = Why {
                why: "cannot find Velero".to_owned(),
                next: Some("deploy velero-operator".to_owned()),
            };
            tested(world, 27, Some(why));
        },
        Some((
            Kind::VerifyOverdue,
            "no test restore since it was due 2026-11-23: cannot find Velero",
            "deploy velero-operator",
        )),
    ),
    (
        "nobody asks for test restores",
        |world| {
            world.test_restore = None;
            world.standing.last_proof = None;
        },
        None,
    ),
];

#[test]
fn each_kind_is_found_and_nothing_else() {
    for (case, comes, expected) in CASES {
        let mut world = well();
        comes(&mut world);
        let found = found(&world);
        let told: Vec<(Kind, &str, &str)> = found
            .iter()
            .map(|finding| (finding.kind, finding.what.as_str(), finding.next.as_str()))
            .collect();
        assert_eq!(told, Vec::from_iter(*expected), "{case}");
    }
    let mut kinds: Vec<Kind> = CASES
        .iter()
        .filter_map(|(.., told)| Some(told.as_ref()?.0))
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(kinds, Kind::ALL, "each has a case, and the list is in order");
}

#[test]
fn all_that_is_wrong_is_found_the_more_important_first() {
    let mut world = well();
    for (_, comes, told) in CASES {
        if told.is_some() {
            comes(&mut world);
        }
    }
    // Without a good backup it can neither expire nor shrink, and the last case asks for no test restores.
    let kinds: Vec<Kind> = found(&world).into_iter().map(|finding| finding.kind).collect();
    assert_eq!(
        kinds,
        [
            Kind::StorageUnavailable,
            Kind::ScheduleMissing,
            Kind::BackupOverdue,
            Kind::VerifyFailed,
            Kind::BackupBad,
            Kind::VerifyOverdue,
        ]
    );
    let since: Vec<Option<Timestamp>> = found(&world).into_iter().map(|finding| finding.since).collect();
    assert_eq!(since[2], Some(at("2026-10-14T03:00:00Z")));
    assert_eq!(since[3], Some(ago(10)));
}

#[test]
fn few_sizes_are_remembered_however_many_backups_are_made() {
    let mut sizes = Sizes::default();
    let mut world = well();
    for minutes in 0..3000_i64 {
        let mut last = last_good(0, 7);
        last.time = Some(ago(600) + SignedDuration::from_mins(10 * minutes));
        nightly(&mut world).last_good = Some(last);
        sizes = sizes.after(&world.standing, LastRestore::default());
    }
    let text = serde_json::to_string(&sizes).unwrap();
    assert!(text.matches("bytes").count() <= 15, "{text}");
    // A clock that ran ahead has left one.
    let last = nightly(&mut world).last_good.as_mut().unwrap();
    last.time = Some(ago(590));
    let text = serde_json::to_string(&sizes.after(&world.standing, LastRestore::default())).unwrap();
    assert_eq!(text.matches("bytes").count(), 1, "{text}");
}

#[test]
fn what_was_before_a_restore_is_no_measure_of_what_comes_after_it() {
    let mut world = well();
    let restored = LastRestore::noted(Some(ago(20)), Timestamp::now());
    let with = |world: &World, restored| world.sizes.clone().after(&world.standing, restored);
    larger_before(&mut world, 33, 90_000_000);
    assert!(!found(&world).is_empty());
    world.sizes = with(&world, restored);
    assert_eq!(
        found(&world),
        [],
        "whoever restored it has seen how much smaller it is"
    );
    // That it shrinks once more is told.
    larger_before(&mut world, 15, 50_000_000);
    world.sizes = with(&world, restored);
    assert_eq!(found(&world)[0].kind, Kind::BackupShrank);
    // The last good backup is still the one from before the restore.
    let mut world = well();
    world.sizes = with(&world, LastRestore::noted(Some(ago(1)), Timestamp::now()));
    assert!(world.sizes.is_empty(), "it would be the measure of the next one");
}
