//! The addresses of the demo's network, all in one place.
//!
//! Outside there are documentation addresses (RFC 5737, RFC 3849), behind the gateway and inside the
//! tunnel private ones.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// The gateway's address inside the tunnel, `vpn.network`'s first.
pub(super) const GATEWAY_INSIDE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 71, 0, 1));
/// The host behind the gateway.
pub(super) const FILES_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 2));
/// The same by IPv6.
pub(super) const FILES_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfd99, 0, 0, 0, 0, 0, 0, 2));
/// The networks behind the gateway, as they are pushed.
pub(super) const ROUTES: [&str; 2] = ["10.99.0.0/24", "fd99::/64"];
/// The tunnel's own networks.
pub(super) const TUNNEL_V4: &str = "10.71.0.0/24";
pub(super) const TUNNEL_V6: &str = "fd71::/64";
