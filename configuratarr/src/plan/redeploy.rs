//! Apps that are gone, deployed again with a backup: where the charm and its options come from, and what is made again after it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use config_recovery::backups::{AppId, BackupSummary, Choice, choose_of_all_read};
use config_recovery::locations::Location;
use config_recovery::shown::shown;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::stages::Stages;
use super::{Chosen, Item, Job, Plan};
use crate::fleet::ENDPOINT;
use crate::juju::charm_file::is_path;
use crate::juju::{Deployed, Juju, Status};
use crate::problem::{Kind, Problem};

/// The option by which a charm restores before its app first runs.
pub const ON_DEPLOY: &str = "restore-on-deploy";
/// What velero-operator has at the other end of the relation.
const OPERATOR: &str = "velero-backups";

/// How an app is deployed again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RedeployPlan {
    /// What Juju is told.
    pub deploy: Vec<String>,
    /// The model that the backup is of, where it is another one. The charm's option takes backups of its own model only, so its action
    /// restores this one, before the app has run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_model: Option<String>,
    /// What comes right after it, since its app may need it to run: secrets, relations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub at_once: Vec<Vec<String>>,
    /// What comes when no app is being restored any more: relations to what makes backups, and to apps that come with it.
    pub then: Vec<Vec<String>>,
    /// What is not made again, and why.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// So many seconds it may take until the app is active.
    pub wait: u64,
}

/// What was typed of the charm.
#[derive(Debug, Clone, Default)]
pub struct TypedCharm {
    /// The charm: a file, a folder, or a name.
    pub charm: Option<String>,
    /// The channel.
    pub channel: Option<String>,
    /// Its revision there.
    pub revision: Option<u32>,
    /// `KEY=VALUE`.
    pub config: Vec<String>,
    /// `NAME=FILE`, `NAME=IMAGE` or `NAME=REVISION`, of this app.
    pub resources: Vec<String>,
    /// `NAME=DIRECTIVE`.
    pub storage: Vec<String>,
}

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Redeploy<'a> {
    /// The apps, with what a bundle says of each and what was typed.
    pub apps: Vec<(String, Option<Deployed>, TypedCharm)>,
    /// Which backup of each.
    pub choice: Choice,
    /// The model that the backups are of, if it was said.
    pub from_model: Option<&'a str>,
    /// So many seconds each may take.
    pub wait: u64,
}

/// What is known.
#[derive(Debug, Clone, Copy)]
pub struct Around<'a> {
    /// What Juju says of the model.
    pub status: &'a Status,
    /// Where Velero stores backups, as it was before the backups were read.
    pub locations: &'a [Location],
    /// All backups in the cluster.
    pub backups: &'a [BackupSummary],
    /// The way to Juju.
    pub juju: &'a Juju,
    /// The time.
    pub now: Timestamp,
}

/// Plans it: all of them, or nothing.
///
/// # Errors
/// The first app that cannot be deployed again, and why.
pub fn plan_redeploy(wanted: &Redeploy<'_>, around: Around<'_>) -> Result<Plan, Problem> {
    let model = &around.status.model.name;
    let coming: BTreeSet<&str> = wanted.apps.iter().map(|(app, ..)| app.as_str()).collect();
    let mut items: Vec<Item> = Vec::new();
    for (app, bundle, typed) in &wanted.apps {
        if items.iter().any(|item| item.app == *app) {
            continue;
        }
        is_gone(app, around)?;
        let backup = backup_of(app, wanted, around)?;
        let from_model = (backup.whose.model != *model).then(|| backup.whose.model.clone());
        let deploy = deploy(app, bundle.as_ref(), typed, &backup.uid)?;
        let Made {
            at_once,
            then,
            mut notes,
        } = made_again(app, bundle.as_ref(), around, &coming);
        if from_model.is_some() {
            notes.push(format!(
                "the backup is of model {}: {ON_DEPLOY} takes none of another model, so the action restore-from-backup restores it; \
                 until then {app} is blocked and does not run",
                backup.whose.model
            ));
        }
        let parameters = from_model
            .iter()
            .map(|model| ("from-model".to_owned(), model.clone()));
        items.push(Item {
            app: app.clone(),
            unit: format!("{app}/0"),
            parameters: parameters
                .chain([("backup-uid".to_owned(), backup.uid.clone())])
                .collect(),
            command: around.juju.command(&deploy),
            backup: Some(Chosen {
                uid: backup.uid.clone(),
                name: backup.name.clone(),
                started: backup.started.map(|started| started.to_string()),
                bytes: backup.holds.bytes(),
            }),
            import: None,
            stages: Some(Box::new(Stages::Redeploy(RedeployPlan {
                deploy,
                from_model,
                at_once,
                then,
                notes,
                wait: wanted.wait,
            }))),
        });
    }
    Ok(Plan {
        made: around.now.to_string(),
        model: model.clone(),
        juju_model: around.juju.model().unwrap_or(model).to_owned(),
        job: Job::Redeploy,
        items,
        left_out: Vec::new(),
    })
}

