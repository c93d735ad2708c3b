//! The way back: find an app's backups, see what they really hold, bring one back and put it in place.
//!
//! Velero says `Completed` for backups that hold nothing. So a backup counts here when its bytes were read back and
//! checked: [`backups`] tells what each one claims to hold, [`scratch`] brings the bytes into a namespace beside the app,
//! and the [`engine`] checks them before the app is stopped, swaps the volume's content and cleans up.
//!
//! Steps are idempotent and recorded in a [`journal`]: a run that was killed is run again and ends right. A
//! [`report::Reporter`] hears of steps and bytes. Errors keep apart what a person has to tell apart: there is no backup,
//! the cluster cannot be reached, it is not allowed.

pub mod api;
pub mod backups;
pub mod claim;
pub mod cluster;
pub mod definitions;
pub mod durable;
pub mod engine;
pub mod error;
mod exec;
pub mod identity;
pub mod journal;
mod kinds;
pub mod locations;
pub mod make;
pub mod method;
pub mod moment;
pub mod node_agent;
pub mod overview;
pub mod preview;
mod quantity;
pub mod report;
pub mod scratch;
mod shell;
pub mod shown;
pub mod survey;
#[cfg(feature = "testing")]
pub mod testing;
mod transfer;
mod velero;
pub mod wait;
pub mod watched;
pub mod words;

pub use cluster::ClusterError;
pub use error::{Error, Remedy, Result};
pub use transfer::{SEND, SendError, send};
