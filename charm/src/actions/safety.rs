//! A way back from a restore: a backup of what it is about to replace, made while the app still runs.
//!
//! It is a backup as `backup-now` makes it, with a label that keeps it from being taken for the newest good one: whoever runs a
//! restore again means the same backup as before, and not the content that was to go.

use config_recovery::backups::BackupSummary;
use config_recovery::engine::{self, RestorePlan, Settled};
use config_recovery::journal::Record;
use config_recovery::make::MakeSpec;
use config_recovery::words::time;
use jiff::Timestamp;
use juju_charm::Juju;
use serde_json::{Map, Value, json};

use super::backup_now::{Settings, not_related};
use super::{Call, Results, Stopped};
use crate::data_unit::Contents;
use crate::facts::{Exchange, Storage};
use crate::names::{RESTORE_FROM_BACKUP, restore_command};
use crate::recovery::own_id;
use crate::recovery::texts::user_message;
use crate::steps::prepare_volume::takes_over;

/// The parameter.
pub const PARAMETER: &str = "safety-backup";

/// So many of the backups that were made before earlier restores of the same backup are named.
const NAMED: usize = 5;

/// The parameter's entry in `actions.yaml`. Without a default: unset means that it follows from the relation.
pub fn declaration() -> Value {
    json!({
        "type": "boolean",
        "description": "Back up the current content first, while the app runs, as the way back. If that fails, nothing is restored. \
                        Unset: true with a relation to velero-operator, false without. Not done where the volume is empty or an \
                        earlier restore is unfinished in its middle. `latest`, `at` and restore-on-deploy never mean a safety backup.",
    })
}

/// What there is to go back to after a restore.
pub enum WayBack {
    /// A backup that is still to be made.
    ToMake(Box<Settings>),
    /// The backup with this uid, which the run that is gone on with has made.
    Earlier(String),
    /// None, for this reason.
    None(String),
}

/// Judges whether a safety backup is to be made and could be. Changes nothing.
///
/// # Errors
/// One is to be made and cannot be, with what to do.
pub fn way_back(
    call: Call<'_>,
    parameters: &Map<String, Value>,
    plan: &RestorePlan,
) -> Result<WayBack, Stopped> {
    let facts = call.facts;
    let Storage::Mounted {
        contents, exchange, ..
    } = &facts.storage
    else {
        return Ok(WayBack::None("the config volume is not mounted".to_owned()));
    };
    let earlier = engine::unfinished(&plan.volume)?;
    let is_whole = match (&earlier, exchange) {
        (_, Exchange::Incomplete) => false,
        (Some(record), _) => record.is_whole(),
        // What an exchange has left without the journal of its run does not tell which content this is. Over one by hand nothing is
        // restored; its commands are shown all the same.
        (None, exchange) => !matches!(exchange, Exchange::Leftovers | Exchange::Unreadable { .. }),
    };
    let of_earlier = |why: &str| match earlier.as_ref().and_then(Record::safety_backup) {
        Some(uid) => WayBack::Earlier(uid.to_owned()),
        None => WayBack::None(why.to_owned()),
    };
    if !is_whole {
        return Ok(of_earlier(
            "an earlier restore is unfinished, and may have replaced the content in part",
        ));
    }
    if *contents == Contents::Empty {
        return Ok(WayBack::None("the config volume is empty".to_owned()));
    }
    let asked = parameters.get(PARAMETER).and_then(Value::as_bool);
    match asked {
        Some(false) => Ok(WayBack::None(format!("{PARAMETER}=false"))),
        None if !facts.is_backed_up() => Ok(WayBack::None(not_related(call.env.profile, &facts.app))),
        Some(true) | None if takes_over(facts) && is_of_a_backup(plan) => {
            Ok(of_earlier("what this volume holds came from a backup"))
        }
        // What keeps the app from starting says to restore here: no reason against that.
        Some(true) | None if takes_over(facts) => Err(refused(
            "what this volume holds is not the app's data, so no backup stores it; copy what you need of it",
        )),
        Some(true) | None => match Settings::of(call.env.profile, facts) {
            Ok(settings) => Ok(WayBack::ToMake(Box::new(settings))),
            Err(reason) => Err(refused(&reason)),
        },
    }
}

/// Whether an earlier restore, which was killed at its end, has brought what the volume holds.
fn is_of_a_backup(plan: &RestorePlan) -> bool {
    let foreseen = engine::foresee(&plan.volume, false);
    matches!(foreseen, Ok(Some(Settled::NewContent(_))))
}

