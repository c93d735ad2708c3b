//! Rows of the table, and the table.

use std::fmt::Write as _;
use std::time::Duration;

use bench_programs::Usage;
use serde::Serialize;

use super::life::Measured;
use super::statistics::Spread;

/// One event.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// Its name.
    pub event: String,
    /// How often it was measured.
    pub rounds: usize,
    /// Of the charm, in milliseconds.
    pub wall_ms: Spread,
    /// Processor time of the charm alone, median, in milliseconds.
    pub own_cpu_ms: f64,
    /// Processor time of the charm and its hook tools, median, in milliseconds.
    pub cpu_ms: f64,
    /// Peak of resident memory of the charm, or of its biggest hook tool, median, in MiB.
    pub peak_mib: f64,
    /// System calls of the charm alone; none if they were not counted.
    pub system_calls: Option<usize>,
    /// The same of the program that makes the same calls of hook tools.
    pub floor_system_calls: Option<usize>,
    /// Hook tools called, median.
    pub hook_tools: usize,
    /// Bytes written to databags, median.
    pub databag_bytes: usize,
    /// Of a static program that does nothing, in milliseconds.
    pub nothing_wall_ms: Spread,
    /// Of a static program that makes the same calls of hook tools, in milliseconds.
    pub floor_wall_ms: Spread,
    /// Charm to that program, in each dispatch; how this lies.
    pub wall_ratio: Spread,
    /// The same for processor time.
    pub cpu_ratio: Spread,
}

/// A row for each event, in the order in which they first came.
pub fn rows(measured: &[Measured]) -> Vec<Row> {
    let mut events: Vec<&str> = Vec::new();
    for one in measured {
        if !events.contains(&one.event.as_str()) {
            events.push(&one.event);
        }
    }
    events.iter().map(|event| row(event, measured)).collect()
}

