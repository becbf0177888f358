//! Which peers a worker has, and what they sent and were sent: of those that are gone, the sum.
//!
//! Invariant: what a peer moved is in the total exactly once, however its removal went.

use std::collections::BTreeSet;

use datapath::{Command, PeerCounters, PeerRef, Worker};

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    peers: BTreeSet<PeerRef>,
    /// What gone peers had sent and been sent.
    gone: PeerCounters,
}

impl Ledger {
    /// A command is about to be applied.
    pub(super) fn before(&mut self, command: &Command, worker: &Worker) {
        match command {
            Command::PeerNew { peer, .. } => {
                self.peers.insert(*peer);
            }
            Command::PeerDel { peer } => {
                // Once, should the first attempt have panicked.
                if self.peers.remove(peer)
                    && let Some(counters) = worker.peer_counters(*peer)
                {
                    self.gone += counters;
                }
            }
            _ => {}
        }
    }

    /// What each peer moved, and all of them with those that are gone.
    pub(super) fn read(&self, worker: &Worker) -> (Vec<(PeerRef, PeerCounters)>, PeerCounters) {
        let counters = |peer: &PeerRef| Some((*peer, worker.peer_counters(*peer)?));
        let peers: Vec<_> = self.peers.iter().filter_map(counters).collect();
        let mut total = self.gone;
        peers.iter().for_each(|(_, counters)| total += *counters);
        (peers, total)
    }
}
