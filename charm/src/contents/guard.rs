//! Whether this app can take the content of a backup. An app migrates the databases of an earlier version when it starts; those of
//! a later one it does not know, and refuses to start or damages them. Pure.

use std::cmp::Ordering;

use config_volume::{AnswerKind, Answers};

use super::record::{APP, About, IMAGE, VERSION};
use super::short;
use crate::names::OF_A_FILE;

/// Where Charmhub keeps the images of charms.
const CHARMHUB: &str = "jujucharms.com";

/// One side: an app, and the schemas of its databases.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What is recorded of the app.
    pub about: &'a About,
    /// What its databases answered.
    pub answers: &'a Answers,
}

/// What comes of the comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fit {
    /// Nothing to say.
    Same,
    /// The backup is of an earlier app: it is migrated. What to say.
    Migrates(String),
    /// The backup is of a later app. Why it cannot be taken.
    Later(String),
    /// The backup is of another app. Why it cannot be taken.
    Other(String),
    /// Nothing is known of one of the sides. What to say.
    Unknown(String),
}

/// Compares the app `title` as it is with the one of a backup. Where both versions are known they decide, since an app that has
/// just been refreshed has not migrated its databases yet; an app of the same version, or of an unknown one, is told by its
/// schemas. `takes_over` names other apps whose data this one can read.
pub fn judge(title: &str, takes_over: &[String], now: Side<'_>, backup: Side<'_>) -> Fit {
    if let Some(other) = another(now.about, backup.about, takes_over) {
        return Fit::Other(format!("it is a backup of {other}, and this app is {title}"));
    }
    if let Some(other) = another(now.about, backup.about, &[]) {
        return Fit::Migrates(format!(
            "the backup is of {other}; {title} migrates its databases when it starts, which takes longer"
        ));
    }
    let versions = known_versions(now.about, backup.about);
    let by_version = versions.and_then(|(now, backup)| compared(backup, now));
    let schemas = schemas(now.answers, backup.answers);
    let later = schemas.iter().find(|schema| schema.is(Ordering::Greater));
    let earlier = schemas.iter().find(|schema| schema.is(Ordering::Less));
    match (by_version, versions) {
        (Some(Ordering::Greater), Some((now, backup))) => Fit::Later(format!(
            "it is of {title} {backup}{}, and this one is {title} {now}, which may not be able to read it",
            schemas_told(later)
        )),
        (Some(Ordering::Less), Some((now, backup))) => Fit::Migrates(format!(
            "the backup is of {title} {backup}{}; {title} {now} migrates its databases when it starts, which takes longer",
            schemas_told(earlier.or(later))
        )),
        _ => match (later, earlier) {
            (Some(schema), _) => Fit::Later(format!(
                "its {} has schema {}, and {title} has {} here, which means that it is of a later version",
                schema.database, schema.backup, schema.now
            )),
            (None, Some(schema)) => Fit::Migrates(format!(
                "the backup's {} has schema {}, and {title} has {} here: it migrates the database when it starts, which takes longer",
                schema.database, schema.backup, schema.now
            )),
            (None, None) if by_version.is_none() && schemas.is_empty() => Fit::Unknown(format!(
                "whether {title} is as new as the one that was backed up is not known: {}",
                unknown(backup)
            )),
            (None, None) => Fit::Same,
        },
    }
}

/// The step that makes this app fit for a backup of a later one: `app` is the application, `resource` its image's name in the
/// charm, `now` what is known of the app as it is.
pub fn refresh(app: &str, resource: &str, now: &About, backup: &About) -> String {
    match backup.get(IMAGE) {
        // Charmhub's own copy comes with a revision of the charm; by its address nobody else gets it.
        Some(image)
            if image
                .split('/')
                .next()
                .is_some_and(|host| host.ends_with(CHARMHUB)) =>
        {
            format!("juju refresh {app}")
        }
        // A tag such as `latest` names another image than it did then. Nobody can say which one it was.
        Some(image) if now.get(IMAGE) == Some(image) => {
            let version = backup.get(VERSION).map_or_else(
                || "a later version".to_owned(),
                |version| format!("version {version}"),
            );
            format!(
                "name an image of {version}, since {image} runs here already: juju refresh {app} --resource {resource}=IMAGE {OF_A_FILE}"
            )
        }
        image => {
            let image = image.map_or("IMAGE", String::as_str);
            format!("juju refresh {app} --resource {resource}={image} {OF_A_FILE}")
        }
    }
}

fn unknown(backup: Side<'_>) -> &'static str {
    match () {
        () if backup.about.is_empty() && backup.answers.given.is_empty() => {
            "the backup says nothing of its app, and no database in it tells its schema"
        }
        () => "neither versions nor schemas are told on both sides",
    }
}

/// The other app that a backup is of, where both are told.
fn another<'a>(now: &About, backup: &'a About, takes_over: &[String]) -> Option<&'a str> {
    let (now, backup) = now.get(APP).zip(backup.get(APP))?;
    (now != backup && !takes_over.contains(backup)).then_some(backup.as_str())
}

