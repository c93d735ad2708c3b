//! Processes of the node, by this machine's numbers: pods' containers are processes of the namespaces in which the bed runs.

use anyhow::{Context, Result};

use crate::bed::run as command;

/// The processes of a pod's containers, the one that holds its network included. `uid` is the pod's.
///
/// # Errors
/// When processes cannot be listed.
pub fn of_pod(uid: &str) -> Result<Vec<u32>> {
    let all = std::fs::read_dir("/proc").context("cannot list processes")?;
    let numbers = all
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let is_its = |number: &u32| {
        let groups = std::fs::read_to_string(format!("/proc/{number}/cgroup"));
        // One that has ended meanwhile is none.
        groups.is_ok_and(|groups| groups.contains(uid))
    };
    Ok(numbers.filter(is_its).collect())
}

/// The program of a process, as it was started. Empty for one that has ended.
pub fn program(number: u32) -> String {
    let words = std::fs::read(format!("/proc/{number}/cmdline")).unwrap_or_default();
    let first = words.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(first).into_owned()
}

/// Processes that do nothing until this is dropped: what a node looks like from outside that has lost its power.
#[derive(Debug)]
pub struct Frozen(Vec<u32>);

impl Frozen {
    /// Freezes them.
    ///
    /// # Errors
    /// When one of them is not there.
    pub fn new(processes: Vec<u32>) -> Result<Self> {
        let frozen = Self(processes);
        frozen.0.iter().try_for_each(|process| signal(*process, "STOP"))?;
        Ok(frozen)
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        for process in &self.0 {
            if let Err(error) = signal(*process, "CONT") {
                eprintln!("  a frozen process goes on no more: {error:#}");
            }
        }
    }
}

fn signal(process: u32, signal: &str) -> Result<()> {
    command("kill", &[&format!("-{signal}"), &process.to_string()]).map(drop)
}
