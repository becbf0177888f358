//! Socket addresses as the bytes of `struct sockaddr_in` and `struct sockaddr_in6`.
//!
//! Plain byte work: both layouts are fixed by the kernel's ABI. The family is in native byte
//! order, ports and IPv4 addresses are in network order.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::Family;

/// Turns a v4-mapped IPv6 address into the IPv4 address that it stands for.
pub fn normalise(address: SocketAddr) -> SocketAddr {
    match address {
        SocketAddr::V4(_) => address,
        SocketAddr::V6(v6) => match v6.ip().to_ipv4_mapped() {
            Some(v4) => (v4, v6.port()).into(),
            None => SocketAddrV6::new(*v6.ip(), v6.port(), 0, v6.scope_id()).into(),
        },
    }
}

/// Room for either kind of socket address.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
pub(super) struct Name {
    pub(super) bytes: [u8; NAME_SIZE],
    pub(super) len: usize,
}

impl Name {
    pub(super) const EMPTY: Self = Self { bytes: [0; NAME_SIZE], len: 0 };

    /// The address in the form a socket of `family` takes; `None` if it can't express it.
    pub(super) fn encode(address: SocketAddr, family: Family) -> Option<Self> {
        match (family, normalise(address)) {
            (Family::V4, SocketAddr::V4(v4)) => {
                let mut name = Self { bytes: [0; NAME_SIZE], len: V4_SIZE };
                name.bytes[0..2].copy_from_slice(&AF_INET.to_ne_bytes());
                name.bytes[2..4].copy_from_slice(&v4.port().to_be_bytes());
                name.bytes[4..8].copy_from_slice(&v4.ip().octets());
                Some(name)
            }
            (Family::V4, SocketAddr::V6(_)) => None,
            (Family::V6, address) => {
                let scope = if let SocketAddr::V6(v6) = address { v6.scope_id() } else { 0 };
                let mut name = Self { bytes: [0; NAME_SIZE], len: V6_SIZE };
                name.bytes[0..2].copy_from_slice(&AF_INET6.to_ne_bytes());
                name.bytes[2..4].copy_from_slice(&address.port().to_be_bytes());
                name.bytes[8..24].copy_from_slice(&mapped(address.ip()).octets());
                name.bytes[24..28].copy_from_slice(&scope.to_ne_bytes());
                Some(name)
            }
        }
    }

    /// The address that the kernel wrote.
    pub(super) fn decode(&self) -> Option<SocketAddr> {
        let bytes = &self.bytes;
        let family = u16::from_ne_bytes([bytes[0], bytes[1]]);
        let port = u16::from_be_bytes([bytes[2], bytes[3]]);
        match (family, self.len) {
            (AF_INET, V4_SIZE..) => Some((Ipv4Addr::from(array::<4>(bytes, 4)), port).into()),
            (AF_INET6, V6_SIZE..) => {
                let ip = Ipv6Addr::from(array::<16>(bytes, 8));
                let scope = u32::from_ne_bytes(array(bytes, 24));
                Some(normalise(SocketAddrV6::new(ip, port, 0, scope).into()))
            }
            _ => None,
        }
    }
}

/// An address as IPv6, IPv4 being mapped.
pub(super) fn mapped(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
const V4_SIZE: usize = 16;
const V6_SIZE: usize = 28;
pub(super) const NAME_SIZE: usize = 32;
