//! The app files of this repository, and facts to plan from.

pub mod cluster;
pub mod gateway;
pub mod notified;
pub mod recovery;
pub mod unit;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use config_recovery::backups::{BackupHealth, EndpointHealth, LastGood, Scheduled};
use jiff::{SignedDuration, Timestamp};
use juju_charm::pebble::{Layer, Plan as PebblePlan, ServiceStatus};
use workload_charm::cos::Cos;
use workload_charm::credentials::Credentials;
use workload_charm::data_unit::{Contents, DataUnit, PeerFacts, Peers};
use workload_charm::facts::{
    BackupRelations, Container, Exchange, ExporterFacts, Facts, FileFacts, Health, ReadyContainer, Storage,
};
use workload_charm::ingress::{Ingress, Related};
use workload_charm::media::Media;
use workload_charm::options::{self, RawOptions};
use workload_charm::profile::{AppProfile, CreatedBy, Format, OptionValue, User};
use workload_charm::recovery::standing::HealthLookup;
use workload_charm::remembered::Remembered;
use workload_charm::steps::apply::{Applied, Outcome};
use workload_charm::steps::plan::{Plan, WorkloadPlan};
use workload_charm::tiers::{self, NIGHTLY, Tier};
use workload_charm::vpn::{Vpn, VpnFacts};

/// The folder of the app files.
pub fn apps_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("apps")
}

/// One app's file.
pub fn app(name: &str) -> AppProfile {
    // Only its own: reading all of them takes longer than most tests.
    AppProfile::load(&apps_folder().join(format!("{name}.yaml"))).unwrap()
}

/// The app that tests of one app are about.
pub fn radarr() -> AppProfile {
    app("radarr")
}

/// Every app file, with its path.
pub fn apps() -> Vec<(PathBuf, AppProfile)> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(apps_folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .collect();
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let profile = AppProfile::load(&path).unwrap();
            assert_eq!(path.file_stem().unwrap().to_str().unwrap(), profile.name);
            (path, profile)
        })
        .collect()
}

/// A container that was just made.
pub fn new_container() -> ReadyContainer {
    ReadyContainer {
        last_line: None,
        has_stale_files: false,
        plan: PebblePlan::default(),
        service: None,
        health: Health::NotAsked,
        config_file: None,
        put_aside: Vec::new(),
        version: None,
    }
}

/// A leader in a new container, related to nothing but the operator of backups, with all options at their defaults.
pub fn fresh(profile: &AppProfile) -> Facts {
    let made_by_charm = profile
        .config_file
        .as_ref()
        .is_some_and(|file| file.created_by == CreatedBy::Charm);
    let credentials = profile.credentials.as_ref().filter(|_| made_by_charm);
    Facts {
        now: Timestamp::now(),
        app: profile.name.clone(),
        unit: format!("{}/0", profile.name).parse().unwrap(),
        model: "homelab".to_owned(),
        model_uuid: "8a1c2e3f-0000-4000-8000-1f2e3d4c5b6a".to_owned(),
        cos: Cos::default(),
        exporter: ExporterFacts::default(),
        charm_dir: format!("/var/lib/juju/agents/unit-{}-0/charm", profile.name).into(),
        volume: cluster::PodCluster::new(profile).volume(profile),
        pod: Some(cluster::PodCluster::new(profile).seen()),
        leader: true,
        peers: match &profile.storage {
            Some(_) => Peers::Related(PeerFacts {
                id: "peers:0".to_owned(),
                bound: None,
                had_data: false,
                rotations: 0,
                own: None,
                own_paused: false,
                data_unit_paused: Some(false),
                others: BTreeMap::new(),
            }),
            None => Peers::NotTracked,
        },
        data: match &profile.storage {
            Some(_) => DataUnit::Here,
            None => DataUnit::NotTracked,
        },
        // Most tests are about an app that runs.
        options: RawOptions::default().with(&options::UNSAFE_MODE, "true"),
        remembered: Remembered::default(),
        metadata: Ok(()),
        container: Container::Ready(new_container()),
        storage: match &profile.storage {
            Some(_) => Storage::Mounted {
                location: "/var/lib/juju/storage/config/0".into(),
                owner: (0, 0),
                contents: Contents::Empty,
                exchange: Exchange::Nothing,
            },
            None => Storage::NotRead,
        },
        credentials: credentials.map(|kind| Credentials::generate(kind).unwrap()),
        rotation: None,
        rotation_is_due: false,
        obsolete: None,
        backup_relations: match &profile.storage {
            Some(_) => related_by(&[&NIGHTLY]),
            None => BackupRelations::new(),
        },
        standing: HealthLookup::NotAsked,
        media_go: false,
        media_claim: None,
        is_recalled: false,
        fewer: Vec::new(),
        left: Vec::new(),
        media: if profile.media {
            Media::NotRelated
        } else {
            Media::NotRead
        },
        ingress: if profile.ingress {
            Ingress::NotRelated
        } else {
            Ingress::NotRead
        },
        vpn: VpnFacts {
            vpn: if profile.vpn {
                Vpn::NotRelated
            } else {
                Vpn::NotRead
            },
            ..VpnFacts::default()
        },
        opened_ports: Some(Vec::new()),
    }
}

