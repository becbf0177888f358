//! From the TUN device: find the peer that owns the destination, and seal for it.

use clock::Now;

use super::{Queued, Worker};
use crate::ip::Inner;
use crate::{DatagramSink, DropCause, Packet, mss};

impl Worker {
    /// Seals packets from the TUN device for the peers that own their destinations.
    pub fn handle_packets<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Packet<'b>>,
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) {
        for Packet { bytes } in batch {
            if let Err(cause) = self.handle_packet(bytes, now, to_udp) {
                self.drops.count(cause);
            }
        }
    }

    fn handle_packet(
        &mut self,
        packet: &mut [u8],
        now: Now,
        to_udp: &mut impl DatagramSink,
    ) -> Result<(), DropCause> {
        let inner = Inner::parse(packet).ok_or(DropCause::NotIp)?;
        if inner.is_link_local() {
            return Err(DropCause::LinkLocal);
        }
        let slot = self.routes.find(inner.destination).ok_or(DropCause::NoRoute)?;
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
        self.serving = Some(peer.reference);
        mss::clamp(packet, peer.settings.mss);
        let notices = &mut self.notices;
        let mut notify = |notice| notices.push_back(Queued::Notice(notice));
        peer.seal(packet, now.boot, to_udp, &mut notify)
    }
}
