//! One app as data: what `charm/apps/NAME.yaml` says, read and checked once.
//!
//! Nothing else in the charm knows an app. The packed charm carries its own file as `app.yaml`. The form of the file is
//! `charm/apps/app.schema.json`, which is made from these types by [`crate::schema`].

mod check;
mod config_file;
mod contents;
pub(crate) mod credentials;
mod options;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Deserialize;

pub use config_file::{ConfigFile, CreatedBy, Format, Setting, Settings};
pub use contents::{AppContents, DatabaseContents};
pub use credentials::Credentials;
pub use options::{AppOption, OptionType, OptionValue};
pub use read::ProfileError;

use crate::template::{Place, Template};

/// Everything that differs from app to app.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppProfile {
    /// Charm name; also the name of the workload container and of its Pebble service. Lower-case letters, digits and
    /// dashes, a letter first.
    #[schemars(regex(pattern = "^[a-z][a-z0-9-]*$"))]
    pub name: String,
    /// The app's own name, as people write it.
    pub title: String,
    /// One line for `juju info`.
    pub summary: String,
    /// A paragraph for `juju info`.
    pub description: String,
    /// For an app that nobody should start with any more: why, and what to do. It is in the unit's status.
    #[serde(default)]
    pub deprecated: Option<String>,
    /// The process that runs in the container.
    pub workload: Workload,
    /// The volume that holds the app's configuration and state. Without one nothing is backed up, and every unit runs the
    /// workload.
    #[serde(default)]
    pub storage: Option<ConfigStorage>,
    /// The file in that volume that the charm keeps in order, if the app has one.
    #[serde(default)]
    pub config_file: Option<ConfigFile>,
    /// What clients of the app log in with. The charm keeps it in a Juju secret and in the config file.
    #[serde(default)]
    pub credentials: Option<Credentials>,
    /// Whether the app can answer below a path. With it the charm has the option `url-base`.
    #[serde(default)]
    pub url_base: bool,
    /// Whether the app reads or writes media: the relation media-storage, whose user and group it then runs as.
    #[serde(default)]
    pub media: bool,
    /// Whether people reach the app with a browser: the relation ingress.
    #[serde(default)]
    pub ingress: bool,
    /// Whether an app without `url-base` works all the same where the ingress serves it below a path and takes that off: its pages
    /// ask for nothing by an absolute path. Yes if not given.
    #[serde(default = "yes")]
    pub ingress_below_path: bool,
    /// Whether whoever the app downloads from sees where it comes from: the relation vpn-gateway. The app stays stopped until
    /// its pod goes through a gateway that is connected, or the option `unsafe-mode` says that it may run without.
    #[serde(default)]
    pub vpn: bool,
    /// Commands that are run in the container once, when an option asks for it.
    #[serde(default)]
    pub once: Vec<Once>,
    /// Options of this app, beside those that every app has. In templates: `${option:NAME}`.
    #[serde(default)]
    pub options: BTreeMap<String, AppOption>,
}

/// The process that runs in the container.
#[derive(Debug, Clone, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Workload {
    /// OCI image with a tag.
    pub image: String,
    /// Command line, split like a shell splits it but not run by one (Pebble's rule).
    pub command: String,
    /// Folder it starts in; `/` if not given.
    #[serde(default)]
    pub working_dir: Option<String>,
    /// Environment of the process, beside `TZ`, which follows the option `timezone`. A variable whose value is just an
    /// option that is empty is left out.
    #[serde(default)]
    pub environment: BTreeMap<String, Template>,
    /// Ids that the process runs as, and that own the config volume. Without: root, as the container is.
    #[serde(default)]
    pub user: Option<User>,
    /// TCP port of the web interface.
    #[schemars(range(min = 1))]
    pub port: u16,
    /// Where the app says whether it is well.
    pub health: Health,
    /// Where the image says which version it holds.
    #[serde(default)]
    pub version: Option<VersionFile>,
    /// Files that an unclean stop leaves, or a backup brings, and that keep the process from starting, as absolute paths in the
    /// container: removed before it is started.
    #[serde(default)]
    pub stale_files: Vec<String>,
    /// How many seconds it may take to end before it is killed: what it needs to write its state. Pebble's 5 if not given.
    #[serde(default)]
    #[schemars(range(min = 1, max = 120))]
    pub stop_timeout: Option<u32>,
}

/// Where the app says whether it is well: a GET there is answered with a status from 200 to 299.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Health {
    /// Path, with a query perhaps.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
    /// Whether it lies below the URL base, as most of an app does.
    #[serde(default)]
    pub below_url_base: bool,
}

/// User and group of the workload process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

/// A file of `KEY=VALUE` or `KEY: VALUE` lines in the image, and the key that holds the version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct VersionFile {
    /// Absolute path in the container.
    pub file: String,
    /// Key of the version.
    pub key: String,
}

