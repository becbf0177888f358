//! Who takes the connections at a shared address that are for no virtual server.

use std::fmt::Debug;
use std::net::{SocketAddr, TcpStream};

/// Takes them. Asked on the path of connections, so it waits for nothing.
pub trait Neighbours: Debug + Send + Sync {
    /// Takes a connection that begins with a packet of OpenVPN. Says whether somebody does.
    fn take_openvpn(&self, passed: Passed) -> bool;

    /// Takes one that begins with a request in the clear. Says whether somebody does.
    fn take_http(&self, passed: Passed) -> bool;
}

/// A connection that is given away.
#[derive(Debug)]
pub struct Passed {
    /// The connection, to which nothing was written.
    pub stream: TcpStream,
    /// Everything that came over it so far.
    pub received: Vec<u8>,
    /// The client's address, which may be a proxy's word.
    pub source: SocketAddr,
    /// The one that it came to.
    pub local: SocketAddr,
    /// Whether TLS is taken at that address too.
    pub beside_tls: bool,
}

/// There are none.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nobody;

impl Neighbours for Nobody {
    fn take_openvpn(&self, _: Passed) -> bool {
        false
    }

    fn take_http(&self, _: Passed) -> bool {
        false
    }
}
