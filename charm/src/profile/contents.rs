//! What a person would miss, and how to count it: queries of the app's databases, and files.

use std::collections::{BTreeMap, BTreeSet};

use config_volume::{AnswerKind, Question, Secret, SecretsQuestion, Source};
use schemars::JsonSchema;
use serde::Deserialize;

use super::check::{Checked, is_path_in_volume, refuse};

/// What the config volume holds, in the app's own terms. It is asked of a backup and of the volume in use, so that a person sees
/// what a restore would change, and so that an app gets no content that it cannot read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppContents {
    /// What to ask which database, by its path in the volume. One that is not there is not asked.
    #[serde(default)]
    pub databases: BTreeMap<String, DatabaseContents>,
    /// What is a file of its own, by its name for people: a folder in the volume, behind it `*` and how the names end, and for folders
    /// perhaps the path of a file that is in each.
    #[serde(default)]
    pub files: BTreeMap<String, String>,
    /// The counts without any of which the app counts as empty: one that was deployed anew has a user, say. If none is given it never
    /// does.
    #[serde(default)]
    pub essential: Vec<String>,
    /// Other apps whose data this one can read, by the names of their charms.
    #[serde(default)]
    pub takes_over: Vec<String>,
    /// The settings of the config file that are keys of other apps, with `*` for what tells several apart: `radarr/*/apiKey`. They are
    /// only compared, and shown nowhere.
    #[serde(default)]
    pub config_keys: Vec<String>,
}

/// What to ask a database. Each is one `SELECT` over tables, with SQLite's own functions, that answers one value. A query that a
/// version of the app does not know is left out there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DatabaseContents {
    /// The version of its schema: a number, or a text that sorts, which grows with each migration.
    #[serde(default)]
    pub schema: Option<String>,
    /// How many there are, by names for people in the plural: `films`.
    #[serde(default)]
    pub counts: BTreeMap<String, String>,
    /// When the newest one was made, as `YYYY-MM-DD HH:MM:SS` in UTC: `datetime(max(...))`.
    #[serde(default)]
    pub newest: BTreeMap<String, String>,
    /// The keys of other apps that it holds, by what they are for: `download-clients`. Each answers rows of a name for people and a
    /// key. Keys are only compared, and shown nowhere.
    #[serde(default)]
    pub keys: BTreeMap<String, String>,
}

impl AppContents {
    /// Of an app in which nothing is counted.
    pub const fn nothing() -> Self {
        Self {
            databases: BTreeMap::new(),
            files: BTreeMap::new(),
            essential: Vec::new(),
            takes_over: Vec::new(),
            config_keys: Vec::new(),
        }
    }

    /// Those settings of the config file that are keys of other apps.
    pub fn config_keys(&self, settings: Option<&BTreeMap<String, String>>) -> BTreeMap<String, Secret> {
        let keys = settings
            .into_iter()
            .flatten()
            .filter(|(name, _)| self.is_config_key(name));
        keys.map(|(name, key)| (name.clone(), Secret::from(key.clone())))
            .collect()
    }

    fn is_config_key(&self, setting: &str) -> bool {
        self.config_keys
            .iter()
            .any(|pattern| match pattern.split_once('*') {
                Some((before, behind)) => setting
                    .strip_prefix(before)
                    .is_some_and(|rest| rest.len() > behind.len() && rest.ends_with(behind)),
                None => setting == pattern,
            })
    }

    /// The questions for the keys of other apps.
    pub fn keys(&self) -> Vec<SecretsQuestion> {
        let databases = self.databases.iter();
        databases
            .flat_map(|(path, asked)| {
                asked.keys.values().map(|query| SecretsQuestion {
                    path: path.clone(),
                    query: query.clone(),
                })
            })
            .collect()
    }

    /// All of it as questions: schemas first, then counts, then the newest ones.
    pub fn questions(&self) -> Vec<Question> {
        let mut questions = Vec::new();
        for (path, asked) in &self.databases {
            let mut ask = |kind, name: &str, query: &str| {
                questions.push(Question {
                    kind,
                    name: name.to_owned(),
                    source: Source::Database {
                        path: path.clone(),
                        query: query.to_owned(),
                    },
                });
            };
            if let Some(query) = &asked.schema {
                ask(AnswerKind::Schema, path, query);
            }
            for (name, query) in &asked.counts {
                ask(AnswerKind::Count, name, query);
            }
            for (name, query) in &asked.newest {
                ask(AnswerKind::Newest, name, query);
            }
        }
        let files = self.files.iter().filter_map(|(name, place)| {
            let (folder, suffix, within) = parts(place)?;
            Some(Question {
                kind: AnswerKind::Count,
                name: name.clone(),
                source: Source::Files {
                    folder: folder.to_owned(),
                    suffix: suffix.to_owned(),
                    within: within.map(str::to_owned),
                },
            })
        });
        questions.extend(files);
        questions.sort_by_key(|question| question.kind);
        questions
    }
}

