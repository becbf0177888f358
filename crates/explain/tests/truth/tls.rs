//! One handshake of TLS as tshark reads it: which steps it must have, and under which keys.
//!
//! tshark names records, messages and values. Which key a record is under follows from their order (RFC 8446, 4.4 and
//! 7.2; RFC 5246, 7.1) and is said here once more, without the code that it is compared with.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::certificates::{self, signer};
use crate::pdml::{Frame, Shown, all, groups};
use crate::step::{Form, Step};
use crate::stream::{Side, Stream};
use crate::table::TLS_VALUES;

const RETRY: &str = "cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c";

/// How often a key was used, and when first and last.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Used {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) count: u64,
}

impl Used {
    pub(crate) fn add(all: &mut BTreeMap<Key, Used>, key: Key, at: u64) {
        let used = all.entry(key).or_insert(Used { first: at, last: at, count: 0 });
        used.last = at;
        used.count += 1;
    }
}

/// A key, in the order in which stories list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Handshake(u64, Side),
    Traffic(u64, Side, u64),
}

impl Key {
    pub(crate) fn id(self) -> String {
        match self {
            Key::Handshake(number, of) => format!("tls{number}-handshake-{}", of.word()),
            Key::Traffic(number, of, update) => {
                format!("tls{number}-traffic{update}-{}", of.word())
            }
        }
    }
}

/// One handshake, read record by record.
pub(crate) struct Tls {
    number: u64,
    /// Why what is encrypted stays so; none with its keys.
    closed: Option<&'static str>,
    is_new: Option<bool>,
    retried: bool,
    asked_session: String,
    /// What key the server's certificate has, as OpenSSL says.
    shown_key: String,
    lanes: [Lane; 2],
    streams: [Stream; 2],
    pub(crate) uses: BTreeMap<Key, Used>,
}

#[derive(Default)]
struct Lane {
    sealed: bool,
    key: Option<Key>,
    told_sealed: bool,
    told_data: Option<Option<Key>>,
    read: usize,
}

/// A record of one side: where it stands in its stream, and what tshark reads in it.
struct Record<'a> {
    at: u64,
    from: Side,
    begin: usize,
    end: usize,
    fields: &'a [Shown],
    /// The key that it is under.
    key: Option<Key>,
}

/// What a record of the protocol inside says.
pub(crate) struct Plain {
    pub(crate) step: Step,
    pub(crate) content: Vec<u8>,
}

/// What comes of a frame.
pub(crate) enum Came {
    Step(Box<Step>),
    Plain(Box<Plain>),
}

impl Tls {
    pub(crate) fn new(number: u64, closed: Option<&'static str>, streams: [Stream; 2]) -> Tls {
        Tls {
            number,
            closed,
            is_new: None,
            retried: false,
            asked_session: String::new(),
            shown_key: String::new(),
            lanes: [Lane::default(), Lane::default()],
            streams,
            uses: BTreeMap::new(),
        }
    }

    /// The bytes that no record accounted for.
    pub(crate) fn unread(&self) -> [usize; 2] {
        [Side::Client, Side::Server]
            .map(|side| self.streams[side as usize].bytes().len() - self.lanes[side as usize].read)
    }

    /// Reads the records of a frame.
    pub(crate) fn frame(&mut self, frame: &Frame, from: Side) -> Vec<Came> {
        let mut came = Vec::new();
        // What was decrypted stands behind all records, in their order.
        let mut inside = all(&frame.fields, "data.data").map(Shown::bytes);
        for fields in groups(&frame.fields, "tls.record") {
            let Some(length) = all(fields, "tls.record.length").next() else { continue };
            let begin = self.lanes[from as usize].read;
            let end = begin + 5 + length.number() as usize;
            self.lanes[from as usize].read = end;
            let at = self.streams[from as usize].at(end);
            let record = Record { at, from, begin, end, fields, key: None };
            self.record(record, &mut inside, &mut came);
        }
        came
    }

