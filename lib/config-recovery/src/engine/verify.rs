//! A test restore: everything up to the check, and nothing of the app is touched.

use std::fs;
use std::future::Future;
use std::time::Instant;

use super::beside::{Beside, InCluster};
use super::check::{Brought, check};
use super::room::Disk;
use super::{App, CheckedBackup, VerifyPlan};
use crate::cluster::Cluster;
use crate::journal::Step;
use crate::report::Reporter;
use crate::scratch::Until;
use crate::{Error, Result};

/// Brings the backup of `plan` back beside the app, checks it, and removes it again, whatever came of it.
///
/// # Errors
/// [`Error::Damaged`] when the bytes are not what was backed up; else what stood in the way.
pub async fn verify(
    cluster: &Cluster,
    plan: &VerifyPlan,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<CheckedBackup> {
    verify_beside(InCluster::new(cluster, &plan.scratch), plan, app, reporter).await
}

/// As [`verify`], with another place for the backup than one in the cluster.
#[doc(hidden)]
pub async fn verify_beside(
    mut beside: impl Beside,
    plan: &VerifyPlan,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<CheckedBackup> {
    let began = Instant::now();
    let mut outcome = in_time(plan, bring_and_check(&mut beside, plan, began, app, reporter)).await;
    reporter.begins(Step::Clean);
    let emptied = empty(plan);
    let removed = beside.remove(until(&outcome)).await;
    // The thread that wrote files when the time was over has heard of it by now.
    let emptied = emptied.and_then(|()| empty(plan));
    match &mut outcome {
        // What went wrong first is what counts.
        Err(_) => {
            for error in [emptied, removed].into_iter().filter_map(Result::err) {
                reporter.note(&error.to_string());
            }
        }
        Ok(checked) => {
            emptied.and(removed)?;
            checked.took = began.elapsed();
            reporter.ended(Step::Clean);
        }
    }
    outcome
}

/// Gives the work up when its time is over. What it was doing is dropped; a check of files that has begun is carried to its end.
async fn in_time<T>(plan: &VerifyPlan, work: impl Future<Output = Result<T>>) -> Result<T> {
    let Some(limit) = plan.limit else {
        return work.await;
    };
    tokio::time::timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::TimedOut {
            what: format!("the test restore of backup {}", plan.backup().name),
            seen: "it was under way".to_owned(),
            after: limit,
        })
    })
}

/// After a run that went wrong nothing may be left at all, not even what is ending.
fn until<T>(outcome: &Result<T>) -> Until {
    match outcome {
        Ok(_) => Until::Empty,
        Err(_) => Until::Gone,
    }
}

async fn bring_and_check(
    beside: &mut impl Beside,
    plan: &VerifyPlan,
    since: Instant,
    app: &mut dyn App,
    reporter: &dyn Reporter,
) -> Result<CheckedBackup> {
    empty(plan)?;
    beside.make(reporter).await?;
    let velero_took = beside.restore_bytes(reporter).await?;
    reporter.begins(Step::Transfer);
    fs::create_dir_all(&plan.folder).map_err(|error| Error::Transfer(error.to_string()))?;
    let limits = Disk::Node.limits(&plan.folder)?;
    let unpacked = beside.unpack_into(&plan.folder, &limits, reporter).await;
    let unpacked = unpacked.map_err(|error| Disk::Node.told(&plan.folder, error))?;
    beside.let_go().await?;
    reporter.ended(Step::Transfer);
    reporter.begins(Step::Check);
    let brought = Brought {
        backup: &plan.scratch.backup,
        bytes: unpacked.bytes,
        since,
    };
    let soundness = check(beside, &plan.folder, brought, app, reporter).await?;
    reporter.ended(Step::Check);
    Ok(CheckedBackup {
        backup: plan.scratch.backup.clone(),
        files: unpacked.files,
        bytes: soundness.bytes,
        databases: soundness.databases,
        promised: soundness.promised,
        notes: soundness.notes,
        velero_took,
        took: std::time::Duration::ZERO,
    })
}

fn empty(plan: &VerifyPlan) -> Result<()> {
    super::restore::empty(&plan.folder)
        .map_err(|error| Error::Transfer(format!("cannot empty {}: {error}", plan.folder.display())))
}
