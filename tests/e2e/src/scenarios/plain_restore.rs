//! Velero restores a backup of ours where there is no charm: what comes, what a person has to do, and what later backups hold.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use futures::FutureExt;
use futures::future::try_join_all;
use kube::api::DeleteParams;
use serde_json::{Value, json};
use velero_api::BackupSpec;

use super::protected::{self, Protected, WRITER};
use super::{Beside, Scenario, ScenarioReport};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::App;
use crate::{apply, backups, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "plain-restore-without-the-charm",
    says: "beside thirty accounts that Juju left, a backup holds one pod, one claim and one volume; a plain restore of it \
           needs one account made by hand; without the charm README.txt says how to get every row, no ignore file comes \
           back, and a later plain backup of that volume holds the live database",
    beside: Beside::Any,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// Accounts that Juju 4.0 leaves behind where hooks read a secret. 87 were seen.
const LEFT_BY_JUJU: usize = 30;
/// A pod of somebody who has no charm.
const BY_HAND: &str = "by-hand";
const NEW_POD: Duration = Duration::from_secs(120);

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let programs = protected::images(ground.own_bed()?, "Radarr", None).await?;
    let image = programs.workload().to_owned();
    let app = App {
        name: "radarr".to_owned(),
        model: ground.namespace(SCENARIO.name).await?,
        programs,
        trust: false,
        logs: false,
        media: None,
        annotations: json!({}),
    };
    let protected = Protected::deploy(ground, app).await?;
    let running = &protected.running;
    running.in_workload(&fill()).await?;
    leave_accounts(ground, &running.app).await?;
    let rows = format!("{WRITER} rows /config/radarr.db");
    let before = running.in_workload(&rows).await?;
    let files = others(running.checksums().await?);
    let name = format!("plain-{}", ground.run);
    story.figure(
        "bytes stored",
        protected.back_up(&name, false).await?.only(&protected.volume())?,
    );
    protected.stop().await?;
    holds_three_objects(ground, story, &protected, &name)?;

    let place = ground.namespace(&format!("{}-back", SCENARIO.name)).await?;
    let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": running.app.name, "namespace": place}});
    apply::one(&ground.client, &account).await?;
    backups::restore_as_it_is(ground, &name, &running.app.model, &place).await?;
    let person = Person {
        ground,
        namespace: &place,
    };
    person.takes_over(&protected, &image).await?;
    person.follows_readme(story).await?;
    let found = person.shell(&rows).await?;
    ensure!(
        found == before && before.trim().len() > 64,
        "the rows differ: {before} before, {found} restored"
    );
    let back = others(person.checksums().await?);
    if let Some(difference) = exec::difference(&files, &back) {
        bail!("files differ: {difference}");
    }
    story.figure("files with the bytes that they had", back.len());

    person.shell(&format!("{} >/dev/null", write(15))).await?;
    let later = person.shell(&rows).await?;
    ensure!(later != before, "the rows should be others now");
    let again = person.backs_up(&format!("plain-later-{}", ground.run)).await?;
    let last = ground.namespace(&format!("{}-later", SCENARIO.name)).await?;
    backups::restore_as_it_is(ground, &again, &place, &last).await?;
    ground.ready_pod(&last, BY_HAND, NEW_POD).await?;
    let restored = Person {
        ground,
        namespace: &last,
    };
    let found = restored.shell(&rows).await?;
    ensure!(
        found == later,
        "a later plain backup should hold the live database: {later} before, {found} restored"
    );
    story.figure(
        "a later plain backup without the charm",
        "holds the live database",
    );
    Ok(())
}

fn write(transactions: u32) -> String {
    format!("{WRITER} write /config/radarr.db --megabytes 2 --transactions {transactions} --until kill")
}

fn fill() -> String {
    format!(
        "{} > /dev/null
cd /config; mkdir -p Backups
dd if=/dev/urandom of=Backups/1.zip bs=1k count=700 2>/dev/null
chown -R 1000:1000 .",
        write(20)
    )
}

/// Without the database and what the charm's hooks add.
fn others(mut files: BTreeMap<String, String>) -> BTreeMap<String, String> {
    files.retain(|path, _| !path.starts_with("radarr.db") && !path.starts_with(".config-backup/"));
    files
}

/// Accounts as they were seen on a Juju 4.0: with the application's label.
async fn leave_accounts(ground: &TestEnv, app: &App) -> Result<()> {
    let accounts = (0..LEFT_BY_JUJU).map(|number| {
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {
            "name": format!("juju-secret-consumer-{number:08x}"), "namespace": app.model,
            "labels": {"app.kubernetes.io/managed-by": "juju", "app.kubernetes.io/name": app.name},
        }})
    });
    let accounts: Vec<Value> = accounts.collect();
    try_join_all(accounts.iter().map(|account| apply::one(&ground.client, account))).await?;
    Ok(())
}

/// The list of objects that Velero put into the bucket.
fn holds_three_objects(
    ground: &TestEnv,
    story: &mut ScenarioReport,
    protected: &Protected<'_>,
    backup: &str,
) -> Result<()> {
    let objects = ground.own_bed()?.objects_of(backup)?;
    let running = &protected.running;
    let model = &running.app.model;
    let mut expected = BTreeMap::from([
        (
            "v1/Pod".to_owned(),
            vec![format!("{model}/{}", running.pod_name())],
        ),
        (
            "v1/PersistentVolumeClaim".to_owned(),
            vec![format!("{model}/{}", protected.claim())],
        ),
    ]);
    let volume = objects.get("v1/PersistentVolume").cloned().unwrap_or_default();
    ensure!(
        volume.len() == 1,
        "one volume should be in the backup: {objects:?}"
    );
    expected.insert("v1/PersistentVolume".to_owned(), volume);
    ensure!(
        objects == expected,
        "a pod, a claim and a volume should be in the backup, and nothing else: {objects:?}"
    );
    story.figure("objects in the backup", "1 pod, 1 claim, 1 volume");
    Ok(())
}

