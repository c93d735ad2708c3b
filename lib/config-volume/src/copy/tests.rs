//! Races between an app and a copy, played by a watcher in the middle, and what a copy has to refuse.

use std::sync::Mutex;

use super::*;
use crate::JournalMode;

/// Enough for whatever does end.
const LONG: Duration = Duration::from_secs(20);

/// A volume, and a folder for copies beside it.
struct Place {
    folder: tempfile::TempDir,
    root: Root,
    name: RelPath,
    to: PathBuf,
}

impl Place {
    /// With a database that nobody has open.
    fn new(mode: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("config")).unwrap();
        let root = Root::open(&folder.path().join("config")).unwrap();
        let place = Self {
            to: folder.path().join("copy"),
            name: RelPath::new("radarr.db").unwrap(),
            root,
            folder,
        };
        make_database(&place.database(), mode, "made first");
        place
    }

    /// With a database whose app was killed before its log was folded in, and the index was lost.
    fn with_log() -> Self {
        let place = Self::new("wal");
        let app = Connection::open(place.database()).unwrap();
        app.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
            .unwrap();
        app.execute("UPDATE t SET x = 'in the log'", []).unwrap();
        app.close().unwrap();
        fs::remove_file(place.beside("-shm")).unwrap();
        assert!(place.beside("-wal").metadata().unwrap().len() > 0);
        place
    }

    fn database(&self) -> PathBuf {
        self.root.full(&self.name)
    }

    fn beside(&self, suffix: &str) -> PathBuf {
        self.root.full(&self.name.with_suffix(suffix))
    }

    fn found(&self) -> Found {
        Found {
            path: self.name.clone(),
            meta: self.root.look(&self.name).unwrap().unwrap(),
            journal_mode: JournalMode::Wal,
            own: true,
        }
    }

    fn open(&self, timeout: Duration, watcher: &Watcher) -> Result<Option<Opened>> {
        let mut kept = Vec::new();
        let source = Source::open(&self.root, self.found(), timeout, &mut kept, watcher)?;
        Ok(source.map(|source| Opened { source, _kept: kept }))
    }

    fn opened(&self) -> Opened {
        self.open(LONG, &Watcher::default()).unwrap().unwrap()
    }

    /// Calls `act` at a step, with the number of times before.
    fn at(&self, step: Step, act: impl Fn(&Path, u32) -> io::Result<()> + Send + Sync + 'static) -> Watcher {
        let (path, times) = (self.database(), Mutex::new(0));
        Watcher::new(move |now| {
            if now != step {
                return Ok(());
            }
            let mut times = times.lock().unwrap();
            *times += 1;
            act(&path, *times - 1)
        })
    }
}

/// Fields are dropped in this order: SQLite closes the database first.
struct Opened {
    source: Source,
    _kept: Vec<Arc<File>>,
}

impl Opened {
    /// It is copied, and is still what has the name.
    fn copies(&self, place: &Place, watcher: &Watcher) {
        let copied = self.source.copy(&place.root, &place.to, LONG, watcher);
        assert!(copied.unwrap());
    }
}

fn make_database(path: &Path, mode: &str, text: &str) {
    let database = Connection::open(path).unwrap();
    database.pragma_update(None, "journal_mode", mode).unwrap();
    database.execute("CREATE TABLE t (x)", []).unwrap();
    database.execute("INSERT INTO t VALUES (?1)", [text]).unwrap();
    database.close().unwrap();
}

fn content(path: &Path) -> String {
    let database = Connection::open(path).unwrap();
    let text = database.query_row("SELECT x FROM t", [], |row| row.get(0));
    text.unwrap()
}

/// Another database gets the name, as when an app takes back a backup of its own.
fn replace(path: &Path, mode: &str) {
    let new = path.with_extension("new");
    make_database(&new, mode, "made anew");
    fs::rename(new, path).unwrap();
}

/// The app opens it and keeps it open.
fn open_as_the_app(path: &Path) -> Connection {
    let app = Connection::open(path).unwrap();
    app.query_row("SELECT x FROM t", [], |_| Ok(())).unwrap();
    app
}

#[test]
fn a_database_that_went_away_is_none_and_one_that_cannot_be_opened_is_an_error() {
    let place = Place::new("wal");
    let (found, watcher) = (place.found(), Watcher::default());
    let open = || Source::open(&place.root, found.clone(), LONG, &mut Vec::new(), &watcher);
    fs::rename(place.database(), place.database().with_extension("elsewhere")).unwrap();
    assert!(open().unwrap().is_none());
    std::os::unix::fs::symlink("radarr.elsewhere", place.database()).unwrap();
    assert!(matches!(open(), Err(Error::Io { action: "open", .. })));
}

