//! The story that follows from what tshark and OpenSSL read: in the form of our JSON, with every value that is compared.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::pdml::{self, Frame, plain};
use crate::record::Record;
use crate::step::Step;
use crate::stream::{Side, Stream, segments};
use crate::tls::{Came, Key, Plain, Tls, Used};
use crate::{certificates, cut, vpn};

/// What was seen of a conversation.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) steps: Vec<Step>,
    pub(crate) packets: Vec<Value>,
    pub(crate) uses: BTreeMap<Key, Used>,
    /// Of data keys, in the order in which they came into use.
    pub(crate) data: Vec<((u64, Side), Used)>,
    pub(crate) data_cipher: Option<String>,
}

impl Seen {
    fn is_vpn(&self) -> bool {
        !self.packets.is_empty()
    }
}

/// tshark's story of a recording.
pub(crate) fn story(record: &Record) -> Value {
    let frames = match &record.cut {
        Some(behind) => cut::read(record, behind),
        None => pdml::read(&record.capture, &record.keys, &record.options()),
    };
    let seen = match record.is_vpn() {
        true => vpn::read(record, &frames),
        false => tls(record, &frames),
    };
    let began = seen.steps[0].at;
    let (client, server, transport) = ends(&frames);
    let numbered = seen.steps.iter().zip(1..);
    json!({
        "protocol": if record.is_vpn() { "openvpn" } else { "tls" },
        "transport": transport,
        "client": client,
        "server": server,
        "began": began,
        "steps": numbered.map(|(step, number)| step.json(number, began)).collect::<Vec<Value>>(),
        "keys": keys(&seen, began),
        "certificates": shown(&seen.steps),
        "packets": seen.packets.iter().cloned().map(|mut packet| {
            packet["at"] = json!(packet["at"].as_u64().unwrap() - began);
            packet
        }).collect::<Vec<Value>>(),
        "ending": ending(record, &seen.steps),
    })
}

/// Both addresses, and what is between them.
fn ends(frames: &[Frame]) -> (String, String, &'static str) {
    let first = &frames[0];
    let show = |name: &'static str| first.first(name).unwrap().show.clone();
    let (client, server) = (show("ip.src"), show("ip.dst"));
    match first.first("udp.srcport") {
        Some(port) => {
            (format!("{client}:{}", port.show), format!("{server}:{}", show("udp.dstport")), "udp")
        }
        None => (
            format!("{client}:{}", show("tcp.srcport")),
            format!("{server}:{}", show("tcp.dstport")),
            "tcp",
        ),
    }
}

/// TLS by itself, perhaps after words in the clear.
fn tls(record: &Record, frames: &[Frame]) -> Seen {
    let mut seen = Seen::default();
    let all = segments(frames);
    let is_hello = |from: Side, bytes: &[u8]| from == Side::Client && bytes.starts_with(&[22, 3]);
    let begins = all.iter().position(|one| is_hello(one.from, &one.bytes)).unwrap();
    let (before, all) = all.split_at(begins);
    for one in before {
        let text = String::from_utf8_lossy(&one.bytes).into_owned();
        let line = text.split(['\r', '\n']).next().unwrap_or_default();
        let shown = if one.from == Side::Server { line } else { line.split(' ').next().unwrap() };
        let mut step = Step::new("in_the_clear", one.at, one.from, vec![one.place]);
        step.add("begins_with", shown, None);
        let mut further = text.lines().skip(1).filter(|_| one.from == Side::Server);
        if let Some(line) = further.find(|line| line.contains("STARTTLS")) {
            step.add("about_tls", line, None);
        }
        seen.steps.push(step);
    }
    let streams = [Side::Client, Side::Server].map(|side| {
        let mut stream = Stream::default();
        let mine = all.iter().filter(|one| one.from == side);
        mine.for_each(|one| stream.push(one.at, one.place, &one.bytes));
        stream
    });
    let mut tls = Tls::new(0, record.closed, streams);
    for frame in frames {
        let Some(one) = all.iter().find(|one| one.place.frame == frame.number) else { continue };
        for came in tls.frame(frame, one.from) {
            match came {
                Came::Step(step) => seen.steps.push(*step),
                Came::Plain(plain) if plain.step.entry.is_empty() => {}
                Came::Plain(plain) => seen.steps.push(answer(*plain)),
            }
        }
    }
    assert_eq!(tls.unread(), [0, 0], "{}: bytes of TLS that no record has", record.name);
    seen.uses = tls.uses;
    seen
}

/// Of a web server's answer its first line is told, and the line of HSTS.
fn answer(plain: Plain) -> Step {
    let Plain { mut step, content } = plain;
    let text = String::from_utf8_lossy(&content).into_owned();
    if step.from == Side::Server && text.starts_with("HTTP/1.") {
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        step.add("http_status", head.lines().next().unwrap_or_default(), None);
        let hsts = head.lines().find_map(|line| line.strip_prefix("Strict-Transport-Security: "));
        step.add("hsts", hsts.unwrap_or("(not sent)"), None);
    }
    step
}

