//! IPv4 and IPv6 networks in `address/bits` form, with nothing set behind the prefix.

use std::fmt::{self, Debug, Display, Formatter};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IPv4 network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net4 {
    address: Ipv4Addr,
    bits: u8,
}

/// An IPv6 network.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Net6 {
    address: Ipv6Addr,
    bits: u8,
}

/// A network of either family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Net {
    /// IPv4.
    V4(Net4),
    /// IPv6.
    V6(Net6),
}

/// Why a text is no network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NetworkError {
    /// Not `address/bits`.
    Malformed {
        /// What was written.
        text: String,
        /// One that would do.
        example: &'static str,
    },
    /// Bits set behind the prefix.
    HostBits {
        /// What was written.
        text: String,
        /// The network it lies in.
        network: String,
    },
}

impl TryFrom<String> for Net {
    type Error = NetworkError;

    /// A text with a colon is meant as IPv6, and its error is told.
    fn try_from(text: String) -> Result<Self, NetworkError> {
        if text.contains(':') { text.parse().map(Self::V6) } else { text.parse().map(Self::V4) }
    }
}

impl From<Net> for String {
    fn from(net: Net) -> Self {
        net.to_string()
    }
}

impl Display for Net {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(net) => Display::fmt(net, f),
            Self::V6(net) => Display::fmt(net, f),
        }
    }
}

impl Net {
    /// As the kernel's rules have it.
    pub(crate) fn outside(self) -> Option<sysio::Network> {
        match self {
            Self::V4(net) => sysio::Network::new(net.address().into(), net.bits()),
            Self::V6(net) => sysio::Network::new(net.address().into(), net.bits()),
        }
    }
}

impl Net4 {
    /// What the gateway hands out unless told otherwise.
    pub const DEFAULT: Net4 = Net4 { address: Ipv4Addr::new(10, 71, 0, 0), bits: 16 };

    /// The network of `bits` bits around `address`.
    pub fn around(address: Ipv4Addr, bits: u8) -> Option<Self> {
        (bits <= 32)
            .then(|| Self { address: Ipv4Addr::from_bits(address.to_bits() & mask4(bits)), bits })
    }

    /// The first address.
    pub fn address(self) -> Ipv4Addr {
        self.address
    }

    /// The length of the prefix.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The prefix as a mask.
    pub fn netmask(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(mask4(self.bits))
    }

    /// The gateway's own address: the first host.
    pub fn gateway(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.address.to_bits() | 1)
    }

    /// How many devices it holds: all but network, gateway and broadcast.
    pub fn devices(self) -> u64 {
        (1_u64 << (32 - self.bits)).saturating_sub(3)
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        address.to_bits() & mask4(self.bits) == self.address.to_bits()
    }

    /// Whether both share an address.
    pub fn overlaps(self, other: Net4) -> bool {
        self.contains(other.address) || other.contains(self.address)
    }
}

impl Net6 {
    /// The network of `bits` bits around `address`.
    pub fn around(address: Ipv6Addr, bits: u8) -> Option<Self> {
        (bits <= 128)
            .then(|| Self { address: Ipv6Addr::from_bits(address.to_bits() & mask6(bits)), bits })
    }

    /// The first address.
    pub fn address(self) -> Ipv6Addr {
        self.address
    }

    /// The length of the prefix.
    pub fn bits(self) -> u8 {
        self.bits
    }

    /// The gateway's own address: the first host.
    pub fn gateway(self) -> Ipv6Addr {
        Ipv6Addr::from_bits(self.address.to_bits() | 1)
    }

    /// Whether `address` lies in it.
    pub fn contains(self, address: Ipv6Addr) -> bool {
        address.to_bits() & mask6(self.bits) == self.address.to_bits()
    }
}

fn mask4(bits: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0)
}

fn mask6(bits: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0)
}

impl FromStr for Net4 {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed =
            || NetworkError::Malformed { text: text.to_owned(), example: "10.71.0.0/16" };
        let (address, bits) = split(text).ok_or_else(malformed)?;
        let network = Net4::around(address, bits).ok_or_else(malformed)?;
        if network.address != address {
            return Err(host_bits(text, &network));
        }
        Ok(network)
    }
}

impl FromStr for Net6 {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let malformed =
            || NetworkError::Malformed { text: text.to_owned(), example: "fd12:3456:789a::/64" };
        let (address, bits) = split(text).ok_or_else(malformed)?;
        let network = Net6::around(address, bits).ok_or_else(malformed)?;
        if network.address != address {
            return Err(host_bits(text, &network));
        }
        Ok(network)
    }
}

fn split<A: FromStr>(text: &str) -> Option<(A, u8)> {
    let (address, bits) = text.split_once('/')?;
    Some((address.parse().ok()?, bits.parse().ok()?))
}

fn host_bits(text: &str, network: &dyn Display) -> NetworkError {
    NetworkError::HostBits { text: text.to_owned(), network: network.to_string() }
}

impl Display for NetworkError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed { text, example } => {
                write!(f, "`{text}` is not a network; write one like `{example}`")
            }
            Self::HostBits { text, network } => {
                write!(f, "{text} has bits set behind its prefix; write {network}")
            }
        }
    }
}

impl std::error::Error for NetworkError {}

macro_rules! text_form {
    ($($net:ty),*) => {$(
        impl Display for $net {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.address, self.bits)
            }
        }
        impl Debug for $net {
            fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
                Display::fmt(self, f)
            }
        }
        impl TryFrom<String> for $net {
            type Error = NetworkError;
            fn try_from(text: String) -> Result<Self, NetworkError> {
                text.parse()
            }
        }
        impl From<$net> for String {
            fn from(net: $net) -> String {
                net.to_string()
            }
        }
    )*};
}
text_form!(Net4, Net6);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_knows_its_mask_gateway_and_size() {
        let net: Net4 = "10.71.0.0/16".parse().expect("a network");
        assert_eq!(net.netmask(), Ipv4Addr::new(255, 255, 0, 0));
        assert_eq!(net.gateway(), Ipv4Addr::new(10, 71, 0, 1));
        assert_eq!(net.devices(), 65_533);
        assert!(net.contains(Ipv4Addr::new(10, 71, 255, 255)));
        assert!(!net.contains(Ipv4Addr::new(10, 72, 0, 0)));
    }

    #[test]
    fn the_widest_and_the_narrowest_prefix_are_networks() {
        for text in ["0.0.0.0/0", "10.0.0.1/32"] {
            assert_eq!(text.parse::<Net4>().expect("a network").to_string(), text);
        }
        for text in ["::/0", "fd00::1/128"] {
            assert_eq!(text.parse::<Net6>().expect("a network").to_string(), text);
        }
    }

    #[test]
    fn nonsense_is_no_network() {
        for text in ["", "10.0.0.0", "10.0.0.0/33", "10.0.0/8", "fd00::/129", "10.0.0.0/-1"] {
            assert!(text.parse::<Net4>().is_err(), "{text}");
            assert!(text.parse::<Net6>().is_err(), "{text}");
        }
    }
}
