//! Backups of a database that is written to, each restored and judged; and the same without the charm's hooks.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures::channel::mpsc;
use futures::{FutureExt, StreamExt};
use kube::api::{DeleteParams, ListParams};
use serde_json::json;

use super::exactly::seconds;
use super::protected::{self, COPY, Protected};
use super::{Beside, Scenario, ScenarioReport};
use crate::backups;
use crate::ground::{Need, TestEnv};
use crate::juju::{App, Programs};
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "live-database-comes-back",
    says: "backups of a database of 80 MB, taken while transactions of 20 rows are committed, come back as a committed \
           state of the time of the backup, with a write-ahead log and with a rollback journal; without the charm's hooks \
           the same backups are Completed and hold damaged databases",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Size of the database.
const MEGABYTES: u64 = 80;
/// Backups of each journal mode when long rounds are asked for.
const THOROUGH: usize = 50;
/// `Completed` backups without hooks. Each was damaged whenever this was measured; one has to be.
const CONTROLS: usize = 2;

/// One way to write.
struct Load {
    /// The program of the app that is under this load. Two apps, so that the load is part of an image of its own.
    program: &'static str,
    /// SQLite's journal mode.
    mode: &'static str,
    /// Backups when no long rounds are asked for.
    rounds: usize,
}

const LOADS: [Load; 2] = [
    Load {
        program: "Radarr",
        mode: "wal",
        rounds: 3,
    },
    Load {
        program: "Sonarr",
        mode: "delete",
        rounds: 2,
    },
];

/// A finished backup, and how far the writer was around it.
struct Made {
    name: String,
    /// Where it is restored.
    place: String,
    before: u64,
    after: u64,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    // All images first: long rounds are played with the programs that they began with.
    let mut loads = Vec::new();
    for load in &LOADS {
        let arguments = format!("--mode {} --megabytes {MEGABYTES} --pause-us 500", load.mode);
        loads.push((
            load,
            protected::images(bed, load.program, Some(&arguments)).await?,
        ));
    }
    for (load, programs) in loads {
        let model = ground
            .namespace(&format!("{}-{}", SCENARIO.name, load.mode))
            .await?;
        under(ground, story, load, programs, &model)
            .await
            .with_context(|| format!("journal mode {}", load.mode))?;
        make_room(ground, &model).await?;
    }
    Ok(())
}

/// Gives back the memory that a model's backups take: fifty of them are 5 GB, and both modes do not fit into the bed.
async fn make_room(ground: &TestEnv, model: &str) -> Result<()> {
    let of_model = ListParams::default().labels(&format!("velero.io/volume-namespace={model}"));
    // First what Velero knows of it, so that nobody looks for what is gone.
    ground
        .velero("BackupRepository")
        .delete_collection(&DeleteParams::default(), &of_model)
        .await?;
    ground.own_bed()?.remove_repository(model)
}

