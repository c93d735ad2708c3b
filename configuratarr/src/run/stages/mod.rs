//! Runs of more than one action: an app that is deployed again, and a refresh that is taken back when the app does not become healthy.
//!
//! Each step is written down before it is taken, with what those before it have found. A step that is taken again looks first whether it was
//! taken already: nothing is deployed, refreshed or asked of a charm twice.

mod action;
mod health;
mod redeploy;
mod refresh;

use std::collections::BTreeMap;
use std::future::Future;

use config_recovery::overview::Progress as Bytes;
use config_recovery::shown::shown;
use jiff::{SignedDuration, Timestamp};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::answers::Answers;
use super::bytes::tell_bytes;
use super::follow::{Ended, Follow};
use super::life::Life;
use super::{Journal, Progress, Show};
use crate::juju::{JujuError, Status};
use crate::plan::{Item, Stages};
use crate::problem::{Kind, Problem, Result};

/// So many looks in a row have to see the same before it counts.
const IN_A_ROW: u32 = 3;

/// A step, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Redeploy: Juju deploys it.
    Deploy,
    /// Redeploy: the charm restores the backup before the app runs.
    Restore,
    /// Redeploy: its relations are made again, when no app of the run is being restored any more.
    Join,
    /// Refresh: a backup is made.
    Backup,
    /// Refresh: that backup is verified.
    Verify,
    /// Refresh: Juju refreshes the charm.
    Refresh,
    /// Refresh: the app has to become active.
    Health,
    /// Refresh: it did not, and the charm is taken back.
    RollBack,
    /// Refresh: the unit has the previous charm again.
    Settle,
    /// Refresh: the content is restored from the backup.
    RestoreData,
    /// Refresh: the app has to become active again.
    HealthAgain,
}

impl Step {
    /// What is done in it, for people.
    pub const fn says(self) -> &'static str {
        match self {
            Self::Deploy => "deploying it",
            Self::Restore => "deployed; its charm restores the backup",
            Self::Join => "restored; making its relations again",
            Self::Backup => "backing it up",
            Self::Verify => "verifying that backup",
            Self::Refresh => "refreshing it",
            Self::Health => "refreshed; waiting until it is active",
            Self::RollBack => "not active after the refresh; rolling back the charm",
            Self::Settle => "waiting for the unit to have the previous charm",
            Self::RestoreData => "restoring the content of before the refresh",
            Self::HealthAgain => "waiting until it is active again",
        }
    }
}

/// What the steps have found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Seen {
    /// The step's action is about to be started, or was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_asked: bool,
    /// The highest number of an operation of this action before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// The task of the step's action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    /// Since when each unit was as it was, before the charm was changed.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub since: BTreeMap<String, String>,
    /// When the backup of before a refresh was made, by Juju's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backed_up: Option<String>,
    /// So many seconds this machine's clock was ahead of Juju's when that was asked for, where they differ by more than a command takes; negative
    /// where it was behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ahead: Option<i64>,
    /// The charm's revision before it was changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Until when the app may take to become active.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// What is told in the end.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub results: BTreeMap<String, String>,
}

impl Seen {
    /// For the next step: what belongs to this one alone is forgotten.
    fn for_next(&self) -> Self {
        Self {
            is_asked: false,
            after: None,
            task: None,
            until: None,
            ..self.clone()
        }
    }

    fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.results.insert(key.to_owned(), value.into());
        self
    }
}

/// What one look at a step came to.
enum Taken {
    /// It is not at its end.
    Stay,
    /// It is not at its end, and this has to be written down.
    Noted(Seen),
    /// The next one.
    Next(Step, Seen),
    /// The item is at its end.
    End(Progress),
    /// Nobody can go on now; `configuratarr resume` may later.
    Lost(Problem),
    /// The unit that has to go on gives no sign of life.
    Stuck(Problem),
}

/// What this process remembers of an item, and another one finds out anew.
struct Memory {
    /// Whether the step was begun by an earlier process.
    is_resumed: bool,
    /// So many looks in a row saw the same end.
    looks: u32,
    /// Which one that was.
    saw: &'static str,
    /// Since when this process waits in this step.
    since: Instant,
    /// Lines of the task's log that were told.
    lines: usize,
    /// What was told last.
    told: String,
    /// So many looks in a row came too late, and saw no end.
    late: u32,
    /// It waits for other apps of the run.
    waits_for_others: bool,
    /// Why it is not gone on with.
    lost: Option<Problem>,
    /// Whether that is because its unit gives no sign of life.
    is_stuck: bool,
    /// When the step's action gave the last sign of life.
    life: Life,
    /// What Velero moved of it.
    bytes: Option<Bytes>,
    /// When the step's action began, in Juju's words: of its end a task does not tell.
    began: String,
    /// When this process asked for the step's action, by this machine's clock.
    asked: Option<Timestamp>,
    /// So much this machine's clock is ahead of Juju's, by that action.
    ahead: Option<SignedDuration>,
}

