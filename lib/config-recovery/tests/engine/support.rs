//! An app that is files, and backups of it.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use config_recovery::backups::{AppId, Choice, Earlier, Proof};
use config_recovery::engine::{
    self, App, Beside, CheckedBackup, Examined, RestorePlan, RestoreRequest, Restored, Unfit, VerifyPlan,
};
use config_recovery::journal::Step;
use config_recovery::report::{Reporter, Silent};
use config_recovery::scratch::{Purpose, Until};
use config_recovery::testing::{self, FolderPlace};
use config_recovery::{Error, Result};
pub use config_volume::testing::Mount;
use config_volume::{RESTORE_FOLDER, SwapWatcher, UnpackLimits, Unpacked};

pub fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// All files of a folder, without ours.
pub fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    fn add(folder: &Path, root: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(root).unwrap().to_owned();
            if inside == Path::new(RESTORE_FOLDER) || inside == Path::new("lost+found") {
                continue;
            }
            if path.is_dir() {
                add(&path, root, found);
            } else {
                found.insert(inside, fs::read(&path).unwrap());
            }
        }
    }
    let mut found = BTreeMap::new();
    add(root, root, &mut found);
    found
}

/// The app: whether it runs, and with which starts it gets healthy.
#[derive(Debug, Default)]
pub struct Files {
    pub runs: bool,
    /// So many starts do not work.
    pub sick: u32,
    /// It cannot be stopped.
    pub is_stuck: bool,
    pub stops: u32,
    /// How long each start was to be waited for.
    pub starts: Vec<Duration>,
    /// Why it takes no content, if it takes none.
    pub refuses: Option<&'static str>,
    /// What it was told of a manifest.
    pub promised: Vec<bool>,
    /// Is to be in every content.
    pub database: Option<&'static str>,
    /// The backups that it was told to have come back.
    pub came_back: Vec<String>,
}

impl App for Files {
    fn stop(&mut self) -> std::result::Result<(), String> {
        self.stops += 1;
        if self.is_stuck {
            return Err("it does not end".to_owned());
        }
        self.runs = false;
        Ok(())
    }

    fn start(&mut self, patience: Duration) -> std::result::Result<(), String> {
        self.starts.push(patience);
        if self.sick > 0 {
            self.sick -= 1;
            return Err("it is not healthy".to_owned());
        }
        self.runs = true;
        Ok(())
    }

    fn came_back(&mut self, checked: &CheckedBackup) {
        self.came_back.push(checked.backup.uid.clone());
    }

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        let promised = restored.made.is_some();
        self.promised.push(promised);
        let is_missing = |name: &&str| !restored.folder.join(name).exists();
        // A manifest says what is missing.
        let database = self.database.filter(|_| !promised);
        let problems = ["config.xml"]
            .into_iter()
            .chain(database)
            .filter(is_missing)
            .map(|name| format!("{name} is missing"))
            .collect();
        Examined {
            problems,
            unfit: self.refuses.map(|why| Unfit {
                why: why.to_owned(),
                next: "refresh the app first".to_owned(),
            }),
            notes: Vec::new(),
            contents: Some("films 3".to_owned()),
        }
    }
}

/// A place that counts what it is asked for, and does something when the bytes are copied and when it is removed.
#[derive(Clone)]
pub struct Place {
    pub folder: FolderPlace,
    pub transfers: Rc<Cell<u32>>,
    /// How often it was let go.
    pub released: Rc<Cell<u32>>,
    pub while_copying: Rc<dyn Fn() -> Result<()>>,
    pub while_removing: Rc<dyn Fn() -> Result<()>>,
    pub running: Rc<RefCell<Option<String>>>,
}

impl Beside for Place {
    async fn make(&mut self, reporter: &dyn Reporter) -> Result<()> {
        self.folder.make(reporter).await
    }

    async fn restore_bytes(&mut self, reporter: &dyn Reporter) -> Result<Option<Duration>> {
        self.folder.restore_bytes(reporter).await
    }

    async fn unpack_into(
        &mut self,
        folder: &Path,
        limits: &UnpackLimits,
        reporter: &dyn Reporter,
    ) -> Result<Unpacked> {
        self.transfers.set(self.transfers.get() + 1);
        (self.while_copying)()?;
        self.folder.unpack_into(folder, limits, reporter).await
    }

    async fn let_go(&mut self) -> Result<()> {
        self.released.set(self.released.get() + 1);
        self.folder.let_go().await
    }

