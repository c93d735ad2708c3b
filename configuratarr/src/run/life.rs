//! How long a charm's action is followed of which nothing is heard, and what is told meanwhile.
//!
//! An action whose unit is gone for good never ends in Juju: nobody is there to say that it did. So an action has to give a sign of life within
//! a limit. Each of these is one: its state in Juju changes, the charm says a line, Velero moves bytes for it, or the unit's agent is there to
//! work on it. A long restore gives one of them all the time.
//!
//! Where the agent is there, its action is followed for as long as it takes. Of one that says nothing meanwhile for as long as the limit it is told
//! how a person ends it: Juju gives an action no time limit.

use std::time::Duration;

use config_recovery::identity::why_absent;
use config_recovery::overview::Progress as Bytes;
use tokio::time::Instant;

use super::{Follow, Show};
use crate::juju::{Task, TaskState, time};
use crate::plan::Item;
use crate::problem::{Kind, Problem};

/// Of the limit, this part may go by before it is asked whether the unit is there, and between two such looks.
const PART: u32 = 30;

/// What changes while an action is worked on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Signs {
    /// Its state in Juju.
    pub state: TaskState,
    /// So many lines were said.
    pub lines: usize,
    /// So many bytes were moved.
    pub bytes: Option<Bytes>,
}

/// When the last sign of an action's life was seen.
#[derive(Debug, Clone)]
pub(super) struct Life {
    /// The last sign.
    since: Instant,
    /// The last one of the action itself. That the agent is there says nothing of its action.
    heard: Instant,
    looked: Instant,
    last: Option<Signs>,
    told: Option<String>,
}

impl Life {
    /// It is about to be followed.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            since: now,
            heard: now,
            looked: now,
            last: None,
            told: None,
        }
    }

    /// Hears how it is at this moment. How long nothing was heard, where it is time to ask whether the unit is there.
    fn hears(&mut self, signs: Signs, limit: Duration, now: Instant) -> Option<Duration> {
        if self.last.replace(signs) != Some(signs) {
            self.heard = now;
            self.told = None;
            self.lives(now);
        }
        let is_due = now.duration_since(self.looked) >= limit / PART;
        is_due.then(|| {
            self.looked = now;
            now.duration_since(self.since)
        })
    }

    fn lives(&mut self, now: Instant) {
        (self.since, self.looked) = (now, now);
    }

    /// Tells it, unless it was the last thing that was told.
    fn tell(&mut self, show: &mut dyn Show, number: usize, text: String) {
        if self.told.as_ref() != Some(&text) {
            show.said(number, &text);
            self.told = Some(text);
        }
    }

    /// Hears how an action is, and asks whether its unit is there where nothing else was heard for a while.
    ///
    /// # Errors
    /// That it gave no sign of life for so long that it is not followed any more, with what is known of it.
    pub async fn look(
        &mut self,
        (number, item, model): (usize, &Item, &str),
        (id, task): (&str, &Task),
        bytes: Option<Bytes>,
        how: &Follow<'_>,
        show: &mut dyn Show,
    ) -> Result<(), Problem> {
        let signs = Signs {
            state: task.status,
            lines: task.log.len(),
            bytes,
        };
        let Some(silent) = self.hears(signs, how.silence, Instant::now()) else {
            return Ok(());
        };
        let absent = match how.cluster {
            Some(cluster) => why_absent(cluster, model, &item.unit).await,
            None => Ok(Some("the cluster cannot be asked".to_owned())),
        };
        let why = match absent {
            Ok(None) => {
                let now = Instant::now();
                self.lives(now);
                match now.duration_since(self.heard) >= how.silence {
                    true => self.tell(show, number, hangs(item, (id, task), how)),
                    false => self.told = None,
                }
                return Ok(());
            }
            Ok(Some(why)) => why,
            Err(error) => error.to_string(),
        };
        if silent >= how.silence {
            return Err(given_up((item, model), (id, task), &why, how));
        }
        let text = format!(
            "nothing is heard of {}: {why}; waiting for it, {} in all",
            item.unit,
            words(how.silence)
        );
        self.tell(show, number, text);
        Ok(())
    }
}

