//! The figures of the page about sizing: computed from those that were measured, which are in one file, and drawn.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

/// The figures, below the repository's root.
const FIGURES: &str = "docs/src/explanation/sizing.json";
/// The plot.
pub const PLOT: &str = "docs/src/explanation/sizing.svg";

/// Days that the plot shows: more than backups are kept.
const SHOWN: u32 = 45;
/// Width and height of the plot's field, and the margin for what is written beside it, in pixels.
const FIELD: (f64, f64) = (600.0, 260.0);
const MARGIN: f64 = 60.0;
/// A line of the grid for so many gigabytes.
const GRID: u32 = 25;
const COLORS: [&str; 3] = ["#2b7a3e", "#b07a00", "#b3363f"];

/// What the page is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figures {
    apps: u32,
    gigabytes: f64,
    days: u32,
    /// Shares of all data that change each night, in hundredths.
    changed_percent: Vec<f64>,
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the page has them, and a test holds it to them")
    )]
    measured: Measured,
}

/// What `large-volume-comes-back` measured: ARCHITECTURE.md, "Large volumes".
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "the page has them, and a test holds it to them")
)]
struct Measured {
    restored_megabytes: f64,
    velero_seconds: f64,
    charm_seconds: f64,
    room_times_few_files: f64,
    room_times_many_files: f64,
}

impl Figures {
    fn read(repository: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(repository.join(FIGURES)).context("cannot read the figures")?;
        serde_json::from_str(&text).with_context(|| format!("cannot read {FIGURES}"))
    }

    /// What the first backup of all apps holds, in gigabytes.
    fn first(&self) -> f64 {
        f64::from(self.apps) * self.gigabytes
    }

    /// What the bucket holds after so many nights: the first backup, and what changed in each night since, of those that are kept.
    fn bucket(&self, night: u32, changed_percent: f64) -> f64 {
        let changed = f64::from(night.min(self.days).saturating_sub(1));
        self.first() * (1.0 + changed * changed_percent / 100.0)
    }
}

/// The plot of how the bucket grows.
///
/// # Errors
/// When the figures cannot be read.
pub fn plot(repository: &Path) -> Result<String> {
    let figures = Figures::read(repository)?;
    let most = figures.changed_percent.iter().copied().fold(0.0, f64::max);
    let lines = (figures.bucket(figures.days, most) / f64::from(GRID)).ceil();
    let top = lines * f64::from(GRID);
    let x = |day: u32| MARGIN + FIELD.0 * f64::from(day) / f64::from(SHOWN);
    let y = |size: f64| MARGIN / 2.0 + FIELD.1 * (1.0 - size / top);
    let (width, height) = (FIELD.0 + 2.5 * MARGIN, FIELD.1 + 1.5 * MARGIN);
    let mut picture = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>Size of the bucket by days, for shares of the data that change each night: arithmetic</title>\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#ffffff\"/>\n\
         <g font-family=\"sans-serif\" font-size=\"13\" fill=\"#333333\">\n"
    );
    let mut size = 0.0;
    while size <= top {
        let at = y(size);
        let _ = writeln!(
            picture,
            "<path d=\"M{MARGIN} {at:.1}H{:.1}\" stroke=\"#dddddd\"/><text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{size} GB</text>",
            MARGIN + FIELD.0,
            MARGIN - 6.0,
            at + 4.0
        );
        size += f64::from(GRID);
    }
    for day in (0..=SHOWN).step_by(15) {
        let _ = writeln!(
            picture,
            "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{day}</text>",
            x(day),
            y(0.0) + 18.0
        );
    }
    let _ = writeln!(
        picture,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">days since the first backup</text>",
        x(SHOWN / 2),
        y(0.0) + 38.0
    );
    for (changed, color) in figures.changed_percent.iter().zip(COLORS) {
        let point = |day: u32| format!("{:.1} {:.1}", x(day), y(figures.bucket(day + 1, *changed)));
        let points: Vec<String> = (0..=SHOWN).map(point).collect();
        let _ = writeln!(
            picture,
            "<path d=\"M{}\" fill=\"none\" stroke=\"{color}\" stroke-width=\"2\"/><text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{changed} % a night</text>",
            points.join("L"),
            x(SHOWN) + 6.0,
            y(figures.bucket(SHOWN, *changed)) + 4.0
        );
    }
    picture.push_str("</g>\n</svg>\n");
    Ok(picture)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generate::repository;

    #[test]
    fn each_figure_of_the_page_follows_from_what_was_measured() {
        let repository = repository().unwrap();
        let read = |path: &str| std::fs::read_to_string(repository.join(path)).unwrap();
        let page = read("docs/src/explanation/sizing.md");
        let figures = Figures::read(&repository).unwrap();
        let Figures {
            apps,
            gigabytes,
            days,
            measured,
            ..
        } = &figures;
        let mut expected: Vec<String> = figures
            .changed_percent
            .iter()
            .map(|changed| {
                let most = figures.bucket(*days, *changed);
                format!("| {changed} % | {} GB | {most:.1} GB |", figures.first())
            })
            .collect();
        let seconds = (measured.velero_seconds + measured.charm_seconds) * gigabytes * 1000.0
            / measured.restored_megabytes;
        expected.extend([
            format!("{gigabytes} GB take {seconds:.0} s"),
            format!(
                "one after the other {:.1} minutes",
                seconds * f64::from(*apps) / 60.0
            ),
            format!(
                "{:.1} to {:.1} GB more than the content",
                measured.room_times_few_files * gigabytes,
                measured.room_times_many_files * gigabytes
            ),
            format!("a config volume of at least {} GB", 2.0 * gigabytes),
        ]);
        for figure in expected {
            assert!(page.contains(&figure), "the page lacks: {figure}");
        }
        // What is called measured stands where it was measured.
        let architecture = read("ARCHITECTURE.md");
        for (row, value) in [
            (
                "| Velero's own part |",
                format!("| {} s |", measured.velero_seconds),
            ),
            (
                "| all beyond Velero",
                format!("| {:.1} s, ", measured.charm_seconds),
            ),
            (
                "| most disk beside the previous content |",
                format!(
                    "| {:.1} times the bytes | {:.1} times",
                    measured.room_times_few_files, measured.room_times_many_files
                ),
            ),
        ] {
            let line = architecture.lines().find(|line| line.starts_with(row)).unwrap();
            assert!(line.contains(&value), "{line}: not {value}");
        }
    }

    #[test]
    fn a_bucket_stops_growing_when_as_much_expires_as_comes() {
        let figures = Figures::read(&repository().unwrap()).unwrap();
        assert!((figures.bucket(1, 20.0) - figures.first()).abs() < 1e-9);
        assert!(figures.bucket(29, 20.0) < figures.bucket(30, 20.0));
        assert!((figures.bucket(45, 20.0) - figures.bucket(30, 20.0)).abs() < 1e-9);
    }
}
