//! What is planned and what the status says, from facts that the other tests do not come to: each part on its own.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::common::{fresh, kept, new_container, radarr, running};
use juju_charm::pebble::{CheckLevel, Layer, Override, Startup};
use juju_charm::{Port, UnitName};
use velero_backup_config::Method;
use workload_charm::backup::{BackupFacts, Lookup};
use workload_charm::credentials::Credentials;
use workload_charm::data_unit::{Contents, DataUnit, PeerFacts, Peers, Report};
use workload_charm::facts::{Container, Facts, Storage};
use workload_charm::ingress::{Ingress, Related};
use workload_charm::kubernetes::ClusterError;
use workload_charm::media::Media;
use workload_charm::options::{self, RawOptions};
use workload_charm::profile::{AppProfile, User};
use workload_charm::steps::plan::{OwnBags, Plan, WorkloadPlan, plan};
use workload_charm::steps::planned;
use workload_charm::steps::prepare_volume::{Situation, judge};
use workload_charm::steps::rotation::Rotation;
use workload_charm::steps::validate::validate;
use workload_charm::tiers::NIGHTLY;

fn unit_name(number: u64) -> UnitName {
    format!("radarr/{number}").parse().unwrap()
}

fn peers(facts: &mut Facts) -> &mut PeerFacts {
    match &mut facts.peers {
        Peers::Related(peers) => peers,
        other => panic!("{other:?}"),
    }
}

fn holds(facts: &mut Facts, holds: Contents) {
    if let Storage::Mounted { contents, .. } = &mut facts.storage {
        *contents = holds;
    }
}

fn planned_with(profile: &AppProfile, facts: &Facts, rotation: &Rotation) -> Plan {
    let start = judge(profile, facts, Situation::Dispatch);
    let validated = validate(profile, facts, &start);
    plan(profile, facts, &validated, &start, rotation)
}

fn app_bag(plan: Plan) -> BTreeMap<String, String> {
    plan.peers.map(|OwnBags { app, .. }| app).unwrap_or_default()
}

#[test]
fn the_version_of_the_container_is_told() {
    let profile = radarr();
    let mut container = new_container();
    container.version = Some("5.2.6".to_owned());
    let facts = Facts {
        container: Container::Ready(container),
        ..fresh(&profile)
    };
    let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
    assert_eq!(plan.version.as_deref(), Some("5.2.6"));
}

#[test]
fn a_port_that_is_open_is_not_opened_again() {
    let profile = radarr();
    let port = Port::tcp(profile.workload.port);
    let opens = |opened_ports| {
        let facts = Facts {
            opened_ports,
            ..fresh(&profile)
        };
        planned(&profile, &facts, Situation::Dispatch).2.open_ports
    };
    assert_eq!(opens(Some(vec![Port::tcp(1)])), [port]);
    assert_eq!(opens(Some(vec![port])), []);
    assert_eq!(opens(None), []);
}

#[test]
fn what_was_asked_of_the_operator_is_paused_only_where_somebody_has_to_do_something() {
    let profile = radarr();
    let asked = {
        let facts = fresh(&profile);
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        let change = &plan.databags[0];
        let relation = (
            change.relation_id.clone(),
            change.set.clone().into_iter().collect(),
        );
        BTreeMap::from([(NIGHTLY.name().to_owned(), BTreeMap::from([relation]))])
    };
    let paused = |break_it: fn(&mut Facts)| {
        let mut facts = Facts {
            backup_relations: asked.clone(),
            ..fresh(&profile)
        };
        break_it(&mut facts);
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        plan.databags
            .iter()
            .map(|change| format!("{:?}", change.set).contains("paused"))
            .collect::<Vec<_>>()
    };
    assert_eq!(paused(|_| {}), Vec::<bool>::new(), "nothing differs");
    // The volume lost its content.
    assert_eq!(paused(|facts| peers(facts).own = Some(Report::Data)), [true]);
    // It is over by itself when the other unit has said what its volume holds.
    let waits = |facts: &mut Facts| {
        facts.data = DataUnit::Undecided {
            waiting_for: vec![unit_name(1)],
        };
    };
    assert_eq!(paused(waits), Vec::<bool>::new());
    // A backup of the other unit's volume holds what it should, whatever this one lacks.
    let standby = |facts: &mut Facts| {
        facts.data = DataUnit::Elsewhere {
            unit: unit_name(1),
            is_present: true,
        };
    };
    assert_eq!(paused(standby), Vec::<bool>::new());
    // The unit with the data says that it needs somebody.
    let elsewhere = |facts: &mut Facts| {
        facts.data = DataUnit::Elsewhere {
            unit: unit_name(1),
            is_present: true,
        };
        peers(facts).data_unit_paused = Some(true);
    };
    assert_eq!(paused(elsewhere), [true]);
}

