//! The app with its units and backups, and the model: what was committed, which backups are good, and what has to work
//! after any sequence.

mod backup;
mod units;

use std::cell::RefMut;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config_recovery::backups::AppId;
use config_volume::PlaceOptions;
use juju_charm::testing::Event;
use serde_json::json;
use tempfile::TempDir;

pub use backup::{Backup, Stage};

use crate::age::age;
use crate::content::{Broken, Holds};
use crate::fault::Fault;
use crate::host::Host;
use crate::judge;
use crate::operations::{OPERATIONS, Roll};
use crate::recovery::FolderRecovery;
use crate::unit::{Application, Ended, Unit};
use crate::velero;

/// Where the charm lays by what does not fit into the volume, beside its own folder.
const ELSEWHERE: &str = "restore-from-backup";

/// Bytes of a tight volume, and of a file that is in it from the beginning: with the 32 MiB that a restore leaves to the app, no
/// second such content fits in, and instead of the first one it does.
const TIGHT: u64 = 35 << 20;
const FILLER: usize = 2 << 20;

/// How a restore is asked for.
pub struct Restore {
    pub backup: usize,
    pub keep_old: bool,
    /// The app gets healthy at none of so many starts.
    pub sick: usize,
    pub fault: Fault,
}

/// All of it.
pub struct World {
    app: Application,
    /// The first has the data.
    units: Vec<Unit>,
    pub backups: Vec<Backup>,
    number: u32,
    story: Vec<String>,
    /// Of the last operation.
    fault: Fault,
    /// Last: the volumes are in it.
    folder: TempDir,
}

impl World {
    /// An app that has run for a while. In a `tight` world its volume has no room for two contents, where this process may
    /// mount one.
    pub fn new(place: &Path, tight: bool) -> Self {
        let folder = tempfile::Builder::new()
            .prefix("model-")
            .tempdir_in(place)
            .unwrap();
        let mut app = Application::new(folder.path());
        let mut host = Host::new(folder.path().join("volume-0"));
        if tight && host.mount(TIGHT) {
            std::fs::write(host.volume.join("filler"), vec![7; FILLER]).unwrap();
        }
        let unit = app.add_unit(0, host);
        let mut world = Self {
            app,
            units: vec![unit],
            backups: Vec::new(),
            number: 0,
            story: Vec::new(),
            fault: Fault::nothing(),
            folder,
        };
        for event in [
            Event::Install,
            Event::LeaderElected,
            Event::ConfigChanged,
            Event::Start,
        ] {
            world.dispatch(event, &Fault::nothing()).unwrap();
        }
        world.start(&Fault::nothing()).unwrap();
        for database in 0..2 {
            world.commit(database).unwrap();
        }
        world.configure().unwrap();
        world
    }

    /// Plays a sequence, and then what has to work after any.
    pub fn play(&mut self, sequence: &[Roll]) -> Result<(), Broken> {
        for roll in sequence {
            let operation = OPERATIONS.get(roll.operation).unwrap();
            let done = (operation.run)(self, &mut roll.dice());
            match done.and_then(|said| self.judge().map(|()| said)) {
                Ok(None) => {}
                Ok(Some(said)) => self.tell(&format!("{}: {said}", operation.name)),
                Err(broken) => {
                    self.tell(&format!("{}{}", operation.name, self.fault.shown()));
                    return Err(broken);
                }
            }
            self.host().settle();
        }
        self.end()
    }

    /// Whatever happened, the app can be started, a backup made, and nothing is left.
    fn end(&mut self) -> Result<(), Broken> {
        self.tell("in the end, 5 hours later, the container is started anew and backed up");
        for number in self.open(&[Stage::Prepared, Stage::Uploaded]) {
            self.lose(number);
        }
        self.wait(Duration::from_secs(5 * 3600));
        self.restart(false, true);
        self.start(&Fault::nothing())?;
        self.judge()?;
        if self.host().app.is_none() {
            self.restore_the_last_good()?;
        }
        if self.host().app.is_none() {
            let may_be_anything = self.host().may_be_anything();
            return match may_be_anything {
                true => Ok(()),
                false => Err(format!("the app cannot be started: {}", self.status())),
            };
        }
        let number = self
            .prepare(&Fault::nothing())
            .map_err(|error| format!("no backup can be made: {error}"))?;
        self.upload(number, true);
        self.finish(number, &Fault::nothing())?;
        if !self.backups[number].good {
            return Err("an undisturbed backup is not good".to_owned());
        }
        if self.folder.path().join(ELSEWHERE).exists() {
            return Err("what a restore laid by outside of the volume is left".to_owned());
        }
        judge::nothing_is_left(&self.host().volume)
    }

    /// An app that waits for a restore gets it.
    fn restore_the_last_good(&mut self) -> Result<(), Broken> {
        let Some(number) = self.good().last().copied() else {
            return Ok(());
        };
        self.tell(&format!("{}; backup {number} is restored", self.status()));
        self.restore(&Restore {
            backup: number,
            keep_old: false,
            sick: 0,
            fault: Fault::nothing(),
        })
        .map(drop)
    }

