//! A recovery engine that does what it was told, and refuses everything else.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use config_recovery::backups::{
    AppId, BackupContents, BackupHealth, BackupSummary, Earlier, FilesBackup, Outcome, Proof, choose,
    choose_of_all_read, earlier,
};
use config_recovery::engine::{
    App, CheckedBackup, Examined, RestorePlan, RestoreRequest, Restored, Unfit, VerifyPlan,
};
use config_recovery::journal::Step;
use config_recovery::locations::Location;
use config_recovery::make::MakeSpec;
use config_recovery::report::Reporter;
use config_recovery::scratch::{Purpose, ScratchSpec};
use config_recovery::testing;
use config_recovery::{ClusterError, Error, Result};
use jiff::{SignedDuration, Timestamp};
use juju_charm::pebble::Pebble;
use velero_api::BackupPhase;
use workload_charm::recovery::Recovery;
use workload_charm::recovery::health::Unwell;
use workload_charm::tiers::NIGHTLY;

type MakesError = Box<dyn Fn() -> Error>;
type PutsContent = Box<dyn Fn(&Path)>;
type Breaks = Box<dyn Fn(&Path) -> Error>;

/// What it was told. `None` is refused.
#[derive(Default)]
pub struct FakeRecovery {
    /// All backups of the cluster, newest first.
    pub backups: Option<Vec<BackupSummary>>,
    pub standing: Option<BackupHealth>,
    /// Scratch namespaces of a killed run.
    pub left: RefCell<Vec<String>>,
    /// Whether Velero has read its object storage. It has, if nobody says otherwise.
    pub are_read: Option<bool>,
    /// Where Velero stores backups.
    pub locations: RefCell<Vec<Location>>,
    /// That cannot be read.
    pub locations_are_unread: Cell<bool>,
    /// The backup of the app that is under way.
    pub under_way: RefCell<Option<String>>,
    /// What the last test restore proved. Tests that are about something else prove nothing.
    pub proof: RefCell<Option<Proof>>,
    /// After so long a test restore was to be given up.
    pub limit: Cell<Option<Duration>>,
    /// What happens in the middle of a test restore.
    pub while_verifying: Option<Box<dyn Fn()>>,
    /// What is proven cannot be written on the backup.
    pub is_read_only: bool,
    /// The backup that is made.
    pub made: Option<BackupSummary>,
    /// What the manifest of what comes back says of the app.
    pub about: BTreeMap<String, String>,
    /// Puts what comes back into a folder.
    pub content: Option<PutsContent>,
    /// What its check finds after each start, if it is not what Pebble was told.
    pub well: RefCell<Vec<std::result::Result<(), String>>>,
    /// What happens while the app is waited for.
    pub meanwhile: Option<Box<dyn Fn()>>,
    /// How long the app was given the last time.
    pub patience: Cell<Option<Duration>>,
    /// What is done to the volume in place of the exchange, and what the restore then ends with.
    pub breaks: Option<Breaks>,
    /// What a restore ends with though the content is in place and the app healthy: something of it cannot be removed, or its process
    /// is killed.
    pub in_the_end: Option<MakesError>,
    /// What everything ends with instead.
    pub error: Option<MakesError>,
    /// What was asked.
    pub calls: RefCell<Vec<String>>,
    /// The image of the last pod that was to read a backup.
    pub image: RefCell<String>,
    /// What the backup that was made was to hold.
    pub asked_for: RefCell<Option<MakeSpec>>,
    /// The safety backup that the last restore was to name in its journal.
    pub safety: RefCell<Option<String>>,
}

/// A good backup that ended an hour ago.
pub fn good(uid: &str, app: &str) -> BackupSummary {
    let ended = Timestamp::now() - SignedDuration::from_hours(1);
    BackupSummary {
        name: format!("{app}-{uid}"),
        uid: uid.to_owned(),
        velero_namespace: "velero".to_owned(),
        storage_location: "default".to_owned(),
        whose: AppId {
            app: app.to_owned(),
            model: "homelab".to_owned(),
        },
        schedule: None,
        endpoint: NIGHTLY.name().to_owned(),
        before_restore: None,
        phase: Some(BackupPhase::Completed),
        created: Some(ended - SignedDuration::from_secs(31)),
        started: Some(ended - SignedDuration::from_secs(30)),
        completed: Some(ended),
        expires: Some(ended + SignedDuration::from_hours(720)),
        holds: BackupContents::Files(FilesBackup {
            bytes: 20_000_000,
            volume: format!("{app}-config-123456"),
            snapshot_id: "s".to_owned(),
            uploader: "kopia".to_owned(),
            source_namespace: "homelab".to_owned(),
            storage_location: "default".to_owned(),
        }),
        complaints: Vec::new(),
        proof: None,
    }
}

