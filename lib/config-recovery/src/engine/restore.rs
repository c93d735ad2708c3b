//! A restore, step by step. Each step is written down before it begins, and can begin again.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::time::{Duration, Instant};

use config_volume::Swap;
use jiff::Timestamp;

use super::check::{Soundness, check};
use super::settle::{finish, journal_path, put_back};
use super::{App, Checked, RestorePlan, volume};
use crate::cluster::Cluster;
use crate::journal::{Journal, Record, Step};
use crate::report::Reporter;
use crate::scratch::{self, Scratch, Until};
use crate::{Error, Result};

/// Carries out `plan`. Run it again after a kill: it goes on where it was, and one of another backup is put back first.
///
/// # Errors
/// What stood in the way. Then the app is as it was before; [`Error::RolledBack`] says that its content had been
/// exchanged already. Whatever came of it, nothing of the run is left, or `reporter` hears what is.
pub async fn restore(
    cluster: &Cluster,
    plan: &RestorePlan,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<Checked> {
    let began = Instant::now();
    let journal = open_journal(plan, app, reporter)?;
    let mut run = Run {
        cluster,
        plan,
        app,
        reporter,
        journal,
        scratch: None,
        received: None,
        soundness: None,
        velero_took: None,
        clean_until: Until::Empty,
    };
    match run.go_on().await {
        Ok(()) => Ok(run.checked(began.elapsed())),
        Err(cause) => Err(run.undo(cause).await),
    }
}

/// The journal to go on with. What an earlier run left is put back, unless it had come to the app with this backup.
fn open_journal(plan: &RestorePlan, app: &mut dyn App, reporter: &dyn Reporter) -> Result<Journal> {
    let path = journal_path(&plan.volume);
    let backup = plan.backup();
    if let Some(earlier) = Journal::open(&path)? {
        let Record {
            run, backup, step, ..
        } = earlier.record();
        let what = format!("a run with backup {backup} was cut off while {step}");
        if *run == plan.scratch.run && matches!(step, Step::Stop | Step::Swap | Step::Start) {
            reporter.note(&format!("{what}: going on with it"));
            return Ok(earlier);
        }
        reporter.note(&format!("{what}: it is undone first"));
        if step.touches_the_app() {
            app.stop().map_err(|reason| workload("stop the app", reason))?;
        }
    }
    put_back(&plan.volume, &plan.swap_options())?;
    let folder = path.parent().unwrap_or(&plan.volume);
    let unwritable = |error: std::io::Error| Error::Journal {
        path: path.display().to_string(),
        reason: error.to_string(),
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .map_err(unwritable)?;
    let started = Timestamp::now().to_string();
    Journal::begin(
        &path,
        Record::new(&plan.scratch.run, &backup.name, &backup.uid, &started),
    )
}

struct Run<'a> {
    cluster: &'a Cluster,
    plan: &'a RestorePlan,
    app: &'a mut dyn App,
    reporter: &'a dyn Reporter,
    journal: Journal,
    scratch: Option<Scratch>,
    received: Option<config_volume::Unpacked>,
    soundness: Option<Soundness>,
    velero_took: Option<Duration>,
    clean_until: Until,
}

impl Run<'_> {
    async fn go_on(&mut self) -> Result<()> {
        let mut step = self.journal.record().step;
        loop {
            self.journal.begins(step)?;
            self.reporter.begins(step);
            let next = self.act(step).await?;
            self.reporter.ended(step);
            match next {
                Some(next) => step = next,
                None => return Ok(()),
            }
        }
    }

    /// Does one step, from wherever an earlier run left it, and says which one follows.
    async fn act(&mut self, step: Step) -> Result<Option<Step>> {
        Ok(Some(match step {
            Step::MakeScratch => {
                self.scratch = Some(scratch::make(self.cluster, &self.plan.scratch, self.reporter).await?);
                Step::BringBack
            }
            Step::BringBack => {
                self.velero_took = self
                    .the_scratch()?
                    .bring_back(self.cluster, self.reporter)
                    .await?
                    .took();
                Step::Transfer
            }
            Step::Transfer => {
                let swap = self.empty_swap()?;
                let scratch = self.the_scratch()?;
                let received = scratch
                    .unpack_into(self.cluster, swap.staged(), self.reporter)
                    .await?;
                // What is beside the app is not needed any more; by the time the app runs again it is gone.
                scratch.let_go(self.cluster).await?;
                self.received = Some(received);
                Step::Check
            }
            Step::Check => {
                let mut swap = self.begin_swap()?;
                let received = self.received.as_ref().map_or(0, |unpacked| unpacked.bytes);
                self.soundness = Some(check(swap.staged(), self.plan.backup(), received, self.app)?);
                swap.seal()
                    .map_err(volume("write down that the new content is complete"))?;
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
                self.begin_swap()?
                    .commit()
                    .map_err(volume("exchange the content"))?;
                Step::Start
            }
            Step::Start => {
                self.app
                    .start(self.plan.patience)
                    .map_err(|reason| workload("start the app", reason))?;
                Step::Clean
            }
            Step::Clean => {
                scratch::remove(self.cluster, &self.plan.scratch, self.clean_until).await?;
                finish(&self.plan.volume, &self.plan.swap_options())?;
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
                    .map_err(volume("put the old content back"))?;
                Step::Restart
            }
            Step::Restart => {
                self.app
                    .start(self.plan.patience)
                    .map_err(|reason| workload("start the app with its old content", reason))?;
                Step::Clean
            }
        }))
    }

    /// Undoes what was done, and says what went wrong and how things stand.
    async fn undo(&mut self, cause: Error) -> Error {
        self.clean_until = Until::Gone;
        let failed_at = self.journal.record().step;
        self.reporter.note(&format!("{failed_at} did not work: {cause}"));
        let error = match failed_at {
            Step::Stop | Step::Swap | Step::Start if self.plan.keep_old => {
                if let Err(error) = self.undo_step(Step::PutBack).await {
                    // The journal stays, and the next run goes on with putting back.
                    self.reporter.note(&error.to_string());
                    return cause;
                }
                let running = match self.undo_step(Step::Restart).await {
                    Ok(()) => true,
                    Err(error) => {
                        self.reporter.note(&error.to_string());
                        false
                    }
                };
                Error::RolledBack {
                    cause: Box::new(cause),
                    running,
                }
            }
            // Without the old content there is no way back: the journal stays, and the next run goes on.
            Step::Stop | Step::Swap | Step::Start | Step::PutBack | Step::Restart => return cause,
            _ => cause,
        };
        if let Err(left) = self.undo_step(Step::Clean).await {
            self.reporter.note(&left.to_string());
        }
        error
    }

    async fn undo_step(&mut self, step: Step) -> Result<()> {
        self.journal.begins(step)?;
        self.reporter.begins(step);
        self.act(step).await?;
        self.reporter.ended(step);
        Ok(())
    }

    /// The exchange of this run, as far as it is.
    fn begin_swap(&self) -> Result<Swap> {
        let plan = self.plan;
        Swap::begin(&plan.volume, &plan.scratch.run, &plan.swap_options())
            .map_err(volume("prepare the exchange of the content"))
    }

    /// The exchange of this run, with an empty folder for the new content.
    fn empty_swap(&self) -> Result<Swap> {
        let mut swap = self.begin_swap()?;
        let emptied = swap.restage().and_then(|()| swap.clear_staged());
        emptied.map_err(volume("empty the folder for the new content"))?;
        if let Some(elsewhere) = &self.plan.stage_elsewhere {
            let emptied = empty(elsewhere).and_then(|()| std::fs::create_dir_all(elsewhere));
            emptied
                .map_err(|error| Error::Transfer(format!("cannot empty {}: {error}", elsewhere.display())))?;
        }
        Ok(swap)
    }

    fn empty_elsewhere(&self) {
        if let Some(elsewhere) = &self.plan.stage_elsewhere
            && let Err(error) = empty(elsewhere)
        {
            self.reporter
                .note(&format!("cannot remove {}: {error}", elsewhere.display()));
        }
    }

    fn the_scratch(&self) -> Result<&Scratch> {
        self.scratch
            .as_ref()
            .ok_or_else(|| Error::Transfer("there is no scratch pod".to_owned()))
    }

    fn checked(&mut self, took: Duration) -> Checked {
        let soundness = self.soundness.take();
        let received = self.received.take();
        let mut notes = soundness
            .as_ref()
            .map(|found| found.notes.clone())
            .unwrap_or_default();
        if soundness.is_none() {
            notes.push(
                "the content was checked by the run that was cut off; this one put it in place".to_owned(),
            );
        }
        Checked {
            backup: self.plan.backup().clone(),
            files: received.as_ref().map_or(0, |unpacked| unpacked.files),
            bytes: received.as_ref().map_or(0, |unpacked| unpacked.bytes),
            databases: soundness.as_ref().map_or(0, |found| found.databases),
            promised: soundness.as_ref().is_some_and(|found| found.promised),
            notes,
            velero_took: self.velero_took,
            took,
        }
    }
}

/// Removes a folder, if it is there.
fn empty(folder: &std::path::Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn workload(action: &str, reason: String) -> Error {
    Error::Workload {
        action: action.to_owned(),
        reason,
    }
}
