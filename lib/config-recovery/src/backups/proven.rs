//! What was proven of a backup, written on it.
//!
//! Whether a backup comes back is known only after it was restored and compared. Who has done that writes it on the Backup object, so
//! that everybody who lists backups knows it: another unit, a person at a terminal, a charm that was deployed anew.
//! It goes with the Backup; Velero keeps no annotations in the object storage, so another cluster does not have it.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use kube::api::Patch;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use velero_api::BackupSpec;

use super::BackupSummary;
use crate::Result;
use crate::cluster::Cluster;
use crate::shown::shown;
use crate::velero;

/// Annotation: when, RFC 3339.
const AT: &str = "config-recovery/proven-at";
/// Annotation: what came of it.
const AS: &str = "config-recovery/proven-as";
/// Annotation: what is in it in the app's terms, or what is wrong with it.
const SAYS: &str = "config-recovery/proven-says";

/// Annotation: how long it took, in seconds: `73s`.
const IN: &str = "config-recovery/proven-in";

/// [`AS`] of a backup that came back.
const COMES_BACK: &str = "comes-back";
/// [`AS`] of one that did not.
const DAMAGED: &str = "damaged";

/// Whether an annotation is one of these.
pub(super) fn is_ours(key: &str) -> bool {
    [AT, AS, SAYS, IN].contains(&key)
}

/// No more of what is said is written, in characters.
const LONGEST: usize = 2000;

/// What was found when a backup was restored and compared, the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// When.
    pub at: Timestamp,
    /// How long it took, to the second: from when the run began that proved it until then. `None` where an earlier version wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took: Option<Duration>,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// Its bytes came back, and are what was backed up, as far as there was a manifest to tell.
    ComesBack {
        /// What it holds in the app's own terms, in one line, where somebody asked.
        contents: Option<String>,
    },
    /// They are not, or are not sound.
    Damaged {
        /// What is wrong, in one line.
        why: String,
    },
}

impl Outcome {
    /// The word for one that came back.
    pub const COMES_BACK: &'static str = "comes back";
    /// The word for one that did not.
    pub const DAMAGED: &'static str = "DAMAGED";

    /// In a word or two.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::ComesBack { .. } => Self::COMES_BACK,
            Self::Damaged { .. } => Self::DAMAGED,
        }
    }

    /// What is in it, or what is wrong with it, where that is known.
    pub fn says(&self) -> Option<&str> {
        match self {
            Self::ComesBack { contents } => contents.as_deref(),
            Self::Damaged { why } => Some(why),
        }
    }
}

/// How far ahead of this clock the one may be that something was noted by.
const AHEAD: SignedDuration = SignedDuration::from_mins(10);

/// Whether what was noted at this time was noted by a clock that was wrong.
pub fn is_ahead(at: Timestamp, now: Timestamp) -> bool {
    at > now + AHEAD
}

/// What is known last of whether the backups of an app come back. It is remembered beyond the backups that tell it: one that was damaged
/// may be deleted, and nobody knows for that whether those made after it come back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct LastWord {
    /// What was found. That it was damaged stays the last word until a backup that is not older comes back.
    #[serde(flatten)]
    pub proof: Proof,
    /// When the backup began of which that was found, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub of: Option<Timestamp>,
    /// When a backup was restored and compared since, if an older one was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
}

impl From<Proof> for LastWord {
    fn from(proof: Proof) -> Self {
        Self {
            proof,
            of: None,
            since: None,
        }
    }
}

impl LastWord {
    /// When a backup was last restored and compared, whichever that was.
    pub fn looked_at(&self) -> Timestamp {
        self.since.map_or(self.proof.at, |since| since.max(self.proof.at))
    }

    /// What counts of some. One from the future would count for ever: a clock was wrong, or somebody wrote it by hand. It is passed over.
    pub fn of_all(all: impl IntoIterator<Item = Self>, now: Timestamp) -> Option<Self> {
        let all: Vec<((), Self)> = all.into_iter().map(|word| ((), word)).collect();
        let ((), last) = counting(&all, now)?;
        let looked_at = all.iter().map(|(_, word)| word.looked_at());
        let since = looked_at.filter(|at| !is_ahead(*at, now)).max();
        Some(Self {
            since: since.filter(|since| *since > last.proof.at),
            ..last.clone()
        })
    }
}

/// What is known last of whether the backups of an app come back, with the backup that tells it: see [`LastWord`].
pub fn last_word<'a>(
    backups: impl IntoIterator<Item = &'a BackupSummary>,
    now: Timestamp,
) -> Option<(&'a BackupSummary, LastWord)> {
    let proven = backups.into_iter().filter_map(|backup| {
        let word = LastWord {
            of: backup.started,
            ..backup.proof.clone()?.into()
        };
        Some((backup, word))
    });
    let proven: Vec<(&BackupSummary, LastWord)> = proven.collect();
    let (backup, _) = counting(&proven, now)?;
    let words = proven.iter().map(|(_, word)| word.clone());
    Some((*backup, LastWord::of_all(words, now)?))
}