/// The storage that holds the app's configuration and state.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigStorage {
    /// Storage name in the charm's metadata.
    pub name: String,
    /// Where the workload container mounts it.
    #[schemars(regex(pattern = "^/"))]
    pub location: String,
    /// Smallest size that makes sense, in Juju's form (`1G`).
    #[schemars(regex(pattern = "^[0-9]+[MGT]$"))]
    pub minimum_size: String,
    /// What the app makes again by itself, as paths in the volume: left out of backups.
    #[serde(default)]
    pub caches: Vec<String>,
    /// The SQLite databases that hold the app's state, as paths in the volume. A backup fails unless a sound copy of each is
    /// in it; one that is missing is reported. Any other database that is found is copied too, and if it cannot be, it is
    /// stored as the file it is. So what the app can do without is not named: logs, copies of its own.
    #[serde(default)]
    pub databases: Vec<String>,
    /// What the volume holds, in the app's own terms.
    #[serde(default)]
    pub contents: AppContents,
    /// Whether the content is worth a backup: the relation velero-backup-config, with its options and actions. Yes if not given.
    #[serde(default = "yes")]
    pub backup: bool,
    /// Whether the app can ask for weekly and monthly backups too, by endpoints of their own. No if not given: with them Juju
    /// has to be told which one is meant, `juju integrate APP:velero-backup-config velero-operator`.
    #[serde(default)]
    pub tiers: bool,
    /// Whether only one unit may run the app, since what it writes is one thing. Yes if not given; `false` is for an app whose
    /// units each have a volume of their own that can be made again, and then there is no backup.
    #[serde(default = "yes")]
    pub one_writer: bool,
    /// What makes the app keep its state in a database outside of the volume. Without the database a backup of the volume holds
    /// half of the app, so none is asked for then.
    #[serde(default)]
    pub external_database: ExternalDatabase,
}

fn yes() -> bool {
    true
}

/// What says that the app's database is outside of its volume: any of these that has a value.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ExternalDatabase {
    /// Names of options, each one of `options`. `false` is no value.
    #[serde(default)]
    pub options: Vec<String>,
    /// Places in the config file: sections or objects, then the name.
    #[serde(default)]
    pub settings: Vec<Vec<String>>,
}

/// A command that is run in the container when an option has a value, while the app is well, until the config file shows
/// that it was done.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Once {
    /// Name of the option, one of `options`.
    pub option: String,
    /// Where the config file has a value when it is done: sections or objects, then the name.
    #[schemars(length(min = 1))]
    pub until: Vec<String>,
    /// Executable and arguments; there is no shell.
    #[schemars(length(min = 1))]
    pub command: Vec<Template>,
    /// What the user has to do when the command fails.
    pub next_step: String,
}

impl AppProfile {
    /// Whether there is a volume whose content backups are made of.
    pub fn is_backed_up(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| storage.backup)
    }

    /// What the volume holds in the app's own terms; nothing for an app without one.
    pub fn contents(&self) -> &AppContents {
        static NOTHING: AppContents = AppContents::nothing();
        self.storage
            .as_ref()
            .map_or(&NOTHING, |storage| &storage.contents)
    }

    /// The config file and its path in the volume; `None` for an app without one.
    pub fn config_file_in_volume(&self) -> Option<(&ConfigFile, &Path)> {
        let (file, storage) = self.config_file.as_ref().zip(self.storage.as_ref())?;
        Some((file, Path::new(&file.path).strip_prefix(&storage.location).ok()?))
    }

    /// Whether weekly and monthly backups can be asked for besides.
    pub fn has_tiers(&self) -> bool {
        self.storage
            .as_ref()
            .is_some_and(|storage| storage.backup && storage.tiers)
    }

    /// Whether only one unit runs the app: the one with the data.
    pub fn has_one_writer(&self) -> bool {
        self.storage.as_ref().is_some_and(|storage| storage.one_writer)
    }

    /// Where the config file holds the API key, if the charm manages one.
    pub fn api_key_place(&self) -> Option<Vec<String>> {
        let file = self.config_file.as_ref()?;
        let places = file.values.flat();
        let (path, _) = places
            .into_iter()
            .find(|(_, setting)| matches!(setting, Setting::Text(template) if template.is_api_key()))?;
        Some(path)
    }

    /// Whether the app has to know where the ingress serves it.
    pub fn follows_ingress(&self) -> bool {
        let names_host = |setting: &Setting| match setting {
            Setting::Text(template) => template.places().any(|place| *place == Place::IngressHost),
            Setting::List(templates) => templates
                .iter()
                .flat_map(Template::places)
                .any(|place| *place == Place::IngressHost),
            Setting::Section(_) => false,
        };
        let settings = self.config_file.iter().flat_map(|file| file.values.flat());
        self.ingress && (self.url_base || settings.into_iter().any(|(_, setting)| names_host(setting)))
    }
}

#[cfg(test)]
mod tests;
