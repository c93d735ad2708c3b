//! Whether a restored volume is the app's: its own config file reads as such, its databases are there, and this app can take it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use config_recovery::backups::Earlier;
use config_recovery::engine::{App, CheckedBackup, Examined, Restored, Unfit};
use config_volume::{Answers, Secrets};
use jiff::Timestamp;

use crate::config_file;
use crate::contents::compare::{self, Keys};
use crate::contents::fewer::fewer;
use crate::contents::guard::{Fit, Side, judge, refresh};
use crate::contents::lacking::{judged, lost};
use crate::contents::record::{self, About};
use crate::contents::seen::{self, List, Seen};
use crate::contents::{in_one_line, is_empty};
use crate::env::Env;
use crate::facts::{Facts, Storage};
use crate::last_restore::LastRestore;
use crate::names::image_resource;
use crate::profile::AppProfile;
use crate::volume::read_plain;

/// The app before it has ever run, or beside which a backup is only checked: nothing is to be stopped, and it is started later.
pub struct NotYet<'a>(pub Examiner<'a>);

impl App for NotYet<'_> {
    fn stop(&mut self) -> Result<(), String> {
        Ok(())
    }

    fn start(&mut self, _patience: Duration) -> Result<(), String> {
        Ok(())
    }

    fn came_back(&mut self, _: &CheckedBackup) {}

    fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        self.0.examine(restored)
    }
}

/// What becomes of a backup that is of a later app, or of another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfLater {
    /// It is refused, unless somebody says `force`.
    Refused,
    /// It is refused: the app has never run, and nobody is there to say anything.
    RefusedAtStart,
    /// It is taken all the same, since somebody said so.
    Forced,
    /// Nothing is to be restored: it is told.
    Told,
}

/// What would become of a backup whose content was seen before, if it were restored now: what a person should know, or why it is
/// refused. What is not refused here may be by the look at the restored volume.
///
/// # Errors
/// Why the app cannot take it.
pub fn foreseen(
    env: Env<'_>,
    facts: &Facts,
    seen: &Seen,
    now: Option<&Answers>,
    of_later: OfLater,
) -> Result<Vec<String>, Unfit> {
    let about = record::read(env.juju.context().charm_dir(), record::known(env.profile, facts));
    let fitting = fits(
        (env.profile, &facts.app),
        (&about, now),
        (&seen.about, &seen.answers()),
    );
    let lost = lost_with_database(env, facts, seen, now);
    match unless_lost(fitting, lost) {
        Ok(note) => Ok(note.into_iter().collect()),
        Err((why, next)) => of_later.taken(why, next, "it will be").map(|note| vec![note]),
    }
}

/// That a backup, as it was seen, lacks a database of the app's that is there `now` or was before: see [`lost`].
pub fn lost_with_database(env: Env<'_>, facts: &Facts, seen: &Seen, now: Option<&Answers>) -> Option<String> {
    let AppProfile { title, .. } = env.profile;
    let essential = &env.profile.contents().essential;
    let (list, restored) = earlier(env, facts);
    let fewer = fewer(&list, seen, essential, restored);
    lost(title, essential, &seen.answers(), now, &fewer)
}

/// What the app's own volume holds now; `None` where it cannot be read.
pub fn held(profile: &AppProfile, volume: &Path) -> Option<Answers> {
    let answers = config_volume::ask(volume, &profile.contents().questions()).ok()?;
    Some(judged(profile, volume, answers))
}

/// What this unit has seen of earlier backups, and since when they count.
fn earlier(env: Env<'_>, facts: &Facts) -> (List, LastRestore) {
    let list = seen::on_disk(env.juju.context().charm_dir());
    (list, facts.remembered.restored_by(Timestamp::now()))
}

/// Compares the app as it is, and what its databases answer if it has any, with the app and the databases of a backup. What a person
/// should know, or why the backup cannot be taken and what to do.
fn fits(
    (profile, app): (&AppProfile, &str),
    now: (&About, Option<&Answers>),
    backup: (&About, &Answers),
) -> Result<Option<String>, (String, String)> {
    let nothing = Answers::default();
    let here = Side {
        about: now.0,
        answers: now.1.unwrap_or(&nothing),
    };
    let there = Side {
        about: backup.0,
        answers: backup.1,
    };
    match judge(&profile.title, &profile.contents().takes_over, here, there) {
        Fit::Same => Ok(None),
        Fit::Migrates(text) | Fit::Unknown(text) => Ok(Some(text)),
        Fit::Later(text) => Err((text, refresh(app, &image_resource(profile), now.0, backup.0))),
        Fit::Other(text) => Err((text, "choose a backup of this app: list-backups".to_owned())),
    }
}

/// What comes of a comparison, if nothing of the app's would be `lost` with a database that the backup lacks.
fn unless_lost(
    fitting: Result<Option<String>, (String, String)>,
    lost: Option<String>,
) -> Result<Option<String>, (String, String)> {
    match (fitting, lost) {
        (Ok(_), Some(why)) => Err((why, "choose another backup: list-backups".to_owned())),
        (fitting, _) => fitting,
    }
}

