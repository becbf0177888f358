//! A session of OpenVPN as tshark reads it: its packets in the recording, and what stands in them of TLS in a second
//! capture.
//!
//! tshark joins no messages that were cut into packets, puts in what comes twice, and lays the handshake of a renewal
//! behind the one before. So the streams of TLS are put together here, from the message numbers that it reads, and given
//! to it as one TCP connection for each handshake.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::packets::{Packet, directions, packets};
use crate::pdml::{self, Frame, plain};
use crate::record::{Control, Record};
use crate::step::Step;
use crate::stream::{Place, Side, Stream};
use crate::theirs::Seen;
use crate::tls::{Came, Tls, Used};
use crate::{cut, inside, joined};

const SOFT_RESET: u64 = 3;
const CONTROL: u64 = 4;
const ACK: u64 = 5;
const CLIENT_RESET: u64 = 7;
const SERVER_RESET: u64 = 8;
const DATA: u64 = 9;
const CLIENT_RESET_V3: u64 = 10;

/// A piece of a handshake's stream.
pub(crate) struct Piece {
    pub(crate) handshake: u64,
    pub(crate) from: Side,
    /// When it was its turn.
    pub(crate) at: u64,
    pub(crate) places: Vec<Place>,
    pub(crate) bytes: Vec<u8>,
    datagrams: Option<String>,
}

/// One direction of a handshake, put in order.
#[derive(Default)]
struct Order {
    next: u64,
    waiting: BTreeMap<u64, (Vec<Place>, Vec<u8>)>,
}

/// What a packet's wrapping is.
#[derive(Clone, Copy, PartialEq)]
enum Wrapping {
    None,
    Unchecked,
    Right(u8),
    Wrong,
}

struct Session<'a> {
    record: &'a Record,
    seen: Seen,
    orders: BTreeMap<(u64, Side), Order>,
    pieces: Vec<Piece>,
    told: BTreeSet<(&'static str, Side, u64)>,
    newest: u64,
    server_session: Option<String>,
    wrong: usize,
    /// Whether the client brought a key of its own along.
    own_key: bool,
}

pub(crate) fn read(record: &Record, frames: &[Frame]) -> Seen {
    let packets = packets(frames);
    let found = match (&record.tls_auth_key, record.control) {
        (Some(key), Control::Hmac(digest)) => {
            Some(directions(&packets, key, digest, &record.scratch("signed")))
        }
        _ => None,
    };
    let mut session = Session {
        record,
        seen: Seen::default(),
        orders: BTreeMap::new(),
        pieces: Vec::new(),
        told: BTreeSet::new(),
        newest: 0,
        server_session: None,
        wrong: 0,
        own_key: false,
    };
    // Steps of packets, and behind each the pieces that it completed.
    let mut outline: Vec<(Vec<Step>, usize)> = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        let wrapping = match (packet.first("openvpn.hmac"), &found) {
            (None, _) => Wrapping::None,
            (Some(_), None) => Wrapping::Unchecked,
            (Some(_), Some(found)) => found[index].map_or(Wrapping::Wrong, Wrapping::Right),
        };
        let mut steps = session.packet(packet, wrapping);
        let datagrams = packet.datagrams();
        steps.iter_mut().for_each(|step| say_datagrams(step, datagrams.as_ref()));
        outline.push((steps, session.pieces.len()));
    }
    let Session { mut seen, pieces, .. } = session;
    let mut of_pieces = tls(record, &pieces, &mut seen).into_iter();
    let mut taken = 0;
    for (steps, pieces) in outline {
        seen.steps.extend(steps);
        while taken < pieces {
            seen.steps.extend(of_pieces.next().unwrap());
            taken += 1;
        }
    }
    seen
}

