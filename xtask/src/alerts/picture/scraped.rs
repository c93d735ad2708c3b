//! The same apps now: their exporters as processes, a Prometheus that scrapes them, and the dashboard's numbers are those of the picture.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use jiff::{SignedDuration, Timestamp};
use juju_sim::{Rights, StandInCluster};
use system_tests::exporter::{Exporter, free_address};
use system_tests::fleet::FLEET;
use system_tests::prometheus::{Prometheus, Scraped, Target};
use workload_charm::alerts::JOB;
use workload_charm::unit_file;

use super::answers::{Asked, Cell, Chosen};
use super::form::{Dashboard, Kind, Panel, Unit};
use super::history::{CONTENTS, labels};

/// So many seconds may lie between the moment of the apps and the answers.
const LATER: f64 = 300.0;

/// Compares what a Prometheus says that scrapes the exporters of `dispatch` with what is drawn. Gives how many numbers there are.
pub fn agrees(
    (folder, rules): (&Path, &Path),
    dispatch: &Path,
    dashboard: &Dashboard,
    drawn: &Prometheus,
    (from, moment): (Timestamp, Timestamp),
    chosen: &[Chosen<'_>],
) -> Result<usize> {
    let now = Timestamp::from_second(Timestamp::now().as_second() / 60 * 60)?;
    let cluster = StandInCluster::start()?;
    cluster.admit("charm", "token", Rights::Everything);
    let kubeconfig = folder.join("kubeconfig");
    std::fs::write(&kubeconfig, cluster.kubeconfig("token"))?;
    for object in FLEET.iter().flat_map(|app| app.objects(now, now)) {
        cluster.put(object)?;
    }
    let mut exporters = Vec::new();
    let mut targets = Vec::new();
    for app in FLEET {
        let charm_dir = folder.join(app.name).join("charm");
        std::fs::create_dir_all(&charm_dir)?;
        let settings = app.settings(now, now);
        settings
            .write(&charm_dir)
            .context("cannot tell the exporter anything")?;
        let noted = app.contents(now, now).to_string();
        std::fs::write(unit_file::path(&charm_dir, CONTENTS), noted)?;
        let address = free_address((std::net::Ipv4Addr::LOCALHOST, 0).into())?;
        exporters.push(Exporter::start(dispatch, &charm_dir, &kubeconfig, address)?);
        targets.push(Target {
            address,
            labels: labels(app),
        });
    }
    let scraped = Scraped {
        job: JOB,
        targets: &targets,
        rules,
    };
    let prometheus = Prometheus::start(folder, &scraped.configuration(folder)?)?;
    prometheus.finds(&format!(
        "count(config_backup_cluster_readable == 1) == {}",
        FLEET.len()
    ))?;
    let mut numbers = 0;
    for chosen in chosen {
        let asked = |prometheus, to| Asked {
            prometheus,
            from,
            to,
            step: 60,
            chosen: chosen.clone(),
        };
        // It is asked by whole seconds, and the last scrape may be of this one.
        let soon = Timestamp::now() + SignedDuration::from_secs(1);
        let (there, here) = (asked(drawn, moment), asked(&prometheus, soon));
        for panel in &dashboard.panels {
            let found = match panel.kind {
                Kind::Stat => same_stat(panel, &there, &here),
                Kind::Table => same_table(panel, &there, &here),
                // They are queries through a week, and nobody has scraped these for so long.
                Kind::Row | Kind::TimeSeries | Kind::StateTimeline => Ok(0),
            };
            numbers += found.with_context(|| {
                format!(
                    "panel {} is drawn with other numbers than the exporters have",
                    panel.title
                )
            })?;
        }
    }
    Ok(numbers)
}

fn same_stat(panel: &Panel, drawn: &Asked<'_>, scraped: &Asked<'_>) -> Result<usize> {
    let (drawn, scraped) = (drawn.last(panel)?, scraped.last(panel)?);
    let is_same = drawn.len() == scraped.len()
        && drawn
            .iter()
            .zip(&scraped)
            .all(|((name, one), (other_name, other))| {
                let unit = panel.field_config.of(name).unit;
                name == other_name && is_near(*one, *other, unit)
            });
    ensure!(is_same, "{drawn:?}, and not {scraped:?}");
    Ok(drawn.len())
}

fn same_table(panel: &Panel, drawn: &Asked<'_>, scraped: &Asked<'_>) -> Result<usize> {
    let (drawn, scraped) = (drawn.table(panel)?, scraped.table(panel)?);
    let units = drawn.columns.iter().map(|name| panel.field_config.of(name).unit);
    let units: Vec<Unit> = units.collect();
    let cells = |rows: &[Vec<Option<Cell>>]| -> Vec<(Unit, Option<Cell>)> {
        let rows = rows.iter();
        rows.flat_map(|row| units.iter().copied().zip(row.iter().cloned()))
            .collect()
    };
    let (one, other) = (cells(&drawn.rows), cells(&scraped.rows));
    let is_same = drawn.columns == scraped.columns
        && one.len() == other.len()
        && one
            .iter()
            .zip(&other)
            .all(|((unit, one), (_, other))| match (one, other) {
                (Some(Cell::Number(one)), Some(Cell::Number(other))) => is_near(*one, *other, *unit),
                (one, other) => one == other,
            });
    ensure!(is_same, "{drawn:?}, and not {scraped:?}");
    Ok(one.len())
}

/// Ages grow while somebody looks at them. All else is the same.
fn is_near(one: f64, other: f64, unit: Unit) -> bool {
    let may_differ = if unit == Unit::Seconds { LATER } else { 0.0 };
    (one - other).abs() <= may_differ
}
