//! A TUN interface: IP packets of the kernel's stack as bytes.
//!
//! It makes the interface and sets its MTU; addresses, routes and "up" are the business of
//! [`crate::netlink`]. Every call moves a batch and never blocks. The interface goes when the
//! last descriptor is closed.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::Packet;
use crate::interface::{self, InterfaceRequest};

mod error;
mod holder;
mod offload;

pub use error::{TunError, TunIoError};
pub use offload::{NO_OFFLOAD, TunOffload, VNET_HEADER, VnetHeader};

use offload::{Attached, Queue};

/// One queue of a TUN interface, or a stand-in for it. All methods take `&self`: the kernel
/// serialises calls from several threads.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
    offload: TunOffload,
    was_there: bool,
}

impl Tun {
    /// Makes an interface. `pattern` is a name, or one with `%d` for the first free number. One that
    /// exists is an error, whoever has it: two readers of one interface would share its packets. Of
    /// the offload that is wanted the kernel gives what it can; [`Tun::offload`] says what.
    pub fn create(pattern: &str, mtu: u16, wanted: TunOffload) -> Result<Self, TunError> {
        Self::make(pattern, mtu, wanted, Queue::Only)
    }

    /// Makes an interface with several queues, at least one; fewer where the kernel doesn't give as
    /// many. Packets of a flow come out of the queue that the flow's other direction was written to.
    pub fn create_queues(
        pattern: &str,
        mtu: u16,
        wanted: TunOffload,
        count: usize,
    ) -> Result<Vec<Self>, TunError> {
        if count < 2 {
            return Ok(vec![Self::create(pattern, mtu, wanted)?]);
        }
        let Ok(first) = Self::make(pattern, mtu, wanted, Queue::First) else {
            return Ok(vec![Self::create(pattern, mtu, wanted)?]);
        };
        let mut queues = vec![first];
        while queues.len() < count
            && let Some(next) = queues[0].another_queue()
        {
            queues.push(next);
        }
        Ok(queues)
    }

    fn make(pattern: &str, mtu: u16, wanted: TunOffload, queue: Queue) -> Result<Self, TunError> {
        let mut request = InterfaceRequest::named(pattern)
            .ok_or_else(|| TunError::BadName(pattern.to_owned()))?;
        let Attached { fd, offload, was_there } =
            offload::attach(&mut request, pattern, wanted, queue)?;
        let tun = Self { fd, name: request.name(), offload, was_there };
        interface::set_mtu(&tun.name, mtu)
            .map_err(|errno| TunError::Mtu { mtu, source: errno.into() })?;
        Ok(tun)
    }

    /// One more queue of this interface, with the same offload.
    fn another_queue(&self) -> Option<Self> {
        let mut request = InterfaceRequest::named(&self.name)?;
        let Attached { fd, offload, .. } =
            offload::attach(&mut request, &self.name, self.offload, Queue::Next).ok()?;
        let (name, was_there) = (self.name.clone(), self.was_there);
        (offload == self.offload).then(|| Self { fd, name, offload, was_there })
    }

