//! A backup restored beside the app by the recovery engine's own way: one at a time, and seven at once.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use config_recovery::backups::{self as listed, AppId, BackupSummary};
use config_recovery::cluster::Cluster;
use config_recovery::journal::Step;
use config_recovery::report::Reporter;
use config_recovery::scratch::{self, Purpose, Scratch, ScratchSpec, Until, Worked};
use config_volume::{OutsideLinks, UnpackLimits};
use futures::FutureExt;
use futures::future::try_join_all;
use kube::api::ListParams;
use system_tests::binaries::packed_for_tests;
use velero_backup_config::{BackupSpec, Method};

use super::config_volume::annotate;
use super::exactly::seconds;
use super::{Beside, Scenario, ScenarioReport};
use crate::exec::{self, Container};
use crate::ground::{Need, TestEnv};
use crate::juju::{App, of_class};
use crate::{apply, backups, network, wait};

pub const SCENARIO: Scenario = Scenario {
    name: "scratch-brings-back",
    says: "the engine restores the files of a backup beside the app, with bytes, modes, owners, times and links, of one app \
           and of seven at once, from pod to pod and, where the network forbids that, through the API server; a run that was cut off is gone on with, and nothing is left of any",
    beside: Beside::NoRestore,
    depends_on_velero: true,
    thorough: false,
    needs: &[Need::Velero, Need::NodeAgent, Need::Storage, Need::OwnImages],
    run: |ground, story| run(ground, story).boxed_local(),
};

/// How many apps come back at once.
const APPS: usize = 7;

/// 20 MB of a media app, of several owners and modes, with names and links of all kinds.
const FILL: &str = "cd /config; mkdir -p 'Media Cover/1' deep/er/est
dd if=/dev/urandom of=radarr.db bs=1M count=18 2>/dev/null
echo '<Config><ApiKey>1</ApiKey></Config>' > config.xml
dd if=/dev/urandom of='Media Cover/1/poster.jpg' bs=1k count=1700 2>/dev/null
for n in $(seq 1 200); do echo $n > deep/er/$n.txt; done
: > empty
: > \"$(printf 'line\\nend \\303\\274')\"
ln -s config.xml link
ln -s /dev/stdout outside
chown -R 1000:1001 'Media Cover'
chown -h 1000:1001 link
chmod 0640 config.xml
chmod 2750 deep
touch -d '2020-02-03 04:05:06' config.xml 'Media Cover/1/poster.jpg'";

/// A line for each path: bytes, kind and mode, owner, time, name; then checksums, and where links lead. What the two kinds of
/// tools print of a name with a line end differs.
const LOOK: &str =
    "find . ! -path . ! -path './.velero*' ! -name 'line*' -exec stat -c '%s %f %u:%g %Y %n' {} + | sort
find . -type f ! -path './.velero/*' ! -name 'line*' -exec sha256sum {} + | sort
find . -type l -exec readlink {} \\; | sort
find . -name 'line*' -exec stat -c '%s %f %u:%g %Y' {} +";

/// An app that was backed up, and what was in its volume.
pub struct BackedUp {
    /// The connection of the engine.
    pub cluster: Cluster,
    /// The app.
    pub app: App,
    /// What the engine says of the backup.
    pub backup: BackupSummary,
    /// What [`LOOK`] saw of its volume.
    before: String,
    image: String,
    folder: PathBuf,
}

