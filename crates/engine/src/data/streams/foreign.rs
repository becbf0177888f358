//! A TCP connection that came in at another listener, which shares its port among several protocols.
//!
//! Not here: how that one told it from others. It is a stranger's like any other.

use sysio::TcpStream;

/// A connection that begins with an OpenVPN packet.
#[derive(Debug)]
pub struct ForeignStream {
    /// The connection, to which nothing was written.
    pub stream: TcpStream,
    /// Everything that came over it so far, from its first byte on.
    pub received: Vec<u8>,
}
