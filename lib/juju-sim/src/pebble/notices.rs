//! Notices: what happened, counted by type, key and user.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use juju_charm::pebble::duration;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::answer::{Answered, Fault, bad_request, not_found, sync};
use super::daemon::{Daemon, State};
use super::query::Request;

/// The types that Pebble 1.26 knows.
const TYPES: [&str; 3] = ["custom", "change-update", "warning"];

/// How long a notice is kept after it occurred.
const EXPIRE_AFTER: Duration = Duration::from_secs(7 * 24 * 3600);

const LONGEST_KEY: usize = 256;
const MOST_DATA: usize = 4 * 1024;

/// All notices.
#[derive(Debug, Default)]
pub(crate) struct Notices {
    last_id: u64,
    notices: Vec<Notice>,
    newest: Option<Timestamp>,
}

#[derive(Debug)]
struct Notice {
    id: u64,
    user: Option<u32>,
    kind: &'static str,
    key: String,
    first: Timestamp,
    last: Timestamp,
    repeated: Timestamp,
    occurrences: u64,
    data: BTreeMap<String, String>,
    repeat_after: Duration,
}

/// Which notices to give.
#[derive(Debug, Default)]
struct Filter {
    types: Vec<String>,
    keys: Vec<String>,
    after: Option<Timestamp>,
}

impl Notices {
    /// Counts an occurrence. Gives the number of the notice.
    pub fn add(
        &mut self,
        user: Option<u32>,
        kind: &'static str,
        key: &str,
        data: BTreeMap<String, String>,
        repeat_after: Duration,
    ) -> u64 {
        // No two are at the same time, so that nobody who asks "after" misses one.
        let now = match self.newest {
            Some(newest) if newest >= Timestamp::now() => newest
                .saturating_add(jiff::SignedDuration::from_nanos(1))
                .unwrap_or(newest),
            _ => Timestamp::now(),
        };
        self.newest = Some(now);
        let same = |notice: &&mut Notice| {
            notice.user == user && notice.kind == kind && notice.key == key && !notice.has_expired(now)
        };
        if let Some(notice) = self.notices.iter_mut().find(same) {
            notice.occurrences += 1;
            let since = now.duration_since(notice.repeated);
            if repeat_after.is_zero() || since.unsigned_abs() > repeat_after {
                notice.repeated = now;
            }
            notice.last = now;
            notice.data = data;
            notice.repeat_after = repeat_after;
            return notice.id;
        }
        self.last_id += 1;
        self.notices.push(Notice {
            id: self.last_id,
            user,
            kind,
            key: key.to_owned(),
            first: now,
            last: now,
            repeated: now,
            occurrences: 1,
            data,
            repeat_after,
        });
        self.last_id
    }

    /// How often the notice of a change occurred.
    #[cfg(test)]
    pub fn occurrences(&self, key: &str) -> u64 {
        let mut notices = self.notices.iter();
        notices
            .find(|notice| notice.key == key)
            .map_or(0, |notice| notice.occurrences)
    }

    fn matching(&self, filter: &Filter) -> Vec<Value> {
        let now = Timestamp::now();
        let mut found: Vec<&Notice> = self
            .notices
            .iter()
            .filter(|notice| {
                !notice.has_expired(now)
                    && (filter.types.is_empty() || filter.types.iter().any(|kind| kind == notice.kind))
                    && (filter.keys.is_empty() || filter.keys.contains(&notice.key))
                    && filter.after.is_none_or(|after| notice.repeated > after)
            })
            .collect();
        found.sort_by_key(|notice| notice.repeated);
        found.into_iter().map(Notice::to_json).collect()
    }
}

impl Notice {
    fn has_expired(&self, now: Timestamp) -> bool {
        let age = now.duration_since(self.last);
        age.is_positive() && age.unsigned_abs() > EXPIRE_AFTER
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "id": self.id.to_string(),
            "user-id": self.user,
            "type": self.kind,
            "key": self.key,
            "first-occurred": self.first.to_string(),
            "last-occurred": self.last.to_string(),
            "last-repeated": self.repeated.to_string(),
            "occurrences": self.occurrences,
            "expire-after": duration::format(EXPIRE_AFTER),
        });
        if !self.data.is_empty() {
            value["last-data"] = json!(self.data);
        }
        if !self.repeat_after.is_zero() {
            value["repeat-after"] = json!(duration::format(self.repeat_after));
        }
        value
    }
}

/// `GET /v1/notices`
pub(crate) async fn list(daemon: &Daemon, request: &Request) -> Answered {
    if !request.get("user-id").is_empty() || !request.get("users").is_empty() {
        return Err(super::answer::not_simulated("notices of certain users"));
    }
    let asked = request.list("types");
    let types: Vec<String> = asked
        .iter()
        .filter(|kind| TYPES.contains(&kind.as_str()))
        .cloned()
        .collect();
    if types.is_empty() && !asked.is_empty() {
        // Only types of later Pebbles: none, not all.
        return sync(json!([]));
    }
    let after = match request.get("after") {
        "" => None,
        text => Some(text.parse().map_err(|error| {
            bad_request(format!(
                "invalid \"after\" timestamp: parsing time {text:?}: {error}"
            ))
        })?),
    };
    let filter = Filter {
        types,
        keys: request.list("keys"),
        after,
    };
    let timeout = optional_duration("timeout", request.get("timeout"))?;
    let found = |state: &mut State| state.changes.notices.matching(&filter);
    if timeout.is_zero() {
        return sync(Value::Array(daemon.read(found)));
    }
    let some = daemon.wait_for(|state| Some(found(state)).filter(|notices| !notices.is_empty()));
    let notices = tokio::time::timeout(timeout, some).await.unwrap_or_default();
    sync(Value::Array(notices))
}

