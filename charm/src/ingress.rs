//! The relation ingress (v2, for the whole application): what is published, and the URL that comes back.
//!
//! Wire form: `ingress/v2` of canonical/charm-relation-interfaces. Every value is JSON. A provider takes the relation for
//! not ready until **every** unit has published its host.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use hyper::Uri;
use serde_json::{Value, json};

use crate::endpoints;
use crate::names::is_dns_name;
use crate::options::URL_BASE;
use crate::profile::AppProfile;

/// Name of the endpoint and of its interface.
pub const ENDPOINT: &str = endpoints::INGRESS.name;

/// The variable of the service in which the plan remembers the URL. A steady event finds it there and asks Juju nothing.
pub const REMEMBERED: &str = "CHARM_INGRESS_URL";

/// What is known of the relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ingress {
    /// Not looked at: this event cannot have changed it.
    NotRead,
    /// There is no relation.
    NotRelated,
    /// There is one.
    Related(Related),
}

/// A relation to an ingress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Related {
    /// Its id.
    pub id: String,
    /// What our own application bag says, on the leader.
    pub app_bag: Option<BTreeMap<String, String>>,
    /// What this unit's bag says.
    pub unit_bag: BTreeMap<String, String>,
    /// Address of this unit's pod, once it has one.
    pub address: Option<String>,
    /// The URL that the provider serves the app at, once it does.
    pub url: Option<String>,
}

/// The URL that an ingress serves the app at. It holds nothing that a config file or a comparison could trip over: http or
/// https, a host in lower case, perhaps a port, a plain path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressUrl {
    url: String,
    host: String,
    path: String,
}

/// The URL in the provider's application bag. An absent one, `null` and what is no URL all mean: not ready.
pub fn url_in(bag: &BTreeMap<String, String>) -> Option<String> {
    let value: Value = serde_json::from_str(bag.get("ingress")?).ok()?;
    value.get("url")?.as_str().map(str::to_owned)
}

impl IngressUrl {
    /// Reads a URL; `None` if it is none, or holds more than is allowed. What follows the path is left out.
    pub fn parse(url: &str) -> Option<Self> {
        let uri: Uri = url.parse().ok()?;
        let scheme = uri
            .scheme_str()
            .filter(|scheme| ["http", "https"].contains(scheme))?;
        let authority = uri.authority()?;
        let host = authority.host().to_ascii_lowercase();
        let port = match authority.port() {
            Some(port) => format!(":{}", port.as_u16()),
            None => String::new(),
        };
        // A user, or a port that is no number.
        if !authority.as_str().eq_ignore_ascii_case(&format!("{host}{port}")) {
            return None;
        }
        let path = uri.path().trim_end_matches('/');
        (is_host(&host) && URL_BASE.takes(path)).then(|| Self {
            url: format!("{scheme}://{host}{port}{path}"),
            host,
            path: path.to_owned(),
        })
    }

    /// The whole of it, as [`IngressUrl::parse`] reads it again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its host, without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Its path: empty, or `/name`, without a slash at its end.
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// A name as DNS has it, or an address.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        return address.parse::<Ipv6Addr>().is_ok();
    }
    // Some resolvers and proxies take underscores in names.
    is_dns_name(&host.replace('_', "-"))
}

/// What the application has to publish. An app that cannot answer below a path asks for the path to be taken off.
pub fn app_bag(model: &str, app: &str, port: u16, strip_prefix: bool) -> BTreeMap<String, String> {
    BTreeMap::from([
        ("model".to_owned(), json!(model).to_string()),
        ("name".to_owned(), json!(app).to_string()),
        ("port".to_owned(), json!(port).to_string()),
        // Left out when it is the default; an empty value removes it.
        (
            "strip-prefix".to_owned(),
            if strip_prefix {
                "true".to_owned()
            } else {
                String::new()
            },
        ),
    ])
}

/// What a unit has to publish.
pub fn unit_bag(model: &str, app: &str, unit: u64, address: Option<&str>) -> BTreeMap<String, String> {
    // The name of the pod in the headless service that Juju makes for each application.
    let host = format!("{app}-{unit}.{app}-endpoints.{model}.svc.cluster.local");
    let mut bag = BTreeMap::from([("host".to_owned(), json!(host).to_string())]);
    if let Some(address) = address {
        bag.insert("ip".to_owned(), json!(address).to_string());
    }
    bag
}

