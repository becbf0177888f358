//! From the TUN device: find the peer that owns the destination, and seal for it.

use clock::Now;

use super::{Queued, Worker};
use crate::fault::{self, Place};
use crate::ip::Inner;
use crate::offload::{VirtioHeader, split};
use crate::{DatagramSink, DropCause, Packet, mss};

impl Worker {
    /// Seals packets from the TUN device for the peers that own their destinations.
    pub fn handle_packets<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Packet<'b>>,
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) {
        for packet in batch {
            if let Err(cause) = self.handle_packet(packet, now, to_udp) {
                self.drops.count(cause);
            }
        }
    }

    /// One look-up serves all segments: they differ in what lies behind their addresses.
    fn handle_packet(
        &mut self,
        packet: Packet<'_>,
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        self.current_peer = None;
        let inner = Inner::parse(packet.bytes).ok_or(DropCause::NotIp)?;
        if inner.is_link_local() {
            return Err(DropCause::LinkLocal);
        }
        let slot = self.routes.find(inner.destination).ok_or(DropCause::NoRoute)?;
        if !self.settings.shard.owns(slot) {
            return self.hand_off(slot, &packet, to_udp);
        }
        let peer = self.table.at(slot).ok_or(DropCause::NoRoute)?.reference;
        self.current_peer = Some(peer);
        let Packet { bytes, header } = packet;
        if self.rules.is_some() && !self.may_pass(peer, bytes, &header, now) {
            return Ok(());
        }
        let seal = |segment: &mut [u8]| {
            fault::pass(Place::Split, peer);
            if let Err(cause) = self.seal_for(slot, segment, now, to_udp) {
                self.drops.count(cause);
            }
        };
        split(bytes, &header, seal).map_err(|_| DropCause::BadOffload)
    }

    /// Leaves a packet to the worker that owns its peer.
    pub(super) fn hand_off(
        &self,
        slot: u32,
        packet: &Packet<'_>,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let owner = self.settings.shard.owner(slot);
        if to_udp.hand_off(owner, packet) { Ok(()) } else { Err(DropCause::HandOver) }
    }

    /// Seals for one peer what another sent.
    pub(super) fn pass_on(
        &mut self,
        slot: u32,
        packet: &mut [u8],
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        if self.rules.is_some() {
            let peer = self.table.at(slot).ok_or(DropCause::NoRoute)?.reference;
            if !self.may_pass(peer, packet, &VirtioHeader::PLAIN, now) {
                return Ok(());
            }
        }
        self.seal_for(slot, packet, now, to_udp)
    }

    /// Seals a packet for a peer, with the segment size that its path bears.
    pub(super) fn seal_for(
        &mut self,
        slot: u32,
        packet: &mut [u8],
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let peer = self.table.at(slot).ok_or(DropCause::NoRoute)?;
        self.current_peer = Some(peer.reference);
        mss::clamp(packet, peer.mss);
        let notices = &mut self.notices;
        let mut notify = |notice| notices.push_back(Queued::Notice(notice));
        peer.seal(packet, now.boot, to_udp, &mut notify)
    }
}