/// Juju does not have it.
fn is_gone(app: &str, around: Around<'_>) -> Result<(), Problem> {
    let model = &around.status.model.name;
    match around.status.applications.get(app) {
        None => Ok(()),
        Some(found) if !matches!(found.life.as_str(), "" | "alive") => Err(Problem::new(
            Kind::Failed,
            format!("{app} is still being removed from model {model}"),
            format!(
                "run this again when {} does not show it any more; if that does not end: {}",
                around.juju.typed(&["status"]),
                around.juju.typed(&["remove-application", app, "--force"])
            ),
        )),
        Some(_) => Err(Problem::new(
            Kind::Failed,
            format!("{app} is deployed in model {model}; nothing was begun"),
            format!(
                "{} restores a backup into it",
                around.juju.own(&format!("restore {app}"))
            ),
        )),
    }
}

/// The backup that is meant: of this model, or where it has none, of the only other one that has some.
fn backup_of<'a>(app: &str, wanted: &Redeploy<'_>, around: Around<'a>) -> Result<&'a BackupSummary, Problem> {
    let of = |model: &str| AppId {
        app: app.to_owned(),
        model: model.to_owned(),
    };
    let own = &around.status.model.name;
    let model = match (wanted.from_model, &wanted.choice) {
        (Some(model), _) => model.to_owned(),
        // A uid is the same backup whatever the model is called.
        (None, Choice::Named(uid)) => {
            let mut named = around.backups.iter();
            let named =
                named.find(|backup| (backup.uid == *uid || backup.name == *uid) && backup.whose.app == app);
            named.map_or_else(|| own.clone(), |backup| backup.whose.model.clone())
        }
        (None, _) => {
            let all = around.backups.iter().filter(|backup| backup.whose.app == app);
            let models: BTreeSet<&str> = all.map(|backup| backup.whose.model.as_str()).collect();
            let others: Vec<&str> = models.iter().copied().collect();
            match others.as_slice() {
                _ if models.contains(own.as_str()) => own.clone(),
                [] => own.clone(),
                [only] => (*only).to_owned(),
                several => {
                    return Err(Problem::new(
                        Kind::Failed,
                        format!(
                            "there is no backup of {app} in model {own}; several other models have one: {}",
                            shown(&several.join(", "))
                        ),
                        "say which one is meant: --from-model MODEL; configuratarr backups --all-models shows them",
                    ));
                }
            }
        }
    };
    let chosen = choose_of_all_read(
        around.backups,
        Ok(around.locations),
        &wanted.choice,
        &of(&model),
        around.now,
    );
    chosen.map_err(|error| {
        let mut problem = Problem::from(error);
        // There is no app to make a backup of.
        if problem.next.as_deref() == Some(&format!("configuratarr backup {app}")) {
            problem.next = Some(format!(
                "configuratarr backups --all-models shows all that there are; without one: {} starts empty",
                around.juju.typed(&["deploy", "CHARM", app])
            ));
        }
        problem
    })
}

