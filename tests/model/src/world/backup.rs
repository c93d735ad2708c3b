//! One backup, from its first hook to its end, and what the model knows of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use config_recovery::backups::{AppId, BackupSummary};
use config_recovery::engine;
use config_recovery::testing;
use jiff::Timestamp;
use serde_json::json;
use workload_charm::backup::hooks;

use super::World;
use crate::content::{Broken, Content, Holds};
use crate::fault::Fault;
use crate::{judge, velero};

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
    pub(super) before: Content,
    /// What was committed by the end of the upload.
    pub(super) after: Content,
    /// What the config file held from its begin to the end of the upload.
    pub(super) configs: BTreeSet<u32>,
    /// What is stored, as a restore brings it.
    pub folder: PathBuf,
    /// Velero says `Completed`, and nothing that it holds contradicts.
    pub good: bool,
    /// Velero says `Completed`.
    pub(super) completed: bool,
    /// Velero came to its volume when the time that it gives a volume was over, and says that it failed.
    given_up: bool,
    /// Why it need not be good.
    pub(super) disturbed: Option<String>,
    pub(super) began: SystemTime,
    pub(super) ended: SystemTime,
}

impl Backup {
    /// What the app has to find when this was restored.
    pub fn holds(&self) -> Holds {
        match self.good {
            true => self.promised(),
            false => Holds::Anything,
        }
    }

    pub(super) fn promised(&self) -> Holds {
        Holds::Between {
            before: self.before.clone(),
            after: self.after.clone(),
            configs: self.configs.clone(),
        }
    }

    pub fn uid(&self) -> String {
        format!("uid{}", self.number)
    }

    /// Longer than the 4 hours after which Velero gives a volume up, and its copies count as forgotten.
    pub(super) fn took_too_long(&self) -> bool {
        self.began.elapsed().unwrap_or_default() > Duration::from_secs(4 * 3600)
    }

    pub(super) fn disturb(&mut self, why: &str) {
        if self.stage != Stage::Ended {
            self.disturbed.get_or_insert_with(|| why.to_owned());
        }
    }

    pub(super) fn summary(&self, whose: &AppId) -> BackupSummary {
        let bytes = velero::bytes(&self.folder);
        let mut summary = testing::backup(&self.uid(), whose, bytes);
        let time = |time: SystemTime| Timestamp::try_from(time).ok();
        summary.started = time(self.began);
        summary.completed = time(self.ended);
        summary.phase = serde_json::from_value(json!(if self.completed {
            "Completed"
        } else {
            "PartiallyFailed"
        }))
        .ok();
        summary
    }
}

impl World {
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
        let options = config_volume::Options {
            takes_restored: engine::is_seen_healthy(&volume),
            ..options
        };
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
            given_up: false,
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
        backup.given_up = backup.took_too_long();
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
        if self.backups[number].took_too_long() {
            // The hooks cannot say whose they are: this one ends another backup, which then has no copies to vouch for.
            for other in self.open(&[Stage::Prepared, Stage::Uploaded]) {
                self.backups[other].disturb("another one ended hours too late");
            }
        }
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
        backup.completed = completed && !backup.given_up;
        backup.ended = SystemTime::now();
        let found = judge::stored(&backup.folder, &place, backup.began, backup.ended);
        backup.good = backup.completed && found.problems.is_empty();
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
        if !backup.good && backup.completed && backup.disturbed.is_none() {
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
}
