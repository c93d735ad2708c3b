//! Notifications where nobody watches `juju status`: the option `notify-url`.
//!
//! `receiver` reads the URL, `record` decides what is to be told and remembers it, both pure; `body` words it for the kind of receiver, and
//! `send` sends it. [`deliver`] brings these together at the end of a dispatch.
//!
//! A finding is told once when it comes and once when it goes; of what comes and goes again and again it is not told for
//! six hours that it is good. What could not be sent is tried again by later events, later each
//! time. A hook waits [`LIMIT`] at most for it, and never fails of it. Neither a token nor what comes behind the host in a URL is logged
//! or shown: the path of a webhook is its password.

mod body;
mod receiver;
mod record;
mod send;

use std::time::{Duration, Instant};

use juju_charm::secret::SecretRevision;
use juju_charm::{ErrorKind, Juju, SecretId};

pub use self::body::Message;
pub use self::receiver::{Format, Receiver};
pub use self::record::{Notice, Notices, Turn};
pub use self::send::send;
use crate::digest;
use crate::facts::Facts;

/// So long a hook waits for all notifications together.
pub const LIMIT: Duration = Duration::from_secs(5);

/// The key of a secret that has the certificates to trust. Juju takes none of two letters (`core/secrets/secretdata.go`).
pub const AUTHORITY: &str = "ca-certificate";

/// Whom the option says to notify.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotifyTo {
    /// Nobody.
    Nobody,
    /// Whoever listens at this URL.
    Url(Receiver),
    /// Whoever listens at the URL in this secret.
    Secret(SecretId),
}

impl NotifyTo {
    /// What tells it from another one, and tells nothing of it.
    pub fn mark(&self) -> Option<String> {
        let text = match self {
            Self::Nobody => return None,
            Self::Url(receiver) => receiver.marked(),
            Self::Secret(id) => id.unique_id().to_owned(),
        };
        Some(digest::mark(text, 8))
    }
}

/// The receiver, with its token where it has one.
///
/// # Errors
/// Why there is none, in words that hold nothing of the secret.
pub fn receiver_of(juju: &Juju, to: &NotifyTo) -> Result<Option<Receiver>, String> {
    let id = match to {
        NotifyTo::Nobody => return Ok(None),
        NotifyTo::Url(receiver) => return Ok(Some(receiver.clone())),
        NotifyTo::Secret(id) => id,
    };
    let app = juju.context().app();
    let content = match juju.secret_content_by_id(id, SecretRevision::Peek) {
        Ok(Some(content)) => content,
        Ok(None) => return Err("there is no such secret; juju secrets lists them".to_owned()),
        Err(error) if error.kind() == ErrorKind::NotAllowed => {
            return Err(format!(
                "the secret is not granted; juju grant-secret {} {app}",
                id.unique_id()
            ));
        }
        Err(_) => return Err("Juju does not give the secret; juju debug-log".to_owned()),
    };
    let url = content
        .get("url")
        .ok_or("the secret has no key url; juju update-secret with all of its keys, url too")?;
    let receiver = Receiver::parse(url.trim()).map_err(|reason| format!("key url of the secret {reason}"))?;
    let token = content
        .get("token")
        .map(str::trim)
        .filter(|token| !token.is_empty());
    let authority = content.get(AUTHORITY).filter(|text| !text.trim().is_empty());
    Ok(Some(receiver.with(token, authority)))
}

/// Sends what is to be sent now. What could not be is tried again by a later event.
pub fn deliver(juju: &Juju, facts: &Facts, to: &NotifyTo, notices: Notices) -> Notices {
    if !notices.is_to_be_sent(facts.now) {
        return notices;
    }
    let receiver = match receiver_of(juju, to) {
        Ok(Some(receiver)) => receiver,
        Ok(None) => return Notices::default(),
        Err(reason) => {
            log::warn!("notify-url: {reason}");
            return notices.failed(facts.now, &reason);
        }
    };
    let deadline = Instant::now() + LIMIT;
    let mut left = notices;
    while let Some(notice) = left.first() {
        let message = Message::of_notice(facts, notice, left.are_others_open(notice.kind));
        match send(&receiver, &message, deadline) {
            Ok(_) => left = left.sent(facts.now),
            Err(reason) => {
                log::warn!("notify-url: {reason}; it is tried again later");
                return left.failed(facts.now, &reason);
            }
        }
    }
    left
}
