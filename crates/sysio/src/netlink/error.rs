//! Why the kernel refused a change to its network configuration.

use std::fmt::{self, Display};
use std::io;

use rustix::io::Errno;

/// A refused request.
#[derive(Debug)]
pub struct NetlinkError {
    /// What was to be done, as the object of "could not".
    pub doing: &'static str,
    /// What kind of refusal it is.
    pub kind: NetlinkErrorKind,
    source: io::Error,
}

/// What a caller may want to tell apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NetlinkErrorKind {
    /// This process may not.
    Denied,
    /// There is no such interface, address or route.
    Missing,
    /// It exists already.
    Exists,
    /// No route leads there, or the gateway is not on any network of ours.
    Unreachable,
    /// The interface is down.
    Down,
    /// Anything else.
    Other,
}

impl NetlinkError {
    pub(super) fn new(doing: &'static str, source: io::Error) -> Self {
        Self { doing, kind: kind(&source), source }
    }

    pub(super) fn missing(doing: &'static str) -> Self {
        Self::new(doing, Errno::NODEV.into())
    }

    pub(super) fn bad_request(doing: &'static str) -> Self {
        Self::new(doing, Errno::INVAL.into())
    }
}

impl Display for NetlinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "could not {}: ", self.doing)?;
        f.write_str(match self.kind {
            NetlinkErrorKind::Denied => {
                "this process may not; run as root or with CAP_NET_ADMIN \
                 (in a container: `--cap-add NET_ADMIN`)"
            }
            NetlinkErrorKind::Missing => "it does not exist",
            NetlinkErrorKind::Exists => "it exists already",
            NetlinkErrorKind::Unreachable => "no route leads there",
            NetlinkErrorKind::Down => "the interface is down",
            NetlinkErrorKind::Other => "the kernel refused",
        })
    }
}

impl std::error::Error for NetlinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Says what was being done when the kernel refused.
pub(super) trait During<T> {
    fn during(self, doing: &'static str) -> Result<T, NetlinkError>;
}

impl<T> During<T> for Result<T, rtnetlink::Error> {
    fn during(self, doing: &'static str) -> Result<T, NetlinkError> {
        self.map_err(|error| {
            let source = match error {
                rtnetlink::Error::NetlinkError(message) => message.to_io(),
                other => io::Error::other(other),
            };
            NetlinkError::new(doing, source)
        })
    }
}

fn kind(error: &io::Error) -> NetlinkErrorKind {
    match Errno::from_io_error(error) {
        Some(Errno::PERM | Errno::ACCESS) => NetlinkErrorKind::Denied,
        Some(Errno::NODEV | Errno::SRCH | Errno::NOENT | Errno::ADDRNOTAVAIL | Errno::NXIO) => {
            NetlinkErrorKind::Missing
        }
        Some(Errno::EXIST) => NetlinkErrorKind::Exists,
        Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => NetlinkErrorKind::Unreachable,
        Some(Errno::NETDOWN) => NetlinkErrorKind::Down,
        _ => NetlinkErrorKind::Other,
    }
}
