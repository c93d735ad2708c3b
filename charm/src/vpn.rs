//! The relation vpn-gateway: the traffic of an app that must not show the user's address goes through a VPN gateway.
//!
//! Wire form: the gateway's application bag has one key, `config`, with a JSON object (`vpn-gateway` of charmarr); ours says
//! `instance_name` in the same form. The gateway is a pod with a VXLAN; an init container and a sidecar in the app's pods,
//! both of the image pod-gateway, take the default route away and put one through that VXLAN in its place.
//!
//! - `config` is read here into [`VpnGateway`], which holds no more than is allowed: it ends up in a shell script and in a
//!   NetworkPolicy. What is not routed to the gateway is private networks only, or the app would show its address there.
//! - [`objects`] are what the cluster has to hold for that: the settings, the kill switch, and the containers.
//! - [`route`] compares it with what is there: what is to be changed, and whether the app is hidden.
//! - [`world`] reads and changes it.
//!
//! The pods are replaced for it, as for media: Juju owns the StatefulSet and may drop what it does not know, and the next
//! event puts it back. In between the app does not run.

pub mod objects;
pub mod route;
pub mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::Deserialize;
use serde_json::json;

use crate::bag_config::{self, KEY};
use crate::endpoints;
use crate::kubernetes::{ClusterError, FoundObject, StatefulSet};
use crate::names::is_dns_name;
use crate::problem::{Problem, shown};

/// Name of the endpoint and of its interface.
pub const ENDPOINT: &str = endpoints::VPN_GATEWAY.name;

/// How the gateway routes; there is one way.
const ROUTING_METHOD: &str = "pod-gateway";

/// The last number of a VXLAN: it has 24 bits.
const LAST_VXLAN: u32 = 0xff_ffff;

/// All that is known of the way to the VPN.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct VpnFacts {
    /// The relation.
    pub vpn: Vpn,
    /// What our own application bag says, on the leader.
    pub own: Option<OwnBag>,
    /// What the cluster holds; `None` where nothing follows from it.
    pub objects: Option<Result<Found, ClusterError>>,
}

/// The application bag of a relation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnBag {
    /// Id of the relation.
    pub relation_id: String,
    /// What is in it.
    pub bag: BTreeMap<String, String>,
}

/// The objects that this charm makes for the route, as they are in the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// The StatefulSet of the application, which owns the objects.
    pub set: StatefulSet,
    /// The ConfigMap with the settings.
    pub config_map: Option<FoundObject>,
    /// The NetworkPolicy.
    pub kill_switch: Option<FoundObject>,
    /// Whether a pod of the application still has the route that they belong to. Looked for only where its next pods have none.
    pub is_needed: bool,
}

/// What is known of the relation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Vpn {
    /// Not looked at: this event cannot have changed it.
    #[default]
    NotRead,
    /// There is no relation.
    NotRelated,
    /// There is one, and the gateway has said nothing yet.
    Waiting,
    /// The gateway has said something that cannot be used.
    Faulty(Problem),
    /// There is a gateway.
    Provided(VpnGateway),
}

/// A gateway and the way there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VpnGateway {
    dns_name: String,
    dns_ip: IpAddr,
    cluster: Vec<Network>,
    vxlan_id: u32,
    vxlan_network: [u8; 3],
    vxlan_port: Option<u16>,
    /// Whether the gateway says that its VPN is connected.
    pub is_connected: bool,
}

#[derive(Deserialize)]
struct Config {
    #[serde(default = "default_routing_method")]
    routing_method: String,
    gateway_dns_name: String,
    #[serde(default = "default_vxlan_id")]
    vxlan_id: u32,
    #[serde(default = "default_vxlan_network")]
    vxlan_ip_network: String,
    /// Gateways of an older form do not say it, and use what the image uses.
    #[serde(default)]
    vxlan_port: Option<u16>,
    cluster_cidrs: String,
    cluster_dns_ip: String,
    #[serde(default)]
    vpn_connected: bool,
}

fn default_routing_method() -> String {
    ROUTING_METHOD.to_owned()
}

fn default_vxlan_id() -> u32 {
    42
}

