//! What the status says of each thing that can be wrong, and which of them it says: from facts and outcomes as a dispatch
//! has them at its end.

use std::collections::BTreeMap;

use crate::common::{applied, fresh, media_at, new_container, radarr};
use workload_charm::data_unit::Peers;
use workload_charm::facts::{Container, Facts, Health, Storage};
use workload_charm::kubernetes::{Claim, ClusterError, PodVolume};
use workload_charm::media::claim::MountedClaim;
use workload_charm::media::{Media, VOLUME};
use workload_charm::options::{self, RawOptions};
use workload_charm::problem::Problem;
use workload_charm::profile::User;
use workload_charm::recovery::health::Unwell;
use workload_charm::recovery::standing::HealthLookup;
use workload_charm::steps::apply::{Applied, Failure, Outcome};
use workload_charm::steps::planned;
use workload_charm::steps::prepare_volume::Situation;
use workload_charm::steps::status::{Decided, LENGTH, Told, decide};
use workload_charm::tiers::NIGHTLY;
use workload_charm::vpn::{Found, Vpn, VpnFacts};

/// The status of facts and outcomes that `change` has changed, and what is known of the backups.
fn decided(change: impl FnOnce(&mut Facts), ends: impl FnOnce(&mut Outcome)) -> Decided {
    let profile = radarr();
    let mut facts = fresh(&profile);
    change(&mut facts);
    let (start, validated, plan) = planned(&profile, &facts, Situation::Dispatch);
    let mut outcome = applied(&plan);
    ends(&mut outcome);
    let told = Told::only(&start);
    decide(&profile, &facts, &validated, &outcome, told)
}

fn shown(decided: &Decided) -> String {
    format!("{}: {}", decided.status.name(), decided.status.message())
}

fn status(change: impl FnOnce(&mut Facts), ends: impl FnOnce(&mut Outcome)) -> String {
    shown(&decided(change, ends))
}

fn nothing<T>(_: &mut T) {}

fn forbidden() -> ClusterError {
    ClusterError::not_allowed("do it", "forbidden")
}

fn not_found() -> ClusterError {
    ClusterError::NotFound {
        action: "do it".to_owned(),
    }
}

fn refused() -> ClusterError {
    ClusterError::refused("do it", "full")
}

/// The relation says which claim, and the pod mounts nothing.
fn wants_media(facts: &mut Facts) {
    facts.media = media_at("tank", "/data", User { uid: 2000, gid: 2001 });
}

/// The pod mounts a claim for the media.
fn mounts_media(facts: &mut Facts, claim: Result<Claim, ClusterError>) {
    let pod = facts.pod.as_mut().unwrap().as_mut().unwrap();
    let volume = PodVolume::Claim("tank".to_owned());
    pod.volumes.insert(VOLUME.to_owned(), volume);
    let mounts = pod.mounts.entry("radarr".to_owned()).or_default();
    mounts.insert("/data".to_owned(), VOLUME.to_owned());
    facts.media_claim = Some(MountedClaim {
        name: "tank".to_owned(),
        claim,
    });
}

#[test]
fn what_keeps_the_charm_from_seeing_the_app_comes_first() {
    let lacks = |facts: &mut Facts| {
        facts.metadata = Err(Problem::new(
            "metadata.yaml",
            "has no storage config",
            "juju refresh radarr",
        ));
    };
    assert_eq!(
        status(lacks, nothing),
        "blocked: metadata.yaml: has no storage config; juju refresh radarr"
    );
    let gone = |facts: &mut Facts| facts.container = Container::NotReachable;
    assert_eq!(
        status(gone, nothing),
        "waiting: container radarr: Pebble is not responding; retrying on pebble-ready, or kubectl describe pod"
    );
    let faulty = |facts: &mut Facts| {
        facts.container = Container::Faulty {
            reason: "cannot list files".to_owned(),
        };
    };
    assert_eq!(
        status(faulty, nothing),
        "waiting: container radarr: cannot list files; retrying at update-status, see juju debug-log"
    );
    let both = |facts: &mut Facts| {
        lacks(facts);
        faulty(facts);
    };
    assert!(status(both, nothing).starts_with("blocked: metadata.yaml: "));
}

