//! A TUN interface: IP packets of the kernel's stack as bytes.
//!
//! It makes the interface and sets its MTU; addresses, routes and "up" are the business of
//! [`crate::netlink`]. Every call moves a batch and never blocks. The interface goes when the
//! last descriptor is closed.

use std::fmt::{self, Display};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use crate::Packet;
use crate::interface::{self, InterfaceCall, InterfaceRequest};

/// One queue of a TUN interface, or a stand-in for it. All methods take `&self`: the kernel
/// serialises calls from several threads.
#[derive(Debug)]
pub struct Tun {
    fd: OwnedFd,
    name: String,
}

impl Tun {
    /// Makes an interface. `pattern` is a name, or one with `%d` for the first free number.
    pub fn create(pattern: &str, mtu: u16) -> Result<Self, TunError> {
        let mut request = InterfaceRequest::named(pattern)
            .ok_or_else(|| TunError::BadName(pattern.to_owned()))?;
        let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let fd = rustix::fs::open(DEVICE, flags, Mode::empty()).map_err(open_error)?;
        request.set_flags(IFF_TUN | IFF_NO_PI);
        interface::call(&fd, InterfaceCall::TunAttach, &mut request)
            .map_err(|errno| attach_error(errno, pattern))?;
        let tun = Self { fd, name: request.name() };
        interface::set_mtu(&tun.name, mtu)
            .map_err(|errno| TunError::Mtu { mtu, source: errno.into() })?;
        Ok(tun)
    }

    /// Takes a descriptor that yields and takes one packet per call: a packet-preserving socket
    /// (SOCK_SEQPACKET or SOCK_DGRAM) for tests, or a TUN that somebody else made.
    pub fn from_fd(fd: OwnedFd, name: &str) -> io::Result<Self> {
        let flags = rustix::fs::fcntl_getfl(&fd)?;
        rustix::fs::fcntl_setfl(&fd, flags | OFlags::NONBLOCK)?;
        Ok(Self { fd, name: name.to_owned() })
    }

    /// The interface's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reads packets into `packets` from the first on, until none is left to read. Returns how many
    /// were filled; none means "wait until it is readable". An error is reported only when nothing
    /// was read before it.
    pub fn recv_batch(&self, packets: &mut [Packet]) -> Result<usize, TunIoError> {
        let mut count = 0;
        while count < packets.len() {
            match self.recv(&mut packets[count]) {
                Ok(true) => count += 1,
                Ok(false) => break,
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
        loop {
            match rustix::io::write(&self.fd, packet) {
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(errno) => return Err(TunIoError::from_errno(errno)),
            }
        }
    }

    /// Reads one packet; `false` if there is none.
    fn recv(&self, packet: &mut Packet) -> Result<bool, TunIoError> {
        loop {
            match rustix::io::read(&self.fd, packet.room()) {
                Ok(0) => return Err(TunIoError::Gone),
                Ok(len) => {
                    packet.filled(len);
                    return Ok(true);
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Ok(false),
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
            Self::Busy { name, .. } => write!(
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

    fn from_errno(errno: Errno) -> Self {
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

fn open_error(errno: Errno) -> TunError {
    let source = errno.into();
    match errno {
        Errno::NOENT | Errno::NODEV | Errno::NXIO => TunError::Missing(source),
        Errno::ACCESS | Errno::PERM => TunError::OpenDenied(source),
        _ => TunError::Other(source),
    }
}

fn attach_error(errno: Errno, name: &str) -> TunError {
    let (name, source) = (name.to_owned(), errno.into());
    match errno {
        Errno::PERM | Errno::ACCESS => TunError::CreateDenied(source),
        Errno::BUSY => TunError::Busy { name, source },
        Errno::INVAL | Errno::EXIST => TunError::OtherKind { name, source },
        _ => TunError::Other(source),
    }
}

const DEVICE: &str = "/dev/net/tun";
const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;

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
            assert!(matches!(Tun::create(name, 1500), Err(TunError::BadName(_))), "{name:?}");
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
