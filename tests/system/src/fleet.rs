//! Several apps of one model with the backups of five weeks, in the states that somebody who watches them has to tell apart. All of it follows
//! from one moment: what there is then, and what there was at any time of the week before.

use std::collections::BTreeMap;

use jiff::civil::Weekday;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use workload_charm::exporter::{Asked, Settings};
use workload_charm::last_restore::LastRestore;
use workload_charm::test_restore::Record;

use crate::velero::{ENDPOINT, Made, Owner, Proof, location, make_safety, prove};

/// The model of all of them.
pub const MODEL: &str = "media";

/// So many nights are looked back at: the oldest backup was still there a week before the moment.
const NIGHTS: u32 = 38;

/// For how many hours each backup is kept.
const HOURS: i64 = 720;

/// The storage location that cannot be used, and for how many hours.
const BROKEN: (&str, i64) = ("nas", 11);

/// How the backup of a night ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Velero calls it completed, and it holds no byte.
    Empty,
    /// Velero calls it failed.
    Failed,
}

/// A test restore.
#[derive(Debug, Clone, Copy)]
struct Test {
    /// Of the backup of so many nights ago.
    night: u32,
    /// So many hours after it began.
    hours: i64,
    /// How long it took, in seconds.
    took: i64,
    found: Proof,
}

/// One app.
#[derive(Debug)]
pub struct FleetApp {
    /// Its name, and that of its charm.
    pub name: &'static str,
    /// How long before the moment the last night's backup began, in minutes.
    minutes: i64,
    /// How long a backup takes, in seconds.
    took: i64,
    /// Bytes of the last night's backup, and how many fewer the one of each night before held.
    bytes: (u64, u64),
    databases: u64,
    files: u64,
    left_out: u64,
    /// The app's own things: how many there are, and after how many nights each time there was one more. The first is the essential one.
    counts: &'static [(&'static str, u64, u64)],
    location: &'static str,
    /// The nights that did not end well.
    bad: &'static [(u32, End)],
    tests: &'static [Test],
    /// Somebody paused the Schedule after the backup of so many nights ago.
    paused: Option<u32>,
    /// A restore of the backup of so many nights ago began so many hours before the moment.
    restored: Option<(u32, i64)>,
}

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// An app with which all is well, and of which no backup was restored.
const PLAIN: FleetApp = FleetApp {
    name: "",
    minutes: 0,
    took: 30,
    bytes: (0, 0),
    databases: 1,
    files: 40,
    left_out: 24 * MIB,
    counts: &[],
    location: "default",
    bad: &[],
    tests: &[],
    paused: None,
    restored: None,
};

/// All of them, by name.
pub static FLEET: &[FleetApp] = &[
    FleetApp {
        name: "jellyfin",
        minutes: 601,
        took: 214,
        bytes: (318 * MIB, 900 * KIB),
        databases: 1,
        files: 1860,
        left_out: 2210 * MIB,
        counts: &[("films", 1204, 2), ("episodes", 8811, 1), ("users", 4, 1000)],
        tests: &[Test {
            night: 4,
            hours: 3,
            took: 188,
            found: Proof::ComesBack,
        }],
        paused: Some(3),
        ..PLAIN
    },
    FleetApp {
        name: "plex",
        minutes: 574,
        took: 161,
        bytes: (241 * MIB, 500 * KIB),
        databases: 2,
        files: 1422,
        left_out: 3050 * MIB,
        counts: &[("films", 1190, 2), ("episodes", 8790, 1)],
        location: BROKEN.0,
        bad: &[(0, End::Failed)],
        tests: &[Test {
            night: 2,
            hours: 4,
            took: 143,
            found: Proof::ComesBack,
        }],
        ..PLAIN
    },
    FleetApp {
        name: "prowlarr",
        minutes: 552,
        bytes: (21 * MIB, 40 * KIB),
        counts: &[("indexers", 14, 20), ("applications", 3, 1000)],
        tests: &[
            Test {
                night: 8,
                hours: 3,
                took: 39,
                found: Proof::ComesBack,
            },
            Test {
                night: 1,
                hours: 3,
                took: 41,
                found: Proof::Damaged,
            },
        ],
        ..PLAIN
    },
    FleetApp {
        name: "qbittorrent",
        minutes: 531,
        bytes: (6 * MIB, 0),
        databases: 0,
        files: 655,
        counts: &[("torrents", 318, 1)],
        ..PLAIN
    },
    FleetApp {
        name: "radarr",
        minutes: 559,
        took: 47,
        bytes: (96 * MIB, 700 * KIB),
        databases: 2,
        files: 34,
        left_out: 410 * MIB,
        counts: &[
            ("films", 412, 1),
            ("film-files", 398, 1),
            ("collections", 61, 5),
            ("indexers", 6, 1000),
            ("download-clients", 2, 1000),
        ],
        bad: &[(4, End::Failed)],
        tests: &[
            Test {
                night: 8,
                hours: 4,
                took: 70,
                found: Proof::ComesBack,
            },
            Test {
                night: 1,
                hours: 4,
                took: 73,
                found: Proof::ComesBack,
            },
        ],
        restored: Some((3, 63)),
        ..PLAIN
    },
    FleetApp {
        name: "sabnzbd",
        minutes: 507,
        bytes: (11 * MIB, 8 * KIB),
        files: 71,
        counts: &[("servers", 3, 1000)],
        tests: &[Test {
            night: 5,
            hours: 2,
            took: 33,
            found: Proof::ComesBack,
        }],
        ..PLAIN
    },
    FleetApp {
        name: "sonarr",
        minutes: 583,
        took: 52,
        bytes: (134 * MIB, 300 * KIB),
        databases: 2,
        files: 36,
        left_out: 530 * MIB,
        counts: &[("series", 187, 3), ("episodes", 9204, 1)],
        bad: &[(0, End::Empty)],
        tests: &[Test {
            night: 6,
            hours: 3,
            took: 81,
            found: Proof::ComesBack,
        }],
        ..PLAIN
    },
];

