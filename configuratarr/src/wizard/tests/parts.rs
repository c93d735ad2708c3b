//! The small parts: rates, the log, typed lines, windows on lists, the pace of frames.

use std::time::Duration;

use tokio::time::Instant;

use super::*;
use crate::wizard::input::Input;
use crate::wizard::log::Log;
use crate::wizard::rate::Rate;
use crate::wizard::terminal::Pace;
use crate::wizard::theme::{bar, column, span, window};

fn at(seconds: i64) -> Timestamp {
    fixtures::now() + SignedDuration::from_secs(seconds)
}

fn bytes(done: u64) -> Bytes {
    Bytes {
        done,
        total: Some(1000),
    }
}

#[test]
fn a_rate_is_that_of_the_last_seconds() {
    let mut rate = Rate::default();
    assert_eq!(rate.per_second(at(0)), None);
    rate.add(at(0), bytes(0));
    assert_eq!((rate.per_second(at(0)), rate.seconds_left(at(0))), (None, None));
    rate.add(at(2), bytes(200));
    assert_eq!(rate.per_second(at(2)), Some(100));
    assert_eq!(rate.seconds_left(at(2)), Some(8));
    // It came to a halt: after the window there is no rate, and nobody says how long it takes.
    assert_eq!(rate.per_second(at(4)), Some(50));
    assert_eq!((rate.per_second(at(60)), rate.seconds_left(at(60))), (None, None));
    rate.add(at(61), bytes(300));
    rate.add(at(63), bytes(340));
    assert_eq!(rate.per_second(at(63)), Some(20));
}

#[test]
fn another_transfer_begins_from_nothing() {
    let mut rate = Rate::default();
    rate.add(at(0), bytes(800));
    rate.add(at(1), bytes(10));
    rate.add(at(3), bytes(30));
    assert_eq!(rate.per_second(at(3)), Some(10));
}

#[test]
fn a_log_that_is_read_further_up_stays_there() {
    let mut log = Log::default();
    for number in 0..10 {
        log.say(at(0), "radarr", &format!("line {number}"));
    }
    let shown = |log: &Log| -> Vec<String> { log.shown(3).map(|line| line[17..].to_owned()).collect() };
    assert_eq!(shown(&log), ["line 7", "line 8", "line 9"]);
    log.scroll(2);
    assert_eq!(shown(&log), ["line 5", "line 6", "line 7"]);
    log.say(at(0), "radarr", "line X");
    assert_eq!(shown(&log), ["line 5", "line 6", "line 7"]);
    log.scroll(1000);
    assert_eq!(shown(&log), ["line 0", "line 1", "line 2"]);
    log.scroll(-1000);
    assert_eq!(shown(&log), ["line 8", "line 9", "line X"]);
}

#[test]
fn a_log_keeps_its_last_thousand_lines() {
    let mut log = Log::default();
    for number in 0..1500 {
        log.say(at(0), "", &number.to_string());
    }
    assert_eq!(log.all().count(), 1000);
    assert_eq!(log.all().next().unwrap(), "12:00:00 500");
}

#[test]
fn a_line_is_typed_and_taken_back() {
    let mut input = Input::of("aä");
    for key in [
        Key::Char('b'),
        Key::Char('\u{1b}'),
        Key::Up,
        Key::Backspace,
        Key::Backspace,
    ] {
        input.key(key);
    }
    assert_eq!(input.text(), "a");
    for _ in 0..1000 {
        input.key(Key::Char('x'));
    }
    assert_eq!(input.text().len(), 400);
}

#[test]
fn a_window_holds_what_is_pointed_at() {
    assert_eq!(window(3, 2, 10), 0..3);
    assert_eq!(window(100, 50, 10), 45..55);
    assert_eq!(window(100, 99, 10), 90..100);
    assert_eq!(window(0, 0, 10), 0..0);
    for pointed in 0..30 {
        for rows in 1..40 {
            assert!(window(30, pointed, rows).contains(&pointed), "{pointed} {rows}");
        }
    }
}

#[test]
fn bars_columns_and_spans_have_their_width() {
    assert_eq!(bar(0, 100, 4), "[----]");
    assert_eq!(bar(50, 100, 4), "[##--]");
    assert_eq!(bar(200, 100, 4), "[####]");
    assert_eq!(bar(0, 0, 4), "[####]");
    assert_eq!(column("größe", 7), "größe  ");
    assert_eq!(column("設定の名前", 6), "設定… ");
    assert_eq!(column("a\nb", 6), "a\\nb  ");
    assert_eq!(
        [span(59), span(61), span(3700)],
        ["59 s", "1 min 1 s", "1 h 1 min"]
    );
}

#[test]
fn a_frame_is_drawn_when_something_changed_and_at_most_ten_times_a_second() {
    let mut pace = Pace::default();
    assert_eq!(pace.due(), None);
    let begin = Instant::now();
    pace.changed();
    assert!(pace.due().unwrap() >= begin);
    pace.drawn(begin);
    assert_eq!(pace.due(), None);
    pace.changed();
    assert_eq!(pace.due(), Some(begin + Duration::from_millis(100)));
}
