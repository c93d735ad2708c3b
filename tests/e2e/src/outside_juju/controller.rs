//! What Juju's controller does in the cluster: it makes an application's objects, sends its pod another charm, removes the objects again.
//!
//! A scenario says beforehand of what objects an application is made ([`know`]). Charms are folders of this machine.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use kube::api::{DeleteParams, ListParams};
use serde_json::Value;

use super::call::Call;
use super::pods::{Place, Pods};
use crate::exec::Output;
use crate::{apply, image, wait};

/// How long a pod may take to come, and to go.
const POD: Duration = Duration::from_secs(120);
/// Where a charm is put together in the charm container before it is refreshed to.
const NEXT: &str = "/var/lib/juju/next";
/// What the simulated Juju of a new pod says while it begins. Not in its own folder, which has to be empty then.
const BEGINS: &str = "/var/lib/juju/deploy.log";
/// Options that end up in a pod's own Juju when it begins.
const TAKEN: [&str; 2] = ["--config", "--resource"];
/// The stand-in that every pod has of its own: in the model it is one.
const OPERATOR: &str = "velero-operator";
/// More bytes than a charm's texts have. Its program is in the pod's image already.
const LARGEST: u64 = 64 << 10;

/// Notes of what objects an application is made when it is deployed.
///
/// # Errors
/// When `folder` cannot be written.
pub fn know(folder: &Path, app: &str, objects: &[Value]) -> Result<()> {
    let path = file(folder, app);
    fs::create_dir_all(folder.join("apps"))?;
    fs::write(&path, serde_json::to_vec(objects)?).with_context(|| format!("cannot write {}", path.display()))
}

fn file(folder: &Path, app: &str) -> PathBuf {
    folder.join("apps").join(format!("{app}.json"))
}