    async fn remove(&mut self, until: Until) -> Result<()> {
        (self.while_removing)()?;
        self.folder.remove(until).await
    }

    async fn running_backup(&mut self) -> Result<Option<String>> {
        Ok(self.running.borrow().clone())
    }

    async fn prove(&mut self, proof: &Proof) -> Result<()> {
        self.folder.prove(proof).await
    }

    fn watcher(&self) -> SwapWatcher {
        self.folder.watcher()
    }
}

/// A volume with content, two backups, and a folder outside the volume.
pub struct Stage {
    _mounts: Vec<Mount>,
    pub folder: tempfile::TempDir,
    /// Another disk than the volume's, as a node's is.
    node: tempfile::TempDir,
    pub app: Files,
    pub while_copying: Rc<dyn Fn() -> Result<()>>,
    pub while_removing: Rc<dyn Fn() -> Result<()>>,
    pub watcher: SwapWatcher,
    pub transfers: Rc<Cell<u32>>,
    pub released: Rc<Cell<u32>>,
    pub running: Rc<RefCell<Option<String>>>,
    /// What was written on the backups.
    pub proofs: Rc<RefCell<Vec<Proof>>>,
}

const FILLER: &str = "filler";

impl Stage {
    pub fn new() -> Self {
        Self::of(tempfile::tempdir().unwrap(), Vec::new())
    }

    /// One whose volume has no room for both contents; `None` without the right to mount.
    pub fn cramped() -> Option<Self> {
        Self::mounted("size=36m").inspect(|stage| {
            fs::write(stage.volume().join(FILLER), vec![1; 8 << 20]).unwrap();
        })
    }

    /// One whose volume is a file system of its own.
    pub fn mounted(volume: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let Some(mount) = Mount::new(&folder.path().join("volume"), volume) else {
            println!("no right to mount a small file system: not tried");
            return None;
        };
        Some(Self::of(folder, vec![mount]))
    }

