//! tshark's reading of a file beside ours.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::record::Record;

/// What tshark reads: for each frame the values of each of its fields, in their order.
pub(crate) struct Read {
    frames: BTreeMap<u64, BTreeMap<&'static str, Vec<String>>>,
}

/// Fields of tshark, and where the same stands in our JSON.
const COLUMNS: &[(&str, Ours)] = &[
    ("tcp.srcport", Ours::Sender),
    ("udp.srcport", Ours::Sender),
    ("tls.handshake.type", Ours::HandshakeType),
    ("tls.change_cipher_spec", Ours::ChangeCipherSpec),
    ("tls.handshake.version", Ours::Field("legacy_version")),
    ("tls.handshake.random", Ours::Field("random")),
    ("tls.handshake.session_id", Ours::Field("session_id")),
    ("tls.handshake.ciphersuite", Ours::Field("cipher_suite")),
    ("tls.handshake.extension.type", Ours::Field("extension")),
    ("tls.handshake.extensions.supported_version", Ours::Field("supported_version")),
    ("tls.handshake.extensions_supported_group", Ours::Field("supported_group")),
    ("tls.handshake.extensions_key_share_group", Ours::Field("key_share_group")),
    ("tls.handshake.extensions_key_share_selected_group", Ours::Field("key_share_selected")),
    ("tls.handshake.sig_hash_alg", Ours::Field("signature_algorithm")),
    ("tls.handshake.extensions_server_name", Ours::Field("server_name")),
    ("tls.handshake.extensions_alpn_str", Ours::Field("alpn")),
    ("tls.handshake.server_named_curve", Ours::Field("named_group")),
    ("tls.handshake.certificate_length", Ours::Field("certificate_length")),
    ("tls.handshake.session_ticket_lifetime_hint", Ours::Field("ticket_lifetime")),
    ("tls.handshake.session_ticket_length", Ours::Field("ticket_length")),
    ("tls.alert_message.level", Ours::Field("alert_level")),
    ("tls.alert_message.desc", Ours::Field("alert_description")),
    ("x509af.serialNumber", Ours::Serial),
    ("ocsp.certStatus", Ours::Staple),
    ("openvpn.opcode", Ours::Packet("opcode")),
    ("openvpn.keyid", Ours::Packet("key_id")),
    ("openvpn.sessionid", Ours::Packet("session")),
    ("openvpn.mpid", Ours::Packet("message")),
    ("openvpn.mpidarrayelement", Ours::Packet("acks")),
    ("openvpn.pid", Ours::Stamp(0)),
    ("openvpn.net_time", Ours::Stamp(1)),
];

