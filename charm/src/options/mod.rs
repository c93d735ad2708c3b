//! The charm's options. Those that every app has which has what they are about stand in the table below, an entry each: what
//! `juju config` shows and what a value means are one thing. When backups are made and how long they are kept stands in the table of
//! [tiers]. An app's own options stand in its app file.

pub(crate) mod judge;

use std::collections::BTreeMap;

use juju_charm::{Config, Error};

use crate::backup::MethodOption;
use crate::notify::NotifyTo;
use crate::problem::Unfit;
use crate::profile::{AppProfile, OptionType, OptionValue};
use crate::tiers;
pub use judge::{RestoreOnDeploy, Runs};

/// What `config.yaml` says of an option.
#[derive(Debug, Clone, Copy)]
pub struct Declaration {
    /// Name, as in `juju config APP NAME=VALUE`.
    pub name: &'static str,
    /// Type of its values.
    pub r#type: OptionType,
    /// Value when the user sets none.
    pub default: &'static str,
    /// What `juju config` shows.
    pub description: &'static str,
    /// Whether the app has it.
    pub(crate) has_it: fn(&AppProfile) -> bool,
}

/// An option that does not come from the app file: its text says a `T`.
#[derive(Debug, Clone, Copy)]
pub struct TextOption<T: 'static> {
    pub(crate) declaration: Declaration,
    pub(crate) judge: fn(&str) -> Result<T, Unfit>,
}

impl<T> TextOption<T> {
    /// Its name.
    pub const fn name(&self) -> &'static str {
        self.declaration.name
    }

    /// Its value when the user sets none.
    pub const fn default(&self) -> &'static str {
        self.declaration.default
    }

    /// Whether `text` can be used.
    pub fn takes(&self, text: &str) -> bool {
        (self.judge)(text).is_ok()
    }
}

macro_rules! options {
    ($($(#[$about:meta])* $option:ident: $value:ty = { judge: $judge:expr, $($field:ident: $content:expr,)* };)*) => {
        $(
            $(#[$about])*
            pub const $option: TextOption<$value> = TextOption {
                declaration: Declaration { $($field: $content,)* },
                judge: $judge,
            };
        )*
        const DECLARATIONS: &[Declaration] = &[$($option.declaration),*];
    };
}

options! {
    /// How the volume's bytes are saved.
    BACKUP_METHOD: MethodOption = {
        judge: judge::backup_method,
        name: "backup-method",
        r#type: OptionType::String,
        default: "auto",
        description: "How Velero saves the config volume. `filesystem`: its node agent copies the files. `snapshot`: the \
volume's CSI driver makes a snapshot. `auto`: a snapshot if the charm can see, with --trust, that Velero makes snapshots of this \
volume, otherwise `filesystem`.",
        has_it: AppProfile::is_backed_up,
    };
    /// How often new credentials are made, in Juju's words for a secret's rotation.
    CREDENTIAL_ROTATION: &'static str = {
        judge: judge::rotation,
        name: "credential-rotation",
        r#type: OptionType::String,
        default: "",
        description: "How often the app's API key or password is rotated: `daily`, `monthly` or `yearly`. The app is restarted each \
time, and clients read the new value from the secret. Empty or `none`: only by the action.",
        has_it: |profile| profile.credentials.is_some(),
    };
    /// Who is notified of what is wrong with the backups.
    NOTIFY_URL: NotifyTo = {
        judge: judge::notify_url,
        name: "notify-url",
        r#type: OptionType::String,
        default: "",
        description: "Where to send a notification when something goes wrong with the app's backups, and when it is good again: a URL, or `secret:ID` of a granted secret with the keys `url` and, if needed, `token` (sent as bearer) and `ca-certificate` (PEM, for https with an own authority). Told apart by host: ntfy.sh, Discord and Slack webhooks, hc-ping.com; others get JSON. Or by what is before the URL: `ntfy+https://…`, `discord+`, `slack+`, `ping+` (healthchecks.io: /fail), `json+`. Needs --trust, by which the backups are seen. Empty: nobody.",
        has_it: AppProfile::is_backed_up,
    };
    /// What to restore before the app's first start.
    RESTORE_ON_DEPLOY: RestoreOnDeploy = {
        judge: judge::restore_on_deploy,
        name: "restore-on-deploy",
        r#type: OptionType::String,
        default: "none",
        description: "Backup to restore into an empty config volume before the app's first start: `none`, `latest` (the newest good \
backup of an app with this name in a model with this name), or the uid or name of a backup. Needs --trust. If there is no backup, the app \
starts with an empty volume. If the restore fails, the app does not start until it works or this is `none`. A volume with content is never touched.",
        has_it: AppProfile::is_backed_up,
    };
    /// Time zone of the workload.
    TIMEZONE: String = {
        judge: judge::timezone,
        name: "timezone",
        r#type: OptionType::String,
        default: "Etc/UTC",
        description: "Time zone of the app, from the IANA database (`Europe/Berlin`). Backup schedules are in UTC in any case.",
        has_it: |_| true,
    };
    /// Whether the app may run without a VPN.
    UNSAFE_MODE: bool = {
        judge: judge::yes_or_no,
        name: "unsafe-mode",
        r#type: OptionType::Boolean,
        default: "false",
        description: "Whether the app may run without a VPN. If false, it runs only in a pod that goes through a related VPN gateway \
whose VPN is connected: whoever it downloads from sees the address that it comes from.",
        has_it: |profile| profile.vpn,
    };
    /// Path below which the app answers.
    URL_BASE: String = {
        judge: judge::url_base,
        name: "url-base",
        r#type: OptionType::String,
        default: "",
        description: "Path below which the app answers, for a reverse proxy: empty, or like `/films`. An ingress relation decides it instead.",
        has_it: |profile| profile.url_base,
    };
    /// When a backup is restored beside the app, checked, and removed again.
    VERIFY_SCHEDULE: Runs = {
        judge: judge::verify_schedule,
        name: "verify-schedule",
        r#type: OptionType::String,
        default: "weekly",
        description: "When the newest good backup is restored into a scratch namespace, checked and removed again, as by verify-backup. `daily`, `weekly`, `monthly`: 40 minutes after the minute of the nightly backups, derived from model and app; or as for backup-schedule. Needs --trust and a relation to velero-operator. It is tried at update-status while the unit is active and no backup of the app is under way; other events wait for its end, 30 minutes at most. Empty or `none`: no test restores.",
        has_it: AppProfile::is_backed_up,
    };
}

/// The options of an app that do not come from its app file.
pub fn common(profile: &AppProfile) -> impl Iterator<Item = &'static Declaration> {
    all().filter(move |declared| (declared.has_it)(profile))
}

fn all() -> impl Iterator<Item = &'static Declaration> {
    DECLARATIONS.iter().chain(tiers::OPTIONS)
}

