//! One OpenVPN session, from the client's first packet on.

mod copies;
mod cut_short;
mod data;
mod datagrams;
mod generation;
mod missed;
mod renewing;
mod sealed;

pub(crate) use cut_short::lengths;
pub(crate) use data::DataUse;
pub(crate) use datagrams::DATAGRAMS;
pub(crate) use renewing::Asked;
pub(crate) use sealed::{EITHER, GROUPS_KEY, OWN_KEY, SESSIONS_KEY};

use std::sync::Arc;

use wire::control::ControlPacket;
use wire::{KeyId, MessageId, Opcode, SessionId, split_first_byte};

use super::inside::Inside;
use super::joined::Sender;
use super::listed::Listed;
use super::order::{Mark, Order};
use super::packets::{Opened as OpenedData, Opening, TunnelPacket};
use super::wrapping::{Form, Keys, Opened, encrypted};
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, Facts, KeyName};
use crate::field::Field;
use crate::key_log::KeyLog;
use crate::place::{Seen, Side};
use crate::story::{Source, Use, Wrapping};
use crate::tls;
use copies::Copies;
use cut_short::CutShort;
use generation::Generation;
use missed::Gap;
use renewing::Renewing;

/// The most control packets that are listed, and generations of keys that are followed.
const MOST_PACKETS: usize = 2_000;
const MOST_GENERATIONS: usize = 500;

/// Opcode, session id, no acknowledgement and a message id.
const SHORTEST_RESET: usize = 14;

/// What was seen of one session.
pub(crate) struct Session {
    log: Arc<KeyLog>,
    keys: Keys,
    /// What one of both ends has checked, where one tells it.
    of_one_end: Option<tls::Checked>,
    /// Which handshake the first of `generations` is.
    first: u32,
    form: Option<Form>,
    client_session: Option<SessionId>,
    server_session: Option<SessionId>,
    /// Whether the client brought a key of its own along (tls-crypt-v2).
    own_key: bool,
    cookie_returned: bool,
    /// The time that the first packet's wrapping names.
    replay_time: Option<u32>,
    generations: Vec<Generation>,
    /// What is missing, as it turns out; each takes its place among the facts at the end.
    gaps: Vec<Gap>,
    /// Who can't be read any more.
    lost: Vec<Side>,
    pub(crate) facts: Facts,
    pub(crate) packets: Vec<Listed>,
    pub(crate) data: Vec<DataUse>,
    opening: Opening,
    /// What datagrams begin with, of the client and of the server.
    senders: [Sender; 2],
    renewing: Renewing,
    cut: CutShort,
    again: Copies,
}

impl Session {
    pub(crate) fn new(log: Arc<KeyLog>, keys: Keys) -> Self {
        Self {
            log,
            keys,
            of_one_end: None,
            first: 0,
            form: None,
            client_session: None,
            server_session: None,
            own_key: false,
            cookie_returned: false,
            replay_time: None,
            generations: Vec::new(),
            gaps: Vec::new(),
            lost: Vec::new(),
            facts: Facts::default(),
            packets: Vec::new(),
            data: Vec::new(),
            opening: Opening::default(),
            senders: <[Sender; 2]>::default(),
            renewing: Renewing::default(),
            cut: CutShort::default(),
            again: Copies::default(),
        }
    }

    /// The same, which opens data packets too.
    pub(crate) fn opening(self) -> Self {
        Self { opening: Opening::wanted(), ..self }
    }

    /// Data packets that were opened since, and what became of all.
    pub(crate) fn take_opened(&mut self) -> (Vec<TunnelPacket>, OpenedData) {
        self.opening.take()
    }

    /// A session of which a gateway keeps nothing before the client has returned its number.
    pub(crate) fn after_the_gate(
        log: Arc<KeyLog>,
        client: SessionId,
        server: SessionId,
        checked: tls::Checked,
    ) -> Self {
        let new = Session::new(log, Keys::default());
        let generations = Vec::with_capacity(1);
        let mut session = Session { of_one_end: Some(checked), generations, ..new };
        (session.client_session, session.server_session) = (Some(client), Some(server));
        session.generation(KeyId::FIRST);
        for generation in &mut session.generations {
            generation.client = Order::after_the_first();
            generation.server = Order::after_the_first();
        }
        session
    }

