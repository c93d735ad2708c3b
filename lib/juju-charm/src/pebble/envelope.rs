//! The envelope around each of Pebble's answers. Pure: bytes in, result or error out.

use hyper::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::change::ChangeId;
use super::error::Error;
use super::lenient;
use super::transport::Answer;

/// An answer that is no error.
#[derive(Debug)]
pub(crate) struct Success {
    pub result: serde_json::Value,
    change: Option<ChangeId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
struct Envelope {
    #[serde(rename = "type")]
    response_type: String,
    #[serde(default)]
    result: serde_json::Value,
    #[serde(default)]
    change: Option<ChangeId>,
}

/// Pebble's account of what went wrong.
#[derive(Debug, Deserialize)]
pub(crate) struct Fault {
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub message: String,
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub kind: String,
}

/// Opens the envelope of an answer to `operation`.
pub(crate) fn open(operation: &str, answer: &Answer) -> Result<Success, Error> {
    open_json(operation, answer.status, &answer.body)
}

/// Opens an envelope that came in `body` with an HTTP status.
pub(crate) fn open_json(operation: &str, status: StatusCode, body: &[u8]) -> Result<Success, Error> {
    let envelope: Envelope = match serde_json::from_slice(body) {
        Ok(envelope) => envelope,
        // A proxy, or a Pebble in trouble: the status says more than the text.
        Err(_) if !status.is_success() => {
            return Err(Error::Api {
                operation: operation.to_owned(),
                status: status.as_u16(),
                kind: String::new(),
                message: format!("Pebble answered with status {status}"),
            });
        }
        Err(error) => {
            return Err(Error::protocol(
                operation,
                format!("it is not an answer of Pebble: {error}"),
            ));
        }
    };
    match envelope.response_type.as_str() {
        "sync" | "async" => Ok(Success {
            result: envelope.result,
            change: envelope.change,
        }),
        "error" => {
            let fault: Fault = serde_json::from_value(envelope.result)
                .map_err(|error| Error::protocol(operation, format!("its error is malformed: {error}")))?;
            Err(Error::Api {
                operation: operation.to_owned(),
                status: status.as_u16(),
                kind: fault.kind,
                message: fault.message,
            })
        }
        other => Err(Error::protocol(operation, format!("its type is {other:?}"))),
    }
}

impl Success {
    /// The result as `T`.
    pub(crate) fn decode<T: DeserializeOwned>(self, operation: &str) -> Result<T, Error> {
        serde_json::from_value(self.result)
            .map_err(|error| Error::protocol(operation, format!("its result is malformed: {error}")))
    }

    /// The result as a list, which may be null.
    pub(crate) fn decode_list<T: DeserializeOwned>(self, operation: &str) -> Result<Vec<T>, Error> {
        Ok(self.decode::<Option<Vec<T>>>(operation)?.unwrap_or_default())
    }

    /// The change that was begun.
    pub(crate) fn change(&self, operation: &str) -> Result<ChangeId, Error> {
        match &self.change {
            Some(change) if !change.as_str().is_empty() => Ok(change.clone()),
            _ => Err(Error::protocol(operation, "it names no change")),
        }
    }
}
