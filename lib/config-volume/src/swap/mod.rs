//! The exchange of a volume's content against another one, which may be cut off anywhere.
//!
//! The volume's root is a mount point and cannot be renamed, so its entries are moved one by one:
//! ```text
//! .config-restore/              in the volume's root; no backup stores it
//!   lock                        held (flock) by whoever works on the exchange
//!   journal.json                the state: on disk before what it names begins
//!   staged/                     the new content, until it is put in place
//!   old/                        the previous content, from then on
//!   taken-out/                  on the way back: what was in the volume
//!   ballast                     room for the way back when the volume is full
//!   strays/                     what something else wrote into the volume in between
//! ```
//! The caller may keep files of its own in it, from before the exchange begins: a journal of the whole restore, say. They
//! go when it is finished.
//!
//! `.config-restore`, `lost+found` and what a restore by hand has kept stay where they are. Of the new content these three and Velero's
//! marker are dropped.
//! Everything else moves, `.kopiaignore` and a `.config-backup` of a volume that was never put in place included; what a
//! backup that was cut short left of its own is cleared away first, since it belongs to no content.

mod base;
mod build;
mod copy;
mod give_up;
mod inventory;
mod options;
mod outside;
mod peek;
mod room;
mod start;
pub(crate) mod state;
mod unpack;

use std::path::{Path, PathBuf};

pub use give_up::GivenUp;
pub use options::{SwapOptions, SwapStep, SwapWatcher};
pub use peek::SwapPeek;
pub use room::{FileSystem, bytes_of, room};
pub use state::SwapState;
pub use unpack::{OutsideLinks, UnpackLimits, Unpacked, unpack};

use base::{Base, Place};
use inventory::Inventory;
use state::{Journal, check_id};

use crate::{Error, Result};

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
    /// What lies outside was read and found to be what was sealed, and nothing was waited for since.
    is_proven: bool,
}

impl Swap {
    /// Begins an exchange, or goes on with the unfinished one of the same id. The id is the caller's: the backup's name, say.
    /// The options count anew until it is sealed.
    ///
    /// One of another id has to be ended first, unless its previous content is gone: then there is nothing to go back to. Where its
    /// new content is in the volume it is put in place and finished, with the caller's files; else this one takes its place.
    ///
    /// # Errors
    /// [`Error::Unfinished`] if there is one of another id, [`Error::Locked`] if another run is at work, an id that cannot be
    /// used, or a failed call.
    pub fn begin(volume: &Path, id: &str, options: &SwapOptions) -> Result<Self> {
        check_id(id).map_err(|reason| Error::NotReady {
            id: id.escape_debug().to_string(),
            reason,
        })?;
        let open = || match Base::open(volume, true, options.lock_timeout, &options.watcher)? {
            Some(base) => Ok(base),
            None => Err(Error::io("use the volume", volume)(
                std::io::ErrorKind::NotFound.into(),
            )),
        };
        let mut base = open()?;
        let (keep_old, outside) = (options.keep_old, options.staged.is_some());
        let journal = match base.read_journal()? {
            Some(mut journal) if journal.id == id => {
                if journal.state == SwapState::Staging
                    && (journal.keep_old, journal.outside) != (keep_old, outside)
                {
                    (journal.keep_old, journal.outside) = (keep_old, outside);
                    base.write_journal(&journal)?;
                }
                journal
            }
            Some(other) if other.is_to_be_brought() => {
                base.end_emptying(other.state)?;
                let journal = other.taken_over(id, keep_old, outside);
                base.write_journal(&journal)?;
                journal
            }
            Some(other) if other.emptied => {
                // The other content is in the volume as a whole, or half moved to its place there.
                let mut swap = Self::with(base, other, options)?;
                if swap.state() != SwapState::Removing {
                    swap.commit()?;
                }
                swap.finish()?;
                base = open()?;
                let journal = Journal::new(id, keep_old, outside);
                base.write_journal(&journal)?;
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
                let journal = Journal::new(id, keep_old, outside);
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
            is_proven: false,
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

    /// Whether the previous content is still there, in its place or aside, so that it can be rolled back to.
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

    /// Has the disk begin with what was brought, while it is checked: [`seal`](Swap::seal) has less to wait for then. Nothing is promised by it,
    /// and a failure is told by `seal`.
    pub fn sync_meanwhile(&self) {
        self.base.sync_meanwhile();
    }

    /// Says that the new content is checked and complete, and makes it last through a power cut. The app may still run.
    ///
    /// The caller has run [`crate::verify`] and [`crate::put_in_place`] on it. Content from outside the volume is copied into
    /// it now if both fit; else the old one has to go first, which must be allowed. Then what lies outside is read and written
    /// down: it has to be the same before the previous content goes, and before it is copied.
    ///
    /// # Errors
    /// [`Error::NotReady`] if the new content is empty or `put_in_place` was not run on it, [`Error::NoRoom`], [`Error::NoInodes`],
    /// [`Error::Immovable`], [`Error::WrongState`], or a failed call.
    pub fn seal(&mut self) -> Result<()> {
        if self.journal.state == SwapState::Staged {
            return Ok(());
        }
        self.must_be(SwapState::Staging)?;
        self.judge_staged()?;
        if self.journal.outside && self.is_to_be_copied_first()? {
            self.base.empty(Place::Staged)?;
            self.copy_in(self.options.reserve)?;
            self.staged = self.base.path(Place::Staged);
            // Written with the next state: until then it is copied again.
            self.journal.outside = false;
        }
        self.journal.entries = Some(self.staged_entries()?);
        if self.journal.outside {
            self.journal.inventory = Some(Inventory::of(self.outside()?)?);
        } else {
            self.base.check_movable(Place::Staged)?;
            self.base.sync_all()?;
        }
        self.turn(SwapState::Staged)
    }

    /// Takes a seal back, to bring the content anew. After the previous content was removed this is the way on when the new one
    /// was lost, too: until it is there again the volume stays unusable. What is left of the old one by then is removed.
    ///
    /// # Errors
    /// [`Error::WrongState`] if the content is being put in place already, or a failed call.
    pub fn restage(&mut self) -> Result<()> {
        if self.journal.state != SwapState::Staging {
            self.base.end_emptying(self.journal.state)?;
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
    /// failed call: then call it again, or [`roll_back`](Swap::roll_back). [`Error::Incomplete`] where the previous content is gone
    /// and the new one is not at hand as it was sealed: then [`restage`](Swap::restage) and bring it again.
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
                    if !std::mem::take(&mut self.is_proven) {
                        self.prove_outside()?;
                    }
                    self.base.empty(Place::Root)?;
                    self.turn(SwapState::Filling)?;
                }
                SwapState::Filling => {
                    self.fill()?;
                    self.turn(SwapState::MovingIn)?;
                }
                SwapState::MovingIn => {
                    self.base.move_all(Place::Staged, Place::Root)?;
                    self.prove_moved_in()?;
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

    /// Puts the previous content back; what was put in place is taken out again. The app has to be stopped. Goes on where an
    /// earlier call was cut off. Before anything was put in place it only marks the exchange as given up.
    ///
    /// # Errors
    /// [`Error::NoWayBack`] if the previous content was removed, [`Error::WrongState`] if it is being finished, or a failed call.
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

    /// Removes all that is not in use: after [`commit`](Swap::commit) the previous content, after
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
