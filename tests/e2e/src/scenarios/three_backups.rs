//! Three backups of one volume that are asked for at the same moment, of one Velero and of three.
//!
//! One Velero makes them one after the other, also where it makes several at once: since 1.18 a backup waits as long as
//! another one of the same namespace is under way (`pkg/controller/backup_queue_controller.go`, `detectNamespaceConflict`). Two
//! Veleros in a cluster know nothing of each other, with any release.

use std::cell::RefCell;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use futures::future::try_join_all;
use serde_json::{Value, json};
use velero_api::{Backup, BackupSpec};

use super::protected::{self, Protected};
use super::{Beside, Scenario, ScenarioReport};
use crate::bed::velero::{self, Server};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::{apply, backups, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "three-backups-at-once",
    says: "three backups of one volume, asked for at the same moment while rows are committed, of one Velero that may make three \
           at once and of three Veleros: each comes back sound, with every row that was committed before its own before-backup \
           and the copies that this made, and nothing is left in the volume",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How many.
const BACKUPS: usize = 3;
/// Where the hooks write down when they ran.
const LOG: &str = "/tmp/hooks";
/// Seconds since the machine was started, to hundredths: the one clock that a shell in a container and this program share.
const CLOCK: &str = "/proc/uptime";
/// Where a volume has its sets of copies.
const SETS: &str = ".config-backup/sets";

/// When hooks let a backup go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Go {
    /// At once, as ever.
    AtOnce,
    /// When the hooks before all three have run, so that all three copy the volume with three sets of copies in it.
    WithTheOthers,
}

/// A backup, and whose.
struct Asked<'a> {
    velero: &'a TestEnv,
    name: String,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let load = "--mode wal --megabytes 20 --pause-us 500";
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: protected::images(bed, "Radarr", Some(load)).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let (protected, several, other) = tokio::try_join!(
        Protected::deploy(ground, app),
        another(ground, "three-at-once", 3),
        another(ground, "three-beside", 1)
    )?;
    wait::until(
        "the writer has filled its database",
        Duration::from_secs(60),
        || async { Ok((protected.committed().await? > 0).then_some(())) },
    )
    .await?;
    let stage = Stage {
        ground,
        hooks: protected.hooks()?,
        protected,
    };
    // They are part of the backups here, so that each knows its own.
    stage.protected.without_hooks().await?;
    let one = [&several; BACKUPS];
    let three = [ground, &several, &other];
    stage.play(story, "one", "of one Velero", one, Go::AtOnce).await?;
    stage
        .play(story, "three", "of three Veleros", three, Go::AtOnce)
        .await?;
    let held = "of three Veleros, with all copies made before the first upload";
    let open = stage.play(story, "held", held, three, Go::WithTheOthers).await?;
    ensure!(
        open == BACKUPS,
        "{open} of {BACKUPS} backups were under way at once"
    );
    stage.protected.stop().await
}

async fn another(ground: &TestEnv, purpose: &str, concurrent_backups: u32) -> Result<TestEnv> {
    let server = Server {
        concurrent_backups,
        ..velero::DEFAULT
    };
    ground.with_another_velero(purpose, server).await
}

struct Stage<'a> {
    ground: &'a TestEnv,
    protected: Protected<'a>,
    /// The charm's commands before and after a backup.
    hooks: [Vec<String>; 2],
}

