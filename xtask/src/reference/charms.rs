//! What the charms have: the packed `metadata.yaml`, `config.yaml` and `actions.yaml` of all apps, joined.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;
use workload_charm::packaging;
use workload_charm::profile::AppProfile;

use super::{cell_text, code, table};

/// One app with its Juju files.
pub struct Charm {
    /// What its app file says.
    pub profile: AppProfile,
    /// `metadata.yaml`.
    pub metadata: Value,
    /// The options of `config.yaml`, by name.
    pub options: BTreeMap<String, Value>,
    /// `actions.yaml`, by name.
    pub actions: BTreeMap<String, Value>,
}

/// All of `charm/apps`, and what an app with tiers has.
pub struct Charms {
    /// By name.
    pub all: Vec<Charm>,
    /// The app that the root charm is of, as it is with `storage.tiers`.
    pub with_tiers: Charm,
}

impl Charm {
    fn of(profile: AppProfile) -> Result<Self> {
        let config: Value = serde_yaml::from_str(&packaging::config(&profile)?)?;
        let actions = packaging::actions(&profile)?.unwrap_or_default();
        let actions: Value = serde_yaml::from_str(&actions)?;
        Ok(Self {
            metadata: serde_yaml::from_str(&packaging::metadata(&profile)?)?,
            options: entries(&config["options"]),
            actions: entries(&actions),
            profile,
        })
    }

    /// Its endpoints but the peers: name, `provides` or `requires`, declaration.
    pub fn endpoints(&self) -> Vec<(String, &'static str, Value)> {
        let of_role = |role: &'static str| {
            let all = entries(&self.metadata[role]);
            all.into_iter()
                .map(move |(name, declared)| (name, role, declared))
        };
        of_role("provides").chain(of_role("requires")).collect()
    }
}

/// Declarations in which the app's name stands as "the app": what is alike in several is told once.
fn without_title(charm: &Charm, declared: &BTreeMap<String, Value>) -> Vec<(String, Value)> {
    let title = charm.profile.title.as_str();
    let of_any = |(name, declared): (&String, &Value)| {
        let mut declared = declared.clone();
        if let Some(text) = declared["description"].as_str() {
            declared["description"] = text.replace(title, "the app").into();
        }
        (name.clone(), declared)
    };
    declared.iter().map(of_any).collect()
}

