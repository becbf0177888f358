//! The bytes of one direction, and where each of them stands in the frames: from tshark's segments.

use serde_json::{Value, json};

use crate::pdml::Frame;

/// Who sends. The client is whoever spoke first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

impl Side {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Side::Client => "client",
            Side::Server => "server",
        }
    }

    pub(crate) fn peer(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// Bytes of a frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) frame: u64,
    pub(crate) offset: u64,
    pub(crate) length: u64,
}

impl Place {
    pub(crate) fn json(self) -> Value {
        json!({ "frame": self.frame, "offset": self.offset, "length": self.length })
    }
}

/// What one frame carries.
pub(crate) struct Segment {
    pub(crate) at: u64,
    pub(crate) from: Side,
    pub(crate) place: Place,
    pub(crate) bytes: Vec<u8>,
}

/// One direction's bytes.
#[derive(Default)]
pub(crate) struct Stream {
    bytes: Vec<u8>,
    /// Where each piece begins, when it came, and its place.
    pieces: Vec<(usize, u64, Place)>,
}

impl Stream {
    pub(crate) fn push(&mut self, at: u64, place: Place, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.pieces.push((self.bytes.len(), at, place));
            self.bytes.extend(bytes);
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// When the last of these bytes came.
    pub(crate) fn at(&self, end: usize) -> u64 {
        self.pieces.iter().rfind(|(begin, ..)| *begin < end).unwrap().1
    }

    /// Where these bytes stand, a place for each frame.
    pub(crate) fn places(&self, begin: usize, end: usize) -> Vec<Place> {
        let mut places: Vec<Place> = Vec::new();
        for (first, _, place) in &self.pieces {
            let (from, to) = (begin.max(*first), end.min(*first + place.length as usize));
            if from >= to {
                continue;
            }
            let offset = place.offset + (from - first) as u64;
            let length = (to - from) as u64;
            match places.last_mut() {
                Some(last) if last.frame == place.frame && last.offset + last.length == offset => {
                    last.length += length;
                }
                _ => places.push(Place { frame: place.frame, offset, length }),
            }
        }
        places
    }
}

/// What all frames carry, in order, without what came again.
pub(crate) fn segments(frames: &[Frame]) -> Vec<Segment> {
    let port = |frame: &Frame| {
        frame.first("udp.srcport").or(frame.first("tcp.srcport")).map(|shown| shown.show.clone())
    };
    let client = frames.first().and_then(port);
    let mut next = [0; 2];
    let mut segments = Vec::new();
    for frame in frames {
        let from = if port(frame) == client { Side::Client } else { Side::Server };
        let payload = frame.first("udp.payload").or(frame.first("tcp.payload"));
        let Some(payload) = payload else { continue };
        if let Some(sequence) = frame.first("tcp.seq") {
            let sequence: u64 = sequence.show.parse().unwrap();
            let end = sequence + payload.value.len() as u64 / 2;
            if end <= next[from as usize] {
                continue;
            }
            next[from as usize] = end;
        }
        let bytes = payload.bytes();
        let place =
            Place { frame: frame.number, offset: payload.offset, length: bytes.len() as u64 };
        segments.push(Segment { at: frame.at, from, place, bytes });
    }
    segments
}
