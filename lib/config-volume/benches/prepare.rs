//! How long `prepare` takes for one 80 MB database, against copying the file (read, write, fsync): medians over
//! interleaved rounds, and where the time goes.
//!
//! ```text
//! cargo bench -p config-volume [-- [--hold] MEGABYTES ROUNDS [FOLDER]]
//! ```
//!
//! `--hold` ends with an error when `prepare` takes more than twice as long as the copy, in the median. Everything is
//! measured twice: a database that nobody has open, and one in WAL mode that another process has open, with a log.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on panics"
)]

use std::{
    fs::{self, File},
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitCode, Stdio},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use config_volume::{Options, Step, Watcher, finish, prepare};

const WRITER: &str = env!("CARGO_BIN_EXE_config-volume-writer");
/// How many times as long as the copy of the file `prepare` may take.
const LIMIT: f64 = 2.0;

fn main() -> ExitCode {
    let (flags, numbers): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|a| a.starts_with("--"));
    let megabytes = numbers.first().map_or("80", String::as_str);
    let rounds: usize = numbers.get(1).map_or(15, |n| n.parse().unwrap());
    let parent = numbers.get(2).map_or_else(std::env::temp_dir, PathBuf::from);
    let folder = tempfile::tempdir_in(parent).unwrap();

    let (closed, open) = (folder.path().join("closed"), folder.path().join("open"));
    // The first is closed again, the second writes a little once a second, so that its log is a real one.
    let mut first = writer(&closed, &["--transactions", "1", "--megabytes", megabytes]);
    assert!(first.wait().unwrap().success());
    let mut second = writer(&open, &["--pause-us", "1000000", "--megabytes", megabytes]);
    let log = fs::metadata(open.join("radarr.db-wal")).unwrap().len();

    let mut times = Times::default();
    let load = || fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load_before = load();
    for round in 0..rounds {
        let mut work: [&mut dyn FnMut(&mut Times); 3] = [
            &mut |times| {
                let plain = folder.path().join("plain");
                times.time("copy of the file: read, write, fsync", || {
                    copy(&closed.join("radarr.db"), &plain);
                });
                fs::remove_file(plain).unwrap();
            },
            &mut |times| around_a_backup(times, "prepare", &closed),
            &mut |times| around_a_backup(times, "prepare, with a log", &open),
        ];
        // Each has each other before it, and the other's dirty pages.
        work.rotate_left(round % 3);
        for work in work {
            work(&mut times);
        }
    }
    drop(second.stdin.take());
    assert!(second.wait().unwrap().success());

    println!(
        "{megabytes} MB, a log of {:.1} MB; {rounds} interleaved rounds, medians (fastest to slowest); load {} to {}",
        log as f64 / 1e6,
        load_before.split(' ').next().unwrap_or_default(),
        load().split(' ').next().unwrap_or_default(),
    );
    for (name, all) in &mut times.0 {
        all.sort_unstable();
        println!(
            "{name:45} {:7.1} ms  ({:.1} to {:.1})",
            ms(all[all.len() / 2]),
            ms(all[0]),
            ms(all[all.len() - 1])
        );
    }
    let plain = times.median("copy of the file: read, write, fsync");
    let ratios = ["prepare", "prepare, with a log"].map(|name| times.median(name) / plain);
    println!(
        "prepare takes {:.2} times as long as the copy of the file, with a log {:.2} times",
        ratios[0], ratios[1]
    );
    let holds = ratios.iter().all(|ratio| *ratio <= LIMIT);
    if flags.iter().any(|flag| flag == "--hold") && !holds {
        println!("that is more than {LIMIT} times");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

#[derive(Default)]
struct Times(Vec<(String, Vec<Duration>)>);

impl Times {
    fn add(&mut self, name: &str, time: Duration) {
        match self.0.iter_mut().find(|(known, _)| known == name) {
            Some((_, all)) => all.push(time),
            None => self.0.push((name.to_owned(), vec![time])),
        }
    }

    fn time(&mut self, name: &str, work: impl FnOnce()) {
        let started = Instant::now();
        work();
        self.add(name, started.elapsed());
    }

    /// Milliseconds; of sorted times.
    fn median(&self, name: &str) -> f64 {
        let (_, all) = self.0.iter().find(|(known, _)| known == name).unwrap();
        ms(all[all.len() / 2])
    }
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Fills a database, and waits until it is full.
fn writer(volume: &Path, arguments: &[&str]) -> Child {
    fs::create_dir(volume).unwrap();
    let mut child = Command::new(WRITER)
        .arg("write")
        .arg(volume.join("radarr.db"))
        .args(["--mode", "wal"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    child
}

fn around_a_backup(times: &mut Times, name: &str, volume: &Path) {
    let steps = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&steps);
    let watcher = Watcher::new(move |step| {
        seen.lock().unwrap().push((step, Instant::now()));
        Ok(())
    });
    let options = Options {
        watcher,
        ..Options::default()
    };
    let started = Instant::now();
    prepare(volume, &options).unwrap();
    let ended = Instant::now();
    let at = |wanted| {
        let steps = steps.lock().unwrap();
        steps.iter().find(|(step, _)| *step == wanted).unwrap().1
    };
    times.add(name, ended - started);
    for (part, time) in [
        ("lock, walk, open", at(Step::SpaceChecked) - started),
        ("copy", at(Step::Copied) - at(Step::SpaceChecked)),
        (
            "checksum and fsync at once",
            at(Step::CopiesOnDisk) - at(Step::Copied),
        ),
        ("manifest, rename, ignore file", ended - at(Step::CopiesOnDisk)),
    ] {
        times.add(&format!("  {name}: {part}"), time);
    }
    times.time(&format!("finish after {name}"), || {
        finish(volume).unwrap();
    });
}

fn copy(from: &Path, to: &Path) {
    let (mut from, mut to) = (File::open(from).unwrap(), File::create(to).unwrap());
    let mut buffer = vec![0; 1 << 20];
    loop {
        let read = from.read(&mut buffer).unwrap();
        if read == 0 {
            break;
        }
        to.write_all(&buffer[..read]).unwrap();
    }
    to.sync_all().unwrap();
}
