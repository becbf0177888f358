//! Peer-ids: the lowest free one is given out, and every new owner of a slot has a generation of its
//! own, so that late news about a former owner has no effect.

use std::collections::BTreeSet;

use datapath::PeerRef;
use wire::PeerId;

/// Free and used slots.
#[derive(Debug)]
pub(crate) struct PeerIds {
    generations: Vec<u32>,
    free: BTreeSet<u32>,
    limit: u32,
}

impl PeerIds {
    /// At most `limit` peers at once.
    pub(crate) fn new(limit: u32) -> Self {
        Self { generations: Vec::new(), free: BTreeSet::new(), limit }
    }

    /// A slot for a new peer, or `None` when all are taken.
    pub(crate) fn take(&mut self) -> Option<PeerRef> {
        let slot = match self.free.pop_first() {
            Some(slot) => slot,
            None => self.grow()?,
        };
        let generation = self.generations.get_mut(slot as usize)?;
        *generation += 1;
        Some(PeerRef { id: PeerId::new(slot)?, generation: *generation })
    }

    /// The worker has confirmed that `peer` is gone.
    pub(crate) fn give_back(&mut self, peer: PeerRef) {
        let slot = peer.id.get();
        if self.generations.get(slot as usize) == Some(&peer.generation) {
            self.free.insert(slot);
        }
    }

    fn grow(&mut self) -> Option<u32> {
        let slot = u32::try_from(self.generations.len()).ok().filter(|slot| *slot < self.limit)?;
        self.generations.push(0);
        Some(slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_was_given_back_comes_again_with_another_generation() {
        let mut ids = PeerIds::new(2);
        let first = ids.take().unwrap();
        let second = ids.take().unwrap();
        assert_eq!((first.id.get(), second.id.get()), (0, 1));
        assert_eq!(ids.take(), None);
        ids.give_back(first);
        let again = ids.take().unwrap();
        assert_eq!(again.id, first.id);
        assert!(again.generation > first.generation);
        ids.give_back(first);
        assert_eq!(ids.take(), None, "a former owner gives nothing back");
    }
}
