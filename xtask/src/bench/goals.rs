//! What the charm is meant to cost, and whether it does.

use std::fmt::Write as _;

use serde::Serialize;

use super::life::is_steady;
use super::table::Row;

/// A steady event, in times of the floor.
const STEADY: f64 = 1.25;
/// Any other event, in times of the floor.
const OTHERS: f64 = 1.5;
/// The event that starts the app. It waits until the app is healthy, and so takes as long as the app does: Pebble alone looks for a
/// second whether a process that it started stays. No program that does the same can be faster, and the floor does not do it.
const WAITS_FOR_THE_APP: &str = "peers-relation-created";
/// Peak of memory of an event that asks Kubernetes nothing, in MB of 1,000,000 bytes.
const PEAK_WITHOUT: f64 = 8.0;
/// Peak of memory of an event that asks Kubernetes something, in the same.
const PEAK_WITH: f64 = 12.0;

/// One goal.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Goal {
    /// What it is about.
    what: &'static str,
    /// The unit of the values.
    unit: &'static str,
    /// The highest value that is wanted.
    goal: f64,
    /// The highest that was measured, with the event that has it; none where no event is of this kind.
    worst: Option<(f64, String)>,
    /// How many events are of this kind.
    events: usize,
    /// How many of them are above the goal.
    above: usize,
}

impl Goal {
    /// Whether no event is above it; none where none was measured.
    fn is_met(&self) -> Option<bool> {
        self.worst.as_ref().map(|(worst, _)| *worst <= self.goal)
    }
}

/// The goals, with what these rows say.
pub fn goals(rows: &[Row]) -> Vec<Goal> {
    let wall = |row: &Row| row.wall_ratio.median;
    let cpu = |row: &Row| row.cpu_ratio.median;
    let asking = |row: &Row| row.asking_wall_ratio.median;
    let peak = |row: &Row| row.peak_mib * f64::from(1 << 20) / 1e6;
    let steady = |row: &Row| is_steady(&row.event);
    let others = |row: &Row| !steady(row);
    let others_but_one = |row: &Row| others(row) && row.event != WAITS_FOR_THE_APP;
    let without = |row: &Row| row.counts.api_requests == 0;
    let with = |row: &Row| !without(row);
    let goal = |what, unit, goal, is_meant: &dyn Fn(&Row) -> bool, value: &dyn Fn(&Row) -> f64| {
        let meant = rows.iter().filter(|row| is_meant(row));
        let values: Vec<_> = meant.map(|row| (value(row), row.event.clone())).collect();
        Goal {
            what,
            unit,
            goal,
            events: values.len(),
            above: values.iter().filter(|(value, _)| *value > goal).count(),
            worst: values.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)),
        }
    };
    vec![
        goal("steady event, wall", FLOORS, STEADY, &steady, &wall),
        goal("steady event, CPU", FLOORS, STEADY, &steady, &cpu),
        goal("other events, wall", FLOORS, OTHERS, &others_but_one, &wall),
        goal("other events, CPU", FLOORS, OTHERS, &others, &cpu),
        goal("other events, wall", ASKING, OTHERS, &others_but_one, &asking),
        goal("peak without Kubernetes", "MB", PEAK_WITHOUT, &without, &peak),
        goal("peak with Kubernetes", "MB", PEAK_WITH, &with, &peak),
    ]
}

/// The unit of what is compared with the floor.
const FLOORS: &str = "times the floor";
/// The unit of what is compared with the floor that asks the API server the same.
const ASKING: &str = "times the floor that asks";

/// A line for each.
pub fn text(goals: &[Goal]) -> String {
    let mut text = String::new();
    for goal in goals {
        let Goal {
            what,
            unit,
            goal: most,
            worst,
            events,
            above,
        } = goal;
        // Writing to a string cannot fail.
        let _ = match worst {
            None => writeln!(text, "{what}: not measured (goal {most} {unit})"),
            Some((worst, event)) => {
                let met = if goal.is_met() == Some(true) {
                    "met".to_owned()
                } else {
                    format!("missed by {above} of {events}")
                };
                writeln!(
                    text,
                    "{what}: at most {worst:.2} {unit} (goal {most}): {met}; the most is {event}"
                )
            }
        };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::statistics::Spread;
    use crate::bench::table::Counts;

    fn row(event: &str, ratio: f64, api_requests: u64, peak_mib: f64) -> Row {
        let spread = Spread::of([ratio]);
        Row {
            event: event.to_owned(),
            wall_ratio: spread,
            cpu_ratio: spread,
            asking_wall_ratio: spread,
            peak_mib,
            counts: Counts {
                api_requests,
                ..Counts::default()
            },
            ..Row::default()
        }
    }

    #[test]
    fn the_worst_event_decides() {
        let rows = [
            row("update-status", 1.2, 0, 7.0),
            row("update-status, trusted", 1.3, 0, 7.7),
            row("start", 1.4, 5, 11.0),
        ];
        let goals = goals(&rows);
        let met: Vec<_> = goals.iter().map(Goal::is_met).collect();
        // 7.7 MiB are more than 8 MB.
        assert_eq!(
            met,
            [
                Some(false),
                Some(false),
                Some(true),
                Some(true),
                Some(true),
                Some(false),
                Some(true)
            ]
        );
        assert!(
            text(&goals).starts_with(
                "steady event, wall: at most 1.30 times the floor (goal 1.25): missed by 1 of 2; the most is update-status, trusted\n"
            ),
            "{}",
            text(&goals)
        );
    }

    #[test]
    fn what_the_app_takes_to_start_is_in_no_goal_of_wall_time() {
        let goals = goals(&[row("start", 1.4, 0, 1.0), row(WAITS_FOR_THE_APP, 16.0, 0, 1.0)]);
        let [_, _, wall, cpu, ..] = &*goals else {
            panic!("there are fewer goals")
        };
        assert_eq!((wall.events, wall.is_met()), (1, Some(true)));
        assert_eq!((cpu.events, cpu.is_met()), (2, Some(false)));
    }

    #[test]
    fn a_goal_is_met_at_its_value_and_not_without_a_measurement() {
        let goals = goals(&[row("start", 1.5, 0, 1.0)]);
        assert_eq!(goals[2].is_met(), Some(true));
        assert_eq!(goals[6].is_met(), None);
        assert!(text(&goals).ends_with("peak with Kubernetes: not measured (goal 12 MB)\n"));
    }
}
