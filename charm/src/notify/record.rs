//! What was told and what is still to be told. Pure.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::findings::{Finding, Kind};

/// After the first try that failed it is waited so long; twice as long after each further one.
const FIRST_PAUSE: SignedDuration = SignedDuration::from_mins(4);
/// It is never waited longer than this.
const LONGEST_PAUSE: SignedDuration = SignedDuration::from_hours(6);

/// Which way something turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// From good to bad.
    Bad,
    /// Back.
    Good,
}

/// Something to be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Notice {
    /// What it is about.
    pub kind: Kind,
    /// Which way it turned.
    pub turn: Turn,
    /// When that was seen.
    pub at: Timestamp,
    /// What is wrong, or was.
    pub what: String,
    /// Since when it was wrong.
    pub since: Timestamp,
    /// What to do about it.
    pub next: String,
}

/// After so many turns of one kind within [`RESTLESS`] it is not told at once that it is good again. A storage that comes and goes stays
/// bad for whoever listens until it rests; that it is bad is always told at once.
const MOST_TURNS: usize = 3;
/// See [`MOST_TURNS`].
const RESTLESS: SignedDuration = SignedDuration::from_hours(6);

/// What is known to be wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Open {
    what: String,
    since: Timestamp,
}

/// What was told and what is still to be told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Notices {
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    open: BTreeMap<Kind, Open>,
    /// The oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pending: Vec<Notice>,
    /// When the last turns of each kind were told, the oldest first.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    told: BTreeMap<Kind, Vec<Timestamp>>,
    /// How often the first of them was tried, and when the last time was.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed: Option<(u32, Timestamp)>,
    /// Why nobody has taken one, where that was tried more than once, until somebody takes one.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// Who was told, or is to be: [`mark`](super::NotifyTo::mark).
    #[serde(skip_serializing_if = "Option::is_none")]
    whom: Option<String>,
}

/// Of what others say so much is remembered, in characters.
const REMEMBERED: usize = 300;

impl Notices {
    /// Whether it says nothing.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// The same where this one is to be told: all that is wrong, and at once, if it is another one than before.
    #[must_use]
    pub fn to(self, whom: Option<String>) -> Self {
        let before = match self.whom == whom || self.whom.is_none() {
            true => self,
            false => Self::default(),
        };
        Self { whom, ..before }
    }

    /// The same after this was found to be wrong, and nothing else but what is `undecided`, which stays as it was. Something that has gone before
    /// it could be told is not told at all. What is still wrong is to be told however long nobody has taken it.
    #[must_use]
    pub fn after(mut self, found: &[Finding], undecided: &[Kind], now: Timestamp) -> Self {
        let is_found = |kind: Kind| found.iter().any(|finding| finding.kind == kind);
        let gone: Vec<Kind> = self
            .open
            .keys()
            .copied()
            .filter(|kind| !is_found(*kind) && !undecided.contains(kind))
            .collect();
        for kind in gone {
            let Some(open) = self.open.remove(&kind) else {
                continue;
            };
            let is_told = !self.pending.iter().any(|notice| notice.kind == kind);
            self.pending
                .retain(|notice| notice.kind != kind || notice.turn == Turn::Good);
            if is_told {
                self.pending.push(Notice {
                    kind,
                    turn: Turn::Good,
                    at: now,
                    what: open.what,
                    since: open.since,
                    next: String::new(),
                });
            }
        }
        for finding in found {
            if self.open.contains_key(&finding.kind) {
                continue;
            }
            let what = crate::problem::short(&finding.what, REMEMBERED);
            let since = finding.since.unwrap_or(now);
            let open = Open {
                what: what.clone(),
                since,
            };
            self.open.insert(finding.kind, open);
            // That it was good in between could not be told: to whoever listens it has been bad all the time.
            let before = self.pending.len();
            self.pending
                .retain(|notice| notice.kind != finding.kind || notice.turn == Turn::Bad);
            if self.pending.len() == before {
                self.pending.push(Notice {
                    kind: finding.kind,
                    turn: Turn::Bad,
                    at: now,
                    what,
                    since,
                    next: crate::problem::short(&finding.next, REMEMBERED),
                });
            }
        }
        for told in self.told.values_mut() {
            // What a clock that was put back left would keep the next one away.
            told.retain(|at| now.duration_since(*at) < RESTLESS && *at <= now);
        }
        self.told.retain(|_, told| !told.is_empty());
        if self.pending.is_empty() {
            self.failed = None;
            // Where nothing is wrong nobody else has to hear of it, nor is anybody else told less.
            let is_known = !self.open.is_empty() || self.why.is_some() || !self.told.is_empty();
            self.whom = self.whom.filter(|_| is_known);
        }
        self
    }