#[test]
fn a_workload_that_failed_or_does_not_answer_is_told() {
    let fails = |next_step: Option<&str>| {
        let failure = Failure {
            reason: "cannot start the service: exited".to_owned(),
            next_step: next_step.map(str::to_owned),
        };
        status(nothing, |outcome| outcome.workload = Applied::Failed(failure))
    };
    assert_eq!(
        fails(None),
        "blocked: container radarr: cannot start the service: exited; see juju debug-log, retrying at update-status"
    );
    assert_eq!(
        fails(Some("ask for another token")),
        "blocked: cannot start the service: exited; ask for another token"
    );
    let checked = |health, workload, asked| {
        let change = |facts: &mut Facts| {
            let mut container = new_container();
            container.health = health;
            facts.container = Container::Ready(container);
        };
        status(change, |outcome| {
            outcome.workload = workload;
            outcome.health = asked;
        })
    };
    let no_answer =
        "waiting: Radarr: no answer at http://localhost:7878/ping; see kubectl logs of container radarr";
    let not_passed = Err(Unwell::NotPassed("non-2xx status code 500".to_owned()));
    for (health, workload, asked) in [
        (Health::Down, Applied::Unchanged, None),
        (Health::NotAsked, Applied::Changed, Some(not_passed.clone())),
        (Health::NotPassed, Applied::Unchanged, Some(not_passed)),
    ] {
        assert_eq!(checked(health, workload, asked), no_answer);
    }
    let ended = |line: &str| {
        let ended = Err(Unwell::Ended(format!("its process ended: {line}")));
        checked(Health::NotAsked, Applied::Changed, Some(ended))
    };
    assert_eq!(
        ended("no database"),
        "waiting: Radarr: its process ended: no database; see kubectl logs of container radarr"
    );
    let long = ended(&"ü".repeat(200));
    let message = long.strip_prefix("waiting: ").unwrap();
    assert_eq!(message.chars().count(), LENGTH);
    assert!(message.contains("its process ended: üüü"), "{message}");
    assert!(
        message.ends_with("ü…; see kubectl logs of container radarr"),
        "{message}"
    );
    // What was found before it was started says nothing.
    for (health, workload, asked) in [
        (Health::Down, Applied::Changed, Some(Ok(()))),
        (Health::NotPassed, Applied::Unchanged, Some(Ok(()))),
        (Health::Up, Applied::Unchanged, None),
    ] {
        let text = checked(health, workload, asked);
        assert!(text.starts_with("active: "), "{text}");
    }
}

#[test]
fn media_that_are_not_where_they_should_be_are_told_with_what_to_do() {
    let ends =
        |mounted: Option<Result<(), ClusterError>>| move |outcome: &mut Outcome| outcome.mounted = mounted;
    let cases = [
        (
            Some(Err(forbidden())),
            "blocked: relation media-storage: claim tank is not mounted; juju trust radarr --scope=cluster",
        ),
        (
            Some(Err(not_found())),
            "blocked: relation media-storage: claim tank is not mounted, there is none; kubectl -n homelab get pvc",
        ),
        (
            Some(Err(refused())),
            "waiting: relation media-storage: claim tank is not mounted: cannot do it: full; retrying at update-status",
        ),
        (
            Some(Ok(())),
            "waiting: relation media-storage: mounting claim tank at /data in a new pod, else kubectl describe pod",
        ),
    ];
    for (mounted, text) in cases {
        let found = decided(wants_media, ends(mounted));
        assert_eq!(shown(&found), text);
        assert!(found.is_about_media, "{text}");
    }
    let goes = |facts: &mut Facts| {
        mounts_media(facts, Ok(Claim::default()));
        facts.media = Media::NotRelated;
    };
    assert_eq!(
        status(goes, ends(Some(Err(forbidden())))),
        "blocked: relation media-storage: its claim is still mounted; juju trust radarr --scope=cluster"
    );
    assert_eq!(
        status(goes, ends(Some(Ok(())))),
        "waiting: relation media-storage: unmounting its claim in a new pod, else kubectl describe pod"
    );
    let unknown = |facts: &mut Facts| {
        wants_media(facts);
        facts.pod = Some(Err(refused()));
    };
    assert_eq!(
        status(unknown, nothing),
        "waiting: relation media-storage: cannot do it: full; retrying at update-status"
    );
    let hides = |facts: &mut Facts| {
        facts.media = media_at("tank", "/config", User { uid: 2000, gid: 2001 });
    };
    let text = shown(&decided(hides, nothing));
    assert!(
        text.starts_with("blocked: relation media-storage: mounting at /config would hide /config; "),
        "{text}"
    );
    let found = decided(nothing, nothing);
    assert!(!found.is_about_media, "{found:?}");
    // Also where something else matters more, so that a later dispatch looks again.
    let silent = |facts: &mut Facts| {
        unknown(facts);
        facts.container = Container::NotReachable;
    };
    let found = decided(silent, nothing);
    assert!(
        found.is_about_media && shown(&found).contains("Pebble is not responding"),
        "{found:?}"
    );
}