/// `GET /v1/notices/ID`
pub(crate) fn get(daemon: &Daemon, id: &str) -> Answered {
    let found = daemon.read(|state| {
        let mut notices = state.changes.notices.notices.iter();
        notices
            .find(|notice| notice.id.to_string() == id)
            .map(Notice::to_json)
    });
    found.map_or_else(
        || Err(not_found(format!("cannot find notice with ID {id:?}"))),
        sync,
    )
}

/// `POST /v1/notices`
pub(crate) fn post(daemon: &Daemon, request: &Request) -> Answered {
    #[derive(Deserialize)]
    #[serde(default, rename_all = "kebab-case")]
    #[derive(Default)]
    struct Payload {
        action: Option<String>,
        r#type: Option<String>,
        key: Option<String>,
        repeat_after: Option<String>,
        data: Option<Map<String, Value>>,
    }
    let payload: Payload = request.json("request body")?;
    let action = payload.action.unwrap_or_default();
    if action != "add" {
        return Err(bad_request(format!("invalid action {action:?}")));
    }
    let kind = payload.r#type.unwrap_or_default();
    if kind != "custom" {
        return Err(bad_request(format!(
            "invalid type {kind:?} (can only add \"custom\" notices)"
        )));
    }
    let key = payload.key.unwrap_or_default();
    if !is_custom_key(&key) {
        return Err(bad_request(format!(
            "invalid key {key:?} (must be in \"example.com/path\" format)"
        )));
    }
    if key.len() > LONGEST_KEY {
        return Err(bad_request(format!("key must be {LONGEST_KEY} bytes or less")));
    }
    let repeat_after = optional_duration("repeat-after", &payload.repeat_after.unwrap_or_default())?;
    let data = payload.data.unwrap_or_default();
    if Value::Object(data.clone()).to_string().len() > MOST_DATA {
        return Err(bad_request(format!(
            "total size of data must be {MOST_DATA} bytes or less"
        )));
    }
    let data = data
        .into_iter()
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key, text)),
            Value::Null => Ok((key, String::new())),
            other => Err(bad_request(format!(
                "cannot decode notice data: json: cannot unmarshal {} into Go value of type string",
                match other {
                    Value::Bool(_) => "bool",
                    Value::Number(_) => "number",
                    Value::Array(_) => "array",
                    _ => "object",
                }
            ))),
        })
        .collect::<Result<_, Fault>>()?;
    let user = Some(request.user);
    let id = daemon.update(|state| {
        state
            .changes
            .notices
            .add(user, "custom", &key, data, repeat_after)
    });
    sync(json!({ "id": id.to_string() }))
}

/// A duration that may be missing; then it is zero.
pub(crate) fn optional_duration(what: &str, text: &str) -> Result<Duration, Fault> {
    if text.is_empty() {
        return Ok(Duration::ZERO);
    }
    duration::parse(text).map_err(|_| {
        let reason = match text.parse::<f64>() {
            Ok(_) => "missing unit in duration",
            Err(_) => "invalid duration",
        };
        bad_request(format!("invalid {what}: time: {reason} {text:?}"))
    })
}

/// Whether a key looks like `example.com/path`: labels of small letters and digits, with single dashes inside, at least
/// one dot and at least one slash after it.
fn is_custom_key(key: &str) -> bool {
    let is_label = |label: &str| {
        label.split('-').all(|part| {
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        })
    };
    let Some((domain, path)) = key.split_once('/') else {
        return false;
    };
    domain.contains('.') && domain.split('.').all(is_label) && path.split('/').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_key_is_a_domain_and_a_path() {
        for key in ["example.com/x", "a-b.c.d/e-f/g1"] {
            assert!(is_custom_key(key), "{key}");
        }
        for key in [
            "",
            "example.com",
            "example/x",
            "Example.com/x",
            "a..b/x",
            "a.b/",
            "a.b//c",
            "a.-b/c",
            "a.b/c_d",
        ] {
            assert!(!is_custom_key(key), "{key}");
        }
    }

    #[test]
    fn within_its_time_a_repeated_notice_is_only_counted() {
        let mut notices = Notices::default();
        let mut add = |text: &str, after| {
            let data = BTreeMap::from([("a".to_owned(), text.to_owned())]);
            notices.add(Some(0), "custom", "a.b/c", data, Duration::from_secs(after));
            let notice = &notices.notices[0];
            (
                notice.occurrences,
                notice.repeated == notice.last,
                notice.data["a"].clone(),
            )
        };
        assert_eq!(add("1", 3600), (1, true, "1".to_owned()));
        assert_eq!(add("2", 3600), (2, false, "2".to_owned()));
        assert_eq!(add("3", 0), (3, true, "3".to_owned()));
    }
}
