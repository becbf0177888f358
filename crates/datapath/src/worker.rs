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
mod delivery;
mod filter;
mod inbound;
mod joining;
mod outbound;
mod timers;

use std::collections::VecDeque;
use std::time::Duration;

use clock::Now;

use crate::offload::Joining;
use crate::remote_peers::RemotePeers;
use crate::routes::Routes;
use crate::table::Table;
use crate::{Drops, Notice, PeerCounters, PeerRef, Rules, WorkerSettings};

pub use timers::{Deadline, TimeoutReason};

/// See the module's text for how to drive it.
#[derive(Debug)]
pub struct Worker {
    settings: WorkerSettings,
    table: Table,
    remote_peers: RemotePeers,
    routes: Routes,
    timers: timers::Timers,
    notices: VecDeque<Queued>,
    drops: Drops,
    returns: u64,
    current_peer: Option<PeerRef>,
    rules: Option<Box<dyn Rules>>,
    joining: Joining,
}

impl Worker {
    /// A worker without peers.
    pub fn new(settings: WorkerSettings) -> Self {
        Self {
            settings,
            table: Table::new(settings.slots),
            remote_peers: RemotePeers::default(),
            routes: Routes::default(),
            timers: timers::Timers::default(),
            notices: VecDeque::new(),
            drops: Drops::default(),
            returns: 0,
            current_peer: None,
            rules: None,
            joining: Joining::Nothing,
        }
    }

    /// Lets these decide what passes from the next batch on; all does, if there are none.
    pub fn set_rules(&mut self, rules: Option<Box<dyn Rules>>) {
        self.rules = rules;
    }

    /// What the TUN device takes in one piece, from the next batch on; nothing at first.
    pub fn set_joining(&mut self, joining: Joining) {
        self.joining = joining;
    }

    /// The next notice for the control plane.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        loop {
            match self.notices.pop_front()? {
                Queued::Notice(notice) => return Some(notice),
                Queued::Float(peer) => {
                    if let Some(found) = self.table.named(peer) {
                        found.float_waits = false;
                        return Some(Notice::Float { peer, endpoint: found.endpoint });
                    }
                }
            }
        }
    }

    /// A living peer's totals.
    pub fn peer_counters(&self, peer: PeerRef) -> Option<PeerCounters> {
        self.table.find(peer).map(|found| found.counters)
    }

    /// The totals of every living peer, by slot.
    pub fn peers(&self) -> impl Iterator<Item = (PeerRef, PeerCounters)> {
        self.table.peers().map(|peer| (peer.reference, peer.counters))
    }

    /// Drops by cause since the worker was made.
    pub fn drops(&self) -> Drops {
        self.drops
    }

    /// How often a peer came back at once to an address that it seemed to have left.
    pub fn returns(&self) -> u64 {
        self.returns
    }

    /// The peer of the packet or the command that is being handled, or of the packet that was last; none
    /// while the peer isn't known. While packets that waited for more of their flow are written, it is
    /// theirs.
    pub fn current_peer(&self) -> Option<PeerRef> {
        self.current_peer
    }

    /// When the current peer may be sent more without overrunning it; `None` at once. Only
    /// [paced](crate::PeerSettings::paced) peers are paused, and what is handed in all the same is sent.
    pub fn paused_until(&self, now: Now) -> Option<Duration> {
        self.table.find(self.current_peer?)?.pace.paused_until(now.boot)
    }

    /// What comes next is about no peer, until a packet or a command names one.
    pub fn clear_current_peer(&mut self) {
        self.current_peer = None;
    }
}

/// Notices wait here. A peer that moves to and fro with every packet fills one place, not the
/// queue: where it is gets read when the notice is.
#[derive(Debug)]
enum Queued {
    Notice(Notice),
    Float(PeerRef),
}

#[cfg(test)]
mod tests;