    /// A renewal of a session that was there before: its handshake number `number`, under this key id.
    pub(crate) fn of_renewal(
        log: Arc<KeyLog>,
        client: SessionId,
        server: SessionId,
        (key_id, number): (KeyId, u32),
        checked: tls::Checked,
    ) -> Self {
        let new = Session::new(log, Keys::default());
        let (of_one_end, generations) = (Some(checked), Vec::with_capacity(1));
        let mut session =
            Session { of_one_end, first: number, cookie_returned: true, generations, ..new };
        (session.client_session, session.server_session) = (Some(client), Some(server));
        session.generation(key_id);
        session
    }

    /// Takes a packet whose wrapping somebody else has taken off and found right.
    pub(crate) fn verified(&mut self, seen: &Seen<'_>, opened: &Opened) {
        let mark = self.mark(seen.at);
        let again = self.list(seen, opened);
        self.knock(seen, opened, again);
        self.stream(seen, mark, &opened.packet);
    }

    /// Who used which key of the TLS inside.
    pub(crate) fn uses(&self) -> impl Iterator<Item = (KeyName, Use)> {
        self.generations.iter().flat_map(|generation| generation.tls.uses().iter().copied())
    }

    /// True for the first packet of a client, in any wrapping.
    pub(crate) fn begins(datagram: &[u8]) -> bool {
        let opcode = split_first_byte(datagram).map(|(opcode, _)| opcode);
        let resets = [Opcode::CONTROL_HARD_RESET_CLIENT_V2, Opcode::CONTROL_HARD_RESET_CLIENT_V3];
        opcode.is_some_and(|opcode| resets.contains(&opcode))
            && (SHORTEST_RESET..1_500).contains(&datagram.len())
    }

    /// Whether so little of a datagram may be the beginning of a first packet.
    pub(crate) fn may_begin(datagram: &[u8]) -> bool {
        let opcode = split_first_byte(datagram).map(|(opcode, _)| opcode);
        datagram.len() < SHORTEST_RESET && opcode.is_none_or(Opcode::is_hard_reset)
    }

    /// Whose first packet this is: where the client is not in a capture, the server's answer comes first.
    pub(crate) fn begun_by(datagram: &[u8]) -> Option<Side> {
        let answers = split_first_byte(datagram)
            .is_some_and(|(opcode, _)| opcode == Opcode::CONTROL_HARD_RESET_SERVER_V2);
        match Self::begins(datagram) {
            true => Some(Side::Client),
            false => (answers && (SHORTEST_RESET..1_500).contains(&datagram.len()))
                .then_some(Side::Server),
        }
    }

    /// True if this is the first packet of another session than this one.
    pub(crate) fn is_over_with(&self, datagram: &[u8]) -> bool {
        let theirs = datagram.get(1..9).and_then(|id| id.try_into().ok()).and_then(SessionId::new);
        Self::begins(datagram) && self.client_session.is_some() && theirs != self.client_session
    }

    /// Takes one packet.
    pub(crate) fn packet(&mut self, seen: &Seen<'_>) {
        self.sent(seen);
        match split_first_byte(seen.bytes) {
            Some((opcode, key_id)) if opcode.is_data() => self.data(seen, key_id),
            Some((opcode, _)) if opcode.is_control() => self.control(seen),
            _ => {}
        }
    }

    fn control(&mut self, seen: &Seen<'_>) {
        let first = Form::of_first(seen.bytes);
        self.form = self.form.or(first);
        let form = match (self.form, first) {
            (Some(form), Some(other)) if form != other => return self.otherwise(seen, other),
            // A first packet that was cut does not show how the others are wrapped.
            (None, _) if self.cut.hides_form() => return,
            (None | Some(Form::Sealed), _) => return self.sealed_channel(seen),
            (Some(form), _) => form,
        };
        if let Some((header, stamp)) = encrypted(seen.bytes, self.replay_time) {
            return self.encrypted(seen, header, stamp);
        }
        let Some(opened) = form.open(&self.keys, seen.from, seen.bytes) else { return };
        self.replay_time = self.replay_time.or(opened.stamp.map(|(_, time)| time));
        if opened.wrapping == Wrapping::Wrong {
            self.list(seen, &opened);
            return self.wrong(seen, &opened);
        }
        let packet = &opened.packet;
        if let Some(kind) = self.offers(seen.from, packet.opcode, packet.session_id) {
            self.list_as(seen, &opened, kind == Kind::ResetRepeated);
            return self.tell_packet(seen, kind, &opened);
        }
        let again = self.list(seen, &opened);
        self.begin_generation(packet);
        self.speaks_of(seen, packet.opcode, packet.key_id);
        let mark = self.mark(seen.at);
        self.confirm(seen, packet);
        self.knock(seen, &opened, again);
        self.stream(seen, mark, &opened.packet);
    }