async fn under(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    load: &Load,
    programs: Programs,
    model: &str,
) -> Result<()> {
    let mode = load.mode;
    let app = App {
        name: load.program.to_lowercase(),
        model: model.to_owned(),
        programs,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let protected = &Protected::deploy(ground, app).await?;
    wait::until(
        "the writer has filled its database",
        Duration::from_secs(60),
        || async { Ok((protected.committed().await? > 0).then_some(())) },
    )
    .await?;

    let rounds = if ground.thorough { THOROUGH } else { load.rounds };
    let began = Instant::now();
    let (send, mut made) = mpsc::unbounded();
    // Velero makes one backup and one restore at a time: both are kept busy.
    let make = async move {
        let mut slowest = Duration::ZERO;
        for round in 1..=rounds {
            let name = format!("live-{mode}-{round}-{}", ground.run);
            let (before, began) = (protected.committed().await?, Instant::now());
            let stored = protected.back_up(&name, false).await?;
            slowest = slowest.max(began.elapsed());
            let bytes = stored.only(&protected.volume())?;
            ensure!(
                bytes > MEGABYTES * 1024 * 1024 * 95 / 100,
                "backup {name} stored {bytes} bytes only"
            );
            let after = protected.committed().await?;
            let place = format!("{}-{mode}-{round}", SCENARIO.name);
            send.unbounded_send(Made {
                name,
                place,
                before,
                after,
            })?;
        }
        Ok::<_, anyhow::Error>(slowest)
    };
    let check = async {
        let mut states = Vec::new();
        while let Some(made) = made.next().await {
            let transactions = committed_state(protected, &made).await?;
            if ground.thorough {
                eprintln!("  {}: sound, {transactions} transactions", made.name);
            }
            states.push(transactions);
        }
        Ok(states)
    };
    let (slowest, states) = tokio::try_join!(make, check)?;
    ensure!(
        states.len() == rounds,
        "{} of {rounds} backups were judged",
        states.len()
    );
    story.figure(
        &format!("sound restores, {mode}"),
        format!(
            "{} of {rounds}, each a state committed while its backup was made",
            states.len()
        ),
    );
    story.figure(
        &format!("transactions in the restored databases, {mode}"),
        spread(&states),
    );
    story.figure(
        &format!("seconds of the slowest backup, {mode}"),
        format!("{:.1}", slowest.as_secs_f64()),
    );
    story.figure(&format!("seconds of all, {mode}"), seconds(began));

    let bare = without_hooks(ground, protected, mode).await?;
    story.figure(
        &format!("damaged restores without the hooks, {mode}"),
        format!(
            "{} of {}; the first: {}",
            bare.damaged.len(),
            bare.completed,
            bare.damaged.first().map_or("", String::as_str)
        ),
    );
    for told in &bare.told {
        story.figure(&format!("told by Velero itself, {mode}"), told);
    }
    ensure!(
        !bare.damaged.is_empty(),
        "a copy of a live database should be damaged; if it never is, this scenario proves nothing"
    );
    protected.stop().await
}

/// Restores a backup and judges its database. Returns how many transactions are in it.
async fn committed_state(protected: &Protected<'_>, made: &Made) -> Result<u64> {
    let name = &made.name;
    let restored = protected.restore(name, &made.place).await?;
    let live = restored.shell("ls /config | grep '[.]db' || true").await?;
    ensure!(
        live.is_empty(),
        "backup {name} should not hold the live database: {live}"
    );
    let text = restored
        .judge(COPY)
        .await?
        .map_err(|damage| anyhow::anyhow!("the database of backup {name}: {damage}"))?;
    let transactions = transactions(&text)?;
    // The writer tells after every tenth only.
    ensure!(
        (made.before..=made.after + 10).contains(&transactions),
        "the database of backup {name} should be as it was after {} to {} transactions; it has {transactions}",
        made.before,
        made.after
    );
    restored.remove().await?;
    Ok(transactions)
}

/// What became of the same backups without the charm's hooks.
#[derive(Default)]
struct Bare {
    /// Those that Velero itself did not call `Completed`.
    told: Vec<String>,
    /// What is wrong with the database in each `Completed` one, when it is damaged.
    damaged: Vec<String>,
    /// How many were `Completed`.
    completed: usize,
}

/// Makes the same backups without the charm's hooks, until [`CONTROLS`] are `Completed`.
///
/// With a rollback journal, which comes and goes, Velero itself ends some as `PartiallyFailed` (2 of 16 when this was
/// measured; none with a write-ahead log). A file that changed while it was read it does not notice.
async fn without_hooks(ground: &TestEnv, protected: &Protected<'_>, mode: &str) -> Result<Bare> {
    protected.without_hooks().await?;
    let database = format!("/config/{}.db", protected.running.app.name);
    let mut bare = Bare::default();
    for round in 1..=4 * CONTROLS {
        if bare.completed == CONTROLS {
            break;
        }
        let name = format!("bare-{mode}-{round}-{}", ground.run);
        protected.ask_for_backup(&name).await?;
        let stored = match backups::outcome(ground, &name).await? {
            Ok(stored) => stored,
            Err(said) => {
                bare.told.push(said);
                continue;
            }
        };
        // With the bytes of the volume: by these it cannot be told from a good one.
        stored.only(&protected.volume())?;
        bare.completed += 1;
        let place = format!("{}-{mode}-bare-{round}", SCENARIO.name);
        let restored = protected.restore(&name, &place).await?;
        if let Err(damage) = restored.judge(&database).await? {
            let first = damage.lines().next().unwrap_or_default();
            bare.damaged.push(first.chars().take(160).collect());
        }
        restored.remove().await?;
    }
    Ok(bare)
}

/// The number in `12 rows, 3 transactions`.
fn transactions(text: &str) -> Result<u64> {
    let number = text
        .strip_suffix(" transactions")
        .and_then(|text| text.rsplit(' ').next())
        .with_context(|| format!("no number of transactions in {text:?}"))?;
    Ok(number.parse()?)
}

fn spread(states: &[u64]) -> String {
    match (states.first(), states.last()) {
        (Some(first), Some(last)) => format!("{first} in the first, {last} in the last"),
        _ => "none".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_judge_tells_the_transactions() {
        assert_eq!(transactions("292500 rows, 1234 transactions").unwrap(), 1234);
        assert!(transactions("292500 rows").is_err());
    }
}
