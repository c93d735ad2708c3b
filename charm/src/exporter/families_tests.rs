use std::collections::BTreeMap;

use config_recovery::backups::{AppSchedule, Outcome, Rests, Scheduled};
use config_recovery::testing;
use config_recovery::watched::Repository;
use config_volume::{Answer, AnswerKind};
use velero_api::{BackupPhase, BackupSpec};

use super::*;
use crate::contents::seen::{Figures, Seen};
use crate::exporter::text::text;
use crate::last_restore::LastRestore;
use crate::test_restore::Record;

const ENDPOINT: &str = "velero-backup-config";

fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    time("2026-11-29T12:00:00Z")
}

fn settings() -> Settings {
    Settings {
        app: "radarr".to_owned(),
        model: "media".to_owned(),
        has_data: true,
        asked: vec![Asked {
            endpoint: ENDPOINT.to_owned(),
            schedule: Some("30 2 * * *".to_owned()),
        }],
        essential: vec!["films".to_owned()],
        restored: LastRestore::default(),
        verify_schedule: Some("0 4 * * 0".to_owned()),
        test_restores: Record::default(),
    }
}

/// Of the night of this day of November, good unless it is changed.
fn night(day: u8, bytes: u64) -> BackupSummary {
    let mut backup = testing::backup(&format!("n{day}"), &settings().whose(), bytes);
    ENDPOINT.clone_into(&mut backup.endpoint);
    backup.started = Some(time(&format!("2026-11-{day:02}T02:30:00Z")));
    backup.completed = Some(time(&format!("2026-11-{day:02}T02:30:42Z")));
    backup.expires = Some(time(&format!("2026-12-{day:02}T02:30:00Z")));
    backup
}

fn schedule(rests: Option<Rests>) -> AppSchedule {
    AppSchedule {
        whose: settings().whose(),
        endpoint: ENDPOINT.to_owned(),
        velero_namespace: "velero".to_owned(),
        scheduled: Scheduled {
            name: "s".to_owned(),
            since: Some(time("2026-11-01T00:00:00Z")),
            rests,
        },
        cron: "30 2 * * *".to_owned(),
        last_run: None,
        template: BackupSpec {
            ttl: Some("720h0m0s".to_owned()),
            ..BackupSpec::default()
        },
    }
}

/// Newest first, as it is read.
fn watched(mut backups: Vec<BackupSummary>) -> Watched {
    backups.sort_by_key(|backup| std::cmp::Reverse(backup.started.or(backup.created)));
    Watched {
        backups,
        schedules: vec![schedule(None)],
        locations: vec![testing::location("default")],
        repositories: vec![Repository {
            velero_namespace: "velero".to_owned(),
            storage_location: "default".to_owned(),
            uploader: "kopia".to_owned(),
            is_ready: true,
        }],
    }
}

/// What the command before the backup of that night noted.
fn noted(day: u8, films: &str) -> (u64, Seen) {
    let made = time(&format!("2026-11-{day:02}T02:30:05Z")).as_second();
    let made = u64::try_from(made).unwrap();
    let answer = |kind, name: &str, value: &str| Answer {
        kind,
        name: name.to_owned(),
        value: value.to_owned(),
    };
    let seen = Seen {
        made,
        about: BTreeMap::new(),
        answers: vec![
            answer(AnswerKind::Schema, "radarr.db", "218"),
            answer(AnswerKind::Count, "films", films),
            answer(AnswerKind::Count, "lists", "many"),
            // A queue that was worked off is no accident.
            answer(AnswerKind::Count, "queue", "0"),
        ],
        lacking: Vec::new(),
        figures: Some(Figures {
            databases: 2,
            files: 31,
            left_out: 4096,
        }),
    };
    (made, seen)
}

fn of(settings: &Settings, watched: &Watched, contents: &List) -> String {
    text(&families(Known {
        settings,
        is_readable: true,
        seen: Some((watched, time("2026-11-29T11:59:30Z"))),
        contents,
        now: now(),
    }))
}

/// The lines of the metrics that begin so, without what describes them.
fn lines<'a>(text: &'a str, begin: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(begin)).collect()
}

fn one<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let prefix = format!("{name} ");
    let mut found = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    let value = found.next();
    assert_eq!(found.next(), None, "{name}");
    value
}