/// These tiers are related, and nothing was asked for yet.
pub fn related_by(tiers: &[&Tier]) -> BackupRelations {
    let numbered = tiers.iter().zip(1..).map(|(tier, number)| {
        let name = tier.name();
        let bags = BTreeMap::from([(format!("{name}:{number}"), BTreeMap::new())]);
        (name.to_owned(), bags)
    });
    numbered.collect()
}

/// Backups of the first tier, made by this Schedule, the last good one of which is this.
pub fn nightly(last_good: Option<LastGood>, schedule: Option<Scheduled>) -> BackupHealth {
    BackupHealth {
        kept_longest: last_good.clone(),
        endpoints: [(NIGHTLY.name().to_owned(), EndpointHealth { last_good, schedule })].into(),
        ..BackupHealth::default()
    }
}

/// Backups as they should be: since two days ago by a Schedule, the last of which has just ended.
pub fn in_order() -> BackupHealth {
    let ended = Timestamp::now();
    let last = LastGood {
        name: "radarr-1".to_owned(),
        uid: "aaaa-1".to_owned(),
        started: Some(ended),
        time: Some(ended),
        expires: Some(ended + SignedDuration::from_hours(720)),
        bytes: Some(20_131_072),
    };
    let schedule = Scheduled {
        name: "radarr-s".to_owned(),
        since: Some(ended - SignedDuration::from_hours(48)),
        rests: None,
    };
    nightly(Some(last), Some(schedule))
}

/// What the secret would hold.
pub fn kept(profile: &AppProfile) -> Option<Credentials> {
    let kind = profile.credentials.as_ref()?;
    let made = Credentials::generate(kind).unwrap();
    Some(Credentials::from_secret(kind, &made.content()).unwrap())
}

/// The container in which `layer` runs and whose config file has this content.
pub fn running(profile: &AppProfile, layer: &Layer, content: Option<Vec<u8>>) -> ReadyContainer {
    let user = profile.workload.user;
    ReadyContainer {
        last_line: None,
        has_stale_files: false,
        plan: PebblePlan {
            services: layer.services.clone(),
            checks: layer.checks.clone(),
            ..PebblePlan::default()
        },
        service: Some(ServiceStatus::Active),
        health: Health::Up,
        config_file: content.map(|content| FileFacts {
            content,
            mode: 0o600,
            owner: user.map(|user| (user.uid, user.gid)),
        }),
        put_aside: Vec::new(),
        version: None,
    }
}

