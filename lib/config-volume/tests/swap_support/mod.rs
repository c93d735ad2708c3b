//! What the tests of the exchange share: trees, and what tells two of them apart.
#![allow(dead_code, reason = "each test uses some of it")]

use std::{
    collections::BTreeMap,
    ffi::OsString,
    fs::{self, File, FileTimes, Permissions},
    io::{self, Seek, SeekFrom, Write},
    os::unix::{
        ffi::{OsStrExt, OsStringExt},
        fs::{FileTypeExt, MetadataExt, PermissionsExt, chown, symlink},
    },
    path::{Path, PathBuf},
    process::Command,
    sync::{
        LazyLock, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, UNIX_EPOCH},
};

pub use config_volume::testing::Mount;
use config_volume::{
    GivenUp, RESTORE_FOLDER, Swap, SwapOptions, SwapStep, SwapWatcher, UnpackLimits, unpack,
};

/// All that a backup restores of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    mode: u32,
    owner: (u32, u32),
    modified: (i64, i64),
    /// The first path, in order, that is the same file.
    same_as: PathBuf,
    content: Vec<u8>,
}

pub type Tree = BTreeMap<PathBuf, Entry>;

/// Everything in a folder. `without` names entries of its root that do not count.
pub fn tree_without(root: &Path, without: &[&str]) -> Tree {
    fn add(folder: &Path, root: &Path, without: &[&str], all: &mut Vec<(PathBuf, fs::Metadata, Vec<u8>)>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let short = path.strip_prefix(root).unwrap().to_owned();
            if without.iter().any(|name| short == Path::new(name)) {
                continue;
            }
            let meta = fs::symlink_metadata(&path).unwrap();
            let kind = meta.file_type();
            let content = if kind.is_file() {
                fs::read(&path).unwrap()
            } else if kind.is_symlink() {
                fs::read_link(&path).unwrap().into_os_string().into_vec()
            } else {
                Vec::new()
            };
            all.push((short, meta, content));
            if kind.is_dir() {
                add(&path, root, without, all);
            }
        }
    }
    let mut all = Vec::new();
    add(root, root, without, &mut all);
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mut first = BTreeMap::new();
    for (path, meta, _) in &all {
        first
            .entry((meta.dev(), meta.ino()))
            .or_insert_with(|| path.clone());
    }
    all.into_iter()
        .map(|(path, meta, content)| {
            let entry = Entry {
                mode: meta.mode(),
                owner: (meta.uid(), meta.gid()),
                modified: (meta.mtime(), meta.mtime_nsec()),
                same_as: first.get(&(meta.dev(), meta.ino())).unwrap().clone(),
                content,
            };
            (path, entry)
        })
        .collect()
}

pub fn tree(root: &Path) -> Tree {
    tree_without(root, &[])
}

/// The same with whole seconds, as a plain archive keeps them.
pub fn in_whole_seconds(mut tree: Tree) -> Tree {
    for entry in tree.values_mut() {
        entry.modified.1 = 0;
    }
    tree
}

/// Compares two trees and says where they differ.
#[track_caller]
pub fn assert_same(is: &Tree, should: &Tree, at: &str) {
    for path in is.keys().chain(should.keys()) {
        let (a, b) = (is.get(path), should.get(path));
        if a != b {
            let shown = |entry: Option<&Entry>| {
                entry.map(|entry| {
                    let head: Vec<u8> = entry.content.iter().copied().take(32).collect();
                    let length = entry.content.len();
                    (
                        entry.mode,
                        entry.owner,
                        entry.modified,
                        entry.same_as.clone(),
                        length,
                        head,
                    )
                })
            };
            panic!("{at}: {path:?} is {:?} instead of {:?}", shown(a), shown(b));
        }
    }
}

pub fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

pub fn set_modified(path: &Path, seconds: u64, nanoseconds: u32) {
    let time = UNIX_EPOCH + Duration::new(seconds, nanoseconds);
    File::open(path)
        .unwrap()
        .set_times(FileTimes::new().set_modified(time))
        .unwrap();
}

/// The content of an app before a restore.
pub fn make_old(volume: &Path) {
    fs::create_dir_all(volume.join("logs/old")).unwrap();
    fs::write(volume.join("config.xml"), "<Config>old</Config>").unwrap();
    fs::write(volume.join("logs/old/radarr.txt"), "old log").unwrap();
    fs::write(volume.join("only-old"), "old").unwrap();
    fs::write(volume.join(".kopiaignore"), "/unwanted/\n").unwrap();
    symlink("logs/old", volume.join("link")).unwrap();
    fs::create_dir(volume.join("lost+found")).unwrap();
}

