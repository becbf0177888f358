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
//! Should a call panic, [`Worker::current_peer`] names the peer whose packet or command did
//! it: apply its `PeerDel` and go on.
//!
//! Invariant: nothing is opened or sealed for a peer once its `PeerDel` was applied.

mod commands;
mod core;
mod filter;
mod held;
mod inbound;
mod joining;
mod onward;
mod outbound;
mod timers;
mod upkeep;

use std::time::Duration;

use clock::Now;

use self::commands::Commands;
use self::core::Core;
use self::filter::Filter;
use self::held::Held;
use self::inbound::Inbound;
use self::joining::Joiner;
use self::onward::{Onward, Open};
use self::outbound::Outbound;
pub use self::timers::{Deadline, TimeoutReason};
use self::upkeep::Upkeep;
use crate::notices::Queued;
use crate::offload::Joining;
use crate::{
    Command, Datagram, DatagramSink, Drops, Notice, Packet, PacketSink, PeerCounters, PeerRef,
    RouteChange, Rules, WorkerSettings,
};

/// See the module's text for how to drive it.
#[derive(Debug)]
pub struct Worker {
    core: Core,
    rules: Option<Box<dyn Rules>>,
    joining: Joining,
}

impl Worker {
    /// A worker without peers.
    pub fn new(settings: WorkerSettings) -> Self {
        Self { core: Core::new(settings), rules: None, joining: Joining::Nothing }
    }

    /// Lets these decide what passes from the next batch on; all does, if there are none.
    pub fn set_rules(&mut self, rules: Option<Box<dyn Rules>>) {
        self.rules = rules;
    }

    /// What the TUN device takes in one piece, from the next batch on; nothing at first.
    pub fn set_joining(&mut self, joining: Joining) {
        self.joining = joining;
    }

    /// Applies one command. What comes of it is told by notices.
    pub fn apply(&mut self, command: Command, now: Now) {
        Commands(&mut self.core).apply(command, now);
    }

    /// A valid control packet came from the peer: it is alive.
    pub fn heard(&mut self, peer: PeerRef, now: Now) {
        Commands(&mut self.core).heard(peer, now);
    }

    /// Learns of another worker's peer.
    pub fn apply_route(&mut self, change: RouteChange) {
        Commands(&mut self.core).apply_route(change);
    }

    /// Opens received datagrams in place. Inner packets, joined where they continue each other, and
    /// control packets go to `inward`; what
    /// one peer sent to another goes to `to_udp` (see [`PeerToPeer`](crate::PeerToPeer)).
    pub fn handle_datagrams<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Datagram<'b>>,
        now: Now,
        inward: &mut impl PacketSink<'b>,
        to_udp: &mut impl DatagramSink,
    ) {
        let Self { core, rules, joining } = self;
        let filter = Filter(rules);
        let is_filtered = filter.is_there();
        let joiner = Joiner::new(inward, *joining);
        let onward = Onward { joiner, outbound: Outbound { filter, to_udp } };
        if is_filtered {
            Inbound { core, onward, gate: Held::new(), now }.handle_datagrams(batch);
        } else {
            Inbound { core, onward, gate: Open, now }.handle_datagrams(batch);
        }
    }

    /// Seals packets from the TUN device for the peers that own their destinations.
    pub fn handle_packets<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Packet<'b>>,
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) {
        let filter = Filter(&mut self.rules);
        Outbound { filter, to_udp }.handle_packets(&mut self.core, batch, now);
    }

    /// The next moment that needs [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let at = self.core.timers.first()?;
        Some(Deadline { at, why: TimeoutReason::KeepAlive })
    }

    /// Sends the pings that are due and tells which peers have expired.
    pub fn handle_timeout(&mut self, now: Now, to_udp: &mut impl DatagramSink) {
        Upkeep { core: &mut self.core, to_udp, now }.handle_timeout();
    }

    /// Sends a ping at once: where we have moved, the peer follows the first packet from there.
    pub fn send_ping(&mut self, peer: PeerRef, now: Now, to_udp: &mut impl DatagramSink) {
        Upkeep { core: &mut self.core, to_udp, now }.send_ping(peer);
    }

    /// Says goodbye in the data channel, for a peer that does not take it in the control channel.
    pub fn send_exit(&mut self, peer: PeerRef, now: Now, to_udp: &mut impl DatagramSink) {
        Upkeep { core: &mut self.core, to_udp, now }.send_exit(peer);
    }

    /// The next notice for the control plane.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        loop {
            match self.core.notices.pop()? {
                Queued::Notice(notice) => return Some(notice),
                Queued::Float(peer) => {
                    if let Some(found) = self.core.table.named(peer) {
                        found.float_waits = false;
                        return Some(Notice::Float { peer, endpoint: found.endpoint });
                    }
                }
            }
        }
    }

    /// A living peer's totals.
    pub fn peer_counters(&self, peer: PeerRef) -> Option<PeerCounters> {
        self.core.table.find(peer).map(|found| found.counters)
    }

    /// The totals of every living peer, by slot.
    pub fn peers(&self) -> impl Iterator<Item = (PeerRef, PeerCounters)> {
        self.core.table.peers().map(|peer| (peer.reference, peer.counters))
    }

    /// Drops by cause since the worker was made.
    pub fn drops(&self) -> Drops {
        self.core.drops
    }

    /// How often a peer came back at once to an address that it seemed to have left.
    pub fn returns(&self) -> u64 {
        self.core.returns
    }

    /// The peer of the packet or the command that is being handled, or of the packet that was last; none
    /// while the peer isn't known. While packets that waited for more of their flow are written, it is
    /// theirs.
    pub fn current_peer(&self) -> Option<PeerRef> {
        self.core.current_peer
    }

    /// When the current peer may be sent more without overrunning it; `None` at once. Only
    /// [paced](crate::PeerSettings::paced) peers are paused, and what is handed in all the same is sent.
    pub fn paused_until(&self, now: Now) -> Option<Duration> {
        self.core.table.find(self.core.current_peer?)?.pace.paused_until(now.boot)
    }

    /// What comes next is about no peer, until a packet or a command names one.
    pub fn clear_current_peer(&mut self) {
        self.core.current_peer = None;
    }
}

#[cfg(test)]
mod tests;
