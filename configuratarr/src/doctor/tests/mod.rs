//! What each check finds in a model of one healthy app, when one thing at a time is not as it should be.

mod app;
mod cluster;

use std::collections::BTreeMap;

use config_recovery::method::{SNAPSHOT_CLASS_LABEL, VolumeSource};
use config_recovery::overview::Overview;
use config_recovery::survey::{
    Claim, Configuration, Objects, Password, Pod, PodVolume, PodVolumeSource, SnapshotClass, Survey, Velero,
    VeleroPod,
};
use config_recovery::{ClusterError, Error};
use jiff::SignedDuration;
use velero_backup_config::{BackupSpec, Method, pod};

use super::*;
use crate::fixtures::{self, MODEL, ago, now};
use crate::fleet;
use crate::juju::{Juju, JujuError, Status};
use crate::problem::Kind;
use crate::report::{CheckState, DoctorReport};

/// A world in which all is well, to be spoiled.
struct World {
    status: Status,
    client: &'static str,
    overview: Overview,
    survey: Survey,
}

const CONFIG: &str = "radarr-config-fec125";
const CLAIM: &str = "radarr-config-fec125-radarr-0";

fn map<V>(key: &str, value: V) -> BTreeMap<String, V> {
    BTreeMap::from([(key.to_owned(), value)])
}

