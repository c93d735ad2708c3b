//! The backups of a real Velero, made, listed and chosen by the recovery crate.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::Error;
use config_recovery::backups::{
    self, AppId, BackupContents, BackupSummary, Choice, Verdict, choose, last_good,
};
use config_recovery::cluster::Cluster;
use config_recovery::make::{MakeSpec, backup_now};
use config_recovery::report::Silent;
use futures::FutureExt;
use jiff::Timestamp;
use velero_api::SCHEDULE_NAME_LABEL;
use velero_backup_config::{BackupSpec, Method};

use super::claim_bench::counting;
use super::config_volume::annotate;
use super::exactly::seconds;
use super::{Beside, Scenario, ScenarioReport};
use crate::apply;
use crate::exec::{self, Container};
use crate::ground::{Need, RUN_LABEL, TestEnv};
use crate::juju::App;

pub const SCENARIO: Scenario = Scenario {
    name: "backups-told-by-their-bytes",
    says: "a backup that the engine makes is good and tells its bytes; a Completed one that holds none is empty and is \
           refused; whose a scheduled one is tells its namespace; the list costs two calls",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How long a backup may take.
const DEADLINE: Duration = Duration::from_secs(120);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let app = App::waiting(ground, &model);
    apply::all(&ground.client, &app.objects(ground)).await?;
    let pod = app.pod();
    ground.ready_pod(&model, &pod, Duration::from_secs(120)).await?;
    let workload = Container {
        namespace: &model,
        pod: &pod,
        name: &app.name,
    };
    exec::shell(
        ground,
        workload,
        "dd if=/dev/urandom of=/config/radarr.db bs=1M count=4 2>/dev/null",
    )
    .await?;
    annotate(ground, &model, &pod, &app.volume("config")).await?;

    let whose = AppId {
        app: app.name.clone(),
        model: model.clone(),
    };
    let engine = Engine {
        ground,
        whose: &whose,
    };
    let began = Instant::now();
    let good = engine.make(Method::Filesystem, |_| {}).await?;
    story.figure("seconds to make one and read what it holds", seconds(began));
    let BackupContents::Files(files) = &good.holds else {
        bail!("the backup holds no files: {good:?}")
    };
    story.figure("bytes that it holds", files.bytes);
    ensure!(
        files.volume == app.volume("config"),
        "{} was stored",
        files.volume
    );
    ensure!(
        files.bytes == 4 << 20,
        "{} bytes were stored, not 4 MB",
        files.bytes
    );
    ensure!(
        good.complaints.is_empty(),
        "there is something against it: {:?}",
        good.complaints
    );

    // What the Python charms ask for, with the labels of a Schedule: the operator's model instead of the app's.
    let empty = engine
        .make(Method::Filesystem, |make| {
            make.spec.included_resources = vec!["persistentvolumeclaims".to_owned()];
            make.labels.insert("model".to_owned(), "velero".to_owned());
            make.labels
                .insert(SCHEDULE_NAME_LABEL.to_owned(), "nightly".to_owned());
        })
        .await?;
    let now = Timestamp::now();
    ensure!(good.verdict(now) == Verdict::Good, "it is {}", good.verdict(now));
    ensure!(
        empty.verdict(now) == Verdict::Empty && empty.phase_word() == "Completed",
        "the backup of claims is {} ({})",
        empty.verdict(now),
        empty.phase_word()
    );

    let (client, counted) = counting(&ground.client);
    let list = backups::list(&Cluster::new(client), None).await?;
    let calls = counted.calls.load(Ordering::Relaxed);
    story.figure("calls to list all backups", calls);
    ensure!(calls == 2, "{calls} calls");
    let own: Vec<&BackupSummary> = list.iter().filter(|backup| backup.whose == whose).collect();
    ensure!(
        own.iter().map(|backup| &backup.uid).eq([&empty.uid, &good.uid]),
        "the two backups should be listed, the newest first: {own:?}"
    );
    ensure!(*own[1] == good, "the list says {:?}, not {good:?}", own[1]);
    ensure!(
        choose(&list, &Choice::Latest, &whose, now)?.uid == good.uid,
        "the empty one was chosen"
    );
    ensure!(
        last_good(&list, &whose, now).and_then(|last| last.bytes) == Some(4 << 20),
        "no last good one"
    );
    let refused = choose(&list, &Choice::Named(empty.uid.clone()), &whose, now);
    ensure!(matches!(refused, Err(Error::Unfit { .. })), "{refused:?}");
    let other = AppId {
        model: "another".to_owned(),
        ..whose.clone()
    };
    let refused = choose(&list, &Choice::Named(good.name.clone()), &other, now);
    ensure!(matches!(refused, Err(Error::Foreign { .. })), "{refused:?}");

    let began = Instant::now();
    let nowhere = engine
        .make(Method::Filesystem, |make| {
            make.spec.storage_location = Some("nowhere".to_owned())
        })
        .await;
    let said = nowhere
        .err()
        .context("a backup was made in no storage location")?;
    ensure!(
        format!("{said:#}").contains("no storage location nowhere")
            && began.elapsed() < Duration::from_secs(5),
        "{said:#}"
    );
    Ok(())
}

/// The engine's way to make a backup of one app.
struct Engine<'a> {
    ground: &'a TestEnv,
    whose: &'a AppId,
}

impl Engine<'_> {
    async fn make(&self, method: Method, change: impl FnOnce(&mut MakeSpec)) -> Result<BackupSummary> {
        let spec = BackupSpec::config_volume(&self.whose.app, &self.whose.model, method)?;
        let mut spec = spec.to_velero_backup_spec(false);
        spec.storage_location = Some(self.ground.location.clone());
        let mut make = MakeSpec::on_demand(self.whose.clone(), "velero-backups", spec);
        make.velero_namespace = Some(self.ground.velero_namespace.clone());
        make.labels.insert(RUN_LABEL.to_owned(), self.ground.run.clone());
        change(&mut make);
        let cluster = Cluster::new(self.ground.client.clone());
        let deadline = tokio::time::Instant::now() + DEADLINE;
        Ok(backup_now(&cluster, &make, &Silent, deadline).await?)
    }
}
