//! Where runs are written down, so that one that was killed can be gone on with.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use config_recovery::durable;
use config_recovery::shown::shown;
use config_recovery::words::age;
use jiff::{SignedDuration, Timestamp};

use super::{ImportStep, Progress, Resume, Run, SCHEMA};
use crate::juju::as_typed;
use crate::problem::{Kind, Problem, Result};

/// How long a process that was killed may leave its lock to one that it was starting.
const MOMENT: Duration = Duration::from_secs(1);
/// How long it is waited for another process that looks whether a run may begin. That takes it milliseconds.
const TURN: Duration = Duration::from_secs(if cfg!(test) { 1 } else { 10 });

/// A run of longer ago is gone on with by its name only: since then its apps have gone on too.
const RECENT: SignedDuration = SignedDuration::from_hours(24);

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

/// Whether a run that nobody carries out is in the way of another one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// One of steps that was left in the middle is.
    Counts,
    /// It is not.
    IsNothing,
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

    /// Nobody carries a run out over one of these apps of a model, or over any of them if none are named, and none of steps was left in the
    /// middle: a second run would take half of the first one's work for how the app was before, or for an app that is gone.
    ///
    /// It tells early what [`Store::begin`] decides.
    ///
    /// # Errors
    /// The run that is in the way.
    pub fn is_free(&self, juju_model: &str, apps: Option<&[String]>) -> Result<()> {
        let is_of_model = |run: &Run| run.plan.juju_model == juju_model;
        self.nothing_in_the_way(
            is_of_model,
            |app| apps.is_none_or(|apps| apps.contains(app)),
            Left::Counts,
        )
    }

    /// No run of the model is in the way of these apps.
    fn nothing_in_the_way(
        &self,
        is_of_model: impl Fn(&Run) -> bool,
        is_meant: impl Fn(&String) -> bool,
        left: Left,
    ) -> Result<()> {
        let (runs, unread) = self.read_all();
        for (path, problem) in unread {
            // Of which apps it is only that other one knows. Left alone, it is in nobody's way: it would be for ever.
            if is_followed(&path) {
                return Err(Problem::new(
                    Kind::Failed,
                    format!(
                        "another configuratarr carries out a run that this one cannot read: {}",
                        problem.text
                    ),
                    "wait for its end, or go on with the version that began it",
                ));
            }
            log::debug!("{}", problem.text);
        }
        for run in runs {
            if !run.plan.job.changes_apps() || !is_of_model(&run) {
                continue;
            }
            let items = run.plan.items.iter().zip(&run.progress);
            let mut open = items.filter(|(item, progress)| is_meant(&item.app) && !progress.is_over());
            let Some((item, progress)) = open.next() else {
                continue;
            };
            let first = &item.app;
            let mut all = std::iter::once((item, progress)).chain(open);
            // What a charm was asked for and nobody follows is in Juju alone, and is found there.
            let is_left = left == Left::Counts && run.plan.job.has_steps();
            let begun = all
                .find(|(_, progress)| is_left && **progress != Progress::Planned)
                .map(|(item, _)| &item.app);
            let path = self.path(&run.id);
            let (app, next) = match (is_followed(&path), begun) {
                (true, begun) => (
                    begun.unwrap_or(first),
                    "another configuratarr carries it out: wait for its end".to_owned(),
                ),
                (false, Some(begun)) => (
                    begun,
                    format!(
                        "{} goes on with it; to give it up: {}",
                        Resume::default().command(&run.id),
                        gives_up(&path, &run)
                    ),
                ),
                (false, None) => continue,
            };
            let text = format!(
                "run {} is in the middle of the {} of {}",
                run.id,
                run.plan.job.word(),
                shown(app)
            );
            return Err(Problem::new(Kind::Failed, text, next));
        }
        Ok(())
    }

    /// Nothing is in the way of what a run has still to do. What it has begun itself goes on beside a run that was left in the middle, as long as
    /// it asks no charm for anything new. `own` is the name that it is written down by.
    fn may_go_on(&self, run: &Run, own: Option<&str>) -> Result<()> {
        if !run.plan.job.changes_apps() {
            return Ok(());
        }
        let is_of_model = |other: &Run| own != Some(&other.id) && is_same_model(other, run);
        let has = |app: &String, is: fn(&Progress) -> bool| {
            let mut items = run.plan.items.iter().zip(&run.progress);
            items.any(|(item, progress)| item.app == *app && is(progress))
        };
        let is_new = |progress: &Progress| matches!(progress, Progress::Planned | Progress::Starting { .. });
        let has_step =
            |progress: &Progress| matches!(progress, Progress::Working { .. } | Progress::Importing { .. });
        self.nothing_in_the_way(is_of_model, |app| has(app, is_new), Left::Counts)?;
        self.nothing_in_the_way(is_of_model, |app| has(app, has_step), Left::IsNothing)
    }

    /// Its turn to look whether a run may begin, and to begin it: of two who do so in the same moment the second sees the first.
    fn turn(&self, unwritten: fn(&Path, &io::Error) -> Problem) -> Result<File> {
        let path = self.folder.join("turn");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(|error| unwritten(&self.folder, &error))?;
        match locked(&file, TURN) {
            Ok(()) => Ok(file),
            Err(fs::TryLockError::WouldBlock) => Err(Problem::new(
                Kind::Failed,
                format!(
                    "another configuratarr has held {} for {} s",
                    path.display(),
                    TURN.as_secs()
                ),
                format!(
                    "fuser {} shows its process; end that, and run this again",
                    as_typed(&path.display().to_string())
                ),
            )),
            Err(fs::TryLockError::Error(error)) => Err(unwritten(&path, &error)),
        }
    }

    /// Writes a run down that has not begun. Its name gets a number if there is one of that name.
    ///
    /// # Errors
    /// When the folder cannot be written, or another run is in the middle of one of its apps.
    pub fn begin(&self, mut run: Run) -> Result<Journal> {
        let cannot = |error: &io::Error| unwritten(&self.folder, error);
        fs::create_dir_all(&self.folder).map_err(|error| cannot(&error))?;
        let turn = self.turn(unwritten)?;
        self.may_go_on(&run, None)?;
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
            journal.write(unwritten)?;
            drop(turn);
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
        let turn = self
            .folder
            .is_dir()
            .then(|| self.turn(unwritten_here))
            .transpose()?;
        // Before it is read: whoever holds it may be writing. A run that was copied here comes without one.
        let lock = OpenOptions::new()
            .write(true)
            .create(path.is_file())
            .truncate(false)
            .open(lock_of(&path));
        let lock = lock.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => self.no_such(&id),
            _ => unwritten_here(&path, &error),
        })?;
        match locked(&lock, MOMENT) {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => {
                return Err(Problem::new(
                    Kind::Failed,
                    format!("another configuratarr carries out run {id}"),
                    "look at it there, or end it and run this again",
                ));
            }
            Err(fs::TryLockError::Error(error)) => return Err(unwritten_here(&path, &error)),
        }
        let run = read(&path)?.ok_or_else(|| self.no_such(&id))?;
        self.may_go_on(&run, Some(&id))?;
        drop(turn);
        Ok(Journal {
            path,
            run,
            _lock: lock,
        })
    }

    /// All runs by name, the oldest first. What cannot be read is left out.
    pub fn all(&self) -> Vec<Run> {
        let (runs, unread) = self.read_all();
        for (_, problem) in unread {
            log::debug!("{}", problem.text);
        }
        runs
    }

    /// All runs by name, the oldest first, and what could not be read.
    fn read_all(&self) -> (Vec<Run>, Vec<(PathBuf, Problem)>) {
        let names = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = names.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
        paths.sort();
        let (mut runs, mut unread) = (Vec::new(), Vec::new());
        for path in &paths {
            match read(path) {
                Ok(run) => runs.extend(run),
                Err(problem) => unread.push((path.clone(), problem)),
            }
        }
        (runs, unread)
    }

    /// The last run that is not at its end, if it is of these days. Nobody gets one that they do not think of.
    fn last_unfinished(&self) -> Result<String> {
        let (mut runs, mut unread) = self.read_all();
        runs.retain(Run::is_open);
        let Some(run) = runs.pop() else {
            // Whether one that cannot be read is at its end nobody knows.
            return Err(unread.pop().map_or_else(
                || {
                    Problem::new(
                        Kind::Failed,
                        "there is no run that is not at its end",
                        "configuratarr status shows what is under way in the cluster",
                    )
                },
                |(_, problem)| problem,
            ));
        };
        let path = self.path(&run.id);
        let by_name = Resume::default().command(&run.id);
        if let Some((_, problem)) = unread.pop().filter(|(of, _)| *of > path) {
            let next = problem.next.unwrap_or_default();
            return Err(Problem {
                next: Some(format!("{next}; the one before it: {by_name}")),
                ..problem
            });
        }
        let (made, now) = (run.plan.made.parse::<Timestamp>(), Timestamp::now());
        match made {
            Ok(made) if now.duration_since(made).abs() < RECENT => Ok(run.id),
            made => Err(Problem::new(
                Kind::Failed,
                format!(
                    "run {}, the last one that is not at its end, is a {} {}: its apps have gone on since",
                    run.id,
                    run.plan.job.word(),
                    match made {
                        Ok(made) if made > now => "of a time to come by this machine's clock".to_owned(),
                        Ok(made) => format!("of {} ago", age(made, now)),
                        Err(_) => "of nobody knows when".to_owned(),
                    }
                ),
                format!(
                    "if you mean it: {by_name}; to give it up: {}",
                    gives_up(&path, &run)
                ),
            )),
        }
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

    /// By what nobody goes on with it any more.
    pub fn gives_up(&self) -> String {
        gives_up(&self.path, &self.run)
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
        self.write(unwritten_here)
    }

    fn write(&self, unwritten: fn(&Path, &io::Error) -> Problem) -> Result<()> {
        let cannot = |error: &io::Error| unwritten(&self.path, error);
        let text = serde_json::to_vec_pretty(&self.run).map_err(|error| cannot(&error.into()))?;
        // Nobody else needs to know which apps somebody has.
        durable::write(&self.path, &text, 0o600).map_err(|error| cannot(&error))
    }
}

