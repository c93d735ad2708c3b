//! How long a backup is kept.

use std::fmt;
use std::str::FromStr;

use go_duration::DurationError;

/// Why a text is not a retention.
///
/// The text is the reason alone. It names neither the value nor where it stands: that is the caller's to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RetentionError {
    /// Not a duration as Go takes it.
    #[error(transparent)]
    Duration(#[from] DurationError),
    /// A retention of nothing.
    #[error("Velero takes zero to mean its own default")]
    Zero,
    /// A retention that is over before it begins.
    #[error("a negative retention means that every backup is deleted as soon as it is made")]
    Negative,
}

impl RetentionError {
    /// Whether Velero itself would take the text, so that only this crate refuses it.
    pub fn is_stricter_than_velero(&self) -> bool {
        matches!(self, Self::Zero | Self::Negative)
    }

    /// What would be right, as a sentence for the person who set the value.
    pub fn hint(&self) -> String {
        match self {
            Self::Duration(error) => error.hint(),
            Self::Zero | Self::Negative => {
                "write how long a backup is kept, for example 720h for 30 days".to_owned()
            }
        }
    }
}

/// How long a backup is kept: a Go duration above zero, with the text that it was given as.
///
/// The text is what goes over the wire: `720h` and `720h0m0s` are the same time and different bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Retention {
    text: String,
    nanoseconds: u64,
}

impl Retention {
    /// Reads a retention such as `720h`.
    ///
    /// # Errors
    /// When Go would refuse the text, and when the time is zero (Velero replaces it by its default) or negative
    /// (Velero deletes the backup as soon as it is made).
    pub fn parse(text: &str) -> Result<Self, RetentionError> {
        match u64::try_from(go_duration::parse(text)?) {
            Ok(0) => Err(RetentionError::Zero),
            Ok(nanoseconds) => Ok(Self {
                text: text.to_owned(),
                nanoseconds,
            }),
            Err(_) => Err(RetentionError::Negative),
        }
    }

    /// The text that it was read from.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The time.
    pub fn duration(&self) -> std::time::Duration {
        std::time::Duration::from_nanos(self.nanoseconds)
    }
}

impl fmt::Display for Retention {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl FromStr for Retention {
    type Err = RetentionError;

    fn from_str(text: &str) -> Result<Self, RetentionError> {
        Self::parse(text)
    }
}