impl Memory {
    fn new(is_resumed: bool) -> Self {
        Self {
            is_resumed,
            looks: 0,
            saw: "",
            since: Instant::now(),
            lines: 0,
            told: String::new(),
            late: 0,
            waits_for_others: false,
            lost: None,
            is_stuck: false,
            life: Life::new(),
            bytes: None,
            began: String::new(),
            asked: None,
            ahead: None,
        }
    }

    /// Whether this was seen so often in a row that it counts.
    fn has_seen(&mut self, what: &'static str, times: u32) -> bool {
        if self.saw != what {
            (self.saw, self.looks) = (what, 0);
        }
        self.looks += 1;
        self.looks >= times
    }

    fn sees_nothing(&mut self) {
        self.looks = 0;
    }
}

/// An item at a step.
struct At<'a> {
    number: usize,
    item: &'a Item,
    /// When the run was planned.
    made: &'a str,
    /// The model's namespace.
    model: &'a str,
    seen: Seen,
    how: &'a Follow<'a>,
    memory: &'a mut Memory,
    show: &'a mut dyn Show,
}

impl At<'_> {
    /// Tells it, unless it was told last.
    fn say(&mut self, text: &str) {
        if self.memory.told != text {
            text.clone_into(&mut self.memory.told);
            self.show.said(self.number, text);
        }
    }

    /// What shows why the app is as it is.
    fn tells_why(&self) -> String {
        let (juju, app) = (self.how.juju, self.item.app.as_str());
        format!(
            "{}, {} tell why",
            juju.typed(&["status", app]),
            juju.typed(&["debug-log", "--include", app])
        )
    }

    fn failed(&self, why: impl Into<String>, seen: Seen) -> Taken {
        Taken::End(Progress::Failed {
            task: seen.task,
            why: why.into(),
            results: seen.results,
        })
    }
}

/// Carries such a run out from where it is.
///
/// # Errors
/// When it cannot be written down.
pub async fn carry_out(
    journal: &mut Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
    interrupted: impl Future<Output = ()>,
) -> Result<Ended> {
    tokio::pin!(interrupted);
    let mut memories: Vec<Memory> = journal
        .run()
        .progress
        .iter()
        .map(|progress| Memory::new(!matches!(progress, Progress::Planned)))
        .collect();
    let mut answers = Answers::new();
    loop {
        let round = tokio::select! {
            biased;
            () = &mut interrupted => return Ok(Ended::Interrupted),
            round = round(journal, how, show, &mut memories) => round?,
        };
        if let Err(problem) = answers.heard(round, how.patience, show) {
            return Ok(Ended::Lost(problem));
        }
        if journal.run().is_over() {
            return Ok(Ended::Over);
        }
        // What waits for one that is lost would wait for ever.
        let waits = journal.run().progress.iter().zip(&memories);
        let mut waits = waits.filter(|(progress, _)| !progress.is_over());
        if waits.all(|(_, memory)| memory.lost.is_some() || memory.waits_for_others)
            && let Some((problem, is_stuck)) = memories
                .iter_mut()
                .find_map(|memory| Some((memory.lost.take()?, memory.is_stuck)))
        {
            return Ok(match is_stuck {
                true => Ended::Stuck(problem),
                false => Ended::Lost(problem),
            });
        }
        let rest = async {
            for (item, bytes) in tell_bytes(journal, how, show).await {
                if let Some(memory) = memories.get_mut(item) {
                    memory.bytes = Some(bytes);
                }
            }
            tokio::time::sleep(how.tick).await;
        };
        tokio::select! {
            () = &mut interrupted => return Ok(Ended::Interrupted),
            () = rest => {}
        }
    }
}

/// Looks at each item once. Returns what Juju could not answer.
async fn round(
    journal: &mut Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
    memories: &mut [Memory],
) -> Result<Option<JujuError>> {
    let status = match how.juju.status().await {
        Ok(status) => status,
        Err(error) => return Ok(Some(error)),
    };
    let mut unanswered = None;
    for (number, memory) in memories.iter_mut().enumerate() {
        if memory.lost.is_some() {
            continue;
        }
        if let Some(error) = one(journal, number, &status, how, show, memory).await? {
            unanswered = Some(error);
        }
    }
    Ok(unanswered)
}

