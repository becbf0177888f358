//! The least that speaks to a session on a perfect network: TLS, message numbers, acknowledgements.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use wire::control::{Acks, ControlPacket};
use wire::tls_auth::ReplayStamp;
use wire::wrap::ControlWrap;
use wire::{KeyId, MessageId, Opcode, SessionId};

/// One side of a first negotiation; it never begins another.
pub(crate) struct Peer {
    tls: rustls::Connection,
    wrap: Arc<ControlWrap>,
    own: SessionId,
    other: SessionId,
    next_out: u32,
    next_in: u32,
    early: BTreeMap<u32, Vec<u8>>,
    stamp: ReplayStamp,
    waiting: Vec<ControlPacket>,
}

impl Peer {
    /// A client behind a gate that has let it in.
    pub(crate) fn client(
        tls: &Arc<rustls::ClientConfig>,
        wrap: &Arc<ControlWrap>,
        own: SessionId,
        other: SessionId,
    ) -> Self {
        let name = ServerName::try_from("gateway.test").expect("a name");
        let tls = rustls::ClientConnection::new(Arc::clone(tls), name).expect("a configuration");
        Self::new(tls.into(), wrap, own, other)
    }

    /// A server whose reset is on the way.
    pub(crate) fn server(
        tls: &Arc<rustls::ServerConfig>,
        wrap: &Arc<ControlWrap>,
        own: SessionId,
        other: SessionId,
    ) -> Self {
        let tls = rustls::ServerConnection::new(Arc::clone(tls)).expect("a configuration");
        let mut peer = Self::new(tls.into(), wrap, own, other);
        let opcode = Opcode::CONTROL_HARD_RESET_SERVER_V2;
        let reset = ControlPacket::message(opcode, KeyId::FIRST, own, MessageId(0), Vec::new());
        peer.waiting.push(reset.with_acks(Acks::from_iter([MessageId(0)]), other));
        peer
    }

    fn new(
        tls: rustls::Connection,
        wrap: &Arc<ControlWrap>,
        own: SessionId,
        other: SessionId,
    ) -> Self {
        Self {
            tls,
            wrap: Arc::clone(wrap),
            own,
            other,
            next_out: 1,
            next_in: 1,
            early: BTreeMap::new(),
            stamp: ReplayStamp { id: 100, time: 1_800_000_000 },
            waiting: Vec::new(),
        }
    }

    /// Says something inside TLS, as one record.
    pub(crate) fn say(&mut self, message: &[u8]) {
        let _ = self.tls.writer().write_all(message);
    }

    /// Takes a datagram of the session.
    pub(crate) fn take(&mut self, datagram: &[u8]) {
        let (_, packet) = self.wrap.open(datagram).expect("the session seals well").into_parts();
        let Some(id) = packet.message_id else { return };
        if packet.key_id != KeyId::FIRST {
            return;
        }
        let acks = Acks::from_iter([id]);
        self.waiting.push(ControlPacket::ack(KeyId::FIRST, self.own, acks, self.other));
        if packet.opcode == Opcode::CONTROL_V1 && id.0 >= self.next_in {
            self.early.insert(id.0, packet.payload);
        }
        while let Some(chunk) = self.early.remove(&self.next_in) {
            self.next_in += 1;
            self.read(&chunk);
        }
    }

    fn read(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            if !matches!(self.tls.read_tls(&mut chunk), Ok(1..)) {
                return;
            }
            let _ = self.tls.process_new_packets();
            let _ = self.tls.reader().read(&mut [0; 4096]);
        }
    }

    /// What goes to the session next.
    pub(crate) fn packets(&mut self) -> Vec<Vec<u8>> {
        let mut stream = Vec::new();
        while self.tls.wants_write() {
            if !matches!(self.tls.write_tls(&mut stream), Ok(1..)) {
                break;
            }
        }
        for chunk in stream.chunks(1000) {
            let (opcode, id) = (Opcode::CONTROL_V1, MessageId(self.next_out));
            let chunk = chunk.to_vec();
            self.waiting.push(ControlPacket::message(opcode, KeyId::FIRST, self.own, id, chunk));
            self.next_out += 1;
        }
        let waiting = std::mem::take(&mut self.waiting);
        waiting.iter().map(|packet| self.seal(packet)).collect()
    }

    fn seal(&mut self, packet: &ControlPacket) -> Vec<u8> {
        self.stamp = self.stamp.next();
        self.wrap.seal(self.stamp, packet)
    }
}
