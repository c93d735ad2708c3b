//! The states of an exchange, in one table, and the journal that makes them last.

use std::{
    fs::File,
    io::{self, Read, Write},
    os::fd::OwnedFd,
    path::Path,
};

use rustix::fs::{Mode, OFlags};
use serde::{Deserialize, Serialize};

use super::GivenUp;
use super::inventory::Inventory;
use crate::{Error, RESTORE_FOLDER, Result, tree::Root};

/// The journal's name in [`crate::RESTORE_FOLDER`].
pub(super) const JOURNAL: &str = "journal.json";
/// The journal's name while it is written.
pub(super) const NEW_JOURNAL: &str = "journal.json.new";
const FORMAT: &str = "config-volume-swap";
/// The version that is written. The one before it had no inventory.
const VERSION: u32 = 2;
const OLDEST: u32 = 1;
/// A journal is some 200 bytes; one that is larger is none.
const JOURNAL_LIMIT: u64 = 64 << 10;

/// How a folder is opened that must be one itself, and no link to one.
pub(super) const FOLDER_FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// How far an exchange is. Each state is on disk before what it names begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SwapState {
    /// The new content is being brought. The app's files are as they were.
    Staging,
    /// The new content is checked and complete. The app's files are as they were.
    Staged,
    /// The previous content is being moved aside.
    MovingOut,
    /// The previous content is being removed, since the volume has no room for both.
    Emptying,
    /// The new content is being copied in from outside the volume.
    Filling,
    /// The new content is being moved to its place.
    MovingIn,
    /// The new content is in its place.
    Swapped,
    /// On the way back: what is in the volume is being taken out.
    TakingOut,
    /// On the way back: the previous content is being moved to its place.
    PuttingBack,
    /// The previous content is in its place.
    RolledBack,
    /// All that is not in use is being removed.
    Removing,
}

impl SwapState {
    /// All states, in the order of their declaration.
    pub const ALL: [Self; 11] = [
        Self::Staging,
        Self::Staged,
        Self::MovingOut,
        Self::Emptying,
        Self::Filling,
        Self::MovingIn,
        Self::Swapped,
        Self::TakingOut,
        Self::PuttingBack,
        Self::RolledBack,
        Self::Removing,
    ];

    /// The table of legal transitions.
    #[must_use]
    pub const fn may_become(self, next: Self) -> bool {
        use SwapState::*;
        matches!(
            (self, next),
            // forward
            (Staging, Staged)
                | (Staged, MovingOut | Emptying)
                | (MovingOut, MovingIn)
                | (Emptying, Filling)
                | (Filling, MovingIn)
                | (MovingIn, Swapped)
                // the new content is brought again
                | (MovingIn, Filling)
                | (Staged | Emptying | Filling, Staging)
                // back
                | (Staging | Staged, RolledBack)
                | (MovingOut, PuttingBack)
                | (MovingIn | Swapped, TakingOut)
                | (TakingOut, PuttingBack)
                | (PuttingBack, RolledBack)
                // the end
                | (Swapped | RolledBack, Removing)
        )
    }

    /// Whether the volume holds neither the previous content nor the new one as a whole.
    #[must_use]
    pub const fn is_halfway(self) -> bool {
        use SwapState::*;
        matches!(
            self,
            MovingOut | Emptying | Filling | MovingIn | TakingOut | PuttingBack
        )
    }

    /// The state in words, to follow "it is".
    pub(super) const fn words(self) -> &'static str {
        match self {
            Self::Staging => "still being brought",
            Self::Staged => "ready and not yet put in place",
            Self::MovingOut | Self::Emptying | Self::Filling | Self::MovingIn => "half put in place",
            Self::Swapped => "put in place and not yet finished",
            Self::TakingOut | Self::PuttingBack => "half rolled back",
            Self::RolledBack => "rolled back and not yet finished",
            Self::Removing => "being finished",
        }
    }
}

