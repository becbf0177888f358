//! Word of changes to firewall rules, ours and everybody's, and to forwarding.
//!
//! It says that something changed, not what: whoever wants to know looks. A change that is missed
//! since the kernel's queue was full is told like any other.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::task::{Context, Poll};

use rtnetlink::sys::protocols::{NETLINK_NETFILTER, NETLINK_ROUTE};
use rtnetlink::sys::{AsyncSocket, TokioSocket};
use rustix::io::Errno;

/// Hears of every change in the network namespace that it was made in.
pub struct FirewallWatch {
    sockets: Vec<TokioSocket>,
}

impl FirewallWatch {
    /// Listens from now on, in the calling thread's network namespace. To be made inside a tokio
    /// runtime.
    ///
    /// # Errors
    /// When the kernel gives no socket, or has no nftables.
    pub fn open() -> io::Result<Self> {
        let rules = listen(NETLINK_NETFILTER, &[NFNLGRP_NFTABLES])?;
        let forwarding = listen(NETLINK_ROUTE, &[RTNLGRP_IPV4_NETCONF, RTNLGRP_IPV6_NETCONF])?;
        Ok(Self { sockets: vec![rules, forwarding] })
    }

    /// Completes when something changed since the last call; never again, once the kernel's sockets
    /// are lost. Changes that come together are one.
    pub async fn changed(&mut self) {
        poll_fn(|context| {
            let mut changed = false;
            self.sockets.retain(|socket| match drain(socket, context) {
                Ok(heard) => {
                    changed |= heard;
                    true
                }
                Err(_) => false,
            });
            if changed { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

impl fmt::Debug for FirewallWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FirewallWatch").finish_non_exhaustive()
    }
}

fn listen(protocol: isize, groups: &[u32]) -> io::Result<TokioSocket> {
    let mut socket = TokioSocket::new(protocol)?;
    socket.socket_mut().bind_auto()?;
    for group in groups {
        socket.socket_ref().add_membership(*group)?;
    }
    Ok(socket)
}

/// Reads whatever there is to read. Whether there was anything.
fn drain(socket: &TokioSocket, context: &mut Context<'_>) -> io::Result<bool> {
    let mut heard = false;
    loop {
        let mut message = Vec::with_capacity(MOST_BYTES);
        match socket.poll_recv(context, &mut message) {
            Poll::Pending => return Ok(heard),
            Poll::Ready(Err(error)) if !is_overrun(&error) => return Err(error),
            Poll::Ready(_) => heard = true,
        }
    }
}

fn is_overrun(error: &io::Error) -> bool {
    Errno::from_io_error(error) == Some(Errno::NOBUFS)
}

/// linux/netfilter/nfnetlink.h
const NFNLGRP_NFTABLES: u32 = 7;
/// linux/rtnetlink.h
const RTNLGRP_IPV4_NETCONF: u32 = 24;
const RTNLGRP_IPV6_NETCONF: u32 = 25;
/// More of a message goes unread.
const MOST_BYTES: usize = 4096;
