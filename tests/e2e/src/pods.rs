//! Pods as Juju makes them, from images that are made here: a charm container with the simulated agent, and a workload
//! under real Pebble.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use system_tests::binaries::{Binaries, packed_for_tests};
use workload_charm::options::UNSAFE_MODE;
use workload_charm::packaging;
use workload_charm::profile::AppProfile;

use crate::bed::{Bed, images};
use crate::exec::{self, Container};
use crate::ground::TestEnv;
use crate::image::{self, Image, Layer};
use crate::juju::{App, Programs, of_class};
use crate::{apply, wait};

/// Where the simulated Juju keeps its model in the charm container. In the pod's own volume, as Juju's agent does.
pub const STATE: &str = "/var/lib/juju/sim";

/// What the charm's backup hooks add to a backup, so that it can be trusted.
const HOOKS_ADD: &str = ".config-backup";

/// SHA-256 by path.
pub type Checksums = BTreeMap<String, String>;

/// What becomes of a charm and a workload.
pub struct Recipe<'a> {
    /// Name of the application; its app file is of this name too.
    pub app: &'a str,
    /// What the image of the workload holds beside a shell.
    pub workload: Vec<Layer>,
}

/// Makes the images of an application and puts them into the node.
///
/// # Errors
/// When the charm cannot be laid out, a program is missing, or the node refuses the images.
pub async fn images(bed: &Bed, recipe: Recipe<'_>) -> Result<Programs> {
    // Of one app there are several images: scenarios are played beside each other.
    static MADE: AtomicUsize = AtomicUsize::new(1);
    let app = recipe.app;
    let number = MADE.fetch_add(1, Ordering::Relaxed);
    let name = |what: &str| format!("e2e.test/{what}-{app}:{number}");
    let binaries = Binaries::for_tests()?;
    let shell = images::busybox()?;
    let folder = bed.folder.join("charm").join(format!("{app}-{number}"));
    let charm_files = charm(app, &folder)?;
    let libraries = with_libraries(Layer::new(), &[&binaries.juju_sim])?;
    // What Juju's own init container brings: its agent, Pebble, and (here) the charm, which Juju fetches later.
    let agent = Layer::new()
        .program("/opt/juju-sim", &binaries.juju_sim)
        .program("/opt/pebble", bed.parts.program("pebble"))
        .script("/opt/containeragent", &init_script());
    let image = |name: String, layers: Vec<Layer>| Image {
        name,
        layers,
        entrypoint: vec!["/bin/sh".to_owned()],
        environment: vec!["PATH=/usr/sbin:/usr/bin:/sbin:/bin".to_owned()],
    };
    let mut workload = vec![shell.clone()];
    workload.extend(recipe.workload);
    let made = [
        image(name("jujud-operator"), vec![shell.clone(), agent, charm_files]),
        image(name("charm-base"), vec![shell, libraries]),
        image(name("workload"), workload),
    ];
    let archive = bed.folder.join(format!("{app}-{number}.tar"));
    image::write(&made, &archive)?;
    bed.import(&archive).await?;
    std::fs::remove_file(&archive).context("cannot remove an archive that was imported")?;
    Ok(Programs::Pebble {
        init: name("jujud-operator"),
        charm: name("charm-base"),
        workload: name("workload"),
    })
}

/// A layer of `programs` of this machine's shared libraries, where the programs look for them.
///
/// # Errors
/// When `ldd` cannot be run.
pub fn with_libraries(mut layer: Layer, programs: &[&Path]) -> Result<Layer> {
    let mut copied = Vec::new();
    for program in programs {
        for library in images::libraries(program)? {
            if !copied.contains(&library) {
                layer = layer.program(&library.display().to_string(), &library);
                copied.push(library);
            }
        }
    }
    Ok(layer)
}

/// Lays out the charm of an app, as it is in its pod.
///
/// # Errors
/// When the folder cannot be written.
pub fn charm_folder(app: &str, folder: &Path) -> Result<()> {
    packaging::write_folder(folder, &app_file(app), packed_for_tests()?)
        .with_context(|| format!("cannot lay out the charm of {app}"))
}

