//! Calls of a fake Pebble, and what can be made to go wrong with them.

use std::path::PathBuf;

use super::files::FakeFile;
use super::state::PebbleState;
use crate::pebble::ServiceStatus;

/// Something that goes wrong on purpose. Calls are counted from 1; `operation` is the name of a method of [`Pebble`](crate::pebble::Pebble).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PebbleFault {
    /// Every call of an operation is refused with an API error, and does nothing.
    Refuse {
        /// The operation, such as `add_layer`.
        operation: String,
        /// HTTP status.
        status: u16,
        /// What Pebble says.
        message: String,
    },
    /// The same of the first call only: the next one is done.
    RefuseFirst {
        /// The operation.
        operation: String,
        /// HTTP status.
        status: u16,
        /// What Pebble says.
        message: String,
    },
    /// Pebble is gone when it is called: this call and all that follow find nobody.
    GoneBefore {
        /// Which call.
        call: usize,
    },
    /// The first read of a file finds its first half: the app is writing it in this moment.
    TornRead {
        /// Which file.
        path: String,
    },
    /// No fault of Pebble's: a service saves what it holds when it is told to end.
    SavesAtStop {
        /// Its name.
        service: String,
        /// Which file it writes, one that is there.
        path: String,
        /// What it writes.
        content: Vec<u8>,
    },
    /// No fault of Pebble's: a service that is told to end takes its time. Pebble calls it inactive all the while, and the change is in
    /// progress; it has ended when that is waited for, or when services are started. As it ends it writes a file of the disk.
    EndsSlowly {
        /// Its name.
        service: String,
        /// Which file it writes.
        path: PathBuf,
        /// What it writes.
        content: String,
    },
    /// The charm is killed when it makes a call, before Pebble has done anything. Only in a
    /// [`Context`](crate::testing::Context).
    StopBefore {
        /// Which call.
        call: usize,
    },
    /// The charm is killed when Pebble has done what a call asks for. Only in a [`Context`](crate::testing::Context).
    StopAfter {
        /// Which call.
        call: usize,
    },
}

impl PebbleFault {
    /// What a service that runs writes as it ends, where it is one of those that are stopped now and takes its time.
    pub(super) fn ends_slowly(&self, state: &PebbleState, stopped: &[&str]) -> Option<(PathBuf, String)> {
        match self {
            Self::EndsSlowly {
                service,
                path,
                content,
            } if stopped.contains(&service.as_str())
                && state.service(service) == Some(ServiceStatus::Active) =>
            {
                Some((path.clone(), content.clone()))
            }
            _ => None,
        }
    }

    /// Has a service that runs save its file, where it is one of those that are stopped now.
    pub(super) fn save_at_stop(&self, state: &mut PebbleState, stopped: &[&str]) {
        if let Self::SavesAtStop {
            service,
            path,
            content,
        } = self
            && stopped.contains(&service.as_str())
            && state.service(service) == Some(ServiceStatus::Active)
            && let Some(file) = state.file(path).cloned()
        {
            let content = content.clone();
            state.files.put(path, FakeFile { content, ..file });
        }
    }
}

/// One call of a Pebble.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PebbleCall {
    /// Name of the method of [`Pebble`](crate::pebble::Pebble).
    pub operation: &'static str,
    /// What it was about: a label, a path, names of services, the words of a command. Never content.
    pub subject: String,
}

/// Operations that change nothing.
const READING: [&str; 13] = [
    "system_info",
    "plan",
    "services",
    "change",
    "changes",
    "wait_change",
    "logs",
    "checks",
    "health",
    "refresh_check",
    "read_file",
    "list_files",
    "notices",
];

impl PebbleCall {
    /// True if the operation is one that writes: an event that changes nothing has no such call.
    pub fn writes(&self) -> bool {
        !READING.contains(&self.operation)
    }
}
