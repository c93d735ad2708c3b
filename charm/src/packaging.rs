//! The Juju files of an app's charm, made from its app file: `metadata.yaml`, `config.yaml` and `actions.yaml`.
//!
//! A packed charm is these three, `app.yaml` and the binary as `dispatch`.

use std::path::Path;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::endpoints::{self, Role};
use crate::names::{APP_FILE, image_resource};
use crate::profile::{AppProfile, OptionType, OptionValue, ProfileError};
use crate::{actions, options};

/// Whom Juju runs the charm as: it gives the files of a restored volume back to their owners, and reads those of every owner.
const CHARM_USER: &str = "root";

/// The text of `metadata.yaml`.
///
/// # Errors
/// When the YAML library cannot write it.
pub fn metadata(profile: &AppProfile) -> Result<String, serde_yaml::ser::Error> {
    let name = &profile.name;
    let image = image_resource(profile);
    let mut container = json!({"resource": image});
    let mut metadata = json!({
        "name": name,
        "title": profile.title,
        "summary": profile.summary,
        "description": profile.description,
        "assumes": ["k8s-api", "juju >= 3.6"],
        "charm-user": CHARM_USER,
        "resources": {&image: {
            "type": "oci-image",
            "description": format!("Image of {}", profile.title),
            "upstream-source": profile.workload.image,
        }},
    });
    if let Some(storage) = &profile.storage {
        let holds = match storage.backup {
            true => "what a backup holds",
            false => "it is in no backup",
        };
        container["mounts"] = json!([{"storage": storage.name, "location": storage.location}]);
        metadata["storage"] = json!({&storage.name: {
            "type": "filesystem",
            "description": format!("Configuration and state of {}: {holds}", profile.title),
            "minimum-size": storage.minimum_size,
        }});
    }
    metadata["containers"] = json!({name: container});
    for role in Role::ALL {
        let of_role = endpoints::of(profile).filter(|endpoint| endpoint.role == role);
        let declared: Map<String, Value> = of_role
            .map(|endpoint| (endpoint.name.to_owned(), endpoint.declaration()))
            .collect();
        if !declared.is_empty() {
            metadata[role.key()] = declared.into();
        }
    }
    yaml(&metadata)
}

/// The text of `config.yaml`.
///
/// # Errors
/// When the YAML library cannot write it.
pub fn config(profile: &AppProfile) -> Result<String, serde_yaml::ser::Error> {
    let mut declared: Map<String, Value> = options::common(profile)
        .map(|option| {
            let default = match option.r#type {
                OptionType::String => json!(option.default),
                // As YAML has it.
                OptionType::Int | OptionType::Boolean => {
                    serde_json::from_str(option.default).unwrap_or_default()
                }
            };
            let declaration = json!({
                "type": option.r#type.name(),
                "default": default,
                "description": option.description,
            });
            (option.name.to_owned(), declaration)
        })
        .collect();
    for (name, option) in &profile.options {
        let default = match &option.default {
            OptionValue::Boolean(value) => json!(value),
            OptionValue::Int(value) => json!(value),
            OptionValue::Text(text) => json!(text),
        };
        let mut description = option.description.trim().to_owned();
        if !option.choices.is_empty() {
            let words: Vec<&str> = option.choices.keys().map(String::as_str).collect();
            description.push_str(&format!(" One of: {}.", words.join(", ")));
        }
        let declaration = json!({
            "type": option.r#type.name(),
            "default": default,
            "description": description,
        });
        declared.insert(name.clone(), declaration);
    }
    yaml(&json!({ "options": declared }))
}

/// The text of `actions.yaml`; `None` for an app without actions.
///
/// # Errors
/// When the YAML library cannot write it.
pub fn actions(profile: &AppProfile) -> Result<Option<String>, serde_yaml::ser::Error> {
    let declared: Map<String, Value> = actions::declarations(profile).collect();
    if declared.is_empty() {
        return Ok(None);
    }
    yaml(&declared).map(Some)
}

/// Why a charm folder cannot be laid out.
#[derive(Debug, thiserror::Error)]
pub enum PackagingError {
    /// The app file cannot be used.
    #[error(transparent)]
    Profile(#[from] ProfileError),
    /// A text cannot be written as YAML.
    #[error("cannot write the charm's YAML")]
    Yaml(#[from] serde_yaml::ser::Error),
    /// A file cannot be written.
    #[error("cannot write the charm's files")]
    Write(#[from] std::io::Error),
}

/// Lays out in `dir` what a packed charm of `app_file` holds, with `binary` as `dispatch`.
///
/// # Errors
/// When the app file cannot be used or a file cannot be written.
pub fn write_folder(dir: &Path, app_file: &Path, binary: &Path) -> Result<(), PackagingError> {
    let profile = AppProfile::load(app_file)?;
    std::fs::create_dir_all(dir)?;
    std::fs::write(dir.join("metadata.yaml"), metadata(&profile)?)?;
    std::fs::write(dir.join("config.yaml"), config(&profile)?)?;
    if let Some(actions) = actions(&profile)? {
        std::fs::write(dir.join("actions.yaml"), actions)?;
    }
    std::fs::copy(app_file, dir.join(APP_FILE))?;
    // A copy keeps the binary's mode: it is executable.
    std::fs::copy(binary, dir.join("dispatch"))?;
    Ok(())
}

fn yaml(value: &impl Serialize) -> Result<String, serde_yaml::ser::Error> {
    serde_yaml::to_string(value)
}
