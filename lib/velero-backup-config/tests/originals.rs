//! Durations and schedules against tables that the Go originals made; see `originals/README.md`.
#![cfg(test)]

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use jiff::Timestamp;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use velero_backup_config::{CronError, Retention, RetentionError, Schedule};

const DURATIONS: &str = include_str!("../../go-duration/tests/data/durations.tsv");
const SCHEDULES: &str = include_str!("data/schedules.tsv");

/// What the table calls a reason of ours, and what a user reads.
const REASONS: [(&str, &str); 4] = [
    ("ZeroRetention", "Velero takes zero to mean its own default"),
    (
        "NegativeRetention",
        "a negative retention means that every backup is deleted as soon as it is made",
    ),
    (
        "NeverFires",
        "it never fires, and Velero takes that to mean that a backup is due all the time",
    ),
    ("TooOften", "seconds apart"),
];

fn rows(table: &str) -> impl Iterator<Item = (String, Vec<&str>)> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let (input, columns) = line.split_once('\t').unwrap();
        (
            serde_json::from_str(input).unwrap(),
            columns.split('\t').collect(),
        )
    })
}

/// Holds a reason of ours to the column that names it.
fn check_reason(text: &str, reason: &str, column: &str) {
    let (_, expected) = REASONS.iter().find(|(name, _)| *name == column).unwrap();
    assert!(reason.ends_with(expected), "{text:?}: {reason}");
}

#[test]
fn retentions_are_durations_that_go_takes_above_zero() {
    let mut count = 0;
    for (text, columns) in rows(DURATIONS) {
        let [verdict, nanoseconds, ours] = columns[..] else {
            panic!("{text:?}: {columns:?}")
        };
        count += 1;
        let retention = Retention::parse(&text);
        if verdict == "refused" {
            let error = retention.expect_err(&text);
            assert!(!error.is_stricter_than_velero(), "{text:?}: {error}");
            assert!(matches!(error, RetentionError::Duration(_)), "{text:?}: {error}");
            continue;
        }
        assert_eq!(verdict, "taken");
        if ours.is_empty() {
            let duration = retention.unwrap().duration();
            assert_eq!(duration.as_nanos().to_string(), nanoseconds, "{text:?}");
        } else {
            let error = retention.unwrap_err();
            assert!(error.is_stricter_than_velero(), "{text:?}: {error}");
            check_reason(&text, &error.to_string(), ours);
        }
    }
    assert!(count >= 60, "the table has only {count} rows");
}

#[test]
fn schedules_are_judged_and_timed_as_velero_does() {
    let mut count = 0;
    for (text, columns) in rows(SCHEDULES) {
        let [verdict, from, next, ours] = columns[..] else {
            panic!("{text:?}: {columns:?}")
        };
        count += 1;
        let parsed = Schedule::parse(&text);
        if verdict != "taken" {
            assert!(matches!(verdict, "refused" | "panics"), "{verdict}");
            let error = parsed.expect_err(&text);
            assert!(!error.is_stricter_than_velero(), "{text:?}: {error}");
        } else if ours.is_empty() {
            let schedule = parsed.unwrap_or_else(|error| panic!("Velero takes it: {error}"));
            // Where Go's search never ends, ours finds nothing.
            let next = match next {
                "hangs" | "never" => "",
                next => next,
            };
            assert_eq!(next_five(&schedule, from), next, "{text:?} after {from}");
        } else {
            let error = parsed.expect_err(&text);
            assert!(error.is_stricter_than_velero(), "{text:?}: {error}");
            check_reason(&text, &error.to_string(), ours);
        }
    }
    assert!(count >= 60, "the table has only {count} rows");
}

fn next_five(schedule: &Schedule, from: &str) -> String {
    let mut times = Vec::new();
    let mut at: Timestamp = from.parse().unwrap();
    while times.len() < 5
        && let Some(next) = schedule.next_after(at)
    {
        assert!(next > at, "{schedule} goes back from {at} to {next}");
        times.push(next.to_string());
        at = next;
    }
    times.join(" ")
}

#[test]
fn the_tables_hold_the_odd_cases() {
    let durations: Vec<String> = rows(DURATIONS).map(|(text, _)| text).collect();
    for odd in [
        "1h30m", "1.5h", "-1h", "1d", "720h0m0s", "\u{661}h", "+1h", "0", "",
    ] {
        assert!(durations.iter().any(|text| text == odd), "{odd:?}");
    }
    let schedules: Vec<String> = rows(SCHEDULES).map(|(text, _)| text).collect();
    let odd_schedules = [
        "@every 6h",
        "@daily",
        "TZ=Europe/Berlin 0 3 * * *",
        "5/15 * * * *",
        "1-10/2",
        "1-10/2 * * * *",
        "0 3 * * MON-FRI",
        "0 0 3 * * *",
        "60 * * * *",
        "0 3 * * 7",
        "0 3 L * *",
        "*/0 * * * *",
        "\u{665} 3 * * *",
        "+5 3 * * *",
        "0 0 31 2 *",
        "@every 0s",
        "TZ=UTC",
    ];
    for odd in odd_schedules {
        assert!(schedules.iter().any(|text| text == odd), "{odd:?}");
    }
}