/// The content that a backup brings, as a tar stream of GNU's form.
pub fn make_new(folder: &Path) {
    fs::create_dir_all(folder.join("logs/new")).unwrap();
    fs::create_dir_all(folder.join("data")).unwrap();
    fs::write(folder.join("config.xml"), "<Config>new</Config>").unwrap();
    fs::write(folder.join("logs/new/radarr.txt"), "new log").unwrap();
    fs::write(folder.join("data/big"), vec![7; 600 << 10]).unwrap();
    fs::hard_link(folder.join("data/big"), folder.join("same")).unwrap();
    symlink("config.xml", folder.join("link")).unwrap();
    fs::create_dir(folder.join(".velero")).unwrap();
    fs::write(folder.join(".velero/0b7c0fe1"), "").unwrap();
    // Two trees that are made one after the other are alike.
    for (number, (path, entry)) in tree(folder).into_iter().enumerate() {
        if entry.mode & 0o170_000 != 0o120_000 {
            set_modified(&folder.join(path), 1_700_000_000 + number as u64, 0);
        }
    }
}

/// A child process holds what its parent has open until it becomes another program, and a removed file takes room as long.
/// Where the room counts none is started meanwhile.
static CHILDREN: RwLock<()> = RwLock::new(());

/// What a [`Case`] restores.
pub struct Archives {
    /// Of [`Case::source`], which is the same for all.
    pub new: Vec<u8>,
    /// Of one small file, `sub/list`.
    pub again: Vec<u8>,
}

static ARCHIVES: LazyLock<Archives> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let (source, small) = (folder.path().join("source"), folder.path().join("small"));
    fs::create_dir(&source).unwrap();
    make_new(&source);
    settle_links(&source);
    fs::create_dir_all(small.join("sub")).unwrap();
    fs::write(small.join("sub/list"), "again").unwrap();
    Archives {
        new: pack(&source, &[]),
        again: pack(&small, &[]),
    }
});

/// Packs a folder with the real tar. Waits until no [`cramped`] volume is in use.
pub fn pack(folder: &Path, arguments: &[&str]) -> Vec<u8> {
    let _none_is_cramped = CHILDREN.write().unwrap_or_else(PoisonError::into_inner);
    let output = Command::new("tar")
        .args(arguments)
        .args(["-C", folder.to_str().unwrap(), "-cf", "-", "."])
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    output.stdout
}

/// What an engine does to bring a backup back, from wherever an earlier run was cut off.
pub fn forward(
    volume: &Path,
    archive: &[u8],
    options: &SwapOptions,
    progress: &mut dyn FnMut(),
) -> config_volume::Result<()> {
    use config_volume::SwapState::*;
    let mut swap = Swap::begin(volume, "backup-1", options)?;
    if swap.state() == Staging {
        if options.staged.is_none() {
            swap.clear_staged()?;
            unpack(archive, swap.staged(), &UnpackLimits::default(), &mut |_| {
                progress()
            })?;
        }
        swap.seal()?;
    }
    if swap.state() != Removing {
        swap.commit()?;
    }
    swap.finish()
}

/// Gives up the exchange of a volume, if there is one.
pub fn given_up(volume: &Path, options: &SwapOptions) -> config_volume::Result<Option<GivenUp>> {
    Swap::open(volume, options)?.map(Swap::give_up).transpose()
}

/// Nothing of ours is left.
#[track_caller]
pub fn assert_clean(volume: &Path, at: &str) {
    for name in [".config-restore", ".config-backup"] {
        assert!(
            fs::symlink_metadata(volume.join(name)).is_err(),
            "{at}: {name} is left"
        );
    }
}

