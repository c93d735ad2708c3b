//! What the charm would do, for every app and in every situation, as text to read: through the real validate, plan and
//! status. `cargo insta review`, or INSTA_UPDATE=always, after a change that is meant.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::common::{
    applied, apps, fresh, kept, media_at, own_file, running, with_everything, without_secrets,
};
use workload_charm::config_file::{self, Edit, Value, WantedSetting};
use workload_charm::data_unit::{Contents, DataUnit, PeerFacts, Peers, Report};
use workload_charm::facts::{Container, Facts, Storage};
use workload_charm::kubernetes::{FoundObject, OwnObject, PodVolume, StatefulSet};
use workload_charm::media::VOLUME;
use workload_charm::options::{RawOptions, TIMEZONE, UNSAFE_MODE};
use workload_charm::profile::{AppProfile, OptionValue, Setting};
use workload_charm::steps::plan::{ExporterPlan, OwnBags, Plan, Run, SecretPlan, WorkloadPlan};
use workload_charm::steps::prepare_volume::Situation;
use workload_charm::steps::{planned, status};
use workload_charm::template::Place;
use workload_charm::tiers::NIGHTLY;
use workload_charm::vpn::route::RouteChange;
use workload_charm::vpn::{Found, OwnBag, Vpn, VpnFacts, objects};

#[test]
fn every_app_in_every_situation() {
    for (_, profile) in apps() {
        let mut situations = vec![
            ("fresh", fresh(&profile)),
            (
                "configured: every option set, every relation made, while it runs with the defaults",
                configured(&profile),
            ),
            ("a unit that does not lead, where it runs", non_leader(&profile)),
            ("no Pebble", no_pebble(&profile)),
            ("no storage", no_storage(&profile)),
            (
                "an option that cannot be used, while it runs",
                bad_option(&profile),
            ),
        ];
        if profile.storage.is_some() {
            situations.extend([
                (
                    "the unit with the data, beside one that a scale-down would leave",
                    goes_first(&profile),
                ),
                ("a leader beside the unit with the data", leader_without(&profile)),
                (
                    "a leader when the unit with the data is gone",
                    data_unit_gone(&profile),
                ),
                ("a volume that lost its content", emptied(&profile)),
            ]);
        }
        if profile.vpn {
            situations.extend([
                ("not allowed to run without a VPN", seen(fresh(&profile))),
                ("not allowed any more, while it runs", seen(settled(&profile))),
                (
                    "a VPN gateway is related that has not connected yet",
                    seen(gateway(fresh(&profile), false)),
                ),
                (
                    "a VPN gateway is related, and the pod has no route",
                    seen(gateway(fresh(&profile), true)),
                ),
                (
                    "a VPN gateway is related, and the pod has its route",
                    seen(routed(gateway(fresh(&profile), true))),
                ),
                (
                    "the VPN gateway has lost its connection, while it runs",
                    seen(routed(gateway(settled(&profile), false))),
                ),
                (
                    "the relation to the VPN gateway is gone, while it runs",
                    seen(routed(settled(&profile))),
                ),
                (
                    "the relation to the VPN gateway is gone, and the pod's route too",
                    seen(with_objects(fresh(&profile))),
                ),
            ]);
        }
        if follows_media(&profile) {
            situations.extend([
                (
                    "the media are mounted",
                    with_media(fresh(&profile), &profile, true),
                ),
                (
                    "the media are related and not mounted yet",
                    with_media(settled(&profile), &profile, false),
                ),
                (
                    "the relation to the media is gone, while it runs",
                    media_gone(&profile),
                ),
            ]);
        }
        if let Some(facts) = database_elsewhere(&profile) {
            situations.push(("its config file names a database outside of the volume", facts));
        }
        let mut text = String::new();
        for (name, facts) in situations {
            writeln!(text, "== {name}\n{}", described(&profile, &facts)).unwrap();
        }
        insta::with_settings!({snapshot_path => "golden", prepend_module_to_snapshot => false, omit_expression => true}, {
            insta::assert_snapshot!(profile.name.as_str(), text);
        });
    }
}

