//! Backups that must not be put in place: each is refused while the app runs on.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use config_recovery::backups::{self, AppId, BackupSummary};
use config_recovery::cluster::Cluster;
use config_recovery::journal::Step;
use futures::FutureExt;
use jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use velero_api::{Backup, BackupPhase, BackupSpec};

use super::access;
use super::config_volume::annotate;
use super::fleet::{self, FLEET, Member};
use super::killed_restore::volume_folder;
use super::protected::Protected;
use super::spoilt::{self, copy_of, flip, halve, spoil_pages};
use super::untouched::Untouched;
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::metadata;
use crate::engine_process::{Ended, Task};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::left::nothing_is_left;
use crate::{apply, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "bad-backups-are-refused",
    says: "corrupt, truncated, empty, foreign and expired backups, no backup at all, an account without rights and an API \
           server that does not answer each end in a refusal of its own: the app is the same process, Pebble was told \
           nothing, no byte of the volume changed, and nothing is left; latest passes over what is not good",
    beside: Beside::Calm,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const RADARR: &Member = &FLEET[0];
const DATABASE: &str = "radarr.db";
/// How long a backup may take.
const DEADLINE: Duration = Duration::from_secs(120);

/// What a refusal has to say, and how far the engine may have come.
struct Expected<'a> {
    /// Words of the error.
    says: &'a [&'a str],
    /// Words of the hint.
    hint: &'a str,
    /// Whether the bytes have to be read back for it.
    looks: bool,
}

struct Bench<'a> {
    ground: &'a TestEnv,
    story: &'a mut ScenarioReport,
    protected: &'a Protected<'a>,
    task: Task,
    refused: usize,
    /// Files whose bytes were compared.
    compared: usize,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let model = ground.namespace(SCENARIO.name).await?;
    let programs = RADARR.images(bed).await?;
    let image = programs.workload().to_owned();
    let protected = Protected::deploy(ground, RADARR.app(&model, programs)).await?;
    protected.running.in_workload(&RADARR.fill()?).await?;
    protected.running.sim("event settle").await?;
    let task = Task {
        kubeconfig: bed.folder.join("kubeconfig"),
        app: RADARR.name.to_owned(),
        model: model.clone(),
        backup: "latest".to_owned(),
        volume: volume_folder(ground, &protected.running).await?,
        image,
        kill_at: None,
        sick: 0,
    };
    let mut bench = Bench {
        ground,
        story,
        protected: &protected,
        task,
        refused: 0,
        compared: 0,
    };
    let first = Untouched::of(&protected.running).await?;
    bench.three_that_differ().await?;
    bench.empty().await?;
    bench.foreign().await?;
    // What is damaged by hand must not be noticed by the charm's own hooks.
    protected.without_hooks().await?;
    bench.damaged_copies().await?;
    bench.damaged_without_manifest().await?;
    bench.damaged_config_file().await?;
    bench.latest_passes_over(first.process()).await?;
    let (refused, compared) = (bench.refused, bench.compared);
    story.figure("refusals after which the app was as before", refused);
    story.figure("files compared by their bytes in them", compared);
    story.figure("the app, from the first to the last", first.process());
    Ok(())
}

