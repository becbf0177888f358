//! New key generations: begun here, by the peer, or by both at once (section 4.5).
//!
//! A soft reset with the id after ours begins a generation even while ours is unfinished: a peer
//! that was restored from its saved state cannot go on with a TLS connection it has lost. Up to
//! [`MAX_AHEAD`] ids are taken, since a peer may have been restored more than once; a late packet of
//! a former generation is further ahead than that, as ids go round.

use std::time::Duration;

use clock::Now;
use wire::control::ControlPacket;
use wire::{KeyId, Opcode};

use crate::dropped::DropReason;
use crate::event::RenegotiateReason;
use crate::generation::{Generation, HandshakeState, Initiator};
use crate::reliable::{PIGGYBACKED_ACKS, Reliable};
use crate::session::{Phase, Session, Side};
use crate::tls::Tls;

/// Ids that a peer's soft reset may be ahead of ours.
const MAX_AHEAD: usize = 3;
/// Least age of a generation that the peer may replace.
const MIN_AGE: Duration = Duration::from_secs(1);
/// From the begin of a generation that broke to the next one. Above the peer's own least age; and whoever
/// breaks one after the other makes us work no more often than that.
const RETRY_AFTER: Duration = Duration::from_secs(2);

impl Session {
    /// Begins a new key generation, unless one is unfinished or there is none yet.
    pub fn renegotiate(&mut self, _why: RenegotiateReason, now: Now) {
        self.now = now;
        let over = self.primary.is_complete() || self.primary.is_broken();
        if self.is_established() && over {
            self.begin_generation(self.free_key_id(), Initiator::Us);
            self.advance();
        }
    }

    pub(crate) fn peer_renegotiates(&mut self, packet: ControlPacket) -> Result<(), DropReason> {
        let in_use = self.keys.sealing == Some(packet.key_id) && self.keys.switch.is_none();
        if in_use || !is_ahead(self.primary.key_id, packet.key_id) {
            return Err(DropReason::KeyIdOutOfSync);
        }
        if self.now.boot.saturating_sub(self.primary.started) < MIN_AGE {
            return Err(DropReason::RenegotiationTooSoon);
        }
        // A client that goes on to the next key has its push, whatever became of the acknowledgement.
        if matches!(self.phase, Phase::Opening) && self.primary.state == HandshakeState::ExpectAcks
        {
            self.complete();
        }
        if !self.is_established() {
            return Err(DropReason::RenegotiationTooSoon);
        }
        self.begin_generation(packet.key_id, Initiator::Peer);
        self.primary.reliable.receive(packet, self.now.boot)
    }

    /// The id after ours; not that of the sealing key, should six renegotiations have failed since.
    pub(crate) fn free_key_id(&self) -> KeyId {
        let next = self.primary.key_id.next();
        if self.keys.sealing == Some(next) { next.next() } else { next }
    }

    pub(crate) fn begin_generation(&mut self, key_id: KeyId, begun_by: Initiator) {
        let switched = self.keys.switch_at_once(self.now.boot);
        self.report_switch(switched);
        let retired = self.keys.begin(key_id, self.now.boot + self.timing.tran_window);
        self.report_retired(retired);
        self.renegotiate_at = None;
        self.texts.clear();
        // Of renegotiations that follow each other unfinished the first one's window counts for all: a peer
        // that begins and never shows its certificate would else be kept for ever.
        let first = self.primary.deadline.filter(|_| !self.primary.is_complete());
        self.primary = self.new_generation(key_id, begun_by);
        self.primary.deadline = self.primary.deadline.min(first.or(self.primary.deadline));
    }

    pub(crate) fn new_generation(&self, key_id: KeyId, begun_by: Initiator) -> Generation {
        let room = self.wrapping.payload_room(self.timing.max_control_datagram, PIGGYBACKED_ACKS);
        let reliable = Reliable::with_reset(Opcode::CONTROL_SOFT_RESET_V1, room);
        let tls = match &self.side {
            Side::Server(server) => Tls::server(&server.config.tls),
            Side::Client(client) => Tls::client(&client.config.tls),
        };
        let window = self.timing.hand_window;
        Generation::new(key_id, begun_by, reliable, tls, self.now.boot, window)
    }

    /// The session goes on with the keys it has and tries again. The peer is told nothing: an alert would
    /// end a TLS connection that is well on its side.
    pub(crate) fn abandon_generation(&mut self) {
        self.primary.break_off(self.now.boot + self.timing.hand_window);
        self.texts.clear();
        self.renegotiate_at = Some(self.now.boot.max(self.primary.started + RETRY_AFTER));
    }

    pub(crate) fn schedule_renegotiation(&mut self) {
        let age = self.timing.renegotiate;
        if age.is_zero() {
            return;
        }
        let jitter = self.entropy.duration_below(age / 10);
        self.renegotiate_at = Some(self.now.boot + age - jitter);
    }
}

fn is_ahead(ours: KeyId, theirs: KeyId) -> bool {
    let mut id = ours;
    (0..MAX_AHEAD).any(|_| {
        id = id.next();
        id == theirs
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_ids_are_ahead_and_former_ones_are_not() {
        let id = |n| KeyId::new(n).expect("small");
        assert!(is_ahead(id(0), id(1)) && is_ahead(id(7), id(1)) && is_ahead(id(6), id(2)));
        assert!(!is_ahead(id(1), id(0)) && !is_ahead(id(2), id(1)) && !is_ahead(id(1), id(6)));
        assert!(!is_ahead(id(3), id(3)));
    }
}
