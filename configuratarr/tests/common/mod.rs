//! What tests of the program share: the program as a user starts it, a `juju`, a cluster, and apps with their backups.
#![allow(dead_code, unused_imports, reason = "each test program uses its own part")]

/// Between two looks at something that is waited for: a thread that only yields takes a processor from what it waits for.
pub const PAUSE: std::time::Duration = std::time::Duration::from_millis(2);

mod apps;
mod backups;
mod home;
mod juju;
mod output;
mod program;

pub use apps::{App, Apps, location};
pub use backups::{Backup, ago, from_now};
pub use home::{home, put, without_cron};
pub use juju::{Juju, recorded, simulated as simulated_juju};
pub use output::Ran;
pub use program::{TOKEN, Test, goal};
