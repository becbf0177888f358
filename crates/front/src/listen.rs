//! Sockets: how one is opened to listen, and what every connection is set to.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

/// Why an address can't be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    source: io::Error,
}

/// Listens at `address`. `[::]` takes IPv4 as well, and is IPv4 alone where the machine has no IPv6.
pub(crate) fn bind(address: SocketAddr) -> Result<TcpListener, BindError> {
    let any = address.is_ipv6() && address.ip().is_unspecified();
    let outcome = match bind_to(address) {
        Err(error) if any && error.raw_os_error() == Some(NO_IPV6) => {
            bind_to((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    };
    outcome.map_err(|source| BindError { address, source })
}

fn bind_to(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// What is written leaves at once, and a peer that vanished is noticed. A socket that takes neither serves all the
/// same.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new().with_time(SILENCE).with_interval(PROBES);
    let _ = SockRef::from(stream).set_tcp_keepalive(&alive);
}

impl BindError {
    /// What to do.
    pub fn mend(&self) -> &'static str {
        match self.source.kind() {
            io::ErrorKind::AddrInUse => "end what has it, or choose another [[tls.listen]] address",
            io::ErrorKind::PermissionDenied => {
                "run as root or with CAP_NET_BIND_SERVICE, or choose another [[tls.listen]] address"
            }
            _ => "give [[tls.listen]] an address of this machine",
        }
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = self.address;
        match self.source.kind() {
            io::ErrorKind::AddrInUse => {
                write!(f, "TCP {address} is taken, so no virtual server is reached there")
            }
            io::ErrorKind::PermissionDenied => write!(
                f,
                "this user may not listen on TCP {address}, so no virtual server is reached there"
            ),
            _ => write!(f, "no virtual server is reached on TCP {address}: {}", self.source),
        }
    }
}

impl Error for BindError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}

/// EAFNOSUPPORT.
const NO_IPV6: i32 = 97;
const BACKLOG: i32 = 4096;
/// Before the first probe.
const SILENCE: Duration = Duration::from_secs(60);
const PROBES: Duration = Duration::from_secs(15);
