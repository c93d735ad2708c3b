//! The charm's options: declared once, so that `config.yaml` and what the charm reads cannot differ.
//!
//! Some every app has, if it has what they are about; others are the app's own and stand in its app file.

use std::collections::BTreeMap;

use juju_charm::{Config, Error};

use crate::profile::{AppProfile, OptionType, OptionValue};

/// An option that does not come from the app file. All of these are strings: what is inside is judged by [`crate::steps::validate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OptionDeclaration {
    /// Name, as in `juju config APP NAME=VALUE`.
    pub name: &'static str,
    /// Value when the user sets none.
    pub default: &'static str,
    /// What `juju config` shows.
    pub description: &'static str,
}

/// When backups are made.
pub const BACKUP_SCHEDULE: OptionDeclaration = OptionDeclaration {
    name: "backup-schedule",
    default: "daily",
    description: "When backups are made, in UTC. `daily` is a minute between 01:00 and 05:00 that follows from model and app, \
so that many apps do not start at once. Otherwise what Velero takes: five cron fields (`0 3 * * *`), `@daily`, `@every 6h`, \
optionally with a zone in front (`TZ=Europe/Berlin 0 3 * * *`). At most one run in ten minutes. Empty: no scheduled backups.",
};

/// How long backups are kept.
pub const BACKUP_RETENTION: OptionDeclaration = OptionDeclaration {
    name: "backup-retention",
    default: "720h",
    description: "How long each backup is kept, as a duration of hours, minutes and seconds (`720h` is 30 days; there is no unit for days).",
};

/// How the volume's bytes are saved.
pub const BACKUP_METHOD: OptionDeclaration = OptionDeclaration {
    name: "backup-method",
    default: "auto",
    description: "How the config volume is saved. `filesystem`: Velero's node agent copies its files. `snapshot`: the volume's \
driver makes a snapshot. `auto`: filesystem.",
};

/// Whether the app is brought back before it first runs.
pub const RESTORE_ON_DEPLOY: OptionDeclaration = OptionDeclaration {
    name: "restore-on-deploy",
    default: "none",
    description: "What an app whose config volume holds nothing is brought back from before it first runs: `none`, `latest` \
(the newest good backup of an app of this name in a model of this name), or a backup's uid or name. Needs --trust. Without any backup the app starts \
fresh; as long as a backup cannot be brought back for another reason it does not start. Never used on a volume that holds anything.",
};

/// How often new credentials are made.
pub const CREDENTIAL_ROTATION: OptionDeclaration = OptionDeclaration {
    name: "credential-rotation",
    default: "",
    description: "How often the app's API key or password is replaced by a new one: `daily`, `monthly` or `yearly`. The app is \
restarted for it, and clients read the new one from the secret. Empty: only when the action asks for it.",
};

/// Time zone of the workload.
pub const TIMEZONE: OptionDeclaration = OptionDeclaration {
    name: "timezone",
    default: "Etc/UTC",
    description: "Time zone of the app, a name of the IANA database such as `Europe/Berlin`. Backup schedules are in UTC whatever this says.",
};

/// Path below which the app answers.
pub const URL_BASE: OptionDeclaration = OptionDeclaration {
    name: "url-base",
    default: "",
    description: "Path below which the app answers, for a reverse proxy: empty, or like `/films`. An ingress relation decides it instead.",
};

/// The options that do not come from the app file.
pub fn common(profile: &AppProfile) -> impl Iterator<Item = OptionDeclaration> {
    let declared = [
        (profile.storage.is_some(), BACKUP_METHOD),
        (profile.storage.is_some(), BACKUP_RETENTION),
        (profile.storage.is_some(), BACKUP_SCHEDULE),
        (profile.credentials.is_some(), CREDENTIAL_ROTATION),
        (profile.storage.is_some(), RESTORE_ON_DEPLOY),
        (true, TIMEZONE),
        (profile.url_base, URL_BASE),
    ];
    declared
        .into_iter()
        .filter_map(|(has_it, option)| has_it.then_some(option))
}

/// What the user set, unjudged. An option that the app does not have has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawOptions {
    /// [`BACKUP_SCHEDULE`].
    pub backup_schedule: String,
    /// [`BACKUP_RETENTION`].
    pub backup_retention: String,
    /// [`BACKUP_METHOD`].
    pub backup_method: String,
    /// [`RESTORE_ON_DEPLOY`].
    pub restore_on_deploy: String,
    /// [`CREDENTIAL_ROTATION`].
    pub credential_rotation: String,
    /// [`TIMEZONE`].
    pub timezone: String,
    /// [`URL_BASE`].
    pub url_base: String,
    /// The app's own.
    pub app: BTreeMap<String, OptionValue>,
}

impl RawOptions {
    /// What they are when the user has set none.
    pub fn defaults(profile: &AppProfile) -> Self {
        let text = |option: OptionDeclaration| option.default.to_owned();
        Self {
            backup_schedule: text(BACKUP_SCHEDULE),
            backup_retention: text(BACKUP_RETENTION),
            backup_method: text(BACKUP_METHOD),
            restore_on_deploy: text(RESTORE_ON_DEPLOY),
            credential_rotation: text(CREDENTIAL_ROTATION),
            timezone: text(TIMEZONE),
            url_base: text(URL_BASE),
            app: profile
                .options
                .iter()
                .map(|(name, option)| (name.clone(), option.default.clone()))
                .collect(),
        }
    }

    /// Reads them; one that is unset has its default.
    ///
    /// # Errors
    /// When an option is not of the type that it was declared with: the packed `config.yaml` is not of this app file.
    pub fn read(profile: &AppProfile, config: &Config) -> Result<Self, Error> {
        let mut options = Self::defaults(profile);
        for declared in common(profile) {
            let Some(text) = config.text(declared.name)? else {
                continue;
            };
            let place = match declared.name {
                name if name == BACKUP_SCHEDULE.name => &mut options.backup_schedule,
                name if name == BACKUP_RETENTION.name => &mut options.backup_retention,
                name if name == BACKUP_METHOD.name => &mut options.backup_method,
                name if name == RESTORE_ON_DEPLOY.name => &mut options.restore_on_deploy,
                name if name == CREDENTIAL_ROTATION.name => &mut options.credential_rotation,
                name if name == URL_BASE.name => &mut options.url_base,
                _ => &mut options.timezone,
            };
            text.clone_into(place);
        }
        for (name, option) in &profile.options {
            let value = match option.r#type {
                OptionType::String => config.text(name)?.map(|text| OptionValue::Text(text.to_owned())),
                OptionType::Int => config.integer(name)?.map(OptionValue::Int),
                OptionType::Boolean => config.boolean(name)?.map(OptionValue::Boolean),
            };
            options.app.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(options)
    }
}