fn entries(of: &Value) -> BTreeMap<String, Value> {
    let entries = of.as_object().into_iter().flatten();
    entries
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

impl Charms {
    /// Reads them.
    ///
    /// # Errors
    /// When an app file cannot be used.
    pub fn read(repository: &Path) -> Result<Self> {
        let folder = repository.join("charm/apps");
        let files = std::fs::read_dir(&folder).context("cannot list charm/apps")?;
        let mut paths: Vec<_> = files.filter_map(|file| Some(file.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|ending| ending == "yaml"));
        paths.sort();
        let all: Result<Vec<Charm>> = paths
            .iter()
            .map(|path| Charm::of(AppProfile::load(path)?))
            .collect();
        let root = format!("{}.yaml", crate::generate::ROOT_APP);
        let text =
            std::fs::read_to_string(folder.join(&root)).context("cannot read the root charm's app file")?;
        let tiers = text.replacen("\nstorage:\n", "\nstorage:\n  tiers: true\n", 1);
        Ok(Self {
            all: all?,
            with_tiers: Charm::of(AppProfile::parse(&root, &tiers)?)?,
        })
    }

    /// "all", "all but x", or the names.
    fn which(&self, apps: &[&str]) -> String {
        let others: Vec<&str> = self
            .all
            .iter()
            .map(|charm| charm.profile.name.as_str())
            .filter(|name| !apps.contains(name))
            .collect();
        match (apps.len(), others.len()) {
            (0, _) => "none as it is".to_owned(),
            (_, 0) => "all".to_owned(),
            (of, without) if without < of && without <= 3 => format!("all but {}", others.join(", ")),
            _ => apps.join(", "),
        }
    }

    /// What is equal of several apps, joined: by name, the values that differ, each with its apps.
    fn joined<'a>(
        &'a self,
        of: impl Fn(&'a Charm) -> Vec<(String, Value)>,
    ) -> BTreeMap<String, Vec<(Value, Vec<&'a str>)>> {
        let mut joined: BTreeMap<String, Vec<(Value, Vec<&str>)>> = BTreeMap::new();
        for charm in &self.all {
            for (name, value) in of(charm) {
                let values = joined.entry(name).or_default();
                match values.iter_mut().find(|(is, _)| *is == value) {
                    Some((_, apps)) => apps.push(&charm.profile.name),
                    None => values.push((value, vec![&charm.profile.name])),
                }
            }
        }
        joined
    }

    /// What only an app with tiers has.
    fn only_with_tiers<'a>(&'a self, of: impl Fn(&'a Charm) -> Vec<(String, Value)>) -> Vec<(String, Value)> {
        let plain = self
            .all
            .iter()
            .find(|charm| charm.profile.name == self.with_tiers.profile.name);
        let plain: Vec<String> = plain.into_iter().flat_map(&of).map(|(name, _)| name).collect();
        let mut all = of(&self.with_tiers);
        all.retain(|(name, _)| !plain.contains(name));
        all
    }

    /// The page of apps.
    pub fn apps(&self) -> String {
        let rows = self.all.iter().map(|charm| {
            let AppProfile {
                name,
                title,
                workload,
                storage,
                ..
            } = &charm.profile;
            let config = match storage {
                Some(storage) => format!("`{}`, at least {}", storage.location, storage.minimum_size),
                None => "none".to_owned(),
            };
            let databases = storage.iter().flat_map(|storage| &storage.databases);
            let databases: Vec<String> = databases.map(|path| code(path)).collect();
            [
                code(name),
                title.clone(),
                workload.port.to_string(),
                config,
                databases.join(", "),
                code(&workload.image),
            ]
        });
        format!(
            "# Apps\n\nOne charm each. The image is the resource `NAME-image`. A backup in which one of the databases is damaged fails.\n\n{}",
            table(
                ["charm", "app", "port", "config volume", "databases", "image"],
                rows
            )
        )
    }

    /// The page of options.
    pub fn options(&self) -> String {
        let options = |charm: &Charm| without_title(charm, &charm.options);
        let mut text = "# Options\n\n`juju config APP NAME=VALUE` sets one, `juju config APP --reset NAME` gives back its default. A value that cannot work is \
refused in `juju status`, with the reason and an example; the app keeps running, and the last good request for backups stays.\n"
            .to_owned();
        for (name, values) in self.joined(options) {
            let _ = write!(text, "\n## {name}\n");
            for (option, apps) in values {
                option_text(&mut text, &option, &self.which(&apps));
            }
        }
        let tiers = self.only_with_tiers(|charm| charm.options.clone().into_iter().collect());
        for (name, option) in tiers {
            let _ = write!(text, "\n## {name}\n");
            option_text(
                &mut text,
                &option,
                "those with [weekly and monthly backups](../howto/tiers.md): none as it is",
            );
        }
        text
    }

    /// The page of actions.
    pub fn actions(&self) -> String {
        let actions = |charm: &Charm| without_title(charm, &charm.actions);
        let mut text = "# Actions\n\n`juju run APP/0 ACTION PARAMETER=VALUE` runs one. Which unit it has to be is said when it is another one. What goes wrong comes \
with what to do about it.\n"
            .to_owned();
        for (name, values) in self.joined(actions) {
            let _ = write!(text, "\n## {name}\n");
            for (action, apps) in values {
                let described = action["description"].as_str().unwrap_or_default();
                let _ = write!(text, "\nApps: {}. {}\n", self.which(&apps), cell_text(described));
                let parameters = entries(&action["params"]);
                if parameters.is_empty() {
                    continue;
                }
                let rows = parameters.iter().map(|(name, parameter)| {
                    [
                        code(name),
                        parameter["type"].as_str().unwrap_or_default().to_owned(),
                        default(parameter),
                        parameter["description"].as_str().unwrap_or_default().to_owned(),
                    ]
                });
                let _ = write!(text, "\n{}", table(["parameter", "type", "default", ""], rows));
            }
        }
        text
    }

    /// The page of endpoints.
    pub fn endpoints(&self) -> String {
        let endpoints = |charm: &Charm| {
            let all = charm.endpoints().into_iter();
            all.map(|(name, role, mut declared)| {
                declared["role"] = role.into();
                (name, declared)
            })
            .collect()
        };
        let row = |name: &str, declared: &Value, apps: String| {
            let text = |key: &str| declared[key].as_str().unwrap_or_default().to_owned();
            [
                code(name),
                text("role"),
                code(&text("interface")),
                match declared["limit"].as_u64() {
                    Some(limit) => limit.to_string(),
                    None => "any number".to_owned(),
                },
                apps,
                text("description"),
            ]
        };
        let mut rows = Vec::new();
        for (name, values) in self.joined(endpoints) {
            for (declared, apps) in values {
                rows.push(row(&name, &declared, self.which(&apps)));
            }
        }
        for (name, declared) in self.only_with_tiers(endpoints) {
            rows.push(row(
                &name,
                &declared,
                "with [tiers](../howto/tiers.md): none as it is".to_owned(),
            ));
        }
        format!(
            "# Endpoints\n\n`juju integrate APP:ENDPOINT OTHER` relates one. All are optional.\n\n{}",
            table(["endpoint", "side", "interface", "relations", "apps", ""], rows)
        )
    }
}

fn option_text(text: &mut String, option: &Value, apps: &str) {
    let described = option["description"].as_str().unwrap_or_default();
    let _ = write!(
        text,
        "\nDefault {} ({}). Apps: {apps}. {}\n",
        default(option),
        option["type"].as_str().unwrap_or_default(),
        cell_text(described)
    );
}

fn default(of: &Value) -> String {
    match &of["default"] {
        Value::Null => "(unset)".to_owned(),
        Value::String(text) => code(text),
        other => code(&other.to_string()),
    }
}
