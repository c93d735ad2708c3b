//! Which backup is meant, and whether it is fit to be restored.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{AppId, BackupContents, BackupSummary, Verdict};
use crate::locations::{self, Location};
use crate::{Error, Result};

/// Which backup of an app is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The newest good one; never a safety backup.
    Latest,
    /// The one of this uid or name.
    Named(String),
    /// The newest good one that began at this moment or before: the app as it was then. Never a safety backup.
    AsOf(Timestamp),
}

impl From<&str> for Choice {
    /// `latest` is the newest good one, everything else a uid or name.
    fn from(text: &str) -> Self {
        if text == "latest" {
            Self::Latest
        } else {
            Self::Named(text.to_owned())
        }
    }
}

/// Chooses among the backups of [`list`](super::list), which has to be of all apps for a foreign backup to be told from
/// none. A partial backup and a safety backup are taken only if they are named: what a partial one holds is checked after it was
/// read back, and a safety backup is what a restore was to replace. Whoever runs the same restore again means the same backup.
///
/// # Errors
/// [`Error::NoBackup`], [`Error::NoGoodBackup`], [`Error::OnlySafetyBackups`], [`Error::NoneAsOf`], [`Error::NoSuchBackup`],
/// [`Error::Foreign`] or [`Error::Unfit`].
pub fn choose<'a>(
    list: &'a [BackupSummary],
    choice: &Choice,
    whose: &AppId,
    now: Timestamp,
) -> Result<&'a BackupSummary> {
    match choice {
        Choice::Latest => latest(list, whose, now).ok_or_else(|| none(list, whose, now)),
        Choice::AsOf(moment) => as_of(list, whose, *moment, now),
        Choice::Named(name) => {
            let backup = named(list, name, whose)?;
            match backup.unfit(now) {
                Some(why) => Err(Error::Unfit {
                    backup: backup.name.clone(),
                    why,
                }),
                None => Ok(backup),
            }
        }
    }
}

/// The same for a restore, where an older backup than the one that is meant does harm. Velero makes the Backups that it finds in an object
/// storage one by one, and what each holds after it (`pkg/controller/backup_sync_controller.go`). Until it has come to the end of all,
/// the newest one may be missing, and one that is there seems to hold nothing. One that is named and there is taken all the same.
///
/// `locations` are those of before the list: what it lacks may have come by the time of a later look.
///
/// # Errors
/// Those of [`choose`], [`Error::Unread`], and that of reading the locations.
pub fn choose_of_all_read<'a>(
    list: &'a [BackupSummary],
    locations: Result<impl AsRef<[Location]>>,
    choice: &Choice,
    whose: &AppId,
    now: Timestamp,
) -> Result<&'a BackupSummary> {
    let found = choose(list, choice, whose, now);
    let unread = match (choice, &found) {
        (Choice::Named(_), Err(Error::NoSuchBackup(_))) => match locations {
            // It may not be there at all.
            Err(_) => return found,
            Ok(all) => locations::unread(all.as_ref()),
        },
        (Choice::Named(_), _) => None,
        (Choice::Latest | Choice::AsOf(_), _) => locations::unread(locations?.as_ref()),
    };
    match unread {
        Some(unread) => Err(Error::Unread(unread)),
        None => found,
    }
}

/// Why an app has no good backup that need not be named.
fn none(list: &[BackupSummary], whose: &AppId, now: Timestamp) -> Error {
    let (app, model) = (whose.app.clone(), whose.model.clone());
    if of(list, whose).any(|backup| backup.is_good(now)) {
        return Error::OnlySafetyBackups { app, model };
    }
    match of(list, whose).next() {
        None => Error::NoBackup { app, model },
        Some(_) => Error::NoGoodBackup { app, model },
    }
}

/// What a backup holds was committed when it began, so that counts and not when it ended.
fn as_of<'a>(
    list: &'a [BackupSummary],
    whose: &AppId,
    moment: Timestamp,
    now: Timestamp,
) -> Result<&'a BackupSummary> {
    let mut good: Vec<_> = unnamed(list, whose, now)
        .filter_map(|backup| backup.started.map(|started| (started, backup)))
        .collect();
    good.sort_by_key(|(started, _)| *started);
    let earlier = good.partition_point(|(started, _)| *started <= moment);
    match (
        earlier.checked_sub(1).and_then(|place| good.get(place)),
        good.as_slice(),
    ) {
        (Some((_, backup)), _) => Ok(backup),
        (None, []) => Err(none(list, whose, now)),
        (None, later) => Err(Error::NoneAsOf {
            app: whose.app.clone(),
            model: whose.model.clone(),
            moment,
            nearest: later
                .iter()
                .take(2)
                .map(|(started, backup)| (*started, backup.uid.clone()))
                .collect(),
        }),
    }
}

