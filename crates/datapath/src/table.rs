//! The peers of a worker: dense by slot, and by address for packets that name no slot.
//!
//! Invariant: `by_remote` maps an address only to a living peer whose endpoint it is. Two peers may
//! share an address for a moment (a client that comes back from the same port before its former
//! self is deleted); the later one owns it.

use std::collections::BTreeMap;

use crate::endpoint::RemoteKey;
use crate::peer::Peer;
use crate::{CommandRefused, Endpoint, PeerRef};

#[derive(Debug)]
pub(crate) struct Table {
    limit: u32,
    slots: Vec<Slot>,
    by_remote: BTreeMap<RemoteKey, u32>,
}

#[derive(Debug, Default)]
struct Slot {
    /// The generation of the present or last owner.
    generation: Option<u32>,
    peer: Option<Box<Peer>>,
}

impl Table {
    pub(crate) fn new(limit: u32) -> Self {
        Self { limit, slots: Vec::new(), by_remote: BTreeMap::new() }
    }

    pub(crate) fn insert(&mut self, peer: Peer) -> Result<(), CommandRefused> {
        let PeerRef { id, generation } = peer.reference;
        if id.is_unset() || id.get() >= self.limit {
            return Err(CommandRefused::NoSuchSlot);
        }
        let at = id.get() as usize;
        if at >= self.slots.len() {
            self.slots.resize_with(at + 1, Slot::default);
        }
        let slot = &mut self.slots[at];
        if slot.peer.is_some() {
            return Err(CommandRefused::SlotTaken);
        }
        if slot.generation.is_some_and(|last| generation <= last) {
            return Err(CommandRefused::OldGeneration);
        }
        self.by_remote.insert(peer.endpoint.key(), id.get());
        *slot = Slot { generation: Some(generation), peer: Some(Box::new(peer)) };
        Ok(())
    }

    pub(crate) fn remove(&mut self, peer: PeerRef) -> Option<Box<Peer>> {
        self.named(peer)?;
        let gone = self.slots.get_mut(peer.id.get() as usize)?.peer.take()?;
        self.disown(gone.endpoint.key(), peer.id.get());
        Some(gone)
    }

    /// The peer in a slot.
    pub(crate) fn at(&mut self, slot: u32) -> Option<&mut Peer> {
        self.slots.get_mut(slot as usize)?.peer.as_deref_mut()
    }

    /// The peer that a reference names, if it is still the slot's owner.
    pub(crate) fn named(&mut self, peer: PeerRef) -> Option<&mut Peer> {
        self.at(peer.id.get()).filter(|found| found.reference == peer)
    }

    /// As [`Self::named`], to read.
    pub(crate) fn find(&self, peer: PeerRef) -> Option<&Peer> {
        let found = self.slots.get(peer.id.get() as usize)?.peer.as_deref()?;
        (found.reference == peer).then_some(found)
    }

    pub(crate) fn slot_at(&self, endpoint: &Endpoint) -> Option<u32> {
        self.by_remote.get(&endpoint.key()).copied()
    }

    /// Moves a peer, taking the address from the peer that had it.
    pub(crate) fn move_to(&mut self, slot: u32, endpoint: Endpoint) {
        let Some(peer) = self.at(slot) else { return };
        let before = peer.endpoint.key();
        peer.endpoint = endpoint;
        peer.mss = peer.settings.mss.over(&endpoint);
        if before != endpoint.key() {
            self.disown(before, slot);
        }
        self.by_remote.insert(endpoint.key(), slot);
    }

    pub(crate) fn peers(&self) -> impl Iterator<Item = &Peer> {
        self.slots.iter().filter_map(|slot| slot.peer.as_deref())
    }

    fn disown(&mut self, key: RemoteKey, slot: u32) {
        if self.by_remote.get(&key) == Some(&slot) {
            self.by_remote.remove(&key);
        }
    }
}