/// The versions of both, where the images tell them; else their tags, where both images are of one repository and neither is the
/// other with numbers left out: such a tag moves from version to version.
fn known_versions<'a>(now: &'a About, backup: &'a About) -> Option<(&'a str, &'a str)> {
    fn value<'a>(about: &'a About, key: &str) -> Option<&'a str> {
        about.get(key).map(String::as_str)
    }
    // A digest says nothing of a version, and a port is no tag.
    let tag = |image: &'a str| {
        image
            .rsplit_once(':')
            .filter(|(name, tag)| !name.contains('@') && !tag.contains('/') && !is_hash(tag))
    };
    let versions = value(now, VERSION).zip(value(backup, VERSION));
    versions.or_else(|| {
        let (now, backup) = (tag(value(now, IMAGE)?)?, tag(value(backup, IMAGE)?)?);
        let moves = || {
            let (now, backup) = (numbers(now.1)?, numbers(backup.1)?);
            Some(now.len() != backup.len() && (now.starts_with(&backup) || backup.starts_with(&now)))
        };
        (now.0 == backup.0 && moves() != Some(true)).then_some((now.1, backup.1))
    })
}

/// Whether a tag may be the hash of a commit, which says nothing of what is newer. A version has dots, or digits alone.
fn is_hash(tag: &str) -> bool {
    let tag = tag
        .split_once('-')
        .filter(|(before, _)| *before == "sha")
        .map_or(tag, |(_, hash)| hash);
    let is_hex = tag.len() >= 7 && tag.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hex && tag.bytes().any(|byte| byte.is_ascii_alphabetic())
}

/// The schema of one database on both sides.
struct Schema<'a> {
    database: &'a str,
    now: &'a str,
    backup: &'a str,
}

impl Schema<'_> {
    /// Whether the backup's stands so to the one that is here.
    fn is(&self, order: Ordering) -> bool {
        let numbers = self.backup.parse::<u64>().ok().zip(self.now.parse::<u64>().ok());
        let found = match numbers {
            Some((backup, now)) => backup.cmp(&now),
            None => self.backup.cmp(self.now),
        };
        found == order
    }
}

fn schemas<'a>(now: &'a Answers, backup: &'a Answers) -> Vec<Schema<'a>> {
    let of_backup = backup
        .given
        .iter()
        .filter(|answer| answer.kind == AnswerKind::Schema);
    of_backup
        .filter_map(|answer| {
            Some(Schema {
                database: short(&answer.name),
                now: now.get(AnswerKind::Schema, &answer.name)?,
                backup: &answer.value,
            })
        })
        .collect()
}

fn schemas_told(schema: Option<&Schema<'_>>) -> String {
    schema
        .map(|schema| {
            format!(
                " ({} has schema {}, here {})",
                schema.database, schema.backup, schema.now
            )
        })
        .unwrap_or_default()
}

/// Compares versions by their numbers: `6.1.1.10360-ls299` and `v3.2.0`. What comes behind a dash is of the image. `None` where one
/// of them has none.
fn compared(one: &str, other: &str) -> Option<Ordering> {
    let (one, other) = (numbers(one)?, numbers(other)?);
    let length = one.len().max(other.len());
    let padded = |numbers: Vec<u64>| {
        let zeros = std::iter::repeat(0);
        numbers.into_iter().chain(zeros).take(length).collect::<Vec<_>>()
    };
    Some(padded(one).cmp(&padded(other)))
}

