//! The action `list-backups`.

use config_recovery::backups::{AppId, BackupSummary, last_good};
use config_recovery::engine;
use config_recovery::words::{age, columns, size, time};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Call, Results, Stopped, declared, volume};
use crate::contents::in_one_line;
use crate::contents::record::VERSION;
use crate::contents::seen::{self, List};
use crate::options::RESTORE_ON_DEPLOY;
use crate::recovery::own_id;

/// Juju takes about 100 KB of results.
const TOLD: usize = 50;

/// The action's entry in `actions.yaml`.
pub fn declaration() -> Value {
    declared(
        "Lists the app's backups, newest first, with what each really holds. Changes nothing. Runs on the unit with the data; needs \
         trust. Results: `table` to read; `count`; `latest-good`: uid of the newest good backup that is no safety backup, if any; for \
         each of the newest 50, as `backups.UID.`: `name`, `started`, `age`, `phase` (Velero's word), `verdict` (good, DAMAGED, running, \
         EMPTY, PARTIAL, FAILED, expired), `bytes` of the config volume (absent for snapshots), `schedule` that made it, `expires`, \
         `before-restore` for a safety backup: uid of the backup whose restore it was made before, `contents` in the app's terms and \
         the app's `version`, where this unit has seen them, `proven` (comes back, DAMAGED), `proven-at` and `proven-says` where it was \
         restored and compared in this cluster, and `velero-errors`, if any; `restore-on-deploy`: outcome of that option; `kept-by-hand`: where a restore by hand keeps the previous \
         content, which no backup of files holds. EMPTY: Completed for Velero, but no content.",
        json!({}),
        &[],
    )
}

/// Runs the action.
pub fn run(call: Call<'_>) -> Result<Results, Stopped> {
    let whose = own_id(call.env.juju);
    let backups = call.env.recovery.list(&whose)?;
    let seen = seen::read(call.env.juju)?;
    let mut results = results(&backups, &seen, &whose, Timestamp::now());
    // No backup holds it, and on the volume it is in the way of the next one.
    if let Ok(volume) = volume(call.facts) {
        let by_hand = match (engine::exchanged_by_hand(volume), engine::kept_by_hand(volume)) {
            (Some(next), _) => Some(format!("the content is being exchanged {next}")),
            (None, Some(folder)) => {
                let folder = folder.display();
                Some(format!(
                    "a restore by hand keeps the previous content in {folder}; when the app is healthy: juju ssh {} rm -r {folder}",
                    call.facts.unit
                ))
            }
            (None, None) => None,
        };
        results.extend(by_hand.map(|text| ("kept-by-hand".to_owned(), text)));
    }
    let remembered = &call.facts.remembered;
    // What holds the app back comes before what was done once.
    if let Some(news) = remembered.damaged.as_ref().or(remembered.news.as_ref()) {
        let text = format!("{}: {}", time(news.at), news.text);
        results.insert(RESTORE_ON_DEPLOY.name().to_owned(), text);
    }
    Ok(results)
}

/// The results of the action.
fn results(backups: &[BackupSummary], seen: &List, whose: &AppId, now: Timestamp) -> Results {
    let mut results = Results::from([
        ("count".to_owned(), backups.len().to_string()),
        ("table".to_owned(), table(backups, seen, whose, now)),
    ]);
    if let Some(good) = last_good(backups, whose, now) {
        results.insert("latest-good".to_owned(), good.uid);
    }
    for backup in backups.iter().take(TOLD).filter(|backup| is_key(&backup.uid)) {
        let mut entry = |key: &str, value: String| {
            results.insert(format!("backups.{}.{key}", backup.uid), value);
        };
        entry("name", backup.name.clone());
        entry("phase", backup.phase_word());
        entry("verdict", backup.verdict(now).to_string());
        if let Some(started) = backup.started {
            entry("started", started.to_string());
            entry("age", age(started, now));
        }
        if let Some(bytes) = backup.holds.bytes() {
            entry("bytes", bytes.to_string());
        }
        if let Some(schedule) = &backup.schedule {
            entry("schedule", schedule.clone());
        }
        if let Some(restored) = &backup.before_restore {
            entry("before-restore", restored.clone());
        }
        if let Some(expires) = backup.expires {
            entry("expires", expires.to_string());
        }
        if let Some(seen) = seen::of(seen, whose, backup) {
            let contents = in_one_line(&seen.answers, &seen.lacking);
            if !contents.is_empty() {
                entry("contents", contents);
            }
            if let Some(version) = seen.about.get(VERSION) {
                entry("version", version.clone());
            }
        }
        if let Some(proof) = &backup.proof {
            entry("proven", proof.outcome.word().to_owned());
            entry("proven-at", proof.at.to_string());
            if let Some(says) = proof.outcome.says() {
                entry("proven-says", says.to_owned());
            }
        }
        if !backup.complaints.is_empty() {
            entry("velero-errors", backup.complaints.join("; "));
        }
    }
    results
}

/// Juju takes lower-case letters, digits and dashes in a key.
fn is_key(uid: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    uid.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && uid.bytes().next().is_some_and(is_plain)
        && uid.bytes().last().is_some_and(is_plain)
}

fn table(backups: &[BackupSummary], seen: &List, whose: &AppId, now: Timestamp) -> String {
    if backups.is_empty() {
        return format!("there is no backup of {whose}; run backup-now");
    }
    let is_known = backups
        .iter()
        .take(TOLD)
        .any(|backup| seen::of(seen, whose, backup).is_some());
    let header = [
        "STARTED", "AGE", "VERDICT", "PROVEN", "SIZE", "PURPOSE", "EXPIRES", "UID", "NAME", "CONTENTS",
    ];
    let mut rows = vec![header.map(str::to_owned)];
    rows.extend(backups.iter().take(TOLD).map(|backup| {
        [
            backup.started.map_or_else(|| "-".to_owned(), time),
            backup
                .started
                .map_or_else(|| "-".to_owned(), |started| age(started, now)),
            backup.verdict(now).to_string(),
            backup
                .proof
                .as_ref()
                .map_or_else(|| "-".to_owned(), |proof| proof.outcome.word().to_owned()),
            backup.holds.bytes().map_or_else(|| "snapshot".to_owned(), size),
            match &backup.before_restore {
                Some(_) => "safety".to_owned(),
                None => "-".to_owned(),
            },
            backup.expires.map_or_else(|| "-".to_owned(), time),
            backup.uid.clone(),
            backup.name.clone(),
            seen::of(seen, whose, backup)
                .map_or_else(String::new, |seen| in_one_line(&seen.answers, &seen.lacking)),
        ]
    }));
    if !is_known && let Some([.., contents]) = rows.first_mut() {
        contents.clear();
    }
    let mut lines = columns(&rows);
    if backups.len() > TOLD {
        lines.push(format!("and {} older ones", backups.len() - TOLD));
    }
    lines.join("\n")
}
