//! Starts what is planned, and follows it to its end.

use std::collections::BTreeMap;
use std::future::Future;
use std::time::Duration;

use config_recovery::cluster::Cluster;
use config_recovery::overview::Progress as Bytes;
use config_recovery::words::size;
use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};

use super::answers::Answers;
use super::bytes::tell_bytes;
use super::life::Life;
use super::{Journal, Progress, Resume, Show, carry_out, says_done, texts};
use crate::juju::{Juju, JujuError, Operation, Task, TaskState, said};
use crate::plan::{Item, Job};
use crate::problem::{Kind, Problem, Result};

/// By what it is followed.
pub struct Follow<'a> {
    /// The way to Juju.
    pub juju: &'a Juju,
    /// The cluster, where it can be asked: it tells bytes.
    pub cluster: Option<&'a Cluster>,
    /// How often it is looked at.
    pub tick: Duration,
    /// How long Juju may give no answer before this program stops following.
    pub patience: Duration,
    /// How long a charm's action may give no sign of life.
    pub silence: Duration,
}

/// So long Juju keeps operations that are over, where a model says nothing else, less a day (`max-action-results-age`, two weeks, in
/// `environs/config/config.go` of juju/juju).
const KEPT: SignedDuration = SignedDuration::from_hours(13 * 24);
/// So far ahead of this machine's clock a run may be: that of the machine was set back a little.
const AHEAD: SignedDuration = SignedDuration::from_hours(1);
/// So many looks in a row a task has to be missing before it counts as removed.
const MISSING: u32 = 3;

/// What is remembered of an item between two looks at its task.
#[derive(Debug, Clone)]
struct Looked {
    /// Lines of its log that were told.
    lines: usize,
    /// So many looks in a row Juju did not know it.
    missing: u32,
    /// When it gave the last sign of life.
    life: Life,
    /// What Velero moved of it.
    bytes: Option<Bytes>,
    /// Why it is not followed any more.
    stuck: Option<Problem>,
}

/// How it ended.
#[derive(Debug)]
pub enum Ended {
    /// Each item is at its end.
    Over,
    /// Somebody interrupted it. What was started goes on.
    Interrupted,
    /// Juju cannot be asked any more. What was started goes on.
    Lost(Problem),
    /// Whether what was started goes on nobody knows: the unit that has to do it gives no sign of life.
    Stuck(Problem),
    /// Nor does anybody know it here: this is not where it was started. It is gone on with by this.
    Elsewhere(Problem, Resume),
}

/// Carries a run out from where it is.
///
/// # Errors
/// When it cannot be written down.
pub async fn follow(
    journal: &mut Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
    interrupted: impl Future<Output = ()>,
) -> Result<Ended> {
    if journal.run().plan.items.iter().any(|item| item.stages.is_some()) {
        return carry_out(journal, how, show, interrupted).await;
    }
    if journal.run().plan.job == Job::Import {
        // The next step, whoever tells this, is to go on with it by that.
        return Ok(Ended::Stuck(Problem::bare(
            Kind::Unfinished,
            "a volume is imported by the command alone",
        )));
    }
    tokio::pin!(interrupted);
    for item in 0..journal.run().plan.items.len() {
        // What is cut off here is found by the next process: it is written down before it is begun.
        let begun = tokio::select! {
            biased;
            () = &mut interrupted => return Ok(Ended::Interrupted),
            begun = begin(journal, item, how, show) => begun?,
        };
        if let Some(problem) = begun {
            return Ok(Ended::Lost(problem));
        }
    }
    let new = Looked {
        lines: 0,
        missing: 0,
        life: Life::new(),
        bytes: None,
        stuck: None,
    };
    let mut seen = vec![new; journal.run().plan.items.len()];
    let mut answers = Answers::new();
    while !journal.run().is_over() {
        // A juju that hangs is not waited for by somebody who wants to leave.
        let unanswered = tokio::select! {
            biased;
            () = &mut interrupted => return Ok(Ended::Interrupted),
            looked = look(journal, how, show, &mut seen) => looked?,
        };
        if let Err(problem) = answers.heard(unanswered, how.patience, show) {
            return Ok(Ended::Lost(problem));
        }
        if journal.run().is_over() {
            break;
        }
        let open = journal.run().progress.iter().zip(&seen);
        let mut open = open.filter(|(progress, _)| !progress.is_over());
        if open.all(|(_, looked)| looked.stuck.is_some())
            && let Some(problem) = seen.iter_mut().find_map(|looked| looked.stuck.take())
        {
            return Ok(Ended::Stuck(problem));
        }
        let rest = async {
            for (item, bytes) in tell_bytes(journal, how, show).await {
                if let Some(looked) = seen.get_mut(item) {
                    looked.bytes = Some(bytes);
                }
            }
            tokio::time::sleep(how.tick).await;
        };
        tokio::select! {
            () = &mut interrupted => return Ok(Ended::Interrupted),
            () = rest => {}
        }
    }
    Ok(Ended::Over)
}

