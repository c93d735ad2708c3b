//! What a unit says that is active: nothing keeps the app from running, and nothing that was asked for is missing.

use juju_charm::Status;

use super::Known;
use super::fit::{LENGTH, joined, quoted};
use crate::data_unit::{DataUnit, Peers};
use crate::facts::Facts;
use crate::findings::Kind;
use crate::names::{BACKUP_NOW, LIST_BACKUPS, RESTORE_FROM_BACKUP, TEST_NOTIFICATION};
use crate::notify::NotifyTo;
use crate::problem::short;
use crate::recovery::standing::BackupStatus;
use crate::steps::prepare_volume::last_to_stay;
use crate::steps::validate::BackupSettings;
use crate::tiers::{self, Tier};
/// What there is to say of an app that is as it should be: the more important first, as much as fits.
pub(super) fn active(known: Known<'_>) -> Status {
    let Known {
        profile, facts, told, ..
    } = known;
    let first = known.validated.first_tier();
    let about_backups = first.map(|first| about_backups(known, first.tier));
    // What is wrong with a Schedule has a status of its own.
    let warning = match known.backups {
        BackupStatus::Seen { findings, .. } => findings
            .iter()
            .find(|finding| finding.kind != Kind::ScheduleMissing)
            .map(|finding| quoted("warning: ", &finding.what, &finding.next)),
        _ => None,
    };
    let in_vain = facts
        .remembered
        .notices
        .in_vain()
        .filter(|_| matches!(&known.validated.notify, Ok(to) if *to != NotifyTo::Nobody))
        .map(|why| quoted("notify-url: ", why, &format!("run {TEST_NOTIFICATION}")));
    let can_be_saved = profile.is_backed_up() && known.validated.elsewhere.is_none();
    let goes_first = goes_first(facts).filter(|_| can_be_saved);
    let texts = [
        warning.as_deref(),
        in_vain.as_deref(),
        goes_first.as_deref(),
        told.news,
        profile.deprecated.as_deref(),
        about_backups.as_deref(),
    ];
    Status::Active(joined(texts.into_iter().flatten()))
}

/// Which backups are asked for, and what was seen of them. `first` is the tier that stands for the others.
fn about_backups(known: Known<'_>, first: &Tier) -> String {
    let app = &known.facts.app;
    if let Some(what) = &known.validated.elsewhere {
        return format!("no backups: {} keeps its database elsewhere", short(what, 60));
    }
    if !known.facts.is_backed_up() {
        return format!("no backups: {}", tiers::integrate(known.profile, app, first));
    }
    let scheduled: Vec<(&Tier, &BackupSettings, &str)> = known
        .validated
        .related()
        .filter_map(|backup| {
            let settings = backup.settings.as_ref().ok()?;
            Some((backup.tier, settings, settings.when.as_deref()?))
        })
        .collect();
    // What is asked for, and the same in fewer words.
    let (asked, in_short) = match scheduled.as_slice() {
        [] => {
            let option = &first.schedule;
            return format!(
                "no scheduled backups: juju config {app} {}={}",
                option.name(),
                option.default()
            );
        }
        [(_, settings, when)] => {
            let when = format!("scheduled backups: {}", short(when, 30));
            (format!("{when}, kept {}", settings.retention), Some(when))
        }
        [(_, _, when), others @ ..] => {
            let others: Vec<&str> = others.iter().map(|(tier, ..)| tier.word()).collect();
            let asked = format!("scheduled backups: {}, {}", short(when, 26), others.join(", "));
            (asked, None)
        }
    };
    match known.backups {
        BackupStatus::NotAllowed => format!("{asked}; unverified: juju trust {app} --scope=cluster"),
        BackupStatus::Unknown => format!("{asked}; unverified: run {LIST_BACKUPS}"),
        BackupStatus::Seen {
            last: Some((last, on_day)),
            verified,
            ..
        } => {
            let Some(verified) = verified else {
                return format!("{asked}; {last}");
            };
            // How long they are kept is in `juju config`, and the minute of the last one in list-backups.
            let begin = in_short.as_ref().unwrap_or(&asked);
            let in_words = [
                format!("{begin}; {last}, {verified}"),
                format!("{begin}; {on_day}, {verified}"),
            ];
            let fits = |whole: &String| whole.chars().count() <= LENGTH;
            let shortest = || {
                let begin = begin.strip_prefix("scheduled ").unwrap_or(begin);
                format!("{begin}; {on_day}, {verified}")
            };
            in_words.into_iter().find(fits).unwrap_or_else(shortest)
        }
        BackupStatus::Seen { last: None, .. } => format!("{asked}; none yet: run {BACKUP_NOW}"),
        BackupStatus::NotAsked => asked,
    }
}

/// That a scale-down takes this unit and its data.
fn goes_first(facts: &Facts) -> Option<String> {
    let is_tracked = facts.data == DataUnit::Here && matches!(facts.peers, Peers::Related(_));
    let stays = last_to_stay(&facts.unit).filter(|_| is_tracked)?;
    Some(format!(
        "scaling down removes this unit's data: {BACKUP_NOW} before, {RESTORE_FROM_BACKUP} on {stays} after"
    ))
}
