//! What is more than one action of a charm: steps that Juju and the charm take in turn. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Item, RedeployPlan, RefreshPlan};
use crate::juju::Juju;

/// How an app is deployed again or refreshed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Stages {
    /// It is gone, and deployed again.
    Redeploy(RedeployPlan),
    /// Its charm is refreshed.
    Refresh(RefreshPlan),
}

impl Stages {
    /// What a person types to do the same.
    pub fn by_hand(&self, item: &Item, juju: &Juju) -> Vec<String> {
        match self {
            Self::Redeploy(plan) => plan.by_hand(item, juju),
            Self::Refresh(plan) => plan.by_hand(item, juju),
        }
    }

    /// What a person has to know before it begins.
    pub fn notes(&self) -> Vec<String> {
        match self {
            Self::Redeploy(plan) => plan.notes.clone(),
            Self::Refresh(plan) => plan
                .cannot
                .iter()
                .map(|what| format!("cannot be rolled back: {what}"))
                .collect(),
        }
    }
}
