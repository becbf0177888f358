//! Which ports data connections come to, as the settings write it: `"50000-50099"`.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Where data connections come to; without a word of the settings to the address that the first one came to, and any
/// port that is free.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passive {
    pub(crate) ports: Option<PassivePorts>,
    /// As clients know the host, where that is not as it knows itself.
    pub(crate) address: Option<Ipv4Addr>,
}

/// Which ports data connections come to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PassivePorts(RangeInclusive<u16>);

/// It is no range of ports that nobody has by right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PortsFault(String);

impl PassivePorts {
    /// From the first to the last.
    pub fn range(&self) -> RangeInclusive<u16> {
        self.0.clone()
    }

    /// Whether this is one of them.
    pub fn has(&self, port: u16) -> bool {
        self.0.contains(&port)
    }
}

impl FromStr for PassivePorts {
    type Err = PortsFault;

    fn from_str(text: &str) -> Result<Self, PortsFault> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            let range = first.trim().parse().ok()?..=last.trim().parse().ok()?;
            (*range.start() >= LOWEST && !range.is_empty()).then_some(Self(range))
        });
        parsed.ok_or_else(|| PortsFault(text.to_owned()))
    }
}

impl TryFrom<String> for PassivePorts {
    type Error = PortsFault;

    fn try_from(text: String) -> Result<Self, PortsFault> {
        text.parse()
    }
}

impl From<PassivePorts> for String {
    fn from(ports: PassivePorts) -> String {
        ports.to_string()
    }
}

impl Display for PassivePorts {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.start(), self.0.end())
    }
}

impl Display for PortsFault {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` is no range of ports; write one above {LOWEST}, as \"50000-50099\"", self.0)
    }
}

impl Error for PortsFault {}

/// Below are those of well-known services.
const LOWEST: u16 = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_written_as_it_was_read_and_has_a_first_and_a_last() {
        assert_eq!("50000-50099".parse::<PassivePorts>().unwrap().to_string(), "50000-50099");
        assert!("50000-50000".parse::<PassivePorts>().unwrap().has(50_000));
        for bad in ["", "50000", "2-1", "1023-2000", "60000-50000", "50000-70000", "a-b"] {
            assert!(bad.parse::<PassivePorts>().is_err(), "{bad}");
        }
    }
}
