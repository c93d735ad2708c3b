//! Step 6. Makes the changes of a [`Plan`], and nothing else.

mod give;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use juju_charm::hook_tools;
use juju_charm::pebble::{
    CheckStatus, Error as PebbleError, ExecOptions, FileOptions, Pebble, ServiceStatus,
};
use juju_charm::secret::{SecretMetadata, SecretOwner};
use juju_charm::{Juju, RelationId};

use crate::CharmError;
use crate::cos;
use crate::credentials;
use crate::credentials_seen::CredentialsSeen;
use crate::data_unit;
use crate::env::Env;
use crate::exporter;
use crate::facts::Obsolete;
use crate::ingress;
use crate::kubernetes::{Cluster, ClusterError, Marks, MountChange};
use crate::media::{self, claim};
use crate::names::{check_name, pod_name};
use crate::profile::AppProfile;
use crate::recovery::health::{self, Unwell};
use crate::remembered::Remembered;
use crate::service::{own_service, service_timeout};
use crate::test_restore;
use crate::tiers;
use crate::vpn;

use self::give::give_to;
use super::plan::{Command, ExporterPlan, FileWrite, OwnBags, Plan, Run, SecretPlan, WorkloadPlan};
use super::status::Decided;

/// What became of the workload part of a plan.
#[derive(Debug, PartialEq, Eq)]
pub enum Applied {
    /// It was left alone: nothing could or might be done.
    Left,
    /// It is as it should be, and nothing had to be done.
    Unchanged,
    /// It was brought to where it should be.
    Changed,
    /// It was stopped: it must not run.
    Stopped,
    /// A step did not work. The steps after it were not done.
    Failed(Failure),
}

/// Why a step did not work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What could not be done, and why.
    pub reason: String,
    /// What somebody has to do, where it is known.
    pub next_step: Option<String>,
}

impl From<String> for Failure {
    fn from(reason: String) -> Self {
        Self {
            reason,
            next_step: None,
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)?;
        match &self.next_step {
            Some(next_step) => write!(f, "; {next_step}"),
            None => Ok(()),
        }
    }
}

/// What came of a plan.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// The workload.
    pub workload: Applied,
    /// What backups need on the pod and its claim.
    pub marked: Result<(), ClusterError>,
    /// What keeps the media that the pod mounts out of backups.
    pub excluded: Result<(), ClusterError>,
    /// What the pods mount; `None` when it was left as it is.
    pub mounted: Option<Result<(), ClusterError>>,
    /// The route to the VPN gateway; `None` when it was left as it is.
    pub routed: Option<Result<(), ClusterError>>,
    /// Whether the app is healthy; `None` where it was not asked: it does not run, or Pebble's check tells.
    pub health: Option<Result<(), Unwell>>,
}

