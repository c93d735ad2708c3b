//! `juju-log` and `action-log`.

use super::{Answer, Call, Failure, Tool, UNUSED_FORMAT, action};
use crate::flags::{Flag, FlagKind, quote};
use crate::session::{LogLevel, LogLine, LogTarget};

pub(super) const TOOLS: &[Tool] = &[
    Tool {
        name: "juju-log",
        words: "<message>",
        words_in_relation: None,
        summary: "Writes to the model's log.",
        flags: &[UNUSED_FORMAT, LEVEL],
        run: juju_log,
    },
    Tool {
        name: "action-log",
        words: "<message>",
        words_in_relation: None,
        summary: "Tells the user how the action gets on.",
        flags: &[],
        run: action_log,
    },
];

const LEVEL: &[Flag] = &[
    Flag {
        names: &["debug"],
        kind: FlagKind::Switch,
        help: "Log at the level DEBUG",
    },
    Flag {
        names: &["l", "log-level"],
        kind: FlagKind::Text("INFO"),
        help: "Log at this level",
    },
];

fn juju_log(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let message = message(call)?;
    call.warn_about_format();
    let wanted = call.flags.get("l").filter(|level| !level.is_empty());
    let level = if call.flags.is_on("debug") {
        LogLevel::Debug
    } else {
        match wanted.map(|level| (level, parse_level(level))) {
            None => LogLevel::Info,
            Some((_, Some(level))) => level,
            Some((level, None)) => {
                let text = format!("Specified log level of {} is not valid", quote(level));
                call.log.push(LogLine {
                    target: LogTarget::Unit(LogLevel::Warning),
                    text,
                });
                LogLevel::Info
            }
        }
    };
    let prefix = call.session.context.event.relation().and_then(|id| {
        let relation = call.model.relations.get(&id)?;
        Some(format!("{}: ", relation.name_for(call.application())))
    });
    call.log.push(LogLine {
        target: LogTarget::Unit(level),
        text: format!("{}{message}", prefix.unwrap_or_default()),
    });
    Ok(Answer::Nothing)
}

/// Case does not matter, as in github.com/juju/loggo.
fn parse_level(name: &str) -> Option<LogLevel> {
    match name.to_ascii_uppercase().as_str() {
        "TRACE" => Some(LogLevel::Trace),
        "DEBUG" => Some(LogLevel::Debug),
        "INFO" => Some(LogLevel::Info),
        "WARN" | "WARNING" => Some(LogLevel::Warning),
        "ERROR" => Some(LogLevel::Error),
        "CRITICAL" => Some(LogLevel::Critical),
        _ => None,
    }
}

fn action_log(call: &mut Call<'_>) -> Result<Answer, Failure> {
    let text = message(call)?;
    action::outcome(call)?;
    call.log.push(LogLine {
        target: LogTarget::Action,
        text,
    });
    Ok(Answer::Nothing)
}

fn message(call: &Call<'_>) -> Result<String, Failure> {
    if call.words().is_empty() {
        return Err(Failure::usage("no message specified"));
    }
    Ok(call.words().join(" "))
}
