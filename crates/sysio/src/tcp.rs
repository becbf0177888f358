//! TCP for packets: a listener, and connections that never block.
//!
//! Bytes go in and out as they come; where one packet ends, others know. Addresses are plain IPv4
//! wherever they are IPv4, as with [`crate::UdpSocket`]. A connection sends at once what it is given
//! (TCP_NODELAY), keeps little that was not sent (TCP_NOTSENT_LOWAT), so that what is queued is
//! queued where it can be counted and dropped, and breaks when nothing of it is acknowledged. Segments of
//! both directions fit a narrow link that nobody tells of.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags};
use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};
use tokio::net::TcpSocket;

use crate::normalise;

mod error;
#[cfg(test)]
mod tests;

pub use error::{AcceptError, ConnectError, ListenError};

/// A listening, nonblocking TCP socket.
#[derive(Debug)]
pub struct TcpListener {
    socket: Socket,
    ipv6_was_off: bool,
    /// Whoever opened it may be somebody else, beside whom we may not bind.
    is_inherited: bool,
}

impl TcpListener {
    /// Listens at an address that nobody else listens at. `[::]` listens for IPv4 too; on a machine
    /// without IPv6 it becomes `0.0.0.0`, and [`TcpListener::ipv6_was_off`] says so.
    ///
    /// # Errors
    /// When the address is taken, not ours, or not for this process.
    pub fn bind(address: SocketAddr) -> Result<Self, ListenError> {
        let address = normalise(address);
        match Self::bind_exactly(address, Sharing::Begins) {
            Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.lacks_ipv6() => {
                let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
                Ok(Self { ipv6_was_off: true, ..Self::bind_exactly(v4, Sharing::Begins)? })
            }
            other => other,
        }
    }

    /// One that listens already, set as if it had been bound here.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn inherited(socket: std::net::TcpListener) -> Result<Self, ListenError> {
        let socket = Socket::from(socket);
        let address = socket.local_addr().ok().and_then(|address| address.as_socket());
        let set = fit(&socket).and_then(|()| socket.set_nonblocking(true));
        set.map_err(|error| ListenError::new(address.unwrap_or_else(any), error))?;
        Ok(Self { socket, ipv6_was_off: false, is_inherited: true })
    }

    /// Another listener at the same address (SO_REUSEPORT): each takes its share of the
    /// connections. Other users' programs, and those that ask for the address alone, stay out.
    /// Of one that was inherited it is another descriptor: both take from one queue.
    ///
    /// # Errors
    /// As [`TcpListener::bind`].
    pub fn share(&self) -> Result<Self, ListenError> {
        let address = self.local_addr().map_err(|e| ListenError::new(any(), e))?;
        if self.is_inherited {
            let socket = self.socket.try_clone().map_err(|e| ListenError::new(address, e))?;
            return Ok(Self { socket, ipv6_was_off: false, is_inherited: true });
        }
        let shared = Self::bind_exactly(address, Sharing::Joins)?;
        Ok(Self { ipv6_was_off: self.ipv6_was_off, ..shared })
    }

    /// Whether `[::]` was asked for and IPv4 alone is listened on, since this machine has no IPv6.
    pub fn ipv6_was_off(&self) -> bool {
        self.ipv6_was_off
    }

    /// The bound address; its port is the one the kernel chose if 0 was asked for.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        named(self.socket.local_addr()?)
    }

    /// The next connection that came in; `None` while there is none.
    ///
    /// # Errors
    /// When the connection was gone already, or there is no descriptor or memory for it.
    pub fn accept(&self) -> Result<Option<TcpStream>, AcceptError> {
        loop {
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match rustix::net::accept_with(&self.socket, flags) {
                Ok(fd) => {
                    return TcpStream::new(Socket::from(fd)).map(Some).map_err(AcceptError::of);
                }
                Err(Errno::AGAIN) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(AcceptError::of(errno.into())),
            }
        }
    }

    fn bind_exactly(address: SocketAddr, sharing: Sharing) -> Result<Self, ListenError> {
        Self::bind_io(address, sharing).map_err(|error| ListenError::new(address, error))
    }

    fn bind_io(address: SocketAddr, sharing: Sharing) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // Connections of a former process that are still being closed do not hold up a restart.
        socket.set_reuse_address(true)?;
        if sharing == Sharing::Joins {
            socket.set_reuse_port(true)?;
        }
        fit(&socket)?;
        socket.set_nonblocking(true)?;
        socket.bind(&SockAddr::from(address))?;
        // Bound alone, so that a second gateway is told; shared only with whoever asks from here on.
        socket.set_reuse_port(true)?;
        socket.listen(BACKLOG)?;
        Ok(Self { socket, ipv6_was_off: false, is_inherited: false })
    }
}