/// What Juju is told to deploy it.
fn deploy(
    app: &str,
    bundle: Option<&Deployed>,
    typed: &TypedCharm,
    backup: &str,
) -> Result<Vec<String>, Problem> {
    let charm = charm(app, bundle, typed)?;
    let nothing = Deployed::default();
    let bundle = bundle.unwrap_or(&nothing);
    let is_typed = typed.charm.is_some();
    let mut told: Vec<String> = vec!["deploy".to_owned(), charm, app.to_owned(), "--trust".to_owned()];
    let mut add = |flag: &str, value: String| told.extend([flag.to_owned(), value]);
    let of_bundle = |value: Option<String>| value.filter(|_| !is_typed);
    if let Some(channel) = typed.channel.clone().or(of_bundle(bundle.channel.clone())) {
        add("--channel", channel);
    }
    let revision = typed.revision.map(|revision| revision.to_string());
    if let Some(revision) = revision.or(of_bundle(bundle.revision.map(|revision| revision.to_string()))) {
        add("--revision", revision);
    }
    if let Some(base) = of_bundle(bundle.base.clone()) {
        add("--base", base);
    }
    if !bundle.constraints.is_empty() {
        add("--constraints", bundle.constraints.clone());
    }
    let storage = bundle
        .storage
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()));
    for (name, value) in together(storage, &typed.storage)? {
        add("--storage", format!("{name}={value}"));
    }
    for (name, value) in resources(bundle, typed)? {
        add("--resource", format!("{name}={value}"));
    }
    let options = bundle
        .options
        .iter()
        .map(|(name, value)| (name.clone(), text(value)));
    let mut options = together(options, &typed.config)?;
    options.insert(ON_DEPLOY.to_owned(), backup.to_owned());
    for (name, value) in options {
        add("--config", format!("{name}={value}"));
    }
    Ok(told)
}

/// The resources: those of the bundle, and what was typed in their place.
///
/// # Errors
/// When something was typed that is no `NAME=VALUE`.
pub fn resources(bundle: &Deployed, typed: &TypedCharm) -> Result<BTreeMap<String, String>, Problem> {
    // A number is a revision of Charmhub's: of another charm it would be another one, and a charm from a file has none. Juju would take it for
    // the name of an image there.
    let is_of_charmhub = typed.charm.is_none() && !is_path(&bundle.charm);
    let is_meant = |value: &Value| is_of_charmhub || !value.is_number();
    let of_bundle = bundle.resources.iter().filter(|(_, value)| is_meant(value));
    let of_bundle = of_bundle.map(|(name, value)| (name.clone(), text(value)));
    together(of_bundle, &typed.resources)
}

/// What the bundle says, and what was typed in its place.
fn together(
    bundle: impl Iterator<Item = (String, String)>,
    typed: &[String],
) -> Result<BTreeMap<String, String>, Problem> {
    let mut all: BTreeMap<String, String> = bundle.collect();
    for pair in typed {
        let (name, value) = pair.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| {
            Problem::new(
                Kind::Usage,
                format!("{} is no NAME=VALUE", shown(pair)),
                "say it as juju deploy takes it: --config KEY=VALUE, --resource NAME=IMAGE, --storage NAME=DIRECTIVE",
            )
        })?;
        all.insert(name.to_owned(), value.to_owned());
    }
    Ok(all)
}

/// The charm. Where none is named nothing else tells: a backup's manifest has the charm's address, but it lies in the object storage,
/// and is read by a charm that restores it.
fn charm(app: &str, bundle: Option<&Deployed>, typed: &TypedCharm) -> Result<String, Problem> {
    let name_it = "--charm CHARM names it, a file, a folder or a name; further options: --config, --resource, --storage";
    match (&typed.charm, bundle) {
        (Some(charm), _) => Ok(charm.clone()),
        (None, Some(bundle)) if bundle.charm.starts_with("local:") => Err(Problem::new(
            Kind::Usage,
            format!(
                "the charm of {app} was deployed from a file, and the bundle does not say which one: it says {}",
                shown(&bundle.charm)
            ),
            format!("name it: --charm {app}=FILE"),
        )),
        // What begins with a dash is an option of Juju's.
        (None, Some(bundle)) if !bundle.charm.is_empty() && !bundle.charm.starts_with('-') => {
            Ok(bundle.charm.clone())
        }
        (None, Some(_)) => Err(Problem::new(
            Kind::Usage,
            format!("the bundle names no charm of {app}"),
            name_it,
        )),
        (None, None) => Err(Problem::new(
            Kind::Usage,
            format!(
                "nothing says which charm {app} had: what its backups hold is read by the charm alone, and that is gone"
            ),
            format!("--bundle FILE is what juju export-bundle printed; or {name_it}"),
        )),
    }
}

/// What is made again around an app.
#[derive(Default)]
struct Made {
    at_once: Vec<Vec<String>>,
    then: Vec<Vec<String>>,
    notes: Vec<String>,
}