#[test]
fn media_that_get_into_backups_are_told() {
    let mounted = |claim: Result<Claim, ClusterError>| {
        move |facts: &mut Facts| {
            mounts_media(facts, claim);
            wants_media(facts);
        }
    };
    let ends = |excluded: Result<(), ClusterError>| move |outcome: &mut Outcome| outcome.excluded = excluded;
    let cases = [
        (
            Err(forbidden()),
            Ok(()),
            "blocked: relation media-storage: claim tank may get into backups; juju trust radarr --scope=cluster",
        ),
        (
            Err(refused()),
            Ok(()),
            "waiting: relation media-storage: claim tank may get into backups: cannot do it: full; retrying at \
             update-status",
        ),
        (
            Ok(Claim::default()),
            Err(forbidden()),
            "blocked: relation media-storage: claim tank gets into backups; juju trust radarr --scope=cluster",
        ),
    ];
    for (claim, excluded, text) in cases {
        let found = decided(mounted(claim), ends(excluded));
        assert_eq!(shown(&found), text);
        assert!(found.is_about_media, "{text}");
    }
    let text = status(mounted(Ok(Claim::default())), ends(Ok(())));
    assert!(text.starts_with("active: "), "{text}");
    // One that is about to go, or to move, is looked at when that is done.
    let goes = |facts: &mut Facts| {
        mounts_media(facts, Err(forbidden()));
        facts.media = Media::NotRelated;
    };
    let text = status(goes, |outcome| outcome.mounted = Some(Ok(())));
    assert!(text.contains("unmounting its claim"), "{text}");
}

#[test]
fn backups_that_would_hold_nothing_are_told_while_they_are_asked_for() {
    let no_pod = |error: ClusterError, is_backed_up: bool| {
        move |facts: &mut Facts| {
            facts.volume = workload_charm::backup::BackupFacts::Failed(error);
            if !is_backed_up {
                facts.backup_relations.clear();
            }
        }
    };
    assert_eq!(
        status(no_pod(refused(), true), nothing),
        "waiting: backups: pod radarr-0: cannot do it: full; retrying at update-status"
    );
    let unreachable = ClusterError::unreachable("do it", "no route");
    assert_eq!(
        status(no_pod(unreachable, true), nothing),
        "waiting: backups: pod radarr-0: cannot reach Kubernetes: no route; retrying at update-status"
    );
    let text = status(no_pod(forbidden(), true), nothing);
    assert!(text.starts_with("blocked: backups: pod radarr-0: "), "{text}");
    let text = status(no_pod(refused(), false), nothing);
    assert!(text.starts_with("active: no backups: "), "{text}");
    let no_volume = |facts: &mut Facts| facts.volume = workload_charm::backup::BackupFacts::NoSuchVolume;
    let text = status(no_volume, nothing);
    assert!(text.starts_with("blocked: backups: pod radarr-0: "), "{text}");
    let marked = |marked: Result<(), ClusterError>| move |outcome: &mut Outcome| outcome.marked = marked;
    assert_eq!(
        status(nothing, marked(Err(refused()))),
        "waiting: backups: cannot do it: full; retrying at update-status"
    );
    assert_eq!(
        status(nothing, marked(Err(forbidden()))),
        "blocked: backups: Kubernetes does not allow the charm to do it; juju trust radarr --scope=cluster"
    );
}

#[test]
fn options_that_cannot_be_used_are_told() {
    for (option, text) in [
        (
            RawOptions::default().with(&options::CREDENTIAL_ROTATION, "hourly"),
            "blocked: credential-rotation \"hourly\": ",
        ),
        (
            RawOptions::default().with(&NIGHTLY.schedule, "sometimes"),
            "blocked: backup-schedule ",
        ),
        (
            RawOptions::default().with(&options::TIMEZONE, "Mars/Olympus"),
            "blocked: timezone ",
        ),
    ] {
        let found = status(|facts| facts.options = option, nothing);
        assert!(found.starts_with(text), "{found}");
    }
}

