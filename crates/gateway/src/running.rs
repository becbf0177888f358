//! What administration asks of the running VPN, as the gateway needs it.
//!
//! The engine knows nothing of this; whoever puts both together answers it on the engine's handle.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::Pin;

use admin::names::DeviceName;
use admin::request::KickTarget;
use admin::response::Session;

/// An answer that comes later.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// A running VPN.
pub trait Running: Send + Sync + Debug {
    /// Who is connected.
    fn sessions(&self) -> Later<'_, Vec<Session>>;

    /// Closes sessions, and names them once they are closed.
    fn kick<'a>(&'a self, target: &'a KickTarget) -> Later<'a, Vec<DeviceName>>;

    /// The counters since the start.
    fn tally(&self) -> Later<'_, Tally>;
}

/// The counters of a running VPN, as plain values. Workers count for themselves; whoever answers
/// [`Running::tally`] adds up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Open sessions.
    pub sessions: u64,
    /// Handshakes that got past the address cookie.
    pub handshakes_begun: u64,
    /// Handshakes that ended in a session.
    pub handshakes_done: u64,
    /// Renegotiations that were completed.
    pub renegotiations: u64,
    /// Bytes from subscribers, inside the tunnel.
    pub bytes_in: u64,
    /// Bytes to subscribers, inside the tunnel.
    pub bytes_out: u64,
    /// Packets from subscribers.
    pub packets_in: u64,
    /// Packets to subscribers.
    pub packets_out: u64,
    /// Dropped packets by cause.
    pub drops: BTreeMap<&'static str, u64>,
    /// How packets are carried: threads, and what the kernel does in one piece.
    pub data_path: String,
    /// Packets that one thread read and another handled.
    pub handed_over: u64,
}
