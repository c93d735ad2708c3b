//! A real workload: qBittorrent from Debian.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures::FutureExt;
use serde_json::{Value, json};

use super::config_volume::comes_back;
use super::fleet;
use super::{Beside, Scenario, ScenarioReport};
use crate::backups::{self, Scratch};
use crate::bed::Bed;
use crate::ground::{Need, TestEnv};
use crate::image::Layer;
use crate::juju::{App, Programs};
use crate::pods::{self, Recipe, Running};
use crate::wait;

pub const SCENARIO: Scenario = Scenario {
    name: "qbittorrent-runs",
    says: "qBittorrent runs under real Pebble on the config file that the charm wrote, takes the login from the charm's \
           secret, and its config volume comes back",
    beside: Beside::Any,
    depends_on_velero: false,
    thorough: false,
    needs: &[
        Need::Velero,
        Need::NodeAgent,
        Need::Storage,
        Need::OwnImages,
        Need::QBittorrent,
    ],
    run: |ground, story| run(ground, story).boxed_local(),
};

const PROGRAM: &str = "/usr/bin/qbittorrent-nox";
const CONFIG_FILE: &str = "/config/qBittorrent/config/qBittorrent.conf";

/// Images of qBittorrent as Debian has it.
///
/// # Errors
/// When they cannot be made.
pub async fn images(bed: &Bed) -> Result<Programs> {
    let mut program = Layer::new().program(PROGRAM, PROGRAM);
    // Qt loads its TLS and locale parts by name; what `ldd` lists is enough for the web interface.
    program = pods::with_libraries(program, &[Path::new(PROGRAM)])?;
    pods::images(
        bed,
        Recipe {
            app: "qbittorrent",
            workload: vec![program],
        },
    )
    .await
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let bed = ground.own_bed()?;
    let app = App {
        name: "qbittorrent".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs: images(bed).await?,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let running = Running::start(ground, app).await?;
    running.deploy().await?;
    running.settle().await?;
    let version = running
        .in_workload(&format!("HOME=/tmp {PROGRAM} --version"))
        .await?;
    story.figure("version", version.trim());

    running.sim("juju deploy velero-operator").await?;
    running.sim("juju integrate qbittorrent velero-operator").await?;
    story.figure("status", running.settle().await?);
    let answer = web_answers(&running).await?;
    story.figure("first line of its web page", answer);
    let form = log_in(&running).await?;
    story.figure("counted in its files", counted(&running, &form).await?);
    let spec = running.requested_spec().await?;

    // What it has in memory it writes when it is told to end.
    running.in_workload("/charm/bin/pebble stop qbittorrent").await?;
    let text = running.in_workload(&format!("cat {CONFIG_FILE}")).await?;
    ensure!(
        text.contains("Password_PBKDF2"),
        "qBittorrent should have kept the charm's settings:\n{text}"
    );
    let before = running.checksums().await?;
    let config = running.app.volume("config");
    // With what the charm has put on it.
    let pod = running.pod().await?;
    let name = format!("qbittorrent-{}", ground.run);
    let stored = backups::make(ground, &name, spec).await?;
    story.figure("bytes stored", stored.only(&config)?);
    let scratch = ground.namespace(&format!("{}-back", SCENARIO.name)).await?;
    let place = Scratch {
        backup: &name,
        from: &running.app.model,
        to: &scratch,
        volume: &config,
        container: &running.app.name,
    };
    let restored = comes_back(ground, &pod, place).await?;
    running.judge(&before, &restored)?;
    story.figure("files that came back", restored.len());
    Ok(())
}

async fn web_answers(running: &Running<'_>) -> Result<String> {
    let last = &std::cell::RefCell::new(String::new());
    let waited = wait::until(
        "qBittorrent answers on port 8080",
        Duration::from_secs(60),
        || async move {
            match running
                .in_workload("wget -q -O - http://127.0.0.1:8080/ 2>&1")
                .await
            {
                Ok(page) if page.contains("qBittorrent") => Ok(page
                    .lines()
                    .map(str::trim)
                    .find(|line| !line.is_empty())
                    .map(str::to_owned)),
                Ok(page) => {
                    last.replace(page);
                    Ok(None)
                }
                Err(error) => {
                    last.replace(format!("{error:#}"));
                    Ok(None)
                }
            }
        },
    )
    .await;
    waited.with_context(|| format!("last answer: {}", last.borrow()))
}

/// Gives it a torrent to keep, and lets the charm count.
async fn counted(running: &Running<'_>, form: &str) -> Result<String> {
    let magnet = "magnet%3A%3Fxt%3Durn%3Abtih%3A0123456789abcdef0123456789abcdef01234567";
    let api = "http://127.0.0.1:8080/api/v2";
    running
        .in_workload(&format!(
            "cookie=$(wget -S -O /dev/null --post-data '{form}' {api}/auth/login 2>&1 | grep -o 'SID=[^;]*' | head -n 1)
wget -q -O - --header \"Cookie: $cookie\" --post-data 'urls={magnet}&paused=true' {api}/torrents/add"
        ))
        .await?;
    wait::until(
        "the charm counts the torrent",
        Duration::from_secs(30),
        || async {
            let spec = fleet::action(running, "show-backup-spec").await?;
            let counted = spec["contents-now"].as_str().unwrap_or_default().to_owned();
            Ok(counted.contains("torrents 1").then_some(counted))
        },
    )
    .await
}

/// Logs in with the name and password that are in the charm's secret, as another app would. A wrong one is refused. Answers the form.
async fn log_in(running: &Running<'_>) -> Result<String> {
    let text = running
        .sim("juju show-secret credentials --reveal --format json")
        .await?;
    let secrets: Value = serde_json::from_str(&text).context("cannot read the charm's secret")?;
    let secret = secrets
        .as_object()
        .and_then(|all| all.values().next())
        .context("there is no secret")?;
    let field = |name: &str| {
        let value = secret["content"]["Data"][name].as_str();
        value
            .map(str::to_owned)
            .with_context(|| format!("the secret has no {name}"))
    };
    let (username, password) = (field("username")?, field("password")?);
    let attempt = async |password: &str| {
        let form = format!("username={username}&password={password}");
        let url = "http://127.0.0.1:8080/api/v2/auth/login";
        running
            .in_workload(&format!("wget -q -O - --post-data '{form}' {url}"))
            .await
    };
    let refused = attempt("wrong").await.unwrap_or_default();
    ensure!(
        !refused.contains("Ok"),
        "qBittorrent takes any password: {refused}"
    );
    let taken = attempt(&password).await?;
    ensure!(
        taken.contains("Ok"),
        "qBittorrent does not take the password of the charm's secret: {taken}"
    );
    Ok(format!("username={username}&password={password}"))
}
