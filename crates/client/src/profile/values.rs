//! Values of single directives.

use std::net::IpAddr;

use wire::mtu::{Encapsulation, Transport, Underlay, outer_overhead};

/// A server as a profile names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Remote {
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// What carries the packets.
    pub transport: Transport,
    /// Which addresses of it to try.
    pub family: Family,
}

impl Remote {
    /// `udp` or `tcp`.
    pub fn protocol(&self) -> &'static str {
        match self.transport {
            Transport::Udp => "udp",
            Transport::Tcp => "tcp",
        }
    }
}

impl std::fmt::Display for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)?;
        } else {
            write!(f, "{}:{}", self.host, self.port)?;
        }
        match self.transport {
            Transport::Udp => Ok(()),
            Transport::Tcp => f.write_str(" over TCP"),
        }
    }
}

/// Which IP versions to try.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both, in the resolver's order.
    #[default]
    Any,
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl Family {
    /// Whether an address may be tried.
    pub fn has(self, address: IpAddr) -> bool {
        match self {
            Self::Any => true,
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
        }
    }
}

/// The interface's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TunName {
    /// The first free `tunN`.
    Any,
    /// This one.
    Named(String),
}

impl TunName {
    /// As the kernel takes it.
    pub fn pattern(&self) -> &str {
        match self {
            Self::Any => "tun%d",
            Self::Named(name) => name,
        }
    }
}

/// `mssfix`: what TCP inside the tunnel is held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MssLimit {
    /// 1492 with outer headers for a tunnel MTU of 1500; else the tunnel's MTU.
    Default,
    /// Nothing is changed.
    Off,
    /// The outer packet with its headers.
    Mtu(u16),
    /// The outer packet's payload.
    Link(u16),
    /// The inner packet.
    Fixed(u16),
}

impl MssLimit {
    /// The same as a limit of the outer packet with its headers; 0 for none.
    pub fn outer_limit(self, tun_mtu: u16, server: IpAddr, transport: Transport) -> u16 {
        let underlay = if server.is_ipv4() { Underlay::V4 } else { Underlay::V6 };
        let outer = outer_overhead(underlay, transport);
        let inside = Encapsulation { transport, ..Encapsulation::USUAL }.overhead();
        let fixed = |limit: u16| limit.saturating_add(inside).saturating_add(outer);
        match self {
            Self::Off => 0,
            Self::Default if tun_mtu == 1500 => 1492,
            Self::Default => fixed(tun_mtu),
            Self::Mtu(limit) => limit,
            Self::Link(limit) => limit.saturating_add(outer),
            Self::Fixed(limit) => fixed(limit),
        }
    }

    /// The limit for packets that no router may cut, where the profile says nothing of sizes; 0 for none of
    /// its own.
    pub fn uncut_limit(self) -> u16 {
        match self {
            Self::Default => UNCUT,
            Self::Off | Self::Mtu(_) | Self::Link(_) | Self::Fixed(_) => 0,
        }
    }
}

/// Most paths bear it, also those that filter the word that a packet is too large.
const UNCUT: u16 = 1400;

/// `pull-filter`: what happens to pushed options that begin with a text. The first that fits counts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Filter {
    /// The beginning.
    pub(crate) prefix: String,
    /// Whether such an option is taken.
    pub(crate) accept: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_to_write_mssfix_means_an_outer_limit() {
        let v4 = IpAddr::from([192, 0, 2, 1]);
        let v6: IpAddr = "2001:db8::1".parse().unwrap();
        let (udp, tcp) = (Transport::Udp, Transport::Tcp);
        assert_eq!(MssLimit::Default.outer_limit(1500, v4, udp), 1492);
        assert_eq!(MssLimit::Default.outer_limit(1400, v4, udp), 1400 + 24 + 28);
        assert_eq!(MssLimit::Default.outer_limit(1400, v4, tcp), 1400 + 24 + 2 + 40);
        assert_eq!(MssLimit::Link(1400).outer_limit(1500, v6, udp), 1448);
        assert_eq!(MssLimit::Link(1400).outer_limit(1500, v6, tcp), 1460);
        assert_eq!(MssLimit::Fixed(1360).outer_limit(1500, v6, udp), 1360 + 24 + 48);
        assert_eq!(MssLimit::Off.outer_limit(1500, v4, tcp), 0);
    }
}
