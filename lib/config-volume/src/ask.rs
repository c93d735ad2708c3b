//! What databases and folders hold, as a person would count it: questions of the caller's, answered from a live volume, a
//! restored one, or the copies of a backup.
//!
//! The questions are the caller's own; what is asked may come from a hostile backup. So a question is a single `SELECT` that reads
//! tables and no views, has a time limit, and its answer is a short line of text. Nothing is written, and no question is an error:
//! what cannot be answered is left out, with the reason.

use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rusqlite::{
    Connection,
    hooks::{AuthAction, AuthContext, Authorization},
    limits::Limit,
    types::Value,
};
use serde::{Deserialize, Serialize};

use crate::{
    Result,
    beside::Beside,
    copy::keeps_a_log,
    database::{open_copy, open_live},
    tree::{RelPath, Root},
};

/// How long the questions about one database may take. A count over all entries of a large library takes about a second on a slow disk.
const LIMIT: Duration = Duration::from_secs(5);
/// How long a locked database is waited for.
const BUSY: Duration = Duration::from_secs(2);
/// How often a question that takes too long is ended, until it has ended.
const AGAIN: Duration = Duration::from_millis(50);
/// The longest text or blob that SQLite may make on the way to an answer, in bytes.
const LONGEST: i32 = 4 << 20;
/// No more rows of secrets are compared.
const SECRETS: usize = 1000;
/// An answer has no more characters than this.
const ANSWER: usize = 100;

/// What an answer is about, which says how two of them compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerKind {
    /// The version of a database's schema: it grows with each migration.
    Schema,
    /// How many there are.
    Count,
    /// When the newest one was made: `YYYY-MM-DD HH:MM:SS` in UTC.
    Newest,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the answer is about.
    pub kind: AnswerKind,
    /// What is asked for: `films`; of a schema the database.
    pub name: String,
    /// Where the answer is found.
    pub source: Source,
}

/// Where an answer is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// In a database.
    Database {
        /// Its path from the root of the volume.
        path: String,
        /// One `SELECT` that answers one value.
        query: String,
    },
    /// The number of files in a folder, or of folders with a file in them.
    Files {
        /// Its path from the root of the volume.
        folder: String,
        /// How their names end.
        suffix: String,
        /// A path that has to be in each, for folders.
        within: Option<String>,
    },
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// What it is about.
    pub kind: AnswerKind,
    /// What was asked for.
    pub name: String,
    /// What it is: one line of at most a hundred characters.
    pub value: String,
}

/// What was answered, and what was not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    /// In the order of the questions. A question about a file or folder that is not there, and one whose answer is NULL, have
    /// none.
    pub given: Vec<Answer>,
    /// What could not be answered, and why: one line each.
    pub unanswered: Vec<Unanswered>,
    /// Names of the counts whose database is not there, or is an empty file: none of what they count can be there. A database that is
    /// there and cannot be read says nothing of the kind.
    pub lacking: Vec<String>,
}

/// A question without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unanswered {
    /// What was asked for.
    pub name: String,
    /// Why it cannot be told.
    pub reason: String,
}

impl fmt::Display for Unanswered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// Asks a volume that the app may be using. No database takes more than 5 s. Writes nothing, but for what
/// SQLite does on the next opening anyway: a transaction that a killed app left in a rollback journal is rolled back.
///
/// # Errors
/// The volume itself cannot be read.
pub fn ask(volume: &Path, questions: &[Question]) -> Result<Answers> {
    asked(volume, questions, &open_in_use)
}

/// Asks a volume that was restored and that nobody uses yet, with its databases where the app looks for them.
///
/// # Errors
/// The volume itself cannot be read.
pub fn ask_restored(volume: &Path, questions: &[Question]) -> Result<Answers> {
    asked(volume, questions, &open_at_rest)
}

