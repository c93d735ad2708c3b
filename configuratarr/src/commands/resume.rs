//! `configuratarr resume`: goes on with a run that was interrupted.

use super::{Call, Done, act};
use crate::cluster;
use crate::plan::Job;
use crate::problem::{Kind, Problem, Result};
use crate::run::{Resume, Store};

/// Runs it. The run names its model, whatever the current one is.
pub async fn run(call: &Call<'_>, id: Option<&str>) -> Result<Done> {
    let journal = Store::of_user()?.open(id)?;
    let plan = &journal.run().plan;
    call.printer.say(&format!(
        "run {}: {} in model {}",
        journal.run().id,
        plan.job.word(),
        plan.juju_model
    ));
    // Without the cluster it is followed all the same; it tells only bytes.
    let cluster = match cluster::connect(call.global).await {
        Ok(cluster) => Some(cluster),
        // An import is carried out in it.
        Err(problem) if plan.job == Job::Import => {
            let resume = Resume::here(call.global).command(&journal.run().id);
            let next = problem.next.map(|next| format!("{next}; then "));
            return Err(Problem::new(
                Kind::Unfinished,
                problem.text,
                format!("{}{resume}", next.unwrap_or_default()),
            ));
        }
        Err(problem) => {
            call.printer.say(&problem.text);
            None
        }
    };
    act::go_on(call, journal, cluster, true).await
}
