//! The way on of what one batch brought: inward, joined where it continues a flow, or to the other peer that
//! it is for.
//!
//! Not here: what made a packet one that its peer may send (`inbound`), how packets are joined (`joining`),
//! and where packets wait for the decision of rules (`held`).

use clock::Now;

use super::core::Core;
use super::joining::Joiner;
use super::outbound::Outbound;
use crate::{DatagramSink, DropCause, Packet, PacketSink, PeerRef};

/// A packet that its peer may send.
pub(super) struct Accepted<'b> {
    pub(super) peer: PeerRef,
    pub(super) packet: &'b mut [u8],
    /// The slot of the other peer that it is for, unless that is the kernel's matter.
    pub(super) to: Option<u32>,
}

/// Where packets go.
pub(super) struct Onward<'s, 'b, I, U> {
    pub(super) joiner: Joiner<'s, 'b, I>,
    pub(super) outbound: Outbound<'s, U>,
}

impl<'b, I: PacketSink<'b>, U: DatagramSink> Onward<'_, 'b, I, U> {
    /// Takes control packets, and packets of other workers' peers.
    pub(super) fn inward(&mut self) -> &mut I {
        self.joiner.sink()
    }

    /// Hands a packet on, inward or to the other peer that it is for.
    pub(super) fn deliver(
        &mut self,
        core: &mut Core,
        accepted: Accepted<'b>,
        now: Now,
    ) -> Result<(), DropCause> {
        let Accepted { peer, packet, to } = accepted;
        match to {
            None => self.joiner.packet(core, peer, packet),
            Some(other) if core.settings.shard.owns(other) => {
                self.outbound.pass_on(core, other, packet, now)?;
            }
            Some(other) => {
                core.hand_off(other, &Packet::plain(packet), self.outbound.to_udp)?;
            }
        }
        Ok(())
    }
}

/// When a packet that its peer may send goes on.
pub(super) trait Gate<'b> {
    /// Lets it go on, now or at [`Self::settle`] at the latest.
    fn accepted(
        &mut self,
        core: &mut Core,
        accepted: Accepted<'b>,
        onward: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        now: Now,
    ) -> Result<(), DropCause>;

    /// Nothing waits any longer.
    fn settle(
        &mut self,
        core: &mut Core,
        onward: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        now: Now,
    );
}

/// There are no rules: every packet goes on as it comes.
pub(super) struct Open;

impl<'b> Gate<'b> for Open {
    fn accepted(
        &mut self,
        core: &mut Core,
        accepted: Accepted<'b>,
        onward: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        now: Now,
    ) -> Result<(), DropCause> {
        onward.deliver(core, accepted, now)
    }

    fn settle(
        &mut self,
        _: &mut Core,
        _: &mut Onward<'_, 'b, impl PacketSink<'b>, impl DatagramSink>,
        _: Now,
    ) {
    }
}
