//! The one place that decides whether the app may run on its volume.

use juju_charm::UnitName;

use super::on_deploy;
use crate::data_unit::{Contents, DataUnit, Peers, Report};
use crate::facts::{Container, Exchange, Facts, Storage};
use crate::names::{BACKUP_NOW, RESTORE_FROM_BACKUP, START_EMPTY};
use crate::options::{RESTORE_ON_DEPLOY, RawOptions, UNSAFE_MODE};
use crate::profile::AppProfile;
use crate::steps::plan::is_running;
use crate::vpn::route;

/// Leave to run the app on its volume as it is now. Only [`judge`] makes one, and no plan that runs the app can be made
/// without it.
///
/// ```compile_fail,E0451
/// use workload_charm::steps::prepare_volume::MayStart;
/// let made_elsewhere = MayStart { is_seen: true, is_restored: false };
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct MayStart {
    is_seen: bool,
    is_restored: bool,
}

impl MayStart {
    /// Whether the volume was looked at. An app that runs may go on running without; it is not stopped and started again.
    pub fn is_seen(&self) -> bool {
        self.is_seen
    }

    /// Whether a restore has just put the content in place.
    pub fn is_restored(&self) -> bool {
        self.is_restored
    }

    /// The same leave, for a plan made in the step after this one.
    pub(in crate::steps) fn hand_over(&self) -> Self {
        Self {
            is_seen: self.is_seen,
            is_restored: self.is_restored,
        }
    }
}

/// What keeps the app from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reason {
    /// Juju has not mounted the volume.
    NotMounted,
    /// Another unit has the data, or it is the leader's to decide which one.
    Standby,
    /// It is not known yet what other volumes hold.
    OthersUnknown,
    /// The unit with the data is gone.
    DataUnitGone,
    /// Several units have data.
    Contested,
    /// The volume holds no whole content.
    Incomplete,
    /// A restore was cut off, and what it left cannot be cleared away.
    CutOff,
    /// The volume is empty, and was not.
    Emptied,
    /// The option `restore-on-deploy` is still to be done.
    RestoreOnDeploy,
    /// The app would show the user's address.
    NoVpn,
    /// The same, and it has never run: its volume holds nothing.
    NoVpnYet,
}

impl Reason {
    /// Whether an app that runs all the same has to be stopped.
    pub fn stops(self) -> bool {
        use Reason::*;
        match self {
            Standby | OthersUnknown | DataUnitGone | Contested | Incomplete | NoVpn | NoVpnYet => true,
            NotMounted | CutOff | Emptied | RestoreOnDeploy => false,
        }
    }

    /// Whether it is about the user's address.
    pub fn is_about_vpn(self) -> bool {
        matches!(self, Self::NoVpn | Self::NoVpnYet)
    }

    /// Whether a backup made now would hold nothing that is worth to be the newest one.
    pub fn spoils_backups(self) -> bool {
        !matches!(self, Self::NotMounted | Self::Standby | Self::NoVpn)
    }
}

/// Why the app must not be started now: it would write into a volume that something else has to be done with first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartBlocker {
    /// What it is.
    pub reason: Reason,
    /// Thing, reason and next step.
    pub text: String,
    /// Whether a person has to do something. If not, it may be over by itself at the next event.
    pub needs_somebody: bool,
}

/// Whether the app may run.
pub type Start = Result<MayStart, StartBlocker>;

/// In which situation it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Situation {
    /// An event or an action, in which no restore runs.
    Dispatch,
    /// The same, and it is certain that `restore-on-deploy` finds no backup.
    NoBackupOnDeploy,
    /// A restore has exchanged the content, and is about to start the app with it. The unit may take the data over from one
    /// that is gone.
    Restoring,
}

/// Decides whether the app may run. Pure.
///
/// # Errors
/// Why not: the answer, not a fault.
pub fn judge(profile: &AppProfile, facts: &Facts, situation: Situation) -> Start {
    if profile.has_one_writer() && !(situation == Situation::Restoring && takes_over(facts)) {
        is_here(profile, facts)?;
    }
    let running = matches!(&facts.container, Container::Ready(container) if is_running(container));
    let seen = match &facts.storage {
        _ if profile.storage.is_none() => true,
        Storage::Mounted {
            contents, exchange, ..
        } => {
            is_whole(facts, exchange, running, situation)?;
            // What is in no backup can be made again.
            if *contents == Contents::Empty && profile.is_backed_up() {
                may_be_empty(facts, running, situation)?;
            }
            true
        }
        Storage::NotRead | Storage::NotMounted if running => false,
        Storage::NotRead | Storage::NotMounted => {
            let name = profile
                .storage
                .as_ref()
                .map_or("", |storage| storage.name.as_str());
            let text = format!("storage {name}: Juju has not mounted it yet; if this stays: juju storage");
            return Err(waits(Reason::NotMounted, text));
        }
    };
    may_be_seen(profile, facts)?;
    Ok(MayStart {
        is_seen: seen,
        is_restored: situation == Situation::Restoring,
    })
}

