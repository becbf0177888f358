//! Whoever watches handshakes while they run, so that they can be told afterwards: they can't be decrypted any more
//! once they are over.
//!
//! It sees what goes over the wire and decides nothing, and it may take its time: it is told last. Invariants: what
//! it is told of has left, and is known to the registry; a connection that nobody watches costs one question, and one
//! branch for each packet of its handshakes.

use std::fmt::Debug;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use clock::Now;
use tunnel::Accepted;
use wire::control::ControlPacket;
use wire::tls_auth::ReplayStamp;

/// A connection whose cookie came back, before its session begins.
#[derive(Debug)]
pub struct Begun<'a> {
    /// Its number, which its session has too.
    pub number: u64,
    /// It speaks TCP.
    pub tcp: bool,
    /// Where it comes from.
    pub source: SocketAddr,
    /// The address of ours that it speaks to.
    pub local: Option<IpAddr>,
    /// What the gate let through.
    pub accepted: &'a Accepted,
    /// Bytes that the wrapping adds to each control packet.
    pub wrapping: usize,
    /// When.
    pub at: Now,
}

/// Watches the handshakes of one connection, on the time of its session's task. Whatever is asked of the session
/// afterwards is answered once the watcher is through.
pub trait Watcher: Debug + Send {
    /// Who learns what opens its handshakes, and tells nobody.
    fn secrets(&self) -> Arc<dyn rustls::KeyLog>;

    /// A packet came whose wrapping was verified. It is not answered before this returns: read it later.
    fn heard(&mut self, packet: &ControlPacket, stamp: Option<ReplayStamp>, now: Now);

    /// A packet of ours has left.
    fn said(&mut self, packet: &[u8], now: Now);

    /// What has become of it.
    fn became(&mut self, what: Became, now: Now);
}

/// What has become of a watched connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Became {
    /// The first handshake is over, and data may flow.
    Established,
    /// A renewal of the keys is over.
    Renegotiated,
    /// It is over by its session's own reason. What others end is reported, and said to nobody here.
    Ended,
    /// Its task is over: nothing more is said.
    Gone,
}
