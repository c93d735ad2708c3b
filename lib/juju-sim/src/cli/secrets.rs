//! `juju secrets` and `juju show-secret`.

use std::collections::BTreeMap;

use base64::Engine as _;
use juju_hook_tools::model::{Secret, SecretOwner};
use serde::Serialize;

use super::output::{print, table, write};
use super::verbs::{Format, Output};
use crate::error::{Error, Result};
use crate::simulation::Simulation;

#[derive(Debug, Serialize)]
struct Shown {
    revision: u32,
    owner: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    label: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Content>,
}

/// Juju's own key is capitalised.
#[derive(Debug, Serialize)]
struct Content {
    #[serde(rename = "Data")]
    data: BTreeMap<String, String>,
}

fn owner(secret: &Secret) -> String {
    match &secret.owner {
        SecretOwner::Application(name) | SecretOwner::Unit(name) => name.clone(),
        SecretOwner::Model => "<model>".to_owned(),
    }
}

fn shown(secret: &Secret, reveal: bool) -> Shown {
    let latest = secret.revisions.get(&secret.latest()).filter(|_| reveal);
    let content = latest.map(|revision| {
        let decode = |text: &String| {
            base64::engine::general_purpose::STANDARD
                .decode(text)
                .unwrap_or_default()
        };
        let text = |value: &String| String::from_utf8_lossy(&decode(value)).into_owned();
        Content {
            data: revision
                .content
                .iter()
                .map(|(key, value)| (key.clone(), text(value)))
                .collect(),
        }
    });
    Shown {
        revision: secret.latest(),
        owner: owner(secret),
        description: secret.description.clone(),
        label: secret.label.clone(),
        content,
    }
}

/// All secrets, without their content.
pub(crate) fn list(simulation: &Simulation, output: &Output) -> Result<()> {
    let secrets = &simulation.model().secrets;
    match output.format.unwrap_or(Format::Tabular) {
        Format::Tabular | Format::Plain => {
            let mut rows = vec![["ID", "Name", "Owner", "Revision"].map(str::to_owned).to_vec()];
            rows.extend(secrets.values().map(|secret| {
                vec![
                    secret.id.clone(),
                    secret.label.clone(),
                    owner(secret),
                    secret.latest().to_string(),
                ]
            }));
            write(&table(&rows))
        }
        format => print(
            &secrets
                .iter()
                .map(|(id, secret)| (id, shown(secret, false)))
                .collect::<BTreeMap<_, _>>(),
            format,
        ),
    }
}

/// One secret, by its id or label.
pub(crate) fn show(simulation: &Simulation, named: &str, reveal: bool, output: &Output) -> Result<()> {
    let wanted = named.trim_start_matches("secret:");
    let mut secrets = simulation.model().secrets.values();
    let secret = secrets.find(|secret| secret.id == wanted || secret.label == wanted);
    let secret = secret.ok_or_else(|| Error::refused(format!("secret {named:?} not found")))?;
    print(
        &BTreeMap::from([(&secret.id, shown(secret, reveal))]),
        output.format.unwrap_or(Format::Yaml),
    )
}

/// `KEY=VALUE` arguments as a secret's content.
pub(crate) fn content(arguments: &[String]) -> Result<BTreeMap<String, String>> {
    let mut content = BTreeMap::new();
    for (key, value) in super::pairs::pairs(arguments)? {
        match key.strip_suffix("#file") {
            Some(key) => {
                let text = std::fs::read_to_string(&value).map_err(Error::io("read", &value))?;
                content.insert(key.to_owned(), text);
            }
            None => _ = content.insert(key, value),
        }
    }
    Ok(content)
}
