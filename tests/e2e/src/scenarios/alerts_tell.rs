//! What is wrong with the backups is told by alerts and by notifications, each by what it is, and so is that it is over.
//!
//! A Prometheus scrapes the exporter in the app's pod each second, and has the charm's rules but for one thing: what they tell of has to last
//! for some seconds only, where the charm says up to a quarter of an hour. To wait that long would prove nothing more of Prometheus.
//! For the same reason the exporter, which looks at the cluster once a minute, is killed after each change; the next event starts it again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use jiff::Timestamp;
use jiff::tz::TimeZone;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use system_tests::prometheus::{Prometheus, Scraped, Target};
use workload_charm::alerts;

use super::failed_restore::small_volume;
use super::fleet::{self, FLEET, Member};
use super::spoilt::{copy_of, flip, hook};
use super::{Beside, Scenario, ScenarioReport, scraped};
use crate::bed::NODE_ADDRESS;
use crate::ground::{Need, TestEnv};
use crate::pods::Running;
use crate::receiver::Receiver;
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "alerts-tell",
    says: "a bucket that is gone, a node agent that does not run, a hook that fails, an EMPTY backup, a storage location that is \
           read-only, a damaged database in a backup, a full config volume and a Schedule that is paused each raise their alert \
           in a real Prometheus and one notification, and no other; both end after the repair, and before there is none",
    beside: Beside::None,
    depends_on_velero: true,
    thorough: true,
    needs: &[
        Need::Velero,
        Need::NodeAgent,
        Need::Storage,
        Need::OwnImages,
        Need::Prometheus,
    ],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
const DATABASE: &str = "radarr.db";

/// How long what an alert tells of has to last here. Longer than the exporter is away when it is killed.
const LASTS: &str = "10s";
/// How long Prometheus, Velero and the node agent may take for what they do in seconds.
const DEADLINE: Duration = Duration::from_secs(90);

/// The charm's rules, but for how long what they tell of has to last.
fn rules() -> Value {
    let mut file = alerts::file();
    let groups = file["groups"].as_array_mut().into_iter().flatten();
    for rule in groups.flat_map(|group| group["rules"].as_array_mut().into_iter().flatten()) {
        rule["for"] = json!(LASTS);
    }
    file
}

/// What is done to the app, or to what its backups need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    BucketGone,
    NodeAgentDown,
    HookFails,
    Empty,
    ReadOnly,
    Damaged,
    FullVolume,
    Paused,
}

/// What has to come of it.
struct Told {
    fault: Fault,
    /// The alerts, as [`shown`] shows them.
    alerts: &'static [&'static str],
    /// What the notification is about.
    kind: &'static str,
    /// What it says is wrong, in part.
    what: &'static [&'static str],
    /// What it says to do, in part.
    next: &'static str,
}

const ALL: [Told; 8] = [
    Told {
        fault: Fault::BucketGone,
        alerts: &["ConfigStorageUnavailable critical"],
        kind: "StorageUnavailable",
        what: &["storage location default: ", "NoSuchBucket"],
        next: "look at the object storage",
    },
    Told {
        fault: Fault::NodeAgentDown,
        alerts: &["ConfigBackupBad warning verdict=failed"],
        kind: "BackupBad",
        what: &["the backup of ", " is FAILED"],
        next: "run list-backups",
    },
    Told {
        fault: Fault::HookFails,
        alerts: &["ConfigBackupBad warning verdict=failed"],
        kind: "BackupBad",
        what: &["the backup of ", " is FAILED", "hooks that failed: 1"],
        next: "run list-backups",
    },
    Told {
        fault: Fault::Empty,
        alerts: &["ConfigBackupBad warning verdict=empty"],
        kind: "BackupBad",
        what: &["the backup of ", " is EMPTY"],
        next: "run list-backups",
    },
    Told {
        fault: Fault::ReadOnly,
        alerts: &["ConfigStorageUnavailable critical"],
        kind: "StorageUnavailable",
        what: &["storage location default: it is read-only"],
        next: "set its accessMode to ReadWrite",
    },
    Told {
        fault: Fault::Damaged,
        alerts: &[
            "ConfigBackupBad warning verdict=damaged",
            "ConfigVerifyFailed critical",
        ],
        kind: "VerifyFailed",
        what: &["a backup was damaged when it was read back"],
        next: "run backup-now, then verify-backup",
    },
    Told {
        fault: Fault::FullVolume,
        alerts: &["ConfigBackupBad warning verdict=failed"],
        kind: "BackupBad",
        what: &["the backup of ", " is FAILED", "hooks that failed: 1"],
        next: "run list-backups",
    },
    Told {
        fault: Fault::Paused,
        alerts: &["ConfigScheduleMissing critical endpoint=velero-backup-config state=paused"],
        kind: "ScheduleMissing",
        what: &["velero-backup-config: Schedule paused"],
        next: "velero schedule unpause ",
    },
];

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let images = RADARR.images(bed).await?;
    let volume = small_volume(ground, &RADARR.app(&model, images.clone())).await?;
    let node: IpAddr = NODE_ADDRESS.parse()?;
    let receiver = Receiver::start(node).await?;
    let (url, schedule) = (receiver.url(), in_half_a_day());
    let config = [
        ("notify-url", url.as_str()),
        ("backup-schedule", &schedule),
        ("verify-schedule", "none"),
    ];
    let running = fleet::deploy_one(ground, RADARR, &model, images, None, &config).await?;
    running.in_workload(&RADARR.fill()?).await?;
    let schedule = scraped::relate(ground, &running).await?;
    fleet::action(&running, "backup-now").await?;
    let prometheus = watching(ground, &running).await?;
    let mut bench = Bench {
        ground,
        running,
        volume,
        schedule,
        prometheus,
        receiver,
        backups: 0,
        looks: 0,
        looked: Timestamp::now(),
    };
    let played = bench.play(story).await;
    let schedules = ground.velero("Schedule");
    let removed = schedules.delete(&bench.schedule, &DeleteParams::default()).await;
    played?;
    removed?;
    Ok(())
}

