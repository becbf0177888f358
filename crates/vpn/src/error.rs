//! Why the door could not be opened. Whatever was made until then is undone.

use std::error::Error;
use std::fmt::{self, Display, Formatter};
use std::net::IpAddr;

use engine::StartError;
use sysio::netlink::NetlinkError;
use sysio::{BindError, SysctlError, TunError};

use crate::listen::Listen;

/// Nothing is open.
#[derive(Debug)]
pub enum VpnError {
    /// Another program has the UDP port, or this machine has no such address.
    ListenUdp {
        /// Where.
        listen: Listen,
        /// Why not.
        error: BindError,
    },
    /// The same for TCP.
    ListenTcp {
        /// Where.
        listen: Listen,
        /// Why not.
        error: sysio::ListenError,
    },
    /// The tunnel's interface could not be made.
    Interface(TunError),
    /// The kernel's networking could not be spoken with.
    Netlink(std::io::Error),
    /// The tunnel's interface could not be given its addresses.
    Addresses(NetlinkError),
    /// Another interface of this machine has an inner network, or the gateway's address in it.
    InnerNetworkTaken {
        /// The other interface.
        interface: String,
        /// Its address.
        address: IpAddr,
        /// The bits of its network.
        bits: u8,
    },
    /// No place for what has to be undone could be opened; one error for each place.
    UndoRecord(Vec<SysctlError>),
    /// Forwarding could not be switched on.
    Forwarding(SysctlError),
    /// The engine did not start.
    Engine(StartError),
}

impl VpnError {
    /// What to do, where it is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::ListenUdp { .. } | Self::ListenTcp { .. } => {
                Some("stop the other program on that port, or change vpn.listen")
            }
            Self::Interface(TunError::Busy { .. }) => Some(
                "a second gateway on one machine needs its own vpn.interface, vpn.network, \
                 vpn.network6 and vpn.listen",
            ),
            Self::InnerNetworkTaken { .. } => Some(
                "a second gateway, or another program's network: choose another vpn.network, and \
                 vpn.network6 with it",
            ),
            Self::Interface(_)
            | Self::Netlink(_)
            | Self::Addresses(_)
            | Self::UndoRecord(_)
            | Self::Forwarding(_)
            | Self::Engine(_) => None,
        }
    }
}

impl Display for VpnError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::ListenUdp { listen, .. } | Self::ListenTcp { listen, .. } => {
                write!(f, "cannot listen on {listen}")
            }
            Self::Interface(_) => f.write_str("the tunnel's interface could not be made"),
            Self::Netlink(_) | Self::Addresses(_) => {
                f.write_str("the tunnel's interface could not be set up")
            }
            Self::InnerNetworkTaken { interface, address, bits } => {
                let key = if address.is_ipv4() { "vpn.network" } else { "vpn.network6" };
                write!(
                    f,
                    "{key} is on this machine already: the interface {interface} has \
                     {address}/{bits}"
                )
            }
            Self::UndoRecord(_) => f.write_str("kernel settings could not be read"),
            Self::Forwarding(_) => f.write_str("forwarding could not be switched on"),
            Self::Engine(error) => error.fmt(f),
        }
    }
}

impl Error for VpnError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::ListenUdp { error, .. } => Some(error),
            Self::ListenTcp { error, .. } => Some(error),
            Self::Interface(error) => Some(error),
            Self::Netlink(error) => Some(error),
            Self::Addresses(error) => Some(error),
            Self::InnerNetworkTaken { .. } => None,
            Self::UndoRecord(errors) => errors.first().map(|error| error as &dyn Error),
            Self::Forwarding(error) => Some(error),
            Self::Engine(error) => error.source(),
        }
    }
}
