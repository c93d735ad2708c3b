//! What events of a trusted app that change nothing cost as the cluster around it grows: such that look at the cluster, and such that
//! remember what the last look saw.

use anyhow::Result;
use serde::Serialize;

use super::backups;
use super::columns::{self, RULE};
use super::front::Fronts;
use super::life::{Bed, Measured, Setup, Turns};
use super::programs::Programs;
use super::table;

/// How often each event is measured in each place.
const TIMES: usize = 10;

/// What there is more and more of.
#[derive(Debug, Clone, Copy)]
enum Around {
    /// Backups of the app. Everything else has one: while there is none, somebody waits for it, and every event looks.
    Backups(usize),
    /// Backups of another app.
    OtherBackups(usize),
    /// Pods of other apps.
    OtherPods(usize),
    /// Units of the app: the peer relation is the only one of the charm's that takes many.
    Units(u32),
}

const PLACES: [Around; 11] = [
    Around::Backups(0),
    Around::Backups(1),
    Around::Backups(30),
    Around::Backups(3000),
    Around::OtherBackups(1),
    Around::OtherBackups(30),
    Around::OtherBackups(3000),
    Around::OtherPods(10),
    Around::OtherPods(1000),
    Around::Units(1),
    Around::Units(20),
];

impl Around {
    fn text(self) -> String {
        let plural =
            |count: usize, thing: &str| format!("{count} {thing}{}", if count == 1 { "" } else { "s" });
        match self {
            Around::Backups(count) => plural(count, "backup"),
            Around::OtherBackups(count) => plural(count, "backup") + " of another app",
            Around::OtherPods(count) => plural(count, "other pod"),
            Around::Units(count) => plural(count as usize, "unit"),
        }
    }

    /// Puts it there.
    fn put(self, bed: &mut Bed) -> Result<()> {
        if !matches!(self, Around::Backups(_)) {
            backups::put(&mut bed.juju, "radarr", 1)?;
        }
        match self {
            Around::Backups(count) => backups::put(&mut bed.juju, "radarr", count)?,
            Around::OtherBackups(count) => backups::put(&mut bed.juju, "sonarr", count)?,
            Around::OtherPods(count) => {
                for number in 0..count {
                    bed.juju
                        .make_pod(&format!("other-{number}"), &format!("claim-{number}"));
                }
            }
            Around::Units(count) => bed.juju.scale("radarr", count)?,
        }
        Ok(())
    }
}

/// One line.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What is around the app, `3000 backups`.
    around: String,
    /// What each dispatch cost.
    row: table::Row,
}

/// Measures every place.
///
/// # Errors
/// When an event fails.
pub fn measure(programs: &Programs, fronts: &Fronts) -> Result<Vec<Line>> {
    let mut lines = Vec::new();
    for around in PLACES {
        let mut bed = Bed::new(programs, fronts, Setup::of(Turns::CharmFirst))?;
        bed.deploy(programs)?;
        bed.integrate()?;
        bed.trust()?;
        around.put(&mut bed)?;
        // What is new is seen once.
        bed.update_status("")?;
        bed.update_status("")?;
        let mut measured: Vec<Measured> = Vec::new();
        for _ in 0..TIMES {
            // It looks anew.
            measured.extend(bed.config_changed()?);
            measured.extend(bed.update_status("")?);
        }
        bed.juju.destroy()?;
        for event in ["config-changed", "update-status"] {
            let (around, row) = (around.text(), table::row(event, &measured));
            lines.push(Line { around, row });
        }
    }
    // All of one event below each other: what grows is seen at once.
    lines.sort_by(|one, other| other.row.event.cmp(&one.row.event));
    Ok(lines)
}

/// What makes a steady event cost something else, in what is counted; `None` where nothing does.
pub fn grows(lines: &[Line]) -> Option<String> {
    let counted = |line: &Line| {
        let counts = &line.row.counts;
        (counts.hook_tools, counts.api_requests, counts.pebble_connections)
    };
    // Without a backup somebody waits for the first one, and every event looks.
    let none_yet = Around::Backups(0).text();
    let mut steady = lines
        .iter()
        .filter(|line| line.row.event == "update-status" && line.around != none_yet);
    let first = steady.next()?;
    let other = steady.find(|line| counted(line) != counted(first))?;
    Some(format!(
        "a steady event costs something else with {} than with {}",
        other.around, first.around
    ))
}

/// The table as text.
pub fn text(lines: &[Line]) -> String {
    let headings = [
        ["", "event"],
        ["", "around the app"],
        RULE,
        ["", "wall"],
        ["own", "CPU"],
        ["peak", "MiB"],
        RULE,
        ["hook", "tools"],
        ["API", "requests"],
        ["API", "bytes"],
        ["connections", "to Pebble"],
    ];
    let line = |Line { around, row }: &Line| {
        vec![
            row.event.clone(),
            around.clone(),
            format!("{:.1}", row.wall_ms.median),
            format!("{:.1}", row.own_cpu_ms),
            format!("{:.1}", row.peak_mib),
            row.counts.hook_tools.to_string(),
            row.counts.api_requests.to_string(),
            row.api_bytes.to_string(),
            table::counted(row.counts.pebble_connections),
        ]
    };
    columns::text(&headings, &lines.iter().map(line).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use workload_charm::endpoints::{self, Role};
    use workload_charm::profile::AppProfile;

    /// Those of whoever watches many applications. A steady event asks nothing about them, so it costs the same with many.
    const NOT_ASKED_ABOUT: [&str; 3] = [
        endpoints::METRICS_ENDPOINT.name,
        endpoints::GRAFANA_DASHBOARD.name,
        endpoints::LOGGING.name,
    ];

    /// Juju refuses a second relation of such an endpoint. Another one without a limit would need a row for many relations.
    #[test]
    fn no_endpoint_of_any_app_that_a_steady_event_asks_about_takes_a_second_relation() {
        let radarr = system_tests::radarr::app_file();
        let files = std::fs::read_dir(radarr.parent().unwrap()).unwrap();
        let files = files.map(|file| file.unwrap().path());
        let apps = files.filter(|file| file.extension().is_some_and(|is| is == "yaml"));
        let mut limited = 0;
        for app in apps {
            let profile = AppProfile::load(&app).unwrap();
            for endpoint in endpoints::of(&profile) {
                let limit = endpoint.declaration()["limit"].as_u64();
                let takes_many = endpoint.role == Role::Peers || NOT_ASKED_ABOUT.contains(&endpoint.name);
                let expected = (!takes_many).then_some(1);
                assert_eq!(limit, expected, "{} of {}", endpoint.name, profile.name);
                limited += usize::from(limit.is_some());
            }
        }
        assert!(limited > 0);
    }
}