impl FleetApp {
    /// Whose backups they are.
    fn owner(&self) -> Owner<'static> {
        Owner {
            app: self.name,
            model: MODEL,
            location: self.location,
        }
    }

    /// When the backup of so many nights before the moment begins.
    fn began(&self, moment: Timestamp, nights: u32) -> Timestamp {
        moment - SignedDuration::from_mins(self.minutes) - SignedDuration::from_hours(24 * i64::from(nights))
    }

    /// The nights in which a backup was made.
    fn nights(&self) -> impl Iterator<Item = u32> {
        self.paused.unwrap_or_default()..NIGHTS
    }

    fn paused_at(&self, moment: Timestamp) -> Option<Timestamp> {
        Some(self.began(moment, self.paused?) + SignedDuration::from_hours(6))
    }

    fn tested_at(&self, moment: Timestamp, test: &Test) -> Timestamp {
        self.began(moment, test.night) + SignedDuration::from_hours(test.hours)
    }

    /// When the restore had made its safety backup and replaced the content.
    fn restored_at(&self, moment: Timestamp) -> Option<Timestamp> {
        let took = SignedDuration::from_secs(self.took);
        Some(self.restore_began(moment)? + took)
    }

    fn restore_began(&self, moment: Timestamp) -> Option<Timestamp> {
        Some(moment - SignedDuration::from_hours(self.restored?.1))
    }

    fn backup_name(&self, which: &str) -> String {
        format!("{}-{which}", self.name)
    }

    fn made(&self, began: Timestamp, bytes: u64, which: &str) -> Made {
        Made {
            name: self.backup_name(which),
            began,
            took: SignedDuration::from_secs(self.took),
            bytes,
            hours: HOURS,
        }
    }

    /// What the hooks tell the exporter at a time of the week before the moment, or at the moment.
    pub fn settings(&self, moment: Timestamp, at: Timestamp) -> Settings {
        let time = TimeZone::UTC.to_datetime(self.began(moment, 0));
        let (minute, hour) = (time.minute(), time.hour());
        let weekly = self.tests.last().map(|test| {
            let tested = TimeZone::UTC.to_datetime(self.tested_at(moment, test));
            let day = tested.weekday().since(Weekday::Sunday);
            format!("{} {} * * {day}", tested.minute(), tested.hour())
        });
        Settings {
            app: self.name.to_owned(),
            model: MODEL.to_owned(),
            has_data: true,
            asked: vec![Asked {
                endpoint: ENDPOINT.to_owned(),
                schedule: Some(format!("{minute} {hour} * * *")),
            }],
            essential: self
                .counts
                .iter()
                .take(1)
                .map(|(name, ..)| (*name).to_owned())
                .collect(),
            restored: LastRestore::noted(self.restored_at(moment).filter(|restored| *restored <= at), at),
            verify_schedule: weekly,
            test_restores: Record::default(),
        }
    }

    /// What the commands before the backups have noted until then, as their file has it.
    pub fn contents(&self, moment: Timestamp, until: Timestamp) -> Value {
        let noted: BTreeMap<String, Value> = self
            .nights()
            .map(|nights| (nights, self.began(moment, nights) + SignedDuration::from_secs(5)))
            .filter(|(_, made)| *made <= until)
            .map(|(nights, made)| {
                let answers: Vec<Value> = self
                    .counts
                    .iter()
                    .map(|(name, count, every)| {
                        let value = count - u64::from(nights) / every;
                        json!({"kind": "count", "name": name, "value": value.to_string()})
                    })
                    .collect();
                let made = made.as_second();
                let seen = json!({
                    "made": made,
                    "answers": answers,
                    "figures": {"databases": self.databases, "files": self.files, "left_out": self.left_out},
                });
                (made.to_string(), seen)
            })
            .collect();
        json!(noted)
    }

    /// What the cluster has of it at a time of the week before the moment, or at the moment.
    pub fn objects(&self, moment: Timestamp, at: Timestamp) -> Vec<Value> {
        let owner = self.owner();
        let mut objects: Vec<Value> = self
            .nights()
            .filter_map(|nights| self.night(moment, nights, at))
            .flatten()
            .collect();
        if let Some((nights, _)) = self.restored
            && let Some(began) = self.restore_began(moment)
        {
            let made = self.made(began, self.bytes.0, "safety");
            if made.ended() <= at {
                let [mut backup, volume] = owner.backup(&made);
                make_safety(&mut backup, &self.backup_name(&nights.to_string()));
                objects.extend([backup, volume]);
            }
        }
        let cron = self
            .settings(moment, at)
            .asked
            .remove(0)
            .schedule
            .unwrap_or_default();
        let mut schedule = owner.schedule(&cron, self.began(moment, 200), HOURS);
        if self.paused_at(moment).is_some_and(|paused| paused <= at) {
            schedule["spec"]["paused"] = json!(true);
        }
        let is_broken = self.location == BROKEN.0 && broken_at(moment) <= at;
        let phase = if is_broken { "Unavailable" } else { "Available" };
        objects.extend([
            schedule,
            location(self.location, phase),
            owner.repository("Ready"),
        ]);
        objects
    }

    /// The backup of one night with its pod volume backup, if it is there at that time.
    fn night(&self, moment: Timestamp, nights: u32, at: Timestamp) -> Option<[Value; 2]> {
        let began = self.began(moment, nights);
        let bytes = self.bytes.0.saturating_sub(self.bytes.1 * u64::from(nights));
        let made = self.made(began, bytes, &nights.to_string());
        if made.ended() > at || made.expires() <= at {
            return None;
        }
        let [mut backup, mut volume] = self.owner().backup(&made);
        let end = self.bad.iter().find(|(night, _)| *night == nights);
        match end.map(|(_, end)| end) {
            Some(End::Failed) => backup["status"]["phase"] = json!("Failed"),
            Some(End::Empty) => volume["status"]["progress"] = json!({"bytesDone": 0, "totalBytes": 0}),
            None => {}
        }
        for test in self.tests.iter().filter(|test| test.night == nights) {
            let tested = self.tested_at(moment, test);
            if tested <= at {
                prove(
                    &mut backup,
                    test.found,
                    tested,
                    SignedDuration::from_secs(test.took),
                );
            }
        }
        Some([backup, volume])
    }

    /// When something of what [`FleetApp::objects`] says becomes another.
    pub fn changes(&self, moment: Timestamp) -> Vec<Timestamp> {
        let kept = SignedDuration::from_hours(HOURS);
        let backups = self.nights().map(|nights| self.began(moment, nights));
        let took = SignedDuration::from_secs(self.took);
        let mut changes: Vec<Timestamp> = backups.flat_map(|began| [began + took, began + kept]).collect();
        changes.extend(self.tests.iter().map(|test| self.tested_at(moment, test)));
        changes.extend(self.paused_at(moment));
        changes.extend(self.restored_at(moment));
        changes.push(broken_at(moment));
        changes
    }
}

fn broken_at(moment: Timestamp) -> Timestamp {
    moment - SignedDuration::from_hours(BROKEN.1)
}
