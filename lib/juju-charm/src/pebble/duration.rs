//! Durations as Pebble writes them: the text form of Go's `time.Duration`.

use std::time::Duration;

pub use go_duration::format;

/// A text is not a duration that Pebble takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read duration {text:?}: {reason}; write it like 500ms, 10s or 1m30s")]
pub struct DurationError {
    text: String,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum Reason {
    #[error(transparent)]
    NotGo(#[from] go_duration::DurationError),
    #[error("it is negative")]
    Negative,
}

/// Reads a duration as Go does ([`go_duration::parse`]), except that a negative one is refused.
///
/// # Errors
/// When `text` is something else, is negative, or is longer than Go can hold (about 292 years).
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let error = |reason| DurationError {
        text: text.to_owned(),
        reason,
    };
    let nanoseconds = go_duration::parse(text).map_err(|refused| error(refused.into()))?;
    let nanoseconds = u64::try_from(nanoseconds).map_err(|_| error(Reason::Negative))?;
    Ok(Duration::from_nanos(nanoseconds))
}

/// For `#[serde(with = …)]`: an optional duration. A text that is none is read as if the key were absent, as a client
/// cannot mend a plan that Pebble accepted.
pub(crate) mod optional {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(crate) fn serialize<S: Serializer>(
        value: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(duration) => serializer.serialize_str(&super::format(*duration)),
            None => serializer.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let text: Option<String> = Option::deserialize(deserializer)?;
        Ok(text.and_then(|text| super::parse(&text).ok()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_duration_for_pebble_is_refused_with_the_reason() {
        assert_eq!(parse("1m30s"), Ok(Duration::from_secs(90)));
        assert_eq!(parse("-0s"), Ok(Duration::ZERO));
        for (text, reason) in [
            ("", "there is no duration in it"),
            ("5", "its last number has no unit"),
            ("1d", "Go knows no unit \"d\""),
            ("-1s", "it is negative"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            let expected =
                format!("cannot read duration {text:?}: {reason}; write it like 500ms, 10s or 1m30s");
            assert_eq!(error, expected);
        }
    }
}
