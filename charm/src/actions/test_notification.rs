//! The action `test-notification`.

use std::time::Instant;

use serde_json::{Value, json};

use super::{Call, Results, Stopped, declared};
use crate::notify::{LIMIT, Message, NotifyTo, receiver_of, send};
use crate::options::NOTIFY_URL;
use crate::remembered::Remembered;

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Sends a test notification to notify-url, and says what came back. Waits 5 s at most. What waits for a receiver that did not answer is then sent by the next event. Runs on the unit with the data. Results: \
         `result` is `sent`; `host` it was sent to; `format` it was sent in; `answer`: the HTTP status.",
        json!({}),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let (juju, facts) = (call.env.juju, call.facts);
    let to = facts.options.judged(&NOTIFY_URL).map_err(|unfit| {
        let app = &facts.app;
        format!(
            "notify-url {}; juju config {app} notify-url={}",
            unfit.reason, unfit.instead
        )
    })?;
    if to == NotifyTo::Nobody {
        return Err(format!(
            "option notify-url is empty; juju config {} notify-url=https://…",
            facts.app
        )
        .into());
    }
    let receiver = receiver_of(juju, &to).map_err(|reason| format!("notify-url: {reason}"))?;
    let Some(receiver) = receiver else {
        return Ok(Results::new());
    };
    let answer = send(&receiver, &Message::test(facts), Instant::now() + LIMIT)?;
    let before = &facts.remembered;
    let reached = Remembered {
        notices: before.notices.clone().reached(),
        ..before.clone()
    };
    reached.keep(juju, before)?;
    let results = [
        ("result", "sent".to_owned()),
        ("host", receiver.host().to_owned()),
        ("format", receiver.format.name().to_owned()),
        ("answer", answer.to_string()),
    ];
    Ok(results.map(|(key, value)| (key.to_owned(), value)).into())
}
