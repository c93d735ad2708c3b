//! The rules on series that are made up, by `promtool`: each fires on what is wrong, and on nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use workload_charm::alerts::{ALERTS, Alert, file};
use workload_charm::cos::scrape;

use super::{promtool, topology};

/// The name of the file with the rules for a Prometheus that nobody relates.
pub const FOR_FILE: &str = "file.rules";

/// Checks the rules as they are in a databag, and as the file has them for a Prometheus that nobody relates.
pub fn check(folder: &Path) -> Result<()> {
    for (name, rules) in [("databag.rules", scrape::rules(&topology())), (FOR_FILE, file())] {
        let path = folder.join(name);
        // JSON is YAML.
        fs::write(&path, rules.to_string())?;
        promtool(&["check", "rules"], &path)?;
    }
    Ok(())
}

/// A series: the metric with labels of its own, and what it is each minute.
type Series = (&'static str, &'static str, &'static str);

/// A rule on two sets of series.
struct Case {
    alert: &'static str,
    /// On these it fires, at this minute and not one before.
    fires: &'static [Series],
    at: u32,
    /// The labels that the alert has of the series.
    labels: &'static [(&'static str, &'static str)],
    /// What stands for the value in its text.
    value: &'static str,
    /// On each of these it never does.
    silent: &'static [&'static [Series]],
}

const ENDPOINT: &str = "endpoint=\"velero-backup-config\"";
const OF_ENDPOINT: (&str, &str) = ("endpoint", "velero-backup-config");

const CASES: &[Case] = &[
    Case {
        alert: "ConfigBackupOverdue",
        // Due at minute 10: an hour later it is missed, five minutes after that somebody hears of it.
        fires: &[("config_backup_due_timestamp_seconds", ENDPOINT, "600x120")],
        at: 76,
        labels: &[OF_ENDPOINT],
        value: "1h 6m 0s",
        silent: &[
            // The good one came an hour late: it is due on the next day by then.
            &[("config_backup_due_timestamp_seconds", ENDPOINT, "600x70 87000x50")],
            // There is no schedule.
            &[("config_backup_last_success_timestamp_seconds", ENDPOINT, "0x120")],
        ],
    },
    Case {
        alert: "ConfigBackupBad",
        fires: &[
            ("config_backup_last_result", "verdict=\"empty\"", "0x9 1x110"),
            ("config_backup_last_result", "verdict=\"good\"", "1x9 0x110"),
        ],
        at: 10,
        labels: &[("verdict", "empty")],
        value: "",
        silent: &[&[
            ("config_backup_last_result", "verdict=\"failed\"", "0x120"),
            ("config_backup_last_result", "verdict=\"empty\"", "0x120"),
            ("config_backup_last_result", "verdict=\"partial\"", "0x120"),
            ("config_backup_last_result", "verdict=\"damaged\"", "0x120"),
            ("config_backup_last_result", "verdict=\"good\"", "1x120"),
        ]],
    },
    Case {
        alert: "ConfigBackupShrank",
        fires: &[
            ("config_backup_shrank", "name=\"bytes\"", "0x120"),
            ("config_backup_shrank", "name=\"films\"", "0x19 1x100"),
        ],
        at: 20,
        labels: &[("name", "films")],
        value: "",
        silent: &[&[("config_backup_shrank", "name=\"bytes\"", "0x120")]],
    },
    Case {
        alert: "ConfigVerifyFailed",
        fires: &[("config_backup_last_verify_success", "", "1x4 0x100")],
        at: 5,
        labels: &[],
        value: "",
        silent: &[&[("config_backup_last_verify_success", "", "1x120")], &[]],
    },
    Case {
        alert: "ConfigVerifyOverdue",
        fires: &[("config_backup_verify_due_timestamp_seconds", "", "0x1600")],
        at: 1501,
        labels: &[],
        value: "1d 1h 1m 0s",
        silent: &[
            &[("config_backup_verify_due_timestamp_seconds", "", "36000x120")],
            &[],
        ],
    },
    Case {
        alert: "ConfigStorageUnavailable",
        fires: &[
            ("config_backup_storage_available", "", "1x9 0x100"),
            ("config_backup_repository_ready", "", "1x110"),
        ],
        at: 25,
        labels: &[],
        value: "",
        silent: &[
            &[
                ("config_backup_storage_available", "", "1x120"),
                ("config_backup_repository_ready", "", "1x120"),
            ],
            // Velero looks each minute, and one look may fail.
            &[("config_backup_storage_available", "", "1x9 0x10 1x100")],
        ],
    },
    Case {
        alert: "ConfigStorageUnavailable",
        fires: &[
            ("config_backup_storage_available", "", "1x110"),
            ("config_backup_repository_ready", "", "1x9 0x100"),
        ],
        at: 25,
        labels: &[],
        value: "",
        silent: &[&[]],
    },
    Case {
        alert: "ConfigScheduleMissing",
        fires: &[(
            "config_backup_schedule_state",
            "endpoint=\"velero-backup-config\",state=\"paused\"",
            "1x120",
        )],
        at: 15,
        labels: &[OF_ENDPOINT, ("state", "paused")],
        value: "",
        silent: &[
            &[(
                "config_backup_schedule_state",
                "endpoint=\"velero-backup-config\",state=\"active\"",
                "1x120",
            )],
            // velero-operator takes some minutes to make one.
            &[(
                "config_backup_schedule_state",
                "endpoint=\"velero-backup-config\",state=\"missing\"",
                "1x10 0x110",
            )],
        ],
    },
    Case {
        alert: "ConfigLastBackupExpires",
        fires: &[(
            "config_backup_last_expiry_warning_timestamp_seconds",
            "",
            "600x120",
        )],
        at: 16,
        labels: &[],
        value: "",
        silent: &[
            &[(
                "config_backup_last_expiry_warning_timestamp_seconds",
                "",
                "90000x120",
            )],
            &[],
        ],
    },
    Case {
        alert: "ConfigExporterDown",
        fires: &[
            ("up", "", "0x120"),
            ("config_backup_cluster_readable", "", "1x120"),
        ],
        at: 15,
        labels: &[],
        value: "",
        silent: &[&[
            ("up", "", "1x120"),
            ("config_backup_cluster_readable", "", "1x120"),
        ]],
    },
    Case {
        alert: "ConfigExporterDown",
        fires: &[
            ("up", "", "1x120"),
            ("config_backup_cluster_readable", "", "0x120"),
        ],
        at: 15,
        labels: &[],
        value: "",
        // A hook replaces the exporter, and the pod a node.
        silent: &[&[
            ("up", "", "1x9 0x9 1x100"),
            ("config_backup_cluster_readable", "", "1x120"),
        ]],
    },
    // Nobody scrapes it any more.
    Case {
        alert: "ConfigExporterDown",
        fires: &[],
        at: 15,
        labels: &[],
        value: "",
        silent: &[],
    },
];

