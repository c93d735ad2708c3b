//! What is wrong with an input: where, which value, why, and what would be right.
//!
//! The parsers of single values have errors of their own, which are reasons here. Who reads a whole input adds the place.

use std::fmt;

use crate::cron::CronError;
use crate::names::NameError;
use crate::retention::RetentionError;

/// How much of a refused value a message shows. A databag may hold anything, a status line is short.
const SHOWN_CHARACTERS: usize = 120;
/// How much of a field's name or of a reason a message shows: the longest reason of ours, and some of a parser's.
const SHOWN_REASON_CHARACTERS: usize = 300;

/// A value that cannot be used.
///
/// The text says which field, which value and why, for example
/// `cannot use ttl "30d": Go knows no unit "d"`. What would be right instead is in [`Error::hint`],
/// so that the caller decides where to show it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot use {}{}: {}", plain(&.0.field), shown(.0.value.as_deref()), plain(&.0.reason.to_string()))]
pub struct Error(Box<Parts>);

/// In a box, so that every result that may hold an error stays small.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Parts {
    field: String,
    pointer: String,
    value: Option<String>,
    reason: Reason,
}

/// Why a value cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The value is not there.
    #[error("it is missing")]
    Missing,
    /// The value is there and empty.
    #[error("it is empty")]
    Empty,
    /// Another JSON type is needed.
    #[error("it must be {expected}, not {found}")]
    WrongType {
        /// What is needed, for example `a list of texts`.
        expected: &'static str,
        /// What is there, for example `a number`.
        found: &'static str,
    },
    /// The text is not JSON, or not YAML where YAML is taken.
    #[error("it is not {format}: {message}")]
    Syntax {
        /// `JSON` or `YAML`.
        format: &'static str,
        /// What the parser says, with line and column.
        message: String,
    },
    /// Velero would back up every namespace.
    #[error("it names no namespace, which Velero takes to mean all of them")]
    NoNamespace,
    /// A namespace that stands for more than one.
    #[error("it stands for more than one namespace")]
    NamespaceWildcard,
    /// `*` beside other resources.
    #[error("\"*\" stands for all and must be alone")]
    WildcardNotAlone,
    /// `*` among what is left out.
    #[error("\"*\" would leave everything out")]
    EverythingExcluded,
    /// The same name is included and excluded.
    #[error("it is both included and excluded")]
    IncludedAndExcluded,
    /// A label that is asked for with another value already.
    #[error("no object has it and {earlier:?} as well")]
    TwoLabelValues {
        /// The value that was asked for before.
        earlier: String,
    },
    /// A key under a spelling that the operator skips without a word.
    #[error("velero-operator would ignore it, and the backup would hold more than was meant")]
    MisspelledKey {
        /// The key that the operator reads.
        expected: &'static str,
    },
    /// A key that no form of a spec has.
    #[error("it is no field of a backup's spec")]
    UnknownKey {
        /// The key that was probably meant.
        meant: Option<&'static str>,
    },
    /// A field of a Backup's spec beside a Schedule's template.
    #[error("it stands beside a template, so that there would be two specs")]
    BesideTemplate,
    /// Part of a Velero spec that velero-operator sets by itself.
    #[error("velero-operator decides it, whatever a client says")]
    OperatorDecides,
    /// Part of a Velero spec that the relation has no field for.
    #[error("the relation cannot carry it, and without it the backup would be another one")]
    NotCarried,
    /// Not a name as Kubernetes takes it.
    #[error(transparent)]
    Name(NameError),
    /// Not how long a backup can be kept.
    #[error(transparent)]
    Retention(RetentionError),
    /// Not a schedule that Velero takes and that leaves time for backups.
    #[error(transparent)]
    Schedule(CronError),
    /// Not one of a few words.
    #[error("it is not one of {0}")]
    NotOneOf(&'static str),
    /// The JSON Schema refuses what the types do not look at.
    #[error("{0}")]
    Schema(String),
}

impl Reason {
    pub(crate) fn syntax(format: &'static str, message: String) -> Self {
        Self::Syntax { format, message }
    }

