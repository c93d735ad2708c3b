//! What the charm gives to those who watch many applications, and asks of them: metrics with alert rules, a dashboard, a place for
//! logs. The forms are those of the charm libraries that the other side has (prometheus_scrape, grafana_dashboard and loki_push_api).
//!
//! All of a bag is a function of who we are: an event that changes nothing writes nothing.

pub mod dashboard;
pub mod logging;
pub mod scrape;
pub mod world;
mod xz;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use self::logging::Logging;
use crate::facts::Facts;
use crate::ingress::differences;
use crate::profile::AppProfile;
use crate::steps::plan::OwnBags;

/// Who we are, as the other charms name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topology {
    /// Name of the model.
    pub model: String,
    /// UUID of the model.
    pub model_uuid: String,
    /// Name of the application.
    pub application: String,
    /// This unit.
    pub unit: String,
    /// Name of the charm.
    pub charm: String,
}

impl Topology {
    /// That of the unit that has these facts.
    pub fn of(profile: &AppProfile, facts: &Facts) -> Self {
        Self {
            model: facts.model.clone(),
            model_uuid: facts.model_uuid.clone(),
            application: facts.app.clone(),
            unit: facts.unit.to_string(),
            charm: profile.name.clone(),
        }
    }

    /// What says whose something is in a bag.
    fn metadata(&self) -> Value {
        json!({
            "model": self.model,
            "model_uuid": self.model_uuid,
            "application": self.application,
            "unit": self.unit,
            "charm_name": self.charm,
        })
    }

    /// The labels that tell our series from those of others.
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            ("juju_model", &self.model),
            ("juju_model_uuid", &self.model_uuid),
            ("juju_application", &self.application),
            ("juju_charm", &self.charm),
        ]
        .map(|(label, value)| (label.to_owned(), value.clone()))
        .into()
    }

    /// The first part of the UUID, as the other charms shorten it.
    fn short_uuid(&self) -> String {
        self.model_uuid.chars().take(8).collect()
    }
}

/// One relation, and what our own bags say there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Related {
    /// Its id.
    pub id: String,
    /// The application's bag, which only the leader may read.
    pub app_bag: Option<BTreeMap<String, String>>,
    /// This unit's bag.
    pub unit_bag: BTreeMap<String, String>,
    /// The unit's address there.
    pub address: Option<String>,
}

/// What is known of these relations; `None` where the event cannot have changed them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cos {
    /// Those of `metrics-endpoint`.
    pub metrics: Option<Vec<Related>>,
    /// Those of `grafana-dashboard`.
    pub dashboard: Option<Vec<Related>>,
    /// Those of `logging`.
    pub logging: Option<Logging>,
}

/// What differs in our own bags, by endpoint.
pub fn bags(profile: &AppProfile, facts: &Facts) -> Vec<(&'static str, OwnBags)> {
    let topology = Topology::of(profile, facts);
    let Cos {
        metrics,
        dashboard,
        logging,
    } = &facts.cos;
    let mut bags = Vec::new();
    for related in metrics.iter().flatten() {
        let wanted = Wanted {
            app: scrape::app_bag,
            unit: scrape::unit_bag(&topology, related.address.as_deref()),
        };
        bags.extend(
            wanted
                .differing(&topology, related)
                .map(|own| (scrape::ENDPOINT, own)),
        );
    }
    for related in dashboard.iter().flatten() {
        let wanted = Wanted {
            app: dashboard::app_bag,
            unit: BTreeMap::new(),
        };
        bags.extend(
            wanted
                .differing(&topology, related)
                .map(|own| (dashboard::ENDPOINT, own)),
        );
    }
    for related in logging.iter().flat_map(|logging| &logging.related) {
        let wanted = Wanted {
            app: logging::app_bag,
            unit: BTreeMap::new(),
        };
        bags.extend(
            wanted
                .differing(&topology, related)
                .map(|own| (logging::ENDPOINT, own)),
        );
    }
    bags
}

struct Wanted {
    /// Made where it is compared with something only: the leader alone writes it.
    app: fn(&Topology) -> BTreeMap<String, String>,
    unit: BTreeMap<String, String>,
}

impl Wanted {
    fn differing(self, topology: &Topology, related: &Related) -> Option<OwnBags> {
        let app = match &related.app_bag {
            Some(bag) => differences(bag, (self.app)(topology)),
            None => BTreeMap::new(),
        };
        let unit = differences(&related.unit_bag, self.unit);
        (!app.is_empty() || !unit.is_empty()).then(|| OwnBags {
            relation_id: related.id.clone(),
            app,
            unit,
        })
    }
}

#[cfg(test)]
mod samples {
    use super::*;

    /// A unit.
    pub fn topology() -> Topology {
        Topology {
            model: "media".to_owned(),
            model_uuid: "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a".to_owned(),
            application: "films".to_owned(),
            unit: "films/0".to_owned(),
            charm: "films-k8s".to_owned(),
        }
    }
}
