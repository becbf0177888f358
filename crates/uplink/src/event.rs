//! What happens at a local port, for whoever tells people.

use std::fmt;
use std::net::SocketAddr;

use crate::reach_error::ReachError;

/// Something that happened.
#[derive(Debug)]
pub enum Event {
    /// The port is open.
    Listens(SocketAddr),
    /// A program's connection reached the service.
    Connected(SocketAddr),
    /// The same, and something was passed over.
    PassedOver(SocketAddr, String),
    /// A program's connection did not reach it.
    Refused(SocketAddr, ReachError),
    /// A connection ended; so many octets went there and came back.
    Ended(SocketAddr, u64, u64),
    /// There are as many connections as there may be.
    Full(SocketAddr),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listens(local) => write!(f, "listens on {local}"),
            Self::Connected(from) => write!(f, "{from}: connected"),
            Self::PassedOver(from, what) => write!(f, "{from}: connected, though {what}"),
            Self::Refused(from, why) => write!(f, "{from}: not connected: {why}; {}", why.mend()),
            Self::Ended(from, there, back) => {
                write!(f, "{from}: ended, {there} octets there and {back} back")
            }
            Self::Full(from) => write!(f, "{from}: not connected: too many connections"),
        }
    }
}
