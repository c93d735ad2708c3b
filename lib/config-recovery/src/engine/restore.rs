//! A restore, step by step. Each step is written down before it begins, and can begin again.

use std::time::{Duration, Instant};

use config_volume::{Swap, SwapOptions};

use super::begin::{Begun, begin};
use super::beside::{Beside, InCluster};
use super::check::{Brought, Soundness, check};
use super::plan::refuse_running_backup;
use super::room::Disk;
use super::settle::{finish, needs_elsewhere};
use super::{App, CheckedBackup, RestorePlan, volume, workload};
use crate::cluster::Cluster;
use crate::journal::{Counts, Journal, Step};
use crate::report::Reporter;
use crate::scratch::Until;
use crate::{Error, Result};

/// Carries out `plan`. Run it again after a kill: it goes on where it was, and one of another backup is put back first.
///
/// # Errors
/// What stood in the way. Then the app is as it was before; [`Error::RolledBack`] says that it was stopped already, and has its
/// previous content. Nothing of the run is left, or `reporter` hears what is. [`Error::Incomplete`] where the previous content
/// had been removed: the app stays stopped, and the next run with any backup goes on.
pub async fn restore(
    cluster: &Cluster,
    plan: &RestorePlan,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<CheckedBackup> {
    restore_beside(InCluster::new(cluster, &plan.scratch), plan, app, reporter).await
}

/// As [`restore`], with another place for the backup than one in the cluster.
#[doc(hidden)]
pub async fn restore_beside(
    beside: impl Beside,
    plan: &RestorePlan,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<CheckedBackup> {
    let began = Instant::now();
    let options = SwapOptions {
        watcher: beside.watcher(),
        ..SwapOptions::default()
    };
    let Begun {
        journal,
        options,
        is_stopped,
    } = begin(plan, options, app, reporter)?;
    let mut run = Run {
        beside,
        plan,
        options,
        is_stopped,
        app,
        reporter,
        journal,
        is_back: false,
        received: None,
        soundness: None,
        began,
        velero_took: None,
        clean_until: Until::Empty,
    };
    match run.go_on().await {
        Err(cause) => Err(run.undo(cause).await),
        done => done,
    }
}

pub(super) struct Run<'a, B> {
    pub(super) beside: B,
    pub(super) plan: &'a RestorePlan,
    pub(super) options: SwapOptions,
    /// Whether the app was stopped already when the transfer began: because of an earlier run.
    pub(super) is_stopped: bool,
    pub(super) app: &'a mut dyn App,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) journal: Journal,
    /// Whether the app was healthy with the new content, and was not told yet.
    is_back: bool,
    received: Option<config_volume::Unpacked>,
    soundness: Option<Soundness>,
    began: Instant,
    velero_took: Option<Duration>,
    pub(super) clean_until: Until,
}

impl<B: Beside> Run<'_, B> {
    async fn go_on(&mut self) -> Result<CheckedBackup> {
        let mut step = self.journal.record().step;
        loop {
            self.journal.begins(step)?;
            self.reporter.begins(step);
            let next = self.act(step).await?;
            self.reporter.ended(step);
            match next {
                Some(next) => step = next,
                None => return Ok(self.checked()),
            }
        }
    }

    /// Does one step, from wherever an earlier run left it, and says which one follows.
    pub(super) async fn act(&mut self, step: Step) -> Result<Option<Step>> {
        Ok(Some(match step {
            Step::MakeScratch => {
                self.beside.make(self.reporter).await?;
                Step::BringBack
            }
            Step::BringBack => {
                self.velero_took = self.beside.restore_bytes(self.reporter).await?;
                Step::Transfer
            }
            Step::Transfer => {
                let (swap, disk) = self.empty_swap()?;
                let limits = disk.limits(swap.staged())?;
                let unpacked = self
                    .beside
                    .unpack_into(swap.staged(), &limits, self.reporter)
                    .await;
                self.received = Some(unpacked.map_err(|error| disk.told(swap.staged(), error))?);
                // What is beside the app is not needed any more; by the time the app runs again it is gone.
                self.beside.let_go().await?;
                Step::Check
            }
            Step::Check => {
                let mut swap = self.begin_swap()?;
                swap.sync_meanwhile();
                let received = self.received.as_ref().map_or(0, |unpacked| unpacked.bytes);
                let brought = Brought {
                    backup: self.plan.backup(),
                    bytes: received,
                    since: self.began,
                };
                let app = &mut *self.app;
                let beside = &mut self.beside;
                let found = check(beside, swap.staged(), brought, app, self.reporter).await?;
                let counts = Counts {
                    files: self.received.as_ref().map_or(0, |unpacked| unpacked.files),
                    bytes: found.bytes,
                    databases: found.databases,
                    promised: found.promised,
                };
                self.journal.was_checked(counts, found.database_bytes);
                self.soundness = Some(found);
                swap.seal()
                    .map_err(volume("write down that the new content is complete"))?;
                // Once more, now that it has taken so long: not to stop the app in vain.
                let now = refuse_running_backup(&mut self.beside, &self.plan.volume).await?;
                self.options.sets_before = Some(now);
                Step::Stop
            }
            Step::Stop => {
                self.app
                    .stop()
                    .map_err(|reason| workload("stop the app", reason))?;
                Step::Swap
            }
            Step::Swap => {
                // A run that goes on finds the app started by others, for one by the next event of its charm.
                self.app
                    .stop()
                    .map_err(|reason| workload("stop the app", reason))?;
                match self.begin_swap()?.commit() {
                    Ok(()) => Step::Start,
                    // Not twice in one run: what it has just transferred is there.
                    Err(
                        error @ (config_volume::Error::Incomplete { .. }
                        | config_volume::Error::NotReady { .. }),
                    ) if self.received.is_none() => {
                        self.reporter.note(&format!("{error}: it is transferred again"));
                        self.is_stopped = true;
                        Step::MakeScratch
                    }
                    Err(error) => return Err(volume("exchange the content")(error)),
                }
            }
            Step::Start => {
                let patience = self.plan.patience(self.journal.record().database_bytes);
                self.app
                    .start(patience)
                    .map_err(|reason| workload("start the app", reason))?;
                self.is_back = true;
                Step::Clean
            }
            Step::Clean => {
                // From here on it stays, whatever becomes of the rest, and the journal says so.
                if std::mem::take(&mut self.is_back) {
                    let checked = self.checked();
                    self.app.came_back(&checked);
                }
                self.beside.remove(self.clean_until).await?;
                finish(&self.plan.volume, &self.options)?;
                self.empty_elsewhere();
                return Ok(None);
            }
            Step::PutBack => {
                // A half-started app still writes.
                if let Err(reason) = self.app.stop() {
                    self.reporter.note(&format!("cannot stop the app: {reason}"));
                }
                self.begin_swap()?
                    .roll_back()
                    .map_err(volume("roll back to the previous content"))?;
                Step::Restart
            }
            Step::Restart => {
                // It has run with that before: there is nothing to migrate.
                self.app
                    .start(self.plan.patience(0))
                    .map_err(|reason| workload("start the app with its previous content", reason))?;
                Step::Clean
            }
        }))
    }

    /// The exchange of this run, as far as it is.
    fn begin_swap(&self) -> Result<Swap> {
        let plan = self.plan;
        Swap::begin(&plan.volume, &plan.scratch.run, &self.options)
            .map_err(volume("prepare the exchange of the content"))
    }

    /// The exchange of this run, with an empty folder for the new content, and the disk that this is on.
    fn empty_swap(&mut self) -> Result<(Swap, Disk)> {
        self.options.staged = self.plan.waiting(false).place()?;
        let mut swap = self.begin_swap()?;
        let emptied = swap.restage().and_then(|()| swap.clear_staged());
        emptied.map_err(volume("empty the folder for the new content"))?;
        let disk = match &self.options.staged {
            Some(elsewhere) => {
                let emptied = empty(elsewhere).and_then(|()| std::fs::create_dir_all(elsewhere));
                emptied.map_err(|error| {
                    Error::Transfer(format!("cannot empty {}: {error}", elsewhere.display()))
                })?;
                Disk::Node
            }
            None => Disk::of(&self.plan.volume, &self.plan.elsewhere)?,
        };
        Ok((swap, disk))
    }

    /// Removes the folder outside the volume, if nothing needs it.
    fn empty_elsewhere(&self) {
        let elsewhere = &self.plan.elsewhere;
        if needs_elsewhere(&self.plan.volume) {
            return;
        }
        if let Err(error) = empty(elsewhere) {
            self.reporter
                .note(&format!("cannot remove {}: {error}", elsewhere.display()));
        }
    }

    fn checked(&self) -> CheckedBackup {
        let notes = match &self.soundness {
            Some(found) => found.notes.clone(),
            None => vec![
                "the content was checked by the run that was cut off; this one put it in place".to_owned(),
            ],
        };
        // An earlier release did not write them down.
        let counts = self.journal.record().checked;
        CheckedBackup {
            backup: self.plan.backup().clone(),
            files: counts.map_or(0, |counts| counts.files),
            bytes: counts.map_or(0, |counts| counts.bytes),
            databases: counts.map_or(0, |counts| counts.databases),
            promised: counts.is_some_and(|counts| counts.promised),
            notes,
            velero_took: self.velero_took,
            took: self.began.elapsed(),
        }
    }
}

/// Removes a folder, if it is there.
pub(super) fn empty(folder: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
