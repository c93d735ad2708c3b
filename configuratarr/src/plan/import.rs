//! What a restore by an imported volume will do: where it goes to, what is deployed, and what comes after. Pure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Item;
use crate::juju::{Deployed, Import, Juju, import};
use crate::problem::{Kind, Problem};

/// The one storage whose content is in backups.
pub const STORAGE: &str = "config";
/// The pool that every Kubernetes has in Juju.
pub const POOL: &str = "kubernetes";
/// The option by which a charm restores when it is deployed: the content is there already.
const ON_DEPLOY: &str = "restore-on-deploy";
/// What the client of a Juju 3.6.9 to 3.6.11 has to be told.
const FLAG: &str = "k8s-attach-storage";

/// What is known before an app is deployed anew around its restored volume.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ImportPlan {
    /// The volume that the app has now. It is kept.
    pub old_volume: String,
    /// Bytes that the restored volume gets.
    pub size: u64,
    /// Its storage class; the cluster's default one, if none is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_class: Option<String>,
    /// The image of the pod that the backup is restored in: the app's.
    pub image: String,
    /// The charm: its name in Charmhub, or a file or folder.
    pub charm: String,
    /// The charm as Juju named it. What an earlier release wrote down does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deployed_charm: Option<String>,
    /// The channel that Charmhub is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// What `juju deploy` is told, without the storage that it attaches.
    pub deploy: Vec<String>,
    /// What comes after it: relations, secrets.
    pub then: Vec<Vec<String>>,
    /// The resources that were typed. What an earlier release wrote down does not say which of those in `deploy` were.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub typed_resources: Option<Vec<String>>,
}

/// What was typed beside the app and the backup.
#[derive(Debug, Clone, Default)]
pub struct Typed {
    /// `--charm`.
    pub charm: Option<String>,
    /// `--resource`.
    pub resources: Vec<String>,
}

/// What the cluster has of the app.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its volume.
    pub volume: String,
    /// Bytes.
    pub size: u64,
    /// Its class.
    pub storage_class: Option<String>,
    /// The image of its workload.
    pub image: String,
}

/// Whether volumes can be imported, by the versions of client and model, and by the flags of the client.
///
/// # Errors
/// When they cannot, with what to do instead.
pub fn may_import(juju: &Juju, app: &str, versions: [&str; 2], flags: &str) -> Result<(), Problem> {
    let instead = format!(
        "{} restores into the app as it is, and needs no import",
        juju.own(&format!("restore {app}"))
    );
    for version in versions {
        let why = match import(version) {
            Some(Import::Works) => continue,
            Some(Import::WithFlag) if flags.split(',').any(|flag| flag.trim() == FLAG) => continue,
            Some(Import::WithFlag) => {
                return Err(Problem::new(
                    Kind::Failed,
                    format!("cannot import volumes with Juju {version}: there it is behind a flag"),
                    format!("export JUJU_DEV_FEATURE_FLAGS={FLAG}, and run this again; or: {instead}"),
                ));
            }
            Some(Import::No(why)) => why,
            None => "nobody has tried it with this version",
        };
        return Err(Problem::new(
            Kind::Failed,
            format!("cannot import volumes with Juju {version}: {why}"),
            instead,
        ));
    }
    Ok(())
}

/// How an app comes to have one unit. Kubernetes removes the pods with the highest numbers, and Juju their volumes: what another unit
/// than the first one has would be lost.
pub fn to_one_unit(juju: &Juju, app: &str) -> String {
    format!(
        "where {app}/0 has the data, and only there: {}",
        juju.typed(&["scale-application", app, "1"])
    )
}