/// Starts an item that was not started yet; `Some` when nobody can tell whether it was.
async fn begin(
    journal: &mut Journal,
    number: usize,
    how: &Follow<'_>,
    show: &mut dyn Show,
) -> Result<Option<Problem>> {
    let run = journal.run();
    let (Some(item), Some(progress)) = (run.plan.items.get(number), run.progress.get(number)) else {
        return Ok(None);
    };
    let (item, job, made) = (item.clone(), run.plan.job, run.plan.made.clone());
    let before = match progress {
        Progress::Planned => None,
        Progress::Starting { after } => Some(*after),
        _ => return Ok(None),
    };
    let known = match how.juju.operations(&item.unit, job.action()).await {
        Ok(known) => known,
        Err(error) => return Ok(Some(error.into())),
    };
    // An earlier process may have started it, and died before it knew the number.
    if let Some(after) = before
        && let Some(task) = started_after(&known, after, &item)
    {
        show.said(number, &format!("goes on as task {task}"));
        journal.advance(number, Progress::Started { task })?;
        return Ok(None);
    }
    if before.is_some_and(|after| is_forgotten(&known, after, &made)) {
        let why = not_known(how.juju, &item, job.action());
        show.ended(number, false, &why);
        journal.advance(number, failed(why))?;
        return Ok(None);
    }
    if let Some((_, task)) = under_way(&known, &item) {
        let why = in_the_way(how.juju, &item, job.action(), task);
        show.ended(number, false, &why);
        journal.advance(number, failed(why))?;
        return Ok(None);
    }
    let after = known.keys().filter_map(|number| number.parse::<u64>().ok()).max();
    journal.advance(number, Progress::Starting { after })?;
    let started = match how.juju.start(&item.unit, job.action(), &item.parameters).await {
        Ok(started) => Ok(started.task),
        // It may have been taken all the same: what Juju has tells.
        Err(error) => match how.juju.operations(&item.unit, job.action()).await {
            Ok(known) => match (started_after(&known, after, &item), error) {
                (Some(task), _) => Ok(task),
                (None, error @ JujuError::Refused { .. }) => Err(error),
                // It may still be on its way there: who goes on looks again.
                (None, error) => return Ok(Some(error.into())),
            },
            Err(_) => return Ok(Some(error.into())),
        },
    };
    match started {
        Ok(task) => {
            show.said(number, &format!("{} on {}, task {task}", job.action(), item.unit));
            journal.advance(number, Progress::Started { task: task.clone() })?;
            // Somebody else may have looked in the same moment, and seen nothing either: the one who asked first goes on.
            if let Some(other) = asked_before(how.juju, &item, job.action(), &task).await
                && how.juju.cancel(&task).await.is_ok()
            {
                let why = format!(
                    "another {} was asked for on {} in this moment, task {other}; this one was taken back",
                    job.action(),
                    item.unit
                );
                show.ended(number, false, &why);
                journal.advance(number, failed(why))?;
            }
        }
        Err(error) => {
            show.ended(number, false, &error.to_string());
            journal.advance(number, failed(error.to_string()))?;
        }
    }
    Ok(None)
}

/// What is told of another one that was asked for before, and what to do: it may be one that nobody waits for any more.
pub(super) fn in_the_way(juju: &Juju, item: &Item, action: &str, task: &str) -> String {
    format!(
        "another {action} is under way on {}: {} shows it; wait for its end, or {} ends it",
        item.unit,
        juju.typed(&["show-task", task]),
        juju.typed(&["cancel-task", task])
    )
}

/// Whether Juju may have removed what was started after the operation of this number, by a run of this time: it has removed that one, which
/// is older, or had the time to.
pub(super) fn is_forgotten(known: &BTreeMap<String, Operation>, after: Option<u64>, made: &str) -> bool {
    match after {
        Some(before) => !known.keys().any(|number| number.parse() == Ok(before)),
        None => {
            let made = made.parse::<Timestamp>();
            // A run of the future was written down by a clock that was wrong: how old it is nobody knows.
            made.map_or(true, |made| {
                let age = made.duration_until(Timestamp::now());
                age >= KEPT || age < -AHEAD
            })
        }
    }
}

/// What is told then.
pub(super) fn not_known(juju: &Juju, item: &Item, action: &str) -> String {
    format!(
        "whether {action} was started on {} is not known: Juju has removed operations since then, as it does after two weeks; it was not \
         started again, and {} shows what was restored last",
        item.unit,
        juju.own(&format!("backups {}", item.app))
    )
}

