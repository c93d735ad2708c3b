//! What the types of an app file cannot say.

use std::path::Path;

use super::{
    AppProfile, ConfigFile, ConfigStorage, ExternalDatabase, Format, OptionType, Setting, Settings, contents,
};
use crate::options;
use crate::problem::Unfit;
use crate::template::{Place, Template};

/// A field whose value cannot work.
pub(super) struct Fault {
    pub field: String,
    pub reason: String,
}

pub(super) type Checked = Result<(), Fault>;

pub(super) fn refuse<T>(field: impl Into<String>, reason: impl Into<String>) -> Result<T, Fault> {
    Err(Fault {
        field: field.into(),
        reason: reason.into(),
    })
}

pub(super) fn check(profile: &AppProfile) -> Checked {
    if !is_name(&profile.name) {
        return refuse(
            "name",
            "must be lower-case letters, digits and dashes, starting with a letter",
        );
    }
    for (field, text) in [
        ("title", &profile.title),
        ("summary", &profile.summary),
        ("description", &profile.description),
    ] {
        if text.trim().is_empty() {
            return refuse(field, "must not be empty");
        }
    }
    workload(profile)?;
    storage(profile)?;
    options(profile)?;
    once(profile)?;
    match &profile.config_file {
        Some(file) => config_file(profile, file)?,
        None if profile.credentials.is_some() => {
            return refuse("credentials", "need a config-file that tells the app");
        }
        None if profile.url_base => return refuse("url-base", "needs a config-file that tells the app"),
        None => {}
    }
    Ok(())
}

fn workload(profile: &AppProfile) -> Checked {
    let workload = &profile.workload;
    if !workload
        .image
        .rsplit('/')
        .next()
        .unwrap_or_default()
        .contains(':')
    {
        return refuse(
            "workload.image",
            "must have a tag, or the charm would run something else every day",
        );
    }
    for (number, path) in workload.stale_files.iter().enumerate() {
        if !path.starts_with('/') {
            let field = format!("workload.stale-files[{number}]");
            return refuse(field, "must be an absolute path");
        }
    }
    if workload.command.trim().is_empty() {
        return refuse("workload.command", "must not be empty");
    }
    if workload.port == 0 {
        return refuse("workload.port", "must be between 1 and 65535");
    }
    if !workload.health.path.starts_with('/') {
        return refuse("workload.health.path", "must start with /");
    }
    for (name, template) in &workload.environment {
        let field = format!("workload.environment.{name}");
        if name == "TZ" {
            return refuse(field, "follows the option timezone");
        }
        if template.places().any(Place::is_secret) {
            // Pebble shows the plan to whoever asks.
            return refuse(field, "must not hold a secret: use the config file");
        }
        places(profile, &field, template)?;
    }
    Ok(())
}

fn storage(profile: &AppProfile) -> Checked {
    let Some(storage) = &profile.storage else {
        if profile.config_file.is_some() {
            return refuse(
                "config-file",
                "needs storage, or it would be lost with the container",
            );
        }
        return Ok(());
    };
    if !is_name(&storage.name) {
        return refuse(
            "storage.name",
            "must be lower-case letters, digits and dashes, starting with a letter",
        );
    }
    if !storage.location.starts_with('/') {
        return refuse("storage.location", "must be an absolute path");
    }
    let size_fits = storage
        .minimum_size
        .strip_suffix(['M', 'G', 'T'])
        .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()));
    if !size_fits {
        return refuse(
            "storage.minimum-size",
            "must be a number with M, G or T behind it",
        );
    }
    if storage.backup && !storage.one_writer {
        return refuse(
            "storage.one-writer",
            "is needed for a backup: with several volumes none of them is the app's; set backup: false",
        );
    }
    external_database(profile, storage)?;
    for (number, cache) in storage.caches.iter().enumerate() {
        if !is_path_in_volume(cache) {
            return refuse(
                format!("storage.caches[{number}]"),
                "must be a path in the volume, relative, without . and ..",
            );
        }
    }
    for (number, database) in storage.databases.iter().enumerate() {
        let field = format!("storage.databases[{number}]");
        if !is_path_in_volume(database) || database.contains(['*', '?', '[', '\\']) {
            return refuse(
                field,
                "must be the path of one file in the volume, relative, without . and .., * ? [ and \\",
            );
        }
        if let Some(cache) = storage
            .caches
            .iter()
            .find(|cache| Path::new(database).starts_with(cache))
        {
            return refuse(field, format!("lies in the cache {cache}, which no backup holds"));
        }
        if storage.databases[..number].contains(database) {
            return refuse(field, "is named twice");
        }
    }
    contents::check(&storage.contents)
}

fn external_database(profile: &AppProfile, storage: &ConfigStorage) -> Checked {
    let ExternalDatabase { options, settings } = &storage.external_database;
    for (number, name) in options.iter().enumerate() {
        if !profile.options.contains_key(name) {
            let field = format!("storage.external-database.options[{number}]");
            return refuse(field, "must be one of options");
        }
    }
    for (number, place) in settings.iter().enumerate() {
        if place.is_empty() || profile.config_file.is_none() {
            let field = format!("storage.external-database.settings[{number}]");
            return refuse(field, "must be a place in the config file");
        }
    }
    Ok(())
}

pub(super) fn is_path_in_volume(path: &str) -> bool {
    path.split('/').all(|part| !matches!(part, "" | "." | ".."))
}

