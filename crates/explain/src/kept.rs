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

use crate::arrived;
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts, KeyName};
use crate::field::Field;
use crate::key_log::KeyLog;
use crate::openvpn::{DataUse, Listed, OpenedControl, Session};
use crate::place::{Place, Seen, Side};
use crate::story::{Inquiry, Judgement, Protocol, Source, Story, Use};
use crate::tell::{Conversation, clocks, tell_as};
use crate::tls::Checked;

mod connection;

mod live_key;

pub use crate::verdict::{Dropped, Outcome, Verdict};
pub use connection::TlsHandshake;
pub use live_key::{LiveKey, OpenSession};

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
        if first.size + renewal.size > MOST_KEPT {
            first.shorten();
            renewal.shorten();
        }
        match first.size + renewal.size <= MOST_KEPT {
            true => first.renewal = Some(Box::new(renewal)),
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
    fn shorten(&mut self) {
        for fact in &mut self.facts {
            let more = fact.fields.len().saturating_sub(SHORT);
            if more > 0 {
                fact.fields.truncate(SHORT);
                fact.fields.push(Field::number("values_not_kept", more as u64));
            }
        }
        let facts: usize = self.facts.iter().map(Fact::size).sum();
        self.size = facts + self.packets.len() * PACKET;
    }

    fn forget_packets(&mut self) {
        self.size -= self.packets.len() * PACKET;
        self.packets = Vec::new();
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

    /// About how many bytes it takes.
    pub fn size(&self) -> usize {
        self.size + self.renewal.as_ref().map_or(0, |renewal| renewal.size)
    }
}

/// How many values of a list stay where room is short.
const SHORT: usize = 16;
/// What one packet of the list takes.
const PACKET: usize = size_of::<Listed>();

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("facts", &self.facts.len()).finish_non_exhaustive()
    }
}

/// Why something is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// It comes before a gateway keeps anything of anybody.
    Stateless,
    /// The settings say so.
    Off,
    /// It went well, and only those are kept that don't.
    OnlyFailures,
    /// The settings say so since later.
    Before,
    /// It is a renewal before the last one.
    Renewals,
    /// It is longer than what is kept of one.
    TooLong,
    /// TLS ends behind the gateway, which reads the client's first message.
    PassedOn,
    /// It is what is said inside TLS.
    Inside,
    /// There was no whole first message of TLS, or no time to read it.
    NoMessage,
    /// Packets that are dropped without an answer are counted and not kept.
    Dropped,
    /// What is lost on its way leaves nothing.
    Unheard,
    /// It was pushed out by later ones, or is not over yet.
    NotThere,
}

impl Lack {
    /// As a sentence.
    pub fn sentence(self) -> &'static str {
        match self {
            Lack::Stateless => {
                "knock and answer: a gateway keeps nothing for a stranger before its number has come back"
            }
            Lack::Off => "explain.keep is off, or was at that time",
            Lack::OnlyFailures => {
                "explain.keep is failures, and this handshake went well; with all it would be here"
            }
            Lack::Before => {
                "this handshake was over before explain.keep became all, or is not over yet"
            }
            Lack::Renewals => "of renewals the last one is kept, and the session's first handshake",
            Lack::TooLong => "more was said than the 32 KiB that are kept of one connection",
            Lack::PassedOn => {
                "TLS ends at the service behind the gateway, which reads the client's first message and can't open what follows"
            }
            Lack::Inside => {
                "what is said inside TLS after the handshake is carried, and neither read nor kept"
            }
            Lack::NoMessage => {
                "no whole first message of TLS came, or too many were refused in that second for it to be read"
            }
            Lack::Dropped => {
                "packets that are dropped without an answer are counted; from whom they came is not kept"
            }
            Lack::Unheard => {
                "what is lost on its way leaves nothing here; what arrives raises a count, and of its sender nothing is kept"
            }
            Lack::NotThere => {
                "the handshake is not over yet, later ones took its place, or too many failed in that second"
            }
        }
    }

    fn fact(self, at: u64) -> Fact {
        self.of(Side::Client, at)
    }

    fn of(self, from: Side, at: u64) -> Fact {
        Fact {
            at,
            from,
            kind: if self == Lack::Unheard { Kind::NotHeard } else { Kind::NotKept },
            fields: vec![Field::text("why", self.sentence())],
            basis: Vec::new(),
            key: None,
            handshake: 0,
            source: Source::Gap,
            detail: Detail::None,
        }
    }
}

/// A connection as its gateway tells it.
#[derive(Debug)]
pub struct Meeting<'a> {
    /// What is spoken on it.
    pub protocol: Protocol,
    /// `udp` or `tcp`.
    pub transport: &'static str,
    /// Where it came from.
    pub client: String,
    /// The address of ours that it spoke to, or who that is.
    pub server: String,
    /// When it was first heard of, in microseconds since 1970.
    pub at: u64,
    /// What was kept of its handshake.
    pub kept: Result<&'a Kept, Lack>,
    /// What the gateway judged, in the words of its log.
    pub judgements: Vec<Judgement>,
    /// What its records say of the client's certificate.
    pub records: Option<Inquiry>,
    /// The tunnel's keys as they are at this moment.
    pub keys: Vec<LiveKey>,
    /// What has become of it.
    pub outcome: Outcome,
}

