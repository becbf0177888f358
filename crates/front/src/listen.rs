//! Sockets: how one is opened to listen, and what every connection is set to.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use tokio::net::{TcpListener, TcpStream};

use crate::sockets::Sockets;

/// Why an address can't be listened on.
#[derive(Debug)]
pub struct BindError {
    /// Which.
    pub address: SocketAddr,
    source: io::Error,
}

/// How long segments of TCP may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Segments {
    /// They pass a narrow link that nobody tells of.
    Narrow,
    /// As long as the way there takes them.
    Any,
}

/// Listens at `address`, at a socket that does already where there is one.
pub(crate) fn open(
    address: SocketAddr,
    segments: Segments,
    sockets: &dyn Sockets,
) -> Result<TcpListener, BindError> {
    let socket = match sockets.listening_at(address) {
        Some(socket) => Ok(socket.into()),
        None => bind(address),
    };
    let opened = socket.and_then(|socket: Socket| {
        socket.set_nonblocking(true)?;
        // One that does not take it takes connections all the same.
        let _ = fit(&socket, segments);
        if !socket.is_listener()? {
            socket.listen(BACKLOG)?;
        }
        TcpListener::from_std(socket.into())
    });
    opened.map_err(|source| BindError { address, source })
}

/// Connections that come from here on have such segments.
pub(crate) fn fit(socket: &Socket, segments: Segments) -> io::Result<()> {
    socket.set_tcp_mss(match segments {
        Segments::Narrow => LARGEST_SEGMENT,
        Segments::Any => ANY_SEGMENT,
    })
}

/// `[::]` takes IPv4 as well, and is IPv4 alone where the machine has no IPv6.
fn bind(address: SocketAddr) -> io::Result<Socket> {
    let any = address.is_ipv6() && address.ip().is_unspecified();
    match bind_to(address) {
        Err(error) if any && error.raw_os_error() == Some(NO_IPV6) => {
            bind_to((Ipv4Addr::UNSPECIFIED, address.port()).into())
        }
        outcome => outcome,
    }
}

fn bind_to(address: SocketAddr) -> io::Result<Socket> {
    let socket =
        Socket::new(Domain::for_address(address), Type::STREAM, Some(socket2::Protocol::TCP))?;
    if address.is_ipv6() {
        socket.set_only_v6(!address.ip().is_unspecified())?;
    }
    socket.set_reuse_address(true)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// What is written leaves at once, and a peer that vanished is noticed. A socket that takes neither serves all the
/// same.
pub(crate) fn prepare(stream: &TcpStream) {
    let _ = stream.set_nodelay(true);
    let alive = TcpKeepalive::new().with_time(SILENCE).with_interval(PROBES);
    let _ = SockRef::from(stream).set_tcp_keepalive(&alive);
}

impl BindError {
    /// Whether something else has it.
    pub fn is_taken(&self) -> bool {
        self.source.kind() == io::ErrorKind::AddrInUse
    }

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
/// As at the VPN's own port: outer packets of 1,380 bytes over IPv4 and 1,400 over IPv6.
const LARGEST_SEGMENT: u32 = 1340;
/// What the way there takes.
const ANY_SEGMENT: u32 = 0;
/// Before the first probe.
const SILENCE: Duration = Duration::from_secs(60);
const PROBES: Duration = Duration::from_secs(15);