/// What is there of an app with which all is well, for an hour and a half.
const NORMAL: &[Series] = &[
    ("up", "", "1x90"),
    ("config_backup_exporter_info", "version=\"1\"", "1x90"),
    ("config_backup_cluster_readable", "", "1x90"),
    ("config_backup_last_result", "verdict=\"good\"", "1x90"),
    ("config_backup_last_result", "verdict=\"failed\"", "0x90"),
    // One is made in this hour.
    (
        "config_backup_due_timestamp_seconds",
        ENDPOINT,
        "1800x32 88200x58",
    ),
    (
        "config_backup_schedule_state",
        "endpoint=\"velero-backup-config\",state=\"active\"",
        "1x90",
    ),
    (
        "config_backup_schedule_state",
        "endpoint=\"velero-backup-config\",state=\"paused\"",
        "0x90",
    ),
    (
        "config_backup_schedule_state",
        "endpoint=\"velero-backup-config\",state=\"missing\"",
        "0x90",
    ),
    ("config_backup_shrank", "name=\"bytes\"", "0x90"),
    ("config_backup_shrank", "name=\"films\"", "0x90"),
    (
        "config_backup_last_expiry_warning_timestamp_seconds",
        "",
        "2332800x90",
    ),
    ("config_backup_last_verify_success", "", "1x90"),
    ("config_backup_verify_due_timestamp_seconds", "", "400000x90"),
    ("config_backup_storage_available", "", "1x90"),
    ("config_backup_repository_ready", "", "1x90"),
];

