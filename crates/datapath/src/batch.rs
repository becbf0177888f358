//! What goes in and out of a worker: borrowed bytes, many at a time.
//!
//! Buffers belong to the caller. Received bytes are opened where they lie, and what continues a flow
//! waits there for the end of the batch, so that a sink writes many packets in one gathering write. Packets to
//! send are sealed straight into the room that the sink gives, so that encryption is the only copy.

use crate::Endpoint;
use crate::offload::{SuperSink, VirtioHeader};

/// What one read of a UDP socket brought: a datagram, or several of one sender that the kernel
/// joined (GRO), each `stride` bytes long but for the last.
#[derive(Debug)]
pub struct Datagram<'b> {
    /// Who sent it, and to which of our addresses.
    pub endpoint: Endpoint,
    /// The bytes; opened in place.
    pub bytes: &'b mut [u8],
    /// The length of each joined datagram; 0 or at least `bytes.len()` for a single one.
    pub stride: usize,
}

impl<'b> Datagram<'b> {
    /// One datagram.
    pub fn single(endpoint: Endpoint, bytes: &'b mut [u8]) -> Self {
        Self { endpoint, bytes, stride: 0 }
    }
}

/// One read of the TUN device: an IP packet, or the segments of a flow in one piece.
#[derive(Debug)]
pub struct Packet<'b> {
    /// The packet, beginning with its IP header. Changed in place, and garbage afterwards.
    pub bytes: &'b mut [u8],
    /// What is left to be done to it.
    pub header: VirtioHeader,
}

impl<'b> Packet<'b> {
    /// One packet to which nothing is left to be done.
    pub fn plain(bytes: &'b mut [u8]) -> Self {
        Self { bytes, header: VirtioHeader::PLAIN }
    }
}

/// Takes what received datagrams held: as a [`SuperSink`] inner packets for the TUN device, in order, joined
/// as far as [`Worker::set_joining`](crate::Worker::set_joining) allows.
pub trait PacketSink<'b>: SuperSink {
    /// A datagram that isn't a data packet: the control plane's matter. It comes through here
    /// because the kernel joins datagrams without looking at opcodes.
    fn control(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]);

    /// A data packet of a peer that the worker with the index `owner` has. False if it was not taken,
    /// and is lost; so it is where there is one worker only.
    fn hand_off(&mut self, _owner: u16, _endpoint: &Endpoint, _datagram: &'b mut [u8]) -> bool {
        false
    }
}

/// Takes datagrams to send.
pub trait DatagramSink {
    /// Room of exactly `len` bytes for a datagram to `endpoint`, or `None` when full: the packet is
    /// dropped. Room that isn't committed before the next call is given back.
    fn room(&mut self, endpoint: &Endpoint, len: usize) -> Option<&mut [u8]>;

    /// The room last given is filled and goes out.
    fn commit(&mut self);

    /// A packet, not sealed yet, for a peer that the worker with the index `owner` has. False if it
    /// was not taken, and is lost; so it is where there is one worker only.
    fn hand_off(&mut self, _owner: u16, _packet: &Packet<'_>) -> bool {
        false
    }
}
