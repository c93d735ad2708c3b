//! The relation grafana-dashboard: one dashboard for all apps, made from the table of metrics.

mod form;
mod panels;

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use self::panels::panels;
use super::{Topology, xz};
use crate::digest;
use crate::endpoints;

/// Name of the endpoint.
pub const ENDPOINT: &str = endpoints::GRAFANA_DASHBOARD.name;

/// What Grafana's charm calls it by. It is the same of every app: of several of one `uid` Grafana's charm shows one.
const KEY: &str = "file:config-backups";

/// Its title.
const TITLE: &str = "Config backups";

/// What the application says.
pub fn app_bag(topology: &Topology) -> BTreeMap<String, String> {
    let text = dashboard().to_string();
    let content = STANDARD.encode(xz::stored(text.as_bytes()));
    let value = json!({
        "templates": {KEY: {
            "charm": topology.charm,
            "content": content,
            "juju_topology": {
                "model": topology.model,
                "model_uuid": topology.model_uuid,
                "application": topology.application,
                "unit": topology.unit,
            },
            // It has variables of its own.
            "inject_dropdowns": false,
            "dashboard_alt_uid": digest::mark(KEY, 16),
        }},
        // It tells whether something changed: the library's is a new one at each writing.
        "uuid": digest::mark(&text, 32),
    });
    BTreeMap::from([("dashboards".to_owned(), value.to_string())])
}

/// The dashboard as Grafana takes it.
pub fn dashboard() -> Value {
    let (mut x, mut y, mut tallest) = (0, 0, 0);
    let mut shown = Vec::new();
    for (number, panel) in panels().iter().enumerate() {
        if x + panel.width > 24 {
            (x, y, tallest) = (0, y + tallest, 0);
        }
        let place = json!({"x": x, "y": y, "w": panel.width, "h": panel.height});
        x += panel.width;
        tallest = tallest.max(panel.height);
        shown.push(panel.shown(number + 1, place));
    }
    json!({
        // Forty digits: the library leaves it as it is.
        "uid": digest::mark(TITLE, 40),
        "title": TITLE,
        "description": "Whether there are good backups of the apps' configuration, and whether they were seen to come back.",
        "tags": ["backup", "configuratarr"],
        "schemaVersion": 39,
        "version": 1,
        "editable": true,
        "timezone": "browser",
        "refresh": "1m",
        "time": {"from": "now-7d", "to": "now"},
        "templating": {"list": [
            datasource(),
            variable("juju_model", "Model", "label_values(config_backup_cluster_readable, juju_model)"),
            variable(
                "juju_application",
                "App",
                "label_values(config_backup_cluster_readable{juju_model=~\"$juju_model\"}, juju_application)",
            ),
        ]},
        "panels": shown,
    })
}

/// Letter by letter as the library has it, which adds its own where it is another.
fn datasource() -> Value {
    json!({
        "description": null,
        "error": null,
        "hide": 0,
        "includeAll": true,
        "label": "Prometheus datasource",
        "multi": true,
        "name": "prometheusds",
        "options": [],
        "query": "prometheus",
        "refresh": 1,
        "regex": "",
        "skipUrlSync": false,
        "type": "datasource",
    })
}

fn variable(name: &str, label: &str, query: &str) -> Value {
    json!({
        "name": name,
        "label": label,
        "type": "query",
        "datasource": source(),
        "definition": query,
        "query": {"query": query, "refId": "StandardVariableQuery"},
        "includeAll": true,
        "allValue": ".*",
        "multi": true,
        "refresh": 2,
        "sort": 1,
    })
}

fn source() -> Value {
    json!({"type": "prometheus", "uid": "${prometheusds}"})
}

/// All queries of its panels.
pub fn queries() -> Vec<String> {
    let of_panels = panels().into_iter().flat_map(|panel| panel.queries);
    of_panels.map(|(query, _)| query).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cos::samples::topology;
    use crate::exporter::metrics::METRICS;

    #[test]
    fn every_metric_is_shown_or_said_to_be_of_no_use_there_and_none_is_shown_that_is_not_exported() {
        let all = queries().join("\n");
        let asked: Vec<&str> = all
            .split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("config_backup"))
            .collect();
        for name in &asked {
            assert!(METRICS.iter().any(|metric| metric.name == *name), "{name}");
        }
        let for_alerts_alone = [
            "config_backup_exporter_info",
            "config_backup_read_timestamp_seconds",
            "config_backup_shrank",
            "config_backup_last_expiry_warning_timestamp_seconds",
            "config_backup_verify_due_timestamp_seconds",
        ];
        for metric in METRICS {
            let is_shown = asked.contains(&metric.name);
            assert_ne!(
                is_shown,
                for_alerts_alone.contains(&metric.name),
                "{}",
                metric.name
            );
        }
    }

    #[test]
    fn the_bag_is_as_the_library_reads_it_and_the_same_every_time() {
        let bag = app_bag(&topology());
        assert_eq!(bag, app_bag(&topology()));
        let value: Value = serde_json::from_str(&bag["dashboards"]).unwrap();
        let template = &value["templates"][KEY];
        assert_eq!(template["charm"], "films-k8s");
        assert_eq!(template["juju_topology"]["unit"], "films/0");
        assert_eq!(template["dashboard_alt_uid"].as_str().unwrap().len(), 16);
        let content = STANDARD.decode(template["content"].as_str().unwrap()).unwrap();
        assert_eq!(content, xz::stored(dashboard().to_string().as_bytes()));
        let uid = dashboard()["uid"].as_str().unwrap().to_owned();
        assert!(
            uid.len() == 40 && uid.chars().all(|c| c.is_ascii_hexdigit()),
            "{uid}"
        );
        // Juju takes more in one value, and a hook tool in one argument.
        assert!(bag["dashboards"].len() < 60_000, "{}", bag["dashboards"].len());
    }

    #[test]
    fn each_panel_says_what_it_shows_and_no_number_is_red_by_default() {
        for panel in dashboard()["panels"].as_array().unwrap() {
            if panel["type"] == "row" {
                continue;
            }
            let about = panel["description"].as_str().unwrap();
            assert!(about.ends_with('.'), "{panel}");
            let has_color = ["stat", "state-timeline"].contains(&panel["type"].as_str().unwrap())
                && panel["options"]["colorMode"] != "none";
            let steps = &panel["fieldConfig"]["defaults"]["thresholds"]["steps"];
            assert_eq!(steps.is_array(), has_color, "{panel}");
        }
    }

    #[test]
    fn no_panel_is_behind_another() {
        let dashboard = dashboard();
        let mut taken = std::collections::BTreeSet::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let place = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(place("x") + place("w") <= 24, "{panel}");
            for x in place("x")..place("x") + place("w") {
                for y in place("y")..place("y") + place("h") {
                    assert!(taken.insert((x, y)), "{panel}");
                }
            }
        }
    }
}
