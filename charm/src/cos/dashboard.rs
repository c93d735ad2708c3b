//! The relation grafana-dashboard: one dashboard for all apps, made from the table of metrics.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Topology, xz};
use crate::endpoints;

/// Name of the endpoint.
pub const ENDPOINT: &str = endpoints::GRAFANA_DASHBOARD.name;

/// What Grafana's charm calls it by. It is the same of every app: of several of one `uid` Grafana's charm shows one.
const KEY: &str = "file:config-backups";

/// Its title.
const TITLE: &str = "Config backups";

/// What tells one app in a legend.
const APP: &str = "{{juju_model}}/{{juju_application}}";

/// The apps that are looked at.
const CHOSEN: &str = "juju_model=~\"$juju_model\",juju_application=~\"$juju_application\"";

/// What the application says.
pub fn app_bag(topology: &Topology) -> BTreeMap<String, String> {
    let text = dashboard().to_string();
    let content = STANDARD.encode(xz::stored(text.as_bytes()));
    let digest = hex(Sha256::digest(&text).as_slice());
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
            "dashboard_alt_uid": digest_of(KEY, 16),
        }},
        // It tells whether something changed: the library's is a new one at each writing.
        "uuid": digest.chars().take(32).collect::<String>(),
    });
    BTreeMap::from([("dashboards".to_owned(), value.to_string())])
}