/// Secrets that it may read, units, relations. At least that to velero-operator, where there is one.
fn made_again(app: &str, bundle: Option<&Deployed>, around: Around<'_>, coming: &BTreeSet<&str>) -> Made {
    let words = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect::<Vec<String>>();
    let nothing = Deployed::default();
    let bundle = bundle.unwrap_or(&nothing);
    let mut made = Made::default();
    let values = bundle.options.values().map(text);
    for secret in values.filter(|value| value.starts_with("secret:")) {
        made.at_once.push(words(&["grant-secret", &secret, app]));
    }
    let mut is_backed_up = false;
    for (own, other) in &bundle.relations {
        let remote = other.split(':').next().unwrap_or_default();
        let is_there = around.status.applications.contains_key(remote)
            || around.status.application_endpoints.contains_key(remote);
        let is_backup = own.ends_with(&format!(":{ENDPOINT}")) || other.ends_with(&format!(":{OPERATOR}"));
        is_backed_up |= is_backup && own.ends_with(&format!(":{ENDPOINT}"));
        let integrate = words(&["integrate", own, other]);
        let side = match is_backup || coming.contains(remote) {
            // velero-operator restarts Velero when it is related, and what is being restored then is cut off.
            true => &mut made.then,
            false => &mut made.at_once,
        };
        match (is_there || coming.contains(remote), bundle.offered.get(remote)) {
            (true, _) => side.push(integrate),
            (false, Some(url)) => side.extend([words(&["consume", url, remote]), integrate]),
            (false, None) => {
                is_backed_up &= !is_backup;
                made.notes.push(format!(
                    "{own} is not related to {other}: {} is not in model {}; later: {}",
                    shown(remote),
                    around.status.model.name,
                    around.juju.typed(&["integrate", own, other])
                ));
            }
        }
    }
    if bundle.scale > 1 {
        made.then
            .push(words(&["scale-application", app, &bundle.scale.to_string()]));
    }
    if !is_backed_up {
        let own = format!("{app}:{ENDPOINT}");
        match operators(around.status).as_slice() {
            [only] => made.then.push(words(&["integrate", &own, &format!("{only}:{OPERATOR}")])),
            [] => made.notes.push(format!(
                "model {} has no velero-operator, so no backups of {app} will be made; deploy it, or juju consume its offer, then: {}",
                around.status.model.name,
                around
                    .juju
                    .typed(&["integrate", &own, &format!("velero-operator:{OPERATOR}")])
            )),
            several => made.notes.push(format!(
                "several make backups: {}; no backups of {app} are made until one is chosen: {}",
                shown(&several.join(", ")),
                around.juju.typed(&["integrate", &own, &format!("ONE:{OPERATOR}")])
            )),
        }
    }
    made
}

/// Whatever makes backups in the model, or is offered to it.
fn operators(status: &Status) -> Vec<&str> {
    let here = status
        .applications
        .iter()
        .filter(|(_, application)| application.endpoint_bindings.contains_key(OPERATOR));
    let remote = status
        .application_endpoints
        .iter()
        .filter(|(_, remote)| remote.endpoints.contains_key(OPERATOR));
    let here = here.map(|(name, _)| name.as_str());
    here.chain(remote.map(|(name, _)| name.as_str())).collect()
}

/// A value of an option, as a command line takes it.
fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

impl RedeployPlan {
    /// The action that restores what the option does not take.
    pub const fn action(&self) -> &'static str {
        Job::Restore.action()
    }

    /// What a person types to do the same.
    pub fn by_hand(&self, item: &Item, juju: &Juju) -> Vec<String> {
        let mut lines = vec![juju.command(&self.deploy)];
        lines.extend(self.at_once.iter().map(|command| juju.command(command)));
        if self.from_model.is_some() {
            let arguments = Juju::run_arguments(&item.unit, self.action(), &item.parameters);
            lines.push(juju.command(&arguments));
        }
        lines.push(format!(
            "{}  # until it is active",
            juju.command(&["status".to_owned(), item.app.clone()])
        ));
        lines.extend(self.then.iter().map(|command| juju.command(command)));
        lines
    }
}

#[cfg(test)]
#[path = "redeploy_tests.rs"]
mod tests;