impl Stage<'_> {
    /// Has each of these make a backup, all at the same moment; restores and judges them. Returns how many were between their
    /// hooks at once.
    async fn play(
        &self,
        story: &mut ScenarioReport,
        short: &str,
        whose: &str,
        veleros: [&TestEnv; BACKUPS],
        go: Go,
    ) -> Result<usize> {
        let asked: Vec<Asked<'_>> = (1..)
            .zip(veleros)
            .map(|(number, velero)| Asked {
                velero,
                name: format!("at-once-{short}-{number}-{}", self.ground.run),
            })
            .collect();
        self.protected.running.in_charm(&format!("rm -f {LOG}")).await?;
        let samples = RefCell::new(Vec::new());
        let made = async {
            try_join_all(asked.iter().map(|one| self.ask(one, go))).await?;
            let ends = asked.iter().map(|one| backups::finish(one.velero, &one.name));
            try_join_all(ends).await
        };
        let made = tokio::select! {
            made = made => made,
            failed = self.sample(&samples) => Err(failed),
        };
        let made = made.with_context(|| format!("three at once, {whose}"))?;
        let until = self.protected.committed().await?;
        for stored in &made {
            stored.only(&self.protected.volume())?;
            let hooks = stored
                .backup
                .status
                .as_ref()
                .and_then(|is| is.hook_status.clone());
            let hooks = hooks.unwrap_or_default();
            ensure!((hooks.hooks_attempted, hooks.hooks_failed) == (2, 0), "{hooks:?}");
        }
        let log = self.protected.running.in_charm(&format!("cat {LOG}")).await?;
        let ran = Ran::of(&log)?;
        let left = "cd /config; ls -A | grep -E '^[.](config-backup|kopiaignore)' || true";
        let left = self.protected.running.in_workload(left).await?;
        ensure!(
            left.is_empty(),
            "of three backups {whose} is left in the volume: {left}"
        );

        let samples = samples.into_inner();
        let judged = asked.iter().map(|one| {
            let began = ran.of_backup(&one.name).map(|own| own.begins);
            let before = began.map(|began| committed_at(&samples, began));
            async move {
                let before = before?;
                let (transactions, sets) = self.judge(one, before, until).await?;
                let all_of_them = go == Go::AtOnce || sets == BACKUPS;
                ensure!(all_of_them, "it holds {sets} sets of copies");
                Ok(format!("{before} and {transactions}"))
            }
            .map(|judged| judged.with_context(|| format!("backup {}", one.name)))
        });
        let found = try_join_all(judged).await?;
        let open = ran.most_at_once();
        story.figure(
            &format!("three {whose}"),
            format!(
                "{open} at once between their hooks; transactions committed before the own before-backup, and in the restored \
                 database: {}",
                found.join(", ")
            ),
        );
        Ok(open)
    }

    async fn ask(&self, one: &Asked<'_>, go: Go) -> Result<()> {
        let spec = BackupSpec {
            storage_location: Some(one.velero.location.clone()),
            ..self.protected.spec.clone()
        };
        let backup = Backup::new(backups::metadata(one.velero, &one.name), spec);
        let mut backup = serde_json::to_value(backup)?;
        let [before, after] = &self.hooks;
        let others = match go {
            Go::AtOnce => String::new(),
            Go::WithTheOthers => {
                format!("until test $(grep -c ready {LOG}) = {BACKUPS}; do sleep 0.1; done")
            }
        };
        let note = |word: &str| format!("echo $name {word} $(cut -d' ' -f1 {CLOCK}) >> {LOG}");
        let (begins, ready, ends) = (note("begins"), note("ready"), note("ends"));
        let hook = |script: String, command: &[String]| -> Value {
            let mut all = ["/bin/sh", "-ec", &script, "hook", &one.name]
                .map(str::to_owned)
                .to_vec();
            all.extend_from_slice(command);
            json!([{"exec": {"container": "charm", "command": all, "onError": "Fail", "timeout": "3m"}}])
        };
        backup["spec"]["hooks"] = json!({"resources": [{
            "name": "charm",
            "includedNamespaces": [self.protected.running.app.model],
            "pre": hook(format!("name=$1; shift; {begins}; \"$@\"; {ready}; {others}"), before),
            "post": hook(format!("name=$1; shift; {ends}; \"$@\""), after),
        }]});
        apply::one(&self.ground.client, &backup).await?;
        Ok(())
    }

    /// Notes again and again how many transactions were committed by when; ends when that cannot be told.
    async fn sample(&self, samples: &RefCell<Vec<(f64, u64)>>) -> anyhow::Error {
        loop {
            let committed = match self.protected.committed().await {
                Ok(committed) => committed,
                Err(error) => return error,
            };
            match now() {
                // Seen before this time, so committed before it.
                Ok(now) => samples.borrow_mut().push((now, committed)),
                Err(error) => return error,
            }
        }
    }

    /// Restores a backup and judges it. Returns how many transactions the app would find, and how many sets of copies it has.
    async fn judge(&self, one: &Asked<'_>, before: u64, until: u64) -> Result<(u64, usize)> {
        let place = format!("{}-{}", SCENARIO.name, one.name);
        let restored = self.protected.restore_by(one.velero, &one.name, &place).await?;
        let sets = restored
            .shell(&format!("ls /config/{SETS}"))
            .await?
            .lines()
            .count();
        restored.put_in_place().await?;
        let found = restored.judge("/config/radarr.db").await?;
        let found = found.map_err(|damage| anyhow::anyhow!("its database: {damage}"))?;
        let transactions = found
            .strip_suffix(" transactions")
            .and_then(|is| is.rsplit(' ').next());
        let transactions: u64 = transactions.with_context(|| found.clone())?.parse()?;
        // The writer tells after every tenth only.
        ensure!(
            (before..=until + 10).contains(&transactions),
            "it should hold the {before} transactions that were committed before its before-backup, and none of after {until}; \
             it holds {transactions}"
        );
        restored.remove().await?;
        Ok((transactions, sets))
    }
}

