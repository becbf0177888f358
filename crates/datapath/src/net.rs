//! A network: an address and how many of its leading bits count.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A network with no bit set behind its prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IpNet {
    address: IpAddr,
    bits: u8,
}

impl IpNet {
    /// All of IPv4.
    pub const ALL_V4: IpNet = IpNet { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), bits: 0 };
    /// All of IPv6.
    pub const ALL_V6: IpNet = IpNet { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), bits: 0 };

    /// The network of `bits` bits that holds `address`.
    pub fn new(address: IpAddr, bits: u8) -> Result<Self, IpNetError> {
        if bits > width(address) {
            return Err(IpNetError { bits, width: width(address) });
        }
        Ok(Self { address: from_key(mask(to_key(address), bits), address), bits })
    }

    /// The network of one address.
    pub fn host(address: IpAddr) -> Self {
        Self { address, bits: width(address) }
    }

    /// Its first address.
    pub fn address(self) -> IpAddr {
        self.address
    }

    /// The length of its prefix.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: IpAddr) -> bool {
        self.address.is_ipv4() == address.is_ipv4()
            && mask(to_key(address), self.bits) == to_key(self.address)
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// More prefix bits than the address has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetError {
    bits: u8,
    width: u8,
}

impl fmt::Display for IpNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a prefix of {} bits is longer than the address ({} bits)", self.bits, self.width)
    }
}

impl std::error::Error for IpNetError {}

pub(crate) fn width(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// The address with its first bit at the top, so that both families compare alike.
pub(crate) fn to_key(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(v4.to_bits()) << 96,
        IpAddr::V6(v6) => v6.to_bits(),
    }
}

/// The leading `bits` of a key.
pub(crate) fn mask(key: u128, bits: u8) -> u128 {
    key & u128::MAX.checked_shl(128 - u32::from(bits.min(128))).unwrap_or(0)
}

fn from_key(key: u128, family: IpAddr) -> IpAddr {
    match family {
        // The low 96 bits of an IPv4 key are zero.
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from_bits((key >> 96) as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from_bits(key)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_behind_the_prefix_are_cleared() {
        let net = IpNet::new("10.8.3.7".parse().unwrap(), 22).unwrap();
        assert_eq!(net.to_string(), "10.8.0.0/22");
        let net = IpNet::new("2001:db8::1:2".parse().unwrap(), 112).unwrap();
        assert_eq!(net.to_string(), "2001:db8::1:0/112");
    }

    #[test]
    fn the_networks_of_no_bits_hold_their_own_family_only() {
        assert!(IpNet::ALL_V4.contains("255.255.255.255".parse().unwrap()));
        assert!(!IpNet::ALL_V4.contains("::1".parse().unwrap()));
        assert!(IpNet::ALL_V6.contains("ffff::".parse().unwrap()));
        assert!(!IpNet::ALL_V6.contains("0.0.0.0".parse().unwrap()));
    }

    #[test]
    fn a_prefix_longer_than_the_address_is_refused() {
        assert!(IpNet::new("10.0.0.1".parse().unwrap(), 33).is_err());
        assert!(IpNet::new("::1".parse().unwrap(), 129).is_err());
    }
}
