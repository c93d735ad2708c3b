//! What went wrong, as a person reads it: what, why, and what to do next.

use config_recovery::{ClusterError, Error};

/// Who has to do something about it. The exit code of the program says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// What was typed cannot be understood, or was not confirmed.
    Usage,
    /// Juju or the cluster could not be asked, so nothing is known.
    NotAsked,
    /// It was tried, or looked at, and is not well.
    Failed,
    /// It was begun and is not at its end; `configuratarr resume` goes on.
    Unfinished,
}

impl Kind {
    /// The exit code.
    pub const fn code(self) -> u8 {
        match self {
            Self::Failed => 1,
            Self::Usage => 2,
            Self::NotAsked => 3,
            Self::Unfinished => 4,
        }
    }
}

/// What each exit code means.
pub const EXIT_CODES: [(u8, &str); 5] = [
    (0, "done, and all is well"),
    (
        Kind::Failed.code(),
        "it failed, an app was left out, or something that was looked at is not well",
    ),
    (
        Kind::Usage.code(),
        "what was typed cannot be understood, or was not confirmed",
    ),
    (Kind::NotAsked.code(), "Juju or the cluster could not be asked"),
    (
        Kind::Unfinished.code(),
        "begun and not at its end: configuratarr resume",
    ),
];

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Who has to do something.
    pub kind: Kind,
    /// What and why, in one line: "cannot list backups: not allowed: …".
    pub text: String,
    /// What to do: a command, as a rule.
    pub next: Option<String>,
}

impl Problem {
    /// A problem with a next step.
    pub fn new(kind: Kind, text: impl Into<String>, next: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            next: Some(next.into()),
        }
    }

    /// A problem that says all by itself.
    pub fn bare(kind: Kind, text: impl Into<String>) -> Self {
        Self {
            kind,
            text: text.into(),
            next: None,
        }
    }
}

impl From<Error> for Problem {
    /// Of the engine's errors those can come here that reading the cluster and choosing a backup have.
    fn from(error: Error) -> Self {
        let text = error.to_string();
        let (kind, next) = match &error {
            // All that an API server says to a token that it does not take (`Unauthorized` in
            // `staging/src/k8s.io/apiserver/pkg/endpoints/filters/authentication.go` of kubernetes/kubernetes).
            Error::Cluster(ClusterError::NotAllowed { action, reason }) if reason == "Unauthorized" => {
                return Self::new(
                    Kind::NotAsked,
                    format!("cannot {action}: Kubernetes does not accept your login; it may have expired"),
                    "log in to the cluster again, or name another login: --kubeconfig, --context",
                );
            }
            Error::Cluster(ClusterError::NotAllowed { .. }) => (
                Kind::NotAsked,
                Some(
                    "use an account that may: --kubeconfig, --context; kubectl auth can-i --list shows what yours may"
                        .to_owned(),
                ),
            ),
            Error::Cluster(ClusterError::Unreachable { .. }) => (
                Kind::NotAsked,
                Some(
                    "kubectl cluster-info asks it too; another cluster: --kubeconfig, --context".to_owned(),
                ),
            ),
            Error::Cluster(ClusterError::Refused { .. }) => (
                Kind::NotAsked,
                Some("run this again; kubectl get --raw /readyz?verbose tells how the API server is".to_owned()),
            ),
            Error::Cluster(_) => (Kind::NotAsked, error.hint()),
            Error::NoVelero(_) => (
                Kind::NotAsked,
                Some(
                    "deploy velero-operator in this cluster, or point to the one that has it: --context"
                        .to_owned(),
                ),
            ),
            Error::NoBackup { app, .. } | Error::NoGoodBackup { app, .. } => {
                (Kind::Failed, Some(format!("configuratarr backup {app}")))
            }
            Error::OnlySafetyBackups { app, .. } | Error::Foreign { wanted: app, .. } => {
                let app = app.split(' ').next().unwrap_or_default();
                (
                    Kind::Failed,
                    Some(format!("configuratarr backups {app}; then --backup UID")),
                )
            }
            Error::NoneAsOf { .. } => (
                Kind::Failed,
                Some("say a later time, or --backup with one of these uids".to_owned()),
            ),
            Error::Unread(_) => (
                Kind::Failed,
                Some(
                    "try again when it has, or --backup UID; configuratarr backups shows what Velero knows of"
                        .to_owned(),
                ),
            ),
            Error::NoSuchBackup(_) | Error::Unfit { .. } => (
                Kind::Failed,
                Some("configuratarr backups shows which there are".to_owned()),
            ),
            _ => (Kind::Failed, error.hint()),
        };
        Self { kind, text, next }
    }
}

/// Results of this program.
pub type Result<T, E = Problem> = std::result::Result<T, E>;
