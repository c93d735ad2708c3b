//! SQLite databases opened, and checked.

use std::{
    fs::File,
    os::unix::ffi::OsStrExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rusqlite::{Connection, ErrorCode, OpenFlags, config::DbConfig};

use crate::{Error, Result, hash::blake3, tree::RelPath};

/// How long SQLite itself waits before it says that a database is locked, so that a deadline is kept to.
const PATIENCE: Duration = Duration::from_millis(50);

/// How far a database was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseCheck {
    /// All of `PRAGMA integrity_check`.
    Full,
    /// `PRAGMA quick_check` of each table. The app brings collations, tokenizers or functions of its own, which only the
    /// app itself has; the order in its indexes cannot be judged without them.
    Structure,
}

/// What is known of a copy that is on disk.
#[derive(Debug)]
pub(crate) struct Copied {
    pub size: u64,
    pub blake3: String,
}

/// Runs a call again while the database is locked.
pub(crate) fn patiently<T>(
    path: &RelPath,
    timeout: Duration,
    mut call: impl FnMut() -> rusqlite::Result<Option<T>>,
) -> Result<T> {
    let started = Instant::now();
    loop {
        match call() {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => {}
            Err(error) if is_locked(&error) => {}
            Err(source) => return Err(failed(path, source)),
        }
        if started.elapsed() >= timeout {
            return Err(Error::Busy {
                path: path.to_string(),
                waited: started.elapsed(),
            });
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn is_locked(error: &rusqlite::Error) -> bool {
    use ErrorCode::{DatabaseBusy, DatabaseLocked, FileLockingProtocolFailed};
    matches!(
        error.sqlite_error_code(),
        Some(DatabaseBusy | DatabaseLocked | FileLockingProtocolFailed)
    )
}

pub(crate) fn failed(path: &RelPath, source: rusqlite::Error) -> Error {
    match source.sqlite_error_code() {
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Error::Unsound {
            path: path.to_string(),
            reason: source.to_string(),
        },
        _ => Error::Database {
            path: path.to_string(),
            source,
        },
    }
}

pub(crate) fn open_live(path: &Path, keeps_log: bool) -> rusqlite::Result<Connection> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(PATIENCE)?;
    distrust(&connection)?;
    // Where there is a log, it is the app's to fold in; where there is none, the empty one of ours goes on closing.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, keeps_log)?;
    Ok(connection)
}

/// A schema is part of a file that may be hostile: nothing in it gets to run anything but plain SQL.
pub(crate) fn distrust(connection: &Connection) -> rusqlite::Result<()> {
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    Ok(())
}

pub(crate) fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<u64> {
    let value: i64 = connection.pragma_query_value(None, name, |row| row.get(0))?;
    Ok(u64::try_from(value).unwrap_or(0))
}

/// Brings a copy to disk, hashes it meanwhile, and looks it over.
pub(crate) fn settle(path: &RelPath, copy: &Path) -> Result<Copied> {
    let mut file = File::open(copy).map_err(Error::io("open", copy))?;
    let (size, blake3) = thread::scope(|scope| {
        let synced = scope.spawn(|| File::open(copy)?.sync_all());
        let hashed = blake3(&mut file, u64::MAX).map_err(Error::io("read", copy));
        synced
            .join()
            .unwrap_or_else(|_| Err(std::io::Error::other("a thread ended early")))
            .map_err(Error::io("sync", copy))?;
        hashed
    })?;
    look_over(copy, size).map_err(|reason| Error::Unsound {
        path: path.to_string(),
        reason,
    })?;
    Ok(Copied { size, blake3 })
}

/// What can be checked for next to nothing: the copy opens, its schema can be read, its length is what its header says.
fn look_over(copy: &Path, size: u64) -> std::result::Result<(), String> {
    match length_of(copy) {
        Ok(length) if length == size => Ok(()),
        Ok(length) => Err(format!("it has {size} bytes instead of {length}")),
        Err(error) => Err(error.to_string()),
    }
}

/// Bytes that the database in a copy has, whatever the length of its file. Its schema is read.
pub(crate) fn length_of(copy: &Path) -> rusqlite::Result<u64> {
    let connection = open_copy(copy)?;
    // Reading a table, not a pragma, is what has the schema parsed for certain.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(pragma(&connection, "page_count")?.saturating_mul(pragma(&connection, "page_size")?))
}

pub(crate) fn open_copy(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_URI
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let connection = Connection::open_with_flags(immutable_uri(path), flags)?;
    distrust(&connection)?;
    Ok(connection)
}

/// Checks a copy that nobody else has open: no locks, and neither a log nor a journal is made or read.
///
/// # Errors
/// What SQLite found, in words.
pub(crate) fn check_copy(path: &Path) -> std::result::Result<DatabaseCheck, String> {
    let open = || -> rusqlite::Result<Connection> {
        let connection = open_copy(path)?;
        // Pages are read where they lie in the page cache. The file is whole and nobody shortens it.
        // (`cell_size_check` would look at each page a second time: three times as long, for nothing that the check of
        // the whole does not find.)
        connection.execute_batch("PRAGMA mmap_size = 4294967296;")?;
        Ok(connection)
    };
    let connection = open().map_err(|error| error.to_string())?;
    integrity(&connection)
}

/// Checks a database as the app would find it: its log is read, and a transaction that was cut off is rolled back.
///
/// # Errors
/// What SQLite found, in words.
pub(crate) fn check_live(path: &Path) -> std::result::Result<DatabaseCheck, String> {
    let connection = open_live(path, true).map_err(|error| error.to_string())?;
    connection
        .busy_timeout(Duration::from_secs(10))
        .map_err(|error| error.to_string())?;
    integrity(&connection)
}

fn integrity(connection: &Connection) -> std::result::Result<DatabaseCheck, String> {
    match findings(connection, "PRAGMA integrity_check(10)") {
        Ok(None) => Ok(DatabaseCheck::Full),
        Ok(Some(found)) => Err(found),
        Err(error) if lacks_the_app(&error) => structure(connection),
        Err(error) => Err(error.to_string()),
    }
}

/// `SQLITE_ERROR`: the schema names a collation, tokenizer or function that only the app has.
fn lacks_the_app(error: &rusqlite::Error) -> bool {
    let code = match error {
        // Where SQLite can point to the name: a function in an index.
        rusqlite::Error::SqlInputError { error, .. } => Some(error.code),
        error => error.sqlite_error_code(),
    };
    code == Some(ErrorCode::Unknown)
}

/// What a check says; `None` when it says `ok`.
fn findings(connection: &Connection, check: &str) -> rusqlite::Result<Option<String>> {
    let mut statement = connection.prepare(check)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0))?;
    let texts = rows.collect::<rusqlite::Result<Vec<String>>>()?;
    Ok(if texts == ["ok"] {
        None
    } else {
        Some(texts.join("; "))
    })
}