#[test]
fn what_has_the_name_once_it_is_open_is_what_is_copied() {
    for mode in ["wal", "delete"] {
        let place = Place::new(mode);
        let watcher = place.at(Step::Opening, move |path, times| {
            if times == 0 {
                replace(path, mode);
            }
            Ok(())
        });
        let opened = place.open(LONG, &watcher).unwrap().unwrap();
        assert_eq!(
            opened.source.found.meta.ino(),
            place.found().meta.ino(),
            "{mode}: the one that was there before"
        );
        opened.copies(&place, &watcher);
        assert_eq!(content(&place.to), "made anew", "{mode}");
    }
}

#[test]
fn a_database_that_goes_away_while_it_is_opened_is_none_at_once() {
    for mode in ["wal", "delete"] {
        let place = Place::new(mode);
        let watcher = place.at(Step::Opening, |path, _| fs::remove_file(path));
        let opened = place.open(Duration::ZERO, &watcher).unwrap();
        assert!(opened.is_none(), "{mode}");
    }
}

#[test]
fn a_database_that_the_app_opens_meanwhile_is_one_in_use() {
    let place = Place::new("wal");
    let app = Mutex::new(None);
    let watcher = place.at(Step::Opening, move |path, _| {
        app.lock().unwrap().get_or_insert_with(|| open_as_the_app(path));
        Ok(())
    });
    let opened = place.open(LONG, &watcher).unwrap().unwrap();
    assert!(matches!(opened.source.access, Access::Locked(_)));
}

#[test]
fn a_database_that_never_stays_the_same_is_busy_in_the_end() {
    let enough = |times| match times {
        0 => Ok(()),
        _ => Err(io::Error::other("it was tried again after the time was over")),
    };
    for mode in ["wal", "delete"] {
        let place = Place::new(mode);
        let watcher = place.at(Step::Opening, move |path, times| {
            replace(path, mode);
            enough(times)
        });
        let opened = place.open(Duration::ZERO, &watcher);
        assert!(matches!(opened, Err(Error::Busy { .. })), "{mode}");
    }
    let place = Place::new("wal");
    let watcher = place.at(Step::QuietCopied, move |path, times| {
        replace(path, "wal");
        enough(times)
    });
    let opened = place.opened();
    let copied = opened
        .source
        .copy(&place.root, &place.to, Duration::ZERO, &watcher);
    assert!(matches!(copied, Err(Error::Busy { .. })), "{copied:?}");
    let place = Place::new("delete");
    let anew = place
        .opened()
        .source
        .copy_anew(&place.root, &place.to, Duration::ZERO, &Watcher::default());
    assert!(matches!(anew, Err(Error::Busy { .. })), "{anew:?}");
}

#[test]
fn a_database_that_is_replaced_while_it_is_copied_is_copied_again_from_the_new_file() {
    // Nobody has the new one open, or it is one whose reading takes a lock.
    for mode in ["wal", "delete"] {
        let place = Place::new("wal");
        let watcher = place.at(Step::QuietCopied, move |path, times| {
            if times == 0 {
                replace(path, mode);
            }
            Ok(())
        });
        let opened = place.opened();
        opened.copies(&place, &watcher);
        assert_eq!(content(&place.to), "made anew", "{mode}");
    }
}

#[test]
fn a_database_in_use_is_copied_with_its_log_and_from_the_file_that_has_the_name() {
    let watcher = Watcher::default();
    let place = Place::new("wal");
    let app = open_as_the_app(&place.database());
    app.execute("UPDATE t SET x = 'in the log'", []).unwrap();
    let opened = place.opened();
    assert!(matches!(opened.source.access, Access::Locked(_)));
    opened.copies(&place, &watcher);
    assert_eq!(content(&place.to), "in the log");

    let place = Place::new("delete");
    let opened = place.opened();
    replace(&place.database(), "delete");
    opened.copies(&place, &watcher);
    assert_eq!(content(&place.to), "made anew");
    fs::remove_file(place.database()).unwrap();
    let gone = place.folder.path().join("gone");
    assert!(!opened.source.copy(&place.root, &gone, LONG, &watcher).unwrap());
    assert!(!gone.exists());
}

#[test]
fn a_log_that_is_begun_anew_while_it_is_copied_is_no_part_of_the_copy() {
    let place = Place::new("wal");
    let app = open_as_the_app(&place.database());
    app.execute("UPDATE t SET x = 'in the file'", []).unwrap();
    // All of the log is used up, so that a reader does not keep it.
    app.query_row("PRAGMA wal_checkpoint(FULL)", [], |_| Ok(()))
        .unwrap();
    let opened = place.opened();
    let app = Mutex::new(app);
    let watcher = place.at(Step::LogRead, move |_, times| {
        if times == 0 {
            let app = app.lock().unwrap();
            app.execute("UPDATE t SET x = 'too late'", []).unwrap();
        }
        Ok(())
    });
    opened.copies(&place, &watcher);
    assert!(!beside(&place.to).exists());
    assert_eq!(content(&place.to), "in the file");
}