/// A secret that is only compared: it is shown nowhere.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl From<String> for Secret {
    fn from(secret: String) -> Self {
        Self(secret)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Rows of a name and a secret in a database: the keys of other programs, say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretsQuestion {
    /// The database's path from the root of the volume.
    pub path: String,
    /// One `SELECT` that answers rows of a name and a secret. A row without one of them counts for nothing.
    pub query: String,
}

/// Secrets by the number of the question that they answer, and the name: an indexer and a download client may have the same one.
pub type Secrets = BTreeMap<(usize, String), Secret>;

/// The secrets in a volume that the app may be using; as [`ask`]. What cannot be answered is left out.
///
/// # Errors
/// The volume itself cannot be read.
pub fn secrets(volume: &Path, questions: &[SecretsQuestion]) -> Result<Secrets> {
    secrets_in(volume, questions, &open_in_use)
}

/// The secrets in a volume that was restored and that nobody uses yet; as [`ask_restored`].
///
/// # Errors
/// The volume itself cannot be read.
pub fn secrets_restored(volume: &Path, questions: &[SecretsQuestion]) -> Result<Secrets> {
    secrets_in(volume, questions, &open_at_rest)
}

fn secrets_in(
    volume: &Path,
    questions: &[SecretsQuestion],
    open: &dyn Fn(&Root, &RelPath) -> Opened,
) -> Result<Secrets> {
    let root = Root::open(volume)?;
    let mut secrets = BTreeMap::new();
    for (number, SecretsQuestion { path, query }) in questions.iter().enumerate() {
        let Ok(path) = RelPath::new(path.as_str()) else {
            continue;
        };
        if !is_there(&root, &path) {
            continue;
        }
        let asked = || -> std::result::Result<_, String> {
            let mut asked = open(&root, &path)?;
            begin(&mut asked.connection)?;
            in_time(&asked.connection, |connection, _| rows(connection, query))
        };
        // Nobody waits for them, and the reason could quote one.
        let found = asked().unwrap_or_default().into_iter();
        secrets.extend(found.map(|(name, secret)| ((number, name), secret)));
    }
    Ok(secrets)
}

fn rows(connection: &Connection, query: &str) -> std::result::Result<Vec<(String, Secret)>, String> {
    let mut statement = connection.prepare(query).map_err(told)?;
    let row = |row: &rusqlite::Row<'_>| -> rusqlite::Result<(Option<String>, Option<String>)> {
        Ok((row.get(0)?, row.get(1)?))
    };
    let rows = statement.query_map([], row).map_err(told)?;
    let mut found = Vec::new();
    for row in rows.take(SECRETS) {
        if let (Some(name), Some(secret)) = row.map_err(told)?
            && is_answer(&name)
        {
            found.push((name, Secret(secret)));
        }
    }
    Ok(found)
}

/// Why a database cannot be asked, in words.
type Opened = std::result::Result<Asked, String>;

/// A database that can be asked.
struct Asked {
    connection: Connection,
    /// Whether nobody had it open, so that no lock keeps it still.
    is_quiet: bool,
}

fn asked(volume: &Path, questions: &[Question], open: &dyn Fn(&Root, &RelPath) -> Opened) -> Result<Answers> {
    let root = Root::open(volume)?;
    let mut answers = Answers::default();
    for (place, questions) in by_place(questions) {
        match place {
            Place::Database(path) => match RelPath::new(path) {
                Ok(path) if is_missing(&root, &path) => answers.lack(&questions),
                Ok(path) if !is_there(&root, &path) => {}
                Ok(path) => answers.ask(&questions, || ask_one(&root, &path, &questions, open)),
                Err(reason) => answers.ask(&questions, || Err(reason)),
            },
            Place::Folder(folder) => answers.count_files(&root, folder, &questions),
        }
    }
    Ok(answers)
}

fn is_there(root: &Root, path: &RelPath) -> bool {
    matches!(root.look(path), Ok(Some(meta)) if meta.len() > 0)
}

/// Whether there is certainly no database: nothing at all, an empty file, or a folder.
fn is_missing(root: &Root, path: &RelPath) -> bool {
    match root.look(path) {
        Ok(None) => true,
        Ok(Some(meta)) => meta.is_dir() || (meta.is_file() && meta.len() == 0),
        Err(_) => false,
    }
}

fn is_file(root: &Root, path: &RelPath) -> bool {
    matches!(root.look(path), Ok(Some(meta)) if meta.is_file())
}

