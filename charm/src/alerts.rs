//! The table of alert rules: the one place that says what is wrong enough with backups for somebody to be told. The relation
//! metrics-endpoint carries them, `docs/alerts/` has them as a file, and each has a runbook that ends it.
//!
//! What is due, missed, or about to go, is judged where the status has it from ([`config_recovery::backups`]) and exported: a rule
//! compares it with the clock.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// The group that the rules are in.
pub const GROUP: &str = "config_backups";

/// What stands for the labels of our own series in [`Alert::expr`], as Canonical's libraries write it.
pub const OURS: &str = "%%juju_topology%%";

/// Where the runbooks are, from the root of the repository.
pub const RUNBOOKS: &str = "docs/runbooks";

/// One rule.
#[derive(Debug)]
pub struct Alert {
    /// Its name.
    pub name: &'static str,
    /// When it is true, in PromQL.
    pub expr: &'static str,
    /// For how long that has to be true.
    pub lasts: &'static str,
    /// How soon somebody has to look.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub summary: &'static str,
    /// What that means, and what comes next.
    pub description: &'static str,
}

/// How soon somebody has to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// Today: what is lost now does not come back.
    Critical,
    /// This week.
    Warning,
}

impl Severity {
    /// As the label has it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Warning => "warning",
        }
    }
}

/// All of them.
pub const ALERTS: &[Alert] = &[
    Alert {
        name: "ConfigBackupOverdue",
        // The same hour that the status waits for.
        expr: "time() - config_backup_due_timestamp_seconds{%%juju_topology%%} > 3600",
        lasts: "5m",
        severity: Severity::Critical,
        summary: "{{ $labels.juju_application }} has no good backup though one was due.",
        description: "A good backup was due {{ $value | humanizeDuration }} ago. What was changed since the last good one is in no backup.",
    },
    Alert {
        name: "ConfigBackupBad",
        expr: "config_backup_last_result{verdict=~\"failed|empty|partial|damaged\",%%juju_topology%%} == 1",
        lasts: "0s",
        severity: Severity::Warning,
        summary: "The last backup of {{ $labels.juju_application }} is {{ $labels.verdict }}.",
        description: "It does not hold what it should. Earlier good backups are as they were.",
    },
    Alert {
        name: "ConfigBackupShrank",
        expr: "config_backup_shrank{%%juju_topology%%} == 1",
        lasts: "0s",
        severity: Severity::Warning,
        summary: "The last backup of {{ $labels.juju_application }} holds less than half of what one of the week before held: {{ $labels.name }}.",
        description: "Somebody has deleted much, or the app has begun anew. A backup of before is kept until it expires.",
    },
    Alert {
        name: "ConfigVerifyFailed",
        expr: "config_backup_last_verify_success{%%juju_topology%%} == 0",
        lasts: "0s",
        severity: Severity::Critical,
        summary: "A backup of {{ $labels.juju_application }} did not come back as it was.",
        description: "It was restored into a scratch namespace and compared. Whether others come back is not known.",
    },
    Alert {
        name: "ConfigVerifyOverdue",
        expr: "time() - config_backup_verify_due_timestamp_seconds{%%juju_topology%%} > 86400",
        lasts: "1h",
        severity: Severity::Warning,
        summary: "No backup of {{ $labels.juju_application }} was verified though a test restore was due.",
        description: "It was due {{ $value | humanizeDuration }} ago. That backups come back is known of older ones alone.",
    },
    Alert {
        name: "ConfigStorageUnavailable",
        expr: "config_backup_storage_available{%%juju_topology%%} == 0 or config_backup_repository_ready{%%juju_topology%%} == 0",
        lasts: "15m",
        severity: Severity::Critical,
        summary: "Velero cannot use the storage of the backups of {{ $labels.juju_application }}.",
        description: "Until it can, no backup is made. While it is away none can be restored either; from one that is read-only they can.",
    },
    Alert {
        name: "ConfigScheduleMissing",
        expr: "config_backup_schedule_state{state=~\"missing|paused|refused\",%%juju_topology%%} == 1",
        // velero-operator restarts Velero before it makes one.
        lasts: "15m",
        severity: Severity::Critical,
        summary: "The Schedule of {{ $labels.juju_application }} for {{ $labels.endpoint }} is {{ $labels.state }}.",
        description: "Backups are asked for, and none will be made.",
    },
    Alert {
        name: "ConfigLastBackupExpires",
        expr: "config_backup_last_expiry_warning_timestamp_seconds{%%juju_topology%%} < time()",
        lasts: "5m",
        severity: Severity::Critical,
        summary: "The last good backup of {{ $labels.juju_application }} is about to be deleted.",
        description: "It is the good one that is kept the longest. When it is gone there is none.",
    },
    Alert {
        name: "ConfigExporterDown",
        expr: "up{%%juju_topology%%} == 0 or on() absent(config_backup_cluster_readable{%%juju_topology%%}) or on() config_backup_cluster_readable{%%juju_topology%%} == 0",
        lasts: "15m",
        severity: Severity::Warning,
        summary: "Nobody sees how the backups of {{ $labels.juju_application }} stand.",
        description: "The exporter of the charm cannot be scraped, or cannot read the cluster. No other alert on backups is to be relied on meanwhile.",
    },
];