/// What is told of a task that Juju has removed.
pub(super) fn removed(juju: &Juju, item: &Item, task: &str) -> String {
    format!(
        "Juju has removed task {task}, as it does after two weeks: what came of it is not known; {} shows what was restored last",
        juju.own(&format!("backups {}", item.app))
    )
}

fn failed(why: String) -> Progress {
    Progress::Failed {
        task: None,
        why,
        results: BTreeMap::new(),
    }
}

/// The task of an operation of a higher number, on the item's unit and with its parameters.
pub(super) fn started_after(
    known: &BTreeMap<String, Operation>,
    after: Option<u64>,
    item: &Item,
) -> Option<String> {
    let is_later = |number: &str| number.parse::<u64>().is_ok_and(|number| Some(number) > after);
    let mut later = known.iter().filter(|(number, _)| is_later(number));
    later.find_map(|(_, operation)| {
        let has_parameters = is_asked(&operation.action.parameters, &item.parameters);
        let mut tasks = operation.tasks.iter();
        let (task, _) = tasks.find(|(_, task)| task.host == item.unit)?;
        has_parameters.then(|| task.clone())
    })
}

/// Whether these are the parameters that were given, and nothing else was asked for. Juju 4 keeps what was given, Juju 3 adds the
/// defaults that the charm declares (`PrepareActionPayload` in `state/unit.go` of juju/juju).
fn is_asked(kept: &BTreeMap<String, serde_json::Value>, given: &BTreeMap<String, String>) -> bool {
    let text = texts(kept);
    let has_given = given.iter().all(|(key, value)| text.get(key) == Some(value));
    let mut others = kept.iter().filter(|(key, _)| !given.contains_key(*key));
    has_given && others.all(|(key, value)| is_default(key, value))
}

/// Whether a parameter of the charms' actions has this value where nobody gives it one.
fn is_default(key: &str, value: &serde_json::Value) -> bool {
    match key {
        // They have none.
        "safety-backup" | "velero-namespace" => false,
        "keep-old" => value.as_bool() == Some(true),
        _ => value.as_bool() == Some(false) || value.as_str() == Some(""),
    }
}

/// The task of an operation on the item's unit that was asked for before ours and is not over. That Juju does not tell is no reason to
/// take ours back.
pub(super) async fn asked_before(juju: &Juju, item: &Item, action: &str, ours: &str) -> Option<String> {
    let mut known = juju.operations(&item.unit, action).await.ok()?;
    let number = |number: &str| number.parse::<u64>().ok();
    let is_ours = |operation: &Operation| operation.tasks.contains_key(ours);
    let own = known.iter().find(|(_, operation)| is_ours(operation))?.0.clone();
    known.retain(|other, _| number(other) < number(&own));
    under_way(&known, item).map(|(_, task)| task.to_owned())
}

/// An operation on the item's unit that is not over, and its task.
pub(super) fn under_way<'a>(
    known: &'a BTreeMap<String, Operation>,
    item: &Item,
) -> Option<(&'a str, &'a str)> {
    known.iter().find_map(|(number, operation)| {
        let mut tasks = operation.tasks.iter();
        let (task, _) =
            tasks.find(|(_, task)| task.host == item.unit && task.status.is_over() != Some(true))?;
        Some((number.as_str(), task.as_str()))
    })
}

/// Looks at each task once. Returns what Juju could not answer.
async fn look(
    journal: &mut Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
    seen: &mut [Looked],
) -> Result<Option<JujuError>> {
    let started: Vec<(usize, String)> = journal
        .run()
        .progress
        .iter()
        .enumerate()
        .filter_map(|(number, progress)| match progress {
            Progress::Started { task } => Some((number, task.clone())),
            _ => None,
        })
        .collect();
    let answers = join_all(started.iter().map(|(_, task)| how.juju.task(task))).await;
    let mut unanswered = None;
    for ((number, id), answer) in started.into_iter().zip(answers) {
        let Some(looked) = seen.get_mut(number).filter(|looked| looked.stuck.is_none()) else {
            continue;
        };
        let Some(item) = journal.run().plan.items.get(number) else {
            continue;
        };
        let task = match answer {
            Ok(task) if task.is_of(&item.app) => task,
            Ok(_) | Err(JujuError::NoTask(_)) => {
                looked.missing += 1;
                if looked.missing >= MISSING {
                    let why = removed(how.juju, item, &id);
                    show.ended(number, false, &why);
                    journal.advance(number, failed(why))?;
                }
                continue;
            }
            Err(error) => {
                unanswered = Some(error);
                continue;
            }
        };
        looked.missing = 0;
        for line in task.log.iter().skip(looked.lines) {
            show.said(number, said(line));
        }
        looked.lines = task.log.len().max(looked.lines);
        if task.status.is_over() == Some(true) {
            let job = journal.run().plan.job;
            let end = end(how.juju, job, id, task);
            show.ended(number, matches!(end, Progress::Done { .. }), &told(job, &end));
            journal.advance(number, end)?;
            continue;
        }
        let whose = (number, item, journal.run().plan.model.as_str());
        let living = looked.life.look(whose, (&id, &task), looked.bytes, how, show);
        if let Err(problem) = living.await {
            show.said(number, &problem.text);
            looked.stuck = Some(problem);
        }
    }
    Ok(unanswered)
}