#[test]
fn all_that_is_known_of_a_healthy_app_is_exported() {
    let mut proven = night(25, 1000);
    proven.proof = Some(Proof {
        at: time("2026-11-28T04:00:00Z"),
        took: Some(std::time::Duration::from_secs(73)),
        outcome: Outcome::ComesBack { contents: None },
    });
    let mut failed = night(27, 0);
    failed.phase = Some(BackupPhase::Failed);
    let mut safety = night(26, 1000);
    safety.before_restore = Some("n25".to_owned());
    let watched = watched(vec![night(29, 1200), night(28, 1100), failed, safety, proven]);
    let settings = Settings {
        restored: LastRestore::noted(Some(time("2026-11-26T02:31:40Z")), now()),
        ..settings()
    };
    let text = of(
        &settings,
        &watched,
        &List::from([noted(29, "412"), noted(28, "410")]),
    );
    insta::assert_snapshot!(text);
    for metric in METRICS {
        let name = metric.name;
        assert!(
            text.lines()
                .any(|line| line.starts_with(&format!("# TYPE {name} "))),
            "{name} is in the table, and is not exported of an app that has everything"
        );
    }
}

#[test]
fn a_unit_without_the_data_tells_of_itself_alone_and_one_that_has_seen_nothing_says_so() {
    let elsewhere = Settings {
        has_data: false,
        ..settings()
    };
    let told = of(&elsewhere, &watched(vec![night(29, 7)]), &List::new());
    assert_eq!(lines(&told, "config_").len(), 1, "{told}");
    let blind = families(Known {
        settings: &settings(),
        is_readable: false,
        seen: None,
        contents: &List::new(),
        now: now(),
    });
    let blind = text(&blind);
    assert_eq!(one(&blind, "config_backup_cluster_readable"), Some("0"));
    assert_eq!(lines(&blind, "config_").len(), 2, "{blind}");
}

#[test]
fn the_last_result_is_that_of_the_backup_that_ended_last() {
    let with = |change: fn(&mut BackupSummary)| {
        let mut last = night(29, 7);
        change(&mut last);
        let text = of(&settings(), &watched(vec![last, night(28, 7)]), &List::new());
        let told = lines(&text, "config_backup_last_result{");
        assert_eq!(told.len(), VERDICTS.len());
        let is: Vec<String> = told
            .iter()
            .filter_map(|line| line.strip_suffix(" 1"))
            .map(|line| line.split('"').nth(1).unwrap().to_owned())
            .collect();
        is.join(" ")
    };
    assert_eq!(with(|_| ()), "good");
    assert_eq!(with(|last| last.phase = Some(BackupPhase::Failed)), "failed");
    assert_eq!(
        with(|last| last.holds = backups::BackupContents::Nothing),
        "empty"
    );
    assert_eq!(
        with(|last| last.phase = Some(BackupPhase::PartiallyFailed)),
        "partial"
    );
    // Velero refuses it, as into a storage location that cannot be used: it never begins.
    assert_eq!(
        with(|last| {
            last.phase = Some(BackupPhase::FailedValidation);
            last.holds = backups::BackupContents::Nothing;
            (last.created, last.started, last.completed) = (last.started, None, None);
        }),
        "failed"
    );
    let damaged = |last: &mut BackupSummary| {
        last.proof = Some(Proof {
            at: now(),
            took: None,
            outcome: Outcome::Damaged { why: String::new() },
        });
    };
    assert_eq!(with(damaged), "damaged");
    // These have no result: the one before counts.
    assert_eq!(with(|last| last.phase = Some(BackupPhase::InProgress)), "good");
    assert_eq!(
        with(|last| {
            last.phase = Some(BackupPhase::Failed);
            last.before_restore = Some("u".to_owned());
        }),
        "good"
    );
    let none = of(&settings(), &watched(vec![]), &List::new());
    assert_eq!(lines(&none, "config_backup_last_result{"), [""; 0]);
    assert_eq!(
        lines(&none, "config_backup_backups{verdict=\"empty\"}"),
        ["config_backup_backups{verdict=\"empty\"} 0"]
    );
}

#[test]
fn a_bad_backup_is_ended_by_a_good_one_of_its_endpoint_and_counts_where_it_was_asked_for() {
    let bad = |text: &str| {
        let told = lines(text, "config_backup_last_result{");
        told.iter().any(|line| line.ends_with("\"failed\"} 1"))
    };
    let of_endpoint = |day, endpoint: &str, phase| {
        let mut backup = night(day, 7);
        endpoint.clone_into(&mut backup.endpoint);
        backup.phase = Some(phase);
        backup
    };
    let mut both = settings();
    both.asked.push(Asked {
        endpoint: "backup-weekly".to_owned(),
        schedule: Some("30 2 * * 0".to_owned()),
    });
    let backups = |other| {
        watched(vec![
            of_endpoint(28, ENDPOINT, BackupPhase::Failed),
            of_endpoint(29, other, BackupPhase::Completed),
        ])
    };
    let nothing = List::new();
    assert!(bad(&of(&both, &backups("backup-weekly"), &nothing)));
    assert!(!bad(&of(&both, &backups(ENDPOINT), &nothing)));
    // Somebody's own, by no endpoint or by one that asks for none any more.
    for other in ["", "backup-weekly"] {
        let backups = watched(vec![
            of_endpoint(28, ENDPOINT, BackupPhase::Completed),
            of_endpoint(29, other, BackupPhase::Failed),
        ]);
        assert!(!bad(&of(&settings(), &backups, &nothing)), "{other}");
        assert_eq!(bad(&of(&both, &backups, &nothing)), !other.is_empty());
    }
}

