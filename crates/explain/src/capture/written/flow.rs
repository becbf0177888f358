//! What went through a socket, as packets of a capture.
//!
//! A program sees what it sent and received, and not the packets that carried it. So their headers are made here: what
//! they carry, between which addresses, in which order and when is as it was; how TCP cut, numbered and confirmed the
//! stream is not.

use std::net::SocketAddr;

use etherparse::{IpHeaders, PacketBuilder, PacketBuilderStep, TcpHeader};

use super::record;
use crate::place::Side;

/// One conversation of a client's socket.
#[derive(Debug)]
pub struct Flow {
    client: SocketAddr,
    server: SocketAddr,
    stream: Option<Stream>,
}

/// The number of the next byte of each side.
#[derive(Clone, Copy, Debug)]
struct Stream {
    client: u32,
    server: u32,
}

/// The most that one packet carries here.
pub const MOST: usize = 60_000;
const HOPS: u8 = 64;

/// What a segment says beside its bytes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Begin,
    Goes,
    End,
    Reset,
}

impl Flow {
    /// Packets over UDP.
    pub fn udp(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client, server, stream: None }
    }

    /// A TCP connection.
    pub fn tcp(client: SocketAddr, server: SocketAddr) -> Self {
        Self { client, server, stream: Some(Stream { client: 0, server: 0 }) }
    }

    /// How a TCP connection begins, each record a frame; nothing over UDP.
    pub fn beginning(&mut self, at: u64) -> Vec<Vec<u8>> {
        if self.stream.is_none() {
            return Vec::new();
        }
        let three =
            [(Side::Client, Sign::Begin), (Side::Server, Sign::Begin), (Side::Client, Sign::Goes)];
        three.into_iter().filter_map(|(from, sign)| self.segment(at, from, sign, &[])).collect()
    }

    /// The record of what one side said at once, at most [`MOST`] bytes.
    pub fn said(&mut self, at: u64, from: Side, bytes: &[u8]) -> Option<Vec<u8>> {
        match self.stream {
            Some(_) => self.segment(at, from, Sign::Goes, bytes),
            None => self.datagram(at, from, bytes),
        }
    }

    /// The record of how one side ended a TCP connection; none over UDP.
    pub fn ended(&mut self, at: u64, by: Side, reset: bool) -> Option<Vec<u8>> {
        self.segment(at, by, if reset { Sign::Reset } else { Sign::End }, &[])
    }

    fn datagram(&self, at: u64, from: Side, bytes: &[u8]) -> Option<Vec<u8>> {
        let (source, destination) = self.ends(from);
        let builder = self.ip(from)?.udp(source.port(), destination.port());
        let mut packet = Vec::with_capacity(builder.size(bytes.len()));
        builder.write(&mut packet, bytes).ok()?;
        Some(record(at, &packet))
    }

    fn segment(&mut self, at: u64, from: Side, sign: Sign, bytes: &[u8]) -> Option<Vec<u8>> {
        let stream = self.stream.as_mut()?;
        let (own, other) = match from {
            Side::Client => (&mut stream.client, stream.server),
            Side::Server => (&mut stream.server, stream.client),
        };
        let sequence = *own;
        let counted = u32::from(matches!(sign, Sign::Begin | Sign::End));
        *own = own.wrapping_add(u32::try_from(bytes.len()).ok()?).wrapping_add(counted);
        let (source, destination) = self.ends(from);
        let mut tcp = TcpHeader::new(source.port(), destination.port(), sequence, u16::MAX);
        // The first packet of all has nothing to confirm.
        tcp.ack = sign != Sign::Begin || from == Side::Server;
        tcp.acknowledgment_number = if tcp.ack { other } else { 0 };
        (tcp.syn, tcp.fin) = (sign == Sign::Begin, sign == Sign::End);
        (tcp.rst, tcp.psh) = (sign == Sign::Reset, !bytes.is_empty());
        let builder = self.ip(from)?.tcp_header(tcp);
        let mut packet = Vec::with_capacity(builder.size(bytes.len()));
        builder.write(&mut packet, bytes).ok()?;
        Some(record(at, &packet))
    }

    fn ends(&self, from: Side) -> (SocketAddr, SocketAddr) {
        match from {
            Side::Client => (self.client, self.server),
            Side::Server => (self.server, self.client),
        }
    }

    /// None between addresses of two kinds.
    fn ip(&self, from: Side) -> Option<PacketBuilderStep<IpHeaders>> {
        match self.ends(from) {
            (SocketAddr::V4(from), SocketAddr::V4(to)) => {
                Some(PacketBuilder::ipv4(from.ip().octets(), to.ip().octets(), HOPS))
            }
            (SocketAddr::V6(from), SocketAddr::V6(to)) => {
                Some(PacketBuilder::ipv6(from.ip().octets(), to.ip().octets(), HOPS))
            }
            _ => None,
        }
    }
}
