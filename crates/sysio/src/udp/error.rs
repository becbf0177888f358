//! What can go wrong with a UDP socket, sorted by what the caller does next.

use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

/// Why there is no socket.
#[derive(Debug)]
pub struct BindError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl BindError {
    pub(super) fn new(address: SocketAddr, source: io::Error) -> Self {
        Self { address, source }
    }

    pub(super) fn lacks_ipv6(&self) -> bool {
        let errno = Errno::from_io_error(&self.source);
        matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
    }
}

impl Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match Errno::from_io_error(&self.source) {
            Some(Errno::ADDRINUSE) => write!(
                f,
                "UDP {address} is in use by another program: `ss -lunp` shows which; stop it or \
                 choose another port"
            ),
            Some(Errno::ACCESS | Errno::PERM) => write!(
                f,
                "this process may not use UDP {address}: run as root or with \
                 CAP_NET_BIND_SERVICE, or choose a port above 1023"
            ),
            Some(Errno::ADDRNOTAVAIL) => {
                write!(f, "no interface of this machine has the address of UDP {address}")
            }
            Some(Errno::AFNOSUPPORT) => {
                write!(f, "this machine's kernel does not speak the kind of address of {address}")
            }
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => {
                write!(f, "there is no route to {address}")
            }
            _ => write!(f, "UDP {address} can't be used"),
        }
    }
}

impl std::error::Error for BindError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why nothing was received.
#[derive(Debug)]
pub enum RecvError {
    /// An ICMP answer to something sent earlier. The socket goes on working.
    Deferred(io::Error),
    /// The kernel has no memory just now.
    NoBuffers,
    /// The socket is of no more use.
    Fatal(io::Error),
}

impl RecvError {
    /// Whether receiving may go on.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Fatal(_))
    }

    pub(super) fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::CONNREFUSED
            | Errno::HOSTUNREACH
            | Errno::NETUNREACH
            | Errno::HOSTDOWN
            | Errno::NETDOWN
            | Errno::MSGSIZE
            | Errno::PROTO
            | Errno::ACCESS
            | Errno::PERM => Self::Deferred(errno.into()),
            Errno::NOBUFS | Errno::NOMEM => Self::NoBuffers,
            other => Self::Fatal(other.into()),
        }
    }
}

impl Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Deferred(_) => "an earlier datagram was refused on its way",
            Self::NoBuffers => "the kernel has no memory for a datagram",
            Self::Fatal(_) => "the UDP socket failed",
        })
    }
}

impl std::error::Error for RecvError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Deferred(source) | Self::Fatal(source) => Some(source),
            Self::NoBuffers => None,
        }
    }
}

/// Why a datagram was not sent.
#[derive(Debug)]
pub enum SendError {
    /// The send buffer is full; wait until it is writable, or drop.
    WouldBlock,
    /// The interface's queue or the kernel's memory is full just now.
    NoBuffers,
    /// The peer's machine answered that nobody listens there.
    PeerRefused,
    /// There is no way to the peer just now, or its network says so.
    Unreachable(io::Error),
    /// A local firewall rule or policy forbids it.
    NotPermitted(io::Error),
    /// The datagram does not fit the path.
    TooLarge,
    /// The local address that was chosen is not, or no longer, ours. For IPv4 most kernels call
    /// this [`SendError::Unreachable`].
    LocalAddressGone(io::Error),
    /// An IPv6 destination on a socket that has IPv4 only.
    WrongFamily,
    /// The socket is of no more use.
    Fatal(io::Error),
}

impl SendError {
    /// Whether the socket goes on working for other datagrams.
    pub fn is_transient(&self) -> bool {
        !matches!(self, Self::Fatal(_))
    }

    /// Whether the same datagrams might be taken one by one: EMSGSIZE, EINVAL and, from drivers
    /// without checksum offload, EIO.
    pub(super) fn may_be_the_joining(&self) -> bool {
        match self {
            Self::TooLarge | Self::LocalAddressGone(_) => true,
            Self::Fatal(source) => Errno::from_io_error(source) == Some(Errno::IO),
            _ => false,
        }
    }

    pub(super) fn from_errno(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => Self::WouldBlock,
            Errno::NOBUFS | Errno::NOMEM => Self::NoBuffers,
            Errno::CONNREFUSED => Self::PeerRefused,
            Errno::HOSTUNREACH | Errno::NETUNREACH | Errno::HOSTDOWN | Errno::NETDOWN => {
                Self::Unreachable(errno.into())
            }
            Errno::PERM | Errno::ACCESS => Self::NotPermitted(errno.into()),
            Errno::MSGSIZE => Self::TooLarge,
            Errno::INVAL | Errno::ADDRNOTAVAIL | Errno::NODEV => {
                Self::LocalAddressGone(errno.into())
            }
            Errno::AFNOSUPPORT => Self::WrongFamily,
            other => Self::Fatal(other.into()),
        }
    }
}

impl Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WouldBlock => "the send buffer is full",
            Self::NoBuffers => "the kernel has no room for a datagram",
            Self::PeerRefused => "nobody listens at the peer's address",
            Self::Unreachable(_) => "the peer's network can't be reached",
            Self::NotPermitted(_) => "a local firewall rule forbids the datagram",
            Self::TooLarge => "the datagram is too large for the path",
            Self::LocalAddressGone(_) => "the local address to send from is not ours",
            Self::WrongFamily => "the socket can't reach IPv6 addresses",
            Self::Fatal(_) => "the UDP socket failed",
        })
    }
}

impl std::error::Error for SendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unreachable(source)
            | Self::NotPermitted(source)
            | Self::LocalAddressGone(source)
            | Self::Fatal(source) => Some(source),
            _ => None,
        }
    }
}
