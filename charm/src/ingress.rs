//! The relation ingress (v2, for the whole application): what is published, and the URL that comes back.
//!
//! Wire form: `ingress/v2` of canonical/charm-relation-interfaces. Every value is JSON. A provider takes the relation for
//! not ready until **every** unit has published its host.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Name of the endpoint and of its interface.
pub const ENDPOINT: &str = "ingress";

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

/// A URL, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngressUrl {
    /// The whole of it.
    pub url: String,
    /// Its host, without a port.
    pub host: String,
    /// Its path: empty, or `/name`, without a slash at its end.
    pub path: String,
}

/// The URL in the provider's application bag. An absent one, `null` and what is no URL all mean: not ready.
pub fn url_in(bag: &BTreeMap<String, String>) -> Option<String> {
    let value: Value = serde_json::from_str(bag.get("ingress")?).ok()?;
    value.get("url")?.as_str().map(str::to_owned)
}

impl IngressUrl {
    /// Takes a URL apart; `None` if it is none.
    pub fn parse(url: &str) -> Option<Self> {
        let rest = url
            .strip_prefix("http://")
            .or_else(|| url.strip_prefix("https://"))?;
        let until_path = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, behind) = rest.split_at(until_path);
        let host = match authority.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => host,
            _ => authority,
        };
        let path = behind.split(['?', '#']).next().unwrap_or_default();
        (!host.is_empty()).then(|| Self {
            url: url.to_owned(),
            host: host.to_owned(),
            path: path.trim_end_matches('/').to_owned(),
        })
    }
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
    fn urls_are_taken_apart() {
        let cases = [
            ("http://media.example/home-films", "media.example", "/home-films"),
            ("https://films.example:8443/", "films.example", ""),
            ("http://10.1.2.3", "10.1.2.3", ""),
            ("http://[fd00::1]:80/a/b/?x=/y", "[fd00::1]", "/a/b"),
        ];
        for (url, host, path) in cases {
            let parsed = IngressUrl::parse(url).unwrap();
            assert_eq!(
                (parsed.host.as_str(), parsed.path.as_str()),
                (host, path),
                "{url}"
            );
        }
        for no_url in ["", "films", "ftp://x/", "http:///x"] {
            assert_eq!(IngressUrl::parse(no_url), None, "{no_url}");
        }
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