    /// Whether something is to be sent now.
    pub fn is_to_be_sent(&self, now: Timestamp) -> bool {
        let is_over = |(times, last): (u32, Timestamp)| {
            let pause = FIRST_PAUSE.saturating_mul(1 << times.saturating_sub(1).min(10));
            let waited = now.duration_since(last);
            // A clock that was put back says nothing of how long ago it was.
            waited >= pause.min(LONGEST_PAUSE) || waited < SignedDuration::ZERO
        };
        self.first().is_some() && self.failed.is_none_or(is_over)
    }

    /// The first that is to be sent.
    pub fn first(&self) -> Option<&Notice> {
        let mut pending = self.pending.iter();
        pending.find(|notice| notice.turn == Turn::Bad || !self.is_restless(notice.kind))
    }

    fn is_restless(&self, kind: Kind) -> bool {
        self.told.get(&kind).is_some_and(|told| told.len() >= MOST_TURNS)
    }

    /// Whether something else than this is wrong.
    pub fn are_others_open(&self, kind: Kind) -> bool {
        self.open.keys().any(|open| *open != kind)
    }

    /// The same after the first was sent.
    #[must_use]
    pub fn sent(mut self, now: Timestamp) -> Self {
        if let Some(sent) = self.first().cloned() {
            self.pending.retain(|notice| *notice != sent);
            self.told.entry(sent.kind).or_default().push(now);
        }
        self.failed = None;
        self.why = None;
        self
    }

    /// The same after the first could not be sent.
    #[must_use]
    pub fn failed(mut self, now: Timestamp, why: &str) -> Self {
        let times = self.failed.map_or(0, |(times, _)| times);
        self.failed = Some((times.saturating_add(1), now));
        if times > 0 {
            self.why = Some(crate::problem::short(why, REMEMBERED));
        }
        self
    }

    /// Why nobody is told, where that was tried more than once.
    pub fn in_vain(&self) -> Option<&str> {
        self.why.as_deref()
    }

