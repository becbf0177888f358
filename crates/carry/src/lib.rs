//! Octets both ways between two streams, until both have said all or one is gone.
//!
//! The crate exists because all who carry octets have one blind spot: a side is not read while the other takes nothing,
//! and nobody notices then that it is gone. Its socket and the other one would stay open for as long as silence is
//! borne, an hour by default. The TLS door, tunnels inside HTTP and ports that lead to a service carry by it. How it
//! degrades: a stream that can't be asked is noticed when it is read again.
//!
//! A stream is asked by a write of no octets, which fails where the kernel knows that the connection broke. A socket
//! answers by itself; what stands before one answers with [`stands`], and what stands before a stream hands the
//! question on.

mod both_ways;

use std::io;

use tokio::net::TcpStream;

pub use both_ways::both_ways;

/// What a stream in front of this socket answers to a write of no octets.
///
/// # Errors
/// Where the connection broke.
pub fn stands(socket: &TcpStream) -> io::Result<usize> {
    match socket.take_error()? {
        Some(error) => Err(error),
        None => Ok(0),
    }
}
