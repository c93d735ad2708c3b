//! When velero-operator was last asked for something else than before: for some minutes after that it makes its storage location and
//! Schedules anew, and what is missing then is no trouble.

use jiff::Timestamp;
use juju_charm::Event;

use super::plan::{Plan, pauses};
use super::prepare_volume::Start;
use super::validate::ValidatedApp;
use crate::digest;
use crate::facts::Facts;
use crate::tiers;

/// What tells apart what a unit would ask for, in hexadecimal digits.
const DIGITS: usize = 16;

/// What is known of it after a dispatch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Asked {
    /// When it was.
    pub at: Option<Timestamp>,
    /// What the leader is known to ask for, on a unit that does not lead.
    pub by_leader: Option<String>,
}

/// Finds it out. The leader sees by what it writes that it asks for something else; another unit, which Juju does not show that databag,
/// by what it would write itself; and both by a relation that comes, or goes while another stays. A time that has not come
/// yet is one of a clock that was wrong: it was now at the latest.
pub(super) fn asked(
    plan: &Plan,
    validated: &ValidatedApp,
    start: &Start,
    facts: &Facts,
    event: &Event,
) -> Asked {
    let before = &facts.remembered;
    let by_leader = by_leader(validated, start, facts);
    let is_other =
        matches!((&before.asked_by_leader, &by_leader), (Some(before), Some(now)) if before != now);
    let comes_or_goes = match event {
        Event::RelationCreated(relation) | Event::RelationBroken(relation) => {
            tiers::of_endpoint(&relation.endpoint).is_some() && facts.is_backed_up()
        }
        _ => false,
    };
    let at = match !plan.databags.is_empty() || comes_or_goes || is_other {
        true => Some(facts.now),
        false => before.asked_at.map(|at| at.min(facts.now)),
    };
    Asked { at, by_leader }
}

/// What the leader asks for by the options, and by what this unit tells of its volume; what was known where an option cannot be used, since
/// nothing else is asked for then.
fn by_leader(validated: &ValidatedApp, start: &Start, facts: &Facts) -> Option<String> {
    if facts.leader {
        return None;
    }
    let mut all = Vec::new();
    for backup in validated.related() {
        let Ok(settings) = &backup.settings else {
            return facts.remembered.asked_by_leader.clone();
        };
        all.push((backup.tier.name(), settings.when.as_deref(), &settings.retention));
    }
    (!all.is_empty()).then(|| digest::mark(format!("{all:?} {}", pauses(validated, start)), DIGITS))
}
