//! Two contents side by side: what is there now, and what a backup holds.

use std::collections::{BTreeMap, BTreeSet};

use config_recovery::words::age;
use config_volume::{Answer, AnswerKind, Answers, Secret, Secrets};
use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use super::{NONE, titled};

/// What differs between the content `now` and that of a `backup`, a line each: `films 412 → 398`. A thing whose database one side
/// lacks is `none` there, and one that only one side can tell is told as that.
pub fn differences(now: &Answers, backup: &Answers) -> Vec<String> {
    let key = |answer: &Answer| (answer.kind, answer.name.clone());
    let mut sides: BTreeMap<(AnswerKind, String), Sides<'_>> = BTreeMap::new();
    for answer in &now.given {
        sides.entry(key(answer)).or_default().0 = Some(answer);
    }
    for answer in &backup.given {
        sides.entry(key(answer)).or_default().1 = Some(answer);
    }
    // Counts come first for people.
    let (schemas, others): (Vec<_>, Vec<_>) = sides
        .into_iter()
        .partition(|((kind, _), _)| *kind == AnswerKind::Schema);
    let sides = others.into_iter().chain(schemas);
    let lacks =
        |answers: &Answers, of: &Answer| of.kind == AnswerKind::Count && answers.lacking.contains(&of.name);
    sides
        .filter_map(|(_, side)| match side {
            (Some(now), Some(backup)) if now.value == backup.value => None,
            (Some(now), Some(backup)) => Some(both(now, backup)),
            (Some(had), None) if lacks(backup, had) => {
                Some(format!("{} {} → {NONE}", titled(had), had.value))
            }
            (None, Some(has)) if lacks(now, has) => Some(format!("{} {NONE} → {}", titled(has), has.value)),
            (Some(now), None) => Some(format!(
                "{} {}, and unknown in the backup",
                titled(now),
                now.value
            )),
            (None, Some(backup)) => Some(format!(
                "{} unknown now, and {} in the backup",
                titled(backup),
                backup.value
            )),
            (None, None) => None,
        })
        .collect()
}

/// The answer of now, and that of the backup.
type Sides<'a> = (Option<&'a Answer>, Option<&'a Answer>);

/// The keys of other apps for which `now` and a `backup` hold different ones.
fn other_keys<'a, Place: Ord, Key: PartialEq>(
    now: &'a BTreeMap<Place, Key>,
    backup: &'a BTreeMap<Place, Key>,
) -> impl Iterator<Item = &'a Place> {
    let differ = backup
        .iter()
        .filter(|(place, key)| now.get(*place).is_some_and(|now| now != *key));
    differ.map(|(place, _)| place)
}

/// The keys of other apps in a volume: in its databases, and those settings of the config file that are such.
#[derive(Debug, Default)]
pub struct Keys {
    /// In the databases.
    pub databases: Secrets,
    /// In the config file.
    pub settings: BTreeMap<String, Secret>,
}

/// That a backup holds other keys of other apps than those in use, if it does: they were replaced since.
pub fn stale_keys(title: &str, now: &Keys, backup: &Keys) -> Option<String> {
    let in_databases = other_keys(&now.databases, &backup.databases).map(|(_, name)| name);
    let in_settings = other_keys(&now.settings, &backup.settings);
    let names: BTreeSet<String> = in_databases.chain(in_settings).map(|name| shown(name)).collect();
    let names: Vec<String> = names.into_iter().collect();
    (!names.is_empty()).then(|| {
        format!(
            "the backup holds other keys or passwords than those in use of {}: where they were replaced since, set them again in {title} after the \
             restore",
            names.join(", ")
        )
    })
}

fn both(now: &Answer, backup: &Answer) -> String {
    let change = format!("{} {} → {}", titled(now), now.value, backup.value);
    let times = moment(&now.value).zip(moment(&backup.value));
    match (now.kind, times) {
        (AnswerKind::Newest, Some((now, backup))) if backup < now => {
            format!("{change}, {} older", age(backup, now))
        }
        (AnswerKind::Newest, Some((now, backup))) => format!("{change}, {} newer", age(now, backup)),
        _ => change,
    }
}

/// The moment of an answer of the kind [`AnswerKind::Newest`].
fn moment(text: &str) -> Option<Timestamp> {
    let time = DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
    TimeZone::UTC.to_timestamp(time).ok()
}

/// A name has no more characters than this.
const NAME: usize = 100;

/// The names of the settings that differ between two config files; a value may be a secret. `None` where one of them cannot be
/// read.
pub fn settings(
    now: Option<&BTreeMap<String, String>>,
    backup: Option<&BTreeMap<String, String>>,
) -> Option<Vec<String>> {
    let (now, backup) = now.zip(backup)?;
    let names: BTreeSet<&String> = now.keys().chain(backup.keys()).collect();
    let differ = names
        .into_iter()
        .filter(|name| now.get(*name) != backup.get(*name));
    Some(differ.map(|name| shown(name)).collect())
}

/// A name out of a backup, which may come from anywhere.
fn shown(name: &str) -> String {
    name.chars()
        .filter(|c| config_volume::is_plain(*c))
        .take(NAME)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::samples::{answers, without_database};

    #[test]
    fn what_differs_is_shown_side_by_side_and_what_is_equal_is_not() {
        let now = answers("218", "412", "2026-11-29 03:04:05");
        let backup = answers("215", "398", "2026-11-20 03:04:05");
        assert_eq!(
            differences(&now, &backup),
            [
                "films 412 → 398",
                "newest history 2026-11-29 03:04:05 → 2026-11-20 03:04:05, 9 d older",
                "schema of films.db 218 → 215"
            ]
        );
        assert_eq!(
            differences(&backup, &now)[1],
            "newest history 2026-11-20 03:04:05 → 2026-11-29 03:04:05, 9 d newer"
        );
        assert_eq!(differences(&now, &now), Vec::<String>::new());
        assert_eq!(
            differences(&answers("218", "412", ""), &answers("218", "", "somewhen")),
            [
                "films 412, and unknown in the backup",
                "newest history unknown now, and somewhen in the backup"
            ]
        );
    }

    #[test]
    fn what_has_no_database_on_one_side_is_none_there() {
        let films = answers("", "412", "");
        assert_eq!(differences(&films, &without_database()), ["films 412 → none"]);
        assert_eq!(differences(&without_database(), &films), ["films none → 412"]);
        assert_eq!(
            differences(&without_database(), &without_database()),
            Vec::<String>::new()
        );
    }

    #[test]
    fn settings_are_told_by_their_names_alone() {
        let file = |key: &str, more: &[&str]| {
            let more = more.iter().map(|name| ((*name).to_owned(), "1".to_owned()));
            let own = [
                ("ApiKey".to_owned(), key.to_owned()),
                ("Port".to_owned(), "7878".to_owned()),
            ];
            more.chain(own).collect::<BTreeMap<_, _>>()
        };
        let now = file("secret", &["UrlBase"]);
        let backup = file("other", &["Theme"]);
        assert_eq!(
            settings(Some(&now), Some(&backup)),
            Some(vec![
                "ApiKey".to_owned(),
                "Theme".to_owned(),
                "UrlBase".to_owned()
            ])
        );
        assert_eq!(settings(Some(&now), Some(&now)), Some(Vec::new()));
        assert_eq!(settings(None, Some(&backup)), None);
        // Nothing of a name hides or turns what is beside it.
        let hostile = file("secret", &["UrlBase", "a\u{202e}b\u{1b}c"]);
        assert_eq!(settings(Some(&now), Some(&hostile)), Some(vec!["abc".to_owned()]));
    }
}