    fn record(
        &mut self,
        mut record: Record<'_>,
        inside: &mut impl Iterator<Item = Vec<u8>>,
        came: &mut Vec<Came>,
    ) {
        let (from, is_new) = (record.from, self.is_new == Some(true));
        // Of an opened record the bytes have the outer type, and what is shown is the inner one.
        let kind = all(record.fields, "tls.record.content_type").next();
        let kind: Option<u64> = kind.map(|kind| kind.show.parse().unwrap());
        let is_opaque = all(record.fields, "tls.record.opaque_type").next().is_some();
        if kind == Some(20) {
            assert!(all(record.fields, "tls.change_cipher_spec").next().is_some());
            came.push(self.change_cipher_spec(&record));
            return;
        }
        let lane = &mut self.lanes[from as usize];
        if is_opaque || (lane.sealed && !is_new) {
            if let Some(why) = self.closed {
                if !std::mem::replace(&mut lane.told_sealed, true) {
                    let mut step = self.step("sealed", &record);
                    step.source = "gap";
                    step.add("reason", why, None);
                    came.push(Came::Step(Box::new(step)));
                }
                self.closed(&mut record, kind, why, came);
                return;
            }
            record.key = lane.key;
            Used::add(&mut self.uses, lane.key.unwrap(), record.at);
        }
        match kind {
            Some(22) => self.messages(&record, came),
            Some(21) => came.push(self.alert(&record)),
            _ => {
                let step = self.step("application_data", &record);
                let content = inside.next().unwrap_or_default();
                let lane = &mut self.lanes[from as usize];
                let first = lane.told_data != Some(record.key);
                lane.told_data = Some(record.key);
                // In OpenVPN each is told, by what it says.
                let plain = Plain { step, content };
                match first {
                    true => came.push(Came::Plain(Box::new(plain))),
                    false => came.push(Came::Plain(Box::new(Plain {
                        step: Step { entry: "", ..plain.step },
                        content: plain.content,
                    }))),
                }
            }
        }
    }

    /// Up to TLS 1.2 the kind of a record stands in the clear, and its key follows from its place.
    fn closed(
        &mut self,
        record: &mut Record<'_>,
        kind: Option<u64>,
        why: &'static str,
        came: &mut Vec<Came>,
    ) {
        if self.is_new == Some(true) {
            return;
        }
        let lane = &mut self.lanes[record.from as usize];
        record.key = lane.key;
        Used::add(&mut self.uses, lane.key.unwrap(), record.at);
        if kind == Some(23) && lane.told_data.replace(record.key) != Some(record.key) {
            let mut step = self.step("application_data", record);
            step.source = "gap";
            step.add("reason", why, None);
            came.push(Came::Step(Box::new(step)));
        }
    }

    fn step(&self, entry: &'static str, record: &Record<'_>) -> Step {
        let basis = self.streams[record.from as usize].places(record.begin, record.end);
        let mut step = Step::new(entry, record.at, record.from, basis);
        step.handshake = self.number;
        step.key = record.key.map(Key::id);
        step
    }

    fn change_cipher_spec(&mut self, record: &Record<'_>) -> Came {
        let entry = match self.is_new {
            Some(false) => {
                let lane = &mut self.lanes[record.from as usize];
                lane.sealed = true;
                lane.key = Some(Key::Traffic(self.number, record.from, 0));
                "change_cipher_spec"
            }
            _ => "disguise",
        };
        Came::Step(Box::new(self.step(entry, record)))
    }

    fn alert(&self, record: &Record<'_>) -> Came {
        let of = |name: &'static str| all(record.fields, name).next().unwrap();
        let description = of("tls.alert_message.desc");
        let is_close = description.number() == 0;
        let mut step = self.step(if is_close { "close_notify" } else { "alert" }, record);
        step.add("alert_level", of("tls.alert_message.level").number(), None);
        let (value, meaning) = Form::Named.of(description);
        step.add("alert_description", value, meaning);
        Came::Step(Box::new(step))
    }

