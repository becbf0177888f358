//! The second layer of the comparison: messages of TLS inside OpenVPN, which tshark does not join where they were cut
//! into several packets. Those in the clear are taken out of the recording, from the places that our JSON names, and
//! given to tshark as conversations of TCP; what it reads there is held against the same steps.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::compare::{self, Read};
use crate::record::Record;

/// What tshark reads of the messages of a recording; none where nothing was cut.
pub(crate) fn read(record: &Record, story: &Value) -> Option<Read> {
    if story["protocol"] != "openvpn" || !steps(story).any(|step| places(step).len() > 1) {
        return None;
    }
    let frames = frames(&fs::read(&record.capture).unwrap());
    let mut file = Pcap::new();
    let mut before = &Value::Null;
    for step in steps(story) {
        if step["basis"] != *before {
            before = &step["basis"];
            file.message(step, &record_of(step, &frames));
        }
    }
    let name = record.name.replace(' ', "-");
    let capture = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-joined.pcap"));
    fs::write(&capture, file.0).unwrap();
    let keys = capture.with_extension("keys");
    Some(compare::tshark(&Record { name: "joined".to_owned(), capture, keys }))
}

/// Where the steps of a story differ from what was read of their messages.
pub(crate) fn differences(story: &Value, read: &Read) -> Vec<String> {
    let mut frame = 0;
    let mut before = &Value::Null;
    let mut numbers = BTreeMap::new();
    let mut alone = Vec::new();
    for step in steps(story) {
        if step["basis"] != *before {
            before = &step["basis"];
            frame += 1;
        }
        let mut one = step.clone();
        one["basis"] = json!([{ "frame": frame, "offset": 0, "length": 0 }]);
        one["number"] = json!(alone.len() + 1);
        numbers.insert(step["number"].as_u64(), alone.len() + 1);
        alone.push(one);
    }
    let mut certificates = story["certificates"].clone();
    for certificate in certificates.as_array_mut().into_iter().flatten() {
        certificate["step"] = json!(numbers.get(&certificate["step"].as_u64()));
    }
    let alone = json!({
        "protocol": "tls", "client": CLIENT, "server": SERVER,
        "steps": alone, "certificates": certificates, "packets": [], "keys": [],
    });
    let found = compare::differences(&alone, read);
    found.into_iter().map(|what| format!("joined, {what}")).collect()
}

const CLIENT: &str = "192.0.2.7:40000";
const SERVER: &str = "192.0.2.1:443";

/// Messages of TLS in the clear.
fn steps(story: &Value) -> impl Iterator<Item = &Value> {
    let all = story["steps"].as_array().into_iter().flatten();
    all.filter(|step| step["key"].is_null() && compare::handshake_type(step).is_some())
}

fn places(step: &Value) -> &[Value] {
    step["basis"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The record that a message stood in: its own bytes behind a head where they are all that is named.
fn record_of(step: &Value, frames: &[Vec<u8>]) -> Vec<u8> {
    let number = |value: &Value| value.as_u64().unwrap() as usize;
    let of = |place: &Value| {
        let (offset, length) = (number(&place["offset"]), number(&place["length"]));
        frames[number(&place["frame"]) - 1][offset..offset + length].to_vec()
    };
    let bytes: Vec<u8> = places(step).iter().flat_map(of).collect();
    if bytes.starts_with(&[22, 3]) {
        return bytes;
    }
    [&[22, 3, 3][..], &(bytes.len() as u16).to_be_bytes(), &bytes].concat()
}

/// The frames of a .pcap.
fn frames(file: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    let mut at = 24;
    while at + 16 <= file.len() {
        let length = u32::from_le_bytes(file[at + 8..at + 12].try_into().unwrap()) as usize;
        frames.push(file[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    frames
}

/// A capture of TCP without Ethernet; each handshake has an address of the client of its own.
struct Pcap(Vec<u8>, BTreeMap<(u64, bool), u32>);

impl Pcap {
    fn new() -> Pcap {
        let head =
            [0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 101, 0, 0, 0];
        Pcap(head.to_vec(), BTreeMap::new())
    }

    fn message(&mut self, step: &Value, record: &[u8]) {
        let handshake = step["handshake"].as_u64().unwrap();
        let of_client = step["from"] == "client";
        let ack = self.1.get(&(handshake, !of_client)).copied().unwrap_or(1);
        let next = self.1.entry((handshake, of_client)).or_insert(1);
        let (client, server) = ([192, 0, 2, 7 + handshake as u8], [192, 0, 2, 1]);
        let (client_port, server_port) = (40_000u16.to_be_bytes(), 443u16.to_be_bytes());
        let (addresses, ports) = match of_client {
            true => ([client, server].concat(), [client_port, server_port].concat()),
            false => ([server, client].concat(), [server_port, client_port].concat()),
        };
        let tcp = [
            &ports[..],
            &next.to_be_bytes(),
            &ack.to_be_bytes(),
            &[0x50, 0x18, 255, 255, 0, 0, 0, 0],
            record,
        ];
        let tcp = tcp.concat();
        *next += record.len() as u32;
        let length = (20 + tcp.len() as u16).to_be_bytes();
        let ip = [&[0x45, 0][..], &length, &[0, 0, 0, 0, 64, 6, 0, 0], &addresses].concat();
        let frame = [ip, tcp].concat();
        let length = (frame.len() as u32).to_le_bytes();
        self.0.extend([&[0; 8][..], &length, &length, &frame].concat());
    }
}
