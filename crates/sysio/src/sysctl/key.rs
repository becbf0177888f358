//! The kernel settings that are changed, and no others: their names.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// A kernel setting of the calling thread's network namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sysctl {
    /// Forward IPv4 packets.
    Ipv4Forward,
    /// Forward IPv6 packets, on all interfaces.
    Ipv6Forward,
    /// Heed IPv6 router advertisements on an interface: 0 never, 1 unless forwarding, 2 always.
    AcceptRouterAdvertisements(String),
}

impl Display for Sysctl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4Forward => f.write_str("net/ipv4/ip_forward"),
            Self::Ipv6Forward => f.write_str("net/ipv6/conf/all/forwarding"),
            Self::AcceptRouterAdvertisements(interface) => {
                write!(f, "net/ipv6/conf/{interface}/accept_ra")
            }
        }
    }
}
