//! When to look at a peer again: for its ping or its expiry.
//!
//! Each peer has at most one entry, armed for the earliest thing that could become due by its clock marks.
//! Packets only move the marks; an entry that fires too early looks at them and is armed again. So a busy
//! peer costs one look per keepalive period and nothing per packet. Not here: what is done then (`upkeep`).

use std::collections::BTreeSet;
use std::time::Duration;

use crate::peer::Peer;

/// When to call [`Worker::handle_timeout`](crate::Worker::handle_timeout), and what for.
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

/// When which slot's timer fires.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Duration, u32)>);

impl Timers {
    pub(super) fn first(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    pub(super) fn pop_due(&mut self, boot: Duration) -> Option<u32> {
        self.0.first().filter(|(at, _)| *at <= boot)?;
        self.0.pop_first().map(|(_, slot)| slot)
    }

    /// Arms a peer's timer by its clock marks, settings and keys.
    pub(super) fn rearm(&mut self, slot: u32, peer: &mut Peer) {
        let next = [ping_at(peer), expiry_at(peer)].into_iter().flatten().min();
        self.disarm(slot, std::mem::replace(&mut peer.alive.armed, next));
        self.0.extend(next.map(|at| (at, slot)));
    }

    pub(super) fn disarm(&mut self, slot: u32, armed: Option<Duration>) {
        if let Some(at) = armed {
            self.0.remove(&(at, slot));
        }
    }
}

/// A peer without a sealing key can't be pinged.
pub(super) fn ping_at(peer: &Peer) -> Option<Duration> {
    let ping = peer.settings.keep_alive.ping.filter(|_| peer.keys.can_seal())?;
    peer.alive.last_tx.checked_add(ping.max(SHORTEST))
}

pub(super) fn expiry_at(peer: &Peer) -> Option<Duration> {
    let restart = peer.settings.keep_alive.ping_restart.filter(|_| !peer.alive.expired)?;
    peer.alive.last_rx.checked_add(restart.max(SHORTEST))
}

/// A period of zero would fire for ever without time passing.
const SHORTEST: Duration = Duration::from_millis(100);