/// What to do about an action of which nothing is heard while its agent is there.
fn hangs(item: &Item, (id, task): (&str, &Task), how: &Follow<'_>) -> String {
    let (juju, unit, limit) = (how.juju, item.unit.as_str(), words(how.silence));
    let ends = juju.typed(&["cancel-task", id]);
    match task.status {
        TaskState::Pending => format!(
            "task {id} has waited for {limit}: {unit} is there and does something else first, which {} and {} show; {ends} takes it back",
            juju.typed(&["operations", "--units", unit, "--status", "running"]),
            juju.typed(&["status", &item.app])
        ),
        _ => format!(
            "task {id} has said nothing for {limit}, and {unit} is there: {} shows it, {ends} ends it",
            juju.typed(&["show-task", id])
        ),
    }
}

/// What is known of an action that is not followed any more, and what to do.
fn given_up((item, model): (&Item, &str), (id, task): (&str, &Task), why: &str, how: &Follow<'_>) -> Problem {
    let state = match (task.status, time(&task.timing.started)) {
        (TaskState::Pending, _) => "has not begun".to_owned(),
        (_, Some(since)) => format!("is under way since {}", config_recovery::words::time(since)),
        (_, None) => "is under way".to_owned(),
    };
    let pod = item.unit.replace('/', "-");
    Problem::new(
        Kind::Unfinished,
        format!(
            "nothing was heard of {} for {}: {why}; task {id} {state} and may never end",
            item.unit,
            words(how.silence)
        ),
        format!(
            "kubectl describe pod {pod} -n {model} and {} show what it waits for",
            how.juju.typed(&["status", &item.app])
        ),
    )
}

fn words(limit: Duration) -> String {
    match limit.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(1800);

    fn signs() -> Signs {
        Signs {
            state: TaskState::Running,
            lines: 1,
            bytes: None,
        }
    }

    /// Whether anything is asked, and after how long a silence, when this was heard 20 minutes after the last.
    fn after(signs: Signs) -> Option<Duration> {
        let (mut life, begin) = (Life::new(), Instant::now());
        life.hears(self::signs(), LIMIT, begin);
        life.hears(signs, LIMIT, begin + LIMIT / 3 * 2)
    }

    #[test]
    fn bytes_lines_and_states_are_signs_of_life_and_silence_is_counted_from_the_last() {
        assert_eq!(after(signs()), Some(LIMIT / 3 * 2));
        let bytes = |done| Some(Bytes { done, total: Some(9) });
        let running = signs();
        for sign in [
            Signs {
                bytes: bytes(0),
                ..running
            },
            Signs { lines: 2, ..running },
            Signs {
                state: TaskState::Aborting,
                ..running
            },
        ] {
            assert_eq!(after(sign), None, "{sign:?}");
        }
        // More bytes, however slowly: ten times the limit goes by.
        let (mut life, mut now) = (Life::new(), Instant::now());
        for done in 0..20 {
            now += LIMIT / 2;
            let sign = Signs {
                bytes: bytes(done),
                ..running
            };
            assert_eq!(life.hears(sign, LIMIT, now), None, "{done}");
        }
        let last = Signs {
            bytes: bytes(19),
            ..running
        };
        now += LIMIT / PART / 2;
        assert_eq!(life.hears(last, LIMIT, now), None, "not so soon");
        now += LIMIT;
        assert_eq!(life.hears(last, LIMIT, now), Some(LIMIT + LIMIT / PART / 2));
        assert_eq!(life.hears(last, LIMIT, now), None, "just looked");
        life.lives(now);
        assert_eq!(life.hears(last, LIMIT, now + LIMIT / PART), Some(LIMIT / PART));
    }
}