#[test]
fn a_backup_is_due_by_what_is_asked_for_and_the_schedule_says_whether_it_comes() {
    let due = format!("config_backup_due_timestamp_seconds{{endpoint=\"{ENDPOINT}\"}}");
    let next = format!("config_backup_next_run_timestamp_seconds{{endpoint=\"{ENDPOINT}\"}}");
    let second = |text: &str| time(text).as_second().to_string();
    let seen = |schedules: Vec<AppSchedule>, backups| Watched {
        schedules,
        ..watched(backups)
    };
    let state = |text: &str| {
        let told = lines(text, "config_backup_schedule_state{");
        let is: Vec<&str> = told
            .iter()
            .filter_map(|line| line.strip_suffix("\"} 1"))
            .map(|line| line.rsplit('"').next().unwrap())
            .collect();
        is.join(" ")
    };
    // A day without a good one: it is due since the night after the last.
    let text = of(
        &settings(),
        &seen(vec![schedule(None)], vec![night(27, 7)]),
        &List::new(),
    );
    assert_eq!(state(&text), "active");
    assert_eq!(one(&text, &due), Some(second("2026-11-28T02:30:00Z").as_str()));
    assert_eq!(one(&text, &next), Some(second("2026-11-30T02:30:00Z").as_str()));
    // There never was one: since the Schedule was made.
    let text = of(&settings(), &seen(vec![schedule(None)], vec![]), &List::new());
    assert_eq!(one(&text, &due), Some(second("2026-11-01T02:30:00Z").as_str()));
    for (schedules, expected) in [
        (vec![], "missing"),
        (vec![schedule(Some(Rests::Paused))], "paused"),
        (
            vec![schedule(Some(Rests::Refused { why: String::new() }))],
            "refused",
        ),
    ] {
        let text = of(&settings(), &seen(schedules, vec![night(29, 7)]), &List::new());
        assert_eq!(state(&text), expected);
        assert_eq!(one(&text, &next), None, "{expected}");
    }
    // Backups by hand alone are never due, and nothing is missing.
    let mut by_hand = settings();
    by_hand.asked[0].schedule = None;
    let text = of(&by_hand, &seen(vec![], vec![night(27, 7)]), &List::new());
    assert_eq!((state(&text).as_str(), one(&text, &due)), ("", None));
}

#[test]
fn a_backup_that_holds_less_than_half_of_one_of_the_week_before_shrank() {
    let told = |backups: Vec<BackupSummary>, contents: &List| {
        let text = of(&settings(), &watched(backups), contents);
        let shrank = lines(&text, "config_backup_shrank{");
        shrank
            .iter()
            .map(|line| {
                line.strip_prefix("config_backup_shrank{name=")
                    .unwrap()
                    .to_owned()
            })
            .collect::<Vec<String>>()
    };
    let nothing = List::new();
    assert_eq!(
        told(vec![night(29, 500), night(27, 1000)], &nothing),
        ["\"bytes\"} 0"]
    );
    assert_eq!(
        told(vec![night(29, 499), night(27, 1000)], &nothing),
        ["\"bytes\"} 1"]
    );
    let films = |last: &str, before: &str| {
        let contents = List::from([noted(29, last), noted(27, before)]);
        told(vec![night(29, 1000), night(27, 1000)], &contents)
    };
    assert_eq!(films("206", "412"), ["\"bytes\"} 0", "\"films\"} 0"]);
    assert_eq!(films("205", "412"), ["\"bytes\"} 0", "\"films\"} 1"]);
    assert_eq!(films("500", "412"), ["\"bytes\"} 0", "\"films\"} 0"]);
    // The database is gone, whatever else stays; or it is there, and nobody can read it.
    let without_counts = |lacking: &[&str]| {
        let (made, mut seen) = noted(29, "");
        seen.answers.clear();
        seen.lacking = lacking.iter().map(|name| (*name).to_owned()).collect();
        let contents = List::from([(made, seen), noted(27, "412")]);
        told(vec![night(29, 1000), night(27, 1000)], &contents)
    };
    assert_eq!(without_counts(&["films"]), ["\"bytes\"} 0", "\"films\"} 1"]);
    assert_eq!(without_counts(&[]), ["\"bytes\"} 0"]);
    // It is too long ago.
    let long_ago = vec![night(29, 400), night(27, 400), night(21, 1000)];
    let contents = List::from([noted(29, "1"), noted(27, "1"), noted(21, "412")]);
    assert_eq!(told(long_ago, &contents), ["\"bytes\"} 0", "\"films\"} 0"]);
    // Where there is none between, bytes and things are compared however long ago it was.
    let monthly = vec![night(29, 400), night(21, 1000)];
    let contents = List::from([noted(29, "1"), noted(21, "412")]);
    assert_eq!(told(monthly.clone(), &contents), ["\"bytes\"} 1", "\"films\"} 1"]);
    // Somebody has restored a smaller one meanwhile.
    let restored = Settings {
        restored: LastRestore::noted(Some(time("2026-11-25T10:00:00Z")), now()),
        ..settings()
    };
    let text = of(&restored, &watched(monthly), &contents);
    assert_eq!(
        lines(&text, "config_backup_shrank{"),
        [
            "config_backup_shrank{name=\"bytes\"} 0",
            "config_backup_shrank{name=\"films\"} 0"
        ]
    );
    let at = one(&text, "config_backup_last_restore_timestamp_seconds");
    assert_eq!(
        at,
        Some(time("2026-11-25T10:00:00Z").as_second().to_string().as_str())
    );
}