    fn judge(&self) -> Result<(), Broken> {
        self.units
            .iter()
            .try_for_each(|unit| unit.host.borrow_mut().judge())
    }

    fn tell(&mut self, line: &str) {
        let number = self.story.len() + 1;
        self.story.push(format!("{number:3}. {line}"));
    }

    /// What happened, a line each.
    pub fn story(&self) -> String {
        self.story.join("\n")
    }

    /// What is in the volume's root and in the folders of ours.
    pub fn listed(&self) -> String {
        let volume = self.host().volume.clone();
        let mut names = Vec::new();
        for folder in ["", config_volume::FOLDER, config_volume::RESTORE_FOLDER] {
            for entry in std::fs::read_dir(volume.join(folder)).into_iter().flatten() {
                let path = entry.unwrap().path();
                names.push(path.strip_prefix(&volume).unwrap().display().to_string());
            }
        }
        names.sort();
        names.join(" ")
    }

    /// The unit's volume and app.
    pub fn host(&self) -> RefMut<'_, Host> {
        self.units[0].host.borrow_mut()
    }

    pub fn status(&self) -> String {
        self.app.status(&self.units[0])
    }

    fn next(&mut self) -> u32 {
        self.number += 1;
        self.number
    }

    /// A folder of its own.
    fn place(&mut self, what: &str) -> PathBuf {
        let number = self.next();
        self.folder.path().join(format!("{what}-{number}"))
    }

    /// The backups at one of these stages.
    pub fn open(&self, stages: &[Stage]) -> Vec<usize> {
        let open = self
            .backups
            .iter()
            .filter(|backup| stages.contains(&backup.stage));
        open.map(|backup| backup.number).collect()
    }

    /// The good backups.
    pub fn good(&self) -> Vec<usize> {
        let good = self.backups.iter().filter(|backup| backup.good);
        good.map(|backup| backup.number).collect()
    }

    /// The app commits a row.
    pub fn commit(&mut self, database: usize) -> Option<u32> {
        let row = self.next();
        let mut host = self.host();
        let (app, content) = host.content()?;
        app.commit(database, row);
        content.rows[database].insert(row);
        Some(row)
    }

    /// The app writes its config file.
    pub fn configure(&mut self) -> Option<u32> {
        let number = self.next();
        {
            let mut host = self.host();
            let (app, content) = host.content()?;
            app.configure(number);
            content.config = number;
        }
        for backup in &mut self.backups {
            if backup.stage == Stage::Prepared {
                backup.configs.insert(number);
            }
        }
        Some(number)
    }

    fn recovery(&self, fault: &Fault) -> FolderRecovery {
        let whose = AppId {
            app: self.app.profile.name.clone(),
            model: "homelab".to_owned(),
        };
        let ended = self
            .backups
            .iter()
            .filter(|backup| backup.stage == Stage::Ended && backup.folder.exists());
        let backups = ended
            .map(|backup| (backup.summary(&whose), backup.folder.clone()))
            .rev()
            .collect();
        let running = self
            .open(&[Stage::Prepared, Stage::Uploaded])
            .first()
            .map(ToString::to_string);
        FolderRecovery::new(backups, running, fault.clone())
    }

    /// Runs an event on the unit with the data.
    pub fn dispatch(&mut self, event: Event, fault: &Fault) -> Result<String, Broken> {
        self.dispatch_on(0, event, fault)
    }

    fn dispatch_on(&mut self, unit: usize, event: Event, fault: &Fault) -> Result<String, Broken> {
        let said = match self.run_on(unit, event, &self.recovery(fault), fault) {
            Ended::Killed => "the charm is killed".to_owned(),
            Ended::Failed(error) if fault.happened() => error,
            Ended::Failed(error) => return Err(format!("the charm fails: {error}")),
            Ended::Done => self.app.status(&self.units[unit]),
            Ended::Action(Ok(_)) => "done".to_owned(),
            Ended::Action(Err(message)) => message,
        };
        Ok(format!("{said}{}", fault.shown()))
    }

    /// Runs an event. The other units hear of what they are told by it.
    fn run_on(&mut self, unit: usize, event: Event, recovery: &FolderRecovery, fault: &Fault) -> Ended {
        self.fault = fault.clone();
        let mut before = self.app.bags();
        let ended = self.app.dispatch(&self.units[unit], event, recovery, fault);
        let mut by = unit;
        while self.app.bags() != before && self.units.len() > 1 {
            before = self.app.bags();
            let other = self.units.len() - 1 - by;
            let changed = self.app.peers_changed(&self.units[by]);
            let quiet = Fault::nothing();
            let recovery = self.recovery(&quiet);
            self.app.dispatch(&self.units[other], changed, &recovery, &quiet);
            by = other;
        }
        ended
    }

    /// The container ends, and a new one takes its place. The charm does not know yet. When the pod ends, the charm loses what
    /// it has outside of its folder and of the volume.
    pub fn restart(&mut self, in_good_order: bool, with_pod: bool) {
        if with_pod {
            let _ = std::fs::remove_dir_all(self.folder.path().join(ELSEWHERE));
        }
        if in_good_order {
            self.host().stop();
        } else {
            self.host().kill();
        }
        self.units[0].pebble.restart();
    }

    /// The charm hears that the container is up.
    pub fn start(&mut self, fault: &Fault) -> Result<String, Broken> {
        let ready = self.app.pebble_ready();
        self.dispatch(ready, fault)
    }

    /// New credentials.
    pub fn rotate(&mut self, fault: &Fault) -> Result<String, Broken> {
        let rotate = self.app.action("rotate-api-key", json!({}));
        self.dispatch(rotate, fault)
    }

    /// The databases are put in place by somebody who is killed at it.
    pub fn place_killed(&mut self, fault: &Fault) -> String {
        let volume = self.host().volume.clone();
        let options = PlaceOptions {
            watcher: fault.watcher(),
            ..PlaceOptions::default()
        };
        let ended = fault.survive(|| config_volume::put_in_place_with(&volume, &options).map(drop));
        format!("{ended:?}{}", fault.shown())
    }

    /// The action `restore-from-backup`.
    pub fn restore(&mut self, asked: &Restore) -> Result<String, Broken> {
        let new = self.backups[asked.backup].holds();
        let was_running = self.host().app.is_some();
        let old = {
            let mut host = self.host();
            host.is_restoring = true;
            let old = host.may_hold.clone();
            host.may_hold.push(new.clone());
            host.new_at = host.new_at.min(old.len());
            host.from.push((old.len(), asked.backup));
            old
        };
        let recovery = self.recovery(&asked.fault);
        recovery.health.replace(vec![false; asked.sick]);
        let event = self.app.action(
            "restore-from-backup",
            json!({"backup-uid": self.backups[asked.backup].uid(), "keep-old": asked.keep_old}),
        );
        let ended = self.run_on(0, event, &recovery, &asked.fault);
        let mut host = self.units[0].host.borrow_mut();
        host.is_restoring = false;
        let found = host.running_on;
        let said = match ended {
            Ended::Action(Ok(_)) => {
                // Of what the app may find, the last is the backup. One that was killed may have started the app on it already.
                let is_it =
                    |place| host.found.contains(&old.len()) || host.from.contains(&(place, asked.backup));
                if !found.is_some_and(is_it) {
                    return Err(format!(
                        "it says restored, and the app does not run on {}",
                        new.shown()
                    ));
                }
                host.aside.clear();
                "restored".to_owned()
            }
            Ended::Action(Err(message)) => {
                // What is left after the app was healthy is cleared away later.
                let seen_healthy = recovery.seen_healthy.get();
                if asked.keep_old && !seen_healthy && found == Some(old.len()) {
                    return Err(format!("it says {message:?}, and the app runs on the backup"));
                }
                if asked.keep_old && !seen_healthy && found.is_none() {
                    host.may_hold.truncate(old.len());
                }
                if was_running
                    && asked.keep_old
                    && !asked.fault.happened()
                    && asked.sick == 0
                    && found.is_none()
                {
                    return Err(format!("it says {message:?}, and the app does not run"));
                }
                message
            }
            Ended::Killed => {
                if asked.keep_old && !recovery.seen_healthy.get() && found.is_none() {
                    host.may_hold.truncate(old.len());
                }
                "the charm is killed".to_owned()
            }
            Ended::Failed(error) => return Err(format!("the charm fails: {error}")),
            Ended::Done => return Err("an action ended without a result".to_owned()),
        };
        drop(host);
        Ok(format!("{said}{}", asked.fault.shown()))
    }

    /// Velero restores a backup without the charm: into a new volume, or over what is there.
    pub fn restore_plainly(&mut self, number: usize, over: bool) {
        self.restart(false, true);
        for open in self.open(&[Stage::Prepared, Stage::Uploaded]) {
            self.lose(open);
        }
        let backup = &self.backups[number];
        let mut host = self.units[0].host.borrow_mut();
        let stores_live_files = backup.folder.join(crate::app::DATABASES[0].0).exists();
        if !over {
            host.lose();
        } else if stores_live_files {
            // Velero itself writes over what is there.
            host.aside.clear();
        } else if let Holds::Exactly(content) = host.holds() {
            host.aside.push(content);
        }
        velero::copy_all(&backup.folder, &host.volume);
        host.may_hold = vec![backup.holds()];
        host.new_at = usize::MAX;
        host.from.clear();
    }

    /// Time goes by.
    pub fn wait(&mut self, time: Duration) {
        age(&self.host().volume, time);
        for backup in &mut self.backups {
            backup.began -= time;
            backup.ended -= time;
            if backup.folder.exists() {
                age(&backup.folder, time);
            }
            if backup.took_too_long() {
                backup.disturb("it took longer than Velero allows");
            }
        }
    }
}
