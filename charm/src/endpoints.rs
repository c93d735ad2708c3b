//! The charm's endpoints, an entry each: what the packed `metadata.yaml` says of one, and which apps have it. Those that ask for
//! backups are entries of the table of [tiers].
//!
//! What goes over a relation is in the module that its entry names.

use serde_json::{Value, json};

use crate::profile::AppProfile;
use crate::tiers;

/// Which side of a relation the charm is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Between the units of the application.
    Peers,
    /// The charm offers it.
    Provides,
    /// The charm uses what another application offers.
    Requires,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Peers, Self::Provides, Self::Requires];

    /// Its key in `metadata.yaml`.
    pub const fn key(self) -> &'static str {
        match self {
            Self::Peers => "peers",
            Self::Provides => "provides",
            Self::Requires => "requires",
        }
    }
}

/// One endpoint.
#[derive(Debug, Clone, Copy)]
pub struct Endpoint {
    /// Its name, as in `juju integrate APP:NAME`.
    pub name: &'static str,
    /// The interface that the other side has to have too.
    pub interface: &'static str,
    /// Which side it is.
    pub role: Role,
    /// How many relations it takes; `None` for any number.
    pub limit: Option<u32>,
    /// What `juju info` shows; empty for the peer relation, which nobody relates.
    pub description: &'static str,
    /// Whether the app has it.
    pub(crate) has_it: fn(&AppProfile) -> bool,
}

macro_rules! endpoints {
    ($($(#[$about:meta])* $endpoint:ident = { $($field:ident: $content:expr,)* };)*) => {
        $(
            $(#[$about])*
            pub const $endpoint: Endpoint = Endpoint { $($field: $content,)* };
        )*
        const ALL: &[Endpoint] = &[$($endpoint),*];
    };
}

endpoints! {
    /// The units of the application, of which one has the data: [`crate::data_unit`].
    PEERS = {
        name: "peers",
        interface: "media_app_peers",
        role: Role::Peers,
        limit: None,
        description: "",
        has_it: AppProfile::has_one_writer,
    };
    /// The claim with the media: [`crate::media`].
    MEDIA_STORAGE = {
        name: "media-storage",
        interface: "media-storage",
        role: Role::Requires,
        limit: Some(1),
        description: "The claim that holds the media, and whom its files belong to",
        has_it: |profile| profile.media,
    };
    /// The way in from outside the cluster: [`crate::ingress`].
    INGRESS = {
        name: "ingress",
        interface: "ingress",
        role: Role::Requires,
        limit: Some(1),
        description: "A URL for people outside the cluster",
        has_it: |profile| profile.ingress,
    };
    /// The gateway through which the app hides its address: [`crate::vpn`].
    VPN_GATEWAY = {
        name: "vpn-gateway",
        interface: "vpn-gateway",
        role: Role::Requires,
        limit: Some(1),
        description: "A VPN gateway that hides the address that the app downloads from",
        has_it: |profile| profile.vpn,
    };
    /// Metrics of the backups, with alert rules: [`crate::cos::scrape`].
    METRICS_ENDPOINT = {
        name: "metrics-endpoint",
        interface: "prometheus_scrape",
        role: Role::Provides,
        limit: None,
        description: "Metrics of the app's backups, with alert rules",
        has_it: AppProfile::is_backed_up,
    };
    /// The dashboard of the backups: [`crate::cos::dashboard`].
    GRAFANA_DASHBOARD = {
        name: "grafana-dashboard",
        interface: "grafana_dashboard",
        role: Role::Provides,
        limit: None,
        description: "A dashboard of the backups of all apps",
        has_it: AppProfile::is_backed_up,
    };
    /// Where logs go: [`crate::cos::logging`].
    LOGGING = {
        name: "logging",
        interface: "loki_push_api",
        role: Role::Requires,
        limit: None,
        description: "Where the app's log goes",
        has_it: |_| true,
    };
}

impl Endpoint {
    /// Its entry in `metadata.yaml`.
    pub fn declaration(&self) -> Value {
        match self.role {
            Role::Peers => json!({ "interface": self.interface }),
            Role::Provides | Role::Requires => {
                let mut declaration = json!({
                    "interface": self.interface,
                    "optional": true,
                    "description": self.description,
                });
                if let Some(limit) = self.limit {
                    declaration["limit"] = limit.into();
                }
                declaration
            }
        }
    }
}

/// Those of an app.
pub fn of(profile: &AppProfile) -> impl Iterator<Item = &'static Endpoint> {
    let all = ALL.iter().chain(tiers::ENDPOINTS);
    all.filter(move |endpoint| (endpoint.has_it)(profile))
}
