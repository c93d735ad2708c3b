//! What the app files ask of databases, asked for real: of a schema from each app's source, in `tests/data/schemas`.

use config_volume::{AnswerKind, ask};
use rusqlite::Connection;
use workload_charm::contents::in_one_line;

/// What each app answers of the rows in its schema file.
const ANSWERS: &str = include_str!("data/schemas/answers.txt");

#[test]
fn every_question_is_answered_by_the_apps_own_schema() {
    let mut told = String::new();
    for (_, profile) in crate::common::apps() {
        let Some(storage) = &profile.storage else { continue };
        let contents = &storage.contents;
        if !storage.backup {
            continue;
        }
        let app = &profile.name;
        assert!(!contents.databases.is_empty(), "{app} counts nothing");
        let folder = tempfile::tempdir().unwrap();
        let schema = crate::common::apps_folder().join(format!("../tests/data/schemas/{app}.sql"));
        let statements = std::fs::read_to_string(&schema).unwrap();
        for path in contents.databases.keys() {
            let database = folder.path().join(path);
            std::fs::create_dir_all(database.parent().unwrap()).unwrap();
            Connection::open(database)
                .unwrap()
                .execute_batch(&statements)
                .unwrap_or_else(|error| panic!("{app}: {error}"));
        }
        for pattern in contents.files.values() {
            let place = folder.path().join(pattern.replace('*', "one"));
            std::fs::create_dir_all(place.parent().unwrap()).unwrap();
            std::fs::write(place, "").unwrap();
        }
        let questions = contents.questions();
        let answers = ask(folder.path(), &questions).unwrap();
        assert_eq!(answers.unanswered, [], "{app}");
        assert_eq!(answers.given.len(), questions.len(), "{app}: {answers:?}");
        for answer in &answers.given {
            match answer.kind {
                // One that is nothing would be so too if the table were another one.
                AnswerKind::Count => assert!(answer.value.parse::<u64>().unwrap() > 0, "{app}: {answer:?}"),
                AnswerKind::Newest => {
                    let time = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", &answer.value);
                    assert!(time.is_ok(), "{app}: {answer:?}");
                }
                AnswerKind::Schema => assert!(!answer.value.is_empty(), "{app}"),
            }
        }
        told.push_str(&format!(
            "{app}: {}\n",
            in_one_line(&answers.given, &answers.lacking)
        ));
    }
    assert_eq!(told, ANSWERS);
}
