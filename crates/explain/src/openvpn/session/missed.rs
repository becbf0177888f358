//! What was sent and not observed: a gap stands in its place, and what comes behind it is read on.
//!
//! A message counts as missed only where the other side confirms it, or where the capture ends before it came: until then
//! it may still come.

use std::ops::RangeInclusive;

use wire::KeyId;
use wire::control::ControlPacket;

use super::super::order::Order;
use super::{Session, fact};
use crate::catalogue::{Chapter, Kind};
use crate::fact::{Detail, Fact};
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::Source;

impl Session {
    /// What a side confirms has arrived. Where it was not observed it does not come any more: a gap stands in its place,
    /// and what waits behind it is read.
    pub(super) fn confirm(&mut self, seen: &Seen<'_>, packet: &ControlPacket) {
        let at = self.generations.iter().rposition(|have| have.key_id == packet.key_id);
        let Some((index, generation)) = at.and_then(|at| Some((at, self.generations.get_mut(at)?)))
        else {
            return;
        };
        let theirs = match seen.from {
            Side::Client => self.server_session,
            Side::Server => self.client_session,
        };
        generation.order_mut(seen.from).heard();
        if theirs.is_none() || theirs == packet.acked_session {
            let peer = generation.order_mut(seen.from.peer());
            packet.acks.iter().for_each(|id| peer.confirm(id.0));
        }
        for side in [seen.from.peer(), seen.from] {
            self.miss(index, side, seen.at, Order::missed);
        }
    }

    /// Nothing of this side can be read any more.
    pub(crate) fn lost(&mut self, seen: &Seen<'_>) {
        let handshake = self.newest();
        self.facts.push(fact(seen, Kind::Missing, Vec::new(), Source::Gap, handshake));
    }

    /// Nothing comes any more: what still waits is read, with a gap before it.
    pub(crate) fn end(&mut self, at: u64) {
        for index in 0..self.generations.len() {
            for side in [Side::Client, Side::Server] {
                self.miss(index, side, at, Order::missed_at_the_end);
            }
        }
    }

    fn miss(
        &mut self,
        index: usize,
        side: Side,
        at: u64,
        missed: impl Fn(&mut Order) -> Option<RangeInclusive<u32>>,
    ) {
        let handshake = self.first + index as u32;
        let Some(generation) = self.generations.get_mut(index) else { return };
        while let Some(ids) = missed(generation.order_mut(side)) {
            generation.tls.torn(side);
            self.facts.push(not_captured(at, side, handshake, generation.key_id, ids));
            while let Some(message) = generation.order_mut(side).following() {
                generation.tls_bytes(handshake, &message.seen(at), &mut self.facts);
            }
        }
    }
}

/// The most numbers of messages that one gap names.
const MOST_MISSED: usize = 12;

/// Messages that were sent, and were not observed.
fn not_captured(
    at: u64,
    from: Side,
    handshake: u32,
    key_id: KeyId,
    ids: RangeInclusive<u32>,
) -> Fact {
    let first = *ids.start();
    let mut fields = vec![Field::number("key_id", key_id.get())];
    fields.extend(ids.take(MOST_MISSED).map(|id| Field::number("message_id", id)));
    // Behind the resets, which have the number 0, TLS begins with its hellos.
    let stands_in = match first {
        0 => Some(Chapter::Knock),
        1 => Some(Chapter::Hello),
        _ => None,
    };
    Fact {
        at,
        from,
        kind: Kind::NotCaptured,
        fields,
        basis: Vec::new(),
        key: None,
        handshake,
        source: Source::Gap,
        detail: Detail::Unkept { stands_in, both_ways: false },
    }
}
