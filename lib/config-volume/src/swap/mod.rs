//! The exchange of a volume's content against another one, which may be cut off anywhere.
//!
//! The volume's root is a mount point and cannot be renamed, so its entries are moved one by one:
//! ```text
//! .config-restore/              in the volume's root; no backup stores it
//!   lock                        held (flock) by whoever works on the exchange
//!   journal.json                the state: on disk before what it names begins
//!   staged/                     the new content, until it is put in place
//!   old/                        the old content, from then on
//!   taken-out/                  on the way back: what was in the volume
//!   ballast                     room for the way back when the volume is full
//!   strays/                     what something else wrote into the volume in between
//! ```
//! The caller may keep files of its own in it, from before the exchange begins: a journal of the whole restore, say. They
//! go when it is finished.
//!
//! `.config-restore` and `lost+found` stay where they are. Of the new content these two and Velero's marker are dropped.
//! Everything else moves, `.kopiaignore` and a `.config-backup` of a volume that was never put in place included; what a
//! backup that was cut short left of its own is cleared away first, since it belongs to no content.

mod base;
mod build;
mod copy;
mod give_up;
mod options;
mod peek;
mod room;
pub(crate) mod state;
mod unpack;

use std::{
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

pub use give_up::GivenUp;
pub use options::{SwapOptions, SwapStep, SwapWatcher};
pub use peek::SwapPeek;
pub use room::{bytes_of, fits, room};
pub use state::SwapState;
pub use unpack::{OutsideLinks, UnpackLimits, Unpacked, unpack};

use base::{Base, DROPPED, Place};
use state::{Journal, check_id, peek};

use crate::{Error, FOLDER, Result, Watcher, folder::Folder, options::LOCK_TIMEOUT, tree::Root};

/// One exchange of a volume's content. While the value lives, nobody else works on it.
///
/// The way forward is [`begin`](Swap::begin), bring the content into [`staged`](Swap::staged), check it,
/// [`seal`](Swap::seal), stop the app, [`commit`](Swap::commit), start the app, [`finish`](Swap::finish). The way back is
/// [`roll_back`](Swap::roll_back), then `finish`. Each of them may be killed anywhere and be called again.
///
/// ```
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let folder = tempfile::tempdir()?;
/// # let volume = folder.path();
/// # std::fs::write(volume.join("config.xml"), "old")?;
/// # let archive = tar::Builder::new(Vec::new()).into_inner()?;
/// use config_volume::{Swap, SwapOptions, UnpackLimits, put_in_place, unpack, verify};
///
/// let mut swap = Swap::begin(volume, "backup-5f0c", &SwapOptions::default())?;
/// swap.clear_staged()?; // what an earlier, killed run brought
/// unpack(archive.as_slice(), swap.staged(), &UnpackLimits::default(), &mut |_| {})?;
/// # std::fs::write(swap.staged().join("config.xml"), "new")?;
/// assert!(verify(swap.staged())?.problems.is_empty());
/// put_in_place(swap.staged())?;
/// swap.seal()?;
/// swap.commit()?; // the app is stopped
/// swap.finish()?; // the app runs and is well
/// # assert_eq!(std::fs::read_to_string(volume.join("config.xml"))?, "new");
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Swap {
    base: Base,
    journal: Journal,
    options: SwapOptions,
    staged: PathBuf,
}

impl Swap {
    /// Begins an exchange, or goes on with the unfinished one of the same id. The id is the caller's: the backup's name, say.
    /// The options count anew until it is sealed.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if there is one of another id, [`Error::Locked`] if another run is at work, an id that cannot be
    /// used, or a failed call.
    pub fn begin(volume: &Path, id: &str, options: &SwapOptions) -> Result<Self> {
        check_id(id).map_err(|reason| Error::NotReady {
            id: id.escape_debug().to_string(),
            reason,
        })?;
        let Some(base) = Base::open(volume, true, options.lock_timeout, &options.watcher)? else {
            return Err(Error::io("use the volume", volume)(
                std::io::ErrorKind::NotFound.into(),
            ));
        };
        let journal = match base.read_journal()? {
            Some(mut journal) if journal.id == id => {
                let (keep_old, outside) = (options.keep_old, options.staged.is_some());
                if journal.state == SwapState::Staging
                    && (journal.keep_old, journal.outside) != (keep_old, outside)
                {
                    (journal.keep_old, journal.outside) = (keep_old, outside);
                    base.write_journal(&journal)?;
                }
                journal
            }
            Some(other) => {
                return Err(Error::Unfinished {
                    wanted: id.to_owned(),
                    unfinished: other.id,
                    state: other.state.words(),
                });
            }
            None => {
                let journal = Journal::new(id, options.keep_old, options.staged.is_some());
                base.write_journal(&journal)?;
                journal
            }
        };
        Self::with(base, journal, options)
    }

    /// The unfinished exchange of a volume, if there is one. Where it takes its content from outside the volume, name that
    /// folder by [`SwapOptions::staged`].
    ///
    /// # Errors
    /// [`Error::Locked`] if another run is at work, [`Error::SwapJournal`], or a failed call.
    pub fn open(volume: &Path, options: &SwapOptions) -> Result<Option<Self>> {
        let Some(base) = Base::open(volume, false, options.lock_timeout, &options.watcher)? else {
            return Ok(None);
        };
        match base.read_journal()? {
            Some(journal) => Self::with(base, journal, options).map(Some),
            // Killed before the first journal, or after the last one.
            None => base.leave().map(|()| None),
        }
    }

    fn with(base: Base, journal: Journal, options: &SwapOptions) -> Result<Self> {
        let staged = staged_path(&base, &journal, options);
        if journal.state == SwapState::Staging {
            base.lay_by();
            base.make_place(Place::Staged)?;
        }
        Ok(Self {
            base,
            journal,
            options: options.clone(),
            staged,
        })
    }

    /// The id that it was begun with.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.journal.id
    }

    /// How far it is.
    #[must_use]
    pub fn state(&self) -> SwapState {
        self.journal.state
    }

    /// Whether the old content is still there, in its place or aside, so that it can be rolled back to.
    #[must_use]
    pub fn has_old(&self) -> bool {
        !self.journal.emptied && self.journal.state != SwapState::Removing
    }

    /// The folder that the new content belongs in, while the state is [`SwapState::Staging`]: `.config-restore/staged` in the
    /// volume, or [`SwapOptions::staged`].
    #[must_use]
    pub fn staged(&self) -> &Path {
        &self.staged
    }

    /// Empties the folder of the new content in the volume, before it is brought anew. A folder outside the volume is the
    /// caller's, and left alone.
    ///
    /// # Errors
    /// [`Error::WrongState`] if it is sealed, or a failed call.
    pub fn clear_staged(&mut self) -> Result<()> {
        self.must_be(SwapState::Staging)?;
        self.base.empty(Place::Staged)
    }

    /// Says that the new content is checked and complete, and makes it last through a power cut. The app may still run.
    ///
    /// The caller has run [`crate::verify`] and [`crate::put_in_place`] on it. Content from outside the volume is copied into
    /// it now if both fit; else the old one has to go first, which must be allowed.
    ///
    /// # Errors
    /// [`Error::NotReady`] if the new content is empty or `put_in_place` was not run on it, [`Error::NoRoom`],
    /// [`Error::Immovable`], [`Error::WrongState`], or a failed call.
    pub fn seal(&mut self) -> Result<()> {
        if self.journal.state == SwapState::Staged {
            return Ok(());
        }
        self.must_be(SwapState::Staging)?;
        self.judge_staged()?;
        if self.journal.outside && self.is_to_be_copied_first()? {
            self.base.empty(Place::Staged)?;
            self.copy_in()?;
            self.staged = self.base.path(Place::Staged);
            // Written with the next state: until then it is copied again.
            self.journal.outside = false;
        }
        if !self.journal.outside {
            self.base.check_movable(Place::Staged)?;
            self.base.sync_all()?;
        }
        self.turn(SwapState::Staged)
    }

    /// Whether what lies outside fits into the volume beside the old content.
    fn is_to_be_copied_first(&self) -> Result<bool> {
        let needed = bytes_of(self.outside()?)?;
        let reserve = self.options.reserve;
        // What an earlier run of this copied is written anew.
        let again = room::measured(&self.base.path(Place::Staged))?.held;
        let free = room(self.base.root.path())?.saturating_add(again);
        if needed.saturating_add(reserve) <= free {
            return Ok(true);
        }
        let old = match self.journal.keep_old {
            true => 0,
            false => room::measured(self.base.root.path())?.held,
        };
        let free = free.saturating_add(old);
        if self.journal.keep_old || needed.saturating_add(reserve) > free {
            return Err(Error::NoRoom {
                needed: needed.saturating_add(reserve),
                reserve,
                free,
            });
        }
        Ok(false)
    }

    fn outside(&self) -> Result<&Path> {
        match &self.options.staged {
            Some(outside) if outside.is_dir() => Ok(outside),
            _ if self.journal.emptied => Err(Error::Incomplete {
                id: self.journal.id.clone(),
            }),
            _ => Err(self.not_ready(
                "what was brought lies outside the volume, in a folder that was not named or is gone; name it, or bring \
                 the data again",
            )),
        }
    }

    fn copy_in(&self) -> Result<()> {
        let skip = DROPPED.map(str::as_bytes);
        copy::copy(
            self.outside()?,
            &self.base.path(Place::Staged),
            &skip,
            self.base.watcher(),
        )
    }

    fn judge_staged(&self) -> Result<()> {
        let staged = match self.journal.outside {
            true => self.outside()?.to_owned(),
            false => self.base.path(Place::Staged),
        };
        let root = Root::open(&staged)?;
        let names = root.names(None).map_err(Error::io("read", &staged))?;
        if names.iter().any(|name| name == FOLDER.as_bytes()) {
            return Err(self.not_ready("it is as it came out of the backup; run put_in_place on it first"));
        }
        if peek(&root)?.is_some_and(|journal| journal.is_incomplete()) {
            return Err(self.not_ready(
                "the backup was made while another restore was half put in place; restore another backup",
            ));
        }
        if names
            .iter()
            .all(|name| DROPPED.iter().any(|drop| drop.as_bytes() == name))
        {
            return Err(self.not_ready("it holds nothing; restore another backup"));
        }
        Ok(())
    }

    /// Takes a seal back, to bring the content anew. After the old content was removed this is the way on when the new one
    /// was lost, too: until it is there again the volume stays unusable.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the content is being put in place already, or a failed call.
    pub fn restage(&mut self) -> Result<()> {
        if self.journal.state != SwapState::Staging {
            self.journal.outside = self.options.staged.is_some();
            self.turn(SwapState::Staging)?;
            self.base.make_place(Place::Staged)?;
            self.staged = staged_path(&self.base, &self.journal, &self.options);
        }
        Ok(())
    }

    /// Puts the new content in the place of the old one. The app has to be stopped. Goes on where an earlier call was cut off.
    ///
    /// # Errors
    /// Before anything of the app's is touched: [`Error::BackupRunning`], [`Error::Immovable`], [`Error::WrongState`]. Later a
    /// failed call: then call it again, or [`roll_back`](Swap::roll_back).
    pub fn commit(&mut self) -> Result<()> {
        loop {
            match self.journal.state {
                SwapState::Staged => self.start()?,
                SwapState::MovingOut => {
                    self.clear_bookkeeping()?;
                    self.base.move_all(Place::Root, Place::Old)?;
                    self.turn(SwapState::MovingIn)?;
                }
                SwapState::Emptying => {
                    self.outside()?;
                    self.base.empty(Place::Root)?;
                    self.turn(SwapState::Filling)?;
                }
                SwapState::Filling => {
                    self.outside()?;
                    self.base.make_place(Place::Staged)?;
                    self.base.empty(Place::Staged)?;
                    self.copy_in()?;
                    self.base.sync_all()?;
                    self.turn(SwapState::MovingIn)?;
                }
                SwapState::MovingIn => {
                    self.base.move_all(Place::Staged, Place::Root)?;
                    self.turn(SwapState::Swapped)?;
                }
                SwapState::Swapped => return Ok(()),
                SwapState::Staging => {
                    return Err(self.not_ready("it was not said to be checked and complete; seal it first"));
                }
                SwapState::TakingOut
                | SwapState::PuttingBack
                | SwapState::RolledBack
                | SwapState::Removing => return Err(self.wrong_state()),
            }
        }
    }

    /// Looks a last time whether all can be done, and begins. From the next state on no backup is prepared here.
    fn start(&mut self) -> Result<()> {
        if self.journal.outside {
            self.outside()?;
        }
        self.base.lay_by();
        let next = match self.journal.outside {
            true => SwapState::Emptying,
            false => SwapState::MovingOut,
        };
        // Without its old content the volume takes no backup already.
        if self.journal.is_incomplete() {
            self.base.check_movable(Place::Root)?;
            return self.turn(next);
        }
        let watcher = Watcher::default();
        let was_there = std::fs::symlink_metadata(self.base.root.path().join(FOLDER)).is_ok();
        let Some(folder) = Folder::lock(&self.base.root, true, self.options.lock_timeout, &watcher)? else {
            return Err(self.not_ready("the volume is gone"));
        };
        let in_use = folder.in_use(SystemTime::now(), self.options.stale_after);
        let checked = match in_use {
            Ok(sets) if sets.is_empty() => self.base.check_movable(Place::Root),
            Ok(_) => Err(Error::BackupRunning),
            Err(error) => Err(error),
        };
        if let Err(error) = checked {
            if !was_there {
                folder.remove()?;
            }
            return Err(error);
        }
        let journal = self.journal.become_state(next)?;
        // The lock is held until the state is written: whoever gets it next finds that state.
        let written = self.base.write_journal(&journal);
        drop(folder);
        self.written(journal, written)?;
        self.clear_bookkeeping()
    }

    /// Clears away what a backup left in the live volume, which is no content. The copies of a volume that was restored
    /// and never put in place are content.
    fn clear_bookkeeping(&self) -> Result<()> {
        let watcher = Watcher::default();
        if let Some(folder) = Folder::lock(&self.base.root, false, LOCK_TIMEOUT, &watcher)?
            && !folder.is_foreign()?
        {
            folder.withdraw()?;
            folder.remove()?;
        }
        self.base.at(SwapStep::Cleared)
    }

    /// Removes the lock of backups that a killed [`start`](Swap::start) may have left, where there is nothing else.
    fn clear_lock(&self) -> Result<()> {
        let path = self.base.root.path().join(FOLDER);
        let is_bare = || -> std::io::Result<bool> {
            for entry in std::fs::read_dir(&path)? {
                if entry?.file_name() != "lock" {
                    return Ok(false);
                }
            }
            Ok(true)
        };
        match Folder::lock(&self.base.root, false, Duration::ZERO, &Watcher::default()) {
            Ok(Some(folder)) if is_bare().map_err(Error::io("read", &path))? => folder.remove(),
            // A backup has it.
            Ok(_) | Err(Error::Locked { .. } | Error::RestoreUnderWay { .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Puts the old content back; what was put in place is taken out again. The app has to be stopped. Goes on where an
    /// earlier call was cut off. Before anything was put in place it only marks the exchange as given up.
    ///
    /// # Errors
    /// [`Error::NoWayBack`] if the old content was removed, [`Error::WrongState`] if it is being finished, or a failed call.
    pub fn roll_back(&mut self) -> Result<()> {
        loop {
            match self.journal.state {
                SwapState::Staging | SwapState::Staged => {
                    self.clear_lock()?;
                    self.turn(SwapState::RolledBack)?;
                }
                SwapState::MovingOut => {
                    self.clear_bookkeeping()?;
                    self.turn(SwapState::PuttingBack)?;
                }
                SwapState::MovingIn | SwapState::Swapped => self.turn(SwapState::TakingOut)?,
                SwapState::TakingOut => {
                    self.base.move_all(Place::Root, Place::TakenOut)?;
                    self.turn(SwapState::PuttingBack)?;
                }
                SwapState::PuttingBack => {
                    self.base.move_all(Place::Old, Place::Root)?;
                    self.turn(SwapState::RolledBack)?;
                }
                SwapState::RolledBack => return Ok(()),
                SwapState::Emptying | SwapState::Filling => {
                    return Err(Error::NoWayBack {
                        id: self.journal.id.clone(),
                    });
                }
                SwapState::Removing => return Err(self.wrong_state()),
            }
        }
    }

    /// Removes all that is not in use: after [`commit`](Swap::commit) the old content, after
    /// [`roll_back`](Swap::roll_back) the new one; then `.config-restore` itself. Goes on where an earlier call was cut off.
    ///
    /// # Errors
    /// [`Error::WrongState`] before either of them, or a failed call.
    pub fn finish(mut self) -> Result<()> {
        if self.journal.state != SwapState::Removing {
            self.turn(SwapState::Removing)?;
        }
        self.base.remove()
    }

    fn turn(&mut self, next: SwapState) -> Result<()> {
        let journal = self.journal.become_state(next)?;
        let written = self.base.write_journal(&journal);
        self.written(journal, written)
    }

    /// Takes over what was written. A failure may come after the journal got its name, so what is on disk counts.
    fn written(&mut self, journal: Journal, written: Result<()>) -> Result<()> {
        self.journal = match &written {
            Ok(()) => journal,
            Err(_) => self.base.read_journal()?.unwrap_or(journal),
        };
        written
    }

    fn must_be(&self, state: SwapState) -> Result<()> {
        if self.journal.state == state {
            Ok(())
        } else {
            Err(self.wrong_state())
        }
    }

    fn wrong_state(&self) -> Error {
        Error::WrongState {
            id: self.journal.id.clone(),
            state: self.journal.state.words(),
        }
    }

    fn not_ready(&self, reason: &str) -> Error {
        Error::NotReady {
            id: self.journal.id.clone(),
            reason: reason.to_owned(),
        }
    }
}

fn staged_path(base: &Base, journal: &Journal, options: &SwapOptions) -> PathBuf {
    match &options.staged {
        Some(outside) if journal.outside => outside.clone(),
        _ => base.path(Place::Staged),
    }
}
