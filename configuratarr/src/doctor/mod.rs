//! Whether all is there that a backup and a restore need: a table of checks, each a function of what was seen. Pure but for
//! [`look`], which reads everything before, in as many requests for a hundred apps as for one.

mod app;
mod cluster;
mod seen;
#[cfg(test)]
mod tests;

use config_recovery::ClusterError;

use crate::fleet::App;
use crate::problem::Problem;
pub use seen::{InCluster, InJuju, Seen, look};

/// What a check found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// As it should be.
    Ok,
    /// It may get bad, or some of it does not work.
    Warn,
    /// A backup or a restore would not do what one expects.
    Fail,
    /// It could not be looked at.
    NotChecked,
}

/// What a check found, why it says so, and what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How it is.
    pub state: State,
    /// Why, or what was seen.
    pub why: String,
    /// What to do: a command, as a rule.
    pub fix: Option<String>,
}

impl Finding {
    fn ok(why: impl Into<String>) -> Self {
        Self {
            state: State::Ok,
            why: why.into(),
            fix: None,
        }
    }

    fn warn(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Warn,
            why: why.into(),
            fix: Some(fix.into()),
        }
    }

    fn fail(why: impl Into<String>, fix: impl Into<String>) -> Self {
        Self {
            state: State::Fail,
            why: why.into(),
            fix: Some(fix.into()),
        }
    }

    fn not_checked(why: impl Into<String>, fix: Option<String>) -> Self {
        Self {
            state: State::NotChecked,
            why: why.into(),
            fix,
        }
    }
}

/// Neither ok nor a failure.
impl From<&ClusterError> for Finding {
    fn from(error: &ClusterError) -> Self {
        let problem = Problem::from(config_recovery::Error::from(error.clone()));
        Self::not_checked(problem.text, problem.next)
    }
}

/// A check. One that does not apply finds nothing.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    /// Its name, which does not change.
    pub name: &'static str,
    /// What it looks at.
    pub look: Look,
}

/// What a check looks at: once, or for each app.
#[derive(Debug, Clone, Copy)]
pub enum Look {
    /// What Juju says.
    Juju(fn(&Seen, &InJuju) -> Vec<Finding>),
    /// What the cluster says.
    Cluster(fn(&Seen, &InCluster) -> Vec<Finding>),
    /// What Juju says of each app.
    AppInJuju(fn(&Seen, &InJuju, &App) -> Vec<Finding>),
    /// What the cluster says of each app.
    AppInCluster(fn(&Seen, &InCluster, &App) -> Vec<Finding>),
}

const fn check(name: &'static str, look: Look) -> Check {
    Check { name, look }
}

/// All checks, in the order in which they are shown: what has to be right first stands first.
pub const CHECKS: &[Check] = &[
    check("juju", Look::Juju(cluster::juju)),
    check("clock", Look::Cluster(cluster::clock)),
    check("velero", Look::Cluster(cluster::velero)),
    check("definitions", Look::Cluster(cluster::definitions)),
    check("storage-location", Look::Cluster(cluster::storage_location)),
    check("repository-password", Look::Cluster(cluster::repository_password)),
    check("snapshots", Look::Cluster(cluster::snapshots)),
    check("load-concurrency", Look::Cluster(cluster::load_concurrency)),
    check("status", Look::AppInJuju(app::status)),
    check("relation", Look::AppInJuju(app::relation)),
    check("trust", Look::AppInCluster(app::trust)),
    check("volume", Look::AppInCluster(app::volume)),
    check("node-agent", Look::AppInCluster(app::node_agent)),
    check("contents", Look::AppInCluster(app::contents)),
    check("schedule", Look::AppInCluster(app::schedule)),
    check("backups", Look::AppInCluster(app::backups)),
];

/// A finding of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The check.
    pub name: &'static str,
    /// The app that it is about; `None` for what is about all of them.
    pub app: Option<String>,
    /// What it found.
    pub finding: Finding,
}

/// What all checks find: those about everything first, then app by app. Where a side could not be asked, each of its checks says so
/// once and not for each app.
pub fn examine(seen: &Seen) -> Vec<Checked> {
    let mut all = Vec::new();
    let mut add = |name, app: Option<&App>, findings: Vec<Finding>| {
        all.extend(findings.into_iter().map(|finding| Checked {
            name,
            app: app.map(|app| app.id.app.clone()),
            finding,
        }));
    };
    let no_juju = || vec![Finding::not_checked("Juju could not be asked", None)];
    let no_cluster = || vec![Finding::not_checked("the cluster could not be asked", None)];
    for check in CHECKS {
        match (check.look, &seen.juju, &seen.cluster) {
            (Look::Juju(look), Ok(juju), _) => add(check.name, None, look(seen, juju)),
            (Look::Cluster(look), _, Ok(cluster)) => add(check.name, None, look(seen, cluster)),
            (Look::Juju(_) | Look::AppInJuju(_), Err(_), _) => add(check.name, None, no_juju()),
            (Look::Cluster(_) | Look::AppInCluster(_), _, Err(_)) => add(check.name, None, no_cluster()),
            (Look::AppInJuju(_), Ok(_), _) | (Look::AppInCluster(_), _, Ok(_)) => {}
        }
    }
    for app in &seen.apps {
        for check in CHECKS {
            match (check.look, &seen.juju, &seen.cluster) {
                (Look::AppInJuju(look), Ok(juju), _) => add(check.name, Some(app), look(seen, juju, app)),
                (Look::AppInCluster(look), _, Ok(cluster)) => {
                    add(check.name, Some(app), look(seen, cluster, app));
                }
                _ => {}
            }
        }
    }
    all
}

/// So many backups, in words.
fn counted(backups: usize) -> String {
    match backups {
        0 => "no backup".to_owned(),
        1 => "1 backup".to_owned(),
        many => format!("{many} backups"),
    }
}
