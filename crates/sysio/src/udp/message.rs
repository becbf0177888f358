//! `recvmmsg` and `sendmmsg` with control messages: packet info, and segments joined in one buffer.
//!
//! Everything that is not a pointer (addresses, control messages) is built and read as plain bytes;
//! the two `unsafe` calls at the end see arrays that live on this stack. One call moves up to
//! [`BATCH`] datagrams.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

use super::address::{NAME_SIZE, Name, mapped};
use super::{Family, Received, SendError, Transmit};

/// Receives into the first slots; at least one, or an error.
pub(super) fn recv(fd: BorrowedFd<'_>, slots: &mut [Received]) -> Result<usize, Errno> {
    let count = slots.len().min(BATCH);
    let slots = &mut slots[..count];
    let mut names = [Name::EMPTY; BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut vectors = [NO_VECTOR; BATCH];
    let mut headers = [const { no_header() }; BATCH];
    for (i, slot) in slots.iter_mut().enumerate() {
        let room = slot.packet.room();
        vectors[i] = libc::iovec { iov_base: room.as_mut_ptr().cast(), iov_len: room.len() };
        let header = &mut headers[i].msg_hdr;
        header.msg_name = names[i].bytes.as_mut_ptr().cast();
        header.msg_namelen = NAME_SIZE as libc::socklen_t;
        header.msg_iov = &raw mut vectors[i];
        header.msg_iovlen = 1;
        header.msg_control = controls[i].bytes.as_mut_ptr().cast();
        header.msg_controllen = CONTROL_SIZE;
    }
    let received = recvmmsg(fd, &mut headers[..count])?;
    for (i, slot) in slots[..received].iter_mut().enumerate() {
        let header = &headers[i];
        names[i].len = header.msg_hdr.msg_namelen as usize;
        controls[i].len = header.msg_hdr.msg_controllen.min(CONTROL_SIZE);
        slot.packet.filled(header.msg_len as usize);
        slot.truncated = header.msg_hdr.msg_flags & libc::MSG_TRUNC != 0;
        slot.remote = names[i].decode().unwrap_or(UNKNOWN);
        controls[i].tell(slot);
    }
    Ok(received)
}

/// Sends the first datagrams; at least one, or the reason why the first was refused.
pub(super) fn send(
    fd: BorrowedFd<'_>,
    datagrams: &[Transmit<'_>],
    family: Family,
    connected: bool,
) -> Result<usize, SendError> {
    let count = datagrams.len().min(BATCH);
    let mut names = [Name::EMPTY; BATCH];
    let mut controls = [Control::EMPTY; BATCH];
    let mut vectors = [NO_VECTOR; BATCH];
    let mut headers = [const { no_header() }; BATCH];
    let mut ready = 0;
    for (i, datagram) in datagrams[..count].iter().enumerate() {
        let payload = datagram.payload;
        // sendmsg reads through this pointer only.
        let iov_base = payload.as_ptr().cast_mut().cast();
        vectors[i] = libc::iovec { iov_base, iov_len: payload.len() };
        let header = &mut headers[i].msg_hdr;
        header.msg_iov = &raw mut vectors[i];
        header.msg_iovlen = 1;
        if !connected {
            let Some(name) = Name::encode(datagram.remote, family) else { break };
            names[i] = name;
            header.msg_name = names[i].bytes.as_mut_ptr().cast();
            header.msg_namelen = names[i].len as libc::socklen_t;
            if let Some(local) = datagram.local {
                controls[i].push_local(local, datagram.ifindex, family);
            }
        }
        if let Some(segment) = datagram.joined() {
            controls[i].push(libc::SOL_UDP, libc::UDP_SEGMENT, &segment.to_ne_bytes());
        }
        if controls[i].len > 0 {
            header.msg_control = controls[i].bytes.as_mut_ptr().cast();
            header.msg_controllen = controls[i].len;
        }
        ready = i + 1;
    }
    if ready == 0 {
        return Err(SendError::WrongFamily);
    }
    loop {
        match sendmmsg(fd, &mut headers[..ready]) {
            Err(Errno::INTR) => {}
            result => return result.map_err(SendError::from_errno),
        }
    }
}

/// Room for the control messages of one datagram.
#[repr(C, align(8))]
#[derive(Clone, Copy)]
struct Control {
    bytes: [u8; CONTROL_SIZE],
    len: usize,
}

impl Control {
    const EMPTY: Self = Self { bytes: [0; CONTROL_SIZE], len: 0 };

    /// Adds the control message that chooses the local address.
    fn push_local(&mut self, local: IpAddr, ifindex: u32, family: Family) {
        match (family, local.to_canonical()) {
            (Family::V4, IpAddr::V4(v4)) => {
                // struct in_pktinfo { int ifindex; struct in_addr spec_dst, addr; }
                let mut info = [0; 12];
                info[4..8].copy_from_slice(&v4.octets());
                self.push(libc::IPPROTO_IP, libc::IP_PKTINFO, &info);
            }
            // No IPv6 source exists on such a socket: let the kernel choose.
            (Family::V4, IpAddr::V6(_)) => {}
            (Family::V6, local) => {
                // struct in6_pktinfo { struct in6_addr addr; unsigned ifindex; }
                let address = mapped(local);
                let ifindex = if address.is_unicast_link_local() { ifindex } else { 0 };
                let mut info = [0; 20];
                info[..16].copy_from_slice(&address.octets());
                info[16..].copy_from_slice(&ifindex.to_ne_bytes());
                self.push(libc::IPPROTO_IPV6, libc::IPV6_PKTINFO, &info);
            }
        }
    }

    fn push(&mut self, level: i32, kind: i32, data: &[u8]) {
        let len = HEADER_SIZE + data.len();
        let room = &mut self.bytes[self.len..];
        room[..SIZE_OF_LEN].copy_from_slice(&len.to_ne_bytes());
        room[SIZE_OF_LEN..][..4].copy_from_slice(&level.to_ne_bytes());
        room[SIZE_OF_LEN + 4..][..4].copy_from_slice(&kind.to_ne_bytes());
        room[HEADER_SIZE..len].copy_from_slice(data);
        self.len += len.next_multiple_of(SIZE_OF_LEN);
    }

    /// Writes down what the kernel said about a datagram.
    fn tell(&self, slot: &mut Received) {
        (slot.local, slot.ifindex, slot.stride) = (None, 0, 0);
        let mut rest = &self.bytes[..self.len];
        while let Some((level, kind, data, next)) = split_message(rest) {
            match (level, kind) {
                (libc::IPPROTO_IP, libc::IP_PKTINFO) if data.len() >= 12 => {
                    let [a, b, c, d] = [data[8], data[9], data[10], data[11]];
                    slot.local = Some(Ipv4Addr::new(a, b, c, d).into());
                    slot.ifindex = number(&data[..4]);
                }
                (libc::IPPROTO_IPV6, libc::IPV6_PKTINFO) if data.len() >= 20 => {
                    let mut octets = [0; 16];
                    octets.copy_from_slice(&data[..16]);
                    slot.local = Some(IpAddr::from(Ipv6Addr::from(octets)).to_canonical());
                    slot.ifindex = number(&data[16..20]);
                }
                (libc::SOL_UDP, libc::UDP_GRO) if data.len() >= 4 => {
                    slot.stride = number(&data[..4]) as usize;
                }
                _ => {}
            }
            rest = next;
        }
    }
}

/// Takes the first control message off: level, type, data, the rest.
fn split_message(bytes: &[u8]) -> Option<(i32, i32, &[u8], &[u8])> {
    let header = bytes.get(..HEADER_SIZE)?;
    let len = usize::from_ne_bytes(header[..SIZE_OF_LEN].try_into().ok()?);
    let level = i32::from_ne_bytes(header[SIZE_OF_LEN..][..4].try_into().ok()?);
    let kind = i32::from_ne_bytes(header[SIZE_OF_LEN + 4..][..4].try_into().ok()?);
    let data = bytes.get(HEADER_SIZE..len)?;
    let next = bytes.get(len.checked_next_multiple_of(SIZE_OF_LEN)?..).unwrap_or(&[]);
    Some((level, kind, data, next))
}

fn number(bytes: &[u8]) -> u32 {
    bytes.try_into().map_or(0, u32::from_ne_bytes)
}

fn recvmmsg(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> Result<usize, Errno> {
    let (pointer, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
    let flags = libc::MSG_DONTWAIT;
    // SAFETY: `recv` alone builds these headers: each points to a name, a control buffer and one
    // vector that outlive the call on its stack, with their true sizes, and the vector to a buffer
    // that is exclusively borrowed for the call. Any bytes are valid in all of them.
    let result =
        unsafe { libc::recvmmsg(fd.as_raw_fd(), pointer, count, flags, std::ptr::null_mut()) };
    outcome(result)
}

fn sendmmsg(fd: BorrowedFd<'_>, headers: &mut [libc::mmsghdr]) -> Result<usize, Errno> {
    let (pointer, count) = (headers.as_mut_ptr(), headers.len() as libc::c_uint);
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    // SAFETY: `send` alone builds these headers: each points to a name, a control buffer and one
    // vector that outlive the call on its stack, with their true sizes, and the vector to a payload
    // that is borrowed for the call. The kernel writes nothing but `msg_len` in the headers.
    let result = unsafe { libc::sendmmsg(fd.as_raw_fd(), pointer, count, flags) };
    outcome(result)
}

fn outcome(result: libc::c_int) -> Result<usize, Errno> {
    usize::try_from(result)
        .map_err(|_| Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
}

const fn no_header() -> libc::mmsghdr {
    // SAFETY: a struct of integers and raw pointers, for all of which zero is a value.
    unsafe { std::mem::zeroed() }
}

const NO_VECTOR: libc::iovec = libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 };
const UNKNOWN: std::net::SocketAddr =
    std::net::SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0);

/// Deeper batches gained nothing where it was measured, and this one's arrays fit a page.
pub(super) const BATCH: usize = 16;
/// `struct cmsghdr { size_t len; int level; int type; }`; lengths are rounded up to its first field.
const SIZE_OF_LEN: usize = size_of::<usize>();
const HEADER_SIZE: usize = SIZE_OF_LEN + 8;
/// A packet-info message and one about segments, with room to spare.
const CONTROL_SIZE: usize = 96;