/// Whether some app has an option of this name without saying so in its app file.
pub fn is_common(name: &str) -> bool {
    all().any(|declared| declared.name == name)
}

fn value(config: &Config, name: &str, kind: OptionType) -> Result<Option<OptionValue>, Error> {
    Ok(match kind {
        OptionType::String => config.text(name)?.map(|text| OptionValue::Text(text.to_owned())),
        OptionType::Int => config.integer(name)?.map(OptionValue::Int),
        OptionType::Boolean => config.boolean(name)?.map(OptionValue::Boolean),
    })
}

/// What the user set, unjudged. What is not here has its default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawOptions {
    common: BTreeMap<&'static str, String>,
    app: BTreeMap<String, OptionValue>,
}

impl RawOptions {
    /// Reads them.
    ///
    /// # Errors
    /// When an option is not of the type that it was declared with: the packed `config.yaml` is not of this app file.
    pub fn read(profile: &AppProfile, config: &Config) -> Result<Self, Error> {
        let mut options = Self::default();
        for declared in common(profile) {
            let value = value(config, declared.name, declared.r#type)?;
            let text = value.map(|value| value.to_string());
            options.common.extend(text.map(|text| (declared.name, text)));
        }
        for (name, option) in &profile.options {
            let value = value(config, name, option.r#type)?;
            options.app.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(options)
    }

    /// The same with `text` for `option`.
    #[must_use]
    pub fn with<T>(mut self, option: &TextOption<T>, text: &str) -> Self {
        self.common.insert(option.name(), text.to_owned());
        self
    }

    /// The same with `value` for the app's own option `name`.
    #[must_use]
    pub fn with_own(mut self, name: &str, value: OptionValue) -> Self {
        self.app.insert(name.to_owned(), value);
        self
    }

    /// What the user wrote, without space around it.
    pub fn text<T>(&self, option: &TextOption<T>) -> &str {
        let set = self.common.get(option.name());
        set.map_or(option.declaration.default, |text| text.trim())
    }

    /// What it says.
    ///
    /// # Errors
    /// Why the text says nothing that can be used.
    pub fn judged<T>(&self, option: &TextOption<T>) -> Result<T, Unfit> {
        (option.judge)(self.text(option))
    }

    /// What the user set for the app's own option `name`, if that is so.
    pub fn own(&self, name: &str) -> Option<&OptionValue> {
        self.app.get(name)
    }
}