/// The charm's folder as it is in a packed charm, below `/opt/charm`.
fn charm(app: &str, folder: &Path) -> Result<Layer> {
    charm_folder(app, folder)?;
    let mut layer = Layer::new();
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_, std::io::Error>>()?;
    files.sort();
    for file in files {
        let name = file
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        layer = layer.program(&format!("/opt/charm/{name}"), file);
    }
    Ok(layer)
}

/// Does what Juju's `containeragent init` does: programs into the shared volume, a folder for Pebble, one for each
/// container's socket. Then it puts the charm where the agent unpacks it.
fn init_script() -> String {
    format!(
        "#!/bin/sh
set -eu
test -n \"$JUJU_K8S_APPLICATION_PASSWORD\"
cp /opt/pebble /charm/bin/pebble
cp /opt/juju-sim /charm/bin/containeragent
mkdir -p /containeragent/pebble/layers
for container in $JUJU_CONTAINER_NAMES; do mkdir -p /charm/containers/$container; done
agent=/var/lib/juju/agents/unit-$JUJU_K8S_POD_NAME
mkdir -p $agent {STATE}
echo \"apipassword: $JUJU_K8S_APPLICATION_PASSWORD\" > $agent/agent.conf
rm -rf $agent/charm
cp -r /opt/charm $agent/charm
"
    )
}

/// The app file of an app.
pub fn app_file(app: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../../charm/apps/{app}.yaml"))
}

/// What is in none of `folders`, and is none of them.
fn without(files: &Checksums, folders: &[String]) -> Checksums {
    let is_in = |path: &str, folder: &str| {
        path.strip_prefix(folder.trim_matches('/'))
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    let stays = |path: &&String| !folders.iter().any(|folder| is_in(path, folder));
    files
        .iter()
        .filter(|(path, _)| stays(path))
        .map(|(path, sum)| (path.clone(), sum.clone()))
        .collect()
}

/// The command of the simulated Juju in the charm container of a unit's pod: variables, then the program.
pub fn sim_command(unit: &str) -> String {
    format!("JUJU_SIM_DIR={STATE} JUJU_SIM_UNIT={unit} /charm/bin/containeragent")
}

/// An application under way in the cluster.
pub struct Running<'a> {
    ground: &'a TestEnv,
    /// Its shape.
    pub app: App,
    /// The number of the unit, which is its pod's too.
    number: u32,
}

impl<'a> Running<'a> {
    /// Puts the application's objects into the cluster and waits until the pod's Pebbles answer.
    ///
    /// # Errors
    /// When the pod does not get ready.
    pub async fn start(ground: &'a TestEnv, app: App) -> Result<Self> {
        Self::start_on(ground, app, None).await
    }

    /// [`Running::start`] with volumes of a class other than the default.
    ///
    /// # Errors
    /// When the pod does not get ready.
    pub async fn start_on(ground: &'a TestEnv, app: App, class: Option<&str>) -> Result<Self> {
        let mut objects = app.objects(ground);
        if let Some(class) = class {
            objects = objects
                .into_iter()
                .map(|object| of_class(object, class))
                .collect();
        }
        Self::start_as(ground, app, &objects).await
    }

    /// [`Running::start`] with the application's objects as they are given.
    ///
    /// # Errors
    /// When the pod does not get ready.
    pub async fn start_as(ground: &'a TestEnv, app: App, objects: &[Value]) -> Result<Self> {
        apply::all(&ground.client, objects).await?;
        let running = Self {
            ground,
            app,
            number: 0,
        };
        running.pod().await?;
        Ok(running)
    }

    /// Another unit of the application, once its pod is ready. Its agent knows nothing yet: see [`Running::join`].
    ///
    /// # Errors
    /// When the pod does not get ready.
    pub async fn another(&self, number: u32) -> Result<Self> {
        let other = Self {
            ground: self.ground,
            app: self.app.clone(),
            number,
        };
        other.pod().await?;
        Ok(other)
    }

    /// Name of the unit, `radarr/0`.
    pub fn unit(&self) -> String {
        format!("{}/{}", self.app.name, self.number)
    }

    /// Name of its pod, `radarr-0`.
    pub fn pod_name(&self) -> String {
        format!("{}-{}", self.app.name, self.number)
    }

