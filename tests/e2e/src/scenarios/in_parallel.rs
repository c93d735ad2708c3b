//! What one restore takes, and seven at once, as Velero is by default and with more at a time on a node.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::future::join_all;
use k8s_openapi::api::apps::v1::DaemonSet;
use kube::Api;
use serde_json::Value;

use super::{ScenarioReport, fleet};
use crate::ground::TestEnv;
use crate::left::nothing_is_left;
use crate::pods::Running;
use crate::{node_agent, wait};

/// What the engine may add to Velero's own part of a restore, in seconds.
const ADDED: f64 = 5.0;
/// How many times as long as one app seven may take at once.
const TIMES: f64 = 1.5;
/// How often seven may be tried.
const TRIES: usize = 3;
/// What the action's log says of a restore that waited longer for its turn than it was copied.
const HINT: &str = "for its turn and was copied in";

/// Restores one app alone, three times, then all at once, by their actions; then the same with as many at a time on a node as
/// there are apps, set by the command that the action's log names. Tells what they waited for.
///
/// Until 1.16 the node agent opens its repository twice for each restore, in a loop that works on one restore at a time
/// (`pkg/controller/pod_volume_restore_controller.go` and `pkg/datapath/file_system.go` of Velero 1.15.2), and each opening
/// derives a key by scrypt: half a second of work at least, which no `loadConcurrency` shortens. Since 1.17 each restore has a
/// pod of its own for that, and `loadConcurrency` counts. Apart from that queue all are to come back beside each other.
pub async fn measure(ground: &TestEnv, apps: &[Running<'_>], story: &mut ScenarioReport) -> Result<()> {
    let velero = ground.own_bed()?.velero;
    let with = format!("Velero {}, Kubernetes {}", velero.version, velero.kubernetes);
    let one = alone(ground, apps, story, &format!("by default, {with}")).await?;
    let mut seven = restored(ground, apps).await?;
    // What else the machine does only adds to it, so the best of a few counts.
    for _ in 1..TRIES {
        if velero.restores_in_pods || seven.beyond(&one) <= TIMES * one.took {
            break;
        }
        nothing_is_left(ground, None).await?;
        story.figure(
            &format!("seconds of {} in parallel, which was too long", apps.len()),
            seven.text(),
        );
        let again = restored(ground, apps).await?;
        if again.beyond(&one) < seven.beyond(&one) {
            seven = again;
        }
    }
    for (running, results) in apps.iter().zip(&seven.results) {
        story.figure(&format!("results, {}", running.app.name), results);
    }
    let beyond = seven.beyond(&one);
    let queue = seven.took - beyond;
    story.figure(
        &format!("seconds of {} in parallel, by default, {with}", apps.len()),
        format!(
            "{}, {:.2} times one; without the node agent's queue {beyond:.1}, {:.2} times one",
            seven.text(),
            seven.took / one.took,
            beyond / one.took,
        ),
    );
    // A restore with a pod of its own has more to wait for than the agent's work on the one before it.
    ensure!(
        velero.restores_in_pods || beyond <= TIMES * one.took,
        "seven in parallel took {beyond:.1} s beside the node agent's queue of {queue:.1} s, more than {TIMES} times the \
         {:.1} s of one",
        one.took
    );
    story.figure(
        &format!("of {} logs, how many name the command", apps.len()),
        seven.hints.len(),
    );
    if let Some(hint) = seven.hints.last() {
        story.figure("such a line", hint);
    }
    ensure!(
        !velero.restores_in_pods || !seven.hints.is_empty(),
        "the last of seven restores should have waited longer than it was copied, and its log should say so"
    );

    let count = apps.len();
    nothing_is_left(ground, None).await?;
    let command = command(ground, count);
    if let Some(hint) = seven
        .hints
        .iter()
        .find(|hint| hint.contains(&format!("For {count},")))
    {
        ensure!(hint.ends_with(&command), "{hint}\nshould end with\n{command}");
    }
    ground.own_bed()?.by_bash(&command).await?;
    node_agent_is_new(ground).await?;
    let one_of_more = alone(ground, apps, story, &format!("{count} at a time, {with}")).await?;
    let more = restored(ground, apps).await?;
    let times = more.took / one_of_more.took;
    story.figure(
        &format!("seconds of {count} in parallel, {count} at a time, {with}"),
        format!("{}, {times:.2} times one", more.text()),
    );
    ensure!(
        !velero.restores_in_pods || (more.took < seven.took && more.hints.is_empty()),
        "{count} at a time should be faster than one after the other, which took {:.1} s, and wait for nobody; it took {:.1} s: \
         {:?}",
        seven.took,
        more.took,
        more.hints
    );
    let most = [&one, &seven, &one_of_more, &more].map(|is| is.added);
    let most = most.into_iter().fold(0.0, f64::max);
    ensure!(
        most <= ADDED,
        "the engine added {most:.1} s to Velero's own time, more than {ADDED}"
    );
    Ok(())
}

/// The middle one of three restores of an app each, with the most that one of them took beside Velero.
async fn alone(
    ground: &TestEnv,
    apps: &[Running<'_>],
    story: &mut ScenarioReport,
    when: &str,
) -> Result<Restored> {
    let mut alone = Vec::new();
    for running in apps.iter().take(3) {
        alone.push(restored(ground, std::slice::from_ref(running)).await?);
    }
    // Their namespaces take some seconds to end, and the same app would wait for that.
    nothing_is_left(ground, None).await?;
    alone.sort_by(|one, other| one.took.total_cmp(&other.took));
    let told: Vec<String> = alone.iter().map(Restored::text).collect();
    story.figure(&format!("seconds of one, three times, {when}"), told.join("; "));
    for is in &alone {
        ensure!(is.hints.is_empty(), "one alone waits for nobody: {:?}", is.hints);
    }
    let added = alone.iter().map(|is| is.added).fold(0.0, f64::max);
    let middle = alone.into_iter().nth(1).context("there is no middle one")?;
    Ok(Restored { added, ..middle })
}

/// How restores went that were begun at the same time. All in seconds.
struct Restored {
    /// Until the last one was done.
    took: f64,
    /// Time in which the node agent worked on any of them.
    agent: f64,
    /// The most that one of them took beyond Velero's own time.
    added: f64,
    results: Vec<Value>,
    /// What the actions' logs say of the queue.
    hints: Vec<String>,
}

impl Restored {
    /// How long they took but for the node agent's queue, which `one` alone does not have.
    fn beyond(&self, one: &Self) -> f64 {
        self.took - (self.agent - one.agent).max(0.0)
    }

    fn text(&self) -> String {
        format!(
            "{:.1} (node agent busy {:.1}, at most {:.1} beside Velero)",
            self.took, self.agent, self.added
        )
    }
}

async fn restored(ground: &TestEnv, apps: &[Running<'_>]) -> Result<Restored> {
    let actions = async {
        let began = Instant::now();
        let restores = apps.iter().map(|running| {
            fleet::task(
                running,
                "restore-from-backup backup-uid=latest safety-backup=false",
            )
        });
        let tasks: Result<Vec<Value>> = join_all(restores).await.into_iter().collect();
        tasks.map(|tasks| (tasks, began.elapsed().as_secs_f64()))
    };
    let (tasks, worked) = node_agent::during(&ground.velero("PodVolumeRestore"), actions).await?;
    let (tasks, took) = tasks?;
    for (running, task) in apps.iter().zip(&tasks) {
        let is_done = task["status"] == "completed";
        ensure!(
            is_done,
            "the restore of {} should have completed: {task}",
            running.app.name
        );
    }
    ensure!(
        worked.restores() == apps.len(),
        "the node agent should have worked on {} restores, not on {}",
        apps.len(),
        worked.restores()
    );
    let lines = tasks
        .iter()
        .flat_map(|task| task["log"].as_array().into_iter().flatten());
    let hints = lines.filter_map(Value::as_str).filter(|line| line.contains(HINT));
    let hints = hints.map(str::to_owned).collect();
    let results: Vec<Value> = tasks.into_iter().map(|mut task| task["results"].take()).collect();
    let mut most: f64 = 0.0;
    for result in &results {
        most = most.max(added(result)?);
    }
    Ok(Restored {
        took,
        agent: worked.busy().as_secs_f64(),
        added: most,
        results,
        hints,
    })
}

/// Seconds of a restore that were not Velero's own.
fn added(results: &Value) -> Result<f64> {
    let number = |key: &str| -> Result<f64> {
        let text = results[key]
            .as_str()
            .with_context(|| format!("no {key} in {results}"))?;
        Ok(text.parse()?)
    };
    Ok(number("seconds")? - number("velero-seconds")?)
}

/// The command of docs/src/howto/several-at-once.md that lets the node agent work on so many at a time.
fn command(ground: &TestEnv, count: usize) -> String {
    let namespace = &ground.velero_namespace;
    format!(
        "kubectl -n {namespace} create configmap node-agent-config \
         --from-literal=config='{{\"loadConcurrency\":{{\"globalConfig\":{count}}}}}' && \
         kubectl -n {namespace} patch daemonset node-agent --type=json \
         -p '[{{\"op\":\"add\",\"path\":\"/spec/template/spec/containers/0/args/-\",\
         \"value\":\"--node-agent-configmap=node-agent-config\"}}]'"
    )
}

/// Waits until the node agent runs as its DaemonSet says now.
async fn node_agent_is_new(ground: &TestEnv) -> Result<()> {
    let agents: Api<DaemonSet> = Api::namespaced(ground.client.clone(), &ground.velero_namespace);
    wait::until("the node agent is new", Duration::from_secs(120), || {
        let agents = agents.clone();
        async move {
            let agent = agents.get("node-agent").await?;
            let status = agent.status.unwrap_or_default();
            let is_new = status.observed_generation == agent.metadata.generation
                && status.updated_number_scheduled == Some(status.desired_number_scheduled)
                && status.number_ready == status.desired_number_scheduled
                && status.number_unavailable.unwrap_or(0) == 0;
            Ok(is_new.then_some(()))
        }
    })
    .await
}