fn not_told(call: &str) -> Error {
    ClusterError::refused(call, "the fake was not told of it").into()
}

impl FakeRecovery {
    fn told<T: Clone>(&self, call: &str, told: &Option<T>) -> Result<T> {
        self.calls.borrow_mut().push(call.to_owned());
        if let Some(error) = &self.error {
            return Err(error());
        }
        told.clone().ok_or_else(|| not_told(call))
    }

    fn scratch(
        &self,
        call: &str,
        wanted: &RestoreRequest,
        purpose: Purpose,
    ) -> Result<(ScratchSpec, Earlier)> {
        let all = self.told(call, &self.backups)?;
        wanted.image.clone_into(&mut self.image.borrow_mut());
        let whose = wanted.from.as_ref().unwrap_or(&wanted.target);
        let now = Timestamp::now();
        let backup = match purpose {
            Purpose::Restore => {
                let locations = self.locations().ok_or_else(|| not_told("list the locations"));
                choose_of_all_read(&all, locations, &wanted.choice, whose, now)?.clone()
            }
            Purpose::Verify => choose(&all, &wanted.choice, whose, now)?.clone(),
        };
        let earlier = earlier(&all, &backup, now);
        let scratch = ScratchSpec {
            target: wanted.target.clone(),
            backup,
            purpose,
            run: "run1".to_owned(),
            holder: wanted.holder.clone(),
            image: wanted.image.clone(),
            program: wanted.program.clone(),
            storage_class: None,
            size: 1 << 30,
        };
        Ok((scratch, earlier))
    }

    /// Where backups are stored; `None` where that cannot be read.
    fn locations(&self) -> Option<Vec<Location>> {
        let mut all = self.locations.borrow().clone();
        if all.is_empty() {
            all.push(testing::location("default"));
        }
        let synced = self.are_read.unwrap_or(true).then_some(Timestamp::UNIX_EPOCH);
        for location in &mut all {
            location.synced = synced;
        }
        (!self.locations_are_unread.get()).then_some(all)
    }

    /// Brings the content into `folder` and lets the app look at it.
    fn bring(
        &self,
        call: &str,
        folder: &Path,
        backup: &BackupSummary,
        app: &mut dyn App,
    ) -> Result<CheckedBackup> {
        let content = self.content.as_ref().ok_or_else(|| not_told(call))?;
        std::fs::create_dir_all(folder).unwrap();
        content(folder);
        let Examined {
            problems,
            unfit,
            notes,
            ..
        } = app.examine(&Restored {
            folder,
            backup,
            made: backup
                .started
                .map(|started| u64::try_from(started.as_second()).unwrap()),
            about: &self.about,
        });
        let name = backup.name.clone();
        if !problems.is_empty() {
            return Err(Error::Damaged {
                backup: name,
                problems,
            });
        }
        if let Some(Unfit { why, next }) = unfit {
            return Err(Error::NotTaken {
                backup: name,
                why,
                next,
            });
        }
        Ok(CheckedBackup {
            backup: backup.clone(),
            files: 3,
            bytes: 20_000_000,
            databases: 2,
            promised: true,
            notes,
            velero_took: Some(Duration::from_secs(7)),
            took: Duration::from_millis(9500),
        })
    }
}

impl Recovery for FakeRecovery {
    fn list(&self, whose: &AppId) -> Result<Vec<BackupSummary>> {
        let all = self.told("list", &self.backups)?;
        Ok(all.into_iter().filter(|backup| backup.whose == *whose).collect())
    }

    fn standing(&self, _whose: &AppId) -> Result<BackupHealth> {
        let mut standing = self.told("standing", &self.standing)?;
        if let Some(proof) = &*self.proof.borrow() {
            standing.last_proof = Some(proof.clone().into());
        }
        Ok(standing)
    }

    fn storage_locations(&self) -> Result<Vec<Location>> {
        self.told("storage_locations", &self.locations())
    }

    fn under_way(&self, _whose: &AppId) -> Result<Option<String>> {
        self.told("under_way", &Some(self.under_way.borrow().clone()))
    }

    fn backup_now(&self, make: &MakeSpec, reporter: &dyn Reporter) -> Result<BackupSummary> {
        let made = self.told("backup_now", &self.made)?;
        reporter.note("made a backup");
        self.asked_for.replace(Some(make.clone()));
        Ok(made)
    }