impl Alert {
    /// The rule on the series that have the labels `ours`, with these labels on the alert.
    pub fn rule(&self, ours: &str, labels: &BTreeMap<String, String>) -> Value {
        let mut labels = labels.clone();
        labels.insert("severity".to_owned(), self.severity.word().to_owned());
        json!({
            "alert": self.name,
            "expr": self.expr.replace(OURS, ours),
            "for": self.lasts,
            "labels": labels,
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook": self.runbook(),
            },
        })
    }

    /// Its runbook, from the root of the repository.
    pub fn runbook(&self) -> String {
        format!("{RUNBOOKS}/{}.md", self.name)
    }
}

/// The rules as a file for a Prometheus that nobody relates: its job for the apps has this name.
pub const JOB: &str = "config-backups";

/// The file. The labels of the app are those that the job gives each target.
pub fn file() -> Value {
    let ours = format!("job=\"{JOB}\"");
    let rules: Vec<Value> = ALERTS
        .iter()
        .map(|alert| alert.rule(&ours, &BTreeMap::new()))
        .collect();
    json!({"groups": [{"name": GROUP, "rules": rules}]})
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::exporter::metrics::METRICS;

    /// What of a text may be a metric of ours.
    fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .filter(|word| word.starts_with("config_backup"))
    }

    #[test]
    fn what_a_rule_asks_for_is_exported_and_each_selector_is_ours_alone() {
        let mut names = BTreeSet::new();
        for alert in ALERTS {
            let mut asked = 0;
            for name in metrics_in(alert.expr) {
                let metric = METRICS.iter().find(|metric| metric.name == name);
                assert!(metric.is_some(), "{}: {name}", alert.name);
                asked += 1;
            }
            assert!(asked > 0, "{}", alert.name);
            assert_eq!(
                alert.expr.matches('{').count(),
                alert.expr.matches(OURS).count(),
                "{}",
                alert.name
            );
            assert!(names.insert(alert.name), "{}", alert.name);
            // A label that a text names is one of the metric's, or of those that say whose it is.
            for label in [alert.summary, alert.description]
                .iter()
                .flat_map(|text| text.split("$labels.").skip(1))
                .filter_map(|rest| rest.split_whitespace().next())
            {
                let is_of_metric = METRICS
                    .iter()
                    .filter(|metric| alert.expr.contains(metric.name))
                    .any(|metric| metric.labels.contains(&label));
                assert!(
                    is_of_metric || label == "juju_application",
                    "{}: {label}",
                    alert.name
                );
            }
        }
    }
}
