//! The relation metrics-endpoint: where our metrics are, and the alert rules on them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::Topology;
use crate::alerts::{self, ALERTS};
use crate::endpoints;
use crate::exporter::{PATH, PORT};

/// Name of the endpoint.
pub const ENDPOINT: &str = endpoints::METRICS_ENDPOINT.name;

/// What the application says.
pub fn app_bag(topology: &Topology) -> BTreeMap<String, String> {
    // The other side puts each unit's address in the place of the star.
    let jobs = json!([{
        "metrics_path": PATH,
        "static_configs": [{"targets": [format!("*:{PORT}")]}],
    }]);
    [
        ("scrape_metadata", topology.metadata()),
        ("scrape_jobs", jobs),
        ("alert_rules", rules(topology)),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_string()))
    .into()
}

/// What each unit says. Its address changes with its pod.
pub fn unit_bag(topology: &Topology, address: Option<&str>) -> BTreeMap<String, String> {
    let address = address.map(|address| ("prometheus_scrape_unit_address", address));
    let name = ("prometheus_scrape_unit_name", topology.unit.as_str());
    // The path of the metrics is the same for all, and an empty value is none.
    address
        .into_iter()
        .chain([name])
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

/// The alert rules, on our own series alone.
pub fn rules(topology: &Topology) -> Value {
    let labels = topology.labels();
    let ours: Vec<String> = ["juju_model", "juju_model_uuid", "juju_application"]
        .iter()
        .filter_map(|label| Some(format!("{label}=\"{}\"", labels.get(*label)?)))
        .collect();
    let ours = ours.join(",");
    let rules: Vec<Value> = ALERTS.iter().map(|alert| alert.rule(&ours, &labels)).collect();
    let name = format!(
        "{}_{}_{}_{}_rules",
        topology.model,
        topology.short_uuid(),
        topology.application,
        alerts::GROUP
    );
    let is_kept = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let name = name.replace(|c| !is_kept(c), "_");
    json!({"groups": [{"name": name, "rules": rules}]})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cos::samples::topology;

    #[test]
    fn the_bags_are_as_the_library_reads_them() {
        let bag = app_bag(&topology());
        assert_eq!(
            bag["scrape_metadata"],
            r#"{"application":"films","charm_name":"films-k8s","model":"media","model_uuid":"8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a","unit":"films/0"}"#
        );
        assert_eq!(
            bag["scrape_jobs"],
            r#"[{"metrics_path":"/metrics","static_configs":[{"targets":["*:9786"]}]}]"#
        );
        let rules: Value = serde_json::from_str(&bag["alert_rules"]).unwrap();
        let group = &rules["groups"][0];
        assert_eq!(group["name"], "media_8a1c2e3f_films_config_backups_rules");
        let all = group["rules"].as_array().unwrap();
        assert_eq!(all.len(), ALERTS.len());
        // The other side looks at the first rule's labels to know whose they are.
        for rule in all {
            assert_eq!(rule["labels"]["juju_model"], "media");
            assert_eq!(
                rule["labels"]["juju_model_uuid"],
                "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a"
            );
            assert_eq!(rule["labels"]["juju_application"], "films");
            let expr = rule["expr"].as_str().unwrap();
            assert!(
                !expr.contains("%%") && expr.contains("juju_application=\"films\""),
                "{expr}"
            );
        }
        assert_eq!(bag, app_bag(&topology()), "the same every time");
        assert_eq!(
            unit_bag(&topology(), Some("10.1.2.3")),
            [
                ("prometheus_scrape_unit_address", "10.1.2.3"),
                ("prometheus_scrape_unit_name", "films/0"),
            ]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into()
        );
    }
}
