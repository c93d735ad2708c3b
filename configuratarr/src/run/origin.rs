//! Where a run was begun, and whether it is gone on with there. By uids: a context and a model's name lead somewhere else one day.

use config_recovery::ClusterError;
use config_recovery::cluster::Cluster;
use config_recovery::identity::cluster_uid;
use config_recovery::shown::shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Resume, Run, Show};
use crate::args::Global;
use crate::juju::{Juju, JujuError, as_typed};
use crate::problem::{Kind, Problem, Result};

/// Where a run was begun.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Origin {
    /// The uid of the cluster's namespace `kube-system`; absent where the account may not look at it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_uid: Option<String>,
    /// The context of the kubeconfig that led there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// The uuid of the model; absent where Juju does not tell it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model_uuid: Option<String>,
}

impl Origin {
    /// Where this is: the model of this Juju, and the cluster that this context leads to.
    ///
    /// # Errors
    /// When Juju or the cluster cannot be asked.
    pub async fn here(juju: &Juju, cluster: &Cluster, context: Option<String>) -> Result<Self> {
        let model = match juju.model_uuid().await {
            Ok(uuid) => Some(uuid),
            // Without it the model is known by its name alone, which is no reason to restore nothing.
            Err(JujuError::Refused { .. } | JujuError::NotUnderstood { .. }) => None,
            Err(error) => return Err(error.into()),
        };
        let uid = match cluster_uid(cluster).await {
            Ok(uid) => uid,
            // Whoever may not look at it restores all the same.
            Err(ClusterError::NotAllowed { .. }) => None,
            Err(error) => return Err(config_recovery::Error::from(error).into()),
        };
        Ok(Self {
            cluster_uid: uid,
            context,
            model_uuid: model,
        })
    }
}

impl Run {
    /// Whether this is where it was begun. What it did not write down is taken to be.
    ///
    /// The cluster is given back where it is that of the run. One that cannot tell which it is may be another one: the run is followed without it.
    ///
    /// # Errors
    /// That it is another model or another cluster; that Juju does not tell. With it the command that goes on: of a cluster that is another one it
    /// does not name what led there.
    pub async fn is_at_home(
        &self,
        juju: &Juju,
        cluster: Option<Cluster>,
        global: &Global,
        show: &mut dyn Show,
    ) -> Result<Option<Cluster>, (Problem, Resume)> {
        if let Err(problem) = self.is_of(juju).await {
            return Err((problem, Resume::here(global)));
        }
        let its = self.its_cluster(cluster, global, show).await;
        its.map_err(|problem| (problem, Resume::default()))
    }

    async fn is_of(&self, juju: &Juju) -> Result<()> {
        let Some(was) = self.origin.as_ref().and_then(|origin| origin.model_uuid.as_ref()) else {
            return Ok(());
        };
        let is = juju.model_uuid().await?;
        if is == *was {
            return Ok(());
        }
        Err(Problem::new(
            Kind::Unfinished,
            format!(
                "run {} is of model {} with uuid {}, and the model of this name has uuid {} now",
                self.id,
                shown(&self.plan.juju_model),
                shown(was),
                shown(&is)
            ),
            "juju models --uuid shows whether the one of the run is still there",
        ))
    }

    async fn its_cluster(
        &self,
        cluster: Option<Cluster>,
        global: &Global,
        show: &mut dyn Show,
    ) -> Result<Option<Cluster>> {
        let Some(origin) = &self.origin else {
            return Ok(cluster);
        };
        let Some(was) = &origin.cluster_uid else {
            return Ok(cluster);
        };
        let Some(cluster) = cluster else {
            return Ok(None);
        };
        let is = match cluster_uid(&cluster).await {
            Ok(Some(is)) => is,
            Ok(None) => {
                show.note("cannot tell which cluster this is: it has no namespace kube-system; following without it");
                return Ok(None);
            }
            Err(error) => {
                show.note(&format!("{error}; following without the cluster"));
                return Ok(None);
            }
        };
        if is == *was {
            return Ok(Some(cluster));
        }
        let context = crate::cluster::context(global);
        let named = |context: &Option<String>| match context {
            Some(context) => format!(" (context {})", shown(context)),
            None => String::new(),
        };
        let back = match &origin.context {
            Some(was) if Some(was) != context.as_ref() => {
                format!(
                    "name the cluster of the run: --context {}, or its --kubeconfig",
                    as_typed(&shown(was))
                )
            }
            _ => "name the kubeconfig of the cluster of the run: --kubeconfig FILE".to_owned(),
        };
        Err(Problem::new(
            Kind::Unfinished,
            format!(
                "run {} was begun in cluster {}{}, and this is cluster {}{}",
                self.id,
                shown(was),
                named(&origin.context),
                shown(&is),
                named(&context)
            ),
            back,
        ))
    }
}