/// A file as the app writes it at its first start, for those that make their own.
pub fn own_file(profile: &AppProfile) -> Option<Vec<u8>> {
    let file = profile.config_file.as_ref()?;
    let text = match file.format {
        Format::Json => {
            "{\n \"clientId\": \"c0ffee\",\n \"main\": {\n  \"apiKey\": \"MTcwMDAwMDAwMDAwMGE2NGFmMDg1LTQ4YWY=\",\n  \"locale\": \"en\"\n }\n}\n"
        }
        _ => {
            "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<Preferences MachineIdentifier=\"c0ffee\" AcceptedEULA=\"1\"/>\n"
        }
    };
    (file.created_by == CreatedBy::App).then(|| text.as_bytes().to_vec())
}

/// Every option set to something else, all relations there.
pub fn with_everything(profile: &AppProfile, facts: Facts) -> Facts {
    let mut options = RawOptions::default()
        .with(&options::TIMEZONE, "Europe/Berlin")
        .with(&options::URL_BASE, "/not-this-one")
        .with(&NIGHTLY.schedule, "0 3 * * *")
        .with(&NIGHTLY.retention, "48h")
        .with(&options::BACKUP_METHOD, "snapshot")
        .with(&options::CREDENTIAL_ROTATION, "monthly")
        .with(&options::UNSAFE_MODE, "true");
    for (name, option) in &profile.options {
        let value = match (&option.default, option.choices.keys().next()) {
            (OptionValue::Text(_), Some(choice)) => OptionValue::Text(choice.clone()),
            (OptionValue::Text(_), None) => OptionValue::Text("one.example, two.example".to_owned()),
            (OptionValue::Int(number), _) => OptionValue::Int(number + 1),
            (OptionValue::Boolean(value), _) => OptionValue::Boolean(!value),
        };
        options = options.with_own(name, value);
    }
    let related = Related {
        id: "ingress:3".to_owned(),
        app_bag: Some(BTreeMap::new()),
        unit_bag: BTreeMap::new(),
        address: Some("10.1.2.3".to_owned()),
        url: Some(format!("http://media.example/homelab-{}", profile.name)),
    };
    Facts {
        options,
        backup_relations: match &profile.storage {
            Some(_) => related_by(&tiers::of(profile).collect::<Vec<_>>()),
            None => BackupRelations::new(),
        },
        media: if profile.media {
            media_at("media", "/data", User { uid: 2000, gid: 2001 })
        } else {
            Media::NotRead
        },
        ingress: if profile.ingress {
            Ingress::Related(related)
        } else {
            Ingress::NotRead
        },
        ..facts
    }
}

/// What the relation media-storage says of a claim.
pub fn media_at(claim: &str, mount_path: &str, user: User) -> Media {
    let config = format!(
        r#"{{"pvc_name":"{claim}","mount_path":"{mount_path}","puid":{},"pgid":{}}}"#,
        user.uid, user.gid
    );
    let media = Media::from_bag(&BTreeMap::from([("config".to_owned(), config)]));
    assert!(matches!(media, Media::Provided(_)), "{media:?}");
    media
}

/// What applying it would say, if all goes well.
pub fn applied(plan: &Plan) -> Outcome {
    let workload = match plan.workload {
        WorkloadPlan::Leave | WorkloadPlan::Look => Applied::Left,
        WorkloadPlan::Keep(_) => Applied::Unchanged,
        WorkloadPlan::Stop => Applied::Stopped,
        WorkloadPlan::Run(..) => Applied::Changed,
    };
    Outcome {
        health: plan.patience.map(|_| Ok(())),
        workload,
        marked: Ok(()),
        excluded: Ok(()),
        mounted: plan.mount.as_ref().map(|_| Ok(())),
        routed: plan.route.as_ref().map(|_| Ok(())),
    }
}

/// The text with the values of credentials replaced by their names.
pub fn without_secrets(text: &str, credentials: Option<&Credentials>) -> String {
    let mut text = text.to_owned();
    for key in ["password-hash", "password", "api-key"] {
        if let Some(value) = credentials.and_then(|credentials| credentials.expose(key)) {
            text = text.replace(value, &format!("<{key}>"));
        }
    }
    text
}
