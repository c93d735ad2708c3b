//! What the checks look at, read once.

use config_recovery::Error;
use config_recovery::overview::{self, Overview};
use config_recovery::survey::{Survey, survey};
use jiff::Timestamp;

use crate::args::Global;
use crate::cluster;
use crate::fleet::{self, App};
use crate::juju::{Juju, JujuError, Status};
use crate::problem::{Kind, Problem, Result};

/// Everything that was seen.
#[derive(Debug)]
pub struct Seen {
    /// When.
    pub now: Timestamp,
    /// The model's own name, which is its namespace.
    pub model: String,
    /// What commands of Juju have at their end: ` -m MODEL` where one was named, else nothing.
    pub suffix: String,
    /// What Juju says, or why it could not be asked.
    pub juju: Result<InJuju>,
    /// What the cluster says, or why it could not be asked.
    pub cluster: Result<InCluster>,
    /// The apps that follow from both.
    pub apps: Vec<App>,
}

/// What Juju says.
#[derive(Debug)]
pub struct InJuju {
    /// The model.
    pub status: Status,
    /// Version of the `juju` command.
    pub client: Result<String, JujuError>,
}

/// What the cluster says.
#[derive(Debug)]
pub struct InCluster {
    /// Backups, Schedules, storage locations.
    pub overview: Result<Overview, Error>,
    /// What else backups need.
    pub survey: Survey,
}

impl Seen {
    /// The command that sets an option of velero-operator, which may be in the model of its own where Velero is.
    pub fn operator_config(&self, setting: &str) -> String {
        let status = self.juju.as_ref().ok().map(|juju| &juju.status);
        let here = status.and_then(|status| {
            let mut all = status.applications.iter();
            all.find(|(_, application)| application.endpoint_bindings.contains_key("velero-backups"))
        });
        if let Some((name, _)) = here {
            return format!("juju config {name} {setting}{}", self.suffix);
        }
        let namespace = match &self.cluster {
            Ok(cluster) => cluster
                .survey
                .veleros
                .first()
                .map(|velero| velero.namespace.as_str()),
            Err(_) => None,
        };
        format!(
            "juju config velero-operator {setting} -m {}",
            namespace.unwrap_or("VELERO-MODEL")
        )
    }
}

/// Reads it.
///
/// # Errors
/// When no model is named and Juju, which knows the current one, cannot be asked.
pub async fn look(global: &Global, juju: &Juju, now: Timestamp) -> Result<Seen> {
    let asked = async { tokio::join!(juju.status(), juju.version()) };
    let ((status, client), cluster) = tokio::join!(asked, cluster::connect(global));
    let typed = juju.clone();
    let juju = status
        .map_err(Problem::from)
        .map(|status| InJuju { status, client });
    let model = match (&juju, &global.model) {
        (Ok(juju), _) => juju.status.model.name.clone(),
        (Err(_), Some(model)) => model.rsplit([':', '/']).next().unwrap_or(model).to_owned(),
        (Err(problem), None) => return Err(problem.clone()),
    };
    let cluster = match cluster {
        Ok(cluster) => {
            let (overview, survey) = tokio::join!(overview::overview(&cluster), survey(&cluster, &model));
            match (&survey.clock, overview) {
                // The other answers can be no better.
                (Err(error), _) if !error.is_forbidden() => Err(Error::from(error.clone()).into()),
                // Its version an API server tells every account that it knows.
                (Err(_), Err(error)) => Err(error.into()),
                (_, overview) => Ok(InCluster { overview, survey }),
            }
        }
        Err(problem) => Err(problem),
    };
    if let (Err(_), Err(problem)) = (&juju, &cluster) {
        return Err(problem.clone());
    }
    let status = juju.as_ref().ok().map(|juju| &juju.status);
    let overview = cluster
        .as_ref()
        .ok()
        .and_then(|cluster| cluster.overview.as_ref().ok());
    Ok(Seen {
        apps: fleet::apps(&model, &typed, status, overview, now),
        now,
        suffix: global
            .model
            .as_ref()
            .map(|model| format!(" -m {model}"))
            .unwrap_or_default(),
        model,
        juju,
        cluster,
    })
}

impl Seen {
    /// Leaves the apps that are asked for; all, if none is.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn only(mut self, wanted: &[String]) -> Result<Self> {
        let is_missing = |name: &&String| !self.apps.iter().any(|app| app.id.app == **name);
        let missing: Vec<&str> = wanted.iter().filter(is_missing).map(String::as_str).collect();
        if !missing.is_empty() {
            return Err(Problem::new(
                Kind::Failed,
                format!(
                    "there is no app {} with backups in model {}",
                    missing.join(", "),
                    self.model
                ),
                "juju status shows what is there; an app of another model: --model MODEL",
            ));
        }
        if !wanted.is_empty() {
            self.apps.retain(|app| wanted.contains(&app.id.app));
        }
        Ok(self)
    }
}
