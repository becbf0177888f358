//! Checksums and segmentation that the kernel leaves to the other side of a TUN interface
//! (IFF_VNET_HDR): one read then brings up to 64 KiB of a flow, and one write takes as much.
//!
//! What the header in front of each packet means is not known here.

use std::os::fd::OwnedFd;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::ioctl::{IntegerSetter, Opcode, opcode};

use super::holder::{Standing, standing};
use super::{DEVICE, TunError, error};
use crate::interface::{self, InterfaceCall, InterfaceRequest};

/// `struct virtio_net_hdr`, in front of every packet of an interface with offload.
pub type VnetHeader = [u8; VNET_HEADER];

/// Its length.
pub const VNET_HEADER: usize = 10;

/// Nothing is left to be done to the packet.
pub const NO_OFFLOAD: VnetHeader = [0; VNET_HEADER];

/// What packets an interface carries beyond plain ones. Each includes the one before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TunOffload {
    /// No header, plain packets only.
    None,
    /// TCP packets longer than the MTU, and packets without checksum.
    Tcp,
    /// UDP datagrams joined as well (Linux 6.2).
    TcpAndUdp,
}

impl TunOffload {
    /// As the log calls it.
    pub fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Tcp => "tcp",
            Self::TcpAndUdp => "tcp+udp",
        }
    }
}

/// Which queue of its interface a descriptor is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Queue {
    /// The only one, of an interface that is made with it.
    Only,
    /// The first of several, of an interface that is made with it.
    First,
    /// One more of an interface that is there.
    Next,
}

impl Queue {
    fn flags(self) -> u16 {
        match self {
            Self::Only => IFF_TUN_EXCL,
            Self::First => IFF_TUN_EXCL | IFF_MULTI_QUEUE,
            Self::Next => IFF_MULTI_QUEUE,
        }
    }
}

/// A queue of an interface.
pub(super) struct Attached {
    pub(super) fd: OwnedFd,
    pub(super) offload: TunOffload,
    /// Somebody had made the interface beforehand.
    pub(super) was_there: bool,
}

/// Opens a queue of an interface with as much offload as the kernel has.
pub(super) fn attach(
    request: &mut InterfaceRequest,
    pattern: &str,
    wanted: TunOffload,
    queue: Queue,
) -> Result<Attached, TunError> {
    let queues = queue.flags();
    if wanted != TunOffload::None
        && let Ok((fd, was_there)) = open(request, pattern, IFF_VNET_HDR | queues)
        && let Some(offload) = give(&fd, wanted)
    {
        return Ok(Attached { fd, offload, was_there });
    }
    // An interface is named by the first attempt, whatever came of it.
    *request =
        InterfaceRequest::named(pattern).ok_or_else(|| TunError::BadName(pattern.to_owned()))?;
    let (fd, was_there) = open(request, pattern, queues)?;
    Ok(Attached { fd, offload: TunOffload::None, was_there })
}

/// The descriptor, and whether somebody had made the interface beforehand.
fn open(
    request: &mut InterfaceRequest,
    pattern: &str,
    more: u16,
) -> Result<(OwnedFd, bool), TunError> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let fd = rustix::fs::open(DEVICE, flags, Mode::empty()).map_err(error::open_error)?;
    request.set_flags(IFF_TUN | IFF_NO_PI | more);
    match interface::call(&fd, InterfaceCall::TunAttach, request) {
        Ok(()) => Ok((fd, false)),
        Err(Errno::BUSY) if more & IFF_TUN_EXCL != 0 => match standing(pattern) {
            // Somebody made it beforehand for whoever comes.
            Standing::Unused => {
                open(request, pattern, more & !IFF_TUN_EXCL).map(|(fd, _)| (fd, true))
            }
            Standing::OtherKind => Err(error::attach_error(Errno::INVAL, pattern)),
            Standing::Used(by) => {
                let (name, source) = (pattern.to_owned(), Errno::BUSY.into());
                Err(TunError::Busy { name, by, source })
            }
        },
        Err(errno) => Err(error::attach_error(errno, pattern)),
    }
}

/// The most of `wanted` that the kernel agrees to.
fn give(fd: &OwnedFd, wanted: TunOffload) -> Option<TunOffload> {
    let tcp = CSUM | TSO4 | TSO6;
    let steps = [(TunOffload::TcpAndUdp, tcp | USO4 | USO6), (TunOffload::Tcp, tcp)];
    let fits = |(step, bits): &(TunOffload, usize)| *step <= wanted && set(fd, *bits).is_ok();
    steps.into_iter().find(fits).map(|(step, _)| step)
}

fn set(fd: &OwnedFd, bits: usize) -> rustix::io::Result<()> {
    // SAFETY: TUNSETOFFLOAD takes its argument by value, as an integer.
    let call = unsafe { IntegerSetter::<TUN_SET_OFFLOAD>::new_usize(bits) };
    // SAFETY: the call touches no memory of this process. A descriptor that does not know it refuses.
    unsafe { rustix::ioctl::ioctl(fd, call) }
}

const IFF_TUN: u16 = 0x0001;
const IFF_NO_PI: u16 = 0x1000;
const IFF_VNET_HDR: u16 = 0x4000;
const IFF_MULTI_QUEUE: u16 = 0x0100;
const IFF_TUN_EXCL: u16 = 0x8000;
const TUN_SET_OFFLOAD: Opcode = opcode::write::<u32>(b'T', 208);
const CSUM: usize = 0x01;
const TSO4: usize = 0x02;
const TSO6: usize = 0x04;
const USO4: usize = 0x20;
const USO6: usize = 0x40;