    fn messages(&mut self, record: &Record<'_>, came: &mut Vec<Came>) {
        let mut begin = record.begin + 5;
        let stream = &self.streams[record.from as usize];
        // Where it can be told which bytes of a record a message is, it rests on these alone.
        let is_exact = record.key.is_none() && stream.places(record.begin, record.end).len() == 1;
        for fields in groups(record.fields, "tls.handshake.type") {
            let length = all(fields, "tls.handshake.length").next().unwrap().number() as usize;
            let end = begin + 4 + length;
            let mut step = self.message(record, fields);
            if is_exact {
                step.basis = self.streams[record.from as usize].places(begin, end);
            }
            begin = end;
            came.push(Came::Step(Box::new(step)));
        }
    }

    fn message(&mut self, record: &Record<'_>, fields: &[Shown]) -> Step {
        let first = |name: &'static str| all(fields, name).next();
        let kind = first("tls.handshake.type").unwrap().number();
        let has_psk = all(fields, "tls.handshake.extension.type").any(|kind| kind.number() == 41);
        let from = record.from;
        let entry = match (kind, from) {
            (1, _) => {
                self.asked_session = first("tls.handshake.session_id")
                    .map(|session| session.value.clone())
                    .unwrap_or_default();
                if self.retried { "second_client_hello" } else { "client_hello" }
            }
            (2, _) if first("tls.handshake.random").unwrap().value == RETRY => {
                self.retried = true;
                "hello_retry_request"
            }
            (2, _) => self.server_hello(fields, has_psk),
            (4, _) => "new_session_ticket",
            (8, _) => "encrypted_extensions",
            (11, Side::Server) => "server_certificate",
            (11, Side::Client) if first("tls.handshake.certificate").is_some() => {
                "client_certificate"
            }
            (11, Side::Client) => "no_client_certificate",
            (12, _) => "server_key_exchange",
            (13, _) => "certificate_request",
            (14, _) => "server_hello_done",
            (15, Side::Server) => "server_certificate_verify",
            (15, Side::Client) => "client_certificate_verify",
            (16, _) => "client_key_exchange",
            (20, Side::Server) => "server_finished",
            (20, Side::Client) => "client_finished",
            (22, _) => "certificate_status",
            (24, _) => "key_update",
            _ => "not_read",
        };
        let mut step = self.step(entry, record);
        for (name, theirs, form) in TLS_VALUES {
            for shown in all(fields, theirs) {
                let (value, meaning) = form.of(shown);
                step.add(name, value, meaning);
            }
        }
        self.rest(&mut step, kind, fields, has_psk);
        self.move_on(kind, from);
        step
    }

    /// What follows from more than one of tshark's fields, or from which message it is.
    fn rest(&mut self, step: &mut Step, kind: u64, fields: &[Shown], has_psk: bool) {
        let first = |name: &'static str| all(fields, name).next();
        match kind {
            1 => {
                if let Some(asked) = first("tls.handshake.extensions_status_request_type") {
                    step.add("asks_for_staple", asked.number(), None);
                }
                if has_psk {
                    step.add("offers_ticket", 1, None);
                }
            }
            2 => {
                let chosen = first("tls.handshake.extensions.supported_version");
                let chosen = chosen.or(first("tls.handshake.version")).unwrap();
                let (value, meaning) = Form::Code.of(chosen);
                step.add("version", value, meaning);
                if step.entry != "hello_retry_request" {
                    step.suite = Some(Form::Code.of(first("tls.handshake.ciphersuite").unwrap()).0);
                }
            }
            4 => {
                step.lifetime =
                    first("tls.handshake.session_ticket_lifetime_hint").map(Shown::number)
            }
            // Who received it went on, and so found it right.
            12 | 15 if self.is_not_judged(step) => step.add("not_judged", SHORT_KEY, None),
            12 | 15 | 20 => {
                step.source = "computed";
                step.add("proof_is_right", 1, None);
            }
            _ if step.entry == "not_read" => {
                step.source = "gap";
                let (value, name) = Form::Named.of(first("tls.handshake.type").unwrap());
                step.add("handshake_type", value, name);
                step.add("reason", "its content has another form than is known here", None);
            }
            _ => {}
        }
        if matches!(kind, 1 | 2) && first("tls.handshake.session_id").is_none() {
            step.add("session_id", "", None);
        }
        let own = first("tls.handshake.certificate").filter(|_| kind == 11);
        if let (Side::Server, Some(own)) = (step.from, own) {
            self.shown_key = certificates::read(&own.bytes())["key"].as_str().unwrap().to_owned();
        }
        step.certificates = all(fields, "tls.handshake.certificate").map(Shown::bytes).collect();
        step.staple = first("tls.handshake.ocsp_response_len").map(|_| staple(fields));
    }

