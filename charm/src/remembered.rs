//! What a dispatch leaves for later ones to know, as a record with types: nobody reads it out of a status.
//!
//! Juju keeps it for the unit, so that it outlives the pod. A copy lies on the pod's disk, so that a steady event asks no hook
//! tool for it: only a new pod asks Juju.

use std::collections::BTreeMap;
use std::path::PathBuf;

use jiff::{SignedDuration, Timestamp};
use juju_charm::Juju;
use serde::{Deserialize, Serialize};

use crate::CharmError;
use crate::findings::Sizes;
use crate::last_restore::LastRestore;
use crate::notify::Notices;
use crate::{test_restore, unit_file};

/// Key of the unit's state in Juju.
const KEY: &str = "remembered";

/// How long news are told in the status.
const NEWS: SignedDuration = SignedDuration::from_hours(24);

/// So many damaged config files are told of, the newest. Juju takes no more than 64 KiB in one value, and each is looked for in every
/// event.
const MOST_PUT_ASIDE: usize = 50;

/// The record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
pub struct Remembered {
    /// The last dispatch ended with something that is not done yet about the relation media-storage.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub media_unsettled: bool,
    /// The path below which the ingress serves an app that cannot live there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ingress_path: Option<String>,
    /// Where damaged config files were put, the oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "one_or_many")]
    pub put_aside: Vec<String>,
    /// When velero-operator was last asked for something else than before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_at: Option<Timestamp>,
    /// What the leader is known to ask for, on a unit that does not lead: only that it is something else is seen by it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_by_leader: Option<String>,
    /// A backup that `restore-on-deploy` found damaged: it would be again, and to see that takes a whole restore.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub damaged: Option<OnDeploy>,
    /// What was done with the config volume before the app was started.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub news: Option<OnDeploy>,
    /// When the content of the config volume was last replaced by that of a backup.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored: Option<Timestamp>,
    /// What came of test restores, and what was tried since.
    #[serde(skip_serializing_if = "test_restore::Record::is_nothing")]
    pub test_restores: test_restore::Record,
    /// What earlier good backups held.
    #[serde(skip_serializing_if = "Sizes::is_empty")]
    pub sizes: Sizes,
    /// What was notified of, and what is still to be.
    #[serde(skip_serializing_if = "Notices::is_nothing")]
    pub notices: Notices,
    /// The pod's disk has it, and Juju does not: the hook that wrote it failed or was killed.
    #[serde(skip)]
    pub is_unconfirmed: bool,
}

/// Begins a copy of which it is not known yet whether Juju has kept it: that is so when the hook has ended well.
const UNCONFIRMED: &str = "?";

/// What came of looking after the volume before the app was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnDeploy {
    /// When.
    pub at: Timestamp,
    /// What the option `restore-on-deploy` was. With another value it counts no more.
    pub asked: String,
    /// What came of it, for people.
    pub text: String,
}

impl OnDeploy {
    /// What has just come of it, if something has that is not known; else what was known.
    pub fn found(asked: &str, text: Option<String>, before: Option<Self>, now: Timestamp) -> Option<Self> {
        let is_known = |text: &str| {
            let mut before = before.iter();
            before.any(|before| before.text == text && now.duration_since(before.at) < NEWS)
        };
        match text {
            Some(text) if !is_known(&text) => Some(Self {
                at: now,
                asked: asked.to_owned(),
                text,
            }),
            _ => before,
        }
    }
}

impl Remembered {
    /// Reads the record. One that cannot be read, because a later charm wrote it, says nothing.
    ///
    /// # Errors
    /// When the pod is new and the hook tool fails.
    pub fn read(juju: &Juju) -> Result<Self, CharmError> {
        let copied = std::fs::read_to_string(copy(juju)).unwrap_or_default();
        let is_sure = !copied.starts_with(UNCONFIRMED);
        let copied = copied.trim_start_matches(UNCONFIRMED);
        let record = serde_json::from_str::<Self>(copied).ok();
        if let (Some(record), true) = (&record, is_sure) {
            return Ok(record.clone());
        }
        let state = juju.state()?;
        let text = state.get(KEY).map_or("{}", String::as_str);
        match record {
            Some(record) if text != copied => Ok(Self {
                is_unconfirmed: true,
                ..record
            }),
            _ => {
                keep_copy(juju, text);
                Ok(parsed(text))
            }
        }
    }

    /// Writes the record, if it is another than `before`.
    ///
    /// # Errors
    /// When the hook tool fails.
    pub fn keep(&self, juju: &Juju, before: &Self) -> Result<(), CharmError> {
        if self == before {
            return Ok(());
        }
        self.write(juju)
    }

    /// Writes the record.
    ///
    /// # Errors
    /// When the hook tool fails.
    pub fn write(&self, juju: &Juju) -> Result<(), CharmError> {
        let text = serde_json::to_string(self).unwrap_or_else(|_| "{}".to_owned());
        // The copy first: it outlives a kill at the hook tool.
        keep_copy(juju, &format!("{UNCONFIRMED}{text}"));
        juju.state_set(&BTreeMap::from([(KEY.to_owned(), text)]))?;
        Ok(())
    }

    /// The same with a damaged config file put there too.
    #[must_use]
    pub fn with_put_aside(mut self, path: String) -> Self {
        self.put_aside.retain(|known| *known != path);
        self.put_aside.push(path);
        let too_many = self.put_aside.len().saturating_sub(MOST_PUT_ASIDE);
        self.put_aside.drain(..too_many);
        self
    }