/// What tshark reads of the joined streams: the steps of each piece.
fn tls(record: &Record, pieces: &[Piece], seen: &mut Seen) -> Vec<Vec<Step>> {
    if pieces.is_empty() {
        return Vec::new();
    }
    let folder = record.scratch("joined");
    fs::create_dir_all(&folder).unwrap();
    let capture = folder.join("joined.pcap");
    fs::write(&capture, joined::capture(pieces)).unwrap();
    let frames = pdml::read(&capture, &record.keys, &joined::options());
    assert_eq!(frames.len(), pieces.len());
    let mut handshakes: BTreeMap<u64, Tls> = BTreeMap::new();
    for number in pieces.iter().map(|piece| piece.handshake).collect::<BTreeSet<u64>>() {
        let streams = [Side::Client, Side::Server].map(|side| {
            let mut stream = Stream::default();
            let mine = |piece: &&Piece| piece.handshake == number && piece.from == side;
            pieces.iter().filter(mine).for_each(|piece| {
                let mut rest = piece.bytes.as_slice();
                for place in &piece.places {
                    let (bytes, after) = rest.split_at(place.length as usize);
                    stream.push(piece.at, *place, bytes);
                    rest = after;
                }
            });
            stream
        });
        handshakes.insert(number, Tls::new(number, record.closed, streams));
    }
    let mut all = Vec::new();
    for (frame, piece) in frames.iter().zip(pieces) {
        let came = handshakes.get_mut(&piece.handshake).unwrap().frame(frame, piece.from);
        let mut steps: Vec<Step> = came.into_iter().flat_map(|came| steps(came, seen)).collect();
        steps.iter_mut().for_each(|step| say_datagrams(step, piece.datagrams.as_ref()));
        all.push(steps);
    }
    for tls in handshakes.values() {
        assert_eq!(tls.unread(), [0, 0], "{}: bytes of TLS that no record has", record.name);
        seen.uses.extend(&tls.uses);
    }
    all
}

fn steps(came: Came, seen: &mut Seen) -> Vec<Step> {
    match came {
        // What is inside TLS is told by what it says, or not at all.
        Came::Step(step) if step.entry == "application_data" => Vec::new(),
        Came::Step(step) => vec![*step],
        Came::Plain(plain) => inside::said(*plain, seen),
    }
}

