//! Handshakes of a running gateway, told by itself: nobody can decrypt them once they are over.
//!
//! 1. While a handshake runs, a [`Trace`] holds what the gateway hears and says in it.
//! 2. When it is over, [`Trace::keep`] reads it with the secrets, which are gone with that, and leaves [`Kept`].
//! 3. Whenever somebody asks, a [`Meeting`] tells the story of it, with what the gateway judged.
//!
//! Invariant: what is kept is facts, of a bounded size, and holds no secret. What was not kept is a gap that says why.

use std::sync::Arc;

use wire::control::ControlPacket;
use wire::{KeyId, SessionId};

use crate::catalogue::Kind;
use crate::fact::{Fact, Facts, KeyName};
use crate::field;
use crate::key_log::KeyLog;
use crate::openvpn::{DataUse, Listed, OpenedControl, Session};
use crate::place::{Place, Seen, Side};
use crate::story::Use;
use crate::tls::Checked;

mod connection;
mod lack;
mod live_key;
mod meeting;

pub use crate::verdict::{Dropped, Outcome, Verdict};
pub use connection::TlsHandshake;
pub use lack::Lack;
pub use live_key::{LiveKey, OpenSession};
pub use meeting::Meeting;

/// The most that is kept of one connection, and the most bytes of a handshake that is still under way.
pub const MOST_KEPT: usize = 32 * 1024;

/// A handshake under way.
pub struct Trace {
    client: SessionId,
    server: SessionId,
    /// Bytes that the wrapping adds to each packet.
    wrapping: usize,
    /// The key id and number of a renewal; nothing for a session's first handshake.
    renewal: Option<(KeyId, u32)>,
    pieces: Vec<Piece>,
    size: usize,
    lacks: bool,
}

enum Piece {
    Heard { at: u64, opened: OpenedControl },
    Said { at: u64, bytes: Vec<u8> },
}

impl Trace {
    /// Of a client whose number came back, so that the gateway knows both.
    pub fn begin(client: SessionId, server: SessionId, wrapping: usize) -> Trace {
        let (pieces, renewal) = (Vec::new(), None);
        Trace { client, server, wrapping, renewal, pieces, size: 0, lacks: false }
    }

    /// Of a renewal of the same session, its `number`th, under this key id.
    #[must_use]
    pub fn renewal(&self, key_id: KeyId, number: u32) -> Trace {
        let renewal = Some((key_id, number));
        Trace { renewal, ..Trace::begin(self.client, self.server, self.wrapping) }
    }

    /// Whether it is of a renewal under this key id.
    pub fn is_under(&self, key_id: KeyId) -> bool {
        self.renewal.is_some_and(|(mine, _)| mine == key_id)
    }

    /// The same without what was held, to begin renewals from.
    #[must_use]
    pub fn emptied(&self) -> Trace {
        Trace::begin(self.client, self.server, self.wrapping)
    }

    /// A packet came, whose wrapping was right. Times are microseconds since 1970.
    pub fn heard(&mut self, at: u64, packet: &ControlPacket, stamp: Option<(u32, u32)>) {
        if self.has_room_for(packet.payload.len()) {
            let opened = OpenedControl::heard(packet.clone(), stamp);
            self.pieces.push(Piece::Heard { at, opened });
        }
    }

    /// A packet of ours leaves, wrapped.
    pub fn said(&mut self, at: u64, datagram: &[u8]) {
        if self.has_room_for(datagram.len()) {
            self.pieces.push(Piece::Said { at, bytes: datagram.to_vec() });
        }
    }

    fn has_room_for(&mut self, length: usize) -> bool {
        self.size += length + PIECE;
        self.lacks |= self.size > MOST_KEPT;
        !self.lacks
    }

    /// Reads one that failed, or may have. The secrets are needed for this alone.
    pub fn keep(&self, log: KeyLog) -> Kept {
        self.read_all(log, Checked::Signatures)
    }

    /// Reads one that went well, in which the gateway found everything right: nothing of that is calculated again.
    pub fn keep_good(&self, log: KeyLog) -> Kept {
        self.read_all(log, Checked::All)
    }

