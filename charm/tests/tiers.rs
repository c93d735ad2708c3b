//! Weekly and monthly backups beside the nightly ones: whatever is done about one tier is done about each.

use std::collections::BTreeMap;

use crate::common::recovery::good;
use crate::common::unit::{Unit, VELERO, writes};
use crate::common::{applied, fresh, radarr, related_by};
use config_recovery::backups::{
    BackupHealth, EndpointHealth, LastGood, LastWord, Outcome, Proof, Rests, Scheduled,
};
use jiff::{SignedDuration, Timestamp};
use juju_charm::testing::Event;
use serde_json::{Value, json};
use workload_charm::facts::Facts;
use workload_charm::options::RawOptions;
use workload_charm::profile::AppProfile;
use workload_charm::recovery::standing::HealthLookup;
use workload_charm::steps::planned;
use workload_charm::steps::prepare_volume::Situation;
use workload_charm::steps::status::{LENGTH, Told, decide};
use workload_charm::tiers::{MONTHLY, NIGHTLY, TIERS, Tier, WEEKLY};

/// Radarr, with an app file that asks for the tiers.
fn tiered() -> AppProfile {
    let mut profile = radarr();
    profile.storage.as_mut().unwrap().tiers = true;
    profile
}

const WEEKLY_ID: u32 = 4;
const MONTHLY_ID: u32 = 5;
const ALL: [u32; 3] = [VELERO, WEEKLY_ID, MONTHLY_ID];

/// A unit that has run for a while, related by each tier.
fn with_all() -> Unit {
    Unit::settled(&tiered())
        .related_to_velero()
        .related_by(&WEEKLY, WEEKLY_ID)
        .related_by(&MONTHLY, MONTHLY_ID)
}

fn marks(unit: &Unit) -> BTreeMap<String, String> {
    unit.cluster.seen().unwrap().annotations
}

/// Schedule and retention that are asked for by each relation.
fn asked(unit: &Unit) -> Vec<(Value, Value)> {
    let asked = ALL.iter().filter_map(|relation| unit.asked_by(*relation));
    asked
        .map(|spec| (spec["schedule"].clone(), spec["ttl"].clone()))
        .collect()
}

fn breaks(unit: &mut Unit, relation: u32) {
    unit.run(Event::RelationBroken {
        relation,
        remote_application: None,
    });
    unit.state.model_mut().relations.remove(&relation);
}

#[test]
fn each_relation_asks_for_its_own_tier() {
    let mut unit = with_all();
    let expected = [
        ("28 1 * * *", "720h"),
        ("48 2 * * 3", "2016h"),
        ("8 4 21 * *", "8760h"),
    ];
    let expected = expected.map(|(schedule, ttl)| (json!(schedule), json!(ttl)));
    assert_eq!(asked(&unit), expected);
    for (relation, tier) in ALL.into_iter().zip(&TIERS) {
        let bag = unit.state.own_app_data(relation);
        assert_eq!(bag["relation_name"], tier.name());
    }
    assert_eq!(
        unit.status(),
        "active: scheduled backups: daily at 01:28 UTC, weekly, monthly; unverified: \
         juju trust radarr --scope=cluster"
    );
    for event in [Event::UpdateStatus, Event::ConfigChanged, Event::UpdateStatus] {
        assert_eq!(writes(&unit.run(event)), Vec::<String>::new());
    }
}