/// A schedule whose next run is half a day away: no backup is made but those that are asked for.
fn in_half_a_day() -> String {
    let then = TimeZone::UTC.to_datetime(Timestamp::now() + jiff::SignedDuration::from_hours(12));
    format!("'{} {} * * *'", then.minute(), then.hour())
}

/// velero-operator has ten minutes to do what it was asked for. So long ago it was, by what the charm remembers.
const ASKED_LONG_AGO: &str = r#"cd /var/lib/juju/agents/unit-radarr-0
grep -q '"asked-at":"' remembered
sed -i 's/"asked-at":"[^"]*"/"asked-at":"2026-01-01T00:00:00Z"/' remembered"#;

/// Of what comes and goes again and again it is not told for hours that it is good: here it is forgotten how often it did.
const FORGET_TURNS: &str = r#"cd /var/lib/juju/agents/unit-radarr-0
sed -i -E 's/"told":\{[^}]*\},?//' remembered"#;

/// A Prometheus that scrapes the exporter in the app's pod and has seen it.
async fn watching(ground: &TestEnv, running: &Running<'_>) -> Result<Prometheus> {
    let folder = ground.own_bed()?.folder.join("prometheus");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join("rules.yaml");
    std::fs::write(&file, rules().to_string())?;
    let labels = [
        ("juju_model", running.app.model.clone()),
        ("juju_application", running.app.name.clone()),
        ("juju_unit", running.unit()),
    ];
    let scraped = Scraped {
        job: alerts::JOB,
        targets: &[Target {
            address: scraped::address(running).await?,
            labels: labels.map(|(name, value)| (name.to_owned(), value)).into(),
        }],
        rules: &file,
    };
    let configuration = scraped.configuration(&folder)?;
    tokio::task::spawn_blocking(move || Prometheus::start(&folder, &configuration)).await?
}

/// An alert in one line: its name, how soon somebody has to look, and what of its labels does not say whose it is.
fn shown(labels: &Value) -> String {
    let text = |name: &str| labels[name].as_str().unwrap_or_default().to_owned();
    let mut words = vec![text("alertname"), text("severity")];
    let known = [
        "__name__",
        "alertname",
        "alertstate",
        "instance",
        "job",
        "severity",
    ];
    for (name, value) in labels.as_object().into_iter().flatten() {
        if !known.contains(&name.as_str()) && !name.starts_with("juju_") {
            words.push(format!("{name}={}", value.as_str().unwrap_or_default()));
        }
    }
    words.join(" ")
}

struct Bench<'a> {
    ground: &'a TestEnv,
    running: Running<'a>,
    /// The config volume's folder on the node.
    volume: PathBuf,
    /// Name of the Schedule.
    schedule: String,
    prometheus: Prometheus,
    receiver: Receiver,
    /// How many backups were made as the Schedule says.
    backups: u32,
    /// How often the exporter was made to look.
    looks: u32,
    /// When the exporter was last made to look.
    looked: Timestamp,
}

