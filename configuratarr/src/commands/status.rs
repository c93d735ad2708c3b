//! `configuratarr status`: one screen.

use jiff::Timestamp;

use super::{Call, Done};
use crate::cluster;
use crate::fleet;
use crate::problem::{Kind, Problem, Result};
use crate::report::{AppReport, StatusReport};

/// Runs it. What cannot be asked is told, and the rest is shown.
pub async fn run(call: &Call<'_>) -> Result<Done> {
    let now = Timestamp::now();
    let (status, cluster) = tokio::join!(call.juju.status(), cluster::look(call.global));
    let status = status.map_err(Problem::from);
    let (status, juju_problem) = apart(status);
    let (found, cluster_problem) = apart(cluster);
    let overview = found.map(|(_, overview)| overview);
    let model = match (&status, &call.global.model) {
        (Some(status), _) => status.model.name.clone(),
        // Without Juju nobody says which model is the current one. What the cluster has is shown of one that is named.
        (None, Some(_)) => call.model().await?,
        (None, None) => {
            let mut problem =
                juju_problem.unwrap_or_else(|| Problem::bare(Kind::NotAsked, "no model is known"));
            if overview.is_some()
                && problem
                    .next
                    .as_ref()
                    .is_some_and(|next| !next.contains("--model"))
            {
                problem.next = problem.next.map(|next| {
                    format!("{next}; with --model NAME what the cluster has is shown without Juju")
                });
            }
            return Err(problem);
        }
    };
    if let (Some(juju), Some(cluster)) = (&juju_problem, &cluster_problem) {
        call.printer.problem(juju);
        return Err(cluster.clone());
    }
    let apps = fleet::apps(&model, status.as_ref(), overview.as_ref(), now);
    let report = StatusReport {
        schema: "configuratarr/status/v1",
        time: now.to_string(),
        model,
        juju_problem: juju_problem.as_ref().map(|problem| problem.text.clone()),
        cluster_problem: cluster_problem.as_ref().map(|problem| problem.text.clone()),
        locations: overview
            .iter()
            .flat_map(|overview| &overview.locations)
            .map(Into::into)
            .collect(),
        apps: apps.iter().map(|app| AppReport::of(app, now)).collect(),
    };
    call.printer.data(&report, || report.page(now))?;
    for problem in juju_problem.iter().chain(&cluster_problem) {
        call.printer.problem(problem);
    }
    Ok(match (report.is_well(), juju_problem.or(cluster_problem)) {
        (_, Some(_)) => Done::NotAsked,
        (true, None) => Done::Well,
        (false, None) => Done::NotWell,
    })
}

fn apart<T>(result: Result<T>) -> (Option<T>, Option<Problem>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(problem) => (None, Some(problem)),
    }
}
