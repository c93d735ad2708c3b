//! The app's own configuration file, as data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::template::Template;

/// A configuration file of the app, of which the charm owns some values and the user all others.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ConfigFile {
    /// Absolute path in the container, inside the config storage.
    #[schemars(regex(pattern = "^/"))]
    pub path: String,
    /// How the file is written.
    pub format: Format,
    /// Who makes it.
    #[serde(default)]
    pub created_by: CreatedBy,
    /// Name of the document element (XML).
    #[serde(default)]
    pub root: Option<String>,
    /// The values the charm owns.
    pub values: Settings,
    /// Further values of a file that the charm makes; later they are the user's.
    #[serde(default)]
    pub initial_values: Settings,
}

/// Formats of configuration files.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Format {
    /// An XML document whose root holds one element for each setting.
    XmlElements,
    /// An XML document whose root has one attribute for each setting.
    XmlAttributes,
    /// Lines of `key=value` in `[sections]`, which may be `[[nested]]`.
    Ini,
    /// A JSON document of objects.
    Json,
}

/// Who makes a file that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CreatedBy {
    /// The charm, before the app starts for the first time.
    #[default]
    Charm,
    /// The app, at its first start. The charm waits for it and takes over the key that it finds.
    App,
}

/// Settings by name; a section or object holds settings in turn.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Settings(pub BTreeMap<String, Setting>);

/// What a setting should say. A text that is just an option that is empty leaves the user's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Setting {
    /// One text.
    Text(Template),
    /// Items that a list (ini, JSON) must hold; empty ones are left out, others in the file stay.
    List(Vec<Template>),
    /// A section (ini) or an object (JSON).
    Section(Settings),
}

impl ConfigFile {
    /// Name of the document element; empty for formats without one.
    pub fn root(&self) -> &str {
        self.root.as_deref().unwrap_or_default()
    }
}

impl Settings {
    /// Every text and list with the path to it.
    pub fn flat(&self) -> Vec<(Vec<String>, &Setting)> {
        let mut found = Vec::new();
        self.flatten_into(&mut Vec::new(), &mut found);
        found
    }

    fn flatten_into<'a>(&'a self, path: &mut Vec<String>, found: &mut Vec<(Vec<String>, &'a Setting)>) {
        for (name, setting) in &self.0 {
            path.push(name.clone());
            match setting {
                Setting::Section(section) => section.flatten_into(path, found),
                _ => found.push((path.clone(), setting)),
            }
            path.pop();
        }
    }
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By hand: an untagged enum would say of a bad template only that nothing fits.
        struct SettingVisitor;

        impl<'de> Visitor<'de> for SettingVisitor {
            type Value = Setting;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text (numbers in quotes), a list of texts, or a section")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Setting, E> {
                Template::parse(text).map(Setting::Text).map_err(E::custom)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Setting, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(items)).map(Setting::List)
            }

            fn visit_map<A: MapAccess<'de>>(self, entries: A) -> Result<Setting, A::Error> {
                Settings::deserialize(de::value::MapAccessDeserializer::new(entries)).map(Setting::Section)
            }
        }

        deserializer.deserialize_any(SettingVisitor)
    }
}

impl JsonSchema for Setting {
    fn schema_name() -> Cow<'static, str> {
        "Setting".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let template = generator.subschema_for::<Template>();
        let settings = generator.subschema_for::<Settings>();
        json_schema!({
            "description": "What a setting should say: one text, texts that a list must hold, or a section that holds settings in turn. A text that is just an option that is empty leaves the user's own.",
            "anyOf": [template, {"type": "array", "items": template}, settings],
        })
    }
}