#[test]
fn a_crash_of_veleros_parser_is_told_apart() {
    let error = Schedule::parse("TZ=UTC").unwrap_err();
    assert_eq!(error, CronError::NothingAfterTimeZone);
    insta::assert_snapshot!(error, @"nothing follows the time zone");
    insta::assert_snapshot!(error.hint(), @r#"write the zone, one space and the schedule, for example "TZ=Europe/Berlin 30 2 * * *""#);
}

/// What a user reads for the usual mistakes.
#[test]
fn usual_mistakes_get_a_reason_and_a_next_step() {
    let mut texts = String::new();
    for text in ["30d", "4w", "720", "0", "-1h", "9999999h"] {
        let error = Retention::parse(text).unwrap_err();
        writeln!(texts, "{text}: {error}\n    {}", error.hint()).unwrap();
    }
    for text in [
        "daily",
        "@reboot",
        "0 0 3 * * *",
        "60 * * * *",
        "0 3 * * 7",
        "0 3 L * *",
        "*/0 * * * *",
        "0 3 * * FRI-MON",
        "0 0 31 2 *",
        "*/5 * * * *",
        "@every 30s",
        "@every 1d",
        "TZ=europe/berlin @daily",
        "TZ=../x @daily",
    ] {
        let error = Schedule::parse(text).unwrap_err();
        writeln!(texts, "{text}: {error}\n    {}", error.hint()).unwrap();
    }
    insta::assert_snapshot!(texts);
}

/// Feeds random texts, most of them nearly right, to the Go originals and to ours.
#[test]
#[ignore = "needs Go, and its module github.com/robfig/cron/v3"]
fn originals_agree_on_random_texts() {
    const COUNT: usize = 20_000;
    let number = "(0|1|5|7|12|23|30|31|59|60|\\+3|-1|007|x)";
    let item = format!(
        "({number}|\\*|\\?|{number}-{number}|MON|jan|SUN-wed|\\*/{number}|{number}/{number}|{number}-{number}/{number}|)"
    );
    let field = format!("({item}|{item}|\\*|{item},{item})");
    let likely = |low: &str| format!("({low}|{low}|{low}|{field})");
    let cron = format!(
        "((TZ|CRON_TZ)=(Europe/Berlin|America/New_York|Australia/Lord_Howe|Asia/Kolkata|UTC|Nowhere|) )?{} {} {field} {field} {field}",
        likely("[0-9]{1,2}"),
        likely("[0-9]{1,2}"),
    );
    let duration = "[-+]?([0-9]{1,12}|[0-9]{0,3}\\.[0-9]{0,20})(ns|us|µs|ms|s|m|h|d)?(([0-9]{0,2}\\.?[0-9]{0,2})(h|m|s|ms))?";
    let strategy = proptest::prop_oneof![
        3 => proptest::string::string_regex(&cron).unwrap(),
        2 => proptest::string::string_regex(duration).unwrap(),
        1 => proptest::string::string_regex(&format!("@(every {duration}|daily|weekly|monthly|yearly|x)")).unwrap(),
        1 => proptest::string::string_regex("[-+*/0-9a-zA-Z,@=. ]{0,20}").unwrap(),
    ];
    let mut runner = TestRunner::default();
    let texts: Vec<String> = (0..COUNT)
        .map(|_| strategy.new_tree(&mut runner).unwrap().current())
        .collect();

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/originals");
    let mut go = Command::new("go")
        .args(["run", ".", "judge"])
        .current_dir(folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = go.stdin.take().unwrap();
    let lines: String = texts
        .iter()
        .map(|text| serde_json::to_string(text).unwrap() + "\n")
        .collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()).unwrap());
    let output = go.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    let verdicts = String::from_utf8(output.stdout).unwrap();
    assert_eq!(verdicts.lines().count(), COUNT);

    let mut compared = 0;
    for (text, verdict) in texts.iter().zip(verdicts.lines()) {
        let columns: Vec<&str> = verdict.split('\t').collect();
        let [duration, nanoseconds, schedule, next] = columns[..] else {
            panic!("{verdict}")
        };
        match go_duration::parse(text) {
            Ok(ours) => assert_eq!((duration, nanoseconds), ("taken", &*ours.to_string()), "{text:?}"),
            Err(_) => assert_eq!(duration, "refused", "{text:?}"),
        }
        match Schedule::parse(text) {
            Ok(ours) => {
                compared += 1;
                let next = if next == "never" { "" } else { next };
                assert_eq!(schedule, "taken", "{text:?}");
                assert_eq!(next_five(&ours, "2026-10-24T22:17:43.5Z"), next, "{text:?}");
            }
            Err(error) => assert_eq!(
                schedule == "taken",
                error.is_stricter_than_velero(),
                "{text:?}: {error}"
            ),
        }
    }
    assert!(compared > COUNT / 20, "only {compared} schedules were compared");
}
