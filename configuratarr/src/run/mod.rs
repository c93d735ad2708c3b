//! A plan that is carried out: by the charms, in Juju's tasks, which go on whatever becomes of this program.
//!
//! What is written down before each step (`journal`) is enough to go on: a run that was killed is run again by `configuratarr resume`, finds
//! its tasks, and starts none twice. [`follow`] is the one loop; `show` shows what it sees.

mod answers;
mod bytes;
mod follow;
mod import;
mod journal;
mod life;
mod origin;
mod resume;
mod show;
mod stages;

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use follow::{Ended, Follow, follow};
pub use import::{Found, ImportStep, import};
pub use journal::{Journal, Store};
pub use origin::Origin;
pub use resume::Resume;
pub use show::{Bars, Lines, Show};
pub use stages::{Seen, Step, carry_out, verdict};

use crate::plan::{Job, Plan};

/// A plan with how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Run {
    /// `configuratarr/run/v1`.
    pub schema: String,
    /// Its name: what `configuratarr resume` takes.
    pub id: String,
    /// What is done.
    pub plan: Plan,
    /// How far each item of the plan is, in its order.
    pub progress: Vec<Progress>,
    /// Where it was begun. What an earlier release wrote down does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
}

/// The form of [`Run`]: another one is refused.
pub const SCHEMA: &str = "configuratarr/run/v1";

/// How far an item is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Progress {
    /// Nothing was done.
    Planned,
    /// It is about to be started. Whether it was, only Juju knows: an operation of a higher number than these, with the same
    /// parameters, is it.
    Starting {
        /// The highest number of an operation of this action before, if there was one. Juju's first one is 0.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        after: Option<u64>,
    },
    /// Juju has it.
    Started {
        /// The task's number.
        task: String,
    },
    /// It ended well: the charm said so.
    Done {
        /// The task's number.
        task: String,
        /// What the charm tells of it.
        results: BTreeMap<String, String>,
    },
    /// A restored volume is imported: this step is about to be taken, or is being taken.
    Importing {
        /// The step.
        step: ImportStep,
        /// What those before it found.
        found: Found,
    },
    /// It ended well: the app runs on the volume that was imported.
    Imported {
        /// Which volume that is, and where the one is that it had.
        results: BTreeMap<String, String>,
    },
    /// An app is deployed again or refreshed: this step is about to be taken, or is being taken.
    Working {
        /// The step.
        step: Step,
        /// What those before it have found.
        seen: Box<Seen>,
    },
    /// An app was deployed again or refreshed, and all is well.
    Finished {
        /// What there is to tell.
        results: BTreeMap<String, String>,
    },
    /// It ended badly, or could not be started.
    Failed {
        /// The task's number, if there was one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        task: Option<String>,
        /// Why.
        why: String,
        /// What the charm tells of it: a safety backup, for example.
        #[serde(default)]
        results: BTreeMap<String, String>,
    },
}

impl Progress {
    /// Whether it is at its end.
    pub const fn is_over(&self) -> bool {
        matches!(
            self,
            Self::Done { .. } | Self::Imported { .. } | Self::Finished { .. } | Self::Failed { .. }
        )
    }

    /// Whether this may be followed by `next`: the table of all that may.
    pub fn may_become(&self, next: &Self) -> bool {
        if let (Self::Working { step, .. }, Self::Working { step: next, .. }) = (self, next) {
            return step <= next;
        }
        if let (Self::Importing { step, .. }, Self::Importing { step: next, .. }) = (self, next) {
            return step <= next;
        }
        matches!(
            (self, next),
            (
                Self::Planned,
                Self::Starting { .. } | Self::Working { .. } | Self::Importing { .. } | Self::Failed { .. }
            )
                | (Self::Working { .. }, Self::Finished { .. } | Self::Failed { .. })
                | (Self::Importing { .. }, Self::Imported { .. } | Self::Failed { .. })
                // Juju has none of that number, so it is tried again.
                | (Self::Starting { .. }, Self::Starting { .. } | Self::Started { .. } | Self::Failed { .. })
                | (Self::Started { .. }, Self::Done { .. } | Self::Failed { .. })
        )
    }
}

impl Run {
    /// A run of this plan of which nothing was done yet. Its name is a time and what it does.
    pub fn new(plan: Plan, now: Timestamp) -> Self {
        let id = format!("{}-{}", now.strftime("%Y%m%d-%H%M%S"), plan.job.word());
        Self {
            schema: SCHEMA.to_owned(),
            id,
            progress: vec![Progress::Planned; plan.items.len()],
            plan,
            origin: None,
        }
    }

    /// Whether each item is at its end.
    pub fn is_over(&self) -> bool {
        self.progress.iter().all(Progress::is_over)
    }

    /// Whether somebody has to go on with it. A preview changes nothing.
    pub fn is_open(&self) -> bool {
        !self.is_over() && self.plan.job != Job::Preview
    }

    /// Whether each item ended well.
    pub fn is_done(&self) -> bool {
        let is_done = |progress: &Progress| {
            matches!(
                progress,
                Progress::Done { .. } | Progress::Imported { .. } | Progress::Finished { .. }
            )
        };
        self.progress.iter().all(is_done)
    }

    /// Whether it is done with each app of the model that was meant.
    pub fn is_whole(&self) -> bool {
        self.is_done() && !self.plan.left_out.iter().any(|app| app.is_deployed)
    }
}

/// What a task that ended tells, in text: Juju makes numbers of what looks like some.
pub fn texts(results: &BTreeMap<String, serde_json::Value>) -> BTreeMap<String, String> {
    let text = |value: &serde_json::Value| match value {
        serde_json::Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    results
        .iter()
        .filter(|(key, _)| *key != "return-code")
        .map(|(key, value)| (key.clone(), text(value)))
        .collect()
}

/// Whether the charm's results say that it did what was asked: a completed task alone says only that nothing failed.
pub fn says_done(job: Job, results: &BTreeMap<String, String>) -> bool {
    let result = results.get("result").map(String::as_str);
    match job {
        Job::Restore | Job::Redeploy => result == Some("restored"),
        Job::Refresh => result == Some("refreshed"),
        Job::Preview => result == Some("checked"),
        // No charm does it.
        Job::Import => false,
        Job::Backup | Job::Verify => results.contains_key("backup-uid"),
    }
}

#[cfg(test)]
mod tests;