async fn run(ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
    let is = BackedUp::make(ground, SCENARIO.name).await?;
    story.figure("bytes stored", is.backup.holds.bytes().unwrap_or(0));

    let alone = is.once(ground, "radarr", "a").await?;
    alone.tell(story, "alone");
    is.leaves_nothing(ground).await?;

    is.comes_either_way(ground, story).await?;
    is.leaves_nothing(ground).await?;

    is.goes_on(ground, story).await?;
    is.leaves_nothing(ground).await?;

    let began = Instant::now();
    let names: Vec<String> = (1..=APPS).map(|number| format!("app{number}")).collect();
    let all = try_join_all(names.iter().map(|name| is.once(ground, name, "b"))).await?;
    let took = began.elapsed();
    for (name, times) in names.iter().zip(&all) {
        times.tell(story, name);
    }
    let slowest = all.iter().map(Times::until_copied).max().unwrap_or_default();
    story.figure(
        &format!("seconds of {APPS} at once, removal and all"),
        format!("{:.1}", took.as_secs_f64()),
    );
    story.figure(
        &format!("seconds until the last of {APPS} was copied"),
        format!("{:.1}", slowest.as_secs_f64()),
    );
    let ratio = slowest.as_secs_f64() / alone.until_copied().as_secs_f64();
    story.figure(&format!("{APPS} at once against one"), format!("{ratio:.2}"));
    is.leaves_nothing(ground).await
}

/// Has the app's volume backed up by this project's request, and returns what the engine says of it.
pub async fn back_up(velero: &TestEnv, app: &App, method: Method, name: &str) -> Result<BackupSummary> {
    let spec = BackupSpec::config_volume(&app.name, &app.model, method)?;
    let mut spec = spec.to_velero_backup_spec(false);
    spec.storage_location = Some(velero.location.clone());
    backups::make(velero, name, spec).await?;
    let all = listed::list(&Cluster::new(velero.client.clone()), None).await?;
    let backup = all.into_iter().find(|is| is.name == name);
    backup.context("the backup is not listed")
}

impl BackedUp {
    /// Deploys an app as Juju does, fills it and has its files backed up by this project's request.
    pub async fn make(ground: &TestEnv, scenario: &str) -> Result<Self> {
        Self::make_by(ground, ground, scenario, Method::Filesystem, None).await
    }

    /// The same by a Velero and a method of choice; the app's volumes are of this class.
    pub async fn make_by(
        ground: &TestEnv,
        velero: &TestEnv,
        scenario: &str,
        method: Method,
        class: Option<&str>,
    ) -> Result<Self> {
        let model = ground.namespace(scenario).await?;
        let app = App::waiting(ground, &model);
        for object in app.objects(ground) {
            let object = match class {
                Some(class) => of_class(object, class),
                None => object,
            };
            apply::one(&ground.client, &object).await?;
        }
        let pod = app.pod();
        ground.ready_pod(&model, &pod, Duration::from_secs(120)).await?;
        let workload = Container {
            namespace: &model,
            pod: &pod,
            name: &app.name,
        };
        exec::shell(ground, workload, FILL).await?;
        let before = exec::shell(ground, workload, &format!("cd /config; {LOOK}")).await?;
        if method == Method::Filesystem {
            annotate(ground, &model, &pod, &app.volume("config")).await?;
        }
        let backup = back_up(velero, &app, method, &format!("{scenario}-{}", ground.run)).await?;
        Ok(Self {
            cluster: Cluster::new(ground.client.clone()),
            app,
            backup,
            before,
            image: ground.shell_image.clone(),
            folder: ground.own_bed()?.folder.join(scenario),
        })
    }

    /// What is to be made for an app.
    pub fn spec(&self, target: &str, run: &str) -> ScratchSpec {
        ScratchSpec {
            target: AppId {
                app: target.to_owned(),
                model: self.app.model.clone(),
            },
            backup: self.backup.clone(),
            purpose: Purpose::Restore,
            run: run.to_owned(),
            holder: format!("{target}/0"),
            image: self.image.clone(),
            program: None,
            storage_class: None,
            size: 1 << 30,
        }
    }

    /// An image with a shell.
    pub fn image(&self) -> String {
        self.image.clone()
    }

