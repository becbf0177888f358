//! A UDP socket that knows which of our addresses each datagram was sent to.
//!
//! Replies leave from the address that was asked: a received datagram names it and a sent one may
//! choose it. Addresses are plain IPv4 wherever they are IPv4, whatever the socket's family.
//! Every call moves a batch, never blocks and takes `&self`, so that a worker thread and other
//! senders can share a socket.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::socket::{setsockopt, sockopt};
use rustix::io::Errno;
use rustix::net::sockopt::{self as rustix_sockopt, Ipv4PathMtuDiscovery};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::Packet;

mod address;
mod error;
mod group;
mod message;

pub use address::normalise;
pub use error::{BindError, RecvError, SendError};
pub use group::BpfInstruction;

/// A bound, nonblocking UDP socket.
#[derive(Debug)]
pub struct UdpSocket {
    socket: Socket,
    family: Family,
    connected: bool,
    ipv6_was_off: bool,
    /// The kernel takes several datagrams in one buffer, as far as is known.
    gso: AtomicBool,
    /// The peer's machine has said that nobody listens there.
    refused: AtomicBool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    V4,
    /// Speaks IPv4 as well, through mapped addresses, unless bound to one IPv6 address.
    V6,
}

impl UdpSocket {
    /// Binds to an address. `[::]` listens for IPv4 too; on a machine without IPv6 it becomes
    /// `0.0.0.0`, and [`UdpSocket::ipv6_was_off`] says so.
    pub fn bind(address: SocketAddr) -> Result<Self, BindError> {
        let address = normalise(address);
        match Self::bind_exactly(address) {
            Err(error) if address.ip() == Ipv6Addr::UNSPECIFIED && error.lacks_ipv6() => {
                let v4 = SocketAddr::from((Ipv4Addr::UNSPECIFIED, address.port()));
                Ok(Self { ipv6_was_off: true, ..Self::bind_exactly(v4)? })
            }
            other => other,
        }
    }

    /// One that is bound already, set as if it had been bound here.
    pub fn inherited(socket: std::net::UdpSocket) -> Result<Self, BindError> {
        let address = socket.local_addr().map_err(|e| BindError::new(any_v6(), e))?;
        let socket = Socket::from(socket);
        set_up(&socket, Family::of(address)).map_err(|e| BindError::new(address, e))?;
        Self::of_bound(socket, address).map_err(|e| BindError::new(address, e))
    }

    /// A socket for one peer, from whichever address and port the kernel chooses. Its datagrams
    /// need no route look-up of their own, and only the peer's are received.
    pub fn connect(peer: SocketAddr) -> Result<Self, BindError> {
        let peer = normalise(peer);
        let mut bound = Self::bind_exactly((any_address(peer), 0).into())?;
        bound.socket.connect(&SockAddr::from(peer)).map_err(|e| BindError::new(peer, e))?;
        bound.connected = true;
        Ok(bound)
    }

    /// Connects a connected socket to its peer anew, from the address and a port that the kernel
    /// chooses by the routes of this moment. Where nothing leads there it stays without a peer, and
    /// sends fail, until the next call.
    pub fn reconnect(&self, peer: SocketAddr) -> Result<(), BindError> {
        self.refused.store(false, Ordering::Relaxed);
        let peer = normalise(peer);
        let failed = |error| BindError::new(peer, error);
        // Without it the kernel would keep the former address.
        rustix::net::connect_unspec(&self.socket).map_err(|errno| failed(errno.into()))?;
        self.socket.connect(&SockAddr::from(peer)).map_err(failed)
    }

    /// Whether the machine of the peer that it is connected to has answered that nobody listens there (ICMP
    /// port unreachable). Anybody on the way can say so: it is a reason to look elsewhere, not to end what
    /// has proved itself.
    pub fn was_refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Whether `[::]` was asked for and IPv4 alone is listened on, since this machine has no IPv6.
    pub fn ipv6_was_off(&self) -> bool {
        self.ipv6_was_off
    }

    /// The bound address; its port is the one the kernel chose if 0 was asked for.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let address = self.socket.local_addr()?.as_socket();
        address.map(normalise).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// Asks for `bytes` of receive and of send buffer, beyond the system's limit where this process
    /// may. Returns what is in force (receive, send), as the kernel counts: twice what data fits.
    pub fn set_buffers(&self, bytes: usize) -> io::Result<(usize, usize)> {
        if rustix_sockopt::set_socket_recv_buffer_size_force(&self.socket, bytes).is_err() {
            self.socket.set_recv_buffer_size(bytes)?;
        }
        if rustix_sockopt::set_socket_send_buffer_size_force(&self.socket, bytes).is_err() {
            self.socket.set_send_buffer_size(bytes)?;
        }
        Ok((self.socket.recv_buffer_size()?, self.socket.send_buffer_size()?))
    }

