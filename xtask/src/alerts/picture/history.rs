//! What the exporters of several apps say through a week, as a Prometheus takes history.
//!
//! The exporter's own code says it: at each time it looks at a cluster with what there was then. Its process would say it of now alone, and a picture has
//! to be the same whenever it is drawn; that both say the same is seen in [`super::scraped`].

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use config_recovery::cluster::Cluster;
use config_recovery::watched::{Watched, watched};
use jiff::{SignedDuration, Timestamp};
use juju_sim::{Rights, StandInCluster};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use system_tests::fleet::{FLEET, FleetApp, MODEL};
use workload_charm::alerts::JOB;
use workload_charm::contents::seen;
use workload_charm::cos::Topology;
use workload_charm::exporter::families::{Known, families};
use workload_charm::exporter::text::text;
use workload_charm::unit_file;

use super::super::topology;

/// The file in which a unit's charm keeps what backups hold.
pub const CONTENTS: &str = "contents-seen.json";

/// What of an app's series says whose they are.
pub fn labels(app: &FleetApp) -> BTreeMap<String, String> {
    let topology = Topology {
        model: MODEL.to_owned(),
        application: app.name.to_owned(),
        unit: format!("{}/0", app.name),
        charm: app.name.to_owned(),
        ..topology()
    };
    let mut labels = topology.labels();
    labels.insert("juju_unit".to_owned(), topology.unit);
    labels
}

/// Fills the storage of a Prometheus with the time until `moment`, a sample every `step` seconds.
pub fn store(folder: &Path, (from, moment): (Timestamp, Timestamp), step: i64) -> Result<()> {
    let mut history = String::new();
    for app in FLEET {
        write(&mut history, folder, app, (from, moment), step)?;
    }
    history.push_str("# EOF\n");
    let file = folder.join("history.txt");
    std::fs::write(&file, history)?;
    let output = Command::new("promtool")
        .args(["tsdb", "create-blocks-from", "openmetrics", "--quiet"])
        // Else it reads all of the text for every two hours of it.
        .arg("--max-block-duration=720h")
        .arg(&file)
        .arg(folder.join("series"))
        .output()
        .context("cannot start promtool")?;
    ensure!(
        output.status.success(),
        "promtool refuses the history: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

/// What one app's exporter says.
fn write(
    history: &mut String,
    folder: &Path,
    app: &FleetApp,
    (from, moment): (Timestamp, Timestamp),
    step: i64,
) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut settings = app.settings(moment, from);
    let changes = app.changes(moment);
    let labels: Vec<String> = labels(app)
        .iter()
        .chain([
            (&"job".to_owned(), &JOB.to_owned()),
            (&"instance".to_owned(), &format!("{}-0", app.name)),
        ])
        .map(|(label, value)| format!("{label}=\"{value}\""))
        .collect();
    let labels = labels.join(",");
    let charm_dir = folder.join(app.name).join("charm");
    std::fs::create_dir_all(&charm_dir)?;
    let mut before = None;
    let mut cluster = Watched::default();
    let mut contents = seen::List::new();
    let mut at = from;
    while at <= moment {
        let happened = changes.iter().filter(|change| **change <= at).count();
        if before != Some(happened) {
            cluster = runtime.block_on(look(app, moment, at))?;
            let noted = app.contents(moment, at).to_string();
            std::fs::write(unit_file::path(&charm_dir, CONTENTS), noted)?;
            contents = seen::on_disk(&charm_dir);
            settings = app.settings(moment, at);
            before = Some(happened);
        }
        let page = text(&families(Known {
            settings: &settings,
            is_readable: true,
            seen: Some((&cluster, at)),
            contents: &contents,
            now: at,
        }));
        for line in page.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').context("the exporter writes no number")?;
            let (name, own) = match series.split_once('{') {
                Some((name, own)) => (name, own.trim_end_matches('}')),
                None => (series, ""),
            };
            let comma = if own.is_empty() { "" } else { "," };
            writeln!(
                history,
                "{name}{{{labels}{comma}{own}}} {value} {}",
                at.as_second()
            )?;
        }
        at += SignedDuration::from_secs(step);
    }
    Ok(())
}

/// The exporter's look at a cluster that has of the app what there was at that time.
async fn look(app: &FleetApp, moment: Timestamp, at: Timestamp) -> Result<Watched> {
    let cluster = StandInCluster::start()?;
    cluster.admit("charm", "token", Rights::Everything);
    cluster.put_all(app.objects(moment, at))?;
    let kubeconfig = Kubeconfig::from_yaml(&cluster.kubeconfig("token"))?;
    let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?;
    let whose = app.settings(moment, at).whose();
    match watched(&Cluster::new(Client::try_from(config)?), &whose).await {
        Ok(watched) => Ok(watched),
        Err(error) => bail!("cannot look at the backups of {}: {error}", app.name),
    }
}
