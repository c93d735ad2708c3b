//! What the app's data are, in the app's own terms: films, indexers, the newest entry of a history. The app file says what to ask
//! ([`crate::profile::AppContents`]), `config_volume` asks it; here is what follows from the answers.
//!
//! [`compare`] shows two contents side by side, [`guard`] says whether this app can take a backup's content, [`record`] is what a
//! backup says of the app, [`seen`] what was seen of earlier backups, [`fewer`] what has become less, [`lacking`] what has lost its database.

pub mod compare;
pub mod fewer;
pub mod guard;
pub mod lacking;
pub mod record;
pub mod seen;

use std::path::Path;

use config_volume::{Answer, AnswerKind, Answers};

/// The last part of a database's path: what people call it.
fn short(database: &str) -> &str {
    Path::new(database)
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or(database)
}

/// What was asked for, for people: `films`, `newest history`, `schema of films.db`.
fn titled(answer: &Answer) -> String {
    match answer.kind {
        AnswerKind::Schema => format!("schema of {}", short(&answer.name)),
        AnswerKind::Count => answer.name.clone(),
        AnswerKind::Newest => format!("newest {}", answer.name),
    }
}

/// What there is of a thing whose database is missing.
const NONE: &str = "none";

/// Answers in one line: `films 398, indexers 4, newest history 2026-11-20 03:04:05, schema of films.db 218`. Where the database of a
/// count is missing: `films none`.
pub fn in_one_line(given: &[Answer], lacking: &[String]) -> String {
    let of = |kind| {
        let given = given.iter().filter(move |answer| answer.kind == kind);
        given.map(|answer| format!("{} {}", titled(answer), answer.value))
    };
    let lacking = lacking.iter().map(|name| format!("{name} {NONE}"));
    let told = of(AnswerKind::Count)
        .chain(lacking)
        .chain(of(AnswerKind::Newest))
        .chain(of(AnswerKind::Schema));
    told.collect::<Vec<_>>().join(", ")
}

/// Whether an app has none of what is `essential` in it: as one that was deployed anew, or
/// emptied by an accident.
pub fn is_empty(essential: &[String], answers: &Answers) -> bool {
    let mut counts = lacking::counts(&answers.given, &answers.lacking)
        .filter(|(name, _)| fewer::is_essential(essential, name))
        .peekable();
    counts.peek().is_some() && counts.all(|(_, count)| count == 0)
}

#[cfg(test)]
pub(crate) mod samples {
    use super::*;

    /// Answers of an app.
    pub fn answers(schema: &str, films: &str, newest: &str) -> Answers {
        let answer = |kind, name: &str, value: &str| Answer {
            kind,
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let given = [
            answer(AnswerKind::Schema, "data/films.db", schema),
            answer(AnswerKind::Count, "films", films),
            answer(AnswerKind::Newest, "history", newest),
        ];
        Answers {
            given: given
                .into_iter()
                .filter(|answer| !answer.value.is_empty())
                .collect(),
            ..Answers::default()
        }
    }

    /// Answers of an app without its database.
    pub fn without_database() -> Answers {
        Answers {
            lacking: vec!["films".to_owned()],
            ..Answers::default()
        }
    }

    #[test]
    fn a_line_begins_with_what_people_count() {
        assert_eq!(
            in_one_line(&answers("218", "398", "2026-11-20 03:04:05").given, &[]),
            "films 398, newest history 2026-11-20 03:04:05, schema of films.db 218"
        );
        let [lacking] = without_database().lacking.try_into().unwrap();
        assert_eq!(
            in_one_line(&answers("218", "", "").given, &[lacking]),
            "films none, schema of films.db 218"
        );
        let films = ["films".to_owned()];
        assert!(!is_empty(&[], &answers("218", "0", "")), "it cannot be told");
        assert!(is_empty(&films, &answers("218", "0", "")));
        assert!(!is_empty(&films, &answers("218", "1", "")));
        assert!(!is_empty(&films, &answers("218", "", "")), "nothing was counted");
        assert!(is_empty(&films, &without_database()));
        let users = ["users".to_owned()];
        assert!(
            !is_empty(&users, &answers("218", "0", "")),
            "nothing essential was counted"
        );
    }
}