/// What a task that is over came to.
fn end(juju: &Juju, job: Job, task: String, seen: Task) -> Progress {
    let results = juju.with_undo(texts(&seen.results));
    if seen.status == TaskState::Completed && says_done(job, &results) {
        return Progress::Done { task, results };
    }
    let why = match (seen.status, seen.message.trim()) {
        (TaskState::Completed, _) => format!(
            "Juju calls task {task} completed, and the charm does not say that it was done; {}",
            juju.typed(&["show-task", &task])
        ),
        (TaskState::Cancelled, "") => format!("task {task} was cancelled before it began"),
        (TaskState::Aborted, "") => format!("task {task} was aborted"),
        (_, "") => format!(
            "task {task} failed and says nothing; {}, {}",
            juju.typed(&["show-task", &task]),
            juju.typed(&["debug-log"])
        ),
        (_, message) => message.to_owned(),
    };
    Progress::Failed {
        task: Some(task),
        why,
        results,
    }
}

/// How an item ended, in one line.
pub(super) fn told(job: Job, end: &Progress) -> String {
    let (results, why) = match end {
        Progress::Done { results, .. } | Progress::Imported { results } => (results, None),
        Progress::Failed { why, results, .. } => (results, Some(why)),
        // The wizard follows what the commands began.
        Progress::Finished { .. } => return super::stages::told(end),
        _ => return String::new(),
    };
    if let Some(why) = why {
        return match results.get("undo") {
            Some(undo) => format!("FAILED: {why}; what was there is in a safety backup: {undo}"),
            None => format!("FAILED: {why}"),
        };
    }
    let bytes = results
        .get("bytes")
        .and_then(|bytes| bytes.parse().ok())
        .map(size);
    let count = |key: &str, what: &str| results.get(key).map(|count| format!("{count} {what}"));
    let facts: Vec<String> = [
        bytes,
        count("files", "files"),
        count("databases", "databases sound"),
    ]
    .into_iter()
    .flatten()
    .collect();
    let done = match job {
        Job::Backup => "backed up",
        Job::Verify => "comes back",
        Job::Preview => "can be restored",
        Job::Restore | Job::Redeploy => "restored",
        Job::Refresh => "refreshed",
        Job::Import => "restored, and on the imported volume",
    };
    match facts.is_empty() {
        true => done.to_owned(),
        false => format!("{done}: {}", facts.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What the packed charms declare.
    #[test]
    fn defaults_are_those_that_the_charms_declare() {
        let packed: Value = serde_yaml::from_str(include_str!("../../../charmcraft.yaml")).unwrap();
        for job in [Job::Backup, Job::Verify, Job::Restore] {
            let declared = &packed["actions"][job.action()];
            assert!(declared.is_object(), "{job:?}");
            for (key, parameter) in declared["params"].as_object().into_iter().flatten() {
                let others = [json!("x"), json!(true), json!(false), json!("")];
                let as_default = |value: &&Value| is_default(key, value);
                let taken: Vec<&Value> = others.iter().filter(as_default).collect();
                match parameter.get("default") {
                    Some(default) => assert!(taken.contains(&default), "{key}: {taken:?}"),
                    None => assert!(taken.is_empty(), "{key}: {taken:?}"),
                }
            }
        }
    }

    #[test]
    fn what_was_asked_for_otherwise_is_not_what_was_started() {
        let given = BTreeMap::from([("backup-uid".to_owned(), "u".to_owned())]);
        let asked = |kept: Value| is_asked(&serde_json::from_value(kept).unwrap(), &given);
        assert!(asked(json!({"backup-uid": "u"})));
        assert!(asked(
            json!({"backup-uid": "u", "dry-run": false, "keep-old": true, "from-app": ""})
        ));
        for other in [
            json!({"backup-uid": "v"}),
            json!({}),
            json!({"backup-uid": "u", "dry-run": true}),
            json!({"backup-uid": "u", "from-app": "sonarr"}),
            json!({"backup-uid": "u", "keep-old": false}),
            json!({"backup-uid": "u", "safety-backup": false}),
        ] {
            assert!(!asked(other.clone()), "{other}");
        }
    }
}
