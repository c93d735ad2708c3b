//! A refresh that is taken back when the app does not become healthy: what is done, and what can be taken back. Pure.

use std::collections::BTreeMap;

use config_recovery::shown::shown;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Item;
use crate::juju::{Application, Juju, Resource};
use crate::problem::{Kind, Problem};

/// How an app is refreshed, and how that is taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefreshPlan {
    /// What Juju is told.
    pub refresh: Vec<String>,
    /// The charm before it: `radarr-k8s`, or `local:radarr-0`.
    pub charm: String,
    /// Its revision.
    pub revision: i64,
    /// Whether a resource changes too. Then the app may start anew without another revision of the charm.
    pub changes_resources: bool,
    /// What Juju is told to take the charm and its resources back; none where that cannot be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub back: Option<Vec<String>>,
    /// What cannot be taken back, and what would make it possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub cannot: Vec<String>,
    /// So many seconds the app may take to become active.
    pub wait: u64,
}

/// What was typed.
#[derive(Debug, Clone, Default)]
pub struct TypedRefresh {
    /// `--path`.
    pub path: Option<String>,
    /// `--channel`.
    pub channel: Option<String>,
    /// `--revision`.
    pub revision: Option<u32>,
    /// `--resource NAME=VALUE`.
    pub resources: Vec<String>,
    /// `--previous-path`: the file of the charm that is there now.
    pub previous_path: Option<String>,
    /// `--previous-resource NAME=VALUE`: what is there now.
    pub previous_resources: Vec<String>,
}

/// Plans it.
///
/// # Errors
/// What stands in the way, with what to do.
pub fn plan_refresh(
    app: &str,
    found: &Application,
    resources: &[Resource],
    typed: &TypedRefresh,
    wait: u64,
) -> Result<RefreshPlan, Problem> {
    let is_local = found.charm_origin == "local" || found.charm.starts_with("local:");
    if is_local && typed.path.is_none() {
        return Err(Problem::new(
            Kind::Usage,
            format!(
                "the charm of {app} is {}, which comes from a file: there is no newer one to be found",
                shown(&found.charm)
            ),
            format!("name the new one: configuratarr refresh {app} --path FILE"),
        ));
    }
    if typed.path.is_some() && (typed.channel.is_some() || typed.revision.is_some()) {
        return Err(Problem::new(
            Kind::Usage,
            "--path names a charm; it has no channel and no revision",
            "leave out one of them",
        ));
    }
    let new = pairs(&typed.resources)?;
    let old = pairs(&typed.previous_resources)?;
    let mut refresh = vec!["refresh".to_owned(), app.to_owned()];
    let mut add = |flag: &str, value: &str| refresh.extend([flag.to_owned(), value.to_owned()]);
    for (flag, value) in [("--path", &typed.path), ("--channel", &typed.channel)] {
        if let Some(value) = value {
            add(flag, value);
        }
    }
    if let Some(revision) = typed.revision {
        add("--revision", &revision.to_string());
    }
    for resource in &typed.resources {
        add("--resource", resource);
    }
    let (back, cannot) = match back(app, found, is_local, resources, typed, (&new, &old)) {
        Ok(back) => (Some(back), Vec::new()),
        Err(cannot) => (None, cannot),
    };
    Ok(RefreshPlan {
        refresh,
        charm: found.charm.clone(),
        revision: found.charm_rev,
        changes_resources: !new.is_empty(),
        back,
        cannot,
        wait,
    })
}