    /// Name of its config volume's claim.
    pub fn claim(&self) -> String {
        format!("{}-{}", self.app.volume("config"), self.pod_name())
    }

    /// The pod, once it is ready.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn pod(&self) -> Result<Value> {
        self.ground
            .ready_pod(&self.app.model, &self.pod_name(), Duration::from_secs(120))
            .await
    }

    /// Runs a script in the charm container.
    ///
    /// # Errors
    /// When it fails.
    pub async fn in_charm(&self, script: &str) -> Result<String> {
        self.shell("charm", script).await
    }

    /// Runs a script in the workload's container.
    ///
    /// # Errors
    /// When it fails.
    pub async fn in_workload(&self, script: &str) -> Result<String> {
        self.shell(&self.app.name, script).await
    }

    async fn shell(&self, container: &str, script: &str) -> Result<String> {
        let pod = self.pod_name();
        exec::shell(
            self.ground,
            Container {
                namespace: &self.app.model,
                pod: &pod,
                name: container,
            },
            script,
        )
        .await
    }

    /// Checksums of the config volume.
    ///
    /// # Errors
    /// When they cannot be taken.
    pub async fn checksums(&self) -> Result<Checksums> {
        let pod = self.pod_name();
        let place = Container {
            namespace: &self.app.model,
            pod: &pod,
            name: &self.app.name,
        };
        exec::checksums(self.ground, place, "/config").await
    }

    /// Compares a restored volume with what was there before: everything is as it was, but for the caches that the app's
    /// file names, and for what the charm's hooks add to a backup.
    ///
    /// # Errors
    /// When something else differs, or the app file cannot be read.
    pub fn judge(&self, before: &Checksums, restored: &Checksums) -> Result<()> {
        let profile = AppProfile::load(&app_file(&self.app.name))?;
        let caches = profile.storage.map(|storage| storage.caches).unwrap_or_default();
        let (before, restored) = (
            without(before, &caches),
            without(restored, &[HOOKS_ADD.to_owned()]),
        );
        match exec::difference(&before, &restored) {
            Some(difference) => bail!("the restored volume differs: {difference}"),
            None => Ok(()),
        }
    }

    /// Lets the simulated agent deploy the charm: install, start, pebble-ready and all that Juju would run.
    ///
    /// # Errors
    /// When a dispatch fails.
    pub async fn deploy(&self) -> Result<()> {
        self.deploy_with(&[]).await
    }

    /// [`Running::deploy`] with options of the charm set from the start.
    ///
    /// # Errors
    /// When a dispatch fails.
    pub async fn deploy_with(&self, config: &[(&str, &str)]) -> Result<()> {
        let address = self.address().await?;
        let trust = if self.app.trust { "--trust" } else { "" };
        let mut config: String = config
            .iter()
            .map(|(key, value)| format!(" --config {key}={value}"))
            .collect();
        if AppProfile::load(&app_file(&self.app.name)).is_ok_and(|profile| profile.vpn) {
            config.push_str(&format!(" --config {}=true", UNSAFE_MODE.name()));
        }
        let (app, model) = (&self.app.name, &self.app.model);
        self.sim(&format!(
            "agent init --model {model} --app {app} --address {address} --resource {app}-image={} {trust}{config}",
            self.app.programs.workload()
        ))
        .await?;
        Ok(())
    }

    /// Lets the agent of a unit that another pod's agent added begin: install, start and all that Juju would run.
    ///
    /// # Errors
    /// When a dispatch fails.
    pub async fn join(&self) -> Result<()> {
        let address = self.address().await?;
        self.sim(&format!("agent join --address {address}")).await?;
        Ok(())
    }

    async fn address(&self) -> Result<String> {
        let pod = self.pod().await?;
        let address = pod["status"]["podIP"].as_str();
        Ok(address.context("the pod has no address")?.to_owned())
    }

    /// The command of the simulated Juju in the charm container, for a script.
    pub fn sim_command(&self) -> String {
        sim_command(&self.unit())
    }

    /// Runs the simulated Juju in the charm container: `juju status`, `event settle`.
    ///
    /// # Errors
    /// When it fails.
    pub async fn sim(&self, arguments: &str) -> Result<String> {
        self.in_charm(&format!("{} {arguments} 2>&1", self.sim_command()))
            .await
    }

    /// The status of the unit, `active: message`.
    ///
    /// # Errors
    /// When the simulated Juju does not tell.
    pub async fn status(&self) -> Result<String> {
        let text = self.sim("juju status --format json").await?;
        let status: Value = serde_json::from_str(&text).with_context(|| format!("no status: {text}"))?;
        let app = &self.app.name;
        let unit = &status["applications"][app]["units"][self.unit()]["workload-status"];
        let (current, message) = (unit["current"].as_str(), unit["message"].as_str());
        Ok(format!(
            "{}: {}",
            current.unwrap_or("unknown"),
            message.unwrap_or_default()
        ))
    }

    /// Ends Pebble in the workload's container, and waits until Kubernetes has started it again.
    ///
    /// # Errors
    /// When it is not in time.
    pub async fn restart_workload(&self) -> Result<()> {
        let restarts = |pod: &Value| {
            let containers = pod["status"]["containerStatuses"].as_array();
            let mut containers = containers.into_iter().flatten();
            let own = containers.find(|container| container["name"] == self.app.name.as_str());
            own.and_then(|own| own["restartCount"].as_i64()).unwrap_or(0)
        };
        let before = restarts(&self.pod().await?);
        // The command ends with the container.
        let _ = self.in_workload("kill 1").await;
        wait::until(
            "the workload's container is another one",
            Duration::from_secs(60),
            || async { Ok((restarts(&self.pod().await?) > before).then_some(())) },
        )
        .await
    }

    /// Lets events run until the unit is active.
    ///
    /// # Errors
    /// When it is not in time; the text has its status and log.
    pub async fn settle(&self) -> Result<String> {
        let waited = wait::until("the unit is active", Duration::from_secs(60), || async {
            self.sim("event settle").await?;
            let status = self.status().await?;
            Ok(status.starts_with("active").then_some(status))
        })
        .await;
        match waited {
            Ok(status) => Ok(status),
            Err(error) => {
                let log = self
                    .in_charm(&format!("tail -n 40 {STATE}/unit-*.log"))
                    .await
                    .unwrap_or_default();
                Err(error.context(format!(
                    "the unit is {:?}; its log ends:\n{log}",
                    self.status().await?
                )))
            }
        }
    }

    /// The spec of the Schedule that the stand-in operator made of the charm's request.
    ///
    /// # Errors
    /// When there is not exactly one.
    pub async fn requested_spec(&self) -> Result<velero_api::BackupSpec> {
        let text = self.sim("kubectl get schedules -o json").await?;
        let list: Value = serde_json::from_str(&text).with_context(|| format!("no schedules: {text}"))?;
        let items = list["items"].as_array().map(Vec::as_slice).unwrap_or_default();
        ensure!(items.len() == 1, "there should be one Schedule: {list}");
        Ok(serde_json::from_value(items[0]["spec"]["template"].clone())?)
    }

    /// Whether the charm's account may do something: asks the API server, which enforces it.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn may(&self, verb: &str, resource: &str) -> Result<bool> {
        let (app, model) = (&self.app.name, &self.app.model);
        let review = json!({
            "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
            "metadata": {},
            "spec": {"user": format!("system:serviceaccount:{model}:{app}"),
                     "resourceAttributes": {"namespace": model, "verb": verb, "resource": resource}},
        });
        let reviews = apply::api(
            &self.ground.client,
            "authorization.k8s.io/v1",
            "SubjectAccessReview",
            "",
        );
        let answer = reviews
            .create(
                &kube::api::PostParams::default(),
                &serde_json::from_value(review)?,
            )
            .await?;
        Ok(answer.data["status"]["allowed"] == true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn caches_are_left_out_by_whole_names() {
        let files = Checksums::from(
            ["logs/a", "logs2", "MediaCover", "radarr.db"].map(|path| (path.into(), "1".into())),
        );
        let left = without(&files, &["/logs/".to_owned(), "MediaCover".to_owned()]);
        assert_eq!(left.keys().collect::<Vec<_>>(), ["logs2", "radarr.db"]);
    }
}
