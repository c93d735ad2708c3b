//! The app with its units and backups, and the model: what was committed, which backups are good, and what has to work
//! after any sequence.

use std::cell::RefMut;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use config_recovery::backups::{AppId, BackupSummary};
use config_recovery::testing;
use config_volume::PlaceOptions;
use jiff::Timestamp;
use juju_charm::testing::Event;
use serde_json::json;
use tempfile::TempDir;
use velero_phase::{COMPLETED, PARTIALLY_FAILED};
use workload_charm::backup::hooks;

use crate::age::age;
use crate::content::{Broken, Content, Holds};
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

/// How far a backup is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Its first hook ran well.
    Prepared,
    /// Its bytes are stored.
    Uploaded,
    /// It is over.
    Ended,
}

/// One backup.
pub struct Backup {
    pub number: usize,
    pub stage: Stage,
    /// What was committed before it began.
    before: Content,
    /// What was committed by the end of the upload.
    after: Content,
    /// What the config file held from its begin to the end of the upload.
    configs: BTreeSet<u32>,
    /// What is stored, as a restore brings it.
    pub folder: PathBuf,
    /// Velero says `Completed`, and nothing that it holds contradicts.
    pub good: bool,
    /// Velero says `Completed`.
    completed: bool,
    /// Why it need not be good.
    disturbed: Option<String>,
    began: SystemTime,
    ended: SystemTime,
}

impl Backup {
    /// What the app has to find when this was restored.
    pub fn holds(&self) -> Holds {
        match self.good {
            true => self.promised(),
            false => Holds::Anything,
        }
    }

    fn promised(&self) -> Holds {
        Holds::Between {
            before: self.before.clone(),
            after: self.after.clone(),
            configs: self.configs.clone(),
        }
    }

    pub fn uid(&self) -> String {
        format!("uid{}", self.number)
    }

    fn disturb(&mut self, why: &str) {
        if self.stage != Stage::Ended {
            self.disturbed.get_or_insert_with(|| why.to_owned());
        }
    }

    fn summary(&self, whose: &AppId) -> BackupSummary {
        let bytes = velero::bytes(&self.folder);
        let mut summary = testing::backup(&self.uid(), whose, bytes);
        let time = |time: SystemTime| Timestamp::try_from(time).ok();
        summary.started = time(self.began);
        summary.completed = time(self.ended);
        summary.phase = serde_json::from_value(json!(if self.completed {
            COMPLETED
        } else {
            PARTIALLY_FAILED
        }))
        .ok();
        summary
    }
}

