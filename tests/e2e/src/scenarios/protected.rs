//! An app as its users have it: run by the real charm, related to the stand-in velero-operator, marked for backups by the
//! charm and by nothing else. What the scenarios about bytes have in common.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use kube::api::DeleteParams;
use serde_json::{Value, json};
use system_tests::binaries::Binaries;
use system_tests::radarr;
use velero_api::BackupSpec;

use crate::backups::{self, Scratch, Stored};
use crate::bed::Bed;
use crate::exec::{self, Container};
use crate::ground::TestEnv;
use crate::image::Layer;
use crate::juju::{self, App, Programs};
use crate::pods::{self, Recipe, Running};
use crate::{apply, wait};

/// Load and judge of databases, in the workload's container.
pub const WRITER: &str = "/opt/config-volume-writer";
/// Where the writer of a workload says how far it is.
const WRITER_LOG: &str = "/tmp/writer.log";
/// The copy of an app's only database in a restored volume with one set of copies, as the shell finds it.
pub const COPY: &str = "/config/.config-backup/sets/*/databases/0.sqlite";

/// A hook that is held has done its work when the first is there, and ends when the second is.
const HELD: &str = "/tmp/hook-is-held";
const GO: &str = "/tmp/hook-may-go";

/// Names of the pod's annotations that run the charm around a backup.
const HOOKS: [&str; 2] = ["pre.hook.backup.velero.io/", "post.hook.backup.velero.io/"];

/// Images of Radarr or Sonarr (`Radarr`, `Sonarr`: the name of its program). The workload is a stand-in; with `load`,
/// arguments of the writer, it writes to its database from the start.
///
/// # Errors
/// When they cannot be made.
pub async fn images(bed: &Bed, program: &str, load: Option<&str>) -> Result<Programs> {
    let app = program.to_lowercase();
    let binaries = Binaries::for_tests()?;
    let (stand_in, writer) = (&binaries.stand_in_radarr, &binaries.config_volume_writer);
    let begin = load.map_or_else(String::new, |load| {
        format!("{WRITER} write /config/{app}.db {load} --until kill > {WRITER_LOG} 2>&1 &\n")
    });
    let files = Layer::new()
        .program("/opt/stand-in", stand_in)
        .program(WRITER, writer)
        .script(
            &format!("/app/{app}/bin/{program}"),
            &format!("#!/bin/sh\n{begin}exec /opt/stand-in \"$@\"\n"),
        )
        .text(
            &format!("/app/{app}/package_info"),
            &format!("PackageVersion={}\n", radarr::VERSION),
        );
    let workload = vec![pods::with_libraries(files, &[stand_in, writer])?];
    pods::images(bed, Recipe { app: &app, workload }).await
}

/// An app with the charm's request and marks.
pub struct Protected<'a> {
    ground: &'a TestEnv,
    /// The app.
    pub running: Running<'a>,
    /// What velero-operator would ask of Velero.
    pub spec: BackupSpec,
    /// Its pod, as the charm marked it.
    pod: Value,
}

impl<'a> Protected<'a> {
    /// Deploys the charm, relates it, and waits until it is content. Nobody but the charm marks the pod.
    ///
    /// # Errors
    /// When the app does not get active or the pod is not marked.
    pub async fn deploy(ground: &'a TestEnv, app: App) -> Result<Self> {
        let running = Running::start(ground, app).await?;
        running.deploy().await?;
        running.settle().await?;
        let name = running.app.name.clone();
        running.sim("juju deploy velero-operator").await?;
        running
            .sim(&format!(
                "juju integrate {name}:velero-backup-config velero-operator"
            ))
            .await?;
        running.settle().await?;
        let spec = running.requested_spec().await?;
        let pod = running.pod().await?;
        let protected = Self {
            ground,
            running,
            spec,
            pod,
        };
        protected.is_marked()?;
        Ok(protected)
    }

    /// Looks at the pod again, after it was replaced.
    ///
    /// # Errors
    /// When it is not ready or not marked.
    pub async fn look_again(&mut self) -> Result<()> {
        self.pod = self.running.pod().await?;
        self.is_marked()
    }

    /// Name of the config volume in the pod.
    pub fn volume(&self) -> String {
        self.running.app.volume("config")
    }

    /// Name of the config volume's claim.
    pub fn claim(&self) -> String {
        self.running.claim()
    }