/// Asks the copies of a backup: the path of each database, and where its copy is. Those that `must_be_copied` are in no backup otherwise.
pub(crate) fn ask_copies(
    root: &Root,
    questions: &[Question],
    copy_of: impl Fn(&RelPath) -> Option<PathBuf>,
    must_be_copied: impl Fn(&RelPath) -> bool,
) -> Answers {
    let mut answers = Answers::default();
    for (place, questions) in by_place(questions) {
        match place {
            Place::Database(path) => {
                let Ok(path) = RelPath::new(path) else {
                    continue;
                };
                match copy_of(&path) {
                    Some(copy) => answers.ask(&questions, || {
                        let mut connection = open_copy(&copy).map_err(told)?;
                        answers_of(&mut connection, &questions)
                    }),
                    // An ignore file leaves it out.
                    None if must_be_copied(&path) && is_file(root, &path) => answers.lack(&questions),
                    None if is_missing(root, &path) => answers.lack(&questions),
                    // It is no database, or nobody has used it for a day.
                    None => {}
                }
            }
            Place::Folder(folder) => answers.count_files(root, folder, &questions),
        }
    }
    answers
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Place<'a> {
    Database(&'a str),
    Folder(&'a str),
}

/// The questions by where they are answered: each database is opened once.
fn by_place(questions: &[Question]) -> BTreeMap<Place<'_>, Vec<&Question>> {
    let mut places: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for question in questions {
        let place = match &question.source {
            Source::Database { path, .. } => Place::Database(path),
            Source::Files { folder, .. } => Place::Folder(folder),
        };
        places.entry(place).or_default().push(question);
    }
    places
}

impl Answers {
    /// The answer of this kind and name.
    #[must_use]
    pub fn get(&self, kind: AnswerKind, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        let found = given.find(|answer| answer.kind == kind && answer.name == name)?;
        Some(&found.value)
    }

    /// The database of these questions is missing.
    fn lack(&mut self, questions: &[&Question]) {
        let counts = questions
            .iter()
            .filter(|question| question.kind == AnswerKind::Count);
        self.lacking.extend(counts.map(|question| question.name.clone()));
    }

    fn ask(
        &mut self,
        questions: &[&Question],
        ask: impl FnOnce() -> std::result::Result<Vec<(usize, OneAnswer)>, String>,
    ) {
        match ask() {
            Err(reason) => self
                .unanswered
                .extend(questions.iter().map(|question| Unanswered {
                    name: question.name.clone(),
                    reason: reason.clone(),
                })),
            Ok(found) => {
                for (number, answer) in found {
                    let Some(question) = questions.get(number) else {
                        continue;
                    };
                    self.add(question, answer);
                }
            }
        }
    }

    fn add(&mut self, question: &Question, answer: OneAnswer) {
        let name = question.name.clone();
        match answer {
            Ok(Some(value)) => self.given.push(Answer {
                kind: question.kind,
                name,
                value,
            }),
            Ok(None) => {}
            Err(reason) => self.unanswered.push(Unanswered { name, reason }),
        }
    }

    fn count_files(&mut self, root: &Root, folder: &str, questions: &[&Question]) {
        for question in questions {
            let Source::Files { suffix, within, .. } = &question.source else {
                continue;
            };
            let answer = files_in(root, folder, suffix.as_bytes(), within.as_deref());
            self.add(question, answer);
        }
    }
}

/// A value, none, or why there is none.
type OneAnswer = std::result::Result<Option<String>, String>;

fn files_in(root: &Root, folder: &str, suffix: &[u8], within: Option<&str>) -> OneAnswer {
    let path = RelPath::new(folder)?;
    let listing = match root.open_folder(Some(&path)) {
        Ok(folder) => folder.listing(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
    };
    let cannot = |error: std::io::Error| format!("cannot read folder {path}: {error}");
    let mut count = 0_u64;
    for name in listing.map_err(cannot)? {
        let name = name.map_err(cannot)?;
        let holds = |within: &str| {
            let place = [path.as_bytes(), name.as_slice(), within.as_bytes()].join(&b'/');
            RelPath::new(place).is_ok_and(|place| matches!(root.look(&place), Ok(Some(_))))
        };
        count += u64::from(name.ends_with(suffix) && within.is_none_or(holds));
    }
    Ok(Some(count.to_string()))
}

fn ask_one(
    root: &Root,
    path: &RelPath,
    questions: &[&Question],
    open: &dyn Fn(&Root, &RelPath) -> Opened,
) -> std::result::Result<Vec<(usize, OneAnswer)>, String> {
    let once = || -> std::result::Result<_, String> {
        let mut asked = open(root, path)?;
        let answers = answers_of(&mut asked.connection, questions)?;
        // Whoever opened it meanwhile may have written to it.
        let is_sure = !asked.is_quiet || Beside::look(root, path).is_unused();
        Ok((answers, is_sure))
    };
    match once()? {
        (answers, true) => Ok(answers),
        (_, false) => Ok(once()?.0),
    }
}

/// A database that the app may have open. One with a log that nobody has open is read as the file it is: SQLite would make log and
/// index anew, as files of another user (see [`crate::copy`]).
fn open_in_use(root: &Root, path: &RelPath) -> Opened {
    let keeps_log = || keeps_a_log(&root.read(path)?);
    // Closed again before SQLite opens it.
    let keeps_log = keeps_log().map_err(|error| format!("{path} cannot be read: {error}"))?;
    let beside = Beside::look(root, path);
    let full = root.full(path);
    if keeps_log && beside.is_unused() {
        if beside.log.is_some_and(|log| log.len() > 0) {
            return Err(format!(
                "{path} has a log that the app has not taken in yet; it does when it starts"
            ));
        }
        let connection = open_copy(&full).map_err(told)?;
        return Ok(Asked {
            connection,
            is_quiet: true,
        });
    }
    let connection = open_live(&full, beside.log.is_some()).map_err(told)?;
    connection.busy_timeout(BUSY).map_err(told)?;
    Ok(Asked {
        connection,
        is_quiet: false,
    })
}

/// A database that nobody has open, with a log or journal perhaps.
fn open_at_rest(root: &Root, path: &RelPath) -> Opened {
    let has = |suffix| matches!(root.look(&path.with_suffix(suffix)), Ok(Some(meta)) if meta.len() > 0);
    let full = root.full(path);
    let opened = match has("-wal") || has("-journal") {
        true => open_live(&full, true),
        false => open_copy(&full),
    };
    Ok(Asked {
        connection: opened.map_err(told)?,
        is_quiet: false,
    })
}

/// Asks all of it as of one moment. The numbers are those of the questions.
fn answers_of(
    connection: &mut Connection,
    questions: &[&Question],
) -> std::result::Result<Vec<(usize, OneAnswer)>, String> {
    begin(connection)?;
    Ok(in_time(connection, |connection, is_over| {
        let mut answers = Vec::new();
        let mut is_locked = false;
        for (number, question) in questions.iter().enumerate() {
            let Source::Database { query, .. } = &question.source else {
                continue;
            };
            let answer = match (is_over(), is_locked) {
                (true, _) => Err(too_long()),
                (_, true) => Err("the database is locked".to_owned()),
                _ => one_answer(connection, query).map_err(|error| {
                    is_locked = locked(&error);
                    told(error)
                }),
            };
            answers.push((number, answer.and_then(|answer| answer.map(shown).transpose())));
        }
        answers
    }))
}

fn too_long() -> String {
    format!("it takes longer than {} s", LIMIT.as_secs())
}

fn locked(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseBusy, DatabaseLocked};
    matches!(error.sqlite_error_code(), Some(DatabaseBusy | DatabaseLocked))
}

/// From here on all is as of one moment, and nothing but reading is done.
fn begin(connection: &mut Connection) -> std::result::Result<(), String> {
    connection
        .set_limit(Limit::SQLITE_LIMIT_LENGTH, LONGEST)
        .map_err(told)?;
    connection.execute_batch("BEGIN").map_err(told)?;
    connection.authorizer(Some(reads_tables_only)).map_err(told)
}

/// Does something with a connection that is interrupted when the time is over. A handler of SQLite's own would not do: a count is one
/// instruction, however many pages it reads, and a damaged database can have pages without end.
fn in_time<T>(connection: &Connection, work: impl FnOnce(&Connection, &dyn Fn() -> bool) -> T) -> T {
    let interrupt = connection.get_interrupt_handle();
    let is_over = AtomicBool::new(false);
    let (done, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        let over = &is_over;
        scope.spawn(move || {
            let mut patience = LIMIT;
            // Between two statements an interruption has no effect.
            while ended.recv_timeout(patience) == Err(mpsc::RecvTimeoutError::Timeout) {
                over.store(true, Ordering::SeqCst);
                interrupt.interrupt();
                patience = AGAIN;
            }
        });
        let worked = work(connection, &|| is_over.load(Ordering::SeqCst));
        drop(done);
        worked
    })
}

