//! A database under load, and the judge of its copies: for tests of backups, in a process or a pod of its own.
//!
//! ```text
//! config-volume-writer write PATH [--mode wal|delete] [--megabytes N] [--transactions N] [--pause-us N] [--until eof|kill]
//!                            [--rough]
//! config-volume-writer check PATH...
//! config-volume-writer rows PATH...
//! config-volume-writer sql PATH STATEMENTS
//! ```
//!
//! `write` fills the database to its size, prints `ready`, and then commits transactions of 20 rows each, with the sum
//! of all rows in a second table, until the number of transactions is reached, or its standard input ends (unless
//! `--until kill`: a container usually has none). It prints
//! `committed N` after every tenth. A rough writer has a cache of a few pages only, so that it writes pages before and
//! again when it commits; it takes every third transaction back; and it begins the log anew after every second.
//! `check` prints for each database whether it is sound (`PRAGMA integrity_check`) and
//! consistent (both tables agree), and exits with 1 when one is not. It opens a database as the app would, log and
//! journal included. `rows` prints one BLAKE3 of all rows, to compare a database with what it was.
//! `sql` runs statements, and makes the database if it is not there.

use std::{
    io::{self, Read, Write},
    process::ExitCode,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, params};

const USAGE: &str =
    "config-volume-writer write PATH [--mode wal|delete] [--megabytes N] [--transactions N] [--pause-us N] [--until eof|kill] [--rough]
config-volume-writer check PATH...
config-volume-writer rows PATH...
config-volume-writer sql PATH STATEMENTS";
/// Rows of one transaction.
const ROWS: i64 = 20;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let result = match arguments.split_first() {
        Some((verb, rest)) if verb == "write" => Load::parse(rest).and_then(|load| load.run()),
        Some((verb, paths)) if verb == "check" && !paths.is_empty() => check(paths),
        Some((verb, [path, statements])) if verb == "sql" => sql(path, statements),
        Some((verb, paths)) if verb == "rows" && !paths.is_empty() => rows(paths),
        _ => Err(USAGE.to_owned()),
    };
    match result {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "{error}");
            ExitCode::from(2)
        }
    }
}

fn sql(path: &str, statements: &str) -> Result<ExitCode, String> {
    let done = Connection::open(path).and_then(|connection| {
        connection.busy_timeout(Duration::from_secs(10))?;
        connection.execute_batch(statements)
    });
    done.map_err(|error| format!("{path}: {error}"))?;
    Ok(ExitCode::SUCCESS)
}

struct Load {
    path: String,
    mode: String,
    megabytes: i64,
    transactions: u64,
    pause: Duration,
    until_eof: bool,
    rough: bool,
}

impl Load {
    fn parse(arguments: &[String]) -> Result<Self, String> {
        let mut load = Self {
            path: String::new(),
            mode: "wal".to_owned(),
            megabytes: 80,
            transactions: u64::MAX,
            pause: Duration::ZERO,
            until_eof: true,
            rough: false,
        };
        let mut rest = arguments.iter();
        while let Some(argument) = rest.next() {
            if !argument.starts_with("--") {
                load.path.clone_from(argument);
                continue;
            }
            if argument == "--rough" {
                load.rough = true;
                continue;
            }
            let value = rest
                .next()
                .ok_or_else(|| format!("cannot use {argument}: it needs a value\n{USAGE}"))?;
            let number = || {
                value
                    .parse::<u64>()
                    .map_err(|_| format!("cannot use {argument} {value}: no number"))
            };
            match argument.as_str() {
                "--mode" if value == "wal" || value == "delete" => load.mode.clone_from(value),
                "--megabytes" => load.megabytes = i64::try_from(number()?).unwrap_or(80),
                "--transactions" => load.transactions = number()?,
                "--until" if value == "eof" || value == "kill" => load.until_eof = value == "eof",
                "--pause-us" => load.pause = Duration::from_micros(number()?),
                _ => return Err(format!("cannot use {argument} {value}\n{USAGE}")),
            }
        }
        if load.path.is_empty() {
            Err(USAGE.to_owned())
        } else {
            Ok(load)
        }
    }

    fn run(&self) -> Result<ExitCode, String> {
        self.write()
            .map_err(|error| format!("cannot write to {}: {error}", self.path))
    }

