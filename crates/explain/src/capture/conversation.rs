//! One conversation of a capture: which protocol it is, and its bytes into that protocol's decoder.

use super::Known;
use super::tcp::{Cut, Ready, Stream};
use crate::catalogue::Kind;
use crate::fact::{Fact, Facts};
use crate::in_the_clear::InTheClear;
use crate::openvpn::{Framed, Opened, Session, TunnelPacket, lengths};
use crate::place::{Chunk, Queue, Seen, Side};
use crate::story::Story;
use crate::tell::{Conversation as Told, tell};
use crate::tls::{Connection, Event};

/// Bytes of a client's that say which protocol it speaks.
const ENOUGH_TO_KNOW: usize = 3;

/// Addresses, written.
#[derive(Clone, Debug)]
pub(super) struct Ends {
    pub(super) client: String,
    pub(super) server: String,
}

/// What conversations are read with.
#[derive(Clone)]
pub(super) struct Reading {
    pub(super) known: Known,
    /// Whether data packets of tunnels are opened too.
    pub(super) opening: bool,
}

impl Reading {
    fn session(&self) -> Session {
        let session = Session::new(self.known.log.clone(), self.known.keys.clone());
        if self.opening { session.opening() } else { session }
    }
}

/// A UDP conversation that speaks OpenVPN.
pub(super) struct OverUdp {
    ends: Ends,
    session: Box<Session>,
}

impl OverUdp {
    pub(super) fn new(ends: Ends, reading: &Reading) -> Self {
        Self { ends, session: Box::new(reading.session()) }
    }

    pub(super) fn take_opened(&mut self) -> (Vec<TunnelPacket>, Opened) {
        self.session.take_opened()
    }

    /// A datagram, of which so many bytes were not captured behind those that are there.
    pub(super) fn packet(&mut self, chunk: Chunk<'_>, lacking: u32, way: u64) {
        match lacking {
            0 => self.session.datagram(chunk, way),
            _ => self.session.cut_short(chunk, lacking, way),
        }
    }

    /// How many packets came again at once, as from another interface.
    pub(super) fn copies(&self) -> u64 {
        self.session.copies()
    }

    pub(super) fn is_over_with(&self, datagram: &[u8]) -> bool {
        self.session.is_over_with(datagram)
    }

    /// The client has begun another one in its place.
    pub(super) fn followed(&mut self) {
        self.session.followed();
    }

    /// What was observed of it until this moment.
    pub(super) fn story(mut self, until: u64) -> Option<Story> {
        self.session.end();
        self.session.observed_until(until);
        tell(&Told {
            transport: "udp",
            client: self.ends.client.clone(),
            server: self.ends.server.clone(),
            facts: &self.session.facts,
            session: Some(&self.session),
            closed: None,
            own: None,
            uses: self.session.uses().collect(),
        })
    }
}

/// A TCP connection.
pub(super) struct OverTcp {
    ends: Ends,
    reading: Reading,
    client: Stream,
    server: Stream,
    speech: Speech,
    closed: Option<(Side, bool)>,
    /// Whether anything of the client and of the server is in the capture.
    is_there: [bool; 2],
    /// Whether the capture program cut any segment that would have been read.
    is_cut: bool,
}

enum Speech {
    /// What the client said so far, too little to know.
    Unknown(Queue),
    /// A text protocol that may lead to TLS.
    Clear(Box<(InTheClear, Facts)>),
    Tls(Box<(Connection, Facts)>),
    OpenVpn(Box<Framed>),
    /// Neither.
    Other,
}

impl OverTcp {
    pub(super) fn new(ends: Ends, reading: Reading) -> Self {
        Self {
            ends,
            reading,
            client: Stream::default(),
            server: Stream::default(),
            speech: Speech::Unknown(Queue::default()),
            closed: None,
            is_there: [false; 2],
            is_cut: false,
        }
    }

    pub(super) fn take_opened(&mut self) -> (Vec<TunnelPacket>, Opened) {
        match &mut self.speech {
            Speech::OpenVpn(framed) => framed.session.take_opened(),
            _ => (Vec::new(), Opened::default()),
        }
    }