#[test]
fn the_leader_writes_down_that_there_are_data_and_that_they_were_given_up() {
    let profile = radarr();
    let written = |had_data: bool, here: bool, report: Report| {
        let mut facts = fresh(&profile);
        let other = unit_name(1);
        peers(&mut facts).had_data = had_data;
        if here {
            peers(&mut facts).own = Some(report);
            peers(&mut facts).bound = Some(unit_name(0));
        } else {
            peers(&mut facts).bound = Some(other.clone());
            peers(&mut facts).others.insert(other.clone(), Some(report));
            facts.data = DataUnit::Elsewhere {
                unit: other,
                is_present: true,
            };
        }
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        app_bag(plan).get("config-volume").cloned()
    };
    for here in [true, false] {
        let case = format!("here {here}");
        assert_eq!(
            written(false, here, Report::Data).as_deref(),
            Some("data"),
            "{case}"
        );
        assert_eq!(written(true, here, Report::Data), None, "{case}");
        assert_eq!(
            written(true, here, Report::StartEmpty).as_deref(),
            Some(""),
            "{case}"
        );
        assert_eq!(written(false, here, Report::StartEmpty), None, "{case}");
        assert_eq!(written(true, here, Report::Empty), None, "{case}");
    }
}

#[test]
fn new_credentials_are_announced_to_another_unit_only() {
    let profile = radarr();
    let new = || Rotation::Due(Credentials::rotate(profile.credentials.as_ref().unwrap()).unwrap());
    let announced = |is_here: bool, rotation: &Rotation| {
        let mut facts = Facts {
            credentials: kept(&profile),
            ..fresh(&profile)
        };
        peers(&mut facts).rotations = 4;
        if !is_here {
            facts.data = DataUnit::Elsewhere {
                unit: unit_name(1),
                is_present: true,
            };
        }
        let bag = app_bag(planned_with(&profile, &facts, rotation));
        bag.get("rotations").cloned()
    };
    assert_eq!(announced(false, &new()).as_deref(), Some("5"));
    assert_eq!(announced(true, &new()), None);
    assert_eq!(announced(false, &Rotation::NotDue), None);
}

#[test]
fn a_backup_pause_is_said_once_and_taken_back() {
    let profile = radarr();
    let said = |own_paused: bool, lost: bool| {
        let mut facts = fresh(&profile);
        let lost = lost.then_some(Report::Data);
        peers(&mut facts).own = lost.or(Some(Report::Empty));
        peers(&mut facts).own_paused = own_paused;
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        let unit = plan.peers.map(|bags| bags.unit).unwrap_or_default();
        unit.get("backups").cloned()
    };
    assert_eq!(said(false, true).as_deref(), Some("paused"));
    assert_eq!(said(true, true), None);
    assert_eq!(said(true, false).as_deref(), Some(""));
    assert_eq!(said(false, false), None);
}

#[test]
fn the_peers_are_told_what_differs_and_nothing_else() {
    let profile = radarr();
    let told = |leader: bool, bound: Option<u64>, own: Option<Report>| {
        let mut facts = fresh(&profile);
        facts.leader = leader;
        peers(&mut facts).bound = bound.map(unit_name);
        peers(&mut facts).own = own;
        let (.., plan) = planned(&profile, &facts, Situation::Dispatch);
        plan.peers.map(|bags| (bags.app.len(), bags.unit.len()))
    };
    assert_eq!(told(true, None, None), Some((1, 1)));
    assert_eq!(told(true, None, Some(Report::Empty)), Some((1, 0)));
    assert_eq!(told(true, Some(0), None), Some((0, 1)));
    assert_eq!(told(false, Some(0), None), Some((0, 1)));
    assert_eq!(told(true, Some(0), Some(Report::Empty)), None);
    assert_eq!(told(false, Some(0), Some(Report::Empty)), None);
}

