//! The names that Juju gives to units, relations, storage and secrets. Each can only be had by parsing it.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

/// A text is not the name that it should be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}")]
pub struct InvalidName {
    text: String,
    expected: &'static str,
}

impl InvalidName {
    fn new(text: &str, expected: &'static str) -> Self {
        Self {
            text: text.to_owned(),
            expected,
        }
    }
}

/// Splits `text` at the last `separator` into a name and a number, as `db/3` and `db:3` are built.
fn name_and_number(text: &str, separator: char) -> Option<(&str, u64)> {
    let (name, number) = text.rsplit_once(separator)?;
    let digits = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    let valid = !name.is_empty() && !name.contains([separator, ' ', '\n']) && digits;
    if valid {
        number.parse().ok().map(|number| (name, number))
    } else {
        None
    }
}

macro_rules! numbered_name {
    ($(#[$docs:meta])* $type:ident, $field:ident, $(#[$field_docs:meta])* $separator:literal, $expected:literal) => {
        $(#[$docs])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type {
            $field: String,
            number: u64,
        }

        impl $type {
            $(#[$field_docs])*
            pub fn $field(&self) -> &str {
                &self.$field
            }

            /// The number, unique in the model.
            pub fn number(&self) -> u64 {
                self.number
            }
        }

        impl FromStr for $type {
            type Err = InvalidName;

            fn from_str(text: &str) -> Result<Self, InvalidName> {
                let (name, number) =
                    name_and_number(text, $separator).ok_or_else(|| InvalidName::new(text, $expected))?;
                Ok(Self { $field: name.to_owned(), number })
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(formatter, "{}{}{}", self.$field, $separator, self.number)
            }
        }
    };
}

numbered_name! {
    /// A unit, as `web/0`.
    UnitName, app,
    /// The application that it is a unit of.
    '/', "a unit name like web/0"
}

numbered_name! {
    /// A relation as one side sees it, as `database:7`: the own endpoint and a number.
    RelationId, endpoint,
    /// The own endpoint, as the charm's metadata names it.
    ':', "a relation id like database:7"
}

numbered_name! {
    /// A storage instance, as `config/3`.
    StorageId, name,
    /// The storage, as the charm's metadata names it.
    '/', "a storage id like config/3"
}

/// Identifies a secret.
///
/// Juju writes one secret as `d8a…`, `secret:d8a…` or `secret://MODEL-UUID/d8a…`, and not always in the same form. Two
/// ids are equal when their last part is; `Display` gives the form that was parsed, so that the model is not lost.
#[derive(Debug, Clone)]
pub struct SecretId {
    text: String,
}

impl SecretId {
    /// The part that tells secrets apart, without scheme and model.
    pub fn unique_id(&self) -> &str {
        let without_scheme = self.text.strip_prefix("secret:").unwrap_or(&self.text);
        without_scheme.rsplit('/').next().unwrap_or(without_scheme)
    }
}

impl FromStr for SecretId {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let id = Self {
            text: text.to_owned(),
        };
        let unique_id = id.unique_id();
        if unique_id.is_empty() || !unique_id.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
            return Err(InvalidName::new(
                text,
                "a secret id like secret:9m4e2mr0ui3e8a215n4g",
            ));
        }
        Ok(id)
    }
}

impl fmt::Display for SecretId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl PartialEq for SecretId {
    fn eq(&self, other: &Self) -> bool {
        self.unique_id() == other.unique_id()
    }
}

impl Eq for SecretId {}

impl Hash for SecretId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.unique_id().hash(state);
    }
}

impl PartialOrd for SecretId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for SecretId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.unique_id().cmp(other.unique_id())
    }
}

/// Transport protocol of a [`Port`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Protocol {
    /// `tcp`
    Tcp,
    /// `udp`
    Udp,
    /// `icmp`, which has no port number.
    Icmp,
}

/// What `open-port` opens, as `8080/tcp`, `8080-8090/udp` or `icmp`.
///
/// On Kubernetes Juju refuses ranges: `port ranges are not supported for k8s applications`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Port {
    protocol: Protocol,
    first: u16,
    last: u16,
}

