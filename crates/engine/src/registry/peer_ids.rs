//! Peer-ids: the worker with the fewest peers gets the next, with its lowest free slot; and every new
//! owner of a slot has a generation of its own, so that late news about a former owner has no effect.

use std::collections::BTreeSet;

use datapath::{PeerRef, Shard};
use wire::PeerId;

/// Free and used slots.
#[derive(Debug)]
pub(crate) struct PeerIds {
    generations: Vec<u32>,
    shards: Vec<WorkerSlots>,
    shard: Shard,
    limit: u32,
}

/// The slots of one worker.
#[derive(Debug)]
struct WorkerSlots {
    /// Given back.
    free: BTreeSet<u32>,
    /// The lowest that was never given out.
    next: u32,
    taken: u32,
}

impl PeerIds {
    /// At most `limit` peers at once, spread over the workers of `shard`.
    pub(crate) fn new(limit: u32, shard: Shard) -> Self {
        let slots = |next| WorkerSlots { free: BTreeSet::new(), next, taken: 0 };
        let shards = (0..u32::from(shard.of())).map(slots).collect();
        Self { generations: Vec::new(), shards, shard, limit }
    }

    /// A slot for a new peer, or `None` when all are taken. Who came over a TCP connection belongs to
    /// that connection's worker.
    pub(crate) fn take(&mut self, worker: Option<u16>) -> Option<PeerRef> {
        let has_room = |slots: &&mut WorkerSlots| !slots.free.is_empty() || slots.next < self.limit;
        let slots = match worker {
            Some(worker) => self.shards.get_mut(usize::from(worker)).filter(has_room)?,
            None => self.shards.iter_mut().filter(has_room).min_by_key(|slots| slots.taken)?,
        };
        let slot = slots.free.pop_first().unwrap_or_else(|| {
            let slot = slots.next;
            slots.next += u32::from(self.shard.of());
            slot
        });
        slots.taken += 1;
        let at = slot as usize;
        if at >= self.generations.len() {
            self.generations.resize(at + 1, 0);
        }
        self.generations[at] += 1;
        Some(PeerRef { id: PeerId::new(slot)?, generation: self.generations[at] })
    }

    /// How many are taken.
    #[cfg(test)]
    pub(super) fn taken(&self) -> usize {
        self.shards.iter().map(|slots| slots.taken as usize).sum()
    }

    /// The worker has confirmed that `peer` is gone.
    pub(crate) fn give_back(&mut self, peer: PeerRef) {
        let slot = peer.id.get();
        let owner = usize::from(self.shard.owner(slot));
        if self.generations.get(slot as usize) == Some(&peer.generation)
            && self.shards[owner].free.insert(slot)
        {
            self.shards[owner].taken -= 1;
        }
    }
}

/// Peer-ids for so many sessions: a device that comes back to a full gateway gets one while its
/// former session's worker still has to confirm that the former one is free.
pub(crate) fn slots(max_sessions: u32) -> u32 {
    max_sessions.saturating_add(SPARE)
}

const SPARE: u32 = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_that_was_given_back_comes_again_with_another_generation() {
        let mut ids = PeerIds::new(2, Shard::WHOLE);
        let first = ids.take(None).unwrap();
        let second = ids.take(None).unwrap();
        assert_eq!((first.id.get(), second.id.get()), (0, 1));
        assert_eq!(ids.take(None), None);
        ids.give_back(first);
        let again = ids.take(None).unwrap();
        assert_eq!(again.id, first.id);
        assert!(again.generation > first.generation);
        ids.give_back(first);
        assert_eq!(ids.take(None), None, "a former owner gives nothing back");
    }

    #[test]
    fn the_worker_with_the_fewest_peers_gets_the_next() {
        let mut ids = PeerIds::new(7, Shard::new(0, 3).unwrap());
        let taken: Vec<_> = (0..7).map(|_| ids.take(None).unwrap()).collect();
        let slots: Vec<_> = taken.iter().map(|peer| peer.id.get()).collect();
        assert_eq!(slots, [0, 1, 2, 3, 4, 5, 6]);
        assert_eq!(ids.take(None), None);
        ids.give_back(taken[1]);
        ids.give_back(taken[4]);
        ids.give_back(taken[2]);
        let again: Vec<_> = (0..3).map(|_| ids.take(None).unwrap().id.get()).collect();
        assert_eq!(again, [1, 4, 2]);
    }

    #[test]
    fn whose_worker_is_settled_gets_a_slot_of_that_worker_or_none() {
        let mut ids = PeerIds::new(3, Shard::new(0, 2).unwrap());
        assert_eq!(ids.take(Some(1)).unwrap().id.get(), 1);
        assert_eq!(ids.take(Some(1)), None);
        assert_eq!(ids.take(Some(2)), None);
        assert_eq!(ids.take(Some(0)).unwrap().id.get(), 0);
        assert_eq!(ids.take(None).unwrap().id.get(), 2);
    }

    #[test]
    fn giving_back_twice_frees_one_slot() {
        let mut ids = PeerIds::new(1, Shard::WHOLE);
        let only = ids.take(None).unwrap();
        ids.give_back(only);
        ids.give_back(only);
        assert!(ids.take(None).is_some());
        assert!(ids.take(None).is_none());
    }
}