#[test]
fn a_database_is_in_place_while_it_and_its_log_are_the_files_that_are_open() {
    let place = Place::new("delete");
    let opened = place.opened();
    let is_in_place = || opened.source.is_in_place(&place.root);
    assert!(is_in_place());
    fs::write(place.beside("-wal"), "").unwrap();
    assert!(!is_in_place(), "a log was made");
    fs::remove_file(place.beside("-wal")).unwrap();
    assert!(is_in_place());
    replace(&place.database(), "delete");
    assert!(!is_in_place(), "another file has the name");
    fs::remove_file(place.database()).unwrap();
    assert!(!is_in_place(), "it went away");

    let place = Place::with_log();
    let opened = place.opened();
    let is_in_place = || opened.source.is_in_place(&place.root);
    assert!(is_in_place());
    let log = place.beside("-wal");
    fs::copy(&log, log.with_extension("new")).unwrap();
    fs::rename(log.with_extension("new"), &log).unwrap();
    assert!(!is_in_place(), "another log has the name");
    fs::remove_file(log).unwrap();
    assert!(!is_in_place(), "the log went away");
}

#[test]
fn a_database_is_quiet_while_it_is_the_same_file_with_a_log_and_unused() {
    let place = Place::with_log();
    let opened = place.opened();
    let quiet = || opened.source.quiet_state(&place.root);
    assert!(quiet().is_some());
    fs::write(place.beside("-shm"), "").unwrap();
    assert_eq!(quiet(), None, "it is in use");
    fs::remove_file(place.beside("-shm")).unwrap();
    assert!(quiet().is_some());
    replace(&place.database(), "wal");
    assert_eq!(quiet(), None, "another file has the name");
    let place = Place::new("delete");
    let opened = place.opened();
    assert_eq!(
        opened.source.quiet_state(&place.root),
        None,
        "reading takes a lock"
    );
}

#[test]
fn a_log_that_is_there_and_cannot_be_read_fails_the_copy() {
    let place = Place::with_log();
    let log = place.beside("-wal");
    fs::rename(&log, log.with_extension("elsewhere")).unwrap();
    std::os::unix::fs::symlink(log.with_extension("elsewhere"), &log).unwrap();
    let opened = place.opened();
    assert!(matches!(opened.source.access, Access::Quiet));
    let copied = opened
        .source
        .copy(&place.root, &place.to, LONG, &Watcher::default());
    assert!(
        matches!(copied, Err(Error::Io { action: "open", .. })),
        "{copied:?}"
    );
}

#[test]
fn a_log_without_a_frame_is_no_part_of_the_copy() {
    let place = Place::new("wal");
    let _app = open_as_the_app(&place.database());
    assert_eq!(place.beside("-wal").metadata().unwrap().len(), 0);
    let opened = place.opened();
    let Access::Locked(connection) = &opened.source.access else {
        panic!("the app has it open")
    };
    connection.execute_batch("BEGIN").unwrap();
    let log = opened
        .source
        .copy_while_still(connection, &place.root, &place.to, LONG, &Watcher::default())
        .unwrap();
    assert_eq!(log, None);
    assert!(!beside(&place.to).exists());
    assert_eq!(fs::read(&place.to).unwrap(), fs::read(place.database()).unwrap());
}

#[test]
fn room_for_more_at_the_end_of_a_file_is_no_part_of_its_copy() {
    for (place, text) in [
        (Place::new("wal"), "made first"),
        (Place::new("delete"), "made first"),
        (Place::with_log(), "in the log"),
    ] {
        let length = place.database().metadata().unwrap().len();
        let file = OpenOptions::new().write(true).open(place.database()).unwrap();
        file.set_len(length + 8192).unwrap();
        let opened = place.opened();
        let watcher = Watcher::default();
        opened.copies(&place, &watcher);
        assert_eq!(place.to.metadata().unwrap().len(), length);
        assert_eq!(content(&place.to), text);
    }
    let folder = tempfile::tempdir().unwrap();
    let short = folder.path().join("short");
    fs::write(&short, "abc").unwrap();
    shorten_to(&short, 512).unwrap();
    assert_eq!(fs::read(&short).unwrap(), b"abc", "a damaged copy stays one");
}

