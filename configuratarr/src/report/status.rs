//! What `configuratarr status` prints.

use config_recovery::locations::Location;
use config_recovery::words::{age, part, size, time};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use super::proof::ProofReport;
use crate::fleet::{App, Severity};
use crate::printer::{Cell, Page, Tone};

/// All apps of a model.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StatusReport {
    /// `configuratarr/status/v1`.
    #[schemars(extend("const" = "configuratarr/status/v1"))]
    pub schema: &'static str,
    /// When it was looked at.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// The model.
    pub model: String,
    /// Why Juju could not be asked; then apps are known by their backups alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub juju_problem: Option<String>,
    /// Why the cluster could not be asked; then nothing is known of backups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_problem: Option<String>,
    /// Where backups are stored.
    pub locations: Vec<LocationReport>,
    /// The apps, by name.
    pub apps: Vec<AppReport>,
}

/// Where backups are stored.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationReport {
    /// Velero's namespace.
    pub velero_namespace: String,
    /// Its name.
    pub name: String,
    /// Whether Velero can use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<bool>,
    /// What Velero says against it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// How an app stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum AppState {
    /// There is a good backup and the next one comes.
    #[serde(rename = "ok")]
    Ok,
    /// It may get bad.
    #[serde(rename = "WARN")]
    Warn,
    /// A restore would not bring what one expects.
    #[serde(rename = "FAIL")]
    Fail,
    /// The cluster could not be asked.
    #[serde(rename = "unknown")]
    Unknown,
}

impl AppState {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::Unknown => "unknown",
        }
    }

    /// How it is meant.
    pub const fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn | Self::Unknown => Tone::Warning,
            Self::Fail => Tone::Bad,
        }
    }
}

/// One app.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppReport {
    /// Its name.
    pub app: String,
    /// How it stands.
    pub state: AppState,
    /// Whether backups are made: `yes`, `no`, `by hand`, `paused`, `refused`, `gone`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["yes", "no", "by hand", "paused", "refused", "gone"]))]
    pub protected: Option<&'static str>,
    /// The word of `juju status`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub juju_status: Option<String>,
    /// What `juju status` says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub juju_message: Option<String>,
    /// The app's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The last good backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_good: Option<LastGoodReport>,
    /// What was found when one of its backups was last restored and compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_verified: Option<LastVerifiedReport>,
    /// How many backups there are.
    pub backups: usize,
    /// When the next one is due.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub next_run: Option<String>,
    /// What is under way.
    pub in_flight: Vec<InFlightReport>,
    /// What somebody should look at, the worst first.
    pub attention: Vec<AttentionReport>,
}

/// The last good backup.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastGoodReport {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub time: Option<String>,
    /// How long ago that was, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub age_seconds: Option<i64>,
    /// Bytes of the config volume; a snapshot does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// When Velero deletes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "date-time"))]
    pub expires: Option<String>,
}

/// The last backup that was restored and compared.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastVerifiedReport {
    /// Its uid.
    pub uid: String,
    /// Its name.
    pub name: String,
    /// What was found.
    #[serde(flatten)]
    pub proof: ProofReport,
}

/// Something that is under way.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InFlightReport {
    /// `backup`, `restore` or `verify`.
    #[schemars(extend("enum" = ["backup", "restore", "verify"]))]
    pub what: &'static str,
    /// Bytes so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Bytes in all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total: Option<u64>,
}

/// Something that somebody should look at.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttentionReport {
    /// `WARN` or `FAIL`.
    pub severity: AppState,
    /// What.
    pub text: String,
    /// What to do.
    pub next: String,
}

impl StatusReport {
    /// Whether each app is well, backups can be stored, and all could be asked.
    pub fn is_well(&self) -> bool {
        let is_fine = |app: &AppReport| matches!(app.state, AppState::Ok | AppState::Warn);
        let can_store = |location: &LocationReport| location.available != Some(false);
        let could_ask = self.cluster_problem.is_none() && self.juju_problem.is_none();
        could_ask && self.apps.iter().all(is_fine) && self.locations.iter().all(can_store)
    }