fn structure(connection: &Connection) -> std::result::Result<DatabaseCheck, String> {
    let run = || -> rusqlite::Result<Option<String>> {
        // Any order will do: `quick_check` does not judge the order in indexes.
        connection.collation_needed(|connection, name| {
            connection.create_collation(name, |a: &str, b: &str| a.cmp(b))
        })?;
        let mut statement = connection.prepare(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'create virtual%'",
        )?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?;
        for name in names.collect::<rusqlite::Result<Vec<_>>>()? {
            let check = format!("PRAGMA quick_check(\"{}\")", name.replace('"', "\"\""));
            match findings(connection, &check) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                // An index on an expression with a function of the app's own: this table stays unjudged.
                Err(error) if lacks_the_app(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    };
    match run() {
        Ok(None) => Ok(DatabaseCheck::Structure),
        Ok(Some(found)) => Err(found),
        Err(error) => Err(error.to_string()),
    }
}

fn immutable_uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(byte) {
            uri.push(char::from(*byte));
        } else {
            uri.push_str(&format!("%{byte:02x}"));
        }
    }
    uri + "?immutable=1"
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A database with what the statements make.
    fn database(statements: &str) -> (std::path::PathBuf, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.db");
        let connection = Connection::open(&path).unwrap();
        connection.execute_batch(statements).unwrap();
        connection.close().unwrap();
        (path, folder)
    }

    /// An index and a constraint by a function that only the app has.
    const OWN_FUNCTION: &str = "
        CREATE TABLE t (x CHECK (lower(x) = x)); INSERT INTO t VALUES ('a');
        CREATE INDEX i ON t (lower(x));
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'lower', 'apps_own');";
    /// An R-tree whose root node was cut off, which SQLite cannot even open.
    const DAMAGED_TREE: &str = "
        CREATE VIRTUAL TABLE places USING rtree (id, a, b); INSERT INTO places VALUES (1, 2, 3);
        UPDATE places_node SET data = x'00';";
    /// A search index by a tokenizer that only the app has.
    const OWN_TOKENIZER: &str = "
        CREATE VIRTUAL TABLE texts USING fts4 (x, tokenize=simple);
        PRAGMA writable_schema = ON;
        UPDATE sqlite_schema SET sql = replace(sql, 'simple', 'apps_own');";

    #[test]
    fn a_locked_database_is_tried_until_the_time_is_over_and_no_other() {
        let path = RelPath::new("a.db").unwrap();
        let mut tries = 0;
        let tried = patiently(&path, Duration::from_secs(60), || {
            tries += 1;
            Ok((tries == 3).then_some("read"))
        });
        assert_eq!(tried.unwrap(), "read");
        let error = |code| rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(code), None);
        let mut locked = true;
        let tried = patiently(&path, Duration::from_secs(60), || {
            match std::mem::replace(&mut locked, false) {
                true => Err(error(rusqlite::ffi::SQLITE_BUSY)),
                false => Ok(Some("read")),
            }
        });
        assert_eq!(tried.unwrap(), "read");
        for (code, is_damage) in [
            (rusqlite::ffi::SQLITE_NOTADB, true),
            (rusqlite::ffi::SQLITE_CORRUPT, true),
            (rusqlite::ffi::SQLITE_IOERR, false),
        ] {
            match patiently(&path, Duration::ZERO, || Err::<Option<()>, _>(error(code))) {
                Err(Error::Unsound { .. }) => assert!(is_damage, "{code}"),
                Err(Error::Database { .. }) => assert!(!is_damage, "{code}"),
                other => panic!("{other:?}"),
            }
        }
        let timeout = Duration::from_millis(5);
        match patiently(&path, timeout, || Ok(None::<()>)) {
            Err(Error::Busy { waited, .. }) => assert!(waited >= timeout),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn no_schema_is_trusted() {
        let (path, _folder) = database("CREATE TABLE t (x)");
        for connection in [open_live(&path, true).unwrap(), open_copy(&path).unwrap()] {
            let is_set = |what| connection.db_config(what).unwrap();
            assert!(!is_set(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA));
            assert!(is_set(DbConfig::SQLITE_DBCONFIG_DEFENSIVE));
        }
    }

    #[test]
    fn a_copy_has_the_length_that_its_header_says_and_a_schema() {
        let (path, folder) = database("CREATE TABLE t (x)");
        let size = fs::metadata(&path).unwrap().len();
        assert_eq!(look_over(&path, size), Ok(()));
        for other in [size - 512, size + 512] {
            let text = look_over(&path, other).unwrap_err();
            assert_eq!(text, format!("it has {other} bytes instead of {size}"));
        }
        let none = folder.path().join("none");
        fs::write(&none, [0x5a; 512]).unwrap();
        assert!(look_over(&none, 512).is_err());
    }

    #[test]
    fn what_the_app_alone_can_read_stays_unjudged_and_nothing_else() {
        for (statements, expected) in [
            ("CREATE TABLE t (x)".to_owned(), Ok(DatabaseCheck::Full)),
            (OWN_FUNCTION.to_owned(), Ok(DatabaseCheck::Structure)),
            (
                DAMAGED_TREE.to_owned(),
                Err("undersize RTree blobs in \"places_node\""),
            ),
            (OWN_TOKENIZER.to_owned(), Ok(DatabaseCheck::Structure)),
            // In a spelling by which it is taken for an ordinary table, after one that only the app can read.
            (
                format!(
                    "{OWN_TOKENIZER} {DAMAGED_TREE}
                     UPDATE sqlite_schema SET sql = replace(sql, 'VIRTUAL', ' VIRTUAL');"
                ),
                Err("undersize RTree blobs in \"places_node\""),
            ),
        ] {
            let (path, _folder) = database(&statements);
            let expected = expected.map_err(str::to_owned);
            assert_eq!(check_copy(&path), expected, "{statements}");
        }
    }

    #[test]
    fn a_name_is_no_part_of_the_options_that_follow_it() {
        assert_eq!(
            immutable_uri(Path::new("/a-b/c_1.db?mode=rw&%41#")),
            "file:/a-b/c_1.db%3fmode%3drw%26%2541%23?immutable=1"
        );
    }
}
