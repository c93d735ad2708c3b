//! How long Juju may give no answer before a run is not followed any more, and what is told meanwhile.

use std::time::Duration;

use tokio::time::Instant;

use super::Show;
use crate::juju::JujuError;
use crate::problem::Problem;

/// When Juju answered last, and what was told of it since.
pub(super) struct Answers {
    answered: Instant,
    told: Option<JujuError>,
}

impl Answers {
    /// It is about to be asked.
    pub fn new() -> Self {
        Self {
            answered: Instant::now(),
            told: None,
        }
    }

    /// Hears what a look came to, and tells it once and not with each look.
    ///
    /// # Errors
    /// Why it could not be asked, when that has gone on for longer than `patience`.
    pub fn heard(
        &mut self,
        error: Option<JujuError>,
        patience: Duration,
        show: &mut dyn Show,
    ) -> Result<(), Problem> {
        let Some(error) = error else {
            *self = Self::new();
            return Ok(());
        };
        if self.answered.elapsed() >= patience {
            return Err(error.into());
        }
        if self.told.as_ref() != Some(&error) {
            show.note(&format!("{error}; trying again"));
            self.told = Some(error);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use config_recovery::overview::Progress as Bytes;

    use super::*;

    #[derive(Default)]
    struct Notes(Vec<String>);

    impl Show for Notes {
        fn said(&mut self, _: usize, _: &str) {}
        fn bytes(&mut self, _: usize, _: Bytes) {}
        fn ended(&mut self, _: usize, _: bool, _: &str) {}
        fn note(&mut self, text: &str) {
            self.0.push(text.to_owned());
        }
    }

    #[test]
    fn an_error_is_told_once_and_ends_it_when_it_lasts() {
        let patience = Duration::from_secs(3600);
        let (gone, unknown) = (JujuError::Missing, JujuError::NoController);
        let mut notes = Notes::default();
        let mut answers = Answers::new();
        for error in [&gone, &gone, &unknown, &gone] {
            answers.heard(Some(error.clone()), patience, &mut notes).unwrap();
        }
        let told = [&gone, &unknown, &gone].map(|error| format!("{error}; trying again"));
        assert_eq!(notes.0, told);
        // After an answer it is news again.
        answers.heard(None, Duration::ZERO, &mut notes).unwrap();
        answers.heard(Some(gone.clone()), patience, &mut notes).unwrap();
        assert_eq!(notes.0.len(), 4, "{:?}", notes.0);
        let problem = answers
            .heard(Some(gone.clone()), Duration::ZERO, &mut notes)
            .unwrap_err();
        assert_eq!(problem.text, gone.to_string());
    }
}
