//! What the tests share: a writer process, and a backup and a restore as Velero makes them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    fs,
    hash::{DefaultHasher, Hash, Hasher},
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant, SystemTime},
};

use config_volume::testing::{copy_folder, ignore_rules, leave_marker};
use config_volume::{FileEntry, Options, Pattern, Watcher};

pub const WRITER: &str = env!("CARGO_BIN_EXE_config-volume-writer");

/// Waits until a condition holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(
            started.elapsed() < Duration::from_secs(60),
            "waited in vain: {what}"
        );
        thread::sleep(Duration::from_millis(1));
    }
}

/// A process that writes to a database until it is dropped.
pub struct Writer {
    child: Child,
    committed: Arc<AtomicU64>,
}

impl Writer {
    pub fn start(database: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(WRITER)
            .arg("write")
            .arg(database)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let committed = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&committed);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let number = line.strip_prefix("committed ").unwrap().parse().unwrap();
                counter.store(number, Ordering::SeqCst);
            }
        });
        Self { child, committed }
    }

    /// Waits until so many more transactions were committed.
    pub fn await_more(&self, transactions: u64) {
        let goal = self.committed.load(Ordering::SeqCst) + transactions;
        until("transactions", || self.committed.load(Ordering::SeqCst) >= goal);
    }

    pub fn committed(&self) -> u64 {
        self.committed.load(Ordering::SeqCst)
    }

    /// Ends the writer in good order.
    pub fn stop(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What `config-volume-writer check` says, and whether it is content.
pub fn judge(database: &Path) -> (bool, String) {
    let output = Command::new(WRITER).arg("check").arg(database).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

/// Makes a database that both tables of agree in.
pub fn make_database(path: &Path, mode: &str) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let arguments = ["--mode", mode, "--megabytes", "1", "--transactions", "3"];
    let output = Command::new(WRITER)
        .arg("write")
        .arg(path)
        .args(arguments)
        .stdin(Stdio::piped())
        .output()
        .unwrap();
    assert!(output.status.success());
}

/// Damages pages in the middle of a database: it opens, and only a check of the whole finds it.
pub fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes[40_000..90_000].fill(0x5a);
    fs::write(path, bytes).unwrap();
}

/// A backup and its restore, as kopia and Velero do them: what the root's `.kopiaignore` names is not stored; owners,
/// modes, links and times come back; Velero's marker folder is added.
pub fn back_up_and_restore(volume: &Path, to: &Path) {
    copy(volume, to, &ignore_rules(volume).unwrap());
}

/// A backup and its restore by an uploader that reads no `.kopiaignore`.
pub fn copy_everything(volume: &Path, to: &Path) {
    copy(volume, to, &[]);
}

fn copy(volume: &Path, to: &Path, rules: &[Pattern]) {
    copy_folder(volume, to, rules, &|_| true).unwrap();
    leave_marker(to).unwrap();
}

/// A copy by `cp -a`, as somebody moves a volume.
pub fn copy_by_hand(volume: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").args([volume, to]).status().unwrap();
    assert!(status.success());
}

/// Options of an app that names its database.
pub fn own() -> Options {
    Options {
        databases: vec!["/radarr.db".to_owned()],
        ..Options::default()
    }
}

/// Long enough after now for databases that are made now to count as unused.
pub fn days_later() -> Options {
    Options {
        now: Some(SystemTime::now() + Duration::from_secs(3 * 86_400)),
        ..own()
    }
}

/// Options of a run whose steps are watched.
pub fn watched(watcher: Watcher) -> Options {
    Options {
        watcher,
        ..Options::default()
    }
}

/// The newest list of files in a volume, in the order of the paths.
pub fn listed(volume: &Path) -> Vec<FileEntry> {
    let text = fs::read_to_string(newest_set(volume).join("files.jsonl")).unwrap();
    let mut files: Vec<FileEntry> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// The newest set in a volume.
pub fn newest_set(volume: &Path) -> PathBuf {
    let base = volume.join(".config-backup");
    let sets = fs::read_dir(base.join("sets")).into_iter().flatten();
    sets.map(|entry| entry.unwrap().path())
        .max()
        .unwrap_or_else(|| base.join("set"))
}

/// Everything in a folder with content, mode and owner, to see that nothing changed.
pub fn snapshot(volume: &Path) -> Vec<(String, u32, u32, u32, u64)> {
    fn add(folder: &Path, root: &Path, all: &mut Vec<(String, u32, u32, u32, u64)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let meta = fs::symlink_metadata(&path).unwrap();
            let mut hasher = DefaultHasher::new();
            if meta.is_file() {
                fs::read(&path).unwrap().hash(&mut hasher);
            }
            let content = hasher.finish();
            let name = path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
            all.push((name, meta.mode(), meta.uid(), meta.gid(), content));
            if meta.is_dir() {
                add(&path, root, all);
            }
        }
    }
    let mut all = Vec::new();
    add(volume, volume, &mut all);
    all.sort();
    all
}
