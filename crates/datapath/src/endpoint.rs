//! Where a peer is reached, and from where it must be answered.

use std::net::{IpAddr, SocketAddr};

/// The two ends of a peer's path. Replies leave from `local`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Which of the shell's sockets.
    pub socket: u16,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Our address that the peer spoke to, if the shell knows it.
    pub local: Option<IpAddr>,
    /// The interface, for link-local addresses; 0 means any.
    pub ifindex: u32,
}

impl Endpoint {
    /// An endpoint whose local side is left to the kernel.
    pub fn new(socket: u16, remote: SocketAddr) -> Self {
        Self { socket, remote, local: None, ifindex: 0 }
    }

    /// What tells two senders apart.
    pub(crate) fn key(&self) -> RemoteKey {
        let scope = match self.remote {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        RemoteKey {
            socket: self.socket,
            ip: self.remote.ip().to_canonical(),
            port: self.remote.port(),
            scope,
        }
    }
}

/// A sender's identity before any authentication. An IPv4 address and its IPv4-mapped form are the
/// same sender, and an IPv6 flow label doesn't matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RemoteKey {
    socket: u16,
    ip: IpAddr,
    port: u16,
    scope: u32,
}