/// Takes an item on as far as it goes without waiting.
async fn one(
    journal: &mut Journal,
    number: usize,
    status: &Status,
    how: &Follow<'_>,
    show: &mut dyn Show,
    memory: &mut Memory,
) -> Result<Option<JujuError>> {
    let Some(item) = journal.run().plan.items.get(number).cloned() else {
        return Ok(None);
    };
    let Some(stages) = item.stages.as_deref() else {
        let text = format!(
            "run {} does not say which steps {} takes",
            journal.run().id,
            item.app
        );
        return Err(Problem::bare(Kind::Failed, text));
    };
    let (step, seen) = match journal.run().progress.get(number) {
        Some(Progress::Planned) => {
            let first = match stages {
                Stages::Redeploy(_) => Step::Deploy,
                Stages::Refresh(_) => Step::Backup,
            };
            begin(journal, number, first, &Seen::default(), show)?;
            (first, Seen::default())
        }
        Some(Progress::Working { step, seen }) => (*step, (**seen).clone()),
        _ => return Ok(None),
    };
    let others_wait = others_are_before_join(journal, number);
    memory.waits_for_others = step == Step::Join && others_wait;
    let plan = &journal.run().plan;
    let (made, model) = (plan.made.clone(), plan.model.clone());
    let mut at = At {
        number,
        item: &item,
        made: &made,
        model: &model,
        seen,
        how,
        memory,
        show,
    };
    let taken = match stages {
        Stages::Redeploy(plan) => at.redeploy(plan, step, status, others_wait).await,
        Stages::Refresh(plan) => at.refresh(plan, step, status).await,
    };
    let taken = match taken {
        Ok(taken) => taken,
        Err(error) => return Ok(Some(error)),
    };
    match taken {
        Taken::Stay => {}
        Taken::Noted(seen) => journal.advance(number, working(step, &seen))?,
        Taken::Next(next, seen) => {
            *memory = Memory::new(false);
            begin(journal, number, next, &seen, show)?;
        }
        Taken::End(end) => {
            let is_well = matches!(end, Progress::Finished { .. });
            show.ended(number, is_well, &told(&end));
            journal.advance(number, end)?;
        }
        Taken::Lost(problem) => {
            show.said(number, &problem.text);
            memory.lost = Some(problem);
        }
        Taken::Stuck(problem) => {
            show.said(number, &problem.text);
            (memory.lost, memory.is_stuck) = (Some(problem), true);
        }
    }
    Ok(None)
}

/// Writes down that a step is about to be taken.
fn begin(journal: &mut Journal, number: usize, step: Step, seen: &Seen, show: &mut dyn Show) -> Result<()> {
    journal.advance(number, working(step, seen))?;
    show.said(number, step.says());
    Ok(())
}

fn working(step: Step, seen: &Seen) -> Progress {
    Progress::Working {
        step,
        seen: Box::new(seen.clone()),
    }
}

/// velero-operator restarts Velero when a relation comes, and that would cut off what is being restored.
fn others_are_before_join(journal: &Journal, number: usize) -> bool {
    let mut others = journal.run().progress.iter().enumerate();
    others.any(|(other, progress)| {
        let is_before = match progress {
            Progress::Planned => true,
            Progress::Working { step, .. } => *step < Step::Join,
            _ => false,
        };
        other != number && is_before
    })
}

/// How an item ended, in one line.
pub(super) fn told(end: &Progress) -> String {
    match end {
        Progress::Finished { results } => {
            let word = |key: &str| results.get(key).cloned();
            match (word("result"), word("restored")) {
                (Some(result), Some(what)) => format!("{result}: {what}"),
                (Some(result), None) => result,
                _ => String::new(),
            }
        }
        Progress::Failed { why, results, .. } => format!("{}: {why}", verdict(results)),
        _ => String::new(),
    }
}

/// In one word, how something ended that did not end as it was meant.
pub fn verdict(results: &BTreeMap<String, String>) -> &'static str {
    match results.get("result").map(String::as_str) {
        Some(ROLLED_BACK) => "ROLLED BACK",
        Some(NOT_WELL) => "ROLLED BACK, BUT NOT WELL",
        Some(NOT_ROLLED_BACK) => "NOT WELL, AND NOT ROLLED BACK",
        _ => "FAILED",
    }
}

/// Charm and content are those of before the refresh, and the app is active.
const ROLLED_BACK: &str = "rolled-back";
/// The way back was taken, and not to its end.
const NOT_WELL: &str = "rolled-back-not-well";
/// The refresh was not taken back.
const NOT_ROLLED_BACK: &str = "not-rolled-back";

/// What a status says, safe to show.
fn says(status: &crate::juju::ApplicationStatus) -> String {
    match status.message.is_empty() {
        true => shown(&status.current),
        false => format!("{}: {}", shown(&status.current), shown(&status.message)),
    }
}