    fn of(folder: tempfile::TempDir, mut mounts: Vec<Mount>) -> Self {
        for name in ["volume", "backup-a", "backup-b"] {
            let at = folder.path().join(name);
            fs::create_dir_all(at.join("sub")).unwrap();
            fs::write(at.join("config.xml"), format!("<Config>{name}</Config>")).unwrap();
            fs::write(at.join("sub/list"), name.repeat(3000)).unwrap();
            fs::write(at.join(format!("only-{name}")), name).unwrap();
        }
        let node = match Path::new("/dev/shm").is_dir() {
            true => tempfile::tempdir_in("/dev/shm").unwrap(),
            false => tempfile::tempdir().unwrap(),
        };
        if !mounts.is_empty() {
            mounts.extend(Mount::new(&node.path().join("disk"), "size=100m"));
        }
        Self {
            _mounts: mounts,
            folder,
            node,
            app: Files {
                runs: true,
                ..Files::default()
            },
            while_copying: Rc::new(|| Ok(())),
            while_removing: Rc::new(|| Ok(())),
            watcher: SwapWatcher::default(),
            transfers: Rc::default(),
            released: Rc::default(),
            running: Rc::default(),
            proofs: Rc::default(),
        }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A backup of the volume begins while the bytes of the restore are copied.
    pub fn backup_begins_during_the_transfer(&mut self) {
        let (volume, running) = (self.volume(), Rc::clone(&self.running));
        self.while_copying = Rc::new(move || {
            config_volume::prepare(&volume, &config_volume::Options::default()).unwrap();
            running.replace(Some("velero/nightly".to_owned()));
            Ok(())
        });
    }

    pub fn volume(&self) -> PathBuf {
        self.at("volume")
    }

    pub fn elsewhere(&self) -> PathBuf {
        self.on_the_node("disk/elsewhere")
    }

    /// A place on the node's disk. A test restore goes there, and is refused where that is nearly full: the disk of the machine that
    /// runs the tests may be.
    pub fn on_the_node(&self, name: &str) -> PathBuf {
        self.node.path().join(name)
    }

    pub fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.at(name))
    }

    pub fn place(&self, backup: &str) -> Place {
        Place {
            folder: FolderPlace {
                watcher: self.watcher.clone(),
                proofs: Rc::clone(&self.proofs),
                ..FolderPlace::new(self.at(&format!("backup-{backup}")))
            },
            transfers: Rc::clone(&self.transfers),
            released: Rc::clone(&self.released),
            while_copying: Rc::clone(&self.while_copying),
            while_removing: Rc::clone(&self.while_removing),
            running: Rc::clone(&self.running),
        }
    }

    pub fn wanted(&self, backup: &str) -> RestoreRequest {
        RestoreRequest {
            target: AppId {
                app: "radarr".to_owned(),
                model: "media".to_owned(),
            },
            from: None,
            choice: Choice::from(backup),
            holder: "test".to_owned(),
            image: String::new(),
            program: None,
            patience: None,
        }
    }

    pub fn plan(&self, backup: &str, keep_old: bool) -> Result<RestorePlan> {
        let wanted = self.wanted(backup);
        let found = testing::backup(backup, &wanted.target, 24_000);
        let scratch = testing::scratch(found, Purpose::Restore);
        run(engine::plan_restore_beside(
            &mut self.place(backup),
            &wanted,
            scratch,
            &self.volume(),
            keep_old,
            &self.elsewhere(),
        ))
    }

    /// A test restore.
    pub fn test_restore(&self, backup: &str) -> VerifyPlan {
        let found = testing::backup(backup, &self.wanted(backup).target, 1);
        VerifyPlan {
            scratch: testing::scratch(found, Purpose::Verify),
            folder: self.on_the_node("verify"),
            earlier: Earlier::default(),
            limit: None,
        }
    }

    pub fn verify(&mut self, backup: &str) -> Result<CheckedBackup> {
        let (plan, place) = (self.test_restore(backup), self.place(backup));
        run(engine::verify_beside(place, &plan, &mut self.app, &Silent))
    }

    pub fn restore(&mut self, backup: &str) -> Result<CheckedBackup> {
        let plan = self.plan(backup, true)?;
        self.carry_out(&plan, &Silent)
    }

    pub fn restore_without_old(&mut self, backup: &str) -> Result<CheckedBackup> {
        let plan = self.plan(backup, false)?;
        self.carry_out(&plan, &Silent)
    }

    pub fn carry_out(&mut self, plan: &RestorePlan, reporter: &dyn Reporter) -> Result<CheckedBackup, Error> {
        let place = self.place(&plan.backup().uid);
        run(engine::restore_beside(place, plan, &mut self.app, reporter))
    }

    /// The same, killed where somebody calls [`kill`]; whether it was.
    pub fn is_killed(&mut self, plan: &RestorePlan, reporter: &dyn Reporter) -> bool {
        match catch_unwind(AssertUnwindSafe(|| self.carry_out(plan, reporter))) {
            Ok(_) => false,
            Err(payload) if payload.is::<Killed>() => true,
            Err(payload) => resume_unwind(payload),
        }
    }

    #[track_caller]
    pub fn assert_holds(&self, name: &str, what: &str) {
        assert_eq!(self.files("volume"), self.files(name), "{what}: not as {name}");
        self.assert_clean(what);
    }

    #[track_caller]
    pub fn assert_clean(&self, what: &str) {
        assert!(
            !self.volume().join(RESTORE_FOLDER).exists(),
            "{what}: something is left"
        );
        assert!(!self.elsewhere().exists(), "{what}: the folder outside is left");
    }
}

struct Killed;

/// Ends a run as a kill does: nothing more is done, but that its locks are let go. It says nothing.
pub fn kill() -> ! {
    resume_unwind(Box::new(Killed))
}

/// Kills when a step begins.
pub struct KillAt(pub Step);

impl Reporter for KillAt {
    fn begins(&self, step: Step) {
        if step == self.0 {
            kill();
        }
    }
}

/// Keeps what a person would be told: steps that begin (`>`) and end well (`<`), and notes.
#[derive(Default)]
pub struct Ears(RefCell<Vec<String>>);

impl Ears {
    /// All of it, in order.
    pub fn all(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// The notes alone.
    pub fn notes(&self) -> Vec<String> {
        let all = self.all().into_iter();
        all.filter(|told| !told.starts_with(['<', '>'])).collect()
    }

    /// Whether a note says this.
    pub fn heard(&self, text: &str) -> bool {
        self.notes().iter().any(|note| note.contains(text))
    }
}

impl Reporter for Ears {
    fn begins(&self, step: Step) {
        self.0.borrow_mut().push(format!(">{step:?}"));
    }

    fn ended(&self, step: Step) {
        self.0.borrow_mut().push(format!("<{step:?}"));
    }

    fn note(&self, text: &str) {
        self.0.borrow_mut().push(text.to_owned());
    }
}