fn objects(folder: &Path, app: &str) -> Result<Option<Vec<Value>>> {
    match fs::read(file(folder, app)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn done(stderr: String) -> Output {
    Output {
        stderr,
        ..Output::default()
    }
}

/// `juju deploy`: the objects, and the agent in the pod. It ends when the application is in the model, whatever its charm is doing then.
///
/// # Errors
/// When the pod does not come.
pub async fn deploy(pods: &Pods, folder: &Path, model: &str, call: &Call) -> Result<Option<Output>> {
    let (Some(charm), Some(app)) = (&call.named, &call.second) else {
        return Ok(None);
    };
    let Some(objects) = objects(folder, app)? else {
        return Ok(None);
    };
    let resources = call.options.iter().filter(|(option, _)| option == "--resource");
    let resources = resources.filter_map(|(_, given)| given.split_once('='));
    let resources = resources.map(|(name, value)| (name.to_owned(), value.to_owned()));
    // Before anything is made in the cluster, as the client of Juju does.
    juju_sim::deployable(Path::new(charm), &resources.collect())?;
    apply::all(pods.client(), &objects).await?;
    let name = format!("{app}-0");
    let (place, address) = wait::until("the pod is ready", POD, || ready(model, &name)).await?;
    let options = call
        .options
        .iter()
        .filter(|(option, _)| TAKEN.contains(&option.as_str()));
    let mut words: Vec<String> = options
        .flat_map(|(option, value)| [option.clone(), value.clone()])
        .collect();
    if call.arguments.iter().any(|word| word == "--trust") {
        words.push("--trust".to_owned());
    }
    let sim = crate::pods::sim_command(&place.unit());
    // Juju does not wait for a charm either.
    let script = format!(
        "setsid env {sim} agent init --model {model} --app {app} --address {address} \"$@\" >{BEGINS} 2>&1 </dev/null &
until {sim} juju config {app} >/dev/null 2>&1; do
	if ! kill -0 $! 2>/dev/null && ! {sim} juju config {app} >/dev/null 2>&1; then cat {BEGINS} >&2; exit 1; fi
	sleep 0.1
done"
    );
    let said = pods.script(&place, &script, &words).await?;
    if said.code != 0 {
        return Ok(Some(said));
    }
    Ok(Some(done(format!(
        "Deploying {app:?} from local charm {app:?}, revision 0\n"
    ))))
}

/// The pod with its address, once its containers are ready.
async fn ready(model: &str, name: &str) -> Result<Option<(Place, String)>> {
    let pods = Pods::of_cluster().await?;
    let Some(place) = pods.of_model(model).into_iter().find(|place| place.pod == name) else {
        return Ok(None);
    };
    let api = apply::api(pods.client(), "v1", "Pod", model);
    let Some(pod) = api.get_opt(name).await? else {
        return Ok(None);
    };
    let status = &pod.data["status"];
    let conditions = status["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    let is_ready = conditions.any(|is| is["type"] == "Ready" && is["status"] == "True");
    let address = status["podIP"].as_str().filter(|_| is_ready);
    Ok(address.map(|address| (place, address.to_owned())))
}

/// `juju refresh --path`: the pod gets what differs between the charm that it has and the one on this machine.
///
/// # Errors
/// When the charm cannot be read, or sent.
pub async fn refresh(pods: &Pods, place: &Place, call: &Call) -> Result<Output> {
    let path = call.options.iter().find(|(option, _)| option == "--path");
    let Some((_, path)) = path else {
        return pods.juju(place, &call.arguments).await;
    };
    let charm = format!("/var/lib/juju/agents/unit-{}/charm", place.pod);
    let script = format!("rm -rf {NEXT}; cp -r {charm} {NEXT}; cd {NEXT}; sha256sum *");
    let said = pods.script(place, &script, &[]).await?;
    ensure!(
        said.code == 0,
        "cannot look at the charm of {}: {}",
        place.pod,
        said.stderr
    );
    let there = said.stdout.lines().filter_map(|line| line.split_once("  "));
    let there: BTreeMap<&str, &str> = there.map(|(sum, file)| (file, sum)).collect();
    for (name, file) in files(Path::new(path))? {
        let sum = image::sha256(File::open(&file)?)?;
        if there.get(name.as_str()) == Some(&sum.as_str()) {
            continue;
        }
        ensure!(
            fs::metadata(&file)?.len() <= LARGEST,
            "{} differs from what the pod's image has, and is too large to be sent",
            file.display()
        );
        let words = [name, fs::read_to_string(&file)?];
        let script = format!("cd {NEXT}; printf %s \"$2\" >\"$1\"");
        let said = pods.script(place, &script, &words).await?;
        ensure!(said.code == 0, "cannot send {}: {}", file.display(), said.stderr);
    }
    let arguments = call.arguments.iter();
    let arguments: Vec<String> = arguments
        .map(|word| match word == path {
            true => NEXT.to_owned(),
            false => word.clone(),
        })
        .collect();
    pods.juju(place, &arguments).await
}

/// The files of a charm's folder, by name.
fn files(folder: &Path) -> Result<BTreeMap<String, PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?;
    entries
        .map(|entry| {
            let path = entry?.path();
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            Ok((name, path))
        })
        .collect()
}

/// `juju remove-application`: the charm's last events, then the objects. The claims go where `--destroy-storage` is said.
///
/// # Errors
/// When the pod does not go.
pub async fn remove(pods: &Pods, folder: &Path, place: &Place, call: &Call) -> Result<Output> {
    let Some(objects) = objects(folder, &place.app)? else {
        return Ok(Output {
            stderr: format!("ERROR nobody said of what {} is made\n", place.app),
            code: 1,
            ..Output::default()
        });
    };
    let said = pods.juju(place, &call.arguments).await?;
    if said.code != 0 {
        return Ok(said);
    }
    let text = |object: &Value, pointer: &str| {
        let found = object.pointer(pointer).and_then(Value::as_str);
        found.unwrap_or_default().to_owned()
    };
    for object in objects.iter().rev() {
        let (kind, namespace) = (text(object, "/kind"), text(object, "/metadata/namespace"));
        let api = apply::api(pods.client(), &text(object, "/apiVersion"), &kind, &namespace);
        let name = text(object, "/metadata/name");
        // Some are shared, and may be gone.
        if api.get_opt(&name).await?.is_some() {
            api.delete(&name, &DeleteParams::default()).await?;
        }
    }
    let api = apply::api(pods.client(), "v1", "Pod", &place.model);
    if api.get_opt(&place.pod).await?.is_some() {
        api.delete(&place.pod, &DeleteParams::default().grace_period(0))
            .await?;
    }
    wait::until("the pod is gone", POD, || {
        let api = api.clone();
        async move { Ok(api.get_opt(&place.pod).await?.is_none().then_some(())) }
    })
    .await?;
    if call.arguments.iter().any(|word| word == "--destroy-storage") {
        let claims = apply::api(pods.client(), "v1", "PersistentVolumeClaim", &place.model);
        for claim in claims.list(&ListParams::default()).await?.items {
            let owner = claim
                .metadata
                .annotations
                .unwrap_or_default()
                .remove("juju-storage-owner");
            if let (Some(name), true) = (claim.metadata.name, owner.as_deref() == Some(&place.app)) {
                claims.delete(&name, &DeleteParams::default()).await?;
            }
        }
    }
    Ok(said)
}

/// `juju integrate`: a pod that came later has its own stand-in operator only from here on.
///
/// # Errors
/// When the pod's Juju cannot be asked.
pub async fn integrate(pods: &Pods, place: &Place, call: &Call) -> Result<Output> {
    let other = call.second.as_deref().unwrap_or_default().split(':').next();
    if other == Some(OPERATOR) {
        let status = pods.json(place, &["status".to_owned()]).await?;
        if status["applications"][OPERATOR].is_null() {
            let said = pods
                .juju(place, &["deploy".to_owned(), OPERATOR.to_owned()])
                .await?;
            ensure!(said.code == 0, "{}", said.stderr);
        }
    }
    pods.juju(place, &call.arguments).await
}
