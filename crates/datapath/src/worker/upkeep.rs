//! The tunnel's own messages, sent when they are due or asked for: pings and goodbyes; and which peers have
//! expired. Not here: when to look (`timers`).

use clock::Now;
use wire::data::{OCC_EXIT, PING};

use super::core::Core;
use super::timers::{expiry_at, ping_at};
use crate::{DatagramSink, Notice, PeerRef};

/// Looks after a worker's peers, at one moment.
pub(super) struct Upkeep<'w, U> {
    pub(super) core: &'w mut Core,
    pub(super) to_udp: &'w mut U,
    pub(super) now: Now,
}

impl<U: DatagramSink> Upkeep<'_, U> {
    /// Sends the pings that are due and tells which peers have expired.
    pub(super) fn handle_timeout(&mut self) {
        while let Some(slot) = self.core.timers.pop_due(self.now.boot) {
            if let Some(peer) = self.core.table.at(slot) {
                peer.alive.armed = None;
                self.core.current_peer = Some(peer.reference);
            }
            self.ping_if_due(slot);
            self.expire_if_due(slot);
            self.core.rearm(slot);
        }
    }

    pub(super) fn send_ping(&mut self, peer: PeerRef) {
        self.send_to(peer, &PING);
    }

    pub(super) fn send_exit(&mut self, peer: PeerRef) {
        self.send_to(peer, &OCC_EXIT);
    }

    fn ping_if_due(&mut self, slot: u32) {
        let Some(peer) = self.core.table.at(slot) else { return };
        if ping_at(peer).is_none_or(|at| at > self.now.boot) {
            return;
        }
        // Whether or not it leaves: the next one is due a period later, not at once.
        peer.alive.last_tx = self.now.boot;
        self.send(slot, &PING);
    }

    fn expire_if_due(&mut self, slot: u32) {
        let Some(peer) = self.core.table.at(slot) else { return };
        if expiry_at(peer).is_some_and(|at| at <= self.now.boot) {
            peer.alive.expired = true;
            self.core.notices.push(Notice::Expired { peer: peer.reference });
        }
    }

    /// Nothing for a peer that is not there any more.
    fn send_to(&mut self, peer: PeerRef, message: &[u8]) {
        if self.core.table.named(peer).is_some() {
            self.send(peer.id.get(), message);
        }
    }

    fn send(&mut self, slot: u32, message: &[u8]) {
        let Some(peer) = self.core.table.at(slot) else { return };
        self.core.current_peer = Some(peer.reference);
        let sealed = peer.seal(message, self.now.boot, self.to_udp, &mut self.core.notices);
        if let Err(cause) = sealed {
            self.core.drops.count(cause);
        }
    }
}