/// Folder, end of the names, and what is in each.
fn parts(place: &str) -> Option<(&str, &str, Option<&str>)> {
    let (folder, rest) = place.split_once("/*")?;
    let (suffix, within) = match rest.split_once('/') {
        Some((suffix, within)) => (suffix, Some(within)),
        None => (rest, None),
    };
    let is_plain = !place.replacen('*', "", 1).contains('*');
    (is_plain && is_path_in_volume(folder) && within.is_none_or(is_path_in_volume))
        .then_some((folder, suffix, within))
}

pub(super) fn check(contents: &AppContents) -> Checked {
    let mut names: BTreeSet<(AnswerKind, &str)> = BTreeSet::new();
    for (path, asked) in &contents.databases {
        let field = format!("storage.contents.databases.{path}");
        if !is_path_in_volume(path) {
            return refuse(field, "must be a path in the volume, relative, without . and ..");
        }
        let named = |(name, query)| (Some(name), query);
        let schema = asked.schema.iter().map(|query| (None, query));
        for (kind, asked) in [
            (AnswerKind::Schema, schema.collect::<Vec<_>>()),
            (AnswerKind::Count, asked.counts.iter().map(named).collect()),
            (AnswerKind::Newest, asked.newest.iter().map(named).collect()),
            (
                AnswerKind::Schema,
                asked.keys.values().map(|query| (None, query)).collect(),
            ),
        ] {
            for (name, query) in asked {
                if let Some(name) = name {
                    check_name(&field, kind, name, &mut names)?;
                }
                if !query.trim_start().to_ascii_uppercase().starts_with("SELECT ") {
                    return refuse(field, "must be asked with SELECT");
                }
            }
        }
    }
    for (name, place) in &contents.files {
        let field = format!("storage.contents.files.{name}");
        if parts(place).is_none() {
            return refuse(
                field,
                "must be a folder in the volume, then /* and how the names end",
            );
        }
        check_name(&field, AnswerKind::Count, name, &mut names)?;
    }
    for pattern in &contents.config_keys {
        let is_fit = !pattern.is_empty() && pattern.matches('*').count() <= 1;
        if !is_fit {
            return refuse(
                "storage.contents.config-keys",
                "must name a setting, with one * at most",
            );
        }
    }
    for name in &contents.essential {
        if !names.contains(&(AnswerKind::Count, name)) {
            return refuse(
                "storage.contents.essential",
                format!("names {name}, which is not counted"),
            );
        }
    }
    Ok(())
}

fn check_name<'a>(
    field: &str,
    kind: AnswerKind,
    name: &'a str,
    names: &mut BTreeSet<(AnswerKind, &'a str)>,
) -> Checked {
    if !super::check::is_name(name) {
        return refuse(
            field,
            format!("names {name:?}, which must be lower-case letters, digits and dashes, a letter first"),
        );
    }
    if !names.insert((kind, name)) {
        return refuse(field, format!("names {name} a second time"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str) -> AppContents {
        serde_yaml::from_str(text).unwrap()
    }

    #[test]
    fn questions_are_in_the_order_in_which_people_are_told() {
        let contents = contents(
            "databases: {a.db: {schema: SELECT 1, newest: {history: SELECT 2}, counts: {films: SELECT 3}}, \
             b.db: {counts: {users: SELECT 4}}}\nfiles: {torrents: 'a/b/*.fastresume'}",
        );
        assert!(check(&contents).is_ok());
        let questions = contents.questions();
        let names: Vec<&str> = questions.iter().map(|question| &*question.name).collect();
        assert_eq!(names, ["a.db", "films", "users", "torrents", "history"]);
        let files = Source::Files {
            folder: "a/b".to_owned(),
            suffix: ".fastresume".to_owned(),
            within: None,
        };
        assert_eq!(questions[3].source, files);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_its_place() {
        for (text, reason) in [
            ("databases: {../a.db: {}}", "must be a path in the volume"),
            (
                "databases: {a.db: {schema: DELETE FROM a}}",
                "must be asked with SELECT",
            ),
            ("databases: {a.db: {counts: {Films: SELECT 1}}}", "lower-case"),
            (
                "databases: {a.db: {counts: {films: SELECT 1}}, b.db: {counts: {films: SELECT 1}}}",
                "a second time",
            ),
            ("files: {torrents: '*.a'}", "must be a folder"),
            ("files: {torrents: 'a/x*.a'}", "must be a folder"),
            ("files: {torrents: '../*.a'}", "must be a folder"),
            ("files: {torrents: 'a/*/*'}", "must be a folder"),
            ("essential: [films]", "is not counted"),
            ("files: {torrents: 'a/*/../b'}", "must be a folder"),
            ("config-keys: [radarr/*/*]", "one * at most"),
            ("config-keys: ['']", "one * at most"),
        ] {
            let Err(fault) = check(&contents(text)) else {
                panic!("{text}")
            };
            assert!(fault.reason.contains(reason), "{text}: {}", fault.reason);
        }
    }
}