fn world() -> World {
    let mut status = fixtures::status(&["radarr"]);
    "3.6.12".clone_into(&mut status.model.version);
    let mut overview = fixtures::overview(vec![fixtures::backup("radarr", 10)]);
    overview.locations.clone_from(&fixtures::LOCATIONS);
    let hooks = pod::BackupHooks {
        container: "charm".to_owned(),
        before: vec!["/charm/dispatch".to_owned()],
        after: Vec::new(),
        timeout: "30m".to_owned(),
    };
    let pod = Pod {
        namespace: MODEL.to_owned(),
        name: "radarr-0".to_owned(),
        labels: map("app.kubernetes.io/name", "radarr".to_owned()),
        annotations: pod::annotations(CONFIG, ["charm-data"], Some(&hooks)),
        node: "lab".to_owned(),
        volumes: vec![
            PodVolume {
                name: CONFIG.to_owned(),
                source: PodVolumeSource::Claim(CLAIM.to_owned()),
            },
            PodVolume {
                name: "charm-data".to_owned(),
                source: PodVolumeSource::Other,
            },
        ],
    };
    let claim = Claim {
        namespace: MODEL.to_owned(),
        name: CLAIM.to_owned(),
        labels: map("app.kubernetes.io/name", "radarr".to_owned()),
        volume: Some("pvc-8e1f".to_owned()),
        storage_class: Some("local-path".to_owned()),
    };
    let velero = |arguments: &[&str]| VeleroPod {
        namespace: "velero".to_owned(),
        node: "lab".to_owned(),
        is_running: true,
        image: "velero/velero:v1.15.2".to_owned(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
    };
    World {
        status,
        client: "3.6.12-ubuntu-amd64",
        overview,
        survey: Survey {
            clock: Ok(Some(SignedDuration::from_secs(1))),
            objects: Objects {
                pods: Ok(vec![pod]),
                claims: Ok(vec![claim]),
                volumes: Ok(map("pvc-8e1f", VolumeSource::Other)),
            },
            storage_classes: Ok(map("local-path", "rancher.io/local-path".to_owned())),
            nodes: Ok(map("lab", false)),
            trusted: Ok(map("radarr", true)),
            snapshot_classes: Ok(Vec::new()),
            servers: Ok(vec![velero(&["server"])]),
            agents: Ok(vec![velero(&["node-agent", "server"])]),
            definitions: Ok(Vec::new()),
            veleros: vec![Velero {
                namespace: "velero".to_owned(),
                password: Ok(Password::Own),
                configuration: None,
            }],
        },
    }
}

impl World {
    fn seen(self) -> Seen {
        Seen {
            now: now(),
            model: MODEL.to_owned(),
            suffix: String::new(),
            apps: fleet::apps(
                MODEL,
                &Juju::new(None),
                Some(&self.status),
                Some(&self.overview),
                now(),
            ),
            juju: Ok(InJuju {
                status: self.status,
                client: Ok(self.client.to_owned()),
            }),
            cluster: Ok(InCluster {
                overview: Ok(self.overview),
                survey: self.survey,
            }),
        }
    }

    fn pod(&mut self) -> &mut Pod {
        &mut self.survey.objects.pods.as_mut().unwrap()[0]
    }

    fn agent(&mut self) -> &mut VeleroPod {
        &mut self.survey.agents.as_mut().unwrap()[0]
    }

    fn source(&mut self, source: VolumeSource) {
        self.survey.objects.volumes = Ok(map("pvc-8e1f", source));
    }

    fn by_snapshot(&mut self) {
        let spec = BackupSpec::config_volume("radarr", MODEL, Method::Snapshot).unwrap();
        self.overview.schedules[0].template = spec.to_velero_backup_spec(false);
        let claim = &mut self.survey.objects.claims.as_mut().unwrap()[0];
        claim
            .labels
            .insert("storage.juju.is/name".to_owned(), "config".to_owned());
        self.pod().annotations = pod::none_of([CONFIG, "charm-data"]);
        self.source(VolumeSource::Csi("csi.example.com".to_owned()));
    }

    fn snapshot_class(&mut self, is_marked: bool) {
        self.survey.snapshot_classes = Ok(vec![SnapshotClass {
            name: "snap".to_owned(),
            driver: "csi.example.com".to_owned(),
            is_marked,
        }]);
    }

    fn with_feature(&mut self) {
        self.survey.servers.as_mut().unwrap()[0]
            .arguments
            .push("--features=EnableCSI".to_owned());
    }

    fn configuration(&mut self, concurrency: Result<Option<Result<u32, String>>, ClusterError>) {
        self.survey.veleros[0].configuration = Some(Configuration {
            name: "mine".to_owned(),
            concurrency,
        });
    }
}

fn forbidden(action: &str) -> ClusterError {
    ClusterError::not_allowed(action, "forbidden")
}

fn found(spoil: impl FnOnce(&mut World)) -> Vec<Checked> {
    let mut world = world();
    spoil(&mut world);
    examine(&world.seen())
}

/// Asserts what one check finds, and that what was spoiled hides no other check.
#[track_caller]
fn assert_finds(check: &str, spoil: impl FnOnce(&mut World), state: State, why: &str, fix: &str) {
    let all = found(spoil);
    let of_check: Vec<&Checked> = all.iter().filter(|checked| checked.name == check).collect();
    let [checked] = of_check.as_slice() else {
        panic!("{check} found {of_check:?}");
    };
    let Finding {
        state: found,
        why: text,
        fix: next,
    } = &checked.finding;
    assert_eq!(*found, state, "{check}: {text}");
    assert!(text.contains(why), "{check}: {text:?} lacks {why:?}");
    let next = next.as_deref().unwrap_or_default();
    assert!(next.contains(fix), "{check}: {next:?} lacks {fix:?}");
    assert!(
        !(fix.is_empty() && matches!(state, State::Warn | State::Fail)),
        "{check}: no fix is asked for"
    );
}

#[test]
fn each_check_finds_a_healthy_app_well() {
    let all = found(|_| ());
    let not_ok: Vec<&Checked> = all
        .iter()
        .filter(|checked| checked.finding.state != State::Ok)
        .collect();
    assert!(not_ok.is_empty(), "{not_ok:?}");
    for check in CHECKS {
        assert!(
            all.iter().any(|checked| checked.name == check.name),
            "{} finds nothing",
            check.name
        );
    }
}

#[test]
fn a_side_that_cannot_be_asked_is_said_once_for_each_check() {
    let problem = |text: &str| Problem::new(Kind::NotAsked, text, "do it");
    let mut seen = world().seen();
    seen.cluster = Err(problem("cannot use the kubeconfig"));
    let all = examine(&seen);
    let unknown = all
        .iter()
        .filter(|checked| checked.finding.state == State::NotChecked);
    let of_cluster = CHECKS
        .iter()
        .filter(|check| matches!(check.look, Look::Cluster(_) | Look::AppInCluster(_)));
    assert_eq!(unknown.count(), of_cluster.count());
    assert!(
        all.iter()
            .any(|checked| checked.name == "status" && checked.finding.state == State::Ok)
    );

    let mut seen = world().seen();
    seen.juju = Err(problem("cannot run juju"));
    for app in &mut seen.apps {
        app.juju = None;
    }
    let all = examine(&seen);
    assert!(
        !all.iter().any(|checked| checked.finding.state == State::Fail),
        "{all:?}"
    );
    assert!(
        all.iter()
            .any(|checked| checked.name == "volume" && checked.finding.state == State::Ok)
    );
}

#[test]
fn without_velero_one_check_fails_and_the_others_do_not_guess() {
    let mut seen = world().seen();
    if let Ok(cluster) = &mut seen.cluster {
        cluster.overview = Err(Error::NoVelero("backups.velero.io".to_owned()));
        cluster.survey.servers = Ok(Vec::new());
        cluster.survey.agents = Ok(Vec::new());
        cluster.survey.veleros.clear();
    }
    let all = examine(&seen);
    let failed: Vec<&str> = all
        .iter()
        .filter(|checked| checked.finding.state == State::Fail)
        .map(|checked| checked.name)
        .collect();
    assert_eq!(failed, ["velero", "node-agent"]);
}

#[test]
fn one_that_is_asked_for_and_not_there_is_an_error() {
    let problem = world().seen().only(&["lidarr".to_owned()]).unwrap_err();
    assert_eq!(problem.kind, Kind::Failed);
    assert!(problem.text.contains("lidarr"), "{}", problem.text);
    assert_eq!(world().seen().only(&["radarr".to_owned()]).unwrap().apps.len(), 1);
}

#[test]
fn the_page_is_for_people() {
    let all = found(|world| {
        world
            .status
            .applications
            .insert("sonarr".to_owned(), fixtures::application("sonarr"));
        world.survey.trusted = Ok(map("radarr", false));
        world.survey.veleros[0].password = Ok(Password::Public);
        world.source(VolumeSource::HostPath);
        world.survey.clock = Err(forbidden("ask the API server for its version"));
    });
    let report = DoctorReport {
        schema: "configuratarr/doctor/v1",
        time: now().to_string(),
        model: MODEL.to_owned(),
        juju_problem: None,
        cluster_problem: None,
        checks: all.into_iter().map(Into::into).collect(),
    };
    assert!(report.count(CheckState::Fail) > 0);
    insta::assert_snapshot!("page", report.page().lines(false).join("\n"));
    insta::assert_snapshot!("json", serde_json::to_string_pretty(&report).unwrap());
}