    /// Whether Velero itself would take the value, so that only this crate refuses it.
    pub fn is_stricter_than_velero(&self) -> bool {
        match self {
            Self::Retention(error) => error.is_stricter_than_velero(),
            Self::Schedule(error) => error.is_stricter_than_velero(),
            Self::Missing
            | Self::Empty
            | Self::WrongType { .. }
            | Self::Syntax { .. }
            | Self::NoNamespace
            | Self::NamespaceWildcard
            | Self::WildcardNotAlone
            | Self::EverythingExcluded
            | Self::IncludedAndExcluded
            | Self::TwoLabelValues { .. }
            | Self::MisspelledKey { .. }
            | Self::UnknownKey { .. }
            | Self::BesideTemplate
            | Self::OperatorDecides
            | Self::NotCarried
            | Self::Name(_)
            | Self::NotOneOf(_)
            | Self::Schema(_) => false,
        }
    }

    fn hint(&self) -> Option<String> {
        let text = match self {
            Self::Missing | Self::Empty => return None,
            // The usual cause: YAML makes a number of an unquoted 1 and a boolean of an unquoted on.
            Self::WrongType {
                expected: expected @ "a text",
                found: "a number" | "true or false",
            } => return Some(format!("write {expected}: put it in quotes")),
            Self::WrongType { expected, .. } => return Some(format!("write {expected}")),
            Self::Syntax { format: "JSON", .. } => {
                "write the spec as one JSON object, as BackupRequest::to_databag does"
            }
            Self::Syntax { .. } => "write the spec as a YAML or JSON mapping",
            Self::NoNamespace => "name the model: include_namespaces: [\"media\"]",
            Self::NamespaceWildcard => "name each namespace",
            Self::WildcardNotAlone => "write \"*\" alone, or name the resources",
            Self::EverythingExcluded => "leave \"*\" out, and name what is to be left out",
            Self::IncludedAndExcluded => "leave it out of one of the two lists",
            Self::TwoLabelValues { .. } => {
                "leave the label out: labels narrow what a spec asks for already, and never replace it"
            }
            Self::MisspelledKey { expected }
            | Self::UnknownKey {
                meant: Some(expected),
            } => return Some(format!("write {expected}")),
            Self::UnknownKey { meant: None } => "leave it out",
            Self::BesideTemplate => "move it into the template",
            Self::OperatorDecides => {
                "leave it out; the storage location is always default, and velero-operator's option \
                 default-volumes-to-fs-backup says how volumes are saved"
            }
            Self::NotCarried => {
                "leave it out; namespaces, resources, matchLabels, ttl, includeClusterResources and the schedule's \
                 own fields are what the relation carries"
            }
            Self::Name(error) => return Some(error.hint()),
            Self::Retention(error) => return Some(error.hint()),
            Self::Schedule(error) => return Some(error.hint()),
            Self::NotOneOf(words) => return Some(format!("write one of {words}")),
            Self::Schema(_) => "compare the databag with schema/velero_backup_config.schema.json",
        };
        Some(text.to_owned())
    }
}

impl Error {
    /// An error about a field of the databag: `pointer` is a JSON pointer, the field is named by its last key that is no index.
    pub(crate) fn at(pointer: impl Into<String>, value: Option<&str>, reason: Reason) -> Self {
        let pointer = pointer.into();
        let field = field_of(&pointer);
        Self(Box::new(Parts {
            field,
            pointer,
            value: value.map(str::to_owned),
            reason,
        }))
    }

    /// The same error about a value that stands elsewhere.
    pub(crate) fn moved_to(mut self, pointer: impl Into<String>) -> Self {
        self.0.pointer = pointer.into();
        self.0.field = field_of(&self.0.pointer);
        self
    }

    /// The same value, wrong for another reason.
    pub(crate) fn because(mut self, reason: Reason) -> Self {
        self.0.reason = reason;
        self
    }

    /// The same error about another name, where the pointer's last key does not say what the value is.
    #[must_use]
    pub(crate) fn for_field(mut self, field: &str) -> Self {
        field.clone_into(&mut self.0.field);
        self
    }

    /// The field, by its name on the wire (`ttl`), or `label key`.
    pub fn field(&self) -> &str {
        &self.0.field
    }

    /// Where the value is: a JSON pointer (RFC 6901) into the databag seen as one JSON object with `spec` decoded,
    /// for example `/spec/include_namespaces/0`.
    pub fn pointer(&self) -> &str {
        &self.0.pointer
    }

    /// The value, if there is one.
    pub fn value(&self) -> Option<&str> {
        self.0.value.as_deref()
    }