    /// Brings it back for an app, compares, and removes what was made.
    pub async fn once(&self, ground: &TestEnv, target: &str, run: &str) -> Result<Times> {
        let spec = self.spec(target, run);
        let (cluster, reporter) = (&self.cluster, Bytes::default());
        let began = Instant::now();
        let place = scratch::make(cluster, &spec, &reporter).await?;
        let made = began.elapsed();
        let worked = place.bring_back(cluster, &reporter).await?;
        let back = began.elapsed();
        let folder = self.copied(&place, target, &reporter).await?;
        let copied = began.elapsed();
        self.compare(ground, &place, &folder).await?;
        std::fs::remove_dir_all(&folder)?;
        let removal = Instant::now();
        scratch::remove(cluster, &spec, Until::Gone).await?;
        let removed = removal.elapsed();
        let there = ground.pods(&place.namespace).list(&ListParams::default()).await?;
        ensure!(there.items.is_empty(), "pods are left in {}", place.namespace);
        reporter.is_whole(&self.backup)?;
        Ok(Times {
            made,
            back,
            copied,
            removed,
            worked,
        })
    }

    async fn copied(&self, place: &Scratch, target: &str, reporter: &Bytes) -> Result<PathBuf> {
        let folder = self.folder.join(target);
        std::fs::create_dir_all(&folder)?;
        let limits = UnpackLimits {
            outside_links: OutsideLinks::Keep,
            ..UnpackLimits::default()
        };
        let unpacked = place
            .unpack_into(&self.cluster, &folder, &limits, reporter)
            .await?;
        ensure!(unpacked.bytes > 0, "nothing was copied: {unpacked:?}");
        Ok(folder)
    }

    /// The copy is what is in the scratch volume, to the second of every folder; and what was in the app's.
    async fn compare(&self, ground: &TestEnv, place: &Scratch, folder: &Path) -> Result<()> {
        let output = Command::new("sh")
            .current_dir(folder)
            .args(["-ec", LOOK])
            .output()?;
        let copy = String::from_utf8_lossy(&output.stdout).into_owned();
        ensure!(
            output.status.success(),
            "cannot look at what was copied: {output:?}"
        );
        let reader = Container {
            namespace: &place.namespace,
            pod: "reader",
            name: velero_api::RESTORE_WAIT_CONTAINER,
        };
        let restored = exec::shell(ground, reader, &format!("cd /restored; {LOOK}")).await?;
        same(
            "the copy and the scratch volume",
            &comparable(&restored, true),
            &comparable(&copy, true),
        )?;
        // Kopia gives a folder the time of the newest file in it.
        same(
            "the copy and the app's volume",
            &comparable(&self.before, false),
            &comparable(&copy, false),
        )
    }

    /// With the charm's program at hand the bytes come from pod to pod. Where nobody reaches the pod they come all the same, by the other way.
    async fn comes_either_way(&self, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
        let cluster = &self.cluster;
        let spec = ScratchSpec {
            program: Some(packed_for_tests()?.to_owned()),
            ..self.spec("ways", "w")
        };
        let place = scratch::make(cluster, &spec, &Bytes::default()).await?;
        place.bring_back(cluster, &Bytes::default()).await?;
        let reader = Container {
            namespace: &place.namespace,
            pod: "reader",
            name: velero_api::RESTORE_WAIT_CONTAINER,
        };
        let found = ground.pods(&place.namespace).get("reader").await?;
        let uid = found.metadata.uid.context("the pod has no uid")?;
        for is_open in [true, false] {
            if !is_open {
                network::take_nobody(&uid)?;
            }
            let reporter = Bytes::default();
            let began = Instant::now();
            let folder = self.copied(&place, "ways", &reporter).await?;
            let way = if is_open {
                "from pod to pod"
            } else {
                "where nobody reaches the pod"
            };
            story.figure(&format!("seconds of the copying, {way}"), seconds(began));
            self.compare(ground, &place, &folder).await?;
            let notes = reporter.notes.into_inner();
            if is_open {
                ensure!(notes.is_empty(), "it did not come directly: {notes:?}");
                exec::shell(ground, reader, "ls /send-volume.*").await?;
            } else {
                let [note] = notes.as_slice() else {
                    bail!("one note was to tell of the other way: {notes:?}");
                };
                ensure!(note.contains("through the API server"), "{note}");
            }
            std::fs::remove_dir_all(&folder)?;
        }
        scratch::remove(cluster, &spec, Until::Gone).await?;
        Ok(())
    }