impl OfLater {
    /// What becomes of a backup that the app cannot take: a note, or the refusal. `is` says of when a note speaks.
    fn taken(self, why: String, next: String, is: &str) -> Result<String, Unfit> {
        match self {
            Self::Refused => Err(Unfit {
                why: format!("{why} (force=true restores it all the same)"),
                next: format!("{next}, then restore again"),
            }),
            Self::RefusedAtStart => Err(Unfit { why, next }),
            Self::Forced => Ok(format!("{is} restored by force: {why}").trim_start().to_owned()),
            Self::Told => Ok(format!("restore-from-backup would refuse it: {why}")),
        }
    }
}

/// Looks at a restored volume for an app.
pub struct Examiner<'a> {
    profile: &'a AppProfile,
    /// The application's name in Juju.
    app: String,
    /// What is known of the app as it is.
    about: About,
    /// The volume in use.
    live: Option<PathBuf>,
    of_later: OfLater,
    /// Uid of the good backup before, where an empty app is not what was meant, and how to name the one that is.
    instead: Option<(String, String)>,
    /// What was seen of earlier backups, and since when they count.
    earlier: (List, LastRestore),
    /// What the look found.
    pub found: Option<Found>,
}

/// What a look at a restored volume found.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The backup's content, for later.
    pub seen: Option<Seen>,
    /// What the restored databases answered.
    pub backup: Answers,
    /// What those in use answered; `None` for an app without a volume in use.
    pub now: Option<Answers>,
    /// The settings of the config file that differ; `None` where one of the two cannot be read.
    pub settings: Option<Vec<String>>,
}

impl<'a> Examiner<'a> {
    /// For the app of this unit.
    pub fn new(env: Env<'a>, facts: &Facts, of_later: OfLater) -> Self {
        let context = env.juju.context();
        Self {
            profile: env.profile,
            app: context.app().to_owned(),
            about: record::read(context.charm_dir(), record::known(env.profile, facts)),
            live: match &facts.storage {
                Storage::Mounted { location, .. } => Some(location.clone()),
                Storage::NotRead | Storage::NotMounted => None,
            },
            of_later,
            instead: None,
            // Before the app has ever run nothing of it can be lost.
            earlier: match of_later {
                OfLater::RefusedAtStart => Default::default(),
                OfLater::Refused | OfLater::Forced | OfLater::Told => earlier(env, facts),
            },
            found: None,
        }
    }

    /// Refuses an empty app where there is a good backup before the one that is restored. `next` says how to name one.
    #[must_use]
    pub fn refusing_empty(mut self, earlier: &Earlier, next: String) -> Self {
        self.instead = earlier.newest.as_ref().map(|before| (before.uid.clone(), next));
        self
    }

    /// See [`App::examine`].
    pub fn examine(&mut self, restored: &Restored<'_>) -> Examined {
        let problems = examine(self.profile, restored.folder, restored.made.is_some());
        if self.profile.storage.is_none() || !problems.is_empty() {
            return Examined {
                problems,
                ..Examined::default()
            };
        }
        let contents = self.profile.contents();
        let questions = contents.questions();
        let mut notes = Vec::new();
        let backup = match config_volume::ask_restored(restored.folder, &questions) {
            Ok(answers) => judged(self.profile, restored.folder, answers),
            Err(error) => {
                notes.push(format!(
                    "the backup's content was not counted: {}",
                    crate::causes(&error)
                ));
                Answers::default()
            }
        };
        notes.extend(
            backup
                .unanswered
                .iter()
                .map(|reason| format!("not told by the backup: {reason}")),
        );
        let live = self.live.as_ref();
        let now = live.and_then(|volume| held(self.profile, volume));
        let of_backup = settings(self.profile, restored.folder);
        let of_now = live.and_then(|volume| settings(self.profile, volume));
        if let Some(volume) = live {
            let asked = contents.keys();
            let keys = |databases: config_volume::Result<Secrets>, settings: Option<&Settings>| Keys {
                databases: databases.unwrap_or_default(),
                settings: contents.config_keys(settings),
            };
            let now = keys(config_volume::secrets(volume, &asked), of_now.as_ref());
            let backup = keys(
                config_volume::secrets_restored(restored.folder, &asked),
                of_backup.as_ref(),
            );
            notes.extend(compare::stale_keys(&self.profile.title, &now, &backup));
        }
        let about = record::trusted(restored.about);
        let settings = compare::settings(of_now.as_ref(), of_backup.as_ref());
        let seen = restored.made.map(|made| Seen {
            made,
            about: about.clone(),
            answers: backup.given.clone(),
            lacking: backup.lacking.clone(),
            figures: None,
        });
        let unfit = self.judge(
            restored,
            (&about, seen.as_ref()),
            &backup,
            now.as_ref(),
            &mut notes,
        );
        let contents = Some(in_one_line(&backup.given, &backup.lacking));
        let contents = contents.filter(|contents| !contents.is_empty());
        self.found = Some(Found {
            seen,
            backup,
            now,
            settings,
        });
        Examined {
            problems,
            unfit,
            notes,
            contents,
        }
    }