/// The newest damaged one after which none came back that is not older; else the newest.
fn counting<T>(proven: &[(T, LastWord)], now: Timestamp) -> Option<(&T, &LastWord)> {
    let all = || proven.iter().filter(|(_, word)| !is_ahead(word.proof.at, now));
    let is_over = |damaged: &LastWord| {
        // None can have begun after it was read: Velero's clock was wrong.
        let of = damaged.of.filter(|of| *of <= damaged.proof.at);
        all().any(|(_, other)| {
            // To the second: whoever is as quick as that found the damage first.
            other.proof.came_back() && other.proof.at >= damaged.proof.at && other.of >= of
        })
    };
    let at = |(_, word): &&(T, LastWord)| word.proof.at;
    let damaged = all().filter(|(_, word)| !word.proof.came_back() && !is_over(word));
    let found = damaged.max_by_key(at).or_else(|| all().max_by_key(at));
    found.map(|(tag, word)| (tag, word))
}

impl Proof {
    /// Whether the backup's bytes came back whole.
    pub const fn came_back(&self) -> bool {
        matches!(self.outcome, Outcome::ComesBack { .. })
    }

    /// It came out now, after so long, both to the second.
    pub fn now(outcome: Outcome, took: Duration) -> Self {
        let now = Timestamp::now();
        Self {
            at: Timestamp::from_second(now.as_second()).unwrap_or(now),
            took: Some(Duration::from_secs(took.as_secs())),
            outcome,
        }
    }

    /// What is written on an object, if anything is that can be read. Anybody may write there: what is read is safe to show.
    pub(super) fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let at = annotations.get(AT)?.parse().ok()?;
        let says = annotations.get(SAYS).map(|says| cut(&shown(says)));
        let outcome = match annotations.get(AS)?.as_str() {
            COMES_BACK => Outcome::ComesBack { contents: says },
            DAMAGED => Outcome::Damaged {
                why: says.unwrap_or_default(),
            },
            _ => return None,
        };
        let took = annotations.get(IN).and_then(|text| text.strip_suffix('s'));
        let took = took
            .and_then(|seconds| seconds.parse().ok())
            .map(Duration::from_secs);
        Some(Self { at, took, outcome })
    }

    /// What is to be written. The uid keeps it off another Backup that has the name by now: the API server refuses to change it.
    fn patch(&self, backup: &BackupSummary) -> Value {
        let is = match &self.outcome {
            Outcome::ComesBack { .. } => COMES_BACK,
            Outcome::Damaged { .. } => DAMAGED,
        };
        // `null`: what an earlier proof said goes.
        let says = self.outcome.says().map(cut);
        let took = self.took.map(|took| format!("{}s", took.as_secs()));
        json!({"metadata": {
            "uid": backup.uid,
            "annotations": {AT: self.at.to_string(), AS: is, SAYS: says, IN: took},
        }})
    }

    /// Writes it on the backup.
    ///
    /// # Errors
    /// [`crate::Error::Cluster`] when it cannot be written: the backup is gone, or the account may not change it.
    pub(crate) async fn write(&self, cluster: &Cluster, backup: &BackupSummary) -> Result<()> {
        let backups = velero::api::<BackupSpec>(cluster, Some(&backup.velero_namespace));
        let patch = Patch::Merge(self.patch(backup));
        let action = format!("write on backup {} what was proven of it", backup.name);
        Ok(cluster
            .ask(action, backups.patch_metadata(&backup.name, &patch))
            .await?)
    }
}