    /// Why it cannot be used.
    pub fn reason(&self) -> &Reason {
        &self.0.reason
    }

    /// What would be right, as a sentence for the person who set the value.
    pub fn hint(&self) -> Option<String> {
        if matches!(self.0.reason, Reason::Missing | Reason::Empty) {
            return Some(format!("set {}", self.0.field));
        }
        self.0.reason.hint()
    }
}

/// Everything that is wrong with an input: at least one error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Errors {
    first: Error,
    others: Vec<Error>,
}

impl Errors {
    /// From what was found. An empty list is a mistake of the caller's, and still an error for the user.
    pub(crate) fn from_vec(errors: Vec<Error>) -> Self {
        let mut errors = errors.into_iter();
        Self {
            first: errors
                .next()
                .unwrap_or_else(|| Error::at("", None, Reason::Empty)),
            others: errors.collect(),
        }
    }

    /// The first error.
    pub fn first(&self) -> &Error {
        &self.first
    }

    /// All errors, in the order in which they were found.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.first.fmt(formatter)?;
        self.others
            .iter()
            .try_for_each(|error| write!(formatter, "; {error}"))
    }
}

impl std::error::Error for Errors {}

impl From<Error> for Errors {
    fn from(error: Error) -> Self {
        Self {
            first: error,
            others: Vec::new(),
        }
    }
}

impl IntoIterator for Errors {
    type Item = Error;
    type IntoIter = std::iter::Chain<std::iter::Once<Error>, std::vec::IntoIter<Error>>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self.first).chain(self.others)
    }
}

fn field_of(pointer: &str) -> String {
    let named = pointer
        .rsplit('/')
        .find(|key| !key.is_empty() && !key.bytes().all(|byte| byte.is_ascii_digit()));
    named.unwrap_or("the input").replace("~1", "/").replace("~0", "~")
}

/// Escapes a key for use in a JSON pointer (RFC 6901, section 3).
pub(crate) fn pointer_key(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// A text that may hold what a databag held, with control characters escaped, cut to a length that a log line bears.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    for character in text.chars().take(SHOWN_REASON_CHARACTERS) {
        match character {
            '"' | '\'' | '\\' => plain.push(character),
            other => plain.extend(other.escape_debug()),
        }
    }
    if text.chars().nth(SHOWN_REASON_CHARACTERS).is_some() {
        plain.push('…');
    }
    plain
}

/// The value in quotes with control characters escaped, cut to a length that a status line bears.
fn shown(value: Option<&str>) -> String {
    match value {
        None => String::new(),
        Some(value) if value.chars().count() > SHOWN_CHARACTERS => {
            let start: String = value.chars().take(SHOWN_CHARACTERS).collect();
            format!(" {start:?}…")
        }
        Some(value) => format!(" {value:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_names_field_value_and_reason() {
        let error = Error::at("/spec/include_namespaces/3", Some("*"), Reason::NamespaceWildcard);
        assert_eq!(
            error.to_string(),
            r#"cannot use include_namespaces "*": it stands for more than one namespace"#
        );
        assert_eq!(error.for_field("namespace").field(), "namespace");
    }

    #[test]
    fn a_value_is_shown_escaped_and_short() {
        let hostile = format!("\u{1b}[2J\n{}", "x".repeat(500));
        let text = Error::at("/app", Some(&hostile), Reason::Empty).to_string();
        assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text}");
        assert!(text.chars().count() < 200, "{text}");
    }

    #[test]
    fn a_hostile_key_or_reason_is_escaped_and_cut() {
        let hostile = format!("\u{1b}[2J\r\u{7f}{}", "x".repeat(5000));
        let error = Error::at(format!("/{hostile}"), None, Reason::Schema(hostile));
        let text = error.to_string();
        assert!(!text.chars().any(char::is_control), "{text}");
        assert!(text.chars().count() < 700, "{text}");
        let quoted = Error::at("/a", None, Reason::Schema("\"'\\ä".to_owned()));
        assert_eq!(quoted.to_string(), "cannot use a: \"'\\ä");
    }

    #[test]
    fn a_label_key_with_a_slash_is_named_as_it_is() {
        let pointer = format!("/spec/label_selector/{}", pointer_key("a~b/c"));
        assert_eq!(pointer, "/spec/label_selector/a~0b~1c");
        assert_eq!(Error::at(pointer, None, Reason::Missing).field(), "a~b/c");
    }
}
