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

    /// Of several statuses the one to show: blocked, else maintenance, else waiting, else active; the first of those that are alike.
    /// `None` if there is none. It is the order in which canonical/operator and Juju itself choose one.
    ///
    /// ```
    /// use juju_charm::Status;
    ///
    /// let database = Status::Waiting("for the database".to_owned());
    /// let address = Status::Blocked("no address; juju integrate web ingress".to_owned());
    /// let shown = Status::most_urgent([Status::Active(String::new()), database, address.clone()]);
    /// assert_eq!(shown, Some(address));
    /// ```
    pub fn most_urgent(statuses: impl IntoIterator<Item = Self>) -> Option<Self> {
        // The first of several that are alike: `min_by_key` keeps it.
        statuses.into_iter().min_by_key(|status| match status {
            Self::Blocked(_) => 0,
            Self::Maintenance(_) => 1,
            Self::Waiting(_) => 2,
            Self::Active(_) => 3,
        })
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