/// A view is a query of whoever made the database.
fn reads_tables_only(context: AuthContext<'_>) -> Authorization {
    let is_plain = match context.action {
        AuthAction::Select
        | AuthAction::Read { .. }
        | AuthAction::Function { .. }
        | AuthAction::Pragma {
            pragma_value: None, ..
        } => context.accessor.is_none(),
        _ => false,
    };
    match is_plain {
        true => Authorization::Allow,
        false => Authorization::Deny,
    }
}

fn one_answer(connection: &Connection, query: &str) -> rusqlite::Result<Option<Value>> {
    let mut statement = connection.prepare(query)?;
    let mut rows = statement.query([])?;
    match rows.next()? {
        Some(row) => Ok(Some(row.get(0)?).filter(|value| *value != Value::Null)),
        None => Ok(None),
    }
}

fn shown(value: Value) -> std::result::Result<String, String> {
    let text = match value {
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => text,
        Value::Null | Value::Blob(_) => return Err("the answer is no text".to_owned()),
    };
    match is_answer(&text) {
        true => Ok(text),
        false => Err("the answer is no short line of text".to_owned()),
    }
}

/// Whether a text may be shown to a person as it is.
fn is_answer(text: &str) -> bool {
    text.chars().count() <= ANSWER && text.chars().all(is_plain)
}

/// Whether a character stands for itself: no control, and nothing that hides or turns what is beside it.
#[must_use]
pub fn is_plain(c: char) -> bool {
    let is_format = matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    !c.is_control() && !is_format
}

/// What SQLite says, which may quote a hostile schema.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn told(error: rusqlite::Error) -> String {
    let text = match error.sqlite_error_code() {
        Some(rusqlite::ErrorCode::OperationInterrupted) => {
            return too_long();
        }
        _ => error.to_string(),
    };
    let plain = |c: char| if is_plain(c) { c } else { ' ' };
    text.chars().map(plain).take(ANSWER).collect()
}
