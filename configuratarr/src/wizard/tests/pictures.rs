//! The pictures in the README: screens and tables as the program draws them, of made-up apps at a fixed time.
//!
//! `cargo xtask screenshots` writes them.

use std::path::PathBuf;

use ratatui::layout::Rect;
use ratatui::widgets::{Paragraph, Widget};

use super::pages::{overview_of_all, plan, preflight_over, progress, report, scene, with_keys};
use super::svg::svg;
use super::*;
use crate::printer::Page;
use crate::report::{self, AppReport, StatusReport};
use crate::wizard::theme::Theme;

/// Set by `cargo xtask screenshots`: then they are written, and otherwise compared.
const WRITE: &str = "CONFIGURATARR_PICTURES";

/// Each picture, by its file's name and its title.
fn pictures() -> Vec<(&'static str, &'static str, Buffer)> {
    let screen = |mut player: Player| {
        player.state.world.theme.colors = true;
        player.drawn((100, 28))
    };
    vec![
        ("status", "configuratarr status", table("status", &status_page())),
        (
            "backups",
            "configuratarr backups radarr",
            table("backups radarr", &backups_page()),
        ),
        ("wizard-apps", "The wizard: all apps", screen(overview_of_all())),
        (
            "wizard-timeline",
            "The wizard: backups of an app",
            screen(scene("<End><Up><Up><Enter><Down>")),
        ),
        (
            "wizard-preview",
            "The wizard: what the charms say of a restore",
            screen(preflight_over()),
        ),
        (
            "wizard-plan",
            "The wizard: the plan, confirmed by typing",
            screen(plan()),
        ),
        (
            "wizard-progress",
            "The wizard: restores under way",
            screen(with_keys(progress().0, "l")),
        ),
        ("wizard-report", "The wizard: what came of it", screen(report())),
    ]
}

fn status_page() -> Page {
    let apps = home();
    let now = fixtures::now();
    let report = StatusReport {
        apps: apps.iter().map(|app| AppReport::of(app, now)).collect(),
        schema: "configuratarr/status/v1",
        time: now.to_string(),
        model: fixtures::MODEL.to_owned(),
        juju_problem: None,
        cluster_problem: None,
        locations: Vec::new(),
    };
    report.page(now)
}

fn backups_page() -> Page {
    let apps = home();
    let radarr = apps.iter().find(|app| app.id.app == "radarr").unwrap();
    report::backups_page(&radarr.backups, false, fixtures::now())
}

/// What a command prints, below the line that was typed.
fn table(command: &str, page: &Page) -> Buffer {
    let theme = Theme { colors: true };
    let mut lines = theme.page(page);
    lines.insert(
        0,
        theme
            .text(format!("$ configuratarr {command}"), crate::printer::Tone::Faint)
            .into(),
    );
    let width = lines.iter().map(|line| line.width()).max().unwrap();
    let area = Rect::new(
        0,
        0,
        u16::try_from(width).unwrap(),
        u16::try_from(lines.len()).unwrap(),
    );
    let mut buffer = Buffer::empty(area);
    Paragraph::new(lines).render(area, &mut buffer);
    buffer
}

#[test]
fn the_pictures_are_what_the_program_draws() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("pictures");
    let is_to_be_written = std::env::var_os(WRITE).is_some();
    let readme = std::fs::read_to_string(folder.with_file_name("README.md")).unwrap();
    let mut names = Vec::new();
    for (name, title, buffer) in pictures() {
        let file = format!("{name}.svg");
        let drawn = svg(title, &buffer);
        if is_to_be_written {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join(&file), &drawn).unwrap();
        }
        let there = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
        assert!(
            there == drawn,
            "{file} is stale: cargo xtask screenshots draws it anew"
        );
        assert!(
            readme.contains(&format!("pictures/{file}")),
            "{file} is shown nowhere"
        );
        names.push(file);
    }
    for file in std::fs::read_dir(folder).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        assert!(names.contains(&name), "{name} is drawn by nothing");
    }
}