/// Tries each rule on its series.
pub fn test(folder: &Path) -> Result<()> {
    for alert in ALERTS {
        let tried = CASES.iter().filter(|case| case.alert == alert.name);
        let tried: Vec<&Case> = tried.collect();
        ensure!(!tried.is_empty(), "no series tries {}: add a Case", alert.name);
        ensure!(
            tried.iter().any(|case| !case.silent.is_empty()),
            "no series leaves {} silent: add one to its Case",
            alert.name
        );
    }
    let mut tests = Vec::new();
    for case in CASES {
        let alert = ALERTS
            .iter()
            .find(|alert| alert.name == case.alert)
            .with_context(|| format!("there is no alert {}", case.alert))?;
        tests.push(fires(case, alert));
        tests.extend(case.silent.iter().map(|series| stays_silent(series, &[alert])));
    }
    let all: Vec<&Alert> = ALERTS.iter().collect();
    tests.push(stays_silent(NORMAL, &all));
    tests.push(of_others(&all));
    let path = folder.join("tests.yaml");
    let text = json!({
        "rule_files": ["databag.rules"],
        "evaluation_interval": "1m",
        "tests": tests,
    });
    fs::write(&path, text.to_string())?;
    promtool(&["test", "rules"], &path)
}

/// The labels that whoever scrapes gives each series of the app.
fn ours(app: &str) -> String {
    let topology = topology();
    format!(
        "juju_model=\"{}\",juju_model_uuid=\"{}\",juju_application=\"{app}\",juju_charm=\"radarr\",juju_unit=\"{app}/0\"",
        topology.model, topology.model_uuid
    )
}

fn input(series: &[Series], app: &str) -> Vec<Value> {
    let ours = ours(app);
    series
        .iter()
        .map(|(metric, labels, values)| {
            let labels = [*labels, &ours].into_iter().filter(|labels| !labels.is_empty());
            let labels = labels.collect::<Vec<_>>().join(",");
            json!({"series": format!("{metric}{{{labels}}}"), "values": values})
        })
        .collect()
}

fn fires(case: &Case, alert: &Alert) -> Value {
    let mut labels: BTreeMap<String, String> = topology().labels();
    labels.insert("severity".to_owned(), alert.severity.word().to_owned());
    if !case.fires.is_empty() {
        labels.insert("juju_unit".to_owned(), "radarr/0".to_owned());
    }
    for (label, value) in case.labels {
        labels.insert((*label).to_owned(), (*value).to_owned());
    }
    let told = |text: &str| {
        let text = labels.iter().fold(text.to_owned(), |text, (label, value)| {
            text.replace(&format!("{{{{ $labels.{label} }}}}"), value)
        });
        text.replace("{{ $value | humanizeDuration }}", case.value)
    };
    let expected = json!([{
        "exp_labels": labels,
        "exp_annotations": {
            "summary": told(alert.summary),
            "description": told(alert.description),
            "runbook": alert.runbook(),
        },
    }]);
    let at = |minute: u32, expected: &Value| json!({"eval_time": format!("{minute}m"), "alertname": alert.name, "exp_alerts": expected});
    json!({
        "interval": "1m",
        "input_series": input(case.fires, "radarr"),
        "alert_rule_test": [at(case.at - 1, &json!([])), at(case.at, &expected)],
    })
}

fn stays_silent(series: &[Series], alerts: &[&Alert]) -> Value {
    let mut series = series.to_vec();
    // Where nothing is said of it, somebody scrapes.
    for metric in ["up", "config_backup_cluster_readable"] {
        if !series.iter().any(|(name, _, _)| *name == metric) {
            series.push((metric, "", "1x120"));
        }
    }
    let silent = |minute: u32| {
        alerts.iter().map(move |alert| {
            json!({"eval_time": format!("{minute}m"), "alertname": alert.name, "exp_alerts": []})
        })
    };
    let minutes = (0..=90).step_by(3);
    json!({
        "interval": "1m",
        "input_series": input(&series, "radarr"),
        "alert_rule_test": minutes.flat_map(silent).collect::<Vec<Value>>(),
    })
}

/// What is wrong with another app is that one's.
fn of_others(alerts: &[&Alert]) -> Value {
    let mut test = stays_silent(NORMAL, alerts);
    let wrong: Vec<Series> = CASES.iter().flat_map(|case| case.fires).copied().collect();
    let mut seen = std::collections::BTreeSet::new();
    let wrong: Vec<Series> = wrong
        .into_iter()
        .filter(|(metric, labels, _)| seen.insert((*metric, *labels)))
        .collect();
    if let Some(series) = test["input_series"].as_array_mut() {
        series.extend(input(&wrong, "sonarr"));
    }
    test
}
