//! Several workers side by side: which of them owns a peer is known without asking.
//!
//! The server gives out the peer-ids, so a peer's owner is its peer-id modulo the number of workers.
//! The same rule steers datagrams to sockets before anybody has read them.

/// One worker's part of all peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    index: u16,
    of: u16,
}

impl Shard {
    /// The only worker.
    pub const WHOLE: Shard = Shard { index: 0, of: 1 };

    /// Worker `index` of `of`. An index of `of` or more owns nothing: it only hands on. `None` if
    /// there are no workers.
    pub fn new(index: u16, of: u16) -> Option<Self> {
        (of > 0).then_some(Self { index, of })
    }

    /// Which worker owns a slot.
    pub fn owner(self, slot: u32) -> u16 {
        // Less than `of`.
        (slot % u32::from(self.of)) as u16
    }

    /// Whether this worker owns a slot.
    pub fn owns(self, slot: u32) -> bool {
        self.owner(slot) == self.index
    }

    /// How many workers own peers.
    pub fn of(self) -> u16 {
        self.of
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_slot_has_exactly_one_owner() {
        for slot in 0..100 {
            let owners = (0..4).filter(|index| Shard::new(*index, 3).unwrap().owns(slot)).count();
            assert_eq!(owners, 1);
        }
    }

    #[test]
    fn a_worker_behind_the_last_owns_nothing() {
        let watcher = Shard::new(2, 2).unwrap();
        assert!((0..100).all(|slot| !watcher.owns(slot)));
        assert_eq!(Shard::new(0, 0), None);
    }
}
