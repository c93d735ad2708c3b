//! Rows of the tables, and the tables.

use std::time::Duration;

use bench_programs::{Dispatch, Usage};
use serde::{Deserialize, Serialize};

use super::columns::{self, RULE};
use super::life::Measured;
use super::statistics::Spread;

/// One event.
#[derive(Debug, Clone, Default, Serialize)]
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
    /// What was counted.
    pub counts: Counts,
    /// Bytes of requests to the API server and of their answers, without TLS, median.
    pub api_bytes: u64,
    /// Of a static program that does nothing, in milliseconds.
    pub nothing_wall_ms: Spread,
    /// Of a static program that makes the same calls of hook tools, in milliseconds.
    pub floor_wall_ms: Spread,
    /// Processor time of that program and its hook tools, median, in milliseconds.
    pub floor_cpu_ms: f64,
    /// Charm to that program, in each dispatch; how this lies.
    pub wall_ratio: Spread,
    /// The same for processor time.
    pub cpu_ratio: Spread,
    /// Of a static program that makes the same calls of hook tools and then the same requests to the API server, in milliseconds.
    pub asking_wall_ms: Spread,
    /// Charm to that program, in each dispatch; how this lies.
    pub asking_wall_ratio: Spread,
    /// The same for processor time.
    pub asking_cpu_ratio: Spread,
}

/// What is exact: the most that any dispatch of an event took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Hook tools called.
    pub hook_tools: u64,
    /// Bytes written to databags.
    pub databag_bytes: u64,
    /// Requests to the API server.
    pub api_requests: u64,
    /// Connections to Pebble; none if Pebble did not count them.
    pub pebble_connections: Option<u64>,
    /// Threads that the charm made; none if they were not counted.
    pub threads: Option<u64>,
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
    let ratio = |floor: &str, value: &dyn Fn(&Usage) -> f64| {
        let pairs = timed
            .iter()
            .filter_map(|one| Some((one.dispatch.usage("charm")?, one.dispatch.usage(floor)?)));
        Spread::of(pairs.map(|(charm, floor)| value(charm) / value(floor)))
    };
    let traced = all.iter().filter_map(|one| one.traced).next_back();
    let most = |value: &dyn Fn(&Dispatch) -> u64| {
        let values = timed.iter().map(|one| value(&one.dispatch));
        values.max().unwrap_or_default()
    };
    let wall = |usage: &Usage| milliseconds(usage.wall);
    let cpu = |usage: &Usage| milliseconds(usage.all_cpu);
    let api_bytes = timed.iter().map(|one| one.dispatch.traffic.api_bytes as f64);
    Row {
        event: event.to_owned(),
        rounds: timed.len(),
        wall_ms: spread("charm", &wall),
        own_cpu_ms: spread("charm", &|usage| milliseconds(usage.own_cpu)).median,
        cpu_ms: spread("charm", &cpu).median,
        peak_mib: spread("charm", &|usage| usage.peak_bytes as f64 / f64::from(1 << 20)).median,
        system_calls: traced.map(|[charm, _]| charm.calls),
        floor_system_calls: traced.map(|[_, floor]| floor.calls),
        counts: Counts {
            hook_tools: most(&|dispatch| dispatch.calls() as u64),
            databag_bytes: most(&|dispatch| dispatch.databag_bytes as u64),
            api_requests: most(&|dispatch| dispatch.traffic.api_requests),
            pebble_connections: timed
                .iter()
                .filter_map(|one| one.dispatch.traffic.pebble_connections)
                .max(),
            threads: traced.map(|[charm, _]| charm.threads as u64),
        },
        api_bytes: Spread::of(api_bytes).median as u64,
        nothing_wall_ms: spread("nothing", &wall),
        floor_wall_ms: spread("replay", &wall),
        floor_cpu_ms: spread("replay", &cpu).median,
        wall_ratio: ratio("replay", &wall),
        cpu_ratio: ratio("replay", &cpu),
        asking_wall_ms: spread("asking", &wall),
        asking_wall_ratio: ratio("asking", &wall),
        asking_cpu_ratio: ratio("asking", &cpu),
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}

