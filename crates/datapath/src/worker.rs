//! The owner of a set of peers: applies commands, opens what comes from the network, seals what
//! comes from the TUN device, keeps the peers' timers.
//!
//! Drive it as follows:
//!
//! 1. Between batches, [`Worker::apply`] every waiting command.
//! 2. Hand in received datagrams with [`Worker::handle_datagrams`] and packets from the TUN device
//!    with [`Worker::handle_packets`]; then write and send what the sinks took.
//! 3. Drain [`Worker::poll_notice`] after each of these, and pass the notices on.
//! 4. Sleep until IO or [`Worker::poll_timeout`], then call [`Worker::handle_timeout`].
//!
//! Invariant: nothing is opened or sealed for a peer once its `PeerDel` was applied.

use std::time::Duration;

use clock::Now;

use crate::{
    Command, Datagram, DatagramSink, Drops, Notice, Packet, PacketSink, PeerCounters, PeerRef,
    WorkerSettings,
};

/// When to call [`Worker::handle_timeout`], and what for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Boot time.
    pub at: Duration,
    /// What becomes due.
    pub why: TimeoutReason,
}

/// What a worker waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TimeoutReason {
    /// A peer's ping or its expiry may be due.
    KeepAlive,
}

/// See the module's text for how to drive it.
#[derive(Debug)]
pub struct Worker {
    settings: WorkerSettings,
}

impl Worker {
    /// A worker without peers.
    pub fn new(settings: WorkerSettings) -> Self {
        Self { settings }
    }

    /// Applies one command. What comes of it is told by notices.
    pub fn apply(&mut self, _command: Command, _now: Now) {}

    /// Opens received datagrams in place. Inner packets and control packets go to `inward`; what
    /// one peer sent to another goes to `to_udp` (see [`crate::PeerToPeer`]).
    pub fn handle_datagrams<'b>(
        &mut self,
        _batch: impl IntoIterator<Item = Datagram<'b>>,
        _now: Now,
        _inward: &mut impl PacketSink<'b>,
        _to_udp: &mut impl DatagramSink,
    ) {
    }

    /// Seals packets from the TUN device for the peers that own their destinations.
    pub fn handle_packets<'b>(
        &mut self,
        _batch: impl IntoIterator<Item = Packet<'b>>,
        _now: Now,
        _to_udp: &mut impl DatagramSink,
    ) {
    }

    /// Sends the pings that are due and tells which peers have expired.
    pub fn handle_timeout(&mut self, _now: Now, _to_udp: &mut impl DatagramSink) {}

    /// The next moment that needs [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        None
    }

    /// The next notice for the control plane.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        None
    }

    /// A living peer's totals.
    pub fn peer_counters(&self, _peer: PeerRef) -> Option<PeerCounters> {
        None
    }

    /// Drops by cause since the worker was made.
    pub fn drops(&self) -> Drops {
        Drops::default()
    }
}
