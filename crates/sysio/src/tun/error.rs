//! What can go wrong with a TUN interface, each with what mends it.

use std::fmt::{self, Display};
use std::io;

use rustix::io::Errno;

use super::DEVICE;
use crate::Holder;

/// Why there is no TUN interface.
#[derive(Debug)]
pub enum TunError {
    /// There is no /dev/net/tun, or no driver behind it.
    Missing(io::Error),
    /// This process may not open /dev/net/tun.
    OpenDenied(io::Error),
    /// This process may not make interfaces.
    CreateDenied(io::Error),
    /// An interface of that name exists and is in use.
    Busy {
        /// The name that was asked for.
        name: String,
        /// Which process has it, where this one may see that.
        by: Option<Holder>,
        /// What the kernel said.
        source: io::Error,
    },
    /// An interface of that name exists and is of another kind.
    OtherKind {
        /// The name that was asked for.
        name: String,
        /// What the kernel said.
        source: io::Error,
    },
    /// Not a name that an interface can have.
    BadName(String),
    /// The kernel refused the MTU.
    Mtu {
        /// The MTU that was asked for.
        mtu: u16,
        /// What the kernel said.
        source: io::Error,
    },
    /// Anything else.
    Other(io::Error),
}

impl Display for TunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(_) => write!(
                f,
                "there is no TUN driver at {DEVICE}: load it with `modprobe tun`, or in a container \
                 pass the device in (`--device /dev/net/tun`)"
            ),
            Self::OpenDenied(_) => write!(
                f,
                "this user may not open {DEVICE}: run as root, or give the user read and write \
                 access to the device"
            ),
            Self::CreateDenied(_) => write!(
                f,
                "this process may not make a TUN interface: run as root or with CAP_NET_ADMIN \
                 (in a container: `--cap-add NET_ADMIN`)"
            ),
            Self::Busy { name, by: Some(holder), .. } => write!(
                f,
                "the interface {name} is in use by {holder}: stop that one, or choose another name"
            ),
            Self::Busy { name, by: None, .. } => write!(
                f,
                "the interface {name} is in use by another process: stop that one, or choose \
                 another name"
            ),
            Self::OtherKind { name, .. } => write!(
                f,
                "an interface {name} of another kind exists: remove it with `ip link del {name}`, \
                 or choose another name"
            ),
            Self::BadName(name) => write!(
                f,
                "{name:?} can't name an interface: use 1 to 15 letters, digits, '-', '_' or '.', \
                 and at most one %d"
            ),
            Self::Mtu { mtu, .. } => write!(f, "the TUN interface does not take an MTU of {mtu}"),
            Self::Other(_) => write!(f, "the TUN interface could not be made"),
        }
    }
}

impl std::error::Error for TunError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Missing(source)
            | Self::OpenDenied(source)
            | Self::CreateDenied(source)
            | Self::Busy { source, .. }
            | Self::OtherKind { source, .. }
            | Self::Mtu { source, .. }
            | Self::Other(source) => Some(source),
            Self::BadName(_) => None,
        }
    }
}

/// Why a packet was not read or written.
#[derive(Debug)]
pub enum TunIoError {
    /// The queue is full; wait until it is writable.
    WouldBlock,
    /// The interface is down. Happens at every start when the peer already sends.
    Down,
    /// The kernel has no memory for the packet just now.
    NoBuffers,
    /// The kernel does not take these bytes for an IP packet.
    BadPacket,
    /// The interface was deleted, or the other end of a stand-in closed.
    Gone,
    /// Anything else.
    Other(io::Error),
}

impl TunIoError {
    /// Whether the next packet may fare better: drop this one and go on.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Gone | Self::Other(_))
    }

    pub(super) fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::IO => Self::Down,
            Errno::NOBUFS | Errno::NOMEM => Self::NoBuffers,
            Errno::INVAL | Errno::MSGSIZE => Self::BadPacket,
            Errno::BADFD | Errno::NODEV | Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => {
                Self::Gone
            }
            other => Self::Other(other.into()),
        }
    }
}

impl Display for TunIoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "the TUN queue is full",
            Self::Down => "the TUN interface is down",
            Self::NoBuffers => "the kernel has no memory for a packet",
            Self::BadPacket => "the kernel does not take this for an IP packet",
            Self::Gone => "the TUN interface is gone",
            Self::Other(_) => "the TUN interface failed",
        })
    }
}

impl std::error::Error for TunIoError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Other(source) => Some(source),
            _ => None,
        }
    }
}

pub(super) fn open_error(errno: Errno) -> TunError {
    let source = errno.into();
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => TunError::Missing(source),
        Errno::ACCESS | Errno::PERM => TunError::OpenDenied(source),
        _ => TunError::Other(source),
    }
}

pub(super) fn attach_error(errno: Errno, name: &str) -> TunError {
    let (name, source) = (name.to_owned(), errno.into());
    match errno {
        Errno::PERM | Errno::ACCESS => TunError::CreateDenied(source),
        Errno::BUSY => TunError::Busy { by: None, name, source },
        Errno::INVAL | Errno::EXIST => TunError::OtherKind { name, source },
        _ => TunError::Other(source),
    }
}
