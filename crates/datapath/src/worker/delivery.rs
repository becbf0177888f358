//! What becomes of a packet that its peer may send: it goes on as it comes, unless rules hold it back.
//!
//! Not here: how rules do that (`filter`), how packets are joined (`joining`), and what made the packet
//! one that its peer may send (`inbound`).

use clock::Now;

use super::Worker;
use super::joining::Joiner;
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

    /// The batch is over: nothing waits any longer.
    fn finish(self, worker: &mut Worker, now: Now);
}

/// There are no rules: every packet goes on as it comes.
pub(super) struct Unfiltered<'s, 'b, I, U> {
    pub(super) joiner: Joiner<'s, 'b, I>,
    pub(super) to_udp: &'s mut U,
}

impl<'b, I: PacketSink<'b>, U: DatagramSink> Delivery<'b> for Unfiltered<'_, 'b, I, U> {
    fn inward(&mut self) -> &mut impl PacketSink<'b> {
        self.joiner.sink()
    }

    fn accepted(
        &mut self,
        worker: &mut Worker,
        accepted: Accepted<'b>,
        now: Now,
    ) -> Result<(), DropCause> {
        worker.deliver(accepted, now, &mut self.joiner, self.to_udp)
    }

    fn finish(mut self, worker: &mut Worker, _: Now) {
        self.joiner.flush(worker);
    }
}

impl Worker {
    /// Hands a packet on, inward or to the other peer that it is for.
    pub(super) fn deliver<'b>(
        &mut self,
        accepted: Accepted<'b>,
        now: Now,
        joiner: &mut Joiner<'_, 'b, impl PacketSink<'b>>,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let Accepted { peer, packet, to } = accepted;
        match to {
            None => joiner.packet(self, peer, packet),
            Some(other) if self.settings.shard.owns(other) => {
                self.pass_on(other, packet, now, to_udp)?;
            }
            Some(other) => self.hand_off(other, &Packet::plain(packet), to_udp)?,
        }
        Ok(())
    }
}
