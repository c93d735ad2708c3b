//! Pictures of the dashboard for the docs, drawn from what a real Prometheus answers to its queries. Grafana is not in Debian; so they are
//! no pictures of Grafana's, and the docs say so. What they show is the dashboard's: its panels at their places, its queries, units, words and colours.
//!
//! [`history`] has the exporter tell of a week of several apps and Prometheus keep it; [`scraped`] sees that processes which are scraped say the same;
//! [`form`] reads the dashboard and refuses what is not known; [`answers`] asks; [`panels`] draws. All of it follows from one moment and has no clock, so
//! a picture is stale exactly when its bytes differ.

mod answers;
mod canvas;
mod form;
mod history;
mod panels;
mod scale;
mod scraped;
mod units;

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use jiff::{SignedDuration, Timestamp};
use sha2::{Digest as _, Sha256};
use system_tests::prometheus::Prometheus;
use workload_charm::cos::dashboard;

use self::answers::{Asked, Chosen};
use self::canvas::{Anchor, Area, Canvas, FAINT, Words};
use self::form::{Dashboard, Kind, Panel, VariableKind};
use super::rules;
use crate::generate::repository;

/// Where they are.
const FOLDER: &str = "docs/src/pictures";

/// The command that draws them.
const COMMAND: &str = "cargo xtask alerts --draw";

/// The time that they show: the week before this.
const MOMENT: &str = "2026-11-29T12:00:00Z";

/// Seconds between two points.
const STEP: i64 = 1800;

/// One picture: the panels below one row of the dashboard.
struct Picture {
    file: &'static str,
    title: &'static str,
    /// Which row.
    row: usize,
    /// The app that is chosen; all of them otherwise.
    app: Option<&'static str>,
}

const PICTURES: [Picture; 2] = [
    Picture {
        file: "dashboard-all-apps.svg",
        title: "The dashboard: all apps",
        row: 0,
        app: None,
    },
    Picture {
        file: "dashboard-one-app.svg",
        title: "The dashboard: one app",
        row: 1,
        app: Some("radarr"),
    },
];

/// Pixels of one of the 24 columns, of one step downwards, and between two panels.
const COLUMN: f64 = 50.0;
const DOWN: f64 = 38.0;
const GAP: f64 = 8.0;

/// Pixels above the panels.
const HEAD: f64 = 88.0;

/// Draws them, and compares them with those in the repository, or writes them there.
///
/// # Errors
/// When a program refuses something, the dashboard has something that is not known here, or a picture is stale.
pub fn run(folder: &Path, dispatch: &Path, is_to_be_written: bool) -> Result<()> {
    let dashboard = Dashboard::read(&dashboard::dashboard())?;
    ensure!(
        (dashboard.time.from.as_str(), dashboard.time.to.as_str()) == ("now-7d", "now"),
        "the pictures show a week, and the dashboard {:?}",
        dashboard.time
    );
    let to: Timestamp = MOMENT.parse()?;
    let from = to - SignedDuration::from_hours(7 * 24);
    let [past, now] = ["past", "now"].map(|name| folder.join(name));
    for folder in [&past, &now] {
        fs::create_dir(folder)?;
    }
    history::store(&past, (from, to), STEP)?;
    let configuration = past.join("prometheus.yaml");
    fs::write(&configuration, "{}")?;
    let prometheus = Prometheus::start(&past, &configuration)?;
    let chosen = PICTURES.each_ref().map(|picture| picture.chosen(&dashboard));
    let rules = folder.join(rules::FOR_FILE);
    let numbers = scraped::agrees(
        (&now, &rules),
        dispatch,
        &dashboard,
        &prometheus,
        (from, to),
        &chosen,
    )?;
    let target = repository()?.join(FOLDER);
    for (picture, chosen) in PICTURES.iter().zip(chosen) {
        let asked = Asked {
            prometheus: &prometheus,
            from,
            to,
            step: STEP,
            chosen,
        };
        let svg = picture.drawn(&dashboard, &asked)?;
        let file = target.join(picture.file);
        if is_to_be_written {
            fs::create_dir_all(&target)?;
            fs::write(&file, &svg).with_context(|| format!("cannot write {}", file.display()))?;
        }
        ensure!(
            fs::read_to_string(&file).is_ok_and(|there| there == svg),
            "{FOLDER}/{} is stale: {COMMAND} draws it anew",
            picture.file
        );
    }
    println!(
        "{} pictures of the dashboard are as drawn; {numbers} of their numbers are what a Prometheus says that scrapes the exporters",
        PICTURES.len()
    );
    Ok(())
}