    fn write(&self) -> rusqlite::Result<ExitCode> {
        let mut connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::from_secs(30))?;
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        let rows = self.fill(&mut connection, &mut random)?;
        if self.rough {
            connection.pragma_update(None, "cache_size", 5)?;
            // Roughness is about what others see, and no power cut comes into it.
            connection.pragma_update(None, "synchronous", "OFF")?;
        }
        say("ready");
        let ended = Arc::new(AtomicBool::new(false));
        if self.until_eof {
            let flag = Arc::clone(&ended);
            thread::spawn(move || {
                let _ = io::stdin().read_to_end(&mut Vec::new());
                flag.store(true, Ordering::Relaxed);
            });
        }
        for number in 1..=self.transactions {
            if ended.load(Ordering::Relaxed) {
                break;
            }
            let take_back = self.rough && number % 3 == 0;
            transaction(&mut connection, &mut random, rows, take_back)?;
            if self.rough && number % 2 == 0 {
                let kind = if number % 4 == 0 { "TRUNCATE" } else { "RESTART" };
                // While somebody reads it is busy, and says so in a row.
                let _ = connection.query_row(&format!("PRAGMA wal_checkpoint({kind})"), [], |_| Ok(()));
            }
            if number % 10 == 0 {
                say(&format!("committed {number}"));
            }
            thread::sleep(self.pause);
        }
        Ok(ExitCode::SUCCESS)
    }

    /// Makes the tables and fills them; answers how many rows there are.
    fn fill(&self, connection: &mut Connection, random: &mut Random) -> rusqlite::Result<i64> {
        connection.pragma_update(None, "journal_mode", &self.mode)?;
        connection.pragma_update(None, "synchronous", "NORMAL")?;
        connection.execute_batch(
            "CREATE TABLE IF NOT EXISTS item (id INTEGER PRIMARY KEY, value INTEGER NOT NULL, text BLOB NOT NULL);
             CREATE INDEX IF NOT EXISTS item_value ON item (value);
             CREATE TABLE IF NOT EXISTS total (id INTEGER PRIMARY KEY, items INTEGER NOT NULL, value INTEGER NOT NULL,
                                               transactions INTEGER NOT NULL);
             INSERT OR IGNORE INTO total VALUES (1, 0, 0, 0);",
        )?;
        let pages: i64 = connection.pragma_query_value(None, "page_size", |row| row.get(0))?;
        let wanted = self.megabytes * 1024 * 1024 / pages;
        while connection.pragma_query_value(None, "page_count", |row| row.get::<_, i64>(0))? < wanted {
            let change = connection.transaction()?;
            for _ in 0..500 {
                let value = random.next();
                change.execute(
                    "INSERT INTO item (value, text) VALUES (?1, ?2)",
                    params![value, random.text()],
                )?;
                change.execute("UPDATE total SET items = items + 1, value = value + ?1", [value])?;
            }
            change.commit()?;
        }
        connection.query_row("SELECT items FROM total", [], |row| row.get(0))
    }
}

fn transaction(
    connection: &mut Connection,
    random: &mut Random,
    rows: i64,
    take_back: bool,
) -> rusqlite::Result<()> {
    let change = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    for _ in 0..ROWS {
        let (id, value) = (1 + random.next() % rows.max(1), random.next());
        let old: i64 = change.query_row("SELECT value FROM item WHERE id = ?1", [id], |row| row.get(0))?;
        change.execute(
            "UPDATE item SET value = ?2, text = ?3 WHERE id = ?1",
            params![id, value, random.text()],
        )?;
        change.execute("UPDATE total SET value = value + ?1", [value - old])?;
    }
    change.execute("UPDATE total SET transactions = transactions + 1", [])?;
    if take_back {
        change.rollback()
    } else {
        change.commit()
    }
}

fn check(paths: &[String]) -> Result<ExitCode, String> {
    let mut code = ExitCode::SUCCESS;
    for path in paths {
        match judge(path) {
            Ok(text) => say(&format!("{path}: sound, {text}")),
            Err(reason) => {
                say(&format!("{path}: damaged, {reason}"));
                code = ExitCode::from(1);
            }
        }
    }
    Ok(code)
}

fn judge(path: &str) -> Result<String, String> {
    let query = || -> rusqlite::Result<_> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let mut statement = connection.prepare("PRAGMA integrity_check(3)")?;
        let found = statement.query_map([], |row| row.get::<_, String>(0))?;
        let found = found.collect::<rusqlite::Result<Vec<_>>>()?.join("; ");
        let row = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        let summed = connection.query_row("SELECT count(*), sum(value) FROM item", [], row)?;
        let stored = connection.query_row("SELECT items, value FROM total", [], row)?;
        let transactions: i64 =
            connection.query_row("SELECT transactions FROM total", [], |row| row.get(0))?;
        Ok((found, summed, stored, transactions))
    };
    let (found, summed, stored, transactions) = query().map_err(|error| error.to_string())?;
    if found != "ok" {
        return Err(found);
    }
    if summed != stored {
        return Err(format!(
            "its tables disagree: items and sum are {summed:?}, {stored:?} is stored"
        ));
    }
    Ok(format!("{} rows, {transactions} transactions", stored.0))
}

fn rows(paths: &[String]) -> Result<ExitCode, String> {
    for path in paths {
        let digest = digest(path).map_err(|error| format!("cannot read the rows of {path}: {error}"))?;
        say(&format!("{path}: {digest}"));
    }
    Ok(ExitCode::SUCCESS)
}

/// BLAKE3 of every row of both tables, in order.
fn digest(path: &str) -> rusqlite::Result<String> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut digest = blake3::Hasher::new();
    let mut statement = connection.prepare("SELECT id, value, text FROM item ORDER BY id")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        digest.update(&row.get::<_, i64>(0)?.to_le_bytes());
        digest.update(&row.get::<_, i64>(1)?.to_le_bytes());
        digest.update(row.get_ref(2)?.as_blob()?);
    }
    let total = connection.query_row("SELECT items, value, transactions FROM total", [], |row| {
        Ok([row.get::<_, i64>(0)?, row.get(1)?, row.get(2)?])
    })?;
    for number in total {
        digest.update(&number.to_le_bytes());
    }
    Ok(digest.finalize().to_hex().to_string())
}

/// xorshift: a test wants rows that differ, not secrets.
struct Random(u64);

impl Random {
    fn next(&mut self) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        i64::try_from(self.0 >> 34).unwrap_or(0)
    }

    fn text(&mut self) -> Vec<u8> {
        (0..30).flat_map(|_| self.next().to_le_bytes()).collect()
    }
}

/// A reader that went away is no reason to stop: the database is what counts.
fn say(text: &str) {
    let mut out = io::stdout();
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}
