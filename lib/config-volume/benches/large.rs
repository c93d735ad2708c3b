//! What a backup of a large volume costs, beside `cp -a` on the same disk: 200,000 small files, and one large database.
//!
//! ```text
//! cargo bench -p config-volume --bench large -- [--files N] [--megabytes N] [--rounds N] [--folder DIR] [--compare LABEL=PROGRAM]
//! ```
//!
//! By default 20,000 files and 200 MB, for a minute; `--files 200000 --megabytes 2000` is the whole. Each call runs in a
//! process of its own, which tells its time, its read calls (`syscr`) and its peak memory (`VmHWM`). All take turns. Where
//! the kernel lets go of its caches on request, a first round begins with nothing in them. `--compare` has another build
//! of this program do the same in turn.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a measurement that cannot go on panics"
)]

use std::{
    fs,
    io::Write,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant, SystemTime},
};

use config_volume::{Options, finish, measure, prepare};
use rusqlite::Connection;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    match arguments.as_slice() {
        [mode, operation, volume] if mode == "child" => child(operation, Path::new(volume)),
        _ => Bench::new(&arguments).run(),
    }
}

/// One call, in a process of its own.
fn child(operation: &str, volume: &Path) {
    let (started, reads) = (Instant::now(), number("/proc/self/io", "syscr:"));
    let days_later = Options {
        now: Some(SystemTime::now() + Duration::from_secs(3 * 86_400)),
        ..Options::default()
    };
    match operation {
        "prepare" => drop(prepare(volume, &Options::default()).unwrap()),
        "prepare-unused" => drop(prepare(volume, &days_later).unwrap()),
        "finish" => drop(finish(volume).unwrap()),
        "measure" => drop(measure(volume, &Options::default()).unwrap()),
        "copy" => {
            let to = volume.with_extension("copy");
            let copied = Command::new("cp").arg("-a").args([volume, &to]).status();
            assert!(copied.unwrap().success());
        }
        other => panic!("{other}"),
    }
    println!(
        "{} {} {}",
        started.elapsed().as_micros(),
        number("/proc/self/io", "syscr:") - reads,
        number("/proc/self/status", "VmHWM:"),
    );
}

