//! What clients of the app log in with: where it comes from, and how it never gets into a log.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use juju_charm::SecretContent;

use crate::digest::pbkdf2_sha512;
use crate::profile::credentials::Credentials as Kind;

/// Rounds of PBKDF2. What readers of the hash expect is fixed, so this is as well.
const ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).unwrap();

/// An API key, or a login. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// By the key in the secret's content, which is also the placeholder in templates.
    values: BTreeMap<String, String>,
    origin: Origin,
}

/// Where credentials were found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// In the app's Juju secret: the authority.
    Secret,
    /// In the app's config file, before there was a secret: taken over, so that clients that know it go on working.
    ConfigFile,
    /// Nowhere: made new.
    Generated,
    /// Made new to replace those in the secret.
    Rotated,
}

/// The system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("cannot make credentials: the system gives no random bytes")]
pub struct NoRandomness;

/// A secret lacks a key of its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissingKey(pub &'static str);

/// Label of the app-owned secret.
pub fn label(kind: &Kind) -> &'static str {
    match kind {
        Kind::ApiKey {} => "api-key",
        Kind::Login { .. } => "credentials",
    }
}

/// Keys of the secret's content.
pub fn keys(kind: &Kind) -> &'static [&'static str] {
    match kind {
        Kind::ApiKey {} => &["api-key"],
        // The hash is salted: made anew each time, it would never be the same text as in the config file.
        Kind::Login { .. } => &["password", "password-hash", "username"],
    }
}

impl Credentials {
    /// What the secret holds.
    ///
    /// # Errors
    /// When it lacks a key: somebody changed it.
    pub fn from_secret(kind: &Kind, content: &SecretContent) -> Result<Self, MissingKey> {
        let mut values = BTreeMap::new();
        for key in keys(kind) {
            let value = content.get(key).ok_or(MissingKey(key))?;
            values.insert((*key).to_owned(), value.to_owned());
        }
        Ok(Self {
            values,
            origin: Origin::Secret,
        })
    }

    /// What the secret is known to hold, though it was not read: a part of it, perhaps.
    pub(crate) fn as_in_secret(values: BTreeMap<String, String>) -> Self {
        Self {
            values,
            origin: Origin::Secret,
        }
    }

    /// The API key that the app's config file holds, if it looks like one: 20 to 128 letters and digits, or base64.
    pub fn from_config_file(text: &str) -> Option<Self> {
        let part_of_key = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=-_".contains(&byte);
        let plausible = (20..=128).contains(&text.len()) && text.bytes().all(part_of_key);
        plausible.then(|| Self {
            values: BTreeMap::from([("api-key".to_owned(), text.to_owned())]),
            origin: Origin::ConfigFile,
        })
    }

    /// New ones: an API key of 32 hexadecimal digits, the form that most apps themselves make; or the login's name with a
    /// password of 24 random bytes.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn generate(kind: &Kind) -> Result<Self, NoRandomness> {
        let values = match kind {
            Kind::ApiKey {} => {
                let key = random::<16>()?.iter().map(|byte| format!("{byte:02x}")).collect();
                BTreeMap::from([("api-key".to_owned(), key)])
            }
            Kind::Login { username } => {
                let password = URL_SAFE_NO_PAD.encode(random::<24>()?);
                BTreeMap::from([
                    (
                        "password-hash".to_owned(),
                        password_hash(&password, random::<16>()?),
                    ),
                    ("password".to_owned(), password),
                    ("username".to_owned(), username.clone()),
                ])
            }
        };
        Ok(Self {
            values,
            origin: Origin::Generated,
        })
    }

    /// New ones in place of those that the secret holds.
    ///
    /// # Errors
    /// When the system gives no random bytes.
    pub fn rotate(kind: &Kind) -> Result<Self, NoRandomness> {
        Ok(Self {
            origin: Origin::Rotated,
            ..Self::generate(kind)?
        })
    }

    /// The value of a key. For the secret and the config file, nothing else.
    pub fn expose(&self, key: &str) -> Option<&str> {
        self.values.get(key).map(String::as_str)
    }

    /// All of it, for the secret.
    pub fn content(&self) -> SecretContent {
        self.values
            .iter()
            .map(|(key, value)| (key.as_str(), value.as_str()))
            .collect()
    }

    /// Where it came from.
    pub fn origin(&self) -> Origin {
        self.origin
    }
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Credentials(from {:?})", self.origin)
    }
}

/// Salt and PBKDF2-HMAC-SHA512 hash of 64 bytes, both in base64, with a colon between: what Qt apps keep as a byte array.
fn password_hash(password: &str, salt: [u8; 16]) -> String {
    let hash = pbkdf2_sha512(password, &salt, ROUNDS);
    format!("{}:{}", STANDARD.encode(salt), STANDARD.encode(hash))
}

pub(crate) fn random<const N: usize>() -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0_u8; N];
    getrandom::fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn login() -> Kind {
        Kind::Login {
            username: "admin".to_owned(),
        }
    }

    #[test]
    fn a_generated_key_is_long_and_not_shown() {
        let kind = Kind::ApiKey {};
        let key = Credentials::generate(&kind).unwrap();
        assert_eq!(key.expose("api-key").unwrap().len(), 32);
        assert!(!format!("{key:?}").contains(key.expose("api-key").unwrap()));
        assert_ne!(key, Credentials::generate(&kind).unwrap());
        assert_eq!(
            Credentials::from_secret(&kind, &key.content()).unwrap().content(),
            key.content()
        );
    }

    #[test]
    fn a_login_comes_back_from_the_secret_with_its_hash() {
        let login = login();
        let made = Credentials::generate(&login).unwrap();
        let read = Credentials::from_secret(&login, &made.content()).unwrap();
        assert_eq!(read.expose("password-hash"), made.expose("password-hash"));
        assert_eq!(read.expose("username"), Some("admin"));
        let without = SecretContent::from([("username", "admin"), ("password", "x")]);
        assert_eq!(
            Credentials::from_secret(&login, &without),
            Err(MissingKey("password-hash"))
        );
    }

    /// The value that Python's hashlib.pbkdf2_hmac("sha512", b"adminadmin", bytes(range(16)), 100000) gives.
    #[test]
    fn the_hash_is_the_one_that_others_compute() {
        let salt = std::array::from_fn(|index| u8::try_from(index).unwrap());
        assert_eq!(password_hash("adminadmin", salt), EXPECTED_HASH);
    }

    const EXPECTED_HASH: &str = "AAECAwQFBgcICQoLDA0ODw==:UC4grCR8uxnR4Gzyoule02IP9X8mRb7SaEfCylvs19kyzc76Vdb/0xQlSKu43sz2Dl4vz2SIZymUO3PvTxIfVQ==";

    #[test]
    fn only_what_looks_like_a_key_is_taken_over() {
        for key in [
            "0123456789abcdef0123456789abcdef",
            "MTcwMDAwMDAwMDAwMGE2NGFmMDg1LTQ4YWYtNDE3YS1iNGI5LTFhYjJjM2Q0ZTVmNg==",
        ] {
            assert!(Credentials::from_config_file(key).is_some(), "{key}");
        }
        for not_a_key in [
            "",
            "short",
            "0123456789abcdef 0123456789abcdef",
            "<0123456789abcdef01234567>",
        ] {
            assert_eq!(Credentials::from_config_file(not_a_key), None, "{not_a_key:?}");
        }
    }
}
