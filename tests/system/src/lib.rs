//! What the system tests, the demo and the benchmark share: the built programs, and a Radarr to deploy.

pub mod binaries;
pub mod examples;
pub mod exporter;
pub mod fleet;
pub mod house;
pub mod prometheus;
pub mod provider_charm;
pub mod radarr;
pub mod room;
pub mod storage_charm;
pub mod svg;
pub mod velero;
