//! What is sent, worded for each kind of receiver.

use config_recovery::words::time;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Format, Notice, Turn};
use crate::facts::Facts;

/// What is to be said.
#[derive(Debug, Clone)]
pub struct Message {
    /// The application.
    pub app: String,
    /// Its model.
    pub model: String,
    /// What it is about: `BackupOverdue`.
    pub kind: String,
    /// Whether something is wrong, or not any more.
    pub turn: Turn,
    /// What is wrong, or was.
    pub what: String,
    /// Since when.
    pub since: Timestamp,
    /// What to do; empty where nothing is to be done.
    pub next: String,
    /// When it was seen.
    pub at: Timestamp,
    /// Whether something else is still wrong.
    pub others_are_open: bool,
}

/// A request, but for where it goes.
pub(super) struct Body {
    /// What comes behind the path of the URL.
    pub path: &'static str,
    pub content_type: &'static str,
    pub headers: Vec<(&'static str, String)>,
    pub content: Vec<u8>,
}

impl Message {
    /// What tells of a turn.
    pub(super) fn of_notice(facts: &Facts, notice: &Notice, others_are_open: bool) -> Self {
        Self {
            app: facts.app.clone(),
            model: facts.model.clone(),
            kind: notice.kind.name().to_owned(),
            turn: notice.turn,
            what: notice.what.clone(),
            since: notice.since,
            next: notice.next.clone(),
            at: notice.at,
            others_are_open,
        }
    }

    /// What somebody asks for to see that it arrives.
    pub fn test(facts: &Facts) -> Self {
        Self {
            app: facts.app.clone(),
            model: facts.model.clone(),
            kind: "Test".to_owned(),
            turn: Turn::Good,
            what: "this is a test notification, somebody has asked for it".to_owned(),
            since: facts.now,
            next: String::new(),
            at: facts.now,
            others_are_open: false,
        }
    }

    fn title(&self) -> String {
        let Self { app, model, kind, .. } = self;
        match self.turn {
            Turn::Bad => format!("{app} in {model}: {kind}"),
            Turn::Good if kind == "Test" => format!("{app} in {model}: test"),
            Turn::Good => format!("{app} in {model}: {kind} is over"),
        }
    }

    fn text(&self) -> String {
        let since = time(self.since);
        match self.turn {
            Turn::Good if self.kind == "Test" => self.what.clone(),
            Turn::Good => format!("Good again. It was, since {since}: {}", self.what),
            Turn::Bad => format!("{}\nSince {since}. Next: {}", self.what, self.next),
        }
    }

    /// In one text with its title.
    fn whole(&self) -> String {
        let sign = match self.turn {
            Turn::Bad => "\u{26a0}\u{fe0f}",
            Turn::Good => "\u{2705}",
        };
        format!("{sign} {}\n{}", self.title(), self.text())
    }

    pub(super) fn body(&self, format: Format) -> Body {
        let json_of = |value: Value| Body {
            path: "",
            content_type: "application/json",
            headers: Vec::new(),
            content: value.to_string().into_bytes(),
        };
        let text_of = |path, headers, text: String| Body {
            path,
            content_type: "text/plain; charset=utf-8",
            headers,
            content: text.into_bytes(),
        };
        let is_bad = self.turn == Turn::Bad;
        match format {
            Format::Ntfy => {
                let (priority, tags) = match is_bad {
                    true => ("high", "warning"),
                    false => ("default", "white_check_mark"),
                };
                let headers = [
                    ("title", self.title()),
                    ("priority", priority.to_owned()),
                    ("tags", tags.to_owned()),
                ];
                text_of("", headers.to_vec(), self.text())
            }
            // What others say must not call people.
            Format::Discord => json_of(json!({"content": self.whole(), "allowed_mentions": {"parse": []}})),
            Format::Slack => {
                let text = self.whole().replace('&', "&amp;");
                json_of(json!({"text": text.replace('<', "&lt;").replace('>', "&gt;")}))
            }
            Format::Ping => {
                let path = match is_bad || self.others_are_open {
                    true => "/fail",
                    false => "",
                };
                text_of(path, Vec::new(), self.whole())
            }
            Format::Json => json_of(json!({
                "app": self.app,
                "model": self.model,
                "kind": self.kind,
                "state": if is_bad { "bad" } else { "good" },
                "what": self.what,
                "since": self.since.to_string(),
                "next": self.next,
                "at": self.at.to_string(),
            })),
        }
    }
}
