//! Makes a backup now, and waits for what comes of it.

mod place;

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Deserialize;
use tokio::time::Instant;
use velero_api::{Backup, BackupPhase, BackupSpec, Meaning, ObjectMeta};

use crate::api::AnyObject;
use crate::backups::names::{APP_LABEL, BEFORE_RESTORE, ENDPOINT_LABEL, MODEL_LABEL};
use crate::backups::{self, AppId, BackupSummary};
use crate::cluster::{Cluster, ClusterError};
use crate::preview::takes_pods;
use crate::report::Reporter;
use crate::shown::shown;
use crate::wait::{self, Poll, Wait};
use crate::{Error, Result, velero};

/// Annotation that velero-operator puts on backups on demand: Unix time in seconds, as text. Its action `list-backups`
/// leaves out backups without annotations.
const CREATED_AT: &str = "created-at";

/// The backup to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MakeSpec {
    /// Whose backup it is.
    pub whose: AppId,
    /// Beginning of the Backup's name; the API server appends five characters.
    pub name_prefix: String,
    /// The namespace that Velero runs in; needed only where several do, and nothing in them tells which one is meant.
    pub velero_namespace: Option<String>,
    /// What is backed up.
    pub spec: BackupSpec,
    /// The Backup's labels.
    pub labels: BTreeMap<String, String>,
}

impl MakeSpec {
    /// The backup that velero-operator's action `create-backup` makes for this application and endpoint: the same labels
    /// and the same kind of name, so that the operator lists it too.
    pub fn on_demand(whose: AppId, endpoint: &str, spec: BackupSpec) -> Self {
        let labels = [
            (APP_LABEL, whose.app.as_str()),
            (ENDPOINT_LABEL, endpoint),
            (MODEL_LABEL, whose.model.as_str()),
        ];
        Self {
            name_prefix: format!("{}-{endpoint}-", whose.app),
            velero_namespace: None,
            labels: labels
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            whose,
            spec,
        }
    }

    /// The same as a safety backup: made before `backup` is restored, of what that replaces.
    #[must_use]
    pub fn before_restore_of(mut self, backup: &BackupSummary) -> Self {
        self.labels.insert(BEFORE_RESTORE.to_owned(), backup.uid.clone());
        self
    }
}

/// Makes a backup, waits for its end and tells what it holds. How it ended is for the caller to judge:
/// [`BackupSummary::verdict`].
///
/// Nothing is made where it would be in vain: without a storage location that can be reached, or, for files, without a
/// node agent; while Velero is being set up they are waited for. A backup that was made is left to Velero when the wait is
/// given up.
///
/// # Errors
/// [`Error::NoVelero`], [`Error::NotMade`], [`Error::Hopeless`], [`Error::TimedOut`], or as [`Cluster::ask`].
pub async fn backup_now(
    cluster: &Cluster,
    make: &MakeSpec,
    reporter: &dyn Reporter,
    deadline: Instant,
) -> Result<BackupSummary> {
    let setting_up = Wait {
        what: "Velero",
        deadline,
        reporter,
    };
    let namespace = place::namespace(cluster, make, setting_up).await?;
    if takes_pods(&make.spec) {
        place::node_agent(cluster, make, &namespace, setting_up).await?;
    }
    let metadata = ObjectMeta {
        generate_name: Some(make.name_prefix.clone()),
        namespace: Some(namespace.clone()),
        labels: make.labels.clone(),
        annotations: BTreeMap::from([(CREATED_AT.to_owned(), Timestamp::now().as_second().to_string())]),
        ..ObjectMeta::default()
    };
    let backup = Backup::new(metadata, make.spec.clone());
    let action = format!("make a backup of {}", make.whose);
    let made: Backup = velero::create::<BackupSpec, _>(cluster, &action, &namespace, &backup).await?;
    let what = format!("backup {namespace}/{}", made.name());
    reporter.note(&format!("made {what}"));

    let backups = velero::api::<BackupSpec>(cluster, Some(&namespace));
    let wait = Wait {
        what: &what,
        deadline,
        reporter,
    };
    let uid = made.metadata.uid.as_deref();
    let ended = wait::for_object(cluster, &backups, made.name(), wait, |backup| {
        judge(&what, uid, backup)
    })
    .await?;
    backups::summary_of(cluster, &ended, &make.whose).await
}

/// Where a Backup stands.
fn judge(what: &str, uid: Option<&str>, backup: Option<&AnyObject>) -> Poll<Backup> {
    let gone = || Error::Hopeless {
        what: what.to_owned(),
        reason: "it was deleted".to_owned(),
        remedy: "make another one".into(),
    };
    let Some(backup) = backup.filter(|backup| backup.metadata.uid.as_deref() == uid) else {
        return Poll::Hopeless(gone());
    };
    let status = &backup.content["status"];
    let phase = BackupPhase::deserialize(&status["phase"]).unwrap_or(BackupPhase::New);
    let word = phase.word();
    match phase.meaning() {
        Meaning::Goes => Poll::Hopeless(gone()),
        Meaning::Good | Meaning::Bad => match Backup::deserialize(&backup.content) {
            Ok(backup) => Poll::Done(backup),
            Err(error) => {
                let reason = shown(&error.to_string());
                Poll::Hopeless(ClusterError::refused(format!("read {what}"), reason).into())
            }
        },
        Meaning::Waits => Poll::Wait(match phase {
            BackupPhase::New => "Velero has not begun it yet".to_owned(),
            _ => format!("{word}: other backups go first"),
        }),
        Meaning::Unknown => Poll::unknown(what, word),
        Meaning::Works => {
            let count = |key: &str| status["progress"][key].as_u64();
            Poll::Wait(match (count("itemsBackedUp"), count("totalItems")) {
                (Some(done), Some(total)) => format!("{word}, {done} of {total} objects"),
                _ => word.to_owned(),
            })
        }
    }
}
