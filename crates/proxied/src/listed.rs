//! Who may say that it is a proxy: networks, as the settings list them.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network whose hosts are proxies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Listed {
    network: IpAddr,
    bits: u8,
}

/// It is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotANetwork {
    /// Not an address, with or without the length of a prefix.
    Malformed,
    /// Bits are set behind the prefix: an address was meant, or another network.
    BitsBehindPrefix,
}

impl Listed {
    /// Whether an address is one of its own; IPv4 written as IPv6 is IPv4.
    pub fn has(self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        address.is_ipv4() == self.network.is_ipv4() && first(address, self.bits) == self.network
    }
}

impl FromStr for Listed {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().map_err(|_| NotANetwork::Malformed)?;
        // Addresses are looked at as IPv4 where they are that.
        if network != network.to_canonical() {
            return Err(NotANetwork::Malformed);
        }
        let bits = match bits {
            // A plus sign would do to what parses numbers.
            Some(bits) if bits.bytes().all(|octet| octet.is_ascii_digit()) => {
                bits.parse().map_err(|_| NotANetwork::Malformed)?
            }
            Some(_) => return Err(NotANetwork::Malformed),
            None => width(network),
        };
        if bits > width(network) {
            return Err(NotANetwork::Malformed);
        }
        if first(network, bits) != network {
            return Err(NotANetwork::BitsBehindPrefix);
        }
        Ok(Self { network, bits })
    }
}

impl TryFrom<String> for Listed {
    type Error = NotANetwork;

    fn try_from(text: String) -> Result<Self, NotANetwork> {
        text.parse()
    }
}

impl From<Listed> for String {
    fn from(listed: Listed) -> String {
        listed.to_string()
    }
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the network of `bits` bits that has this one.
fn first(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.bits)
    }
}

impl fmt::Display for NotANetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "that is no network: 192.0.2.0/24, 2001:db8::/32, or an address",
            Self::BitsBehindPrefix => "that is an address in a network, and not the network",
        })
    }
}

impl Error for NotANetwork {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_own_addresses_and_no_others() {
        for (network, inside, outside) in [
            ("192.0.2.0/24", "192.0.2.255", "192.0.3.0"),
            ("192.0.2.0/24", "::ffff:192.0.2.1", "::192.0.2.1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("0.0.0.0/0", "203.0.113.1", "2001:db8::1"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
        ] {
            let listed: Listed = network.parse().unwrap();
            assert!(listed.has(inside.parse().unwrap()), "{network} {inside}");
            assert!(!listed.has(outside.parse().unwrap()), "{network} {outside}");
        }
        assert_eq!("192.0.2.1/24".parse::<Listed>(), Err(NotANetwork::BitsBehindPrefix));
        for wrong in [
            "",
            "a",
            "192.0.2.0/33",
            "192.0.2.0/-1",
            "::/129",
            "192.0.2.0/",
            "192.0.2.0/+24",
            "::ffff:192.0.2.0/120",
        ] {
            assert_eq!(wrong.parse::<Listed>(), Err(NotANetwork::Malformed), "{wrong}");
        }
    }
}
