//! The main story, through real parts: the charm's binary, hook tools as executables, a Pebble that starts processes, a SQLite
//! database. Juju, Kubernetes and Velero are simulated; so is Radarr's program.

mod act;
mod database;
mod render;
mod story;

use std::io::Write;

use anyhow::Result;
use jiff::{SignedDuration, Timestamp};
use system_tests::binaries::{Binaries, Profile};
use system_tests::svg::{self, Stretch};

use crate::progress::Progress;
use render::Screen;

/// Columns of the picture.
const COLUMNS: usize = 110;

/// The picture, below the repository's root.
pub const PICTURE: &str = "docs/src/pictures/demo.svg";
const TITLE: &str = "cargo demo: deploy, integrate, back up, damage, restore";

/// Plays the story. With `spoil` a row is deleted after the restore: it has to be noticed.
///
/// # Errors
/// When something cannot be built, a step does not end as it should, or the restored rows are not those of before.
pub fn run(json: bool, spoil: bool) -> Result<()> {
    let binaries = build()?;
    let mut out = std::io::stdout();
    let screen = match json {
        true => Screen::silent(),
        false => Screen::on(&mut out),
    };
    let told = story::play(&binaries, spoil, screen)?;
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(&told.document)?)?;
    }
    told.judged()
}

/// What the story prints, as a picture of a terminal.
///
/// # Errors
/// As [`run`].
pub fn picture() -> Result<String> {
    let told = story::play(&build()?, false, Screen::silent())?;
    told.judged()?;
    Ok(drawn(&told.lines))
}

/// Lines as a picture, below the command that prints them. Times of today are always the same ones, so that the picture is too.
fn drawn(lines: &[Vec<Stretch>]) -> String {
    let command = Stretch {
        text: "$ cargo demo".to_owned(),
        is_faint: true,
        ..Stretch::default()
    };
    let now = Timestamp::now();
    let steady = |stretch: &Stretch| Stretch {
        text: with_steady_times(&stretch.text, now),
        ..stretch.clone()
    };
    let lines = lines.iter().map(|line| line.iter().map(steady).collect());
    let lines: Vec<Vec<Stretch>> = [vec![command]].into_iter().chain(lines).collect();
    svg::svg(TITLE, COLUMNS, &lines)
}

/// The text with another day in the place of today and yesterday, and another minute of it.
fn with_steady_times(text: &str, now: Timestamp) -> String {
    const DAY: &str = "2026-11-30";
    const MINUTE: &str = "03:12";
    let mut steady = text.to_owned();
    for hours in [0, 24] {
        let Ok(day) = now.checked_sub(SignedDuration::from_hours(hours)) else {
            continue;
        };
        let day = day.strftime("%Y-%m-%d").to_string();
        let mut parts = steady.split(&day);
        let mut text = parts.next().unwrap_or_default().to_owned();
        for part in parts {
            text.push_str(DAY);
            // What follows is a time, or the end of a date.
            match part.split_once(" UTC") {
                Some((minute, rest)) if minute.len() == " 00:00".len() => {
                    text.push_str(&format!(" {MINUTE} UTC{rest}"));
                }
                _ => text.push_str(part),
            }
        }
        steady = text;
    }
    steady
}

fn build() -> Result<Binaries> {
    let progress = Progress::begin("building the charm and the simulated Juju");
    let binaries = Binaries::build(Profile::Dev)?;
    progress.end();
    Ok(binaries)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::repository;

    #[test]
    fn the_story_brings_every_row_back_and_the_picture_shows_it() {
        let told = story::play(Binaries::for_tests().unwrap(), false, Screen::silent()).unwrap();
        told.judged().unwrap();
        let lines: Vec<String> = told
            .lines
            .iter()
            .map(|line| line.iter().map(|stretch| stretch.text.as_str()).collect())
            .collect();
        assert!(lines.len() <= 40, "{} lines", lines.len());
        for line in &lines {
            assert!(line.chars().count() <= COLUMNS, "{line}");
        }
        // Its last lines, as a person reads them.
        let [rows @ .., verdict] = &lines[lines.len() - 4..] else {
            panic!("there are too few lines");
        };
        for row in rows {
            let counts: Vec<u32> = row
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect();
            let [before, damaged, restored] = counts[..] else {
                panic!("not three counts: {row}");
            };
            assert!(before == restored && damaged < before, "{row}");
        }
        assert_eq!(
            verdict,
            "Restored: every row of all 7 tables is as it was before."
        );
        let picture = std::fs::read_to_string(repository().unwrap().join(PICTURE)).unwrap_or_default();
        assert!(
            picture == drawn(&told.lines),
            "{PICTURE} is stale: cargo xtask screenshots draws it anew"
        );
    }

    #[test]
    fn times_of_today_are_steady_and_nothing_else_is_changed() {
        let now: Timestamp = "2031-01-02T00:01:00Z".parse().unwrap();
        let text =
            "films 400; last good 2031-01-01 23:59 UTC, verified 2031-01-02; history 2031-01-03 10:30 UTC";
        let expected =
            "films 400; last good 2026-11-30 03:12 UTC, verified 2026-11-30; history 2031-01-03 10:30 UTC";
        assert_eq!(with_steady_times(text, now), expected);
    }
}
