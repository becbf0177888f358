//! The `struct ifreq` calls on interfaces, and their one `unsafe` entry.
//!
//! Only calls that read or write nothing but the fixed-size request are in [`InterfaceCall`]; that
//! is what makes [`call`] safe.

use std::ffi::c_void;
use std::os::fd::{AsFd, OwnedFd};

use rustix::io::Errno;
use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};
use rustix::net::{AddressFamily, SocketFlags, SocketType};

/// A call on an interface that takes a pointer to a `struct ifreq` and to nothing else.
#[derive(Clone, Copy)]
pub(crate) enum InterfaceCall {
    /// TUNSETIFF.
    TunAttach,
    /// SIOCSIFMTU.
    SetMtu,
    /// SIOCGIFFLAGS.
    Flags,
    /// SIOCSIFFLAGS.
    SetFlags,
}

/// Sets an interface's MTU, in the calling thread's network namespace.
pub(crate) fn set_mtu(name: &str, mtu: u16) -> rustix::io::Result<()> {
    let mut request = InterfaceRequest::named(name).ok_or(Errno::INVAL)?;
    request.set_mtu(mtu);
    call(any_socket()?, InterfaceCall::SetMtu, &mut request)
}

/// Brings an interface of the calling thread's network namespace up.
pub(crate) fn bring_up(name: &str) -> rustix::io::Result<()> {
    let socket = any_socket()?;
    let mut request = InterfaceRequest::named(name).ok_or(Errno::INVAL)?;
    call(&socket, InterfaceCall::Flags, &mut request)?;
    request.set_flags(request.flags() | IFF_UP);
    call(&socket, InterfaceCall::SetFlags, &mut request)
}

/// The calls need some socket to name the network namespace.
fn any_socket() -> rustix::io::Result<OwnedFd> {
    let (domain, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
    rustix::net::socket_with(domain, kind, SocketFlags::CLOEXEC, None)
}

/// `struct ifreq`: a name, then a union whose largest member has 24 bytes.
#[repr(C, align(8))]
pub(crate) struct InterfaceRequest {
    name: [u8; NAME_SIZE],
    union: [u8; UNION_SIZE],
}

impl InterfaceRequest {
    /// A zeroed request for an interface, or `None` if it can't have that name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        let mut request = Self { name: [0; NAME_SIZE], union: [0; UNION_SIZE] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        Some(request)
    }

    /// The name, as the kernel completed it.
    pub(crate) fn name(&self) -> String {
        let len = self.name.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
        String::from_utf8_lossy(&self.name[..len]).into_owned()
    }

    /// `ifr_flags`.
    pub(crate) fn set_flags(&mut self, flags: u16) {
        self.union[..2].copy_from_slice(&flags.to_ne_bytes());
    }

    fn flags(&self) -> u16 {
        u16::from_ne_bytes([self.union[0], self.union[1]])
    }

    /// `ifr_mtu`.
    pub(crate) fn set_mtu(&mut self, mtu: u16) {
        self.union[..4].copy_from_slice(&i32::from(mtu).to_ne_bytes());
    }
}

/// Makes one call.
pub(crate) fn call(
    fd: impl AsFd,
    call: InterfaceCall,
    request: &mut InterfaceRequest,
) -> rustix::io::Result<()> {
    // SAFETY: `Exchange` names only calls whose argument is a pointer to one `struct ifreq`, and
    // passes a pointer to a live, exclusively borrowed, fully initialised value of that layout.
    // A descriptor that does not know the call refuses it without touching the memory.
    unsafe { rustix::ioctl::ioctl(fd, Exchange { call, request }) }
}

struct Exchange<'a> {
    call: InterfaceCall,
    request: &'a mut InterfaceRequest,
}

// SAFETY: the opcodes are those of linux/if_tun.h and linux/sockios.h, their argument is a pointer
// to a `struct ifreq`, of which `InterfaceRequest` has the size and alignment, and every byte
// pattern that the kernel may write is valid for its byte arrays.
unsafe impl Ioctl for Exchange<'_> {
    type Output = ();
    const IS_MUTATING: bool = true;

    fn opcode(&self) -> Opcode {
        match self.call {
            InterfaceCall::TunAttach => opcode::write::<i32>(b'T', 202),
            InterfaceCall::SetMtu => 0x8922,
            InterfaceCall::Flags => 0x8913,
            InterfaceCall::SetFlags => 0x8914,
        }
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.request).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

pub(crate) fn is_name(name: &str) -> bool {
    let plain = name.replacen("%d", "0", 1);
    let fits = !name.is_empty() && name.len() < NAME_SIZE && name != "." && name != "..";
    fits && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

const IFF_UP: u16 = 1;
const NAME_SIZE: usize = 16;
const UNION_SIZE: usize = 24;
