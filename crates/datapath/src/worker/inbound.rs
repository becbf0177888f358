//! From the network: find the peer, open, follow it, check what it sends, pass it on.
//!
//! Order matters: nothing a datagram says is believed before its tag and its packet id were
//! checked, least of all where its sender is.

use clock::Now;
use wire::data::{DataHeader, DataHeaderError, Occ, Payload, parse_header};

use super::core::Core;
use super::onward::{Accepted, Gate, Onward};
use crate::ip::Inner;
use crate::moves::Move;
use crate::{
    Datagram, DatagramSink, DropCause, Endpoint, Notice, PacketSink, PeerRef, PeerToPeer, Side, mss,
};

/// Opens one batch.
pub(super) struct Inbound<'w, 'b, I, U, G> {
    pub(super) core: &'w mut Core,
    pub(super) onward: Onward<'w, 'b, I, U>,
    pub(super) gate: G,
    pub(super) now: Now,
}

impl<'b, I: PacketSink<'b>, U: DatagramSink, G: Gate<'b>> Inbound<'_, 'b, I, U, G> {
    pub(super) fn handle_datagrams(mut self, batch: impl IntoIterator<Item = Datagram<'b>>) {
        for Datagram { endpoint, bytes, stride } in batch {
            let stride = if stride == 0 { bytes.len() } else { stride };
            for datagram in bytes.chunks_mut(stride.max(1)) {
                self.handle_datagram(&endpoint, datagram);
            }
        }
        self.gate.settle(self.core, &mut self.onward, self.now);
        self.onward.joiner.flush(self.core);
    }

    fn handle_datagram(&mut self, endpoint: &Endpoint, datagram: &'b mut [u8]) {
        self.core.current_peer = None;
        let done = match parse_header(datagram) {
            Ok(header) => self.handle_data(endpoint, header, datagram),
            Err(DataHeaderError::NotData(_)) => {
                return self.onward.inward().control(endpoint, datagram);
            }
            Err(DataHeaderError::Truncated) => Err(DropCause::TooShort),
        };
        if let Err(cause) = done {
            self.core.drops.count(cause);
        }
    }

    fn handle_data(
        &mut self,
        endpoint: &Endpoint,
        header: DataHeader,
        datagram: &'b mut [u8],
    ) -> Result<(), DropCause> {
        let slot = self.sender(endpoint, header).ok_or(DropCause::UnknownPeer)?;
        let shard = self.core.settings.shard;
        if !shard.owns(slot) {
            let taken = self.onward.inward().hand_off(shard.owner(slot), endpoint, datagram);
            return if taken { Ok(()) } else { Err(DropCause::HandOver) };
        }
        let packet = self.open(slot, endpoint, header, datagram)?;
        self.handle_payload(slot, packet)
    }

    /// Everything up to an authentic payload whose sender is where it may be.
    fn open(
        &mut self,
        slot: u32,
        endpoint: &Endpoint,
        header: DataHeader,
        datagram: &'b mut [u8],
    ) -> Result<&'b mut [u8], DropCause> {
        let peer = self.core.table.at(slot).ok_or(DropCause::UnknownPeer)?;
        self.core.current_peer = Some(peer.reference);
        let opened = peer.open(header, datagram, self.now.boot, &mut self.core.notices)?;
        let moved = peer.endpoint != *endpoint;
        if peer.alive.heard(self.now.boot) {
            self.core.timers.rearm(slot, peer);
        }
        if moved {
            self.follow(slot, endpoint, opened.newest)?;
        }
        Ok(opened.plaintext)
    }

    fn sender(&self, endpoint: &Endpoint, header: DataHeader) -> Option<u32> {
        let Core { settings, table, remote_peers, .. } = &*self.core;
        match (settings.side, header) {
            (Side::Server, DataHeader::V2 { peer_id, .. }) if !peer_id.is_unset() => {
                Some(peer_id.get()).filter(|slot| *slot < settings.slots)
            }
            // A server that answers from elsewhere is followed if the profile says float.
            (Side::Client, DataHeader::V2 { .. }) => table.slot_at(endpoint).or(Some(0)),
            _ => table.slot_at(endpoint).or_else(|| remote_peers.slot_at(endpoint)),
        }
    }

    /// An authentic packet came from another endpoint than the known one.
    fn follow(&mut self, slot: u32, endpoint: &Endpoint, newest: bool) -> Result<(), DropCause> {
        let taken = self.core.table.slot_at(endpoint).is_some_and(|owner| owner != slot);
        let Some(peer) = self.core.table.at(slot) else { return Ok(()) };
        let same_remote = peer.endpoint.key() == endpoint.key();
        // A peer over TCP stays on its connection, and none moves to another's.
        let bound = peer.endpoint.stream().is_some() || endpoint.stream().is_some();
        if !same_remote && (taken || bound || !peer.settings.float) {
            return Err(DropCause::FloatRefused);
        }
        let mut endpoint = *endpoint;
        if same_remote {
            // A shell that doesn't always know its local address takes nothing back by silence.
            endpoint.local = endpoint.local.or(peer.endpoint.local);
        }
        // A late packet shows where the peer was, not where it is.
        if !newest || taken || peer.endpoint == endpoint {
            return Ok(());
        }
        let reference = peer.reference;
        match peer.moves.follow(peer.endpoint.key(), endpoint.key(), self.now.boot) {
            Move::Refused => return Ok(()),
            Move::Away => {}
            Move::Back { flaps } => {
                self.core.returns += 1;
                if flaps {
                    self.core.notices.push(Notice::Flapping { peer: reference });
                }
            }
        }
        if !std::mem::replace(&mut peer.float_waits, true) {
            self.core.notices.push_float(reference);
        }
        self.core.table.move_to(slot, endpoint);
        Ok(())
    }

    /// What becomes of an authentic payload.
    fn handle_payload(&mut self, slot: u32, packet: &'b mut [u8]) -> Result<(), DropCause> {
        match Payload::classify(packet) {
            Payload::Packet => {}
            Payload::Ping => return Ok(()),
            Payload::Occ(occ) => {
                self.handle_occ(slot, occ);
                return Ok(());
            }
        }
        let (peer, inner) = self.checked(slot, packet)?;
        let to = self.other_peer(slot, &inner);
        if to.is_some() && self.core.settings.peer_to_peer == PeerToPeer::Refuse {
            return Err(DropCause::PeerToPeer);
        }
        let accepted = Accepted { peer, packet, to };
        self.gate.accepted(self.core, accepted, &mut self.onward, self.now)
    }

    /// Of stock's options messages only the goodbye matters.
    fn handle_occ(&mut self, slot: u32, occ: Occ) {
        let Some(peer) = self.core.table.at(slot) else { return };
        if occ == Occ::Exit && !std::mem::replace(&mut peer.said_exit, true) {
            self.core.notices.push(Notice::Exit { peer: peer.reference });
        }
    }

    /// The inner packet of a peer that may send it, and which peer that is.
    fn checked(&mut self, slot: u32, packet: &mut [u8]) -> Result<(PeerRef, Inner), DropCause> {
        let inner = Inner::parse(packet).ok_or(DropCause::NotIp)?;
        if inner.is_link_local() {
            return Err(DropCause::LinkLocal);
        }
        let peer = self.core.table.at(slot).ok_or(DropCause::UnknownPeer)?;
        let own = peer.settings.addresses.contains(&inner.source);
        if !own && self.core.routes.find(inner.source) != Some(slot) {
            return Err(DropCause::ForeignSource);
        }
        mss::clamp(packet, peer.mss);
        Ok((peer.reference, inner))
    }

    /// The other peer that a packet is for, unless that is the kernel's matter.
    fn other_peer(&self, slot: u32, inner: &Inner) -> Option<u32> {
        if self.core.settings.peer_to_peer == PeerToPeer::ViaKernel {
            return None;
        }
        self.core.routes.find(inner.destination).filter(|other| *other != slot)
    }
}