    fn plan_restore(
        &self,
        wanted: &RestoreRequest,
        volume: &Path,
        keep_old: bool,
        elsewhere: &Path,
    ) -> Result<RestorePlan> {
        assert!(elsewhere.is_absolute() && !elsewhere.starts_with(volume));
        let (scratch, earlier) = self.scratch("plan_restore", wanted, Purpose::Restore)?;
        Ok(RestorePlan {
            target: wanted.target.clone(),
            scratch,
            earlier,
            volume: volume.to_owned(),
            keep_old,
            stage_elsewhere: None,
            patience: wanted.patience,
            elsewhere: elsewhere.to_owned(),
            sets_before: None,
            safety_backup: None,
        })
    }

    fn restore(
        &self,
        plan: &RestorePlan,
        app: &mut dyn App,
        reporter: &dyn Reporter,
    ) -> Result<CheckedBackup> {
        self.told("restore", &Some(()))?;
        self.safety.borrow_mut().clone_from(&plan.safety_backup);
        reporter.begins(Step::Transfer);
        let staged = tempfile::tempdir().unwrap();
        let checked = self.bring("restore", staged.path(), plan.backup(), app)?;
        let failed = |action: &str, reason| Error::Workload {
            action: action.to_owned(),
            reason,
        };
        reporter.begins(Step::Stop);
        app.stop().map_err(|reason| failed("stop the app", reason))?;
        if let Some(breaks) = &self.breaks {
            return Err(breaks(&plan.volume));
        }
        for entry in std::fs::read_dir(staged.path()).unwrap() {
            let entry = entry.unwrap();
            std::fs::copy(entry.path(), plan.volume.join(entry.file_name())).unwrap();
        }
        reporter.begins(Step::Start);
        let Err(reason) = app.start(plan.patience.unwrap_or(Duration::from_secs(120))) else {
            app.came_back(&checked);
            return match &self.in_the_end {
                Some(error) => Err(error()),
                None => Ok(checked),
            };
        };
        app.stop().unwrap();
        Err(Error::RolledBack {
            cause: Box::new(failed("start the app", reason)),
            running: app
                .start(plan.patience.unwrap_or(Duration::from_secs(120)))
                .is_ok(),
        })
    }

    fn plan_verify(&self, wanted: &RestoreRequest, folder: &Path) -> Result<VerifyPlan> {
        let (scratch, earlier) = self.scratch("plan_verify", wanted, Purpose::Verify)?;
        Ok(VerifyPlan {
            scratch,
            earlier,
            folder: folder.to_owned(),
            limit: None,
        })
    }

    fn verify(&self, plan: &VerifyPlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<CheckedBackup> {
        self.told("verify", &Some(()))?;
        self.limit.set(plan.limit);
        if let Some(happens) = &self.while_verifying {
            happens();
        }
        reporter.begins(Step::Check);
        let checked = self.bring("verify", &plan.folder, &plan.scratch.backup, app);
        let outcome = match &checked {
            Ok(_) => Some(Outcome::ComesBack { contents: None }),
            Err(Error::Damaged { problems, .. }) => Some(Outcome::Damaged {
                why: problems.join("; "),
            }),
            Err(_) => None,
        };
        if let Some(outcome) = outcome.filter(|_| !self.is_read_only) {
            self.proof
                .replace(Some(Proof::now(outcome, Duration::from_secs(73))));
        }
        if plan.folder.exists() {
            std::fs::remove_dir_all(&plan.folder).unwrap();
        }
        checked
    }

    fn left(&self, _whose: &AppId, holder: &str) -> Result<Vec<String>> {
        assert!(holder.ends_with("/0"), "{holder}");
        Ok(self.left.borrow().clone())
    }

    fn remove_left(&self, name: &str) -> Result<()> {
        self.calls.borrow_mut().push(format!("remove {name}"));
        self.left.borrow_mut().retain(|left| left != name);
        Ok(())
    }

    fn becomes_healthy(
        &self,
        pebble: &dyn Pebble,
        check: &str,
        patience: Duration,
        ended: &dyn Fn() -> Option<String>,
    ) -> std::result::Result<(), Unwell> {
        self.patience.set(Some(patience));
        if let Some(happens) = &self.meanwhile {
            happens();
        }
        if let Some(why) = ended() {
            return Err(Unwell::Ended(why));
        }
        let mut answers = self.well.borrow_mut();
        let answer = match answers.is_empty() {
            // No time passes here: once tells.
            true => pebble.refresh_check(check).unwrap(),
            false => answers.remove(0),
        };
        answer.map_err(Unwell::NotPassed)
    }
}