    /// A run that is cut off is gone on with by a second try; one with another backup's name replaces it.
    async fn goes_on(&self, ground: &TestEnv, story: &mut ScenarioReport) -> Result<()> {
        let (cluster, reporter) = (&self.cluster, Bytes::default());
        let spec = self.spec("cut", "c");
        let uid = |place: &Scratch| {
            let pods = ground.pods(&place.namespace);
            async move { anyhow::Ok(pods.get("reader").await?.metadata.uid) }
        };
        let first = scratch::make(cluster, &spec, &reporter).await?;
        let pod = uid(&first).await?;
        let second = scratch::make(cluster, &spec, &reporter).await?;
        ensure!(
            pod == uid(&second).await?,
            "a second try of a run should go on with its pod"
        );
        second.bring_back(cluster, &reporter).await?;
        let folder = self.copied(&second, "cut", &reporter).await?;
        self.compare(ground, &second, &folder).await?;

        let other = ScratchSpec {
            run: "d".to_owned(),
            ..spec.clone()
        };
        let began = Instant::now();
        let third = scratch::make(cluster, &other, &reporter).await?;
        story.figure("seconds to replace what an earlier run left", seconds(began));
        ensure!(pod != uid(&third).await?, "another run should begin anew");
        third.bring_back(cluster, &reporter).await?;

        // A second holder is refused, and what the first one made stays.
        let foreign = ScratchSpec {
            holder: "cut/1".to_owned(),
            ..other.clone()
        };
        let refused = scratch::make(cluster, &foreign, &reporter).await;
        ensure!(
            matches!(refused, Err(config_recovery::Error::Held { .. })),
            "{refused:?}"
        );
        let refused = scratch::remove(cluster, &foreign, Until::Gone).await;
        ensure!(
            matches!(refused, Err(config_recovery::Error::Held { .. })),
            "{refused:?}"
        );
        uid(&third).await?;
        scratch::remove(cluster, &other, Until::Gone).await?;
        scratch::remove(cluster, &other, Until::Gone).await?;
        Ok(())
    }

    /// No namespace, no PodVolumeRestore, no volume of the engine's is left; the app has what it had.
    pub async fn leaves_nothing(&self, ground: &TestEnv) -> Result<()> {
        let ours = ListParams::default().labels("app.kubernetes.io/managed-by=configuratarr");
        let namespaces = apply::api(&ground.client, "v1", "Namespace", "")
            .list(&ours)
            .await?
            .items;
        ensure!(namespaces.is_empty(), "namespaces are left: {namespaces:?}");
        for kind in ["PodVolumeRestore", "Restore"] {
            let left = ground.velero(kind).list(&ours).await?.items;
            ensure!(left.is_empty(), "{kind}s are left: {left:?}");
        }
        let volumes = apply::api(&ground.client, "v1", "PersistentVolume", "");
        let prefix = &format!("restore-{}-", self.app.name);
        wait::until("the scratch volumes are gone", Duration::from_secs(60), || {
            let volumes = volumes.clone();
            async move {
                let all = volumes.list(&ListParams::default()).await?.items;
                let of_scratch = |namespace: &str| namespace.starts_with(prefix.as_str());
                let left = all.iter().any(|is| {
                    is.data["spec"]["claimRef"]["namespace"]
                        .as_str()
                        .is_some_and(of_scratch)
                });
                Ok((!left).then_some(()))
            }
        })
        .await?;
        let pod = self.app.pod();
        let workload = Container {
            namespace: &self.app.model,
            pod: &pod,
            name: &self.app.name,
        };
        let now = exec::shell(ground, workload, &format!("cd /config; {LOOK}")).await?;
        ensure!(now == self.before, "the app's own volume has changed");
        Ok(())
    }
}

