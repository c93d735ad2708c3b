//! The app: two databases that it holds open, one with a write-ahead log and one with a rollback journal, and its config file.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use rusqlite::{Connection, OpenFlags};

use crate::content::Content;

/// The databases, and how each keeps its transactions.
pub const DATABASES: [(&str, &str); 2] = [("radarr.db", "wal"), ("logs.db", "delete")];
/// The app's own file.
pub const CONFIG: &str = "config.xml";

/// The running app.
pub struct App {
    volume: PathBuf,
    connections: [Connection; 2],
}

impl App {
    /// Starts on whatever is in the volume; what is not there it makes, as every app does.
    pub fn start(volume: &Path) -> Result<Self, String> {
        let open = |(name, mode): (&str, &str)| -> rusqlite::Result<Connection> {
            let connection = Connection::open(volume.join(name))?;
            connection.pragma_update(None, "synchronous", "off")?;
            connection.pragma_update(None, "journal_mode", mode)?;
            connection
                .execute_batch("create table if not exists rows (id integer primary key, fill blob)")?;
            Ok(connection)
        };
        let [first, second] = DATABASES.map(open);
        let connections = [first, second].map(|opened| opened.map_err(|error| error.to_string()));
        let [first, second] = connections;
        Ok(Self {
            volume: volume.to_owned(),
            connections: [first?, second?],
        })
    }

    /// Commits a row.
    pub fn commit(&self, database: usize, row: u32) {
        let done = self.connections[database].execute("insert into rows values (?1, zeroblob(3000))", [row]);
        assert_eq!(done.unwrap(), 1);
    }

    /// Writes its config file anew.
    pub fn configure(&self, number: u32) {
        write_config(&self.volume, number);
    }

    /// Moves its log into the database.
    pub fn checkpoint(&self) {
        let done =
            self.connections[0].query_row("pragma wal_checkpoint(truncate)", [], |row| row.get::<_, i64>(0));
        assert_eq!(done.unwrap(), 0);
    }

    /// Ends in good order.
    pub fn stop(self) {
        for connection in self.connections {
            connection.close().unwrap();
        }
    }

    /// Ends as SIGKILL ends it: the files stay as they are at this moment, each the same file as before.
    pub fn kill(self) {
        let volume = self.volume.clone();
        let names = DATABASES.iter().flat_map(|(name, _)| {
            ["", "-wal", "-shm", "-journal"].map(|suffix| volume.join(format!("{name}{suffix}")))
        });
        let before: Vec<(PathBuf, Vec<u8>)> = names
            .filter_map(|path| Some((path.clone(), fs::read(path).ok()?)))
            .collect();
        self.stop();
        for (path, bytes) in before {
            let file = fs::File::options()
                .write(true)
                .create(true)
                .truncate(false)
                .open(&path)
                .unwrap();
            file.set_len(bytes.len() as u64).unwrap();
            file.write_all_at(&bytes, 0).unwrap();
        }
    }
}

const OPEN: &str = "<Generation>";
const CLOSE: &str = "</Generation>";

/// Writes a number into the config file; what others wrote there stays.
fn write_config(volume: &Path, number: u32) {
    let path = volume.join(CONFIG);
    let text = fs::read_to_string(&path).unwrap_or_else(|_| "<Config>\n</Config>\n".to_owned());
    let (before, after) = match (text.split_once(OPEN), text.split_once(CLOSE)) {
        (Some((before, _)), Some((_, after))) => (before.to_owned(), after.to_owned()),
        _ => {
            let (before, _) = text.split_once("</Config>").unwrap();
            (before.to_owned(), "\n</Config>\n".to_owned())
        }
    };
    fs::write(path, format!("{before}{OPEN}{number}{CLOSE}{after}")).unwrap();
}

/// What is in a volume that no app runs on, or what is wrong with it.
pub fn read(volume: &Path) -> Result<Content, String> {
    let mut content = Content::default();
    let text = fs::read_to_string(volume.join(CONFIG)).map_err(|error| format!("{CONFIG}: {error}"))?;
    if let Some((_, rest)) = text.split_once(OPEN) {
        let number = rest.split_once(CLOSE).and_then(|(number, _)| number.parse().ok());
        content.config = number.ok_or_else(|| format!("{CONFIG} reads {text:?}"))?;
    }
    // An app that has never run has neither.
    if DATABASES.iter().all(|(name, _)| !volume.join(name).exists()) {
        return Ok(content);
    }
    for (number, (name, _)) in DATABASES.iter().enumerate() {
        content.rows[number] = rows(&volume.join(name))?;
    }
    Ok(content)
}

/// The rows of a database, which has to be sound.
pub fn rows(path: &Path) -> Result<BTreeSet<u32>, String> {
    let read = || -> rusqlite::Result<(String, BTreeSet<u32>)> {
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let sound = connection.query_row("pragma integrity_check", [], |row| row.get(0))?;
        let mut statement = connection.prepare("select id from rows")?;
        let rows = statement
            .query_map([], |row| row.get(0))?
            .collect::<rusqlite::Result<_>>()?;
        Ok((sound, rows))
    };
    let name = path.file_name().unwrap_or_default().display();
    match read() {
        Ok((sound, rows)) if sound == "ok" => Ok(rows),
        Ok((damage, _)) => Err(format!("{name} is damaged: {damage}")),
        Err(error) => Err(format!("{name}: {error}")),
    }
}
