//! How the apps of a model stand, by Juju and the cluster. What one of them does not tell is left open, and the rest is shown.

use config_recovery::locations::Location;
use jiff::Timestamp;

use super::Call;
use crate::cluster;
use crate::fleet::{self, App};
use crate::juju::JujuError;
use crate::problem::{Kind, Problem, Result};

/// What was seen.
#[derive(Debug)]
pub struct Looked {
    /// When.
    pub now: Timestamp,
    /// The model, by its own name.
    pub model: String,
    /// The apps, by name.
    pub apps: Vec<App>,
    /// Where Velero stores backups, if the cluster could be asked.
    pub locations: Vec<Location>,
    /// Why Juju could not be asked.
    pub juju_problem: Option<Problem>,
    /// Why the cluster could not be asked.
    pub cluster_problem: Option<Problem>,
}

/// Looks.
///
/// # Errors
/// Both problems, Juju's first, when neither could be asked; one when the model is not known without Juju.
pub async fn look(call: &Call<'_>) -> Result<Looked, Vec<Problem>> {
    let now = Timestamp::now();
    let (status, found) = tokio::join!(call.juju.status(), cluster::look(call.global));
    let leads_nowhere = matches!(status, Err(JujuError::NoSuchController(_)));
    let (status, juju_problem) = apart(status.map_err(Problem::from));
    let (found, cluster_problem) = apart(found);
    let overview = found.map(|(_, overview)| overview);
    let model = match (&status, &call.global.model) {
        (Some(status), _) => status.model.name.clone(),
        // Without Juju nobody says which model is the current one. What the cluster has is shown of one that is named.
        (None, Some(_)) => call.model().await.map_err(|problem| vec![problem])?,
        (None, None) => {
            let unknown = || Problem::bare(Kind::NotAsked, "no model is known");
            let mut problem = juju_problem.unwrap_or_else(unknown);
            if overview.is_some() {
                problem.next = problem.next.map(|next| match next.contains("--model") {
                    true => next,
                    false => format!("{next}; with --model NAME what the cluster has is shown without Juju"),
                });
            }
            return Err(vec![problem]);
        }
    };
    // What is to be typed next must not repeat what is nowhere.
    let juju = match leads_nowhere {
        true => call.juju.of_model(format!("CONTROLLER:{model}")),
        false => call.juju.clone(),
    };
    if let (Some(juju), Some(cluster)) = (&juju_problem, &cluster_problem) {
        return Err(vec![juju.clone(), cluster.clone()]);
    }
    Ok(Looked {
        apps: fleet::apps(&model, &juju, status.as_ref(), overview.as_ref(), now),
        now,
        model,
        // Its backups are the apps' by now; of many apps they take half of the memory.
        locations: overview.map(|overview| overview.locations).unwrap_or_default(),
        juju_problem,
        cluster_problem,
    })
}

fn apart<T>(result: Result<T>) -> (Option<T>, Option<Problem>) {
    match result {
        Ok(value) => (Some(value), None),
        Err(problem) => (None, Some(problem)),
    }
}