/// Lines of [`LOOK`], without the sizes of folders, which are the file system's affair, and with or without their times.
fn comparable(look: &str, times: bool) -> Vec<String> {
    let line = |line: &str| {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        match words[..] {
            [_, mode, owner, time, name] if mode.len() == 4 && mode.starts_with('4') => {
                format!("{mode} {owner} {} {name}", if times { time } else { "" })
            }
            _ => line.to_owned(),
        }
    };
    let mut lines: Vec<String> = look.lines().map(line).collect();
    // Each kind of tools sorts by rules of its own.
    lines.sort();
    lines
}

/// Fails with the lines that only one of them has.
fn same(what: &str, before: &[String], after: &[String]) -> Result<()> {
    ensure!(before.len() > 400, "{what} should hold more: {before:?}");
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(line)).collect();
    let new: Vec<_> = after.iter().filter(|line| !before.contains(line)).collect();
    if before != after {
        bail!("{what} differ. Missing: {gone:#?}, new: {new:#?}");
    }
    Ok(())
}

/// How long it took, from the beginning.
pub struct Times {
    made: Duration,
    back: Duration,
    copied: Duration,
    removed: Duration,
    worked: Worked,
}

impl Times {
    fn until_copied(&self) -> Duration {
        self.copied
    }

    /// Puts it into the report.
    pub fn tell(&self, story: &mut ScenarioReport, of: &str) {
        let velero = self.worked.took().unwrap_or_default().as_secs();
        let waited = match (self.worked.ordered, self.worked.started) {
            (Some(ordered), Some(started)) => started.duration_since(ordered).as_secs(),
            _ => 0,
        };
        story.figure(
            &format!("seconds, {of}"),
            format!(
                "made {:.1}, back after {:.1}, copied after {:.1}, removed in {:.1}; by Velero's clock {velero} from order to \
                 end, {waited} of them until it began",
                self.made.as_secs_f64(),
                self.back.as_secs_f64(),
                self.copied.as_secs_f64(),
                self.removed.as_secs_f64(),
            ),
        );
    }
}

/// Keeps the last bytes that were told of each step, and what a person should know.
#[derive(Default)]
struct Bytes {
    notes: std::cell::RefCell<Vec<String>>,
    back: std::cell::Cell<u64>,
    copied: std::cell::Cell<u64>,
}

impl Reporter for Bytes {
    fn begins(&self, _: Step) {}

    fn bytes(&self, step: Step, done: u64, _: Option<u64>) {
        match step {
            Step::BringBack => self.back.set(done),
            Step::Transfer => self.copied.set(done),
            _ => {}
        }
    }

    fn note(&self, text: &str) {
        self.notes.borrow_mut().push(text.to_owned());
    }
}

impl Bytes {
    fn is_whole(&self, backup: &BackupSummary) -> Result<()> {
        // How many bytes a snapshot holds is not known.
        let Some(stored) = backup.holds.bytes() else {
            return Ok(());
        };
        let (back, copied) = (self.back.get(), self.copied.get());
        ensure!(
            copied == stored && (1..=stored).contains(&back),
            "{stored} bytes are stored; {back} were told of the restore, {copied} of the copy"
        );
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_folder_does_not_count() {
        let look = "4096 41ed 0:0 1 ./deep er\n7 81a4 0:0 1 ./a b\nconfig.xml";
        assert_eq!(
            comparable(look, true),
            ["41ed 0:0 1 ./deep er", "7 81a4 0:0 1 ./a b", "config.xml"]
        );
        assert_eq!(comparable(look, false)[0], "41ed 0:0  ./deep er");
    }
}