/// Applies `plan`. What must not run is stopped before anything that can fail. Then comes what Juju has to keep, so that a failing
/// workload does not hold up a backup request.
///
/// # Errors
/// When a hook tool fails. Then Juju drops what was written in this hook and runs it again. A fault of the workload
/// is not an error of the hook: it is [`Applied::Failed`] and becomes a status.
pub fn apply(env: Env<'_>, plan: Plan) -> Result<Outcome, CharmError> {
    let Env {
        juju,
        pebble,
        cluster,
        recovery,
        profile,
    } = env;
    // No `..`: a new part of the plan does not compile until it is applied.
    let Plan {
        record,
        secret,
        obsolete,
        databags,
        peers,
        ingress,
        vpn,
        cos,
        exporter,
        log_targets,
        open_ports,
        version,
        pod,
        claim,
        exclude,
        include,
        mount,
        route,
        left,
        workload,
        patience,
        commands,
    } = plan;
    let stopped =
        (workload == WorkloadPlan::Stop).then(|| done(profile, stop(pebble, profile), Applied::Stopped));
    if let Some(record) = record {
        record.write(juju)?;
    }
    change_secret(juju, profile, secret)?;
    if let Some(Obsolete { secret, revision }) = obsolete {
        hook_tools::secret_remove(juju.runner(), &secret, Some(revision))?;
    }
    for change in databags {
        for tier in tiers::of(profile) {
            if let Some(id) = relation(juju, tier.name(), &change.relation_id)? {
                juju.set_own_app_data(&id, &change.set)?;
            }
        }
    }
    let single = [
        (data_unit::ENDPOINT, peers),
        (ingress::ENDPOINT, ingress),
        (vpn::ENDPOINT, vpn),
    ];
    let single = single
        .into_iter()
        .filter_map(|(endpoint, bags)| Some((endpoint, bags?)));
    for (endpoint, bags) in single.chain(cos) {
        let OwnBags {
            relation_id,
            app,
            unit,
        } = bags;
        if let Some(id) = relation(juju, endpoint, &relation_id)? {
            if !app.is_empty() {
                juju.set_own_app_data(&id, &app)?;
            }
            if !unit.is_empty() {
                juju.set_own_unit_data(&id, &unit)?;
            }
        }
    }
    for port in open_ports {
        juju.open_port(port)?;
    }
    if let Some(version) = version {
        juju.set_workload_version(&version)?;
    }
    let marked = mark(cluster, &pod_name(juju), &pod, claim);
    if let Err(error) = &marked {
        log::warn!("backups: {error}");
    }
    let excluded = match &exclude {
        Some(claim) => claim::exclude(cluster, claim),
        None => Ok(()),
    };
    if let (Err(error), Some(claim)) = (&excluded, &exclude) {
        log::warn!(
            "relation {}: {error}; by hand: kubectl -n {} label pvc {claim} {}=true",
            media::ENDPOINT,
            juju.context().model_name(),
            claim::EXCLUDED
        );
    }
    for name in left {
        match recovery.remove_left(&name) {
            Ok(()) => log::info!("namespace {name}, which an interrupted restore or check left, is removed"),
            // Whoever looks at the cluster next finds it.
            Err(error) => log::warn!("namespace {name} is left: {}", crate::causes(&error)),
        }
    }
    // No test restore is under way: Juju runs one thing after the other.
    test_restore::remove_left(juju);
    change_exporter(juju.context().charm_dir(), exporter);
    if let Some(layer) = log_targets
        && let Err(error) = pebble.add_layer(&cos::logging::label(profile), &layer, true)
    {
        // The next event that asks Juju finds the difference.
        log::warn!("relation {}: {}", cos::logging::ENDPOINT, crate::causes(&error));
    }
    let workload = stopped.unwrap_or_else(|| change_workload(pebble, profile, workload, &commands));
    // Last of all changes, since the pod ends of it. A dispatch that is cut off by that is run again in the new pod.
    let mounted =
        mount.map(|change| change_mount(cluster, juju.context().app(), &change, include.as_deref()));
    if let Some(Ok(())) = &mounted {
        log::info!(
            "relation {}: the pods mount something else now, and are replaced",
            media::ENDPOINT
        );
    }
    let has_new_pods = route.as_ref().is_some_and(|route| route.pods.is_some());
    let routed = route.map(|change| vpn::world::change(cluster, juju.context().app(), &change));
    match &routed {
        Some(Ok(())) => log::info!("relation {}: what the pods need for it is changed", vpn::ENDPOINT),
        Some(Err(error)) => log::warn!("relation {}: {error}", vpn::ENDPOINT),
        None => {}
    }
    let runs = matches!(workload, Applied::Changed | Applied::Unchanged);
    // What is started in the next pod is waited for there.
    let pod_ends = matches!(mounted, Some(Ok(()))) || has_new_pods && matches!(routed, Some(Ok(())));
    let health = patience
        .filter(|_| runs && !pod_ends)
        .map(|patience| health::settle(env, patience));
    Ok(Outcome {
        workload,
        marked,
        excluded,
        mounted,
        routed,
        health,
    })
}

/// Puts on the pod and its claim what backups need. A refusal is no error of the hook: it becomes a status.
pub(crate) fn mark(
    cluster: &dyn Cluster,
    pod_name: &str,
    pod: &BTreeMap<String, Option<String>>,
    claim: Option<(String, BTreeMap<String, String>)>,
) -> Result<(), ClusterError> {
    if !pod.is_empty() {
        cluster.annotate_pod(pod_name, pod)?;
    }
    match claim {
        Some((claim, labels)) => {
            let labels = labels.into_iter().map(|(key, value)| (key, Some(value)));
            let marks = Marks {
                labels: labels.collect(),
                ..Marks::default()
            };
            cluster.mark_claim(&claim, &marks)
        }
        None => Ok(()),
    }
}

/// What it is told is written first: without that it ends by itself. That it cannot be started is no error of the hook: whoever
/// scrapes it is told that it is not there.
fn change_exporter(charm_dir: &Path, plan: ExporterPlan) {
    let changed = match plan {
        ExporterPlan::Leave => Ok(()),
        ExporterPlan::Run { tell, start } => tell
            .map_or(Ok(()), |settings| settings.write(charm_dir))
            .and_then(|()| match start {
                true => exporter::process::start(charm_dir),
                false => Ok(()),
            }),
        ExporterPlan::End => {
            let told = exporter::Settings::remove(charm_dir);
            exporter::process::end(charm_dir).and(told)
        }
    };
    if let Err(error) = changed {
        log::warn!("relation {}: the exporter: {error}", cos::scrape::ENDPOINT);
    }
}

