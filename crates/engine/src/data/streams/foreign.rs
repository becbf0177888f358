//! TCP connections whose first bytes are of another protocol, on their way to another listener's code on
//! the same port.
//!
//! Not here: what that protocol is. The taker sees every byte that came, and limits what it takes.

use sysio::TcpStream;
use tokio::sync::mpsc;

/// A connection that begins with no OpenVPN packet.
#[derive(Debug)]
pub struct ForeignStream {
    /// The connection, from which nothing else was read, and to which nothing was written.
    pub stream: TcpStream,
    /// Everything that came over it so far, from its first byte on.
    pub received: Vec<u8>,
}

/// Where such connections go; without a taker, and while it does not keep up, they are closed and
/// counted.
#[derive(Clone, Debug, Default)]
pub struct ForeignStreams(Option<mpsc::Sender<ForeignStream>>);

impl ForeignStreams {
    /// For a taker; as many wait for it as its queue holds.
    pub fn to(taker: mpsc::Sender<ForeignStream>) -> Self {
        Self(Some(taker))
    }

    /// Room for one, if there is a taker that has room.
    pub(super) fn room(&self) -> Option<mpsc::Permit<'_, ForeignStream>> {
        self.0.as_ref()?.try_reserve().ok()
    }
}
