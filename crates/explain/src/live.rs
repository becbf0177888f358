//! A connection of our own, told while it runs: the caller hands in what it reads and writes.
//!
//! 1. Make one for what carries it.
//! 2. Hand in every chunk of either side, in order.
//! 3. When all is said, [`Live::story`], with the secrets that the connection has logged.

use std::sync::Arc;

use crate::capture::{Keys, Known};
use crate::catalogue::Kind;
pub use crate::fact::Shown;
use crate::fact::{Detail, Fact, Facts};
use crate::field::Field;
use crate::in_the_clear::InTheClear;
use crate::key_log::KeyLog;
use crate::openvpn::{Framed, Session};
use crate::place::{Chunk, Side};
use crate::story::{Judgement, Source, Story, Wanted};
use crate::tell::{Conversation, tell_as};
use crate::tls::{Connection, Event};
use crate::verdict::{Outcome, Verdict};

/// What is kept of a connection that is told afterwards: its secrets come last, and its bytes before them.
pub struct Live {
    transport: &'static str,
    client: String,
    server: String,
    chunks: Vec<Kept>,
    size: usize,
    judgements: Vec<Judgement>,
    keys: Keys,
    outcome: Option<Outcome>,
    closed: Option<(Side, bool)>,
    asked: Option<(u64, String)>,
    /// When and why nothing could be said at all.
    unreached: Option<(u64, String)>,
}

/// The most bytes of a connection that are kept.
const MOST_BYTES: usize = 1024 * 1024;
const MOST_CHUNKS: usize = 10_000;

struct Kept {
    at: u64,
    from: Side,
    frame: u32,
    bytes: Vec<u8>,
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speech {
    /// TLS over TCP, from the first byte on or after words in the clear.
    Tls,
    /// OpenVPN: over UDP each chunk is a packet, over TCP a part of the stream.
    OpenVpn,
}

impl Live {
    /// A connection over `udp` or `tcp`.
    pub fn new(transport: &'static str) -> Live {
        let nobody = String::new;
        Live {
            transport,
            client: nobody(),
            server: nobody(),
            chunks: Vec::new(),
            size: 0,
            judgements: Vec::new(),
            keys: Keys::default(),
            outcome: None,
            closed: None,
            asked: None,
            unreached: None,
        }
    }

    /// Whose addresses these are.
    pub fn between(&mut self, client: String, server: String) {
        (self.client, self.server) = (client, server);
    }

