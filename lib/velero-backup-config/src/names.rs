//! Names as Kubernetes and Velero take them: namespaces, resources, label keys and label values.
//!
//! The rules are those of `apimachinery/pkg/util/validation/validation.go`. velero-operator puts the application,
//! endpoint and model of a request into labels and into the names of objects, without looking at them: a name that
//! Kubernetes refuses there means that no Schedule is made, and only the operator's log says so.

/// The longest DNS label, and the longest label value.
pub const LABEL_LENGTH: usize = 63;
/// The longest DNS subdomain.
pub const SUBDOMAIN_LENGTH: usize = 253;

/// Why a text is not the name that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// No characters at all.
    #[error("the name is empty")]
    Empty,
    /// Longer than Kubernetes takes.
    #[error("it has {length} characters, and Kubernetes takes {limit}")]
    TooLong {
        /// Its length.
        length: usize,
        /// The longest that is taken.
        limit: usize,
    },
    /// A character that the kind of name does not take, or not at its begin or end.
    #[error("{what} must be {rule}")]
    Malformed {
        /// Which kind of name it is.
        what: &'static str,
        /// What it is made of.
        rule: &'static str,
        /// One that is right.
        example: &'static str,
    },
}

impl NameError {
    /// What would be right, as a sentence for the person who chose the name.
    pub fn hint(&self) -> String {
        match self {
            Self::Empty => "write a name".to_owned(),
            Self::TooLong { limit, .. } => format!("use a name of at most {limit} characters"),
            Self::Malformed { example, .. } => format!("write it like {example}"),
        }
    }
}

const LABEL_RULE: &str = "lower-case letters, digits and inner hyphens";

/// Checks an RFC 1123 label: what names a namespace, and what application, endpoint and model must be to name objects after them.
///
/// # Errors
/// When it is empty, longer than 63 characters or has other characters than `a-z`, `0-9` and an inner `-`.
pub fn check_dns_label(name: &str) -> Result<(), NameError> {
    check_length(name, LABEL_LENGTH)?;
    if is_dns_label(name) {
        Ok(())
    } else {
        Err(NameError::Malformed {
            what: "a name",
            rule: LABEL_RULE,
            example: "media or radarr-4k",
        })
    }
}

/// Checks the name of a resource as Velero takes it: the plural, with the group after a point where it is needed
/// (`pods`, `deployments.apps`), or `*` for all.
///
/// # Errors
/// When it cannot be the name of any resource. Velero skips names that its cluster does not know, so this is all the checking there is.
pub fn check_resource(name: &str) -> Result<(), NameError> {
    if name == "*" {
        return Ok(());
    }
    check_length(name, SUBDOMAIN_LENGTH)?;
    if name.split('.').all(is_dns_label) {
        Ok(())
    } else {
        Err(NameError::Malformed {
            what: "a resource",
            rule: "a plural in lower case, with its group after a point if it has one",
            example: "pods, persistentvolumeclaims or deployments.apps",
        })
    }
}

/// Checks a label key: a name of at most 63 characters, after an optional DNS subdomain and a slash.
///
/// # Errors
/// When Kubernetes would refuse the key.
pub fn check_label_key(key: &str) -> Result<(), NameError> {
    let malformed = NameError::Malformed {
        what: "a label key",
        rule: "letters, digits, '-', '_' and '.' with a letter or digit at both ends, after an optional prefix and '/'",
        example: "app.kubernetes.io/name",
    };
    let name = match key.split_once('/') {
        None => key,
        Some((prefix, name)) => {
            check_length(prefix, SUBDOMAIN_LENGTH)?;
            if !prefix.split('.').all(is_dns_label) {
                return Err(malformed);
            }
            name
        }
    };
    check_length(name, LABEL_LENGTH)?;
    if is_label_text(name) {
        Ok(())
    } else {
        Err(malformed)
    }
}

/// Checks a label value. The empty text is one.
///
/// # Errors
/// When it is longer than 63 characters or has characters that Kubernetes refuses.
pub fn check_label_value(value: &str) -> Result<(), NameError> {
    if value.is_empty() {
        return Ok(());
    }
    check_length(value, LABEL_LENGTH)?;
    if is_label_text(value) {
        Ok(())
    } else {
        Err(NameError::Malformed {
            what: "a label value",
            rule: "letters, digits, '-', '_' and '.' with a letter or digit at both ends",
            example: "radarr",
        })
    }
}

fn check_length(name: &str, limit: usize) -> Result<(), NameError> {
    match name.chars().count() {
        0 => Err(NameError::Empty),
        length if length > limit => Err(NameError::TooLong { length, limit }),
        _ => Ok(()),
    }
}

fn is_dns_label(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    text.len() <= LABEL_LENGTH
        && text.bytes().all(inner)
        && !text.is_empty()
        && !text.starts_with('-')
        && !text.ends_with('-')
}

fn is_label_text(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let is_end = |byte: Option<u8>| byte.is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.bytes().all(inner) && is_end(text.bytes().next()) && is_end(text.bytes().next_back())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(check: fn(&str) -> Result<(), NameError>, good: &[&str], bad: &[&str]) {
        for name in good {
            assert_eq!(check(name), Ok(()), "{name:?}");
        }
        for name in bad {
            assert!(check(name).is_err(), "{name:?} was taken");
        }
    }

    #[test]
    fn a_namespace_is_an_rfc_1123_label() {
        let longest = "a".repeat(63);
        let too_long = "a".repeat(64);
        table(
            check_dns_label,
            &["media", "a", "4k", "radarr-4k", "a--b", &longest],
            &[
                "", "Media", "media_1", "-a", "a-", "a.b", "*", "me dia", "mėdia", "a\n", &too_long,
            ],
        );
    }

    #[test]
    fn a_resource_is_a_plural_with_an_optional_group() {
        let long_group = format!("pods.{}", "a".repeat(64));
        table(
            check_resource,
            &[
                "*",
                "pods",
                "persistentvolumeclaims",
                "deployments.apps",
                "backups.velero.io",
                "po",
            ],
            &[
                "",
                "Pods",
                "pods/log",
                "pods.",
                ".apps",
                "deployments..apps",
                "pods*",
                "pods,secrets",
                " pods",
                &long_group,
            ],
        );
    }

    #[test]
    fn a_label_key_may_have_a_dns_prefix() {
        let longest = format!("{}/{}", ["a"; 127].join("."), "b".repeat(63));
        table(
            check_label_key,
            &[
                "app",
                "app.kubernetes.io/name",
                "storage.juju.is/name",
                "A_b.C",
                "9",
                &longest,
            ],
            &[
                "",
                "/name",
                "prefix/",
                "a/b/c",
                "-a",
                "a-",
                "App.io/x",
                "a..b/x",
                "app name",
                "app=x",
                &"a".repeat(64),
            ],
        );
    }

    #[test]
    fn a_label_value_may_be_empty() {
        let longest = "v".repeat(63);
        table(
            check_label_value,
            &["", "radarr", "Radarr_1.x", "0", &longest],
            &["-a", "a-", ".", "a b", "a/b", "ä", &"v".repeat(64)],
        );
    }
}