    /// The receive and send buffers in force, as [`UdpSocket::set_buffers`] returned them.
    pub fn buffers(&self) -> (usize, usize) {
        // A socket that was bound can be asked.
        let size = |bytes: io::Result<usize>| bytes.unwrap_or(0);
        (size(self.socket.recv_buffer_size()), size(self.socket.send_buffer_size()))
    }

    /// Fills `slots` from the first on with the datagrams that are there. Returns how many; none
    /// means "wait until it is readable". An error is reported only when nothing came before it.
    pub fn recv_batch(&self, slots: &mut [Received]) -> Result<usize, RecvError> {
        let mut total = 0;
        while total < slots.len() {
            let asked = (slots.len() - total).min(message::BATCH);
            match message::recv(self.as_fd(), &mut slots[total..]) {
                // Fewer than asked for are all that there are; asking again would cost a call to hear it.
                Ok(count) if count < asked => return Ok(total + count),
                Ok(count) => total += count,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => break,
                Err(errno) if total == 0 => {
                    self.note_refusal(errno == Errno::CONNREFUSED);
                    return Err(RecvError::from_errno(errno));
                }
                // The kernel gives a queued error to one call only, so this one is lost to the
                // caller; a lasting one comes back with the next call.
                Err(_) => break,
            }
        }
        Ok(total)
    }

    /// Lets the kernel join datagrams of one sender (UDP_GRO); [`Received::stride`] tells them apart.
    /// Slots then need room for 64 KiB. False where the kernel can't.
    pub fn join_received(&self) -> bool {
        setsockopt(&self.socket, sockopt::UdpGroSegment, &true).is_ok()
    }

    /// Whether joined datagrams leave in one piece (UDP_SEGMENT). It is so until the kernel refuses.
    pub fn joins_sent(&self) -> bool {
        self.gso.load(Ordering::Relaxed)
    }

    /// Sends every datagram on its own from now on.
    pub fn never_join_sent(&self) {
        self.gso.store(false, Ordering::Relaxed);
    }

