//! Why this machine could not be set up for a tunnel.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::PathBuf;

use sysio::TunError;
use sysio::netlink::{NetlinkError, NetlinkErrorKind};

/// Why this machine could not be set up for a tunnel.
#[derive(Debug)]
pub enum SystemError {
    /// No TUN interface.
    Tun(TunError),
    /// The kernel's network configuration can't be reached.
    Netlink(io::Error),
    /// An address or a route was refused.
    Refused {
        /// What it was.
        what: String,
        /// Why.
        source: NetlinkError,
    },
    /// What would have to be undone can't be put on record.
    Record {
        /// Where.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl SystemError {
    /// Whether this process lacks a permission.
    pub fn is_denied(&self) -> bool {
        match self {
            Self::Tun(error) => {
                matches!(error, TunError::OpenDenied(_) | TunError::CreateDenied(_))
            }
            Self::Refused { source, .. } => source.kind == NetlinkErrorKind::Denied,
            Self::Netlink(error) | Self::Record { source: error, .. } => {
                error.kind() == io::ErrorKind::PermissionDenied
            }
        }
    }
}

impl fmt::Display for SystemError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tun(error) => error.fmt(f),
            Self::Netlink(error) => {
                write!(f, "the kernel's network configuration can't be reached: {error}")
            }
            Self::Refused { what, source } => write!(f, "{what}: {source}"),
            Self::Record { path, source } => write!(
                f,
                "what has to be undone later can't be kept in {} ({source}); make room \
                 there, or make it writable",
                path.display()
            ),
        }
    }
}

impl Error for SystemError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Tun(source) => Some(source),
            Self::Netlink(source) | Self::Record { source, .. } => Some(source),
            Self::Refused { source, .. } => Some(source),
        }
    }
}