    /// Takes a descriptor that yields and takes one packet per call: a packet-preserving socket
    /// (SOCK_SEQPACKET or SOCK_DGRAM) for tests, or a TUN that somebody else made.
    pub fn from_fd(fd: OwnedFd, name: &str) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        Ok(Self { fd, name: name.to_owned(), offload: TunOffload::None, was_there: true })
    }

    /// Whether somebody had made the interface beforehand, for it to stay. It outlives its queues, with all
    /// that it was given.
    pub fn was_there(&self) -> bool {
        self.was_there
    }

    /// What the kernel leaves to us and takes from us.
    pub fn offload(&self) -> TunOffload {
        self.offload
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads packets into `packets` from the first on, until none is left to read. Returns how many
    /// were filled; none means "wait until it is readable". An error is reported only when nothing
    /// was read before it. Only for interfaces without offload.
    pub fn recv_batch(&self, packets: &mut [Packet]) -> Result<usize, TunIoError> {
        let mut count = 0;
        while count < packets.len() {
            match self.recv(&mut packets[count]) {
                Ok(Some(_)) => count += 1,
                Ok(None) => break,
                Err(error) if count == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(count)
    }

    /// Writes packets in order and stops at the first that is refused.
    pub fn send_batch<P: AsRef<[u8]>>(&self, packets: &[P]) -> TunSendOutcome {
        for (sent, packet) in packets.iter().enumerate() {
            if let Err(error) = self.send(packet.as_ref()) {
                return TunSendOutcome { sent, stopped: Some(error) };
            }
        }
        TunSendOutcome { sent: packets.len(), stopped: None }
    }

    /// Writes one packet.
    pub fn send(&self, packet: &[u8]) -> Result<(), TunIoError> {
        self.send_gathered(&NO_OFFLOAD, packet, &[])
    }

    /// Writes one packet that lies in pieces. `header` says what the kernel has to do to it, and goes
    /// unread without offload. Pieces beyond the 64th are not taken.
    pub fn send_gathered(
        &self,
        header: &VnetHeader,
        first: &[u8],
        more: &[&[u8]],
    ) -> Result<(), TunIoError> {
        let mut vectors = [IoSlice::new(&[]); MOST_PIECES + 2];
        vectors[0] = IoSlice::new(header);
        vectors[1] = IoSlice::new(first);
        for (vector, piece) in vectors[2..].iter_mut().zip(more) {
            *vector = IoSlice::new(piece);
        }
        let from = usize::from(self.offload == TunOffload::None);
        let vectors = &vectors[from..2 + more.len().min(MOST_PIECES)];
        loop {
            match rustix::io::writev(&self.fd, vectors) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(TunIoError::from_errno(errno)),
            }
        }
    }

    /// Reads one packet, of up to 64 KiB with offload, and what is left to be done to it. `None` if
    /// there is no packet.
    pub fn recv(&self, packet: &mut Packet) -> Result<Option<VnetHeader>, TunIoError> {
        let mut header = NO_OFFLOAD;
        let header_len = if self.offload == TunOffload::None { 0 } else { VNET_HEADER };
        loop {
            let mut vectors =
                [IoSliceMut::new(&mut header[..header_len]), IoSliceMut::new(packet.room())];
            match rustix::io::readv(&self.fd, &mut vectors) {
                Ok(0) => return Err(TunIoError::Gone),
                Ok(len) => {
                    packet.filled(len.saturating_sub(header_len));
                    return Ok(Some(header));
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(None),
                Err(errno) => return Err(TunIoError::from_errno(errno)),
            }
        }
    }
}

impl AsFd for Tun {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// What became of a batch of writes.
#[derive(Debug)]
pub struct TunSendOutcome {
    /// How many packets, from the first on, were taken.
    pub sent: usize,
    /// Why the packet behind them was not.
    pub stopped: Option<TunIoError>,
}

const DEVICE: &str = "/dev/net/tun";
/// As many as a run of datagrams has segments.
const MOST_PIECES: usize = 64;

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType};

    use super::*;

    #[test]
    fn a_stand_in_keeps_packet_boundaries() {
        let (near, far) = pair();
        let outcome = near.send_batch(&[&b"first"[..], b"second"]);
        assert_eq!(outcome.sent, 2);
        let mut packets: Vec<Packet> = (0..4).map(|_| Packet::new(24, 100)).collect();
        assert_eq!(far.recv_batch(&mut packets).unwrap(), 2);
        assert_eq!(packets[0].content(), b"first");
        assert_eq!(packets[1].content(), b"second");
        assert_eq!(packets[1].headroom(), 24);
        assert_eq!(far.recv_batch(&mut packets).unwrap(), 0);
    }

    #[test]
    fn a_closed_stand_in_is_gone() {
        let (near, far) = pair();
        drop(far);
        assert!(matches!(near.recv_batch(&mut [Packet::new(0, 10)]), Err(TunIoError::Gone)));
        assert!(matches!(near.send(b"x"), Err(TunIoError::Gone)));
    }

    #[test]
    fn names_that_no_interface_can_have_are_refused_before_the_kernel_sees_them() {
        for name in ["", "sixteen-letters-", "a/b", "a b", "..", "%d%d", "%s"] {
            assert!(
                matches!(Tun::create(name, 1500, TunOffload::None), Err(TunError::BadName(_))),
                "{name:?}"
            );
        }
    }

    fn pair() -> (Tun, Tun) {
        let (a, b) = rustix::net::socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )
        .unwrap();
        (Tun::from_fd(a, "near").unwrap(), Tun::from_fd(b, "far").unwrap())
    }
}
