//! Where a peer is reached, and from where it must be answered.

use std::net::{IpAddr, SocketAddr};

/// The two ends of a peer's path. Replies leave from `local`, always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// What carries the packets.
    pub carrier: Carrier,
    /// The peer's address and port.
    pub remote: SocketAddr,
    /// Our address that the peer spoke to, if the shell knows it.
    pub local: Option<IpAddr>,
    /// The interface, for link-local addresses; 0 means any.
    pub ifindex: u32,
}

/// What carries a peer's packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Carrier {
    /// Datagrams through this one of the shell's sockets.
    Udp(u16),
    /// A TCP connection, each packet behind its length.
    Tcp(StreamId),
}

/// One TCP connection of this process; no two ever have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    /// The worker that holds it.
    pub worker: u16,
    /// Which of that worker's.
    pub serial: u64,
}

impl Endpoint {
    /// The far end of a UDP socket; the local side is left to the kernel.
    pub fn new(socket: u16, remote: SocketAddr) -> Self {
        Self { carrier: Carrier::Udp(socket), remote, local: None, ifindex: 0 }
    }

    /// The TCP connection, if it is one.
    pub fn stream(&self) -> Option<StreamId> {
        match self.carrier {
            Carrier::Udp(_) => None,
            Carrier::Tcp(stream) => Some(stream),
        }
    }

    /// What tells two senders apart.
    pub(crate) fn key(&self) -> RemoteKey {
        let scope = match self.remote {
            SocketAddr::V6(v6) => v6.scope_id(),
            SocketAddr::V4(_) => 0,
        };
        RemoteKey {
            carrier: self.carrier,
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
    carrier: Carrier,
    ip: IpAddr,
    port: u16,
    scope: u32,
}