#[test]
fn a_copy_takes_the_room_of_file_and_log_where_no_blocks_can_be_shared() {
    let place = Place::with_log();
    let opened = place.opened();
    let size = |path: PathBuf| path.metadata().unwrap().len();
    let both = (size(place.database()), size(place.beside("-wal")));
    assert_eq!(opened.source.size, both);
    // A file of another file system has no blocks that could be shared.
    let elsewhere = rustix::fs::memfd_create("elsewhere", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let source = Source {
        found: place.found(),
        size: both,
        access: Access::Quiet,
        file: Arc::new(File::from(elsewhere)),
        log: None,
    };
    assert_eq!(source.room(place.folder.path()), both.0 + both.1);
    assert!(!place.folder.path().join("probe").exists());
}

#[test]
fn a_file_that_ends_before_the_database_in_it_is_unsound() {
    let path = RelPath::new("radarr.db").unwrap();
    assert!(long_enough(&path, 512, 512).is_ok());
    assert!(matches!(long_enough(&path, 511, 512), Err(Error::Unsound { .. })));
}

#[test]
fn a_buffer_is_filled_from_its_place_up_to_the_files_end() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    fs::write(&path, "abcdef").unwrap();
    let file = File::open(path).unwrap();
    for (at, expected) in [(0, "abcdef"), (1, "bcdef"), (5, "f"), (6, ""), (9, "")] {
        let mut buffer = [0; 20];
        let count = fill(&file, &mut buffer, at).unwrap();
        assert_eq!(&buffer[..count], expected.as_bytes(), "{at}");
        assert_eq!(buffer[count..], [0; 20][count..], "{at}");
    }
}

#[test]
fn as_many_bytes_are_copied_as_there_are_up_to_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a");
    let bytes: Vec<u8> = (0..2 * PIECE + 512).map(|at| (at / 512) as u8).collect();
    fs::write(&path, &bytes).unwrap();
    let file = File::open(path).unwrap();
    for limit in [0, 512, PIECE, PIECE + 512, 2 * PIECE, bytes.len(), usize::MAX] {
        let to = folder.path().join(limit.to_string());
        let copied = copy_bytes(&file, &mut make(&to).unwrap(), limit as u64).unwrap();
        let expected = &bytes[..limit.min(bytes.len())];
        assert_eq!(copied, expected.len() as u64, "{limit}");
        assert!(fs::read(to).unwrap() == expected, "{limit}");
    }
}

#[test]
fn a_log_is_copied_up_to_its_last_frame_and_has_none_where_its_pages_have_no_size_of_sqlites() {
    let folder = tempfile::tempdir().unwrap();
    let many = PIECE as u64 / (FRAME_HEADER as u64 + 512);
    for (page_size, frames, expected) in [
        (512, 3, 3),
        (1024, 3, 3),
        (256, 3, 0),
        (768, 3, 0),
        (0, 3, 0),
        (1 << 17, 3, 0),
        // What is read at once, and more.
        (512, many, many),
        (512, 2 * many + 1, 2 * many + 1),
    ] {
        let mut header = [0; LOG_HEADER];
        header[8..12].copy_from_slice(&u32::to_be_bytes(page_size));
        header[16..24].copy_from_slice(b"the salt");
        let mut frame = vec![0; FRAME_HEADER + page_size as usize];
        frame[8..16].copy_from_slice(b"the salt");
        let (log, to) = (folder.path().join("log"), folder.path().join("copy"));
        let ours: Vec<u8> = (0..frames)
            .flat_map(|number| {
                frame[0] = number as u8;
                frame.clone()
            })
            .collect();
        fs::write(&log, [&header[..], &ours, &[0; 600]].concat()).unwrap();
        let log = File::open(log).unwrap();
        let copied = copy_log(&log, &header, &to, &Watcher::default()).unwrap();
        assert_eq!(copied, expected, "{page_size}");
        let length = usize::try_from(expected).unwrap() * frame.len();
        assert!(
            fs::read(&to).unwrap() == [&header[..], &ours[..length]].concat(),
            "{page_size}"
        );
        fs::remove_file(to).unwrap();
    }
}

#[test]
fn a_log_that_is_still_there_was_not_folded_in() {
    let place = Place::new("wal");
    let log = place.beside("-other");
    assert!(fold_in(&place.name, &place.database(), &log).is_ok());
    fs::write(&log, "").unwrap();
    let folded = fold_in(&place.name, &place.database(), &log);
    assert!(matches!(folded, Err(Error::Unsound { .. })), "{folded:?}");
}

#[test]
fn a_write_in_the_tick_in_which_the_copy_began_would_not_show() {
    let at = |nanoseconds| -> Stamp { (1, 512, (100, nanoseconds), (100, nanoseconds)) };
    for (file, log, is_settled_then) in [
        (at(1), None, true),
        (at(2), None, false),
        (at(1), Some(at(1)), true),
        (at(1), Some(at(2)), false),
        // The clock was set back: the next write shows.
        (at(3), None, true),
    ] {
        assert_eq!(
            is_settled(&(file, log), (100, 2)),
            is_settled_then,
            "{file:?} {log:?}"
        );
    }
}
