//! Sockets that listen already, opened by whoever started this process.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpListener};

/// Knows them.
pub trait Sockets: Debug + Send + Sync {
    /// One that listens at this address, if there is one; at every call another descriptor of the same.
    fn listening_at(&self, address: SocketAddr) -> Option<TcpListener>;
}

/// There are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSockets;

impl Sockets for NoSockets {
    fn listening_at(&self, _: SocketAddr) -> Option<TcpListener> {
        None
    }
}
