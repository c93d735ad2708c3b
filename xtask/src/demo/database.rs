//! Radarr's database: a real SQLite one, with the tables that Radarr makes and rows that are made up.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags};

/// The tables, as written from Radarr's source.
const TABLES: &str = include_str!("../../../charm/tests/data/schemas/radarr.sql");

/// A collection of some years.
const ROWS: &str = r#"
WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 412)
INSERT INTO "Movies" SELECT i, '/media/films/Film ' || i, 1, 1, '2026-02-01 10:00:00Z', '[]', NULL, i, 3, i, NULL FROM n;
WITH RECURSIVE n(i) AS (SELECT 4 UNION ALL SELECT i + 1 FROM n WHERE i < 400)
INSERT INTO "MovieFiles" ("MovieId", "Quality", "Size", "DateAdded", "RelativePath")
  SELECT i, '{"quality":7}', 1000000 * i, '2026-02-01 11:00:00Z', 'Film ' || i || '.mkv' FROM n;
WITH RECURSIVE n(i) AS (SELECT 5 UNION ALL SELECT i + 1 FROM n WHERE i < 1236)
INSERT INTO "History" ("SourceTitle", "Date", "Quality", "Data", "EventType", "MovieId")
  SELECT 'Film.' || i % 412, '2026-02-01 10:30:00Z', '{"quality":7}', '{"indexer":"Example"}', 1 + i % 3, 1 + i % 412 FROM n;
"#;

/// What somebody does who clears the wrong selection.
pub const DAMAGE: &str =
    "DELETE FROM Movies WHERE Id > 100; DELETE FROM MovieFiles WHERE MovieId > 100; DELETE FROM History;";

/// What is counted, and in which table.
pub const COUNTED: [(&str, &str); 3] = [
    ("films", "Movies"),
    ("film files", "MovieFiles"),
    ("history entries", "History"),
];

/// Makes the database. Whoever keeps the connection has it open as a running app has: the last rows are in its write-ahead log.
pub fn fill(path: &Path) -> Result<Connection> {
    let filled = || -> rusqlite::Result<Connection> {
        let database = Connection::open(path)?;
        database.pragma_update(None, "journal_mode", "wal")?;
        database.execute_batch(TABLES)?;
        database.execute_batch(ROWS)?;
        Ok(database)
    };
    filled().with_context(|| format!("cannot make {}", path.display()))
}

/// Runs statements on the database.
pub fn change(path: &Path, statements: &str) -> Result<()> {
    let changed = Connection::open(path).and_then(|database| database.execute_batch(statements));
    changed.with_context(|| format!("cannot change {}", path.display()))
}

/// Every row of every table.
#[derive(Debug, Clone, PartialEq)]
pub struct Content(BTreeMap<String, Vec<Vec<Value>>>);

impl Content {
    /// Reads the database.
    pub fn of(path: &Path) -> Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY;
        let read = Connection::open_with_flags(path, flags).and_then(|database| read(&database));
        read.map(Self)
            .with_context(|| format!("cannot read {}", path.display()))
    }

    /// How many rows a table has.
    pub fn rows(&self, table: &str) -> usize {
        self.0.get(table).map_or(0, Vec::len)
    }

    /// How many tables there are.
    pub fn tables(&self) -> usize {
        self.0.len()
    }

    /// The tables that are not the same in another content.
    pub fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a str> {
        let tables = self.0.keys().chain(other.0.keys());
        let mut names: Vec<&str> = tables
            .filter(|table| self.0.get(*table) != other.0.get(*table))
            .map(String::as_str)
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }
}

fn read(database: &Connection) -> rusqlite::Result<BTreeMap<String, Vec<Vec<Value>>>> {
    let named = "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'";
    let names: Vec<String> = database
        .prepare(named)?
        .query_map((), |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut tables = BTreeMap::new();
    for name in names {
        let mut statement = database.prepare(&format!("SELECT * FROM \"{name}\" ORDER BY rowid"))?;
        let columns = statement.column_count();
        let rows = statement.query_map((), |row| (0..columns).map(|column| row.get(column)).collect())?;
        let rows: Vec<Vec<Value>> = rows.collect::<Result<_, _>>()?;
        tables.insert(name, rows);
    }
    Ok(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_changed_value_is_a_difference_though_every_count_is_as_it_was() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("radarr.db");
        let database = fill(&path).unwrap();
        let before = Content::of(&path).unwrap();
        assert_eq!(COUNTED.map(|(_, table)| before.rows(table)), [412, 399, 1236]);
        assert_eq!(before.differing(&Content::of(&path).unwrap()), Vec::<&str>::new());
        database
            .execute_batch("UPDATE Movies SET Monitored = 0 WHERE Id = 7")
            .unwrap();
        let after = Content::of(&path).unwrap();
        assert_eq!(before.rows("Movies"), after.rows("Movies"));
        assert_eq!(before.differing(&after), ["Movies"]);
        database.execute_batch("DROP TABLE History").unwrap();
        assert_eq!(
            before.differing(&Content::of(&path).unwrap()),
            ["History", "Movies"]
        );
    }
}