    /// Sends datagrams in order and stops at the first that is refused. What the kernel does not
    /// take joined is sent one by one.
    pub fn send_batch(&self, datagrams: &[Transmit<'_>]) -> SendOutcome {
        let mut sent = 0;
        while sent < datagrams.len() {
            let rest = &datagrams[sent..];
            let joined = rest[0].joined().is_some();
            let outcome = if joined && !self.joins_sent() {
                self.send_apart(&rest[0])
            } else {
                match self.send_some(rest) {
                    Err(error) if joined && error.may_be_the_joining() => {
                        self.send_refused(&rest[0], &error)
                    }
                    other => other,
                }
            };
            match outcome {
                Ok(count) => sent += count,
                Err(error) => return SendOutcome { sent, stopped: Some(error) },
            }
        }
        SendOutcome { sent, stopped: None }
    }

    /// Sends the first few of a batch in one call.
    fn send_some(&self, datagrams: &[Transmit<'_>]) -> Result<usize, SendError> {
        let end = if self.joins_sent() {
            datagrams.len()
        } else {
            let joined = datagrams.iter().position(|datagram| datagram.joined().is_some());
            joined.unwrap_or(datagrams.len())
        };
        let send = || message::send(self.as_fd(), &datagrams[..end], self.family, self.connected);
        match send() {
            // What a connected socket reports first is the ICMP answer to an earlier datagram; the
            // one at hand was not tried.
            Err(SendError::PeerRefused) if self.connected => {
                self.note_refusal(true);
                send()
            }
            outcome => outcome,
        }
    }

    fn note_refusal(&self, is_one: bool) {
        if is_one && self.connected {
            self.refused.store(true, Ordering::Relaxed);
        }
    }

    /// Sends one by one what was refused joined, and remembers it if the joining was at fault.
    fn send_refused(&self, run: &Transmit<'_>, error: &SendError) -> Result<usize, SendError> {
        let outcome = self.send_apart(run);
        // A segment that is too large for this path says nothing about others.
        if outcome.is_ok() && !matches!(error, SendError::TooLarge) {
            self.never_join_sent();
        }
        outcome
    }

    fn send_apart(&self, run: &Transmit<'_>) -> Result<usize, SendError> {
        for payload in run.payload.chunks(run.segment.max(1)) {
            self.send_some(&[Transmit { payload, segment: 0, ..*run }])?;
        }
        Ok(1)
    }

    /// Sends one datagram.
    pub fn send(&self, datagram: Transmit<'_>) -> Result<(), SendError> {
        match self.send_batch(&[datagram]).stopped {
            None => Ok(()),
            Some(error) => Err(error),
        }
    }

    fn bind_exactly(address: SocketAddr) -> Result<Self, BindError> {
        Self::bind_io(address, false).map_err(|error| BindError::new(address, error))
    }

    /// Binds to an address that a socket of ours is open to share.
    fn bind_beside(address: SocketAddr) -> io::Result<Self> {
        Self::bind_io(address, true)
    }

    fn bind_io(address: SocketAddr, shared: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
        if address.is_ipv6() {
            socket.set_only_v6(false)?;
        }
        // Before it is bound, so that no datagram comes that does not say where to.
        set_up(&socket, Family::of(address))?;
        if shared {
            setsockopt(&socket, sockopt::ReusePort, &true)?;
        }
        socket.bind(&SockAddr::from(address))?;
        Self::of_bound(socket, address)
    }

    fn of_bound(socket: Socket, address: SocketAddr) -> io::Result<Self> {
        let family = Family::of(address);
        let (gso, refused) = (AtomicBool::new(true), AtomicBool::new(false));
        let bound = Self { socket, family, connected: false, ipv6_was_off: false, gso, refused };
        bound.set_buffers(DEFAULT_BUFFER)?;
        Ok(bound)
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl From<UdpSocket> for OwnedFd {
    fn from(socket: UdpSocket) -> OwnedFd {
        socket.socket.into()
    }
}

fn set_up(socket: &Socket, family: Family) -> io::Result<()> {
    match family {
        Family::V4 => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        Family::V6 => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    // A router with a narrow link cuts what is too large for it; with "don't fragment" it would drop it,
    // and where its word of that is filtered nobody would ever know.
    rustix_sockopt::set_ip_mtu_discover(socket, Ipv4PathMtuDiscovery::DONT)?;
    socket.set_nonblocking(true)
}

impl Family {
    fn of(address: SocketAddr) -> Self {
        match address {
            SocketAddr::V4(_) => Self::V4,
            SocketAddr::V6(_) => Self::V6,
        }
    }
}

fn any_v6() -> SocketAddr {
    (Ipv6Addr::UNSPECIFIED, 0).into()
}

fn any_address(peer: SocketAddr) -> IpAddr {
    match peer {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    }
}

/// A slot that receiving fills.
#[derive(Debug)]
pub struct Received {
    /// The datagram.
    pub packet: Packet,
    /// Who sent it.
    pub remote: SocketAddr,
    /// Which of our addresses it was sent to, if the kernel said so.
    pub local: Option<IpAddr>,
    /// The interface it came in by, or 0.
    pub ifindex: u32,
    /// The buffer was too small and the datagram's end is lost.
    pub truncated: bool,
    /// Where the kernel joined several datagrams: the length of each but the last. Else 0.
    pub stride: usize,
}

impl Received {
    /// An empty slot around a buffer.
    pub fn new(packet: Packet) -> Self {
        let remote = SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0));
        Self { packet, remote, local: None, ifindex: 0, truncated: false, stride: 0 }
    }
}

/// A datagram to be sent.
#[derive(Clone, Copy, Debug)]
pub struct Transmit<'a> {
    /// Its content.
    pub payload: &'a [u8],
    /// Where it goes. A connected socket sends to its peer, whatever is said here.
    pub remote: SocketAddr,
    /// Which of our addresses it leaves from; the kernel chooses if there is none. A connected
    /// socket has but one.
    pub local: Option<IpAddr>,
    /// The interface that it leaves by. Heeded only for link-local addresses, which mean nothing
    /// without; routes decide for all others.
    pub ifindex: u32,
    /// Where the content is several datagrams, one behind the other: the length of each but the
    /// last, which may be shorter. At most 64, and 65,507 bytes together. Else 0.
    pub segment: usize,
}

impl Transmit<'_> {
    /// The segment length if there are several datagrams.
    fn joined(&self) -> Option<u16> {
        let segment = u16::try_from(self.segment).ok()?;
        (segment > 0 && self.segment < self.payload.len()).then_some(segment)
    }
}

/// What became of a batch of datagrams.
#[derive(Debug)]
pub struct SendOutcome {
    /// How many datagrams, from the first on, the kernel took.
    pub sent: usize,
    /// Why it did not take the one behind them.
    pub stopped: Option<SendError>,
}

/// What comes behind a full buffer is lost. The kernel's default holds two or three bursts of a fast sender;
/// this one, which the kernel doubles for its own needs, what four TCP flows of one have on the way at most.
const DEFAULT_BUFFER: usize = 12 << 20;

#[cfg(test)]
mod tests;
