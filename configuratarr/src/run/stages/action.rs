//! An action of the charm as a step: asked for once, followed to its end.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{At, IN_A_ROW, Seen, Taken};
use crate::juju::{Juju, JujuError, Task, TaskState, said, time};
use crate::plan::Item;
use crate::run::follow::{
    asked_before, in_the_way, is_forgotten, not_known, removed, started_after, under_way,
};
use crate::run::texts;

/// Where an action stands.
pub(super) enum Stands {
    /// It is not at its end; what was found has to be written down, or not.
    Goes(Taken),
    /// Juju calls it completed.
    Completed(BTreeMap<String, String>),
    /// It failed, or could not be started.
    Failed(String, BTreeMap<String, String>),
}

impl At<'_> {
    /// Starts the action where it was not started, and looks at it where it was.
    ///
    /// # Errors
    /// When Juju cannot be asked.
    pub(super) async fn action(
        &mut self,
        unit: &str,
        action: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Stands, JujuError> {
        self.action_unless(None, unit, action, parameters).await
    }

    /// The same, but where Juju has not taken it yet and there is a reason against it: that ends it. One that was taken is followed.
    ///
    /// # Errors
    /// When Juju cannot be asked.
    pub(super) async fn action_unless(
        &mut self,
        reason: Option<String>,
        unit: &str,
        action: &str,
        parameters: &BTreeMap<String, String>,
    ) -> Result<Stands, JujuError> {
        let item = Item {
            unit: unit.to_owned(),
            parameters: parameters.clone(),
            ..self.item.clone()
        };
        match self.seen.task.clone() {
            Some(task) => self.look(&task, &item).await,
            None => self.start(&item, action, reason).await,
        }
    }

    async fn start(
        &mut self,
        item: &Item,
        action: &str,
        reason: Option<String>,
    ) -> Result<Stands, JujuError> {
        let juju = self.how.juju;
        let known = juju.operations(&item.unit, action).await?;
        if self.seen.is_asked {
            // It may have been taken, by an earlier process or though Juju gave no answer.
            if let Some(task) = started_after(&known, self.seen.after, item) {
                self.say(&format!("goes on as task {task}"));
                return Ok(self.has_task(task));
            }
            if self.memory.is_resumed && is_forgotten(&known, self.seen.after, self.made) {
                return Ok(Stands::Failed(not_known(juju, item, action), BTreeMap::new()));
            }
        }
        if let Some(why) = reason {
            return Ok(Stands::Failed(why, BTreeMap::new()));
        }
        if let Some((_, task)) = under_way(&known, item) {
            let why = in_the_way(juju, item, action, task);
            return Ok(Stands::Failed(why, BTreeMap::new()));
        }
        if !self.seen.is_asked {
            let after = known.keys().filter_map(|number| number.parse::<u64>().ok()).max();
            return Ok(Stands::Goes(Taken::Noted(Seen {
                is_asked: true,
                after,
                ..self.seen.clone()
            })));
        }
        self.memory.asked = Some(Timestamp::now());
        let started = match juju.start(&item.unit, action, &item.parameters).await {
            Ok(started) => started.task,
            Err(error) => {
                let known = juju.operations(&item.unit, action).await?;
                match (started_after(&known, self.seen.after, item), error) {
                    (Some(task), _) => task,
                    (None, error @ JujuError::Refused { .. }) => {
                        return Ok(Stands::Failed(error.to_string(), BTreeMap::new()));
                    }
                    (None, error) => return Err(error),
                }
            }
        };
        self.say(&format!("{action} on {}, task {started}", item.unit));
        if let Some(other) = asked_before(juju, item, action, &started).await
            && juju.cancel(&started).await.is_ok()
        {
            let why = format!(
                "another {action} was asked for on {} in this moment, task {other}; this one was taken back",
                item.unit
            );
            return Ok(Stands::Failed(why, BTreeMap::new()));
        }
        Ok(self.has_task(started))
    }

    fn has_task(&self, task: String) -> Stands {
        Stands::Goes(Taken::Noted(Seen {
            task: Some(task),
            ..self.seen.clone()
        }))
    }

    async fn look(&mut self, task: &str, item: &Item) -> Result<Stands, JujuError> {
        let found = match self.how.juju.task(task).await {
            Ok(found) if found.is_of(&self.item.app) => found,
            Ok(_) | Err(JujuError::NoTask(_)) => {
                return Ok(match self.memory.has_seen("missing", IN_A_ROW) {
                    true => Stands::Failed(removed(self.how.juju, self.item, task), BTreeMap::new()),
                    false => Stands::Goes(Taken::Stay),
                });
            }
            Err(error) => return Err(error),
        };
        for line in found.log.iter().skip(self.memory.lines) {
            self.show.said(self.number, said(line));
        }
        self.memory.lines = found.log.len().max(self.memory.lines);
        if found.status.is_over() != Some(true) {
            let whose = (self.number, item, self.model);
            let bytes = self.memory.bytes;
            let looked = self
                .memory
                .life
                .look(whose, (task, &found), bytes, self.how, self.show);
            return Ok(Stands::Goes(match looked.await {
                Ok(()) => Taken::Stay,
                Err(problem) => Taken::Stuck(problem),
            }));
        }
        let results = self.how.juju.with_undo(texts(&found.results));
        self.memory.began.clone_from(&found.timing.started);
        let enqueued = time(&found.timing.enqueued);
        self.memory.ahead = self
            .memory
            .asked
            .zip(enqueued)
            .map(|(asked, at)| asked.duration_since(at));
        match found.status {
            TaskState::Completed => Ok(Stands::Completed(results)),
            _ => Ok(Stands::Failed(why(self.how.juju, task, &found), results)),
        }
    }
}

fn why(juju: &Juju, task: &str, found: &Task) -> String {
    match found.message.trim() {
        "" => format!(
            "task {task} came to nothing and says nothing; {}, {}",
            juju.typed(&["show-task", task]),
            juju.typed(&["debug-log"])
        ),
        message => message.to_owned(),
    }
}