fn numbers(version: &str) -> Option<Vec<u64>> {
    let text = version.trim().trim_start_matches('v');
    let text = text.split(['-', '+', '~', ' ']).next()?;
    // `10.11.11ubu2604`: what is behind the digits of a part is of the image.
    let number = |part: &str| {
        let digits = part.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        part.get(..part.len() - digits)?.parse().ok()
    };
    text.split('.').map(number).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contents::samples::answers;

    fn about(version: &str) -> About {
        let version = (!version.is_empty()).then(|| (VERSION.to_owned(), version.to_owned()));
        version.into_iter().collect()
    }

    #[test]
    fn versions_are_compared_by_their_numbers() {
        for (one, other, order) in [
            ("6.1.1.10360-ls299", "6.1.1.10360-ls300", Some(Ordering::Equal)),
            ("6.10.0", "6.9.9", Some(Ordering::Greater)),
            ("v3.2", "3.2.0", Some(Ordering::Equal)),
            ("4.0.17.2952", "4.0.17.2953", Some(Ordering::Less)),
            ("2.0+build", "2.0", Some(Ordering::Equal)),
            (
                "10.11.11ubu2604-ls46",
                "10.11.12ubu2604-ls1",
                Some(Ordering::Less),
            ),
            ("v1.35.0-ls159", "1.35.0", Some(Ordering::Equal)),
            (
                "1.43.1.10611-1e34174b1-ls301",
                "1.43.1.10611-0",
                Some(Ordering::Equal),
            ),
            ("5.1.4-r2-ls447", "5.1.3-r0-ls1", Some(Ordering::Greater)),
            ("develop", "1.0", None),
            ("1..0", "1.0", None),
            ("1.99999999999999999999", "1.0", None),
        ] {
            assert_eq!(compared(one, other), order, "{one} {other}");
            assert_eq!(
                compared(other, one),
                order.map(Ordering::reverse),
                "{one} {other}"
            );
        }
    }

    #[test]
    fn a_later_app_or_schema_is_refused_and_an_earlier_one_is_migrated() {
        enum Is {
            Same,
            Migrates,
            Later,
            Unknown,
        }
        for (now, backup, expected) in [
            (("6.1.1-ls1", "218"), ("6.1.1-ls2", "218"), Is::Same),
            (("6.1.1", "218"), ("6.1.0", "218"), Is::Migrates),
            (("6.1.1", "218"), ("6.1.0", "200"), Is::Migrates),
            (("6.1.1", "218"), ("6.2.0", "218"), Is::Later),
            (("6.1.1", "218"), ("6.2.0", "220"), Is::Later),
            (("6.1.1", ""), ("6.2.0", ""), Is::Later),
            // It was refreshed and has not run since: its database will be migrated first.
            (("6.2.0", "218"), ("6.1.1", "219"), Is::Migrates),
            // One of a branch between two releases.
            (("6.1.1", "218"), ("6.1.1", "219"), Is::Later),
            (("6.1.1", "218"), ("6.1.1", "9"), Is::Migrates),
            (("", "218"), ("6.1.1", "219"), Is::Later),
            (("6.1.1", "218"), ("", "217"), Is::Migrates),
            (("", "218"), ("", "218"), Is::Same),
            // Entity Framework's names of migrations begin with a time.
            (("", "20250101_A"), ("", "20250202_B"), Is::Later),
            (("", "20250202_B"), ("", "20250101_A"), Is::Migrates),
            (("", ""), ("", ""), Is::Unknown),
            (("6.1.1", ""), ("", "218"), Is::Unknown),
        ] {
            let (here, there) = (answers(now.1, "1", ""), answers(backup.1, "1", ""));
            let fit = judge(
                "Radarr",
                &[],
                Side {
                    about: &about(now.0),
                    answers: &here,
                },
                Side {
                    about: &about(backup.0),
                    answers: &there,
                },
            );
            let is_expected = match expected {
                Is::Same => fit == Fit::Same,
                Is::Migrates => matches!(fit, Fit::Migrates(_)),
                Is::Later => matches!(fit, Fit::Later(_)),
                Is::Unknown => matches!(fit, Fit::Unknown(_)),
            };
            assert!(is_expected, "{now:?} {backup:?}: {fit:?}");
        }
    }

    #[test]
    fn a_refusal_names_both_versions_and_the_image_to_refresh_to() {
        let fit = judge(
            "Radarr",
            &[],
            Side {
                about: &about("6.1.1"),
                answers: &answers("218", "1", ""),
            },
            Side {
                about: &about("6.2.0"),
                answers: &answers("220", "1", ""),
            },
        );
        let Fit::Later(text) = fit else { panic!("{fit:?}") };
        assert_eq!(
            text,
            "it is of Radarr 6.2.0 (films.db has schema 220, here 218), and this one is Radarr 6.1.1, which may not be able to read it"
        );
        let mut backup = about("6.2.0");
        let mut now = about("6.1.1");
        let command = |now: &About, backup: &About| refresh("films", "radarr-image", now, backup);
        let whole = "juju refresh films --resource radarr-image=";
        assert_eq!(command(&now, &backup), format!("{whole}IMAGE {OF_A_FILE}"));
        backup.insert(IMAGE.to_owned(), "lscr.io/linuxserver/radarr:6.2.0".to_owned());
        assert_eq!(
            command(&now, &backup),
            format!("{whole}lscr.io/linuxserver/radarr:6.2.0 {OF_A_FILE}")
        );
        // A tag that moves: what it named then is not what it names here.
        let latest = "lscr.io/linuxserver/radarr:latest";
        for about in [&mut now, &mut backup] {
            about.insert(IMAGE.to_owned(), latest.to_owned());
        }
        assert_eq!(
            command(&now, &backup),
            format!(
                "name an image of version 6.2.0, since {latest} runs here already: {whole}IMAGE {OF_A_FILE}"
            )
        );
        backup.remove(VERSION);
        assert!(command(&now, &backup).starts_with("name an image of a later version, "));
    }

    /// The numbers of one app's migrations say nothing of another's.
    #[test]
    fn data_that_are_taken_over_from_another_app_are_migrated_whatever_its_versions_are() {
        let of = |app: &str, version: &str| {
            let mut about = about(version);
            about.insert(APP.to_owned(), app.to_owned());
            about
        };
        let (now, backup) = (of("seerr", "3.2.0"), of("overseerr", "20.0.0"));
        let (here, there) = (answers("218", "1", ""), answers("219", "1", ""));
        let fit = judge(
            "Seerr",
            &["overseerr".to_owned()],
            Side {
                about: &now,
                answers: &here,
            },
            Side {
                about: &backup,
                answers: &there,
            },
        );
        let Fit::Migrates(text) = fit else {
            panic!("{fit:?}")
        };
        assert_eq!(
            text,
            "the backup is of overseerr; Seerr migrates its databases when it starts, which takes longer"
        );
    }

    /// An image that tells no version has one in its tag.
    #[test]
    fn tags_of_one_repository_stand_for_versions_and_another_app_is_another() {
        let image = |image: &str| About::from([(IMAGE.to_owned(), image.to_owned())]);
        let judged = |now: &About, backup: &About| {
            let none = Answers::default();
            let side = |about| Side {
                about,
                answers: &none,
            };
            judge("Jellyfin", &["overseerr".to_owned()], side(now), side(backup))
        };
        let here = image("lscr.io/linuxserver/jellyfin:10.11.11ubu2604-ls46");
        for (there, is_later) in [
            ("lscr.io/linuxserver/jellyfin:10.11.12ubu2604-ls50", true),
            ("lscr.io/linuxserver/jellyfin:10.11.10ubu2604-ls40", false),
            ("docker.io/jellyfin/jellyfin:10.12.0", false),
            ("lscr.io/linuxserver/jellyfin@sha256:99", false),
            ("localhost:5000/jellyfin", false),
            ("lscr.io/linuxserver/jellyfin:11", true),
        ] {
            let fit = judged(&here, &image(there));
            assert_eq!(matches!(fit, Fit::Later(_)), is_later, "{there}: {fit:?}");
        }
        // The hash of a commit begins with a digit as a rule, and says nothing of what is newer: the schemas tell.
        let (older, newer) = (
            image("ghcr.io/a/jellyfin:9f3c2ab"),
            image("ghcr.io/a/jellyfin:1d7e400"),
        );
        for (schema, expected) in [("219", true), ("217", false)] {
            let (here, there) = (answers("218", "1", ""), answers(schema, "1", ""));
            let side = |about, answers| Side { about, answers };
            for (now, backup) in [(&older, &newer), (&newer, &older)] {
                let fit = judge("Jellyfin", &[], side(now, &here), side(backup, &there));
                assert_eq!(matches!(fit, Fit::Later(_)), expected, "{schema}: {fit:?}");
            }
        }
        // A tag that leaves numbers out moves: the schemas tell.
        let moves = image("lscr.io/linuxserver/jellyfin:10.11");
        for (now, backup) in [(&here, &moves), (&moves, &here)] {
            for (schema, expected) in [("219", true), ("218", false)] {
                let (here, there) = (answers("218", "1", ""), answers(schema, "1", ""));
                let fit = judge(
                    "Jellyfin",
                    &[],
                    Side {
                        about: now,
                        answers: &here,
                    },
                    Side {
                        about: backup,
                        answers: &there,
                    },
                );
                assert_eq!(matches!(fit, Fit::Later(_)), expected, "{schema}: {fit:?}");
            }
        }
        let app = |name: &str| About::from([(APP.to_owned(), name.to_owned())]);
        assert!(matches!(judged(&app("seerr"), &app("sonarr")), Fit::Other(_)));
        assert!(!matches!(judged(&app("seerr"), &app("overseerr")), Fit::Other(_)));
        assert!(!matches!(judged(&app("seerr"), &About::new()), Fit::Other(_)));
        // Refreshed and not started since, or not what the version promises: it is told.
        let text = |backup: &str| {
            let (here, there) = (answers("218", "1", ""), answers(backup, "1", ""));
            let side = |about, answers| Side { about, answers };
            let (now, old) = (about("6.2.0"), about("6.1.1"));
            match judge("Radarr", &[], side(&now, &here), side(&old, &there)) {
                Fit::Migrates(text) => text,
                other => panic!("{other:?}"),
            }
        };
        assert!(text("219").contains("(films.db has schema 219, here 218)"));
        assert!(!text("218").contains("schema"));
        let hub = image("registry.jujucharms.com/charm/a/radarr-image@sha256:01");
        assert_eq!(
            refresh("films", "radarr-image", &About::new(), &hub),
            "juju refresh films"
        );
    }
}