    fn is_marked(&self) -> Result<()> {
        let annotations = &self.pod["metadata"]["annotations"];
        let volume = self.volume();
        let names = |list: &Value| -> BTreeSet<String> {
            let text = list.as_str().unwrap_or_default();
            text.split(',').map(str::to_owned).collect()
        };
        let excluded = names(&annotations["backup.velero.io/backup-volumes-excludes"]);
        // The charm names the volume of the account's token, too.
        let every_other = juju::volumes(&self.pod)
            .into_iter()
            .all(|name| excluded.contains(&name) != (name == volume));
        ensure!(
            annotations["backup.velero.io/backup-volumes"] == volume.as_str()
                && every_other
                && HOOKS
                    .iter()
                    .all(|hook| annotations[format!("{hook}command")].is_string()),
            "the charm should have marked its pod: {annotations}"
        );
        Ok(())
    }

    /// Takes the hooks off the pod. The charm puts them back in its next dispatch.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn without_hooks(&self) -> Result<()> {
        self.without(&HOOKS).await
    }

    /// Takes the hook after a backup off the pod: it is lost, as when Velero's server ends while the backup runs.
    ///
    /// # Errors
    /// As [`Protected::without_hooks`].
    pub async fn without_last_hook(&self) -> Result<()> {
        self.without(&HOOKS[1..]).await
    }

    async fn without(&self, hooks: &[&str]) -> Result<()> {
        let annotations = self.pod["metadata"]["annotations"].as_object();
        let gone: serde_json::Map<String, Value> = annotations
            .into_iter()
            .flatten()
            .filter(|(key, _)| hooks.iter().any(|hook| key.starts_with(hook)))
            .map(|(key, _)| (key.clone(), Value::Null))
            .collect();
        ensure!(!gone.is_empty(), "there are no hooks to take off");
        self.annotate(Value::Object(gone)).await
    }

    /// Has the hook before the next backup wait when it has done its work, until [`Protected::let_first_hook_go`].
    ///
    /// # Errors
    /// As [`Protected::without_hooks`].
    pub async fn hold_first_hook(&self) -> Result<()> {
        let key = format!("{}command", HOOKS[0]);
        let [command, _] = self.hooks()?;
        let script = format!("\"$@\"; touch {HELD}; until test -e {GO}; do sleep 0.1; done; rm {HELD} {GO}");
        let mut holding = ["/bin/sh", "-ec", &script, "hook"].map(str::to_owned).to_vec();
        holding.extend(command);
        self.annotate(json!({key: serde_json::to_string(&holding)?}))
            .await
    }

    /// Waits until the hook that is held has done its work.
    ///
    /// # Errors
    /// When it does not.
    pub async fn first_hook_is_held(&self) -> Result<()> {
        let look = format!("test -e {HELD} && echo held || true");
        wait::until("the hook has done its work", Duration::from_secs(60), || async {
            Ok((!self.running.in_charm(&look).await?.is_empty()).then_some(()))
        })
        .await
    }

    /// Lets the hook that is held end.
    ///
    /// # Errors
    /// When the container does not answer.
    pub async fn let_first_hook_go(&self) -> Result<()> {
        self.running.in_charm(&format!("touch {GO}")).await?;
        Ok(())
    }

    async fn annotate(&self, annotations: Value) -> Result<()> {
        let patch = json!({"metadata": {"annotations": annotations}});
        let pods = self.ground.pods(&self.running.app.model);
        pods.patch(
            &self.running.pod_name(),
            &kube::api::PatchParams::default(),
            &kube::api::Patch::Merge(patch),
        )
        .await?;
        Ok(())
    }

    /// Makes a backup of the charm's request; the charm's two hooks have to run.
    ///
    /// # Errors
    /// When it does not complete or a hook did not run.
    pub async fn back_up(&self, name: &str, all_by_default: bool) -> Result<Stored> {
        let stored = self.back_up_bare(name, all_by_default).await?;
        let hooks = stored
            .backup
            .status
            .as_ref()
            .and_then(|status| status.hook_status.clone());
        let hooks = hooks.unwrap_or_default();
        ensure!(
            hooks.hooks_attempted == 2 && hooks.hooks_failed == 0,
            "two hooks should have run around backup {name}: {hooks:?}"
        );
        Ok(stored)
    }

    /// Makes a backup of the charm's request, hooks or not.
    ///
    /// # Errors
    /// When it does not complete.
    pub async fn back_up_bare(&self, name: &str, all_by_default: bool) -> Result<Stored> {
        backups::make(self.ground, name, self.request(all_by_default)).await
    }

    /// Asks for a backup of the charm's request, and does not wait for it.
    ///
    /// # Errors
    /// When it is refused.
    pub async fn ask_for_backup(&self, name: &str) -> Result<()> {
        backups::ask(self.ground, name, self.request(false)).await
    }

    /// The commands that the charm has Velero run before and after a backup.
    ///
    /// # Errors
    /// When the pod has none.
    pub fn hooks(&self) -> Result<[Vec<String>; 2]> {
        let command = |hook: &str| -> Result<Vec<String>> {
            let key = format!("{hook}command");
            let command = self.pod["metadata"]["annotations"][&key].as_str();
            Ok(serde_json::from_str(command.context("there is no hook")?)?)
        };
        Ok([command(HOOKS[0])?, command(HOOKS[1])?])
    }

    fn request(&self, all_by_default: bool) -> BackupSpec {
        BackupSpec {
            // What velero-operator's option default-volumes-to-fs-backup becomes.
            default_volumes_to_fs_backup: Some(all_by_default),
            storage_location: Some(self.ground.location.clone()),
            ..self.spec.clone()
        }
    }

    /// Restores a backup into a namespace of this purpose, and waits until its volume can be read.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restore(&self, backup: &str, purpose: &str) -> Result<Restored<'a>> {
        self.restore_by(self.ground, backup, purpose).await
    }

    /// As [`Protected::restore`], by another Velero: the one that made the backup.
    ///
    /// # Errors
    /// As [`Protected::restore`].
    pub async fn restore_by(&self, velero: &TestEnv, backup: &str, purpose: &str) -> Result<Restored<'a>> {
        let namespace = self.ground.namespace(purpose).await?;
        self.restored(velero, backup, namespace).await
    }

    /// Restores a backup into `namespace`, and waits until its volume can be read.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn restore_into(&self, backup: &str, namespace: String) -> Result<Restored<'a>> {
        self.restored(self.ground, backup, namespace).await
    }

    async fn restored(&self, velero: &TestEnv, backup: &str, namespace: String) -> Result<Restored<'a>> {
        let app = &self.running.app;
        let volume = self.volume();
        let place = Scratch {
            backup,
            from: &app.model,
            to: &namespace,
            volume: &volume,
            container: &app.name,
        };
        backups::restore(velero, &self.pod, place).await?;
        let restored = self
            .ground
            .ready_pod(&namespace, &app.pod(), Duration::from_secs(120))
            .await?;
        let volumes = juju::volumes(&restored);
        ensure!(
            volumes == [volume.as_str()],
            "the restored pod should have one volume; it has {volumes:?}"
        );
        Ok(Restored {
            ground: self.ground,
            namespace,
            pod: app.pod(),
            container: app.name.clone(),
            claim: self.claim(),
        })
    }

    /// How many transactions the workload's writer has committed, as it says itself after every tenth.
    ///
    /// # Errors
    /// When it has ended.
    pub async fn committed(&self) -> Result<u64> {
        let script = format!(
            "tail -n 1 {WRITER_LOG}; pidof config-volume-writer > /dev/null || {{ tail -n 3 {WRITER_LOG}; /charm/bin/pebble changes; false; }} >&2"
        );
        let line = self
            .running
            .in_workload(&script)
            .await
            .context("the writer has ended")?;
        match line.trim().strip_prefix("committed ") {
            Some(number) => Ok(number.parse()?),
            None => Ok(0),
        }
    }

    /// Stops the workload.
    ///
    /// # Errors
    /// When Pebble does not.
    pub async fn stop(&self) -> Result<()> {
        let stop = format!("/charm/bin/pebble stop {}", self.running.app.name);
        self.running.in_workload(&stop).await?;
        Ok(())
    }
}

