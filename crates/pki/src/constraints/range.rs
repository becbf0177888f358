//! A domain with all names below it, or a network.

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use rcgen::{CidrSubnet, GeneralSubtree};
use serde::{Deserialize, Serialize};
use x509_parser::extensions::GeneralName;

use crate::host_name::HostName;

/// A domain with all names below it, or a network: `example.org`, `10.0.0.0/8`, `2001:db8::1`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum NameRange {
    /// This name, in small letters, and all below it.
    Domain(String),
    /// These addresses.
    Network {
        /// The first.
        address: IpAddr,
        /// How many bits all have in common.
        bits: u8,
    },
}

/// Why a text is no domain and no network; with the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NameRangeError(String);

impl NameRange {
    /// Whether it says anything of such names.
    pub(super) fn is_of_kind(&self, host: &HostName) -> bool {
        matches!(
            (self, host),
            (Self::Domain(_), HostName::Dns(_)) | (Self::Network { .. }, HostName::Ip(_))
        )
    }

    /// Whether all that the name stands for is in it.
    pub(super) fn holds(&self, host: &HostName) -> bool {
        match (self, host) {
            (Self::Domain(domain), HostName::Dns(name)) => {
                is_within(name.strip_prefix(WILD).unwrap_or(name), domain)
            }
            (Self::Network { address, bits }, HostName::Ip(ip)) => {
                first_of(*ip, *bits) == Some(*address)
            }
            _ => false,
        }
    }

    /// Whether anything that the name stands for is in it.
    pub(super) fn touches(&self, host: &HostName) -> bool {
        let below = |domain: &str, name: &str| {
            let label = name.strip_prefix(WILD).and_then(|parent| label_above(domain, parent));
            label.is_some_and(|label| !label.contains('.'))
        };
        match (self, host) {
            (Self::Domain(domain), HostName::Dns(name)) if below(domain, name) => true,
            _ => self.holds(host),
        }
    }

    /// As the extension has it.
    pub(super) fn to_subtree(&self) -> GeneralSubtree {
        match self {
            Self::Domain(domain) => GeneralSubtree::DnsName(domain.clone()),
            Self::Network { address, bits } => {
                GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(*address, *bits))
            }
        }
    }

    /// None of another kind, and no mask with holes.
    pub(super) fn of_subtree(base: &GeneralName<'_>) -> Option<Self> {
        match base {
            GeneralName::DNSName(domain) => domain.parse().ok(),
            GeneralName::IPAddress(octets) => network(octets),
            _ => None,
        }
    }
}

impl FromStr for NameRange {
    type Err = NameRangeError;

    fn from_str(text: &str) -> Result<Self, NameRangeError> {
        let wrong = || NameRangeError(text.to_owned());
        if let Some((address, bits)) = text.split_once('/') {
            let address: IpAddr = address.parse().map_err(|_| wrong())?;
            let bits: u8 = bits.parse().map_err(|_| wrong())?;
            let is_first = bits <= width(address) && first_of(address, bits) == Some(address);
            return is_first.then_some(Self::Network { address, bits }).ok_or_else(wrong);
        }
        match HostName::parse(text) {
            Some(HostName::Dns(name)) if !name.starts_with(WILD) => Ok(Self::Domain(name)),
            Some(HostName::Ip(address)) => Ok(Self::Network { address, bits: width(address) }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for NameRange {
    type Error = NameRangeError;

    fn try_from(text: String) -> Result<Self, NameRangeError> {
        text.parse()
    }
}

impl From<NameRange> for String {
    fn from(range: NameRange) -> Self {
        range.to_string()
    }
}

impl fmt::Display for NameRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Network { address, bits } if *bits == width(*address) => address.fmt(f),
            Self::Network { address, bits } => write!(f, "{address}/{bits}"),
        }
    }
}

impl fmt::Display for NameRangeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(text) = self;
        write!(
            f,
            "`{text}` is no domain and no network; write one like `example.org`, `10.0.0.0/8` or `2001:db8::/32`"
        )
    }
}

impl Error for NameRangeError {}

fn is_within(name: &str, domain: &str) -> bool {
    name == domain || label_above(name, domain).is_some()
}

/// What stands before the domain, without the dot.
fn label_above<'a>(name: &'a str, domain: &str) -> Option<&'a str> {
    name.strip_suffix(domain)?.strip_suffix('.')
}

fn network(octets: &[u8]) -> Option<NameRange> {
    let (address, mask) = octets.split_at_checked(octets.len() / 2)?;
    let (address, mask) = (address_of(address)?, address_of(mask)?);
    let (leading, all) = match mask {
        IpAddr::V4(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
        IpAddr::V6(mask) => (mask.to_bits().leading_ones(), mask.to_bits().count_ones()),
    };
    let bits = u8::try_from(leading).ok().filter(|_| leading == all)?;
    (first_of(address, bits) == Some(address)).then_some(NameRange::Network { address, bits })
}

fn address_of(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from)).ok()
}

fn width(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

/// The first address of the network with so many bits that this one is in.
fn first_of(address: IpAddr, bits: u8) -> Option<IpAddr> {
    let behind = width(address).checked_sub(bits)?;
    Some(match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(behind.into()).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(behind.into()).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    })
}

const WILD: &str = "*.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_read_as_it_is_written() {
        for text in ["example.org", "10.0.0.0/8", "192.0.2.1", "2001:db8::/32", "::1", "0.0.0.0/0"]
        {
            assert_eq!(text.parse::<NameRange>().unwrap().to_string(), text);
        }
        assert_eq!("Example.org.".parse::<NameRange>().unwrap().to_string(), "example.org");
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in ["", "*.example.org", "10.0.0.1/8", "10.0.0.0/33", "a b", ".example.org", "1/8"]
        {
            assert_eq!(text.parse::<NameRange>(), Err(NameRangeError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_mask_with_holes_or_of_another_length_is_no_network() {
        let of = |octets: &[u8]| NameRange::of_subtree(&GeneralName::IPAddress(octets));
        let ten = of(&[10, 0, 0, 0, 255, 0, 0, 0]).unwrap();
        assert_eq!(ten.to_string(), "10.0.0.0/8");
        for octets in [
            &[10, 0, 0, 0, 255, 0, 255, 0][..],
            &[10, 0, 0, 0, 0, 255, 0, 0],
            &[10, 0, 0, 0, 240, 128, 0, 0],
            &[10, 1, 0, 0, 255, 0, 0, 0],
            &[10, 0, 0, 0],
            &[],
        ] {
            assert_eq!(of(octets), None, "{octets:?}");
        }
    }
}