impl Session<'_> {
    fn packet(&mut self, packet: &Packet<'_>, wrapping: Wrapping) -> Vec<Step> {
        let (opcode, key) = (packet.opcode(), packet.key_id());
        if opcode == DATA {
            return self.data(packet);
        }
        if self.record.is_encrypted(key) {
            return self.encrypted(packet);
        }
        self.list(packet, wrapping);
        if wrapping == Wrapping::Wrong {
            self.wrong += 1;
            let step = self.step("wrong_wrapping", packet, wrapping);
            return if self.wrong <= 4 { vec![step] } else { Vec::new() };
        }
        let steps = self.knock(packet, wrapping);
        self.stream(packet);
        steps
    }

    /// The first packet under a key is told, and all are counted.
    fn data(&mut self, packet: &Packet<'_>) -> Vec<Step> {
        let (key, from) = (packet.key_id(), packet.from);
        let mine = self.seen.data.iter_mut().find(|(have, _)| *have == (key, from));
        if let Some((_, used)) = mine {
            used.last = packet.at;
            used.count += 1;
            return Vec::new();
        }
        self.seen.data.push(((key, from), Used { first: packet.at, last: packet.at, count: 1 }));
        let mut step = Step::new("data_begins", packet.at, from, packet.basis.clone());
        step.handshake = key;
        step.key = Some(format!("data{key}"));
        step.add("key_id", key, None);
        vec![step]
    }

    /// Of what is encrypted the envelope is told: each kind once.
    fn encrypted(&mut self, packet: &Packet<'_>) -> Vec<Step> {
        let (opcode, key, from) = (packet.opcode(), packet.key_id(), packet.from);
        let entry = match (opcode, from) {
            (CLIENT_RESET | CLIENT_RESET_V3, Side::Client) => "client_reset",
            (SERVER_RESET, Side::Server) => "server_reset",
            (SOFT_RESET, Side::Client) => "client_soft_reset",
            (SOFT_RESET, Side::Server) => "server_soft_reset",
            _ => "control_sealed",
        };
        if opcode == SOFT_RESET {
            self.newest = self.newest.max(key);
        }
        // Counter and time stand in the clear; tshark takes them for something else.
        let number = |at: usize| u32::from_be_bytes(packet.bytes[at..at + 4].try_into().unwrap());
        let mut json = self.envelope(packet);
        json["stamp"] = json!([number(9), number(13)]);
        json["wrapping"] = json!("encrypted");
        self.seen.packets.push(json);
        let told = opcode != ACK && self.told.insert((entry, from, self.newest));
        let entry = match entry {
            "client_reset" | "client_soft_reset" | "server_soft_reset" if !told => "reset_repeated",
            _ if told => entry,
            _ => return Vec::new(),
        };
        let mut step = Step::new(entry, packet.at, from, packet.basis.clone());
        step.handshake = self.newest;
        step.source = if entry == "control_sealed" { "gap" } else { "seen" };
        step.add("opcode", opcode, Some(opcode_name(packet)));
        step.add("key_id", key, None);
        step.add("session_id", packet.session(), None);
        step.add("replay_id", number(9), None);
        step.add("replay_time", number(13), None);
        self.own_key |= opcode == CLIENT_RESET_V3;
        let words = match self.record.control {
            Control::Crypt if key > 0 => {
                "tls-crypt as before, or a key of the first handshake (dynamic tls-crypt): not checked"
            }
            Control::Crypt if self.own_key => "tls-crypt-v2, not checked: its key is not read here",
            Control::Crypt => "tls-crypt, not checked: its key is not read here",
            _ => "encrypted by a key of the first handshake (dynamic tls-crypt)",
        };
        step.add("wrapping", words, None);
        vec![step]
    }

    fn envelope(&self, packet: &Packet<'_>) -> Value {
        json!({
            "at": packet.at,
            "frame": packet.basis[0].frame,
            "from": packet.from.word(),
            "opcode": packet.opcode(),
            "name": opcode_name(packet),
            "key_id": packet.key_id(),
            "session": packet.session(),
            "acks": [],
            "message": null,
            "payload": 0,
            "again": false,
            "stamp": null,
        })
    }

    fn list(&mut self, packet: &Packet<'_>, wrapping: Wrapping) {
        let mut json = self.envelope(packet);
        let message = packet.number("openvpn.mpid");
        json["acks"] = json!(packet.acks());
        json["message"] = json!(message);
        json["payload"] = json!(packet.bytes.len() - packet.header());
        json["again"] = json!(message.is_some_and(|message| self.had(packet, message)));
        if wrapping != Wrapping::None {
            json["stamp"] =
                json!([packet.number("openvpn.pid"), packet.number("openvpn.net_time")]);
        }
        json["wrapping"] = json!(match wrapping {
            Wrapping::None => "none",
            Wrapping::Unchecked => "unchecked",
            Wrapping::Right(_) => "right",
            Wrapping::Wrong => "wrong",
        });
        self.seen.packets.push(json);
    }

    fn had(&self, packet: &Packet<'_>, message: u64) -> bool {
        let order = self.orders.get(&(packet.key_id(), packet.from));
        order.is_some_and(|order| message < order.next || order.waiting.contains_key(&message))
    }

    fn knock(&mut self, packet: &Packet<'_>, wrapping: Wrapping) -> Vec<Step> {
        let message = packet.number("openvpn.mpid");
        let again = message.is_some_and(|message| self.had(packet, message));
        let entry = match (packet.opcode(), packet.from) {
            (CLIENT_RESET, Side::Client) if again => Some("reset_repeated"),
            (CLIENT_RESET, Side::Client) => Some("client_reset"),
            (SERVER_RESET, Side::Server) if self.server_session.is_none() => {
                self.server_session = Some(packet.session().to_owned());
                Some("server_reset")
            }
            (SOFT_RESET, _) if again => Some("reset_repeated"),
            (SOFT_RESET, Side::Client) => Some("client_soft_reset"),
            (SOFT_RESET, Side::Server) => Some("server_soft_reset"),
            _ => None,
        };
        self.newest = self.newest.max(packet.key_id());
        let mut steps: Vec<Step> =
            entry.map(|entry| self.step(entry, packet, wrapping)).into_iter().collect();
        let acked = packet.first("openvpn.rsessionid").map(|session| session.value.clone());
        let returns = packet.from == Side::Client
            && self.server_session.is_some()
            && acked == self.server_session
            && packet.acks().contains(&0);
        if returns && self.told.insert(("cookie_returned", packet.from, 0)) {
            steps.push(self.step("cookie_returned", packet, wrapping));
        }
        steps
    }

    fn step(&self, entry: &'static str, packet: &Packet<'_>, wrapping: Wrapping) -> Step {
        let mut step = Step::new(entry, packet.at, packet.from, packet.basis.clone());
        step.handshake = self.newest;
        step.add("opcode", packet.opcode(), Some(opcode_name(packet)));
        step.add("key_id", packet.key_id(), None);
        step.add("session_id", packet.session(), None);
        packet.acks().iter().for_each(|id| step.add("ack", id, None));
        if let Some(acked) = packet.first("openvpn.rsessionid") {
            step.add("acked_session_id", &acked.value, None);
        }
        if let Some(message) = packet.number("openvpn.mpid") {
            step.add("message_id", message, None);
        }
        if wrapping != Wrapping::None {
            step.add("replay_id", packet.number("openvpn.pid").unwrap(), None);
            step.add("replay_time", packet.number("openvpn.net_time").unwrap(), None);
        }
        let words = match wrapping {
            Wrapping::None => "none",
            Wrapping::Unchecked => "HMAC, not checked: the key was not given",
            Wrapping::Right(_) => "HMAC, right",
            Wrapping::Wrong => "HMAC, not made with the key that was given",
        };
        step.add("wrapping", words, None);
        if let (Wrapping::Right(direction), Control::Hmac(digest)) = (wrapping, self.record.control)
        {
            step.add("digest", digest.to_uppercase(), None);
            step.add("key_direction_of_the_sender", direction, None);
        }
        if matches!(wrapping, Wrapping::Right(_)) || entry == "wrong_wrapping" {
            step.source = "computed";
        }
        step
    }

    /// Puts a message into its stream.
    fn stream(&mut self, packet: &Packet<'_>) {
        let Some(message) = packet.number("openvpn.mpid") else { return };
        if self.had(packet, message) {
            return;
        }
        let (handshake, from) = (packet.key_id(), packet.from);
        let header = packet.header();
        let bytes = packet.bytes[header..].to_vec();
        assert!(bytes.is_empty() || packet.opcode() == CONTROL);
        let order = self.orders.entry((handshake, from)).or_default();
        order.waiting.insert(message, (behind(&packet.basis, header as u64), bytes));
        while let Some((places, bytes)) = order.waiting.remove(&order.next) {
            order.next += 1;
            if !bytes.is_empty() {
                let (at, datagrams) = (packet.at, packet.datagrams());
                self.pieces.push(Piece { handshake, from, at, places, bytes, datagrams });
            }
        }
    }
}

fn say_datagrams(step: &mut Step, datagrams: Option<&String>) {
    if let Some(count) = datagrams {
        let words = "datagrams in this frame of the capture; on the wire each was one by itself";
        step.add(cut::DATAGRAMS, count, Some(plain(words)));
    }
}

fn opcode_name(packet: &Packet<'_>) -> String {
    packet.first("openvpn.opcode").unwrap().meaning()
}

/// Places without their first bytes.
fn behind(places: &[Place], mut skipped: u64) -> Vec<Place> {
    let mut rest = Vec::new();
    for place in places {
        let cut = skipped.min(place.length);
        skipped -= cut;
        if place.length > cut {
            rest.push(Place {
                frame: place.frame,
                offset: place.offset + cut,
                length: place.length - cut,
            });
        }
    }
    rest
}