/// A pod whose claim is not there would never start, and the charm in it could not take it back: so the claim is looked for.
fn change_mount(
    cluster: &dyn Cluster,
    app: &str,
    change: &MountChange,
    include: Option<&str>,
) -> Result<(), ClusterError> {
    if let Some(mount) = &change.mount {
        let found = cluster.claim(&mount.claim)?;
        if let Err(error) = claim::exclude_once(cluster, &mount.claim, &found) {
            // The app gets its media all the same; the new pod tries again, and its status says so.
            log::warn!("relation {}: {error}", media::ENDPOINT);
        }
    }
    if let Some(claim) = include {
        claim::include(cluster, claim, app)?;
    }
    // The pods of an application are of the StatefulSet of its name.
    cluster.change_mount(app, change)
}

fn change_workload(
    pebble: &dyn Pebble,
    profile: &AppProfile,
    plan: WorkloadPlan,
    commands: &[Command],
) -> Applied {
    match plan {
        // What has to stop is stopped already.
        WorkloadPlan::Leave | WorkloadPlan::Look | WorkloadPlan::Stop => Applied::Left,
        WorkloadPlan::Keep(_) if commands.is_empty() => Applied::Unchanged,
        WorkloadPlan::Keep(_) => {
            let ran = commands.iter().try_for_each(|command| run(pebble, command));
            done(profile, ran, Applied::Changed)
        }
        WorkloadPlan::Run(_, run) => done(profile, bring_up(pebble, profile, *run), Applied::Changed),
    }
}

fn done<E: Into<Failure>>(profile: &AppProfile, step: Result<(), E>, well: Applied) -> Applied {
    match step.map_err(Into::into) {
        Ok(()) => well,
        Err(failure) => self::failure(profile, failure),
    }
}

/// A step of the workload did not work.
pub(super) fn failure(profile: &AppProfile, failure: impl Into<Failure>) -> Applied {
    let failure = failure.into();
    log::error!("container {}: {failure}", profile.name);
    Applied::Failed(failure)
}

/// The relation that gather found; what it found is remembered, this costs no hook tool.
fn relation(juju: &Juju, endpoint: &str, id: &str) -> Result<Option<RelationId>, CharmError> {
    let ids = juju.relations(endpoint)?;
    Ok(ids.into_iter().find(|candidate| candidate.to_string() == id))
}

fn change_secret(juju: &Juju, profile: &AppProfile, secret: SecretPlan) -> Result<(), CharmError> {
    let Some(kind) = &profile.credentials else {
        return Ok(());
    };
    let label = credentials::label(kind);
    if matches!(secret, SecretPlan::Add { .. } | SecretPlan::Renew(_)) {
        // If the config file cannot be written after this, the next event has to find the difference.
        CredentialsSeen::forget(juju.context().charm_dir());
    }
    match secret {
        SecretPlan::Keep => {}
        SecretPlan::Add { credentials, rotate } => {
            let metadata = SecretMetadata {
                label: Some(label.to_owned()),
                description: Some(format!("What clients of {} log in with", profile.title)),
                // What Juju does anyway is not said.
                rotate: (rotate != "never").then(|| rotate.to_owned()),
                expire: None,
            };
            hook_tools::secret_add(
                juju.runner(),
                &credentials.content(),
                SecretOwner::Application,
                &metadata,
            )?;
        }
        SecretPlan::Renew(credentials) => {
            juju.secret_set(label, &credentials.content())?;
        }
        SecretPlan::SetRotation(policy) => {
            // The id is asked for: Juju says nothing about a wrong one until the hook has failed.
            if let Some(info) = juju.secret_info(label)? {
                let metadata = SecretMetadata {
                    rotate: Some(policy.to_owned()),
                    ..SecretMetadata::default()
                };
                hook_tools::secret_set(juju.runner(), &info.id, None, &metadata)?;
            }
        }
    }
    Ok(())
}

/// How long a command may take.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

fn run(pebble: &dyn Pebble, command: &Command) -> Result<(), Failure> {
    let options = ExecOptions {
        timeout: Some(COMMAND_TIMEOUT),
        ..ExecOptions::command(command.words.iter())
    };
    // What the command itself says may hold what it was given.
    let reason = match pebble.exec(&options) {
        Ok(output) if output.success() => return Ok(()),
        Ok(output) => format!("was not taken (exit code {})", output.exit_code),
        Err(error) if error.is_not_reachable() => "Pebble is not responding".to_owned(),
        Err(_) => "its command could not be run".to_owned(),
    };
    Err(Failure {
        reason: format!("option {}: {reason}", command.option),
        next_step: Some(command.next_step.clone()),
    })
}

/// Writes what a dispatch ends with: the status, and what later ones have to know.
///
/// # Errors
/// When a hook tool fails.
pub fn tell(
    juju: &Juju,
    decided: Decided,
    remembered: &Remembered,
    known: &Remembered,
) -> Result<(), CharmError> {
    if juju.set_status(&decided.status)?
        && let Some(whole) = decided.whole
    {
        log::warn!("{whole}");
    }
    remembered.keep(juju, known)
}