fn now() -> Result<f64> {
    let text = std::fs::read_to_string(CLOCK).with_context(|| format!("cannot read {CLOCK}"))?;
    Ok(text.split(' ').next().unwrap_or_default().parse()?)
}

/// How many transactions were surely committed at a time.
fn committed_at(samples: &[(f64, u64)], time: f64) -> u64 {
    let before = samples.iter().filter(|(at, _)| *at <= time);
    before.map(|(_, committed)| *committed).max().unwrap_or(0)
}

/// When the hooks of some backups ran.
#[derive(Debug)]
struct Ran(Vec<OfBackup>);

/// When the hooks of one ran.
#[derive(Debug, Clone, PartialEq)]
struct OfBackup {
    name: String,
    /// When the one before it began.
    begins: f64,
    /// When that was done.
    ready: f64,
    /// When the one after it began.
    ends: f64,
}

impl Ran {
    /// Of what the hooks wrote down, in any order.
    fn of(log: &str) -> Result<Self> {
        let mut names: Vec<&str> = log.lines().filter_map(|line| line.split(' ').next()).collect();
        names.sort_unstable();
        names.dedup();
        let time = |name: &str, word: &str| -> Result<f64> {
            let start = format!("{name} {word} ");
            let mut times = log.lines().filter_map(|line| line.strip_prefix(&start));
            let time = times
                .next()
                .with_context(|| format!("no {word} of {name} in {log}"))?;
            ensure!(times.next().is_none(), "{name} {word} twice: {log}");
            Ok(time.parse()?)
        };
        let of_backup = |name: &&str| {
            Ok(OfBackup {
                name: (*name).to_owned(),
                begins: time(name, "begins")?,
                ready: time(name, "ready")?,
                ends: time(name, "ends")?,
            })
        };
        names.iter().map(of_backup).collect::<Result<_>>().map(Self)
    }

    fn of_backup(&self, name: &str) -> Result<&OfBackup> {
        let mut all = self.0.iter();
        let found = all.find(|is| is.name == name);
        found.with_context(|| format!("no hook of {name} ran"))
    }

    /// How many had copies in the volume at once.
    fn most_at_once(&self) -> usize {
        let at = |time: f64| {
            self.0
                .iter()
                .filter(|is| is.ready <= time && time < is.ends)
                .count()
        };
        self.0.iter().map(|is| at(is.ready)).max().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_hooks_wrote_down_tells_which_backups_overlapped() {
        let log = "b begins 2.0\na begins 1.0\nb ready 3.0\na ready 2.5\na ends 3.5\nc begins 3.6\nb ends 4.0\nc ready 4.0\nc ends 5.0\n";
        let ran = Ran::of(log).unwrap();
        assert_eq!(ran.of_backup("a").unwrap().begins, 1.0);
        assert_eq!(ran.most_at_once(), 2);
        assert!(ran.of_backup("d").is_err());
        assert!(Ran::of("a begins 1.0\na ready 2.0\n").is_err());
    }

    #[test]
    fn only_what_was_seen_in_time_counts_as_committed_before() {
        let samples = [(1.0, 10), (2.0, 20), (3.0, 40)];
        assert_eq!(committed_at(&samples, 0.5), 0);
        assert_eq!(committed_at(&samples, 2.99), 20);
    }
}
