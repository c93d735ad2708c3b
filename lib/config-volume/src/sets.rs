//! The sets of copies in the folder, one for each backup, and which of them are open: used by a backup that has not ended.
//!
//! The hooks of a backup cannot tell which backup they are run for. So what counts is how many are open: `n` times
//! [`crate::prepare`] and `n` times [`crate::finish`] leave nothing, in any order, and no set is taken away while a backup
//! may be reading it.
//!
//! An id is the time at which the set was made, in nanoseconds since 1970, with leading zeros: ids sort by time.

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{
    Error, FOLDER, Manifest, Result,
    files::Files,
    folder::{Folder, make_folder, read_plain, remove_file, remove_tree, sync_folder},
    identity::Identity,
    manifest::{MANIFEST, read_set},
    options::{CLOCK_SLACK, STALE_AFTER},
    tree::{RelPath, Root},
};

/// The set of manifests of version 1, of which there was one.
pub(crate) const OLD_SET: &str = "set";
pub(crate) const SETS: &str = "sets";
const DIGITS: usize = 20;

/// A set of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Set {
    /// Empty for one of version 1.
    pub id: String,
    /// Its folder, from the root of the volume.
    rel: String,
    base: PathBuf,
}

impl Set {
    fn new(base: &Path, id: &str) -> Self {
        Self {
            id: id.to_owned(),
            rel: format!("{SETS}/{id}"),
            base: base.to_owned(),
        }
    }

    pub fn path(&self) -> PathBuf {
        self.base.join(&self.rel)
    }

    pub fn databases(&self) -> PathBuf {
        self.path().join("databases")
    }

    /// A copy, from the root of the volume: to be reached without following a link.
    pub fn copy(&self, name: &str) -> std::result::Result<RelPath, String> {
        RelPath::new(format!("{FOLDER}/{}/databases/{name}", self.rel))
    }

    pub fn manifest(&self) -> Result<Manifest> {
        self.read().map(|(manifest, _)| manifest)
    }

    /// The manifest, and the list of files that goes with it.
    pub fn read(&self) -> Result<(Manifest, Files)> {
        read_set(&self.path())
    }

    /// The manifest, from the root of the volume.
    pub fn manifest_path(&self) -> RelPath {
        RelPath::child(None, format!("{FOLDER}/{}/{MANIFEST}", self.rel).as_bytes())
    }

    pub fn has_copies(&self) -> bool {
        fs::read_dir(self.databases()).is_ok_and(|mut entries| entries.next().is_some())
    }
}

/// A set that a backup uses which has not ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenSet {
    /// Its name; later sets sort behind earlier ones.
    pub id: String,
    /// When it was made.
    pub made: SystemTime,
}

/// The sets of this volume that backups may be reading now, oldest first; for one who plans to exchange its content. Takes no
/// lock, so the answer may be old when it is read. A set older than 4 hours, after which Velero itself gives a volume up,
/// counts as forgotten.
///
/// # Errors
/// The folder is there and cannot be read.
pub fn open_sets(volume: &Path) -> Result<Vec<OpenSet>> {
    let base = volume.join(FOLDER);
    let now = SystemTime::now();
    Ok(open_ids(&base)?
        .into_iter()
        .filter(|id| is_fresh(id, now, STALE_AFTER) && is_folder(&Set::new(&base, id).path()))
        .map(|id| OpenSet { made: made(&id), id })
        .collect())
}

/// When a set was made.
pub(crate) fn made(id: &str) -> SystemTime {
    UNIX_EPOCH + Duration::from_nanos(id.parse().unwrap_or(0))
}

/// Whether a backup may still be reading the set: it is neither older than the limit nor from the future.
pub(crate) fn is_fresh(id: &str, now: SystemTime, stale_after: Duration) -> bool {
    match now.duration_since(made(id)) {
        Ok(age) => age < stale_after,
        Err(ahead) => ahead.duration() <= CLOCK_SLACK,
    }
}

fn is_id(name: &str) -> bool {
    name.len() == DIGITS && name.bytes().all(|byte| byte.is_ascii_digit())
}

fn is_folder(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| meta.is_dir())
}

/// The ids that entries of a folder have for names, sorted. A link in the place of the folder is not followed.
fn ids_in(folder: &Path) -> Result<Vec<String>> {
    if !is_folder(folder) {
        return Ok(Vec::new());
    }
    let mut ids = Vec::new();
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let name = entry.map_err(Error::io("read", folder))?.file_name();
        ids.extend(name.into_string().ok().filter(|name| is_id(name)));
    }
    ids.sort_unstable();
    Ok(ids)
}

fn local(base: &Path) -> PathBuf {
    base.join("local")
}