/// Where a value stands in our JSON.
#[derive(Clone, Copy)]
enum Ours {
    /// The port of the side that sent what stands in the frame.
    Sender,
    HandshakeType,
    ChangeCipherSpec,
    Field(&'static str),
    Serial,
    Staple,
    Packet(&'static str),
    Stamp(usize),
}

pub(crate) fn tshark(record: &Record) -> Read {
    let mut command = Command::new("tshark");
    command
        .arg("-r")
        .arg(&record.capture)
        .arg("-o")
        .arg(format!("tls.keylog_file:{}", record.keys.display()));
    if let Some(length) = hmac_length(&record.name) {
        let on = length > 0;
        command.args(["-o", "openvpn.tls_auth_detection_override:TRUE"]);
        command.arg("-o").arg(format!("openvpn.tls_auth:{}", if on { "TRUE" } else { "FALSE" }));
        command.arg("-o").arg(format!("openvpn.tls_auth_hmac_size:{}", length.max(20)));
        for (transport, port) in [("udp", "21000-21999"), ("tcp", "21000-21999")] {
            command.arg("-d").arg(format!("{transport}.port=={port},openvpn"));
        }
    }
    command.args([
        "-T",
        "fields",
        "-E",
        "separator=/t",
        "-E",
        "occurrence=a",
        "-E",
        "aggregator=;",
        "-e",
        "frame.number",
    ]);
    COLUMNS.iter().for_each(|(name, _)| {
        command.args(["-e", name]);
    });
    let output = command.output().unwrap();
    assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    Read { frames: text.lines().map(line).collect() }
}

/// The length of the HMAC that a recording of OpenVPN has, by its name; 0 for none.
fn hmac_length(name: &str) -> Option<usize> {
    let rest = name.strip_prefix("openvpn-")?;
    Some(match rest {
        _ if rest.contains("plain") || rest.contains("crypt") => 0,
        _ if rest.contains("sha256") => 32,
        _ if rest.contains("sha512") => 64,
        _ => 20,
    })
}

fn line(line: &str) -> (u64, BTreeMap<&'static str, Vec<String>>) {
    let mut columns = line.split('\t');
    let frame = columns.next().unwrap().parse().unwrap();
    let values = COLUMNS.iter().zip(columns).map(|((name, _), values)| {
        let values = values.split(';').filter(|value| !value.is_empty());
        let normal = if *name == "openvpn.net_time" { seconds } else { normal };
        (*name, values.map(normal).collect())
    });
    (frame, values.collect())
}

/// Numbers alike, however they are written.
fn normal(value: &str) -> String {
    let digits = value.strip_prefix("0x").map(|digits| u64::from_str_radix(digits, 16));
    match digits {
        Some(Ok(number)) => number.to_string(),
        _ => value.to_lowercase().replace(':', ""),
    }
}

/// A staple has the certificate of whoever signed it inside, behind those that were shown.
fn without_responder(
    name: &str,
    shown: usize,
    mut theirs: Vec<String>,
    fields: Option<&BTreeMap<&'static str, Vec<String>>>,
) -> Vec<String> {
    let stapled =
        fields.and_then(|fields| fields.get("ocsp.certStatus")).is_some_and(|all| !all.is_empty());
    if name == "x509af.serialNumber" && stapled {
        theirs.truncate(shown.max(1));
    }
    theirs
}

/// Seconds since 1970 of a time as tshark writes it: `Nov 29, 2026 08:08:23.000000000 UTC`.
fn seconds(time: &str) -> String {
    let words: Vec<&str> =
        time.split([' ', ',', ':', '.']).filter(|word| !word.is_empty()).collect();
    let number = |at: usize| words[at].parse::<i64>().unwrap();
    let months =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|month| *month == words[0]).unwrap() as i64 + 1;
    let (day, year) = (number(1), number(2));
    // Days from a year that begins in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 719_469;
    (days * 86_400 + number(3) * 3_600 + number(4) * 60 + number(5)).to_string()
}

/// Every place where the two don't say the same.
pub(crate) fn differences(story: &Value, read: &Read) -> Vec<String> {
    let mut wrong = order(story);
    if story["protocol"] == "openvpn" {
        wrong.extend(uses(story, read));
    }
    let last = read.frames.keys().last().copied().unwrap_or(0);
    for frame in 1..=last {
        for (name, ours) in COLUMNS {
            let said = said(story, frame, *ours);
            let theirs = read
                .frames
                .get(&frame)
                .and_then(|fields| fields.get(name))
                .cloned()
                .unwrap_or_default();
            let theirs = without_responder(name, said.len(), theirs, read.frames.get(&frame));
            // A frame without a step has a sender all the same.
            let silent = matches!(ours, Ours::Sender) && (said.is_empty() || theirs.is_empty());
            if !silent && !is_beyond_tshark(story, read, frame, *ours) && said != theirs {
                wrong.push(format!("frame {frame}, {name}: we {said:?}, tshark {theirs:?}"));
            }
        }
    }
    wrong
}

/// What tshark can't tell of OpenVPN, each with the judge that it has instead:
///
/// - data packets, which we count by key: [`uses`] compares the counts;
/// - what stands behind the header of a packet that is encrypted (tls-crypt, and renewals by dynamic tls-crypt), which
///   neither reads: tshark takes it for acknowledgements. Opcode, key id and session are compared all the same;
/// - messages of TLS that were cut into several packets, which it does not join (its reassembly has another rule).
///   `joined` gives them to it in one piece.
fn is_beyond_tshark(story: &Value, read: &Read, frame: u64, ours: Ours) -> bool {
    if story["protocol"] != "openvpn" {
        return false;
    }
    let opcodes = read.frames.get(&frame).and_then(|fields| fields.get("openvpn.opcode"));
    let is_data = opcodes.is_some_and(|all| all.iter().any(|opcode| opcode == "9"));
    let mut packets = array(story, "packets");
    let encrypted =
        packets.any(|packet| packet["frame"] == frame && packet["wrapping"] == "encrypted");
    let types = read.frames.get(&frame).and_then(|fields| fields.get("tls.handshake.type"));
    match ours {
        Ours::Packet("message" | "acks") | Ours::Stamp(_) => is_data || encrypted,
        Ours::Packet(_) => is_data,
        Ours::Sender => false,
        _ => types.is_none_or(Vec::is_empty),
    }
}

/// How many data packets each side sent under each key, as tshark counts them.
fn uses(story: &Value, read: &Read) -> Vec<String> {
    let mut theirs: BTreeMap<(String, u64), u64> = BTreeMap::new();
    let port = |side: &str| story[side].as_str().unwrap().rsplit(':').next().unwrap().to_owned();
    for fields in read.frames.values() {
        let all = |name: &str| fields.get(name).cloned().unwrap_or_default();
        let ports = [all("udp.srcport"), all("tcp.srcport")].concat();
        for (opcode, key) in all("openvpn.opcode").iter().zip(all("openvpn.keyid")) {
            if opcode == "9" {
                *theirs.entry((ports[0].clone(), key.parse().unwrap())).or_default() += 1;
            }
        }
    }
    let mut ours = BTreeMap::new();
    for key in array(story, "keys").filter(|key| key["kind"] == "data") {
        let id = key["id"].as_str().unwrap().strip_prefix("data").unwrap().parse::<u64>().unwrap();
        for one in array(key, "uses") {
            ours.insert((port(one["by"].as_str().unwrap()), id), one["count"].as_u64().unwrap());
        }
    }
    let differ = ours != theirs;
    let what = format!("data packets by sender and key: we {ours:?}, tshark {theirs:?}");
    differ.then_some(what).into_iter().collect()
}

/// Steps are numbered in the order of their frames.
fn order(story: &Value) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut before = (0, 0);
    for step in array(story, "steps") {
        let now = (frame_of(step).unwrap_or(before.0), step["number"].as_u64().unwrap());
        if now.0 < before.0 || now.1 != before.1 + 1 {
            wrong.push(format!("step {} comes after one of a later frame", now.1));
        }
        before = now;
    }
    wrong
}

