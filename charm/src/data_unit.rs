//! Which unit has the app's data.
//!
//! Each unit has a config volume of its own, and one of them holds the data. The app runs on that unit, whichever unit leads.
//! The peer relation remembers it: the application's bag says which unit it is, and each unit's bag says what was seen in its
//! volume. Only the leader writes the application's bag, so a unit is bound by the leader, before the app first starts there.
//!
//! [`decide`] is pure; the table in its test says what follows from what.

use std::collections::BTreeMap;

use juju_charm::UnitName;

use crate::endpoints;

/// The peer relation's endpoint.
pub const ENDPOINT: &str = endpoints::PEERS.name;
/// Key of the application's bag: the unit that has the data.
pub const DATA_UNIT: &str = "data-unit";
/// Key of a unit's bag: what was seen in its config volume. In the application's bag: `data` once the app had content anywhere.
pub const CONFIG_VOLUME: &str = "config-volume";

/// Key of the application's bag: how often the leader replaced the credentials while another unit ran the app. Its change wakes
/// that unit: it only looks at the secret, and Juju tells of new revisions to those that track it.
pub const ROTATIONS: &str = "rotations";

/// Key of a unit's bag: `paused` while a backup of its volume would hold nothing worth to be the newest one, until somebody does
/// something. The leader, which asks for backups, does not see that volume.
pub const BACKUPS: &str = "backups";
/// The value of [`BACKUPS`].
pub const PAUSED: &str = "paused";

/// What is in a config volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Contents {
    /// Nothing of an app's.
    Empty,
    /// Something.
    Data,
}

/// What a unit's bag says of its volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Report {
    /// It was empty, and never seen otherwise.
    Empty,
    /// Content was seen. This stays when the volume is found empty later.
    Data,
    /// It is empty, and somebody said by the action `start-empty` that the app shall start so.
    StartEmpty,
}

impl Report {
    /// The word in the bag.
    pub fn word(self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Data => "data",
            Self::StartEmpty => "start-empty",
        }
    }

    /// What a bag says; `None` for one that says nothing yet.
    pub fn read(bag: &BTreeMap<String, String>) -> Option<Self> {
        let word = bag.get(CONFIG_VOLUME)?;
        [Self::Empty, Self::Data, Self::StartEmpty]
            .into_iter()
            .find(|report| report.word() == word)
    }

    /// What a unit has to report that reported `before` and sees `contents` now.
    pub fn next(before: Option<Self>, contents: Contents) -> Self {
        match (contents, before) {
            (Contents::Data, _) => Self::Data,
            (Contents::Empty, Some(before)) => before,
            (Contents::Empty, None) => Self::Empty,
        }
    }
}

/// What is known of the peer relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Peers {
    /// The app has no volume: every unit runs it.
    NotTracked,
    /// There is no relation yet: the unit's first hooks, or the first ones after a refresh from a charm that had none.
    NoRelation,
    /// What the relation says.
    Related(PeerFacts),
}

impl Peers {
    /// How often credentials were replaced for another unit.
    pub fn rotations(&self) -> u64 {
        match self {
            Self::Related(peers) => peers.rotations,
            Self::NotTracked | Self::NoRelation => 0,
        }
    }
}

/// What the peer relation says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerFacts {
    /// Id of the relation.
    pub id: String,
    /// The unit that has the data, by the application's bag.
    pub bound: Option<UnitName>,
    /// Whether the app had content in any volume, by the application's bag.
    pub had_data: bool,
    /// How often credentials were replaced for another unit, by the application's bag.
    pub rotations: u64,
    /// What this unit reported in an earlier hook.
    pub own: Option<Report>,
    /// Whether this unit said in an earlier hook that backups of its volume pause.
    pub own_paused: bool,
    /// Whether the unit with the data says so, when this one leads and is another one; `None` where this one has not met it yet.
    pub data_unit_paused: Option<bool>,
    /// The other units that there are, and what they reported.
    pub others: BTreeMap<UnitName, Option<Report>>,
}

/// Which unit has the data.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataUnit {
    /// The app has no volume.
    NotTracked,
    /// This one: the app runs here.
    Here,
    /// Another one.
    Elsewhere {
        /// Its name.
        unit: UnitName,
        /// Whether it is still there.
        is_present: bool,
    },
    /// It is not decided yet.
    Undecided {
        /// Whose reports are waited for: empty on a unit that waits for the leader, or for the relation itself.
        waiting_for: Vec<UnitName>,
    },
    /// Several have data, this unit leads without, and nothing says which one counts.
    Contested {
        /// Those that have data.
        units: Vec<UnitName>,
    },
}