/// The row of one event.
pub fn row(event: &str, measured: &[Measured]) -> Row {
    let all: Vec<&Measured> = measured.iter().filter(|one| one.event == event).collect();
    let timed: Vec<&Measured> = all
        .iter()
        .copied()
        .filter(|one| one.dispatch.usage("charm").is_some())
        .collect();
    let spread = |name: &str, value: &dyn Fn(&Usage) -> f64| {
        Spread::of(timed.iter().filter_map(|one| one.dispatch.usage(name)).map(value))
    };
    let ratio = |value: &dyn Fn(&Usage) -> f64| {
        let pairs = timed
            .iter()
            .filter_map(|one| Some((one.dispatch.usage("charm")?, one.dispatch.usage("replay")?)));
        Spread::of(pairs.map(|(charm, floor)| value(charm) / value(floor)))
    };
    let counted = all.iter().filter_map(|one| one.system_calls).next_back();
    let wall = |usage: &Usage| milliseconds(usage.wall);
    let cpu = |usage: &Usage| milliseconds(usage.all_cpu);
    Row {
        event: event.to_owned(),
        rounds: timed.len(),
        wall_ms: spread("charm", &wall),
        own_cpu_ms: spread("charm", &|usage| milliseconds(usage.own_cpu)).median,
        cpu_ms: spread("charm", &cpu).median,
        peak_mib: spread("charm", &|usage| usage.peak_bytes as f64 / f64::from(1 << 20)).median,
        system_calls: counted.map(|[charm, _]| charm),
        floor_system_calls: counted.map(|[_, floor]| floor),
        hook_tools: Spread::of(timed.iter().map(|one| one.dispatch.calls() as f64)).median as usize,
        databag_bytes: Spread::of(timed.iter().map(|one| one.dispatch.databag_bytes as f64)).median as usize,
        nothing_wall_ms: spread("nothing", &wall),
        floor_wall_ms: spread("replay", &wall),
        wall_ratio: ratio(&wall),
        cpu_ratio: ratio(&cpu),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// The table as text.
pub fn text(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<40} {:>3} | {:>6} {:>6} {:>6} {:>6} | {:>6} {:>6} {:>5} {:>6} {:>5} {:>6} | {:>7} {:>6} {:>6} | {:>6} {:>5}\n",
        "",
        "",
        "wall",
        "",
        "",
        "",
        "own",
        "",
        "peak",
        "system",
        "hook",
        "databag",
        "",
        "floor",
        "floor",
        "times",
        ""
    );
    let _ = writeln!(
        text,
        "{:<40} {:>3} | {:>6} {:>6} {:>6} {:>6} | {:>6} {:>6} {:>5} {:>6} {:>5} {:>6} | {:>7} {:>6} {:>6} | {:>6} {:>5}",
        "event",
        "n",
        "min",
        "25 %",
        "median",
        "75 %",
        "CPU",
        "CPU",
        "MiB",
        "calls",
        "tools",
        "bytes",
        "nothing",
        "tools",
        "calls",
        "wall",
        "CPU"
    );
    for row in rows {
        let count = |calls: Option<usize>| calls.map_or_else(|| "-".to_owned(), |calls| calls.to_string());
        let wall = row.wall_ms;
        let _ = writeln!(
            text,
            "{:<40} {:>3} | {:>6.1} {:>6.1} {:>6.1} {:>6.1} | {:>6.1} {:>6.1} {:>5.1} {:>6} {:>5} {:>6} | {:>7.2} {:>6.1} {:>6} | {:>6.2} {:>5.2}",
            row.event,
            row.rounds,
            wall.min,
            wall.lower,
            wall.median,
            wall.upper,
            row.own_cpu_ms,
            row.cpu_ms,
            row.peak_mib,
            count(row.system_calls),
            row.hook_tools,
            row.databag_bytes,
            row.nothing_wall_ms.median,
            row.floor_wall_ms.median,
            count(row.floor_system_calls),
            row.wall_ratio.median,
            row.cpu_ratio.median,
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use bench_programs::{Dispatch, Run};

    use super::*;

    fn measured(event: &str, charm: u64, floor: u64) -> Measured {
        let run = |name: &str, milliseconds: u64| Run {
            name: name.to_owned(),
            usage: Usage {
                wall: Duration::from_millis(milliseconds),
                own_cpu: Duration::from_millis(1),
                all_cpu: Duration::from_millis(milliseconds),
                peak_bytes: 8 << 20,
                code: 0,
            },
        };
        Measured {
            event: event.to_owned(),
            dispatch: Dispatch {
                path: format!("hooks/{event}"),
                tools: "is-leader,config-get".to_owned(),
                databag_bytes: 7,
                runs: vec![run("charm", charm), run("replay", floor)],
            },
            system_calls: None,
        }
    }

    #[test]
    fn a_ratio_is_that_of_turns_in_the_same_dispatch() {
        // The machine was ten times slower in the second: the ratio of medians would be another.
        let rows = rows(&[
            measured("start", 20, 10),
            measured("start", 300, 100),
            measured("stop", 5, 5),
        ]);
        assert_eq!(
            rows.iter().map(|row| row.event.as_str()).collect::<Vec<_>>(),
            ["start", "stop"]
        );
        assert_eq!((rows[0].wall_ratio.median, rows[0].wall_ms.median), (2.5, 160.0));
        assert_eq!(
            (rows[0].hook_tools, rows[0].databag_bytes, rows[0].peak_mib),
            (2, 7, 8.0)
        );
    }

    #[test]
    fn a_traced_dispatch_counts_calls_and_no_time() {
        let mut traced = measured("start", 900, 1);
        traced.system_calls = Some([40, 30]);
        for run in &mut traced.dispatch.runs {
            run.name.insert_str(0, "strace-");
        }
        let rows = rows(&[measured("start", 20, 10), traced]);
        assert_eq!((rows[0].rounds, rows[0].wall_ms.median), (1, 20.0));
        assert_eq!(
            (rows[0].system_calls, rows[0].floor_system_calls),
            (Some(40), Some(30))
        );
        let text = text(&rows);
        assert!(
            text.lines()
                .last()
                .is_some_and(|line| line.starts_with("start") && line.contains(" 40 ")),
            "{text}"
        );
    }
}