/// What was shown, as OpenSSL reads it, with the staples that tshark reads.
fn shown(steps: &[Step]) -> Vec<Value> {
    let mut all: Vec<Value> = Vec::new();
    for (step, number) in steps.iter().zip(1..) {
        for (der, depth) in step.certificates.iter().zip(0..) {
            let mut one = certificates::read(der);
            one["shown_by"] = json!(step.from.word());
            one["step"] = json!(number);
            one["depth"] = json!(depth);
            let staple = step.staple.clone().filter(|_| depth == 0);
            one["inquiries"] = json!([
                staple.unwrap_or_else(|| not_asked("staple")),
                not_asked("ocsp"),
                not_asked("crl"),
            ]);
            all.push(one);
        }
        if let (Some(staple), true) = (&step.staple, step.certificates.is_empty()) {
            let own = |one: &&mut Value| one["shown_by"] == "server" && one["depth"] == 0;
            all.iter_mut().rfind(own).unwrap()["inquiries"][0] = staple.clone();
        }
    }
    all
}

fn not_asked(means: &str) -> Value {
    json!({ "means": means, "answer": "not_asked", "signed_at": null, "good_until": null })
}

fn keys(seen: &Seen, began: u64) -> Vec<Value> {
    let mut all: Vec<Value> =
        seen.uses.iter().map(|(key, used)| tls_key(seen, *key, *used, began)).collect();
    let says = |number: u64, entry: &str| {
        seen.steps.iter().any(|step| step.handshake == number && step.entry == entry)
    };
    // A handshake whose key messages came and that was not refused has made a key, whether or not it was used.
    let made = seen.steps.iter().map(|step| step.handshake);
    let made = made.filter(|number| says(*number, "server_key_message"));
    let made = made.filter(|number| !says(*number, "auth_failed"));
    let used = seen.data.iter().map(|((number, _), _)| *number);
    let mut numbers: Vec<u64> = made.chain(used).collect();
    numbers.sort_unstable();
    numbers.dedup();
    for (index, number) in numbers.iter().enumerate() {
        let next = numbers.get(index + 1).map(|next| format!("data{next}"));
        let mine = seen.data.iter().filter(|((have, _), _)| have == number);
        let no = seen.steps.iter().find(|step| step.entry == "auth_failed");
        let no = no.filter(|_| next.is_none()).map(|step| step.at - began);
        let ends = no.or_else(|| next.is_none().then(|| goodbye(seen, began)).flatten());
        all.push(json!({
            "id": format!("data{number}"),
            "kind": "data",
            "cipher": seen.data_cipher.as_deref().map(plain),
            "born": first(seen, *number, &["server_key_message"], began),
            "uses": mine.map(|((_, by), used)| one_use(*by, *used, began)).collect::<Vec<Value>>(),
            "renewal": if no.is_some() { "never" } else { "renegotiation" },
            "replaced_by": next,
            "ends": ends,
            "ends_by": if no.is_some() { "refusal" } else { "renegotiation" },
        }));
    }
    for step in &seen.steps {
        let ends_by = match step.entry {
            "server_hello_resumed" => "ticket_lifetime",
            "server_hello_old_resumed" => "servers_setting",
            _ => continue,
        };
        all.push(json!({
            "id": format!("earlier{}", step.handshake),
            "kind": "resumption",
            "cipher": null,
            "born": null,
            "uses": [],
            "renewal": "never",
            "replaced_by": null,
            "ends": null,
            "ends_by": ends_by,
        }));
    }
    // OpenVPN makes no use of them.
    let used = seen.steps.iter().filter(|_| seen.packets.is_empty());
    let tickets = used.filter_map(|step| Some((step.at - began, step.lifetime?)));
    for (index, (at, lifetime)) in tickets.enumerate() {
        all.push(json!({
            "id": format!("ticket{index}"),
            "kind": "resumption",
            "cipher": null,
            "born": at,
            "uses": [],
            "renewal": "never",
            "replaced_by": null,
            "ends": at + lifetime * 1_000_000,
            "ends_by": "ticket_lifetime",
        }));
    }
    all
}