    /// PSS with a key of less than 2048 bits no library of ours calculates.
    fn is_not_judged(&self, step: &Step) -> bool {
        let scheme = step.fields.get("signature_algorithm").map(|all| all[0][0].to_string());
        let is_pss = scheme.is_some_and(|scheme| scheme.contains("0x08"));
        step.from == Side::Server && is_pss && self.shown_key == "RSA, 1024 bits"
    }

    fn server_hello(&mut self, fields: &[Shown], has_psk: bool) -> &'static str {
        let chosen = all(fields, "tls.handshake.extensions.supported_version").next();
        let is_new = chosen.is_some_and(|version| version.number() == 0x0304);
        let session = all(fields, "tls.handshake.session_id").next();
        let repeated = session.is_some_and(|session| session.value == self.asked_session);
        self.is_new = Some(is_new);
        if is_new {
            for side in [Side::Client, Side::Server] {
                self.lanes[side as usize].key = Some(Key::Handshake(self.number, side));
            }
        }
        match (is_new, has_psk, repeated) {
            (true, true, _) => "server_hello_resumed",
            (true, false, _) => "server_hello",
            (false, _, true) => "server_hello_old_resumed",
            (false, _, false) => "server_hello_old",
        }
    }

    /// Whoever sent it has another key from then on.
    fn move_on(&mut self, kind: u64, from: Side) {
        let key = &mut self.lanes[from as usize].key;
        match (kind, *key) {
            (20, _) if self.is_new == Some(true) => {
                *key = Some(Key::Traffic(self.number, from, 0));
            }
            (24, Some(Key::Traffic(number, of, update))) => {
                *key = Some(Key::Traffic(number, of, update + 1));
            }
            _ => {}
        }
    }
}

const SHORT_KEY: &str =
    "an RSA key of less than 2048 bits, with which this scheme is not calculated here";

/// What a staple says, by tshark.
fn staple(fields: &[Shown]) -> Value {
    let first = |name: &'static str| all(fields, name).next();
    let answer = first("ocsp.certStatus").map(|status| match status.show.as_str() {
        "0" => "good",
        "1" => "revoked",
        "2" => "unknown",
        other => panic!("certStatus {other}"),
    });
    let time = |name: &'static str| first(name).map(|time| seconds(&time.bytes()));
    let mut said = json!({
        "means": "staple",
        "answer": answer.unwrap_or("unreadable"),
        "signed_at": time("ocsp.producedAt"),
        "signed_by": signer(fields),
        "good_until": time("ocsp.nextUpdate"),
    });
    if let Some(at) = time("ocsp.revocationTime") {
        said["revoked_at"] = at.into();
    }
    said
}

/// Seconds since 1970 of a time of ASN.1: `20261129083425Z`.
fn seconds(time: &[u8]) -> u64 {
    let text = std::str::from_utf8(time).unwrap();
    let number = |from: usize, to: usize| text[from..to].parse::<u64>().unwrap();
    seconds_of(
        (number(0, 4), number(4, 6), number(6, 8)),
        (number(8, 10), number(10, 12), number(12, 14)),
    )
}

/// Seconds since 1970 of a date and a time.
pub(crate) fn seconds_of((year, month, day): (u64, u64, u64), (h, m, s): (u64, u64, u64)) -> u64 {
    // Days from a year that begins in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    days * 86_400 + h * 3_600 + m * 60 + s
}