    /// The same with what has just been done with the volume, while the option `restore-on-deploy` is `asked`.
    #[must_use]
    pub fn with_news(self, asked: &str, text: &str, now: Timestamp) -> Self {
        let before = self.as_of(asked);
        Self {
            damaged: None,
            news: OnDeploy::found(asked, Some(text.to_owned()), before.news, now),
            ..before
        }
    }

    /// The news that somebody may not have read yet.
    pub fn fresh_news(&self, now: Timestamp) -> Option<&str> {
        let news = self.news.as_ref()?;
        (now.duration_since(news.at) < NEWS).then_some(news.text.as_str())
    }

    /// The same after somebody has restored a backup: what came of `restore-on-deploy` counts no more.
    #[must_use]
    pub fn with_restore(self, now: Timestamp) -> Self {
        let other = Self {
            damaged: None,
            news: None,
            ..self
        };
        other.with_other_content(now)
    }

    /// The same after the content of the config volume was replaced by that of a backup, whoever asked for that.
    #[must_use]
    pub fn with_other_content(self, now: Timestamp) -> Self {
        Self {
            restored: Some(now),
            ..self
        }
    }

    /// When the content of the config volume was last replaced by that of a backup.
    pub fn restored_by(&self, now: Timestamp) -> LastRestore {
        LastRestore::noted(self.restored, now)
    }

    /// What still counts when the option `restore-on-deploy` is `asked`.
    #[must_use]
    pub fn as_of(self, asked: &str) -> Self {
        let counts = |found: &OnDeploy| found.asked == asked;
        Self {
            damaged: self.damaged.filter(counts),
            news: self.news.filter(counts),
            ..self
        }
    }
}

/// A charm before this one knew of one damaged file.
fn one_or_many<'de, D: serde::Deserializer<'de>>(text: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        One(String),
        Many(Vec<String>),
    }
    Ok(match Either::deserialize(text)? {
        Either::One(path) => vec![path],
        Either::Many(paths) => paths,
    })
}

fn parsed(text: &str) -> Remembered {
    serde_json::from_str(text).unwrap_or_default()
}

fn copy(juju: &Juju) -> PathBuf {
    unit_file::path(juju.context().charm_dir(), KEY)
}

/// Without the copy the next event asks Juju, and that is all.
fn keep_copy(juju: &Juju, text: &str) {
    if let Err(error) = unit_file::write(&copy(juju), text.as_bytes()) {
        log::debug!("what is remembered cannot be kept on the pod's disk: {error}");
        let _ = unit_file::remove(&copy(juju));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use config_recovery::backups::{LastWord, Outcome, Proof};

    use super::*;

    fn found(asked: &str, hours: i64) -> OnDeploy {
        OnDeploy {
            at: Timestamp::now() - SignedDuration::from_hours(hours),
            asked: asked.to_owned(),
            text: "the config volume comes from backup radarr-1".to_owned(),
        }
    }

    #[test]
    fn a_record_is_read_as_it_was_written_and_an_unknown_one_says_nothing() {
        let record = Remembered {
            media_unsettled: true,
            ingress_path: Some("/home-app".to_owned()),
            put_aside: vec!["/config/config.xml.damaged-1a2b3c4d".to_owned()],
            asked_at: Some(Timestamp::now()),
            asked_by_leader: Some("1a2b3c4d5e6f7a8b".to_owned()),
            damaged: Some(found("latest", 1)),
            news: Some(found("latest", 2)),
            restored: Some(Timestamp::now()),
            test_restores: test_restore::Record {
                proof: Some(LastWord {
                    of: Some(Timestamp::now()),
                    ..LastWord::from(Proof::now(
                        Outcome::Damaged {
                            why: "radarr.db: it is not sound".to_owned(),
                        },
                        Duration::from_secs(73),
                    ))
                }),
                ..test_restore::Record::default()
            },
            sizes: Sizes::default(),
            notices: Notices::default(),
            is_unconfirmed: false,
        };
        assert_eq!(parsed(&serde_json::to_string(&record).unwrap()), record);
        assert_eq!(serde_json::to_string(&Remembered::default()).unwrap(), "{}");
        let of_before = r#"{"put-aside":"/config/config.xml.damaged-1a2b3c4d"}"#;
        assert_eq!(parsed(of_before).put_aside, record.put_aside);
        for text in ["", "null", "[]", r#"{"news":7}"#] {
            assert_eq!(parsed(text), Remembered::default(), "{text}");
        }
    }

    /// Juju takes no more than 64 KiB in one value, and a hook that cannot write its record fails for ever.
    #[test]
    fn an_app_that_damages_its_file_again_and_again_does_not_fill_the_record() {
        let mut record = Remembered::default();
        for number in 0..2000 {
            record = record.with_put_aside(format!("/config/config.xml.damaged-{number:08x}"));
        }
        let text = serde_json::to_string(&record).unwrap();
        assert!(text.len() < 10_000, "{} bytes", text.len());
        assert!(text.contains("damaged-000007cf"), "the newest one is told of");
    }

    #[test]
    fn news_are_told_for_a_day_and_as_long_as_the_option_says_the_same() {
        let record = Remembered {
            news: Some(found("latest", 0)),
            damaged: Some(found("latest", 0)),
            ..Remembered::default()
        };
        let begin = record.news.as_ref().unwrap().at;
        let after = |hours| record.fresh_news(begin + SignedDuration::from_hours(hours));
        assert!(after(23).is_some());
        assert_eq!(after(24), None);
        assert_eq!(record.clone().as_of("latest"), record);
        assert_eq!(record.as_of("none"), Remembered::default());
    }
}
