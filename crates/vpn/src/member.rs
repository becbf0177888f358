//! Who is let in, and with which addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use names::{DeviceName, UserName};

/// A device that is let in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// The user's name.
    pub user: UserName,
    /// The device's name, within the user.
    pub device: DeviceName,
    /// Its IPv4 address in the tunnel.
    pub v4: Ipv4Addr,
    /// Its IPv6 address in the tunnel.
    pub v6: Option<Ipv6Addr>,
}

impl Member {
    /// Its addresses in the tunnel, IPv4 first.
    pub fn addresses(&self) -> Vec<IpAddr> {
        std::iter::once(self.v4.into()).chain(self.v6.map(IpAddr::from)).collect()
    }
}