fn options(profile: &AppProfile) -> Checked {
    for (name, option) in &profile.options {
        let field = format!("options.{name}");
        if !is_name(name) {
            return refuse(
                field,
                "must be named by lower-case letters, digits and dashes, a letter first",
            );
        }
        if options::is_common(name) {
            return refuse(field, "is an option that every app has");
        }
        if option.default.kind() != option.r#type {
            return refuse(
                format!("{field}.default"),
                format!("must be of type {}", option.r#type.name()),
            );
        }
        if option.description.trim().is_empty() {
            return refuse(format!("{field}.description"), "must not be empty");
        }
        if !option.choices.is_empty() && option.r#type != OptionType::String {
            return refuse(format!("{field}.choices"), "are for texts only");
        }
        if (option.minimum.is_some() || option.maximum.is_some()) && option.r#type != OptionType::Int {
            return refuse(field, "has a minimum or maximum and is no int");
        }
        if let Err(Unfit { reason, .. }) = option.judge(&option.default) {
            return refuse(format!("{field}.default"), reason);
        }
    }
    Ok(())
}

fn once(profile: &AppProfile) -> Checked {
    for (number, once) in profile.once.iter().enumerate() {
        let field = format!("once[{number}]");
        if !profile.options.contains_key(&once.option) {
            return refuse(format!("{field}.option"), "must be one of options");
        }
        if once.until.is_empty() || profile.config_file.is_none() {
            return refuse(format!("{field}.until"), "must be a place in the config file");
        }
        if once.command.is_empty() {
            return refuse(format!("{field}.command"), "must not be empty");
        }
        for template in &once.command {
            places(profile, &format!("{field}.command"), template)?;
        }
    }
    Ok(())
}

fn config_file(profile: &AppProfile, file: &ConfigFile) -> Checked {
    let location = profile
        .storage
        .as_ref()
        .map_or("", |storage| storage.location.as_str());
    if !Path::new(&file.path).starts_with(location) {
        return refuse(
            "config-file.path",
            "must lie in the config storage, or no backup would hold it",
        );
    }
    let is_xml = matches!(file.format, Format::XmlElements | Format::XmlAttributes);
    if is_xml && file.root().is_empty() {
        return refuse(
            "config-file.root",
            "must name the document element of an XML file",
        );
    }
    if !is_xml && file.root.is_some() {
        return refuse("config-file.root", "is for XML files only");
    }
    settings(profile, file, "config-file.values", &file.values)?;
    settings(profile, file, "config-file.initial-values", &file.initial_values)?;
    let holds = |wanted: &str| {
        file.values.flat().into_iter().any(|(_, setting)| match setting {
            Setting::Text(template) => template.places().any(|place| place.name() == wanted),
            _ => false,
        })
    };
    match &profile.credentials {
        Some(super::Credentials::ApiKey {}) if profile.api_key_place().is_none() => refuse(
            "config-file.values",
            "must hold ${api-key}, as one value of its own",
        ),
        Some(super::Credentials::Login { .. })
            if !holds("username") || !(holds("password") || holds("password-hash")) =>
        {
            refuse(
                "config-file.values",
                "must hold ${username}, and ${password} or ${password-hash}",
            )
        }
        _ if profile.url_base && !holds("url-base") => refuse(
            "config-file.values",
            "must hold ${url-base}, since the app has url-base",
        ),
        _ => Ok(()),
    }
}

fn settings(profile: &AppProfile, file: &ConfigFile, field: &str, settings: &Settings) -> Checked {
    for (path, setting) in settings.flat() {
        let field = format!("{field}.{}", path.join("."));
        let flat_only = matches!(file.format, Format::XmlElements | Format::XmlAttributes);
        if flat_only && path.len() > 1 {
            return refuse(field, "must not be in a section: XML settings have none");
        }
        let name_is_plain = |name: &String| {
            let odd = match file.format {
                Format::Json => "",
                Format::Ini => "=[]#;\"'",
                _ => "<>&=\"'/ ",
            };
            !name.is_empty() && !name.chars().any(|c| c.is_control() || odd.contains(c))
        };
        if !path.iter().all(name_is_plain) {
            return refuse(field, "has a name that the format cannot hold");
        }
        let templates = match setting {
            Setting::Text(template) => std::slice::from_ref(template),
            Setting::List(_) if flat_only => {
                return refuse(field, "must be a text: XML settings are no lists");
            }
            Setting::List(templates) => templates,
            Setting::Section(_) => &[],
        };
        for template in templates {
            if template
                .text()
                .chars()
                .any(|c| c.is_control() || matches!(c, '"' | '\\'))
            {
                return refuse(field, "must be one line without quotes and backslashes");
            }
            places(profile, &field, template)?;
        }
    }
    Ok(())
}

/// Everything that a template names must be there for this app.
fn places(profile: &AppProfile, field: &str, template: &Template) -> Checked {
    use super::Credentials::{ApiKey, Login};
    for place in template.places() {
        let there = match place {
            Place::Port | Place::App | Place::Model => true,
            Place::UrlBase => profile.url_base,
            Place::IngressHost => profile.ingress,
            Place::Media => profile.media,
            Place::ApiKey => matches!(profile.credentials, Some(ApiKey {})),
            Place::Username | Place::Password | Place::PasswordHash => {
                matches!(profile.credentials, Some(Login { .. }))
            }
            Place::Option(name) => profile.options.contains_key(name),
        };
        if !there {
            return refuse(
                field,
                format!("uses ${{{}}}, which this app does not have", place.name()),
            );
        }
    }
    Ok(())
}

pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.starts_with(|first: char| first.is_ascii_lowercase())
        && name.chars().all(plain)
        && !name.ends_with('-')
}
