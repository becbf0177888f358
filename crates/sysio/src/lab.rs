//! A small throw-away internet in network namespaces: hosts around one router.
//!
//! ```text
//!    host 1 ──┐
//!    host 2 ──┤ router        host behind ── host 1
//!    host n ──┘
//! ```
//!
//! Host n is 203.0.113.(16n+2) and 2001:db8:0:n::2, further addresses count up; its default route is
//! the router. The demo and the interop tests stand on it. Nothing of it has a name in the system, and
//! all of it goes with the [`Lab`].

use std::fmt::{self, Display};
use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use tokio::runtime::Runtime;

use crate::netlink::{LinkChange, Netlink, NetlinkError, Route};
use crate::netns::{Netns, NetnsError};
use crate::network::Network;

/// The router and what makes links.
#[derive(Debug)]
pub struct Lab {
    router: Netns,
    runtime: Runtime,
    hosts: u8,
}

/// A host: its namespace and its addresses.
#[derive(Debug)]
pub struct Host {
    /// Where its programs run.
    pub netns: Netns,
    /// Its IPv4 addresses.
    pub v4: Vec<Ipv4Addr>,
    /// Its IPv6 addresses.
    pub v6: Vec<Ipv6Addr>,
    /// Its interface.
    pub interface: String,
}

impl Lab {
    /// A router with no links.
    pub fn new() -> Result<Self, LabError> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let router = namespace()?;
        router.run(|| {
            fs::write("/proc/sys/net/ipv4/ip_forward", "1")?;
            fs::write("/proc/sys/net/ipv6/conf/all/forwarding", "1")
        })??;
        Ok(Self { router, runtime, hosts: 0 })
    }

    /// Between all hosts: packets from one to another are forwarded there.
    pub fn router(&self) -> &Netns {
        &self.router
    }

    /// A host with `addresses` addresses of each family, at most 13.
    pub fn host(&mut self, addresses: u8) -> Result<Host, LabError> {
        self.hosts += 1;
        let number = self.hosts;
        let netns = namespace()?;
        let near = format!("to-{number}");
        let base4 = 16 * (number - 1);
        let v4 = |last: u8| Ipv4Addr::new(203, 0, 113, base4 + last);
        let v6 = |last: u8| Ipv6Addr::new(0x2001, 0xdb8, 0, number.into(), 0, 0, 0, last.into());
        let host = Host {
            netns,
            v4: (2..2 + addresses).map(v4).collect(),
            v6: (2..2 + addresses).map(v6).collect(),
            interface: "eth0".to_owned(),
        };
        self.runtime.block_on(async {
            link(&self.router, &near, &host.netns, "eth0").await?;
            address(&self.router, &near, &[(v4(1).into(), 28), (v6(1).into(), 64)]).await?;
            address(&host.netns, "eth0", &host.prefixes(28, 64)).await?;
            default_route(&host.netns, v4(1).into()).await?;
            default_route(&host.netns, v6(1).into()).await
        })?;
        Ok(host)
    }

    /// A host on a link of its own behind `front`, 10.99.0.2 and fd99::2. It knows no way to
    /// anywhere but through `front`.
    pub fn host_behind(&self, front: &Host) -> Result<Host, LabError> {
        let netns = namespace()?;
        let v4 = |last: u8| Ipv4Addr::new(10, 99, 0, last);
        let v6 = |last: u16| Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, last);
        let host = Host { netns, v4: vec![v4(2)], v6: vec![v6(2)], interface: "eth0".to_owned() };
        self.runtime.block_on(async {
            link(&front.netns, "lan0", &host.netns, "eth0").await?;
            address(&front.netns, "lan0", &[(v4(1).into(), 24), (v6(1).into(), 64)]).await?;
            address(&host.netns, "eth0", &host.prefixes(24, 64)).await?;
            default_route(&host.netns, v4(1).into()).await?;
            default_route(&host.netns, v6(1).into()).await
        })?;
        Ok(host)
    }
}

impl Host {
    fn prefixes(&self, bits4: u8, bits6: u8) -> Vec<(IpAddr, u8)> {
        let v4 = self.v4.iter().map(|a| (IpAddr::V4(*a), bits4));
        v4.chain(self.v6.iter().map(|a| (IpAddr::V6(*a), bits6))).collect()
    }
}

