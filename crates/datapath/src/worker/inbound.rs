//! From the network: find the peer, open, follow it, check what it sends, pass it on.
//!
//! Order matters: nothing a datagram says is believed before its tag and its packet id were
//! checked, least of all where its sender is (protocol section 13.1).

use clock::Now;
use wire::data::{DataHeader, DataHeaderError, Occ, Payload, parse_header};

use super::delivery::{Accepted, Delivery, Unfiltered};
use super::filter::Filtered;
use super::joining::Joiner;
use super::{Queued, Worker};
use crate::ip::Inner;
use crate::moves::Move;
use crate::{
    Datagram, DatagramSink, DropCause, Endpoint, Notice, PacketSink, PeerRef, PeerToPeer, Side, mss,
};

impl Worker {
    /// Opens received datagrams in place. Inner packets, joined where they continue each other, and
    /// control packets go to `inward`; what
    /// one peer sent to another goes to `to_udp` (see [`PeerToPeer`]).
    pub fn handle_datagrams<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Datagram<'b>>,
        now: Now,
        inward: &mut impl PacketSink<'b>,
        to_udp: &mut impl DatagramSink,
    ) {
        let joiner = Joiner::new(inward, self.joining);
        if self.rules.is_some() {
            self.handle_all(batch, now, Filtered::new(joiner, to_udp));
        } else {
            self.handle_all(batch, now, Unfiltered { joiner, to_udp });
        }
    }

    fn handle_all<'b>(
        &mut self,
        batch: impl IntoIterator<Item = Datagram<'b>>,
        now: Now,
        mut delivery: impl Delivery<'b>,
    ) {
        for Datagram { endpoint, bytes, stride } in batch {
            let stride = if stride == 0 { bytes.len() } else { stride };
            for datagram in bytes.chunks_mut(stride.max(1)) {
                self.handle_datagram(&endpoint, datagram, now, &mut delivery);
            }
        }
        delivery.finish(self, now);
    }

    fn handle_datagram<'b>(
        &mut self,
        endpoint: &Endpoint,
        datagram: &'b mut [u8],
        now: Now,
        delivery: &mut impl Delivery<'b>,
    ) {
        self.current_peer = None;
        let done = match parse_header(datagram) {
            Ok(header) => self.handle_data(endpoint, header, datagram, now, delivery),
            Err(DataHeaderError::NotData(_)) => {
                return delivery.inward().control(endpoint, datagram);
            }
            Err(DataHeaderError::Truncated) => Err(DropCause::TooShort),
        };
        if let Err(cause) = done {
            self.drops.count(cause);
        }
    }

    fn handle_data<'b>(
        &mut self,
        endpoint: &Endpoint,
        header: DataHeader,
        datagram: &'b mut [u8],
        now: Now,
        delivery: &mut impl Delivery<'b>,
    ) -> Result<(), DropCause> {
        let slot = self.sender(endpoint, header).ok_or(DropCause::UnknownPeer)?;
        let shard = self.settings.shard;
        if !shard.owns(slot) {
            let taken = delivery.inward().hand_off(shard.owner(slot), endpoint, datagram);
            return if taken { Ok(()) } else { Err(DropCause::HandOver) };
        }
        let packet = self.open(slot, endpoint, header, datagram, now)?;
        self.handle_payload(slot, packet, now, delivery)
    }

    /// Everything up to an authentic payload whose sender is where it may be.
    fn open<'b>(
        &mut self,
        slot: u32,
        endpoint: &Endpoint,
        header: DataHeader,
        datagram: &'b mut [u8],
        now: Now,
    ) -> Result<&'b mut [u8], DropCause> {
        let peer = self.table.at(slot).ok_or(DropCause::UnknownPeer)?;
        self.current_peer = Some(peer.reference);
        let notices = &mut self.notices;
        let mut notify = |notice| notices.push_back(Queued::Notice(notice));
        let opened = peer.open(header, datagram, &mut notify)?;
        let moved = peer.endpoint != *endpoint;
        if peer.alive.heard(now.boot) {
            self.rearm(slot);
        }
        if moved {
            self.follow(slot, endpoint, opened.newest, now)?;
        }
        Ok(opened.plaintext)
    }

    fn sender(&self, endpoint: &Endpoint, header: DataHeader) -> Option<u32> {
        match (self.settings.side, header) {
            (Side::Server, DataHeader::V2 { peer_id, .. }) if !peer_id.is_unset() => {
                Some(peer_id.get()).filter(|slot| *slot < self.settings.slots)
            }
            // A server that answers from elsewhere is followed if the profile says float.
            (Side::Client, DataHeader::V2 { .. }) => self.table.slot_at(endpoint).or(Some(0)),
            _ => self.table.slot_at(endpoint).or_else(|| self.remote_peers.slot_at(endpoint)),
        }
    }

    /// An authentic packet came from another endpoint than the known one.
    fn follow(
        &mut self,
        slot: u32,
        endpoint: &Endpoint,
        newest: bool,
        now: Now,
    ) -> Result<(), DropCause> {
        let taken = self.table.slot_at(endpoint).is_some_and(|owner| owner != slot);
        let Some(peer) = self.table.at(slot) else { return Ok(()) };
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
        match peer.moves.follow(peer.endpoint.key(), endpoint.key(), now.boot) {
            Move::Refused => return Ok(()),
            Move::Away => {}
            Move::Back { flaps } => {
                self.returns += 1;
                let notice = flaps.then_some(Notice::Flapping { peer: reference });
                self.notices.extend(notice.map(Queued::Notice));
            }
        }
        if !std::mem::replace(&mut peer.float_waits, true) {
            self.notices.push_back(Queued::Float(reference));
        }
        self.table.move_to(slot, endpoint);
        Ok(())
    }

    /// What becomes of an authentic payload.
    fn handle_payload<'b>(
        &mut self,
        slot: u32,
        packet: &'b mut [u8],
        now: Now,
        delivery: &mut impl Delivery<'b>,
    ) -> Result<(), DropCause> {
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
        if to.is_some() && self.settings.peer_to_peer == PeerToPeer::Refuse {
            return Err(DropCause::PeerToPeer);
        }
        delivery.accepted(self, Accepted { peer, packet, to }, now)
    }

    /// Of stock's options messages only the goodbye matters (protocol section 11.2).
    fn handle_occ(&mut self, slot: u32, occ: Occ) {
        let Some(peer) = self.table.at(slot) else { return };
        if occ == Occ::Exit && !std::mem::replace(&mut peer.said_exit, true) {
            let peer = peer.reference;
            self.notices.push_back(Queued::Notice(Notice::Exit { peer }));
        }
    }

    /// The inner packet of a peer that may send it, and which peer that is.
    fn checked(&mut self, slot: u32, packet: &mut [u8]) -> Result<(PeerRef, Inner), DropCause> {
        let inner = Inner::parse(packet).ok_or(DropCause::NotIp)?;
        if inner.is_link_local() {
            return Err(DropCause::LinkLocal);
        }
        let peer = self.table.at(slot).ok_or(DropCause::UnknownPeer)?;
        let own = peer.settings.addresses.contains(&inner.source);
        if !own && self.routes.find(inner.source) != Some(slot) {
            return Err(DropCause::ForeignSource);
        }
        mss::clamp(packet, peer.mss);
        Ok((peer.reference, inner))
    }

    /// The other peer that a packet is for, unless that is the kernel's matter.
    fn other_peer(&self, slot: u32, inner: &Inner) -> Option<u32> {
        if self.settings.peer_to_peer == PeerToPeer::ViaKernel {
            return None;
        }
        self.routes.find(inner.destination).filter(|other| *other != slot)
    }
}
