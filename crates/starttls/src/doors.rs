//! Doors for connections that stand beside a protocol's own, as FTP's for data.

use std::fmt::Debug;
use std::net::SocketAddr;

/// Opens doors. The answer stands in the middle of what is said, so that it is given at once.
pub trait Doors: Debug + Send {
    /// A door for one connection, which leads to this port of the service's. `None` where none can be had.
    fn open(&mut self, service_port: u16) -> Option<SocketAddr>;
}
