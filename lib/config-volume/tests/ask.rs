//! What databases are asked: of a live volume, of a restored one, of the copies of a backup; and what a hostile one does to that.
#![cfg(test)]

mod common;

use std::{collections::BTreeMap, fs, path::Path, time::Instant};

use common::{back_up_and_restore, newest_set, own};
use config_volume::{
    AnswerKind, Answers, Manifest, Options, Question, SecretsQuestion, Source, ask, ask_restored, prepare,
    put_in_place, secrets, secrets_restored, verify,
};
use rusqlite::Connection;

fn question(kind: AnswerKind, name: &str, query: &str) -> Question {
    Question {
        kind,
        name: name.to_owned(),
        source: Source::Database {
            path: "radarr.db".to_owned(),
            query: query.to_owned(),
        },
    }
}

fn questions() -> Vec<Question> {
    vec![
        question(
            AnswerKind::Schema,
            "radarr.db",
            r#"SELECT max("Version") FROM "VersionInfo""#,
        ),
        question(AnswerKind::Count, "films", r#"SELECT count(*) FROM "Movies""#),
        question(
            AnswerKind::Newest,
            "history",
            r#"SELECT datetime(max("Date")) FROM "History""#,
        ),
        question(AnswerKind::Count, "of-later", r#"SELECT count(*) FROM "Later""#),
        Question {
            kind: AnswerKind::Count,
            name: "torrents".to_owned(),
            source: Source::Files {
                folder: "BT_backup".to_owned(),
                suffix: ".fastresume".to_owned(),
                within: None,
            },
        },
        Question {
            kind: AnswerKind::Count,
            name: "jobs".to_owned(),
            source: Source::Files {
                folder: "incomplete".to_owned(),
                suffix: String::new(),
                within: Some("__ADMIN__/attributes".to_owned()),
            },
        },
    ]
}

/// A small database of Radarr's kind.
fn make(path: &Path, mode: &str, films: u32) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.pragma_update(None, "journal_mode", mode).unwrap();
    connection
        .execute_batch(
            r#"CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL);
               INSERT INTO "VersionInfo" VALUES (1), (218);
               CREATE TABLE "Movies" ("Id" INTEGER PRIMARY KEY);
               CREATE TABLE "History" ("Date" DATETIME NOT NULL);
               INSERT INTO "History" VALUES ('2026-11-20 03:04:05.1234567Z'), ('2025-01-01 00:00:00Z');"#,
        )
        .unwrap();
    for _ in 0..films {
        connection
            .execute(r#"INSERT INTO "Movies" DEFAULT VALUES"#, [])
            .unwrap();
    }
    connection
}

fn values(answers: &Answers) -> BTreeMap<&str, &str> {
    let given = answers.given.iter();
    given.map(|answer| (&*answer.name, &*answer.value)).collect()
}

fn expected<'a>(films: &'a str, torrents: Option<&'a str>) -> BTreeMap<&'a str, &'a str> {
    let sure = [
        ("radarr.db", "218"),
        ("films", films),
        ("history", "2026-11-20 03:04:05"),
    ];
    let torrents = torrents.map(|torrents| ("torrents", torrents));
    let jobs = torrents.map(|_| ("jobs", "1"));
    sure.into_iter().chain(torrents).chain(jobs).collect()
}

#[test]
fn a_live_volume_answers_as_of_now_and_nothing_is_left_beside_its_databases() {
    for mode in ["wal", "delete"] {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("radarr.db");
        let nothing = ask(folder.path(), &questions()).unwrap();
        assert!(
            nothing.given.is_empty() && nothing.unanswered.is_empty(),
            "there is nothing to ask: {nothing:?}"
        );
        let app = make(&database, mode, 2);
        fs::create_dir(folder.path().join("BT_backup")).unwrap();
        fs::write(folder.path().join("BT_backup/a.fastresume"), "").unwrap();
        fs::write(folder.path().join("BT_backup/a.torrent"), "").unwrap();
        for job in ["one", "two"] {
            fs::create_dir_all(folder.path().join("incomplete").join(job).join("__ADMIN__")).unwrap();
        }
        fs::write(folder.path().join("incomplete/two/__ADMIN__/attributes"), "").unwrap();
        fs::write(folder.path().join("incomplete/stray"), "").unwrap();
        let answers = ask(folder.path(), &questions()).unwrap();
        assert_eq!(values(&answers), expected("2", Some("1")), "{mode}");
        assert_eq!(answers.unanswered.len(), 1, "{answers:?}");
        let said = answers.unanswered[0].to_string();
        assert_eq!(said, "of-later: no such table: Later", "{said}");
        // In the log, and in no file yet.
        app.execute(r#"INSERT INTO "Movies" DEFAULT VALUES"#, []).unwrap();
        let answers = ask(folder.path(), &questions()).unwrap();
        assert_eq!(answers.get(AnswerKind::Count, "films"), Some("3"), "{mode}");
        assert_eq!(answers.get(AnswerKind::Schema, "films"), None);
        drop(app);
        let before = common::snapshot(folder.path());
        let answers = ask(folder.path(), &questions()).unwrap();
        assert_eq!(values(&answers), expected("3", Some("1")), "{mode}");
        assert_eq!(common::snapshot(folder.path()), before, "{mode}");
    }
}

#[test]
fn the_log_of_a_killed_app_is_not_taken_in_by_whoever_asks() {
    let folder = tempfile::tempdir().unwrap();
    let app = make(&folder.path().join("radarr.db"), "wal", 2);
    let killed = tempfile::tempdir().unwrap();
    for name in ["radarr.db", "radarr.db-wal"] {
        fs::copy(folder.path().join(name), killed.path().join(name)).unwrap();
    }
    drop(app);
    let before = common::snapshot(killed.path());
    let answers = ask(killed.path(), &questions()).unwrap();
    assert!(values(&answers).is_empty(), "{answers:?}");
    assert!(
        answers.unanswered[0].reason.contains("it does when it starts"),
        "{answers:?}"
    );
    assert_eq!(common::snapshot(killed.path()), before);
    // Nobody else has a restored one: its log is read as the app would.
    let answers = ask_restored(killed.path(), &questions()).unwrap();
    assert_eq!(values(&answers), expected("2", None));
}

#[test]
fn a_backup_says_what_its_copies_hold_and_a_restored_volume_answers_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let (live, restored) = (folder.path().join("live"), folder.path().join("restored"));
    fs::create_dir(&live).unwrap();
    let app = make(&live.join("radarr.db"), "wal", 7);
    let about = [
        ("version", "6.1.1.10360"),
        ("hostile", "two\nlines"),
        ("image", "lscr.io/linuxserver/radarr:6.1.1"),
    ];
    let options = Options {
        questions: questions(),
        about: about
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        ..own()
    };
    let prepared = prepare(&live, &options).unwrap();
    let names: Vec<String> = prepared.unanswered.iter().map(ToString::to_string).collect();
    assert_eq!(names, ["of-later: no such table: Later"]);
    app.execute(r#"INSERT INTO "Movies" DEFAULT VALUES"#, []).unwrap();
    back_up_and_restore(&live, &restored);
    let head = fs::read(newest_set(&restored).join("manifest.json")).unwrap();
    let manifest = Manifest::parse(&head).unwrap();
    let told = Answers {
        given: manifest.answers,
        ..Answers::default()
    };
    assert_eq!(values(&told), expected("7", None));
    let about = verify(&restored).unwrap().about;
    assert_eq!(about.len(), 2, "{about:?}");
    assert_eq!(about["version"], "6.1.1.10360");
    put_in_place(&restored).unwrap();
    let answers = ask_restored(&restored, &questions()).unwrap();
    assert_eq!(values(&answers), values(&told));
}

#[test]
fn secrets_are_compared_and_never_shown() {
    let volume = |key: &str| {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("radarr.db"))
            .unwrap()
            .execute_batch(&format!(
                r#"CREATE TABLE "DownloadClients" ("Name", "Settings");
                   INSERT INTO "DownloadClients" VALUES ('SABnzbd', '{{"apiKey": "{key}"}}'), ('other', '{{}}'), ('none', 'no JSON');"#
            ))
            .unwrap();
        folder
    };
    let question = SecretsQuestion {
        path: "radarr.db".to_owned(),
        query: r#"SELECT "Name", json_extract("Settings", '$.apiKey') FROM "DownloadClients" WHERE json_valid("Settings")"#
            .to_owned(),
    };
    let missing = SecretsQuestion {
        query: "SELECT a, b FROM nothing".to_owned(),
        ..question.clone()
    };
    let questions = [missing, question];
    let (old, new) = (volume("abcdef"), volume("ghijkl"));
    let found = secrets(old.path(), &questions).unwrap();
    assert_eq!(found.keys().collect::<Vec<_>>(), [&(1, "SABnzbd".to_owned())]);
    assert!(!format!("{found:?}").contains("abcdef"), "{found:?}");
    assert_eq!(secrets_restored(old.path(), &questions).unwrap(), found);
    assert_ne!(secrets_restored(new.path(), &questions).unwrap(), found);
}

#[test]
fn a_hostile_database_answers_nothing_and_costs_no_more_than_a_query() {
    let endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT x FROM n";
    for (statements, reason) in [
        (
            format!(r#"CREATE VIEW "Movies" AS {endless}"#),
            "not authorized",
        ),
        (
            r#"CREATE TABLE "Movies" ("Id" AS (zeroblob(1000000000)), x); INSERT INTO "Movies" (x) VALUES (1);
               CREATE TABLE "Other" (x)"#
                .to_owned(),
            "too big",
        ),
        (
            r#"CREATE TABLE "Movies" ("Id"); INSERT INTO "Movies" VALUES (char(27) || '[2J')"#.to_owned(),
            "no short line of text",
        ),
        (
            r#"CREATE TABLE "Movies" ("Id"); INSERT INTO "Movies" VALUES (char(0x202e) || 'gnp.exe')"#.to_owned(),
            "no short line of text",
        ),
        (
            r#"CREATE TABLE "Movies" ("Id"); INSERT INTO "Movies" VALUES (printf('%.*c', 1000, 'x'))"#.to_owned(),
            "no short line of text",
        ),
        (
            r#"CREATE TABLE "Movies" ("Id"); INSERT INTO "Movies" VALUES (x'00')"#.to_owned(),
            "no text",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        Connection::open(folder.path().join("radarr.db"))
            .unwrap()
            .execute_batch(&statements)
            .unwrap();
        let asked = [question(
            AnswerKind::Count,
            "films",
            r#"SELECT max("Id") FROM "Movies""#,
        )];
        let began = Instant::now();
        for answers in [ask(folder.path(), &asked), ask_restored(folder.path(), &asked)] {
            let answers = answers.unwrap();
            assert!(answers.given.is_empty(), "{statements}: {answers:?}");
            assert!(
                answers.unanswered[0].reason.contains(reason),
                "{statements}: {answers:?}"
            );
        }
        assert!(began.elapsed().as_secs() < 5, "{statements}");
    }
    // One that would never end is ended, and nothing but reading is done.
    let folder = tempfile::tempdir().unwrap();
    let app = make(&folder.path().join("radarr.db"), "delete", 1);
    app.execute_batch(&format!(
        r#"CREATE TABLE "Many" (x); INSERT INTO "Many" {endless} LIMIT 1000;"#
    ))
    .unwrap();
    drop(app);
    let before = common::snapshot(folder.path());
    let asked = [
        question(
            AnswerKind::Count,
            "recursive",
            &format!("SELECT max(x) FROM ({endless})"),
        ),
        question(AnswerKind::Count, "gone", r#"DELETE FROM "Movies" RETURNING 1"#),
        question(AnswerKind::Count, "attached", "ATTACH 'other.db' AS other"),
        question(
            AnswerKind::Schema,
            "version",
            "SELECT user_version FROM pragma_user_version",
        ),
        question(
            AnswerKind::Count,
            "endless",
            r#"SELECT count(*) FROM "Many" a, "Many" b, "Many" c, "Many" d"#,
        ),
    ];
    let answers = ask(folder.path(), &asked).unwrap();
    let reasons: Vec<String> = answers.unanswered.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "recursive: not authorized",
            "gone: not authorized",
            "attached: not authorized",
            "endless: it takes longer than 5 s"
        ]
    );
    assert_eq!(answers.get(AnswerKind::Schema, "version"), Some("0"));
    assert_eq!(common::snapshot(folder.path()), before);
    for not_one in ["", "SQLite format 3\0 and nothing more"] {
        fs::write(folder.path().join("radarr.db"), not_one).unwrap();
        let answers = ask(folder.path(), &questions()).unwrap();
        assert!(answers.given.is_empty(), "{answers:?}");
    }
}

/// A database of a few kilobytes in which each page of a tree names the next one sixty times: to count it takes years, in one instruction
/// of SQLite's.
fn endless(path: &Path) {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(r#"PRAGMA page_size = 512; CREATE TABLE "Movies" ("Id" INTEGER PRIMARY KEY);"#)
        .unwrap();
    drop(connection);
    let mut bytes = fs::read(path).unwrap();
    assert_eq!(bytes.len(), 2 * 512, "the table is page 2");
    bytes.truncate(512);
    for page in 2_u32..9 {
        let mut inner = vec![0x05, 0, 0, 0, 60, 0, 0, 0];
        inner.extend((page + 1).to_be_bytes());
        let cells = 512 - 60 * 5;
        inner[5..7].copy_from_slice(&u16::try_from(cells).unwrap().to_be_bytes());
        for cell in 0..60_u16 {
            inner.extend((u16::try_from(cells).unwrap() + 5 * cell).to_be_bytes());
        }
        inner.resize(cells, 0);
        for cell in 0..60_u8 {
            inner.extend((page + 1).to_be_bytes());
            inner.push(cell + 1);
        }
        bytes.extend(inner);
    }
    // One row.
    let mut leaf = vec![0x0d, 0, 0, 0, 1, 1, 0xfc, 0, 1, 0xfc];
    leaf.resize(508, 0);
    leaf.extend([2, 1, 2, 0]);
    bytes.extend(leaf);
    bytes[28..32].copy_from_slice(&9_u32.to_be_bytes());
    fs::write(path, bytes).unwrap();
}

#[test]
fn a_count_without_end_is_ended_and_holds_up_no_backup() {
    let folder = tempfile::tempdir().unwrap();
    endless(&folder.path().join("radarr.db"));
    let count = question(AnswerKind::Count, "films", r#"SELECT count(*) FROM "Movies""#);
    let again = question(AnswerKind::Count, "again", r#"SELECT count(*) FROM "Movies""#);
    let options = Options {
        questions: vec![count, again],
        ..own()
    };
    let began = Instant::now();
    let prepared = prepare(folder.path(), &options).unwrap();
    let reasons: Vec<String> = prepared.unanswered.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "films: it takes longer than 5 s",
            "again: it takes longer than 5 s"
        ]
    );
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}

#[test]
fn a_locked_database_is_waited_for_once() {
    let folder = tempfile::tempdir().unwrap();
    let app = make(&folder.path().join("radarr.db"), "delete", 1);
    app.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let began = Instant::now();
    let answers = ask(folder.path(), &questions()).unwrap();
    assert!(values(&answers).is_empty(), "{answers:?}");
    assert!(
        answers
            .unanswered
            .iter()
            .all(|unanswered| unanswered.reason.contains("locked")),
        "{answers:?}"
    );
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn the_counts_of_a_database_that_is_missing_are_told_and_not_those_of_one_that_cannot_be_read() {
    type Puts = fn(&Path);
    let cases: [(&str, Puts, bool); 7] = [
        ("removed", |_| {}, true),
        ("empty", |path| fs::write(path, "").unwrap(), true),
        ("a folder", |path| fs::create_dir(path).unwrap(), true),
        (
            "left out",
            |path| {
                drop(make(path, "delete", 3));
                fs::write(path.with_file_name(".kopiaignore"), "*\n").unwrap();
            },
            true,
        ),
        (
            "encrypted",
            |path| fs::write(path, "secret".repeat(1000)).unwrap(),
            false,
        ),
        (
            "a link",
            |path| std::os::unix::fs::symlink("x", path).unwrap(),
            false,
        ),
        ("there", |path| drop(make(path, "delete", 3)), false),
    ];
    for (case, put, is_lacking) in cases {
        let folder = tempfile::tempdir().unwrap();
        let live = folder.path().join("live");
        fs::create_dir(&live).unwrap();
        fs::write(live.join("config.xml"), "<Config/>").unwrap();
        put(&live.join("radarr.db"));
        let lacking: &[&str] = if is_lacking { &["films", "of-later"] } else { &[] };
        let options = Options {
            questions: questions(),
            ..own()
        };
        // Damage of the app's own database fails the backup.
        if case != "encrypted" {
            let prepared = prepare(&live, &options).unwrap();
            assert_eq!(prepared.lacking, lacking, "{case}");
        }
        if case != "left out" {
            for answers in [ask(&live, &questions()), ask_restored(&live, &questions())] {
                assert_eq!(answers.unwrap().lacking, lacking, "{case}");
            }
        }
        // Nobody's database has to be in a backup: one that was not copied may be stored as a file.
        if case == "left out" {
            let foreign = Options {
                questions: questions(),
                ..Options::default()
            };
            assert_eq!(prepare(&live, &foreign).unwrap().lacking, Vec::<String>::new());
        }
    }
}