    /// The keys of tls-auth to check packets with.
    pub fn checked_with(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// What was judged by whoever shook hands.
    pub fn judged(&mut self, judgements: impl IntoIterator<Item = Judgement>) {
        self.judgements.extend(judgements);
    }

    /// That the client which tells it turned away from its server, and why: it knows more of that than its alert says.
    pub fn declined(&mut self, verdict: Verdict) {
        self.outcome = Some(Outcome::Declined(verdict));
    }

    /// That the client which tells it would not go on with this server if it had more to do than to look, and why.
    pub fn distrusted(&mut self, verdict: Verdict) {
        self.outcome = Some(Outcome::Distrusted(verdict));
    }

    /// Why it is over, where what was said does not show that by itself, as before TLS begins.
    pub fn over(&mut self, verdict: Verdict) {
        self.outcome = Some(Outcome::Over(verdict));
    }

    /// Who ended the TCP connection within the handshake, and whether by a reset.
    pub fn closed(&mut self, by: Side, by_a_reset: bool) {
        self.closed = Some((by, by_a_reset));
    }

    /// That the head of a page was asked for inside TLS, until when it was waited for, and why no longer: where it is not
    /// among what came, the story says so.
    pub fn asked_over_http(&mut self, until: u64, why: &str) {
        self.asked = Some((until, why.to_owned()));
    }

    /// That nothing could be said to the server, since when, and why: no way leads there, or no TCP connection came
    /// about.
    pub fn unreached(&mut self, at: u64, why: &str) {
        self.unreached = Some((at, why.to_owned()));
    }

    /// Keeps a chunk. Its frame is its number; what is beyond a megabyte is no handshake any more and not kept.
    pub fn push(&mut self, chunk: &Chunk<'_>) {
        self.size += chunk.bytes.len();
        if self.size <= MOST_BYTES && self.chunks.len() < MOST_CHUNKS {
            let Chunk { at, from, frame, bytes, .. } = *chunk;
            self.chunks.push(Kept { at, from, frame, bytes: bytes.to_vec() });
        }
    }

    /// The story of what was kept, opened with this key log.
    pub fn story(&self, speech: Speech, log: KeyLog) -> Option<Story> {
        self.told(speech, log).map(|(story, _)| story)
    }

    /// The same, with what the server showed of itself, for whoever has to judge it.
    pub fn told(&self, speech: Speech, log: KeyLog) -> Option<(Story, Option<Shown>)> {
        let log = Arc::new(log);
        let (story, shown) = match speech {
            Speech::Tls => self.tls(log),
            Speech::OpenVpn => self.openvpn(Known { log, keys: self.keys.clone() }),
        }?;
        let mut steps = story.steps;
        let wanted = Wanted::of(&steps);
        self.chunks.iter().for_each(|kept| wanted.take(kept.frame, &kept.bytes, &mut steps));
        Some((Story { judgements: self.judgements.clone(), steps, ..story }, shown))
    }

    fn tls(&self, log: Arc<KeyLog>) -> Option<(Story, Option<Shown>)> {
        let mut connection = Connection::new(0, log);
        let mut facts = Facts::default();
        let mut clear = Some(InTheClear::default());
        for kept in &self.chunks {
            if let Some(before) =
                clear.as_mut().filter(|_| !InTheClear::is_over(&kept.chunk().into()))
            {
                before.hear(&kept.chunk().into(), &mut facts);
                continue;
            }
            clear = None;
            for event in connection.push(&kept.chunk().into()) {
                match event {
                    Event::Fact(fact) => facts.push(fact),
                    Event::Later(from, fields) => facts.add_to_data(from, fields),
                    Event::Plain(_) => {}
                }
            }
        }
        if let Some((until, why)) = &self.asked
            && !facts.all().iter().any(answers)
        {
            facts.push(no_answer(*until, why));
        }
        let uses = connection.uses().to_vec();
        self.tell(&Conversation { uses, ..self.conversation(&facts, None) })
    }

    fn openvpn(&self, known: Known) -> Option<(Story, Option<Shown>)> {
        let session = Session::new(known.log, known.keys);
        let mut session = match self.transport {
            "tcp" => self.streamed(session),
            _ => self.packets(session),
        };
        if let Some((at, why)) = &self.unreached {
            session.facts.push(not_reached(*at, why));
        }
        let uses = session.uses().collect();
        self.tell(&Conversation { uses, ..self.conversation(&session.facts, Some(&session)) })
    }

    fn packets(&self, mut session: Session) -> Session {
        self.chunks.iter().for_each(|kept| session.packet(&kept.chunk().into()));
        session
    }

    fn streamed(&self, session: Session) -> Session {
        let mut framed = Framed::new(session);
        self.chunks.iter().for_each(|kept| framed.bytes(&kept.chunk().into()));
        framed.session
    }

    fn tell(&self, conversation: &Conversation<'_>) -> Option<(Story, Option<Shown>)> {
        let story = tell_as(conversation, self.outcome.as_ref())?;
        Some((story, shown(conversation.facts)))
    }

    fn conversation<'a>(&self, facts: &'a Facts, session: Option<&'a Session>) -> Conversation<'a> {
        Conversation {
            transport: self.transport,
            client: self.client.clone(),
            server: self.server.clone(),
            facts,
            session,
            closed: self.closed,
            own: Some(Side::Client),
            uses: Vec::new(),
        }
    }
}

/// Of a server that showed itself more than once, what it showed first: its renewals are checked by the session.
fn shown(facts: &Facts) -> Option<Shown> {
    let of_server = || facts.all().iter().filter(|fact| fact.from == Side::Server);
    let shown = of_server().find_map(|fact| match &fact.detail {
        Detail::Certificates(shown) => Some(shown.clone()),
        _ => None,
    })?;
    let apart = of_server().find_map(|fact| match &fact.detail {
        Detail::Staple(staple) => Some(staple.clone()),
        _ => None,
    });
    Some(Shown { staple: shown.staple.or(apart), ..shown })
}

/// Whether it has the line of HSTS, or says why nothing follows.
fn answers(fact: &Fact) -> bool {
    fact.kind == Kind::Alert || fact.fields.iter().any(|field| field.name == "hsts")
}

fn no_answer(at: u64, why: &str) -> Fact {
    Fact {
        at,
        from: Side::Server,
        kind: Kind::NoAnswer,
        fields: vec![Field::text("reason", why)],
        basis: Vec::new(),
        key: None,
        handshake: 0,
        source: Source::Gap,
        detail: Detail::None,
    }
}

impl Kept {
    fn chunk(&self) -> Chunk<'_> {
        Chunk { at: self.at, from: self.from, frame: self.frame, offset: 0, bytes: &self.bytes }
    }
}

fn not_reached(at: u64, why: &str) -> Fact {
    Fact {
        at,
        from: Side::Client,
        kind: Kind::NotReached,
        fields: vec![Field::text("why", why)],
        basis: Vec::new(),
        key: None,
        handshake: 0,
        source: Source::Judged,
        detail: Detail::None,
    }
}

impl std::fmt::Debug for Live {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Live").field("chunks", &self.chunks.len()).finish_non_exhaustive()
    }
}
