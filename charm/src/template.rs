//! Text in an app file with places to fill in: `${port}`, `${url-base}`, `${option:NAME}` and so on.
//!
//! `${NAME:-TEXT}` is TEXT when the value is empty.

use std::borrow::Cow;
use std::collections::BTreeMap;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::credentials::Credentials;

/// A text before the charm's values are filled in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Template {
    pieces: Vec<Piece>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Place { place: Place, default: String },
}

/// Something that is filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// TCP port of the web interface.
    Port,
    /// Path below which the app answers: empty, or `/name`.
    UrlBase,
    /// Name that the application was deployed under.
    App,
    /// Name of the model.
    Model,
    /// Host that the ingress serves the app at; empty without one.
    IngressHost,
    /// Where the media are mounted in the workload container; empty without the relation. A setting that names them wants a folder
    /// there: another one below the media, which somebody has chosen in the app, stays.
    Media,
    /// The API key.
    ApiKey,
    /// Name of the login.
    Username,
    /// Password of the login.
    Password,
    /// The password's PBKDF2-HMAC-SHA512 form: salt and hash in base64, with a colon between.
    PasswordHash,
    /// An option of the app.
    Option(String),
}

/// What is filled in.
#[derive(Clone, Copy)]
pub struct Values<'a> {
    /// See [`Place::Port`].
    pub port: u16,
    /// See [`Place::UrlBase`].
    pub url_base: &'a str,
    /// See [`Place::App`].
    pub app: &'a str,
    /// See [`Place::Model`].
    pub model: &'a str,
    /// See [`Place::IngressHost`].
    pub ingress_host: &'a str,
    /// See [`Place::Media`]; `None` as long as it is not known, or the media are not mounted yet.
    pub media: Option<&'a str>,
    /// The credentials, once there are some.
    pub credentials: Option<&'a Credentials>,
    /// The app's options, judged.
    pub options: &'a BTreeMap<String, String>,
}

/// A template that cannot be filled in.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TemplateError {
    /// A placeholder that the charm does not know.
    #[error(
        "unknown placeholder ${{{0}}}: use ${{port}}, ${{url-base}}, ${{app}}, ${{model}}, ${{ingress-host}}, ${{media}}, ${{api-key}}, ${{username}}, ${{password}}, ${{password-hash}} or ${{option:NAME}}"
    )]
    Unknown(String),
    /// `${` without `}`.
    #[error("placeholder without its closing brace")]
    Unclosed,
}

impl Place {
    fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "port" => Self::Port,
            "url-base" => Self::UrlBase,
            "app" => Self::App,
            "model" => Self::Model,
            "ingress-host" => Self::IngressHost,
            "media" => Self::Media,
            "api-key" => Self::ApiKey,
            "username" => Self::Username,
            "password" => Self::Password,
            "password-hash" => Self::PasswordHash,
            _ => Self::Option(name.strip_prefix("option:")?.to_owned()),
        })
    }

    /// Its name, as it stands between the braces.
    pub fn name(&self) -> Cow<'static, str> {
        match self {
            Self::Port => "port".into(),
            Self::UrlBase => "url-base".into(),
            Self::App => "app".into(),
            Self::Model => "model".into(),
            Self::IngressHost => "ingress-host".into(),
            Self::Media => "media".into(),
            Self::ApiKey => "api-key".into(),
            Self::Username => "username".into(),
            Self::Password => "password".into(),
            Self::PasswordHash => "password-hash".into(),
            Self::Option(name) => format!("option:{name}").into(),
        }
    }

    /// Whether what is filled in must be kept from eyes.
    pub fn is_secret(&self) -> bool {
        matches!(
            self,
            Self::ApiKey | Self::Username | Self::Password | Self::PasswordHash
        )
    }

    /// What is filled in; `None` while there is nothing to say.
    fn value<'a>(&self, values: Values<'a>) -> Option<Cow<'a, str>> {
        Some(match self {
            Self::Port => values.port.to_string().into(),
            Self::UrlBase => values.url_base.into(),
            Self::App => values.app.into(),
            Self::Model => values.model.into(),
            Self::IngressHost => values.ingress_host.into(),
            Self::Media => values.media?.into(),
            Self::ApiKey | Self::Username | Self::Password | Self::PasswordHash => {
                values.credentials?.expose(&self.name())?.into()
            }
            // An empty option leaves to the app, or to the user, what it is about.
            Self::Option(name) => values.options.get(name).filter(|text| !text.is_empty())?.into(),
        })
    }
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// For a placeholder that is unknown or not closed.
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("${") {
            let (inside, following) = after.split_once('}').ok_or(TemplateError::Unclosed)?;
            if !before.is_empty() {
                pieces.push(Piece::Text(before.to_owned()));
            }
            let (name, default) = inside.split_once(":-").unwrap_or((inside, ""));
            let place = Place::parse(name).ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
            pieces.push(Piece::Place {
                place,
                default: default.to_owned(),
            });
            rest = following;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.to_owned()));
        }
        Ok(Self { pieces })
    }

    /// True when the value is the API key and nothing else.
    pub fn is_api_key(&self) -> bool {
        matches!(
            self.pieces.as_slice(),
            [Piece::Place {
                place: Place::ApiKey,
                ..
            }]
        )
    }

    /// What was filled in to get `text`: the place's name and its value. `None` unless the template has one place, and the
    /// text could be made from it.
    pub fn filled_in(&self, text: &str) -> Option<(String, String)> {
        let (before, place, after) = match self.pieces.as_slice() {
            [Piece::Place { place, .. }] => ("", place, ""),
            [Piece::Text(before), Piece::Place { place, .. }] => (before.as_str(), place, ""),
            [Piece::Place { place, .. }, Piece::Text(after)] => ("", place, after.as_str()),
            [
                Piece::Text(before),
                Piece::Place { place, .. },
                Piece::Text(after),
            ] => (before.as_str(), place, after.as_str()),
            _ => return None,
        };
        let value = text.strip_prefix(before)?.strip_suffix(after)?;
        Some((place.name().into_owned(), value.to_owned()))
    }

    /// Everything that is filled in.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        self.pieces.iter().filter_map(|piece| match piece {
            Piece::Place { place, .. } => Some(place),
            Piece::Text(_) => None,
        })
    }

    /// What stands between the places.
    pub fn text(&self) -> String {
        self.pieces
            .iter()
            .map(|piece| match piece {
                Piece::Place { default, .. } => default.as_str(),
                Piece::Text(text) => text.as_str(),
            })
            .collect()
    }

    /// The text with `values` filled in. `None` when the template is one place that has nothing to say, or a folder of the media
    /// while it is not known where they are or which folder it is: then what the app or the user has there stays.
    pub fn render(&self, values: Values<'_>) -> Option<String> {
        let is_folder = self.places().any(|place| *place == Place::Media);
        if is_folder && self.places().any(|place| place.value(values).is_none()) {
            return None;
        }
        if let [Piece::Place { place, default }] = self.pieces.as_slice()
            && default.is_empty()
        {
            return place.value(values).map(Cow::into_owned);
        }
        let text = self
            .pieces
            .iter()
            .map(|piece| match piece {
                Piece::Text(text) => Cow::Borrowed(text.as_str()),
                Piece::Place { place, default } => place
                    .value(values)
                    .filter(|text| !text.is_empty())
                    .unwrap_or(Cow::Borrowed(default)),
            })
            .collect();
        Some(text)
    }
}

