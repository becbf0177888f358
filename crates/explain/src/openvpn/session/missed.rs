//! What was sent and not observed: a gap stands in its place, and what comes behind it is read on.
//!
//! A message counts as missed only where the other side confirms it, or where the capture ends before it came: until then
//! it may still come.

use wire::KeyId;
use wire::control::ControlPacket;

use super::super::order::{Mark, Missed, Order};
use super::{MOST_GENERATIONS, Session, fact};
use crate::catalogue::{Chapter, Kind};
use crate::fact::{Detail, Fact};
use crate::field::Field;
use crate::place::{Seen, Side};
use crate::story::Source;

/// A gap, and the fact before which it stands.
pub(super) struct Gap {
    before: usize,
    fact: Fact,
}

impl Session {
    /// Where what is read next stands.
    pub(super) fn mark(&self, at: u64) -> Mark {
        Mark { before: self.facts.all().len(), at }
    }

    /// What a side confirms has arrived. Where it was not observed it does not come any more: a gap stands in its place,
    /// and what waits behind it is read.
    pub(super) fn confirm(&mut self, seen: &Seen<'_>, packet: &ControlPacket) {
        let shown = self.mark(seen.at);
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
            packet.acks.iter().for_each(|id| peer.confirm(id.0, shown));
        }
        if shows_an_answer(seen.from, packet) {
            // In a renewal some clients say hello at once.
            let hello = u32::from(self.first as usize + index == 0);
            (0..=hello).for_each(|id| generation.client.confirm(id, shown));
        }
        for side in [seen.from.peer(), seen.from] {
            self.miss(index, side, Order::missed);
        }
    }

    /// Packets go by a key of the next generation: where nothing was observed of the handshake that made it, a gap stands
    /// for all of that.
    pub(super) fn renewed_unseen(&mut self, seen: &Seen<'_>, key_id: KeyId) {
        let next = self.generations.last().map(|last| last.key_id.next());
        let has_room = self.generations.len() < MOST_GENERATIONS;
        if next != Some(key_id) || !has_room {
            return;
        }
        self.generation(key_id);
        let fields = vec![Field::number("key_id", key_id.get())];
        let gap = fact(seen, Kind::NotCaptured, fields, Source::Gap, self.newest());
        self.facts.push(Fact { basis: Vec::new(), detail: Detail::unkept(None, true), ..gap });
    }

    /// Nothing of this side can be read any more.
    pub(crate) fn lost(&mut self, seen: &Seen<'_>) {
        let handshake = self.newest();
        self.lost.push(seen.from);
        self.facts.push(fact(seen, Kind::Missing, Vec::new(), Source::Gap, handshake));
    }

    /// Nothing comes any more: what still waits is read, and gaps take their places.
    pub(crate) fn end(&mut self) {
        for index in 0..self.generations.len() {
            for side in [Side::Client, Side::Server] {
                self.miss(index, side, Order::missed_at_the_end);
            }
        }
        let gaps = std::mem::take(&mut self.gaps);
        // Of a stream that can't be read any more a step says that.
        let (mut of_lost, mut gaps): (Vec<Gap>, Vec<Gap>) =
            gaps.into_iter().partition(|gap| self.lost.contains(&gap.fact.from));
        of_lost.sort_by_key(|gap| gap.before);
        for gap in of_lost {
            self.move_up(&gap, &mut gaps);
        }
        gaps.sort_by_key(|gap| (gap.before, gap.fact.handshake, gap.fact.from));
        for gap in gaps.into_iter().rev() {
            self.facts.insert(gap.before, gap.fact);
        }
        self.number_came_back();
    }

    /// What answers a message shows better where its stream has a hole than what comes behind that.
    fn move_up(&mut self, gap: &Gap, gaps: &mut Vec<Gap>) {
        let is_it = |fact: &Fact| (fact.kind, fact.from) == (Kind::Missing, gap.fact.from);
        let Some(index) = self.facts.all().iter().position(is_it) else { return };
        let Some(missing) = self.facts.all().get(index).cloned() else { return };
        if gap.fact.at < missing.at {
            self.facts.remove(index);
            gaps.iter_mut().filter(|gap| gap.before > index).for_each(|gap| gap.before -= 1);
            let before = gap.before.min(index);
            gaps.push(Gap { before, fact: Fact { at: gap.fact.at, ..missing } });
        }
    }

    /// With what it says first behind its reset a client returns the server's number. Where that is missing, no later
    /// packet is the one that returns it.
    fn number_came_back(&mut self) {
        let facts = self.facts.all();
        let Some(hello) = facts.iter().position(is_hello) else { return };
        let returned = facts.iter().position(|fact| fact.kind == Kind::CookieReturned);
        let answers = self.generations.first().is_some_and(|first| first.server.goes_on());
        let is_told_before = returned.is_some_and(|returned| returned < hello);
        if is_told_before || returned.is_none() && !answers {
            return;
        }
        let Some(Fact { detail: Detail::Unkept { returns_number, .. }, .. }) =
            self.facts.get_mut(hello)
        else {
            return;
        };
        *returns_number = true;
        if let Some(returned) = returned {
            self.facts.remove(returned);
        }
    }

    fn miss(&mut self, index: usize, side: Side, missed: impl Fn(&mut Order) -> Option<Missed>) {
        let handshake = self.first + index as u32;
        let generation = self.generations.get_mut(index).filter(|_| !self.lost.contains(&side));
        let Some(generation) = generation else { return };
        while let Some(missed) = missed(generation.order_mut(side)) {
            generation.tls.torn(side);
            let before = missed.place.before;
            let fact = not_captured(side, handshake, generation.key_id, missed);
            // A step that packets of this side were cut says what is missing here.
            let is_cut = |one: &Fact| {
                (one.kind, one.handshake) == (Kind::CutShort, handshake) && one.is_of(side)
            };
            if !self.facts.all().iter().any(is_cut) {
                self.gaps.push(Gap { before, fact });
            }
            while let Some(message) = generation.order_mut(side).following() {
                generation.tls_bytes(handshake, &message.seen(), &mut self.facts);
            }
        }
    }
}

/// Whether the server has answered the client's TLS hello by then: what the client said for that has arrived, if it is
/// not this very packet that says it, once more.
fn shows_an_answer(from: Side, packet: &ControlPacket) -> bool {
    match from {
        Side::Server => packet.message_id.is_some_and(|id| id.0 > 0),
        Side::Client => {
            let is_late = packet.message_id.is_none_or(|id| id.0 > 1);
            is_late && packet.acks.iter().any(|id| id.0 > 0)
        }
    }
}

/// A gap in place of the client's first words behind its first reset.
fn is_hello(fact: &Fact) -> bool {
    let is_first = (fact.kind, fact.from, fact.handshake) == (Kind::NotCaptured, Side::Client, 0);
    is_first && matches!(fact.detail, Detail::Unkept { stands_in: Some(Chapter::Hello), .. })
}

/// The most numbers of messages that one gap names.
const MOST_MISSED: usize = 12;

/// Messages that were sent, and were not observed.
fn not_captured(from: Side, handshake: u32, key_id: KeyId, missed: Missed) -> Fact {
    let Missed { ids, place: Mark { at, .. } } = missed;
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
        detail: Detail::unkept(stands_in, false),
    }
}