#[test]
fn the_ingress_is_told_what_differs_and_nothing_else() {
    let profile = radarr();
    let related = |app_bag, unit_bag| {
        let facts = Facts {
            ingress: Ingress::Related(Related {
                id: "ingress:3".to_owned(),
                app_bag,
                unit_bag,
                address: Some("10.1.2.3".to_owned()),
                url: None,
            }),
            ..fresh(&profile)
        };
        planned(&profile, &facts, Situation::Dispatch).2.ingress
    };
    let told = related(Some(BTreeMap::new()), BTreeMap::new()).unwrap();
    assert_eq!(related(Some(told.app.clone()), told.unit.clone()), None);
    let for_app = related(Some(BTreeMap::new()), told.unit.clone()).unwrap();
    assert_eq!((&for_app.app, for_app.unit.is_empty()), (&told.app, true));
    let for_unit = related(Some(told.app.clone()), BTreeMap::new()).unwrap();
    assert_eq!((for_unit.app.is_empty(), &for_unit.unit), (true, &told.unit));
}

#[test]
fn a_plan_for_a_restore_replaces_no_pods() {
    let profile = radarr();
    let mut facts = fresh(&profile);
    holds(&mut facts, Contents::Data);
    let (.., mut plan) = planned(&profile, &facts, Situation::Dispatch);
    plan.include = Some("tank".to_owned());
    plan.mount = Some(workload_charm::kubernetes::MountChange {
        volume: "media-storage".to_owned(),
        container: "radarr".to_owned(),
        mount: None,
        no_longer_at: Vec::new(),
        annotations: BTreeMap::new(),
    });
    let plan = plan.without_new_pods();
    assert_eq!((plan.include, plan.mount), (None, None));
}

#[test]
fn an_ingress_gives_a_path_only_to_an_app_that_serves_below_one() {
    let mut profile = crate::common::app("sabnzbd");
    let serves_below = |profile: &AppProfile| {
        let facts = crate::common::with_everything(profile, fresh(profile));
        let (_, validated, _) = planned(profile, &facts, Situation::Dispatch);
        let settings = validated.workload.unwrap();
        assert!(settings.ingress.is_some());
        settings.url_base
    };
    assert_eq!(serves_below(&profile), "/homelab-sabnzbd");
    let facts = crate::common::with_everything(&profile, fresh(&profile));
    let WorkloadPlan::Run(_, run) = planned(&profile, &facts, Situation::Dispatch).2.workload else {
        panic!("it does not start");
    };
    let file = String::from_utf8(run.file.unwrap().file.content).unwrap();
    assert!(file.contains("media.example"), "{file}");
    // It still has to know the host.
    profile.url_base = false;
    assert_eq!(serves_below(&profile), "/not-this-one");
}

#[test]
fn where_the_media_were_not_looked_at_the_app_stays_the_user_that_it_is() {
    let profile = radarr();
    let facts = crate::common::with_everything(&profile, fresh(&profile));
    let WorkloadPlan::Run(_, run) = planned(&profile, &facts, Situation::Dispatch).2.workload else {
        panic!("it does not start");
    };
    let owner = User { uid: 2000, gid: 2001 };
    let mut layer = run.layer.unwrap();
    assert_eq!(layer.services["radarr"].environment["TZ"], "Europe/Berlin");
    let user = |layer: &Layer, media: Media| {
        let facts = Facts {
            media,
            container: Container::Ready(running(&profile, layer, None)),
            ..fresh(&profile)
        };
        planned(&profile, &facts, Situation::Dispatch)
            .1
            .workload
            .unwrap()
            .user
    };
    assert_eq!(user(&layer, Media::NotRead), Some(owner));
    assert_eq!(user(&layer, Media::NotRelated), profile.workload.user);
    // One that runs as nobody in particular tells nothing.
    layer.services.get_mut("radarr").unwrap().group_id = None;
    assert_eq!(user(&layer, Media::NotRead), profile.workload.user);
}