    fn read_all(&self, log: KeyLog, checked: Checked) -> Kept {
        let (log, client, server) = (Arc::new(log), self.client, self.server);
        let mut session = match self.renewal {
            None => Session::after_the_gate(log, client, server, checked),
            Some(renewal) => Session::of_renewal(log, client, server, renewal, checked),
        };
        for (frame, piece) in (1..).zip(&self.pieces) {
            self.read(&mut session, frame, piece);
        }
        let uses = session.uses().collect();
        let Session { facts, packets, data, .. } = session;
        Kept::cut(facts, packets, data, uses, self.lacks)
    }

    fn read(&self, session: &mut Session, frame: u32, piece: &Piece) {
        match piece {
            Piece::Heard { at, opened } => {
                // What stands before the payload was checked, and is not held.
                let length = self.wrapping + opened.packet().encoded_len();
                let places = vec![whole(frame, length)];
                let bytes = &opened.packet().payload;
                session.verified(&Seen { at: *at, from: Side::Client, bytes, places }, opened);
            }
            Piece::Said { at, bytes } => {
                if let Some(opened) = OpenedControl::said(bytes, self.wrapping) {
                    session.verified(&seen(*at, Side::Server, frame, bytes), &opened);
                }
            }
        }
    }
}

/// What a packet costs beside its bytes.
const PIECE: usize = 100;

fn seen(at: u64, from: Side, frame: u32, bytes: &[u8]) -> Seen<'_> {
    Seen { at, from, bytes, places: vec![whole(frame, bytes.len())] }
}

fn whole(frame: u32, length: usize) -> Place {
    Place { frame, offset: 0, length: length as u32 }
}

impl std::fmt::Debug for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trace").field("pieces", &self.pieces.len()).finish_non_exhaustive()
    }
}

/// What is kept of a handshake that is over: facts, and no secret.
pub struct Kept {
    facts: Vec<Fact>,
    packets: Vec<Listed>,
    data: Vec<DataUse>,
    uses: Vec<(KeyName, Use)>,
    size: usize,
    lacks: bool,
    /// Why what came behind it is not there.
    rest: Option<Lack>,
    renewal: Option<Box<Kept>>,
}

impl Kept {
    /// With its last renewal in the place of a former one, as far as there is room for it.
    #[must_use]
    pub fn renewed(&self, renewal: Kept) -> Kept {
        let (mut first, mut renewal) = (self.alone(), renewal);
        if first.size + renewal.size > MOST_KEPT {
            first.forget_packets();
            renewal.forget_packets();
        }
        for others in SHORT {
            if first.size + renewal.size > MOST_KEPT {
                first.shorten(others);
                renewal.shorten(others);
            }
        }
        match first.size + renewal.size <= MOST_KEPT {
            true => {
                renewal.number_behind(first.last_frame());
                first.renewal = Some(Box::new(renewal));
            }
            false => first.lacks = true,
        }
        first
    }

    /// The first handshake.
    fn alone(&self) -> Kept {
        Kept {
            facts: self.facts.clone(),
            packets: self.packets.clone(),
            data: self.data.clone(),
            uses: self.uses.clone(),
            size: self.size,
            lacks: self.lacks,
            rest: self.rest,
            renewal: None,
        }
    }

    /// Leaves the longest lists of values their beginnings, and says so there.
    fn shorten(&mut self, others: usize) {
        for fact in &mut self.facts {
            field::shorten(&mut fact.fields, others);
        }
        let facts: usize = self.facts.iter().map(Fact::size).sum();
        self.size = facts + self.packets.len() * PACKET;
    }

    fn forget_packets(&mut self) {
        self.size -= self.packets.len() * PACKET;
        self.packets = Vec::new();
    }

    fn last_frame(&self) -> u32 {
        let places = self.facts.iter().flat_map(|fact| &fact.basis).map(|place| place.frame);
        places.chain(self.packets.iter().map(|packet| packet.frame)).max().unwrap_or(0)
    }

