//! What the modules and the stub of the juju provider know of the charms: the packed metadata of ours, what is noted of others'.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use serde::Serialize;
use serde_json::Value;

use crate::foreign::{FOREIGN, Foreign};
use crate::reference::{Charm, Charms};

/// Where the modules read it, below the repository's root.
pub const CHARMS: &str = "terraform/app/charms.json";

/// What one charm declares.
#[derive(Debug, Default, Serialize)]
pub struct Declared {
    /// Type of each option.
    options: BTreeMap<String, String>,
    provides: BTreeMap<String, Endpoint>,
    requires: BTreeMap<String, Endpoint>,
    /// Type of each resource.
    resources: BTreeMap<String, String>,
    /// Smallest size of each storage; empty where none is declared.
    storage: BTreeMap<String, String>,
}

#[derive(Debug, Serialize)]
struct Endpoint {
    interface: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
}

impl From<&Charm> for Declared {
    fn from(charm: &Charm) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let of_metadata = |section: &str, key: &str| -> BTreeMap<String, String> {
            let declared = charm.metadata[section].as_object().into_iter().flatten();
            declared
                .map(|(name, value)| (name.clone(), text(&value[key])))
                .collect()
        };
        let mut declared = Self {
            resources: of_metadata("resources", "type"),
            storage: of_metadata("storage", "minimum-size"),
            ..Self::default()
        };
        for (name, option) in &charm.options {
            declared.options.insert(name.clone(), text(&option["type"]));
        }
        for (name, role, value) in charm.endpoints() {
            let endpoint = Endpoint {
                interface: text(&value["interface"]),
                limit: value["limit"].as_u64(),
            };
            let side = match role {
                "provides" => &mut declared.provides,
                _ => &mut declared.requires,
            };
            side.insert(name, endpoint);
        }
        declared
    }
}

impl From<&Foreign> for Declared {
    fn from(foreign: &Foreign) -> Self {
        let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
            let pairs = pairs.iter();
            pairs
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        let mut declared = Self {
            options: owned(foreign.options),
            storage: owned(foreign.storages),
            ..Self::default()
        };
        for (name, interface, provides) in foreign.endpoints {
            let endpoint = Endpoint {
                interface: (*interface).to_owned(),
                limit: foreign.single.contains(name).then_some(1),
            };
            let side = match provides {
                true => &mut declared.provides,
                false => &mut declared.requires,
            };
            side.insert((*name).to_owned(), endpoint);
        }
        declared
    }
}

/// Those of `charm/apps`.
fn own(repository: &Path) -> Result<BTreeMap<String, Declared>> {
    let charms = Charms::read(repository)?;
    let named = charms
        .all
        .iter()
        .map(|charm| (charm.profile.name.clone(), Declared::from(charm)));
    Ok(named.collect())
}

/// The file [`CHARMS`].
///
/// # Errors
/// When an app file cannot be used.
pub fn charms_text(repository: &Path) -> Result<String> {
    Ok(serde_json::to_string_pretty(&own(repository)?)? + "\n")
}

/// All that the stub lets somebody deploy: ours as they are named, and as somebody has published them under a name of their own.
///
/// # Errors
/// As [`charms_text`].
pub fn charmhub(repository: &Path) -> Result<BTreeMap<String, Declared>> {
    let mut all = own(repository)?;
    for (name, declared) in own(repository)? {
        all.insert(format!("my-{name}"), declared);
    }
    for foreign in FOREIGN {
        all.insert(foreign.name.to_owned(), Declared::from(foreign));
    }
    Ok(all)
}
