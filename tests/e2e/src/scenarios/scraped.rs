//! The charm's exporter in the app's pod, as whoever watches it reaches it.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use system_tests::exporter::get;
use workload_charm::exporter::{PATH, PORT};

use super::schedule;
use crate::ground::TestEnv;
use crate::pods::Running;
use crate::wait;

/// A charm that scrapes nothing, put where the simulated Juju can deploy it from: who scrapes knows where the exporter is.
const SCRAPER: &str = "mkdir -p /var/lib/juju/scraper
cd /var/lib/juju/scraper
cat > metadata.yaml <<END
name: prometheus
summary: scrapes
description: scrapes
requires:
  metrics-endpoint:
    interface: prometheus_scrape
END
printf '#!/bin/sh\\n' > dispatch
chmod 755 dispatch";

/// Kills the exporter, which has noted which process it is.
const KILL: &str = r#"pid=$(sed 's/.*"pid":\([0-9]*\).*/\1/' /var/lib/juju/agents/unit-POD/exporter-process.json)
kill -KILL $pid
while test -e /proc/$pid/status && ! grep -q '^State:.Z' /proc/$pid/status; do sleep 0.1; done"#;

/// Relates the app to a charm that scrapes it, and gives the Schedule that the stand-in operator made to the real Velero. Gives the
/// Schedule's name.
///
/// # Errors
/// When the app does not get active, or the Schedule is refused.
pub async fn relate(ground: &TestEnv, running: &Running<'_>) -> Result<String> {
    let app = &running.app.name;
    running.in_charm(SCRAPER).await?;
    running
        .sim("juju deploy /var/lib/juju/scraper prometheus")
        .await?;
    running
        .sim(&format!("juju integrate {app}:metrics-endpoint prometheus"))
        .await?;
    running.settle().await?;
    // What the stand-in operator makes, it makes in its own model.
    let schedules: Value = serde_json::from_str(&running.sim("kubectl get schedules -o json").await?)?;
    schedule::admit(ground, &schedules["items"][0]).await
}

/// Where the exporter listens.
///
/// # Errors
/// When the pod has no address.
pub async fn address(running: &Running<'_>) -> Result<SocketAddr> {
    let pod = running.pod().await?;
    let address = pod["status"]["podIP"].as_str();
    let address: IpAddr = address.context("the pod has no address")?.parse()?;
    Ok(SocketAddr::new(address, PORT))
}

/// Has exporter and charm look at the cluster again, where the one does so once a minute and the other once an hour: the exporter is
/// killed, and an event that is not one of many looks, and starts it.
///
/// # Errors
/// When no exporter runs, or the event fails.
pub async fn look_again(running: &Running<'_>, time: u32) -> Result<()> {
    running
        .in_charm(&KILL.replace("POD", &running.pod_name()))
        .await?;
    // Both mean the same.
    let rotation = ["none", "never"][time as usize % 2];
    let app = &running.app.name;
    running
        .sim(&format!("juju config {app} credential-rotation={rotation}"))
        .await?;
    Ok(())
}

/// The value of one metric.
///
/// # Errors
/// When the exporter does not answer, or does not tell it.
pub async fn metric(running: &Running<'_>, name: &str) -> Result<f64> {
    let address = address(running).await?;
    // It may have been started just now.
    let (status, text) = wait::until("the exporter answers", Duration::from_secs(20), || async {
        Ok(get(address, PATH).ok())
    })
    .await?;
    ensure!(status == 200, "the exporter says {status}: {text}");
    value_of(&text, name).with_context(|| format!("there is no {name}: {text}"))
}

/// The value of a metric in what is exported, of its first series.
fn value_of(text: &str, name: &str) -> Option<f64> {
    let of_it = |line: &&str| {
        let rest = line.strip_prefix(name);
        rest.is_some_and(|rest| rest.starts_with([' ', '{']))
    };
    text.lines().find(of_it)?.rsplit(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# HELP a_b What it says.\n# TYPE a_b gauge\na_b_c 1\na_b{endpoint=\"velero-backup-config\"} 2.5\n";
        assert_eq!(value_of(text, "a_b"), Some(2.5));
        assert_eq!(value_of(text, "a_b_c"), Some(1.0));
        assert_eq!(value_of(text, "a"), None);
    }
}