impl AsFd for TcpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sharing {
    Begins,
    Joins,
}

/// A connection. No call blocks.
#[derive(Debug)]
pub struct TcpStream {
    socket: Socket,
    remote: SocketAddr,
    local: SocketAddr,
}

/// What receiving brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StreamRead {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet: wait until it is readable.
    Nothing,
    /// The peer sends no more.
    End,
}

impl TcpStream {
    /// Connects, on the present tokio runtime. How long that may take is up to whoever waits.
    ///
    /// # Errors
    /// When the peer refuses, is not reached, or the address is of no use here.
    pub async fn connect(peer: SocketAddr) -> Result<Self, ConnectError> {
        let peer = normalise(peer);
        let failed = |source| ConnectError { address: peer, source };
        let socket = match peer {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        };
        let socket = socket.map_err(failed)?;
        SockRef::from(&socket).set_tcp_mss(LARGEST_SEGMENT).map_err(failed)?;
        let stream = socket.connect(peer).await.map_err(failed)?;
        let socket = Socket::from(stream.into_std().map_err(failed)?);
        set_up(&socket).map_err(failed)?;
        Self::new(socket).map_err(failed)
    }

    /// One that another program part took, whose ends are these: a proxy may have said so.
    ///
    /// # Errors
    /// What the kernel said of a socket that is none, or gone.
    pub fn taken(
        stream: std::net::TcpStream,
        remote: SocketAddr,
        local: SocketAddr,
    ) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        let socket = Socket::from(stream);
        set_up(&socket)?;
        Ok(Self { socket, remote: normalise(remote), local: normalise(local) })
    }

    fn new(socket: Socket) -> io::Result<Self> {
        let (remote, local) = (named(socket.peer_addr()?)?, named(socket.local_addr()?)?);
        Ok(Self { socket, remote, local })
    }

    /// The peer's address and port.
    pub fn remote(&self) -> SocketAddr {
        self.remote
    }

    /// The address and port of ours that the peer speaks to.
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// Receives what is there, as much as fits.
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn recv(&self, room: &mut [u8]) -> io::Result<StreamRead> {
        loop {
            match rustix::net::recv(&self.socket, &mut *room, RecvFlags::empty()) {
                Ok((0, _)) if !room.is_empty() => return Ok(StreamRead::End),
                Ok((0, _)) | Err(Errno::AGAIN) => return Ok(StreamRead::Nothing),
                Ok((count, _)) => return Ok(StreamRead::Bytes(count)),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Sends from the front as much as the kernel takes; 0 means "wait until it is writable".
    ///
    /// # Errors
    /// When the connection is broken.
    pub fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        loop {
            match rustix::net::send(&self.socket, bytes, SendFlags::NOSIGNAL) {
                Ok(count) => return Ok(count),
                Err(Errno::AGAIN | Errno::NOBUFS) => return Ok(0),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(errno.into()),
            }
        }
    }

    /// Tells the peer, behind everything that was sent, that nothing follows.
    pub fn finish_sending(&self) {
        // A connection that is broken needs no end.
        let _ = self.socket.shutdown(std::net::Shutdown::Write);
    }
}

/// A socket that doesn't block, for other libraries.
impl From<TcpStream> for std::net::TcpStream {
    fn from(stream: TcpStream) -> Self {
        stream.socket.into()
    }
}

impl AsFd for TcpStream {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Connections take these over from their listener.
fn fit(listener: &Socket) -> io::Result<()> {
    set_up(listener)?;
    listener.set_tcp_mss(LARGEST_SEGMENT)
}

fn set_up(socket: &Socket) -> io::Result<()> {
    socket.set_tcp_nodelay(true)?;
    socket.set_tcp_notsent_lowat(UNSENT)?;
    socket.set_tcp_user_timeout(Some(UNACKNOWLEDGED))
}

fn named(address: SockAddr) -> io::Result<SocketAddr> {
    address.as_socket().map(normalise).ok_or_else(|| io::ErrorKind::InvalidData.into())
}

fn any() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 0).into()
}

/// Connections that wait to be accepted; the kernel's own limit (somaxconn) may be lower.
const BACKLOG: i32 = 4096;
/// Told to the peer in the SYN and kept to: outer packets of 1,380 bytes over IPv4 and 1,400 over IPv6.
const LARGEST_SEGMENT: u32 = 1340;
/// Bytes that the kernel keeps beyond what the network takes.
const UNSENT: u32 = 128 << 10;
/// Nothing that was sent was acknowledged for this long: the peer is gone.
const UNACKNOWLEDGED: Duration = Duration::from_secs(60);