impl Bench<'_> {
    fn volume(&self) -> &Path {
        &self.task.volume
    }

    fn whose(&self) -> AppId {
        AppId {
            app: self.task.app.clone(),
            model: self.task.model.clone(),
        }
    }

    /// Plays the task, which has to be refused, and compares all of the app with what it was. Returns what was said.
    async fn refuses(&mut self, case: &str, task: &Task, expected: Expected<'_>) -> Result<String> {
        self.refuses_as_is(task, expected)
            .await
            .with_context(|| case.to_owned())
            .inspect(|said| self.story.figure(&format!("refused, {case}"), said))
    }

    async fn refuses_as_is(&mut self, task: &Task, expected: Expected<'_>) -> Result<String> {
        let running = &self.protected.running;
        let before = Untouched::of(running).await?;
        let said = match task.play().await? {
            Ended::Failed(said) => said,
            other => bail!("it should have been refused: {other:?}"),
        };
        let lines: Vec<&str> = said.lines().collect();
        let [.., error, hint] = lines.as_slice() else {
            bail!("an error and a hint should have been said: {said}");
        };
        ensure!(
            expected.says.iter().all(|words| error.contains(words)),
            "the error should say {:?}: {said}",
            expected.says
        );
        ensure!(
            hint.starts_with("hint: ") && hint.contains(expected.hint),
            "the hint should say {:?}: {said}",
            expected.hint
        );
        let begun: Vec<Step> = Step::ALL
            .into_iter()
            .filter(|step| lines.contains(&step.words()))
            .collect();
        let allowed: &[Step] = match expected.looks {
            true => &[
                Step::MakeScratch,
                Step::BringBack,
                Step::Transfer,
                Step::Check,
                Step::Clean,
            ],
            false => &[],
        };
        ensure!(
            begun == allowed,
            "the steps {allowed:?} should have begun, not {begun:?}: {said}"
        );
        self.is_untouched(&before).await?;
        Ok(format!("{error} ({hint})"))
    }

    async fn is_untouched(&mut self, before: &Untouched) -> Result<()> {
        before.is_still_so(&self.protected.running).await?;
        let folder = self.volume().join(config_volume::RESTORE_FOLDER);
        ensure!(!folder.exists(), "{} is left in the volume", folder.display());
        nothing_is_left(self.ground, Some(&self.task.model)).await?;
        self.refused += 1;
        self.compared += before.count();
        Ok(())
    }

    fn named(&self, backup: &Backup) -> Result<Task> {
        Ok(Task {
            backup: backup.metadata.uid.clone().context("the backup has no uid")?,
            ..self.task.clone()
        })
    }

    /// No backup, not allowed, not reachable: three things that a person has to tell apart.
    async fn three_that_differ(&mut self) -> Result<()> {
        let (name, model) = (self.task.app.clone(), self.task.model.clone());
        let task = self.task.clone();
        let none = Expected {
            says: &["there is no backup of", &name, &model],
            hint: "make a backup",
            looks: false,
        };
        let none = self.refuses("no backup at all", &task, none).await?;

        let task = Task {
            kubeconfig: access::powerless(self.ground, &self.task.model).await?,
            ..self.task.clone()
        };
        let barred = Expected {
            says: &["cannot list", "not allowed", "forbidden", "powerless"],
            hint: "grant it",
            looks: false,
        };
        let barred = self
            .refuses("an account that may not list", &task, barred)
            .await?;

        let task = Task {
            kubeconfig: access::nowhere(self.ground)?,
            ..self.task.clone()
        };
        let unreached = Expected {
            says: &["cannot list", "cannot be reached"],
            hint: "try again",
            looks: false,
        };
        let unreached = self
            .refuses("an API server that nobody runs", &task, unreached)
            .await?;

        let marks = ["there is no backup", "not allowed", "cannot be reached"];
        for (said, mark) in [&none, &barred, &unreached].into_iter().zip(marks) {
            let found: Vec<&str> = marks.into_iter().filter(|mark| said.contains(mark)).collect();
            ensure!(found == [mark], "only {mark:?} should be said: {said}");
        }
        Ok(())
    }

    /// Makes a backup with the operator's labels and waits for the end, which has to be `phase`. Without `volume` it may
    /// hold nothing, with it that volume's bytes.
    async fn make(&self, name: &str, spec: BackupSpec, phase: BackupPhase) -> Result<Backup> {
        let name = format!("refused-{name}-{}", self.ground.run);
        let mut metadata = metadata(self.ground, &name);
        let labels = [
            ("app", self.task.app.as_str()),
            ("endpoint", "velero-backup-config"),
        ];
        metadata
            .labels
            .extend(labels.map(|(key, value)| (key.to_owned(), value.to_owned())));
        let spec = BackupSpec {
            storage_location: Some(self.ground.location.clone()),
            default_volumes_to_fs_backup: Some(false),
            ..spec
        };
        let backup = Backup::new(metadata, spec);
        apply::one(&self.ground.client, &serde_json::to_value(backup)?).await?;
        let api = self.ground.velero("Backup");
        let backup: Backup = wait::until(&format!("backup {name} has ended"), DEADLINE, || {
            let (api, name) = (api.clone(), name.clone());
            async move {
                let backup: Backup = serde_json::from_value(serde_json::to_value(api.get(&name).await?)?)?;
                let phase = backup.status.as_ref().and_then(|status| status.phase.as_ref());
                Ok(phase.is_some_and(BackupPhase::is_final).then_some(backup))
            }
        })
        .await?;
        let ended = backup.status.as_ref().and_then(|status| status.phase.clone());
        ensure!(
            ended == Some(phase.clone()),
            "backup {name} should have ended as {phase:?}: {:?}",
            backup.status
        );
        // Velero's times have whole seconds, and the next backup has to be a later one.
        let began = backup
            .status
            .as_ref()
            .and_then(|status| status.start_timestamp.clone());
        let began: Timestamp = began.context("the backup has no start")?.parse()?;
        wait::until("the second in which it began is over", DEADLINE, || async {
            Ok((Timestamp::now().as_second() > began.as_second()).then_some(()))
        })
        .await?;
        Ok(backup)
    }

    /// A backup as the media charms ask for it today.
    async fn make_empty(&self, name: &str) -> Result<Backup> {
        let spec = BackupSpec {
            included_resources: vec!["persistentvolumeclaims".to_owned()],
            ..self.protected.spec.clone()
        };
        self.make(name, spec, BackupPhase::Completed).await
    }

    async fn empty(&mut self) -> Result<()> {
        let empty = self.make_empty("empty").await?;
        let name = empty.name().to_owned();
        let task = self.named(&empty)?;
        let expected = Expected {
            says: &["cannot restore backup", &name, "holds no bytes"],
            hint: "choose another backup",
            looks: false,
        };
        self.refuses("an empty backup", &task, expected).await?;
        // There is one, and none that is any good.
        let task = self.task.clone();
        let expected = Expected {
            says: &["there is no good backup of radarr"],
            hint: "make a backup",
            looks: false,
        };
        self.refuses("latest of an empty one alone", &task, expected)
            .await
            .map(drop)
    }

    /// Good backups of another app in the model, and of an app of this name in another one.
    async fn foreign(&mut self) -> Result<()> {
        let elsewhere = self.ground.namespace("refused-elsewhere").await?;
        let own = self.task.model.clone();
        for (case, app, model) in [
            ("of another app", "sonarr", own),
            ("of another model", "radarr", elsewhere),
        ] {
            let name = self.back_up_other(app, &model).await?;
            let task = Task {
                backup: name.clone(),
                ..self.task.clone()
            };
            let owner = format!("{app} in model {model}");
            let target = self.whose().to_string();
            let expected = Expected {
                says: &["backup", &name, &owner, "not of", &target],
                hint: "say whose it is",
                looks: false,
            };
            self.refuses(&format!("a backup {case}"), &task, expected).await?;
        }
        Ok(())
    }

    /// Deploys an app whose containers wait, with data, and backs it up. Returns the backup's name.
    async fn back_up_other(&self, name: &str, model: &str) -> Result<String> {
        let ground = self.ground;
        let app = App {
            name: name.to_owned(),
            logs: false,
            ..App::waiting(ground, model)
        };
        apply::all(&ground.client, &app.objects(ground)).await?;
        let pod = app.pod();
        ground.ready_pod(model, &pod, Duration::from_secs(120)).await?;
        let workload = Container {
            namespace: model,
            pod: &pod,
            name,
        };
        let fill = "dd if=/dev/urandom of=/config/data bs=1M count=2 2>/dev/null";
        exec::shell(ground, workload, fill).await?;
        annotate(ground, model, &pod, &app.volume("config")).await?;
        let labels = BTreeMap::from([("app.kubernetes.io/name".to_owned(), name.to_owned())]);
        let spec = BackupSpec {
            included_namespaces: vec![model.to_owned()],
            label_selector: Some(velero_api::LabelSelector::labels(labels)),
            storage_location: Some(ground.location.clone()),
            ..self.protected.spec.clone()
        };
        let backup = format!("foreign-{name}-{model}");
        let stored = crate::backups::make(ground, &backup, spec).await?;
        stored.only(&app.volume("config"))?;
        Ok(backup)
    }

    /// The charm's hook by hand, the copy of a database spoilt, the backup, the other hook.
    async fn damaged_copies(&mut self) -> Result<()> {
        for (case, name, spoil, says) in [
            (
                "one bit of a database's copy",
                "bit",
                flip as fn(&Path) -> Result<()>,
                "has a copy with another checksum",
            ),
            ("a copy cut in the middle", "cut", halve, "has a copy of"),
        ] {
            spoilt::hook(&self.protected.running, "before-backup").await?;
            let copy = copy_of(self.volume(), DATABASE)?;
            spoil(&copy)?;
            let backup = self
                .make(name, self.protected.spec.clone(), BackupPhase::Completed)
                .await;
            let after = spoilt::hook(&self.protected.running, "after-backup || true").await?;
            ensure!(
                after.contains("damaged"),
                "the charm should have seen it after the backup: {after}"
            );
            ensure!(
                !self.volume().join(".config-backup").exists(),
                "the copies should be gone"
            );
            let backup = backup?;
            let name = backup.name().to_owned();
            let expected = Expected {
                says: &["backup", &name, "is damaged", DATABASE, says],
                hint: "choose another backup",
                looks: true,
            };
            let task = self.named(&backup)?;
            self.refuses(case, &task, expected).await?;
        }
        Ok(())
    }

    /// Spoils a file of the volume, backs it up, and puts the file back as it was.
    async fn back_up_spoilt(
        &self,
        name: &str,
        file: &str,
        spoil: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Backup> {
        let path = self.volume().join(file);
        let kept = fs::read(&path)?;
        spoil(&path)?;
        let backup = self
            .make(name, self.protected.spec.clone(), BackupPhase::Completed)
            .await;
        fs::write(&path, kept)?;
        backup
    }

    /// A database's own file, without copies and manifest: only SQLite can tell.
    async fn damaged_without_manifest(&mut self) -> Result<()> {
        let backup = self.back_up_spoilt("plain", DATABASE, spoil_pages).await?;
        let name = backup.name().to_owned();
        let expected = Expected {
            says: &["backup", &name, "is damaged", DATABASE, "is damaged: "],
            hint: "choose another backup",
            looks: true,
        };
        let task = self.named(&backup)?;
        self.refuses("a damaged database without a manifest", &task, expected)
            .await
            .map(drop)
    }

    /// The app's own file, cut in the middle before all: no checksum speaks against it.
    async fn damaged_config_file(&mut self) -> Result<()> {
        let backup = self.back_up_spoilt("config", "config.xml", halve).await?;
        let name = backup.name().to_owned();
        let expected = Expected {
            says: &["backup", &name, "is damaged", "config.xml"],
            hint: "choose another backup",
            looks: true,
        };
        let task = self.named(&backup)?;
        self.refuses("a configuration file cut in the middle", &task, expected)
            .await?;
        // The charm's own eyes see it too.
        let running = &self.protected.running;
        let before = Untouched::of(running).await?;
        let action = format!(
            "restore-from-backup backup-uid={} safety-backup=false",
            task.backup
        );
        let said = match fleet::action(running, &action).await {
            Ok(results) => bail!("the action should have failed: {results}"),
            Err(error) => format!("{error:#}"),
        };
        ensure!(
            said.contains("is damaged") && said.contains("config.xml") && said.contains("list-backups"),
            "the action should say what is wrong and what to do: {said}"
        );
        self.is_untouched(&before)
            .await
            .context("after the charm's action")?;
        self.story.figure("refused, the same by the charm's action", said);
        Ok(())
    }

    /// A good backup; then a partial, an empty and an expired one, all newer. `latest` restores the good one.
    async fn latest_passes_over(&mut self, process: &str) -> Result<()> {
        let running = &self.protected.running;
        let change =
            |what: &str| format!("cd /config; echo {what} > lists/owner; echo {what} > lists/{what}");
        running.in_workload(&change("good")).await?;
        // The charm's next dispatch puts its hooks back on the pod.
        running.sim("event update-status radarr/0").await?;
        let wanted = RADARR.held(running).await?;
        let good = self
            .protected
            .back_up(&format!("refused-good-{}", self.ground.run), false)
            .await?;
        self.protected.without_hooks().await?;

        running.in_workload(&change("partial")).await?;
        let partial = self.make_partial().await?;
        let empty = self.make_empty("empty-again").await?;
        running.in_workload(&change("expired")).await?;
        let expired = self
            .make("expired", self.protected.spec.clone(), BackupPhase::Completed)
            .await?;
        let newest = [
            (expired.name(), "good"),
            (empty.name(), "EMPTY"),
            (partial.name(), "PARTIAL"),
            (good.backup.name(), "good"),
        ];
        self.are_newest(&newest).await?;
        let an_hour_ago = Timestamp::now() - Duration::from_secs(3600);
        let patch = json!({"status": {"expiration": an_hour_ago.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()}});
        self.ground
            .velero("Backup")
            .patch(expired.name(), &PatchParams::default(), &Patch::Merge(patch))
            .await?;
        let mut newest = newest;
        newest[0].1 = "expired";
        self.are_newest(&newest).await?;

        let name = expired.name().to_owned();
        let task = self.named(&expired)?;
        let says = Expected {
            says: &["cannot restore backup", &name, "it expired at"],
            hint: "choose another backup",
            looks: false,
        };
        self.refuses("an expired backup", &task, says).await?;

        running.in_workload(&change("lost")).await?;
        let last = Untouched::of(running).await?;
        ensure!(
            last.process() == process,
            "the app should have run all the time: {process}, now {}",
            last.process()
        );
        let ended = self.task.play().await?;
        ensure!(
            ended == Ended::Done,
            "latest should have been restored: {ended:?}"
        );
        wanted
            .is_same(&RADARR.held(running).await?, &[])
            .context("latest should have restored the good backup")?;
        ensure!(
            !self.volume().join(config_volume::RESTORE_FOLDER).exists(),
            "the folder of the exchange is left in the volume"
        );
        nothing_is_left(self.ground, Some(&self.task.model)).await?;
        self.story
            .figure("newer backups that latest passed over", newest.len() - 1);
        Ok(())
    }

    /// A backup that holds the bytes and ended with an error: a command behind it failed.
    async fn make_partial(&self) -> Result<Backup> {
        let pods = self.ground.pods(&self.task.model);
        let hook = |key: &str| format!("post.hook.backup.velero.io/{key}");
        let failing = json!({"metadata": {"annotations": {
            hook("container"): "charm", hook("command"): "[\"/bin/sh\", \"-c\", \"exit 3\"]",
        }}});
        pods.patch(
            &self.protected.running.app.pod(),
            &PatchParams::default(),
            &Patch::Merge(failing),
        )
        .await?;
        let partial = self
            .make(
                "partial",
                self.protected.spec.clone(),
                BackupPhase::PartiallyFailed,
            )
            .await;
        self.protected.without_hooks().await?;
        partial
    }

    /// Fails unless these are the newest backups of the app, newest first, and are called so.
    async fn are_newest(&self, expected: &[(&str, &str)]) -> Result<()> {
        let cluster = Cluster::new(self.ground.client.clone());
        let list: Vec<BackupSummary> = backups::list(&cluster, Some(&self.whose())).await?;
        let now = Timestamp::now();
        let found: Vec<(String, String)> = list
            .iter()
            .take(expected.len())
            .map(|is| (is.name.clone(), is.verdict(now).to_string()))
            .collect();
        let expected: Vec<(String, String)> = expected
            .iter()
            .map(|(name, verdict)| ((*name).to_owned(), (*verdict).to_owned()))
            .collect();
        ensure!(
            found == expected,
            "the newest should be {expected:?}, not {found:?}"
        );
        let begun: BTreeSet<Option<Timestamp>> = list.iter().map(|is| is.started).collect();
        ensure!(
            begun.len() == list.len(),
            "two backups began in one second; which is newer cannot be told"
        );
        Ok(())
    }
}
