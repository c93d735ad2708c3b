//! A real Prometheus that scrapes the real exporter: every query is run, healthy is silent, and what is broken in the cluster raises
//! its alert.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::SignedDuration;
use serde_json::{Value, json};
use system_tests::binaries::build_packed;
use system_tests::exporter::{WatchedApp, until};
use system_tests::prometheus::{Prometheus, Scraped, Target};
use system_tests::velero::{Proof, location, make_safety, prove};
use workload_charm::alerts::ALERTS;
use workload_charm::cos::dashboard;

use super::{piped, promtool, topology};

/// How long a test restore took.
const TOOK: SignedDuration = SignedDuration::from_secs(73);

/// Does all of it.
pub fn run(folder: &Path, dispatch: &Path) -> Result<()> {
    let mut app = WatchedApp::new(30)?;
    let [mut proven, _] = app.backup(2);
    prove(&mut proven, Proof::ComesBack, app.newest, TOOK);
    app.cluster.put(proven.clone())?;
    let [mut safety, volume] = app.backup(31);
    make_safety(&mut safety, "uid-32");
    app.cluster.put_all(vec![safety, volume])?;
    app.was_restored(30)?;
    let address = app.export(dispatch)?;
    let text = app.scrape()?;
    piped("promtool", &["check", "metrics"], text.as_bytes())?;
    println!("promtool check metrics: ok, {} lines", text.lines().count());
    let mut labels = topology().labels();
    labels.insert("juju_unit".to_owned(), topology().unit);
    let scraped = Scraped {
        job: "apps",
        targets: &[Target { address, labels }],
        rules: &folder.join("databag.rules"),
    };
    let configuration = scraped.configuration(folder)?;
    promtool(&["check", "config"], &configuration)?;
    let prometheus = Prometheus::start(folder, &configuration)?;
    prometheus.finds("config_backup_cluster_readable == 1")?;
    for query in dashboard::queries() {
        let query = query
            .replace("$juju_model", "media|other")
            .replace("$juju_application", ".*");
        let found = prometheus.query(&query)?;
        ensure!(!found.is_empty(), "the dashboard asks in vain for {query}");
    }
    for variable in dashboard::dashboard()["templating"]["list"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|variable| variable["definition"].as_str())
    {
        let series = variable
            .trim_start_matches("label_values(")
            .split(", juju")
            .next();
        let series = series.unwrap_or_default().replace("$juju_model", ".*");
        ensure!(
            !prometheus.query(&series)?.is_empty(),
            "a variable of the dashboard asks in vain for {series}"
        );
    }
    println!(
        "a real Prometheus answers all {} queries",
        dashboard::queries().len()
    );
    prometheus.finds("count_over_time(up[1m]) > 5")?;
    let raised = prometheus.raised()?;
    ensure!(
        raised.is_empty(),
        "of an app with which all is well it raises {raised:?}"
    );

    breaks(&app, proven.clone())?;
    // A look counts for a minute: a new exporter looks at once.
    app.export_at(dispatch, address)?;
    let mut expected: Vec<&str> = ALERTS.iter().map(|alert| alert.name).collect();
    // It runs.
    expected.retain(|name| *name != "ConfigExporterDown");
    until("every alert is raised", || {
        let raised = prometheus.raised().ok()?;
        let is_raised = |name: &&str| raised.contains_key(*name);
        expected.iter().all(is_raised).then_some(())
    })
    .with_context(|| format!("raised are {:?}", prometheus.raised()))?;
    let others = prometheus.raised()?;
    ensure!(
        !others.contains_key("ConfigExporterDown"),
        "the exporter runs: {others:?}"
    );
    let others = others.into_iter();
    let firing = others.filter(|(_, state)| state == "firing").count();
    mends(&app, proven)?;
    app.export_at(dispatch, address)?;
    until("all is well again", || {
        prometheus.raised().ok().filter(BTreeMap::is_empty)
    })?;
    drop(app);
    until("the exporter is missed", || {
        prometheus.raised().ok()?.get("ConfigExporterDown").cloned()
    })?;
    println!(
        "a real Prometheus raises all {} alerts ({firing} fire at once, the others wait), none before, and none when it is mended",
        ALERTS.len()
    );
    Ok(())
}

/// The most memory that the exporter may have, in kB, with a hundred backups.
const MEMORY: u64 = 10 * 1024;
/// How long a scrape may take then, with the look at the cluster.
const SCRAPE: Duration = Duration::from_millis(100);

/// Measures the exporter as users get it.
pub fn measure() -> Result<()> {
    let dispatch = build_packed(None)?;
    let mut app = WatchedApp::new(100)?;
    app.export(&dispatch)?;
    let (idle, _) = app.resident()?;
    let mut slowest = Duration::ZERO;
    for _ in 0..10 {
        let begun = Instant::now();
        app.scrape()?;
        slowest = slowest.max(begun.elapsed());
    }
    let (now, most) = app.resident()?;
    println!(
        "the packed exporter, 100 backups: the slowest scrape took {:.1} ms; {idle} kB resident before, {now} kB after, at most {most} kB",
        slowest.as_secs_f64() * 1000.0
    );
    ensure!(
        slowest <= SCRAPE,
        "a scrape took {slowest:?}, and may take {SCRAPE:?}"
    );
    ensure!(
        most <= MEMORY,
        "the exporter had {most} kB, and may have {MEMORY}"
    );
    Ok(())
}

/// All that can be wrong with one app at once: its newest good backup is two days old, holds next to nothing and is about to expire.
fn breaks(app: &WatchedApp, mut proven: Value) -> Result<()> {
    let ends_soon = app.newest + SignedDuration::from_hours(5);
    for nights in 0..30 {
        let [mut backup, mut volume] = app.backup(nights);
        backup["status"]["expiration"] = json!(ends_soon.to_string());
        match nights {
            0 | 1 => backup["status"]["phase"] = json!("Failed"),
            3 => volume["status"]["progress"]["bytesDone"] = json!(1000),
            _ => {}
        }
        app.cluster.put(backup)?;
        app.cluster.put(volume)?;
    }
    prove(&mut proven, Proof::Damaged, app.began(5), TOOK);
    proven["status"]["expiration"] = json!(ends_soon.to_string());
    app.cluster.put(proven)?;
    let mut schedule = app.schedule();
    schedule["spec"]["paused"] = json!(true);
    app.cluster.put(schedule)?;
    app.cluster.put(location("default", "Unavailable"))?;
    Ok(())
}

/// All is as it was.
fn mends(app: &WatchedApp, proven: Value) -> Result<()> {
    for object in (0..30).flat_map(|nights| app.backup(nights)) {
        app.cluster.put(object)?;
    }
    app.cluster.put(proven)?;
    app.cluster.put(app.schedule())?;
    app.cluster.put(location("default", "Available"))?;
    Ok(())
}