fn configured(profile: &AppProfile) -> Facts {
    let settled = settled(profile);
    Facts {
        rotation: profile.credentials.as_ref().map(|_| "never".to_owned()),
        ..with_everything(profile, settled)
    }
}

/// Whether the config file says where the media are.
fn follows_media(profile: &AppProfile) -> bool {
    let file = profile.config_file.as_ref();
    let settings = file.map(|file| file.values.flat()).unwrap_or_default();
    settings.iter().any(|(_, setting)| match setting {
        Setting::Text(template) => template.places().any(|place| *place == Place::Media),
        Setting::List(_) | Setting::Section(_) => false,
    })
}

fn with_media(facts: Facts, profile: &AppProfile, mounted: bool) -> Facts {
    let media = media_at("media", "/data", profile.workload.user.unwrap());
    let mut pod = facts.pod.unwrap().unwrap();
    if mounted {
        let claim = PodVolume::Claim("media".to_owned());
        pod.volumes.insert(VOLUME.to_owned(), claim);
        let mounts = pod.mounts.entry(profile.name.clone()).or_default();
        mounts.insert("/data".to_owned(), VOLUME.to_owned());
    }
    Facts {
        media,
        pod: Some(Ok(pod)),
        ..facts
    }
}

fn media_gone(profile: &AppProfile) -> Facts {
    settled_after(profile, with_media(fresh(profile), profile, true))
}

/// The leader of an app that has run for a while.
fn settled(profile: &AppProfile) -> Facts {
    settled_after(profile, fresh(profile))
}

/// The same, when it wrote its file as these facts made it.
fn settled_after(profile: &AppProfile, then: Facts) -> Facts {
    let credentials = kept(profile);
    let then = Facts {
        credentials: credentials.clone(),
        ..then
    };
    let first = fresh(profile);
    let first = Facts { credentials, ..first };
    let (.., plan) = planned(profile, &then, Situation::Dispatch);
    let WorkloadPlan::Run(_, run) = plan.workload else {
        panic!("{} does not start", profile.name);
    };
    let content = run
        .file
        .map(|file| file.file.content)
        .or_else(|| own_file(profile));
    let container = running(profile, &run.layer.unwrap(), content);
    let user = profile.workload.user;
    Facts {
        peers: peers(profile, 0, Report::Data, None),
        container: Container::Ready(container),
        storage: match first.storage {
            Storage::Mounted {
                location, exchange, ..
            } => Storage::Mounted {
                location,
                owner: user.map(|user| (user.uid, user.gid)).unwrap(),
                contents: Contents::Data,
                exchange,
            },
            other => other,
        },
        ..first
    }
}

/// The peer relation of an app whose data are on unit 0 if it is tracked, and another unit.
fn peers(profile: &AppProfile, unit: u64, own: Report, other: Option<u64>) -> Peers {
    if profile.storage.is_none() {
        return Peers::NotTracked;
    }
    let name = |number: u64| format!("{}/{number}", profile.name).parse().unwrap();
    Peers::Related(PeerFacts {
        id: "peers:0".to_owned(),
        bound: Some(name(unit)),
        had_data: true,
        rotations: 0,
        own: Some(own),
        own_paused: false,
        data_unit_paused: Some(false),
        others: other.into_iter().map(|other| (name(other), None)).collect(),
    })
}

fn non_leader(profile: &AppProfile) -> Facts {
    let first = format!("{}/0", profile.name).parse().unwrap();
    Facts {
        leader: false,
        unit: format!("{}/1", profile.name).parse().unwrap(),
        peers: peers(profile, 0, Report::Data, Some(0)),
        data: match profile.storage {
            Some(_) => DataUnit::Elsewhere {
                unit: first,
                is_present: true,
            },
            None => DataUnit::NotTracked,
        },
        credentials: None,
        // Only the leader may read the bags.
        backup_relations: match profile.storage {
            Some(_) => [(NIGHTLY.name().to_owned(), BTreeMap::new())].into(),
            None => BTreeMap::new(),
        },
        storage: Storage::NotRead,
        ..settled(profile)
    }
}

/// The unit with the data, beside one that a scale-down would leave.
fn goes_first(profile: &AppProfile) -> Facts {
    let unit = format!("{}/1", profile.name).parse().unwrap();
    Facts {
        unit,
        peers: peers(profile, 1, Report::Data, Some(0)),
        ..settled(profile)
    }
}

