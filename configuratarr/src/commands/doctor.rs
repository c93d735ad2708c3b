//! `configuratarr doctor`: whether all is there that a backup and a restore need.

use jiff::Timestamp;

use super::{Call, Done};
use crate::doctor;
use crate::problem::Result;
use crate::report::{CheckState, DoctorReport};

/// Runs it. What cannot be asked is told, and is no failure.
pub async fn run(call: &Call<'_>, apps: &[String]) -> Result<Done> {
    let now = Timestamp::now();
    let seen = doctor::look(call.global, &call.juju, now).await?.only(apps)?;
    let (juju, cluster) = (seen.juju.as_ref().err(), seen.cluster.as_ref().err());
    let report = DoctorReport {
        schema: "configuratarr/doctor/v1",
        time: now.to_string(),
        model: seen.model.clone(),
        juju_problem: juju.map(|problem| problem.text.clone()),
        cluster_problem: cluster.map(|problem| problem.text.clone()),
        checks: doctor::examine(&seen).into_iter().map(Into::into).collect(),
    };
    call.printer.data(&report, || report.page())?;
    for problem in juju.iter().chain(&cluster) {
        call.printer.problem(problem);
    }
    Ok(match (report.count(CheckState::Fail), juju.or(cluster)) {
        (0, None) => Done::Well,
        (0, Some(_)) => Done::NotAsked,
        _ => Done::NotWell,
    })
}