/// What is known of an exchange, as JSON beside it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Journal {
    format: String,
    version: u32,
    pub id: String,
    pub state: SwapState,
    pub keep_old: bool,
    /// The new content lies outside the volume. Where is not written down: the volume belongs to the app, which could
    /// have any folder copied into it by what it writes here.
    pub outside: bool,
    /// The previous content is gone.
    pub emptied: bool,
    /// What lies outside the volume, from the seal on. The only copy of it once the previous content is gone, so it is proven
    /// before that, and before it is used.
    #[serde(default)]
    pub inventory: Option<Inventory>,
    /// How many entries the root of the new content has, from the seal on: a volume that ends up with fewer has lost some.
    #[serde(default)]
    pub entries: Option<u64>,
    /// It was rolled back: what is being removed is the new content.
    #[serde(default)]
    pub rolled_back: bool,
}

impl Journal {
    pub fn new(id: &str, keep_old: bool, outside: bool) -> Self {
        Self {
            format: FORMAT.to_owned(),
            version: VERSION,
            id: id.to_owned(),
            state: SwapState::Staging,
            keep_old,
            outside,
            emptied: false,
            inventory: None,
            entries: None,
            rolled_back: false,
        }
    }

    /// The journal of another exchange that goes on where this one has lost its previous content: its content is still to be brought.
    pub fn taken_over(&self, id: &str, keep_old: bool, outside: bool) -> Self {
        Self {
            emptied: self.emptied,
            ..Self::new(id, keep_old, outside)
        }
    }

    /// Whether the previous content is gone, and the new one is not in the volume as a whole.
    pub fn is_to_be_brought(&self) -> bool {
        use SwapState::*;
        self.emptied && matches!(self.state, Staging | Staged | Emptying | Filling)
    }

    /// With which content the volume is whole when the exchange is given up; `None` where neither is at hand.
    pub fn gives_up_to(&self) -> Option<GivenUp> {
        match self.state {
            SwapState::Removing if self.rolled_back => Some(GivenUp::Old),
            SwapState::Removing => Some(GivenUp::New),
            _ if !self.emptied => Some(GivenUp::Old),
            SwapState::Staging => None,
            _ => Some(GivenUp::New),
        }
    }

    /// Whether the volume as it is must not be used.
    pub fn is_incomplete(&self) -> bool {
        self.state.is_halfway() || self.is_to_be_brought()
    }

    /// The journal after a transition, or why it is not legal.
    pub fn become_state(&self, next: SwapState) -> std::result::Result<Self, Error> {
        use SwapState::*;
        if self.emptied && matches!(next, TakingOut | PuttingBack | RolledBack) {
            return Err(Error::NoWayBack { id: self.id.clone() });
        }
        if !self.state.may_become(next) {
            return Err(Error::WrongState {
                id: self.id.clone(),
                state: self.state.words(),
            });
        }
        Ok(Self {
            state: next,
            emptied: self.emptied || next == Emptying,
            inventory: self.inventory.clone().filter(|_| next != Staging),
            entries: self.entries.filter(|_| next != Staging),
            // An earlier version did not write it down.
            rolled_back: self.rolled_back || [self.state, next].contains(&RolledBack),
            ..self.clone()
        })
    }

    /// Reads the journal in a folder; `None` where there is none.
    pub fn read(folder: &OwnedFd, path: &Path) -> Result<Option<Self>> {
        let path = path.join(JOURNAL);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match rustix::fs::openat(folder, JOURNAL, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(Error::io("read", path)(error.into())),
        };
        let mut text = Vec::new();
        file.take(JOURNAL_LIMIT)
            .read_to_end(&mut text)
            .map_err(Error::io("read", &path))?;
        match Self::parse(&text) {
            Ok(journal) => Ok(Some(journal)),
            Err(reason) => Err(Error::SwapJournal { path, reason }),
        }
    }

