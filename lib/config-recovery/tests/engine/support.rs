//! An app that is files, and a backup of it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use config_recovery::backups::{AppId, Choice};
use config_recovery::engine::{self, App, Checked, RestorePlan, Wanted};
use config_recovery::report::Silent;
use config_recovery::scratch::Purpose;
use config_recovery::testing::{self, FolderPlace};
use config_recovery::{Error, Result};
use config_volume::RESTORE_FOLDER;

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
    pub starts: u32,
}

impl App for Files {
    fn stop(&mut self) -> std::result::Result<(), String> {
        self.runs = false;
        Ok(())
    }

    fn start(&mut self) -> std::result::Result<(), String> {
        self.starts += 1;
        if self.sick > 0 {
            self.sick -= 1;
            return Err("it is not healthy".to_owned());
        }
        self.runs = true;
        Ok(())
    }

    fn examine(&mut self, folder: &Path) -> Vec<String> {
        match folder.join("config.xml").exists() {
            true => Vec::new(),
            false => vec!["config.xml is missing".to_owned()],
        }
    }
}

/// A volume with content, two backups, and a folder outside the volume.
pub struct Stage {
    pub folder: tempfile::TempDir,
    pub app: Files,
}

impl Stage {
    pub fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        for name in ["volume", "backup-a", "backup-b"] {
            let at = folder.path().join(name);
            fs::create_dir_all(at.join("sub")).unwrap();
            fs::write(at.join("config.xml"), format!("<Config>{name}</Config>")).unwrap();
            fs::write(at.join("sub/list"), name.repeat(3000)).unwrap();
            fs::write(at.join(format!("only-{name}")), name).unwrap();
        }
        let app = Files {
            runs: true,
            ..Files::default()
        };
        Self { folder, app }
    }

    pub fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn volume(&self) -> PathBuf {
        self.at("volume")
    }

    pub fn files(&self, name: &str) -> BTreeMap<PathBuf, Vec<u8>> {
        files(&self.at(name))
    }

    pub fn place(&self, backup: &str) -> FolderPlace {
        FolderPlace::new(self.at(&format!("backup-{backup}")))
    }

    pub fn wanted(&self, backup: &str) -> Wanted {
        Wanted {
            target: AppId {
                app: "radarr".to_owned(),
                model: "media".to_owned(),
            },
            from: None,
            choice: Choice::from(backup),
            holder: "test".to_owned(),
            image: String::new(),
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
            &self.at("elsewhere"),
        ))
    }

    pub fn restore(&mut self, backup: &str) -> Result<Checked> {
        let plan = self.plan(backup, true)?;
        self.carry_out(&plan, self.place(backup))
    }

    pub fn carry_out(&mut self, plan: &RestorePlan, place: FolderPlace) -> Result<Checked, Error> {
        run(engine::restore_beside(place, plan, &mut self.app, &Silent))
    }

    #[track_caller]
    pub fn assert_holds(&self, name: &str) {
        assert_eq!(self.files("volume"), self.files(name), "not as {name}");
        assert!(!self.volume().join(RESTORE_FOLDER).exists(), "something is left");
    }
}
