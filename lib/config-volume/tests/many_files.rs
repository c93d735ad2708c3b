//! A volume of very many files: what reading it costs does not grow with them where it need not.
#![cfg(test)]

mod common;

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::listed;
use config_volume::{Options, Reason, finish, measure, prepare, verify};

/// The body of a child process: one operation, and what it cost. It does nothing in an ordinary test run.
#[test]
fn child() {
    let Ok(operation) = env::var("CONFIG_VOLUME_TEST_OPERATION") else {
        return;
    };
    let volume = PathBuf::from(env::var_os("CONFIG_VOLUME_TEST_VOLUME").unwrap());
    let without_checksums = Options {
        checksum_total_limit: 0,
        ..Options::default()
    };
    let before = number("/proc/self/io", "syscr:");
    match operation.as_str() {
        "measure" => drop(measure(&volume, &Options::default()).unwrap()),
        "prepare" => drop(prepare(&volume, &Options::default()).unwrap()),
        "prepare-without-checksums" => drop(prepare(&volume, &without_checksums).unwrap()),
        "verify" => assert!(verify(&volume).unwrap().is_as_promised()),
        other => panic!("{other}"),
    }
    let reads = number("/proc/self/io", "syscr:") - before;
    println!("\ncost {reads} {}", number("/proc/self/status", "VmHWM:"));
}

fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Read calls, and the peak of the memory in KiB, of an operation in a process of its own.
fn cost(operation: &str, volume: &Path) -> (u64, u64) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--nocapture"])
        .env("CONFIG_VOLUME_TEST_OPERATION", operation)
        .env("CONFIG_VOLUME_TEST_VOLUME", volume)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    let cost = text.lines().find_map(|line| line.strip_prefix("cost ")).unwrap();
    let (reads, memory) = cost.split_once(' ').unwrap();
    (reads.parse().unwrap(), memory.parse().unwrap())
}

#[test]
fn a_small_file_is_not_opened_to_see_whether_it_is_a_database() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    for number in 0..2000 {
        let below = volume.join(format!("MediaCover/{}", number % 40));
        fs::create_dir_all(&below).unwrap();
        fs::write(below.join(format!("{number}.jpg")), vec![7; 513 + number % 200]).unwrap();
    }
    for operation in ["measure", "prepare-without-checksums"] {
        let (reads, _) = cost(operation, &volume);
        assert!(reads < 100, "{operation}: {reads} reads");
    }
    finish(&volume).unwrap();
    // A checksum takes one each.
    let (reads, _) = cost("prepare", &volume);
    assert!((2000..2100).contains(&reads), "{reads} reads");
    assert!(listed(&volume).iter().all(|file| file.blake3.is_some()));
}

#[test]
fn memory_does_not_grow_with_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, files: usize| {
        let volume = folder.path().join(name);
        fs::create_dir(&volume).unwrap();
        for number in 0..files {
            fs::write(volume.join(format!("{number:0>200}")), "").unwrap();
        }
        volume
    };
    let (few, many) = (make("few", 300), make("many", 30_000));
    for operation in ["measure", "prepare", "verify"] {
        let ((_, small), (_, large)) = (cost(operation, &few), cost(operation, &many));
        assert!(large < small + 2048, "{operation}: {small} KiB and {large} KiB");
    }
    assert_eq!(listed(&many).len(), 30_000);
}

#[test]
fn a_folder_that_is_listed_in_pieces_obeys_its_ignore_file_and_its_tag() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path().join("config");
    for below in ["rules", "cache"] {
        fs::create_dir_all(volume.join(below)).unwrap();
        for number in 0..3000 {
            fs::write(volume.join(format!("{below}/{number}.jpg")), "").unwrap();
            fs::write(volume.join(format!("{below}/{number}.tmp")), "1").unwrap();
        }
    }
    fs::write(volume.join("rules/.kopiaignore"), "*.tmp\n").unwrap();
    fs::write(
        volume.join("cache/CACHEDIR.TAG"),
        "Signature: 8a477f597d28d172789f06886806bc55\n",
    )
    .unwrap();
    let contents = measure(&volume, &Options::default()).unwrap();
    // The nested ignore file is stored as well.
    assert_eq!((contents.files, contents.held_bytes), (3001, 6));
    let left_out: Vec<_> = contents
        .left_out
        .iter()
        .map(|part| (part.reason, part.pattern.as_str(), part.files))
        .collect();
    assert_eq!(
        left_out,
        [
            (Reason::User, "*.tmp", 3000),
            (Reason::CacheTag, "CACHEDIR.TAG", 6001)
        ]
    );
}

#[test]
fn checksums_stop_at_their_limits() {
    let folder = tempfile::tempdir().unwrap();
    let volume = folder.path();
    for number in 0..20 {
        fs::write(volume.join(format!("{number}.xml")), vec![b'x'; 100]).unwrap();
    }
    let sums = |options: &Options| {
        prepare(volume, options).unwrap();
        let sums = listed(volume).iter().filter(|file| file.blake3.is_some()).count();
        assert!(listed(volume).iter().all(|file| file.stable));
        finish(volume).unwrap();
        sums
    };
    assert_eq!(sums(&Options::default()), 20);
    let no_time = Options {
        checksum_time_limit: std::time::Duration::ZERO,
        ..Options::default()
    };
    assert_eq!(sums(&no_time), 0);
    let few_bytes = Options {
        checksum_total_limit: 550,
        ..Options::default()
    };
    assert_eq!(sums(&few_bytes), 5);
    let small_files = Options {
        checksum_file_limit: 99,
        ..Options::default()
    };
    assert_eq!(sums(&small_files), 0);
}
