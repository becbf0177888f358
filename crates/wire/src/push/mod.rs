//! What a server tells a client to set up: pushed options as strict types.
//!
//! Addresses are addresses and names are names before they leave this module, so nothing pushed can
//! reach a shell or a file as text. The one exception, [`PushOption::Other`], is printable text that is
//! only ever shown or ignored. A comma, NUL or newline can't be pushed; trying to is a typed error.

mod option;
mod parse;
mod reply;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zeroize::Zeroizing;

use crate::domain::DomainName;
use crate::header::PeerId;

pub use option::{FlagName, RedirectFlags};
pub use parse::PushOptionError;
pub use reply::{
    Continuation, PushCollector, PushEncodeError, PushOverflow, PushPart, PushReply, Refused,
};

/// The longest pushed option.
pub const MAX_OPTION: usize = 255;

/// One pushed option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushOption {
    /// `ifconfig`: the client's address.
    Ifconfig {
        /// Inside the tunnel.
        local: Ipv4Addr,
        /// With topology subnet the netmask, with p2p and net30 the peer's address.
        netmask: Ipv4Addr,
    },
    /// `ifconfig-ipv6`: the client's address.
    IfconfigV6 {
        /// Inside the tunnel.
        addr: Ipv6Addr,
        /// Prefix length, 64 to 124.
        bits: u8,
        /// The server's address.
        remote: Ipv6Addr,
    },
    /// `route`: an IPv4 network behind the server.
    Route {
        /// Its address.
        network: RouteTarget,
        /// Its netmask; a host if absent.
        netmask: Option<Ipv4Addr>,
        /// Where to; the tunnel if absent.
        gateway: Option<RouteTarget>,
        /// Its metric.
        metric: Option<u32>,
    },
    /// `route-ipv6`: an IPv6 network behind the server.
    RouteV6 {
        /// Its address.
        network: Ipv6Addr,
        /// Its prefix length.
        bits: u8,
        /// Where to; the tunnel if absent.
        gateway: Option<Ipv6Addr>,
        /// Its metric.
        metric: Option<u32>,
    },
    /// `route-gateway`; none for `dhcp`.
    RouteGateway(Option<Ipv4Addr>),
    /// `route-metric`.
    RouteMetric(u32),
    /// `topology`. A client that gets none assumes net30.
    Topology(Topology),
    /// `ping`: send a keepalive after so many silent seconds.
    Ping(u32),
    /// `ping-restart`: reconnect after so many seconds without a packet.
    PingRestart(u32),
    /// `ping-exit`: leave after so many seconds without a packet.
    PingExit(u32),
    /// `peer-id`: use `DATA_V2` with it.
    PeerId(PeerId),
    /// `cipher`, by name: the client has to know it.
    Cipher(String),
    /// `protocol-flags`.
    ProtocolFlags(Vec<ProtocolFlag>),
    /// `key-derivation tls-ekm`, for clients without `protocol-flags`.
    KeyDerivationTlsEkm,
    /// `dhcp-option`.
    DhcpOption(DhcpOption),
    /// `dns`.
    Dns(DnsOption),
    /// `redirect-gateway`.
    RedirectGateway(RedirectFlags),
    /// `redirect-private`: as above without the default route.
    RedirectPrivate(RedirectFlags),
    /// `block-ipv6`: answer IPv6 packets with "unreachable".
    BlockIpv6,
    /// `block-outside-dns`: for Windows.
    BlockOutsideDns,
    /// `tun-mtu`.
    TunMtu(u16),
    /// `explicit-exit-notify`.
    ExplicitExitNotify(u32),
    /// `inactive`.
    Inactive {
        /// Seconds.
        seconds: u32,
        /// Fewer bytes than these are inactivity.
        bytes: Option<u64>,
    },
    /// `session-timeout`, in seconds.
    SessionTimeout(u32),
    /// `auth-token`: stands in for the password from here on. Secret.
    AuthToken(Secret),
    /// `auth-token-user`: the user name that belongs to it, in base64.
    AuthTokenUser(String),
    /// `setenv-safe HANDFAST_RCVBUF`: what the receive buffer of the server's socket holds, as the kernel
    /// counts it, in bytes. Ours alone say so; to a stock client it is an environment variable.
    ReceiveBuffer(u32),
    /// `tun-ipv6`, which does nothing.
    TunIpv6,
    /// Any other option: printable text without a comma.
    Other(String),
}

/// Text that is wiped when dropped and not shown by `Debug`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(pub Zeroizing<String>);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// An address in a route, or a keyword for one that only the client knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteTarget {
    /// An address.
    Addr(Ipv4Addr),
    /// `vpn_gateway`: the tunnel's.
    VpnGateway,
    /// `net_gateway`: the one used before.
    NetGateway,
    /// `remote_host`: the server's outer address.
    RemoteHost,
}

/// How addresses in the tunnel are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Topology {
    /// One network with a netmask.
    Subnet,
    /// A /30 for each client.
    Net30,
    /// A pair of addresses for each client.
    P2p,
}

/// A word of `protocol-flags`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolFlag {
    /// `cc-exit`: `EXIT` on the control channel.
    CcExit,
    /// `tls-ekm`: data keys by TLS exporter.
    TlsEkm,
    /// `dyn-tls-crypt`: renegotiations are wrapped with a derived key.
    DynTlsCrypt,
    /// `aead-epoch`: the data format with epochs.
    AeadEpoch,
    /// Another word.
    Unknown(String),
}

/// A `dhcp-option`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DhcpOption {
    /// `DNS` or `DNS6`.
    Dns(IpAddr),
    /// `DOMAIN`.
    Domain(DomainName),
    /// `ADAPTER_DOMAIN_SUFFIX`.
    AdapterDomainSuffix(DomainName),
    /// `DOMAIN-SEARCH`.
    DomainSearch(DomainName),
    /// `WINS`.
    Wins(Ipv4Addr),
    /// `NTP`.
    Ntp(Ipv4Addr),
    /// `NBDD`.
    Nbdd(Ipv4Addr),
    /// `NBT`: 1, 2, 4 or 8.
    Nbt(u8),
    /// `DISABLE-NBT`.
    DisableNbt,
}

/// A `dns` option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsOption {
    /// `search-domains`.
    SearchDomains(Vec<DomainName>),
    /// `server N ...`; the lowest number wins.
    Server {
        /// 0 to 127.
        priority: u8,
        /// One of its properties.
        setting: DnsServer,
    },
}

/// One property of a pushed DNS server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DnsServer {
    /// `address`: up to eight, with a port if it is not the usual one.
    Address(Vec<(IpAddr, Option<u16>)>),
    /// `resolve-domains`: ask it for these only.
    ResolveDomains(Vec<DomainName>),
    /// `dnssec`.
    Dnssec(Dnssec),
    /// `transport`.
    Transport(DnsTransport),
    /// `sni`: the name in its certificate.
    Sni(DomainName),
}

/// Whether answers have to be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dnssec {
    /// They have to.
    Yes,
    /// Where the zone is.
    Optional,
    /// Not looked at.
    No,
}

/// How a DNS server is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DnsTransport {
    /// In clear.
    Plain,
    /// DNS over TLS.
    Dot,
    /// DNS over HTTPS.
    Doh,
}