#[test]
fn an_active_unit_says_how_its_backups_stand() {
    let text = |seen: HealthLookup| {
        let daily = |facts: &mut Facts| {
            facts.options = RawOptions::default().with(&NIGHTLY.schedule, "0 3 * * *");
            facts.standing = seen;
        };
        status(daily, nothing)
    };
    let asked = "active: scheduled backups: 0 3 * * *, kept ";
    for (seen, end) in [
        (
            HealthLookup::NotAllowed,
            "; unverified: juju trust radarr --scope=cluster",
        ),
        (HealthLookup::Unknown, "; unverified: run list-backups"),
    ] {
        let found = text(seen);
        assert!(found.starts_with(asked) && found.ends_with(end), "{found}");
    }
    let found = text(HealthLookup::NotAsked);
    assert!(found.starts_with(asked) && !found.contains(';'), "{found}");
}

#[test]
fn media_that_the_other_side_describes_wrongly_are_told_and_the_app_is_left() {
    let bag = [("config".to_owned(), "{".to_owned())].into();
    let text = status(|facts| facts.media = Media::from_bag(&bag), nothing);
    assert!(
        text.starts_with("blocked: relation media-storage: config is no JSON object; "),
        "{text}"
    );
}

#[test]
fn only_a_unit_that_the_others_know_as_the_one_with_the_data_warns_of_a_scale_down() {
    let second = |facts: &mut Facts| facts.unit = "radarr/1".parse().unwrap();
    let warning = "active: scaling down removes this unit's data";
    assert!(status(second, nothing).starts_with(warning));
    let unknown = |facts: &mut Facts| {
        second(facts);
        facts.peers = Peers::NoRelation;
    };
    let text = status(unknown, nothing);
    assert!(
        text.starts_with("active: ") && !text.contains("scaling down"),
        "{text}"
    );
    assert!(!status(nothing, nothing).contains("scaling down"));
}

#[test]
fn a_retention_that_leaves_a_time_without_any_backup_is_told() {
    let text = |retention: &str| {
        let asked = RawOptions::default()
            .with(&NIGHTLY.schedule, "0 3 * * 0")
            .with(&NIGHTLY.retention, retention);
        status(|facts| facts.options = asked, nothing)
    };
    let short = text("167h");
    let reason = "blocked: backup-retention \"167h\": below the 168 h between backups";
    assert!(short.starts_with(reason) && short.ends_with("=1176h"), "{short}");
    let enough = text("168h");
    assert!(enough.starts_with("active: "), "{enough}");
}

/// The gateway is connected, and neither cluster nor pod has anything of the route.
fn wants_route(facts: &mut Facts) {
    let config = r#"{"gateway_dns_name":"gluetun.vpn","cluster_cidrs":"10.0.0.0/8","cluster_dns_ip":"10.0.0.10","vpn_connected":true}"#;
    facts.vpn = VpnFacts {
        vpn: Vpn::from_bag(&BTreeMap::from([("config".to_owned(), config.to_owned())])),
        own: None,
        objects: Some(Ok(Found::default())),
    };
}

#[test]
fn a_route_that_is_not_as_it_should_be_is_told_where_the_app_may_run_without_it() {
    assert_eq!(
        status(wants_route, nothing),
        "waiting: relation vpn-gateway: changing the route in a new pod, else kubectl describe pod"
    );
    let ends = |error: ClusterError| move |outcome: &mut Outcome| outcome.routed = Some(Err(error));
    assert_eq!(
        status(wants_route, ends(forbidden())),
        "blocked: relation vpn-gateway: cannot change the route; juju trust radarr --scope=cluster"
    );
    assert_eq!(
        status(wants_route, ends(refused())),
        "waiting: relation vpn-gateway: cannot do it: full; retrying at update-status"
    );
    let unseen = |facts: &mut Facts| {
        wants_route(facts);
        facts.vpn.objects = Some(Err(refused()));
    };
    assert_eq!(
        status(unseen, nothing),
        "waiting: relation vpn-gateway: cannot do it: full; retrying at update-status"
    );
    // What keeps the app from running matters more.
    let unmounted = |facts: &mut Facts| {
        wants_route(facts);
        facts.storage = Storage::NotMounted;
        facts.container = Container::Ready(new_container());
    };
    let said = status(unmounted, ends(forbidden()));
    assert!(said.starts_with("waiting: storage config: "), "{said}");
}