impl TryFrom<String> for Template {
    type Error = TemplateError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text)
    }
}

impl JsonSchema for Template {
    fn schema_name() -> Cow<'static, str> {
        "Template".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "Text in which these are filled in: ${port}, ${url-base}, ${app}, ${model}, ${ingress-host}, ${media}, ${api-key}, ${username}, ${password}, ${password-hash}, ${option:NAME}. ${NAME:-TEXT} is TEXT when the value is empty.",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(template: &str) -> Option<String> {
        render_with(template, Some(""))
    }

    fn render_with(template: &str, media: Option<&str>) -> Option<String> {
        let options = BTreeMap::from([
            ("level".to_owned(), "debug".to_owned()),
            ("empty".to_owned(), String::new()),
        ]);
        let values = Values {
            port: 7878,
            url_base: "",
            app: "films",
            model: "home",
            ingress_host: "",
            media,
            credentials: None,
            options: &options,
        };
        Template::parse(template).unwrap().render(values)
    }

    #[test]
    fn a_folder_of_the_media_is_left_alone_until_it_is_known_where_they_are() {
        let folder = "${media:-/config}/${option:level}";
        assert_eq!(render_with(folder, Some("/data")).as_deref(), Some("/data/debug"));
        assert_eq!(render_with(folder, Some("")).as_deref(), Some("/config/debug"));
        assert_eq!(render_with(folder, None), None);
        assert_eq!(
            render_with("${media:-/config}/${option:empty}", Some("/data")),
            None
        );
    }

    #[test]
    fn placeholders_are_filled_in_between_text() {
        assert_eq!(
            render("p=${port}, ${app}.${model}!").as_deref(),
            Some("p=7878, films.home!")
        );
        assert_eq!(render("*").as_deref(), Some("*"));
        assert_eq!(render("${option:level}").as_deref(), Some("debug"));
        assert_eq!(render("${url-base}").as_deref(), Some(""));
        assert_eq!(render("${url-base:-/x}").as_deref(), Some("/x"));
        assert_eq!(render("${option:level:-info}").as_deref(), Some("debug"));
    }

    #[test]
    fn what_has_nothing_to_say_leaves_what_is_there() {
        assert_eq!(render("${option:empty}"), None);
        assert_eq!(render("${api-key}"), None);
        assert_eq!(render("x${option:empty}").as_deref(), Some("x"));
    }

    #[test]
    fn what_was_filled_in_is_found_again() {
        let filled_in = |template: &str, text: &str| {
            let found = Template::parse(template).unwrap().filled_in(text);
            found.map(|(name, value)| format!("{name}={value}"))
        };
        assert_eq!(filled_in("${api-key}", "k").as_deref(), Some("api-key=k"));
        assert_eq!(
            filled_in("@Bytes(${password-hash})", "@Bytes(a:b)").as_deref(),
            Some("password-hash=a:b")
        );
        assert_eq!(filled_in("x${app}", "xfilms").as_deref(), Some("app=films"));
        assert_eq!(filled_in("${app}x", "filmsx").as_deref(), Some("app=films"));
        for (template, text) in [
            ("@Bytes(${password-hash})", "@Bytes(a:b"),
            ("aa${app}a", "aa"),
            ("${username}:${password}", "a:b"),
            ("none", "none"),
        ] {
            assert_eq!(filled_in(template, text), None, "{template}");
        }
    }

    #[test]
    fn a_placeholder_must_be_known_and_closed() {
        assert_eq!(
            Template::parse("${nope}"),
            Err(TemplateError::Unknown("nope".into()))
        );
        assert_eq!(Template::parse("a${port"), Err(TemplateError::Unclosed));
    }
}