    fn stream(&mut self, side: Side) -> &mut Stream {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    pub(super) fn begin(&mut self, side: Side, sequence: u32) {
        self.stream(side).begin(sequence);
    }

    /// A segment of this side is in the capture, whatever it carries.
    pub(super) fn shows(&mut self, side: Side) {
        let [client, server] = &mut self.is_there;
        match side {
            Side::Client => *client = true,
            Side::Server => *server = true,
        }
    }

    /// True once nothing that comes can be told.
    pub(super) fn is_other(&self) -> bool {
        matches!(self.speech, Speech::Other)
    }

    pub(super) fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// A segment, of which so many bytes were not captured behind those that are there.
    pub(super) fn segment(&mut self, sequence: u32, chunk: &Chunk<'_>, lacking: u32) {
        let from = chunk.from;
        match self.stream(from).push(sequence, chunk, lacking) {
            Ready::Bytes(chunks) => chunks.iter().for_each(|chunk| self.bytes(&chunk.seen(from))),
            Ready::Until(chunks, cut) => {
                chunks.iter().for_each(|chunk| self.bytes(&chunk.seen(from)));
                self.is_cut = true;
                self.lost(from, cut.at, Some(cut));
            }
            Ready::Lost(at) => self.lost(from, at, None),
        }
    }

    /// A side has sent all before this number.
    pub(super) fn has_sent(&mut self, side: Side, before: u32, at: u64) {
        self.stream(side).has_sent(before, at);
    }

    pub(super) fn close(&mut self, by: Side, reset: bool) {
        self.closed.get_or_insert((by, reset));
    }

    /// Bytes of this side are missing for good, before what came at this time; or were cut off here.
    fn lost(&mut self, from: Side, at: u64, cut: Option<Cut>) {
        let nothing = Seen { at, from, bytes: &[], places: Vec::new() };
        let facts = match &mut self.speech {
            Speech::Tls(tls) => {
                let (connection, facts) = &mut **tls;
                keep(connection.lost(&nothing), facts);
                facts
            }
            Speech::OpenVpn(framed) => {
                framed.lost(&nothing);
                &mut framed.session.facts
            }
            Speech::Unknown(_) | Speech::Clear(_) | Speech::Other => return,
        };
        let last = facts.all().len().checked_sub(1).and_then(|last| facts.get_mut(last));
        if let (Some(cut), Some(gap)) = (cut, last) {
            is_cut_off(gap, cut);
        }
    }

    fn bytes(&mut self, seen: &Seen<'_>) {
        if self.speech.leads_to_tls(seen) {
            let facts = self.speech.take_facts();
            let connection = Connection::new(0, self.reading.known.log.clone());
            self.speech = Speech::Tls(Box::new((connection, facts)));
        }
        match &mut self.speech {
            Speech::Clear(clear) => {
                let (clear, facts) = &mut **clear;
                if !clear.hear(seen, facts) {
                    self.speech = Speech::Other;
                }
            }
            Speech::Unknown(said) if seen.from == Side::Client => {
                said.push_seen(seen);
                self.recognise(seen.at);
            }
            // The client is not in this capture.
            Speech::Unknown(said) if said.len() == 0 && answers(seen.bytes) => {
                self.speech = self.speech_of(seen.bytes);
                self.bytes(seen);
            }
            // A server that speaks first may offer TLS.
            Speech::Unknown(_) => self.clear(seen),
            Speech::Tls(tls) => {
                let (connection, facts) = &mut **tls;
                keep(connection.push(seen), facts);
            }
            Speech::OpenVpn(framed) => framed.bytes(seen),
            Speech::Other => {}
        }
    }

    /// Words of a text protocol; other bytes lead nowhere.
    fn clear(&mut self, seen: &Seen<'_>) {
        let text = seen
            .bytes
            .iter()
            .take(8)
            .all(|byte| byte.is_ascii_graphic() || byte.is_ascii_whitespace());
        if !text {
            self.speech = Speech::Other;
            return;
        }
        self.speech = Speech::Clear(Box::default());
        self.bytes(seen);
    }

    /// The client's first bytes say what it speaks.
    fn recognise(&mut self, at: u64) {
        let Speech::Unknown(said) = &mut self.speech else { return };
        let Some([first, second, third]) = said.peek::<ENOUGH_TO_KNOW>() else { return };
        let length = said.len();
        let Some((bytes, places)) = said.take(length) else { return };
        self.speech = match (first, second, third) {
            // A client's reset behind its length, in any wrapping that is known here.
            (22, 3, 0..=4) | (0, 14..=255, 0x38) | (0..=4, _, 0x50) => self.speech_of(&bytes),
            _ if first.is_ascii_graphic() => {
                return self.clear(&Seen { at, from: Side::Client, bytes: &bytes, places });
            }
            _ => Speech::Other,
        };
        self.bytes(&Seen { at, from: Side::Client, bytes: &bytes, places });
    }

    /// What began with these bytes.
    fn speech_of(&self, bytes: &[u8]) -> Speech {
        if matches!(bytes, [21 | 22, 3, ..]) {
            let connection = Connection::new(0, self.reading.known.log.clone());
            return Speech::Tls(Box::new((connection, Facts::default())));
        }
        Speech::OpenVpn(Box::new(Framed::new(self.reading.session())))
    }

    /// What was observed of it until this moment.
    pub(super) fn story(&mut self, until: u64) -> Option<Story> {
        for (side, is_there) in [Side::Client, Side::Server].into_iter().zip(self.is_there) {
            if let Some(at) = self.stream(side).hole().filter(|_| is_there) {
                self.lost(side, at, None);
            }
        }
        if let Speech::OpenVpn(framed) = &mut self.speech {
            framed.session.end();
            framed.session.observed_until(until);
        }
        let (facts, session, uses) = match &self.speech {
            Speech::Tls(tls) => (&tls.1, None, tls.0.uses().to_vec()),
            Speech::OpenVpn(framed) => {
                (&framed.session.facts, Some(&framed.session), framed.session.uses().collect())
            }
            Speech::Unknown(_) | Speech::Clear(_) | Speech::Other => return None,
        };
        tell(&Told {
            transport: "tcp",
            client: self.ends.client.clone(),
            server: self.ends.server.clone(),
            facts,
            session,
            // Where one side is not in the capture, nobody can say that it was let down.
            closed: self.closed.filter(|_| self.is_there == [true; 2]),
            own: None,
            uses,
        })
    }
}

impl Speech {
    /// True if TLS begins with these bytes, after words in the clear.
    fn leads_to_tls(&self, seen: &Seen<'_>) -> bool {
        matches!(self, Speech::Clear(_)) && InTheClear::is_over(seen)
    }

    fn take_facts(&mut self) -> Facts {
        match self {
            Speech::Clear(clear) => std::mem::take(&mut clear.1),
            _ => Facts::default(),
        }
    }
}

/// Whether a server answers so to what is not in the capture: a message or an alert of TLS, or a reset behind its length.
fn answers(bytes: &[u8]) -> bool {
    matches!(bytes, [21 | 22, 3, 0..=4, ..] | [0, 14..=255, 0x40, ..])
}

/// Tells of bytes that are missing that the capture program left them away.
fn is_cut_off(gap: &mut Fact, cut: Cut) {
    if (gap.kind, gap.at) == (Kind::Missing, cut.at) {
        gap.kind = Kind::CutShort;
        gap.basis = Vec::from_iter((cut.place.length > 0).then_some(cut.place));
        gap.fields = lengths(1, u64::from(cut.place.length), u64::from(cut.whole));
    }
}

fn keep(events: Vec<Event>, facts: &mut Facts) {
    for event in events {
        match event {
            Event::Fact(fact) => facts.push(fact),
            Event::Later(from, fields) => facts.add_to_data(from, fields),
            Event::Plain(_) => {}
        }
    }
}