/// Whether the app need not hide: nobody sees its address, or the user has said that it may be seen.
pub fn need_not_hide(profile: &AppProfile, options: &RawOptions) -> bool {
    !profile.vpn || options.judged(&UNSAFE_MODE).unwrap_or(false)
}

/// Whether the app may be seen by whoever it downloads from.
///
/// # Errors
/// Why it must not run.
pub fn may_be_seen(profile: &AppProfile, facts: &Facts) -> Result<(), StartBlocker> {
    if need_not_hide(profile, &facts.options) {
        return Ok(());
    }
    let running = matches!(&facts.container, Container::Ready(container) if is_running(container));
    route::is_hidden(&facts.app, &facts.vpn, facts.pod.as_ref(), running).map_err(|shown| StartBlocker {
        reason: match holds_nothing(facts) {
            true => Reason::NoVpnYet,
            false => Reason::NoVpn,
        },
        text: shown.text,
        needs_somebody: shown.needs_somebody,
    })
}

/// Whether a restore on this unit makes it the one with the data: it leads, and no unit that is there has them.
pub fn takes_over(facts: &Facts) -> bool {
    facts.leader
        && match &facts.data {
            DataUnit::NotTracked | DataUnit::Here => false,
            DataUnit::Elsewhere { is_present, .. } => !is_present,
            DataUnit::Undecided { .. } | DataUnit::Contested { .. } => true,
        }
}

fn is_here(profile: &AppProfile, facts: &Facts) -> Result<(), StartBlocker> {
    let (app, unit, title) = (&facts.app, &facts.unit, &profile.title);
    // What is in no backup cannot be restored, and can be made again.
    let back = match profile.is_backed_up() {
        true => RESTORE_FROM_BACKUP,
        false => START_EMPTY,
    };
    Err(match &facts.data {
        DataUnit::NotTracked | DataUnit::Here => return Ok(()),
        DataUnit::Elsewhere {
            unit: other,
            is_present: true,
        } => {
            let text = match last_to_stay(other) {
                _ if holds_data(facts) => {
                    format!(
                        "{other} has the data, and this volume some: save it before you scale down or restore here"
                    )
                }
                Some(_) if !profile.is_backed_up() => {
                    format!("standby: {other} runs {title}, and a scale-down ends it with its data")
                }
                Some(stays) => format!(
                    "{other} has the data: {BACKUP_NOW} there, scale down, then {RESTORE_FROM_BACKUP} on {stays}"
                ),
                None => {
                    format!("standby: {other} has the data; for one unit: juju scale-application {app} 1")
                }
            };
            StartBlocker {
                reason: Reason::Standby,
                text,
                // A leader without data is what nobody wants to stay as it is.
                needs_somebody: facts.leader,
            }
        }
        DataUnit::Elsewhere { unit: gone, .. } if facts.leader => needs(
            Reason::DataUnitGone,
            match holds_data(facts) {
                true => {
                    format!("{gone} is gone with the data; this volume has some: save it, then {back} here")
                }
                false => format!(
                    "{gone} is gone with the data: {back}, or juju scale-application {app} {}",
                    gone.number().saturating_add(1)
                ),
            },
        ),
        DataUnit::Elsewhere { unit: gone, .. } => waits(
            Reason::DataUnitGone,
            format!("{gone} is gone with the data; the status of {app}/leader says what to do"),
        ),
        DataUnit::Contested { units } if !profile.is_backed_up() => needs(
            Reason::Contested,
            format!(
                "{} have data, and none of them leads; empty the volumes of all but one",
                list(units)
            ),
        ),
        DataUnit::Contested { units } => needs(
            Reason::Contested,
            format!(
                "{} have data, and none of them leads; to choose a backup: {RESTORE_FROM_BACKUP} on {unit}",
                list(units)
            ),
        ),
        DataUnit::Undecided { waiting_for } => match waiting_for.as_slice() {
            [] if facts.leader => waits(
                Reason::OthersUnknown,
                "waiting for the peer relation: other units may have the data".to_owned(),
            ),
            [] => waits(
                Reason::Standby,
                format!("standby: the leader decides which unit runs {title}"),
            ),
            [only] if only == unit => {
                let name = profile
                    .storage
                    .as_ref()
                    .map_or("", |storage| storage.name.as_str());
                waits(
                    Reason::NotMounted,
                    format!("storage {name}: Juju has not mounted it yet; if this stays: juju storage"),
                )
            }
            others => waits(
                Reason::OthersUnknown,
                format!(
                    "waiting for {}: their config volumes may have the data",
                    list(others)
                ),
            ),
        },
    })
}