/// A fresh leader beside the unit with the data, which a scale-down would remove.
fn leader_without(profile: &AppProfile) -> Facts {
    let unit = format!("{}/0", profile.name).parse().unwrap();
    Facts {
        leader: true,
        unit,
        peers: peers(profile, 1, Report::Empty, Some(1)),
        data: match profile.storage {
            Some(_) => DataUnit::Elsewhere {
                unit: format!("{}/1", profile.name).parse().unwrap(),
                is_present: true,
            },
            None => DataUnit::NotTracked,
        },
        ..fresh(profile)
    }
}

/// The leader, when the unit with the data is gone.
fn data_unit_gone(profile: &AppProfile) -> Facts {
    let leader = leader_without(profile);
    Facts {
        peers: peers(profile, 1, Report::Empty, None),
        data: match leader.data {
            DataUnit::Elsewhere { unit, .. } => DataUnit::Elsewhere {
                unit,
                is_present: false,
            },
            other => other,
        },
        ..leader
    }
}

/// The volume is empty in a new container, and was not.
fn emptied(profile: &AppProfile) -> Facts {
    Facts {
        peers: peers(profile, 0, Report::Data, None),
        ..fresh(profile)
    }
}

fn no_pebble(profile: &AppProfile) -> Facts {
    Facts {
        container: Container::NotReachable,
        credentials: None,
        ..fresh(profile)
    }
}

fn no_storage(profile: &AppProfile) -> Facts {
    Facts {
        storage: match profile.storage {
            Some(_) => Storage::NotMounted,
            None => Storage::NotRead,
        },
        ..fresh(profile)
    }
}

/// The first option of its own that can be wrong, else the time zone.
fn bad_option(profile: &AppProfile) -> Facts {
    let options = RawOptions::default();
    let own = profile
        .options
        .iter()
        .find(|(_, option)| !option.choices.is_empty() || option.minimum.is_some());
    let options = match own {
        Some((name, option)) if option.choices.is_empty() => {
            options.with_own(name, OptionValue::Int(i64::MIN))
        }
        Some((name, _)) => options.with_own(name, OptionValue::Text("loud".to_owned())),
        None => options.with(&TIMEZONE, "Mars/Olympus"),
    };
    let options = options.with(&UNSAFE_MODE, "true");
    Facts {
        options,
        ..settled(profile)
    }
}

/// Everybody may see the app.
fn seen(facts: Facts) -> Facts {
    Facts {
        options: facts.options.with(&UNSAFE_MODE, "false"),
        ..facts
    }
}

const GATEWAY: &str = r#"{"gateway_dns_name":"gluetun.vpn.svc.cluster.local","cluster_cidrs":"10.1.0.0/16, 10.152.183.0/24","cluster_dns_ip":"10.152.183.10","vpn_connected":CONNECTED,"instance_name":"gluetun"}"#;

fn gateway_bag(is_connected: bool) -> BTreeMap<String, String> {
    let config = GATEWAY.replace("CONNECTED", &is_connected.to_string());
    BTreeMap::from([("config".to_owned(), config)])
}

/// A gateway is related.
fn gateway(facts: Facts, is_connected: bool) -> Facts {
    let vpn = VpnFacts {
        vpn: Vpn::from_bag(&gateway_bag(is_connected)),
        own: Some(OwnBag {
            relation_id: "vpn-gateway:4".to_owned(),
            bag: BTreeMap::new(),
        }),
        objects: is_connected.then(|| Ok(Found::default())),
    };
    Facts { vpn, ..facts }
}

/// What the cluster holds for the route.
fn with_objects(mut facts: Facts) -> Facts {
    let Vpn::Provided(gateway) = Vpn::from_bag(&gateway_bag(true)) else {
        panic!("not provided");
    };
    let set = StatefulSet {
        uid: "own".to_owned(),
        ..StatefulSet::default()
    };
    let found = |object: OwnObject| FoundObject {
        content: object.content,
        owners: vec![set.uid.clone()],
    };
    facts.vpn.objects = Some(Ok(Found {
        config_map: Some(found(objects::config_map(&facts.app, &gateway, &set.uid))),
        kill_switch: Some(found(objects::kill_switch(&facts.app, &gateway, &set.uid))),
        set,
        is_needed: false,
    }));
    facts
}