fn tls_key(seen: &Seen, key: Key, used: Used, began: u64) -> Value {
    let (number, by) = match key {
        Key::Handshake(number, by) | Key::Traffic(number, by, _) => (number, by),
    };
    let mine = || seen.steps.iter().filter(move |step| step.handshake == number);
    let hello = mine().find(|step| step.suite.is_some()).unwrap();
    let is_new = !hello.entry.starts_with("server_hello_old");
    let has = |key: Key| seen.uses.contains_key(&key).then_some(key);
    let (kind, rule, next) = match key {
        Key::Handshake(..) => {
            ("tls_handshake", "handshake_finished", has(Key::Traffic(number, by, 0)))
        }
        Key::Traffic(_, _, update) if is_new => {
            ("tls_traffic", "key_update", has(Key::Traffic(number, by, update + 1)))
        }
        Key::Traffic(..) => ("tls_traffic", "new_connection", None),
    };
    // A renewal brings another key; the one before is used for the rest of what was begun under it.
    let renewed = match key {
        Key::Traffic(..) if next.is_none() => has(Key::Traffic(number + 1, by, 0)),
        _ => None,
    };
    // Inside OpenVPN that is what brings the next one, unless a KeyUpdate has.
    let by_another = seen.is_vpn() && kind == "tls_traffic" && next.is_none();
    let rule = if by_another || renewed.is_some() { "renegotiation" } else { rule };
    // Whoever has said Finished goes on under the next key, whether anything follows or not.
    let finished = |step: &Step| {
        step.from == by && ["client_finished", "server_finished"].contains(&step.entry)
    };
    let is_over = kind == "tls_handshake" && mine().any(finished);
    let born = match key {
        Key::Handshake(..) => first(seen, number, &["server_hello", "server_hello_resumed"], began),
        Key::Traffic(_, _, 0) => first(
            seen,
            number,
            &["client_key_exchange", "server_hello_old_resumed", "server_finished"],
            began,
        ),
        Key::Traffic(_, _, update) => mine()
            .filter(|step| step.entry == "key_update" && step.from == by)
            .nth(update as usize - 1)
            .map(|step| step.at - began),
    };
    let said = mine()
        .find(|step| step.from == by && step.entry == "close_notify")
        .map(|step| step.at - began);
    // RFC 8446, 6.2; RFC 5246, 7.2.2: whoever breaks it off, both forget the keys.
    let no = mine().find(|step| ["alert", "auth_failed"].contains(&step.entry));
    let no = no.map(|step| (step.at - began).max(used.last - began));
    let no = no.filter(|_| !is_over && next.is_none() && renewed.is_none());
    let ends = match (next, renewed) {
        _ if is_over => Some(used.last - began),
        (Some(_), _) => Some(used.last - began),
        (None, Some(_)) => None,
        (None, None) => no.or(said).or_else(|| goodbye(seen, began)),
    };
    json!({
        "id": key.id(),
        "kind": kind,
        "cipher": hello.fields["cipher_suite"][0][1],
        "born": born,
        "uses": [one_use(by, used, began)],
        "renewal": if no.is_some() { "never" } else { rule },
        "replaced_by": next.or(renewed).map(Key::id),
        "ends": ends,
        "ends_by": if no.is_some() { "refusal" } else { rule },
    })
}

fn one_use(by: Side, used: Used, began: u64) -> Value {
    json!({
        "by": by.word(),
        "first": used.first - began,
        "last": used.last - began,
        "count": used.count,
    })
}

fn first(seen: &Seen, handshake: u64, entries: &[&str], began: u64) -> Option<u64> {
    let fits = |step: &&Step| step.handshake == handshake && entries.contains(&step.entry);
    seen.steps.iter().find(fits).map(|step| step.at - began)
}

fn goodbye(seen: &Seen, began: u64) -> Option<u64> {
    seen.steps.iter().find(|step| step.entry == "exit").map(|step| step.at - began)
}

/// Whoever sends an alert breaks it off, and so does a server that refuses; the rest is known from what was recorded.
fn ending(record: &Record, steps: &[Step]) -> Value {
    let broken = |code: String, by: Option<Side>, at: Option<usize>| {
        let (by, at) = (by.map(Side::word), at.map(|at| at + 1));
        json!({ "how": "broken", "code": code, "by": by, "at_step": at })
    };
    if let Some(at) = steps.iter().position(|step| step.entry == "alert") {
        let alert = steps[at].fields["alert_description"][0][1].as_str().unwrap();
        return broken(format!("alert{alert}"), Some(steps[at].from), Some(at));
    }
    if let Some(at) = steps.iter().position(|step| step.entry == "auth_failed") {
        return broken("authfailed".to_owned(), Some(steps[at].from), Some(at));
    }
    // Data whose kind stands in the clear comes behind both ChangeCipherSpec.
    let is_over = steps.iter().any(|step| step.entry == "application_data");
    let last = steps.len().checked_sub(1);
    match () {
        () if record.name.contains("wrong-key") => broken("wrongtlsauth".to_owned(), None, Some(0)),
        () if record.name.contains("wrong-direction") => {
            broken("wrongkeydirection".to_owned(), None, Some(0))
        }
        () if record.name.contains("blocked") => broken("resetunanswered".to_owned(), None, last),
        // A handshake of TLS by itself that can't be opened: whether it was finished is not seen.
        () if record.closed.is_some() && !record.is_vpn() && !is_over => json!({ "how": "cut" }),
        () => json!({ "how": "done" }),
    }
}
