#![doc = include_str!("../README.md")]
mod cron;
mod document;
mod error;
pub mod names;
pub mod pod;
mod preset;
pub mod provider;
mod reader;
mod request;
pub mod requirer;
mod retention;
#[cfg(feature = "schema")]
pub mod schema;
mod spec;
mod text;
pub mod velero;
mod velero_form;
mod warning;

pub use cron::{CronError, SHORTEST_GAP_SECONDS, Schedule};
pub use error::{Error, Errors, Reason};
pub use go_duration::DurationError;
pub use preset::{Method, UnknownMethod};
pub use request::{APP_KEY, BackupRequest, KEYS, MODEL_KEY, RELATION_NAME_KEY, SPEC_KEY};
pub use retention::{Retention, RetentionError};
pub use spec::BackupSpec;