impl Bench<'_> {
    async fn play(&mut self, story: &mut ScenarioReport) -> Result<()> {
        let begun = Instant::now();
        let seen = "config_backup_cluster_readable == 1 and count_over_time(up[1m]) > 15";
        wait::until(
            "Prometheus has seen the exporter for a while",
            DEADLINE,
            || async { Ok((!self.prometheus.query(seen)?.is_empty()).then_some(())) },
        )
        .await?;
        self.look().await?;
        self.is_silent().await?;
        let told = self.receiver.take();
        ensure!(told.is_empty(), "nothing is wrong, and it tells {told:?}");
        self.has_fired(begun, &[]).context("before the first fault")?;
        // Velero looks once a minute whether its storage can be used.
        self.at_location(&json!({"validationFrequency": "5s"})).await?;
        for told in &ALL {
            let begun = Instant::now();
            let all_of_it = self.play_one(told, story).await;
            all_of_it.with_context(|| format!("{:?}", told.fault))?;
            story.figure(
                &format!("{:?}, seconds until all is well again", told.fault),
                begun.elapsed().as_secs(),
            );
        }
        self.at_location(&json!({"validationFrequency": null})).await
    }

    /// Breaks something, sees that it is told, mends it, and sees that this is told.
    async fn play_one(&mut self, told: &Told, story: &mut ScenarioReport) -> Result<()> {
        let begun = Instant::now();
        let broken = self.is_told(told, story).await;
        // What comes after this in the same cluster needs it mended in any case.
        let mended = self.mends(told.fault).await.context("mending it");
        broken.and(mended)?;
        self.look().await?;
        self.is_silent().await.context("after the repair")?;
        self.tells(told, "good").await?;
        self.has_fired(begun, told.alerts)
    }

    async fn is_told(&mut self, told: &Told, story: &mut ScenarioReport) -> Result<()> {
        self.running.in_charm(FORGET_TURNS).await?;
        self.breaks(told.fault).await.context("breaking it")?;
        self.look().await?;
        self.raises(told.alerts).await?;
        let notice = self.tells(told, "bad").await?;
        let (what, next) = (&notice["what"], &notice["next"]);
        let says = |value: &Value, text: &str| value.as_str().is_some_and(|value| value.contains(text));
        ensure!(
            told.what.iter().all(|text| says(what, text)) && says(next, told.next),
            "the notification should say {:?} and {:?}: {notice}",
            told.what,
            told.next
        );
        story.figure(
            &format!("{:?}, what is notified", told.fault),
            format!("{what}, next: {next}"),
        );
        Ok(())
    }

    async fn breaks(&mut self, fault: Fault) -> Result<()> {
        let bed = self.ground.own_bed()?;
        match fault {
            Fault::BucketGone => {
                bed.take_bucket_away()?;
                self.is_location("Unavailable").await
            }
            Fault::NodeAgentDown => {
                self.node_agents_where(r#"{"e2e.test/there-is": "none"}"#).await?;
                self.by_kubectl("wait --for=delete pod --selector=name=node-agent --timeout=90s")
                    .await?;
                self.back_up_as_scheduled().await
            }
            Fault::HookFails => {
                // Where the charm makes its copies there is something else.
                self.running
                    .in_workload("rm -rf /config/.config-backup; : > /config/.config-backup")
                    .await?;
                self.back_up_as_scheduled().await
            }
            Fault::Empty => {
                // Velero stores of a pod what its annotations say: here none of its volumes.
                let volume = self.running.app.volume("config");
                self.annotate(&format!(
                    "backup.velero.io/backup-volumes- backup.velero.io/backup-volumes-excludes={volume},charm-data"
                ))
                .await?;
                self.back_up_as_scheduled().await
            }
            Fault::ReadOnly => self.at_location(&json!({"accessMode": "ReadOnly"})).await,
            Fault::Damaged => {
                // The charm's own hooks would notice it.
                self.annotate("pre.hook.backup.velero.io/command- post.hook.backup.velero.io/command-")
                    .await?;
                hook(&self.running, "before-backup").await?;
                flip(&copy_of(&self.volume, DATABASE)?)?;
                self.back_up_as_scheduled().await?;
                hook(&self.running, "after-backup || true").await?;
                let task = fleet::task(&self.running, "verify-backup").await?;
                let message = task["message"].as_str().unwrap_or_default();
                ensure!(
                    task["status"] == "failed" && message.contains("damaged"),
                    "the backup should be damaged: {task}"
                );
                Ok(())
            }
            Fault::FullVolume => {
                let fill = "dd if=/dev/zero of=/config/ballast bs=64k 2>/dev/null || true; df -P /config | grep -q ' 100% '";
                self.running.in_workload(fill).await?;
                self.back_up_as_scheduled().await
            }
            Fault::Paused => {
                self.running.in_charm(ASKED_LONG_AGO).await?;
                self.by_velero(&format!("schedule pause {}", self.schedule)).await
            }
        }
    }

    async fn mends(&mut self, fault: Fault) -> Result<()> {
        let bed = self.ground.own_bed()?;
        match fault {
            Fault::BucketGone => {
                bed.bring_bucket_back()?;
                return self.is_location("Available").await;
            }
            Fault::ReadOnly => return self.at_location(&json!({"accessMode": null})).await,
            Fault::Paused => {
                return self
                    .by_velero(&format!("schedule unpause {}", self.schedule))
                    .await;
            }
            Fault::NodeAgentDown => {
                self.node_agents_where(r#"{"e2e.test/there-is": null}"#).await?;
                self.by_kubectl("rollout status daemonset/node-agent --timeout=90s")
                    .await?;
            }
            Fault::HookFails => {
                self.running.in_workload("rm -f /config/.config-backup").await?;
            }
            Fault::FullVolume => {
                self.running.in_workload("rm -f /config/ballast").await?;
            }
            // The charm marks its pod as soon as an event comes.
            Fault::Empty | Fault::Damaged => {}
        }
        fleet::action(&self.running, "backup-now").await?;
        if fault == Fault::Damaged {
            fleet::action(&self.running, "verify-backup").await?;
        }
        Ok(())
    }

    /// Has the exporter and the charm look at the cluster.
    async fn look(&mut self) -> Result<()> {
        self.looks += 1;
        self.looked = Timestamp::now();
        scraped::look_again(&self.running, self.looks).await
    }

    /// Waits until these alerts fire and no other.
    async fn raises(&self, expected: &[&str]) -> Result<()> {
        let expected: BTreeSet<String> = expected.iter().map(|&line| line.to_owned()).collect();
        let what = format!("the alerts that fire are {expected:?}");
        let waited = wait::until(&what, DEADLINE, || async {
            Ok((self.firing()? == expected).then_some(()))
        })
        .await;
        waited.with_context(|| format!("raised are {:?}", self.prometheus.alerts()))
    }

    /// Waits until no alert fires, and none is about to, by what the exporter has seen from now on: while it is away nothing does.
    async fn is_silent(&self) -> Result<()> {
        let seen = format!(
            "count_over_time(config_backup_read_timestamp_seconds[5s]) > 3 \
             and min_over_time(config_backup_read_timestamp_seconds[5s]) >= {}",
            self.looked.as_second()
        );
        let waited = wait::until("no alert is raised", DEADLINE, || async {
            let is_new = !self.prometheus.query(&seen)?.is_empty();
            Ok((is_new && self.prometheus.alerts()?.is_empty()).then_some(()))
        })
        .await;
        waited.with_context(|| format!("raised are {:?}", self.prometheus.alerts()))
    }

    /// The alerts that fire now.
    fn firing(&self) -> Result<BTreeSet<String>> {
        let all = self.prometheus.alerts()?;
        let firing = all.iter().filter(|alert| alert["state"] == "firing");
        let lines = firing.map(|alert| {
            let labels = &alert["labels"];
            ensure!(
                labels["juju_application"] == "radarr" && labels["juju_model"] == self.running.app.model,
                "an alert does not say whose it is: {alert}"
            );
            Ok(shown(labels))
        });
        lines.collect()
    }

    /// Fails unless just these alerts have fired since then.
    fn has_fired(&self, since: Instant, expected: &[&str]) -> Result<()> {
        let seconds = since.elapsed().as_secs().max(1);
        let query = format!("max_over_time(ALERTS{{alertstate=\"firing\"}}[{seconds}s])");
        let found = self.prometheus.query(&query)?;
        let found: BTreeSet<String> = found.iter().map(|series| shown(&series["metric"])).collect();
        let expected: BTreeSet<String> = expected.iter().map(|&line| line.to_owned()).collect();
        ensure!(
            found == expected,
            "{expected:?} should have fired, and {found:?} has"
        );
        Ok(())
    }

    /// Fails unless just one notification came since it was last looked, which the next event does not repeat. Gives it.
    async fn tells(&self, told: &Told, state: &str) -> Result<Value> {
        self.running
            .sim(&format!("event update-status {}", self.running.unit()))
            .await?;
        let come = self.receiver.take();
        let [notice] = come.as_slice() else {
            anyhow::bail!(
                "one notification should have come, that {} is {state}: {come:?}",
                told.kind
            );
        };
        for (key, value) in [
            ("app", "radarr"),
            ("model", &self.running.app.model),
            ("kind", told.kind),
            ("state", state),
        ] {
            ensure!(notice[key] == value, "{key} should be {value}: {notice}");
        }
        Ok(notice.clone())
    }

    /// Has Velero make a backup as the Schedule says, and waits for its end, whatever that is.
    async fn back_up_as_scheduled(&mut self) -> Result<()> {
        self.backups += 1;
        let name = format!("alerts-tell-{}-{}", self.ground.run, self.backups);
        self.by_velero(&format!(
            "backup create {name} --from-schedule {} --wait",
            self.schedule
        ))
        .await
    }

    async fn by_velero(&self, arguments: &str) -> Result<()> {
        let namespace = &self.ground.velero_namespace;
        let command = format!("timeout 120 velero --namespace {namespace} {arguments}");
        self.ground.own_bed()?.by_bash(&command).await
    }

    async fn by_kubectl(&self, arguments: &str) -> Result<()> {
        let namespace = &self.ground.velero_namespace;
        let command = format!("kubectl --namespace {namespace} {arguments}");
        self.ground.own_bed()?.by_bash(&command).await
    }

    /// Changes annotations of the app's pod.
    async fn annotate(&self, annotations: &str) -> Result<()> {
        let (model, pod) = (&self.running.app.model, self.running.pod_name());
        let command = format!("kubectl --namespace {model} annotate --overwrite pod {pod} {annotations}");
        self.ground.own_bed()?.by_bash(&command).await
    }

    /// Has node agents run on nodes with these labels only.
    async fn node_agents_where(&self, labels: &str) -> Result<()> {
        let patch = format!(r#"{{"spec": {{"template": {{"spec": {{"nodeSelector": {labels}}}}}}}}}"#);
        self.by_kubectl(&format!(
            "patch daemonset node-agent --type=merge --patch '{patch}'"
        ))
        .await
    }

    /// Changes the storage location.
    async fn at_location(&self, spec: &Value) -> Result<()> {
        let patch = json!({"spec": spec});
        let location = &self.ground.location;
        self.by_kubectl(&format!(
            "patch backupstoragelocation {location} --type=merge --patch '{patch}'"
        ))
        .await
    }

    /// Waits until Velero has seen how the storage is.
    async fn is_location(&self, phase: &str) -> Result<()> {
        let location = &self.ground.location;
        let is_so = format!("--for=jsonpath='{{.status.phase}}'={phase}");
        self.by_kubectl(&format!(
            "wait {is_so} backupstoragelocation/{location} --timeout=90s"
        ))
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rules_are_the_charms_but_for_how_long_it_has_to_last() {
        let (ours, theirs) = (rules(), alerts::file());
        let of = |file: &Value| file["groups"][0]["rules"].as_array().unwrap().clone();
        assert_eq!(of(&ours).len(), alerts::ALERTS.len());
        for (ours, mut theirs) in of(&ours).into_iter().zip(of(&theirs)) {
            theirs["for"] = json!(LASTS);
            assert_eq!(ours, theirs);
        }
    }

    #[test]
    fn an_alert_is_shown_without_whose_it_is() {
        let labels = json!({
            "__name__": "ALERTS", "alertname": "ConfigScheduleMissing", "alertstate": "firing", "severity": "critical",
            "instance": "10.1.2.3:9786", "job": "config-backups", "juju_application": "radarr", "state": "paused",
        });
        assert_eq!(shown(&labels), "ConfigScheduleMissing critical state=paused");
    }

    #[test]
    fn what_is_expected_is_an_alert_and_a_finding_of_that_name() {
        for told in &ALL {
            for alert in told.alerts {
                let name = alert.split(' ').next().unwrap();
                let known = alerts::ALERTS.iter().find(|known| known.name == name).unwrap();
                assert!(alert.contains(known.severity.word()), "{alert}");
            }
            let finding = format!("Config{}", told.kind);
            assert!(
                told.alerts.iter().any(|alert| alert.starts_with(&finding)),
                "{finding}"
            );
        }
    }

    #[test]
    fn a_schedule_of_half_a_day_from_now_is_quoted_for_the_shell() {
        let schedule = in_half_a_day();
        let inner = schedule.trim_matches('\'');
        assert!(velero_backup_config::Schedule::parse(inner).is_ok(), "{schedule}");
    }
}