/// What events take, as text.
pub fn times(rows: &[Row]) -> String {
    let headings = [
        ["", "event"],
        ["", "n"],
        RULE,
        ["wall", "min"],
        ["", "25 %"],
        ["", "median"],
        ["", "75 %"],
        RULE,
        ["own", "CPU"],
        ["", "CPU"],
        ["peak", "MiB"],
        RULE,
        ["wall of", "nothing"],
        ["floor", "wall"],
        ["floor", "CPU"],
        RULE,
        ["times", "wall"],
        ["the floor", "CPU"],
        RULE,
        ["it asks:", "wall"],
        ["times", "wall"],
        ["this", "CPU"],
    ];
    let line = |row: &Row| {
        let mut line = vec![row.event.clone(), row.rounds.to_string()];
        let wall = row.wall_ms;
        let tenths = [
            wall.min,
            wall.lower,
            wall.median,
            wall.upper,
            row.own_cpu_ms,
            row.cpu_ms,
            row.peak_mib,
        ];
        line.extend(tenths.map(|value| format!("{value:.1}")));
        line.push(format!("{:.2}", row.nothing_wall_ms.median));
        line.extend([row.floor_wall_ms.median, row.floor_cpu_ms].map(|value| format!("{value:.1}")));
        let ratios = |ratios: [Spread; 2]| ratios.map(|ratio| format!("{:.2}", ratio.median));
        line.extend(ratios([row.wall_ratio, row.cpu_ratio]));
        line.push(format!("{:.1}", row.asking_wall_ms.median));
        line.extend(ratios([row.asking_wall_ratio, row.asking_cpu_ratio]));
        line
    };
    columns::text(&headings, &rows.iter().map(line).collect::<Vec<_>>())
}

/// What events make, as text.
pub fn counts(rows: &[Row]) -> String {
    let headings = [
        ["", "event"],
        RULE,
        ["hook", "tools"],
        ["databag", "bytes"],
        ["API", "requests"],
        ["API", "bytes"],
        ["connections", "to Pebble"],
        ["", "threads"],
        ["system", "calls"],
        ["of the", "floor"],
    ];
    let line = |row: &Row| {
        let Counts {
            hook_tools,
            databag_bytes,
            api_requests,
            pebble_connections,
            threads,
        } = row.counts;
        let calls = |calls: Option<usize>| counted(calls.map(|calls| calls as u64));
        vec![
            row.event.clone(),
            hook_tools.to_string(),
            databag_bytes.to_string(),
            api_requests.to_string(),
            row.api_bytes.to_string(),
            counted(pebble_connections),
            counted(threads),
            calls(row.system_calls),
            calls(row.floor_system_calls),
        ]
    };
    columns::text(&headings, &rows.iter().map(line).collect::<Vec<_>>())
}

/// A count, or a stroke for what was not counted.
pub fn counted(count: Option<u64>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

#[cfg(test)]
mod tests {
    use bench_programs::{Run, Traffic};

    use super::*;
    use crate::bench::trace::Traced;

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
                traffic: Traffic {
                    api_requests: charm / 10,
                    api_bytes: 100,
                    pebble_connections: Some(1),
                },
                runs: vec![run("charm", charm), run("replay", floor)],
            },
            traced: None,
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
        assert_eq!(rows[0].peak_mib, 8.0);
    }

    #[test]
    fn what_is_counted_is_the_most_of_any_dispatch() {
        let rows = rows(&[
            measured("start", 20, 10),
            measured("start", 300, 100),
            measured("start", 10, 1),
        ]);
        let expected = Counts {
            hook_tools: 2,
            databag_bytes: 7,
            api_requests: 30,
            pebble_connections: Some(1),
            threads: None,
        };
        assert_eq!(rows[0].counts, expected);
    }

    #[test]
    fn a_traced_dispatch_counts_calls_and_no_time() {
        let mut traced = measured("start", 900, 1);
        let count = |calls, threads| Traced { calls, threads };
        traced.traced = Some([count(40, 3), count(30, 0)]);
        for run in &mut traced.dispatch.runs {
            run.name.insert_str(0, "strace-");
        }
        let rows = rows(&[measured("start", 20, 10), traced]);
        assert_eq!((rows[0].rounds, rows[0].wall_ms.median), (1, 20.0));
        assert_eq!(
            (rows[0].system_calls, rows[0].floor_system_calls),
            (Some(40), Some(30))
        );
        assert_eq!(rows[0].counts.threads, Some(3));
        let text = counts(&rows);
        let last: Vec<&str> = text.lines().last().unwrap().split_whitespace().collect();
        assert_eq!(last, ["start", "|", "2", "7", "2", "100", "1", "3", "40", "30"]);
    }
}