/// Takes a lock within a time. A process that was killed leaves that of its run for a moment to a `juju` that it was just starting, until that
/// has begun.
fn locked(lock: &File, limit: Duration) -> Result<(), fs::TryLockError> {
    let since = Instant::now();
    loop {
        match lock.try_lock() {
            Err(fs::TryLockError::WouldBlock) if since.elapsed() < limit => std::thread::sleep(MOMENT / 20),
            done => return done,
        }
    }
}

/// Whether another process carries this run out.
fn is_followed(path: &Path) -> bool {
    let lock = File::options().write(true).open(lock_of(path));
    lock.is_ok_and(|lock| matches!(locked(&lock, MOMENT / 10), Err(fs::TryLockError::WouldBlock)))
}

/// Whether two runs are of one model. By its uuid where both say it: a name may be written in several ways, and be given anew.
fn is_same_model(one: &Run, other: &Run) -> bool {
    let uuid = |run: &Run| run.origin.as_ref().and_then(|origin| origin.model_uuid.clone());
    match (uuid(one), uuid(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one.plan.juju_model == other.plan.juju_model,
    }
}

fn gives_up(path: &Path, run: &Run) -> String {
    let remove = format!("rm {}", as_typed(&path.display().to_string()));
    let only_here = run.plan.items.iter().zip(&run.progress).find(|(_, progress)| {
        matches!(progress, Progress::Importing { step, .. } if (ImportStep::Remove..=ImportStep::Join).contains(step))
    });
    match only_here {
        // Juju has forgotten it with the app.
        Some((item, _)) => format!(
            "see that {} is deployed as it was, which nothing but the file of this run says, then {remove}",
            item.app
        ),
        None => remove,
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
    const GIVE_UP: &str = "move it out of this folder; what it began goes on in Juju: juju operations";
    let cannot = |reason: String| {
        Problem::new(
            Kind::Failed,
            format!("cannot go on from {}: {reason}", path.display()),
            GIVE_UP,
        )
    };
    let run: Run = serde_json::from_str(&text).map_err(|error| cannot(error.to_string()))?;
    if run.schema != SCHEMA {
        let schema = shown(&run.schema);
        let problem = cannot(format!("it is of another version of this program ({schema})"));
        return Err(Problem {
            next: Some(format!(
                "go on with the version that began it; to give it up: {GIVE_UP}"
            )),
            ..problem
        });
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

/// The same of a run that was begun: it is gone on with from there, and from no other folder.
fn unwritten_here(path: &Path, error: &io::Error) -> Problem {
    Problem {
        next: Some("make it writable, or make room".to_owned()),
        ..unwritten(path, error)
    }
}

fn unwritten(path: &Path, error: &io::Error) -> Problem {
    Problem::new(
        Kind::Failed,
        format!("cannot write down what is done in {}: {error}", path.display()),
        "make it writable, or set XDG_STATE_HOME to another folder; nothing is begun that is not written down",
    )
}
