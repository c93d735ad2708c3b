//! The charm's request stores the config volume, without what the app makes anew, and nothing else.

use std::time::Instant;

use anyhow::{Result, ensure};
use futures::FutureExt;
use serde_json::json;

use super::protected::{self, COPY, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::ground::{Need, TestEnv};
use crate::juju::App;

pub const SCENARIO: Scenario = Scenario {
    name: "exactly-the-config-volume",
    says: "of an app with 20 MB of configuration, 40 MB of caches among it, 30 MB of logs and 50 MB of media, the charm \
           without --trust has exactly the 20 MB stored, whatever velero-operator's default is, and they come back",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Megabytes (of 1024 * 1024 bytes) that are to be stored.
const MEGABYTES: u64 = 20;
/// The caches that Radarr's app file names and [`fill`] fills.
const CACHES: [&str; 3] = ["MediaCover", "logs", "Sentry"];

/// A database of 12 MB and files of 8 MB; 40 MB of caches; two folders that are called like caches and are none.
fn fill() -> String {
    format!(
        "cd /config
{WRITER} write radarr.db --megabytes 12 --transactions 40 --until kill > /dev/null
mkdir -p Backups MediaCover/1 logs Sentry 'my lists/logs' plugins/MediaCover
dd if=/dev/urandom of='Backups/radarr backup.zip' bs=1M count=7 2>/dev/null
dd if=/dev/urandom of='my lists/logs/kept.txt' bs=1k count=512 2>/dev/null
dd if=/dev/urandom of=plugins/MediaCover/kept.jpg bs=1k count=512 2>/dev/null
: > empty
dd if=/dev/urandom of=MediaCover/1/poster.jpg bs=1M count=36 2>/dev/null
dd if=/dev/urandom of=logs/radarr.txt bs=1M count=3 2>/dev/null
dd if=/dev/urandom of=Sentry/report bs=1M count=1 2>/dev/null
chown -R 1000:1000 .
dd if=/dev/urandom of=/logs/radarr.txt bs=1M count=30 2>/dev/null
dd if=/dev/urandom of=/media/film.mkv bs=1M count=50 2>/dev/null"
    )
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let programs = protected::images(ground.own_bed()?, "Radarr", None).await?;
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs,
        trust: false,
        logs: true,
        media: Some("media".to_owned()),
        annotations: json!({}),
    };
    let protected = Protected::deploy(ground, app).await?;
    let running = &protected.running;
    running.in_workload(&fill()).await?;
    let before = running.checksums().await?;
    let rows = |path: &str| format!("{WRITER} rows {path} | sed 's/.*: //'");
    let rows_before = running.in_workload(&rows("/config/radarr.db")).await?;

    for (setting, all_by_default) in [("default off", false), ("default on", true)] {
        let short = setting.rsplit(' ').next().unwrap_or_default();
        let name = format!("exactly-{short}-{}", ground.run);
        let began = Instant::now();
        let stored = protected.back_up(&name, all_by_default).await?;
        story.figure(&format!("seconds of the backup, {setting}"), seconds(began));
        let bytes = stored.only(&protected.volume())?;
        let restored = protected
            .restore(&name, &format!("{}-{short}", SCENARIO.name))
            .await?;
        let came_back = restored.bytes().await?;
        story.figure(&format!("bytes stored, {setting}"), bytes);
        story.figure(&format!("bytes in the restored volume, {setting}"), came_back);
        for (what, bytes) in [("stored", bytes), ("restored", came_back)] {
            ensure!(
                is_near(bytes),
                "{bytes} bytes were {what}, not {MEGABYTES} MB within 5 %"
            );
        }
        let same = protected::compare(&before, &restored.checksums().await?, &CACHES, &["radarr.db"])?;
        story.figure(&format!("files that came back, {setting}"), same);
        let rows_after = restored.shell(&rows(COPY)).await?;
        ensure!(
            rows_after == rows_before && rows_before.trim().len() == 64,
            "the database's rows differ: {rows_before} before, {rows_after} restored"
        );
        restored.remove().await?;
    }
    // What made room for the copies is gone, and the app's files are what they were.
    let after = running.checksums().await?;
    let differs = crate::exec::difference(&before, &after);
    ensure!(differs.is_none(), "the app's own volume has changed: {differs:?}");
    protected.stop().await
}

fn is_near(bytes: u64) -> bool {
    let wanted = MEGABYTES * 1024 * 1024;
    bytes.abs_diff(wanted) * 20 <= wanted
}

/// Seconds since then, for people.
pub fn seconds(since: Instant) -> String {
    format!("{:.1}", since.elapsed().as_secs_f64())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn five_per_cent_are_allowed_either_way() {
        let megabyte = 1024 * 1024;
        assert!(is_near(19 * megabyte) && is_near(20 * megabyte) && is_near(21 * megabyte));
        assert!(!is_near(19 * megabyte - 1) && !is_near(21 * megabyte + 1));
    }
}