/// The pod has the route, and the cluster what belongs to it.
fn routed(facts: Facts) -> Facts {
    let mut facts = with_objects(facts);
    let Vpn::Provided(gateway) = Vpn::from_bag(&gateway_bag(true)) else {
        panic!("not provided");
    };
    if let Some(Ok(pod)) = &mut facts.pod {
        let image = objects::IMAGE.to_owned();
        pod.init_images.insert(objects::INIT.to_owned(), image.clone());
        pod.images.insert(objects::SIDECAR.to_owned(), image);
        let mark = objects::mark(&facts.app, &gateway);
        pod.annotations.insert(objects::MARK.to_owned(), mark);
        if let Some(Ok(found)) = &mut facts.vpn.objects {
            found.set.template = pod.clone();
        }
    }
    facts
}

/// The user has given the app a database of its own.
fn database_elsewhere(profile: &AppProfile) -> Option<Facts> {
    let place = profile.storage.as_ref()?.external_database.settings.first()?;
    let mut facts = settled(profile);
    let Container::Ready(container) = &mut facts.container else {
        return None;
    };
    let file = container.config_file.as_mut()?;
    let wanted = [WantedSetting {
        path: place.clone(),
        value: Value::Text("db.example".to_owned()),
    }];
    match config_file::edit(profile.config_file.as_ref()?, Some(&file.content), &wanted, &[]) {
        Edit::Write(content) => file.content = content,
        other => panic!("{other:?}"),
    }
    Some(facts)
}

fn described(profile: &AppProfile, facts: &Facts) -> String {
    let (start, validated, plan) = planned(profile, facts, Situation::Dispatch);
    let told = status::Told::only(&start);
    let status = status::decide(profile, facts, &validated, &applied(&plan), told).status;
    assert!(
        status.message().chars().count() <= status::LENGTH,
        "{}",
        status.message()
    );
    let mut text = format!("status {}: {}\n", status.name(), status.message());
    // No `..`: a new part of the plan does not compile until it is shown.
    let Plan {
        record,
        secret,
        obsolete,
        databags,
        peers,
        ingress,
        vpn,
        cos,
        exporter,
        log_targets,
        open_ports,
        version,
        pod,
        claim,
        exclude,
        include,
        mount,
        route,
        left,
        workload,
        patience,
        commands,
    } = plan;
    if let Some(record) = record {
        let record = serde_json::to_string(&record).unwrap();
        writeln!(text, "remember first: {record}").unwrap();
    }
    match secret {
        SecretPlan::Keep => {}
        SecretPlan::Add { credentials, rotate } => {
            let content = credentials.content();
            let keys: Vec<&str> = content.iter().map(|(key, _)| key).collect();
            writeln!(text, "secret: add {}, rotate {rotate}", keys.join(", ")).unwrap();
        }
        SecretPlan::Renew(_) => text.push_str("secret: renew\n"),
        SecretPlan::SetRotation(policy) => writeln!(text, "secret: rotate {policy}").unwrap(),
    }
    if let Some(obsolete) = obsolete {
        writeln!(text, "secret: remove revision {}", obsolete.revision).unwrap();
    }
    for change in databags {
        for (key, value) in change.set {
            writeln!(text, "{} {key}: {value}", change.relation_id).unwrap();
        }
    }
    let of_cos = cos.into_iter().map(|(_, bags)| bags);
    for bags in [peers, ingress, vpn].into_iter().flatten().chain(of_cos) {
        let OwnBags {
            relation_id,
            app,
            unit,
        } = bags;
        for (key, value) in app {
            writeln!(text, "{relation_id} {key}: {value}").unwrap();
        }
        for (key, value) in unit {
            writeln!(text, "{relation_id} of the unit {key}: {value}").unwrap();
        }
    }
    match exporter {
        ExporterPlan::Leave => {}
        ExporterPlan::Run { tell, start } => {
            writeln!(text, "exporter: tell {tell:?}, start {start}").unwrap()
        }
        ExporterPlan::End => text.push_str("exporter: end\n"),
    }
    if let Some(layer) = log_targets {
        writeln!(text, "log targets: {}", layer.to_json()).unwrap();
    }
    for port in open_ports {
        writeln!(text, "port: open {port}").unwrap();
    }
    if let Some(version) = version {
        writeln!(text, "version: {version}").unwrap();
    }
    for (key, value) in pod {
        writeln!(text, "pod: {key}: {}", value.as_deref().unwrap_or("(removed)")).unwrap();
    }
    if let Some((claim, labels)) = claim {
        writeln!(text, "claim {claim}: {labels:?}").unwrap();
    }
    if let Some(claim) = exclude {
        writeln!(text, "claim {claim}: keep it out of backups").unwrap();
    }
    if let Some(claim) = include {
        writeln!(text, "claim {claim}: let it into backups").unwrap();
    }
    if let Some(change) = mount {
        match change.mount {
            Some(mount) => writeln!(
                text,
                "pods: {} mounts claim {} at {} as volume {}",
                change.container, mount.claim, mount.path, change.volume
            ),
            None => writeln!(text, "pods: without volume {}", change.volume),
        }
        .unwrap();
    }
    for namespace in left {
        writeln!(text, "remove namespace {namespace}").unwrap();
    }
    if let Some(change) = route {
        text.push_str(&changes_of_route(change));
    }
    match workload {
        WorkloadPlan::Leave => text.push_str("workload: leave\n"),
        WorkloadPlan::Stop => text.push_str("workload: stop\n"),
        WorkloadPlan::Look => text.push_str("workload: look at the volume first\n"),
        WorkloadPlan::Keep(_) => text.push_str("workload: keep\n"),
        WorkloadPlan::Run(_, run) => text.push_str(&steps(*run)),
    }
    if let Some(patience) = patience {
        writeln!(
            text,
            "- wait until it is healthy, at most {} s",
            patience.as_secs()
        )
        .unwrap();
    }
    for command in commands {
        writeln!(text, "- run for {}: {}", command.option, command.words.join(" ")).unwrap();
    }
    without_secrets(&text, facts.credentials.as_ref())
}

