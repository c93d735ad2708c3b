//! What is done when a step has failed: the app gets its previous content back, and nothing of the run is left.

use config_volume::{Swap, SwapState};

use super::beside::Beside;
use super::restore::Run;
use crate::Error;
use crate::journal::Step;
use crate::scratch::Until;

impl<B: Beside> Run<'_, B> {
    /// Undoes what was done, and says what went wrong and how things stand.
    pub(super) async fn undo(&mut self, cause: Error) -> Error {
        self.clean_until = Until::Gone;
        let failed_at = self.journal.record().step;
        self.reporter.note(&format!("{failed_at} did not work: {cause}"));
        // What cannot be read is not to be removed.
        let peek = match Swap::peek(&self.plan.volume) {
            Ok(peek) => peek,
            Err(error) => {
                self.reporter.note(&error.to_string());
                return cause;
            }
        };
        // After a start that went well only what is left is to be removed.
        if let Some(peek) = peek.filter(|peek| peek.old_is_gone && failed_at != Step::Clean) {
            return self.stay(cause, peek.is_incomplete).await;
        }
        if !failed_at.touches_the_app() {
            self.clear_staged();
            let cleaned = self.undo_step(Step::Clean).await;
            self.note_of(cleaned);
            // Whoever stopped it for an earlier run's sake starts it again.
            if self.is_stopped {
                let started = self.app.start(self.plan.patience(0));
                self.note_of(started);
            }
            return cause;
        }
        if let Err(error) = self.undo_step(Step::PutBack).await {
            // The journal stays, and the next run goes on with putting back.
            self.reporter.note(&error.to_string());
            return cause;
        }
        let restarted = self.undo_step(Step::Restart).await;
        let running = restarted.is_ok();
        self.note_of(restarted);
        let cleaned = self.undo_step(Step::Clean).await;
        self.note_of(cleaned);
        Error::RolledBack {
            cause: Box::new(cause),
            running,
        }
    }

    /// Without the previous content there is no way back: the journal stays, and the next run goes on.
    async fn stay(&mut self, cause: Error, is_incomplete: bool) -> Error {
        let removed = self.beside.remove(self.clean_until).await;
        self.note_of(removed);
        if !is_incomplete {
            return cause;
        }
        let stopped = self.app.stop();
        self.note_of(stopped);
        Error::Incomplete {
            cause: Box::new(cause),
        }
    }

    /// The volume may be nearly full, and what takes longest to remove is not in it.
    fn clear_staged(&self) {
        let cleared = match Swap::open(&self.plan.volume, &self.options) {
            Ok(Some(mut swap)) if swap.state() == SwapState::Staging => swap.clear_staged(),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        self.note_of(cleared);
    }

    async fn undo_step(&mut self, step: Step) -> crate::Result<()> {
        self.journal.begins(step)?;
        self.reporter.begins(step);
        self.act(step).await?;
        self.reporter.ended(step);
        Ok(())
    }

    fn note_of<T>(&self, done: Result<T, impl std::fmt::Display>) {
        if let Err(error) = done {
            self.reporter.note(&error.to_string());
        }
    }
}
