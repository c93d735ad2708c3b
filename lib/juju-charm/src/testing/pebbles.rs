//! The Pebbles of a unit while its charm runs.

use std::collections::BTreeMap;

use super::pebble::{FakePebble, PebbleCall, PebbleFault, PebbleState};

/// The Pebbles of a unit's containers: those of the [`State`](super::State), and for each other container of the charm one
/// that gives no answer.
#[derive(Debug)]
pub struct Pebbles {
    known: BTreeMap<String, FakePebble>,
    /// For a container that the charm does not have.
    nobody: FakePebble,
}

impl Pebbles {
    pub(super) fn new<'a>(
        states: &BTreeMap<String, PebbleState>,
        containers: impl Iterator<Item = &'a String>,
        faults: &[(String, PebbleFault)],
    ) -> Self {
        let silent = || PebbleState::new().unreachable();
        let mut all = states.clone();
        for container in containers {
            all.entry(container.clone()).or_insert_with(silent);
        }
        let fake = |(container, state): (String, PebbleState)| {
            let own = faults.iter().filter(|(name, _)| *name == container);
            let fake = own.fold(FakePebble::in_container(&container, state), |fake, (_, fault)| {
                fake.with_fault(fault.clone())
            });
            (container, fake)
        };
        Self {
            known: all.into_iter().map(fake).collect(),
            nobody: FakePebble::new(silent()),
        }
    }

    /// The Pebble of a container. Asking for one that the charm does not have fails the test.
    pub fn of(&self, container: &str) -> &FakePebble {
        self.known.get(container).unwrap_or_else(|| {
            self.nobody.refuse(format!(
                "the charm asked for the Pebble of container {container:?}, which it does not have"
            ));
            &self.nobody
        })
    }

    /// What was asked for and not declared.
    pub(super) fn problems(&self) -> Vec<String> {
        let fakes = self.known.values().chain([&self.nobody]);
        fakes.filter_map(|fake| fake.finish().err()).collect()
    }

    /// What those hold now that a state was given for.
    pub(super) fn states(&self, before: &BTreeMap<String, PebbleState>) -> BTreeMap<String, PebbleState> {
        let given = self
            .known
            .iter()
            .filter(|(container, _)| before.contains_key(*container));
        given
            .map(|(container, fake)| (container.clone(), fake.state()))
            .collect()
    }

    pub(super) fn calls(&self) -> BTreeMap<String, Vec<PebbleCall>> {
        let known = self.known.iter();
        known
            .map(|(container, fake)| (container.clone(), fake.calls()))
            .collect()
    }
}
