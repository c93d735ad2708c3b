//! `dispatch exporter`: the metrics of an app's backups, for a Prometheus that scrapes the unit.
//!
//! It is the charm's own program, in the charm container, in a session of its own: a hook starts it and does not wait for it, and a
//! hook that fails does not end it. It runs while `metrics-endpoint` is related. What it has to know of Juju is in a file that the
//! hooks write ([`Settings`]); all else it reads of the cluster by itself, when it is scraped and at most once a minute.
//!
//! [`families`] says what is exported, as a function of what was seen; [`text`] is how it is written, [`serve`] how it travels,
//! [`process`] how it is started, found again and ended.

pub mod families;
pub mod look;
pub mod metrics;
pub mod process;
pub mod serve;
pub mod settings;
pub mod text;

pub use settings::{Asked, Settings};

/// The argument by which the program is the exporter.
pub const EXPORTER: &str = "exporter";

/// Where it listens, on all addresses of the pod. No app of ours listens there, nor what upstream's charms run beside theirs.
pub const PORT: u16 = 9786;

/// The path of the metrics.
pub const PATH: &str = "/metrics";
