//! The action `backup-now`.

use std::time::Instant;

use config_recovery::backups::{BackupSummary, Verdict};
use config_recovery::make::MakeSpec;
use config_recovery::words::size;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::contents::now;
use super::{Call, Results, Stopped, declared, named};
use crate::backup::{Decision, refused};
use crate::contents::seen;
use crate::env::Env;
use crate::facts::Facts;
use crate::names::pod_name;
use crate::profile::AppProfile;
use crate::recovery::{Lines, lost_with_database, own_id};
use crate::steps::prepare_volume::{Reason, Situation};
use crate::steps::validate::BackupSettings;
use crate::steps::{apply, judged};
use crate::tiers::{self, NIGHTLY};

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Backs up the config volume now, as the Schedule would, and waits until the backup has ended. Runs on the unit with the \
         data; needs trust and the relation to velero-operator. Fails if the backup fails, and if it is Completed but empty. \
         While Velero is being set up, it waits some minutes. \
         Results: `backup-name`, `backup-uid`, `backup-time`; `bytes` of the config volume (absent for snapshots); `seconds`; \
         `warnings` if it lacks a database of the app's that was there before; `velero-errors`, if any.",
        json!({
            "velero-namespace": {
                "type": "string",
                "description": "Namespace of the Velero that is meant. Needed only where several run in the cluster, and neither a \
                                Schedule nor a backup of this application tells.",
            },
        }),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let juju = call.env.juju;
    let settings = Settings::of(call.env.profile, call.facts)?;
    let parameters = juju.action_parameters()?;
    let began = Instant::now();
    let made = settings.make(call, |make| MakeSpec {
        velero_namespace: call.text(&parameters, "velero-namespace"),
        ..make
    })?;
    let mut results = named(&made);
    let took = made
        .started
        .zip(made.completed)
        .map(|(from, to)| to.duration_since(from));
    let seconds = took.map_or(began.elapsed().as_secs_f64(), |took| took.as_secs_f64());
    results.insert("seconds".to_owned(), format!("{seconds:.0}"));
    if let Some(bytes) = made.holds.bytes() {
        results.insert("bytes".to_owned(), bytes.to_string());
    }
    // The command before the backup has noted it, in this pod.
    let list = seen::on_disk(juju.context().charm_dir());
    let warning = seen::of(&list, &own_id(juju), &made).and_then(|seen| {
        let now = now(call);
        lost_with_database(call.env, call.facts, seen, now.as_ref())
    });
    if let Some(warning) = warning {
        call.say(&format!("warning: backup {}: {warning}", made.name));
        results.insert("warnings".to_owned(), warning);
    }
    if !made.complaints.is_empty() {
        results.insert("velero-errors".to_owned(), made.complaints.join("; "));
    }
    Ok(results)
}

/// How the config volume is backed up on demand: as the Schedule would.
pub(super) struct Settings {
    endpoint: &'static str,
    backup: BackupSettings,
    decision: Decision,
}

impl Settings {
    /// What is asked for, if a backup could hold anything.
    ///
    /// # Errors
    /// Why it could not, and what to do.
    pub(super) fn of(profile: &AppProfile, facts: &Facts) -> Result<Self, String> {
        let (start, validated) = judged(profile, facts, Situation::Dispatch);
        match start {
            // What it holds is worth a backup, whether the app may run or not.
            Err(blocker) if blocker.reason != Reason::NoVpn => return Err(blocker.text),
            Err(_) | Ok(_) => {}
        }
        if let Some(what) = &validated.elsewhere {
            return Err(half_of_it(what));
        }
        let (Some(first), Some(decision)) = (validated.first_tier(), &validated.decision) else {
            return Err(format!("{} has nothing to back up", profile.title));
        };
        let endpoint = first.tier.name();
        let backup = first.settings.as_ref().map_err(ToString::to_string)?;
        if !facts.is_backed_up() {
            return Err(not_related(profile, &facts.app));
        }
        match &decision.problem {
            Some(problem) => Err(problem.to_string()),
            None => Ok(Self {
                endpoint,
                backup: backup.clone(),
                decision: decision.clone(),
            }),
        }
    }

    /// Makes a backup, as `changed` from what the Schedule makes, waits for its end and sees that it holds something.
    ///
    /// # Errors
    /// It could not be made, or is not good.
    pub(super) fn make(
        self,
        call: Call<'_>,
        changed: impl FnOnce(MakeSpec) -> MakeSpec,
    ) -> Result<BackupSummary, Stopped> {
        let Self {
            endpoint,
            backup,
            decision,
        } = self;
        let Env {
            juju,
            cluster,
            recovery,
            ..
        } = call.env;
        // A pod that is new since the last event lacks them.
        if !decision.annotations.is_empty() || decision.labels.is_some() {
            apply::mark(cluster, &pod_name(juju), &decision.annotations, decision.labels)
                .map_err(config_recovery::Error::from)?;
        }
        // What the operator says about volumes that are not named does not matter: the pod names all of them.
        let spec = backup.request.spec().to_velero_backup_spec(false);
        let make = changed(MakeSpec::on_demand(own_id(juju), endpoint, spec));
        let say = |line: &str| call.say(line);
        let began = Timestamp::now();
        let made = recovery.backup_now(&make, &Lines::to(&say))?;
        if let Some(reason) = shortcoming(&made, Timestamp::now()) {
            let refused = refused::last(&call.facts.charm_dir, began);
            let why = refused.map(|why| format!("; the charm's hook said: {why}"));
            return Err(Stopped::Because(reason + &why.unwrap_or_default()));
        }
        if let Some(bytes) = made.holds.bytes() {
            call.say(&format!("backup {} holds {}", made.name, size(bytes)));
        }
        Ok(made)
    }
}

/// Why there is no backup of an app that asks for none.
pub(super) fn not_related(profile: &AppProfile, app: &str) -> String {
    let endpoint = NIGHTLY.name();
    let command = tiers::integrate(profile, app, &NIGHTLY);
    format!("there is no relation {endpoint}; {command}")
}

/// Why no backup is made of a volume without its database.
pub(super) fn half_of_it(what: &str) -> String {
    format!(
        "{what}: the database is outside of the config volume, which alone is no backup; back up both with the database's own tools"
    )
}

/// Why the backup is not one to rely on.
fn shortcoming(made: &BackupSummary, now: Timestamp) -> Option<String> {
    let name = &made.name;
    let reason = match made.verdict(now) {
        Verdict::Good => return None,
        Verdict::Empty => format!("backup {name} is Completed and holds no byte of the config volume"),
        verdict => format!("backup {name} is {verdict} ({})", made.phase_word()),
    };
    let complaints = made.complaints.join("; ");
    let complaints = if complaints.is_empty() {
        complaints
    } else {
        format!(": {complaints}")
    };
    Some(format!(
        "{reason}{complaints}; see show-backup-spec and velero backup logs {name}"
    ))
}