    fn parse(text: &[u8]) -> std::result::Result<Self, String> {
        let journal: Self = serde_json::from_slice(text).map_err(|error| error.to_string())?;
        if journal.format != FORMAT || !(OLDEST..=VERSION).contains(&journal.version) {
            return Err(format!("it is not of the form {FORMAT} {VERSION}"));
        }
        check_id(&journal.id)?;
        Ok(Self {
            version: VERSION,
            ..journal
        })
    }

    /// Writes the journal under another name, then gives it its own: it is there whole or as it was.
    pub fn write(&self, folder: &OwnedFd, path: &Path) -> Result<()> {
        let write = || -> io::Result<()> {
            let text = serde_json::to_vec_pretty(self)?;
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            let mode = Mode::from_raw_mode(0o600);
            let mut file = File::from(rustix::fs::openat(folder, NEW_JOURNAL, flags, mode)?);
            file.write_all(&text)?;
            file.sync_all()?;
            rustix::fs::renameat(folder, NEW_JOURNAL, folder, JOURNAL)?;
            Ok(rustix::fs::fsync(folder)?)
        };
        write().map_err(Error::io("write", path.join(JOURNAL)))
    }
}

/// Reads the journal of a volume without a lock, for one who only looks.
pub(super) fn peek(root: &Root) -> Result<Option<Journal>> {
    let path = root.path().join(RESTORE_FOLDER);
    match rustix::fs::open(&path, FOLDER_FLAGS, Mode::empty()) {
        Ok(folder) => Journal::read(&folder, &path),
        // Something else than a folder is no exchange, whatever it is.
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR | rustix::io::Errno::LOOP) => Ok(None),
        Err(error) => Err(Error::io("open", path)(error.into())),
    }
}

/// Fails where a volume is between its previous content and its new one, so that no backup is made of it.
pub(crate) fn refuse_halfway(root: &Root) -> Result<()> {
    match peek(root)? {
        Some(journal) if journal.is_incomplete() => Err(Error::RestoreUnderWay { id: journal.id }),
        _ => Ok(()),
    }
}

/// Fails where the content of a restore is in place that may be rolled back yet, so that no backup is made of it.
pub(crate) fn refuse_unproven(root: &Root) -> Result<()> {
    match peek(root)? {
        Some(journal) if journal.state == SwapState::Swapped => {
            Err(Error::RestoreUnproven { id: journal.id })
        }
        _ => Ok(()),
    }
}