#[test]
fn a_unit_that_is_related_by_one_tier_alone_is_backed_up_like_any_other() {
    let nightly = Unit::settled(&tiered()).related_to_velero();
    for (tier, text) in [
        (
            &WEEKLY,
            "active: scheduled backups: weekly on Wed at 02:48 UTC, kept 2016h; ",
        ),
        (
            &MONTHLY,
            "active: scheduled backups: monthly on day 21 at 04:08 UTC, kept 8760h; ",
        ),
    ] {
        let mut unit = Unit::settled(&tiered()).related_by(tier, WEEKLY_ID);
        unit.assert_says(text);
        assert_eq!(asked(&unit).len(), 1);
        let of = |unit: &Unit| marks(unit).into_keys().collect::<Vec<_>>();
        assert!(of(&unit).len() > 3);
        assert_eq!(of(&unit), of(&nightly));

        unit.recovery.made = Some(good("made-1", "radarr"));
        unit.act("backup-now", json!({})).unwrap();
        let made = unit.recovery.asked_for.take().unwrap();
        assert_eq!(made.labels["endpoint"], tier.name());
        assert_eq!(made.spec.ttl.as_deref(), Some(tier.retention.default()));
        let shown = unit.act("show-backup-spec", json!({})).unwrap();
        let spec: Value = serde_json::from_str(shown["spec"].as_str().unwrap()).unwrap();
        assert_eq!(spec["ttl"], tier.retention.default());
    }
}

#[test]
fn the_spec_of_each_tier_is_shown() {
    let mut unit = with_all();
    let shown = unit.act("show-backup-spec", json!({})).unwrap();
    let of = |key: &str| {
        let text = shown.get(key).or_else(|| shown["tiers"].get(key)).unwrap();
        let spec: Value = serde_json::from_str(text.as_str().unwrap()).unwrap();
        spec["ttl"].clone()
    };
    let found = ["spec", "backup-weekly", "backup-monthly"].map(of);
    assert_eq!(found, ["720h", "2016h", "8760h"].map(Value::from));
    let mut unit = Unit::settled(&tiered()).related_to_velero();
    let shown = unit.act("show-backup-spec", json!({})).unwrap();
    assert_eq!(shown.get("tiers"), None);
}

#[test]
fn the_end_of_one_relation_leaves_the_others_and_the_marks() {
    for gone in ALL {
        let mut unit = with_all();
        let before = marks(&unit);
        breaks(&mut unit, gone);
        assert_eq!(marks(&unit), before, "{gone}");
        assert_eq!(asked(&unit).len(), 2, "{gone}");
        let mut rest = ALL.into_iter().filter(|relation| *relation != gone);
        let last = rest.next().unwrap();
        for other in rest {
            breaks(&mut unit, other);
        }
        assert_eq!(marks(&unit), before, "{last} stays");
        breaks(&mut unit, last);
        assert_eq!(marks(&unit), BTreeMap::new());
        unit.assert_says("active: no backups: juju integrate radarr:velero-backup-config velero-operator");
    }
}

#[test]
fn with_a_database_elsewhere_every_tier_rests_also_one_whose_options_are_wrong() {
    let mut unit = with_all();
    unit.state = unit
        .state
        .clone()
        .with_config("backup-weekly-schedule", "sometimes");
    unit.run(Event::ConfigChanged);
    let rest = |unit: &Unit| ALL.map(|relation| unit.asked_by(relation).unwrap()["paused"] == json!(true));
    assert_eq!(rest(&unit), [false; 3]);
    unit.has_database_at("db.example");
    unit.run(Event::UpdateStatus);
    assert_eq!(rest(&unit), [true; 3]);
    unit.has_database_at("");
    unit.run(Event::UpdateStatus);
    assert_eq!(rest(&unit), [false, true, false], "{}", unit.status());
    unit.state = unit.state.clone().with_config("backup-weekly-schedule", "weekly");
    unit.run(Event::ConfigChanged);
    assert_eq!(rest(&unit), [false; 3], "{}", unit.status());
}

#[test]
fn an_option_of_one_tier_that_cannot_be_used_does_not_touch_the_others() {
    let mut unit = with_all();
    unit.state = unit
        .state
        .clone()
        .with_config("backup-weekly-retention", "8w")
        .with_config("backup-retention", "240h");
    unit.run(Event::ConfigChanged);
    assert_eq!(
        unit.status(),
        "blocked: backup-weekly-retention \"8w\": days and weeks are written in hours; \
         juju config radarr backup-weekly-retention=1344h"
    );
    let ttls: Vec<Value> = asked(&unit).into_iter().map(|(_, ttl)| ttl).collect();
    assert_eq!(ttls, ["240h", "2016h", "8760h"]);
    unit.state = unit.state.clone().with_config("backup-weekly-retention", "100h");
    unit.run(Event::ConfigChanged);
    unit.assert_says("blocked: backup-weekly-retention \"100h\": below the 168 h between backups; ");
    let ttls: Vec<Value> = asked(&unit).into_iter().map(|(_, ttl)| ttl).collect();
    assert_eq!(ttls, ["240h", "100h", "8760h"], "some are better than none");
}

