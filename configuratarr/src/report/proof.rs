//! What was proven of a backup, as the documents have it.

use config_recovery::backups::{Outcome, Proof};
use config_recovery::words::age;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::printer::{Cell, Tone};

/// What was found when a backup was last restored and compared.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProofReport {
    /// When.
    #[schemars(extend("format" = "date-time"))]
    pub time: String,
    /// What came of it: `comes back` or `DAMAGED`.
    #[schemars(extend("enum" = [Outcome::COMES_BACK, Outcome::DAMAGED]))]
    pub outcome: &'static str,
    /// What it holds in the app's own terms, or what is wrong with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub says: Option<String>,
}

impl From<&Proof> for ProofReport {
    fn from(proof: &Proof) -> Self {
        Self {
            time: proof.at.to_string(),
            outcome: proof.outcome.word(),
            says: proof.outcome.says().map(str::to_owned),
        }
    }
}

impl ProofReport {
    /// In a column: how long ago it came back, or that it did not.
    pub fn cell(&self, now: Timestamp) -> Cell {
        match self.time.parse::<Timestamp>() {
            Ok(at) if self.comes_back() => Cell::new(age(at, now), self.tone()),
            _ => Cell::new(self.outcome, self.tone()),
        }
    }

    /// In one line: what came of it and when, and what is in it or wrong with it.
    pub fn line(&self, now: Timestamp) -> (String, Tone) {
        let when = self.time.parse::<Timestamp>();
        let ago = when.map_or_else(|_| String::new(), |at| format!(", verified {} ago", age(at, now)));
        let says = self.says.as_deref().map(|says| format!(": {says}"));
        let text = format!("{}{ago}{}", self.outcome, says.unwrap_or_default());
        (text, if self.comes_back() { Tone::Plain } else { Tone::Bad })
    }

    fn comes_back(&self) -> bool {
        self.outcome == Outcome::COMES_BACK
    }

    fn tone(&self) -> Tone {
        if self.comes_back() { Tone::Good } else { Tone::Bad }
    }
}
