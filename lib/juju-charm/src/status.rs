//! The status that a unit or an application shows.

use std::fmt;

/// A status that a charm may set, with its message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Status {
    /// It works.
    Active(String),
    /// A person has to act.
    Blocked(String),
    /// Something else has to happen first, without a person.
    Waiting(String),
    /// The charm is at work.
    Maintenance(String),
}

impl Status {
    /// Juju's word for it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Active(_) => "active",
            Self::Blocked(_) => "blocked",
            Self::Waiting(_) => "waiting",
            Self::Maintenance(_) => "maintenance",
        }
    }

    /// What `juju status` shows beside it.
    pub fn message(&self) -> &str {
        match self {
            Self::Active(message)
            | Self::Blocked(message)
            | Self::Waiting(message)
            | Self::Maintenance(message) => message,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.message() {
            "" => formatter.write_str(self.name()),
            message => write!(formatter, "{}: {message}", self.name()),
        }
    }
}

/// The status that Juju has now. Beside those of [`Status`] it may be `unknown`, `error`, `terminated` or `allocating`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CurrentStatus {
    /// Juju's word for it.
    pub name: String,
    /// The message.
    pub message: String,
}

impl PartialEq<Status> for CurrentStatus {
    fn eq(&self, status: &Status) -> bool {
        self.name == status.name() && self.message == status.message()
    }
}

impl From<&Status> for CurrentStatus {
    fn from(status: &Status) -> Self {
        Self {
            name: status.name().to_owned(),
            message: status.message().to_owned(),
        }
    }
}