    /// A reset that is wrapped otherwise than those of the other side, which drops it for that.
    fn otherwise(&mut self, seen: &Seen<'_>, other: Form) {
        let Some(opened) = other.open(&self.keys, seen.from, seen.bytes) else { return };
        self.list(seen, &opened);
        if !self.facts.all().iter().any(|fact| fact.kind == Kind::OtherWrapping) {
            self.tell_packet(seen, Kind::OtherWrapping, &opened);
        }
    }

    /// Lists a packet; true if its message had come before.
    fn list(&mut self, seen: &Seen<'_>, opened: &Opened) -> bool {
        let packet = &opened.packet;
        let id = packet.message_id;
        let generation = self.generations.iter().rev().find(|have| have.key_id == packet.key_id);
        let order = generation.map(|generation| generation.order(seen.from));
        let again = order.zip(id).is_some_and(|(order, id)| order.had(id.0));
        self.list_as(seen, opened, again);
        again
    }

    fn list_as(&mut self, seen: &Seen<'_>, opened: &Opened, again: bool) {
        let packet = &opened.packet;
        if self.packets.len() < MOST_PACKETS {
            self.packets.push(Listed {
                acks: packet.acks,
                message: packet.message_id,
                payload: packet.payload.len() as u32,
                again,
                stamp: opened.stamp,
                wrapping: opened.wrapping,
                ..Listed::envelope(seen, packet.opcode, packet.key_id, packet.session_id)
            });
        }
    }

    fn wrong(&mut self, seen: &Seen<'_>, opened: &Opened) {
        let told = self.facts.all().iter().filter(|fact| fact.kind == Kind::WrongWrapping).count();
        if told < 4 {
            let fields = fields(opened);
            self.tell(seen, Kind::WrongWrapping, fields, Source::Computed);
        }
    }

    /// Resets, and the cookie that comes back.
    fn knock(&mut self, seen: &Seen<'_>, opened: &Opened, again: bool) {
        let packet = &opened.packet;
        let kind = match (packet.opcode, seen.from) {
            (Opcode::CONTROL_HARD_RESET_CLIENT_V2, Side::Client) if again => {
                Some(Kind::ResetRepeated)
            }
            (Opcode::CONTROL_HARD_RESET_CLIENT_V2, Side::Client) => {
                self.client_session = Some(packet.session_id);
                Some(Kind::ClientReset)
            }
            (Opcode::CONTROL_HARD_RESET_SERVER_V2, Side::Server)
                if self.server_session.is_none() =>
            {
                self.server_session = Some(packet.session_id);
                Some(Kind::ServerReset)
            }
            (Opcode::CONTROL_SOFT_RESET_V1, _) if again => Some(Kind::ResetRepeated),
            (Opcode::CONTROL_SOFT_RESET_V1, Side::Client) => Some(Kind::ClientSoftReset),
            (Opcode::CONTROL_SOFT_RESET_V1, Side::Server) => Some(Kind::ServerSoftReset),
            _ => None,
        };
        self.begin_generation(packet);
        if let Some(kind) = kind {
            self.tell_packet(seen, kind, opened);
        }
        if self.returns_cookie(seen.from, packet) {
            self.cookie_returned = true;
            // A server that said more had it before.
            if !self.generations.first().is_some_and(|first| first.server.goes_on()) {
                self.tell_packet(seen, Kind::CookieReturned, opened);
            }
        }
    }

    fn returns_cookie(&self, from: Side, packet: &ControlPacket) -> bool {
        let returned =
            packet.acks.contains(MessageId::FIRST) && packet.acked_session == self.server_session;
        let is_first = packet.key_id == KeyId::FIRST && from == Side::Client;
        !self.cookie_returned && is_first && self.server_session.is_some() && returned
    }

    /// A packet of a key id that is not known yet begins a generation: a reset, or with some clients the first
    /// message itself.
    fn begin_generation(&mut self, packet: &ControlPacket) {
        let last = self.generations.last().map(|generation| generation.key_id);
        let is_new = match last {
            None => packet.key_id == KeyId::FIRST && packet.message_id == Some(MessageId::FIRST),
            // Its first message may be missing.
            Some(last) => packet.key_id == last.next(),
        };
        if is_new {
            self.generation(packet.key_id);
        }
    }

