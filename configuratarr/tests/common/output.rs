//! What the program did, and how a test looks at it.

use std::collections::BTreeMap;

use juju_sim::ClusterRequest;
use serde_json::Value;

/// A run of the program.
#[derive(Debug)]
pub struct Ran {
    /// What it printed as data.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
    /// Its exit code; none if a signal ended it.
    pub code: Option<i32>,
    /// What it asked the cluster.
    pub requests: Vec<ClusterRequest>,
    /// How it called `juju`.
    pub juju_calls: Vec<String>,
    /// What is different each time, and what stands in its place in a snapshot.
    pub hidden: Vec<(String, &'static str)>,
}

impl Ran {
    /// It has to have exited with this code.
    #[track_caller]
    pub fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{}", self.shown());
        self
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.shown()))
    }

    /// All of it, for a snapshot.
    pub fn shown(&self) -> String {
        let code = self
            .code
            .map_or_else(|| "signal".to_owned(), |code| code.to_string());
        let mut text = format!("exit {code}\n");
        for (name, stream) in [("stdout", &self.stdout), ("stderr", &self.stderr)] {
            if !stream.is_empty() {
                text.push_str(&format!("--- {name}\n{stream}"));
            }
        }
        for (found, name) in &self.hidden {
            text = text.replace(found, name);
        }
        without_times(&text)
    }

    /// How often the cluster was asked for each resource.
    pub fn asked(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for request in &self.requests {
            *counts
                .entry(request.path.rsplit('/').next().unwrap())
                .or_default() += 1;
        }
        counts
    }
}

/// The text with each date and time of day as `9`s: `9999-99-99 99:99 UTC`.
fn without_times(text: &str) -> String {
    const FORMS: [&str; 3] = ["9999-99-99T99:99:99", "9999-99-99 99:99", "9999-99-99"];
    let bytes = text.as_bytes();
    let fits = |from: usize, form: &str| {
        let found = bytes.get(from..from + form.len());
        found.is_some_and(|found| {
            found.iter().zip(form.bytes()).all(|(found, form)| match form {
                b'9' => found.is_ascii_digit(),
                other => *found == other,
            })
        })
    };
    let mut plain = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match FORMS.iter().find(|form| fits(at, form)) {
            Some(form) => {
                plain.extend(form.bytes());
                at += form.len();
                // Parts of a second have as many digits as they need.
                if bytes.get(at) == Some(&b'.') && form.ends_with(":99:99") {
                    at += 1 + bytes[at + 1..]
                        .iter()
                        .take_while(|byte| byte.is_ascii_digit())
                        .count();
                }
            }
            None => {
                plain.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(plain).unwrap()
}