fn default_vxlan_network() -> String {
    "172.16.0".to_owned()
}

impl Vpn {
    /// Reads the gateway's application bag.
    pub fn from_bag(bag: &BTreeMap<String, String>) -> Self {
        let Some(read) = bag_config::read::<Config>(bag) else {
            return Self::Waiting;
        };
        match read.and_then(Config::judged) {
            Ok(gateway) => Self::Provided(gateway),
            Err(reason) => Self::Faulty(Problem::new(
                format!("relation {ENDPOINT}"),
                reason,
                "look at the charm on the other side",
            )),
        }
    }

    /// The same, where the gateway has no unit that could say that it lost its VPN.
    fn without_units(self) -> Self {
        match self {
            Self::Provided(gateway) => Self::Provided(VpnGateway {
                is_connected: false,
                ..gateway
            }),
            other => other,
        }
    }

    /// The same, where the pods still reach what the charm cannot work without: the API server of Kubernetes at `api`, and one of
    /// Juju's `controllers` (IP addresses or host names). What is not known is not judged.
    pub fn where_reachable(self, api: Option<IpAddr>, controllers: &[&str]) -> Self {
        let Self::Provided(gateway) = &self else {
            return self;
        };
        match gateway.cuts_off(api, controllers) {
            Some(problem) => Self::Faulty(problem),
            None => self,
        }
    }
}

impl VpnGateway {
    fn cuts_off(&self, api: Option<IpAddr>, controllers: &[&str]) -> Option<Problem> {
        // What is on this machine is neither routed nor cut off.
        let elsewhere = |address: &IpAddr| !address.to_canonical().is_loopback();
        let reaches = |address: &IpAddr| {
            let address = address.to_canonical();
            self.cluster.iter().any(|network| network.holds(address))
        };
        let lacks = |whose: &str, address: IpAddr| {
            let private = Network::PRIVATE
                .iter()
                .any(|network| network.holds(address.to_canonical()));
            let next_step = match private {
                true => "add it there",
                false => "it is not private: no VPN here",
            };
            Problem::new(
                format!("relation {ENDPOINT}"),
                format!("cluster_cidrs lacks {whose} at {address}"),
                next_step,
            )
        };
        if let Some(api) = api.filter(|api| elsewhere(api) && !reaches(api)) {
            return Some(lacks("Kubernetes", api));
        }
        // Nobody knows here where a host name leads.
        let controllers: Result<Vec<IpAddr>, _> = controllers.iter().map(|host| host.parse()).collect();
        let mut controllers = controllers.unwrap_or_default();
        controllers.retain(elsewhere);
        let first = controllers.first()?;
        (!controllers.iter().any(reaches)).then(|| lacks("Juju", *first))
    }
}

impl Config {
    fn judged(self) -> Result<VpnGateway, String> {
        if self.routing_method != ROUTING_METHOD {
            return Err(format!("unknown routing_method {}", shown(&self.routing_method)));
        }
        if !is_dns_name(&self.gateway_dns_name) {
            return Err(format!(
                "gateway_dns_name {} is no DNS name",
                shown(&self.gateway_dns_name)
            ));
        }
        if !(1..=LAST_VXLAN).contains(&self.vxlan_id) {
            return Err(format!(
                "vxlan_id {} must be from 1 to {LAST_VXLAN}",
                self.vxlan_id
            ));
        }
        if self.vxlan_port == Some(0) {
            return Err("vxlan_port 0 must be from 1 to 65535".to_owned());
        }
        let (vxlan_network, vxlan) = vxlan(&self.vxlan_ip_network).ok_or_else(|| {
            format!(
                "vxlan_ip_network {} is not private",
                shown(&self.vxlan_ip_network)
            )
        })?;
        let cluster = self
            .cluster_cidrs
            .split([',', ' '])
            .filter(|text| !text.is_empty())
            .map(|text| judged_network(text, vxlan))
            .collect::<Result<Vec<_>, _>>()?;
        let dns = self.cluster_dns_ip.as_str();
        let dns_ip = dns
            .parse()
            .map_err(|_| format!("cluster_dns_ip {} is no IP address", shown(dns)))?;
        // The pods would not start: without a way to the name server they do not find the gateway. A network that holds it is
        // private, so it is too.
        if !cluster.iter().any(|network| network.holds(dns_ip)) {
            return Err(format!("cluster_dns_ip {} is not in cluster_cidrs", shown(dns)));
        }
        Ok(VpnGateway {
            dns_name: self.gateway_dns_name,
            dns_ip,
            cluster,
            vxlan_id: self.vxlan_id,
            vxlan_network,
            vxlan_port: self.vxlan_port,
            is_connected: self.vpn_connected,
        })
    }
}

