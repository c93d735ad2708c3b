//! Whether the config file still has the credentials that the secret holds, without reading the secret.
//!
//! For each hook that reads a secret Juju makes a service account in the model's namespace and leaves it there (seen on Juju
//! 4.0.14: 115 after an afternoon), and update-status comes every five minutes for ever. So the unit remembers a salted digest
//! of the credentials that it saw in the secret and in the config file alike. While the file has credentials of that digest,
//! and no event says that the secret is another, there is nothing to compare.
//!
//! What is remembered lies beside the charm's folder, in the pod's own disk: a new pod knows nothing and reads the secret. A
//! leader that gives the secret another content forgets it, and tells the unit that runs the app by the count of rotations in
//! the peer relation, which is part of the digest. The digest is no way to the credentials: those that the charm makes are
//! random, of 128 bits and more, and whoever can read the digest can read the config file.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::config_file;
use crate::credentials::{Credentials, random};
use crate::digest::{hex, sha256};
use crate::profile::{AppProfile, Setting};
use crate::template::{Place, Template};
use crate::unit_file;

/// The file's name, in the folder of the unit's agent.
const FILE: &str = "credentials-seen";

/// What this unit remembers of the credentials.
#[derive(Debug)]
pub struct CredentialsSeen {
    path: PathBuf,
    rotations: u64,
}

impl CredentialsSeen {
    /// What the unit with this charm folder remembers, as far as it is of the time since the last of so many rotations.
    pub fn beside(charm_dir: &Path, rotations: u64) -> Self {
        Self {
            path: unit_file::path(charm_dir, FILE),
            rotations,
        }
    }

    /// Forgets everything: the secret is read next time. To be called before its content changes.
    pub fn forget(charm_dir: &Path) {
        remove(&unit_file::path(charm_dir, FILE));
    }

    /// The credentials in the config file, if they are those that the secret had when it was last read. Only what the app file
    /// fills in somewhere is among them.
    pub fn recall(&self, profile: &AppProfile, config_file: &[u8]) -> Option<Credentials> {
        let values = values_in(profile, config_file)?;
        let remembered = fs::read_to_string(&self.path).ok()?;
        let (salt, _) = remembered.split_once(' ')?;
        (remembered == self.line(salt, &values)).then(|| Credentials::as_in_secret(values))
    }

    /// Remembers the credentials of the secret, which was just read, if the config file has the same. Else forgets what was.
    pub fn note(&self, profile: &AppProfile, config_file: Option<&[u8]>, secret: &Credentials) {
        let values = config_file.and_then(|content| values_in(profile, content));
        let same = |values: &BTreeMap<String, String>| {
            let mut values = values.iter();
            values.all(|(key, value)| secret.expose(key) == Some(value))
        };
        match values.filter(same) {
            Some(values) => {
                if config_file.is_some_and(|content| self.recall(profile, content).is_some()) {
                    return;
                }
                // Without it the secret is read again, and that is all.
                if let Err(error) = self.remember(&values) {
                    log::debug!("what is known of the credentials cannot be kept: {error}");
                }
            }
            None => remove(&self.path),
        }
    }

    fn remember(&self, values: &BTreeMap<String, String>) -> io::Result<()> {
        let salt = random::<16>().map_err(io::Error::other)?;
        unit_file::write(&self.path, self.line(&hex(&salt), values).as_bytes())
    }

    /// Salt and digest, as they are kept.
    fn line(&self, salt: &str, values: &BTreeMap<String, String>) -> String {
        let mut told = salt.as_bytes().to_vec();
        told.extend(self.rotations.to_be_bytes());
        for text in values.iter().flat_map(|(key, value)| [key, value]) {
            told.extend(text.len().to_be_bytes());
            told.extend(text.as_bytes());
        }
        format!("{salt} {}\n", hex(&sha256(told)))
    }
}

fn remove(path: &Path) {
    if let Err(error) = unit_file::remove(path) {
        log::warn!("what is known of the credentials cannot be removed: {error}");
    }
}

/// The credentials in a config file by their names; `None` if one that the app file fills in somewhere cannot be found there.
fn values_in(profile: &AppProfile, content: &[u8]) -> Option<BTreeMap<String, String>> {
    let file = profile.config_file.as_ref()?;
    let is_secret = |template: &&Template| template.places().any(Place::is_secret);
    let mut values = BTreeMap::new();
    for (path, setting) in file.values.flat() {
        match setting {
            Setting::Text(template) if is_secret(&template) => {
                let text = config_file::value(file, content, &path)?;
                let (name, value) = template.filled_in(&text)?;
                // Two places that differ are not both as they should be.
                if values
                    .insert(name, value.clone())
                    .is_some_and(|other| other != value)
                {
                    return None;
                }
            }
            Setting::List(templates) if templates.iter().any(|template| is_secret(&template)) => return None,
            _ => {}
        }
    }
    let mut elsewhere = profile.once.iter().flat_map(|once| &once.command);
    let known: BTreeSet<&str> = values.keys().map(String::as_str).collect();
    let all_known = elsewhere.all(|template| {
        let mut secrets = template.places().filter(|place| place.is_secret());
        secrets.all(|place| known.contains(&*place.name()))
    });
    (all_known && !known.is_empty()).then_some(values)
}