    /// The handshake that is the last one so far.
    fn newest(&self) -> u32 {
        self.first + self.generations.len().saturating_sub(1) as u32
    }

    fn generation(&mut self, key_id: KeyId) {
        if self.generations.len() >= MOST_GENERATIONS {
            return;
        }
        // Packets of the one before may still be under way; those before that are over.
        if let Some(over) = self.generations.iter_mut().rev().nth(1) {
            over.rest();
        }
        let number = self.first + self.generations.len() as u32;
        let log = Arc::clone(&self.log);
        let tls = match self.of_one_end {
            Some(checked) => tls::Connection::of_one_end(number, log, checked),
            None => tls::Connection::new(number, log),
        };
        self.generations.push(Generation {
            key_id,
            tls,
            client: Order::default(),
            server: Order::default(),
            inside: Inside::default(),
            openers: None,
        });
    }

    /// What a packet carries of the stream of TLS.
    fn stream(&mut self, seen: &Seen<'_>, mark: Mark, packet: &ControlPacket) {
        let Some(id) = packet.message_id else { return };
        let at = self.generations.iter().rposition(|have| have.key_id == packet.key_id);
        let Some((number, generation)) =
            at.and_then(|at| Some((at, self.generations.get_mut(at)?)))
        else {
            return;
        };
        let handshake = self.first + number as u32;
        let payload = seen.tail(packet.payload.len());
        if !generation.order_mut(seen.from).is_next(id.0, seen.at) {
            return generation.order_mut(seen.from).wait(id.0, mark, &payload);
        }
        generation.tls_bytes(handshake, &payload, &mut self.facts);
        while let Some(message) = generation.order_mut(seen.from).following() {
            generation.tls_bytes(handshake, &message.seen(), &mut self.facts);
        }
    }

    /// Takes what a record of the newest handshake holds, opened: for whoever explores what stands under keys.
    pub(crate) fn opened(&mut self, seen: &Seen<'_>, kind: u8) {
        let handshake = self.newest();
        let Some(generation) = self.generations.last_mut() else { return };
        let events = generation.tls.opened(seen, kind);
        generation.told(handshake, seen.at, events, &mut self.facts);
    }

    fn tell_packet(&mut self, seen: &Seen<'_>, kind: Kind, opened: &Opened) {
        let source = if opened.checked_by.is_some() { Source::Computed } else { Source::Seen };
        self.tell(seen, kind, fields(opened), source);
    }

    fn tell(&mut self, seen: &Seen<'_>, kind: Kind, fields: Vec<Field>, source: Source) {
        let handshake = self.newest();
        self.facts.push(fact(seen, kind, fields, source, handshake));
    }
}

fn fact(seen: &Seen<'_>, kind: Kind, fields: Vec<Field>, source: Source, handshake: u32) -> Fact {
    Fact {
        at: seen.at,
        from: seen.from,
        kind,
        fields,
        basis: seen.places.clone(),
        key: None,
        handshake,
        source,
        detail: Detail::None,
    }
}

fn fields(opened: &Opened) -> Vec<Field> {
    let packet = &opened.packet;
    let mut fields = vec![
        Field::number("opcode", packet.opcode.0).meaning(&packet.opcode.to_string()),
        Field::number("key_id", packet.key_id.get()),
        Field::bytes("session_id", packet.session_id.as_bytes()),
    ];
    fields.extend(packet.acks.iter().map(|id| Field::number("ack", id.0)));
    let acked = packet.acked_session.as_ref();
    fields.extend(acked.map(|id| Field::bytes("acked_session_id", id.as_bytes())));
    fields.extend(packet.message_id.map(|id| Field::number("message_id", id.0)));
    fields.extend(opened.stamp.iter().flat_map(|(id, time)| {
        [Field::number("replay_id", *id), Field::number("replay_time", *time)]
    }));
    fields.push(Field::text(
        "wrapping",
        match opened.wrapping {
            Wrapping::None => "none",
            Wrapping::Unchecked => "HMAC, not checked: the key was not given",
            Wrapping::Right => "HMAC, right",
            Wrapping::Wrong => "HMAC, not made with the key that was given",
            Wrapping::Encrypted => "encrypted",
        },
    ));
    if let Some((digest, direction)) = opened.checked_by {
        fields.push(Field::text("digest", digest.name()));
        let number =
            direction.number().map_or_else(|| "none".to_owned(), |number| number.to_string());
        fields.push(Field::text("key_direction_of_the_sender", &number));
    }
    fields
}
