//! What `configuratarr spec` prints.

use config_recovery::preview::{Preview, VolumePreview};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;

use super::CheckState;
use crate::printer::{Cell, Page, Tone};
use crate::spec::{Advice, Read, Severity, how, of_wire};

/// Specs of backups, and what they would store.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecsReport {
    /// `configuratarr/spec/v1`.
    #[schemars(extend("const" = "configuratarr/spec/v1"))]
    pub schema: &'static str,
    /// When it was looked at.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// Why the cluster could not be asked; then nothing is known of what would be stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_problem: Option<String>,
    /// The specs: one of a file, or one for each endpoint of the app.
    pub specs: Vec<SpecReport>,
}

/// A spec.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecReport {
    /// What was read: `databag`, `spec` or `schedule`.
    #[schemars(extend("enum" = ["databag", "spec", "schedule"]))]
    pub form: &'static str,
    /// Whose it is, where that is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// The endpoint, where it is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The spec as the relation has it; absent where it is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spec: Option<Value>,
    /// What is wrong with it, the worst first.
    pub findings: Vec<SpecFinding>,
    /// What becomes of each volume that it reaches; absent where the cluster could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volumes: Option<Vec<StoredReport>>,
}

/// Something about a spec.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpecFinding {
    /// `WARN` or `FAIL`.
    pub state: CheckState,
    /// Where in the text: a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// What.
    pub text: String,
    /// What would be right.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// What becomes of a volume.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StoredReport {
    /// Its namespace.
    pub namespace: String,
    /// The pod that mounts it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<String>,
    /// Its name in the pod.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub volume: Option<String>,
    /// Its claim.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
    /// Whether its bytes are stored.
    pub stored: bool,
    /// `files`, `snapshot`, or why its bytes are not stored.
    pub how: &'static str,
}

impl From<&VolumePreview> for StoredReport {
    fn from(volume: &VolumePreview) -> Self {
        let (pod, inside) = volume.pod.clone().unzip();
        Self {
            namespace: volume.namespace.clone(),
            pod,
            volume: inside,
            claim: volume.claim.clone(),
            stored: volume.stored.is_something(),
            how: how(&volume.stored),
        }
    }
}

impl From<&Advice> for SpecFinding {
    fn from(advice: &Advice) -> Self {
        Self {
            state: match advice.severity {
                Severity::Warning => CheckState::Warn,
                Severity::Failure => CheckState::Fail,
            },
            // What is wrong with all of it is nowhere in it.
            pointer: advice.pointer.clone().filter(|pointer| !pointer.is_empty()),
            text: advice.text.clone(),
            next: advice.next.clone(),
        }
    }
}

impl SpecReport {
    /// A spec as it was read, with what more is known of it.
    pub fn new(read: &Read, advice: &[Advice], found: Option<&Preview>) -> Self {
        Self {
            form: read.form.word(),
            app: read.app.clone(),
            endpoint: read.endpoint.clone(),
            spec: read.spec.as_ref().map(of_wire),
            findings: read.advice.iter().chain(advice).map(Into::into).collect(),
            volumes: found.map(|found| found.volumes.iter().map(Into::into).collect()),
        }
    }

    fn page(&self, mut page: Page) -> Page {
        let mut title = self.form.to_uppercase();
        for part in self.app.iter().chain(&self.endpoint) {
            title.push(' ');
            title.push_str(part);
        }
        page = page.line(Cell::new(title, Tone::Faint));
        let fields = self.spec.as_ref().and_then(Value::as_object);
        for (field, value) in fields.into_iter().flatten().filter(|(_, value)| !value.is_null()) {
            page = page.line(format!("{field:30}  {}", in_words(value)));
        }
        if let Some(volumes) = self.volumes.as_ref().filter(|volumes| !volumes.is_empty()) {
            let header = ["WOULD STORE", "POD", "HOW"].map(Cell::from).to_vec();
            let mut rows = vec![header];
            for volume in volumes {
                let tone = if volume.stored { Tone::Good } else { Tone::Faint };
                let how = if volume.stored {
                    volume.how.to_owned()
                } else {
                    format!("no: {}", volume.how)
                };
                let name = volume
                    .claim
                    .as_ref()
                    .or(volume.volume.as_ref())
                    .map_or("-", String::as_str);
                rows.push(vec![
                    name.into(),
                    volume.pod.as_deref().unwrap_or("-").into(),
                    Cell::new(how, tone),
                ]);
            }
            page = page.line("").rows(rows);
        }
        for finding in &self.findings {
            let at = finding
                .pointer
                .as_ref()
                .map(|pointer| format!("{pointer}: "))
                .unwrap_or_default();
            let tone = if finding.state == CheckState::Fail {
                Tone::Bad
            } else {
                Tone::Warning
            };
            page = page.line(Cell::new(
                format!("{}: {at}{}", finding.state.word(), finding.text),
                tone,
            ));
            if let Some(next) = &finding.next {
                page = page.line(Cell::command(format!("  fix: {next}"), Tone::Plain));
            }
        }
        page
    }
}

/// A field of a spec in one line.
fn in_words(value: &Value) -> String {
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match value {
        Value::Array(items) => items.iter().map(one).collect::<Vec<_>>().join(", "),
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| format!("{key}={}", one(value));
            entries.iter().map(entry).collect::<Vec<_>>().join(", ")
        }
        other => one(other),
    }
}

impl SpecsReport {
    /// Whether nothing is refused, and each stores what it should as far as is known.
    pub fn is_well(&self) -> bool {
        let mut findings = self.specs.iter().flat_map(|spec| &spec.findings);
        findings.all(|finding| finding.state != CheckState::Fail)
    }

    /// For people.
    pub fn page(&self) -> Page {
        let mut page = Page::default();
        for (number, spec) in self.specs.iter().enumerate() {
            if number > 0 {
                page = page.line("");
            }
            page = spec.page(page);
        }
        page
    }
}
