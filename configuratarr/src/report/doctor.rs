//! What `configuratarr doctor` prints.

use schemars::JsonSchema;
use serde::Serialize;

use crate::doctor::{Checked, State};
use crate::printer::{Cell, Page, Tone};

/// What all checks found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DoctorReport {
    /// `configuratarr/doctor/v1`.
    pub schema: &'static str,
    /// When it was looked at.
    pub time: String,
    /// The model.
    pub model: String,
    /// Why Juju could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub juju_problem: Option<String>,
    /// Why the cluster could not be asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cluster_problem: Option<String>,
    /// What was found: first what all apps share, then app by app.
    pub checks: Vec<CheckReport>,
}

/// What a check found.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckReport {
    /// Name of the check. Other versions of this program have more of them.
    pub check: &'static str,
    /// The app; absent for what all of them share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// How it is.
    pub state: CheckState,
    /// Why, or what was seen.
    pub why: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<String>,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
pub enum CheckState {
    /// As it should be.
    #[serde(rename = "ok")]
    Ok,
    /// It may get bad, or some of it does not work.
    #[serde(rename = "WARN")]
    Warn,
    /// A backup or a restore would not do what one expects.
    #[serde(rename = "FAIL")]
    Fail,
    /// It could not be looked at, so nothing is known.
    #[serde(rename = "could not check")]
    NotChecked,
}

impl CheckState {
    /// As it is printed.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "WARN",
            Self::Fail => "FAIL",
            Self::NotChecked => "could not check",
        }
    }

    const fn tone(self) -> Tone {
        match self {
            Self::Ok => Tone::Good,
            Self::Warn | Self::NotChecked => Tone::Warning,
            Self::Fail => Tone::Bad,
        }
    }
}

impl From<State> for CheckState {
    fn from(state: State) -> Self {
        match state {
            State::Ok => Self::Ok,
            State::Warn => Self::Warn,
            State::Fail => Self::Fail,
            State::NotChecked => Self::NotChecked,
        }
    }
}

impl From<Checked> for CheckReport {
    fn from(checked: Checked) -> Self {
        Self {
            check: checked.name,
            app: checked.app,
            state: checked.finding.state.into(),
            why: checked.finding.why,
            fix: checked.finding.fix,
        }
    }
}

impl DoctorReport {
    /// How many ended so.
    pub fn count(&self, state: CheckState) -> usize {
        self.checks.iter().filter(|check| check.state == state).count()
    }

    /// For people: what all apps share, then a part for each app, and what it comes to.
    pub fn page(&self) -> Page {
        let mut page = Page::default();
        let mut begin = 0;
        while let Some(first) = self.checks.get(begin) {
            let rest = self.checks.get(begin..).unwrap_or_default();
            let count = rest.iter().take_while(|check| check.app == first.app).count();
            let part = rest.get(..count).unwrap_or_default();
            let title = first.app.as_deref().unwrap_or("CLUSTER");
            let mut rows = vec![vec![Cell::from(title), "STATE".into(), "WHY".into()]];
            for check in part {
                rows.push(vec![
                    check.check.into(),
                    Cell::new(check.state.word(), check.state.tone()),
                    check.why.as_str().into(),
                ]);
                if let Some(fix) = &check.fix {
                    rows.push(vec![
                        "".into(),
                        "".into(),
                        Cell::new(format!("fix: {fix}"), Tone::Faint),
                    ]);
                }
            }
            page = page.rows(rows).line("");
            begin += count;
        }
        let (fail, warn, unknown, ok) = (
            self.count(CheckState::Fail),
            self.count(CheckState::Warn),
            self.count(CheckState::NotChecked),
            self.count(CheckState::Ok),
        );
        let tone = match (fail, warn + unknown) {
            (0, 0) => Tone::Good,
            (0, _) => Tone::Warning,
            _ => Tone::Bad,
        };
        page.line(Cell::new(
            format!("{fail} FAIL, {warn} WARN, {unknown} could not check, {ok} ok"),
            tone,
        ))
    }
}
