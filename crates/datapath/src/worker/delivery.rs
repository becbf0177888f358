//! What becomes of a packet that its peer may send: it goes on as it comes, unless rules hold it back.
//!
//! Not here: how rules do that (`filter`), and what made the packet one that its peer may send
//! (`inbound`).

use clock::Now;

use super::Worker;
use crate::{DatagramSink, DropCause, Packet, PacketSink, PeerRef};

/// A packet that its peer may send.
pub(super) struct Accepted<'b> {
    pub(super) peer: PeerRef,
    pub(super) packet: &'b mut [u8],
    /// The slot of the other peer that it is for, unless that is the kernel's matter.
    pub(super) to: Option<u32>,
}

/// The way on of what was received.
pub(super) trait Delivery<'b> {
    /// Takes control packets, and packets of other workers' peers.
    fn inward(&mut self) -> &mut impl PacketSink<'b>;

    /// Takes a packet that its peer may send.
    fn accepted(
        &mut self,
        worker: &mut Worker,
        accepted: Accepted<'b>,
        now: Now,
    ) -> Result<(), DropCause>;
}

/// There are no rules: every packet goes on as it comes.
pub(super) struct Unfiltered<'s, I, U> {
    pub(super) inward: &'s mut I,
    pub(super) to_udp: &'s mut U,
}

impl<'b, I: PacketSink<'b>, U: DatagramSink> Delivery<'b> for Unfiltered<'_, I, U> {
    fn inward(&mut self) -> &mut impl PacketSink<'b> {
        self.inward
    }

    fn accepted(
        &mut self,
        worker: &mut Worker,
        accepted: Accepted<'b>,
        now: Now,
    ) -> Result<(), DropCause> {
        worker.deliver(accepted, now, self.inward, self.to_udp)
    }
}

impl Worker {
    /// Hands a packet on, inward or to the other peer that it is for.
    pub(super) fn deliver<'b>(
        &mut self,
        accepted: Accepted<'b>,
        now: Now,
        inward: &mut impl PacketSink<'b>,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let Accepted { peer, packet, to } = accepted;
        match to {
            None => inward.packet(peer, packet),
            Some(other) if self.settings.shard.owns(other) => {
                self.pass_on(other, packet, now, to_udp)?;
            }
            Some(other) => self.hand_off(other, &Packet::plain(packet), to_udp)?,
        }
        Ok(())
    }
}
