//! A connection of our own, kept for its story, and as packets where a capture is written too: both under the same numbers.

use std::net::SocketAddr;

use explain::capture::written::{Flow, MOST};
use explain::live::Live;
use explain::{Chunk, Side};

use super::kept::Kept;

pub(super) struct Record {
    pub(super) live: Live,
    transport: &'static str,
    kept: Kept,
    flow: Option<Flow>,
    parts: u32,
    last: u64,
}

impl Record {
    /// Of a connection over `udp` or `tcp`.
    pub(super) fn new(transport: &'static str, kept: &Kept) -> Self {
        let mut live = Live::new(transport);
        let unknown = || "unknown".to_owned();
        live.between(unknown(), unknown());
        Self { live, transport, kept: kept.clone(), flow: None, parts: 0, last: 0 }
    }

    /// Whose addresses these are.
    pub(super) fn between(&mut self, client: SocketAddr, server: SocketAddr) {
        self.live.between(client.to_string(), server.to_string());
        if self.kept.captures() && self.flow.is_none() {
            self.flow = Some(match self.transport {
                "tcp" => Flow::tcp(client, server),
                _ => Flow::udp(client, server),
            });
        }
    }

    /// Whether nothing was said yet.
    pub(super) fn is_empty(&self) -> bool {
        self.parts == 0
    }

    /// One of the two said this, at this microsecond since 1970.
    pub(super) fn said(&mut self, at: u64, from: Side, bytes: &[u8]) {
        self.begin(at);
        self.last = at;
        for bytes in bytes.chunks(MOST) {
            let record = self.flow.as_mut().and_then(|flow| flow.said(at, from, bytes));
            let frame = match record {
                Some(record) => self.kept.packet(&record).unwrap_or_default(),
                None => self.parts + 1,
            };
            self.parts += 1;
            self.live.push(&Chunk { at, from, frame, offset: 0, bytes });
        }
    }

    /// One of the two ended the TCP connection within the handshake, behind all that was said.
    pub(super) fn closed(&mut self, by: Side, reset: bool) {
        self.live.closed(by, reset);
        let record = self.flow.as_mut().and_then(|flow| flow.ended(self.last, by, reset));
        self.keep(record);
    }

    fn begin(&mut self, at: u64) {
        if self.parts == 0 {
            let begun = self.flow.as_mut().map(|flow| flow.beginning(at)).unwrap_or_default();
            self.keep(begun);
        }
    }

    fn keep(&self, records: impl IntoIterator<Item = Vec<u8>>) {
        for record in records {
            self.kept.packet(&record);
        }
    }
}