pub(crate) fn stop(pebble: &dyn Pebble, profile: &AppProfile) -> Result<(), String> {
    if let Err(reason) = rest_check(pebble, profile) {
        // The app has to end all the same.
        log::warn!("{reason}");
    }
    let change = pebble.stop(&[&profile.name]);
    change
        .and_then(|change| pebble.wait_change(&change, service_timeout(profile)))
        .map_err(|error| failed("stop the service", &error))?;
    Ok(())
}

fn bring_up(pebble: &dyn Pebble, profile: &AppProfile, run: Run) -> Result<(), String> {
    // No `..`: a new step does not compile until it is done.
    let Run {
        stop_first,
        remove,
        put_in_place,
        own,
        put_aside,
        file,
        layer,
    } = run;
    match stop_first {
        true => stop(pebble, profile)?,
        false => rest_check(pebble, profile)?,
    }
    for path in remove {
        match pebble.remove_path(&path, false) {
            Ok(()) => log::warn!("{path} was left by a process that has ended, and is removed"),
            Err(error) if error.is_not_found() => {}
            Err(error) => return Err(failed(&format!("remove {path}"), &error)),
        }
    }
    if let Some(volume) = put_in_place {
        databases_in_place(&volume)?;
    }
    if let Some((location, user)) = own {
        give_to(&location, user)?;
    }
    if let Some(damaged) = put_aside {
        log::warn!(
            "config file: {}; its content is kept in {}",
            damaged.reason,
            damaged.path
        );
        write(
            pebble,
            &FileWrite {
                path: damaged.path,
                file: damaged.file,
            },
        )?;
    }
    if let Some(file) = file {
        write(pebble, &file)?;
    }
    if let Some(layer) = layer {
        pebble
            .add_layer(&profile.name, &layer, true)
            .map_err(|error| failed("add the layer", &error))?;
    }
    let change = pebble
        .replan()
        .map_err(|error| failed("start the service", &error))?;
    let started = pebble.wait_change(&change, service_timeout(profile));
    if started.is_err() && matches!(own_service(pebble, profile), Ok(Some(ServiceStatus::Backoff))) {
        // It is as it should be but for the process, which Pebble starts again and again from here on.
        health::is_down(pebble, profile);
    }
    started.map_err(|error| failed("start the service", &error))?;
    Ok(())
}

/// What the check found before says nothing of an app that is started anew.
fn rest_check(pebble: &dyn Pebble, profile: &AppProfile) -> Result<(), String> {
    let name = check_name(profile);
    let rested = pebble.checks().and_then(|checks| {
        let mut checks = checks.iter();
        match checks.any(|check| check.name == name && check.status != CheckStatus::Inactive) {
            true => pebble.stop_checks(&[&name]).map(drop),
            false => Ok(()),
        }
    });
    rested.map_err(|error| failed("stop the health check", &error))
}

/// A restored volume holds copies of the databases; this is where they become the app's again.
fn databases_in_place(volume: &Path) -> Result<(), String> {
    let done = config_volume::put_in_place(volume).map_err(|error| match error {
        // Its own words know no charm.
        config_volume::Error::LaterManifest { .. } => {
            "cannot put restored databases in place: a later revision of this charm backed them up; juju refresh this one".to_owned()
        }
        error => format!(
            "cannot put restored databases in place: {}",
            crate::causes(&error)
        ),
    })?;
    if done.origin.is_some() {
        log::info!(
            "config volume: it comes from a backup; {} databases are in place",
            done.placed.len()
        );
    }
    if done.cut_short {
        log::warn!("config volume: a backup was cut short, what it left behind is gone");
    }
    for torn in &done.set_aside {
        log::warn!(
            "config volume: {} was torn by the upload; its sound copy is in place, the torn file is {}",
            torn.database,
            torn.aside
        );
    }
    for problem in done.problems() {
        log::error!("config volume: {problem}");
    }
    Ok(())
}

fn write(pebble: &dyn Pebble, file: &FileWrite) -> Result<(), String> {
    let options = FileOptions {
        make_dirs: true,
        mode: Some(file.file.mode),
        user_id: file.file.owner.map(|(uid, _)| uid),
        group_id: file.file.owner.map(|(_, gid)| gid),
        ..FileOptions::default()
    };
    pebble
        .write_file(&file.path, &file.file.content, &options)
        .map_err(|error| failed(&format!("write {}", file.path), &error))
}

fn failed(what: &str, error: &PebbleError) -> String {
    format!("cannot {what}: {}", crate::causes(error))
}

#[cfg(test)]
#[path = "apply_tests.rs"]
mod tests_with_pebble;
