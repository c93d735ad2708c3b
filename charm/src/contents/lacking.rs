//! Counts whose database is not there: whoever had films and has no database any more has none. One that is there and cannot be
//! asked says nothing of the kind: what it holds is not known.

use std::path::Path;

use config_recovery::words::day;
use config_volume::{Answer, AnswerKind, Answers};

use super::fewer::{Fewer, is_essential};
use crate::config_file;
use crate::profile::AppProfile;
use crate::volume::read_plain;

/// The app's own things, with how many there are: those that were counted, and none of those whose database is `lacking`.
pub fn counts<'a>(given: &'a [Answer], lacking: &'a [String]) -> impl Iterator<Item = (&'a str, u64)> {
    let counted = given
        .iter()
        .filter(|answer| answer.kind == AnswerKind::Count)
        .filter_map(|answer| Some((answer.name.as_str(), answer.value.parse().ok()?)));
    counted.chain(lacking.iter().map(|name| (name.as_str(), 0)))
}

/// What answers about a `volume` mean for this app: one that keeps its data in a database elsewhere has none there to lack.
pub fn judged(profile: &AppProfile, volume: &Path, mut answers: Answers) -> Answers {
    if !answers.lacking.is_empty() && keeps_them_elsewhere(profile, volume) {
        answers.lacking.clear();
    }
    answers
}

fn keeps_them_elsewhere(profile: &AppProfile, volume: &Path) -> bool {
    let Some((file, inside)) = profile.config_file_in_volume() else {
        return false;
    };
    let Ok(content) = read_plain(&volume.join(inside)) else {
        return false;
    };
    let mut storages = profile.storage.iter();
    storages
        .any(|storage| config_file::first_set(file, &content, &storage.external_database.settings).is_some())
}

/// That a backup lacks the database of what is essential, which is there `now` or was in backups before: those it has `fewer` of.
/// Why it cannot be what is meant.
pub fn lost(
    title: &str,
    essential: &[String],
    backup: &Answers,
    now: Option<&Answers>,
    fewer: &[Fewer],
) -> Option<String> {
    let is_lacking =
        |name: &str| is_essential(essential, name) && backup.lacking.iter().any(|lacking| lacking == name);
    let here = now.into_iter().flat_map(|now| counts(&now.given, &now.lacking));
    let here = here
        .filter(|(name, count)| *count > 0 && is_lacking(name))
        .map(|(name, count)| (name, format!("{title} has {count} here")));
    let before = fewer.iter().filter(|fewer| is_lacking(&fewer.name)).map(|fewer| {
        let had = format!("the backup of {} had {}", day(fewer.at), fewer.before);
        (fewer.name.as_str(), had)
    });
    let (name, had) = here.chain(before).next()?;
    Some(format!(
        "its database with the {name} is missing or empty, and {had}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::samples::{answers, without_database};

    fn films() -> [String; 1] {
        ["films".to_owned()]
    }

    #[test]
    fn what_was_there_and_has_no_database_any_more_is_lost() {
        let had = answers("218", "412", "");
        let text = lost("Radarr", &films(), &without_database(), Some(&had), &[]);
        assert_eq!(
            text.unwrap(),
            "its database with the films is missing or empty, and Radarr has 412 here"
        );
        let before = Fewer {
            name: "films".to_owned(),
            now: 0,
            before: 398,
            at: "2026-11-29T02:00:00Z".parse().unwrap(),
        };
        let text = lost(
            "Radarr",
            &films(),
            &without_database(),
            Some(&without_database()),
            &[before],
        );
        assert_eq!(
            text.unwrap(),
            "its database with the films is missing or empty, and the backup of 2026-11-29 had 398"
        );
    }

    #[test]
    fn what_was_never_there_or_is_not_known_or_does_not_count_is_not_lost() {
        let had = answers("218", "412", "");
        let unknown = Answers::default();
        for (essential, backup, now) in [
            (films().as_slice(), without_database(), None),
            (&films(), without_database(), Some(without_database())),
            (&films(), without_database(), Some(answers("218", "0", ""))),
            (&films(), without_database(), Some(unknown.clone())),
            (&films(), unknown, Some(had.clone())),
            (&films(), answers("218", "0", ""), Some(had.clone())),
            (&[], without_database(), Some(had)),
        ] {
            let told = lost("Radarr", essential, &backup, now.as_ref(), &[]);
            assert_eq!(told, None, "{essential:?} {backup:?} {now:?}");
        }
    }

    #[test]
    fn an_app_whose_database_is_elsewhere_lacks_none_in_its_volume() {
        let profile = AppProfile::parse("radarr.yaml", include_str!("../../apps/radarr.yaml")).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let lacking = |host: &str| {
            let text = format!("<Config><PostgresHost>{host}</PostgresHost></Config>");
            std::fs::write(folder.path().join("config.xml"), text).unwrap();
            judged(&profile, folder.path(), without_database()).lacking
        };
        assert_eq!(lacking("db.example"), Vec::<String>::new());
        assert_eq!(lacking(""), films());
    }
}