impl Port {
    /// One TCP port.
    pub const fn tcp(number: u16) -> Self {
        Self {
            protocol: Protocol::Tcp,
            first: number,
            last: number,
        }
    }

    /// One UDP port.
    pub const fn udp(number: u16) -> Self {
        Self {
            protocol: Protocol::Udp,
            first: number,
            last: number,
        }
    }

    /// The protocol.
    pub const fn protocol(&self) -> Protocol {
        self.protocol
    }

    /// The first port of the range; the port itself when it is no range; 0 for ICMP.
    pub const fn number(&self) -> u16 {
        self.first
    }
}

const PORT_FORM: &str = "a port like 8080/tcp, 8080-8090/udp or icmp";

impl FromStr for Port {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let invalid = || InvalidName::new(text, PORT_FORM);
        if text == "icmp" {
            return Ok(Self {
                protocol: Protocol::Icmp,
                first: 0,
                last: 0,
            });
        }
        let (range, protocol) = text.split_once('/').ok_or_else(invalid)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(invalid()),
        };
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |digits: &str| match digits.parse::<u16>() {
            Ok(number) if number > 0 && digits.bytes().all(|byte| byte.is_ascii_digit()) => Ok(number),
            _ => Err(invalid()),
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            Err(invalid())
        } else {
            Ok(Self {
                protocol,
                first,
                last,
            })
        }
    }
}

impl fmt::Display for Port {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
            Protocol::Icmp => return formatter.write_str("icmp"),
        };
        if self.first == self.last {
            write!(formatter, "{}/{protocol}", self.first)
        } else {
            write!(formatter, "{}-{}/{protocol}", self.first, self.last)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_parsed_and_written_back() {
        let unit: UnitName = "media-app/12".parse().unwrap();
        assert_eq!(
            (unit.app(), unit.number(), unit.to_string().as_str()),
            ("media-app", 12, "media-app/12")
        );
        let relation: RelationId = "database:7".parse().unwrap();
        assert_eq!((relation.endpoint(), relation.number()), ("database", 7));
        let storage: StorageId = "config/0".parse().unwrap();
        assert_eq!((storage.name(), storage.number()), ("config", 0));
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in [
            "",
            "a",
            "a/",
            "/0",
            "a/b",
            "a/0/1",
            "a/-1",
            "a/+1",
            "a b/0",
            "a/99999999999999999999",
        ] {
            assert!(text.parse::<UnitName>().is_err(), "unit {text:?}");
        }
        for text in ["", "db", "db:", ":1", "db/1", "db:x", "1"] {
            assert!(text.parse::<RelationId>().is_err(), "relation {text:?}");
        }
        let error = "db".parse::<RelationId>().unwrap_err();
        assert_eq!(error.to_string(), "\"db\" is not a relation id like database:7");
    }

    #[test]
    fn a_secret_is_the_same_in_every_form() {
        let bare: SecretId = "d8a1b2c3d4e5f6g7h8i9".parse().unwrap();
        for text in [
            "secret:d8a1b2c3d4e5f6g7h8i9",
            "secret://c1dffb6d-a8af-4bab-851e-54aafa595a16/d8a1b2c3d4e5f6g7h8i9",
        ] {
            let id: SecretId = text.parse().unwrap();
            assert_eq!(id, bare, "{text}");
            assert_eq!(id.to_string(), text);
        }
        for text in ["", "secret:", "secret://model/", "secret:a b"] {
            assert!(text.parse::<SecretId>().is_err(), "{text:?}");
        }
    }

    #[test]
    fn ports_are_parsed_and_written_back() {
        for text in ["8080/tcp", "53/udp", "8080-8090/tcp", "icmp"] {
            assert_eq!(text.parse::<Port>().unwrap().to_string(), text);
        }
        for text in [
            "",
            "8080",
            "0/tcp",
            "8080/http",
            "70000/tcp",
            "+1/tcp",
            "9-8/tcp",
            "1-/tcp",
            "8080/TCP",
        ] {
            assert!(text.parse::<Port>().is_err(), "{text:?}");
        }
        assert_eq!(Port::tcp(8080).to_string(), "8080/tcp");
    }
}