#[test]
fn a_tier_without_a_schedule_is_asked_for_without_one() {
    let mut unit = with_all();
    unit.state = unit.state.clone().with_config("backup-schedule", "");
    unit.run(Event::ConfigChanged);
    unit.assert_says("active: scheduled backups: weekly on Wed at 02:48 UTC, monthly; ");
    assert_eq!(asked(&unit)[0], (Value::Null, json!("720h")));
    for option in ["backup-weekly-schedule", "backup-monthly-schedule"] {
        unit.state = unit.state.clone().with_config(option, "");
    }
    unit.run(Event::ConfigChanged);
    unit.assert_says("active: no scheduled backups: juju config radarr backup-schedule=daily");
    let mut unit = Unit::settled(&tiered()).related_by(&WEEKLY, WEEKLY_ID);
    unit.state = unit.state.clone().with_config("backup-weekly-schedule", "");
    unit.run(Event::ConfigChanged);
    unit.assert_says("active: no scheduled backups: juju config radarr backup-weekly-schedule=weekly");
}

#[test]
fn nothing_is_written_on_the_strength_of_a_databag_that_was_seen_before() {
    let mut unit = with_all();
    unit.run(Event::UpdateStatus);
    let kept = unit.volume().with_file_name("cluster-seen.json");
    let text = std::fs::read_to_string(&kept).unwrap();
    assert!(text.contains("2016h"), "{text}");
    std::fs::write(&kept, text.replace("2016h", "1h")).unwrap();
    assert_eq!(writes(&unit.run(Event::UpdateStatus)), Vec::<String>::new());
    // A relation that is new since then comes with an event of its own.
    let mut unit = Unit::settled(&tiered()).related_to_velero();
    unit.run(Event::UpdateStatus);
    let unit = unit.related_by(&MONTHLY, MONTHLY_ID);
    assert_eq!(asked(&unit).len(), 2);
}

// --- what the status says ---

fn last_good(ago: i64, kept: i64) -> LastGood {
    let ended = Timestamp::now() - SignedDuration::from_hours(ago);
    LastGood {
        name: "radarr-1".to_owned(),
        uid: "aaaa-1".to_owned(),
        started: Some(ended),
        time: Some(ended),
        expires: Some(ended + SignedDuration::from_hours(kept)),
        bytes: Some(999_400),
    }
}

fn made(tier: &Tier, rests: Option<Rests>) -> Scheduled {
    Scheduled {
        name: format!("radarr-{}-x7k2p", tier.name()),
        since: Some(Timestamp::now() - SignedDuration::from_hours(10_000)),
        rests,
    }
}

/// Every tier has just made a good one.
fn in_order() -> BackupHealth {
    let health = |tier: &Tier| EndpointHealth {
        last_good: Some(last_good(0, 8760)),
        schedule: Some(made(tier, None)),
    };
    let endpoints = TIERS.iter().map(|tier| (tier.name().to_owned(), health(tier)));
    BackupHealth {
        endpoints: endpoints.collect(),
        kept_longest: Some(last_good(0, 8760)),
        ..BackupHealth::default()
    }
}