/// The path below which the other side serves an app that cannot live there.
pub fn path_that_breaks(profile: &AppProfile, related: &Related) -> Option<String> {
    if profile.url_base || profile.ingress_below_path {
        return None;
    }
    let url = IngressUrl::parse(related.url.as_deref()?)?;
    (!url.path().is_empty()).then(|| url.path().to_owned())
}

/// The entries of `wanted` that `bag` does not have. An absent key is the same as an empty value.
pub fn differences(
    bag: &BTreeMap<String, String>,
    wanted: BTreeMap<String, String>,
) -> BTreeMap<String, String> {
    wanted
        .into_iter()
        .filter(|(key, value)| bag.get(key).map_or("", String::as_str) != value)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_into_what_may_stand_in_a_config_file() {
        let cases = [
            (
                "http://media.example/home-films",
                "media.example",
                "/home-films",
                "http://media.example/home-films",
            ),
            (
                "https://films.example:8443/",
                "films.example",
                "",
                "https://films.example:8443",
            ),
            ("http://10.1.2.3", "10.1.2.3", "", "http://10.1.2.3"),
            (
                "http://[fd00::1]:80/a/b/?x=/y",
                "[fd00::1]",
                "/a/b",
                "http://[fd00::1]:80/a/b",
            ),
            (
                "HTTP://Media.Example/Films",
                "media.example",
                "/Films",
                "http://media.example/Films",
            ),
        ];
        for (url, host, path, whole) in cases {
            let parsed = IngressUrl::parse(url).unwrap_or_else(|| panic!("{url}"));
            assert_eq!(
                (parsed.host(), parsed.path(), parsed.url()),
                (host, path, whole),
                "{url}"
            );
            assert_eq!(IngressUrl::parse(whole), Some(parsed), "{whole}");
        }
        let refused = [
            "",
            "films",
            "/films",
            "ftp://x/",
            "http:///x",
            "http://a,b,*/",
            "http://*/",
            "http://_/",
            "http://user@x/",
            "http://user:word@x/",
            "http://x:port/",
            "http://x:99999/",
            "http://x/a\nhost_whitelist=*",
            "http://x\n.example/",
            "http://-x.example/",
            "http://x..example/",
            "http://x/a b",
            "http://x/a%20b",
            "http://x/a//b",
            "http://x/a/../b",
            "http://x/..",
            "http://[fd00::zz]/",
            "http://f\u{fc}r.example/",
        ];
        for url in refused {
            assert_eq!(IngressUrl::parse(url), None, "{url:?}");
        }
        let long = format!("http://{}.example/", "x".repeat(64));
        assert_eq!(IngressUrl::parse(&long), None);
    }

    #[test]
    fn an_ingress_that_is_not_ready_has_no_url() {
        for text in ["null", "{}", "nonsense", r#"{"url":null}"#] {
            let bag = BTreeMap::from([("ingress".to_owned(), text.to_owned())]);
            assert_eq!(url_in(&bag), None, "{text}");
        }
        let bag = BTreeMap::from([("ingress".to_owned(), r#"{"url":"http://x/y"}"#.to_owned())]);
        assert_eq!(url_in(&bag).as_deref(), Some("http://x/y"));
    }

    #[test]
    fn every_value_is_json() {
        let bag = app_bag("home", "films", 80, true);
        assert_eq!(bag["model"], "\"home\"");
        assert_eq!(bag["port"], "80");
        assert_eq!(bag["strip-prefix"], "true");
        let unit = unit_bag("home", "films", 2, Some("10.1.2.3"));
        assert_eq!(unit["host"], "\"films-2.films-endpoints.home.svc.cluster.local\"");
        assert_eq!(unit["ip"], "\"10.1.2.3\"");
        assert!(
            differences(
                &app_bag("home", "films", 80, false),
                app_bag("home", "films", 80, false)
            )
            .is_empty()
        );
    }
}
