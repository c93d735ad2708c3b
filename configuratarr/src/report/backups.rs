//! What `configuratarr backups` prints.

use config_recovery::backups::{BackupContents, BackupSummary, Verdict};
use config_recovery::words::{age, size, time};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::proof::ProofReport;
use crate::printer::{Cell, Page, Tone};

/// Backups, newest first.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupsReport {
    /// `configuratarr/backups/v1`.
    #[schemars(extend("const" = "configuratarr/backups/v1"))]
    pub schema: &'static str,
    /// When it was looked at.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// The backups.
    pub backups: Vec<BackupReport>,
}

/// One backup.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupReport {
    /// Whose it is.
    pub app: String,
    /// The model that the app was in.
    pub model: String,
    /// Its uid: what a restore names.
    pub uid: String,
    /// Its name. Names are used again.
    pub name: String,
    /// What to think of it: `good`, `DAMAGED`, `running`, `EMPTY`, `PARTIAL`, `FAILED`, `expired`.
    #[schemars(extend("enum" = ["good", "DAMAGED", "running", "EMPTY", "PARTIAL", "FAILED", "expired"]))]
    pub verdict: String,
    /// Where it stands, in Velero's word.
    pub phase: String,
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub started: Option<String>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub completed: Option<String>,
    /// When Velero deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
    /// How it holds the volume: `files`, `snapshot` or `nothing`.
    #[schemars(extend("enum" = ["files", "snapshot", "nothing"]))]
    pub holds: &'static str,
    /// Bytes of the config volume; a snapshot does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// The Schedule that made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schedule: Option<String>,
    /// For a safety backup: uid of the backup whose restore it was made before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before_restore: Option<String>,
    /// What was found when it was last restored and compared, in this cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<ProofReport>,
    /// What Velero says against it.
    pub complaints: Vec<String>,
    /// The namespace of the Velero that has it.
    pub velero_namespace: String,
    /// The storage location that it is in.
    pub storage_location: String,
}

impl BackupReport {
    /// A backup as a report.
    pub fn of(backup: &BackupSummary, now: Timestamp) -> Self {
        let text = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            app: backup.whose.app.clone(),
            model: backup.whose.model.clone(),
            uid: backup.uid.clone(),
            name: backup.name.clone(),
            verdict: backup.verdict(now).to_string(),
            phase: backup.phase_word(),
            started: text(backup.started),
            completed: text(backup.completed),
            expires: text(backup.expires),
            holds: match backup.holds {
                BackupContents::Files(_) => "files",
                BackupContents::Snapshot { .. } => "snapshot",
                BackupContents::Nothing => "nothing",
            },
            bytes: backup.holds.bytes(),
            schedule: backup.schedule.clone(),
            before_restore: backup.before_restore.clone(),
            proof: backup.proof.as_ref().map(ProofReport::from),
            complaints: backup.complaints.clone(),
            velero_namespace: backup.velero_namespace.clone(),
            storage_location: backup.storage_location.clone(),
        }
    }
}

/// How a verdict is meant.
pub const fn tone(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Good => Tone::Good,
        Verdict::Running => Tone::Plain,
        Verdict::Expired => Tone::Faint,
        Verdict::Partial => Tone::Warning,
        Verdict::Empty | Verdict::Failed | Verdict::Damaged => Tone::Bad,
    }
}

/// The same for people.
pub fn page(backups: &[BackupSummary], several_models: bool, now: Timestamp) -> Page {
    let mut header: Vec<Cell> = vec!["APP".into()];
    if several_models {
        header.push("MODEL".into());
    }
    header.extend(
        [
            "STARTED (UTC)",
            "AGE",
            "VERDICT",
            "VERIFIED",
            "SIZE",
            "PURPOSE",
            "EXPIRES",
            "UID",
        ]
        .map(Cell::from),
    );
    let mut rows = vec![header];
    // What a row has no room for.
    let mut remarks = Vec::new();
    for backup in backups {
        let verdict = backup.verdict(now);
        let proof = backup.proof.as_ref().map(ProofReport::from);
        let dash = || "-".to_owned();
        let mut row: Vec<Cell> = vec![backup.whose.app.as_str().into()];
        if several_models {
            row.push(backup.whose.model.as_str().into());
        }
        row.extend([
            Cell::from(
                backup
                    .started
                    .map_or_else(dash, |started| time(started).trim_end_matches(" UTC").to_owned()),
            ),
            backup
                .started
                .map_or_else(dash, |started| age(started, now))
                .into(),
            Cell::new(verdict.to_string(), tone(verdict)),
            proof.as_ref().map_or_else(|| "-".into(), |proof| proof.cell(now)),
            match verdict {
                // What it will hold is known at its end.
                Verdict::Running => dash(),
                _ => backup.holds.bytes().map_or_else(|| "snapshot".to_owned(), size),
            }
            .into(),
            match (&backup.before_restore, &backup.schedule) {
                (Some(_), _) => "safety",
                (None, Some(_)) => "scheduled",
                (None, None) => "by hand",
            }
            .into(),
            match backup.expires {
                Some(expires) if expires > now => format!("in {}", age(now, expires)),
                _ => dash(),
            }
            .into(),
            backup.uid.as_str().into(),
        ]);
        rows.push(row);
        if let Some(proof) = proof.filter(|proof| proof.says.is_some()) {
            let (line, tone) = proof.line(now);
            remarks.push(Cell::new(format!("{}: {line}", backup.uid), tone));
        }
        if matches!(verdict, Verdict::Empty | Verdict::Partial | Verdict::Failed) {
            let why = match backup.complaints.as_slice() {
                [] if verdict == Verdict::Empty => {
                    "Velero completed it, and it holds no byte of the config volume".to_owned()
                }
                [] => "Velero gives no reason".to_owned(),
                all => all.join("; "),
            };
            remarks.push(Cell::new(
                format!("{verdict} {}: {why}", backup.uid),
                tone(verdict),
            ));
            remarks.push(Cell::from(format!(
                "  next: kubectl -n {} describe backups.velero.io {}",
                backup.velero_namespace, backup.name
            )));
        }
    }
    remarks
        .into_iter()
        .fold(Page::default().rows(rows), |page, remark| page.line(remark))
}
