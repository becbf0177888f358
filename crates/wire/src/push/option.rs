//! Pushed options as text.
//!
//! Display writes exactly what the parser reads; whether the text may be pushed is checked when a reply
//! is encoded.

use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use super::{
    DhcpOption, DnsOption, DnsServer, DnsTransport, Dnssec, ProtocolFlag, PushOption, RouteTarget,
    Topology,
};
use crate::words;

impl Display for PushOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ifconfig { local, netmask } => write!(f, "ifconfig {local} {netmask}"),
            Self::IfconfigV6 { addr, bits, remote } => {
                write!(f, "ifconfig-ipv6 {addr}/{bits} {remote}")
            }
            Self::Route { network, netmask, gateway, metric } => {
                write!(f, "route {network}")?;
                let default = |word: Option<String>| word.unwrap_or_else(|| "default".to_owned());
                let words = [
                    netmask.map(|mask| mask.to_string()),
                    gateway.map(|gateway| gateway.to_string()),
                    metric.map(|metric| metric.to_string()),
                ];
                let used = words.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
                words.into_iter().take(used).try_for_each(|word| write!(f, " {}", default(word)))
            }
            Self::RouteV6 { network, bits, gateway, metric } => {
                write!(f, "route-ipv6 {network}/{bits}")?;
                match (gateway, metric) {
                    (None, None) => Ok(()),
                    (Some(gateway), None) => write!(f, " {gateway}"),
                    (None, Some(metric)) => write!(f, " default {metric}"),
                    (Some(gateway), Some(metric)) => write!(f, " {gateway} {metric}"),
                }
            }
            Self::RouteGateway(Some(gateway)) => write!(f, "route-gateway {gateway}"),
            Self::RouteGateway(None) => f.write_str("route-gateway dhcp"),
            Self::RouteMetric(metric) => write!(f, "route-metric {metric}"),
            Self::Topology(topology) => write!(f, "topology {topology}"),
            Self::Ping(seconds) => write!(f, "ping {seconds}"),
            Self::PingRestart(seconds) => write!(f, "ping-restart {seconds}"),
            Self::PingExit(seconds) => write!(f, "ping-exit {seconds}"),
            Self::PeerId(id) => write!(f, "peer-id {id}"),
            Self::Cipher(name) => write!(f, "cipher {name}"),
            Self::ProtocolFlags(flags) => {
                f.write_str("protocol-flags")?;
                flags.iter().try_for_each(|flag| write!(f, " {flag}"))
            }
            Self::KeyDerivationTlsEkm => f.write_str("key-derivation tls-ekm"),
            Self::DhcpOption(option) => write!(f, "dhcp-option {option}"),
            Self::Dns(option) => write!(f, "dns {option}"),
            Self::RedirectGateway(flags) => write!(f, "redirect-gateway{flags}"),
            Self::RedirectPrivate(flags) => write!(f, "redirect-private{flags}"),
            Self::BlockIpv6 => f.write_str("block-ipv6"),
            Self::BlockOutsideDns => f.write_str("block-outside-dns"),
            Self::TunMtu(mtu) => write!(f, "tun-mtu {mtu}"),
            Self::ExplicitExitNotify(count) => write!(f, "explicit-exit-notify {count}"),
            Self::Inactive { seconds, bytes: None } => write!(f, "inactive {seconds}"),
            Self::Inactive { seconds, bytes: Some(bytes) } => {
                write!(f, "inactive {seconds} {bytes}")
            }
            Self::SessionTimeout(seconds) => write!(f, "session-timeout {seconds}"),
            Self::AuthToken(token) => write!(f, "auth-token {}", token.0.as_str()),
            Self::AuthTokenUser(user) => write!(f, "auth-token-user {user}"),
            Self::ReceiveBuffer(bytes) => write!(f, "setenv-safe HANDFAST_RCVBUF {bytes}"),
            Self::TunIpv6 => f.write_str("tun-ipv6"),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl Display for RouteTarget {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Addr(addr) => addr.fmt(f),
            Self::VpnGateway => f.write_str("vpn_gateway"),
            Self::NetGateway => f.write_str("net_gateway"),
            Self::RemoteHost => f.write_str("remote_host"),
        }
    }
}

impl Display for Topology {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Subnet => "subnet",
            Self::Net30 => "net30",
            Self::P2p => "p2p",
        })
    }
}

impl Display for ProtocolFlag {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CcExit => "cc-exit",
            Self::TlsEkm => "tls-ekm",
            Self::DynTlsCrypt => "dyn-tls-crypt",
            Self::AeadEpoch => "aead-epoch",
            // A peer's word may hold a space, and would be read as two.
            Self::Unknown(word) => return f.write_str(&words::escape(word)),
        })
    }
}

