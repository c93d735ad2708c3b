//! The relation logging: where the app's log goes, as log targets of the workload's Pebble.
//!
//! Pebble forgets no log target. One that is not to be any more gets no service's log, and no label of ours.

use std::collections::BTreeMap;

use juju_charm::pebble::{Layer, LogTarget, LogTargetType, Override};
use serde_json::Value;

use super::{Related, Topology};
use crate::endpoints;
use crate::facts::{Container, Facts};
use crate::ingress::IngressUrl;
use crate::profile::AppProfile;

/// Name of the endpoint.
pub const ENDPOINT: &str = endpoints::LOGGING.name;

/// Where the log of a target goes that is not to be any more: Pebble takes none without a place.
const GONE: &str = "(removed)";
/// All services.
const ALL: &str = "all";
/// No service.
const NONE: &str = "-all";

/// What is known of the relations.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Logging {
    /// Each, with our own bags.
    pub related: Vec<Related>,
    /// Where the units on the other side take logs, by their names.
    pub places: BTreeMap<String, IngressUrl>,
}

/// Where a unit on the other side takes logs, by its bag; `None` where it says nothing that can be used.
pub fn place_in(bag: &BTreeMap<String, String>) -> Option<IngressUrl> {
    let value: Value = serde_json::from_str(bag.get("endpoint")?).ok()?;
    IngressUrl::parse(value.get("url")?.as_str()?)
}

/// What the application says. It has no rules on its log.
pub fn app_bag(topology: &Topology) -> BTreeMap<String, String> {
    [
        ("metadata", topology.metadata().to_string()),
        ("alert_rules", "{}".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}

/// The layer's label.
pub fn label(profile: &AppProfile) -> String {
    format!("{}-log-forwarding", profile.name)
}

/// What has to be added to Pebble's plan, if anything differs.
pub fn layer(profile: &AppProfile, facts: &Facts) -> Option<Layer> {
    let (Some(logging), Container::Ready(container)) = (&facts.cos.logging, &facts.container) else {
        return None;
    };
    let labels = labels(&Topology::of(profile, facts));
    let known = &container.plan.log_targets;
    let wanted = logging.places.iter().map(|(unit, place)| {
        let target = LogTarget {
            r#override: Some(Override::Replace),
            target_type: Some(LogTargetType::Loki),
            location: Some(place.url().to_owned()),
            services: vec![ALL.to_owned()],
            labels: labels.clone(),
        };
        (unit.clone(), target)
    });
    let of_ours = |target: &LogTarget| target.labels == labels;
    let gone = known
        .iter()
        .filter(|(unit, target)| of_ours(target) && !logging.places.contains_key(*unit))
        .map(|(unit, _)| {
            let target = LogTarget {
                r#override: Some(Override::Replace),
                target_type: Some(LogTargetType::Loki),
                location: Some(GONE.to_owned()),
                services: vec![NONE.to_owned()],
                labels: BTreeMap::new(),
            };
            (unit.clone(), target)
        });
    let is_as_known = |unit: &String, target: &LogTarget| {
        known.get(unit).is_some_and(|known| {
            (&known.location, &known.services, &known.labels)
                == (&target.location, &target.services, &target.labels)
        })
    };
    let log_targets: BTreeMap<String, LogTarget> = wanted
        .chain(gone)
        .filter(|(unit, target)| !is_as_known(unit, target))
        .collect();
    (!log_targets.is_empty()).then(|| Layer {
        log_targets,
        ..Layer::default()
    })
}

/// The labels on each line, by which the lines, and our targets, are known again.
fn labels(topology: &Topology) -> BTreeMap<String, String> {
    let mut labels = topology.labels();
    // As the library has it: the charm's name goes by another name here.
    let charm = labels.remove("juju_charm").unwrap_or_default();
    labels.extend([
        ("product".to_owned(), "Juju".to_owned()),
        ("charm".to_owned(), charm),
        ("juju_unit".to_owned(), topology.unit.clone()),
    ]);
    labels
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cos::samples::topology;

    #[test]
    fn a_place_is_a_url_that_may_stand_in_a_layer() {
        let bag = |text: &str| BTreeMap::from([("endpoint".to_owned(), text.to_owned())]);
        let push = "http://loki-0.loki.cos.svc.cluster.local:3100/loki/api/v1/push";
        let found = place_in(&bag(&serde_json::json!({"url": push}).to_string()));
        assert_eq!(found.as_ref().map(IngressUrl::url), Some(push));
        for text in ["", "{}", "no json", r#"{"url": 1}"#, r#"{"url": "file:///x"}"#] {
            assert_eq!(place_in(&bag(text)), None, "{text}");
        }
        assert_eq!(place_in(&BTreeMap::new()), None);
    }

    #[test]
    fn the_bag_is_as_the_library_reads_it() {
        let bag = app_bag(&topology());
        assert_eq!(bag["alert_rules"], "{}");
        assert!(bag["metadata"].contains(r#""unit":"films/0""#), "{bag:?}");
        let labels = labels(&topology());
        let names: Vec<&str> = labels.keys().map(String::as_str).collect();
        assert_eq!(
            names,
            [
                "charm",
                "juju_application",
                "juju_model",
                "juju_model_uuid",
                "juju_unit",
                "product"
            ]
        );
    }
}