#[test]
fn where_the_ingress_was_not_asked_the_plan_remembers_it() {
    let profile = radarr();
    let facts = crate::common::with_everything(&profile, fresh(&profile));
    let WorkloadPlan::Run(_, run) = planned(&profile, &facts, Situation::Dispatch).2.workload else {
        panic!("it does not start");
    };
    let layer = run.layer.unwrap();
    let url_base = |ingress| {
        let facts = Facts {
            ingress,
            container: Container::Ready(running(&profile, &layer, None)),
            ..fresh(&profile)
        };
        planned(&profile, &facts, Situation::Dispatch)
            .1
            .workload
            .unwrap()
            .url_base
    };
    assert_eq!(url_base(Ingress::NotRead), "/homelab-radarr");
    assert_eq!(url_base(Ingress::NotRelated), "");
}

#[test]
fn the_method_that_was_asked_for_stays_while_nothing_better_is_known() {
    let profile = radarr();
    let asked_before = |method: &str| {
        let mut facts = fresh(&profile);
        facts.options = RawOptions::default().with(&options::BACKUP_METHOD, method);
        let change = planned(&profile, &facts, Situation::Dispatch)
            .2
            .databags
            .remove(0);
        let mut facts = fresh(&profile);
        let bag = change.set.into_iter().collect();
        let bags = BTreeMap::from([(change.relation_id, bag)]);
        facts.backup_relations = [(NIGHTLY.name().to_owned(), bags)].into();
        let BackupFacts::Read(volume) = &mut facts.volume else {
            panic!("{:?}", facts.volume);
        };
        volume.source = Lookup::Unknown(ClusterError::unreachable("read its volume", "no route"));
        volume.snapshot_drivers = Lookup::Known(Vec::new());
        let decision = planned(&profile, &facts, Situation::Dispatch).1.decision.unwrap();
        decision.method
    };
    assert_eq!(asked_before("snapshot"), Method::Snapshot);
    assert_eq!(asked_before("filesystem"), Method::Filesystem);
}

#[test]
fn restored_files_are_given_to_the_app_before_it_starts_whoever_has_the_volume() {
    let profile = radarr();
    let user = profile.workload.user.unwrap();
    let layer = {
        let WorkloadPlan::Run(_, run) = planned(&profile, &fresh(&profile), Situation::Dispatch)
            .2
            .workload
        else {
            panic!("it does not start");
        };
        run.layer.unwrap()
    };
    let gives = |situation, runs: bool, has_volume: (u32, u32)| {
        let mut facts = fresh(&profile);
        holds(&mut facts, Contents::Data);
        if let Storage::Mounted { owner, .. } = &mut facts.storage {
            *owner = has_volume;
        }
        if runs {
            facts.container = Container::Ready(running(&profile, &layer, None));
        }
        let start = judge(&profile, &facts, situation);
        let validated = validate(&profile, &facts, &start);
        match plan(&profile, &facts, &validated, &start, &Rotation::NotDue).workload {
            WorkloadPlan::Run(_, run) => run.own.map(|(_, user)| user),
            other => panic!("{other:?}"),
        }
    };
    let (own, root) = ((user.uid, user.gid), (0, 0));
    let (restoring, dispatch) = (Situation::Restoring, Situation::Dispatch);
    assert_eq!(gives(restoring, false, own), Some(user));
    assert_eq!(gives(restoring, true, own), None);
    assert_eq!(gives(dispatch, false, own), None);
    assert_eq!(gives(dispatch, true, own), None);
    assert_eq!(gives(dispatch, false, root), Some(user));
    assert_eq!(gives(dispatch, true, root), Some(user));
}

#[test]
fn a_backup_prepares_the_volume_only_where_it_would_hold_the_data() {
    let profile = radarr();
    let prepares = |change: fn(&mut Facts)| {
        let mut facts = fresh(&profile);
        change(&mut facts);
        let pod = planned(&profile, &facts, Situation::Dispatch).2.pod;
        format!("{pod:?}").contains("/charm/dispatch")
    };
    assert!(prepares(|_| {}));
    // Juju is about to mount it.
    assert!(prepares(|facts| facts.storage = Storage::NotMounted));
    assert!(!prepares(|facts| peers(facts).own = Some(Report::Data)));
    assert!(!prepares(|facts| facts.backup_relations.clear()));
    let standby = |facts: &mut Facts| {
        facts.data = DataUnit::Elsewhere {
            unit: unit_name(1),
            is_present: true,
        };
    };
    assert!(!prepares(standby));
}