impl DataUnit {
    /// Whether the app runs on this unit as far as its data are concerned.
    pub fn is_here(&self) -> bool {
        matches!(self, Self::NotTracked | Self::Here)
    }

    /// Whether the unit with the data is gone.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Elsewhere {
                is_present: false,
                ..
            }
        )
    }
}

/// What [`decide`] looks at.
#[derive(Debug, Clone, Copy)]
pub struct DataUnitInputs<'a> {
    /// This unit.
    pub unit: &'a UnitName,
    /// Whether it leads.
    pub leads: bool,
    /// What is in its volume; `None` before Juju has mounted it.
    pub contents: Option<Contents>,
    /// The peer relation.
    pub peers: &'a Peers,
}

/// Decides which unit has the data. The leader writes down [`to_bind`] what follows.
pub fn decide(question: DataUnitInputs<'_>) -> DataUnit {
    let DataUnitInputs {
        unit,
        leads,
        contents,
        peers,
    } = question;
    let undecided = |waiting_for| DataUnit::Undecided { waiting_for };
    let peers = match peers {
        Peers::NotTracked => return DataUnit::NotTracked,
        // Before there was this relation the leader ran the app. Other volumes are not known: no fresh start beside them.
        Peers::NoRelation if leads && contents == Some(Contents::Data) => return DataUnit::Here,
        Peers::NoRelation => return undecided(Vec::new()),
        Peers::Related(peers) => peers,
    };
    match &peers.bound {
        Some(bound) if bound == unit => return DataUnit::Here,
        Some(bound) => {
            return DataUnit::Elsewhere {
                unit: bound.clone(),
                is_present: peers.others.contains_key(bound),
            };
        }
        None if !leads => return undecided(Vec::new()),
        None => {}
    }
    match contents {
        Some(Contents::Data) => return DataUnit::Here,
        Some(Contents::Empty) => {}
        None => return undecided(vec![unit.clone()]),
    }
    // It had content, and is empty by accident: that is for a person to see on this unit.
    if peers.own == Some(Report::Data) {
        return DataUnit::Here;
    }
    let reporting = |wanted: Option<Report>| {
        let units = peers.others.iter().filter(|(_, report)| **report == wanted);
        units.map(|(unit, _)| unit.clone()).collect::<Vec<_>>()
    };
    let (with_data, silent) = (reporting(Some(Report::Data)), reporting(None));
    match with_data.as_slice() {
        [] if silent.is_empty() => DataUnit::Here,
        [only] if silent.is_empty() => DataUnit::Elsewhere {
            unit: only.clone(),
            is_present: true,
        },
        [] | [_] => undecided(silent),
        _ => DataUnit::Contested { units: with_data },
    }
}

