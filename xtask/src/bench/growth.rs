//! What a steady update-status of a trusted app costs as the cluster around it grows.

use std::fmt::Write as _;

use anyhow::Result;
use serde::Serialize;
use serde_json::json;

use super::front::Front;
use super::life::{Bed, Measured, Turns};
use super::programs::Programs;
use super::table;

/// How often the event is measured in each place.
const TIMES: usize = 10;

/// What there is more and more of.
#[derive(Debug, Clone, Copy)]
enum Around {
    Backups(usize),
    OtherPods(usize),
}

const PLACES: [Around; 5] = [
    Around::Backups(1),
    Around::Backups(30),
    Around::Backups(3000),
    Around::OtherPods(10),
    Around::OtherPods(1000),
];

/// One line.
#[derive(Debug, Serialize)]
pub struct Line {
    /// What is around the app, `3000 backups`.
    around: String,
    /// What each dispatch cost.
    row: table::Row,
    /// Requests to the API server in each dispatch.
    requests: f64,
    /// Bytes of requests and answers in each dispatch, without TLS.
    api_bytes: f64,
}

/// Measures every place.
///
/// # Errors
/// When an event fails.
pub fn measure(programs: &Programs, front: &Front) -> Result<Vec<Line>> {
    PLACES
        .into_iter()
        .map(|around| line(programs, front, around))
        .collect()
}

fn line(programs: &Programs, front: &Front, around: Around) -> Result<Line> {
    let mut bed = Bed::new(programs, front, Turns::CharmFirst)?;
    bed.deploy(programs)?;
    bed.integrate()?;
    bed.trust()?;
    let around = match around {
        Around::Backups(count) => {
            for number in 0..count {
                bed.juju.put_velero_object(backup(number))?;
            }
            format!("{count} backups")
        }
        Around::OtherPods(count) => {
            for number in 0..count {
                bed.juju
                    .make_pod(&format!("other-{number}"), &format!("claim-{number}"));
            }
            format!("{count} other pods")
        }
    };
    // What is new is seen once.
    bed.update_status("")?;
    bed.update_status("")?;
    let before = bed.traffic();
    let mut measured: Vec<Measured> = Vec::new();
    for _ in 0..TIMES {
        measured.extend(bed.update_status("")?);
    }
    let after = bed.traffic();
    let each = |before: u64, after: u64| (after - before) as f64 / TIMES as f64;
    let (requests, api_bytes) = (each(before.0, after.0), each(before.1, after.1));
    measured.retain(|one| one.event == "update-status");
    bed.juju.destroy()?;
    let row = table::row("update-status", &measured);
    Ok(Line {
        around,
        row,
        requests,
        api_bytes,
    })
}

/// A completed backup of the app, as velero-operator and Velero make it; one an hour.
fn backup(number: usize) -> serde_json::Value {
    let hours = i64::try_from(number).unwrap_or_default() + 1;
    let began = jiff::Timestamp::now().as_second() - hours * 3600;
    let time = |seconds: i64| {
        jiff::Timestamp::from_second(seconds)
            .map(|time| time.to_string())
            .unwrap_or_default()
    };
    json!({
        "apiVersion": "velero.io/v1", "kind": "Backup",
        "metadata": {
            "name": format!("radarr-{number}"), "namespace": "velero", "uid": format!("00000000-0000-4000-8000-{number:012}"),
            "creationTimestamp": time(began),
            "labels": {"app": "radarr", "endpoint": "velero-backup-config", "model": "homelab"},
        },
        "spec": {
            "includedNamespaces": ["homelab"], "ttl": "720h0m0s",
            "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "radarr"}},
        },
        "status": {
            "phase": "Completed", "startTimestamp": time(began), "completionTimestamp": time(began + 20),
            "expiration": time(began + 720 * 3600),
        },
    })
}

/// The table as text.
pub fn text(lines: &[Line]) -> String {
    let mut text = format!(
        "{:<18} {:>8} {:>8} {:>8} {:>9} {:>9} {:>10}\n",
        "around the app", "wall", "own CPU", "peak MiB", "tools", "requests", "API bytes"
    );
    for Line {
        around,
        row,
        requests,
        api_bytes,
    } in lines
    {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{around:<18} {:>8.1} {:>8.1} {:>8.1} {:>9} {requests:>9.1} {api_bytes:>10.0}",
            row.wall_ms.median, row.own_cpu_ms, row.peak_mib, row.hook_tools
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_backup_is_older_than_the_one_before() {
        let (one, other) = (backup(0), backup(2999));
        assert_ne!(one["metadata"]["uid"], other["metadata"]["uid"]);
        assert!(one["status"]["startTimestamp"].as_str() > other["status"]["startTimestamp"].as_str());
    }
}