mod velero_phase {
    pub const COMPLETED: &str = "Completed";
    pub const PARTIALLY_FAILED: &str = "PartiallyFailed";
}

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

    /// A second unit comes, with a volume of its own.
    pub fn scale_up(&mut self) -> Result<Option<String>, Broken> {
        if self.units.len() > 1 {
            return Ok(None);
        }
        let volume = self.place("volume");
        let unit = self.app.add_unit(1, Host::standby(volume));
        self.units.push(unit);
        for event in [
            Event::Install,
            Event::ConfigChanged,
            Event::Start,
            self.app.pebble_ready(),
        ] {
            self.dispatch_on(1, event, &Fault::nothing())?;
        }
        let changed = self.app.peers_changed(&self.units[0]);
        self.dispatch_on(1, changed, &Fault::nothing()).map(Some)
    }

    /// The unit with the highest number goes.
    pub fn scale_down(&mut self) -> Result<Option<String>, Broken> {
        if self.units.len() < 2 {
            return Ok(None);
        }
        for event in [Event::Stop, Event::Remove] {
            self.dispatch_on(1, event, &Fault::nothing())?;
        }
        let gone = self.units.pop().unwrap();
        let led = self.app.leads(&gone);
        self.app.forget_unit(&gone);
        if led {
            self.app.lead(&self.units[0]);
            self.dispatch(Event::LeaderElected, &Fault::nothing())?;
        }
        self.dispatch(Event::UpdateStatus, &Fault::nothing()).map(Some)
    }

    /// The other unit leads.
    pub fn change_leader(&mut self) -> Result<Option<String>, Broken> {
        let Some(next) = self.units.iter().position(|unit| !self.app.leads(unit)) else {
            return Ok(None);
        };
        self.app.lead(&self.units[next]);
        let said = self.dispatch_on(next, Event::LeaderElected, &Fault::nothing())?;
        self.dispatch_on(
            self.units.len() - 1 - next,
            Event::UpdateStatus,
            &Fault::nothing(),
        )?;
        Ok(Some(format!(
            "{} leads: {said}",
            self.app.name(&self.units[next])
        )))
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
                // Of what the app may find, the last is the backup.
                if found.is_none() || !host.found.contains(&old.len()) {
                    return Err(format!(
                        "it says restored, and the app does not run on {}",
                        new.shown()
                    ));
                }
                host.aside.clear();
                "restored".to_owned()
            }
            Ended::Action(Err(message)) => {
                if asked.keep_old && found == Some(old.len()) {
                    return Err(format!("it says {message:?}, and the app runs on the backup"));
                }
                if asked.keep_old && found.is_none() {
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

    /// The first hook of a new backup.
    pub fn prepare(&mut self, fault: &Fault) -> Result<usize, String> {
        self.fault = fault.clone();
        let storage = self.app.profile.storage.as_ref().unwrap();
        let options = config_volume::Options {
            watcher: fault.watcher(),
            reserve: 0,
            ..hooks::options(storage)
        };
        let holds = self.host().holds();
        let before = holds.at_least();
        let volume = self.host().volume.clone();
        match fault.survive(|| config_volume::prepare(&volume, &options)) {
            None => return Err(fault.shown()),
            Some(Err(error)) => return Err(format!("{error}{}", fault.shown())),
            Some(Ok(_)) => {}
        }
        let number = self.backups.len();
        let folder = self.place("backup");
        let now = SystemTime::now();
        self.backups.push(Backup {
            number,
            stage: Stage::Prepared,
            configs: [before.config].into(),
            after: before.clone(),
            before,
            folder,
            good: false,
            completed: false,
            disturbed: (!matches!(holds, Holds::Exactly(_))).then(|| "the volume waits".to_owned()),
            began: now,
            ended: now,
        });
        Ok(number)
    }

    /// Stores the volume. The app goes on meanwhile.
    pub fn upload(&mut self, number: usize, honours_ignore: bool) {
        let folder = self.backups[number].folder.clone();
        let row = self.next();
        let mut host = self.units[0].host.borrow_mut();
        let volume = host.volume.clone();
        let running = host.content();
        velero::upload(&volume, &folder, honours_ignore, || {
            if let Some((app, content)) = running {
                app.commit(0, row);
                app.checkpoint();
                content.rows[0].insert(row);
            }
        });
        let backup = &mut self.backups[number];
        for holds in &host.may_hold {
            if let Holds::Exactly(content) | Holds::Between { after: content, .. } = holds {
                backup.after.add(content);
                backup.configs.insert(content.config);
            }
        }
        backup.stage = Stage::Uploaded;
    }

    /// The second hook. What the backup holds is judged.
    pub fn finish(&mut self, number: usize, fault: &Fault) -> Result<String, Broken> {
        self.fault = fault.clone();
        let watcher = fault.watcher();
        let volume = self.host().volume.clone();
        let (went_well, said) = match fault.survive(|| config_volume::finish_watched(&volume, &watcher)) {
            None => (false, "killed".to_owned()),
            Some(Ok(finished)) => (true, format!("{finished:?}")),
            Some(Err(error)) => (false, error.to_string()),
        };
        if !went_well && !fault.happened() && self.backups[number].disturbed.is_none() {
            return Err(format!("an undisturbed backup fails: {said}"));
        }
        self.ended(number, went_well)?;
        Ok(format!("{said}{}", fault.shown()))
    }

    fn ended(&mut self, number: usize, completed: bool) -> Result<(), Broken> {
        let place = self.place("judged");
        let backup = &mut self.backups[number];
        backup.stage = Stage::Ended;
        backup.completed = completed;
        backup.ended = SystemTime::now();
        let found = judge::stored(&backup.folder, &place, backup.began, backup.ended);
        backup.good = completed && found.problems.is_empty();
        if backup.good || found.is_as_promised {
            let content = found
                .content
                .map_err(|damage| format!("backup {number} is called good, and cannot be used: {damage}"))?;
            let promised = backup.promised();
            if !promised.allows(&content) {
                return Err(format!(
                    "backup {number} is called good, and holds {} instead of {}",
                    content.shown(),
                    promised.shown()
                ));
            }
        }
        if !backup.good && completed && backup.disturbed.is_none() {
            return Err(format!(
                "an undisturbed backup is not good: {}",
                found.problems.join("; ")
            ));
        }
        Ok(())
    }

    /// The backup is over, and Velero never ran its second hook, or never heard of its end.
    pub fn lose(&mut self, number: usize) {
        let backup = &mut self.backups[number];
        backup.disturb("its end was lost");
        backup.stage = Stage::Ended;
        backup.ended = SystemTime::now();
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
            let age = backup.began.elapsed().unwrap_or_default();
            if age > Duration::from_secs(4 * 3600) {
                backup.disturb("it took longer than Velero allows");
            }
        }
    }
}