/// Whoever deletes it does not know whether another one comes back.
#[test]
fn a_damaged_backup_that_was_deleted_is_still_the_last_one_that_was_compared() {
    let verified = |text: &str| {
        let success = one(text, "config_backup_last_verify_success").map(str::to_owned);
        let at = one(text, "config_backup_last_verify_timestamp_seconds").map(str::to_owned);
        (success, at)
    };
    let proven = |at: &str, outcome| Proof {
        at: time(at),
        took: None,
        outcome,
    };
    let damaged = Outcome::Damaged { why: String::new() };
    let record = Record {
        proof: Some(proven("2026-11-28T04:00:00Z", damaged).into()),
        ..Record::default()
    };
    let deleted = Settings {
        test_restores: record,
        ..settings()
    };
    let mut backups = vec![night(29, 7), night(27, 7)];
    let at = |text: &str| Some(time(text).as_second().to_string());
    let comes_back = || Outcome::ComesBack { contents: None };
    backups[1].proof = Some(proven("2026-11-27T04:00:00Z", comes_back()));
    let text = of(&deleted, &watched(backups.clone()), &List::new());
    assert_eq!(
        verified(&text),
        (Some("0".to_owned()), at("2026-11-28T04:00:00Z"))
    );
    backups[0].proof = Some(proven("2026-11-29T04:00:00Z", comes_back()));
    let text = of(&deleted, &watched(backups), &List::new());
    assert_eq!(
        verified(&text),
        (Some("1".to_owned()), at("2026-11-29T04:00:00Z"))
    );
}

#[test]
fn the_next_test_restore_is_due_by_its_schedule_after_the_last_one_or_after_the_first_backup() {
    let due = |proof: Option<&str>, schedule: Option<&str>, backups: usize| {
        let mut all: Vec<BackupSummary> = vec![night(29, 7)];
        all[0].proof = proof.map(|at| Proof {
            at: time(at),
            took: None,
            outcome: Outcome::Damaged { why: String::new() },
        });
        all.push(night(28, 7));
        all.truncate(backups);
        let settings = Settings {
            verify_schedule: schedule.map(str::to_owned),
            ..settings()
        };
        let text = of(&settings, &watched(all), &List::new());
        if proof.is_some() {
            assert_eq!(one(&text, "config_backup_last_verify_success"), Some("0"));
        }
        one(&text, "config_backup_verify_due_timestamp_seconds").map(str::to_owned)
    };
    let second = |text: &str| Some(time(text).as_second().to_string());
    let weekly = Some("0 4 * * 0");
    // A damaged one is followed by another within a day, as the charm does it.
    assert_eq!(
        due(Some("2026-11-20T00:00:00Z"), weekly, 2),
        second("2026-11-21T00:00:00Z")
    );
    assert_eq!(due(None, weekly, 2), second("2026-11-29T04:00:00Z"));
    assert_eq!(due(None, weekly, 0), None);
    assert_eq!(due(Some("2026-11-20T00:00:00Z"), None, 2), None);
}

/// Of a location that was left for another one.
#[test]
fn a_repository_that_no_backup_needs_any_more_says_nothing() {
    let ready = |change: fn(&mut Watched)| {
        let mut watched = watched(vec![night(29, 7)]);
        let mut old = watched.repositories[0].clone();
        old.storage_location = "old".to_owned();
        old.is_ready = false;
        watched.repositories.push(old);
        change(&mut watched);
        let text = of(&settings(), &watched, &List::new());
        lines(&text, "config_backup_repository_ready ").concat()
    };
    assert_eq!(ready(|_| ()), "config_backup_repository_ready 1");
    let newest_is_there = |watched: &mut Watched| "old".clone_into(&mut watched.backups[0].storage_location);
    assert_eq!(ready(newest_is_there), "config_backup_repository_ready 0");
}