    /// Frames are counted on from there, so that a number stands for one packet of the connection.
    fn number_behind(&mut self, last: u32) {
        let places = self.facts.iter_mut().flat_map(|fact| &mut fact.basis);
        places.for_each(|place| place.frame = place.frame.saturating_add(last));
        self.packets.iter_mut().for_each(|packet| packet.frame = packet.frame.saturating_add(last));
    }

    fn newest(&self) -> u32 {
        self.facts.iter().map(|fact| fact.handshake).max().unwrap_or(0)
    }

    /// As much of it as may be kept: what was said is worth more than the packets that it came in.
    fn cut(
        facts: Facts,
        mut packets: Vec<Listed>,
        data: Vec<DataUse>,
        uses: Vec<(KeyName, Use)>,
        lacks: bool,
    ) -> Kept {
        let none = Vec::new();
        let mut kept = Kept {
            facts: Vec::new(),
            packets: none,
            data,
            uses,
            size: 0,
            lacks,
            rest: None,
            renewal: None,
        };
        for fact in facts.into_all() {
            let size = fact.size();
            if kept.size + size > MOST_KEPT {
                kept.lacks = true;
                break;
            }
            kept.size += size;
            kept.facts.push(fact);
        }
        packets.truncate((MOST_KEPT - kept.size) / PACKET);
        kept.size += packets.len() * PACKET;
        kept.packets = packets;
        kept.facts.shrink_to_fit();
        kept
    }

    /// Whether both sides finished the handshake of TLS: what ended it came behind that.
    pub fn is_complete(&self) -> bool {
        let has = |kind| self.facts.iter().any(|fact| fact.kind == kind);
        has(Kind::ClientFinished) && has(Kind::ServerFinished)
    }

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.size + self.renewal.as_ref().map_or(0, |renewal| renewal.size)
    }
}

/// How many values of a step stay beside the first of each name, where room is short and where it is shorter.
const SHORT: [usize; 2] = [16, 2];
/// What one packet of the list takes.
const PACKET: usize = size_of::<Listed>();

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("facts", &self.facts.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fact::Detail;
    use crate::field::Field;
    use crate::story::{Protocol, Source};

    #[test]
    fn where_room_is_short_no_sentence_changes_and_no_frame_has_the_number_of_another() {
        let kept = of(hello(0)).renewed(of(hello(1)));
        assert!(kept.renewal.is_some() && kept.size() <= MOST_KEPT, "{} bytes", kept.size());
        let story = Meeting {
            protocol: Protocol::OpenVpn,
            transport: "udp",
            client: String::new(),
            server: String::new(),
            at: 0,
            renewed: None,
            kept: Ok(&kept),
            judgements: Vec::new(),
            records: None,
            keys: Vec::new(),
            outcome: Outcome::Open,
        }
        .story();
        let hellos = story.steps.iter().filter(|step| step.entry == "client_hello");
        let hellos: Vec<_> = hellos.collect();
        assert_eq!(hellos.len(), 2);
        for hello in &hellos {
            assert!(hello.sentence.ends_with("sends its half of a fresh secret."), "{hello:?}");
            assert!(hello.fields.iter().any(|field| field.name == field::LEFT_OUT));
        }
        assert_ne!(hellos[0].basis, hellos[1].basis);
    }

    /// So long that two of them have no room.
    fn hello(handshake: u32) -> Fact {
        let mut fields: Vec<Field> =
            (0..300).map(|suite| Field::code("cipher_suite", suite, None)).collect();
        fields.push(Field::code("key_share_group", 29, Some("x25519")));
        Fact {
            at: 1,
            from: Side::Client,
            kind: Kind::ClientHello,
            fields,
            basis: vec![whole(1, 1_000)],
            key: None,
            handshake,
            source: Source::Seen,
            detail: Detail::None,
        }
    }

    fn of(fact: Fact) -> Kept {
        let mut facts = Facts::default();
        facts.push(fact);
        Kept::cut(facts, Vec::new(), Vec::new(), Vec::new(), false)
    }
}