fn of<'a>(list: &'a [BackupSummary], whose: &AppId) -> impl Iterator<Item = &'a BackupSummary> {
    list.iter().filter(|backup| backup.whose == *whose)
}

/// Those that may be meant by whoever names none.
fn unnamed<'a>(
    list: &'a [BackupSummary],
    whose: &AppId,
    now: Timestamp,
) -> impl Iterator<Item = &'a BackupSummary> {
    of(list, whose).filter(move |backup| backup.before_restore.is_none() && backup.is_good(now))
}

/// The list is newest first, but a caller may have sorted it anew. One of the future comes last: it would be the newest for years.
fn latest<'a>(list: &'a [BackupSummary], whose: &AppId, now: Timestamp) -> Option<&'a BackupSummary> {
    unnamed(list, whose, now)
        .max_by_key(|backup| (!backup.is_of_future(now), backup.started, backup.completed))
}

fn named<'a>(list: &'a [BackupSummary], name: &str, whose: &AppId) -> Result<&'a BackupSummary> {
    let by_uid = list.iter().find(|backup| backup.uid == name && !name.is_empty());
    let by_name: Vec<&BackupSummary> = list.iter().filter(|backup| backup.name == name).collect();
    let own: Vec<&BackupSummary> = by_name
        .iter()
        .copied()
        .filter(|backup| backup.whose == *whose)
        .collect();
    let found = match (by_uid, own.as_slice()) {
        (Some(backup), _) => backup,
        (None, [own]) => own,
        (None, []) => by_name
            .first()
            .ok_or_else(|| Error::NoSuchBackup(crate::shown::shown(name)))?,
        // Two Veleros look at one object store, or one app is backed up by two.
        (None, several) => {
            return Err(Error::Unfit {
                backup: name.to_owned(),
                why: format!(
                    "{} backups have this name; say the uid of the one that is meant",
                    several.len()
                ),
            });
        }
    };
    if found.whose == *whose {
        Ok(found)
    } else {
        Err(Error::Foreign {
            backup: found.name.clone(),
            found: found.whose.to_string(),
            wanted: whose.to_string(),
        })
    }
}

/// The last good backup of an app, for a status line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastGood {
    /// Name of the Backup object.
    pub name: String,
    /// Its uid.
    pub uid: String,
    /// When it began.
    #[serde(default)]
    pub started: Option<Timestamp>,
    /// When it ended; when it began if Velero does not say, or says what cannot be.
    pub time: Option<Timestamp>,
    /// When Velero deletes it; never if that is not known.
    pub expires: Option<Timestamp>,
    /// Bytes that it holds; a snapshot does not tell.
    pub bytes: Option<u64>,
}

/// The newest good backup of an app, if it has any: the one that [`Choice::Latest`] is.
pub fn last_good(list: &[BackupSummary], whose: &AppId, now: Timestamp) -> Option<LastGood> {
    latest(list, whose, now).map(|backup| LastGood {
        name: backup.name.clone(),
        uid: backup.uid.clone(),
        started: backup.started,
        time: backup.ended(now),
        expires: backup.expires,
        bytes: backup.holds.bytes(),
    })
}

impl BackupSummary {
    /// Why it cannot be restored, as the end of "cannot restore backup NAME: …"; `None` if it may be tried.
    pub fn unfit(&self, now: Timestamp) -> Option<String> {
        match self.verdict(now) {
            // One that was damaged may be read back again: what was wrong may have been the way.
            Verdict::Good | Verdict::Damaged | Verdict::Partial => None,
            Verdict::Running => Some(format!("it has not ended yet ({})", self.phase_word())),
            Verdict::Empty => Some(self.because("it holds no bytes of the config volume")),
            Verdict::Failed if self.holds == BackupContents::Nothing => Some(self.because(&format!(
                "Velero calls it {}, and it holds nothing of the config volume",
                self.phase_word()
            ))),
            Verdict::Failed => Some(self.because(&format!("Velero calls it {}", self.phase_word()))),
            Verdict::Expired => Some(match self.expires.filter(|end| *end <= now) {
                Some(end) => format!("it expired at {end}"),
                None => "it is being deleted".to_owned(),
            }),
        }
    }

    /// The text, with the first complaint behind it.
    fn because(&self, text: &str) -> String {
        match self.complaints.first() {
            Some(first) => format!("{text} ({first})"),
            None => text.to_owned(),
        }
    }
}