fn cut(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backups::AppId;
    use crate::testing::backup;

    fn written(proof: &Proof) -> BTreeMap<String, String> {
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        let patch = proof.patch(&backup("u1", &whose, 5));
        assert_eq!(patch["metadata"]["uid"], "u1");
        let annotations = patch["metadata"]["annotations"].as_object().unwrap();
        annotations
            .iter()
            .filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())))
            .collect()
    }

    #[test]
    fn what_is_written_is_read_again_and_safe_to_show() {
        let at = "2026-11-29T02:00:00Z".parse().unwrap();
        let proof = |outcome| Proof {
            at,
            took: Some(Duration::from_secs(73)),
            outcome,
        };
        for outcome in [
            Outcome::ComesBack { contents: None },
            Outcome::ComesBack {
                contents: Some("films 412".to_owned()),
            },
            Outcome::Damaged {
                why: "radarr.db: it is not sound".to_owned(),
            },
        ] {
            let proof = proof(outcome);
            assert_eq!(Proof::read(&written(&proof)), Some(proof));
        }
        let earlier = Proof {
            took: None,
            ..proof(Outcome::ComesBack { contents: None })
        };
        assert_eq!(Proof::read(&written(&earlier)), Some(earlier));
        let hostile = written(&proof(Outcome::Damaged {
            why: format!("\u{1b}[2J\nfake line{}", "x".repeat(5000)),
        }));
        let Outcome::Damaged { why } = Proof::read(&hostile).unwrap().outcome else {
            panic!("it was damaged");
        };
        assert!(
            !why.contains(['\u{1b}', '\n']) && why.chars().count() <= LONGEST,
            "{why}"
        );
    }

    /// The runbook says to verify an older one first.
    #[test]
    fn an_older_backup_that_comes_back_says_nothing_of_a_newer_one_that_was_damaged() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let hours = |hours: i64| now - SignedDuration::from_hours(hours);
        let whose = AppId {
            app: "radarr".to_owned(),
            model: "media".to_owned(),
        };
        // When each began and was proven, hours ago, and whether it came back; which one counts.
        for (all, counts) in [
            (vec![], None),
            (vec![(10, Some((2, true)))], Some(10)),
            (vec![(10, Some((2, false))), (34, None)], Some(10)),
            (vec![(10, Some((2, false))), (34, Some((1, true)))], Some(10)),
            (vec![(10, Some((1, false))), (34, Some((2, true)))], Some(10)),
            // A newer one, or itself when it is read once more.
            (vec![(10, Some((1, true))), (34, Some((2, false)))], Some(10)),
            (
                vec![
                    (10, Some((3, true))),
                    (34, Some((1, true))),
                    (58, Some((4, false))),
                ],
                Some(34),
            ),
            // What was found last counts, also of an older one.
            (vec![(10, Some((2, true))), (34, Some((1, false)))], Some(34)),
            (vec![(10, Some((2, false))), (34, Some((1, false)))], Some(34)),
            // An older one does not end it, whatever came between.
            (
                vec![
                    (10, Some((3, false))),
                    (34, Some((2, true))),
                    (58, Some((1, true))),
                ],
                Some(10),
            ),
            // Of a clock that was wrong.
            (vec![(10, Some((-30, true))), (34, Some((2, false)))], Some(34)),
        ] {
            let backups: Vec<BackupSummary> = all
                .iter()
                .map(|(began, proven): &(i64, Option<(i64, bool)>)| BackupSummary {
                    started: Some(hours(*began)),
                    proof: proven.map(|(at, comes_back)| Proof {
                        at: hours(at),
                        took: None,
                        outcome: match comes_back {
                            true => Outcome::ComesBack { contents: None },
                            false => Outcome::Damaged { why: String::new() },
                        },
                    }),
                    ..backup(&format!("u{began}"), &whose, 5)
                })
                .collect();
            let found = last_word(&backups, now).and_then(|(backup, _)| backup.started);
            assert_eq!(found, counts.map(hours), "{all:?}");
        }
    }

    /// The damaged one is deleted, and what was seen before is all that is known of it.
    #[test]
    fn a_damaged_backup_that_is_gone_stays_the_last_word_until_one_as_new_comes_back() {
        let now: Timestamp = "2026-11-29T12:00:00Z".parse().unwrap();
        let hours = |hours: i64| now - SignedDuration::from_hours(hours);
        let word = |of: i64, at: i64, comes_back: bool| LastWord {
            of: Some(hours(of)),
            ..LastWord::from(Proof {
                at: hours(at),
                took: None,
                outcome: match comes_back {
                    true => Outcome::ComesBack { contents: None },
                    false => Outcome::Damaged { why: String::new() },
                },
            })
        };
        let damaged = word(10, 8, false);
        let of_all = |seen: LastWord| LastWord::of_all([damaged.clone(), seen], now).unwrap();
        let older = of_all(word(34, 5, true));
        assert_eq!(
            (older.of, older.proof.clone()),
            (damaged.of, damaged.proof.clone())
        );
        // When the next one is due is counted from then on all the same.
        assert_eq!((damaged.looked_at(), older.looked_at()), (hours(8), hours(5)));
        for as_new in [10, 4] {
            let over = word(as_new, 3, true);
            assert_eq!(LastWord::of_all([older.clone(), over.clone()], now), Some(over));
        }
        // Which backup it was is not known where a charm before this one has seen it.
        let before = LastWord::from(damaged.proof);
        let seen = word(34, 5, true);
        assert_eq!(LastWord::of_all([before, seen.clone()], now), Some(seen));
        let text = serde_json::to_string(&older).unwrap();
        assert_eq!(serde_json::from_str::<LastWord>(&text).unwrap(), older);
        // Velero's clock was ahead when it made the damaged one: none is as new for as long, so what comes back later counts.
        let of_the_future = word(-5000, 8, false);
        let later = word(4, 3, true);
        assert_eq!(LastWord::of_all([of_the_future, later.clone()], now), Some(later));
    }

    #[test]
    fn what_cannot_be_read_says_nothing() {
        let annotations = |at: &str, is: &str| {
            [(AT, at), (AS, is)]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into()
        };
        assert!(Proof::read(&annotations("2026-11-29T02:00:00Z", COMES_BACK)).is_some());
        let mut odd: BTreeMap<String, String> = annotations("2026-11-29T02:00:00Z", COMES_BACK);
        odd.insert(IN.to_owned(), "-1s".to_owned());
        assert_eq!(Proof::read(&odd).unwrap().took, None);
        assert_eq!(Proof::read(&annotations("yesterday", COMES_BACK)), None);
        assert_eq!(Proof::read(&annotations("2026-11-29T02:00:00Z", "well")), None);
        assert_eq!(Proof::read(&BTreeMap::new()), None);
    }
}