/// Reasons behind which a clock may be.
const ABOUT_TIME: [&str; 5] =
    ["expired", "not_yet_valid", "ca_expired", "silent_after_our_certificate", "tls_failed"];

impl Meeting<'_> {
    /// Its story.
    pub fn story(&self) -> Story {
        let session = self.session();
        let mut uses = self.kept.map(|kept| kept.uses.clone()).unwrap_or_default();
        if let Ok(Kept { renewal: Some(renewal), .. }) = self.kept {
            uses.extend(renewal.uses.iter().copied());
        }
        let told = tell_as(
            &Conversation {
                transport: self.transport,
                client: self.client.clone(),
                server: self.server.clone(),
                facts: &session.facts,
                session: (self.protocol == Protocol::OpenVpn).then_some(&session),
                closed: None,
                own: None,
                uses,
            },
            Some(&self.outcome),
        );
        // There is a gap at least.
        let mut story = told.unwrap_or_else(|| self.nothing());
        story.judgements.clone_from(&self.judgements);
        story.judgements.extend(self.arrived(&session));
        story.judgements.extend(self.clocks(&session));
        self.say_of_records(&mut story);
        // Each is followed by one of its own kind alone.
        let next = self.keys.iter().skip(1).map(Some).chain([None]);
        let next =
            next.zip(&self.keys).map(|(next, key)| next.filter(|next| next.kind == key.kind));
        for (key, next) in self.keys.iter().zip(next) {
            key.join(&mut story.keys, key.line(story.began, next));
        }
        story
    }

    /// Of a handshake that failed, what is known of both clocks: where they are apart, or a certificate's time may be why.
    fn clocks(&self, session: &Session) -> Option<Judgement> {
        let Outcome::Over(verdict) = &self.outcome else { return None };
        let by = &self.judgements.first()?.by;
        let (agree, sentence) = clocks::at_the_gateway(session.facts.all())?;
        let is_told = !agree || ABOUT_TIME.contains(&verdict.code.as_str());
        is_told.then(|| Judgement { by: by.clone(), sentence })
    }

    /// Of a client that fell silent: whether what was said to it has come.
    fn arrived(&self, session: &Session) -> Option<Judgement> {
        let is_silent = matches!(&self.outcome, Outcome::Over(verdict) if verdict.by.is_none());
        let by = &self.judgements.first().filter(|_| is_silent)?.by;
        let sentence = arrived::at_the_client(&session.packets)?;
        Some(Judgement { by: by.clone(), sentence })
    }

    /// What was kept, between gaps that say what was not.
    fn session(&self) -> Session {
        let mut session = Session::new(Arc::default(), crate::capture::Keys::default());
        if let Outcome::Dropped { what, why } = &self.outcome {
            // It is of no handshake of which something may be kept.
            session.facts.push(what.fact(self.at, why));
            return session;
        }
        match self.kept {
            Err(lack) => {
                session.facts.push(lack.fact(self.at));
                if lack == Lack::Stateless {
                    // Whoever knocked was answered.
                    session.facts.push(lack.of(Side::Server, self.at));
                }
            }
            Ok(kept) => {
                let began = kept.facts.first().map_or(self.at, |fact| fact.at);
                if self.protocol == Protocol::OpenVpn {
                    session.facts.push(Lack::Stateless.fact(began));
                }
                kept.facts.iter().for_each(|fact| session.facts.push(fact.clone()));
                session.packets.clone_from(&kept.packets);
                if kept.lacks {
                    let last = kept.facts.last().map_or(self.at, |fact| fact.at);
                    session.facts.push(Lack::TooLong.fact(last));
                }
                if let Some(renewal) = &kept.renewal {
                    let began = renewal.facts.first().map_or(self.at, |fact| fact.at);
                    if renewal.newest() > 1 {
                        session.facts.push(Lack::Renewals.fact(began));
                    }
                    renewal.facts.iter().for_each(|fact| session.facts.push(fact.clone()));
                    session.packets.extend(&renewal.packets);
                }
                session.data.clone_from(&kept.data);
                if let Some(rest) = kept.rest {
                    let last = kept.facts.last().map_or(self.at, |fact| fact.at);
                    session.facts.push(rest.fact(last));
                }
            }
        }
        if let Outcome::Ended { at, why } = &self.outcome {
            // Nothing that was kept of it can come later.
            let all = session.facts.all().iter();
            let (last, newest) = all.fold((*at, 0), |(last, newest), fact| {
                (fact.at.max(last), fact.handshake.max(newest))
            });
            session.facts.push(why.end(last, newest));
        }
        session
    }

    fn say_of_records(&self, story: &mut Story) {
        let Some(records) = &self.records else { return };
        let theirs = story.certificates.iter_mut();
        let own = |have: &&mut crate::story::Certificate| {
            have.shown_by == Side::Client && have.depth == 0
        };
        if let Some(certificate) = theirs.rev().find(own) {
            certificate.inquiries.insert(0, records.clone());
        }
    }

    fn nothing(&self) -> Story {
        Story {
            title: "A connection".to_owned(),
            protocol: self.protocol,
            transport: self.transport.to_owned(),
            client: self.client.clone(),
            server: self.server.clone(),
            began: self.at,
            steps: Vec::new(),
            missing: Vec::new(),
            keys: Vec::new(),
            certificates: Vec::new(),
            packets: Vec::new(),
            judgements: Vec::new(),
            ending: crate::story::Ending::Cut,
        }
    }
}