/// An id ends in messages and on terminals.
pub(super) fn check_id(id: &str) -> std::result::Result<(), String> {
    if id.is_empty() || id.len() > 256 || id.chars().any(char::is_control) {
        return Err("its id is empty, longer than 256 bytes or holds control characters".to_owned());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use SwapState::*;

    #[test]
    fn each_state_leads_to_an_end() {
        for start in SwapState::ALL {
            let mut reached = vec![start];
            let mut next = 0;
            while let Some(&state) = reached.get(next) {
                next += 1;
                for other in SwapState::ALL {
                    if state.may_become(other) && !reached.contains(&other) {
                        reached.push(other);
                    }
                }
            }
            assert!(reached.contains(&Removing), "{start:?} never ends");
        }
        assert!(SwapState::ALL.iter().all(|next| !Removing.may_become(*next)));
    }

    #[test]
    fn nothing_halfway_ends_without_being_made_whole() {
        for state in SwapState::ALL {
            assert!(!(state.is_halfway() && state.may_become(Removing)), "{state:?}");
            assert!(!state.may_become(state), "{state:?}");
        }
    }

    /// A charm of before the field had been rolling back, and this one goes on.
    #[test]
    fn a_way_back_that_an_earlier_version_began_ends_with_the_previous_content() {
        let mut journal = Journal::new("one", true, false);
        for next in [Staged, MovingOut, PuttingBack, RolledBack] {
            journal = journal.become_state(next).unwrap();
        }
        journal.rolled_back = false;
        let removing = journal.become_state(Removing).unwrap();
        assert_eq!(removing.gives_up_to(), Some(GivenUp::Old));
    }

    #[test]
    fn there_is_no_way_back_to_what_was_removed() {
        let mut journal = Journal::new("one", false, true);
        for next in [Staged, Emptying] {
            journal = journal.become_state(next).unwrap();
        }
        assert!(journal.emptied && journal.is_incomplete());
        let restaged = journal.become_state(Staging).unwrap();
        assert!(restaged.is_incomplete());
        assert!(matches!(
            restaged.become_state(RolledBack),
            Err(Error::NoWayBack { .. })
        ));
        let filled = journal
            .become_state(Filling)
            .unwrap()
            .become_state(MovingIn)
            .unwrap();
        assert!(matches!(
            filled.become_state(TakingOut),
            Err(Error::NoWayBack { .. })
        ));
        let swapped = filled.become_state(Swapped).unwrap();
        assert!(!swapped.is_incomplete());
        assert!(matches!(
            swapped.become_state(TakingOut),
            Err(Error::NoWayBack { .. })
        ));
        assert!(matches!(
            swapped.become_state(Staging),
            Err(Error::WrongState { .. })
        ));
    }

    /// What was sealed is the only proof of what lies outside, until it is in its place; brought anew it is sealed anew.
    #[test]
    fn what_was_sealed_is_known_until_it_is_brought_anew() {
        let folder = tempfile::tempdir().unwrap();
        let inventory = Inventory::of(folder.path()).unwrap();
        let mut journal = Journal {
            inventory: Some(inventory.clone()),
            entries: Some(3),
            ..Journal::new("one", false, true)
        };
        let sealed = (Some(inventory), Some(3));
        for next in [Staged, Emptying, Filling, MovingIn, Filling, MovingIn, Swapped] {
            journal = journal.become_state(next).unwrap();
            assert_eq!((journal.inventory.clone(), journal.entries), sealed, "{next:?}");
            if next.may_become(Staging) {
                let again = journal.become_state(Staging).unwrap();
                assert_eq!((again.inventory, again.entries), (None, None), "{next:?}");
            }
        }
    }

    #[test]
    fn a_journal_is_read_as_written_and_nothing_else_is_taken_for_one() {
        let journal = Journal::new("5f0c", true, false);
        let text = serde_json::to_vec(&journal).unwrap();
        assert_eq!(Journal::parse(&text).unwrap(), journal);
        for length in 0..text.len() {
            assert!(Journal::parse(text.get(..length).unwrap()).is_err(), "{length}");
        }
        let text = String::from_utf8(text).unwrap();
        for (from, to) in [
            ("\"version\":2", "\"version\":3"),
            ("\"version\":2", "\"version\":0"),
            ("5f0c", "\\u001b[2J"),
            ("-swap", ""),
        ] {
            let changed = text.replace(from, to);
            assert_ne!(changed, text);
            assert!(Journal::parse(changed.as_bytes()).is_err(), "{changed}");
        }
    }

    #[test]
    fn an_id_is_short_and_shows_well() {
        for (id, is_good) in [
            ("a".to_owned(), true),
            ("x".repeat(256), true),
            ("x".repeat(257), false),
            (String::new(), false),
            ("a\u{1b}[2J".to_owned(), false),
        ] {
            assert_eq!(check_id(&id).is_ok(), is_good, "{id:?}");
        }
    }

    #[test]
    fn a_journal_that_is_a_link_or_a_fifo_is_an_error_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(JOURNAL);
        let fd = rustix::fs::open(folder.path(), FOLDER_FLAGS, Mode::empty()).unwrap();
        let read = || Journal::read(&fd, folder.path());
        assert!(read().unwrap().is_none());
        std::os::unix::fs::symlink("elsewhere", &path).unwrap();
        read().unwrap_err();
        std::fs::remove_file(&path).unwrap();
        crate::testing::fifo(&path).unwrap();
        read().unwrap_err();
    }
}
