//! New content that lies outside the volume: whether it is still what was sealed, and how it gets in.

use std::path::Path;

use super::{
    Swap, SwapState,
    base::{DROPPED, Place},
    bytes_of, copy,
    inventory::Inventory,
    room,
    state::peek,
};
use crate::{Error, FOLDER, Result, error::causes, folder::holds_ours, tree::Root};

impl Swap {
    /// Whether what lies outside fits into the volume beside the previous content.
    pub(super) fn is_to_be_copied_first(&self) -> Result<bool> {
        let needed = bytes_of(self.outside()?)?;
        let reserve = self.options.reserve;
        // What an earlier run of this copied is written anew.
        let again = room::measured(&self.base.path(Place::Staged))?.held;
        let free = room(self.base.root.path())?.saturating_add(again);
        is_room_for_both(needed, reserve, free, || {
            // There is nothing to keep where it is gone already.
            match self.journal.keep_old && !self.journal.emptied {
                true => Ok(0),
                false => Ok(room::measured(self.base.root.path())?.held),
            }
        })
    }

    /// The folder outside the volume.
    pub(super) fn outside(&self) -> Result<&Path> {
        let Some(outside) = self.options.staged.as_deref() else {
            return Err(self.lost("the folder that was transferred to was not named"));
        };
        match outside.canonicalize() {
            Ok(path) if path.starts_with(self.base.root.path()) => Err(self.not_ready(
                "the folder for the new content lies in the volume itself; name one outside of it",
            )),
            Ok(path) if path.is_dir() => Ok(outside),
            _ => Err(self.lost(&format!("there is no folder {} any more", outside.display()))),
        }
    }

    /// The new content is not there as it should be.
    fn lost(&self, reason: &str) -> Error {
        match self.journal.emptied {
            true => self.incomplete(reason),
            false => self.not_ready(&format!(
                "{reason}; nothing of the volume was touched: restore the backup again"
            )),
        }
    }