    /// For people: one screen, as wide as a terminal usually is. Who could not be asked is said beside it.
    pub fn page(&self, now: Timestamp) -> Page {
        let mut page = Page::default();
        for location in self
            .locations
            .iter()
            .filter(|location| location.available == Some(false))
        {
            let why = location.message.as_deref().unwrap_or("Velero does not say why");
            let text = format!("storage location {} is unavailable: {why}", location.name);
            page = page.line(Cell::new(text, Tone::Bad)).line(next(&format!(
                "kubectl -n {} describe backupstoragelocations.velero.io {}",
                location.velero_namespace, location.name
            )));
        }
        if self.apps.is_empty() {
            let model = &self.model;
            page = page.line(format!("no app of model {model} has backups or asks for them"));
            return match (&self.juju_problem, &self.cluster_problem) {
                (None, None) => page.line(next("juju integrate APP velero-operator; another model: --model")),
                _ => page,
            };
        }
        let header = [
            "APP",
            "STATE",
            "PROTECTED",
            "LAST GOOD (UTC)",
            "AGE",
            "SIZE",
            "VERIFIED",
            "NEXT",
        ];
        let mut rows = vec![header.map(Cell::from).to_vec()];
        rows.extend(self.apps.iter().map(|app| app.row(now)));
        page = page.rows(rows);
        for app in &self.apps {
            for work in &app.in_flight {
                page = page.line(format!("{}: {}", app.app, work.text()));
            }
        }
        for app in &self.apps {
            for attention in &app.attention {
                let text = format!("{}: {}: {}", app.app, attention.severity.word(), attention.text);
                page = page
                    .line(Cell::new(text, attention.severity.tone()))
                    .line(next(&attention.next));
            }
        }
        page
    }
}

/// What to do, below what it is about.
fn next(step: &str) -> Cell {
    Cell::new(format!("  next: {step}"), Tone::Plain)
}

impl InFlightReport {
    fn text(&self) -> String {
        let what = self.what;
        match (self.bytes, self.total) {
            (Some(done), Some(total)) => format!("{what} under way: {}", part(done, total)),
            (Some(done), None) if done > 0 => format!("{what} under way: {} so far", size(done)),
            _ => format!("{what} under way"),
        }
    }
}

impl AppReport {
    /// What is known of an app, as a report.
    pub fn of(app: &App, now: Timestamp) -> Self {
        let text = |time: Timestamp| time.to_string();
        let severity = |severity| match severity {
            Severity::Warning => AppState::Warn,
            Severity::Failure => AppState::Fail,
        };
        Self {
            app: app.id.app.clone(),
            state: match (&app.protection, app.attention.first()) {
                (None, _) => AppState::Unknown,
                (Some(_), None) => AppState::Ok,
                (Some(_), Some(worst)) => severity(worst.severity),
            },
            protected: app.protection.as_ref().map(|protection| protection.word()),
            juju_status: app.juju.as_ref().map(|juju| juju.status.clone()),
            juju_message: app.juju.as_ref().map(|juju| juju.message.clone()),
            version: app.juju.as_ref().and_then(|juju| juju.version.clone()),
            last_good: app.last_good.as_ref().map(|last| LastGoodReport {
                uid: last.uid.clone(),
                name: last.name.clone(),
                time: last.time.map(text),
                age_seconds: last.time.map(|time| now.duration_since(time).as_secs()),
                bytes: last.bytes,
                expires: last.expires.map(text),
            }),
            last_verified: app.last_proof(now).map(|(backup, proof)| LastVerifiedReport {
                uid: backup.uid.clone(),
                name: backup.name.clone(),
                proof: proof.into(),
            }),
            backups: app.backups.len(),
            next_run: app.next_run.map(text),
            in_flight: app
                .in_flight
                .iter()
                .map(|work| InFlightReport {
                    what: work.what.word(),
                    bytes: work.progress.map(|progress| progress.done),
                    total: work.progress.and_then(|progress| progress.total),
                })
                .collect(),
            attention: app
                .attention
                .iter()
                .map(|attention| AttentionReport {
                    severity: severity(attention.severity),
                    text: attention.text.clone(),
                    next: attention.next.clone(),
                })
                .collect(),
        }
    }

    /// How long ago a backup came back, or that it did not.
    fn verified(&self, now: Timestamp) -> Cell {
        match &self.last_verified {
            Some(last) => last.proof.cell(now),
            None => "-".into(),
        }
    }

    fn row(&self, now: Timestamp) -> Vec<Cell> {
        let moment = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<Timestamp>().ok());
        let dash = || "-".to_owned();
        let last = self.last_good.as_ref();
        let when = last.and_then(|last| moment(&last.time));
        vec![
            self.app.as_str().into(),
            Cell::new(self.state.word(), self.state.tone()),
            self.protected.unwrap_or("?").into(),
            when.map_or_else(dash, |when| time(when).trim_end_matches(" UTC").to_owned())
                .into(),
            when.map_or_else(dash, |when| age(when, now)).into(),
            match last {
                Some(last) => last.bytes.map_or_else(|| "snapshot".to_owned(), size).into(),
                None => dash().into(),
            },
            self.verified(now),
            moment(&self.next_run)
                .map_or_else(dash, |next| format!("in {}", age(now, next)))
                .into(),
        ]
    }
}

impl From<&Location> for LocationReport {
    fn from(location: &Location) -> Self {
        Self {
            velero_namespace: location.velero_namespace.clone(),
            name: location.name.clone(),
            available: location.is_available,
            message: location.is_unusable().or_else(|| location.message.clone()),
        }
    }
}