/// The unit that the leader has to write down as the one with the data, if that is not written yet.
pub fn to_bind<'a>(question: DataUnitInputs<'a>, decided: &'a DataUnit) -> Option<&'a UnitName> {
    let Peers::Related(peers) = question.peers else {
        return None;
    };
    let unit = match decided {
        DataUnit::Here => question.unit,
        DataUnit::Elsewhere { unit, .. } => unit,
        _ => return None,
    };
    (question.leads && peers.bound.as_ref() != Some(unit)).then_some(unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unit(number: u64) -> UnitName {
        format!("radarr/{number}").parse().unwrap()
    }

    fn related(bound: Option<u64>, own: Option<Report>, others: &[(u64, Option<Report>)]) -> Peers {
        Peers::Related(PeerFacts {
            id: "peers:0".to_owned(),
            bound: bound.map(unit),
            had_data: false,
            rotations: 0,
            own,
            own_paused: false,
            data_unit_paused: Some(false),
            others: others
                .iter()
                .map(|(number, report)| (unit(*number), *report))
                .collect(),
        })
    }

    #[test]
    fn the_app_runs_where_its_data_are() {
        use Contents::{Data, Empty};
        use Report::{Data as SawData, Empty as SawEmpty};
        let elsewhere = |number, is_present| DataUnit::Elsewhere {
            unit: unit(number),
            is_present,
        };
        let waits = |numbers: &[u64]| DataUnit::Undecided {
            waiting_for: numbers.iter().map(|number| unit(*number)).collect(),
        };
        let here = DataUnit::Here;
        // This unit is radarr/1. Leads, contents, relation; what is decided, and whom the leader binds.
        type Case = (bool, Option<Contents>, Peers, DataUnit, Option<u64>);
        let cases: Vec<Case> = vec![
            (true, Some(Empty), Peers::NotTracked, DataUnit::NotTracked, None),
            (false, None, Peers::NotTracked, DataUnit::NotTracked, None),
            // No relation yet: as before, but no fresh start.
            (true, Some(Data), Peers::NoRelation, here.clone(), None),
            (true, Some(Empty), Peers::NoRelation, waits(&[]), None),
            (true, None, Peers::NoRelation, waits(&[]), None),
            (false, Some(Data), Peers::NoRelation, waits(&[]), None),
            // Bound: it does not matter who leads and what is in the volume.
            (false, Some(Data), related(Some(1), None, &[]), here.clone(), None),
            (
                true,
                Some(Empty),
                related(Some(1), None, &[(0, Some(SawData))]),
                here.clone(),
                None,
            ),
            (
                true,
                Some(Data),
                related(Some(0), None, &[(0, None)]),
                elsewhere(0, true),
                None,
            ),
            (
                false,
                Some(Empty),
                related(Some(0), None, &[(0, None)]),
                elsewhere(0, true),
                None,
            ),
            (
                true,
                Some(Data),
                related(Some(0), None, &[(2, None)]),
                elsewhere(0, false),
                None,
            ),
            (
                false,
                Some(Data),
                related(Some(0), None, &[]),
                elsewhere(0, false),
                None,
            ),
            // Not bound: the leader decides.
            (
                false,
                Some(Data),
                related(None, None, &[(0, None)]),
                waits(&[]),
                None,
            ),
            (
                true,
                Some(Data),
                related(None, None, &[(0, Some(SawData))]),
                here.clone(),
                Some(1),
            ),
            (
                true,
                Some(Data),
                related(None, None, &[(0, None)]),
                here.clone(),
                Some(1),
            ),
            (
                true,
                None,
                related(None, None, &[(0, Some(SawData))]),
                waits(&[1]),
                None,
            ),
            (true, Some(Empty), related(None, None, &[]), here.clone(), Some(1)),
            (
                true,
                Some(Empty),
                related(None, None, &[(0, Some(SawEmpty))]),
                here.clone(),
                Some(1),
            ),
            (
                true,
                Some(Empty),
                related(None, None, &[(0, Some(SawData))]),
                elsewhere(0, true),
                Some(0),
            ),
            (
                true,
                Some(Empty),
                related(None, None, &[(0, None)]),
                waits(&[0]),
                None,
            ),
            (
                true,
                Some(Empty),
                related(None, None, &[(0, Some(SawData)), (2, None)]),
                waits(&[2]),
                None,
            ),
            (
                true,
                Some(Empty),
                related(None, None, &[(0, Some(SawData)), (2, Some(SawData)), (3, None)]),
                DataUnit::Contested {
                    units: vec![unit(0), unit(2)],
                },
                None,
            ),
            // Empty by accident before anything was bound.
            (
                true,
                Some(Empty),
                related(None, Some(SawData), &[(0, None)]),
                here,
                Some(1),
            ),
        ];
        for (leads, contents, peers, expected, bound) in cases {
            let own = unit(1);
            let question = DataUnitInputs {
                unit: &own,
                leads,
                contents,
                peers: &peers,
            };
            let decided = decide(question);
            let case = format!("leads {leads}, {contents:?}, {peers:?}");
            assert_eq!(decided, expected, "{case}");
            assert_eq!(to_bind(question, &decided), bound.map(unit).as_ref(), "{case}");
        }
    }

    #[test]
    fn what_was_seen_once_is_remembered() {
        use Contents::{Data, Empty};
        let cases = [
            (None, Empty, Report::Empty),
            (None, Data, Report::Data),
            (Some(Report::Empty), Data, Report::Data),
            (Some(Report::Data), Empty, Report::Data),
            (Some(Report::StartEmpty), Empty, Report::StartEmpty),
            (Some(Report::StartEmpty), Data, Report::Data),
        ];
        for (before, contents, next) in cases {
            assert_eq!(Report::next(before, contents), next, "{before:?} {contents:?}");
        }
        for report in [Report::Empty, Report::Data, Report::StartEmpty] {
            let bag = BTreeMap::from([(CONFIG_VOLUME.to_owned(), report.word().to_owned())]);
            assert_eq!(Report::read(&bag), Some(report));
        }
        assert_eq!(Report::read(&BTreeMap::new()), None);
    }
}
