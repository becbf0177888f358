//! One TLS connection: cuts both streams into records and messages, and opens what a key log opens.
//!
//! The loop of a caller: push every chunk of either side in the order of the wire, and take the events. What
//! is kept is bounded: a record and one handshake message for each side, and the transcript up to a limit.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::handshake::{Checked, Handshake};
use super::http::Head;
use super::lane::{Lane, Met};
use super::speech;
use crate::catalogue::Kind;
use crate::fact::{Detail, Fact, KeyName};
use crate::field::Field;
use crate::key_log::KeyLog;
use crate::place::{Place, Seen, Side};
use crate::story::{Source, Use};

/// The longest content of a record, with what encryption may add (RFC 8446, 5.2; RFC 5246, 6.2.3).
const LONGEST_RECORD: usize = 16_384 + 2_048;
/// The longest handshake message that is waited for. Chains of certificates are shorter.
const LONGEST_MESSAGE: usize = 128 * 1024;
/// The most handshake messages of one connection that are read: of a long capture, and by an end while others wait,
/// where a whole handshake has twenty.
const MOST_MESSAGES: usize = 10_000;
const MOST_OF_ONE_END: usize = 100;
/// The most keys of one connection whose use is followed.
const MOST_KEYS: usize = 100;
const RECORD_HEADER: usize = 5;
const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;
const APPLICATION_DATA: u8 = 23;
const CLIENT_HELLO: u8 = 1;
const WARNING: u8 = 1;
const CLOSE_NOTIFY: u8 = 0;
const USER_CANCELED: u8 = 90;
/// The value that names another protocol, where one is spoken instead.
pub(crate) const SPEAKS: &str = "speaks";

/// What comes out.
pub(crate) enum Event {
    /// Something happened.
    Fact(Fact),
    /// What belongs to the last data of this side and came after its beginning.
    Later(Side, Vec<Field>),
    /// Content of the protocol inside, which a key log opened.
    Plain(Plain),
}

/// Content of the protocol inside: one record.
pub(crate) struct Plain {
    pub(crate) from: Side,
    pub(crate) content: Zeroizing<Vec<u8>>,
    pub(crate) basis: Vec<Place>,
    pub(crate) key: Option<KeyName>,
}

/// One connection.
pub(crate) struct Connection {
    handshake: Handshake,
    client: Lane,
    server: Lane,
    uses: Vec<(KeyName, Use)>,
    /// Handshake messages that are read yet.
    room: usize,
}

impl Connection {
    /// A connection of which nothing was seen yet. `number` tells handshakes of one conversation apart.
    pub(crate) fn new(number: u32, log: Arc<KeyLog>) -> Self {
        Self {
            handshake: Handshake::new(number, log),
            client: Lane::default(),
            server: Lane::default(),
            uses: Vec::new(),
            room: MOST_MESSAGES,
        }
    }

    /// The same where one end tells it, which has checked so much itself.
    pub(crate) fn of_one_end(number: u32, log: Arc<KeyLog>, checked: Checked) -> Self {
        let new = Self::new(number, log);
        Self { handshake: new.handshake.but(checked), room: MOST_OF_ONE_END, ..new }
    }

    /// Takes bytes of one side's stream.
    pub(crate) fn push(&mut self, seen: &Seen<'_>) -> Vec<Event> {
        let mut events = Vec::new();
        let lane = self.lane(seen.from);
        if lane.told.broken {
            return events;
        }
        let begins = if lane.seeks { record_in(seen.bytes) } else { Some(0) };
        let Some(begins) = begins else { return events };
        lane.seeks = false;
        lane.stream.push_seen(&seen.tail(seen.bytes.len() - begins));
        while !self.lane(seen.from).told.broken
            && let Some(record) = self.next_record(seen.from)
        {
            let Some((header, content, basis)) = record else {
                if self.lane(seen.from).told.torn {
                    self.torn(seen.from);
                    break;
                }
                let speech = self.other_speech(seen.from);
                let fields = speech.map(|speech| Field::text(SPEAKS, speech));
                events.extend(self.break_lane(seen, Kind::Unreadable, fields));
                break;
            };
            self.lane(seen.from).told.heard = true;
            let met = Met { at: seen.at, from: seen.from, basis: &basis, key: None };
            self.record(met, header, content, &mut events);
        }
        events
    }

    /// Takes what a record of this kind holds, which somebody else has opened.
    pub(crate) fn opened(&mut self, seen: &Seen<'_>, kind: u8) -> Vec<Event> {
        let mut events = Vec::new();
        let lane = self.lane(seen.from);
        let met = Met { at: seen.at, from: seen.from, basis: &seen.places, key: lane.key };
        if !lane.told.broken {
            self.count(met);
            self.content(met, kind, seen.bytes, &mut events);
        }
        events
    }