impl Display for DhcpOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(IpAddr::V4(addr)) => write!(f, "DNS {addr}"),
            Self::Dns(IpAddr::V6(addr)) => write!(f, "DNS6 {addr}"),
            Self::Domain(name) => write!(f, "DOMAIN {name}"),
            Self::AdapterDomainSuffix(name) => write!(f, "ADAPTER_DOMAIN_SUFFIX {name}"),
            Self::DomainSearch(name) => write!(f, "DOMAIN-SEARCH {name}"),
            Self::Wins(addr) => write!(f, "WINS {addr}"),
            Self::Ntp(addr) => write!(f, "NTP {addr}"),
            Self::Nbdd(addr) => write!(f, "NBDD {addr}"),
            Self::Nbt(kind) => write!(f, "NBT {kind}"),
            Self::DisableNbt => f.write_str("DISABLE-NBT"),
        }
    }
}

impl Display for DnsOption {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::SearchDomains(names) => {
                f.write_str("search-domains")?;
                names.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Server { priority, setting } => write!(f, "server {priority} {setting}"),
        }
    }
}

impl Display for DnsServer {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(addresses) => {
                f.write_str("address")?;
                addresses.iter().try_for_each(|(addr, port)| match (addr, port) {
                    (addr, None) => write!(f, " {addr}"),
                    (IpAddr::V4(addr), Some(port)) => write!(f, " {addr}:{port}"),
                    (IpAddr::V6(addr), Some(port)) => write!(f, " [{addr}]:{port}"),
                })
            }
            Self::ResolveDomains(names) => {
                f.write_str("resolve-domains")?;
                names.iter().try_for_each(|name| write!(f, " {name}"))
            }
            Self::Dnssec(Dnssec::Yes) => f.write_str("dnssec yes"),
            Self::Dnssec(Dnssec::Optional) => f.write_str("dnssec optional"),
            Self::Dnssec(Dnssec::No) => f.write_str("dnssec no"),
            Self::Transport(DnsTransport::Plain) => f.write_str("transport plain"),
            Self::Transport(DnsTransport::Dot) => f.write_str("transport DoT"),
            Self::Transport(DnsTransport::Doh) => f.write_str("transport DoH"),
            Self::Sni(name) => write!(f, "sni {name}"),
        }
    }
}

/// The flags of `redirect-gateway`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RedirectFlags(u16);

/// One flag of `redirect-gateway`.
pub type FlagName = &'static str;

impl RedirectFlags {
    /// Two half routes instead of replacing the default route.
    pub const DEF1: RedirectFlags = RedirectFlags(1);
    /// The server is on the same network: no host route to it.
    pub const LOCAL: RedirectFlags = RedirectFlags(1 << 1);
    /// Find out whether the server is.
    pub const AUTOLOCAL: RedirectFlags = RedirectFlags(1 << 2);
    /// Leave the DHCP server reachable.
    pub const BYPASS_DHCP: RedirectFlags = RedirectFlags(1 << 3);
    /// Leave the DNS server reachable.
    pub const BYPASS_DNS: RedirectFlags = RedirectFlags(1 << 4);
    /// Cut off the local network.
    pub const BLOCK_LOCAL: RedirectFlags = RedirectFlags(1 << 5);
    /// IPv6 too.
    pub const IPV6: RedirectFlags = RedirectFlags(1 << 6);
    /// Not IPv4.
    pub const NOT_IPV4: RedirectFlags = RedirectFlags(1 << 7);

    const NAMES: [(RedirectFlags, FlagName); 8] = [
        (Self::DEF1, "def1"),
        (Self::LOCAL, "local"),
        (Self::AUTOLOCAL, "autolocal"),
        (Self::BYPASS_DHCP, "bypass-dhcp"),
        (Self::BYPASS_DNS, "bypass-dns"),
        (Self::BLOCK_LOCAL, "block-local"),
        (Self::IPV6, "ipv6"),
        (Self::NOT_IPV4, "!ipv4"),
    ];

    /// The flag with this name.
    pub fn from_name(name: &str) -> Option<RedirectFlags> {
        Self::NAMES.into_iter().find(|(_, have)| *have == name).map(|(flag, _)| flag)
    }

    /// True if all of `other` are set.
    pub fn contains(self, other: RedirectFlags) -> bool {
        self.0 & other.0 == other.0
    }

    /// Both.
    #[must_use]
    pub const fn with(self, other: RedirectFlags) -> RedirectFlags {
        RedirectFlags(self.0 | other.0)
    }
}

impl Display for RedirectFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let set = Self::NAMES.into_iter().filter(|(flag, _)| self.contains(*flag));
        set.into_iter().try_for_each(|(_, name)| write!(f, " {name}"))
    }
}
