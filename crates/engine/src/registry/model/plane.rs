//! The data workers as the model has them: which peer lives in which slot with which address, and which
//! ends they have still to confirm.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use datapath::PeerRef;

#[derive(Debug, Default)]
pub(super) struct Plane {
    pub(super) living: BTreeMap<PeerRef, IpAddr>,
    /// Gone, and not confirmed to the registry yet.
    pub(super) unconfirmed: Vec<PeerRef>,
    /// Those that a worker took away by itself, for which one more order to do so will come.
    panicked: BTreeSet<PeerRef>,
    pub(super) deleted: BTreeSet<PeerRef>,
    generations: BTreeMap<u32, u32>,
}

impl Plane {
    pub(super) fn add(&mut self, peer: PeerRef, address: IpAddr) {
        let slot = peer.id.get();
        assert!(
            self.living.keys().all(|other| other.id != peer.id),
            "slot {slot} was given out while its peer lives"
        );
        assert!(
            self.unconfirmed.iter().all(|other| other.id != peer.id),
            "slot {slot} was given out before its former peer was confirmed gone"
        );
        assert!(
            self.living.values().all(|taken| *taken != address),
            "{address} was given out twice"
        );
        let former = self.generations.insert(slot, peer.generation);
        assert!(former.is_none_or(|former| former < peer.generation), "a generation came twice");
        self.living.insert(peer, address);
    }

    pub(super) fn delete(&mut self, peer: PeerRef) {
        assert!(self.deleted.insert(peer), "{peer:?} was deleted twice");
        if self.living.remove(&peer).is_some() {
            self.unconfirmed.push(peer);
        } else {
            assert!(self.panicked.remove(&peer), "{peer:?} was deleted and never lived");
        }
    }

    /// A worker takes a peer away by itself.
    pub(super) fn panic_over(&mut self, peer: PeerRef) {
        self.living.remove(&peer);
        self.panicked.insert(peer);
        self.unconfirmed.push(peer);
    }

    /// How many slots must not be free.
    pub(super) fn taken(&self) -> usize {
        self.living.len() + self.unconfirmed.len()
    }

    pub(super) fn is_gone(&self, peer: PeerRef) -> bool {
        !self.living.contains_key(&peer) && !self.unconfirmed.contains(&peer)
    }
}
