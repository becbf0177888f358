//! Keepalive: pings and expiry (protocol section 11.1).
//!
//! Each peer has at most one entry among the timers, armed for the earliest thing that could become
//! due by its clock marks. Packets only move the marks; an entry that fires too early looks at them
//! and is armed again. So a busy peer costs one look per keepalive period and nothing per packet.

use std::collections::BTreeSet;
use std::time::Duration;

use clock::Now;
use wire::data::{OCC_EXIT, PING};

use super::{Queued, Worker};
use crate::peer::Peer;
use crate::{DatagramSink, Notice, PeerRef};

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

impl Worker {
    /// The next moment that needs [`Self::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Deadline> {
        let at = self.timers.first()?;
        Some(Deadline { at, why: TimeoutReason::KeepAlive })
    }

    /// Sends the pings that are due and tells which peers have expired.
    pub fn handle_timeout(&mut self, now: Now, to_udp: &mut impl DatagramSink) {
        while let Some(slot) = self.timers.pop_due(now.boot) {
            if let Some(peer) = self.table.at(slot) {
                peer.alive.armed = None;
                self.current_peer = Some(peer.reference);
            }
            self.ping_if_due(slot, now, to_udp);
            self.expire_if_due(slot, now);
            self.rearm(slot);
        }
    }

    fn ping_if_due(&mut self, slot: u32, now: Now, to_udp: &mut impl DatagramSink) {
        let Some(peer) = self.table.at(slot) else { return };
        if ping_at(peer).is_none_or(|at| at > now.boot) {
            return;
        }
        // Whether or not it leaves: the next one is due a period later, not at once.
        peer.alive.last_tx = now.boot;
        self.send_message(slot, &PING, now, to_udp);
    }

    /// Sends a ping at once: where we have moved, the peer follows the first packet from there.
    pub fn send_ping(&mut self, peer: PeerRef, now: Now, to_udp: &mut impl DatagramSink) {
        if self.table.named(peer).is_some() {
            self.send_message(peer.id.get(), &PING, now, to_udp);
        }
    }

    /// Says goodbye in the data channel, for a peer that does not take it in the control channel.
    pub fn send_exit(&mut self, peer: PeerRef, now: Now, to_udp: &mut impl DatagramSink) {
        if self.table.named(peer).is_some() {
            self.send_message(peer.id.get(), &OCC_EXIT, now, to_udp);
        }
    }

    fn send_message(
        &mut self,
        slot: u32,
        message: &[u8],
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) {
        let Some(peer) = self.table.at(slot) else { return };
        self.current_peer = Some(peer.reference);
        let notices = &mut self.notices;
        let mut notify = |notice| notices.push_back(Queued::Notice(notice));
        if let Err(cause) = peer.seal(message, now.boot, to_udp, &mut notify) {
            self.drops.count(cause);
        }
    }

    fn expire_if_due(&mut self, slot: u32, now: Now) {
        let Some(peer) = self.table.at(slot) else { return };
        if expiry_at(peer).is_some_and(|at| at <= now.boot) {
            peer.alive.expired = true;
            let peer = peer.reference;
            self.notices.push_back(Queued::Notice(Notice::Expired { peer }));
        }
    }

    /// Arms a peer's timer by its clock marks, settings and keys.
    pub(super) fn rearm(&mut self, slot: u32) {
        let Some(peer) = self.table.at(slot) else { return };
        let next = [ping_at(peer), expiry_at(peer)].into_iter().flatten().min();
        self.timers.disarm(slot, std::mem::replace(&mut peer.alive.armed, next));
        self.timers.arm(slot, next);
    }
}

/// A peer without a sealing key can't be pinged.
fn ping_at(peer: &Peer) -> Option<Duration> {
    let ping = peer.settings.keep_alive.ping.filter(|_| peer.keys.can_seal())?;
    peer.alive.last_tx.checked_add(ping.max(SHORTEST))
}

fn expiry_at(peer: &Peer) -> Option<Duration> {
    let restart = peer.settings.keep_alive.ping_restart.filter(|_| !peer.alive.expired)?;
    peer.alive.last_rx.checked_add(restart.max(SHORTEST))
}

/// When which slot's timer fires.
#[derive(Debug, Default)]
pub(super) struct Timers(BTreeSet<(Duration, u32)>);

impl Timers {
    fn first(&self) -> Option<Duration> {
        self.0.first().map(|(at, _)| *at)
    }

    fn pop_due(&mut self, boot: Duration) -> Option<u32> {
        self.0.first().filter(|(at, _)| *at <= boot)?;
        self.0.pop_first().map(|(_, slot)| slot)
    }

    fn arm(&mut self, slot: u32, at: Option<Duration>) {
        self.0.extend(at.map(|at| (at, slot)));
    }

    pub(super) fn disarm(&mut self, slot: u32, armed: Option<Duration>) {
        if let Some(at) = armed {
            self.0.remove(&(at, slot));
        }
    }
}

/// A period of zero would fire for ever without time passing.
const SHORTEST: Duration = Duration::from_millis(100);