/// A volume that came out of a backup, in a pod that only holds it.
pub struct Restored<'a> {
    ground: &'a TestEnv,
    /// Where it is.
    pub namespace: String,
    pod: String,
    container: String,
    claim: String,
}

impl Restored<'_> {
    /// Runs a script there.
    ///
    /// # Errors
    /// When it fails.
    pub async fn shell(&self, script: &str) -> Result<String> {
        exec::shell(self.ground, self.place(), script).await
    }

    fn place(&self) -> Container<'_> {
        Container {
            namespace: &self.namespace,
            pod: &self.pod,
            name: &self.container,
        }
    }

    /// Does to the volume what the charm does to it before the app starts: the copies are put where the app looks. They have
    /// to be there, and be what the backup promised.
    ///
    /// # Errors
    /// When they are not.
    pub async fn put_in_place(&self) -> Result<()> {
        let volume = self.ground.folder_of(&self.namespace, &self.claim).await?;
        let verdict = config_volume::verify(&volume).context("cannot judge the restored volume")?;
        ensure!(
            verdict.is_as_promised(),
            "the restored volume should hold what was promised: {verdict:?}"
        );
        config_volume::put_in_place(&volume).context("cannot put the copies in place")?;
        Ok(())
    }

    /// Checksums of the files.
    ///
    /// # Errors
    /// When they cannot be taken.
    pub async fn checksums(&self) -> Result<BTreeMap<String, String>> {
        exec::checksums(self.ground, self.place(), "/config").await
    }

    /// Sum of the sizes of the files.
    ///
    /// # Errors
    /// When they cannot be read.
    pub async fn bytes(&self) -> Result<u64> {
        let sizes = self.shell("find /config -type f -exec stat -c %s {} +").await?;
        sizes.lines().map(|size| Ok(size.trim().parse::<u64>()?)).sum()
    }

    /// What the writer says of a database here: `12 rows, 3 transactions`, or what is wrong with it.
    ///
    /// # Errors
    /// When the writer cannot be run.
    pub async fn judge(&self, database: &str) -> Result<Result<String, String>> {
        let said = self
            .shell(&format!("{WRITER} check {database} 2>&1 || true"))
            .await?;
        let said = said.trim().to_owned();
        // One database, by whatever name the shell found it.
        match said.split_once(": sound, ") {
            Some((_, text)) if !text.contains(": ") => Ok(Ok(text.to_owned())),
            _ if said.contains(": damaged, ") => Ok(Err(said)),
            _ => bail!("the writer does not judge {database}: {said}"),
        }
    }

    /// Kinds and names of what else is in its namespace: pods and claims.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub async fn objects(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for kind in ["Pod", "PersistentVolumeClaim"] {
            let api = apply::api(&self.ground.client, "v1", kind, &self.namespace);
            for object in api.list(&kube::api::ListParams::default()).await?.items {
                found.push(format!("{kind} {}", object.metadata.name.unwrap_or_default()));
            }
        }
        Ok(found)
    }

    /// Removes its namespace, without waiting for it. The bed's disk is memory.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn remove(self) -> Result<()> {
        let namespaces = apply::api(&self.ground.client, "v1", "Namespace", "");
        let pods = self.ground.pods(&self.namespace);
        pods.delete(&self.pod, &DeleteParams::default().grace_period(0))
            .await?;
        namespaces
            .delete(&self.namespace, &DeleteParams::default())
            .await?;
        Ok(())
    }
}