/// All sets in a folder of ours, the newest first.
fn sets_in(base: &Path) -> Result<Vec<Set>> {
    if !is_folder(base) {
        return Ok(Vec::new());
    }
    let ids = ids_in(&base.join(SETS))?;
    let mut sets: Vec<_> = ids.iter().rev().map(|id| Set::new(base, id)).collect();
    if is_folder(&base.join(OLD_SET)) {
        sets.push(Set {
            id: String::new(),
            rel: OLD_SET.to_owned(),
            base: base.to_owned(),
        });
    }
    Ok(sets)
}

/// The set of a volume that counts, for one who only looks.
pub(crate) fn newest(root: &Root) -> Result<Option<Set>> {
    Ok(sets_in(&root.path().join(FOLDER))?.into_iter().next())
}

/// The ids of the open sets of this volume, oldest first; none where the folder was made elsewhere.
fn open_ids(base: &Path) -> Result<Vec<String>> {
    if !is_of_here(base) {
        return Ok(Vec::new());
    }
    ids_in(&local(base).join("open"))
}

/// Whether the folder was made on this volume, which no uploader can pretend: see [`Identity`].
fn is_of_here(base: &Path) -> bool {
    let recorded = || -> Option<Identity> {
        let text = read_plain(&local(base).join("here")).ok()??;
        serde_json::from_slice(&text).ok()
    };
    let born = fs::symlink_metadata(local(base).join("born"));
    match (recorded(), born) {
        (Some(recorded), Ok(born)) => recorded.is(&Identity::of(&born)),
        _ => false,
    }
}

