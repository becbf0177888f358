//! Datagrams of which the capture program kept no more than the beginning.
//!
//! A code covers a whole packet, so nothing is judged by it here: what stands in the clear in front of a packet is told, and
//! a gap stands for the rest.

use wire::control::ControlHeader;
use wire::{KeyId, Opcode, split_first_byte};

use super::{Session, fact};
use crate::catalogue::{Chapter, Kind};
use crate::fact::Detail;
use crate::field::Field;
use crate::place::{Chunk, Seen, Side};
use crate::story::Source;

/// The most places that one gap rests on.
const MOST_PLACES: usize = 16;

/// What the last gap stands for.
#[derive(Default)]
pub(super) struct CutShort {
    packets: u64,
    captured: u64,
    sent: u64,
    /// Whether a reset is among all that were cut.
    is_reset: bool,
}

impl CutShort {
    /// Whether what shows the wrapping of a session was cut.
    pub(super) fn hides_form(&self) -> bool {
        self.is_reset
    }
}

/// How many packets were cut, how many of their bytes were captured, and of how many.
pub(crate) fn lengths(packets: u64, captured: u64, sent: u64) -> Vec<Field> {
    vec![
        Field::number("packets_cut", packets),
        Field::number("bytes_captured", captured),
        Field::number("bytes_sent", sent),
    ]
}

impl Session {
    /// Takes a datagram of which so many bytes were not captured behind those that are there.
    pub(crate) fn cut_short(&mut self, chunk: Chunk<'_>, lacking: u32, way: u64) {
        if self.again.is_copy(&chunk, lacking, way) {
            return;
        }
        let seen = Seen::from(chunk);
        self.sent(&seen);
        match split_first_byte(seen.bytes) {
            Some((opcode, key_id)) if opcode.is_data() => self.data(&seen, key_id),
            Some((opcode, key_id)) if opcode.is_control() => {
                self.begins_with_a_part(&seen, opcode, key_id);
                self.speaks_of(&seen, opcode, key_id);
                // With what a client says first behind its reset it returns the server's number.
                self.cookie_returned |= seen.from == Side::Client && !opcode.is_hard_reset();
                self.tell_cut(seen, opcode, lacking);
            }
            _ => {}
        }
    }

    /// What is known of a session by the header of a packet, which nothing confirms.
    fn begins_with_a_part(&mut self, seen: &Seen<'_>, opcode: Opcode, key_id: KeyId) {
        let begins = match self.generations.last().map(|last| last.key_id) {
            None => key_id == KeyId::FIRST,
            Some(last) => key_id == last.next(),
        };
        if begins {
            self.generation(key_id);
        }
        if opcode.is_hard_reset() {
            self.cut.is_reset = true;
            let Ok(header) = ControlHeader::parse(seen.bytes) else { return };
            let session = match seen.from {
                Side::Client => &mut self.client_session,
                Side::Server => &mut self.server_session,
            };
            session.get_or_insert(header.session_id);
        }
    }

    /// One gap for what was cut in a row.
    fn tell_cut(&mut self, seen: Seen<'_>, opcode: Opcode, lacking: u32) {
        let handshake = self.newest();
        let stands_in = self.place_of_cut(opcode);
        let last = self.facts.all().len().checked_sub(1);
        let last = last.and_then(|last| self.facts.get_mut(last)).filter(|last| {
            let is_there =
                |at: &Option<Chapter>| opcode.is_hard_reset() == (*at == Some(Chapter::Knock));
            (last.kind, last.handshake) == (Kind::CutShort, handshake)
                && matches!(&last.detail, Detail::Unkept { stands_in, .. } if is_there(stands_in))
        });
        let captured = seen.bytes.len() as u64;
        let sent = captured + u64::from(lacking);
        let cut = &mut self.cut;
        match last {
            Some(gap) => {
                cut.packets += 1;
                cut.captured += captured;
                cut.sent += sent;
                gap.fields = lengths(cut.packets, cut.captured, cut.sent);
                if gap.basis.len() < MOST_PLACES {
                    gap.basis.extend(seen.places);
                }
                if let Detail::Unkept { both_ways, .. } = &mut gap.detail {
                    *both_ways |= gap.from != seen.from;
                }
            }
            None => {
                (cut.packets, cut.captured, cut.sent) = (1, captured, sent);
                let fields = lengths(1, captured, sent);
                let mut gap = fact(&seen, Kind::CutShort, fields, Source::Gap, handshake);
                gap.detail = Detail::unkept(stands_in, false);
                self.facts.push(gap);
            }
        }
    }

    /// The part that a gap stands in, where that does not follow from what stands around it: behind the resets TLS begins.
    fn place_of_cut(&self, opcode: Opcode) -> Option<Chapter> {
        let last = self.facts.all().last();
        let knocks = |chapter| chapter == Chapter::Knock;
        match opcode.is_hard_reset() {
            true => Some(Chapter::Knock),
            false => last
                .is_some_and(|last| match last.detail {
                    Detail::Unkept { stands_in: Some(chapter), .. } => knocks(chapter),
                    _ => knocks(last.kind.entry().chapter) && last.kind != Kind::CutShort,
                })
                .then_some(Chapter::Hello),
        }
    }
}
