//! To peers: find the one that owns the destination, ask the rules, and seal for it.
//!
//! What comes from the TUN device goes this way, and what one peer sends to another takes its last step.

use clock::Now;

use super::core::Core;
use super::filter::Filter;
use crate::fault::{self, Place};
use crate::ip::Inner;
use crate::offload::{VirtioHeader, split};
use crate::{DatagramSink, DropCause, Packet};

/// The way to the peers.
pub(super) struct Outbound<'s, U> {
    pub(super) filter: Filter<'s>,
    pub(super) to_udp: &'s mut U,
}

impl<U: DatagramSink> Outbound<'_, U> {
    /// Seals packets from the TUN device for the peers that own their destinations.
    pub(super) fn handle_packets<'b>(
        &mut self,
        core: &mut Core,
        batch: impl IntoIterator<Item = Packet<'b>>,
        now: Now,
    ) {
        for packet in batch {
            if let Err(cause) = self.handle_packet(core, packet, now) {
                core.drops.count(cause);
            }
        }
    }

    /// One look-up serves all segments: they differ in what lies behind their addresses.
    fn handle_packet(
        &mut self,
        core: &mut Core,
        packet: Packet<'_>,
        now: Now,
    ) -> Result<(), DropCause> {
        core.current_peer = None;
        let inner = Inner::parse(packet.bytes).ok_or(DropCause::NotIp)?;
        if inner.is_link_local() {
            return Err(DropCause::LinkLocal);
        }
        let slot = core.routes.find(inner.destination).ok_or(DropCause::NoRoute)?;
        if !core.settings.shard.owns(slot) {
            return core.hand_off(slot, &packet, self.to_udp);
        }
        let peer = core.table.at(slot).ok_or(DropCause::NoRoute)?.reference;
        core.current_peer = Some(peer);
        let Packet { bytes, header } = packet;
        if self.filter.stops(peer, bytes, &header, &mut core.drops, now) {
            return Ok(());
        }
        let seal = |segment: &mut [u8]| {
            fault::pass(Place::Split, peer);
            if let Err(cause) = core.seal_for(slot, segment, now, self.to_udp) {
                core.drops.count(cause);
            }
        };
        split(bytes, &header, seal).map_err(|_| DropCause::BadOffload)
    }

    /// Seals for one peer what another sent.
    pub(super) fn pass_on(
        &mut self,
        core: &mut Core,
        slot: u32,
        packet: &mut [u8],
        now: Now,
    ) -> Result<(), DropCause> {
        if self.filter.is_there() {
            let peer = core.table.at(slot).ok_or(DropCause::NoRoute)?.reference;
            if self.filter.stops(peer, packet, &VirtioHeader::PLAIN, &mut core.drops, now) {
                return Ok(());
            }
        }
        core.seal_for(slot, packet, now, self.to_udp)
    }
}
