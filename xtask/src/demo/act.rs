//! Runs an action of the charm, and shows how far it is.

use std::path::Path;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use config_recovery::journal::Step;
use juju_sim::{ActionResult, Simulation};
use serde_json::Value;

use super::story::UNIT;
use crate::progress::Progress;

/// How often it is looked how far the action is.
const LOOK: Duration = Duration::from_millis(40);

/// The steps of a restore, in order.
const STEPS: [Step; 8] = [
    Step::MakeScratch,
    Step::BringBack,
    Step::Transfer,
    Step::Check,
    Step::Stop,
    Step::Swap,
    Step::Start,
    Step::Clean,
];

/// Runs the action to its end, which has to be a good one.
pub fn act(
    juju: &mut Simulation,
    action: &str,
    parameters: &Value,
    progress: &Progress,
) -> Result<ActionResult> {
    let parameters = parameters.as_object().cloned().unwrap_or_default();
    let folder = juju.dir().to_owned();
    let (running, is_over) = mpsc::channel::<()>();
    let ended = thread::scope(|scope| {
        scope.spawn(move || follow(&folder, &is_over, progress));
        let ended = juju.run_action(UNIT, action, parameters);
        drop(running);
        ended
    })?;
    ensure!(
        ended.status == "completed",
        "{action} {}: {}",
        ended.status,
        ended.message
    );
    Ok(ended)
}

/// Shows what the action says until it is over.
fn follow(folder: &Path, is_over: &mpsc::Receiver<()>, progress: &Progress) {
    while let Err(RecvTimeoutError::Timeout) = is_over.recv_timeout(LOOK) {
        // Who cannot look shows nothing; the action itself tells what went wrong.
        let Some(log) = Simulation::look(folder, None)
            .and_then(|model| model.operations())
            .ok()
            .and_then(|all| Some(all.into_values().next_back()?.task.log))
        else {
            continue;
        };
        let said: Vec<&str> = log.iter().map(|line| text(line)).collect();
        let done = STEPS.iter().filter(|step| said.contains(&step.words())).count();
        if let Some(last) = said.last() {
            progress.goes_on(done, STEPS.len(), last);
        }
    }
}

/// The steps of a restore that an action told of.
pub fn steps(action: &ActionResult) -> Vec<&'static str> {
    let said: Vec<&str> = action.log.iter().map(|line| text(line)).collect();
    let words = STEPS.iter().map(|step| step.words());
    words.filter(|words| said.contains(words)).collect()
}

/// What a line of an action's log says, without the time before it.
pub fn text(line: &str) -> &str {
    line.split_once(" UTC ").map_or(line, |(_, text)| text)
}
