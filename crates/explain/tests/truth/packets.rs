//! OpenVPN's packets: cut out of tshark's datagrams and segments, each beside what tshark reads in it.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::cut;
use crate::pdml::{Frame, Shown, all, groups};
use crate::stream::{Place, Segment, Side, Stream, segments};

/// One packet.
pub(crate) struct Packet<'a> {
    pub(crate) at: u64,
    pub(crate) from: Side,
    pub(crate) basis: Vec<Place>,
    pub(crate) bytes: Vec<u8>,
    read: &'a [Shown],
}

impl Packet<'_> {
    pub(crate) fn first(&self, name: &'static str) -> Option<&Shown> {
        all(self.read, name).next()
    }

    pub(crate) fn number(&self, name: &'static str) -> Option<u64> {
        self.first(name).map(Shown::number)
    }

    pub(crate) fn acks(&self) -> Vec<u64> {
        all(self.read, "openvpn.mpidarrayelement").map(Shown::number).collect()
    }

    /// How many datagrams stood in its frame, if there were several.
    pub(crate) fn datagrams(&self) -> Option<String> {
        self.first(cut::DATAGRAMS).map(|shown| shown.show.clone())
    }

    pub(crate) fn opcode(&self) -> u64 {
        self.number("openvpn.opcode").unwrap()
    }

    pub(crate) fn key_id(&self) -> u64 {
        self.number("openvpn.keyid").unwrap()
    }

    pub(crate) fn session(&self) -> &str {
        &self.first("openvpn.sessionid").unwrap().value
    }

    /// How many bytes stand before the stream of TLS, by the parts that tshark names.
    pub(crate) fn header(&self) -> usize {
        let hmac = self.first("openvpn.hmac").map_or(0, |hmac| hmac.value.len() / 2 + 8);
        let acks = self.acks().len();
        let acked = if acks > 0 { 8 } else { 0 };
        let message = if self.first("openvpn.mpid").is_some() { 4 } else { 0 };
        1 + 8 + hmac + 1 + 4 * acks + acked + message
    }

    /// What an HMAC is calculated over: counter and time, opcode and session, and the rest.
    pub(crate) fn signed(&self) -> Vec<u8> {
        let hmac = self.first("openvpn.hmac").unwrap().value.len() / 2;
        let (head, behind) = self.bytes.split_at(9);
        let (stamp, rest) = behind[hmac..].split_at(8);
        [stamp, head, rest].concat()
    }
}

/// All packets, in the order in which they were complete.
pub(crate) fn packets(frames: &[Frame]) -> Vec<Packet<'_>> {
    let mut reads: BTreeMap<u64, VecDeque<&[Shown]>> = BTreeMap::new();
    for frame in frames {
        reads.entry(frame.number).or_default().extend(groups(&frame.fields, "openvpn.type"));
    }
    let is_tcp = frames.iter().any(|frame| frame.first("tcp.srcport").is_some());
    let mut streams = [Cut::default(), Cut::default()];
    let mut packets = Vec::new();
    for segment in segments(frames) {
        let frame = segment.place.frame;
        let whole = match is_tcp {
            true => streams[segment.from as usize].push(&segment),
            false => vec![(vec![segment.place], segment.bytes)],
        };
        for (basis, bytes) in whole {
            let read = reads.get_mut(&frame).unwrap().pop_front();
            let read = read.unwrap_or_else(|| panic!("frame {frame}: tshark sees fewer packets"));
            packets.push(Packet { at: segment.at, from: segment.from, basis, bytes, read });
        }
    }
    let more = reads.values().map(VecDeque::len).sum::<usize>();
    assert_eq!(more, 0, "tshark sees more packets");
    packets
}

/// One direction of TCP, in which each packet stands behind its length.
#[derive(Default)]
struct Cut {
    stream: Stream,
    read: usize,
}

impl Cut {
    fn push(&mut self, segment: &Segment) -> Vec<(Vec<Place>, Vec<u8>)> {
        self.stream.push(segment.at, segment.place, &segment.bytes);
        let mut whole = Vec::new();
        while let Some([a, b]) = self.stream.bytes().get(self.read..self.read + 2) {
            let begin = self.read + 2;
            let end = begin + usize::from(u16::from_be_bytes([*a, *b]));
            let Some(bytes) = self.stream.bytes().get(begin..end) else { break };
            whole.push((self.stream.places(begin, end), bytes.to_vec()));
            self.read = end;
        }
        whole
    }
}

/// Which direction of a key made the HMAC of each packet, as OpenSSL calculates it; none where neither did.
pub(crate) fn directions(
    packets: &[Packet<'_>],
    key: &Path,
    digest: &str,
    folder: &Path,
) -> Vec<Option<u8>> {
    let key = key_bytes(&fs::read_to_string(key).unwrap());
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).unwrap();
    let signed: Vec<usize> =
        (0..packets.len()).filter(|at| packets[*at].first("openvpn.hmac").is_some()).collect();
    let name = |at: usize| folder.join(format!("{at:05}"));
    signed.iter().for_each(|at| fs::write(name(*at), packets[*at].signed()).unwrap());
    let mut found = vec![None; packets.len()];
    // Each direction has 64 bytes for a cipher, and behind them 64 of which an HMAC takes as many as it has.
    for (direction, begin) in [(0, 64), (1, 192)] {
        for some in signed.chunks(500) {
            let output = Command::new("openssl")
                .args(["dgst", "-r", &format!("-{digest}"), "-mac", "HMAC", "-macopt"])
                .arg(format!("hexkey:{}", hex(&key[begin..begin + length(digest)])))
                .args(some.iter().map(|at| name(*at)))
                .output()
                .unwrap();
            assert!(output.status.success(), "openssl dgst");
            let text = String::from_utf8(output.stdout).unwrap();
            for (at, line) in some.iter().zip(text.lines()) {
                let theirs = &packets[*at].first("openvpn.hmac").unwrap().value;
                if line.split_once(' ').unwrap().0 == theirs {
                    found[*at] = Some(direction);
                }
            }
        }
    }
    found
}

fn length(digest: &str) -> usize {
    match digest {
        "sha1" => 20,
        "sha256" => 32,
        _ => 64,
    }
}

/// The key of a file: 256 bytes as digits, between two lines.
fn key_bytes(text: &str) -> Vec<u8> {
    let digits: String = text
        .lines()
        .skip_while(|line| !line.starts_with("-----BEGIN"))
        .skip(1)
        .take_while(|line| !line.starts_with("-----END"))
        .collect();
    (0..512).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
