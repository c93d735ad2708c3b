//! What services wrote.

use std::collections::VecDeque;

use jiff::Timestamp;
use serde_json::json;

use super::answer::{Answer, Answered, bad_request};
use super::daemon::{Daemon, State};
use super::query::Request;

/// So many bytes are kept of each service.
const KEPT_BYTES: usize = 100 * 1024;

/// So many lines are told when nobody says how many.
const DEFAULT_LINES: usize = 30;

/// The last lines that a service wrote.
#[derive(Debug, Default)]
pub(crate) struct Log {
    lines: VecDeque<Line>,
    bytes: usize,
    /// How many lines there were before the first one kept.
    dropped: usize,
}

#[derive(Debug, Clone)]
struct Line {
    time: Timestamp,
    message: String,
}

impl Log {
    /// Adds a line, without its end.
    pub fn push(&mut self, message: String) {
        self.bytes += message.len();
        self.lines.push_back(Line {
            time: Timestamp::now(),
            message,
        });
        while self.bytes > KEPT_BYTES
            && let Some(line) = self.lines.pop_front()
        {
            self.bytes -= line.message.len();
            self.dropped += 1;
        }
    }

    /// The last lines, for the log of a task or an error.
    pub fn last(&self, count: usize, indent: &str) -> String {
        let mut lines: Vec<&str> = Vec::new();
        let first = self.lines.len().saturating_sub(count);
        if first > 0 {
            lines.push("(...)");
        }
        lines.extend(self.lines.iter().skip(first).map(|line| line.message.as_str()));
        let text = lines.join("\n");
        let lines: Vec<String> = text
            .trim()
            .split('\n')
            .map(|line| format!("{indent}{line}"))
            .collect();
        lines.join("\n")
    }
}

/// Lines of some services as they are sent, oldest first; and for each service how many it has by now.
fn lines(state: &State, services: &[String], from: &[usize]) -> (Vec<String>, Vec<usize>) {
    let mut found: Vec<(Timestamp, String)> = Vec::new();
    let mut counts = Vec::new();
    for (index, name) in services.iter().enumerate() {
        let Some(log) = state.services.get(name).map(|service| &service.log) else {
            counts.push(0);
            continue;
        };
        let skipped = from
            .get(index)
            .copied()
            .unwrap_or_default()
            .saturating_sub(log.dropped);
        for line in log.lines.iter().skip(skipped) {
            let time = line.time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string();
            let text = json!({"time": time, "service": name, "message": line.message});
            found.push((line.time, format!("{text}\n")));
        }
        counts.push(log.dropped + log.lines.len());
    }
    // Stable: lines of the same moment stay in order.
    found.sort_by_key(|(time, _)| *time);
    (found.into_iter().map(|(_, line)| line).collect(), counts)
}

/// `GET /v1/logs`
pub(crate) fn get(daemon: &std::sync::Arc<Daemon>, request: &Request) -> Answered {
    let follow = match request.get("follow") {
        "" | "false" => false,
        "true" => true,
        _ => return Err(bad_request("follow parameter must be \"true\" or \"false\"")),
    };
    let count = match request.get("n") {
        "" if follow => Some(0),
        "" => Some(DEFAULT_LINES),
        "-1" => None,
        text => match text.parse() {
            Ok(count) => Some(count),
            Err(_) => return Err(bad_request("n must be -1, 0, or a positive integer")),
        },
    };
    let mut services = request.list("services");
    if services.is_empty() {
        services = daemon.read(|state| state.layers.plan.services.keys().cloned().collect());
    }
    let (mut first, mut seen) = daemon.read(|state| lines(state, &services, &[]));
    if let Some(count) = count {
        first.drain(..first.len().saturating_sub(count));
    }
    if !follow {
        return Ok(Answer::Raw(
            "application/x-ndjson".to_owned(),
            first.concat().into_bytes(),
        ));
    }
    let (sender, receiver) = tokio::sync::mpsc::channel(16);
    let daemon = daemon.clone();
    tokio::spawn(async move {
        let mut text = first.concat();
        loop {
            if !text.is_empty() && sender.send(text).await.is_err() {
                return;
            }
            let more = daemon.wait_for(|state| {
                let (found, counts) = lines(state, &services, &seen);
                (!found.is_empty()).then_some((found, counts))
            });
            let (found, counts) = tokio::select! {
                more = more => more,
                () = sender.closed() => return,
            };
            text = found.concat();
            seen = counts;
        }
    });
    Ok(Answer::Stream("application/x-ndjson", receiver))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_keeps_its_last_lines() {
        let mut log = Log::default();
        assert_eq!(log.last(2, "    "), "    ");
        for line in ["one", "two", "three"] {
            log.push(line.to_owned());
        }
        assert_eq!(log.last(3, ""), "one\ntwo\nthree");
        assert_eq!(log.last(2, "  "), "  (...)\n  two\n  three");
        for _ in 0..3 {
            log.push("x".repeat(KEPT_BYTES / 2));
        }
        assert_eq!((log.lines.len(), log.dropped), (2, 4));
    }
}