/// Plans it.
///
/// # Errors
/// What stands in the way, with what to do.
pub fn plan_import(
    juju: &Juju,
    app: &str,
    units: usize,
    deployed: &Deployed,
    place: Place,
    typed: &Typed,
) -> Result<ImportPlan, Problem> {
    let instead = format!("{} needs none of this", juju.own(&format!("restore {app}")));
    let cannot = |why: String, next: String| Problem::new(Kind::Failed, why, next);
    if units != 1 {
        let why = format!("{app} has {units} units, and Juju attaches a volume to the one unit of a new app");
        return Err(cannot(why, format!("{instead}; or {}", to_one_unit(juju, app))));
    }
    if let Some(other) = deployed.storage.keys().find(|name| *name != STORAGE) {
        let why = format!("{app} has storage {other} too, which it would lose when it is deployed anew");
        return Err(cannot(why, instead));
    }
    if let Some(offer) = deployed.offers.keys().next() {
        let why = format!("{app} has offer {offer}, and Juju removes no app that other models use");
        return Err(cannot(why, instead));
    }
    let is_local = deployed.charm.starts_with("local:");
    let charm = match (&typed.charm, is_local) {
        (Some(charm), _) => charm.clone(),
        (None, false) => deployed.charm.clone(),
        (None, true) => {
            let why = format!(
                "the charm of {app} was deployed from a file, {}, which Juju does not give back",
                deployed.charm
            );
            return Err(cannot(why, "name it: --charm FILE".to_owned()));
        }
    };
    let has = |name: &str| {
        let mut typed = typed.resources.iter().filter_map(|typed| typed.split_once('='));
        typed.any(|(typed, _)| typed == name)
    };
    if let Some(missing) = deployed.uploaded.iter().find(|name| !has(name)) {
        let why = format!("resource {missing} of {app} was uploaded, and Juju does not give it back");
        return Err(cannot(
            why,
            format!("name it: --resource {missing}=FILE-OR-IMAGE"),
        ));
    }
    let mut deploy: Vec<String> = vec!["deploy".to_owned(), charm.clone(), app.to_owned()];
    let mut add = |flag: &str, value: String| deploy.extend([flag.to_owned(), value]);
    let named = typed.charm.is_some();
    let channel = deployed.channel.clone().filter(|_| !named && !is_local);
    if let Some(channel) = &channel {
        add("--channel", channel.clone());
    }
    if let Some(revision) = deployed.revision.filter(|_| !named) {
        add("--revision", revision.to_string());
    }
    if !deployed.constraints.is_empty() {
        add("--constraints", deployed.constraints.clone());
    }
    for (name, directive) in &deployed.storage {
        add("--storage", format!("{name}={directive}"));
    }
    for (name, value) in deployed.options.iter().filter(|(name, _)| *name != ON_DEPLOY) {
        add("--config", format!("{name}={}", text(value)));
    }
    // Of another charm the revisions would be others.
    for (name, revision) in deployed.resources.iter().filter(|(name, _)| !named && !has(name)) {
        add("--resource", format!("{name}={}", text(revision)));
    }
    for resource in &typed.resources {
        add("--resource", resource.clone());
    }
    if deployed.trust {
        deploy.push("--trust".to_owned());
    }
    let mut then = Vec::new();
    let secrets = deployed.options.values().map(text);
    for secret in secrets.filter(|value| value.starts_with("secret:")) {
        then.push(vec!["grant-secret".to_owned(), secret, app.to_owned()]);
    }
    for (own, other) in &deployed.relations {
        then.push(vec!["integrate".to_owned(), own.clone(), other.clone()]);
    }
    if deployed.expose {
        then.push(vec!["expose".to_owned(), app.to_owned()]);
    }
    Ok(ImportPlan {
        old_volume: place.volume,
        size: place.size,
        storage_class: place.storage_class,
        image: place.image,
        channel,
        deployed_charm: Some(deployed.charm.clone()),
        charm,
        deploy,
        then,
        typed_resources: Some(typed.resources.clone()),
    })
}

/// The command that lets a volume stay when its claim goes.
pub fn retain(volume: &str) -> String {
    format!(
        "kubectl patch pv {volume} --type merge -p '{{\"spec\":{{\"persistentVolumeReclaimPolicy\":\"Retain\"}}}}'"
    )
}

/// A value of an option, as a command line takes it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl ImportPlan {
    /// Whether the charm comes from Charmhub.
    pub fn is_of_charmhub(&self) -> bool {
        !self.charm.contains('/') && !self.charm.ends_with(".charm")
    }

    /// What imports a volume.
    pub fn import(volume: &str) -> Vec<String> {
        ["import-filesystem", POOL, volume, STORAGE]
            .map(str::to_owned)
            .into()
    }

    /// What removes the app. Its end is waited for, so no `--force` and no `--no-wait`; its storage stays.
    pub fn remove(app: &str) -> Vec<String> {
        ["remove-application", app, "--no-prompt"]
            .map(str::to_owned)
            .into()
    }

    /// What a person types to do the same.
    pub fn by_hand(&self, item: &Item, model: &str, juju: &Juju) -> Vec<String> {
        let (app, pvc) = (&item.app, "VOLUME");
        let backup = item.backup.as_ref().map_or("BACKUP", |backup| &backup.name);
        let mut lines = vec![
            format!(
                "velero restore create --from-backup {backup} --namespace-mappings {model}:restore-{app} \
                 --include-resources pods,persistentvolumeclaims,persistentvolumes --wait"
            ),
            format!("kubectl get pvc -n restore-{app}  # VOLUME is what its claim is bound to"),
            retain(pvc),
            format!("kubectl delete namespace restore-{app}"),
            format!("kubectl patch pv {pvc} --type merge -p '{{\"spec\":{{\"claimRef\":null}}}}'"),
            format!("{}  # prints STORAGE, its id", juju.command(&Self::import(pvc))),
            retain(&self.old_volume),
            juju.command(&Self::remove(app)),
            juju.command(&self.deployment().with_storage("STORAGE")),
        ];
        lines.extend(self.then.iter().map(|command| juju.command(command)));
        lines
    }
}

#[cfg(test)]
#[path = "import_tests.rs"]
mod tests;
