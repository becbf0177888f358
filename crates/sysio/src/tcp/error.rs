//! What can go wrong with TCP, sorted by what the caller does next.

use std::fmt::{self, Display};
use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;

/// Why there is no listener.
#[derive(Debug)]
pub struct ListenError {
    /// The address that was asked for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl ListenError {
    pub(super) fn new(address: SocketAddr, source: io::Error) -> Self {
        Self { address, source }
    }

    pub(super) fn lacks_ipv6(&self) -> bool {
        let errno = Errno::from_io_error(&self.source);
        matches!(errno, Some(Errno::AFNOSUPPORT | Errno::ADDRNOTAVAIL))
    }
}

impl Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match Errno::from_io_error(&self.source) {
            Some(Errno::ADDRINUSE) => write!(
                f,
                "TCP {address} is in use by another program: `ss -ltnp` shows which; stop it or \
                 choose another port"
            ),
            Some(Errno::ACCESS | Errno::PERM) => write!(
                f,
                "this process may not use TCP {address}: run as root or with \
                 CAP_NET_BIND_SERVICE, or choose a port above 1023"
            ),
            Some(Errno::ADDRNOTAVAIL) => {
                write!(f, "no interface of this machine has the address of TCP {address}")
            }
            Some(Errno::AFNOSUPPORT) => {
                write!(f, "this machine's kernel does not speak the kind of address of {address}")
            }
            _ => write!(f, "TCP {address} can't be listened on"),
        }
    }
}

impl std::error::Error for ListenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Why a connection that came in was not taken.
#[derive(Debug)]
pub enum AcceptError {
    /// It was gone before it was taken. There may be others.
    Gone(io::Error),
    /// No descriptor or memory is left. Without a pause the same is said again at once.
    NoRoom(io::Error),
    /// The listener is of no more use.
    Fatal(io::Error),
}

impl AcceptError {
    pub(super) fn of(source: io::Error) -> Self {
        match Errno::from_io_error(&source) {
            Some(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => {
                Self::NoRoom(source)
            }
            Some(Errno::BADF | Errno::INVAL | Errno::NOTSOCK | Errno::FAULT) => Self::Fatal(source),
            // The network's errors of a connection that waited, which Linux gives to its accept.
            _ => Self::Gone(source),
        }
    }
}

impl Display for AcceptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gone(_) => "a connection was gone before it was taken",
            Self::NoRoom(_) => {
                "this process has no descriptor left for a connection; raise its limit of open \
                 files (LimitNOFILE, ulimit -n)"
            }
            Self::Fatal(_) => "the listening socket failed",
        })
    }
}

impl std::error::Error for AcceptError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Gone(source) | Self::NoRoom(source) | Self::Fatal(source) => Some(source),
        }
    }
}

/// Why there is no connection.
#[derive(Debug)]
pub struct ConnectError {
    /// Whom it was for.
    pub address: SocketAddr,
    /// What the kernel said.
    pub source: io::Error,
}

impl ConnectError {
    /// Whether the answer came that nobody listens there.
    pub fn is_refusal(&self) -> bool {
        Errno::from_io_error(&self.source) == Some(Errno::CONNREFUSED)
    }
}

impl Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match Errno::from_io_error(&self.source) {
            Some(Errno::CONNREFUSED) => write!(f, "nobody listens on TCP {address}"),
            Some(Errno::NETUNREACH | Errno::HOSTUNREACH) => {
                write!(f, "there is no route to {address}")
            }
            Some(Errno::TIMEDOUT) => write!(f, "TCP {address} does not answer"),
            _ => write!(f, "TCP {address} can't be connected to"),
        }
    }
}

impl std::error::Error for ConnectError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