/// The command that takes charm and resources back, or all that cannot be. It is all or nothing: an older charm with a newer image, or the
/// other way round, is an app that nobody has tried.
fn back(
    app: &str,
    found: &Application,
    is_local: bool,
    resources: &[Resource],
    typed: &TypedRefresh,
    (new, old): (&BTreeMap<String, String>, &BTreeMap<String, String>),
) -> Result<Vec<String>, Vec<String>> {
    // A unit in error takes no charm otherwise, and that is when it is needed.
    let mut back: Vec<String> = ["refresh", app, "--force-units"].map(str::to_owned).into();
    let mut cannot = Vec::new();
    let mut add = |flag: &str, value: String| back.extend([flag.to_owned(), value]);
    match (is_local, &typed.path, &typed.previous_path) {
        (_, _, Some(path)) => add("--path", path.clone()),
        (true, ..) => cannot.push(format!(
            "the charm: {} came from a file that is not named; --previous-path FILE names it",
            shown(&found.charm)
        )),
        // `--switch` takes no revision (`cmd/juju/application/refresh.go` of juju/juju): it would be the newest one.
        (false, Some(_), None) => cannot.push(format!(
            "the charm: from a file Juju goes back to the newest {0} of Charmhub only, and not to revision {1}; juju download {0} \
             --revision {1}, then --previous-path FILE",
            shown(&found.charm),
            found.charm_rev
        )),
        (false, None, None) => {
            add("--revision", found.charm_rev.to_string());
            if typed.channel.is_some() && !found.charm_channel.is_empty() {
                add("--channel", found.charm_channel.clone());
            }
        }
    }
    // Those that Charmhub has go with the charm's revision; Juju keeps an uploaded one until another one is uploaded.
    for resource in resources {
        let name = &resource.name;
        match (old.get(name), resource.origin.as_str()) {
            (Some(value), _) => add("--resource", format!("{name}={value}")),
            (None, "store") => {
                if let Some(revision) = number(&resource.revision) {
                    add("--resource", format!("{name}={revision}"));
                }
            }
            (None, _) if new.contains_key(name) => cannot.push(format!(
                "resource {}: what is there now was uploaded, and Juju does not give it back; --previous-resource {}=VALUE names it",
                shown(name),
                shown(name)
            )),
            (None, _) => {}
        }
    }
    for (name, value) in old
        .iter()
        .filter(|(name, _)| !resources.iter().any(|known| known.name == **name))
    {
        add("--resource", format!("{name}={value}"));
    }
    let known =
        |name: &String| old.contains_key(name) || resources.iter().any(|resource| resource.name == *name);
    for name in new.keys().filter(|name| !known(name)) {
        cannot.push(format!(
            "resource {}: Juju does not say what is there now; --previous-resource {}=VALUE names it",
            shown(name),
            shown(name)
        ));
    }
    match cannot.is_empty() {
        true => Ok(back),
        false => Err(cannot),
    }
}

/// A revision, which one release of Juju writes as a text.
fn number(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| value.as_str()?.parse().ok())
}

fn pairs(typed: &[String]) -> Result<BTreeMap<String, String>, Problem> {
    let pair = |pair: &String| {
        let (name, value) = pair
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| {
                Problem::new(
                    Kind::Usage,
                    format!("{} is no NAME=VALUE", shown(pair)),
                    "--resource NAME=FILE-OR-IMAGE",
                )
            })?;
        Ok((name.to_owned(), value.to_owned()))
    };
    typed.iter().map(pair).collect()
}

impl RefreshPlan {
    /// What a person types to do the same.
    pub fn by_hand(&self, item: &Item, juju: &Juju) -> Vec<String> {
        let run = |action: &str, uid: bool| {
            let uid = uid.then(|| ("backup-uid".to_owned(), "UID".to_owned()));
            juju.command(&Juju::run_arguments(
                &item.unit,
                action,
                &uid.into_iter().collect(),
            ))
        };
        let mut lines = vec![
            format!("{}  # prints UID", run("backup-now", false)),
            run("verify-backup", true),
            juju.command(&self.refresh),
        ];
        lines.push(format!("If {} is not active {} s after it:", item.app, self.wait));
        match &self.back {
            Some(back) => {
                lines.push(juju.command(back));
                lines.push(run("restore-from-backup", true));
            }
            None => lines.push(
                "nothing: charm and content belong together, and the charm cannot be taken back".to_owned(),
            ),
        }
        lines
    }
}

#[cfg(test)]
#[path = "refresh_tests.rs"]
mod tests;
