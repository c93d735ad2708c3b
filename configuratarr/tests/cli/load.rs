//! Many apps with many backups: few requests, little time, little memory.
//!
//! What users get is held to its goals by `cargo xtask dist`, which runs these tests on the program of the archive.

use std::io::Read;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::{App, Test, goal};

/// A home with so many apps of so many backups each.
fn home(apps: u64, backups: u64) -> Test {
    Test::with((0..apps).map(|number| App::new(&format!("app{number:03}")).daily(backups, 5_243_046)))
}

#[test]
fn a_home_of_seven_apps_takes_six_requests() {
    let test = home(7, 30);
    let begin = Instant::now();
    let ran = test.run(&["status", "--format", "json"]);
    let took = begin.elapsed();
    println!("7 apps x 30 backups: {took:?}, {:?}", ran.asked());
    assert_eq!(ran.json()["apps"].as_array().unwrap().len(), 7);
    assert!(ran.requests.len() <= 6, "{:?}", ran.asked());
    assert_eq!(ran.juju_calls.len(), 1, "{:?}", ran.juju_calls);
    let most = goal(Duration::from_secs(1), Duration::from_secs(5));
    assert!(took < most, "{took:?}");
    let listed = test.run(&["backups", "--format", "json"]);
    assert_eq!(listed.json()["backups"].as_array().unwrap().len(), 210);
    assert!(listed.requests.len() <= 6, "{:?}", listed.asked());
}

/// The most memory that a process has had in use so far, in bytes.
fn peak(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmHWM:"))
        .unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn ten_thousand_backups_take_little_memory() {
    let test = home(100, 100);
    for arguments in [["status", "--format", "json"], ["backups", "--format", "json"]] {
        let begin = Instant::now();
        let mut child = test.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
        let mut out = child.stdout.take().unwrap();
        let mut text = vec![0];
        // All is known when it prints, and it prints more than a pipe holds: it is there until the rest is read.
        out.read_exact(&mut text).unwrap();
        let (took, peak) = (begin.elapsed(), peak(child.id()));
        out.read_to_end(&mut text).unwrap();
        child.wait().unwrap();
        println!(
            "{}, 100 apps x 100 backups: {took:?}, {} MB",
            arguments[0],
            peak / 1_000_000
        );
        let document: Value = serde_json::from_slice(&text).unwrap();
        let first = document["apps"].as_array().map_or(0, Vec::len) * 100;
        let listed = document["backups"].as_array().map_or(first, Vec::len);
        assert_eq!(listed, 10_000);
        // A debug build has 30 MB more of code in memory.
        assert!(peak < goal(100_000_000, 150_000_000), "{} MB", peak / 1_000_000);
        let most = goal(Duration::from_secs(3), Duration::from_secs(60));
        assert!(took < most, "{took:?}");
    }
}
