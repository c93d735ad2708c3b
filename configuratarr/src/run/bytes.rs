//! How many bytes Velero has moved for each app of a run.

use config_recovery::backups::AppId;
use config_recovery::overview::{Progress as Bytes, moving_backups, moving_restores};
use config_recovery::scratch::Purpose;

use super::{Follow, Journal, Progress, Show, Step};
use crate::plan::Job;

/// What Velero is asked about.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Moving {
    Backup,
    Restore(Purpose),
}

/// What moves bytes of an item that is so far.
fn moving(job: Job, progress: &Progress) -> Option<Moving> {
    let by_step = |step: &Step| match step {
        Step::Backup => Some(Moving::Backup),
        Step::Verify => Some(Moving::Restore(Purpose::Verify)),
        Step::Restore | Step::RestoreData => Some(Moving::Restore(Purpose::Restore)),
        _ => None,
    };
    match (job, progress) {
        (_, progress) if progress.is_over() => None,
        (_, Progress::Working { step, .. }) => by_step(step),
        (Job::Backup, _) => Some(Moving::Backup),
        (Job::Verify, _) => Some(Moving::Restore(Purpose::Verify)),
        (Job::Restore, _) => Some(Moving::Restore(Purpose::Restore)),
        _ => None,
    }
}

/// Tells how many bytes are there, and gives them back by item. That the cluster does not answer is no news: Juju tells how it goes on.
pub(super) async fn tell_bytes(
    journal: &Journal,
    how: &Follow<'_>,
    show: &mut dyn Show,
) -> Vec<(usize, Bytes)> {
    let run = journal.run();
    let items = run.plan.items.iter().zip(&run.progress).enumerate();
    let wanted: Vec<_> = items
        .filter_map(|(number, (item, progress))| Some((number, item, moving(run.plan.job, progress)?)))
        .collect();
    let Some(cluster) = how.cluster else {
        return Vec::new();
    };
    let backups = match wanted.iter().any(|(_, _, moving)| *moving == Moving::Backup) {
        true => moving_backups(cluster).await.unwrap_or_default(),
        false => Default::default(),
    };
    let restores = match wanted.iter().any(|(_, _, moving)| *moving != Moving::Backup) {
        true => moving_restores(cluster).await.unwrap_or_default(),
        false => Vec::new(),
    };
    let mut told = Vec::new();
    for (number, item, moving) in wanted {
        let found = match moving {
            Moving::Backup => {
                let pod = item.unit.replace('/', "-");
                backups.get(&(run.plan.model.clone(), pod)).copied()
            }
            Moving::Restore(purpose) => {
                let whose = AppId {
                    app: item.app.clone(),
                    model: run.plan.model.clone(),
                };
                let mut of_app = restores.iter();
                of_app
                    .find(|restore| restore.is_of(&whose, purpose))
                    .map(|restore| restore.progress)
            }
        };
        if let Some(bytes) = found {
            show.bytes(number, bytes);
            told.push((number, bytes));
        }
    }
    told
}