/// The unit that a scale-down to one leaves, if that is not the one with the data: Kubernetes removes the pods with the
/// highest numbers, whichever units this one has met yet.
pub fn last_to_stay(with_data: &UnitName) -> Option<UnitName> {
    let first: UnitName = format!("{}/0", with_data.app()).parse().ok()?;
    (first != *with_data).then_some(first)
}

fn holds_data(facts: &Facts) -> bool {
    matches!(
        facts.storage,
        Storage::Mounted {
            contents: Contents::Data,
            ..
        }
    )
}

fn holds_nothing(facts: &Facts) -> bool {
    matches!(
        facts.storage,
        Storage::Mounted {
            contents: Contents::Empty,
            ..
        }
    )
}

fn is_whole(
    facts: &Facts,
    exchange: &Exchange,
    running: bool,
    situation: Situation,
) -> Result<(), StartBlocker> {
    match exchange {
        Exchange::Nothing => Ok(()),
        // Beside an app that runs they do no harm; the run that makes an exchange has some.
        Exchange::Leftovers if running || situation == Situation::Restoring => Ok(()),
        Exchange::Leftovers => Err(waits(
            Reason::CutOff,
            "config volume: a restore was cut off; retrying at update-status".to_owned(),
        )),
        Exchange::Incomplete => {
            let app = &facts.unit;
            Err(needs(
                Reason::Incomplete,
                format!(
                    "config volume: a restore left it incomplete; run {RESTORE_FROM_BACKUP} on {app} again"
                ),
            ))
        }
        Exchange::Unreadable { reason } => Err(cut_off(reason)),
    }
}

/// A restore was cut off and cannot be put right.
pub(super) fn cut_off(reason: &str) -> StartBlocker {
    needs(
        Reason::CutOff,
        format!("config volume: a restore was cut off: {reason}"),
    )
}

fn may_be_empty(facts: &Facts, running: bool, situation: Situation) -> Result<(), StartBlocker> {
    // An app that runs on what was taken from under it must not be stopped and started again either.
    if was_emptied(facts) {
        return Err(needs(
            Reason::Emptied,
            format!(
                "config volume: empty, and it had content; {RESTORE_FROM_BACKUP}, or {START_EMPTY} to give it up"
            ),
        ));
    }
    if running {
        return Ok(());
    }
    if situation == Situation::Restoring {
        // The dispatch that the restore is part of decides it when the restore has ended.
        return Err(waits(Reason::Emptied, "config volume: empty".to_owned()));
    }
    if situation != Situation::NoBackupOnDeploy && on_deploy::wanted(facts).is_some() {
        let (option, app) = (RESTORE_ON_DEPLOY.name(), &facts.app);
        let value = facts.options.text(&RESTORE_ON_DEPLOY);
        let text =
            format!("{option} {value} is not done yet; or start fresh: juju config {app} {option}=none");
        return Err(waits(Reason::RestoreOnDeploy, text));
    }
    Ok(())
}

/// Whether the app had content that is not in the volume any more, and nobody gave it up.
pub fn was_emptied(facts: &Facts) -> bool {
    let is_empty = holds_nothing(facts);
    let Peers::Related(peers) = &facts.peers else {
        return false;
    };
    is_empty
        && match peers.own {
            Some(Report::Data) => true,
            Some(Report::StartEmpty) => false,
            Some(Report::Empty) | None => peers.had_data,
        }
}

fn needs(reason: Reason, text: String) -> StartBlocker {
    StartBlocker {
        reason,
        text,
        needs_somebody: true,
    }
}

fn waits(reason: Reason, text: String) -> StartBlocker {
    StartBlocker {
        reason,
        text,
        needs_somebody: false,
    }
}

fn list(units: &[UnitName]) -> String {
    let names: Vec<String> = units.iter().map(ToString::to_string).collect();
    names.join(", ")
}