impl Picture {
    fn chosen<'a>(&self, dashboard: &'a Dashboard) -> Chosen<'a> {
        let variables = dashboard.variables.iter().map(|variable| {
            let chosen = match (variable.kind, self.app) {
                (VariableKind::Datasource, _) => ("Prometheus", "prometheus"),
                (VariableKind::Query, Some(app)) if variable.name == "juju_application" => (app, app),
                // As `allValue` has it.
                (VariableKind::Query, _) => ("All", ".*"),
            };
            (variable.name.as_str(), chosen)
        });
        Chosen(variables.collect())
    }

    /// Its row, and the panels up to the next one.
    fn panels<'a>(&self, dashboard: &'a Dashboard) -> Result<&'a [Panel]> {
        let rows = dashboard.panels.iter().enumerate();
        let rows = rows.filter(|(_, panel)| panel.kind == Kind::Row);
        let mut begins: Vec<usize> = rows.map(|(place, _)| place).collect();
        begins.push(dashboard.panels.len());
        let Some([begin, end]) = begins.get(self.row..self.row + 2) else {
            bail!("the dashboard has no row {}", self.row);
        };
        dashboard.panels.get(*begin..*end).context("there are no panels")
    }

    fn drawn(&self, dashboard: &Dashboard, asked: &Asked<'_>) -> Result<String> {
        let panels = self.panels(dashboard)?;
        let top = panels
            .iter()
            .map(|panel| panel.grid_pos.y)
            .min()
            .unwrap_or_default();
        let mut canvas = Canvas::default();
        head(&mut canvas, dashboard, asked);
        let mut bottom = HEAD;
        for panel in panels {
            let place = panel.grid_pos;
            let area = Area {
                x: GAP + COLUMN * f64::from(place.x),
                y: HEAD + DOWN * f64::from(place.y - top),
                w: COLUMN * f64::from(place.w) - GAP,
                h: DOWN * f64::from(place.h) - GAP,
            };
            panels::draw(&mut canvas, area, panel, asked)
                .with_context(|| format!("cannot draw panel {}", panel.title))?;
            bottom = bottom.max(area.bottom());
        }
        let size = (24.0 * COLUMN + GAP, bottom + GAP);
        Ok(canvas.svg(size, self.title, &description()))
    }
}

/// What a picture says of itself. As long as the dashboard is the same, this is.
fn description() -> String {
    let digest = Sha256::digest(dashboard::dashboard().to_string());
    let digest: String = digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    format!("Drawn by {COMMAND} from Prometheus' answers, not by Grafana. Dashboard {digest}.")
}

/// The title, what is chosen, and the time.
fn head(canvas: &mut Canvas, dashboard: &Dashboard, asked: &Asked<'_>) {
    canvas.words((GAP + 4.0, 30.0), &dashboard.title, Words::of(20.0).bold());
    let time = |time: Timestamp| time.strftime("%Y-%m-%d %H:%M").to_string();
    let range = format!("{} to {} UTC", time(asked.from), time(asked.to));
    let right = (24.0 * COLUMN, 30.0);
    canvas.words(right, &range, Words::of(14.0).filled(FAINT).at(Anchor::End));
    let mut x = GAP + 4.0;
    for variable in &dashboard.variables {
        let words = Words::of(13.0);
        let chosen = asked.chosen.0.get(variable.name.as_str());
        let value = chosen.map_or("", |(word, _)| *word);
        let label = words.width(&variable.label) + 12.0;
        canvas.words((x, 64.0), &variable.label, words.filled(FAINT));
        x += label;
        canvas.words((x, 64.0), value, words.bold());
        x += words.width(value) + 32.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pictures_are_of_this_dashboard_and_the_docs_show_them() {
        let dashboard = Dashboard::read(&dashboard::dashboard()).unwrap();
        let root = repository().unwrap();
        let page = fs::read_to_string(root.join("docs/src/howto/watch.md")).unwrap();
        for picture in &PICTURES {
            let svg = fs::read_to_string(root.join(FOLDER).join(picture.file)).unwrap();
            let stale = format!("{} is stale: {COMMAND} draws it anew", picture.file);
            assert!(svg.contains(&canvas::escaped(&description())), "{stale}");
            let chosen = picture.chosen(&dashboard);
            for panel in picture.panels(&dashboard).unwrap() {
                let title = canvas::escaped(&chosen.title(&panel.title).unwrap());
                assert!(svg.contains(&format!(">{title}</text>")), "{stale}: {title}");
            }
            assert!(
                page.contains(&format!("(../pictures/{})", picture.file)),
                "{}",
                picture.file
            );
        }
        // Pictures of other things are held by who draws them.
        let all = fs::read_dir(root.join(FOLDER)).unwrap();
        let names = all.map(|file| file.unwrap().file_name().into_string().unwrap());
        let of_dashboard = names.filter(|name| name.starts_with("dashboard-"));
        assert_eq!(
            of_dashboard.count(),
            PICTURES.len(),
            "something is there that nobody draws"
        );
    }

    #[test]
    fn every_panel_is_in_a_picture() {
        let dashboard = Dashboard::read(&dashboard::dashboard()).unwrap();
        let shown = PICTURES
            .iter()
            .map(|picture| picture.panels(&dashboard).unwrap().len());
        assert_eq!(shown.sum::<usize>(), dashboard.panels.len());
    }
}
