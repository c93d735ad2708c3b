//! `configuratarr backups`: what there is, and what each really holds.

use config_recovery::backups::BackupSummary;
use jiff::Timestamp;

use super::{Call, Done};
use crate::cluster;
use crate::problem::{Kind, Problem, Result};
use crate::report::{BackupReport, BackupsReport, backups_page};

/// Runs it.
pub async fn run(call: &Call<'_>, apps: &[String], all_models: bool) -> Result<Done> {
    let now = Timestamp::now();
    let cluster = cluster::connect(call.global).await?;
    let all = config_recovery::backups::list(&cluster, None).await?;
    let model = match all_models {
        true => None,
        false => Some(call.model().await?),
    };
    let backups: Vec<BackupSummary> = all
        .into_iter()
        .filter(|backup| model.as_ref().is_none_or(|model| backup.whose.model == *model))
        .filter(|backup| apps.is_empty() || apps.contains(&backup.whose.app))
        .collect();
    let has_none = |app: &&String| !backups.iter().any(|backup| backup.whose.app == **app);
    let missing: Vec<&str> = apps.iter().filter(has_none).map(String::as_str).collect();
    let report = BackupsReport {
        schema: "configuratarr/backups/v1",
        time: now.to_string(),
        backups: backups
            .iter()
            .map(|backup| BackupReport::of(backup, now))
            .collect(),
    };
    if !backups.is_empty() || !call.printer.is_for_people() {
        call.printer
            .data(&report, || backups_page(&backups, all_models, now))?;
    }
    if let Some(app) = missing.first() {
        let model = model.unwrap_or_default();
        return Err(Problem::new(
            Kind::Failed,
            format!("there is no backup of {} in model {model}", missing.join(", ")),
            format!("configuratarr backup {app}; one of another model: --all-models"),
        ));
    }
    if backups.is_empty() {
        call.printer
            .say("there are no backups; configuratarr status shows what is protected");
    }
    Ok(Done::Well)
}
