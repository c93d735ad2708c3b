//! `configuratarr claim`: where the config volume of an app is.

use config_recovery::backups::AppId;
use config_recovery::claim::{self, AppClaim};
use config_recovery::cluster::Cluster;
use config_recovery::{ClusterError, Error};
use jiff::Timestamp;

use super::{Call, Done};
use crate::cluster;
use crate::problem::{Problem, Result};
use crate::report::ClaimReport;

/// Runs it. A volume that may not be looked at is told, and the claim is shown.
pub async fn run(call: &Call<'_>, app: &str) -> Result<Done> {
    let cluster = cluster::connect(call.global).await?;
    let whose = AppId {
        app: app.to_owned(),
        model: call.model().await?,
    };
    let found = claim::find(&cluster, &whose).await?;
    let behind = behind(&cluster, &found).await;
    let mut report = ClaimReport::new(&whose, found, Timestamp::now().to_string());
    let problem = match behind {
        Ok((details, provisioner)) => {
            report.details = details.map(Into::into);
            report.provisioner = provisioner;
            None
        }
        Err(error) => Some(Problem::from(Error::from(error))),
    };
    report.problem = problem.as_ref().map(|problem| problem.text.clone());
    call.printer.data(&report, || report.page())?;
    match problem {
        Some(problem) => {
            call.printer.problem(&problem);
            Ok(Done::NotAsked)
        }
        None => Ok(Done::Well),
    }
}

async fn behind(
    cluster: &Cluster,
    found: &AppClaim,
) -> Result<(Option<claim::AppVolume>, Option<String>), ClusterError> {
    let details = async {
        match &found.volume {
            Some(name) => claim::volume(cluster, name).await,
            None => Ok(None),
        }
    };
    let provisioner = async {
        match &found.storage_class {
            Some(class) => claim::provisioner(cluster, class).await,
            None => Ok(None),
        }
    };
    let (details, provisioner) = tokio::join!(details, provisioner);
    Ok((details?, provisioner?))
}