/// The status of a Radarr that is related by all tiers, of whose backups this was seen.
fn says(seen: BackupHealth) -> String {
    let profile = tiered();
    let facts = Facts {
        backup_relations: related_by(&[&NIGHTLY, &WEEKLY, &MONTHLY]),
        standing: HealthLookup::Read(seen),
        options: RawOptions::default(),
        ..fresh(&profile)
    };
    let (start, validated, plan) = planned(&profile, &facts, Situation::Dispatch);
    let told = Told::only(&start);
    let decided = decide(&profile, &facts, &validated, &applied(&plan), told);
    let text = decided.status.message();
    assert!(text.chars().count() <= LENGTH, "{}: {text}", text.chars().count());
    assert_eq!(decided.whole, None);
    format!("{}: {text}", decided.status.name())
}

fn health<'a>(seen: &'a mut BackupHealth, tier: &Tier) -> &'a mut EndpointHealth {
    seen.endpoints.get_mut(tier.name()).unwrap()
}

#[test]
fn backups_of_all_tiers_that_are_in_order_fit_into_a_status() {
    let text = says(in_order());
    let begin = "active: scheduled backups: daily at 01:28 UTC, weekly, monthly; last good ";
    assert!(
        text.starts_with(begin) && text.ends_with(" UTC, 999 kB"),
        "{text}"
    );
    // For all of it there is room in fewer words.
    let proof = |seen: BackupHealth| BackupHealth {
        last_proof: Some(LastWord::from(Proof {
            at: Timestamp::now(),
            took: None,
            outcome: Outcome::ComesBack { contents: None },
        })),
        ..seen
    };
    let today = Timestamp::now().strftime("%Y-%m-%d");
    let proven = says(proof(in_order()));
    assert_eq!(
        proven,
        format!(
            "active: backups: daily at 01:28 UTC, weekly, monthly; last good {today}, 999 kB, verified {today}"
        )
    );
    assert!(proven.len() <= "active: ".len() + 100, "{proven}");
}

#[test]
fn a_schedule_that_makes_no_backups_is_told_with_its_endpoint_and_its_option() {
    for (tier, default) in [(&NIGHTLY, "daily"), (&WEEKLY, "weekly"), (&MONTHLY, "monthly")] {
        let name = tier.name();
        let told = |schedule: Option<Scheduled>| {
            let mut seen = in_order();
            health(&mut seen, tier).schedule = schedule;
            says(seen)
        };
        assert_eq!(
            told(None),
            format!(
                "waiting: {name}: velero-operator made no Schedule; juju status velero-operator, juju debug-log"
            )
        );
        let why = "bad cron: 5 fields".to_owned();
        let option = tier.schedule.name();
        let refused = told(Some(made(tier, Some(Rests::Refused { why }))));
        assert!(
            refused.starts_with(&format!("blocked: {name}: Schedule refused: bad cron"))
                && refused.ends_with(&format!("; juju config radarr {option}={default}")),
            "{refused}"
        );
        assert_eq!(
            told(Some(made(tier, Some(Rests::Paused)))),
            format!("blocked: {name}: Schedule paused; velero schedule unpause radarr-{name}-x7k2p")
        );
    }
}

#[test]
fn a_tier_whose_backups_hold_nothing_is_told_and_named() {
    for (tier, ago) in [(&WEEKLY, 400), (&MONTHLY, 2000)] {
        let name = tier.name();
        for (last, begin) in [
            (Some(last_good(ago, 8760)), "no good backup since "),
            (None, "no good backup yet, one was due "),
        ] {
            let mut seen = in_order();
            health(&mut seen, tier).last_good = last;
            let text = says(seen);
            assert!(
                text.starts_with(&format!("active: warning: {name}: {begin}")),
                "{text}"
            );
            assert!(text.contains("; run list-backups"), "{text}");
        }
    }
}

#[test]
fn that_the_last_good_backup_goes_is_told_before_all_other_warnings() {
    let mut seen = in_order();
    for tier in &TIERS {
        health(&mut seen, tier).last_good = Some(last_good(8700, 8760));
    }
    seen.kept_longest = Some(last_good(8700, 8760));
    let text = says(seen);
    assert!(
        text.starts_with("active: warning: the last good backup expires ")
            && text.ends_with("; run backup-now"),
        "{text}"
    );
}