/// Somebody with kubectl and Velero.
struct Person<'a> {
    ground: &'a TestEnv,
    namespace: &'a str,
}

impl Person<'_> {
    async fn shell(&self, script: &str) -> Result<String> {
        exec::shell(self.ground, self.place(), script).await
    }

    fn place(&self) -> Container<'_> {
        Container {
            namespace: self.namespace,
            pod: BY_HAND,
            name: BY_HAND,
        }
    }

    async fn checksums(&self) -> Result<BTreeMap<String, String>> {
        exec::checksums(self.ground, self.place(), "/config").await
    }

    /// Puts a pod of their own on the claim. The restored one waits for secrets that only Juju makes.
    async fn takes_over(&self, protected: &Protected<'_>, image: &str) -> Result<()> {
        let pods = self.ground.pods(self.namespace);
        let restored = protected.running.pod_name();
        pods.delete(&restored, &DeleteParams::default().grace_period(0))
            .await?;
        wait::until("the restored pod is gone", NEW_POD, || async {
            Ok(pods.get_opt(&restored).await?.is_none().then_some(()))
        })
        .await?;
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": BY_HAND, "namespace": self.namespace},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [{
                    "name": BY_HAND, "image": image, "imagePullPolicy": "IfNotPresent", "command": ["/bin/sleep", "2147483647"],
                    "volumeMounts": [{"name": "config", "mountPath": "/config"}],
                }],
                "volumes": [{"name": "config", "persistentVolumeClaim": {"claimName": protected.claim()}}],
            },
        });
        apply::one(&self.ground.client, &pod).await?;
        self.ground.ready_pod(self.namespace, BY_HAND, NEW_POD).await?;
        Ok(())
    }

    /// Does what README.txt in the folder of the copies says.
    async fn follows_readme(&self, story: &mut ScenarioReport) -> Result<()> {
        let listing = self
            .shell("cd /config; find . ! -path './.velero*' | sort")
            .await?;
        ensure!(
            !listing.lines().any(|line| line == "./.kopiaignore"),
            "no ignore file should come back: later backups would leave the live databases out. There is:\n{listing}"
        );
        ensure!(
            !listing.lines().any(|line| line == "./radarr.db"),
            "a copy should have come back in place of the live database:\n{listing}"
        );
        let readme = self
            .shell("cat /config/.config-backup/README.txt")
            .await
            .with_context(|| {
                format!("what a person without the charm has to do is said nowhere:\n{listing}")
            })?;
        for word in ["sets", "manifest.json", "\"databases\"", "\"copy\""] {
            ensure!(readme.contains(word), "README.txt should name {word}:\n{readme}");
        }
        story.figure("bytes of README.txt", readme.len());
        let newest = "cd /config/.config-backup/sets; cat $(ls | sort | tail -n 1)/manifest.json";
        let manifest: Value = serde_json::from_str(&self.shell(newest).await?).context("no manifest")?;
        let script = steps(&manifest)?;
        self.shell(&script).await.context(script).map(drop)
    }

    /// A backup as somebody makes it who knows nothing of the charm.
    async fn backs_up(&self, name: &str) -> Result<String> {
        let spec = BackupSpec {
            included_namespaces: vec![self.namespace.to_owned()],
            included_resources: vec![
                "pods".to_owned(),
                "persistentvolumeclaims".to_owned(),
                "persistentvolumes".to_owned(),
            ],
            default_volumes_to_fs_backup: Some(true),
            storage_location: Some(self.ground.location.clone()),
            ..BackupSpec::default()
        };
        backups::make(self.ground, name, spec).await?.only("config")?;
        Ok(name.to_owned())
    }
}

/// What README.txt says, for each database of the manifest.
fn steps(manifest: &Value) -> Result<String> {
    let mut script =
        "cd /config\nset=.config-backup/sets/$(ls .config-backup/sets | sort | tail -n 1)\n".to_owned();
    let databases = manifest["databases"]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default();
    ensure!(
        !databases.is_empty(),
        "the manifest names no databases: {manifest}"
    );
    for database in databases {
        let text = |key: &str| {
            database[key]
                .as_str()
                .with_context(|| format!("no {key} in {database}"))
        };
        let number = |key: &str| {
            database[key]
                .as_u64()
                .with_context(|| format!("no {key} in {database}"))
        };
        let (path, copy) = (text("path")?, text("copy")?);
        let (mode, owner, group) = (number("mode")?, number("uid")?, number("gid")?);
        script.push_str(&format!(
            "test ! -e '{path}'
cp \"$set/databases/{copy}\" '{path}'
chown {owner}:{group} '{path}'
chmod {mode:o} '{path}'\n"
        ));
    }
    script.push_str("rm -r .config-backup\n");
    Ok(script)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_gets_the_name_owner_and_mode_of_the_manifest() {
        let manifest = json!({"databases": [{"path": "radarr.db", "copy": "0.sqlite", "uid": 1000, "gid": 100, "mode": 416}]});
        let script = steps(&manifest).unwrap();
        for line in [
            "cp \"$set/databases/0.sqlite\" 'radarr.db'",
            "chown 1000:100 'radarr.db'",
            "chmod 640 'radarr.db'",
        ] {
            assert!(script.contains(line), "{script}");
        }
        assert!(steps(&json!({"databases": []})).is_err());
    }
}