/// A namespace whose links are of use at once.
///
/// The kernel makes each link its link-local address and looks for a second one of the same
/// (duplicate address detection, RFC 4862) for 1 to 2 s; until then a router can't ask for the
/// neighbour that it has a packet for. There is no second one on a cable between two namespaces.
fn namespace() -> Result<Netns, LabError> {
    let netns = Netns::create()?;
    netns.run(|| {
        fs::write("/proc/sys/net/ipv6/conf/all/accept_dad", "0")?;
        fs::write("/proc/sys/net/ipv6/conf/default/accept_dad", "0")
    })??;
    Ok(netns)
}

async fn link(a: &Netns, name_a: &str, b: &Netns, name_b: &str) -> Result<(), LabError> {
    let near = Netlink::open_in(a)?;
    let far = Netlink::open_in(b)?;
    near.veth_add(name_a, TRAVELLER).await?;
    let index = near.link_index(TRAVELLER).await?;
    near.link_move(index, b).await?;
    far.link_rename(far.link_index(TRAVELLER).await?, name_b).await?;
    let up = LinkChange { up: Some(true), ..LinkChange::default() };
    near.link_set(near.link_index(name_a).await?, up).await?;
    far.link_set(far.link_index(name_b).await?, up).await?;
    Ok(())
}

async fn address(netns: &Netns, name: &str, list: &[(IpAddr, u8)]) -> Result<(), LabError> {
    let netlink = Netlink::open_in(netns)?;
    let index = netlink.link_index(name).await?;
    for (address, bits) in list {
        netlink.address_add(index, *address, *bits).await?;
    }
    Ok(())
}

async fn default_route(netns: &Netns, gateway: IpAddr) -> Result<(), LabError> {
    let everything = if gateway.is_ipv4() { Network::ALL_V4 } else { Network::ALL_V6 };
    let netlink = Netlink::open_in(netns)?;
    Ok(netlink.route_add(&Route::by_gateway(everything, gateway)).await?)
}

/// Why the lab could not be built.
#[derive(Debug)]
pub enum LabError {
    /// A namespace.
    Netns(NetnsError),
    /// A link, an address or a route.
    Netlink(NetlinkError),
    /// A file or the runtime.
    Io(io::Error),
}

impl Display for LabError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Netns(error) => error.fmt(f),
            Self::Netlink(error) => error.fmt(f),
            Self::Io(error) => write!(f, "the throw-away network could not be built: {error}"),
        }
    }
}

impl std::error::Error for LabError {}

impl From<NetnsError> for LabError {
    fn from(error: NetnsError) -> Self {
        Self::Netns(error)
    }
}

impl From<NetlinkError> for LabError {
    fn from(error: NetlinkError) -> Self {
        Self::Netlink(error)
    }
}

impl From<io::Error> for LabError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// The name of a cable's far end until it has arrived.
const TRAVELLER: &str = "hf-far";

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    fn lab(test: &str) -> Option<Lab> {
        match Lab::new() {
            Ok(lab) => Some(lab),
            Err(LabError::Netns(NetnsError::Denied(_))) => {
                println!("SKIP {test}: needs root");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    #[test]
    fn hosts_reach_each_other_through_the_router() {
        let Some(mut lab) = lab("hosts_reach_each_other_through_the_router") else { return };
        let one = lab.host(2).unwrap();
        let two = lab.host(1).unwrap();
        for target in [one.v4[1].to_string(), one.v6[1].to_string()] {
            let mut ping = Command::new("ping");
            ping.args(["-c", "2", "-i", "0.2", "-w", "5", &target]);
            let output = two.netns.output(ping).unwrap();
            assert!(output.status.success(), "{target}: {output:?}");
        }
    }

    #[test]
    fn what_is_forwarded_over_ipv6_arrives_from_the_first_moment() {
        let test = "what_is_forwarded_over_ipv6_arrives_from_the_first_moment";
        let Some(mut lab) = lab(test) else { return };
        let one = lab.host(1).unwrap();
        let two = lab.host(1).unwrap();
        let mut ping = Command::new("ping");
        ping.args(["-c", "1", "-W", "0.4", &one.v6[0].to_string()]);
        let output = two.netns.output(ping).unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}