fn number(file: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap();
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

struct Bench {
    files: u64,
    megabytes: u64,
    rounds: usize,
    folder: tempfile::TempDir,
    /// Label and program of each build.
    builds: Vec<(String, PathBuf)>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    /// Microseconds, read calls, peak memory in KiB, bytes of the disk that the volume and its copy take more than before.
    rounds: Vec<[i64; 4]>,
}

impl Bench {
    fn new(arguments: &[String]) -> Self {
        let value = |name: &str| {
            let at = arguments.iter().position(|a| a == name)?;
            Some(arguments[at + 1].clone())
        };
        let number = |name: &str, default| value(name).map_or(default, |n| n.parse().unwrap());
        let parent = value("--folder").map_or_else(std::env::temp_dir, PathBuf::from);
        let mut builds = vec![(String::new(), std::env::current_exe().unwrap())];
        if let Some(other) = value("--compare") {
            let (label, program) = other.split_once('=').unwrap();
            builds.push((format!(", {label}"), PathBuf::from(program)));
        }
        Self {
            files: number("--files", 20_000),
            megabytes: number("--megabytes", 200),
            rounds: usize::try_from(number("--rounds", 3)).unwrap(),
            folder: tempfile::tempdir_in(parent).unwrap(),
            builds,
            rows: Vec::new(),
        }
    }

    fn run(&mut self) {
        let load = || fs::read_to_string("/proc/loadavg").unwrap();
        println!(
            "{} files of 64 to 4096 bytes; a database of {} MB; load {}",
            self.files,
            self.megabytes,
            load()
        );
        let small = self.folder.path().join("small");
        make_files(&small, self.files);
        self.volume("files", &small, "prepare");

        let large = self.folder.path().join("large");
        let in_use = make_database(&large.join("plex.db"), self.megabytes);
        self.volume("database in use", &large, "prepare");
        // The log goes into the database, and nobody has it open any more.
        in_use.close().unwrap();
        self.volume("database unused for days", &large, "prepare-unused");
        println!("load {}", load());
    }

    fn volume(&mut self, what: &str, volume: &Path, prepare: &str) {
        if drop_caches() {
            self.rows.clear();
            self.round(volume, prepare, 0, true);
            self.print(&format!("{what}, nothing in the caches"));
        }
        self.rows.clear();
        for round in 0..self.rounds {
            self.round(volume, prepare, round, false);
        }
        self.print(&format!("{what}, median of {}", self.rounds));
    }

    fn round(&mut self, volume: &Path, prepare: &str, round: usize, cold: bool) {
        let mut turns: Vec<Option<(String, PathBuf)>> = self.builds.iter().cloned().map(Some).collect();
        turns.push(None);
        let count = turns.len();
        turns.rotate_left(round % count);
        for turn in turns {
            match turn {
                None => {
                    let own = self.builds[0].1.clone();
                    self.call("cp -a", &own, "copy", volume, cold);
                    fs::remove_dir_all(volume.with_extension("copy")).unwrap();
                }
                Some((label, program)) => {
                    for operation in ["measure", prepare, "finish"] {
                        let name = operation.trim_end_matches("-unused");
                        self.call(&format!("{name}{label}"), &program, operation, volume, cold);
                    }
                }
            }
        }
    }

    fn call(&mut self, name: &str, program: &Path, operation: &str, volume: &Path, cold: bool) {
        rustix::fs::sync();
        let copy = volume.with_extension("copy");
        let taken = || taken_by(volume) + taken_by(&copy);
        let before = taken();
        if cold {
            assert!(drop_caches());
        }
        let output = Command::new(program)
            .args(["child", operation])
            .arg(volume)
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
        let told = String::from_utf8(output.stdout).unwrap();
        let mut told = told.split_whitespace().map(|n| n.parse::<i64>().unwrap());
        let mut next = || told.next().unwrap();
        let result = [next(), next(), next(), taken() - before];
        match self.rows.iter_mut().find(|row| row.name == name) {
            Some(row) => row.rounds.push(result),
            None => self.rows.push(Row {
                name: name.to_owned(),
                rounds: vec![result],
            }),
        }
    }

    fn print(&self, title: &str) {
        println!("\n{title}\n| call | time | read calls | peak memory | space |\n|---|---|---|---|---|");
        for row in &self.rows {
            let median = |column: usize| {
                let mut all: Vec<i64> = row.rounds.iter().map(|round| round[column]).collect();
                all.sort_unstable();
                all[all.len() / 2]
            };
            // What `cp` takes itself is not known here.
            let memory = match row.name.as_str() {
                "cp -a" => "".to_owned(),
                _ => format!("{:.1} MB", median(2) as f64 * 1024.0 / 1e6),
            };
            println!(
                "| {} | {:.2} s | {} | {memory} | {:.1} MB |",
                row.name,
                median(0) as f64 / 1e6,
                median(1),
                median(3) as f64 / 1e6,
            );
        }
        std::io::stdout().flush().unwrap();
    }
}

/// Bytes of the disk below a folder, by blocks: the disk's own count of what is free tells of everybody's files.
fn taken_by(folder: &Path) -> i64 {
    let mut sum = 0;
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let meta = entry.as_ref().unwrap().metadata().unwrap();
        sum += i64::try_from(meta.blocks() * 512).unwrap();
        if meta.is_dir() {
            sum += taken_by(&entry.unwrap().path());
        }
    }
    sum
}

fn drop_caches() -> bool {
    rustix::fs::sync();
    fs::write("/proc/sys/vm/drop_caches", "3").is_ok()
}

/// A hundred files a folder, of sizes and bytes that look random and are the same each time.
fn make_files(volume: &Path, files: u64) {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    for number in 0..files {
        let folder = volume.join(format!("MediaCover/{}", number / 100));
        if number % 100 == 0 {
            fs::create_dir_all(&folder).unwrap();
        }
        let size = usize::try_from(64 + next() % 4033).unwrap();
        let bytes: Vec<u8> = std::iter::repeat_with(|| next().to_le_bytes())
            .flatten()
            .take(size)
            .collect();
        fs::write(folder.join(format!("poster-{number}.jpg")), bytes).unwrap();
    }
}

/// A database with a write-ahead log, open.
fn make_database(path: &Path, megabytes: u64) -> Connection {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let database = Connection::open(path).unwrap();
    database
        .execute_batch("PRAGMA synchronous = OFF; CREATE TABLE item (id INTEGER PRIMARY KEY, name BLOB);")
        .unwrap();
    database
        .execute(
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
             INSERT INTO item (name) SELECT randomblob(960) FROM n",
            [i64::try_from(megabytes * 1000).unwrap()],
        )
        .unwrap();
    database.pragma_update(None, "journal_mode", "wal").unwrap();
    database
        .execute("INSERT INTO item (name) VALUES (randomblob(960))", [])
        .unwrap();
    database
}