#[test]
fn the_databases_of_an_app_that_runs_are_not_touched() {
    let profile = radarr();
    let in_place = |facts: &Facts| match planned(&profile, facts, Situation::Dispatch).2.workload {
        WorkloadPlan::Run(_, run) => (run.put_in_place.is_some(), run.stop_first, run.layer),
        other => panic!("{other:?}"),
    };
    let first = fresh(&profile);
    let (is_placed, stops, layer) = in_place(&first);
    assert!(is_placed && !stops);
    let runs = Facts {
        container: Container::Ready(running(&profile, &layer.unwrap(), None)),
        ..fresh(&profile)
    };
    let (is_placed, stops, layer) = in_place(&runs);
    assert!(!is_placed && stops && layer.is_none());
}

#[test]
fn an_app_is_stopped_before_its_file_or_its_volume_changes_under_it() {
    let profile = radarr();
    let user = profile.workload.user.unwrap();
    let WorkloadPlan::Run(_, first) = planned(&profile, &fresh(&profile), Situation::Dispatch)
        .2
        .workload
    else {
        panic!("it does not start");
    };
    let content = first.file.unwrap().file.content;
    let layer = first.layer.unwrap();
    let stops = |timezone: &str, volume: (u32, u32)| {
        let mut facts = fresh(&profile);
        facts.options = RawOptions::default().with(&options::TIMEZONE, timezone);
        if let Storage::Mounted { owner, .. } = &mut facts.storage {
            *owner = volume;
        }
        facts.container = Container::Ready(running(&profile, &layer, Some(content.clone())));
        // What the file holds is what counts here.
        facts.credentials = None;
        match planned(&profile, &facts, Situation::Dispatch).2.workload {
            WorkloadPlan::Run(_, run) => {
                assert_eq!(run.file, None);
                Some(run.stop_first)
            }
            WorkloadPlan::Keep(_) => None,
            other => panic!("{other:?}"),
        }
    };
    let (own, root, utc) = ((user.uid, user.gid), (0, 0), "Etc/UTC");
    assert_eq!(stops(utc, own), None);
    // Pebble itself starts it anew when its environment is another.
    assert_eq!(stops("Europe/Berlin", own), Some(false));
    assert_eq!(stops(utc, root), Some(false));
    assert_eq!(stops("Europe/Berlin", root), Some(true));
}

#[test]
fn the_layer_says_how_the_app_runs_and_is_asked() {
    let mut profile = crate::common::app("qbittorrent");
    profile.workload.working_dir = Some("/config".to_owned());
    let WorkloadPlan::Run(_, run) = planned(&profile, &fresh(&profile), Situation::Dispatch)
        .2
        .workload
    else {
        panic!("it does not start");
    };
    let layer = run.layer.unwrap();
    let service = &layer.services["qbittorrent"];
    let user = profile.workload.user.unwrap();
    assert_eq!(service.r#override, Some(Override::Replace));
    assert_eq!(service.summary.as_deref(), Some("qBittorrent"));
    assert_eq!(service.command.as_ref(), Some(&profile.workload.command));
    assert_eq!(service.startup, Some(Startup::Enabled));
    assert_eq!(service.working_dir.as_deref(), Some("/config"));
    assert_eq!(
        (service.user_id, service.group_id),
        (Some(user.uid), Some(user.gid))
    );
    assert_eq!(service.kill_delay, Some(Duration::from_secs(60)));
    assert_eq!(service.environment["HOME"], "/config");
    let check = layer.checks.values().next().unwrap();
    assert_eq!(check.r#override, Some(Override::Replace));
    assert_eq!(check.level, Some(CheckLevel::Ready));
    assert_eq!(check.startup, Some(Startup::Disabled));
    let url = check.http.as_ref().unwrap().url.as_deref();
    assert_eq!(url, Some("http://localhost:8080/"));
    assert_eq!((layer.services.len(), layer.checks.len()), (1, 1));
}