    /// Why the app cannot take the content. What a person should know is added to `notes`.
    fn judge(
        &self,
        restored: &Restored<'_>,
        (about, seen): (&About, Option<&Seen>),
        backup: &Answers,
        now: Option<&Answers>,
        notes: &mut Vec<String>,
    ) -> Option<Unfit> {
        let title = &self.profile.title;
        let essential = &self.profile.contents().essential;
        let fewer = seen.map(|seen| fewer(&self.earlier.0, seen, essential, self.earlier.1));
        let lost = lost(title, essential, backup, now, &fewer.unwrap_or_default());
        let fitting = fits((self.profile, &self.app), (&self.about, now), (about, backup));
        let fitting = match fitting {
            Ok(_) if self.lacks_its_databases(restored) => Err((
                format!("it holds none of the databases of {title}"),
                "choose another backup: list-backups".to_owned(),
            )),
            other => other,
        };
        match unless_lost(fitting, lost) {
            Ok(note) => notes.extend(note),
            Err((why, next)) => match self.of_later.taken(why, next, "") {
                Ok(note) => notes.push(note),
                Err(unfit) => return Some(unfit),
            },
        }
        if !is_empty(essential, backup) {
            return None;
        }
        let empty = format!("it holds nothing that counts in {title}, as after an accident");
        match &self.instead {
            Some((before, next)) => Some(Unfit {
                why: format!("{empty}, and an older good backup is {before}"),
                next: next.clone(),
            }),
            // One without a database is refused above where anything was lost with it.
            None if !backup.lacking.is_empty() => None,
            None => {
                notes.push(empty);
                None
            }
        }
    }

    /// Whether it is another application's content, and the app has databases of its own of which none is there.
    fn lacks_its_databases(&self, restored: &Restored<'_>) -> bool {
        if restored.backup.whose.app == self.app {
            return false;
        }
        let databases = self.profile.storage.iter().flat_map(|storage| &storage.databases);
        let mut databases = databases.peekable();
        databases.peek().is_some() && databases.all(|path| !restored.folder.join(path).is_file())
    }
}

/// The settings of a config file, by their names.
type Settings = BTreeMap<String, String>;

/// The settings of the config file in a volume.
fn settings(profile: &AppProfile, volume: &Path) -> Option<Settings> {
    let (file, inside) = profile.config_file_in_volume()?;
    config_file::settings(file, &read_plain(&volume.join(inside)).ok()?)
}

/// Whether the app's own file reads as such, and, where no manifest says what was backed up (`promised`), whether the app's
/// databases are there. What is wrong, a line each.
fn examine(profile: &AppProfile, folder: &Path, promised: bool) -> Vec<String> {
    let Some(storage) = &profile.storage else {
        return Vec::new();
    };
    let unpromised = storage.databases.iter().filter(|_| !promised);
    let missing = unpromised.filter(|name| !folder.join(name.trim_start_matches('/')).is_file());
    let mut problems: Vec<String> = missing
        .map(|name| format!("{name} is missing, a database that {} needs", profile.title))
        .collect();
    if let Some((file, inside)) = profile.config_file_in_volume() {
        let shown = inside.display();
        problems.extend(match read_plain(&folder.join(inside)) {
            Ok(content) => config_file::damage(file, &content).map(|damage| format!("{shown}: {damage}")),
            Err(error) => Some(format!("{shown} cannot be read: {error}")),
        });
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> AppProfile {
        AppProfile::parse("sample.yaml", include_str!("../../tests/data/sample.yaml")).unwrap()
    }

    #[test]
    fn a_folder_is_the_apps_if_its_file_reads_as_such() {
        let profile = profile();
        let file = profile.config_file.as_ref().unwrap();
        let inside = Path::new(&file.path)
            .strip_prefix(&profile.storage.as_ref().unwrap().location)
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let missing = examine(&profile, folder.path(), true);
        assert!(
            missing.len() == 1 && missing[0].contains("cannot be read"),
            "{missing:?}"
        );
        let place = folder.path().join(inside);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        let root = file.root();
        std::fs::write(&place, format!("<{root}><ApiKey>k</ApiKey></{root}>")).unwrap();
        assert_eq!(examine(&profile, folder.path(), true), Vec::<String>::new());
        let missing = examine(&profile, folder.path(), false);
        assert!(
            missing.len() == 2 && missing[0].starts_with("sample.db is missing"),
            "{missing:?}"
        );
        std::fs::create_dir(folder.path().join("state")).unwrap();
        for name in ["sample.db", "state/other.db"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(examine(&profile, folder.path(), false), Vec::<String>::new());
        for damaged in ["", "\0\0\0\0", "<Other/>", "<Config><ApiKey>k</Api"] {
            std::fs::write(&place, damaged).unwrap();
            assert_eq!(examine(&profile, folder.path(), true).len(), 1, "{damaged:?}");
        }
    }
}