    /// The same after the receiver was seen to take one: the next event sends what waits.
    #[must_use]
    pub fn reached(self) -> Self {
        Self {
            failed: None,
            why: None,
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(kind: Kind) -> Finding {
        Finding {
            kind,
            what: "no good backup since Monday".to_owned(),
            since: None,
            next: "run list-backups".to_owned(),
        }
    }

    fn at(minutes: i64) -> Timestamp {
        "2026-11-29T03:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
    }

    fn pending(notices: &Notices) -> Vec<(Kind, Turn)> {
        notices
            .pending
            .iter()
            .map(|notice| (notice.kind, notice.turn))
            .collect()
    }

    const OVERDUE: Kind = Kind::BackupOverdue;

    #[test]
    fn each_turn_is_told_once() {
        let bad = [finding(OVERDUE)];
        let mut notices = Notices::default();
        let mut told = Vec::new();
        for (minute, found) in (0..).zip([&[][..], &bad, &bad, &bad, &[], &[], &bad, &[]]) {
            notices = notices.after(found, &[], at(minute));
            while notices.is_to_be_sent(at(minute)) {
                let notice = notices.first().unwrap();
                told.push((minute, notice.turn, notice.since));
                notices = notices.sent(at(minute));
            }
        }
        let expected = [
            (1, Turn::Bad, at(1)),
            (4, Turn::Good, at(1)),
            (6, Turn::Bad, at(6)),
        ];
        assert_eq!(told, expected);
    }

    /// The state after each of some minutes, and what is told of it until it has been well for a day.
    fn told_of(states: &[bool]) -> Vec<(i64, Turn)> {
        let mut notices = Notices::default();
        let mut told = Vec::new();
        for minute in 0..24 * 60 {
            let is_bad = usize::try_from(minute).is_ok_and(|minute| states.get(minute) == Some(&true));
            let found = is_bad.then(|| finding(OVERDUE));
            notices = notices.after(found.as_slice(), &[], at(minute));
            while notices.is_to_be_sent(at(minute)) {
                told.push((minute, notices.first().unwrap().turn));
                notices = notices.sent(at(minute));
            }
        }
        assert!(notices.is_nothing(), "{notices:?}");
        told
    }

    #[test]
    fn what_comes_and_goes_is_bad_until_it_rests() {
        let once = [false, true, true];
        assert_eq!(told_of(&once), [(1, Turn::Bad), (3, Turn::Good)]);
        let flaps: Vec<bool> = (0..60).map(|minute| minute % 2 == 0).collect();
        let expected = [
            (0, Turn::Bad),
            (1, Turn::Good),
            (2, Turn::Bad),
            (6 * 60, Turn::Good),
        ];
        assert_eq!(told_of(&flaps), expected);
        // It goes bad once more, after what was told last is that it is good.
        let later: Vec<bool> = (0..62).map(|minute| [0, 61].contains(&minute)).collect();
        let expected = [
            (0, Turn::Bad),
            (1, Turn::Good),
            (61, Turn::Bad),
            (6 * 60, Turn::Good),
        ];
        assert_eq!(told_of(&later), expected);
    }

    #[test]
    fn another_receiver_is_not_told_less_for_what_was_told_before_it() {
        let to = |notices: Notices, whom: &str| notices.to(Some(whom.to_owned()));
        let mut notices = to(Notices::default(), "one");
        for minute in 0..2 {
            let found = (minute % 2 == 0).then(|| finding(OVERDUE));
            notices = notices.after(found.as_slice(), &[], at(minute)).sent(at(minute));
        }
        notices = to(notices.after(&[], &[], at(2)), "two");
        for (minute, turn) in [(3, Turn::Bad), (4, Turn::Good)] {
            let found = (turn == Turn::Bad).then(|| finding(OVERDUE));
            notices = notices.after(found.as_slice(), &[], at(minute));
            assert!(notices.is_to_be_sent(at(minute)), "{turn:?}");
            notices = notices.sent(at(minute));
        }
    }

    #[test]
    fn one_kind_that_rests_not_keeps_no_other_from_being_told() {
        let mut notices = Notices::default();
        for minute in 0..3 {
            let found = (minute % 2 == 0).then(|| finding(OVERDUE));
            notices = notices.after(found.as_slice(), &[], at(minute)).sent(at(minute));
        }
        let notices = notices.after(&[finding(Kind::StorageUnavailable)], &[], at(3));
        let first = notices.first().map(|notice| (notice.kind, notice.turn));
        assert_eq!(first, Some((Kind::StorageUnavailable, Turn::Bad)));
        assert_eq!(pending(&notices.sent(at(3))), [(OVERDUE, Turn::Good)]);
    }

    #[test]
    fn what_could_not_be_told_in_time_is_told_as_it_is_by_now() {
        let bad = [finding(OVERDUE)];
        let never = Notices::default()
            .after(&bad, &[], at(0))
            .failed(at(0), "it is away")
            .after(&[], &[], at(1));
        assert!(
            never.is_nothing(),
            "it has gone before anybody heard of it: {never:?}"
        );
        let known = Notices::default().after(&bad, &[], at(0)).sent(at(0));
        let back = known.after(&[], &[], at(1));
        assert_eq!(pending(&back), [(OVERDUE, Turn::Good)]);
        let again = back.after(&bad, &[], at(2));
        assert_eq!(
            pending(&again),
            [],
            "it has been bad all the time for whoever listens"
        );
        assert_eq!(pending(&again.after(&[], &[], at(3))), [(OVERDUE, Turn::Good)]);
        let old = Notices::default()
            .after(&bad, &[], at(0))
            .after(&bad, &[], at(3 * 24 * 60));
        assert_eq!(pending(&old), [(OVERDUE, Turn::Bad)], "nobody has heard of it");
        let told = Notices::default().after(&bad, &[], at(0)).sent(at(0));
        let back = told.after(&[], &[], at(1)).after(&[], &[], at(4 * 24 * 60));
        assert_eq!(
            pending(&back),
            [(OVERDUE, Turn::Good)],
            "it is bad for whoever listens"
        );
    }

    #[test]
    fn what_nobody_can_judge_stays_as_it_was() {
        let bad = Notices::default()
            .after(&[finding(OVERDUE)], &[], at(0))
            .sent(at(0));
        assert_eq!(bad.clone().after(&[], &[OVERDUE], at(1)), bad);
        let good = Notices::default();
        assert_eq!(good.clone().after(&[], &[OVERDUE], at(1)), good);
    }

    #[test]
    fn what_failed_is_tried_again_later_each_time() {
        let mut notices = Notices::default().after(&[finding(OVERDUE)], &[], at(0));
        for minutes in [4, 8, 16, 32, 64, 128, 256, 360, 360] {
            notices = notices.failed(at(0), "it is away");
            assert!(!notices.is_to_be_sent(at(minutes - 1)), "{minutes}");
            assert!(notices.is_to_be_sent(at(minutes)), "{minutes}");
        }
        assert!(notices.is_to_be_sent(at(-10)), "the clock was put back");
        assert!(!notices.sent(at(0)).is_to_be_sent(at(1000)));
    }
}
