//! What is asked of Juju, Pebble and the cluster, and what is told them, by event and situation, as text to read. What an
//! event does not need is not asked: each hook tool costs milliseconds. `INSTA_UPDATE=always` after a change that is meant.

use std::fmt::Write as _;

use crate::common::app;
use crate::common::unit::{PEERS, Unit};
use juju_charm::pebble::Pebble as _;
use juju_charm::testing::{Event, RelationState};
use workload_charm::profile::AppProfile;

const BACKUP: u32 = 3;
const WEEKLY: u32 = 4;
const MONTHLY: u32 = 5;
const MEDIA: u32 = 7;
const INGRESS: u32 = 9;

const EVERY: [u32; 3] = [BACKUP, MEDIA, INGRESS];

/// What the unit is, its relations, and how it comes there.
type Situation = (&'static str, &'static [u32], fn(&AppProfile, &[u32]) -> Unit);

const SITUATIONS: [Situation; 8] = [
    ("the leader, without relations", &[], |profile, relations| {
        settled(profile, relations, true)
    }),
    ("the leader, with every relation", &EVERY, |profile, relations| {
        settled(profile, relations, true)
    }),
    (
        "the leader, with every relation and trust",
        &EVERY,
        |profile, relations| {
            let mut unit = settled(profile, relations, true);
            unit.cluster.trust();
            // Juju tells of it so.
            unit.run(Event::ConfigChanged);
            unit
        },
    ),
    (
        "the leader, with every tier of backups",
        &[BACKUP, WEEKLY, MONTHLY],
        |profile, relations| settled(profile, relations, true),
    ),
    (
        "the unit with the data, when another one leads",
        &EVERY,
        |profile, relations| settled(profile, relations, false),
    ),
    (
        "a unit without data, when another one leads",
        &EVERY,
        |profile, relations| beside_the_data(profile, relations, false),
    ),
    (
        "the leader beside the unit with the data",
        &EVERY,
        |profile, relations| beside_the_data(profile, relations, true),
    ),
    (
        "the leader, with every relation, its app stopped",
        &EVERY,
        |profile, relations| {
            let unit = settled(profile, relations, true);
            unit.pebble.stop(&[&profile.name]).unwrap();
            unit
        },
    ),
];

fn has(profile: &AppProfile, relation: u32) -> bool {
    match relation {
        BACKUP | WEEKLY | MONTHLY => profile.storage.is_some(),
        MEDIA => profile.media,
        _ => profile.ingress,
    }
}

fn relate(unit: &mut Unit, relations: &[u32]) {
    for relation in relations {
        if !has(&unit.profile, *relation) {
            continue;
        }
        let (endpoint, other) = match *relation {
            BACKUP => ("velero-backup-config", "velero-operator"),
            WEEKLY => ("backup-weekly", "velero-operator"),
            MONTHLY => ("backup-monthly", "velero-operator"),
            MEDIA => ("media-storage", "storage"),
            _ => ("ingress", "traefik"),
        };
        let relation = RelationState::new(*relation, endpoint, other);
        unit.state = unit.state.clone().with_relation(relation);
    }
}

fn settled(profile: &AppProfile, relations: &[u32], leads: bool) -> Unit {
    let mut unit = Unit::settled(profile);
    relate(&mut unit, relations);
    unit.run(Event::ConfigChanged);
    // What is remembered is compared once with what Juju has kept.
    unit.run(Event::UpdateStatus);
    unit.state = unit.state.clone().with_leader(leads);
    unit
}

/// It starts up beside another unit, which has told that it has the data.
fn beside_the_data(profile: &AppProfile, relations: &[u32], leads: bool) -> Unit {
    let mut unit = Unit::new(profile);
    if profile.storage.is_some() {
        let peers = RelationState::peer(PEERS, "peers").with_remote_unit(1, [("config-volume", "data")]);
        unit.state = unit.state.clone().with_relation(peers);
    }
    unit.state = unit.state.clone().with_leader(leads);
    relate(&mut unit, relations);
    let events = unit.first_events();
    for event in events
        .into_iter()
        .filter(|event| leads || *event != Event::LeaderElected)
    {
        unit.run(event);
    }
    unit
}

fn events(unit: &Unit, relations: &[u32]) -> Vec<(&'static str, Event)> {
    let changed = |relation| Event::RelationChanged {
        relation,
        remote_unit: None,
    };
    let mut events = vec![
        ("update-status", Event::UpdateStatus),
        ("config-changed", Event::ConfigChanged),
        ("pebble-ready", unit.pebble_ready()),
    ];
    for (name, relation) in [("backup", BACKUP), ("media", MEDIA), ("ingress", INGRESS)] {
        if relations.contains(&relation) && has(&unit.profile, relation) {
            events.push((name, changed(relation)));
        }
    }
    if unit.profile.storage.is_some() {
        events.push(("peers", changed(PEERS)));
    }
    events
}

/// A hook tool with the words that say what it is about; what it is told is cut.
fn shown(tool: &str, args: &[String], stdin: bool) -> String {
    let words: Vec<&str> = args
        .iter()
        .map(|arg| arg.split('=').next().unwrap_or(arg))
        .collect();
    let words = words.join(" ");
    let cut: String = words.chars().take(60).collect();
    format!("{tool} {cut}{}", if stdin { " <" } else { "" })
        .trim_end()
        .to_owned()
}

fn asked(unit: &mut Unit, event: Event) -> String {
    unit.cluster.asked();
    unit.recovery.calls.take();
    let before = unit.pebble.calls().len();
    let outcome = unit.run(event);
    let mut text = String::new();
    for call in &outcome.calls {
        writeln!(
            text,
            "    {}",
            shown(&call.tool, &call.args, call.stdin.is_some())
        )
        .unwrap();
    }
    for call in unit.pebble.calls().iter().skip(before) {
        writeln!(text, "    pebble {} {}", call.operation, call.subject).unwrap();
    }
    for request in unit.cluster.asked() {
        writeln!(text, "    cluster {request}").unwrap();
    }
    for request in unit.recovery.calls.take() {
        writeln!(text, "    recovery {request}").unwrap();
    }
    text
}

#[test]
fn what_each_event_asks_and_tells() {
    for name in ["radarr", "flaresolverr"] {
        let mut profile = app(name);
        if let Some(storage) = &mut profile.storage {
            storage.tiers = true;
        }
        let mut text = String::new();
        for (situation, relations, make) in SITUATIONS {
            writeln!(text, "== {situation}").unwrap();
            let names: Vec<&str> = events(&make(&profile, relations), relations)
                .iter()
                .map(|(name, _)| *name)
                .collect();
            for name in names {
                let mut unit = make(&profile, relations);
                let (_, event) = events(&unit, relations)
                    .into_iter()
                    .find(|(is, _)| *is == name)
                    .unwrap();
                writeln!(text, "{name}\n{}", asked(&mut unit, event).trim_end()).unwrap();
                writeln!(text, "    -> {}", unit.status()).unwrap();
            }
        }
        insta::with_settings!({snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(format!("{name}-reads"), text);
        });
    }
}
