//! Where runs are written down, so that one that was killed can be gone on with.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config_recovery::durable;
use config_recovery::shown::shown;

use super::{Progress, Run, SCHEMA};
use crate::problem::{Kind, Problem, Result};

/// How long a process that was killed may leave its lock to one that it was starting.
const MOMENT: Duration = Duration::from_secs(1);

/// So many runs that are at their end are kept, to look at.
const KEPT: usize = 50;

/// The folder with all runs of a user.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

/// A run that is written down, and that nobody else carries out.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    run: Run,
    /// Held until this is dropped; the kernel lets go of it when the process is killed.
    _lock: File,
}

impl Store {
    /// In `configuratarr/runs` below XDG_STATE_HOME, or `~/.local/state`.
    ///
    /// # Errors
    /// When neither that nor HOME is known.
    pub fn of_user() -> Result<Self> {
        let base = absolute("XDG_STATE_HOME").or_else(|| Some(absolute("HOME")?.join(".local/state")));
        let base = base.ok_or_else(|| {
            Problem::new(
                Kind::Usage,
                "cannot tell where to write down what is done: HOME is not set",
                "set HOME or XDG_STATE_HOME to a folder",
            )
        })?;
        Ok(Self::at(base.join("configuratarr/runs")))
    }

    /// In this folder.
    pub fn at(folder: impl Into<PathBuf>) -> Self {
        Self {
            folder: folder.into(),
        }
    }

    /// Writes a run down that has not begun. Its name gets a number if there is one of that name.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn begin(&self, mut run: Run) -> Result<Journal> {
        let cannot = |error: &io::Error| unwritten(&self.folder, error);
        fs::create_dir_all(&self.folder).map_err(|error| cannot(&error))?;
        self.prune();
        let id = run.id.clone();
        for number in 1..1000 {
            if number > 1 {
                run.id = format!("{id}-{number}");
            }
            let path = self.path(&run.id);
            let lock = match File::options().write(true).create_new(true).open(lock_of(&path)) {
                Ok(lock) => lock,
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                Err(error) => return Err(cannot(&error)),
            };
            lock.lock().map_err(|error| cannot(&error))?;
            let journal = Journal {
                path,
                run,
                _lock: lock,
            };
            journal.write()?;
            return Ok(journal);
        }
        Err(cannot(&io::Error::other("too many runs of one second")))
    }

    /// The run of this name, to go on with; without a name the last one that is not at its end.
    ///
    /// # Errors
    /// When there is none, it cannot be read, or another process carries it out.
    pub fn open(&self, id: Option<&str>) -> Result<Journal> {
        let id = match id {
            Some(id) => id.to_owned(),
            None => self.last_unfinished()?,
        };
        let path = self.path(&id);
        // Before it is read: whoever holds it may be writing.
        let lock = OpenOptions::new().write(true).open(lock_of(&path));
        let lock = lock.map_err(|_| self.no_such(&id))?;
        match locked(&lock) {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Problem::new(
                    Kind::Failed,
                    format!("another configuratarr carries out run {id}"),
                    "look at it there, or end it and run this again",
                ));
            }
            Err(fs::TryLockError::Error(error)) => return Err(unwritten(&path, &error)),
        }
        let run = read(&path)?.ok_or_else(|| self.no_such(&id))?;
        Ok(Journal {
            path,
            run,
            _lock: lock,
        })
    }

    /// All runs by name, the oldest first. What cannot be read is left out.
    pub fn all(&self) -> Vec<Run> {
        let (runs, unread) = self.read_all();
        for problem in unread {
            log::debug!("{}", problem.text);
        }
        runs
    }

    /// All runs by name, the oldest first, and what could not be read.
    fn read_all(&self) -> (Vec<Run>, Vec<Problem>) {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let (mut runs, mut unread) = (Vec::new(), Vec::new());
        for path in &paths {
            match read(path) {
                Ok(run) => runs.extend(run),
                Err(problem) => unread.push(problem),
            }
        }
        (runs, unread)
    }

    fn last_unfinished(&self) -> Result<String> {
        let (mut runs, mut unread) = self.read_all();
        runs.retain(Run::is_open);
        let none = || {
            Problem::new(
                Kind::Failed,
                "there is no run that is not at its end",
                "configuratarr status shows what is under way in the cluster",
            )
        };
        // Whether one that cannot be read is at its end nobody knows.
        runs.pop()
            .map(|run| run.id)
            .ok_or_else(|| unread.pop().unwrap_or_else(none))
    }

    fn no_such(&self, id: &str) -> Problem {
        let unfinished: Vec<String> = self
            .all()
            .into_iter()
            .filter(Run::is_open)
            .map(|run| run.id)
            .collect();
        let next = match unfinished.as_slice() {
            [] => {
                "none is unfinished; configuratarr status shows what is under way in the cluster".to_owned()
            }
            ids => format!("unfinished: {}", ids.join(", ")),
        };
        Problem::new(Kind::Usage, format!("there is no run {}", shown(id)), next)
    }

    /// The name comes from a command line too: it is a name and no path.
    fn path(&self, id: &str) -> PathBuf {
        let name: String = id
            .chars()
            .map(|character| {
                if matches!(character, '/' | '\\' | '\0') {
                    '_'
                } else {
                    character
                }
            })
            .collect();
        self.folder.join(format!("{name}.json"))
    }

    fn prune(&self) {
        let mut over = self.all();
        over.retain(|run| !run.is_open());
        let gone = over.len().saturating_sub(KEPT);
        for run in over.iter().take(gone) {
            let path = self.path(&run.id);
            // That one stays is no reason to stop.
            let _ = fs::remove_file(&path).and_then(|()| fs::remove_file(lock_of(&path)));
        }
    }
}