/// Fails unless `restored` is what a backup of `before` should hold: every file but the caches, and copies instead of the
/// databases. Returns how many files are the same.
///
/// # Errors
/// With every difference.
pub fn compare(
    before: &BTreeMap<String, String>,
    restored: &BTreeMap<String, String>,
    caches: &[&str],
    databases: &[&str],
) -> Result<usize> {
    let is_below = |path: &str, folder: &str| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    };
    let mut expected = before.clone();
    expected.retain(|path, _| {
        !caches.iter().any(|cache| is_below(path, cache)) && !databases.contains(&path.as_str())
    });
    let (ours, found): (BTreeMap<_, _>, BTreeMap<_, _>) = restored
        .clone()
        .into_iter()
        .partition(|(path, _)| is_below(path, ".config-backup"));
    if let Some(difference) = exec::difference(&expected, &found) {
        bail!("the restored volume differs: {difference}");
    }
    let copies = ours
        .keys()
        .filter(|path| path.starts_with(".config-backup/sets/") && path.contains("/databases/"))
        .count();
    ensure!(
        copies == databases.len() && !ours.keys().any(|path| path.starts_with(".config-backup/local")),
        "there should be {} copies of databases and nothing of the machine's own: {:?}",
        databases.len(),
        ours.keys()
    );
    Ok(found.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(paths: &[&str]) -> BTreeMap<String, String> {
        paths
            .iter()
            .map(|path| ((*path).to_owned(), format!("sum of {path}")))
            .collect()
    }

    const COPIES: [&str; 4] = [
        ".config-backup/README.txt",
        ".config-backup/sets/1/manifest.json",
        ".config-backup/sets/1/files.jsonl",
        ".config-backup/sets/1/databases/0.sqlite",
    ];

    #[test]
    fn copies_stand_for_databases_and_caches_are_gone() {
        let before = files(&["config.xml", "radarr.db", "logs/1", "logs.txt"]);
        let mut restored = files(&["config.xml", "logs.txt"]);
        restored.extend(files(&COPIES));
        assert_eq!(compare(&before, &restored, &["logs"], &["radarr.db"]).unwrap(), 2);
    }

    #[test]
    fn what_should_not_be_there_is_named() {
        let before = files(&["config.xml", "radarr.db", "logs/1"]);
        let good = || {
            let mut restored = files(&["config.xml"]);
            restored.extend(files(&COPIES));
            restored
        };
        let with = |path: &str| {
            let mut restored = good();
            restored.extend(files(&[path]));
            compare(&before, &restored, &["logs"], &["radarr.db"])
        };
        assert!(with("config.xml").is_ok());
        for path in [
            "logs/1",
            "radarr.db",
            "film.mkv",
            ".kopiaignore",
            ".config-backup/local/born",
        ] {
            assert!(with(path).is_err(), "{path}");
        }
        let mut lacking = good();
        lacking.remove(".config-backup/sets/1/databases/0.sqlite");
        assert!(compare(&before, &lacking, &["logs"], &["radarr.db"]).is_err());
    }
}
