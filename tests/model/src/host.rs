//! One unit's volume and the app on it. Each start of the app is judged.

use std::path::{Path, PathBuf};
use std::process::Command;

use config_volume::RESTORE_FOLDER;

use crate::app::{self, App};
use crate::content::{Broken, Content, Holds};
use crate::judge;

/// The volume, the app, and what the model knows of both.
pub struct Host {
    pub volume: PathBuf,
    pub app: Option<App>,
    /// What the app may find; one thing, except while a restore is under way or after one that was killed.
    pub may_hold: Vec<Holds>,
    /// Which of these the running app works on.
    pub running_on: Option<usize>,
    /// Which of these the last start could have found: two backups may hold the same.
    pub found: Vec<usize>,
    /// From which of these on it is the content of a restore that is under way, or was killed.
    pub new_at: usize,
    /// Which of these came from which backup, in a restore that is under way or was killed.
    pub from: Vec<(usize, usize)>,
    /// Content that was on the volume when another one was put over it: with the previous content it has to be there still, aside.
    pub aside: Vec<Content>,
    /// The first thing that was seen and may never be.
    pub broken: Option<Broken>,
    /// A restore is under way: a start decides nothing.
    pub is_restoring: bool,
    is_mounted: bool,
}

impl Host {
    pub fn new(volume: PathBuf) -> Self {
        std::fs::create_dir_all(&volume).unwrap();
        Self {
            volume,
            app: None,
            may_hold: vec![Holds::Nothing],
            running_on: None,
            found: Vec::new(),
            new_at: usize::MAX,
            from: Vec::new(),
            aside: Vec::new(),
            broken: None,
            is_restoring: false,
            is_mounted: false,
        }
    }

    /// The volume of a unit beside the one that has the data: no app may run on it.
    pub fn standby(volume: PathBuf) -> Self {
        let mut host = Self::new(volume);
        host.may_hold.clear();
        host
    }

    /// Gives the volume a file system of its own, of so many bytes. `false` where that is not allowed.
    pub fn mount(&mut self, bytes: u64) -> bool {
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={bytes}"), "model"])
            .arg(&self.volume)
            .output();
        self.is_mounted = mounted.is_ok_and(|output| output.status.success());
        self.is_mounted
    }

    /// The app starts, whoever starts it.
    pub fn start(&mut self) {
        if self.app.is_some() {
            return;
        }
        if let Err(broken) = self.try_start() {
            self.broken.get_or_insert(broken);
        }
    }

    fn try_start(&mut self) -> Result<(), Broken> {
        let found = match app::read(&self.volume) {
            Ok(found) => found,
            Err(_) if self.may_hold.iter().any(|holds| matches!(holds, Holds::Anything)) => {
                Content::default()
            }
            Err(damage) => return Err(format!("the app runs on a damaged volume: {damage}")),
        };
        let all = self.may_hold.iter().enumerate();
        self.found = all
            .filter(|(_, holds)| holds.allows(&found))
            .map(|(number, _)| number)
            .collect();
        let Some(&number) = self.found.first() else {
            let allowed: Vec<String> = self.may_hold.iter().map(Holds::shown).collect();
            if allowed.is_empty() {
                return Err(format!(
                    "an app runs on {} beside the unit with the data",
                    found.shown()
                ));
            }
            return Err(format!(
                "the app runs on {} instead of {}",
                found.shown(),
                allowed.join(", or ")
            ));
        };
        if !self.may_be_new() {
            self.aside
                .iter()
                .try_for_each(|content| judge::is_aside(&self.volume, content))?;
        }
        let Ok(app) = App::start(&self.volume) else {
            return Ok(());
        };
        self.app = Some(app);
        self.may_hold[number] = Holds::Exactly(found);
        self.running_on = Some(number);
        self.settle();
        Ok(())
    }

    /// What the app runs on is what counts, unless a restore has still to decide.
    pub fn settle(&mut self) {
        let is_open = self.is_restoring || self.volume.join(RESTORE_FOLDER).exists();
        if let (Some(number), false) = (self.running_on, is_open) {
            self.may_hold = vec![self.may_hold.swap_remove(number)];
            self.running_on = Some(0);
            if self.may_be_new() {
                self.aside.clear();
            }
            self.new_at = usize::MAX;
            self.from.clear();
        }
    }

    /// Whether what the last start found can be the content of a restore.
    fn may_be_new(&self) -> bool {
        self.found.iter().any(|number| *number >= self.new_at)
    }

    /// The app ends in good order.
    pub fn stop(&mut self) {
        self.running_on = None;
        if let Some(app) = self.app.take() {
            app.stop();
        }
    }

    /// The app ends as by SIGKILL.
    pub fn kill(&mut self) {
        self.running_on = None;
        if let Some(app) = self.app.take() {
            app.kill();
        }
    }

    /// What the running app works on.
    pub fn content(&mut self) -> Option<(&App, &mut Content)> {
        match self.may_hold.get_mut(self.running_on?) {
            Some(Holds::Exactly(content)) => self.app.as_ref().map(|app| (app, content)),
            _ => None,
        }
    }

    /// What is certain about the volume.
    pub fn holds(&self) -> Holds {
        match (self.running_on, self.may_hold.as_slice()) {
            (Some(number), all) => all[number].clone(),
            (None, [only]) => only.clone(),
            _ => Holds::Anything,
        }
    }

    /// Whether a person has put something there that need not work.
    pub fn may_be_anything(&self) -> bool {
        self.may_hold.iter().any(|holds| matches!(holds, Holds::Anything))
    }

    /// Fails if something was seen that may never be.
    pub fn judge(&mut self) -> Result<(), Broken> {
        self.broken.take().map_or(Ok(()), Err)
    }

    /// Empties the volume: it is lost, and a new one takes its place.
    pub fn lose(&mut self) {
        self.kill();
        clear(&self.volume);
        self.aside.clear();
        self.may_hold = vec![Holds::Nothing];
        self.new_at = usize::MAX;
        self.from.clear();
    }
}

fn clear(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            std::fs::remove_dir_all(path).unwrap();
        } else {
            std::fs::remove_file(path).unwrap();
        }
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        self.app = None;
        if self.is_mounted {
            let _ = Command::new("umount").arg(&self.volume).output();
        }
    }
}
