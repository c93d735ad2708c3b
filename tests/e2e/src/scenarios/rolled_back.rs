//! `configuratarr refresh`: to a charm that goes well, and to one that does not and damages what the app has.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;

use super::configuratarr::{compare, held};
use super::exactly::seconds;
use super::fleet::{self, FLEET};
use super::protected::WRITER;
use super::terminal::{Terminal, while_events_come};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::pods;
use crate::pods::Running;

pub const SCENARIO: Scenario = Scenario {
    name: "configuratarr-refreshes",
    says: "configuratarr refresh takes an app to a charm with another layer, and every file and row stays; to a charm whose app deletes \
           files and rows and does not become healthy it goes too, and, killed while it rolls back and gone on with, takes charm and \
           content back: every file, owner, mode and row is as it was",
    beside: Beside::Calm,
    depends_on_velero: false,
    thorough: true,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

const WELL: (&str, &str) = ("    TMPDIR: /tmp\n", "    TMPDIR: /var/tmp\n");
/// What the app of the bad charm leaves outside of the volume, to show that it ran.
const RAN: &str = "/tmp/the-bad-one-ran";

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let model = ground.namespace(SCENARIO.name).await?;
    let members = &FLEET[..1];
    let name = members[0].name;
    let apps = fleet::deploy_filled(ground, members, &model).await?;
    let terminal = Terminal::new(ground, &model, SCENARIO.name)?;
    let charm = terminal.path("charm");
    pods::charm_folder(name, &charm)?;
    let well = another(&charm, "well", |text| text.replace(WELL.0, WELL.1))?;
    let bad = another(&well, "bad", damaging)?;
    let before = held(members, &apps).await?;

    let began = Instant::now();
    let arguments = refresh(name, &well, &charm);
    let done = while_events_come(&apps, terminal.runs(&words(&arguments), 0)).await?;
    story.figure("seconds of a refresh that goes well", seconds(began));
    ensure!(done["progress"][0]["results"]["result"] == "refreshed", "{done}");
    has_charm(&apps[0], &well).await?;
    compare(members, &apps, &before).await?;

    let began = Instant::now();
    let mut arguments = refresh(name, &bad, &well);
    arguments.extend(["--wait".to_owned(), "20s".to_owned()]);
    let done = while_events_come(&apps, async {
        let rolls_back = "not active after the refresh; rolling back the charm";
        terminal.is_killed_at(&words(&arguments), rolls_back).await?;
        terminal.runs(&["resume"], 1).await
    })
    .await?;
    story.figure(
        "seconds of a refresh that is rolled back, 20 of them given",
        seconds(began),
    );
    let end = &done["progress"][0];
    ensure!(end["results"]["result"] == "rolled-back", "{done}");
    story.figure("what it says", end["why"].as_str().unwrap_or_default());
    let ran = apps[0].in_workload(&format!("cat {RAN}")).await;
    let ran = ran.context("the app of the bad charm should have run")?;
    ensure!(
        ran.trim() == "0 files left",
        "it should have deleted files: {ran}"
    );
    has_charm(&apps[0], &well).await?;
    compare(members, &apps, &before).await
}

fn refresh(app: &str, to: &Path, previous: &Path) -> Vec<String> {
    let text = |path: &Path| path.display().to_string();
    let words = [
        "refresh",
        app,
        "--path",
        &text(to),
        "--previous-path",
        &text(previous),
        "--yes",
    ];
    words.map(str::to_owned).to_vec()
}

fn words(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Another revision of a charm, with another app file.
fn another(charm: &Path, name: &str, change: impl Fn(&str) -> String) -> Result<PathBuf> {
    let folder = charm.with_file_name(name);
    fs::create_dir(&folder)?;
    for entry in fs::read_dir(charm)? {
        let from = entry?.path();
        fs::copy(&from, folder.join(from.file_name().unwrap_or_default()))?;
    }
    let file = folder.join("app.yaml");
    let text = fs::read_to_string(&file)?;
    let changed = change(&text);
    ensure!(changed != text, "nothing was changed in {}", file.display());
    fs::write(&file, changed)?;
    Ok(folder)
}

/// An app that takes its state into another form, makes a mess of it, and hangs.
fn damaging(text: &str) -> String {
    let command = format!(
        "  command: /bin/sh -c \"rm -rf /config/lists /config/Backups; {WRITER} sql /config/radarr.db 'DELETE FROM item WHERE id > 1'; \
         echo damaged > /config/damaged; echo $(ls /config/lists /config/Backups 2>/dev/null | wc -l) files left > {RAN}; exec sleep 10000\""
    );
    let lines = text.lines().map(|line| match line.starts_with("  command: ") {
        true => command.clone(),
        false => line.to_owned(),
    });
    lines.map(|line| line + "\n").collect()
}

/// The unit's charm has the app file of this one, byte for byte.
async fn has_charm(app: &Running<'_>, charm: &Path) -> Result<()> {
    let file = format!("/var/lib/juju/agents/unit-{}/charm/app.yaml", app.pod_name());
    let found = app.in_charm(&format!("cat {file}")).await?;
    if found.trim_end() != fs::read_to_string(charm.join("app.yaml"))?.trim_end() {
        bail!("{} should have charm {}: {found}", app.unit(), charm.display());
    }
    Ok(())
}