fn changes_of_route(change: RouteChange) -> String {
    let RouteChange { apply, delete, pods } = change;
    let mut text = String::new();
    for object in apply {
        writeln!(text, "apply {} {}", object.kind.name(), object.name).unwrap();
        text.push_str(&indented(&serde_yaml::to_string(&object.content).unwrap()));
    }
    for (kind, name) in delete {
        writeln!(text, "delete {} {name}", kind.name()).unwrap();
    }
    if let Some(template) = pods {
        text.push_str("pods: change their template\n");
        text.push_str(&indented(&serde_yaml::to_string(&template).unwrap()));
    }
    text
}

fn steps(run: Run) -> String {
    let Run {
        stop_first,
        remove,
        put_in_place,
        own,
        put_aside,
        file,
        layer,
    } = run;
    let mut text = "workload: run\n".to_owned();
    if stop_first {
        text.push_str("- stop it\n");
    }
    for path in remove {
        writeln!(text, "- remove {path}, if it is there").unwrap();
    }
    if let Some(volume) = put_in_place {
        writeln!(
            text,
            "- databases of a restored volume in place in {}",
            volume.display()
        )
        .unwrap();
    }
    if let Some((path, user)) = own {
        writeln!(text, "- give {} to {}:{}", path.display(), user.uid, user.gid).unwrap();
    }
    if let Some(aside) = put_aside {
        writeln!(text, "- put the old file aside: {}", aside.path).unwrap();
    }
    if let Some(file) = file {
        let content = String::from_utf8(file.file.content).unwrap();
        let (mode, owner) = (file.file.mode, file.file.owner);
        writeln!(text, "- write {} (mode {mode:o}, owner {owner:?})", file.path).unwrap();
        text.push_str(&indented(&content));
    }
    if let Some(layer) = layer {
        text.push_str("- layer\n");
        text.push_str(&indented(&serde_yaml::to_string(&layer).unwrap()));
    }
    text.push_str("- start it\n");
    text
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("    {line}\n")).collect()
}