fn said(story: &Value, frame: u64, ours: Ours) -> Vec<String> {
    let steps = || array(story, "steps").filter(move |step| frame_of(step) == Some(frame));
    let packets = || array(story, "packets").filter(move |packet| packet["frame"] == frame);
    match ours {
        Ours::Sender => senders(story, steps().chain(packets()).map(|one| &one["from"])),
        Ours::HandshakeType => {
            steps().filter_map(handshake_type).map(|kind| kind.to_string()).collect()
        }
        Ours::ChangeCipherSpec => {
            let is = |step: &&Value| {
                ["disguise", "change_cipher_spec"].contains(&step["entry"].as_str().unwrap())
            };
            steps().filter(is).map(|_| "1".to_owned()).collect()
        }
        Ours::Field(name) => {
            steps().filter(|step| is_tls(step)).flat_map(|step| fields(step, name)).collect()
        }
        Ours::Serial => steps()
            .flat_map(|step| {
                let number = step["number"].clone();
                array(story, "certificates")
                    .filter(move |certificate| certificate["step"] == number)
            })
            .map(|certificate| normal(&format!("0x{}", certificate["serial"].as_str().unwrap())))
            .map(|serial| serial.strip_prefix("0x").map(str::to_owned).unwrap_or(serial))
            .collect(),
        Ours::Staple => staples(story, steps()),
        Ours::Packet(name) => packets().flat_map(|packet| values(&packet[name])).collect(),
        Ours::Stamp(index) => {
            packets().flat_map(|packet| values(&packet["stamp"][index])).collect()
        }
    }
}

/// The port of whoever sent what stands in a frame, once.
fn senders<'a>(story: &Value, from: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let port = |side: &Value| {
        let address = story[side.as_str().unwrap()].as_str().unwrap();
        address.rsplit(':').next().unwrap().to_owned()
    };
    let mut ports: Vec<String> = from.map(port).collect();
    ports.dedup();
    ports
}

/// What a staple of the server's certificate says, in tshark's numbers, in the frame that brought it.
fn staples<'a>(story: &Value, steps: impl Iterator<Item = &'a Value>) -> Vec<String> {
    let brought = |step: &&Value| fields(step, "staple_length").next().is_some();
    let answer = |_: &Value| {
        let mut own =
            array(story, "certificates").filter(|certificate| certificate["shown_by"] == "server");
        let certificate = own.next()?;
        let staple =
            array(certificate, "inquiries").find(|inquiry| inquiry["means"] == "staple")?;
        match staple["answer"].as_str()? {
            "good" => Some("0".to_owned()),
            "revoked" => Some("1".to_owned()),
            "unknown" => Some("2".to_owned()),
            other => Some(other.to_owned()),
        }
    };
    steps.filter(brought).filter_map(answer).collect()
}

fn is_tls(step: &Value) -> bool {
    handshake_type(step).is_some()
        || ["alert", "close_notify"].contains(&step["entry"].as_str().unwrap())
}

pub(crate) fn handshake_type(step: &Value) -> Option<u8> {
    Some(match step["entry"].as_str()? {
        "client_hello" | "second_client_hello" => 1,
        "hello_retry_request"
        | "server_hello"
        | "server_hello_resumed"
        | "server_hello_old"
        | "server_hello_old_resumed" => 2,
        "new_session_ticket" => 4,
        "encrypted_extensions" => 8,
        "server_certificate" | "client_certificate" | "no_client_certificate" => 11,
        "server_key_exchange" => 12,
        "certificate_request" => 13,
        "server_hello_done" => 14,
        "server_certificate_verify" | "client_certificate_verify" => 15,
        "client_key_exchange" => 16,
        "server_finished" | "client_finished" => 20,
        "certificate_status" => 22,
        "key_update" => 24,
        _ => return None,
    })
}

fn fields<'a>(step: &'a Value, name: &'a str) -> impl Iterator<Item = String> + 'a {
    let named = array(step, "fields").filter(move |field| field["name"] == name);
    named.map(|field| normal(field["value"].as_str().unwrap())).filter(|value| !value.is_empty())
}

/// The frame in which it was complete.
fn frame_of(step: &Value) -> Option<u64> {
    array(step, "basis").last()?["frame"].as_u64()
}

fn values(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Array(all) => all.iter().flat_map(values).collect(),
        Value::String(text) => vec![normal(&format!("0x{text}"))],
        other => vec![normal(&other.to_string())],
    }
}

fn array<'a>(value: &'a Value, name: &str) -> impl Iterator<Item = &'a Value> {
    value[name].as_array().into_iter().flatten()
}