    pub(super) fn incomplete(&self, reason: &str) -> Error {
        Error::Incomplete {
            id: self.journal.id.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Copies what lies outside into the volume, of which `reserve` bytes stay free.
    pub(super) fn copy_in(&self, reserve: u64) -> Result<()> {
        let skip = DROPPED.map(str::as_bytes);
        copy::copy(
            self.outside()?,
            &self.base.path(Place::Staged),
            &skip,
            reserve,
            self.base.watcher(),
        )
    }

    /// Copies what lies outside into the emptied volume, and makes it last there. Before and after that it has to be what was
    /// sealed. A copy that an earlier call has made is enough.
    pub(super) fn fill(&self) -> Result<()> {
        self.base.make_place(Place::Staged)?;
        let inside = self.base.path(Place::Staged);
        let is_inside = || match &self.journal.inventory {
            Some(inventory) => Ok(Inventory::of(&inside)? == *inventory),
            // Of an earlier version: all that can be known is that nothing failed.
            None => Ok(false),
        };
        if is_inside()? {
            return self.base.sync_all();
        }
        self.prove_outside()?;
        self.base.empty(Place::Staged)?;
        self.copy_in(0)?;
        self.base.sync_all()?;
        if self.journal.inventory.is_some() && !is_inside()? {
            return Err(self.lost("its copy in the volume is not what was transferred"));
        }
        Ok(())
    }

    /// What lies outside has to be what was sealed.
    pub(super) fn prove_outside(&self) -> Result<()> {
        let outside = self.outside()?;
        let shown = outside.display();
        let Some(sealed) = &self.journal.inventory else {
            // Of an earlier version, without an inventory.
            return match names_of_content(outside)?.is_empty() {
                true => Err(self.lost(&format!("there is nothing in {shown} any more"))),
                false => Ok(()),
            };
        };
        match Inventory::of(outside) {
            Ok(is) if is == *sealed => Ok(()),
            Ok(is) => Err(self.lost(&format!(
                "{shown} is not what was transferred: {} files of {} bytes, and there were {} of {}",
                is.files, is.bytes, sealed.files, sealed.bytes
            ))),
            Err(error) => Err(self.lost(&format!("{shown} cannot be read: {}", causes(&error)))),
        }
    }

    /// How many entries the root of the new content has.
    pub(super) fn staged_entries(&self) -> Result<u64> {
        match self.journal.outside {
            true => Ok(names_of_content(self.outside()?)?.len() as u64),
            false => self.base.count(Place::Staged),
        }
    }

    /// What lies in the volume has to be what was sealed, as far as a look at its root tells.
    pub(super) fn prove_inside(&self) -> Result<()> {
        let (is, sealed) = (self.base.count(Place::Staged)?, self.sealed_entries());
        match is < sealed {
            true => Err(self.lost(&format!(
                "there are {is} entries of what was transferred, and there were {sealed}"
            ))),
            false => Ok(()),
        }
    }

    /// The volume has to hold what was sealed, as far as a look at its root tells: an app would start as well on nothing.
    pub(super) fn prove_moved_in(&mut self) -> Result<()> {
        let (is, sealed) = (self.base.count(Place::Root)?, self.sealed_entries());
        if is >= sealed {
            return Ok(());
        }
        let reason = format!("{is} entries of the new content are in the volume, and there were {sealed}");
        if self.journal.emptied {
            // From where it can be brought again.
            self.turn(SwapState::Filling)?;
            return Err(self.incomplete(&reason));
        }
        Err(self.not_ready(&format!("{reason}; roll it back, then restore the backup again")))
    }

    /// No content is empty: of an earlier version nothing more is known.
    fn sealed_entries(&self) -> u64 {
        self.journal.entries.unwrap_or(1)
    }

    /// What can be told of the new content by a look at its root.
    pub(super) fn judge_staged(&self) -> Result<()> {
        let staged = match self.journal.outside {
            true => self.outside()?.to_owned(),
            false => self.base.path(Place::Staged),
        };
        let root = Root::open(&staged)?;
        if holds_ours(&staged)? {
            return Err(self.not_ready(&format!(
                "its databases are still in {FOLDER} and not where the app looks for them; restore the backup again"
            )));
        }
        if peek(&root)?.is_some_and(|journal| journal.is_incomplete()) {
            return Err(self.not_ready(
                "the backup was made while another restore was half put in place; restore another backup",
            ));
        }
        if names_of_content(&staged)?.is_empty() {
            return Err(self.not_ready("it holds nothing; restore another backup"));
        }
        Ok(())
    }
}

/// Whether so many bytes fit beside the previous content. Where they do not they have to fit with what becomes `freed` when it goes
/// first.
fn is_room_for_both(
    needed: u64,
    reserve: u64,
    free: u64,
    freed: impl FnOnce() -> Result<u64>,
) -> Result<bool> {
    let needed = needed.saturating_add(reserve);
    if needed <= free {
        return Ok(true);
    }
    let free = free.saturating_add(freed()?);
    if needed <= free {
        return Ok(false);
    }
    Err(Error::NoRoom {
        needed,
        reserve,
        free,
    })
}

/// The names in the root of what was brought that go into a volume.
fn names_of_content(folder: &Path) -> Result<Vec<Vec<u8>>> {
    let root = Root::open(folder)?;
    let mut names = root.names(None).map_err(Error::io("read", folder))?;
    names.retain(|name| DROPPED.iter().all(|drop| drop.as_bytes() != name));
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_just_fits_fits() {
        let fits = |free, freed| is_room_for_both(90, 10, free, || Ok(freed));
        assert!(fits(100, 0).unwrap());
        assert!(!fits(99, 1).unwrap());
        assert!(!fits(0, 100).unwrap());
        for (free, freed) in [(99, 0), (98, 1)] {
            match fits(free, freed).unwrap_err() {
                Error::NoRoom {
                    needed: 100,
                    reserve: 10,
                    free: 99,
                } => {}
                other => panic!("{other:?}"),
            }
        }
        // What needs no place of the previous content's does not ask how large that is.
        is_room_for_both(1, 0, 1, || panic!("it was measured")).unwrap();
    }
}
