//! Where notifications go, and how they are to look there.

use std::fmt;

use hyper::Uri;

/// How a notification looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ntfy: text, with headers.
    Ntfy,
    /// A webhook of Discord's.
    Discord,
    /// A webhook of Slack's, and of what takes the same (Mattermost).
    Slack,
    /// healthchecks.io and what is like it: `/fail` behind the URL when something is wrong, the URL itself when nothing is any more.
    Ping,
    /// JSON of our own.
    Json,
}

impl Format {
    /// What is written with a `+` before the URL to choose it.
    const NAMES: [(&'static str, Self); 5] = [
        ("ntfy", Self::Ntfy),
        ("discord", Self::Discord),
        ("slack", Self::Slack),
        ("ping", Self::Ping),
        ("json", Self::Json),
    ];

    /// Its name.
    pub fn name(self) -> &'static str {
        let mut names = Self::NAMES.iter();
        names
            .find(|(_, format)| *format == self)
            .map_or("json", |(name, _)| name)
    }

    /// That of a host that is known.
    fn of_host(host: &str) -> Self {
        let is_of = |domain: &str| {
            host.strip_suffix(domain)
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
        };
        if is_of("ntfy.sh") {
            Self::Ntfy
        } else if is_of("discord.com") || is_of("discordapp.com") {
            Self::Discord
        } else if is_of("hooks.slack.com") {
            Self::Slack
        } else if is_of("hc-ping.com") {
            Self::Ping
        } else {
            Self::Json
        }
    }
}

/// Whoever is notified. What of it may be a password is not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    pub(super) uri: Uri,
    pub(super) host: String,
    /// How it is told.
    pub format: Format,
    pub(super) token: Option<String>,
    /// Certificates that are trusted instead of the public authorities', as PEM.
    pub(super) authority: Option<String>,
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Receiver({} at {})", self.format.name(), self.host)
    }
}

/// Longer ones nobody writes.
const LONGEST: usize = 2000;

impl Receiver {
    /// Reads a URL: `http` or `https`, a host, what is behind it; before it, with a `+`, how notifications are to look, where the host does not
    /// tell.
    ///
    /// # Errors
    /// What of it cannot be used, without a word of the URL.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err("must begin with https:// or http://");
        };
        let (named, scheme) = match scheme.split_once('+') {
            Some((name, scheme)) => (Some(name), scheme),
            None => (None, scheme),
        };
        let format = match named {
            Some(name) => Some(
                Format::NAMES
                    .into_iter()
                    .find_map(|(known, format)| (known == name).then_some(format))
                    .ok_or("must have ntfy, discord, slack, ping or json before the +")?,
            ),
            None => None,
        };
        if !["http", "https"].contains(&scheme) {
            return Err("must begin with https:// or http://");
        }
        if text.len() > LONGEST {
            return Err("is too long");
        }
        let uri: Uri = format!("{scheme}://{rest}").parse().map_err(|_| "is no URL")?;
        let authority = uri.authority().ok_or("has no host")?;
        if authority.as_str().contains('@') {
            return Err("must not name a user: give a token as key token of a secret");
        }
        let host = authority.host().to_ascii_lowercase();
        let is_plain = |c: char| c.is_ascii_alphanumeric() || ".-:[]".contains(c);
        if host.is_empty() || !host.chars().all(is_plain) {
            return Err("has no host that can be used");
        }
        if authority.as_str().len() > authority.host().len()
            && authority.port_u16().is_none_or(|port| port == 0)
        {
            return Err("has no port that can be used");
        }
        Ok(Self {
            format: format.unwrap_or_else(|| Format::of_host(&host)),
            uri,
            host,
            token: None,
            authority: None,
        })
    }

    /// The same with a token, and with certificates to trust.
    #[must_use]
    pub fn with(self, token: Option<&str>, authority: Option<&str>) -> Self {
        Self {
            token: token.map(str::to_owned),
            authority: authority.map(str::to_owned),
            ..self
        }
    }

    /// All of the URL, and how it is told.
    pub(super) fn marked(&self) -> String {
        format!("{} {}", self.format.name(), self.uri)
    }

    /// Its host: all of it that is shown.
    pub fn host(&self) -> &str {
        &self.host
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_tells_how_notifications_look_or_what_is_before_the_url() {
        for (text, format) in [
            ("https://ntfy.sh/mine", Format::Ntfy),
            ("https://discord.com/api/webhooks/1/secret", Format::Discord),
            ("https://canary.discord.com/api/webhooks/1/s", Format::Discord),
            ("https://hooks.slack.com/services/T/B/s", Format::Slack),
            ("https://hc-ping.com/uuid", Format::Ping),
            ("http://receiver.home:8080/hook?x=1", Format::Json),
            ("https://notntfy.sh/mine", Format::Json),
            ("ntfy+http://ntfy.home/mine", Format::Ntfy),
            ("slack+https://mattermost.home/hooks/x", Format::Slack),
            ("json+https://ntfy.sh/mine", Format::Json),
            ("ping+http://[::1]:8000/ping/uuid", Format::Ping),
        ] {
            assert_eq!(Receiver::parse(text).unwrap().format, format, "{text}");
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused_and_not_repeated() {
        for text in [
            "",
            "ntfy.sh/mine-s3cret",
            "ftp://host/s3cret",
            "mail+https://host/s3cret",
            "https://",
            "https:///s3cret",
            "https://user:s3cret@host/",
            "https://ho st/s3cret",
            "https://host:0/s3cret",
            "https://host:99999/s3cret",
            "https://host/s3cret\r\nX: y",
            "file:///etc/s3cret",
        ] {
            let reason = Receiver::parse(text).unwrap_err();
            assert!(!reason.contains("s3cret"), "{text:?}");
        }
        assert!(Receiver::parse(&format!("https://host/{}", "a".repeat(3000))).is_err());
        let receiver = Receiver::parse("https://discord.com/api/webhooks/1/s3cret").unwrap();
        let receiver = receiver.with(Some("t0ken"), None);
        assert_eq!(format!("{receiver:?}"), "Receiver(discord at discord.com)");
    }
}