/// Numbers that follow from a seed, so that a failure can be repeated.
pub struct Dice {
    number: u64,
    /// Whether names may hold line breaks. An archive in pax form cannot say such a name to the library.
    pub line_breaks: bool,
}

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self {
            number: seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
            line_breaks: true,
        }
    }

    pub fn roll(&mut self, sides: u64) -> u64 {
        self.number ^= self.number << 13;
        self.number ^= self.number >> 7;
        self.number ^= self.number << 17;
        (self.number >> 11) % sides
    }

    fn name(&mut self) -> OsString {
        let number = self.roll(1000);
        let bytes = match self.roll(9) {
            0 => format!(".hidden {number}").into_bytes(),
            1 => [b"\xff\xfe-".as_slice(), number.to_string().as_bytes()].concat(),
            2 => format!("{number}-{}", "n".repeat(240)).into_bytes(),
            3 if self.line_breaks => format!("new\nline {number}").into_bytes(),
            4 => format!("-f{number}").into_bytes(),
            5 => format!("ü {number}\\*").into_bytes(),
            6 => b"lost+found".to_vec(),
            _ => format!("f{number}").into_bytes(),
        };
        OsString::from_vec(bytes)
    }

    /// Fills a folder with a random tree. `nanoseconds` says whether times have a fraction.
    pub fn fill(&mut self, root: &Path, nanoseconds: bool) {
        let mut files: Vec<PathBuf> = Vec::new();
        self.fill_folder(root, root, 0, &mut files, nanoseconds);
    }

    fn fill_folder(&mut self, root: &Path, folder: &Path, depth: u32, files: &mut Vec<PathBuf>, nano: bool) {
        for _ in 0..self.roll(8) {
            let path = folder.join(self.name());
            // Of the root's own names some have a meaning; below it they have none.
            if fs::symlink_metadata(&path).is_ok() || (folder == root && path.ends_with("lost+found")) {
                continue;
            }
            match self.roll(10) {
                0 => symlink("config.xml", &path).unwrap(),
                1 => symlink("missing/../x", &path).unwrap(),
                2 if !files.is_empty() => {
                    let index = usize::try_from(self.roll(files.len() as u64)).unwrap();
                    fs::hard_link(files.get(index).unwrap(), &path).unwrap();
                    continue;
                }
                3..6 if depth < 3 => {
                    fs::create_dir(&path).unwrap();
                    self.fill_folder(root, &path, depth + 1, files, nano);
                    let mode = [0o700, 0o755, 0o2775, 0o1777, 0o750];
                    self.dress(&path, &mode, nano);
                    continue;
                }
                6 => {
                    // A hole, data, a hole.
                    let mut file = File::create(&path).unwrap();
                    file.seek(SeekFrom::Start(1 << 20)).unwrap();
                    file.write_all(&vec![3; usize::try_from(self.roll(9000)).unwrap()])
                        .unwrap();
                    file.set_len(3 << 20).unwrap();
                    self.dress(&path, &[0o644], nano);
                    files.push(path);
                    continue;
                }
                _ => {
                    let size = usize::try_from(self.roll(20) * self.roll(9000)).unwrap();
                    let byte = u8::try_from(self.roll(256)).unwrap();
                    fs::write(&path, vec![byte; size]).unwrap();
                    self.dress(&path, &[0o644, 0o600, 0o755, 0o444, 0o4755], nano);
                    files.push(path);
                    continue;
                }
            }
            // A link of its own time would need more than the standard library; its owner does not.
            if is_root() {
                std::os::unix::fs::lchown(&path, Some(1000), Some(1001)).unwrap();
            }
        }
    }

    fn dress(&mut self, path: &Path, modes: &[u32], nano: bool) {
        let index = usize::try_from(self.roll(modes.len() as u64)).unwrap();
        if is_root() {
            let (uid, gid) = (self.roll(3000), self.roll(3000));
            chown(path, Some(uid.try_into().unwrap()), Some(gid.try_into().unwrap())).unwrap();
        }
        fs::set_permissions(path, Permissions::from_mode(*modes.get(index).unwrap())).unwrap();
        let seconds = 1_500_000_000 + self.roll(200_000_000);
        let nanoseconds = if nano {
            u32::try_from(self.roll(1_000_000_000)).unwrap()
        } else {
            0
        };
        set_modified(path, seconds, nanoseconds);
    }
}

/// Gives the links of a tree a time in whole seconds, which the standard library cannot set.
pub fn settle_links(root: &Path) {
    for path in tree(root).into_keys().map(|path| root.join(path)) {
        let meta = fs::symlink_metadata(&path).unwrap();
        if meta.file_type().is_symlink() {
            let time = rustix::fs::Timespec {
                tv_sec: 1_600_000_000,
                tv_nsec: 0,
            };
            let times = rustix::fs::Timestamps {
                last_access: time,
                last_modification: time,
            };
            let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
            rustix::fs::utimensat(rustix::fs::CWD, &path, &times, flags).unwrap();
        }
        assert!(!meta.file_type().is_socket());
    }
}

/// Names as bytes, for messages.
pub fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| String::from_utf8_lossy(entry.unwrap().file_name().as_bytes()).into_owned())
        .collect();
    names.sort();
    names
}

/// A file that leaves too little room for a second content.
pub const FILLER: &str = "filler";

