//! The `struct ifreq` calls that TUN needs, and their one `unsafe` entry.
//!
//! Only calls that read or write nothing but the fixed-size request are in [`InterfaceCall`]; that
//! is what makes [`call`] safe.

use std::ffi::c_void;
use std::os::fd::AsFd;

use rustix::ioctl::{Ioctl, IoctlOutput, Opcode, opcode};

/// A call on an interface that takes a pointer to a `struct ifreq` and to nothing else.
#[derive(Clone, Copy)]
pub(super) enum InterfaceCall {
    /// TUNSETIFF.
    TunAttach,
    /// SIOCSIFMTU.
    SetMtu,
}

/// `struct ifreq`: a name, then a union whose largest member has 24 bytes.
#[repr(C, align(8))]
pub(super) struct InterfaceRequest {
    name: [u8; NAME_SIZE],
    union: [u8; UNION_SIZE],
}

impl InterfaceRequest {
    /// A zeroed request for an interface, or `None` if it can't have that name.
    pub(super) fn named(name: &str) -> Option<Self> {
        if !is_name(name) {
            return None;
        }
        let mut request = Self { name: [0; NAME_SIZE], union: [0; UNION_SIZE] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        Some(request)
    }

    /// The name, as the kernel completed it.
    pub(super) fn name(&self) -> String {
        let len = self.name.iter().position(|byte| *byte == 0).unwrap_or(NAME_SIZE);
        String::from_utf8_lossy(&self.name[..len]).into_owned()
    }

    /// `ifr_flags`.
    pub(super) fn set_flags(&mut self, flags: u16) {
        self.union[..2].copy_from_slice(&flags.to_ne_bytes());
    }

    /// `ifr_mtu`.
    pub(super) fn set_mtu(&mut self, mtu: u16) {
        self.union[..4].copy_from_slice(&i32::from(mtu).to_ne_bytes());
    }
}

/// Makes one call.
pub(super) fn call(
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
        }
    }

    fn as_ptr(&mut self) -> *mut c_void {
        std::ptr::from_mut(self.request).cast()
    }

    unsafe fn output_from_ptr(_: IoctlOutput, _: *mut c_void) -> rustix::io::Result<()> {
        Ok(())
    }
}

fn is_name(name: &str) -> bool {
    let plain = name.replacen("%d", "0", 1);
    let fits = !name.is_empty() && name.len() < NAME_SIZE && name != "." && name != "..";
    fits && plain.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

const NAME_SIZE: usize = 16;
const UNION_SIZE: usize = 24;
