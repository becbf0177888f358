//! A network that counts as one source.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Addresses that somebody who has one of them is likely to have all of.
///
/// Invariant: an IPv4 address and the same mapped into IPv6 are of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    address: IpAddr,
    bits: u8,
}

impl Source {
    /// Neighbours: an IPv4 /24, or an IPv6 /56, which providers give to one customer.
    pub fn network(address: IpAddr) -> Self {
        Self::of(address, 24, 56)
    }

    /// One host: an IPv4 address, or an IPv6 /64, since whoever has one address there has all.
    pub fn host(address: IpAddr) -> Self {
        Self::of(address, 32, 64)
    }

    /// What an organisation has: an IPv4 /16, or an IPv6 /48.
    pub fn holding(address: IpAddr) -> Self {
        Self::of(address, 16, 48)
    }

    /// What a provider has, or whoever becomes one: an IPv4 /8, or an IPv6 /32.
    pub fn provider(address: IpAddr) -> Self {
        Self::of(address, 8, 32)
    }

    /// The octets that are the same for all of it.
    pub fn octets(&self) -> Vec<u8> {
        let mut octets = match self.address {
            IpAddr::V4(v4) => v4.octets().to_vec(),
            IpAddr::V6(v6) => v6.octets().to_vec(),
        };
        octets.truncate(usize::from(self.bits / 8));
        octets
    }

    /// Of these many leading bits.
    fn of(address: IpAddr, v4_bits: u8, v6_bits: u8) -> Self {
        match address.to_canonical() {
            IpAddr::V4(v4) => {
                let mask = u32::MAX << (32 - u32::from(v4_bits));
                Self { address: Ipv4Addr::from_bits(v4.to_bits() & mask).into(), bits: v4_bits }
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX << (128 - u32::from(v6_bits));
                Self { address: Ipv6Addr::from_bits(v6.to_bits() & mask).into(), bits: v6_bits }
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_source_and_others_are_not() {
        let network = |text: &str| Source::network(text.parse().unwrap());
        assert_eq!(network("192.0.2.1"), network("192.0.2.255"));
        assert_eq!(network("192.0.2.1"), network("::ffff:192.0.2.9"));
        assert_ne!(network("192.0.2.1"), network("192.0.3.1"));
        assert_eq!(network("2001:db8:0:100::1"), network("2001:db8:0:1ff::2"));
        assert_ne!(network("2001:db8:0:100::1"), network("2001:db8:0:200::1"));
    }

    #[test]
    fn a_host_is_an_address_or_a_64() {
        let host = |text: &str| Source::host(text.parse().unwrap());
        assert_ne!(host("192.0.2.1"), host("192.0.2.2"));
        assert_eq!(host("2001:db8::1"), host("2001:db8::2:0:0:1"));
        assert_ne!(host("2001:db8::1"), host("2001:db8:0:1::1"));
    }

    #[test]
    fn a_wider_network_has_all_of_a_narrower_one_and_more() {
        let widest_first = |text: &str| {
            let of: IpAddr = text.parse().unwrap();
            [Source::provider(of), Source::holding(of), Source::network(of), Source::host(of)]
                .map(|source| source.to_string())
        };
        let v4 = ["192.0.0.0/8", "192.0.0.0/16", "192.0.2.0/24", "192.0.2.7/32"];
        assert_eq!(widest_first("192.0.2.7"), v4);
        let v6 =
            ["2001:db8::/32", "2001:db8:a::/48", "2001:db8:a:bb00::/56", "2001:db8:a:bbcc::/64"];
        assert_eq!(widest_first("2001:db8:a:bbcc::1"), v6);
        let of = |text: &str| Source::network(text.parse().unwrap()).octets();
        assert_eq!(of("192.0.2.7"), [192, 0, 2]);
        assert_eq!(of("2001:db8:a:bbcc::1"), [0x20, 1, 0x0d, 0xb8, 0, 0x0a, 0xbb]);
    }

    #[test]
    fn it_reads_as_a_network() {
        assert_eq!(Source::network("198.51.100.7".parse().unwrap()).to_string(), "198.51.100.0/24");
        assert_eq!(Source::host("2001:db8::7".parse().unwrap()).to_string(), "2001:db8::/64");
    }
}
