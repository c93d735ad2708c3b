//! What was committed, and what a volume may hold.

use std::collections::BTreeSet;

/// What may never be seen, in words.
pub type Broken = String;

/// What the app committed: the rows of each database, and the content of its config file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Content {
    pub rows: [BTreeSet<u32>; 2],
    pub config: u32,
}

impl Content {
    /// Adds all rows of another.
    pub fn add(&mut self, other: &Self) {
        for (own, other) in self.rows.iter_mut().zip(&other.rows) {
            own.extend(other);
        }
    }

    pub fn holds(&self, other: &Self) -> bool {
        self.rows
            .iter()
            .zip(&other.rows)
            .all(|(own, other)| own.is_superset(other))
    }

    /// The content in a few words.
    pub fn shown(&self) -> String {
        let [radarr, logs] = &self.rows;
        let all = |rows: &BTreeSet<u32>| rows.iter().map(u32::to_string).collect::<Vec<_>>().join(" ");
        format!(
            "radarr.db [{}] logs.db [{}] config {}",
            all(radarr),
            all(logs),
            self.config
        )
    }
}

/// What a volume has to hold when the app starts on it.
#[derive(Debug, Clone)]
pub enum Holds {
    /// Nothing yet: the app may start with nothing.
    Nothing,
    /// This and nothing else.
    Exactly(Content),
    /// What a good backup stored: all that was committed before it began, and nothing that was not by its end.
    Between {
        before: Content,
        after: Content,
        configs: BTreeSet<u32>,
    },
    /// Whatever a person put there.
    Anything,
}

impl Holds {
    /// What it holds at least.
    pub fn at_least(&self) -> Content {
        match self {
            Self::Exactly(content) | Self::Between { before: content, .. } => content.clone(),
            Self::Nothing | Self::Anything => Content::default(),
        }
    }

    pub fn allows(&self, found: &Content) -> bool {
        match self {
            Self::Anything => true,
            Self::Nothing => *found == Content::default(),
            Self::Exactly(content) => found == content,
            Self::Between {
                before,
                after,
                configs,
            } => found.holds(before) && after.holds(found) && configs.contains(&found.config),
        }
    }

    pub fn shown(&self) -> String {
        match self {
            Self::Nothing => "nothing".to_owned(),
            Self::Anything => "anything".to_owned(),
            Self::Exactly(content) => content.shown(),
            Self::Between {
                before,
                after,
                configs,
            } => format!(
                "at least {} and at most {} with one of {configs:?}",
                before.shown(),
                after.shown()
            ),
        }
    }
}
