//! Answers, and the envelope around them.

use hyper::StatusCode;
use serde_json::{Value, json};

/// What a request is answered with.
pub(crate) enum Answer {
    /// The result, at once.
    Sync(StatusCode, Value),
    /// The number of a change that goes on, and what else there is to tell.
    Async(String, Value),
    /// Something without an envelope: content type and content.
    Raw(String, Vec<u8>),
    /// Lines that are sent when there are any.
    Stream(&'static str, tokio::sync::mpsc::Receiver<String>),
    /// The connection becomes a websocket; its `Sec-WebSocket-Accept`.
    Upgrade(String),
}

/// Why a request is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub status: StatusCode,
    pub kind: Option<&'static str>,
    pub message: String,
}

pub(crate) type Answered = Result<Answer, Fault>;

/// A result with status 200.
pub(crate) fn sync(result: Value) -> Answered {
    Ok(Answer::Sync(StatusCode::OK, result))
}

/// A refusal with status 400.
pub(crate) fn bad_request(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, message)
}

/// A refusal with status 404.
pub(crate) fn not_found(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::NOT_FOUND, message)
}

/// A refusal with status 500.
pub(crate) fn internal(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::INTERNAL_SERVER_ERROR, message)
}

/// What the real Pebble can do and this one cannot.
pub(crate) fn not_simulated(what: impl std::fmt::Display) -> Fault {
    Fault::new(
        StatusCode::NOT_IMPLEMENTED,
        format!("{what}: the simulated Pebble cannot do that"),
    )
}

impl Fault {
    pub fn new(status: StatusCode, message: impl Into<String>) -> Fault {
        Fault {
            status,
            kind: None,
            message: message.into(),
        }
    }

    pub fn of_kind(self, kind: &'static str) -> Fault {
        Fault {
            kind: Some(kind),
            ..self
        }
    }

    /// As it stands in a result.
    pub fn to_json(&self) -> Value {
        let mut result = json!({ "message": self.message });
        if let Some(kind) = self.kind {
            result["kind"] = json!(kind);
        }
        result
    }

    /// With its envelope.
    pub fn envelope(&self) -> Value {
        envelope("error", self.status, self.to_json())
    }
}

/// The envelope around a result.
pub(crate) fn envelope(kind: &str, status: StatusCode, result: Value) -> Value {
    json!({
        "type": kind,
        "status-code": status.as_u16(),
        "status": status.canonical_reason().unwrap_or_default(),
        "result": result,
    })
}
