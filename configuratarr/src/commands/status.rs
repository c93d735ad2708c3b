//! `configuratarr status`: one screen.

use super::look::look;
use super::{Call, Done};
use crate::problem::{Kind, Problem, Result};
use crate::report::{AppReport, StatusReport};

/// Runs it. What cannot be asked is told, and the rest is shown.
pub async fn run(call: &Call<'_>) -> Result<Done> {
    let looked = match look(call).await {
        Ok(looked) => looked,
        Err(mut problems) => {
            let last = problems.pop();
            for problem in &problems {
                call.printer.problem(problem);
            }
            return Err(last.unwrap_or_else(|| Problem::bare(Kind::NotAsked, "nothing could be asked")));
        }
    };
    let now = looked.now;
    let text = |problem: &Option<Problem>| problem.as_ref().map(|problem| problem.text.clone());
    let report = StatusReport {
        schema: "configuratarr/status/v1",
        time: now.to_string(),
        juju_problem: text(&looked.juju_problem),
        cluster_problem: text(&looked.cluster_problem),
        locations: looked.locations.iter().map(Into::into).collect(),
        apps: looked.apps.iter().map(|app| AppReport::of(app, now)).collect(),
        model: looked.model,
    };
    call.printer.data(&report, || report.page(now))?;
    for problem in looked.juju_problem.iter().chain(&looked.cluster_problem) {
        call.printer.problem(problem);
    }
    Ok(
        match (report.is_well(), looked.juju_problem.or(looked.cluster_problem)) {
            (_, Some(_)) => Done::NotAsked,
            (true, None) => Done::Well,
            (false, None) => Done::NotWell,
        },
    )
}