impl Journal {
    /// The run as it is written down.
    pub fn run(&self) -> &Run {
        &self.run
    }

    /// Removes what was written down. For a preview only: it changes nothing, so nobody needs to go on with it.
    pub fn forget(self) {
        // That it stays is no reason to stop.
        let _ = fs::remove_file(&self.path).and_then(|()| fs::remove_file(lock_of(&self.path)));
    }

    /// Its file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Writes down that an item is so far. After it has returned this outlives the process.
    ///
    /// # Errors
    /// When it cannot be written, or what it is cannot become this.
    pub fn advance(&mut self, item: usize, next: Progress) -> Result<()> {
        let Some(now) = self.run.progress.get_mut(item) else {
            return Err(Problem::bare(
                Kind::Failed,
                format!("run {} has no item {item}", self.run.id),
            ));
        };
        if !now.may_become(&next) {
            return Err(Problem::bare(
                Kind::Failed,
                format!(
                    "run {}: item {item} cannot become {next:?} from {now:?}",
                    self.run.id
                ),
            ));
        }
        *now = next;
        // It is gone on with from there, and from no other folder.
        self.write().map_err(|problem| Problem {
            next: Some("make it writable, or make room".to_owned()),
            ..problem
        })
    }

    fn write(&self) -> Result<()> {
        let cannot = |error: &io::Error| unwritten(&self.path, error);
        let text = serde_json::to_vec_pretty(&self.run).map_err(|error| cannot(&error.into()))?;
        // Nobody else needs to know which apps somebody has.
        durable::write(&self.path, &text, 0o600).map_err(|error| cannot(&error))
    }
}

/// Takes the lock of a run. One that was killed leaves it for a moment to a `juju` that it was just starting, until that has begun.
fn locked(lock: &File) -> Result<(), fs::TryLockError> {
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) if since.elapsed() < MOMENT => std::thread::sleep(MOMENT / 20),
            done => return done,
        }
    }
}

fn lock_of(path: &Path) -> PathBuf {
    path.with_extension("lock")
}

fn read(path: &Path) -> Result<Option<Run>> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unwritten(path, &error)),
    };
    let cannot = |reason: String| {
        Problem::new(
            Kind::Failed,
            format!("cannot go on from {}: {reason}", path.display()),
            "move it away; what it began goes on in Juju: juju operations",
        )
    };
    let run: Run = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
    if run.schema != SCHEMA {
        let schema = shown(&run.schema);
        return Err(cannot(format!(
            "it is of another version of this program ({schema})"
        )));
    }
    if run.progress.len() != run.plan.items.len() {
        return Err(cannot("its parts do not fit together".to_owned()));
    }
    Ok(Some(run))
}

fn absolute(variable: &str) -> Option<PathBuf> {
    let path = PathBuf::from(std::env::var_os(variable)?);
    path.is_absolute().then_some(path)
}

fn unwritten(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Kind::Failed,
        format!("cannot write down what is done in {}: {error}", path.display()),
        "make it writable, or set XDG_STATE_HOME to another folder; nothing is begun that is not written down",
    )
}