/// So many hexadecimal digits that follow from a text.
fn digest_of(text: &str, digits: usize) -> String {
    hex(Sha256::digest(text).as_slice())
        .chars()
        .take(digits)
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a panel shows its numbers.
#[derive(Clone, Copy)]
enum Kind {
    /// A row's title.
    Row,
    /// One number each.
    Stat,
    /// A line each over the time.
    Lines,
    /// A row each, of all queries side by side.
    Table,
}

/// One panel. The width is in 24ths of the screen, the height in Grafana's steps.
struct Panel {
    kind: Kind,
    title: &'static str,
    unit: &'static str,
    width: u32,
    height: u32,
    /// The queries, with what they are called: in a legend, or above a column.
    queries: Vec<(String, &'static str)>,
}

fn row(title: &'static str) -> Panel {
    Panel {
        kind: Kind::Row,
        title,
        unit: "none",
        width: 24,
        height: 1,
        queries: Vec::new(),
    }
}

fn stat(title: &'static str, unit: &'static str, width: u32, query: impl Into<String>) -> Panel {
    Panel {
        kind: Kind::Stat,
        title,
        unit,
        width,
        height: 4,
        queries: vec![(query.into(), APP)],
    }
}

fn lines(title: &'static str, unit: &'static str, queries: &[(&str, &'static str)]) -> Panel {
    Panel {
        kind: Kind::Lines,
        title,
        unit,
        width: 12,
        height: 8,
        queries: queries
            .iter()
            .map(|(query, name)| (of_chosen(query), *name))
            .collect(),
    }
}

/// A query on the apps that are looked at.
fn of_chosen(query: &str) -> String {
    query.replace("CHOSEN", CHOSEN)
}

fn panels() -> Vec<Panel> {
    let by_app = |query: &str| format!("max by (juju_model, juju_application) ({query})");
    let of_one = |query: &str| of_chosen(&by_app(query));
    let age = "time() - config_backup_last_success_timestamp_seconds";
    vec![
        row("All apps"),
        stat(
            "Apps",
            "none",
            4,
            "count(count by (juju_model, juju_application) (config_backup_cluster_readable)) or vector(0)",
        ),
        stat(
            "Without a good backup that was due",
            "none",
            5,
            "count(count by (juju_model, juju_application) (time() - config_backup_due_timestamp_seconds > 3600)) or vector(0)",
        ),
        stat(
            "Last one bad",
            "none",
            5,
            "count(count by (juju_model, juju_application) (config_backup_last_result{verdict=~\"failed|empty|partial|damaged\"} == 1)) or vector(0)",
        ),
        stat(
            "Not verified, or not well",
            "none",
            5,
            "count(config_backup_cluster_readable unless on (juju_model, juju_application) config_backup_last_verify_success == 1) or vector(0)",
        ),
        stat(
            "Good backups of all",
            "percentunit",
            5,
            "sum(config_backup_backups{verdict=\"good\"}) / sum(config_backup_backups{verdict!~\"running|expired\"})",
        ),
        Panel {
            kind: Kind::Table,
            title: "Each app",
            unit: "none",
            width: 24,
            height: 8,
            queries: vec![
                (by_app(age), "Age"),
                (by_app("config_backup_last_success_bytes"), "Bytes"),
                (by_app("config_backup_backups{verdict=\"good\"}"), "Good backups"),
                (
                    by_app(
                        "sum without (verdict) (config_backup_backups{verdict=~\"failed|empty|partial|damaged\"})",
                    ),
                    "Bad backups",
                ),
                (
                    by_app("time() - config_backup_last_verify_timestamp_seconds"),
                    "Verified",
                ),
                (by_app("config_backup_storage_available"), "Storage"),
            ],
        },
        lines(
            "Age of the last good backup",
            "s",
            &[(
                "max by (juju_model, juju_application) (time() - config_backup_last_success_timestamp_seconds{CHOSEN})",
                APP,
            )],
        ),
        lines(
            "Bytes of the last good backup",
            "bytes",
            &[(
                "max by (juju_model, juju_application) (config_backup_last_success_bytes{CHOSEN})",
                APP,
            )],
        ),
        lines(
            "Backups by verdict",
            "none",
            &[("sum by (verdict) (config_backup_backups{CHOSEN})", "{{verdict}}")],
        ),
        lines(
            "Age of the last verification",
            "s",
            &[(
                "max by (juju_model, juju_application) (time() - config_backup_last_verify_timestamp_seconds{CHOSEN})",
                APP,
            )],
        ),
        row("$juju_application"),
        stat(
            "Last good backup",
            "s",
            4,
            of_one("time() - config_backup_last_success_timestamp_seconds{CHOSEN}"),
        ),
        stat(
            "Next run in",
            "s",
            4,
            of_one("config_backup_next_run_timestamp_seconds{CHOSEN} - time()"),
        ),
        stat(
            "Took",
            "s",
            4,
            of_one("config_backup_last_success_duration_seconds{CHOSEN}"),
        ),
        stat(
            "Files",
            "none",
            4,
            of_one("config_backup_last_success_files{CHOSEN}"),
        ),
        stat(
            "Databases",
            "none",
            4,
            of_one("config_backup_last_success_databases{CHOSEN}"),
        ),
        stat(
            "The last good one expires in",
            "s",
            4,
            of_one("config_backup_last_expiry_timestamp_seconds{CHOSEN} - time()"),
        ),
        stat(
            "Last restore",
            "s",
            12,
            of_one("time() - config_backup_last_restore_timestamp_seconds{CHOSEN}"),
        ),
        stat(
            "The last verification took",
            "s",
            12,
            of_one("config_backup_last_verify_duration_seconds{CHOSEN}"),
        ),
        lines(
            "Held and left out",
            "bytes",
            &[
                ("config_backup_last_success_bytes{CHOSEN}", "held"),
                ("config_backup_last_success_left_out_bytes{CHOSEN}", "left out"),
            ],
        ),
        lines(
            "What it holds",
            "none",
            &[("config_backup_last_success_contents{CHOSEN}", "{{name}}")],
        ),
        lines(
            "Verdict on the last one",
            "none",
            &[("config_backup_last_result{CHOSEN}", "{{verdict}}")],
        ),
        lines(
            "Schedule, storage, repository",
            "none",
            &[
                ("config_backup_schedule_state{CHOSEN}", "{{state}}"),
                ("config_backup_storage_available{CHOSEN}", "storage"),
                ("config_backup_repository_ready{CHOSEN}", "repository"),
            ],
        ),
        lines(
            "Time between runs, and how long backups are kept",
            "s",
            &[
                ("config_backup_schedule_interval_seconds{CHOSEN}", "between runs"),
                ("config_backup_retention_seconds{CHOSEN}", "kept"),
            ],
        ),
        lines(
            "The exporter",
            "none",
            &[("config_backup_cluster_readable{CHOSEN}", "reads the cluster")],
        ),
    ]
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
        "uid": digest_of(TITLE, 40),
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

/// The letters that tell queries of a panel.
const LETTERS: &str = "ABCDEFGHIJ";

impl Panel {
    fn shown(&self, id: usize, place: Value) -> Value {
        let mut shown = json!({
            "id": id,
            "title": self.title,
            "type": match self.kind {
                Kind::Row => "row",
                Kind::Stat => "stat",
                Kind::Lines => "timeseries",
                Kind::Table => "table",
            },
            "gridPos": place,
        });
        if matches!(self.kind, Kind::Row) {
            shown["panels"] = json!([]);
            shown["collapsed"] = json!(false);
            return shown;
        }
        let is_table = matches!(self.kind, Kind::Table);
        let targets = self
            .queries
            .iter()
            .zip(LETTERS.chars())
            .map(|((query, name), letter)| {
                let mut target = json!({
                    "refId": letter.to_string(),
                    "datasource": source(),
                    "expr": query,
                });
                match self.kind {
                    Kind::Table => {
                        target["format"] = json!("table");
                        target["instant"] = json!(true);
                    }
                    Kind::Stat => {
                        target["legendFormat"] = json!(name);
                        target["instant"] = json!(true);
                    }
                    Kind::Lines | Kind::Row => target["legendFormat"] = json!(name),
                }
                target
            });
        shown["targets"] = targets.collect();
        shown["datasource"] = source();
        shown["fieldConfig"] = json!({"defaults": {"unit": self.unit}, "overrides": []});
        if is_table {
            let renamed: serde_json::Map<String, Value> = self
                .queries
                .iter()
                .zip(LETTERS.chars())
                .map(|((_, name), letter)| (format!("Value #{letter}"), json!(name)))
                .collect();
            shown["transformations"] = json!([
                {"id": "merge", "options": {}},
                {"id": "organize", "options": {"excludeByName": {"Time": true}, "renameByName": renamed}},
            ]);
            let unit = |column: &str, unit: &str| {
                json!({
                    "matcher": {"id": "byName", "options": column},
                    "properties": [{"id": "unit", "value": unit}],
                })
            };
            shown["fieldConfig"]["overrides"] =
                json!([unit("Age", "s"), unit("Bytes", "bytes"), unit("Verified", "s")]);
        }
        shown
    }
}

/// All queries of the dashboard, its variables' among them.
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