impl WayBack {
    /// Makes the safety backup, if one is to be made, names it to whoever waits, and has the plan name it in its journal. Nothing of
    /// the app is touched.
    ///
    /// # Errors
    /// It could not be made, or is not good.
    pub fn make(self, call: Call<'_>, plan: &mut RestorePlan) -> Result<Told, Stopped> {
        let juju = call.env.juju;
        let mut notes = Vec::new();
        let uid = match self {
            Self::None(why) => {
                let note = format!("no safety backup: {why}");
                call.say(&note);
                return Ok(Told {
                    results: Results::new(),
                    notes: vec![note],
                });
            }
            Self::Earlier(uid) => {
                notes.push("the safety backup is the one of the restore that was cut off".to_owned());
                uid
            }
            Self::ToMake(settings) => {
                // Before there is one more.
                notes.extend(earlier_ones(call, plan)?);
                call.say("making a safety backup of the current content");
                let made = settings.make(call, |make| {
                    let make = make.before_restore_of(plan.backup());
                    // The Velero that is about to restore is there, and no parameter could name another one.
                    let velero_namespace = Some(plan.backup().velero_namespace.clone());
                    MakeSpec {
                        velero_namespace,
                        ..make
                    }
                });
                made.map_err(|stopped| match stopped {
                    Stopped::Because(reason) => refused(&reason),
                    Stopped::Engine(error) => refused(&user_message(&error, juju.context().app())),
                    juju @ Stopped::Juju(_) => juju,
                })?
                .uid
            }
        };
        // It makes a safety backup in turn, so that it can be undone as well.
        let undo = restore_command(&call.facts.unit, &uid);
        // Now, since who waits may not hear anything else any more.
        call.say(&format!("safety backup {uid}; to undo the restore: {undo}"));
        let results = Results::from([(PARAMETER.to_owned(), uid.clone()), ("undo".to_owned(), undo)]);
        // Juju shows results of an action that fails, too.
        juju.action_set(&results)?;
        plan.safety_backup = Some(uid);
        Ok(Told { results, notes })
    }

    /// What a dry run says of it, and a comment for the commands that do the same by hand.
    pub fn shown(&self, juju: &Juju) -> (String, String) {
        let unit = juju.context().unit();
        match self {
            Self::ToMake(_) => (
                format!(
                    "the current content is backed up: {RESTORE_FROM_BACKUP} of that safety backup undoes the restore"
                ),
                format!(
                    "# First a way back: juju run {unit} backup-now, and note its uid. It is the newest good backup then, so name \
                     the one to restore by its uid.\n"
                ),
            ),
            Self::Earlier(uid) => (
                format!("no new safety backup: that of the restore that was cut off is {uid}"),
                format!("# The way back is safety backup {uid}.\n"),
            ),
            Self::None(why) => (
                format!("no safety backup: {why}"),
                format!("# No safety backup: {why}.\n"),
            ),
        }
    }
}

/// What is said of the way back in the results of a restore.
pub struct Told {
    results: Results,
    notes: Vec<String>,
}

impl Told {
    /// Adds it to the results.
    pub fn add_to(self, results: &mut Results) {
        let notes = results.remove("notes").into_iter().chain(self.notes);
        let notes: Vec<String> = notes.collect();
        if !notes.is_empty() {
            results.insert("notes".to_owned(), notes.join("\n"));
        }
        results.extend(self.results);
    }
}

/// Why nothing is restored.
fn refused(reason: &str) -> Stopped {
    Stopped::Because(format!(
        "no safety backup: {reason}; nothing was changed; to restore without a way back: {PARAMETER}=false"
    ))
}

/// Names the good safety backups of earlier restores of the same backup. One of them may be the way back from a restore that was
/// cut off and stays in place.
fn earlier_ones(call: Call<'_>, plan: &RestorePlan) -> Result<Vec<String>, Stopped> {
    let (now, restored) = (Timestamp::now(), &plan.backup().uid);
    let is_one =
        |backup: &&BackupSummary| backup.before_restore.as_ref() == Some(restored) && backup.is_good(now);
    let backups = call.env.recovery.list(&own_id(call.env.juju))?;
    let found = backups.iter().filter(is_one).take(NAMED);
    Ok(found
        .map(|backup| {
            let when = backup.started.map(|started| format!(" of {}", time(started)));
            format!(
                "an earlier restore of this backup has left safety backup {}{}",
                backup.uid,
                when.unwrap_or_default()
            )
        })
        .collect())
}