/// A volume that has no room for both contents, but for either.
///
/// As root it is a small file system. Else [`cramped_options`] reserve so much that only removing the filler makes room: a
/// gigabyte that is never written, since other programs fill and free the same disk meanwhile.
pub fn cramped() -> Case {
    let mut case = case_on(|volume| Mount::new(volume, "size=2m"));
    case._alone = Some(CHILDREN.read().unwrap_or_else(PoisonError::into_inner));
    if case._mount.is_some() {
        fs::write(case.volume.join(FILLER), vec![1; 1200 << 10]).unwrap();
    } else {
        let filler = File::create(case.volume.join(FILLER)).unwrap();
        rustix::fs::fallocate(&filler, rustix::fs::FallocateFlags::empty(), 0, 1 << 30).unwrap();
    }
    case
}

/// How the content of [`Case::source`] comes into a [`cramped`] volume.
pub fn cramped_options(volume: &Path) -> SwapOptions {
    let filler = fs::metadata(volume.join(FILLER)).map_or(0, |meta| meta.len());
    SwapOptions {
        keep_old: false,
        staged: Some(volume.with_file_name("source")),
        reserve: match filler > 10 << 20 {
            true => config_volume::room(volume).unwrap() + filler / 2,
            false => 0,
        },
        ..SwapOptions::default()
    }
}

pub struct Case {
    /// Where it is [`cramped`].
    _alone: Option<RwLockReadGuard<'static, ()>>,
    // Unmounted before the folder goes.
    _mount: Option<Mount>,
    _folder: tempfile::TempDir,
    pub volume: PathBuf,
    pub source: PathBuf,
    pub archives: &'static Archives,
    pub old: Tree,
    pub new: Tree,
}

/// A volume with its previous content, and a backup.
pub fn case() -> Case {
    case_on(|_| None)
}

/// The same in a volume that may be mounted first.
pub fn case_on(mount: impl FnOnce(&Path) -> Option<Mount>) -> Case {
    let folder = tempfile::tempdir().unwrap();
    let (volume, source) = (folder.path().join("config"), folder.path().join("source"));
    fs::create_dir(&volume).unwrap();
    fs::create_dir(&source).unwrap();
    let mount = mount(&volume);
    make_old(&volume);
    make_new(&source);
    settle_links(&source);
    let archives = &*ARCHIVES;
    let old = tree(&volume);
    let new = in_whole_seconds(tree_without(&source, &[".velero"]));
    Case {
        _alone: None,
        _mount: mount,
        _folder: folder,
        volume,
        source,
        archives,
        old,
        new,
    }
}

impl Case {
    pub fn sealed(&self, options: &SwapOptions) -> Swap {
        let mut swap = Swap::begin(&self.volume, "backup-1", options).unwrap();
        self.bring(&swap);
        swap.seal().unwrap();
        swap
    }

    pub fn bring(&self, swap: &Swap) {
        unpack(
            self.archives.new.as_slice(),
            swap.staged(),
            &UnpackLimits::default(),
            &mut |_| {},
        )
        .unwrap();
    }

    #[track_caller]
    pub fn assert_old(&self, at: &str) {
        assert_same(&tree_without(&self.volume, &[RESTORE_FOLDER]), &self.old, at);
    }

    /// Commits to the new content, and goes back to the old one.
    pub fn commits_and_rolls_back(&self, mut swap: Swap) {
        swap.commit().unwrap();
        self.assert_new("committed");
        assert!(swap.has_old());
        swap.roll_back().unwrap();
        self.assert_old("rolled back");
    }

    #[track_caller]
    pub fn assert_new(&self, at: &str) {
        let ours = [RESTORE_FOLDER, "lost+found"];
        let is = in_whole_seconds(tree_without(&self.volume, &ours));
        assert_same(&is, &self.new, at);
        assert!(self.volume.join("lost+found").is_dir(), "{at}");
    }
}

/// Fails once, at the step of that number.
pub fn failing_at(number: usize) -> SwapOptions {
    let count = AtomicUsize::new(0);
    SwapOptions {
        watcher: SwapWatcher::new(move |_| {
            if count.fetch_add(1, Ordering::SeqCst) == number {
                return Err(io::ErrorKind::StorageFull.into());
            }
            Ok(())
        }),
        ..SwapOptions::default()
    }
}

/// Fails at the first step of a kind.
pub fn failing_once_at(step: SwapStep) -> SwapOptions {
    let done = AtomicUsize::new(0);
    SwapOptions {
        watcher: SwapWatcher::new(move |at| {
            if at == step && done.fetch_add(1, Ordering::SeqCst) == 0 {
                return Err(io::Error::other("stopped here"));
            }
            Ok(())
        }),
        ..SwapOptions::default()
    }
}
