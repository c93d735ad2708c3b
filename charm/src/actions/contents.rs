//! What a backup and the volume hold in the app's own terms, as results of actions.

use config_recovery::backups::{BackupSummary, Choice, Earlier};
use config_volume::Answers;

use super::{Call, Results, Stopped, volume};
use crate::contents::seen::{self, Seen};
use crate::contents::{compare, in_one_line, is_empty};
use crate::recovery::texts::less_than_before;
use crate::recovery::{Examiner, Found, held, own_id};

/// No more settings are named: Juju takes about 100 KB of results.
const SETTINGS: usize = 100;

/// What the volume of this unit holds now; `None` where it cannot be told.
pub fn now(call: Call<'_>) -> Option<Answers> {
    held(call.env.profile, volume(call.facts).ok()?)
}

/// What the look at a restored volume found. It is remembered for `list-backups`.
pub fn found(call: Call<'_>, examiner: Examiner<'_>, backup: &BackupSummary) -> Result<Results, Stopped> {
    let juju = call.env.juju;
    let Some(found) = examiner.found else {
        return Ok(Results::new());
    };
    let results = of_found(&found);
    // The list is of this application's backups.
    if let Some(seen) = found.seen.filter(|_| backup.whose == own_id(juju)) {
        seen::add(juju.context().charm_dir(), seen);
        seen::keep(juju)?;
    }
    Ok(results)
}

/// Tells the person who waits that the newest backup, which nobody has chosen by its uid, holds much less than another one.
pub fn warn_of_less(call: Call<'_>, choice: &Choice, backup: &BackupSummary, earlier: &Earlier) {
    if let Choice::Named(_) = choice {
        return;
    }
    let essential = &call.env.profile.contents().essential;
    let list = seen::read(call.env.juju).unwrap_or_default();
    // What lacks a database that was there before is told by the look at it, and one that never was is nothing to warn of.
    let is_known_empty = seen::of(&list, &own_id(call.env.juju), backup)
        .is_some_and(|seen| seen.lacking.is_empty() && is_empty(essential, &seen.answers()));
    let empty = is_known_empty.then(|| {
        format!(
            "backup {} holds nothing that counts in {}, as after an accident",
            backup.name, call.env.profile.title
        )
    });
    for text in less_than_before(backup, earlier).into_iter().chain(empty) {
        call.say(&format!("warning: {text}"));
    }
}

fn of_found(found: &Found) -> Results {
    let mut results = side_by_side(Some(&found.backup), found.now.as_ref());
    if let Some(settings) = &found.settings {
        let named: Vec<&str> = settings.iter().take(SETTINGS).map(String::as_str).collect();
        let mut text = or_none(&named.join(", "));
        if settings.len() > SETTINGS {
            text.push_str(&format!(" and {} others", settings.len() - SETTINGS));
        }
        results.insert("settings-that-differ".to_owned(), text);
    }
    results
}

/// Of a backup that was not restored: as far as it was seen before.
pub fn of_seen(seen: Option<&Seen>, now: Option<&Answers>) -> Results {
    let backup = seen.map(Seen::answers);
    side_by_side(backup.as_ref(), now)
}

fn side_by_side(backup: Option<&Answers>, now: Option<&Answers>) -> Results {
    let told = |answers: &&Answers| !(answers.given.is_empty() && answers.lacking.is_empty());
    let (backup, now) = (backup.filter(told), now.filter(told));
    let mut results = Results::new();
    for (name, answers) in [("contents", backup), ("contents-now", now)] {
        if let Some(Answers { given, lacking, .. }) = answers {
            results.insert(name.to_owned(), in_one_line(given, lacking));
        }
    }
    if let Some((now, backup)) = now.zip(backup) {
        let differences = compare::differences(now, backup).join("\n");
        results.insert("differences".to_owned(), or_none(&differences));
    }
    results
}

fn or_none(text: &str) -> String {
    match text {
        "" => "none".to_owned(),
        text => text.to_owned(),
    }
}