    /// Another handshake has taken its place: what is still to be told of it, no message of its own says.
    pub(crate) fn rest(&mut self) {
        self.client.rest();
        self.server.rest();
        self.handshake.rest();
    }

    /// Bytes of this side were not captured: what comes after them can't be told.
    pub(crate) fn lost(&mut self, seen: &Seen<'_>) -> Vec<Event> {
        self.break_lane(seen, Kind::Missing, None)
    }

    /// A part of this side's stream was not observed, nobody knows how long: it is read on from where a record begins.
    pub(crate) fn torn(&mut self, side: Side) {
        let lane = self.lane(side);
        lane.stream.clear();
        lane.messages.clear();
        (lane.told.torn, lane.seeks) = (true, true);
        self.handshake.torn();
    }

    /// What a side speaks that begins with something else than TLS, where that is known.
    fn other_speech(&mut self, from: Side) -> Option<&'static str> {
        let lane = self.lane(from);
        let begins = (!lane.told.heard).then(|| lane.stream.beginning(speech::LONGEST_GREETING))?;
        speech::of(&begins)
    }

    fn break_lane(&mut self, seen: &Seen<'_>, kind: Kind, fields: Option<Field>) -> Vec<Event> {
        let lane = self.lane(seen.from);
        lane.stream.clear();
        lane.messages.clear();
        if std::mem::replace(&mut lane.told.broken, true) {
            return Vec::new();
        }
        let met = Met { at: seen.at, from: seen.from, basis: &seen.places, key: None };
        // Words of another protocol that is known by them were read.
        let source = if fields.is_some() { Source::Seen } else { Source::Gap };
        let fields = fields.into_iter().collect();
        vec![Event::Fact(Fact { source, ..self.handshake.fact(met, kind, fields) })]
    }

    fn lane(&mut self, side: Side) -> &mut Lane {
        match side {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        }
    }

    /// The next whole record; none inside if what stands there is none.
    #[expect(clippy::type_complexity, reason = "taken apart where it is called, and nowhere else")]
    fn next_record(
        &mut self,
        side: Side,
    ) -> Option<Option<([u8; RECORD_HEADER], Vec<u8>, Vec<Place>)>> {
        let lane = self.lane(side);
        let header = lane.stream.peek::<RECORD_HEADER>()?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&header[0]);
        if !known || header[1] != 3 || length > LONGEST_RECORD {
            return Some(None);
        }
        let (mut record, basis) = lane.stream.take(RECORD_HEADER + length)?;
        Some(Some((header, record.split_off(RECORD_HEADER), basis)))
    }

    fn record(
        &mut self,
        met: Met<'_>,
        header: [u8; RECORD_HEADER],
        content: Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        if header[0] == CHANGE_CIPHER_SPEC {
            events.push(Event::Fact(self.change_cipher_spec(met)));
        } else if self.is_unchosen(met.from, header[0], &content)
            || (header[0] == APPLICATION_DATA && self.lane(met.from).lacks_its_change())
        {
            self.tell_sealed(met, events);
        } else if header[0] == APPLICATION_DATA && !self.lane(met.from).sealed {
            self.early(met, events);
        } else if !self.lane(met.from).sealed || (header[0] == ALERT && self.handshake.is_new()) {
            // A side that has no keys yet sends its alert in the clear.
            self.content(met, header[0], &content, events);
        } else {
            self.sealed(met, header, content, events);
        }
    }

    /// Whether a record is encrypted by what was agreed on in a hello that is not in this capture.
    fn is_unchosen(&mut self, from: Side, kind: u8, content: &[u8]) -> bool {
        let peer = &self.lane(from.peer()).told;
        let is_heard = peer.heard && !peer.broken && !self.handshake.is_torn();
        if is_heard || self.handshake.has_chosen() {
            return false;
        }
        let changed = self.lane(from).told.changed;
        match kind {
            APPLICATION_DATA => !self.handshake.offers_early_data(),
            // Another hello, and an alert, may be in the clear.
            HANDSHAKE => changed && !is_one_message(content, CLIENT_HELLO),
            ALERT => changed && content.len() != 2,
            _ => false,
        }
    }

    /// Data before there is a key for it: a client may send some under a key of before, and nobody else.
    fn early(&mut self, met: Met<'_>, events: &mut Vec<Event>) {
        let is_early = met.from == Side::Client && self.handshake.offers_early_data();
        let kind = if is_early { Kind::EarlyData } else { Kind::Unreadable };
        let told = &mut self.lane(met.from).told;
        if std::mem::replace(if is_early { &mut told.early } else { &mut told.broken }, true) {
            return;
        }
        let fields = match is_early {
            true => vec![Field::text("reason", "the key log of this connection does not open it")],
            false => Vec::new(),
        };
        let gap = self.handshake.fact(met, kind, fields);
        events.push(Event::Fact(Fact { source: Source::Gap, ..gap }));
    }

    fn change_cipher_spec(&mut self, met: Met<'_>) -> Fact {
        if self.handshake.is_old() {
            let lane = match met.from {
                Side::Client => &mut self.client,
                Side::Server => &mut self.server,
            };
            self.handshake.seal_old(met.from, lane);
            return self.handshake.fact(met, Kind::ChangeCipherSpec, Vec::new());
        }
        let has_chosen = self.handshake.has_chosen();
        self.lane(met.from).told.changed |= !has_chosen;
        self.handshake.fact(met, Kind::Disguise, Vec::new())
    }

    fn sealed(
        &mut self,
        met: Met<'_>,
        header: [u8; RECORD_HEADER],
        content: Vec<u8>,
        events: &mut Vec<Event>,
    ) {
        let mut content = Zeroizing::new(content);
        let lane = self.lane(met.from);
        let met = Met { key: lane.key, ..met };
        let met = match lane.told.torn {
            true => Met { key: self.key_behind_a_hole(met.from, header, &content), ..met },
            false => met,
        };
        let lane = self.lane(met.from);
        let opened = lane.opener.as_mut().and_then(|opener| opener.open(header, &mut content));
        match opened {
            Some((kind, opened)) => {
                self.count(met);
                self.content(met, kind, opened, events);
                if kind == HANDSHAKE {
                    // Certificates and proofs are no secret, and to wipe takes as long as to read them.
                    drop(std::mem::take(&mut *content));
                }
            }
            // Early data is on its way for a while after the server has chosen a key.
            None if lane.told.early && lane.opener.is_some() => {}
            None => {
                self.tell_sealed(met, events);
                self.closed(met, header[0], events);
            }
        }
    }

    /// Up to TLS 1.2 a record's kind stands in the clear, and which key it is under is known: of what stays closed it can be
    /// told that it is data. An end that tells it says by itself what came of it.
    fn closed(&mut self, met: Met<'_>, kind: u8, events: &mut Vec<Event>) {
        if !self.handshake.is_old() || !self.handshake.is_watched() {
            return;
        }
        self.count(met);
        let told = &mut self.lane(met.from).told;
        if kind != APPLICATION_DATA || told.data_under.replace(met.key) == Some(met.key) {
            return;
        }
        let fields = vec![Field::text("reason", self.handshake.why_sealed())];
        let gap = self.handshake.fact(met, Kind::ApplicationData, fields);
        events.push(Event::Fact(Fact { source: Source::Gap, ..gap }));
    }

    /// Behind a hole a record may be some numbers further on, or under the key that comes after the one before it.
    fn key_behind_a_hole(
        &mut self,
        from: Side,
        header: [u8; RECORD_HEADER],
        content: &[u8],
    ) -> Option<KeyName> {
        let lane = match from {
            Side::Client => &mut self.client,
            Side::Server => &mut self.server,
        };
        let fits = lane.opener.as_mut().is_some_and(|opener| opener.finds(header, content));
        if !fits {
            self.handshake.skip_to_traffic(from, lane, |opener| opener.finds(header, content));
        }
        lane.key
    }

    /// Once for each side.
    fn tell_sealed(&mut self, met: Met<'_>, events: &mut Vec<Event>) {
        if std::mem::replace(&mut self.lane(met.from).told.sealed, true) {
            return;
        }
        let fields = vec![Field::text("reason", self.handshake.why_sealed())];
        let gap = self.handshake.fact(Met { key: None, ..met }, Kind::Sealed, fields);
        events.push(Event::Fact(Fact { source: Source::Gap, ..gap }));
    }

    /// A record was opened by this key, or is of a version in which no other can be the one.
    fn count(&mut self, met: Met<'_>) {
        let Some(key) = met.key else { return };
        if let Some((_, used)) = self.uses.iter_mut().find(|(have, _)| *have == key) {
            used.last = met.at;
            used.count += 1;
        } else if self.uses.len() < MOST_KEYS {
            self.uses.push((key, Use { by: met.from, first: met.at, last: met.at, count: 1 }));
        }
    }

    /// What both ends export under a label, without context; none without the secret for it.
    pub(crate) fn export(&self, label: &[u8], length: usize) -> Option<Zeroizing<Vec<u8>>> {
        self.handshake.export(label, length)
    }

    /// Who used which key, so far as records were opened by it.
    pub(crate) fn uses(&self) -> &[(KeyName, Use)] {
        &self.uses
    }

    fn content(&mut self, met: Met<'_>, kind: u8, content: &[u8], events: &mut Vec<Event>) {
        match kind {
            HANDSHAKE => {
                self.lane(met.from).take_content(content, met, RECORD_HEADER);
                self.messages(met, events);
            }
            ALERT => events.extend(self.alert(met, content).map(Event::Fact)),
            _ => self.plain(met, content, events),
        }
    }

    fn messages(&mut self, met: Met<'_>, events: &mut Vec<Event>) {
        loop {
            let is_full = self.room == 0;
            let lane = self.lane(met.from);
            let Some([kind, a, b, c]) = lane.messages.peek::<4>() else { return };
            let length = 4 + u32::from_be_bytes([0, a, b, c]) as usize;
            if length > LONGEST_MESSAGE || is_full {
                lane.told.broken = true;
                let gap = self.handshake.fact(met, Kind::Unreadable, Vec::new());
                return events.push(Event::Fact(Fact { source: Source::Gap, ..gap }));
            }
            let Some((message, basis)) = lane.messages.take(length) else { return };
            self.room -= 1;
            let met = Met { basis: &basis, ..met };
            let fact =
                self.handshake.message(met, kind, &message, (&mut self.client, &mut self.server));
            events.extend(fact.map(Event::Fact));
        }
    }

    fn alert(&mut self, met: Met<'_>, content: &[u8]) -> Option<Fact> {
        let [level, description] = *<&[u8; 2]>::try_from(content).ok()?;
        let kind = match description {
            CLOSE_NOTIFY => Kind::CloseNotify,
            // In TLS 1.3 the level counts no more: but for a goodbye all are errors (RFC 8446, 6).
            _ if level == WARNING && !self.handshake.is_new() => Kind::Warning,
            USER_CANCELED if self.is_finished() => Kind::Warning,
            _ => Kind::Alert,
        };
        let level_field = Field::number("alert_level", level);
        let name = super::names::alert(description).unwrap_or("unknown");
        let description_field = Field::number("alert_description", description).known(name);
        let fact = self.handshake.fact(met, kind, vec![level_field, description_field]);
        Some(Fact { detail: Detail::Alert(description), ..fact })
    }

    fn is_finished(&self) -> bool {
        self.client.told.finished && self.server.told.finished
    }

    /// Each record goes to the protocol inside; the first one under each key is told.
    fn plain(&mut self, met: Met<'_>, content: &[u8], events: &mut Vec<Event>) {
        let lane = self.lane(met.from);
        let is_first = lane.told.data_under.replace(met.key) != Some(met.key);
        if is_first {
            lane.head = Head::begin(met.from, content);
        }
        let head = lane.head.as_mut().map(|head| head.more(content)).unwrap_or_default();
        if is_first {
            let fact = self.handshake.fact(met, Kind::ApplicationData, head);
            events.push(Event::Fact(fact));
        } else if !head.is_empty() {
            events.push(Event::Later(met.from, head));
        }
        let content = Zeroizing::new(content.to_vec());
        events.push(Event::Plain(Plain {
            from: met.from,
            content,
            basis: met.basis.to_vec(),
            key: met.key,
        }));
    }
}

/// Where a record begins behind a hole: one stands there whole, with another behind it, or goes on beyond these bytes. By
/// chance that is so at one place of a hundred thousand.
fn record_in(bytes: &[u8]) -> Option<usize> {
    let begins = |at: usize| {
        let header = bytes.get(at..at + RECORD_HEADER)?;
        let length = usize::from(u16::from_be_bytes([header[3], header[4]]));
        let known = (CHANGE_CIPHER_SPEC..=APPLICATION_DATA).contains(&header[0]);
        let is_header = known && header[1] == 3 && header[2] <= 3 && length <= LONGEST_RECORD;
        is_header.then_some(at + RECORD_HEADER + length)
    };
    (0..bytes.len()).find(|at| {
        begins(*at).is_some_and(|next| next + RECORD_HEADER > bytes.len() || begins(next).is_some())
    })
}

/// Whether a record holds one whole message of this kind.
fn is_one_message(content: &[u8], kind: u8) -> bool {
    let Some(([first, a, b, c], body)) = content.split_first_chunk() else { return false };
    *first == kind && u32::from_be_bytes([0, *a, *b, *c]) as usize == body.len()
}
