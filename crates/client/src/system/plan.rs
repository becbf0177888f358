//! What a tunnel asks of this machine, as values: what is wished for, and what is to be set up.
//!
//! How the one becomes the other stands in `planner`. Invariant: every value of a plan is an address, a
//! number or a checked name.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use sysio::{DomainName, Network};
use wire::push::PushOption;

use crate::profile::Filter;

/// The options that count, and what the profile says about them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wishes<'a> {
    /// The profile's own.
    pub(crate) own: &'a [PushOption],
    /// The server's.
    pub(crate) pushed: &'a [PushOption],
    /// Which of the server's count.
    pub(crate) filters: &'a [Filter],
    /// The server's routes and name servers do not count.
    pub(crate) route_nopull: bool,
    /// The profile's MTU.
    pub(crate) tun_mtu: u16,
}

/// What the plan has to know of the world outside of the tunnel.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// The server's address.
    pub server: Option<IpAddr>,
    /// The gateway of the default route of IPv4.
    pub gateway: Option<Ipv4Addr>,
}

/// What is to be set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The interface's MTU.
    pub mtu: u16,
    /// Its addresses.
    pub addresses: Vec<TunnelAddress>,
    /// Routes, in the order in which they are made.
    pub routes: Vec<RouteChange>,
    /// The server must stay reachable past the tunnel, though a route above would catch it.
    pub past_tunnel: bool,
    /// IPv6 does not enter the tunnel and does not leave beside it.
    pub block_ipv6: bool,
    /// Name servers.
    pub dns: Option<NameServers>,
}

/// An address of the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TunnelAddress {
    /// Ours.
    pub address: IpAddr,
    /// The size of its network; all bits where there is a peer.
    pub bits: u8,
    /// The other end, in the topologies that have one.
    pub peer: Option<Ipv4Addr>,
}

/// A route that is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteChange {
    /// Into the tunnel.
    Tunnel {
        /// Where it leads.
        network: Network,
        /// Its metric.
        metric: Option<u32>,
    },
    /// Past the tunnel, by the gateway that was used before.
    Outside {
        /// Where it leads.
        network: Network,
        /// That gateway.
        gateway: Ipv4Addr,
        /// Its metric.
        metric: Option<u32>,
    },
}

impl RouteChange {
    /// Where it leads.
    pub fn network(&self) -> Network {
        match self {
            Self::Tunnel { network, .. } | Self::Outside { network, .. } => *network,
        }
    }
}

/// What the tunnel says about names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameServers {
    /// The servers to ask.
    pub servers: Vec<IpAddr>,
    /// Domains that are tried behind short names, or that alone are asked about.
    pub domains: Vec<DomainName>,
    /// Ask about all names.
    pub all_names: bool,
}

/// The server's options make no tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanError {
    /// No address for us.
    NoAddress,
    /// A netmask with holes.
    BadNetmask(Ipv4Addr),
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoAddress => f.write_str("the server gave us no address in the tunnel"),
            Self::BadNetmask(mask) => write!(f, "the server pushed the netmask {mask}"),
        }
    }
}

impl std::error::Error for PlanError {}

impl Wishes<'_> {
    /// Whether one of the server's options counts.
    pub(super) fn takes(&self, option: &PushOption) -> bool {
        if self.route_nopull && is_route_or_name(option) {
            return false;
        }
        self.filters_take(option)
    }

    /// Whether the profile's filters let an option through.
    pub(super) fn filters_take(&self, option: &PushOption) -> bool {
        if self.filters.is_empty() {
            return true;
        }
        let text = option.to_string();
        let first = self.filters.iter().find(|filter| text.starts_with(&filter.prefix));
        first.is_none_or(|filter| filter.accept)
    }
}

fn is_route_or_name(option: &PushOption) -> bool {
    matches!(
        option,
        PushOption::Route { .. }
            | PushOption::RouteV6 { .. }
            | PushOption::RedirectGateway(_)
            | PushOption::RedirectPrivate(_)
            | PushOption::BlockIpv6
            | PushOption::DhcpOption(_)
            | PushOption::Dns(_)
            | PushOption::BlockOutsideDns
    )
}