/// The first three octets of the VXLAN's addresses, and the network that they make.
fn vxlan(text: &str) -> Option<([u8; 3], Network)> {
    let network = Network::parse(&format!("{text}.0/24"))?;
    let IpAddr::V4(address) = network.address else {
        return None;
    };
    let [first, second, third, _] = address.octets();
    network.is_private().then_some(([first, second, third], network))
}

/// A network that the app may reach beside the VPN.
fn judged_network(text: &str, vxlan: Network) -> Result<Network, String> {
    let network =
        Network::parse(text).ok_or_else(|| format!("cluster_cidrs: {} is no network", shown(text)))?;
    if !network.is_private() {
        return Err(format!("cluster_cidrs: {} is not private", shown(text)));
    }
    // Such a route would win over the one through the VXLAN.
    if vxlan.covers(network) {
        return Err(format!("cluster_cidrs: {} lies in vxlan_ip_network", shown(text)));
    }
    Ok(network)
}

/// What our own application bag has to say.
pub fn app_bag(app: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(KEY.to_owned(), json!({ "instance_name": app }).to_string())])
}

/// An IP network, by its first address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// The networks that no address on the internet is in: RFC 1918, 6598 (carriers, and some clusters), 3927, 4193, 4291.
    const PRIVATE: [Self; 7] = [
        Self::v4([10, 0, 0, 0], 8),
        Self::v4([172, 16, 0, 0], 12),
        Self::v4([192, 168, 0, 0], 16),
        Self::v4([100, 64, 0, 0], 10),
        Self::v4([169, 254, 0, 0], 16),
        Self::v6(0xfc00, 7),
        Self::v6(0xfe80, 10),
    ];

    const fn v4([a, b, c, d]: [u8; 4], prefix: u8) -> Self {
        Self {
            address: IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
            prefix,
        }
    }

    const fn v6(first: u16, prefix: u8) -> Self {
        Self {
            address: IpAddr::V6(Ipv6Addr::new(first, 0, 0, 0, 0, 0, 0, 0)),
            prefix,
        }
    }

    /// From `10.1.0.0/16`. Bits behind the prefix are cleared: `ip route add` refuses them.
    fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let is_plain = !prefix.is_empty() && prefix.bytes().all(|byte| byte.is_ascii_digit());
        let prefix: u8 = prefix.parse().ok().filter(|_| is_plain)?;
        let address = first_of(address.parse().ok()?, prefix)?;
        Some(Self { address, prefix })
    }

    fn holds(self, address: IpAddr) -> bool {
        address.is_ipv4() == self.address.is_ipv4() && first_of(address, self.prefix) == Some(self.address)
    }

    /// Whether all of `other` lies in it.
    fn covers(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.holds(other.address)
    }

    fn is_private(self) -> bool {
        Self::PRIVATE.iter().any(|private| private.covers(self))
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The first address of the network of this prefix length that holds `address`; `None` when there is no such length.
fn first_of(address: IpAddr, prefix: u8) -> Option<IpAddr> {
    Some(match address {
        IpAddr::V4(address) => {
            let behind = 32_u32.checked_sub(prefix.into())?;
            let mask = u32::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask))
        }
        IpAddr::V6(address) => {
            let behind = 128_u32.checked_sub(prefix.into())?;
            let mask = u128::MAX.checked_shl(behind).unwrap_or(0);
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask))
        }
    })
}

#[cfg(test)]
#[path = "vpn/tests.rs"]
mod tests;