impl Folder<'_> {
    /// Whether the folder was made on this volume.
    pub fn is_of_here(&self) -> bool {
        is_of_here(self.base())
    }

    /// Whether there are copies that came from elsewhere: out of a backup, or with a copy of the whole volume. They may be
    /// the only ones.
    pub fn is_foreign(&self) -> Result<bool> {
        Ok(!self.is_of_here() && !self.sets()?.is_empty())
    }

    /// All sets, the newest first.
    pub fn sets(&self) -> Result<Vec<Set>> {
        sets_in(self.base())
    }

    /// The sets that backups use which have not ended, oldest first. One whose copies were deleted is among them.
    pub fn open(&self) -> Result<Vec<Set>> {
        let ids = open_ids(self.base())?;
        Ok(ids.iter().map(|id| Set::new(self.base(), id)).collect())
    }

    /// Those of the open sets that a backup may be reading.
    pub fn in_use(&self, now: SystemTime, stale_after: Duration) -> Result<Vec<Set>> {
        let mut open = self.open()?;
        open.retain(|set| is_fresh(&set.id, now, stale_after) && is_folder(&set.path()));
        Ok(open)
    }

    /// Makes the folder certify itself as one of this volume. What another one left behind is removed.
    pub fn certify(&self) -> Result<()> {
        if self.is_of_here() {
            return Ok(());
        }
        let local = self.local();
        remove_tree(&local)?;
        make_folder(&local)?;
        let born = local.join("born");
        let identity = self.make_born(&born).map_err(Error::io("make", &born))?;
        let text = serde_json::to_vec(&identity)
            .map_err(io::Error::from)
            .map_err(Error::io("write", &born))?;
        self.write(&local.join("here"), &text)
    }

    /// The file gets the owner of the volume, so that nobody has a reason to give it another one later: where there is no
    /// time of birth that would make another file of it.
    fn make_born(&self, path: &Path) -> io::Result<Identity> {
        use std::os::unix::fs::MetadataExt;
        let file = fs::File::create_new(path)?;
        let owner = fs::metadata(self.root().path())?;
        // Without the right to do so it stays as it is.
        let _ = std::os::unix::fs::fchown(&file, Some(owner.uid()), Some(owner.gid()));
        file.sync_all()?;
        Ok(Identity::of(&file.metadata()?))
    }

    /// An id that is later than that of every set that is there.
    pub fn new_id(&self, now: SystemTime) -> Result<String> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
        let now = u64::try_from(now).unwrap_or(u64::MAX);
        let taken = ids_in(&self.base().join(SETS))?
            .into_iter()
            .chain(self.open()?.into_iter().map(|set| set.id));
        let next = taken
            .filter_map(|id| id.parse::<u64>().ok())
            .max()
            .map_or(0, |last| last.saturating_add(1));
        Ok(format!("{:0DIGITS$}", now.max(next)))
    }

    /// Says that a backup uses the set. To be said before the set is there, which needs no more room then.
    pub fn write_open(&self, id: &str) -> Result<()> {
        make_folder(&self.base().join(SETS))?;
        let open = self.local().join("open");
        make_folder(&open)?;
        self.write(&open.join(id), b"")
    }

    /// Says that the backup that uses the set has ended.
    pub fn close(&self, id: &str) -> Result<()> {
        let open = self.local().join("open");
        if !is_folder(&open) {
            return Ok(());
        }
        remove_file(&open.join(id))?;
        sync_folder(&open)
    }

    /// Gives the unfinished set its final name.
    pub fn show_set(&self, id: &str) -> Result<Set> {
        let sets = self.base().join(SETS);
        let set = Set::new(self.base(), id);
        fs::rename(self.unfinished(), set.path()).map_err(Error::io("rename", self.unfinished()))?;
        sync_folder(&sets)?;
        sync_folder(self.base())?;
        Ok(set)
    }

    /// Where what was found of a set is remembered.
    pub fn findings(&self, id: &str) -> PathBuf {
        self.local().join("checked").join(format!("{id}.json"))
    }

    /// Removes one set of several, and what is known of it. A backup that reads it fails.
    pub fn remove_set(&self, set: &Set) -> Result<()> {
        self.hide(&set.path())?;
        remove_file(&self.findings(&set.id))?;
        self.close(&set.id)
    }

    /// Removes what no backup can be reading any more. Closed sets stay as long as one is open: nobody knows which of the
    /// backups it was that ended.
    pub fn remove_leftovers(&self, now: SystemTime, stale_after: Duration) -> Result<()> {
        let in_use = self.in_use(now, stale_after)?;
        if in_use.is_empty() {
            self.withdraw()?;
            remove_tree(&self.local().join("open"))?;
            return remove_tree(&self.local().join("checked"));
        }
        for set in self.open()?.iter().chain(&self.sets()?) {
            let is_forgotten = !is_fresh(&set.id, now, stale_after) || !is_folder(&set.path());
            if is_forgotten {
                self.remove_set(set)?;
            }
        }
        remove_tree(&self.unfinished())
    }

    /// Takes all sets their names at once, and then deletes them.
    pub(crate) fn remove_sets(&self) -> Result<()> {
        for name in [SETS, OLD_SET] {
            self.hide(&self.base().join(name))?;
        }
        Ok(())
    }

    fn hide(&self, path: &Path) -> Result<()> {
        let removing = self.local().join("removing");
        if fs::symlink_metadata(path).is_err() {
            return remove_tree(&removing);
        }
        make_folder(&self.local())?;
        remove_tree(&removing)?;
        fs::rename(path, &removing).map_err(Error::io("rename", path))?;
        sync_folder(self.base())?;
        self.at(crate::Step::SetHidden)?;
        remove_tree(&removing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_is_fresh_up_to_its_age_and_not_from_the_future() {
        let id = format!("{:0width$}", 1_000_000_000u64, width = DIGITS);
        let age = Duration::from_secs(60);
        let fresh = |now: SystemTime| is_fresh(&id, now, age);
        let made = made(&id);
        assert!(fresh(made) && fresh(made + age - Duration::from_nanos(1)));
        assert!(!fresh(made + age));
        assert!(is_fresh(&id, made - CLOCK_SLACK, age));
        let later = format!("{:0width$}", CLOCK_SLACK.as_nanos() + 1, width = DIGITS);
        assert!(!is_fresh(&later, UNIX_EPOCH, age));
        assert!(is_id(&id));
        for other in ["", "1", &id[1..], &format!("{id}0"), &format!("x{}", &id[1..])] {
            assert!(!is_id(other), "{other}");
        }
    }

    #[test]
    fn open_sets_are_those_that_are_there_and_not_too_old() {
        let folder = tempfile::tempdir().unwrap();
        let volume = folder.path();
        assert_eq!(open_sets(volume).unwrap(), []);
        let first = crate::prepare(volume, &crate::Options::default()).unwrap().set;
        let second = crate::prepare(volume, &crate::Options::default()).unwrap().set;
        let open = || -> Vec<String> { open_sets(volume).unwrap().into_iter().map(|set| set.id).collect() };
        assert_eq!(open(), [first.clone(), second.clone()]);
        assert_eq!(open_sets(volume).unwrap()[0].made, made(&first));
        fs::remove_dir_all(Set::new(&volume.join(FOLDER), &first).path()).unwrap();
        assert_eq!(open(), [second.as_str()]);
        // Long ago: the name says when it was made.
        let old = format!("{:0width$}", 7, width = DIGITS);
        let at = |id: &str| Set::new(&volume.join(FOLDER), id).path();
        fs::rename(at(&second), at(&old)).unwrap();
        let entries = volume.join(FOLDER).join("local/open");
        fs::rename(entries.join(&second), entries.join(&old)).unwrap();
        assert_eq!(open(), Vec::<String>::new());
    }
}
