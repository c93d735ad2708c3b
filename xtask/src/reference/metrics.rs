//! What the exporter tells, and the rules that are judged by it.

use workload_charm::alerts::{ALERTS, OURS};
use workload_charm::exporter::PORT;
use workload_charm::exporter::metrics::METRICS;

use super::table;

/// The page.
pub fn text() -> String {
    let metrics = METRICS.iter().map(|metric| {
        let labels: Vec<String> = metric.labels.iter().map(|label| format!("`{label}`")).collect();
        [
            format!("`{}`", metric.name),
            labels.join(", "),
            metric.help.to_owned(),
        ]
    });
    let alerts = ALERTS.iter().map(|alert| {
        [
            format!("[{}](../../runbooks/{}.md)", alert.name, alert.name),
            format!("`{}`", expression(alert.expr)),
            alert.lasts.to_owned(),
            alert.severity.word().to_owned(),
        ]
    });
    format!(
        "# Metrics and alerts\n\n\
         The exporter of the charm answers `GET /metrics` on the unit with the data, port {PORT}, while `metrics-endpoint` is related. All are \
         gauges. Labels of Juju's (`juju_model`, `juju_application`, `juju_unit`) are added by whoever scrapes. What Velero's own metrics \
         say is not repeated.\n\n{}\n\
         ## Alerts\n\n\
         The relation carries the rules; [as a file](../../alerts/config-backups.rules.yaml) they are for a Prometheus that nobody relates. The name leads to \
         what to do.\n\n{}",
        table(["Metric", "Labels", "What it says"], metrics),
        table(["Alert", "When", "For", "Severity"], alerts),
    )
}

/// The expression as a person reads it: without the labels that say whose series are meant.
fn expression(expr: &str) -> String {
    expr.replace(&format!(",{OURS}"), "")
        .replace(&format!("{{{OURS}}}"), "")
}
