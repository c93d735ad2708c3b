//! A real Prometheus that scrapes the real exporter: every query is run, healthy is silent, and what is broken in the cluster raises
//! its alert.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use system_tests::binaries::{Binaries, build_packed};
use system_tests::exporter::{WatchedApp, free_address, get, location, until};
use workload_charm::alerts::ALERTS;
use workload_charm::cos::dashboard;

use super::{piped, promtool, topology};

/// A Prometheus. It ends when it is dropped.
struct Prometheus {
    child: Child,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Prometheus {
    /// Starts one that scrapes `target` each second, with the rules that are in the folder.
    fn start(folder: &Path, target: SocketAddr) -> Result<Self> {
        let address = free_address((Ipv4Addr::LOCALHOST, 0).into())?;
        let mut labels = topology().labels();
        labels.insert("juju_unit".to_owned(), topology().unit);
        let configuration = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": [folder.join("databag.rules")],
            "scrape_configs": [{
                "job_name": "apps",
                "static_configs": [{"targets": [target.to_string()], "labels": labels}],
            }],
        });
        let file = folder.join("prometheus.yaml");
        fs::write(&file, configuration.to_string())?;
        promtool(&["check", "config"], &file)?;
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.join("series").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("prometheus.log"))?)
            .spawn()
            .context("cannot start prometheus")?;
        let started = Self { child, address };
        let is_ready = || {
            let found = get(address, "/-/ready").ok();
            found.filter(|(status, _)| *status == 200)
        };
        until("prometheus is ready", is_ready)?;
        Ok(started)
    }

    fn ask(&self, path: &str) -> Result<Value> {
        let (status, text) = get(self.address, path)?;
        ensure!(status == 200, "prometheus says {status} to {path}: {text}");
        let answer: Value = serde_json::from_str(&text)?;
        Ok(answer["data"].clone())
    }

    /// What a query finds.
    fn query(&self, query: &str) -> Result<Vec<Value>> {
        let encoded: String = query.bytes().map(|byte| format!("%{byte:02x}")).collect();
        let data = self.ask(&format!("/api/v1/query?query={encoded}"))?;
        Ok(data["result"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until a query finds something.
    fn finds(&self, query: &str) -> Result<()> {
        until(query, || self.query(query).ok().filter(|found| !found.is_empty())).map(drop)
    }

    /// The alerts that are raised, or will be when it lasts.
    fn raised(&self) -> Result<BTreeMap<String, String>> {
        let data = self.ask("/api/v1/alerts")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let all = data["alerts"].as_array().cloned().unwrap_or_default();
        Ok(all
            .iter()
            .map(|alert| (text(&alert["labels"]["alertname"]), text(&alert["state"])))
            .collect())
    }
}

/// Does all of it.
pub fn run(folder: &Path) -> Result<()> {
    let dispatch = &Binaries::for_tests()?.dispatch;
    let mut app = WatchedApp::new(30)?;
    let [mut proven, _] = app.backup(2);
    proves(&mut proven, "comes-back", &app);
    app.cluster.put(proven.clone())?;
    let [mut safety, volume] = app.backup(31);
    safety["metadata"]["labels"]["config-recovery/before-restore"] = json!("uid-32");
    app.cluster.put_all(vec![safety, volume])?;
    let address = app.export(dispatch)?;
    let text = app.scrape()?;
    piped("promtool", &["check", "metrics"], text.as_bytes())?;
    println!("promtool check metrics: ok, {} lines", text.lines().count());
    let prometheus = Prometheus::start(folder, address)?;
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

/// What the charm writes on a backup that it has restored and compared.
fn proves(backup: &mut Value, outcome: &str, app: &WatchedApp) {
    backup["metadata"]["annotations"] = json!({
        "config-recovery/proven-at": app.newest.to_string(),
        "config-recovery/proven-as": outcome,
    });
}

/// All that can be wrong with one app at once: its newest good backup is two days old, holds next to nothing and is about to expire.
fn breaks(app: &WatchedApp, mut proven: Value) -> Result<()> {
    let ends_soon = app.newest + jiff::SignedDuration::from_hours(5);
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
    proves(&mut proven, "damaged", app);
    let verified = app.began(5).to_string();
    proven["metadata"]["annotations"]["config-recovery/proven-at"] = json!(verified);
    proven["status"]["expiration"] = json!(ends_soon.to_string());
    app.cluster.put(proven)?;
    let mut schedule = app.schedule();
    schedule["spec"]["paused"] = json!(true);
    app.cluster.put(schedule)?;
    app.cluster.put(location("Unavailable"))?;
    Ok(())
}

/// All is as it was.
fn mends(app: &WatchedApp, proven: Value) -> Result<()> {
    for object in (0..30).flat_map(|nights| app.backup(nights)) {
        app.cluster.put(object)?;
    }
    app.cluster.put(proven)?;
    app.cluster.put(app.schedule())?;
    app.cluster.put(location("Available"))?;
    Ok(())
}
