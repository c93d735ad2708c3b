//! What an event costs against a real API server: its time, and what it asks.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use kube::api::DeleteParams;
use serde_json::{Value, json};

use super::protected::{self, Protected};
use super::{Beside, Scenario, ScenarioReport, schedule};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::pods::Running;
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "steady-event",
    says: "a steady update-status of an app with trust and backups asks the API server nothing, and says what the one before \
           it saw; the time and the requests of both are told",
    beside: Beside::None,
    depends_on_velero: false,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How often each kind of event is run.
const ROUNDS: usize = 9;

/// What an event that looks may ask, once an hour: a list of each kind, what a killed restore left, and what lies behind one volume,
/// however many backups there are.
const MOST_REQUESTS: usize = 11;

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: protected::images(bed, "Radarr", None).await?,
        trust: true,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let account = format!("system:serviceaccount:{}:radarr", app.model);
    let protected = Protected::deploy(ground, app).await?;
    let running = &protected.running;
    // What the stand-in operator makes, it makes in its own model.
    let schedules: Value = serde_json::from_str(&running.sim("kubectl get schedules -o json").await?)?;
    let schedule = schedule::admit(ground, &schedules["items"][0]).await?;
    let measured = measure(ground, running, &account, story).await;
    ground
        .velero("Schedule")
        .delete(&schedule, &DeleteParams::default())
        .await?;
    measured
}

async fn measure(
    ground: &TestEnv,
    running: &Running<'_>,
    account: &str,
    story: &mut ScenarioReport,
) -> Result<()> {
    running
        .sim(&format!("juju run {} backup-now", running.unit()))
        .await?;
    // The bucket's list of backups may be behind for a moment.
    wait::until(
        "the last good backup is told",
        Duration::from_secs(60),
        || async {
            running
                .sim(&format!("event update-status {}", running.unit()))
                .await?;
            Ok(running.status().await?.contains("last good").then_some(()))
        },
    )
    .await?;
    let (mut looking, mut steady) = (Vec::new(), Vec::new());
    let mut said = Vec::new();
    for _ in 0..ROUNDS {
        // An action: the next update-status looks, and the one after it need not.
        running
            .sim(&format!("juju run {} show-backup-spec", running.unit()))
            .await?;
        for costs in [&mut looking, &mut steady] {
            costs.push(update_status(ground, running, account).await?);
            said.push(running.status().await?);
        }
    }
    for (name, costs) in [("looks", &looking), ("is steady", &steady)] {
        let mut wall: Vec<f64> = costs.iter().map(|cost| cost.milliseconds).collect();
        wall.sort_by(f64::total_cmp);
        let requests: Vec<usize> = costs.iter().map(Cost::requests).collect();
        story.figure(
            &format!("update-status that {name}, milliseconds, median (smallest to largest)"),
            format!(
                "{:.1} ({:.1} to {:.1})",
                wall[ROUNDS / 2],
                wall[0],
                wall[ROUNDS - 1]
            ),
        );
        story.figure(
            &format!("update-status that {name}, requests to the API server"),
            format!(
                "{} to {}",
                requests.iter().min().unwrap_or(&0),
                requests.iter().max().unwrap_or(&0)
            ),
        );
    }
    if let Some(first) = looking.first() {
        story.figure("what one that looks asks", format!("{:?}", first.asked));
    }
    let asked: Vec<usize> = steady.iter().map(Cost::requests).collect();
    ensure!(
        asked.iter().all(|count| *count == 0),
        "steady events asked the API server: {asked:?}"
    );
    let asked: Vec<usize> = looking.iter().map(Cost::requests).collect();
    ensure!(
        asked.iter().all(|count| (1..=MOST_REQUESTS).contains(count)),
        "events that look asked the API server: {asked:?}; the first one {:?}",
        looking.first().map(|cost| &cost.asked)
    );
    ensure!(
        said.iter().all(|status| *status == said[0]),
        "they do not say the same: {said:?}"
    );
    Ok(())
}

/// What one event took.
struct Cost {
    milliseconds: f64,
    /// Requests, by verb and resource.
    asked: BTreeMap<String, usize>,
}

impl Cost {
    fn requests(&self) -> usize {
        self.asked.values().sum()
    }
}

async fn update_status(ground: &TestEnv, running: &Running<'_>, account: &str) -> Result<Cost> {
    let before = audited(ground, account)?;
    let told = running
        .sim(&format!("event update-status {}", running.unit()))
        .await?;
    let mut asked = audited(ground, account)?;
    for (request, count) in before {
        if let Some(now) = asked.get_mut(&request) {
            *now -= count;
        }
    }
    asked.retain(|_, count| *count > 0);
    let took = told.lines().find_map(|line| {
        let rest = line.strip_prefix("hooks/update-status took ")?;
        rest.strip_suffix(" ms")?.parse().ok()
    });
    Ok(Cost {
        milliseconds: took
            .with_context(|| format!("the simulated Juju does not say how long it took: {told}"))?,
        asked,
    })
}

/// The requests of an account that the API server has answered so far, by verb and resource.
fn audited(ground: &TestEnv, account: &str) -> Result<BTreeMap<String, usize>> {
    let file = ground.own_bed()?.audit_log();
    let text = std::fs::read_to_string(&file).with_context(|| format!("cannot read {}", file.display()))?;
    let mut asked = BTreeMap::new();
    for line in text.lines() {
        let event: Value = serde_json::from_str(line).with_context(|| format!("no audit event: {line}"))?;
        if event["user"]["username"] == account {
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let request = format!(
                "{} {}",
                word(&event["verb"]),
                word(&event["objectRef"]["resource"])
            );
            *asked.entry(request).or_default() += 1;
        }
    }
    Ok(asked)
}
